//! The text of a body: what of its bytes is text, in which character set, with which escapes; and the search in it,
//! whole where it is in memory already, else as it comes.

use encoding_rs::{Decoder, Encoding, UTF_8, WINDOWS_1252};

use super::escapes::{Escapes, Unescape};
use super::excerpt::Excerpt;
use super::pattern::Compiled;
use super::windows::Window;
use crate::model::charset;
use crate::model::media::{self, Kind};

/// A body without a type of text is one if so many of its first bytes look like it.
const SAMPLE: usize = 8 << 10;

/// How a body is read as text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    /// None: its bytes are looked at as they are.
    encoding: Option<&'static Encoding>,
    /// Bytes of a byte order mark.
    mark: usize,
    escapes: Option<Escapes>,
}

impl Reading {
    /// How a body that begins so is read; none if it is no text.
    pub(super) fn of(content_type: Option<&str>, beginning: &[u8]) -> Option<Reading> {
        let kind = Kind::of(content_type);
        let declared = charset::declared(content_type, beginning);
        let sample = &beginning[..beginning.len().min(SAMPLE)];
        if kind == Kind::Binary && declared.is_none() && !media::looks_like_text(sample) {
            return None;
        }
        let is_utf8 = || std::str::from_utf8(beginning).map_or_else(|error| error.error_len().is_none(), |_| true);
        let encoding = match declared {
            Some(encoding) => Some(encoding),
            // Text whose sender forgot the charset is mostly of the Windows of long ago.
            None if matches!(kind, Kind::Text | Kind::Xml | Kind::Form) && !is_utf8() && !sample.contains(&0) => {
                Some(WINDOWS_1252)
            }
            None => None,
        };
        let mark = Encoding::for_bom(beginning).map_or(0, |(_, length)| length);
        Some(Reading { encoding: encoding.filter(|encoding| *encoding != UTF_8), mark, escapes: escapes(kind, sample) })
    }
}

/// The escapes of a kind; other text may be JSON all the same.
fn escapes(kind: Kind, sample: &[u8]) -> Option<Escapes> {
    let begins_like_json = || {
        let first = sample.iter().find(|byte| !byte.is_ascii_whitespace() && **byte != 0);
        matches!(first, Some(b'{' | b'['))
    };
    match kind {
        Kind::Json | Kind::EventStream => Some(Escapes::Json),
        Kind::Form => Some(Escapes::Form),
        Kind::Text | Kind::Binary if begins_like_json() => Some(Escapes::Json),
        _ => None,
    }
}

/// Looks in a text that is in memory.
pub(super) fn find_whole(pattern: &Compiled, reading: Reading, bytes: &[u8]) -> Option<Excerpt> {
    let bytes = &bytes[reading.mark.min(bytes.len())..];
    match reading.encoding {
        Some(encoding) => {
            let (text, _) = encoding.decode_without_bom_handling(bytes);
            find_escaped(pattern, reading.escapes, text.as_bytes())
        }
        None => find_escaped(pattern, reading.escapes, bytes),
    }
}

/// Looks in a text as it is, then in what its escapes mean.
pub(super) fn find_escaped(pattern: &Compiled, escapes: Option<Escapes>, text: &[u8]) -> Option<Excerpt> {
    if let Some(found) = pattern.regex.find(text) {
        return Some(Excerpt::new(text, found.range()));
    }
    let escapes = escapes.filter(|escapes| escapes.occur_in(text))?;
    let mut meant = Vec::with_capacity(text.len());
    let mut unescape = Unescape::new(escapes);
    unescape.push(text, &mut meant);
    unescape.finish(&mut meant);
    pattern.regex.find(&meant).map(|found| Excerpt::new(&meant, found.range()))
}

/// Looks in a text as it comes.
pub(super) struct Streamed<'r> {
    /// Bytes of a mark that are still to come.
    mark: usize,
    decoder: Option<Decoder>,
    decoded: String,
    as_it_is: Window<'r>,
    escapes: Option<Escapes>,
    /// From the first escape on, what they mean.
    meant: Option<(Unescape, Window<'r>)>,
    unescaped: Vec<u8>,
}

impl<'r> Streamed<'r> {
    pub(super) fn new(window: Window<'r>, reading: Reading) -> Self {
        Streamed {
            mark: reading.mark,
            decoder: reading.encoding.map(Encoding::new_decoder_without_bom_handling),
            decoded: String::new(),
            as_it_is: window,
            escapes: reading.escapes,
            meant: None,
            unescaped: Vec::new(),
        }
    }

    /// Adds bytes of the body.
    pub(super) fn push(&mut self, piece: &[u8]) -> Option<Excerpt> {
        let marked = self.mark.min(piece.len());
        self.mark -= marked;
        self.bytes(&piece[marked..], false)
    }

    /// The body is over.
    pub(super) fn finish(&mut self) -> Option<Excerpt> {
        self.bytes(&[], true).or_else(|| self.as_it_is.finish()).or_else(|| {
            let (unescape, window) = self.meant.as_mut()?;
            self.unescaped.clear();
            unescape.finish(&mut self.unescaped);
            window.push(&self.unescaped).or_else(|| window.finish())
        })
    }

    fn bytes(&mut self, piece: &[u8], is_last: bool) -> Option<Excerpt> {
        let Some(decoder) = &mut self.decoder else { return self.text(piece) };
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.clear();
        // Without an answer it would be longer than memory.
        decoded.reserve(decoder.max_utf8_buffer_length(piece.len()).unwrap_or(0));
        let _ = decoder.decode_to_string(piece, &mut decoded, is_last);
        let found = self.text(decoded.as_bytes());
        self.decoded = decoded;
        found
    }

    fn text(&mut self, piece: &[u8]) -> Option<Excerpt> {
        if let (None, Some(escapes)) = (&self.meant, self.escapes)
            && escapes.occur_in(piece)
        {
            // Up to here both are one.
            self.meant = Some((Unescape::new(escapes), self.as_it_is.clone()));
        }
        if let Some(found) = self.as_it_is.push(piece) {
            return Some(found);
        }
        let (unescape, window) = self.meant.as_mut()?;
        self.unescaped.clear();
        unescape.push(piece, &mut self.unescaped);
        window.push(&self.unescaped)
    }
}
