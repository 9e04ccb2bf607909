//! The screen as hyper and the socket see it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

async fn refused(request: &str) -> String {
    let (client, server) = tokio::io::duplex(1 << 20);
    let (mut screen, heads) = Screen::server(server);
    let (mut from, mut to) = tokio::io::split(client);
    to.write_all(request.as_bytes()).await.unwrap();
    let error = screen.read_to_end(&mut Vec::new()).await.expect_err(request);
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert_eq!(heads.next_request(), None, "{request:?}");
    let mut answer = String::new();
    from.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn an_ambiguous_head_is_answered_400_and_seen_by_nobody() {
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +5",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -5",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length:",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:",
        "GET / HTTP/1.0\r\nTransfer-Encoding: chunked",
        "GET / HTTP/1.1\r\nHost : a",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 5",
        "GET / HTTP/1.1\r\nHost: a\r\n: x",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb",
        "GET / HTTP/1.1\r\n Host: a",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\x0bb",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f",
        "GET / HTTP/1.1\r\nHost: a\r\nX\0: a",
        "GET / HTTP/1.1\r\nHost: a\r\nnocolon",
        "GET / HTTP/1.1\nHost: a",
        "GET / HTTP/1.1\r\nHost: a\nX: b",
        "GET /a b HTTP/1.1\r\nHost: a",
        "GET  / HTTP/1.1\r\nHost: a",
        "GET /\tHTTP/1.1\r\nHost: a",
        "GET / HTTP/1.1 \r\nHost: a",
        "GET /\x0b HTTP/1.1\r\nHost: a",
        "GE(T / HTTP/1.1\r\nHost: a",
        "GET /",
        "GET / HTTP/2.0\r\nHost: a",
        "GET / HTTP/1.2\r\nHost: a",
        "GET / http/1.1\r\nHost: a",
        "GET / HTTP/1.1\r\nX: no host",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a",
        "GET / HTTP/1.1\r\nHost: a b",
        "GET / HTTP/1.1\r\nHost: a, b",
        "GET / HTTP/1.1\r\nHost: u@b",
    ] {
        let answer = refused(&format!("{head}\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head:?}: {answer}");
        assert!(answer.contains("application/problem+json") && answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn a_head_over_the_limits_is_answered_431() {
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(200));
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "y".repeat(300 * 1024));
    for head in [many, long] {
        assert!(refused(&head).await.starts_with("HTTP/1.1 431 "));
    }
}
