//! Paths that are nearly the call's: how alike two are, and in which detail they differ.

use serde::Serialize;

use crate::collection::{Captures, SegmentPattern};
use crate::model::path;

use super::index::{Entry, Index};
use super::paths;
use super::received::Received;

/// Stubs whose paths are looked at for one like the call's.
const MAX_WALKED: usize = 20_000;
/// Stubs with a path like the call's that are looked at closely.
const MAX_CLOSE: usize = 128;
/// Stubs with a path like the call's whose scenarios are compared.
const MAX_ALIKE: usize = 12;

/// How the path of a near scenario's stub differs from the call's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathFault {
    /// An escaped slash or another escape of a reserved character on one side.
    Escape,
    /// Upper and lower case.
    Case,
    /// Two slashes in a row.
    DoubleSlash,
    /// A slash at the end of one.
    TrailingSlash,
    /// `.` or `..`
    DotSegments,
    /// Another path.
    Other,
}

/// The stubs of the host whose paths are most like the call's, most alike first.
pub(super) fn alike<'i>(index: &'i Index, received: &Received<'_>) -> Vec<&'i Entry> {
    let plain = path::segments(received.path()).take(64);
    let plain = plain.map(|segment| SegmentPattern::Literal(segment.to_owned())).collect();
    let plain = without_trailing_slash(without_dots(without_empty(plain)));
    let segments: Vec<&str> = plain.iter().map(literal).collect();
    let mut found: Vec<(usize, u32)> = Vec::new();
    let mut walked = 0;
    index.origins_of(&received.call().target, &mut |origin| {
        for number in &origin.stubs {
            walked += 1;
            if walked > MAX_WALKED {
                return;
            }
            let entry = &index.stubs[*number as usize];
            let method = usize::from(entry.stub.method != received.call().method);
            let distance = 4 * distance(&entry.stub.segments, &segments) + method;
            if found.len() == MAX_CLOSE && found.last().is_some_and(|(worst, _)| *worst <= distance) {
                continue;
            }
            let at = found.partition_point(|(other, _)| *other <= distance);
            found.insert(at, (distance, *number));
            found.truncate(MAX_CLOSE);
        }
    });
    let mut close: Vec<(f64, &Entry)> = Vec::new();
    for (_, number) in found {
        let entry = &index.stubs[number as usize];
        let likeness = likeness(&entry.stub.segments, &segments);
        if likeness >= 0.4 {
            close.push((likeness - if entry.stub.method == received.call().method { 0.0 } else { 0.05 }, entry));
        }
    }
    close.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.stub.file.cmp(&other.1.stub.file)));
    close.into_iter().take(MAX_ALIKE).map(|(_, entry)| entry).collect()
}

/// How many segments do not fit, at the same place or counted from the end; a cheap first look.
fn distance(pattern: &[SegmentPattern], path: &[&str]) -> usize {
    let longer = pattern.len().max(path.len());
    let fits = |(part, segment): (&SegmentPattern, &&str)| match part {
        SegmentPattern::Literal(literal) => literal.eq_ignore_ascii_case(segment),
        SegmentPattern::Glob(_) => false,
        SegmentPattern::Regex(regex) => regex.fits(segment),
        _ => true,
    };
    let forward = pattern.iter().zip(path).filter(|pair| fits((pair.0, pair.1))).count();
    let backward = pattern.iter().rev().zip(path.iter().rev()).filter(|pair| fits((pair.0, pair.1))).count();
    longer - forward.max(backward).min(longer)
}

/// 0 to 1: how alike the paths are from their beginnings, or from their ends: one may lack a prefix such as `/v1`.
fn likeness(pattern: &[SegmentPattern], path: &[&str]) -> f64 {
    let forward = likeness_of(pattern.iter(), path.iter());
    if pattern.len() == path.len() {
        return forward;
    }
    forward.max(likeness_of(pattern.iter().rev(), path.iter().rev()))
}

/// 0 to 1: how alike the texts are, without the segments that the pattern leaves open: these say nothing of a word, and
/// one that the call lacks is a difference.
fn likeness_of<'a>(
    mut pattern: impl Iterator<Item = &'a SegmentPattern>,
    mut path: impl Iterator<Item = &'a &'a str>,
) -> f64 {
    let (mut text, mut call) = (String::new(), String::new());
    let push = |to: &mut String, segment: &str| {
        let separator = if to.is_empty() { "" } else { "/" };
        to.extend([separator, segment]);
    };
    loop {
        let (ours, theirs) = (pattern.next(), path.next().copied());
        let literal = match ours {
            Some(SegmentPattern::Literal(text) | SegmentPattern::Glob(text)) => Some(text.as_str()),
            Some(_) => None,
            None if theirs.is_none() => break,
            None => {
                theirs.into_iter().for_each(|segment| push(&mut call, segment));
                continue;
            }
        };
        match (literal, theirs) {
            (None, Some(_)) => {}
            (literal, theirs) => {
                push(&mut text, literal.unwrap_or("*"));
                theirs.into_iter().for_each(|segment| push(&mut call, segment));
            }
        }
    }
    let short = |text: &str| text.chars().take(200).collect::<String>().to_lowercase();
    strsim::normalized_levenshtein(&short(&text), &short(&call))
}

/// How the path of a stub differs from the call's.
pub(super) fn fault(pattern: &[SegmentPattern], captures: &Captures, path: &str) -> PathFault {
    match detail(pattern, path) {
        // With its recorded values a path may differ in a detail only: `%2F` in one of them.
        PathFault::Other => detail(&filled(pattern, captures), path),
        other => other,
    }
}

/// What keeps a pattern from accepting a path.
fn detail(pattern: &[SegmentPattern], path: &str) -> PathFault {
    let pattern: Vec<SegmentPattern> = pattern.to_vec();
    type SeenThrough = fn(Vec<SegmentPattern>) -> Vec<SegmentPattern>;
    let details: [(PathFault, SeenThrough); 5] = [
        (PathFault::TrailingSlash, without_trailing_slash),
        (PathFault::DoubleSlash, without_empty),
        (PathFault::DotSegments, without_dots),
        (PathFault::Escape, decoded),
        (PathFault::Case, lower_case),
    ];
    let call: Vec<SegmentPattern> =
        path::segments(path).map(|segment| SegmentPattern::Literal(segment.to_owned())).collect();
    for (fault, seen_through) in details {
        let call = seen_through(call.clone()).iter().map(literal).collect::<Vec<_>>().join("/");
        if paths::accepts(&seen_through(pattern.clone()), &format!("/{call}")) {
            return fault;
        }
    }
    PathFault::Other
}

/// The segments with the values that a scenario gives to captures.
fn filled(segments: &[SegmentPattern], captures: &Captures) -> Vec<SegmentPattern> {
    let fill = |segment: &SegmentPattern| match segment.capture().and_then(|name| captures.get(name)) {
        Some(value) => SegmentPattern::Literal(value.clone()),
        None => segment.clone(),
    };
    segments.iter().map(fill).collect()
}

fn literal(segment: &SegmentPattern) -> &str {
    match segment {
        SegmentPattern::Literal(literal) => literal,
        _ => "",
    }
}

fn is_literal(segment: &SegmentPattern, is: &str) -> bool {
    matches!(segment, SegmentPattern::Literal(literal) if literal == is)
}

fn without_trailing_slash(mut segments: Vec<SegmentPattern>) -> Vec<SegmentPattern> {
    if segments.len() > 1 && segments.last().is_some_and(|last| is_literal(last, "")) {
        segments.pop();
    }
    segments
}

fn without_empty(mut segments: Vec<SegmentPattern>) -> Vec<SegmentPattern> {
    let last = segments.len().saturating_sub(1);
    let mut at = 0;
    segments.retain(|segment| {
        at += 1;
        at > last || !is_literal(segment, "")
    });
    segments
}

fn without_dots(segments: Vec<SegmentPattern>) -> Vec<SegmentPattern> {
    let mut out = Vec::new();
    for segment in segments {
        match &segment {
            SegmentPattern::Literal(dot) if dot == "." => {}
            SegmentPattern::Literal(dots) if dots == ".." => drop(out.pop()),
            _ => out.push(segment),
        }
    }
    out
}

fn decoded(segments: Vec<SegmentPattern>) -> Vec<SegmentPattern> {
    let mut out = Vec::new();
    for segment in segments {
        match segment {
            SegmentPattern::Literal(literal) => {
                let text = percent_encoding::percent_decode_str(&literal).decode_utf8_lossy().into_owned();
                out.extend(text.split('/').map(|part| SegmentPattern::Literal(part.to_owned())));
            }
            other => out.push(other),
        }
    }
    out
}

fn lower_case(segments: Vec<SegmentPattern>) -> Vec<SegmentPattern> {
    let lower = |segment| match segment {
        SegmentPattern::Literal(literal) => SegmentPattern::Literal(literal.to_lowercase()),
        SegmentPattern::Glob(glob) => SegmentPattern::Glob(glob.to_lowercase()),
        other => other,
    };
    segments.into_iter().map(lower).collect()
}
