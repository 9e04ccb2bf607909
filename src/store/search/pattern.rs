//! A pattern made ready. A text and an expression are one thing from here on: `regex` looks for both in linear time,
//! and for a plain text with a vectorised search of its own.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::Look;

use crate::store::{HistoryError, Pattern};

/// A pattern has at most this many bytes, a quarter of the shortest match that windows promise to find.
const PATTERN_MAX: usize = 16 << 10;
/// What a compiled expression, and what its automaton, may take, in bytes.
const SIZE_MAX: usize = 8 << 20;
/// Characters of a bad pattern that are shown, and on either side of what is wrong in it.
const SHOWN: usize = 40;
/// How deep groups may lie in each other.
const NESTING_MAX: u32 = 100;

/// A compiled [`Pattern`].
pub(super) struct Compiled {
    /// What is looked for.
    pub(super) regex: Regex,
    /// It asks for the beginning or the end of the whole text: field lines cannot be looked at together.
    pub(super) is_anchored: bool,
}

impl Pattern {
    /// Whether it can be looked for.
    ///
    /// # Errors
    /// [`HistoryError::BadPattern`], with the place that is wrong.
    pub fn check(&self) -> Result<(), HistoryError> {
        Compiled::new(self).map(drop)
    }
}

impl Compiled {
    pub(super) fn new(pattern: &Pattern) -> Result<Compiled, HistoryError> {
        let bad = |why: String| {
            let shown: String = pattern.text.chars().take(SHOWN).collect();
            let more = if shown.len() < pattern.text.len() { "…" } else { "" };
            HistoryError::BadPattern(shown + more, why)
        };
        if pattern.text.len() > PATTERN_MAX {
            return Err(bad(format!("it is longer than {PATTERN_MAX} bytes")));
        }
        let is_anchored = pattern.regex && parsed(&pattern.text).map_err(bad)?;
        let text = if pattern.regex { pattern.text.clone() } else { regex::escape(&pattern.text) };
        let regex = RegexBuilder::new(&text)
            .case_insensitive(!pattern.case_sensitive)
            .multi_line(true)
            .crlf(true)
            .nest_limit(NESTING_MAX)
            .size_limit(SIZE_MAX)
            .dfa_size_limit(SIZE_MAX)
            .build();
        let regex = regex.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => bad("it is too large when compiled: use smaller repetitions".into()),
            other => bad(other.to_string()),
        })?;
        Ok(Compiled { regex, is_anchored })
    }
}

/// Whether an expression asks for the beginning or the end of the text; or what is wrong with it, and where.
fn parsed(text: &str) -> Result<bool, String> {
    let mut parser = regex_syntax::ParserBuilder::new().utf8(false).multi_line(true).nest_limit(NESTING_MAX).build();
    let hir = parser.parse(text).map_err(|error| {
        let (why, start) = match &error {
            regex_syntax::Error::Parse(error) => (error.kind().to_string(), error.span().start),
            regex_syntax::Error::Translate(error) => (error.kind().to_string(), error.span().start),
            other => return other.to_string(),
        };
        format!("{why}\n\n{}", pointed_at(text, start.line, start.column))
    })?;
    let looks = hir.properties().look_set();
    Ok(looks.contains(Look::Start) || looks.contains(Look::End))
}

/// The part of a line around a column, both counted from 1, and a mark below.
fn pointed_at(text: &str, line: usize, column: usize) -> String {
    let line: Vec<char> = text.lines().nth(line - 1).unwrap_or_default().chars().collect();
    let from = column.saturating_sub(SHOWN);
    let to = line.len().min(column + SHOWN);
    // What a terminal would act on must not move the mark.
    let safe = |char: &char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { *char };
    let shown: String = line[from.min(to)..to].iter().map(safe).collect();
    format!("  {shown}\n  {}^", " ".repeat(column - 1 - from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str, regex: bool, case_sensitive: bool) -> Pattern {
        Pattern { text: text.into(), regex, case_sensitive }
    }

    #[test]
    fn a_plain_text_is_itself_and_case_is_folded_beyond_ascii() {
        let is_in = |text: &str, case_sensitive, hay: &str| {
            Compiled::new(&pattern(text, false, case_sensitive)).unwrap().regex.is_match(hay.as_bytes())
        };
        assert!(is_in("a.b(", false, "xA.B(y") && !is_in("a.b", false, "aXb"));
        assert!(is_in("MÜLLER straße", false, "müller STRAßE") && !is_in("Müller", true, "müller"));
        assert!(is_in("Σ", false, "ς"), "both small sigmas");
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let Err(HistoryError::BadPattern(text, why)) = pattern("ab(c", true, false).check() else { panic!("bad") };
        assert_eq!((text.as_str(), why.as_str()), ("ab(c", "unclosed group\n\n  ab(c\n    ^"));
        let Err(HistoryError::BadPattern(_, why)) = pattern("é\u{1b}[z-a]", true, false).check() else {
            panic!("bad")
        };
        assert!(why.ends_with("\n  é\u{fffd}[z-a]\n     ^"), "{why}");
        assert!(pattern("ab(c", false, false).check().is_ok());
    }

    #[test]
    fn greedy_patterns_are_refused_and_none_backtracks() {
        for text in ["(a{1000}){1000}".to_owned(), "(".repeat(5000), "x".repeat(PATTERN_MAX + 1)] {
            let error = pattern(&text, true, false).check().unwrap_err().to_string();
            assert!(error.len() < 400, "{}", error.len());
        }
        let evil = Compiled::new(&pattern("(a*)*b", true, true)).unwrap();
        assert!(!evil.regex.is_match(&vec![b'a'; 1 << 20]));
    }

    #[test]
    fn ends_of_the_text_are_told_from_ends_of_lines() {
        for (text, expected) in [("^a$", false), (r"\Aa", true), (r"a\z", true), (r"\ba", false)] {
            assert_eq!(Compiled::new(&pattern(text, true, false)).unwrap().is_anchored, expected, "{text}");
        }
    }
}
