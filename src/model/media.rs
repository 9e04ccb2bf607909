//! Media types (RFC 9110 section 8.3): what a body is, as far as retake must know.

use std::str::FromStr;

/// What a body is for comparing, showing and masking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// JSON, and every `+json`.
    Json,
    /// `application/x-www-form-urlencoded`
    Form,
    /// `multipart/…`
    Multipart,
    /// XML, and every `+xml`, SVG among them.
    Xml,
    /// `text/event-stream`
    EventStream,
    /// Any other text.
    Text,
    /// Everything else.
    Binary,
}

impl Kind {
    /// The kind of a `Content-Type` value; without one, [`Kind::Binary`].
    pub fn of(content_type: Option<&str>) -> Kind {
        let essence = content_type.map(essence).unwrap_or_default();
        match essence.as_str() {
            "application/x-www-form-urlencoded" => Kind::Form,
            "text/event-stream" => Kind::EventStream,
            "application/json" | "text/json" | "application/x-ndjson" | "application/graphql-response+json" => {
                if essence == "application/x-ndjson" {
                    Kind::Text
                } else {
                    Kind::Json
                }
            }
            "application/javascript"
            | "application/ecmascript"
            | "application/graphql"
            | "application/yaml"
            | "application/x-yaml"
            | "application/toml"
            | "application/x-javascript"
            | "application/jwt"
            | "application/jsonl"
            | "application/json-seq"
            | "application/sql" => Kind::Text,
            "application/xml" | "text/xml" => Kind::Xml,
            // Amazon's services name a version: application/x-amz-json-1.1.
            other if other.ends_with("+json") || other.starts_with("application/x-amz-json") => Kind::Json,
            other if other.ends_with("+xml") => Kind::Xml,
            other if other.starts_with("multipart/") => Kind::Multipart,
            other if other.starts_with("text/") => Kind::Text,
            _ => Kind::Binary,
        }
    }

    /// Whether bodies of this kind are text throughout.
    pub fn is_text(self) -> bool {
        !matches!(self, Kind::Binary | Kind::Multipart)
    }
}

/// Type and subtype in lower case, without parameters; what cannot be parsed is returned trimmed and lower-case.
pub fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A parameter of a `Content-Type` value, such as `charset` or `boundary`, unquoted.
pub fn parameter(content_type: &str, name: &str) -> Option<String> {
    let parsed = mime::Mime::from_str(content_type).ok()?;
    parsed.get_param(name).map(|value| value.as_str().to_owned())
}

/// UTF-8 without control characters that text does not have; a character cut off at the end is no fault.
pub fn looks_like_text(bytes: &[u8]) -> bool {
    let valid = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    valid && !bytes.iter().any(|byte| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n' | 0x1b | 0x0c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (content_type, kind) in [
            ("application/json; charset=utf-8", Kind::Json),
            ("Application/Vnd.GitHub+JSON", Kind::Json),
            ("text/html", Kind::Text),
            ("image/svg+xml", Kind::Xml),
            ("image/png", Kind::Binary),
            ("multipart/form-data; boundary=x", Kind::Multipart),
            ("text/event-stream", Kind::EventStream),
        ] {
            assert_eq!(Kind::of(Some(content_type)), kind, "{content_type}");
        }
        assert_eq!(Kind::of(None), Kind::Binary);
        assert_eq!(parameter("multipart/form-data; boundary=\"a b\"", "boundary").as_deref(), Some("a b"));
    }
}
