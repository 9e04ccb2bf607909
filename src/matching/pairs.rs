//! Names with values, compared as multisets: query pairs and form members.

use super::evaluation::{PartResult, Verdict};
use super::graphql;
use super::placeholder;
use super::rules::Compiled;
use crate::diff::json::{Leaf, leaves};

/// A decoded pair.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    /// The name.
    pub(super) name: String,
    /// The value; empty for a pair without `=`.
    pub(super) value: String,
}

/// The pairs of a query or form, decoded and sorted. Empty ones between `&` are nothing.
pub(super) fn parse(text: &[u8]) -> Vec<Pair> {
    let raw = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<_> = raw.filter_map(pair).collect();
    pairs.sort_unstable();
    pairs
}

/// The cookies of a `Cookie` field (RFC 6265 section 4.2.1), as written.
pub(super) fn cookies(value: &[u8]) -> Vec<Pair> {
    let text = crate::model::fields::text_of(value);
    let written = text.split(';').map(|pair| pair.trim_matches([' ', '\t'])).filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Pair { name: name.trim_end().to_owned(), value: value.trim_start().to_owned() }
    };
    written.map(pair).collect()
}

/// All cookies of a request by name, as written.
pub fn cookies_of(fields: &crate::model::Fields) -> Vec<(String, String)> {
    fields.all("cookie").flat_map(cookies).map(|pair| (pair.name, pair.value)).collect()
}

/// One pair as written, decoded. Escapes that are no UTF-8 stay as written, so that two of them never look equal.
pub(super) fn pair(raw: &[u8]) -> Option<Pair> {
    let (name, value) = form_urlencoded::parse(raw).next()?;
    let lossy = |text: &str| text.contains('\u{fffd}');
    if !lossy(&name) && !lossy(&value) {
        return Some(Pair { name: name.into_owned(), value: value.into_owned() });
    }
    let raw = String::from_utf8_lossy(raw);
    let (name, value) = raw.split_once('=').unwrap_or((&raw, ""));
    Some(Pair { name: name.to_owned(), value: value.to_owned() })
}

/// Compares two sorted lists.
pub(super) fn compare<'r>(
    expected: &[Pair],
    got: &[Pair],
    rule: impl Fn(&str) -> Option<&'r Compiled>,
    result: &mut PartResult,
) {
    let graphql = is_graphql(expected) && is_graphql(got);
    let (mut expected, mut got) = (expected, got);
    while let Some(name) = least(expected, got) {
        let (ours, expected_rest) = take(expected, name);
        let (theirs, got_rest) = take(got, name);
        match rule(name) {
            Some(rule) if rule.ignores() => {}
            Some(rule) if rule.takes_any() => any(name, ours, theirs, result),
            _ if graphql && has_meaning(name) && says_the_same(ours, theirs) => result.same(1),
            rule => group(name, ours, theirs, rule, result),
        }
        (expected, got) = (expected_rest, got_rest);
    }
}

/// Whether pairs are a request of GraphQL: one called `query` has a document.
pub(super) fn is_graphql(pairs: &[Pair]) -> bool {
    let document = |pair: &&Pair| pair.name == "query" && graphql::looks_like(&pair.value);
    pairs.iter().find(document).is_some()
}

/// Whether a pair of a GraphQL request is compared by what it means: the document, or JSON beside it.
pub(super) fn has_meaning(name: &str) -> bool {
    matches!(name, "query" | "variables" | "extensions")
}

/// Whether two values of one name mean the same: documents by their tokens, JSON by its values.
fn says_the_same(expected: &[Pair], got: &[Pair]) -> bool {
    let ([one], [other]) = (expected, got) else { return false };
    if one.name == "query" {
        return graphql::same(&one.value, &other.value);
    }
    let (Some(ours), Some(theirs)) = (leaves(&one.value), leaves(&other.value)) else { return false };
    let alike = |(one, other): (&Leaf, &Leaf)| {
        one.pointer == other.pointer && one.arrays == other.arrays && one.value.same(&other.value)
    };
    ours.len() == theirs.len() && ours.iter().zip(&theirs).all(alike)
}

fn least<'a>(expected: &'a [Pair], got: &'a [Pair]) -> Option<&'a str> {
    match (expected.first(), got.first()) {
        (Some(ours), Some(theirs)) => Some(ours.name.as_str().min(&theirs.name)),
        (Some(one), None) | (None, Some(one)) => Some(&one.name),
        (None, None) => None,
    }
}

fn take<'a>(pairs: &'a [Pair], name: &str) -> (&'a [Pair], &'a [Pair]) {
    pairs.split_at(pairs.partition_point(|pair| pair.name.as_str() <= name))
}

/// A name of which any value will do: every expected one needs a partner.
fn any(name: &str, expected: &[Pair], got: &[Pair], result: &mut PartResult) {
    let both = expected.len().min(got.len());
    result.same(both);
    for pair in &expected[both..] {
        result.add(Verdict::Different, name, Some(&pair.value), None);
    }
    for pair in &got[both..] {
        result.add(Verdict::Extra, name, None, Some(&pair.value));
    }
}

/// The values of one name: equal ones are the same, then placeholders take what is left, the rest pairs up. A rule may
/// find one value as good as another.
fn group(name: &str, expected: &[Pair], got: &[Pair], rule: Option<&Compiled>, result: &mut PartResult) {
    let (mut ours, mut theirs) = leftovers(expected, got, result);
    let mut unmet = Vec::new();
    ours.retain(|value| {
        if !placeholder::is_placeholder(value) {
            return true;
        }
        match theirs.iter().position(|got| placeholder::stands_for(value, got)) {
            Some(at) => {
                theirs.remove(at);
                result.same(1);
            }
            None => unmet.push(*value),
        }
        false
    });
    for value in unmet {
        result.add(Verdict::Different, name, Some(value), None);
    }
    let both = ours.len().min(theirs.len());
    for (value, got) in ours.iter().zip(&theirs) {
        match rule.filter(|rule| rule.accepts(value, got)) {
            Some(rule) => result.taken(rule, name, value, got),
            None => result.add(Verdict::Different, name, Some(value), Some(got)),
        }
    }
    for value in &ours[both..] {
        let needed = rule.is_some_and(Compiled::needs_one);
        let verdict = if needed { Verdict::Different } else { Verdict::Missing };
        result.add(verdict, name, Some(value), None);
    }
    for value in &theirs[both..] {
        result.add(Verdict::Extra, name, None, Some(value));
    }
}

fn leftovers<'a>(expected: &'a [Pair], got: &'a [Pair], result: &mut PartResult) -> (Vec<&'a str>, Vec<&'a str>) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut left, mut right) = (expected.iter().peekable(), got.iter().peekable());
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        match one.value.cmp(&other.value) {
            std::cmp::Ordering::Equal => {
                result.same(1);
                left.next();
                right.next();
            }
            std::cmp::Ordering::Less => ours.extend(left.next().map(|pair| pair.value.as_str())),
            std::cmp::Ordering::Greater => theirs.extend(right.next().map(|pair| pair.value.as_str())),
        }
    }
    ours.extend(left.map(|pair| pair.value.as_str()));
    theirs.extend(right.map(|pair| pair.value.as_str()));
    (ours, theirs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::{Place, Rule, RuleAction};
    use crate::matching::Tally;
    use crate::matching::rules::Rules;
    use crate::model::Shape;

    #[track_caller]
    fn check(expected: &str, got: &str, tally: [u32; 4]) {
        let mut result = PartResult::default();
        compare(&parse(expected.as_bytes()), &parse(got.as_bytes()), |_| None, &mut result);
        let [same, extra, missing, different] = tally;
        assert_eq!(result.tally, Tally { same, extra, missing, different }, "{expected} against {got}");
    }

    #[test]
    fn queries_are_multisets() {
        check("a=1&b=2", "b=2&a=1", [2, 0, 0, 0]);
        check("a=1&a=2", "a=2&a=1", [2, 0, 0, 0]);
        check("a=1&a=2", "a=2&a=3", [1, 0, 0, 1]);
        check("a=1&a=1", "a=1", [1, 0, 1, 0]);
        check("a=1", "a=1&b=2&", [1, 1, 0, 0]);
        check("flag", "flag=", [1, 0, 0, 0]);
        check("q=a+b", "q=a%20b", [1, 0, 0, 0]);
        check("q=%ff", "q=%fe", [0, 0, 0, 1]);
        check("A=1", "a=1", [0, 1, 1, 0]);
    }

    #[test]
    fn rules_act_first_and_a_failing_one_contradicts() {
        let mut stub = crate::matching::tests::stub("GET /p | it").stub;
        stub.rules = vec![
            Rule::new(Place::Query, "ts", RuleAction::Ignore),
            Rule::new(Place::Query, "id", RuleAction::Any),
            Rule { shape: Some(Shape::Uuid), ..Rule::new(Place::Query, "ref", RuleAction::Any) },
        ];
        let rules = Rules::new(&stub, &[], &|_| None, &Default::default());
        let run = |expected: &str, got: &str| {
            let mut result = PartResult::default();
            compare(&parse(expected.as_bytes()), &parse(got.as_bytes()), |name| rules.query(name), &mut result);
            result.tally
        };
        assert_eq!(run("ts=1&id=1", "id=2"), Tally { same: 1, ..Tally::default() });
        assert_eq!(run("id=1", "ts=5"), Tally { different: 1, ..Tally::default() });
        assert_eq!(run("", "ts=5"), Tally::default());
        let (one, other) = ("ref=0193f3a2-7c1e-7d30-9a55-2f6f0c1be001", "ref=0193f3a2-7c1e-7d30-9a55-2f6f0c1be002");
        assert_eq!(run(one, other), Tally { same: 1, ..Tally::default() });
        assert_eq!(run(one, "ref=mine"), Tally { different: 1, ..Tally::default() });
        assert_eq!(run(one, ""), Tally { different: 1, ..Tally::default() });
    }

    #[test]
    fn graphql_in_a_query_is_compared_by_what_it_means() {
        let one = "query=query+A+{+user+{+id+}+}&variables={\"n\":1,\"m\":[2]}";
        check(one, "variables={ \"m\": [2.0], \"n\": 1 }&query=query A{user{id}}", [2, 0, 0, 0]);
        check(one, "variables={\"m\":[2],\"n\":3}&query=query A{user{id}}", [1, 0, 0, 1]);
        check(one, "variables={\"m\":{\"0\":2},\"n\":1}&query=query A{user{name}}", [0, 0, 0, 2]);
        check("query=a+b&variables={}", "query=a++b&variables={ }", [0, 0, 0, 2]);
    }

    #[test]
    fn a_placeholder_takes_any_value_but_not_none() {
        check("token=retake-token-abcdefghij&page=1", "token=real&page=1", [2, 0, 0, 0]);
        check("token=retake-token-abcdefghij", "page=1", [0, 1, 0, 1]);
    }
}
