//! What is spoken on a connection, told from its first bytes; and giving those bytes back.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// How long a client inside a tunnel may be silent before it is taken to wait for the server to speak first.
pub const DETECTION_TIMEOUT: Duration = Duration::from_secs(5);

/// The first bytes of HTTP/2 (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// No method in use is longer.
const MAX_METHOD: usize = 32;

/// What a client speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spoken {
    /// TLS: a handshake record (RFC 8446 section 5.1).
    Tls,
    /// HTTP/1.0 or HTTP/1.1: a method and the start of a request target.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2Preface,
    /// Something else; with its first bytes, as many as it took to know.
    Other(Bytes),
    /// Nothing, or too little to tell, within the time-out: the server is expected to speak first.
    Timeout,
    /// Nothing; the client closed.
    Closed,
}

/// Reads from `io` until it is clear what is spoken. The second value is what was read; give it back with [`Rewind`].
///
/// # Errors
/// Those of `io`.
///
/// # Cancellation
/// Bytes that were read are lost when the future is dropped.
pub async fn detect<T: AsyncRead + Unpin>(io: &mut T, timeout: Duration) -> io::Result<(Spoken, Bytes)> {
    let mut read = BytesMut::with_capacity(4096);
    let deadline = tokio::time::sleep(timeout);
    tokio::pin!(deadline);
    loop {
        if let Some(spoken) = classify(&read) {
            return Ok((spoken, read.freeze()));
        }
        let count = tokio::select! {
            biased;
            count = io.read_buf(&mut read) => count?,
            () = &mut deadline => return Ok((Spoken::Timeout, read.freeze())),
        };
        if count == 0 {
            let read = read.freeze();
            let spoken = if read.is_empty() { Spoken::Closed } else { Spoken::Other(read.clone()) };
            return Ok((spoken, read));
        }
    }
}

/// What the first bytes say; `None` while they say too little.
fn classify(read: &[u8]) -> Option<Spoken> {
    let other = || Some(Spoken::Other(Bytes::copy_from_slice(read)));
    match read {
        [] | [0x16] => return None,
        [0x16, 0x03, ..] => return Some(Spoken::Tls),
        _ if read.starts_with(PREFACE) => return Some(Spoken::Http2Preface),
        _ if PREFACE.starts_with(read) => return None,
        _ => {}
    }
    let Some(space) = read.iter().position(|&byte| !is_method_byte(byte)) else {
        return if read.len() > MAX_METHOD { other() } else { None };
    };
    if space == 0 || space > MAX_METHOD || read[space] != b' ' {
        return other();
    }
    match is_target(&read[..space], &read[space + 1..]) {
        Some(true) => Some(Spoken::Http1),
        Some(false) => other(),
        None => None,
    }
}

/// Whether a request target starts so: `/`, `*`, `http://`, `https://`, or an authority after CONNECT.
fn is_target(method: &[u8], target: &[u8]) -> Option<bool> {
    if method == b"CONNECT" {
        return Some(true);
    }
    if let [b'/' | b'*', ..] = target {
        return Some(true);
    }
    let starts = |scheme: &[u8]| {
        let length = scheme.len().min(target.len());
        target[..length].eq_ignore_ascii_case(&scheme[..length]).then_some(length == scheme.len())
    };
    match (starts(b"http://"), starts(b"https://")) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (None, None) => Some(false),
        _ => None,
    }
}

fn is_method_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A connection whose first bytes were read already; they are given again first.
#[derive(Debug)]
pub struct Rewind<T> {
    first: Bytes,
    io: T,
}

impl<T> Rewind<T> {
    /// `io`, with `first` before it.
    pub fn new(io: T, first: Bytes) -> Self {
        Rewind { first, io }
    }

    /// The connection and what is left of its first bytes.
    pub fn into_parts(self) -> (T, Bytes) {
        (self.io, self.first)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewind<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.first.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let length = this.first.len().min(buf.remaining());
        buf.put_slice(&this.first[..length]);
        this.first.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewind<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// Feeds `bytes` one at a time; gives what they were taken for, and after how many.
    fn decided(bytes: &[u8]) -> (Option<Spoken>, usize) {
        for length in 0..=bytes.len() {
            if let Some(spoken) = classify(&bytes[..length]) {
                return (Some(spoken), length);
            }
        }
        (None, bytes.len())
    }

    #[test]
    fn each_protocol_is_known_as_soon_as_it_can_be() {
        for (text, spoken, after) in [
            (&b"\x16\x03\x01\x02\x00"[..], Spoken::Tls, 2),
            (PREFACE, Spoken::Http2Preface, PREFACE.len()),
            (b"GET / HTTP/1.1\r\n", Spoken::Http1, 5),
            (b"POST /x", Spoken::Http1, 6),
            (b"PRI /x", Spoken::Http1, 5),
            (b"OPTIONS * HTTP/1.1", Spoken::Http1, 9),
            (b"GET HTTP://a/", Spoken::Http1, 11),
            (b"get https://a/", Spoken::Http1, 12),
            (b"CONNECT a:1", Spoken::Http1, 8),
            (b"VERSION-CONTROL /a", Spoken::Http1, 17),
        ] {
            assert_eq!(decided(text), (Some(spoken), after), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_http_is_other() {
        for text in [
            &b"SSH-2.0-OpenSSH_9.6p1 Ubuntu-3\r\n"[..],
            b"PING\r\n",
            b"GET key\r\n",
            b"EHLO mail.example\r\n",
            b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
            b"\x16\x01",
            b"*1\r\n$4\r\nPING\r\n",
            b"\r\n",
            b" GET / HTTP/1.1",
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ",
        ] {
            assert!(matches!(decided(text).0, Some(Spoken::Other(_))), "{text:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_and_a_stalled_prefix_time_out() {
        for prefix in [&b""[..], b"G", b"PRI * HTTP/2.0\r\n", b"\x16"] {
            let (mut client, mut server) = tokio::io::duplex(64);
            client.write_all(prefix).await.unwrap();
            let (spoken, read) = detect(&mut server, DETECTION_TIMEOUT).await.unwrap();
            assert_eq!((spoken, &read[..]), (Spoken::Timeout, prefix));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_trickle_in_are_given_back_whole() {
        let text = b"GET http://a/ HTTP/1.1\r\n\r\n";
        let (mut client, mut server) = tokio::io::duplex(1);
        let feed = tokio::spawn(async move { client.write_all(text).await });
        let (spoken, read) = detect(&mut server, DETECTION_TIMEOUT).await.unwrap();
        assert_eq!(spoken, Spoken::Http1);
        let mut all = Vec::new();
        Rewind::new(server, read).read_to_end(&mut all).await.unwrap();
        assert_eq!(all, text);
        feed.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_client_that_closes_at_once_said_nothing() {
        let (client, mut server) = tokio::io::duplex(1);
        drop(client);
        assert_eq!(detect(&mut server, DETECTION_TIMEOUT).await.unwrap().0, Spoken::Closed);
    }
}
