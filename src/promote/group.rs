//! Groups of alike requests, and how their answers become steps.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::answer::Fingerprint;
use super::committed::Place;
use super::request::{CANDIDATES, Candidate, comparable};
use crate::collection::FieldLine;
use crate::model::ExchangeId;

/// What is kept of an exchange.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) started_at: Timestamp,
    pub(super) id: ExchangeId,
    pub(super) number: u64,
    pub(super) answer: Fingerprint,
    /// The fields that may have decided: an entry of the bucket's list.
    pub(super) fields: usize,
    /// The committed scenario that it is an exact hit of.
    pub(super) committed: Option<Place>,
}

impl Sample {
    /// Order of request start; ids settle ties, so that the order of input does not matter.
    pub(super) fn order(&self) -> (Timestamp, ExchangeId) {
        (self.started_at, self.id)
    }
}

/// Consecutive alike answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) answer: Fingerprint,
    pub(super) times: u32,
}

/// The answers of samples, which stand in order of request start, as steps.
pub(super) fn steps(samples: &[Sample]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for sample in samples {
        match steps.last_mut() {
            Some(step) if step.answer == sample.answer => step.times = step.times.saturating_add(1),
            _ => steps.push(Step { answer: sample.answer, times: 1 }),
        }
    }
    steps
}

/// Whether two lists of steps answer alike. The last step goes on for ever, so how often it was seen does not count.
pub(super) fn alike(one: &[Step], other: &[Step]) -> bool {
    let last = one.len().saturating_sub(1);
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .enumerate()
            .all(|(at, (one, other))| one.answer == other.answer && (one.times == other.times || at == last))
}

/// Alike requests with the fields that their scenario must list.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) fields: Vec<FieldLine>,
    pub(super) samples: Vec<Sample>,
}

/// Parts samples whose answers differ by the fields that were seen to decide: one field, or two together, whose values
/// each have one answer; or one whose values have no answer in common. Without such a field there is one group, a
/// sequence.
pub(super) fn split(samples: Vec<Sample>, fields: &[Vec<Candidate>]) -> Vec<Group> {
    let differ = samples.windows(2).any(|pair| pair[0].answer != pair[1].answer);
    let decider = if differ { decider(&samples, fields) } else { None };
    let Some(chosen) = decider else { return vec![Group { fields: Vec::new(), samples }] };
    let mut groups: BTreeMap<Vec<Option<String>>, Group> = BTreeMap::new();
    for sample in samples {
        let candidates = &fields[sample.fields];
        let lines = candidates.iter().filter(|candidate| chosen.contains(&candidate.which));
        let lines = || lines.clone().map(|candidate| FieldLine(candidate.line.clone())).collect();
        let group = groups.entry(values(candidates, &chosen));
        group.or_insert_with(|| Group { fields: lines(), samples: Vec::new() }).samples.push(sample);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| group.samples[0].order());
    groups
}

fn decider(samples: &[Sample], fields: &[Vec<Candidate>]) -> Option<Vec<usize>> {
    let singles = || (0..CANDIDATES).map(|which| vec![which]);
    let pairs = (0..CANDIDATES).flat_map(|one| (one + 1..CANDIDATES).map(move |other| vec![one, other]));
    let seen = |chosen: &Vec<usize>| {
        chosen.iter().all(|which| fields.iter().flatten().any(|candidate| candidate.which == *which))
    };
    let pure = |chosen: &Vec<usize>| seen(chosen) && answers(samples, fields, chosen).is_some_and(|by| is_pure(&by));
    let apart = |chosen: &Vec<usize>| seen(chosen) && answers(samples, fields, chosen).is_some_and(|by| is_apart(&by));
    singles().find(pure).or_else(|| singles().find(apart)).or_else(|| pairs.into_iter().find(pure))
}

/// The answers seen for each value of the chosen fields; `None` when there is only one value.
type ByValue = BTreeMap<Vec<Option<String>>, Vec<Fingerprint>>;

fn answers(samples: &[Sample], fields: &[Vec<Candidate>], chosen: &[usize]) -> Option<ByValue> {
    let of_list: Vec<_> = fields.iter().map(|candidates| values(candidates, chosen)).collect();
    let mut by_value = ByValue::new();
    for sample in samples {
        let seen = by_value.entry(of_list[sample.fields].clone()).or_default();
        if !seen.contains(&sample.answer) {
            seen.push(sample.answer);
        }
    }
    (by_value.len() > 1).then_some(by_value)
}

fn is_pure(by_value: &ByValue) -> bool {
    by_value.values().all(|answers| answers.len() == 1)
}

fn is_apart(by_value: &ByValue) -> bool {
    let mut all: Vec<_> = by_value.values().flatten().collect();
    let count = all.len();
    all.sort();
    all.dedup();
    all.len() == count
}

fn values(candidates: &[Candidate], chosen: &[usize]) -> Vec<Option<String>> {
    let value = |which: &usize| {
        let found = candidates.iter().find(|candidate| candidate.which == *which);
        found.map(|candidate| comparable(&candidate.line))
    };
    chosen.iter().map(value).collect()
}
