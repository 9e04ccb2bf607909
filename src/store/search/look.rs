//! Looks in one exchange, place by place.

use std::io::{self, BufReader, Read};

use super::escapes::Escapes;
use super::excerpt::Excerpt;
use super::known::{BodyKey, Known};
use super::pattern::Compiled;
use super::record::{Content, Message, Record};
use super::text::{Reading, Streamed, find_escaped, find_whole};
use super::windows::Window;
use crate::model::coding::{self, Coding};
use crate::model::fields::text_of;
use crate::store::history::{Place, Row};
use crate::store::layout::Layout;
use crate::store::reader::BodyFile;
use crate::store::segment::{Kind, content};

/// Bytes of a body that are read at a time.
const PIECE: usize = 64 << 10;

/// Looks in exchanges, one after the other.
pub(super) struct Look<'a> {
    layout: &'a Layout,
    known: &'a Known,
    pattern: &'a Compiled,
    stop: &'a dyn Fn() -> bool,
    /// What could not be looked at.
    pub(super) warnings: Vec<String>,
    lines: Vec<u8>,
}

impl<'a> Look<'a> {
    pub(super) fn new(layout: &'a Layout, known: &'a Known, stop: &'a dyn Fn() -> bool) -> Self {
        Look { layout, known, pattern: &known.compiled, stop, warnings: Vec::new(), lines: Vec::new() }
    }

    /// Looks at method and URL, which the row has.
    pub(super) fn url(&mut self, row: &Row) -> Option<(Place, Excerpt)> {
        use std::io::Write;
        self.lines.clear();
        // Writing to memory cannot fail.
        let _ = write!(self.lines, "{} {}{}", row.method, row.origin, row.target);
        find_escaped(self.pattern, Some(Escapes::Url), &self.lines).map(|found| (Place::Url, found))
    }

    /// Looks at everything else. The error says why the record cannot be read.
    pub(super) fn record(&mut self, row: &Row, payload: &[u8]) -> Result<Option<(Place, Excerpt)>, String> {
        let (kind, bytes) = content(payload)?;
        let record = Record::parse(bytes)?;
        if record.number != row.number {
            return Err(format!("it is exchange {}", record.number));
        }
        let request = [(Place::RequestField, Place::RequestBody, &record.request)];
        let response = record.response().map(|response| (Place::ResponseField, Place::ResponseBody, response));
        for (field, place, message) in request.into_iter().chain(response) {
            if let Some(found) = self.fields(message) {
                return Ok(Some((field, found)));
            }
            let is_open = kind == Kind::Open && place == Place::ResponseBody;
            if let Some(found) = self.body(&record, place, message, is_open) {
                return Ok(Some((place, found)));
            }
        }
        Ok(None)
    }

    /// The first field line that has the pattern. All lines together are looked at first: it is a single search.
    fn fields(&mut self, message: &Message<'_>) -> Option<Excerpt> {
        self.lines.clear();
        let mut ends = Vec::new();
        for line in message.lines() {
            self.lines.extend_from_slice(line.name.as_bytes());
            self.lines.extend_from_slice(b": ");
            self.lines.extend_from_slice(text_of(line.value).as_bytes());
            ends.push(self.lines.len());
            self.lines.push(b'\n');
        }
        if !self.pattern.is_anchored && !self.pattern.regex.is_match(&self.lines) {
            return None;
        }
        let begins = std::iter::once(0).chain(ends.iter().map(|end| end + 1));
        let mut lines = begins.zip(&ends).map(|(from, to)| &self.lines[from..*to]);
        lines.find_map(|line| self.pattern.regex.find(line).map(|found| Excerpt::new(line, found.range())))
    }

    fn body(&mut self, record: &Record<'_>, place: Place, message: &Message<'_>, is_open: bool) -> Option<Excerpt> {
        let body = &message.body;
        if body.size == 0 && !is_open {
            return None;
        }
        let codings = match message.codings() {
            Ok(codings) => codings,
            Err(error) => return self.warn(record.number, place, &format!("was not looked at: {error}")),
        };
        let content_type = message.text("content-type");
        let content_type = content_type.as_deref();
        let key =
            || BodyKey { hash: body.hash, content_type: content_type.map(str::to_owned), codings: codings.clone() };
        let key = matches!(body.content, Content::Blob).then(key);
        if let Some(found) = key.as_ref().and_then(|key| self.known.body(key)) {
            return found;
        }
        let (file, size) = match body.content {
            _ if is_open => {
                let path = self.layout.stream(record.id);
                // Without a chunk there is no file.
                (BodyFile::Stream(record.id), std::fs::metadata(path).map(|file| file.len()).ok()?)
            }
            Content::Inline(bytes) if codings.is_empty() => {
                return find_whole(self.pattern, Reading::of(content_type, bytes)?, bytes);
            }
            Content::Inline(bytes) => {
                let source = Source { coded: Box::new(bytes), codings, size: body.size, is_whole: body.end.is_whole() };
                return self.streamed(record.number, place, content_type, source);
            }
            Content::Blob => (BodyFile::Blob(body.hash), body.size),
            Content::Stream => (BodyFile::Stream(record.id), body.size),
        };
        match file.open(self.layout, record.number, size) {
            Ok(file) => {
                let is_whole = body.end.is_whole() && !is_open;
                let source = Source { coded: Box::new(file), codings, size, is_whole };
                let told = self.warnings.len();
                let found = self.streamed(record.number, place, content_type, source);
                let is_over = self.warnings.len() == told && !(self.stop)();
                if let Some(key) = key.filter(|_| is_over) {
                    self.known.remember(key, found.clone());
                }
                found
            }
            Err(error) => {
                self.warnings.push(error.to_string());
                None
            }
        }
    }

    fn streamed(
        &mut self,
        number: u64,
        place: Place,
        content_type: Option<&str>,
        source: Source<'_>,
    ) -> Option<Excerpt> {
        let limit = source.limit();
        let is_whole = source.is_whole;
        let mut reader = match source.decoded() {
            Ok(reader) => reader,
            Err(_) if !is_whole => return None,
            Err(error) => return self.warn(number, place, &format!("was not looked at: {error}")),
        };
        let mut piece = vec![0; PIECE];
        let mut text: Option<Streamed<'_>> = None;
        let mut seen = 0;
        loop {
            let (count, failed) = fill(&mut *reader, &mut piece);
            if seen == 0 && count > 0 {
                let reading = Reading::of(content_type, &piece[..count])?;
                text = Some(Streamed::new(Window::new(&self.pattern.regex), reading));
            }
            seen += count as u64;
            let found = text.as_mut().and_then(|text| text.push(&piece[..count]));
            if found.is_some() || (self.stop)() {
                return found;
            }
            let is_bomb = seen >= limit && is_more(&mut *reader);
            if count == piece.len() && failed.is_none() && seen < limit {
                continue;
            }
            let found = text.as_mut().and_then(Streamed::finish);
            return match (found, failed) {
                (Some(found), _) => Some(found),
                // A body that broke off cannot be decoded to its end.
                (None, Some(error)) if is_whole => {
                    self.warn(number, place, &format!("was looked at only up to byte {seen}: {error}"))
                }
                (None, None) if is_bomb => {
                    self.warn(number, place, &format!("was looked at only up to byte {seen}: it decodes to far more"))
                }
                (None, _) => None,
            };
        }
    }

    fn warn(&mut self, number: u64, place: Place, what: &str) -> Option<Excerpt> {
        let of = if place == Place::RequestBody { "request" } else { "response" };
        self.warnings.push(format!("the {of} body of exchange {number} {what}"));
        None
    }
}

/// A stored body.
struct Source<'s> {
    coded: Box<dyn Read + 's>,
    codings: Vec<Coding>,
    size: u64,
    is_whole: bool,
}

impl<'s> Source<'s> {
    /// How many bytes are looked at: all of what is not coded.
    fn limit(&self) -> u64 {
        if self.codings.is_empty() { u64::MAX } else { coding::plausible(self.size) }
    }

    /// The bytes before the codings were applied.
    fn decoded(self) -> io::Result<Box<dyn Read + 's>> {
        let limit = self.limit();
        let mut reader = self.coded;
        for &coding in self.codings.iter().rev() {
            // What lies between two codings may be a bomb as well.
            reader = coding::reader(coding, BufReader::new(reader.take(limit)))?;
        }
        Ok(reader)
    }
}

/// Fills `piece` as far as there are bytes; how many, and what went wrong behind them.
fn fill(reader: &mut dyn Read, piece: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut filled = 0;
    while filled < piece.len() {
        match reader.read(&mut piece[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (filled, Some(error)),
        }
    }
    (filled, None)
}

fn is_more(reader: &mut dyn Read) -> bool {
    fill(reader, &mut [0]).0 > 0
}
