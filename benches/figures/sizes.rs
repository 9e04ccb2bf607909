//! Replay by size: what a call costs with 10 to 100 000 stubs, by literal and by pattern paths, without the call log, as
//! a template, and by a JSON body among many scenarios of one stub. The tables and the plot go into `docs/`.

use std::path::Path;
use std::time::{Duration, Instant};

use super::docs;
use super::plot::{self, Curve};
use super::replay::{items, request, stub, write_collection, write_stubs};
use super::servers::{RETAKE, Started, cost, start, start_limit};
use super::table::Table;
use super::{limit, load, machine};

const LIMIT: &str = "the limit, µs";
const LITERAL: &str = "literal paths, µs";
const PATTERN: &str = "pattern paths, µs";
const QUIET: &str = "literal paths, hits unlogged, µs";
const TEMPLATE: &str = "templates, µs";
const GOAL: &str = "≤ 1.3, must ≤ 1.6";

/// How much is measured.
struct Effort {
    calls: usize,
    rounds: usize,
}

/// Takes all figures; unless `quick`, writes them into `docs/`.
pub fn costs(quick: bool) {
    let effort = if quick { Effort { calls: 16_000, rounds: 3 } } else { Effort { calls: 20_000, rounds: 5 } };
    let stubs: &[u64] = if quick { &[10, 1_000] } else { &[10, 1_000, 10_000, 100_000] };
    let scenarios: &[u64] = if quick { &[10, 1_000] } else { &[10, 100, 1_000] };
    let (by_stubs, beside, mut curves) = of_stubs(stubs, &effort);
    let by_body = of_scenarios(scenarios, &effort);
    let tables = format!("{by_stubs}\n{beside}\n{by_body}");
    println!("{tables}");
    if !quick {
        curves.sort_by_key(|curve| curve.name == LIMIT);
        let svg = plot::svg("What a call costs", "stubs served", "µs of CPU per call", &curves);
        docs::plot("replay-cost.svg", &svg);
        docs::figures("replay", &tables);
    }
}

/// The costs of a call by the number of stubs; what grows beside; and the costs as curves.
fn of_stubs(sizes: &[u64], effort: &Effort) -> (String, String, Vec<Curve>) {
    let mut costs = Table::new("CPU per call by stubs served", sizes);
    let mut beside = Table::new("beside it, by stubs served", sizes);
    for &size in sizes {
        let count = usize::try_from(size).expect("a number of stubs");
        let home = tempfile::tempdir().expect("a folder");
        let folder = |name: &str| home.path().join(name);
        write_collection(&folder("literal"), count, &items);
        write_stubs(&folder("pattern"), count, &|number| pattern_stub(number));
        write_stubs(&folder("template"), count, &|number| template_stub(number));
        let bare = start_limit(&["limit-server", &count.to_string()], home.path());
        let begun = Instant::now();
        let literal = replay(&folder("literal"), &[], home.path());
        let started = begun.elapsed();
        let quiet = replay(&folder("literal"), &["--call-log", "misses"], home.path());
        let pattern = replay(&folder("pattern"), &[], home.path());
        let template = replay(&folder("template"), &[], home.path());
        let at = |prefix: &'static str, end: &'static str| {
            move |number: usize| request(prefix, format!("{}{end}", number * 7919 % count))
        };
        let items = at("/items/", "");
        let patterned = at("/shops/west/items/", "/part-7");
        let taken = rounds(
            effort,
            &[
                (LIMIT, &bare, &items),
                (LITERAL, &literal, &items),
                (QUIET, &quiet, &items),
                (PATTERN, &pattern, &patterned),
                (TEMPLATE, &template, &items),
            ],
        );
        for (name, [figure, ratio]) in &taken {
            costs.add(name, if *name == LIMIT { "" } else { GOAL }, *figure);
            if *name != LIMIT {
                costs.add(&format!("… × the limit: {}", name.trim_end_matches(", µs")), GOAL, *ratio);
            }
        }
        beside.add("start, ms", "≤ 150 at 10 000", started.as_secs_f64() * 1e3);
        beside.add("peak memory, MiB", "≤ 48 at 10 000", machine::peak(&literal.child));
        beside.add("an edit of one file is served after, ms", "", edited(&folder("literal"), &literal));
        println!("{size} stubs were measured");
    }
    let curves = costs.curves(sizes).into_iter().filter(|curve| curve.name.ends_with("µs")).collect();
    (costs.markdown(), beside.markdown(), curves)
}

/// The costs of a call by its JSON body, by the number of scenarios of the one stub.
fn of_scenarios(sizes: &[u64], effort: &Effort) -> String {
    const INEXACT: &str = "… with a member that no scenario has, µs";
    let mut told = Table::new("CPU per POST of JSON, by scenarios of its one stub", sizes);
    for &size in sizes {
        let count = usize::try_from(size).expect("a number of scenarios");
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("search");
        write_stubs(&folder, 1, &|_| search_stub(count));
        let bare = start_limit(&["limit-server", &count.to_string()], home.path());
        let retake = replay(&folder, &[], home.path());
        let exact = |number: usize| post(&limit::search(number * 7919 % count));
        let inexact = |number: usize| post(&limit::search(number * 7919 % count).replacen('{', "{\"more\":1,", 1));
        let taken = rounds(effort, &[(LIMIT, &bare, &exact), ("found by its body, µs", &retake, &exact)]);
        for (name, [figure, ratio]) in &taken {
            told.add(name, "", *figure);
            if *name != LIMIT {
                told.add("… × the limit", GOAL, *ratio);
            }
        }
        let few = Effort { calls: effort.calls / 20, rounds: 3 };
        told.add(INEXACT, "", rounds(&few, &[(INEXACT, &retake, &inexact)])[0].1[0]);
    }
    told.markdown()
}

type Request<'a> = &'a (dyn Fn(usize) -> Vec<u8> + Sync);

/// Takes all costs in turn, round by round: medians, and the medians of their ratios to the first one.
fn rounds<'n>(effort: &Effort, of: &[(&'n str, &Started, Request<'_>)]) -> Vec<(&'n str, [f64; 2])> {
    let round = || -> Vec<f64> {
        of.iter().map(|(_, server, request)| cost(server, effort.calls, 200, &load::plain, request)).collect()
    };
    let rounds: Vec<Vec<f64>> = (0..effort.rounds).map(|_| round()).collect();
    let median = |at: usize, per: &dyn Fn(&[f64]) -> f64| {
        machine::median(rounds.iter().map(|round| round[at] / per(round)).collect())
    };
    of.iter()
        .enumerate()
        .map(|(at, (name, ..))| (*name, [median(at, &|_| 1.0), median(at, &|round| round[0])]))
        .collect()
}

/// Changes one stub file as an editor does; how long until that is served, in milliseconds.
fn edited(folder: &Path, server: &Started) -> f64 {
    let (file, beside) = (folder.join("stubs/get-5.json"), folder.join("stubs/.get-5.json"));
    let text = std::fs::read_to_string(&file).expect("a stub").replace("\"status\": 200", "\"status\": 203");
    let mut client = load::plain(server.address);
    let begun = Instant::now();
    std::fs::write(&beside, text).expect("a file");
    std::fs::rename(&beside, &file).expect("a file");
    while client.call(&request("/items/", "5")).expect("an answer").status != 203 {
        std::thread::sleep(Duration::from_millis(2));
        assert!(begun.elapsed() < Duration::from_secs(60), "the edit is served within a minute");
    }
    begun.elapsed().as_secs_f64() * 1e3
}

fn replay(folder: &Path, more: &[&str], home: &Path) -> Started {
    let arguments = [&["replay", folder.to_str().expect("a plain path"), "--listen", "127.0.0.1:0"], more].concat();
    start(RETAKE, &arguments, home)
}

fn pattern_stub(number: usize) -> String {
    let rules = r#""rules": [{"place": "path", "name": "shop", "action": "any"}, {"place": "path", "name": "part", "action": "any"}], "#;
    let body = limit::kibibyte(number);
    stub(
        "GET",
        "http://api.test",
        &format!("/shops/{{shop}}/items/{number}/{{part}}"),
        rules,
        &answer("ok", "", "", &body),
    )
}

fn template_stub(number: usize) -> String {
    let (begin, end) = (r#"{"id":"{{$pathSegments '1'}}","at":"{{$timestamp}}","guid":"{{$guid}}","fill":""#, "\"}");
    let body = format!("{begin}{}{end}", "x".repeat(1024 - begin.len() - end.len()));
    stub("GET", "http://api.test", &format!("/items/{number}"), "", &answer("ok", "", r#""template": true, "#, &body))
}

fn search_stub(scenarios: usize) -> String {
    let scenario = |number: usize| {
        let request = limit::search(number);
        let request = format!(r#""request": {{"media_type": "application/json", "body": {{"json": {request}}}}}, "#);
        answer(&format!("search-{number}"), &request, "", &limit::kibibyte(number))
    };
    let all: Vec<String> = (0..scenarios).map(scenario).collect();
    stub("POST", "http://api.test", "/search", "", &all.join(", "))
}

/// A scenario that answers 200 with a body of JSON.
fn answer(name: &str, request: &str, flags: &str, body: &str) -> String {
    format!(
        r#"{{"name": "{name}", {request}"response": {{"status": 200, {flags}"fields": ["content-type: application/json"], "body": {{"json": {body}}}}}}}"#
    )
}

fn post(body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST /search HTTP/1.1\r\nHost: api.test\r\nUser-Agent: bench\r\nAccept: */*\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
