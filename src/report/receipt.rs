//! The receipt of a replay run: what was served, what was not, and from what.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::terminal::clean;

/// What a run came to. The same content is written as text and as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The run's name; absent inside a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The names of the collections.
    pub collections: Vec<String>,
    /// BLAKE3 over the files of the collections, as read.
    pub served_blake3: String,
    /// How requests were matched.
    pub profile: String,
    /// Calls that a scenario answered, exact and inexact.
    pub served: u64,
    /// Of these, the inexact ones.
    pub inexact: u64,
    /// Calls that nothing matched, and connections that never became a call.
    pub missed: u64,
    /// The misses by endpoint and reason, most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub misses: Vec<MissGroup>,
    /// The inexact hits by scenario and differences, most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inexact_hits: Vec<InexactGroup>,
    /// Enabled scenarios that answered no call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unused: Vec<String>,
    /// Sequences of which more was asked than was recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exhausted: Vec<String>,
    /// Sockets that this process opened towards origins while it served, as counted where they are opened: 0.
    pub upstream_sockets: u64,
    /// How often changed files were taken over while they were served; the lists are of the last ones.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub edits: u64,
    /// Calls that nothing matched, and that went on to their origins; no misses.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub passed: u64,
    /// These by endpoint and reason, most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_on: Vec<MissGroup>,
    /// Groups that were left out of the lists above because there were too many kinds of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub groups_left_out: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Misses of one endpoint for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissGroup {
    /// Method and URL without query.
    pub endpoint: String,
    /// Why, in words.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// The first of them, a call number for `retake calls show`.
    pub first_call: u64,
}

/// Inexact hits of one scenario with the same differences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InexactGroup {
    /// The scenario that answered.
    pub scenario: String,
    /// What was different.
    pub differences: Vec<String>,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first_call: u64,
}

/// How many lines of a list the text shows; JSON has them all.
const LINES: usize = 10;

impl Receipt {
    /// The receipt in a few lines for a terminal; nothing in it acts on one.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let calls = self.served + self.missed + self.passed;
        let _ = write!(out, "{} to {}", count(calls, "call"), clean(&self.collections.join(", ")));
        let _ = writeln!(
            out,
            " (profile {}, {} upstream sockets)\n  {} served, {} of them inexact; {} missed",
            self.profile, self.upstream_sockets, self.served, self.inexact, self.missed
        );
        if self.passed > 0 {
            let _ = writeln!(out, "  {} passed on to their origins", count(self.passed, "call"));
        }
        let miss_line = |miss: &MissGroup| {
            format!("{} × {}  {}  (call {})", miss.count, clean(&miss.endpoint), clean(&miss.reason), miss.first_call)
        };
        list(&mut out, "missed", &self.misses, miss_line);
        list(&mut out, "passed on", &self.passed_on, miss_line);
        list(&mut out, "inexact", &self.inexact_hits, |hit| {
            format!(
                "{} × {}  {}  (call {})",
                hit.count,
                clean(&hit.scenario),
                clean(&hit.differences.join("; ")),
                hit.first_call
            )
        });
        list(&mut out, "asked for more than was recorded", &self.exhausted, |name| clean(name).into_owned());
        list(&mut out, "unused", &self.unused, |name| clean(name).into_owned());
        if self.groups_left_out > 0 {
            let _ = writeln!(out, "  {} not listed: too many kinds", count(self.groups_left_out, "call"));
        }
        if self.edits > 0 {
            let _ = writeln!(out, "  the files changed {} while they were served", count(self.edits, "time"));
        }
        let _ =
            writeln!(out, "  the files served: blake3 {}", self.served_blake3.get(..16).unwrap_or(&self.served_blake3));
        out
    }
}

fn list<T>(out: &mut String, title: &str, items: &[T], line: impl Fn(&T) -> String) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(out, "  {title}:");
    for item in items.iter().take(LINES) {
        let _ = writeln!(out, "    {}", line(item));
    }
    if items.len() > LINES {
        let _ = writeln!(out, "    … and {} more (`--report json=FILE` has them all)", items.len() - LINES);
    }
}

fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_names_everything_and_stays_short() {
        let receipt = Receipt {
            collections: vec!["github".into()],
            profile: "best".into(),
            served: 3,
            inexact: 1,
            missed: 1,
            misses: vec![MissGroup {
                endpoint: "GET https://api.github.com/x\x1b[31m".into(),
                reason: "no such endpoint".into(),
                count: 1,
                first_call: 4,
            }],
            unused: (0..12).map(|number| format!("github: GET /unused#{number}")).collect(),
            served_blake3: "ab".repeat(32),
            ..Receipt::default()
        };
        let text = receipt.text();
        assert!(text.contains("3 served, 1 of them inexact; 1 missed"), "{text}");
        assert!(text.contains("no such endpoint  (call 4)") && text.contains("… and 2 more"), "{text}");
        assert!(!text.contains('\x1b'));
    }
}
