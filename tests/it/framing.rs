//! Messages that two readers could read in two ways: refused, and they reach nobody. Those of an origin are failures of
//! the protocol.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::http::{Client, raw, through};
use crate::harness::{Origin, Retake};

/// Requests to be refused with 400 for their heads; `{T}` is a good target and `{H}` its host. Each is told from its
/// good neighbour by what its comment in `reliability.md` calls the lesson.
const HEADS: &[&str] = &[
    // Which length counts?
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nContent-Length: 4, 4\r\n\r\nabcd",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nContent-Length: +4\r\n\r\nabcd",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nContent-Length: -4\r\n\r\nabcd",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nContent-Length: 0x4\r\n\r\nabcd",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nContent-Length: 4_0\r\n\r\nabcd",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nContent-Length: 4 4\r\n\r\nabcd",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nContent-Length: \r\n\r\nabcd",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nContent-Length: 18446744073709551620\r\n\r\nabcd",
    // Which coding counts?
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\n",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "POST {T} HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: \r\n\r\n0\r\n\r\n",
    "POST {T} HTTP/1.0\r\nHost: {H}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    // Where does a field end, and what is its name?
    "GET {T} HTTP/1.1\r\nHost: {H}\r\nX : a\r\n\r\n",
    "GET {T} HTTP/1.1\r\nHost: {H}\r\n: a\r\n\r\n",
    "GET {T} HTTP/1.1\r\nHost: {H}\r\nno colon\r\n\r\n",
    "GET {T} HTTP/1.1\r\nHost: {H}\r\nX: a\r\n folded\r\n\r\n",
    "GET {T} HTTP/1.1\r\n Host: {H}\r\n\r\n",
    "GET {T} HTTP/1.1\r\nHost: {H}\r\nX: a\rb\r\n\r\n",
    "GET {T} HTTP/1.1\r\nHost: {H}\r\nX: a\nY: b\r\n\r\n",
    "GET {T} HTTP/1.1\r\nHost: {H}\r\nX: a\x00b\r\n\r\n",
    "GET {T} HTTP/1.1\r\nHost: {H}\r\nX\x00: a\r\n\r\n",
    "GET {T} HTTP/1.1\nHost: {H}\n\n",
    // Where does the request line end, and who is meant?
    "GET {T} a HTTP/1.1\r\nHost: {H}\r\n\r\n",
    "GET  {T} HTTP/1.1\r\nHost: {H}\r\n\r\n",
    "GET\t{T} HTTP/1.1\r\nHost: {H}\r\n\r\n",
    "GET {T}\n HTTP/1.1\r\nHost: {H}\r\n\r\n",
    "GET {T}\x0b HTTP/1.1\r\nHost: {H}\r\n\r\n",
    "GET {T} HTTP/1.1 \r\nHost: {H}\r\n\r\n",
    "GET {T} http/1.1\r\nHost: {H}\r\n\r\n",
    "GET {T} HTTP/1.10\r\nHost: {H}\r\n\r\n",
    "GET {T} HTTP/3.0\r\nHost: {H}\r\n\r\n",
    "GET {T}\r\nHost: {H}\r\n\r\n",
    "G(T {T} HTTP/1.1\r\nHost: {H}\r\n\r\n",
    "GET {T} HTTP/1.1\r\n\r\n",
    "GET {T} HTTP/1.1\r\nHost: {H}\r\nHost: {H}\r\n\r\n",
    "GET {T} HTTP/1.1\r\nHost: a b\r\n\r\n",
    "GET {T} HTTP/1.1\r\nHost: {H}, b\r\n\r\n",
];

/// Chunked bodies that cannot be read for sure. The head is fine, so that it may have gone on: but what follows the
/// body must never be taken for a request, and no answer may come as if all were well.
const CHUNKS: &[&str] = &[
    "0x4\r\nabcd\r\n0\r\n\r\n",
    "+4\r\nabcd\r\n0\r\n\r\n",
    "-4\r\nabcd\r\n0\r\n\r\n",
    "4_\r\nabcd\r\n0\r\n\r\n",
    " 4\r\nabcd\r\n0\r\n\r\n",
    "\r\nabcd\r\n0\r\n\r\n",
    "10000000000000004\r\nabcd\r\n0\r\n\r\n",
    "4\nabcd\n0\n\n",
    "4\r\nabcdX\r\n0\r\n\r\n",
    "4\r\nabcd0\r\n\r\n",
    "4;a\rb\r\nabcd\r\n0\r\n\r\n",
    "4;a\nb\r\nabcd\r\n0\r\n\r\n",
    "4\r\nabcd\r\n0\r\nT : a\r\n\r\n",
    "4\r\nabcd\r\n0\r\n: a\r\n\r\n",
];

/// Answers that cannot be read for sure.
const ANSWERS: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/7.3 200 OK\r\nContent-Length: 0\r\n\r\n",
];

/// An origin that notes every byte it gets, and answers each head with 200.
fn noting(got: Arc<Mutex<Vec<u8>>>) -> Origin {
    Origin::raw(move |mut stream| {
        let got = Arc::clone(&got);
        async move {
            let mut piece = [0; 8192];
            while let Ok(read @ 1..) = stream.read(&mut piece).await {
                got.lock().unwrap().extend_from_slice(&piece[..read]);
                if piece[..read].windows(4).any(|window| window == b"\r\n\r\n") {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                }
            }
        }
    })
}

fn written(head: &str, target: &str, host: &str) -> String {
    head.replace("{T}", target).replace("{H}", host)
}

/// The status codes of the answers in what a connection gave.
fn statuses(answer: &str) -> Vec<&str> {
    let words = answer.split("HTTP/1.1 ").skip(1).map(|rest| rest.split([' ', '\r']).next().unwrap());
    words.filter(|word| word.bytes().all(|byte| byte.is_ascii_digit())).collect()
}

#[test]
fn ambiguous_requests_are_refused_by_a_recorder_and_reach_nobody() {
    let retake = Retake::new();
    let got = Arc::new(Mutex::new(Vec::new()));
    let origin = noting(Arc::clone(&got));
    let recorder = retake.record(&[]);
    let host = format!("localhost:{}", origin.address.port());
    for head in HEADS {
        // What follows would be the smuggled request.
        let request = written(head, &origin.url("/x"), &host)
            + &format!("GET {} HTTP/1.1\r\nHost: {host}\r\n\r\n", origin.url("/smuggled"));
        let answer = raw(recorder.address(), request.as_bytes());
        assert_eq!(statuses(&answer), ["400"], "{head:?}: {answer:?}");
        assert!(answer.contains("x-retake-error"), "{head:?}: {answer:?}");
        let got = got.lock().unwrap();
        assert!(got.is_empty(), "{head:?}: the origin got {:?}", String::from_utf8_lossy(&got));
    }
    // A good one passes, so that the table proves something.
    assert_eq!(through(&recorder, &origin.url("/x")).unwrap().status(), 200);
    assert_eq!(recorder.stop().0, 0);
}

#[test]
fn chunk_tricks_smuggle_nothing() {
    let retake = Retake::new();
    let got = Arc::new(Mutex::new(Vec::new()));
    let origin = noting(Arc::clone(&got));
    let recorder = retake.record(&[]);
    let host = format!("localhost:{}", origin.address.port());
    for chunks in CHUNKS {
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}GET {} HTTP/1.1\r\nHost: {host}\r\n\r\n",
            origin.url("/x"),
            origin.url("/smuggled")
        );
        let answer = raw(recorder.address(), request.as_bytes());
        assert!(statuses(&answer).len() <= 1, "{chunks:?}: {answer:?}");
        let got = got.lock().unwrap();
        assert!(memchr::memmem::find(&got, b"smuggled").is_none(), "{chunks:?}: {:?}", String::from_utf8_lossy(&got));
    }
    assert_eq!(through(&recorder, &origin.url("/x")).unwrap().status(), 200, "the proxy lives on");
    assert_eq!(recorder.stop().0, 0);
}

#[test]
fn ambiguous_requests_are_refused_by_a_replay_too() {
    let retake = Retake::new();
    retake.ok(&["mock", "new", "api", "--origin", "http://api.test"]);
    retake.ok(&["mock", "stub", "add", "api", "GET", "/x"]);
    retake.ok(&["mock", "scenario", "add", "api", "GET /x", "--name", "ok", "--body", "served"]);
    let replay = retake.replay(&["api"]);
    for (target, host) in [("http://api.test/x", "api.test"), ("/x", "api.test")] {
        for head in HEADS {
            let answer = raw(replay.address(), written(head, target, host).as_bytes());
            assert_eq!(statuses(&answer), ["400"], "{head:?}: {answer:?}");
            assert!(!answer.contains("served"), "{head:?}: {answer:?}");
        }
    }
    assert_eq!(through(&replay, "http://api.test/x").unwrap().text(), "served");
}

#[test]
fn the_body_of_an_answered_request_is_never_taken_for_the_next_request() {
    let retake = Retake::new();
    retake.ok(&["mock", "new", "api", "--origin", "http://api.test"]);
    for (stub, body) in [("/good", "good"), ("/smuggled", "smuggled")] {
        retake.ok(&["mock", "stub", "add", "api", "GET", stub]);
        retake.ok(&["mock", "scenario", "add", "api", &format!("GET {stub}"), "--name", "ok", "--body", body]);
    }
    let replay = retake.replay(&["api"]);
    // A GET that hits, a POST that misses: both with a body that looks like a request.
    for line in ["GET /good", "POST /nowhere"] {
        let inner = "GET /smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n";
        let mut client = Client::to(&replay).unwrap();
        let request = format!("{line} HTTP/1.1\r\nHost: api.test\r\nContent-Length: {}\r\n\r\n{inner}", inner.len());
        client.send(request.as_bytes()).unwrap();
        let _ = client.answer("GET").unwrap();
        client.send(b"GET /good HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n").unwrap();
        let next = client.answer("GET").unwrap();
        assert_eq!(next.text(), "good", "{line}");
        assert!(client.rest().is_empty(), "{line}: and nothing more");
    }
}

#[test]
fn nothing_after_an_upgrade_goes_on_before_the_origin_agreed() {
    let retake = Retake::new();
    // By connection: once the first is answered the second request may come, on one of its own.
    let got = Arc::new(Mutex::new(Vec::<Vec<u8>>::new()));
    let seen = Arc::clone(&got);
    let origin = Origin::raw(move |mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            let mut piece = [0; 8192];
            let connection = {
                let mut seen = seen.lock().unwrap();
                seen.push(Vec::new());
                seen.len() - 1
            };
            // Long enough for the second request to come, if it were sent on.
            let until = tokio::time::Instant::now() + Duration::from_millis(400);
            while let Ok(Ok(read @ 1..)) = tokio::time::timeout_at(until, stream.read(&mut piece)).await {
                seen.lock().unwrap()[connection].extend_from_slice(&piece[..read]);
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno").await;
        }
    });
    let recorder = retake.record(&[]);
    let mut client = Client::to(&recorder).unwrap();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET {} HTTP/1.1\r\nHost: h\r\n\r\n",
        origin.url("/chat"),
        origin.url("/smuggled")
    );
    client.send(request.as_bytes()).unwrap();
    assert_eq!(client.answer("GET").unwrap().text(), "no");
    let first = String::from_utf8_lossy(&got.lock().unwrap()[0]).into_owned();
    assert!(first.contains("/chat"), "{first}");
    assert_eq!(first.matches("HTTP/1.1").count(), 1, "one request on that connection before its answer: {first}");
}

#[test]
fn ambiguous_answers_are_failures_of_the_protocol() {
    let retake = Retake::new();
    let recorder = retake.record(&[]);
    for answer in ANSWERS {
        let origin = Origin::raw(move |mut stream| async move {
            let mut piece = [0; 8192];
            let _ = stream.read(&mut piece).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            // It stays open: the refusal must not wait for the end.
            let _ = stream.read(&mut piece).await;
        });
        let got = through(&recorder, &origin.url("/")).unwrap();
        assert_eq!((got.status(), got.field("x-retake-error")), (502, Some("protocol")), "{answer:?}: {}", got.text());
    }
    let rows = retake.json(&["history", "list", "--json", "--all"]);
    assert_eq!(rows.len(), ANSWERS.len());
    assert!(rows.iter().all(|row| row["outcome"] == "failed" && row["status"].is_null()), "{rows:?}");
    assert_eq!(recorder.stop().0, 0);
}

#[test]
fn fields_that_must_not_go_on_do_not() {
    let retake = Retake::new();
    let got = Arc::new(Mutex::new(Vec::new()));
    let origin = noting(Arc::clone(&got));
    let recorder = retake.record(&[]);
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: h\r\nProxy: http://evil.test\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\
         Proxy-Connection: keep-alive\r\nKeep-Alive: 5\r\nTE: gzip\r\nX-Stays: yes\r\n\r\n",
        origin.url("/x")
    );
    assert_eq!(statuses(&raw(recorder.address(), request.as_bytes())), ["200"]);
    let got = String::from_utf8_lossy(&got.lock().unwrap()).to_ascii_lowercase();
    assert!(got.contains("x-stays: yes"), "{got}");
    for field in ["\r\nproxy:", "x-hop", "proxy-connection", "keep-alive", "\r\nte:"] {
        assert!(!got.contains(field), "{field:?} went on: {got}");
    }
    assert_eq!(recorder.stop().0, 0);
}
