//! Private collections: a plain call needs one of their keys, in `X-Api-Key` or as `apikey` in the query.
//!
//! Keys are 256 random bits; a collection holds their BLAKE3 hashes, which tell nothing about them. A key is looked at
//! and taken off before anything else sees the call: it is no part of matching, of logs, or of what goes on to an origin.

use http::HeaderMap;

use crate::collection::{Collection, Settings};
use crate::model::Fields;

/// The field that carries a key.
const FIELD: &str = "x-api-key";
/// The query parameter that does.
const PARAMETER: &str = "apikey";

/// Who may call.
#[derive(Debug, Default)]
pub struct Access {
    private: bool,
    keys: Vec<blake3::Hash>,
}

impl Access {
    /// Adds what a collection says. One that is private makes the whole server so.
    pub(super) fn add(&mut self, collection: &Collection) {
        let Settings { private, keys, .. } = &collection.manifest.settings;
        if *private {
            self.private = true;
            self.keys.extend(keys.iter().filter_map(|key| blake3::Hash::from_hex(&key.blake3).ok()));
        }
    }

    /// Whether calls need a key.
    pub(super) fn is_private(&self) -> bool {
        self.private
    }

    /// Takes the key off a call, and tells whether it opens.
    pub(super) fn admits(&self, fields: &mut Fields, headers: &mut HeaderMap, query: &mut Option<String>) -> bool {
        let mut given: Vec<Vec<u8>> = fields.all(FIELD).map(<[u8]>::to_vec).collect();
        fields.retain(|field| !field.is(FIELD));
        headers.remove(FIELD);
        if let Some(text) = query.take() {
            let (keys, rest): (Vec<&str>, Vec<&str>) = text
                .split('&')
                .partition(|pair| pair.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case(PARAMETER)));
            let value = |pair: &&str| {
                pair.split_once('=').map(|(_, value)| percent_encoding::percent_decode_str(value).collect())
            };
            given.extend(keys.iter().filter_map(value));
            // A query that was nothing but the key is none.
            *query = (keys.is_empty() || !rest.is_empty()).then(|| rest.join("&"));
        }
        // Hashes compare in constant time, and every one is compared.
        let opens = |key: &Vec<u8>| {
            let hash = blake3::hash(key);
            self.keys.iter().fold(false, |found, known| found | (*known == hash))
        };
        given.iter().fold(false, |found, key| found | opens(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(fields: &[(&str, &str)], query: Option<&str>) -> (bool, usize, Option<String>) {
        let access = Access { private: true, keys: vec![blake3::hash(b"first"), blake3::hash(b"second")] };
        let mut lines = Fields::new();
        fields.iter().for_each(|(name, value)| lines.push(*name, *value));
        let (mut headers, mut query) = (lines.to_map(), query.map(str::to_owned));
        let admitted = access.admits(&mut lines, &mut headers, &mut query);
        assert_eq!(lines.iter().count(), headers.len());
        (admitted, headers.len(), query)
    }

    #[test]
    fn a_key_opens_and_is_taken_off() {
        for (fields, query, expected) in [
            (&[("X-API-Key", "second"), ("Accept", "a")][..], Some("page=1"), (true, 1, Some("page=1"))),
            (&[], Some("a=1&ApiKey=first&b=2"), (true, 0, Some("a=1&b=2"))),
            (&[], Some("apikey=first"), (true, 0, None)),
            (&[], Some("apikey=fir%73t&"), (true, 0, Some(""))),
            (&[("x-api-key", "third")], None, (false, 0, None)),
            (&[("x-api-key", "")], Some(""), (false, 0, Some(""))),
            (&[], None, (false, 0, None)),
        ] {
            let (admitted, left, query) = asked(fields, query);
            assert_eq!((admitted, left, query.as_deref()), expected);
        }
    }
}
