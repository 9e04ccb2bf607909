//! Texts by number: every name and every request value is kept once.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::model::Shape;
use crate::promote::is_placeholder;

/// Longer values are kept cut; their keys are those of the whole.
const KEPT: usize = 256;

/// A text in a table.
pub(super) type Id = u32;

/// By which equal texts are found: a hash of the whole. Stays within one promotion.
pub(super) type Key = u64;

/// The key of a text.
pub(super) fn key(text: &str) -> Key {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// A value with what it looks like.
#[derive(Debug, Clone)]
pub(super) struct Value {
    /// The text, of a long one the beginning.
    pub(super) text: Box<str>,
    /// The text is cut.
    pub(super) cut: bool,
    pub(super) key: Key,
    pub(super) shape: Option<Shape>,
    /// It is, or carries, the placeholder of a masked value.
    pub(super) masked: bool,
}

impl Value {
    /// Looks at a value.
    pub(super) fn of(text: &str) -> Self {
        let mut end = text.len().min(KEPT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Value {
            text: text[..end].into(),
            cut: end < text.len(),
            key: key(text),
            shape: shape_of(text),
            masked: is_placeholder(text),
        }
    }
}

/// The shape of a value; prose is not asked.
pub(super) fn shape_of(text: &str) -> Option<Shape> {
    if text.len() > 4096 { None } else { Shape::of(text) }
}

/// Values by number.
#[derive(Default)]
pub(super) struct Values {
    all: Vec<Value>,
    known: HashMap<Key, Id>,
}

impl Values {
    /// The number of a value.
    pub(super) fn id(&mut self, text: &str) -> Id {
        let key = key(text);
        if let Some(id) = self.known.get(&key) {
            return *id;
        }
        let id = Id::try_from(self.all.len()).unwrap_or(Id::MAX);
        self.all.push(Value::of(text));
        self.known.insert(key, id);
        id
    }

    /// The value of a number.
    pub(super) fn get(&self, id: Id) -> &Value {
        &self.all[id as usize]
    }
}

/// Names by number: pointers, parameters, fields, methods, origins, media types.
#[derive(Default)]
pub(super) struct Names {
    all: Vec<Box<str>>,
    known: HashMap<Box<str>, Id>,
}

impl Names {
    /// The number of a name.
    pub(super) fn id(&mut self, text: &str) -> Id {
        if let Some(id) = self.known.get(text) {
            return *id;
        }
        let id = Id::try_from(self.all.len()).unwrap_or(Id::MAX);
        self.all.push(text.into());
        self.known.insert(text.into(), id);
        id
    }

    /// The name of a number.
    pub(super) fn get(&self, id: Id) -> &str {
        &self.all[id as usize]
    }
}
