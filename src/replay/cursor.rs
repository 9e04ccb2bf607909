//! Cursors: what has happened so far, for the whole server or for each test by itself.
//!
//! A cursor holds how far each sequence has got, which named states are on, and for which recorded values the fresh
//! values of its calls stand. Everything that one call changes is changed under one lock, which is taken when the
//! answer first depends on state, and kept to the end of the step: calls of one cursor see each other's steps whole,
//! in the order in which they came. A call whose answer depends on no state takes no lock.

use std::cell::{OnceCell, RefCell, RefMut};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::collection::START;
use crate::wire::{Call, Route};

/// How many cursors are kept beside the one of the whole server; the one that was not used for longest goes.
pub const MAX_CURSORS: usize = 10_000;
/// How many go at once when there are too many: looking for them costs a walk over all.
const DROPPED_AT_ONCE: usize = MAX_CURSORS / 100;
/// A cursor with a longer name is known by the hash of it, in bytes.
const MAX_NAME: usize = 200;
/// A longer fresh value is bound to nothing, in bytes.
const MAX_FRESH: usize = 1_024;

/// By what calls are told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CursorBy {
    /// Not at all: the server has one cursor.
    #[default]
    Server,
    /// By the value of this field.
    Header(http::HeaderName),
    /// By the port at which a call arrived.
    Port,
    /// By the user that the client names to its proxy.
    ProxyUser,
    /// By a first path segment `~NAME` of a plain call.
    Path,
}

impl std::fmt::Display for CursorBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CursorBy::Server => f.write_str("server"),
            CursorBy::Header(name) => write!(f, "header:{name}"),
            CursorBy::Port => f.write_str("port"),
            CursorBy::ProxyUser => f.write_str("proxy-user"),
            CursorBy::Path => f.write_str("path"),
        }
    }
}

/// A text that names no way to tell calls apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no cursor: write `server`, `header:NAME`, `port`, `proxy-user` or `path`")]
pub struct BadCursorBy(String);

impl std::str::FromStr for CursorBy {
    type Err = BadCursorBy;

    fn from_str(text: &str) -> Result<Self, BadCursorBy> {
        let bad = || BadCursorBy(text.to_owned());
        Ok(match text {
            "server" => CursorBy::Server,
            "port" => CursorBy::Port,
            "proxy-user" => CursorBy::ProxyUser,
            "path" => CursorBy::Path,
            _ => {
                let name = text.strip_prefix("header:").ok_or_else(bad)?;
                CursorBy::Header(name.trim().parse().map_err(|_| bad())?)
            }
        })
    }
}

impl CursorBy {
    /// The name of the cursor that a call means; none for that of the whole server. With [`CursorBy::Path`], the segment
    /// that names it goes from `path` to `prefix`.
    pub(super) fn name(&self, call: &Call<()>, path: &mut String, prefix: &mut String) -> Option<Arc<str>> {
        let name = match self {
            CursorBy::Server => return None,
            CursorBy::Header(name) => text(call.head.headers.get(name)?),
            CursorBy::Port => return Some(call.local.port().to_string().into()),
            CursorBy::ProxyUser => {
                let own = || call.head.headers.get(http::header::PROXY_AUTHORIZATION);
                user(call.tunnel_credentials.as_ref().or_else(own)?)?
            }
            CursorBy::Path => {
                let rest = path.strip_prefix("/~").filter(|_| matches!(call.route, Route::Plain { .. }))?;
                let (raw, rest) = rest.split_once('/').unwrap_or((rest, ""));
                *prefix = format!("/~{raw}");
                let name = percent_encoding::percent_decode_str(raw).decode_utf8_lossy().into_owned();
                *path = format!("/{rest}");
                name
            }
        };
        match name.len() {
            0 => None,
            1..=MAX_NAME => Some(name.into()),
            _ => Some(blake3::hash(name.as_bytes()).to_hex().as_str().into()),
        }
    }
}

fn text(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).trim().to_owned()
}

/// The user of basic credentials (RFC 7617); the password is nobody's business.
fn user(credentials: &http::HeaderValue) -> Option<String> {
    use base64::Engine;
    let (scheme, coded) = credentials.to_str().ok()?.split_once(' ')?;
    let basic = scheme.eq_ignore_ascii_case("basic").then(|| coded.trim())?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(basic).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    decoded.split(':').next().map(str::to_owned)
}

/// A thing that has named states, by collection and name.
pub type Thing = (usize, Arc<str>);

/// What has happened, as one cursor knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CursorState {
    /// How many calls each sequence answered, by the number of the scenario.
    pub served: HashMap<u32, u64>,
    /// The named states that are on; what is not here is in `start`.
    pub states: HashMap<Thing, Arc<str>>,
    /// The recorded value for which each fresh one stands, by collection.
    pub bound: HashMap<(usize, String), Arc<str>>,
    /// The recorded values for which some fresh one stands.
    spoken_for: HashSet<(usize, Arc<str>)>,
}

impl CursorState {
    /// How many calls a sequence answered.
    pub fn served(&self, scenario: u32) -> u64 {
        self.served.get(&scenario).copied().unwrap_or(0)
    }

    /// The named state of a thing.
    pub fn state(&self, thing: &Thing) -> &str {
        self.states.get(thing).map_or(START, |state| state)
    }

    /// Puts a thing into a state.
    pub fn enter(&mut self, thing: &Thing, state: &Arc<str>) {
        match &**state {
            START => drop(self.states.remove(thing)),
            _ => drop(self.states.insert(thing.clone(), Arc::clone(state))),
        }
    }

    /// The recorded value for which a fresh one stands.
    pub fn bound(&self, collection: usize, fresh: &str) -> Option<Arc<str>> {
        if self.bound.is_empty() {
            return None;
        }
        self.bound.get(&(collection, fresh.to_owned())).cloned()
    }

    /// Whether some fresh value stands for a recorded one.
    pub fn is_spoken_for(&self, collection: usize, recorded: &str) -> bool {
        !self.spoken_for.is_empty() && self.spoken_for.contains(&(collection, Arc::from(recorded)))
    }

    /// Lets a fresh value stand for a recorded one from now on, unless either is taken. There are at most as many
    /// bindings as recorded values.
    pub fn bind(&mut self, collection: usize, fresh: &str, recorded: &str) {
        let recorded: Arc<str> = recorded.into();
        let key = (collection, fresh.to_owned());
        if fresh.len() > MAX_FRESH || self.bound.contains_key(&key) {
            return;
        }
        if self.spoken_for.insert((collection, Arc::clone(&recorded))) {
            self.bound.insert(key, recorded);
        }
    }
}

/// One cursor.
#[derive(Debug, Default)]
pub struct Cursor {
    state: Mutex<CursorState>,
}

impl Cursor {
    /// Its state, locked.
    pub fn lock(&self) -> MutexGuard<'_, CursorState> {
        // What a step changes is valid after every statement, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cursors of a server.
#[derive(Debug, Default)]
pub struct Cursors {
    by: CursorBy,
    /// Of calls that name none.
    whole: Arc<Cursor>,
    named: Mutex<Named>,
}

#[derive(Debug, Default)]
struct Named {
    cursors: HashMap<Arc<str>, (Arc<Cursor>, u64)>,
    /// Counts uses, so that the least recent is known.
    clock: u64,
    dropped: u64,
}

impl Cursors {
    /// Cursors told apart in this way.
    pub fn new(by: CursorBy) -> Self {
        Cursors { by, ..Cursors::default() }
    }

    /// By what calls are told apart.
    pub fn by(&self) -> &CursorBy {
        &self.by
    }

    /// The cursor of that name, made when there is none; without a name, that of the whole server.
    pub fn get(&self, name: Option<&Arc<str>>) -> Arc<Cursor> {
        let Some(name) = name else { return Arc::clone(&self.whole) };
        let mut named = self.named();
        named.clock += 1;
        let now = named.clock;
        if let Some((cursor, used)) = named.cursors.get_mut(name) {
            *used = now;
            return Arc::clone(cursor);
        }
        if named.cursors.len() >= MAX_CURSORS {
            named.drop_oldest();
        }
        let cursor = Arc::new(Cursor::default());
        named.cursors.insert(Arc::clone(name), (Arc::clone(&cursor), now));
        cursor
    }

    /// The cursor of that name, if there is one; without a name, that of the whole server.
    pub fn find(&self, name: Option<&str>) -> Option<Arc<Cursor>> {
        match name {
            None => Some(Arc::clone(&self.whole)),
            Some(name) => self.named().cursors.get(name).map(|(cursor, _)| Arc::clone(cursor)),
        }
    }

    /// Every cursor with its name, that of the whole server first, then by name.
    pub fn all(&self) -> Vec<(Option<Arc<str>>, Arc<Cursor>)> {
        let named = self.named();
        let mut all: Vec<_> =
            named.cursors.iter().map(|(name, (cursor, _))| (Some(Arc::clone(name)), Arc::clone(cursor))).collect();
        drop(named);
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all.insert(0, (None, Arc::clone(&self.whole)));
        all
    }

    /// How many cursors were dropped because there were too many.
    pub fn dropped(&self) -> u64 {
        self.named().dropped
    }

    /// Lets everything begin anew for one cursor, or for all.
    pub fn reset(&self, which: Option<&Cursor>) {
        match which {
            Some(cursor) => *cursor.lock() = CursorState::default(),
            None => {
                *self.whole.lock() = CursorState::default();
                // A call in progress ends its step on the cursor that it holds.
                self.named().cursors.clear();
            }
        }
    }

    fn named(&self) -> MutexGuard<'_, Named> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Named {
    fn drop_oldest(&mut self) {
        let mut uses: Vec<u64> = self.cursors.values().map(|(_, used)| *used).collect();
        let at = DROPPED_AT_ONCE.min(uses.len().saturating_sub(1));
        let (_, limit, _) = uses.select_nth_unstable(at);
        let limit = *limit;
        self.cursors.retain(|_, (_, used)| *used >= limit);
        if self.dropped == 0 {
            tracing::warn!("more than {MAX_CURSORS} cursors: those that were not used for longest begin anew");
        }
        self.dropped += at as u64;
    }
}

/// A cursor within one step: looked up and locked when first asked, and locked from then to the end of the step.
pub(super) struct Step<'s, 'c> {
    cursors: &'c Cursors,
    name: Option<&'c Arc<str>>,
    cursor: &'c OnceCell<Arc<Cursor>>,
    held: &'s OnceCell<RefCell<MutexGuard<'c, CursorState>>>,
}

impl<'s, 'c> Step<'s, 'c> {
    /// A step on the cursor of that name; `cursor` and `held` are empty cells that live as long as the step.
    pub(super) fn new(
        cursors: &'c Cursors,
        name: Option<&'c Arc<str>>,
        cursor: &'c OnceCell<Arc<Cursor>>,
        held: &'s OnceCell<RefCell<MutexGuard<'c, CursorState>>>,
    ) -> Self {
        Step { cursors, name, cursor, held }
    }

    /// The state.
    pub(super) fn state(&self) -> RefMut<'s, CursorState> {
        let lock = || RefCell::new(self.cursor.get_or_init(|| self.cursors.get(self.name)).lock());
        RefMut::map(self.held.get_or_init(lock).borrow_mut(), |guard| &mut **guard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_to_tell_calls_apart_are_written_as_they_are_read() {
        for text in ["server", "header:x-test-id", "port", "proxy-user", "path"] {
            assert_eq!(text.parse::<CursorBy>().unwrap().to_string(), text);
        }
        for text in ["", "header:", "header:a b", "ports"] {
            assert!(text.parse::<CursorBy>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_user_of_credentials_is_read_without_its_password() {
        let user = |value: &str| super::user(&value.parse().unwrap());
        assert_eq!(user("Basic dGVzdC03OnNlY3JldA==").as_deref(), Some("test-7"));
        assert_eq!(user("basic dGVzdC03").as_deref(), Some("test-7"));
        for bad in ["Bearer dGVzdC03", "Basic ?", "Basic"] {
            assert_eq!(user(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_cursor_that_was_not_used_for_longest_goes() {
        let cursors = Cursors::new(CursorBy::Path);
        let name = |number: usize| Some(Arc::<str>::from(format!("test-{number}")));
        for number in 0..MAX_CURSORS {
            cursors.get(name(number).as_ref()).lock().served.insert(1, number as u64);
        }
        cursors.get(name(0).as_ref());
        cursors.get(name(MAX_CURSORS).as_ref());
        assert_eq!(cursors.dropped(), DROPPED_AT_ONCE as u64);
        assert!(cursors.find(Some("test-0")).is_some(), "it was used");
        assert!(cursors.find(Some("test-1")).is_none() && cursors.find(Some("test-500")).is_some());
        assert_eq!(cursors.all().len(), 1 + MAX_CURSORS - DROPPED_AT_ONCE + 1);
    }

    #[test]
    fn each_recorded_value_is_stood_for_once() {
        let mut state = CursorState::default();
        state.bind(0, "x", "1001");
        state.bind(0, "y", "1001");
        state.bind(0, "x", "1002");
        state.bind(1, "y", "1001");
        assert_eq!(state.bound(0, "x").as_deref(), Some("1001"));
        assert_eq!(state.bound(0, "y"), None);
        assert!(state.is_spoken_for(1, "1001") && !state.is_spoken_for(0, "1002"));
        state.bind(0, &"z".repeat(MAX_FRESH + 1), "1003");
        assert_eq!(state.bound.len(), 2);
    }

    #[test]
    fn what_is_in_start_takes_no_room() {
        let mut state = CursorState::default();
        let thing: Thing = (0, "order".into());
        state.enter(&thing, &"paid".into());
        assert_eq!(state.state(&thing), "paid");
        state.enter(&thing, &START.into());
        assert_eq!((state.state(&thing), state.states.len()), (START, 0));
    }
}
