//! The figures: each query at each size, inside a process that has the store open, and as a whole command.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use retake::store::{History, Pattern, Query, open_for_reading};

use crate::measure::{self, Run};
use crate::plot::{self, Curve};
use crate::store::{self, Ingest};

/// One line of the table: what was asked, and ms at each size.
struct Line {
    name: &'static str,
    /// What the design asks for at a million, in ms.
    goal: Option<f64>,
    ms: Vec<f64>,
}

/// What is collected over the sizes.
#[derive(Default)]
struct Table {
    lines: Vec<Line>,
}

impl Table {
    fn add(&mut self, name: &'static str, goal: Option<f64>, ms: f64) {
        match self.lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.ms.push(ms),
            None => self.lines.push(Line { name, goal, ms: vec![ms] }),
        }
    }

    fn print(&self, sizes: &[u64]) {
        let heads: Vec<String> = sizes.iter().map(|size| format!("{size:>12}")).collect();
        println!("{:<44}{}{:>9}", "ms", heads.join(""), "goal");
        for line in &self.lines {
            let figures: Vec<String> = line.ms.iter().map(|ms| format!("{ms:>12.2}")).collect();
            let goal = line.goal.map(|goal| format!("{goal:>9.0}")).unwrap_or_default();
            println!("{:<44}{}{goal}", line.name, figures.join(""));
        }
        println!();
    }

    fn curves(&self, sizes: &[u64]) -> Vec<Curve> {
        let curve = |line: &Line| Curve {
            name: line.name.to_owned(),
            points: sizes.iter().map(|size| *size as f64).zip(line.ms.iter().copied()).collect(),
        };
        self.lines.iter().filter(|line| line.ms.len() == sizes.len()).map(curve).collect()
    }
}

/// Takes every figure at these sizes; `plots` writes them into `docs/`.
pub fn all(sizes: &[u64], plots: bool) {
    let (mut inside, mut commands) = (Table::default(), Table::default());
    let mut resident = Vec::new();
    for &count in sizes {
        let folder = Folder::new(count);
        let ingest = store::make(&folder.0, count);
        print_ingest(count, &ingest, &folder.0);
        resident = (1..).map(|part| part as f64 * count as f64 / 20.0).zip(ingest.resident).collect();
        rebuild(count, &folder.0);
        in_process(count, &folder.0, &mut inside);
        whole_commands(&folder.0, &mut commands);
    }
    if sizes.is_empty() {
        return;
    }
    println!("inside a process that has the store open");
    inside.print(sizes);
    println!("whole commands, start and opening of the store included");
    commands.print(sizes);
    if plots {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let cost = plot::svg("What a question costs", "exchanges in the history", "ms", &inside.curves(sizes));
        let memory = plot::svg(
            "Memory of the process that records",
            "exchanges recorded",
            "MiB resident",
            &[Curve { name: "generator and recorder".into(), points: resident }],
        );
        std::fs::write(docs.join("history-cost.svg"), cost).expect("docs/ can be written");
        std::fs::write(docs.join("history-memory.svg"), memory).expect("docs/ can be written");
        println!("docs/history-cost.svg and docs/history-memory.svg were written");
    }
}

/// A folder that goes with its store.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(count: u64) -> Self {
        Folder(std::env::temp_dir().join(format!("retake-bench-history-{count}-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn print_ingest(count: u64, ingest: &Ingest, folder: &Path) {
    let size = store::size(folder);
    let (rate, cpu) = (count as f64 / ingest.seconds, ingest.cpu / count as f64 * 1e6);
    println!(
        "{count} exchanges recorded in {:.1} s: {rate:.0}/s, {cpu:.1} µs of CPU each, making them up included",
        ingest.seconds
    );
    println!("  store: journal {:.1} MiB, bodies {:.1} MiB, index {:.1} MiB", size.journal, size.blobs, size.index);
    let quarter = ingest.resident.get(ingest.resident.len() / 4).copied().unwrap_or_default();
    let end = ingest.resident.last().copied().unwrap_or_default();
    println!("  memory: {quarter:.1} MiB after a quarter, {end:.1} MiB at the end");
}

/// Throws the index away and opens the store; once as a command too, for its memory.
fn rebuild(count: u64, folder: &Path) {
    forget_index(folder);
    let started = Instant::now();
    drop(open_for_reading(folder).expect("the store opens"));
    let seconds = started.elapsed().as_secs_f64();
    forget_index(folder);
    let peak = measure::command(folder, &["history", "list", "--limit", "1"]).peak;
    println!("  index rebuilt: {:.0} exchanges/s, peak memory {peak:.1} MiB\n", count as f64 / seconds);
}

fn forget_index(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("index") {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn in_process(count: u64, folder: &Path, table: &mut Table) {
    let opened = Instant::now();
    let history = open_for_reading(folder).expect("the store opens");
    table.add("open", None, opened.elapsed().as_secs_f64() * 1e3);
    let page = |query: Query, before: Option<u64>| {
        measure::median_ms(5, || drop(history.list(&query, before, 50).expect("a page")))
    };
    let all = Query::default;
    let middle = history.get(count / 2).expect("an exchange in the middle");
    let day = jiff::SignedDuration::from_hours(24);
    table.add("page, newest", Some(50.0), page(all(), None));
    table.add("page, from the middle", Some(50.0), page(all(), Some(count / 2)));
    table.add("page of a host", Some(50.0), page(Query { host: Some("api.video-edge.example".into()), ..all() }, None));
    table.add("page of a status", Some(50.0), page(Query { status: Some((401, 401)), ..all() }, None));
    let on_day = Query { since: Some(middle.started_at), until: Some(middle.started_at + day), ..all() };
    table.add("page of a day", Some(50.0), page(on_day, None));
    table.add("page of a tag", Some(50.0), page(Query { tag: Some("keep".into()), ..all() }, None));
    let nowhere = Query { path: Some("/v1/orders/*/nothing".into()), ..all() };
    table.add("path glob that nothing fits", None, page(nowhere, None));
    let zone = jiff::tz::TimeZone::UTC;
    table.add("days", Some(50.0), measure::median_ms(5, || drop(history.days(&all(), &zone).expect("the days"))));
    table.add("by number", Some(50.0), measure::median_ms(5, || drop(history.get(count / 2).expect("an exchange"))));
    let id = middle.id.to_string();
    for (name, selector) in [("by id", id.as_str()), ("by the end of an id", &id[id.len() - 8..])] {
        table.add(name, Some(50.0), measure::median_ms(5, || drop(history.resolve(selector).expect("one exchange"))));
    }
    search(count, &history, table);
}

fn search(count: u64, history: &Arc<dyn History>, table: &mut Table) {
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
        Some(200.0),
        measure::median_ms(3, || assert_eq!(run(&rare, 0), 1, "it is found")),
    );
    let started = Instant::now();
    run("nothing has this text", 0);
    let seconds = started.elapsed().as_secs_f64();
    table.add("search, in vain over all", None, seconds * 1e3);
    let bytes = decoded(history, count);
    println!("  search in vain: {:.0} MB/s of decoded text\n", bytes / seconds / 1e6);
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

fn whole_commands(folder: &Path, table: &mut Table) {
    let questions: [(&'static str, Option<f64>, &[&str]); 7] = [
        ("history list", None, &["history", "list"]),
        ("history days", None, &["history", "days"]),
        ("history show 1", None, &["history", "show", "1"]),
        ("history list --all --json", None, &["history", "list", "--all", "--json"]),
        ("history stats", Some(1500.0), &["history", "stats"]),
        ("history search, in vain", None, &["history", "search", "nothing has this text"]),
        ("history export", None, &["history", "export"]),
    ];
    for (name, goal, arguments) in questions {
        let Run { ms, peak, written } = measure::command(folder, arguments);
        table.add(name, goal, ms);
        println!("  {name:<40}{ms:>10.0} ms, peak {peak:>6.1} MiB, {:>8.1} MiB written", written as f64 / measure::MIB);
    }
    println!();
}
