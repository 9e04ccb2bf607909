//! Cross-origin calls of browser pages (the CORS protocol of the Fetch standard), for collections that allow them.
//!
//! What was recorded wins: an `OPTIONS` scenario answers a preflight, and an answer that has an
//! `Access-Control-Allow-Origin` goes out as it is.

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, HeaderName, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::wire::{Body, HeadLines};

/// How long a browser may remember a preflight, in seconds: a mock changes often.
const MAX_AGE: HeaderValue = HeaderValue::from_static("60");

/// Whether a browser asks whether it may call.
pub(super) fn is_preflight(method: &Method, asked: &HeaderMap) -> bool {
    method == Method::OPTIONS && asked.contains_key(ORIGIN) && asked.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight: it may, whatever it is.
pub(super) fn preflight(asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    for (name, from) in [
        (ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN),
        (ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_REQUEST_METHOD),
        (ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS),
    ] {
        if let Some(value) = asked.get(from) {
            headers.insert(name, value.clone());
        }
    }
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("origin"));
    response
}

/// Lets the page that asked read an answer, unless the recorded fields say who may.
pub(super) fn allow(asked: &HeaderMap, response: &mut Response<Body>) {
    let Some(origin) = asked.get(ORIGIN) else { return };
    let lines = response.extensions().get::<HeadLines>();
    let recorded = lines.is_some_and(|lines| lines.fields.has(ACCESS_CONTROL_ALLOW_ORIGIN.as_str()));
    if recorded || response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        return;
    }
    // On HTTP/1 lines go before headers of their name.
    let varying = lines.filter(|lines| lines.fields.has(VARY.as_str())).cloned();
    let exposed = lines.map(|lines| names(lines.fields.iter().map(|field| field.name.as_str()))).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    // `*` would not do for calls with credentials.
    if let Ok(exposed) = HeaderValue::from_str(&exposed) {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(mut lines) = varying {
        Arc::make_mut(&mut lines.fields).push("Vary", "origin");
        response.extensions_mut().insert(lines);
    }
}

/// The names of an answer's fields, each once, with those of our own.
fn names<'a>(fields: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<String> =
        fields.filter_map(|name| name.parse::<HeaderName>().ok()).map(|name| name.as_str().to_owned()).collect();
    names.push("x-retake-inexact".to_owned());
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}
