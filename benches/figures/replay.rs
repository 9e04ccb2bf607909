//! Replay against the limit: CPU time per request, by the number of stubs; start and memory.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::{limit, load, machine};

/// A server that this program started; killed when dropped.
pub struct Started {
    pub child: Child,
    pub address: SocketAddr,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a command on the server's core, and waits for the URL that it prints.
pub fn start_server(program: &str, arguments: &[&str], home: &Path) -> Started {
    let mut command = machine::on_server_core(program);
    command.args(arguments).env("XDG_DATA_HOME", home).env("XDG_CONFIG_HOME", home).env("HOME", home).current_dir(home);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a server");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let address = line.trim().trim_start_matches("http://").parse().unwrap_or_else(|_| panic!("no URL: {line:?}"));
    Started { child, address }
}

/// This program, as the limit.
pub fn start_limit(arguments: &[&str], home: &Path) -> Started {
    let own = std::env::current_exe().expect("this program");
    start_server(own.to_str().expect("a plain path"), arguments, home)
}

/// The binary under measurement.
pub const RETAKE: &str = env!("CARGO_BIN_EXE_retake");

/// Writes a collection of `stubs` literal GET stubs with a kibibyte of JSON each.
pub fn write_collection(folder: &Path, stubs: usize) {
    let dir = folder.join("stubs/api.test");
    std::fs::create_dir_all(&dir).expect("a folder");
    std::fs::write(
        folder.join("collection.json"),
        r#"{"version": 1, "name": "bench", "origins": ["http://api.test"]}"#,
    )
    .expect("a file");
    for number in 0..stubs {
        let body = limit::kibibyte(number);
        let stub = format!(
            r#"{{"version": 1, "method": "GET", "origin": "http://api.test", "path": "/items/{number}", "scenarios": [{{"name": "ok", "response": {{"status": 200, "fields": ["content-type: application/json"], "body": {{"json": {body}}}}}}}]}}"#
        );
        std::fs::write(dir.join(format!("get-items-{number}.json")), stub).expect("a file");
    }
}

/// CPU microseconds per request of a server under load.
pub fn cost(server: &Started, calls: usize, request: &(dyn Fn(usize) -> Vec<u8> + Sync)) -> f64 {
    let connections = || (0..8).map(|_| load::Connection::new(load::connect(server.address))).collect::<Vec<_>>();
    load::run(connections(), calls / 10, request);
    let before = machine::used(&server.child);
    let made = load::run(connections(), calls, request);
    (machine::used(&server.child).cpu - before.cpu) * 1e6 / made as f64
}

fn request(number: usize, stubs: usize) -> Vec<u8> {
    format!(
        "GET /items/{} HTTP/1.1\r\nHost: api.test\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n",
        number * 7919 % stubs
    )
    .into_bytes()
}

/// The table of CPU time per request by the number of stubs.
pub fn throughput(quick: bool) {
    machine::pin(1);
    let calls = if quick { 20_000 } else { 200_000 };
    let rounds = if quick { 1 } else { 5 };
    println!("replay, CPU per request (1 KiB of JSON, 8 connections, keep-alive, {calls} calls, median of {rounds})");
    println!("{:>8}  {:>9}  {:>9}  {:>6}", "stubs", "limit µs", "retake µs", "ratio");
    for stubs in [10, 1_000, 10_000, 100_000] {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("bench");
        write_collection(&folder, stubs);
        let bare = start_limit(&["limit-server", &stubs.to_string()], home.path());
        let retake = start_server(
            RETAKE,
            &["replay", folder.to_str().expect("a plain path"), "--listen", "127.0.0.1:0"],
            home.path(),
        );
        let (mut limits, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let limit = cost(&bare, calls, &|number| request(number, stubs));
            let own = cost(&retake, calls, &|number| request(number, stubs));
            limits.push(limit);
            ours.push(own);
            ratios.push(own / limit);
        }
        println!(
            "{stubs:>8}  {:>9.2}  {:>9.2}  {:>6.2}",
            machine::median(limits),
            machine::median(ours),
            machine::median(ratios)
        );
    }
    println!();
}

/// Start to first answer, and memory, at ten thousand stubs.
pub fn start(quick: bool) {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("bench");
    write_collection(&folder, 10_000);
    let path = folder.to_str().expect("a plain path").to_owned();
    let mut times = Vec::new();
    let mut peak = 0.0_f64;
    for _ in 0..if quick { 2 } else { 7 } {
        let begun = Instant::now();
        let server = start_server(RETAKE, &["replay", &path, "--listen", "127.0.0.1:0"], home.path());
        let mut connection = load::Connection::new(load::connect(server.address));
        assert_eq!(connection.call(&request(1, 10_000)).expect("an answer").0, 200);
        times.push(begun.elapsed().as_secs_f64());
        std::thread::sleep(Duration::from_millis(100));
        peak = peak.max(machine::used(&server.child).peak);
    }
    println!(
        "start to first answer, 10 000 stubs: {:.0} ms (median; one core); peak memory {peak:.0} MiB\n",
        machine::median(times) * 1e3
    );
}
