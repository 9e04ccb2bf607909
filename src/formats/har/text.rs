//! The bytes of a body as a JSON string, piece by piece: as text, or in base64. Nothing is held but a piece.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

/// Bytes read at a time: whole groups of base64.
const PIECE: usize = 48 << 10;

/// Opens the bytes from their beginning.
pub(super) type Source<'a> = Box<dyn Fn() -> io::Result<Box<dyn Read + 'a>> + 'a>;

/// Where a failure in the middle of a text is left: a `Display` cannot give one back.
pub(super) type Trouble = RefCell<Option<io::Error>>;

/// A string of the document whose content is read while it is written.
pub(super) struct Text<'a> {
    source: Source<'a>,
    in_base64: bool,
    trouble: &'a Trouble,
}

impl<'a> Text<'a> {
    /// The bytes as they are, which must be UTF-8 throughout.
    pub(super) fn plain(source: Source<'a>, trouble: &'a Trouble) -> Self {
        Text { source, in_base64: false, trouble }
    }

    /// The bytes in base64.
    pub(super) fn base64(source: Source<'a>, trouble: &'a Trouble) -> Self {
        Text { source, in_base64: true, trouble }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> io::Result<fmt::Result> {
        let mut reader = (self.source)()?;
        let mut pieces = Pieces::default();
        loop {
            let piece = pieces.fill(&mut *reader)?;
            if piece.is_empty() {
                return Ok(Ok(()));
            }
            let (written, rest) = if self.in_base64 {
                (f.write_str(&STANDARD.encode(piece)), 0)
            } else {
                let whole = valid(piece).ok_or_else(|| io::Error::other("the body has changed meanwhile"))?;
                (f.write_str(whole), piece.len() - whole.len())
            };
            if written.is_err() {
                return Ok(written);
            }
            pieces.keep_last(rest);
        }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.write(f) {
            Ok(written) => written,
            Err(error) => {
                *self.trouble.borrow_mut() = Some(error);
                Ok(())
            }
        }
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a body is, before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// How many bytes.
    pub(super) size: u64,
    /// UTF-8 throughout.
    pub(super) is_text: bool,
}

/// Reads a body once, at most `limit` bytes of it.
///
/// # Errors
/// Those of the reader; and when there are more bytes than that.
pub(super) fn look(reader: &mut dyn Read, limit: u64) -> io::Result<Seen> {
    let mut pieces = Pieces::default();
    let (mut size, mut is_text) = (0, true);
    loop {
        let piece = pieces.fill(reader)?;
        let held = piece.len();
        if held == 0 {
            return Ok(Seen { size, is_text });
        }
        let rest = match valid(piece) {
            Some(whole) if is_text => held - whole.len(),
            _ => {
                is_text = false;
                0
            }
        };
        size += (held - rest) as u64;
        if size > limit {
            return Err(io::Error::other("it decodes to more than is plausible"));
        }
        if !pieces.is_over {
            pieces.keep_last(rest);
        } else {
            is_text &= rest == 0;
            size += rest as u64;
            pieces.keep_last(0);
        }
    }
}

/// The text up to a character that the end may have cut off; `None` if it is no UTF-8.
fn valid(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

/// A reader's bytes in pieces of one size; the end of a piece can be put back before the next.
#[derive(Default)]
struct Pieces {
    buffer: Vec<u8>,
    kept: usize,
    is_over: bool,
}

impl Pieces {
    /// The next piece, full unless it is the last; empty at the end.
    fn fill(&mut self, reader: &mut dyn Read) -> io::Result<&[u8]> {
        let mut filled = self.kept;
        self.kept = 0;
        if !self.is_over {
            self.buffer.resize(PIECE, 0);
            while filled < PIECE {
                match reader.read(&mut self.buffer[filled..]) {
                    Ok(0) => {
                        self.is_over = true;
                        break;
                    }
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.buffer.truncate(filled);
        Ok(&self.buffer)
    }

    /// The last `count` bytes come again, at the beginning of the next piece.
    fn keep_last(&mut self, count: usize) {
        let from = self.buffer.len() - count;
        self.buffer.copy_within(from.., 0);
        self.kept = count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8], in_base64: bool) -> String {
        let trouble = Trouble::default();
        let source: Source<'_> = Box::new(|| Ok(Box::new(bytes)));
        let text = Text { source, in_base64, trouble: &trouble };
        let written = serde_json::to_string(&text).unwrap();
        assert!(trouble.borrow().is_none());
        serde_json::from_str(&written).unwrap()
    }

    #[test]
    fn any_bytes_come_whole_whatever_the_pieces() {
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + 2] {
            let bytes: Vec<u8> = (0..size).map(|at| (at * 7 % 256) as u8).collect();
            assert_eq!(STANDARD.decode(written(&bytes, true)).unwrap(), bytes, "{size}");
            let text: String = "aé€😀\"\\\n\0".chars().cycle().take(size).collect();
            assert_eq!(written(text.as_bytes(), false), text, "{size}");
            let seen = look(&mut text.as_bytes(), u64::MAX).unwrap();
            assert_eq!(seen, Seen { size: text.len() as u64, is_text: true });
        }
    }

    #[test]
    fn what_is_no_text_is_told_and_so_is_what_is_cut_off() {
        let far = [vec![b'x'; PIECE * 2], vec![0xff, b'y']].concat();
        for (bytes, is_text) in
            [(&b"a\xff"[..], false), (b"caf\xc3", false), (b"\xc3", false), ("é".as_bytes(), true), (&far, false)]
        {
            assert_eq!(look(&mut &*bytes, u64::MAX).unwrap(), Seen { size: bytes.len() as u64, is_text }, "{bytes:?}");
        }
        assert!(look(&mut &far[..], 10).is_err());
    }
}
