//! Server-sent events (HTML standard, section 9.2), each with the time at which it was whole.

use crate::model::Chunk;
use crate::report::exchange::duration;
use crate::report::styled::{Line, Page, Tone};

use super::{Content, json};

/// One block of a stream: the lines up to an empty one.
#[derive(Debug, Default)]
struct Event<'a> {
    name: Option<&'a str>,
    id: Option<&'a str>,
    retry: Option<&'a str>,
    data: Vec<&'a str>,
    comments: Vec<&'a str>,
}

impl<'a> Event<'a> {
    fn is_empty(&self) -> bool {
        self.name.is_none()
            && self.id.is_none()
            && self.retry.is_none()
            && self.data.is_empty()
            && self.comments.is_empty()
    }

    fn take(&mut self, line: &'a str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => self.comments.push(value),
            "data" => self.data.push(value),
            "event" => self.name = Some(value),
            "id" => self.id = Some(value),
            "retry" => self.retry = Some(value),
            // Other names mean nothing, but were sent.
            _ => self.comments.push(line),
        }
    }
}

pub(super) fn render(text: &str, content: &Content<'_>, page: &mut Page<'_>) {
    let mut clock = Clock { chunks: content.chunks, until: 0 };
    // The mark of the byte order is left out of the text.
    let lead = if content.bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut event = Event::default();
    let (mut at, mut number) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        let end = memchr::memchr2(b'\n', b'\r', rest.as_bytes()).unwrap_or(rest.len());
        let has_both = rest[end..].starts_with("\r\n");
        at += (end + 1 + usize::from(has_both)).min(rest.len());
        if end > 0 {
            event.take(&rest[..end]);
        } else if !event.is_empty() {
            number += 1;
            write(number, &event, clock.at((lead + at) as u64), page);
            event = Event::default();
        }
    }
    if !event.is_empty() {
        write(number + 1, &event, None, page);
        page.say(Tone::Dim, "(not closed by an empty line)");
    }
}

fn write(number: usize, event: &Event<'_>, at_us: Option<u64>, page: &mut Page<'_>) {
    let mut title = Line::of(Tone::Dim, format!("event {number}"));
    if let Some(at_us) = at_us {
        title.push(Tone::Dim, format!(" after {}", duration(at_us)));
    }
    for (what, value) in [("", event.name), ("id ", event.id), ("retry ", event.retry)] {
        if let Some(value) = value {
            title.push(Tone::Dim, format!("  {what}"));
            title.push(Tone::Name, value);
        }
    }
    page.line(title);
    page.indented(2, |page| {
        event.comments.iter().for_each(|comment| page.say(Tone::Dim, format!(": {comment}")));
        let data = event.data.join("\n");
        if !page.is_full() && json::is_container(&data, true) {
            json::render(&data, page);
        } else {
            super::text::render(&data, page);
        }
    });
}

/// Tells when a byte of the body was there.
struct Clock<'a> {
    chunks: &'a [Chunk],
    /// Bytes of the chunks that were passed.
    until: u64,
}

impl Clock<'_> {
    /// When the first `offset` bytes were there; offsets only grow.
    fn at(&mut self, offset: u64) -> Option<u64> {
        while let Some((first, rest)) = self.chunks.split_first() {
            if self.until + first.bytes >= offset {
                return Some(first.at_us);
            }
            self.until += first.bytes;
            self.chunks = rest;
        }
        None
    }
}
