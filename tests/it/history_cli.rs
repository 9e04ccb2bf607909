//! The history as people select, follow and count it, through the real binary.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::Value;

use crate::harness::http::{Client, through};
use crate::harness::retake::Ran;
use crate::harness::{Origin, Retake};

/// Two sessions: JSON, text, a large body, and failures.
fn recorded() -> (Retake, Origin) {
    let retake = Retake::new();
    let origin = Origin::plain();
    for (session, paths) in
        [("first", &["/json", "/text", "/bytes/5000"][..]), ("second", &["/status/503", "/status/404", "/json"])]
    {
        let recorder = retake.record(&["--session", session, "--tag", session]);
        for path in paths {
            through(&recorder, &origin.url(path)).unwrap();
        }
        assert_eq!(recorder.stop().0, 0);
    }
    (retake, origin)
}

fn numbers(lines: &[Value]) -> Vec<u64> {
    lines.iter().map(|line| line["number"].as_u64().unwrap()).collect()
}

fn listed(retake: &Retake, filters: &[&str]) -> Vec<u64> {
    numbers(&retake.json(&[&["history", "list", "--json"], filters].concat()))
}

fn refused(ran: &Ran, words: &[&str]) {
    assert!(ran.code == 2 && ran.stdout.is_empty() && !ran.stderr.contains("panicked"), "{ran}");
    for word in words {
        assert!(ran.stderr.contains(word), "`{word}` is missing: {ran}");
    }
}

#[test]
fn filters_are_combined_freely() {
    let (retake, _origin) = recorded();
    for (filters, expected) in [
        (&[][..], &[6, 5, 4, 3, 2, 1][..]),
        (&["2-4", "6"], &[6, 4, 3, 2]),
        (&["2-6", "--session", "second", "--status", "2xx"], &[6]),
        (&["--type", "json", "--tag", "first"], &[1]),
        (&["--type", "text/*", "--session", "first"], &[2]),
        (&["--size", ">=5KB"], &[3]),
        (&["--size", "..4KiB", "--session", "first"], &[2, 1]),
        (&["--duration", "<1m", "--outcome", "complete", "-n", "2"], &[6, 5]),
        (&["--since", "2h ago", "--until", "today", "--path", "/status/*"], &[5, 4]),
        (&["--since", "2000-01-01 10:30", "--method", "get", "--host", "{127.*,localhost}", "--status", "404"], &[5]),
        (&["--before", "3", "--all"], &[2, 1]),
    ] {
        assert_eq!(listed(&retake, filters), expected, "{filters:?}");
    }
    for filters in [&["--outcome", "failed"][..], &["--until", "3 days ago"], &["1-3", "--session", "second"]] {
        let ran = retake.run(&[&["history", "list"], filters].concat());
        refused(&ran, &["nothing selected"]);
    }
}

/// Searches that find the same beside a recorder and without one.
fn searches(retake: &Retake) {
    let found = retake.json(&["history", "search", "ÜBER", "--json"]);
    let told: Vec<_> =
        found.iter().map(|hit| (hit["number"].as_u64().unwrap(), hit["place"].as_str().unwrap())).collect();
    assert_eq!(told, [(8, "request-body"), (7, "url")]);
    assert_eq!(found[0]["matched"], "über");
    assert_eq!(found[0]["excerpt"], r#"{"q": "über"}"#);
    assert!(found[0]["url"].is_string() && found[0]["response_blake3"].is_string());
    let said = retake.run(&["history", "search", "über", "--limit", "1"]);
    assert!(said.code == 0 && said.stdout.contains("request body  {\"q\": \"über\"}"), "{said}");
    assert!(said.stderr.contains("--before 8"), "{said}");
    let said = retake.run(&["history", "search", "über", "--before", "8"]);
    assert!(said.stdout.contains("url  GET http://") && !said.stdout.contains("request body"), "{said}");
    let none = retake.run(&["history", "search", "not there", "--session", "first"]);
    assert!(none.code == 0 && none.stdout.is_empty() && none.stderr.contains("in none of 3 exchanges"), "{none}");
    refused(&retake.run(&["history", "search", "x", "--session", "third"]), &["nothing selected"]);
    refused(&retake.run(&["history", "search", "a(b", "--regex"]), &["unclosed group", "  a(b\n   ^"]);
    refused(&retake.run(&["history", "search", ""]), &["PATTERN"]);
    for (filters, expected) in [
        (&["--text", "über"][..], &[8, 7][..]),
        (&["--text", "Über", "--case-sensitive"], &[7]),
        (&["--text", r"^content-type: [a-z/]*json\b", "--regex", "--status", "2xx"], &[8, 7, 6, 1]),
        (&["--text", "über", "--method", "POST"], &[8]),
        (&["1-7", "--text", "über", "-n", "5"], &[7]),
    ] {
        assert_eq!(listed(retake, filters), expected, "{filters:?}");
    }
    refused(&retake.run(&["history", "list", "--text", "über", "--status", "404"]), &["nothing selected"]);
    let newest = numbers(&retake.json(&["history", "tail", "--json", "--text", "über"]));
    assert_eq!(newest, [7, 8]);
}

#[test]
fn a_text_is_found_beside_a_recorder_and_without_one_and_is_a_filter_everywhere() {
    let (retake, origin) = recorded();
    let recorder = retake.record(&["--session", "third-to-come"]);
    through(&recorder, &origin.url("/json?q=%C3%9Cber")).unwrap();
    let body = r#"{"q": "\u00fcber"}"#;
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        origin.url("/echo"),
        body.len()
    );
    let mut client = Client::to(&recorder).unwrap();
    client.send(request.as_bytes()).unwrap();
    assert_eq!(client.answer("POST").unwrap().status(), 200);
    crate::harness::eventually("the exchange in the history", || (listed(&retake, &[]).len() == 8).then_some(()));
    searches(&retake);
    assert_eq!(recorder.stop().0, 0);
    searches(&retake);
    retake.ok(&["promote", "--text", "über", "--method", "POST", "--into", "found"]);
    let report = retake.ok(&["history", "tag", "--text", "über", "--add", "umlaut", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&report).unwrap()["exchanges"], 2);
    let report = retake.ok(&["history", "delete", "--text", "über", "--yes", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&report).unwrap()["exchanges"], 2);
    assert_eq!(listed(&retake, &["--text", "octocat", "1-6"]), [6, 1]);
}

#[test]
fn a_search_ends_in_silence_when_nobody_reads() {
    let (retake, _origin) = recorded();
    let mut child = retake
        .command(&["history", "search", "http", "--all"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let code = child.wait().unwrap();
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert!(code.success() && said.is_empty(), "{code} {said}");
}

#[test]
fn two_exchanges_are_compared_and_scripts_can_tell() {
    let (retake, _origin) = recorded();
    let alike = retake.run(&["history", "diff", "1", "6", "--exit-code"]);
    assert!(alike.code == 0 && alike.stdout.contains("alike"), "{alike}");
    let plain = retake.run(&["history", "diff", "1", "4"]);
    assert!(plain.code == 0 && plain.stdout.contains("503"), "{plain}");
    assert_eq!(retake.run(&["history", "diff", "1", "4", "--exit-code"]).code, 3);
    let json = retake.run(&["history", "diff", "1", "4", "--json"]);
    assert!(serde_json::from_str::<Value>(&json.stdout).is_ok(), "{json}");
    refused(&retake.run(&["history", "diff", "1", "77"]), &["77"]);
}

#[test]
fn a_recorder_prunes_at_its_start_as_the_settings_say_and_spares_what_is_tagged() {
    let (retake, origin) = recorded();
    retake.ok(&["history", "tag", "2", "--remove", "first"]);
    std::fs::write(retake.work().join("retake.toml"), "[history]\nmax_size = \"1kB\"\nkeep_tagged = true\n").unwrap();
    let recorder = retake.record(&[]);
    through(&recorder, &origin.url("/json")).unwrap();
    // It goes on beside the traffic: the tagged ones stay, and the one that has just come goes or stays.
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while listed(&retake, &["--all"]).contains(&2) && std::time::Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    let left = listed(&retake, &["--all"]);
    assert!(!left.contains(&2) && [6, 5, 4, 3, 1].iter().all(|number| left.contains(number)), "{left:?}");
    let (code, said) = recorder.stop();
    assert!(code == 0 && said.contains("`[history]`"), "{said}");
}

#[test]
fn what_cannot_be_understood_is_never_guessed() {
    let (retake, _origin) = recorded();
    for (filters, words) in [
        (&["--since", "tomorrow"][..], &["--since tomorrow", "2h ago"][..]),
        (&["--until", "3/4/2026"], &["--until 3/4/2026", "2026-11-20"]),
        (&["--since", "today", "--until", "yesterday"], &["--since", "--until"]),
        (&["--day", "someday"], &["--day someday", "last friday"]),
        (&["--type", "jsn"], &["--type jsn", "json"]),
        (&["--size", "1MB"], &["--size 1MB", ">1MB"]),
        (&["--duration", "long"], &["--duration long", ">1s"]),
        (&["--outcome", "fine"], &["complete"]),
        (&["--text", ""], &["--text"]),
        (&["--tz", "Europe/Nowhere"], &["--tz Europe/Nowhere"]),
        (&["77"], &["77"]),
    ] {
        refused(&retake.run(&[&["history", "list"], filters].concat()), words);
    }
    refused(&retake.run(&["promote", "--since", "soon", "--into", "x"]), &["--since soon"]);
    refused(&retake.run(&["promote", "1", "--tz", "+99:00", "--into", "x"]), &["--tz +99:00"]);
}

#[test]
fn days_begin_in_the_zone_asked_for() {
    let (retake, _origin) = recorded();
    let day = |args: &[&str]| retake.json(&[&["history", "days", "--json"], args].concat())[0]["day"].clone();
    // Twenty-eight hours apart: never the same day.
    assert_ne!(day(&["--tz", "-14:00"]), day(&["--tz", "+14:00"]));
    let mut command = retake.command(&["history", "days", "--json"]);
    let output = command.env("RETAKE_TZ", "+14:00").output().unwrap();
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["day"], day(&["--tz", "+14:00"]), "the variable says the same");
}

#[test]
fn sessions_are_listed_newest_first() {
    let (retake, _origin) = recorded();
    let sessions = retake.json(&["history", "sessions", "--json"]);
    let named: Vec<(&str, u64)> =
        sessions.iter().map(|line| (line["session"].as_str().unwrap(), line["count"].as_u64().unwrap())).collect();
    assert_eq!(named, [("second", 3), ("first", 3)]);
    assert_eq!(sessions[0]["hosts"][0]["count"], 3);
    assert!(retake.ok(&["history", "sessions", "--status", "503"]).starts_with("second         1  "));
}

#[test]
fn statistics_count_all_of_it() {
    let (retake, _origin) = recorded();
    let stats = &retake.json(&["history", "stats", "--json"])[0];
    assert_eq!(stats["exchanges"], 6);
    let answers: Vec<(&str, u64)> = stats["answers"]["top"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["name"].as_str().unwrap(), row["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(answers, [("2xx", 4), ("4xx", 1), ("5xx", 1)]);
    assert!(stats["largest"]["top"][0]["name"].as_str().unwrap().ends_with("/bytes/5000"), "{stats}");
    assert_eq!(retake.json(&["history", "stats", "--json", "--session", "first"])[0]["exchanges"], 3);
    let text = retake.ok(&["history", "stats", "--top", "1"]);
    assert!(text.starts_with("6 exchanges  ") && text.contains("2 others"), "{text}");
    refused(&retake.run(&["history", "stats", "--tag", "none"]), &["nothing selected"]);
}

#[test]
fn nothing_is_deleted_or_masked_unasked() {
    let (retake, _origin) = recorded();
    refused(&retake.run(&["history", "delete"]), &["nothing says", "--all"]);
    refused(&retake.run(&["history", "delete", "--all"]), &["6 exchanges", "--yes", "--dry-run"]);
    refused(&retake.run(&["history", "delete", "--session", "first"]), &["3 exchanges", "--yes"]);
    refused(&retake.run(&["history", "mask"]), &["--yes"]);
    refused(&retake.run(&["history", "mask", "--rule", "colour=red", "--yes"]), &["colour=red", "field=NAME"]);
    refused(&retake.run(&["history", "prune", "--keep-tagged"]), &["--older-than"]);
    refused(&retake.run(&["history", "prune", "--older-than", "a while"]), &["--older-than a while"]);
    refused(&retake.run(&["history", "tag", "1"]), &["--add"]);
    refused(&retake.run(&["history", "tag", "--add", "x"]), &["nothing says which"]);
    refused(&retake.run(&["history", "tag", "1", "--add", "two words"]), &["one word"]);
    assert_eq!(listed(&retake, &[]).len(), 6);
}

#[test]
fn only_a_rule_given_for_one_run_is_said_to_hold_for_it() {
    let (retake, _origin) = recorded();
    std::fs::write(retake.work().join("retake.toml"), "[mask]\nfields = [\"user-agent\", \"date\"]\n").unwrap();
    let ran = retake.run(&["history", "mask", "--yes"]);
    assert!(ran.code == 0 && ran.stdout.starts_with("masked ") && !ran.stdout.contains("masked 0 "), "{ran}");
    assert!(!ran.stderr.contains("this run only"), "{ran}");
    let ran = retake.run(&["history", "mask", "--rule", "field=content-type", "--yes"]);
    assert!(ran.code == 0 && !ran.stdout.contains("masked 0 ") && ran.stderr.contains("this run only"), "{ran}");
}

#[test]
fn tags_go_on_and_off_and_what_is_deleted_is_gone() {
    let (retake, origin) = recorded();
    let said = |args: &[&str]| retake.ok(&[&["history"], args].concat());
    said(&["tag", "1-2", "5", "--add", "smoke", "--note", "looked at"]);
    said(&["tag", "--tag", "smoke", "--status", "2xx", "--remove", "first"]);
    assert_eq!(listed(&retake, &["--tag", "smoke"]), [5, 2, 1]);
    assert_eq!(listed(&retake, &["--tag", "first"]), [3]);

    assert!(said(&["delete", "--tag", "smoke", "--dry-run"]).starts_with("would delete 3 exchanges of "));
    assert_eq!(listed(&retake, &[]).len(), 6);
    assert!(said(&["delete", "3"]).starts_with("deleted 1 exchange of "), "one that is named is not asked about");
    assert!(said(&["prune", "--older-than", "2000-01-01", "--json"]).contains(r#""dry_run":true,"exchanges":0"#));
    let pruned = said(&["prune", "--max-size", "1", "--keep-tagged", "--yes", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&pruned).unwrap()["exchanges"], 0, "all have tags: {pruned}");

    // A recorder holds the store: it does it.
    let recorder = retake.record(&[]);
    through(&recorder, &origin.url("/json")).unwrap();
    assert!(said(&["delete", "--session", "first", "--yes"]).starts_with("deleted 2 exchanges of "));
    assert!(said(&["prune", "--max-size", "1", "--keep-tagged", "--yes"]).starts_with("deleted 1 exchange of "));
    assert_eq!(recorder.stop().0, 0);
    assert_eq!(listed(&retake, &[]), [6, 5, 4]);
}

/// A `tail` that is followed line by line.
struct Tail {
    child: Child,
    lines: Receiver<String>,
}

impl Tail {
    fn start(retake: &Retake, args: &[&str]) -> Tail {
        let args = [&["history", "tail", "--json"], args].concat();
        let mut child = retake.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Tail { child, lines }
    }

    /// The number of the next line.
    fn next(&self) -> u64 {
        let line = self.lines.recv_timeout(Duration::from_secs(20)).expect("one more line");
        serde_json::from_str::<Value>(&line).unwrap()["number"].as_u64().unwrap()
    }

    /// Ctrl-C; the exit code, what was printed beyond, and what was said.
    fn stop(mut self) -> (Option<i32>, Vec<String>, String) {
        let status = std::process::Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
        let code = self.child.wait().unwrap().code();
        let said = std::io::read_to_string(self.child.stderr.take().unwrap()).unwrap();
        (code, self.lines.iter().collect(), said)
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_newest_come_last() {
    let (retake, _origin) = recorded();
    let newest = |args: &[&str]| numbers(&retake.json(&[&["history", "tail", "--json"], args].concat()));
    assert_eq!(newest(&["-n", "2"]), [5, 6]);
    assert_eq!(newest(&["--session", "first"]), [1, 2, 3]);
    refused(&retake.run(&["history", "tail", "--tag", "none"]), &["nothing selected"]);
}

#[test]
fn a_tail_follows_recorders_that_come_and_go() {
    let retake = Retake::new();
    let origin = Origin::plain();
    let tail = Tail::start(&retake, &["-f"]);
    let failures = Tail::start(&retake, &["-f", "--status", "5xx"]);
    let mut expected = 1;
    for _ in 0..2 {
        let recorder = retake.record(&[]);
        for path in ["/json", "/status/503"] {
            through(&recorder, &origin.url(path)).unwrap();
            assert_eq!(tail.next(), expected);
            expected += 1;
        }
        assert_eq!(failures.next(), expected - 1);
        // The last one is written, and the recorder gone, before anybody looks.
        through(&recorder, &origin.url("/text")).unwrap();
        assert_eq!(recorder.stop().0, 0);
        assert_eq!(tail.next(), expected);
        expected += 1;
    }
    let (code, more, said) = tail.stop();
    assert_eq!((code, more), (Some(0), Vec::new()), "each is shown once: {said}");
    assert_eq!(said.matches("waiting").count(), 1, "{said}");
    let (code, more, said) = failures.stop();
    assert_eq!((code, more), (Some(0), Vec::new()), "{said}");
}

/// An origin that answers one request, when it is told to.
fn slow_origin() -> (String, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/slow", listener.local_addr().unwrap());
    let (go, wait) = channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        wait.recv().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").unwrap();
    });
    (url, go)
}

#[test]
fn what_is_slow_is_shown_when_it_ends() {
    let retake = Retake::new();
    let origin = Origin::plain();
    let recorder = retake.record(&[]);
    through(&recorder, &origin.url("/json")).unwrap();
    let tail = Tail::start(&retake, &["-f"]);
    assert_eq!(tail.next(), 1);
    let (url, go) = slow_origin();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| through(&recorder, &url).unwrap());
        // Numbers are given at the start: the slow one has a lower number, and ends later.
        std::thread::sleep(Duration::from_millis(200));
        through(&recorder, &origin.url("/json")).unwrap();
        assert_eq!(tail.next(), 3);
        go.send(()).unwrap();
        assert_eq!(slow.join().unwrap().status(), 200);
        assert_eq!(tail.next(), 2);
    });
    assert_eq!(recorder.stop().0, 0);
    let (code, more, said) = tail.stop();
    assert_eq!((code, more), (Some(0), Vec::new()), "{said}");
}

#[test]
fn a_tail_ends_in_silence_when_nobody_reads() {
    let (retake, origin) = recorded();
    let mut child =
        retake.command(&["history", "tail", "-f"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    let recorder = retake.record(&[]);
    let code = crate::harness::eventually("the end of the tail", || {
        through(&recorder, &origin.url("/json")).unwrap();
        child.try_wait().unwrap()
    });
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert!(code.success() && said.is_empty(), "{code} {said}");
}
