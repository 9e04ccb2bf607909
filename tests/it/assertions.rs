//! What a Rust test asks of the calls that its mock answered, and what it is told when they were others.

use std::panic::{AssertUnwindSafe, catch_unwind};

use retake::{Called, Mock, Replay, Verify};
use serde_json::{Value, json};

use crate::harness::http::Client;

/// A mock of a small shop, with these calls made to it: `METHOD TARGET`, and a JSON body where there is one.
struct Shop {
    mock: Mock,
    _runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

fn shop(calls: &[(&str, &str, Value)]) -> Shop {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("shop");
    std::fs::create_dir_all(folder.join("stubs")).unwrap();
    let write = |name: &str, content: Value| std::fs::write(folder.join(name), content.to_string()).unwrap();
    let origin = "https://api.test";
    write("collection.json", json!({ "version": 1, "name": "shop", "origins": [origin] }));
    let answer = json!({ "status": 200, "body": { "text": "here" } });
    let body = json!({ "media_type": "application/json", "body": { "json": { "item": "tea", "quantity": 2 } } });
    for (name, method, path, request) in [
        ("list", "GET", "/orders", json!({ "query": ["page=2", "sort=a%20b"] })),
        ("one", "GET", "/orders/{id}", json!({})),
        ("create", "POST", "/orders", body),
        ("login", "POST", "/login", json!({})),
    ] {
        let scenario = json!({ "name": "ok", "default": name == "login", "request": request, "response": answer });
        write(
            &format!("stubs/{name}.json"),
            json!({ "version": 1, "method": method, "origin": origin, "path": path, "scenarios": [scenario] }),
        );
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mock = runtime.block_on(Replay::open(&folder).start()).unwrap();
    let mut client = Client::connect(mock.address()).unwrap();
    for (method, target, body) in calls {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let head = format!("{method} {target} HTTP/1.1\r\nHost: api.test\r\nX-Team: red\r\n{kind}");
        client.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
        client.answer(method).unwrap();
    }
    Shop { mock, _runtime: runtime, _dir: dir }
}

fn usual() -> Shop {
    shop(&[
        ("GET", "/orders?page=2&sort=a%20b", Value::Null),
        ("POST", "/orders", json!({ "quantity": 2, "item": "tea" })),
        ("GET", "/orders/7", Value::Null),
        ("GET", "/orders/8", Value::Null),
    ])
}

#[test]
fn large_bodies_are_compared_whole() {
    // Well over what a call log keeps, and told apart at their ends only.
    let order = |last: &str| json!({ "items": vec!["tea"; 20_000], "last": last });
    let shop = shop(&[("POST", "/orders", order("green"))]);
    let calls = shop.mock.verify();
    calls.called("POST", "/orders").with_json(order("green")).once();
    calls.called("POST", "/orders").with_body(order("green").to_string()).once();
    calls.called("POST", "/orders").with_body(order("black").to_string()).never();
    let message = told(&shop, |calls| calls.called("POST", "/orders").with_json(order("black")).once());
    assert!(message.contains(r#"/last expected "black", got "green""#), "{message}");
}

/// What a check that must fail says.
fn told(shop: &Shop, check: impl FnOnce(Verify)) -> String {
    let calls = shop.mock.verify();
    let failed = catch_unwind(AssertUnwindSafe(|| check(calls)));
    let error = failed.expect_err("the check holds, and must not");
    error.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn calls_are_counted_by_what_they_were() {
    let shop = usual();
    let calls = shop.mock.verify();
    assert_eq!(calls.calls(), 4);
    calls.called("GET", "/orders/{id}").times(2);
    calls.called("GET", "/orders/7").once();
    calls.called("GET", "https://api.test/orders/8").once();
    calls.called("GET", "/**").at_least(3);
    calls.called("DELETE", "/**").never();
    calls.called("POST", "/orders").with_json(json!({ "item": "tea", "quantity": 2.0 })).once();
    calls.called("POST", "/orders").with_body(r#"{"quantity":2,"item":"tea"}"#).once();
    calls.called("GET", "/orders").with_query("sort", "a b").with_query("page", "2").with_field("x-team", "red").once();
    assert_eq!(calls.called("GET", "/orders").with_query("page", "3").count(), 0);
    let [list, create, read] =
        [Called::new("GET", "/orders"), Called::new("POST", "/orders"), Called::new("GET", "/orders/{id}")];
    calls.in_order([list.clone(), create.clone(), read.clone(), read.clone()]);
    calls.in_order([list, read]);
    calls.that(create).once();
    calls.none_unmatched();
}

#[test]
fn a_failure_names_the_calls_that_came_near_and_what_they_lack() {
    let shop = usual();
    let message = told(&shop, |calls| {
        calls.called("POST", "/orders").with_json(json!({ "item": "coffee", "quantity": 2 })).times(1);
    });
    for part in [
        r#"POST /orders with the body {"item":"coffee","quantity":2} was called never, expected once"#,
        "the calls that came near:",
        "#2 POST https://api.test/orders  hit  shop: POST /orders#ok",
        r#"body: /item expected "coffee", got "tea""#,
        "method: expected POST, got GET",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let message = told(&shop, |calls| calls.called("GET", "/orders").with_query("page", "3").once());
    assert!(message.contains("query page: expected 3, got 2"), "{message}");
    let message = told(&shop, |calls| calls.called("GET", "/orders").with_field("X-Team", "blue").once());
    assert!(message.contains("X-Team: expected blue, got red"), "{message}");
    let message = told(&shop, |calls| calls.called("GET", "/nothing").at_least(2));
    assert!(
        message.contains("expected at least 2 times") && message.contains("no call came near; there were:"),
        "{message}"
    );
    let message = told(&shop, |calls| calls.called("GET", "/orders/7").never());
    assert!(message.contains("was called once, expected never"), "{message}");
    let order = [Called::new("GET", "/orders/7"), Called::new("POST", "/orders")];
    let message = told(&shop, |calls| calls.in_order(order));
    assert!(message.contains("POST /orders was not called after GET /orders/7 (call 3)"), "{message}");
    let message = told(&self::shop(&[]), |calls| calls.called("GET", "/").once());
    assert!(message.contains("there was no call at all"), "{message}");
    assert!(told(&shop, |calls| drop(calls.called("GET", "orders"))).contains("does not begin with `/`"));
}

#[test]
fn a_failure_has_the_report_of_a_call_that_matched_nothing() {
    let shop = shop(&[("POST", "/orders", json!({ "item": "tea", "quantity": 3 }))]);
    let message = told(&shop, |calls| calls.none_unmatched());
    for part in ["a call matched no scenario", "#1 POST https://api.test/orders  MISS", "/quantity expected 2, got 3"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let expected = json!({ "item": "tea", "quantity": 2 });
    let message = told(&shop, |calls| calls.called("POST", "/orders").with_json(&expected).once());
    assert!(message.contains("nearest: POST /orders#ok"), "the report: {message}");
    // It came all the same.
    shop.mock.verify().called("POST", "/orders").with_json(json!({ "item": "tea", "quantity": 3 })).once();
}

#[test]
fn secrets_are_compared_and_not_told() {
    let secret = "hunter2-and-more";
    let shop = shop(&[("POST", "/login?api_key=abcdefgh12345678", json!({ "user": "ann", "password": secret }))]);
    let calls = shop.mock.verify();
    calls.called("POST", "/login").with_json(json!({ "user": "ann", "password": secret })).once();
    calls.called("POST", "/login").with_query("api_key", "abcdefgh12345678").once();
    let other = json!({ "user": "bob", "password": secret });
    let message = told(&shop, |calls| calls.called("POST", "/login").with_json(other).once());
    assert!(message.contains(r#"/user expected "bob", got "ann""#) && !message.contains(secret), "{message}");
    let wrong = json!({ "user": "ann", "password": "another-one-entirely" });
    let message =
        told(&shop, |calls| calls.called("POST", "/login").with_json(wrong).with_query("api_key", "x").once());
    assert!(
        message.contains("/password expected") && !message.contains("another-one") && !message.contains(secret),
        "{message}"
    );
    assert!(!message.contains("abcdefgh12345678"), "{message}");
}
