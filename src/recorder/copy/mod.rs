//! The copy of one body, taken while it streams: decoded for masking, kept coded where nothing had to be masked.
//!
//! Three ways, by `Content-Type` and `Content-Encoding`:
//! - *raw*: what is no text, or is coded in a way that nobody here can undo, is kept as received;
//! - *text*: masked on its way;
//! - *coded text*: decoded and masked on its way. If nothing had to be masked and the coded bytes fit in memory, they
//!   are kept as received; else the decoded, masked text is kept and the record says `coding_removed`.
//!
//! Nothing is written before it has passed. Coded text that turns out damaged, or a bomb, is kept as far as it could be
//! decoded, masked, and ends as [`BodyEnd::Failed`]; bytes of which nothing at all could be decoded are no coded text:
//! they are masked as text where they are text, and kept as they are where they are not.

mod decode;
mod keep;

use crate::model::body::INLINE_MAX;
use crate::model::coding::{self, Coding};
use crate::model::media::{self, Kind};
use crate::model::{Body, BodyEnd, Fields};
use crate::redact::{self, BodyMasker, Masker};
use crate::store::{Recording, StreamFile};
use decode::Decoder;
use keep::{Keep, Kept};

/// Coded bytes that are kept beside the decoded text, in case nothing has to be masked.
const WINDOW: usize = 1 << 20;
/// Bytes of a body without `Content-Type` that are looked at to tell text.
const SNIFFED: usize = 512;

/// Copies one body. Bodies up to 64 KiB end inside the record, larger ones in a blob; memory stays below 1 MiB or so,
/// whatever the size, beside the window of a decoder. A disk error ends the copy, never the traffic: it shows at the end.
///
/// Of a stream each push writes what is certain: all but a token that has begun, and at most the last 16 bytes of a
/// line that has not ended.
pub struct BodyCopy {
    way: Way,
    keep: Keep,
    wire_size: u64,
}

enum Way {
    Raw,
    Text(Box<Text>),
    Coded(Box<Coded>),
}

/// Text on its way through masking.
struct Text {
    masker: BodyMasker,
    /// Without a `Content-Type`: the first bytes tell.
    unsure: Option<Masker>,
    out: Vec<u8>,
}

/// Coded text on its way.
struct Coded {
    decoder: Decoder,
    text: Text,
    /// The bytes as received, while they may still be what is kept.
    received: Option<Vec<u8>>,
    names: String,
    decoded_any: bool,
    failed: bool,
    is_stream: bool,
    /// Where the masker of bytes that turn out not to be coded comes from.
    masker: Masker,
}

impl BodyCopy {
    /// A copy of the body of a message with these (unmasked) header fields. With `stream`, chunks are written to that
    /// file as they come (a response without known length).
    pub fn new(recording: &Recording, masker: &Masker, fields: &Fields, stream: Option<StreamFile>) -> Self {
        let recording = recording.clone();
        let is_stream = stream.is_some();
        let way = Way::of(masker, fields, is_stream);
        let in_memory = if matches!(way, Way::Coded(_)) { WINDOW } else { INLINE_MAX };
        let keep = Keep::new(Box::new(move || recording.blob()), stream, in_memory);
        BodyCopy { way, keep, wire_size: 0 }
    }

    /// Takes the next bytes as received (after transfer coding).
    pub fn push(&mut self, chunk: &[u8]) {
        self.wire_size += chunk.len() as u64;
        match &mut self.way {
            Way::Raw => self.keep.write(chunk),
            Way::Text(text) => text.push(chunk, &mut self.keep),
            Way::Coded(coded) => coded.push(chunk, &mut self.keep),
        }
    }

    /// Ends the copy. When a content coding was removed, the caller keeps the fields as they were: the body says so.
    ///
    /// # Errors
    /// The first error of the disk.
    pub fn finish(self, end: BodyEnd) -> std::io::Result<Body> {
        let BodyCopy { way, mut keep, wire_size } = self;
        let (mut masked, mut coding_removed, mut end) = (0, None, end);
        match way {
            Way::Raw => {}
            Way::Text(mut text) => {
                text.finish(&mut keep);
                masked = text.masker.hits();
            }
            Way::Coded(mut coded) => {
                coded.finish(end, &mut keep);
                masked = coded.text.masker.hits();
                if coded.failed && coded.decoded_any {
                    end = if end.is_whole() { BodyEnd::Failed } else { end };
                }
                match coded.received {
                    // Nothing of it was decoded, so nothing was written.
                    Some(received) if coded.is_stream => keep.write(&received),
                    Some(received) => keep.replace(&received),
                    None => coding_removed = coded.decoded_any.then_some(coded.names),
                }
            }
        }
        let Kept { content, size, hash } = keep.finish()?;
        Ok(Body { content, size, wire_size, hash, end, coding_removed, masked })
    }
}

impl Way {
    fn of(masker: &Masker, fields: &Fields, is_stream: bool) -> Way {
        let content_type = fields.text("content-type");
        let kind = Kind::of(content_type.as_deref());
        let is_untyped = content_type.as_deref().is_none_or(|value| media::essence(value).is_empty());
        if masker.is_off() || (kind == Kind::Binary && !is_untyped) {
            return Way::Raw;
        }
        let text = || Text::new(masker, kind, content_type.as_deref(), is_untyped);
        let plain = |text: Text| Way::Text(Box::new(text));
        match coding::codings(fields) {
            Ok(codings) if codings.is_empty() => plain(text()),
            Ok(codings) => match Coded::new(masker, &codings, text(), is_stream) {
                Ok(coded) => Way::Coded(Box::new(coded)),
                Err(_) => Way::Raw,
            },
            // Of an unknown coding the bytes may still be text: then they are masked as that.
            Err(_) => plain(Text::new(masker, Kind::Binary, None, true)),
        }
    }
}

impl Text {
    fn new(masker: &Masker, kind: Kind, content_type: Option<&str>, is_untyped: bool) -> Self {
        let unsure = is_untyped.then(|| masker.clone());
        Text { masker: masker.body(kind, content_type), unsure, out: Vec::new() }
    }

    fn push(&mut self, bytes: &[u8], keep: &mut Keep) {
        if let Some(masker) = &self.unsure
            && !bytes.is_empty()
        {
            if redact::looks_like_text(&bytes[..bytes.len().min(SNIFFED)]) {
                self.masker = masker.body(Kind::Text, None);
            }
            self.unsure = None;
        }
        self.masker.push(bytes, &mut self.out);
        keep.write(&self.out);
        self.out.clear();
    }

    fn finish(&mut self, keep: &mut Keep) {
        self.masker.finish(&mut self.out);
        keep.write(&self.out);
        self.out = Vec::new();
    }
}

impl Coded {
    fn new(masker: &Masker, codings: &[Coding], text: Text, is_stream: bool) -> std::io::Result<Self> {
        Ok(Coded {
            decoder: Decoder::new(codings)?,
            text,
            received: Some(Vec::new()),
            names: codings.iter().map(|coding| coding.name()).collect::<Vec<_>>().join(", "),
            decoded_any: false,
            failed: false,
            is_stream,
            masker: masker.clone(),
        })
    }

    fn push(&mut self, chunk: &[u8], keep: &mut Keep) {
        if self.failed {
            if !self.decoded_any {
                self.text.push(chunk, keep);
            }
            return;
        }
        if let Some(received) = &mut self.received {
            received.extend_from_slice(chunk);
        }
        let Coded { decoder, text, decoded_any, .. } = self;
        let done = decoder.push(chunk, |decoded| {
            *decoded_any |= !decoded.is_empty();
            text.push(decoded, keep);
        });
        if done.is_err() {
            self.give_up(chunk, keep);
            return;
        }
        // What is written to a stream's file cannot be taken back.
        let is_settled = self.text.masker.hits() > 0 || self.is_stream && self.decoded_any;
        if is_settled || self.received.as_ref().is_some_and(|received| received.len() > WINDOW) {
            self.received = None;
        }
    }

    /// The bytes are not what their coding says. If nothing was decoded they go on as they are, as text or not.
    fn give_up(&mut self, chunk: &[u8], keep: &mut Keep) {
        self.failed = true;
        let received = self.received.take();
        if self.decoded_any {
            return;
        }
        self.text = Text::new(&self.masker, Kind::Binary, None, true);
        self.text.push(received.as_deref().unwrap_or(chunk), keep);
    }

    fn finish(&mut self, end: BodyEnd, keep: &mut Keep) {
        let mut cut_off = false;
        if !self.failed {
            let Coded { decoder, text, decoded_any, .. } = self;
            let done = decoder.finish(|decoded| {
                *decoded_any |= !decoded.is_empty();
                text.push(decoded, keep);
            });
            if done.is_err() && !self.decoded_any {
                if let Some(received) = self.received.clone() {
                    self.give_up(&received, keep);
                }
            } else {
                cut_off = done.is_err() && end.is_whole();
            }
        }
        self.text.finish(keep);
        if self.text.masker.hits() > 0 {
            self.received = None;
        }
        // A body that broke off may end anywhere. One that is whole and ends before its coding does is a range: kept as
        // received where nothing had to be masked in it, else there are no bytes left that could be served.
        self.failed |= cut_off && self.received.is_none();
    }
}

#[cfg(test)]
mod tests;
