//! `_retake`: what HAR has no room for, so that a log of our own comes back as the same exchanges.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::document::Header;
use crate::model::{Body, BodyEnd, Exchange, ExchangeId, Failure, Fields, Outcome, Relayed, Timings, TlsFacts};

/// `_retake` of an entry.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Own {
    pub(super) id: ExchangeId,
    /// As it was in the history that wrote it; another history gives its own.
    pub(super) number: u64,
    pub(super) session: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    /// `complete`, `failed`, `cancelled`, `interrupted` or `relayed`.
    pub(super) outcome: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<Failure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) relayed: Option<Relayed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) client: Option<String>,
    pub(super) timings: Timings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tls: Option<TlsFacts>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) partial: bool,
    /// It came from another tool's file: what follows from the exchange may be that file's own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) foreign: bool,
    /// The page that this entry was the first of: `log.pages` comes after the entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) page: Option<Value>,
    /// The path as written, where the URL cannot have it: `*`, or none at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    pub(super) request: OwnMessage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<OwnMessage>,
}

/// What HAR does not say of a message.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct OwnMessage {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) trailers: Vec<Header>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) informational: Vec<OwnInterim>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<OwnBody>,
}

/// An interim response.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OwnInterim {
    pub(super) status: u16,
    pub(super) headers: Vec<Header>,
}

/// Facts of a body.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OwnBody {
    /// BLAKE3 of the bytes as stored.
    pub(super) blake3: String,
    pub(super) size: u64,
    pub(super) wire_size: u64,
    pub(super) end: BodyEnd,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) coding_removed: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) masked: u32,
    /// The text of the entry is the body as carried: its coding could not be undone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) as_carried: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Own {
    /// Everything but the bodies of an exchange.
    pub(super) fn of(exchange: &Exchange) -> Own {
        let (failure, relayed) = match &exchange.outcome {
            Outcome::Failed(failure, _) => (Some(failure.clone()), None),
            Outcome::Relayed(relayed) => (None, Some(relayed.clone())),
            _ => (None, None),
        };
        let path = &exchange.request.path;
        Own {
            id: exchange.id,
            number: exchange.number,
            session: exchange.session.clone(),
            tags: exchange.tags.clone(),
            note: exchange.note.clone(),
            outcome: exchange.outcome.word().to_owned(),
            failure,
            relayed,
            client: exchange.client.clone(),
            timings: exchange.timings.clone(),
            tls: exchange.tls.clone(),
            partial: exchange.partial,
            foreign: !exchange.vendor.is_empty(),
            page: exchange.vendor.get("page").cloned(),
            path: (!path.starts_with('/')).then(|| path.clone()),
            request: OwnMessage { trailers: headers(&exchange.request.trailers), ..OwnMessage::default() },
            response: exchange.outcome.response().map(|response| OwnMessage {
                trailers: headers(&response.trailers),
                informational: response
                    .informational
                    .iter()
                    .map(|interim| OwnInterim { status: interim.status, headers: headers(&interim.fields) })
                    .collect(),
                body: None,
            }),
        }
    }
}

impl OwnBody {
    pub(super) fn of(body: &Body, as_carried: bool) -> OwnBody {
        OwnBody {
            blake3: body.hash.to_hex(),
            size: body.size,
            wire_size: body.wire_size,
            end: body.end,
            coding_removed: body.coding_removed.clone(),
            masked: body.masked,
            as_carried,
        }
    }
}

/// Field lines as HAR writes them.
pub(super) fn headers(fields: &Fields) -> Vec<Header> {
    fields.iter().map(Header::of).collect()
}
