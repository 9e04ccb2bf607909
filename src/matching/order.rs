//! The order among scenarios that may answer. Total, and the same whatever order they are found in.

use std::cmp::Ordering;

use serde::Serialize;

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

/// What decides between two scenarios that may both answer, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decider {
    /// Qualified before HEAD from GET before defaults.
    Role,
    /// The higher priority.
    Priority,
    /// Exact before inexact.
    Exactness,
    /// The more specific path.
    Specificity,
    /// The higher score.
    Score,
    /// More items compared.
    Items,
    /// The order of `origins`.
    Origin,
    /// The order of collections.
    Collection,
    /// The path of the file.
    File,
    /// The position in the file.
    Position,
}

impl Decider {
    /// Why the one that lost did, in words.
    pub fn words(self) -> &'static str {
        match self {
            Decider::Role => "it would answer only as a default, or a GET scenario for HEAD",
            Decider::Priority => "the priority of the other is higher",
            Decider::Exactness => "the other is an exact hit",
            Decider::Specificity => "the path of the other is more specific",
            Decider::Score => "the score of the other is higher",
            Decider::Items => "more items of the other were compared",
            Decider::Origin => "the origin of the other comes first in `origins`",
            Decider::Collection => "the collection of the other comes first",
            Decider::File => "the file of the other comes first by name",
            Decider::Position => "the other comes first in the file",
        }
    }
}

/// Which of two goes first: `Less` is the one that answers.
pub(super) fn compare(one: &Contender<'_>, other: &Contender<'_>) -> Ordering {
    decide(one, other).map_or(Ordering::Equal, |(order, _)| order)
}

/// [`compare`] with what decided; none for a scenario and itself.
pub(super) fn decide(one: &Contender<'_>, other: &Contender<'_>) -> Option<(Ordering, Decider)> {
    let inexact = |contender: &Contender<'_>| !contender.evaluation.is_exact();
    let steps: [(Decider, &dyn Fn() -> Ordering); 10] = [
        (Decider::Role, &|| one.role.cmp(&other.role)),
        (Decider::Priority, &|| other.scenario.priority.cmp(&one.scenario.priority)),
        (Decider::Exactness, &|| inexact(one).cmp(&inexact(other))),
        (Decider::Specificity, &|| one.stub.specificity.cmp(&other.stub.specificity)),
        (Decider::Score, &|| other.evaluation.score.total_cmp(&one.evaluation.score)),
        (Decider::Items, &|| other.evaluation.compared().cmp(&one.evaluation.compared())),
        (Decider::Origin, &|| one.origin_rank.cmp(&other.origin_rank)),
        (Decider::Collection, &|| one.scenario.at.collection.cmp(&other.scenario.at.collection)),
        (Decider::File, &|| one.stub.file.cmp(&other.stub.file)),
        (Decider::Position, &|| one.scenario.at.scenario.cmp(&other.scenario.at.scenario)),
    ];
    steps.iter().map(|(decider, order)| (order(), *decider)).find(|(order, _)| order.is_ne())
}
