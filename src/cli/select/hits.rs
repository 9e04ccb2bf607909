//! Exchanges in which a text is found, newest first, as they are found.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use crate::cli::exit::CliError;
use crate::cli::output::Printer;
use crate::report::terminal::clean;
use crate::store::{Found, History, Hit, Pattern, Query};

/// Hits asked for at a time.
const PAGE: usize = 1000;
/// After this long without a hit it is said how far the search is.
const PATIENCE: Duration = Duration::from_millis(500);
/// Warnings that are printed; what is beyond is counted.
const WARNINGS_MAX: usize = 20;

/// Hits, looked for as they are taken.
pub(in crate::cli) struct Hits<'a> {
    history: &'a dyn History,
    query: &'a Query,
    pattern: &'a Pattern,
    printer: Printer,
    before: Option<u64>,
    left: usize,
    ready: VecDeque<Hit>,
    ended: bool,
    while_read: bool,
    looked_at: u64,
    warnings: usize,
    waits_since: Instant,
}

impl<'a> Hits<'a> {
    pub(in crate::cli) fn new(
        history: &'a dyn History,
        query: &'a Query,
        pattern: &'a Pattern,
        before: Option<u64>,
        limit: usize,
        printer: Printer,
    ) -> Self {
        Hits {
            history,
            query,
            pattern,
            printer,
            before,
            left: limit,
            ready: VecDeque::new(),
            ended: limit == 0,
            while_read: false,
            looked_at: 0,
            warnings: 0,
            waits_since: Instant::now(),
        }
    }

    /// For what only prints hits: they end when nobody reads any more.
    pub(in crate::cli) fn while_read(self) -> Self {
        Hits { while_read: true, ..self }
    }

    /// Where to go on, when all hits have been taken and there may be more.
    pub(in crate::cli) fn next_page(&self) -> Option<u64> {
        self.before.filter(|_| self.left == 0)
    }

    /// How many exchanges were looked at.
    pub(in crate::cli) fn looked_at(&self) -> u64 {
        self.looked_at
    }

    fn fetch(&mut self) -> Result<(), CliError> {
        let (printer, while_read) = (self.printer, self.while_read);
        let stop = move || while_read && printer.is_left();
        let limit = self.left.min(PAGE);
        let found = self.history.search(self.query, self.pattern, self.before, limit, &stop);
        let found = found.map_err(super::failed)?;
        self.looked_at += found.looked_at;
        self.left -= found.hits.len().min(self.left);
        // A cursor that does not move would go round for ever.
        let is_stuck = found.next.is_some() && found.next == self.before;
        self.before = found.next.filter(|_| !is_stuck);
        self.ended = self.before.is_none() || self.left == 0 || stop();
        self.talk(&found);
        self.ready.extend(found.hits);
        Ok(())
    }

    /// Warnings, and how far it is.
    fn talk(&mut self, found: &Found) {
        let is_over = self.ended || !found.hits.is_empty();
        let is_patient = self.waits_since.elapsed() < PATIENCE;
        if is_over || !found.warnings.is_empty() {
            self.printer.progress("");
        }
        for warning in &found.warnings {
            self.warnings += 1;
            if self.warnings <= WARNINGS_MAX {
                self.printer.warn(clean(warning));
            }
        }
        if self.ended && self.warnings > WARNINGS_MAX {
            let more = self.warnings - WARNINGS_MAX;
            self.printer.warn(format_args!("{more} more warnings of this kind are not shown"));
        }
        if let (Some(at), false, false) = (found.at, is_over, is_patient) {
            let day = at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d").to_string();
            self.printer.progress(&format!("looked at {} exchanges, back to {day}", self.looked_at));
        }
    }
}

impl Iterator for Hits<'_> {
    type Item = Result<Hit, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.waits_since = Instant::now();
        while self.ready.is_empty() && !self.ended {
            if let Err(error) = self.fetch() {
                self.ended = true;
                self.printer.progress("");
                return Some(Err(error));
            }
        }
        self.ready.pop_front().map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{Fake, row};

    #[test]
    fn hits_are_taken_piece_by_piece_and_counted() {
        let history = Fake::new((1..=250).map(row));
        let (query, printer) = (Query::default(), Printer::new(true));
        let pattern = Pattern { text: "/items/7".into(), regex: false, case_sensitive: false };
        let mut hits = Hits::new(&history, &query, &pattern, None, 4, printer);
        let numbers: Vec<u64> = hits.by_ref().map(|hit| hit.unwrap().row.number).collect();
        assert_eq!((numbers, hits.next_page()), (vec![79, 78, 77, 76], Some(76)));
        let mut hits = Hits::new(&history, &query, &pattern, Some(76), 10, printer);
        assert_eq!((hits.by_ref().count(), hits.next_page(), hits.looked_at()), (7, None, 75));
    }
}
