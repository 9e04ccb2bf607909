//! The ladder of the profile `postman`: how near the path of a scenario is to the path of a call.

use serde::Serialize;

use crate::collection::SegmentPattern;
use crate::model::{Shape, path};

use super::paths;

/// A rung of the ladder; the first that holds fixes the points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// The paths are identical.
    Identical,
    /// Equal without slashes at the end.
    TrailingSlashes,
    /// Equal whatever the case.
    Case,
    /// Equal whatever the case, without slashes at the end.
    CaseAndSlashes,
    /// Equal without the segments that wildcards take.
    Wildcards,
    /// Equal without the segments that are ids.
    Ids,
    /// Equal without slashes at the end and the segments that are ids.
    IdsAndSlashes,
    /// A few characters apart.
    Distance,
}

impl Rung {
    /// The points of the rung.
    pub fn points(self) -> u32 {
        match self {
            Rung::Identical => 100,
            Rung::TrailingSlashes => 95,
            Rung::Case => 90,
            Rung::CaseAndSlashes => 85,
            Rung::Wildcards => 80,
            Rung::Ids => 79,
            Rung::IdsAndSlashes => 75,
            Rung::Distance => 70,
        }
    }

    /// What holds on it, in words.
    pub fn words(self) -> &'static str {
        match self {
            Rung::Identical => "identical path",
            Rung::TrailingSlashes => "equal without slashes at the end",
            Rung::Case => "equal but for case",
            Rung::CaseAndSlashes => "equal but for case and slashes at the end",
            Rung::Wildcards => "equal but for what wildcards take",
            Rung::Ids => "equal but for segments that are ids",
            Rung::IdsAndSlashes => "equal but for slashes at the end and segments that are ids",
            Rung::Distance => "a few characters apart",
        }
    }
}

/// A segment of a scenario's path, its variables put in.
pub(super) enum Piece<'a> {
    /// This text.
    Text(&'a str),
    /// A wildcard: one segment that the pattern accepts, or with `**` all that follow.
    Wild(&'a SegmentPattern),
}

/// The rung on which a path stands to the call's, in comparable form; none if it is no match. `distance` is how many
/// characters may differ on the last one, 0 for no such rung.
pub(super) fn rung(pieces: &[Piece<'_>], call: &str, distance: usize) -> Option<Rung> {
    let wild = pieces.iter().any(|piece| matches!(piece, Piece::Wild(_)));
    let own = written(pieces);
    if !wild && let Some(rung) = literal(&own, call) {
        return Some(rung);
    }
    // What is left of both without the segments that wildcards take; with none there is nothing to take.
    let left = |call: &str| if wild { without_taken(pieces, call) } else { Some((own.clone(), call.to_owned())) };
    let exactly = left(call);
    if wild && exactly.as_ref().is_some_and(|(ours, theirs)| ours == theirs) {
        return Some(Rung::Wildcards);
    }
    if exactly.is_some_and(|(ours, theirs)| without_ids(&ours) == without_ids(&theirs)) {
        return Some(Rung::Ids);
    }
    let trimmed = if wild { left(trim(call)) } else { Some((trim(&own).to_owned(), trim(call).to_owned())) };
    if let Some((ours, theirs)) = &trimmed
        && trim(&without_ids(trim(ours))) == trim(&without_ids(trim(theirs)))
    {
        return Some(Rung::IdsAndSlashes);
    }
    let (ours, theirs) = trimmed.unwrap_or_else(|| (own, call.to_owned()));
    (distance > 0 && is_near(trim(&ours), trim(&theirs), distance)).then_some(Rung::Distance)
}

/// The rungs of a path without wildcards.
fn literal(own: &str, call: &str) -> Option<Rung> {
    if own == call {
        return Some(Rung::Identical);
    }
    if trim(own) == trim(call) {
        return Some(Rung::TrailingSlashes);
    }
    // Lower case may be longer, but no text equals another of a very different length.
    if own.len().abs_diff(call.len()) > own.len() {
        return None;
    }
    let (own, call) = (own.to_lowercase(), call.to_lowercase());
    if own == call {
        return Some(Rung::Case);
    }
    (trim(&own) == trim(&call)).then_some(Rung::CaseAndSlashes)
}

fn trim(path: &str) -> &str {
    path.trim_end_matches('/')
}

/// The path as text, wildcards as their pattern.
fn written(pieces: &[Piece<'_>]) -> String {
    let mut text = String::new();
    for piece in pieces {
        text.push('/');
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Wild(pattern) => text.push_str(&pattern.to_string()),
        }
    }
    text
}

/// Both paths without the segments that wildcards take; none if they do not fit side by side.
fn without_taken(pieces: &[Piece<'_>], call: &str) -> Option<(String, String)> {
    let mut segments = path::segments(call);
    let (mut ours, mut theirs) = (String::new(), String::new());
    for piece in pieces {
        match piece {
            Piece::Wild(SegmentPattern::Rest) => return Some((ours, theirs)),
            Piece::Wild(pattern) => {
                segments.next().filter(|segment| paths::segment_fits(pattern, segment))?;
            }
            Piece::Text(text) => {
                ours.extend(["/", text]);
                theirs.extend(["/", segments.next()?]);
            }
        }
    }
    segments.next().is_none().then_some((ours, theirs))
}

/// A path without its segments that are ids.
fn without_ids(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    if path.is_empty() {
        return out;
    }
    for segment in path::segments(path).filter(|segment| !is_id(segment)) {
        out.extend(["/", segment]);
    }
    out
}

/// Whether a segment is an alphanumeric id: a digit, and only letters, digits, `_` and `-`; or a UUID, ULID or
/// ObjectId, which may have no digit.
fn is_id(segment: &str) -> bool {
    let plain = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let shapes = [Shape::Uuid, Shape::Ulid, Shape::ObjectId];
    plain && (segment.bytes().any(|byte| byte.is_ascii_digit()) || shapes.iter().any(|shape| shape.fits(segment)))
}

/// Whether two texts, whatever their case, are at most `limit` insertions, deletions and substitutions apart.
fn is_near(one: &str, other: &str, limit: usize) -> bool {
    // A character has at most four bytes.
    if one.len().abs_diff(other.len()) > 4 * limit {
        return false;
    }
    let letters = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<char>>();
    let (one, other) = (letters(one), letters(other));
    if one.len().abs_diff(other.len()) > limit {
        return false;
    }
    // Only cells at most `limit` from the diagonal can be that small.
    let far = limit + 1;
    let mut above = (0..=other.len()).map(|at| at.min(far)).collect::<Vec<usize>>();
    let mut row = vec![far; other.len() + 1];
    for (down, letter) in one.iter().enumerate() {
        let (from, to) = ((down + 1).saturating_sub(limit), (down + 1 + limit).min(other.len()));
        row[0] = (down + 1).min(far);
        if from > 1 {
            row[from - 1] = far;
        }
        for at in from.max(1)..=to {
            let substituted = above[at - 1] + usize::from(*letter != other[at - 1]);
            let deleted = if at < down + 1 + limit { above[at] + 1 } else { far };
            row[at] = substituted.min(deleted).min(row[at - 1] + 1).min(far);
        }
        std::mem::swap(&mut above, &mut row);
    }
    above[other.len()] <= limit
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::collection::PathPattern;

    fn of(pattern: &str, call: &str, distance: usize) -> Option<Rung> {
        let pattern: PathPattern = pattern.parse().unwrap();
        let pieces: Vec<Piece<'_>> = pattern
            .segments()
            .iter()
            .map(|segment| match segment {
                SegmentPattern::Literal(text) => Piece::Text(text),
                other => Piece::Wild(other),
            })
            .collect();
        rung(&pieces, call, distance)
    }

    #[test]
    fn each_rung_has_its_paths() {
        for (pattern, call, expected) in [
            ("/users/list", "/users/list", Some(Rung::Identical)),
            ("/users/list", "/users/list/", Some(Rung::TrailingSlashes)),
            ("/users/list//", "/users/list", Some(Rung::TrailingSlashes)),
            ("/users/list", "/Users/LIST", Some(Rung::Case)),
            ("/users/list", "/Users/list/", Some(Rung::CaseAndSlashes)),
            ("/users/{id}", "/users/7", Some(Rung::Wildcards)),
            ("/users/{id}", "/users/carol", Some(Rung::Wildcards)),
            ("/users/{id}", "/users/a/b", None),
            ("/users/{id}/posts/5", "/users/carol/posts/77777", Some(Rung::Ids)),
            ("/users/a1b2c3/posts", "/users/d4e5f6/posts", Some(Rung::Ids)),
            ("/users/123456/posts", "/users/posts", Some(Rung::Ids)),
            ("/users/123456/posts", "/users/987654/posts/", Some(Rung::IdsAndSlashes)),
            ("/users/{id}", "/users/carol/", Some(Rung::IdsAndSlashes)),
            ("/users/list", "/users/lists", Some(Rung::Distance)),
            ("/users/list", "/Usr/list/", Some(Rung::Distance)),
            ("/users/list", "/users/listing", None),
            ("/users/list", "/orders", None),
            ("/", "/", Some(Rung::Identical)),
            ("/files/**", "/files/a/b", Some(Rung::Wildcards)),
        ] {
            assert_eq!(of(pattern, call, 2), expected, "{pattern} {call}");
        }
        assert_eq!(of("/users/list", "/users/lists", 0), None, "0 turns the last rung off");
        assert_eq!(of("/users/list", "/users/lists", 1), Some(Rung::Distance));
    }

    #[test]
    fn ids_are_told_from_words() {
        for (segment, id) in [
            ("7", true),
            ("a1b2", true),
            ("order_17-x", true),
            ("ABCDEFGHJKMNPQRSTVWXYZABCD", false),
            ("users", false),
            ("a1.json", false),
            ("", false),
            ("deadbeefdeadbeefdeadbeef", true),
        ] {
            assert_eq!(is_id(segment), id || Shape::Ulid.fits(segment), "{segment}");
        }
    }

    proptest! {
        #[test]
        fn nearness_is_that_of_the_full_table(one in "[abC]{0,7}", other in "[abC]{0,7}", limit in 1_usize..4) {
            let distance = strsim::levenshtein(&one.to_lowercase(), &other.to_lowercase());
            prop_assert_eq!(is_near(&one, &other, limit), distance <= limit);
        }
    }
}
