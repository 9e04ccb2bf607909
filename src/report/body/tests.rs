use super::*;
use crate::report::styled::Limits;

fn shown(content_type: &str, bytes: &[u8], is_whole: bool, chunks: &[Chunk]) -> String {
    let mut text = String::new();
    let mut emit = |line: Line| text += &format!("{line}\n");
    let content_type = (!content_type.is_empty()).then_some(content_type);
    render(&Content { content_type, bytes, is_whole, chunks }, &mut Page::new(Limits::SHORT, &mut emit));
    text
}

/// A PNG of 640 by 480 pixels, as far as its header.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\x80\0\0\x01\xe0\x08\x02\0\0\0";

#[test]
fn each_type_in_its_own_way() {
    let part = |head: &str, body: &[u8]| [format!("--b\r\n{head}\r\n\r\n").as_bytes(), body, b"\r\n"].concat();
    let multipart = [
        part("Content-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json", b"{\"a\":[]}"),
        part("Content-Disposition: form-data; name=\"f\"; filename=\"p.png\"\r\nContent-Type: image/png", PNG),
        part("Content-Disposition: form-data; name=\"t\"", b"plain"),
        b"--b--\r\n".to_vec(),
    ]
    .concat();
    let cases: &[(&str, &[u8])] = &[
        ("application/json", br#"{"z":1.50,"z":12345678901234567890123,"a":[1e5,"\u00e9\n",{}, [ ],null],"t":"retake-secret-abcdefghij"}"#),
        ("application/json", b"{broken"),
        ("application/json", br#"{"operationName":"Q","query":"query Q($n: Int) {\n  user(n: $n) { name }\n}\n","variables":{"n":1}}"#),
        ("application/json", br#"{"query":"{a}","other":1}"#),
        ("application/x-ndjson", b"{\"a\":1}\nno json\n{\"b\":[2]}\n"),
        ("application/x-www-form-urlencoded", b"a=1&b=x%20y%0Az&c&password=retake-secret-abcdefghij"),
        ("application/xml", b"<?xml version='1.0'?><a x=\"1\"><b>text &amp; more</b><c/><d><![CDATA[<e>]]></d>\n two\n lines </a>"),
        ("text/html", b"<!doctype html><html><body><p>One<p>Two<br><pre>  kept\n   so</pre><script>if (a<b) {\n  c()\n}</script></body></html>"),
        ("text/html; charset=iso-8859-1", b"<p>caf\xe9</p>"),
        ("text/plain", b"caf\xe9"),
        ("text/event-stream", b": hi\n\nevent: add\nid: 7\ndata: {\"n\":1}\n\ndata: one\ndata: two\n\ndata: cut"),
        ("multipart/form-data; boundary=b", &multipart),
        ("image/png", PNG),
        ("application/x-protobuf", b"\x0a\x03abc\x10\x01"),
        ("", b"text without a type"),
        ("text/plain", b"\x1b]0;title\x07 \xe2\x80\xae tab\there"),
    ];
    let chunks =
        [Chunk { at_us: 10_000, bytes: 6 }, Chunk { at_us: 250_000, bytes: 30 }, Chunk { at_us: 2_000_000, bytes: 99 }];
    let mut all = String::new();
    for (content_type, bytes) in cases {
        all += &format!("=== {content_type}\n{}", shown(content_type, bytes, true, &chunks));
    }
    insta::assert_snapshot!("each_type", all);
}

#[test]
fn the_beginning_of_a_body_is_shown_as_far_as_it_goes() {
    assert_eq!(shown("application/json", br#"{"a":{"b":"c\"#, false, &[]), "{\n  \"a\": {\n    \"b\": \"c\\\n");
    assert_eq!(shown("application/xml", b"<a><b>c</b><d", false, &[]), "<a>\n  <b>c</b>\n  <d\n");
    assert_eq!(shown("text/plain", b"caf\xc3", false, &[]), "caf\n");
}

#[test]
fn deep_and_long_bodies_stay_small() {
    let text = shown("application/json", "[".repeat(1 << 20).as_bytes(), false, &[]);
    assert!(text.len() < 64 * 1024, "{}", text.len());
    let text = shown("text/html", "<p title=\"".repeat(100_000).as_bytes(), true, &[]);
    assert!(text.len() < 64 * 1024, "{}", text.len());
    let text = shown("text/plain", "x".repeat(1 << 20).as_bytes(), true, &[]);
    assert_eq!(text.trim_end(), format!("{}… 1047576 more characters", "x".repeat(1000)));
}

#[test]
fn a_hex_dump_is_that_of_xxd() {
    let mut text = String::new();
    hexdump(b"Hello, world!\n\0\xff12", &mut Page::new(Limits::NONE, &mut |line| text += &format!("{line}\n")));
    assert_eq!(
        text,
        "00000000: 4865 6c6c 6f2c 2077 6f72 6c64 210a 00ff  Hello, world!...\n\
         00000010: 3132                                     12\n"
    );
}

proptest::proptest! {
    #[test]
    fn no_body_of_any_type_acts_on_a_terminal(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        text in "([{}\\[\\]\",:<>/=&%;-]|--b|\r\n|\n|data:|\\PC|\u{1b}|\u{202e}|\u{9b}|a){0,60}",
        kind in 0_usize..9,
        is_whole: bool,
    ) {
        let types = [
            "application/json", "text/html", "application/xml", "text/event-stream", "application/x-ndjson",
            "multipart/mixed; boundary=b", "application/x-www-form-urlencoded", "text/plain; charset=utf-16", "",
        ];
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            let shown = shown(types[kind], bytes, is_whole, &[]);
            proptest::prop_assert!(shown.lines().all(|line| crate::report::terminal::clean_line(line) == line));
            let acts = shown.contains(['\u{1b}', '\u{202e}', '\u{9b}', '\r']);
            proptest::prop_assert!(!acts);
        }
    }
}
