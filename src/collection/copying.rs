//! Scenarios that answer as others do, and sequences that go on with their last answer.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::stub::{RequestSpec, Scenario};

/// A scenario with the answers of another one, and a request of its own.
pub(super) fn copy(known: &Scenario, name: &str, request: &RequestSpec) -> Scenario {
    Scenario {
        name: name.to_owned(),
        default: false,
        disabled: false,
        // It was made from no exchange, and an id means one scenario.
        source: None,
        id: None,
        request: request.clone(),
        ..known.clone()
    }
}

/// Gives the last answer again until the scenario answers so many calls; whether anything is different afterwards.
pub(super) fn lengthen(scenario: &mut Scenario, answers: u32) -> bool {
    if let Some(only) = scenario.response.take() {
        scenario.responses = vec![Arc::unwrap_or_clone(only)];
    }
    let before = answers_of(scenario);
    let lacks = answers.saturating_sub(before);
    if let Some(last) = scenario.responses.last_mut() {
        let times = last.times.map_or(1, NonZeroU32::get).saturating_add(lacks);
        last.times = NonZeroU32::new(times).filter(|times| times.get() > 1);
    }
    lacks > 0
}

/// How many calls a scenario answers before it comes to its end.
pub fn answers_of(scenario: &Scenario) -> u32 {
    let times = scenario.steps().iter().map(|step| step.times.map_or(1, NonZeroU32::get));
    times.fold(0, u32::saturating_add)
}
