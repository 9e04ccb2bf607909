//! An exchange as an entry.

use std::io::Read;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::bodies::{Prepared, Problem, prepare, reader};
use super::cookies;
use super::document::{Content, Entry, OwnEntry, Pair, Param, PostData, Request, Response, Timings};
use super::own::{Own, OwnBody, headers};
use super::text::{Text, Trouble};
use super::timings::{ms, phases};
use super::writer::Open;
use crate::model::coding;
use crate::model::media::{self, Kind};
use crate::model::{Body, Exchange, Fields, HttpVersion, Outcome, RequestRecord, ResponseRecord, multipart};
use crate::redact::is_placeholder;

/// Forms up to this size are also written as their pairs.
const PARAMS_MAX: u64 = 1 << 20;

static NOTHING: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

/// The entry of an exchange, and what is wrong with its bodies. Bodies are read while it is written; what fails then is
/// left in `trouble`.
pub(super) fn entry<'a>(exchange: &'a Exchange, open: &'a Open<'a>, trouble: &'a Trouble) -> (Entry<'a>, Vec<Problem>) {
    let mut own = Own::of(exchange);
    let mut problems = Vec::new();
    let (request, request_body, request_coded) = request(exchange, open, trouble, &mut problems);
    own.request.body = Some(request_body);
    let (response, response_body, response_coded) = match exchange.outcome.response() {
        Some(answer) => response(exchange, answer, open, trouble, &mut problems),
        None => (no_response(exchange), None, None),
    };
    if let Some(message) = &mut own.response {
        message.body = response_body;
    }
    let (timings, vendor) = (of_vendor(exchange, "timings"), of_vendor(exchange, "entry"));
    let entry = Entry {
        started_date_time: exchange.started_at.to_string(),
        time: unless(vendor, "time", ms(exchange.timings.total_us)),
        request,
        response,
        cache: of_vendor(exchange, "cache"),
        timings: if timings.is_empty() { Timings::Ours(phases(&exchange.timings)) } else { Timings::Theirs(timings) },
        server_ip_address: address(exchange).filter(|_| !vendor.contains_key("serverIPAddress")),
        error: error(exchange).filter(|_| !vendor.contains_key("_error")),
        vendor,
        own: OwnEntry { own, request_coded, response_coded },
    };
    (entry, problems)
}

/// What the file that an exchange came from said at this place.
pub(super) fn of_vendor<'a>(exchange: &'a Exchange, place: &str) -> &'a Map<String, Value> {
    exchange.vendor.get(place).and_then(Value::as_object).unwrap_or(&NOTHING)
}

fn request<'a>(
    exchange: &'a Exchange,
    open: &'a Open<'a>,
    trouble: &'a Trouble,
    problems: &mut Vec<Problem>,
) -> (Request<'a>, OwnBody, Option<Text<'a>>) {
    let request = &exchange.request;
    let Prepared { seen, encoding, text, coded, own, problem } =
        prepare(exchange, &request.fields, &request.body, open, trouble);
    problems.extend(problem);
    let vendor = of_vendor(exchange, "postData");
    let has_data = !request.body.is_empty() || !vendor.is_empty();
    let post_data = has_data.then(|| PostData {
        mime_type: unless(vendor, "mimeType", media_type(&request.fields)),
        params: if seen.size <= PARAMS_MAX { params(exchange, open) } else { Vec::new() },
        text,
        encoding,
        vendor,
    });
    let vendor = of_vendor(exchange, "request");
    let line = request.method.len() + request.target().len() + " HTTP/1.1\r\n".len() + 1;
    let request = Request {
        method: &request.method,
        url: url(exchange),
        http_version: unless(vendor, "httpVersion", request.version.as_str()),
        cookies: unless(vendor, "cookies", cookies::sent(&request.fields)),
        headers: headers(&request.fields),
        query_string: pairs(request),
        post_data,
        headers_size: unless(vendor, "headersSize", head_size(line, request.version, &request.fields)),
        body_size: unless(vendor, "bodySize", signed(request.body.wire_size)),
        vendor,
    };
    (request, own, coded)
}

fn response<'a>(
    exchange: &'a Exchange,
    response: &'a ResponseRecord,
    open: &'a Open<'a>,
    trouble: &'a Trouble,
    problems: &mut Vec<Problem>,
) -> (Response<'a>, Option<OwnBody>, Option<Text<'a>>) {
    let Prepared { seen, encoding, text, coded, own, problem } =
        prepare(exchange, &response.fields, &response.body, open, trouble);
    let vendor = of_vendor(exchange, "content");
    let was_coded = coded.is_some() || response.body.coding_removed.is_some();
    let content = Content {
        size: unless(vendor, "size", seen.size),
        compression: unless(vendor, "compression", difference(seen.size, response.body.wire_size))
            .filter(|_| was_coded),
        mime_type: unless(vendor, "mimeType", media_type(&response.fields)),
        text,
        encoding,
        comment: problem.as_ref().map(ToString::to_string).filter(|_| !vendor.contains_key("comment")),
        vendor,
    };
    problems.extend(problem);
    let vendor = of_vendor(exchange, "response");
    let status_text = status_text(response);
    let line = "HTTP/1.1 200 \r\n".len() + status_text.len();
    let answer = Response {
        status: Some(response.status),
        http_version: unless(vendor, "httpVersion", response.version.as_str()),
        cookies: unless(vendor, "cookies", cookies::set(&response.fields)),
        headers: headers(&response.fields),
        content,
        redirect_url: unless(vendor, "redirectURL", response.fields.text("location").unwrap_or_default().into_owned()),
        headers_size: unless(vendor, "headersSize", head_size(line, response.version, &response.fields)),
        body_size: unless(vendor, "bodySize", signed(response.body.wire_size)),
        status_text: Some(status_text),
        vendor,
    };
    (answer, Some(own), coded)
}

/// No answer, as browsers write it: status 0.
fn no_response(exchange: &Exchange) -> Response<'_> {
    let (vendor, inner) = (of_vendor(exchange, "response"), of_vendor(exchange, "content"));
    let content = Content {
        size: unless(inner, "size", 0),
        compression: None,
        mime_type: unless(inner, "mimeType", "x-unknown".to_owned()),
        text: None,
        encoding: None,
        comment: None,
        vendor: inner,
    };
    Response {
        status: unless(vendor, "status", 0),
        status_text: unless(vendor, "statusText", String::new()),
        http_version: unless(vendor, "httpVersion", "unknown"),
        cookies: unless(vendor, "cookies", Vec::new()),
        headers: Vec::new(),
        content,
        redirect_url: unless(vendor, "redirectURL", String::new()),
        headers_size: unless(vendor, "headersSize", -1),
        body_size: unless(vendor, "bodySize", -1),
        vendor,
    }
}

/// The URL; a path that no URL has (`*`, or none) is written as `/`.
fn url(exchange: &Exchange) -> String {
    let request = &exchange.request;
    let given = of_vendor(exchange, "url");
    let part = |name: &str| given.get(name).and_then(Value::as_str);
    let origin = request.origin.to_string();
    let origin = match part("scheme") {
        Some(scheme) => origin.replacen(request.origin.scheme.as_str(), scheme, 1),
        None => origin,
    };
    let path = if request.path.starts_with('/') { &request.path } else { "/" };
    let query = request.query.as_ref().map_or_else(String::new, |query| format!("?{query}"));
    format!("{origin}{path}{query}{}", part("fragment").unwrap_or_default())
}

/// A member, unless the file that the exchange came from has its own.
fn unless<T>(vendor: &Map<String, Value>, name: &str, value: T) -> Option<T> {
    (!vendor.contains_key(name)).then_some(value)
}

fn media_type(fields: &Fields) -> String {
    fields.text("content-type").unwrap_or_default().into_owned()
}

fn status_text(response: &ResponseRecord) -> String {
    let usual = || usual_reason(response.version, response.status).to_owned();
    response.reason.clone().unwrap_or_else(usual)
}

/// The reason phrase that goes without saying; HTTP/2 has none.
pub(super) fn usual_reason(version: HttpVersion, status: u16) -> &'static str {
    match version {
        HttpVersion::Http2 => "",
        _ => http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default(),
    }
}

fn error(exchange: &Exchange) -> Option<&str> {
    match &exchange.outcome {
        Outcome::Complete(_) => None,
        Outcome::Failed(failure, _) => Some(&failure.message),
        Outcome::Cancelled(_) => Some("the client went away before the end"),
        Outcome::Interrupted(_) => Some("the recorder was stopped before the end"),
        Outcome::Relayed(relayed) => Some(&relayed.reason),
    }
}

/// The server's address where the origin is one: names are not looked up.
fn address(exchange: &Exchange) -> Option<&str> {
    let host = exchange.request.origin.host();
    host.parse::<std::net::IpAddr>().is_ok().then_some(host)
}

fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn difference(decoded: u64, carried: u64) -> i64 {
    i64::try_from(i128::from(decoded) - i128::from(carried)).unwrap_or(0)
}

/// Bytes of a head of HTTP/1 as recorded; -1 where it was framed otherwise, or masking changed its length.
fn head_size(line: usize, version: HttpVersion, fields: &Fields) -> i64 {
    if version == HttpVersion::Http2 || fields.iter().any(|field| is_placeholder(&field.text())) {
        return -1;
    }
    let lines: usize = fields.iter().map(|field| field.name.len() + field.value.len() + ": \r\n".len()).sum();
    i64::try_from(line + lines + "\r\n".len()).unwrap_or(-1)
}

fn pairs(request: &RequestRecord) -> Vec<Pair> {
    let query = request.query.as_deref().unwrap_or_default();
    let pairs = form_urlencoded::parse(query.as_bytes());
    pairs.map(|(name, value)| Pair { name: name.into_owned(), value: value.into_owned() }).collect()
}

/// The pairs of a form, or the parts of a multipart body; the text has them as they were.
fn params(exchange: &Exchange, open: &Open<'_>) -> Vec<Param> {
    let (fields, body) = (&exchange.request.fields, &exchange.request.body);
    let content_type = fields.text("content-type");
    let kind = Kind::of(content_type.as_deref());
    if !matches!(kind, Kind::Form | Kind::Multipart) {
        return Vec::new();
    }
    let Some(bytes) = whole(exchange, fields, body, open) else { return Vec::new() };
    if kind == Kind::Form {
        let pairs = form_urlencoded::parse(&bytes);
        return pairs
            .map(|(name, value)| Param {
                name: name.into_owned(),
                value: Some(value.into_owned()),
                file_name: None,
                content_type: None,
            })
            .collect();
    }
    let parts = multipart::parts(content_type.as_deref(), &bytes).unwrap_or_default();
    parts.iter().map(param).collect()
}

fn param(part: &multipart::Part<'_>) -> Param {
    let file_name = part.file_name();
    let text = std::str::from_utf8(part.content).ok().filter(|text| media::looks_like_text(text.as_bytes()));
    Param {
        name: part.name().unwrap_or_default(),
        value: text.filter(|_| file_name.is_none()).map(str::to_owned),
        file_name,
        content_type: part.fields.text("content-type").map(std::borrow::Cow::into_owned),
    }
}

/// A small body, decoded.
fn whole(exchange: &Exchange, fields: &Fields, body: &Body, open: &Open<'_>) -> Option<Vec<u8>> {
    let codings = match body.coding_removed {
        Some(_) => Vec::new(),
        None => coding::codings(fields).ok()?,
    };
    let mut bytes = Vec::new();
    reader(exchange, body, open, &codings).ok()?.take(PARAMS_MAX + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= PARAMS_MAX).then_some(bytes)
}
