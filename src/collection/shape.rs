//! The shape of a file against its JSON Schema: every wrong type, unknown key and missing member at once.
//!
//! serde stops at the first fault, so a file that it refuses is walked again here, by the schema of the same types.
//! Only what `schemars` writes for our types is understood; anything else passes, and serde's own word is taken.

use serde_json::{Map, Value};

use super::check::Problem;
use super::locate::Place;
use super::{FieldLine, OriginPattern, PathPattern, QueryPair, Refusal, StubKey, stub};

/// Every fault of `value` against `schema`, in the order of the schema's walk.
pub(super) fn faults(value: &Value, schema: &Value) -> Vec<Problem> {
    let mut walk = Walk { root: schema, problems: Vec::new() };
    walk.value(value, schema, &Place::top());
    walk.problems
}

struct Walk<'a> {
    root: &'a Value,
    problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    fn fault(&mut self, place: &Place, message: String) {
        self.problems.push(Problem { place: place.clone(), message });
    }

    fn value(&mut self, value: &Value, schema: &'a Value, place: &Place) {
        let Some(schema) = schema.as_object() else { return };
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            self.reference(value, reference, place);
        } else if let Some(words) = words(schema) {
            self.word(value, &words, place);
        } else if let Some(branches) = schema.get("anyOf").and_then(Value::as_array) {
            self.optional(value, branches, place);
        } else {
            self.typed(value, schema, place);
        }
    }

    fn reference(&mut self, value: &Value, reference: &str, place: &Place) {
        let Some(name) = reference.strip_prefix("#/$defs/") else { return };
        if let Some(text) = value.as_str()
            && let Err(message) = parse_text(name, text)
        {
            return self.fault(place, format!("`{place}`: {message}"));
        }
        if let Some(definition) = self.root.get("$defs").and_then(|all| all.get(name)) {
            self.value(value, definition, place);
        }
    }

    /// What schemars writes for an `Option`: the type, or null.
    fn optional(&mut self, value: &Value, branches: &'a [Value], place: &Place) {
        let is_null = |branch: &&Value| branch.get("type").and_then(Value::as_str) == Some("null");
        if value.is_null() && branches.iter().any(|branch| is_null(&branch)) {
            return;
        }
        if let Some(branch) = branches.iter().find(|branch| !is_null(branch)) {
            self.value(value, branch, place);
        }
    }

    fn word(&mut self, value: &Value, words: &[&str], place: &Place) {
        let expected = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        match value.as_str() {
            Some(word) if words.contains(&word) => {}
            Some(word) => {
                let meant = did_you_mean(word, words.iter().copied());
                self.fault(place, format!("`{place}` is `{word}`; expected one of {expected}{meant}"));
            }
            None => self.fault(place, format!("`{place}` is {}; expected one of {expected}", kind(value))),
        }
    }

    fn typed(&mut self, value: &Value, schema: &'a Map<String, Value>, place: &Place) {
        let types: Vec<&str> = match schema.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => return,
        };
        if !types.iter().any(|name| is_of(value, name)) {
            let expected = types.iter().find(|name| **name != "null").map_or("null", |name| in_words(name));
            return self.fault(place, format!("{} is {}; expected {expected}", subject(place), kind(value)));
        }
        match value {
            Value::Object(members) => self.object(members, schema, place),
            Value::Array(elements) => {
                if let Some(items) = schema.get("items") {
                    for (at, element) in elements.iter().enumerate() {
                        self.value(element, items, &place.index(at));
                    }
                }
            }
            Value::Number(_) => self.range(value, schema, place),
            _ => {}
        }
    }

    fn range(&mut self, value: &Value, schema: &Map<String, Value>, place: &Place) {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let (low, high) = match schema.get("format").and_then(Value::as_str) {
            Some("int32") => (Some(f64::from(i32::MIN)), Some(f64::from(i32::MAX))),
            Some("uint32") => (bound("minimum"), Some(f64::from(u32::MAX))),
            _ => (bound("minimum"), bound("maximum")),
        };
        let number = value.as_f64().unwrap_or_default();
        if low.is_some_and(|low| number < low) || high.is_some_and(|high| number > high) {
            let range = match (low, high) {
                (Some(low), Some(high)) => format!("{low} to {high}"),
                (low, high) => low.or(high).unwrap_or_default().to_string(),
            };
            self.fault(place, format!("`{place}` is {value}; expected {range}"));
        }
    }

    fn object(&mut self, members: &Map<String, Value>, schema: &'a Map<String, Value>, place: &Place) {
        let known = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        for (key, member) in members {
            let place = place.key(key);
            match (known.and_then(|known| known.get(key)), others) {
                (Some(schema), _) => self.value(member, schema, &place),
                (None, Some(Value::Bool(false))) => {
                    let meant = did_you_mean(key, known.into_iter().flat_map(Map::keys).map(String::as_str));
                    self.fault(&place, format!("unknown key `{place}`{meant}"));
                }
                (None, Some(schema)) => self.value(member, schema, &place),
                (None, None) => {}
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for key in required.filter_map(Value::as_str).filter(|key| !members.contains_key(*key)) {
            self.fault(place, format!("the key `{}` is missing", place.key(key)));
        }
    }
}

/// The words of an enum: a list, or one branch a word.
fn words(schema: &Map<String, Value>) -> Option<Vec<&str>> {
    if let Some(list) = schema.get("enum").and_then(Value::as_array) {
        return list.iter().map(Value::as_str).collect();
    }
    let branches = schema.get("oneOf")?.as_array()?;
    let word = |branch: &'_ Value| branch.get("const").and_then(Value::as_str).is_some();
    if !branches.iter().all(word) {
        return None;
    }
    Some(branches.iter().filter_map(|branch| branch.get("const").and_then(Value::as_str)).collect())
}

/// Parses the types that are a string in files, for their own message.
fn parse_text(name: &str, text: &str) -> Result<(), String> {
    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<(), String> {
        text.parse::<T>().map(drop).map_err(|error| error.to_string())
    }
    match name {
        "OriginPattern" => parsed::<OriginPattern>(text),
        "PathPattern" => parsed::<PathPattern>(text),
        "FieldLine" => parsed::<FieldLine>(text),
        "QueryPair" => parsed::<QueryPair>(text),
        "Refusal" => parsed::<Refusal>(text),
        "StubKey" => parsed::<StubKey>(text),
        "Time" => parsed::<stub::jiff_text::Time>(text)
            .map_err(|_| format!("`{text}` is no moment as in RFC 3339, such as 2026-11-20T09:30:00Z")),
        _ => Ok(()),
    }
}

/// `; did you mean …?` for the nearest of `known`, or nothing.
pub(super) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(word, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// The nearest of `known` to `word`, if it is near enough to have been meant.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let near = known.map(|known| (strsim::normalized_damerau_levenshtein(&lower, &known.to_lowercase()), known));
    // The first of equals, so that the answer does not depend on anything but the order of `known`.
    let best = near.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    (best.0 >= 0.6).then_some(best.1)
}

fn subject(place: &Place) -> String {
    if place.0.is_empty() { "the file".to_owned() } else { format!("`{place}`") }
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        _ => true,
    }
}

fn in_words(name: &str) -> &'static str {
    match name {
        "object" => "an object",
        "array" => "a list",
        "string" => "a text",
        "boolean" => "`true` or `false`",
        "integer" => "a whole number",
        "number" => "a number",
        _ => "something else",
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => format!("`{value}`"),
        Value::String(text) if text.chars().count() <= 40 => format!("the text `{text}`"),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::{manifest_schema, stub_schema};
    use super::*;

    fn messages(text: &str, schema: &Value) -> Vec<String> {
        let value = serde_json::from_str(text).unwrap();
        faults(&value, schema).into_iter().map(|problem| problem.message).collect()
    }

    #[test]
    fn every_fault_of_a_stub_is_told() {
        let text = r#"{"version": "1", "method": "GET", "origin": "api.github.com", "path": "users", "match": {"bdy": false},
            "rules": [{"place": "quary", "name": "page", "action": "any"}],
            "scenarios": [{"name": "ok", "priority": 3000000000, "reponse": {}, "end": "cycl"},
                          {"response": {"status": 70000, "times": 0, "fields": ["no colon"], "recorded_at": "today"}}]}"#;
        assert_eq!(
            messages(text, stub_schema()),
            [
                "`version` is the text `1`; expected a whole number",
                "`origin`: `api.github.com` is not an origin such as https://api.example.com or a host such as api.example.com:8443",
                "`path`: the path `users` does not begin with `/`",
                "unknown key `match.bdy`; did you mean `body`?",
                "`rules[0].place` is `quary`; expected one of `path`, `query`, `field`, `json`, `form`, `cookie`, `xml`, `body`; did you mean `query`?",
                "`scenarios[0].priority` is 3000000000; expected -2147483648 to 2147483647",
                "unknown key `scenarios[0].reponse`; did you mean `response`?",
                "`scenarios[0].end` is `cycl`; expected one of `repeat-last`, `cycle`, `miss`, `pass`; did you mean `cycle`?",
                "`scenarios[1].response.status` is 70000; expected 0 to 65535",
                "`scenarios[1].response.times` is 0; expected 1 to 4294967295",
                "`scenarios[1].response.fields[0]`: `no colon` is not a field line: write `Name: value`",
                "`scenarios[1].response.recorded_at`: `today` is no moment as in RFC 3339, such as 2026-11-20T09:30:00Z",
                "the key `scenarios[1].name` is missing",
            ]
        );
    }

    #[test]
    fn faults_of_a_manifest() {
        assert_eq!(messages("[]", manifest_schema()), ["the file is a list; expected an object"]);
        assert_eq!(
            messages(r#"{"version": 1, "orgins": [], "settings": {"profile": "strikt"}}"#, manifest_schema()),
            [
                "unknown key `orgins`; did you mean `origins`?",
                "`settings.profile` is `strikt`; expected one of `best`, `strict`, `postman`; did you mean `strict`?",
                "the key `name` is missing",
            ]
        );
    }

    #[test]
    fn a_good_file_has_no_fault() {
        let text = r#"{"version": 1, "name": "x", "variables": {"a": [1]}, "settings": {"profile": null}, "origins": ["http://localhost:*"]}"#;
        assert_eq!(messages(text, manifest_schema()), [""; 0]);
    }
}
