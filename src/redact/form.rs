//! Forms and queries: pairs by name, and values that are JSON themselves.

use super::body::{Lexer, Secret, Sink};
use super::json::Json;

/// Longer names are no secrets.
const LONGEST_NAME: usize = 1024;
/// A value that begins like JSON is looked into up to this size.
const LONGEST_NESTED: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Form {
    buf: Vec<u8>,
    state: State,
    /// A URL's query, not the body of a form: there are rules for one of them only.
    is_query: bool,
}

#[derive(Default)]
enum State {
    #[default]
    Name,
    Value,
    /// The first bytes of a value.
    Begin,
    Nested(Vec<u8>),
    Secret(Secret),
}

impl Form {
    pub(super) fn query() -> Self {
        Form { is_query: true, ..Form::default() }
    }

    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut Sink) {
        self.buf.extend_from_slice(bytes);
        self.run(sink, false);
    }

    pub(super) fn finish(&mut self, sink: &mut Sink) {
        self.run(sink, true);
        self.end_value(sink);
        sink.plain(&self.buf);
        self.buf.clear();
    }

    fn run(&mut self, sink: &mut Sink, at_end: bool) {
        let buf = std::mem::take(&mut self.buf);
        let mut at = 0;
        while at < buf.len() {
            let rest = &buf[at..];
            let used = match &mut self.state {
                State::Name => self.name(rest, sink),
                State::Begin => self.begin(rest, at_end),
                State::Value | State::Nested(_) | State::Secret(_) => Some(self.value(rest, sink)),
            };
            match used {
                Some(count) => at += count,
                None => break,
            }
        }
        self.buf = buf;
        self.buf.drain(..at);
    }

    /// A name and its `=`; `None`: more bytes are needed.
    fn name(&mut self, rest: &[u8], sink: &mut Sink) -> Option<usize> {
        let window = &rest[..rest.len().min(LONGEST_NAME)];
        let Some(end) = memchr::memchr2(b'=', b'&', window) else {
            if window.len() < LONGEST_NAME {
                return None;
            }
            self.state = State::Value;
            return Some(0);
        };
        if window[end] == b'=' {
            let (name, names) = (decoded(&window[..end]), &sink.shared().names);
            let is_secret = if self.is_query { names.is_query(&name) } else { names.is_form(&name) };
            self.state = if is_secret { State::Secret(Secret::default()) } else { State::Begin };
        }
        sink.plain(&window[..=end]);
        Some(end + 1)
    }

    fn begin(&mut self, rest: &[u8], at_end: bool) -> Option<usize> {
        let begins = |start: &[u8]| rest[..rest.len().min(3)].eq_ignore_ascii_case(start);
        if rest[0] == b'%' && rest.len() < 3 && !at_end {
            return None;
        }
        let nested = matches!(rest[0], b'{' | b'[') || begins(b"%7B") || begins(b"%5B");
        self.state = if nested { State::Nested(Vec::new()) } else { State::Value };
        Some(0)
    }

    fn value(&mut self, rest: &[u8], sink: &mut Sink) -> usize {
        let end = memchr::memchr(b'&', rest);
        let value = &rest[..end.unwrap_or(rest.len())];
        match &mut self.state {
            State::Secret(secret) => secret.push(value, sink.shared()),
            State::Nested(nested) if nested.len() + value.len() <= LONGEST_NESTED => nested.extend_from_slice(value),
            State::Nested(_) => {
                self.end_value(sink);
                self.state = State::Value;
                sink.plain(value);
            }
            _ => sink.plain(value),
        }
        if end.is_some() {
            self.end_value(sink);
            sink.plain(b"&");
        }
        value.len() + usize::from(end.is_some())
    }

    fn end_value(&mut self, sink: &mut Sink) {
        match std::mem::take(&mut self.state) {
            State::Secret(secret) => sink.secret(secret, decoded),
            State::Nested(raw) => match sink.nested(Lexer::Json(Json::default()), &decoded(&raw)) {
                Some((masked, hits)) => {
                    let coded: String = form_urlencoded::byte_serialize(&masked).collect();
                    sink.masked(coded.as_bytes(), hits);
                }
                None => sink.plain(&raw),
            },
            _ => {}
        }
    }
}

/// A name or value with `+` and percent escapes undone.
fn decoded(raw: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = raw.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    percent_encoding::percent_decode(&spaced).collect()
}
