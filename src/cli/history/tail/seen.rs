//! Which numbers have been seen, in bounded memory.

use std::collections::BTreeSet;

/// The newest rows that are looked through for gaps at the beginning.
pub(super) const WINDOW: usize = 1000;
/// Numbers below the highest that may still come: those of requests under way, and those that never will.
const GAPS: usize = 1000;

/// All numbers up to the highest one seen, but for the gaps.
pub(super) struct Seen {
    highest: u64,
    gaps: BTreeSet<u64>,
}

impl Seen {
    /// The newest numbers of a history count as seen; what is missing between them may still come.
    pub(super) fn starting(newest: impl Iterator<Item = u64>) -> Seen {
        let numbers: BTreeSet<u64> = newest.collect();
        let mut seen = Seen { highest: numbers.first().map_or(0, |lowest| lowest - 1), gaps: BTreeSet::new() };
        numbers.into_iter().for_each(|number| seen.add(number));
        seen
    }

    pub(super) fn has(&self, number: u64) -> bool {
        number <= self.highest && !self.gaps.contains(&number)
    }

    pub(super) fn add(&mut self, number: u64) {
        if number <= self.highest {
            self.gaps.remove(&number);
            return;
        }
        let first = (self.highest + 1).max(number.saturating_sub(GAPS as u64));
        self.gaps.extend(first..number);
        self.highest = number;
        // The oldest gaps are given up first: most likely nothing was recorded under them.
        while self.gaps.len() > GAPS {
            self.gaps.pop_first();
        }
    }

    /// The numbers to ask for, as ranges.
    pub(super) fn unseen(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for &gap in &self.gaps {
            match ranges.last_mut() {
                Some((_, to)) if *to + 1 == gap => *to = gap,
                _ => ranges.push((gap, gap)),
            }
        }
        ranges.push((self.highest + 1, u64::MAX));
        ranges
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gaps_are_asked_for_until_they_fill() {
        let mut seen = Seen::starting([10, 12, 13].into_iter());
        assert_eq!(seen.unseen(), [(11, 11), (14, u64::MAX)]);
        assert!(seen.has(3) && seen.has(12) && !seen.has(11) && !seen.has(14));
        seen.add(17);
        assert_eq!(seen.unseen(), [(11, 11), (14, 16), (18, u64::MAX)]);
        seen.add(11);
        seen.add(15);
        assert_eq!(seen.unseen(), [(14, 14), (16, 16), (18, u64::MAX)]);
        assert_eq!(Seen::starting(std::iter::empty()).unseen(), [(1, u64::MAX)]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut seen = Seen::starting([5].into_iter());
        seen.add(1 << 40);
        seen.add((1 << 40) + 500);
        assert!(seen.gaps.len() <= GAPS);
        assert!(seen.unseen().contains(&((1 << 40) + 1, (1 << 40) + 499)), "the newest gaps are kept");
    }

    proptest! {
        #[test]
        fn each_number_comes_once_in_whatever_order(numbers in proptest::collection::vec(1u64..900, 1..200)) {
            let mut seen = Seen::starting(std::iter::empty());
            let mut shown = BTreeSet::new();
            for number in numbers {
                let asked = seen.unseen().iter().any(|(from, to)| (*from..=*to).contains(&number));
                prop_assert_eq!(asked, shown.insert(number));
                seen.add(number);
            }
        }
    }
}
