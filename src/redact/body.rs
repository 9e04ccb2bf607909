//! One body on its way through masking: its structure first, then the scan over all of its text.

use std::borrow::Cow;
use std::sync::Arc;

use super::Shared;
use super::coded;
use super::form::Form;
use super::json::Json;
use super::multipart::Multipart;
use super::pattern::Stage;
use super::placeholder::{self, Shape};
use super::pointer::{Places, Pointed};
use super::seen;
use super::wide::{Units, Wide};
use super::xml::Xml;
use crate::model::media::{self, Kind};

/// Input is worked on in pieces of this size, whatever the size of the chunks.
const PIECE: usize = 16 * 1024;

/// Masks one body while it streams; sizes and chunk borders do not matter, memory is bounded.
///
/// What is kept back: a token or member that has begun and not ended (at most 8 KiB of it; a longer secret is hashed
/// and dropped), and the last 16 bytes unless a line feed follows them. So the events of a stream and the lines of a log
/// come out whole as soon as they are complete.
pub struct BodyMasker {
    lexer: Lexer,
    sink: Option<Sink>,
    begin: Begin,
}

/// What the first two bytes tell of a text.
enum Begin {
    /// They are not both there yet.
    Awaited(Option<u8>),
    Bytes,
    Wide(Wide),
}

/// The structure of a text.
pub(super) enum Lexer {
    /// None that is known.
    Plain,
    /// Not known yet: the first byte that is no white space tells JSON from other text.
    Sniff,
    Json(Json),
    Pointed(Box<Pointed>),
    Form(Form),
    Xml(Xml),
    Multipart(Box<Multipart>),
}

impl BodyMasker {
    /// Passes everything.
    pub(super) fn off() -> Self {
        BodyMasker { lexer: Lexer::Plain, sink: None, begin: Begin::Bytes }
    }

    pub(super) fn new(
        shared: &Arc<Shared>,
        places: Option<&Arc<Places>>,
        kind: Kind,
        content_type: Option<&str>,
    ) -> Self {
        let mut sink = Sink::new(shared.clone());
        sink.places = places.cloned();
        if is_prose(kind, content_type) {
            sink.stage = Stage::of_prose();
        }
        match Lexer::of(kind, content_type, &sink) {
            Some(lexer) => BodyMasker { lexer, sink: Some(sink), begin: Begin::Awaited(None) },
            None => BodyMasker::off(),
        }
    }

    /// Takes the next bytes, and appends to `out` what is certain by now.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        match &mut self.begin {
            _ if self.sink.is_none() => out.extend_from_slice(chunk),
            Begin::Awaited(first) => match (*first, chunk) {
                (None, [one, two, ..]) => self.begin([*one, *two], &chunk[2..], out),
                (None, [one]) => *first = Some(*one),
                (Some(one), [two, rest @ ..]) => self.begin([one, *two], rest, out),
                (_, []) => {}
            },
            Begin::Bytes => self.bytes(chunk, out),
            Begin::Wide(wide) => {
                let narrow = wide.narrow(chunk);
                self.wide(&narrow, out);
            }
        }
    }

    fn begin(&mut self, head: [u8; 2], rest: &[u8], out: &mut Vec<u8>) {
        match Units::of(head) {
            Units::Bytes => {
                self.begin = Begin::Bytes;
                self.bytes(&head, out);
            }
            Units::Wide { is_big, is_marked } => {
                self.begin = Begin::Wide(Wide::new(is_big));
                if is_marked {
                    out.extend_from_slice(&head);
                } else {
                    self.push(&head, out);
                }
            }
        }
        self.push(rest, out);
    }

    fn bytes(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let Some(sink) = &mut self.sink else { return };
        std::mem::swap(out, &mut sink.out);
        for piece in chunk.chunks(PIECE) {
            self.lexer.push(piece, sink);
            sink.scan(false);
        }
        std::mem::swap(out, &mut sink.out);
    }

    /// Text that came in UTF-16, and goes out in it.
    fn wide(&mut self, narrow: &[u8], out: &mut Vec<u8>) {
        let mut masked = Vec::new();
        self.bytes(narrow, &mut masked);
        if let Begin::Wide(wide) = &mut self.begin {
            wide.widen(&masked, out);
        }
    }

    /// Appends what was kept back.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match &mut self.begin {
            Begin::Awaited(first) => {
                let first = first.take();
                self.begin = Begin::Bytes;
                self.bytes(first.as_slice(), out);
                self.end(out);
            }
            Begin::Bytes => self.end(out),
            Begin::Wide(wide) => {
                let rest = wide.rest();
                self.wide(&rest, out);
                let mut masked = Vec::new();
                self.end(&mut masked);
                if let Begin::Wide(wide) = &mut self.begin {
                    wide.widen(&masked, out);
                    wide.finish(out);
                }
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let Some(sink) = &mut self.sink else { return };
        std::mem::swap(out, &mut sink.out);
        self.lexer.finish(sink);
        sink.scan(true);
        std::mem::swap(out, &mut sink.out);
    }

    /// How many values were masked so far.
    pub fn hits(&self) -> u32 {
        self.sink.as_ref().map_or(0, Sink::hits)
    }
}

impl Lexer {
    /// The structure of a kind; `None` for what is not text.
    pub(super) fn of(kind: Kind, content_type: Option<&str>, sink: &Sink) -> Option<Lexer> {
        Some(match kind {
            Kind::Binary => return None,
            Kind::Json => Lexer::json(Json::default(), false, sink),
            Kind::EventStream => Lexer::json(Json::events(), true, sink),
            Kind::Form => Lexer::Form(Form::default()),
            Kind::Xml => Lexer::Xml(Xml::default()),
            Kind::Multipart => match content_type.and_then(|value| media::parameter(value, "boundary")) {
                Some(boundary) => Lexer::Multipart(Box::new(Multipart::new(&boundary))),
                None => Lexer::Plain,
            },
            Kind::Text => Lexer::Sniff,
        })
    }

    /// JSON, and places in it where there is a rule for one.
    fn json(json: Json, events: bool, sink: &Sink) -> Lexer {
        match &sink.places {
            Some(places) => Lexer::Pointed(Box::new(Pointed::new(json, events, places.clone()))),
            None => Lexer::Json(json),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut Sink) {
        if matches!(self, Lexer::Sniff)
            // The bytes of a mark of UTF-8 count as white space.
            && let Some(first) =
                bytes.iter().find(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0xef | 0xbb | 0xbf))
        {
            let is_json = matches!(first, b'{' | b'[');
            *self = if is_json { Lexer::json(Json::default(), false, sink) } else { Lexer::Plain };
        }
        match self {
            Lexer::Plain | Lexer::Sniff => sink.plain(bytes),
            Lexer::Json(json) => json.push(bytes, sink),
            Lexer::Pointed(pointed) => pointed.push(bytes, sink),
            Lexer::Form(form) => form.push(bytes, sink),
            Lexer::Xml(xml) => xml.push(bytes, sink),
            Lexer::Multipart(multipart) => multipart.push(bytes, sink),
        }
    }

    pub(super) fn finish(&mut self, sink: &mut Sink) {
        match self {
            Lexer::Plain | Lexer::Sniff => {}
            Lexer::Json(json) => json.finish(sink),
            Lexer::Pointed(pointed) => pointed.finish(sink),
            Lexer::Form(form) => form.finish(sink),
            Lexer::Xml(xml) => xml.finish(sink),
            Lexer::Multipart(multipart) => multipart.finish(sink),
        }
    }
}

/// Whether `name=value` is looked for in all of a text: in what is said, not in what is run, where it would be code.
fn is_prose(kind: Kind, content_type: Option<&str>) -> bool {
    const CODE: [&str; 7] = ["html", "javascript", "ecmascript", "css", "svg", "graphql", "typescript"];
    let essence = content_type.map(media::essence).unwrap_or_default();
    matches!(kind, Kind::Json | Kind::EventStream | Kind::Xml | Kind::Multipart | Kind::Text)
        && !CODE.iter().any(|code| essence.contains(code))
}

/// A secret as it is read: kept up to what may be remembered, only hashed beyond.
#[derive(Default)]
pub(super) struct Secret {
    kept: Vec<u8>,
    /// Of every byte, once there are more than may be kept.
    hasher: Option<Box<blake3::Hasher>>,
}

impl Secret {
    pub(super) fn push(&mut self, bytes: &[u8], shared: &Shared) {
        if self.hasher.is_none() && self.kept.len() + bytes.len() <= seen::LONGEST {
            return self.kept.extend_from_slice(bytes);
        }
        let hasher = self.hasher.get_or_insert_with(|| {
            let mut hasher = Box::new(blake3::Hasher::new_keyed(&shared.key.0));
            hasher.update(&std::mem::take(&mut self.kept));
            hasher
        });
        hasher.update(bytes);
    }
}

/// Where the structure sends a text: through the scan, into the output.
pub(super) struct Sink {
    shared: Arc<Shared>,
    places: Option<Arc<Places>>,
    mid: Vec<u8>,
    stage: Stage,
    out: Vec<u8>,
    hits: u32,
    /// How many times base64 was undone around this text.
    level: u8,
}

impl Sink {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Sink::inside(shared, 0)
    }

    /// For a text inside so many levels of base64.
    pub(super) fn inside(shared: Arc<Shared>, level: u8) -> Self {
        let stage = Stage::at_level(level);
        Sink { shared, places: None, mid: Vec::new(), stage, out: Vec::new(), hits: 0, level }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn hits(&self) -> u32 {
        self.hits + self.stage.hits()
    }

    /// Text whose structure makes it no secret.
    pub(super) fn plain(&mut self, bytes: &[u8]) {
        self.mid.extend_from_slice(bytes);
    }

    /// What is no text, between texts: it is passed as it is.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.scan(true);
        self.out.extend_from_slice(bytes);
    }

    /// A whole secret; `decode` gives the value that the raw bytes stand for.
    pub(super) fn secret(&mut self, secret: Secret, decode: impl FnOnce(&[u8]) -> Vec<u8>) {
        match &secret.hasher {
            None => {
                let decoded = decode(&secret.kept);
                self.secret_as(&secret.kept, &decoded, Shape::Text);
            }
            Some(hasher) => {
                let stands_for = placeholder::shaped(hasher, b"", "secret", Shape::Text);
                self.hits += 1;
                self.plain(stands_for.as_bytes());
            }
        }
    }

    /// [`Sink::secret`] for a text whose white space around it is no part of the secret.
    pub(super) fn secret_text(&mut self, secret: Secret, decode: impl FnOnce(&[u8]) -> Vec<u8>) {
        if secret.hasher.is_some() {
            return self.secret(secret, decode);
        }
        let trimmed = secret.kept.trim_ascii();
        let start = secret.kept.len() - secret.kept.trim_ascii_start().len();
        self.plain(&secret.kept[..start]);
        self.secret_as(trimmed, &decode(trimmed), Shape::Text);
        self.plain(&secret.kept[start + trimmed.len()..]);
    }

    /// A whole secret that is a number of JSON.
    pub(super) fn secret_number(&mut self, secret: Secret) {
        match &secret.hasher {
            None => self.secret_as(&secret.kept, &secret.kept, Shape::Number),
            Some(hasher) => {
                let stands_for = placeholder::shaped(hasher, b"", "secret", Shape::Number);
                self.hits += 1;
                self.plain(stands_for.as_bytes());
            }
        }
    }

    /// A whole secret, raw as it stands and decoded, with the shape of its place.
    pub(super) fn secret_as(&mut self, raw: &[u8], decoded: &[u8], shape: Shape) {
        if raw.is_empty() || placeholder::is_within(decoded) {
            return self.plain(raw);
        }
        // What came before is scanned before the secret is known, whatever the chunks were.
        self.scan(false);
        let stands_for: Cow<'_, str> = match shape {
            Shape::Text => self.shared.learn(decoded, "secret").to_string().into(),
            other => placeholder::of(&self.shared.key, decoded, "secret", other).into(),
        };
        self.hits += 1;
        self.mid.extend_from_slice(stands_for.as_bytes());
    }

    /// Scans what has been passed on so far.
    pub(super) fn scan(&mut self, at_end: bool) {
        self.stage.push(&self.shared, &self.mid, at_end, &mut self.out);
        self.mid.clear();
    }

    /// A whole text by itself, masked by this structure; `None` if nothing had to be.
    pub(super) fn nested(&mut self, lexer: Lexer, text: &[u8]) -> Option<(Vec<u8>, u32)> {
        // What came before is scanned before the secrets in it are known, whatever the chunks were.
        self.scan(false);
        Sink::inside(self.shared.clone(), self.level).whole(lexer, text)
    }

    /// A whole text; `None` if nothing had to be masked.
    pub(super) fn whole(mut self, mut lexer: Lexer, text: &[u8]) -> Option<(Vec<u8>, u32)> {
        lexer.push(text, &mut self);
        lexer.finish(&mut self);
        self.scan(true);
        (self.hits() > 0).then(|| {
            let hits = self.hits();
            (self.out, hits)
        })
    }

    /// A whole value that may be base64, with what is secret in it masked; `None` if nothing is.
    pub(super) fn coded(&mut self, value: &[u8]) -> Option<(Vec<u8>, u32)> {
        self.scan(false);
        coded::masked(&self.shared, self.level, value)
    }

    /// Passes on text that [`Sink::nested`] masked.
    pub(super) fn masked(&mut self, bytes: &[u8], hits: u32) {
        self.hits += hits;
        self.plain(bytes);
    }
}
