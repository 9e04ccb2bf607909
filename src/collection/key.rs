//! What a stub is known by, whatever its file is called.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use super::manifest::OriginPattern;
use super::pattern::{BadPattern, PathPattern, SegmentPattern};
use super::stub::{Stub, text_form};
use crate::model::origin::BadOrigin;

/// Method, origin and path of a stub, in files as `GET https://api.test/orders/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StubKey {
    /// The method, as on the wire.
    pub method: String,
    /// The origin as written.
    pub origin: OriginPattern,
    /// The path as written.
    pub path: PathPattern,
}

impl StubKey {
    /// The key of a stub.
    pub fn of(stub: &Stub) -> Self {
        StubKey { method: stub.method.clone(), origin: stub.origin.clone(), path: stub.path.clone() }
    }

    /// Whether this stub is meant.
    pub fn is_of(&self, stub: &Stub) -> bool {
        // Patterns are compared by what they say: `/%7Euser` and `/~user` are one.
        self.method == stub.method && self.origin == stub.origin && self.path.segments() == stub.path.segments()
    }

    /// Whether [method and path](Self::short) alone are those of this stub, too, which is of
    /// another origin.
    pub fn is_short_of_another(&self, stub: &Stub) -> bool {
        self.method == stub.method && self.path.as_str() == stub.path.as_str() && self.origin != stub.origin
    }

    /// Method and path without the origin, for a sentence: `GET /orders/{id}`.
    pub fn short(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Many stubs, of which one is found at once, by what [`StubKey::is_of`] compares.
#[derive(Default)]
pub(super) struct StubKeys<'k>(HashSet<(&'k str, &'k OriginPattern, &'k [SegmentPattern])>);

impl<'k> StubKeys<'k> {
    pub(super) fn of_stubs(stubs: impl IntoIterator<Item = &'k Stub>) -> Self {
        StubKeys(stubs.into_iter().map(|stub| (&*stub.method, &stub.origin, stub.path.segments())).collect())
    }

    pub(super) fn add(&mut self, key: &'k StubKey) {
        self.add_at(key, &key.path);
    }

    /// Adds what `key` would be with this path.
    pub(super) fn add_at(&mut self, key: &'k StubKey, path: &'k PathPattern) {
        self.0.insert((&key.method, &key.origin, path.segments()));
    }

    /// Whether this stub is among them.
    pub(super) fn have(&self, stub: &Stub) -> bool {
        self.0.contains(&(&*stub.method, &stub.origin, stub.path.segments()))
    }

    /// Whether the stub that is meant is among them.
    pub(super) fn have_key(&self, key: &StubKey) -> bool {
        self.0.contains(&(&*key.method, &key.origin, key.path.segments()))
    }
}

impl<'k> FromIterator<&'k StubKey> for StubKeys<'k> {
    fn from_iter<I: IntoIterator<Item = &'k StubKey>>(keys: I) -> Self {
        let mut all = StubKeys::default();
        keys.into_iter().for_each(|key| all.add(key));
        all
    }
}

impl fmt::Display for StubKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.origin, self.path)
    }
}

/// A text that is no key of a stub.
#[derive(Debug, thiserror::Error)]
pub enum BadStubKey {
    /// No method, or no path.
    #[error("`{0}` names no stub: write method, origin and path, as in `GET https://api.example.com/orders/{{id}}`")]
    Form(String),
    /// The origin.
    #[error(transparent)]
    Origin(#[from] BadOrigin),
    /// The path.
    #[error(transparent)]
    Path(#[from] BadPattern),
}

impl FromStr for StubKey {
    type Err = BadStubKey;

    fn from_str(text: &str) -> Result<Self, BadStubKey> {
        let bad = || BadStubKey::Form(text.to_owned());
        let (method, url) = text.split_once(' ').ok_or_else(bad)?;
        http::Method::from_bytes(method.as_bytes()).map_err(|_| bad())?;
        let host = url.find("://").ok_or_else(bad)? + "://".len();
        let path = host + url[host..].find('/').ok_or_else(bad)?;
        Ok(StubKey { method: method.to_owned(), origin: url[..path].parse()?, path: url[path..].parse()? })
    }
}

text_form!(StubKey, "Method, origin and path of a stub, such as `GET https://api.example.com/orders/{id}`");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_and_print() {
        for text in ["GET https://api.test/orders/{id}", "POST http://localhost:*/a b//", "GET http://[::1]:80/"] {
            let key: StubKey = text.parse().unwrap();
            let again: StubKey = key.to_string().parse().unwrap();
            assert_eq!(again, key, "{text}");
        }
        for text in ["", "GET", "GET /orders", "GET https://api.test", "G T https://a.b/", "GET https://a.b/{"] {
            assert!(text.parse::<StubKey>().is_err(), "{text}");
        }
    }
}
