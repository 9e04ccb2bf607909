//! Multipart bodies as parts (RFC 2046 section 5.1), tolerant: a part that was cut off is a part.

use super::{Fields, media};

/// More parts than this are not looked at.
const MAX_PARTS: usize = 10_000;

/// A part of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its header fields; none if they cannot be read.
    pub fields: Fields,
    /// What follows them.
    pub content: &'a [u8],
    /// Whether a delimiter closes it.
    pub is_whole: bool,
}

impl Part<'_> {
    /// The name of a form's part.
    pub fn name(&self) -> Option<String> {
        self.parameter("name")
    }

    /// The name of the file that it is.
    pub fn file_name(&self) -> Option<String> {
        self.parameter("filename")
    }

    /// A parameter of `Content-Disposition`, quoted or not (RFC 7578 section 4.2).
    fn parameter(&self, name: &str) -> Option<String> {
        let value = self.fields.text("content-disposition")?;
        let mut rest: &str = &value;
        while let Some((_, after)) = rest.split_once(';') {
            rest = after;
            let Some((key, tail)) = rest.split_once('=') else { continue };
            let tail = tail.trim_start();
            let (text, next) = match tail.strip_prefix('"') {
                Some(quoted) => quoted.split_at(quoted.find('"').unwrap_or(quoted.len())),
                None => tail.split_at(tail.find(';').unwrap_or(tail.len())),
            };
            if key.trim().eq_ignore_ascii_case(name) {
                return Some(text.trim().to_owned());
            }
            rest = next;
        }
        None
    }
}

/// The parts in order; none if the body is not what its boundary says.
pub fn parts<'a>(content_type: Option<&str>, body: &'a [u8]) -> Option<Vec<Part<'a>>> {
    let boundary = content_type.and_then(|value| media::parameter(value, "boundary"))?;
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut start: Option<usize> = None;
    for at in memchr::memmem::find_iter(body, delimiter.as_bytes()) {
        let after = &body[at + delimiter.len()..];
        let blank = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let is_last = after.starts_with(b"--");
        let ends_line = is_last || after[blank..].starts_with(b"\r\n") || after[blank..].starts_with(b"\n");
        if !(at == 0 || body[at - 1] == b'\n') || !ends_line {
            continue;
        }
        if let Some(start) = start {
            let piece = body.get(start..at).unwrap_or_default();
            let piece = piece.strip_suffix(b"\r\n").or(piece.strip_suffix(b"\n")).unwrap_or(piece);
            parts.push(part(piece, true));
        }
        if is_last || parts.len() >= MAX_PARTS {
            return Some(parts);
        }
        let line_feed = memchr::memchr(b'\n', after)?;
        start = Some(at + delimiter.len() + line_feed + 1);
    }
    parts.push(part(body.get(start?..).unwrap_or_default(), false));
    Some(parts)
}

fn part(raw: &[u8], is_whole: bool) -> Part<'_> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    match httparse::parse_headers(raw, &mut headers) {
        Ok(httparse::Status::Complete((length, lines))) => {
            let fields = lines.iter().map(|line| super::Field::new(line.name, line.value)).collect();
            Part { fields, content: &raw[length..], is_whole }
        }
        _ => Part { fields: Fields::new(), content: raw, is_whole },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: Option<&str> = Some("multipart/form-data; boundary=\"x y\"");

    #[test]
    fn parts_have_fields_and_content() {
        let body = b"preamble\r\n--x y\r\nContent-Disposition: form-data; name=\"a; b\"; filename=f.txt\r\n\r\n1\n--x\r\n--x y\r\n\r\nplain\r\n--x y--\r\n";
        let parts = parts(TYPE, body).unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].name().as_deref(), Some("a; b"));
        assert_eq!(parts[0].file_name().as_deref(), Some("f.txt"));
        assert_eq!((parts[0].content, parts[1].content), (&b"1\n--x"[..], &b"plain"[..]));
        assert!(parts.iter().all(|part| part.is_whole));
    }

    #[test]
    fn what_was_cut_off_is_a_part_and_what_has_no_boundary_is_none() {
        let cut = parts(TYPE, b"--x y\r\nA: b\r\n\r\nhal").unwrap();
        assert_eq!((cut[0].content, cut[0].is_whole, cut[0].fields.len()), (&b"hal"[..], false, 1));
        assert!(parts(TYPE, b"nothing of it").is_none() && parts(Some("multipart/mixed"), b"--x\r\n").is_none());
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(body in "(--x y|-|\r\n|\n|A: b|[a ]){0,20}") {
            let _ = parts(TYPE, body.as_bytes());
        }
    }
}
