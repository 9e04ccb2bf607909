//! Field lines: header and trailer fields in the order and spelling in which they were written.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

/// One field line (RFC 9110 section 5): a name as written, and a value as bytes.
///
/// `Debug` prints the name only: a value may be a secret.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    /// The name, in the case in which it was written.
    pub name: String,
    /// The value without surrounding white space; mostly ASCII, but any byte above 0x20 may occur.
    #[serde(with = "serde_bytes")]
    pub value: Vec<u8>,
}

impl Field {
    /// A field line from its parts.
    pub fn new(name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Field { name: name.into(), value: value.into() }
    }

    /// Whether this line has that name, whatever the case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value as text; bytes that are not UTF-8 are read as Latin-1, so that nothing is lost to the eye.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        text_of(&self.value)
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ({} bytes)", self.name, self.value.len())
    }
}

/// A field value as text: UTF-8, else Latin-1.
pub fn text_of(value: &[u8]) -> std::borrow::Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) => text.into(),
        Err(_) => value.iter().map(|&byte| char::from(byte)).collect::<String>().into(),
    }
}

/// Field lines in order, repeats included.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fields(Vec<Field>);

impl Fields {
    /// No lines.
    pub fn new() -> Self {
        Self::default()
    }

    /// The lines of a map, in its order: repeated names stand together and names are lower-case. For HTTP/2, and for
    /// answers that retake makes itself; on HTTP/1 the lines come from the head as written.
    pub fn from_map(map: &HeaderMap) -> Self {
        map.iter().map(|(name, value)| Field::new(name.as_str(), value.as_bytes())).collect()
    }

    /// The lines as a map for hyper. A line that HTTP does not allow is left out.
    pub fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.0.len());
        for field in &self.0 {
            let name = HeaderName::from_bytes(field.name.as_bytes());
            let value = HeaderValue::from_bytes(&field.value);
            if let (Ok(name), Ok(value)) = (name, value) {
                // Only a map past 32 768 names refuses; such a head never got through the screen.
                let _ = map.try_append(name, value);
            }
        }
        map
    }

    /// Adds a line at the end.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.0.push(Field::new(name, value));
    }

    /// The value of the first line of that name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|field| field.is(name)).map(|field| field.value.as_slice())
    }

    /// The value of the first line of that name, as text.
    pub fn text(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        self.get(name).map(text_of)
    }

    /// The values of all lines of that name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |field| field.is(name)).map(|field| field.value.as_slice())
    }

    /// Whether a line has that name.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Keeps the lines that `keep` accepts.
    pub fn retain(&mut self, keep: impl FnMut(&Field) -> bool) {
        self.0.retain(keep);
    }

    /// The comma-separated members of all lines of that name, trimmed and in order (RFC 9110 section 5.6.1).
    pub fn members(&self, name: &str) -> Vec<String> {
        let lines: Vec<_> = self.all(name).map(|value| text_of(value).into_owned()).collect();
        lines
            .iter()
            .flat_map(|line| line.split(','))
            .map(str::trim)
            .filter(|member| !member.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// The lines.
    pub fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.0.iter()
    }

    /// The lines, to be changed.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Field> {
        self.0.iter_mut()
    }

    /// How many lines.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Field> for Fields {
    fn from_iter<I: IntoIterator<Item = Field>>(lines: I) -> Self {
        Fields(lines.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = &'a Field;
    type IntoIter = std::slice::Iter<'a, Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl IntoIterator for Fields {
    type Item = Field;
    type IntoIter = std::vec::IntoIter<Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Fields that speak of one connection only and are never passed on (RFC 9110 section 7.6.1), beside those that
/// `Connection` names. `TE` is kept where it says `trailers`, by the caller.
pub const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "proxy-authorization",
    "proxy-authenticate",
    "trailer",
];

/// Whether a request field steers a mock (`x-mock-…`, `x-retake-explain`): no part of the request that is recorded,
/// logged or matched.
pub fn is_steering(name: &str) -> bool {
    let mock = name.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("x-mock-"));
    mock || name.eq_ignore_ascii_case("x-retake-explain")
}

/// Whether `name` is one of [`HOP_BY_HOP`], whatever the case.
pub fn is_hop_by_hop(name: &str) -> bool {
    HOP_BY_HOP.iter().any(|hop| hop.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_order_is_kept() {
        let mut fields = Fields::new();
        fields.push("X-A", "1");
        fields.push("x-b", "2");
        fields.push("x-a", "3, 4");
        assert_eq!(fields.all("X-a").count(), 2);
        assert_eq!(fields.members("x-A"), ["1", "3", "4"]);
        assert_eq!(fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["X-A", "x-b", "x-a"]);
    }

    #[test]
    fn values_never_reach_debug_output() {
        let mut fields = Fields::new();
        fields.push("Authorization", "Bearer s3cret");
        assert!(!format!("{fields:?}").contains("s3cret"));
    }

    #[test]
    fn steering_fields_are_told_by_name() {
        for name in ["x-mock-response-code", "X-Mock-Match", "x-retake-explain"] {
            assert!(is_steering(name), "{name}");
        }
        for name in ["x-mock", "x-mocked-by", "x-api-key", "x-möck-y"] {
            assert!(!is_steering(name), "{name}");
        }
    }
}
