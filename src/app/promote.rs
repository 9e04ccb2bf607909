//! Promotion with its disks: exchanges are read from the history one at a time, merged, and the collection is written.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::collection::{BodySpec, Collection, StubFile, check};
use crate::model::coding::{self, Coding};
use crate::model::{Body, ContentHash, Exchange, Fields};
use crate::promote::{
    BodyFile, BodySource, COMPARE_LIMIT, Content, Decoded, Existing, Options, Promoter, Promotion, Recorded, Report,
    Side,
};
use crate::store::collections::{self as folder, LoadError, Loaded, MANIFEST, NewBody, WriteError, Writer};
use crate::store::{History, HistoryError};

/// A body that decodes to more than this, and to more than [`BOMB_RATIO`] times its size, is kept coded.
const BOMB_BYTES: u64 = 1 << 30;
const BOMB_RATIO: u64 = 100;

/// What is to be promoted, and where to.
pub struct Job<'a> {
    /// Where the exchanges are.
    pub history: &'a dyn History,
    /// Their numbers.
    pub numbers: &'a [u64],
    /// The collection's folder; it need not exist.
    pub folder: &'a Path,
    /// How.
    pub options: Options,
    /// Write nothing.
    pub dry_run: bool,
}

/// What was done.
#[derive(Debug)]
pub struct Done {
    /// The report.
    pub report: Report,
    /// The files that were written or, in a dry run, would be; relative to the folder.
    pub written: Vec<String>,
    /// Body files that were removed, or would be, since no scenario names them any more.
    pub removed: Vec<String>,
}

/// Why nothing was promoted.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    /// The history.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The collection that is there is broken.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The disk.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Nothing that was selected has a whole answer.
    #[error("none of the {} selected exchanges can be promoted", .0.selected)]
    NothingLeft(Box<Report>),
    /// The exchange of `--default` is not among those promoted.
    #[error("the exchange {0} of --default is not among those promoted")]
    NoDefault(u64),
}

/// Promotes, and writes the collection unless it is a dry run. `progress` is called with every exchange read.
///
/// Memory holds one exchange at a time beside the collection; bodies over 64 KiB are streamed when they are written.
///
/// # Errors
/// A broken collection (every fault), a history that cannot be read, nothing that can be promoted, or the disk.
pub fn run(job: Job<'_>, progress: &mut dyn FnMut()) -> Result<Done, PromoteError> {
    if job.dry_run {
        let before = loaded(folder::load(job.folder))?;
        let promotion = read(&job, before.as_ref(), progress)?;
        return Ok(plan(before.as_ref(), promotion).done());
    }
    // Read first: a selection without anything to promote must leave no folder behind.
    let is_new = !job.folder.exists();
    let result = write(&job, progress);
    if is_new && result.is_err() {
        // Refused unless it is empty, which is what is wanted.
        let _ = std::fs::remove_dir(job.folder);
    }
    result
}

fn write(job: &Job<'_>, progress: &mut dyn FnMut()) -> Result<Done, PromoteError> {
    let writer = Writer::open(job.folder)?;
    let before = loaded(writer.load())?;
    let promotion = read(job, before.as_ref(), progress)?;
    let changed = promotion.changed;
    let mut plan = plan(before.as_ref(), promotion);
    if changed {
        let bodies = plan.bodies.drain(..).map(|body| new_body(job.history, body)).collect();
        // Only the stubs that changed: how a person spaced the others is left alone.
        let written = writer.write(&plan.collection, bodies, &plan.removed)?;
        (plan.written, plan.removed) = (written.written, written.removed);
    }
    Ok(plan.done())
}

fn loaded(result: Result<Loaded, LoadError>) -> Result<Option<Loaded>, LoadError> {
    match result {
        Ok(loaded) => Ok(Some(loaded)),
        Err(LoadError::NotThere(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads every exchange into a promotion.
fn read(job: &Job<'_>, before: Option<&Loaded>, progress: &mut dyn FnMut()) -> Result<Promotion, PromoteError> {
    let content = |body: &BodySpec| before.and_then(|loaded| committed_content(loaded, body).ok());
    let existing = before.map(|loaded| Existing { collection: &loaded.collection, content: &content });
    let mut promoter = Promoter::new(existing, job.options.clone());
    for &number in job.numbers {
        match job.history.get(number).and_then(|exchange| recorded(job.history, exchange)) {
            Ok(recorded) => promoter.push(recorded),
            Err(HistoryError::Damaged(message)) => {
                tracing::warn!(number, message, "an exchange could not be read");
                promoter.leave_out_damaged(number);
            }
            Err(error) => return Err(error.into()),
        }
        progress();
    }
    let promotion = promoter.finish();
    if promotion.report.promoted == 0 {
        return Err(PromoteError::NothingLeft(Box::new(promotion.report)));
    }
    let mut lines = promotion.report.stubs.iter().flat_map(|stub| &stub.scenarios);
    match job.options.default {
        Some(number) if !lines.any(|line| line.default) => Err(PromoteError::NoDefault(number)),
        _ => Ok(promotion),
    }
}

/// What is to be written: the stubs that changed, the bodies, and what nobody names any more.
struct Plan {
    collection: Collection,
    bodies: Vec<BodyFile>,
    written: Vec<String>,
    removed: Vec<String>,
    report: Report,
}

impl Plan {
    fn done(self) -> Done {
        Done { report: self.report, written: self.written, removed: self.removed }
    }
}

fn plan(before: Option<&Loaded>, promotion: Promotion) -> Plan {
    let Promotion { mut collection, bodies, report, .. } = promotion;
    let before = before.map(|loaded| &*loaded.collection);
    let named: BTreeSet<String> = bodies_of(&collection);
    let removed = before.map(bodies_of).unwrap_or_default().difference(&named).cloned().collect();
    let is_same = |file: &StubFile| {
        let known = before.and_then(|before| {
            let at = before.stubs.binary_search_by(|known| known.path.cmp(&file.path)).ok()?;
            before.stubs.get(at)
        });
        known == Some(file)
    };
    collection.stubs.retain(|file| !is_same(file));
    let mut written: Vec<_> = bodies.iter().map(|body| body.path.clone()).collect();
    written.extend(collection.stubs.iter().map(|file| file.path.clone()));
    if before.map(|before| &before.manifest) != Some(&collection.manifest) {
        written.push(MANIFEST.to_owned());
    }
    Plan { collection, bodies, written, removed, report }
}

fn bodies_of(collection: &Collection) -> BTreeSet<String> {
    let stubs = collection.stubs.iter().flat_map(|file| check::stub_files(&file.stub));
    stubs.chain(check::manifest_files(&collection.manifest)).map(|(_, path)| path.to_owned()).collect()
}

/// The content of a committed body.
fn committed_content(loaded: &Loaded, body: &BodySpec) -> io::Result<Content> {
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
fn recorded(history: &dyn History, exchange: Exchange) -> Result<Recorded, HistoryError> {
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

fn new_body(history: &dyn History, body: BodyFile) -> NewBody<'_> {
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
