//! One finished request with its outcome, as the history keeps it.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::body::Body;
use super::fields::Fields;
use super::origin::Origin;

/// The identity of an exchange: a UUID version 7 (RFC 9562 section 5.7), so that ids sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExchangeId(pub Uuid);

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for ExchangeId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(ExchangeId)
    }
}

/// The version of HTTP that a side spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpVersion {
    /// HTTP/1.0
    #[serde(rename = "HTTP/1.0")]
    Http10,
    /// HTTP/1.1
    #[serde(rename = "HTTP/1.1")]
    Http11,
    /// HTTP/2
    #[serde(rename = "HTTP/2")]
    Http2,
}

impl HttpVersion {
    /// As written in a status line.
    pub fn as_str(self) -> &'static str {
        match self {
            HttpVersion::Http10 => "HTTP/1.0",
            HttpVersion::Http11 => "HTTP/1.1",
            HttpVersion::Http2 => "HTTP/2",
        }
    }
}

impl From<http::Version> for HttpVersion {
    fn from(version: http::Version) -> Self {
        match version {
            http::Version::HTTP_2 | http::Version::HTTP_3 => HttpVersion::Http2,
            http::Version::HTTP_09 | http::Version::HTTP_10 => HttpVersion::Http10,
            _ => HttpVersion::Http11,
        }
    }
}

/// A request as it was received, masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// The method, as written.
    pub method: String,
    /// The server that the client meant.
    pub origin: Origin,
    /// The path as written, not decoded; `*` for an asterisk-form target.
    pub path: String,
    /// What follows `?`, as written; `None` when there is no `?`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// What the client spoke.
    pub version: HttpVersion,
    /// Header field lines as written.
    pub fields: Fields,
    /// Trailer field lines.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub trailers: Fields,
    /// The body.
    pub body: Body,
}

impl RequestRecord {
    /// Path and query as in a request line.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The whole URL.
    pub fn url(&self) -> String {
        format!("{}{}", self.origin, self.target())
    }
}

/// A response as the origin sent it, masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseRecord {
    /// What the origin spoke.
    pub version: HttpVersion,
    /// The status code, 200 to 599.
    pub status: u16,
    /// The reason phrase as written; `None` where there was none (HTTP/2), or it was the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Header field lines as written.
    pub fields: Fields,
    /// Trailer field lines.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub trailers: Fields,
    /// Interim responses that came before (RFC 9110 section 15.2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub informational: Vec<Informational>,
    /// The body.
    pub body: Body,
}

/// A 1xx response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Informational {
    /// 100 to 199.
    pub status: u16,
    /// Field lines as written.
    pub fields: Fields,
}

/// What kind of thing went wrong between retake and the origin, or between retake and the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The name has no address.
    Unresolved,
    /// Nobody listens there, or the network cannot reach it.
    Refused,
    /// The certificate or the TLS handshake was not accepted.
    Tls,
    /// The origin did not speak HTTP as it should; ambiguous framing among it.
    Protocol,
    /// The origin closed or reset the connection before its answer was whole.
    Closed,
    /// The origin took too long.
    TimedOut,
    /// The request would have come back to retake itself, or goes where retake will not go.
    Forbidden,
    /// The client broke off while it still sent its request, or sent what is no HTTP.
    Client,
}

impl FailureKind {
    /// The kind as a word, as in files and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            FailureKind::Unresolved => "unresolved",
            FailureKind::Refused => "refused",
            FailureKind::Tls => "tls",
            FailureKind::Protocol => "protocol",
            FailureKind::Closed => "closed",
            FailureKind::TimedOut => "timed-out",
            FailureKind::Forbidden => "forbidden",
            FailureKind::Client => "client",
        }
    }
}

/// Why there is no whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The class.
    pub kind: FailureKind,
    /// What happened, in words that name the host; no secrets, no control characters.
    pub message: String,
}

/// Bytes passed through a tunnel that could not be intercepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relayed {
    /// Bytes from the client.
    pub sent: u64,
    /// Bytes to the client.
    pub received: u64,
    /// Why it was not intercepted.
    pub reason: String,
}

/// What became of a request. "No answer" is not a 502 that we invented.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A whole response.
    Complete(ResponseRecord),
    /// No response, or a response that broke off.
    Failed(Failure, Option<ResponseRecord>),
    /// The client went away before the end.
    Cancelled(Option<ResponseRecord>),
    /// retake was killed while the response still streamed; what the client had until then.
    Interrupted(Option<ResponseRecord>),
    /// Not HTTP that we can read: relayed blindly.
    Relayed(Relayed),
}

impl Outcome {
    /// `complete`, `failed`, `cancelled`, `interrupted` or `relayed`.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Complete(_) => "complete",
            Outcome::Failed(..) => "failed",
            Outcome::Cancelled(_) => "cancelled",
            Outcome::Interrupted(_) => "interrupted",
            Outcome::Relayed(_) => "relayed",
        }
    }

    /// The response, whole or not, if there was one.
    pub fn response(&self) -> Option<&ResponseRecord> {
        match self {
            Outcome::Complete(response) => Some(response),
            Outcome::Failed(_, response) | Outcome::Cancelled(response) | Outcome::Interrupted(response) => {
                response.as_ref()
            }
            Outcome::Relayed(_) => None,
        }
    }

    /// [`Outcome::response`], to be changed.
    pub fn response_mut(&mut self) -> Option<&mut ResponseRecord> {
        match self {
            Outcome::Complete(response) => Some(response),
            Outcome::Failed(_, response) | Outcome::Cancelled(response) | Outcome::Interrupted(response) => {
                response.as_mut()
            }
            Outcome::Relayed(_) => None,
        }
    }
}

/// When a piece of a streamed response went by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Microseconds since the request started.
    pub at_us: u64,
    /// Bytes in this piece, as received.
    pub bytes: u64,
}

/// How long things took, all in microseconds since the request started; `None` where it did not happen (a pooled
/// connection has no `connected`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// The TCP connection stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected_us: Option<u64>,
    /// The TLS handshake was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secured_us: Option<u64>,
    /// The response head was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_us: Option<u64>,
    /// All was over.
    pub total_us: u64,
    /// The pieces of a response without known length, in order; at most the first 10 000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<Chunk>,
}

/// Facts of the TLS connection to the origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFacts {
    /// `TLSv1.3`, `TLSv1.2`
    pub version: String,
    /// The cipher suite's name.
    pub cipher: String,
    /// What ALPN agreed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<String>,
}

/// One finished request with its outcome. Immutable once stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Unique everywhere.
    pub id: ExchangeId,
    /// Counted from 1 within its store, never reused.
    pub number: u64,
    /// One run of `retake record`.
    pub session: String,
    /// What the user tagged it with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What the user noted about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When the request's head had been read, to the microsecond, UTC.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub started_at: Timestamp,
    /// The client's address and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The request.
    pub request: RequestRecord,
    /// What became of it.
    pub outcome: Outcome,
    /// How long things took.
    pub timings: Timings,
    /// TLS towards the origin, if there was any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFacts>,
    /// The response ended before the request did, and the rest of the request is not in this record (yet).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// What the file of another tool said of it and nothing above has room for, by place (`entry`, `request`,
    /// `response`, …; `formats::har`), masked. Empty for what was recorded here.
    #[serde(default, skip_serializing_if = "Vendor::is_empty")]
    pub vendor: Vendor,
}

/// Members of another tool's file, by the place where they stood.
pub type Vendor = serde_json::Map<String, serde_json::Value>;

impl Exchange {
    /// The status code, if a response came.
    pub fn status(&self) -> Option<u16> {
        self.outcome.response().map(|response| response.status)
    }

    /// The media type of the response without parameters, lower-case; empty if unknown.
    pub fn response_type(&self) -> String {
        let value = self.outcome.response().and_then(|response| response.fields.text("content-type"));
        value.map(|value| super::media::essence(&value)).unwrap_or_default()
    }
}
