//! Changing what is recorded. The journal stays the truth: labels are appended, everything else writes the segments
//! anew, makes a new index from them beside the old one, and puts both in place in one step (`docs/history.md`).

mod delete;
mod files;
pub(super) mod import;
mod label;
mod masked;
mod prune;
mod remask;
mod rewrite;
mod sweep;
#[cfg(test)]
mod tests;
pub(super) mod usage;

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError};

use tokio::sync::mpsc::WeakSender;

use super::current::Current;
use super::history::{Edit, EditReport, HistoryError, Row};
use super::index::FLUSH_ROWS;
use super::reader::DiskHistory;
use super::writer::{SegmentWriter, Task};

/// How the journal of a history is written.
pub(super) enum Journal {
    /// By nobody: the store cannot be written, or not yet.
    Closed,
    /// By the history itself, which holds the lock.
    Own(SegmentWriter),
    /// By the thread of a recorder in this process; with the next number to give.
    Thread(WeakSender<Task>, Arc<AtomicU64>),
}

impl DiskHistory {
    /// From now on a recorder in this process writes the journal.
    pub(super) fn written_by(&self, tasks: WeakSender<Task>, next: Arc<AtomicU64>) {
        *self.journal.lock().unwrap_or_else(PoisonError::into_inner) = Journal::Thread(tasks, next);
    }

    /// Does `work` where nothing is appended meanwhile, and the index knows all that was.
    fn between<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SegmentWriter, &Current) -> io::Result<T> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let unsupported = |text: &str| Err(HistoryError::Unsupported(text.into()));
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = match &mut *journal {
            Journal::Closed => return unsupported("the store cannot be written, so nothing in it can be changed"),
            Journal::Own(writer) => {
                let done = work(writer, self.current())?;
                // There is no thread for it here.
                let index = self.index();
                if index.waiting() >= FLUSH_ROWS {
                    index.flush().map_err(|error| self.failed(error))?;
                }
                return Ok(done);
            }
            Journal::Thread(tasks, _) => tasks.upgrade(),
        };
        drop(journal);
        let ending = "the recorder is ending: try again when it has ended";
        let Some(tasks) = tasks else { return unsupported(ending) };
        let (done, answer) = std::sync::mpsc::sync_channel(1);
        let task = Task::Between(Box::new(move |writer, current| drop(done.send(work(writer, current)))));
        if tasks.blocking_send(task).is_err() {
            return unsupported(ending);
        }
        drop(tasks);
        match answer.recv() {
            Ok(done) => Ok(done?),
            Err(_) => unsupported(ending),
        }
    }

    /// The rows that pass, lowest number first.
    fn rows(&self, wanted: impl Fn(u64) -> bool) -> Result<Vec<Row>, HistoryError> {
        let filter = super::filter::Filter::new(&super::history::Query::default())?;
        let mut rows = Vec::new();
        let visit = |row: &super::index::StoredRow<'_>| {
            if wanted(row.number) {
                rows.push(row.to_row());
            }
            std::ops::ControlFlow::Continue(())
        };
        self.index().scan(&filter, u64::MAX, visit).map_err(|error| self.failed(error))?;
        rows.reverse();
        Ok(rows)
    }
}

/// Does an edit; one at a time.
pub(super) fn run(history: &DiskHistory, edit: &Edit) -> Result<EditReport, HistoryError> {
    let _one = history.editing.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*history.journal.lock().unwrap_or_else(PoisonError::into_inner), Journal::Closed) {
        let text = "the store cannot be written, so nothing in it can be changed";
        return Err(HistoryError::Unsupported(text.into()));
    }
    changed(history, edit).map_err(|error| match error {
        HistoryError::Io(cause) if cause.kind() == io::ErrorKind::StorageFull => {
            let cure = "make room first: what stays is written before anything goes";
            HistoryError::Io(io::Error::new(cause.kind(), format!("{cause}; {cure}")))
        }
        error => error,
    })
}

fn changed(history: &DiskHistory, edit: &Edit) -> Result<EditReport, HistoryError> {
    let before = usage::recorded(history);
    let mut report = match edit {
        Edit::Label { numbers, add, remove, note } => label::run(history, numbers, add, remove, note.as_deref())?,
        Edit::Delete { numbers, dry_run } => delete::run(history, &Ranges::of(numbers), *dry_run)?,
        Edit::Prune { older_than, max_bytes, keep_tagged, dry_run } => {
            let wanted = prune::Wanted { older_than: *older_than, max_bytes: *max_bytes, keep_tagged: *keep_tagged };
            prune::run(history, &wanted, *dry_run)?
        }
        Edit::Mask { rules, dry_run } => remask::run(history, rules, *dry_run)?,
    };
    // A dry run has put what would go into the second figure.
    let after = match edit {
        Edit::Delete { dry_run: true, .. } | Edit::Prune { dry_run: true, .. } => before.saturating_sub(report.bytes.1),
        _ => usage::recorded(history),
    };
    report.bytes = (before, after);
    Ok(report)
}

/// Numbers, as ranges in order that do not touch.
#[derive(Debug, Default)]
struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    fn of(ranges: &[(u64, u64)]) -> Self {
        let mut sorted: Vec<_> = ranges.iter().copied().filter(|(from, to)| from <= to).collect();
        sorted.sort_unstable();
        let mut merged = Ranges::default();
        sorted.into_iter().for_each(|range| merged.push(range));
        merged
    }

    /// Adds a range that begins no earlier than the last one.
    fn push(&mut self, (from, to): (u64, u64)) {
        match self.0.last_mut() {
            Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
            _ => self.0.push((from, to)),
        }
    }

    fn contains(&self, number: u64) -> bool {
        let after = self.0.partition_point(|(from, _)| *from <= number);
        after > 0 && self.0[after - 1].1 >= number
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Widens the span of a report.
fn widen(span: &mut Option<(jiff::Timestamp, jiff::Timestamp)>, moment: jiff::Timestamp) {
    *span = Some(span.map_or((moment, moment), |(first, last)| (first.min(moment), last.max(moment))));
}
