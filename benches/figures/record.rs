//! Recording against the limit: CPU time per request, plain and intercepted; the first byte; one large body; and the
//! history that came of it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::servers::{Compared, RETAKE, Started, alone, compare, cost, head, row, start, start_limit};
use super::{limit, load, machine};

fn recorder(home: &Path) -> Started {
    let ca = limit::certificate("ca.pem");
    let ca = ca.to_str().expect("a plain path");
    start(RETAKE, &["record", "--quiet", "--listen", "127.0.0.1:0", "--upstream-ca", ca], home)
}

/// The table of CPU time per recorded request, and what follows from the history that it leaves.
pub fn throughput(quick: bool) {
    let (calls, rounds) = if quick { (10_000, 3) } else { (30_000, 5) };
    let home = tempfile::tempdir().expect("a folder");
    let origin = start_limit(&["limit-origin"], home.path());
    let tls_origin = start_limit(&["limit-origin", "tls"], home.path());
    let bare = start_limit(&["limit-proxy"], home.path());
    let retake = recorder(home.path());
    head(&format!("record, CPU per request ({rounds} x {calls} calls)"), "µs");
    let request = |number: usize| {
        let host = origin.address;
        format!("GET http://{host}/items/{number} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
            .into_bytes()
    };
    let compared = compare(
        rounds,
        || cost(&bare, calls, 200, &load::plain, &request),
        || cost(&retake, calls, 200, &load::plain, &request),
    );
    row("  plain, 1 KiB of JSON", &compared, "<= 2, must <= 3");
    let port = tls_origin.address.port();
    let request = |number: usize| {
        format!("GET /items/{number} HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
            .into_bytes()
    };
    let measure = |server: &Started, ca: &Path| {
        let config = limit::trusting(ca);
        cost(server, calls, 200, &|address| load::tunnel(address, "localhost", port, &config), &request)
    };
    let compared = compare(
        rounds,
        || measure(&bare, &limit::certificate("ca.pem")),
        || measure(&retake, &home.path().join("retake/ca/ca.pem")),
    );
    row("  TLS intercepted, TLS upstream", &compared, "<= 2, must <= 3");
    first_byte(&origin, &bare, &retake, quick);
    println!();
    listings(home.path());
}

/// The median time to the first byte through a proxy, over one connection.
fn first_byte(origin: &Started, bare: &Started, retake: &Started, quick: bool) {
    let calls = if quick { 500 } else { 3_000 };
    let host = origin.address;
    let request = format!("GET http://{host}/items/1 HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let measure = |server: &Started| {
        let mut connection = load::plain(server.address);
        let mut call = || connection.call(request.as_bytes()).expect("an answer").first_byte.as_secs_f64() * 1e3;
        machine::median((0..calls).map(|_| call()).collect())
    };
    let compared = compare(3, || measure(bare), || measure(retake));
    let goal = format!("adds {:.2} ms, <= 0.3", compared.own - compared.limit);
    row("  first byte, median, ms", &compared, &goal);
}

/// What the history of the exchanges above answers while the recorder runs: the whole command, from its start.
fn listings(home: &Path) {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(RETAKE);
        command.args(arguments).env("XDG_DATA_HOME", home).env("XDG_CONFIG_HOME", home).env("HOME", home);
        let begun = Instant::now();
        let output = command.stdin(Stdio::null()).current_dir(home).output().expect("retake runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        (begun.elapsed().as_secs_f64() * 1e3, String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let newest = run(&["history", "list", "--limit", "1", "--json"]).1;
    let number = newest.split("\"number\":").nth(1).and_then(|rest| rest.split([',', '}']).next()).unwrap_or("1");
    let number = number.trim().to_owned();
    println!("history of {number} exchanges, the whole command while the recorder runs, median of 5");
    for (what, arguments) in [
        ("  a page", vec!["history", "list", "--json"]),
        ("  the days", vec!["history", "days", "--json"]),
        ("  the exchanges of one path", vec!["history", "list", "--json", "--path", "/items/7"]),
        ("  one exchange by number", vec!["history", "show", "1", "--json"]),
    ] {
        let took = machine::median((0..5).map(|_| run(&arguments).0).collect());
        alone(what, &format!("{took:.0} ms"), "<= 50 ms of a million");
    }
    println!();
}

/// What the disk takes at most: as many bytes written to a file, and nothing else done.
fn file_rate(home: &Path, length: usize) -> f64 {
    let mut file = std::fs::File::create(home.join("plain")).expect("a file");
    let piece = vec![7; 256 * 1024];
    let begun = Instant::now();
    for _ in 0..length / piece.len() {
        file.write_all(&piece).expect("room on the disk");
    }
    length as f64 / (1 << 20) as f64 / begun.elapsed().as_secs_f64()
}

/// One body of a gibibyte through the recorder: throughput and peak memory.
pub fn large(quick: bool) {
    let length: usize = if quick { 256 << 20 } else { 1 << 30 };
    let home = tempfile::tempdir().expect("a folder");
    let origin = start_limit(&["limit-origin"], home.path());
    let bare = start_limit(&["limit-proxy"], home.path());
    let retake = recorder(home.path());
    let host = origin.address;
    let request = format!("GET http://{host}/bytes/{length} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
    let rate = |server: &Started| {
        let begun = Instant::now();
        assert_eq!(load::plain(server.address).call(&request).expect("an answer").length, length);
        length as f64 / (1 << 20) as f64 / begun.elapsed().as_secs_f64()
    };
    head(&format!("one body of {} MiB recorded", length >> 20), "");
    let compared = compare(if quick { 1 } else { 3 }, || rate(&bare), || rate(&retake));
    row("  MiB a second", &compared, ">= 500");
    alone("  MiB a second, only written to a file", &format!("{:.0}", file_rate(home.path(), length)), "");
    let (limit, own) = (machine::peak(&bare.child), machine::peak(&retake.child));
    row("  peak memory, MiB", &Compared { limit, own, ratio: own / limit }, "<= 48");
    println!();
}
