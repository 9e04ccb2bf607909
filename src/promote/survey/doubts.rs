//! Segments of paths that may be ids, on evidence too thin to make a pattern of them: one number, one word that its answer
//! repeats, two alike objects. The stub stays literal, and the pattern is proposed.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::endpoints::World;
use super::findings::Confidence;
use super::leaves::Part;
use super::paths::{Child, Class, Level, free};
use super::telling;
use crate::collection::{PathPattern, SegmentPattern, singular};

/// So many calls are shown as evidence.
const SHOWN: usize = 3;
/// So many numbers are compared with all others.
const COMPARED: usize = 24;
/// Members by which answers say what kind of thing they are, or how things stand, and not which one it is.
const KINDS: [&str; 17] = [
    "type",
    "object",
    "kind",
    "status",
    "state",
    "message",
    "result",
    "resource",
    "collection",
    "entity",
    "model",
    "class",
    "event",
    "action",
    "method",
    "category",
    "rel",
];
/// A number after one of these is a version or a page.
const COUNTED: [&str; 8] = ["api", "v", "version", "ver", "rest", "page", "step", "year"];

/// A pattern that may be right, for stubs that are literal now.
#[derive(Debug, Clone)]
pub(crate) struct PathLine {
    pub(crate) origin: String,
    pub(crate) method: String,
    /// The paths as they stand.
    pub(crate) from: Vec<String>,
    /// The path that may stand for them all.
    pub(crate) path: PathPattern,
    pub(crate) why: String,
    pub(crate) evidence: Vec<String>,
    pub(crate) confidence: Confidence,
}

/// Segments in one place that may be ids.
struct Doubt {
    depth: usize,
    /// What the capture would be called.
    name: String,
    why: String,
    confidence: Confidence,
    /// Positions of the calls that have such a segment.
    facts: Vec<usize>,
}

/// All doubts of a survey.
#[derive(Default)]
pub(super) struct Doubts(Vec<Doubt>);

impl Doubts {
    /// Looks at the segments in one place that made no pattern.
    pub(super) fn look(&mut self, level: &Level<'_>, children: &[Child], ids: &HashSet<usize>) {
        // The first segment is the name of a service, hardly ever of a thing.
        if level.depth == 0 {
            return;
        }
        if let Some((at, why, confidence)) = numbers(level, children, ids) {
            self.add(level, children, at, why, confidence);
        }
        for (at, why) in words(level, children, ids) {
            self.add(level, children, at, why, Confidence::Doubtful);
        }
    }

    fn add(&mut self, level: &Level<'_>, children: &[Child], at: Vec<usize>, why: String, confidence: Confidence) {
        let facts = at.iter().flat_map(|at| children[*at].facts.iter().copied()).collect();
        let name = level.name(children, &at.into_iter().collect());
        self.0.push(Doubt { depth: level.depth, name, why, confidence, facts });
    }

    /// The patterns that may be right, by method and origin; what a committed pattern says already is none.
    pub(super) fn lines(&self, world: &World<'_>) -> Vec<PathLine> {
        let mut of: BTreeMap<usize, (usize, Vec<&Doubt>)> = BTreeMap::new();
        for doubt in &self.0 {
            for fact in &doubt.facts {
                let (first, doubts) = of.entry(world.facts[*fact].endpoint).or_insert((*fact, Vec::new()));
                *first = (*first).min(*fact);
                if !doubts.iter().any(|known| std::ptr::eq(*known, doubt)) {
                    doubts.push(doubt);
                }
            }
        }
        let mut lines: BTreeMap<(String, String, String), PathLine> = BTreeMap::new();
        for (endpoint, (first, doubts)) in of {
            let endpoint = &world.endpoints[endpoint];
            let Some((path, used)) = wider(&endpoint.pattern, &doubts) else { continue };
            let names = &world.tables.names;
            let (origin, method) = (names.get(endpoint.origin).to_owned(), names.get(endpoint.method).to_owned());
            let why: Vec<&str> = used.iter().map(|doubt| doubt.why.as_str()).collect();
            let confidence = used.iter().map(|doubt| doubt.confidence).max().unwrap_or(Confidence::Doubtful);
            let key = (origin.clone(), method.clone(), path.as_str().to_owned());
            let line = lines.entry(key).or_insert_with(|| PathLine {
                origin,
                method,
                from: Vec::new(),
                path,
                why: why.join("; "),
                evidence: Vec::new(),
                confidence,
            });
            line.from.push(endpoint.pattern.as_str().to_owned());
            if line.evidence.len() < SHOWN {
                line.evidence.push(format!("exchange {}: {}", world.facts[first].number, endpoint.pattern));
            }
        }
        lines.into_values().collect()
    }
}

/// The pattern with these segments captured, and the doubts that it is made of; `None` if nothing is literal there, or if
/// a person wrote a pattern of another kind.
fn wider<'d>(pattern: &PathPattern, doubts: &[&'d Doubt]) -> Option<(PathPattern, Vec<&'d Doubt>)> {
    let mut segments = pattern.segments().to_vec();
    let is_plain =
        |segment: &SegmentPattern| matches!(segment, SegmentPattern::Literal(_) | SegmentPattern::Capture(_));
    if !segments.iter().all(is_plain) {
        return None;
    }
    let mut used = Vec::new();
    for doubt in doubts {
        let taken: Vec<String> = segments.iter().filter_map(|segment| segment.capture().map(str::to_owned)).collect();
        let taken: Vec<&str> = taken.iter().map(String::as_str).collect();
        match segments.get_mut(doubt.depth) {
            Some(segment @ SegmentPattern::Literal(_)) => *segment = SegmentPattern::Capture(free(&doubt.name, &taken)),
            _ => continue,
        }
        used.push(*doubt);
    }
    (!used.is_empty()).then(|| (PathPattern::from_segments(segments), used))
}

/// Numbers: one alone, or several whose answers say too little to be compared. Where answers to numbers differ in kind, the
/// numbers stand for different things.
fn numbers(level: &Level<'_>, children: &[Child], ids: &HashSet<usize>) -> Option<(Vec<usize>, String, Confidence)> {
    let counted = match level.prefix.last() {
        Some(SegmentPattern::Literal(text)) => COUNTED.contains(&singular(&text.to_ascii_lowercase()).as_str()),
        _ => false,
    };
    let open: Vec<usize> = (0..children.len()).filter(|at| children[*at].class == Class::Integer).collect();
    if counted || open.is_empty() || open.iter().any(|at| ids.contains(at) || children[*at].kinds.is_empty()) {
        return None;
    }
    let apart = |one: &usize, other: &usize| level.alike(&children[*one], &children[*other], None) == Some(false);
    if open.iter().take(COMPARED).enumerate().any(|(at, one)| open[at + 1..].iter().any(|other| apart(one, other))) {
        return None;
    }
    let [only] = open[..] else {
        return Some((
            open,
            "numbers in one place, whose answers say too little to be compared".into(),
            Confidence::Doubtful,
        ));
    };
    let text = level.text(&children[only]);
    let member = level.carriers(&children[only]).into_iter().find(|member| telling::is_id(member));
    let (why, confidence) = match member {
        Some(member) => (format!("`{text}` is a number that its answer repeats as `{member}`"), Confidence::Likely),
        // A year is no id.
        None if text.len() == 4 && (text.starts_with("19") || text.starts_with("20")) => return None,
        None => (format!("`{text}` is a number, and the only one seen in its place"), Confidence::Doubtful),
    };
    Some((vec![only], why, confidence))
}

/// Words: each that its answers repeat by a member which tells things apart; or two that are answered with alike objects.
fn words(level: &Level<'_>, children: &[Child], ids: &HashSet<usize>) -> Vec<(Vec<usize>, String)> {
    let words: Vec<usize> =
        (0..children.len()).filter(|at| children[*at].class == Class::Word && !ids.contains(at)).collect();
    // Where words were found to be ids, what is beside them is not.
    if children.iter().enumerate().any(|(at, child)| child.class == Class::Word && ids.contains(&at)) {
        return Vec::new();
    }
    let repeated = |at: &usize| {
        let child = &children[*at];
        let member = level.carriers(child).into_iter().find(|member| is_telling(level, child, member))?;
        Some((vec![*at], format!("`{}` is a word that its answer repeats as `{member}`", level.text(child))))
    };
    let found: Vec<_> = words.iter().filter_map(repeated).collect();
    if !found.is_empty() {
        return found;
    }
    let is_end = |at: &usize| {
        let child = &children[*at];
        child.kinds.keys().all(|(_, rest)| rest.is_empty())
            && child.methods().into_iter().any(|method| level.is_object(child, method))
    };
    let ends: Vec<usize> = words.iter().copied().filter(is_end).collect();
    match level.alike_most(children, &ends, None)[..] {
        [one, other] => {
            let [first, second] = [one, other].map(|at| level.text(&children[at]));
            let why = format!("`{first}` and `{second}` are words whose answers have the same members");
            vec![(vec![one, other], why)]
        }
        _ => Vec::new(),
    }
}

/// Whether a member that repeats the word tells things apart: not by saying of what kind they are, and not in each of a
/// list.
fn is_telling(level: &Level<'_>, child: &Child, member: &str) -> bool {
    let plain = telling::plain(member);
    let in_list: BTreeSet<bool> = child
        .kinds
        .values()
        .flat_map(|fact| level.facts[*fact].leaves.iter())
        .filter(|leaf| leaf.key == child.key && !leaf.is_piece && leaf.part == Part::Json)
        .map(|leaf| level.tables.names.get(leaf.name))
        .filter(|name| name.rsplit('/').next() == Some(member))
        .map(|name| name.contains("/*"))
        .collect();
    in_list.contains(&false) && !KINDS.contains(&plain.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{again, json, paths, promoted};
    use crate::collection::{Change, PATH_STUBS, StubKey};
    use crate::promote::{Confidence, Promotion, Recorded};

    /// The patterns that wait, in short.
    fn proposed(promotion: &Promotion) -> Vec<String> {
        let is_path = |change: &Change| matches!(change, Change::SetPath { .. });
        let found = promotion.proposals.iter().filter(|proposal| is_path(&proposal.change));
        found.map(|proposal| format!("{}: {}", proposal.change.title(), proposal.why)).collect()
    }

    #[track_caller]
    fn check(traffic: &[Recorded], expected: &[&str]) {
        assert_eq!(proposed(&promoted(traffic)), expected);
    }

    #[test]
    fn one_number_is_a_question() {
        let item = |number, path: &str, answer: &str| json(number, "GET", path, 200, answer);
        let one = promoted(&[item(1, "/items/42", r#"{"id": 42, "name": "tea"}"#)]);
        assert_eq!(paths(&one), ["GET /items/42"], "it stays as it is");
        let told = ["GET /items/42 becomes /items/{item_id}: `42` is a number that its answer repeats as `id`"];
        assert_eq!(proposed(&one), told);
        assert_eq!(one.proposals[0].confidence, Confidence::Likely);
        assert_eq!(one.proposals[0].evidence, ["exchange 1: /items/42"]);
        check(
            &[item(1, "/items/42/price", r#"{"amount": 3}"#)],
            &[
                "GET /items/42/price becomes /items/{item_id}/price: `42` is a number, and the only one seen in its place",
            ],
        );
        // Versions, pages and years are counted; a failure says nothing; answers of different kinds are of different things.
        check(&[item(1, "/api/2/items", "[]"), item(2, "/list/page/2", "[]"), item(3, "/archive/2024", "[]")], &[]);
        check(&[json(1, "GET", "/items/42", 404, "{}")], &[]);
        check(&[item(1, "/codes/1", r#"{"a": 1, "b": 2}"#), item(2, "/codes/2", r#"["x"]"#)], &[]);
        // Several that are alike are a pattern.
        check(&[item(1, "/items/1", r#"{"id": 1}"#), item(2, "/items/2", r#"{"id": 2}"#)], &[]);
    }

    #[test]
    fn numbers_with_bare_answers_are_a_question() {
        let none = |number, path: &str| json(number, "GET", path, 200, "[]");
        check(
            &[none(1, "/items/1/tags"), none(2, "/items/2/tags")],
            &[
                "2 stubs become one, /items/{item_id}/tags: numbers in one place, whose answers say too little to be compared",
            ],
        );
    }

    #[test]
    fn a_question_speaks_of_so_many_stubs_at_most() {
        let all = PATH_STUBS as u64 + 10;
        let traffic: Vec<_> =
            (1..=all).map(|number| json(number, "GET", &format!("/items/{number}/tags"), 200, "[]")).collect();
        let spoken = |promotion: &Promotion| -> Vec<StubKey> {
            let [proposal] = &promotion.proposals[..] else { panic!("{:?}", proposed(promotion)) };
            let Change::SetPath { stubs, .. } = &proposal.change else { panic!("{:?}", proposal.change) };
            stubs.clone()
        };
        let first = promoted(&traffic);
        let stubs = spoken(&first);
        assert_eq!(stubs.len(), PATH_STUBS);
        let told = first.proposals[0].evidence.last().unwrap();
        assert!(told.starts_with("1000 of 1010 such stubs are in this change"), "{told}");
        let same = again(&first, traffic.iter().rev().cloned().collect());
        assert_eq!(spoken(&same), stubs, "the same each time");
        // What waits takes no more in than that either.
        let other = |number| format!("GET https://api.test/items/x{number}/tags").parse().unwrap();
        let path = "/items/{item_id}/tags".parse().unwrap();
        let mut older = Change::SetPath { stubs: (0..PATH_STUBS).map(other).collect(), path };
        older.absorb(&first.proposals[0].change);
        let Change::SetPath { stubs, .. } = older else { panic!() };
        assert_eq!(stubs.len(), PATH_STUBS);
        // Accepted; the others become part of it as the question says.
        let mut accepted = first.clone();
        assert_eq!(first.proposals[0].change.apply(&mut accepted.collection), Ok(true));
        assert_eq!(accepted.collection.stubs.len(), 11);
        assert!(!again(&accepted, traffic.clone()).changed);
        accepted.collection.stubs.retain(|file| file.stub.path.captures().next().is_some());
        let second = again(&accepted, traffic);
        let [whole] = &second.collection.stubs[..] else { panic!("one stub") };
        assert_eq!(whole.stub.scenarios.len() as u64, all);
    }

    #[test]
    fn a_word_that_its_answer_repeats_is_a_question() {
        let user = |number, path: &str, answer: &str| json(number, "GET", path, 200, answer);
        check(
            &[user(1, "/users/octocat", r#"{"login": "octocat", "id": 1}"#), user(2, "/users/me", r#"{"id": 1}"#)],
            &["GET /users/octocat becomes /users/{login}: `octocat` is a word that its answer repeats as `login`"],
        );
        // What kind of thing it is, or that each of a list is so, makes no id of it; nor does the first segment.
        check(
            &[
                user(1, "/api/articles", r#"{"type": "articles"}"#),
                user(2, "/api/open", r#"[{"name": "open"}]"#),
                user(3, "/octocat", r#"{"login": "octocat"}"#),
            ],
            &[],
        );
        check(
            &[user(1, "/repos/octo/hello", r#"{"owner": {"login": "octo"}, "slug": "hello"}"#)],
            &[
                "GET /repos/octo/hello becomes /repos/{login}/{slug}: `octo` is a word that its answer repeats as `login`; \
               `hello` is a word that its answer repeats as `slug`",
            ],
        );
    }

    #[test]
    fn two_alike_objects_are_a_question() {
        let shop = |number, path: &str, city: &str| {
            json(number, "GET", path, 200, &format!(r#"{{"city": "{city}", "open": true, "seats": {number}}}"#))
        };
        let (north, south) = (shop(1, "/shops/north", "Oslo"), shop(2, "/shops/south", "Rome"));
        check(
            &[north, south],
            &[
                "2 stubs become one, /shops/{shop_id}: `north` and `south` are words whose answers have the same members",
            ],
        );
    }

    #[test]
    fn what_was_decided_is_not_asked_again() {
        let traffic = [json(1, "GET", "/items/42", 200, r#"{"id": 42}"#)];
        let first = promoted(&traffic);
        let change = &first.proposals[0].change;
        for decision in [Change::refuse, |change: &Change, collection: &mut _| change.apply(collection).map(drop)] {
            let mut decided = first.clone();
            decision(change, &mut decided.collection).unwrap();
            let second = again(&decided, traffic.to_vec());
            assert!(!second.changed, "{:#?}", second.report);
            assert_eq!(proposed(&second), [""; 0]);
        }
        // A refusal holds for the path, whichever calls it is found in; what was accepted takes further calls in.
        let others = [json(7, "GET", "/items/43", 200, r#"{"id": 43}"#)];
        let mut refused = first.clone();
        change.refuse(&mut refused.collection).unwrap();
        let second = again(&refused, others.to_vec());
        assert_eq!((paths(&second), proposed(&second)), (vec!["GET /items/42".into(), "GET /items/43".into()], vec![]));
        let mut accepted = first.clone();
        change.apply(&mut accepted.collection).unwrap();
        assert_eq!(paths(&again(&accepted, others.to_vec())), ["GET /items/{item_id}"]);
    }
}
