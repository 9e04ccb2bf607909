//! The figures: each query at each size, inside a process that has the store open, and as a whole command.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use retake::store::{History, Pattern, Query, open_for_reading};

use crate::docs;
use crate::measure::{self, Run};
use crate::plot::{self, Curve};
use crate::store::{self, Folder, Ingest};
use crate::table::Table;
use crate::traffic;

/// What is collected over the sizes.
struct Report {
    stores: Table,
    inside: Table,
    commands: Table,
    peaks: Table,
}

impl Report {
    fn new(sizes: &[u64]) -> Self {
        let of = |title: &str| Table::new(title, sizes);
        Report {
            stores: of("the store"),
            inside: of("ms inside a process that has the store open, median"),
            commands: of("ms of a whole command, its start and the opening of the store included"),
            peaks: of("peak memory of a whole command, MiB"),
        }
    }

    fn text(&self) -> String {
        [&self.stores, &self.inside, &self.commands, &self.peaks].map(Table::markdown).join("\n")
    }
}

/// Takes every figure at these sizes; `docs` writes plots and tables into `docs/`.
pub fn all(sizes: &[u64], docs: bool) {
    if sizes.is_empty() {
        return;
    }
    let mut report = Report::new(sizes);
    let mut resident = Vec::new();
    for &count in sizes {
        println!("{count} exchanges");
        let folder = Folder::new("history", count);
        let ingest = store::make(&folder.0, count, traffic::exchange);
        recorded(count, &ingest, &folder.0, &mut report.stores);
        resident = (1..).map(|part| part as f64 * count as f64 / 20.0).zip(ingest.resident).collect();
        rebuild(count, &folder.0, &mut report.stores);
        in_process(count, &folder.0, &mut report);
        whole_commands(&folder.0, &mut report);
    }
    println!("{}", report.text());
    if docs {
        write(&report, sizes, resident);
    }
}

fn write(report: &Report, sizes: &[u64], resident: Vec<(f64, f64)>) {
    let cost = plot::svg("What a question costs", "exchanges in the history", "ms", &report.inside.curves(sizes));
    let memory = plot::svg(
        "Memory of the process that records",
        "exchanges recorded",
        "MiB resident",
        &[Curve { name: "generator and recorder".into(), points: resident }],
    );
    docs::plot("history-cost.svg", &cost);
    docs::plot("history-memory.svg", &memory);
    docs::figures("history", &report.text());
}

fn recorded(count: u64, ingest: &Ingest, folder: &Path, table: &mut Table) {
    let size = store::size(folder);
    let at = |part: usize| ingest.resident.get(part).copied().unwrap_or_default();
    table.add("recorded, exchanges/s", "", count as f64 / ingest.seconds);
    table.add("CPU each, µs, making them up included", "", ingest.cpu / count as f64 * 1e6);
    table.add("journal, MiB", "", size.journal);
    table.add("bodies, MiB", "", size.blobs);
    table.add("index, MiB", "", size.index);
    table.add("memory while recording, after a quarter, MiB", "", at(ingest.resident.len() / 4));
    table.add("memory while recording, at the end, MiB", "flat", at(ingest.resident.len().saturating_sub(1)));
}

/// Throws the index away and opens the store; once as a command too, for its memory.
fn rebuild(count: u64, folder: &Path, table: &mut Table) {
    forget_index(folder);
    let started = Instant::now();
    drop(open_for_reading(folder).expect("the store opens"));
    let seconds = started.elapsed().as_secs_f64();
    forget_index(folder);
    let peak = measure::command(folder, &["history", "list", "--limit", "1"]).peak;
    table.add("index rebuilt, exchanges/s", "≥ 200 000", count as f64 / seconds);
    table.add("peak memory of rebuilding, MiB", "", peak);
}

fn forget_index(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("index") {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn in_process(count: u64, folder: &Path, report: &mut Report) {
    let table = &mut report.inside;
    let opened = Instant::now();
    let history = open_for_reading(folder).expect("the store opens");
    table.add("open", "", opened.elapsed().as_secs_f64() * 1e3);
    let page = |query: Query, before: Option<u64>| {
        measure::median_ms(5, || drop(history.list(&query, before, 50).expect("a page")))
    };
    let all = Query::default;
    let middle = history.get(count / 2).expect("an exchange in the middle");
    let day = jiff::SignedDuration::from_hours(24);
    table.add("page, newest", "≤ 50", page(all(), None));
    table.add("page, from the middle", "≤ 50", page(all(), Some(count / 2)));
    table.add("page of a host", "≤ 50", page(Query { host: Some("api.video-edge.example".into()), ..all() }, None));
    table.add("page of a status", "≤ 50", page(Query { status: Some((401, 401)), ..all() }, None));
    let on_day = Query { since: Some(middle.started_at), until: Some(middle.started_at + day), ..all() };
    table.add("page of a day", "≤ 50", page(on_day, None));
    table.add("page of a tag", "≤ 50", page(Query { tag: Some("keep".into()), ..all() }, None));
    let nowhere = Query { path: Some("/v1/orders/*/nothing".into()), ..all() };
    table.add("path glob that nothing fits", "≤ 50", page(nowhere, None));
    let zone = jiff::tz::TimeZone::UTC;
    table.add("days", "≤ 50", measure::median_ms(5, || drop(history.days(&all(), &zone).expect("the days"))));
    table.add("by number", "≤ 50", measure::median_ms(5, || drop(history.get(count / 2).expect("an exchange"))));
    let id = middle.id.to_string();
    for (name, selector) in [("by id", id.as_str()), ("by the end of an id", &id[id.len() - 8..])] {
        table.add(name, "≤ 50", measure::median_ms(5, || drop(history.resolve(selector).expect("one exchange"))));
    }
    search(count, &history, report);
}

fn search(count: u64, history: &Arc<dyn History>, report: &mut Report) {
    let table = &mut report.inside;
    let run = |text: &str, until: u64| {
        let pattern = Pattern { text: text.to_owned(), regex: false, case_sensitive: false };
        let mut before = None;
        let mut hits = 0;
        loop {
            let found = history.search(&Query::default(), &pattern, before, 1, &|| false).expect("a search");
            hits += found.hits.len();
            before = found.next;
            if hits > 0 || before.is_none_or(|before| before <= until) {
                return hits;
            }
        }
    };
    // What only one exchange has, a little before the oldest of the newest ten thousand.
    let far = count.saturating_sub(9_900).max(1);
    let rare = format!("{far:032x}");
    table.add(
        "search, a hit 9 900 exchanges back",
        "≤ 200",
        measure::median_ms(3, || assert_eq!(run(&rare, 0), 1, "it is found")),
    );
    let started = Instant::now();
    run("nothing has this text", 0);
    let seconds = started.elapsed().as_secs_f64();
    table.add("search, in vain over all", "", seconds * 1e3);
    let bytes = decoded(history, count);
    report.stores.add("search in vain, MB/s of decoded text on one core", "≥ 300", bytes / seconds / 1e6);
}

/// Bytes of text that a search looks at, estimated from five hundred exchanges spread over the history.
fn decoded(history: &Arc<dyn History>, count: u64) -> f64 {
    let step = (count / 500).max(1);
    let (mut bytes, mut looked) = (0, 0u64);
    for number in (1..=count).step_by(step as usize) {
        let Ok(exchange) = history.get(number) else { continue };
        looked += 1;
        bytes += exchange.request.url().len() + exchange.request.fields.iter().map(line).sum::<usize>();
        bytes += exchange.request.body.size as usize;
        let Some(response) = exchange.outcome.response() else { continue };
        bytes += response.fields.iter().map(line).sum::<usize>();
        if response.fields.text("content-type").is_some_and(|value| value.starts_with("application/json")) {
            bytes += text_size(&response.body, response.fields.has("content-encoding"));
        }
    }
    bytes as f64 / looked.max(1) as f64 * count as f64
}

fn line(field: &retake::model::Field) -> usize {
    field.name.len() + field.value.len() + 2
}

fn text_size(body: &retake::model::Body, coded: bool) -> usize {
    let retake::model::BodyContent::Inline(bytes) = &body.content else { return 0 };
    if !coded {
        return bytes.len();
    }
    let mut plain = Vec::new();
    let read = std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes.as_slice()), &mut plain);
    read.unwrap_or(0)
}

fn whole_commands(folder: &Path, report: &mut Report) {
    let questions: [(&str, &str, &str, &[&str]); 7] = [
        ("history list", "≤ 50", "≤ 128", &["history", "list"]),
        ("history days", "≤ 50", "", &["history", "days"]),
        ("history show 1", "≤ 50", "", &["history", "show", "1"]),
        ("history list --all --json", "", "≤ 128", &["history", "list", "--all", "--json"]),
        ("history stats", "≤ 1500", "", &["history", "stats"]),
        ("history search, in vain", "", "≤ 128", &["history", "search", "nothing has this text"]),
        ("history export", "", "≤ 128", &["history", "export"]),
    ];
    for (name, goal, peak_goal, arguments) in questions {
        let Run { ms, peak, written } = measure::command(folder, arguments);
        report.commands.add(name, goal, ms);
        report.peaks.add(name, peak_goal, peak);
        println!("  {name:<40}{ms:>10.0} ms, peak {peak:>6.1} MiB, {:>8.1} MiB written", written as f64 / measure::MIB);
    }
    println!();
}
