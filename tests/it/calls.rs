//! `retake calls`: the log of a run, filtered, searched, followed, and a call whole.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::harness::http::Client;
use crate::harness::{Retake, eventually};

fn numbers(retake: &Retake, args: &[&str]) -> Vec<u64> {
    let all = [&["calls"], args, &["--json"]].concat();
    retake.json(&all).iter().map(|call| call["call"].as_u64().unwrap()).collect()
}

#[test]
fn calls_are_filtered_paged_searched_and_shown_whole() {
    let retake = Retake::new();
    crate::state::shop(&retake);
    let server = retake.replay(&["shop", "--cursor", "header:X-Test-Id"]);
    let mut client = Client::to(&server).unwrap();
    for (method, path, test) in [
        ("GET", "/plain", "a"),
        ("GET", "/job", "a"),
        ("GET", "/job", "b"),
        ("POST", "/cart", "b"),
        ("GET", "/nothing?q=Oolong", "b"),
        ("GET", "/plain?extra=1", "b"),
    ] {
        client
            .send(format!("{method} {path} HTTP/1.1\r\nHost: api.test\r\nX-Test-Id: {test}\r\n\r\n").as_bytes())
            .unwrap();
        client.answer(method).unwrap();
    }
    eventually("the log is written", || (numbers(&retake, &["list"]).len() == 6).then_some(()));
    for (args, expected) in [
        (&["list"][..], &[6, 5, 4, 3, 2, 1][..]),
        (&["list", "--sort", "oldest", "--limit", "2"], &[1, 2]),
        (&["list", "--sort", "oldest", "--after", "4"], &[5, 6]),
        (&["list", "--before", "3", "-n", "1"], &[2]),
        (&["list", "--status", "202"], &[3, 2]),
        (&["list", "--type", "miss"], &[6, 5]),
        (&["list", "--misses"], &[6, 5]),
        (&["list", "--method", "post"], &[4]),
        (&["list", "--path", "/JO*"], &[3, 2]),
        (&["list", "--cursor", "a"], &[2, 1]),
        (&["list", "--since", "1h ago", "--type", "success", "--limit", "1"], &[4]),
        (&["list", "--until", "1h ago"], &[]),
        (&["search", "oolong"], &[5]),
        (&["search", "x-test-id: b", "--type", "error"], &[6, 5]),
        (&["tail", "-n", "2"], &[5, 6]),
    ] {
        assert_eq!(numbers(&retake, args), expected, "{args:?}");
    }
    let listed = retake.json(&["calls", "--sort", "oldest", "--json", "--include", "response,request-headers"]);
    assert!(listed[0]["request"]["fields"].is_array() && listed[0]["request"].get("body").is_none(), "{}", listed[0]);
    assert_eq!(listed[0]["response"]["body"], "plain");
    assert_eq!(listed[4]["response"], Value::Null, "a miss has no scenario's answer");
    let listed = retake.json(&["calls", "--json"]);
    assert!(listed.iter().all(|call| call.get("request").is_none() && call.get("response").is_none()));
    let told = retake.ok(&["calls", "--limit", "1", "--path", "/job", "--include", "response-body"]);
    assert!(told.contains("running") && !told.contains("request"), "{told}");
    let too_many = retake.run(&["calls", "--limit", "101"]);
    assert!(too_many.code == 2 && too_many.stderr.contains("at most 100 calls"), "{too_many}");
    let shown = retake.ok(&["calls", "show", "2"]);
    for words in ["cursor a", "shop: GET /job#job, step 1", "answer (as the scenario has it):", "running"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let whole = retake.json(&["calls", "show", "1", "--json"]).remove(0);
    assert_eq!(whole["response"]["body"], "plain");
    assert!(whole["request"]["fields"].is_array(), "{whole}");
    for bad in [
        &["calls", "list", "--status", "4x4"][..],
        &["calls", "list", "--path", "[", "--json"],
        &["calls", "list", "--since", "soon"],
    ] {
        assert_eq!(retake.run(bad).code, 2, "{bad:?}");
    }
    let mut tail = retake.command(&["calls", "tail", "-n", "1", "-f", "--json", "--path", "/plain"]);
    let mut tail = tail.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()["call"].as_u64().unwrap();
    assert_eq!(next(), 6);
    for path in ["/job", "/plain"] {
        client.get(path, "api.test").unwrap();
    }
    assert_eq!(next(), 8);
    tail.kill().unwrap();
    tail.wait().unwrap();
    server.stop();
}
