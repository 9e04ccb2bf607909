//! What the services under `takes/` have in common.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http::response::Builder;
use serde_json::Value;

use super::world::World;
use crate::harness::Origin;
use crate::harness::origin::{Body, full};

/// A request as a service looks at it.
pub struct Asked<'a> {
    pub head: &'a Parts,
    pub body: &'a Bytes,
    /// The segments of the path.
    pub path: Vec<&'a str>,
}

impl<'a> Asked<'a> {
    fn new(head: &'a Parts, body: &'a Bytes) -> Asked<'a> {
        let path = head.uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
        Asked { head, body, path }
    }

    pub fn method(&self) -> &str {
        self.head.method.as_str()
    }

    /// A query parameter, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.head.uri.query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    /// A number of the query.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.query(name)?.parse().ok()
    }

    /// A member of a form, decoded.
    pub fn form(&self, name: &str) -> String {
        let found = form_urlencoded::parse(self.body).find(|(known, _)| known == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    }

    pub fn field(&self, name: &str) -> &str {
        self.head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(self.body).unwrap_or_default()
    }

    /// A cookie by its name.
    pub fn cookie(&self, name: &str) -> &str {
        let pairs = self.field("cookie").split("; ").filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value).unwrap_or_default()
    }
}

/// A running service: where it is, and what keeps it alive.
pub struct Running {
    /// `https://localhost:4711`
    pub base: String,
    pub keeps: Box<dyn std::any::Any + Send>,
}

/// Starts a service of a world.
pub fn start<S>(
    tls: bool,
    world: &Arc<World>,
    state: S,
    handle: fn(&S, &World, &Asked<'_>) -> Response<Body>,
) -> Running
where
    S: Send + Sync + 'static,
{
    let world = Arc::clone(world);
    let origin = Origin::service(tls, move |head, body| handle(&state, &world, &Asked::new(head, body)));
    Running { base: origin.url(""), keeps: Box::new(origin) }
}

/// The beginning of an answer, with an id for the support of the service.
pub fn answer(world: &World, status: u16) -> Builder {
    Response::builder().status(status).header("X-Request-Id", world.uuid())
}

pub fn json(world: &World, status: u16, body: &Value) -> Response<Body> {
    answer(world, status)
        .header("Content-Type", "application/json; charset=utf-8")
        .header("ETag", format!("\"{}\"", world.hex(16)))
        .body(full(body.to_string()))
        .unwrap()
}

pub fn nothing(world: &World, status: u16) -> Response<Body> {
    answer(world, status).body(full("")).unwrap()
}
