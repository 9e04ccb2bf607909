//! A request as it came off the wire, and what answers it.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::combinators::UnsyncBoxBody;
use jiff::Timestamp;

use crate::model::{Authority, Fields, HttpVersion, Informational, Origin};

/// How a call reached us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Through the proxy: absolute-form, or inside a CONNECT tunnel that was intercepted.
    Proxied(Origin),
    /// In origin-form to our own address, as to a plain server; with the `Host` it named and whether over TLS.
    Plain {
        /// `Host`, or the SNI where there is none.
        host: Option<Authority>,
        /// Whether the connection is TLS.
        tls: bool,
    },
}

/// A request with its body still streaming.
pub struct Call<B = hyper::body::Incoming> {
    /// When its head had been read.
    pub started_at: Timestamp,
    /// The same moment on the monotonic clock.
    pub started: Instant,
    /// The client.
    pub client: SocketAddr,
    /// The address at which the client reached us.
    pub local: SocketAddr,
    /// `Proxy-Authorization` of the CONNECT whose tunnel it came through.
    pub tunnel_credentials: Option<http::HeaderValue>,
    /// How it came.
    pub route: Route,
    /// The method.
    pub method: http::Method,
    /// The path as written.
    pub path: String,
    /// The query as written.
    pub query: Option<String>,
    /// What the client speaks.
    pub version: HttpVersion,
    /// Header field lines as written (HTTP/1), or as hyper gives them (HTTP/2).
    pub fields: Fields,
    /// hyper's view of the head: its map for forwarding, and the extensions that carry case, upgrades and, from an
    /// HTTP/1.1 client whose calls are passed on, the [`InterimSender`](super::screen::InterimSender).
    pub head: http::request::Parts,
    /// The body.
    pub body: B,
}

impl<B> Call<B> {
    /// The call without its body, and the body.
    pub fn split(self) -> (Call<()>, B) {
        self.replace_body(())
    }

    /// The same call with another body, and the body that it had.
    pub fn replace_body<C>(self, body: C) -> (Call<C>, B) {
        let Call { started_at, started, client, local, tunnel_credentials, route, method, .. } = self;
        let Call { path, query, version, fields, head, body: before, .. } = self;
        let call = Call {
            started_at,
            started,
            client,
            local,
            tunnel_credentials,
            route,
            method,
            path,
            query,
            version,
            fields,
            head,
            body,
        };
        (call, before)
    }
}

/// Head lines to be written exactly so on an HTTP/1 connection; put into the extensions of a response. Framing fields
/// stay hyper's: a line whose name hyper does not write is left out (unless the lines are `whole`), one that only hyper
/// writes is added at the end.
#[derive(Debug, Clone)]
pub struct HeadLines {
    /// The field lines in order.
    pub fields: Arc<Fields>,
    /// Interim responses to be written before the head; without those that were sent early.
    pub informational: Vec<Informational>,
    /// The lines are written whether hyper writes them or not: then its map need not hold them, framing aside.
    pub whole: bool,
}

/// How a connection ends in place of an answer, on purpose; put into the extensions of a response.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Broken {
    /// By a reset (RST), before a byte of the answer; in HTTP/2 the stream is reset.
    #[error("reset on purpose")]
    Reset,
    /// By its end, before a byte of the answer; in HTTP/2 the stream is reset.
    #[error("closed on purpose")]
    Closed,
    /// After the head come these bytes in place of the body. In HTTP/2 nothing is done: the body has to break off.
    #[error("garbage on purpose")]
    Garbage(Bytes),
}

/// Something that answers calls: the recorder's forwarding, or replay.
pub trait Answerer: Send + Sync + 'static {
    /// Answers one call. Dropping the future means that the client went away.
    fn answer(self: Arc<Self>, call: Call) -> impl Future<Output = http::Response<Body>> + Send;

    /// Whether calls are passed on: then `Call::head` carries the spelling of the field names for the next hop, and the
    /// way back for interim responses.
    fn passes_on(&self) -> bool {
        false
    }

    /// Takes over a tunnel whose content is no HTTP (or nothing was said within the detection time-out).
    fn opaque_tunnel(self: Arc<Self>, tunnel: OpaqueTunnel) -> impl Future<Output = ()> + Send;

    /// A client broke off the TLS handshake with us: it does not trust our certificate, or speaks another TLS.
    fn refused_certificate(&self, client: SocketAddr, authority: &Authority, reason: &str);

    /// A message that was refused before it became a call: ambiguous framing, a head over the limits, no HTTP.
    fn refused_message(&self, client: SocketAddr, reason: &str);
}

/// Marks an answer of our own that stands for one that did not come from the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered;

/// Where calls go that a replay does not answer itself.
pub trait Fallback: Send + Sync + 'static {
    /// Sends a call, whose body has been read, to its origin, and returns what comes back; an answer of our own when
    /// nothing does.
    fn pass(self: Arc<Self>, call: Call<Bytes>, origin: Origin) -> BoxFuture<'static, http::Response<Body>>;
}

/// A CONNECT tunnel that cannot be intercepted.
pub struct OpaqueTunnel {
    /// When CONNECT came.
    pub started_at: Timestamp,
    /// The client.
    pub client: SocketAddr,
    /// Where the tunnel was to go.
    pub authority: Authority,
    /// The client's side; bytes already read are given first.
    pub io: Box<dyn Duplex>,
    /// Why it cannot be intercepted, in words.
    pub reason: String,
}

/// A byte stream both ways.
pub trait Duplex: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Duplex for T {}

/// Why a body that we send broke off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer: ready bytes without an allocation, or a stream.
pub enum Body {
    /// All of it, at once.
    Full(Option<Bytes>),
    /// As it comes.
    Stream(UnsyncBoxBody<Bytes, BodyError>),
}

impl Body {
    /// A body of these bytes.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Body::Full((!bytes.is_empty()).then_some(bytes))
    }

    /// No body.
    pub fn empty() -> Self {
        Body::Full(None)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Body::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(http_body::Frame::data(bytes)))),
            Body::Stream(stream) => Pin::new(stream).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Full(bytes) => bytes.is_none(),
            Body::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Body::Full(bytes) => http_body::SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Body::Stream(stream) => stream.size_hint(),
        }
    }
}
