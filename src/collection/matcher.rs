//! Matchers: what a value of a request must be like, where the recorded one is not the only one that will do.
//!
//! A matcher stands in a scenario (`request.matchers`) or in a rule (`"action": "match"`). This is the file's side of
//! it: the members, what they cannot say together, and their words; `matching` compiles and evaluates them.

use std::fmt::Write;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::rule::Place;
use super::xml_path::XmlPath;
use crate::model::Shape;

/// Bytes of an expression, a glob or a JSONPath at most.
const PATTERN_MAX: usize = 1000;
/// Bytes of a compiled expression at most.
const SIZE_MAX: usize = 256 * 1024;
/// How deep groups may be nested.
const NESTING_MAX: u32 = 50;

/// What one place of a request must be like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlacedMatcher {
    /// Where it looks.
    pub place: Place,
    /// What it looks for there, as in a rule; nothing for the whole body.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What must hold there.
    pub is: Matcher,
}

/// What a value must be like: exactly one test, and what belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Matcher {
    /// This value: a text, or in JSON any value.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub equals: Option<Value>,
    /// One of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<Value>>,
    /// A text that occurs in it; of JSON, members and elements that it has at least.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub contains: Option<Value>,
    /// A text that it begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// A text that it ends with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// A pattern for the whole value: `*` is any run of characters, `?` any one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glob: Option<String>,
    /// An expression that is found in it; `^` and `$` tie it to the ends. No back-references, no look-around.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// What it looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
    /// A number, by value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Number>,
    /// How far it may be from `number`; without that, from the recorded number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Number>,
    /// A date at most this far from `of`: `30s`, `5m`, `2h`, `7d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// With `within`: `now` (unless said), `recorded`, or a moment as in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// A request of GraphQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graphql: Option<GraphqlMatcher>,
    /// There is a value, whatever it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub present: bool,
    /// There is none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
    /// The contrary of another matcher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not: Option<Box<Matcher>>,
    /// With `equals` and `contains`: arrays in any order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any_order: bool,
    /// Upper and lower case do not count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
}

/// What a request of GraphQL must be; everything given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GraphqlMatcher {
    /// The name of the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The document; white space, commas and comments between tokens do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The variables, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<serde_json::Map<String, Value>>,
}

/// Keeps `null` apart from no value at all.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// From what a date must not be far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Around {
    /// The moment of the call.
    Now,
    /// The recorded date.
    Recorded,
    /// This moment.
    Moment(Timestamp),
}

/// What is wrong with a matcher: the members on the way to it, and why.
pub type MatcherFault = (Vec<&'static str>, String);

impl Matcher {
    /// The tests that it has; a sound one has one.
    fn tests(&self) -> Vec<&'static str> {
        let given = [
            ("equals", self.equals.is_some()),
            ("one_of", self.one_of.is_some()),
            ("contains", self.contains.is_some()),
            ("prefix", self.prefix.is_some()),
            ("suffix", self.suffix.is_some()),
            ("glob", self.glob.is_some()),
            ("regex", self.regex.is_some()),
            ("shape", self.shape.is_some()),
            ("number", self.number.is_some() || self.tolerance.is_some()),
            ("within", self.within.is_some()),
            ("graphql", self.graphql.is_some()),
            ("present", self.present),
            ("absent", self.absent),
            ("not", self.not.is_some()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }

    /// Everything that is wrong with it at this place.
    pub fn faults(&self, place: Place) -> Vec<MatcherFault> {
        let mut found: Vec<MatcherFault> = Vec::new();
        let mut add = |member: &'static str, message: String| found.push((vec![member], message));
        match self.tests().as_slice() {
            [] => {
                found.push((
                    Vec::new(),
                    "a matcher without a test: write `equals`, `regex`, `present` or another".into(),
                ));
                return found;
            }
            [_] => {}
            [_, second, ..] => {
                add(
                    second,
                    format!(
                        "a matcher has one test, this one has {}: write several matchers",
                        self.tests().join(" and ")
                    ),
                );
            }
        }
        if let Some(Err(message)) = self.regex.as_deref().map(|text| expression(text, self.ignore_case)) {
            add("regex", message);
        }
        if let Some(Err(message)) = self.glob.as_deref().map(|text| glob(text, self.ignore_case)) {
            add("glob", message);
        }
        if self.one_of.as_ref().is_some_and(Vec::is_empty) {
            add("one_of", "`one_of` is empty: nothing would do".to_owned());
        }
        if let Some(Err(message)) = self.within.as_deref().map(window) {
            add("within", message);
        }
        if let Err(message) = self.around() {
            add("of", message);
        }
        if self.tolerance.as_ref().and_then(Number::as_f64).is_some_and(|far| far < 0.0) {
            add("tolerance", "`tolerance` is negative".to_owned());
        }
        for (member, given, tests) in [
            ("of", self.of.is_some(), &["within"][..]),
            ("any_order", self.any_order, &["equals", "one_of", "contains"]),
            ("ignore_case", self.ignore_case, &["equals", "one_of", "contains", "prefix", "suffix", "glob", "regex"]),
        ] {
            if given && !self.tests().iter().any(|test| tests.contains(test)) {
                add(
                    member,
                    format!(
                        "`{member}` goes with {}",
                        tests.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
                    ),
                );
            }
        }
        if self.graphql.is_some() && place != Place::Body {
            add("graphql", "`graphql` looks at the whole body: write `\"place\": \"body\"`".to_owned());
        }
        if let Some(inner) = &self.not {
            found.extend(inner.faults(place).into_iter().map(|(mut way, message)| {
                way.insert(0, "not");
                (way, message)
            }));
        }
        found
    }

    /// From what a date must not be far.
    ///
    /// # Errors
    /// A text that is no moment.
    pub fn around(&self) -> Result<Around, String> {
        match self.of.as_deref() {
            None | Some("now") => Ok(Around::Now),
            Some("recorded") => Ok(Around::Recorded),
            Some(text) => text.parse().map(Around::Moment).map_err(|_| {
                format!("`{text}` is no moment: write `now`, `recorded`, or one as `2026-11-20T09:30:00Z`")
            }),
        }
    }

    /// What it asks for, such as `matches /^ord_/` or `not present`.
    pub fn words(&self) -> String {
        let case = if self.ignore_case { " whatever the case" } else { "" };
        let order = if self.any_order { " in any order" } else { "" };
        let text = |text: &String| Value::String(text.clone()).to_string();
        if let Some(inner) = &self.not {
            return negated(&inner.words());
        }
        let said = [
            self.equals.as_ref().map(|value| format!("equals {value}")),
            self.one_of
                .as_ref()
                .map(|all| format!("is one of {}", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))),
            self.contains.as_ref().map(|value| format!("contains {value}")),
            self.prefix.as_ref().map(|value| format!("begins with {}", text(value))),
            self.suffix.as_ref().map(|value| format!("ends with {}", text(value))),
            self.glob.as_ref().map(|value| format!("is like {}", text(value))),
            self.regex.as_ref().map(|value| format!("matches /{value}/")),
            self.shape.map(|shape| format!("looks like {}", shape.words())),
            self.number_words(),
            self.within.as_ref().map(|window| {
                let of = self.of.as_deref().unwrap_or("now");
                format!("is a date within {window} of {}", if of == "recorded" { "the recorded one" } else { of })
            }),
            self.graphql.as_ref().map(GraphqlMatcher::words),
            self.present.then(|| "is there".to_owned()),
            self.absent.then(|| "is not there".to_owned()),
        ];
        format!("{}{order}{case}", said.into_iter().flatten().next().unwrap_or_else(|| "anything".to_owned()))
    }

    fn number_words(&self) -> Option<String> {
        match (&self.number, &self.tolerance) {
            (Some(number), None) => Some(format!("is the number {number}")),
            (Some(number), Some(far)) => Some(format!("is the number {number}, give or take {far}")),
            (None, Some(far)) => Some(format!("is the recorded number, give or take {far}")),
            (None, None) => None,
        }
    }
}

/// The opposite of what a matcher asks for, in words.
fn negated(words: &str) -> String {
    if let Some(rest) = words.strip_prefix("is ") {
        return rest.strip_prefix("not ").map_or_else(|| format!("is not {rest}"), |rest| format!("is {rest}"));
    }
    match words.split_once(' ') {
        Some((verb @ ("equals" | "contains" | "begins" | "ends" | "looks"), rest)) => {
            format!("does not {} {rest}", verb.trim_end_matches('s'))
        }
        Some(("matches", rest)) => format!("does not match {rest}"),
        _ => format!("is not one that {words}"),
    }
}

impl GraphqlMatcher {
    fn words(&self) -> String {
        let mut words = "is GraphQL".to_owned();
        // Writing to a text cannot fail.
        if let Some(operation) = &self.operation {
            let _ = write!(words, ", operation {operation}");
        }
        if let Some(query) = &self.query {
            let _ = write!(words, ", {}", query.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        if let Some(variables) = &self.variables {
            let _ = write!(words, ", variables {}", serde_json::to_string(variables).unwrap_or_default());
        }
        words
    }
}

impl PlacedMatcher {
    /// Everything that is wrong with it.
    pub fn faults(&self) -> Vec<MatcherFault> {
        let mut found: Vec<MatcherFault> = Vec::new();
        if let Some(message) = name_fault(self.place, &self.name) {
            found.push((vec!["name"], message));
        }
        found.extend(self.is.faults(self.place).into_iter().map(|(mut way, message)| {
            way.insert(0, "is");
            (way, message)
        }));
        found
    }
}

/// What is wrong with the name of an item that a matcher looks for.
pub fn name_fault(place: Place, name: &str) -> Option<String> {
    match place {
        Place::Json if name.starts_with('$') => json_path(name).err(),
        Place::Json if !name.is_empty() && !name.starts_with('/') => {
            Some(format!("`{name}` is neither a JSON pointer (RFC 6901) nor a JSONPath (RFC 9535): write `/{name}`"))
        }
        Place::Json => None,
        Place::Xml => XmlPath::read(name).err(),
        Place::Body if name.is_empty() => None,
        Place::Body => {
            Some("the whole body has no name: leave `name` out, or look into it with `json`, `xml` or `form`".into())
        }
        _ if name.is_empty() => Some("`name` is empty".to_owned()),
        _ => None,
    }
}

/// Compiles an expression. Matching takes time linear in the value; what it compiles to is bounded.
///
/// # Errors
/// What is wrong with it.
pub fn expression(text: &str, ignore_case: bool) -> Result<Regex, String> {
    if text.len() > PATTERN_MAX {
        return Err(format!("the expression is longer than {PATTERN_MAX} bytes"));
    }
    let built = RegexBuilder::new(text)
        .case_insensitive(ignore_case)
        .nest_limit(NESTING_MAX)
        .size_limit(SIZE_MAX)
        .dfa_size_limit(SIZE_MAX)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => format!("`{text}` is too large when compiled: use smaller repetitions"),
        other => {
            let told = other.to_string();
            let why = told.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            format!("`{text}` is no expression of the linear kind: {why}")
        }
    })
}

/// Compiles a glob for a whole value.
///
/// # Errors
/// It is too long.
pub fn glob(text: &str, ignore_case: bool) -> Result<Regex, String> {
    if text.len() > PATTERN_MAX / 4 {
        return Err(format!("the glob is longer than {} bytes", PATTERN_MAX / 4));
    }
    let mut pattern = String::from("(?s)^");
    for character in text.chars() {
        match character {
            '*' if pattern.ends_with(".*") => {}
            '*' => pattern.push_str(".*"),
            '?' => pattern.push('.'),
            other => pattern.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    pattern.push('$');
    expression(&pattern, ignore_case)
}

/// Compiles a JSONPath (RFC 9535). What could make a short path visit a document again and again is left out.
///
/// # Errors
/// What is wrong with it.
pub fn json_path(text: &str) -> Result<serde_json_path::JsonPath, String> {
    if text.len() > PATTERN_MAX {
        return Err(format!("the JSONPath is longer than {PATTERN_MAX} bytes"));
    }
    let many = |needle: &str, most: usize| text.matches(needle).count() > most;
    let inner = text.split_once('?').map(|(_, filter)| filter).unwrap_or_default();
    if many("..", 1) || many("?", 1) || many(",", 4) || inner.contains("..") || inner.contains("[*]") {
        return Err(format!(
            "the JSONPath `{text}` may take too long: at most one `..`, one filter without `..` and `[*]` in it, and four commas"
        ));
    }
    serde_json_path::JsonPath::parse(text).map_err(|error| format!("`{text}` is no JSONPath (RFC 9535): {error}"))
}

/// Reads how far a date may be off: `5m`, `1h 30m`, `7d`.
///
/// # Errors
/// A text that is no such time.
pub fn window(text: &str) -> Result<SignedDuration, String> {
    let read = || {
        let span: Span = text.parse().ok()?;
        let far = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        (!far.is_negative()).then_some(far)
    };
    read().ok_or_else(|| format!("`{text}` is no time: write `30s`, `5m`, `2h` or `7d`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matcher(value: Value) -> Matcher {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn each_says_what_it_asks_for() {
        for (value, words) in [
            (json!({"equals": null}), "equals null"),
            (json!({"equals": "Tea", "ignore_case": true}), "equals \"Tea\" whatever the case"),
            (json!({"one_of": ["a", 1]}), "is one of \"a\", 1"),
            (json!({"contains": [1], "any_order": true}), "contains [1] in any order"),
            (json!({"glob": "ord_*"}), "is like \"ord_*\""),
            (json!({"regex": "^ord_"}), "matches /^ord_/"),
            (json!({"number": 9.5, "tolerance": 1}), "is the number 9.5, give or take 1"),
            (json!({"tolerance": 0.1}), "is the recorded number, give or take 0.1"),
            (json!({"within": "5m"}), "is a date within 5m of now"),
            (json!({"not": {"present": true}}), "is not there"),
            (json!({"not": {"absent": true}}), "is there"),
            (json!({"not": {"one_of": ["a", 1]}}), "is not one of \"a\", 1"),
            (json!({"not": {"prefix": "tea", "ignore_case": true}}), "does not begin with \"tea\" whatever the case"),
            (json!({"not": {"regex": "^ord_"}}), "does not match /^ord_/"),
            (json!({"not": {"not": {"equals": 1}}}), "is not one that does not equal 1"),
            (json!({"graphql": {"operation": "Me"}}), "is GraphQL, operation Me"),
        ] {
            let read = matcher(value.clone());
            assert!(read.faults(Place::Body).is_empty(), "{value}: {:?}", read.faults(Place::Body));
            assert_eq!(read.words(), words);
            assert_eq!(serde_json::to_value(&read).unwrap(), value, "written as read");
        }
    }

    #[test]
    fn each_slip_is_told_with_its_member() {
        for (value, way, cause) in [
            (json!({}), "", "without a test"),
            (json!({"prefix": "a", "suffix": "b"}), "suffix", "one test"),
            (json!({"regex": "("}), "regex", "unclosed group"),
            (json!({"regex": "(a)\\1"}), "regex", "backreferences are not supported"),
            (json!({"regex": "a{1000}{1000}"}), "regex", "too large"),
            (json!({"not": {"regex": "["}}), "not.regex", "unclosed character class"),
            (json!({"one_of": []}), "one_of", "empty"),
            (json!({"within": "soon"}), "within", "no time"),
            (json!({"within": "5m", "of": "then"}), "of", "no moment"),
            (json!({"number": 1, "tolerance": -1}), "tolerance", "negative"),
            (json!({"present": true, "any_order": true}), "any_order", "goes with"),
            (json!({"graphql": {}}), "graphql", "whole body"),
        ] {
            let faults = matcher(value.clone()).faults(Place::Json);
            let found: Vec<_> = faults.iter().map(|(way, why)| (way.join("."), why.as_str())).collect();
            assert!(found.iter().any(|(at, why)| at == way && why.contains(cause)), "{value}: {found:?}");
        }
    }

    #[test]
    fn names_are_pointers_or_paths_that_end_soon() {
        for (name, sound) in [
            ("/a/0", true),
            ("", true),
            ("$.items[?@.sku == 'x'].n", true),
            ("$..price", true),
            ("id", false),
            ("$.", false),
            ("$..a..b", false),
            ("$[*,*][*,*][*,*][*,*][*,*]", false),
            ("$[?@..a]", false),
        ] {
            assert_eq!(name_fault(Place::Json, name).is_none(), sound, "{name}: {:?}", name_fault(Place::Json, name));
        }
        assert!(name_fault(Place::Body, "x").is_some());
        assert!(name_fault(Place::Query, "").is_some());
    }

    proptest::proptest! {
        #[test]
        fn no_expression_is_compiled_without_end(text in "([a-c.*+?(){}|\\[\\]^$\\\\]|\\{999\\}|\\\\w){0,30}") {
            let _ = expression(&text, true);
            let _ = glob(&text, true);
            let _ = json_path(&format!("${text}"));
            let _ = window(&text);
        }
    }
}
