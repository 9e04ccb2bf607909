//! Masking: no credential reaches a disk. Pure: bytes in, masked bytes out.

use std::borrow::Cow;
use std::sync::Arc;

use crate::model::Fields;
use crate::model::media::Kind;

/// The key of the hash in placeholders: random, one per store, kept in an owner-only file. `Debug` shows nothing.
#[derive(Clone)]
pub struct MaskKey(pub [u8; 32]);

/// What the user adds to the built-in table.
#[derive(Debug, Clone, Default)]
pub struct MaskRules {
    /// Field names whose values are masked.
    pub fields: Vec<String>,
    /// Names of query pairs, JSON, form and XML members whose values are masked.
    pub members: Vec<String>,
}

/// Masks what one session records. Clones share the memory of the secrets seen, so that a value masked once is masked
/// wherever it comes back.
#[derive(Clone)]
pub struct Masker {
    _state: Option<Arc<()>>,
}

impl Masker {
    /// A masker with an empty memory.
    pub fn new(_key: MaskKey, _rules: MaskRules) -> Self {
        todo!()
    }

    /// Masks nothing: `--keep-secrets`.
    pub fn off() -> Self {
        Masker { _state: None }
    }

    /// Masks request or response field values in place; returns how many.
    pub fn fields(&self, _fields: &mut Fields) -> u32 {
        todo!()
    }

    /// The path with secrets masked (token shapes, and values seen before).
    pub fn path<'a>(&self, _path: &'a str) -> Cow<'a, str> {
        todo!()
    }

    /// The query, as in a URL, with secret values masked.
    pub fn query<'a>(&self, _query: &'a str) -> Cow<'a, str> {
        todo!()
    }

    /// Any other text (an error message, a command line) with values seen before and token shapes masked.
    pub fn text<'a>(&self, _text: &'a str) -> Cow<'a, str> {
        todo!()
    }

    /// A streaming masker for one body that is already decoded. `content_type` gives charset and boundary.
    pub fn body(&self, _kind: Kind, _content_type: Option<&str>) -> BodyMasker {
        todo!()
    }
}

/// Masks one body while it streams; sizes and chunk borders do not matter, memory is bounded.
pub struct BodyMasker {
    _private: (),
}

impl BodyMasker {
    /// Takes the next bytes, and appends to `out` what is certain by now.
    pub fn push(&mut self, _chunk: &[u8], _out: &mut Vec<u8>) {
        todo!()
    }

    /// Appends what was kept back.
    pub fn finish(&mut self, _out: &mut Vec<u8>) {
        todo!()
    }

    /// How many values were masked so far.
    pub fn hits(&self) -> u32 {
        todo!()
    }
}

/// Whether a value is, or (as a JWT, a Basic credential, a cookie, hex or a UUID) carries, a placeholder of retake.
/// In a recorded request a placeholder means "present": matching takes any value for it.
pub fn is_placeholder(_value: &str) -> bool {
    todo!()
}
