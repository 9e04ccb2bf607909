//! Promotion: exchanges of the history become stubs and scenarios of a collection. Pure: bodies come in decoded, or as
//! hash and size, and what goes out is a collection with the list of body files that somebody else writes.
//!
//! The exchanges are read twice. [`Survey`] keeps a few hundred bytes of each, and finds which values will differ in
//! the next recording; [`Promoter`] keeps only what a scenario needs, so its memory grows with the collection that comes
//! out, not with the selection that goes in. Both take them one at a time, in any order. `docs/promotion.md` has the
//! rules.

mod answer;
mod body;
mod bucket;
mod canonical;
mod committed;
mod difference;
mod endpoint;
mod group;
mod meant;
mod merge;
mod names;
mod promoter;
mod proposal;
mod report;
mod request;
mod sample;
mod survey;

#[cfg(test)]
mod testing;

use bytes::Bytes;

use crate::collection::{BodySpec, Collection, StubFile};
use crate::model::{ContentHash, Exchange};

pub(crate) use canonical::{Lens, Seen, escaped, without_placeholders};
pub use merge::empty;
pub use promoter::Promoter;
pub use proposal::{Proposal, ask};
pub use report::{Change, Conflict, HostLine, LeftOut, Lossy, Reason, Report, Sampled, ScenarioLine, Stale, StubLine};
pub use survey::{Confidence, Findings, LinkLine, RuleLine, Survey};

/// Bodies up to this many bytes, decoded, stand inside a stub file; larger ones go to `bodies/`.
pub const INLINE_LIMIT: u64 = 64 * 1024;

/// Bodies up to this many bytes, decoded, are compared by what they say; larger ones by their bytes.
pub const COMPARE_LIMIT: u64 = 1024 * 1024;

/// The content of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// At most [`COMPARE_LIMIT`] bytes.
    Small(Bytes),
    /// More than that: BLAKE3 of the bytes, and how many.
    Large {
        /// BLAKE3 of the content.
        hash: ContentHash,
        /// In bytes.
        size: u64,
    },
}

impl Content {
    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        matches!(self, Content::Small(bytes) if bytes.is_empty())
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        match self {
            Content::Small(bytes) => bytes.len() as u64,
            Content::Large { size, .. } => *size,
        }
    }
}

/// A recorded body, its content coding undone where that was possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The content.
    pub content: Content,
    /// The `Content-Encoding` that is still on it, because it could not be undone whole.
    pub coded: Option<String>,
}

impl Decoded {
    /// A body that is not coded.
    pub fn plain(bytes: impl Into<Bytes>) -> Self {
        Decoded { content: Content::Small(bytes.into()), coded: None }
    }
}

/// An exchange with its bodies decoded.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The exchange; its bodies are not looked at.
    pub exchange: Exchange,
    /// The request's body.
    pub request: Decoded,
    /// The response's body; empty without a response.
    pub response: Decoded,
}

/// What the user asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Name of the collection, for a new one.
    pub name: String,
    /// Take the new answer where it differs from the committed one.
    pub replace: bool,
    /// Make the scenario of the exchange with this number its stub's default.
    pub default: Option<u64>,
    /// Write down how long the origin took to answer.
    pub durations: bool,
    /// Keep at most so many scenarios of a stub, those that are committed among them.
    pub sample: Option<usize>,
}

/// The collection as it stands on disk.
#[derive(Clone, Copy)]
pub struct Existing<'a> {
    /// Its files.
    pub collection: &'a Collection,
    /// Reads a body of it: the bytes, or for a large one hash and size; `None` when the file is gone.
    pub content: &'a dyn Fn(&BodySpec) -> Option<Content>,
}

/// Which body of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The request's.
    Request,
    /// The response's.
    Response,
}

/// Where the bytes of a body file come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodySource {
    /// From here.
    Bytes(Bytes),
    /// From the history: the body of an exchange, decoded unless `coded`.
    Exchange {
        /// The exchange's number.
        number: u64,
        /// Which of its bodies.
        side: Side,
        /// As stored, coding and all.
        coded: bool,
    },
}

/// A file to be written beside the stubs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyFile {
    /// Relative to the collection's folder: `bodies/…`.
    pub path: String,
    /// Its content.
    pub source: BodySource,
}

/// Whether a recorded value is or carries the placeholder of a masked one.
fn is_placeholder(value: &str) -> bool {
    // The shortest is longer than that, and most values are not.
    value.len() >= 12 && crate::redact::is_placeholder(value)
}

/// Takes new stubs while a promotion is made, so that they need not all be in memory; says whether it took one.
pub type Sink<'s> = &'s mut dyn FnMut(&StubFile) -> bool;

/// What came out.
#[derive(Debug, Clone)]
pub struct Promotion {
    /// The whole collection, merged with the committed one.
    pub collection: Collection,
    /// The body files that are new or replaced.
    pub bodies: Vec<BodyFile>,
    /// The files of new stubs that were handed over while it was made; in `collection` they have no scenarios but the
    /// default.
    pub sent: std::collections::BTreeSet<String>,
    /// Whether anything differs from the committed collection.
    pub changed: bool,
    /// What was found and is not for the promotion to decide.
    pub proposals: Vec<Proposal>,
    /// What was done, for the user.
    pub report: Report,
}

/// Promotes these exchanges, in any order, into a collection or a new one.
pub fn promote(
    existing: Option<Existing<'_>>,
    exchanges: impl IntoIterator<Item = Recorded>,
    options: Options,
) -> Promotion {
    let exchanges: Vec<Recorded> = exchanges.into_iter().collect();
    let mut survey = Survey::new(existing, exchanges.len());
    exchanges.iter().for_each(|recorded| survey.push(recorded));
    let findings = survey.finish();
    let before = existing.map(|existing| existing.collection);
    let prepared = findings.prepare(before.cloned().unwrap_or_else(|| empty(&options.name)));
    let nothing = |_: &BodySpec| None;
    let content = existing.map_or(&nothing as &dyn Fn(&BodySpec) -> Option<Content>, |existing| existing.content);
    let mut promoter = Promoter::new(Existing { collection: &prepared, content }, before, &findings, options);
    for recorded in exchanges {
        promoter.push(recorded);
    }
    promoter.finish(&mut |_| false)
}
