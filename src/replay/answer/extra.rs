//! What of an answer is decided for each call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::Response;
use rand::RngExt;

use super::Around;
use super::echo::Echo;
use super::random::{Random, Seed};
use super::template::{Making, Templated};
use crate::collection::{Delay, PacedPiece};
use crate::matching::Call;
use crate::model::Fields;
use crate::replay::delay::{Paced, Wait};
use crate::replay::fault::Faults;
use crate::wire::Body;

/// What of one answer is decided for each call. Most answers have none of it.
#[derive(Debug)]
pub struct Extra {
    parts: Parts,
    seed: Seed,
    /// How many calls it answered.
    calls: AtomicU64,
}

/// The parts of an [`Extra`].
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) echo: Option<Echo>,
    pub(super) template: Option<Templated>,
    pub(super) delay: Delay,
    /// How long the origin took, in milliseconds.
    pub(super) recorded_ms: Option<u32>,
    /// The pieces in which it came.
    pub(super) pace: Arc<[PacedPiece]>,
    pub(super) fault: Option<Arc<Faults>>,
}

impl Parts {
    /// None if there is nothing to decide.
    pub(super) fn into_extra(self, seed: Seed) -> Option<Box<Extra>> {
        let plain = self.echo.is_none() && self.template.is_none() && self.delay.is_none() && self.fault.is_none();
        (!plain).then(|| Box::new(Extra { parts: self, seed, calls: AtomicU64::new(0) }))
    }
}

/// One call of an answer.
pub struct Turn<'a> {
    parts: &'a Parts,
    random: Random,
}

impl Extra {
    /// The next call: it has chance of its own.
    pub fn turn(&self) -> Turn<'_> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        Turn { parts: &self.parts, random: self.seed.of_call(number) }
    }
}

impl Turn<'_> {
    /// Field lines and content for the call; none where the recorded ones do.
    ///
    /// # Errors
    /// In words, when a template makes too much.
    pub fn content(
        &mut self,
        call: &Call,
        around: &Around,
        lines: &Fields,
        body: &Bytes,
    ) -> Result<Option<(Fields, Bytes)>, String> {
        if let Some(template) = &self.parts.template {
            let mut making = Making::new(call, around.now(), &mut self.random);
            return template.filled(&mut making, lines, body).map(Some).map_err(|error| error.to_string());
        }
        Ok(self.parts.echo.as_ref().and_then(|echo| echo.filled(call, lines, body)))
    }

    /// The response as it goes out: late, or gone wrong.
    pub fn finish(mut self, mut response: Response<Body>, around: &Around) -> Response<Body> {
        let Parts { delay, recorded_ms, pace, fault, .. } = self.parts;
        if !delay.is_none() {
            let wait = delay.sample(|| self.random.rng().random(), *recorded_ms);
            response.extensions_mut().insert(Wait(wait));
        }
        match fault {
            Some(fault) if fault.strikes(|| self.random.rng().random()) => fault.spoil(response, &around.stop),
            _ => match delay {
                Delay::Recorded(factor) if !pace.is_empty() => {
                    response.extensions_mut().insert(Paced { pieces: Arc::clone(pace), factor: *factor });
                    response
                }
                _ => response,
            },
        }
    }
}
