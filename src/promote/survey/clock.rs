//! A clock that goes aside: services and clients whose time is set for a test, or is wrong, tell moments that are far from
//! the recorder's, yet move with it.

use std::collections::{BTreeMap, HashSet};

use jiff::SignedDuration;

use super::facts::{Fact, Tables};
use super::texts::Key;
use crate::model::shape::moment_of;

/// Moments of one clock differ from ours by the same, give or take so many seconds.
const WIDTH: i64 = 120;
/// A clock is believed if so many calls tell it, each later than the one before.
const CALLS: usize = 4;
/// A clock that is farther away than four hundred days is none.
const FARTHEST: i64 = 400 * 24 * 3600;

/// A moment that a call tells.
struct Told {
    /// Seconds from the call's start.
    ahead: i64,
    fact: usize,
    key: Key,
}

/// How far the clock of the recorded programs is from ours, if it is not ours, and the moments that it told.
pub(super) fn aside(facts: &[Fact], tables: &Tables) -> (Option<SignedDuration>, HashSet<Key>) {
    let mut told = told(facts, tables);
    told.sort_by_key(|told| (told.ahead, told.fact, told.key));
    let mut best: Option<(usize, usize, usize)> = None;
    let mut from = 0;
    for to in 0..told.len() {
        while told[to].ahead - told[from].ahead > WIDTH {
            from += 1;
        }
        // A window is looked at when it cannot grow.
        if told.get(to + 1).is_some_and(|next| next.ahead - told[from].ahead <= WIDTH) {
            continue;
        }
        let calls = rising(&told[from..=to], facts);
        if calls >= CALLS && best.is_none_or(|(most, ..)| calls > most) {
            best = Some((calls, from, to));
        }
    }
    let Some((_, from, to)) = best else { return (None, HashSet::new()) };
    let window = &told[from..=to];
    let middle = window[window.len() / 2].ahead;
    (Some(SignedDuration::from_secs(middle)), window.iter().map(|told| told.key).collect())
}

/// The moments that calls tell first, apart from their own.
fn told(facts: &[Fact], tables: &Tables) -> Vec<Told> {
    let mut seen: HashSet<Key> = HashSet::new();
    let mut found = Vec::new();
    for (at, fact) in facts.iter().enumerate() {
        let values = fact.items.iter().map(|item| tables.values.get(item.value));
        let asked = values.filter(|value| !value.masked && value.shape.is_some_and(|shape| shape.is_moment()));
        let asked = asked
            .filter_map(|value| Some((value.key, moment_of(&value.text)?.duration_since(fact.started_at).as_secs())));
        let answered = fact.moments.iter().copied().filter(|_| fact.is_success());
        for (key, ahead) in asked.chain(answered) {
            if seen.insert(key) && (60..FARTHEST).contains(&ahead.abs()) {
                found.push(Told { ahead, fact: at, key });
            }
        }
    }
    found
}

/// How many calls tell a moment, if nearly all of them tell a later one than the call before.
fn rising(window: &[Told], facts: &[Fact]) -> usize {
    let mut latest: BTreeMap<usize, i128> = BTreeMap::new();
    for told in window {
        let at = facts[told.fact].started_at.as_nanosecond() + i128::from(told.ahead) * 1_000_000_000;
        latest.entry(told.fact).and_modify(|known| *known = at.max(*known)).or_insert(at);
    }
    let moments: Vec<i128> = latest.into_values().collect();
    // Whole seconds on both sides: two calls of one second may seem to change places.
    let later = moments.windows(2).filter(|pair| pair[1] + 2_000_000_000 > pair[0]).count();
    if later * 10 >= moments.len().saturating_sub(1) * 9 { moments.len() } else { 0 }
}
