//! What has happened so far, as matching asks for it; and the values of a call that were made afresh.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Evaluation, Part, Points, ScenarioRef, Verdict};

/// What has happened before a call. Asked only where the answer depends on it: a scenario without state asks nothing.
pub trait State {
    /// Whether the sequence of a scenario has given all its answers.
    fn is_used_up(&self, _scenario: ScenarioRef) -> bool {
        false
    }

    /// Whether another named state is on than the one that a scenario requires.
    fn is_in_wrong_state(&self, _scenario: ScenarioRef) -> bool {
        false
    }

    /// The recorded value for which a fresh one stands in a collection, if it has been bound.
    fn bound(&self, _collection: usize, _fresh: &str) -> Option<Arc<str>> {
        None
    }

    /// Whether some fresh value stands for this recorded one already.
    fn is_spoken_for(&self, _collection: usize, _recorded: &str) -> bool {
        false
    }
}

/// Nothing has happened yet, and every scenario is in its state: a collection by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Untouched;

impl State for Untouched {}

/// A value that no scenario of the stub has, and that a scenario took for its own recorded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreshValue {
    /// The item in which it stands.
    pub name: String,
    /// What was recorded.
    pub recorded: String,
    /// What the call has.
    pub fresh: String,
    /// What scenarios of the stub have in this place.
    pub(super) known: Arc<HashSet<String>>,
}

/// The fresh values of one part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FreshValues {
    /// At most a hundred.
    pub(super) values: Vec<FreshValue>,
    /// How many stood for a recorded value that another stands for already.
    pub(super) spoken_for: u32,
}

impl Evaluation {
    /// The fresh values that stand for recorded ones of this scenario and are not bound yet.
    pub fn fresh_values(&self) -> impl Iterator<Item = &FreshValue> {
        Part::ALL.into_iter().flat_map(|part| self.part(part).fresh.iter().flat_map(|fresh| &fresh.values))
    }

    /// Looks at what fresh values stand for by now: one that stands for another recorded value contradicts, one whose
    /// recorded value is taken counts as second best, and only what is still to be bound stays listed.
    pub(super) fn settle(&mut self, collection: usize, state: &dyn State) {
        let mut contradicted = false;
        for part in Part::ALL {
            let result = self.part_mut(part);
            let Some(mut fresh) = result.fresh.take() else { continue };
            for value in std::mem::take(&mut fresh.values) {
                match state.bound(collection, &value.fresh) {
                    Some(bound) if *bound == *value.recorded => {}
                    Some(bound) if value.known.contains(&*bound) => {
                        result.tally.same = result.tally.same.saturating_sub(1);
                        result.add(Verdict::Different, &value.name, Some(&value.recorded), Some(&value.fresh));
                        contradicted = true;
                    }
                    // It stands for a value that this stub does not have: here it is as fresh as any.
                    Some(_) => {}
                    None if state.is_spoken_for(collection, &value.recorded) => fresh.spoken_for += 1,
                    None => fresh.values.push(value),
                }
            }
            result.fresh = Some(fresh);
        }
        if contradicted {
            self.score = self.points.map_or_else(|| self.scored(), Points::sum);
        }
    }

    /// How many fresh values stand for recorded ones that others stand for already.
    pub(super) fn spoken_for(&self) -> u32 {
        let of = |part: &Part| self.part(*part).fresh.as_ref().map_or(0, |fresh| fresh.spoken_for);
        Part::ALL.iter().map(of).sum()
    }
}
