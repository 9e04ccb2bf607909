//! Text from outside, made safe for a terminal and a log.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` on one line without anything that a terminal would act on: C0 and C1 controls, escapes, bidirectional
/// overrides, line and paragraph separators and other invisible format characters become `\u{…}`, tab, CR and LF
/// `\t`, `\r`, `\n`.
pub fn clean(text: &str) -> Cow<'_, str> {
    clean_keeping(text, &[])
}

/// [`clean`] for text of several lines: line feeds and tabs stay.
pub fn clean_lines(text: &str) -> Cow<'_, str> {
    clean_keeping(text, &['\n', '\t'])
}

/// [`clean`] for one line of a text: tabs stay.
pub fn clean_line(text: &str) -> Cow<'_, str> {
    clean_keeping(text, &['\t'])
}

/// JSON text with what a terminal would act on written as `\\uXXXX`, which means the same: such characters stand in
/// strings only, and JSON has escaped those below U+0020 already.
pub fn clean_json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(is_unsafe) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        match character {
            '\n' => out.push('\n'),
            // All of them are below U+10000. Writing to a String cannot fail.
            _ if is_unsafe(character) => drop(write!(out, "\\u{:04x}", u32::from(character))),
            _ => out.push(character),
        }
    }
    Cow::Owned(out)
}

fn clean_keeping<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    let acts = |character: char| is_unsafe(character) && !kept.contains(&character);
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            _ if !acts(character) => out.push(character),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing to a String cannot fail.
            _ => drop(write!(out, "\\u{{{:x}}}", u32::from(character))),
        }
    }
    Cow::Owned(out)
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{61c}')
}

/// `text` cut to at most `width` characters, with `…` where something was left out.
pub fn cut(text: &str, width: usize) -> Cow<'_, str> {
    match text.char_indices().nth(width) {
        None => Cow::Borrowed(text),
        Some(_) if width == 0 => Cow::Borrowed(""),
        Some(_) => {
            let end = text.char_indices().nth(width - 1).map_or(text.len(), |(at, _)| at);
            Cow::Owned(format!("{}…", &text[..end]))
        }
    }
}

/// A word for a shell: as it is where that is safe, else in single quotes.
pub fn quoted(word: &str) -> String {
    let safe = |character: char| character.is_alphanumeric() || "-_./:=@%+,".contains(character);
    if !word.is_empty() && word.chars().all(safe) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_a_terminal() {
        let hostile = "a\x1b[31mb\x07c\u{9b}d\u{202e}e\r\nf\u{2028}g";
        let cleaned = clean(hostile);
        assert_eq!(cleaned, "a\\u{1b}[31mb\\u{7}c\\u{9b}d\\u{202e}e\\r\\nf\\u{2028}g");
        assert_eq!(clean("plain — text"), "plain — text");
        assert_eq!(clean_lines("a\n\tb\r"), "a\n\tb\\r");
    }

    #[test]
    fn json_means_the_same_after_cleaning() {
        let value = serde_json::json!({ "a\u{9b}": "\x1b\u{202e}\u{2028}\x7f\u{feff} é" });
        let text = value.to_string();
        let cleaned = clean_json(&text);
        assert!(!cleaned.chars().any(is_unsafe), "{cleaned}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&cleaned).unwrap(), value);
        assert!(matches!(clean_json("{\"a\":\"é\"}"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_word_is_quoted_only_when_it_must_be() {
        for (word, shown) in [
            ("2026-11-20-3", "2026-11-20-3"),
            ("/home/u/.local/ca.pem", "/home/u/.local/ca.pem"),
            ("it's mine", r"'it'\''s mine'"),
            ("~/x", "'~/x'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }

    #[test]
    fn cutting_counts_characters() {
        assert_eq!(cut("naïve text", 5), "naïv…");
        assert_eq!(cut("short", 5), "short");
    }
}
