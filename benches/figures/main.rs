//! The figures of `docs/performance.md`, as ratios taken side by side: `cargo bench`.
//!
//! The server runs on one core and the load on another; what counts is the CPU time of the server's process per
//! request, which hardly depends on what else the machine does. The limit is a bare hyper server that answers from a
//! hash map, or a bare hyper proxy that records nothing. Arguments choose: `cargo bench -- replay`, `-- record`,
//! `-- large`, `-- start`; `-- quick` takes a tenth of the calls.

mod limit;
mod load;
mod machine;
mod record;
mod replay;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        // What this program is when it starts itself as the limit.
        ["limit-server", stubs] => limit::server(stubs.parse().expect("a number of stubs")),
        ["limit-proxy"] => limit::proxy(),
        ["limit-origin"] => limit::origin(),
        words => figures(words),
    }
}

fn figures(words: &[&str]) {
    let quick = words.contains(&"quick");
    let chosen = |name: &str| words.iter().all(|word| *word == "quick") || words.contains(&name);
    println!("{}\n", machine::describe());
    if chosen("replay") {
        replay::throughput(quick);
    }
    if chosen("start") {
        replay::start(quick);
    }
    if chosen("record") {
        record::throughput(quick);
    }
    if chosen("large") {
        record::large(quick);
    }
}
