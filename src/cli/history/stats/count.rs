//! Counting by name, with a bound on names.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde_json::{Value, json};

use crate::store::Row;

/// Names kept; exchanges under a name that comes later are counted together.
const NAMES: usize = 20_000;

/// What is known of the exchanges under one name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) bytes: u64,
    us: u64,
    most_us: u64,
}

impl Tally {
    fn add(&mut self, row: &Row) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(row.response_bytes);
        self.us = self.us.saturating_add(row.duration_us);
        self.most_us = self.most_us.max(row.duration_us);
    }

    fn merge(&mut self, other: &Tally) {
        self.count += other.count;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.us = self.us.saturating_add(other.us);
        self.most_us = self.most_us.max(other.most_us);
    }

    /// The mean duration.
    pub(super) fn mean_us(&self) -> u64 {
        self.us / self.count.max(1)
    }

    fn json(&self) -> Value {
        json!({
            "count": self.count,
            "response_bytes": self.bytes,
            "mean_ms": self.mean_us() as f64 / 1000.0,
            "max_ms": self.most_us as f64 / 1000.0,
        })
    }
}

/// Tallies by name.
#[derive(Debug, Default)]
pub(super) struct Counter {
    names: HashMap<String, Tally>,
    /// The exchanges under names that found no room.
    rest: Tally,
    joined: String,
}

impl Counter {
    pub(super) fn add(&mut self, name: &str, row: &Row) {
        if let Some(tally) = self.names.get_mut(name) {
            tally.add(row);
        } else if self.names.len() < NAMES {
            self.names.entry(name.to_owned()).or_default().add(row);
        } else {
            self.rest.add(row);
        }
    }

    /// [`Counter::add`] under a name in pieces, which costs no memory for a name that is known.
    pub(super) fn add_joined(&mut self, pieces: &[&str], row: &Row) {
        let mut joined = std::mem::take(&mut self.joined);
        joined.clear();
        pieces.iter().for_each(|piece| joined.push_str(piece));
        self.add(&joined, row);
        self.joined = joined;
    }

    /// The names with the most of something, most first.
    pub(super) fn top(&self, count: usize, by: impl Fn(&Tally) -> u64) -> Vec<(&str, Tally)> {
        let mut all = self.sorted(by);
        all.truncate(count);
        all
    }

    /// What `top` leaves out: how many names, 0 when they were too many to be told apart, and their sum.
    pub(super) fn left(&self, count: usize, by: impl Fn(&Tally) -> u64) -> Option<(u64, Tally)> {
        let all = self.sorted(by);
        let left = all.get(count..).unwrap_or_default();
        let mut sum = self.rest;
        left.iter().for_each(|(_, tally)| sum.merge(tally));
        let names = if self.rest.count > 0 { 0 } else { left.len() as u64 };
        (sum.count > 0).then_some((names, sum))
    }

    /// What must be known of the names, when not all were kept.
    pub(super) fn note(&self) -> Option<String> {
        (self.rest.count > 0).then(|| {
            format!("{NAMES} endpoints are told apart; {} exchanges of others are not in these tables", self.rest.count)
        })
    }

    fn sorted(&self, by: impl Fn(&Tally) -> u64) -> Vec<(&str, Tally)> {
        let mut all: Vec<(&str, Tally)> = self.names.iter().map(|(name, tally)| (name.as_str(), *tally)).collect();
        all.sort_by_cached_key(|(name, tally)| (Reverse(by(tally)), *name));
        all
    }

    /// The names with the most exchanges, and the sum of the others.
    pub(super) fn json(&self, top: usize) -> Value {
        self.json_by(top, |tally| tally.count)
    }

    pub(super) fn json_by(&self, top: usize, by: impl Fn(&Tally) -> u64 + Copy) -> Value {
        let named = |(name, tally): &(&str, Tally)| {
            let mut value = json!({ "name": name });
            if let (Value::Object(all), Value::Object(figures)) = (&mut value, tally.json()) {
                all.extend(figures);
            }
            value
        };
        json!({
            "top": self.top(top, by).iter().map(named).collect::<Vec<_>>(),
            "others": self.left(top, by).map(|(_, tally)| tally.json()),
            "is_complete": self.rest.count == 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::row;

    #[test]
    fn names_are_bounded_and_nothing_is_left_uncounted() {
        let mut counter = Counter::default();
        for number in 1..=(NAMES as u64 + 100) {
            counter.add_joined(&["GET ", &number.to_string()], &row(number));
        }
        counter.add("GET 5", &row(5));
        assert_eq!(counter.names.len(), NAMES);
        assert_eq!(counter.top(1, |tally| tally.count)[0].0, "GET 5");
        let (names, others) = counter.left(1, |tally| tally.count).unwrap();
        assert_eq!((names, others.count), (0, NAMES as u64 + 99));
        assert!(counter.note().unwrap().contains("100 exchanges"));
        assert_eq!(counter.json(1)["is_complete"], false);
    }

    #[test]
    fn what_is_left_out_is_summed() {
        let mut counter = Counter::default();
        for number in 1..=6 {
            counter.add(
                if number < 4 {
                    "a"
                } else if number < 6 {
                    "b"
                } else {
                    "c"
                },
                &row(number),
            );
        }
        let (names, others) = counter.left(1, |tally| tally.count).unwrap();
        assert_eq!((names, others.count, others.mean_us()), (2, 3, 5000));
        assert!(counter.left(3, |tally| tally.count).is_none() && counter.note().is_none());
    }
}
