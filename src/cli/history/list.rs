//! `retake history list`: rows, newest first, grouped by day and session.

use anstyle::Style;
use serde_json::json;

use super::Context;
use crate::cli::args::{HistoryListArgs, WhichArgs};
use crate::cli::exit::{Exit, Outcome};
use crate::cli::output::{BAD, BOLD, DIM, GOOD, WARN};
use crate::report::exchange::{duration, size};
use crate::report::terminal::{clean, cut};
use crate::store::Row;

pub(super) fn run(context: &Context, which: Vec<String>, args: HistoryListArgs) -> Outcome {
    let which = WhichArgs { which, select: args.select };
    let selection = context.selection_of(&which)?;
    let wanted = if args.page.all { usize::MAX } else { args.page.limit };
    let mut listing = Listing::new(context, args.page.json, args.exact);
    let mut rows = selection.rows(&*context.history, args.before, wanted, context.printer).while_read();
    for row in rows.by_ref() {
        listing.row(&row?);
        if context.printer.is_closed() {
            return Ok(Exit::SUCCESS);
        }
    }
    if listing.shown() == 0 && wanted > 0 && !context.printer.is_left() {
        return Err(context.nothing_selected(&which.select));
    }
    if let Some(before) = rows.next_page() {
        let more = format_args!("more: add `--before {before}` for the next page, `--all` for everything");
        context.printer.say(format_args!("{DIM}{more}{DIM:#}"));
    }
    Ok(Exit::SUCCESS)
}

/// Prints rows, with a heading where the day or the session changes.
pub(super) struct Listing<'a> {
    context: &'a Context,
    json: bool,
    exact: bool,
    width: Option<usize>,
    last: Headings,
    shown: usize,
}

/// The headings printed last.
#[derive(Debug, Clone, Default)]
pub(super) struct Headings {
    day: Option<jiff::civil::Date>,
    session: String,
}

impl<'a> Listing<'a> {
    pub(super) fn new(context: &'a Context, json: bool, exact: bool) -> Self {
        Self::continued(context, json, exact, Headings::default())
    }

    /// A listing that goes on where another one ended.
    pub(super) fn continued(context: &'a Context, json: bool, exact: bool, last: Headings) -> Self {
        let width = context.printer.width();
        Listing { context, json, exact, width, last, shown: 0 }
    }

    /// The headings that it ends with.
    pub(super) fn headings(self) -> Headings {
        self.last
    }

    /// How many rows were printed.
    pub(super) fn shown(&self) -> usize {
        self.shown
    }

    pub(super) fn row(&mut self, row: &Row) {
        self.shown += 1;
        if self.json {
            return self.context.printer.json(&row_json(row));
        }
        let started = row.started_at.to_zoned(self.context.zone.clone());
        self.heading(started.date(), &row.session);
        let time = started.strftime(if self.exact { "%H:%M:%S%.3f" } else { "%H:%M:%S" }).to_string();
        self.context.printer.data(row_line(row, &time, self.exact, self.width));
    }

    fn heading(&mut self, day: jiff::civil::Date, session: &str) {
        let printer = self.context.printer;
        let is_new_day = self.last.day != Some(day);
        if is_new_day {
            if self.last.day.is_some() {
                printer.data("");
            }
            let today = self.context.now.to_zoned(self.context.zone.clone()).date();
            let name = match today.since(day).map(|span| span.get_days()) {
                Ok(0) => ", today",
                Ok(1) => ", yesterday",
                _ => "",
            };
            printer.data(format_args!("{BOLD}{}{name}{BOLD:#}", day.strftime("%A %Y-%m-%d")));
            self.last.day = Some(day);
        }
        if is_new_day || self.last.session != session {
            printer.data(format_args!("{DIM}session {}{DIM:#}", clean(session)));
            session.clone_into(&mut self.last.session);
        }
    }
}

/// One line of the listing, cut to the terminal's width.
pub(super) fn row_line(row: &Row, time: &str, exact: bool, width: Option<usize>) -> String {
    let (answer, style) = match row.status {
        Some(status) if row.outcome == "complete" => (status.to_string(), status_style(status)),
        _ => (row.outcome.clone(), if row.outcome == "relayed" { DIM } else { BAD }),
    };
    let start = format!("{:>7}  {time}  {:<7} ", row.number, clean(&row.method));
    let figures = if exact {
        format!(" {:>12}  {:>14}  ", format!("{} µs", row.duration_us), format!("{} B", row.response_bytes))
    } else {
        format!(" {:>9}  {:>10}  ", duration(row.duration_us), size(row.response_bytes))
    };
    let tags: String = row.tags.iter().map(|tag| format!("  #{tag}")).collect();
    let target = format!("{}{}{tags}", row.origin, row.target);
    let target = clean(&target).into_owned();
    let left = width.map(|width| width.saturating_sub(start.chars().count() + 11 + figures.chars().count()).max(20));
    let target = left.map_or_else(|| target.clone(), |left| cut(&target, left).into_owned());
    format!("{start}{style}{answer:<11}{style:#}{figures}{target}")
}

/// The colour of a status class.
pub(super) fn status_style(status: u16) -> Style {
    match status {
        200..300 => GOOD,
        100..400 => Style::new(),
        400..500 => WARN,
        _ => BAD,
    }
}

/// A line of `--json`: stable names.
pub(super) fn row_json(row: &Row) -> serde_json::Value {
    json!({
        "number": row.number,
        "id": row.id,
        "started_at": row.started_at.to_string(),
        "session": row.session,
        "tags": row.tags,
        "method": row.method,
        "url": format!("{}{}", row.origin, row.target),
        "status": row.status,
        "outcome": row.outcome,
        "media_type": row.media_type,
        "request_bytes": row.request_bytes,
        "response_bytes": row.response_bytes,
        "response_blake3": row.response_blake3,
        "duration_ms": row.duration_us as f64 / 1000.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            number: 1040,
            id: "0190c5a0-0000-7000-8000-000000000001".parse().unwrap(),
            started_at: "2026-11-20T11:22:33Z".parse().unwrap(),
            session: "s".into(),
            tags: vec!["nightly".into()],
            method: "GET".into(),
            origin: "https://api.example.com".parse().unwrap(),
            target: "/a\u{1b}?b=1".into(),
            status: Some(404),
            outcome: "complete".into(),
            media_type: "application/json".into(),
            request_bytes: 0,
            response_bytes: 2048,
            response_blake3: String::new(),
            duration_us: 1500,
            at: (1, 0),
        }
    }

    fn plain(line: &str) -> String {
        anstream::adapter::strip_str(line).to_string()
    }

    #[test]
    fn lines_are_aligned_and_fit_the_terminal() {
        let line = plain(&row_line(&row(), "12:00:00", false, None));
        assert_eq!(
            line,
            "   1040  12:00:00  GET     404            1.5 ms     2.0 KiB  https://api.example.com/a\\u{1b}?b=1  #nightly"
        );
        let narrow = plain(&row_line(&row(), "12:00:00", false, Some(90)));
        assert!(narrow.chars().count() <= 90 && narrow.ends_with('…'), "{narrow}");
        let exact = plain(&row_line(&row(), "12:00:00.000", true, None));
        assert!(exact.contains("    1500 µs          2048 B  https://"), "{exact}");
        let failed = Row { status: None, outcome: "failed".into(), ..row() };
        assert!(plain(&row_line(&failed, "12:00:00", false, None)).contains("  GET     failed "));
    }

    #[test]
    fn json_lines_have_the_members_of_the_design() {
        let value = row_json(&Row { status: None, ..row() });
        let members: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        for member in crate::report::exchange::MEMBERS {
            assert!(members.contains(&member), "{member}");
        }
        assert!(value["status"].is_null());
        assert_eq!(value["duration_ms"], 1.5);
    }
}
