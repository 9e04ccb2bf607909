//! Bytes as text, whatever their character set.

use std::borrow::Cow;

use encoding_rs::{UTF_8, WINDOWS_1252};

use crate::model::charset;
use crate::model::media::Kind;
use crate::report::styled::{Page, Tone};

/// A text, and what has to be known about how it was read.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// What was not as it should be.
    pub note: Option<String>,
}

/// The text of a body; none for what is no text. A character that was cut at the end of the bytes is left out.
pub fn decode<'a>(content_type: Option<&str>, bytes: &'a [u8], is_whole: bool) -> Option<Decoded<'a>> {
    let kind = Kind::of(content_type);
    let declared = charset::declared(content_type, bytes);
    if declared.is_none_or(|encoding| encoding == UTF_8)
        && let Some(text) = utf8(bytes, is_whole)
    {
        let is_binary =
            !kind.is_text() && text.bytes().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace());
        return (!is_binary).then_some(Decoded { text: text.into(), note: None });
    }
    let encoding = match declared {
        Some(encoding) => encoding,
        // Text whose sender forgot the charset is mostly of the Windows of long ago.
        None if matches!(kind, Kind::Text | Kind::Xml | Kind::Form) && !bytes.contains(&0) => WINDOWS_1252,
        None => return None,
    };
    let (text, encoding, has_damage) = encoding.decode(bytes);
    let damage = if has_damage { ", and some of it is not" } else { "" };
    Some(Decoded { text, note: Some(format!("read as {}{damage}", encoding.name())) })
}

fn utf8(bytes: &[u8], is_whole: bool) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if !is_whole && error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    Some(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Text as it is, line by line.
pub(super) fn render(text: &str, page: &mut Page<'_>) {
    for line in text.lines() {
        page.say(Tone::Plain, line);
    }
}
