//! The answers that retake makes itself while it records or passes calls on: problem details (RFC 9457), marked as ours.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;

use crate::model::{Failure, FailureKind, Origin};
use crate::recorder::Unrecorded;
use crate::wire::{Body, Call, Unanswered};

/// Marks every answer that comes from retake, not from an origin; its value is the reason class.
const ERROR: HeaderName = HeaderName::from_static("x-retake-error");

#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    status: u16,
    reason: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

/// There is no answer from the origin: 504 for a time-out, else 502. `command` is what was started, as typed.
pub(super) fn upstream(failure: &Failure, origin: &Origin, command: &str) -> Response<Body> {
    let status = match failure.kind {
        FailureKind::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_GATEWAY,
    };
    let title = match failure.kind {
        FailureKind::TimedOut => "retake got no answer in time",
        FailureKind::Forbidden => "retake does not go there",
        _ => "retake got no answer",
    };
    let mut response =
        answer(status, failure.kind.as_str(), title, &failure.message, cure(failure.kind, origin, command));
    response.extensions_mut().insert(Unanswered);
    response
}

fn cure(kind: FailureKind, origin: &Origin, command: &str) -> Option<String> {
    let host = origin.host();
    match kind {
        FailureKind::Unresolved => Some(format!("check the spelling of `{host}`, and the network")),
        FailureKind::Refused => Some(format!("start the server at {}, or correct the port", origin.authority)),
        FailureKind::Tls => Some(format!(
            "start `{command}` with `--upstream-ca FILE` to trust the authority that issued the certificate, \
             or with `--insecure {host}` not to verify this host"
        )),
        FailureKind::Forbidden => Some("name the server that you mean".to_owned()),
        FailureKind::Protocol | FailureKind::Closed | FailureKind::TimedOut | FailureKind::Client => None,
    }
}

/// A plain call while we stand in for nobody.
pub(super) fn not_proxied(call: &Call) -> Response<Body> {
    let detail = format!(
        "this is the recording proxy of retake, and `{}` came without saying to which server: \
         it was sent to retake as if retake were that server",
        crate::report::terminal::cut(&crate::report::terminal::clean(&call.path), 200)
    );
    let cure = "use retake as a proxy: run `eval \"$(retake env)\"` and then your client, or `retake record -- COMMAND`; \
                or start `retake record --to URL` to stand in for one server";
    answer(StatusCode::MISDIRECTED_REQUEST, "not-proxied", "This is a proxy", &detail, Some(cure.to_owned()))
}

/// `--strict-recording` fails the call.
pub(super) fn unrecorded(error: &Unrecorded) -> Response<Body> {
    let cure = "make room in the store, or start `retake record` without `--strict-recording`";
    answer(
        StatusCode::BAD_GATEWAY,
        "not-recorded",
        "The exchange could not be recorded",
        &error.to_string(),
        Some(cure.to_owned()),
    )
}

fn answer(status: StatusCode, reason: &str, title: &str, detail: &str, cure: Option<String>) -> Response<Body> {
    let problem = Problem { kind: "about:blank", title, status: status.as_u16(), reason, detail, cure };
    // Strings and numbers always serialise.
    let mut text = serde_json::to_vec_pretty(&problem).unwrap_or_default();
    text.push(b'\n');
    let mut response = Response::new(Body::full(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    // The reason classes are plain words.
    headers.insert(ERROR, HeaderValue::from_str(reason).unwrap_or(HeaderValue::from_static("error")));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_our_own_is_marked_and_names_the_cure() {
        let origin: Origin = "https://api.example.com".parse().unwrap();
        for (kind, status, word) in [
            (FailureKind::Tls, 502, "start `retake replay` with `--upstream-ca FILE`"),
            (FailureKind::TimedOut, 504, "timed-out"),
            (FailureKind::Forbidden, 502, "does not go there"),
        ] {
            let failure = Failure { kind, message: "why\"so".into() };
            let response = upstream(&failure, &origin, "retake replay");
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()["x-retake-error"], kind.as_str());
            assert_eq!(response.headers()["cache-control"], "no-store");
            let Body::Full(Some(body)) = response.body() else { panic!("no body") };
            let text = std::str::from_utf8(body).unwrap();
            assert!(text.contains(word), "{text}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(text).unwrap()["detail"], "why\"so");
        }
    }
}
