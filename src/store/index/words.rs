//! Which words the paths of a page may have: a small set that says no for sure, and yes perhaps (a Bloom filter).

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

/// Two bits of these for each word: one page in a hundred is read in vain at a hundred words a page.
const BITS: u32 = 2048;
const BYTES: usize = BITS as usize / 8;

/// The segments of paths, without case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::store) struct Words(ByteArray<BYTES>);

impl Words {
    /// Of no path.
    pub(in crate::store) fn none() -> Self {
        Words(ByteArray::new([0; BYTES]))
    }

    /// Takes the segments of a path.
    pub(in crate::store) fn add(&mut self, path: &str) {
        // Case beyond ASCII has rules of its own: such a page is always read.
        if !path.is_ascii() {
            self.0.fill(u8::MAX);
            return;
        }
        let path = path.to_ascii_lowercase();
        for bit in path.split('/').flat_map(bits) {
            self.0[bit / 8] |= 1 << (bit % 8);
        }
    }

    /// Whether a path may be there that has all of these segments.
    pub(in crate::store) fn may_have(&self, literals: &[String]) -> bool {
        literals.iter().flat_map(|word| bits(word)).all(|bit| self.0[bit / 8] & 1 << (bit % 8) != 0)
    }
}

/// Where a word stands. Written to disk: another way needs a new version of the index.
fn bits(word: &str) -> [usize; 2] {
    let sum = crc32c::crc32c(word.as_bytes());
    [sum % BITS, (sum >> 16) % BITS].map(|bit| bit as usize)
}

/// The segments that every path has which this glob fits, in lower case.
pub(in crate::store) fn literals(glob: &str) -> Vec<String> {
    // Classes and alternatives may hold a slash, an escape hides one.
    if !glob.is_ascii() || glob.contains(['[', ']', '{', '}', '\\']) {
        return Vec::new();
    }
    let segments = glob.split('/').filter(|segment| !segment.is_empty() && !segment.contains(['*', '?']));
    segments.map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_segments_without_wildcards_are_literal() {
        for (glob, expected) in [
            ("/Users/*/repos", vec!["users", "repos"]),
            ("/v1/orders*", vec!["v1"]),
            ("*/a", vec!["a"]),
            ("**/a/**", vec!["a"]),
            ("/a/{b,c/d}/e", vec![]),
            ("/a/[/]", vec![]),
            ("*", vec![]),
        ] {
            assert_eq!(literals(glob), expected, "{glob}");
        }
    }

    #[test]
    fn words_that_are_not_there_are_seldom_thought_to_be() {
        let mut words = Words::none();
        (0..100).for_each(|number| words.add(&format!("/v1/Things/{number}")));
        assert!(words.may_have(&literals("/V1/things/7")));
        let wrong = (1000..2000).filter(|number| words.may_have(&literals(&format!("/v1/things/{number}")))).count();
        assert!(wrong < 50, "{wrong} of 1000");
        words.add("/straße");
        assert!(words.may_have(&literals("/anything")));
    }
}
