//! JSON as leaves by pointer, compared by value.
//!
//! Not `serde_json::Value`: that loses long numbers, how they were written, and repeated keys.

use std::borrow::Cow;
use std::collections::HashSet;

use super::evaluation::{PartResult, Verdict};
use super::graphql;
use super::placeholder;
use super::rules::{JsonAction, Rules};

/// Deeper texts are compared as text.
const MAX_DEPTH: usize = 128;
/// Bytes of all pointers together; a text with more (deep, with long names) is compared as text.
const MAX_POINTERS: usize = 16 * 1024 * 1024;

/// A leaf: a scalar, or an empty container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    /// JSON pointer (RFC 6901).
    pub(super) pointer: Box<str>,
    /// Its value.
    pub(super) value: Value,
}

/// The value of a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A string, unescaped.
    String(Box<str>),
    /// A number, as written.
    Number(Box<str>),
    /// `true`, `false`, `null`, `{}`, `[]`
    Word(&'static str),
}

impl Value {
    /// The value as JSON.
    fn text(&self) -> Cow<'_, str> {
        match self {
            Value::String(text) => serde_json::to_string(text).unwrap_or_default().into(),
            Value::Number(text) => Cow::Borrowed(text),
            Value::Word(word) => Cow::Borrowed(word),
        }
    }
}

/// The leaves of a JSON text, sorted by pointer; none if it is not JSON, has a repeated key, or is too deep.
pub(super) fn leaves(text: &str) -> Option<Vec<Leaf>> {
    // Validation by serde_json, which skips without recursion; the walk below may then trust the grammar.
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let mut walk = Walk { text, at: 0, pointer: String::new(), leaves: Vec::new(), budget: MAX_POINTERS };
    walk.value(0)?;
    let mut leaves = walk.leaves;
    leaves.sort_unstable_by(|one, other| one.pointer.cmp(&other.pointer));
    Some(leaves)
}

struct Walk<'a> {
    text: &'a str,
    at: usize,
    pointer: String,
    leaves: Vec<Leaf>,
    budget: usize,
}

impl<'a> Walk<'a> {
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
        self.at += blank;
        rest.get(blank).copied()
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => {
                let text = self.string()?;
                self.leaf(Value::String(text.into()))
            }
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => {
                let rest = &self.text[self.at..];
                let end = rest.find([',', ']', '}', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
                self.at += end;
                self.leaf(Value::Number(rest[..end].into()))
            }
        }
    }

    fn word(&mut self, word: &'static str) -> Option<()> {
        self.at += word.len();
        self.leaf(Value::Word(word))
    }

    fn leaf(&mut self, value: Value) -> Option<()> {
        self.budget = self.budget.checked_sub(self.pointer.len())?;
        self.leaves.push(Leaf { pointer: self.pointer.as_str().into(), value });
        Some(())
    }

    /// The string that begins here, unescaped; none for an escape that is half of a character.
    fn string(&mut self) -> Option<Cow<'a, str>> {
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        let mut escaped = false;
        while *bytes.get(end)? != b'"' {
            escaped |= bytes[end] == b'\\';
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let token = &self.text[self.at..=end];
        self.at = end + 1;
        if escaped {
            return serde_json::from_str::<String>(token).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(&token[1..token.len() - 1]))
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.at += 1;
        if self.peek()? == b'}' {
            self.at += 1;
            return self.leaf(Value::Word("{}"));
        }
        let mut keys = HashSet::new();
        loop {
            self.peek()?;
            let key = self.string()?;
            self.peek()?;
            self.at += 1; // the colon
            let parent = self.pointer.len();
            self.pointer.push('/');
            self.pointer.push_str(&escape(&key));
            if !keys.insert(key) {
                return None;
            }
            self.value(depth + 1)?;
            self.pointer.truncate(parent);
            let next = self.peek()?;
            self.at += 1;
            if next == b'}' {
                return Some(());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.at += 1;
        if self.peek()? == b']' {
            self.at += 1;
            return self.leaf(Value::Word("[]"));
        }
        let mut position = 0_usize;
        loop {
            let parent = self.pointer.len();
            self.pointer.push('/');
            self.pointer.push_str(&position.to_string());
            self.value(depth + 1)?;
            self.pointer.truncate(parent);
            position += 1;
            let next = self.peek()?;
            self.at += 1;
            if next == b']' {
                return Some(());
            }
        }
    }
}

fn escape(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) { Cow::Owned(key.replace('~', "~0").replace('/', "~1")) } else { Cow::Borrowed(key) }
}

/// Compares two sorted lists of leaves.
pub(super) fn compare(expected: &[Leaf], got: &[Leaf], rules: &Rules, result: &mut PartResult) {
    if rules.touch_json() {
        let (ours, our_any) = ruled(expected, rules);
        let (theirs, their_any) = ruled(got, rules);
        merge(&ours, &theirs, result);
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
    let all = |leaves: &'_ [Leaf]| -> Vec<usize> { (0..leaves.len()).collect() };
    let (ours, theirs) = (all(expected), all(got));
    let ours: Vec<&Leaf> = ours.iter().map(|at| &expected[*at]).collect();
    let theirs: Vec<&Leaf> = theirs.iter().map(|at| &got[*at]).collect();
    merge(&ours, &theirs, result);
}

/// The leaves that no rule touches, and the pointers of values of which any will do; both sorted.
fn ruled<'a>(leaves: &'a [Leaf], rules: &Rules) -> (Vec<&'a Leaf>, Vec<&'a str>) {
    let (mut kept, mut any) = (Vec::new(), Vec::new());
    for leaf in leaves {
        match rules.json(&leaf.pointer) {
            JsonAction::Compare => kept.push(leaf),
            JsonAction::Ignore => {}
            JsonAction::Any(pointer) => any.push(pointer),
        }
    }
    any.sort_unstable();
    any.dedup();
    (kept, any)
}

fn merge(expected: &[&Leaf], got: &[&Leaf], result: &mut PartResult) {
    let (mut left, mut right) = (0, 0);
    loop {
        match (expected.get(left), got.get(right)) {
            (Some(one), Some(other)) if one.pointer == other.pointer => {
                pair(one, other, result);
                (left, right) = (left + 1, right + 1);
            }
            (Some(one), other) if other.is_none_or(|other| one.pointer < other.pointer) => {
                only(one, got, Verdict::Missing, result);
                left += 1;
            }
            (_, Some(other)) => {
                only(other, expected, Verdict::Extra, result);
                right += 1;
            }
            _ => return,
        }
    }
}

fn pair(expected: &Leaf, got: &Leaf, result: &mut PartResult) {
    if same(&expected.pointer, &expected.value, &got.value) {
        result.same(1);
    } else {
        let (ours, theirs) = (expected.value.text(), got.value.text());
        result.add(Verdict::Different, &expected.pointer, Some(&ours), Some(&theirs));
    }
}

/// A leaf without a partner: missing or extra, unless the other side has something that contradicts it there, such
/// as an object instead of a number.
fn only(leaf: &Leaf, others: &[&Leaf], verdict: Verdict, result: &mut PartResult) {
    let under = format!("{}/", leaf.pointer);
    let at = others.partition_point(|other| *other.pointer < *under);
    let inside = others.get(at).filter(|other| other.pointer.starts_with(&under));
    let placeholder = verdict == Verdict::Missing && is_placeholder(&leaf.value);
    let contradicts = inside.is_some_and(|inside| {
        let array = inside.pointer[under.len()..].split('/').next().is_some_and(|token| token == "0");
        !matches!((&leaf.value, array), (Value::Word("[]"), true) | (Value::Word("{}"), false))
    });
    let text = leaf.value.text();
    let other = inside.map(|_| "an object or array");
    match verdict {
        Verdict::Missing if contradicts || placeholder => {
            result.add(Verdict::Different, &leaf.pointer, Some(&text), other);
        }
        Verdict::Missing => result.add(verdict, &leaf.pointer, Some(&text), None),
        _ if contradicts => result.add(Verdict::Different, &leaf.pointer, other, Some(&text)),
        _ => result.add(verdict, &leaf.pointer, None, Some(&text)),
    }
}

fn is_placeholder(value: &Value) -> bool {
    matches!(value, Value::String(text) if placeholder::is_placeholder(text))
}

fn same(pointer: &str, expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::String(one), Value::String(other)) => {
            one == other || placeholder::stands_for(one, other) || same_query(pointer, one, other)
        }
        (Value::Number(one), Value::Number(other)) => one == other || canonical(one) == canonical(other),
        // A secret may be a number, or be taken out by the client.
        (Value::String(one), other) => placeholder::is_placeholder(one) && *other != Value::Word("null"),
        (one, other) => one == other,
    }
}

/// GraphQL over JSON: the member `query` of the request, or of each request of a batch.
fn same_query(pointer: &str, one: &str, other: &str) -> bool {
    let batch = |rest: &str| rest.strip_suffix("/query").is_some_and(|at| at.bytes().all(|byte| byte.is_ascii_digit()));
    let is_query = pointer == "/query" || pointer.strip_prefix('/').is_some_and(batch);
    is_query && graphql::looks_like(one) && graphql::looks_like(other) && graphql::same(one, other)
}

/// Sign, digits without zeros around them, and exponent: equal for numbers of equal value. An exponent beyond any
/// use leaves the text as it is.
fn canonical(number: &str) -> (bool, String, i64) {
    let (negative, rest) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>()),
        None => (rest, Ok(0)),
    };
    let Ok(exponent) = exponent else { return (negative, number.to_owned(), i64::MAX) };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    let trimmed = significant.trim_end_matches('0');
    if trimmed.is_empty() {
        return (false, String::new(), 0);
    }
    let zeros = significant.len() - trimmed.len();
    // Lengths of a text of at most 1 MiB fit.
    let exponent = i64::from(exponent) - fraction.len() as i64 + zeros as i64;
    (negative, trimmed.to_owned(), exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::{Place, Rule, RuleAction};
    use crate::matching::Tally;

    #[track_caller]
    fn check(expected: &str, got: &str, tally: [u32; 4]) {
        let mut result = PartResult::default();
        compare(&leaves(expected).unwrap(), &leaves(got).unwrap(), &Rules::default(), &mut result);
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
        check(r#"{"a/b":1,"c~d":"x\u00e9"}"#, "{\"a/b\":1,\"c~d\":\"xé\"}", [2, 0, 0, 0]);
        check("3", "3", [1, 0, 0, 0]);
    }

    #[test]
    fn what_is_not_clean_json_is_left_to_text() {
        let deep = "[".repeat(1_000_000);
        let nested = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        let bomb =
            format!("{}[{}1]{}", format!("{{\"{}\":", "k".repeat(9_000)).repeat(100), "1,".repeat(50), "}".repeat(100));
        for text in [r#"{"a":1,"a":2}"#, "{", "", "{} x", r#""\ud800""#, &deep, &nested, &bomb] {
            assert!(leaves(text).is_none(), "{}", &text[..text.len().min(30)]);
        }
    }

    #[test]
    fn rules_cover_subtrees() {
        let rule = |name: &str, action| Rule { place: Place::Json, name: name.into(), action, why: None };
        let rules = Rules::new(&[rule("/meta", RuleAction::Ignore), rule("/items/*/id", RuleAction::Any)], &[]);
        let run = |expected: &str, got: &str| {
            let mut result = PartResult::default();
            compare(&leaves(expected).unwrap(), &leaves(got).unwrap(), &rules, &mut result);
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

    proptest::proptest! {
        #[test]
        fn every_value_is_the_same_as_itself_rewritten(text in json_text()) {
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            let again = serde_json::to_string_pretty(&value).unwrap();
            let (one, other) = (leaves(&text).unwrap(), leaves(&again).unwrap());
            let mut result = PartResult::default();
            compare(&one, &other, &Rules::default(), &mut result);
            proptest::prop_assert!(result.tally.is_exact());
            for leaf in &one {
                proptest::prop_assert!(value.pointer(&leaf.pointer).is_some(), "{}", leaf.pointer);
            }
        }

        #[test]
        fn nothing_panics(text in ".{0,200}") {
            let _ = leaves(&text);
        }
    }

    fn json_text() -> impl proptest::strategy::Strategy<Value = String> {
        use proptest::prelude::*;
        let scalar = prop_oneof![
            Just("null".to_owned()),
            any::<i64>().prop_map(|number| number.to_string()),
            any::<f32>().prop_filter("JSON has no NaN", |number| number.is_finite()).prop_map(|n| format!("{n:e}")),
            "[a-z/~\\PC\"\\\\]{0,8}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        ];
        scalar.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(" ,"))),
                proptest::collection::btree_map("[a-z/~]{0,4}", inner, 0..5).prop_map(|members| {
                    let members = members.iter().map(|(key, value)| format!("\"{key}\" : {value}"));
                    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
                }),
            ]
        })
    }
}
