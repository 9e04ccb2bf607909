//! Endpoints: the calls that one stub will answer, and what is asked of all of them.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::SignedDuration;

use super::facts::{Fact, Item, Tables};
use super::flow::{Intro, Origins};
use super::leaves::Part;
use super::texts::{Id, Key};
use crate::collection::{PathPattern, Place, SegmentPattern};
use crate::promote::committed::Committed;

/// Longer values are cut where they are shown.
const SHOWN: usize = 60;

/// Calls of one method to one pattern.
pub(super) struct Endpoint {
    pub(super) origin: Id,
    pub(super) method: Id,
    pub(super) pattern: PathPattern,
    /// The committed stub, by position.
    pub(super) committed: Option<usize>,
    /// Positions of its facts, in order of request start.
    pub(super) facts: Vec<usize>,
}

/// Everything that was surveyed.
pub(super) struct World<'a> {
    pub(super) facts: &'a [Fact],
    pub(super) tables: &'a Tables,
    pub(super) origins: &'a Origins,
    pub(super) endpoints: &'a [Endpoint],
    /// How far a clock of the recorded programs goes from ours, if one does.
    pub(super) clock: Option<SignedDuration>,
    /// The moments that are told by it.
    pub(super) told: HashSet<Key>,
}

/// Sorts the facts to endpoints, and gives each the values that its pattern captures.
pub(super) fn endpoints(
    facts: &mut [Fact],
    tables: &mut Tables,
    patterns: Vec<PathPattern>,
    committed: &Committed<'_>,
) -> Vec<Endpoint> {
    let mut found: Vec<Endpoint> = Vec::new();
    let mut known: BTreeMap<(Option<usize>, Id, Id, String), usize> = BTreeMap::new();
    for (at, (fact, pattern)) in facts.iter_mut().zip(patterns).enumerate() {
        let pattern = fact.committed.map_or(pattern, |stub| committed.stub(stub).path.clone());
        let key = match fact.committed {
            Some(stub) => (Some(stub), 0, 0, String::new()),
            None => (None, fact.origin, fact.method, pattern.as_str().to_owned()),
        };
        let endpoint = *known.entry(key).or_insert_with(|| {
            let (origin, method, committed) = (fact.origin, fact.method, fact.committed);
            found.push(Endpoint { origin, method, pattern: pattern.clone(), committed, facts: Vec::new() });
            found.len() - 1
        });
        found[endpoint].facts.push(at);
        fact.endpoint = endpoint;
        for (segment, pattern) in fact.segments.iter().zip(pattern.segments()) {
            if let Some(name) = pattern.capture()
                && !tables.values.get(segment.value).masked
            {
                let name = tables.names.id(name);
                fact.items.push(Item { place: Place::Path, name, value: segment.value });
            }
        }
    }
    found
}

impl World<'_> {
    /// A hash of what a request asks for, without the items to be skipped and without fields.
    pub(super) fn rest(&self, fact: &Fact, skip: impl Fn(&Item) -> bool) -> u64 {
        let mut rest = fact.body;
        for item in fact.items.iter().filter(|item| !item.is_field() && !skip(item)) {
            let mut hasher = DefaultHasher::new();
            let value = self.tables.values.get(item.value);
            let value = if value.masked { 0 } else { value.key };
            (item.place, item.name, value).hash(&mut hasher);
            // Pairs and members may come in any order.
            rest = rest.wrapping_add(hasher.finish());
        }
        rest
    }

    /// Whether two answers agree but for values that look made up.
    pub(super) fn answers_alike(&self, one: &Fact, other: &Fact) -> bool {
        one.status == other.status
            && one.media == other.media
            && one.content == other.content
            && one.leaves.len() == other.leaves.len()
            && one.leaves.iter().zip(other.leaves.iter()).all(|(one, other)| {
                one.name == other.name
                    && (one.key == other.key || (one.shape == other.shape && one.shape.is_some_and(is_volatile)))
            })
    }

    /// Whether an answer has a value other than `[]`, `{}`, `null`, `false` and `0`.
    pub(super) fn says_something(&self, fact: &Fact) -> bool {
        let nothing = ["[]", "{}", "null", "false", "0", ""].map(super::texts::key);
        fact.content > 1 || fact.leaves.iter().any(|leaf| leaf.part == Part::Json && !nothing.contains(&leaf.key))
    }

    /// The key of the segment before a capture.
    pub(super) fn before(&self, endpoint: &Endpoint, fact: usize, place: Place, capture: &str) -> Option<Key> {
        if place != Place::Path {
            return None;
        }
        let is = |segment: &SegmentPattern| matches!(segment, SegmentPattern::Capture(name) if name == capture);
        let at = endpoint.pattern.segments().iter().position(is)?.checked_sub(1)?;
        Some(self.facts[fact].segments.get(at)?.key)
    }

    /// The method and pattern of a fact's endpoint, such as `POST /orders`.
    pub(super) fn call(&self, fact: usize) -> String {
        let endpoint = &self.endpoints[self.facts[fact].endpoint];
        format!("{} {}", self.tables.names.get(endpoint.method), endpoint.pattern)
    }

    /// Why a value of a request is linked, in words.
    pub(super) fn introduced(&self, intro: &Intro) -> String {
        let call = self.call(intro.fact);
        match (intro.by_client, intro.own) {
            (true, _) => format!("made up by the client for {call}"),
            (_, true) => format!("made by {call}"),
            _ => format!("given by {call}"),
        }
    }

    /// A value for people.
    pub(super) fn shown(&self, id: Id) -> String {
        let text = &self.tables.values.get(id).text;
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_string(),
        }
    }
}

/// Whether values of this shape differ from recording to recording.
pub(super) fn is_volatile(shape: crate::model::Shape) -> bool {
    shape.is_unique() || shape.is_moment() || shape == crate::model::Shape::Hex
}
