//! The body of a response on its way to the client: copied while it streams, its last bytes held until the record is in
//! the journal.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::copy::BodyCopy;
use super::flow::{Ending, Flow, Settling, Unrecorded};
use crate::model::{BodyEnd, Chunk, Failure, FailureKind, Fields};
use crate::wire::{Body, BodyError};

/// Pieces of a stream whose times are kept.
const CHUNKS: usize = 10_000;
/// A body that arrives together with its head is taken whole before the head goes out, up to this size: one write
/// instead of two, and no stream file for a small chunked answer. Nobody waits for more than is already there.
const AT_ONCE: u64 = 64 * 1024;
/// How often the upstream connection gets a turn to hand over what it has already read.
const TURNS: u32 = 3;

/// What the client reads the response's body from.
pub(super) struct ResponseBody {
    flow: Flow,
    incoming: Incoming,
    copy: Option<BodyCopy>,
    /// What was there before the head went out.
    ready: VecDeque<Bytes>,
    /// Bytes to come, where the length is known.
    remaining: Option<u64>,
    held: Held,
    phase: Phase,
    idle: Idle,
}

/// Lets every task that is ready go first, once. Unlike tokio's own yield it does not ask the system for new events:
/// what is waited for was read already, and is on its way between two tasks.
async fn turn() {
    let mut begun = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut begun, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What is not passed on before the record is in the journal.
#[derive(Default)]
struct Held {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
    error: Option<BodyError>,
}

enum Phase {
    /// Bytes come and go.
    Streaming,
    /// All has come; the record is being written.
    Settling(Settling),
    /// What was held goes out.
    Releasing,
}

/// How a body ended.
enum End {
    Whole,
    Trailers(HeaderMap),
    Broken(Failure, BodyError),
}

impl ResponseBody {
    /// Makes the body for a flow whose response head is known. `fields` are that head's, unmasked.
    pub(super) async fn start(
        flow: Flow,
        fields: Fields,
        incoming: Incoming,
        idle: Duration,
    ) -> Result<Body, Unrecorded> {
        let remaining = incoming.size_hint().exact();
        let mut body = ResponseBody {
            flow,
            incoming,
            copy: None,
            ready: VecDeque::new(),
            remaining,
            held: Held::default(),
            phase: Phase::Streaming,
            idle: Idle::new(idle),
        };
        let end = if remaining.is_none_or(|length| length <= AT_ONCE) { body.take_at_once().await } else { None };
        body.copy = body.start_copy(&fields, end.is_some()).await?;
        body.copy_ready();
        match end {
            Some(end) => body.finish_at_once(end).await,
            None => Ok(body.boxed()),
        }
    }

    /// Takes frames for as long as they are there already. Gives the end, if it was among them.
    async fn take_at_once(&mut self) -> Option<End> {
        let mut taken = 0;
        let mut turns = 0;
        while taken <= AT_ONCE {
            match std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut self.incoming).poll_frame(cx))).await {
                Poll::Pending if turns == TURNS => return None,
                Poll::Pending => {
                    turns += 1;
                    turn().await;
                }
                Poll::Ready(frame) => {
                    match self.sort(frame) {
                        Ok(data) => {
                            taken += data.len() as u64;
                            self.note_chunk(data.len());
                            self.ready.push_back(data);
                        }
                        Err(end) => return Some(end),
                    }
                    if self.remaining == Some(0) && self.incoming.is_end_stream() {
                        return Some(End::Whole);
                    }
                }
            }
        }
        None
    }

    /// A response without known length that is not over yet gets its `open` record and its stream file.
    async fn start_copy(&mut self, fields: &Fields, over: bool) -> Result<Option<BodyCopy>, Unrecorded> {
        let Some(state) = self.flow.state() else { return Ok(None) };
        let mut stream = None;
        if self.remaining.is_none() && !over {
            match state.open().await {
                Ok(file) => stream = Some(file),
                Err(error) if state.recorder.strict => return Err(Unrecorded(error)),
                // The end tells whether the exchange is recorded; without the file only a kill loses more.
                Err(error) => tracing::warn!("the stream of {} has no file: {error}", state.origin),
            }
        }
        let recorder = &state.recorder;
        let masker = recorder.masker.at(state.origin.host(), &state.request.path);
        Ok(Some(BodyCopy::new(&recorder.journal.recording, &masker, fields, stream)))
    }

    fn copy_ready(&mut self) {
        if let Some(copy) = &mut self.copy {
            for data in &self.ready {
                copy.push(data);
            }
        }
    }

    async fn finish_at_once(mut self, end: End) -> Result<Body, Unrecorded> {
        if let Some(settling) = self.settle(end) {
            settling.await?;
        }
        self.phase = Phase::Releasing;
        let plain = self.held.trailers.is_none() && self.held.error.is_none();
        if plain && self.remaining.is_some() && self.ready.len() <= 1 {
            return Ok(Body::Full(self.ready.pop_front()));
        }
        Ok(self.boxed())
    }

    fn boxed(self) -> Body {
        Body::Stream(self.boxed_unsync())
    }

    /// Data, or the end. `remaining` is counted down.
    fn sort(&mut self, frame: Option<Result<Frame<Bytes>, hyper::Error>>) -> Result<Bytes, End> {
        match frame {
            None => Err(End::Whole),
            Some(Err(error)) => Err(self.broken(error.into())),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(data.len() as u64));
                    Ok(data)
                }
                Err(frame) => Err(frame.into_trailers().map_or(End::Whole, End::Trailers)),
            },
        }
    }

    fn broken(&self, error: BodyError) -> End {
        let failure = match self.flow.state() {
            Some(state) => crate::wire::upstream::explain(error.as_ref(), &state.origin),
            None => Failure { kind: FailureKind::Closed, message: error.to_string() },
        };
        End::Broken(failure, error)
    }

    fn note_chunk(&mut self, bytes: usize) {
        if self.remaining.is_some() {
            return;
        }
        if let Some(state) = self.flow.state_mut().filter(|state| state.timings.chunks.len() < CHUNKS) {
            let at_us = state.micros(Instant::now());
            state.timings.chunks.push(Chunk { at_us, bytes: bytes as u64 });
        }
    }

    /// Ends the copy and starts to write the record.
    fn settle(&mut self, end: End) -> Option<Settling> {
        let (body_end, ending) = match end {
            End::Whole => (BodyEnd::Complete, Ending::Complete),
            End::Trailers(trailers) => {
                self.note_trailers(&trailers);
                self.held.trailers = Some(trailers);
                (BodyEnd::Trailers, Ending::Complete)
            }
            End::Broken(failure, error) => {
                self.held.error = Some(error);
                let failure = match self.flow.state() {
                    Some(state) => state.masked(failure),
                    None => failure,
                };
                (BodyEnd::Failed, Ending::Failed(failure))
            }
        };
        let body = self.copy.take()?.finish(body_end);
        self.flow.settle(body, ending)
    }

    fn note_trailers(&mut self, trailers: &HeaderMap) {
        let Some(state) = self.flow.state_mut() else { return };
        let mut fields = Fields::from_map(trailers);
        state.recorder.masker().fields(&mut fields);
        if let Some(response) = &mut state.response {
            response.trailers = fields;
        }
    }

    /// The next piece, or the beginning of the end.
    fn poll_streaming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(data) = self.ready.pop_front() {
            return Poll::Ready(Some(data));
        }
        loop {
            let polled = match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(frame) => self.sort(frame),
                Poll::Pending => match self.idle.poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(limit) => Err(self.silent(limit)),
                },
            };
            match polled {
                Ok(data) => {
                    self.idle.moved();
                    self.note_chunk(data.len());
                    if let Some(copy) = &mut self.copy {
                        copy.push(&data);
                    }
                    if self.remaining != Some(0) {
                        return Poll::Ready(Some(data));
                    }
                    // The frame that completes the body; over HTTP/2 trailers may follow.
                    self.held.data = Some(data);
                    if self.incoming.is_end_stream() {
                        self.begin_end(End::Whole);
                        return Poll::Ready(None);
                    }
                }
                Err(end) => {
                    self.begin_end(end);
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn begin_end(&mut self, end: End) {
        self.phase = match self.settle(end) {
            Some(settling) => Phase::Settling(settling),
            None => Phase::Releasing,
        };
    }

    fn silent(&self, limit: Duration) -> End {
        let host = self.flow.state().map(|state| state.origin.authority.to_string()).unwrap_or_default();
        let message =
            format!("{host} sent nothing for {} in the middle of its answer", crate::wire::upstream::words(limit));
        End::Broken(Failure { kind: FailureKind::TimedOut, message: message.clone() }, message.into())
    }

    fn release(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        if let Some(data) = self.ready.pop_front().or_else(|| self.held.data.take()) {
            return Some(Ok(Frame::data(data)));
        }
        if let Some(trailers) = self.held.trailers.take() {
            return Some(Ok(Frame::trailers(trailers)));
        }
        self.held.error.take().map(Err)
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        loop {
            match &mut this.phase {
                Phase::Streaming => match this.poll_streaming(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    // The phase has changed.
                    Poll::Ready(None) => {}
                },
                Phase::Settling(settling) => match Pin::new(settling).poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) => this.phase = Phase::Releasing,
                    Poll::Ready(Err(error)) => {
                        this.held = Held { error: Some(error.into()), ..Held::default() };
                        this.phase = Phase::Releasing;
                    }
                },
                Phase::Releasing => return Poll::Ready(this.release()),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let held = &self.held;
        matches!(self.phase, Phase::Releasing)
            && self.ready.is_empty()
            && held.data.is_none()
            && held.trailers.is_none()
            && held.error.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.remaining {
            None => SizeHint::default(),
            Some(remaining) => {
                let held = self.held.data.as_ref().map_or(0, Bytes::len);
                let ready = self.ready.iter().map(Bytes::len).sum::<usize>();
                SizeHint::with_exact(remaining + (held + ready) as u64)
            }
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // The client went away: what it had is kept.
        if let Some(copy) = self.copy.take() {
            drop(self.flow.settle(copy.finish(BodyEnd::Cancelled), Ending::Cancelled));
        }
    }
}

/// Notices silence: how long a frame has been waited for, not how long the client took to come back for it. One timer
/// per body, set when a frame has to be waited for, and moved only when it fires.
struct Idle {
    limit: Duration,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    fn new(limit: Duration) -> Self {
        Idle { limit, since: None, timer: None }
    }

    fn moved(&mut self) {
        self.since = None;
    }

    /// Ready with the limit when nothing moved for so long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        let due = *self.since.get_or_insert_with(Instant::now) + self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due.into())));
        while timer.as_mut().poll(cx).is_ready() {
            if due <= Instant::now() {
                return Poll::Ready(self.limit);
            }
            timer.as_mut().reset(due.into());
        }
        Poll::Pending
    }
}
