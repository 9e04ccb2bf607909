//! The runs of replays: `runs/<run>/run.json` says what was served, `calls.jsonl` what was answered, a line per call.
//!
//! Logging is beside the answer: a call is queued in memory and a thread writes the queue several times a second. A
//! run whose folder cannot be written keeps its last 10 000 calls in memory. The newest 100 runs are kept.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::redact::PlaceholderIn;

/// How many calls a run keeps when its folder cannot be written.
const MEMORY_CALLS: usize = 10_000;
/// What the messages of those calls may take, in bytes: a run that logs bodies keeps fewer.
const MEMORY_BYTES: usize = 64 * 1024 * 1024;
/// How many calls may wait before the one that logs them writes them itself: this bounds the memory of the queue.
const QUEUE_CALLS: usize = 1_024;
/// What their messages may take, in bytes.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;
/// How long a call may wait for the thread that writes.
const WRITE_INTERVAL: Duration = Duration::from_millis(50);
/// How much of a body a call record keeps, in bytes.
pub const LOGGED_BODY: usize = 64 * 1024;
/// Room for the text of calls that is kept from one write to the next, in bytes.
const LINES_KEPT: usize = 512 * 1024;
/// How many runs are kept.
const KEEP_RUNS: usize = 100;

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallResult {
    /// Everything agreed.
    Exact,
    /// Served, with differences that are named.
    Inexact,
    /// Nothing matched.
    Miss,
    /// Nothing matched, and it went on to its origin.
    Passed,
    /// The call could not be read, or never became a request.
    Error,
    /// No call: somebody changed the state of the running replay.
    State,
}

/// What somebody changed of the state of a running replay, so that what later calls found can be told from the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateChange {
    /// Everything began anew.
    Reset {
        /// For every cursor, not only for that of the record.
        every: bool,
    },
    /// Things entered a state.
    Enter {
        /// Each with its collection.
        things: Vec<StateOf>,
        /// The state.
        state: String,
    },
    /// A sequence went before one of its steps.
    Step {
        /// The scenario, as calls name it.
        scenario: String,
        /// The step, from 1.
        step: usize,
    },
}

/// What has a named state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateOf {
    /// The collection.
    pub collection: String,
    /// The thing; empty for the collection as a whole.
    pub of: String,
}

/// A request or an answer as the call log keeps it, masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedMessage {
    /// Field lines in order.
    pub fields: Vec<(String, String)>,
    /// The body as text, at most the first 64 KiB; binary bodies are described.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Size of the whole body in bytes, content coding undone.
    pub body_bytes: u64,
}

/// One answered call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Counted from 1 within the run, in the order in which calls reached the matcher.
    pub call: u64,
    /// When its head had been read.
    pub at: Timestamp,
    /// From then until the answer was ready, in microseconds.
    pub duration_us: u64,
    /// The method.
    pub method: String,
    /// The URL, masked; a path alone when the call named no origin.
    pub url: String,
    /// The status that was answered.
    pub status: u16,
    /// What it came to.
    pub result: CallResult,
    /// The cursor that it named; absent where that is the one of the whole server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Arc<str>>,
    /// The scenario that answered: `github: GET /users/{login}#octocat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<Arc<str>>,
    /// Which step of the scenario's sequence, from 1; absent where there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// The score, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// What was different in an inexact hit, one line each; for a miss or an error the reason, in one line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
    /// What the call asked of the mock in `x-mock-*` fields, which are no part of its request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steering: Vec<(String, String)>,
    /// Where the request held a placeholder in place of a secret, of a call that went on to its origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<PlaceholderIn>,
    /// The request, unless the hit was exact: then the scenario says what it looked like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<LoggedMessage>,
    /// The answer as it went out, where the log was to keep it and it was not what the collection had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<LoggedMessage>,
    /// What was changed, if it is no call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateChange>,
    /// The id of the miss report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub miss: Option<String>,
    /// The miss report, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<serde_json::Value>,
    /// The miss report, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_text: Option<String>,
}

/// What a run served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The run's name: when it started, to the second, and the process.
    pub run: String,
    /// The process.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// The folders of the collections.
    pub collections: Vec<PathBuf>,
    /// The URL it listened on.
    pub url: String,
    /// The command that it ran, if any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The log has every answer that was not what the collection had.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answers_kept: bool,
}

/// Writes the calls of one run. Dropped, it writes what is queued.
pub struct RunLog {
    shared: Arc<Shared>,
    writer: Option<std::thread::JoinHandle<()>>,
    /// Why the calls are kept in memory only, if they are.
    pub memory_only: Option<String>,
}

/// Is told of each call soon after it was answered, in the order in which answers were ready; on a thread of the log.
pub type Observer = Box<dyn Fn(&CallRecord) + Send + Sync>;

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    sink: Mutex<Sink>,
    observe: Option<Observer>,
}

#[derive(Default)]
struct Queue {
    calls: Vec<CallRecord>,
    /// What their messages take.
    bytes: usize,
    /// An empty vector with room: the two take turns, so that a busy run asks for no memory.
    spare: Vec<CallRecord>,
    closed: bool,
}

impl Queue {
    fn take(&mut self) -> Vec<CallRecord> {
        self.bytes = 0;
        std::mem::replace(&mut self.calls, std::mem::take(&mut self.spare))
    }
}

enum Sink {
    /// With the text of the last calls, whose room is used again.
    File(File, Vec<u8>),
    Memory(Kept),
}

/// The last calls.
#[derive(Default)]
struct Kept {
    calls: VecDeque<CallRecord>,
    /// What their messages take.
    bytes: usize,
}

impl RunLog {
    /// Starts the log of a run under `store`. When the folder cannot be written, the last 10 000 calls are kept in
    /// memory, and [`RunLog::memory_only`] says why.
    pub fn start(store: &Path, info: &RunInfo, observe: Option<Observer>) -> RunLog {
        match create(store, info) {
            Ok(file) => RunLog::over(Sink::File(file, Vec::new()), None, observe),
            Err(error) => RunLog::over(Sink::Memory(Kept::default()), Some(error.to_string()), observe),
        }
    }

    /// A log that lives in memory, for a server inside a test.
    pub fn in_memory(observe: Option<Observer>) -> RunLog {
        RunLog::over(Sink::Memory(Kept::default()), None, observe)
    }

    fn over(sink: Sink, memory_only: Option<String>, observe: Option<Observer>) -> RunLog {
        let shared = Shared { queue: Mutex::default(), wake: Condvar::new(), sink: Mutex::new(sink), observe };
        let shared = Arc::new(shared);
        let worker = Arc::clone(&shared);
        // Without a thread the queue is written by those who fill it.
        let writer =
            std::thread::Builder::new().name("call-log".into()).spawn(move || worker.write_until_closed()).ok();
        RunLog { shared, writer, memory_only }
    }

    /// Queues a call. Never waits for the disk, unless a thousand calls already do.
    pub fn log(&self, call: CallRecord) {
        let bytes = call.bytes();
        let mut queue = lock(&self.shared.queue);
        queue.bytes += bytes;
        queue.calls.push(call);
        if queue.calls.len() >= QUEUE_CALLS || queue.bytes >= QUEUE_BYTES {
            let calls = queue.take();
            // The sink is locked before the queue is let go, so that calls stay in order.
            let sink = lock(&self.shared.sink);
            drop(queue);
            self.shared.write(sink, calls);
        }
    }

    /// Writes what is queued, and returns the calls that are kept in memory (none when they are in a file).
    pub fn flush(&self) -> Vec<CallRecord> {
        self.shared.drain();
        match &*lock(&self.shared.sink) {
            Sink::File(..) => Vec::new(),
            Sink::Memory(kept) => kept.calls.iter().cloned().collect(),
        }
    }
}

impl Drop for RunLog {
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.wake.notify_all();
        if let Some(writer) = self.writer.take() {
            // A panic of the writer has been reported by itself; what is left is written below.
            let _ = writer.join();
        }
        self.shared.drain();
    }
}

impl Shared {
    fn write_until_closed(&self) {
        loop {
            let queue = lock(&self.queue);
            if queue.closed {
                return;
            }
            drop(self.wake.wait_timeout(queue, WRITE_INTERVAL));
            self.drain();
        }
    }

    fn drain(&self) {
        let mut queue = lock(&self.queue);
        if queue.calls.is_empty() {
            return;
        }
        let calls = queue.take();
        let sink = lock(&self.sink);
        drop(queue);
        self.write(sink, calls);
    }

    fn write(&self, mut sink: MutexGuard<'_, Sink>, mut calls: Vec<CallRecord>) {
        if let Some(observe) = &self.observe {
            calls.iter().for_each(observe);
        }
        sink.write(&mut calls);
        // The queue is never locked under the sink: others lock them the other way round.
        drop(sink);
        calls.clear();
        lock(&self.queue).spare = calls;
    }
}

impl Sink {
    fn write(&mut self, calls: &mut Vec<CallRecord>) {
        if let Sink::File(file, text) = self {
            lines(calls, text);
            match file.write_all(text) {
                Ok(()) => return,
                // A full disk must not stop answers: from here on memory holds the calls.
                Err(error) => {
                    tracing::warn!("the call log cannot be written any more ({error}): memory keeps the last calls");
                    *self = Sink::Memory(Kept::default());
                }
            }
        }
        if let Sink::Memory(kept) = self {
            calls.drain(..).for_each(|call| kept.push(call));
        }
    }
}

impl Kept {
    fn push(&mut self, call: CallRecord) {
        self.bytes += call.bytes();
        self.calls.push_back(call);
        while self.calls.len() > MEMORY_CALLS || self.bytes > MEMORY_BYTES {
            let Some(oldest) = self.calls.pop_front() else { return };
            self.bytes -= oldest.bytes();
        }
    }
}

impl CallRecord {
    /// What its messages take, about: the rest of a record is small.
    fn bytes(&self) -> usize {
        let messages = self.request.iter().chain(&self.response);
        let messages = messages.map(LoggedMessage::bytes).sum::<usize>();
        // A report is kept as JSON, too.
        messages + 3 * self.report_text.as_ref().map_or(0, String::len)
    }
}

impl LoggedMessage {
    fn bytes(&self) -> usize {
        self.body.len() + self.fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }
}

fn lines(calls: &[CallRecord], text: &mut Vec<u8>) {
    text.clear();
    text.shrink_to(LINES_KEPT);
    for call in calls {
        // Nothing in a call record can fail to be JSON; a line that did would be left out whole.
        let before = text.len();
        match serde_json::to_writer(&mut *text, call) {
            Ok(()) => text.push(b'\n'),
            Err(_) => text.truncate(before),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the lock guards is valid after every single statement, so a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn create(store: &Path, info: &RunInfo) -> io::Result<File> {
    let runs = store.join("runs");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&runs)?;
    prune(&runs);
    let dir = runs.join(&info.run);
    fs::DirBuilder::new().mode(0o700).create(&dir)?;
    let open = |name: &str| OpenOptions::new().create_new(true).append(true).mode(0o600).open(dir.join(name));
    serde_json::to_writer_pretty(open("run.json")?, info)?;
    let calls = open("calls.jsonl")?;
    // Held while the process lives: a run that is still being written is not pruned.
    let _ = calls.try_lock();
    Ok(calls)
}

/// Removes the oldest runs past [`KEEP_RUNS`], except those that still run. Best effort.
fn prune(runs: &Path) {
    let Ok(names) = names(runs) else { return };
    let excess = names.len().saturating_sub(KEEP_RUNS - 1);
    for name in &names[..excess] {
        let dir = runs.join(name);
        let alive = File::open(dir.join("calls.jsonl")).is_ok_and(|file| file.try_lock().is_err());
        if !alive {
            let _ = fs::remove_dir_all(dir);
        }
    }
}

/// The runs, the oldest first. Two may start in one second, in which case their names tell nothing of the order: process
/// numbers begin anew. One that cannot be read counts as the oldest.
fn names(runs: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(runs)? {
        let entry = entry?;
        let path = entry.path().join("run.json");
        if path.exists() {
            let started_at = read_info(&path).ok().map(|info| info.started_at);
            names.extend(entry.file_name().into_string().map(|name| (started_at, name)));
        }
    }
    names.sort_unstable();
    Ok(names.into_iter().map(|(_, name)| name).collect())
}

fn read_info(path: &Path) -> io::Result<RunInfo> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// Why a run could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No replay has run with this store.
    #[error("no replay has run with the store {0}")]
    None(PathBuf),
    /// No run of that name.
    #[error("there is no run `{0}`; the newest is `{1}`")]
    Unknown(String, String),
    /// The disk.
    #[error("{0}: {1}")]
    Io(PathBuf, #[source] io::Error),
}

/// A run that can be read, also while it is still written.
#[derive(Debug)]
pub struct Run {
    /// What it served.
    pub info: RunInfo,
    dir: PathBuf,
}

/// Opens the run of that name, or the newest.
///
/// # Errors
/// When there is none, or its files cannot be read.
pub fn open(store: &Path, run: Option<&str>) -> Result<Run, RunError> {
    let runs = store.join("runs");
    let newest = names(&runs).ok().and_then(|mut names| names.pop());
    let newest = newest.ok_or_else(|| RunError::None(store.to_owned()))?;
    let name = run.unwrap_or(&newest);
    let dir = runs.join(name);
    let is_plain = !name.contains(['/', '\\']) && name != "..";
    if !is_plain || !dir.join("run.json").exists() {
        return Err(RunError::Unknown(name.to_owned(), newest));
    }
    let path = dir.join("run.json");
    let info = read_info(&path).map_err(|error| RunError::Io(path, error))?;
    Ok(Run { info, dir })
}

impl Run {
    /// The last `limit` calls that `wanted` accepts, newest first.
    ///
    /// # Errors
    /// When the file cannot be read. A last line that is still being written is passed over.
    pub fn calls(&self, limit: usize, wanted: impl Fn(&CallRecord) -> bool) -> Result<Vec<CallRecord>, RunError> {
        let mut last = VecDeque::new();
        self.each(|call| {
            if wanted(&call) {
                if last.len() == limit {
                    last.pop_front();
                }
                last.push_back(call);
            }
        })?;
        Ok(last.into_iter().rev().collect())
    }

    /// The call of that number.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn call(&self, number: u64) -> Result<Option<CallRecord>, RunError> {
        Ok(self.calls(1, |call| call.call == number)?.pop())
    }

    /// A page of the calls that `wanted` accepts: the first `limit` when the oldest come first, else the last, newest
    /// first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn page(
        &self,
        oldest_first: bool,
        limit: usize,
        wanted: impl Fn(&CallRecord) -> bool,
    ) -> Result<Vec<CallRecord>, RunError> {
        if !oldest_first {
            return self.calls(limit, wanted);
        }
        let mut first = Vec::new();
        self.each(|call| {
            if wanted(&call) && first.len() < limit {
                first.push(call);
            }
        })?;
        Ok(first)
    }

    /// The last `limit` calls that `wanted` accepts, oldest first, and how far the log has been read, in bytes.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn last(&self, limit: usize, wanted: impl Fn(&CallRecord) -> bool) -> Result<(Vec<CallRecord>, u64), RunError> {
        let mut last = VecDeque::new();
        let end = self.each_from(0, |call| {
            if wanted(&call) && limit > 0 {
                if last.len() == limit {
                    last.pop_front();
                }
                last.push_back(call);
            }
        })?;
        Ok((last.into(), end))
    }

    /// What has been logged since the log was read to `from`, and how far it has been read now.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn since(&self, from: u64) -> Result<(Vec<CallRecord>, u64), RunError> {
        let mut more = Vec::new();
        let end = self.each_from(from, |call| more.push(call))?;
        Ok((more, end))
    }

    fn each(&self, take: impl FnMut(CallRecord)) -> Result<(), RunError> {
        self.each_from(0, take).map(drop)
    }

    /// Reads whole lines from a place on; tells where the last of them ends.
    fn each_from(&self, from: u64, mut take: impl FnMut(CallRecord)) -> Result<u64, RunError> {
        let path = self.dir.join("calls.jsonl");
        let failed = |error| RunError::Io(path.clone(), error);
        let mut file = File::open(&path).map_err(failed)?;
        file.seek(io::SeekFrom::Start(from)).map_err(failed)?;
        let (mut reader, mut line, mut end) = (BufReader::new(file), Vec::new(), from);
        loop {
            line.clear();
            let count = reader.read_until(b'\n', &mut line).map_err(failed)?;
            // A last line that is still being written is read when it is whole.
            if line.last() != Some(&b'\n') {
                return Ok(end);
            }
            end += count as u64;
            if let Ok(call) = serde_json::from_slice(&line) {
                take(call);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: u64, result: CallResult) -> CallRecord {
        CallRecord {
            call: number,
            at: Timestamp::UNIX_EPOCH,
            duration_us: 1,
            method: "GET".into(),
            url: "https://api.test/x".into(),
            status: 200,
            result,
            cursor: None,
            scenario: None,
            step: None,
            score: None,
            differences: Vec::new(),
            steering: Vec::new(),
            request: None,
            response: None,
            state: None,
            miss: None,
            report: None,
            placeholder: None,
            report_text: None,
        }
    }

    fn info(run: &str) -> RunInfo {
        RunInfo {
            run: run.into(),
            pid: 1,
            started_at: Timestamp::UNIX_EPOCH,
            collections: Vec::new(),
            url: "http://127.0.0.1:1".into(),
            command: Vec::new(),
            answers_kept: false,
        }
    }

    #[test]
    fn calls_come_back_newest_first_and_filtered() {
        let store = tempfile::tempdir().unwrap();
        let log = RunLog::start(store.path(), &info("a"), None);
        for number in 1..=3000 {
            log.log(call(number, if number % 1000 == 0 { CallResult::Miss } else { CallResult::Exact }));
        }
        log.flush();
        let run = open(store.path(), None).unwrap();
        let misses = run.calls(2, |call| call.result == CallResult::Miss).unwrap();
        assert_eq!(misses.iter().map(|call| call.call).collect::<Vec<_>>(), [3000, 2000]);
        assert_eq!(run.call(1500).unwrap().unwrap().call, 1500);
        assert_eq!(run.call(5000).unwrap(), None);
    }

    #[test]
    fn a_store_that_cannot_be_written_keeps_the_last_calls_in_memory() {
        let store = tempfile::tempdir().unwrap();
        let file = store.path().join("file");
        fs::write(&file, "").unwrap();
        let log = RunLog::start(&file, &info("a"), None);
        assert!(log.memory_only.is_some());
        for number in 1..=12_000 {
            log.log(call(number, CallResult::Exact));
        }
        let kept = log.flush();
        assert_eq!((kept.len(), kept[0].call), (MEMORY_CALLS, 2001));
    }

    #[test]
    fn large_messages_take_bounded_memory() {
        let log = RunLog::in_memory(None);
        let body = "x".repeat(LOGGED_BODY);
        let message = LoggedMessage { fields: Vec::new(), body_bytes: body.len() as u64, body };
        for number in 1..=2_000 {
            let (request, response) = (Some(message.clone()), Some(message.clone()));
            log.log(CallRecord { request, response, ..call(number, CallResult::Exact) });
            assert!(lock(&log.shared.queue).bytes < QUEUE_BYTES);
        }
        let kept = log.flush();
        assert_eq!(kept.len(), MEMORY_BYTES / (2 * LOGGED_BODY), "in bytes, not in calls");
        assert_eq!(kept.last().map(|call| call.call), Some(2_000));
    }

    #[test]
    fn old_runs_go_and_unknown_ones_are_named() {
        let store = tempfile::tempdir().unwrap();
        for number in 0..KEEP_RUNS + 5 {
            drop(RunLog::start(store.path(), &info(&format!("run-{number:04}")), None));
        }
        assert_eq!(names(&store.path().join("runs")).unwrap().len(), KEEP_RUNS);
        assert!(matches!(open(store.path(), Some("../x")), Err(RunError::Unknown(..))));
        assert_eq!(open(store.path(), None).unwrap().info.run, "run-0104");
    }

    #[test]
    fn the_newest_run_is_the_one_that_started_last_whatever_its_process_number() {
        let store = tempfile::tempdir().unwrap();
        for (run, millisecond) in [("20261128-121601-9996", 10), ("20261128-121601-10005", 900)] {
            let started_at = Timestamp::from_millisecond(millisecond).unwrap();
            drop(RunLog::start(store.path(), &RunInfo { started_at, ..info(run) }, None));
        }
        assert_eq!(open(store.path(), None).unwrap().info.run, "20261128-121601-10005");
    }
}
