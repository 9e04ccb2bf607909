//! Members of objects as tools write them: missing, null, -1, or a number where a text should be.

use serde_json::{Map, Value};

/// An object of the file.
pub(super) type Object = Map<String, Value>;

/// Takes a member out, as text; a number is its digits, anything else stays where it is.
pub(super) fn text(object: &mut Object, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::Number(number) => {
            let digits = number.to_string();
            object.remove(name);
            Some(digits)
        }
        Value::String(_) => match object.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        },
        Value::Null => {
            object.remove(name);
            None
        }
        _ => None,
    }
}

/// A member as a number, wherever it is written as one.
pub(super) fn number(object: &Object, name: &str) -> Option<f64> {
    match object.get(name)? {
        Value::Number(number) => number.as_f64(),
        Value::String(digits) => digits.trim().parse().ok(),
        _ => None,
    }
    .filter(|number: &f64| number.is_finite())
}

/// A size; -1 and the like are unknown.
pub(super) fn size(object: &Object, name: &str) -> Option<u64> {
    number(object, name).filter(|size| (0.0..=9e15).contains(size)).map(|size| size as u64)
}

/// Takes a member out, as an object.
pub(super) fn object(object: &mut Object, name: &str) -> Option<Object> {
    match object.get(name)? {
        Value::Object(_) => match object.remove(name) {
            Some(Value::Object(inner)) => Some(inner),
            _ => None,
        },
        Value::Null => {
            object.remove(name);
            None
        }
        _ => None,
    }
}

/// Takes a member out, as a list.
pub(super) fn list(object: &mut Object, name: &str) -> Vec<Value> {
    match object.get(name) {
        Some(Value::Array(_) | Value::Null) => match object.remove(name) {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}
