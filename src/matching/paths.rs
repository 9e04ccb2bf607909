//! Paths: the comparable form of a call's path, and the table that finds stubs by it.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::collection::{PathPattern, SegmentPattern, SegmentRegex};
use crate::model::path;

use super::placeholder;

/// The comparable form of a whole path: segments normalised, `{`, `}` and `*` escaped as patterns write them.
pub(super) fn comparable(path: &str) -> Cow<'_, str> {
    let plain = path.starts_with('/') && !path.bytes().any(|byte| matches!(byte, b'%' | b'{' | b'}' | b'*'));
    if plain {
        return Cow::Borrowed(path);
    }
    let mut out = String::with_capacity(path.len() + 8);
    for segment in path::segments(path) {
        out.push('/');
        out.push_str(&segment_key(segment));
    }
    Cow::Owned(out)
}

/// The comparable form of one segment.
pub(super) fn segment_key(segment: &str) -> Cow<'_, str> {
    let normal = path::normalize(segment);
    if normal.contains(['{', '}', '*']) {
        return Cow::Owned(normal.replace('{', "%7B").replace('}', "%7D").replace('*', "%2A"));
    }
    normal
}

/// Whether a pattern accepts a path, as written.
pub fn path_fits(pattern: &PathPattern, path: &str) -> bool {
    accepts(pattern.segments(), &comparable(path))
}

/// The same for the segments of a pattern, and a path in comparable form.
pub(super) fn accepts(pattern: &[SegmentPattern], path: &str) -> bool {
    let mut segments = path::segments(path);
    for part in pattern {
        if *part == SegmentPattern::Rest {
            return true;
        }
        if !segments.next().is_some_and(|segment| segment_fits(part, segment)) {
            return false;
        }
    }
    segments.next().is_none()
}

/// Whether a pattern accepts one segment.
pub(super) fn segment_fits(pattern: &SegmentPattern, segment: &str) -> bool {
    match pattern {
        SegmentPattern::Literal(literal) => {
            literal == segment
                || (!segment.is_empty() && placeholder::glob(literal).is_some_and(|glob| glob_fits(&glob, segment)))
        }
        SegmentPattern::Glob(glob) => !segment.is_empty() && glob_fits(glob, segment),
        SegmentPattern::Regex(regex) => !segment.is_empty() && regex.fits(segment),
        SegmentPattern::Capture(_) | SegmentPattern::Any => !segment.is_empty(),
        SegmentPattern::Rest => true,
    }
}

/// Whether `segment` fits a glob whose `*` stands for any run of characters. Linear in practice: on a mismatch it
/// goes back to the last asterisk only.
fn glob_fits(glob: &str, segment: &str) -> bool {
    let (glob, segment) = (glob.as_bytes(), segment.as_bytes());
    let (mut at, mut pos) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while pos < segment.len() {
        if glob.get(at) == Some(&b'*') {
            retry = Some((at, pos));
            at += 1;
        } else if glob.get(at) == Some(&segment[pos]) {
            at += 1;
            pos += 1;
        } else if let Some((star, from)) = retry {
            retry = Some((star, from + 1));
            at = star + 1;
            pos = from + 1;
        } else {
            return false;
        }
    }
    glob[at..].iter().all(|byte| *byte == b'*')
}

/// How specific each segment of a pattern is; less is more specific, compared segment by segment.
pub(super) fn specificity(pattern: &[SegmentPattern]) -> Box<[u8]> {
    let rank = |segment: &SegmentPattern| match segment {
        SegmentPattern::Literal(_) => 0,
        SegmentPattern::Glob(_) => 1,
        SegmentPattern::Regex(_) => 2,
        SegmentPattern::Capture(_) => 3,
        SegmentPattern::Any => 4,
        SegmentPattern::Rest => 5,
    };
    pattern.iter().map(rank).collect()
}

/// The stubs of one origin and method by path. What is stored is a number of the caller's.
#[derive(Default)]
pub(super) struct PathTable {
    literal: HashMap<Box<str>, Vec<u32>>,
    tree: Option<Box<Node>>,
}

#[derive(Default)]
struct Node {
    literal: HashMap<Box<str>, Node>,
    globs: Vec<(Box<str>, Node)>,
    /// The last resort: each is tried.
    regexes: Vec<(SegmentRegex, Node)>,
    one: Option<Box<Node>>,
    ends: Vec<u32>,
    rest: Vec<u32>,
}

impl PathTable {
    /// Adds a stub.
    pub(super) fn insert(&mut self, pattern: &[SegmentPattern], stub: u32) {
        let is_literal = |segment: &SegmentPattern| match segment {
            SegmentPattern::Literal(literal) => placeholder::glob(literal).is_none(),
            _ => false,
        };
        if pattern.iter().all(is_literal) {
            let mut key = String::new();
            for segment in pattern {
                if let SegmentPattern::Literal(literal) = segment {
                    key.push('/');
                    key.push_str(literal);
                }
            }
            self.literal.entry(key.into()).or_default().push(stub);
            return;
        }
        let mut node = self.tree.get_or_insert_default().as_mut();
        for segment in pattern {
            node = match segment {
                SegmentPattern::Literal(literal) => match placeholder::glob(literal) {
                    None => node.literal.entry(literal.as_str().into()).or_default(),
                    // A masked secret in a path: any other may stand there.
                    Some(glob) => glob_child(&mut node.globs, &glob),
                },
                SegmentPattern::Glob(glob) => glob_child(&mut node.globs, glob),
                SegmentPattern::Regex(regex) => regex_child(&mut node.regexes, regex),
                SegmentPattern::Rest => return node.rest.push(stub),
                _ => node.one.get_or_insert_default(),
            };
        }
        node.ends.push(stub);
    }

    /// The stubs whose path is literally this one.
    pub(super) fn literal(&self, path: &str) -> &[u32] {
        self.literal.get(path).map_or(&[], Vec::as_slice)
    }

    /// Visits the stubs whose pattern, not all literal, accepts the path.
    pub(super) fn patterns(&self, path: &str, visit: &mut dyn FnMut(u32)) {
        if let Some(root) = &self.tree {
            root.visit(Some(path.strip_prefix('/').unwrap_or(path)), visit);
        }
    }
}

fn glob_child<'a>(globs: &'a mut Vec<(Box<str>, Node)>, glob: &str) -> &'a mut Node {
    let at = globs.iter().position(|(known, _)| **known == *glob).unwrap_or_else(|| {
        globs.push((glob.into(), Node::default()));
        globs.len() - 1
    });
    &mut globs[at].1
}

/// Captures of another name with the same expression are one.
fn regex_child<'a>(regexes: &'a mut Vec<(SegmentRegex, Node)>, regex: &SegmentRegex) -> &'a mut Node {
    let at = regexes.iter().position(|(known, _)| known.text() == regex.text()).unwrap_or_else(|| {
        regexes.push((regex.clone(), Node::default()));
        regexes.len() - 1
    });
    &mut regexes[at].1
}

impl Node {
    /// `rest` is what is left of the path without the slash before it; none at its end. As deep as the deepest pattern.
    fn visit(&self, rest: Option<&str>, visit: &mut dyn FnMut(u32)) {
        self.rest.iter().for_each(|stub| visit(*stub));
        let Some(rest) = rest else {
            self.ends.iter().for_each(|stub| visit(*stub));
            return;
        };
        let (segment, after) = match rest.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (rest, None),
        };
        if let Some(child) = self.literal.get(segment) {
            child.visit(after, visit);
        }
        for (glob, child) in &self.globs {
            if !segment.is_empty() && glob_fits(glob, segment) {
                child.visit(after, visit);
            }
        }
        for (regex, child) in &self.regexes {
            if !segment.is_empty() && regex.fits(segment) {
                child.visit(after, visit);
            }
        }
        if let Some(child) = self.one.as_ref().filter(|_| !segment.is_empty()) {
            child.visit(after, visit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::PathPattern;

    fn found(patterns: &[&str], path: &str) -> Vec<String> {
        let mut table = PathTable::default();
        for (number, text) in patterns.iter().enumerate() {
            let pattern: PathPattern = text.parse().unwrap();
            table.insert(pattern.segments(), number as u32);
        }
        let path = comparable(path);
        let mut numbers = table.literal(&path).to_vec();
        table.patterns(&path, &mut |stub| numbers.push(stub));
        numbers.sort_unstable();
        let walked: Vec<u32> = (0..patterns.len())
            .filter(|at| accepts(patterns[*at].parse::<PathPattern>().unwrap().segments(), &path))
            .map(|at| at as u32)
            .collect();
        assert_eq!(numbers, walked, "the table and the walk agree on {path}");
        numbers.into_iter().map(|at| patterns[at as usize].to_owned()).collect()
    }

    #[test]
    fn the_table_finds_what_a_walk_finds() {
        let all = [
            "/users/me",
            "/users/{id}",
            "/users/*",
            "/users/**",
            "/**",
            "/users/m*",
            "/users/{id}/repos",
            "/users/",
            "/users/{n:[0-9]+}",
            "/users/{m:[0-9]+}/repos",
        ];
        assert_eq!(found(&all, "/users/me"), ["/users/me", "/users/{id}", "/users/*", "/users/**", "/**", "/users/m*"]);
        assert_eq!(found(&all, "/users/7/repos"), ["/users/**", "/**", "/users/{id}/repos", "/users/{m:[0-9]+}/repos"]);
        assert_eq!(found(&all, "/users/42"), ["/users/{id}", "/users/*", "/users/**", "/**", "/users/{n:[0-9]+}"]);
        assert_eq!(found(&all, "/users"), ["/users/**", "/**"]);
        assert_eq!(found(&all, "/users/"), ["/users/**", "/**", "/users/"]);
        assert_eq!(found(&all, "/users//repos"), ["/users/**", "/**"]);
        assert_eq!(found(&all, "/"), ["/**"]);
    }

    #[test]
    fn escapes_of_unreserved_characters_do_not_matter_and_others_do() {
        assert_eq!(found(&["/~a"], "/%7ea"), ["/~a"]);
        assert_eq!(found(&["/a%2Fb"], "/a%2fb"), ["/a%2Fb"]);
        assert!(found(&["/a%2Fb"], "/a/b").is_empty());
        let literal = PathPattern::literal("/a/{b}*");
        assert!(accepts(literal.segments(), &comparable("/a/{b}*")));
    }

    #[test]
    fn a_masked_secret_in_a_path_takes_any_other() {
        let pattern = "/bot1:retake-token-abcdefghij/send";
        assert_eq!(found(&[pattern], "/bot1:real/send"), [pattern]);
        assert!(found(&[pattern], "/bot2:real/send").is_empty());
    }

    #[test]
    fn globs() {
        for (glob, segment, fits) in [
            ("report-*.pdf", "report-2026.pdf", true),
            ("report-*.pdf", "report-.pdf.pdf", true),
            ("report-*.pdf", "report-2026.txt", false),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaa", false),
            ("a*", "a", true),
        ] {
            assert_eq!(glob_fits(glob, segment), fits, "{glob} {segment}");
        }
    }
}
