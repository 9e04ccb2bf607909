//! Opening connections: a name is looked up once, and the address that is dialled is the one that was checked.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use tokio::net::TcpStream;
use tower_service::Service;

use super::io::{Tcp, UpstreamIo};
use super::{Limits, words};
use crate::model::{Authority, FailureKind, Scheme};
use crate::wire::BodyError;

/// Why no connection came about, in words.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ConnectError {
    /// The class.
    pub kind: FailureKind,
    /// Names the host, the cause and the cure.
    pub message: String,
}

impl ConnectError {
    fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        ConnectError { kind, message: message.into() }
    }
}

/// Which TLS origins speak HTTP/2, as last seen.
#[derive(Default)]
pub(super) struct Protocols(Mutex<HashMap<Authority, bool>>);

impl Protocols {
    /// More origins than that are forgotten all at once: it costs one guess each.
    const REMEMBERED: usize = 4096;

    pub(super) fn get(&self, authority: &Authority) -> Option<bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(authority).copied()
    }

    fn set(&self, authority: Authority, http2: bool) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= Self::REMEMBERED {
            known.clear();
        }
        known.insert(authority, http2);
    }
}

/// Connects hyper's client to an origin: TCP by [`dial`], TLS by hyper-rustls, and the facts of both.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<TcpConnector>,
    total: Duration,
    protocols: Option<Arc<Protocols>>,
}

impl Connector {
    pub(super) fn new(tls: rustls::ClientConfig, limits: &Limits, http2: bool, protocols: Arc<Protocols>) -> Self {
        let tcp = TcpConnector { limit: limits.connect, allow_link_local: limits.allow_link_local };
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let https = if http2 { builder.enable_http2().wrap_connector(tcp) } else { builder.wrap_connector(tcp) };
        // What the client without HTTP/2 sees says nothing about the other.
        let protocols = http2.then_some(protocols);
        Connector { https, total: limits.connect + limits.handshake, protocols }
    }
}

type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BodyError>> + Send>>;

impl Service<Uri> for Connector {
    type Response = UpstreamIo;
    type Error = BodyError;
    type Future = Connecting<UpstreamIo>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.https.call(uri.clone());
        let (total, protocols) = (self.total, self.protocols.clone());
        Box::pin(async move {
            let authority = authority_of(&uri)?;
            let stream = tokio::time::timeout(total, connecting).await.map_err(|_| {
                let message = format!("the TLS handshake with {authority} was not done within {}", words(total));
                ConnectError::new(FailureKind::TimedOut, message)
            })??;
            let io = UpstreamIo::new(stream);
            if let (Some(protocols), Some("https")) = (protocols, uri.scheme_str()) {
                protocols.set(authority, io.is_http2());
            }
            Ok(io)
        })
    }
}

/// The TCP part of [`Connector`].
#[derive(Clone)]
pub(super) struct TcpConnector {
    limit: Duration,
    allow_link_local: bool,
}

impl Service<Uri> for TcpConnector {
    type Response = Tcp;
    type Error = BodyError;
    type Future = Connecting<Tcp>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (limit, allow_link_local) = (self.limit, self.allow_link_local);
        Box::pin(async move {
            let authority = authority_of(&uri)?;
            Ok(Tcp::new(dial(&authority, limit, allow_link_local).await?))
        })
    }
}

fn authority_of(uri: &Uri) -> Result<Authority, ConnectError> {
    let scheme = if uri.scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http };
    let host = uri.host().ok_or_else(|| ConnectError::new(FailureKind::Unresolved, "the request names no host"))?;
    Ok(Authority::new(host, uri.port_u16().unwrap_or(scheme.default_port())))
}

/// Opens a TCP connection within `limit`, the look-up included. Addresses are tried in the resolver's order, the next
/// one as soon as one fails or after 250 ms (RFC 8305 section 5).
///
/// # Errors
/// The name has no address, nobody listens, no answer in time, or the address is one of our own listeners or, unless
/// allowed, link-local.
pub async fn dial(authority: &Authority, limit: Duration, allow_link_local: bool) -> Result<TcpStream, ConnectError> {
    tokio::time::timeout(limit, dial_any(authority, allow_link_local)).await.unwrap_or_else(|_| {
        let message = format!("{authority} did not accept a connection within {}", words(limit));
        Err(ConnectError::new(FailureKind::TimedOut, message))
    })
}

async fn dial_any(authority: &Authority, allow_link_local: bool) -> Result<TcpStream, ConnectError> {
    const HEAD_START: Duration = Duration::from_millis(250);
    let addresses = resolve(authority).await?;
    for address in &addresses {
        check(authority, *address, allow_link_local)?;
    }
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut failure = None;
    loop {
        match waiting.next() {
            Some(address) => attempts.push(connect(address)),
            None if attempts.is_empty() => break,
            None => {}
        }
        let more = waiting.len() > 0;
        tokio::select! {
            Some(result) = attempts.next() => match result {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = Some(error),
            },
            () = tokio::time::sleep(HEAD_START), if more => {}
        }
    }
    Err(refused(authority, failure))
}

/// Sockets that this process has begun to open towards origins.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// How many sockets this process has begun to open towards origins, the refused ones too. The receipt of a replay shows
/// by how many it grew: none.
pub fn sockets_opened() -> u64 {
    OPENED.load(Ordering::Relaxed)
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    OPENED.fetch_add(1, Ordering::Relaxed);
    let stream = TcpStream::connect(address).await?;
    // Small writes wait for no acknowledgement; a socket that refuses the option works all the same.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn resolve(authority: &Authority) -> Result<Vec<SocketAddr>, ConnectError> {
    if let Ok(address) = authority.host().parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, authority.port())]);
    }
    let unresolved = |cause: String| {
        let message = format!(
            "the name `{}` has no address{cause}: check the spelling, the network and the name server",
            authority.host()
        );
        ConnectError::new(FailureKind::Unresolved, message)
    };
    let found = tokio::net::lookup_host((authority.host(), authority.port())).await;
    let addresses: Vec<_> = found.map_err(|error| unresolved(format!(" ({error})")))?.collect();
    if addresses.is_empty() { Err(unresolved(String::new())) } else { Ok(addresses) }
}

/// Refuses addresses where retake will not go. The address is the one that is dialled: there is no second look-up.
fn check(authority: &Authority, address: SocketAddr, allow_link_local: bool) -> Result<(), ConnectError> {
    if crate::wire::own::is_own(address) {
        let message = format!(
            "the request to {authority} would come back to retake itself: name the server that you mean, not retake's own address"
        );
        return Err(ConnectError::new(FailureKind::Forbidden, message));
    }
    if !allow_link_local && is_link_local(address.ip()) {
        let message = format!(
            "{authority} is at the link-local address {}, where clouds keep their metadata services: retake does not go there",
            address.ip()
        );
        return Err(ConnectError::new(FailureKind::Forbidden, message));
    }
    Ok(())
}

/// `169.254.0.0/16`, `fe80::/10`, and the metadata address `fd00:ec2::254`; IPv4 in IPv6 is seen through.
fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => {
            v6.segments()[0] & 0xffc0 == 0xfe80 || v6.segments() == [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254]
        }
    }
}

fn refused(authority: &Authority, failure: Option<io::Error>) -> ConnectError {
    let Some(error) = failure else {
        return ConnectError::new(FailureKind::Unresolved, format!("the name `{}` has no address", authority.host()));
    };
    let message = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("nobody listens at {authority} (connection refused): is the server running, and is the port right?")
        }
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            format!("the network does not reach {authority} ({error})")
        }
        _ => format!("no connection to {authority}: {error}"),
    };
    ConnectError::new(FailureKind::Refused, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn the_second_address_is_tried_at_once_when_the_first_refuses() {
        // `localhost` may be ::1 first; the listener is on 127.0.0.1 only.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = Authority::new("localhost", listener.local_addr().unwrap().port());
        let before = sockets_opened();
        let stream = dial(&authority, LIMIT, false).await.unwrap();
        assert!(stream.nodelay().unwrap());
        assert!(sockets_opened() > before, "every attempt is counted");
    }

    #[tokio::test]
    async fn each_refusal_has_its_kind_and_names_the_host() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = listener.local_addr().unwrap().port();
        drop(listener);
        for (host, port, kind) in [
            ("127.0.0.1", closed, FailureKind::Refused),
            ("no-such-host.invalid", 80, FailureKind::Unresolved),
            ("169.254.169.254", 80, FailureKind::Forbidden),
            ("::ffff:169.254.169.254", 80, FailureKind::Forbidden),
            ("fd00:ec2::254", 80, FailureKind::Forbidden),
            ("fe80::1", 80, FailureKind::Forbidden),
        ] {
            let error = dial(&Authority::new(host, port), LIMIT, false).await.unwrap_err();
            assert_eq!(error.kind, kind, "{host}: {error}");
            assert!(error.message.contains(host), "{error}");
        }
    }
}
