//! Values in base64: looked into where their text is text, and coded anew with the placeholder inside.

use std::sync::Arc;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Shared;
use super::body::{Lexer, Sink};
use super::json::Json;

/// Shorter values hold no secret that is looked for.
pub(super) const SHORTEST: usize = 12;
/// Longer values are not looked into.
pub(super) const LONGEST: usize = 8 * 1024;
/// Base64 in JSON in base64 is followed so far.
pub(super) const LEVELS: u8 = 3;

/// Taken with and without padding, and whatever the last bits are.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const PADDED: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const PADDED_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);
const BARE: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT.with_encode_padding(false));
const BARE_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT.with_encode_padding(false));

/// The whole value in base64 with what is secret in its text masked: members by name if it is JSON, token shapes and
/// values seen before in any text. None if it is no such value, or has no secret.
pub(super) fn masked(shared: &Arc<Shared>, level: u8, value: &[u8]) -> Option<(Vec<u8>, u32)> {
    if level >= LEVELS || !(SHORTEST..=LONGEST).contains(&value.len()) {
        return None;
    }
    let bare = value.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let (digits, padding) = value.split_at(bare);
    if padding.len() > 2 || digits.len() % 4 == 1 || !digits.iter().all(|byte| is_digit(*byte)) {
        return None;
    }
    let is_url = digits.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let engine = match (is_url, padding.is_empty() && digits.len() % 4 != 0) {
        (false, false) => PADDED,
        (false, true) => BARE,
        (true, false) => PADDED_URL,
        (true, true) => BARE_URL,
    };
    let text = engine.decode(value).ok()?;
    let is_text = !text.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace());
    if !is_text || std::str::from_utf8(&text).is_err() {
        return None;
    }
    let is_json = matches!(text.trim_ascii_start().first(), Some(b'{' | b'['));
    let lexer = if is_json { Lexer::Json(Json::default()) } else { Lexer::Plain };
    let (masked, hits) = Sink::inside(shared.clone(), level + 1).whole(lexer, &text)?;
    Some((engine.encode(masked).into_bytes(), hits))
}

/// Whether a byte is a digit of either alphabet.
pub(super) fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}
