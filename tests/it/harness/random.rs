//! Numbers that differ from run to run; the seed is named when a test fails.

/// A small generator (xorshift64*). It decides sizes and moments, nothing else.
pub struct Random(u64);

impl Random {
    /// With `RETAKE_SEED`, the same numbers again.
    pub fn seed() -> u64 {
        let given = std::env::var("RETAKE_SEED").ok().and_then(|seed| seed.parse().ok());
        given.unwrap_or_else(|| {
            use std::hash::{BuildHasher, Hasher};
            std::collections::hash_map::RandomState::new().build_hasher().finish()
        })
    }

    pub fn new(seed: u64) -> Random {
        Random(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap_or(0) % end
    }
}
