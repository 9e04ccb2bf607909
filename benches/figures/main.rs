//! The figures of `docs/performance.md`, as ratios taken side by side: `cargo bench`.
//!
//! The servers run on one core and the load on another; what counts is the CPU time of the server's process per
//! request, which hardly depends on what else the machine does. The limit is a bare hyper server that answers from a
//! hash map, or a bare hyper proxy that records nothing. Words choose among the figures, `cargo bench -- replay start
//! hosts misses record durability large sizes`; `quick` takes fewer calls of each. Those of `sizes` are written into `docs/`,
//! unless they are quick ones.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "../history/docs.rs"]
mod docs;
mod durability;
mod limit;
mod load;
mod machine;
mod misses;
#[path = "../history/plot.rs"]
mod plot;
mod record;
mod replay;
mod servers;
mod sizes;
#[path = "../history/table.rs"]
mod table;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        // What this program is when it starts itself as the limit.
        ["limit-server", stubs] => limit::server(stubs.parse().expect("a number of stubs")),
        ["limit-proxy"] => limit::proxy(),
        ["limit-origin"] => limit::origin(false),
        ["limit-origin", "tls"] => limit::origin(true),
        words => figures(words),
    }
}

fn figures(words: &[&str]) {
    let quick = words.contains(&"quick");
    let chosen = |name: &str| words.iter().all(|word| *word == "quick") || words.contains(&name);
    println!("{}\n", machine::describe());
    machine::pin(1);
    type Take = fn(bool);
    let tables: [(&str, Take); 8] = [
        ("replay", replay::throughput),
        ("misses", misses::large),
        ("start", replay::starting),
        ("hosts", replay::new_hosts),
        ("record", record::throughput),
        ("durability", durability::waiting),
        ("large", record::large),
        ("sizes", sizes::costs),
    ];
    tables.iter().filter(|(name, _)| chosen(name)).for_each(|(_, take)| take(quick));
}
