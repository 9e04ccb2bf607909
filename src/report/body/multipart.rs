//! Multipart bodies (RFC 2046 section 5.1), part by part, each by its own type.

use crate::model::multipart::{self, Part};
use crate::redact::is_placeholder;
use crate::report::exchange::size;
use crate::report::styled::{Line, Page, Tone};

use super::{Content, nested};

/// Returns whether the body is what its boundary says.
pub(super) fn render(content: &Content<'_>, depth: usize, page: &mut Page<'_>) -> bool {
    let Some(parts) = multipart::parts(content.content_type, content.bytes) else { return false };
    for (at, part) in parts.iter().enumerate() {
        page.line(title(at + 1, part));
        page.indented(2, |page| one(part, depth, page));
    }
    if content.is_whole && parts.last().is_some_and(|part| !part.is_whole) {
        page.say(Tone::Bad, "(the last part is cut off: no closing boundary)");
    }
    true
}

fn title(number: usize, part: &Part<'_>) -> Line {
    let mut line = Line::of(Tone::Dim, format!("part {number}, {}", size(part.content.len() as u64)));
    for (what, value) in [("  ", part.name()), ("  file ", part.file_name())] {
        if let Some(value) = value {
            line.push(Tone::Dim, what);
            line.push(Tone::Name, value);
        }
    }
    line
}

fn one(part: &Part<'_>, depth: usize, page: &mut Page<'_>) {
    for field in &part.fields {
        let text = field.text();
        let mut line = Line::of(Tone::Name, format!("{}: ", field.name));
        line.push(if is_placeholder(&text) { Tone::Masked } else { Tone::Plain }, &text);
        page.line(line);
    }
    if part.content.is_empty() {
        return;
    }
    let content_type = part.fields.text("content-type");
    // A part without a type is text (RFC 7578 section 4.4).
    let content_type = content_type.as_deref().unwrap_or("text/plain");
    let content =
        Content { content_type: Some(content_type), bytes: part.content, is_whole: part.is_whole, chunks: &[] };
    nested(&content, depth + 1, page);
}
