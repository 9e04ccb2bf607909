//! JSON as it streams by: members by name, at any depth, and inside strings that are JSON themselves.
//!
//! Not a parser: quotes are followed through garbage as well. A quote has a level, the number of strings it is inside
//! of: `"` is 0, `\"` is 1, `\\\"` is 2. A line feed, which no JSON string may hold, starts afresh.

use super::body::{Secret, Sink};
use super::coded;
use super::placeholder::Shape;

/// Strings longer than this cannot be names.
const LONGEST_NAME: usize = 8 * 1024;
/// Levels of strings in strings that are followed.
const LEVELS: usize = 4;

#[derive(Default)]
pub(super) struct Json {
    buf: Vec<u8>,
    /// Backslashes that stood right before `buf`.
    slashes: usize,
    open: [bool; LEVELS],
    state: State,
    /// Lines begin with `data:` (an event stream).
    events: bool,
}

#[derive(Default)]
enum State {
    #[default]
    Text,
    /// After the colon of a secret name of this level.
    Value(usize),
    /// Inside an array under a secret name: level and depth.
    Array(usize, usize),
    /// Inside a secret string of this level, and in an array of this depth.
    Secret(usize, usize, Secret),
}

/// Where a text stood before a value that was spared.
pub(super) struct Spared(State);

/// What a step did: bytes used up, or more are needed.
enum Step {
    Used(usize),
    More,
}

impl Json {
    pub(super) fn events() -> Self {
        Json { events: true, ..Json::default() }
    }

    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut Sink) {
        self.buf.extend_from_slice(bytes);
        self.run(sink, false);
    }

    pub(super) fn finish(&mut self, sink: &mut Sink) {
        self.run(sink, true);
        if let State::Secret(level, _, secret) = std::mem::take(&mut self.state) {
            sink.secret(secret, |raw| unescape(raw, level + 1));
        }
        sink.plain(&self.buf);
        self.buf.clear();
    }

    /// Passes on what was kept back: what follows was looked at by somebody else, and is a value of its own.
    pub(super) fn settle(&mut self, sink: &mut Sink) {
        self.run(sink, true);
        sink.plain(&self.buf);
        self.buf.clear();
        self.slashes = 0;
        self.open = [false; LEVELS];
        match std::mem::take(&mut self.state) {
            State::Secret(level, _, secret) => sink.secret(secret, |raw| unescape(raw, level + 1)),
            array @ State::Array(..) => self.state = array,
            State::Text | State::Value(_) => {}
        }
    }

    /// The next value is no secret, whatever its name; [`Json::resume`] when it is over.
    pub(super) fn spare(&mut self, sink: &mut Sink) -> Spared {
        self.settle(sink);
        Spared(std::mem::take(&mut self.state))
    }

    pub(super) fn resume(&mut self, spared: Spared) {
        self.state = spared.0;
    }

    fn run(&mut self, sink: &mut Sink, at_end: bool) {
        let buf = std::mem::take(&mut self.buf);
        let mut at = 0;
        while at < buf.len() {
            let step = match &self.state {
                State::Text => self.text(&buf[at..], at_end, sink),
                State::Value(_) => self.value(&buf[at..], at_end, sink),
                State::Array(..) => self.array(&buf[at..], sink),
                State::Secret(..) => self.in_secret(&buf[at..], sink),
            };
            match step {
                Step::Used(count) => at += count,
                Step::More => break,
            }
        }
        self.buf = buf;
        self.buf.drain(..at);
    }

    /// Passes on `bytes`, and remembers the backslashes at their end.
    fn emit(&mut self, bytes: &[u8], sink: &mut Sink) -> Step {
        let trailing = bytes.iter().rev().take_while(|&&byte| byte == b'\\').count();
        self.slashes = if trailing == bytes.len() { self.slashes + trailing } else { trailing };
        sink.plain(bytes);
        Step::Used(bytes.len())
    }

    fn text(&mut self, rest: &[u8], at_end: bool, sink: &mut Sink) -> Step {
        let Some(quote) = memchr::memchr2(b'"', b'\n', rest) else { return self.emit(rest, sink) };
        if rest[quote] == b'\n' {
            self.open = [false; LEVELS];
            return self.emit(&rest[..=quote], sink);
        }
        let level = level(self.slashes_before(rest, quote));
        if level >= LEVELS {
            return self.emit(&rest[..=quote], sink);
        }
        self.open[level + 1..].fill(false);
        if std::mem::take(&mut self.open[level]) {
            return self.emit(&rest[..=quote], sink);
        }
        if quote > 0 {
            // What stands before the quote is certain; the next step begins with the quote itself.
            return self.emit(&rest[..quote], sink);
        }
        self.opening(rest, level, at_end, sink)
    }

    /// `rest` begins with an opening quote of this level.
    fn opening(&mut self, rest: &[u8], level: usize, at_end: bool, sink: &mut Sink) -> Step {
        let window = &rest[1..rest.len().min(LONGEST_NAME)];
        let Some(end) = memchr::memchr2(b'"', b'\n', window).map(|end| end + 1) else {
            if rest.len() < LONGEST_NAME && !at_end {
                return Step::More;
            }
            self.open[level] = true;
            return self.emit(&rest[..1], sink);
        };
        if rest[end] == b'\n' {
            return self.emit(&rest[..=end], sink);
        }
        let closing = level_of(slashes_at_end(&rest[1..end]));
        if closing != level {
            self.open[level] = closing > level;
            return self.emit(&rest[..1], sink);
        }
        let Some((after, is_name)) = self.colon_after(&rest[end + 1..], level, at_end) else { return Step::More };
        if !is_name {
            let value = &rest[1..end - delimiter(level)];
            if let Some((masked, hits)) = coded(value, sink) {
                self.emit(&rest[..1], sink);
                sink.masked(&masked, hits);
                // Its closing quote is looked at again as text.
                self.slashes = 0;
                self.open[level] = true;
                return Step::Used(1 + value.len());
            }
            return self.emit(&rest[..=end], sink);
        }
        let name = &rest[1..end - delimiter(level)];
        let is_secret = match memchr::memchr(b'\\', name) {
            None => sink.shared().names.is_member(name),
            Some(_) => sink.shared().names.is_member(&unescape(name, level + 1)),
        };
        if is_secret {
            self.state = State::Value(level);
        }
        self.emit(&rest[..end + 1 + after], sink)
    }

    /// How far the colon is that makes a string a name, and whether there is one; `None`: more bytes will tell.
    fn colon_after(&self, rest: &[u8], level: usize, at_end: bool) -> Option<(usize, bool)> {
        let space = self.space(rest, level);
        match rest.get(space) {
            Some(b':') => Some((space + 1, true)),
            Some(_) => Some((0, false)),
            None if at_end || space > LONGEST_NAME => Some((0, false)),
            None => None,
        }
    }

    /// How many bytes of white space come first: escaped ones too inside a string, and a new `data:` line of an event.
    fn space(&self, rest: &[u8], level: usize) -> usize {
        let mut at = 0;
        loop {
            match &rest[at..] {
                [b' ' | b'\t' | b'\r', ..] => at += 1,
                [b'\n', after @ ..] => {
                    at += 1;
                    if self.events && after.starts_with(b"data:") {
                        at += b"data:".len();
                    }
                }
                [b'\\', ..] if level > 0 => {
                    let slashes = rest[at..].iter().take_while(|&&byte| byte == b'\\').count();
                    match rest.get(at + slashes) {
                        Some(b'n' | b'r' | b't') if slashes == delimiter(level) => at += slashes + 1,
                        _ => return at,
                    }
                }
                _ => return at,
            }
        }
    }

    fn value(&mut self, rest: &[u8], at_end: bool, sink: &mut Sink) -> Step {
        let State::Value(level) = self.state else { return Step::More };
        let space = self.space(rest, level);
        let after = &rest[space..];
        let slashes = after.iter().take_while(|&&byte| byte == b'\\').count();
        let Some(&first) = after.get(slashes) else {
            if at_end || rest.len() > LONGEST_NAME {
                self.state = State::Text;
                return self.emit(rest, sink);
            }
            // The end of an event's line must not be held for a value that never comes.
            return Step::More;
        };
        match first {
            b'"' if level_of(slashes) == level => {
                self.state = State::Secret(level, 0, Secret::default());
                self.emit(&rest[..=space + slashes], sink)
            }
            b'[' if slashes == 0 => {
                self.state = State::Array(level, 1);
                self.emit(&rest[..=space], sink)
            }
            b'0'..=b'9' | b'-' if slashes == 0 => {
                let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
                let Some(length) = after.iter().position(|byte| !is_part(byte)).or(at_end.then_some(after.len()))
                else {
                    return self.long_number(rest, sink);
                };
                self.state = State::Text;
                self.emit(&rest[..space], sink);
                self.number(&after[..length], sink);
                Step::Used(space + length)
            }
            _ => {
                self.state = State::Text;
                self.emit(&rest[..space], sink);
                Step::Used(space)
            }
        }
    }

    /// Digits up to the end of what is there: more are awaited, up to a length that no number has.
    fn long_number(&mut self, rest: &[u8], sink: &mut Sink) -> Step {
        if rest.len() < LONGEST_NAME {
            return Step::More;
        }
        self.state = State::Text;
        self.emit(rest, sink)
    }

    /// A whole number of four digits or more is masked by a number; a count or a flag is left.
    fn number(&mut self, digits: &[u8], sink: &mut Sink) {
        self.slashes = 0;
        if digits.len() >= 4 && digits.iter().all(u8::is_ascii_digit) {
            sink.secret_as(digits, digits, Shape::Number);
        } else {
            sink.plain(digits);
        }
    }

    fn array(&mut self, rest: &[u8], sink: &mut Sink) -> Step {
        let State::Array(own, depth) = self.state else { return Step::More };
        let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'[' | b']' | b'{' | b'}')) else {
            return self.emit(rest, sink);
        };
        let slashes = self.slashes_before(rest, at);
        self.state = match rest[at] {
            b'[' => State::Array(own, depth + 1),
            b']' if depth > 1 => State::Array(own, depth - 1),
            b'"' if level(slashes) == own => State::Secret(own, depth, Secret::default()),
            b'"' => {
                // A quote of another level ends the array; it is looked at again as text.
                self.state = State::Text;
                return self.emit(&rest[..at], sink);
            }
            _ => State::Text,
        };
        self.emit(&rest[..=at], sink)
    }

    fn in_secret(&mut self, rest: &[u8], sink: &mut Sink) -> Step {
        let State::Secret(own, depth, secret) = &mut self.state else { return Step::More };
        let Some(quote) = memchr::memchr(b'"', rest) else {
            // Backslashes at the end may belong to the closing quote; sixteen at a time they change no level.
            let slashes = slashes_at_end(rest);
            let kept = if slashes > 4096 { slashes % 16 + 16 } else { slashes };
            secret.push(&rest[..rest.len() - kept], sink.shared());
            return if rest.len() == kept { Step::More } else { Step::Used(rest.len() - kept) };
        };
        let slashes = slashes_at_end(&rest[..quote]);
        let closing = level_of(slashes);
        if closing > *own {
            secret.push(&rest[..=quote], sink.shared());
            return Step::Used(quote + 1);
        }
        // The backslashes of the delimiter are not the value's.
        let value = quote - delimiter(closing).min(slashes);
        secret.push(&rest[..value], sink.shared());
        let (own, depth, secret) = (*own, *depth, std::mem::take(secret));
        sink.secret(secret, |raw| unescape(raw, own + 1));
        self.slashes = 0;
        self.state = if depth > 0 && closing == own { State::Array(own, depth) } else { State::Text };
        if closing == own {
            self.emit(&rest[value..=quote], sink);
            return Step::Used(quote + 1);
        }
        // The quote of an outer string ends this one too, and is looked at again as text.
        self.open = [false; LEVELS];
        self.open[closing] = true;
        Step::Used(value)
    }

    fn slashes_before(&self, rest: &[u8], at: usize) -> usize {
        let slashes = slashes_at_end(&rest[..at]);
        if slashes == at { slashes + self.slashes } else { slashes }
    }
}

fn slashes_at_end(bytes: &[u8]) -> usize {
    bytes.iter().rev().take_while(|&&byte| byte == b'\\').count()
}

/// A string in base64 with what is secret in it masked. Some encoders escape its slashes.
fn coded(value: &[u8], sink: &mut Sink) -> Option<(Vec<u8>, u32)> {
    let is_part = |byte: &u8| coded::is_digit(*byte) || matches!(byte, b'\\' | b'=');
    if value.len() < coded::SHORTEST || !value.iter().all(is_part) {
        return None;
    }
    if memchr::memchr(b'\\', value).is_none() {
        return sink.coded(value);
    }
    let mut bare = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'\\', [b'/', after @ ..]) => {
                bare.push(b'/');
                rest = after;
            }
            (b'\\', _) => return None,
            _ => {
                bare.push(*first);
                rest = after;
            }
        }
    }
    sink.coded(&bare)
}

/// The level of a quote after so many backslashes: the ones at the end of their number in binary.
fn level(slashes: usize) -> usize {
    slashes.trailing_ones() as usize
}

fn level_of(slashes: usize) -> usize {
    level(slashes)
}

/// How many backslashes a quote of this level has.
fn delimiter(level: usize) -> usize {
    (1 << level.min(16)) - 1
}

/// The content of a JSON string (RFC 8259 section 7), undone so many times; what is no escape stays as it is.
pub(super) fn unescape(raw: &[u8], times: usize) -> Vec<u8> {
    let mut current = raw.to_vec();
    for _ in 0..times {
        if memchr::memchr(b'\\', &current).is_none() {
            break;
        }
        let mut quoted = Vec::with_capacity(current.len() + 2);
        quoted.push(b'"');
        quoted.extend_from_slice(&current);
        quoted.push(b'"');
        match serde_json::from_slice::<String>(&quoted) {
            Ok(text) => current = text.into_bytes(),
            Err(_) => break,
        }
    }
    current
}
