//! `retake history stats`: what was called, how it went, and what takes the space.

mod count;
mod figures;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Context;
use super::edit::span;
use crate::cli::args::HistoryStatsArgs;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::output::{BOLD, DIM};
use crate::report::exchange::{duration, size};
use crate::report::terminal::{clean, cut};
use crate::store::{HistoryError, Row, Usage};
use count::Counter;
use figures::Figures;

/// Days that the text shows as a row of bars.
const BARS: usize = 60;

pub(super) fn run(context: &Context, args: &HistoryStatsArgs) -> Outcome {
    let selection = context.selection(&args.select)?;
    let mut stats = Stats::default();
    for row in selection.rows(&*context.history, None, usize::MAX, context.printer) {
        stats.add(&row?);
    }
    let Some(times) = stats.span else { return Err(context.nothing_selected(&args.select)) };
    // The days come from the index; those of a text search would mean to search twice.
    let days = match selection.text {
        None => context.history.days(&selection.query, &context.zone).map_err(crate::cli::select::failed)?,
        Some(_) => Vec::new(),
    };
    let days: Vec<(String, u64)> = days.into_iter().rev().map(|day| (day.name, day.count)).collect();
    let usage = match context.history.usage() {
        Ok(usage) => Some(usage),
        Err(HistoryError::Unsupported(_)) => None,
        Err(error) => return Err(crate::cli::select::failed(error)),
    };
    if args.json {
        context.printer.json(&stats.json(args.top, times, &days, usage.as_ref()));
    } else {
        Text { context, width: context.printer.width().unwrap_or(usize::MAX) }.print(
            &stats,
            args.top,
            times,
            &days,
            usage.as_ref(),
        );
    }
    Ok(Exit::SUCCESS)
}

/// All that is counted, in memory that does not grow with the history.
#[derive(Default)]
struct Stats {
    exchanges: u64,
    span: Option<(Timestamp, Timestamp)>,
    hosts: Counter,
    methods: Counter,
    answers: Counter,
    types: Counter,
    endpoints: Counter,
    durations: Figures,
    sizes: Figures,
    request_bytes: u64,
}

impl Stats {
    fn add(&mut self, row: &Row) {
        self.exchanges += 1;
        let at = row.started_at;
        self.span = Some(self.span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        self.durations.add(row.duration_us);
        self.sizes.add(row.response_bytes);
        self.request_bytes = self.request_bytes.saturating_add(row.request_bytes);
        self.hosts.add(row.origin.host(), row);
        self.methods.add(&row.method, row);
        self.answers.add(answer(row), row);
        self.types.add(if row.media_type.is_empty() { "none" } else { &row.media_type }, row);
        let path = row.target.split_once('?').map_or(row.target.as_str(), |(path, _)| path);
        self.endpoints.add_joined(&[&row.method, " ", row.origin.host(), path], row);
    }

    fn json(&self, top: usize, times: (Timestamp, Timestamp), days: &[(String, u64)], usage: Option<&Usage>) -> Value {
        json!({
            "exchanges": self.exchanges,
            "first": times.0.to_string(),
            "last": times.1.to_string(),
            "request_bytes": self.request_bytes,
            "response_bytes": self.sizes.sum(),
            "duration_ms": self.durations.json(1000.0),
            "response_size": self.sizes.json(1.0),
            "hosts": self.hosts.json(top),
            "methods": self.methods.json(top),
            "answers": self.answers.json(top),
            "types": self.types.json(top),
            "slowest": self.endpoints.json_by(top, count::Tally::mean_us),
            "largest": self.endpoints.json_by(top, |tally| tally.bytes),
            "days": days.iter().map(|(day, count)| json!({"day": day, "count": count})).collect::<Vec<_>>(),
            "space": usage,
        })
    }
}

/// `2xx`, or the outcome of what has no whole answer.
fn answer(row: &Row) -> &str {
    match row.status {
        Some(100..200) if row.outcome == "complete" => "1xx",
        Some(200..300) if row.outcome == "complete" => "2xx",
        Some(300..400) if row.outcome == "complete" => "3xx",
        Some(400..500) if row.outcome == "complete" => "4xx",
        Some(500..600) if row.outcome == "complete" => "5xx",
        _ => &row.outcome,
    }
}

/// The statistics for people.
struct Text<'a> {
    context: &'a Context,
    width: usize,
}

impl Text<'_> {
    fn print(
        &self,
        stats: &Stats,
        top: usize,
        times: (Timestamp, Timestamp),
        days: &[(String, u64)],
        usage: Option<&Usage>,
    ) {
        let printer = self.context.printer;
        let exchanges = super::edit::exchanges(stats.exchanges);
        printer.data(format_args!("{BOLD}{exchanges}{BOLD:#}  {}", span(self.context, times)));
        if days.len() > 1 {
            printer.data(format_args!("{}  {DIM}{}{DIM:#}", figures::bars(days, BARS), caption(days)));
        }
        let (times, sizes) = (&stats.durations, &stats.sizes);
        let [p50, p95, most] = [times.at(0.5), times.at(0.95), times.most()].map(duration);
        printer.data(format_args!("durations  half within {p50}, 95 % within {p95}, the longest {most}"));
        let [p50, p95, most] = [sizes.at(0.5), sizes.at(0.95), sizes.most()].map(size);
        printer.data(format_args!("responses  half within {p50}, 95 % within {p95}, the largest {most}"));
        printer.data(format_args!("bodies     {} sent, {} received", size(stats.request_bytes), size(sizes.sum())));
        for (title, counter) in
            [("hosts", &stats.hosts), ("methods", &stats.methods), ("answers", &stats.answers), ("types", &stats.types)]
        {
            self.table(title, &counter.top(top, |tally| tally.count), counter.left(top, |tally| tally.count));
        }
        let slowest = stats.endpoints.top(top, count::Tally::mean_us);
        self.title("slowest endpoints, by their mean");
        for (name, tally) in &slowest {
            let (mean, count) = (duration(tally.mean_us()), tally.count);
            self.line(&format!("{mean:>10}  {DIM}{count:>8} ×{DIM:#}  "), 24, name);
        }
        self.title("largest endpoints, by all they answered");
        for (name, tally) in &stats.endpoints.top(top, |tally| tally.bytes) {
            self.line(&format!("{:>10}  {DIM}{:>8} ×{DIM:#}  ", size(tally.bytes), tally.count), 24, name);
        }
        if let Some(note) = stats.endpoints.note() {
            printer.data(format_args!("{DIM}{note}{DIM:#}"));
        }
        if let Some(usage) = usage {
            self.space(usage);
        }
    }

    fn title(&self, title: &str) {
        self.context.printer.data(format_args!("\n{BOLD}{title}{BOLD:#}"));
    }

    fn columns(&self, names: &str) {
        self.context.printer.data(format_args!("{DIM}{names}{DIM:#}"));
    }

    fn line(&self, start: &str, taken: usize, name: &str) {
        let name = clean(name).into_owned();
        let left = self.width.saturating_sub(taken).max(20);
        self.context.printer.data(format_args!("{start}{}", cut(&name, left)));
    }

    fn table(&self, title: &str, rows: &[(&str, count::Tally)], others: Option<(u64, count::Tally)>) {
        self.title(title);
        self.columns("     calls   responses       mean");
        let figures = |tally: &count::Tally| {
            format!("{:>10}  {:>10}  {:>9}  ", tally.count, size(tally.bytes), duration(tally.mean_us()))
        };
        for (name, tally) in rows {
            self.line(&figures(tally), 35, name);
        }
        if let Some((names, tally)) = others {
            let name = if names == 0 { "others".to_owned() } else { format!("{names} others") };
            self.line(&figures(&tally), 35, &name);
        }
    }

    fn space(&self, usage: &Usage) {
        self.title("space on disk, of the whole history");
        let parts = [
            ("journal", usage.journal, plural(usage.segments, "segment")),
            ("bodies", usage.blobs, plural(usage.blob_files, "file")),
            ("index", usage.index, "derived from the journal".to_owned()),
            ("call logs", usage.runs, "of replays".to_owned()),
            ("quarantine", usage.quarantine, "damaged things kept aside".to_owned()),
            ("other", usage.other, "settings of the store".to_owned()),
        ];
        for (name, bytes, note) in parts.iter().filter(|(_, bytes, _)| *bytes > 0) {
            self.context.printer.data(format_args!("{:>10}  {name:<10}  {DIM}{note}{DIM:#}", size(*bytes)));
        }
        let all: u64 = parts.iter().map(|(_, bytes, _)| bytes).sum();
        self.context.printer.data(format_args!("{:>10}  in all", size(all)));
    }
}

fn plural(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// `2026-11-01 to 2026-11-20, at most 312 a day`
fn caption(days: &[(String, u64)]) -> String {
    let most = days.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let shown = &days[days.len().saturating_sub(BARS)..];
    let (first, last) = (shown.first().map_or("", |day| &day.0), shown.last().map_or("", |day| &day.0));
    format!("days with exchanges, {} to {}, at most {most} a day", clean(first), clean(last))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::args::HistoryStatsArgs;
    use crate::cli::testing::{Fake, context, row};

    #[test]
    fn everything_is_counted() {
        let mut stats = Stats::default();
        for number in 1..=100 {
            let mut row = row(number);
            row.target = format!("/items/{}?page={number}", number % 4);
            if number % 10 == 0 {
                row.status = Some(503);
            }
            if number == 50 {
                (row.status, row.outcome, row.media_type) = (None, "failed".into(), String::new());
            }
            stats.add(&row);
        }
        let times = stats.span.unwrap();
        let value = stats.json(2, times, &[("2026-11-20".into(), 100)], Some(&Usage::default()));
        assert_eq!(value["exchanges"], 100);
        assert_eq!(value["first"], "2026-11-20T11:00:01Z");
        assert_eq!(value["response_bytes"], 5050);
        assert_eq!(
            value["hosts"]["top"][0],
            json!({
                "name": "api.example.com", "count": 100, "response_bytes": 5050, "mean_ms": 50.5, "max_ms": 100.0
            })
        );
        let named = |table: &str| -> Vec<(String, u64)> {
            let rows = value[table]["top"].as_array().unwrap().iter();
            rows.map(|row| (row["name"].as_str().unwrap().to_owned(), row["count"].as_u64().unwrap())).collect()
        };
        assert_eq!(named("answers"), [("2xx".to_owned(), 90), ("5xx".to_owned(), 9)]);
        assert_eq!(value["answers"]["others"]["count"], 1);
        assert_eq!(named("types"), [("application/json".to_owned(), 99), ("none".to_owned(), 1)]);
        assert_eq!(named("largest")[0], ("GET api.example.com/items/0".to_owned(), 25));
        let p95 = value["duration_ms"]["p95"].as_f64().unwrap();
        assert!((93.0..=98.0).contains(&p95), "{p95}");
    }

    #[test]
    fn nothing_selected_is_told() {
        let context = context(Arc::new(Fake::new([])));
        let args = HistoryStatsArgs { select: Default::default(), top: 10, json: true };
        assert_eq!(run(&context, &args).unwrap_err().exit.0, 2);
    }
}
