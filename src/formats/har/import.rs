//! An entry as an exchange, unmasked: whatever wrote it, and however little of it is there.

use std::collections::{HashMap, HashSet};
use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::content;
use super::document::Header;
use super::export::usual_reason;
use super::identity::Identities;
use super::members::{self, Object};
use super::own::{Own, OwnMessage};
use super::timings::moments;
use super::url::{self, Url};
use crate::model::{
    Exchange, Failure, FailureKind, Field, Fields, HttpVersion, Informational, Outcome, RequestRecord, ResponseRecord,
    Vendor,
};

/// Something of an entry that could not be taken as it stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Note {
    /// `:authority` and the like.
    PseudoFields,
    /// A name that no field has.
    BadFields,
    /// A user and a password in the URL.
    UserInfo,
    /// The size of a body, and no bytes.
    BodyMissing,
    /// A body of our own that was changed since.
    BodyChanged,
    /// Characters that the message's character set does not have.
    Charset,
    /// A form without its text.
    FormRebuilt,
    /// Pairs of the query that only the list has.
    QueryRebuilt,
    /// A moment without a zone.
    NoZone,
    /// Fields of an answer that did not come.
    FieldsWithoutAnswer,
    /// `_retake` that is not as we write it.
    OwnUnreadable,
    /// Members of other tools that are too large.
    VendorTooLarge,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Note::PseudoFields => {
                "with pseudo-fields of HTTP/2 (`:authority`, `:path`): left out, the URL says the same"
            }
            Note::BadFields => "with fields that HTTP does not allow: left out",
            Note::UserInfo => "with a user and a password in the URL: left out, no request sends them there",
            Note::BodyMissing => "whose body is not in the file: kept without it, as broken off",
            Note::BodyChanged => "whose body was changed since retake wrote it: kept as it is now",
            Note::Charset => "with text that its character set does not have: kept as UTF-8",
            Note::FormRebuilt => "with a form that is only listed: its body was put together from the list",
            Note::QueryRebuilt => "with pairs of the query that are only listed: added to the URL",
            Note::NoZone => "that started at a time without a zone: taken for UTC",
            Note::FieldsWithoutAnswer => "with fields of an answer that has no status: left out",
            Note::OwnUnreadable => "with a member `_retake` that cannot be read: left out",
            Note::VendorTooLarge => "with more members of another tool than a record holds: the largest are left out",
        })
    }
}

/// An entry as an exchange: bodies in memory, nothing masked, number 0.
#[derive(Debug)]
pub struct Taken {
    /// The exchange. Its session is empty unless retake wrote the entry.
    pub exchange: Exchange,
    /// What could not be taken as it stood.
    pub notes: Vec<Note>,
}

/// Bytes of other tools' members that are kept of an entry.
const VENDOR_MAX: usize = 4 << 20;

/// What entries share.
pub(super) struct Log {
    /// Pages that no entry has brought yet.
    pub(super) pages: HashMap<String, Value>,
    /// Ids of pages that entries of our own brought: `pages` has them once more.
    pub(super) brought: HashSet<String>,
}

impl Log {
    /// A page goes with the first of its entries.
    fn page(&mut self, id: &str) -> Option<Value> {
        self.pages.remove(id)
    }

    fn own_page(&mut self, page: Option<Value>) -> Option<Value> {
        if self.brought.len() < PAGES_MAX
            && let Some(id) = page.as_ref().and_then(|page| page.get("id")).and_then(Value::as_str)
        {
            self.brought.insert(id.to_owned());
        }
        page
    }
}

/// Pages of a log that are kept.
pub(super) const PAGES_MAX: usize = 10_000;

/// Takes an entry.
///
/// # Errors
/// Why it is no exchange, in words that name the member.
pub(super) fn take(mut entry: Object, log: &mut Log, identities: &mut Identities) -> Result<Taken, String> {
    let mut notes = Vec::new();
    let started_at = started(&entry, &mut notes)?;
    let page = entry.get("pageref").and_then(Value::as_str).map(str::to_owned);
    let (mut own, coded) = own(&mut entry, &mut notes);
    let id = match &own {
        Some(own) => own.id,
        None => identities.of(&entry, started_at),
    };
    entry.remove("startedDateTime");
    let mut vendor = Vendor::new();
    // What follows from an exchange is not kept of what was recorded here.
    let is_foreign = own.as_ref().is_none_or(|own| own.foreign);
    let request_object = members::object(&mut entry, "request").ok_or("it has no `request`")?;
    let request = request(request_object, own.as_mut(), coded.0, is_foreign, &mut vendor, &mut notes)?;
    let mut response_object = members::object(&mut entry, "response").unwrap_or_default();
    let error = error(&entry, &response_object);
    let response = response(&mut response_object, own.as_mut(), coded.1, is_foreign, &mut vendor, &mut notes)?;
    let phases = members::object(&mut entry, "timings").unwrap_or_default();
    let time = members::number(&entry, "time");
    let timings = own.as_mut().map_or_else(|| moments(&phases, time), |own| std::mem::take(&mut own.timings));
    if is_foreign {
        keep(&mut vendor, "timings", phases);
    } else {
        entry.remove("time");
        entry.remove("_error");
        entry.remove("serverIPAddress");
    }
    if let Some(cache) = members::object(&mut entry, "cache") {
        keep(&mut vendor, "cache", cache);
    }
    keep(&mut vendor, "entry", entry);
    let outcome = outcome(own.as_mut(), response, error);
    let mut exchange = Exchange {
        id,
        number: 0,
        session: String::new(),
        tags: Vec::new(),
        note: None,
        started_at,
        client: None,
        request,
        outcome,
        timings,
        tls: None,
        partial: false,
        vendor,
    };
    bounded(&mut exchange.vendor, &mut notes);
    let mut page = page.and_then(|id| log.page(&id));
    if let Some(own) = own {
        page = page.or_else(|| log.own_page(own.page));
        exchange.session = own.session;
        (exchange.tags, exchange.note) = (own.tags, own.note);
        (exchange.client, exchange.tls, exchange.partial) = (own.client, own.tls, own.partial);
    }
    if let Some(page) = page {
        exchange.vendor.insert("page".into(), page);
    }
    Ok(Taken { exchange, notes })
}

fn keep(vendor: &mut Vendor, place: &str, members: Object) {
    if !members.is_empty() {
        vendor.insert(place.to_owned(), Value::Object(members));
    }
}

fn started(entry: &Object, notes: &mut Vec<Note>) -> Result<Timestamp, String> {
    let value = entry.get("startedDateTime").ok_or("it has no `startedDateTime`")?;
    let text = match value {
        Value::String(text) => text.trim(),
        // Some write milliseconds since 1970.
        Value::Number(number) => {
            let millis = number.as_f64().unwrap_or(f64::NAN);
            let at =
                (-6e13..=2e14).contains(&millis).then(|| Timestamp::from_microsecond((millis * 1000.0) as i64).ok());
            return at.flatten().ok_or_else(|| format!("`startedDateTime` {number} is no moment"));
        }
        _ => return Err("`startedDateTime` is no text".into()),
    };
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(whole_us(at));
    }
    match text.parse::<DateTime>().ok().and_then(|at| at.to_zoned(TimeZone::UTC).ok()) {
        Some(at) => {
            notes.push(Note::NoZone);
            Ok(whole_us(at.timestamp()))
        }
        None => Err(format!("`startedDateTime` {text:?} is no moment such as 2026-11-20T10:00:00.000Z")),
    }
}

fn whole_us(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// `_retake`, and the coded bodies in it.
fn own(entry: &mut Object, notes: &mut Vec<Note>) -> (Option<Own>, (Option<String>, Option<String>)) {
    let Some(mut own) = members::object(entry, "_retake") else { return (None, (None, None)) };
    let coded = (members::text(&mut own, "request_coded"), members::text(&mut own, "response_coded"));
    match serde_json::from_value(Value::Object(own)) {
        Ok(own) => (Some(own), coded),
        Err(_) => {
            notes.push(Note::OwnUnreadable);
            (None, (None, None))
        }
    }
}

fn request(
    mut object: Object,
    own: Option<&mut Own>,
    coded: Option<String>,
    is_foreign: bool,
    vendor: &mut Vendor,
    notes: &mut Vec<Note>,
) -> Result<RequestRecord, String> {
    let method = members::text(&mut object, "method").filter(|method| is_token(method));
    let method = method.ok_or("its `request.method` is no method")?;
    let url = members::text(&mut object, "url").ok_or("it has no `request.url`")?;
    let url = url::split(url.trim()).map_err(|why| format!("its `request.url`: {why}"))?;
    let fields = fields(&mut object, notes);
    let mut data = members::object(&mut object, "postData").unwrap_or_default();
    let params = members::list(&mut data, "params");
    let (path, message) = match own {
        Some(own) => (own.path.take(), std::mem::take(&mut own.request)),
        None => (None, OwnMessage::default()),
    };
    let mut given = content::given(&mut data, message.body, coded);
    if given.text.is_none() && given.own.is_none() {
        given.text = content::of_params(&params, given.mime_type.as_deref(), notes);
    }
    given.wire_size = members::size(&object, "bodySize");
    // Of a request no other size is written.
    given.size = given.wire_size;
    let body = content::body(given, &fields, notes).map_err(|why| format!("its `request.postData`: {why}"))?;
    let listed = members::list(&mut object, "queryString");
    let query = with_listed(url.query.clone(), &listed, notes);
    noted(&url, vendor, notes);
    let version = version(&object);
    derived(&mut object, is_foreign, fields.has("cookie"));
    if !is_foreign {
        data.remove("mimeType");
    }
    keep(vendor, "postData", data);
    keep(vendor, "request", object);
    Ok(RequestRecord {
        method,
        origin: url.origin,
        path: path.unwrap_or(url.path),
        query,
        version,
        fields,
        trailers: lines(message.trailers),
        body,
    })
}

fn response(
    object: &mut Object,
    own: Option<&mut Own>,
    coded: Option<String>,
    is_foreign: bool,
    vendor: &mut Vendor,
    notes: &mut Vec<Note>,
) -> Result<Option<ResponseRecord>, String> {
    let status = members::number(object, "status").unwrap_or(0.0);
    let message = own.map(|own| own.response.take());
    let is_answer = status != 0.0 && !matches!(message, Some(None));
    if is_answer && !(100.0..1000.0).contains(&status) {
        return Err(format!("its `response.status` {status} is none of HTTP"));
    }
    let message = message.flatten().unwrap_or_default();
    let fields = fields(object, notes);
    let mut data = members::object(object, "content").unwrap_or_default();
    let mut given = content::given(&mut data, message.body, coded);
    given.wire_size = members::size(object, "bodySize");
    let version = version(object);
    if !is_answer {
        if !fields.is_empty() {
            notes.push(Note::FieldsWithoutAnswer);
        }
        if is_foreign {
            keep(vendor, "content", data);
            keep(vendor, "response", std::mem::take(object));
        }
        return Ok(None);
    }
    let body = content::body(given, &fields, notes).map_err(|why| format!("its `response.content`: {why}"))?;
    let status = status as u16;
    object.remove("status");
    let reason =
        members::text(object, "statusText").filter(|text| !text.is_empty() && *text != usual_reason(version, status));
    derived(object, is_foreign, fields.has("set-cookie"));
    if object.get("redirectURL").and_then(Value::as_str) == Some(&*fields.text("location").unwrap_or_default()) {
        object.remove("redirectURL");
    }
    if !is_foreign {
        for name in ["size", "compression", "mimeType", "comment"] {
            data.remove(name);
        }
    }
    keep(vendor, "content", data);
    keep(vendor, "response", std::mem::take(object));
    let informational = message.informational.into_iter();
    Ok(Some(ResponseRecord {
        version,
        status,
        reason,
        fields,
        trailers: lines(message.trailers),
        informational: informational
            .map(|interim| Informational { status: interim.status, fields: lines(interim.headers) })
            .collect(),
        body,
    }))
}

/// Takes out what is written anew from the exchange.
fn derived(object: &mut Object, is_foreign: bool, has_cookie_lines: bool) {
    if !is_foreign {
        for name in ["httpVersion", "headersSize", "bodySize"] {
            object.remove(name);
        }
    }
    let no_cookies = object.get("cookies").and_then(Value::as_array).is_none_or(Vec::is_empty);
    if no_cookies || has_cookie_lines {
        object.remove("cookies");
    }
}

fn version(object: &Object) -> HttpVersion {
    let text = object.get("httpVersion").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    match text.trim_start_matches("http/").trim() {
        "1.0" | "0.9" => HttpVersion::Http10,
        "2" | "2.0" | "h2" | "3" | "3.0" | "h3" | "quic" => HttpVersion::Http2,
        other if other.starts_with("h3-") => HttpVersion::Http2,
        _ => HttpVersion::Http11,
    }
}

fn fields(object: &mut Object, notes: &mut Vec<Note>) -> Fields {
    let mut fields = Fields::new();
    for line in members::list(object, "headers") {
        let Ok(line) = serde_json::from_value::<Header>(line) else {
            notes.push(Note::BadFields);
            continue;
        };
        if line.name.starts_with(':') {
            notes.push(Note::PseudoFields);
        } else if is_token(&line.name) {
            fields.push(line.name.clone(), clean(line.field()).value);
        } else {
            notes.push(Note::BadFields);
        }
    }
    notes.dedup();
    fields
}

/// A value on one line: some tools join lines of one name with a line feed.
fn clean(mut field: Field) -> Field {
    let value = field.value.trim_ascii();
    field.value = value.iter().map(|&byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { byte }).collect();
    field
}

fn lines(headers: Vec<Header>) -> Fields {
    headers.into_iter().filter(|line| is_token(&line.name)).map(|line| clean(line.field())).collect()
}

/// A token of HTTP (RFC 9110 section 5.6.2): a method, or the name of a field.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// A query with the pairs that only the list has: some tools take them out of the URL.
fn with_listed(query: Option<String>, listed: &[Value], notes: &mut Vec<Note>) -> Option<String> {
    let member = |pair: &Value, name: &str| pair.get(name).and_then(Value::as_str).map(str::to_owned);
    let written = query.as_deref().unwrap_or_default();
    // Some list names as written, some decoded.
    let raw = written.split('&').map(|pair| pair.split('=').next().unwrap_or_default().to_owned());
    let names: HashSet<String> =
        form_urlencoded::parse(written.as_bytes()).map(|(name, _)| name.into_owned()).chain(raw).collect();
    let pairs: Vec<(String, String)> = listed
        .iter()
        .filter_map(|pair| Some((member(pair, "name")?, member(pair, "value").unwrap_or_default())))
        .filter(|(name, _)| !names.contains(name))
        .collect();
    if pairs.is_empty() {
        return query;
    }
    notes.push(Note::QueryRebuilt);
    let more = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    Some(if written.is_empty() { more } else { format!("{written}&{more}") })
}

/// Keeps the parts of a URL that an exchange has no room for.
fn noted(url: &Url, vendor: &mut Vendor, notes: &mut Vec<Note>) {
    let mut parts = Object::new();
    if let Some(fragment) = &url.fragment {
        parts.insert("fragment".into(), Value::String(fragment.clone()));
    }
    if let Some(scheme) = url.socket {
        parts.insert("scheme".into(), Value::String(scheme.to_owned()));
    }
    keep(vendor, "url", parts);
    if url.had_user {
        notes.push(Note::UserInfo);
    }
}

/// What the file says of an answer that did not come.
fn error(entry: &Object, response: &Object) -> Option<String> {
    let of = |object: &Object, name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
    let found = of(entry, "_error").or_else(|| of(response, "_error")).or_else(|| of(response, "statusText"));
    found.filter(|text| !text.is_empty())
}

fn outcome(own: Option<&mut Own>, response: Option<ResponseRecord>, error: Option<String>) -> Outcome {
    let message = || error.clone().unwrap_or_else(|| "the file has no answer to it".to_owned());
    let failure = || Failure { kind: kind(&message()), message: message() };
    let Some(own) = own else {
        return match response {
            Some(response) => Outcome::Complete(response),
            None if is_cancelled(&message()) => Outcome::Cancelled(None),
            None => Outcome::Failed(failure(), None),
        };
    };
    match (own.outcome.as_str(), response) {
        ("cancelled", response) => Outcome::Cancelled(response),
        ("interrupted", response) => Outcome::Interrupted(response),
        ("failed", response) => Outcome::Failed(own.failure.take().unwrap_or_else(failure), response),
        ("relayed", None) if own.relayed.is_some() => {
            own.relayed.take().map_or_else(|| Outcome::Failed(failure(), None), Outcome::Relayed)
        }
        (_, Some(response)) => Outcome::Complete(response),
        (_, None) => Outcome::Failed(failure(), None),
    }
}

/// The class of a failure by the words of Chromium, Firefox and others.
fn kind(message: &str) -> FailureKind {
    let text = message.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["NAME_NOT_RESOLVED", "ENOTFOUND", "UNKNOWN_HOST", "GETADDRINFO"]) {
        FailureKind::Unresolved
    } else if has(&["CONNECTION_REFUSED", "ECONNREFUSED", "UNREACHABLE", "INTERNET_DISCONNECTED"]) {
        FailureKind::Refused
    } else if has(&["_CERT_", "_SSL_", "CERTIFICATE", "SEC_ERROR"]) {
        FailureKind::Tls
    } else if has(&["TIMED_OUT", "TIMEOUT"]) {
        FailureKind::TimedOut
    } else if has(&["BLOCKED_BY"]) {
        FailureKind::Forbidden
    } else if has(&["INVALID_RESPONSE", "PROTOCOL_ERROR"]) {
        FailureKind::Protocol
    } else {
        FailureKind::Closed
    }
}

fn is_cancelled(message: &str) -> bool {
    message.contains("ERR_ABORTED")
        || message.eq_ignore_ascii_case("cancelled")
        || message.eq_ignore_ascii_case("canceled")
}

/// Leaves out the largest members of other tools until the record can hold the rest.
fn bounded(vendor: &mut Vendor, notes: &mut Vec<Note>) {
    let length = |value: &Value| value.to_string().len();
    if vendor.values().map(length).sum::<usize>() <= VENDOR_MAX {
        return;
    }
    notes.push(Note::VendorTooLarge);
    let mut sizes: Vec<(usize, String, String)> = Vec::new();
    for (place, members) in vendor.iter() {
        for (name, value) in members.as_object().into_iter().flatten() {
            sizes.push((length(value), place.clone(), name.clone()));
        }
    }
    sizes.sort_unstable();
    let mut total: usize = sizes.iter().map(|(size, ..)| size).sum();
    while let Some((size, place, name)) = sizes.pop() {
        if total <= VENDOR_MAX / 2 {
            break;
        }
        if let Some(members) = vendor.get_mut(&place).and_then(Value::as_object_mut) {
            members.remove(&name);
        }
        total -= size;
    }
    vendor.retain(|_, members| members.as_object().is_none_or(|members| !members.is_empty()));
}
