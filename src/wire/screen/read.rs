//! The reading half of the screen.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::refusal::{MAX_INTERIM, Refusal};
use super::track::{Next, Phase, Side, Track};
use super::{Screen, head};

/// How much is read ahead while nothing may pass; then the peer waits.
const READ_AHEAD: usize = 64 * 1024;
/// How much is read from the socket at a time where hyper's buffer cannot take it.
const PIECE: usize = 8 * 1024;
/// How much of what follows a refused head is thrown away, so that the answer is not lost in a reset.
const LINGER: usize = 256 * 1024;

/// State of the reading half.
#[derive(Debug)]
pub(super) struct Reading {
    track: Track,
    /// Bytes read and not given to hyper yet.
    held: BytesMut,
    /// How many of them are accepted.
    released: usize,
    eof: bool,
    refused: Option<Refused>,
}

#[derive(Debug)]
struct Refused {
    refusal: Refusal,
    /// What is left to be said to the client; empty towards an origin.
    answer: BytesMut,
    /// Whether there was something to say.
    answers: bool,
    closed: bool,
    thrown_away: usize,
}

impl Reading {
    pub(super) fn new(held: BytesMut) -> Self {
        Reading { track: Track::new(), held, released: 0, eof: false, refused: None }
    }

    pub(super) fn into_held(self) -> Bytes {
        self.held.freeze()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Screen<T> {
    /// Says how many bytes from the front of `bytes` hyper may have; notes a refusal.
    fn examine(&mut self, bytes: &[u8]) -> usize {
        let (passed, refusal) = match self.pass(bytes) {
            Ok(passed) => (passed, None),
            Err((passed, refusal)) => (passed, Some(refusal)),
        };
        if let Some(refusal) = refusal {
            self.sink.refused(&refusal);
            // In a body hyper is at work already, and answers or breaks off itself.
            let answer = match (self.side, self.reading.track.phase) {
                (Side::Server, Phase::Head) => BytesMut::from(refusal.answer().as_slice()),
                _ => BytesMut::new(),
            };
            self.reading.refused =
                Some(Refused { refusal, answers: !answer.is_empty(), answer, closed: false, thrown_away: 0 });
        }
        passed
    }

    fn pass(&mut self, bytes: &[u8]) -> Result<usize, (usize, Refusal)> {
        let mut position = 0;
        loop {
            self.reading.track.settle_wait(&self.flow);
            let rest = &bytes[position..];
            if rest.is_empty() {
                return Ok(position);
            }
            match self.reading.track.phase {
                Phase::Tunnel => return Ok(bytes.len()),
                Phase::Body(_) => {
                    let requests = self.side == Side::Server;
                    let taken = self.reading.track.body(rest, requests, &mut self.flow);
                    position += taken.map_err(|(good, refusal)| (position + good, refusal))?;
                }
                Phase::Head if !self.is_blocked() => match self.head(rest).map_err(|refusal| (position, refusal))? {
                    Some(length) => position += length,
                    None => return Ok(position),
                },
                Phase::Head | Phase::AwaitAnswer => return Ok(position),
            }
        }
    }

    /// Whether the next head has to wait for the answer to the one before.
    fn is_blocked(&self) -> bool {
        match self.reading.track.phase {
            Phase::Head => self.side == Side::Server && !self.flow.asked.is_empty(),
            Phase::AwaitAnswer => !self.flow.tunnel && !self.flow.asked.is_empty(),
            Phase::Body(_) | Phase::Tunnel => false,
        }
    }

    /// Takes a head from the front of `bytes`, if it is whole.
    fn head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        let track = &mut self.reading.track;
        if self.side == Side::Server && bytes.starts_with(b"\r\n") {
            // An empty line before a request is allowed (RFC 9112 section 2.2).
            track.end = head::HeadEnd::default();
            return Ok(Some(2));
        }
        if self.side == Side::Client && self.flow.asked.is_empty() {
            return Err(Refusal::bad("bytes that answer no request"));
        }
        // What is no HTTP at all may never send the end of a head: it is known by its first bytes.
        if self.side == Side::Client && !is_status_line_so_far(bytes) {
            return Err(Refusal::bad("an answer that does not begin with HTTP/1"));
        }
        let Some(length) = track.end.find(bytes)? else { return Ok(None) };
        let next = match self.side {
            Side::Server => {
                let (head, asked, body) = head::request(&bytes[..length])?;
                self.sink.request(head);
                Next::Request(asked, body)
            }
            Side::Client => {
                // There is one: else this was refused above.
                let asked = self.flow.asked.front().copied().unwrap_or_default();
                let (head, body) = head::response(&bytes[..length], asked)?;
                let status = head.status;
                if status < 200 && self.sink.interim() == MAX_INTERIM {
                    return Err(Refusal::large("more than 50 interim responses"));
                }
                self.sink.response(head);
                Next::Response(status, body)
            }
        };
        self.reading.track.head_over(next, &mut self.flow);
        Ok(Some(length))
    }

    /// Reads straight into hyper's buffer; what may not pass yet is held back.
    fn poll_read_through(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let after = buf.filled().len();
        if after == before {
            self.reading.eof = true;
            return Poll::Ready(Ok(true));
        }
        let passed = self.examine(&buf.filled()[before..]);
        if self.reading.refused.is_none() {
            self.reading.held.extend_from_slice(&buf.filled()[before + passed..]);
        }
        buf.set_filled(before + passed);
        Poll::Ready(Ok(passed > 0))
    }

    /// Reads behind what is held; ready when there is something new to examine.
    fn poll_read_behind(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let blocked = self.is_blocked();
        if blocked {
            self.reader = Some(cx.waker().clone());
            if self.reading.eof || self.reading.held.len() >= READ_AHEAD {
                return Poll::Pending;
            }
        }
        let reading = &mut self.reading;
        reading.held.reserve(PIECE);
        let read = ready!(tokio_util::io::poll_read_buf(Pin::new(&mut self.io), cx, &mut reading.held))?;
        reading.eof = read == 0;
        Poll::Ready(Ok(()))
    }

    /// Answers a refused head and closes; towards hyper it is an error.
    fn poll_refuse(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        let from = if self.side == Side::Server { "client" } else { "origin" };
        let Some(refused) = &mut self.reading.refused else { return Poll::Ready(Ok(())) };
        let error = refused.refusal.clone().into_error(from);
        if refused.closed {
            return Poll::Ready(Err(error));
        }
        let mut io = Pin::new(&mut self.io);
        while !refused.answer.is_empty() {
            let written = ready!(io.as_mut().poll_write(cx, &refused.answer))?;
            if written == 0 {
                return Poll::Ready(Err(error));
            }
            refused.answer.advance(written);
        }
        if refused.answers {
            ready!(io.as_mut().poll_shutdown(cx))?;
            let mut piece = [0; 4096];
            while refused.thrown_away < LINGER {
                let mut piece = ReadBuf::new(&mut piece);
                match io.as_mut().poll_read(cx, &mut piece) {
                    Poll::Ready(Ok(())) if !piece.filled().is_empty() => refused.thrown_away += piece.filled().len(),
                    _ => break,
                }
            }
        }
        refused.closed = true;
        Poll::Ready(Err(error))
    }
}

/// Whether `bytes` are the beginning of a status line of HTTP/1 (RFC 9112 section 4), as far as they go.
fn is_status_line_so_far(bytes: &[u8]) -> bool {
    const START: &[u8] = b"HTTP/1.";
    let length = bytes.len().min(START.len());
    bytes[..length] == START[..length]
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Screen<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            let reading = &mut this.reading;
            if reading.released > 0 {
                let length = reading.released.min(buf.remaining());
                buf.put_slice(&reading.held[..length]);
                reading.held.advance(length);
                reading.released -= length;
                return Poll::Ready(Ok(()));
            }
            if reading.refused.is_some() {
                return this.poll_refuse(cx);
            }
            if reading.held.is_empty() {
                if reading.eof || ready!(this.poll_read_through(cx, buf))? {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            let held = std::mem::take(&mut reading.held);
            let released = this.examine(&held);
            this.reading.held = held;
            this.reading.released = released;
            if released == 0 && this.reading.refused.is_none() {
                if this.reading.eof && !this.is_blocked() {
                    return Poll::Ready(Ok(()));
                }
                ready!(this.poll_read_behind(cx))?;
            }
        }
    }
}
