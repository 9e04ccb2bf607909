//! One exchange, shown whole: as text for a terminal, and as one JSON object.

mod figures;
mod head;
mod json;
#[cfg(test)]
mod tests;

use super::body::{self, Content};
use super::styled::{Limits, Line, Page, Tone};
use crate::model::coding::{self, Coding};
use crate::model::media;
use crate::model::{Body, BodyEnd, Chunk, Exchange, Fields, Outcome};
use crate::redact::is_placeholder;

pub use figures::{duration, size};
pub use json::json;

/// Members that scripts rely on, in a line of a listing as in an exchange shown whole.
#[cfg(test)]
pub(crate) const MEMBERS: [&str; 12] = [
    "number",
    "id",
    "started_at",
    "session",
    "method",
    "url",
    "status",
    "outcome",
    "request_bytes",
    "response_bytes",
    "response_blake3",
    "duration_ms",
];

/// The bodies of an exchange after content coding, as far as they could be read.
#[derive(Debug, Clone, Default)]
pub struct Bodies {
    /// The request's.
    pub request: View,
    /// The response's, if there is a response.
    pub response: View,
}

/// What could be read of a body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum View {
    /// There is none.
    #[default]
    Empty,
    /// The bytes before content coding, whole.
    Whole(Vec<u8>),
    /// It is larger than a view: the first bytes.
    Beginning(Vec<u8>),
    /// It cannot be decoded or read; why.
    Unreadable(String),
}

/// How an exchange is shown.
#[derive(Debug, Clone)]
pub struct Options {
    /// The zone of its times.
    pub zone: jiff::tz::TimeZone,
    /// How much of a body.
    pub limits: Limits,
    /// Bodies as a hex dump of this many bytes, instead of by their type.
    pub hexdump: Option<usize>,
}

/// The codings to undo for a view: none when the store has done it already.
///
/// # Errors
/// A coding that is not known.
pub fn codings(fields: &Fields, body: &Body) -> Result<Vec<Coding>, coding::DecodeError> {
    if body.coding_removed.is_some() { Ok(Vec::new()) } else { coding::codings(fields) }
}

/// The exchange, line by line, safe for a terminal.
pub fn show(exchange: &Exchange, bodies: &Bodies, options: &Options, emit: &mut dyn FnMut(Line)) {
    head::write(exchange, &options.zone, emit);
    let request = &exchange.request;
    if !matches!(exchange.outcome, Outcome::Relayed(_)) {
        emit(Line::default());
        let line = format!("> {} {} {}", request.method, request.target(), request.version.as_str());
        emit(Line::of(Tone::Bold, line));
        fields('>', &request.fields, emit);
        let part = Part { exchange, name: "request-body", fields: &request.fields, body: &request.body, chunks: &[] };
        part.show(&bodies.request, options, emit);
        fields('>', &request.trailers, emit);
        if exchange.partial {
            emit(Line::of(Tone::Bad, "(the response ended first; the rest of the request is not recorded)"));
        }
    }
    if let Some(response) = exchange.outcome.response() {
        emit(Line::default());
        for interim in &response.informational {
            emit(Line::of(Tone::Dim, format!("< {} {}", response.version.as_str(), interim.status)));
            fields('<', &interim.fields, emit);
        }
        let reason = response.reason.as_deref().unwrap_or_default();
        let line = format!("< {} {} {reason}", response.version.as_str(), response.status);
        emit(Line::of(Tone::Status(response.status), line.trim_end()));
        fields('<', &response.fields, emit);
        let chunks = &exchange.timings.chunks;
        let part = Part { exchange, name: "response-body", fields: &response.fields, body: &response.body, chunks };
        part.show(&bodies.response, options, emit);
        fields('<', &response.trailers, emit);
    }
}

fn fields(mark: char, fields: &Fields, emit: &mut dyn FnMut(Line)) {
    for field in fields {
        let text = super::terminal::clean(&field.text()).into_owned();
        let is_masked = is_placeholder(&text);
        let mut line = Line::of(Tone::Dim, format!("{mark} "));
        line.push(Tone::Name, &field.name);
        line.push(Tone::Plain, ": ");
        line.push(if is_masked { Tone::Masked } else { Tone::Plain }, text);
        line.push(Tone::Masked, if is_masked { "  (masked)" } else { "" });
        emit(line);
    }
}

/// A body in its message.
struct Part<'a> {
    exchange: &'a Exchange,
    /// Its name in the command line.
    name: &'static str,
    fields: &'a Fields,
    body: &'a Body,
    chunks: &'a [Chunk],
}

impl Part<'_> {
    fn show(&self, view: &View, options: &Options, emit: &mut dyn FnMut(Line)) {
        let (bytes, is_whole) = match view {
            View::Empty => {
                if !self.body.end.is_whole() {
                    emit(Line::of(Tone::Bad, format!("({})", self.describe())));
                }
                return;
            }
            View::Unreadable(why) => {
                emit(Line::default());
                emit(Line::of(Tone::Bad, why));
                emit(Line::of(Tone::Dim, format!("{} with `--wire` writes it as carried", self.raw())));
                return emit(Line::of(Tone::Dim, format!("({})", self.describe())));
            }
            View::Whole(bytes) => (bytes, true),
            View::Beginning(bytes) => (bytes, false),
        };
        emit(Line::default());
        match options.hexdump {
            Some(count) => self.hexdump(bytes, is_whole, count, emit),
            None => self.typed(bytes, is_whole, options.limits, emit),
        }
        emit(Line::of(Tone::Dim, format!("({})", self.describe())));
    }

    fn hexdump(&self, bytes: &[u8], is_whole: bool, count: usize, emit: &mut dyn FnMut(Line)) {
        body::hexdump(&bytes[..bytes.len().min(count)], &mut Page::new(Limits::NONE, emit));
        if bytes.len() > count && is_whole {
            emit(Line::of(
                Tone::Dim,
                format!("… {} more; {} writes all of it", size((bytes.len() - count) as u64), self.raw()),
            ));
        } else if !is_whole {
            emit(Line::of(Tone::Dim, format!("… there is more; {} writes all of it", self.raw())));
        }
    }

    fn typed(&self, bytes: &[u8], is_whole: bool, limits: Limits, emit: &mut dyn FnMut(Line)) {
        let content_type = self.fields.text("content-type");
        let chunks = if self.has_wire_offsets() { self.chunks } else { &[] };
        let content = Content { content_type: content_type.as_deref(), bytes, is_whole, chunks };
        let mut page = Page::new(limits, emit);
        let is_shown = body::render(&content, &mut page);
        let (left_out, was_cut) = (page.lines_left_out(), page.was_cut());
        let number = self.exchange.number;
        let more = if limits == Limits::NONE {
            format!("{} writes all of it", self.raw())
        } else {
            format!("`retake history show {number} --full`, or {} for the bytes", self.raw())
        };
        let dim = if !is_shown {
            format!("{} writes it, `--hexdump` shows its bytes", self.raw())
        } else if !is_whole {
            format!("… only the first {} are shown; {more}", size(bytes.len() as u64))
        } else if left_out > 0 {
            format!("… {left_out} more lines; {more}")
        } else if was_cut {
            format!("… long lines were cut; {more}")
        } else {
            return;
        };
        emit(Line::of(Tone::Dim, dim));
    }

    /// Whether the bytes of the view are those that were received, so that the times of chunks hold for them.
    fn has_wire_offsets(&self) -> bool {
        let is_coded = codings(self.fields, self.body).map_or(true, |codings| !codings.is_empty());
        self.body.masked == 0 && self.body.size == self.body.wire_size && !is_coded
    }

    fn raw(&self) -> String {
        format!("`retake history show {} --raw {}`", self.exchange.number, self.name)
    }

    /// `application/json, 1.2 KiB, gzip removed, 2 values masked, broke off`
    fn describe(&self) -> String {
        let (fields, body) = (self.fields, self.body);
        let mut facts = Vec::new();
        if let Some(content_type) = fields.text("content-type") {
            facts.push(media::essence(&content_type));
        }
        facts.push(size(body.size));
        match (&body.coding_removed, fields.text("content-encoding")) {
            (Some(coding), _) => {
                facts.push(format!("{coding} removed to mask it; {} as carried", size(body.wire_size)));
            }
            (None, Some(coding)) => facts.push(format!("as {coding}")),
            (None, None) => {}
        }
        match body.masked {
            0 => {}
            1 => facts.push("1 value masked".to_owned()),
            count => facts.push(format!("{count} values masked")),
        }
        match body.end {
            BodyEnd::Complete | BodyEnd::Trailers => {}
            BodyEnd::Failed => facts.push("broke off".to_owned()),
            BodyEnd::Cancelled => facts.push("cancelled".to_owned()),
        }
        super::terminal::clean(&facts.join(", ")).into_owned()
    }
}
