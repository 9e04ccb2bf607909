//! The row of a tunnel that was relayed blindly.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Recorder;
use crate::model::{
    Authority, Body, Exchange, ExchangeId, Failure, Fields, HttpVersion, Origin, Outcome, Relayed, RequestRecord,
    Scheme, Timings,
};

/// A relayed tunnel in progress. Dropped before its end (retake stops), it is recorded with what passed.
pub struct TunnelRow {
    recorder: Arc<Recorder>,
    exchange: Option<Box<Exchange>>,
    started: Instant,
    reason: String,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Recorder {
    /// Begins the row of a tunnel to `authority` that is relayed because of `reason`.
    pub fn tunnel(
        self: &Arc<Self>,
        started_at: Timestamp,
        client: SocketAddr,
        authority: Authority,
        reason: String,
    ) -> TunnelRow {
        let (id, number) = self.journal.recording.begin();
        TunnelRow {
            recorder: self.clone(),
            exchange: Some(Box::new(self.tunnel_exchange(id, number, started_at, client, authority))),
            started: Instant::now(),
            reason,
            counts: Arc::default(),
        }
    }

    fn tunnel_exchange(
        &self,
        id: ExchangeId,
        number: u64,
        started_at: Timestamp,
        client: SocketAddr,
        authority: Authority,
    ) -> Exchange {
        let request = RequestRecord {
            method: "CONNECT".to_owned(),
            origin: Origin::new(Scheme::Https, authority),
            path: String::new(),
            query: None,
            version: HttpVersion::Http11,
            fields: Fields::new(),
            trailers: Fields::new(),
            body: Body::empty(),
        };
        Exchange {
            id,
            number,
            session: self.session.clone(),
            tags: self.tags.clone(),
            started_at,
            client: Some(client.to_string()),
            request,
            outcome: Outcome::Cancelled(None),
            timings: Timings::default(),
            tls: None,
            note: None,
            partial: false,
            vendor: Default::default(),
        }
    }
}

impl TunnelRow {
    /// The connection to the other end stands.
    pub fn connected(&mut self) {
        let at = self.micros();
        if let Some(exchange) = &mut self.exchange {
            exchange.timings.connected_us = Some(at);
        }
    }

    /// Wraps the client's side, so that what passes is counted.
    pub fn counting<T>(&self, io: T) -> Counting<T> {
        Counting { io, counts: self.counts.clone() }
    }

    /// Records that the tunnel was relayed, with what passed.
    pub async fn relayed(mut self) {
        let outcome = self.passed();
        self.write(outcome).await;
    }

    /// Records that the other end could not be reached.
    pub async fn failed(mut self, failure: Failure) {
        self.write(Outcome::Failed(failure, None)).await;
    }

    fn passed(&self) -> Outcome {
        Outcome::Relayed(Relayed {
            sent: self.counts.sent.load(Ordering::Relaxed),
            received: self.counts.received.load(Ordering::Relaxed),
            reason: self.reason.clone(),
        })
    }

    async fn write(&mut self, outcome: Outcome) {
        if let Some(exchange) = self.ended(outcome) {
            // Counted and told by the recorder; tunnels are never held.
            let _ = self.recorder.append(exchange).await;
        }
    }

    fn ended(&mut self, outcome: Outcome) -> Option<Exchange> {
        let mut exchange = *self.exchange.take()?;
        exchange.timings.total_us = self.micros();
        exchange.outcome = outcome;
        Some(exchange)
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl Drop for TunnelRow {
    fn drop(&mut self) {
        let outcome = self.passed();
        if let Some(exchange) = self.ended(outcome) {
            let recorder = self.recorder.clone();
            self.recorder.spawn(async move { drop(recorder.append(exchange).await) });
        }
    }
}

/// The client's side of a tunnel, counted.
pub struct Counting<T> {
    io: T,
    counts: Arc<Counts>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Counting<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        self.counts.sent.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counting<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = &polled {
            self.counts.received.fetch_add(*written as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
