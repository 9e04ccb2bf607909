//! Placeholders of masked secrets: in a recorded request one means "present".

use crate::redact;

/// Whether `got` does for the recorded `expected`, because `expected` is or carries a placeholder.
pub(super) fn stands_for(expected: &str, got: &str) -> bool {
    !got.is_empty() && is_placeholder(expected)
}

/// [`stands_for`] for the value of a field: `Authorization` must keep its scheme.
pub(super) fn stands_for_field(name: &str, expected: &str, got: &str) -> bool {
    let credentials = ["authorization", "proxy-authorization"].iter().any(|field| field.eq_ignore_ascii_case(name));
    let scheme = |value: &str| value.trim_start().split([' ', '\t']).next().unwrap_or_default().to_ascii_lowercase();
    stands_for(expected, got) && (!credentials || scheme(expected) == scheme(got))
}

/// Whether a recorded value is or carries a placeholder.
pub(super) fn is_placeholder(value: &str) -> bool {
    // The shortest placeholder has a kind and ten characters.
    value.len() >= 12 && known(value)
}

// Until masking itself says: the plain form.
fn known(value: &str) -> bool {
    let _ = redact::is_placeholder;
    value.contains("retake-")
}
