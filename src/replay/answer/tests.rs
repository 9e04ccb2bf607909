//! Echo, over whole stubs.

use super::*;
use crate::matching::tests::call;

/// Lines and body that `line` gets from the first scenario of a stub.
fn answered(stub: &str, body: &str, line: &str) -> Option<(String, String)> {
    let stub: Stub = serde_json::from_str(stub).unwrap();
    let scenario = &stub.scenarios[0];
    let spec = scenario.steps()[0].clone();
    let echoes = Echoes::new(&stub, &[]).unwrap();
    let recorded = scenario.request.body.as_ref().and_then(|body| body.json.as_ref());
    let request = echoes.request(scenario, recorded.map(ToString::to_string).unwrap_or_default().into());
    let lines: Fields = spec.fields.iter().map(|line| line.0.clone()).collect();
    let body = Bytes::from(body.to_owned());
    let echo = echoes.of(scenario, &request, &lines, &body, spec.body.as_ref())?;
    let (lines, body) = echo.filled(&call(line), &lines, &body)?;
    let lines: Vec<String> = lines.iter().map(|line| format!("{}: {}", line.name, line.text())).collect();
    Some((lines.join("\n"), String::from_utf8(body.to_vec()).unwrap()))
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
    assert_eq!(answered(&field, "0", "GET /orders/1?q=b%0D%0AX:y").unwrap().0, "X-Q: a");
    assert_eq!(answered(&field, "0", "GET /orders/1?q=b%20c").unwrap().0, "X-Q: b c");
}
