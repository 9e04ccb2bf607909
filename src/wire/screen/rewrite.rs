//! The head of a response as the answer wants it written: order, case and repeats as given, the framing as hyper chose.

use super::head::{Line, is_token, is_value};
use crate::model::{Field, Fields, Informational};
use crate::wire::HeadLines;

/// Fields whose values are hyper's, wherever they stand.
const FRAMING: [&str; 4] = ["content-length", "transfer-encoding", "connection", "keep-alive"];

/// Writes `head`, as hyper wrote it, with the wanted lines. `start` is where its field lines begin.
pub(super) fn rewrite(head: &[u8], start: usize, lines: &[Line], wanted: &HeadLines, http10: bool, out: &mut Vec<u8>) {
    if !http10 {
        wanted.informational.iter().for_each(|interim| write_interim(interim, out));
    }
    out.extend_from_slice(&head[..start]);
    let name_of = |line: &Line| &head[line.0.clone()];
    let not_modified = head.get(9..12) == Some(b"304");
    let mut framing_written = [false; FRAMING.len()];
    for field in wanted.fields.iter() {
        let mut written = lines.iter().filter(|line| name_of(line).eq_ignore_ascii_case(field.name.as_bytes()));
        match FRAMING.iter().position(|name| field.is(name)) {
            None => {
                if (wanted.whole || written.next().is_some()) && is_legal(field) {
                    write_line(field.name.as_bytes(), &field.value, out);
                }
            }
            // Of a 304 it is data about another response (RFC 9110 section 8.6), which hyper leaves out.
            Some(0) if not_modified && is_length(&field.value) => {
                if !std::mem::replace(&mut framing_written[0], true) {
                    write_line(field.name.as_bytes(), &field.value, out);
                }
            }
            Some(index) => {
                if !std::mem::replace(&mut framing_written[index], true) {
                    written.for_each(|line| write_line(field.name.as_bytes(), &head[line.1.clone()], out));
                }
            }
        }
    }
    for line in lines {
        if !has(&wanted.fields, name_of(line)) {
            write_line(name_of(line), &head[line.1.clone()], out);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// 100 is hyper's to send, when the body is asked for; 101 is no interim response.
pub(super) fn write_interim(interim: &Informational, out: &mut Vec<u8>) {
    if !(102..200).contains(&interim.status) {
        return;
    }
    let status = http::StatusCode::from_u16(interim.status).ok();
    let reason = status.and_then(|status| status.canonical_reason()).unwrap_or("");
    out.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", interim.status).as_bytes());
    for field in interim.fields.iter().filter(|field| is_legal(field)) {
        write_line(field.name.as_bytes(), &field.value, out);
    }
    out.extend_from_slice(b"\r\n");
}

fn is_length(value: &[u8]) -> bool {
    (1..=19).contains(&value.len()) && value.iter().all(u8::is_ascii_digit)
}

fn has(fields: &Fields, name: &[u8]) -> bool {
    fields.iter().any(|field| field.name.as_bytes().eq_ignore_ascii_case(name))
}

/// A line from a file that somebody edited may hold anything; a line break in it would start a head of its own.
fn is_legal(field: &Field) -> bool {
    !field.name.is_empty() && field.name.bytes().all(is_token) && field.value.iter().copied().all(is_value)
}

fn write_line(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::head::{Asked, response_written};
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> Fields {
        lines.iter().map(|(name, value)| Field::new(*name, *value)).collect()
    }

    fn check(wrote: &str, wanted: &[(&str, &str)], informational: Vec<Informational>, http10: bool) -> String {
        let asked = Asked { head: false, connect: false, http10, switches: false };
        let mut lines = Vec::new();
        let (_, start, _) = response_written(wrote.as_bytes(), asked, &mut lines).unwrap();
        let wanted = HeadLines { fields: Arc::new(fields(wanted)), informational, whole: false };
        let mut out = Vec::new();
        rewrite(wrote.as_bytes(), start, &lines, &wanted, http10, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn order_case_and_repeats_are_as_wanted_and_framing_is_hypers() {
        let wrote =
            "HTTP/1.1 200 Fine\r\nset-cookie: a\r\nset-cookie: b\r\nserver: s\r\ncontent-length: 7\r\nx-new: 1\r\n\r\n";
        let wanted = [
            ("Set-Cookie", "a"),
            ("Content-Length", "99"),
            ("SERVER", "s"),
            ("content-length", "98"),
            ("Set-cookie", "b"),
            ("Transfer-Encoding", "chunked"),
            ("X-Gone", "1"),
        ];
        assert_eq!(
            check(wrote, &wanted, vec![], false),
            "HTTP/1.1 200 Fine\r\nSet-Cookie: a\r\nContent-Length: 7\r\nSERVER: s\r\nSet-cookie: b\r\nx-new: 1\r\n\r\n"
        );
    }

    #[test]
    fn interim_heads_come_first_but_not_in_http_1_0() {
        let interim = |status| Informational { status, fields: fields(&[("Link", "</a>")]) };
        let wrote = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let all = || vec![interim(100), interim(103), interim(101)];
        assert_eq!(
            check(wrote, &[], all(), false),
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        );
        assert_eq!(check(wrote, &[], all(), true), wrote);
    }

    #[test]
    fn a_line_break_in_a_wanted_value_never_reaches_the_wire() {
        let wrote = "HTTP/1.1 200 OK\r\nx-a: 1\r\n\r\n";
        let out = check(wrote, &[("X-A", "1\r\nEvil: 1"), ("X-A", "1")], vec![], false);
        assert_eq!(out, "HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n");
    }

    #[test]
    fn a_304_keeps_the_length_of_the_content_that_it_speaks_of() {
        let wanted = [("ETag", "x"), ("Content-Length", "1234")];
        let wrote = "HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n";
        let out = check(wrote, &wanted, Vec::new(), false);
        assert_eq!(out, "HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 1234\r\n\r\n");
        let out = check(wrote, &[("ETag", "x"), ("Content-Length", "5, 5")], Vec::new(), false);
        assert!(!out.contains("Content-Length"), "what is no length is not sent");
        let out = check("HTTP/1.1 204 No Content\r\netag: x\r\n\r\n", &wanted, Vec::new(), false);
        assert!(!out.contains("1234"), "a 204 has none (RFC 9110 section 8.6)");
    }
}
