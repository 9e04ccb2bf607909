//! What a mock is: the types of a collection's files. Pure data; reading and writing folders is `store::collections`.
//!
//! A collection is a folder: `collection.json` ([`Manifest`]), one file per endpoint under `stubs/` ([`Stub`]), and
//! bodies that are binary or large under `bodies/`. `docs/collection-format.md` describes it for people.

mod answering;
pub mod body;
mod captures;
pub mod change;
pub mod check;
mod copying;
mod example;
mod generated;
mod key;
mod labels;
pub mod locate;
pub mod manifest;
pub mod matcher;
mod names;
pub mod pattern;
mod pending;
mod placing;
mod repath;
pub mod rule;
mod rule_words;
pub mod schema;
mod shape;
mod shared;
pub mod state;
pub mod stub;
mod style;
pub mod template;
mod twins;
mod used;
mod xml_path;

pub use answering::{Delay, Fault, FaultKind, MAX_DELAY_MS, PacedPiece, ShiftDates, Span};
pub use body::{BodySpec, JsonStyle};
pub use captures::Captures;
pub use change::{Change, ChangeError};
pub use check::Problem;
pub use copying::answers_of;
pub use generated::Generated;
pub use key::{BadStubKey, StubKey};
pub use labels::Labels;
pub use manifest::{
    AccessKey, Manifest, OnMiss, OriginPattern, PortPattern, PostmanSettings, Profile, ServerStub, Settings,
};
pub use matcher::{Matcher, PlacedMatcher};
pub use names::{body_file_name, extension, file_name, media_type_of, singular, slug};
pub use pattern::{PathPattern, SegmentPattern, SegmentRegex};
pub use pending::{PENDING, Pending, Proposer, Refusal, Standing};
pub use placing::free_name;
pub use repath::PATH_STUBS;
pub use rule::{Place, Rule, RuleAction, RuleSide, ValueSource};
pub use rule_words::{item_words, matcher_words, rule_words};
pub use shape::nearest;
pub use shared::{JsonText, SharedStub};
pub use state::{START, StateSpec};
pub use stub::{Defaults, EndPolicy, FieldLine, MatchParts, QueryPair, RequestSpec, ResponseSpec, Scenario, Stub};
pub use twins::Twins;
pub use used::is_used;
pub use xml_path::XmlPath;

/// The version of the format that this build reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// The text of a file of a collection: members in the order of the types, two spaces, a final line feed.
pub fn file_text(content: &impl serde::Serialize) -> String {
    // These types have only string keys and finite numbers, so writing to memory cannot fail.
    let mut text = serde_json::to_string_pretty(content).unwrap_or_default();
    text.push('\n');
    text
}

/// A collection in memory: the manifest, and the stubs with the paths of their files, relative to the folder, sorted.
#[derive(Debug, Clone, PartialEq)]
pub struct Collection {
    /// `collection.json`
    pub manifest: Manifest,
    /// The stub files in the order of their paths, such as `stubs/api.github.com/get-users-{login}.json`.
    pub stubs: Vec<StubFile>,
}

/// A stub and the file that holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct StubFile {
    /// Path relative to the collection's folder, with `/`.
    pub path: String,
    /// Its content.
    pub stub: SharedStub,
}
