//! Placeholders of masked secrets: in a recorded request one means "present".

use crate::redact;

/// Whether `got` does for the recorded `expected`, because `expected` is or carries a placeholder: the value, or what
/// stands in the place of the placeholder, must only be there.
pub(super) fn stands_for(expected: &str, got: &str) -> bool {
    !got.is_empty() && (is_placeholder(expected) || around(expected, got))
}

/// [`stands_for`] for the value of a field: `Authorization` must keep its scheme.
pub(super) fn stands_for_field(name: &str, expected: &str, got: &str) -> bool {
    let credentials = ["authorization", "proxy-authorization"].iter().any(|field| field.eq_ignore_ascii_case(name));
    let scheme = |value: &str| value.trim_start().split([' ', '\t']).next().unwrap_or_default().to_ascii_lowercase();
    let is_bare = |value: &str| !value.trim().contains([' ', '\t']);
    let same_scheme = scheme(expected) == scheme(got) || (is_bare(expected) && is_bare(got));
    stands_for(expected, got) && (!credentials || same_scheme)
}

/// Whether a recorded value is or carries a placeholder.
pub(super) fn is_placeholder(value: &str) -> bool {
    // The shortest has more characters; most values are told apart here.
    value.len() >= 12 && redact::is_placeholder(value)
}

/// The glob that a text stands for, `*` for each placeholder in it; none if there is no placeholder.
pub(super) fn glob(text: &str) -> Option<String> {
    let pieces = pieces(text)?;
    Some(pieces.join("*"))
}

/// Whether `got` is `expected` with something else in the place of each placeholder.
fn around(expected: &str, got: &str) -> bool {
    let Some(pieces) = pieces(expected) else { return false };
    let (first, last) = (pieces[0], pieces[pieces.len() - 1]);
    let Some(mut rest) = got.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    for piece in &pieces[1..pieces.len() - 1] {
        let mut characters = rest.chars();
        if characters.next().is_none() {
            return false;
        }
        match characters.as_str().split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    !rest.is_empty()
}

/// What stands between the placeholders of a text, two pieces at least.
fn pieces(text: &str) -> Option<Vec<&str>> {
    // How placeholders begin; nearly all texts end here.
    const MARKS: [&str; 5] = ["retake-", "72657461", "738253", "cmV0YWtlL", "eyJ"];
    if !MARKS.iter().any(|mark| text.contains(mark)) {
        return None;
    }
    let inside = |character: char| character.is_ascii_alphanumeric() || "_-.+".contains(character);
    let (mut pieces, mut piece, mut at) = (Vec::new(), 0, 0);
    while let Some(start) = text[at..].find(inside).map(|found| at + found) {
        let end = text[start..].find(|character| !inside(character)).map_or(text.len(), |found| start + found);
        if is_placeholder(&text[start..end]) {
            pieces.push(&text[piece..start]);
            piece = end;
        }
        at = end;
    }
    pieces.push(&text[piece..]);
    (pieces.len() > 1).then_some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "retake-password-abcdefghij";

    #[test]
    fn a_placeholder_takes_what_is_there() {
        assert!(stands_for(SECRET, "hunter2"));
        assert!(!stands_for(SECRET, ""));
        assert!(!stands_for("retake-is-a-name", "other"));
        let xml = format!("<a><password>{SECRET}</password><b>{SECRET}</b></a>");
        assert!(stands_for(&xml, "<a><password>x</password><b>y</b></a>"));
        assert!(!stands_for(&xml, "<a><password>x</password><b></b></a>"));
        assert!(!stands_for(&xml, "<a><password>x</password><c>y</c></a>"));
        assert_eq!(glob(&format!("bot1:{SECRET}")).as_deref(), Some("bot1:*"));
    }

    #[test]
    fn credentials_keep_their_scheme() {
        let expected = format!("Bearer {SECRET}");
        assert!(stands_for_field("authorization", &expected, "bearer eyJx"));
        assert!(!stands_for_field("Authorization", &expected, "Basic eyJx"));
        assert!(stands_for_field("X-Api-Key", SECRET, "k"));
        assert!(stands_for_field("Authorization", SECRET, "raw-key"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(one in "(retake-password-abcdefghij|[<>é ]){0,5}", other in "\\PC{0,20}") {
            let _ = stands_for(&one, &other);
        }
    }
}
