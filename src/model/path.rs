//! Request paths, segment by segment.
//!
//! Escapes of unreserved characters are decoded and all others upper-cased (RFC 3986 section 6.2.2); nothing else is
//! normalised: `%2F`, case, `//`, dot segments and a trailing slash are significant.

use std::borrow::Cow;

/// A segment in its comparable form: escapes of unreserved characters decoded, other escapes upper-case.
pub fn normalize(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let bytes = segment.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match escaped_byte(&bytes[at..]) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(byte);
                at += 3;
            }
            Some(_) => {
                out.extend(bytes[at..at + 3].iter().map(u8::to_ascii_uppercase));
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    // Only ASCII replaced ASCII, so the text is still UTF-8.
    Cow::Owned(String::from_utf8(out).unwrap_or_else(|_| segment.to_owned()))
}

/// The segments of a path: `/a/b/` is `a`, `b` and an empty one; `/` is one empty segment; `*` is itself.
pub fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

/// Splits a request target in origin-form into path and query, as written.
pub fn split_target(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

fn escaped_byte(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreserved_escapes_are_decoded_and_nothing_else() {
        assert_eq!(normalize("%7euser%2fa%c3%a9%41"), "~user%2Fa%C3%A9A");
        assert_eq!(normalize("%zz%4"), "%zz%4");
        assert_eq!(normalize("plain"), "plain");
    }

    #[test]
    fn slashes_count() {
        assert_eq!(segments("/a//b/").collect::<Vec<_>>(), ["a", "", "b", ""]);
        assert_eq!(segments("/").collect::<Vec<_>>(), [""]);
    }
}
