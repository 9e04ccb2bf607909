//! What tools write and JSON does not allow, made JSON while it is read: a byte order mark, halves of surrogate pairs
//! (as `\ud83d` alone), bytes that are no UTF-8. Nothing but the mark changes its length, so places stay true.

use std::io::{self, Read};

/// The longest thing that is judged at once: a pair of escapes.
const LONGEST: usize = 12;
const PIECE: usize = 64 << 10;

/// A reader of text that may not quite be JSON.
pub(super) struct Lenient<R> {
    inner: R,
    raw: Vec<u8>,
    ready: Vec<u8>,
    given: usize,
    begun: bool,
    is_over: bool,
    /// What had to be replaced.
    replaced: u64,
}

impl<R: Read> Lenient<R> {
    pub(super) fn new(inner: R) -> Self {
        Lenient { inner, raw: Vec::new(), ready: Vec::new(), given: 0, begun: false, is_over: false, replaced: 0 }
    }

    /// How many characters had to be replaced.
    pub(super) fn replaced(&self) -> u64 {
        self.replaced
    }

    fn fill(&mut self) -> io::Result<()> {
        let held = self.raw.len();
        self.raw.resize(held + PIECE, 0);
        let count = loop {
            match self.inner.read(&mut self.raw[held..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.raw.truncate(held + *count.as_ref().unwrap_or(&0));
        self.is_over = count? == 0;
        if !self.begun && (self.raw.len() >= 3 || self.is_over) {
            self.begun = true;
            if self.raw.starts_with(b"\xef\xbb\xbf") {
                self.raw.drain(..3);
            }
        }
        Ok(())
    }

    /// Moves what can be judged from `raw` to `ready`.
    fn settle(&mut self) {
        self.ready.clear();
        self.given = 0;
        let until = if self.is_over { self.raw.len() } else { self.raw.len().saturating_sub(LONGEST) };
        let mut at = 0;
        while at < until {
            let plain = self.raw[at..until].iter().position(|byte| *byte == b'\\' || *byte >= 0x80);
            let plain = plain.unwrap_or(until - at);
            self.ready.extend_from_slice(&self.raw[at..at + plain]);
            at += plain;
            if at < until {
                at += match self.raw[at] {
                    b'\\' => self.escape(at),
                    _ => self.character(at),
                };
            }
        }
        self.raw.drain(..at);
    }

    /// Passes on an escape; returns its length.
    fn escape(&mut self, at: usize) -> usize {
        let rest = &self.raw[at..];
        let length = match unit(rest) {
            Some(0xd800..0xdc00) if matches!(rest.get(6..).and_then(unit), Some(0xdc00..0xe000)) => LONGEST,
            Some(0xd800..0xe000) => {
                self.ready.extend_from_slice(b"\\ufffd");
                self.replaced += 1;
                return 6;
            }
            Some(_) => 6,
            None => rest.len().min(2),
        };
        self.ready.extend_from_slice(&rest[..length]);
        length
    }

    /// Passes on a character that is not ASCII; returns its length.
    fn character(&mut self, at: usize) -> usize {
        let rest = &self.raw[at..];
        let length = match rest[0] {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        match rest.get(..length).filter(|bytes| std::str::from_utf8(bytes).is_ok()) {
            Some(bytes) => {
                self.ready.extend_from_slice(bytes);
                length
            }
            None => {
                self.ready.push(b'?');
                self.replaced += 1;
                1
            }
        }
    }
}

/// The code unit of `\uXXXX`.
fn unit(escape: &[u8]) -> Option<u32> {
    let hex = escape.strip_prefix(b"\\u")?.get(..4)?;
    hex.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
}

impl<R: Read> Read for Lenient<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready.len() && !(self.is_over && self.raw.is_empty()) {
            if !self.is_over {
                self.fill()?;
            }
            if self.begun {
                self.settle();
            }
        }
        let count = into.len().min(self.ready.len() - self.given);
        into[..count].copy_from_slice(&self.ready[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(into.len()).min(1);
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn read(bytes: &[u8]) -> (Vec<u8>, u64) {
        let (mut fast, mut slow) = (Lenient::new(bytes), Lenient::new(Slow(bytes)));
        let (mut all, mut again) = (Vec::new(), Vec::new());
        fast.read_to_end(&mut all).unwrap();
        slow.read_to_end(&mut again).unwrap();
        assert_eq!((&all, fast.replaced()), (&again, slow.replaced()));
        (all, fast.replaced())
    }

    #[test]
    fn what_json_forbids_is_replaced_and_nothing_else() {
        for (text, expected, replaced) in [
            (&b"\xef\xbb\xbf{\"a\":1}"[..], &b"{\"a\":1}"[..], 0),
            (br#""\ud83d\ude00\\ud83d\n""#, br#""\ud83d\ude00\\ud83d\n""#, 0),
            (br#""\ud83d x \ude00""#, br#""\ufffd x \ufffd""#, 2),
            (br#""\ud83d\ud83d\ude00""#, br#""\ufffd\ud83d\ude00""#, 1),
            ("\"é€😀\"".as_bytes(), "\"é€😀\"".as_bytes(), 0),
            (b"\"caf\xe9\" \xf0\x9f", b"\"caf?\" ??", 3),
            (b"\\", b"\\", 0),
            (b"\\u12", b"\\u12", 0),
            (b"", b"", 0),
        ] {
            assert_eq!(read(text), (expected.to_vec(), replaced), "{}", String::from_utf8_lossy(text));
        }
    }

    proptest::proptest! {
        #[test]
        fn plain_text_of_any_length_is_untouched(text in "[a-zé😀\"]{0,300}") {
            proptest::prop_assert_eq!(read(text.as_bytes()), (text.clone().into_bytes(), 0));
        }
    }
}
