//! The server's side of replay: reads the call, asks the engine, and sends, counts and logs the answer.

mod hit;
mod missed;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use http::{HeaderName, Response, header};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use self::missed::Passing;
use super::body;
use super::cors;
use super::cursor::{CursorBy, Cursors};
use super::delay;
use super::engine::{Answered, Engine, ServerAnswer};
use super::fallback::{OnMissRules, ReadBody, Warned, Ways};
use super::logged;
use super::origins::{Base, Meant, Origins};
use super::ready::{Asked, Ready, Said};
use super::refusal;
use super::secrets::SecretPlaces;
use super::status::Edits;
use super::tally::Tally;
use crate::matching::{self, Steering, Target};
use crate::model::{Authority, Fields, HttpVersion, facade};
use crate::redact::{Masker, is_placeholder};
use crate::report::mask::Mask;
use crate::report::receipt::Receipt;
use crate::store::runs::{CallRecord, CallResult, LOGGED_BODY, LoggedMessage, RunLog, StateChange, WHOLE_BODY};
use crate::wire;
use crate::wire::upstream;
use crate::wire::{Answerer, Body, Call, HeadLines, OpaqueTunnel};

/// What a replay server does beside answering.
#[derive(Debug, Clone, Default)]
pub struct ServeOptions {
    /// The status of the answer to a miss, instead of the profile's.
    pub miss_status: Option<http::StatusCode>,
    /// Say in fields of every answer how it was chosen.
    pub explain_headers: bool,
    /// By what calls are told apart that have state of their own.
    pub cursor: CursorBy,
    /// What becomes of calls that nothing matches.
    pub on_miss: OnMissRules,
    /// Pages of other origins may call, whatever the collections say.
    pub cors: bool,
    /// The call log has the requests of exact hits, too.
    pub keep_requests: bool,
    /// The call log has bodies of requests as far as a test may ask for them, and not only their beginning.
    pub whole_bodies: bool,
    /// The call log has answers as they went out, where that is not what the collection has.
    pub keep_answers: bool,
    /// The call log leaves out exact hits that change nothing for later calls; the receipt counts them all the same. What
    /// a call found can be told from the log only if the others are in it.
    pub skip_exact: bool,
}

/// Answers calls from collections. Opens no upstream socket and makes no look-up: nothing here can. What misses goes
/// elsewhere by the [`Ways`] alone, if there are any.
pub struct Serve {
    served: ArcSwap<Served>,
    ports: Vec<u16>,
    cursors: Cursors,
    /// What the user says of server stubs, whatever the files say.
    forced: ArcSwapOption<Forced>,
    edits: Mutex<Edits>,
    ways: Ways,
    /// Origins that were sent what stands for a secret.
    warned: Warned,
    /// Cancelled when the server stops.
    stop: CancellationToken,
    options: ServeOptions,
    masker: Masker,
    mask: Mask,
    log: RunLog,
    tally: Tally,
    calls: AtomicU64,
    run: Option<String>,
    /// BLAKE3 over what was said of this run beside the collections.
    settings_blake3: String,
    /// Sockets that this process had opened towards origins before it began to serve.
    sockets_before: u64,
}

/// The collections as they are served at one moment.
struct Served {
    engine: Arc<Engine>,
    origins: Origins,
}

/// The server stub that answers everything, by collection and name, or none.
type Forced = Option<(usize, String)>;

/// What comes next for a call.
enum Next {
    /// This answer.
    Answer(Response<Body>),
    /// The way to its origin.
    Pass(Box<Passing>),
}

/// A call that was read, on its way to its answer.
struct Reading {
    number: u64,
    at: Timestamp,
    started: std::time::Instant,
    url: String,
    base: Option<Base>,
    /// What the call asked of the mock, for the log.
    steering: Vec<(String, String)>,
    cursor: Option<Arc<str>>,
}

impl Serve {
    /// A server over `engine` that listens on `ports`. Calls go to `log`, masked by `masker`; `run` names the run.
    pub fn new(
        engine: Engine,
        ports: Vec<u16>,
        options: ServeOptions,
        masker: Masker,
        log: RunLog,
        run: Option<String>,
    ) -> Self {
        let stop = engine.around().stop.clone();
        let served = ArcSwap::from_pointee(Served::new(engine, &ports));
        let mask = Mask::new(masker.clone());
        Serve {
            served,
            ports,
            cursors: Cursors::new(options.cursor.clone()),
            forced: ArcSwapOption::empty(),
            edits: Mutex::default(),
            ways: Ways::default(),
            warned: Warned::default(),
            stop,
            options,
            masker,
            mask,
            log,
            tally: Tally::default(),
            calls: AtomicU64::new(0),
            run,
            settings_blake3: String::new(),
            sockets_before: upstream::sockets_opened(),
        }
    }

    /// Lets calls that nothing matches go these ways, where the rules say so.
    pub fn with_ways(self, ways: Ways) -> Self {
        Serve { ways, ..self }
    }

    /// Names the settings of this run, by a hash over them, in the receipt.
    pub fn with_settings(self, settings_blake3: String) -> Self {
        Serve { settings_blake3, ..self }
    }

    /// The engine that answers now.
    pub fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.served.load().engine)
    }

    /// The cursors.
    pub(super) fn cursors(&self) -> &Cursors {
        &self.cursors
    }

    /// What masks the log.
    pub fn masker(&self) -> &Masker {
        &self.masker
    }

    /// Serves from another engine. Calls in progress end with the one that they began with.
    pub(super) fn replace(&self, engine: Engine) {
        self.served.store(Arc::new(Served::new(engine, &self.ports)));
        let mut edits = self.lock_edits();
        edits.taken += 1;
        edits.last = Some(Timestamp::now());
        edits.trouble.clear();
    }

    /// Goes on with the last good files, and says why; in the call log, too. Whether that is news.
    pub fn refuse_edit(&self, trouble: Vec<String>) -> bool {
        {
            let mut edits = self.lock_edits();
            if edits.trouble == trouble {
                return false;
            }
            edits.trouble.clone_from(&trouble);
        }
        let reading = self.reading("the files of the collections".to_owned(), Timestamp::now());
        let mut record = reading.record("EDIT".to_owned(), 0, CallResult::Error);
        record.differences = trouble;
        self.log.log(record);
        true
    }

    /// Queues for the log that somebody changed the state of a cursor: what the next calls find depends on it. Under the
    /// cursor's lock, so that it stands before them; without it [`RunLog::make_room`] is to follow.
    pub(super) fn log_change(&self, cursor: Option<Arc<str>>, change: StateChange, told: &str) {
        let reading = self.reading("sequences and states".to_owned(), Timestamp::now());
        let mut record = Reading { cursor, ..reading }.record("STATE".to_owned(), 0, CallResult::State);
        record.differences = vec![told.to_owned()];
        record.state = Some(change);
        self.log.queue(record);
    }

    /// What became of changes of the files.
    pub(super) fn edits(&self) -> Edits {
        self.lock_edits().clone()
    }

    fn lock_edits(&self) -> std::sync::MutexGuard<'_, Edits> {
        // Valid after every statement, so a panic elsewhere does not spoil it.
        self.edits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says which server stub answers everything; `None` leaves that to the files.
    pub(super) fn force(&self, forced: Option<Forced>) {
        self.forced.store(forced.map(Arc::new));
    }

    /// The server stub that answers everything.
    pub(super) fn server_stub<'e>(&self, engine: &'e Engine) -> Option<&'e ServerAnswer> {
        match &*self.forced.load() {
            None => engine.active(),
            Some(forced) => {
                let (collection, name) = forced.as_ref().as_ref()?;
                engine.server_stubs().iter().find(|stub| stub.collection == *collection && stub.name == *name)
            }
        }
    }

    /// The call log.
    pub fn log(&self) -> &RunLog {
        &self.log
    }

    /// What the run came to so far.
    pub fn receipt(&self) -> Receipt {
        let engine = self.engine();
        let (misses, inexact_hits, groups_left_out) = self.tally.grouped(|name| engine.shown(name));
        Receipt {
            run: self.run.clone(),
            collections: engine.names().to_vec(),
            served_blake3: engine.content_blake3().to_owned(),
            settings_blake3: self.settings_blake3.clone(),
            profile: engine.profile().as_str().to_owned(),
            served: self.tally.served(),
            inexact: self.tally.inexact_hits(),
            missed: self.tally.missed(),
            misses,
            inexact_hits,
            answered: engine.answered(),
            unused: engine.unused(),
            exhausted: engine.exhausted(),
            edits: self.edits().taken,
            upstream_sockets: upstream::sockets_opened().saturating_sub(self.sockets_before),
            groups_left_out,
            passed: self.tally.passed_on(),
            unanswered: self.tally.unanswered(),
            server_stub: self.server_stub(&engine).map(|stub| stub.label.to_string()),
            by_server_stub: self.tally.of_server_stubs(),
            passed_on: self.tally.passed_groups(),
        }
    }

    /// Answers a call whose body was read.
    fn answer_read(&self, mut arrived: Call<()>, body: Result<ReadBody, refusal::Refused>) -> Next {
        self.learn_secrets(&arrived);
        let served = self.served.load();
        let is_preflight = cors::is_preflight(&arrived.method, &arrived.head.headers);
        let (reading, mut call, admitted) = self.take(&served, &mut arrived, is_preflight);
        let raw = match if admitted { body } else { Err(refusal::Refused::Private) } {
            Ok(body) => {
                call.body = body.decoded;
                body.raw
            }
            Err(refused) => {
                return Next::Answer(self.refuse(reading, &call.method, &arrived.head.headers, refused));
            }
        };
        if let Some(stub) = self.server_stub(&served.engine) {
            return Next::Answer(self.server_stub_answers(reading, call, stub, &arrived, &served.engine));
        }
        let explain = self.options.explain_headers || arrived.head.headers.contains_key("x-retake-explain");
        match served.engine.answer(&call, &self.cursors, reading.cursor.as_ref(), explain) {
            Answered::Hit(chosen) => Next::Answer(self.hit(&served, reading, call, chosen, &arrived, explain)),
            Answered::Miss(_) if is_preflight && self.allows_pages(&served.engine, None) => {
                Next::Answer(self.preflight(reading, &call, &arrived.head.headers))
            }
            Answered::Miss(miss) => self.missed(&served.engine, reading, call, &miss, arrived, raw),
        }
    }

    /// What a call means here, without its body: where it goes, what it asks of the mock, and whether it is let in.
    /// Route, path, query and fields move out of `arrived`.
    fn take(&self, served: &Served, arrived: &mut Call<()>, is_preflight: bool) -> (Reading, matching::Call, bool) {
        let (mut path, mut prefix) = (std::mem::take(&mut arrived.path), String::new());
        let cursor = self.cursors.by().name(arrived, &mut path, &mut prefix);
        let route = std::mem::replace(&mut arrived.route, wire::Route::Plain { host: None, tls: false });
        let Meant { target, path, base } = served.origins.meant(route, path, prefix, arrived.local.port());
        let (mut query, mut fields) = (arrived.query.take(), std::mem::take(&mut arrived.fields));
        // A browser sends no key with its question whether it may call.
        let asks_for_key = base.is_some() && served.engine.access().is_private();
        let admitted = !asks_for_key || {
            let opens = served.engine.access().admits(&mut fields, &mut arrived.head.headers, &mut query);
            opens || (is_preflight && self.allows_pages(&served.engine, None))
        };
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let url = self.url(&target, &path, query.as_deref());
        let steering = Steering::take(&mut fields);
        let (started_at, started) = (arrived.started_at, arrived.started);
        let reading = Reading { number, at: started_at, started, url, base, steering: steering.fields(), cursor };
        let method = arrived.method.as_str().to_owned();
        let at = served.engine.around().moment(started_at);
        (reading, matching::Call { method, target, path, query, fields, body: Bytes::new(), steering, at }, admitted)
    }

    /// Remembers the credentials that a call carries in its fields, so that they are masked wherever they come back,
    /// in the path of this very call or in the body of a later one.
    fn learn_secrets(&self, call: &Call<()>) {
        const CARRIERS: [HeaderName; 4] =
            [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION, HeaderName::from_static("x-api-key")];
        if CARRIERS.iter().any(|name| call.head.headers.contains_key(name)) {
            self.masker.fields(&mut call.fields.clone());
        }
    }

    /// In which form the answer to a call goes out.
    fn asked<'a>(&self, arrived: &Call<()>, accept_encoding: Option<&'a str>) -> Asked<'a> {
        let (head, http1) = (arrived.method == http::Method::HEAD, arrived.version != HttpVersion::Http2);
        Asked { head, http1, accept_encoding, logged: self.options.keep_answers }
    }

    /// Whether pages of other origins may call a collection; without one, any of them.
    fn allows_pages(&self, engine: &Engine, collection: Option<usize>) -> bool {
        self.options.cors || engine.allows_pages(collection)
    }

    /// The request, as far as the log is to have all of them.
    fn request_for_log(&self, call: &matching::Call) -> Option<LoggedMessage> {
        self.options.keep_requests.then(|| self.logged(call))
    }

    fn logged(&self, call: &matching::Call) -> LoggedMessage {
        logged::request(call, &self.masker, if self.options.whole_bodies { WHOLE_BODY } else { LOGGED_BODY })
    }

    /// The answer, where the log is to have it and the collection has it otherwise.
    fn answer_for_log(&self, response: &mut Response<Body>) -> Option<LoggedMessage> {
        if self.options.keep_answers { logged::answer(response, &self.masker) } else { None }
    }

    fn reading(&self, url: String, at: Timestamp) -> Reading {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        Reading { number, at, started: std::time::Instant::now(), url, base: None, steering: Vec::new(), cursor: None }
    }

    fn url(&self, target: &Target, path: &str, query: Option<&str>) -> String {
        let mut url = match target {
            Target::Origin(origin) => origin.to_string(),
            Target::Authority(authority) => authority.to_string(),
            Target::Any => String::new(),
        };
        url.push_str(&self.masker.path(path));
        if let Some(query) = query {
            url.push('?');
            url.push_str(&self.masker.query(query));
        }
        url
    }

    /// The URL of a call whose scenario knows where its secrets are; they are masked from here on.
    fn url_without(&self, places: &SecretPlaces, call: &matching::Call) -> String {
        let (path, query) = places.masked(&call.path, call.query.as_deref(), |secret, placeholder| {
            if !is_placeholder(secret) {
                self.masker.remember(secret, placeholder);
            }
        });
        self.url(&call.target, &path, query.as_deref())
    }
}

impl Served {
    fn new(engine: Engine, ports: &[u16]) -> Self {
        let origins = Origins::new(engine.origins().to_vec(), ports.to_vec());
        Served { engine: Arc::new(engine), origins }
    }

    fn hit(&self, ready: &Ready, asked: Asked<'_>, call: &matching::Call, base: Option<&Base>) -> Response<Body> {
        let mut response = ready.response(asked, call, self.engine.around());
        if let Some(base) = base {
            self.keep_here(&mut response, base);
        }
        response
    }

    /// Keeps a plain client on the mock, where the answer would lead it away.
    fn keep_here(&self, response: &mut Response<Body>, base: &Base) {
        let lines = response.extensions().get::<HeadLines>().map(|lines| Arc::clone(&lines.fields));
        let Some(lines) = lines.filter(|lines| facade::may_lead_away(lines)) else { return };
        let mut lines = Fields::clone(&lines);
        if !self.origins.keep_on_mock(&mut lines, base) {
            return;
        }
        if let Some(said) = response.extensions_mut().get_mut::<Said>() {
            said.own = false;
        }
        let framing: Vec<_> =
            ["content-length", "trailer"].map(|name| (name, response.headers().get(name).cloned())).into();
        *response.headers_mut() = lines.to_map();
        for (name, value) in framing {
            value.map(|value| response.headers_mut().insert(name, value));
        }
        let informational = response.extensions().get::<HeadLines>().map(|lines| lines.informational.clone());
        let informational = informational.unwrap_or_default();
        response.extensions_mut().insert(HeadLines { fields: Arc::new(lines), informational, whole: true });
    }
}

impl Reading {
    fn record(self, method: String, status: u16, result: CallResult) -> CallRecord {
        CallRecord {
            call: self.number,
            at: self.at,
            duration_us: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            method,
            url: self.url,
            status,
            result,
            cursor: self.cursor,
            scenario: None,
            step: None,
            score: None,
            differences: Vec::new(),
            steering: self.steering,
            placeholder: None,
            request: None,
            response: None,
            state: None,
            miss: None,
            report: None,
            report_text: None,
        }
    }
}

impl Answerer for Serve {
    fn answer(self: Arc<Self>, call: Call) -> impl Future<Output = Response<Body>> + Send {
        // What lives across an await is copied with its future: only what must.
        let (call, body) = call.split();
        async move {
            let asked = &call.head.headers;
            let body_asked = asked.get(matching::MATCH_BODY).map(|value| String::from_utf8_lossy(value.as_bytes()));
            let steered = body_asked.map_or(Ok(true), |value| matching::match_body(&value));
            let delay = steered.and_then(|_| delay::asked(asked));
            let body = body::read(body, &call.fields).await;
            let (delay, body) = match delay {
                Ok(delay) => (delay, body),
                Err(reason) => (None, Err(refusal::Refused::Steering(reason))),
            };
            match self.answer_read(call, body) {
                Next::Answer(mut answer) => {
                    delay::wait(delay, &mut answer, &self.stop).await;
                    answer
                }
                // Rare, and large: most calls do not carry it along.
                Next::Pass(passing) => Box::pin(self.pass_on(*passing)).await,
            }
        }
    }

    async fn opaque_tunnel(self: Arc<Self>, tunnel: OpaqueTunnel) {
        // Offline means offline: there is nowhere to relay to, so the tunnel is closed.
        self.lost(tunnel.started_at, Some(&tunnel.authority), &format!("not HTTP: {}", tunnel.reason));
    }

    fn refused_certificate(&self, _client: SocketAddr, authority: &Authority, reason: &str) {
        let cure = "let the client trust retake's CA: `retake ca show`";
        self.lost(Timestamp::now(), Some(authority), &format!("the client refused our certificate ({reason}); {cure}"));
    }

    fn refused_message(&self, _client: SocketAddr, reason: &str) {
        self.lost(Timestamp::now(), None, &format!("refused: {reason}"));
    }
}
