//! Streams at the pace of the recording: the body goes out in the pieces in which it came, each after its pause.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::FutureExt;
use http::Response;
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio_util::sync::CancellationToken;

use super::fault::{Step, paced};
use crate::collection::{MAX_DELAY_MS, PacedPiece};
use crate::wire::Body;

/// The response with its body in these pieces, each pause times `factor`. A body that is not as long as the recorded one
/// is cut in the same proportions. `stop` ends all waiting.
pub fn pace(response: Response<Body>, pieces: &[PacedPiece], factor: f64, stop: &CancellationToken) -> Response<Body> {
    let recorded: u128 = pieces.iter().map(|piece| u128::from(piece.bytes)).sum();
    if recorded == 0 || response.body().is_end_stream() {
        return response;
    }
    let (head, body) = response.into_parts();
    let length = body.size_hint().exact();
    // Our bodies lie ready: there is nothing to wait for.
    let Some(Ok(whole)) = body.collect().now_or_never() else { return Response::from_parts(head, Body::empty()) };
    let trailers = whole.trailers().cloned();
    let bytes = whole.to_bytes();
    let mut steps = VecDeque::with_capacity(2 * pieces.len() + 1);
    let (mut sent, mut passed) = (0, 0_u128);
    for piece in pieces {
        passed += u128::from(piece.bytes);
        // At most the length of the body.
        let end = usize::try_from(passed * bytes.len() as u128 / recorded).unwrap_or(bytes.len());
        let pause = (f64::from(piece.after_ms) * factor).clamp(0.0, f64::from(MAX_DELAY_MS));
        if pause > 0.0 {
            steps.push_back(Step::Wait(Duration::from_micros((pause * 1_000.0) as u64)));
        }
        steps.push_back(Step::Send(bytes.slice(sent..end)));
        sent = end;
    }
    steps.extend(trailers.map(Step::Trailers));
    Response::from_parts(head, paced(steps, length, stop.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn course(body: &'static str, pieces: &[&str], factor: f64) -> Vec<(u128, String)> {
        let pieces: Vec<PacedPiece> = pieces.iter().map(|piece| piece.parse().unwrap()).collect();
        let stop = CancellationToken::new();
        let mut body = pace(Response::new(Body::full(body)), &pieces, factor, &stop).into_body();
        let started = tokio::time::Instant::now();
        let mut course = Vec::new();
        while let Some(frame) = body.frame().await {
            let data = String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap();
            course.push((started.elapsed().as_millis(), data));
        }
        course
    }

    fn texts(pieces: &[(u128, &str)]) -> Vec<(u128, String)> {
        pieces.iter().map(|(at, text)| (*at, (*text).to_owned())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn pieces_come_as_they_came() {
        let recorded = ["0ms 3", "1s 2", "500ms 5"];
        let expected = texts(&[(0, "012"), (1_000, "34"), (1_500, "56789")]);
        assert_eq!(course("0123456789", &recorded, 1.0).await, expected);
        let twice = texts(&[(0, "012"), (500, "34"), (750, "56789")]);
        assert_eq!(course("0123456789", &recorded, 0.5).await, twice);
        let longer = texts(&[(0, "012345"), (1_000, "6789"), (1_500, "abcdefghij")]);
        assert_eq!(course("0123456789abcdefghij", &recorded, 1.0).await, longer);
        assert_eq!(course("", &recorded, 1.0).await, []);
        assert_eq!(course("ab", &["5ms 0"], 1.0).await, texts(&[(0, "ab")]), "no recorded byte says nothing");
    }
}
