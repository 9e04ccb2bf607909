//! Multipart bodies (RFC 2046 section 5.1): each text part by its own kind, a part of a form by its name.

use super::body::{Lexer, Secret, Sink};
use crate::model::media::{self, Kind};

/// Longer part headers are passed as text.
const LONGEST_HEAD: usize = 8 * 1024;

/// So many bytes of a file tell whether it is text.
const SNIFFED: usize = 64;

pub(super) struct Multipart {
    buf: Vec<u8>,
    /// `--` and the boundary.
    delimiter: Vec<u8>,
    state: State,
    /// Nothing was passed on yet: the first delimiter needs no line end before it.
    fresh: bool,
}

enum State {
    Preamble,
    /// After a delimiter: the rest of its line, or `--`.
    Delimiter,
    /// In the rest of that line.
    Line,
    Head,
    Part(Lexer),
    Secret(Secret),
    /// A file of no known type: its beginning, until there is enough of it to tell text, and whether its name is a
    /// secret's.
    Unsure(Vec<u8>, bool),
    /// A part that is not text.
    Binary,
    Epilogue,
}

impl Multipart {
    pub(super) fn new(boundary: &str) -> Self {
        let delimiter = format!("--{boundary}").into_bytes();
        Multipart { buf: Vec::new(), delimiter, state: State::Preamble, fresh: true }
    }

    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut Sink) {
        self.buf.extend_from_slice(bytes);
        self.run(sink, false);
    }

    pub(super) fn finish(&mut self, sink: &mut Sink) {
        self.run(sink, true);
        let rest = std::mem::take(&mut self.buf);
        self.content(&rest, sink);
        self.end_part(sink);
    }

    fn run(&mut self, sink: &mut Sink, at_end: bool) {
        let buf = std::mem::take(&mut self.buf);
        let mut at = 0;
        while at < buf.len() {
            let rest = &buf[at..];
            let used = match &self.state {
                State::Delimiter => self.delimiter(rest, at_end),
                State::Line => Some(self.line(rest, sink)),
                State::Head => self.head(rest, at_end, sink),
                State::Epilogue => {
                    sink.plain(rest);
                    Some(rest.len())
                }
                _ => self.until_delimiter(rest, at_end, sink),
            };
            match used {
                Some(count) => at += count,
                None => break,
            }
        }
        self.buf = buf;
        self.buf.drain(..at);
    }

    /// Content up to the next delimiter that stands at the beginning of a line.
    fn until_delimiter(&mut self, rest: &[u8], at_end: bool, sink: &mut Sink) -> Option<usize> {
        if self.fresh {
            if !at_end && rest.len() < self.delimiter.len() && self.delimiter.starts_with(rest) {
                return None;
            }
            self.fresh = false;
            if rest.starts_with(&self.delimiter) {
                sink.plain(&self.delimiter);
                self.state = State::Delimiter;
                return Some(self.delimiter.len());
            }
        }
        let found = memchr::memmem::find_iter(rest, &self.delimiter).find(|&at| at > 0 && rest[at - 1] == b'\n');
        let Some(at) = found else {
            if at_end {
                return None;
            }
            // The line end and a part of the delimiter may already be here.
            let used = rest.len().saturating_sub(self.delimiter.len() + 2);
            self.content(&rest[..used], sink);
            return (used > 0).then_some(used);
        };
        let line_end = at - 1 - usize::from(at > 1 && rest[at - 2] == b'\r');
        self.content(&rest[..line_end], sink);
        self.end_part(sink);
        sink.plain(&rest[line_end..at + self.delimiter.len()]);
        self.state = State::Delimiter;
        Some(at + self.delimiter.len())
    }

    fn content(&mut self, bytes: &[u8], sink: &mut Sink) {
        match &mut self.state {
            State::Part(lexer) => lexer.push(bytes, sink),
            State::Secret(secret) => secret.push(bytes, sink.shared()),
            State::Unsure(begun, _) => {
                let missing = SNIFFED - begun.len();
                let (first, rest) = bytes.split_at(bytes.len().min(missing));
                begun.extend_from_slice(first);
                if begun.len() == SNIFFED {
                    self.sniff(sink);
                    self.content(rest, sink);
                }
            }
            State::Binary => sink.raw(bytes),
            _ => sink.plain(bytes),
        }
    }

    /// Decides by its beginning what an unsure part is.
    fn sniff(&mut self, sink: &mut Sink) {
        let State::Unsure(begun, is_secret) = &mut self.state else { return };
        let (begun, is_secret) = (std::mem::take(begun), *is_secret);
        self.state = match (media::looks_like_text(&begun), is_secret) {
            (false, _) => State::Binary,
            (true, true) => State::Secret(Secret::default()),
            (true, false) => State::Part(Lexer::Sniff),
        };
        self.content(&begun, sink);
    }

    fn end_part(&mut self, sink: &mut Sink) {
        self.sniff(sink);
        match std::mem::replace(&mut self.state, State::Preamble) {
            State::Part(mut lexer) => lexer.finish(sink),
            State::Secret(secret) => sink.secret_text(secret, <[u8]>::to_vec),
            _ => {}
        }
    }

    fn delimiter(&mut self, rest: &[u8], at_end: bool) -> Option<usize> {
        if rest == b"-" && !at_end {
            return None;
        }
        self.state = if rest.starts_with(b"--") { State::Epilogue } else { State::Line };
        Some(0)
    }

    fn line(&mut self, rest: &[u8], sink: &mut Sink) -> usize {
        let used = match memchr::memchr(b'\n', rest) {
            Some(line) => {
                self.state = State::Head;
                line + 1
            }
            None => rest.len(),
        };
        sink.plain(&rest[..used]);
        used
    }

    fn head(&mut self, rest: &[u8], at_end: bool, sink: &mut Sink) -> Option<usize> {
        let window = &rest[..rest.len().min(LONGEST_HEAD)];
        let Some(end) = head_end(window) else {
            if window.len() < LONGEST_HEAD && !at_end {
                return None;
            }
            self.state = State::Part(Lexer::Plain);
            return Some(0);
        };
        self.state = part_of(&window[..end], sink);
        sink.plain(&window[..end]);
        Some(end)
    }
}

/// Where the empty line ends that closes a part's header.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let mut line = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        if matches!(&bytes[line..end], b"" | b"\r") {
            return Some(end + 1);
        }
        line = end + 1;
    }
    None
}

/// How the content of a part with this header is masked.
fn part_of(head: &[u8], sink: &Sink) -> State {
    let text = String::from_utf8_lossy(head);
    let field = |name: &str| {
        text.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let content_type = field("content-type");
    let kind = content_type.as_deref().map_or(Kind::Text, |value| Kind::of(Some(value)));
    let name = field("content-disposition").and_then(|value| parameter(&value, "name"));
    let is_secret = name.is_some_and(|name| sink.shared().names.is_form(name.as_bytes()));
    if kind.is_text() && is_secret {
        return State::Secret(Secret::default());
    }
    if content_type.as_deref().is_some_and(|value| media::essence(value) == "application/octet-stream") {
        return State::Unsure(Vec::new(), is_secret);
    }
    match Lexer::of(kind, content_type.as_deref(), sink) {
        // Parts in parts go one level deep; deeper ones are scanned as text.
        Some(Lexer::Multipart(_)) => State::Part(Lexer::Plain),
        Some(lexer) => State::Part(lexer),
        None => State::Binary,
    }
}

/// A parameter of a `Content-Disposition` value (RFC 6266 section 4).
fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|part| {
        let (found, value) = part.split_once('=')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}
