//! The receipt of a replay run: what was served, what was not, and from what.

mod html;
mod junit;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::terminal::clean;

/// What a run came to. The same content is written as text, JSON, JUnit XML and HTML.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// The run's name; absent inside a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The names of the collections.
    pub collections: Vec<String>,
    /// BLAKE3 over the files of the collections, as read: `collection.json` with its settings and rules, stubs, and bodies.
    pub served_blake3: String,
    /// BLAKE3 over what was said of this run beside the collections: profile, cursors, misses, time, delays, and the names
    /// of variables.
    #[serde(default)]
    pub settings_blake3: String,
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
    /// Scenarios that answered, exactly or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answered: Vec<Answered>,
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
    /// Of these, those to which the origin gave no answer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unanswered: u64,
    /// The server stub that answered every call at the end: `github: server stub down`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_stub: Option<String>,
    /// Calls that a server stub answered, part of those served.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub by_server_stub: u64,
    /// Calls passed on, by endpoint and reason, most frequent first.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissGroup {
    /// Method and URL without query.
    pub endpoint: String,
    /// Why, in words.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// The first of them, a call number for `retake calls show` and `retake diff`.
    pub first_call: u64,
    /// The report of one of them, as text; of the first hundred groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// The first fix of that report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<FirstFix>,
}

/// What would have made a call a hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FirstFix {
    /// What it does, in a sentence.
    pub title: String,
    /// What to run.
    pub command: String,
}

/// A scenario that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answered {
    /// `github: GET /users/{login}#octocat`
    pub scenario: String,
    /// How many calls.
    pub count: u64,
}

/// What a run must hold to beside that no call misses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Every enabled scenario must have answered a call.
    pub fail_unused: bool,
    /// How many calls may have been answered inexactly.
    pub max_inexact: Option<u64>,
}

/// A reason why a run is no pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it is about.
    pub kind: FailureKind,
    /// The reason, for people.
    pub sentence: String,
}

/// What a run can fail by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Calls that nothing matched.
    Missed,
    /// The collections gave no answer at all.
    NothingServed,
    /// More inexact answers than the limit.
    Inexact,
    /// Scenarios that answered no call, where all must.
    Unused,
}

/// Inexact hits of one scenario with the same differences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Whether the run is a pass: something was served, nothing missed, and the limits hold.
    pub fn passes(&self, limits: &Limits) -> bool {
        self.failures(limits).is_empty()
    }

    /// Why the run is no pass.
    pub fn failures(&self, limits: &Limits) -> Vec<Failure> {
        let mut failures = Vec::new();
        let mut fails = |kind, sentence| failures.push(Failure { kind, sentence });
        if self.missed > 0 {
            fails(FailureKind::Missed, format!("{} missed", count(self.missed, "call")));
        } else if self.served == 0 {
            let passed = "every call went on to its origin: a run to which the collections gave no answer is no pass";
            let nothing = "no call reached the mock: a run that served nothing is no pass";
            fails(FailureKind::NothingServed, if self.passed > 0 { passed } else { nothing }.to_owned());
        }
        if let Some(max) = limits.max_inexact.filter(|max| self.inexact > *max) {
            let inexact = count(self.inexact, "answer");
            let sentence = format!("{inexact} differed from what was asked for, and `--max-inexact` allows {max}");
            fails(FailureKind::Inexact, sentence);
        }
        if limits.fail_unused && !self.unused.is_empty() {
            let unused = count(self.unused.len() as u64, "scenario");
            fails(FailureKind::Unused, format!("{unused} answered no call, and `--fail-unused` asks that all do"));
        }
        failures
    }

    /// The receipt as JSON, as the published schema has it.
    pub fn json(&self) -> String {
        // Every key is a string, so that nothing can fail here.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The receipt as JUnit XML: a test for each scenario that was called or not, and one for each kind of miss.
    pub fn junit(&self, limits: &Limits) -> String {
        junit::of(self, limits)
    }

    /// The receipt as one page of HTML that needs nothing else: light and dark, without a script.
    pub fn html(&self, limits: &Limits) -> String {
        html::of(self, limits)
    }

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
            let _ = write!(out, "  {} passed on to their origins", count(self.passed, "call"));
            let unanswered = format!(", {} of them without an answer", self.unanswered);
            let _ = writeln!(out, "{}", if self.unanswered > 0 { &unanswered } else { "" });
        }
        if self.by_server_stub > 0 {
            let _ = writeln!(out, "  {} answered by a server stub, and compared with nothing", self.by_server_stub);
        }
        if let Some(stub) = &self.server_stub {
            let _ = writeln!(out, "  {} is active: it answers every call", clean(stub));
        }
        let miss_line = |miss: &MissGroup| {
            let fix = miss
                .fix
                .as_ref()
                .map(|fix| format!("\n        fix 1: {}\n               {}", clean(&fix.title), clean(&fix.command)));
            format!(
                "{} × {}  {}  (call {}){}",
                miss.count,
                clean(&miss.endpoint),
                clean(&miss.reason),
                miss.first_call,
                fix.unwrap_or_default()
            )
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
        let _ = writeln!(
            out,
            "  the files served: blake3 {}; settings: {}",
            short(&self.served_blake3),
            short(&self.settings_blake3)
        );
        out
    }
}

/// Enough of a hash to tell two apart.
fn short(hash: &str) -> &str {
    hash.get(..16).unwrap_or(hash)
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
