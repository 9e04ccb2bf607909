//! Answers that are made for the call: echoes, templates, dates, delays and faults, through the binary and its sockets.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::harness::http::Client;
use crate::harness::{Origin, Retake, Server};

const MANIFEST: &str =
    r#"{"version":1,"name":"shop","origins":["http://a.test"],"variables":{"base":"https://a.test","user":null}}"#;

/// Writes the collection `shop`: `collection.json`, and a stub for each path with its members.
fn shop(retake: &Retake, manifest: &str, stubs: &[(&str, &str)]) {
    let folder = retake.work().join("mocks/shop/stubs/a.test");
    fs::create_dir_all(&folder).unwrap();
    fs::write(retake.work().join("mocks/shop/collection.json"), manifest).unwrap();
    for (at, (path, members)) in stubs.iter().enumerate() {
        let stub = format!(r#"{{"version":1,"method":"GET","origin":"http://a.test","path":"{path}",{members}}}"#);
        fs::write(folder.join(format!("get-{at}.json")), stub).unwrap();
    }
}

fn plain(retake: &Retake, stubs: &[(&str, &str)]) -> Server {
    shop(retake, &MANIFEST.replace(r#","user":null"#, ""), stubs);
    retake.replay(&["shop"])
}

fn answer(response: &str) -> String {
    format!(r#""scenarios":[{{"name":"it","response":{response}}}]"#)
}

/// Sends a GET and reads until the end, an error, or half a second of silence.
fn course(server: &Server, path: &str) -> (Vec<u8>, Result<(), ErrorKind>) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let (mut all, mut buffer) = (Vec::new(), [0; 1024]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (all, Ok(())),
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) => return (all, Err(error.kind())),
        }
    }
}

fn body_of(bytes: &[u8]) -> (String, Vec<u8>) {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    (String::from_utf8_lossy(&bytes[..end]).to_lowercase(), bytes[end..].to_vec())
}

fn fault(members: &str) -> String {
    answer(&format!(
        r#"{{"status":200,"fields":["Content-Type: text/plain"],"fault":{members},"body":{{"text":"0123456789"}}}}"#
    ))
}

#[test]
fn each_fault_reaches_an_http1_client() {
    let retake = Retake::new();
    let server = plain(
        &retake,
        &[
            ("/reset", &fault(r#"{"do":"reset"}"#)),
            ("/empty", &fault(r#"{"do":"empty"}"#)),
            ("/truncate", &fault(r#"{"do":"truncate","after":4}"#)),
            ("/stall", &fault(r#"{"do":"stall","after":3}"#)),
            ("/drip", &fault(r#"{"do":"drip","pieces":4,"over":"600ms"}"#)),
            ("/garbage", &fault(r#"{"do":"garbage"}"#)),
            ("/second", &fault(r#"{"do":"empty","calls":[2]}"#)),
        ],
    );
    let (bytes, end) = course(&server, "/reset");
    assert_eq!((bytes.as_slice(), end), (&b""[..], Err(ErrorKind::ConnectionReset)));
    let (bytes, end) = course(&server, "/empty");
    assert_eq!((bytes.as_slice(), end), (&b""[..], Ok(())));

    let (bytes, end) = course(&server, "/truncate");
    let (head, body) = body_of(&bytes);
    assert!(head.contains("content-length: 10"), "{head}");
    assert_eq!((body.as_slice(), end), (&b"0123"[..], Ok(())));

    let (bytes, end) = course(&server, "/stall");
    assert_eq!(body_of(&bytes).1, b"012");
    assert!(matches!(end, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "the connection stays: {end:?}");

    let started = Instant::now();
    let mut client = Client::to(&server).unwrap();
    let dripped = client.get("/drip", "a.test").unwrap();
    assert_eq!((dripped.text().as_str(), dripped.field("content-length")), ("0123456789", Some("10")));
    assert!(started.elapsed() >= Duration::from_millis(600), "{:?}", started.elapsed());

    let (bytes, _) = course(&server, "/garbage");
    let (head, body) = body_of(&bytes);
    assert!(head.starts_with("http/1.1 200") && head.contains("transfer-encoding: chunked"), "{head}");
    assert!(body.starts_with(b"\x00\xfe\xff"), "{body:?}");

    let calls: Vec<bool> = (0..3).map(|_| course(&server, "/second").0.is_empty()).collect();
    assert_eq!(calls, [false, true, false]);
    server.stop();
}

#[test]
fn over_http2_a_fault_is_one_of_its_stream() {
    let retake = Retake::new();
    let server = plain(
        &retake,
        &[
            ("/reset", &fault(r#"{"do":"reset"}"#)),
            ("/garbage", &fault(r#"{"do":"garbage"}"#)),
            ("/truncate", &fault(r#"{"do":"truncate","after":4}"#)),
            ("/fine", &answer(r#"{"status":200,"body":{"text":"fine"}}"#)),
        ],
    );
    let address = server.address();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut get = async |path: &str| {
            let request =
                http::Request::get(format!("http://a.test{path}")).body(Empty::<bytes::Bytes>::new()).unwrap();
            let response = sender.send_request(request).await.map_err(|_| "no head")?;
            let mut body = response.into_body();
            let mut all = Vec::new();
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { return Err(if all == b"0123" { "0123" } else { "no body" }) };
                all.extend_from_slice(frame.data_ref().unwrap());
            }
            Ok(all)
        };
        assert_eq!(get("/reset").await, Err("no head"));
        assert_eq!(get("/garbage").await, Err("no body"));
        assert_eq!(get("/truncate").await, Err("0123"));
        assert_eq!(get("/fine").await, Ok(b"fine".to_vec()), "the connection lives on");
    });
    server.stop();
}

/// A request with a field, and how long its answer took.
fn asked(server: &Server, field: &str) -> (u16, String, Duration) {
    let mut client = Client::to(server).unwrap();
    let started = Instant::now();
    client.send(format!("GET /fine HTTP/1.1\r\nHost: a.test\r\n{field}\r\n\r\n").as_bytes()).unwrap();
    let answer = client.answer("GET").unwrap();
    (answer.status(), answer.text(), started.elapsed())
}

#[test]
fn a_call_may_ask_for_a_delay_and_nothing_holds_up_the_end() {
    let retake = Retake::new();
    let server = plain(&retake, &[("/fine", &answer(r#"{"status":200,"delay":"10s","body":{"text":"fine"}}"#))]);
    let (status, text, took) = asked(&server, "x-mock-response-delay: 150");
    assert_eq!((status, text.as_str()), (200, "fine"));
    assert!(took >= Duration::from_millis(150) && took < Duration::from_secs(8), "{took:?}");
    for bad in ["0", "180001", "2g"] {
        let (status, text, took) = asked(&server, &format!("X-Mock-Response-Delay: {bad}"));
        assert_eq!(status, 400);
        assert!(text.contains("from 1 to 180000"), "{text}");
        assert!(took < Duration::from_secs(8), "{took:?}");
    }
    // A client that has gone away, and one that waits.
    drop(course(&server, "/fine"));
    let mut waits = Client::to(&server).unwrap();
    waits.send(b"GET /fine HTTP/1.1\r\nHost: a.test\r\nx-mock-response-delay: 180000\r\n\r\n").unwrap();
    crate::harness::eventually("the call is logged", || (retake.json(&["calls", "--json"]).len() >= 6).then_some(()));
    let started = Instant::now();
    server.stop();
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(waits.answer("GET").unwrap().text(), "fine", "the end lets it have its answer");
}

const TEMPLATED: &str = r#"{"status":200,"template":true,"fields":["X-User: {{user}}"],
    "body":{"json":{"id":"{{id}}","n":"{{{$queryParams 'n' '0'}}}","made":"{{$guid}} {{$randomFullName}}","at":"{{$isoTimestamp}}"}}}"#;

fn templated(retake: &Retake, seed: &str) -> (String, Option<String>) {
    let server = retake.replay(&["shop", "--now", "2026-11-20T09:30:00Z", "--var", "user=ann", "--seed", seed]);
    let answer = Client::to(&server).unwrap().get("/items/7?n=3", "a.test").unwrap();
    server.stop();
    (answer.text(), answer.field("x-user").map(str::to_owned))
}

#[test]
fn templates_are_filled_in_and_a_seed_repeats_the_run() {
    let retake = Retake::new();
    let members = format!(r#""match":{{"query":false}},{}"#, answer(TEMPLATED));
    shop(&retake, MANIFEST, &[("/items/{id}", &members)]);
    let (one, user) = templated(&retake, "5");
    let value: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!((value["id"].as_str(), value["n"].as_i64()), (Some("7"), Some(3)));
    assert_eq!(value["at"], "2026-11-20T09:30:00.000Z");
    assert_eq!(user.as_deref(), Some("ann"));
    assert_eq!(templated(&retake, "5").0, one);
    assert_ne!(templated(&retake, "6").0, one);
}

#[test]
fn variables_come_from_whom_the_user_allows() {
    let retake = Retake::new();
    shop(&retake, MANIFEST, &[("/items/{id}", &answer(TEMPLATED))]);
    let said = |args: &[&str]| {
        let mut all = vec!["replay", "shop", "--listen", "127.0.0.1:0"];
        all.extend(args);
        let ran = retake.run(&all);
        assert_eq!(ran.code, 2, "{ran}");
        ran.stderr
    };
    assert!(said(&[]).contains("--var user=VALUE"), "{}", said(&[]));
    assert!(said(&["--var", "user=a", "--var", "other=b"]).contains("no collection has a variable `other`"));
    assert!(said(&["--env-var", "RETAKE_NO_SUCH"]).contains("the environment has no `RETAKE_NO_SUCH`"));
    let mut command = retake.command(&["replay", "shop", "--json", "--listen", "127.0.0.1:0", "--env-var", "user"]);
    command.env("user", "from the environment");
    let server = Server::start(command);
    let answer = Client::to(&server).unwrap().get("/items/7", "a.test").unwrap();
    assert_eq!(answer.field("x-user"), Some("from the environment"));
    server.stop();
}

#[test]
fn a_bad_template_is_a_fault_of_its_file() {
    let retake = Retake::new();
    let bad = r#"{"status":200,"template":true,"delay":"soon","body":{"text":"{{$randomFirstname}}"}}"#;
    let worse = r#"{"status":200,"template":true,"fault":{"do":"reset","after":3},"body":{"json":{"a":["{{idd}}"]}}}"#;
    shop(
        &retake,
        &MANIFEST.replace(r#","user":null"#, ""),
        &[("/a", &answer(&bad.replace(r#""delay":"soon","#, ""))), ("/b/{id}", &answer(worse))],
    );
    let ran = retake.run(&["mock", "check", "shop"]);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, 3, "{ran}");
    for part in [
        "get-0.json:1: `$randomFirstname` is no helper",
        "did you mean `randomFirstName`?",
        "`{{idd}}` is no capture of the path /b/{id} and no variable of collection.json; did you mean `id`?",
        "`after` goes with `truncate` or `stall`",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    shop(&retake, MANIFEST, &[("/a", &answer(bad))]);
    let ran = retake.run(&["mock", "check", "shop"]);
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains("`soon` is no delay"), "{ran}");
}

#[test]
fn promotion_writes_durations_where_it_is_asked_to() {
    let retake = Retake::new();
    let origin = Origin::plain();
    let recorder = retake.record(&[]);
    crate::harness::http::through(&recorder, &origin.url("/counter")).unwrap();
    recorder.stop();
    for (into, more, wanted) in [("plain", None, false), ("timed", Some("--durations"), true)] {
        let mut args = vec!["promote", "--day", "today", "--into", into];
        args.extend(more);
        retake.ok(&args);
        let stubs = retake.work().join("mocks").join(into).join("stubs/localhost");
        let file = fs::read_dir(stubs).unwrap().next().unwrap().unwrap().path();
        let stub: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(stub["scenarios"][0]["response"]["duration_ms"].is_u64(), wanted, "{stub}");
        retake.ok(&["mock", "check", into]);
    }
}

#[test]
fn a_recorded_stream_keeps_the_pieces_in_which_it_came() {
    let retake = Retake::new();
    let origin = Origin::plain();
    let recorder = retake.record(&[]);
    let recorded = crate::harness::http::through(&recorder, &origin.url("/events")).unwrap();
    recorder.stop();
    retake.ok(&["promote", "--day", "today", "--into", "live", "--durations"]);
    let file = fs::read_dir(retake.work().join("mocks/live/stubs/localhost")).unwrap().next().unwrap().unwrap().path();
    let stub: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let pace = stub["scenarios"][0]["response"]["pace"].as_array().unwrap_or_else(|| panic!("no pace: {stub}"));
    let bytes =
        |piece: &serde_json::Value| piece.as_str().unwrap().split_once(' ').unwrap().1.parse::<usize>().unwrap();
    assert_eq!(pace.iter().map(bytes).sum::<usize>(), recorded.body.len());
    retake.ok(&["mock", "check", "live"]);
    origin.stop();
    for delay in ["none", "recorded"] {
        let server = retake.replay(&["live", "--delay", delay]);
        let answer = Client::to(&server).unwrap().get("/events", "localhost").unwrap();
        assert_eq!((answer.status(), &answer.body), (200, &recorded.body), "{delay}");
        assert!(answer.field("content-length").is_none());
        server.stop();
    }
}

#[test]
fn an_answer_repeats_the_calls_own_value() {
    let retake = Retake::new();
    let members = format!(
        r#""rules":[{{"place":"path","name":"id","action":"fresh"}},
        {{"in":"response","place":"json","name":"/id","action":"echo","from":"path id"}},
        {{"in":"response","place":"field","name":"location","action":"echo","from":"path id"}}],
        "scenarios":[{{"name":"it","request":{{"captures":{{"id":"abc"}}}},"response":{}}}]"#,
        r#"{"status":200,"fields":["Content-Type: application/json","Location: /items/abc"],"body":{"json":{"id":"abc","n":[1,2]},"style":{"spaced":true}}}"#
    );
    let server = plain(&retake, &[("/items/{id}", &members)]);
    let mut client = Client::to(&server).unwrap();
    for (id, body) in [("abc", r#"{"id": "abc", "n": [1, 2]}"#), ("x-1", r#"{"id": "x-1", "n": [1, 2]}"#)] {
        let answer = client.get(&format!("/items/{id}"), "a.test").unwrap();
        assert_eq!(answer.text(), body);
        assert!(answer.field("location").unwrap().ends_with(&format!("/items/{id}")), "{answer:?}");
    }
    server.stop();
}

#[test]
fn what_is_typed_wrong_is_told_in_words() {
    let retake = Retake::new();
    let next = retake.run(&["mock", "new", "hand", "--origin", "https://api.hand.test"]);
    assert!(next.stderr.contains("`retake mock stub add hand GET https://api.hand.test/users/{id}`"), "{next}");
    let ran = retake.run(&["replay", "hand", "--now", "foo"]);
    assert!(ran.code == 2 && ran.stderr.contains("write date, time and zone, as in 2026-11-20T09:30:00Z"), "{ran}");
    retake.ok(&["mock", "set", "hand", "cors=true", "delay=3g"]);
    let back = retake.run(&["mock", "set", "hand", "cors=", "delay="]);
    assert!(back.stderr.contains("cors is what it is unless set; delay is what it is unless set"), "{back}");
    let server = retake.replay(&["hand"]);
    let ran = retake.run(&["replay", "hand", "--listen", server.url.trim_start_matches("http://")]);
    assert!(ran.code == 1 && ran.stderr.matches("in use").count() == 1, "{ran}");
    assert!(ran.stderr.contains("listens there: `retake replay hand`"), "{ran}");
    server.stop();
}
