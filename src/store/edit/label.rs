//! Tags and notes: the exchange is appended once more with its new labels, or, for many exchanges at once, written
//! into its segment anew.

use std::io;

use super::rewrite::{self, Damage, Fate};
use super::{Ranges, widen};
use crate::model::Exchange;
use crate::store::history::{EditReport, HistoryError, Row};
use crate::store::index::{Entry, row_of};
use crate::store::reader::DiskHistory;
use crate::store::segment::{Kind, encode};

/// From this many exchanges on, their segments are written anew: copies of all of them would double the journal.
const MANY: usize = 4096;
/// A record that changes again and again while it is to be labelled is given up after so many attempts.
const ATTEMPTS: usize = 8;

pub(super) fn run(
    history: &DiskHistory,
    numbers: &[(u64, u64)],
    add: &[String],
    remove: &[String],
    note: Option<&str>,
) -> Result<EditReport, HistoryError> {
    let ranges = Ranges::of(numbers);
    let rows = history.rows(|number| ranges.contains(number))?;
    let mut report = EditReport::default();
    if rows.len() >= MANY {
        let outcome = rewrite::run(history, Damage::Leave, &mut |_, exchange| {
            let wanted = ranges.contains(exchange.number);
            Ok(if wanted && labelled(exchange, add, remove, note) { Fate::Changed } else { Fate::Keep })
        })?;
        report.exchanges = outcome.numbers.len() as u64;
        report.warnings = outcome.warnings;
        let changed = rows.iter().filter(|row| outcome.numbers.contains(&row.number));
        changed.for_each(|row| widen(&mut report.span, row.started_at));
        return Ok(report);
    }
    for row in &rows {
        match one(history, row, add, remove, note) {
            Ok(true) => {
                report.exchanges += 1;
                widen(&mut report.span, row.started_at);
            }
            Ok(false) => {}
            Err(HistoryError::Damaged(cause)) => report.warnings.push(cause),
            Err(error) => return Err(error),
        }
    }
    history.between(|writer, _| writer.sync())?;
    Ok(report)
}

/// Changes the labels; says whether anything changed.
fn labelled(exchange: &mut Exchange, add: &[String], remove: &[String], note: Option<&str>) -> bool {
    let (tags, old_note) = (exchange.tags.clone(), exchange.note.clone());
    exchange.tags.retain(|tag| !remove.contains(tag));
    for tag in add.iter().filter(|tag| !remove.contains(tag)) {
        if !exchange.tags.contains(tag) {
            exchange.tags.push(tag.clone());
        }
    }
    if let Some(note) = note {
        exchange.note = (!note.is_empty()).then(|| note.to_owned());
    }
    tags != exchange.tags || old_note != exchange.note
}

/// Appends one exchange with its new labels, unless its record has changed since it was read: then once more.
fn one(
    history: &DiskHistory,
    row: &Row,
    add: &[String],
    remove: &[String],
    note: Option<&str>,
) -> Result<bool, HistoryError> {
    for _attempt in 0..ATTEMPTS {
        let number = row.number;
        let Some(known) = history.index().row(number).map_err(|error| history.failed(error))? else {
            return Ok(false);
        };
        let (_, mut exchange) = match history.current().view().read(&known) {
            Ok(read) => read,
            Err(cause) => return Err(HistoryError::Damaged(format!("exchange {number} was left alone: {cause}"))),
        };
        if !labelled(&mut exchange, add, remove, note) {
            return Ok(false);
        }
        let record = encode(Kind::Label, &exchange)?;
        let mut row = row_of(&exchange);
        let appended = history.between(move |writer, current| {
            let index = current.index();
            let now = index.row(number).map_err(|error| io::Error::other(error.to_string()))?;
            if now.is_none_or(|now| now.at != known.at) {
                return Ok(false);
            }
            row.at = writer.append(&record)?;
            index.apply(vec![Entry { kind: Kind::Label, row }], writer.position());
            Ok(true)
        })?;
        if appended {
            return Ok(true);
        }
    }
    Err(HistoryError::Damaged(format!("exchange {} changes too often to be labelled: try again", row.number)))
}
