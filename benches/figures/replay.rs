//! Replay against the limit: CPU time per request by the number of stubs; misses, start, memory, new TLS hosts.

use std::path::Path;
use std::time::Instant;

use super::servers::{Compared, RETAKE, Started, alone, compare, cost, head, row, start, start_limit};
use super::{limit, load, machine};

/// Writes a collection of `stubs` literal GET stubs with a kibibyte of JSON each; `place` is origin and path by number.
pub fn write_collection(folder: &Path, stubs: usize, place: &dyn Fn(usize) -> (String, String)) {
    let mut origins: Vec<String> = (0..stubs).map(|number| place(number).0).collect();
    origins.dedup();
    write(folder, stubs, &origins, &|number| {
        let (origin, path) = place(number);
        let body = limit::kibibyte(number);
        let scenario = format!(
            r#"{{"name": "ok", "response": {{"status": 200, "fields": ["content-type: application/json"], "body": {{"json": {body}}}}}}}"#
        );
        stub("GET", &origin, &path, "", &scenario)
    });
}

/// Writes a collection of one origin, `http://api.test`.
pub fn write_stubs(folder: &Path, stubs: usize, text: &dyn Fn(usize) -> String) {
    write(folder, stubs, &["http://api.test".to_owned()], text);
}

fn write(folder: &Path, stubs: usize, origins: &[String], text: &dyn Fn(usize) -> String) {
    let dir = folder.join("stubs");
    std::fs::create_dir_all(&dir).expect("a folder");
    let origins: Vec<String> = origins.iter().map(|origin| format!("\"{origin}\"")).collect();
    let manifest = format!(r#"{{"version": 1, "name": "bench", "origins": [{}]}}"#, origins.join(", "));
    std::fs::write(folder.join("collection.json"), manifest).expect("a file");
    for number in 0..stubs {
        std::fs::write(dir.join(format!("get-{number}.json")), text(number)).expect("a file");
    }
}

/// The text of a stub file.
pub fn stub(method: &str, origin: &str, path: &str, rules: &str, scenarios: &str) -> String {
    format!(
        r#"{{"version": 1, "method": "{method}", "origin": "{origin}", "path": "{path}", {rules}"scenarios": [{scenarios}]}}"#
    )
}

/// Where the stub of a number is.
pub fn items(number: usize) -> (String, String) {
    ("http://api.test".to_owned(), format!("/items/{number}"))
}

fn replay(folder: &Path, home: &Path) -> Started {
    start(RETAKE, &["replay", folder.to_str().expect("a plain path"), "--listen", "127.0.0.1:0"], home)
}

/// A GET of a path and what ends it.
pub fn request(path: &str, number: impl std::fmt::Display) -> Vec<u8> {
    format!("GET {path}{number} HTTP/1.1\r\nHost: api.test\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n").into_bytes()
}

/// The table of CPU time per request by the number of stubs.
pub fn throughput(quick: bool) {
    let (calls, rounds) = if quick { (40_000, 3) } else { (60_000, 5) };
    head(&format!("replay, CPU per request ({rounds} x {calls} calls)"), "µs");
    let sizes: &[usize] = if quick { &[10, 10_000] } else { &[10, 1_000, 10_000, 100_000] };
    let mut at_ten = None;
    for &stubs in sizes {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("bench");
        write_collection(&folder, stubs, &items);
        let bare = start_limit(&["limit-server", &stubs.to_string()], home.path());
        let retake = replay(&folder, home.path());
        let request = |number: usize| request("/items/", number * 7919 % stubs);
        let compared = compare(
            rounds,
            || cost(&bare, calls, 200, &load::plain, &request),
            || cost(&retake, calls, 200, &load::plain, &request),
        );
        let of_ten = compared.own / *at_ten.get_or_insert(compared.own);
        row(&format!("  {stubs} stubs ({of_ten:.2} of its own at 10)"), &compared, "<= 1.3, must <= 1.6");
        if stubs == 10_000 {
            memory(&bare, &retake);
            miss(&retake, quick);
        }
    }
    println!();
}

fn memory(bare: &Started, retake: &Started) {
    let (limit, own) = (machine::peak(&bare.child), machine::peak(&retake.child));
    row("  peak memory at 10 000 stubs, MiB", &Compared { limit, own, ratio: own / limit }, "<= 48");
}

/// What a miss costs: the report, as answered, logged and counted. Of a path that is not served, and of a query that no
/// scenario of the path has.
fn miss(retake: &Started, quick: bool) {
    let calls = if quick { 800 } else { 8_000 };
    for (what, begins) in [("path", "/item/"), ("query", "/items/7?page=")] {
        let cost = cost(retake, calls, 501, &load::plain, &|number| request(begins, number));
        let line = format!("  a miss and its report at 10 000 stubs: {what}");
        alone(&line, &format!("{:.2} ms", cost / 1e3), "<= 5 ms");
    }
}

/// Start to first answer at ten thousand stubs.
pub fn starting(quick: bool) {
    head("start to first answer, wall clock", "ms");
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("bench");
    write_collection(&folder, 10_000, &items);
    let timed = |start: &dyn Fn() -> Started| {
        let begun = Instant::now();
        let server = start();
        assert_eq!(load::plain(server.address).call(&request("/items/", 1)).expect("an answer").status, 200);
        begun.elapsed().as_secs_f64() * 1e3
    };
    let compared = compare(
        if quick { 3 } else { 9 },
        || timed(&|| start_limit(&["limit-server", "10000"], home.path())),
        || timed(&|| replay(&folder, home.path())),
    );
    row("  10 000 stubs, one core", &compared, "<= 150 ms");
    println!();
}

/// A CONNECT, a leaf made, a handshake and one GET, for many new hosts.
pub fn new_hosts(quick: bool) {
    let hosts = if quick { 200 } else { 1_000 };
    let rounds = if quick { 2 } else { 5 };
    head(&format!("a new TLS host, CPU ({rounds} x {hosts} hosts)"), "ms");
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("bench");
    write_collection(&folder, hosts * rounds, &|number| (format!("https://host-{number}.test"), "/".to_owned()));
    let bare = start_limit(&["limit-proxy"], home.path());
    let retake = replay(&folder, home.path());
    let visit = |server: &Started, ca: &Path, round: usize| {
        let config = limit::trusting(ca);
        let before = machine::cpu(&server.child);
        for number in round * hosts..(round + 1) * hosts {
            let host = format!("host-{number}.test");
            let mut connection = load::tunnel(server.address, &host, 443, &config);
            let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(connection.call(request.as_bytes()).expect("an answer").status, 200);
        }
        (machine::cpu(&server.child) - before) * 1e3 / hosts as f64
    };
    let (mut first, mut second) = (0.., 0..);
    let compared = compare(
        rounds,
        || visit(&bare, &limit::certificate("ca.pem"), first.next().unwrap_or(0)),
        || visit(&retake, &home.path().join("retake/ca/ca.pem"), second.next().unwrap_or(0)),
    );
    row("  CONNECT, leaf made, handshake, one GET", &compared, "<= 1.2");
    println!();
}
