//! The rows of a selection, newest first: by filters page by page from a listing, with a text from a search.

use std::collections::VecDeque;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cli::args::{SelectArgs, TextArgs, WhichArgs};
use crate::cli::exit::CliError;
use crate::cli::output::Printer;
use crate::store::{History, Pattern, Query, Row};

use super::hits::Hits;

/// Rows asked for at first, and at most. Each question costs a look at the summaries of all pages, so that long
/// listings ask for more at a time.
const PAGE: usize = 1000;
const PAGE_MAX: usize = 16_000;

/// What a command is about.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::cli) struct Selection {
    /// What rows must be like.
    pub query: Query,
    /// What exchanges must have in them.
    pub text: Option<Pattern>,
}

impl Selection {
    /// What the filters mean, with days in `zone` and `now` as the present.
    ///
    /// # Errors
    /// Exit code 2 for a filter that cannot be read.
    pub(in crate::cli) fn new(select: &SelectArgs, zone: &TimeZone, now: Timestamp) -> Result<Selection, CliError> {
        Ok(Selection { query: super::query(&select.filters, zone, now)?, text: pattern(&select.text)? })
    }

    /// What selectors and filters mean together.
    ///
    /// # Errors
    /// Exit code 2 for a filter that cannot be read, and a selector that is unknown, ambiguous or none.
    pub(in crate::cli) fn of(
        history: &dyn History,
        which: &WhichArgs,
        zone: &TimeZone,
        now: Timestamp,
    ) -> Result<Selection, CliError> {
        let mut selection = Selection::new(&which.select, zone, now)?;
        selection.query.numbers = ranges(history, &which.which)?;
        Ok(selection)
    }

    /// The rows, newest first, below the number `before`; at most `limit` of them are asked for.
    pub(in crate::cli) fn rows<'a>(
        &'a self,
        history: &'a dyn History,
        before: Option<u64>,
        limit: usize,
        printer: Printer,
    ) -> Rows<'a> {
        match &self.text {
            Some(pattern) => Rows::Found(Hits::new(history, &self.query, pattern, before, limit, printer)),
            None => Rows::Listed(Listed {
                query: &self.query,
                history,
                before,
                left: limit,
                page: PAGE,
                ready: VecDeque::new(),
                ended: limit == 0,
            }),
        }
    }

    /// The numbers of all that is selected, as ranges, lowest first.
    ///
    /// # Errors
    /// Those of the history.
    pub(in crate::cli) fn numbers(&self, history: &dyn History, printer: Printer) -> Result<Vec<(u64, u64)>, CliError> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for row in self.rows(history, None, usize::MAX, printer) {
            let number = row?.number;
            // Newest first: a range grows downward.
            match ranges.last_mut() {
                Some((from, _)) if *from == number + 1 => *from = number,
                _ => ranges.push((number, number)),
            }
        }
        ranges.reverse();
        Ok(ranges)
    }
}

fn pattern(args: &TextArgs) -> Result<Option<Pattern>, CliError> {
    let Some(text) = &args.text else { return Ok(None) };
    let pattern = Pattern { text: text.clone(), regex: args.regex, case_sensitive: args.case_sensitive };
    checked(pattern, "--text").map(Some)
}

/// A pattern that can be looked for; `given` is where it was typed.
///
/// # Errors
/// Exit code 2 for an empty one, and a bad one.
pub(in crate::cli) fn checked(pattern: Pattern, given: &str) -> Result<Pattern, CliError> {
    if pattern.text.is_empty() {
        return Err(CliError::usage(format!("`{given}` is empty: every exchange would have it")));
    }
    pattern.check().map_err(super::failed)?;
    Ok(pattern)
}

/// What selectors mean, as ranges of numbers. A range is taken as it is, if an exchange lies within.
fn ranges(history: &dyn History, which: &[String]) -> Result<Vec<(u64, u64)>, CliError> {
    let mut found = Vec::new();
    for selector in which {
        match span(selector) {
            Some(range) => {
                let query = Query { numbers: vec![range], ..Query::default() };
                if history.list(&query, None, 1).map_err(super::failed)?.rows.is_empty() {
                    return Err(super::failed(crate::store::HistoryError::Unknown(selector.clone())));
                }
                found.push(range);
            }
            None => found.extend(history.resolve(selector).map_err(super::failed)?.into_iter().map(|n| (n, n))),
        }
    }
    Ok(merged(found))
}

/// `10-20` as numbers; a range that runs backward is left to the history, which words the error.
fn span(selector: &str) -> Option<(u64, u64)> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    let (from, to) = selector.split_once('-')?;
    let range = (digits(from)?, digits(to)?);
    (range.0 <= range.1).then_some(range)
}

/// Ranges in order, with those that touch made one.
pub(in crate::cli) fn merged(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        match merged.last_mut() {
            Some((_, last)) if from <= last.saturating_add(1) => *last = to.max(*last),
            _ => merged.push((from, to)),
        }
    }
    merged
}

/// Rows of a [`Selection`], fetched as they are taken.
pub(in crate::cli) enum Rows<'a> {
    /// By filters alone.
    Listed(Listed<'a>),
    /// With a text.
    Found(Hits<'a>),
}

impl Rows<'_> {
    /// Where the next page begins, when all rows have been taken and there may be more.
    pub(in crate::cli) fn next_page(&self) -> Option<u64> {
        match self {
            Rows::Listed(listed) => listed.before.filter(|_| listed.left == 0),
            Rows::Found(hits) => hits.next_page(),
        }
    }

    /// For what only prints rows: they end when nobody reads any more.
    pub(in crate::cli) fn while_read(self) -> Self {
        match self {
            Rows::Found(hits) => Rows::Found(hits.while_read()),
            listed => listed,
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Rows::Listed(listed) => listed.next(),
            Rows::Found(hits) => hits.next().map(|hit| hit.map(|hit| hit.row)),
        }
    }
}

/// Rows that fit the filters.
pub(in crate::cli) struct Listed<'a> {
    query: &'a Query,
    history: &'a dyn History,
    before: Option<u64>,
    left: usize,
    page: usize,
    ready: VecDeque<Row>,
    ended: bool,
}

impl Listed<'_> {
    fn fetch(&mut self) -> Result<(), CliError> {
        let limit = self.left.min(self.page);
        self.page = (self.page * 2).min(PAGE_MAX);
        let page = self.history.list(self.query, self.before, limit).map_err(super::failed)?;
        self.left -= page.rows.len().min(self.left);
        self.ready.extend(page.rows);
        // A cursor that does not move would go round for ever.
        let is_stuck = page.next.is_some() && page.next == self.before;
        self.before = page.next.filter(|_| !is_stuck);
        self.ended = self.before.is_none() || self.left == 0;
        Ok(())
    }
}

impl Iterator for Listed<'_> {
    type Item = Result<Row, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && !self.ended {
            if let Err(error) = self.fetch() {
                self.ended = true;
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
    fn rows_come_page_by_page_newest_first() {
        let history = Fake::new((1..=5500).map(row));
        let printer = Printer::new(true);
        let everything = Selection::default();
        let numbers: Vec<u64> =
            everything.rows(&history, None, usize::MAX, printer).map(|row| row.unwrap().number).collect();
        assert_eq!(numbers, (1..=5500).rev().collect::<Vec<u64>>());
        let mut rows = everything.rows(&history, Some(100), 10, printer);
        let numbers: Vec<u64> = rows.by_ref().map(|row| row.unwrap().number).collect();
        assert_eq!((numbers, rows.next_page()), ((90..100).rev().collect(), Some(90)));
        let mut rows = everything.rows(&history, Some(11), 10, printer);
        assert_eq!((rows.by_ref().count(), rows.next_page()), (10, None), "there is nothing below");
        assert_eq!(everything.rows(&history, None, 0, printer).count(), 0);
    }

    #[test]
    fn a_text_is_searched_for_until_there_is_no_more_to_look_at() {
        let history = Fake::new((1..=300).map(row));
        let pattern = Pattern { text: "/items/7".into(), regex: false, case_sensitive: false };
        let selection = Selection { text: Some(pattern), ..Selection::default() };
        let numbers = selection.numbers(&history, Printer::new(true)).unwrap();
        assert_eq!(numbers, [(7, 7), (70, 79)]);
    }

    #[test]
    fn selectors_and_filters_hold_together() {
        let history = Fake::new((1..=20).filter(|number| *number != 5).map(row));
        let of = |which: &[&str]| {
            let which = WhichArgs { which: which.iter().map(ToString::to_string).collect(), ..WhichArgs::default() };
            let selection = Selection::of(&history, &which, &TimeZone::UTC, Timestamp::UNIX_EPOCH)?;
            selection.numbers(&history, Printer::new(true))
        };
        assert_eq!(of(&["12", "3-7", "11", "6-8"]).unwrap(), [(3, 4), (6, 8), (11, 12)]);
        assert_eq!(of(&["15-9000"]).unwrap(), [(15, 20)], "a range is not counted out");
        for unknown in ["5", "30-40", "7-3", "x"] {
            assert_eq!(of(&[unknown]).unwrap_err().exit.0, 2, "{unknown}");
        }
    }

    #[test]
    fn ranges_that_touch_become_one() {
        assert_eq!(merged(vec![(5, 6), (1, 2), (3, 3), (10, u64::MAX), (12, 13)]), [(1, 3), (5, 6), (10, u64::MAX)]);
    }
}
