//! Content codings undone as the bytes arrive (push, not pull), with limits against bombs.

use std::io::{self, Write};

use crate::model::coding::{self, Coding};

/// Input goes in in pieces of this size, so that one call cannot give out without bound.
const PIECE: usize = 1024;
/// What one piece may become: far above any text's ratio.
const MOST_PER_PIECE: usize = 8 << 20;

/// Undoes the codings of one body, last applied first.
pub(super) struct Decoder {
    stages: Vec<Stage>,
    received: u64,
    decoded: u64,
    scratch: [Vec<u8>; 2],
}

enum Stage {
    Gzip(flate2::write::MultiGzDecoder<Bounded>),
    Zlib(flate2::write::ZlibDecoder<Bounded>),
    RawDeflate(flate2::write::DeflateDecoder<Bounded>),
    /// The first two bytes tell zlib from raw deflate: servers send both.
    Deflate(Vec<u8>),
    Brotli(Box<brotli::DecompressorWriter<Bounded>>),
    Zstd(zstd::stream::write::Decoder<'static, Bounded>),
}

/// Takes decoded bytes up to a limit.
#[derive(Default)]
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST_PER_PIECE {
            return Err(too_large());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn too_large() -> io::Error {
    io::Error::other("the body decodes to more than is plausible")
}

impl Decoder {
    /// A decoder for codings in the order in which they were applied.
    pub(super) fn new(codings: &[Coding]) -> io::Result<Self> {
        let stages = codings.iter().rev().map(|coding| Stage::new(*coding)).collect::<io::Result<_>>()?;
        Ok(Decoder { stages, received: 0, decoded: 0, scratch: Default::default() })
    }

    /// Takes coded bytes, and gives what they decode to, piece by piece, to `take`.
    ///
    /// # Errors
    /// The bytes are damaged, or too many come out; what was decoded before has been given.
    pub(super) fn push(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8])) -> io::Result<()> {
        for piece in bytes.chunks(PIECE) {
            self.received += piece.len() as u64;
            self.run(piece, false, &mut take)?;
        }
        Ok(())
    }

    /// Gives what the decoders still hold.
    ///
    /// # Errors
    /// The coded bytes end too early.
    pub(super) fn finish(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        self.run(b"", true, &mut take)
    }

    fn run(&mut self, piece: &[u8], at_end: bool, take: &mut impl FnMut(&[u8])) -> io::Result<()> {
        let [mut current, mut next] = std::mem::take(&mut self.scratch);
        current.clear();
        current.extend_from_slice(piece);
        let mut result = Ok(());
        for stage in &mut self.stages {
            next.clear();
            let done = stage.push(&current, at_end, &mut next);
            std::mem::swap(&mut current, &mut next);
            if done.is_err() {
                // What a damaged stage gave is passed through the others all the same.
                result = result.and(done);
            }
        }
        self.decoded += current.len() as u64;
        take(&current);
        // A piece may have been large; memory goes back.
        if current.capacity() > 256 * 1024 {
            current = Vec::new();
        }
        next.shrink_to(256 * 1024);
        self.scratch = [current, next];
        if self.decoded > coding::plausible(self.received) {
            return Err(too_large());
        }
        result
    }
}

impl Stage {
    fn new(coding: Coding) -> io::Result<Stage> {
        Ok(match coding {
            Coding::Gzip => Stage::Gzip(flate2::write::MultiGzDecoder::new(Bounded::default())),
            Coding::Deflate => Stage::Deflate(Vec::new()),
            Coding::Brotli => Stage::Brotli(Box::new(brotli::DecompressorWriter::new(Bounded::default(), 4096))),
            Coding::Zstd => {
                let mut decoder = zstd::stream::write::Decoder::new(Bounded::default())?;
                // 8 MiB: what RFC 8878 section 3.1.1.1.2 asks every decoder to support.
                decoder.window_log_max(23)?;
                Stage::Zstd(decoder)
            }
        })
    }

    fn push(&mut self, bytes: &[u8], at_end: bool, out: &mut Vec<u8>) -> io::Result<()> {
        if let Stage::Deflate(head) = self {
            head.extend_from_slice(bytes);
            let [method, flags, ..] = head.as_slice() else {
                return if at_end && !head.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) };
            };
            let is_zlib = method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0;
            let head = std::mem::take(head);
            *self = if is_zlib {
                Stage::Zlib(flate2::write::ZlibDecoder::new(Bounded::default()))
            } else {
                Stage::RawDeflate(flate2::write::DeflateDecoder::new(Bounded::default()))
            };
            return self.push(&head, at_end, out);
        }
        let done = self.write(bytes).and_then(|()| if at_end { self.end() } else { Ok(()) });
        out.append(&mut self.decoded().0);
        done
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let writer: &mut dyn Write = match self {
            Stage::Gzip(decoder) => decoder,
            Stage::Zlib(decoder) => decoder,
            Stage::RawDeflate(decoder) => decoder,
            Stage::Brotli(decoder) => decoder.as_mut(),
            Stage::Zstd(decoder) => decoder,
            Stage::Deflate(_) => return Ok(()),
        };
        writer.write_all(bytes)?;
        writer.flush()
    }

    fn end(&mut self) -> io::Result<()> {
        match self {
            Stage::Gzip(decoder) => decoder.try_finish(),
            Stage::Zlib(decoder) => decoder.try_finish(),
            Stage::RawDeflate(decoder) => decoder.try_finish(),
            Stage::Brotli(decoder) => decoder.close(),
            Stage::Zstd(_) | Stage::Deflate(_) => Ok(()),
        }
    }

    fn decoded(&mut self) -> &mut Bounded {
        match self {
            Stage::Gzip(decoder) => decoder.get_mut(),
            Stage::Zlib(decoder) => decoder.get_mut(),
            Stage::RawDeflate(decoder) => decoder.get_mut(),
            Stage::Brotli(decoder) => decoder.get_mut(),
            Stage::Zstd(decoder) => decoder.get_mut(),
            Stage::Deflate(_) => unreachable!("replaced before anything is decoded"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::coding::encode;

    fn decode(codings: &[Coding], bytes: &[u8], chunk: usize) -> (Vec<u8>, bool) {
        let mut decoder = Decoder::new(codings).unwrap();
        let mut out = Vec::new();
        let mut done =
            bytes.chunks(chunk).try_for_each(|chunk| decoder.push(chunk, |bytes| out.extend_from_slice(bytes)));
        if done.is_ok() {
            done = decoder.finish(|bytes| out.extend_from_slice(bytes));
        }
        (out, done.is_ok())
    }

    #[test]
    fn every_coding_in_any_pieces() {
        let text: Vec<u8> = (0..5000_u32).flat_map(|number| number.to_string().into_bytes()).collect();
        for coding in [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd] {
            let coded = encode(&text, coding).unwrap();
            for chunk in [1, 7, 100_000] {
                let (out, whole) = decode(&[coding], &coded, chunk);
                assert!(whole && out == text, "{coding:?} by {chunk}");
            }
            let twice = encode(&coded, Coding::Gzip).unwrap();
            assert!(decode(&[coding, Coding::Gzip], &twice, 10).0 == text);
            let (part, _) = decode(&[coding], &coded[..coded.len() / 2], 10);
            assert!(text.starts_with(&part), "{coding:?}");
        }
    }

    #[test]
    fn bombs_stop() {
        let zeros = vec![0; 80 << 20];
        for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
            let coded = encode(&zeros, coding).unwrap();
            let mut decoder = Decoder::new(&[coding]).unwrap();
            let (mut total, mut largest) = (0, 0);
            let done = decoder.push(&coded, |bytes| {
                total += bytes.len();
                largest = largest.max(bytes.len());
            });
            assert!(done.is_err(), "{coding:?}");
            assert!(
                largest <= MOST_PER_PIECE && total <= coding::plausible(coded.len() as u64) as usize + MOST_PER_PIECE
            );
        }
    }
}
