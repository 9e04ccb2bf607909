//! What a promotion did, as data; `crate::report::promotion` shows it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::survey::{LinkLine, RuleLine};

/// What became of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was added.
    New,
    /// It says what was committed already.
    Same,
    /// `--replace` took the new answer.
    Changed,
    /// The committed answer differs, and stays.
    Conflict,
}

impl Change {
    /// As written in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Change::New => "new",
            Change::Same => "same",
            Change::Changed => "changed",
            Change::Conflict => "conflict",
        }
    }
}

/// Why exchanges were left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No answer came, or it broke off.
    Failed,
    /// The client went away before the end.
    Cancelled,
    /// retake was killed while the answer streamed.
    Interrupted,
    /// A tunnel that could not be read.
    Relayed,
    /// The connection left HTTP with a 101.
    Upgraded,
    /// The request is not in the record whole.
    Partial,
    /// The target is no path (`OPTIONS *`).
    NoPath,
    /// Their stub has defaults that they do not have, so that no scenario in it could be theirs.
    Defaults,
    /// Its record or a body of it cannot be read.
    Damaged,
}

impl Reason {
    /// In words, for a count before it.
    pub fn words(self) -> &'static str {
        match self {
            Reason::Failed => "without a whole answer (failed)",
            Reason::Cancelled => "broken off by the client (cancelled)",
            Reason::Interrupted => "cut off when the recorder was killed (interrupted)",
            Reason::Relayed => "relayed unread",
            Reason::Upgraded => "upgraded to another protocol (101)",
            Reason::Partial => "whose request is not recorded whole (partial)",
            Reason::NoPath => "without a path (`*`)",
            Reason::Defaults => "without a query pair or field that the defaults of their stub ask for",
            Reason::Damaged => "whose record cannot be read",
        }
    }
}

/// Exchanges left out for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Why.
    pub reason: Reason,
    /// How many.
    pub count: u64,
    /// The first of them by number, at most ten.
    pub numbers: Vec<u64>,
}

/// Two answers that differ, each in a few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// What is committed.
    pub committed: String,
    /// What was recorded.
    pub recorded: String,
    /// Where they part first, such as `body /public_repos`.
    pub at: String,
}

/// A scenario that the selection touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScenarioLine {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub change: Change,
    /// How many calls went into it.
    pub calls: u64,
    /// How many steps its recorded answers make.
    pub steps: usize,
    /// Status code of the first recorded answer.
    pub status: u16,
    /// Number of the first exchange.
    pub number: u64,
    /// It was made its stub's default.
    pub default: bool,
    /// How it differs, for a conflict or a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict: Option<Conflict>,
}

/// A stub that the selection touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StubLine {
    /// Path of its file in the collection.
    pub file: String,
    /// The method.
    pub method: String,
    /// The origin as written.
    pub origin: String,
    /// The path pattern.
    pub path: String,
    /// The file is new.
    pub new: bool,
    /// Its scenarios, those of the selection only.
    pub scenarios: Vec<ScenarioLine>,
}

/// Something that replay will not give back as it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lossy {
    /// The exchange's number.
    pub number: u64,
    /// The call, `GET https://…`.
    pub call: String,
    /// What is lost.
    pub what: String,
}

/// The calls to one host, so that stray traffic is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostLine {
    /// The host, with its port where it is not the scheme's own.
    pub host: String,
    /// Calls selected.
    pub calls: u64,
    /// Of these, promoted.
    pub promoted: u64,
    /// Endpoints that they went to.
    pub stubs: u64,
}

/// Scenarios of a stub that nothing in the selection called, though they were recorded once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stale {
    /// Method and path of the stub.
    pub stub: String,
    /// Their names.
    pub scenarios: Vec<String>,
}

/// What a promotion did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Name of the collection.
    pub collection: String,
    /// Exchanges selected.
    pub selected: u64,
    /// Of these, promoted.
    pub promoted: u64,
    /// Scenarios by what became of them.
    pub counts: BTreeMap<&'static str, u64>,
    /// The stubs that were touched, by file.
    pub stubs: Vec<StubLine>,
    /// What was left out, by reason.
    pub left_out: Vec<LeftOut>,
    /// What replay will not give back, at most a hundred.
    pub lossy: Vec<Lossy>,
    /// The hosts called, most called first.
    pub hosts: Vec<HostLine>,
    /// Scenarios of the stubs called that nothing in the selection called: what may be stale. They stay.
    pub stale: Vec<Stale>,
    /// The rules that were found, applied or not.
    pub rules: Vec<RuleLine>,
    /// The values that one exchange introduced and others carry.
    pub links: Vec<LinkLine>,
    /// The stubs of which `--sample` left scenarios out.
    pub sampled: Vec<Sampled>,
}

/// A stub of which `--sample` left scenarios out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sampled {
    /// Method, origin and path.
    pub stub: String,
    /// How many new scenarios were kept.
    pub kept: usize,
    /// How many were left out.
    pub left_out: usize,
    /// Of those, how many get by an exact hit the answer of one that is there, and recorded another one.
    pub answered: usize,
}

impl Report {
    /// How many scenarios became that.
    pub fn count(&self, change: Change) -> u64 {
        self.counts.get(change.as_str()).copied().unwrap_or_default()
    }
}
