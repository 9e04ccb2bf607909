//! The main job: record, promote, stop the origin, replay, compare; and a miss that says why.

use std::process::Command;

use crate::harness::clients::{self, CLIENTS};
use crate::harness::{Origin, Retake, eventually, skip};

/// Paths whose answers are alike in every client.
const PATHS: &[&str] = &[
    "/json",
    "/pretty",
    "/odd",
    "/text",
    "/gzip",
    "/bytes/3000",
    "/bytes/200000",
    "/stream/50000",
    "/status/404",
    "/search?q=a%20b&page=2",
];

fn curl(retake: &Retake, proxy: &str, ca: &str, args: &[&str]) -> std::process::Output {
    let mut command = Command::new("curl");
    retake.furnish(&mut command);
    command.args(["-sS", "-x", proxy, "--proxy-insecure", "--cacert", ca]).args(args);
    command.output().unwrap()
}

#[test]
fn every_client_gets_the_recorded_bytes_with_the_origin_stopped() {
    for client in CLIENTS {
        let retake = Retake::new();
        let origin = Origin::tls();
        let urls: Vec<String> = PATHS.iter().map(|path| origin.url(path)).collect();
        let Some(line) = client.command_line(&retake.work(), &urls) else { continue };
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        let test_ca = crate::harness::cert("ca.pem");

        let mut record = vec!["record", "--upstream-ca", test_ca.to_str().unwrap(), "--"];
        record.extend(&line);
        let recorded = retake.run(&record);
        assert_eq!(recorded.code, 0, "{}: {recorded}", client.name);
        assert_eq!(origin.served(), PATHS.len() as u64, "{}: every call went through retake once", client.name);
        retake.ok(&["promote", "--day", "today", "--into", "api"]);
        origin.stop();

        let mut replay = vec!["replay", "api", "--"];
        replay.extend(&line);
        let replayed = retake.run(&replay);
        assert_eq!(replayed.code, 0, "{}: {replayed}", client.name);
        same(client.name, &recorded.stdout, &replayed.stdout);
        assert!(replayed.stderr.contains("0 missed"), "{}: {replayed}", client.name);
    }
}

/// Compares two outputs, and shows only where they part: bodies are long, and some are noise.
fn same(client: &str, recorded: &str, replayed: &str) {
    let at = recorded.chars().zip(replayed.chars()).take_while(|(one, other)| one == other).count();
    let around = |text: &str| text.chars().skip(at.saturating_sub(200)).take(300).collect::<String>();
    assert!(recorded == replayed, "{client}: recorded …{:?}…\nreplayed …{:?}…", around(recorded), around(replayed));
}

#[test]
fn git_clones_over_https_from_the_replay() {
    let retake = Retake::new();
    let Some(repository) = clients::git_repository(retake.root()) else { return };
    let origin = Origin::files(repository);
    let url = origin.url("/");
    let test_ca = crate::harness::cert("ca.pem");
    let clone = ["git", "-c", "http.sslVerify=true", "clone", "-q", &url];
    let mut record = vec!["record", "--upstream-ca", test_ca.to_str().unwrap(), "--"];
    record.extend(clone);
    record.push("recorded");
    let ran = retake.run(&record);
    assert_eq!(ran.code, 0, "{ran}");
    retake.ok(&["promote", "--day", "today", "--into", "repository"]);
    origin.stop();
    let mut replay = vec!["replay", "repository", "--"];
    replay.extend(clone);
    replay.push("replayed");
    let ran = retake.run(&replay);
    assert_eq!(ran.code, 0, "{ran}");
    let read = |name: &str| std::fs::read(retake.work().join(name).join("README")).unwrap();
    assert_eq!(read("recorded"), read("replayed"));
}

#[test]
fn promoting_the_same_day_twice_changes_no_byte() {
    let retake = Retake::new();
    let origin = Origin::plain();
    let recorder = retake.record(&[]);
    for path in ["/json", "/json", "/counter", "/counter", "/gzip", "/cookie", "/search?a=1", "/search?a=2"] {
        fetch(&recorder.url, &origin.url(path));
    }
    // While the recorder runs, through its socket.
    retake.ok(&["promote", "--day", "today", "--into", "api"]);
    let first = tree(&retake.work().join("mocks/api"));
    assert!(first.len() >= 6, "{:?}", first.keys());
    retake.ok(&["promote", "--day", "today", "--into", "api"]);
    assert_eq!(first, tree(&retake.work().join("mocks/api")));
    recorder.stop();
    retake.ok(&["mock", "check", "api"]);
    retake.ok(&["mock", "test", "api"]);
}

#[test]
fn repeats_become_a_sequence_in_their_order() {
    let retake = Retake::new();
    let origin = Origin::plain();
    let recorder = retake.record(&[]);
    let recorded: Vec<_> = (0..3).map(|_| fetch(&recorder.url, &origin.url("/counter"))).collect();
    recorder.stop();
    retake.ok(&["promote", "--day", "today", "--into", "api"]);
    let replay = retake.replay(&["api"]);
    let replayed: Vec<_> = (0..4).map(|_| fetch(&replay.url, &origin.url("/counter"))).collect();
    assert_eq!(recorded, replayed[..3]);
    assert_eq!(recorded[2], replayed[3], "the last answer goes on");
}

#[test]
fn a_miss_says_why_and_makes_the_run_fail() {
    if !clients::runs(&["curl", "--version"]) {
        return skip("curl", "not installed");
    }
    let retake = Retake::new();
    let origin = Origin::tls();
    let recorder = retake.record(&[]);
    let ca = recorder.ca.to_str().unwrap().to_owned();
    let output = curl(&retake, &recorder.url, &ca, &[&origin.url("/search?q=rust&page=1")]);
    assert!(output.status.success(), "{output:?}");
    recorder.stop();
    retake.ok(&["promote", "--day", "today", "--into", "api"]);
    let replay = retake.replay(&["api"]);
    let output = curl(&retake, &replay.url, &ca, &["-i", &origin.url("/search?q=rust&page=2")]);
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(answer.contains("501") && answer.contains("x-retake-miss"), "{answer}");
    assert!(answer.contains("page") && answer.contains('1') && answer.contains('2'), "names the pair: {answer}");
    eventually("the call is logged", || (!retake.json(&["calls", "--misses", "--json"]).is_empty()).then_some(()));
    assert!(retake.ok(&["calls", "show", "1"]).contains("page"));
    let (code, said) = replay.stop();
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("1 missed"), "{said}");
    let explained = retake.run(&["explain", "api", "GET", &origin.url("/search?q=rust&page=2")]);
    assert_eq!(explained.code, 3, "{explained}");
    let explained = retake.run(&["explain", "api", "GET", &origin.url("/search?page=1&q=rust")]);
    assert_eq!(explained.code, 0, "{explained}");
}

#[test]
fn a_run_that_served_nothing_is_no_pass() {
    let retake = Retake::new();
    retake.ok(&["mock", "new", "empty", "--origin", "https://api.test"]);
    let ran = retake.run(&["replay", "empty", "--", "true"]);
    assert_eq!(ran.code, 3, "{ran}");
}

#[test]
fn a_mock_without_any_recording_is_served_as_a_plain_server() {
    let retake = Retake::new();
    retake.ok(&["mock", "new", "shop", "--origin", "https://api.shop.test"]);
    retake.ok(&["mock", "stub", "add", "shop", "GET", "/items/{id}"]);
    retake.ok(&[
        "mock",
        "scenario",
        "add",
        "shop",
        "GET /items/{id}",
        "--name",
        "tea",
        "--capture",
        "id=7",
        "--body",
        r#"{"name":"tea"}"#,
    ]);
    retake.ok(&["mock", "check", "shop"]);
    let replay = retake.replay(&["shop"]);
    assert_eq!(get(&format!("{}/items/7", replay.url)), (200, r#"{"name":"tea"}"#.to_owned()));
    assert_eq!(get(&format!("{}/@api.shop.test/items/7", replay.url)).0, 200);
    assert_eq!(get(&format!("{}/items/8", replay.url)).0, 501, "no other value gets its answer");
    retake.ok(&["mock", "default", "shop", "GET /items/{id}#tea"]);
    drop(replay);
    let replay = retake.replay(&["shop"]);
    assert_eq!(get(&format!("{}/items/8", replay.url)).0, 200, "but the default gives it");
}

/// A GET without a proxy, with a client that is always there.
fn get(url: &str) -> (u16, String) {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    exchange(host, &format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
}

/// A GET in absolute-form through a proxy.
fn fetch(proxy: &str, url: &str) -> (u16, String) {
    let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let proxy = proxy.strip_prefix("http://").unwrap();
    exchange(
        proxy,
        &format!("GET {url} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"),
    )
}

fn exchange(address: &str, request: &str) -> (u16, String) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer from {address}: {answer:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Every file below a folder, with its content.
fn tree(dir: &std::path::Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut files = std::collections::BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(dir).unwrap().display().to_string(), std::fs::read(&path).unwrap());
            }
        }
    }
    files
}
