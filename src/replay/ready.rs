//! Answers made ready at load: nothing is parsed, coded or rendered per request.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::ext::ReasonPhrase;

use super::answer::{Around, Extra};
use super::dates::Shift;
use super::refusal;
use crate::collection::{FieldLine, ResponseSpec};
use crate::matching::Call;
use crate::model::coding::{self, Coding};
use crate::model::{Fields, fields};
use crate::wire::{Body, HeadLines};

/// One answer of a scenario, ready to send.
#[derive(Debug)]
pub struct Ready {
    /// The status code.
    pub status: StatusCode,
    reason: Option<ReasonPhrase>,
    /// The content without coding; for a body that is kept as coded, that.
    plain: Variant,
    /// The content with the recorded coding, for clients that accept it.
    coded: Option<Box<(Vec<Coding>, Variant)>>,
    trailers: Option<Box<HeaderMap>>,
    /// The recording had no length, so the answer goes out without one (chunked on HTTP/1.1).
    streamed: bool,
    /// A client that says nothing of codings gets the coded form, too.
    coding_unasked: bool,
    /// What to say in `Content-Length` to a HEAD request, where the recording said it.
    head_length: Option<Box<HeaderValue>>,
    /// Its dates were moved: it is not what the collection has.
    shifted: bool,
    /// What is decided for each call.
    extra: Option<Box<Extra>>,
}

/// Head and body that belong together.
#[derive(Debug)]
struct Variant {
    lines: Arc<Fields>,
    body: Bytes,
}

/// What of a request decides in which form its answer goes out.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The request is a HEAD: no body goes out.
    pub head: bool,
    /// It came over HTTP/1, where the lines are written as they are.
    pub http1: bool,
    /// The value of `Accept-Encoding`.
    pub accept_encoding: Option<&'a str>,
    /// The call log wants to know what the answer says: then it carries [`Said`].
    pub logged: bool,
}

/// What an answer says, for the call log; in the extensions of a response where that was asked for.
#[derive(Debug, Clone)]
pub struct Said {
    /// The content, without coding.
    pub body: Bytes,
    /// Whether lines, content and all are the collection's own.
    pub own: bool,
}

/// Why an answer of a collection cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ReadyError {
    /// A status that no response has.
    #[error("the status {0} is none of a response")]
    Status(u16),
    /// The body could not be coded again.
    #[error("the body could not be coded as {0}: {1}")]
    Coding(&'static str, #[source] std::io::Error),
    /// A template that cannot be read, or names what there is not.
    #[error("the template: {0}")]
    Template(String),
}

impl Ready {
    /// Makes the answer of `spec` with the bytes of its body ready, its dates moved by `shift`.
    ///
    /// # Errors
    /// A status that cannot be sent, or a coder that fails.
    pub fn new(spec: &ResponseSpec, mut body: Bytes, shift: Option<&Shift>) -> Result<Ready, ReadyError> {
        let status = StatusCode::from_u16(spec.status).map_err(|_| ReadyError::Status(spec.status))?;
        let mut lines: Fields = spec.fields.iter().map(|line| line.0.clone()).collect();
        let kept_coded = spec.body.as_ref().is_some_and(|body| body.coded.is_some());
        let mut shifted = false;
        if let Some(shift) = shift {
            shifted = shift.fields(&mut lines);
            if let Some(moved) = shift.body(&lines, &body).filter(|_| !kept_coded) {
                body = moved;
                shifted = true;
            }
        }
        let head_length =
            lines.get("content-length").and_then(|value| HeaderValue::from_bytes(value).ok()).map(Box::new);
        let about_another = status == StatusCode::NOT_MODIFIED;
        lines.retain(|field| !fields::is_hop_by_hop(&field.name) && (about_another || !field.is("content-length")));
        // No bytes are no coded bytes: an empty gzip would be twenty of them.
        let as_it_is = kept_coded || body.is_empty();
        let codings = if as_it_is { Vec::new() } else { coding::codings(&lines).unwrap_or_default() };
        let coded = if codings.is_empty() { None } else { Some(Box::new(code(&lines, &body, codings)?)) };
        if coded.is_some() {
            lines.retain(|field| !field.is("content-encoding"));
        }
        Ok(Ready {
            status,
            reason: spec.reason.as_ref().and_then(|reason| ReasonPhrase::try_from(reason.as_bytes()).ok()),
            plain: Variant::new(lines, body),
            coded,
            trailers: (!spec.trailers.is_empty()).then(|| Box::new(map_of(&spec.trailers))),
            streamed: spec.streamed,
            coding_unasked: spec.coding_unasked,
            head_length,
            shifted,
            extra: None,
        })
    }

    /// The same answer, with what is decided for each call.
    #[must_use]
    pub fn with(mut self, extra: Option<Box<Extra>>) -> Self {
        self.extra = extra;
        self
    }

    /// All field lines, with the coding, and the content without it.
    pub fn content(&self) -> (&Fields, &Bytes) {
        (self.lines(), &self.plain.body)
    }

    /// The response to `call`, as asked for. Where nothing is decided for each call, nothing is copied on HTTP/1; on
    /// HTTP/2 the fields are.
    pub fn response(&self, asked: Asked<'_>, call: &Call, around: &Around) -> Response<Body> {
        let codings = self.codings_for(asked);
        let Some(extra) = &self.extra else { return self.recorded(asked, codings) };
        let mut turn = extra.turn();
        let response = match turn.content(call, around, self.lines(), &self.plain.body) {
            Ok(Some((lines, body))) => {
                let said = asked.logged.then(|| self.said(&body, asked, false));
                let mut response = self.send(&self.variant_of(lines, body, codings), asked, true);
                said.map(|said| response.extensions_mut().insert(said));
                response
            }
            Ok(None) => self.recorded(asked, codings),
            Err(reason) => return refusal::failed(&reason, asked.head),
        };
        turn.finish(response, around)
    }

    fn recorded(&self, asked: Asked<'_>, codings: &[Coding]) -> Response<Body> {
        let coded = self.coded.as_deref().filter(|_| !codings.is_empty());
        let mut response = self.send(coded.map_or(&self.plain, |(_, variant)| variant), asked, false);
        if asked.logged {
            // Without its coding it goes out without the line that names it.
            let own = !self.shifted && (self.coded.is_none() || coded.is_some());
            response.extensions_mut().insert(self.said(&self.plain.body, asked, own));
        }
        response
    }

    /// What is said with this content; `own` as far as the lines go.
    fn said(&self, body: &Bytes, asked: Asked<'_>, own: bool) -> Said {
        let left_out = self.is_bodyless(asked) && !body.is_empty();
        Said { body: if left_out { Bytes::new() } else { body.clone() }, own: own && !left_out }
    }

    /// Whether no body goes out, whatever there is.
    fn is_bodyless(&self, asked: Asked<'_>) -> bool {
        asked.head || matches!(self.status.as_u16(), 204 | 304)
    }

    /// All field lines, with the coding.
    fn lines(&self) -> &Fields {
        self.coded.as_deref().map_or(&self.plain.lines, |(_, variant)| &variant.lines)
    }

    /// The codings in which the answer goes out.
    fn codings_for(&self, asked: Asked<'_>) -> &[Coding] {
        match (self.coded.as_deref(), asked.accept_encoding) {
            (Some((codings, _)), Some(accepted)) if codings.iter().all(|&coding| coding::accepts(accepted, coding)) => {
                codings
            }
            (Some((codings, _)), None) if self.coding_unasked => codings,
            _ => &[],
        }
    }

    /// Head and body that were made for one call.
    fn variant_of(&self, mut lines: Fields, body: Bytes, codings: &[Coding]) -> Variant {
        if !codings.is_empty() {
            // A coder that worked at load fails no more; if it did, the content would go out without coding.
            if let Ok((_, variant)) = code(&lines, &body, codings.to_vec()) {
                return variant;
            }
        }
        if self.coded.is_some() {
            lines.retain(|field| !field.is("content-encoding"));
        }
        Variant::new(lines, body)
    }

    /// `made`: for this call, so that a recorded length is not its own.
    fn send(&self, variant: &Variant, asked: Asked<'_>, made: bool) -> Response<Body> {
        let bodyless = self.is_bodyless(asked);
        let body = if bodyless { Body::empty() } else { self.body_of(variant) };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        if !asked.http1 {
            *response.headers_mut() = variant.lines.to_map();
        }
        if self.status == StatusCode::NOT_MODIFIED {
            // hyper would leave it out with a warning; the lines below have it.
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        if let Some(length) = self.length_for_head(variant, made).filter(|_| asked.head) {
            response.headers_mut().insert(header::CONTENT_LENGTH, length);
        }
        if let Some(trailers) = self.trailers.as_deref().filter(|_| !bodyless) {
            declare(trailers, response.headers_mut());
        }
        let extensions = response.extensions_mut();
        extensions.insert(HeadLines { fields: Arc::clone(&variant.lines), informational: Vec::new(), whole: true });
        if let Some(reason) = &self.reason {
            extensions.insert(reason.clone());
        }
        response
    }

    /// What a HEAD request is told: the recorded length, else that of the content where a GET recorded it. An answer to
    /// a HEAD that was recorded without a length says none.
    fn length_for_head(&self, variant: &Variant, made: bool) -> Option<HeaderValue> {
        let unknown = self.streamed || variant.body.is_empty();
        let recorded = self.head_length.as_deref().cloned().filter(|_| !made || variant.body.is_empty());
        recorded.or_else(|| (!unknown).then(|| HeaderValue::from(variant.body.len())))
    }

    fn body_of(&self, variant: &Variant) -> Body {
        match &self.trailers {
            None if !self.streamed => Body::full(variant.body.clone()),
            trailers => {
                let trailers = trailers.as_deref().cloned();
                let frame = Ok::<_, Infallible>(Frame::data(variant.body.clone()));
                let stream = StreamBody::new(futures_util::stream::once(std::future::ready(frame)));
                let body = stream.with_trailers(std::future::ready(trailers.map(Ok)));
                Body::Stream(body.map_err(|never| match never {}).boxed_unsync())
            }
        }
    }
}

impl Variant {
    fn new(lines: Fields, body: Bytes) -> Self {
        Variant { lines: Arc::new(lines), body }
    }
}

fn code(lines: &Fields, body: &Bytes, codings: Vec<Coding>) -> Result<(Vec<Coding>, Variant), ReadyError> {
    let mut coded = body.to_vec();
    for &coding in &codings {
        coded = coding::encode(&coded, coding).map_err(|error| ReadyError::Coding(coding.name(), error))?;
    }
    Ok((codings, Variant::new(lines.clone(), coded.into())))
}

fn map_of(lines: &[FieldLine]) -> HeaderMap {
    lines.iter().map(|line| line.0.clone()).collect::<Fields>().to_map()
}

/// Names the trailer fields in `Trailer`: hyper writes only those (RFC 9110 section 6.6.2).
fn declare(trailers: &HeaderMap, head: &mut HeaderMap) {
    let names: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
    if let Ok(value) = HeaderValue::from_str(&names.join(", ")) {
        head.insert(header::TRAILER, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(fields: &[&str]) -> ResponseSpec {
        serde_json::from_value(serde_json::json!({ "status": 200, "fields": fields })).unwrap()
    }

    fn asked(accept_encoding: Option<&str>) -> Asked<'_> {
        Asked { head: false, http1: false, accept_encoding, logged: false }
    }

    fn around() -> Around {
        Around::new(&Default::default())
    }

    fn call() -> Call {
        crate::matching::tests::call("GET /")
    }

    async fn bytes(response: Response<Body>) -> Bytes {
        response.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn a_coded_answer_goes_out_coded_only_where_that_is_accepted() {
        let ready = Ready::new(&spec(&["Content-Encoding: gzip", "X-A: 1"]), "hello".into(), None).unwrap();
        let plain = ready.response(asked(None), &call(), &around());
        assert!(!plain.headers().contains_key("content-encoding"));
        assert_eq!(bytes(plain).await, "hello");
        assert_eq!(bytes(ready.response(asked(Some("br, gzip;q=0")), &call(), &around())).await, "hello");
        let coded = ready.response(asked(Some("br, GZIP")), &call(), &around());
        assert_eq!(coded.headers()["content-encoding"], "gzip");
        assert_eq!(coding::decode(&bytes(coded).await, &[Coding::Gzip], 100).unwrap(), b"hello");
    }

    #[tokio::test]
    async fn an_origin_that_codes_unasked_is_replayed_so() {
        let spec = ResponseSpec { coding_unasked: true, ..spec(&["Content-Encoding: gzip"]) };
        let ready = Ready::new(&spec, "hello".into(), None).unwrap();
        assert!(ready.response(asked(None), &call(), &around()).headers().contains_key("content-encoding"));
        assert_eq!(bytes(ready.response(asked(Some("identity")), &call(), &around())).await, "hello");
    }

    #[tokio::test]
    async fn what_is_kept_as_coded_goes_out_as_it_is() {
        let mut spec = spec(&["Content-Encoding: gzip"]);
        spec.body = serde_json::from_value(serde_json::json!({ "base64": "AAAA", "coded": "gzip" })).unwrap();
        let answer =
            Ready::new(&spec, Bytes::from_static(&[0, 0, 0]), None).unwrap().response(asked(None), &call(), &around());
        assert_eq!(answer.headers()["content-encoding"], "gzip");
        assert_eq!(bytes(answer).await.as_ref(), [0, 0, 0]);
    }

    #[test]
    fn head_says_the_length_and_sends_nothing() {
        let ready = Ready::new(&spec(&["Content-Length: 5000"]), Bytes::new(), None).unwrap();
        let response = ready.response(
            Asked { head: true, http1: false, accept_encoding: None, logged: false },
            &call(),
            &around(),
        );
        assert_eq!(response.headers()["content-length"], "5000");
        let ready = Ready::new(&spec(&[]), "hello".into(), None).unwrap();
        assert_eq!(
            ready
                .response(Asked { head: true, http1: false, accept_encoding: None, logged: false }, &call(), &around())
                .headers()["content-length"],
            "5"
        );
        let silent = Ready::new(&spec(&[]), Bytes::new(), None).unwrap();
        let response = silent.response(
            Asked { head: true, http1: false, accept_encoding: None, logged: false },
            &call(),
            &around(),
        );
        assert!(!response.headers().contains_key("content-length"), "a length that nobody recorded");
    }

    #[tokio::test]
    async fn an_empty_body_is_not_coded() {
        let ready = Ready::new(&spec(&["Content-Encoding: gzip"]), Bytes::new(), None).unwrap();
        for accepted in [None, Some("gzip")] {
            let response = ready.response(asked(accepted), &call(), &around());
            assert_eq!(response.headers()["content-encoding"], "gzip", "the line is the recorded one");
            assert!(bytes(response).await.is_empty());
        }
    }

    #[tokio::test]
    async fn what_came_without_a_length_goes_out_without_one() {
        let streamed = ResponseSpec { streamed: true, ..spec(&[]) };
        let ready = Ready::new(&streamed, "hello".into(), None).unwrap();
        let response = ready.response(asked(None), &call(), &around());
        assert_eq!(http_body::Body::size_hint(response.body()).exact(), None);
        assert_eq!(bytes(response).await, "hello");
    }

    #[test]
    fn framing_of_the_recording_never_goes_out() {
        let lines = ["Transfer-Encoding: chunked", "Connection: close", "Content-Length: 9", "X-A: 1"];
        let response =
            Ready::new(&spec(&lines), "hello".into(), None).unwrap().response(asked(None), &call(), &around());
        assert_eq!(response.headers().keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-a"]);
    }
}
