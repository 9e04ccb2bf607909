//! The scan over any text, whatever its structure: token shapes, pairs of URLs, and secrets seen before.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

use super::Shared;
use super::coded;
use super::placeholder::{self, Shape};
use super::seen::{self, Match};
use super::shapes::{self, Rest, Verdict};

/// What a URL component escapes (RFC 3986 section 2.3).
pub(super) const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Bytes already given out that are kept to see what stood before a candidate.
const CONTEXT: usize = 64;
/// Backslashes before the quote of a value, in JSON in JSON in JSON.
const MOST_SLASHES: usize = 7;
/// What stands at most between a name and its value: a space, the sign, a space, an escaped quote.
const LONGEST_JOINT: usize = 4 + MOST_SLASHES;
/// Longer values of prose are none.
const LONGEST_SAID: usize = 512;
/// Bytes held back while the text goes on: a beginning may be cut in two.
const HELD: usize = shapes::LONGEST_START;

/// Scans a text that comes in pieces. Gives out what is certain: everything up to the last line feed or the last few
/// bytes, unless a token has begun and not ended.
#[derive(Default)]
pub(super) struct Scanner {
    /// The last bytes given out, then those not given out yet.
    buf: Vec<u8>,
    /// Where the bytes begin that were not given out.
    done: usize,
    swallow: Option<Swallow>,
    hits: u32,
    /// Names are looked for in front of any `=` and `:`, not in URLs only.
    is_prose: bool,
    /// How many times base64 was undone around this text.
    level: u8,
}

/// A secret without end in sight: hashed and dropped until it ends.
struct Swallow {
    hasher: blake3::Hasher,
    kind: &'static str,
    until: Until,
}

/// What ends a secret whose end is not in sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// The five dashes after a key in PEM.
    Dashes,
    /// What is no part of a token.
    Word,
    /// What ends the value of a pair.
    Value,
}

enum Step {
    /// Replace this range; with a kind it is a new secret, else one seen before.
    Replace(usize, usize, Replacement),
    /// This range is base64, whose text may hold a secret.
    Decode(usize, usize),
    /// The bytes before this position are certain.
    Until(usize),
    /// Drop what follows this position until it ends.
    Swallow(usize, &'static str, Until),
}

enum Replacement {
    New(&'static str),
    Known(Arc<str>),
}

impl Scanner {
    /// For text in which `name=value` and `name: value` are looked for as well.
    pub(super) fn of_prose() -> Self {
        Scanner { is_prose: true, ..Scanner::default() }
    }

    /// For a text inside so many levels of base64.
    pub(super) fn at_level(level: u8) -> Self {
        Scanner { level, ..Scanner::default() }
    }

    /// How many values were masked.
    pub(super) fn hits(&self) -> u32 {
        self.hits
    }

    /// Takes the next bytes and appends to `out` what is certain; everything with `at_end`.
    pub(super) fn push(&mut self, shared: &Arc<Shared>, bytes: &[u8], at_end: bool, out: &mut Vec<u8>) {
        self.buf.extend_from_slice(bytes);
        loop {
            if self.swallow.is_some() && !self.swallow_on(at_end, out) {
                break;
            }
            match self.step(shared, at_end) {
                Step::Decode(from, to) => {
                    let masked = coded::masked(shared, self.level, &self.buf[from..to]);
                    out.extend_from_slice(&self.buf[self.done..from]);
                    self.done = match masked {
                        Some((masked, hits)) => {
                            out.extend_from_slice(&masked);
                            self.hits += hits;
                            to
                        }
                        None => {
                            out.push(self.buf[from]);
                            from + 1
                        }
                    };
                }
                Step::Replace(from, to, with) => {
                    out.extend_from_slice(&self.buf[self.done..from]);
                    let stands_for = match with {
                        Replacement::Known(stands_for) => stands_for,
                        Replacement::New(kind) => shared.learn(&self.buf[from..to], kind),
                    };
                    out.extend_from_slice(stands_for.as_bytes());
                    self.hits += 1;
                    self.done = to;
                }
                Step::Swallow(from, kind, until) => {
                    out.extend_from_slice(&self.buf[self.done..from]);
                    self.done = from;
                    let hasher = blake3::Hasher::new_keyed(&shared.key.0);
                    self.swallow = Some(Swallow { hasher, kind, until });
                }
                Step::Until(end) => {
                    out.extend_from_slice(&self.buf[self.done..end]);
                    self.done = end;
                    break;
                }
            }
        }
        let passed = self.done.saturating_sub(CONTEXT);
        self.buf.drain(..passed);
        self.done -= passed;
    }

    /// Drops what belongs to an endless secret; true when it has ended and its placeholder is written.
    fn swallow_on(&mut self, at_end: bool, out: &mut Vec<u8>) -> bool {
        let Some(swallow) = &mut self.swallow else { return true };
        let rest = &self.buf[self.done..];
        let end = match swallow.until {
            Until::Dashes => memchr::memmem::find(rest, b"-----"),
            Until::Word => rest.iter().position(|&byte| !shapes::continues(byte)),
            Until::Value => rest.iter().position(|&byte| ends_value(byte)),
        };
        let dropped = match end {
            Some(end) => end,
            None if at_end => rest.len(),
            None => rest.len() - if swallow.until == Until::Dashes { rest.len().min(4) } else { 0 },
        };
        swallow.hasher.update(&rest[..dropped]);
        // What was dropped is no name of what follows, wherever the text was cut into pieces.
        self.buf.drain(..self.done + dropped);
        self.done = 0;
        if end.is_none() && !at_end {
            return false;
        }
        let stands_for = placeholder::shaped(&swallow.hasher, b"", swallow.kind, Shape::Text);
        out.extend_from_slice(stands_for.as_bytes());
        self.hits += 1;
        self.swallow = None;
        true
    }

    /// The first thing to do in what was not given out yet.
    fn step(&self, shared: &Shared, at_end: bool) -> Step {
        let known = shared.seen(|seen| seen.find(&self.buf, self.done, at_end));
        let limit = match &known {
            Match::Found(from, ..) | Match::Perhaps(from) => *from,
            Match::Nothing => self.buf.len(),
        };
        let shape = self.shape(limit, at_end);
        let limit = shape.as_ref().map_or(limit, |(at, _)| *at);
        if let Some((_, step)) = self.pair(shared, limit, at_end) {
            return step;
        }
        match (shape, known) {
            (Some((_, step)), _) => step,
            (None, Match::Found(from, to, stands_for)) => Step::Replace(from, to, Replacement::Known(stands_for)),
            (None, Match::Perhaps(from)) => Step::Until(from.min(self.certain(at_end))),
            (None, Match::Nothing) => Step::Until(self.certain(at_end)),
        }
    }

    /// Up to where no candidate can begin that later bytes would complete.
    fn certain(&self, at_end: bool) -> usize {
        if at_end {
            return self.buf.len();
        }
        let held = self.buf.len().saturating_sub(HELD).max(self.done);
        memchr::memrchr(b'\n', &self.buf[held..]).map_or(held, |line| held + line + 1)
    }

    /// The first token shape that begins before `limit`, with what is to be done there.
    fn shape(&self, limit: usize, at_end: bool) -> Option<(usize, Step)> {
        let mut from = self.done;
        while from < limit {
            let found = shapes::STARTS.find(&self.buf[from..])?;
            let at = from + found.start();
            if at >= limit {
                return None;
            }
            let rule = &shapes::RULES[found.pattern().as_usize()];
            if !rule.alone || self.stands_alone(at) {
                match rule.judge(&self.buf[at..], at_end) {
                    Verdict::Secret(start, end) if !placeholder::is_within(&self.buf[at + start..at + end]) => {
                        return Some((at, Step::Replace(at + start, at + end, Replacement::New(rule.kind))));
                    }
                    Verdict::Key(start) => match self.key_body(at + start, at_end) {
                        Some(true) => return Some((at, Step::Swallow(at + start, rule.kind, Until::Dashes))),
                        Some(false) => {}
                        None => return Some((at, Step::Until(at))),
                    },
                    Verdict::Endless => return Some((at, Step::Swallow(at, rule.kind, Until::Word))),
                    Verdict::More => return Some((at, Step::Until(at))),
                    Verdict::No if rule.rest == Rest::Jwt && self.level < coded::LEVELS => {
                        match self.digits(at, at_end) {
                            Some(0) => {}
                            Some(end) => return Some((at, Step::Decode(at, at + end))),
                            None => return Some((at, Step::Until(at))),
                        }
                    }
                    // A placeholder, or what carries one; what stands inside is looked at all the same.
                    Verdict::Secret(..) | Verdict::No => {}
                }
            }
            from = at + 1;
        }
        None
    }

    /// How long the base64 is that begins here; 0 if it is too long to be looked into, none while it may go on.
    fn digits(&self, at: usize, at_end: bool) -> Option<usize> {
        let rest = &self.buf[at..self.buf.len().min(at + coded::LONGEST + 1)];
        let bare = rest.iter().position(|byte| !coded::is_digit(*byte)).unwrap_or(rest.len());
        let end = bare + rest[bare..].iter().take(2).take_while(|byte| **byte == b'=').count();
        match () {
            () if end > coded::LONGEST => Some(0),
            () if end == rest.len() && !at_end => None,
            () => Some(end),
        }
    }

    /// Whether a key follows, and not a placeholder of one; `None` while too little is there to tell.
    fn key_body(&self, at: usize, at_end: bool) -> Option<bool> {
        let marker = b"retake-pem-";
        let rest = &self.buf[at..];
        let compared = rest.len().min(marker.len());
        if rest[..compared] == marker[..compared] {
            return if compared == marker.len() {
                Some(false)
            } else if at_end {
                Some(!rest.is_empty())
            } else {
                None
            };
        }
        Some(true)
    }

    /// Whether what begins here is not the middle of a word; an escape before it (`%20`, `\n`) is none.
    fn stands_alone(&self, at: usize) -> bool {
        let before = &self.buf[..at];
        match before {
            [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
            [.., b'\\', b'n' | b'r' | b't'] => true,
            [.., last] => !(last.is_ascii_alphanumeric() || matches!(last, b'-' | b'_')),
            [] => true,
        }
    }

    /// The first secret pair whose value begins before `limit`: of a URL, or said in prose.
    fn pair(&self, shared: &Shared, limit: usize, at_end: bool) -> Option<(usize, Step)> {
        let from = self.done;
        // The name may have been given out already: only the value must not have been.
        let start = from.saturating_sub(LONGEST_JOINT);
        if !self.is_prose {
            return memchr::memchr_iter(b'=', &self.buf[start..limit])
                .find_map(|at| self.pair_of_url(shared, start + at, at_end));
        }
        memchr::memchr2_iter(b'=', b':', &self.buf[start..limit]).map(|at| start + at).find_map(|at| {
            let is_sign = self.buf[at] == b'=';
            let of_url = if is_sign { self.pair_of_url(shared, at, at_end) } else { None };
            of_url.or_else(|| self.said(shared, at, at_end))
        })
    }

    /// The value after this `=`, if it is a secret pair of a URL.
    fn pair_of_url(&self, shared: &Shared, equals: usize, at_end: bool) -> Option<(usize, Step)> {
        let value = equals + 1;
        if value < self.done || !self.is_secret_pair(shared, equals) {
            return None;
        }
        let rest = &self.buf[value..self.buf.len().min(value + shapes::CAP)];
        let end = match rest.iter().position(|&byte| ends_value(byte)) {
            Some(end) => end,
            None if rest.len() == shapes::CAP && !placeholder::is_within(rest) => {
                return Some((value, Step::Swallow(value, "secret", Until::Value)));
            }
            None if at_end || rest.len() == shapes::CAP => rest.len(),
            None => return Some((value, Step::Until(value))),
        };
        let is_secret = end > 0 && !placeholder::is_within(&rest[..end]);
        is_secret.then(|| (value, Step::Replace(value, value + end, Replacement::New("secret"))))
    }

    /// The value after `name=` or `name: ` in prose, if the name is a secret's and the value looks like one: no word,
    /// no address, no path, no variable.
    fn said(&self, shared: &Shared, joint: usize, at_end: bool) -> Option<(usize, Step)> {
        // One look at the byte before spares most colons and signs the rest: JSON's stand after a quote.
        let last = *self.buf[..joint].last()?;
        let name_end = if last == b' ' && self.buf[joint] == b'=' { joint - 1 } else { joint };
        let before = &self.buf[name_end.saturating_sub(CONTEXT - LONGEST_JOINT - 1)..name_end];
        if !before.last().is_some_and(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let name = &before[before.iter().rposition(|&byte| !is_name(byte)).map_or(0, |edge| edge + 1)..];
        if !shared.names.is_said(name) {
            return None;
        }
        let after = &self.buf[joint + 1..];
        let space = usize::from(after.first() == Some(&b' '));
        let slashes = after[space..].iter().take(MOST_SLASHES).take_while(|byte| **byte == b'\\').count();
        let quote = match after.get(space + slashes) {
            Some(b'"' | b'\'') => slashes + 1,
            None if !at_end => return Some((joint + 1, Step::Until((joint + 1).max(self.done)))),
            _ => 0,
        };
        let value = joint + 1 + space + quote;
        if value < self.done {
            return None;
        }
        let rest = &self.buf[value..self.buf.len().min(value + LONGEST_SAID)];
        let end = match rest.iter().position(|&byte| ends_value(byte) || byte == b'|') {
            Some(end) => end,
            None if rest.len() == LONGEST_SAID => return None,
            None if at_end => rest.len(),
            None => return Some((value, Step::Until(value))),
        };
        // A full stop ends the sentence.
        let end = end - rest[..end].iter().rev().take_while(|byte| matches!(byte, b'.' | b':' | b'!' | b'?')).count();
        let said = &rest[..end];
        let is_secret = is_telling_in_prose(said) && !placeholder::is_within(said);
        is_secret.then(|| (value, Step::Replace(value, value + end, Replacement::New("secret"))))
    }

    /// Whether the name before this `=` stands after `?`, `&`, `;` or `#` (or an escaped `&`), and is a secret's.
    fn is_secret_pair(&self, shared: &Shared, equals: usize) -> bool {
        let before = &self.buf[equals.saturating_sub(CONTEXT - LONGEST_JOINT)..equals];
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'[' | b']');
        let Some(edge) = before.iter().rposition(|&byte| !is_name(byte)) else { return false };
        let name = &before[edge + 1..];
        match before[edge] {
            b'?' | b'&' | b';' | b'#' => shared.names.is_query(name),
            // `\u0026`, as some JSON encoders write `&`.
            b'\\' => name.strip_prefix(b"u0026").is_some_and(|name| shared.names.is_query(name)),
            _ => false,
        }
    }
}

/// Whether what follows a name in prose is worth masking.
fn is_telling_in_prose(value: &[u8]) -> bool {
    let is_code = matches!(value.first(), Some(b'$' | b'%' | b'/' | b'*' | b'@' | b'(' | b'.' | b'~'))
        || value.contains(&b'(')
        || memchr::memmem::find(value, b"://").is_some();
    let has = |is: fn(&u8) -> bool| value.iter().any(is);
    !is_code && value.len() >= 6 && (has(u8::is_ascii_digit) || value.len() >= 24 && has(u8::is_ascii_uppercase))
}

fn ends_value(byte: u8) -> bool {
    !byte.is_ascii_graphic()
        || matches!(
            byte,
            b'&' | b'#' | b'"' | b'\'' | b'<' | b'>' | b')' | b']' | b'}' | b'{' | b',' | b';' | b'\\' | b'`'
        )
}

/// Whether a cookie's value is worth looking for elsewhere: not a word, a zone or a language.
pub(super) fn is_telling(value: &[u8]) -> bool {
    value.len() >= 20
        || value.len() >= seen::SHORTEST
            && value.iter().any(u8::is_ascii_digit)
            && value.iter().any(u8::is_ascii_alphabetic)
}
