//! Escapes undone, so that `Müller` is found where `M\u00fcller` is written, and `a/b` where `a\/b` or `a%2Fb` is.

use memchr::{memchr, memchr2};

/// The longest escape: two `\uXXXX` that are one character.
const LONGEST: usize = 12;

/// A way of escaping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    /// Those of JSON strings (RFC 8259 section 7).
    Json,
    /// `%XX`, and `+` for a space (WHATWG URL section 5).
    Form,
    /// `%XX` (RFC 3986 section 2.1).
    Url,
}

impl Escapes {
    fn next(self, text: &[u8]) -> Option<usize> {
        match self {
            Escapes::Json => memchr(b'\\', text),
            Escapes::Form => memchr2(b'%', b'+', text),
            Escapes::Url => memchr(b'%', text),
        }
    }

    /// Whether there may be an escape in a text.
    pub(super) fn occur_in(self, text: &[u8]) -> bool {
        self.next(text).is_some()
    }
}

/// Undoes escapes in a text that comes in pieces.
#[derive(Debug, Clone)]
pub(super) struct Unescape {
    escapes: Escapes,
    /// The beginning of an escape that the next piece goes on with.
    held: Vec<u8>,
}

impl Unescape {
    pub(super) fn new(escapes: Escapes) -> Self {
        Unescape { escapes, held: Vec::new() }
    }

    /// Appends what a piece means.
    pub(super) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut piece = piece;
        while !self.held.is_empty() && !piece.is_empty() {
            let count = piece.len().min(LONGEST);
            let mut joined = std::mem::take(&mut self.held);
            let before = joined.len();
            joined.extend_from_slice(&piece[..count]);
            let (rest, taken) = (&piece[count..], self.run(&joined, false, out));
            // What was not taken is of this piece, or the escape goes on behind it.
            if taken >= before {
                piece = &piece[taken - before..];
            } else {
                joined.drain(..taken);
                self.held = joined;
                piece = rest;
            }
        }
        let taken = self.run(piece, false, out);
        self.held.extend_from_slice(&piece[taken..]);
    }

    /// Appends what was kept back.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.held);
        self.run(&held, true, out);
    }

    /// Appends what the text means, up to an escape at its end that may go on. Returns how much was taken.
    fn run(&self, text: &[u8], is_end: bool, out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while let Some(found) = self.escapes.next(&text[at..]) {
            out.extend_from_slice(&text[at..at + found]);
            at += found;
            match self.escape(&text[at..], is_end, out) {
                Some(length) => at += length,
                None => return at,
            }
        }
        out.extend_from_slice(&text[at..]);
        text.len()
    }

    /// Appends what the escape at the beginning of the text means; its length, or none when more has to come.
    fn escape(&self, text: &[u8], is_end: bool, out: &mut Vec<u8>) -> Option<usize> {
        if self.escapes != Escapes::Json {
            if text[0] == b'+' {
                out.push(b' ');
                return Some(1);
            }
            return match text.get(1..3) {
                None if !is_end => None,
                digits => Some(match digits.and_then(hex) {
                    Some(value) => {
                        // Two digits are below 256.
                        out.push(value as u8);
                        3
                    }
                    None => as_it_is(text, out),
                }),
            };
        }
        let plain = match text.get(1) {
            None if !is_end => return None,
            Some(b'u') => return unicode(text, is_end, out),
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
            _ => return Some(as_it_is(text, out)),
        };
        out.push(plain);
        Some(2)
    }
}

/// No escape after all: its first byte stands for itself.
fn as_it_is(text: &[u8], out: &mut Vec<u8>) -> usize {
    out.push(text[0]);
    1
}

/// `\uXXXX`, or two of them for a character beyond the first 65 536.
fn unicode(text: &[u8], is_end: bool, out: &mut Vec<u8>) -> Option<usize> {
    let Some(digits) = text.get(2..6) else { return if is_end { Some(as_it_is(text, out)) } else { None } };
    let Some(first) = hex(digits) else { return Some(as_it_is(text, out)) };
    let mut push = |code: u32| {
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    };
    if !(0xd800..0xdc00).contains(&first) {
        push(first);
        return Some(6);
    }
    if text.len() < LONGEST && !is_end {
        return None;
    }
    let second = text.get(6..12).and_then(|pair| pair.strip_prefix(br"\u")).and_then(hex);
    match second.filter(|second| (0xdc00..0xe000).contains(second)) {
        Some(second) => {
            push(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            Some(12)
        }
        None => {
            push(first);
            Some(6)
        }
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, &byte| Some(value << 4 | char::from(byte).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn undone(escapes: Escapes, text: &[u8], piece: usize) -> Vec<u8> {
        let (mut unescape, mut out) = (Unescape::new(escapes), Vec::new());
        text.chunks(piece).for_each(|piece| unescape.push(piece, &mut out));
        unescape.finish(&mut out);
        out
    }

    #[test]
    fn escapes_are_undone_and_what_is_none_stays() {
        for (text, meant) in [
            (r#""M\u00fcller a\/b \"x\" \\u00fc""#, "\"Müller a/b \"x\" \\u00fc\""),
            (r"\ud83d\ude00 \ud83dx \ud83d\n \u00", "😀 \u{fffd}x \u{fffd}\n \\u00"),
            (r"\q \uzzzz \", r"\q \uzzzz \"),
        ] {
            for piece in 1..20 {
                assert_eq!(String::from_utf8(undone(Escapes::Json, text.as_bytes(), piece)).unwrap(), meant, "{piece}");
            }
        }
        assert_eq!(undone(Escapes::Form, b"a=%C3%BC+b%2Fc%zz%4", 2), "a=ü b/c%zz%4".as_bytes());
        assert_eq!(undone(Escapes::Url, b"a+b%20c%", 3), b"a+b c%");
    }

    proptest! {
        #[test]
        fn a_json_string_means_what_a_parser_says(text in "\\PC{0,20}", piece in 1usize..9) {
            let quoted = serde_json::to_string(&text).unwrap();
            let expected = format!("\"{text}\"");
            prop_assert_eq!(undone(Escapes::Json, quoted.as_bytes(), piece), expected.as_bytes());
        }

        #[test]
        fn pieces_do_not_matter(text in r"[\\u0d8cef%+n]{0,60}", piece in 1usize..20) {
            for escapes in [Escapes::Json, Escapes::Form] {
                let whole = undone(escapes, text.as_bytes(), usize::MAX);
                prop_assert_eq!(undone(escapes, text.as_bytes(), piece), whole);
            }
        }
    }
}
