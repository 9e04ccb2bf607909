//! Bodies of JSON and XML, compared leaf by leaf.

use crate::diff::json::{Leaf, Value};

use super::conditions::Taken;
use super::evaluation::{PartResult, Verdict};
use super::graphql;
use super::placeholder;
use super::rules::{Compiled, LeafAction, Rules};

/// The rules for the leaves of one kind of body.
#[derive(Clone, Copy)]
pub(super) enum LeafRules<'a> {
    /// Those for JSON.
    Json(&'a Rules),
    /// Those for XML.
    Xml(&'a Rules),
}

impl<'a> LeafRules<'a> {
    fn touch(self) -> bool {
        match self {
            LeafRules::Json(rules) => rules.touch_json(),
            LeafRules::Xml(rules) => rules.touch_xml(),
        }
    }

    fn of(self, pointer: &'a str) -> LeafAction<'a> {
        match self {
            LeafRules::Json(rules) => rules.json(pointer),
            LeafRules::Xml(rules) => rules.xml(pointer),
        }
    }
}

/// Compares two sorted lists of leaves, without those that are looked at otherwise.
pub(super) fn compare(
    expected: &[Leaf],
    got: &[Leaf],
    rules: LeafRules<'_>,
    taken: Option<&[Taken; 2]>,
    result: &mut PartResult,
) {
    if rules.touch() || taken.is_some() {
        let (ours, our_any) = ruled(expected, rules, taken.map(|taken| &taken[0]));
        let (theirs, their_any) = ruled(got, rules, taken.map(|taken| &taken[1]));
        merge(&ours, &theirs, rules, result);
        for pointer in &our_any {
            match their_any.binary_search(pointer) {
                Ok(_) => result.same(1),
                Err(_) => result.add(Verdict::Different, pointer, Some("any value"), None),
            }
        }
        for pointer in their_any.iter().filter(|pointer| our_any.binary_search(pointer).is_err()) {
            result.add(Verdict::Extra, pointer, None, Some("a value"));
        }
        return;
    }
    let (ours, theirs): (Vec<&Leaf>, Vec<&Leaf>) = (expected.iter().collect(), got.iter().collect());
    merge(&ours, &theirs, rules, result);
}

/// The leaves that are compared, and the pointers of values of which any will do; both sorted.
fn ruled<'a>(leaves: &'a [Leaf], rules: LeafRules<'a>, taken: Option<&Taken>) -> (Vec<&'a Leaf>, Vec<&'a str>) {
    let (mut kept, mut any) = (Vec::new(), Vec::new());
    for leaf in leaves.iter().filter(|leaf| taken.is_none_or(|taken| !taken.covers(&leaf.pointer))) {
        match rules.of(&leaf.pointer) {
            LeafAction::Compare | LeafAction::Judge(_) => kept.push(leaf),
            LeafAction::Ignore => {}
            LeafAction::Any(pointer) => any.push(pointer),
        }
    }
    any.sort_unstable();
    any.dedup();
    (kept, any)
}

fn merge(expected: &[&Leaf], got: &[&Leaf], rules: LeafRules<'_>, result: &mut PartResult) {
    let (mut left, mut right) = (0, 0);
    loop {
        match (expected.get(left), got.get(right)) {
            (Some(one), Some(other)) if one.pointer == other.pointer => {
                pair(one, other, rules, result);
                (left, right) = (left + 1, right + 1);
            }
            (Some(one), other) if other.is_none_or(|other| one.pointer < other.pointer) => {
                only(one, got, Verdict::Missing, rules, result);
                left += 1;
            }
            (_, Some(other)) => {
                only(other, expected, Verdict::Extra, rules, result);
                right += 1;
            }
            _ => return,
        }
    }
}

fn pair(expected: &Leaf, got: &Leaf, rules: LeafRules<'_>, result: &mut PartResult) {
    if let Some(level) = expected.arrays.level_apart(got.arrays) {
        let (ours, theirs) = (kind(expected, level), kind(got, level));
        result.add(Verdict::Different, expected.container(level), Some(ours), Some(theirs));
    } else if same(&expected.pointer, &expected.value, &got.value) {
        result.same(1);
    } else if let Some((rule, one, other)) = judged(expected, got, rules) {
        result.taken(rule, &expected.pointer, one, other);
    } else {
        let (ours, theirs) = (expected.value.text(), got.value.text());
        result.add(Verdict::Different, &expected.pointer, Some(&ours), Some(&theirs));
    }
}

/// The rule that finds the one value as good as the other, and the two.
fn judged<'a>(expected: &'a Leaf, got: &'a Leaf, rules: LeafRules<'a>) -> Option<(&'a Compiled, &'a str, &'a str)> {
    let LeafAction::Judge(rule) = rules.of(&expected.pointer) else { return None };
    match (&expected.value, &got.value) {
        (Value::String(one), Value::String(other)) | (Value::Number(one), Value::Number(other)) => {
            rule.accepts(one, other).then_some((rule, one, other))
        }
        _ => None,
    }
}

/// A leaf without a partner: missing or extra, unless the other side has something that contradicts it there, such
/// as an object instead of a number.
fn only(leaf: &Leaf, others: &[&Leaf], verdict: Verdict, rules: LeafRules<'_>, result: &mut PartResult) {
    let under = format!("{}/", leaf.pointer);
    let at = others.partition_point(|other| *other.pointer < *under);
    let inside = others.get(at).filter(|other| other.pointer.starts_with(&under));
    let needed = matches!(rules.of(&leaf.pointer), LeafAction::Judge(rule) if rule.needs_one());
    let placeholder = verdict == Verdict::Missing && (needed || is_placeholder(&leaf.value));
    let levels = leaf.pointer.bytes().filter(|byte| *byte == b'/').count();
    let contradicts = inside.is_some_and(|inside| {
        let array = inside.arrays.is_array(levels);
        !matches!((&leaf.value, array), (Value::Word("[]"), true) | (Value::Word("{}"), false))
    });
    let text = leaf.value.text();
    let other = inside.map(|_| "an object or array");
    if inside.is_none()
        && let Some((level, theirs)) = around(leaf, levels, others)
    {
        let (ours, theirs) = (kind(leaf, level), kind(theirs, level));
        let (expected, got) = if verdict == Verdict::Missing { (ours, theirs) } else { (theirs, ours) };
        return result.add(Verdict::Different, leaf.container(level), Some(expected), Some(got));
    }
    match verdict {
        Verdict::Missing if contradicts || placeholder => {
            result.add(Verdict::Different, &leaf.pointer, Some(&text), other);
        }
        Verdict::Missing => result.add(verdict, &leaf.pointer, Some(&text), None),
        _ if contradicts => result.add(Verdict::Different, &leaf.pointer, other, Some(&text)),
        _ => result.add(verdict, &leaf.pointer, None, Some(&text)),
    }
}

/// What is around a leaf at this level.
fn kind(leaf: &Leaf, level: usize) -> &'static str {
    if leaf.arrays.is_array(level) { "an array" } else { "an object" }
}

/// Where the other side has an array and not an object around a leaf's place, or the other way round: at which level,
/// and a leaf that shows it. `levels` is how many containers are around.
fn around<'a>(leaf: &Leaf, levels: usize, others: &[&'a Leaf]) -> Option<(usize, &'a Leaf)> {
    // The innermost container of which the other side has something is around whatever else they share.
    for level in (0..levels).rev() {
        let under = format!("{}/", leaf.container(level));
        let at = others.partition_point(|other| *other.pointer < *under);
        if let Some(other) = others.get(at).filter(|other| other.pointer.starts_with(&under)) {
            let apart = leaf.arrays.level_apart(other.arrays).filter(|apart| *apart <= level);
            return apart.map(|apart| (apart, *other));
        }
    }
    None
}

fn is_placeholder(value: &Value) -> bool {
    matches!(value, Value::String(text) | Value::Number(text) if placeholder::is_placeholder(text))
}

fn same(pointer: &str, expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::String(one), Value::String(other)) => {
            one == other || placeholder::stands_for(one, other) || same_query(pointer, one, other)
        }
        // The secret may be a string where a number was recorded, and the other way round.
        (one, other) if is_placeholder(one) => *other != Value::Word("null"),
        (one, other) => one.same(other),
    }
}

/// GraphQL over JSON: the member `query` of the request, or of each request of a batch.
fn same_query(pointer: &str, one: &str, other: &str) -> bool {
    is_query(pointer) && graphql::looks_like(one) && graphql::looks_like(other) && graphql::same(one, other)
}

/// Whether a document of GraphQL stands at this pointer, if the body is a request of it.
pub(super) fn is_query(pointer: &str) -> bool {
    let batch = |rest: &str| rest.strip_suffix("/query").is_some_and(|at| at.bytes().all(|byte| byte.is_ascii_digit()));
    pointer == "/query" || pointer.strip_prefix('/').is_some_and(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::{Place, Rule, RuleAction};
    use crate::diff::json::leaves;
    use crate::matching::Tally;

    #[track_caller]
    fn check(expected: &str, got: &str, tally: [u32; 4]) {
        let mut result = PartResult::default();
        compare(
            &leaves(expected).unwrap(),
            &leaves(got).unwrap(),
            LeafRules::Json(&Rules::default()),
            None,
            &mut result,
        );
        let [same, extra, missing, different] = tally;
        assert_eq!(result.tally, Tally { same, extra, missing, different }, "{expected} against {got}");
    }

    #[test]
    fn leaves_compare_by_pointer_and_value() {
        check(r#"{"a":1,"b":[1,2]}"#, r#"{ "b" : [1, 2], "a" : 1 }"#, [3, 0, 0, 0]);
        check("[1,2]", "[2,1]", [0, 0, 0, 2]);
        check(r#"{"n":1}"#, r#"{"n":1.0}"#, [1, 0, 0, 0]);
        check("[1,100,0.5,-0,12345678901234567890123]", "[1e0,1E2,5e-1,0.0,12345678901234567890123.0]", [5, 0, 0, 0]);
        check("12345678901234567890123", "12345678901234567890124", [0, 0, 0, 1]);
        check(r#"{"n":"3"}"#, r#"{"n":3}"#, [0, 0, 0, 1]);
        check(r#"{"a":{},"b":[],"c":null}"#, r#"{"a":{},"b":[],"c":null}"#, [3, 0, 0, 0]);
        check(r#"{"a":null}"#, "{}", [0, 1, 1, 0]);
        check(r#"{"a":[]}"#, r#"{"a":[1]}"#, [0, 1, 1, 0]);
        check(r#"{"a":1}"#, r#"{"a":{"b":1}}"#, [0, 1, 0, 1]);
        check(r#"{"a":{}}"#, r#"{"a":[1]}"#, [0, 1, 0, 1]);
        check("[1]", r#"{"0":1}"#, [0, 0, 0, 1]);
        check(r#"{"0":1}"#, "[1]", [0, 0, 0, 1]);
        check(r#"{"a":[[1],2]}"#, r#"{"a":{"0":[1],"1":2}}"#, [0, 0, 0, 2]);
        check(r#"{"a":[1],"b":2}"#, r#"{"a":{"c":1},"b":2}"#, [1, 0, 0, 2]);
        check(r#"{"a":[{"b":1}]}"#, r#"{"a":[{"c":1}]}"#, [0, 1, 1, 0]);
        check(r#"{"a":{"0":1}}"#, r#"{"a":{"0":1}}"#, [1, 0, 0, 0]);
        check(r#"{"0":{"a":1,"b":[{}]}}"#, r#"[{"a":1,"b":[{}]}]"#, [0, 0, 0, 2]);
        check(r#"{"a/b":1,"c~d":"x\u00e9"}"#, "{\"a/b\":1,\"c~d\":\"xé\"}", [2, 0, 0, 0]);
        check("3", "3", [1, 0, 0, 0]);
    }

    #[test]
    fn rules_cover_subtrees() {
        let rule = |name: &str, action| Rule::new(Place::Json, name, action);
        let mut stub = crate::matching::tests::stub("POST /p | it").stub;
        stub.rules = vec![rule("/meta", RuleAction::Ignore), rule("/items/*/id", RuleAction::Any)];
        let rules = Rules::new(&stub, &[], &|_| None, &Default::default());
        let run = |expected: &str, got: &str| {
            let mut result = PartResult::default();
            compare(&leaves(expected).unwrap(), &leaves(got).unwrap(), LeafRules::Json(&rules), None, &mut result);
            result.tally
        };
        let expected = r#"{"meta":{"t":1},"items":[{"id":1,"n":2}]}"#;
        assert_eq!(
            run(expected, r#"{"meta":5,"items":[{"id":{"x":1},"n":2}]}"#),
            Tally { same: 2, ..Tally::default() }
        );
        assert_eq!(run(expected, r#"{"items":[{"n":2}]}"#), Tally { same: 1, different: 1, ..Tally::default() });
    }

    #[test]
    fn graphql_white_space_does_not_count() {
        let one = r#"{"query":"query A($n: Int) {\n  user(login: $n) { id, name }\n}","variables":{"n":1}}"#;
        let other = r#"{"variables":{"n":1},"query":"query A($n:Int){user(login:$n){id name}}"}"#;
        check(one, other, [2, 0, 0, 0]);
        check(r#"{"query":"a  b"}"#, r#"{"query":"a b"}"#, [0, 0, 0, 1]);
    }
}
