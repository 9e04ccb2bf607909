//! Answers that the front door gives itself.

use http::{HeaderValue, Response, StatusCode, header};

use crate::wire::Body;

/// A problem document (RFC 9457), marked as retake's own by `x-retake-error: class`.
pub(super) fn problem(status: StatusCode, class: &'static str, detail: &str) -> Response<Body> {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
    });
    let mut response = Response::new(Body::full(format!("{body}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert("x-retake-error", HeaderValue::from_static(class));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
