//! A comparison as lines for a terminal.

use super::{Comparison, Section};
use crate::diff::tree::{Change, Kind};
use crate::diff::{LineKind, around};
use crate::report::styled::{Line, Tone};

/// Characters of a value that are shown, around the difference.
const WIDTH: usize = 160;

/// The comparison, line by line, safe for a terminal.
pub fn lines(comparison: &Comparison, emit: &mut dyn FnMut(Line)) {
    if comparison.alike {
        emit(Line::of(Tone::Bold, format!("#{} and #{} are alike", comparison.before, comparison.after)));
    } else {
        emit(Line::of(Tone::Removed, format!("- #{}", comparison.before)));
        emit(Line::of(Tone::Added, format!("+ #{}", comparison.after)));
    }
    for section in &comparison.sections {
        emit(Line::default());
        emit(Line::of(Tone::Bold, section.name));
        write(section, emit);
    }
    emit(Line::default());
    if !comparison.also.is_empty() {
        emit(Line::of(Tone::Dim, format!("also differ: {}", comparison.also.join(", "))));
    }
    let [one, other] = comparison.duration_ms;
    emit(Line::of(Tone::Dim, format!("took {one:.1} ms and {other:.1} ms")));
}

/// One section, line by line.
pub(in crate::report) fn write(section: &Section, emit: &mut dyn FnMut(Line)) {
    section.changes.iter().for_each(|change| one(change, emit));
    let left_out = section.all - section.changes.len().min(section.all);
    if left_out > 0 {
        emit(Line::of(Tone::Dim, format!("  … {left_out} more differences")));
    }
    let lines = &section.lines;
    for (at, line) in lines.iter().enumerate() {
        let partner = match line.kind {
            LineKind::Removed => lines.get(at + 1).filter(|next| next.kind == LineKind::Added),
            LineKind::Added => at.checked_sub(1).map(|at| &lines[at]).filter(|it| it.kind == LineKind::Removed),
            LineKind::Same | LineKind::Gap => None,
        };
        let other = partner.map(|line| line.text.as_str());
        match line.kind {
            LineKind::Removed => emit(marked("  - ", &line.text, other, Tone::Removed, Tone::RemovedHere)),
            LineKind::Added => emit(marked("  + ", &line.text, other, Tone::Added, Tone::AddedHere)),
            _ => emit(Line::of(Tone::Dim, format!("  {} {}", line.sign(), line.text))),
        }
    }
    if section.is_coarse {
        let text = "  (large: members of arrays were compared by position; there may be fewer differences)";
        emit(Line::of(Tone::Dim, text));
    }
}

fn one(change: &Change, emit: &mut dyn FnMut(Line)) {
    let mut title = Line::of(Tone::Plain, "  ");
    title.push(Tone::Name, &change.pointer);
    if change.kind == Kind::Moved {
        title.push(Tone::Plain, format!(" moved to {}", change.after.as_deref().unwrap_or_default()));
        return emit(title);
    }
    emit(title);
    let (before, after) = match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            let (before, after) = around(before, after, WIDTH);
            (Some(before), Some(after))
        }
        (before, after) => {
            let cut = |value: &Option<String>| value.as_ref().map(|value| around(value, value, WIDTH).0);
            (cut(before), cut(after))
        }
    };
    if let Some(value) = &before {
        emit(marked("    - ", value, after.as_deref(), Tone::Removed, Tone::RemovedHere));
    }
    if let Some(value) = &after {
        emit(marked("    + ", value, before.as_deref(), Tone::Added, Tone::AddedHere));
    }
}

/// A value with the part marked that the other one has not: between what both begin and what both end with.
fn marked(lead: &str, text: &str, other: Option<&str>, tone: Tone, here: Tone) -> Line {
    let mut line = Line::of(tone, lead);
    let Some(other) = other else {
        line.push(tone, text);
        return line;
    };
    let start: usize =
        text.chars().zip(other.chars()).take_while(|(one, other)| one == other).map(|(one, _)| one.len_utf8()).sum();
    let (rest, other) = (&text[start..], &other[start..]);
    let ends = rest.chars().rev().zip(other.chars().rev()).take_while(|(one, other)| one == other);
    let end = rest.len() - ends.map(|(one, _)| one.len_utf8()).sum::<usize>();
    line.push(tone, &text[..start]);
    line.push(here, &rest[..end]);
    line.push(tone, &rest[end..]);
    line
}
