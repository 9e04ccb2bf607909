//! Matching through the real binary: the profile `postman`, steering, and what an answer says of how it was chosen.

use std::fs;

use crate::harness::Retake;
use crate::harness::http::{Answer, Client};

const HOST: &str = "api.test";

/// A collection of hand-written stubs, `(file, stub)`, with these members of `collection.json`.
fn write(retake: &Retake, name: &str, more: &str, stubs: &[(&str, &str)]) {
    let folder = retake.work().join("mocks").join(name);
    fs::create_dir_all(folder.join("stubs/api.test")).unwrap();
    let manifest = format!(r#"{{"version":1,"name":"{name}","origins":["http://{HOST}"]{more}}}"#);
    fs::write(folder.join("collection.json"), manifest).unwrap();
    for (file, stub) in stubs {
        fs::write(folder.join("stubs/api.test").join(file), stub).unwrap();
    }
}

fn stub(method: &str, path: &str, scenarios: &str) -> String {
    format!(r#"{{"version":1,"method":"{method}","origin":"http://{HOST}","path":"{path}","scenarios":[{scenarios}]}}"#)
}

fn call(client: &mut Client, method: &str, path: &str, fields: &[&str], body: &str) -> Answer {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {length}\r\n{fields}\r\n{body}");
    client.send(head.as_bytes()).unwrap();
    client.answer(method).unwrap()
}

fn users() -> [(&'static str, String); 2] {
    [
        (
            "get-users.json",
            stub(
                "GET",
                "/users/{id}",
                r#"{"name":"any","response":{"status":200,"body":{"text":"any"}}},
                   {"name":"gone","request":{"captures":{"id":"7"}},"response":{"status":404,"body":{"text":"gone"}}}"#,
            ),
        ),
        (
            "get-list.json",
            stub(
                "GET",
                "/users/list",
                r#"{"name":"page","request":{"query":["page=1","size=9"]},"response":{"status":200,"body":{"text":"page"}}}"#,
            ),
        ),
    ]
}

#[test]
fn a_postman_collection_is_served_by_points_and_tells_how() {
    let retake = Retake::new();
    let stubs = users();
    let stubs: Vec<(&str, &str)> = stubs.iter().map(|(file, text)| (*file, text.as_str())).collect();
    write(&retake, "users", r#","settings":{"profile":"postman"}"#, &stubs);
    let server = retake.replay(&["users"]);
    let mut client = Client::to(&server).unwrap();
    let explained = ["x-retake-explain: 1"];

    let answer = call(&mut client, "GET", "/users/list/?page=1&size=8", &explained, "");
    assert_eq!((answer.status(), answer.text().as_str()), (200, "page"));
    assert_eq!(answer.field("x-retake-score"), Some("105.0"), "{:?}", answer.head);
    assert_eq!(answer.field("x-retake-rung"), Some("95 equal without slashes at the end"));
    assert_eq!(answer.field("x-retake-arithmetic"), Some("path 95 + query 5 + body 5 = 105"));
    assert_eq!(answer.field("x-retake-parts"), Some("query 1/2"));
    assert!(answer.field("x-retake-inexact").unwrap().contains("path: equal without slashes at the end"));
    let runner_up = answer.field("x-retake-runner-up").unwrap();
    assert!(runner_up.starts_with("GET /users/{id}#"), "{runner_up}");

    let answer = call(&mut client, "GET", "/users/7", &explained, "");
    assert_eq!((answer.status(), answer.text().as_str()), (404, "gone"), "an identical path beats a wildcard");
    assert_eq!(answer.field("x-retake-tie-break"), Some("score"));
    let answer = call(&mut client, "GET", "/users/7", &["x-mock-response-code: 200"], "");
    assert_eq!((answer.status(), answer.text().as_str()), (200, "any"));
    assert_eq!(answer.field("x-retake-inexact"), None, "{:?}", answer.head);
    let answer = call(&mut client, "GET", "/nowhere/at/all", &["x-mock-response-name: page"], "");
    assert_eq!(answer.text(), "page");

    // As Postman says it, with the way to the report.
    let answer = call(&mut client, "POST", "/users/7", &["Accept: text/plain"], "");
    assert_eq!(answer.status(), 404);
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem["error"]["name"], "mockRequestNotFoundError");
    assert_eq!(problem["error"]["header"], "No matching requests");
    assert!(answer.field("x-retake-miss").is_some());
    let answer = call(&mut client, "GET", "/users/7", &["x-mock-response-code: 200", "x-mock-response-name: gone"], "");
    let told = answer.text();
    assert_eq!(answer.status(), 404);
    assert!(told.contains("x-mock-response-code: 200") && told.contains("x-mock-response-name: gone"), "{told}");
    drop(client);
    server.stop();

    // The log keeps steering apart from the request, and explain comes to the same.
    let calls = retake.json(&["calls", "list", "--all", "--json", "--include", "request"]);
    let steered = calls.iter().find(|call| call["steering"][0][1] == "page").unwrap();
    assert_eq!(steered["steering"][0][0], "x-mock-response-name");
    assert!(!steered["request"]["fields"].to_string().contains("x-mock"), "{steered}");
    for logged in calls.iter().filter(|call| call["result"] != "miss") {
        let explained = retake.json(&["explain", "users", &format!("call:{}", logged["call"]), "--json"]);
        let scenario = format!("users: {}", explained[0]["answer"]["scenario"].as_str().unwrap());
        assert_eq!(logged["scenario"], scenario.as_str(), "{logged}\n{}", explained[0]);
        assert_eq!(logged["score"], explained[0]["answer"]["score"], "{logged}");
    }
}

#[test]
fn a_scenario_that_is_named_for_another_path_says_so() {
    let retake = Retake::new();
    let users = users();
    let stubs: Vec<(&str, &str)> = users.iter().map(|(name, text)| (*name, text.as_str())).collect();
    write(&retake, "users", r#","settings":{"profile":"postman"}"#, &stubs);
    let server = retake.replay(&["users", "--report", "json=run.json"]);
    let mut client = Client::to(&server).unwrap();
    let fields = ["x-mock-response-name: page", "x-retake-explain: 1"];
    let answer = call(&mut client, "GET", "/zzz?a=1", &fields, "");
    let told = "path: another one, and the call named the scenario";
    assert!(answer.field("x-retake-inexact").unwrap().contains(told), "{:?}", answer.head);
    assert_eq!(answer.field("x-retake-score"), Some("0.0"));
    assert_eq!(answer.field("x-retake-arithmetic"), Some("0: without a rung nothing counts"));
    drop(client);
    assert_eq!(server.stop().0, 0);
    let report = std::fs::read_to_string(retake.work().join("run.json")).unwrap();
    assert!(report.contains(told), "{report}");
}

#[test]
fn the_flag_chooses_the_profile_and_an_empty_collection_gives_a_hint() {
    let retake = Retake::new();
    write(&retake, "none", "", &[]);
    let server = retake.replay(&["none", "--profile", "postman"]);
    let mut client = Client::to(&server).unwrap();
    let answer = call(&mut client, "GET", "/", &[], "");
    assert_eq!(answer.status(), 404);
    assert!(answer.text().contains("retake mock scenario add"), "{}", answer.text());
    drop(client);
    server.stop();
    let server = retake.replay(&["none", "--profile", "postman", "--miss-status", "501"]);
    assert_eq!(call(&mut Client::to(&server).unwrap(), "GET", "/", &[], "").status(), 501);
}

#[test]
fn explain_shows_rung_points_and_who_came_second() {
    let retake = Retake::new();
    let stubs = users();
    let stubs: Vec<(&str, &str)> = stubs.iter().map(|(file, text)| (*file, text.as_str())).collect();
    write(&retake, "users", "", &stubs);
    let told = retake.ok(&["explain", "users", "GET", "http://api.test/users/7", "--profile", "postman"]);
    assert!(told.contains("rung 100: identical path"), "{told}");
    assert!(told.contains("score path 100 + query 10 + body 5 = 115"), "{told}");
    assert!(told.contains("next: GET /users/{id}#any  (score 95)\n  the score of the other is higher"), "{told}");
    let steered = retake.ok(&["explain", "users", "GET", "http://api.test/users/7", "-H", "x-mock-response-name: any"]);
    assert!(steered.contains("answered by GET /users/{id}#any"), "{steered}");
}

#[test]
fn stubs_that_differ_in_names_of_captures_only_are_told_with_the_one_that_answers() {
    let retake = Retake::new();
    let answer = |name: &str| format!(r#"{{"name":"{name}","response":{{"status":200,"body":{{"text":"{name}"}}}}}}"#);
    let one = stub("GET", "/orders/{order_id}", &answer("one"));
    let two = stub("GET", "/orders/{id}", &answer("two"));
    write(&retake, "shop", "", &[("get-a.json", &one), ("get-b.json", &two)]);
    let checked = retake.run(&["mock", "check", "shop"]);
    assert_eq!(checked.code, 0, "{checked}");
    let words = "get-b.json answer the same calls; where scenarios of both fit as well, that of stubs/api.test/get-a.json answers";
    assert!(checked.stderr.contains(words), "{checked}");
    let told = retake.json(&["mock", "check", "shop", "--json"]);
    assert_eq!(told[0]["answers"], "stubs/api.test/get-a.json", "{told:?}");
    let explained = retake.ok(&["explain", "shop", "GET", "http://api.test/orders/7"]);
    assert!(explained.contains("answered by GET /orders/{order_id}#one"), "{explained}");
    write(&retake, "shop", "", &[("get-b.json", &two.replace("\"version\":1", "\"version\":1,\"priority\":1"))]);
    let checked = retake.run(&["mock", "check", "shop"]);
    assert!(!checked.stderr.contains("answer the same calls"), "{checked}");
}

#[test]
fn matchers_decide_in_replay_and_are_told_by_check_explain_and_misses() {
    let retake = Retake::new();
    let orders = stub(
        "POST",
        "/orders/{id:[0-9]+}",
        r#"{"name":"tea","request":{"matchers":[
              {"place":"json","name":"/at","is":{"within":"1h"}},
              {"place":"json","name":"$.items[*].sku","is":{"regex":"^tea-"}},
              {"place":"field","name":"Authorization","is":{"prefix":"Bearer "}}]},
            "response":{"status":201,"body":{"text":"made"}}}"#,
    );
    write(&retake, "shop", "", &[("post-orders.json", &orders)]);
    let checked = retake.ok(&["mock", "check", "shop"]);
    assert!(checked.contains("POST /orders/{id:[0-9]+}#tea"), "{checked}");
    assert!(checked.contains("the JSON member `$.items[*].sku` must be so: matches /^tea-/"), "{checked}");

    let server = retake.replay(&["shop", "--now", "2026-11-20T10:00:00Z"]);
    let mut client = Client::to(&server).unwrap();
    let fields = ["Content-Type: application/json", "Authorization: Bearer abc", "x-retake-explain: 1"];
    let body = |at: &str, sku: &str| format!(r#"{{"at":"2026-11-20T{at}:00Z","items":[{{"sku":"{sku}"}}]}}"#);
    let answer = call(&mut client, "POST", "/orders/7", &fields, &body("09:30", "tea-green"));
    assert_eq!((answer.status(), answer.text().as_str()), (201, "made"));
    assert_eq!(answer.field("x-retake-parts"), Some("body 2/2, fields 1/1"));
    assert_eq!(answer.field("x-retake-inexact"), None);
    let answer = call(&mut client, "POST", "/orders/7", &fields, &body("09:30", "coffee"));
    assert_eq!(answer.status(), 501);
    assert!(answer.text().contains(r#""expected": "matches /^tea-/""#), "{}", answer.text());
    assert_eq!(call(&mut client, "POST", "/orders/7", &fields, &body("08:30", "tea-green")).status(), 501);
    assert_eq!(call(&mut client, "POST", "/orders/x", &fields, &body("09:30", "tea-green")).status(), 501);
    drop(client);
    server.stop();

    let told = retake.ok(&[
        "explain",
        "shop",
        "POST",
        "http://api.test/orders/7",
        "-H",
        "Authorization: Bearer x",
        "-d",
        &format!(r#"{{"at":{},"items":[{{"sku":"tea-x"}}]}}"#, jiff::Timestamp::now().as_second()),
    ]);
    assert!(told.contains("matched: the JSON member `/at` must be so: is a date within 1h of now"), "{told}");
    let other = retake.run(&["explain", "shop", "POST", "http://api.test/orders/7", "-d", "{}"]);
    assert!(other.stdout.contains("Authorization expected begins with \"Bearer \""), "{}", other.stdout);

    let tested = retake.json(&["mock", "test", "shop", "--json"]);
    assert_eq!(tested[0]["ok"], serde_json::Value::Null, "{tested:?}");

    // A slip is told with its file, its line and the cure, by check and at load.
    let bad = orders.replace("^tea-", "(tea").replace("[0-9]+", "[0-9");
    write(&retake, "shop", "", &[("post-orders.json", &bad)]);
    let checked = retake.run(&["mock", "check", "shop"]);
    assert!(
        checked.stdout.contains("post-orders.json:1: ") && checked.stdout.contains("unclosed"),
        "{}",
        checked.stdout
    );
    write(&retake, "shop", "", &[("post-orders.json", &orders.replace("^tea-", "(tea"))]);
    let checked = retake.run(&["mock", "check", "shop"]);
    assert!(checked.stdout.contains("post-orders.json:3: `(tea` is no expression"), "{}", checked.stdout);
    let refused = retake.run(&["replay", "shop"]);
    assert!(refused.stderr.contains("post-orders.json:3"), "{}", refused.stderr);
}
