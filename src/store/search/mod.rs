//! Looking for a text in what is recorded: newest first, beside everything else, with memory that does not grow.
//!
//! Rows come from the index, which filters them, a batch at a time; their records are read from the journal in long
//! stretches, and borrowed from there. Method and URL are in the row; field lines and small bodies in the record; large
//! bodies and coded ones go through a window of bounded size. See "Searching" in `docs/history.md`.

mod escapes;
mod excerpt;
mod known;
mod look;
mod pattern;
mod record;
mod stretch;
mod text;
mod windows;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use self::excerpt::Excerpt;
pub(super) use self::known::Searches;
use self::look::Look;
use self::stretch::{Stretches, payload};
use super::filter::Filter;
use super::history::{Found, HistoryError, Hit, Pattern, Place, Query, Row};
use super::reader::DiskHistory;

/// A piece of a search is over after this time, and an exchange.
const SLICE: Duration = Duration::from_millis(100);
/// Rows taken from the index at a time.
const BATCH: usize = 256;
/// A piece of a search has hits of about so many bytes at most.
const HITS_MAX: usize = 4 << 20;
/// Warnings of a piece; what is beyond is counted.
const WARNINGS_MAX: usize = 10;

/// What is asked of a search.
pub(super) struct Ask<'a> {
    pub(super) query: &'a Query,
    pub(super) pattern: &'a Pattern,
    pub(super) before: Option<u64>,
    pub(super) limit: usize,
    pub(super) stop: &'a dyn Fn() -> bool,
}

/// A piece of a search.
pub(super) fn run(history: &DiskHistory, ask: &Ask<'_>) -> Result<Found, HistoryError> {
    let filter = Filter::new(ask.query)?;
    let known = history.searches.of(ask.pattern)?;
    if ask.limit == 0 {
        return Ok(Found { next: ask.before, ..Found::default() });
    }
    let view = history.current().view();
    let mut piece = Piece {
        history,
        stretches: Stretches::new(&view),
        look: Look::new(&history.layout, &known, ask.stop),
        tally: Tally { ask, since: Instant::now(), hit_bytes: 0, untold: 0, found: Found::default() },
    };
    let mut rows: Vec<Row> = Vec::with_capacity(BATCH);
    let mut flow = ControlFlow::Continue(());
    let scanned = view.index.scan(&filter, ask.before.unwrap_or(u64::MAX), |row| {
        rows.push(row.to_row());
        if rows.len() == BATCH {
            flow = piece.batch(&rows);
            rows.clear();
        }
        flow
    });
    scanned.map_err(|error| history.failed(error))?;
    if flow.is_continue() {
        flow = piece.batch(&rows);
    }
    Ok(piece.tally.done(flow.is_continue()))
}

struct Piece<'a> {
    history: &'a DiskHistory,
    stretches: Stretches<'a>,
    look: Look<'a>,
    tally: Tally<'a>,
}

impl Piece<'_> {
    /// Looks at rows in their order, until enough is found or the time is over.
    fn batch(&mut self, rows: &[Row]) -> ControlFlow<()> {
        let mut apart = Vec::new();
        let mut rest = rows;
        while !rest.is_empty() {
            let (count, stretch) = self.stretches.read(rest);
            let (near, others) = rest.split_at(count);
            for row in near {
                let looked = match self.look.url(row) {
                    Some(found) => Ok(Some(found)),
                    None => stretch.payload(row, &mut apart).and_then(|payload| self.look.record(row, payload)),
                };
                let looked = looked.or_else(|cause| moved(self.history, &mut self.look, row, &cause));
                self.tally.take(row, looked, &mut self.look.warnings)?;
            }
            rest = others;
        }
        ControlFlow::Continue(())
    }
}

/// An edit may have moved or removed a record since its row was read: it is looked up once more. The error is what the
/// user is told.
fn moved(
    history: &DiskHistory,
    look: &mut Look<'_>,
    row: &Row,
    cause: &str,
) -> Result<Option<(Place, Excerpt)>, String> {
    let view = history.current().view();
    match view.index.row(row.number).map_err(|error| history.failed(error).to_string())? {
        None => Ok(None),
        Some(moved) if moved.at != row.at => payload(&view, &moved)
            .and_then(|payload| look.record(&moved, &payload))
            .map_err(|cause| history.unreadable(&moved, &cause).to_string()),
        Some(_) => Err(history.unreadable(row, cause).to_string()),
    }
}

/// What a piece has found so far.
struct Tally<'a> {
    ask: &'a Ask<'a>,
    since: Instant,
    hit_bytes: usize,
    /// Warnings beyond those that are told.
    untold: usize,
    found: Found,
}

impl Tally<'_> {
    /// Takes what was found in an exchange; tells whether to go on.
    fn take(
        &mut self,
        row: &Row,
        looked: Result<Option<(Place, Excerpt)>, String>,
        warnings: &mut Vec<String>,
    ) -> ControlFlow<()> {
        let found = &mut self.found;
        found.looked_at += 1;
        found.at = Some(row.started_at);
        found.next = Some(row.number);
        match looked {
            Ok(Some((place, excerpt))) => {
                self.hit_bytes += row.target.len() + excerpt.text.len();
                let Excerpt { text, matched } = excerpt;
                found.hits.push(Hit { row: row.clone(), place, excerpt: text, matched });
            }
            Ok(None) => {}
            Err(warning) => warnings.push(warning),
        }
        for warning in warnings.drain(..) {
            if found.warnings.len() < WARNINGS_MAX {
                found.warnings.push(warning);
            } else {
                self.untold += 1;
            }
        }
        let is_full = found.hits.len() >= self.ask.limit || self.hit_bytes >= HITS_MAX;
        if is_full || self.since.elapsed() >= SLICE || (self.ask.stop)() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn done(mut self, is_end: bool) -> Found {
        if is_end {
            self.found.next = None;
        }
        if self.untold > 0 {
            self.found.warnings.push(format!("{} more could not be looked at", self.untold));
        }
        self.found
    }
}

#[cfg(test)]
mod tests;
