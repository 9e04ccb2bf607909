//! What the history costs, from ten thousand exchanges to a million: `cargo bench --bench history`. Numbers choose the
//! sizes; `make DIR N` only fills a store; `quick` takes one small size. Without words it takes all sizes, and writes
//! tables and plots into `docs/performance.md` and beside it. Nothing here needs a network.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod docs;
mod figures;
mod measure;
mod plot;
mod store;
mod table;
mod traffic;

use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["make", dir, count] => {
            let made = store::make(Path::new(dir), count.parse().expect("a number of exchanges"), traffic::exchange);
            println!("{count} exchanges in {:.1} s", made.seconds);
        }
        [] => figures::all(&[10_000, 100_000, 1_000_000], true),
        words if words.contains(&"quick") => figures::all(&[5_000], false),
        words => {
            // Words of other benches, when several are called at once, choose nothing here.
            let sizes: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
            figures::all(&sizes, false);
        }
    }
}
