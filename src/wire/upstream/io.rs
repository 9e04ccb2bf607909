//! The byte streams that hyper's client speaks over, and the facts of the connection that travel with each response.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{CaptureConnection, Connected, Connection as Connecting, capture_connection};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::model::{Fields, TlsFacts};
use crate::wire::screen::{ClientHeads, Received, Screen};

/// What is known of the connection that an answer came over; in the extensions of every response.
#[derive(Clone)]
pub struct Connection(Arc<Facts>);

struct Facts {
    heads: Option<ClientHeads>,
    connected: Instant,
    secured: Option<Instant>,
    tls: Option<TlsFacts>,
    unused: AtomicBool,
}

impl Connection {
    /// The head of a response as written, with the interim ones before it; `None` on HTTP/2.
    pub fn head(&self, status: http::StatusCode, fields: &http::HeaderMap) -> Option<Received> {
        self.0.heads.as_ref()?.take(status, fields)
    }

    /// When the TCP connection stood and when TLS was done: for the first caller only, since later requests find the
    /// connection as it is.
    pub fn opened(&self) -> Option<(Instant, Option<Instant>)> {
        self.0.unused.swap(false, Ordering::Relaxed).then_some((self.0.connected, self.0.secured))
    }

    /// Version, cipher and ALPN, on a TLS connection.
    pub fn tls(&self) -> Option<&TlsFacts> {
        self.0.tls.as_ref()
    }
}

/// The connection that a request goes out on, once there is one: for what must be known before the answer.
#[derive(Debug)]
pub struct Outgoing(CaptureConnection);

impl Outgoing {
    /// To be asked for before `request` is sent.
    pub fn of<B>(request: &mut http::Request<B>) -> Self {
        Outgoing(capture_connection(request))
    }

    /// The fields, as written, of interim response number `index` (from 0) to this request; `None` on HTTP/2.
    pub fn interim(&self, index: usize, status: http::StatusCode, fields: &http::HeaderMap) -> Option<Fields> {
        let mut extras = http::Extensions::new();
        self.0.connection_metadata().as_ref()?.get_extras(&mut extras);
        let connection = extras.get::<Connection>()?;
        connection.0.heads.as_ref()?.interim(index, status, fields)
    }
}

/// A TCP connection to an origin, and when it stood.
pub(super) struct Tcp {
    stream: TokioIo<TcpStream>,
    connected: Instant,
}

impl Tcp {
    pub(super) fn new(stream: TcpStream) -> Self {
        Tcp { stream: TokioIo::new(stream), connected: Instant::now() }
    }
}

impl Connecting for Tcp {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Tcp {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}

/// A connection to an origin, plain or TLS, as hyper's client gets it: screened on HTTP/1.
pub struct UpstreamIo {
    stream: Stream,
    connection: Connection,
}

#[expect(clippy::large_enum_variant, reason = "one per connection, and not moved once it is open")]
enum Stream {
    Http1(TokioIo<Screen<TokioIo<MaybeHttpsStream<Tcp>>>>),
    Http2(MaybeHttpsStream<Tcp>),
}

impl UpstreamIo {
    pub(super) fn new(stream: MaybeHttpsStream<Tcp>) -> Self {
        let (connected, secured, tls) = match &stream {
            MaybeHttpsStream::Http(tcp) => (tcp.connected, None, None),
            MaybeHttpsStream::Https(tls) => {
                let (tcp, session) = tls.inner().get_ref();
                (tcp.inner().connected, Some(Instant::now()), Some(tls_facts(session)))
            }
        };
        let http2 = tls.as_ref().is_some_and(|facts| facts.alpn.as_deref() == Some("h2"));
        let (stream, heads) = if http2 {
            (Stream::Http2(stream), None)
        } else {
            let (screen, heads) = Screen::client(TokioIo::new(stream));
            (Stream::Http1(TokioIo::new(screen)), Some(heads))
        };
        let facts = Facts { heads, connected, secured, tls, unused: AtomicBool::new(true) };
        UpstreamIo { stream, connection: Connection(Arc::new(facts)) }
    }

    pub(super) fn is_http2(&self) -> bool {
        matches!(self.stream, Stream::Http2(_))
    }
}

fn tls_facts(session: &rustls::ClientConnection) -> TlsFacts {
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3".to_owned(),
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2".to_owned(),
        other => format!("{other:?}"),
    };
    let cipher = session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())).unwrap_or_default();
    let alpn = session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    TlsFacts { version, cipher, alpn }
}

impl Connecting for UpstreamIo {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(self.connection.clone());
        if self.is_http2() { connected.negotiated_h2() } else { connected }
    }
}

impl Read for UpstreamIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Http1(io) => Pin::new(io).poll_read(cx, buf),
            Stream::Http2(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl Write for UpstreamIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Http1(io) => Pin::new(io).poll_write(cx, buf),
            Stream::Http2(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Http1(io) => Pin::new(io).poll_flush(cx),
            Stream::Http2(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Http1(io) => Pin::new(io).poll_shutdown(cx),
            Stream::Http2(io) => Pin::new(io).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Http1(io) => io.is_write_vectored(),
            Stream::Http2(io) => io.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Http1(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Stream::Http2(io) => Pin::new(io).poll_write_vectored(cx, bufs),
        }
    }
}
