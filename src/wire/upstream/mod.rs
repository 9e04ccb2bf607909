//! The way to origins: a pooled client over our own connector, with limits, facts of the connection, and failures in
//! words.
//!
//! Two clients share everything but ALPN: the first speaks HTTP/2 where the origin offers it, the second only HTTP/1.1,
//! for requests that want to change the protocol (an upgrade dies on HTTP/2, RFC 9113 section 8.6).

mod connect;
mod explain;
mod io;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

pub use connect::{ConnectError, dial, sockets_opened};
pub use explain::explain;
pub use io::{Connection, Outgoing};

use crate::model::{Authority, Failure, FailureKind, Origin};
use crate::wire::BodyError;
use connect::{Connector, Protocols};

/// Limits towards origins. All times are upper bounds for one step, not for a whole exchange.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Looking the name up and opening the TCP connection.
    pub connect: Duration,
    /// The TLS handshake.
    pub handshake: Duration,
    /// From the last byte of the request that went out to the head of the answer.
    pub first_byte: Duration,
    /// Silence within a body, either way.
    pub idle: Duration,
    /// How long an unused connection is kept.
    pub keep: Duration,
    /// Unused connections kept per origin.
    pub keep_per_origin: usize,
    /// Size of a response head, in bytes.
    pub head_bytes: usize,
    /// Field lines of a response head.
    pub head_fields: usize,
    /// Whether link-local addresses may be called, the metadata services of clouds among them.
    pub allow_link_local: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            // Answers of language models take minutes; the client has its own patience.
            first_byte: Duration::from_secs(300),
            idle: Duration::from_secs(600),
            keep: Duration::from_secs(30),
            keep_per_origin: 64,
            head_bytes: 256 * 1024,
            head_fields: 200,
            allow_link_local: false,
        }
    }
}

/// Calls origins. `B` is the body of the requests.
pub struct Upstream<B> {
    pooled: Client<Connector, B>,
    http1: Client<Connector, B>,
    protocols: Arc<Protocols>,
    limits: Limits,
}

impl<B> Upstream<B>
where
    B: http_body::Body<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
{
    /// Clients that trust what `tls` trusts. `tls` must not name ALPN protocols.
    pub fn new(tls: rustls::ClientConfig, limits: Limits) -> Self {
        let protocols = Arc::new(Protocols::default());
        Upstream {
            pooled: client(Connector::new(tls.clone(), &limits, true, protocols.clone()), &limits),
            http1: client(Connector::new(tls, &limits, false, protocols.clone()), &limits),
            protocols,
            limits,
        }
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether a TLS origin was last seen to speak HTTP/2; `None` before the first connection.
    pub fn speaks_http2(&self, authority: &Authority) -> Option<bool> {
        self.protocols.get(authority)
    }

    /// Sends a request with an absolute URI, and waits for the head of the answer. `last_sent` tells when a byte of the
    /// request's body last went out: the wait for the answer is counted from there. With `upgrade`, HTTP/1.1 is used.
    ///
    /// A request on a kept connection that turns out to be closed is sent again only if none of it had been sent.
    ///
    /// # Errors
    /// Why there is no answer, in words that name the host and the cure.
    pub async fn send(
        &self,
        request: Request<B>,
        origin: &Origin,
        upgrade: bool,
        last_sent: impl Fn() -> Option<Instant>,
    ) -> Result<Response<Incoming>, Failure> {
        let client = if upgrade { &self.http1 } else { &self.pooled };
        let mut answer = client.request(request);
        let mut deadline = Instant::now() + self.limits.first_byte;
        loop {
            match tokio::time::timeout_at(deadline.into(), &mut answer).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => return Err(explain(&error, origin)),
                Err(_) => {
                    let later = last_sent().map(|at| at + self.limits.first_byte);
                    match later.filter(|later| *later > deadline) {
                        Some(later) => deadline = later,
                        None => return Err(no_answer(origin, self.limits.first_byte)),
                    }
                }
            }
        }
    }
}

fn client<B>(connector: Connector, limits: &Limits) -> Client<Connector, B>
where
    B: http_body::Body<Data = Bytes> + Send,
{
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(limits.keep)
        .pool_max_idle_per_host(limits.keep_per_origin)
        .http1_preserve_header_case(true)
        .http1_max_headers(limits.head_fields)
        .http1_max_buf_size(limits.head_bytes.max(512 * 1024))
        .http2_max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .http2_adaptive_window(true)
        // Only fills a gap: on HTTP/1 when we left `Host` out because the origin might have spoken HTTP/2, where a
        // `Host` beside `:authority` is refused by some servers.
        .set_host(true)
        .build(connector)
}

fn no_answer(origin: &Origin, waited: Duration) -> Failure {
    Failure {
        kind: FailureKind::TimedOut,
        message: format!("{} accepted the request, and sent no answer within {}", origin.authority, words(waited)),
    }
}

/// A duration for a message: `10 s`, or `250 ms`.
pub fn words(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}
