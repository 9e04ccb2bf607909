use super::*;
use crate::model::{Body, BodyEnd, HttpVersion, Outcome, RequestRecord, ResponseRecord, Timings};
use crate::report::exchange::View;

fn exchange(target: &str, status: u16, content_type: &str, sent: &str, got: &[u8]) -> (Exchange, Bodies) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let body = |bytes: &[u8]| Body::inline(bytes.to_vec(), BodyEnd::Complete);
    let fields = |pairs: &[(&str, &str)]| {
        let mut fields = Fields::new();
        pairs.iter().for_each(|(name, value)| fields.push(*name, *value));
        fields
    };
    let exchange = Exchange {
        id: "0190c5a0-0000-7000-8000-000000000001".parse().unwrap(),
        number: u64::from(status),
        session: "s".into(),
        tags: vec![],
        note: None,
        started_at: "2026-11-20T11:22:33Z".parse().unwrap(),
        client: None,
        request: RequestRecord {
            method: "POST".into(),
            origin: "https://a.test".parse().unwrap(),
            path: path.into(),
            query: Some(query.into()),
            version: HttpVersion::Http11,
            fields: fields(&[("Content-Type", "application/x-www-form-urlencoded"), ("X-Path", path)]),
            trailers: Fields::new(),
            body: body(sent.as_bytes()),
        },
        outcome: Outcome::Complete(ResponseRecord {
            version: HttpVersion::Http11,
            status,
            reason: None,
            fields: fields(&[("content-type", content_type), ("Date", path)]),
            trailers: Fields::new(),
            informational: vec![],
            body: body(got),
        }),
        timings: Timings { total_us: 1500, ..Timings::default() },
        tls: None,
        partial: false,
        vendor: Default::default(),
    };
    (exchange, Bodies { request: View::Whole(sent.into()), response: View::Whole(got.into()) })
}

fn told(one: &(Exchange, Bodies), other: &(Exchange, Bodies)) -> String {
    let mut text = String::new();
    lines(&compare(&one.0, &other.0, &one.1, &other.1), &mut |line| text += &format!("{line}\n"));
    text
}

#[test]
fn each_part_is_compared_by_its_type() {
    let json = [
        exchange("/a/b?x=1&y=2", 200, "application/json", "n=1&p=a", br#"{"a":[1,2,3],"t":"one long text"}"#),
        exchange("/a/c?y=2&x=3", 201, "application/json", "n=2&q=b", br#"{"a":[0,1,2,3],"t":"one short text"}"#),
    ];
    let xml = [
        exchange("/", 200, "application/xml", "", b"<a><b c='1'>x</b><d/></a>"),
        exchange("/", 200, "application/xml", "", b"<a><b c='2'>y</b></a>"),
    ];
    let text = [
        exchange("/", 200, "text/plain", "", b"one\ntwo\nthree\n"),
        exchange("/", 200, "text/plain", "", b"one\n2\nthree\n"),
    ];
    let binary = [exchange("/", 200, "image/png", "", b"\0\x01\x02"), exchange("/", 200, "image/png", "", b"\0\x01")];
    let part = |value: &str| format!("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{value}\r\n--b--\r\n");
    let form = [
        exchange("/", 200, "multipart/form-data; boundary=b", "", part("1").as_bytes()),
        exchange("/", 200, "multipart/form-data; boundary=b", "", part("{\"x\":1}").as_bytes()),
    ];
    let all: Vec<String> = [json, xml, text, binary, form].iter().map(|[one, other]| told(one, other)).collect();
    insta::assert_snapshot!("comparison", all.join("=====\n"));
}

#[test]
fn what_only_time_changes_is_alike() {
    let one = exchange("/", 200, "application/json", "", b"{}");
    let mut other = one.clone();
    other.0.timings.total_us = 9;
    assert!(told(&one, &other).starts_with("#200 and #200 are alike\n"));
}

proptest::proptest! {
    #[test]
    fn no_pair_acts_on_a_terminal(
        one in "([{}\\[\\]\",:<>/=&1a]|\\PC|\u{1b}|\n){0,30}",
        other in "([{}\\[\\]\",:<>/=&1a]|\\PC|\u{202e}|\n){0,30}",
        kind in 0_usize..5,
    ) {
        let types = ["application/json", "application/xml", "text/html", "text/plain", "multipart/mixed; boundary=a"];
        let sides = [&one, &other].map(|text| exchange("/", 200, types[kind], text, text.as_bytes()));
        let text = told(&sides[0], &sides[1]);
        proptest::prop_assert!(text.lines().all(|line| crate::report::terminal::clean_line(line) == line));
        proptest::prop_assert!(one != other || text.contains("alike"));
    }
}
