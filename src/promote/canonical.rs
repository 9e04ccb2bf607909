//! Canonical forms: bytes that are equal exactly when two queries, bodies or values agree after the rules. Masked
//! values all become one mark, since a placeholder means only that something was there.

use std::borrow::Cow;

use serde_json::Value;

use super::{Content, is_placeholder};
use crate::collection::{Place, Rule, RuleAction, RuleSide};
use crate::matching::{MultiPart, body_text, multipart_parts};
use crate::model::media::{self, Kind};
use crate::model::{ContentHash, Shape};

/// Stands for a value that only has to be there; no recorded text contains it as a tag.
const PRESENT: u8 = b'p';

/// The rules that hold for one side of one endpoint: the stub's before the collection's, the first that names an item
/// decides.
#[derive(Default)]
pub(crate) struct Lens<'a> {
    rules: Vec<&'a Rule>,
    /// Values that a `fresh` rule names are alike.
    fresh_alike: bool,
}

/// What a rule does with an item before it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It vanishes.
    Nothing,
    /// Only that there is a value.
    Presence,
    /// Only that there is a value that looks so; another one is seen whole.
    Looks(Shape),
    /// The value.
    Value,
}

impl Seen {
    /// Whether only the presence of this value counts.
    pub(crate) fn hides(self, value: &str) -> bool {
        match self {
            Seen::Presence => true,
            Seen::Looks(shape) => shape.fits(value),
            Seen::Nothing | Seen::Value => false,
        }
    }
}

impl<'a> Lens<'a> {
    /// The rules among these about that side.
    pub(crate) fn new(side: RuleSide, rules: impl IntoIterator<Item = &'a Rule>) -> Self {
        Lens { rules: rules.into_iter().filter(|rule| rule.side == side && !rule.off).collect(), fresh_alike: false }
    }

    /// The same, with all fresh values alike: how the answers of two recordings are compared.
    pub(crate) fn across_recordings(&self) -> Self {
        Lens { rules: self.rules.clone(), fresh_alike: true }
    }

    /// Whether there is a `fresh` rule.
    pub(super) fn has_fresh(&self) -> bool {
        self.rules.iter().any(|rule| rule.action == RuleAction::Fresh)
    }

    /// Whether a value of this item differs from recording to recording.
    pub(super) fn is_volatile(&self, place: Place, name: &str, value: &str) -> bool {
        self.rule(place, name).is_some_and(|rule| !rule.except.iter().any(|known| known == value))
    }

    fn rule(&self, place: Place, name: &str) -> Option<&'a Rule> {
        self.rules.iter().find(|rule| rule.place == place && names_match(place, rule, name)).copied()
    }

    /// Whether an item vanishes.
    pub(crate) fn ignores(&self, place: Place, name: &str) -> bool {
        self.seen(place, name) == Seen::Nothing
    }

    /// Whether an item vanishes, or any value of it will do.
    pub(crate) fn hides(&self, place: Place, name: &str) -> bool {
        matches!(self.seen(place, name), Seen::Nothing | Seen::Presence)
    }

    /// What is seen of an item.
    pub(crate) fn seen(&self, place: Place, name: &str) -> Seen {
        let Some(rule) = self.rule(place, name) else { return Seen::Value };
        match (rule.action, rule.shape) {
            (RuleAction::Ignore, _) => Seen::Nothing,
            (RuleAction::Any, None) | (RuleAction::Echo | RuleAction::Match, _) => Seen::Presence,
            (RuleAction::Any, Some(shape)) => Seen::Looks(shape),
            (RuleAction::Fresh, None) if self.fresh_alike => Seen::Presence,
            (RuleAction::Fresh, Some(shape)) if self.fresh_alike => Seen::Looks(shape),
            // Recorded values are told apart.
            (RuleAction::Fresh, _) => Seen::Value,
        }
    }
}

fn names_match(place: Place, rule: &Rule, name: &str) -> bool {
    match place {
        Place::Field => rule.name.eq_ignore_ascii_case(name),
        Place::Json => {
            let (rule, name) = (rule.name.split('/'), name.split('/'));
            rule.clone().count() == name.clone().count()
                && rule.zip(name).all(|(rule, name)| rule == "*" || rule == name)
        }
        Place::Xml => rule.names_in_xml(name),
        Place::Path | Place::Query | Place::Form | Place::Cookie | Place::Body => rule.name == name,
    }
}

/// Appends text so that no two sequences of texts give the same bytes.
pub(super) fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(text);
}

fn push_value(out: &mut Vec<u8>, value: &str) {
    if is_placeholder(value) {
        out.push(PRESENT);
    } else {
        out.push(b's');
        push_text(out, without_placeholders(value).as_bytes());
    }
}

/// Appends name-value pairs as a multiset.
pub(super) fn push_pairs(
    out: &mut Vec<u8>,
    lens: &Lens<'_>,
    place: Place,
    pairs: impl IntoIterator<Item = (String, String)>,
) {
    let mut items: Vec<Vec<u8>> = Vec::new();
    for (name, value) in pairs {
        let mut item = Vec::new();
        push_text(&mut item, name.as_bytes());
        match lens.seen(place, &name) {
            Seen::Nothing => continue,
            seen if seen.hides(&value) => item.push(PRESENT),
            _ => push_value(&mut item, &value),
        }
        items.push(item);
    }
    items.sort();
    for item in items {
        push_text(out, &item);
    }
    out.push(b';');
}

/// Appends JSON: members in any order, arrays by position, numbers by value.
pub(super) fn push_json(out: &mut Vec<u8>, lens: &Lens<'_>, pointer: &mut String, value: &Value) {
    match (lens.seen(Place::Json, pointer), value) {
        (Seen::Nothing, _) => return,
        // Another recording may have another value, but not none.
        (Seen::Presence, Value::Null) if lens.fresh_alike => {}
        (Seen::Presence, _) => return out.push(PRESENT),
        // A number does not do for a string that looks like it.
        (Seen::Looks(shape), Value::String(text)) if shape.fits(text) => return out.extend([PRESENT, b's']),
        (Seen::Looks(shape), Value::Number(number)) if shape.fits(&number.to_string()) => {
            return out.extend([PRESENT, b'#']);
        }
        _ => {}
    }
    match value {
        Value::Null => out.push(b'n'),
        Value::Bool(flag) => out.push(if *flag { b't' } else { b'f' }),
        Value::Number(number) if is_placeholder(&number.to_string()) => out.push(PRESENT),
        Value::Number(number) => {
            out.push(b'#');
            push_text(out, number_text(number).as_bytes());
        }
        Value::String(text) => push_value(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                under(pointer, &at.to_string(), |pointer| push_json(out, lens, pointer, item));
            }
            out.push(b']');
        }
        Value::Object(members) => {
            out.push(b'{');
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            for (name, member) in sorted {
                under(pointer, &escaped(name), |pointer| {
                    if lens.seen(Place::Json, pointer) != Seen::Nothing {
                        push_text(out, name.as_bytes());
                        push_json(out, lens, pointer, member);
                    }
                });
            }
            out.push(b'}');
        }
    }
}

/// Runs `inside` with one more segment on the pointer.
fn under(pointer: &mut String, segment: &str, inside: impl FnOnce(&mut String)) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(segment);
    inside(pointer);
    pointer.truncate(length);
}

/// A member's name as a part of a pointer (RFC 6901).
pub(crate) fn escaped(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) { name.replace('~', "~0").replace('/', "~1").into() } else { name.into() }
}

fn number_text(number: &serde_json::Number) -> String {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(whole), _, _) => whole.to_string(),
        (_, Some(whole), _) => whole.to_string(),
        // Below 2^53 a float without a fraction is exactly that whole number.
        (_, _, Some(float)) if float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 => {
            format!("{float:.0}").replace("-0", "0")
        }
        (_, _, Some(float)) => format!("{float:e}"),
        _ => number.to_string(),
    }
}

/// Text in which every placeholder has become the same mark.
pub(crate) fn without_placeholders(text: &str) -> Cow<'_, str> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+');
    let mut out: Option<String> = None;
    let mut done = 0;
    let mut from = 0;
    while let Some(start) = text.as_bytes()[from..].iter().position(|byte| is_word(*byte)).map(|at| at + from) {
        let length = text.as_bytes()[start..].iter().take_while(|byte| is_word(**byte)).count();
        // Words are ASCII, so their ends are borders between characters; they are those of matching.
        let word = &text[start..start + length];
        if is_placeholder(word) {
            let out = out.get_or_insert_default();
            out.push_str(&text[done..start]);
            out.push('\0');
            done = start + word.len();
        }
        from = start + length;
    }
    match out {
        None => Cow::Borrowed(text),
        Some(mut out) => {
            out.push_str(&text[done..]);
            Cow::Owned(out)
        }
    }
}

/// Appends a request body, compared as matching compares it.
pub(super) fn push_request_body(out: &mut Vec<u8>, lens: &Lens<'_>, media_type: Option<&str>, content: &Content) {
    let bytes = match content {
        Content::Small(bytes) => bytes,
        Content::Large { hash, size } => return push_hash(out, *hash, *size),
    };
    let kind = Kind::of(media_type);
    let xml = || body_text(media_type, bytes).and_then(|text| crate::diff::xml::leaves(&text));
    if kind == Kind::Xml
        && let Some(leaves) = xml()
    {
        for leaf in leaves {
            let Some(value) = leaf.value.as_string() else { continue };
            match lens.seen(Place::Xml, &leaf.pointer) {
                Seen::Nothing => continue,
                seen => {
                    push_text(out, leaf.pointer.as_bytes());
                    if seen.hides(value) { out.push(PRESENT) } else { push_value(out, value) }
                }
            }
        }
        return;
    }
    match kind {
        Kind::Json => match serde_json::from_slice::<Value>(bytes) {
            Ok(mut value) => {
                tidy_graphql(&mut value);
                push_json(out, lens, &mut String::new(), &value);
            }
            Err(_) => push_text(out, bytes),
        },
        Kind::Form => {
            let pairs = form_urlencoded::parse(bytes).map(|(name, value)| (name.into_owned(), value.into_owned()));
            push_pairs(out, lens, Place::Form, pairs);
        }
        Kind::Multipart => {
            if let Some(parts) = multipart_parts(media_type, bytes) {
                return push_parts(out, lens, &parts);
            }
            let boundary = media_type.and_then(|media_type| media::parameter(media_type, "boundary"));
            push_text(out, &same_boundary(bytes, boundary.as_deref().unwrap_or_default()));
        }
        Kind::Xml | Kind::EventStream | Kind::Text => match std::str::from_utf8(bytes) {
            Ok(text) => push_text(out, without_placeholders(&text.replace("\r\n", "\n")).as_bytes()),
            Err(_) => push_text(out, bytes),
        },
        Kind::Binary => push_text(out, bytes),
    }
}

/// Appends the parts of a multipart body, sorted by name: whatever the boundary, and those of one name in their order.
fn push_parts(out: &mut Vec<u8>, lens: &Lens<'_>, parts: &[MultiPart]) {
    for part in parts {
        let seen = lens.seen(Place::Form, &part.name);
        if seen == Seen::Nothing {
            continue;
        }
        push_text(out, part.name.as_bytes());
        if seen == Seen::Presence || part.text().is_some_and(|text| seen.hides(text)) {
            out.push(PRESENT);
            continue;
        }
        push_text(out, part.file_name.as_deref().unwrap_or("\0").as_bytes());
        push_text(out, part.media_type.as_bytes());
        match part.text() {
            Some(text) => push_value(out, text),
            None => push_text(out, &part.content),
        }
    }
    out.push(b';');
}

/// Appends a response body. JSON that survives being read and written is compared by structure, the rest by its bytes.
pub(super) fn push_response_body(out: &mut Vec<u8>, lens: &Lens<'_>, media_type: Option<&str>, content: &Content) {
    let bytes = match content {
        Content::Small(bytes) => bytes,
        Content::Large { hash, size } => return push_hash(out, *hash, *size),
    };
    if Kind::of(media_type) == Kind::Json
        && let Some((value, _)) = crate::collection::body::style_of(bytes)
    {
        out.push(b'j');
        return push_json(out, lens, &mut String::new(), &value);
    }
    out.push(b'b');
    match std::str::from_utf8(bytes) {
        Ok(text) => push_text(out, without_placeholders(text).as_bytes()),
        Err(_) => push_text(out, bytes),
    }
}

fn push_hash(out: &mut Vec<u8>, hash: ContentHash, size: u64) {
    out.push(b'h');
    push_text(out, size.to_string().as_bytes());
    out.extend_from_slice(&hash.0);
}

/// White space in a GraphQL document does not count; a document with string literals is left as it is.
fn tidy_graphql(value: &mut Value) {
    if let Some(Value::String(query)) = value.get_mut("query")
        && query.contains('{')
        && !query.contains('"')
    {
        *query = query.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

/// A multipart body with its boundary, which clients choose at random, replaced by a fixed one.
fn same_boundary(bytes: &[u8], boundary: &str) -> Vec<u8> {
    if boundary.is_empty() {
        return bytes.to_vec();
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut done = 0;
    for at in memchr::memmem::find_iter(bytes, boundary.as_bytes()) {
        out.extend_from_slice(&bytes[done..at]);
        out.push(0);
        done = at + boundary.len();
    }
    out.extend_from_slice(&bytes[done..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(media_type: &str, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let content = Content::Small(text.as_bytes().to_vec().into());
        push_request_body(&mut out, &Lens::default(), Some(media_type), &content);
        out
    }

    #[test]
    fn bodies_agree_by_what_they_say() {
        for (media_type, one, other) in [
            ("application/json", r#"{"a":1,"b":[2,3]}"#, r#"{ "b": [2.0, 3], "a": 1 }"#),
            ("application/json", r#"{"query":"{ a  b }"}"#, "{\"query\":\"{ a\\n b }\"}"),
            ("application/x-www-form-urlencoded", "a=1&b=x+y", "b=x%20y&a=1"),
            ("text/plain", "one\r\ntwo", "one\ntwo"),
        ] {
            assert_eq!(body(media_type, one), body(media_type, other), "{one}");
        }
        let upload = |boundary: &str| {
            let text =
                format!("--{boundary}\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--{boundary}--\r\n");
            body(&format!("multipart/form-data; boundary={boundary}"), &text)
        };
        assert_eq!(upload("aaaa"), upload("bbbb"));
    }

    #[test]
    fn bodies_that_differ_stay_apart() {
        for (media_type, one, other) in [
            ("application/json", r#"{"a":"1"}"#, r#"{"a":1}"#),
            ("application/json", "[1,2]", "[2,1]"),
            ("application/json", "[[1],2]", "[[1,2]]"),
            ("application/json", "{}", "[]"),
            ("application/x-www-form-urlencoded", "a=1&a=1", "a=1"),
            ("text/plain", "one ", "one"),
        ] {
            assert_ne!(body(media_type, one), body(media_type, other), "{one}");
        }
    }

    #[test]
    fn placeholders_in_text_are_one_mark() {
        let text = |hash: &str| format!("<a href=\"/x?token=retake-token-{hash}\">é retake-jwt-{hash}, retake-</a>");
        assert_eq!(without_placeholders(&text("aaaaaaaaaa")), without_placeholders(&text("bbbbbbbbbb")));
        assert_ne!(without_placeholders(&text("aaaaaaaaaa")), without_placeholders(&text("b")));
        assert_eq!(without_placeholders("retake-demo is no placeholder"), "retake-demo is no placeholder");
    }

    #[test]
    fn parts_come_in_any_order_and_rules_act_on_them() {
        let rules = [
            Rule { shape: Some(Shape::Uuid), ..Rule::new(Place::Form, "trace", RuleAction::Any) },
            Rule::new(Place::Form, "at", RuleAction::Ignore),
        ];
        let lens = Lens::new(RuleSide::Request, &rules);
        let canonical = |parts: &[(&str, &str)]| {
            let part = |(name, value): &(&str, &str)| {
                format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
            };
            let text = parts.iter().map(part).collect::<String>() + "--b--\r\n";
            let mut out = Vec::new();
            let content = Content::Small(text.into_bytes().into());
            push_request_body(&mut out, &lens, Some("multipart/form-data; boundary=b"), &content);
            out
        };
        let (one, other) = ("0193f3a2-7c1e-7d30-9a55-2f6f0c1be001", "0193f3a2-7c1e-7d30-9a55-2f6f0c1be002");
        let upload = canonical(&[("about", "a cat"), ("trace", one)]);
        assert_eq!(upload, canonical(&[("trace", other), ("about", "a cat"), ("at", "now")]));
        for different in [
            &[("about", "a dog"), ("trace", one)][..],
            &[("about", "a cat"), ("trace", "mine")],
            &[("about", "a cat")],
            &[("about\"; filename=\"a", "a cat"), ("trace", one)],
        ] {
            assert_ne!(upload, canonical(different), "{different:?}");
        }
        assert_ne!(canonical(&[("a", "1"), ("a", "2")]), canonical(&[("a", "2"), ("a", "1")]));
    }

    #[test]
    fn rules_act_first() {
        let json = |name: &str, action| Rule::new(Place::Json, name, action);
        let shaped = Rule { shape: Some(Shape::Uuid), ..json("/ref", RuleAction::Any) };
        let off = Rule { off: true, ..json("/n", RuleAction::Ignore) };
        let rules = [json("/items/*/id", RuleAction::Any), json("/at", RuleAction::Ignore), shaped, off];
        let lens = Lens::new(RuleSide::Request, &rules);
        let canonical = |text: &str| {
            let mut out = Vec::new();
            push_json(&mut out, &lens, &mut String::new(), &serde_json::from_str(text).unwrap());
            out
        };
        assert_eq!(canonical(r#"{"items":[{"id":1}],"at":5}"#), canonical(r#"{"items":[{"id":"x"}]}"#));
        assert_ne!(canonical(r#"{"items":[{"id":1}]}"#), canonical(r#"{"items":[{}]}"#));
        let with = |value: &str| canonical(&format!(r#"{{"ref":"{value}","n":1}}"#));
        let uuid = with("0193f3a2-7c1e-7d30-9a55-2f6f0c1be001");
        assert_eq!(uuid, with("0193f3a2-7c1e-7d30-9a55-2f6f0c1be002"));
        assert_ne!(uuid, with("mine"));
        assert_ne!(canonical(r#"{"n":1}"#), canonical(r#"{"n":2}"#));
    }

    #[test]
    fn rules_act_in_xml_as_in_matching() {
        let xml = |name: &str, action| Rule::new(Place::Xml, name, action);
        let rules = [xml("/o/meta", RuleAction::Ignore), xml("/o/@id", RuleAction::Any)];
        let lens = Lens::new(RuleSide::Request, &rules);
        let canonical = |text: &'static str| {
            let mut out = Vec::new();
            push_request_body(&mut out, &lens, Some("text/xml"), &Content::Small(text.as_bytes().into()));
            out
        };
        let one = canonical("<o id='1'><meta at='5'><by>me</by></meta><n>1</n></o>");
        assert_eq!(one, canonical("<o id='2'><n>1</n></o>"));
        assert_ne!(one, canonical("<o><n>1</n></o>"));
        assert_ne!(one, canonical("<o id='1'><n>2</n></o>"));
    }
}
