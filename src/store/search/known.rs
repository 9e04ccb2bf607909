//! What a piece of a search leaves for the next one: the compiled pattern, and which body files were looked at. The same
//! script or image list comes a thousand times in a history, and is looked at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::excerpt::Excerpt;
use super::pattern::Compiled;
use crate::model::ContentHash;
use crate::model::coding::Coding;
use crate::store::{HistoryError, Pattern};

/// Patterns that are remembered: searches going on at the same time.
const PATTERNS: usize = 4;
/// Body files remembered for each; an entry has about a kilobyte at most.
const BODIES: usize = 4096;

/// A body file, and what makes text of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct BodyKey {
    pub(super) hash: ContentHash,
    pub(super) content_type: Option<String>,
    pub(super) codings: Vec<Coding>,
}

/// A pattern, and what is known of it.
pub(super) struct Known {
    pattern: Pattern,
    pub(super) compiled: Compiled,
    bodies: Mutex<HashMap<BodyKey, Option<Excerpt>>>,
}

impl Known {
    /// What was found in a body: nothing, or the excerpt; none if it was not looked at.
    pub(super) fn body(&self, key: &BodyKey) -> Option<Option<Excerpt>> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Remembers what was found in a body.
    pub(super) fn remember(&self, key: BodyKey, found: Option<Excerpt>) {
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        if bodies.len() >= BODIES {
            bodies.clear();
        }
        bodies.insert(key, found);
    }
}

/// The patterns of the last searches.
#[derive(Default)]
pub(in crate::store) struct Searches(Mutex<Vec<Arc<Known>>>);

impl Searches {
    /// What is known of a pattern.
    ///
    /// # Errors
    /// [`HistoryError::BadPattern`].
    pub(super) fn of(&self, pattern: &Pattern) -> Result<Arc<Known>, HistoryError> {
        let mut searches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = searches.iter().find(|known| known.pattern == *pattern) {
            return Ok(known.clone());
        }
        let compiled = Compiled::new(pattern)?;
        let known = Arc::new(Known { pattern: pattern.clone(), compiled, bodies: Mutex::default() });
        if searches.len() >= PATTERNS {
            searches.remove(0);
        }
        searches.push(known.clone());
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_kept_until_others_come_and_bodies_without_bound_are_not() {
        let searches = Searches::default();
        let pattern = |text: &str| Pattern { text: text.into(), regex: false, case_sensitive: false };
        let first = searches.of(&pattern("a")).unwrap();
        let key = |number: usize| BodyKey {
            hash: ContentHash::of(&number.to_le_bytes()),
            content_type: Some("text/plain".into()),
            codings: vec![Coding::Gzip],
        };
        first.remember(key(0), None);
        first.remember(key(1), Some(Excerpt::new(b"a", 0..1)));
        let again = searches.of(&pattern("a")).unwrap();
        assert_eq!((again.body(&key(0)), again.body(&key(2))), (Some(None), None));
        assert!(again.body(&BodyKey { codings: Vec::new(), ..key(0) }).is_none(), "read in another way");
        assert!(again.body(&key(1)).unwrap().is_some());
        for number in 0..=BODIES {
            again.remember(key(number), None);
        }
        assert!(again.bodies.lock().unwrap().len() <= BODIES);
        for text in ["b", "c", "d", "e"] {
            searches.of(&pattern(text)).unwrap();
        }
        assert!(!Arc::ptr_eq(&first, &searches.of(&pattern("a")).unwrap()));
        assert!(searches.0.lock().unwrap().len() <= PATTERNS);
    }
}
