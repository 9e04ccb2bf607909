//! The limits: what bare hyper does, without anything that retake is for; and the origin behind the proxies.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A body of a kibibyte that is JSON.
pub fn kibibyte(number: usize) -> String {
    let head = format!("{{\"id\":{number},\"fill\":\"");
    let fill = "x".repeat(1024 - head.len() - 2);
    format!("{head}{fill}\"}}")
}

/// A body that asks for one of many.
pub fn search(number: usize) -> String {
    format!(r#"{{"kind":"order","number":{number},"tags":["new","paid"],"sort":{{"by":"date","down":true}}}}"#)
}

/// A file of the test certificates.
pub fn certificate(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("certs").join(name)
}

/// A client configuration that trusts the certificates of this PEM file and no others.
pub fn trusting(file: &Path) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file).expect("a certificate")).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

fn tls_server(resolver: Arc<dyn ResolvesServerCert>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_cert_resolver(resolver)))
}

/// A certificate per name that is asked for, made when it is first asked for.
#[derive(Debug)]
struct Leaves {
    issuer: Issuer<'static, KeyPair>,
    key: KeyPair,
    signer: Arc<dyn SigningKey>,
    made: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl Leaves {
    fn new() -> Self {
        let pem = |name| std::fs::read_to_string(certificate(name)).expect("a test certificate");
        let ca_key = KeyPair::from_pem(&pem("ca-key.pem")).expect("a key");
        let issuer = Issuer::from_ca_cert_pem(&pem("ca.pem"), ca_key).expect("a CA");
        let key = KeyPair::generate().expect("a key");
        let der = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).expect("a key");
        Leaves { issuer, key, signer, made: Mutex::default() }
    }
}

impl ResolvesServerCert for Leaves {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or("127.0.0.1").to_owned();
        let mut made = self.made.lock().ok()?;
        let leaf = made.entry(name).or_insert_with_key(|name| {
            let params = CertificateParams::new([name.clone()]).expect("a name");
            let leaf = params.signed_by(&self.key, &self.issuer).expect("a leaf");
            Arc::new(CertifiedKey::new(vec![leaf.der().clone()], self.signer.clone()))
        });
        Some(Arc::clone(leaf))
    }
}

fn run<F: Future>(task: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(task);
}

async fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("http://{}", listener.local_addr().expect("an address"));
    listener
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let accepted = listener.accept().await.expect("a connection");
    let _ = accepted.0.set_nodelay(true);
    accepted
}

type Boxed = Response<BoxBody<Bytes, hyper::Error>>;

fn json(status: u16, body: Bytes) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Full::new(body)).expect("a response")
}

fn boxed(response: Response<Full<Bytes>>) -> Boxed {
    response.map(|body| body.map_err(|never| match never {}).boxed())
}

async fn serve<I, F, B>(io: I, answer: impl Fn(Request<Incoming>) -> F)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Response<B>>,
    B: hyper::body::Body<Data = Bytes, Error: std::error::Error + Send + Sync> + 'static,
{
    let service = service_fn(|request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let builder = hyper::server::conn::http1::Builder::new().timer(TokioTimer::new()).clone();
    let _ = builder.serve_connection(TokioIo::new(io), service).with_upgrades().await;
}

/// Answers `/items/N` from a hash map, and a POST by its body from another.
pub fn server(stubs: usize) {
    let map: HashMap<String, Bytes> =
        (0..stubs).map(|number| (format!("/items/{number}"), Bytes::from(kibibyte(number)))).collect();
    let posts: HashMap<Bytes, Bytes> =
        (0..stubs.min(1_000)).map(|number| (search(number).into(), kibibyte(number).into())).collect();
    let (map, posts) = (Arc::new(map), Arc::new(posts));
    run(async move {
        let listener = listen().await;
        loop {
            let (stream, _) = accept(&listener).await;
            let (map, posts) = (Arc::clone(&map), Arc::clone(&posts));
            tokio::spawn(async move {
                let answer = async |request: Request<Incoming>| {
                    let body = match request.method() == Method::POST {
                        false => map.get(request.uri().path()).cloned(),
                        true => match request.into_body().collect().await {
                            Ok(asked) => posts.get(&asked.to_bytes()).cloned(),
                            Err(_) => None,
                        },
                    };
                    json(if body.is_some() { 200 } else { 404 }, body.unwrap_or_default())
                };
                serve(stream, answer).await;
            });
        }
    });
}

/// An origin: `/bytes/N` is that many bytes, all else a kibibyte of JSON. With `tls`, over TLS as `localhost`.
pub fn origin(tls: bool) {
    let chain = CertificateDer::from_pem_file(certificate("localhost.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(certificate("localhost-key.pem")).expect("a key");
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).expect("a key");
    let certified = CertifiedKey::new(vec![chain], key);
    let acceptor = tls_server(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    let item = Bytes::from(kibibyte(1));
    let piece = Bytes::from(vec![7; 256 * 1024]);
    run(async move {
        let listener = listen().await;
        loop {
            let (stream, _) = accept(&listener).await;
            let (acceptor, item, piece) = (acceptor.clone(), item.clone(), piece.clone());
            tokio::spawn(async move {
                let answer = async |request: Request<Incoming>| {
                    let length = request.uri().path().strip_prefix("/bytes/").and_then(|text| text.parse().ok());
                    let _ = request.into_body().collect().await;
                    length.map_or_else(|| boxed(json(200, item.clone())), |length| many(&piece, length))
                };
                if !tls {
                    serve(stream, answer).await;
                } else if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, answer).await;
                }
            });
        }
    });
}

/// A body of `length` bytes, a multiple of `piece`.
fn many(piece: &Bytes, length: usize) -> Boxed {
    let frames = vec![piece.clone(); length / piece.len()].into_iter().map(|piece| Ok(Frame::data(piece)));
    let body = StreamBody::new(stream::iter(frames)).boxed();
    Response::builder().header("content-length", length).body(body).expect("a response")
}

type Upstream = Client<hyper_rustls::HttpsConnector<HttpConnector>, Incoming>;

/// What every connection of the bare proxy shares.
struct Proxy {
    upstream: Upstream,
    tls: TlsAcceptor,
}

/// A forward proxy that records nothing: absolute-form requests, and CONNECT with TLS ended by a leaf made for the
/// name. What goes to a name in `.test` it answers itself.
pub fn proxy() {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.enforce_http(false);
    let trusted = rustls::ClientConfig::clone(&trusting(&certificate("ca.pem")));
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(trusted)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    let upstream = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    let proxy = Arc::new(Proxy { upstream, tls: tls_server(Arc::new(Leaves::new())) });
    run(async move {
        let listener = listen().await;
        loop {
            let (stream, _) = accept(&listener).await;
            let proxy = Arc::clone(&proxy);
            tokio::spawn(async move { serve(stream, |request| proxy.clone().direct(request)).await });
        }
    });
}

impl Proxy {
    async fn direct(self: Arc<Self>, mut request: Request<Incoming>) -> Boxed {
        if request.method() != Method::CONNECT {
            return self.forward(request).await;
        }
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let Ok(upgraded) = upgrade.await else { return };
            // Bare: without the layers that hyper puts around what it hands over.
            let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else { return };
            let Ok(stream) = self.tls.accept(parts.io.into_inner()).await else { return };
            serve(stream, |request| self.clone().inside(request, host.clone())).await;
        });
        boxed(Response::new(Full::default()))
    }

    async fn inside(self: Arc<Self>, mut request: Request<Incoming>, host: String) -> Boxed {
        if host.contains(".test:") {
            return boxed(json(200, Bytes::from_static(&[b'x'; 1024])));
        }
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        match format!("https://{host}{path}").parse() {
            Ok(uri) => *request.uri_mut() = uri,
            Err(_) => return boxed(json(400, Bytes::new())),
        }
        self.forward(request).await
    }

    async fn forward(&self, request: Request<Incoming>) -> Boxed {
        match self.upstream.request(request).await {
            Ok(response) => response.map(BodyExt::boxed),
            Err(_) => boxed(json(502, Bytes::new())),
        }
    }
}
