//! Body files that have their name and no record yet: a sweep that ran just then would take them for orphans.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::{BodyContent, ContentHash, Exchange};

/// A body whose record has not come after this time never gets one: its append failed.
const GIVEN_UP: Duration = Duration::from_secs(600);

/// The bodies on their way into the journal.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    bodies: HashMap<ContentHash, (u32, Instant)>,
    /// While a sweep looks for references, what is done meanwhile is kept too: it may not have seen the record.
    sweeping: bool,
    done: Vec<ContentHash>,
    /// Body files that could not be synced: whether the disk has them nobody knows, whatever the kernel still shows.
    distrusted: HashSet<ContentHash>,
}

impl State {
    fn end(&mut self, hash: ContentHash) {
        if let Some((count, _)) = self.bodies.get_mut(&hash) {
            *count -= 1;
            if *count == 0 {
                self.bodies.remove(&hash);
            }
        }
    }
}

impl InFlight {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A body file is about to get its name.
    pub(super) fn begin(&self, hash: ContentHash) {
        let mut state = self.state();
        let entry = state.bodies.entry(hash).or_insert((0, Instant::now()));
        *entry = (entry.0.saturating_add(1), Instant::now());
    }

    /// The record of an exchange is in the journal.
    pub(super) fn recorded(&self, bodies: &[ContentHash]) {
        if bodies.is_empty() {
            return;
        }
        let mut state = self.state();
        if state.sweeping {
            state.done.extend_from_slice(bodies);
        } else {
            bodies.iter().for_each(|hash| state.end(*hash));
        }
    }

    /// A body file could not be synced.
    pub(super) fn distrust(&self, hash: ContentHash) {
        self.state().distrusted.insert(hash);
    }

    /// A body file was written anew.
    pub(super) fn trust(&self, hash: ContentHash) {
        self.state().distrusted.remove(&hash);
    }

    /// Whether a body file of this content must be written anew.
    pub(super) fn is_distrusted(&self, hash: ContentHash) -> bool {
        self.state().distrusted.contains(&hash)
    }

    /// Begins a sweep, which ends when what is returned is dropped.
    pub(super) fn sweep(&self) -> Sweep<'_> {
        self.state().sweeping = true;
        Sweep(self)
    }
}

/// A sweep under way.
pub(super) struct Sweep<'a>(&'a InFlight);

impl Sweep<'_> {
    /// Does `work` unless the body is on its way; nobody begins it meanwhile.
    pub(super) fn unless_in_flight(&self, hash: ContentHash, work: impl FnOnce()) {
        let mut state = self.0.state();
        if state.bodies.get(&hash).is_some_and(|(_, since)| since.elapsed() < GIVEN_UP) {
            return;
        }
        state.bodies.remove(&hash);
        work();
    }
}

impl Drop for Sweep<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.sweeping = false;
        let done = std::mem::take(&mut state.done);
        done.into_iter().for_each(|hash| state.end(hash));
    }
}

/// The body files that an exchange names.
pub(super) fn blobs_of(exchange: &Exchange) -> Vec<ContentHash> {
    let response = exchange.outcome.response().map(|response| &response.body);
    let bodies = [Some(&exchange.request.body), response].into_iter().flatten();
    bodies.filter(|body| matches!(body.content, BodyContent::Blob)).map(|body| body.hash).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_spared_until_its_record_is_there_and_until_the_sweep_that_may_have_missed_it_ends() {
        let in_flight = InFlight::default();
        let hash = ContentHash::of(b"x");
        let taken = |sweep: &Sweep<'_>| {
            let mut taken = false;
            sweep.unless_in_flight(hash, || taken = true);
            taken
        };
        in_flight.begin(hash);
        let sweep = in_flight.sweep();
        assert!(!taken(&sweep));
        in_flight.recorded(&[hash]);
        assert!(!taken(&sweep));
        drop(sweep);
        assert!(taken(&in_flight.sweep()));
    }
}
