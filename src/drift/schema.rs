//! What the recorded JSON answers of an endpoint agree on: types of members, and which members are always there.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Found, Kind, Severity};
use crate::collection::Place;
use crate::promote::{Lens, escaped};
use crate::redact::is_placeholder;

/// Types of JSON, a bit each.
const NULL: u8 = 1;
const BOOLEAN: u8 = 2;
const NUMBER: u8 = 4;
const STRING: u8 = 8;
const ARRAY: u8 = 16;
const OBJECT: u8 = 32;
/// A value that was masked, or is a template: nothing is known of it.
const ANYTHING: u8 = 64;

/// The schema of one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    types: u8,
    /// How many objects were seen here.
    objects: u64,
    /// The members, with the number of objects that had them.
    members: BTreeMap<String, (u64, Schema)>,
    items: Option<Box<Schema>>,
}

impl Schema {
    /// Takes a recorded answer into account. In a template, strings with `{{…}}` may be anything.
    pub fn add(&mut self, value: &Value, is_template: bool) {
        self.types |= match value {
            Value::String(text) if is_placeholder(text) || is_template && text.contains("{{") => ANYTHING,
            Value::Number(number) if is_placeholder(&number.to_string()) => ANYTHING,
            other => type_of(other),
        };
        match value {
            Value::Array(items) => {
                let known = self.items.get_or_insert_default();
                items.iter().for_each(|item| known.add(item, is_template));
            }
            Value::Object(members) => {
                self.objects += 1;
                for (name, member) in members {
                    let known = self.members.entry(name.clone()).or_default();
                    known.0 += 1;
                    known.1.add(member, is_template);
                }
            }
            _ => {}
        }
    }

    /// Whether a value of this type was seen here, or nothing is known.
    fn allows(&self, value: &Value) -> bool {
        self.types & (type_of(value) | ANYTHING) != 0 || matches!(self.types, 0 | NULL)
    }

    /// What of a live answer does not hold to it.
    pub(super) fn check(&self, value: &Value, lens: &Lens<'_>, pointer: &mut String, found: &mut Found) {
        if lens.ignores(Place::Json, pointer) || matches!(value, Value::String(text) if is_placeholder(text)) {
            return;
        }
        if !self.allows(value) {
            let place = place(pointer);
            let (known, now) = (names(self.types), names(type_of(value)));
            return found.add(Severity::Breaking, Kind::Type, &place, Some(&known), Some(&now));
        }
        match value {
            Value::Array(items) => {
                let Some(known) = &self.items else { return };
                for item in items {
                    under(pointer, "*", |pointer| known.check(item, lens, pointer, found));
                }
            }
            Value::Object(members) if self.objects > 0 => self.check_members(members, lens, pointer, found),
            _ => {}
        }
    }

    fn check_members(
        &self,
        members: &serde_json::Map<String, Value>,
        lens: &Lens<'_>,
        pointer: &mut String,
        found: &mut Found,
    ) {
        for (name, (count, known)) in &self.members {
            under(pointer, &escaped(name), |pointer| match members.get(name) {
                Some(member) => known.check(member, lens, pointer, found),
                None if *count == self.objects && !lens.ignores(Place::Json, pointer) => {
                    found.add(Severity::Breaking, Kind::Removed, pointer, Some(&names(known.types)), None);
                }
                None => {}
            });
        }
        for (name, member) in members.iter().filter(|(name, _)| !self.members.contains_key(*name)) {
            under(pointer, &escaped(name), |pointer| {
                if !lens.ignores(Place::Json, pointer) {
                    found.add(Severity::Added, Kind::Added, pointer, None, Some(&names(type_of(member))));
                }
            });
        }
    }
}

/// The whole body has an empty pointer; people want a word.
pub(super) fn place(pointer: &str) -> String {
    if pointer.is_empty() { "body".to_owned() } else { pointer.to_owned() }
}

/// Runs `inside` with one more segment on the pointer.
pub(super) fn under(pointer: &mut String, segment: &str, inside: impl FnOnce(&mut String)) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(segment);
    inside(pointer);
    pointer.truncate(length);
}

fn type_of(value: &Value) -> u8 {
    match value {
        Value::Null => NULL,
        Value::Bool(_) => BOOLEAN,
        Value::Number(_) => NUMBER,
        Value::String(_) => STRING,
        Value::Array(_) => ARRAY,
        Value::Object(_) => OBJECT,
    }
}

/// `string or null`
fn names(types: u8) -> String {
    let known = [
        (OBJECT, "object"),
        (ARRAY, "array"),
        (STRING, "string"),
        (NUMBER, "number"),
        (BOOLEAN, "boolean"),
        (NULL, "null"),
        (ANYTHING, "masked"),
    ];
    let names: Vec<&str> = known.iter().filter(|(bit, _)| types & bit != 0).map(|(_, name)| *name).collect();
    names.join(" or ")
}
