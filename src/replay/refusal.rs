//! Answers that retake makes itself in replay: the miss report, and the refusal of a request that cannot be read.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::report::miss::MissReport;
use crate::wire::Body;

/// Why a request could not be read.
#[derive(Debug)]
pub enum Refused {
    /// Its body is larger than this many bytes.
    TooLarge(u64),
    /// Nothing more of its body came for so long.
    Stalled(Duration),
    /// Its body broke off.
    Broken(String),
    /// It asks the mock for something that there is not.
    Steering(String),
    /// It came without a key that opens the collection.
    Private,
}

impl Refused {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Refused::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Refused::Stalled(_) => StatusCode::REQUEST_TIMEOUT,
            Refused::Broken(_) | Refused::Steering(_) => StatusCode::BAD_REQUEST,
            Refused::Private => StatusCode::UNAUTHORIZED,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Refused::Private => "this mock wants a key",
            _ => "retake could not read the request",
        }
    }

    /// What happened, in words.
    pub fn detail(&self) -> String {
        match self {
            Refused::TooLarge(limit) => {
                format!("the request body is larger than {} MiB, the most that replay compares", limit >> 20)
            }
            Refused::Stalled(limit) => {
                format!("the client sent nothing for {} s in the middle of its request body", limit.as_secs())
            }
            Refused::Broken(reason) => format!("the request body broke off: {reason}"),
            Refused::Steering(reason) => reason.clone(),
            Refused::Private => {
                "the collection is private: send one of its keys in `X-Api-Key`, or as `apikey` in the query".to_owned()
            }
        }
    }
}

/// The form in which a client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Text,
    Html,
}

/// The answer to a miss: the report, as text for a person at a terminal, as a page for one at a browser, else as
/// `application/problem+json` (RFC 9457).
pub fn miss(report: &MissReport, status: StatusCode, asked: &HeaderMap, head: bool) -> Response<Body> {
    let (content_type, text) = match form(asked) {
        Form::Text => ("text/plain; charset=utf-8", report.to_text()),
        Form::Html => ("text/html; charset=utf-8", report.to_html()),
        Form::Json => ("application/problem+json", report.to_json()),
    };
    let mut response = made(status, content_type, text, head);
    let fields = response.headers_mut();
    fields.insert(header::VARY, HeaderValue::from_static("accept"));
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    name_miss(report, asked, &mut response);
    response
}

/// The answer to a miss as a mock server of Postman gives it; the field `x-retake-miss` names our report.
pub fn not_found(
    report: &MissReport,
    status: StatusCode,
    asked: &HeaderMap,
    head: bool,
    empty: bool,
) -> Response<Body> {
    let number = report.miss.rsplit(':').next().unwrap_or_default();
    let cure = match empty {
        true => "The collection has no scenario yet: add one with `retake mock scenario add`".to_owned(),
        false => {
            format!("Check the method and the path of the request; `retake diff {number}` says what is near")
        }
    };
    let message = match report.reason {
        crate::matching::Reason::Steering => format!("{}. {cure}", report.detail),
        _ => cure,
    };
    let error = serde_json::json!({
        "error": { "name": "mockRequestNotFoundError", "message": message, "header": "No matching requests" },
    });
    let mut response = made(status, "application/json; charset=utf-8", error.to_string(), head);
    name_miss(report, asked, &mut response);
    response
}

/// Names the report of a miss, so that pages can read it.
fn name_miss(report: &MissReport, asked: &HeaderMap, response: &mut Response<Body>) {
    let id = HeaderValue::from_str(&report.miss).unwrap_or_else(|_| HeaderValue::from_static("miss"));
    response.headers_mut().insert("x-retake-miss", id);
    readable_by_pages(asked, response.headers_mut(), "x-retake-miss");
}

/// The answer to a request that could not be read.
pub fn unread(refused: &Refused, asked: &HeaderMap) -> Response<Body> {
    let status = refused.status();
    let problem = serde_json::json!({ "type": "about:blank", "title": refused.title(), "status": status.as_u16(), "detail": refused.detail() });
    let mut response = made(status, "application/problem+json", problem.to_string(), false);
    response.headers_mut().insert("x-retake-error", HeaderValue::from_static("client"));
    readable_by_pages(asked, response.headers_mut(), "x-retake-error");
    response
}

/// The answer in place of one that a template makes too large.
pub fn failed(reason: &str, head: bool) -> Response<Body> {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let problem = serde_json::json!({ "type": "about:blank", "title": "retake could not make the answer", "status": status.as_u16(), "detail": reason });
    let mut response = made(status, "application/problem+json", problem.to_string(), head);
    response.headers_mut().insert("x-retake-error", HeaderValue::from_static("template"));
    response
}

fn made(status: StatusCode, content_type: &'static str, text: String, head: bool) -> Response<Body> {
    let mut response = Response::new(if head { Body::empty() } else { Body::full(text) });
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A page of another origin may read our answer and the field of it that says so, so that a browser's console shows it.
pub(super) fn readable_by_pages(asked: &HeaderMap, answer: &mut HeaderMap, exposed: &'static str) {
    if let Some(origin) = asked.get(header::ORIGIN) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
        answer.append(header::VARY, HeaderValue::from_static("origin"));
    }
}

/// A page for who prefers one, as browsers do; text for a client that asks for it, or that a person runs in a terminal
/// and that asks for nothing in particular; else JSON.
fn form(asked: &HeaderMap) -> Form {
    let text_of = |name| asked.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let (accept, agent) = (text_of(header::ACCEPT), text_of(header::USER_AGENT));
    let at_terminal = ["curl/", "wget/", "httpie/", "xh/"].iter().any(|name| agent.starts_with(name));
    let (html, json, text) = (
        wish(&accept, &["text/html"]),
        wish(&accept, &["application/json", "application/problem+json"]),
        wish(&accept, &["text/plain"]),
    );
    let anything = accept.is_empty() || accept.contains("*/*");
    match () {
        () if html > json && html >= text => Form::Html,
        () if text > json => Form::Text,
        () if json == 0 && !accept.contains("json") && at_terminal && anything => Form::Text,
        () => Form::Json,
    }
}

/// How much a client wants one of these types, in thousandths: 0 if it does not name them.
fn wish(accept: &str, types: &[&str]) -> u32 {
    let named = accept.split(',').filter_map(|range| {
        let (range, parameters) = range.split_once(';').unwrap_or((range, ""));
        types.contains(&range.trim()).then_some(parameters)
    });
    let quality = |parameters: &str| {
        let quality = parameters.split(';').find_map(|one| one.trim().strip_prefix("q=")).unwrap_or("1");
        // A quality has three digits at most.
        quality.parse::<f32>().map_or(0, |quality| (quality.clamp(0.0, 1.0) * 1000.0) as u32)
    };
    named.map(quality).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_text_or_a_page_and_programs_json() {
        let asked = |agent: &'static str, accept: &'static str| {
            let mut map = HeaderMap::new();
            map.insert(header::USER_AGENT, HeaderValue::from_static(agent));
            map.insert(header::ACCEPT, HeaderValue::from_static(accept));
            form(&map)
        };
        assert_eq!(asked("curl/8.0", "*/*"), Form::Text);
        assert_eq!(asked("curl/8.0", "application/json"), Form::Json);
        assert_eq!(asked("python-requests/2", "*/*"), Form::Json);
        assert_eq!(asked("x", "text/plain"), Form::Text);
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        assert_eq!(asked("Mozilla/5.0", browser), Form::Html);
        assert_eq!(asked("Mozilla/5.0", "application/json, text/plain, */*"), Form::Json);
        assert_eq!(asked("x", "application/json;q=0.4, text/html;q=0.5"), Form::Html);
        assert_eq!(asked("curl/8.0", "application/vnd.api+json, */*"), Form::Json);
        assert_eq!(asked("x", "text/html;q=0, */*"), Form::Json);
    }
}
