//! The runs of replays: `runs/<run>/run.json` says what was served, `calls.jsonl` what was answered, a line per call.
//!
//! Logging is beside the answer: a call is queued in memory and a thread writes the queue several times a second. A
//! run whose folder cannot be written keeps its last 10 000 calls in memory. The newest 100 runs are kept.

mod log;
mod record;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use log::{Observer, RunLog};
pub use record::{CallRecord, CallResult, LOGGED_BODY, LoggedMessage, StateChange, StateOf, WHOLE_BODY};

/// How many runs are kept.
const KEEP_RUNS: usize = 100;

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

fn create(store: &Path, info: &RunInfo) -> io::Result<File> {
    let runs = store.join("runs");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&runs)?;
    prune(&runs);
    let dir = runs.join(&info.run);
    fs::DirBuilder::new().mode(0o700).create(&dir)?;
    let open = |name: &str| OpenOptions::new().create_new(true).append(true).mode(0o600).open(dir.join(name));
    let calls = open("calls.jsonl")?;
    // Held while the process lives: a run that is still being written is not pruned.
    let _ = calls.try_lock();
    // Others see the run once it has this file: it comes last, and whole.
    open("run.json.tmp")?.write_all(&serde_json::to_vec_pretty(info)?)?;
    fs::rename(dir.join("run.json.tmp"), dir.join("run.json"))?;
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
    use super::log::MEMORY_CALLS;
    use super::*;

    pub(super) fn call(number: u64, result: CallResult) -> CallRecord {
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
    fn runs_that_start_at_once_do_not_take_each_other_for_old_ones() {
        let store = tempfile::tempdir().unwrap();
        for number in 0..KEEP_RUNS {
            drop(RunLog::start(store.path(), &info(&format!("run-{number:04}")), None));
        }
        let start = |worker: usize| {
            let name = |number: usize| format!("new-{worker}-{number}");
            let start = |number| {
                let info = RunInfo { started_at: Timestamp::from_second(1).unwrap(), ..info(&name(number)) };
                (create(store.path(), &info).unwrap(), info.run)
            };
            (0..10).map(start).collect::<Vec<_>>()
        };
        let started: Vec<_> = std::thread::scope(|scope| {
            let start = &start;
            let workers: Vec<_> = (0..4).map(|worker| scope.spawn(move || start(worker))).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        for (_calls, run) in &started {
            assert_eq!(&open(store.path(), Some(run)).unwrap().info.run, run);
        }
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
