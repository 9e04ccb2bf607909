//! Two exchanges, compared part by part: what differs, and nothing else.

mod body;
#[cfg(test)]
mod tests;
mod text;

use serde::Serialize;

use crate::diff::tree::{Change, Kind};
use crate::diff::{self, pairs};
use crate::model::{Exchange, Fields};

use super::exchange::Bodies;

pub(super) use body::{Limits, Side, contents};
pub use text::lines;
pub(super) use text::write;

/// Differences of one section that are listed.
const LISTED: usize = 200;
/// Fields that differ between any two messages: they are named, no more.
const VOLATILE: [&str; 12] = [
    "date",
    "age",
    "expires",
    "last-modified",
    "etag",
    "x-request-id",
    "x-correlation-id",
    "x-runtime",
    "x-response-time",
    "traceparent",
    "cf-ray",
    "server-timing",
];

/// What differs between two exchanges.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Number of the left one.
    pub before: u64,
    /// Number of the right one.
    pub after: u64,
    /// Whether nothing differs but volatile fields and times.
    pub alike: bool,
    /// The parts that differ.
    pub sections: Vec<Section>,
    /// Volatile fields that differ.
    pub also: Vec<String>,
    /// How long both took, in milliseconds.
    pub duration_ms: [f64; 2],
}

/// A part of the exchanges that differs.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Section {
    /// `request`, `request fields`, `request body`, `response`, `response fields`, `response body`
    pub name: &'static str,
    /// The first differences by place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Of text: the lines that differ, with those around them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<diff::Line>,
    /// How many differences by place there are.
    pub all: usize,
    /// Whether time ran out and there may be fewer differences than are listed.
    pub is_coarse: bool,
}

impl Section {
    fn new(name: &'static str, changes: Vec<Change>) -> Self {
        let all = changes.len();
        let mut changes = changes;
        changes.truncate(LISTED);
        Section { name, changes, all, ..Section::default() }
    }

    fn is_empty(&self) -> bool {
        self.all == 0 && self.lines.is_empty()
    }
}

/// Compares two exchanges whose bodies were read.
pub fn compare(before: &Exchange, after: &Exchange, left: &Bodies, right: &Bodies) -> Comparison {
    let mut also = Vec::new();
    let none = Fields::new();
    let (one, other) = (before.outcome.response(), after.outcome.response());
    let fields = [one, other].map(|response| response.map_or(&none, |response| &response.fields));
    let (sent, got) = ([&before.request, &after.request], [one, other]);
    let sections = [
        Section::new("request", request(before, after)),
        Section::new("request fields", self::fields([&sent[0].fields, &sent[1].fields], &mut also)),
        body::section(
            "request body",
            [&sent[0].fields, &sent[1].fields],
            [Some(&sent[0].body), Some(&sent[1].body)],
            [&left.request, &right.request],
        ),
        Section::new("response", response(before, after)),
        Section::new("response fields", self::fields(fields, &mut also)),
        body::section("response body", fields, got.map(|it| it.map(|it| &it.body)), [&left.response, &right.response]),
    ];
    let sections: Vec<Section> = sections.into_iter().filter(|section| !section.is_empty()).collect();
    let duration = |exchange: &Exchange| exchange.timings.total_us as f64 / 1000.0;
    Comparison {
        before: before.number,
        after: after.number,
        alike: sections.is_empty(),
        sections,
        also,
        duration_ms: [duration(before), duration(after)],
    }
}

fn changed(place: &str, before: &str, after: &str) -> Option<Change> {
    (before != after).then(|| Change {
        kind: Kind::Changed,
        pointer: place.to_owned(),
        before: Some(before.to_owned()),
        after: Some(after.to_owned()),
    })
}

fn request(before: &Exchange, after: &Exchange) -> Vec<Change> {
    let (one, other) = (&before.request, &after.request);
    let mut changes: Vec<Change> = changed("method", &one.method, &other.method).into_iter().collect();
    changes.extend(changed("origin", &one.origin.to_string(), &other.origin.to_string()));
    changes.extend(changed("version", one.version.as_str(), other.version.as_str()));
    let segments = |path: &str| path.split('/').count();
    if segments(&one.path) == segments(&other.path) {
        let pairs = one.path.split('/').zip(other.path.split('/')).enumerate();
        changes.extend(pairs.filter_map(|(at, (one, other))| changed(&format!("path segment {at}"), one, other)));
    } else {
        changes.extend(changed("path", &one.path, &other.path));
    }
    let query = |query: &Option<String>| pairs::form(query.as_deref().unwrap_or_default().as_bytes());
    changes.extend(pairs::changes("query ", query(&one.query), query(&other.query)));
    changes
}

fn response(before: &Exchange, after: &Exchange) -> Vec<Change> {
    let mut changes: Vec<Change> =
        changed("outcome", before.outcome.word(), after.outcome.word()).into_iter().collect();
    let status = |exchange: &Exchange| exchange.status().map_or("none".to_owned(), |status| status.to_string());
    changes.extend(changed("status", &status(before), &status(after)));
    let version = |exchange: &Exchange| exchange.outcome.response().map_or("none", |it| it.version.as_str());
    changes.extend(changed("version", version(before), version(after)));
    changes
}

fn fields(both: [&Fields; 2], also: &mut Vec<String>) -> Vec<Change> {
    let list = |fields: &Fields| {
        fields.iter().map(|field| (field.name.to_ascii_lowercase(), field.text().into_owned())).collect::<Vec<_>>()
    };
    let (volatile, told): (Vec<Change>, Vec<Change>) = pairs::changes("", list(both[0]), list(both[1]))
        .into_iter()
        .partition(|change| VOLATILE.contains(&change.pointer.as_str()));
    for change in volatile {
        if !also.contains(&change.pointer) {
            also.push(change.pointer);
        }
    }
    told
}
