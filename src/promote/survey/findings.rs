//! What the survey found.

use super::flow::Intro;
use super::texts::Id;
use crate::collection::{Place, Rule};

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// It is applied.
    Certain,
    /// It waits for a person, who will hardly refuse it.
    Likely,
    /// It waits for a person.
    Doubtful,
}

/// A rule with its evidence.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) rule: Rule,
    /// Samples in words.
    pub(super) evidence: Vec<String>,
    pub(super) confidence: Confidence,
    pub(super) links: Vec<Link>,
}

/// A value that one exchange introduced and another carries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) value: Id,
    pub(super) by: Intro,
    /// Position of the fact that carries it.
    pub(super) user: usize,
    pub(super) place: Place,
}
