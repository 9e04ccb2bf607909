//! Changes of what matters in a request: one thing at a time, everything else as it was.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::talk::{Call, Sent};
use super::world::{MADE_UP, World, settled};

/// A request with one thing changed.
pub struct Changed {
    /// What was changed, in words.
    pub what: String,
    pub sent: Sent,
}

/// What a change makes of a number.
const MORE: i64 = 7919;

/// Every change of the requests of a flow that matters: its method, a segment of its path, a pair of its query, a member
/// of its JSON or form, a text in its other bodies. What was made up for the take is no such thing: another value of it
/// is only another take. Requests that would be the same but for that come once.
pub fn of(calls: &[Call], world: &World, swaps: &[(&str, &str)]) -> Vec<Changed> {
    let methods: BTreeSet<&str> = calls.iter().map(|call| call.sent.method.as_str()).collect();
    let made_up: BTreeSet<String> = calls.iter().flat_map(|call| made_up_places(&call.sent, world)).collect();
    let unused = ["PUT", "PATCH", "DELETE", "POST", "PURGE"].into_iter().find(|method| !methods.contains(method));
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for Call { sent, .. } in calls {
        let mut one = vec![changed("method", Sent { method: unused.unwrap().to_owned(), ..sent.clone() })];
        one.extend(in_target(sent, world));
        // Nothing where there may be a cursor or an id is the first page, or nobody's: another value is another take.
        one.extend(in_body(sent, world, swaps).into_iter().filter(|one| !made_up.contains(&one.what)));
        all.extend(one.into_iter().filter(|one| seen.insert(meaning(&one.sent, world))));
    }
    all
}

/// The requests of a flow with another id of the same flow in the place of one in their path.
pub fn swapped(calls: &[Call], world: &World) -> Vec<Changed> {
    let mut known: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let places: Vec<_> = calls.iter().map(|call| (call, made_up_in(&call.sent.target, world))).collect();
    for (before, value, _) in places.iter().flat_map(|(_, places)| places) {
        known.entry(settled(before, &[world])).or_default().insert(value);
    }
    let mut all = Vec::new();
    for (Call { sent, .. }, places) in &places {
        for (before, value, after) in places {
            for other in known[&settled(before, &[world])].iter().filter(|other| *other != value) {
                let target = format!("{before}{other}{after}");
                all.push(changed(format!("{value} by {other}"), Sent { target, ..sent.clone() }));
            }
        }
    }
    all
}

/// The made-up segments of a target's path, each with what stands before and after it.
fn made_up_in<'t>(target: &'t str, world: &World) -> Vec<(&'t str, &'t str, &'t str)> {
    let mut found = Vec::new();
    let mut begin = 0;
    let path = target.find('?').unwrap_or(target.len());
    for end in target[..path].match_indices('/').map(|(at, _)| at).chain([path]) {
        let value = &target[begin..end];
        if !value.is_empty() && settled(value, &[world]) == MADE_UP {
            found.push((&target[..begin], value, &target[end..]));
        }
        begin = end + 1;
    }
    found
}

/// Where the JSON of a request has what was made up, named as a change of it would be.
fn made_up_places(sent: &Sent, world: &World) -> Vec<String> {
    let Ok(json) = serde_json::from_slice::<Value>(&sent.body) else { return Vec::new() };
    let mut places = Vec::new();
    leaves(&json, String::new(), &mut places);
    places.retain(|place| json.pointer(place).is_some_and(|leaf| !leaf.is_null() && other_leaf(leaf, world).is_none()));
    places.into_iter().map(|place| format!("json {place}")).collect()
}

/// A request without what was made up for the take.
pub fn meaning(sent: &Sent, world: &World) -> String {
    let body = String::from_utf8_lossy(&sent.body);
    settled(&format!("{} {}\n{body}", sent.method, sent.target), &[world])
}

fn changed(what: impl Into<String>, sent: Sent) -> Changed {
    Changed { what: what.into(), sent }
}

/// Another value; `None` for one that was made up.
fn other(value: &str, world: &World) -> Option<String> {
    if settled(value, &[world]).contains('•') {
        return None;
    }
    Some(match value.parse::<i64>() {
        Ok(number) => (number + MORE).to_string(),
        Err(_) if value == "true" => "false".into(),
        Err(_) if value == "false" => "true".into(),
        Err(_) => format!("{value}x"),
    })
}

fn in_target(sent: &Sent, world: &World) -> Vec<Changed> {
    let (path, query) =
        sent.target.split_once('?').map_or((sent.target.as_str(), None), |(path, query)| (path, Some(query)));
    let segments: Vec<&str> = path.split('/').collect();
    let mut all = Vec::new();
    for (at, segment) in segments.iter().enumerate().filter(|(_, segment)| !segment.is_empty()) {
        if settled(segment, &[world]).contains('•') {
            continue;
        }
        let mut segments: Vec<String> = segments.iter().map(ToString::to_string).collect();
        // No number becomes another one: that may be an id, and an unknown id is another take.
        segments[at].push('x');
        let target = segments.join("/") + &query.map(|query| format!("?{query}")).unwrap_or_default();
        all.push(changed(format!("path /{segment}"), Sent { target, ..sent.clone() }));
    }
    let pairs: Vec<&str> = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).collect();
    for (at, pair) in pairs.iter().enumerate() {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned());
        // What belongs to a signature is as made up as the signature.
        if decoded.is_none_or(|value| other(&value, world).is_none()) || name.starts_with("X-Amz-") {
            continue;
        }
        let mut pairs: Vec<String> = pairs.iter().map(ToString::to_string).collect();
        pairs[at] = format!("{name}={}", other(value, world).unwrap_or_default());
        all.push(changed(
            format!("query {name}"),
            Sent { target: format!("{path}?{}", pairs.join("&")), ..sent.clone() },
        ));
    }
    all
}

fn in_body(sent: &Sent, world: &World, swaps: &[(&str, &str)]) -> Vec<Changed> {
    let text = String::from_utf8_lossy(&sent.body).into_owned();
    if let Ok(json) = serde_json::from_str::<Value>(&text) {
        let mut places = Vec::new();
        leaves(&json, String::new(), &mut places);
        let with = |place: String| {
            let mut json = json.clone();
            let leaf = json.pointer_mut(&place)?;
            *leaf = other_leaf(leaf, world)?;
            Some(changed(format!("json {place}"), Sent { body: json.to_string().into_bytes(), ..sent.clone() }))
        };
        return places.into_iter().filter_map(with).collect();
    }
    let is_form = sent.fields.iter().any(|(_, value)| value == "application/x-www-form-urlencoded");
    if is_form {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(&sent.body).into_owned().collect();
        let with = |at: usize| {
            let mut pairs = pairs.clone();
            pairs[at].1 = other(&pairs[at].1, world)?;
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            Some(changed(format!("form {}", pairs[at].0), Sent { body: body.into_bytes(), ..sent.clone() }))
        };
        return (0..pairs.len()).filter_map(with).collect();
    }
    let with = |(from, to): &(&str, &str)| {
        let body = text.contains(from).then(|| text.replace(from, to))?;
        Some(changed(format!("body {from}"), Sent { body: body.into_bytes(), ..sent.clone() }))
    };
    swaps.iter().filter_map(with).collect()
}

fn leaves(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| leaves(value, format!("{at}/{name}"), places));
        }
        Value::Array(all) => all.iter().enumerate().for_each(|(n, value)| leaves(value, format!("{at}/{n}"), places)),
        _ => places.push(at),
    }
}

fn other_leaf(leaf: &Value, world: &World) -> Option<Value> {
    match leaf {
        Value::String(text) if text.parse::<i64>().is_ok() => Some(Value::String(other(text, world)?)),
        Value::String(text) => other(text, world).map(|_| Value::String(format!("{text}x"))),
        Value::Number(number) => other(&number.to_string(), world)?.parse::<i64>().ok().map(Value::from),
        Value::Bool(is) => Some(Value::Bool(!is)),
        _ => Some(Value::String("x".into())),
    }
}
