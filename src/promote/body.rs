//! How a body will stand in the collection: inside the stub file, or as a file under `bodies/`.

use bytes::Bytes;

use super::{BodySource, Content, Decoded, INLINE_LIMIT, Side};
use crate::collection::body::style_of;
use crate::collection::{BodySpec, extension};
use crate::model::media::{self, Kind};

/// A body whose scenario has no name yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plan {
    /// Inside the stub file.
    Inline(BodySpec),
    /// In a file with this extension.
    File { extension: String, source: BodySource, coded: Option<String> },
}

impl Plan {
    /// The body as it stands in the stub file; `path` makes the path of its file from the extension.
    pub(super) fn place(&self, path: impl FnOnce(&str) -> String) -> (BodySpec, Option<(String, BodySource)>) {
        match self {
            Plan::Inline(spec) => (spec.clone(), None),
            Plan::File { extension, source, coded } => {
                let path = path(extension);
                let spec = BodySpec { file: Some(path.clone()), coded: coded.clone(), ..BodySpec::default() };
                (spec, Some((path, source.clone())))
            }
        }
    }

    /// The inline form, if it is one.
    pub(super) fn inline(&self) -> Option<&BodySpec> {
        match self {
            Plan::Inline(spec) => Some(spec),
            Plan::File { .. } => None,
        }
    }
}

/// Decides for one body. `number` and `side` say where a large one is read from when it is written.
pub(super) fn plan(decoded: &Decoded, content_type: Option<&str>, number: u64, side: Side) -> Plan {
    if let Content::Small(bytes) = &decoded.content
        && decoded.coded.is_none()
        && bytes.len() as u64 <= INLINE_LIMIT
        && let Some(spec) = inline(bytes, content_type)
    {
        return Plan::Inline(spec);
    }
    let source = match &decoded.content {
        Content::Small(bytes) if bytes.len() as u64 <= INLINE_LIMIT => BodySource::Bytes(bytes.clone()),
        _ => BodySource::Exchange { number, side, coded: decoded.coded.is_some() },
    };
    Plan::File { extension: extension_of(content_type, decoded.coded.as_deref()), source, coded: decoded.coded.clone() }
}

/// JSON as JSON where its bytes can be given back, other text as text.
fn inline(bytes: &Bytes, content_type: Option<&str>) -> Option<BodySpec> {
    let kind = Kind::of(content_type);
    if kind == Kind::Json {
        if let Some((value, style)) = style_of(bytes) {
            return Some(BodySpec { json: Some(value.into()), style, ..BodySpec::default() });
        }
        // JSON whose bytes plain JSON cannot give back: a file has them as they are.
        if serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok() {
            return None;
        }
    }
    if kind == Kind::Binary && content_type.is_some_and(|written| is_media(&media::essence(written))) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let odd = |character: char| character.is_control() && !matches!(character, '\n' | '\r' | '\t');
    if text.contains(odd) || text.contains('\u{feff}') {
        return None;
    }
    Some(BodySpec { text: Some(text.to_owned()), ..BodySpec::default() })
}

fn is_media(essence: &str) -> bool {
    let top = essence.split('/').next().unwrap_or_default();
    matches!(top, "image" | "audio" | "video" | "font") || essence == "application/octet-stream"
}

/// The extension that says what the file holds; a coded body has that of its coding behind it.
fn extension_of(content_type: Option<&str>, coded: Option<&str>) -> String {
    let plain = extension(content_type);
    match coded.map(|coding| coding.trim().to_ascii_lowercase()) {
        None => plain.to_owned(),
        Some(coding) => match coding.as_str() {
            "gzip" | "x-gzip" => format!("{plain}.gz"),
            "br" => format!("{plain}.br"),
            "zstd" => format!("{plain}.zst"),
            _ => format!("{plain}.coded"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(bytes: &'static [u8], content_type: &str) -> Plan {
        plan(&Decoded::plain(bytes), Some(content_type), 7, Side::Response)
    }

    #[test]
    fn text_stays_and_binary_goes() {
        let Plan::Inline(spec) = planned(b"a,b\r\n1,2\r\n", "text/csv") else { panic!("text goes inline") };
        assert_eq!(spec.text.as_deref(), Some("a,b\r\n1,2\r\n"));
        for (bytes, content_type, expected) in [
            (&b"\x89PNG"[..], "image/png", "png"),
            (b"plain", "application/octet-stream", "bin"),
            (b"bell \x07", "text/plain", "txt"),
            (b"caf\xe9", "text/html; charset=latin1", "html"),
        ] {
            let Plan::File { extension, .. } = planned(bytes, content_type) else { panic!("{content_type}") };
            assert_eq!(extension, expected);
        }
    }

    #[test]
    fn what_could_not_be_decoded_keeps_its_coding() {
        let decoded = Decoded { content: Content::Small(Bytes::from_static(b"\x1f\x8b")), coded: Some("gzip".into()) };
        let Plan::File { extension, coded, .. } = plan(&decoded, Some("text/html"), 1, Side::Response) else {
            panic!("a coded body is a file")
        };
        assert_eq!((extension.as_str(), coded.as_deref()), ("html.gz", Some("gzip")));
    }

    #[test]
    fn large_bodies_are_read_again_when_written() {
        let decoded = Decoded::plain(vec![b'x'; INLINE_LIMIT as usize + 1]);
        let Plan::File { source, .. } = plan(&decoded, Some("text/plain"), 7, Side::Response) else {
            panic!("a large body is a file")
        };
        assert_eq!(source, BodySource::Exchange { number: 7, side: Side::Response, coded: false });
    }
}
