//! Groups of alike requests, and how their answers become steps.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::answer::Fingerprint;
use super::bucket::FieldLists;
use super::canonical::Seen;
use super::committed::Place;
use super::request::{Candidate, DECIDING, comparable};
use crate::collection::{FieldLine, ResponseSpec, Scenario};
use crate::model::{ContentHash, ExchangeId};

/// What is kept of an exchange.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) started_at: Timestamp,
    pub(super) id: ExchangeId,
    pub(super) number: u64,
    pub(super) answer: Fingerprint,
    /// The fields that may have decided: an entry of the lists.
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

/// Whether two lists of steps answer alike.
pub(super) fn alike(one: &[Step], other: &[Step]) -> bool {
    lasting(one) == lasting(other)
}

/// The steps as two recordings are compared: those that differ only in values made afresh are one. The last goes on for
/// ever, so how often it was seen does not count.
pub(super) fn lasting(steps: &[Step]) -> Vec<(ContentHash, u32)> {
    let mut runs: Vec<(ContentHash, u32)> = Vec::new();
    for step in steps {
        match runs.last_mut() {
            Some((answer, times)) if *answer == step.answer.across => *times = times.saturating_add(step.times),
            _ => runs.push((step.answer.across, step.times)),
        }
    }
    if let Some((_, times)) = runs.last_mut() {
        *times = 0;
    }
    runs
}

/// Alike requests with the fields that their scenario must list.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) fields: Vec<FieldLine>,
    pub(super) samples: Vec<Sample>,
}

impl Group {
    /// Whether some call has this field, of those that may decide.
    pub(super) fn has(&self, name: &str, fields: &FieldLists) -> bool {
        self.samples.iter().any(|sample| fields[sample.fields].iter().any(|candidate| candidate.name == name))
    }
}

/// Parts samples by the values of these fields, which scenarios beside theirs list; each part has the lines of its calls.
/// `seen` is what the rules let be seen of a field.
pub(super) fn by_listed(
    samples: Vec<Sample>,
    fields: &FieldLists,
    names: &[String],
    seen: &dyn Fn(&str) -> Seen,
) -> Vec<Group> {
    let is_listed = |line: &&Candidate| names.contains(&line.name) && seen(&line.name) != Seen::Nothing;
    let value = |candidate: &Candidate| match seen(&candidate.name).hides(&candidate.line.text()) {
        true => String::new(),
        false => comparable(&candidate.line),
    };
    let mut parts: BTreeMap<Vec<(&str, String)>, Group> = BTreeMap::new();
    for sample in samples {
        let own = || fields[sample.fields].iter().filter(is_listed);
        let lines = || own().map(|candidate| FieldLine(candidate.line.clone())).collect();
        let key = own().map(|candidate| (candidate.name.as_str(), value(candidate))).collect();
        parts.entry(key).or_insert_with(|| Group { fields: lines(), samples: Vec::new() }).samples.push(sample);
    }
    let mut parts: Vec<_> = parts.into_values().collect();
    parts.sort_by_key(|part| part.samples[0].order());
    parts
}

/// Parts samples whose answers differ by the fields that were seen to decide: one field, or two together, whose values
/// each have one answer; or one whose values have no answer in common. Without such a field there is one group, a
/// sequence.
pub(super) fn split(samples: Vec<Sample>, fields: &FieldLists) -> Vec<Group> {
    let differ = samples.windows(2).any(|pair| pair[0].answer.across != pair[1].answer.across);
    let decider = if differ { decider(&samples, fields) } else { None };
    let Some(chosen) = decider else { return vec![Group { fields: Vec::new(), samples }] };
    let mut groups: BTreeMap<Vec<Option<String>>, Group> = BTreeMap::new();
    for sample in samples {
        let candidates = &fields[sample.fields];
        let lines = candidates.iter().filter(|candidate| chosen.contains(&candidate.name));
        let lines = || lines.clone().map(|candidate| FieldLine(candidate.line.clone())).collect();
        let group = groups.entry(values(candidates, &chosen));
        group.or_insert_with(|| Group { fields: lines(), samples: Vec::new() }).samples.push(sample);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| group.samples[0].order());
    groups
}

/// More fields that nobody knows are not tried.
const UNKNOWN: usize = 24;

fn decider(samples: &[Sample], fields: &FieldLists) -> Option<Vec<String>> {
    let lists: BTreeSet<usize> = samples.iter().map(|sample| sample.fields).collect();
    let seen: BTreeSet<&str> =
        lists.iter().flat_map(|list| &fields[*list]).map(|candidate| candidate.name.as_str()).collect();
    let known: Vec<&str> = DECIDING.into_iter().filter(|name| seen.contains(name)).collect();
    let mut others: Vec<&str> = seen.into_iter().filter(|name| !DECIDING.contains(name)).collect();
    others.truncate(UNKNOWN);
    let one = |name: &&str| vec![(*name).to_owned()];
    let pure = |chosen: &Vec<String>| answers(samples, fields, chosen).is_some_and(|by| is_pure(&by));
    let apart = |chosen: &Vec<String>| answers(samples, fields, chosen).is_some_and(|by| is_apart(&by));
    let told = |chosen: &Vec<String>| pure(chosen) && comes_again(samples, fields, chosen);
    let pairs = known
        .iter()
        .enumerate()
        .flat_map(|(at, one)| known[at + 1..].iter().map(move |other| vec![(*one).to_owned(), (*other).to_owned()]));
    known
        .iter()
        .map(one)
        .find(pure)
        .or_else(|| known.iter().map(one).find(apart))
        .or_else(|| others.iter().map(one).find(told))
        .or_else(|| pairs.into_iter().find(pure))
}

/// Whether one value of a field came again after another one, and its answer with it; or some calls lack the field. Where
/// the value only changed once, the answer may have changed by itself.
fn comes_again(samples: &[Sample], fields: &FieldLists, chosen: &[String]) -> bool {
    let of_list = by_list(samples, fields, chosen);
    let mut runs: Vec<&Vec<Option<String>>> = Vec::new();
    for sample in samples {
        let value = &of_list[&sample.fields];
        if runs.last() != Some(&value) {
            runs.push(value);
        }
    }
    let mut distinct = runs.clone();
    distinct.sort();
    distinct.dedup();
    // Words that each have their own answer: a tenant, a version. Numbers may only count the calls.
    let is_word =
        |value: &Option<String>| value.as_ref().is_none_or(|text| text.bytes().any(|byte| byte.is_ascii_alphabetic()));
    runs.len() > distinct.len() || distinct.iter().all(|values| values.iter().all(is_word))
}

/// The answers seen for each value of the chosen fields; `None` when there is only one value.
type ByValue = BTreeMap<Vec<Option<String>>, Vec<ContentHash>>;

fn answers(samples: &[Sample], fields: &FieldLists, chosen: &[String]) -> Option<ByValue> {
    let of_list = by_list(samples, fields, chosen);
    let mut by_value = ByValue::new();
    for sample in samples {
        let seen = by_value.entry(of_list[&sample.fields].clone()).or_default();
        if !seen.contains(&sample.answer.across) {
            seen.push(sample.answer.across);
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

/// The values of the chosen fields in each of the lists that samples have.
fn by_list(samples: &[Sample], fields: &FieldLists, chosen: &[String]) -> BTreeMap<usize, Vec<Option<String>>> {
    let mut of_list = BTreeMap::new();
    for sample in samples {
        of_list.entry(sample.fields).or_insert_with(|| values(&fields[sample.fields], chosen));
    }
    of_list
}

fn values(candidates: &[Candidate], chosen: &[String]) -> Vec<Option<String>> {
    let value = |name: &String| {
        let found = candidates.iter().find(|candidate| candidate.name == *name);
        found.map(|candidate| comparable(&candidate.line))
    };
    chosen.iter().map(value).collect()
}

/// How answers are given stays when what they say is replaced: delay and fault, which only a person sets, and how long the
/// origin took, where that was not to be recorded now. Each step takes it from the one that answered in its place.
pub(super) fn keep_manner(responses: &mut [ResponseSpec], committed: &[ResponseSpec]) {
    for (position, new) in responses.iter_mut().enumerate() {
        let Some(old) = committed.get(position).or(committed.last()) else { return };
        new.delay.clone_from(&old.delay);
        new.fault.clone_from(&old.fault);
        if new.duration_ms.is_none() {
            new.duration_ms = old.duration_ms;
            new.pace.clone_from(&old.pace);
        }
    }
}

/// One answer stands alone and goes on for ever; several are a sequence, whose end a person may have chosen.
pub(super) fn set_responses(scenario: &mut Scenario, mut responses: Vec<ResponseSpec>) {
    if responses.len() == 1 {
        scenario.response = responses.pop().map(|only| std::sync::Arc::new(ResponseSpec { times: None, ..only }));
        scenario.responses = Vec::new();
        scenario.end = None;
    } else {
        scenario.response = None;
        scenario.responses = responses;
    }
}
