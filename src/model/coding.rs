//! Content codings (RFC 9110 section 8.4.1): undone for views, masking and collections, and done again for replay.
//!
//! Pure, bounded, and never on the way of live traffic.

use std::io::{self, Read, Write};

/// A content coding that retake can undo and do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `gzip`, `x-gzip`
    Gzip,
    /// `deflate`: zlib, or raw where the sender got it wrong.
    Deflate,
    /// `br`
    Brotli,
    /// `zstd`
    Zstd,
}

impl Coding {
    /// The coding of that name, in any case.
    pub fn named(name: &str) -> Option<Coding> {
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Coding::Gzip),
            "deflate" => Some(Coding::Deflate),
            "br" => Some(Coding::Brotli),
            "zstd" => Some(Coding::Zstd),
            _ => None,
        }
    }

    /// The name in `Content-Encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }
}

/// Why a body could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A coding that retake does not know.
    #[error("the content coding `{0}` is not known")]
    Unknown(String),
    /// The bytes are not what the coding says, or end too early.
    #[error("the body is not valid {coding}: {source}")]
    Damaged {
        /// The coding's name.
        coding: &'static str,
        /// What the decoder said.
        source: io::Error,
    },
    /// Decoding would give more than the limit.
    #[error("the decoded body is larger than {0} bytes")]
    TooLarge(u64),
}

/// Whether an `Accept-Encoding` value allows a coding (RFC 9110 section 12.5.3).
pub fn accepts(accept_encoding: &str, coding: Coding) -> bool {
    let mut by_any = false;
    for member in accept_encoding.split(',') {
        let (name, parameters) = member.split_once(';').unwrap_or((member, ""));
        let refused =
            parameters.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok()).is_some_and(|q| q <= 0.0);
        if Coding::named(name) == Some(coding) {
            return !refused;
        }
        by_any |= name.trim() == "*" && !refused;
    }
    by_any
}

/// The codings of the `Content-Encoding` lines, in the order in which they were applied, `identity` left out.
///
/// # Errors
/// [`DecodeError::Unknown`] for one that retake does not know.
pub fn codings(fields: &super::Fields) -> Result<Vec<Coding>, DecodeError> {
    let members = fields.members("content-encoding");
    let named = members.iter().filter(|member| !member.eq_ignore_ascii_case("identity"));
    named.map(|member| Coding::named(member).ok_or_else(|| DecodeError::Unknown(member.clone()))).collect()
}

/// How many bytes a body of `coded` bytes may decode to before it counts as a bomb: 64 MiB for any, and a hundred times
/// its size beyond.
pub fn plausible(coded: u64) -> u64 {
    (64 << 20) + coded.saturating_mul(100)
}

/// Wraps `reader` so that it gives the bytes before `coding` was applied. Streaming: memory does not grow with size.
pub fn reader<'a>(coding: Coding, reader: impl io::BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match coding {
        Coding::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        Coding::Deflate => Box::new(inflater(reader)?),
        Coding::Brotli => Box::new(brotli::Decompressor::new(reader, 16 * 1024)),
        Coding::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(reader)?),
    })
}

/// The bytes before `codings` were applied, at most `limit` of them.
///
/// # Errors
/// When the bytes are damaged or cut off, or more than `limit` bytes come out (a bomb).
pub fn decode(bytes: &[u8], codings: &[Coding], limit: u64) -> Result<Vec<u8>, DecodeError> {
    let mut current = bytes.to_vec();
    for &coding in codings.iter().rev() {
        let damaged = |source| DecodeError::Damaged { coding: coding.name(), source };
        let decoder = reader(coding, current.as_slice()).map_err(damaged)?;
        let mut decoded = Vec::new();
        decoder.take(limit + 1).read_to_end(&mut decoded).map_err(damaged)?;
        if decoded.len() as u64 > limit {
            return Err(DecodeError::TooLarge(limit));
        }
        current = decoded;
    }
    Ok(current)
}

/// `bytes` with `coding` applied; deterministic.
///
/// # Errors
/// Only those of the encoder itself, which has no reason to fail in memory.
pub fn encode(bytes: &[u8], coding: Coding) -> io::Result<Vec<u8>> {
    match coding {
        Coding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        Coding::Deflate => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        Coding::Brotli => {
            let mut out = Vec::new();
            let mut encoder = brotli::CompressorWriter::new(&mut out, 16 * 1024, 5, 22);
            encoder.write_all(bytes)?;
            encoder.flush()?;
            drop(encoder);
            Ok(out)
        }
        Coding::Zstd => zstd::stream::encode_all(bytes, 3),
    }
}

/// Chooses between zlib and raw deflate by the first two bytes (RFC 1950 section 2.2): servers send both.
fn inflater<'a>(mut reader: impl io::BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let head = reader.fill_buf()?;
    let is_zlib = match head {
        [method, flags, ..] => method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0,
        [method] => method & 0x0f == 8,
        [] => true,
    };
    if is_zlib {
        Ok(Box::new(flate2::bufread::ZlibDecoder::new(reader)))
    } else {
        Ok(Box::new(flate2::bufread::DeflateDecoder::new(reader)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

    #[test]
    fn every_coding_and_two_at_once_come_back() {
        let text = b"hello hello hello hello".repeat(100);
        for coding in ALL {
            let coded = encode(&text, coding).unwrap();
            assert_eq!(decode(&coded, &[coding], 1 << 20).unwrap(), text, "{coding:?}");
            let twice = encode(&coded, Coding::Gzip).unwrap();
            assert_eq!(decode(&twice, &[coding, Coding::Gzip], 1 << 20).unwrap(), text);
        }
    }

    #[test]
    fn damage_and_bombs_are_errors() {
        for coding in ALL {
            let coded = encode(&vec![0; 1 << 20], coding).unwrap();
            assert!(matches!(decode(&coded, &[coding], 1000), Err(DecodeError::TooLarge(1000))), "{coding:?}");
            assert!(decode(&coded[..coded.len() / 2], &[coding], 1 << 21).is_err(), "{coding:?} cut off");
        }
        assert!(decode(b"not gzip", &[Coding::Gzip], 100).is_err());
    }

    #[test]
    fn what_a_client_accepts() {
        for (value, accepted) in
            [("gzip", true), ("br, GZIP;q=0.5", true), ("gzip;q=0, *", false), ("*", true), ("br", false), ("", false)]
        {
            assert_eq!(accepts(value, Coding::Gzip), accepted, "{value}");
        }
    }

    #[test]
    fn raw_deflate_is_understood() {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"raw raw raw raw").unwrap();
        assert_eq!(decode(&encoder.finish().unwrap(), &[Coding::Deflate], 100).unwrap(), b"raw raw raw raw");
    }
}
