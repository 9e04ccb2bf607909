//! What an entry says, masked as the recorder masks what it records: before anything of it is stored.

use serde_json::Value;

use super::content::of_bytes;
use super::members::Object;
use crate::model::coding::{self, Coding};
use crate::model::media::{self, Kind};
use crate::model::{Body, BodyContent, BodyEnd, Exchange, Fields, Outcome, Vendor};
use crate::redact::{self, Masker};

/// So many bytes tell whether a body without a type is text.
const SNIFFED: usize = 4096;

/// Masks an exchange whose bodies are in its record, whatever their size. Returns how many values were masked, or none
/// when members of another tool had to be left out because they could not be masked.
pub fn masked(masker: &Masker, exchange: &mut Exchange) -> (u32, bool) {
    if masker.is_off() {
        return (0, true);
    }
    let mut hits = 0;
    let request = &mut exchange.request;
    // Fields first: what they teach is then found in the rest.
    let in_head = masker.fields(&mut request.fields) + masker.fields(&mut request.trailers);
    hits += in_head;
    if in_head > 0 {
        forget(&mut exchange.vendor, "request", &["headersSize"]);
    }
    replace(&mut request.path, &mut hits, |path| masker.path(path).into_owned());
    if let Some(query) = &mut request.query {
        replace(query, &mut hits, |query| masker.query(query).into_owned());
    }
    let given = mime_type(&exchange.vendor, "postData");
    hits += body(masker, &request.fields, given, &mut request.body);
    match &mut exchange.outcome {
        Outcome::Failed(failure, _) => replace(&mut failure.message, &mut hits, |text| masker.text(text).into_owned()),
        Outcome::Relayed(relayed) => replace(&mut relayed.reason, &mut hits, |text| masker.text(text).into_owned()),
        _ => {}
    }
    if let Some(response) = exchange.outcome.response_mut() {
        let mut in_head = masker.fields(&mut response.fields) + masker.fields(&mut response.trailers);
        for interim in &mut response.informational {
            in_head += masker.fields(&mut interim.fields);
        }
        if let Some(reason) = &mut response.reason {
            replace(reason, &mut hits, |text| masker.text(text).into_owned());
        }
        let given = mime_type(&exchange.vendor, "content");
        let in_body = body(masker, &response.fields, given, &mut response.body);
        if in_head > 0 {
            forget(&mut exchange.vendor, "response", &["headersSize"]);
        }
        if in_body > 0 {
            forget(&mut exchange.vendor, "content", &["size", "compression"]);
        }
        hits += in_head + in_body;
    }
    let (in_vendor, is_whole) = vendor(masker, &mut exchange.vendor);
    for text in std::iter::once(&mut exchange.session).chain(&mut exchange.tags).chain(&mut exchange.note) {
        replace(text, &mut hits, |text| masker.text(text).into_owned());
    }
    (hits + in_vendor, is_whole)
}

fn replace(text: &mut String, hits: &mut u32, mask: impl FnOnce(&str) -> String) {
    let masked = mask(text);
    if masked != *text {
        *hits += 1;
        *text = masked;
    }
}

/// The type that the file gives a body whose fields give none.
fn mime_type(vendor: &Vendor, place: &str) -> Option<String> {
    vendor.get(place)?.get("mimeType")?.as_str().map(str::to_owned)
}

/// Figures that masking has made untrue.
fn forget(vendor: &mut Vendor, place: &str, names: &[&str]) {
    if let Some(members) = vendor.get_mut(place).and_then(Value::as_object_mut) {
        names.iter().for_each(|name| drop(members.remove(*name)));
    }
}

/// Members of other tools: cookies by their place, the rest as JSON. What cannot be masked is left out.
fn vendor(masker: &Masker, vendor: &mut Vendor) -> (u32, bool) {
    if vendor.is_empty() {
        return (0, true);
    }
    let mut hits = 0;
    for place in ["request", "response"] {
        let members = vendor.get_mut(place).and_then(Value::as_object_mut);
        let cookies = members.and_then(|members| members.get_mut("cookies")).and_then(Value::as_array_mut);
        for cookie in cookies.into_iter().flatten().filter_map(Value::as_object_mut) {
            hits += mask_cookie(masker, cookie);
        }
    }
    match masker.object(vendor) {
        Some((masked, more)) => {
            *vendor = masked;
            (hits + more, true)
        }
        None => {
            *vendor = Vendor::new();
            (hits, false)
        }
    }
}

fn mask_cookie(masker: &Masker, cookie: &mut Object) -> u32 {
    let of = |name: &str| cookie.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (name, value) = (of("name"), of("value"));
    let mut line = Fields::new();
    line.push("Cookie", format!("{name}={value}"));
    let hits = masker.fields(&mut line);
    let masked = line.text("cookie").and_then(|line| line.split_once('=').map(|(_, value)| value.to_owned()));
    if let Some(masked) = masked.filter(|_| hits > 0) {
        cookie.insert("value".into(), Value::String(masked));
    }
    hits
}

/// Masks a body, decoded; one that changes is kept decoded, as the recorder keeps it.
fn body(masker: &Masker, fields: &Fields, given: Option<String>, body: &mut Body) -> u32 {
    let BodyContent::Inline(bytes) = &body.content else { return 0 };
    let content_type = fields.text("content-type").map(std::borrow::Cow::into_owned).or(given);
    let kind = Kind::of(content_type.as_deref());
    let is_untyped = content_type.as_deref().is_none_or(|value| media::essence(value).is_empty());
    if bytes.is_empty() || (kind == Kind::Binary && !is_untyped) {
        return 0;
    }
    let codings = if body.coding_removed.is_some() { Ok(Vec::new()) } else { coding::codings(fields) };
    let (decoded, codings, as_text) = match codings {
        Ok(codings) if codings.is_empty() => (None, codings, is_untyped),
        Ok(codings) => match coding::decode(bytes, &codings, coding::plausible(bytes.len() as u64)) {
            Ok(decoded) => (Some(decoded), codings, is_untyped),
            // Not what its coding says: it may be plain text, or the beginning of a coded one.
            Err(_) => return undecodable(masker, body, &codings),
        },
        Err(_) => (None, Vec::new(), true),
    };
    let plain = decoded.as_deref().unwrap_or(bytes);
    let looks = as_text && redact::looks_like_text(&plain[..plain.len().min(SNIFFED)]);
    let mut masking = match looks {
        true => masker.body(Kind::Text, None),
        false => masker.body(kind, content_type.as_deref()),
    };
    let mut out = Vec::with_capacity(plain.len());
    masking.push(plain, &mut out);
    masking.finish(&mut out);
    if masking.hits() == 0 || out == plain {
        return 0;
    }
    let names = (!codings.is_empty()).then(|| fields.members("content-encoding").join(", "));
    changed(body, out, names, masking.hits())
}

/// A body that does not decode to its end: masked as far as it does where there is something to mask.
fn undecodable(masker: &Masker, body: &mut Body, codings: &[Coding]) -> u32 {
    let BodyContent::Inline(bytes) = &body.content else { return 0 };
    let beginning = beginning(bytes, codings);
    let plain = if beginning.is_empty() { bytes.as_slice() } else { &beginning };
    if !redact::looks_like_text(&plain[..plain.len().min(SNIFFED)]) {
        return 0;
    }
    let mut masking = masker.body(Kind::Text, None);
    let mut out = Vec::new();
    masking.push(plain, &mut out);
    masking.finish(&mut out);
    if masking.hits() == 0 {
        return 0;
    }
    let names = codings.iter().map(|coding| coding.name()).collect::<Vec<_>>().join(", ");
    let is_decoded = !beginning.is_empty();
    if is_decoded && body.end.is_whole() {
        body.end = BodyEnd::Failed;
    }
    changed(body, out, is_decoded.then_some(names), masking.hits())
}

/// What of damaged coded bytes can be decoded.
fn beginning(bytes: &[u8], codings: &[Coding]) -> Vec<u8> {
    use std::io::Read;
    let mut reader: Box<dyn std::io::BufRead + '_> = Box::new(bytes);
    for &coding in codings.iter().rev() {
        match coding::reader(coding, reader) {
            Ok(decoder) => reader = Box::new(std::io::BufReader::new(decoder)),
            Err(_) => return Vec::new(),
        }
    }
    let mut out = Vec::new();
    let _ = reader.take(coding::plausible(bytes.len() as u64)).read_to_end(&mut out);
    out
}

fn changed(body: &mut Body, bytes: Vec<u8>, coding_removed: Option<String>, hits: u32) -> u32 {
    let old = std::mem::replace(body, of_bytes(bytes));
    (body.wire_size, body.end) = (old.wire_size, old.end);
    body.masked = old.masked.saturating_add(hits);
    body.coding_removed = old.coding_removed.or(coding_removed);
    hits
}
