//! Field lines: credentials by the field's name, everything else by the scan.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::placeholder::{self, Shape};
use super::scan::is_telling;
use super::{Shared, coded, is_placeholder};
use crate::model::Field;

/// Masks the value of one line; returns how many values were.
pub(super) fn mask(shared: &Arc<Shared>, field: &mut Field) -> u32 {
    let name = field.name.to_ascii_lowercase();
    match name.as_str() {
        "authorization" | "proxy-authorization" => whole(field, |value| credential(shared, value)),
        "cookie" => cookies(shared, field, usize::MAX),
        // The attributes of a Set-Cookie stay.
        "set-cookie" => cookies(shared, field, 1),
        _ if shared.names.is_field(name.as_bytes()) => whole(field, |value| credential(shared, value)),
        _ => match coded::masked(shared, 0, &field.value).or_else(|| shared.scanned(&field.value)) {
            Some((masked, hits)) => {
                field.value = masked;
                hits
            }
            None => 0,
        },
    }
}

fn whole(field: &mut Field, mask: impl FnOnce(&str) -> String) -> u32 {
    let text = field.text().into_owned();
    if text.trim().is_empty() || is_placeholder(&text) {
        return 0;
    }
    let masked = mask(&text);
    if masked.as_bytes() == field.value {
        return 0;
    }
    field.value = masked.into_bytes();
    1
}

/// A credential with its scheme kept (RFC 9110 section 11.4), or the whole value where there is none.
fn credential(shared: &Arc<Shared>, value: &str) -> String {
    let is_scheme =
        |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    match value.split_once(' ') {
        Some((scheme, rest)) if is_scheme(scheme) && !scheme.is_empty() && !rest.trim().is_empty() => {
            let rest = rest.trim();
            if scheme.eq_ignore_ascii_case("basic") {
                return format!("{scheme} {}", basic(shared, rest));
            }
            format!("{scheme} {}", shared.learn(rest.as_bytes(), "secret"))
        }
        _ => shared.learn(value.as_bytes(), "secret").to_string(),
    }
}

/// Base64 of user and password (RFC 7617). The password by itself is a secret too.
fn basic(shared: &Arc<Shared>, coded: &str) -> String {
    let stands_for = match shared.labelled.get(coded.as_bytes()) {
        Some(known) => known.to_string(),
        None => placeholder::of(&shared.key, coded.as_bytes(), "secret", Shape::Basic),
    };
    shared.remember(coded.as_bytes(), &stands_for);
    let decoded = STANDARD_NO_PAD.decode(coded.trim_end_matches('=')).or_else(|_| STANDARD.decode(coded));
    if let Ok(decoded) = decoded
        && let Some(colon) = decoded.iter().position(|&byte| byte == b':')
    {
        shared.learn(&decoded[colon + 1..], "secret");
    }
    stands_for
}

/// The values of the first `count` pairs; names, quotes and order stay (RFC 6265 section 4).
fn cookies(shared: &Arc<Shared>, field: &mut Field, count: usize) -> u32 {
    let text = field.text().into_owned();
    let mut hits = 0;
    let masked: Vec<String> = text
        .split(';')
        .enumerate()
        .map(|(place, pair)| {
            let value = match pair.split_once('=') {
                _ if place >= count => return pair.to_owned(),
                Some((_, value)) => value,
                None => pair,
            };
            let bare = value.trim().trim_matches('"');
            if bare.is_empty() || is_placeholder(bare) || placeholder::is_within(bare.as_bytes()) {
                return pair.to_owned();
            }
            hits += 1;
            // The value is a part of its pair: found again from its end, which a name cannot reach.
            let at = pair.rfind(bare).unwrap_or_default();
            format!("{}{}{}", &pair[..at], cookie(shared, bare), &pair[at + bare.len()..])
        })
        .collect();
    if hits > 0 {
        field.value = masked.join(";").into_bytes();
    }
    hits
}

fn cookie(shared: &Arc<Shared>, value: &str) -> String {
    if let Some(known) = shared.labelled.get(value.as_bytes()) {
        return known.to_string();
    }
    let stands_for = placeholder::of(&shared.key, value.as_bytes(), "secret", Shape::Text);
    if is_telling(value.as_bytes()) {
        shared.remember(value.as_bytes(), &stands_for);
        let decoded: Vec<u8> = percent_encoding::percent_decode_str(value).collect();
        if decoded != value.as_bytes() {
            shared.remember(&decoded, &stands_for);
        }
    }
    stands_for
}
