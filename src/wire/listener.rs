//! Listening: binding with errors that say what to do, and accepting no more than we can serve.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::own;

/// How many connections are served at a time, unless told otherwise.
pub const MAX_CONNECTIONS: usize = 4096;
const BACKLOG: u32 = 1024;

/// Why we cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else does.
    #[error(
        "{0} is in use: stop what listens there, or choose another address with `--listen`, or port 0 for a free one"
    )]
    InUse(SocketAddr),
    /// A port below 1024, mostly.
    #[error("listening at {0} is not permitted: choose a port above 1023 with `--listen`")]
    NotPermitted(SocketAddr),
    /// The address is not one of this machine.
    #[error("{0} is no address of this machine: choose another one with `--listen`")]
    NotHere(SocketAddr),
    /// Anything else.
    #[error("cannot listen at {address}: {source}")]
    Other {
        /// Where we meant to listen.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl BindError {
    /// Whether who listens at `address` is in the way.
    pub fn is_about(&self, address: SocketAddr) -> bool {
        matches!(self, BindError::InUse(wanted) if *wanted == address)
    }
}

/// A bound socket, known as our own while it lives.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
    _own: own::Registered,
}

/// A client's connection, with its place among those that are served.
#[derive(Debug)]
pub struct Accepted {
    /// The connection, without Nagle's delay.
    pub stream: TcpStream,
    /// The client.
    pub client: SocketAddr,
    /// Given back when the connection is over.
    pub permit: OwnedSemaphorePermit,
}

impl Listener {
    /// Listens at `address`; port 0 takes a free one. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`] with the cure.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let fail = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse(address),
            io::ErrorKind::PermissionDenied => BindError::NotPermitted(address),
            io::ErrorKind::AddrNotAvailable => BindError::NotHere(address),
            _ => BindError::Other { address, source },
        };
        let tcp = listen(address).map_err(fail)?;
        let address = tcp.local_addr().map_err(fail)?;
        Ok(Listener { tcp, address, _own: own::register(address) })
    }

    /// Where we listen, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The next connection, once there is a place for it. Waits while the process has no descriptors left.
    ///
    /// # Cancellation
    /// Safe: no connection is lost.
    pub async fn accept(&self, places: &Arc<Semaphore>) -> Accepted {
        let permit = loop {
            if let Ok(permit) = places.clone().acquire_owned().await {
                break permit;
            }
            // Nobody closes the semaphore; if somebody did, nothing would be accepted any more.
            std::future::pending::<()>().await;
        };
        let mut pause = Duration::from_millis(10);
        loop {
            match self.tcp.accept().await {
                Ok((stream, client)) => {
                    // Only a connection that is gone already refuses this.
                    let _ = stream.set_nodelay(true);
                    return Accepted { stream, client, permit };
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted at the moment");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Whether only the connection that was about to be accepted is broken.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Open descriptors that suffice: two sockets for each connection, and files. More is not asked for, since the command
/// that retake runs inherits the limit, and some programs walk through all of it.
const DESCRIPTORS: u64 = 4 * MAX_CONNECTIONS as u64;

/// Raises the limit of open descriptors to what [`MAX_CONNECTIONS`] need, as far as the system allows this process; gives
/// the limit that then holds, or `None` when there is none.
pub fn raise_descriptor_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Some(current) = limit.current.filter(|current| *current < DESCRIPTORS) {
        let most = limit.maximum.unwrap_or(DESCRIPTORS).min(DESCRIPTORS).max(current);
        // Some systems refuse the maximum they name; then the old limit stays.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum });
    }
    getrlimit(Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_says_so_and_names_the_cure() {
        let first = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = Listener::bind(first.local_addr()).unwrap_err();
        assert!(matches!(error, BindError::InUse(address) if address == first.local_addr()));
        assert!(error.to_string().contains("--listen"));
        assert!(own::is_own(first.local_addr()));
    }

    #[tokio::test]
    async fn no_more_connections_are_accepted_than_there_are_places() {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let places = Arc::new(Semaphore::new(1));
        let _clients = [
            TcpStream::connect(listener.local_addr()).await.unwrap(),
            TcpStream::connect(listener.local_addr()).await.unwrap(),
        ];
        let first = listener.accept(&places).await;
        assert!(futures_util::FutureExt::now_or_never(listener.accept(&places)).is_none());
        drop(first);
        listener.accept(&places).await;
    }

    #[test]
    fn the_descriptor_limit_never_falls() {
        let before = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let after = raise_descriptor_limit();
        assert!(after.unwrap_or(u64::MAX) >= before.unwrap_or(u64::MAX));
    }
}
