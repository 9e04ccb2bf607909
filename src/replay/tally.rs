//! What a run came to, counted while it runs, for the receipt.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::collection::OriginPattern;
use crate::report::receipt::{FirstFix, InexactGroup, MissGroup};

/// How many kinds of misses, and of inexact hits, are told apart. What comes after is counted together.
const GROUPS: usize = 1_000;
/// Of how many kinds of misses a report is kept.
const REPORTS: usize = 100;

/// Counters of one run. Exact hits cost one atomic addition.
#[derive(Debug, Default)]
pub struct Tally {
    exact: AtomicU64,
    inexact: AtomicU64,
    missed: AtomicU64,
    passed: AtomicU64,
    unanswered: AtomicU64,
    by_server_stub: AtomicU64,
    groups: Mutex<Groups>,
}

/// What a scenario is called. An edit may give its collection a second origin, or take that away, and change which of
/// its names is shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScenarioName {
    /// The collection, by position.
    pub collection: usize,
    /// The origin of its stub.
    pub origin: OriginPattern,
    /// `github: GET https://api.github.com/zen#ok`
    pub with_origin: String,
    /// `github: GET /zen#ok`
    pub without_origin: String,
}

#[derive(Debug, Default)]
struct Groups {
    misses: HashMap<(String, String), (u64, u64)>,
    /// Of the first groups, the report of a miss.
    reports: HashMap<(String, String), Told>,
    passed: HashMap<(String, String), (u64, u64)>,
    inexact: HashMap<(ScenarioName, Vec<String>), (u64, u64)>,
    left_out: u64,
}

/// What is kept of the report of a miss.
#[derive(Debug, Clone)]
pub struct Told {
    /// As text.
    pub report: String,
    /// Its first fix.
    pub fix: Option<FirstFix>,
}

impl Tally {
    /// Counts an exact hit.
    pub fn exact(&self) {
        self.exact.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an inexact hit of `scenario` with these differences.
    pub fn inexact(&self, call: u64, scenario: ScenarioName, differences: &[String]) {
        self.inexact.fetch_add(1, Ordering::Relaxed);
        let mut groups = self.groups();
        let Groups { inexact, left_out, .. } = &mut *groups;
        count(inexact, left_out, (scenario, differences.to_vec()), call);
    }

    /// Counts a miss at `endpoint` (method and URL without query) for `reason`, with its report where it has one.
    pub fn miss(&self, call: u64, endpoint: String, reason: String, told: impl FnOnce() -> Option<Told>) {
        self.missed.fetch_add(1, Ordering::Relaxed);
        let mut groups = self.groups();
        let Groups { misses, reports, left_out, .. } = &mut *groups;
        let key = (endpoint, reason);
        if reports.len() < REPORTS
            && !reports.contains_key(&key)
            && let Some(told) = told()
        {
            reports.insert(key.clone(), told);
        }
        count(misses, left_out, key, call);
    }

    /// Counts an answer of a server stub, as an exact hit too.
    pub fn by_server_stub(&self) {
        self.exact();
        self.by_server_stub.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls that a server stub answered.
    pub fn of_server_stubs(&self) -> u64 {
        self.by_server_stub.load(Ordering::Relaxed)
    }

    /// Counts a miss that went on to its origin, and whether no answer came from there.
    pub fn passed(&self, call: u64, endpoint: String, reason: String, is_unanswered: bool) {
        self.passed.fetch_add(1, Ordering::Relaxed);
        self.unanswered.fetch_add(u64::from(is_unanswered), Ordering::Relaxed);
        let mut groups = self.groups();
        let Groups { passed, left_out, .. } = &mut *groups;
        count(passed, left_out, (endpoint, reason), call);
    }

    /// Calls that went on to their origins.
    pub fn passed_on(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Of these, those to which no answer came.
    pub fn unanswered(&self) -> u64 {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// Calls passed on by endpoint and reason, most frequent first.
    pub fn passed_groups(&self) -> Vec<MissGroup> {
        miss_groups(&self.groups().passed)
    }

    /// Calls that a scenario answered, exact and inexact.
    pub fn served(&self) -> u64 {
        self.exact.load(Ordering::Relaxed) + self.inexact_hits()
    }

    /// Of these, the inexact ones.
    pub fn inexact_hits(&self) -> u64 {
        self.inexact.load(Ordering::Relaxed)
    }

    /// Calls that nothing matched.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// The groups, most frequent first, and how many calls are in none; `shown` tells the name of a scenario as it is now.
    pub fn grouped(&self, shown: impl Fn(&ScenarioName) -> &str) -> (Vec<MissGroup>, Vec<InexactGroup>, u64) {
        let groups = self.groups();
        let mut misses = miss_groups(&groups.misses);
        for miss in &mut misses {
            let told = groups.reports.get(&(miss.endpoint.clone(), miss.reason.clone())).cloned();
            if let Some(Told { report, fix }) = told {
                (miss.report, miss.fix) = (Some(report), fix);
            }
        }
        let mut inexact: Vec<_> = groups
            .inexact
            .iter()
            .map(|((scenario, differences), &(count, first_call))| InexactGroup {
                scenario: shown(scenario).to_owned(),
                differences: differences.clone(),
                count,
                first_call,
            })
            .collect();
        inexact.sort_by_key(|group| (std::cmp::Reverse(group.count), group.first_call));
        (misses, inexact, groups.left_out)
    }

    fn groups(&self) -> MutexGuard<'_, Groups> {
        // Counters are valid after every statement, so a panic elsewhere does not spoil them.
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn miss_groups(groups: &HashMap<(String, String), (u64, u64)>) -> Vec<MissGroup> {
    let group = |((endpoint, reason), &(count, first_call)): (&(String, String), &(u64, u64))| MissGroup {
        endpoint: endpoint.clone(),
        reason: reason.clone(),
        count,
        first_call,
        report: None,
        fix: None,
    };
    let mut all: Vec<MissGroup> = groups.iter().map(group).collect();
    all.sort_by_key(|group| (std::cmp::Reverse(group.count), group.first_call));
    all
}

fn count<K: std::hash::Hash + Eq>(groups: &mut HashMap<K, (u64, u64)>, left_out: &mut u64, key: K, call: u64) {
    if let Some((count, first)) = groups.get_mut(&key) {
        *count += 1;
        *first = call.min(*first);
    } else if groups.len() < GROUPS {
        groups.insert(key, (1, call));
    } else {
        *left_out += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_counted_and_bounded() {
        let tally = Tally::default();
        for call in 1..=5 {
            tally.miss(call, "GET https://a.test/x".into(), "no such endpoint".into(), || {
                Some(Told { report: "report".into(), fix: None })
            });
        }
        for call in 0..GROUPS as u64 + 10 {
            tally.miss(call + 6, format!("GET https://a.test/{call}"), "no such endpoint".into(), || {
                Some(Told { report: "report".into(), fix: None })
            });
        }
        let (misses, _, left_out) = tally.grouped(|name| &name.with_origin);
        assert_eq!((misses[0].count, misses[0].first_call), (5, 1));
        assert_eq!(misses.iter().filter(|miss| miss.report.is_some()).count(), REPORTS);
        assert_eq!((misses.len(), left_out), (GROUPS, 11));
        assert_eq!(tally.missed(), GROUPS as u64 + 15);
    }

    #[test]
    fn a_scenario_is_counted_once_whatever_it_is_called_when_its_calls_end() {
        let tally = Tally::default();
        let name = |origin: &str| ScenarioName {
            collection: 0,
            origin: origin.parse().unwrap(),
            with_origin: format!("c: GET {origin}/x#ok"),
            without_origin: "c: GET /x#ok".into(),
        };
        for (call, origin) in [(1, "https://a.test"), (2, "https://b.test"), (3, "https://a.test")] {
            tally.inexact(call, name(origin), &["query: extra".into()]);
        }
        let counted = |shown: fn(&ScenarioName) -> &str| -> Vec<(String, u64)> {
            tally.grouped(shown).1.into_iter().map(|group| (group.scenario, group.count)).collect()
        };
        let long = [("c: GET https://a.test/x#ok".to_owned(), 2), ("c: GET https://b.test/x#ok".to_owned(), 1)];
        assert_eq!(counted(|name| &name.with_origin), long);
        assert_eq!(counted(|name| &name.without_origin)[0], ("c: GET /x#ok".to_owned(), 2));
    }
}
