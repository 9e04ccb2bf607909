//! What a new scenario for a missed call asks for: the call's own request, secrets masked.

use serde_json::Value;

use crate::collection::body::style_of;
use crate::collection::{
    BodySpec, FieldLine, Matcher, PathPattern, Place, PlacedMatcher, QueryPair, RequestSpec, Scenario, SegmentPattern,
    slug,
};
use crate::matching::{Near, Part};
use crate::model::media::{self, Kind};
use crate::model::{Field, path};

use super::super::{Context, query_pairs};

/// Larger bodies are not written into a change: any body will do then.
const MAX_INLINE: usize = 8 * 1024;
/// Arrays of one body that may come in any order.
const MAX_ARRAYS: usize = 3;
/// Characters of a scenario's name.
const MAX_NAME: usize = 40;

/// The request of the call for a stub of this path; fields are those that the scenario lists.
pub(super) fn request(context: &Context<'_>, path: &PathPattern, like: &Scenario) -> RequestSpec {
    let (call, mask) = (context.call, context.mask);
    let segments = path::segments(&call.path).zip(path.segments());
    let captures = segments.filter_map(|(segment, pattern)| {
        let name = pattern.capture()?;
        Some((name.to_owned(), mask.value(Part::Captures, name, segment)))
    });
    let query = query_pairs(context).map(QueryPair);
    let mut request = RequestSpec { captures: captures.collect(), query: query.collect(), ..RequestSpec::default() };
    let mut names: Vec<&str> = Vec::new();
    for line in &like.request.fields {
        if !names.iter().any(|name| line.0.is(name)) {
            names.push(&line.0.name);
        }
    }
    for name in names {
        let lines = call.fields.iter().filter(|field| field.is(name));
        let masked = lines.map(|field| mask.value(Part::Fields, name, &field.text()));
        request.fields.extend(masked.map(|value| FieldLine(Field::new(name, value.as_str()))));
    }
    if !call.body.is_empty() {
        add_body(context, &mut request);
    }
    request
}

fn add_body(context: &Context<'_>, request: &mut RequestSpec) {
    let call = context.call;
    let written = call.fields.text("content-type");
    request.media_type = match Kind::of(written.as_deref()) {
        Kind::Multipart => written.as_deref().map(str::to_owned),
        _ => written.as_deref().map(media::essence).filter(|essence| !essence.is_empty()),
    };
    if is_too_large(context) {
        let is = Matcher { present: true, ..Matcher::default() };
        request.matchers.push(PlacedMatcher { place: Place::Body, name: String::new(), is });
        return;
    }
    let masked = context.mask.body(written.as_deref(), &call.body);
    request.body = Some(body(&masked, written.as_deref()));
}

/// Whether the call's body is not written into a change.
fn is_too_large(context: &Context<'_>) -> bool {
    context.call.body.len() > MAX_INLINE
}

/// The body as it stands in a stub file.
fn body(bytes: &[u8], content_type: Option<&str>) -> BodySpec {
    if Kind::of(content_type) == Kind::Json
        && let Some((value, style)) = style_of(bytes)
    {
        return BodySpec { json: Some(value.into()), style, ..BodySpec::default() };
    }
    let odd = |character: char| character.is_control() && !matches!(character, '\n' | '\r' | '\t');
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(odd) && !text.contains('\u{feff}') => {
            BodySpec { text: Some(text.to_owned()), ..BodySpec::default() }
        }
        _ => {
            use base64::Engine;
            let coded = base64::engine::general_purpose::STANDARD.encode(bytes);
            BodySpec { base64: Some(coded), ..BodySpec::default() }
        }
    }
}

/// Whether the scenario takes whatever body comes, because that of the call is too large to be written down.
pub(super) fn takes_any_body(request: &RequestSpec) -> bool {
    request.matchers.iter().any(|matcher| matcher.place == Place::Body)
}

/// A name for the new scenario: what is new in the call, else that of the one that is nearest, which gets a number.
pub(super) fn name(context: &Context<'_>, near: &Near, like: &Scenario) -> String {
    // A body that is not asked for names nothing.
    let parts = [Part::Captures, Part::Query, Part::Body];
    let parts = parts.into_iter().filter(|part| *part != Part::Body || !is_too_large(context));
    let items = parts.flat_map(|part| near.evaluation.part(part).items.iter().map(move |it| (part, it)));
    let value = |(part, item): (Part, &crate::matching::Item)| {
        let got = item.got.as_deref().filter(|got| got.len() <= MAX_NAME && !item.name.is_empty())?;
        let shown = context.mask.value(part, &item.name, got);
        let name = context.mask.text(&item.name);
        let last = name.rsplit('/').next().unwrap_or_default();
        let words = if part == Part::Captures { slug(&shown) } else { slug(&format!("{last}-{shown}")) };
        (shown == got && name == item.name && !words.is_empty() && words.len() <= MAX_NAME).then_some(words)
    };
    items.filter_map(value).next().unwrap_or_else(|| like.name.clone())
}

/// What lets arrays of a JSON body come in any order: those in which all differences lie, if both sides have the same
/// elements in them. None of a large body, which is not written into a change.
pub(super) fn in_any_order(near: &Near, expected: &[u8], got: &[u8]) -> Option<Vec<PlacedMatcher>> {
    let items = &near.evaluation.part(Part::Body).items;
    if items.is_empty() || expected.len() > MAX_INLINE || got.len() > MAX_INLINE {
        return None;
    }
    let (ours, theirs): (Value, Value) = (serde_json::from_slice(expected).ok()?, serde_json::from_slice(got).ok()?);
    let mut matchers: Vec<PlacedMatcher> = Vec::new();
    for item in items {
        // The outermost array in which the item lies.
        let cuts = item.name.char_indices().filter(|(at, it)| *it == '/' && *at > 0).map(|(at, _)| at);
        let pointer =
            cuts.map(|at| &item.name[..at]).find(|pointer| ours.pointer(pointer).is_some_and(Value::is_array))?;
        if matchers.iter().any(|matcher| matcher.name == pointer) {
            continue;
        }
        let value = ours.pointer(pointer)?;
        if !same_elements(value.as_array()?, theirs.pointer(pointer)?.as_array()?) || matchers.len() == MAX_ARRAYS {
            return None;
        }
        let is = Matcher { equals: Some(value.clone()), any_order: true, ..Matcher::default() };
        matchers.push(PlacedMatcher { place: Place::Json, name: pointer.to_owned(), is });
    }
    Some(matchers)
}

fn same_elements(ours: &[Value], theirs: &[Value]) -> bool {
    let texts = |values: &[Value]| {
        let mut texts: Vec<String> = values.iter().map(Value::to_string).collect();
        texts.sort_unstable();
        texts
    };
    ours.len() == theirs.len() && texts(ours) == texts(theirs)
}

/// The call's path as a pattern, with the captures of a near one where they are at the same place.
pub(super) fn pattern(near: &PathPattern, call: &str) -> PathPattern {
    let literal = PathPattern::literal(call);
    let (ours, theirs) = (near.segments(), literal.segments());
    let ends_empty = |segments: &[SegmentPattern]| {
        matches!(segments.last(), Some(SegmentPattern::Literal(last)) if last.is_empty()) && segments.len() > 1
    };
    let bare = |segments: &[SegmentPattern]| segments.len() - usize::from(ends_empty(segments));
    if bare(ours) != bare(theirs) {
        return literal;
    }
    let segments = theirs.iter().enumerate().map(|(at, segment)| match ours.get(at) {
        Some(capture @ (SegmentPattern::Capture(_) | SegmentPattern::Regex(_))) if at < bare(ours) => capture.clone(),
        _ => segment.clone(),
    });
    PathPattern::from_segments(segments.collect())
}
