//! Faults: answers that go wrong on purpose, in the calls that are chosen for it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::Response;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, StreamBody};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio_util::sync::CancellationToken;

use crate::collection::{Fault, FaultKind};
use crate::wire::call::BodyError;
use crate::wire::{Body, Broken};

/// How many pieces a drip has, unless told otherwise.
const PIECES: u32 = 10;
/// How long a drip takes, unless told otherwise.
const OVER: Duration = Duration::from_secs(5);
/// How long what was sent has to leave us before the connection is closed on it.
const FLUSH: Duration = Duration::from_millis(50);
/// What comes after the head in place of the body: no chunk, and no frame.
const GARBAGE: &[u8] = b"\x00\xfe\xffretake: garbage\r\n\x01\x02\x03not a chunk\r\n";

/// A fault, with the number of calls that could have had it.
#[derive(Debug)]
pub struct Faults {
    fault: Fault,
    calls: AtomicU64,
}

impl Faults {
    /// A fault of which no call knows yet.
    pub fn new(fault: Fault) -> Self {
        Faults { fault, calls: AtomicU64::new(0) }
    }

    /// Counts a call, and says whether it goes wrong; `chance` draws a number from 0 to 1 for it.
    pub fn strikes(&self, chance: impl FnOnce() -> f64) -> bool {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        match self.fault.share {
            Some(share) => chance() < share,
            None => self.fault.calls.is_empty() || self.fault.calls.iter().any(|at| u64::from(at.get()) == call),
        }
    }

    /// The response with what goes wrong in it. `stop` ends what would never end.
    pub fn spoil(&self, response: Response<Body>, stop: &CancellationToken) -> Response<Body> {
        let (mut head, body) = response.into_parts();
        match self.fault.kind {
            FaultKind::Reset => {
                head.extensions.insert(Broken::Reset);
                return Response::from_parts(head, body);
            }
            FaultKind::Empty => {
                head.extensions.insert(Broken::Closed);
                return Response::from_parts(head, body);
            }
            FaultKind::Garbage => {
                head.extensions.insert(Broken::Garbage(Bytes::from_static(GARBAGE)));
                // Without a length, so that the garbage is none of a body; HTTP/2 ends the stream in its place.
                let steps = VecDeque::from([Step::Wait(FLUSH), Step::Break]);
                return Response::from_parts(head, paced(steps, None, stop.clone()));
            }
            FaultKind::Truncate | FaultKind::Stall | FaultKind::Drip => {}
        }
        let length = body.size_hint().exact();
        // Our bodies lie ready: there is nothing to wait for.
        let Some(Ok(whole)) = body.collect().now_or_never() else { return Response::from_parts(head, Body::empty()) };
        let trailers = whole.trailers().cloned();
        let bytes = whole.to_bytes();
        if bytes.is_empty() {
            return Response::from_parts(head, Body::empty());
        }
        let steps = match self.fault.kind {
            FaultKind::Drip => self.drip(&bytes, trailers),
            kind => self.cut(&bytes, kind),
        };
        Response::from_parts(head, paced(steps, length, stop.clone()))
    }

    fn cut(&self, bytes: &Bytes, kind: FaultKind) -> VecDeque<Step> {
        let half = bytes.len() / 2;
        let after = self.fault.after.map_or(half, |after| usize::try_from(after).unwrap_or(usize::MAX));
        // At least one byte is missing.
        let sent = bytes.slice(..after.min(bytes.len() - 1));
        match kind {
            FaultKind::Stall => VecDeque::from([Step::Send(sent), Step::Forever]),
            _ => VecDeque::from([Step::Send(sent), Step::Wait(FLUSH), Step::Break]),
        }
    }

    fn drip(&self, bytes: &Bytes, trailers: Option<http::HeaderMap>) -> VecDeque<Step> {
        let wanted = self.fault.pieces.map_or(PIECES, std::num::NonZeroU32::get) as usize;
        let pieces = wanted.clamp(1, bytes.len());
        let over = self.fault.over.map_or(OVER, |over| Duration::from_millis(over.ms.into()));
        let pause = over / u32::try_from(pieces.saturating_sub(1).max(1)).unwrap_or(u32::MAX);
        let mut steps = VecDeque::with_capacity(2 * pieces);
        for piece in 0..pieces {
            // Whole numbers, so that the pieces are the body exactly.
            let (start, end) = (piece * bytes.len() / pieces, (piece + 1) * bytes.len() / pieces);
            if piece > 0 {
                steps.push_back(Step::Wait(pause));
            }
            steps.push_back(Step::Send(bytes.slice(start..end)));
        }
        steps.extend(trailers.map(Step::Trailers));
        steps
    }
}

/// What a body does next.
pub(super) enum Step {
    Send(Bytes),
    Trailers(http::HeaderMap),
    Wait(Duration),
    /// Nothing more, and the connection stays; until the server stops.
    Forever,
    /// It breaks off.
    Break,
}

/// A body that takes these steps. `length` is what its head says.
pub(super) fn paced(steps: VecDeque<Step>, length: Option<u64>, stop: CancellationToken) -> Body {
    let stream = futures_util::stream::unfold((steps, stop), |(mut steps, stop)| async move {
        loop {
            let frame = match steps.pop_front()? {
                Step::Send(bytes) if bytes.is_empty() => continue,
                Step::Send(bytes) => Ok(Frame::data(bytes)),
                Step::Trailers(trailers) => Ok(Frame::trailers(trailers)),
                Step::Wait(pause) => {
                    stop.run_until_cancelled(tokio::time::sleep(pause)).await;
                    continue;
                }
                Step::Forever => {
                    stop.cancelled().await;
                    steps.clear();
                    Err(BodyError::from("a fault of the collection: the server stopped while the answer stalled"))
                }
                Step::Break => {
                    steps.clear();
                    Err(BodyError::from("a fault of the collection: the answer breaks off"))
                }
            };
            return Some((frame, (steps, stop)));
        }
    });
    let inner = Box::pin(StreamBody::new(stream));
    Body::Stream(Paced { inner, length }.boxed_unsync())
}

/// A stream of frames, of a length that was said before.
struct Paced<B> {
    inner: Pin<Box<B>>,
    length: Option<u64>,
}

impl<B: http_body::Body<Data = Bytes, Error = BodyError>> http_body::Body for Paced<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = self.inner.as_mut().poll_frame(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(left)) = (&frame, &mut self.length) {
            *left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
        }
        frame
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Faults {
        Faults::new(serde_json::from_str(text).unwrap())
    }

    /// What comes of a body of ten bytes, with the time of each piece in milliseconds, and how it ends.
    async fn course(fault: &str, stop: &CancellationToken) -> (Option<u64>, Vec<(u128, String)>, bool) {
        let spoiled = faults(fault).spoil(Response::new(Body::full("0123456789")), stop);
        let started = tokio::time::Instant::now();
        let (mut body, mut pieces) = (spoiled.into_body(), Vec::new());
        let length = body.size_hint().exact();
        loop {
            match body.frame().await {
                Some(Ok(frame)) => {
                    let data = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
                    pieces.push((started.elapsed().as_millis(), data));
                }
                Some(Err(_)) => return (length, pieces, false),
                None => return (length, pieces, true),
            }
        }
    }

    fn texts(pieces: &[(u128, &str)]) -> Vec<(u128, String)> {
        pieces.iter().map(|(at, text)| (*at, (*text).to_owned())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_break_off_stall_and_drip() {
        let stop = CancellationToken::new();
        assert_eq!(course(r#"{"do":"truncate"}"#, &stop).await, (Some(10), texts(&[(0, "01234")]), false));
        assert_eq!(course(r#"{"do":"truncate","after":0}"#, &stop).await, (Some(10), vec![], false));
        assert_eq!(
            course(r#"{"do":"truncate","after":99}"#, &stop).await,
            (Some(10), texts(&[(0, "012345678")]), false)
        );
        let dripped = course(r#"{"do":"drip","pieces":3,"over":"2s"}"#, &stop).await;
        assert_eq!(dripped, (Some(10), texts(&[(0, "012"), (1_000, "345"), (2_000, "6789")]), true));
        let one = course(r#"{"do":"drip","pieces":1}"#, &stop).await;
        assert_eq!(one, (Some(10), texts(&[(0, "0123456789")]), true));
        let stalled = tokio::time::timeout(Duration::from_secs(3_600), course(r#"{"do":"stall","after":2}"#, &stop));
        assert!(stalled.await.is_err(), "an hour later it stalls still");
        stop.cancel();
        assert_eq!(course(r#"{"do":"stall","after":2}"#, &stop).await, (Some(10), texts(&[(0, "01")]), false));
    }

    #[test]
    fn what_happens_to_the_connection_is_said_to_it() {
        let stop = CancellationToken::new();
        let broken = |fault: &str| {
            let spoiled = faults(fault).spoil(Response::new(Body::full("0123456789")), &stop);
            spoiled.extensions().get::<Broken>().cloned()
        };
        assert!(matches!(broken(r#"{"do":"reset"}"#), Some(Broken::Reset)));
        assert!(matches!(broken(r#"{"do":"empty"}"#), Some(Broken::Closed)));
        assert!(matches!(broken(r#"{"do":"garbage"}"#), Some(Broken::Garbage(_))));
        assert!(broken(r#"{"do":"truncate"}"#).is_none());
    }

    #[test]
    fn the_calls_are_chosen_by_number_or_by_chance() {
        let struck = |text: &str| -> Vec<u64> {
            let faults = faults(text);
            (1..=6u64).filter(|call| faults.strikes(|| *call as f64 / 10.0)).collect()
        };
        assert_eq!(struck(r#"{"do":"reset"}"#), [1, 2, 3, 4, 5, 6]);
        assert_eq!(struck(r#"{"do":"reset","calls":[2,5]}"#), [2, 5]);
        assert_eq!(struck(r#"{"do":"reset","share":0.35}"#), [1, 2, 3]);
        assert_eq!(struck(r#"{"do":"reset","share":0}"#), [0; 0]);
    }
}
