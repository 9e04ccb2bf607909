//! The id of an entry that has none of ours: made from its content, so that the same file brings the same exchanges.

use std::collections::HashMap;
use std::io::{self, Write};

use jiff::Timestamp;

use super::members::Object;
use crate::model::ExchangeId;

/// Gives ids. Two entries of one file that are the same in everything are two exchanges, counted.
pub struct Identities {
    key: [u8; 32],
    seen: HashMap<u128, u32>,
}

impl Identities {
    /// With the key of the store: who sees an id cannot test guesses of what was masked.
    pub fn new(key: [u8; 32]) -> Self {
        Identities { key, seen: HashMap::new() }
    }

    /// Forgets which entries were seen: another file begins.
    pub fn next_file(&mut self) {
        self.seen.clear();
    }

    /// The id of an entry that started then: a UUID of version 7 whose random part is a hash.
    pub(super) fn of(&mut self, entry: &Object, started: Timestamp) -> ExchangeId {
        let mut hashing = Hashing(blake3::Hasher::new_keyed(&self.key));
        // A hasher takes everything.
        let _ = serde_json::to_writer(&mut hashing, entry);
        let mut first = [0; 16];
        first.copy_from_slice(&hashing.0.finalize().as_bytes()[..16]);
        let count = self.seen.entry(u128::from_be_bytes(first)).or_default();
        *count += 1;
        hashing.0.update(&count.to_be_bytes());
        let mut ten = [0; 10];
        ten.copy_from_slice(&hashing.0.finalize().as_bytes()[..10]);
        let millis = u64::try_from(started.as_millisecond()).unwrap_or(0);
        ExchangeId(uuid::Builder::from_unix_timestamp_millis(millis, &ten).into_uuid())
    }
}

struct Hashing(blake3::Hasher);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
