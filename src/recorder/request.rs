//! The body of a request on its way to the origin: copied while it streams, one frame at a time.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;

use super::Recorder;
use super::copy::BodyCopy;
use crate::model::{Body, BodyEnd, Exchange, Fields};
use crate::wire::BodyError;

/// Where the body of a call comes from.
pub enum Source {
    /// From the client, as it comes.
    Wire(Incoming),
    /// It has been read whole.
    Whole(Full<Bytes>),
}

impl From<Incoming> for Source {
    fn from(incoming: Incoming) -> Self {
        Source::Wire(incoming)
    }
}

impl From<Bytes> for Source {
    fn from(bytes: Bytes) -> Self {
        Source::Whole(Full::new(bytes))
    }
}

impl http_body::Body for Source {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Source::Wire(incoming) => Pin::new(incoming).poll_frame(cx).map_err(Into::into),
            Source::Whole(bytes) => Pin::new(bytes).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Source::Wire(incoming) => incoming.is_end_stream(),
            Source::Whole(bytes) => bytes.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Source::Wire(incoming) => incoming.size_hint(),
            Source::Whole(bytes) => bytes.size_hint(),
        }
    }
}

/// What the upstream client reads the request's body from.
pub struct RequestBody(Option<Arc<Shared>>);

/// The state that the streaming body shares with its flow.
pub(super) struct Shared {
    recorder: Arc<Recorder>,
    side: Mutex<Side>,
}

struct Side {
    incoming: Option<Source>,
    copy: Option<BodyCopy>,
    trailers: Fields,
    ended: Option<Result<Body, Arc<std::io::Error>>>,
    last_sent: Option<Instant>,
    expecting: Option<Expecting>,
    /// The upstream client let go of the body.
    abandoned: bool,
    /// The record that was written before the request was over.
    late: Option<Box<Exchange>>,
}

/// `Expect: 100-continue` (RFC 9110 section 10.1.1): the client is asked for its body only when the origin asks.
struct Expecting {
    state: Asked,
    waker: Option<Waker>,
    patience: Pin<Box<tokio::time::Sleep>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    NotYet,
    Yes,
    Never,
}

/// What is known of the request's body when the response is over.
pub(super) enum Taken {
    /// It is over too.
    Ended(Result<Body, Arc<std::io::Error>>, Fields),
    /// It still streams.
    Streaming,
}

impl RequestBody {
    /// Origins that do not know 100-continue get the body after this time.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// A request without a body.
    pub fn none() -> Self {
        RequestBody(None)
    }

    pub(super) fn new(recorder: Arc<Recorder>, incoming: Source, copy: BodyCopy, expects: bool) -> Self {
        let expecting = expects.then(|| Expecting {
            state: Asked::NotYet,
            waker: None,
            patience: Box::pin(tokio::time::sleep(Self::PATIENCE)),
        });
        let side = Side {
            incoming: Some(incoming),
            copy: Some(copy),
            trailers: Fields::new(),
            ended: None,
            last_sent: None,
            expecting,
            abandoned: false,
            late: None,
        };
        RequestBody(Some(Arc::new(Shared { recorder, side: Mutex::new(side) })))
    }

    pub(super) fn shared(&self) -> Option<Arc<Shared>> {
        self.0.clone()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Side> {
        self.side.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the last byte of the body went out.
    pub(super) fn last_sent(&self) -> Option<Instant> {
        self.lock().last_sent
    }

    /// The origin said `100 Continue`: the client may send.
    pub(super) fn proceed(&self) {
        self.answer_expectation(Asked::Yes);
    }

    /// Whether the client broke off while it sent.
    pub(super) fn broke_off(&self) -> bool {
        matches!(&self.lock().ended, Some(Ok(body)) if body.end == BodyEnd::Failed)
    }

    fn answer_expectation(&self, state: Asked) {
        let mut side = self.lock();
        if let Some(expecting) = side.expecting.as_mut().filter(|expecting| expecting.state == Asked::NotYet) {
            expecting.state = state;
            if let Some(waker) = expecting.waker.take() {
                waker.wake();
            }
        }
    }

    /// The response is over. A body that the upstream client has let go of is over too.
    pub(super) fn take(&self) -> Taken {
        // Whoever still waits to be asked for its body never will be.
        self.answer_expectation(Asked::Never);
        let mut side = self.lock();
        if side.abandoned {
            side.finish(BodyEnd::Cancelled);
        }
        match &side.ended {
            Some(body) => Taken::Ended(body.clone(), side.trailers.clone()),
            None => Taken::Streaming,
        }
    }

    /// The body so far, for an `open` record: only if it is over.
    pub(super) fn peek(&self) -> Option<(Body, Fields)> {
        let side = self.lock();
        match &side.ended {
            Some(Ok(body)) => Some((body.clone(), side.trailers.clone())),
            _ => None,
        }
    }

    /// The record without the end of the request is in the journal: it is completed when the request ends.
    pub(super) fn complete_later(&self, exchange: Box<Exchange>) {
        let mut side = self.lock();
        side.late = Some(exchange);
        if side.abandoned {
            side.finish(BodyEnd::Cancelled);
        }
        self.write_late(&mut side);
    }

    fn write_late(&self, side: &mut Side) {
        let Some(Ok(body)) = &side.ended else { return };
        let Some(mut exchange) = side.late.take() else { return };
        exchange.request.body = body.clone();
        exchange.request.trailers = side.trailers.clone();
        exchange.partial = false;
        let recorder = self.recorder.clone();
        self.recorder.spawn(async move {
            if let Err(error) = recorder.journal.recording.append_addendum(*exchange).await {
                recorder.tell_once(&error);
            }
        });
    }

    /// After a failure upstream: takes the rest of a body that nobody reads any more, so that the record has it and the
    /// client, which may not read an answer before it has sent everything, gets one.
    pub(super) async fn drain(&self) {
        const LIMIT: u64 = 4 << 20;
        const PATIENCE: Duration = Duration::from_secs(2);
        let mut drained = 0;
        let rest = std::future::poll_fn(|cx| {
            loop {
                let mut side = self.lock();
                if drained > LIMIT || side.ended.is_some() || side.is_waiting() {
                    return Poll::Ready(());
                }
                match side.poll_incoming(cx, &self.recorder) {
                    Poll::Ready(Some(Ok(frame))) => drained += frame.data_ref().map_or(0, |data| data.len() as u64),
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        let _ = tokio::time::timeout(PATIENCE, rest).await;
    }
}

impl Side {
    fn is_waiting(&self) -> bool {
        self.expecting.as_ref().is_some_and(|expecting| expecting.state != Asked::Yes)
    }

    /// Whether the client may be asked for its body; an error if it never will be.
    fn poll_asked(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let Some(expecting) = &mut self.expecting else { return Poll::Ready(Ok(())) };
        match expecting.state {
            Asked::Yes => Poll::Ready(Ok(())),
            Asked::Never => Poll::Ready(Err("the origin answered before it asked for the body".into())),
            Asked::NotYet if expecting.patience.as_mut().poll(cx).is_ready() => {
                expecting.state = Asked::Yes;
                Poll::Ready(Ok(()))
            }
            Asked::NotYet => {
                expecting.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
        recorder: &Recorder,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        match Pin::new(&mut *incoming).poll_frame(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => {
                let over = incoming.is_end_stream();
                self.last_sent = Some(Instant::now());
                self.copy_frame(&frame, recorder);
                if over || frame.is_trailers() {
                    self.finish(if self.trailers.is_empty() { BodyEnd::Complete } else { BodyEnd::Trailers });
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.finish(BodyEnd::Failed);
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => {
                self.finish(BodyEnd::Complete);
                Poll::Ready(None)
            }
        }
    }

    fn copy_frame(&mut self, frame: &Frame<Bytes>, recorder: &Recorder) {
        if let (Some(data), Some(copy)) = (frame.data_ref(), &mut self.copy) {
            copy.push(data);
        }
        if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Fields::from_map(trailers);
            recorder.masker.fields(&mut self.trailers);
        }
    }

    fn finish(&mut self, end: BodyEnd) {
        self.incoming = None;
        if let Some(copy) = self.copy.take() {
            self.ended = Some(copy.finish(end).map_err(Arc::new));
        }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(shared) = &self.0 else { return Poll::Ready(None) };
        let mut side = shared.lock();
        match side.poll_asked(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
            Poll::Ready(Ok(())) => {}
        }
        let polled = side.poll_incoming(cx, &shared.recorder);
        shared.write_late(&mut side);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|shared| shared.lock().incoming.is_none())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            None => SizeHint::with_exact(0),
            Some(shared) => {
                shared.lock().incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), |body| body.size_hint())
            }
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(shared) = &self.0 else { return };
        let mut side = shared.lock();
        side.abandoned = true;
        if side.late.is_some() {
            side.finish(BodyEnd::Cancelled);
            shared.write_late(&mut side);
        }
    }
}
