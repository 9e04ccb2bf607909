//! What is recorded already, masked once more. Twice over all of it: the first time the values are learnt, so that one
//! that is recognised late is masked in earlier records too.

use std::collections::HashMap;

use super::masked::Remasker;
use super::rewrite::{self, Damage, Fate};
use super::{Journal, files, sweep, widen};
use crate::model::Exchange;
use crate::redact::{MaskKey, MaskRules, Masker};
use crate::store::history::{EditReport, HistoryError};
use crate::store::layout;
use crate::store::reader::DiskHistory;

pub(super) fn run(history: &DiskHistory, rules: &MaskRules, dry_run: bool) -> Result<EditReport, HistoryError> {
    let layout = &history.layout;
    let masker = Masker::new(MaskKey(layout::mask_key(layout)?), rules.clone());
    let mut learning = Remasker::new(layout.clone(), masker.clone(), true);
    rewrite::dry(history, &mut |kind, exchange| {
        learning.exchange(kind, exchange)?;
        Ok(Fate::Keep)
    })?;
    let mut files = files::Files::new(layout, masker.clone(), true);
    files.all()?;
    let mut remasker = Remasker::new(layout.clone(), masker.clone(), dry_run);
    // An exchange with several records counts with what its newest has.
    let mut values: HashMap<u64, u64> = HashMap::new();
    let mut change = |kind, exchange: &mut Exchange| {
        let before = remasker.values;
        let is_changed = remasker.exchange(kind, exchange)?;
        if is_changed {
            values.insert(exchange.number, remasker.values - before);
        }
        Ok(if is_changed { Fate::Changed } else { Fate::Keep })
    };
    let outcome = match dry_run {
        true => rewrite::dry(history, &mut change)?,
        false => rewrite::run(history, Damage::Drop, &mut change)?,
    };
    layout.in_flight.recorded(&remasker.written);
    let mut report = EditReport { exchanges: outcome.numbers.len() as u64, ..EditReport::default() };
    for row in history.rows(|number| outcome.numbers.contains(&number))? {
        widen(&mut report.span, row.started_at);
    }
    let mut files = files::Files::new(layout, masker, dry_run);
    files.all()?;
    report.values = values.values().sum::<u64>() + files.values;
    report.warnings = outcome.warnings;
    report.warnings.append(&mut remasker.warnings);
    report.warnings.append(&mut files.warnings);
    if !dry_run {
        sweep::blobs(history, &outcome.blobs)?;
        sweep::orphans(history, false)?;
    }
    let recorder =
        matches!(&*history.journal.lock().unwrap_or_else(std::sync::PoisonError::into_inner), Journal::Thread(..));
    if recorder {
        report.warnings.push(
            "the recorder goes on with the rules that it was started with: what it records from now on, and what still \
             streams, is masked by those"
                .into(),
        );
    }
    Ok(report)
}
