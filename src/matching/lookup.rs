//! Among many scenarios of one stub: those that can be an exact hit, by a hash of what they compare.
//!
//! It only saves comparisons. A scenario is found here whenever it would be an exact hit; one that a placeholder, a rule or
//! a matcher may let through is always looked at. What is found is compared like any other, and where no exact hit comes
//! of it, all others are compared as well.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::diff::json::{Leaf, Value};
use crate::model::media::Kind;
use crate::model::path;

use super::body::Parsed;
use super::expected::{CompiledStub, Expected};
use super::pairs::{self, Pair};
use super::received::Received;
use super::{graphql, json, placeholder};

/// With fewer scenarios comparing them all is as fast.
const WORTH_IT: usize = 8;

/// What of a request goes into the hash; the rest is open to rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keyed {
    pub(super) captures: bool,
    pub(super) query: bool,
    pub(super) body: bool,
}

/// The scenarios of a stub by hash.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) keyed: Keyed,
    /// Positions of the captured segments.
    captures: Box<[usize]>,
    /// Scenarios by hash, by position in the stub.
    by_key: HashMap<u64, Vec<u32>>,
    /// Kinds of bodies among them.
    kinds: Vec<Kind>,
    /// Those without a hash.
    others: Vec<u32>,
    /// The highest priority of all.
    pub(super) top: i32,
}

/// A body as far as the hash goes.
pub(super) enum BodyKey<'a> {
    /// There is none.
    None,
    /// Leaves of JSON.
    Json(&'a [Leaf]),
    /// Pairs of a form.
    Form(&'a [Pair]),
}

impl Lookup {
    /// Sorts the scenarios of a stub; none where that saves nothing.
    pub(super) fn new(stub: &CompiledStub, scenarios: &[Expected]) -> Option<Lookup> {
        let keyed = stub.keyed();
        if scenarios.len() < WORTH_IT || !(keyed.captures || keyed.query || keyed.body) {
            return None;
        }
        let segments = stub.segments.iter().enumerate();
        let captures = segments.filter(|(_, segment)| segment.capture().is_some()).map(|(at, _)| at).collect();
        let mut lookup = Lookup {
            keyed,
            captures,
            by_key: HashMap::new(),
            kinds: Vec::new(),
            others: Vec::new(),
            top: scenarios.iter().map(|scenario| scenario.priority).max().unwrap_or(0),
        };
        for (at, scenario) in (0..).zip(scenarios) {
            match scenario.key(&lookup) {
                Some((key, kind)) => {
                    lookup.by_key.entry(key).or_default().push(at);
                    if let Some(kind) = kind.filter(|kind| !lookup.kinds.contains(kind)) {
                        lookup.kinds.push(kind);
                    }
                }
                None => lookup.others.push(at),
            }
        }
        Some(lookup)
    }

    /// The hash of a request's captured values, query and body; none if one of them stands for others, too.
    pub(super) fn key<'a>(
        &self,
        captures: impl Iterator<Item = &'a str>,
        query: &[Pair],
        body: &BodyKey<'_>,
        recorded: bool,
    ) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        let plain = |text: &str| !recorded || !(placeholder::is_placeholder(text) || placeholder::glob(text).is_some());
        if self.keyed.captures {
            let mut count = 0;
            for value in captures {
                if !plain(value) {
                    return None;
                }
                value.hash(&mut hasher);
                count += 1;
            }
            if count != self.captures.len() {
                return None;
            }
        }
        let mut pairs = |pairs: &[Pair]| {
            pairs.len().hash(&mut hasher);
            let graphql = pairs::is_graphql(pairs);
            pairs.iter().all(|pair| {
                pair.name.hash(&mut hasher);
                // Other values may mean the same.
                if !(graphql && pairs::has_meaning(&pair.name)) {
                    pair.value.hash(&mut hasher);
                }
                plain(&pair.value)
            })
        };
        if self.keyed.query && !pairs(query) {
            return None;
        }
        if self.keyed.body {
            match body {
                BodyKey::None => 0_u8.hash(&mut hasher),
                BodyKey::Form(form) => {
                    if !pairs(form) {
                        return None;
                    }
                    1_u8.hash(&mut hasher);
                }
                BodyKey::Json(leaves) => {
                    2_u8.hash(&mut hasher);
                    for leaf in *leaves {
                        if let Value::String(text) | Value::Number(text) = &leaf.value
                            && !plain(text)
                        {
                            return None;
                        }
                        hash_leaf(leaf, &mut hasher);
                    }
                }
            }
        }
        Some(hasher.finish())
    }

    /// Visits the scenarios that can be an exact hit for a call; false if that cannot be told.
    pub(super) fn find(&self, received: &Received<'_>, visit: &mut dyn FnMut(u32)) -> bool {
        let segments: Vec<&str> = path::segments(received.path()).collect();
        let captures = || self.captures.iter().filter_map(|at| segments.get(*at).copied());
        let mut keys: Vec<u64> = Vec::with_capacity(2);
        let mut add = |body: BodyKey<'_>| match self.key(captures(), received.query(), &body, false) {
            Some(key) => {
                keys.push(key);
                true
            }
            None => false,
        };
        let told = if !self.keyed.body || received.call().body.is_empty() {
            add(BodyKey::None)
        } else {
            // One that is not what the scenarios' bodies are may yet have the same bytes.
            self.kinds.iter().all(|kind| match received.parsed(*kind) {
                Parsed::Json(leaves) => add(BodyKey::Json(leaves)),
                Parsed::Form(pairs) => add(BodyKey::Form(pairs)),
                _ => false,
            })
        };
        if told {
            let found = keys.iter().filter_map(|key| self.by_key.get(key)).flatten();
            found.chain(&self.others).for_each(|at| visit(*at));
        }
        told
    }
}

/// Leaves that compare as the same have the same hash.
fn hash_leaf(leaf: &Leaf, hasher: &mut DefaultHasher) {
    (&leaf.pointer, leaf.arrays).hash(hasher);
    match &leaf.value {
        Value::String(text) if json::is_query(&leaf.pointer) && graphql::looks_like(text) => 0_u8.hash(hasher),
        value => value.hash_same(hasher),
    }
}

#[cfg(test)]
mod tests {
    use crate::collection::{Place, Profile, Rule, RuleAction, StubFile};
    use crate::matching::received::Received;
    use crate::matching::tests::{call, collection, name_of, scenario, stub};
    use crate::matching::{Index, Selection, Source, Untouched};

    /// A stub with a scenario for each of these bodies.
    fn source(bodies: impl Iterator<Item = String>, rules: Vec<Rule>) -> Source {
        let first = stub("POST /o/{id} | first {id=1} {\"n\":-1}");
        let mut file = StubFile { path: first.path, stub: first.stub };
        file.stub
            .scenarios
            .extend(bodies.enumerate().map(|(at, body)| scenario(&format!("s{at} {{id=1}} ?q={at} {body}"))));
        file.stub.rules = rules;
        let mut source = collection(&[], &[]);
        std::sync::Arc::get_mut(&mut source.collection).unwrap().stubs.push(file);
        source
    }

    /// How many scenarios are compared for a call; none if all are.
    fn looked_at(index: &Index, line: &str) -> Option<usize> {
        let call = call(line);
        let mut count = 0;
        let lookup = index.stubs[0].lookup.as_ref()?;
        lookup.find(&Received::new(&call), &mut |_| count += 1).then_some(count)
    }

    #[test]
    fn of_a_thousand_scenarios_one_is_compared() {
        let bodies = || (0..1000).map(|n| format!("{{\"n\":{n},\"list\":[{{\"a\":\"x\"}},{n}.0]}}"));
        let index = Index::new(vec![source(bodies(), Vec::new())]);
        let body = "{\"list\":[{\"a\":\"x\"},7],\"n\":7e0}";
        assert_eq!(looked_at(&index, &format!("POST /o/1?q=7 {body}")), Some(1));
        assert_eq!(looked_at(&index, &format!("POST /o/2?q=7 {body}")), Some(0));
        assert_eq!(looked_at(&index, "POST /o/1?q=7 {\"n\":8}"), Some(0));
        assert_eq!(looked_at(&index, "POST /o/1?q=7 {\"n\":"), None, "what is no JSON may have the same bytes");
        let masked = bodies().chain(["{\"n\":\"retake-token-abcdefghij\"}".to_owned()]);
        let index = Index::new(vec![source(masked, Vec::new())]);
        assert_eq!(looked_at(&index, &format!("POST /o/1?q=7 {body}")), Some(2), "a secret may be any");
        let index = Index::new(vec![source(bodies(), vec![Rule::new(Place::Json, "/n", RuleAction::Any)])]);
        assert_eq!(looked_at(&index, "POST /o/1?q=7 {\"n\":8}"), Some(1), "by path and query alone");
        assert!(Index::new(vec![source(bodies().take(3), Vec::new())]).stubs[0].lookup.is_none());
    }

    #[test]
    fn a_higher_priority_goes_before_an_exact_hit_that_is_found_by_its_hash() {
        let bodies = || (0..20).map(|n| format!("{{\"n\":{n}}}"));
        let answer = |priority: Option<i32>| {
            let mut source = source(bodies(), Vec::new());
            let stub = &mut std::sync::Arc::get_mut(&mut source.collection).unwrap().stubs[0].stub;
            stub.scenarios.push(scenario("urgent {id=1} ?q=7&p=1 {\"n\":7}"));
            stub.scenarios.last_mut().unwrap().priority = priority;
            let index = Index::new(vec![source]);
            match index.select(&call("POST /o/1?q=7 {\"n\":7}"), Profile::Best, &Untouched) {
                Selection::Hit(hit) => name_of(&index, hit.at).to_owned(),
                Selection::Miss(_) => "miss".to_owned(),
            }
        };
        assert_eq!(answer(None), "s7");
        assert_eq!(answer(Some(1)), "urgent", "though it is inexact");
    }
}
