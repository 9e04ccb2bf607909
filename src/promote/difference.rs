//! Where two lists of answers part first, in a few words for the report.

use serde_json::Value;

use super::answer::{Answer, meaning};
use super::body::Plan;
use super::canonical::{Lens, Seen};
use super::group::Step;
use super::report::Conflict;
use crate::collection::{BodySpec, Place, ResponseSpec};
use crate::model::{Shape, media};

/// A value in a report is cut after this many characters.
const SHOWN: usize = 60;

/// The first difference between committed answers and recorded ones.
pub(super) fn conflict(committed: &[ResponseSpec], recorded: &[(Answer, Step)], lens: &Lens<'_>) -> Conflict {
    let lens = &lens.across_recordings();
    let of = |at: &str, committed: String, recorded: String| Conflict {
        at: at.to_owned(),
        committed: short(&committed),
        recorded: short(&recorded),
    };
    let new = |spec: &ResponseSpec| (spec.status, spec.times.map_or(1, |times| times.get()));
    let one: Vec<_> = committed.iter().map(new).collect();
    let other: Vec<_> = recorded.iter().map(|(answer, step)| (answer.spec.status, step.times)).collect();
    if one.len() != other.len() {
        return of("steps", steps(&one), steps(&other));
    }
    for (at, (committed, (recorded, _))) in committed.iter().zip(recorded).enumerate() {
        let place = if one.len() > 1 { format!("step {} ", at + 1) } else { String::new() };
        if let Some((what, committed, recorded)) = answers(committed, recorded, lens) {
            return of(&format!("{place}{what}"), committed, recorded);
        }
    }
    of("steps", steps(&one), steps(&other))
}

fn steps(steps: &[(u16, u32)]) -> String {
    let step = |(status, times): &(u16, u32)| match times {
        1 => status.to_string(),
        times => format!("{status} ×{times}"),
    };
    steps.iter().map(step).collect::<Vec<_>>().join(", ")
}

fn answers(committed: &ResponseSpec, recorded: &Answer, lens: &Lens<'_>) -> Option<(String, String, String)> {
    if committed.status != recorded.spec.status {
        return Some(("status".to_owned(), committed.status.to_string(), recorded.spec.status.to_string()));
    }
    let (one, other) = (media_type(committed), media_type(&recorded.spec));
    if one != other {
        return Some(("media type".to_owned(), one, other));
    }
    let meanings = |spec: &ResponseSpec| -> Vec<String> {
        spec.fields.iter().chain(&spec.trailers).filter_map(|line| meaning(&line.0, lens)).collect()
    };
    let (one, other) = (meanings(committed), meanings(&recorded.spec));
    let only = |these: &[String], those: &[String]| these.iter().find(|line| !those.contains(line)).cloned();
    match (only(&one, &other), only(&other, &one)) {
        (None, None) => {}
        (one, other) => {
            return Some(("field".to_owned(), one.unwrap_or("none".into()), other.unwrap_or("none".into())));
        }
    }
    bodies(committed.body.as_ref(), recorded.body.as_ref(), lens)
}

fn media_type(spec: &ResponseSpec) -> String {
    let line = spec.fields.iter().find(|line| line.0.is("content-type"));
    line.map(|line| media::essence(&line.0.text())).unwrap_or_else(|| "none".to_owned())
}

fn bodies(committed: Option<&BodySpec>, recorded: Option<&Plan>, lens: &Lens<'_>) -> Option<(String, String, String)> {
    let inline = recorded.and_then(Plan::inline);
    if let (Some(Some(one)), Some(Some(other))) = (committed.map(|body| &body.json), inline.map(|body| &body.json)) {
        let (pointer, one, other) = first_difference(&one.value(), &other.value(), String::new(), lens)?;
        let at = if pointer.is_empty() { "body".to_owned() } else { format!("body {pointer}") };
        return Some((at, one, other));
    }
    if let (Some(Some(one)), Some(Some(other))) = (committed.map(|body| &body.text), inline.map(|body| &body.text)) {
        let count = one.lines().zip(other.lines()).take_while(|(one, other)| one == other).count();
        let line = |text: &str| text.lines().nth(count).unwrap_or("nothing more").to_owned();
        return (one != other).then(|| (format!("body line {}", count + 1), line(one), line(other)));
    }
    let new = match recorded {
        None => "no body".to_owned(),
        Some(Plan::Inline(spec)) => kind(spec).to_owned(),
        Some(Plan::File { extension, .. }) => format!("another {extension} file"),
    };
    let old = match committed {
        None => "no body".to_owned(),
        Some(spec) => spec.file.clone().unwrap_or_else(|| kind(spec).to_owned()),
    };
    (committed.is_some() || recorded.is_some()).then(|| ("body".to_owned(), old, new))
}

fn kind(spec: &BodySpec) -> &'static str {
    if spec.json.is_some() { "JSON" } else { "text" }
}

fn first_difference(one: &Value, other: &Value, pointer: String, lens: &Lens<'_>) -> Option<(String, String, String)> {
    match lens.seen(Place::Json, &pointer) {
        Seen::Nothing | Seen::Presence => return None,
        Seen::Looks(shape) if [one, other].iter().all(|value| looks(value, shape)) => return None,
        _ => {}
    }
    let under = |name: &str| format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            for (name, value) in one {
                match other.get(name) {
                    Some(new) => {
                        if let Some(found) = first_difference(value, new, under(name), lens) {
                            return Some(found);
                        }
                    }
                    None => return Some((under(name), value.to_string(), "none".to_owned())),
                }
            }
            let added = other.iter().find(|(name, _)| !one.contains_key(*name))?;
            Some((under(added.0), "none".to_owned(), added.1.to_string()))
        }
        (Value::Array(one), Value::Array(other)) => {
            let pairs = one.iter().zip(other).enumerate();
            let inside = |(at, (one, other)): (usize, (&Value, &Value))| {
                first_difference(one, other, under(&at.to_string()), lens)
            };
            let lengths = || (one.len() != other.len()).then(|| items(&pointer, one.len(), other.len()));
            pairs.into_iter().find_map(inside).or_else(lengths)
        }
        _ if one == other => None,
        _ => Some((pointer, one.to_string(), other.to_string())),
    }
}

fn looks(value: &Value, shape: Shape) -> bool {
    match value {
        Value::String(text) => shape.fits(text),
        Value::Number(number) => shape.fits(&number.to_string()),
        _ => false,
    }
}

fn items(pointer: &str, one: usize, other: usize) -> (String, String, String) {
    (pointer.to_owned(), format!("{one} items"), format!("{other} items"))
}

fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_parts_at_a_pointer() {
        let difference = |one: &str, other: &str| {
            let value = |text: &str| serde_json::from_str(text).unwrap();
            first_difference(&value(one), &value(other), String::new(), &Lens::default())
        };
        let found = |at: &str, one: &str, other: &str| Some((at.to_owned(), one.to_owned(), other.to_owned()));
        assert_eq!(difference(r#"{"a":{"b/c":[1,2]}}"#, r#"{"a":{"b/c":[1,3]}}"#), found("/a/b~1c/1", "2", "3"));
        assert_eq!(difference(r#"{"a":1}"#, r#"{"a":1,"b":2}"#), found("/b", "none", "2"));
        assert_eq!(difference("[1]", "[1,2]"), found("", "1 items", "2 items"));
        assert_eq!(difference("[1]", "[1]"), None);
    }
}
