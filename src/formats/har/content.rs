//! The body that an entry has, as bytes.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::import::Note;
use super::members::{self, Object};
use super::own::OwnBody;
use crate::model::coding;
use crate::model::media::{self, Kind};
use crate::model::{Body, BodyContent, BodyEnd, ContentHash, Fields};

/// Base64 as tools write it, padded or not.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What an entry says of a body.
pub(super) struct Given {
    /// `text`
    pub(super) text: Option<String>,
    /// `encoding`, or `_encoding`
    pub(super) encoding: Option<String>,
    /// `mimeType`
    pub(super) mime_type: Option<String>,
    /// Size as carried.
    pub(super) wire_size: Option<u64>,
    /// Size after decoding.
    pub(super) size: Option<u64>,
    /// What `_retake` says of it.
    pub(super) own: Option<OwnBody>,
    /// The bytes as carried, from `_retake`.
    pub(super) coded: Option<String>,
}

/// The body, in memory whatever its size, and unmasked.
///
/// # Errors
/// Its text is not what its encoding says.
pub(super) fn body(given: Given, fields: &Fields, notes: &mut Vec<Note>) -> Result<Body, String> {
    let content_type =
        fields.text("content-type").map(std::borrow::Cow::into_owned).or_else(|| given.mime_type.clone());
    let is_missing = given.text.is_none() && given.size.unwrap_or(0) > 0 && given.own.is_none();
    let bytes = match (given.text, given.encoding.as_deref()) {
        (None, _) => Vec::new(),
        (Some(text), Some(encoding)) if encoding.eq_ignore_ascii_case("base64") => decoded(text)?,
        (Some(text), _) if given.own.is_some() => text.into_bytes(),
        (Some(text), _) => in_charset(text, content_type.as_deref(), notes),
    };
    let Some(own) = given.own else {
        let names = fields.members("content-encoding");
        let is_coded = names.iter().any(|name| !name.eq_ignore_ascii_case("identity"));
        let mut body = of_bytes(bytes);
        body.wire_size = given.wire_size.filter(|size| *size > 0).unwrap_or(body.size);
        body.coding_removed = (is_coded && !body.is_empty()).then(|| names.join(", "));
        if is_missing {
            notes.push(Note::BodyMissing);
            body.end = BodyEnd::Failed;
            body.wire_size = given.wire_size.filter(|size| *size > 0).or(given.size).unwrap_or(0);
        }
        return Ok(body);
    };
    let coded = given.coded.and_then(|coded| decoded(coded).ok()).filter(|coded| gives(coded, &bytes, fields));
    let was_coded =
        own.coding_removed.is_none() && !own.as_carried && coding::codings(fields).is_ok_and(|all| !all.is_empty());
    let mut body = match coded {
        Some(coded) => of_bytes(coded),
        None => Body {
            // Somebody changed the text: it holds, and what was carried is gone.
            coding_removed: own
                .coding_removed
                .or_else(|| (was_coded && !bytes.is_empty()).then(|| fields.members("content-encoding").join(", "))),
            ..of_bytes(bytes)
        },
    };
    if body.hash.to_hex() != own.blake3 {
        notes.push(if body.is_empty() { Note::BodyMissing } else { Note::BodyChanged });
    }
    body.end = if body.is_empty() && own.size > 0 && own.end.is_whole() { BodyEnd::Failed } else { own.end };
    (body.wire_size, body.masked) = (own.wire_size, own.masked);
    Ok(body)
}

/// A body of these bytes, in the record whatever its size.
pub(super) fn of_bytes(bytes: Vec<u8>) -> Body {
    Body {
        size: bytes.len() as u64,
        wire_size: bytes.len() as u64,
        hash: ContentHash::of(&bytes),
        content: BodyContent::Inline(bytes),
        ..Body::empty()
    }
}

/// Whether these bytes decode to that text.
fn gives(coded: &[u8], text: &[u8], fields: &Fields) -> bool {
    let limit = text.len() as u64;
    coding::codings(fields).is_ok_and(|codings| coding::decode(coded, &codings, limit).is_ok_and(|bytes| bytes == text))
}

fn decoded(text: String) -> Result<Vec<u8>, String> {
    let mut bytes = text.into_bytes();
    bytes.retain(|byte| !byte.is_ascii_whitespace());
    for byte in &mut bytes {
        match byte {
            b'-' => *byte = b'+',
            b'_' => *byte = b'/',
            _ => {}
        }
    }
    LENIENT.decode(&bytes).map_err(|error| format!("its text is no base64: {error}"))
}

/// Text as bytes of the character set that the message names: what a client of a replay expects.
fn in_charset(text: String, content_type: Option<&str>, notes: &mut Vec<Note>) -> Vec<u8> {
    let label = content_type.and_then(|value| media::parameter(value, "charset"));
    let Some(encoding) = label.and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes())) else {
        return text.into_bytes();
    };
    if encoding == encoding_rs::UTF_8 || text.is_ascii() && encoding.is_ascii_compatible() {
        return text.into_bytes();
    }
    let (bytes, used, has_unmappable) = encoding.encode(&text);
    if has_unmappable || used != encoding {
        notes.push(Note::Charset);
        return text.into_bytes();
    }
    bytes.into_owned()
}

/// A form whose text is not there, put together from its list.
pub(super) fn of_params(params: &[Value], mime_type: Option<&str>, notes: &mut Vec<Note>) -> Option<String> {
    if params.is_empty() {
        return None;
    }
    notes.push(Note::FormRebuilt);
    let member = |param: &Value, name: &str| param.get(name).and_then(Value::as_str).map(str::to_owned);
    if Kind::of(mime_type) != Kind::Multipart {
        let pairs = params
            .iter()
            .map(|param| (member(param, "name").unwrap_or_default(), member(param, "value").unwrap_or_default()));
        return Some(form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish());
    }
    let boundary = mime_type.and_then(|value| media::parameter(value, "boundary"))?;
    let mut text = String::new();
    for param in params {
        let quoted = |text: String| text.replace(['\r', '\n'], " ").replace('"', "%22");
        text += &format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"",
            quoted(member(param, "name").unwrap_or_default())
        );
        if let Some(file) = member(param, "fileName") {
            text += &format!("; filename=\"{}\"", quoted(file));
        }
        if let Some(content_type) = member(param, "contentType") {
            text += &format!("\r\nContent-Type: {}", content_type.replace(['\r', '\n'], " "));
        }
        text += &format!("\r\n\r\n{}\r\n", member(param, "value").unwrap_or_default());
    }
    Some(text + &format!("--{boundary}--\r\n"))
}

/// What a content or postData object says, taken out of it.
pub(super) fn given(object: &mut Object, own: Option<OwnBody>, coded: Option<String>) -> Given {
    Given {
        text: members::text(object, "text"),
        encoding: members::text(object, "encoding").or_else(|| members::text(object, "_encoding")),
        mime_type: object.get("mimeType").and_then(Value::as_str).map(str::to_owned),
        wire_size: None,
        size: members::size(object, "size"),
        own,
        coded,
    }
}
