//! Several stubs with literal paths become one with captures; no scenario, and no value in a path, is lost.

use std::collections::{BTreeMap, HashSet};

use super::change::ChangeError;
use super::key::{StubKey, StubKeys};
use super::pattern::{PathPattern, SegmentPattern};
use super::placing::{free_name, insert};
use super::rule::{Place, Rule};
use super::stub::{Scenario, Stub};
use super::{Collection, slug};

/// A proposal speaks of so many stubs at most: whoever decides about it sees it, and its file stays small.
pub const PATH_STUBS: usize = 1_000;

/// Applies `Change::SetPath`; whether anything is different afterwards. Stubs that are not there any more are passed
/// over, as long as one is, or that of the new path.
pub(super) fn apply(collection: &mut Collection, keys: &[StubKey], path: &PathPattern) -> Result<bool, ChangeError> {
    let Some(first) = keys.first() else { return Ok(false) };
    alike(first, keys)?;
    let is_whole = |stub: &Stub| {
        stub.method == first.method && stub.origin == first.origin && stub.path.segments() == path.segments()
    };
    let stubs = || collection.stubs.iter().map(|file| &*file.stub);
    let target: Option<&Stub> = stubs().find(|stub| is_whole(stub));
    let all: StubKeys<'_> = keys.iter().collect();
    let is_part = |stub: &Stub| !is_whole(stub) && all.have(stub);
    let parts: Vec<&Stub> = stubs().filter(|stub| is_part(stub)).collect();
    if parts.is_empty() {
        return target.map(|_| false).ok_or_else(|| ChangeError::NoStub(first.to_string()));
    }
    let merged = merge(target, &parts, path)?;
    collection.stubs.retain(|file| !is_part(&file.stub));
    match collection.stubs.iter_mut().find(|file| is_whole(&file.stub)) {
        Some(file) => file.stub = merged.into(),
        None => drop(insert(collection, merged)),
    }
    Ok(true)
}

/// What the stub of the new path is known by, whatever its captures are called.
pub(super) fn whole(part: &StubKey, path: &PathPattern) -> StubKey {
    StubKey { path: unnamed(path), ..part.clone() }
}

/// The path with numbers in place of the names of its captures.
pub(super) fn unnamed(path: &PathPattern) -> PathPattern {
    let mut count = 0;
    let segment = |segment: &SegmentPattern| match segment {
        SegmentPattern::Capture(_) => {
            count += 1;
            SegmentPattern::Capture(format!("n{count}"))
        }
        other => other.clone(),
    };
    PathPattern::from_segments(path.segments().iter().map(segment).collect())
}

/// Only stubs of one method and origin can be one.
fn alike(first: &StubKey, keys: &[StubKey]) -> Result<(), ChangeError> {
    for key in keys {
        let what = match () {
            () if key.method != first.method => "methods differ",
            () if key.origin != first.origin => "origins differ",
            () => continue,
        };
        return Err(ChangeError::Apart { one: first.to_string(), other: key.to_string(), what });
    }
    Ok(())
}

fn merge(target: Option<&Stub>, parts: &[&Stub], path: &PathPattern) -> Result<Stub, ChangeError> {
    let first = target.unwrap_or(parts[0]);
    let mut merged = Stub { path: path.clone(), rules: Vec::new(), scenarios: Vec::new(), ..first.clone() };
    let mut names = HashSet::new();
    for part in target.iter().chain(parts) {
        let apart = |what| ChangeError::Apart {
            one: StubKey::of(first).to_string(),
            other: StubKey::of(part).to_string(),
            what,
        };
        if part.defaults != first.defaults {
            return Err(apart("defaults differ"));
        }
        if part.parts != first.parts {
            return Err(apart("settings of `match` differ"));
        }
        let reach = Reach::of(part, path)?;
        for rule in &part.rules {
            let rule = reach.rule(rule);
            match merged.rules.iter().find(|known| known.same_item(&rule)) {
                None => merged.rules.push(rule),
                Some(known) if says_the_same(known, &rule) => {}
                Some(_) => return Err(apart("rules contradict each other")),
            }
        }
        for scenario in &part.scenarios {
            let scenario = reach.scenario(scenario, &names);
            names.insert(scenario.name.clone());
            merged.scenarios.push(scenario);
        }
    }
    Ok(merged)
}

fn says_the_same(one: &Rule, other: &Rule) -> bool {
    Rule { why: None, ..one.clone() } == Rule { why: None, ..other.clone() }
}

/// How the path of one stub lies in that of the new one.
struct Reach {
    /// What stands literally where the new path has a capture.
    values: BTreeMap<String, String>,
    /// Captures by their old names.
    renamed: BTreeMap<String, String>,
}

impl Reach {
    fn of(stub: &Stub, path: &PathPattern) -> Result<Reach, ChangeError> {
        let other = || ChangeError::OtherPath { path: path.to_string(), stub: StubKey::of(stub).to_string() };
        if stub.path.segments().len() != path.segments().len() {
            return Err(other());
        }
        let mut reach = Reach { values: BTreeMap::new(), renamed: BTreeMap::new() };
        for (old, new) in stub.path.segments().iter().zip(path.segments()) {
            match (old, new) {
                (SegmentPattern::Literal(value), SegmentPattern::Capture(name)) if !value.is_empty() => {
                    reach.values.insert(name.clone(), value.clone());
                }
                (SegmentPattern::Capture(old), SegmentPattern::Capture(new)) => {
                    reach.renamed.insert(old.clone(), new.clone());
                }
                (old, new) if old == new => {}
                _ => return Err(other()),
            }
        }
        match stub.scenarios.iter().find(|scenario| scenario.default) {
            Some(default) if !reach.values.is_empty() => {
                Err(ChangeError::WiderDefault { stub: StubKey::of(stub).to_string(), scenario: default.name.clone() })
            }
            _ => Ok(reach),
        }
    }

    fn name(&self, old: &str) -> String {
        self.renamed.get(old).map_or_else(|| old.to_owned(), Clone::clone)
    }

    fn rule(&self, rule: &Rule) -> Rule {
        let mut rule = rule.clone();
        if rule.place == Place::Path {
            rule.name = self.name(&rule.name);
        }
        if let Some(from) = rule.from.as_mut().filter(|from| from.place == Place::Path) {
            from.name = self.name(&from.name);
        }
        rule
    }

    /// The scenario with its captured values. A name that is taken gives way to one made of the values.
    fn scenario(&self, scenario: &Scenario, others: &HashSet<String>) -> Scenario {
        let mut scenario = scenario.clone();
        let captures = std::mem::take(&mut scenario.request.captures);
        scenario.request.captures = captures.into_iter().map(|(name, value)| (self.name(&name), value)).collect();
        scenario.request.captures.extend(self.values.clone());
        let taken = |name: &str| others.contains(name);
        if taken(&scenario.name) {
            let values: Vec<_> = self.values.values().map(String::as_str).collect();
            let values = slug(&values.join("-"));
            let stem = if values.is_empty() { &scenario.name } else { &values };
            scenario.name = free_name(stem, '-', taken);
        }
        scenario
    }
}
