//! The history as everybody else sees it: one narrow trait. A shared store for teams will be a second implementation.

use std::io::Read;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Body, BodyEnd, Exchange, ExchangeId, Origin};

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
    /// Glob over the media type of the response, such as `application/json` or `image/*`.
    #[serde(default)]
    pub media_type: Option<String>,
    /// How it ended: `complete`, `failed`, `cancelled`, `interrupted`, `relayed`.
    #[serde(default)]
    pub outcome: Option<String>,
    /// Size of the response body as stored, in bytes, from and to, both included.
    #[serde(default)]
    pub size: Option<(u64, u64)>,
    /// Duration in microseconds, from and to, both included.
    #[serde(default)]
    pub duration_us: Option<(u64, u64)>,
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

/// What is looked for in the text of exchanges: method and URL, field lines, decoded text bodies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    /// The text, or the regular expression.
    pub text: String,
    /// A regular expression, matched in linear time.
    pub regex: bool,
    /// Upper and lower case differ.
    pub case_sensitive: bool,
}

/// Where in an exchange a pattern was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Method and URL of the request.
    Url,
    /// A field line of the request, trailers included.
    RequestField,
    /// The request's body.
    RequestBody,
    /// A field line of the response, trailers included.
    ResponseField,
    /// The response's body.
    ResponseBody,
}

/// An exchange in which a pattern was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Its line of the listing.
    pub row: Row,
    /// Where it was found first.
    pub place: Place,
    /// The text around the first match, on one line, cut to some 200 characters; `…` stands for what was left out.
    pub excerpt: String,
    /// The bytes of `excerpt` that matched, from and to.
    pub matched: (u32, u32),
}

/// A piece of a search: what was found until the limit, or until some time had gone by, so that hits can be shown as
/// they are found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The hits, newest first.
    pub hits: Vec<Hit>,
    /// Where to go on, if there is more to look at: the lowest number that was looked at.
    pub next: Option<u64>,
    /// How many exchanges were looked at.
    pub looked_at: u64,
    /// When the last one looked at started.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// What could not be looked at (a damaged record, a body that cannot be decoded), a sentence each.
    pub warnings: Vec<String>,
}

/// What the files of a store take, in bytes on disk, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Exchanges listed.
    pub exchanges: u64,
    /// Bytes of the journal's segments.
    pub journal: u64,
    /// Number of segments.
    pub segments: u64,
    /// Bytes of body files.
    pub blobs: u64,
    /// Number of body files.
    pub blob_files: u64,
    /// Bytes of the index.
    pub index: u64,
    /// Bytes of the replays' call logs.
    pub runs: u64,
    /// Bytes of damaged things kept aside.
    pub quarantine: u64,
    /// Bytes of everything else.
    pub other: u64,
}

/// A change of what is recorded. Exchanges are immutable but for this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Edit {
    /// Adds and removes tags, and sets a note.
    Label {
        /// Which exchanges, as ranges of numbers, both ends included; numbers that are not there are passed over.
        numbers: Vec<(u64, u64)>,
        /// Tags to add.
        add: Vec<String>,
        /// Tags to remove.
        remove: Vec<String>,
        /// The new note; an empty one removes it; none leaves it.
        note: Option<String>,
    },
    /// Removes exchanges, and the body files that no other refers to. Numbers are never given again.
    Delete {
        /// Which exchanges, as ranges of numbers, both ends included.
        numbers: Vec<(u64, u64)>,
        /// Only count.
        dry_run: bool,
    },
    /// Removes exchanges that are too old, then the oldest until the store is small enough. Also sweeps body files that
    /// no exchange refers to.
    Prune {
        /// Those started before this moment.
        older_than: Option<Timestamp>,
        /// Until journal, blobs and index take at most this many bytes.
        max_bytes: Option<u64>,
        /// Spare what has a tag.
        keep_tagged: bool,
        /// Only count.
        dry_run: bool,
    },
    /// Masks what is already recorded once more, with the rules of today and these: journal, body files, index, call
    /// logs, quarantine.
    Mask {
        /// The user's rules; the built-in table is always applied.
        rules: crate::redact::MaskRules,
        /// Only count.
        dry_run: bool,
    },
}

/// What an [`Edit`] did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EditReport {
    /// Exchanges changed or removed.
    pub exchanges: u64,
    /// Values masked; only for [`Edit::Mask`].
    pub values: u64,
    /// Bytes of journal and body files before, and after.
    pub bytes: (u64, u64),
    /// When the first and the last of the exchanges started, if there was any.
    pub span: Option<(Timestamp, Timestamp)>,
    /// What the user must know: spared because tagged, a damaged record left alone.
    pub warnings: Vec<String>,
}

/// Why the history could not answer.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// This history cannot do that.
    #[error("{0}")]
    Unsupported(String),
    /// The pattern cannot be looked for: the pattern, and what is wrong with it.
    #[error("`{0}` cannot be looked for: {1}")]
    BadPattern(String, String),
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
    /// What had to be repaired when this process opened the store, a sentence each. Who opens it tells the user, once.
    fn repairs(&self) -> Vec<String> {
        Vec::new()
    }
    /// The stored bytes of a body, streaming.
    fn body(&self, exchange: &Exchange, body: &Body) -> Result<Box<dyn Read + Send>, HistoryError>;
    /// Looks for a pattern, newest first, starting below the number `before`: until `limit` hits are found, or some
    /// time has gone by; `next` of the answer goes on. `stop` is asked often: when it says so, nobody waits for the
    /// answer any more.
    fn search(
        &self,
        query: &Query,
        pattern: &Pattern,
        before: Option<u64>,
        limit: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<Found, HistoryError> {
        let _ = (query, pattern, before, limit, stop);
        Err(HistoryError::Unsupported("this history cannot be searched".into()))
    }
    /// What the store takes on disk.
    fn usage(&self) -> Result<Usage, HistoryError> {
        Err(HistoryError::Unsupported("this history does not know its size".into()))
    }
    /// Changes what is recorded; when it returns, old values are gone from every file.
    fn edit(&self, edit: &Edit) -> Result<EditReport, HistoryError> {
        let _ = edit;
        Err(HistoryError::Unsupported("this history cannot be changed".into()))
    }
    /// Stores the bytes of a body of an exchange that [`History::import`] brings later; they must be masked already.
    fn import_body(&self, content: &mut dyn Read, end: BodyEnd) -> Result<Body, HistoryError> {
        let _ = (content, end);
        Err(HistoryError::Unsupported("this history cannot be added to".into()))
    }
    /// Adds an exchange from elsewhere, masked already, and gives it its number, which is returned; `None` when one of
    /// its id is there. After the last one, [`History::sync`].
    fn import(&self, exchange: Exchange) -> Result<Option<u64>, HistoryError> {
        let _ = exchange;
        Err(HistoryError::Unsupported("this history cannot be added to".into()))
    }
    /// Makes durable what was imported: it outlives the machine, too.
    fn sync(&self) -> Result<(), HistoryError> {
        Ok(())
    }
}
