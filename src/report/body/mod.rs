//! A body as a person reads it, by its type. Never more than its limits, never anything that a terminal acts on.

mod binary;
mod events;
mod json;
mod markup;
mod multipart;
mod text;

use crate::model::Chunk;
use crate::model::media::{self, Kind};
use crate::redact::is_placeholder;

use super::styled::{Line, Page, Tone};

pub use binary::hexdump;
pub use text::decode;

/// Multipart bodies within multipart bodies that are opened.
const MAX_NESTING: usize = 4;

/// A body before content coding, or a part of one.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// Its `Content-Type`.
    pub content_type: Option<&'a str>,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Whether these are all the bytes.
    pub is_whole: bool,
    /// When its pieces came, as far as they can be told apart in these bytes.
    pub chunks: &'a [Chunk],
}

/// Writes the body on the page. Returns whether it was shown; if not, it is described.
pub fn render(content: &Content<'_>, page: &mut Page<'_>) -> bool {
    nested(content, 0, page)
}

fn nested(content: &Content<'_>, depth: usize, page: &mut Page<'_>) -> bool {
    let kind = Kind::of(content.content_type);
    let essence = content.content_type.map(media::essence).unwrap_or_default();
    if kind == Kind::Multipart && depth < MAX_NESTING && multipart::render(content, depth, page) {
        return true;
    }
    let Some(text) = text::decode(content.content_type, content.bytes, content.is_whole) else {
        binary::describe(&essence, content, page);
        return false;
    };
    if let Some(note) = text.note {
        page.say(Tone::Dim, note);
    }
    let text = &*text.text;
    match kind {
        Kind::Form => form(text, page),
        Kind::EventStream => events::render(text, content, page),
        Kind::Xml => markup::render(text, false, page),
        _ if essence == "text/html" => markup::render(text, true, page),
        _ if is_json_lines(&essence) => json::render_lines(text, page),
        _ if json::graphql(text, page) => {}
        _ if json::is_container(text, content.is_whole) => json::render(text, page),
        _ => {
            if kind == Kind::Json && content.is_whole && json::is_broken(text) {
                page.say(Tone::Dim, "not valid JSON; as it is:");
            }
            text::render(text, page);
        }
    }
    true
}

fn is_json_lines(essence: &str) -> bool {
    matches!(essence, "application/x-ndjson" | "application/jsonl" | "application/json-seq" | "text/x-ndjson")
}

/// The pairs of a form, decoded, one a line.
fn form(text: &str, page: &mut Page<'_>) {
    for (name, value) in form_urlencoded::parse(text.trim_ascii().as_bytes()) {
        let mut line = Line::of(Tone::Name, &name);
        line.push(Tone::Plain, " = ");
        push_value(&mut line, &value);
        page.line(line);
    }
}

/// Adds a value, and says whether it is masked.
fn push_value(line: &mut Line, value: &str) {
    if is_placeholder(value) {
        line.push(Tone::Masked, value);
        line.push(Tone::Masked, "  (masked)");
    } else {
        line.push(Tone::Plain, value);
    }
}

#[cfg(test)]
mod tests;
