//! `retake history`: what was recorded, listed and shown.

use std::sync::Arc;

use anstyle::Style;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::args::{FilterArgs, Global, HistoryArgs, HistoryCommand, HistoryListArgs};
use super::exit::{CliError, Exit, Outcome};
use super::output::{BAD, BOLD, DIM, GOOD, Printer, WARN};
use super::select;
use crate::report::exchange::{duration, size};
use crate::report::terminal::{clean, cut};
use crate::settings::Settings;
use crate::store::{History, Row};

mod delete;
mod diff;
mod export;
mod import;
mod mask;
mod prune;
mod search;
mod show;
mod stats;
mod tag;
mod tail;

/// Rows asked for at a time.
const PAGE: usize = 1000;
/// Hosts that a line of `days` names.
const HOSTS: usize = 3;

/// What every subcommand needs.
struct Context {
    history: Arc<dyn History>,
    zone: TimeZone,
    now: Timestamp,
    printer: Printer,
}

pub(super) fn run(args: HistoryArgs, global: &Global, printer: Printer) -> Outcome {
    let settings = Settings::resolve(global.store.as_deref()).map_err(CliError::usage)?;
    let history = select::open(&settings.store, printer)?;
    let context = Context { history, zone: TimeZone::system(), now: Timestamp::now(), printer };
    match args.command {
        None => list(&context, &args.list),
        Some(HistoryCommand::List(args)) => list(&context, &args),
        Some(HistoryCommand::Days { filters, json }) => days(&context, &filters, json),
        Some(HistoryCommand::Show(args)) => show::run(&context, &args),
        Some(HistoryCommand::Search(args)) => search::run(&context, &args),
        Some(HistoryCommand::Tail(args)) => tail::run(&context, &args),
        Some(HistoryCommand::Export(args)) => export::run(&context, &args),
        Some(HistoryCommand::Import(args)) => import::run(&context, &args),
        Some(HistoryCommand::Tag(args)) => tag::run(&context, &args),
        Some(HistoryCommand::Mask(args)) => mask::run(&context, &args),
        Some(HistoryCommand::Delete(args)) => delete::run(&context, &args),
        Some(HistoryCommand::Prune(args)) => prune::run(&context, &args),
        Some(HistoryCommand::Stats(args)) => stats::run(&context, &args),
        Some(HistoryCommand::Diff(args)) => diff::run(&context, &args),
    }
}

fn list(context: &Context, args: &HistoryListArgs) -> Outcome {
    let query = select::query(&args.filters, &context.zone, context.now)?;
    let wanted = if args.page.all { usize::MAX } else { args.page.limit };
    let mut before = args.before;
    let mut listing = Listing::new(context, args.page.json);
    while listing.shown < wanted {
        let limit = PAGE.min(wanted - listing.shown);
        let page = context.history.list(&query, before, limit).map_err(select::failed)?;
        page.rows.iter().take(limit).for_each(|row| listing.row(row));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    if listing.shown == 0 && wanted > 0 {
        return Err(select::nothing_selected(&*context.history, &args.filters, &context.zone, context.now));
    }
    if let Some(before) = before {
        let more = format_args!("more: add `--before {before}` for the next page, `--all` for everything");
        context.printer.say(format_args!("{DIM}{more}{DIM:#}"));
    }
    Ok(Exit::SUCCESS)
}

/// Prints rows, with a heading where the day or the session changes.
struct Listing<'a> {
    context: &'a Context,
    json: bool,
    width: Option<usize>,
    day: Option<jiff::civil::Date>,
    session: String,
    shown: usize,
}

impl<'a> Listing<'a> {
    fn new(context: &'a Context, json: bool) -> Self {
        let width = context.printer.width();
        Listing { context, json, width, day: None, session: String::new(), shown: 0 }
    }

    fn row(&mut self, row: &Row) {
        self.shown += 1;
        if self.json {
            return self.context.printer.json(&row_json(row));
        }
        let started = row.started_at.to_zoned(self.context.zone.clone());
        self.headings(started.date(), &row.session);
        self.context.printer.data(row_line(row, &started.strftime("%H:%M:%S").to_string(), self.width));
    }

    fn headings(&mut self, day: jiff::civil::Date, session: &str) {
        let printer = self.context.printer;
        let is_new_day = self.day != Some(day);
        if is_new_day {
            if self.day.is_some() {
                printer.data("");
            }
            let today = self.context.now.to_zoned(self.context.zone.clone()).date();
            let name = match today.since(day).map(|span| span.get_days()) {
                Ok(0) => ", today",
                Ok(1) => ", yesterday",
                _ => "",
            };
            printer.data(format_args!("{BOLD}{}{name}{BOLD:#}", day.strftime("%A %Y-%m-%d")));
            self.day = Some(day);
        }
        if is_new_day || self.session != session {
            printer.data(format_args!("{DIM}session {}{DIM:#}", clean(session)));
            session.clone_into(&mut self.session);
        }
    }
}

/// One line of the listing, cut to the terminal's width.
fn row_line(row: &Row, time: &str, width: Option<usize>) -> String {
    let (answer, style) = match row.status {
        Some(status) if row.outcome == "complete" => (status.to_string(), status_style(status)),
        _ => (row.outcome.clone(), if row.outcome == "relayed" { DIM } else { BAD }),
    };
    let start = format!("{:>7}  {time}  {:<7} ", row.number, clean(&row.method));
    let figures = format!(" {:>8}  {:>10}  ", duration(row.duration_us), size(row.response_bytes));
    let tags: String = row.tags.iter().map(|tag| format!("  #{tag}")).collect();
    let target = format!("{}{}{tags}", row.origin, row.target);
    let target = clean(&target).into_owned();
    let left = width.map(|width| width.saturating_sub(start.chars().count() + 11 + figures.chars().count()).max(20));
    let target = left.map_or_else(|| target.clone(), |left| cut(&target, left).into_owned());
    format!("{start}{style}{answer:<11}{style:#}{figures}{target}")
}

/// The colour of a status class.
fn status_style(status: u16) -> Style {
    match status {
        200..300 => GOOD,
        100..400 => Style::new(),
        400..500 => WARN,
        _ => BAD,
    }
}

/// A line of `--json`: stable names.
fn row_json(row: &Row) -> serde_json::Value {
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

fn days(context: &Context, filters: &FilterArgs, as_json: bool) -> Outcome {
    let query = select::query(filters, &context.zone, context.now)?;
    let days = context.history.days(&query, &context.zone).map_err(select::failed)?;
    if days.is_empty() {
        return Err(select::nothing_selected(&*context.history, filters, &context.zone, context.now));
    }
    let width = context.printer.width();
    for day in &days {
        if as_json {
            let hosts: Vec<_> = day.hosts.iter().map(|(host, count)| json!({"host": host, "count": count})).collect();
            context.printer.json(&json!({
                "day": day.name, "count": day.count, "hosts": hosts,
                "first": day.first.to_string(), "last": day.last.to_string(),
            }));
            continue;
        }
        let time = |at: Timestamp| at.to_zoned(context.zone.clone()).strftime("%H:%M").to_string();
        let mut hosts: Vec<String> =
            day.hosts.iter().take(HOSTS).map(|(host, count)| format!("{host} {count}")).collect();
        if day.hosts.len() > HOSTS {
            hosts.push(format!("and {} more", day.hosts.len() - HOSTS));
        }
        let hosts = clean(&hosts.join(", ")).into_owned();
        let hosts =
            width.map_or_else(|| hosts.clone(), |width| cut(&hosts, width.saturating_sub(36).max(20)).into_owned());
        let (first, last) = (time(day.first), time(day.last));
        context.printer.data(format_args!(
            "{BOLD}{}{BOLD:#}  {:>8}  {DIM}{first} to {last}{DIM:#}  {hosts}",
            clean(&day.name),
            day.count
        ));
    }
    Ok(Exit::SUCCESS)
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
        let line = plain(&row_line(&row(), "12:00:00", None));
        assert_eq!(
            line,
            "   1040  12:00:00  GET     404           1.5 ms     2.0 KiB  https://api.example.com/a\\u{1b}?b=1  #nightly"
        );
        let narrow = plain(&row_line(&row(), "12:00:00", Some(90)));
        assert!(narrow.chars().count() <= 90 && narrow.ends_with('…'), "{narrow}");
        let failed = Row { status: None, outcome: "failed".into(), ..row() };
        assert!(plain(&row_line(&failed, "12:00:00", None)).contains("  GET     failed "));
    }

    #[test]
    fn json_lines_have_the_members_of_the_design() {
        let value = row_json(&Row { status: None, ..row() });
        let members: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        for member in [
            "number",
            "id",
            "started_at",
            "session",
            "method",
            "url",
            "status",
            "outcome",
            "request_bytes",
            "response_bytes",
            "response_blake3",
            "duration_ms",
        ] {
            assert!(members.contains(&member), "{member}");
        }
        assert!(value["status"].is_null());
        assert_eq!(value["duration_ms"], 1.5);
    }
}
