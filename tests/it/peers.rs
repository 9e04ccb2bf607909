//! Peers as they are: many at once, going away half-way, stalling, resetting, talking garbage, with certificates that
//! must not be trusted. Each has a recorded outcome with a reason, and the proxy lives on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::http::{Answer, Client, Framing, through};
use crate::harness::origin::noise;
use crate::harness::{Origin, Retake, Server, eventually, eventually_within};

/// Reads a request's head, so that the origin misbehaves in answer to something.
async fn head(stream: &mut TcpStream) -> io::Result<()> {
    let (mut seen, mut piece) = (Vec::new(), [0; 4096]);
    while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        seen.extend_from_slice(&piece[..read]);
    }
    Ok(())
}

/// An origin that answers each request with these bytes, and closes; with `reset`, not in peace.
fn answering(bytes: &'static [u8], reset: bool) -> Origin {
    Origin::raw(move |mut stream| async move {
        if head(&mut stream).await.is_ok() {
            let _ = stream.write_all(bytes).await;
            let _ = stream.flush().await;
            if reset {
                // Time for what was sent to arrive: a reset throws away what waits.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                let _ = socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO));
            }
        }
    })
}

/// The newest exchange of the history, whole.
fn newest(retake: &Retake, count: usize) -> Value {
    let rows = eventually("the exchange is in the history", || {
        let ran = retake.run(&["history", "list", "--json", "--all"]);
        let rows: Vec<Value> = ran.stdout.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
        (rows.len() >= count).then_some(rows)
    });
    let number = rows[0]["number"].to_string();
    retake.json(&["history", "show", &number, "--json"]).remove(0)
}

fn lives_on(recorder: &Server, good: &Origin) {
    assert_eq!(through(recorder, &good.url("/json")).unwrap().status(), 200, "the proxy lives on");
}

/// A failure of retake's own, marked, with the reason class, and never to be cached.
fn assert_failure(answer: &Answer, status: u16, reason: &str, words: &[&str]) {
    let text = answer.text();
    assert_eq!((answer.status(), answer.field("x-retake-error")), (status, Some(reason)), "{text}");
    assert_eq!(answer.field("content-type"), Some("application/problem+json"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    for word in words {
        assert!(text.contains(word), "`{word}` in {text}");
    }
}

#[test]
fn a_thousand_clients_at_once_are_all_served_and_recorded() {
    const CLIENTS: usize = 1000;
    // Their connections, those to the origin and the origin's ends all live in few processes.
    if rustix::process::getrlimit(rustix::process::Resource::Nofile).current.is_some_and(|limit| limit < 4096) {
        let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        limit.current = limit.maximum.map_or(Some(8192), |maximum| Some(maximum.min(8192)));
        if rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).is_err() {
            return crate::harness::skip("a thousand clients", "the limit of open files is too low");
        }
    }
    let retake = Retake::new();
    let origin = Origin::plain();
    let recorder = retake.record(&["--quiet"]);
    // All are connected, and all have sent, before the first answer is read.
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::to(&recorder).unwrap()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let url = origin.url(&format!("/bytes/2000?client={number}"));
        client.send(format!("GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    }
    for client in &mut clients {
        let answer = client.answer("GET").unwrap();
        assert_eq!((answer.status(), answer.body.len()), (200, 2000));
    }
    drop(clients);
    assert_eq!(origin.served(), CLIENTS as u64);
    let rows = retake.json(&["history", "list", "--json", "--all"]);
    assert_eq!(rows.iter().filter(|row| row["outcome"] == "complete").count(), CLIENTS);
    assert_eq!(recorder.stop().0, 0);
}

#[test]
fn a_client_that_goes_away_half_way_is_recorded_as_cancelled() {
    let retake = Retake::new();
    let origin = Origin::plain();
    let recorder = retake.record(&[]);
    for (count, path) in ["/huge/500000000", "/stream/30000000"].into_iter().enumerate() {
        let mut client = Client::to(&recorder).unwrap();
        client.send(format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", origin.url(path)).as_bytes()).unwrap();
        assert_eq!(client.head().unwrap().status, 200);
        drop(client);
        let exchange = newest(&retake, count + 1);
        assert_eq!(exchange["outcome"], "cancelled", "{path}: {exchange}");
        assert_eq!(exchange["status"], 200, "{path}: what came of the answer is kept");
    }
    // While the request is still on its way.
    let mut client = Client::to(&recorder).unwrap();
    let url = origin.url("/upload");
    client
        .send(format!("PUT {url} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nbeginning").as_bytes())
        .unwrap();
    eventually("the request reached the origin", || (origin.served() == 3).then_some(()));
    drop(client);
    let exchange = newest(&retake, 3);
    let outcome = exchange["outcome"].as_str().unwrap();
    assert!(outcome == "cancelled" || outcome == "failed", "{exchange}");
    assert!(outcome == "cancelled" || exchange["failure"]["kind"] == "client", "the client's doing: {exchange}");
    lives_on(&recorder, &origin);
    assert_eq!(recorder.stop().0, 0);
}

#[test]
fn an_origin_that_sends_no_whole_head_is_a_failure_with_a_reason() {
    let retake = Retake::new();
    let good = Origin::plain();
    let recorder = retake.record(&[]);
    let cases: [(&str, Origin, &str); 7] = [
        ("closes at once", answering(b"", false), "closed"),
        ("resets at once", answering(b"", true), "closed"),
        ("closes within the head", answering(b"HTTP/1.1 200 OK\r\nContent-Le", false), "closed"),
        ("sends garbage", answering(b"\x00\xff\x80garbage\r\n\r\n", false), "protocol"),
        ("speaks another protocol", answering(b"SSH-2.0-OpenSSH_9.9\r\n", false), "protocol"),
        (
            "two lengths",
            answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", false),
            "protocol",
        ),
        ("nothing but a bare CR", answering(b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", false), "protocol"),
    ];
    for (count, (name, origin, reason)) in cases.iter().enumerate() {
        let answer = through(&recorder, &origin.url("/")).unwrap();
        let port = origin.address.port().to_string();
        assert_failure(&answer, 502, reason, &[&port]);
        let exchange = newest(&retake, 2 * count + 1);
        assert_eq!((&exchange["outcome"], &exchange["status"]), (&Value::from("failed"), &Value::Null), "{name}");
        assert_eq!(exchange["failure"]["kind"], *reason, "{name}: {exchange}");
        assert!(exchange["failure"]["message"].as_str().unwrap().contains(&port), "{name}: {exchange}");
        lives_on(&recorder, &good);
    }
    assert_eq!(recorder.stop().0, 0);
}

#[test]
fn an_origin_that_breaks_off_its_body_fails_towards_the_client_too() {
    let retake = Retake::new();
    let good = Origin::plain();
    let recorder = retake.record(&[]);
    let cases: [(&str, Origin); 4] = [
        ("closes early", answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", false)),
        ("resets early", answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", true)),
        (
            "closes within chunks",
            answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n", false),
        ),
        (
            "a chunk size that is none",
            answering(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n0x5\r\nabcde\r\n0\r\n\r\n",
                false,
            ),
        ),
    ];
    for (count, (name, origin)) in cases.iter().enumerate() {
        let error = through(&recorder, &origin.url("/")).map(|answer| answer.text()).expect_err(name);
        let ended = matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset);
        assert!(ended, "{name}: the client sees that it is not whole: {error}");
        let exchange = newest(&retake, 2 * count + 1);
        assert_eq!(exchange["outcome"], "failed", "{name}: {exchange}");
        assert!(exchange["failure"]["message"].as_str().is_some_and(|why| !why.is_empty()), "{name}: {exchange}");
        assert_eq!(exchange["status"], 200, "{name}: what came is kept: {exchange}");
        let raw = retake.command(&["history", "show", &exchange["number"].to_string(), "--raw", "response-body"]);
        let raw = { raw }.output().unwrap();
        assert_eq!(raw.stdout, b"only this", "{name}");
        lives_on(&recorder, &good);
    }
    assert_eq!(recorder.stop().0, 0);
}

#[test]
fn origins_that_cannot_be_reached_are_named_with_the_cure() {
    let retake = Retake::new();
    let good = Origin::plain();
    let recorder = retake.record(&[]);
    let gone = Origin::plain();
    let url = gone.url("/x");
    let port = gone.address.port().to_string();
    gone.stop();
    assert_failure(&through(&recorder, &url).unwrap(), 502, "refused", &[&port, "start the server"]);
    let answer = through(&recorder, "http://no-such-host.invalid/x").unwrap();
    assert_failure(&answer, 502, "unresolved", &["no-such-host.invalid", "spelling"]);
    let answer = through(&recorder, "http://169.254.169.254/latest/meta-data/").unwrap();
    assert_failure(&answer, 502, "forbidden", &["169.254.169.254"]);
    assert_eq!(newest(&retake, 3)["outcome"], "failed");
    lives_on(&recorder, &good);
    assert_eq!(recorder.stop().0, 0);
}

#[test]
fn an_origin_that_stalls_in_its_handshake_times_out() {
    let retake = Retake::new();
    let good = Origin::plain();
    let recorder = retake.record(&[]);
    // It accepts, and never says a word.
    let silent = Origin::raw(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    });
    let port = silent.address.port();
    let mut client = Client::tunnel(&recorder, "localhost", port).unwrap();
    let answer = client.get("/", &format!("localhost:{port}")).unwrap();
    assert_failure(&answer, 504, "timed-out", &["handshake", &port.to_string()]);
    assert_eq!(newest(&retake, 1)["failure"]["kind"], "timed-out");
    lives_on(&recorder, &good);
    assert_eq!(recorder.stop().0, 0);
}

#[test]
fn certificates_that_must_not_be_trusted_are_refused_with_the_reason_and_the_cure() {
    let retake = Retake::new();
    let good = Origin::tls();
    let recorder = retake.record(&[]);
    for (count, (name, word)) in [
        ("expired", "expired"),
        ("wrong-host", "localhost"),
        ("self-signed", "self-signed"),
        ("unknown-issuer", "issue"),
    ]
    .into_iter()
    .enumerate()
    {
        let origin = Origin::with_certificate(name);
        let answer = through(&recorder, &origin.url("/json")).unwrap();
        assert_failure(&answer, 502, "tls", &[word, "--upstream-ca", "--insecure localhost"]);
        assert_eq!(origin.served(), 0, "{name}: no request went out");
        let exchange = newest(&retake, 2 * count + 1);
        assert_eq!((&exchange["outcome"], &exchange["failure"]["kind"]), (&Value::from("failed"), &Value::from("tls")));
        assert!(exchange["failure"]["message"].as_str().unwrap().contains(word), "{name}: {exchange}");
        lives_on(&recorder, &good);
    }
    assert_eq!(recorder.stop().0, 0);
    // `--insecure` lets exactly that host through, with a warning.
    let insecure = Retake::new();
    let origin = Origin::with_certificate("expired");
    let recorder = insecure.record(&["--insecure", "localhost"]);
    assert_eq!(through(&recorder, &origin.url("/json")).unwrap().status(), 200);
    let (_, said) = recorder.stop();
    assert!(said.contains("not verified"), "{said}");
}

/// An origin of server-sent events that sends the next one only when `read` says that the client has the last.
fn lockstep(read: Arc<AtomicUsize>, events: usize) -> Origin {
    Origin::raw(move |mut stream| {
        let read = Arc::clone(&read);
        async move {
            if head(&mut stream).await.is_err() {
                return;
            }
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            for event in 0..events {
                while read.load(Ordering::SeqCst) < event {
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                }
                let data = format!("event: tick\ndata: {{\"n\":{event}}}\n\n");
                let _ = stream.write_all(format!("{:x}\r\n{data}\r\n", data.len()).as_bytes()).await;
            }
            while read.load(Ordering::SeqCst) < events {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            let _ = stream.write_all(b"0\r\n\r\n").await;
        }
    })
}

fn event(number: usize) -> String {
    format!("event: tick\ndata: {{\"n\":{number}}}\n\n")
}

#[test]
fn each_event_of_a_stream_reaches_the_client_before_the_next_is_sent() {
    const EVENTS: usize = 5;
    let retake = Retake::new();
    let recorder = retake.record(&[]);
    let read = Arc::new(AtomicUsize::new(0));
    let origin = lockstep(Arc::clone(&read), EVENTS);
    let mut client = Client::to(&recorder).unwrap();
    client.send(format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", origin.url("/events")).as_bytes()).unwrap();
    assert_eq!(client.head().unwrap().framing("GET"), Framing::Chunked);
    let mut got = String::new();
    for number in 0..EVENTS {
        // The origin sends nothing more until this one is here: an event that is held would stop the test.
        while !got.ends_with(&event(number)) {
            got.push_str(std::str::from_utf8(&client.chunk().unwrap().expect("more to come")).unwrap());
        }
        read.store(number + 1, Ordering::SeqCst);
    }
    assert_eq!(client.chunk().unwrap(), None);
    let exchange = newest(&retake, 1);
    assert_eq!(exchange["outcome"], "complete");
    assert_eq!(exchange["response"]["body"]["text"], got.as_str());
    let chunks = exchange["timings"]["chunks"].as_array().expect("chunk times");
    assert_eq!(chunks.len(), EVENTS, "{chunks:?}");
    let times: Vec<u64> = chunks.iter().map(|chunk| chunk["at_us"].as_u64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(recorder.stop().0, 0);
}

#[test]
fn a_stream_that_a_kill_cuts_off_is_interrupted_with_what_the_client_had() {
    let retake = Retake::new();
    let recorder = retake.record(&[]);
    let read = Arc::new(AtomicUsize::new(0));
    let origin = lockstep(Arc::clone(&read), 10);
    let mut client = Client::to(&recorder).unwrap();
    client.send(format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", origin.url("/events")).as_bytes()).unwrap();
    client.head().unwrap();
    let mut got = String::new();
    for number in 0..3 {
        while !got.ends_with(&event(number)) {
            got.push_str(std::str::from_utf8(&client.chunk().unwrap().unwrap()).unwrap());
        }
        // The fourth is never asked for.
        read.store(number + usize::from(number < 2), Ordering::SeqCst);
    }
    recorder.kill();
    let ran = retake.run(&["history", "list", "--json", "--all"]);
    assert!(ran.stderr.contains("interrupted"), "the user is told: {ran}");
    let exchange = newest(&retake, 1);
    assert_eq!((&exchange["outcome"], &exchange["status"]), (&Value::from("interrupted"), &Value::from(200)));
    assert_eq!(exchange["response"]["body"]["text"], got.as_str(), "what the client had");
    // It is never promoted.
    assert_eq!(retake.run(&["promote", "1", "--into", "api"]).code, 2);
}

#[test]
fn a_body_of_unknown_length_larger_than_a_record_is_kept_as_far_as_it_came() {
    let retake = Retake::new();
    let recorder = retake.record(&[]);
    let body = noise(300_000);
    let sent = body.clone();
    let origin = Origin::raw(move |mut stream| {
        let sent = sent.clone();
        async move {
            if head(&mut stream).await.is_ok() {
                let head =
                    "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(format!("{:x}\r\n", sent.len()).as_bytes()).await;
                let _ = stream.write_all(&sent).await;
                let _ = stream.write_all(b"\r\n").await;
                std::future::pending::<()>().await;
            }
        }
    });
    let mut client = Client::to(&recorder).unwrap();
    client.send(format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", origin.url("/")).as_bytes()).unwrap();
    client.head().unwrap();
    let mut got = Vec::new();
    while got.len() < body.len() {
        got.extend(client.chunk().unwrap().unwrap());
    }
    recorder.kill();
    let exchange = newest(&retake, 1);
    assert_eq!(exchange["outcome"], "interrupted", "{exchange}");
    let raw = retake.command(&["history", "show", "1", "--raw", "response-body"]).output().unwrap();
    assert!(raw.stdout == body, "{} of {} bytes", raw.stdout.len(), body.len());
}

#[test]
fn closing_delimits_a_body_and_it_is_whole() {
    let retake = Retake::new();
    let recorder = retake.record(&[]);
    let origin = answering(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end", false);
    let answer = through(&recorder, &origin.url("/")).unwrap();
    assert_eq!(answer.text(), "until the end");
    let exchange = eventually_within(10, "recorded", || Some(newest(&retake, 1)));
    assert_eq!((&exchange["outcome"], &exchange["response_bytes"]), (&Value::from("complete"), &Value::from(13)));
    assert_eq!(recorder.stop().0, 0);
}
