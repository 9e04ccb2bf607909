//! The spread of a figure in little memory, and bars.

use serde_json::{Value, json};

/// Values below this are counted one by one; above, each power of two has half as many steps: within 1.6 %.
const STEPS: u64 = 64;
/// Counters needed for all values of 64 bits.
const COUNTERS: usize = 64 + 58 * 32;

/// Counts of values by size, and their sum and largest.
pub(super) struct Figures {
    counts: Vec<u64>,
    count: u64,
    sum: u64,
    most: u64,
}

impl Default for Figures {
    fn default() -> Self {
        Figures { counts: vec![0; COUNTERS], count: 0, sum: 0, most: 0 }
    }
}

impl Figures {
    pub(super) fn add(&mut self, value: u64) {
        if let Some(counter) = self.counts.get_mut(place(value)) {
            *counter += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
        self.most = self.most.max(value);
    }

    pub(super) fn sum(&self) -> u64 {
        self.sum
    }

    pub(super) fn most(&self) -> u64 {
        self.most
    }

    /// The value that this share of all values does not exceed, as near as the steps are.
    pub(super) fn at(&self, share: f64) -> u64 {
        let wanted = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut passed = 0;
        for (place, count) in self.counts.iter().enumerate() {
            passed += count;
            if passed >= wanted {
                return upper(place).min(self.most);
            }
        }
        self.most
    }

    /// The spread, each value divided by `unit`.
    pub(super) fn json(&self, unit: f64) -> Value {
        let shown = |value: u64| value as f64 / unit;
        json!({ "p50": shown(self.at(0.5)), "p95": shown(self.at(0.95)), "max": shown(self.most) })
    }
}

/// Which counter a value belongs to.
fn place(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let shift = u64::from(value.ilog2()) - 5;
    // The five bits below the highest one tell the step.
    (STEPS + (shift - 1) * 32 + ((value >> shift) - 32)) as usize
}

/// The largest value of a counter.
fn upper(place: usize) -> u64 {
    let place = place as u64;
    if place < STEPS {
        return place;
    }
    let (shift, step) = ((place - STEPS) / 32 + 1, (place - STEPS) % 32);
    // Of the last counter the bound would not fit.
    u64::try_from((u128::from(32 + step + 1) << shift) - 1).unwrap_or(u64::MAX)
}

/// A bar for each of the last `most` days.
pub(super) fn bars(days: &[(String, u64)], most: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = &days[days.len().saturating_sub(most)..];
    let highest = shown.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    let bar = |count: u64| BARS[usize::try_from(count.saturating_mul(7).div_ceil(highest)).unwrap_or(7).min(7)];
    shown.iter().map(|(_, count)| bar(*count)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_are_found() {
        let mut figures = Figures::default();
        (1..=10_000).for_each(|value| figures.add(value));
        for (share, expected) in [(0.5, 5000.0), (0.95, 9500.0), (0.0, 1.0), (1.0, 10_000.0)] {
            let found = figures.at(share) as f64;
            assert!((found - expected).abs() <= expected * 0.032, "{share}: {found}");
        }
        assert_eq!((figures.sum(), figures.most()), (50_005_000, 10_000));
        assert_eq!(Figures::default().at(0.5), 0);
    }

    #[test]
    fn days_become_bars() {
        let days = [0, 1, 50, 100].map(|count| (String::new(), count));
        assert_eq!(bars(&days, 10), "▁▂▅█");
        assert_eq!(bars(&days, 2), "▅█");
        assert_eq!(bars(&[], 2), "");
    }

    proptest! {
        #[test]
        fn every_value_has_a_counter_whose_bound_is_near(value in any::<u64>(), shift in 0u32..64) {
            let value = value >> shift;
            let place = place(value);
            prop_assert!(place < COUNTERS);
            let upper = upper(place);
            prop_assert!(upper >= value && upper - value <= value / 32 + 1, "{value} {upper}");
        }
    }
}
