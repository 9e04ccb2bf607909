//! Answers as they come out, over whole stubs.

use http_body_util::BodyExt;

use super::*;
use crate::matching::tests::call;
use crate::model::coding::{self, Coding};
use crate::replay::delay::Wait;
use crate::replay::ready::Asked;
use crate::wire::HeadLines;

/// The first answer of a stub, ready in a run with these options.
fn ready(stub: &str, body: &str, options: &AnswerOptions) -> Result<Ready, String> {
    let stub: Stub = serde_json::from_str(stub).unwrap();
    let manifest: Manifest =
        serde_json::from_str(r#"{"version":1,"name":"m","variables":{"base":"https://a.test"}}"#).unwrap();
    let answers = Answers::new(options, &manifest).unwrap();
    let answers = answers.of_stub(&stub);
    let scenario = &stub.scenarios[0];
    let recorded = scenario.request.body.as_ref().and_then(|body| body.json.as_ref());
    let body_of = || Ok::<_, ()>(recorded.map(|json| json.text().to_owned()).unwrap_or_default().into());
    let request = answers.request(&stub, scenario, body_of).unwrap();
    let scene = Scene { stub: &stub, scenario, request: request.as_ref(), label: "m: it", step: 0 };
    answers.ready(&scene, &scenario.steps()[0], body.to_owned().into()).map_err(|error| error.to_string())
}

fn asked(accept_encoding: Option<&str>, head: bool) -> Asked<'_> {
    Asked { head, http1: true, accept_encoding, logged: false }
}

/// Lines and body of a response.
async fn read(response: http::Response<crate::wire::Body>) -> (String, Vec<u8>) {
    let lines = response.extensions().get::<HeadLines>().unwrap().fields.clone();
    let lines: Vec<String> = lines.iter().map(|line| format!("{}: {}", line.name, line.text())).collect();
    (lines.join("\n"), response.into_body().collect().await.unwrap().to_bytes().to_vec())
}

/// Lines and body that `line` gets from the first answer of a stub; none if they are the recorded ones.
fn answered(stub: &str, body: &str, line: &str) -> Option<(String, String)> {
    let options = AnswerOptions::default();
    let ready = ready(stub, body, &options).unwrap();
    let response = ready.response(asked(None, false), &call(line), &Around::new(&options));
    let (lines, got) = futures_util::FutureExt::now_or_never(read(response)).unwrap();
    let recorded: Vec<String> =
        ready.content().0.iter().map(|line| format!("{}: {}", line.name, line.text())).collect();
    let got = String::from_utf8(got).unwrap();
    (got != body || lines != recorded.join("\n")).then_some((lines, got))
}

fn stub(rules: &str, request: &str, fields: &str, style: &str) -> String {
    format!(
        r#"{{"version":1,"method":"GET","origin":"https://a.test","path":"/orders/{{order_id}}","rules":[{rules}],
        "scenarios":[{{"name":"one","request":{request},"response":{{"status":200,"fields":{fields},
        "body":{{"json":0,"style":{style}}}}}}}]}}"#
    )
}

fn echo(place: &str, name: &str, from: &str) -> String {
    format!(r#"{{"in":"response","place":"{place}","name":"{name}","action":"echo","from":"{from}"}}"#)
}

#[test]
fn the_calls_value_is_put_and_every_other_byte_stays() {
    let rules = [
        echo("json", "/id", "path order_id"),
        echo("json", "/items/*/order_id", "path order_id"),
        echo("json", "/url", "path order_id"),
        echo("field", "location", "path order_id"),
    ];
    let fields = r#"["Location: /orders/abc/items", "X-Id: abc"]"#;
    let stub = stub(&rules.join(","), r#"{"captures":{"order_id":"abc"}}"#, fields, "{}");
    let body = "{ \"id\":  \"abc\",\n\"n\": 1.00, \"url\": \"https:\\/\\/a.test\\/orders\\/abc\\/abcd\\u00e9?abc\", \"items\": [{\"order_id\":\"abc\"} , {\"order_id\":\"other\"}] }";
    let (lines, got) = answered(&stub, body, "GET /orders/x7").unwrap();
    assert_eq!(lines, "Location: /orders/x7/items\nX-Id: abc");
    assert_eq!(
        got,
        "{ \"id\":  \"x7\",\n\"n\": 1.00, \"url\": \"https:\\/\\/a.test\\/orders\\/x7\\/abcd\\u00e9?x7\", \"items\": [{\"order_id\":\"x7\"} , {\"order_id\":\"other\"}] }"
    );
    assert_eq!(answered(&stub, body, "GET /orders/abc"), None, "the recorded value computes nothing");
}

#[test]
fn what_is_put_is_escaped_as_the_body_is() {
    let rules = echo("json", "/id", "path order_id");
    let stub = |style: &str| stub(&rules, r#"{"captures":{"order_id":"a-b"}}"#, "[]", style);
    let body = r#"{"id":"<\u0061-b>"}"#;
    let got = |style: &str| answered(&stub(style), body, "GET /orders/%22%2F%3C%C3%A9").unwrap().1;
    assert_eq!(got("{}"), r#"{"id":"<\"/<é>"}"#);
    assert_eq!(got(r#"{"ascii":true,"escaped_slashes":true}"#), r#"{"id":"<\"\/<\u00e9>"}"#);
    assert_eq!(got(r#"{"escaped_html":true,"final_newline":true}"#), r#"{"id":"<\"/\u003cé>"}"#);
}

#[test]
fn values_keep_their_type() {
    let rules = [
        echo("json", "/id", "path order_id"),
        echo("json", "/text", "path order_id"),
        echo("json", "/lines/*/n", "json /lines/*/n"),
        echo("json", "/whole", "json /lines/0"),
    ];
    let request =
        r#"{"captures":{"order_id":"7"},"media_type":"application/json","body":{"json":{"lines":[{"n":1},{"n":2}]}}}"#;
    let stub = stub(&rules.join(","), request, "[]", "{}");
    let body = r#"{"id":7,"text":"7 of 77","lines":[{"n":1},{"n":2},{"n":3}],"whole":{"n":1}}"#;
    let (_, got) = answered(&stub, body, r#"POST /orders/8 {"lines":[{"n":"x"},{"n":4}]}"#).unwrap();
    assert_eq!(got, r#"{"id":8,"text":"8 of 77","lines":[{"n":"x"},{"n":4},{"n":3}],"whole":{"n":"x"}}"#);
    let (_, got) = answered(&stub, body, r#"POST /orders/abc {"lines":[{"n":1}]}"#).unwrap();
    assert_eq!(got, r#"{"id":"abc","text":"abc of 77","lines":[{"n":1},{"n":2},{"n":3}],"whole":{"n":1}}"#);
}

#[test]
fn urls_in_answers_are_escaped_as_in_the_call() {
    let rules = [
        echo("json", "/self", "path order_id"),
        echo("json", "/id", "path order_id"),
        echo("field", "Location", "path order_id"),
    ];
    let request = r#"{"captures":{"order_id":"a%20b"}}"#;
    let stub = stub(&rules.join(","), request, r#"["Location: /orders/a%20b"]"#, "{}");
    let (lines, got) = answered(&stub, r#"{"self":"/orders/a%20b","id":"a b"}"#, "GET /orders/c%2Fd").unwrap();
    assert_eq!(got, r#"{"self":"/orders/c%2Fd","id":"c/d"}"#);
    assert_eq!(lines, "Location: /orders/c%2Fd");
}

#[test]
fn masked_secrets_and_values_that_no_field_may_hold_stay() {
    let rules = echo("json", "/token", "query token");
    let masked = stub(&rules, r#"{"query":["token=retake-token-abcdefghij"]}"#, "[]", "{}");
    assert_eq!(answered(&masked, r#"{"token":"retake-token-abcdefghij"}"#, "GET /orders/1?token=real"), None);
    let field = stub(&echo("field", "x-q", "query q"), r#"{"query":["q=a"]}"#, r#"["X-Q: a"]"#, "{}");
    assert_eq!(answered(&field, "0", "GET /orders/1?q=b%0D%0AX:y"), None);
    assert_eq!(answered(&field, "0", "GET /orders/1?q=b%20c").unwrap().0, "X-Q: b c");
}

#[tokio::test]
async fn an_answer_made_for_a_call_has_its_own_length_and_coding() {
    let rules = echo("json", "/id", "path order_id");
    let fields = r#"["Content-Encoding: gzip","Content-Length: 29"]"#;
    let stub = stub(&rules, r#"{"captures":{"order_id":"a"}}"#, fields, "{}");
    let options = AnswerOptions::default();
    let (ready, around) = (ready(&stub, r#"{"id":"a"}"#, &options).unwrap(), Around::new(&options));
    let call = call("GET /orders/longer");
    let plain = read(ready.response(asked(None, false), &call, &around)).await;
    assert_eq!(plain, (String::new(), br#"{"id":"longer"}"#.to_vec()));
    let coded = ready.response(asked(Some("gzip"), false), &call, &around);
    let exact = http_body::Body::size_hint(coded.body()).exact();
    let (lines, coded) = read(coded).await;
    assert_eq!(lines, "Content-Encoding: gzip");
    assert_eq!(exact, Some(coded.len() as u64));
    assert_eq!(coding::decode(&coded, &[Coding::Gzip], 100).unwrap(), br#"{"id":"longer"}"#);
    let head = ready.response(asked(None, true), &call, &around);
    assert_eq!(head.headers()["content-length"], "15");
    assert!(read(head).await.1.is_empty());
}

fn templated(response: &str) -> String {
    format!(
        r#"{{"version":1,"method":"GET","origin":"https://a.test","path":"/orders/{{order_id}}",
        "scenarios":[{{"name":"one","response":{response}}}]}}"#
    )
}

#[test]
fn a_template_is_one_only_where_it_says_so() {
    let body = r#"{"id":"{{order_id}}","url":"{{base}}"}"#;
    let with = |template: bool| {
        templated(&format!(
            r#"{{"status":200,"template":{template},"fields":["X-Id: {{{{order_id}}}}"],"body":{{"json":{body}}}}}"#
        ))
    };
    assert_eq!(answered(&with(false), body, "GET /orders/7"), None, "recorded braces come back as they were");
    let (lines, got) = answered(&with(true), body, "GET /orders/7").unwrap();
    assert_eq!((lines.as_str(), got.as_str()), ("X-Id: 7", r#"{"id":"7","url":"https://a.test"}"#));
    let bad = templated(r#"{"status":200,"template":true,"body":{"text":"{{nobody}}"}}"#);
    let error = ready(&bad, "{{nobody}}", &AnswerOptions::default()).unwrap_err();
    assert!(error.contains("`nobody` is no capture of the path /orders/{order_id}"), "{error}");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_run() {
    let body = "{{$guid}} {{$randomFullName}} {{$timestamp}}";
    let stub =
        templated(&format!(r#"{{"status":200,"template":true,"delay":"10ms..900ms","body":{{"text":"{body}"}}}}"#));
    let run = async |seed: u64| {
        let now = Some("2026-11-20T09:30:00Z".parse().unwrap());
        let options = AnswerOptions { seed, now, ..AnswerOptions::default() };
        let (ready, around) = (ready(&stub, body, &options).unwrap(), Around::new(&options));
        let mut got = Vec::new();
        for _ in 0..3 {
            let response = ready.response(asked(None, false), &call("GET /orders/7"), &around);
            let wait = response.extensions().get::<Wait>().copied();
            got.push((wait, read(response).await.1));
        }
        got
    };
    let (one, again, other) = (run(1).await, run(1).await, run(2).await);
    assert_eq!(one, again);
    assert_ne!(one, other);
    assert_ne!(one[0], one[1], "each call has its own");
    assert!(String::from_utf8_lossy(&one[0].1).ends_with(" 1795167000"), "the clock stands still");
}

#[test]
fn the_run_beats_the_answer_the_answer_the_stub_and_the_stub_the_collection() {
    let wait = |own: &str, stub: &str, run: Option<&str>| {
        let mut text: Value = serde_json::from_str(&templated(r#"{"status":200}"#)).unwrap();
        text["scenarios"][0]["response"]["delay"] = own.into();
        text["delay"] = stub.into();
        let options = AnswerOptions { delay: run.map(|run| run.parse().unwrap()), ..AnswerOptions::default() };
        let ready = ready(&text.to_string(), "", &options).unwrap();
        let response = ready.response(asked(None, false), &call("GET /orders/7"), &Around::new(&options));
        response.extensions().get::<Wait>().map_or(0, |wait| wait.0.as_millis())
    };
    assert_eq!(wait("20ms", "30ms", Some("40ms")), 40);
    assert_eq!(wait("20ms", "30ms", Some("none")), 0);
    assert_eq!(wait("20ms", "30ms", None), 20);
    assert_eq!(wait("none", "30ms", None), 0);
    let recorded = templated(r#"{"status":200,"duration_ms":80,"delay":"recorded*0.5"}"#);
    let options = AnswerOptions::default();
    let response = ready(&recorded, "", &options).unwrap().response(
        asked(None, false),
        &call("GET /orders/7"),
        &Around::new(&options),
    );
    assert_eq!(response.extensions().get::<Wait>().unwrap().0.as_millis(), 40);
}

#[test]
fn dates_move_only_where_the_collection_says_so() {
    let stub = |shift: &str| {
        let mut text: Value = serde_json::from_str(&templated(
            r#"{"status":200,"recorded_at":"2026-10-20T00:00:00Z","fields":["Content-Type: application/json",
            "Date: Tue, 20 Oct 2026 00:00:00 GMT"],"body":{"json":{"at":"2026-10-20T01:00:00Z"}}}"#,
        ))
        .unwrap();
        text["shift_dates"] = shift.into();
        text.to_string()
    };
    let body = r#"{"at":"2026-10-20T01:00:00Z"}"#;
    let moved = |shift: &str, on: bool| {
        let now = Some("2026-10-21T00:00:00Z".parse().unwrap());
        let options = AnswerOptions { now, shift: on, ..AnswerOptions::default() };
        let ready = ready(&stub(shift), body, &options).unwrap();
        let (lines, content) = ready.content();
        (lines.text("date").unwrap().into_owned(), String::from_utf8(content.to_vec()).unwrap())
    };
    let recorded = ("Tue, 20 Oct 2026 00:00:00 GMT".to_owned(), body.to_owned());
    let date = "Wed, 21 Oct 2026 00:00:00 GMT".to_owned();
    assert_eq!(moved("cookies", true), recorded);
    assert_eq!(moved("fields", true), (date.clone(), body.to_owned()));
    assert_eq!(moved("all", true), (date, body.replace("10-20", "10-21")));
    assert_eq!(moved("all", false), recorded);
}
