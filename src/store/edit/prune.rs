//! What is too old or too much.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{Ranges, delete, rewrite, sweep, usage};
use crate::model::ContentHash;
use crate::store::history::{EditReport, HistoryError, Row};
use crate::store::in_flight::blobs_of;
use crate::store::reader::DiskHistory;

/// What is to stay.
pub(super) struct Wanted {
    pub(super) older_than: Option<Timestamp>,
    pub(super) max_bytes: Option<u64>,
    pub(super) keep_tagged: bool,
}

pub(super) fn run(history: &DiskHistory, wanted: &Wanted, dry_run: bool) -> Result<EditReport, HistoryError> {
    let mut rows = history.rows(|_| true)?;
    rows.sort_by_key(|row| (row.started_at, row.number));
    let is_old = |row: &Row| wanted.older_than.is_some_and(|moment| row.started_at < moment);
    let is_spared = |row: &Row| wanted.keep_tagged && !row.tags.is_empty();
    let mut spared = rows.iter().filter(|row| is_old(row) && is_spared(row)).count();
    let mut gone: Vec<u64> = rows.iter().filter(|row| is_old(row) && !is_spared(row)).map(|row| row.number).collect();
    if let Some(max) = wanted.max_bytes {
        let mut sizes = Sizes::of(history, rows.len())?;
        let mut left = usage::counted(history);
        gone.iter().for_each(|number| left = left.saturating_sub(sizes.take(*number)));
        for row in rows.iter().filter(|row| !is_old(row)) {
            if left <= max {
                break;
            }
            if is_spared(row) {
                spared += 1;
                continue;
            }
            left = left.saturating_sub(sizes.take(row.number));
            gone.push(row.number);
        }
    }
    gone.sort_unstable();
    let mut ranges = Ranges::default();
    gone.into_iter().for_each(|number| ranges.push((number, number)));
    let mut report = delete::run(history, &ranges, dry_run)?;
    let swept = sweep::orphans(history, dry_run)?;
    if dry_run {
        report.bytes.1 += swept;
    }
    if spared > 0 {
        report.warnings.push(format!("{spared} exchange(s) were spared because they have a tag"));
    }
    if let Some(max) = wanted.max_bytes
        && !dry_run
    {
        let left = usage::counted(history);
        if left > max {
            report.warnings.push(format!("the history still takes {left} bytes, more than {max}"));
        }
    }
    Ok(report)
}

/// What each exchange takes.
struct Sizes {
    /// Bytes of the records of a number, and the body files that they name.
    records: HashMap<u64, (u64, Vec<ContentHash>)>,
    /// How many exchanges name a body file.
    named: HashMap<ContentHash, u64>,
    blobs: HashMap<ContentHash, u64>,
    /// Of the index, for each exchange.
    share: u64,
}

impl Sizes {
    fn of(history: &DiskHistory, rows: usize) -> Result<Sizes, HistoryError> {
        let usage = usage::of(&history.layout, &history.index()).map_err(|error| history.failed(error))?;
        let share = usage.index / (rows as u64).max(1);
        let mut sizes = Sizes { records: HashMap::new(), named: HashMap::new(), blobs: HashMap::new(), share };
        let segments = history.layout.segments()?;
        rewrite::each(&history.layout, &segments, &mut |_, _, exchange, size| {
            let entry = sizes.records.entry(exchange.number).or_default();
            entry.0 += size;
            for hash in blobs_of(&exchange) {
                if !entry.1.contains(&hash) {
                    entry.1.push(hash);
                    *sizes.named.entry(hash).or_default() += 1;
                    sizes.blobs.entry(hash).or_insert_with(|| sweep::size(&history.layout.blob(hash)));
                }
            }
            Ok(())
        })?;
        Ok(sizes)
    }

    /// What is freed when this exchange goes.
    fn take(&mut self, number: u64) -> u64 {
        let Some((mut freed, hashes)) = self.records.remove(&number) else { return 0 };
        freed += self.share;
        for hash in hashes {
            let named = self.named.entry(hash).or_default();
            *named = named.saturating_sub(1);
            if *named == 0 {
                freed += self.blobs.get(&hash).copied().unwrap_or(0);
            }
        }
        freed
    }
}
