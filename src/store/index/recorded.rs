//! The row of a record, read from its bytes without its bodies: an index is made anew from a million of them.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::row::moment;
use crate::model::fields::text_of;
use crate::model::{ContentHash, ExchangeId, Origin, media};
use crate::store::history::Row;

/// A field line.
#[derive(Deserialize)]
pub(in crate::store) struct Line<'a> {
    /// The name, as written.
    pub(in crate::store) name: &'a str,
    /// The value.
    #[serde(borrow, with = "serde_bytes")]
    pub(in crate::store) value: &'a [u8],
}

#[derive(Deserialize)]
struct Recorded<'a> {
    id: ExchangeId,
    number: u64,
    session: &'a str,
    #[serde(borrow, default)]
    tags: Vec<&'a str>,
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    started_at: Timestamp,
    #[serde(borrow)]
    request: Request<'a>,
    #[serde(borrow)]
    outcome: Outcome<'a>,
    timings: Timings,
}

#[derive(Deserialize)]
struct Request<'a> {
    method: &'a str,
    origin: Origin,
    path: &'a str,
    #[serde(default)]
    query: Option<&'a str>,
    body: Body,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome<'a> {
    Complete(#[serde(borrow)] Response<'a>),
    Failed(IgnoredAny, #[serde(borrow)] Option<Response<'a>>),
    Cancelled(#[serde(borrow)] Option<Response<'a>>),
    Interrupted(#[serde(borrow)] Option<Response<'a>>),
    Relayed(IgnoredAny),
}

#[derive(Deserialize)]
struct Response<'a> {
    status: u16,
    #[serde(borrow)]
    fields: Vec<Line<'a>>,
    body: Body,
}

#[derive(Deserialize)]
struct Body {
    content: Content,
    size: u64,
    hash: ContentHash,
}

#[derive(Deserialize)]
enum Content {
    Inline(IgnoredAny),
    Blob,
    Stream,
}

#[derive(Deserialize)]
struct Timings {
    total_us: u64,
}

/// The line of a listing that stands for the exchange in these bytes, a MessagePack with named members; `None` when
/// they cannot be read so. The place in the journal is the caller's.
pub(in crate::store) fn recorded_row(bytes: &[u8]) -> Option<Row> {
    let recorded: Recorded<'_> = rmp_serde::from_slice(bytes).ok()?;
    let Recorded { id, number, session, tags, started_at, request, outcome, timings } = recorded;
    let (outcome, response) = match outcome {
        Outcome::Complete(response) => ("complete", Some(response)),
        Outcome::Failed(_, response) => ("failed", response),
        Outcome::Cancelled(response) => ("cancelled", response),
        Outcome::Interrupted(response) => ("interrupted", response),
        Outcome::Relayed(_) => ("relayed", None),
    };
    let response = response.as_ref();
    let media_type = response.and_then(|response| {
        let line = response.fields.iter().find(|line| line.name.eq_ignore_ascii_case("content-type"))?;
        Some(media::essence(&text_of(line.value)))
    });
    let hashed = response.filter(|response| !matches!(response.body.content, Content::Stream));
    Some(Row {
        number,
        id,
        started_at: moment(started_at.as_microsecond()),
        session: session.to_owned(),
        tags: tags.into_iter().map(str::to_owned).collect(),
        method: request.method.to_owned(),
        origin: request.origin,
        target: match request.query {
            Some(query) => format!("{}?{query}", request.path),
            None => request.path.to_owned(),
        },
        status: response.map(|response| response.status),
        outcome: outcome.to_owned(),
        media_type: media_type.unwrap_or_default(),
        request_bytes: request.body.size,
        response_bytes: response.map_or(0, |response| response.body.size),
        response_blake3: hashed.map(|response| response.body.hash.to_hex()).unwrap_or_default(),
        duration_us: timings.total_us,
        at: (0, 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Body, BodyContent, Failure, FailureKind, Outcome, Relayed};
    use crate::store::index::row_of;
    use crate::store::testing::exchange;

    #[test]
    fn a_row_is_the_same_from_the_bytes_and_from_the_exchange() {
        let whole = exchange(7);
        let mut response = whole.outcome.response().cloned().unwrap();
        response.fields.push("Content-Type", "text/html");
        let failure = Failure { kind: FailureKind::Closed, message: "m".into() };
        let elsewhere = |content| {
            let mut response = response.clone();
            response.body = Body { content, size: 9, ..Body::empty() };
            response
        };
        for outcome in [
            Outcome::Complete(response.clone()),
            Outcome::Complete(elsewhere(BodyContent::Blob)),
            Outcome::Cancelled(Some(elsewhere(BodyContent::Stream))),
            Outcome::Failed(failure.clone(), Some(response.clone())),
            Outcome::Failed(failure, None),
            Outcome::Interrupted(None),
            Outcome::Relayed(Relayed { sent: 1, received: 2, reason: "r".into() }),
        ] {
            let mut made = whole.clone();
            made.tags = vec!["a".into(), "b".into()];
            made.request.query = (made.number % 2 == 1).then(|| "a=ü&b".into());
            made.outcome = outcome;
            let bytes = rmp_serde::to_vec_named(&made).unwrap();
            assert_eq!(recorded_row(&bytes), Some(row_of(&made)));
            assert_eq!(recorded_row(&bytes[..bytes.len() - 1]), None);
        }
    }
}
