//! Path patterns: `/users/{login}/repos`, `/files/**`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use regex::Regex;

use super::matcher;
use crate::model::path;

/// Bytes of a segment that an expression is tried on.
const SEGMENT_MAX: usize = 4096;

/// One segment of a path pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SegmentPattern {
    /// This segment, in the comparable form of [`path::normalize`].
    Literal(String),
    /// Any one segment that fits a glob with literal parts: `report-*.pdf`.
    Glob(String),
    /// `{name}`: one segment, whose value is an item to compare.
    Capture(String),
    /// `{name:[0-9]+}`: the same, of a segment that fits an expression as a whole.
    Regex(Box<SegmentRegex>),
    /// `*`: any one segment.
    Any,
    /// `**`: any number of segments, none too; only at the end.
    Rest,
}

impl SegmentPattern {
    /// The name of its capture, if it is one.
    pub fn capture(&self) -> Option<&str> {
        match self {
            SegmentPattern::Capture(name) => Some(name),
            SegmentPattern::Regex(regex) => Some(&regex.name),
            _ => None,
        }
    }
}

/// A capture with an expression that the whole segment fits, its escapes decoded. Two are the same if they are written so.
#[derive(Debug, Clone)]
pub struct SegmentRegex {
    /// The capture's name.
    pub name: String,
    text: String,
    regex: Regex,
}

impl SegmentRegex {
    /// A capture of that name.
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub fn new(name: &str, text: &str) -> Result<Self, String> {
        // By itself first: what closes a group of ours would be an expression only inside it.
        matcher::expression(text, false)?;
        let regex = matcher::expression(&format!("^(?:{text})$"), false)?;
        Ok(SegmentRegex { name: name.to_owned(), text: text.to_owned(), regex })
    }

    /// The expression.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a segment fits; a longer one than any that is meant does not.
    pub fn fits(&self, segment: &str) -> bool {
        if segment.len() > SEGMENT_MAX {
            return false;
        }
        if !segment.contains('%') {
            return self.regex.is_match(segment);
        }
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8();
        decoded.is_ok_and(|text| self.regex.is_match(&text))
    }
}

impl PartialEq for SegmentRegex {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.text == other.text
    }
}

impl Eq for SegmentRegex {}

impl std::hash::Hash for SegmentRegex {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (&self.name, &self.text).hash(state);
    }
}

/// A path pattern, compared segment by segment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPattern {
    text: Box<str>,
    /// Shared with whoever compiles them.
    segments: Arc<[SegmentPattern]>,
}

impl PathPattern {
    /// The pattern that only this path matches: braces and asterisks in it stand for themselves.
    pub fn literal(path: &str) -> Self {
        let literal = |segment| {
            let segment = path::normalize(segment).into_owned();
            SegmentPattern::Literal(segment.replace('{', "%7B").replace('}', "%7D").replace('*', "%2A"))
        };
        let segments: Vec<_> = path::segments(path).map(literal).collect();
        PathPattern { text: render(&segments), segments: segments.into() }
    }

    /// A pattern of these segments.
    pub fn from_segments(segments: Vec<SegmentPattern>) -> Self {
        PathPattern { text: render(&segments), segments: segments.into() }
    }

    /// The segments in order.
    pub fn segments(&self) -> &[SegmentPattern] {
        &self.segments
    }

    /// The same, to be kept.
    pub fn shared_segments(&self) -> Arc<[SegmentPattern]> {
        Arc::clone(&self.segments)
    }

    /// The pattern as written in a file.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of its captures, in order.
    pub fn captures(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(SegmentPattern::capture)
    }
}

fn render(segments: &[SegmentPattern]) -> Box<str> {
    segments.iter().map(|segment| format!("/{segment}")).collect::<String>().into()
}

impl fmt::Display for SegmentPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SegmentPattern::Literal(text) | SegmentPattern::Glob(text) => f.write_str(text),
            SegmentPattern::Capture(name) => write!(f, "{{{name}}}"),
            SegmentPattern::Regex(regex) => write!(f, "{{{}:{}}}", regex.name, regex.text),
            SegmentPattern::Any => f.write_str("*"),
            SegmentPattern::Rest => f.write_str("**"),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text is no path pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// It does not begin with a slash.
    #[error("the path `{0}` does not begin with `/`")]
    NoSlash(String),
    /// `**` before the end.
    #[error("in the path `{0}`, `**` stands before the end")]
    RestInside(String),
    /// An unfinished or empty capture, or one with text around it.
    #[error("in the path `{0}`, the segment `{1}` is no capture: write `{{name}}` for a whole segment")]
    BadCapture(String, String),
    /// A capture whose expression is none.
    #[error("in the path `{0}`, the capture `{1}` has no sound expression: {2}")]
    BadRegex(String, String, String),
    /// Two captures of one name.
    #[error("in the path `{0}`, the capture `{{{1}}}` stands twice")]
    Twice(String, String),
}

impl FromStr for PathPattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        if !text.starts_with('/') {
            return Err(BadPattern::NoSlash(text.to_owned()));
        }
        let mut segments = Vec::new();
        for segment in path::segments(text) {
            if matches!(segments.last(), Some(SegmentPattern::Rest)) {
                return Err(BadPattern::RestInside(text.to_owned()));
            }
            segments.push(parse_segment(text, segment)?);
        }
        let pattern = PathPattern { text: text.into(), segments: segments.into() };
        let names: Vec<_> = pattern.captures().collect();
        match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            Some((_, name)) => Err(BadPattern::Twice(text.to_owned(), (*name).to_owned())),
            None => Ok(pattern.clone()),
        }
    }
}

fn parse_segment(text: &str, segment: &str) -> Result<SegmentPattern, BadPattern> {
    if segment == "**" {
        return Ok(SegmentPattern::Rest);
    }
    if segment == "*" {
        return Ok(SegmentPattern::Any);
    }
    if segment.contains(['{', '}']) {
        let inside = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let bad_name = |name: &str| name.is_empty() || name.contains(['{', '}', '*', ':']);
        if let Some((name, regex)) =
            inside.and_then(|inside| inside.split_once(':')).filter(|(name, _)| !bad_name(name))
        {
            let bad = |why| BadPattern::BadRegex(text.to_owned(), segment.to_owned(), why);
            return SegmentRegex::new(name, regex).map(|regex| SegmentPattern::Regex(Box::new(regex))).map_err(bad);
        }
        return match inside {
            Some(name) if !bad_name(name) => Ok(SegmentPattern::Capture(name.to_owned())),
            _ => Err(BadPattern::BadCapture(text.to_owned(), segment.to_owned())),
        };
    }
    if segment.contains('*') {
        return Ok(SegmentPattern::Glob(segment.to_owned()));
    }
    Ok(SegmentPattern::Literal(path::normalize(segment).into_owned()))
}

super::stub::text_form!(
    PathPattern,
    "A path such as `/users/{login}`: segments are literal, `{capture}`, `{capture:expression}`, `*`, or a last `**`"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_read_and_print() {
        for text in ["/", "/users/{login}", "/a/*/b-*.json/**", "/a//b/", "/y/{year:[0-9]{4}}/{id:a|b*}"] {
            assert_eq!(text.parse::<PathPattern>().unwrap().to_string(), text);
        }
        assert_eq!(PathPattern::literal("/a/{b}/*").to_string(), "/a/%7Bb%7D/%2A");
    }

    #[test]
    fn an_expression_takes_a_whole_segment_with_escapes_decoded() {
        let regex = SegmentRegex::new("id", "[a-z é]+|7").unwrap();
        for (segment, fits) in [
            ("abc", true),
            ("7", true),
            ("77", false),
            ("x7", false),
            ("a%20%C3%A9", true),
            ("%FF", false),
            ("a".repeat(5000).as_str(), false),
        ] {
            assert_eq!(regex.fits(segment), fits, "{segment}");
        }
    }

    #[test]
    fn bad_patterns_say_why() {
        for text in [
            "users",
            "/{",
            "/{}",
            "/a{b}",
            "/**/a",
            "/{a}/{a}",
            "/{a:[}",
            "/{a:x)(y}",
            "/{a:x}/{a}",
            "/{:x}",
            "/{a:(x)\\1}",
        ] {
            assert!(text.parse::<PathPattern>().is_err(), "{text}");
        }
    }
}
