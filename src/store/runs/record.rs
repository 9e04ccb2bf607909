//! What the log of a run says of one call.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::redact::PlaceholderIn;

/// How much of a body a call record keeps, in bytes.
pub const LOGGED_BODY: usize = 64 * 1024;
/// How much of a request body it keeps where a test may ask for the whole, in bytes.
pub const WHOLE_BODY: usize = 8 * 1024 * 1024;

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallResult {
    /// Everything agreed.
    Exact,
    /// Served, with differences that are named.
    Inexact,
    /// Nothing matched.
    Miss,
    /// Nothing matched, and it went on to its origin.
    Passed,
    /// The call could not be read, or never became a request.
    Error,
    /// No call: somebody changed the state of the running replay.
    State,
}

/// What somebody changed of the state of a running replay, so that what later calls found can be told from the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateChange {
    /// Everything began anew.
    Reset {
        /// For every cursor, not only for that of the record.
        every: bool,
    },
    /// Things entered a state.
    Enter {
        /// Each with its collection.
        things: Vec<StateOf>,
        /// The state.
        state: String,
    },
    /// A sequence went before one of its steps.
    Step {
        /// The scenario, as calls name it.
        scenario: String,
        /// The step, from 1.
        step: usize,
    },
}

/// What has a named state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateOf {
    /// The collection.
    pub collection: String,
    /// The thing; empty for the collection as a whole.
    pub of: String,
}

/// A request or an answer as the call log keeps it, masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedMessage {
    /// Field lines in order.
    pub fields: Vec<(String, String)>,
    /// The body as text, at most the first 64 KiB ([`WHOLE_BODY`] inside a test); binary bodies are described.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Size of the whole body in bytes, content coding undone.
    pub body_bytes: u64,
    /// The body was kept in memory, and is no longer, since bodies of later calls needed its room.
    #[serde(skip)]
    pub body_dropped: bool,
}

/// One answered call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Counted from 1 within the run, in the order in which calls reached the matcher.
    pub call: u64,
    /// When its head had been read.
    pub at: Timestamp,
    /// From then until the answer was ready, in microseconds.
    pub duration_us: u64,
    /// The method.
    pub method: String,
    /// The URL, masked; a path alone when the call named no origin.
    pub url: String,
    /// The status that was answered.
    pub status: u16,
    /// What it came to.
    pub result: CallResult,
    /// The cursor that it named; absent where that is the one of the whole server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Arc<str>>,
    /// The scenario that answered: `github: GET /users/{login}#octocat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<Arc<str>>,
    /// Which step of the scenario's sequence, from 1; absent where there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// The score, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// What was different in an inexact hit, one line each; for a miss or an error the reason, in one line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
    /// What the call asked of the mock in `x-mock-*` fields, which are no part of its request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steering: Vec<(String, String)>,
    /// Where the request held a placeholder in place of a secret, of a call that went on to its origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<PlaceholderIn>,
    /// The request, unless the hit was exact: then the scenario says what it looked like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<LoggedMessage>,
    /// The answer as it went out, where the log was to keep it and it was not what the collection had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<LoggedMessage>,
    /// What was changed, if it is no call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateChange>,
    /// The id of the miss report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub miss: Option<String>,
    /// The miss report, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<serde_json::Value>,
    /// The miss report, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_text: Option<String>,
}

impl CallRecord {
    /// What its messages take, about: the rest of a record is small.
    pub(super) fn bytes(&self) -> usize {
        let messages = self.request.iter().chain(&self.response);
        let messages = messages.map(LoggedMessage::bytes).sum::<usize>();
        // A report is kept as JSON, too.
        messages + 3 * self.report_text.as_ref().map_or(0, String::len)
    }

    /// Forgets the bodies of its messages.
    pub(super) fn drop_bodies(&mut self) {
        for message in self.request.iter_mut().chain(&mut self.response).filter(|message| !message.body.is_empty()) {
            (message.body, message.body_dropped) = (String::new(), true);
        }
    }
}

impl LoggedMessage {
    fn bytes(&self) -> usize {
        self.body.len() + self.fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }
}
