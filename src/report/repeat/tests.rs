//! The shell runs what is written: its arguments are the original.

use super::labels::Piece;
use super::*;
use crate::model::{Body, BodyEnd, Fields, HttpVersion};

fn request(method: &str, fields: Fields, body: &[u8]) -> RequestRecord {
    RequestRecord {
        method: method.into(),
        origin: "http://127.0.0.1:8080".parse().unwrap(),
        path: "/a/retake-secret-abcdefghij".into(),
        query: Some("q=1&api_key=retake-secret-klmnopqrst".into()),
        version: HttpVersion::Http11,
        fields,
        trailers: Fields::new(),
        body: Body::inline(body.to_vec(), BodyEnd::Complete),
    }
}

fn sh(script: &str) -> Vec<u8> {
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .env("RETAKE_SECRET_X", "$(touch x) '\"")
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn a_command_reads_well() {
    let mut fields = Fields::new();
    for (name, value) in [
        ("Host", "127.0.0.1:8080"),
        ("Authorization", "Bearer retake-secret-zzzzzzzzzz"),
        ("X-Empty", ""),
        ("X-It's", "'; touch x; '"),
        ("Connection", "close, x-hop"),
        ("X-Hop", "1"),
        ("Accept-Encoding", "gzip"),
        ("Content-Type", "application/json"),
    ] {
        fields.push(name, value);
    }
    let body = br#"{"it's": "$(x)", "pin": "retake-secret-zzzzzzzzzz"}"#;
    let text = curl(&request("PUT", fields.clone(), body), body);
    insta::assert_snapshot!("curl", text);
    let text = curl(&request("POST", fields, b"\0\x01"), b"\0\x01");
    insta::assert_snapshot!("curl_binary", text);
}

#[test]
fn raw_is_a_message() {
    let mut fields = Fields::new();
    fields.push("X-A", "1");
    fields.push("Transfer-Encoding", "chunked");
    fields.push("X-Bad", "a\r\nb: c");
    let text = String::from_utf8(raw(&request("POST", fields, b"hello"), b"hello")).unwrap();
    let expected = "POST /a/retake-secret-abcdefghij?q=1&api_key=retake-secret-klmnopqrst HTTP/1.1\r\n\
                    Host: 127.0.0.1:8080\r\nX-A: 1\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(text, expected);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]
    #[test]
    fn the_shell_makes_the_same_bytes_of_a_word(
        text in "(['\"$`\\\\;|&<>(){}*?!#~= \n\t-]|\\PC|\u{1b}|\r|\u{202e}|[@a]){0,30}",
        bytes in proptest::collection::vec(1_u8.., 0..20),
    ) {
        for value in [text.as_bytes(), &bytes] {
            let word = shell::word(&[Piece::Bytes(value), Piece::Secret("X".into())]).unwrap();
            let expected = [value, b"$(touch x) '\"|"].concat();
            proptest::prop_assert_eq!(sh(&format!("printf '%s|' {word}")), expected);
            proptest::prop_assert!(crate::report::terminal::clean_lines(&word) == word);
        }
    }

    #[test]
    fn a_group_writes_the_same_bytes(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 1..200)) {
        let group = shell::group(&[Piece::Bytes(&bytes), Piece::Secret("X".into())]);
        proptest::prop_assert_eq!(sh(&group), [bytes.as_slice(), b"$(touch x) '\""].concat());
    }
}
