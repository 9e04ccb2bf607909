//! JSON text as it was spaced and escaped: found once when a body is promoted, rendered again when it is served.
//!
//! The promise is one-sided: [`style_of`] returns a style only if rendering gives back exactly the bytes that it was
//! shown. Everything else (numbers in other spellings, duplicate members, mixed spacing) is kept in a file instead.

use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::Formatter;

use super::body::JsonStyle;

/// The deepest JSON that may stand inline. A stub file nests it some levels deeper, and the JSON parser stops at 128.
pub const MAX_INLINE_DEPTH: usize = 100;

/// Widest indentation that is recognised.
const MAX_INDENT: usize = 8;

/// The value and the style which give back exactly `bytes`; `None` if none does: then the body goes to a file.
pub fn style_of(bytes: &[u8]) -> Option<(Value, JsonStyle)> {
    let traits = Traits::of(bytes)?;
    let value: Value = serde_json::from_slice(bytes).ok()?;
    traits.styles().find(|style| style.render(&value) == bytes).map(|style| (value, style))
}

/// What can be seen of a JSON text without parsing it.
struct Traits {
    indent: u8,
    tabs: bool,
    spaced: bool,
    escapes: Escapes,
    final_newline: bool,
}

/// Which optional escapes a JSON text has.
#[derive(Default)]
struct Escapes {
    slashes: bool,
    beyond_ascii: bool,
    upper_hex: bool,
    html: bool,
    /// A character beyond ASCII stands unescaped.
    raw_beyond_ascii: bool,
}

impl Traits {
    fn of(bytes: &[u8]) -> Option<Traits> {
        let final_newline = bytes.last() == Some(&b'\n');
        let body = if final_newline { &bytes[..bytes.len() - 1] } else { bytes };
        let (indent, tabs) = indentation(body)?;
        let (escapes, spaced) = scan(body)?;
        Some(Traits { indent, tabs, spaced, escapes, final_newline })
    }

    /// The styles that these traits leave open, likeliest first.
    fn styles(&self) -> impl Iterator<Item = JsonStyle> {
        let multiline = self.indent > 0 || self.tabs;
        let escapes = &self.escapes;
        let ascii = escapes.beyond_ascii && !escapes.raw_beyond_ascii;
        let first = JsonStyle {
            indent: self.indent,
            tabs: self.tabs,
            spaced: !multiline && self.spaced,
            ascii,
            upper_hex: escapes.upper_hex,
            escaped_slashes: escapes.slashes,
            escaped_html: escapes.html,
            final_newline: self.final_newline,
        };
        // U+2028 alone escaped may be the habit of Go and Rails, or of whoever escapes all that is not ASCII.
        let second = JsonStyle { escaped_html: !first.escaped_html, ..first };
        let second_fits = escapes.beyond_ascii || escapes.html;
        std::iter::once(first).chain(second_fits.then_some(second))
    }
}

/// The width of the first indentation (a line feed stands only between tokens), and whether it is a tab; `None` if it
/// is wider than any that is recognised.
fn indentation(body: &[u8]) -> Option<(u8, bool)> {
    let Some(at) = memchr::memchr(b'\n', body) else { return Some((0, false)) };
    let line = &body[at + 1..];
    if line.first() == Some(&b'\t') {
        return Some((0, true));
    }
    let width = line.iter().take_while(|&&byte| byte == b' ').count();
    (1..=MAX_INDENT).contains(&width).then(|| (u8::try_from(width).unwrap_or(0), false))
}

/// The escapes, and whether a space follows the first `,` or `:`; `None` if it is nested too deep to stand inline.
fn scan(body: &[u8]) -> Option<(Escapes, bool)> {
    let mut escapes = Escapes::default();
    let mut spaced = None;
    let (mut depth, mut at) = (0usize, 0);
    while let Some(&byte) = body.get(at) {
        match byte {
            b'"' => at = scan_string(body, at + 1, &mut escapes),
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_INLINE_DEPTH {
                    return None;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' | b':' if spaced.is_none() => spaced = Some(body.get(at + 1) == Some(&b' ')),
            _ => {}
        }
        at += 1;
    }
    Some((escapes, spaced.unwrap_or(false)))
}

/// Notes the escapes of a string whose first byte is at `at`; returns the place of its closing quote.
fn scan_string(body: &[u8], mut at: usize, escapes: &mut Escapes) -> usize {
    while let Some(&byte) = body.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => {
                match body.get(at + 1) {
                    Some(b'/') => escapes.slashes = true,
                    Some(b'u') => note_hex(body.get(at + 2..at + 6).unwrap_or_default(), escapes),
                    _ => {}
                }
                at += 2;
            }
            _ => {
                escapes.raw_beyond_ascii |= byte >= 0x80;
                at += 1;
            }
        }
    }
    at
}

fn note_hex(digits: &[u8], escapes: &mut Escapes) {
    escapes.upper_hex |= digits.iter().any(|digit| (b'A'..=b'F').contains(digit));
    let code = std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match code {
        Some(0x3c | 0x3e | 0x26) => escapes.html = true,
        // Escaped by Go and Rails too: which of the two it was, shows in whether other characters stand raw.
        Some(0x2028 | 0x2029) if escapes.raw_beyond_ascii => escapes.html = true,
        Some(0x80..) => escapes.beyond_ascii = true,
        _ => {}
    }
}

impl JsonStyle {
    /// The bytes of `value` in this style.
    pub fn render(&self, value: &Value) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        let written = if self.is_compact() {
            serde_json::to_writer(&mut out, value)
        } else {
            let mut serializer =
                serde_json::Serializer::with_formatter(&mut out, Styled { style: self, depth: 0, filled: false });
            value.serialize(&mut serializer)
        };
        // A `Value` has only string keys and finite numbers, and a `Vec` takes every byte.
        debug_assert!(written.is_ok());
        if self.final_newline {
            out.push(b'\n');
        }
        out
    }
}

/// Writes JSON in a [`JsonStyle`].
struct Styled<'a> {
    style: &'a JsonStyle,
    depth: usize,
    /// The innermost container has a member.
    filled: bool,
}

impl Styled<'_> {
    fn is_multiline(&self) -> bool {
        self.style.indent > 0 || self.style.tabs
    }

    fn new_line<W: ?Sized + io::Write>(&self, out: &mut W) -> io::Result<()> {
        out.write_all(b"\n")?;
        for _ in 0..self.depth {
            match self.style.tabs {
                true => out.write_all(b"\t")?,
                false => out.write_all(&b"        "[..usize::from(self.style.indent).min(MAX_INDENT)])?,
            }
        }
        Ok(())
    }

    fn begin<W: ?Sized + io::Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        out.write_all(bracket)
    }

    fn end<W: ?Sized + io::Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if self.filled && self.is_multiline() {
            self.new_line(out)?;
        }
        self.filled = true;
        out.write_all(bracket)
    }

    fn separate<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        if self.is_multiline() {
            self.new_line(out)
        } else if self.style.spaced && !first {
            out.write_all(b" ")
        } else {
            Ok(())
        }
    }

    fn is_escaped(&self, character: char) -> bool {
        match character {
            '/' => self.style.escaped_slashes,
            '<' | '>' | '&' => self.style.escaped_html,
            '\u{2028}' | '\u{2029}' => self.style.escaped_html || self.style.ascii,
            other => self.style.ascii && !other.is_ascii(),
        }
    }

    fn unicode_escape<W: ?Sized + io::Write>(&self, out: &mut W, unit: u16) -> io::Result<()> {
        match self.style.upper_hex {
            true => write!(out, "\\u{unit:04X}"),
            false => write!(out, "\\u{unit:04x}"),
        }
    }
}

impl Formatter for Styled<'_> {
    fn begin_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.separate(out, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.separate(out, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        match self.is_multiline() || self.style.spaced {
            true => out.write_all(b": "),
            false => out.write_all(b":"),
        }
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain_from = 0;
        for (at, character) in fragment.char_indices() {
            if !self.is_escaped(character) {
                continue;
            }
            out.write_all(&fragment.as_bytes()[plain_from..at])?;
            plain_from = at + character.len_utf8();
            if character == '/' {
                out.write_all(b"\\/")?;
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    self.unicode_escape(out, *unit)?;
                }
            }
        }
        out.write_all(&fragment.as_bytes()[plain_from..])
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        escape: serde_json::ser::CharEscape,
    ) -> io::Result<()> {
        use serde_json::ser::CharEscape;
        match escape {
            CharEscape::AsciiControl(byte) => self.unicode_escape(out, u16::from(byte)),
            CharEscape::Quote => out.write_all(b"\\\""),
            CharEscape::ReverseSolidus => out.write_all(b"\\\\"),
            CharEscape::Solidus => out.write_all(b"\\/"),
            CharEscape::Backspace => out.write_all(b"\\b"),
            CharEscape::FormFeed => out.write_all(b"\\f"),
            CharEscape::LineFeed => out.write_all(b"\\n"),
            CharEscape::CarriageReturn => out.write_all(b"\\r"),
            CharEscape::Tab => out.write_all(b"\\t"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trips(text: &str) -> JsonStyle {
        let (value, style) = style_of(text.as_bytes()).unwrap_or_else(|| panic!("no style for {text:?}"));
        assert_eq!(String::from_utf8(style.render(&value)).unwrap(), text);
        style
    }

    #[test]
    fn styles_of_the_usual_writers() {
        assert!(round_trips(r#"{"a":[1,2,{}],"b":"c/d"}"#).is_compact());
        assert!(round_trips("null").is_compact());
        assert!(round_trips(r#"{"a": [1, 2], "b": {}}"#).spaced, "Python");
        assert!(round_trips(r#"{"a":"\u00e9\ud83d\ude00"}"#).ascii, "Python, compact");
        assert!(round_trips(r#"{"a":"\u00E9"}"#).upper_hex, ".NET");
        assert!(round_trips(r#"{"a":"http:\/\/x"}"#).escaped_slashes, "PHP");
        assert!(round_trips("{\"html\":\"\\u003cb\\u003e \\u0026 é\"}\n").escaped_html, "Go");
        assert!(round_trips(r#"{"a":"é\u2028"}"#).escaped_html, "Rails");
        assert!(round_trips(r#"{"a":"\u2028"}"#).ascii);
        let pretty = round_trips("{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}\n");
        assert_eq!((pretty.indent, pretty.final_newline), (2, true));
        assert!(round_trips("[\n\t1\n]").tabs);
        assert_eq!(round_trips("{\n    \"a\": \"\\u0000\\n\"\n}").indent, 4);
        assert!(round_trips("[]\n").final_newline);
    }

    #[test]
    fn what_plain_json_cannot_give_back_is_left() {
        for text in [
            "",
            " {}",
            "{} ",
            "{}\r\n",
            "{}\n\n",
            "1.00",
            "1e2",
            "-0",
            "123456789012345678901234567890",
            "0.1000",
            r#"{"a":1,"a":2}"#,
            r#"{"a":1, "b":2}"#,
            r#"{"a":"\u0041"}"#,
            r#"{"a":"é\u00e9"}"#,
            r#"{"a":"a/b\/c"}"#,
            r#"{"a":"\ud800"}"#,
            "{\n\"a\":1\n}",
            "[\n  1,\n   2\n]",
            r#"{"$serde_json::private::RawValue":"1"}"#,
            "\u{feff}{}",
            "{\"a\":1",
        ] {
            assert_eq!(style_of(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(style_of(b"\"\xff\""), None);
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(style_of(deep(MAX_INLINE_DEPTH).as_bytes()).is_some());
        assert!(style_of(deep(MAX_INLINE_DEPTH + 1).as_bytes()).is_none());
        assert!(style_of(deep(100_000).as_bytes()).is_none());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[ -~é\u{1f600}\u{2028}<>&/\\\\\"\u{0}-\u{1f}]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("[a-e/é]{0,3}", inner), 0..5).prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    fn any_style() -> impl Strategy<Value = JsonStyle> {
        (0u8..=8, any::<[bool; 7]>()).prop_map(|(indent, [tabs, spaced, ascii, upper_hex, slashes, html, newline])| {
            let indent = if tabs { 0 } else { indent };
            JsonStyle {
                indent,
                tabs,
                spaced: spaced && indent == 0 && !tabs,
                ascii,
                upper_hex,
                escaped_slashes: slashes,
                escaped_html: html,
                final_newline: newline,
            }
        })
    }

    proptest! {
        /// Whatever the writer's style, it is found, and gives the same bytes and value.
        #[test]
        fn every_style_is_found_again(value in any_json(), style in any_style()) {
            let bytes = style.render(&value);
            let (read, found) = style_of(&bytes).expect("a style that we render ourselves");
            prop_assert_eq!(&read, &value);
            prop_assert_eq!(found.render(&read), bytes);
        }

        /// Damaged or foreign text never gives other bytes than its own.
        #[test]
        fn never_other_bytes(value in any_json(), style in any_style(), at in any::<prop::sample::Index>(), with in "[ 0-9eE.,:\\\\/\"\\[\\]{}\\n\\t]{0,3}") {
            let mut bytes = style.render(&value);
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, with.bytes());
            if let Some((value, style)) = style_of(&bytes) {
                prop_assert_eq!(style.render(&value), bytes);
            }
        }
    }
}
