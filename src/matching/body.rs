//! Bodies, compared by what they are.

use std::sync::OnceLock;

use bytes::Bytes;

use crate::collection::BodySpec;
use crate::diff::json::{Leaf, leaves};
use crate::diff::xml;
use crate::model::media::{self, Kind};

use super::conditions::Lens;
use super::evaluation::{PartResult, Verdict};
use super::json::{self, LeafRules};
use super::lookup::BodyKey;
use super::multipart::{self, MultiPart};
use super::pairs::{self, Pair};
use super::received::Received;
use super::{graphql, placeholder};

/// Larger bodies are one item.
pub(crate) const MAX_STRUCTURED: usize = 1024 * 1024;

/// A body taken apart for comparing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parsed {
    /// Leaves by pointer.
    Json(Vec<Leaf>),
    /// XML as leaves by path.
    Xml(Vec<Leaf>),
    /// Sorted pairs.
    Form(Vec<Pair>),
    /// Parts by name and position.
    Multipart(Vec<MultiPart>),
    /// Text with line ends normalised.
    Text(String),
    /// Bytes.
    Binary,
}

/// Takes a body apart. What is not what its media type says is text, or else bytes.
pub(super) fn parse(kind: Kind, content_type: Option<&str>, bytes: &[u8]) -> Parsed {
    if bytes.len() > MAX_STRUCTURED {
        return Parsed::Binary;
    }
    let structured = match kind {
        Kind::Json => text_of(content_type, bytes).and_then(|text| leaves(&text)).map(Parsed::Json),
        Kind::Form => Some(Parsed::Form(pairs::parse(bytes))),
        Kind::Multipart => multipart::parse(content_type, bytes).map(Parsed::Multipart),
        Kind::Xml => text_of(content_type, bytes).and_then(|text| xml::leaves(&text)).map(Parsed::Xml),
        Kind::Binary => Some(Parsed::Binary),
        Kind::EventStream | Kind::Text => None,
    };
    structured.unwrap_or_else(|| match text_of(content_type, bytes) {
        Some(text) if kind != Kind::Multipart => Parsed::Text(normal_lines(&text)),
        _ => Parsed::Binary,
    })
}

/// The text of a body, its charset seen through; none if it is not valid in it.
pub fn text_of(content_type: Option<&str>, bytes: &[u8]) -> Option<String> {
    let charset = content_type.and_then(|value| media::parameter(value, "charset"));
    let encoding = charset.and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes()));
    let (text, _, broken) = encoding.unwrap_or(encoding_rs::UTF_8).decode(bytes);
    (!broken).then(|| text.into_owned())
}

fn normal_lines(text: &str) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_owned() }
}

/// The body of a scenario's request.
#[derive(Debug)]
pub(super) struct ExpectedBody {
    bytes: Bytes,
    media_type: Option<String>,
    kind: Kind,
    /// The content type by which the bytes are read: text that stands in a file is UTF-8, whatever the type says.
    read_as: Option<String>,
    parsed: OnceLock<Parsed>,
}

impl ExpectedBody {
    /// The expected body; none if there is no byte in it.
    pub(super) fn new(spec: &BodySpec, media_type: Option<&str>, bytes: Bytes) -> Option<Self> {
        let inline = spec.json.is_some() || spec.text.is_some();
        let kind = match media_type {
            None if spec.json.is_some() => Kind::Json,
            None if spec.text.is_some() => Kind::Text,
            other => Kind::of(other),
        };
        (!bytes.is_empty()).then(|| ExpectedBody {
            bytes,
            kind,
            read_as: media_type.filter(|_| !inline).map(str::to_owned),
            media_type: media_type.map(str::to_owned),
            parsed: OnceLock::new(),
        })
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// What a hash is made of, with how the call's body must be read for it; none where other bodies may be the same.
    pub(super) fn key<T>(&self, of: impl FnOnce(BodyKey<'_>) -> Option<T>) -> Option<(T, Kind)> {
        // It is kept no longer than this: most are never compared.
        let parsed = match self.kind {
            Kind::Json | Kind::Form => parse(self.kind, self.read_as.as_deref(), &self.bytes),
            _ => return None,
        };
        let key = match &parsed {
            Parsed::Json(leaves) => of(BodyKey::Json(leaves)),
            Parsed::Form(pairs) => of(BodyKey::Form(pairs)),
            _ => None,
        };
        Some((key?, self.kind))
    }

    /// How bodies are read that are compared with this one. Without a media type, a text is what the call says it is.
    fn kind(&self, received: &Received<'_>) -> Kind {
        match (&self.media_type, self.kind, received.kind()) {
            (None, Kind::Text | Kind::Binary, theirs) => theirs,
            _ => self.kind,
        }
    }

    fn parsed(&self, kind: Kind) -> std::borrow::Cow<'_, Parsed> {
        if kind == self.kind {
            let parse_now = || parse(self.kind, self.read_as.as_deref(), &self.bytes);
            return std::borrow::Cow::Borrowed(self.parsed.get_or_init(parse_now));
        }
        std::borrow::Cow::Owned(parse(kind, self.read_as.as_deref(), &self.bytes))
    }
}

/// Compares the bodies of a scenario and a call.
pub(super) fn compare(
    expected: Option<&ExpectedBody>,
    received: &Received<'_>,
    lens: Lens<'_>,
    result: &mut PartResult,
) {
    let body = &received.call().body;
    let expected = match (expected, body.is_empty()) {
        (None, true) => return,
        (None, false) => return result.add(Verdict::Different, "", Some("no body"), Some(&size(body))),
        (Some(expected), true) => {
            return result.add(Verdict::Different, "", Some(&size(&expected.bytes)), Some("no body"));
        }
        (Some(expected), false) => expected,
    };
    if let Some(media_type) = &expected.media_type {
        let theirs = received.content_type();
        if !same_media_type(media_type, theirs) {
            let theirs = theirs.unwrap_or("no Content-Type");
            return result.add(Verdict::Different, MEDIA_TYPE, Some(media_type), Some(theirs));
        }
    }
    if expected.bytes.len() > MAX_STRUCTURED || body.len() > MAX_STRUCTURED {
        return whole(expected.bytes == *body, result);
    }
    let kind = expected.kind(received);
    compare_parsed(&expected.parsed(kind), received.parsed(kind), expected, received, lens, result);
}

/// The name of the item that stands for a media type that differs.
pub(super) const MEDIA_TYPE: &str = "media type";

fn compare_parsed(
    ours: &Parsed,
    theirs: &Parsed,
    expected: &ExpectedBody,
    received: &Received<'_>,
    lens: Lens<'_>,
    result: &mut PartResult,
) {
    let form = |name: &str| lens.form(name);
    match (ours, theirs) {
        (Parsed::Json(ours), Parsed::Json(theirs)) => {
            let taken = lens.conditions.taken(received);
            json::compare(ours, theirs, LeafRules::Json(lens.rules), taken.as_ref(), result);
        }
        (Parsed::Xml(ours), Parsed::Xml(theirs)) => {
            let (ours, theirs) = (lens.conditions.left_of(ours), lens.conditions.left_of(theirs));
            json::compare(&ours, &theirs, LeafRules::Xml(lens.rules), None, result);
        }
        (Parsed::Form(ours), Parsed::Form(theirs)) => pairs::compare(ours, theirs, form, result),
        (Parsed::Multipart(ours), Parsed::Multipart(theirs)) => multipart::compare(ours, theirs, form, result),
        (Parsed::Text(one), Parsed::Text(other)) => {
            let graphql =
                expected.media_type.as_deref().map(media::essence).is_some_and(|it| it == "application/graphql");
            let same = one == other || placeholder::stands_for(one, other) || (graphql && graphql::same(one, other));
            whole(same, result);
        }
        (Parsed::Xml(_), Parsed::Text(_)) | (Parsed::Text(_), Parsed::Xml(_)) => {
            // One of them is no XML: a secret that was masked may have been a part of its structure.
            let ours = text_of(expected.read_as.as_deref(), &expected.bytes);
            let theirs = text_of(received.content_type(), &received.call().body);
            let same =
                |(one, other): (String, String)| placeholder::stands_for(&normal_lines(&one), &normal_lines(&other));
            whole(ours.zip(theirs).is_some_and(same), result);
        }
        _ => whole(expected.bytes == received.call().body, result),
    }
}

fn whole(same: bool, result: &mut PartResult) {
    if same { result.same(1) } else { result.add(Verdict::Different, "", None, None) }
}

fn size(bytes: &[u8]) -> String {
    format!("a body of {} bytes", bytes.len())
}

/// Type and subtype must agree, and each parameter of the scenario's beside charset and boundary.
pub(super) fn same_media_type(expected: &str, got: Option<&str>) -> bool {
    let Some(got) = got else { return false };
    if expected == got {
        return true;
    }
    if media::essence(expected) != media::essence(got) {
        return false;
    }
    let Ok(parsed) = expected.parse::<mime::Mime>() else { return true };
    parsed.params().all(|(name, value)| {
        matches!(name.as_str(), "charset" | "boundary")
            || media::parameter(got, name.as_str()).is_some_and(|theirs| theirs == value.as_str())
    })
}
