//! The bodies of a near scenario and of a call, compared by their type.

use std::time::{Duration, Instant};

use super::{Context, Criterion, MAX_DIFFERENCES, MAX_VALUE, large};
use crate::diff::tree::Change;
use crate::diff::{self, pairs};
use crate::matching::{Near, graphql_tokens, looks_like_graphql};
use crate::report::comparison::{Limits, Section, Side, contents};

/// Lines of a text difference.
const MAX_LINES: usize = 12;
/// Larger bodies, both together, are told of by size and by where they part: a report must not take long.
const MAX_BYTES: usize = 1024 * 1024;
/// How long the search for a small difference may take, for one scenario.
const SEARCH: Duration = Duration::from_millis(8);
/// Bodies, both together, that are searched to the end whatever else the machine does: it cannot take long.
const SMALL: usize = 4096;

/// Tells what differs in the bodies, where the items of the evaluation do not say it, or say it longer.
pub(super) fn tell(context: &Context<'_>, near: &Near, is_nearest: bool, told: &mut Criterion) {
    let request = &context.index.scenario(near.at).request;
    let source = context.index.source(near.at);
    let expected = request.body.as_ref().and_then(|spec| (source.body)(spec)).unwrap_or_default();
    let call = context.call;
    let whole = told.differences.iter().any(|item| item.name.is_empty() && item.expected.is_none());
    let content_type = call.fields.text("content-type");
    if expected.len().saturating_add(call.body.len()) > MAX_BYTES {
        match whole {
            true if is_nearest => large::tell(context, &expected, content_type.as_deref(), told),
            true => {
                told.differences.clear();
                told.coarse = true;
                told.note = sizes(&expected, &call.body);
            }
            false => {}
        }
        return;
    }
    let got = context.mask.body(content_type.as_deref(), &call.body);
    if !whole {
        return shorter(&expected, &got, told);
    }
    let own = request.media_type.as_deref().or(content_type.as_deref());
    let sides = [Side::of(own, &expected), Side::of(content_type.as_deref(), &got)];
    let mut section = Section::default();
    contents("", &sides, true, limits(expected.len() + got.len()), &mut section);
    told.coarse = section.is_coarse;
    match (section.lines.is_empty(), readable(&section.changes)) {
        (false, _) => {
            told.differences.clear();
            told.note = "the text differs".to_owned();
            told.lines = section.lines;
            told.lines.truncate(MAX_LINES);
            told.lines.iter_mut().for_each(|line| line.text = diff::around(&line.text, &line.text, MAX_VALUE).0);
        }
        (true, true) => {
            told.differences.clear();
            told.more = 0;
            put(section.changes, section.all, told);
        }
        (true, false) => {
            told.differences.clear();
            told.note = sizes(&expected, &call.body);
        }
    }
}

fn limits(bytes: usize) -> Limits {
    let search = if bytes <= SMALL { Duration::from_secs(1) } else { SEARCH };
    Limits { bytes: MAX_BYTES, deadline: Instant::now() + search }
}

/// Whether changes are by a place that has a name; bytes have none.
fn readable(changes: &[Change]) -> bool {
    !changes.is_empty() && !changes.iter().any(|change| change.pointer.starts_with("from byte"))
}

/// JSON whose arrays have one member more or less is told by what was added, not by all that stands elsewhere now; a
/// GraphQL document by its fields.
fn shorter(expected: &[u8], got: &[u8], told: &mut Criterion) {
    let (Ok(expected), Ok(got)) = (std::str::from_utf8(expected), std::str::from_utf8(got)) else { return };
    if let Some(item) = told.differences.iter().find(|item| item.name == "/query") {
        let document = |value: &Option<String>| value.as_deref().and_then(|it| serde_json::from_str::<String>(it).ok());
        let (whole_one, whole_other) = (member(expected), member(got));
        let both = (whole_one.or(document(&item.expected)), whole_other.or(document(&item.got)));
        if let (Some(one), Some(other)) = both
            && looks_like_graphql(&one)
            && looks_like_graphql(&other)
        {
            let fields = |text: &str| diff::graphql::fields(graphql_tokens(text));
            let changes = pairs::changes("", fields(&one), fields(&other));
            told.differences.retain(|item| item.name != "/query");
            let all = changes.len();
            return put(changes, all, told);
        }
    }
    let in_array = told.differences.iter().any(|item| {
        item.name.split('/').skip(1).any(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()))
    });
    let items = told.differences.len() + told.more;
    if !in_array || items < 2 {
        return;
    }
    let Some(found) =
        diff::tree::changes_by(expected, got, MAX_DIFFERENCES, limits(expected.len() + got.len()).deadline)
    else {
        return;
    };
    if found.all > 0 && found.all < items {
        told.coarse = found.is_coarse;
        told.differences.clear();
        told.more = 0;
        told.note = if found.all == 1 { "differs".to_owned() } else { format!("{} differences", found.all) };
        put(found.listed, found.all, told);
    }
}

/// The member `query` of a JSON text.
fn member(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    value.get("query")?.as_str().map(str::to_owned)
}

fn put(changes: Vec<Change>, all: usize, told: &mut Criterion) {
    let kept = changes.into_iter().take(MAX_DIFFERENCES).map(|change| {
        let (before, after) = match (&change.before, &change.after) {
            (Some(before), Some(after)) => {
                let (before, after) = diff::around(before, after, MAX_VALUE);
                (Some(before), Some(after))
            }
            (before, after) => {
                let cut = |value: &Option<String>| value.as_ref().map(|it| diff::around(it, it, MAX_VALUE).0);
                (cut(before), cut(after))
            }
        };
        Change { before, after, ..change }
    });
    told.changes = kept.collect();
    told.more += all.saturating_sub(told.changes.len());
}

/// Bytes are told of by size and by where they part.
pub(super) fn sizes(expected: &[u8], got: &[u8]) -> String {
    let at = diff::first_difference(expected, got).unwrap_or(0);
    format!("{} bytes expected, {} got, the first difference at byte {at}", expected.len(), got.len())
}
