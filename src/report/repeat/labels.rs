//! Names for masked values: from the place where they stand.

use std::ops::Range;

use crate::redact::{self, is_placeholder};

/// Longer names are cut.
const LONGEST: usize = 40;

/// Where a masked value stands in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// In the field of this name.
    Field(&'a str),
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// In the body.
    Body,
}

/// The names given so far: one for each placeholder, wherever it stands.
#[derive(Debug, Default)]
pub struct Labels(Vec<(String, String)>);

/// A piece of a text: as it is, or the name of the masked value in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Bytes(&'a [u8]),
    Secret(String),
}

impl Labels {
    /// The names, in the order in which they were given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, label)| label.as_str())
    }

    /// The text with the values that `value` has for the labels in the place of what was masked. In a field, a value
    /// that comes with the scheme that stands before it (`Bearer …`) is taken without.
    ///
    /// # Errors
    /// The labels that have no value.
    pub fn restored(
        &mut self,
        place: Place<'_>,
        text: &[u8],
        value: impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<u8>, Vec<String>> {
        let (mut out, mut missing) = (Vec::with_capacity(text.len()), Vec::new());
        for piece in self.pieces(place, text) {
            match piece {
                Piece::Bytes(bytes) => out.extend_from_slice(bytes),
                Piece::Secret(label) => match value(&label) {
                    Some(value) if matches!(place, Place::Field(_)) => {
                        let bare = without_scheme(&out, value.as_bytes()).to_vec();
                        out.extend(bare);
                    }
                    Some(value) => out.extend_from_slice(value.as_bytes()),
                    None => missing.push(label),
                },
            }
        }
        if missing.is_empty() { Ok(out) } else { Err(missing) }
    }

    /// The text in pieces.
    pub(super) fn pieces<'a>(&mut self, place: Place<'_>, text: &'a [u8]) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        let mut at = 0;
        for found in placeholders(text) {
            if found.start > at {
                pieces.push(Piece::Bytes(&text[at..found.start]));
            }
            let name = name_before(&text[..found.start]).unwrap_or_default();
            let placeholder = String::from_utf8_lossy(&text[found.clone()]).into_owned();
            pieces.push(Piece::Secret(self.label(&placeholder, place, &name)));
            at = found.end;
        }
        if at < text.len() {
            pieces.push(Piece::Bytes(&text[at..]));
        }
        pieces
    }

    /// The name of this masked value: `AUTHORIZATION`, `COOKIE_SID`, `QUERY_API_KEY`, `BODY_PASSWORD`; with a number
    /// where another value has that name already.
    fn label(&mut self, placeholder: &str, place: Place<'_>, name: &str) -> String {
        if let Some((_, label)) = self.0.iter().find(|(known, _)| known == placeholder) {
            return label.clone();
        }
        // What the user named is called so; two values of one name cannot be.
        let wanted = redact::label_of(placeholder).unwrap_or_else(|| label_of(place, name));
        let is_free = |label: &str| self.0.iter().all(|(_, known)| known != label);
        let numbered = (2..).map(|number| format!("{wanted}_{number}"));
        let label = std::iter::once(wanted.clone()).chain(numbered).find(|label| is_free(label)).unwrap_or(wanted);
        self.0.push((placeholder.to_owned(), label.clone()));
        label
    }
}

/// A credential without the scheme that stands before it already.
fn without_scheme<'v>(before: &[u8], value: &'v [u8]) -> &'v [u8] {
    match value.split_at_checked(before.len()) {
        Some((scheme, rest)) if before.ends_with(b" ") && scheme.eq_ignore_ascii_case(before) => rest,
        _ => value,
    }
}

/// What a masked value is called that stands there under that name.
fn label_of(place: Place<'_>, name: &str) -> String {
    let words = match place {
        Place::Field(field) if name.is_empty() => field.to_owned(),
        Place::Field(field) => format!("{field}_{name}"),
        Place::Path => "path".to_owned(),
        Place::Query => format!("query_{name}"),
        Place::Body => format!("body_{name}"),
    };
    let mut label = String::new();
    for character in words.chars().take(LONGEST) {
        match character.to_ascii_uppercase() {
            letter @ ('A'..='Z' | '0'..='9') => label.push(letter),
            _ if !label.ends_with('_') => label.push('_'),
            _ => {}
        }
    }
    label.trim_end_matches('_').to_owned()
}

/// Where placeholders stand in a text.
fn placeholders(text: &[u8]) -> Vec<Range<usize>> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    // Base64 has more characters, but a text of words has them too.
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let length = text[at..].iter().take_while(|&&byte| is_word(byte)).count();
        let long = if text[at..].starts_with(b"cmV0YWtlL") {
            text[at..].iter().take_while(|&&byte| is_base64(byte)).count()
        } else {
            0
        };
        let dotted = text[at..at + length].iter().rev().take_while(|&&byte| byte == b'.').count();
        let taken = [long, length, length - dotted].into_iter().find(|&length| {
            (15..=4096).contains(&length) && std::str::from_utf8(&text[at..at + length]).is_ok_and(is_placeholder)
        });
        found.extend(taken.map(|length| at..at + length));
        at += taken.unwrap_or(length).max(1);
    }
    found
}

/// The name that stands before a value: `name=`, `"name": "`, `<name>`, or `name="…"` above a part of a form.
fn name_before(text: &[u8]) -> Option<String> {
    let near = &text[text.len().saturating_sub(300)..];
    let near = String::from_utf8_lossy(near);
    let is_name = |c: char| c.is_alphanumeric() || "_-.~%[]:".contains(c);
    let last_word = |text: &str| {
        let name = text.rsplit(|c| !is_name(c)).next().unwrap_or_default();
        (!name.is_empty()).then(|| name.to_owned())
    };
    if let Some(before) = near.strip_suffix('=').or(near.strip_suffix("=\"")) {
        return last_word(before);
    }
    if let Some(before) = near.strip_suffix('"').unwrap_or(&near).trim_end().strip_suffix(':') {
        return last_word(before.trim_end().strip_suffix('"')?);
    }
    if let Some(before) = near.strip_suffix('>') {
        let tag = before.rsplit('<').next().unwrap_or_default();
        return last_word(tag.split_whitespace().next()?);
    }
    let head = near.strip_suffix("\r\n\r\n").or(near.strip_suffix("\n\n"))?;
    let (_, after) = head.rsplit_once(" name=\"")?;
    last_word(after.split('"').next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(place: Place<'_>, text: &str) -> Vec<String> {
        let mut labels = Labels::default();
        labels.pieces(place, text.as_bytes());
        labels.names().map(str::to_owned).collect()
    }

    #[test]
    fn names_come_from_the_place() {
        let secret = "retake-secret-abcdefghij";
        for (place, text, label) in [
            (Place::Field("Authorization"), format!("Bearer {secret}"), "AUTHORIZATION"),
            (
                Place::Field("authorization"),
                "Basic cmV0YWtlLWJhc2ljLWFiY2RlZmdoaWo6cmV0YWtl".to_owned(),
                "AUTHORIZATION",
            ),
            (Place::Field("Cookie"), format!("a=b; sid={secret}; c=d"), "COOKIE_SID"),
            (Place::Query, format!("x=1&api%5Bkey%5D={secret}"), "QUERY_API_5BKEY_5D"),
            (Place::Path, format!("/use/{secret}/now"), "PATH"),
            (Place::Body, format!("{{\"pass word\" : \"x\", \"pin\" : \"{secret}\"}}"), "BODY_PIN"),
            (Place::Body, format!("<p><key id=\"1\">{secret}</key></p>"), "BODY_KEY"),
            (Place::Body, format!("Content-Disposition: form-data; name=\"otp\"\r\n\r\n{secret}"), "BODY_OTP"),
            (Place::Body, secret.to_owned(), "BODY"),
        ] {
            assert_eq!(labels(place, &text), [label], "{text}");
        }
    }

    #[test]
    fn what_the_user_named_is_called_so_wherever_it_stands() {
        assert_eq!(labels(Place::Query, "key=retake-api_key-abcdefghij&b=1"), ["API_KEY"]);
        assert_eq!(labels(Place::Field("Authorization"), "Bearer retake-github_-abcdefghij"), ["GITHUB"]);
        assert_eq!(labels(Place::Field("Authorization"), "token retake-github-abcdefghij"), ["AUTHORIZATION"]);
    }

    #[test]
    fn values_come_back_or_are_named() {
        let mut labels = Labels::default();
        let text = b"a=retake-secret-abcdefghij&b=2&c=retake-secret-zzzzzzzzzz";
        let known = |label: &str| (label == "QUERY_A").then(|| "s3cr3t".to_owned());
        assert_eq!(labels.restored(Place::Query, text, known), Err(vec!["QUERY_C".to_owned()]));
        let all = |label: &str| Some(label.to_lowercase());
        assert_eq!(labels.restored(Place::Query, text, all).unwrap(), b"a=query_a&b=2&c=query_c");
    }

    #[test]
    fn a_credential_comes_with_its_scheme_or_without() {
        for (value, whole) in [
            ("t0ken", "Bearer t0ken"),
            ("Bearer t0ken", "Bearer t0ken"),
            ("bearer t0ken", "Bearer t0ken"),
            ("Basic t0ken", "Bearer Basic t0ken"),
            ("Bearer", "Bearer Bearer"),
        ] {
            let place = Place::Field("authorization");
            let text = b"Bearer retake-secret-abcdefghij";
            let restored = Labels::default().restored(place, text, |_| Some(value.to_owned())).unwrap();
            assert_eq!(String::from_utf8(restored).unwrap(), whole);
        }
    }

    #[test]
    fn one_value_has_one_name_and_one_name_one_value() {
        let text = "a=retake-secret-abcdefghij&b=retake-secret-abcdefghij&a=retake-secret-zzzzzzzzzz.";
        assert_eq!(labels(Place::Query, text), ["QUERY_A", "QUERY_A_2"]);
        assert!(labels(Place::Body, "retake-it is no placeholder; nor is retake-secret-short").is_empty());
    }
}
