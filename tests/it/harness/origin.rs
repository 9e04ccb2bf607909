//! Origins to be recorded: real HTTP servers on loopback, plain or over TLS with the certificates of `certs/`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};

/// A server of this process on a runtime of its own. Dropped, it is gone: connections are refused.
pub struct Origin {
    pub address: SocketAddr,
    tls: bool,
    served: Arc<AtomicU64>,
    runtime: Option<tokio::runtime::Runtime>,
}

pub type Body = BoxBody<Bytes, Infallible>;

impl Origin {
    /// The sample API over plain HTTP.
    pub fn plain() -> Origin {
        Origin::start(None)
    }

    /// The sample API over TLS, with the good certificate.
    pub fn tls() -> Origin {
        Origin::with_certificate("localhost")
    }

    /// The sample API over TLS, with a certificate of `certs/`.
    pub fn with_certificate(name: &str) -> Origin {
        Origin::start(Some(acceptor(name)))
    }

    fn start(tls: Option<tokio_rustls::TlsAcceptor>) -> Origin {
        let is_tls = tls.is_some();
        let served = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&served);
        Origin::serve(is_tls, served, move |stream| {
            let (tls, counter) = (tls.clone(), Arc::clone(&counter));
            async move {
                let _ = stream.set_nodelay(true);
                match tls {
                    None => connection(TokioIo::new(stream), counter).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            connection(TokioIo::new(stream), counter).await;
                        }
                    }
                }
            }
        })
    }

    /// A service of a test's own: `handle` gets every request with its whole body, one at a time or several at once.
    pub fn service<H>(tls: bool, handle: H) -> Origin
    where
        H: Fn(&http::request::Parts, &Bytes) -> Response<Body> + Send + Sync + 'static,
    {
        let (tls, served, handle) = (tls.then(|| acceptor("localhost")), Arc::<AtomicU64>::default(), Arc::new(handle));
        let counter = Arc::clone(&served);
        Origin::serve(tls.is_some(), served, move |stream| {
            let (tls, counter, handle) = (tls.clone(), Arc::clone(&counter), Arc::clone(&handle));
            async move {
                let _ = stream.set_nodelay(true);
                let service = service_fn(move |request: Request<Incoming>| {
                    counter.fetch_add(1, Ordering::SeqCst);
                    let handle = Arc::clone(&handle);
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                        Ok::<_, Infallible>(handle(&head, &body))
                    }
                });
                let mut builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                builder.http1().preserve_header_case(true);
                match tls {
                    None => drop(builder.serve_connection(TokioIo::new(stream), service).await),
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            drop(builder.serve_connection(TokioIo::new(stream), service).await);
                        }
                    }
                }
            }
        })
    }

    /// The files of a folder over TLS.
    pub fn files(folder: std::path::PathBuf) -> Origin {
        let acceptor = acceptor("localhost");
        Origin::serve(true, Arc::default(), move |stream| {
            let (acceptor, folder) = (acceptor.clone(), folder.clone());
            async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(move |request: Request<Incoming>| {
                    let file = folder.join(request.uri().path().trim_start_matches('/'));
                    async move {
                        let (status, bytes) = std::fs::read(file).map_or((404, Vec::new()), |bytes| (200, bytes));
                        Ok::<_, Infallible>(Response::builder().status(status).body(full(bytes)).unwrap())
                    }
                });
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            }
        })
    }

    /// A server that does with each connection whatever `handle` does: for peers that misbehave.
    pub fn raw<F, R>(handle: F) -> Origin
    where
        F: Fn(TcpStream) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        Origin::serve(false, Arc::default(), handle)
    }

    fn serve<F, R>(tls: bool, served: Arc<AtomicU64>, handle: F) -> Origin
    where
        F: Fn(TcpStream) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(handle(stream));
            }
        });
        Origin { address, tls, served, runtime: Some(runtime) }
    }

    /// `https://localhost:PORT` plus this path.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://localhost:{}{path}", self.address.port())
    }

    /// How many requests reached it.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::SeqCst)
    }

    /// Stops it: from here on connections are refused.
    pub fn stop(self) {}
}

impl Drop for Origin {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waits until the listener is closed: a connection that it still took would be reset, not refused.
            runtime.shutdown_timeout(Duration::from_secs(10));
        }
    }
}

pub fn acceptor(name: &str) -> tokio_rustls::TlsAcceptor {
    let chain =
        CertificateDer::pem_file_iter(super::cert(&format!("{name}.pem"))).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(super::cert(&format!("{name}-key.pem"))).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config).into()
}

async fn connection<I>(io: I, served: Arc<AtomicU64>)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        served.fetch_add(1, Ordering::SeqCst);
        async move { Ok::<_, Infallible>(api(request).await) }
    });
    let mut builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    builder.http1().preserve_header_case(true);
    let _ = builder.serve_connection(io, service).await;
}

pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

/// A body of unknown length that gives these pieces, `gap` apart.
pub fn streamed(pieces: Vec<Bytes>, gap: Duration) -> Body {
    let stream = futures_util::stream::unfold(pieces.into_iter(), move |mut pieces| async move {
        let piece = pieces.next()?;
        tokio::time::sleep(gap).await;
        Some((Ok::<_, Infallible>(Frame::data(piece)), pieces))
    });
    BodyExt::boxed(StreamBody::new(stream))
}

/// Bytes that are not the same twice in a row, and compress badly; the same for the same length.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// The sample API: one path for each thing that a recorder has to cope with.
async fn api(request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let number = |prefix: &str| path.strip_prefix(prefix).and_then(|rest| rest.parse::<usize>().ok());
    if let Some(length) = number("/bytes/") {
        return Response::builder()
            .header("content-type", "application/octet-stream")
            .body(full(noise(length)))
            .unwrap();
    }
    if let Some(length) = number("/stream/") {
        let pieces = noise(length).chunks(4096).map(Bytes::copy_from_slice).collect();
        return Response::builder()
            .header("content-type", "application/octet-stream")
            .body(streamed(pieces, Duration::ZERO))
            .unwrap();
    }
    if let Some(length) = number("/huge/") {
        return huge(length as u64);
    }
    if path == "/upload" {
        return hashed(body).await;
    }
    if let Some(status) = number("/status/") {
        return Response::builder().status(u16::try_from(status).unwrap()).body(full("")).unwrap();
    }
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    match (head.method.as_str(), path.as_str()) {
        ("GET" | "HEAD", "/json") => json(r#"{"name":"octocat","id":583231,"admin":false,"note":"café ☕"}"#),
        ("GET", "/pretty") => json("{\n  \"a\": 1,\n  \"b\": [\n    1,\n    2\n  ]\n}\n"),
        ("GET", "/odd") => json(r#"{"n":1.00,"big":123456789012345678901234567890,"twice":1,"twice":2}"#),
        ("GET", "/text") => Response::builder()
            .header("content-type", "text/plain; charset=utf-8")
            .body(full("line one\nline two\n"))
            .unwrap(),
        ("GET", "/gzip") => coded("gzip", "the same text again and again ".repeat(100)),
        ("GET", "/br") => coded("br", "the same text again and again ".repeat(100)),
        ("GET", "/zstd") => coded("zstd", "the same text again and again ".repeat(100)),
        ("GET", "/counter") => json(&format!("{{\"count\":{}}}", COUNTER.fetch_add(1, Ordering::SeqCst) + 1)),
        ("GET", "/search") => json(&format!("{{\"query\":{}}}", serde_json::Value::from(query))),
        ("GET", "/events") => {
            let events =
                (1..=3).map(|event| Bytes::from(format!("event: tick\ndata: {{\"n\":{event}}}\n\n"))).collect();
            Response::builder()
                .header("content-type", "text/event-stream")
                .body(streamed(events, Duration::from_millis(300)))
                .unwrap()
        }
        ("GET", "/redirect") => Response::builder().status(302).header("location", "/json").body(full("")).unwrap(),
        ("GET", "/cookie") => Response::builder()
            .header("set-cookie", "theme=dark; Path=/")
            .header("X-Case-Kept", "Yes")
            .header("set-cookie", "seen=1; Path=/; Expires=Fri, 01 Jan 2100 00:00:00 GMT")
            .body(full("cookies"))
            .unwrap(),
        ("GET", "/empty") => Response::builder().status(204).body(full("")).unwrap(),
        ("GET", "/slow") => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            json("{}")
        }
        ("POST", "/login") => {
            json(&format!("{{\"access_token\":\"{LOGIN_TOKEN}\",\"token_type\":\"Bearer\",\"expires_in\":3600}}"))
        }
        ("GET", "/me") => {
            let authorized = head
                .headers
                .get("authorization")
                .is_some_and(|value| value == format!("Bearer {LOGIN_TOKEN}").as_str());
            if authorized {
                json(r#"{"me":true}"#)
            } else {
                Response::builder().status(401).body(full("who are you")).unwrap()
            }
        }
        ("POST" | "PUT", "/echo") => {
            let content_type = head.headers.get("content-type").cloned();
            let mut response = Response::new(full(body));
            content_type.map(|value| response.headers_mut().insert("content-type", value));
            response
        }
        ("POST", "/orders") => {
            let mut response = json(&format!("{{\"created\":true,\"bytes\":{}}}", body.len()));
            *response.status_mut() = http::StatusCode::CREATED;
            response
        }
        _ => Response::builder()
            .status(404)
            .header("content-type", "application/json")
            .body(full(r#"{"message":"Not Found"}"#))
            .unwrap(),
    }
}

/// A body of known length that is made while it is sent: [`noise`] of 64 KiB, again and again.
fn huge(length: u64) -> Response<Body> {
    let piece = Bytes::from(noise(HUGE_PIECE));
    let stream = futures_util::stream::unfold(length, move |left| {
        let piece = piece.slice(..piece.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        async move { (left > 0).then(|| (Ok::<_, Infallible>(Frame::data(piece.clone())), left - piece.len() as u64)) }
    });
    Response::builder()
        .header("content-type", "application/octet-stream")
        .header("content-length", length)
        .body(BodyExt::boxed(StreamBody::new(stream)))
        .unwrap()
}

/// What `/huge/N` repeats.
pub const HUGE_PIECE: usize = 64 * 1024;

/// Takes a body without keeping it, and tells its hash.
async fn hashed(mut body: Incoming) -> Response<Body> {
    let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0_u64);
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            hasher.update(data);
            bytes += data.len() as u64;
        }
    }
    json(&format!("{{\"blake3\":\"{}\",\"bytes\":{bytes}}}", hasher.finalize().to_hex()))
}

/// The secret that `/login` hands out.
pub const LOGIN_TOKEN: &str = "s3cr3t-l0gin-t0ken-4711-abcdef";

fn json(text: &str) -> Response<Body> {
    Response::builder().header("Content-Type", "application/json; charset=utf-8").body(full(text.to_owned())).unwrap()
}

fn coded(coding: &str, text: String) -> Response<Body> {
    let coding = retake::model::coding::Coding::named(coding).unwrap();
    let bytes = retake::model::coding::encode(text.as_bytes(), coding).unwrap();
    Response::builder()
        .header("content-type", "text/plain")
        .header("content-encoding", coding.name())
        .body(full(bytes))
        .unwrap()
}
