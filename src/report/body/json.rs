//! JSON indented: members in their order, repeated ones too, numbers and escapes as written. By token, without
//! recursion, so that the beginning of a text can be shown as well.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::redact::is_placeholder;
use crate::report::styled::{Line, Page, Tone};

/// Deeper levels stand where this one stands.
const MAX_INDENT: usize = 40;

/// Whether the text is an object or an array; of the beginning of a text its first character decides.
pub(super) fn is_container(text: &str, is_whole: bool) -> bool {
    matches!(text.trim_ascii_start().as_bytes().first(), Some(b'{' | b'[')) && !(is_whole && is_broken(text))
}

/// Whether the text is not JSON.
pub(super) fn is_broken(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_err()
}

/// Lines of JSON, each on its own; what is none, as it is. A record may begin with RS (RFC 7464).
pub(super) fn render_lines(text: &str, page: &mut Page<'_>) {
    for line in text.split(['\n', '\u{1e}']).map(str::trim).filter(|line| !line.is_empty()) {
        if page.is_full() || !is_container(line, true) {
            page.say(Tone::Plain, line);
        } else {
            render(line, page);
        }
    }
}

/// A request of GraphQL in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphQl<'a> {
    #[serde(rename = "operationName", default)]
    operation: Option<String>,
    query: String,
    #[serde(borrow, default)]
    variables: Option<&'a RawValue>,
    #[serde(borrow, default)]
    extensions: Option<&'a RawValue>,
}

/// Shows a GraphQL request with its query as it was written before it became a JSON string. Returns whether the text
/// is one.
pub(super) fn graphql(text: &str, page: &mut Page<'_>) -> bool {
    if !text.trim_ascii_start().starts_with('{') || !text.contains("\"query\"") {
        return false;
    }
    let Ok(request) = serde_json::from_str::<GraphQl<'_>>(text) else { return false };
    if !request.query.contains('{') {
        return false;
    }
    let title = match request.operation {
        Some(operation) => format!("GraphQL, operation {operation}"),
        None => "GraphQL".to_owned(),
    };
    page.say(Tone::Name, title);
    page.indented(2, |page| super::text::render(request.query.trim_end(), page));
    for (name, value) in [("variables", request.variables), ("extensions", request.extensions)] {
        let Some(value) = value else { continue };
        page.say(Tone::Name, name);
        page.indented(2, |page| render(value.get(), page));
    }
    true
}

/// The text indented.
pub(super) fn render(text: &str, page: &mut Page<'_>) {
    let mut out = Out { page, line: Line::default(), depth: 0 };
    let mut rest = text.trim_ascii_start();
    while let Some(&first) = rest.as_bytes().first() {
        let length = token(rest);
        let (token, after) = rest.split_at(length);
        rest = after.trim_ascii_start();
        match first {
            b'{' | b'[' => {
                let closes = rest.as_bytes().first() == Some(&(first + 2));
                if closes {
                    out.line.push(Tone::Plain, if first == b'{' { "{}" } else { "[]" });
                    rest = rest[1..].trim_ascii_start();
                } else {
                    out.line.push(Tone::Plain, token);
                    out.depth += 1;
                    out.end_line();
                }
            }
            b'}' | b']' => {
                out.depth = out.depth.saturating_sub(1);
                out.end_line();
                out.line.push(Tone::Plain, token);
            }
            b',' => {
                out.line.push(Tone::Plain, token);
                out.end_line();
            }
            b':' => out.line.push(Tone::Plain, ": "),
            b'"' if rest.starts_with(':') => out.line.push(Tone::Name, token),
            b'"' if is_placeholder(token) => {
                out.line.push(Tone::Masked, token);
            }
            b'"' => out.line.push(Tone::Text, token),
            _ if is_placeholder(token) => out.line.push(Tone::Masked, token),
            _ => out.line.push(Tone::Word, token),
        }
    }
    if !out.line.is_empty() {
        out.end_line();
    }
}

struct Out<'p, 'a> {
    page: &'p mut Page<'a>,
    line: Line,
    depth: usize,
}

impl Out<'_, '_> {
    /// Ends the line; the next one begins at the depth of now.
    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.page.line(line);
        self.line.push(Tone::Plain, "  ".repeat(self.depth.min(MAX_INDENT)));
    }
}

/// The length of the token that begins here.
fn token(text: &str) -> usize {
    let bytes = text.as_bytes();
    match bytes[0] {
        b'"' => {
            let mut at = 1;
            while at < bytes.len() && bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            // Within what was cut, an escape may reach beyond the end, or half of a character be left.
            let end = (at + 1).min(bytes.len());
            (end..=bytes.len()).find(|&end| text.is_char_boundary(end)).unwrap_or(bytes.len())
        }
        b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
        _ => text.find(|c: char| c.is_ascii_whitespace() || "{}[],:\"".contains(c)).unwrap_or(text.len()),
    }
}
