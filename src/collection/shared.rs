//! What keeps a collection small in memory: JSON as text, and stubs that copies of a collection have in common.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::stub::Stub;

/// A JSON value, kept as its text on one line: as a tree it would take five to ten times the memory. A copy shares it.
#[derive(Clone)]
pub struct JsonText(Arc<str>);

impl JsonText {
    /// The value as a tree.
    pub fn value(&self) -> Value {
        // It was written from a value, no deeper than one that was read.
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// The value as text, without white space between its parts.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl From<&Value> for JsonText {
    fn from(value: &Value) -> Self {
        JsonText(value.to_string().into())
    }
}

impl From<Value> for JsonText {
    fn from(value: Value) -> Self {
        JsonText::from(&value)
    }
}

/// Values are equal as trees are, whatever the order of members.
impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || (self.0.len() == other.0.len() && self.value() == other.value())
    }
}

impl fmt::Display for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(JsonText::from)
    }
}

/// A stub that copies of a collection share until one of them changes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SharedStub(Arc<Stub>);

impl Deref for SharedStub {
    type Target = Stub;

    fn deref(&self) -> &Stub {
        &self.0
    }
}

impl DerefMut for SharedStub {
    /// Makes a copy of its own first, if there are others.
    fn deref_mut(&mut self) -> &mut Stub {
        Arc::make_mut(&mut self.0)
    }
}

impl From<Stub> for SharedStub {
    fn from(stub: Stub) -> Self {
        SharedStub(Arc::new(stub))
    }
}

impl PartialEq for SharedStub {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_equal_whatever_the_order_of_members() {
        let of = |value: Value| JsonText::from(value);
        let one = of(json!({"a": 1.0, "b": [null, "\u{e9}\""]}));
        assert_eq!(one, of(json!({"b": [null, "é\""], "a": 1.0})));
        assert_ne!(one, of(json!({"b": [null, "é\""], "a": 1})));
        assert_ne!(one, of(json!({"a": 2.0, "b": [null, "é\""]})));
        assert_eq!(serde_json::from_str::<JsonText>(&serde_json::to_string(&one).unwrap()).unwrap(), one);
    }

    #[test]
    fn a_shared_stub_changes_alone() {
        let text = r#"{"version": 1, "method": "GET", "origin": "https://a.test", "path": "/a"}"#;
        let one: SharedStub = serde_json::from_str(text).unwrap();
        let mut other = one.clone();
        assert_eq!(one, other);
        other.method = "PUT".to_owned();
        assert_eq!((one.method.as_str(), other.method.as_str()), ("GET", "PUT"));
        assert_ne!(one, other);
    }
}
