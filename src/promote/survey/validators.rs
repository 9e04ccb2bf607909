//! Values in paths that answers repeat as their `ETag`. Most such values name content: a hash of what is there, so that
//! another one is that of something else. But where different ones get the same content, or the content repeats the
//! value, which no hash of it could, the origin only gives back what the client made up.

use std::collections::{BTreeMap, BTreeSet};

use super::LEAST_LEAVES;
use super::endpoints::{Endpoint, World};
use super::facts::Fact;
use super::findings::Confidence;
use super::flow::is_made_up;
use super::leaves::{Leaf, Part};
use super::texts::{Id, Key, Value, key};
use crate::collection::Place;
use crate::model::Shape;

/// The field that tells the validator.
pub(super) const ETAG: &str = "etag";

/// The ways in which a field writes a validator (RFC 9110 section 8.8.3), and as some write it.
pub(super) fn written(text: &str) -> [String; 3] {
    [text.to_owned(), format!("\"{text}\""), format!("W/\"{text}\"")]
}

/// A validator without what a field adds to it.
pub(super) fn bare(written: &str) -> &str {
    let quoted = written.strip_prefix("W/").unwrap_or(written);
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(written)
}

/// A call whose answer repeats this value as its `ETag`.
#[derive(Clone, Copy)]
struct Repeat<'w> {
    fact: &'w Fact,
    value: &'w Value,
}

/// How sure it is that the origin gives back whatever stands in the place of these values, which a capture has in the
/// requests of an endpoint: certain where two different ones got the same content. `None` where nothing speaks for it.
pub(super) fn given_back(
    world: &World<'_>,
    endpoint: &Endpoint,
    capture: &str,
    values: &[(usize, Id)],
) -> Option<Confidence> {
    if !matches!(world.tables.names.get(endpoint.method), "GET" | "HEAD") {
        return None;
    }
    let mut alike: BTreeMap<u64, Vec<Repeat<'_>>> = BTreeMap::new();
    for (at, value) in values {
        let repeat = Repeat { fact: &world.facts[*at], value: world.tables.values.get(*value) };
        match repeat.fact.status {
            200 if repeat.is_one(world) => {
                let skip = |item: &super::facts::Item| {
                    item.place == Place::Path && world.tables.names.get(item.name) == capture
                };
                alike.entry(world.rest(repeat.fact, skip)).or_default().push(repeat);
            }
            304 => {}
            // Here it decides whether there is something.
            _ => return None,
        }
    }
    let mut is_proven = false;
    for group in alike.values() {
        let (first, others) = group.split_first()?;
        if !others.iter().all(|other| first.is_like(other)) {
            return None;
        }
        let distinct: BTreeSet<Key> = group.iter().map(|repeat| repeat.value.key).collect();
        is_proven |= distinct.len() > 1 && first.says_more();
    }
    let in_content = |repeat: &Repeat<'_>| repeat.leaves().any(|leaf| leaf.part == Part::Json && repeat.is_it(leaf));
    let mut all = alike.values().flatten().peekable();
    match is_proven {
        true => Some(Confidence::Certain),
        false => (all.peek().is_some() && all.all(in_content)).then_some(Confidence::Doubtful),
    }
}

impl<'w> Repeat<'w> {
    fn is_one(&self, world: &World<'_>) -> bool {
        let Value { text, cut, shape, masked, .. } = self.value;
        let is_made = shape.is_some_and(|shape| is_made_up(shape) || shape == Shape::Hex);
        let keys = written(text).map(|text| key(&text));
        let is_tag = |leaf: &Leaf| leaf.part == Part::Field && world.tables.names.get(leaf.name) == ETAG;
        // Of longer answers not every value is kept, and so they cannot be compared.
        let is_whole = self.fact.leaves.len() < LEAST_LEAVES;
        is_whole && is_made && !cut && !masked && self.leaves().any(|leaf| is_tag(leaf) && keys.contains(&leaf.key))
    }

    fn leaves(&self) -> impl Iterator<Item = &'w Leaf> {
        self.fact.leaves.iter()
    }

    fn is_it(&self, leaf: &Leaf) -> bool {
        leaf.key == self.value.key
    }

    /// Whether a value is this one, written in whatever way.
    fn is_it_as_written(&self, leaf: &Leaf) -> bool {
        self.is_it(leaf)
            || leaf.part == Part::Field && written(&self.value.text).iter().any(|text| key(text) == leaf.key)
    }

    /// The values of the answer, each with whether it is this one, or a URL with it inside.
    fn told(&self) -> impl Iterator<Item = (&'w Leaf, bool)> {
        let leaves = &self.fact.leaves;
        leaves.iter().enumerate().map(|(at, leaf)| {
            let parts = leaves[at + 1..].iter().take_while(|part| part.is_piece && part.name == leaf.name);
            let is_around = !leaf.is_piece && parts.into_iter().any(|part| self.is_it(part));
            (leaf, is_around || self.is_it_as_written(leaf))
        })
    }

    /// Whether two answers are the same but for the values, and for the moments of the calls.
    fn is_like(&self, other: &Repeat<'_>) -> bool {
        let (one, two) = (self.fact, other.fact);
        one.media == two.media
            && one.content == two.content
            && one.leaves.len() == two.leaves.len()
            && self.told().zip(other.told()).all(|((one, is_it), (other, is_other))| {
                let is_moment = one.is_now && other.is_now && one.shape == other.shape;
                one.name == other.name && (one.key == other.key || is_it && is_other || is_moment)
            })
    }

    /// Whether the answer has some content beside the value.
    fn says_more(&self) -> bool {
        let nothing = ["[]", "{}", "null", "false", "0", ""].map(key);
        let says = |(leaf, is_it): (&Leaf, bool)| {
            leaf.part == Part::Json && !leaf.is_piece && !is_it && !nothing.contains(&leaf.key)
        };
        self.fact.content > 1 || self.told().any(says)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{again, hits, json, misses, promoted, short};
    use super::bare;
    use crate::collection::Change;
    use crate::promote::testing::exchange;
    use crate::promote::{Promotion, Recorded};

    const A: &str = "b6b870a9647c69a5";
    const B: &str = "aa4af78c9b917d8a";
    const C: &str = "99d3e77d498a0739";

    /// A call whose answer has the tag of its path, and this content.
    fn tagged(number: u64, tag: &str, content: &str) -> Recorded {
        json(number, "GET", &format!("/etag/{tag}"), 200, content).with("ETag", &format!("\"{tag}\""))
    }

    /// The same, asked whether it is as known.
    fn known(number: u64, tag: &str) -> Recorded {
        exchange(number, "GET", &format!("https://shop.test/etag/{tag}"), 304)
            .asking("If-None-Match", &format!("\"{tag}\""))
            .with("ETag", &format!("\"{tag}\""))
    }

    fn repeats(tag: &str) -> String {
        format!(r#"{{"url": "https://shop.test/etag/{tag}", "origin": "me"}}"#)
    }

    /// The same call, answered with a tag that lacks its quotes.
    fn unquoted(recorded: Recorded) -> Recorded {
        let mut recorded = recorded;
        let fields = &mut recorded.exchange.outcome.response_mut().unwrap().fields;
        let bare: Vec<String> =
            fields.iter().filter(|field| field.is("etag")).map(|field| bare(&field.text()).to_owned()).collect();
        fields.retain(|field| !field.is("etag"));
        bare.into_iter().fold(recorded, |recorded, tag| recorded.with("ETag", &tag))
    }

    /// The rules that wait, in short.
    fn waiting(promotion: &Promotion) -> Vec<String> {
        let rules = promotion.proposals.iter().filter(|one| matches!(one.change, Change::AddRule { .. }));
        rules.map(|one| format!("{}: {}", one.change.title(), one.why)).collect()
    }

    #[test]
    fn what_two_answers_give_back_is_made_up() {
        let same = |_: &str| r#"{"ok": "yes"}"#.to_owned();
        let as_is: fn(Recorded) -> Recorded = |recorded| recorded;
        for (content, write) in
            [(same as fn(&str) -> String, as_is), (repeats, as_is), (same, unquoted), (repeats, unquoted)]
        {
            let take = |tags: [&str; 2]| -> Vec<Recorded> {
                let calls = |(at, tag): (usize, &str)| {
                    let number = 2 * at as u64 + 1;
                    [tagged(number, tag, &content(tag)), known(number + 1, tag)]
                };
                tags.into_iter().enumerate().flat_map(calls).map(write).collect()
            };
            let first = promoted(&take([A, B]));
            let stub = &first.collection.stubs[0].stub;
            let name = stub.path.captures().next().unwrap();
            let rules = short(&first, "GET", stub.path.as_str());
            for rule in [format!("path {name} fresh hex"), format!("answer field etag echo from path {name}")] {
                assert!(rules.contains(&rule), "{rule}: {rules:?}");
            }
            assert_eq!(waiting(&first), [""; 0]);
            hits(&first, &take([C, "0123456789abcdef"]));
        }
    }

    #[test]
    fn what_names_content_stays() {
        let check = |traffic: &[Recorded]| {
            let first = promoted(traffic);
            assert_eq!(waiting(&first), [""; 0]);
            misses(&first, &tagged(9, C, r#"{"text": "three"}"#));
        };
        let one = |number, tag| tagged(number, tag, r#"{"text": "one"}"#);
        // One sample that says nothing of it; other content; nothing to compare; one that does not exist.
        check(&[one(1, A)]);
        check(&[one(1, A), tagged(2, B, r#"{"text": "two"}"#)]);
        check(&[tagged(1, A, &repeats(A)), tagged(2, B, &repeats(B).replace("me", "you"))]);
        check(&[tagged(1, A, "[]"), tagged(2, B, "[]")]);
        check(&[one(1, A), one(2, B), json(3, "GET", "/etag/0123456789abcdef", 404, "{}")]);
        // Answers too long to be compared whole.
        let long = |number, tag| {
            let all: Vec<u64> = (0..40).collect();
            tagged(number, tag, &serde_json::json!({ "all": all, "last": number }).to_string())
        };
        check(&[long(1, A), long(2, B)]);
    }

    #[test]
    fn one_sample_is_a_question() {
        one_sample(|recorded| recorded);
        one_sample(unquoted);
    }

    fn one_sample(write: fn(Recorded) -> Recorded) {
        let take = |tag: &str| vec![write(tagged(1, tag, &repeats(tag))), write(known(2, tag))];
        let first = promoted(&take(A));
        let [question] = &waiting(&first)[..] else { panic!("{:?}", waiting(&first)) };
        assert!(question.ends_with("its answer repeats it as its `ETag`, and in its content"), "{question}");
        let others = take(C);
        misses(&first, &others[0]);
        misses(&first, &others[1]);
        let change = &first.proposals[0].change;
        let mut accepted = first.clone();
        change.apply(&mut accepted.collection).unwrap();
        hits(&accepted, &others);
        let mut refused = first.clone();
        change.refuse(&mut refused.collection).unwrap();
        for decided in [accepted, refused] {
            let second = again(&decided, take(A));
            assert!(!second.changed, "{:#?}", second.report.rules);
            assert_eq!(waiting(&second), [""; 0]);
        }
    }
}
