//! XML and HTML as tokens: one pass, no recursion, no entities resolved, nothing loaded. Whatever the text is, the
//! tokens put together are the text again.

/// A token, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// `<name …>`, or `<name …/>`.
    Open {
        /// The element's name.
        name: &'a str,
        /// The whole tag.
        tag: &'a str,
        /// Whether nothing follows inside: `/>`, or an element of HTML that has no content.
        is_void: bool,
    },
    /// `</name>`
    Close {
        /// The element's name.
        name: &'a str,
        /// The whole tag.
        tag: &'a str,
    },
    /// What stands between tags, entities as written; the content of a CDATA section is not told from it.
    Text(&'a str),
    /// A comment, a declaration, a processing instruction.
    Other(&'a str),
}

/// Elements of HTML without content or end tag (HTML standard, section 13.1.2).
const VOID: [&str; 14] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "param"];
/// Elements of HTML whose content is text, whatever it looks like.
const RAW: [&str; 4] = ["script", "style", "textarea", "title"];

/// The tokens of a text.
#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    rest: &'a str,
    is_html: bool,
    /// The element whose content is text, when we are in it.
    raw: Option<&'a str>,
}

impl<'a> Tokens<'a> {
    /// The tokens of an XML text, or of an HTML text.
    pub fn new(text: &'a str, is_html: bool) -> Self {
        Tokens { rest: text, is_html, raw: None }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn raw_text(&mut self, name: &str) -> Option<Token<'a>> {
        let bytes = self.rest.as_bytes();
        let closes = |at: usize| {
            let after = at + 2 + name.len();
            bytes.get(at..at + 2) == Some(b"</")
                && bytes.get(at + 2..after).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
        };
        let end = memchr::memchr_iter(b'<', bytes).find(|&at| closes(at)).unwrap_or(bytes.len());
        (end > 0).then(|| Token::Text(self.take(end)))
    }

    /// The text up to the next thing that is a tag, a comment, a declaration or an instruction.
    fn text(&mut self) -> Token<'a> {
        let bytes = self.rest.as_bytes();
        let starts = |at: usize| {
            bytes.get(at + 1).is_some_and(|&next| {
                matches!(next, b'!' | b'?')
                    || is_name_start(next)
                    || next == b'/' && bytes.get(at + 2).is_some_and(|&next| is_name_start(next))
            })
        };
        // The first character may be a `<` that begins nothing.
        let end = memchr::memchr_iter(b'<', bytes).find(|&at| at > 0 && starts(at)).unwrap_or(bytes.len());
        Token::Text(self.take(end))
    }

    fn tag(&mut self) -> Option<Token<'a>> {
        let bytes = self.rest.as_bytes();
        let is_close = bytes.get(1) == Some(&b'/');
        let from = if is_close { 2 } else { 1 };
        is_name_start(*bytes.get(from)?).then_some(())?;
        let length = bytes[from..].iter().take_while(|&&byte| is_name(byte)).count();
        // A tag without an end is text, and so is all that follows: looking again from each `<` would take for ever.
        let Some(end) = tag_end(bytes) else {
            let all = self.rest.len();
            return Some(Token::Text(self.take(all)));
        };
        let tag = self.take(end);
        let name = &tag[from..from + length];
        if is_close {
            return Some(Token::Close { name, tag });
        }
        let is = |names: &[&str]| self.is_html && names.iter().any(|known| known.eq_ignore_ascii_case(name));
        let is_void = tag.ends_with("/>") || is(&VOID);
        if !is_void && is(&RAW) {
            self.raw = Some(name);
        }
        Some(Token::Open { name, tag, is_void })
    }

    fn enclosed(&mut self, from: &str, to: &str, of: fn(&'a str) -> Token<'a>) -> Option<Token<'a>> {
        let inside = self.rest.strip_prefix(from)?;
        let end = memchr::memmem::find(inside.as_bytes(), to.as_bytes());
        let length = end.map_or(self.rest.len(), |at| from.len() + at + to.len());
        Some(of(self.take(length)))
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        if let Some(token) = self.raw.take().and_then(|name| self.raw_text(name)) {
            return Some(token);
        }
        if !self.rest.starts_with('<') {
            return Some(self.text());
        }
        self.enclosed("<!--", "-->", Token::Other)
            .or_else(|| self.enclosed("<![CDATA[", "]]>", Token::Text))
            .or_else(|| self.enclosed("<?", ">", Token::Other))
            .or_else(|| self.enclosed("<!", ">", Token::Other))
            .or_else(|| self.tag())
            .or_else(|| Some(self.text()))
    }
}

/// Where a tag ends: behind the first `>` that is not in quotes.
fn tag_end(bytes: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, &byte) in bytes.iter().enumerate() {
        match quote {
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if byte == b'>' => return Some(at + 1),
            // A quote opens a value only; elsewhere it is a slip of the pen.
            None if matches!(byte, b'"' | b'\'') && bytes[..at].trim_ascii_end().ends_with(b"=") => quote = Some(byte),
            None => {}
        }
    }
    None
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':') || byte >= 0x80
}

fn is_name(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written<'a>(token: &Token<'a>) -> &'a str {
        match *token {
            Token::Open { tag, .. } | Token::Close { tag, .. } => tag,
            Token::Text(text) | Token::Other(text) => text,
        }
    }

    #[test]
    fn tags_texts_and_the_rest() {
        let text = r#"<?xml version="1.0"?><a x="1>2"><!-- <b> --><b/>1 < 2<![CDATA[<c>]]></a>"#;
        let told: Vec<_> = Tokens::new(text, false).collect();
        assert!(matches!(told[0], Token::Other(_)));
        assert_eq!(told[1], Token::Open { name: "a", tag: r#"<a x="1>2">"#, is_void: false });
        assert_eq!(told[3], Token::Open { name: "b", tag: "<b/>", is_void: true });
        assert_eq!(told[4], Token::Text("1 < 2"));
        assert_eq!(told[5], Token::Text("<![CDATA[<c>]]>"));
        assert_eq!(told[6], Token::Close { name: "a", tag: "</a>" });
    }

    #[test]
    fn scripts_are_text() {
        let told: Vec<_> = Tokens::new("<SCRIPT>if (a<b) '</p>'</script><br>x", true).collect();
        assert_eq!(told[1], Token::Text("if (a<b) '</p>'"));
        assert_eq!(told[3], Token::Open { name: "br", tag: "<br>", is_void: true });
    }

    proptest::proptest! {
        #[test]
        fn the_tokens_are_the_text(text in "([<>/!\"'= a-c\u{e9}-]|<!--|-->|<!\\[CDATA\\[|\\]\\]>|</?script>){0,40}", is_html: bool) {
            let again: String = Tokens::new(&text, is_html).map(|token| written(&token)).collect();
            proptest::prop_assert_eq!(again, text);
        }
    }
}
