//! Two bodies, compared by their type.

use std::time::{Duration, Instant};

use super::{LISTED, Section, changed};
use crate::diff::tree::{self, Change, Kind as Happened};
use crate::diff::{self, pairs};
use crate::model::media::{self, Kind};
use crate::model::{Body, Fields, multipart};
use crate::report::body::decode;
use crate::report::exchange::View;

/// Lines of text that are listed.
const LINES: usize = 100;
/// Characters of such a line.
const COLUMNS: usize = 1000;
/// How long the search for a small difference may take.
const SEARCH: Duration = Duration::from_millis(50);

pub(super) fn section(
    name: &'static str,
    fields: [&Fields; 2],
    bodies: [Option<&Body>; 2],
    views: [&View; 2],
) -> Section {
    let mut section = Section { name, ..Section::default() };
    let same = bodies[0].zip(bodies[1]).is_some_and(|(one, other)| one.hash == other.hash && one.size == other.size);
    let coding = |at: usize| fields[at].text("content-encoding").map(std::borrow::Cow::into_owned);
    if same && coding(0) == coding(1) {
        return section;
    }
    let types = [0, 1].map(|at| fields[at].text("content-type").map(std::borrow::Cow::into_owned));
    match (bytes(views[0]), bytes(views[1])) {
        (Some((one, true)), Some((other, true))) => {
            let sides = [Side::of(types[0].as_deref(), one), Side::of(types[1].as_deref(), other)];
            let limits = Limits { bytes: usize::MAX, deadline: Instant::now() + SEARCH };
            contents("", &sides, true, limits, &mut section);
        }
        (Some((one, _)), Some((other, _))) => binary("", [one, other], &mut section),
        _ => {
            let told = |view: &View| match view {
                View::Unreadable(why) => why.clone(),
                _ => "readable".to_owned(),
            };
            push(&mut section, changed("body", &told(views[0]), &told(views[1])));
        }
    }
    section
}

/// The bytes of a view, and whether they are all.
fn bytes(view: &View) -> Option<(&[u8], bool)> {
    match view {
        View::Empty => Some((&[], true)),
        View::Whole(bytes) => Some((bytes, true)),
        View::Beginning(bytes) => Some((bytes, false)),
        View::Unreadable(_) => None,
    }
}

/// What a comparison may cost.
#[derive(Clone, Copy)]
pub(in crate::report) struct Limits {
    /// Larger bodies, both together, are not taken apart.
    pub bytes: usize,
    /// After this the search for a small difference ends; what is told is coarse then, but right.
    pub deadline: Instant,
}

/// One of two bodies.
#[derive(Clone, Copy)]
pub(in crate::report) struct Side<'a> {
    content_type: Option<&'a str>,
    bytes: &'a [u8],
}

impl<'a> Side<'a> {
    pub(in crate::report) fn of(content_type: Option<&'a str>, bytes: &'a [u8]) -> Self {
        Side { content_type, bytes }
    }
}

fn push(section: &mut Section, changes: impl IntoIterator<Item = Change>) {
    for change in changes {
        section.all += 1;
        if section.changes.len() < LISTED {
            section.changes.push(change);
        }
    }
}

/// What differs in two bodies, told by their type.
pub(in crate::report) fn contents(
    place: &str,
    sides: &[Side<'_>; 2],
    is_outermost: bool,
    limits: Limits,
    section: &mut Section,
) {
    let [one, other] = *sides;
    if one.bytes == other.bytes {
        return;
    }
    if one.bytes.len().saturating_add(other.bytes.len()) > limits.bytes || Instant::now() > limits.deadline {
        section.is_coarse = true;
        return binary(place, [one.bytes, other.bytes], section);
    }
    let kinds = [Kind::of(one.content_type), Kind::of(other.content_type)];
    if is_outermost && kinds == [Kind::Multipart; 2] && parts(sides, limits, section) {
        return;
    }
    let texts = (decode(one.content_type, one.bytes, true), decode(other.content_type, other.bytes, true));
    let (Some(before), Some(after)) = texts else { return binary(place, [one.bytes, other.bytes], section) };
    let (before, after) = (&*before.text, &*after.text);
    let is_html = one.content_type.map(media::essence).as_deref() == Some("text/html");
    match kinds {
        [Kind::Form, Kind::Form] => {
            let both = (pairs::form(before.as_bytes()), pairs::form(after.as_bytes()));
            push(section, pairs::changes(place, both.0, both.1));
        }
        [Kind::Xml, Kind::Xml] => {
            push(section, pairs::changes(place, pairs::markup(before, false), pairs::markup(after, false)));
        }
        _ if is_html && !before.contains('\n') => {
            push(section, pairs::changes(place, pairs::markup(before, true), pairs::markup(after, true)));
        }
        _ => json_or_text(place, before, after, limits, section),
    }
    if is_outermost && section.is_empty() {
        push(section, spelling(one.bytes, other.bytes));
    }
}

fn json_or_text(place: &str, before: &str, after: &str, limits: Limits, section: &mut Section) {
    if let Some(found) = tree::changes_by(before, after, LISTED, limits.deadline) {
        section.all += found.all;
        section.is_coarse |= found.is_coarse;
        let placed = found.listed.into_iter().map(|change| Change {
            pointer: format!("{place}{}", if change.pointer.is_empty() { "/" } else { &change.pointer }),
            ..change
        });
        section.changes.extend(placed);
    } else if place.is_empty() {
        section.lines = diff::lines_by(before, after, LINES, COLUMNS, limits.deadline);
    } else {
        push(section, changed(place, before, after));
    }
}

/// The values are the same, the bytes are not.
fn spelling(one: &[u8], other: &[u8]) -> Option<Change> {
    let told = |bytes: &[u8]| format!("{} bytes", bytes.len());
    let at = diff::first_difference(one, other)?;
    Some(Change {
        kind: Happened::Changed,
        pointer: format!("only in writing or order, from byte {at}"),
        before: Some(told(one)),
        after: Some(told(other)),
    })
}

/// Part by part, in the order of each name.
fn parts(sides: &[Side<'_>; 2], limits: Limits, section: &mut Section) -> bool {
    let [one, other] = *sides;
    let both = (multipart::parts(one.content_type, one.bytes), multipart::parts(other.content_type, other.bytes));
    let (Some(before), Some(after)) = both else { return false };
    let named = |parts: &[multipart::Part<'_>]| {
        let mut counts = std::collections::HashMap::<String, usize>::new();
        let name = |part: &multipart::Part<'_>| {
            let name = part.name().unwrap_or_default();
            let count = counts.entry(name.clone()).or_default();
            *count += 1;
            if *count == 1 { format!("part {name}") } else { format!("part {name} ({count})") }
        };
        parts.iter().map(name).collect::<Vec<String>>()
    };
    let (left, right) = (named(&before), named(&after));
    let place_of: std::collections::HashMap<&str, usize> =
        right.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let told = |part: &multipart::Part<'_>| format!("{} bytes", part.content.len());
    for (name, part) in left.iter().zip(&before) {
        let Some(&at) = place_of.get(name.as_str()) else {
            let change =
                Change { kind: Happened::Removed, pointer: name.clone(), before: Some(told(part)), after: None };
            push(section, [change]);
            continue;
        };
        let list = |part: &multipart::Part<'_>| {
            part.fields.iter().map(|field| (field.name.to_ascii_lowercase(), field.text().into_owned())).collect()
        };
        push(section, pairs::changes(&format!("{name}: "), list(part), list(&after[at])));
        let types = [part, &after[at]]
            .map(|part| part.fields.text("content-type").map_or("text/plain".to_owned(), |value| value.into_owned()));
        let sides = [Side::of(Some(&types[0]), part.content), Side::of(Some(&types[1]), after[at].content)];
        contents(&format!("{name} "), &sides, false, limits, section);
    }
    let known: std::collections::HashSet<&str> = left.iter().map(String::as_str).collect();
    for (name, part) in right.iter().zip(&after).filter(|(name, _)| !known.contains(name.as_str())) {
        let change = Change { kind: Happened::Added, pointer: name.clone(), before: None, after: Some(told(part)) };
        push(section, [change]);
    }
    true
}

fn binary(place: &str, both: [&[u8]; 2], section: &mut Section) {
    let Some(at) = diff::first_difference(both[0], both[1]) else { return };
    let told = |bytes: &[u8]| {
        let hex: String = bytes.iter().skip(at).take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("{} bytes, there {}", bytes.len(), if hex.is_empty() { "the end" } else { &hex })
    };
    push(section, changed(&format!("{place}from byte {at}"), &told(both[0]), &told(both[1])));
}
