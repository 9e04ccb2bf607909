//! Promotion with its disks: exchanges are read from the history one at a time, merged, and the collection is written.

mod bodies;
mod plan;

use std::path::Path;

use super::review;
use crate::collection::{BodySpec, Pending, StubFile};
use crate::promote::{Existing, Options, Promoter, Promotion, Report, Sink, Survey, ask, empty};
use crate::redact::Guard;
use crate::store::collections::{self as folder, Batch, LoadError, Loaded, WriteError, Writer};
use crate::store::{History, HistoryError};
use bodies::{committed_content, recorded};
use plan::plan;

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
/// Memory holds one exchange at a time beside the committed collection and what scenarios need; a new stub is written beside
/// its place as soon as it is whole, and bodies over 64 KiB are streamed when they are written.
///
/// # Errors
/// A broken collection (every fault), a history that cannot be read, nothing that can be promoted, or the disk.
pub fn run(job: Job<'_>, progress: &mut dyn FnMut()) -> Result<Done, PromoteError> {
    if job.dry_run {
        let before = loaded(folder::load(job.folder))?;
        let mut promotion = read(&job, before.as_ref(), progress, &mut |_| false)?;
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
    let (mut begun, mut failed) = (writer.begin(), None);
    let mut sink = |file: &StubFile| match begun.stub(file) {
        Ok(()) => true,
        Err(error) => {
            failed.get_or_insert(error);
            false
        }
    };
    let mut promotion = read(job, before.as_ref(), progress, &mut sink)?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    review::allow_places(&mut promotion.collection, job.allow);
    let mut plan = plan(before.as_ref(), promotion);
    let gone = review::put(&plan.whole, &old, &mut plan.proposed);
    if !plan.written.is_empty() || !plan.removed.is_empty() || !(job.is_ci || plan.proposed.is_empty()) {
        let mut remove = plan.removed.clone();
        if !job.is_ci {
            remove.extend(gone);
        }
        let batch = plan.batch(job);
        let batch = Batch { pending: plan.pending(job), remove: &remove, ..batch };
        let written = writer.write_rest(begun, &plan.whole, batch)?;
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

/// Reads every exchange into a promotion; `sink` may take its new stubs.
fn read(
    job: &Job<'_>,
    before: Option<&Loaded>,
    progress: &mut dyn FnMut(),
    sink: Sink<'_>,
) -> Result<Promotion, PromoteError> {
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
    let mut promotion = promoter.finish(sink);
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

#[cfg(test)]
mod tests;
