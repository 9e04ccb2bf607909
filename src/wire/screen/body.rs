//! Where a body ends: a machine that is fed bytes and never looks back (RFC 9112 section 6).

use super::refusal::{MAX_FIELDS, Refusal};

/// The most bytes of chunk extensions in one chunk line, and of one trailer section.
const MAX_EXTENSION: u32 = 1024;
const MAX_TRAILERS: u32 = 16 * 1024;

/// The part of a body that has not been seen yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyScan {
    /// The message is over.
    Done,
    /// So many bytes are left.
    Length(u64),
    /// Chunks (RFC 9112 section 7.1).
    Chunked(Chunks),
    /// Everything until the connection closes.
    UntilClose,
}

/// Where in the chunked coding we stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunks {
    at: At,
    /// Data bytes left in this chunk; while reading its size, the size so far.
    left: u64,
    /// Bytes of this extension, or of the trailer section.
    extra: u32,
    lines: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Size { digits: u8 },
    SizePadding,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
}

impl BodyScan {
    /// A chunked body from its start.
    pub(super) fn chunked() -> Self {
        BodyScan::Chunked(Chunks { at: At::Size { digits: 0 }, left: 0, extra: 0, lines: 0 })
    }

    /// Takes what belongs to this body from the front of `bytes`; says how many bytes that was.
    ///
    /// # Errors
    /// A [`Refusal`] with the number of good bytes before the fault.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<usize, (usize, Refusal)> {
        match self {
            BodyScan::Done => Ok(0),
            BodyScan::UntilClose => Ok(bytes.len()),
            BodyScan::Length(left) => {
                let taken = (bytes.len() as u64).min(*left);
                *left -= taken;
                if *left == 0 {
                    *self = BodyScan::Done;
                }
                Ok(taken as usize) // no more than bytes.len()
            }
            BodyScan::Chunked(chunks) => {
                let (taken, done) = chunks.advance(bytes)?;
                if done {
                    *self = BodyScan::Done;
                }
                Ok(taken)
            }
        }
    }
}

impl Chunks {
    fn advance(&mut self, bytes: &[u8]) -> Result<(usize, bool), (usize, Refusal)> {
        let mut position = 0;
        while position < bytes.len() {
            if self.at == At::Data {
                let available = (bytes.len() - position) as u64;
                let taken = available.min(self.left);
                self.left -= taken;
                position += taken as usize; // no more than what is there
                if self.left == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            let done = self.step(bytes[position]).map_err(|reason| (position, Refusal::bad(reason)))?;
            position += 1;
            if done {
                return Ok((position, true));
            }
        }
        Ok((position, false))
    }

    /// One byte that is not chunk data; true at the end of the body.
    fn step(&mut self, byte: u8) -> Result<bool, &'static str> {
        self.at = match (self.at, byte) {
            (At::Size { digits }, _) => self.size(digits, byte)?,
            (At::SizePadding, b' ' | b'\t') => self.extend(At::SizePadding)?,
            (At::SizePadding, b';') => At::Extension,
            (At::SizePadding | At::Extension, b'\r') => At::SizeLf,
            (At::SizePadding, _) => return Err("a chunk size that is followed by something else"),
            (At::Extension, b'\t' | b' '..=0x7e | 0x80..) => self.extend(At::Extension)?,
            (At::Extension, _) => return Err("a control character in a chunk extension"),
            (At::SizeLf, b'\n') => self.begin_data(),
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::Size { digits: 0 },
            (At::DataCr | At::DataLf | At::Data, _) => return Err("a chunk that is longer than its size"),
            (At::TrailerStart, b'\r') => At::EndLf,
            (At::TrailerStart | At::TrailerName, _) => self.trailer_name(byte)?,
            (At::TrailerValue, b'\r') => At::TrailerLf,
            (At::TrailerValue, b'\t' | b' '..=0x7e | 0x80..) => self.trailer(At::TrailerValue)?,
            (At::TrailerValue, _) => return Err("a control character in a trailer field"),
            (At::TrailerLf, b'\n') => At::TrailerStart,
            (At::EndLf, b'\n') => return Ok(true),
            (At::SizeLf | At::TrailerLf | At::EndLf, _) => return Err("a bare CR in the chunked coding"),
        };
        Ok(false)
    }

    fn size(&mut self, digits: u8, byte: u8) -> Result<At, &'static str> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ if digits == 0 => return Err("a chunk size that is no hexadecimal number"),
            b'\r' => return Ok(At::SizeLf),
            b';' => return Ok(At::Extension),
            b' ' | b'\t' => return self.extend(At::SizePadding),
            b'\n' => return Err("a bare LF after a chunk size"),
            _ => return Err("a chunk size that is no hexadecimal number"),
        };
        if digits == 16 {
            return Err("a chunk size of more than 16 digits");
        }
        self.left = (self.left << 4) | u64::from(digit);
        Ok(At::Size { digits: digits + 1 })
    }

    fn begin_data(&mut self) -> At {
        self.extra = 0;
        if self.left == 0 { At::TrailerStart } else { At::Data }
    }

    fn extend(&mut self, at: At) -> Result<At, &'static str> {
        self.extra += 1;
        if self.extra > MAX_EXTENSION { Err("a chunk extension over 1 KiB") } else { Ok(at) }
    }

    fn trailer_name(&mut self, byte: u8) -> Result<At, &'static str> {
        if self.at == At::TrailerStart {
            self.lines += 1;
            if usize::from(self.lines) > MAX_FIELDS {
                return Err("more than 200 trailer fields");
            }
        }
        match byte {
            b':' if self.at == At::TrailerName => self.trailer(At::TrailerValue),
            _ if super::head::is_token(byte) => self.trailer(At::TrailerName),
            _ => Err("a trailer line that is no field"),
        }
    }

    fn trailer(&mut self, at: At) -> Result<At, &'static str> {
        self.extra += 1;
        if self.extra > MAX_TRAILERS { Err("a trailer section over 16 KiB") } else { Ok(at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` in two pieces at every position; all must agree. Gives the length of the body, or the reason.
    fn scan(bytes: &[u8]) -> Result<Option<usize>, String> {
        let mut all = Vec::new();
        for split in 0..=bytes.len() {
            let mut body = BodyScan::chunked();
            let mut result = Ok(0);
            for piece in [&bytes[..split], &bytes[split..]] {
                if let Ok(total) = result {
                    result = body.advance(piece).map(|n| total + n).map_err(|(at, why)| (total + at, why));
                }
            }
            all.push(match result {
                Ok(total) => Ok((body == BodyScan::Done).then_some(total)),
                Err((_, why)) => Err(why.reason.into_owned()),
            });
        }
        all.dedup();
        assert_eq!(all.len(), 1, "{:?}: {all:?}", String::from_utf8_lossy(bytes));
        all.remove(0)
    }

    #[test]
    fn chunked_bodies_end_where_they_end() {
        for (text, length) in [
            ("0\r\n\r\nGET", Some(5)),
            ("3\r\nabc\r\n0\r\n\r\n", Some(13)),
            ("3;a=\"b\"\r\nabc\r\n000\r\n\r\nrest", Some(21)),
            ("A \r\n0123456789\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n", Some(35)),
            ("3\r\nab", None),
            ("3\r\nabc\r\n0\r\n", None),
        ] {
            assert_eq!(scan(text.as_bytes()), Ok(length), "{text:?}");
        }
    }

    #[test]
    fn chunk_tricks_are_refused() {
        for text in [
            "0x3\r\nabc\r\n",
            "+3\r\nabc\r\n",
            "-3\r\n",
            "1_0\r\n",
            "\r\nabc",
            " 3\r\nabc",
            "3\nabc\r\n",
            "3\r\nabcd\r\n",
            "3\rabc",
            "11111111111111111\r\n",
            "3\r\nabc\n",
            "3;\x00\r\n",
            "3 4\r\n",
            "g\r\n",
            "0\r\n: x\r\n\r\n",
            "0\r\nA : x\r\n\r\n",
            "0\r\nA: x\n\r\n",
            "0\r\nA: x\r\n folded\r\n\r\n",
            "0\r\nA: \x0b\r\n\r\n",
            "0\r\n\rX",
        ] {
            assert!(scan(text.as_bytes()).is_err(), "{text:?}");
        }
        let long = format!("3;{}\r\nabc", "x".repeat(2000));
        assert!(scan(long.as_bytes()).is_err());
    }
}
