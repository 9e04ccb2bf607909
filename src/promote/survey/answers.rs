//! Rules about answers: which of their values differ from recording to recording without meaning anything.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::endpoints::{Endpoint, World, is_volatile};
use super::facts::Fact;
use super::findings::{Confidence, Finding};
use super::leaves::{Leaf, Part};
use super::telling;
use super::texts::{Id, Key};
use super::validators;
use crate::collection::{Place, Rule, RuleAction, ValueSource};
use crate::model::Shape;

/// So many samples are shown as evidence.
const SHOWN: usize = 3;
/// So many different answers to alike requests are compared with the others.
const KINDS: usize = 32;

/// What answers made: values that the next recording will not have.
pub(super) struct Made {
    ids: HashSet<Key>,
    moments: HashSet<Key>,
}

impl Made {
    /// Collects them from all answers; `links` are the values that requests carry on.
    pub(super) fn new(world: &World<'_>, links: impl Iterator<Item = Id>) -> Self {
        let values = links.map(|value| world.tables.values.get(value));
        let linked = values.filter(|value| value.shape.is_none_or(is_volatile)).map(|value| value.key);
        let mut made = Made { ids: linked.collect(), moments: world.told.clone() };
        for (at, fact) in world.facts.iter().enumerate().filter(|(_, fact)| fact.is_success()) {
            for leaf in fact.leaves.iter().filter(|leaf| leaf.part != Part::Html) {
                let Some(shape) = leaf.shape else { continue };
                if leaf.is_now && shape.is_moment() {
                    made.moments.insert(leaf.key);
                }
                let is_id = leaf.is_now && shape.is_unique() || fact.makes && shape.is_unique();
                if is_id && !carries(world, fact, leaf.key) {
                    made.ids.insert(leaf.key);
                }
            }
            made.ids.extend(world.origins.made_by(at));
        }
        made
    }
}

/// Whether a request carries a value.
fn carries(world: &World<'_>, fact: &Fact, key: Key) -> bool {
    fact.items.iter().any(|item| world.tables.values.get(item.value).key == key)
}

/// What is known of the values in one place of an endpoint's answers.
#[derive(Default)]
struct Stat {
    count: usize,
    /// All have this shape.
    shape: Option<Shape>,
    mixed: bool,
    now: usize,
    ids: usize,
    /// Some later request carries one.
    is_used: bool,
    /// How many repeat the value of a column of the request.
    echoes: BTreeMap<(Place, Id), usize>,
    /// Alike requests got different ones that look made up.
    differs: bool,
    /// Only parts of its values count: those of URLs.
    pieces: bool,
    sample: Option<usize>,
}

/// What is found about the answers of an endpoint; `requests` is what was found about its requests.
pub(super) fn findings(world: &World<'_>, endpoint: &Endpoint, requests: &[Rule], made: &Made) -> Vec<Finding> {
    let mut stats = stats(world, endpoint, requests, made);
    compare(world, endpoint, requests, &mut stats);
    let mut found: Vec<Finding> = Vec::new();
    for ((part, name, _), stat) in stats.iter().filter(|((_, _, is_piece), _)| !is_piece) {
        let text = world.tables.names.get(*name);
        // The whole value has what is known of its parts.
        let parts = stats.get(&(*part, *name, true));
        let Some((action, shape, from, why)) = verdict(world, text, stat, parts) else { continue };
        let place = if *part == Part::Field { Place::Field } else { Place::Json };
        let rule = Rule { shape, from, why: Some(why.to_owned()), ..Rule::new(place, text, action) };
        let sample = stat.sample.map(|at| format!("exchange {}", world.facts[at].number));
        found.push(Finding {
            rule: rule.in_response(),
            evidence: sample.into_iter().take(SHOWN).collect(),
            confidence: Confidence::Certain,
            links: Vec::new(),
        });
    }
    found.sort_by(|one, other| (one.rule.place, &one.rule.name).cmp(&(other.rule.place, &other.rule.name)));
    found
}

type Stats = BTreeMap<(Part, Id, bool), Stat>;

fn stats(world: &World<'_>, endpoint: &Endpoint, requests: &[Rule], made: &Made) -> Stats {
    let mut stats = Stats::new();
    for at in &endpoint.facts {
        let fact = &world.facts[*at];
        let ruled = ruled(world, fact, requests);
        for leaf in fact.leaves.iter().filter(|leaf| leaf.part != Part::Html) {
            let stat = stats.entry((leaf.part, leaf.name, leaf.is_piece)).or_default();
            stat.sample.get_or_insert(*at);
            stat.see(leaf, made, world);
            for column in ruled.get(&leaf.key).into_iter().flatten() {
                // Two moments of one second are not one value.
                let same_name = || {
                    telling::plain(world.tables.names.get(column.1))
                        == telling::plain(world.tables.names.get(leaf.name))
                };
                if !leaf.shape.is_some_and(Shape::is_moment) || same_name() {
                    *stat.echoes.entry(*column).or_default() += 1;
                }
            }
        }
    }
    stats
}

/// The values of a request of which another call may have others, with their columns.
fn ruled(world: &World<'_>, fact: &Fact, requests: &[Rule]) -> HashMap<Key, Vec<(Place, Id)>> {
    let mut found: HashMap<Key, Vec<(Place, Id)>> = HashMap::new();
    for item in fact.items.iter().filter(|item| !item.is_field()) {
        let name = world.tables.names.get(item.name);
        let rule = requests.iter().find(|rule| rule.place == item.place && rule.name == name);
        let value = world.tables.values.get(item.value);
        // Small values are repeated by chance.
        let is_telling = value.shape.is_some_and(is_volatile) || value.text.len() >= 6 || telling::is_id(name);
        if let Some(rule) = rule
            && matches!(rule.action, RuleAction::Any | RuleAction::Fresh)
            && !rule.except.iter().any(|value_of| *value_of == *value.text)
            && is_telling
            && !name.contains('*')
        {
            // An `ETag` has its value in quotes.
            let quoted = (item.place == Place::Path && !value.cut).then(|| validators::written(&value.text));
            let quoted = quoted.iter().flatten().skip(1).map(|text| super::texts::key(text));
            for key in std::iter::once(value.key).chain(quoted) {
                found.entry(key).or_default().push((item.place, item.name));
            }
        }
    }
    found
}

impl Stat {
    fn see(&mut self, leaf: &Leaf, made: &Made, world: &World<'_>) {
        if leaf.key == super::texts::key("null") {
            // No value is none of another kind.
            return;
        }
        match (self.count, self.shape) {
            (0, _) => self.shape = leaf.shape,
            (_, shape) if shape == leaf.shape => {}
            _ => self.mixed = true,
        }
        self.count += 1;
        self.pieces |= leaf.is_piece;
        let is_moment = leaf.shape.is_some_and(Shape::is_moment);
        self.now += usize::from(is_moment && (leaf.is_now || made.moments.contains(&leaf.key)));
        let is_id = made.ids.contains(&leaf.key);
        self.ids += usize::from(is_id);
        self.is_used |= is_id && world.origins.is_asked(leaf.key);
    }

    /// The column whose value is repeated `count` times; of several, the first by place and name.
    fn echo(&self, world: &World<'_>, count: usize) -> Option<ValueSource> {
        let whole = self.echoes.iter().filter(|(_, times)| **times == count).map(|((place, name), _)| (*place, *name));
        let named = whole.map(|(place, name)| ValueSource { place, name: world.tables.names.get(name).to_owned() });
        named.min()
    }
}

type Verdict = (RuleAction, Option<Shape>, Option<ValueSource>, &'static str);

/// What the values in one place are.
fn verdict(world: &World<'_>, name: &str, stat: &Stat, parts: Option<&Stat>) -> Option<Verdict> {
    // A URL repeats the request if one of its parts does, each time.
    let source = stat.echo(world, stat.count).or_else(|| parts?.echo(world, stat.count));
    if source.is_some() {
        return Some((RuleAction::Echo, None, source, "repeats the request"));
    }
    let shape = stat.shape.filter(|_| !stat.mixed);
    if stat.now > 0 && shape.is_some_and(Shape::is_moment) {
        return Some((RuleAction::Any, shape, None, "the moment of the call"));
    }
    let in_parts = parts.is_some_and(|parts| parts.ids > 0);
    if stat.ids > 0 || in_parts {
        let is_used = stat.is_used || parts.is_some_and(|parts| parts.is_used);
        let is_id_name = shape.is_some_and(|shape| shape.is_unique() || shape == Shape::Hex)
            || telling::is_id(name)
            || stat.ids == stat.count
            || in_parts;
        if is_id_name {
            let shape = shape.filter(|_| !in_parts).and_then(lasting);
            return Some(match is_used {
                true => (RuleAction::Fresh, shape, None, "made by a call; later requests carry it"),
                false => (RuleAction::Any, shape, None, "made by a call"),
            });
        }
    }
    let is_random = shape.is_some_and(is_volatile);
    if stat.differs && is_random {
        return Some((RuleAction::Any, shape.and_then(lasting), None, "differs from answer to answer"));
    }
    (telling::is_always_fresh(name) && is_random)
        .then(|| (RuleAction::Any, shape.and_then(lasting), None, "made up for each answer, as its name says"))
}

/// A shape that the next value is sure to have.
fn lasting(shape: Shape) -> Option<Shape> {
    match shape {
        Shape::Token | Shape::PrefixedId => None,
        Shape::ObjectId => Some(Shape::Hex),
        Shape::EpochSeconds | Shape::EpochMillis | Shape::EpochMicros => Some(Shape::Integer),
        shape => Some(shape),
    }
}

/// Marks the places in which alike requests got different values that look made up, while the rest agreed.
fn compare(world: &World<'_>, endpoint: &Endpoint, requests: &[Rule], stats: &mut Stats) {
    let mut groups: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    let skip = |item: &super::facts::Item| {
        let name = world.tables.names.get(item.name);
        let rule = requests.iter().find(|rule| rule.place == item.place && rule.name == name);
        rule.is_some_and(|rule| rule.action != RuleAction::Fresh)
    };
    for at in &endpoint.facts {
        groups.entry(world.rest(&world.facts[*at], skip)).or_default().push(*at);
    }
    for group in groups.values() {
        let mut kinds: Vec<&Fact> = Vec::new();
        for at in group {
            let fact = &world.facts[*at];
            match kinds.iter().find(|known| world.answers_alike(known, fact)) {
                None if kinds.len() < KINDS => kinds.push(fact),
                None => {}
                Some(known) => {
                    let pairs = known.leaves.iter().zip(fact.leaves.iter());
                    let differing: BTreeSet<_> = pairs
                        .filter(|(one, other)| one.key != other.key)
                        .map(|(one, _)| (one.part, one.name, false))
                        .collect();
                    for place in differing {
                        if let Some(stat) = stats.get_mut(&place) {
                            stat.differs = true;
                        }
                    }
                }
            }
        }
    }
}
