//! Heads as written: request line or status line, field lines in order, and what they say about the framing
//! (RFC 9112 sections 2 to 6). Strict where two parsers could disagree.

use std::ops::Range;

use super::body::BodyScan;
use super::refusal::{MAX_FIELDS, MAX_HEAD, Refusal};
use crate::model::{Fields, HttpVersion};

/// The head of a request as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// The method, in its case.
    pub method: String,
    /// The request target; bytes that are not UTF-8 are read as Latin-1 (hyper refuses them later).
    pub target: String,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: HttpVersion,
    /// The field lines.
    pub fields: Fields,
}

/// The head of a response as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    /// 100 to 999.
    pub status: u16,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: HttpVersion,
    /// What follows the status code; may be empty.
    pub reason: Vec<u8>,
    /// The field lines.
    pub fields: Fields,
}

/// What a later response needs to know of its request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) head: bool,
    pub(super) connect: bool,
    pub(super) http10: bool,
    /// It may turn the connection into something else: CONNECT, or a field `Upgrade`.
    pub(super) switches: bool,
}

/// Finds the end of a head in bytes that grow.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HeadEnd {
    line_start: usize,
    scanned: usize,
}

impl HeadEnd {
    /// The length of the head at the front of `bytes`, its empty line included; `None` while that has not come.
    /// `bytes` start at the same place in each call, until this gives a length.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        while let Some(offset) = memchr::memchr(b'\n', &bytes[self.scanned..]) {
            let at = self.scanned + offset;
            if at == self.line_start || bytes[at - 1] != b'\r' {
                return Err(Refusal::bad("a line of the head that ends with a bare LF"));
            }
            let empty = at - 1 == self.line_start;
            self.scanned = at + 1;
            self.line_start = at + 1;
            if at >= MAX_HEAD {
                break;
            }
            if empty {
                *self = HeadEnd::default();
                return Ok(Some(at + 1));
            }
        }
        self.scanned = bytes.len();
        if bytes.len() >= MAX_HEAD { Err(Refusal::large("a head over 256 KiB")) } else { Ok(None) }
    }
}

/// What the field lines say about the framing of a message.
#[derive(Debug, Default)]
pub(super) struct Framing {
    length: Option<u64>,
    chunked: bool,
    hosts: usize,
    upgrade: bool,
}

/// What hyper writes may have some lines more than what it may read: those that retake adds.
const MAX_WRITTEN: usize = 2 * MAX_FIELDS;

/// One field line: ranges of its name and of its value in the head.
pub(super) type Line = (Range<usize>, Range<usize>);

/// Reads a request head that ends with its empty line.
pub(super) fn request(head: &[u8]) -> Result<(RequestHead, Asked, BodyScan), Refusal> {
    let (line, rest) = first_line(head)?;
    let (method, target, version) = request_line(line)?;
    let mut framing = Framing::default();
    let fields = fields(rest, &mut framing)?;
    let connect = method == b"CONNECT";
    if framing.hosts == 0 && version == HttpVersion::Http11 && !connect {
        return Err(Refusal::bad("an HTTP/1.1 request without `Host`"));
    }
    if framing.hosts > 1 {
        return Err(Refusal::bad("more than one `Host`"));
    }
    let body = framing.body(version)?.unwrap_or(BodyScan::Done);
    let http10 = version == HttpVersion::Http10;
    let asked = Asked { head: method == b"HEAD", connect, http10, switches: connect || framing.upgrade };
    // A method is made of token characters, hence ASCII.
    let method = String::from_utf8_lossy(method).into_owned();
    let target = crate::model::fields::text_of(target).into_owned();
    Ok((RequestHead { method, target, version, fields }, asked, body))
}

/// Reads what [`Asked`] needs of a request that our own client wrote.
pub(super) fn request_written(head: &[u8]) -> Result<(Asked, BodyScan), Refusal> {
    let (line, rest) = first_line(head)?;
    let (method, _, version) = request_line(line)?;
    let mut framing = Framing::default();
    each_line(rest, MAX_WRITTEN, |name, value| framing.note(name, value))?;
    let connect = method == b"CONNECT";
    let http10 = version == HttpVersion::Http10;
    let asked = Asked { head: method == b"HEAD", connect, http10, switches: connect || framing.upgrade };
    Ok((asked, framing.body(version)?.unwrap_or(BodyScan::Done)))
}

/// Reads a response head that ends with its empty line; says what body follows when `asked` was the request.
pub(super) fn response(head: &[u8], asked: Asked) -> Result<(ResponseHead, BodyScan), Refusal> {
    let (line, rest) = first_line(head)?;
    let (version, status, reason) = status_line(line)?;
    let mut framing = Framing::default();
    let fields = fields(rest, &mut framing)?;
    let body = response_body(&framing, version, status, asked)?;
    Ok((ResponseHead { status, version, reason: reason.to_vec(), fields }, body))
}

/// Reads a response head that hyper wrote: its status, where its lines are, and what body follows.
pub(super) fn response_written(
    head: &[u8],
    asked: Asked,
    lines: &mut Vec<Line>,
) -> Result<(u16, usize, BodyScan), Refusal> {
    let (line, rest) = first_line(head)?;
    let (version, status, _) = status_line(line)?;
    let base = head.len() - rest.len();
    let mut framing = Framing::default();
    lines.clear();
    let start = rest.as_ptr() as usize;
    each_line(rest, MAX_WRITTEN, |name, value| {
        let name_at = base + (name.as_ptr() as usize - start);
        let value_at = base + (value.as_ptr() as usize - start);
        lines.push((name_at..name_at + name.len(), value_at..value_at + value.len()));
        framing.note(name, value)
    })?;
    Ok((status, base, response_body(&framing, version, status, asked)?))
}

fn response_body(framing: &Framing, version: HttpVersion, status: u16, asked: Asked) -> Result<BodyScan, Refusal> {
    let body = framing.body(version)?;
    let none = asked.head || status < 200 || status == 204 || status == 304 || (asked.connect && status < 300);
    Ok(if none { BodyScan::Done } else { body.unwrap_or(BodyScan::UntilClose) })
}

fn first_line(head: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let end = memchr::memchr(b'\n', head).filter(|&at| at > 0).ok_or(Refusal::bad("an empty first line"))?;
    Ok((&head[..end - 1], &head[end + 1..]))
}

fn request_line(line: &[u8]) -> Result<(&[u8], &[u8], HttpVersion), Refusal> {
    let bad = Refusal::bad;
    let mut parts = line.splitn(3, |&byte| byte == b' ');
    let (Some(method), Some(target), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(bad("a request line that is not method, target and version"));
    };
    if method.is_empty() || !method.iter().copied().all(is_token) {
        return Err(bad("a method with characters that no method has"));
    }
    if target.is_empty() || target.iter().any(|&byte| byte <= b' ' || byte == 0x7f) {
        return Err(bad("white space or a control character in the request target"));
    }
    Ok((method, target, version(rest).ok_or(bad("a request line that does not end with HTTP/1.0 or HTTP/1.1"))?))
}

fn status_line(line: &[u8]) -> Result<(HttpVersion, u16, &[u8]), Refusal> {
    let bad = || Refusal::bad("a status line that is no HTTP/1.0 or HTTP/1.1");
    let (start, rest) = line.split_at_checked(8).ok_or_else(bad)?;
    let version = version(start).ok_or_else(bad)?;
    let (code, reason) = match rest {
        [b' ', a, b, c] => ([*a, *b, *c], &b""[..]),
        [b' ', a, b, c, b' ', reason @ ..] => ([*a, *b, *c], reason),
        _ => return Err(bad()),
    };
    if !code.iter().all(u8::is_ascii_digit) || code[0] == b'0' {
        return Err(bad());
    }
    if !reason.iter().copied().all(is_value) {
        return Err(Refusal::bad("a control character in the reason phrase"));
    }
    Ok((version, code.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')), reason))
}

fn version(bytes: &[u8]) -> Option<HttpVersion> {
    match bytes {
        b"HTTP/1.1" => Some(HttpVersion::Http11),
        b"HTTP/1.0" => Some(HttpVersion::Http10),
        _ => None,
    }
}

fn fields(rest: &[u8], framing: &mut Framing) -> Result<Fields, Refusal> {
    let mut fields = Fields::new();
    each_line(rest, MAX_FIELDS, |name, value| {
        // A name is made of token characters, hence ASCII.
        fields.push(String::from_utf8_lossy(name), value);
        framing.note(name, value)
    })?;
    Ok(fields)
}

/// Calls `take` with name and value of each line, up to the empty one.
fn each_line<'a>(
    mut rest: &'a [u8],
    most: usize,
    mut take: impl FnMut(&'a [u8], &'a [u8]) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut count = 0;
    while !rest.starts_with(b"\r\n") {
        let end = rest.iter().position(|&byte| !is_token(byte)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        match (name.is_empty(), after.first()) {
            (false, Some(b':')) => {}
            (true, Some(b':')) => return Err(Refusal::bad("an empty field name")),
            (true, Some(b' ' | b'\t')) => return Err(Refusal::bad("a folded field line")),
            (false, Some(b' ' | b'\t')) => return Err(Refusal::bad("white space before the colon of a field")),
            _ => return Err(Refusal::bad("a field name with characters that no name has")),
        }
        let after = &after[1..];
        // A head ends with an empty line, so there is a line end. No early exit: so the check is done many bytes at once.
        let end = memchr::memchr(b'\n', after).unwrap_or(0).saturating_sub(1);
        if !after[end..].starts_with(b"\r\n") || !after[..end].iter().fold(true, |ok, &byte| ok & is_value(byte)) {
            return Err(Refusal::bad("a bare CR, NUL or other control character in a field value"));
        }
        count += 1;
        if count > most {
            return Err(Refusal::large("more than 200 field lines"));
        }
        take(name, trim(&after[..end]))?;
        rest = &after[end + 2..];
    }
    Ok(())
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

impl Framing {
    /// Looks at one field line.
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                self.hosts += 1;
                check_host(value)
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.upgrade = true;
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value),
            _ => Ok(()),
        }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(Refusal::bad("more than one `Content-Length`"));
        }
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(Refusal::bad("a `Content-Length` that is no plain number"));
        }
        let number = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
        // hyper keeps the two highest values for itself.
        let number = number.filter(|&number: &u64| number < u64::MAX - 1);
        self.length = Some(number.ok_or(Refusal::bad("a `Content-Length` over 64 bits"))?);
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::bad("a `Transfer-Encoding` that is not exactly one `chunked`"));
        }
        self.chunked = true;
        Ok(())
    }

    /// The body that the fields announce; `None` if they say nothing.
    fn body(&self, version: HttpVersion) -> Result<Option<BodyScan>, Refusal> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Refusal::bad("both `Content-Length` and `Transfer-Encoding`")),
            (true, None) if version == HttpVersion::Http10 => Err(Refusal::bad("`Transfer-Encoding` in HTTP/1.0")),
            (true, None) => Ok(Some(BodyScan::chunked())),
            (false, Some(0)) => Ok(Some(BodyScan::Done)),
            (false, Some(length)) => Ok(Some(BodyScan::Length(length))),
            (false, None) => Ok(None),
        }
    }
}

fn check_host(value: &[u8]) -> Result<(), Refusal> {
    let bad = value.iter().any(|&byte| byte <= b' ' || byte == 0x7f || b",/\\?#@\"<>".contains(&byte));
    if bad { Err(Refusal::bad("a `Host` that is no host")) } else { Ok(()) }
}

/// Characters of a token (RFC 9110 section 5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// Characters of a field value, white space included.
pub(super) fn is_value(byte: u8) -> bool {
    (byte >= b' ' && byte != 0x7f) || byte == b'\t'
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let c = byte as u8;
        table[byte] = c.is_ascii_alphanumeric()
            || matches!(c, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`')
            || matches!(c, b'|' | b'~');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_head_is_kept_as_written() {
        let head = b"PoST /a?b=%20 HTTP/1.1\r\nHOST: x:1\r\nX-b:  1 \r\nx-A:\r\nX-B: \xe9\r\nContent-Length: 5\r\n\r\n";
        let (head, asked, body) = request(head).unwrap();
        assert_eq!(
            (head.method.as_str(), head.target.as_str(), head.version),
            ("PoST", "/a?b=%20", HttpVersion::Http11)
        );
        let lines: Vec<_> = head.fields.iter().map(|field| (field.name.as_str(), field.value.as_slice())).collect();
        let want: [(&str, &[u8]); 5] =
            [("HOST", b"x:1"), ("X-b", b"1"), ("x-A", b""), ("X-B", b"\xe9"), ("Content-Length", b"5")];
        assert_eq!(lines, want);
        assert_eq!((asked.head, asked.switches, body), (false, false, BodyScan::Length(5)));
    }

    #[test]
    fn responses_know_their_bodies() {
        let get = Asked { head: false, connect: false, http10: false, switches: false };
        let head = Asked { head: true, ..get };
        let connect = Asked { connect: true, ..get };
        for (text, asked, want) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3", get, BodyScan::Length(3)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3", head, BodyScan::Done),
            ("HTTP/1.1 200\r\nTransfer-Encoding: Chunked", get, BodyScan::chunked()),
            ("HTTP/1.0 200 \r\nA: b", get, BodyScan::UntilClose),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 3", get, BodyScan::Done),
            ("HTTP/1.1 204 \r\nContent-Length: 0", get, BodyScan::Done),
            ("HTTP/1.1 103 Early Hints\r\nLink: x", get, BodyScan::Done),
            ("HTTP/1.1 200 Connection established\r\nA: b", connect, BodyScan::Done),
            ("HTTP/1.1 407 No\r\nContent-Length: 4", connect, BodyScan::Length(4)),
        ] {
            assert_eq!(response(format!("{text}\r\n\r\n").as_bytes(), asked).unwrap().1, want, "{text}");
        }
    }
}
