//! What had happened before a logged call, told again from the log: which sequences had given how many answers, and which
//! named states were on. Values that calls made afresh are not told: the log of an exact hit has none.

use std::collections::HashMap;

use super::sequence::Sequence;
use crate::collection::{Collection, START};
use crate::matching::{ScenarioRef, State};

/// The state of one cursor of one collection.
#[derive(Debug, Default)]
pub struct Past {
    scenarios: HashMap<ScenarioRef, Stateful>,
    /// By the thing whose state it is.
    states: HashMap<String, String>,
}

/// A scenario whose answer depends on what happened, or changes it.
#[derive(Debug)]
struct Stateful {
    sequence: Sequence,
    served: u64,
    thing: String,
    requires: Option<String>,
    next: Option<String>,
}

impl Past {
    /// Of this collection, as it is now, before anything happened.
    pub fn new(collection: &Collection) -> Past {
        let mut past = Past::default();
        for (stub_at, file) in collection.stubs.iter().enumerate() {
            for (at, scenario) in file.stub.scenarios.iter().enumerate() {
                let sequence = Sequence::new(scenario.steps(), scenario.end.unwrap_or_default());
                let state = scenario.state.as_ref();
                if !sequence.counts() && state.is_none() {
                    continue;
                }
                let place = ScenarioRef { collection: 0, stub: stub_at, scenario: at };
                let thing = state.map(|state| state.thing().to_owned()).unwrap_or_default();
                let requires = state.and_then(|state| state.requires.clone());
                let next = state.and_then(|state| state.next.clone());
                past.scenarios.insert(place, Stateful { sequence, served: 0, thing, requires, next });
            }
        }
        past
    }

    /// Everything began anew.
    pub fn reset(&mut self) {
        self.states.clear();
        self.scenarios.values_mut().for_each(|scenario| scenario.served = 0);
    }

    /// A thing entered a state; the empty name is that of the collection as a whole.
    pub fn entered(&mut self, thing: &str, state: &str) {
        self.states.insert(thing.to_owned(), state.to_owned());
    }

    /// The sequence of this scenario of this stub, by position, went before a step (from 1).
    pub fn went_to(&mut self, stub: usize, scenario: usize, step: usize) {
        let Some(scenario) = self.scenarios.get_mut(&ScenarioRef { collection: 0, stub, scenario }) else { return };
        if let Some(served) = step.checked_sub(1).and_then(|step| scenario.sequence.calls_before(step)) {
            scenario.served = served;
        }
    }

    /// A call was answered by this scenario of this stub, by position.
    pub fn answered(&mut self, stub: usize, scenario: usize) {
        if let Some(scenario) = self.scenarios.get_mut(&ScenarioRef { collection: 0, stub, scenario }) {
            scenario.served += 1;
            if let Some(next) = &scenario.next {
                self.states.insert(scenario.thing.clone(), next.clone());
            }
        }
    }
}

impl State for Past {
    fn is_used_up(&self, at: ScenarioRef) -> bool {
        self.scenarios.get(&at).is_some_and(|scenario| scenario.sequence.step(scenario.served).is_none())
    }

    fn is_in_wrong_state(&self, at: ScenarioRef) -> bool {
        let Some((scenario, required)) = self.scenarios.get(&at).and_then(|it| Some((it, it.requires.as_ref()?)))
        else {
            return false;
        };
        self.states.get(&scenario.thing).map_or(START, String::as_str) != required
    }
}
