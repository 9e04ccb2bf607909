//! What looks as if it could be a miss, and is none.

use serde_json::{Value, json};

use super::case::{Call, call, scenario, stub, takes, takes_json, with};

/// A call that is answered all the same.
pub struct Forgiven {
    /// What differs.
    pub what: &'static str,
    pub why: &'static str,
    pub stub: Value,
    pub call: Call,
    /// Whether the answer is told of as inexact.
    pub inexact: bool,
}

pub fn all() -> Vec<Forgiven> {
    let mut all = bodies();
    all.extend(others());
    all
}

fn exact(what: &'static str, why: &'static str, scenario: Value, call: Call) -> Forgiven {
    let path = call.url.split('?').next().unwrap().splitn(4, '/').nth(3).unwrap().to_owned();
    let stub = stub(if call.method == "HEAD" { "GET" } else { call.method }, &format!("/{path}"), [scenario]);
    Forgiven { what, why, stub, call, inexact: false }
}

fn inexact(what: &'static str, why: &'static str, scenario: Value, call: Call) -> Forgiven {
    Forgiven { inexact: true, ..exact(what, why, scenario, call) }
}

fn bodies() -> Vec<Forgiven> {
    let part = |boundary: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--{boundary}--\r\n")
    };
    let order = || takes_json("tea", json!({ "item": "tea", "count": 2 }));
    let gzip = {
        use std::io::Write;
        let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        coder.write_all(br#"{"item":"tea","count":2}"#).unwrap();
        coder.finish().unwrap()
    };
    let soap = takes("two", "application/xml", "<a:order xmlns:a=\"urn:shop\"><a:count>2</a:count></a:order>");
    let document = takes_json("me", json!({ "query": "{ me { name, email } }" }));
    vec![
        exact(
            "order of JSON members, white space",
            "JSON is compared member by member",
            order(),
            call("POST", "/order").body("application/json", "{\n  \"count\": 2,\n  \"item\": \"tea\"\n}"),
        ),
        exact(
            "`2.0` for `2`",
            "numbers are compared by value",
            order(),
            call("POST", "/number").body("application/json", r#"{"item":"tea","count":2.0}"#),
        ),
        exact(
            "boundary of a multipart body",
            "clients make it up anew; parts are compared by name and position",
            takes("hello", "multipart/form-data; boundary=one", &part("one")),
            call("POST", "/upload").body("multipart/form-data; boundary=two", part("two")),
        ),
        exact(
            "a body that is coded with gzip",
            "codings are seen through",
            order(),
            call("POST", "/gzip").body("application/json", gzip).field("Content-Encoding", "gzip"),
        ),
        exact(
            "another charset",
            "text is compared by its characters",
            takes("name", "text/plain; charset=utf-8", "Zoë"),
            call("PUT", "/name").body("text/plain; charset=iso-8859-1", b"Zo\xeb"),
        ),
        exact(
            "line ends",
            "text is compared with line ends normalised",
            takes("lines", "text/plain", "one\ntwo\n"),
            call("PUT", "/lines").body("text/plain", "one\r\ntwo\r\n"),
        ),
        exact(
            "prefixes, comments and white space in XML",
            "elements are compared by namespace, name and text",
            soap,
            call("POST", "/soap").body(
                "application/xml",
                "<?xml version=\"1.0\"?>\n<order xmlns=\"urn:shop\">\n  <!-- two -->\n  <count> 2 </count>\n</order>",
            ),
        ),
        exact(
            "white space and commas in a GraphQL document",
            "documents are compared token by token",
            document,
            call("POST", "/graphql").json(json!({ "query": "{\n  me {\n    name\n    email\n  }\n}" })),
        ),
    ]
}

fn others() -> Vec<Forgiven> {
    let plain = |name: &str| scenario(name, json!({}));
    let with_query = |query: &[&str]| scenario("found", json!({ "query": query }));
    let token = scenario("me", json!({ "fields": ["Authorization: Bearer retake-secret-mfzwizlomi"] }));
    vec![
        exact(
            "order of the query, and how it is escaped",
            "pairs are compared decoded, in any order",
            with_query(&["q=a%20b", "page=1"]),
            call("GET", "/search?page=1&q=a+b"),
        ),
        exact(
            "escapes of plain characters in the path",
            "`%7E` is `~`; only `%2F` and its like count",
            plain("home"),
            call("GET", "/~home"),
        ),
        exact(
            "another token",
            "it is masked in the recording, and stands for any",
            token,
            call("GET", "/me").field("Authorization", "Bearer another-token-entirely"),
        ),
        exact(
            "`User-Agent`, `Accept-Encoding`, and all other fields that the scenario does not list",
            "a field counts only where the recording showed that it decides",
            plain("any"),
            call("GET", "/fields").field("User-Agent", "another/2.0").field("X-Trace", "1"),
        ),
        inexact(
            "one parameter more, of several",
            "`best` serves it and tells of it in `x-retake-inexact`; `strict` does not",
            with_query(&["q=tea", "page=1"]),
            call("GET", "/list?q=tea&page=1&debug=1"),
        ),
        inexact(
            "`HEAD`",
            "`best` answers it with the scenario for `GET`, without its body",
            plain("head"),
            call("HEAD", "/head"),
        ),
        inexact(
            "whatever a stub with a default scenario is asked",
            "the default answers what no other scenario does",
            with(scenario("usual", json!({ "query": ["page=1"] })), json!({ "default": true })),
            call("GET", "/usual?page=9"),
        ),
    ]
}
