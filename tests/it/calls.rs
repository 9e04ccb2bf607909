//! `retake calls`: the log of a run, filtered, searched, followed, and a call whole.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

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
    for (args, total, next) in [
        (&["--limit", "2"][..], 6, json!(5)),
        (&["--limit", "2", "--before", "5"], 6, json!(3)),
        (&["--limit", "2", "--sort", "oldest", "--after", "2"], 6, json!(4)),
        (&["--misses"], 2, Value::Null),
        (&["--path", "/none"], 0, Value::Null),
    ] {
        let last = retake.json(&[&["calls", "list", "--json", "--meta"], args].concat()).pop();
        assert_eq!(last, Some(json!({ "meta": { "total": total, "nextCursor": next } })), "{args:?}");
    }
    let told = retake.run(&["calls", "--limit", "2"]);
    assert!(told.stderr.contains("2 of 6 calls; older ones: `--before 5`"), "{told}");
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
    assert_eq!((&whole["request_from"], &whole["response_from"]), (&"scenario".into(), &"scenario".into()), "{whole}");
    let missed = retake.json(&["calls", "show", "5", "--json"]).remove(0);
    assert!(missed.get("request_from").is_none() && missed.get("response_from").is_none(), "{missed}");
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

#[test]
fn an_exact_hit_by_rule_is_not_shown_as_the_scenarios_own() {
    let retake = Retake::new();
    let dir = retake.work().join("mocks/shop");
    std::fs::create_dir_all(dir.join("stubs")).unwrap();
    let origin = "http://api.test";
    let manifest = json!({ "version": 1, "name": "shop", "origins": [origin], "server_stubs": [{ "name": "down", "status": 503 }] });
    std::fs::write(dir.join("collection.json"), manifest.to_string()).unwrap();
    let answer = json!({ "status": 200, "body": { "text": "here" } });
    for (path, rules) in [("/own", json!([])), ("/any", json!([{ "place": "query", "name": "t", "action": "ignore" }]))]
    {
        let scenario = json!({ "name": "it", "request": { "query": ["t=1"] }, "response": answer });
        let stub = json!({
            "version": 1, "method": "GET", "origin": origin, "path": path, "rules": rules, "scenarios": [scenario] });
        std::fs::write(dir.join(format!("stubs{path}.json")), stub.to_string()).unwrap();
    }
    let ask = |args: &[&str]| {
        let server = retake.replay(&[&["shop"], args].concat());
        let mut client = Client::to(&server).unwrap();
        for target in ["/own?t=1", "/any?t=2"] {
            assert_eq!(client.get(target, "api.test").unwrap().text(), "here");
        }
        retake.ok(&["mock", "activate", "shop", "down", "--running"]);
        assert_eq!(client.get("/x", "api.test").unwrap().status(), 503);
        server.stop();
        ["1", "2", "3"].map(|call| retake.ok(&["calls", "show", call]))
    };
    let [own, by_rule, server_stub] = ask(&[]);
    assert!(own.contains("the request is the scenario's own"), "{own}");
    assert!(by_rule.contains("rules, matchers or placeholders let them pass"), "{by_rule}");
    assert!(by_rule.contains("the log does not have them") && by_rule.contains("--call-log full"), "{by_rule}");
    assert!(server_stub.contains("nothing was compared"), "{server_stub}");
    let [_, by_rule, _] = ask(&["--call-log", "full"]);
    assert!(by_rule.contains("let them pass") && !by_rule.contains("the log does not have them"), "{by_rule}");
}

#[test]
fn a_full_log_has_answers_as_they_were_sent_where_the_collection_has_others() {
    let retake = Retake::new();
    let dir = retake.work().join("mocks/shop");
    std::fs::create_dir_all(dir.join("stubs")).unwrap();
    let origin = "http://api.test";
    let manifest = json!({ "version": 1, "name": "shop", "origins": [origin],
        "server_stubs": [{ "name": "down", "status": 503, "body": { "text": "closed" } }] });
    std::fs::write(dir.join("collection.json"), manifest.to_string()).unwrap();
    let dates = json!({ "status": 200, "fields": ["Set-Cookie: a=b; Expires=Wed, 21 Oct 2026 07:28:00 GMT"],
        "recorded_at": "2026-10-20T00:00:00Z" });
    for (path, answer) in [
        ("/plain", json!({ "status": 200, "body": { "text": "plain" } })),
        (
            "/made",
            json!({ "status": 200, "template": true, "body": { "text": "for {{$headers 'authorization'}} {{$queryParams 'q'}}" } }),
        ),
        ("/dates", dates),
    ] {
        let rule = json!([{ "place": "query", "name": "q", "action": "ignore" }]);
        let scenario = json!({ "name": "it", "response": answer });
        let stub = json!({
            "version": 1, "method": "GET", "origin": origin, "path": path, "rules": rule, "scenarios": [scenario] });
        std::fs::write(dir.join(format!("stubs{path}.json")), stub.to_string()).unwrap();
    }
    let ask = |args: &[&str]| {
        let server = retake.replay(&[&["shop", "--now", "2026-11-19T00:00:00Z"], args].concat());
        let mut client = Client::to(&server).unwrap();
        let mut call = |method: &str, path: &str| {
            let secret = "Authorization: Bearer c2VjcmV0LXRva2Vu";
            client.send(format!("{method} {path} HTTP/1.1\r\nHost: api.test\r\n{secret}\r\n\r\n").as_bytes()).unwrap();
            client.answer(method).unwrap()
        };
        call("GET", "/plain");
        assert_eq!(call("GET", "/made?q=tea").text(), "for Bearer c2VjcmV0LXRva2Vu tea");
        call("GET", "/dates");
        call("HEAD", "/plain");
        call("GET", "/nothing");
        retake.ok(&["mock", "activate", "shop", "down", "--running"]);
        assert_eq!(call("GET", "/plain").status(), 503);
        server.stop();
        retake.json(&["calls", "--sort", "oldest", "--include", "response,request", "--json"])
    };
    let full = ask(&["--call-log", "full"]);
    let from = |call: &Value| call.get("response_from").cloned().unwrap_or_default();
    let froms: Vec<Value> = full.iter().map(from).collect();
    let scenario = json!("scenario");
    assert_eq!(froms, [scenario.clone(), Value::Null, Value::Null, Value::Null, Value::Null, scenario.clone()]);
    assert!(full.iter().all(|call| call["request"]["fields"].is_array()), "{full:?}");
    let body = full[1]["response"]["body"].as_str().unwrap();
    assert!(body.starts_with("for ") && body.ends_with(" tea") && !body.contains("c2VjcmV0"), "{body}");
    assert!(full[2]["response"]["fields"].to_string().contains("Fri, 20 Nov 2026 07:28:00 GMT"), "{}", full[2]);
    assert_eq!(full[3]["response"]["body_bytes"], 0, "a HEAD has no body: {}", full[3]);
    assert!(full[3]["response"]["fields"].to_string().contains("x-retake-inexact"), "{}", full[3]);
    assert!(full[4]["response"]["body"].as_str().unwrap().contains("/nothing"), "the report: {}", full[4]);
    assert_eq!(full[5]["response"]["body"], "closed");
    let shown = retake.ok(&["calls", "show", "2"]);
    assert!(shown.contains("answer (as it was sent):") && shown.contains(" tea"), "{shown}");
    let all = ask(&[]);
    assert_eq!(from(&all[1]), scenario);
    assert!(all[1]["response"]["body"].as_str().unwrap().contains("{{$queryParams 'q'}}"), "{}", all[1]);
}

#[test]
fn a_message_that_is_no_call_is_no_tunnel() {
    let retake = Retake::new();
    crate::state::shop(&retake);
    let server = retake.replay(&["shop"]);
    let two = b"GET /plain HTTP/1.1\r\nHost: api.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx";
    assert!(crate::harness::http::raw(server.address(), two).starts_with("HTTP/1.1 400"));
    let calls = eventually("it is logged", || {
        let calls = retake.json(&["calls", "--json"]);
        (!calls.is_empty()).then_some(calls)
    });
    assert_eq!((&calls[0]["method"], &calls[0]["url"]), (&"-".into(), &"".into()));
    let (_, said) = server.stop();
    assert!(said.contains("a message that is no call") && !said.contains("CONNECT"), "{said}");
}
