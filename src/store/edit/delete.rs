//! Exchanges taken out of the history.

use std::io;

use super::rewrite::{self, Damage, Fate};
use super::{Ranges, sweep, widen};
use crate::store::history::{EditReport, HistoryError};
use crate::store::layout::{replace_file, sync_folder};
use crate::store::reader::DiskHistory;

pub(super) fn run(history: &DiskHistory, ranges: &Ranges, dry_run: bool) -> Result<EditReport, HistoryError> {
    let mut report = EditReport::default();
    let mut wanted = Ranges::default();
    for row in history.rows(|number| ranges.contains(number))? {
        report.exchanges += 1;
        widen(&mut report.span, row.started_at);
        wanted.push((row.number, row.number));
    }
    if wanted.is_empty() {
        return Ok(report);
    }
    let mut fate = |_, exchange: &mut crate::model::Exchange| -> io::Result<Fate> {
        Ok(if wanted.contains(exchange.number) { Fate::Gone } else { Fate::Keep })
    };
    if dry_run {
        let outcome = rewrite::dry(history, &mut fate)?;
        let living = sweep::named(history, |exchange| !wanted.contains(exchange.number))?;
        let orphans = outcome.blobs.difference(&living);
        let blobs: u64 = orphans.map(|hash| sweep::size(&history.layout.blob(*hash))).sum();
        report.bytes.1 = outcome.freed + blobs;
        return Ok(report);
    }
    // Before anything goes: a rebuilt index would not know the highest number.
    let layout = &history.layout;
    replace_file(&layout.highest(), history.index().highest().to_string().as_bytes())?;
    sync_folder(layout.root())?;
    let outcome = rewrite::run(history, Damage::Leave, &mut fate)?;
    sweep::blobs(history, &outcome.blobs)?;
    report.warnings = outcome.warnings;
    Ok(report)
}
