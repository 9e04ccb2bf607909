//! From hyper's request to a [`Call`], and from an answer to hyper's response.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::FutureExt;
use http::{Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use jiff::Timestamp;

use super::own_answer::problem;
use super::target::{self, Place, Target};
use crate::model::{Authority, Fields};
use crate::wire::screen::{RequestHead, ServerHeads};
use crate::wire::socket::ResetOnClose;
use crate::wire::{Answerer, Body, Broken, Call, HeadLines};

/// A connection that answers requests.
pub(super) struct Session<A> {
    pub(super) answerer: Arc<A>,
    pub(super) client: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) place: Place,
    /// The heads as written; none in HTTP/2.
    pub(super) heads: Option<ServerHeads>,
    /// Makes the connection end with a reset.
    pub(super) reset: ResetOnClose,
    /// The tunnel that was asked for; it begins when hyper lets go of the connection.
    pub(super) tunnel: Mutex<Option<Tunnel>>,
}

/// A tunnel to come.
pub(super) struct Tunnel {
    pub(super) authority: Authority,
    pub(super) credentials: Option<http::HeaderValue>,
    pub(super) started_at: Timestamp,
    pub(super) upgrade: OnUpgrade,
}

impl<A: Answerer> Session<A> {
    /// Answers one request. Dropping the future drops the answer. An error ends the connection, or in HTTP/2 the stream.
    pub(super) fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Body>, Broken>> + Send {
        let raw = self.heads.as_ref().and_then(ServerHeads::next_request);
        // Read before the future is made: what lives across an await is copied with it.
        let answer = self.read(request, raw).map(|call| self.answerer.clone().answer(call));
        async move {
            let mut response = match answer {
                Ok(answer) => caught(answer).await,
                Err(response) => response,
            };
            let lines = response.extensions_mut().remove::<HeadLines>();
            if let Some(broken) = response.extensions_mut().remove::<Broken>() {
                self.break_off(broken)?;
            }
            if let Some(heads) = &self.heads {
                heads.next_response(lines);
            }
            Ok(response)
        }
    }

    /// Prepares that an answer goes wrong, or is the error in its place.
    fn break_off(&self, broken: Broken) -> Result<(), Broken> {
        match (broken, &self.heads) {
            (Broken::Garbage(garbage), heads) => {
                if let Some(heads) = heads {
                    heads.break_next(garbage);
                }
                Ok(())
            }
            (broken, heads) => {
                if matches!(broken, Broken::Reset) && heads.is_some() {
                    self.reset.set();
                }
                Err(broken)
            }
        }
    }

    /// The call that a request is, or the answer to what is none.
    #[expect(clippy::result_large_err, reason = "both ways lead to a response; neither is kept")]
    fn read(&self, request: Request<Incoming>, raw: Option<RequestHead>) -> Result<Call, Response<Body>> {
        let (started, started_at) = (Instant::now(), Timestamp::now());
        let (mut head, body) = request.into_parts();
        // A program that takes it for a variable of its environment is led astray (httpoxy, CVE-2016-5385).
        if head.headers.contains_key("proxy") {
            head.headers.remove("proxy");
        }
        // HTTP/1.0 knows no interim responses.
        if let Some(heads) = self.heads.as_ref().filter(|_| head.version == Version::HTTP_11)
            && self.answerer.passes_on()
        {
            head.extensions.insert(heads.interim_sender());
        }
        let (written, fields) = match raw {
            Some(raw) => (raw.target, raw.fields),
            None => (written_target(&head), Fields::from_map(&head.headers)),
        };
        let host = match head.uri.authority() {
            Some(authority) if head.version == Version::HTTP_2 => Some(authority.as_str()),
            _ => head.headers.get(header::HOST).and_then(|host| host.to_str().ok()),
        };
        let (route, path, query) = match target::read(head.method.as_str(), &written, host, &self.place) {
            Ok(Target::Call { route, path, query }) => (route, path, query),
            Ok(Target::Connect(authority)) => return Err(self.connect(&mut head, authority, started_at)),
            Err(reason) => {
                self.answerer.refused_message(self.client, &reason);
                return Err(problem(StatusCode::BAD_REQUEST, "bad-request", &reason));
            }
        };
        let (method, version) = (head.method.clone(), head.version.into());
        let tunnel_credentials = match &self.place {
            Place::Tunnel { credentials, .. } => credentials.clone(),
            Place::Direct { .. } => None,
        };
        let (client, local) = (self.client, self.local);
        Ok(Call {
            started_at,
            started,
            client,
            local,
            tunnel_credentials,
            route,
            method,
            path,
            query,
            version,
            fields,
            head,
            body,
        })
    }

    fn connect(&self, head: &mut http::request::Parts, authority: Authority, started_at: Timestamp) -> Response<Body> {
        let upgrade = head.extensions.remove::<OnUpgrade>().filter(|_| head.version != Version::HTTP_2);
        let Some(upgrade) = upgrade else {
            let detail = "CONNECT over HTTP/2 is not supported: use HTTP/1.1 towards the proxy";
            return problem(StatusCode::NOT_IMPLEMENTED, "http2-connect", detail);
        };
        let mut credentials = head.headers.get(header::PROXY_AUTHORIZATION).cloned();
        if let Some(credentials) = &mut credentials {
            credentials.set_sensitive(true);
        }
        let tunnel = Tunnel { authority, credentials, started_at, upgrade };
        *self.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
        Response::new(Body::empty())
    }
}

/// The answer; that a panic took its place, if one did.
async fn caught(answer: impl Future<Output = Response<Body>>) -> Response<Body> {
    AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!("answering a request failed inside of retake");
        problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "retake itself failed on this request; see its log")
    })
}

/// The target as an HTTP/1 request line would have it: what HTTP/2 says in `:path`, or in `:authority` of a CONNECT.
fn written_target(head: &http::request::Parts) -> String {
    if head.method == Method::CONNECT {
        return head.uri.authority().map(ToString::to_string).unwrap_or_default();
    }
    head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string)
}
