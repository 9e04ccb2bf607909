//! What the call log keeps of requests and answers: nothing in it is a secret, and of a body it has the beginning.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;

use super::ready::Said;
use crate::matching::Call;
use crate::model::Fields;
use crate::redact::Masker;
use crate::store::runs::{LOGGED_BODY, LoggedMessage};
use crate::wire::{Body, HeadLines};

/// The request, with at most so many bytes of its body.
pub(super) fn request(call: &Call, masker: &Masker, longest: usize) -> LoggedMessage {
    message(call.fields.clone(), &call.body, masker, longest)
}

/// The answer as it goes out, its content coding undone; none where it is the collection's own.
pub(super) fn answer(response: &mut Response<Body>, masker: &Masker) -> Option<LoggedMessage> {
    let said = response.extensions_mut().remove::<Said>();
    let lines = response.extensions().get::<HeadLines>().map(|lines| Arc::clone(&lines.fields));
    let mut fields = lines.as_deref().cloned().unwrap_or_default();
    let before = fields.len();
    for (name, value) in response.headers() {
        // hyper writes those of which the lines have none; the framing of one connection is nobody's.
        let is_framing = matches!(name.as_str(), "content-length" | "trailer");
        if !is_framing && lines.as_deref().is_none_or(|lines| !lines.has(name.as_str())) {
            fields.push(name.as_str(), value.as_bytes());
        }
    }
    if said.as_ref().is_some_and(|said| said.own) && fields.len() == before {
        return None;
    }
    // Answers that replay makes itself lie ready.
    let own = || if let Body::Full(Some(body)) = response.body() { body.clone() } else { Bytes::new() };
    let body = said.map_or_else(own, |said| said.body);
    Some(message(fields, &body, masker, LOGGED_BODY))
}

fn message(mut fields: Fields, body: &Bytes, masker: &Masker, longest: usize) -> LoggedMessage {
    masker.fields(&mut fields);
    let content_type = fields.text("content-type").map(Cow::into_owned);
    let mut text = String::new();
    if std::str::from_utf8(body).is_ok() {
        let mut masked = masker.text_body(body, content_type.as_deref());
        masked.truncate(longest);
        text = String::from_utf8_lossy(&masked).into_owned();
    }
    LoggedMessage {
        fields: fields.iter().map(|field| (field.name.clone(), field.text().into_owned())).collect(),
        body: text,
        body_bytes: body.len() as u64,
        body_dropped: false,
    }
}
