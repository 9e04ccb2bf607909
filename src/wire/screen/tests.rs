//! The screen as hyper and the socket see it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::model::{Fields, Informational};

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

/// Requests of every framing in one stream, and where each head begins and ends.
const REQUESTS: &[u8] = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\
    POST /2 HTTP/1.1\r\nHOST: a\r\ncontent-Length: 5\r\nX: \xff\r\n\r\nhello\
    \r\nPUT /3 HTTP/1.0\r\nContent-Length: 0\r\n\r\n\
    POST /4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4;x\r\nwxyz\r\n0\r\nT: 1\r\n\r\n\
    HEAD /5 HTTP/1.1\r\nHost: a\r\nX:1\r\nx: 2\r\n\r\n";

const RESPONSES: &[&[u8]] = &[
    b"HTTP/1.1 103 Early Hints\r\nLink: 1\r\n\r\nHTTP/1.1 200 Fine\r\nContent-Length: 2\r\nA: \xe9\r\n\r\nhi",
    b"HTTP/1.1 204 No Content\r\nB: 1\r\nb: 2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
];

/// Plays `pieces` into a server's screen while it answers each request; gives the targets and the bytes let through.
async fn serve(pieces: &[&[u8]]) -> (Vec<RequestHead>, Vec<u8>) {
    let (client, server) = tokio::io::duplex(1 << 20);
    let (mut screen, heads) = Screen::server(server);
    let (mut from, mut to) = tokio::io::split(client);
    let (mut seen, mut passed) = (Vec::new(), Vec::new());
    let mut pieces = pieces.iter();
    loop {
        let mut buf = [0; 37];
        let read = tokio::time::timeout(std::time::Duration::from_millis(1), screen.read(&mut buf)).await;
        match read {
            Ok(Ok(0)) => break,
            Ok(read) => passed.extend_from_slice(&buf[..read.unwrap()]),
            Err(_) => match pieces.next() {
                Some(piece) => to.write_all(piece).await.unwrap(),
                None => to.shutdown().await.unwrap(),
            },
        }
        if let Some(head) = heads.next_request() {
            seen.push(head);
            // In two writes, so that the head is split.
            screen.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await.unwrap();
            screen.write_all(b"ngth: 0\r\n\r\n").await.unwrap();
            screen.flush().await.unwrap();
        }
    }
    drop(screen);
    let mut answers = Vec::new();
    from.read_to_end(&mut answers).await.unwrap();
    assert_eq!(answers, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".repeat(seen.len()));
    (seen, passed)
}

#[tokio::test(start_paused = true)]
async fn requests_are_the_same_wherever_the_stream_is_split() {
    let (whole, passed) = serve(&[REQUESTS]).await;
    assert_eq!(whole.iter().map(|head| head.target.as_str()).collect::<Vec<_>>(), ["/1", "/2", "/3", "/4", "/5"]);
    assert_eq!(passed, REQUESTS);
    for split in 0..REQUESTS.len() {
        let (first, second) = REQUESTS.split_at(split);
        assert_eq!(serve(&[first, second]).await, (whole.clone(), REQUESTS.to_vec()), "{split}");
    }
    let single: Vec<&[u8]> = REQUESTS.chunks(1).collect();
    assert_eq!(serve(&single).await, (whole, REQUESTS.to_vec()));
}

/// Sends five requests and reads the responses through a client's screen, cut into pieces of `size`.
async fn fetch(size: usize) -> (Vec<Received>, Vec<u8>) {
    let (client, server) = tokio::io::duplex(1 << 20);
    let (mut screen, heads) = Screen::client(client);
    let (mut from, mut to) = tokio::io::split(server);
    let (mut received, mut passed) = (Vec::new(), Vec::new());
    for (method, response) in ["GET", "GET", "GET", "GET", "HEAD"].iter().zip(RESPONSES) {
        let request = format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n");
        screen.write_all(request.as_bytes()).await.unwrap();
        screen.flush().await.unwrap();
        from.read_exact(&mut vec![0; request.len()]).await.unwrap();
        let before = passed.len();
        for piece in response.chunks(size) {
            to.write_all(piece).await.unwrap();
            let mut buf = [0; 1024];
            let read = screen.read(&mut buf);
            if let Ok(read) = tokio::time::timeout(std::time::Duration::from_millis(1), read).await {
                passed.extend_from_slice(&buf[..read.unwrap()]);
            }
        }
        while passed.len() - before < response.len() {
            let mut buf = [0; 7];
            let read = screen.read(&mut buf).await.unwrap();
            passed.extend_from_slice(&buf[..read]);
        }
        let mut done = Vec::new();
        while let Some(head) = heads.any() {
            done.push(head);
        }
        assert_eq!(done.len(), 1);
        received.append(&mut done);
    }
    (received, passed)
}

#[tokio::test(start_paused = true)]
async fn responses_are_the_same_in_whatever_pieces_they_come() {
    let (whole, passed) = fetch(4096).await;
    assert_eq!(whole.iter().map(|it| it.head.status).collect::<Vec<_>>(), [200, 204, 200, 304, 200]);
    assert_eq!(whole[0].informational[0].fields.text("link").as_deref(), Some("1"));
    assert_eq!(whole[0].head.reason, b"Fine");
    assert_eq!(passed, RESPONSES.concat());
    for size in 1..80 {
        assert_eq!(fetch(size).await, (whole.clone(), passed.clone()), "{size}");
    }
}

async fn origin_says(method: &str, response: &str) -> std::io::Result<Vec<u8>> {
    let (client, mut server) = tokio::io::duplex(1 << 20);
    let (mut screen, _heads) = Screen::client(client);
    screen.write_all(format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await?;
    screen.flush().await?;
    server.write_all(response.as_bytes()).await?;
    server.shutdown().await?;
    let mut all = Vec::new();
    screen.read_to_end(&mut all).await.map(|_| all)
}

#[tokio::test]
async fn ambiguous_responses_are_errors() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
        "HTTP/1.1 200 OK\nContent-Length: 1\n\na",
        "HTTP/1.1 200 OK\r\nX : 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 204 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        &"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(51),
    ] {
        let error = origin_says("GET", response).await.expect_err(response);
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        assert!(error.to_string().starts_with("ambiguous framing from the origin: "), "{error}");
    }
}

#[tokio::test]
async fn a_tunnel_and_a_close_delimited_body_pass_untouched() {
    for (method, response) in [
        ("GET", "HTTP/1.0 200 OK\r\n\r\nuntil\nclose\0"),
        ("GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\0\x01 : no http\n"),
        ("CONNECT", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\x16\x03\x01"),
    ] {
        assert_eq!(origin_says(method, response).await.unwrap(), response.as_bytes());
    }
}

#[tokio::test]
async fn bytes_after_an_upgrade_wait_for_the_answer() {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let (mut screen, heads) = Screen::server(server);
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n";
    client.write_all(head).await.unwrap();
    client.write_all(b"\0not http").await.unwrap();
    let mut buf = [0; 1024];
    assert_eq!(screen.read(&mut buf).await.unwrap(), head.len());
    assert!(futures_util::FutureExt::now_or_never(screen.read(&mut buf)).is_none());
    heads.next_response(None);
    screen.write_all(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n\0raw").await.unwrap();
    let read = screen.read(&mut buf).await.unwrap();
    assert_eq!(&buf[..read], b"\0not http");
}

#[tokio::test]
async fn a_fault_in_a_body_is_an_error_that_names_it() {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let (mut screen, heads) = Screen::server(server);
    client
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0x3\r\n")
        .await
        .unwrap();
    let mut all = Vec::new();
    let error = screen.read_to_end(&mut all).await.unwrap_err();
    assert!(all.ends_with(b"3\r\nabc\r\n0"), "{all:?}");
    assert!(heads.next_request().is_some());
    assert!(error.to_string().contains("chunk size"), "{error}");
}

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";

fn hints() -> Informational {
    let mut fields = Fields::new();
    fields.push("Link", "</a>");
    Informational { status: 103, fields }
}

/// Two requests in one piece; the first of them was picked up.
async fn pipelined(room: usize) -> (DuplexStream, Screen<DuplexStream>, ServerHeads) {
    let (mut client, server) = tokio::io::duplex(room);
    let (mut screen, heads) = Screen::server(server);
    client.write_all(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(next(&mut screen, &heads).await, "/1");
    (client, screen, heads)
}

async fn next(screen: &mut Screen<DuplexStream>, heads: &ServerHeads) -> String {
    assert!(screen.read(&mut [0; 1024]).await.unwrap() > 0);
    heads.next_request().unwrap().target
}

async fn expect(client: &mut DuplexStream, expected: &str) {
    let mut got = vec![0; expected.len()];
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&got), expected);
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn an_interim_head_wakes_the_connection_and_goes_out_before_the_answer() {
    let (mut client, mut screen, heads) = pipelined(1024).await;
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(Pin::new(&mut screen).poll_flush(&mut cx).is_ready());
    assert!(heads.interim_sender().send(&hints()));
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert!(Pin::new(&mut screen).poll_flush(&mut cx).is_ready());
    expect(&mut client, HINTS).await;
    // One that the task did not get round to flush goes with the head of the answer.
    assert!(heads.interim_sender().send(&hints()));
    heads.next_response(None);
    screen.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    expect(&mut client, &format!("{HINTS}HTTP/1.1 204 No Content\r\n\r\n")).await;
}

#[tokio::test]
async fn an_interim_head_stands_only_before_the_answer_to_its_own_request() {
    let (mut client, mut screen, heads) = pipelined(1024).await;
    let first = heads.interim_sender();
    heads.next_response(None);
    screen.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo").await.unwrap();
    assert!(!first.send(&hints()), "the answer has begun");
    screen.flush().await.unwrap();
    screen.write_all(b"dy").await.unwrap();
    assert_eq!(next(&mut screen, &heads).await, "/2");
    assert!(!first.send(&hints()), "another request is being answered");
    assert!(heads.interim_sender().send(&hints()));
    screen.flush().await.unwrap();
    heads.next_response(None);
    screen.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    drop(screen);
    let mut got = String::new();
    client.read_to_string(&mut got).await.unwrap();
    let first = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(got, format!("{first}{HINTS}HTTP/1.1 204 No Content\r\n\r\n"));
}

#[tokio::test]
async fn interim_heads_survive_partial_writes_and_have_a_limit() {
    // Less room than a head takes.
    let (mut client, server) = tokio::io::duplex(31);
    let (mut screen, heads) = Screen::server(server);
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    next(&mut screen, &heads).await;
    let sender = heads.interim_sender();
    assert!(sender.send(&hints()));
    assert!(futures_util::FutureExt::now_or_never(screen.flush()).is_none(), "a part is left");
    for _ in 1..MAX_INTERIM {
        assert!(sender.send(&hints()));
    }
    assert!(!sender.send(&hints()));
    let serving = tokio::spawn(async move {
        screen.flush().await.unwrap();
        heads.next_response(None);
        screen.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        screen.flush().await.unwrap();
    });
    let mut got = String::new();
    client.read_to_string(&mut got).await.unwrap();
    serving.await.unwrap();
    assert_eq!(got, HINTS.repeat(MAX_INTERIM) + "HTTP/1.1 204 No Content\r\n\r\n");
}
