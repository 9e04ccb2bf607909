//! A record as a search needs it: borrowed from the bytes of the journal, and only what has text in it.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::model::coding::{self, Coding, DecodeError};
use crate::model::fields::text_of;
use crate::model::{BodyEnd, ContentHash, ExchangeId, Fields};
use crate::store::index::Line;

/// An exchange.
#[derive(Deserialize)]
pub(super) struct Record<'a> {
    pub(super) id: ExchangeId,
    pub(super) number: u64,
    #[serde(borrow)]
    pub(super) request: Message<'a>,
    #[serde(borrow)]
    outcome: Outcome<'a>,
}

/// A request or a response.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) fields: Vec<Line<'a>>,
    #[serde(borrow, default)]
    pub(super) trailers: Vec<Line<'a>>,
    #[serde(borrow, default)]
    pub(super) informational: Vec<Interim<'a>>,
    #[serde(borrow)]
    pub(super) body: Stored<'a>,
}

/// An interim response.
#[derive(Deserialize)]
pub(super) struct Interim<'a> {
    #[serde(borrow)]
    pub(super) fields: Vec<Line<'a>>,
}

/// A body.
#[derive(Deserialize)]
pub(super) struct Stored<'a> {
    #[serde(borrow)]
    pub(super) content: Content<'a>,
    pub(super) size: u64,
    pub(super) hash: ContentHash,
    pub(super) end: BodyEnd,
    #[serde(default)]
    coding_removed: Option<IgnoredAny>,
}

/// Where the bytes of a body are.
#[derive(Deserialize)]
pub(super) enum Content<'a> {
    Inline(#[serde(borrow, with = "serde_bytes")] &'a [u8]),
    Blob,
    Stream,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome<'a> {
    Complete(#[serde(borrow)] Message<'a>),
    Failed(IgnoredAny, #[serde(borrow)] Option<Message<'a>>),
    Cancelled(#[serde(borrow)] Option<Message<'a>>),
    Interrupted(#[serde(borrow)] Option<Message<'a>>),
    Relayed(IgnoredAny),
}

impl<'a> Record<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Record<'a>, String> {
        rmp_serde::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// The response, whole or not, if there was one.
    pub(super) fn response(&self) -> Option<&Message<'a>> {
        match &self.outcome {
            Outcome::Complete(response) => Some(response),
            Outcome::Failed(_, response) | Outcome::Cancelled(response) | Outcome::Interrupted(response) => {
                response.as_ref()
            }
            Outcome::Relayed(_) => None,
        }
    }
}

impl Message<'_> {
    /// The field lines of all kinds, trailers last.
    pub(super) fn lines(&self) -> impl Iterator<Item = &Line<'_>> {
        self.informational.iter().flat_map(|interim| &interim.fields).chain(&self.fields).chain(&self.trailers)
    }

    /// The value of the first header field of that name, as text.
    pub(super) fn text(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        self.fields.iter().find(|line| line.name.eq_ignore_ascii_case(name)).map(|line| text_of(line.value))
    }

    /// The codings in which the body is stored.
    pub(super) fn codings(&self) -> Result<Vec<Coding>, DecodeError> {
        if self.body.coding_removed.is_some() {
            return Ok(Vec::new());
        }
        let named = self.fields.iter().filter(|line| line.name.eq_ignore_ascii_case("content-encoding"));
        let named: Fields = named.map(|line| crate::model::Field::new(line.name, line.value)).collect();
        if named.is_empty() { Ok(Vec::new()) } else { coding::codings(&named) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Body, BodyContent, Failure, FailureKind, Informational, Outcome as Whole, Relayed};
    use crate::store::testing::exchange;

    #[test]
    fn every_outcome_is_read_as_it_was_written() {
        let mut whole = exchange(7);
        whole.request.trailers.push("X-Sum", "1");
        let response = {
            let response = whole.outcome.response_mut().unwrap();
            response.fields.push("Content-Encoding", "gzip, br");
            let mut hints = Fields::new();
            hints.push("Link", "</a>");
            response.informational.push(Informational { status: 103, fields: hints });
            response.clone()
        };
        let failure = Failure { kind: FailureKind::Closed, message: "m".into() };
        for (outcome, has_response) in [
            (Whole::Complete(response.clone()), true),
            (Whole::Failed(failure.clone(), Some(response.clone())), true),
            (Whole::Failed(failure, None), false),
            (Whole::Cancelled(Some(response.clone())), true),
            (Whole::Interrupted(None), false),
            (Whole::Relayed(Relayed { sent: 1, received: 2, reason: "r".into() }), false),
        ] {
            whole.outcome = outcome;
            let bytes = rmp_serde::to_vec_named(&whole).unwrap();
            let record = Record::parse(&bytes).unwrap();
            assert_eq!((record.id, record.number), (whole.id, 7));
            assert_eq!(record.request.lines().map(|line| line.name).collect::<Vec<_>>(), ["X-Sum"]);
            assert_eq!(record.response().is_some(), has_response);
            let Some(read) = record.response() else { continue };
            let names: Vec<&str> = read.lines().map(|line| line.name).collect();
            assert_eq!(names, ["Link", "Content-Type", "Content-Encoding"]);
            assert_eq!(read.codings().unwrap(), [Coding::Gzip, Coding::Brotli]);
            let BodyContent::Inline(expected) = &response.body.content else { panic!("inline") };
            assert!(matches!(read.body.content, Content::Inline(bytes) if bytes == expected));
            assert_eq!((read.body.size, read.body.hash), (response.body.size, response.body.hash));
        }
    }

    #[test]
    fn bodies_elsewhere_and_decoded_ones_are_told() {
        for (content, is_blob) in [(BodyContent::Blob, true), (BodyContent::Stream, false)] {
            let mut whole = exchange(1);
            let response = whole.outcome.response_mut().unwrap();
            response.fields.push("content-encoding", "unheard-of");
            response.body = Body { content, coding_removed: Some("gzip".into()), ..Body::empty() };
            let bytes = rmp_serde::to_vec_named(&whole).unwrap();
            let record = Record::parse(&bytes).unwrap();
            let read = record.response().unwrap();
            assert_eq!(matches!(read.body.content, Content::Blob), is_blob);
            assert_eq!(matches!(read.body.content, Content::Stream), !is_blob);
            assert!(read.codings().unwrap().is_empty());
        }
    }
}
