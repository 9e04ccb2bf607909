//! The front door: one port for proxy and plain clients, HTTP/1 and HTTP/2, plain and over TLS.
//!
//! It accepts connections, finds out what is spoken, terminates TLS with a certificate made for the host, reads what a
//! request is meant for, and hands each [`crate::wire::Call`] to an [`Answerer`].

mod connection;
mod own_answer;
mod service;
mod target;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::tls::Leaves;
use crate::wire::Answerer;
use crate::wire::detect::DETECTION_TIMEOUT;
use crate::wire::listener::{BindError, Listener, MAX_CONNECTIONS};
use crate::wire::socket::Socket;
use connection::{Connection, Shared};

/// What a server allows its clients.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time; further ones wait.
    pub connections: usize,
    /// How long a client inside a tunnel may be silent before the tunnel is taken for opaque.
    pub detection: Duration,
    /// How long a connection may be idle, and how long the head of a request may take.
    pub idle: Duration,
    /// How long calls in progress may take after the shutdown was asked for.
    pub drain: Duration,
    /// Streams at a time on one HTTP/2 connection.
    pub http2_streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: MAX_CONNECTIONS,
            detection: DETECTION_TIMEOUT,
            idle: Duration::from_secs(120),
            drain: Duration::from_secs(10),
            http2_streams: 250,
        }
    }
}

/// A bound server, not accepting yet.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
}

impl Server {
    /// Listens at `address`; port 0 takes a free one. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`] with the cure.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        Ok(Server { listener: Listener::bind(address)? })
    }

    /// Where it listens, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` is cancelled: then it stops accepting, closes idle connections, lets calls in progress
    /// finish within `limits.drain`, and breaks off what is left.
    ///
    /// # Cancellation
    /// Dropping the future breaks off every connection at once.
    pub async fn run<A: Answerer>(
        self,
        answerer: Arc<A>,
        leaves: Arc<Leaves>,
        limits: Limits,
        shutdown: CancellationToken,
    ) {
        let abort = CancellationToken::new();
        let _broken_off_when_dropped = abort.clone().drop_guard();
        let tasks = TaskTracker::new();
        let places = Arc::new(Semaphore::new(limits.connections));
        let drain = limits.drain;
        let shared = Arc::new(Shared {
            answerer,
            leaves,
            limits,
            stop: shutdown.clone(),
            abort: abort.clone(),
            tasks: tasks.clone(),
        });
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = self.listener.accept(&places) => accepted,
            };
            let local = accepted.stream.local_addr().unwrap_or(self.local_addr());
            let socket = Socket::new(accepted.stream);
            let reset = socket.reset();
            let connection = Connection { shared: shared.clone(), client: accepted.client, local, reset };
            let abort = abort.clone();
            tasks.spawn(async move {
                let _place = accepted.permit;
                abort.run_until_cancelled(connection.serve(Box::new(socket))).await;
            });
        }
        drop(self.listener);
        tasks.close();
        if tokio::time::timeout(drain, tasks.wait()).await.is_err() {
            tracing::warn!(connections = tasks.len(), "breaking off what did not finish in time");
            abort.cancel();
            tasks.wait().await;
        }
    }
}

#[cfg(test)]
mod tests;
