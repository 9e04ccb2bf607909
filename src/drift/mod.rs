//! Drift: what the live API answers now against what was recorded, by status, decisive fields, the types of members, and
//! values. Pure: both answers come in decoded and masked.
//!
//! What a client relies on is the schema that *all* recorded answers of an endpoint agree on: a member that only some of
//! them have is optional, one that is a string here and null there may be either. `docs/drift.md` has the rules.

mod content;
mod head;
mod schema;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;

pub use schema::Schema;

use crate::collection::{Rule, RuleSide};
use crate::model::Fields;
use crate::promote::Lens;

/// One side of a comparison.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Field lines.
    pub fields: Fields,
    /// The content, its coding undone; `None` where it is not known whole, and is not compared.
    pub content: Option<Bytes>,
    /// Strings with `{{…}}` stand for anything.
    pub is_template: bool,
}

/// How much a difference matters to a client, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Another value of the same type.
    Values,
    /// Something more than there was.
    Added,
    /// Something that a client may rely on is gone or different in kind.
    Breaking,
}

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The status.
    Status,
    /// The media type, or its charset.
    ContentType,
    /// A field that clients act on.
    Field,
    /// A member, an element, or a body that was there.
    Removed,
    /// The type of a member.
    Type,
    /// A member, an element, or a body that was not there.
    Added,
    /// A value.
    Value,
    /// The order of an array.
    Order,
}

/// One difference, or several of one kind in one place of an array's members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// How much it matters.
    pub severity: Severity,
    /// What it is.
    pub kind: Kind,
    /// Where: `status`, the name of a field, or a JSON pointer in which `*` stands for every member of an array, as in a
    /// rule.
    pub at: String,
    /// What was recorded, cut if it is long; absent for what was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<String>,
    /// What is there now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<String>,
    /// In how many places; the values are those of the first.
    pub count: u64,
}

/// What became of an endpoint or a scenario, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything agrees, after the rules.
    Unchanged,
    /// Clients of the recorded API do not notice: members were added, or values differ.
    Compatible,
    /// They may.
    Breaking,
}

impl Verdict {
    /// The verdict about these differences.
    pub fn of(differences: &[Difference]) -> Verdict {
        match differences.iter().map(|difference| difference.severity).max() {
            None => Verdict::Unchanged,
            Some(Severity::Breaking) => Verdict::Breaking,
            Some(_) => Verdict::Compatible,
        }
    }

    /// The word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Unchanged => "unchanged",
            Verdict::Compatible => "compatible",
            Verdict::Breaking => "breaking",
        }
    }
}

/// Kinds of differences that are told apart in one answer; more than that are left out.
const LISTED: usize = 200;

/// How a live answer differs from a recorded one, what matters most first. `rules` are those of the stub before those of
/// the collection; `schema` is that of all recorded answers of the endpoint with this status.
pub fn compare<'a>(
    recorded: &Answer,
    live: &Answer,
    schema: &Schema,
    rules: impl IntoIterator<Item = &'a Rule>,
) -> Vec<Difference> {
    let lens = Lens::new(RuleSide::Response, rules).across_recordings();
    let mut found = Found::default();
    if head::compare(recorded, live, &lens, &mut found) {
        content::compare(recorded, live, schema, &lens, &mut found);
    }
    found.ended()
}

/// The differences found so far.
#[derive(Default)]
struct Found {
    all: Vec<Difference>,
    places: std::collections::HashMap<(Kind, String), usize>,
}

impl Found {
    fn add(&mut self, severity: Severity, kind: Kind, at: &str, recorded: Option<&str>, live: Option<&str>) {
        if let Some(&place) = self.places.get(&(kind, at.to_owned())) {
            self.all[place].count += 1;
            return;
        }
        if self.all.len() >= LISTED {
            return;
        }
        self.places.insert((kind, at.to_owned()), self.all.len());
        let (recorded, live) = shown(recorded, live);
        self.all.push(Difference { severity, kind, at: at.to_owned(), recorded, live, count: 1 });
    }

    fn has(&self, kind: Kind, at: &str) -> bool {
        self.places.contains_key(&(kind, at.to_owned()))
    }

    fn ended(self) -> Vec<Difference> {
        let mut all = self.all;
        all.sort_by(|one, other| (other.severity, one.kind, &one.at).cmp(&(one.severity, other.kind, &other.at)));
        all
    }
}

/// Two values cut around the place where they part.
fn shown(recorded: Option<&str>, live: Option<&str>) -> (Option<String>, Option<String>) {
    const WIDTH: usize = 120;
    match (recorded, live) {
        (Some(recorded), Some(live)) => {
            let (recorded, live) = crate::diff::around(recorded, live, WIDTH);
            (Some(recorded), Some(live))
        }
        (recorded, live) => {
            let cut = |text: &str| crate::diff::around(text, text, WIDTH).0;
            (recorded.map(cut), live.map(cut))
        }
    }
}
