//! The front door with real sockets and real rustls clients, and an answerer that says what it got.

use std::sync::Mutex;

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;
use crate::model::{Authority, Fields, Informational};
use crate::tls::Ca;
use crate::wire::screen::InterimSender;
use crate::wire::{Body, Call, HeadLines, OpaqueTunnel};

/// Says what it was asked; remembers what it was told.
#[derive(Default)]
struct Echo(Mutex<Vec<String>>);

impl Echo {
    fn said(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Answerer for Echo {
    async fn answer(self: Arc<Self>, mut call: Call) -> http::Response<Body> {
        if call.path == "/interim"
            && let Some(sender) = call.head.extensions.remove::<InterimSender>()
        {
            // From a task of its own, as from an origin; the answer never comes.
            let interim = Informational { status: 103, fields: Fields::new() };
            tokio::spawn(async move { sender.send(&interim) });
            std::future::pending::<()>().await;
        }
        if call.path == "/panic" {
            panic!("on purpose");
        }
        let names: Vec<_> = call.fields.iter().map(|field| field.name.clone()).collect();
        let body = match call.path.as_str() {
            "/unread" => String::new(),
            _ => String::from_utf8(call.body.collect().await.unwrap().to_bytes().to_vec()).unwrap(),
        };
        let said = format!("{:?} {} {} {names:?} {body}", call.route, call.method, call.path);
        self.0.lock().unwrap().push(said.clone());
        let mut response = http::Response::new(Body::full(said));
        let mut fields = Fields::new();
        for line in ["Set-Cookie", "X-Between", "set-cookie"] {
            fields.push(line, "1");
        }
        *response.headers_mut() = fields.to_map();
        response.extensions_mut().insert(HeadLines {
            fields: Arc::new(fields),
            informational: Vec::new(),
            whole: false,
        });
        response
    }

    fn passes_on(&self) -> bool {
        true
    }

    async fn opaque_tunnel(self: Arc<Self>, mut tunnel: OpaqueTunnel) {
        let mut first = [0; 4];
        tunnel.io.read_exact(&mut first).await.unwrap();
        tunnel.io.write_all(&first).await.unwrap();
        self.0.lock().unwrap().push(format!("opaque {} {first:?}", tunnel.authority));
    }

    fn refused_certificate(&self, _client: SocketAddr, authority: &Authority, reason: &str) {
        self.0.lock().unwrap().push(format!("certificate {authority} {reason}"));
    }

    fn refused_message(&self, _client: SocketAddr, reason: &str) {
        self.0.lock().unwrap().push(format!("message {reason}"));
    }
}

struct Running {
    address: SocketAddr,
    echo: Arc<Echo>,
    ca: Arc<Ca>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start() -> Self {
        let ca = Arc::new(Ca::in_memory().unwrap());
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let (address, echo, shutdown) = (server.local_addr(), Arc::new(Echo::default()), CancellationToken::new());
        let leaves = Arc::new(Leaves::new(ca.clone()));
        let limits = Limits { detection: Duration::from_millis(200), ..Limits::default() };
        let task = tokio::spawn(server.run(echo.clone(), leaves, limits, shutdown.clone()));
        Running { address, echo, ca, shutdown, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `request` on a new connection, and gives all that comes back.
    async fn send(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn tunnel(&self, authority: &str) -> TcpStream {
        let mut stream = self.connect().await;
        let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 19];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK\r\n\r\n");
        stream
    }

    async fn tls(&self, stream: TcpStream, name: &str, alpn: &[&str]) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        let ca = rustls::pki_types::CertificateDer::from_pem_slice(self.ca.certificate_pem().as_bytes()).unwrap();
        roots.add(ca).unwrap();
        handshake(stream, name, alpn, roots).await.unwrap()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

async fn handshake(
    stream: TcpStream,
    name: &str,
    alpn: &[&str],
    roots: rustls::RootCertStore,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn plain_requests_and_requests_to_a_proxy_keep_their_lines_both_ways() {
    let server = Running::start();
    let answer = server.send("POST /x HTTP/1.1\r\nHOST: me\r\nx-B: 1\r\nProxy: p\r\nX-b: 2\r\nContent-Length: 2\r\nconnection: close\r\n\r\nhi").await;
    let said = r#"Plain { host: Some(Authority { host: "me", port: 80 }), tls: false } POST /x ["HOST", "x-B", "Proxy", "X-b", "Content-Length", "connection"] hi"#;
    let head = format!(
        "HTTP/1.1 200 OK\r\nSet-Cookie: 1\r\nX-Between: 1\r\nset-cookie: 1\r\nconnection: close\r\ncontent-length: {}",
        said.len()
    );
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.split("\r\n").map(str::to_owned).collect();
        lines[4..].sort();
        lines
    };
    let (answered, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!((sorted(answered), body), (sorted(&head), said));
    let answer = server.send("GET HTTP://A.test/y HTTP/1.1\r\nHost: A.test\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("Proxied(Origin { scheme: Http"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn pipelined_requests_and_a_bad_one_at_the_end_are_answered_in_order() {
    let server = Running::start();
    let answer = server
        .send(concat!(
            "\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /unread HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "GET /3 HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n",
            "GET /4 HTTP/1.1\r\nHost : a\r\n\r\nGET /5 HTTP/1.1\r\nHost: a\r\n\r\n",
        ))
        .await;
    let said = server.echo.said();
    assert_eq!(said.len(), 4, "{said:?} {answer}");
    assert!(said[0].contains("/1") && said[1].contains("/unread") && said[2].contains("/3"), "{said:?}");
    assert!(said[3].contains("before the colon"), "{said:?}");
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 3);
    assert_eq!(answer.matches("HTTP/1.1 400").count(), 1);
    server.stop().await;
}

#[tokio::test]
async fn tls_in_a_tunnel_over_http_1_and_http_2() {
    let server = Running::start();
    let stream = server.tunnel("api.test:443").await;
    let mut tls = server.tls(stream, "api.test", &["http/1.1"]).await;
    tls.write_all(b"GET /a HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = tls.read_to_string(&mut answer).await;
    assert!(
        answer.contains(r#"Proxied(Origin { scheme: Https, authority: Authority { host: "api.test", port: 443 } })"#)
    );

    // A name other than that of CONNECT picks the certificate; CONNECT names the origin.
    let stream = server.tunnel("127.0.0.1:8443").await;
    let tls = server.tls(stream, "front.test", &["h2", "http/1.1"]).await;
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
    let driving = tokio::spawn(connection);
    let request = http::Request::get("https://front.test/b?c").body(Empty::<bytes::Bytes>::new()).unwrap();
    let body = send.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(body.contains(r#"host: "127.0.0.1", port: 8443"#) && body.contains("GET /b []"), "{body}");
    drop(send);
    driving.await.unwrap().unwrap();
    server.stop().await;
}

#[tokio::test]
async fn plain_http_in_a_tunnel_and_tls_without_one() {
    let server = Running::start();
    let mut stream = server.tunnel("[::1]:80").await;
    stream.write_all(b"GET /a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains(r#"Proxied(Origin { scheme: Http, authority: Authority { host: "::1", port: 80 } })"#));

    let mut tls = server.tls(server.connect().await, "127.0.0.1", &[]).await;
    tls.write_all(b"GET /a HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = tls.read_to_string(&mut answer).await;
    assert!(answer.contains(r#"Plain { host: Some(Authority { host: "h", port: 443 }), tls: true }"#), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_tunnel_without_http_is_handed_over_whole() {
    let server = Running::start();
    let mut stream = server.tunnel("db.test:6379").await;
    stream.write_all(b"*1\r\n").await.unwrap();
    let mut back = [0; 4];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"*1\r\n");
    assert_eq!(server.echo.said(), ["opaque db.test:6379 [42, 49, 13, 10]"]);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_trust_us_is_told_of() {
    let server = Running::start();
    let stream = server.tunnel("api.test:443").await;
    handshake(stream, "api.test", &[], rustls::RootCertStore::empty()).await.unwrap_err();
    while server.echo.said().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.echo.said(), ["certificate api.test:443 it does not trust retake's CA (alert unknown_ca)"]);
    server.stop().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_answered_and_the_server_lives_on() {
    let server = Running::start();
    for (request, status) in [
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "400"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "400"),
        ("GET /panic HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "500"),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200"),
    ] {
        let answer = server.send(request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer:?}");
        assert_eq!(answer.contains("x-retake-error: "), status != "200", "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_shutdown_closes_idle_connections_and_refuses_new_ones() {
    let server = Running::start();
    let (address, mut idle) = (server.address, server.connect().await);
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    idle.read_exact(&mut [0; 15]).await.unwrap();
    let _silent = server.connect().await;
    server.stop().await;
    idle.read_to_end(&mut Vec::new()).await.unwrap();
    TcpStream::connect(address).await.unwrap_err();
}

#[tokio::test]
async fn a_client_that_expects_100_is_told_to_go_on() {
    let server = Running::start();
    let mut stream = server.connect().await;
    let head = b"PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hi").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\nSet-Cookie: 1\r\nX-Between: 1\r\n"), "{answer}");
    assert!(answer.ends_with("hi"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn an_interim_response_reaches_a_client_of_http_1_1_before_the_answer() {
    let server = Running::start();
    let mut stream = server.connect().await;
    stream.write_all(b"GET /interim HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut got = [0; 28];
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut got));
    read.await.expect("it does not wait for the answer").unwrap();
    assert_eq!(&got, b"HTTP/1.1 103 Early Hints\r\n\r\n");
    let answer = server.send("GET /interim HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
}
