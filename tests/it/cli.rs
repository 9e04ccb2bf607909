//! What a person types wrong, or finds broken: each with a message that names the thing and the cure, and with the exit
//! code of the design. And what they read never acts on their terminal.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::http::{Client, through};
use crate::harness::retake::Ran;
use crate::harness::{Origin, Retake};

/// Asserts the exit code and the words of an error; data must not be mixed with it.
fn assert_error(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, code, "{ran}");
    assert_eq!(ran.stdout, "", "errors are talk, not data: {ran}");
    for word in words {
        assert!(ran.stderr.contains(word), "`{word}` is missing: {ran}");
    }
    assert!(!ran.stderr.contains("panicked"), "{ran}");
}

/// A home with three recorded exchanges.
fn recorded() -> (Retake, Origin) {
    let retake = Retake::new();
    let origin = Origin::plain();
    let recorder = retake.record(&[]);
    for path in ["/json", "/text", "/search?q=1"] {
        through(&recorder, &origin.url(path)).unwrap();
    }
    assert_eq!(recorder.stop().0, 0);
    (retake, origin)
}

/// A home with a collection `api` that answers `GET http://api.test/x`.
fn served() -> Retake {
    let retake = Retake::new();
    retake.ok(&["mock", "new", "api", "--origin", "http://api.test"]);
    retake.ok(&["mock", "stub", "add", "api", "GET", "/x"]);
    retake.ok(&["mock", "scenario", "add", "api", "GET /x", "--name", "ok", "--body", "served"]);
    retake
}

#[test]
fn a_port_in_use_is_named_with_the_cure() {
    let retake = served();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for args in [vec!["record", "--listen", &address], vec!["replay", "api", "--listen", &address]] {
        assert_error(&retake.run(&args), 1, &[&address, "in use", "--listen"]);
    }
}

#[test]
fn a_second_recorder_learns_who_the_first_is() {
    let retake = Retake::new();
    let first = retake.record(&[]);
    let (pid, address) = (first.pid().to_string(), first.address().to_string());
    let words = [pid.as_str(), &address, "retake record", "--store"];
    assert_error(&retake.run(&["record", "--listen", "127.0.0.1:0"]), 1, &words);
    // The usual case: both take the usual port, so that the first obstacle would be the port.
    assert_error(&retake.run(&["record", "--listen", &address]), 1, &words);
    assert_error(&retake.run(&["record", "--", "true"]), 1, &words);
    let other = retake.root().join("other");
    let ran = retake.run(&["record", "--store", other.to_str().unwrap(), "--", "true"]);
    assert_eq!(ran.code, 0, "the cure helps: {ran}");
    assert_eq!(first.stop().0, 0);
}

#[test]
fn a_store_that_cannot_be_read_is_named() {
    let retake = Retake::new();
    let file = retake.root().join("a-file");
    std::fs::write(&file, "no folder").unwrap();
    let file = file.to_str().unwrap();
    assert_error(&retake.run(&["record", "--store", file, "--", "true"]), 1, &[file, "--store"]);
    let ran = retake.run(&["history", "--store", file]);
    assert!(ran.code == 1 && ran.stderr.contains(file), "{ran}");
    // One of a newer retake.
    let (retake, _origin) = recorded();
    let info = retake.store().join("store.json");
    let mut value: Value = serde_json::from_slice(&std::fs::read(&info).unwrap()).unwrap();
    value["version"] = 99.into();
    std::fs::write(&info, value.to_string()).unwrap();
    for args in [vec!["history"], vec!["record", "--", "true"]] {
        assert_error(&retake.run(&args), 1, &["newer retake", "99"]);
    }
    // One whose description is damaged is mended from the journal, and the user is told.
    std::fs::write(&info, "{ broken").unwrap();
    let ran = retake.run(&["history", "list", "--json"]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 3), "{ran}");
    assert!(ran.stderr.contains("store.json"), "{ran}");
}

#[test]
fn an_unknown_exchange_is_wrong_usage_with_a_hint() {
    let (retake, _origin) = recorded();
    for which in ["99", "50-60", "ffffffffffff"] {
        let ran = retake.run(&["history", "show", which]);
        assert_error(&ran, 2, &[which, "retake history"]);
        assert_error(&retake.run(&["promote", which, "--into", "api"]), 2, &[which]);
    }
    for which in ["abc", "0", "5-1", "-", "1-2-3", "nonsense!"] {
        assert_error(&retake.run(&["history", "show", "--", which]), 2, &[which]);
    }
    assert!(!retake.work().join("mocks").exists(), "nothing was written");
    // The end of an id is as good as the number.
    let row = retake.json(&["history", "show", "2", "--json"]).remove(0);
    let id = row["id"].as_str().unwrap();
    let shown = retake.json(&["history", "show", &id[id.len() - 8..], "--json"]).remove(0);
    assert_eq!(shown["number"], 2);
}

#[test]
fn a_day_without_traffic_names_the_nearest() {
    let (retake, _origin) = recorded();
    let today = retake.json(&["history", "days", "--json"]).remove(0)["day"].as_str().unwrap().to_owned();
    for args in [vec!["history", "--day", "2001-02-03"], vec!["promote", "--day", "2001-02-03", "--into", "api"]] {
        assert_error(&retake.run(&args), 2, &["2001-02-03", &today]);
    }
    assert_error(&retake.run(&["history", "--day", "yesterdy"]), 2, &["yesterdy", "today"]);
    assert_error(&retake.run(&["history", "--host", "nobody.test"]), 2, &["nothing selected"]);
    assert_error(&Retake::new().run(&["history"]), 2, &["nothing has been recorded", "retake record"]);
}

#[test]
fn a_broken_collection_shows_every_fault_with_file_and_line() {
    let retake = served();
    let stubs = retake.work().join("mocks/api/stubs/api.test");
    let good = std::fs::read_to_string(stubs.join("get-x.json")).unwrap();
    let faulty = good.replace("\"status\": 200", "\"status\": \"fine\"").replace("\"method\"", "\"methud\"");
    std::fs::write(stubs.join("get-x.json"), faulty).unwrap();
    std::fs::write(stubs.join("get-y.json"), "{\n  \"version\": 1,\n  broken\n}\n").unwrap();
    std::fs::write(stubs.join("get-z.json"), good.replace("\"status\": 200", "\"status\": 20000")).unwrap();
    let places = ["get-x.json:3", "get-x.json:10", "get-y.json:3", "get-z.json:10"];
    let check = retake.run(&["mock", "check", "api"]);
    assert_eq!(check.code, 3, "{check}");
    for word in places.into_iter().chain(["methud", "did you mean `method`", "200 to 599"]) {
        assert!(check.stdout.contains(word), "`{word}`: {check}");
    }
    let faults = retake.run(&["mock", "check", "api", "--json"]);
    assert!(faults.stdout.lines().count() >= 4, "{faults}");
    for args in [vec!["replay", "api", "--", "true"], vec!["explain", "api", "GET", "http://api.test/x"]] {
        let ran = retake.run(&args);
        assert_error(&ran, 2, &places);
    }
    assert_error(&retake.run(&["replay", "apo", "--", "true"]), 2, &["apo"]);
    assert_error(&retake.run(&["mock", "check", "apo"]), 2, &["apo"]);
}

#[test]
fn the_code_of_the_command_is_taken_over() {
    let retake = served();
    let data = retake.work().join("data.txt");
    std::fs::write(&data, "no program").unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o644)).unwrap();
    let data = data.to_str().unwrap();
    for front in [vec!["record"], vec!["replay", "api"]] {
        let run = |command: &[&str]| {
            let mut args = front.clone();
            args.push("--");
            args.extend(command);
            retake.run(&args)
        };
        let ran = run(&["no-such-command-here"]);
        assert_eq!(ran.code, 127, "{ran}");
        assert!(ran.stderr.contains("`no-such-command-here` was not found"), "{ran}");
        let ran = run(&[data]);
        assert_eq!(ran.code, 126, "{ran}");
        assert!(ran.stderr.contains("cannot be executed"), "{ran}");
        assert_eq!(run(&["sh", "-c", "kill -9 $$"]).code, 137);
        assert_eq!(run(&["sh", "-c", "kill -TERM $$"]).code, 143);
        // A replay that served nothing would be 3, but the command's own code wins.
        let ran = run(&["sh", "-c", "echo out; echo err >&2; exit 7"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (7, "out\n"), "stdout belongs to the command: {ran}");
        assert!(ran.stderr.contains("err\n"), "{ran}");
    }
}

#[test]
fn a_command_that_made_no_call_is_told_what_may_have_bypassed_the_proxy() {
    let retake = Retake::new();
    let ran = retake.run(&["record", "--", "true"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(ran.stderr.contains("warning") && ran.stderr.contains("nothing was recorded"), "{ran}");
    assert!(ran.stderr.contains("--to"), "names what probably bypassed it: {ran}");
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_command_that_mends_it() {
    let retake = served();
    retake.ok(&["ca", "path"]);
    assert_eq!(retake.run(&["record", "--", "true"]).code, 0);
    let key = retake.store().join("ca/ca-key.pem");
    for mode in [0o644, 0o640, 0o604] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        for args in [vec!["record", "--", "true"], vec!["replay", "api", "--", "true"]] {
            assert_error(&retake.run(&args), 1, &["ca-key.pem", "chmod 600"]);
        }
    }
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(retake.run(&["record", "--", "true"]).code, 0, "the cure helps");
}

#[test]
fn wrong_usage_is_exit_code_two() {
    let retake = Retake::new();
    let bad: [&[&str]; 9] = [
        &["recrod"],
        &["record", "--to", "ftp://x"],
        &["record", "--to", "https://a.test/path"],
        &["record", "--listen", "nowhere"],
        &["record", "--session", " "],
        &["replay"],
        &["replay", "api", "--profile", "bset"],
        &["promote", "--into", "api"],
        &["history", "--status", "9xx"],
    ];
    for args in bad {
        let ran = retake.run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran}");
        assert!(!ran.stderr.is_empty(), "{ran}");
    }
}

#[test]
fn the_environment_of_the_newest_server_can_be_evaluated() {
    let retake = served();
    assert_error(&retake.run(&["env"]), 1, &["no recorder or replay is running", "retake record"]);
    let replay = retake.replay(&["api"]);
    let script = "eval \"$(\"$RETAKE\" env --shell sh)\" && printf '%s|%s|%s|' \"$HTTP_PROXY\" \"$https_proxy\" \"$SSL_CERT_FILE\" \
                  && eval \"$(\"$RETAKE\" env --shell sh --unset)\" && printf '%s' \"${HTTP_PROXY-unset}\"";
    let mut command = Command::new("sh");
    retake.furnish(&mut command);
    let output = command.args(["-c", script]).env("RETAKE", env!("CARGO_BIN_EXE_retake")).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let parts: Vec<&str> = printed.split('|').collect();
    assert_eq!(parts.len(), 4, "{printed} {}", String::from_utf8_lossy(&output.stderr));
    let url = replay.url.trim_end_matches('/');
    assert_eq!((parts[0].trim_end_matches('/'), parts[1].trim_end_matches('/'), parts[3]), (url, url, "unset"));
    let bundle = std::fs::read_to_string(parts[2]).unwrap();
    assert!(bundle.contains(std::fs::read_to_string(retake.ca()).unwrap().trim()), "the bundle holds our CA");
    // A server that was killed is not taken for a running one.
    replay.kill();
    assert_eq!(retake.run(&["env"]).code, 1);
}

#[test]
fn the_ready_line_is_one_line_of_data() {
    let retake = Retake::new();
    let recorder = retake.record(&[]);
    assert!(recorder.url.starts_with("http://127.0.0.1:"));
    assert_eq!(recorder.ready["pid"], recorder.pid());
    assert!(recorder.ready["session"].is_string() && recorder.ca.is_file(), "{}", recorder.ready);
    recorder.stop();
    let retake = served();
    let replay = retake.replay(&["api"]);
    assert_eq!(replay.ready["collections"], serde_json::json!(["api"]));
    assert_eq!((&replay.ready["pid"], replay.ca.is_file()), (&Value::from(replay.pid()), true));
}

/// Everything that can be asked for help, found by following the commands that each help lists.
fn helps(retake: &Retake, path: &mut Vec<String>, out: &mut String) {
    let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
    args.push("--help");
    let help = retake.ok(&args);
    out.push_str(&format!("$ retake {}\n{}\n\n", args.join(" "), help.trim_end()));
    let commands = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    for line in commands.lines().take_while(|line| line.starts_with("  ")) {
        // A description that goes on is indented deeper than a name.
        let Some(name) = line.strip_prefix("  ").filter(|name| !name.starts_with(' ')) else { continue };
        path.push(name.split_whitespace().next().unwrap().to_owned());
        helps(retake, path, out);
        path.pop();
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_fault() {
    let (retake, _origin) = recorded();
    for args in [&["completions", "bash"][..], &["completions", "zsh"], &["history", "list", "--json"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = retake.command(args).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "{args:?}: {said}");
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
    }
}

#[test]
fn the_help_of_every_command() {
    let retake = Retake::new();
    let mut text = String::new();
    helps(&retake, &mut Vec::new(), &mut text);
    for command in ["record", "replay", "history show", "promote", "mock scenario add", "explain", "calls", "ca export"]
    {
        assert!(text.contains(&format!("$ retake {command} --help")), "{command}");
    }
    insta::assert_snapshot!("help", text);
}

/// What a terminal would act on, as text: colours and a bell, the same as C1 controls, bidirectional overrides, a
/// separator, a clipboard write.
const HOSTILE: &str = "\x1b[31mred\x07\u{9b}2J\u{202e}evil\u{2066}\u{2028}\x1b]52;c;AAAA\x07\x08\x7f";
/// The part of it that may stand in a field and in a target.
const HOSTILE_FIELD: &str = "\u{9b}2J\u{202e}evil\u{2066}\u{2028}";

/// The characters that must not come out.
fn acting(text: &str) -> Vec<char> {
    let acts = |character: &char| {
        (character.is_control() && *character != '\n')
            || matches!(*character, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(acts).collect()
}

/// An origin whose every answer is hostile.
fn hostile() -> Origin {
    Origin::raw(|mut stream| async move {
        let mut piece = [0; 8192];
        let Ok(read @ 1..) = stream.read(&mut piece).await else { return };
        let is_json = piece[..read].windows(5).any(|window| window == b"/json");
        let (media, body) = match is_json {
            true => ("application/json", serde_json::json!({ "name": HOSTILE, HOSTILE: 1 }).to_string()),
            false => ("text/plain; charset=utf-8", HOSTILE.to_owned()),
        };
        let head = format!(
            "HTTP/1.1 200 O{HOSTILE_FIELD}\r\nContent-Type: {media}\r\nX-{}: {HOSTILE_FIELD}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            "Evil",
            body.len()
        );
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(body.as_bytes()).await;
    })
}

#[test]
fn nothing_recorded_acts_on_the_terminal() {
    let retake = Retake::new();
    let origin = hostile();
    let port = origin.address.port();
    let session = format!("s{HOSTILE}");
    let recorder = retake.record(&["-v", "--session", &session, "--tag", &session]);
    let call = |server: &crate::harness::Server, path: &str| {
        let mut client = Client::to(server).unwrap();
        let request = format!(
            "POST http://localhost:{port}{path} HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: {HOSTILE_FIELD}\r\n\
             Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{HOSTILE}",
            HOSTILE.len()
        );
        client.send(request.as_bytes()).unwrap();
        client.answer("POST").unwrap().status()
    };
    // A target with raw bytes above ASCII may be refused; then it reaches no terminal either.
    let paths = [
        "/text?q=%1b%5b31m%07".to_owned(),
        "/json?q=%c2%9b&%e2%80%ae=1".to_owned(),
        format!("/json/{HOSTILE_FIELD}?{HOSTILE_FIELD}=1"),
    ];
    let recorded = paths.iter().filter(|path| call(&recorder, path) == 200).count();
    assert!(recorded >= 2);
    // Failures and refusals are told, too.
    call(&recorder, "/\x1b[31m");
    let _ = through(&recorder, &format!("http://no-such-host-{HOSTILE_FIELD}.invalid/"));
    let (_, said) = recorder.stop();
    assert_eq!(acting(&said), Vec::<char>::new(), "the live log: {said:?}");

    let check = |args: &[&str]| {
        let ran = retake.run(args);
        assert_eq!(acting(&ran.stdout), Vec::<char>::new(), "stdout: {:?}", ran.stdout);
        assert_eq!(acting(&ran.stderr), Vec::<char>::new(), "stderr: {:?}", ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{ran}");
        ran
    };
    for args in [
        &["history"][..],
        &["history", "--json"],
        &["history", "days"],
        &["history", "show", "1"],
        &["history", "show", "2"],
        &["history", "show", "1-9"],
        &["history", "show", "1-9", "--json"],
        &["history", "--session", HOSTILE],
        &["history", "show", HOSTILE],
        &["history", "--host", HOSTILE],
        &["promote", "--day", "today", "--into", "api", "--dry-run"],
        &["promote", "--day", "today", "--into", "api"],
        &["promote", "--day", "today", "--into", "api", "--json"],
        &["mock", "list", "api"],
        &["mock", "list", "api", "--json"],
        &["mock", "show", "api"],
        &["mock", "check", "api", HOSTILE],
        &["mock", "test", "api"],
        &["explain", "api", "1"],
        &["explain", "api", "GET", "http://localhost:1/json"],
        &["record", "--", HOSTILE],
        &["replay", HOSTILE, "--", "true"],
    ] {
        check(args);
    }
    let shown = check(&["history", "show", "1"]);
    assert!(shown.stdout.contains("red") && shown.stdout.contains("evil"), "what is harmless is shown: {shown}");
    origin.stop();
    let replay = retake.replay(&["api", "-v"]);
    for path in &paths {
        call(&replay, path);
    }
    call(&replay, "/missing%1b%5b31m");
    let (_, said) = replay.stop();
    assert_eq!(acting(&said), Vec::<char>::new(), "the log of a replay: {said:?}");
    for args in [
        &["calls"][..],
        &["calls", "list", "--json", "--all"],
        &["calls", "show", "1"],
        &["calls", "show", "2"],
        &["calls", "show", "4"],
        &["calls", "show", "4", "--json"],
    ] {
        check(args);
    }
}
