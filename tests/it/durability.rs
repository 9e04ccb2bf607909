//! Nothing that a client saw whole is lost: `kill -9` under load, a damaged index, a full disk, a store that cannot be
//! written.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::harness::http::{Client, through};
use crate::harness::origin::noise;
use crate::harness::{Origin, Random, Retake, Server, heavy, kill_rounds};

const CLIENTS: usize = 8;
const LARGEST: usize = 300 * 1024;

/// A whole answer that a client saw.
struct Seen {
    url: String,
    length: u64,
    hash: String,
}

/// One round of load: what the clients saw, and what went wrong before the kill.
#[derive(Default)]
struct Round {
    killed: AtomicBool,
    count: AtomicU64,
    seen: Mutex<Vec<Seen>>,
    faults: Mutex<Vec<String>>,
}

impl Round {
    fn saw(&self, url: String, body: &[u8]) {
        let hash = blake3::hash(body).to_hex().to_string();
        self.seen.lock().unwrap().push(Seen { url, length: body.len() as u64, hash });
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    /// An error counts only while the recorder lived.
    fn failed(&self, url: &str, error: &dyn std::fmt::Display) {
        if !self.killed.load(Ordering::SeqCst) {
            self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{url}: {error}"));
        }
    }
}

/// Calls until the recorder is gone.
fn load(server: &Server, origin: &Origin, client: usize, round: &Round, random: &mut Random) {
    let port = origin.address.port();
    let host = format!("localhost:{port}");
    let tls = origin.url("").starts_with("https");
    for connection in 0.. {
        let opened = if tls { Client::tunnel(server, "localhost", port) } else { Client::to(server) };
        let mut stream = match opened {
            Ok(stream) => stream,
            Err(error) => return round.failed("connect", &error),
        };
        // A connection is used for some calls, so that first and later ones are both killed.
        for call in 0..1 + random.below(20) {
            let length = match random.below(8) {
                0 => 0,
                1..4 => random.below(2000),
                4..7 => random.below(70_000),
                _ => random.below(LARGEST),
            };
            let kind = if random.below(2) == 0 { "bytes" } else { "stream" };
            let path = format!("/{kind}/{length}?client={client}&connection={connection}&call={call}");
            let url = origin.url(&path);
            match stream.get(if tls { &path } else { &url }, &host) {
                Ok(answer) if answer.status() == 200 && answer.body.len() == length => round.saw(url, &answer.body),
                Ok(answer) => return round.failed(&url, &format!("{} {:?}", answer.status(), answer.text())),
                Err(error) => return round.failed(&url, &error),
            }
        }
    }
}

#[test]
fn a_killed_recorder_has_lost_nothing_that_a_client_saw() {
    let seed = Random::seed();
    let retake = Retake::new();
    let (plain, tls) = (Origin::plain(), Origin::tls());
    let (mut seen, mut numbers, mut interrupted, mut blobs) = (0, HashSet::new(), 0, HashSet::new());
    let rounds = kill_rounds(200, 3);
    for number in 0..rounds {
        let mut random = Random::new(seed.wrapping_add(number as u64 * 0x9e37_79b9));
        let session = format!("round-{number}");
        let mut server = retake.record(&["--session", &session]);
        let round = Round::default();
        let until = 1 + random.below(150) as u64;
        let pause = std::time::Duration::from_micros(random.below(3000) as u64);
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (server, round, origin) = (&server, &round, if client % 2 == 0 { &plain } else { &tls });
                let mut random = Random::new(random.next());
                scope.spawn(move || load(server, origin, client, round, &mut random));
            }
            crate::harness::eventually_within(60, "enough answers", || {
                let failed = !round.faults.lock().unwrap().is_empty();
                (failed || round.count.load(Ordering::SeqCst) >= until).then_some(())
            });
            // The count is a moment just behind an answer; the pause moves it anywhere.
            std::thread::sleep(pause);
            round.killed.store(true, Ordering::SeqCst);
            server.kill_now();
        });
        let (_, said) = server.wait();
        let faults = round.faults.into_inner().unwrap();
        assert!(faults.is_empty(), "seed {seed}, round {number}: {faults:#?}\n{said}");
        let answers = round.seen.into_inner().unwrap();
        let rows = retake.run(&["history", "list", "--json", "--all", "--session", &session]);
        assert_eq!(rows.code, 0, "seed {seed}, round {number}: {rows}");
        let rows: Vec<Value> = rows.stdout.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
        check_round(&answers, &rows).unwrap_or_else(|why| panic!("seed {seed}, round {number}: {why}"));
        check_bodies(&retake, &rows, &mut random);
        check_leftovers(&retake.store(), &mut blobs);
        for row in &rows {
            assert!(numbers.insert(row["number"].as_u64().unwrap()), "seed {seed}: number used again: {row}");
        }
        seen += answers.len();
        interrupted += rows.iter().filter(|row| row["outcome"] == "interrupted").count();
    }
    let all = retake.json(&["history", "list", "--json", "--all"]);
    assert_eq!(all.len(), numbers.len(), "seed {seed}: the rounds together are the history");
    println!("{rounds} kills, {seen} whole answers, {} exchanges, {interrupted} interrupted, none lost", all.len());
}

/// Everything seen is there, whole; and everything that is there as complete is what the origin sent.
fn check_round(seen: &[Seen], rows: &[Value]) -> Result<(), String> {
    let mut by_url = HashMap::new();
    for row in rows {
        let url = row["url"].as_str().unwrap();
        if by_url.insert(url, row).is_some() {
            return Err(format!("twice in the history: {url}"));
        }
    }
    for answer in seen {
        let row = by_url.get(answer.url.as_str()).ok_or_else(|| format!("lost: {}", answer.url))?;
        let same = row["outcome"] == "complete"
            && row["response_bytes"] == answer.length
            && row["response_blake3"] == answer.hash.as_str();
        if !same {
            return Err(format!("{} ({} bytes, {}) is recorded as {row}", answer.url, answer.length, answer.hash));
        }
    }
    for row in rows {
        let url = row["url"].as_str().unwrap();
        let length: usize = url.split(['/', '?']).nth(4).unwrap().parse().unwrap();
        let whole = row["outcome"] == "complete";
        if whole && row["response_blake3"] != blake3::hash(&noise(length)).to_hex().as_str() {
            return Err(format!("half-written, but called complete: {row}"));
        }
        if !whole && row["outcome"] != "interrupted" && row["outcome"] != "cancelled" {
            return Err(format!("what became of it? {row}"));
        }
    }
    Ok(())
}

/// Some bodies, read back: they are the ones whose hashes the listing tells, interrupted ones included.
fn check_bodies(retake: &Retake, rows: &[Value], random: &mut Random) {
    let mut chosen: Vec<&Value> = rows.iter().filter(|row| row["outcome"] == "interrupted").take(2).collect();
    chosen.extend((0..3).filter(|_| !rows.is_empty()).map(|_| &rows[random.below(rows.len())]));
    for row in chosen.into_iter().filter(|row| !row["status"].is_null()) {
        let number = row["number"].to_string();
        let output = retake.command(&["history", "show", &number, "--raw", "response-body"]).output().unwrap();
        assert!(output.status.success(), "{row}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(row["response_blake3"], blake3::hash(&output.stdout).to_hex().as_str(), "{row}");
        let length: usize = row["url"].as_str().unwrap().split(['/', '?']).nth(4).unwrap().parse().unwrap();
        assert!(noise(length).starts_with(&output.stdout), "no bytes but those of the origin: {row}");
    }
}

/// No unfinished file is left, and every blob is what its name says; those in `known` were looked at before.
fn check_leftovers(store: &Path, known: &mut HashSet<PathBuf>) {
    for path in paths(&store.join("blobs")) {
        if known.insert(path.clone()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            let hash = blake3::hash(&std::fs::read(&path).unwrap());
            assert_eq!(name, hash.to_hex().as_str(), "half-written: {}", path.display());
        }
    }
    assert_eq!(paths(&store.join("streams")), Vec::<PathBuf>::new());
}

/// Every file below a folder, with its content.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| (path.clone(), std::fs::read(path).unwrap());
    paths(folder).into_iter().map(read).collect()
}

/// Every file below a folder.
fn paths(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

/// A store with more exchanges than a page of the index holds.
fn filled() -> (Retake, Vec<String>) {
    let retake = Retake::new();
    let origin = Origin::plain();
    let recorder = retake.record(&[]);
    let host = format!("localhost:{}", origin.address.port());
    let mut client = Client::to(&recorder).unwrap();
    for number in 0..600 {
        let path = if number % 50 == 7 { "/bytes/100000" } else { "/json" };
        assert_eq!(client.get(&origin.url(&format!("{path}?n={number}")), &host).unwrap().status(), 200);
    }
    assert_eq!(recorder.stop().0, 0);
    let listed = rows(&retake.ok(&["history", "list", "--json", "--all"]));
    assert_eq!(listed.len(), 600);
    (retake, listed)
}

fn rows(listing: &str) -> Vec<String> {
    listing.lines().map(str::to_owned).collect()
}

/// What somebody does to a file.
type Deed = fn(&Path, &[u8], &mut Random);

#[test]
fn a_damaged_index_is_rebuilt_without_loss_and_the_user_is_told() {
    let seed = Random::seed();
    let mut random = Random::new(seed);
    let (retake, expected) = filled();
    let index = retake.store().join("index");
    assert!(!files(&index).is_empty());
    let deeds: [(&str, Deed); 5] = [
        ("removed", |path, _, _| std::fs::remove_file(path).unwrap()),
        ("emptied", |path, _, _| std::fs::write(path, b"").unwrap()),
        ("cut in half", |path, bytes, _| std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap()),
        ("overwritten", |path, bytes, random| {
            let bytes: Vec<u8> = bytes.iter().map(|_| random.next().to_le_bytes()[3]).collect();
            std::fs::write(path, bytes).unwrap();
        }),
        ("zeroed", |path, bytes, _| std::fs::write(path, vec![0; bytes.len()]).unwrap()),
    ];
    for (name, deed) in deeds {
        for (path, bytes) in files(&index) {
            deed(&path, &bytes, &mut random);
        }
        let ran = retake.run(&["history", "list", "--json", "--all"]);
        assert_eq!(ran.code, 0, "{name}, seed {seed}: {}", ran.stderr);
        assert!(rows(&ran.stdout) == expected, "{name}, seed {seed}: the same history");
        assert!(ran.stderr.contains("rebuilt"), "{name}, seed {seed}: {}", ran.stderr);
        let again = retake.run(&["history", "list", "--json", "--all"]);
        assert!(rows(&again.stdout) == expected && !again.stderr.contains("rebuilt"), "{name}: {}", again.stderr);
    }
    std::fs::remove_dir_all(&index).unwrap();
    let recorder = retake.record(&[]);
    let (code, said) = recorder.stop();
    assert!(code == 0 && said.contains("rebuilt"), "{said}");
    assert!(rows(&retake.ok(&["history", "list", "--json", "--all"])) == expected);
}

#[test]
fn single_wrong_bytes_in_the_index_change_no_answer() {
    let seed = Random::seed();
    let mut random = Random::new(seed);
    let (retake, expected) = filled();
    let index = retake.store().join("index");
    for turn in 0..if heavy() { 60 } else { 8 } {
        let found = files(&index);
        let (path, bytes) = found.iter().nth(random.below(found.len())).unwrap();
        if !bytes.is_empty() {
            let mut bytes = bytes.clone();
            for _ in 0..1 + random.below(8) {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            std::fs::write(path, bytes).unwrap();
        }
        let ran = retake.run(&["history", "list", "--json", "--all"]);
        assert_eq!(ran.code, 0, "seed {seed}, turn {turn}: {}", ran.stderr);
        assert!(rows(&ran.stdout) == expected, "seed {seed}, turn {turn}: the same history\n{}", ran.stderr);
    }
}

#[test]
fn a_damaged_record_is_told_and_the_others_stay() {
    let (retake, expected) = filled();
    let segment = files(&retake.store().join("journal")).into_keys().next().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 0x55;
    std::fs::write(&segment, bytes).unwrap();
    std::fs::remove_dir_all(retake.store().join("index")).unwrap();
    let ran = retake.run(&["history", "list", "--json", "--all"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("damaged") && ran.stderr.contains("journal/"), "{}", ran.stderr);
    let left = rows(&ran.stdout);
    assert_eq!(left.len(), expected.len() - 1, "all but the damaged one: {}", ran.stderr);
    assert!(left.iter().all(|row| expected.contains(row)));
    // The next recorder goes on, with numbers that were not used.
    let origin = Origin::plain();
    let recorder = retake.record(&[]);
    through(&recorder, &origin.url("/json?after")).unwrap();
    recorder.stop();
    let after = retake.json(&["history", "list", "--json", "--all"]);
    assert_eq!((after.len(), after[0]["number"].as_u64()), (expected.len(), Some(expected.len() as u64 + 1)));
}

/// A recorder whose files cannot grow over a size: as on a full disk, writing fails.
fn record_with_small_files(retake: &Retake, kib: u32, more: &[&str]) -> Server {
    let plain = retake.record_command(more);
    let mut command = Command::new("sh");
    retake.furnish(&mut command);
    // `ulimit -f` counts 512 bytes in POSIX shells and 1024 in bash: either way the limit is hit.
    let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"");
    command.args(["-c", &script]).arg(plain.get_program()).args(plain.get_args());
    Server::start(command)
}

#[test]
fn traffic_goes_on_when_the_disk_is_full_and_the_user_is_told_once() {
    let retake = Retake::new();
    let origin = Origin::plain();
    let recorder = record_with_small_files(&retake, 2048, &[]);
    let paths = ["/bytes/60000", "/stream/60000", "/bytes/5000000", "/stream/5000000", "/json"];
    for turn in 0..20 {
        for path in paths {
            let answer = through(&recorder, &origin.url(&format!("{path}?turn={turn}"))).unwrap();
            assert_eq!(answer.status(), 200, "{path}");
            if let Ok(length) = path.rsplit('/').next().unwrap().parse() {
                assert!(answer.body == noise(length), "{path}, turn {turn}: every byte arrives");
            }
        }
    }
    let (code, said) = recorder.stop();
    assert_eq!(code, 0, "{said}");
    assert_eq!(said.matches("traffic goes on, unrecorded").count(), 1, "{said}");
    assert!(said.contains("passed unrecorded"), "{said}");
    // With room again, what was recorded is there, and recording works.
    let before = retake.json(&["history", "list", "--json", "--all"]);
    assert!(!before.is_empty() && before.len() < 100);
    let recorder = retake.record(&[]);
    through(&recorder, &origin.url("/json?room")).unwrap();
    recorder.stop();
    let after = retake.json(&["history", "list", "--json", "--all"]);
    assert_eq!(after.len(), before.len() + 1);
    assert!(after[0]["url"].as_str().unwrap().ends_with("/json?room"));
}

#[test]
fn strict_recording_fails_the_call_when_the_disk_is_full() {
    let retake = Retake::new();
    let origin = Origin::plain();
    let recorder = record_with_small_files(&retake, 2048, &["--strict-recording"]);
    let (mut whole, mut failed) = (Vec::new(), 0);
    for turn in 0..60 {
        let url = origin.url(&format!("/bytes/60000?turn={turn}"));
        match through(&recorder, &url) {
            Ok(answer) if answer.status() == 200 => whole.push(url),
            Ok(answer) => {
                assert_eq!(answer.field("x-retake-error"), Some("not-recorded"), "{}", answer.text());
                failed += 1;
            }
            // Known length: the head is out already, so the call can only be broken off.
            Err(_) => failed += 1,
        }
    }
    let (_, said) = recorder.stop();
    assert!(!whole.is_empty() && failed > 0, "{} whole, {failed} failed\n{said}", whole.len());
    let rows = retake.json(&["history", "list", "--json", "--all"]);
    for url in whole {
        assert!(rows.iter().any(|row| row["url"] == url.as_str() && row["outcome"] == "complete"), "lost: {url}");
    }
}

/// Makes a folder and what is in it read-only, or writable again.
fn set_writable(folder: &Path, writable: bool) {
    let mode = if writable { "u+w" } else { "a-w" };
    assert!(Command::new("chmod").args(["-R", mode]).arg(folder).status().unwrap().success());
}

/// The recorder as somebody whom permissions bind: root is made nobody.
fn record_without_privileges(retake: &Retake) -> Option<Command> {
    let plain = retake.record_command(&[]);
    if !rustix::process::geteuid().is_root() {
        return Some(plain);
    }
    if !crate::harness::clients::runs(&["setpriv", "--reuid=65534", "--clear-groups", "true"]) {
        crate::harness::skip("a read-only store", "root, and setpriv is missing");
        return None;
    }
    // The binary may lie in a folder that nobody may enter.
    let binary = retake.root().join("retake");
    std::fs::copy(plain.get_program(), &binary).unwrap();
    let test_ca = retake.root().join("ca.pem");
    std::fs::copy(crate::harness::cert("ca.pem"), &test_ca).unwrap();
    assert!(Command::new("chown").args(["-R", "65534"]).arg(retake.root()).status().unwrap().success());
    let mut command = Command::new("setpriv");
    retake.furnish(&mut command);
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(binary);
    command.args(["record", "--json", "--listen", "127.0.0.1:0", "--upstream-ca"]).arg(test_ca);
    Some(command)
}

#[test]
fn traffic_goes_on_when_the_store_becomes_read_only_and_the_user_is_told() {
    let retake = Retake::new();
    let origin = Origin::plain();
    let Some(command) = record_without_privileges(&retake) else { return };
    let recorder = Server::start(command);
    through(&recorder, &origin.url("/bytes/100000?before")).unwrap();
    set_writable(&retake.store(), false);
    for path in ["/bytes/200000", "/stream/200000", "/json"] {
        let answer = through(&recorder, &origin.url(path)).unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    set_writable(&retake.store(), true);
    let (code, said) = recorder.stop();
    assert_eq!(code, 0, "{said}");
    assert_eq!(said.matches("traffic goes on, unrecorded").count(), 1, "{said}");
    let rows = retake.json(&["history", "list", "--json", "--all"]);
    assert!(rows.iter().any(|row| row["url"].as_str().unwrap().ends_with("?before")), "{rows:?}");
}
