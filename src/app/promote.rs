//! Promotion with its disks: exchanges are read from the history one at a time, merged, and the collection is written.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::review;
use crate::collection::{BodySpec, Collection, Pending, Proposer, StubFile, check, file_text};
use crate::model::coding::{self, Coding};
use crate::model::{Body, ContentHash, Exchange, Fields};
use crate::promote::{
    BodyFile, BodySource, COMPARE_LIMIT, Confidence, Content, Decoded, Existing, Options, Promoter, Promotion,
    Recorded, Report, Side, Survey, ask, empty,
};
use crate::redact::Guard;
use crate::store::collections::{self as folder, Batch, LoadError, Loaded, MANIFEST, NewBody, WriteError, Writer};
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
    /// Make a change that waits of every committed answer that differs.
    pub ask: bool,
    /// Nobody is there to decide: no change is left waiting.
    pub is_ci: bool,
    /// What looks for secrets in what is to be written.
    pub guard: Guard,
    /// Places that look like secrets and are none; the collection remembers them.
    pub allow: &'a [String],
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
    /// Changes that wait for a decision because of this promotion (in a dry run and under `CI` they would).
    pub proposed: Vec<Pending>,
    /// In a dry run, the text of each file as it is and as it would be.
    pub texts: Vec<Texts>,
}

/// A file as it is, and as it would be.
#[derive(Debug)]
pub struct Texts {
    /// Relative to the folder.
    pub path: String,
    /// As it is; none if it is not there.
    pub before: Option<String>,
    /// As it would be; none of a body's file, whose content is not shown.
    pub after: Option<String>,
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
        let mut promotion = read(&job, before.as_ref(), progress)?;
        review::allow_places(&mut promotion.collection, job.allow);
        let mut plan = plan(before.as_ref(), promotion);
        review::put(&plan.whole, &[], &mut plan.proposed);
        let texts = plan.texts(before.as_ref());
        // What would be refused is refused now, and not shown.
        let batch = plan.batch(&job);
        folder::inspect(&job.guard, job.folder, &plan.whole, Batch { pending: plan.pending(&job), ..batch })?;
        return Ok(Done { texts, ..plan.done() });
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
    let writer = Writer::open(job.folder)?.guarded(job.guard.clone());
    let before = loaded(writer.load())?;
    let old = folder::load_pending(job.folder)?;
    let mut promotion = read(job, before.as_ref(), progress)?;
    review::allow_places(&mut promotion.collection, job.allow);
    let mut plan = plan(before.as_ref(), promotion);
    let gone = review::put(&plan.whole, &old, &mut plan.proposed);
    if !plan.written.is_empty() || !plan.removed.is_empty() || !(job.is_ci || plan.proposed.is_empty()) {
        let mut remove = plan.removed.clone();
        if !job.is_ci {
            remove.extend(gone);
        }
        let batch = plan.batch(job);
        let written = writer.write_all(&plan.whole, Batch { pending: plan.pending(job), remove: &remove, ..batch })?;
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
    let read = |number: u64| match job.history.get(number).and_then(|exchange| recorded(job.history, exchange)) {
        Ok(recorded) => Ok(Some(recorded)),
        Err(HistoryError::Damaged(message)) => {
            tracing::warn!(number, message, "an exchange could not be read");
            Ok(None)
        }
        Err(error) => Err(error),
    };
    let mut survey = Survey::new(existing, job.numbers.len());
    for &number in job.numbers {
        if let Some(recorded) = read(number)? {
            survey.push(&recorded);
        }
    }
    let findings = survey.finish();
    let base = before.map(|loaded| &*loaded.collection);
    let prepared = findings.prepare(base.cloned().unwrap_or_else(|| empty(&job.options.name)));
    // To be asked about, a recorded answer must first be made ready to stand there.
    let options = Options { replace: job.options.replace || job.ask, ..job.options.clone() };
    let mut promoter = Promoter::new(Existing { collection: &prepared, content: &content }, base, &findings, options);
    for &number in job.numbers {
        match read(number)? {
            Some(recorded) => promoter.push(recorded),
            None => promoter.leave_out_damaged(number),
        }
        progress();
    }
    let mut promotion = promoter.finish();
    if job.ask {
        ask(base, &prepared, &mut promotion);
    }
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
    /// The collection as it will be.
    whole: Collection,
    /// The stubs of it that changed.
    changed: BTreeSet<String>,
    bodies: Vec<BodyFile>,
    written: Vec<String>,
    removed: Vec<String>,
    proposed: Vec<Pending>,
    /// Bodies that come with changes that wait, by the id of the change.
    waiting_bodies: Vec<(String, BodyFile)>,
    report: Report,
}

impl Plan {
    fn done(self) -> Done {
        let Plan { report, written, removed, proposed, .. } = self;
        Done { report, written, removed, proposed, texts: Vec::new() }
    }

    /// What is to be written; leaves in the plan only the stubs that changed, so that how a person spaced the others
    /// stays.
    fn batch<'h>(&mut self, job: &Job<'h>) -> Batch<'h> {
        self.whole.stubs.retain(|file| self.changed.contains(&file.path));
        let mut bodies: Vec<_> = self.bodies.drain(..).map(|body| new_body(job.history, body)).collect();
        let pending = if job.is_ci { &[][..] } else { &self.proposed };
        let files = self.waiting_bodies.drain(..).filter(|(id, _)| pending.iter().any(|kept| kept.id == *id));
        bodies.extend(files.map(|(_, body)| new_body(job.history, body)));
        Batch { bodies, ..Batch::default() }
    }

    /// The changes that are to wait from now on.
    fn pending(&self, job: &Job<'_>) -> &[Pending] {
        if job.is_ci { &[] } else { &self.proposed }
    }

    /// Every file as it is, and as it would be.
    fn texts(&self, before: Option<&Loaded>) -> Vec<Texts> {
        let now = |path: &String| std::fs::read_to_string(before?.root.join(path)).ok();
        let after = |path: &String| {
            if path == MANIFEST {
                return Some(file_text(&self.whole.manifest));
            }
            let file = self.whole.stubs.iter().find(|file| file.path == *path)?;
            Some(file_text(&file.stub))
        };
        let all = self.written.iter().chain(&self.removed);
        all.map(|path| Texts { path: path.clone(), before: now(path), after: after(path) }).collect()
    }
}

fn plan(before: Option<&Loaded>, promotion: Promotion) -> Plan {
    let Promotion { collection: whole, bodies, report, proposals, .. } = promotion;
    let before = before.map(|loaded| &*loaded.collection);
    let named: BTreeSet<String> = check::files(&whole);
    let removed = before.map(check::files).unwrap_or_default().difference(&named).cloned().collect();
    let is_same = |file: &StubFile| {
        let known = before.and_then(|before| {
            let at = before.stubs.binary_search_by(|known| known.path.cmp(&file.path)).ok()?;
            before.stubs.get(at)
        });
        known == Some(file)
    };
    let changed: BTreeSet<String> =
        whole.stubs.iter().filter(|file| !is_same(file)).map(|file| file.path.clone()).collect();
    let mut written: Vec<_> = bodies.iter().map(|body| body.path.clone()).collect();
    written.extend(changed.iter().cloned());
    if before.map(|before| &before.manifest) != Some(&whole.manifest) {
        written.push(MANIFEST.to_owned());
    }
    let (mut proposed, mut waiting_bodies) = (Vec::new(), Vec::new());
    for proposal in proposals.into_iter().filter(|proposal| proposal.confidence != Confidence::Certain) {
        let mut pending = Pending::new(&whole, proposal.change, Proposer::Promote, proposal.why, proposal.evidence);
        for (at, body) in proposal.bodies.into_iter().enumerate() {
            let waits = pending.file_path(at, &body.path);
            pending.files.insert(body.path, waits.clone());
            waiting_bodies.push((pending.id.clone(), BodyFile { path: waits, source: body.source }));
        }
        proposed.push(pending);
    }
    Plan { whole, changed, bodies, written, removed, proposed, waiting_bodies, report }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::model::{
        BodyContent, BodyEnd, ExchangeId, HttpVersion, Outcome, RequestRecord, ResponseRecord, Timings,
    };
    use crate::store::Page;
    use crate::store::history::{Group, Query};

    /// A history in memory.
    #[derive(Default)]
    struct Memory {
        exchanges: BTreeMap<u64, Exchange>,
        blobs: BTreeMap<String, Vec<u8>>,
    }

    impl Memory {
        /// Adds a call to `path` answered with this stored body.
        fn add(&mut self, path: &str, fields: &[(&str, &str)], stored: Vec<u8>) -> u64 {
            let number = self.exchanges.len() as u64 + 1;
            let mut body = Body::inline(stored, BodyEnd::Complete);
            if let BodyContent::Inline(bytes) = &body.content
                && bytes.len() > 64 * 1024
            {
                self.blobs.insert(body.hash.to_hex(), bytes.clone());
                body.content = BodyContent::Blob;
            }
            let request = RequestRecord {
                method: "GET".into(),
                origin: "https://api.test".parse().unwrap(),
                path: path.into(),
                query: None,
                version: HttpVersion::Http11,
                fields: Fields::new(),
                trailers: Fields::new(),
                body: Body::empty(),
            };
            let mut response = ResponseRecord {
                version: HttpVersion::Http11,
                status: 200,
                reason: None,
                fields: Fields::new(),
                trailers: Fields::new(),
                informational: Vec::new(),
                body,
            };
            fields.iter().for_each(|(name, value)| response.fields.push(*name, *value));
            let exchange = Exchange {
                id: ExchangeId(uuid::Uuid::from_u128(u128::from(number))),
                number,
                session: "s".into(),
                tags: Vec::new(),
                started_at: jiff::Timestamp::from_second(number as i64).unwrap(),
                client: None,
                request,
                outcome: Outcome::Complete(response),
                timings: Timings::default(),
                tls: None,
                note: None,
                partial: false,
                vendor: Default::default(),
            };
            self.exchanges.insert(number, exchange);
            number
        }

        fn promote(&self, folder: &Path, dry_run: bool) -> Result<Done, PromoteError> {
            let numbers: Vec<_> = self.exchanges.keys().copied().collect();
            let options = Options { name: "api".into(), ..Options::default() };
            run(job(self, &numbers, folder, options, dry_run), &mut || {})
        }
    }

    fn job<'a>(history: &'a Memory, numbers: &'a [u64], folder: &'a Path, options: Options, dry_run: bool) -> Job<'a> {
        let guard = Guard::new(&Default::default(), &[]);
        Job { history, numbers, folder, options, ask: false, is_ci: false, guard, allow: &[], dry_run }
    }

    impl History for Memory {
        fn list(&self, _: &Query, _: Option<u64>, _: usize) -> Result<Page, HistoryError> {
            Ok(Page::default())
        }
        fn days(&self, _: &Query, _: &TimeZone) -> Result<Vec<Group>, HistoryError> {
            Ok(Vec::new())
        }
        fn get(&self, number: u64) -> Result<Exchange, HistoryError> {
            self.exchanges.get(&number).cloned().ok_or_else(|| HistoryError::Unknown(number.to_string()))
        }
        fn resolve(&self, selector: &str) -> Result<Vec<u64>, HistoryError> {
            Err(HistoryError::Unknown(selector.into()))
        }
        fn body(&self, _: &Exchange, body: &Body) -> Result<Box<dyn Read + Send>, HistoryError> {
            match &body.content {
                BodyContent::Inline(bytes) => Ok(Box::new(io::Cursor::new(bytes.clone()))),
                _ => match self.blobs.get(&body.hash.to_hex()) {
                    Some(bytes) => Ok(Box::new(io::Cursor::new(bytes.clone()))),
                    None => Err(HistoryError::Damaged("the body is gone".into())),
                },
            }
        }
    }

    fn files(folder: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(path.clone(), std::fs::read(&path).unwrap());
                }
            }
        }
        found
    }

    #[test]
    fn every_body_comes_back_as_it_was_and_the_second_time_changes_no_byte() {
        let mut history = Memory::default();
        let json = br#"{ "b": [1, 2.50, "\u00e9"], "a": null }"#.to_vec();
        let odd_json = b"{\"a\" :1,  \"a\":2}".to_vec();
        let large: Vec<u8> = (0..300_000u32).flat_map(|n| n.to_string().into_bytes()).collect();
        let gzip = |bytes: &[u8]| coding::encode(bytes, Coding::Gzip).unwrap();
        let typed = |content_type: &'static str| ("Content-Type", content_type);
        let gzipped = ("Content-Encoding", "gzip");
        // Path, fields, stored bytes, and the bytes that the collection must give back.
        let cases = [
            ("/json", vec![typed("application/json"), gzipped], gzip(&json), json.clone()),
            ("/odd", vec![typed("application/json")], odd_json.clone(), odd_json),
            ("/text", vec![typed("text/plain")], b"one\r\ntwo".to_vec(), b"one\r\ntwo".to_vec()),
            ("/png", vec![typed("image/png")], b"\x89PNG\0".to_vec(), b"\x89PNG\0".to_vec()),
            ("/large", vec![typed("text/plain"), gzipped], gzip(&large), large.clone()),
            ("/plain", vec![typed("application/octet-stream")], large.clone(), large.clone()),
            ("/broken", vec![typed("text/plain"), gzipped], gzip(&json)[..20].to_vec(), gzip(&json)[..20].to_vec()),
            ("/unknown", vec![typed("text/plain"), ("Content-Encoding", "dcb")], vec![1, 2, 3], vec![1, 2, 3]),
        ];
        for (path, fields, stored, _) in &cases {
            history.add(path, fields, stored.clone());
        }
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("api");
        let planned = history.promote(&folder, true).unwrap();
        assert!(!folder.exists(), "a dry run writes nothing");
        let done = history.promote(&folder, false).unwrap();
        let sorted = |files: &[String]| files.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(sorted(&planned.written), sorted(&done.written));

        let loaded = folder::load(&folder).unwrap();
        for (path, _, _, decoded) in &cases {
            let file = loaded.collection.stubs.iter().find(|file| file.stub.path.as_str() == *path).unwrap();
            let body = file.stub.scenarios[0].steps()[0].body.as_ref().unwrap();
            assert!(loaded.body(body).unwrap() == *decoded, "{path}");
            assert_eq!(body.coded.is_some(), ["/broken", "/unknown"].contains(path), "{path}");
        }
        let before = files(&folder);
        let again = history.promote(&folder, false).unwrap();
        assert_eq!((again.written.len(), again.report.count(crate::promote::Change::Same)), (0, cases.len() as u64));
        assert_eq!(files(&folder), before);
    }

    #[test]
    fn nothing_to_promote_leaves_nothing_behind() {
        let mut history = Memory::default();
        let number = history.add("/", &[], Vec::new());
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("api");
        history.exchanges.get_mut(&number).unwrap().partial = true;
        assert!(matches!(history.promote(&folder, false), Err(PromoteError::NothingLeft(_))));
        assert!(!folder.exists());
        // A body that is gone costs its own exchange only.
        let lost = history.add("/lost", &[], vec![b'x'; 100_000]);
        history.add("/kept", &[], b"y".to_vec());
        history.blobs.clear();
        // It is read only when it must be: hash and size are known.
        let done = history.promote(&folder, true).unwrap();
        assert_eq!(done.report.promoted, 1, "{:?}", done.report.left_out);
        assert_eq!(done.report.left_out.iter().map(|left| left.numbers[0]).collect::<Vec<_>>(), [number, lost]);
    }
}
