//! JSON as it streams by, once more: where in the document a value stands. Only at work where a rule names a place;
//! what is no such place goes on to [`Json`], which knows names.
//!
//! Garbage is followed as far as it goes: a string ends at its line, and a place that cannot be told is none.

use std::sync::Arc;

use super::Masker;
use super::body::{Secret, Sink};
use super::json::{Json, Spared, unescape};
use super::rules::Pointer;

/// Deeper containers have no place.
const DEEPEST: usize = 256;
/// Longer names are in no rule.
const LONGEST_NAME: usize = 1024;

/// The places that hold for one body.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// What is masked there, and what is not.
    rules: Vec<(Pointer, Verdict)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Mask,
    Keep,
}

impl Places {
    /// The rules that hold where `holds` says so; none if there is no such rule.
    pub(super) fn new(rules: &super::MaskRules, holds: impl Fn(&Pointer) -> bool) -> Option<Arc<Places>> {
        let masked = rules.pointers.iter().map(|pointer| (pointer, Verdict::Mask));
        let kept = rules.keep_pointers.iter().map(|pointer| (pointer, Verdict::Keep));
        let rules: Vec<_> =
            masked.chain(kept).filter(|(pointer, _)| holds(pointer)).map(|(p, verdict)| (p.clone(), verdict)).collect();
        (!rules.is_empty()).then(|| Arc::new(Places { rules }))
    }
}

impl Masker {
    /// The same masker for bodies of this host and path: rules for other places do not hold there. Without a place all
    /// of them do.
    pub fn at(&self, host: &str, path: &str) -> Masker {
        match (&self.shared, &self.places) {
            (Some(shared), Some(_)) => {
                let places = Places::new(&shared.rules, |pointer| pointer.holds_at(host, path));
                Masker { shared: self.shared.clone(), places }
            }
            _ => self.clone(),
        }
    }
}

pub(super) struct Pointed {
    inner: Json,
    places: Arc<Places>,
    /// The containers that are open, outermost first, and how many more are open beyond the deepest.
    open: Vec<Container>,
    beyond: usize,
    state: State,
    /// The value that the next one is: rules whose way led there, and how many steps of it.
    alive: Vec<u16>,
    events: bool,
    line_is_empty: bool,
}

struct Container {
    is_object: bool,
    /// Rules whose way leads through this container.
    alive: Vec<u16>,
    /// All of it is masked.
    is_masked: bool,
    index: u64,
    expects: Expects,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expects {
    Key,
    Colon,
    Value,
}

enum State {
    Between,
    /// Inside a name: what it is so far, and whether a backslash came last.
    Key(Vec<u8>, bool),
    /// Inside a string that is passed on: what comes after it, and whether a backslash came last.
    Text(Option<Spared>, bool),
    Secret(Secret, bool),
    Number(Secret),
}

/// What is done with a value.
enum Fate {
    Mask,
    Keep,
    Pass,
}

impl Pointed {
    pub(super) fn new(inner: Json, events: bool, places: Arc<Places>) -> Self {
        let mut new = Pointed {
            inner,
            places,
            open: Vec::new(),
            beyond: 0,
            state: State::Between,
            alive: Vec::new(),
            events,
            line_is_empty: false,
        };
        new.start_afresh();
        new
    }

    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut Sink) {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            at += match &mut self.state {
                State::Between => self.between(rest, sink),
                State::Number(_) => self.number(rest, sink),
                _ => self.string(rest, sink),
            };
        }
    }

    pub(super) fn finish(&mut self, sink: &mut Sink) {
        match std::mem::replace(&mut self.state, State::Between) {
            State::Secret(secret, _) => sink.secret(secret, |raw| unescape(raw, 1)),
            State::Number(secret) => sink.secret_number(secret),
            _ => {}
        }
        self.inner.finish(sink);
    }

    fn start_afresh(&mut self) {
        self.open.clear();
        self.beyond = 0;
        self.alive = (0..self.places.rules.len()).filter_map(|rule| u16::try_from(rule).ok()).collect();
    }

    /// Takes what comes between strings and numbers, up to the next of them.
    fn between(&mut self, rest: &[u8], sink: &mut Sink) -> usize {
        for (at, &byte) in rest.iter().enumerate() {
            let was_empty = self.line_is_empty;
            self.line_is_empty = byte == b'\n' || was_empty && byte == b'\r';
            match byte {
                // An empty line ends an event.
                b'\n' if self.events && was_empty => self.start_afresh(),
                b'{' | b'[' => self.opened(byte == b'{'),
                b'}' | b']' => self.closed(),
                b',' if self.beyond == 0 => self.next(),
                b':' if self.beyond == 0 => {
                    if let Some(container) = self.open.last_mut().filter(|one| one.expects == Expects::Colon) {
                        container.expects = Expects::Value;
                    }
                }
                b'"' => {
                    self.inner.push(&rest[..at], sink);
                    self.quote(sink);
                    return at + 1;
                }
                b'0'..=b'9' | b'-' if self.is_value() => match self.fate() {
                    Fate::Mask => {
                        self.inner.push(&rest[..at], sink);
                        self.inner.settle(sink);
                        self.state = State::Number(Secret::default());
                        return at;
                    }
                    Fate::Keep => {
                        self.inner.push(&rest[..at], sink);
                        // What a name before it says of it is forgotten; in an array numbers are no secrets anyway.
                        let spared = self.inner.spare(sink);
                        self.inner.resume(spared);
                        self.inner.push(&rest[at..=at], sink);
                        return at + 1;
                    }
                    Fate::Pass => {}
                },
                _ => {}
            }
        }
        self.inner.push(rest, sink);
        rest.len()
    }

    fn is_value(&self) -> bool {
        self.beyond == 0 && self.open.last().is_none_or(|container| container.expects == Expects::Value)
    }

    fn opened(&mut self, is_object: bool) {
        if self.open.len() == DEEPEST {
            self.beyond += 1;
            return;
        }
        let is_value = self.is_value();
        let is_masked = self.is_in_masked() || is_value && matches!(self.fate(), Fate::Mask);
        let alive = if is_value { self.alive.clone() } else { Vec::new() };
        let expects = if is_object { Expects::Key } else { Expects::Value };
        self.open.push(Container { is_object, alive, is_masked, index: 0, expects });
        if !is_object {
            self.name(b"0");
        }
    }

    fn closed(&mut self) {
        if self.beyond > 0 {
            self.beyond -= 1;
        } else if self.open.pop().is_none() || self.open.is_empty() {
            self.start_afresh();
        }
    }

    fn next(&mut self) {
        let Some(container) = self.open.last_mut() else { return };
        if container.is_object {
            container.expects = Expects::Key;
        } else {
            container.index += 1;
            let index = container.index.to_string();
            self.name(index.as_bytes());
        }
    }

    /// The next value has this name in the innermost container.
    fn name(&mut self, name: &[u8]) {
        let depth = self.open.len();
        let Some(container) = self.open.last() else { return };
        let fits = |rule: &u16| {
            let steps = self.places.rules[usize::from(*rule)].0.steps();
            steps.get(depth - 1).is_some_and(|step| step.as_ref().is_none_or(|step| step == name))
        };
        self.alive = container.alive.iter().copied().filter(fits).collect();
    }

    fn is_in_masked(&self) -> bool {
        self.open.last().is_some_and(|container| container.is_masked)
    }

    /// What is done with the value that begins here.
    fn fate(&self) -> Fate {
        let depth = self.open.len();
        let told = |verdict: Verdict| {
            let mut rules = self.alive.iter().map(|rule| &self.places.rules[usize::from(*rule)]);
            rules.any(|(pointer, told)| *told == verdict && pointer.steps().len() == depth)
        };
        match () {
            // Masking has the last word.
            () if self.is_in_masked() || told(Verdict::Mask) => Fate::Mask,
            () if told(Verdict::Keep) => Fate::Keep,
            () => Fate::Pass,
        }
    }

    /// At the quote that opens a name or a string.
    fn quote(&mut self, sink: &mut Sink) {
        let expects = if self.beyond > 0 { None } else { self.open.last().map(|container| container.expects) };
        self.state = match expects {
            Some(Expects::Key) => State::Key(Vec::new(), false),
            Some(Expects::Value) => match self.fate() {
                Fate::Mask => {
                    self.inner.settle(sink);
                    sink.plain(b"\"");
                    State::Secret(Secret::default(), false)
                }
                Fate::Keep => {
                    let spared = self.inner.spare(sink);
                    State::Text(Some(spared), false)
                }
                Fate::Pass => State::Text(None, false),
            },
            _ => State::Text(None, false),
        };
        if !matches!(self.state, State::Secret(..)) {
            self.inner.push(b"\"", sink);
        }
    }

    /// Takes a piece of a string, up to its end or the next backslash.
    fn string(&mut self, rest: &[u8], sink: &mut Sink) -> usize {
        let (State::Key(_, escaped) | State::Text(_, escaped) | State::Secret(_, escaped)) = &mut self.state else {
            return 0;
        };
        // What a backslash escapes is never an end, but for a line feed, which is no part of any string.
        let first = usize::from(std::mem::take(escaped) && rest[0] != b'\n');
        let stop = memchr::memchr3(b'"', b'\\', b'\n', &rest[first..]).map(|stop| first + stop);
        let stopped = stop.map(|stop| rest[stop]);
        if stopped == Some(b'\\') {
            *escaped = true;
        }
        let taken = match (stop, stopped) {
            (Some(stop), Some(b'\\')) => stop + 1,
            (Some(stop), _) => stop,
            (None, _) => rest.len(),
        };
        let piece = &rest[..taken];
        match &mut self.state {
            State::Secret(secret, _) => secret.push(piece, sink.shared()),
            State::Key(name, _) => {
                if name.len() <= LONGEST_NAME {
                    name.extend_from_slice(piece);
                }
                self.inner.push(piece, sink);
            }
            _ => self.inner.push(piece, sink),
        }
        match stopped {
            Some(b'"') => {
                self.ended(sink);
                taken + 1
            }
            Some(b'\n') => {
                self.broken_off(sink);
                taken
            }
            _ => taken,
        }
    }

    /// At the quote that closes a string.
    fn ended(&mut self, sink: &mut Sink) {
        match std::mem::replace(&mut self.state, State::Between) {
            State::Secret(secret, _) => {
                sink.secret(secret, |raw| unescape(raw, 1));
                sink.plain(b"\"");
            }
            State::Key(name, _) => {
                if name.len() <= LONGEST_NAME {
                    self.name(&unescape(&name, 1));
                } else {
                    self.alive.clear();
                }
                if let Some(container) = self.open.last_mut() {
                    container.expects = Expects::Colon;
                }
                self.inner.push(b"\"", sink);
            }
            State::Text(spared, _) => {
                self.inner.push(b"\"", sink);
                if let Some(spared) = spared {
                    self.inner.settle(sink);
                    self.inner.resume(spared);
                }
            }
            State::Between | State::Number(_) => {}
        }
    }

    /// At a line feed inside a string, which no JSON has.
    fn broken_off(&mut self, sink: &mut Sink) {
        if let State::Secret(secret, _) = std::mem::replace(&mut self.state, State::Between) {
            sink.secret(secret, |raw| unescape(raw, 1));
        }
        self.start_afresh();
    }

    fn number(&mut self, rest: &[u8], sink: &mut Sink) -> usize {
        let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        let end = rest.iter().position(|byte| !is_part(byte));
        if let State::Number(secret) = &mut self.state {
            secret.push(&rest[..end.unwrap_or(rest.len())], sink.shared());
        }
        if end.is_some()
            && let State::Number(secret) = std::mem::replace(&mut self.state, State::Between)
        {
            sink.secret_number(secret);
        }
        end.unwrap_or(rest.len())
    }
}
