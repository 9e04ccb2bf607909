//! Differences of texts: line by line, and values cut around the place where they part.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use similar::{ChangeTag, TextDiff};

/// Lines around a change.
const CONTEXT: usize = 1;
/// How long the search for a small difference may take; after that it is coarse, but still right.
const DEADLINE: Duration = Duration::from_millis(50);
/// Larger texts are not searched: what is said is where they part.
const MAX_SEARCHED: usize = 2 * 1024 * 1024;

/// What a line of a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LineKind {
    /// On both sides.
    Same,
    /// On the left only.
    Removed,
    /// On the right only.
    Added,
    /// Something was left out here.
    Gap,
}

/// A line of a difference, without its line end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// What it is.
    pub kind: LineKind,
    /// Its text, cut around the difference if it is long.
    pub text: String,
}

impl Line {
    fn new(kind: LineKind, text: impl Into<String>) -> Self {
        Line { kind, text: text.into() }
    }

    /// The sign before the line, as in a unified difference.
    pub fn sign(&self) -> char {
        match self.kind {
            LineKind::Same => ' ',
            LineKind::Removed => '-',
            LineKind::Added => '+',
            LineKind::Gap => '…',
        }
    }
}

/// The lines that differ with one line around them, at most `limit`, each at most `width` characters.
pub fn lines(before: &str, after: &str, limit: usize, width: usize) -> Vec<Line> {
    lines_by(before, after, limit, width, Instant::now() + DEADLINE)
}

/// [`lines`], coarse after the deadline.
pub fn lines_by(before: &str, after: &str, limit: usize, width: usize, deadline: Instant) -> Vec<Line> {
    if before.len().saturating_add(after.len()) > MAX_SEARCHED {
        let (one, other) = around(before, after, width);
        return vec![Line::new(LineKind::Removed, one), Line::new(LineKind::Added, other)];
    }
    let diff = TextDiff::configure().deadline(deadline).diff_lines(before, after);
    let mut out: Vec<Line> = Vec::new();
    for group in diff.grouped_ops(CONTEXT) {
        if !out.is_empty() {
            out.push(Line::new(LineKind::Gap, ""));
        }
        for op in group {
            for change in diff.iter_changes(&op) {
                if out.len() >= limit.saturating_mul(4) {
                    break;
                }
                let kind = match change.tag() {
                    ChangeTag::Equal => LineKind::Same,
                    ChangeTag::Delete => LineKind::Removed,
                    ChangeTag::Insert => LineKind::Added,
                };
                let text: &str = change.value();
                out.push(Line::new(kind, text.trim_end_matches(['\r', '\n'])));
            }
        }
    }
    cut(&mut out, width);
    if out.len() > limit {
        out.truncate(limit.saturating_sub(1));
        out.push(Line::new(LineKind::Gap, ""));
    }
    out
}

/// Cuts long lines: a removed one and the added one that takes its place around the point where they part.
fn cut(lines: &mut [Line], width: usize) {
    let kinds: Vec<LineKind> = lines.iter().map(|line| line.kind).collect();
    for at in 0..lines.len() {
        if kinds[at] != LineKind::Removed {
            continue;
        }
        let start = (0..=at).rev().take_while(|at| kinds[*at] == LineKind::Removed).last().unwrap_or(at);
        let removed = kinds[start..].iter().take_while(|kind| **kind == LineKind::Removed).count();
        let partner = at + removed;
        if kinds.get(partner) == Some(&LineKind::Added) {
            let (one, other) = around(&lines[at].text, &lines[partner].text, width);
            (lines[at].text, lines[partner].text) = (one, other);
        }
    }
    for line in lines {
        line.text = window(&line.text, 0, width);
    }
}

/// Two values, each cut to at most `width` characters around the first place where they differ, `…` where something
/// was left out.
pub fn around(one: &str, other: &str, width: usize) -> (String, String) {
    let common = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    let from = common.saturating_sub(width / 3);
    (window(one, from, width), window(other, from, width))
}

/// At most `width` characters of `text`, the marks for what is left out among them, beginning near the `from`th; if
/// the whole text fits, all of it.
fn window(text: &str, from: usize, width: usize) -> String {
    let short = text.char_indices().nth(width).is_none();
    if short {
        return text.to_owned();
    }
    let length = text.chars().count();
    let from = if from <= 1 { 0 } else { from.min(length.saturating_sub(width)) };
    let lead = usize::from(from > 0);
    let tail = usize::from(length - from > width);
    let kept = text.chars().skip(from + lead).take(width.saturating_sub(lead + tail));
    let mark = |count: usize| if count > 0 { "…" } else { "" };
    mark(lead).chars().chain(kept).chain(mark(tail).chars()).collect()
}

/// The offset of the first byte that differs; none if they are equal. A text that ends where the other goes on differs
/// at its end.
pub fn first_difference(one: &[u8], other: &[u8]) -> Option<usize> {
    let common = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    (common < one.len().max(other.len())).then_some(common)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_lines_stand_with_one_line_around_them() {
        let before: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let after = before.replace("line 50\n", "line fifty\n").replace("line 90\n", "");
        let told: Vec<String> =
            lines(&before, &after, 20, 80).iter().map(|line| format!("{}{}", line.sign(), line.text)).collect();
        let expected = [" line 49", "-line 50", "+line fifty", " line 51", "…", " line 89", "-line 90", " line 91"];
        assert_eq!(told, expected);
        assert_eq!(lines(&before, &after, 4, 80).len(), 4);
        assert!(lines("same", "same", 9, 9).is_empty());
    }

    #[test]
    fn long_values_are_cut_around_the_difference() {
        let one = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let other = format!("{}Y{}", "a".repeat(500), "b".repeat(500));
        let (left, right) = around(&one, &other, 30);
        assert_eq!(left, format!("…{}X{}…", "a".repeat(9), "b".repeat(18)));
        assert_eq!(right, format!("…{}Y{}…", "a".repeat(9), "b".repeat(18)));
        assert_eq!(around("ab", "ac", 30), ("ab".into(), "ac".into()));
        let (left, right) = around(&"é".repeat(40), &"é".repeat(60), 10);
        assert_eq!((left.chars().count(), right.chars().count()), (10, 10));
    }

    #[test]
    fn hostile_texts_stay_small() {
        let one = "x".repeat(1 << 20);
        let other = format!("{one}y");
        let told = lines(&one, &other, 10, 60);
        assert_eq!(told.len(), 2);
        assert!(told.iter().all(|line| line.text.chars().count() <= 60));
        let many: String = (0..50_000).map(|n| format!("{n}\n")).collect();
        let others: String = (0..50_000).map(|n| format!("{}\n", n * 7)).collect();
        assert_eq!(lines(&many, &others, 10, 60).len(), 10);
    }

    #[test]
    fn bytes_part_at_an_offset() {
        assert_eq!(first_difference(b"abc", b"abd"), Some(2));
        assert_eq!(first_difference(b"abc", b"ab"), Some(2));
        assert_eq!(first_difference(b"", b""), None);
    }

    proptest::proptest! {
        #[test]
        fn windows_never_exceed_their_width(one in "\\PC{0,80}", other in "\\PC{0,80}", width in 3_usize..40) {
            let (left, right) = around(&one, &other, width);
            proptest::prop_assert!(left.chars().count() <= width && right.chars().count() <= width);
            proptest::prop_assert!(one == other || left != right || one.chars().count() <= 1);
        }
    }
}
