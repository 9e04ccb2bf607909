//! What the survey hands on: patterns and rules for the second pass, and its reasons for people.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::answers::Made;
use super::doubts::PathLine;
use super::endpoints::{Endpoint, World};
use super::findings::{Confidence, Finding};
use super::telling;
use super::{is_named, of_endpoint};
use crate::collection::{Collection, Place, Rule, RuleAction, RuleSide};
use crate::model::ExchangeId;

/// So many stubs with the same rule have it in `collection.json`.
const COMMON: usize = 3;
/// More links are not told one by one.
const LINKS: usize = 500;
/// So many users of a value are told.
const USERS: usize = 5;

/// An endpoint that no committed stub is for: origin, method, and pattern as written.
pub(crate) type EndpointKey = (String, String, String);

/// A rule that was found, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleLine {
    /// The endpoint, `GET /orders/{order_id}`; absent for a rule of the whole collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Method, origin and path of the endpoint.
    #[serde(skip)]
    pub(crate) key: Option<EndpointKey>,
    /// The rule.
    pub rule: Rule,
    /// Samples, in words.
    pub evidence: Vec<String>,
    /// How sure it is; only certain ones are applied.
    pub confidence: Confidence,
}

/// A value that one exchange introduced and others carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkLine {
    /// The value; a long one is cut.
    pub value: String,
    /// Number of the exchange that introduced it.
    pub introduced_by: u64,
    /// Its endpoint.
    pub introduced_in: String,
    /// Where it stands there: a JSON pointer or a field.
    pub introduced_at: String,
    /// The endpoint whose requests carry it.
    pub used_in: String,
    /// Where they carry it: `path order_id`.
    pub used_at: String,
    /// How many do.
    pub uses: u64,
    /// Numbers of the first of them.
    pub used_by: Vec<u64>,
}

/// What the survey found.
#[derive(Debug, Default)]
pub struct Findings {
    /// The pattern of each exchange without a committed stub.
    patterns: HashMap<ExchangeId, u32>,
    texts: Vec<String>,
    /// Rules for stubs that are not committed yet.
    new: HashMap<EndpointKey, Vec<Rule>>,
    /// Rules for committed stubs.
    committed: BTreeMap<usize, Vec<Rule>>,
    /// Values that rules of committed stubs must not take for fresh ones.
    excepted: Vec<(usize, Rule, String)>,
    /// Rules for the whole collection.
    common: Vec<Rule>,
    /// For people.
    pub(crate) rules: Vec<RuleLine>,
    /// For people.
    pub(crate) links: Vec<LinkLine>,
    /// Patterns that may be right.
    pub(crate) paths: Vec<PathLine>,
}

impl Findings {
    /// The pattern of an exchange's path.
    pub(crate) fn pattern(&self, id: ExchangeId) -> Option<&str> {
        Some(&self.texts[*self.patterns.get(&id)? as usize])
    }

    /// The rules for a new stub.
    pub(crate) fn rules_of(&self, key: &EndpointKey) -> &[Rule] {
        self.new.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// The collection with the rules that were found for it.
    pub fn prepare(&self, mut collection: Collection) -> Collection {
        for (at, rules) in &self.committed {
            collection.stubs[*at].stub.rules.extend(rules.iter().cloned());
        }
        for (at, rule, value) in &self.excepted {
            let rules = &mut collection.stubs[*at].stub.rules;
            if let Some(rule) = rules.iter_mut().find(|known| known.same_item(rule))
                && !rule.except.contains(value)
            {
                rule.except.push(value.clone());
                rule.except.sort();
            }
        }
        collection.manifest.rules.extend(self.common.iter().cloned());
        collection
    }
}

/// Draws the sum.
pub(super) fn outcome(world: &World<'_>, existing: &Collection) -> Findings {
    let mut findings = Findings::default();
    let requests: Vec<Vec<Finding>> =
        world.endpoints.iter().map(|endpoint| super::requests::findings(world, endpoint)).collect();
    let links = requests.iter().flatten().flat_map(|finding| finding.links.iter().map(|link| link.value));
    let made = Made::new(world, links);
    let mut found: Vec<Vec<Finding>> = Vec::with_capacity(requests.len());
    for (endpoint, requests) in world.endpoints.iter().zip(requests) {
        findings.links(world, &requests);
        findings.except(world, endpoint, existing);
        found.push(of_endpoint(world, endpoint, existing, requests, &made));
    }
    let common = common(world, &found);
    for (endpoint, found) in world.endpoints.iter().zip(found) {
        findings.endpoint(world, endpoint, found, &common);
    }
    for rule in common {
        if !findings.common.contains(&rule) {
            findings.common.push(rule);
        }
    }
    findings.common.sort_by(|one, other| (one.place, &one.name).cmp(&(other.place, &other.name)));
    findings.patterns(world);
    findings
}

/// The rules that so many endpoints share that they are the collection's: only those whose name says what they are, and
/// only where no endpoint has such an item without the rule.
fn common(world: &World<'_>, found: &[Vec<Finding>]) -> Vec<Rule> {
    let mut with: HashMap<(Place, String), HashSet<usize>> = HashMap::new();
    for fact in world.facts {
        for item in &fact.items {
            let name = world.tables.names.get(item.name);
            if telling::is_always_fresh(name) {
                with.entry((item.place, name.to_owned())).or_default().insert(fact.endpoint);
            }
        }
    }
    let mut counted: Vec<(&Rule, usize)> = Vec::new();
    for finding in found.iter().flatten() {
        let rule = &finding.rule;
        let is_common = rule.side == RuleSide::Request
            && matches!(rule.action, RuleAction::Any | RuleAction::Ignore)
            && finding.confidence == Confidence::Certain;
        if !is_common || !with.contains_key(&(rule.place, rule.name.clone())) {
            continue;
        }
        match counted.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, count)) => *count += 1,
            None => counted.push((rule, 1)),
        }
    }
    let everywhere = |(rule, count): &(&Rule, usize)| {
        *count >= COMMON && with.get(&(rule.place, rule.name.clone())).is_some_and(|all| all.len() == *count)
    };
    counted.into_iter().filter(everywhere).map(|(rule, _)| rule.clone()).collect()
}

impl Findings {
    fn endpoint(&mut self, world: &World<'_>, endpoint: &Endpoint, found: Vec<Finding>, common: &[Rule]) {
        let names = &world.tables.names;
        let key: EndpointKey = (
            names.get(endpoint.origin).to_owned(),
            names.get(endpoint.method).to_owned(),
            endpoint.pattern.as_str().to_owned(),
        );
        for finding in found {
            let is_common = common.contains(&finding.rule);
            let line = RuleLine {
                endpoint: (!is_common).then(|| format!("{} {}", key.1, key.2)),
                key: (!is_common).then(|| key.clone()),
                rule: finding.rule,
                evidence: finding.evidence,
                confidence: finding.confidence,
            };
            if is_common && self.rules.iter().any(|known| known.key.is_none() && known.rule == line.rule) {
                continue;
            }
            if line.confidence == Confidence::Certain && !is_common {
                match endpoint.committed {
                    Some(at) => self.committed.entry(at).or_default().push(line.rule.clone()),
                    None => self.new.entry(key.clone()).or_default().push(line.rule.clone()),
                }
            }
            self.rules.push(line);
        }
    }

    fn links(&mut self, world: &World<'_>, found: &[Finding]) {
        for finding in found {
            for link in &finding.links {
                let used_in = world.call(link.user);
                let used_at = format!("{} {}", link.place.as_str(), finding.rule.name);
                let value = world.shown(link.value);
                let number = world.facts[link.user].number;
                let introduced_by = world.facts[link.by.fact].number;
                let is_same = |line: &LinkLine| {
                    (&line.value, line.introduced_by, &line.used_in, &line.used_at)
                        == (&value, introduced_by, &used_in, &used_at)
                };
                let from = self.links.len().saturating_sub(50);
                let room = self.links.len() < LINKS;
                match self.links[from..].iter_mut().find(|line| is_same(line)) {
                    Some(line) => {
                        line.uses += 1;
                        if line.used_by.len() < USERS {
                            line.used_by.push(number);
                        }
                    }
                    None if room => self.links.push(LinkLine {
                        value,
                        introduced_by,
                        introduced_in: world.call(link.by.fact),
                        introduced_at: world.tables.names.get(link.by.name).to_owned(),
                        used_in,
                        used_at,
                        uses: 1,
                        used_by: vec![number],
                    }),
                    None => {}
                }
            }
        }
    }

    /// Ids that were asked for because they do not exist must not be taken for fresh ones by a committed rule.
    fn except(&mut self, world: &World<'_>, endpoint: &Endpoint, existing: &Collection) {
        let Some(at) = endpoint.committed else { return };
        let stub = &existing.stubs[at].stub;
        let fresh = stub.rules.iter().filter(|rule| rule.action == RuleAction::Fresh && rule.place == Place::Path);
        for rule in fresh.filter(|rule| !rule.off && !is_named(&[], rule)) {
            for fact in endpoint.facts.iter().map(|fact| (*fact, &world.facts[*fact])) {
                let (position, fact) = fact;
                let is = |item: &&super::facts::Item| {
                    item.place == Place::Path && world.tables.names.get(item.name) == rule.name
                };
                let Some(item) = fact.items.iter().find(is).filter(|_| matches!(fact.status, 404 | 410)) else {
                    continue;
                };
                let value = world.tables.values.get(item.value);
                let is_recorded = stub.scenarios.iter().any(|scenario| {
                    scenario.request.captures.get(&rule.name).is_some_and(|known| **known == *value.text)
                });
                let before = world.before(endpoint, position, Place::Path, &rule.name);
                let is_linked = world.origins.link(position, Place::Path, &rule.name, before, value).is_some();
                if !is_recorded && !is_linked && !value.cut && !rule.except.iter().any(|known| **known == *value.text) {
                    self.excepted.push((at, rule.clone(), value.text.to_string()));
                }
            }
        }
    }

    fn patterns(&mut self, world: &World<'_>) {
        let mut known: HashMap<usize, u32> = HashMap::new();
        for fact in world.facts.iter().filter(|fact| fact.committed.is_none()) {
            let at = *known.entry(fact.endpoint).or_insert_with(|| {
                self.texts.push(world.endpoints[fact.endpoint].pattern.as_str().to_owned());
                u32::try_from(self.texts.len() - 1).unwrap_or(u32::MAX)
            });
            self.patterns.insert(fact.id, at);
        }
    }
}
