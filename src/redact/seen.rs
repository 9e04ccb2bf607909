//! The secrets that a session has shown: found again wherever they come back, in any body, field or path.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::placeholder;

/// Shorter values are masked in their place, but not looked for: they would blank what only looks like them.
pub(super) const SHORTEST: usize = 8;
/// Longer values are masked in their place, but not looked for: matching would have to hold back so much of a stream.
pub(super) const LONGEST: usize = 8 * 1024;
/// Bytes of secrets, in all their forms, that are remembered; then the older half is forgotten.
const CAPACITY: usize = 8 << 20;
/// Forms that are remembered; then the older half is forgotten.
const MOST: usize = 40_000;
const WORDS: usize = 1 << 14;

/// The forms of the secrets seen. Looking for them costs about a nanosecond per byte, however many there are: eight
/// bytes at each position are hashed into a bit table, and only where the bit is set is anything compared.
#[derive(Default)]
pub(super) struct Seen {
    bits: Vec<u64>,
    starts: HashMap<u64, Vec<u32>>,
    ends: HashSet<(u32, u64)>,
    forms: HashMap<Arc<[u8]>, Arc<str>>,
    order: Vec<Arc<[u8]>>,
    bytes: usize,
    /// So many of the first are never forgotten.
    pinned: usize,
}

/// What was found at or after a position.
pub(super) enum Match {
    /// This range is a secret, and this is what stands for it.
    Found(usize, usize, Arc<str>),
    /// From here on a secret may begin; more bytes will tell.
    Perhaps(usize),
    /// Nothing.
    Nothing,
}

impl Seen {
    /// Adds a secret in every form in which it may come back: as it is, escaped for JSON and for a URL, in base64.
    pub(super) fn add(&mut self, secret: &[u8], stands_for: &str) {
        if !is_kept(secret) {
            return;
        }
        if self.forms.contains_key(secret) {
            return;
        }
        let plain: Arc<str> = stands_for.into();
        self.insert(secret, &plain);
        let escaped = percent_encoding::percent_encode(secret, super::scan::ESCAPED).to_string();
        self.insert(escaped.as_bytes(), &plain);
        if let Ok(text) = std::str::from_utf8(secret)
            && let Ok(quoted) = serde_json::to_string(text)
        {
            self.insert(&quoted.as_bytes()[1..quoted.len() - 1], &plain);
            self.insert(quoted[1..quoted.len() - 1].replace('/', "\\/").as_bytes(), &plain);
        }
        let coded: Arc<str> = placeholder::in_base64(stands_for).trim_end_matches('=').into();
        self.insert(STANDARD_NO_PAD.encode(secret).as_bytes(), &coded);
        self.insert(URL_SAFE_NO_PAD.encode(secret).as_bytes(), &coded);
        if self.bytes > CAPACITY || self.order.len() > MOST {
            self.forget_half();
        }
    }

    /// What is remembered by now is never forgotten.
    pub(super) fn pin(&mut self) {
        self.pinned = self.order.len();
    }

    /// Whether nothing is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The first secret that begins at or after `from`; of several at one place the longest.
    pub(super) fn find(&self, buf: &[u8], from: usize, at_end: bool) -> Match {
        if self.is_empty() {
            return Match::Nothing;
        }
        let mut at = from;
        while let Some(head) = buf.get(at..at + 8) {
            let head = word(head);
            if self.bit(head) {
                match self.longest_at(buf, at, head, at_end) {
                    Match::Nothing => {}
                    found => return found,
                }
            }
            at += 1;
        }
        Match::Nothing
    }

    fn longest_at(&self, buf: &[u8], at: usize, head: u64, at_end: bool) -> Match {
        let Some(lengths) = self.starts.get(&head) else { return Match::Nothing };
        let rest = &buf[at..];
        // No secret holds a control character, so nothing after one can belong to it.
        let known = rest.iter().take(LONGEST + 1).position(u8::is_ascii_control);
        for &length in lengths {
            let size = length as usize;
            if size > rest.len() {
                if !at_end && known.is_none() {
                    return Match::Perhaps(at);
                }
                continue;
            }
            if self.ends.contains(&(length, word(&rest[size - 8..size])))
                && let Some(stands_for) = self.forms.get(&rest[..size])
            {
                return Match::Found(at, at + size, stands_for.clone());
            }
        }
        Match::Nothing
    }

    fn insert(&mut self, form: &[u8], stands_for: &Arc<str>) {
        if !(SHORTEST..=LONGEST).contains(&form.len()) || self.forms.contains_key(form) {
            return;
        }
        let form: Arc<[u8]> = form.into();
        self.index(&form);
        self.bytes += form.len();
        self.forms.insert(form.clone(), stands_for.clone());
        self.order.push(form);
    }

    fn index(&mut self, form: &[u8]) {
        if self.bits.is_empty() {
            self.bits = vec![0; WORDS];
        }
        let (head, tail) = (word(&form[..8]), word(&form[form.len() - 8..]));
        let bit = place(head);
        self.bits[bit >> 6] |= 1 << (bit & 63);
        let length = form.len() as u32;
        let lengths = self.starts.entry(head).or_default();
        // Longest first.
        if let Err(place) = lengths.binary_search_by(|other| length.cmp(other)) {
            lengths.insert(place, length);
        }
        self.ends.insert((length, tail));
    }

    fn bit(&self, head: u64) -> bool {
        let bit = place(head);
        self.bits[bit >> 6] & (1 << (bit & 63)) != 0
    }

    fn forget_half(&mut self) {
        let recent = self.order.split_off((self.order.len() / 2).max(self.pinned));
        self.order.truncate(self.pinned);
        let old = std::mem::replace(self, Seen { pinned: self.pinned, ..Seen::default() });
        for form in old.order.iter().chain(&recent).cloned().collect::<Vec<_>>() {
            if let Some(stands_for) = old.forms.get(&form) {
                self.insert(&form, stands_for);
            }
        }
    }
}

/// Whether a secret is looked for.
pub(super) fn is_kept(secret: &[u8]) -> bool {
    (SHORTEST..=LONGEST).contains(&secret.len()) && !secret.iter().any(u8::is_ascii_control) && !is_dull(secret)
}

/// Words and signs that stand in the place of a secret without being one.
fn is_dull(secret: &[u8]) -> bool {
    secret.iter().all(|byte| *byte == secret[0])
        || matches!(
            secret.to_ascii_lowercase().as_slice(),
            b"undefined" | b"required" | b"disabled" | b"password" | b"[redacted]" | b"redacted"
        )
}

fn word(bytes: &[u8]) -> u64 {
    bytes.try_into().map(u64::from_le_bytes).unwrap_or_default()
}

/// Where in the bit table these eight bytes are: the upper bits of a multiplication (Fibonacci hashing).
fn place(head: u64) -> usize {
    (head.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as usize & (WORDS * 64 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(seen: &Seen, text: &str) -> Option<String> {
        match seen.find(text.as_bytes(), 0, true) {
            Match::Found(from, to, stands_for) => Some(format!("{}>{stands_for}", &text[from..to])),
            _ => None,
        }
    }

    #[test]
    fn every_form_is_found() {
        let mut seen = Seen::default();
        seen.add(b"s3cret/with\"quote", "retake-secret-aaaaaaaaaa");
        for form in ["s3cret/with\"quote", "s3cret%2Fwith%22quote", "s3cret/with\\\"quote", "s3cret\\/with\\\"quote"] {
            assert_eq!(found(&seen, &format!("x{form}y")).unwrap(), format!("{form}>retake-secret-aaaaaaaaaa"));
        }
        let coded = STANDARD_NO_PAD.encode("s3cret/with\"quote");
        assert!(found(&seen, &coded).unwrap().contains(">cmV0YWtlL"));
        assert_eq!(found(&seen, "s3cret/with"), None);
    }

    #[test]
    fn the_longest_wins_and_short_ones_are_not_kept() {
        let mut seen = Seen::default();
        seen.add(b"abcdefgh1", "one");
        seen.add(b"abcdefgh12345", "two");
        seen.add(b"short", "three");
        seen.add(b"********", "four");
        assert_eq!(found(&seen, "abcdefgh12345").unwrap(), "abcdefgh12345>two");
        assert_eq!(found(&seen, "abcdefgh1234").unwrap(), "abcdefgh1>one");
        assert_eq!(found(&seen, "short ********"), None);
        assert!(matches!(seen.find(b"..abcdefgh12", 0, false), Match::Perhaps(2)));
        assert!(matches!(seen.find(b"..abcdefgh1\n", 0, false), Match::Found(2, 11, _)));
    }

    #[test]
    fn memory_is_bounded() {
        let mut seen = Seen::default();
        for number in 0..30_000 {
            seen.add(format!("secret-number-{number:08}").as_bytes(), "retake-secret-aaaaaaaaaa");
        }
        assert!(seen.order.len() <= MOST + 8);
        assert!(found(&seen, "secret-number-00029999").is_some(), "the newest is kept");
    }
}
