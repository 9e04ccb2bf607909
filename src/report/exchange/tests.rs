//! Whole exchanges as a person and as a program reads them.

use serde_json::json;

use super::*;
use crate::model::*;

fn exchange() -> Exchange {
    let mut fields = Fields::new();
    fields.push("Authorization", "Bearer retake-secret-abcdefghij");
    fields.push("Content-Type", "application/x-www-form-urlencoded");
    fields.push("X-Evil", "a\u{1b}[31mb");
    let mut answer = Fields::new();
    answer.push("content-type", "application/json");
    Exchange {
        id: "0190c5a0-0000-7000-8000-000000000001".parse().unwrap(),
        number: 17,
        session: "2026-11-20-3".into(),
        tags: vec!["login".into()],
        started_at: "2026-11-20T11:22:33.5Z".parse().unwrap(),
        client: None,
        request: RequestRecord {
            method: "POST".into(),
            origin: "https://api.example.com".parse().unwrap(),
            path: "/login".into(),
            query: Some("next=%2F".into()),
            version: HttpVersion::Http11,
            fields,
            trailers: Fields::new(),
            body: Body::inline(b"user=bob&password=retake-secret-abcdefghij".to_vec(), BodyEnd::Complete),
        },
        outcome: Outcome::Complete(ResponseRecord {
            version: HttpVersion::Http2,
            status: 200,
            reason: None,
            fields: answer,
            trailers: Fields::new(),
            informational: vec![],
            body: Body::inline(br#"{"b":1,"a":[true]}"#.to_vec(), BodyEnd::Complete),
        }),
        timings: Timings { total_us: 12_345, ..Timings::default() },
        tls: None,
        note: None,
        partial: false,
        vendor: Default::default(),
    }
}

fn bodies() -> Bodies {
    Bodies {
        request: View::Whole(b"user=bob&password=retake-secret-abcdefghij".to_vec()),
        response: View::Whole(br#"{"b":1,"a":[true]}"#.to_vec()),
    }
}

fn text(exchange: &Exchange, bodies: &Bodies) -> String {
    shown_as(exchange, bodies, Limits::SHORT, None)
}

fn shown_as(exchange: &Exchange, bodies: &Bodies, limits: Limits, hexdump: Option<usize>) -> String {
    let options = Options { zone: jiff::tz::TimeZone::UTC, limits, hexdump };
    let mut text = String::new();
    show(exchange, bodies, &options, &mut |line| text += &format!("{line}\n"));
    text
}

#[test]
fn request_and_response_as_a_person_reads_them() {
    let text = text(&exchange(), &bodies());
    for part in [
        "#17  POST https://api.example.com/login?next=%2F\n",
        "2026-11-20 11:22:33.500 +00:00 · session 2026-11-20-3 · complete in 12 ms · tagged login\n",
        "> POST /login?next=%2F HTTP/1.1\n",
        "> Authorization: Bearer retake-secret-abcdefghij  (masked)\n",
        "> X-Evil: a\\u{1b}[31mb\n",
        "user = bob\npassword = retake-secret-abcdefghij  (masked)\n",
        "< HTTP/2 200\n",
        "{\n  \"b\": 1,\n  \"a\": [\n    true\n  ]\n}\n",
        "(application/json, 18 B)\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn binary_is_described_and_long_text_is_cut() {
    let mut bodies = bodies();
    bodies.response = View::Whole(vec![0, 159, 146, 150]);
    let shown = text(&exchange(), &bodies);
    assert!(
        shown.contains("binary, application/json, 4 B, BLAKE3 ") && shown.contains("--raw response-body` writes it"),
        "{shown}"
    );
    let dump = shown_as(&exchange(), &bodies, Limits::SHORT, Some(2));
    assert!(dump.contains("\n00000000: 009f   ") && dump.contains("… 2 B more; "), "{dump}");
    bodies.response = View::Whole("line\n".repeat(500).into_bytes());
    assert!(text(&exchange(), &bodies).contains("… 301 more lines; `retake history show 17 --full`"));
    assert!(!shown_as(&exchange(), &bodies, Limits::NONE, None).contains('…'));
}

#[test]
fn json_has_the_members_that_scripts_rely_on() {
    let value = super::json(&exchange(), &bodies());
    for member in super::MEMBERS.into_iter().chain(["timings"]) {
        assert!(value.get(member).is_some(), "{member}");
    }
    assert_eq!(value["response"]["body"]["json"], json!({"b": 1, "a": [true]}));
    assert_eq!(value["request"]["fields"][2], json!(["X-Evil", "a\u{1b}[31mb"]));
    assert_eq!(value["request"]["body"]["text"], "user=bob&password=retake-secret-abcdefghij");
}
