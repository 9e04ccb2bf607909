//! The order of writes and every end that a call can come to, over real sockets: a client and an origin made of raw
//! bytes, the forwarder between them, a store in a temporary folder.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::model::{BodyEnd, Exchange, FailureKind, Outcome};
use crate::recorder::{Observer, Options, Summary};
use crate::redact::Masker;
use crate::store::{AppendError, History, Holder, open_for_recording};
use crate::tls::{UpstreamTrust, client_config};
use crate::wire::HeadLines;
use crate::wire::screen::Screen;
use crate::wire::upstream::Limits;

/// A recorder with its forwarder, reachable by HTTP/1.1 as if every call were proxied.
struct Proxy {
    address: SocketAddr,
    recorder: Arc<Recorder>,
    history: Arc<dyn History>,
    heard: Arc<Heard>,
    _store: tempfile::TempDir,
}

#[derive(Default)]
struct Heard {
    lines: Mutex<Vec<Summary>>,
    warnings: Mutex<Vec<String>>,
}

impl Observer for Heard {
    fn finished(&self, summary: Summary) {
        self.lines.lock().unwrap().push(summary);
    }

    fn not_recorded(&self, reason: &AppendError) {
        self.warnings.lock().unwrap().push(reason.to_string());
    }

    fn note(&self, text: String) {
        self.warnings.lock().unwrap().push(text);
    }
}

impl Proxy {
    async fn start(limits: Limits, strict: bool, to: Option<Origin>) -> Proxy {
        let store = tempfile::tempdir().unwrap();
        let (recording, history) = open_for_recording(store.path(), Holder::default()).unwrap();
        let heard = Arc::new(Heard::default());
        let options = Options { session: "s".into(), tags: vec!["t".into()], strict };
        let masker = Masker::new(recording.mask_key(), Default::default());
        let recorder = Recorder::new(recording, masker, options, heard.clone());
        let upstream = Upstream::new(client_config(&UpstreamTrust::default()).unwrap(), limits);
        let plain = to.is_some();
        let forward = Arc::new(Forward::new(recorder.clone(), upstream, to));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, forward, plain));
        Proxy { address, recorder, history, heard, _store: store }
    }

    async fn usual() -> Proxy {
        Proxy::start(Limits::default(), false, None).await
    }

    async fn get(&self, origin: SocketAddr) -> TcpStream {
        self.send(&format!("GET http://{origin}/x?q=1 HTTP/1.1\r\nHost: {origin}\r\n\r\n")).await
    }

    async fn send(&self, request: &str) -> TcpStream {
        let mut client = TcpStream::connect(self.address).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        client
    }

    /// The exchange of that number, once all is written.
    async fn exchange(&self, number: u64) -> Exchange {
        self.recorder.drain().await;
        self.history.get(number).unwrap()
    }

    /// Waits until so many exchanges are over.
    async fn finished(&self, count: usize) {
        until(|| self.heard.lines.lock().unwrap().len() >= count).await;
    }
}

/// Yields until something holds; a test that waits for ever has failed.
async fn until(holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "waited in vain");
        tokio::task::yield_now().await;
    }
}

async fn serve(listener: TcpListener, forward: Arc<Forward>, plain: bool) {
    loop {
        let (socket, client) = listener.accept().await.unwrap();
        let forward = forward.clone();
        let (screen, heads) = Screen::server(socket);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let (forward, heads) = (forward.clone(), heads.clone());
            heads.next_request().expect("a head for each request");
            request.extensions_mut().insert(heads.interim_sender());
            let call = call_of(request, client, plain);
            async move {
                let mut response = forward.answer(call).await;
                heads.next_response(response.extensions_mut().remove::<HeadLines>());
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).preserve_header_case(true).auto_date_header(false);
        tokio::spawn(builder.serve_connection(TokioIo::new(screen), service).with_upgrades());
    }
}

fn call_of(request: Request<Incoming>, client: SocketAddr, plain: bool) -> Call {
    let (head, body) = request.into_parts();
    let host = head.headers["host"].to_str().unwrap().to_owned();
    let route = match plain {
        true => Route::Plain { host: Some(Authority::parse(&host, 80).unwrap()), tls: false },
        false => Route::Proxied(format!("http://{}", head.uri.authority().unwrap()).parse().unwrap()),
    };
    Call {
        started_at: jiff::Timestamp::now(),
        started: Instant::now(),
        local: "127.0.0.1:1".parse().unwrap(),
        tunnel_credentials: None,
        client,
        route,
        method: head.method.clone(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        version: HttpVersion::Http11,
        fields: Fields::from_map(&head.headers),
        head,
        body,
    }
}

/// An origin that runs a script for its first connection, once the request's head is there.
async fn origin<F>(script: impl FnOnce(TcpStream, String) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let head = read_head(&mut socket).await;
        script(socket, head).await;
    });
    address
}

/// An origin that answers with these bytes, and keeps the connection.
async fn answering(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = answer.into();
    origin(move |mut socket, _| async move {
        socket.write_all(&answer).await.unwrap();
        let _ = socket.read(&mut [0]).await;
    })
    .await
}

async fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Reads until the bytes end so.
async fn read_until(socket: &mut TcpStream, end: &str) -> String {
    let mut got = Vec::new();
    let reading = async {
        while !got.ends_with(end.as_bytes()) {
            got.push(socket.read_u8().await.expect("the connection stays open"));
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(10), reading).await;
    assert!(done.is_ok(), "never came: {end:?} after {:?}", String::from_utf8_lossy(&got));
    String::from_utf8(got).unwrap()
}

async fn read_all(socket: &mut TcpStream) -> String {
    let mut got = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut got)).await.expect("it ends");
    String::from_utf8_lossy(&got).into_owned()
}

/// That nothing more comes while the gate is closed. Time is the only witness of silence.
async fn silent(socket: &mut TcpStream) {
    let read = tokio::time::timeout(Duration::from_millis(50), socket.read_u8()).await;
    assert!(read.is_err(), "a byte came before the record was written");
}

#[tokio::test]
async fn the_last_bytes_of_a_known_length_wait_for_the_record() {
    const SIZE: usize = 300_000;
    let proxy = Proxy::usual().await;
    proxy.recorder.gate().close();
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").into_bytes();
    answer.extend(std::iter::repeat_n(b'a', SIZE));
    let mut client = proxy.get(answering(answer).await).await;
    let head = read_until(&mut client, "\r\n\r\n").await;
    assert!(head.contains("300000"), "{head}");
    let mut got = 0;
    let mut buffer = vec![0; SIZE];
    while let Ok(read) = tokio::time::timeout(Duration::from_millis(100), client.read(&mut buffer)).await {
        got += read.unwrap();
    }
    assert!(got < SIZE, "all {got} bytes came before the record was written");
    assert!(got > 0, "the first bytes did not come");
    proxy.recorder.gate().open();
    while got < SIZE {
        got += client.read(&mut buffer).await.unwrap();
    }
    let exchange = proxy.exchange(1).await;
    assert!(matches!(exchange.outcome, Outcome::Complete(_)));
    let body = &exchange.outcome.response().unwrap().body;
    assert_eq!((body.size, body.end), (SIZE as u64, BodyEnd::Complete));
}

#[tokio::test]
async fn a_head_without_a_body_and_a_small_answer_wait_whole() {
    for answer in ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"] {
        let proxy = Proxy::usual().await;
        proxy.recorder.gate().close();
        let mut client = proxy.get(answering(answer).await).await;
        let end = if answer.ends_with("ok") { "\r\n\r\nok" } else { "\r\n\r\n" };
        silent(&mut client).await;
        proxy.recorder.gate().open();
        read_until(&mut client, end).await;
        assert_eq!(proxy.exchange(1).await.outcome.word(), "complete");
    }
}

#[tokio::test]
async fn an_event_passes_at_once_and_only_the_end_waits() {
    let proxy = Proxy::usual().await;
    proxy.recorder.gate().close();
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let address = origin(|mut socket, _| async move {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        socket.write_all(format!("{head}9\r\ndata: 1\n\n\r\n").as_bytes()).await.unwrap();
        gone.await.unwrap();
        socket.write_all(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n").await.unwrap();
        let _ = socket.read(&mut [0]).await;
    })
    .await;
    let mut client = proxy.get(address).await;
    read_until(&mut client, "data: 1\n\n\r\n").await;
    go.send(()).unwrap();
    read_until(&mut client, "data: 2\n\n\r\n").await;
    silent(&mut client).await;
    proxy.recorder.gate().open();
    read_until(&mut client, "0\r\n\r\n").await;
    let exchange = proxy.exchange(1).await;
    let chunks: Vec<u64> = exchange.timings.chunks.iter().map(|chunk| chunk.bytes).collect();
    assert_eq!(chunks, [9, 9]);
    assert!(exchange.timings.chunks[0].at_us <= exchange.timings.chunks[1].at_us);
    assert_eq!(exchange.outcome.response().unwrap().body.size, 18);
}

#[tokio::test]
async fn a_small_chunked_answer_keeps_its_framing_and_trailers() {
    let proxy = Proxy::usual().await;
    let answer =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n";
    let address = answering(answer).await;
    let request = format!("GET http://{address}/ HTTP/1.1\r\nHost: {address}\r\nTE: trailers\r\n\r\n");
    let mut client = proxy.send(&request).await;
    let got = read_until(&mut client, "x-sum: 7\r\n\r\n").await.to_lowercase();
    assert!(got.contains("chunked"), "{got}");
    let exchange = proxy.exchange(1).await;
    let response = exchange.outcome.response().unwrap();
    assert_eq!(response.trailers.text("x-sum").as_deref(), Some("7"));
    assert_eq!(response.body.end, BodyEnd::Trailers);
}

#[tokio::test]
async fn heads_are_recorded_as_written_with_interim_ones() {
    let proxy = Proxy::usual().await;
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
                  HTTP/1.1 200 Fine\r\nX-B: 1\r\nset-cookie: a=1\r\nX-A: 2\r\nContent-Length: 0\r\nSet-Cookie: b=2\r\n\r\n";
    let mut client = proxy.get(answering(answer).await).await;
    let got = read_until(&mut client, "Set-Cookie: b=2\r\n\r\n").await;
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 Fine\r\nX-B: 1\r\n";
    assert!(got.starts_with(early), "passed on once, though it came with the answer: {got}");
    let exchange = proxy.exchange(1).await;
    let response = exchange.outcome.response().unwrap();
    let names: Vec<_> = response.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["X-B", "set-cookie", "X-A", "Content-Length", "Set-Cookie"]);
    assert_eq!(response.reason.as_deref(), Some("Fine"));
    assert_eq!(response.informational[0].status, 103);
    assert_eq!(exchange.request.target(), "/x?q=1");
    assert_eq!((exchange.session.as_str(), exchange.tags[0].as_str()), ("s", "t"));
    assert!(exchange.timings.connected_us.is_some() && exchange.timings.first_byte_us.is_some());
}

#[tokio::test]
async fn an_interim_response_passes_at_once_and_only_once() {
    let proxy = Proxy::usual().await;
    proxy.recorder.gate().close();
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let address = origin(|mut socket, _| async move {
        let hints = "HTTP/1.1 103 Early Hints\r\nX-Z: 1\r\nlink: </a>\r\nX-Z: 2\r\nConnection: close\r\n\r\n";
        socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        socket.write_all(hints.as_bytes()).await.unwrap();
        gone.await.unwrap();
        let answer = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        socket.write_all(answer.as_bytes()).await.unwrap();
        let _ = socket.read(&mut [0]).await;
    })
    .await;
    let mut client = proxy.get(address).await;
    let got = read_until(&mut client, "\r\n\r\n").await;
    assert_eq!(got, "HTTP/1.1 103 Early Hints\r\nX-Z: 1\r\nlink: </a>\r\nX-Z: 2\r\n\r\n");
    go.send(()).unwrap();
    let got = read_until(&mut client, "\r\n\r\n").await;
    assert_eq!(got, "HTTP/1.1 102 Processing\r\n\r\n");
    silent(&mut client).await;
    proxy.recorder.gate().open();
    let got = read_until(&mut client, "ok").await;
    assert_eq!(got, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let exchange = proxy.exchange(1).await;
    let interim = &exchange.outcome.response().unwrap().informational;
    assert_eq!(interim.iter().map(|interim| interim.status).collect::<Vec<_>>(), [100, 103, 102]);
    assert!(interim[1].fields.has("connection"), "the record has it as written");
}

#[tokio::test]
async fn a_client_that_goes_away_is_recorded_with_what_it_had() {
    let proxy = Proxy::usual().await;
    let address = origin(|mut socket, _| async move {
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc").await.unwrap();
        let _ = socket.read(&mut [0]).await;
    })
    .await;
    let mut client = proxy.get(address).await;
    read_until(&mut client, "abc").await;
    drop(client);
    proxy.finished(1).await;
    let exchange = proxy.exchange(1).await;
    assert_eq!(exchange.outcome.word(), "cancelled");
    let body = &exchange.outcome.response().unwrap().body;
    assert_eq!((body.size, body.end), (3, BodyEnd::Cancelled));
}

#[tokio::test]
async fn an_origin_that_breaks_off_is_a_failure_with_a_part() {
    let proxy = Proxy::usual().await;
    let address = origin(|mut socket, _| async move {
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc").await.unwrap();
    })
    .await;
    let mut client = proxy.get(address).await;
    let got = read_all(&mut client).await;
    assert!(got.ends_with("abc"), "{got}");
    let exchange = proxy.exchange(1).await;
    let Outcome::Failed(failure, Some(response)) = &exchange.outcome else { panic!("{:?}", exchange.outcome) };
    assert_eq!(failure.kind, FailureKind::Closed, "{}", failure.message);
    assert_eq!((response.body.size, response.body.end), (3, BodyEnd::Failed));
}

#[tokio::test]
async fn each_failure_has_its_answer_and_its_record() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let garbage = answering("what is this?\r\n\r\n").await;
    let both = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
    let early = origin(|socket, _| async move { drop(socket) }).await;
    let stalled = answering("").await;
    let cases = [
        (closed.to_string(), 502, FailureKind::Refused),
        ("no-such-host.invalid".to_owned(), 502, FailureKind::Unresolved),
        ("169.254.169.254".to_owned(), 502, FailureKind::Forbidden),
        (garbage.to_string(), 502, FailureKind::Protocol),
        (both.to_string(), 502, FailureKind::Protocol),
        (early.to_string(), 502, FailureKind::Closed),
        (stalled.to_string(), 504, FailureKind::TimedOut),
    ];
    let limits = Limits { first_byte: Duration::from_millis(300), ..Limits::default() };
    let proxy = Proxy::start(limits, false, None).await;
    for (number, (host, status, kind)) in (1..).zip(cases) {
        let request = format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let got = read_all(&mut proxy.send(&request).await).await;
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {got}");
        assert!(got.contains(&format!("x-retake-error: {}", kind.as_str())), "{host}: {got}");
        assert!(got.contains("application/problem+json") && got.contains("no-store"), "{got}");
        let exchange = proxy.exchange(number).await;
        let Outcome::Failed(failure, None) = &exchange.outcome else { panic!("{host}: {:?}", exchange.outcome) };
        assert_eq!(failure.kind, kind, "{host}: {}", failure.message);
        let name = host.split(':').next().unwrap();
        assert!(failure.message.contains(name), "{}", failure.message);
    }
}

#[tokio::test]
async fn silence_in_the_middle_of_a_body_ends_it() {
    let limits = Limits { idle: Duration::from_millis(100), ..Limits::default() };
    let proxy = Proxy::start(limits, false, None).await;
    let address = answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    let mut client = proxy.get(address).await;
    let got = read_all(&mut client).await;
    assert!(got.contains("abc") && !got.ends_with("0\r\n\r\n"), "{got}");
    let exchange = proxy.exchange(1).await;
    let Outcome::Failed(failure, Some(_)) = &exchange.outcome else { panic!("{:?}", exchange.outcome) };
    assert_eq!(failure.kind, FailureKind::TimedOut);
}

#[tokio::test]
async fn the_request_body_is_recorded_and_reaches_the_origin() {
    let proxy = Proxy::usual().await;
    let address = origin(|mut socket, head| async move {
        assert!(head.to_lowercase().contains("content-length: 11"), "{head}");
        read_until(&mut socket, "hello world").await;
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        let _ = socket.read(&mut [0]).await;
    })
    .await;
    let request =
        format!("POST http://{address}/ HTTP/1.1\r\nHost: {address}\r\nContent-Length: 11\r\n\r\nhello world");
    read_until(&mut proxy.send(&request).await, "\r\n\r\nok").await;
    let exchange = proxy.exchange(1).await;
    assert_eq!(exchange.request.body.content, crate::model::BodyContent::Inline(b"hello world".to_vec()));
    assert!(!exchange.partial);
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_completed_later() {
    let proxy = Proxy::usual().await;
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let address = origin(|mut socket, _| async move {
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        gone.await.unwrap();
        read_until(&mut socket, "world").await;
    })
    .await;
    let request = format!("POST http://{address}/ HTTP/1.1\r\nHost: {address}\r\nContent-Length: 11\r\n\r\nhello ");
    let mut client = proxy.send(&request).await;
    read_until(&mut client, "\r\n\r\nok").await;
    assert!(proxy.exchange(1).await.partial);
    client.write_all(b"world").await.unwrap();
    go.send(()).unwrap();
    until(|| !proxy.history.get(1).unwrap().partial).await;
    let exchange = proxy.exchange(1).await;
    assert_eq!(exchange.request.body.size, 11);
    assert_eq!(exchange.status(), Some(200));
}

#[tokio::test]
async fn a_full_disk_never_stops_traffic_and_is_told_once() {
    let proxy = Proxy::usual().await;
    proxy.recorder.gate().fail();
    for _ in 0..2 {
        let address = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        read_until(&mut proxy.get(address).await, "\r\n\r\nok").await;
    }
    let tally = proxy.recorder.tally();
    assert_eq!((tally.recorded, tally.not_recorded), (0, 2));
    assert_eq!(proxy.heard.warnings.lock().unwrap().len(), 1);
    assert!(proxy.heard.lines.lock().unwrap().iter().all(|line| !line.recorded));
}

#[tokio::test]
async fn strict_recording_fails_the_call() {
    let proxy = Proxy::start(Limits::default(), true, None).await;
    proxy.recorder.gate().fail();
    let address = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let got = read_until(&mut proxy.get(address).await, "\r\n\r\n").await;
    assert!(got.starts_with("HTTP/1.1 502") && got.contains("x-retake-error: not-recorded"), "{got}");
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n".to_vec();
    answer.extend(std::iter::repeat_n(b'a', 200_000));
    let got = read_all(&mut proxy.get(answering(answer).await).await).await;
    assert!(got.len() < 200_000, "the call succeeded");
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_is_asked_when_the_origin_asks() {
    let proxy = Proxy::usual().await;
    let address = origin(|mut socket, head| async move {
        assert!(head.to_lowercase().contains("expect: 100-continue"), "{head}");
        assert!(tokio::time::timeout(Duration::from_millis(50), socket.read_u8()).await.is_err());
        socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        read_until(&mut socket, "hello").await;
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        let _ = socket.read(&mut [0]).await;
    })
    .await;
    let request = format!(
        "POST http://{address}/ HTTP/1.1\r\nHost: {address}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    );
    let mut client = proxy.send(&request).await;
    read_until(&mut client, "100 Continue\r\n\r\n").await;
    client.write_all(b"hello").await.unwrap();
    read_until(&mut client, "\r\n\r\nok").await;
    assert_eq!(proxy.exchange(1).await.request.body.size, 5);
}

#[tokio::test]
async fn a_change_of_protocol_is_relayed() {
    let proxy = Proxy::usual().await;
    let address = origin(|mut socket, head| async move {
        assert!(head.to_lowercase().contains("upgrade: echo"), "{head}");
        socket
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhi")
            .await
            .unwrap();
        read_until(&mut socket, "ping").await;
        socket.write_all(b"pong").await.unwrap();
    })
    .await;
    let request =
        format!("GET http://{address}/ HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    let mut client = proxy.send(&request).await;
    read_until(&mut client, "\r\n\r\nhi").await;
    client.write_all(b"ping").await.unwrap();
    read_until(&mut client, "pong").await;
    let exchange = proxy.exchange(1).await;
    assert_eq!(exchange.status(), Some(101));
}

#[tokio::test]
async fn standing_in_for_an_origin_the_client_gets_our_name_and_the_record_keeps_theirs() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let head = read_head(&mut socket).await.to_lowercase();
        assert!(head.contains(&format!("host: {address}")), "{head}");
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: http://{address}/next\r\nContent-Length: 0\r\n\r\n");
        socket.write_all(answer.as_bytes()).await.unwrap();
        let _ = socket.read(&mut [0]).await;
    });
    let to: Origin = format!("http://{address}").parse().unwrap();
    let proxy = Proxy::start(Limits::default(), false, Some(to)).await;
    let mut client = proxy.send(&format!("GET /a HTTP/1.1\r\nHost: {}\r\n\r\n", proxy.address)).await;
    let got = read_until(&mut client, "\r\n\r\n").await;
    assert!(got.contains(&format!("http://{}/next", proxy.address)), "{got}");
    let exchange = proxy.exchange(1).await;
    assert_eq!(exchange.request.origin.authority.port(), address.port());
    let location = exchange.outcome.response().unwrap().fields.text("location").unwrap().into_owned();
    assert_eq!(location, format!("http://{address}/next"));
}

#[tokio::test]
async fn a_tunnel_without_http_is_relayed_and_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_until(&mut socket, "ping").await;
        socket.write_all(b"pong!").await.unwrap();
    });
    let proxy = Proxy::usual().await;
    let (mut client, ours) = tokio::io::duplex(64);
    let tunnel = OpaqueTunnel {
        started_at: jiff::Timestamp::now(),
        client: proxy.address,
        authority: Authority::new("127.0.0.1", address.port()),
        io: Box::new(ours),
        reason: "no TLS".into(),
    };
    let relaying = {
        let recorder = proxy.recorder.clone();
        tokio::spawn(async move { tunnel::relay_opaque(&recorder, &Limits::default(), tunnel).await })
    };
    client.write_all(b"ping").await.unwrap();
    let mut got = [0; 5];
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"pong!");
    drop(client);
    relaying.await.unwrap();
    let exchange = proxy.exchange(1).await;
    let Outcome::Relayed(relayed) = &exchange.outcome else { panic!("{:?}", exchange.outcome) };
    assert_eq!((relayed.sent, relayed.received, relayed.reason.as_str()), (4, 5, "no TLS"));
}

#[tokio::test]
async fn steering_fields_go_on_and_are_no_part_of_the_record() {
    let proxy = Proxy::usual().await;
    let (told, heard) = tokio::sync::oneshot::channel();
    let address = origin(|mut socket, head| async move {
        told.send(head).unwrap();
        socket.write_all(b"HTTP/1.1 200 Fine planted-secret-1\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        let _ = socket.read(&mut [0]).await;
    })
    .await;
    let fields = "X-Mock-Response-Code: 404\r\nAuthorization: Bearer planted-secret-1";
    let request = format!("GET http://{address}/ HTTP/1.1\r\nHost: {address}\r\n{fields}\r\n\r\n");
    let mut client = proxy.send(&request).await;
    let head = read_until(&mut client, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 Fine planted-secret-1"), "{head}");
    assert!(heard.await.unwrap().contains("X-Mock-Response-Code: 404"), "the origin gets every field");
    let exchange = proxy.exchange(1).await;
    assert!(!exchange.request.fields.has("x-mock-response-code"));
    let reason = exchange.outcome.response().unwrap().reason.clone().unwrap();
    assert!(reason.starts_with("Fine retake-"), "a secret seen before, in the reason phrase: {reason}");
}
