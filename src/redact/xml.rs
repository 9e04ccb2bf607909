//! XML as it streams by: elements and attributes by their local name.

use super::body::{Secret, Sink};

/// Longer names are no secrets.
const LONGEST_NAME: usize = 1024;

#[derive(Default)]
pub(super) struct Xml {
    buf: Vec<u8>,
    state: State,
    /// The element whose start tag was read last is a secret's.
    secret_element: bool,
}

#[derive(Default)]
enum State {
    #[default]
    Text,
    /// Inside a start tag, after its name.
    Tag,
    /// Inside an attribute's value, up to this quote.
    Attribute(u8),
    SecretAttribute(u8, Secret),
    /// The text of a secret element.
    SecretText(Secret),
    SecretCdata(Secret),
    /// Up to this end: a comment, CDATA, a processing instruction.
    Until(&'static [u8]),
}

impl Xml {
    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut Sink) {
        self.buf.extend_from_slice(bytes);
        self.run(sink, false);
    }

    pub(super) fn finish(&mut self, sink: &mut Sink) {
        self.run(sink, true);
        if let State::SecretAttribute(_, secret) | State::SecretText(secret) | State::SecretCdata(secret) =
            std::mem::take(&mut self.state)
        {
            sink.secret(secret, decoded);
        }
        sink.plain(&self.buf);
        self.buf.clear();
    }

    fn run(&mut self, sink: &mut Sink, at_end: bool) {
        let buf = std::mem::take(&mut self.buf);
        let mut at = 0;
        while at < buf.len() {
            let rest = &buf[at..];
            let used = match &self.state {
                State::Text => self.text(rest, at_end, sink),
                State::Tag => self.tag(rest, at_end, sink),
                State::Attribute(quote) => Some(self.attribute(*quote, rest, sink)),
                State::Until(end) => self.until(end, rest, at_end, sink),
                State::SecretAttribute(..) | State::SecretText(_) => self.secret(rest, at_end, sink),
                State::SecretCdata(_) => self.secret_cdata(rest, at_end, sink),
            };
            match used {
                Some(count) => at += count,
                None => break,
            }
        }
        self.buf = buf;
        self.buf.drain(..at);
    }

    fn text(&mut self, rest: &[u8], at_end: bool, sink: &mut Sink) -> Option<usize> {
        let Some(open) = memchr::memchr(b'<', rest) else {
            sink.plain(rest);
            return Some(rest.len());
        };
        if open > 0 {
            sink.plain(&rest[..open]);
            return Some(open);
        }
        const SPECIAL: [(&[u8], &[u8]); 3] = [(b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<?", b"?>")];
        for (start, end) in SPECIAL {
            if rest.starts_with(start) {
                self.state = State::Until(end);
                sink.plain(start);
                return Some(start.len());
            }
            if !at_end && start.starts_with(rest) {
                return None;
            }
        }
        self.secret_element = false;
        if matches!(rest.get(1), Some(b'/' | b'!')) {
            sink.plain(&rest[..2]);
            return Some(2);
        }
        let length = name_length(&rest[1..], at_end)?;
        self.secret_element = is_secret(&rest[1..=length], sink);
        self.state = if length == 0 { State::Text } else { State::Tag };
        sink.plain(&rest[..=length]);
        Some(length + 1)
    }

    fn tag(&mut self, rest: &[u8], at_end: bool, sink: &mut Sink) -> Option<usize> {
        let used = match rest[0] {
            b'>' => {
                self.state = if self.secret_element { State::SecretText(Secret::default()) } else { State::Text };
                1
            }
            b'/' => {
                // `/>`: no text follows.
                if rest.len() < 2 && !at_end {
                    return None;
                }
                self.secret_element &= rest.get(1) != Some(&b'>');
                1
            }
            quote @ (b'"' | b'\'') => {
                self.state = State::Attribute(quote);
                1
            }
            byte if is_name(byte) => {
                let length = name_length(rest, at_end)?;
                let space = |from: usize| rest[from..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                let equals = length + space(length);
                let more = |at: usize| at >= rest.len() && !at_end && rest.len() < 2 * LONGEST_NAME;
                if more(equals) {
                    return None;
                }
                if rest.get(equals) != Some(&b'=') {
                    sink.plain(&rest[..length]);
                    return Some(length);
                }
                let value = equals + 1 + space(equals + 1);
                if more(value) {
                    return None;
                }
                match rest.get(value) {
                    Some(&quote @ (b'"' | b'\'')) => {
                        let secret = is_secret(&rest[..length], sink);
                        self.state = if secret {
                            State::SecretAttribute(quote, Secret::default())
                        } else {
                            State::Attribute(quote)
                        };
                        value + 1
                    }
                    _ => equals + 1,
                }
            }
            _ => 1,
        };
        sink.plain(&rest[..used]);
        Some(used)
    }

    fn attribute(&mut self, quote: u8, rest: &[u8], sink: &mut Sink) -> usize {
        let used = memchr::memchr(quote, rest).map_or(rest.len(), |end| {
            self.state = State::Tag;
            end + 1
        });
        sink.plain(&rest[..used]);
        used
    }

    fn until(&mut self, end: &'static [u8], rest: &[u8], at_end: bool, sink: &mut Sink) -> Option<usize> {
        let used = match memchr::memmem::find(rest, end) {
            Some(at) => {
                self.state = State::Text;
                at + end.len()
            }
            None if at_end => rest.len(),
            None => rest.len().saturating_sub(end.len() - 1),
        };
        sink.plain(&rest[..used]);
        (used > 0).then_some(used)
    }

    fn secret(&mut self, rest: &[u8], at_end: bool, sink: &mut Sink) -> Option<usize> {
        const CDATA: &[u8] = b"<![CDATA[";
        let (stop, is_text) = match &self.state {
            State::SecretAttribute(quote, _) => (*quote, false),
            _ => (b'<', true),
        };
        let end = memchr::memchr(stop, rest);
        if let State::SecretAttribute(_, secret) | State::SecretText(secret) = &mut self.state {
            secret.push(&rest[..end.unwrap_or(rest.len())], sink.shared());
        }
        let Some(end) = end else { return Some(rest.len()) };
        let after = &rest[end..];
        if is_text && !at_end && CDATA.starts_with(after) {
            // Not to be pushed twice: what was taken so far is used up, the rest waits.
            return (end > 0).then_some(end);
        }
        let (State::SecretAttribute(_, secret) | State::SecretText(secret)) = std::mem::take(&mut self.state) else {
            return Some(0);
        };
        sink.secret_text(secret, decoded);
        if is_text && after.starts_with(CDATA) {
            self.state = State::SecretCdata(Secret::default());
            sink.plain(CDATA);
            return Some(end + CDATA.len());
        }
        // The `<` is looked at again as text; the quote ends the attribute.
        self.state = if is_text { State::Text } else { State::Tag };
        sink.plain(&rest[end..end + usize::from(!is_text)]);
        Some(end + usize::from(!is_text))
    }

    fn secret_cdata(&mut self, rest: &[u8], at_end: bool, sink: &mut Sink) -> Option<usize> {
        const END: &[u8] = b"]]>";
        let State::SecretCdata(secret) = &mut self.state else { return Some(0) };
        let Some(end) = memchr::memmem::find(rest, END) else {
            let used = if at_end { rest.len() } else { rest.len().saturating_sub(END.len() - 1) };
            secret.push(&rest[..used], sink.shared());
            return (used > 0).then_some(used);
        };
        secret.push(&rest[..end], sink.shared());
        let secret = std::mem::take(secret);
        sink.secret_text(secret, <[u8]>::to_vec);
        self.state = State::SecretText(Secret::default());
        sink.plain(END);
        Some(end + END.len())
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':') || byte >= 0x80
}

/// How long the name is that comes first; `None`: more bytes are needed.
fn name_length(rest: &[u8], at_end: bool) -> Option<usize> {
    let window = &rest[..rest.len().min(LONGEST_NAME)];
    match window.iter().position(|&byte| !is_name(byte)) {
        Some(length) => Some(length),
        None if at_end || window.len() == LONGEST_NAME => Some(window.len()),
        None => None,
    }
}

fn is_secret(name: &[u8], sink: &Sink) -> bool {
    let local = name.rsplit(|&byte| byte == b':').next().unwrap_or(name);
    sink.shared().names.is_member(local)
}

/// A value with the predefined and numeric entities undone (XML 1.0 section 4.6).
fn decoded(raw: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(raw) else { return raw.to_vec() };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let entity = rest.find(';').filter(|end| *end <= 10).and_then(|end| Some((character(&rest[1..end])?, end)));
        match entity {
            Some((character, end)) => {
                out.push(character);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out.into_bytes()
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}
