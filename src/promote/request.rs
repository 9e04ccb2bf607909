//! What a scenario's request looks like: query, body, and the few fields that can decide a response.

use std::collections::{BTreeMap, BTreeSet};

use super::body::{self, Plan};
use super::canonical::{self, Lens, Seen};
use super::{Content, Decoded, Recorded, Side, is_placeholder};
use crate::collection::{
    BodySpec, Captures, Defaults, FieldLine, MatchParts, Place, PlacedMatcher, QueryPair, RequestSpec, Scenario, Stub,
};
use crate::matching::cookies_of;
use crate::model::fields::{is_hop_by_hop, is_steering};
use crate::model::media::{self, Kind};
use crate::model::{ContentHash, Field, Fields, RequestRecord, Shape};

/// Request fields that are known to decide responses; they are asked first, and on less evidence than others. A scenario
/// lists a field only where it was seen to decide.
pub(super) const DECIDING: [&str; 13] = [
    "authorization",
    "accept",
    "accept-language",
    "range",
    "if-none-match",
    "if-modified-since",
    "if-match",
    "x-api-version",
    "api-version",
    "x-github-api-version",
    "prefer",
    "x-requested-with",
    "origin",
];

/// Two requests with equal keys are alike, as far as query, captures and body go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct RequestKey(ContentHash);

/// What of a request is compared, in the forms of a stub file.
pub(super) struct Compared<'a> {
    pub(super) captures: &'a Captures,
    pub(super) query: &'a [QueryPair],
    pub(super) media_type: Option<&'a str>,
    pub(super) body: Option<&'a Content>,
}

impl Compared<'_> {
    /// The key under the rules of a stub.
    pub(super) fn key(&self, lens: &Lens<'_>, parts: MatchParts) -> RequestKey {
        let mut out = Vec::new();
        let captures = self.captures.iter().map(|(name, value)| (name.clone(), value.clone()));
        canonical::push_pairs(&mut out, lens, Place::Path, captures);
        if parts.query {
            canonical::push_pairs(&mut out, lens, Place::Query, self.query.iter().map(QueryPair::decoded));
        }
        if let Some(content) = self.body.filter(|_| parts.body) {
            canonical::push_text(&mut out, self.media_type.map(media::essence).unwrap_or_default().as_bytes());
            canonical::push_request_body(&mut out, lens, self.media_type, content);
        }
        RequestKey(ContentHash::of(&out))
    }
}

/// The query pairs of a request, as written.
pub(super) fn query_pairs(query: Option<&str>) -> Vec<QueryPair> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| QueryPair(pair.replace('#', "%23"))).collect()
}

/// The media type of a request's body; its parameters only where the body cannot be read without them.
pub(super) fn media_type(fields: &Fields) -> Option<String> {
    let written = fields.text("content-type")?;
    match Kind::of(Some(&written)) {
        Kind::Multipart => Some(written.into_owned()),
        _ => Some(media::essence(&written)).filter(|essence| !essence.is_empty()),
    }
}

/// The body of a request, if it has one.
pub(super) fn body_of(decoded: &Decoded) -> Option<&Content> {
    Some(&decoded.content).filter(|content| !content.is_empty())
}

/// What the scenario of this request asks for, without fields, and the plan of its body.
pub(super) fn spec(recorded: &Recorded, captures: Captures) -> (RequestSpec, Option<Plan>) {
    let request = &recorded.exchange.request;
    let plan = body_of(&recorded.request).map(|_| {
        let content_type = request.fields.text("content-type");
        body::plan(&recorded.request, content_type.as_deref(), recorded.exchange.number, Side::Request)
    });
    let spec = RequestSpec {
        captures,
        query: query_pairs(request.query.as_deref()),
        fields: Vec::new(),
        media_type: if plan.is_some() { media_type(&request.fields) } else { None },
        body: None,
        matchers: Vec::new(),
    };
    (spec, plan)
}

/// Fields that never decide: of the connection and the framing, of the client and its way, and what is new in each call.
const NEVER: [&str; 30] = [
    "host",
    "date",
    "user-agent",
    "cookie",
    "content-length",
    "content-type",
    "content-encoding",
    "accept-encoding",
    "cache-control",
    "pragma",
    "referer",
    "dnt",
    "priority",
    "upgrade-insecure-requests",
    "forwarded",
    "via",
    "x-real-ip",
    "traceparent",
    "tracestate",
    "baggage",
    "sentry-trace",
    "newrelic",
    "expect",
    "digest",
    "content-digest",
    "content-md5",
    "signature",
    "signature-input",
    "alt-used",
    "proxy-authorization",
];
/// Parts of the names of such fields.
const NEVER_PARTS: [&str; 18] = [
    "sec-",
    "x-forwarded-",
    "request-id",
    "requestid",
    "correlation",
    "trace",
    "b3-",
    "span",
    "idempotency",
    "x-amz-",
    "amz-sdk-",
    "x-goog-",
    "x-stainless-",
    "x-datadog-",
    "csrf",
    "xsrf",
    "timestamp",
    "nonce",
];
/// Longer values decide nothing.
const LONGEST: usize = 200;

/// A request field that may decide: its name in lower case, and its first line as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) line: Field,
}

/// The fields of a request that may decide, sorted by name; those that scenarios of its stub list are among them.
pub(super) fn candidates(request: &RequestRecord, listed: &[String]) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for line in request.fields.iter() {
        let name = line.name.to_ascii_lowercase();
        let is_known = DECIDING.contains(&name.as_str()) || listed.contains(&name);
        if (is_known || may_decide(&name, line)) && !found.iter().any(|candidate| candidate.name == name) {
            found.push(Candidate { name, line: line.clone() });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// Whether a field that nobody knows could decide: its value is no moment, no number that counts, and not made up.
fn may_decide(name: &str, line: &Field) -> bool {
    let never = NEVER.contains(&name)
        || NEVER_PARTS.iter().any(|part| name.contains(part))
        || is_hop_by_hop(name)
        || is_steering(name);
    if never || line.value.len() > LONGEST {
        return false;
    }
    let value = line.text();
    match Shape::of(value.trim()) {
        Some(Shape::Date) | None => true,
        Some(Shape::Integer) => value.trim().len() <= 4,
        Some(_) => false,
    }
}

/// A field value as it is compared: a masked one stands for any, an `Authorization` keeps its scheme.
pub(super) fn comparable(line: &Field) -> String {
    let value = line.text();
    if !is_placeholder(&value) {
        return canonical::without_placeholders(value.trim()).into_owned();
    }
    let scheme = value.trim().split_once(' ').map(|(scheme, _)| scheme).filter(|_| line.is("authorization"));
    format!("\0{}", scheme.unwrap_or_default().to_ascii_lowercase())
}

/// Whether the fields that a scenario lists are in this request; of cookies each that is listed, whatever there is beside
/// them. `seen` is what the rules let be seen of an item.
pub(super) fn holds(listed: &[FieldLine], request: &RequestRecord, seen: &dyn Fn(Place, &str) -> Seen) -> bool {
    listed.iter().all(|FieldLine(line)| {
        let of_line = seen(Place::Field, &line.name);
        if line.is("cookie") && of_line == Seen::Value {
            return holds_cookies(line, request, seen);
        }
        let expected = comparable(line);
        let is_it = |field: &Field| of_line.hides(&field.text()) || comparable(field) == expected;
        of_line == Seen::Nothing || request.fields.iter().any(|field| field.is(&line.name) && is_it(field))
    })
}

/// Whether one of these matchers asks for a field to be absent that this request has.
pub(super) fn has_unwanted(matchers: &[PlacedMatcher], request: &RequestRecord) -> bool {
    matchers.iter().filter_map(unwanted).any(|name| request.fields.iter().any(|field| field.is(name)))
}

/// The field that a matcher asks to be absent.
pub(super) fn unwanted(matcher: &PlacedMatcher) -> Option<&str> {
    (matcher.place == Place::Field && matcher.is.absent).then_some(matcher.name.as_str())
}

/// The fields that scenarios list, or ask to be absent: names in lower case, sorted. Cookies are compared one by one, and
/// what the defaults of their stub ask for they have anyway.
pub(super) fn listed<'s>(scenarios: impl Iterator<Item = &'s Scenario>, defaults: &Defaults) -> Vec<String> {
    let names = |scenario: &'s Scenario| {
        let lines = scenario.request.fields.iter().map(|line| line.0.name.as_str());
        lines.chain(scenario.request.matchers.iter().filter_map(unwanted))
    };
    let is_own = |name: &String| name != "cookie" && !defaults.fields.iter().any(|line| line.0.is(name));
    let found: BTreeSet<String> = scenarios.flat_map(names).map(str::to_ascii_lowercase).filter(is_own).collect();
    found.into_iter().collect()
}

/// The matchers by which scenarios of a stub ask for a listed field to be absent, by its name in lower case.
pub(super) fn absent(stub: &Stub) -> BTreeMap<String, PlacedMatcher> {
    let listed = listed(stub.scenarios.iter(), &stub.defaults);
    let matchers = stub.scenarios.iter().flat_map(|scenario| &scenario.request.matchers);
    let named = matchers.filter_map(|matcher| Some((unwanted(matcher)?.to_ascii_lowercase(), matcher.clone())));
    let mut absent: BTreeMap<String, PlacedMatcher> = named.collect();
    absent.retain(|name, _| listed.contains(name));
    absent
}

/// These lines, and before them those of others whose fields are not among them.
pub(super) fn joined(own: &[FieldLine], others: &[FieldLine]) -> Vec<FieldLine> {
    let is_other = |line: &&FieldLine| !own.iter().any(|known| known.0.is(&line.0.name));
    others.iter().filter(is_other).chain(own).cloned().collect()
}

fn holds_cookies(line: &Field, request: &RequestRecord, seen: &dyn Fn(Place, &str) -> Seen) -> bool {
    let (listed, got) = (cookies_of(&[line.clone()].into_iter().collect()), cookies_of(&request.fields));
    listed.into_iter().all(|(name, value)| {
        let of_cookie = seen(Place::Cookie, &name);
        let is_it = |got: &str| of_cookie.hides(got) || *got == value || is_placeholder(&value) || is_placeholder(got);
        of_cookie == Seen::Nothing || got.iter().any(|(known, got)| *known == name && is_it(got))
    })
}

/// What a scenario asks for with its stub's defaults filled in: query and fields.
pub(super) fn effective(spec: &RequestSpec, defaults: &Defaults) -> (Vec<QueryPair>, Vec<FieldLine>) {
    let name = |pair: &QueryPair| pair.decoded().0;
    let own: Vec<_> = spec.query.iter().map(name).collect();
    let mut query: Vec<_> = defaults.query.iter().filter(|pair| !own.contains(&name(pair))).cloned().collect();
    query.extend(spec.query.iter().cloned());
    let replaced = |line: &&FieldLine| !spec.fields.iter().any(|own| own.0.is(&line.0.name));
    let mut fields: Vec<_> = defaults.fields.iter().filter(replaced).cloned().collect();
    fields.extend(spec.fields.iter().cloned());
    (query, fields)
}

/// What is seen of fields and cookies while nobody knows yet what differs from recording to recording: of cookies, that
/// they are there.
pub(super) fn before_rules(place: Place, _: &str) -> Seen {
    if place == Place::Cookie { Seen::Presence } else { Seen::Value }
}

/// Whether a scenario of this request in this stub would inherit nothing that the request does not have.
pub(super) fn fits_defaults(stub: &Stub, request: &RequestRecord, seen: &dyn Fn(Place, &str) -> Seen) -> bool {
    let names: Vec<_> = query_pairs(request.query.as_deref()).iter().map(|pair| pair.decoded().0).collect();
    stub.defaults.query.iter().all(|pair| names.contains(&pair.decoded().0))
        && holds(&stub.defaults.fields, request, seen)
}

/// The key of a committed scenario, its body read by `content`; `None` when the body is gone.
pub(super) fn committed_key(
    stub: &Stub,
    spec: &RequestSpec,
    lens: &Lens<'_>,
    content: &dyn Fn(&BodySpec) -> Option<Content>,
) -> Option<RequestKey> {
    let body = match &spec.body {
        Some(body) => Some(content(body)?),
        None => None,
    };
    let (query, _) = effective(spec, &stub.defaults);
    let compared = Compared {
        captures: &spec.captures,
        query: &query,
        media_type: spec.media_type.as_deref(),
        body: body.as_ref().filter(|content| !content.is_empty()),
    };
    Some(compared.key(lens, stub.parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_its_pairs() {
        let pairs = query_pairs(Some("a=1&&b=%20&flag"));
        assert_eq!(pairs.iter().map(|pair| pair.0.as_str()).collect::<Vec<_>>(), ["a=1", "b=%20", "flag"]);
        assert!(query_pairs(None).is_empty() && query_pairs(Some("")).is_empty());
    }

    #[test]
    fn media_types_keep_what_the_body_needs() {
        for (written, kept) in [
            ("application/json; charset=utf-8", "application/json"),
            ("multipart/form-data; boundary=xyz", "multipart/form-data; boundary=xyz"),
        ] {
            let fields: Fields = [Field::new("Content-Type", written)].into_iter().collect();
            assert_eq!(media_type(&fields).as_deref(), Some(kept));
        }
    }
}
