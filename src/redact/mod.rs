//! Masking: no credential reaches a disk. Pure: bytes in, masked bytes out.
//!
//! A text passes two stages: its structure (`json`, `form`, `xml`, `multipart`) tells members by name, then `scan` looks
//! over all of it for token shapes and for secrets seen before. Both work on the stream; what they find does not depend
//! on how it was cut. The table of names is in [`names`], its explanation in `docs/security.md`.

mod body;
mod coded;
mod fields;
mod form;
mod guard;
mod json;
mod multipart;
pub mod names;
mod pattern;
mod placeholder;
mod pointer;
mod rules;
mod scan;
mod seen;
mod sent;
mod shapes;
#[cfg(test)]
mod tests;
mod wide;
mod xml;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

pub use body::BodyMasker;
pub use guard::{Guard, Suspicion};
pub use placeholder::{LONGEST_KIND, is_placeholder, label_of};
pub use rules::{KINDS, KnownSecret, MaskRules, Pattern, Pointer, RuleError};
pub use sent::PlaceholderIn;

use crate::model::Fields;
use crate::model::media::{self, Kind};
use pattern::Stage;
use placeholder::Shape;
use pointer::Places;
use seen::Seen;

/// The key of the hash in placeholders: random, one per store, kept in an owner-only file. `Debug` shows nothing.
#[derive(Clone)]
pub struct MaskKey(pub [u8; 32]);

impl std::fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MaskKey(…)")
    }
}

/// Masks what one session records. Clones share the memory of the secrets seen, so that a value masked once is masked
/// wherever it comes back.
#[derive(Clone)]
pub struct Masker {
    shared: Option<Arc<Shared>>,
    /// Where secrets stand in JSON, if a rule says so.
    places: Option<Arc<Places>>,
}

/// A JSON object.
type Object = serde_json::Map<String, serde_json::Value>;

/// What the clones of a masker share.
pub(crate) struct Shared {
    key: MaskKey,
    names: names::Names,
    /// The user's expressions.
    patterns: Vec<Pattern>,
    /// What the user named as secrets, with its placeholders.
    labelled: HashMap<Vec<u8>, Arc<str>>,
    rules: MaskRules,
    seen: RwLock<Seen>,
    /// Whether anything was seen: spares most sessions the lock.
    has_seen: AtomicBool,
}

impl Masker {
    /// A masker with an empty memory.
    pub fn new(key: MaskKey, rules: MaskRules) -> Self {
        let shared = Shared {
            names: names::Names::new(&rules),
            patterns: rules.regex.clone(),
            labelled: rules.secrets.iter().map(|secret| labelled(&key, secret)).collect(),
            key,
            rules,
            seen: RwLock::default(),
            has_seen: AtomicBool::new(false),
        };
        shared.remember_for_good();
        Masker { places: Places::new(&shared.rules, |_| true), shared: Some(Arc::new(shared)) }
    }

    /// Masks nothing: `--keep-secrets`.
    pub fn off() -> Self {
        Masker { shared: None, places: None }
    }

    /// Whether this masker masks nothing.
    pub fn is_off(&self) -> bool {
        self.shared.is_none()
    }

    /// Masks `secret` wherever it comes from now on, with `placeholder` in its place: for who knows by other means that
    /// it is one.
    pub fn remember(&self, secret: &str, placeholder: &str) {
        if let Some(shared) = &self.shared {
            shared.remember(secret.as_bytes(), placeholder);
        }
    }

    /// Masks request or response field values in place; returns how many.
    pub fn fields(&self, fields: &mut Fields) -> u32 {
        let Some(shared) = &self.shared else { return 0 };
        fields.iter_mut().map(|field| fields::mask(shared, field)).sum()
    }

    /// The path with secrets masked (token shapes, and values seen before).
    pub fn path<'a>(&self, path: &'a str) -> Cow<'a, str> {
        self.text(path)
    }

    /// The query, as in a URL, with secret values masked.
    pub fn query<'a>(&self, query: &'a str) -> Cow<'a, str> {
        let Some(shared) = &self.shared else { return Cow::Borrowed(query) };
        let lexer = body::Lexer::Form(form::Form::query());
        match body::Sink::new(shared.clone()).nested(lexer, query.as_bytes()) {
            Some((masked, _)) => Cow::Owned(lossless(masked)),
            None => Cow::Borrowed(query),
        }
    }

    /// Any other text (an error message, a command line) with values seen before and token shapes masked.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.shared.as_ref().and_then(|shared| shared.scanned(text.as_bytes())) {
            Some((masked, _)) => Cow::Owned(lossless(masked)),
            None => Cow::Borrowed(text),
        }
    }

    /// Members of a JSON object masked, by name and by what is in them; how many values were. None when what comes out is
    /// no object any more, and must not be kept.
    pub fn object(&self, object: &Object) -> Option<(Object, u32)> {
        let text = serde_json::to_vec(object).ok()?;
        let mut masking = self.body(Kind::Json, None);
        let mut masked = Vec::with_capacity(text.len());
        masking.push(&text, &mut masked);
        masking.finish(&mut masked);
        Some((serde_json::from_slice(&masked).ok()?, masking.hits()))
    }

    /// A streaming masker for one body that is already decoded. `content_type` gives charset and boundary.
    pub fn body(&self, kind: Kind, content_type: Option<&str>) -> BodyMasker {
        const LINES: [&str; 4] = ["application/x-ndjson", "application/jsonl", "application/json-seq", "text/x-ndjson"];
        let is_lines = content_type.is_some_and(|value| LINES.contains(&media::essence(value).as_str()));
        match &self.shared {
            Some(shared) => {
                BodyMasker::new(shared, self.places.as_ref(), if is_lines { Kind::Json } else { kind }, content_type)
            }
            None => BodyMasker::off(),
        }
    }

    /// A whole body that is text, masked: as text, whatever its type says, if it says anything.
    pub fn text_body(&self, body: &[u8], content_type: Option<&str>) -> Vec<u8> {
        let kind = match Kind::of(content_type) {
            Kind::Binary => Kind::Text,
            kind => kind,
        };
        let (mut masking, mut masked) = (self.body(kind, content_type), Vec::new());
        masking.push(body, &mut masked);
        masking.finish(&mut masked);
        masked
    }
}

impl Shared {
    /// Makes the placeholder of a secret, and remembers the secret.
    fn learn(&self, secret: &[u8], kind: &str) -> Arc<str> {
        if let Some(known) = self.labelled.get(secret) {
            return known.clone();
        }
        let stands_for = placeholder::of(&self.key, secret, kind, Shape::Text);
        self.remember(secret, &stands_for);
        stands_for.into()
    }

    /// Remembers a secret, to be masked wherever it comes back.
    fn remember(&self, secret: &[u8], stands_for: &str) {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        seen.add(secret, stands_for);
        self.has_seen.store(!seen.is_empty(), Ordering::Release);
    }

    /// What the user named is never forgotten.
    fn remember_for_good(&self) {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        self.labelled.iter().for_each(|(secret, stands_for)| seen.add(secret, stands_for));
        seen.pin();
        self.has_seen.store(!seen.is_empty(), Ordering::Release);
    }

    fn seen(&self, look: impl FnOnce(&Seen) -> seen::Match) -> seen::Match {
        if !self.has_seen.load(Ordering::Acquire) {
            return seen::Match::Nothing;
        }
        look(&self.seen.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A whole text after the scan; `None` if nothing had to be masked.
    fn scanned(self: &Arc<Self>, text: &[u8]) -> Option<(Vec<u8>, u32)> {
        let mut stage = Stage::of_prose();
        let mut out = Vec::with_capacity(text.len());
        stage.push(self, text, true, &mut out);
        (stage.hits() > 0).then(|| (out, stage.hits()))
    }
}

/// A secret that the user named, and its placeholder: the label is its kind, so that it can be told what goes there.
fn labelled(key: &MaskKey, secret: &KnownSecret) -> (Vec<u8>, Arc<str>) {
    let value = secret.value.as_bytes().to_vec();
    let stands_for = placeholder::of_label(key, &value, &secret.label).into();
    (value, stands_for)
}

/// Whether a body that does not say what it is counts as text, by its beginning: UTF-8, UTF-16, or mostly ASCII without
/// control characters.
pub fn looks_like_text(beginning: &[u8]) -> bool {
    if media::looks_like_text(beginning) {
        return true;
    }
    if let [one, two, ..] = beginning
        && wide::Units::of([*one, *two]) != wide::Units::Bytes
    {
        let is_big = matches!([*one, *two], [0xfe, 0xff] | [0, _]);
        return media::looks_like_text(&wide::Wide::new(is_big).narrow(beginning));
    }
    let ascii = beginning.iter().filter(|byte| byte.is_ascii()).count();
    let is_control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    ascii * 4 >= beginning.len() * 3 && !beginning.iter().any(is_control)
}

/// Masked text as text: what went in was text, and only ASCII replaced parts of it.
fn lossless(masked: Vec<u8>) -> String {
    String::from_utf8(masked).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
