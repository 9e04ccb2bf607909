//! What is left when no scenario answers: the class of the reason, and the nearest scenarios of the same host.

use std::cmp::Ordering;

use serde::Serialize;

use crate::collection::Profile;

use super::index::Index;
use super::order::Contender;
use super::received::Received;
use super::{Evaluation, Part, ScenarioRef, Target};

/// Nothing answers: the class of the reason, and the nearest scenarios.
#[derive(Debug, Clone, PartialEq)]
pub struct Miss {
    /// Why.
    pub reason: Reason,
    /// Nearest first, at most five, all of the same host.
    pub near: Vec<Near>,
    /// The origins that are served, if the host of the call is not among them.
    pub served: Vec<String>,
}

/// The class of a miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No collection has stubs for the host.
    NoSuchHost,
    /// The host is served, the path is not.
    NoSuchEndpoint,
    /// The path is served, with another method.
    Method,
    /// The endpoint is known, with other values in the path.
    Value,
    /// The nearest scenario has another query.
    Query,
    /// The nearest scenario has other fields.
    Header,
    /// The nearest scenario has another body.
    Body,
    /// The scenario that would answer has given all its answers.
    UsedUp,
    /// The scenario that would answer is disabled.
    Disabled,
}

/// How the path of a near scenario's stub differs from the call's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathFault {
    /// An escaped slash or another escape of a reserved character on one side.
    Escape,
    /// Upper and lower case.
    Case,
    /// Two slashes in a row.
    DoubleSlash,
    /// A slash at the end of one.
    TrailingSlash,
    /// `.` or `..`
    DotSegments,
    /// Another path.
    Other,
}

/// Whether a scenario could answer at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It could.
    Enabled,
    /// It is switched off.
    Disabled,
    /// Its sequence has ended.
    UsedUp,
}

/// A scenario that nearly answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// Which.
    pub at: ScenarioRef,
    /// How it compares in query, body, fields and captured values.
    pub evaluation: Evaluation,
    /// Whether the method is the call's.
    pub method: bool,
    /// How the path differs, if it does.
    pub path: Option<PathFault>,
    /// Whether it could answer at all.
    pub standing: Standing,
}

/// Which of two scenarios that do not qualify is nearer: score, then items compared, then place.
pub(super) fn nearer(one: &Contender<'_>, other: &Contender<'_>) -> Ordering {
    let contradicted =
        |evaluation: &Evaluation| Part::ALL.iter().map(|part| evaluation.part(*part).tally.different).sum::<u32>();
    (one.evaluation.captures.tally.different.cmp(&other.evaluation.captures.tally.different))
        .then_with(|| other.evaluation.score.total_cmp(&one.evaluation.score))
        .then_with(|| contradicted(&one.evaluation).cmp(&contradicted(&other.evaluation)))
        .then_with(|| other.evaluation.compared().cmp(&one.evaluation.compared()))
        .then_with(|| one.stub.specificity.cmp(&other.stub.specificity))
        .then_with(|| one.scenario.at.collection.cmp(&other.scenario.at.collection))
        .then_with(|| one.stub.file.cmp(&other.stub.file))
        .then_with(|| one.scenario.at.scenario.cmp(&other.scenario.at.scenario))
}

/// The miss of a call that no scenario answers.
pub(super) fn miss(
    index: &Index,
    received: &Received<'_>,
    _profile: Profile,
    _used_up: &dyn Fn(ScenarioRef) -> bool,
) -> Miss {
    let mut known = false;
    index.origins_of(&received.call().target, &mut |_| known = true);
    let nowhere = !known && received.call().target != Target::Any;
    let served = if nowhere { index.origins().map(ToString::to_string).collect() } else { Vec::new() };
    Miss { reason: if nowhere { Reason::NoSuchHost } else { Reason::NoSuchEndpoint }, near: Vec::new(), served }
}
