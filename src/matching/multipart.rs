//! Multipart bodies (RFC 2046 section 5.1), as far as comparing needs: parts by name and position.

use crate::model::media;

use super::evaluation::{PartResult, Verdict};
use super::placeholder;
use super::rules::Compiled;

/// More parts than this are compared as bytes.
const MAX_PARTS: usize = 10_000;

/// A part of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultiPart {
    /// The name of a form's part; empty without one.
    pub name: String,
    /// Position among the parts of that name.
    position: usize,
    /// The name of the file that it is.
    pub file_name: Option<String>,
    /// Its media type without parameters; empty without one.
    pub media_type: String,
    /// What follows its fields.
    pub content: Vec<u8>,
}

impl MultiPart {
    /// The content, if it is text.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.content).ok()
    }

    /// The content, if it has this name and is text.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.text().filter(|_| self.name == name)
    }
}

/// The parts, sorted by name and position; none if the body is not what its boundary says.
pub fn parse(content_type: Option<&str>, body: &[u8]) -> Option<Vec<MultiPart>> {
    let named = content_type.and_then(|value| media::parameter(value, "boundary"));
    let boundary = match named {
        Some(boundary) => format!("--{boundary}"),
        // A scenario may have lost the parameter; the first line says it too.
        None => String::from_utf8(body.split(|byte| *byte == b'\n').next()?.trim_ascii_end().to_vec()).ok()?,
    };
    if boundary.len() < 3 || !boundary.starts_with("--") {
        return None;
    }
    let mut parts = Vec::new();
    for raw in pieces(body, boundary.as_bytes())? {
        if parts.len() == MAX_PARTS {
            return None;
        }
        parts.push(part(raw)?);
    }
    parts.sort_by(|one: &MultiPart, other| one.name.cmp(&other.name));
    for at in 1..parts.len() {
        if parts[at].name == parts[at - 1].name {
            parts[at].position = parts[at - 1].position + 1;
        }
    }
    Some(parts)
}

/// What stands between the delimiter lines.
fn pieces<'a>(body: &'a [u8], delimiter: &[u8]) -> Option<Vec<&'a [u8]>> {
    let finder = memchr::memmem::Finder::new(delimiter);
    let mut pieces = Vec::new();
    let mut start: Option<usize> = None;
    let mut from = 0;
    while let Some(found) = finder.find(&body[from..]) {
        let at = from + found;
        from = at + delimiter.len();
        let after = &body[from..];
        let line_start = at == 0 || body[at - 1] == b'\n';
        let blank = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let last = after.starts_with(b"--");
        let line_end = last || after[blank..].starts_with(b"\r\n") || after[blank..].starts_with(b"\n");
        if !line_start || !line_end {
            continue;
        }
        if let Some(start) = start {
            let piece = body.get(start..at).unwrap_or_default();
            pieces.push(piece.strip_suffix(b"\r\n").or(piece.strip_suffix(b"\n")).unwrap_or(piece));
        }
        if last {
            return Some(pieces);
        }
        let line_feed = after.iter().position(|byte| *byte == b'\n')?;
        start = Some(from + line_feed + 1);
    }
    None
}

fn part(raw: &[u8]) -> Option<MultiPart> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let (length, lines) = match httparse::parse_headers(raw, &mut headers).ok()? {
        httparse::Status::Complete(parsed) => parsed,
        httparse::Status::Partial => return None,
    };
    let value = |name: &str| {
        let line = lines.iter().find(|line| line.name.eq_ignore_ascii_case(name));
        line.map(|line| String::from_utf8_lossy(line.value).into_owned())
    };
    let disposition = value("content-disposition").unwrap_or_default();
    Some(MultiPart {
        name: parameter(&disposition, "name").unwrap_or_default(),
        position: 0,
        file_name: parameter(&disposition, "filename"),
        media_type: value("content-type").map(|value| media::essence(&value)).unwrap_or_default(),
        content: raw.get(length..).unwrap_or_default().to_vec(),
    })
}

/// A parameter of `Content-Disposition`, quoted or not (RFC 7578 section 4.2).
fn parameter(value: &str, name: &str) -> Option<String> {
    let mut rest = value;
    while let Some((_, after)) = rest.split_once(';') {
        rest = after.trim_start();
        let Some((key, tail)) = rest.split_once('=') else { continue };
        let tail = tail.trim_start();
        let (text, next) = match tail.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"').unwrap_or(quoted.len());
                (&quoted[..end], &quoted[end..])
            }
            None => tail.split_at(tail.find(';').unwrap_or(tail.len())),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(text.trim().to_owned());
        }
        rest = next;
    }
    None
}

/// Compares two sorted lists of parts.
pub(super) fn compare<'r>(
    expected: &[MultiPart],
    got: &[MultiPart],
    rule: impl Fn(&str) -> Option<&'r Compiled>,
    result: &mut PartResult,
) {
    let (mut left, mut right) = (0, 0);
    let key = |part: &MultiPart| (part.name.clone(), part.position);
    loop {
        let (one, other) = (expected.get(left), got.get(right));
        let order = match (one, other) {
            (Some(one), Some(other)) => key(one).cmp(&key(other)),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return,
        };
        let one = one.filter(|_| order.is_le());
        let other = other.filter(|_| order.is_ge());
        left += usize::from(one.is_some());
        right += usize::from(other.is_some());
        let name = one.or(other).map(|part| part.name.as_str()).unwrap_or_default();
        judge(one, other, rule(name), result);
    }
}

fn judge(one: Option<&MultiPart>, other: Option<&MultiPart>, rule: Option<&Compiled>, result: &mut PartResult) {
    let any = rule.is_some_and(Compiled::takes_any);
    let texts = |one: &MultiPart, other: &MultiPart| {
        let texts = [&one.content, &other.content].map(|content| std::str::from_utf8(content).map(str::to_owned));
        let [one, other] = texts;
        one.ok().zip(other.ok())
    };
    match (one, other) {
        _ if rule.is_some_and(Compiled::ignores) => {}
        (Some(one), Some(other)) if any || same(one, other) => result.same(1),
        (Some(one), Some(other)) => {
            let judged = rule.zip(texts(one, other)).filter(|(rule, (one, other))| rule.accepts(one, other));
            match judged {
                Some((rule, (recorded, got))) => result.taken(rule, &one.name, &recorded, &got),
                None => result.add(Verdict::Different, &one.name, Some(&describe(one)), Some(&describe(other))),
            }
        }
        (Some(one), None) => {
            let secret = std::str::from_utf8(&one.content).is_ok_and(placeholder::is_placeholder);
            let needed = rule.is_some_and(Compiled::needs_one);
            let verdict = if needed || secret { Verdict::Different } else { Verdict::Missing };
            result.add(verdict, &one.name, Some(&describe(one)), None);
        }
        (None, Some(other)) => result.add(Verdict::Extra, &other.name, None, Some(&describe(other))),
        (None, None) => {}
    }
}

fn same(expected: &MultiPart, got: &MultiPart) -> bool {
    let content = expected.content == got.content
        || match (std::str::from_utf8(&expected.content), std::str::from_utf8(&got.content)) {
            (Ok(one), Ok(other)) => placeholder::stands_for(one, other),
            _ => false,
        };
    content && expected.file_name == got.file_name && expected.media_type == got.media_type
}

fn describe(part: &MultiPart) -> String {
    let file = part.file_name.as_ref().map(|name| format!("file `{name}`, ")).unwrap_or_default();
    match std::str::from_utf8(&part.content) {
        Ok(text) if file.is_empty() => text.to_owned(),
        _ => format!("{file}{} bytes", part.content.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Tally;

    fn body(boundary: &str, parts: &[(&str, &str)]) -> Vec<u8> {
        let mut out = String::new();
        for (name, content) in parts {
            out += &format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n");
        }
        (out + &format!("--{boundary}--\r\n")).into_bytes()
    }

    fn tally(one: &[(&str, &str)], other: &[(&str, &str)]) -> Tally {
        let mut result = PartResult::default();
        let expected = parse(None, &body("one", one)).unwrap();
        let got = parse(Some("multipart/form-data; boundary=\"tw o\""), &body("tw o", other)).unwrap();
        compare(&expected, &got, |_| None, &mut result);
        result.tally
    }

    #[test]
    fn parts_compare_by_name_and_position_whatever_the_boundary() {
        let all = [("a", "1"), ("b", "x\r\n--tw\r\ny"), ("a", "2")];
        assert_eq!(tally(&all, &all), Tally { same: 3, ..Tally::default() });
        assert_eq!(tally(&all, &[all[1], all[0], all[2]]), Tally { same: 3, ..Tally::default() });
        assert_eq!(tally(&all, &[all[2], all[1], all[0]]), Tally { same: 1, different: 2, ..Tally::default() });
        assert_eq!(tally(&all, &all[..1]), Tally { same: 1, missing: 2, ..Tally::default() });
    }

    #[test]
    fn what_is_cut_off_is_no_multipart() {
        let whole = body("b", &[("a", "1")]);
        assert!(parse(Some("multipart/form-data; boundary=b"), &whole).is_some());
        for end in 0..whole.len() - 4 {
            assert!(parse(Some("multipart/form-data; boundary=b"), &whole[..end]).is_none(), "{end}");
        }
    }
}
