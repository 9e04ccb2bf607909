//! The writing half of the screen.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};

use super::head::Line;
use super::refusal::Refusal;
use super::rewrite::rewrite;
use super::track::{Next, Phase, Side, Track};
use super::{Screen, Sink, head};

/// The most slices that one write passes on.
const MAX_SLICES: usize = 16;

/// How many bytes of heads may wait for the socket before hyper has to.
const MAX_OUT: usize = 64 * 1024;

/// State of the writing half.
#[derive(Debug)]
pub(super) struct Writing {
    track: Track,
    /// A head that hyper has not written whole yet.
    head: Vec<u8>,
    /// Heads that are ours to send: taken from hyper, perhaps rewritten.
    out: Vec<u8>,
    /// How much of `out` is sent.
    sent: usize,
    lines: Vec<Line>,
    /// When `out` is sent, the connection is over.
    broken: bool,
}

impl Writing {
    pub(super) fn new() -> Self {
        Writing { track: Track::new(), head: Vec::new(), out: Vec::new(), sent: 0, lines: Vec::new(), broken: false }
    }

    fn advance(&mut self, written: usize) -> usize {
        let own = written.min(self.out.len() - self.sent);
        self.sent += own;
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
        written - own
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Screen<T> {
    /// Sends what is ours to send.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.writing.sent < self.writing.out.len() {
            let rest = &self.writing.out[self.writing.sent..];
            match ready!(Pin::new(&mut self.io).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.writing.advance(written),
            };
        }
        Poll::Ready(Ok(()))
    }

    /// Takes head bytes from the front of `bytes`; a whole head goes to `out`. Says how many bytes were taken.
    fn take_head(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let mut head = std::mem::take(&mut self.writing.head);
        if head.is_empty() {
            if let Some(length) = self.writing.track.end.find(bytes)? {
                self.head_written(&bytes[..length])?;
                return Ok(length);
            }
            self.writing.head.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        let before = head.len();
        head.extend_from_slice(bytes);
        match self.writing.track.end.find(&head)? {
            Some(length) => {
                self.head_written(&head[..length])?;
                Ok(length - before)
            }
            None => {
                self.writing.head = head;
                Ok(bytes.len())
            }
        }
    }

    fn head_written(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let writing = &mut self.writing;
        let next = match &self.sink {
            Sink::Client(_) => {
                writing.out.extend_from_slice(bytes);
                let (asked, body) = head::request_written(bytes)?;
                Next::Request(asked, body)
            }
            Sink::Server(heads) => {
                let asked = self.flow.asked.front().copied().unwrap_or_default();
                let (status, start, body) = head::response_written(bytes, asked, &mut writing.lines)?;
                // Interim heads here are hyper's own `100 Continue`; lines are meant for the answer.
                let (wanted, garbage) = match status {
                    101 | 200.. => heads.take_lines(&mut writing.out),
                    _ => (None, None),
                };
                match wanted {
                    Some(wanted) => rewrite(bytes, start, &writing.lines, &wanted, asked.http10, &mut writing.out),
                    None => writing.out.extend_from_slice(bytes),
                }
                if let Some(garbage) = garbage {
                    writing.out.extend_from_slice(&garbage);
                    writing.broken = true;
                }
                Next::Response(status, body)
            }
        };
        writing.track.head_over(next, &mut self.flow);
        self.wake_reader();
        Ok(())
    }

    /// Takes over the interim heads that were sent early, where they may stand: between heads, before an answer.
    fn take_interim(&mut self, cx: &Context<'_>) {
        let Sink::Server(heads) = &self.sink else { return };
        let writing = &mut self.writing;
        if writing.track.phase == Phase::Head && writing.head.is_empty() && !self.flow.asked.is_empty() {
            heads.take_interim(cx.waker(), &mut writing.out);
        }
    }

    /// Lets the reading half go on when no response is outstanding, or a tunnel begins.
    fn wake_reader(&mut self) {
        if (self.flow.asked.is_empty() || self.flow.tunnel)
            && let Some(waker) = self.reader.take()
        {
            waker.wake();
        }
    }

    fn passed(&mut self, bytes: &[u8]) -> io::Result<()> {
        let requests = self.side == Side::Client;
        let taken = self.writing.track.body(bytes, requests, &mut self.flow);
        taken.map_err(|(_, refusal)| refusal.into_error("answer"))?;
        self.wake_reader();
        Ok(())
    }

    /// One write: heads in front become ours; then what is ours and body bytes of one message go out together. Says
    /// how many of hyper's bytes are taken care of.
    fn poll_write_slices(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut taken = 0;
        let mut index = 0;
        let mut offset = 0;
        if self.writing.broken {
            return self.poll_break(cx);
        }
        if self.writing.out.len() > MAX_OUT {
            ready!(self.poll_drain(cx))?;
        }
        self.writing.track.settle_wait(&self.flow);
        while index < slices.len() && self.writing.track.phase == Phase::Head {
            if offset == slices[index].len() {
                (index, offset) = (index + 1, 0);
                continue;
            }
            let length = self.take_head(&slices[index][offset..]).map_err(|refusal| refusal.into_error("answer"))?;
            (taken, offset) = (taken + length, offset + length);
        }
        if self.writing.broken {
            return self.poll_break(cx);
        }
        let mut pieces: [&[u8]; MAX_SLICES] = [&[]; MAX_SLICES];
        let count = self.body_pieces(slices, index, offset, &mut pieces)?;
        match self.poll_write_pieces(cx, &pieces[..count])? {
            Poll::Ready(written) => Poll::Ready(Ok(taken + written)),
            // What was taken is ours now, and goes out with the next write or flush.
            Poll::Pending if taken > 0 => Poll::Ready(Ok(taken)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Sends what is ours, and is an error from then on.
    fn poll_break(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(cx))?;
        Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, "broken off on purpose")))
    }

    /// The bytes from `slices[index][offset..]` on that belong to the message at hand.
    fn body_pieces<'a>(
        &self,
        slices: &'a [IoSlice<'_>],
        index: usize,
        offset: usize,
        pieces: &mut [&'a [u8]; MAX_SLICES],
    ) -> io::Result<usize> {
        let mut phase = self.writing.track.phase;
        let mut count = 0;
        for (at, slice) in slices.iter().enumerate().skip(index) {
            let bytes = if at == index { &slice[offset..] } else { slice };
            if bytes.is_empty() {
                continue;
            }
            let length = match &mut phase {
                Phase::Tunnel | Phase::AwaitAnswer => bytes.len(),
                Phase::Head => 0,
                Phase::Body(scan) => scan.advance(bytes).map_err(|(_, refusal)| refusal.into_error("answer"))?,
            };
            if length > 0 {
                pieces[count] = &bytes[..length];
                count += 1;
            }
            if length < bytes.len() || count == MAX_SLICES {
                break;
            }
        }
        Ok(count)
    }

    /// Writes what is ours and then `pieces`; says how much of `pieces` was written, if there is any.
    fn poll_write_pieces(&mut self, cx: &mut Context<'_>, pieces: &[&[u8]]) -> Poll<io::Result<usize>> {
        if pieces.is_empty() {
            return self.poll_drain(cx).map_ok(|()| 0);
        }
        loop {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES + 1];
            let own = &self.writing.out[self.writing.sent..];
            let skipped = usize::from(own.is_empty());
            slices[0] = IoSlice::new(own);
            for (slot, piece) in slices[1..].iter_mut().zip(pieces) {
                *slot = IoSlice::new(piece);
            }
            let slices = &slices[skipped..=pieces.len()];
            let written = match slices {
                [only] => ready!(Pin::new(&mut self.io).poll_write(cx, only))?,
                _ => ready!(Pin::new(&mut self.io).poll_write_vectored(cx, slices))?,
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let passed = self.writing.advance(written);
            if passed > 0 {
                let mut left = passed;
                for piece in pieces {
                    let part = left.min(piece.len());
                    self.passed(&piece[..part])?;
                    left -= part;
                }
                return Poll::Ready(Ok(passed));
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Screen<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_slices(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_slices(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // hyper flushes whenever its task is woken, whether it has written or not.
        this.take_interim(cx);
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}
