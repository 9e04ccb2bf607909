//! The history as everybody else sees it: one narrow trait. A shared store for teams will be a second implementation.

use std::io::Read;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Body, Exchange, ExchangeId, Origin};

/// Which exchanges are wanted; everything given must hold. Globs are without case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// Started at or after this moment.
    pub since: Option<Timestamp>,
    /// Started before this moment.
    pub until: Option<Timestamp>,
    /// Of this session.
    pub session: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// With this method.
    pub method: Option<String>,
    /// Host glob, such as `*.github.com`.
    pub host: Option<String>,
    /// Path glob, such as `/users/*`; `*` takes `/` too. The query of the target is not looked at.
    pub path: Option<String>,
    /// Status codes from and to, both included.
    pub status: Option<(u16, u16)>,
    /// Only these numbers, as ranges from and to, both included.
    pub numbers: Vec<(u64, u64)>,
}

/// A line of a listing: what can be said of an exchange without its record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Counted from 1 within the store.
    pub number: u64,
    /// Unique everywhere.
    pub id: ExchangeId,
    /// When the request started.
    pub started_at: Timestamp,
    /// One run of `retake record`.
    pub session: String,
    /// Tags of the exchange.
    pub tags: Vec<String>,
    /// The method.
    pub method: String,
    /// Where it went.
    pub origin: Origin,
    /// Path and query, as written.
    pub target: String,
    /// The status code; none without an answer.
    pub status: Option<u16>,
    /// `complete`, `failed`, `cancelled`, `interrupted`, `relayed`.
    pub outcome: String,
    /// Media type of the response.
    pub media_type: String,
    /// Size of the request body as stored.
    pub request_bytes: u64,
    /// Size of the response body as stored.
    pub response_bytes: u64,
    /// Hash of the response body as stored, in hex.
    pub response_blake3: String,
    /// From start to end, in microseconds.
    pub duration_us: u64,
    /// Where its record stands in the journal: segment and offset.
    pub at: (u32, u64),
}

/// A page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The rows, newest first.
    pub rows: Vec<Row>,
    /// The cursor of the next page, if there is one: the lowest number that was looked at.
    pub next: Option<u64>,
}

/// A day or a session with its count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// `2026-11-20`, or the session's name.
    pub name: String,
    /// How many exchanges.
    pub count: u64,
    /// The hosts called, most called first.
    pub hosts: Vec<(String, u64)>,
    /// When its first exchange started.
    pub first: Timestamp,
    /// When its last exchange started.
    pub last: Timestamp,
}

/// Why the history could not answer.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// No exchange of that number or id.
    #[error("there is no exchange `{0}` in this history")]
    Unknown(String),
    /// Several exchanges whose id ends so.
    #[error("`{given}` could be any of {}", .candidates.join(", "))]
    Ambiguous {
        /// What was typed.
        given: String,
        /// The candidates: number and id.
        candidates: Vec<String>,
    },
    /// The text is no number, range, id or id ending.
    #[error(
        "`{0}` is no exchange: give a number (1040), a range (1040-1061), an id, or the last six or more characters of an id"
    )]
    BadSelector(String),
    /// A glob that cannot be read: the glob, and what is wrong with it.
    #[error("`{0}` is no glob: {1}")]
    BadGlob(String, String),
    /// A record or a body file is damaged or missing.
    #[error("{0}")]
    Damaged(String),
    /// The disk or the socket failed.
    #[error("the history could not be read: {0}")]
    Io(#[from] std::io::Error),
}

/// Reading the history. Implemented by the store on disk, and by the control socket of a running recorder.
///
/// All calls block; async callers use a blocking thread.
pub trait History: Send + Sync {
    /// One page of rows, newest first, starting below the number `before`; at most `limit` rows.
    fn list(&self, query: &Query, before: Option<u64>, limit: usize) -> Result<Page, HistoryError>;
    /// The days of a zone with their counts, newest first.
    fn days(&self, query: &Query, zone: &jiff::tz::TimeZone) -> Result<Vec<Group>, HistoryError>;
    /// The exchange of that number.
    fn get(&self, number: u64) -> Result<Exchange, HistoryError>;
    /// The numbers that a selector of the command line means: a number, a range, an id, or the end of an id. Ranges
    /// skip numbers that are not there; a range without any is [`HistoryError::Unknown`].
    fn resolve(&self, selector: &str) -> Result<Vec<u64>, HistoryError>;
    /// What had to be repaired when the store was opened, a sentence each; the user is told.
    fn repairs(&self) -> Vec<String> {
        Vec::new()
    }
    /// The stored bytes of a body, streaming.
    fn body(&self, exchange: &Exchange, body: &Body) -> Result<Box<dyn Read + Send>, HistoryError>;
}
