//! The order among scenarios that may answer. Total, and the same whatever order they are found in.

use std::cmp::Ordering;

use super::Evaluation;
use super::expected::{CompiledStub, Expected};

/// In which capacity a scenario answers; earlier goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// It qualified.
    Qualified,
    /// A GET scenario that qualified, for HEAD.
    HeadFromGet,
    /// The default of its stub.
    Default,
    /// The default of a GET stub, for HEAD.
    HeadDefault,
}

/// A scenario that may answer, with all that the order asks.
pub(super) struct Contender<'i> {
    pub(super) role: Role,
    pub(super) stub: &'i CompiledStub,
    pub(super) scenario: &'i Expected,
    pub(super) evaluation: Evaluation,
    /// Position of the origin in its collection; 0 for all if the call named its origin.
    pub(super) origin_rank: u32,
}

/// Which of two goes first: `Less` is the one that answers.
pub(super) fn compare(one: &Contender<'_>, other: &Contender<'_>) -> Ordering {
    let inexact = |contender: &Contender<'_>| !contender.evaluation.is_exact();
    (one.role.cmp(&other.role))
        .then_with(|| other.scenario.priority.cmp(&one.scenario.priority))
        .then_with(|| inexact(one).cmp(&inexact(other)))
        .then_with(|| one.stub.specificity.cmp(&other.stub.specificity))
        .then_with(|| other.evaluation.score.total_cmp(&one.evaluation.score))
        .then_with(|| other.evaluation.compared().cmp(&one.evaluation.compared()))
        .then_with(|| one.origin_rank.cmp(&other.origin_rank))
        .then_with(|| one.scenario.at.collection.cmp(&other.scenario.at.collection))
        .then_with(|| one.stub.file.cmp(&other.stub.file))
        .then_with(|| one.scenario.at.scenario.cmp(&other.scenario.at.scenario))
}
