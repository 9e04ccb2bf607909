//! Bodies of a promotion: out of the history decoded, out of the collection as they are, and into the collection's files.

use std::io::{self, BufReader, Read};

use crate::collection::BodySpec;
use crate::model::coding::{self, Coding};
use crate::model::{Body, ContentHash, Exchange, Fields};
use crate::promote::{BodyFile, BodySource, COMPARE_LIMIT, Content, Decoded, Promoter, Recorded, Side};
use crate::store::collections::{self as folder, Loaded, NewBody};
use crate::store::{History, HistoryError};

/// A body that decodes to more than this, and to more than [`BOMB_RATIO`] times its size, is kept coded.
const BOMB_BYTES: u64 = 1 << 30;
const BOMB_RATIO: u64 = 100;

/// The content of a committed body.
pub(super) fn committed_content(loaded: &Loaded, body: &BodySpec) -> io::Result<Content> {
    match &body.file {
        Some(path) => content_of(loaded.open_file(path)?),
        None => content_of(&*loaded.body(body)?),
    }
}

/// Reads to the end: the bytes, or of more than [`COMPARE_LIMIT`] only hash and size.
fn content_of(mut reader: impl Read) -> io::Result<Content> {
    let mut bytes = Vec::new();
    reader.by_ref().take(COMPARE_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 <= COMPARE_LIMIT {
        return Ok(Content::Small(bytes.into()));
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => drop(hasher.update(&buffer[..length])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Content::Large { hash: ContentHash(*hasher.finalize().as_bytes()), size: hasher.count() })
}

/// An exchange with its bodies decoded; those of one that will be left out are not read.
pub(super) fn recorded(history: &dyn History, exchange: Exchange) -> Result<Recorded, HistoryError> {
    let nothing = || Decoded::plain(Vec::new());
    if Promoter::left_out(&exchange).is_some() {
        return Ok(Recorded { exchange, request: nothing(), response: nothing() });
    }
    let request = decoded(history, &exchange, &exchange.request.body, &exchange.request.fields)?;
    let response = match exchange.outcome.response() {
        Some(response) => decoded(history, &exchange, &response.body, &response.fields)?,
        None => nothing(),
    };
    Ok(Recorded { exchange, request, response })
}

fn decoded(history: &dyn History, exchange: &Exchange, body: &Body, fields: &Fields) -> Result<Decoded, HistoryError> {
    let stored = || -> Result<Content, HistoryError> {
        if body.size > COMPARE_LIMIT {
            return Ok(Content::Large { hash: body.hash, size: body.size });
        }
        Ok(content_of(history.body(exchange, body)?)?)
    };
    let codings = match applied(body, fields) {
        Ok(codings) if codings.is_empty() => return Ok(Decoded { content: stored()?, coded: None }),
        Ok(codings) => codings,
        Err(coded) => return Ok(Decoded { content: stored()?, coded: Some(coded) }),
    };
    let limit = BOMB_BYTES.max(body.size.saturating_mul(BOMB_RATIO));
    let whole = decoder(history.body(exchange, body)?, &codings, limit).and_then(content_of);
    match whole {
        Ok(content) => Ok(Decoded { content, coded: None }),
        Err(_) => Ok(Decoded { content: stored()?, coded: Some(fields.members("content-encoding").join(", ")) }),
    }
}

/// The codings that are still on a stored body; as an error the written ones, when one of them is not known.
fn applied(body: &Body, fields: &Fields) -> Result<Vec<Coding>, String> {
    if body.is_empty() || body.coding_removed.is_some() {
        return Ok(Vec::new());
    }
    coding::codings(fields).map_err(|_| fields.members("content-encoding").join(", "))
}

/// Undoes codings, the last first; more than `limit` bytes are an error.
fn decoder<'a>(stored: impl Read + 'a, codings: &[Coding], limit: u64) -> io::Result<Box<dyn Read + 'a>> {
    let mut reader: Box<dyn Read + 'a> = Box::new(stored);
    for &coding in codings.iter().rev() {
        reader = coding::reader(coding, BufReader::new(reader))?;
    }
    Ok(Box::new(Limited { reader, left: limit }))
}

/// A reader that fails past a limit, so that a bomb does not fill the disk.
struct Limited<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.left = self
            .left
            .checked_sub(length as u64)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the decoded body is too large"))?;
        Ok(length)
    }
}

pub(super) fn new_body(history: &dyn History, body: BodyFile) -> NewBody<'_> {
    let content = match body.source {
        BodySource::Bytes(bytes) => folder::BodySource::Bytes(bytes),
        BodySource::Exchange { number, side, coded } => {
            folder::BodySource::Reader(Box::new(Later { history, number, side, coded, reader: None }))
        }
    };
    NewBody { path: body.path, content }
}

/// A body that is opened when it is first read: a selection may have more of them than a process may have open files.
struct Later<'a> {
    history: &'a dyn History,
    number: u64,
    side: Side,
    coded: bool,
    reader: Option<Box<dyn Read + 'a>>,
}

impl<'a> Later<'a> {
    fn open(&self) -> io::Result<Box<dyn Read + 'a>> {
        let exchange = self.history.get(self.number).map_err(io::Error::other)?;
        let gone = || io::Error::other("the exchange has no response any more");
        let (body, fields) = match self.side {
            Side::Request => (&exchange.request.body, &exchange.request.fields),
            Side::Response => {
                let response = exchange.outcome.response().ok_or_else(gone)?;
                (&response.body, &response.fields)
            }
        };
        let stored = self.history.body(&exchange, body).map_err(io::Error::other)?;
        match applied(body, fields) {
            Ok(codings) if !self.coded => decoder(stored, &codings, u64::MAX),
            _ => Ok(stored),
        }
    }
}

impl Read for Later<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.reader.is_none() {
            self.reader = Some(self.open()?);
        }
        match &mut self.reader {
            Some(reader) => reader.read(buffer),
            None => Ok(0),
        }
    }
}
