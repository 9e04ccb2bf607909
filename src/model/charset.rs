//! Character sets: which one a text body is written in, by its own word.

use encoding_rs::Encoding;

use super::media::{self, Kind};

/// Where a declaration within the text is looked for.
const PROLOG: usize = 1024;

/// The character set that a byte order mark, the type, or the text itself names; `bytes` are the beginning of the body.
pub fn declared(content_type: Option<&str>, bytes: &[u8]) -> Option<&'static Encoding> {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return Some(encoding);
    }
    let named = content_type.filter(|value| value.contains(';')).and_then(|value| media::parameter(value, "charset"));
    if let Some(named) = named {
        return Encoding::for_label(named.as_bytes());
    }
    let mark: &[u8] = match Kind::of(content_type) {
        Kind::Xml => b"encoding=",
        Kind::Text if content_type.map(media::essence).as_deref() == Some("text/html") => b"charset=",
        _ => return None,
    };
    let prolog = &bytes[..bytes.len().min(PROLOG)];
    let at = memchr::memmem::find(prolog, mark)? + mark.len();
    let label = prolog[at..].trim_ascii_start();
    let label = label.strip_prefix(b"\"").or(label.strip_prefix(b"'")).unwrap_or(label);
    let end = label.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"-_:.".contains(byte)).count();
    Encoding::for_label(&label[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_the_type_and_the_text_are_believed_in_this_order() {
        let of = |content_type: &str, bytes: &[u8]| declared(Some(content_type), bytes).map(Encoding::name);
        assert_eq!(of("text/plain; charset=utf-8", b"\xff\xfea\0"), Some("UTF-16LE"));
        assert_eq!(of("text/html; charset=\"ISO-8859-2\"", b"<meta charset=utf-8>"), Some("ISO-8859-2"));
        assert_eq!(of("text/html", b"<meta charset='koi8-r'>"), Some("KOI8-R"));
        assert_eq!(of("application/xml", b"<?xml version=\"1.0\" encoding=\"latin1\"?>"), Some("windows-1252"));
        assert_eq!(of("text/plain", b"charset=utf-8"), None);
        assert_eq!(declared(None, b"x"), None);
    }
}
