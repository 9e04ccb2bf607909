//! Exchanges for tests.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{Decoded, Recorded};
use crate::model::{
    Body, Exchange, ExchangeId, Failure, FailureKind, Fields, HttpVersion, Outcome, RequestRecord, ResponseRecord,
    Timings, origin, path,
};

/// A complete exchange: number `n` started `n` seconds after a fixed moment.
pub(super) fn exchange(number: u64, method: &str, url: &str, status: u16) -> Recorded {
    let (_, rest) = origin::split_scheme(url).unwrap();
    let slash = url.len() - rest.len() + rest.find('/').unwrap_or(rest.len());
    let (path, query) = path::split_target(&url[slash..]);
    let epoch: Timestamp = "2026-11-20T09:00:00Z".parse().unwrap();
    let request = RequestRecord {
        method: method.to_owned(),
        origin: url[..slash].parse().unwrap(),
        path: path.to_owned(),
        query: query.map(str::to_owned),
        version: HttpVersion::Http11,
        fields: Fields::new(),
        trailers: Fields::new(),
        body: Body::empty(),
    };
    let response = ResponseRecord {
        version: HttpVersion::Http11,
        status,
        reason: None,
        fields: Fields::new(),
        trailers: Fields::new(),
        informational: Vec::new(),
        body: Body::empty(),
    };
    let exchange = Exchange {
        id: ExchangeId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(number))),
        number,
        session: "test".to_owned(),
        tags: Vec::new(),
        started_at: epoch + SignedDuration::from_secs(i64::try_from(number).unwrap()),
        client: None,
        request,
        outcome: Outcome::Complete(response),
        timings: Timings::default(),
        tls: None,
        note: None,
        partial: false,
        vendor: Default::default(),
    };
    Recorded { exchange, request: Decoded::plain(""), response: Decoded::plain("") }
}

impl Recorded {
    /// Adds a response field.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.exchange.outcome.response_mut().unwrap().fields.push(name, value);
        self
    }

    /// Sets the response's body and type.
    pub(super) fn answering(mut self, content_type: &str, body: &str) -> Self {
        self.exchange.outcome.response_mut().unwrap().fields.retain(|field| !field.is("content-type"));
        self.response = Decoded::plain(body.to_owned());
        self.with("Content-Type", content_type)
    }

    /// Adds a request field.
    pub(super) fn asking(mut self, name: &str, value: &str) -> Self {
        self.exchange.request.fields.push(name, value);
        self
    }

    /// Sets the request's body and type.
    pub(super) fn sending(mut self, content_type: &str, body: &str) -> Self {
        self.request = Decoded::plain(body.to_owned());
        self.asking("Content-Type", content_type)
    }

    /// Turns it into a failure without an answer.
    pub(super) fn failed(mut self) -> Self {
        let failure = Failure { kind: FailureKind::Refused, message: "nobody there".to_owned() };
        self.exchange.outcome = Outcome::Failed(failure, None);
        self
    }
}
