//! One connection from its first byte to its last: TLS, HTTP, a tunnel, and what is in the tunnel.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use tokio_rustls::LazyConfigAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Limits;
use super::service::{Session, Tunnel};
use super::target::Place;
use crate::model::Authority;
use crate::tls::Leaves;
use crate::wire::call::Duplex;
use crate::wire::detect::{Rewind, Spoken, detect};
use crate::wire::screen::{MAX_FIELDS, MAX_HEAD, Screen};
use crate::wire::socket::ResetOnClose;
use crate::wire::{Answerer, OpaqueTunnel};

/// A connection at any depth: a socket, TLS over it, TLS in a tunnel in TLS.
type Io = Rewind<Box<dyn Duplex>>;

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
/// How deep connections may nest: TLS to us, CONNECT, TLS in the tunnel.
const MAX_DEPTH: usize = 4;

/// What all connections of a server share.
pub(super) struct Shared<A> {
    pub(super) answerer: Arc<A>,
    pub(super) leaves: Arc<Leaves>,
    pub(super) limits: Limits,
    /// Finish what is in progress, take nothing new.
    pub(super) stop: CancellationToken,
    /// Break off.
    pub(super) abort: CancellationToken,
    pub(super) tasks: TaskTracker,
}

/// Spawns the streams of HTTP/2 connections, so that a drain waits for them, and breaks them off with the rest.
#[derive(Clone)]
struct Streams {
    tasks: TaskTracker,
    abort: CancellationToken,
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        let abort = self.abort.clone();
        self.tasks.spawn(async move { abort.run_until_cancelled(future).await.map(drop) });
    }
}

/// A client on its connection.
pub(super) struct Connection<A> {
    pub(super) shared: Arc<Shared<A>>,
    pub(super) client: SocketAddr,
    /// The address at which the client reached us.
    pub(super) local: SocketAddr,
    /// Makes its socket end with a reset.
    pub(super) reset: ResetOnClose,
}

/// What comes after a layer of a connection.
enum After {
    /// Nothing.
    End,
    /// Another layer, of which nothing is known.
    Layer(Io, Place),
    /// HTTP/2, as ALPN said.
    Http2(Io, Place),
}

impl<A: Answerer> Connection<A> {
    /// Serves a connection to its end.
    pub(super) async fn serve(self, io: Box<dyn Duplex>) {
        let mut io = Rewind::new(io, Bytes::new());
        let mut place = Place::Direct { tls: false, sni: None };
        let mut opened_at = Timestamp::now();
        for _ in 0..MAX_DEPTH {
            match self.layer(io, place, &mut opened_at).await {
                Ok(After::Layer(inner, inner_place)) => (io, place) = (inner, inner_place),
                Ok(After::Http2(inner, inner_place)) => return self.http2(inner, inner_place).await,
                Ok(After::End) => return,
                Err(error) => {
                    tracing::debug!(client = %self.client, %error, "connection broken off");
                    return;
                }
            }
        }
    }

    /// Finds out what is spoken, and serves it until it is over or turns into something else.
    async fn layer(&self, io: Io, place: Place, opened_at: &mut Timestamp) -> io::Result<After> {
        let (mut io, first) = io.into_parts();
        let plain_tunnel = matches!(place, Place::Tunnel { tls: false, .. });
        let limits = &self.shared.limits;
        let timeout = if plain_tunnel { limits.detection } else { limits.idle };
        let mut known = Rewind::new(&mut io, first);
        let stopped = self.shared.stop.cancelled();
        let (spoken, read) = tokio::select! {
            biased;
            found = detect(&mut known, timeout) => found?,
            () = stopped => return Ok(After::End),
        };
        // The detection read a little at a time; what it did not need is still in front of the socket.
        let (_, left) = known.into_parts();
        let io = Rewind::new(io, joined(read, left));
        match spoken {
            Spoken::Tls => self.tls(io, place).await,
            Spoken::Http2Preface => Ok(After::Http2(io, place)),
            Spoken::Http1 => self.http1(io, place, opened_at).await,
            Spoken::Closed => Ok(After::End),
            Spoken::Other(_) | Spoken::Timeout if plain_tunnel => {
                let silent = spoken == Spoken::Timeout;
                self.opaque(io, place, *opened_at, silent).await;
                Ok(After::End)
            }
            Spoken::Timeout => Ok(After::End),
            // The screen answers what is no HTTP with 400.
            Spoken::Other(_) => self.http1(io, place, opened_at).await,
        }
    }

    async fn opaque(&self, io: Io, place: Place, started_at: Timestamp, silent: bool) {
        let Place::Tunnel { authority, .. } = place else { return };
        let reason = match silent {
            true => "the client said nothing: the protocol is one in which the server speaks first",
            false => "the client speaks neither TLS nor HTTP",
        };
        let reason = reason.to_owned();
        let tunnel = OpaqueTunnel { started_at, client: self.client, authority, io: Box::new(io), reason };
        let relay = self.shared.answerer.clone().opaque_tunnel(tunnel);
        // Such a tunnel has no end of its own that a drain could wait for.
        self.shared.stop.run_until_cancelled(relay).await;
    }

    async fn tls(&self, io: Io, place: Place) -> io::Result<After> {
        let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.handshake(io, &place));
        let (io, http2, sni) = match handshake.await {
            Ok(Ok(done)) => done,
            failed => {
                let reason = match failed {
                    Ok(Err(error)) => in_words(&error),
                    _ => "the client did not finish the TLS handshake in time".to_owned(),
                };
                let authority = match place {
                    Place::Tunnel { authority, .. } => authority,
                    Place::Direct { .. } => Authority::new(&self.local.ip().to_string(), self.local.port()),
                };
                self.shared.answerer.refused_certificate(self.client, &authority, &reason);
                return Ok(After::End);
            }
        };
        let place = match place {
            Place::Direct { .. } => Place::Direct { tls: true, sni },
            Place::Tunnel { authority, credentials, .. } => Place::Tunnel { authority, tls: true, credentials },
        };
        Ok(if http2 { After::Http2(io, place) } else { After::Layer(io, place) })
    }

    /// The TLS handshake: the name that the client asks for picks the certificate; without one, the host of CONNECT
    /// or the address at which the client reached us.
    async fn handshake(&self, io: Io, place: &Place) -> io::Result<(Io, bool, Option<String>)> {
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), io).await?;
        let hello = start.client_hello();
        let sni = hello.server_name().map(str::to_owned);
        let http2 = hello.alpn().is_some_and(|mut offered| offered.any(|protocol| protocol == b"h2"));
        let host = match (&sni, place) {
            (Some(name), _) => name.clone(),
            (None, Place::Tunnel { authority, .. }) => authority.host().to_owned(),
            (None, Place::Direct { .. }) => self.local.ip().to_canonical().to_string(),
        };
        let config = self.shared.leaves.server_config(&host, http2).map_err(io::Error::other)?;
        let stream = start.into_stream(config).await?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((Rewind::new(Box::new(stream), Bytes::new()), http2, sni))
    }

    async fn http1(&self, io: Io, place: Place, opened_at: &mut Timestamp) -> io::Result<After> {
        let (screen, heads) = Screen::server(io);
        let session = Arc::new(self.session(place, Some(heads.clone())));
        let serving = session.clone();
        let service = service_fn(move |request| serving.clone().handle(request));
        let mut connection = pin!(self.http1_builder().serve_connection(TokioIo::new(screen), service).with_upgrades());
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = self.shared.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Some(refusal) = heads.refusal() {
            self.shared.answerer.refused_message(self.client, &refusal.reason);
        }
        if let Err(error) = result {
            if error.is_parse() {
                // Such as a target that is no URI; hyper answered 400 itself.
                self.shared.answerer.refused_message(self.client, &error.to_string());
            }
            tracing::debug!(client = %self.client, %error, "HTTP/1 connection broken off");
            return Ok(After::End);
        }
        let tunnel = session.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
        match tunnel {
            Some(tunnel) => {
                *opened_at = tunnel.started_at;
                enter(tunnel).await
            }
            None => Ok(After::End),
        }
    }

    async fn http2(&self, io: Io, place: Place) {
        let session = Arc::new(self.session(place, None));
        let service = service_fn(move |request| session.clone().handle(request));
        let mut connection = pin!(self.http2_builder().serve_connection(TokioIo::new(io), service));
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = self.shared.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            tracing::debug!(client = %self.client, %error, "HTTP/2 connection broken off");
        }
    }

    fn session(&self, place: Place, heads: Option<crate::wire::screen::ServerHeads>) -> Session<A> {
        let answerer = self.shared.answerer.clone();
        Session {
            answerer,
            client: self.client,
            local: self.local,
            place,
            heads,
            reset: self.reset.clone(),
            tunnel: Mutex::new(None),
        }
    }

    fn http1_builder(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.shared.limits.idle)
            .preserve_header_case(self.shared.answerer.passes_on())
            .auto_date_header(false)
            // hyper counts one less than it says; the screen has the limit.
            .max_headers(MAX_FIELDS + 2)
            .max_buf_size(2 * MAX_HEAD);
        builder
    }

    fn http2_builder(&self) -> http2::Builder<Streams> {
        let streams = Streams { tasks: self.shared.tasks.clone(), abort: self.shared.abort.clone() };
        let mut builder = http2::Builder::new(streams);
        builder
            .timer(TokioTimer::new())
            .auto_date_header(false)
            .max_header_list_size(MAX_HEAD as u32)
            .max_concurrent_streams(self.shared.limits.http2_streams)
            .keep_alive_interval(self.shared.limits.idle)
            .keep_alive_timeout(Duration::from_secs(20));
        builder
    }
}

/// Takes the connection back from hyper, with all that was read of it.
async fn enter(tunnel: Tunnel) -> io::Result<After> {
    let upgraded = tunnel.upgrade.await.map_err(io::Error::other)?;
    let place = Place::Tunnel { authority: tunnel.authority, tls: false, credentials: tunnel.credentials };
    let io = match upgraded.downcast::<TokioIo<Screen<Io>>>() {
        Ok(parts) => {
            let (io, held) = parts.io.into_inner().into_parts();
            let (io, first) = io.into_parts();
            Rewind::new(io, joined(joined(parts.read_buf, held), first))
        }
        Err(upgraded) => Rewind::new(Box::new(TokioIo::new(upgraded)) as Box<dyn Duplex>, Bytes::new()),
    };
    Ok(After::Layer(io, place))
}

fn joined(first: Bytes, second: Bytes) -> Bytes {
    match (first.is_empty(), second.is_empty()) {
        (_, true) => first,
        (true, _) => second,
        (false, false) => {
            let mut both = BytesMut::from(first);
            both.extend_from_slice(&second);
            both.freeze()
        }
    }
}

/// Why a handshake with a client failed.
fn in_words(error: &io::Error) -> String {
    use rustls::AlertDescription as Alert;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::AlertReceived(alert)) => match alert {
            Alert::UnknownCA => "it does not trust retake's CA (alert unknown_ca)".to_owned(),
            Alert::BadCertificate => "it refuses the certificate (alert bad_certificate)".to_owned(),
            Alert::CertificateUnknown => "it refuses the certificate (alert certificate_unknown)".to_owned(),
            Alert::CertificateExpired => "it takes the certificate for expired (alert certificate_expired)".to_owned(),
            other => format!("it broke off the handshake (alert {other:?})"),
        },
        Some(other) => format!("the TLS handshake failed: {other}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof || error.kind() == io::ErrorKind::ConnectionReset => {
            "it closed the connection during the TLS handshake: perhaps it does not trust retake's CA".to_owned()
        }
        None => format!("the TLS handshake failed: {error}"),
    }
}
