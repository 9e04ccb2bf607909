//! Where a request holds a placeholder, whose origin knows nothing of it.

use serde::{Deserialize, Serialize};

use super::placeholder;
use crate::model::Fields;

/// The part of a request that holds a placeholder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlaceholderIn {
    /// A field with this name.
    Field(String),
    /// The path.
    Path,
    /// The query.
    Query,
    /// The body.
    Body,
}

/// `Authorization`, `query`
impl std::fmt::Display for PlaceholderIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            PlaceholderIn::Field(name) => name,
            PlaceholderIn::Path => "path",
            PlaceholderIn::Query => "query",
            PlaceholderIn::Body => "body",
        })
    }
}

impl PlaceholderIn {
    /// The first part of a request that holds one; of the body, without its content coding.
    pub fn of(fields: &Fields, path: &str, query: Option<&str>, body: &[u8]) -> Option<PlaceholderIn> {
        let field = fields.iter().find(|field| holds(field.text().as_bytes()));
        let field = field.map(|field| PlaceholderIn::Field(field.name.to_string()));
        field
            .or_else(|| query.filter(|query| holds(query.as_bytes())).map(|_| PlaceholderIn::Query))
            .or_else(|| holds(body).then_some(PlaceholderIn::Body))
            .or_else(|| holds(path.as_bytes()).then_some(PlaceholderIn::Path))
    }
}

/// Whether a placeholder stands anywhere in these bytes.
fn holds(bytes: &[u8]) -> bool {
    // Digits, hex and UUIDs are told only where they are a word of their own.
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    placeholder::is_within(bytes) || bytes.split(|byte| !is_part(byte)).any(placeholder::is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "retake-refresh_token-abcdefghij";
    const UUID: &str = "72657461-6b65-4abc-8def-0123456789ab";

    fn place(fields: &[(&str, &str)], path: &str, query: Option<&str>, body: &str) -> Option<String> {
        let mut all = Fields::new();
        fields.iter().for_each(|(name, value)| all.push(*name, *value));
        PlaceholderIn::of(&all, path, query, body.as_bytes()).map(|place| place.to_string())
    }

    #[test]
    fn every_part_is_looked_at() {
        for made in [PLAIN, UUID, "726574616b650123456789", "738253000000001", "cmV0YWtlLXNlY3JldC1hYmNkZWZnaGlq"] {
            assert_eq!(place(&[("X-Key", made)], "/", None, "").as_deref(), Some("X-Key"), "{made}");
            for field in [format!("Bearer {made}"), format!("a=b; sid=\"{made}\"; c=d")] {
                assert_eq!(place(&[("A", "b"), ("C", &field)], "/", None, "").as_deref(), Some("C"), "{field}");
            }
            assert_eq!(place(&[], &format!("/a/{made}/b"), None, "").as_deref(), Some("path"), "{made}");
            let query = format!("a=b&c={made}");
            assert_eq!(place(&[], "/", Some(&query), "").as_deref(), Some("query"), "{made}");
            for body in [
                format!("grant_type=refresh_token&refresh_token={made}&a=b"),
                format!("{{\"refresh_token\":\"{made}\"}}"),
                format!("--x\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n{made}\r\n--x--"),
                format!("<token>{made}</token>"),
            ] {
                assert_eq!(place(&[], "/", None, &body).as_deref(), Some("body"), "{body}");
            }
        }
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        let body =
            "{\"name\": \"retake-demo\", \"id\": \"12657461-6b65-4abc-8def-0123456789ab\", \"n\": 7382530000000012}";
        assert_eq!(place(&[("User-Agent", "retake/1")], "/retake-secret", Some("q=retake-"), body), None);
    }

    #[test]
    fn it_is_logged_by_name() {
        for (place, text) in [(PlaceholderIn::Field("A".into()), r#"{"field":"A"}"#), (PlaceholderIn::Body, "\"body\"")]
        {
            assert_eq!(serde_json::to_string(&place).unwrap(), text);
            assert_eq!(serde_json::from_str::<PlaceholderIn>(text).unwrap(), place);
        }
    }
}
