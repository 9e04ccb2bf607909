//! A miss as a page: what was expected beside what came.

use std::fmt::Write;

use super::{Criterion, MissReport, NearReport};
use crate::diff::LineKind;
use crate::diff::tree::{Change, Kind};
use crate::matching::{Item, Verdict};
use crate::report::page::{page, text};

/// The page of a miss.
pub(super) fn of(report: &MissReport) -> String {
    let call = format!("{} {}", report.method, report.url);
    let mut out = String::new();
    let _ = writeln!(out, "<h1>No scenario answers <code>{}</code></h1>", text(&call));
    let _ = writeln!(out, "<p class=\"lead bad\">{}</p>", text(&report.detail));
    if !report.served.is_empty() {
        let _ = writeln!(out, "<p>served here: {}</p>", text(&report.served.join(", ")));
    }
    let _ = writeln!(out, "<p class=\"dim\">miss {} ({})</p>", text(&report.miss), report.reason.as_str());
    let mut near = report.near.iter();
    near.by_ref().take(1).for_each(|near| scenario(&mut out, "Nearest", near));
    fixes(&mut out, report);
    near.for_each(|near| scenario(&mut out, "Then", near));
    page(&format!("retake miss: {call}"), &out)
}

fn fixes(out: &mut String, report: &MissReport) {
    if report.fixes.is_empty() {
        return;
    }
    out.push_str("<h2>What to do</h2>\n<ol>\n");
    for fix in &report.fixes {
        let (title, command) = (text(&fix.title), text(&fix.command));
        let _ = writeln!(out, "<li value=\"{}\">{title}<pre>{command}</pre></li>", fix.number);
    }
    out.push_str("</ol>\n");
}

fn scenario(out: &mut String, lead: &str, near: &NearReport) {
    let _ = writeln!(out, "<h2>{lead}: {}</h2>", text(&near.scenario));
    let place = format!("{}, {}; score {}", near.collection, near.file, near.score.floor());
    let _ = writeln!(out, "<p class=\"dim\">{}</p>", text(&place));
    out.push_str("<table class=\"sides\">\n<tr><th></th><th>expected</th><th>got</th></tr>\n");
    near.criteria.iter().filter(|told| told.is_compared()).for_each(|told| criterion(out, told));
    out.push_str("</table>\n");
}

fn criterion(out: &mut String, told: &Criterion) {
    let (sign, class) = if told.agrees { ("✓", "good") } else { ("✗", "bad") };
    let name = format!("<td class=\"{class}\">{sign} {}</td>", text(&told.name));
    match told.expected.as_deref().zip(told.got.as_deref()) {
        Some(both) => {
            let (expected, got) = sides(both);
            let _ = writeln!(out, "<tr>{name}<td>{expected}</td><td>{got}</td></tr>");
        }
        None => {
            let _ = writeln!(out, "<tr>{name}<td colspan=\"2\">{}</td></tr>", text(&told.note));
        }
    }
    told.differences.iter().for_each(|it| item(out, it));
    told.changes.iter().for_each(|it| change(out, it));
    if !told.lines.is_empty() {
        lines(out, told);
    }
    let mut notes = Vec::new();
    if told.more > 0 {
        notes.push(format!("… and {} more", told.more));
    }
    if told.coarse {
        notes.push("large: not searched for all that differs".to_owned());
    }
    for note in notes {
        let _ = writeln!(out, "<tr><td></td><td colspan=\"2\" class=\"dim\">{note}</td></tr>");
    }
}

fn item(out: &mut String, item: &Item) {
    let (expected, got) = (item.expected.as_deref(), item.got.as_deref());
    match item.verdict {
        Verdict::Extra => row(out, &item.name, (None, got)),
        Verdict::Missing => row(out, &item.name, (expected, None)),
        Verdict::Same | Verdict::Different => row(out, &item.name, (expected, got)),
    }
}

fn change(out: &mut String, change: &Change) {
    let (before, after) = (change.before.as_deref(), change.after.as_deref());
    match change.kind {
        Kind::Moved => {
            let to = format!("moved to {}", after.unwrap_or_default());
            row(out, &change.pointer, (Some("here"), Some(&to)));
        }
        _ => row(out, &change.pointer, (before, after)),
    }
}

/// A place, with what is there on either side.
fn row(out: &mut String, place: &str, sides_of: (Option<&str>, Option<&str>)) {
    let (expected, got) = match sides_of {
        (Some(expected), Some(got)) => sides((expected, got)),
        (expected, got) => {
            let one = |value: Option<&str>, class: &str| match value {
                Some(value) => format!("<code><mark class=\"{class}\">{}</mark></code>", text(value)),
                None => "<span class=\"dim\">not there</span>".to_owned(),
            };
            (one(expected, "del"), one(got, "ins"))
        }
    };
    let _ = writeln!(out, "<tr><td class=\"place\">{}</td><td>{expected}</td><td>{got}</td></tr>", text(place));
}

/// Two values, with what differs between their common beginning and their common end marked.
fn sides((expected, got): (&str, &str)) -> (String, String) {
    let head: usize =
        expected.chars().zip(got.chars()).take_while(|(one, other)| one == other).map(|(one, _)| one.len_utf8()).sum();
    let (one, other) = (&expected[head..], &got[head..]);
    let pairs = one.chars().rev().zip(other.chars().rev());
    let tail: usize = pairs.take_while(|(one, other)| one == other).map(|(one, _)| one.len_utf8()).sum();
    let side = |whole: &str, class: &str| {
        let end = whole.len() - tail;
        let (head, middle, tail) = (text(&whole[..head]), text(&whole[head..end]), text(&whole[end..]));
        let middle = if middle.is_empty() { middle } else { format!("<mark class=\"{class}\">{middle}</mark>") };
        format!("<code>{head}{middle}{tail}</code>")
    };
    (side(expected, "del"), side(got, "ins"))
}

/// Lines of a text side by side: those of one side only stand beside those that took their place.
fn lines(out: &mut String, told: &Criterion) {
    let mut rest = told.lines.as_slice();
    while let Some(first) = rest.first() {
        let run =
            |kind: LineKind, lines: &[crate::diff::Line]| lines.iter().take_while(|line| line.kind == kind).count();
        let removed = run(LineKind::Removed, rest);
        let added = run(LineKind::Added, &rest[removed..]);
        if removed + added == 0 {
            let both = if first.kind == LineKind::Gap { "…".to_owned() } else { text(&first.text) };
            let _ = writeln!(out, "<tr><td></td><td><code>{both}</code></td><td><code>{both}</code></td></tr>");
            rest = &rest[1..];
            continue;
        }
        let line = |at: usize, from: usize, count: usize| (at < count).then(|| rest[from + at].text.as_str());
        for at in 0..removed.max(added) {
            row(out, "", (line(at, 0, removed), line(at, removed, added)));
        }
        rest = &rest[removed + added..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_marked_and_all_of_it_is_text() {
        let (expected, got) = sides(("naïve <b>", "naïf <b>"));
        assert_eq!(expected, "<code>naï<mark class=\"del\">ve</mark> &lt;b&gt;</code>");
        assert_eq!(got, "<code>naï<mark class=\"ins\">f</mark> &lt;b&gt;</code>");
        assert_eq!(sides(("aa", "a")).1, "<code>a</code>");
        let mut out = String::new();
        row(&mut out, "/a", (None, Some("<script>")));
        assert!(out.contains("not there") && out.contains("&lt;script&gt;") && !out.contains("<script"), "{out}");
    }
}
