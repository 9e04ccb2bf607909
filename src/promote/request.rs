//! What a scenario's request looks like: query, body, and the few fields that can decide a response.

use std::collections::BTreeMap;

use super::body::{self, Plan};
use super::canonical::{self, Lens};
use super::{Content, Decoded, Recorded, Side, is_placeholder};
use crate::collection::{BodySpec, Defaults, FieldLine, MatchParts, Place, QueryPair, RequestSpec, Stub};
use crate::model::media::{self, Kind};
use crate::model::{ContentHash, Field, Fields, RequestRecord};

/// Request fields that may decide a response; a scenario lists one only where it was seen to do so. Never among them:
/// hop-by-hop, date, tracing and user-agent fields, cookies.
const DECIDING: [&str; 13] = [
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
    pub(super) captures: &'a BTreeMap<String, String>,
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
pub(super) fn spec(recorded: &Recorded, captures: BTreeMap<String, String>) -> (RequestSpec, Option<Plan>) {
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
    };
    (spec, plan)
}

/// A request field that may decide: which of [`DECIDING`], and its first line as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) which: usize,
    pub(super) line: Field,
}

/// How many fields may decide.
pub(super) const CANDIDATES: usize = DECIDING.len();

/// The deciding fields that a request has.
pub(super) fn candidates(request: &RequestRecord) -> Vec<Candidate> {
    let line = |(which, name): (usize, &&str)| {
        let line = request.fields.iter().find(|field| field.is(name))?.clone();
        Some(Candidate { which, line })
    };
    DECIDING.iter().enumerate().filter_map(line).collect()
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

/// Whether the fields that a scenario lists are in this request.
pub(super) fn holds(listed: &[FieldLine], request: &RequestRecord) -> bool {
    listed.iter().all(|FieldLine(line)| {
        let expected = comparable(line);
        request.fields.iter().any(|field| field.is(&line.name) && comparable(field) == expected)
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

/// Whether a scenario of this request in this stub would inherit nothing that the request does not have.
pub(super) fn fits_defaults(stub: &Stub, request: &RequestRecord) -> bool {
    let names: Vec<_> = query_pairs(request.query.as_deref()).iter().map(|pair| pair.decoded().0).collect();
    stub.defaults.query.iter().all(|pair| names.contains(&pair.decoded().0)) && holds(&stub.defaults.fields, request)
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
