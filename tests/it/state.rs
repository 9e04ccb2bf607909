//! Cursors: sequences, named states and fresh values, for the whole server and for each test by itself.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::http::{Answer, Client};
use crate::harness::{Retake, Server};

/// A collection with a job that is polled, an order with named states, and orders whose ids are made afresh.
pub fn shop(retake: &Retake) {
    let dir = retake.work().join("mocks/shop");
    write(&dir, "collection.json", json!({ "version": 1, "name": "shop", "origins": ["http://api.test"] }));
    let text = |text: &str| json!({ "status": 200, "body": { "text": text } });
    stub(
        &dir,
        "job",
        "GET",
        "/job",
        json!([{ "name": "job", "responses": [
        { "status": 202, "times": 2, "body": { "text": "running" } }, text("done") ], "end": "cycle" }]),
    );
    stub(&dir, "once", "GET", "/once", json!([{ "name": "once", "responses": [text("only")], "end": "miss" }]));
    stub(
        &dir,
        "cart",
        "GET",
        "/cart",
        json!([
            { "name": "empty", "state": { "of": "cart", "requires": "start" }, "response": text("empty") },
            { "name": "full", "state": { "of": "cart", "requires": "full" }, "response": text("full") },
        ]),
    );
    stub(
        &dir,
        "fill",
        "POST",
        "/cart",
        json!([
        { "name": "fill", "state": { "of": "cart", "next": "full" }, "response": { "status": 201 } }]),
    );
    stub(
        &dir,
        "clear",
        "DELETE",
        "/cart",
        json!([
        { "name": "clear", "state": { "of": "cart", "requires": "full", "next": "start" }, "response": { "status": 204 } }]),
    );
    let fresh = json!([{ "place": "path", "name": "id", "action": "fresh", "shape": "integer" }]);
    for (file, method) in [("order", "GET"), ("cancel", "DELETE")] {
        write(
            &dir,
            &format!("stubs/{file}.json"),
            json!({
            "version": 1, "method": method, "origin": "http://api.test", "path": "/orders/{id}", "rules": fresh,
            "scenarios": [
                { "name": "tea", "request": { "captures": { "id": "1001" } }, "response": text("tea") },
                { "name": "coffee", "request": { "captures": { "id": "1002" } }, "response": text("coffee") },
            ] }),
        );
    }
    stub(&dir, "plain", "GET", "/plain", json!([{ "name": "plain", "response": text("plain") }]));
}

fn stub(dir: &Path, file: &str, method: &str, path: &str, scenarios: Value) {
    let stub =
        json!({ "version": 1, "method": method, "origin": "http://api.test", "path": path, "scenarios": scenarios });
    write(dir, &format!("stubs/{file}.json"), stub);
}

fn write(dir: &Path, file: &str, content: Value) {
    let path = dir.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, serde_json::to_string_pretty(&content).unwrap()).unwrap();
}

fn call(client: &mut Client, method: &str, path: &str, fields: &str) -> Answer {
    client.send(format!("{method} {path} HTTP/1.1\r\nHost: api.test\r\n{fields}\r\n").as_bytes()).unwrap();
    client.answer(method).unwrap()
}

/// What a walk through the shop gives, call by call.
fn walk(client: &mut Client, prefix: &str, fields: &str, ids: [u32; 2]) -> Vec<String> {
    let [first, second] = ids;
    [
        ("GET", "/job"),
        ("GET", "/plain"),
        ("GET", "/job"),
        ("GET", &format!("/orders/{first}")),
        ("GET", "/job"),
        ("GET", "/job"),
        ("GET", &format!("/orders/{second}")),
        ("DELETE", &format!("/orders/{second}")),
        ("DELETE", &format!("/orders/{first}")),
        ("GET", &format!("/orders/{first}")),
        ("GET", "/orders/1002"),
        ("GET", "/cart"),
        ("DELETE", "/cart"),
        ("POST", "/cart"),
        ("GET", "/cart"),
        ("DELETE", "/cart"),
        ("GET", "/cart"),
        ("GET", "/once"),
        ("GET", "/once"),
    ]
    .iter()
    .map(|(method, path)| {
        let answer = call(client, method, &format!("{prefix}{path}"), fields);
        let text = if answer.field("x-retake-miss").is_some() { "miss".to_owned() } else { answer.text() };
        format!("{} {text}", answer.status())
    })
    .collect()
}

const WALKED: [&str; 19] = [
    "202 running",
    "200 plain",
    "202 running",
    "200 tea",
    "200 done",
    "202 running",
    "200 coffee",
    "200 coffee",
    "200 tea",
    "200 tea",
    "200 coffee",
    "200 empty",
    "501 miss",
    "201 ",
    "200 full",
    "204 ",
    "200 empty",
    "200 only",
    "501 miss",
];

#[test]
fn one_cursor_for_the_whole_server_unless_said_otherwise() {
    let retake = Retake::new();
    shop(&retake);
    let server = retake.replay(&["shop"]);
    let mut client = Client::to(&server).unwrap();
    assert_eq!(walk(&mut client, "", "X-Test-Id: a\r\n", [7, 8]), WALKED);
    let again = walk(&mut client, "", "X-Test-Id: b\r\n", [9, 8]);
    assert_eq!(again[0], "202 running", "the second of two");
    assert_eq!(again[2], "200 done", "the sequence goes on");
    assert_eq!(again[3], "200 tea", "all are bound: the first that fits");
    assert_eq!(again[17], "501 miss", "used up for all");
    drop(client);
    let (code, said) = server.stop();
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("used up: this sequence had 1 answer, and this call asks for a 2nd"), "{said}");
    assert!(said.contains("wrong state: DELETE /cart#clear answers only while cart is `full`"), "{said}");
    let calls = retake.json(&["calls", "list", "--all", "--json"]);
    assert!(calls.iter().all(|call| call.get("cursor").is_none()));
    // Explained after what came before it, as the log tells it.
    for words in ["used up", "wrong state"] {
        let missed = calls.iter().find(|call| call["differences"].to_string().contains(words)).unwrap();
        let explained = retake.run(&["explain", "shop", &format!("call:{}", missed["call"])]);
        assert!(explained.code == 3 && explained.stdout.contains(words), "{words}: {explained}");
    }
    for hit in calls.iter().filter(|call| call["result"] == "exact") {
        let explained = retake.json(&["explain", "shop", &format!("call:{}", hit["call"]), "--json"]).remove(0);
        let scenario = format!("shop: {}", explained["answer"]["scenario"].as_str().unwrap_or_default());
        assert_eq!(hit["scenario"], scenario.as_str(), "{hit}");
    }
}

#[test]
fn a_log_without_exact_hits_has_those_that_moved_something_on() {
    let retake = Retake::new();
    shop(&retake);
    let server = retake.replay(&["shop", "--call-log", "misses"]);
    let mut client = Client::to(&server).unwrap();
    for path in ["/plain", "/once", "/once"] {
        client.get(path, "api.test").unwrap();
    }
    for (method, path) in [("POST", "/cart"), ("GET", "/cart"), ("DELETE", "/cart"), ("DELETE", "/cart")] {
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: api.test\r\n\r\n").as_bytes()).unwrap();
        client.answer(method).unwrap();
    }
    drop(client);
    server.stop();
    let calls = retake.json(&["calls", "list", "--all", "--sort", "oldest", "--json"]);
    let logged: Vec<_> = calls.iter().map(|call| (call["call"].as_u64().unwrap(), &call["result"])).collect();
    let [exact, miss] = [json!("exact"), json!("miss")];
    assert_eq!(logged, [(2, &exact), (3, &miss), (4, &exact), (6, &exact), (7, &miss)], "{calls:?}");
    for (call, words) in [("call:3", "used up"), ("call:7", "wrong state")] {
        let explained = retake.run(&["explain", "shop", call]);
        assert!(explained.code == 3 && explained.stdout.contains(words), "{words}: {explained}");
    }
}

#[test]
fn what_was_changed_by_hand_is_in_the_log_and_told_by_explain() {
    let retake = Retake::new();
    shop(&retake);
    let server = retake.replay(&["shop", "--cursor", "header:X-Test-Id"]);
    let mut client = Client::to(&server).unwrap();
    let mut ask = |path: &str, test: &str| call(&mut client, "GET", path, &format!("X-Test-Id: {test}\r\n")).text();
    assert_eq!(ask("/once", "a"), "only");
    retake.ok(&["state", "set", "GET /once#once", "1", "--cursor", "a"]);
    assert_eq!(ask("/once", "a"), "only");
    retake.ok(&["state", "set", "cart", "full", "--cursor", "a"]);
    assert_eq!(ask("/cart", "a"), "full");
    assert_eq!(ask("/cart", "b"), "empty");
    retake.ok(&["state", "set", "GET /job#job", "2", "--cursor", "b"]);
    assert_eq!(ask("/job", "b"), "done");
    retake.ok(&["state", "reset"]);
    assert_eq!(ask("/once", "a"), "only");
    assert_eq!(ask("/cart", "a"), "empty");
    ask("/once", "a");
    server.stop();
    let calls = retake.json(&["calls", "--sort", "oldest", "--json"]);
    let changes: Vec<&Value> = calls.iter().filter(|call| call["result"] == "state").collect();
    assert_eq!(changes.len(), 4, "{calls:?}");
    assert_eq!(
        changes[1]["state"],
        json!({ "enter": { "things": [{ "collection": "shop", "of": "cart" }], "state": "full" } })
    );
    assert_eq!(changes[3]["differences"], json!(["every cursor begins anew"]));
    for hit in calls.iter().filter(|call| call["result"] == "exact") {
        let explained = retake.json(&["explain", "shop", &format!("call:{}", hit["call"]), "--json"]).remove(0);
        let scenario = format!("shop: {}", explained["answer"]["scenario"].as_str().unwrap_or_default());
        assert_eq!(hit["scenario"], scenario.as_str(), "{hit}: {explained}");
    }
    let last = calls.last().unwrap();
    let explained = retake.run(&["explain", "shop", &format!("call:{}", last["call"])]);
    assert!(last["result"] == "miss" && explained.stdout.contains("used up"), "{last} {explained}");
    let none = retake.run(&["explain", "shop", &format!("call:{}", changes[0]["call"])]);
    assert!(none.code == 2 && none.stderr.contains("somebody changed"), "{none}");
    assert!(retake.ok(&["calls"]).contains("cart is in the state `full`"));
}

#[test]
fn a_cursor_by_field_user_path_and_port() {
    let retake = Retake::new();
    shop(&retake);
    let server = retake.replay(&["shop", "--cursor", "header:X-Test-Id"]);
    let mut client = Client::to(&server).unwrap();
    for test in ["a", "b"] {
        assert_eq!(walk(&mut client, "", &format!("x-test-id: {test}\r\n"), [7, 8]), WALKED);
    }
    assert_eq!(walk(&mut client, "", "", [7, 8]), WALKED, "that of calls that name none");
    server.stop();
    let named: Vec<Value> = retake.json(&["calls", "list", "--all", "--json"]);
    assert_eq!(named.iter().filter(|call| call["cursor"] == "a").count(), WALKED.len());

    let server = retake.replay(&["shop", "--cursor", "proxy-user"]);
    let mut client = Client::to(&server).unwrap();
    // `a:secret` and `b:secret`
    for credentials in ["YTpzZWNyZXQ=", "YjpzZWNyZXQ="] {
        let field = format!("Proxy-Authorization: Basic {credentials}\r\n");
        assert_eq!(walk(&mut client, "http://api.test", &field, [7, 8]), WALKED);
    }
    server.stop();

    let server = retake.replay(&["shop", "--cursor", "path"]);
    let mut client = Client::to(&server).unwrap();
    for prefix in ["/~a", "/~b/@api.test", "/~a%20b"] {
        assert_eq!(walk(&mut client, prefix, "", [7, 8]), WALKED, "{prefix}");
    }
    server.stop();

    let server = retake.replay(&["shop", "--cursor", "port", "--also-listen", "127.0.0.1:0"]);
    let urls = server.ready["urls"].as_array().unwrap().clone();
    assert_eq!(urls.len(), 2);
    for url in urls {
        let address = url.as_str().unwrap().trim_start_matches("http://").parse().unwrap();
        assert_eq!(walk(&mut Client::connect(address).unwrap(), "", "", [7, 8]), WALKED);
    }
    server.stop();
}

#[test]
fn the_user_of_a_tunnel_names_the_cursor_of_what_is_in_it() {
    let retake = Retake::new();
    shop(&retake);
    let server = retake.replay(&["shop", "--cursor", "proxy-user"]);
    for credentials in ["YTpzZWNyZXQ=", "YjpzZWNyZXQ="] {
        let mut client = Client::to(&server).unwrap();
        let connect = format!(
            "CONNECT api.test:80 HTTP/1.1\r\nHost: api.test:80\r\nProxy-Authorization: Basic {credentials}\r\n\r\n"
        );
        client.send(connect.as_bytes()).unwrap();
        assert_eq!(client.head().unwrap().status, 200);
        assert_eq!(walk(&mut client, "", "", [7, 8]), WALKED);
    }
    server.stop();
}

#[test]
fn sixty_four_tests_at_once_get_what_they_get_one_after_another() {
    let retake = Retake::new();
    shop(&retake);
    let server = retake.replay(&["shop", "--cursor", "header:X-Test-Id"]);
    let one = |server: &Server, number: u32| {
        let mut client = Client::to(server).unwrap();
        walk(&mut client, "", &format!("X-Test-Id: test-{number}\r\n"), [2000 + number, 3000 + number])
    };
    let parallel: Vec<Vec<String>> = std::thread::scope(|scope| {
        let server = &server;
        let tests: Vec<_> = (0..64).map(|number| scope.spawn(move || one(server, number))).collect();
        tests.into_iter().map(|test| test.join().unwrap()).collect()
    });
    assert!(parallel.iter().all(|walked| walked == &WALKED), "{parallel:?}");
    let serial: Vec<Vec<String>> = (100..164).map(|number| one(&server, number)).collect();
    assert_eq!(parallel, serial);
    server.stop();
}

#[test]
fn each_step_of_a_shared_sequence_is_taken_once() {
    let retake = Retake::new();
    let dir = retake.work().join("mocks/shop");
    write(&dir, "collection.json", json!({ "version": 1, "name": "shop", "origins": ["http://api.test"] }));
    let steps: Vec<Value> =
        (0..256).map(|step| json!({ "status": 200, "body": { "text": step.to_string() } })).collect();
    stub(&dir, "steps", "GET", "/steps", json!([{ "name": "steps", "responses": steps, "end": "miss" }]));
    let server = retake.replay(&["shop"]);
    let mut taken: Vec<usize> = std::thread::scope(|scope| {
        let take = || {
            let mut client = Client::to(&server).unwrap();
            (0..32).map(|_| call(&mut client, "GET", "/steps", "").text().parse().unwrap()).collect::<Vec<usize>>()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    taken.sort_unstable();
    assert_eq!(taken, (0..256).collect::<Vec<_>>());
    server.stop();
}

#[test]
fn states_are_checked_shown_and_each_scenario_answers_in_its_own() {
    let retake = Retake::new();
    shop(&retake);
    assert_eq!(retake.run(&["mock", "check", "shop"]).code, 0);
    let tested = retake.run(&["mock", "test", "shop"]);
    assert_eq!(tested.code, 0, "{tested}");
    let shown = retake.ok(&["mock", "show", "shop", "GET /cart"]);
    assert!(shown.contains("answers in the state `full` of cart"), "{shown}");
    let dir = retake.work().join("mocks/shop");
    stub(
        &dir,
        "clear",
        "DELETE",
        "/cart",
        json!([
        { "name": "clear", "state": { "of": "cart", "requires": "ful" }, "response": { "status": 204 } },
        { "name": "nothing", "state": {}, "response": { "status": 204 } }]),
    );
    let ran = retake.run(&["mock", "check", "shop"]);
    assert_eq!(ran.code, 3, "{ran}");
    assert!(ran.stdout.contains("no scenario leads to the state `ful`; did you mean `full`?"), "{ran}");
    assert!(ran.stdout.contains("`scenarios[1].state` needs `requires`, `next`, or both"), "{ran}");
}

#[test]
fn who_names_a_scenario_that_cannot_answer_is_told_why_and_the_fix_is_for_that_run() {
    let retake = Retake::new();
    shop(&retake);
    let server = retake.replay(&["shop"]);
    let newer = retake.replay(&["shop"]);
    let mut client = Client::to(&server).unwrap();
    let full = "x-mock-response-name: full\r\nAccept: text/plain\r\n";
    let told = call(&mut client, "GET", "/cart", full).text();
    assert!(told.contains("wrong state: GET /cart#full answers only while cart is `full`"), "{told}");
    let command = told.lines().find(|line| line.contains("retake state set cart full --run ")).unwrap();
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    retake.ok(&words);
    assert_eq!(call(&mut client, "GET", "/cart", full).text(), "full");
    let text = call(&mut Client::to(&newer).unwrap(), "GET", "/cart", "").text();
    assert_eq!(text, "empty", "the other run is as it was");
    newer.stop();

    let once = "x-mock-response-name: once\r\nAccept: text/plain\r\n";
    assert_eq!(call(&mut client, "GET", "/once", "").text(), "only");
    let told = call(&mut client, "GET", "/once", once).text();
    assert!(
        told.contains("\nused up: this sequence had 1 answer") && told.contains("nearest: GET /once#once"),
        "{told}"
    );
}

#[test]
fn the_next_in_line_is_not_used_up_where_its_state_is_another() {
    let retake = Retake::new();
    shop(&retake);
    let server = retake.replay(&["shop"]);
    let mut client = Client::to(&server).unwrap();
    call(&mut client, "POST", "/cart", "");
    assert_eq!(call(&mut client, "GET", "/cart", "").text(), "full");
    let told = retake.ok(&["explain", "shop", "call:2"]);
    assert!(told.contains("next: GET /cart#empty") && told.contains("it answers only while cart is `start`"), "{told}");
}

#[test]
fn scenarios_of_one_request_are_tested_by_name() {
    let retake = Retake::new();
    shop(&retake);
    let dir = retake.work().join("mocks/shop");
    let text = |name: &str| json!({ "name": name, "response": { "status": 200, "body": { "text": name } } });
    stub(&dir, "plain", "GET", "/plain", json!([text("plain"), text("other")]));
    let told = retake.ok(&["mock", "test", "shop"]);
    assert!(
        told.contains("/plain#other, where a call names it: GET http://api.test/plain#plain has the same"),
        "{told}"
    );
}

#[test]
fn collections_of_one_origin_have_one_base_url() {
    let retake = Retake::new();
    shop(&retake);
    let dir = retake.work().join("mocks/more");
    write(&dir, "collection.json", json!({ "version": 1, "name": "more", "origins": ["http://api.test"] }));
    stub(&dir, "more", "GET", "/more", json!([{ "name": "more", "response": { "status": 200 } }]));
    let (_, said) = retake.replay(&["shop", "more"]).stop();
    assert_eq!(said.matches("as a base URL:").count(), 1, "{said}");
}
