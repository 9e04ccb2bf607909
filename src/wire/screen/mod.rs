//! The screen: what stands between a socket and hyper on every HTTP/1 connection, on both sides.
//!
//! It sees each head raw and keeps it as written, refuses what two parsers could read differently before hyper
//! normalises it (RFC 9112 section 11), and writes response heads in the order and case that an answer asks for.
//! A head reaches hyper only when it is whole and accepted. On the server side one request is let through at a time:
//! the next one waits until the response is over, so that a refusal never overtakes an answer.

mod body;
mod handle;
mod head;
mod read;
mod refusal;
mod rewrite;
mod track;
mod write;

use std::task::Waker;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

pub use handle::{ClientHeads, InterimSender, Received, ServerHeads};
pub use head::{RequestHead, ResponseHead};
pub use refusal::{MAX_FIELDS, MAX_HEAD, MAX_INTERIM, Refusal};

use handle::Sink;
use read::Reading;
use track::{Flow, Side};
use write::Writing;

/// A connection seen through the screen; hyper is given this in place of the socket.
#[derive(Debug)]
pub struct Screen<T> {
    io: T,
    side: Side,
    sink: Sink,
    flow: Flow,
    reading: Reading,
    writing: Writing,
    /// Who waits for a response to be over, before more can be read.
    reader: Option<Waker>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Screen<T> {
    /// The server's side of a connection, and where the heads of its requests are found.
    pub fn server(io: T) -> (Self, ServerHeads) {
        let heads = ServerHeads::default();
        (Self::new(io, Side::Server, Sink::Server(heads.clone())), heads)
    }

    /// The client's side of a connection, and where the heads of its responses are found.
    pub fn client(io: T) -> (Self, ClientHeads) {
        let heads = ClientHeads::default();
        (Self::new(io, Side::Client, Sink::Client(heads.clone())), heads)
    }

    fn new(io: T, side: Side, sink: Sink) -> Self {
        let reading = Reading::new(BytesMut::new());
        Screen { io, side, sink, flow: Flow::default(), reading, writing: Writing::new(), reader: None }
    }

    /// The socket, and what was read of it and not given to hyper; for a tunnel, which needs no screen.
    pub fn into_parts(self) -> (T, Bytes) {
        (self.io, self.reading.into_held())
    }

    /// The socket underneath.
    pub fn get_ref(&self) -> &T {
        &self.io
    }
}

#[cfg(test)]
mod tests;
