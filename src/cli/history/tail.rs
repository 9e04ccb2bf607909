//! `retake history tail`: the newest exchanges, oldest first, and with `-f` those that finish from now on.
//!
//! Numbers are given when a request starts, so exchanges finish out of order. Whoever follows keeps which numbers have
//! been seen, asks four times a second for those that have not, and prints each once.

mod seen;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Context;
use super::list::Listing;
use crate::cli::args::HistoryTailArgs;
use crate::cli::exit::{CliError, Exit, Outcome};
use crate::cli::output::{DIM, Printer};
use crate::cli::select::{self, Selection};
use crate::control::RemoteHistory;
use crate::store::{self, History, OpenError, Query, Row};
use seen::Seen;

/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// Looks that may fail one after the other.
const FAILURES: u32 = 20;

pub(super) fn run(store: &Path, zone: TimeZone, args: &HistoryTailArgs, printer: Printer) -> Outcome {
    let now = Timestamp::now();
    let selection = Selection::new(&args.select, &zone, now)?;
    if args.follow {
        return follow(store, &zone, &selection, args, printer);
    }
    let context = Context { history: select::open(store, printer)?, zone, now, printer };
    let rows = newest(&*context.history, &selection, args.lines, printer)?;
    if rows.is_empty() && args.lines > 0 {
        return Err(context.nothing_selected(&args.select));
    }
    let mut listing = Listing::new(&context, args.json, args.exact);
    rows.iter().for_each(|row| listing.row(row));
    Ok(Exit::SUCCESS)
}

/// The newest rows, oldest first.
fn newest(history: &dyn History, selection: &Selection, count: usize, printer: Printer) -> Result<Vec<Row>, CliError> {
    let mut rows = selection.rows(history, None, count, printer).collect::<Result<Vec<Row>, CliError>>()?;
    rows.reverse();
    Ok(rows)
}

fn follow(store: &Path, zone: &TimeZone, selection: &Selection, args: &HistoryTailArgs, printer: Printer) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::failure(format!("Ctrl-C cannot be listened for: {error}")))?;
    let mut source = Source { store: store.to_owned(), mark: None };
    let mut follower = Follower { selection, lines: args.lines, printer, seen: None };
    // The heading of a day or session is printed where it changes: by all looks together.
    let mut headings = super::list::Headings::default();
    let mut has_waited = false;
    let mut failures = 0;
    runtime.block_on(async {
        let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            match source.history()? {
                Look::At(history) => {
                    let rows = match follower.look(&*history) {
                        Ok(rows) => {
                            failures = 0;
                            rows
                        }
                        // The recorder may have ended just now, and another have begun: the next look tells.
                        Err(error) if error.exit == Exit::FAILURE && failures < FAILURES => {
                            failures += 1;
                            Vec::new()
                        }
                        Err(error) => return Err(error),
                    };
                    let context = Context { history, zone: zone.clone(), now: Timestamp::now(), printer };
                    let mut listing = Listing::continued(&context, args.json, args.exact, headings);
                    rows.iter().for_each(|row| listing.row(row));
                    headings = listing.headings();
                }
                Look::Unchanged => {}
                Look::Empty => {
                    follower.seen = None;
                    if !has_waited {
                        has_waited = true;
                        let store = store.display();
                        printer.say(format_args!("{DIM}nothing is recorded at {store} yet: waiting{DIM:#}"));
                    }
                }
            }
            if printer.is_closed() {
                return Ok(Exit::SUCCESS);
            }
            tokio::select! {
                _ = &mut stop => return Ok(Exit::SUCCESS),
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    })
}

/// Where a look goes: to the recorder while there is one; else to the disk, when the journal has changed. Nothing is
/// kept between two looks, so that a recorder may start at any time.
struct Source {
    store: PathBuf,
    mark: Option<(u32, u64)>,
}

enum Look {
    At(Arc<dyn History>),
    Unchanged,
    Empty,
}

impl Source {
    fn history(&mut self) -> Result<Look, CliError> {
        if let Ok(history) = RemoteHistory::connect(&self.store) {
            // After the recorder's end the disk is looked at once more.
            self.mark = None;
            return Ok(Look::At(Arc::new(history)));
        }
        let mark = store::journal_end(&self.store).ok().flatten();
        if mark.is_some() && mark == self.mark {
            return Ok(Look::Unchanged);
        }
        match store::open_for_reading(&self.store) {
            Ok(history) => {
                self.mark = mark;
                Ok(Look::At(history))
            }
            Err(OpenError::Empty(_)) => Ok(Look::Empty),
            // A recorder that has just started, or another reader: the next look finds it ready.
            Err(OpenError::Locked { .. }) => Ok(Look::Unchanged),
            Err(error) => Err(CliError::failure(&error)),
        }
    }
}

/// Which rows a look brings.
struct Follower<'a> {
    selection: &'a Selection,
    lines: usize,
    printer: Printer,
    /// None before the first look.
    seen: Option<Seen>,
}

impl Follower<'_> {
    /// The rows to print now: at first the newest, later what has finished since.
    fn look(&mut self, history: &dyn History) -> Result<Vec<Row>, CliError> {
        let Some(seen) = &mut self.seen else {
            let page = history.list(&Query::default(), None, seen::WINDOW).map_err(select::failed)?;
            let seen = Seen::starting(page.rows.iter().map(|row| row.number));
            let mut rows = newest(history, self.selection, self.lines, self.printer)?;
            // What finished between the two questions is for the next look.
            rows.retain(|row| seen.has(row.number));
            self.seen = Some(seen);
            return Ok(rows);
        };
        let unseen = Query { numbers: seen.unseen(), ..Query::default() };
        let mut found = Vec::new();
        let mut before = None;
        loop {
            let page = history.list(&unseen, before, seen::WINDOW).map_err(select::failed)?;
            found.extend(page.rows);
            match page.next {
                Some(next) if before != Some(next) => before = Some(next),
                _ => break,
            }
        }
        if found.is_empty() {
            return Ok(found);
        }
        let numbers: Vec<(u64, u64)> = found.iter().map(|row| (row.number, row.number)).collect();
        if *self.selection != Selection::default() {
            let mut selection = self.selection.clone();
            selection.query.numbers = select::merged(numbers.clone());
            found = newest(history, &selection, usize::MAX, self.printer)?;
        }
        // Lowest first: else the numbers between would count as gaps for a moment, and push out real ones.
        numbers.iter().rev().for_each(|(number, _)| seen.add(*number));
        found.sort_by_key(|row| {
            (row.started_at.as_microsecond() + i64::try_from(row.duration_us).unwrap_or(0), row.number)
        });
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{Fake, row};
    use crate::store::Row;

    fn numbers(rows: &[Row]) -> Vec<u64> {
        rows.iter().map(|row| row.number).collect()
    }

    #[test]
    fn what_finishes_late_is_shown_when_it_finishes_and_once() {
        let history = Fake::new([1, 2, 4, 5].map(row));
        let everything = Selection::default();
        let mut follower = Follower { selection: &everything, lines: 3, printer: Printer::new(true), seen: None };
        assert_eq!(numbers(&follower.look(&history).unwrap()), [2, 4, 5]);
        assert!(follower.look(&history).unwrap().is_empty());
        history.rows.lock().unwrap().extend([row(8), row(3)]);
        assert_eq!(numbers(&follower.look(&history).unwrap()), [3, 8]);
        history.rows.lock().unwrap().extend([row(7), row(6)]);
        let mut again = row(3);
        again.tags = vec!["changed".into()];
        history.rows.lock().unwrap().retain(|row| row.number != 3);
        history.rows.lock().unwrap().push(again);
        assert_eq!(numbers(&follower.look(&history).unwrap()), [6, 7]);
        assert!(follower.look(&history).unwrap().is_empty());
    }

    #[test]
    fn filters_hold_for_what_comes_later() {
        let history = Fake::new((1..=20).map(row));
        let query = Query { status: Some((500, 599)), ..Query::default() };
        let failures = Selection { query, ..Selection::default() };
        let mut follower = Follower { selection: &failures, lines: 10, printer: Printer::new(true), seen: None };
        assert!(follower.look(&history).unwrap().is_empty());
        let failed = |number| Row { status: Some(503), ..row(number) };
        history.rows.lock().unwrap().extend([failed(21), row(22), failed(30)]);
        assert_eq!(numbers(&follower.look(&history).unwrap()), [21, 30]);
        history.rows.lock().unwrap().extend((31..2000).map(row));
        assert!(follower.look(&history).unwrap().is_empty());
        history.rows.lock().unwrap().push(failed(25));
        assert_eq!(numbers(&follower.look(&history).unwrap()), [25]);
    }
}
