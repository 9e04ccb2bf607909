//! How long answers wait before they go out.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Response};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use tokio_util::sync::CancellationToken;

use super::pace::pace;
use crate::collection::{Delay, MAX_DELAY_MS, PacedPiece};
use crate::wire::Body;

/// The field by which a call asks for a delay; it beats everything else.
const STEERING: &str = "x-mock-response-delay";

/// Travels in the extensions of a response that is to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(pub Duration);

/// Travels in the extensions of a response that is to go out as it came.
#[derive(Debug, Clone)]
pub struct Paced {
    /// The pieces in which it came.
    pub pieces: Arc<[PacedPiece]>,
    /// By which their pauses are multiplied.
    pub factor: f64,
}

impl Delay {
    /// Whether it never waits.
    pub(super) fn is_none(self) -> bool {
        matches!(self, Delay::None | Delay::Fixed(0))
    }

    /// A delay of one call; `recorded` is how long the origin took. At most [`MAX_DELAY_MS`].
    pub(super) fn sample(self, rng: impl FnOnce() -> u64, recorded: Option<u32>) -> Duration {
        let seeded = || ChaCha8Rng::seed_from_u64(rng());
        let ms = match self {
            Delay::None => 0.0,
            Delay::Slow2g => 300.0,
            Delay::Slow3g => 100.0,
            Delay::Fixed(ms) => f64::from(ms),
            Delay::Uniform(from, to) => f64::from(seeded().random_range(from..=to)),
            Delay::LogNormal(median, sigma) => f64::from(median) * (sigma * normal(&mut seeded())).exp(),
            Delay::Recorded(factor) => f64::from(recorded.unwrap_or(0)) * factor,
        };
        Duration::from_micros((ms.clamp(0.0, f64::from(MAX_DELAY_MS)) * 1_000.0) as u64)
    }
}

/// A number of the normal distribution, by Box and Muller.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    // From 0 to 1 without 0, whose logarithm is none.
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// What a call asks for: none without the field.
///
/// # Errors
/// What is wrong with the value, in words.
pub fn asked(fields: &HeaderMap) -> Result<Option<Duration>, String> {
    let Some(value) = fields.get(STEERING) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
    match text.parse::<u32>() {
        Ok(ms @ 1..=MAX_DELAY_MS) => Ok(Some(Duration::from_millis(ms.into()))),
        _ => Err(format!("`{STEERING}: {text}` is no delay: write milliseconds, from 1 to {MAX_DELAY_MS}")),
    }
}

/// Waits as long as the call asked, or else as long as the response says, of which the rest is then paced. Ends at once when the server stops; dropped
/// with its call when the client goes away.
pub async fn wait(asked: Option<Duration>, response: &mut Response<Body>, stop: &CancellationToken) {
    let own = response.extensions_mut().remove::<Wait>().map(|wait| wait.0);
    if let Some(paced) = response.extensions_mut().remove::<Paced>().filter(|_| asked.is_none()) {
        let whole = std::mem::replace(response, Response::new(Body::empty()));
        *response = pace(whole, &paced.pieces, paced.factor, stop);
    }
    let Some(delay) = asked.or(own).filter(|delay| !delay.is_zero()) else { return };
    stop.run_until_cancelled(tokio::time::sleep(delay)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(delay: &str, seed: u64, recorded: Option<u32>) -> u128 {
        delay.parse::<Delay>().unwrap().sample(|| seed, recorded).as_millis()
    }

    #[test]
    fn each_kind_waits_as_it_says() {
        assert_eq!(ms("none", 1, None), 0);
        assert_eq!((ms("2g", 1, None), ms("3g", 1, None)), (300, 100));
        assert_eq!(ms("250ms", 1, Some(9)), 250);
        assert_eq!(
            (ms("recorded", 1, Some(80)), ms("recorded*0.5", 1, Some(80)), ms("recorded", 1, None)),
            (80, 40, 0)
        );
        assert_eq!(ms("recorded*100", 1, Some(60_000)), 180_000, "never longer than three minutes");
        let uniform: Vec<u128> = (0..500).map(|seed| ms("100ms..110ms", seed, None)).collect();
        assert!((100..=110).all(|wanted| uniform.contains(&wanted)), "every value comes");
        assert!(uniform.iter().all(|value| (100..=110).contains(value)));
        let mut log_normal: Vec<u128> = (0..2_000).map(|seed| ms("log-normal 120ms 0.5", seed, None)).collect();
        log_normal.sort_unstable();
        assert!((110..=130).contains(&log_normal[1_000]), "the median is {}", log_normal[1_000]);
        assert!((60..=90).contains(&log_normal[320]), "one sigma below: {}", log_normal[320]);
        assert!(log_normal[1_999] <= 180_000);
        assert_eq!(ms("log-normal 120ms 0", 5, None), 120);
        assert_eq!(ms("100ms..900ms", 7, None), ms("100ms..900ms", 7, None), "seeded");
    }

    #[test]
    fn a_call_asks_in_milliseconds() {
        let ask = |value: &'static str| {
            let mut map = HeaderMap::new();
            map.insert(STEERING, http::HeaderValue::from_static(value));
            asked(&map)
        };
        assert_eq!(asked(&HeaderMap::new()), Ok(None));
        assert_eq!(ask("1"), Ok(Some(Duration::from_millis(1))));
        assert_eq!(ask("180000"), Ok(Some(Duration::from_secs(180))));
        for bad in ["0", "180001", "-1", "1.5", "2g", ""] {
            assert!(ask(bad).unwrap_err().contains("from 1 to 180000"), "{bad}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_call_beats_the_answer_and_a_stop_ends_all_waiting() {
        let stop = CancellationToken::new();
        let waited = async |asked: Option<u64>, own: Option<u64>| {
            let mut response = Response::new(Body::empty());
            if let Some(ms) = own {
                response.extensions_mut().insert(Wait(Duration::from_millis(ms)));
            }
            let started = tokio::time::Instant::now();
            wait(asked.map(Duration::from_millis), &mut response, &stop).await;
            assert!(response.extensions().get::<Wait>().is_none());
            started.elapsed().as_millis()
        };
        assert_eq!(waited(None, None).await, 0);
        assert_eq!(waited(None, Some(300)).await, 300);
        assert_eq!(waited(Some(50), Some(300)).await, 50);
        assert_eq!(waited(Some(50), None).await, 50);
        stop.cancel();
        assert_eq!(waited(Some(180_000), None).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_call_beats_the_pace_of_a_stream() {
        let took = async |asked: Option<u64>| {
            let mut response = Response::new(Body::full("abcd"));
            let pieces = ["0ms 2", "400ms 2"].map(|piece| piece.parse::<PacedPiece>().unwrap());
            response.extensions_mut().insert(Wait(Duration::from_millis(100)));
            response.extensions_mut().insert(Paced { pieces: pieces.into(), factor: 2.0 });
            let started = tokio::time::Instant::now();
            wait(asked.map(Duration::from_millis), &mut response, &CancellationToken::new()).await;
            let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
            assert_eq!(body, "abcd");
            started.elapsed().as_millis()
        };
        assert_eq!(took(None).await, 900);
        assert_eq!(took(Some(10)).await, 10);
    }
}
