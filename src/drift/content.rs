//! Contents: JSON by its schema and then by values, XML by its elements, the rest by its bytes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::schema::{place, under};
use super::{Answer, Found, Kind, Schema, Severity};
use crate::collection::Place;
use crate::diff::tree::{self, Change, Kind as Happened};
use crate::model::markup::{Token, Tokens};
use crate::model::media::Kind as MediaKind;
use crate::promote::{Lens, Seen, escaped, without_placeholders};
use crate::redact::is_placeholder;

/// Stands for a value that only has to be there, on either side.
const PRESENT: &str = "\u{0}present";
/// Stands for one that was masked or is a template: whatever is there now is fine.
const UNKNOWN: &str = "\u{0}unknown";
/// Differences of values that are looked at; they are grouped by place.
const LOOKED_AT: usize = 5_000;

pub(super) fn compare(recorded: &Answer, live: &Answer, schema: &Schema, lens: &Lens<'_>, found: &mut Found) {
    let (Some(old), Some(new)) = (&recorded.content, &live.content) else { return };
    match (old.is_empty(), new.is_empty()) {
        (true, true) => return,
        (false, true) => {
            let size = format!("{} bytes", old.len());
            return found.add(Severity::Breaking, Kind::Removed, "body", Some(&size), None);
        }
        (true, false) => {
            let size = format!("{} bytes", new.len());
            return found.add(Severity::Added, Kind::Added, "body", None, Some(&size));
        }
        (false, false) => {}
    }
    let content_type = recorded.fields.text("content-type");
    let kind = MediaKind::of(content_type.as_deref());
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    if kind == MediaKind::Json
        && let Some(old) = json(old)
    {
        return match json(new) {
            Some(new) => compare_json(&old, &new, recorded.is_template, schema, lens, found),
            None => found.add(Severity::Breaking, Kind::Type, "body", Some("JSON"), Some("no JSON")),
        };
    }
    let (Ok(old_text), Ok(new_text)) = (std::str::from_utf8(old), std::str::from_utf8(new)) else {
        if old != new {
            let size = |bytes: &[u8]| format!("{} bytes", bytes.len());
            found.add(Severity::Values, Kind::Value, "body", Some(&size(old)), Some(&size(new)));
        }
        return;
    };
    if recorded.is_template && old_text.contains("{{") {
        return;
    }
    if kind == MediaKind::Xml {
        elements(old_text, new_text, found);
    }
    text(old_text, new_text, found);
}

fn text(old: &str, new: &str, found: &mut Found) {
    let (old, new) = (without_placeholders(old).replace("\r\n", "\n"), without_placeholders(new).replace("\r\n", "\n"));
    if old != new {
        found.add(Severity::Values, Kind::Value, "body", Some(&old), Some(&new));
    }
}

/// The paths of the elements of an XML text.
fn paths(text: &str) -> BTreeSet<String> {
    // Deeper elements stand under the last that is told: paths of hostile texts stay short.
    const DEEPEST: usize = 64;
    let (mut names, mut paths) = (Vec::new(), BTreeSet::new());
    for token in Tokens::new(text, false) {
        match token {
            Token::Open { name, is_void, .. } => {
                names.push(name);
                let shown: Vec<&str> = names.iter().take(DEEPEST).copied().collect();
                paths.insert(format!("/{}", shown.join("/")));
                if is_void {
                    names.pop();
                }
            }
            Token::Close { name, .. } => {
                let reach = names.len().saturating_sub(DEEPEST);
                if let Some(at) = names[reach..].iter().rposition(|open| *open == name) {
                    names.truncate(reach + at);
                }
            }
            Token::Text(_) | Token::Other(_) => {}
        }
    }
    paths
}

fn elements(old: &str, new: &str, found: &mut Found) {
    let (old, new) = (paths(old), paths(new));
    for gone in old.difference(&new) {
        found.add(Severity::Breaking, Kind::Removed, gone, Some("element"), None);
    }
    for more in new.difference(&old) {
        found.add(Severity::Added, Kind::Added, more, None, Some("element"));
    }
}

fn compare_json(old: &Value, new: &Value, is_template: bool, schema: &Schema, lens: &Lens<'_>, found: &mut Found) {
    schema.check(new, lens, &mut String::new(), found);
    let seen = |value: &Value, is_template| seen(value, is_template, lens, &mut String::new()).to_string();
    let (old_seen, new_seen) = (seen(old, is_template), seen(new, false));
    if old_seen == new_seen {
        return;
    }
    // None of both has a repeated name any more; what is too deep for the tree is told as one value.
    let Some(changes) = tree::changes(&old_seen, &new_seen, LOOKED_AT) else {
        return found.add(Severity::Values, Kind::Value, "body", Some(&old_seen), Some(&new_seen));
    };
    for change in &changes.listed {
        value(change, old, new, found);
    }
}

/// A value as the rules let it be seen, on one side.
fn seen(value: &Value, is_template: bool, lens: &Lens<'_>, pointer: &mut String) -> Value {
    match (lens.seen(Place::Json, pointer), value) {
        (Seen::Presence, other) if !other.is_null() => return PRESENT.into(),
        (Seen::Looks(shape), Value::String(text)) if shape.fits(text) => return PRESENT.into(),
        (Seen::Looks(shape), Value::Number(number)) if shape.fits(&number.to_string()) => return PRESENT.into(),
        _ => {}
    }
    match value {
        Value::String(text) if is_placeholder(text) || is_template && text.contains("{{") => UNKNOWN.into(),
        Value::String(text) => without_placeholders(text).into_owned().into(),
        Value::Number(number) if is_placeholder(&number.to_string()) => UNKNOWN.into(),
        Value::Array(items) => {
            let mut kept = Vec::with_capacity(items.len());
            for (at, item) in items.iter().enumerate() {
                under(pointer, &at.to_string(), |pointer| {
                    if !lens.ignores(Place::Json, pointer) {
                        kept.push(seen(item, is_template, lens, pointer));
                    }
                });
            }
            Value::Array(kept)
        }
        Value::Object(members) => {
            let mut kept = serde_json::Map::new();
            for (name, member) in members {
                under(pointer, &escaped(name), |pointer| {
                    if !lens.ignores(Place::Json, pointer) {
                        kept.insert(name.clone(), seen(member, is_template, lens, pointer));
                    }
                });
            }
            Value::Object(kept)
        }
        other => other.clone(),
    }
}

/// A difference of values, unless the schema has told of it already.
fn value(change: &Change, old: &Value, new: &Value, found: &mut Found) {
    let side = if change.kind == Happened::Added { new } else { old };
    let (at, is_item) = generalised(&change.pointer, side);
    let told = [Kind::Removed, Kind::Type, Kind::Added].iter().any(|kind| found.has(*kind, &place(&at)));
    let is_unknown = |value: &Option<String>| value.as_deref().is_some_and(|text| text.contains("\\u0000unknown"));
    if told || is_unknown(&change.before) || is_unknown(&change.after) {
        return;
    }
    let (before, after) = (change.before.as_deref().map(readable), change.after.as_deref().map(readable));
    match change.kind {
        Happened::Moved => {
            let at = at.strip_suffix("/*").unwrap_or(&at).to_owned();
            found.add(Severity::Values, Kind::Order, &place(&at), None, None);
        }
        _ if is_item || change.kind == Happened::Changed || change.kind == Happened::Removed => {
            found.add(Severity::Values, Kind::Value, &place(&at), before.as_deref(), after.as_deref());
        }
        _ => found.add(Severity::Values, Kind::Value, &place(&at), None, after.as_deref()),
    }
}

/// What our marks stand for, in words.
fn readable(text: &str) -> String {
    text.replace("\"\\u0000present\"", "(any)").replace("\\u0000", "(masked)")
}

/// A pointer with `*` for positions in arrays, and whether it ends in one.
fn generalised(pointer: &str, root: &Value) -> (String, bool) {
    let (mut at, mut here, mut is_item) = (String::new(), Some(root), false);
    for segment in pointer.split('/').skip(1) {
        is_item = matches!(here, Some(Value::Array(_)));
        at.push('/');
        at.push_str(if is_item { "*" } else { segment });
        here = here.and_then(|value| value.pointer(&format!("/{segment}")));
    }
    (at, is_item)
}
