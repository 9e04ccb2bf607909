//! What promotion costs, from ten thousand exchanges to a hundred thousand: `cargo bench --bench promotion`. Numbers
//! choose the sizes; `quick` takes one small size. Without words it takes all sizes, and writes table and plot into
//! `docs/performance.md` and beside it. The store and its measures are those of the history's bench.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod day;
#[path = "../history/docs.rs"]
mod docs;
#[path = "../history/measure.rs"]
#[allow(dead_code, reason = "shared with the history's bench")]
mod measure;
#[path = "../history/plot.rs"]
mod plot;
#[path = "../history/store.rs"]
#[allow(dead_code, reason = "shared with the history's bench")]
mod store;
#[path = "../history/table.rs"]
mod table;
#[path = "../history/traffic.rs"]
#[allow(dead_code, reason = "shared with the history's bench")]
mod traffic;

use std::path::Path;

use measure::Run;
use store::Folder;
use table::Table;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => all(&[10_000, 30_000, 100_000], true),
        words if words.contains(&"quick") => all(&[5_000], false),
        words => {
            // Words of other benches, when several are called at once, choose nothing here.
            let sizes: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
            all(&sizes, false);
        }
    }
}

/// Takes every figure at these sizes; `publish` writes table and plot into `docs/`.
fn all(sizes: &[u64], publish: bool) {
    if sizes.is_empty() {
        return;
    }
    let mut told = Table::new("promotion", sizes);
    let mut curves = Table::new("", sizes);
    for &count in sizes {
        println!("{count} exchanges");
        let folder = Folder::new("promotion", count);
        let (history, mocks) = (folder.0.join("store"), folder.0.join("day"));
        store::make(&history, count, day::exchange);
        let first = promote(&history, &mocks, count);
        let again = promote(&history, &mocks, count);
        let (stubs, scenarios) = made(&mocks);
        told.add("stubs", "", stubs);
        told.add("scenarios", "", scenarios);
        told.add("collection, MiB", "", measure::folder_bytes(&mocks) / measure::MIB);
        told.add("promoted, s", "≤ 20", first.ms / 1e3);
        told.add("promoted, exchanges/s", "", count as f64 / first.ms * 1e3);
        told.add("peak memory, MiB", "≤ 256", first.peak);
        told.add("promoted again, nothing new, s", "", again.ms / 1e3);
        told.add("peak memory of that, MiB", "", again.peak);
        curves.add("promoted, s", "", first.ms / 1e3);
        curves.add("promoted again, s", "", again.ms / 1e3);
        curves.add("peak memory, MiB", "", first.peak);
        curves.add("peak memory, again, MiB", "", again.peak);
    }
    println!("{}", told.markdown());
    if publish {
        let svg = plot::svg("What promotion costs", "exchanges promoted", "seconds, MiB", &curves.curves(sizes));
        docs::plot("promotion-cost.svg", &svg);
        docs::figures("promotion", &told.markdown());
    }
}

fn promote(history: &Path, mocks: &Path, count: u64) -> Run {
    let (numbers, into) = (format!("1-{count}"), mocks.to_str().expect("a folder with a plain name"));
    let run = measure::command(history, &["promote", &numbers, "--into", into]);
    println!("  {:>8.1} s, peak {:>6.1} MiB", run.ms / 1e3, run.peak);
    run
}

/// How many stubs and scenarios there are.
fn made(mocks: &Path) -> (f64, f64) {
    let loaded = retake::store::collections::load(mocks).expect("what was promoted can be loaded");
    let stubs = &loaded.collection.stubs;
    (stubs.len() as f64, stubs.iter().map(|file| file.stub.scenarios.len()).sum::<usize>() as f64)
}
