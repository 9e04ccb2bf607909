//! Logs written and read again, and logs in each vendor's manner.

use std::io::{self, Read};

use serde_json::{Value, json};

use super::*;
use crate::model::coding::{Coding, encode};
use crate::model::{
    Body, BodyContent, BodyEnd, Chunk, Exchange, Failure, FailureKind, Fields, HttpVersion, Informational, Outcome,
    Relayed, RequestRecord, ResponseRecord, Timings, TlsFacts, Vendor,
};
use crate::redact::{MaskKey, Masker};

fn fields(lines: &[(&str, &str)]) -> Fields {
    lines.iter().map(|(name, value)| crate::model::Field::new(*name, *value)).collect()
}

fn inline(bytes: impl Into<Vec<u8>>) -> Body {
    Body::inline(bytes.into(), BodyEnd::Complete)
}

fn exchange() -> Exchange {
    Exchange {
        id: "01936b5e-7a00-7000-8000-0123456789ab".parse().unwrap(),
        number: 7,
        session: "s".into(),
        tags: vec!["a".into()],
        note: Some("looked at".into()),
        started_at: "2026-11-20T10:00:00.123456Z".parse().unwrap(),
        client: Some("127.0.0.1:5".into()),
        request: RequestRecord {
            method: "GET".into(),
            origin: "https://api.example.com:8443".parse().unwrap(),
            path: "/a%2fb".into(),
            query: Some("x=1&y=%20".into()),
            version: HttpVersion::Http11,
            fields: fields(&[("Host", "api.example.com:8443"), ("X-Two", "1"), ("x-two", "2"), ("Cookie", "a=1; b=2")]),
            trailers: Fields::new(),
            body: Body::empty(),
        },
        outcome: Outcome::Complete(ResponseRecord {
            version: HttpVersion::Http2,
            status: 200,
            reason: None,
            fields: fields(&[("content-type", "application/json"), ("set-cookie", "s=1; Path=/; Secure")]),
            trailers: Fields::new(),
            informational: Vec::new(),
            body: inline("{\"a\":\"é\"}"),
        }),
        timings: Timings {
            connected_us: Some(1000),
            secured_us: Some(2500),
            first_byte_us: Some(4001),
            total_us: 5002,
            chunks: vec![Chunk { at_us: 5000, bytes: 9 }],
        },
        tls: Some(TlsFacts { version: "TLSv1.3".into(), cipher: "x".into(), alpn: None }),
        partial: false,
        vendor: Vendor::new(),
    }
}

/// An exchange with this answer.
fn answered(change: impl FnOnce(&mut ResponseRecord)) -> Exchange {
    let mut exchange = exchange();
    change(exchange.outcome.response_mut().unwrap());
    exchange
}

/// An exchange with this request.
fn asked(change: impl FnOnce(&mut RequestRecord)) -> Exchange {
    let mut exchange = exchange();
    change(&mut exchange.request);
    exchange
}

fn ended(outcome: Outcome) -> Exchange {
    Exchange { outcome, ..exchange() }
}

/// Exchanges with whatever a recorder can keep.
fn all_sorts() -> Vec<Exchange> {
    let gzip = |text: &[u8]| encode(text, Coding::Gzip).unwrap();
    let failure = Failure { kind: FailureKind::TimedOut, message: "too slow".into() };
    let response = exchange().outcome.response().cloned();
    let everything: Vec<u8> = (0..=255).collect();
    let part = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\nContent-Type: text/csv\r\n\r\n1\r\n--b--\r\n";
    vec![
        exchange(),
        answered(|answer| {
            answer.version = HttpVersion::Http11;
            answer.reason = Some("Fine".into());
            answer.status = 201;
            answer.trailers = fields(&[("X-Sum", "9")]);
            answer.body = Body { end: BodyEnd::Trailers, ..inline(&everything[..]) };
            answer.informational = vec![Informational { status: 103, fields: fields(&[("Link", "</a>")]) }];
        }),
        answered(|answer| {
            answer.fields.push("Content-Encoding", "gzip");
            answer.body = inline(gzip(b"{\"long\":\"text text text\"}"));
        }),
        answered(|answer| {
            answer.fields.push("Content-Encoding", "br, gzip");
            answer.body = inline(gzip(&encode(&everything, Coding::Brotli).unwrap()));
        }),
        answered(|answer| {
            answer.fields.push("Content-Encoding", "gzip");
            answer.body = Body { coding_removed: Some("gzip".into()), wire_size: 3, masked: 2, ..inline("decoded") };
        }),
        answered(|answer| {
            answer.fields.push("Content-Encoding", "gzip");
            answer.body = Body { end: BodyEnd::Failed, ..inline(&gzip(b"cut off in the middle")[..15]) };
        }),
        answered(|answer| {
            answer.fields.push("Content-Encoding", "unheard-of");
            answer.body = inline("whatever");
        }),
        // Says Latin-1, and is UTF-8; and says UTF-8, and is none.
        answered(|answer| {
            answer.fields = fields(&[("Content-Type", "text/plain; charset=iso-8859-1")]);
            answer.body = inline("café");
        }),
        answered(|answer| answer.body = inline(&b"caf\xe9"[..])),
        answered(|answer| answer.fields.push("X-Raw", &b"caf\xe9"[..])),
        asked(|request| {
            request.method = "POST".into();
            request.fields.push("Content-Type", "application/x-www-form-urlencoded");
            request.body = inline("a=1&b=two+three&c");
        }),
        asked(|request| {
            request.method = "POST".into();
            request.fields.push("Content-Type", "multipart/form-data; boundary=b");
            request.body = inline(part);
            request.trailers = fields(&[("X-End", "yes")]);
        }),
        asked(|request| request.body = inline(&everything[..])),
        asked(|request| {
            request.fields.push("Content-Encoding", "gzip");
            request.body = inline(gzip(b"[1]"));
        }),
        asked(|request| (request.path, request.query) = ("*".into(), None)),
        asked(|request| request.query = Some(String::new())),
        ended(Outcome::Failed(failure.clone(), None)),
        ended(Outcome::Failed(failure, response.clone())),
        ended(Outcome::Cancelled(None)),
        ended(Outcome::Cancelled(response.clone())),
        ended(Outcome::Interrupted(response)),
        Exchange {
            timings: Timings::default(),
            partial: true,
            client: None,
            tls: None,
            note: None,
            ..asked(|request| (request.path, request.query, request.fields) = (String::new(), None, Fields::new()))
        },
        ended(Outcome::Relayed(Relayed { sent: 1, received: 2, reason: "no HTTP".into() })),
    ]
}

fn log(exchanges: &[Exchange]) -> Value {
    let open = |_: &Exchange, _: &Body| -> io::Result<Box<dyn Read + Send>> { Err(io::Error::other("no files here")) };
    let mut writer = Writer::new(Vec::new()).unwrap();
    exchanges.iter().for_each(|exchange| writer.entry(exchange, &open).unwrap());
    serde_json::from_slice(&writer.finish().unwrap().0).unwrap()
}

/// What a log brings, and what is said of entries that it does not.
fn read_all(text: &[u8]) -> (Vec<Taken>, Vec<String>, Result<Summary, String>) {
    let (mut taken, mut refused, mut summary) = (Vec::new(), Vec::new(), Summary::default());
    let mut identities = Identities::new([7; 32]);
    let read = read(text, &mut identities, &mut summary, &mut |place, entry| {
        match entry {
            Ok(entry) => taken.push(entry),
            Err(why) => refused.push(format!("{place}: {why}")),
        }
        Ok::<(), std::convert::Infallible>(())
    });
    (taken, refused, read.map(|()| summary).map_err(|error| error.to_string()))
}

fn all_taken(log: &Value) -> Vec<Taken> {
    let (taken, refused, summary) = read_all(log.to_string().as_bytes());
    assert!(refused.is_empty() && summary.is_ok(), "{refused:?} {summary:?}");
    taken
}

/// One entry in some tool's manner.
fn one(entry: Value) -> Taken {
    let mut all = all_taken(&json!({"log": {"version": "1.2", "entries": [entry]}}));
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn response_bytes(exchange: &Exchange) -> &[u8] {
    bytes(&exchange.outcome.response().unwrap().body)
}

fn bytes(body: &Body) -> &[u8] {
    match &body.content {
        BodyContent::Inline(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_recorded_here_comes_back_as_it_was() {
    let written = all_sorts();
    let first = log(&written);
    let taken = all_taken(&first);
    for (written, taken) in written.iter().zip(&taken) {
        assert_eq!(taken.notes, []);
        assert_eq!(Exchange { number: 7, ..taken.exchange.clone() }, *written);
        assert_eq!(taken.exchange.number, 0);
    }
    let again: Vec<Exchange> = taken.into_iter().map(|taken| Exchange { number: 7, ..taken.exchange }).collect();
    assert_eq!(log(&again), first);
    assert_eq!(again.len(), written.len());
}

#[test]
fn an_entry_has_everything_that_other_tools_read() {
    let log = log(&[all_sorts().remove(2), all_sorts().remove(11), all_sorts().remove(16)]);
    let entries = &log["log"]["entries"];
    assert_eq!(entries[0]["startedDateTime"], "2026-11-20T10:00:00.123456Z");
    assert_eq!(entries[0]["time"], 5.002);
    let request = &entries[0]["request"];
    assert_eq!(request["url"], "https://api.example.com:8443/a%2fb?x=1&y=%20");
    assert_eq!(request["queryString"], json!([{"name": "x", "value": "1"}, {"name": "y", "value": " "}]));
    assert_eq!(request["cookies"], json!([{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]));
    assert_eq!(request["headers"][2], json!({"name": "x-two", "value": "2"}));
    let content = &entries[0]["response"]["content"];
    assert_eq!((&content["text"], &content["size"]), (&json!("{\"long\":\"text text text\"}"), &json!(25)));
    assert!(entries[0]["response"]["cookies"][0]["secure"] == true && entries[0]["cache"] == json!({}));
    let params = json!([{"name": "f", "fileName": "x", "contentType": "text/csv"}]);
    assert_eq!(entries[1]["request"]["postData"]["params"], params);
    assert!(entries[1]["request"]["postData"]["text"].as_str().unwrap().ends_with("1\r\n--b--\r\n"));
    assert_eq!((&entries[2]["response"]["status"], &entries[2]["_error"]), (&json!(0), &json!("too slow")));
}

#[test]
fn a_text_that_was_changed_by_hand_holds() {
    let mut log = log(&[all_sorts().remove(2)]);
    log["log"]["entries"][0]["response"]["content"]["text"] = json!("{}");
    let taken = one(log["log"]["entries"][0].clone());
    assert_eq!(response_bytes(&taken.exchange), b"{}");
    assert_eq!(taken.exchange.outcome.response().unwrap().body.coding_removed.as_deref(), Some("gzip"));
    assert_eq!(taken.notes, [Note::BodyChanged]);
}

/// Chromium: pseudo-fields, decoded content, `_` members, no answer as status 0.
fn chromium() -> Value {
    json!({
        "_initiator": {"type": "script", "stack": {"callFrames": []}}, "_priority": "High", "_resourceType": "fetch",
        "_webSocketMessages": [{"type": "send", "time": 1.5, "opcode": 1, "data": "hi"}],
        "cache": {}, "connection": "443", "pageref": "page_1", "serverIPAddress": "[2001:db8::1]",
        "request": {
            "method": "POST", "url": "https://example.com/x?a=1#top", "httpVersion": "h3",
            "headers": [{"name": ":authority", "value": "example.com"}, {"name": "accept", "value": "*/*"}],
            "queryString": [{"name": "a", "value": "1"}], "cookies": [], "headersSize": -1, "bodySize": 3,
            "postData": {"mimeType": "text/plain", "text": "abc"}
        },
        "response": {
            "status": 200, "statusText": "", "httpVersion": "h3",
            "headers": [{"name": "content-encoding", "value": "br"}, {"name": "content-type", "value": "text/html"}],
            "cookies": [], "redirectURL": "", "headersSize": -1, "bodySize": 9, "_transferSize": 99, "_error": null,
            "content": {"size": 13, "mimeType": "text/html", "text": "<p>decoded</p>", "compression": 4}
        },
        "startedDateTime": "2026-11-20T11:00:00.5+01:00", "time": 12.5,
        "timings": {"blocked": 1.5, "dns": -1, "ssl": 2, "connect": 3, "send": 0.5, "wait": 5, "receive": 2.5, "_blocked_queueing": 1.2}
    })
}

#[test]
fn chromium_is_understood_and_its_members_come_back() {
    let page = json!({"id": "page_1", "title": "https://example.com/", "startedDateTime": "2026-11-20T10:00:00Z", "pageTimings": {"onLoad": 5.5}});
    let file = json!({"log": {
        "version": "1.2", "creator": {"name": "WebInspector", "version": "537.36"}, "pages": [page], "entries": [chromium()]
    }});
    let taken = all_taken(&file).remove(0);
    let exchange = &taken.exchange;
    assert_eq!(taken.notes, [Note::PseudoFields]);
    assert_eq!(exchange.request.url(), "https://example.com/x?a=1");
    assert_eq!((exchange.request.version, exchange.request.fields.len()), (HttpVersion::Http2, 1));
    assert_eq!(exchange.started_at.to_string(), "2026-11-20T10:00:00.5Z");
    assert_eq!(bytes(&exchange.request.body), b"abc");
    let body = &exchange.outcome.response().unwrap().body;
    assert_eq!((bytes(body), body.coding_removed.as_deref(), body.wire_size), (&b"<p>decoded</p>"[..], Some("br"), 9));
    assert_eq!((exchange.timings.secured_us, exchange.timings.first_byte_us), (Some(4500), Some(10_000)));
    // What was there is there again, but for what is told.
    let again = log(std::slice::from_ref(exchange));
    assert_eq!(again["log"]["pages"], json!([page]));
    let mut entry = again["log"]["entries"][0].clone();
    let mut expected = chromium();
    entry.as_object_mut().unwrap().remove("_retake");
    expected["request"]["headers"].as_array_mut().unwrap().remove(0);
    expected["startedDateTime"] = json!("2026-11-20T10:00:00.5Z");
    assert_eq!(entry, expected);
    let (twice, _, summary) = read_all(again.to_string().as_bytes());
    assert_eq!((&twice[0].exchange, summary.unwrap().pages), (exchange, 0), "and comes back once more");
}

#[test]
fn other_tools_are_understood() {
    let base = |request: Value, response: Value| json!({"startedDateTime": "2026-11-20T10:00:00Z", "request": request, "response": response});
    // Firefox: names of its own, base64 for what is no text.
    let firefox = one(base(
        json!({"method": "GET", "url": "http://localhost/i.png", "httpVersion": "HTTP/2", "headers": [], "cookies": []}),
        json!({"status": 200, "statusText": "OK", "headers": [{"name": "content-type", "value": "image/png"}], "content": {"mimeType": "image/png", "size": 3, "encoding": "base64", "text": "iVBO"}}),
    ));
    assert_eq!(response_bytes(&firefox.exchange), b"\x89PN");
    // Safari and Charles: nulls, numbers as text, a body without its bytes, characters of another set.
    let charles = one(base(
        json!({"method": "POST", "url": "http://u:p@localhost", "headers": null, "postData": {"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "a b", "value": "é"}]}}),
        json!({"status": "200", "statusText": null, "headers": [{"name": "Content-Type", "value": "text/plain; charset=iso-8859-1"}], "content": {"size": 4, "mimeType": "", "text": "café"}, "bodySize": -1}),
    ));
    assert_eq!(
        (response_bytes(&charles.exchange), bytes(&charles.exchange.request.body)),
        (&b"caf\xe9"[..], &b"a+b=%C3%A9"[..])
    );
    assert_eq!(charles.notes, [Note::FormRebuilt, Note::UserInfo]);
    let bodyless =
        one(base(json!({"method": "GET", "url": "http://x/"}), json!({"status": 200, "content": {"size": 99}})));
    let body = &bodyless.exchange.outcome.response().unwrap().body;
    assert_eq!((body.end, body.size, body.wire_size), (BodyEnd::Failed, 0, 99));
    // Insomnia and Postman: a query that is only listed, cookies without a line.
    let insomnia = one(base(
        json!({"method": "GET", "url": "http://x/", "queryString": [{"name": "q", "value": "a b"}], "cookies": [{"name": "sid", "value": "1"}]}),
        json!({"status": 204, "content": {}}),
    ));
    assert_eq!(insomnia.exchange.request.query.as_deref(), Some("q=a+b"));
    assert_eq!(insomnia.exchange.vendor["request"]["cookies"][0]["name"], "sid");
    // No answer, in the words of each.
    for (response, entry, word, kind) in [
        (
            json!({"status": 0, "_error": "net::ERR_NAME_NOT_RESOLVED"}),
            json!(null),
            "failed",
            Some(FailureKind::Unresolved),
        ),
        (json!({"status": 0, "_error": "net::ERR_ABORTED"}), json!(null), "cancelled", None),
        (json!(null), json!("certificate has expired"), "failed", Some(FailureKind::Tls)),
        (json!({"status": -1}), json!(null), "", None),
    ] {
        let mut call = base(json!({"method": "GET", "url": "http://x/"}), response);
        call["_error"] = entry;
        let (taken, refused, _) = read_all(json!({"log": {"entries": [call]}}).to_string().as_bytes());
        match taken.first() {
            None => assert!(word.is_empty() && refused.len() == 1, "{refused:?}"),
            Some(taken) => {
                assert_eq!(taken.exchange.outcome.word(), word);
                let failure =
                    if let Outcome::Failed(failure, _) = &taken.exchange.outcome { Some(failure.kind) } else { None };
                assert_eq!(failure, kind);
            }
        }
    }
    let pound = one(base(
        json!({"method": "GET", "url": "http://x/?a%20b=1&c=2", "queryString": [{"name": "a b", "value": "1"}, {"name": "c", "value": "2"}, {"name": "d", "value": "3"}]}),
        json!({"status": 204}),
    ));
    assert_eq!(pound.exchange.request.query.as_deref(), Some("a%20b=1&c=2&d=3"));
    let socket = one(base(json!({"method": "GET", "url": "wss://x/live"}), json!({"status": 101})));
    assert_eq!(socket.exchange.request.url(), "https://x/live");
    assert_eq!(log(&[socket.exchange])["log"]["entries"][0]["request"]["url"], "wss://x/live");
}

#[test]
fn what_is_no_exchange_is_named_and_the_others_are_taken() {
    let good = chromium();
    let mut entries = vec![good.clone()];
    for (path, value) in [
        ("/request", json!(null)),
        ("/request/url", json!("data:text/plain,x")),
        ("/request/method", json!("GE T")),
        ("/startedDateTime", json!("yesterday")),
        ("/response/status", json!(1234)),
        ("/response/content", json!({"text": "%%%", "encoding": "base64"})),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(path).unwrap() = value;
        entries.push(bad);
    }
    entries.push(json!(7));
    entries.push(good);
    let (taken, refused, summary) = read_all(json!({"log": {"entries": entries}}).to_string().as_bytes());
    assert_eq!((taken.len(), refused.len(), summary.unwrap().entries), (2, 7, 9));
    for (place, words) in [
        (0, "2: it has no `request`"),
        (1, "`data:` is no HTTP"),
        (5, "7: its `response.content`: its text is no base64"),
        (6, "8: it is no object"),
    ] {
        assert!(refused[place].contains(words), "{}", refused[place]);
    }
    assert_ne!(taken[0].exchange.id, taken[1].exchange.id, "two entries, however alike, are two exchanges");
}

#[test]
fn the_same_file_gives_the_same_ids() {
    let text = json!({"log": {"entries": [chromium(), chromium()]}}).to_string();
    let ids = || -> Vec<_> { read_all(text.as_bytes()).0.iter().map(|taken| taken.exchange.id).collect() };
    assert_eq!(ids(), ids());
}

#[test]
fn what_breaks_off_gives_what_was_whole_and_what_is_no_har_says_so() {
    let text = json!({"log": {"entries": [chromium(), chromium()]}}).to_string();
    let (taken, _, summary) = read_all(&text.as_bytes()[..text.len() - 10]);
    assert_eq!(taken.len(), 1);
    let why = summary.unwrap_err();
    assert!(why.contains("breaks off at line 1, column") && why.contains("after entry 1"), "{why}");
    for (text, words) in [
        ("", "breaks off"),
        ("[]", "an object with a member `log`"),
        ("{}", "there is no `log`"),
        (r#"{"log":{}}"#, "no `log.entries`"),
        (r#"{"log":{"entries":{}}}"#, "`log.entries` to be a list"),
        (r#"{"log":{"entries":[]}} x"#, "it is no JSON"),
        ("<html>", "line 1 column 1"),
    ] {
        let why = read_all(text.as_bytes()).2.unwrap_err();
        assert!(why.contains(words), "{text}: {why}");
    }
    assert_eq!(read_all(b"\xef\xbb\xbf{\"log\":{\"entries\":null}}").2.unwrap().entries, 0);
}

#[test]
fn secrets_of_any_place_are_masked() {
    let secret = "s3cr3t-value-0123456789";
    let basic = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(format!("user:{secret}"))
    };
    let entry = json!({
        "startedDateTime": "2026-11-20T10:00:00Z", "_error": format!("failed with {secret}"), "comment": secret,
        "request": {
            "method": "POST", "url": format!("http://x/{secret}?api_key={secret}#access_token=another0secret1"),
            "headers": [{"name": "Authorization", "value": format!("Basic {basic}")}, {"name": "X-Api-Key", "value": secret}],
            "cookies": [{"name": "sid", "value": "c00kie-value-0123456789"}],
            "postData": {"mimeType": "application/json", "text": format!("{{\"password\":\"{secret}\"}}"), "_x": {"token": "third0secret2"}}
        },
        "response": {
            "status": 200, "headers": [{"name": "Content-Encoding", "value": "gzip"}],
            "cookies": [{"name": "sid", "value": "set-c00kie-0123456789"}],
            "content": {"mimeType": "text/html", "text": format!("<a href='?token=fourth0secret3'>{secret}</a>")}
        }
    });
    let mut exchange = one(entry).exchange;
    let (hits, is_whole) = masked(&Masker::new(MaskKey([1; 32]), Default::default()), &mut exchange);
    assert!(hits >= 10 && is_whole, "{hits}");
    let written = log(&[exchange.clone()]).to_string();
    for secret in [secret, &basic, "c00kie-value", "set-c00kie", "another0secret1", "third0secret2", "fourth0secret3"] {
        assert!(!written.contains(secret), "{secret} in {written}");
    }
    let body = &exchange.outcome.response().unwrap().body;
    assert!(body.masked > 0 && body.coding_removed.as_deref() == Some("gzip"));
    let mut kept = exchange.clone();
    assert!(masked(&Masker::new(MaskKey([1; 32]), Default::default()), &mut kept).1);
    assert_eq!(kept, exchange, "placeholders stay");
    masked(&Masker::off(), &mut kept);
    assert_eq!(kept, exchange);
}

#[test]
fn a_coded_body_of_ours_is_masked_decoded_and_kept_coded_without_a_secret() {
    for (text, is_kept) in [("{\"token\":\"late0secret1value\"}", false), ("{\"a\":1}", true)] {
        let mut exchange = answered(|answer| {
            answer.fields.push("Content-Encoding", "gzip");
            answer.body = inline(encode(text.as_bytes(), Coding::Gzip).unwrap());
        });
        let before = exchange.clone();
        masked(&Masker::new(MaskKey([1; 32]), Default::default()), &mut exchange);
        let body = &exchange.outcome.response().unwrap().body;
        assert_eq!(body.coding_removed.is_none(), is_kept);
        let same = before.outcome.response().unwrap().body == *body;
        assert_eq!(same, is_kept);
    }
}

#[test]
fn members_without_end_are_cut_down() {
    let mut entry = chromium();
    entry["_webSocketMessages"] = json!(["x".repeat(5 << 20)]);
    let taken = one(entry);
    assert!(taken.notes.contains(&Note::VendorTooLarge));
    let kept = &taken.exchange.vendor["entry"];
    assert!(kept.get("_webSocketMessages").is_none() && kept.get("_initiator").is_some());
}

mod never_panics {
    use proptest::prelude::*;

    use super::*;

    /// Values that no tool should write in these places.
    fn odd() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[ -~é\u{0}]{0,20}".prop_map(Value::from),
            Just(json!([])),
            Just(json!([{"name": 1}, {"name": "a", "value": "b\r\nc: d"}, 7])),
            Just(json!({})),
            Just(json!({"text": "x", "encoding": "base64"})),
        ]
    }

    /// All places of a document.
    fn places(value: &Value, at: &str, found: &mut Vec<String>) {
        found.push(at.to_owned());
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, inner)| {
                    places(inner, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found)
                });
            }
            Value::Array(list) => {
                list.iter().enumerate().for_each(|(place, inner)| places(inner, &format!("{at}/{place}"), found))
            }
            _ => {}
        }
    }

    fn whatever_comes(text: &[u8]) {
        let masker = Masker::new(MaskKey([1; 32]), Default::default());
        for mut taken in read_all(text).0 {
            masked(&masker, &mut taken.exchange);
            let _ = log(&[taken.exchange]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn over_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            whatever_comes(&bytes);
        }

        #[test]
        fn over_a_log_with_something_odd_in_it(place in any::<prop::sample::Index>(), value in odd(), ours in any::<bool>(), which in any::<prop::sample::Index>()) {
            let mut file = match ours {
                true => log(&[all_sorts().remove(which.index(all_sorts().len()))]),
                false => json!({"log": {"pages": [{"id": "page_1"}], "entries": [chromium()]}}),
            };
            let mut all = Vec::new();
            places(&file, "", &mut all);
            *file.pointer_mut(&all[place.index(all.len())]).unwrap() = value;
            whatever_comes(file.to_string().as_bytes());
        }

        #[test]
        fn over_a_log_with_bytes_changed(at in any::<prop::sample::Index>(), with in any::<[u8; 3]>(), end in any::<prop::sample::Index>()) {
            let mut text = json!({"log": {"entries": [chromium()]}}).to_string().into_bytes();
            let from = at.index(text.len() - 3);
            text[from..from + 3].copy_from_slice(&with);
            whatever_comes(&text);
            whatever_comes(&text[..end.index(text.len())]);
        }
    }
}
