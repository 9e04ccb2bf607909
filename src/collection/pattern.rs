//! Path patterns: `/users/{login}/repos`, `/files/**`.

use std::fmt;
use std::str::FromStr;

use crate::model::path;

/// One segment of a path pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SegmentPattern {
    /// This segment, in the comparable form of [`path::normalize`].
    Literal(String),
    /// Any one segment that fits a glob with literal parts: `report-*.pdf`.
    Glob(String),
    /// `{name}`: one segment, whose value is an item to compare.
    Capture(String),
    /// `*`: any one segment.
    Any,
    /// `**`: any number of segments, none too; only at the end.
    Rest,
}

/// A path pattern, compared segment by segment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPattern {
    text: String,
    segments: Vec<SegmentPattern>,
}

impl PathPattern {
    /// The pattern that only this path matches: braces and asterisks in it stand for themselves.
    pub fn literal(path: &str) -> Self {
        let literal = |segment| {
            let segment = path::normalize(segment).into_owned();
            SegmentPattern::Literal(segment.replace('{', "%7B").replace('}', "%7D").replace('*', "%2A"))
        };
        let segments: Vec<_> = path::segments(path).map(literal).collect();
        PathPattern { text: render(&segments), segments }
    }

    /// A pattern of these segments.
    pub fn from_segments(segments: Vec<SegmentPattern>) -> Self {
        PathPattern { text: render(&segments), segments }
    }

    /// The segments in order.
    pub fn segments(&self) -> &[SegmentPattern] {
        &self.segments
    }

    /// The pattern as written in a file.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of its captures, in order.
    pub fn captures(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            SegmentPattern::Capture(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

fn render(segments: &[SegmentPattern]) -> String {
    segments.iter().map(|segment| format!("/{segment}")).collect()
}

impl fmt::Display for SegmentPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SegmentPattern::Literal(text) | SegmentPattern::Glob(text) => f.write_str(text),
            SegmentPattern::Capture(name) => write!(f, "{{{name}}}"),
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
        let pattern = PathPattern { text: text.to_owned(), segments };
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
        let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        return match name {
            Some(name) if !name.is_empty() && !name.contains(['{', '}', '*']) => {
                Ok(SegmentPattern::Capture(name.to_owned()))
            }
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
    "A path such as `/users/{login}`: segments are literal, `{capture}`, `*`, or a last `**`"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_read_and_print() {
        for text in ["/", "/users/{login}", "/a/*/b-*.json/**", "/a//b/"] {
            assert_eq!(text.parse::<PathPattern>().unwrap().to_string(), text);
        }
        assert_eq!(PathPattern::literal("/a/{b}/*").to_string(), "/a/%7Bb%7D/%2A");
    }

    #[test]
    fn bad_patterns_say_why() {
        for text in ["users", "/{", "/{}", "/a{b}", "/**/a", "/{a}/{a}"] {
            assert!(text.parse::<PathPattern>().is_err(), "{text}");
        }
    }
}
