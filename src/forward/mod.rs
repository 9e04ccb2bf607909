//! The recorder's way to answer: every call goes on to its origin, and what comes back goes to the client.
//!
//! Fields of one connection are taken off on both sides (RFC 9110 section 7.6.1), and nothing of our own is added.

mod headers;
mod interim;
mod pass;
mod problem;
mod reverse;
mod tunnel;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio_util::sync::CancellationToken;

use crate::model::{Authority, Failure, Fields, HttpVersion, Origin, Scheme};
use crate::recorder::{Flow, Recorder, RequestBody, ResponseHead, Source};
use crate::wire::upstream::{Connection, Upstream};
use crate::wire::{Answerer, Body, Call, Fallback, OpaqueTunnel, Route};
use interim::Early;
pub use pass::Pass;
use reverse::Facade;

/// Forwards and records.
pub struct Forward {
    recorder: Arc<Recorder>,
    upstream: Upstream<RequestBody>,
    to: Option<Origin>,
    /// What was started, as typed: cures name it.
    command: &'static str,
    /// Relays of changed protocols have no end of their own: they end with the forwarder.
    relays: CancellationToken,
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.relays.cancel();
    }
}

/// What must be known of a call after it has been handed over.
struct Way {
    origin: Origin,
    method: Method,
    client_version: HttpVersion,
    /// How the client sees us, where we stand in for an origin.
    facade: Option<Facade>,
    upgrade: bool,
    expects: bool,
    /// The way of interim responses to the client, where there is one.
    early: Option<Arc<Early>>,
}

impl Forward {
    /// A forwarder; with `to`, plain calls go to that origin.
    pub fn new(recorder: Arc<Recorder>, upstream: Upstream<RequestBody>, to: Option<Origin>) -> Self {
        Forward { recorder, upstream, to, command: "retake record", relays: CancellationToken::new() }
    }

    /// One that records what a replay passes on.
    pub fn of_replay(mut self) -> Self {
        self.command = "retake replay";
        self
    }

    /// Where a call goes; `None` for a plain call when we stand in for nobody.
    fn way(&self, call: &Call) -> Option<Way> {
        let (origin, facade) = match &call.route {
            Route::Proxied(origin) => (origin.clone(), None),
            Route::Plain { host, tls } => {
                let origin = self.to.clone()?;
                let facade = Facade::new(origin.clone(), host.clone(), *tls);
                (origin, Some(facade))
            }
        };
        let http1 = call.version == HttpVersion::Http11;
        Some(Way {
            origin,
            facade,
            method: call.method.clone(),
            client_version: call.version,
            upgrade: http1 && headers::wants_upgrade(&call.head.headers),
            expects: http1 && headers::expects_continue(&call.head.headers),
            early: None,
        })
    }

    async fn forward<B: Into<Source>>(&self, call: Call<B>, mut way: Way) -> Response<Body> {
        let (flow, head, body) = Flow::begin(&self.recorder, call, way.origin.clone(), way.expects);
        let known_http2 = self.upstream.speaks_http2(&way.origin.authority);
        let (mut request, client_upgrade) = match headers::upstream_request(head, body, &way, known_http2) {
            Ok(built) => built,
            Err(failure) => return problem::upstream(&flow.fail(failure).await, &way.origin, self.command),
        };
        if known_http2 != Some(true) || way.upgrade {
            way.early = Early::new(&mut request, way.facade.as_ref()).map(Arc::new);
        }
        hear_interim(&mut request, &way, &flow);
        let sent = self.upstream.send(request, &way.origin, way.upgrade, flow.last_sent()).await;
        match sent {
            Ok(response) => self.answer_with(flow, response, way, client_upgrade).await,
            Err(failure) => problem::upstream(&flow.fail(failure).await, &way.origin, self.command),
        }
    }

    async fn answer_with(
        &self,
        mut flow: Flow,
        mut response: Response<Incoming>,
        way: Way,
        client_upgrade: Option<OnUpgrade>,
    ) -> Response<Body> {
        let head = response_head(&mut flow, &mut response);
        let status = response.status();
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return self.switch(flow, head, response, client_upgrade).await;
        }
        let lines = headers::for_client(&head, &way);
        let (mut parts, incoming) = response.into_parts();
        let bodiless = is_bodiless(&way.method, status) || http_body::Body::is_end_stream(&incoming);
        let body = if bodiless {
            flow.finish_bodiless(head).await.map(|()| Body::empty())
        } else {
            flow.respond(head, incoming, self.upstream.limits().idle).await
        };
        match body {
            Ok(body) => {
                let http2 = way.client_version == HttpVersion::Http2;
                parts.headers = if http2 { lines.fields.to_map() } else { headers::framing(&lines.fields) };
                if status == StatusCode::NOT_MODIFIED {
                    // hyper would leave it out with a warning; the lines have it.
                    parts.headers.remove(http::header::CONTENT_LENGTH);
                }
                parts.version = http::Version::HTTP_11;
                parts.extensions.remove::<Connection>();
                if !http2 {
                    parts.extensions.insert(lines);
                }
                Response::from_parts(parts, body)
            }
            Err(unrecorded) => problem::unrecorded(&unrecorded),
        }
    }

    /// Passes a change of protocol through, and relays what follows. The record has the two heads.
    async fn switch(
        &self,
        flow: Flow,
        head: ResponseHead,
        mut response: Response<Incoming>,
        client_upgrade: Option<OnUpgrade>,
    ) -> Response<Body> {
        let fields = head.fields.clone();
        let upstream_upgrade = hyper::upgrade::on(&mut response);
        if let Err(unrecorded) = flow.finish_bodiless(head).await {
            return problem::unrecorded(&unrecorded);
        }
        if let Some(client_upgrade) = client_upgrade {
            let relay = tunnel::relay_upgrade(client_upgrade, upstream_upgrade);
            tokio::spawn(self.relays.clone().run_until_cancelled_owned(relay));
        }
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *answer.headers_mut() = fields.to_map();
        answer
    }
}

/// Passes interim responses on, and lets a client that waits for `100 Continue` be asked for its body when the origin
/// asks for it.
fn hear_interim(request: &mut Request<RequestBody>, way: &Way, flow: &Flow) {
    let early = way.early.clone();
    let proceed = way.expects.then(|| flow.proceed());
    if early.is_none() && proceed.is_none() {
        return;
    }
    hyper::ext::on_informational(request, move |interim| {
        if let Some(early) = &early {
            early.heard(interim.status(), interim.headers());
        }
        if let Some(proceed) = proceed.as_ref().filter(|_| interim.status() == StatusCode::CONTINUE) {
            proceed();
        }
    });
}

/// The head of the answer as the origin wrote it, and the facts of the connection.
fn response_head(flow: &mut Flow, response: &mut Response<Incoming>) -> ResponseHead {
    let (head, connection) = received_head(response);
    if let Some(connection) = connection {
        flow.connected(connection.opened(), connection.tls().cloned());
    }
    head
}

fn received_head(response: &mut Response<Incoming>) -> (ResponseHead, Option<Connection>) {
    let connection = response.extensions_mut().remove::<Connection>();
    let written = connection.as_ref().and_then(|connection| connection.head(response.status(), response.headers()));
    let reason = response.extensions().get::<hyper::ext::ReasonPhrase>();
    let reason = reason.map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned());
    let (version, fields, informational) = match written {
        Some(received) => (received.head.version, received.head.fields, received.informational),
        None => (response.version().into(), Fields::from_map(response.headers()), Vec::new()),
    };
    (ResponseHead { version, status: response.status().as_u16(), reason, fields, informational }, connection)
}

/// Whether the answer to such a request never has a body (RFC 9110 section 6.4.1).
fn is_bodiless(method: &Method, status: StatusCode) -> bool {
    method == Method::HEAD
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

impl Fallback for Forward {
    fn pass(self: Arc<Self>, mut call: Call<Bytes>, origin: Origin) -> BoxFuture<'static, Response<Body>> {
        call.head.headers.remove(http::header::EXPECT);
        let way = Way::without_facade(&call, origin);
        Box::pin(async move { self.forward(call, way).await })
    }
}

impl Way {
    /// The way of a call whose body has been read, to an origin for which nobody stands in.
    fn without_facade(call: &Call<Bytes>, origin: Origin) -> Way {
        Way {
            origin,
            facade: None,
            method: call.method.clone(),
            client_version: call.version,
            upgrade: false,
            expects: false,
            early: None,
        }
    }
}

impl Answerer for Forward {
    async fn answer(self: Arc<Self>, call: Call) -> Response<Body> {
        match self.way(&call) {
            Some(way) => self.forward(call, way).await,
            None => problem::not_proxied(&call),
        }
    }

    fn passes_on(&self) -> bool {
        true
    }

    async fn opaque_tunnel(self: Arc<Self>, tunnel: OpaqueTunnel) {
        tunnel::relay_opaque(&self.recorder, self.upstream.limits(), tunnel).await;
    }

    fn refused_certificate(&self, client: SocketAddr, authority: &Authority, reason: &str) {
        self.recorder.note(&format!(
            "{client} refused retake's certificate for {authority} ({reason}): \
             make the client trust the CA of `retake ca path`, or set its variables with `retake env`"
        ));
    }

    fn refused_message(&self, client: SocketAddr, reason: &str) {
        self.recorder.note(&format!("{client} sent what cannot be passed on: {reason}"));
    }
}

/// The scheme of a plain call.
fn scheme(tls: bool) -> Scheme {
    if tls { Scheme::Https } else { Scheme::Http }
}

/// A failure before anything was sent.
fn unsendable(origin: &Origin, cause: impl std::fmt::Display) -> Failure {
    Failure {
        kind: crate::model::FailureKind::Protocol,
        message: format!("the request to {} cannot be passed on: {cause}", origin.authority),
    }
}

#[cfg(test)]
mod tests;
