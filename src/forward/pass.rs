//! Passing calls on without a record: what a replay does with misses when it is asked to.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;

use super::{Way, headers, is_bodiless, problem, received_head};
use crate::model::{HttpVersion, Origin};
use crate::wire::upstream::{Limits, Upstream};
use crate::wire::{Body, BodyError, Call, Fallback};

/// The body of a request that was read whole.
type Whole = http_body_util::combinators::UnsyncBoxBody<Bytes, BodyError>;

/// What passes calls on, as typed.
const COMMAND: &str = "retake replay";

/// Sends calls to their origins, and writes nothing down.
pub struct Pass {
    upstream: Upstream<Whole>,
}

impl Pass {
    /// One that trusts what `tls` trusts.
    pub fn new(tls: rustls::ClientConfig, limits: Limits) -> Self {
        Pass { upstream: Upstream::new(tls, limits) }
    }

    async fn send(&self, call: Call<Bytes>, origin: Origin) -> Response<Body> {
        let way = Way::without_facade(&call, origin);
        let body = Full::new(call.body).map_err(|never| match never {}).boxed_unsync();
        let known_http2 = self.upstream.speaks_http2(&way.origin.authority);
        let request = match headers::upstream_request(call.head, body, &way, known_http2) {
            Ok((request, _)) => request,
            Err(failure) => return problem::upstream(&failure, &way.origin, COMMAND),
        };
        match self.upstream.send(request, &way.origin, false, || None).await {
            Ok(response) => answer(response, &way, self.upstream.limits().idle),
            Err(failure) => problem::upstream(&failure, &way.origin, COMMAND),
        }
    }
}

impl Fallback for Pass {
    fn pass(self: Arc<Self>, mut call: Call<Bytes>, origin: Origin) -> BoxFuture<'static, Response<Body>> {
        // Its body has come already.
        call.head.headers.remove(header::EXPECT);
        Box::pin(async move { self.send(call, origin).await })
    }
}

/// The answer as it goes on to the client.
fn answer(mut response: Response<Incoming>, way: &Way, idle: Duration) -> Response<Body> {
    let (head, _) = received_head(&mut response);
    let lines = headers::for_client(&head, way);
    let (mut parts, incoming) = response.into_parts();
    let bodiless = is_bodiless(&way.method, parts.status) || http_body::Body::is_end_stream(&incoming);
    let http2 = way.client_version == HttpVersion::Http2;
    parts.headers = if http2 { lines.fields.to_map() } else { headers::framing(&lines.fields) };
    if parts.status == http::StatusCode::NOT_MODIFIED {
        // hyper would leave it out with a warning; the lines have it.
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    parts.version = http::Version::HTTP_11;
    if !http2 {
        parts.extensions.insert(lines);
    }
    Response::from_parts(parts, if bodiless { Body::empty() } else { streamed(incoming, idle) })
}

/// A body as it comes; silence of more than `idle` breaks it off.
fn streamed(incoming: Incoming, idle: Duration) -> Body {
    let frames = futures_util::stream::unfold(Some(incoming), move |body| async move {
        let mut body = body?;
        let late = || BodyError::from(io::Error::new(io::ErrorKind::TimedOut, "the origin fell silent"));
        let frame: Result<Frame<Bytes>, BodyError> = match tokio::time::timeout(idle, body.frame()).await {
            Ok(None) => return None,
            Ok(Some(frame)) => frame.map_err(Into::into),
            Err(_) => Err(late()),
        };
        let rest = frame.is_ok().then_some(body);
        Some((frame, rest))
    });
    Body::Stream(StreamBody::new(frames).boxed_unsync())
}
