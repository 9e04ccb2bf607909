//! The last two stages of every text: the user's expressions, if there are any, and the scan.

use std::sync::Arc;

use super::Shared;
use super::placeholder::{self, Shape};
use super::rules::Pattern;
use super::scan::Scanner;

/// A match has at most this many bytes: a line that is longer is looked at in pieces that overlap by as much.
const LONGEST: usize = 8 * 1024;

/// Masks text that comes in pieces. Without expressions it is the scan alone. With them a line waits until it is whole,
/// or has 16 KiB: which pieces are looked at depends on the text, never on how it came.
#[derive(Default)]
pub(super) struct Stage {
    scanner: Scanner,
    line: Vec<u8>,
    hits: u32,
}

impl Stage {
    /// For text in which `name=value` and `name: value` are looked for as well.
    pub(super) fn of_prose() -> Self {
        Stage { scanner: Scanner::of_prose(), ..Stage::default() }
    }

    /// For a text inside so many levels of base64.
    pub(super) fn at_level(level: u8) -> Self {
        Stage { scanner: Scanner::at_level(level), ..Stage::default() }
    }

    /// How many values were masked.
    pub(super) fn hits(&self) -> u32 {
        self.hits + self.scanner.hits()
    }

    /// Takes the next bytes and appends to `out` what is certain; everything with `at_end`.
    pub(super) fn push(&mut self, shared: &Arc<Shared>, bytes: &[u8], at_end: bool, out: &mut Vec<u8>) {
        if shared.patterns.is_empty() {
            return self.scanner.push(shared, bytes, at_end, out);
        }
        self.line.extend_from_slice(bytes);
        let mut done = 0;
        loop {
            let rest = &self.line[done..];
            let window = &rest[..rest.len().min(2 * LONGEST)];
            let (end, limit) = match memchr::memchr(b'\n', window) {
                Some(end) => (end + 1, end + 1),
                None if window.len() == 2 * LONGEST => (window.len(), LONGEST),
                None if at_end => (window.len(), window.len()),
                None => break,
            };
            let piece = done..done + end;
            done += self.look(shared, piece, limit, out);
            if done == self.line.len() {
                break;
            }
        }
        self.line.drain(..done);
        self.scanner.push(shared, b"", at_end, out);
    }

    /// Masks what matches in this piece and begins before `limit`; returns how many bytes of it are settled.
    fn look(&mut self, shared: &Arc<Shared>, piece: std::ops::Range<usize>, limit: usize, out: &mut Vec<u8>) -> usize {
        let text = &self.line[piece];
        let mut settled = 0;
        while let Some((from, to)) = first(&shared.patterns, text, settled).filter(|(from, _)| *from < limit) {
            self.scanner.push(shared, &text[settled..from], false, out);
            let (value, run) = (&text[from..to], &text[run_around(text, from, to)]);
            if placeholder::is_within(run) || value.trim_ascii().is_empty() {
                self.scanner.push(shared, value, false, out);
            } else if value.iter().all(u8::is_ascii_digit) {
                // Perhaps a number of JSON.
                let stands_for = placeholder::of(&shared.key, value, "secret", Shape::Number);
                self.scanner.push(shared, stands_for.as_bytes(), false, out);
                self.hits += 1;
            } else {
                let stands_for = shared.learn(value, "secret");
                self.scanner.push(shared, stands_for.as_bytes(), false, out);
                self.hits += 1;
            }
            settled = to;
        }
        let end = limit.max(settled);
        self.scanner.push(shared, &text[settled..end], false, out);
        end
    }
}

/// The first secret at or after this place: the first group of a match, or all of it.
fn first(patterns: &[Pattern], text: &[u8], from: usize) -> Option<(usize, usize)> {
    let found = patterns.iter().filter_map(|Pattern(regex)| {
        let mut at = from;
        // A match whose group is empty or lies before is none.
        while at <= text.len() {
            let captures = regex.captures_at(text, at)?;
            let whole = captures.get(0)?;
            let secret = captures.get(1).unwrap_or(whole);
            if !secret.is_empty() && secret.start() >= from {
                return Some((secret.start(), secret.end()));
            }
            at = whole.end().max(at + 1);
        }
        None
    });
    found.min_by_key(|(start, end)| (*start, std::cmp::Reverse(*end)))
}

/// The word that a match lies in: a part of a placeholder is none of the secrets that an expression looks for.
fn run_around(text: &[u8], from: usize, to: usize) -> std::ops::Range<usize> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'/' | b'=');
    let before = text[..from].iter().rev().take_while(|byte| is_word(byte)).count();
    let after = text[to..].iter().take_while(|byte| is_word(byte)).count();
    // A name and its `=` are no part of the value, nor is the full stop of a sentence.
    let start = from - before;
    let start = text[start..from].iter().rposition(|byte| *byte == b'=').map_or(start, |at| start + at + 1);
    let end = to + after;
    start..end - text[to..end].iter().rev().take_while(|byte| **byte == b'.').count()
}
