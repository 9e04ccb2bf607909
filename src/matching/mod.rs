//! Matching: which scenario answers a request, and why the others do not. Pure; no clock, no disk.
//!
//! Every candidate is evaluated once; score, verdict per part and reasons come out of that one evaluation, and
//! `explain`, the miss report and the call log are views of it. The rule, the weights and worked examples stand in
//! `docs/matching.md`.
//!
//! [`Index`] finds the candidates by origin, method and path; [`Evaluation`] is one of them compared with the call;
//! the order among them is in `order`; [`Miss`] is what is left when none qualifies.

mod body;
mod conditions;
mod evaluation;
mod expected;
mod graphql;
mod index;
mod json;
mod ladder;
mod likeness;
mod lookup;
mod matcher;
#[cfg(test)]
mod matcher_cases;
mod multipart;
mod near;
mod order;
mod pairs;
mod paths;
mod placeholder;
#[cfg(test)]
mod postman_cases;
#[cfg(test)]
pub(crate) mod properties;
mod received;
mod recorded;
mod rules;
mod state;
mod steering;

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::collection::{Collection, Rule, Scenario, Stub};
use crate::model::{Authority, Fields, Origin};

pub(crate) use body::MAX_STRUCTURED;
pub use body::text_of as body_text;
pub use evaluation::{
    BODY_WEIGHT, Evaluation, FIELDS_WEIGHT, Item, Part, PartResult, Points, QUERY_WEIGHT, Tally, Verdict,
};
pub use graphql::{looks_like as looks_like_graphql, tokens as graphql_tokens};
pub use index::{Index, Ranked};
pub use ladder::Rung;
pub use likeness::PathFault;
pub use multipart::{MultiPart, parse as multipart_parts};
pub use near::{Miss, Near, Reason, Standing};
pub use order::Decider;
pub use pairs::cookies_of;
pub use paths::path_fits;
pub use recorded::RecordedValues;
pub use rules::covered;
pub use state::{FreshValue, State, Untouched};
pub use steering::{MATCH_BODY, Steering, match_body};

/// Where a call says it goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Target {
    /// Through the proxy, or by `/@HOST`: this origin.
    Origin(Origin),
    /// A plain call whose `Host` is one of a served collection: scheme ignored.
    Authority(Authority),
    /// A plain call to our own address: every origin competes.
    #[default]
    Any,
}

/// A request as matching sees it.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// The method, as written.
    pub method: String,
    /// Where it goes.
    pub target: Target,
    /// The path, as written.
    pub path: String,
    /// The query, as written.
    pub query: Option<String>,
    /// The header field lines.
    pub fields: Fields,
    /// The body, content coding undone where it could be.
    pub body: Bytes,
    /// What it asks of the mock; its fields are not among `fields`.
    pub steering: Steering,
    /// When it came, for dates that must lie near the present.
    pub at: Timestamp,
}

impl Call {
    /// The request that a scenario stands for, as a call through the proxy. `body` is what its request body stands for.
    pub fn of(stub: &Stub, scenario: &Scenario, body: Bytes) -> Call {
        let mut fields: Fields = stub.fields_of(scenario).into_iter().map(|line| line.0.clone()).collect();
        if let Some(media_type) = scenario.request.media_type.as_ref().filter(|_| !fields.has("content-type")) {
            fields.push("Content-Type", media_type.as_bytes());
        }
        let target = stub.example_target(scenario);
        let (path, query) = crate::model::path::split_target(&target);
        Call {
            method: stub.method.clone(),
            target: Target::Origin(stub.origin.example()),
            path: path.to_owned(),
            query: query.map(str::to_owned),
            fields,
            body,
            ..Call::default()
        }
    }
}

/// The body of a scenario's request, resolved: what `collection::BodySpec` stands for, decoded.
pub type RequestBody = Option<Bytes>;

/// One collection to be served, with the request bodies that live in files already read.
pub struct Source {
    /// The name under which reports speak of it.
    pub name: String,
    /// What a command line takes for it: the name, or the path of its folder.
    pub given: String,
    /// The files.
    pub collection: Arc<Collection>,
    /// Reads the bytes of a body spec of this collection.
    pub body: Arc<dyn Fn(&crate::collection::BodySpec) -> RequestBody + Send + Sync>,
    /// Which values mean themselves: [`RecordedValues::of`] the collection, with its answers.
    pub recorded: Arc<RecordedValues>,
}

/// A scenario by its place: collection, stub and scenario by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScenarioRef {
    /// Position of the collection in the sources.
    pub collection: usize,
    /// Position of the stub in the collection.
    pub stub: usize,
    /// Position of the scenario in the stub.
    pub scenario: usize,
}

/// What came out for a call.
#[allow(
    clippy::large_enum_variant,
    reason = "one at a time lives, on the stack; a box would cost each hit an allocation"
)]
pub enum Selection {
    /// A scenario answers.
    Hit(Hit),
    /// None does.
    Miss(Miss),
}

/// The chosen scenario.
pub struct Hit {
    /// Which.
    pub at: ScenarioRef,
    /// How well it matched.
    pub evaluation: Evaluation,
}

/// Whether `scenario` of `stub` is an exact hit for `call`: the test by which promotion calls two requests alike.
/// `rules` are the collection's (the stub's own are taken from it); `body` is what the scenario's request body stands
/// for. Whether the scenario is disabled or the default plays no part.
pub fn is_exact(stub: &Stub, scenario: &Scenario, rules: &[Rule], body: Option<&Bytes>, call: &Call) -> bool {
    Candidate::new(stub, scenario, rules, body).is_exact(call)
}

/// One scenario, compiled by itself, to be compared with many calls.
pub struct Candidate {
    stub: expected::CompiledStub,
    scenario: expected::Expected,
}

impl Candidate {
    /// Compiles a scenario; the arguments are those of [`is_exact`].
    pub fn new(stub: &Stub, scenario: &Scenario, rules: &[Rule], body: Option<&Bytes>) -> Self {
        Candidate::among(stub, scenario, rules, body, &|_| None, &RecordedValues::default())
    }

    /// The same, where bodies of the stub's other scenarios lie in files: `bodies` reads them, so that a value in one of
    /// them is not taken for a fresh one, nor one of `recorded`.
    pub fn among(
        stub: &Stub,
        scenario: &Scenario,
        rules: &[Rule],
        body: Option<&Bytes>,
        bodies: &dyn Fn(&crate::collection::BodySpec) -> Option<Bytes>,
        recorded: &RecordedValues,
    ) -> Self {
        let at = ScenarioRef { collection: 0, stub: 0, scenario: 0 };
        Candidate {
            stub: expected::CompiledStub::new(
                stub,
                "",
                std::sync::Arc::new(rules::Rules::new(stub, rules, bodies, recorded)),
            ),
            scenario: expected::Expected::new(
                stub,
                scenario,
                at,
                body.cloned(),
                &conditions::of_rules(&stub.rules, rules),
            ),
        }
    }

    /// Whether it is an exact hit for `call`, which must have the stub's origin, method and path.
    pub fn is_exact(&self, call: &Call) -> bool {
        self.evaluate(call).is_some_and(|evaluation| evaluation.is_exact())
    }

    /// The comparison with `call`; none if origin, method or path differ.
    pub fn evaluate(&self, call: &Call) -> Option<Evaluation> {
        let origin = match &call.target {
            Target::Origin(origin) => self.stub.origin.matches(origin),
            Target::Authority(authority) => self.stub.origin.matches_authority(authority),
            Target::Any => true,
        };
        let received = received::Received::new(call);
        let gates = origin && self.stub.method == call.method && paths::accepts(&self.stub.segments, received.path());
        gates.then(|| self.scenario.evaluate(&self.stub, &received))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! Collections and calls in a line each, for the tests of this layer and above.

    use super::*;
    use crate::collection::{BodySpec, Manifest, QueryPair, RequestSpec, ResponseSpec, StubFile};

    /// A stub with one scenario: `METHOD [ORIGIN] PATH | NAME[*] [{capture=value}] [?query] [Field:value] [BODY]`.
    /// `*` makes it the default; the body is JSON, or else a form if it has a `=`, or else text.
    pub(crate) fn stub(text: &str) -> StubFile {
        let (head, tail) = text.split_once('|').expect("a bar");
        let head: Vec<&str> = head.split_whitespace().collect();
        let (origin, path) = match head[1..] {
            [origin, path] => (origin, path),
            _ => ("https://a.test", head[1]),
        };
        let scenario = scenario(tail.trim());
        let words: String = path.chars().map(|it| if it == '/' { '-' } else { it }).collect();
        let mut stub = Stub::new(head[0].into(), origin.parse().expect("an origin"), path.parse().expect("a path"));
        let host = stub.origin.host.clone();
        let file = format!("stubs/{host}/{}{words}-{}.json", head[0].to_lowercase(), scenario.name);
        stub.scenarios.push(scenario);
        StubFile { path: file, stub: stub.into() }
    }

    pub(crate) fn scenario(text: &str) -> Scenario {
        let (name, mut rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut request = RequestSpec::default();
        while let Some(first) = rest.chars().next() {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            if let Some(query) = word.strip_prefix('?') {
                request.query = query.split('&').filter(|it| !it.is_empty()).map(|it| QueryPair(it.into())).collect();
            } else if first == '{' && !word.contains([':', '"']) && word != "{}" {
                let (name, value) = word[1..word.len() - 1].split_once('=').expect("a capture");
                request.captures.insert(name.into(), value.into());
            } else if first.is_ascii_uppercase() && word.contains(':') {
                request.fields.push(word.parse().expect("a field"));
            } else {
                let (media_type, bytes) = body_of(rest);
                request.media_type = Some(media_type.into());
                request.body = Some(match serde_json::from_slice(&bytes) {
                    Ok(json) => BodySpec { json: Some(serde_json::Value::into(json)), ..BodySpec::default() },
                    Err(_) => BodySpec { text: Some(rest.into()), ..BodySpec::default() },
                });
                break;
            }
            rest = after;
        }
        let response = ResponseSpec {
            status: 200,
            reason: None,
            times: None,
            recorded_at: None,
            streamed: false,
            duration_ms: None,
            pace: Vec::new(),
            delay: None,
            fault: None,
            template: false,
            coding_unasked: false,
            fields: Vec::new(),
            body: None,
            trailers: Vec::new(),
        };
        Scenario {
            name: name.trim_end_matches('*').into(),
            default: name.ends_with('*'),
            disabled: false,
            priority: None,
            state: None,
            source: None,
            id: None,
            request,
            response: Some(std::sync::Arc::new(response)),
            responses: Vec::new(),
            end: None,
        }
    }

    fn body_of(text: &str) -> (&'static str, Bytes) {
        let bytes = Bytes::from(text.to_owned());
        let json = text.starts_with(['{', '[', '"']);
        match text.contains('=') {
            _ if json => ("application/json", bytes),
            true => ("application/x-www-form-urlencoded", bytes),
            false => ("text/plain", bytes),
        }
    }

    pub(crate) fn collection(origins: &[&str], stubs: &[&str]) -> Source {
        let origins = if origins.is_empty() { &["https://a.test"] } else { origins };
        let mut files: Vec<StubFile> = stubs.iter().map(|text| stub(text)).collect();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let origins = origins.iter().map(|origin| origin.parse().expect("an origin")).collect();
        let manifest = Manifest { origins, ..Manifest::new("test".into()) };
        source(Collection { manifest, stubs: files })
    }

    pub(crate) fn source(collection: Collection) -> Source {
        let body = |spec: &BodySpec| match (&spec.json, &spec.text) {
            (Some(json), _) => Some(Bytes::from(json.text().to_owned())),
            (_, Some(text)) => Some(Bytes::from(text.clone())),
            _ => None,
        };
        let recorded = Arc::new(RecordedValues::of(&collection, &body));
        let collection = Arc::new(collection);
        Source { name: "test".into(), given: "test".into(), collection, body: Arc::new(body), recorded }
    }

    /// Every scenario that can be used up is.
    pub(crate) struct UsedUp;

    impl State for UsedUp {
        fn is_used_up(&self, _: ScenarioRef) -> bool {
            true
        }
    }

    pub(crate) fn index(sources: Vec<Source>) -> Index {
        Index::new(sources)
    }

    /// A call: `METHOD [ORIGIN | //AUTHORITY | *] PATH[?QUERY] [Field:value] [BODY]`.
    pub(crate) fn call(line: &str) -> Call {
        let (method, mut rest) = line.split_once(' ').expect("a method");
        let mut target = Target::Origin("https://a.test".parse().expect("an origin"));
        if !rest.starts_with('/') || rest.starts_with("//") {
            let (text, after) = rest.split_once(' ').expect("a path");
            target = match text.strip_prefix("//") {
                Some(authority) => Target::Authority(Authority::parse(authority, 80).expect("an authority")),
                None if text == "*" => Target::Any,
                None => Target::Origin(text.parse().expect("an origin")),
            };
            rest = after;
        }
        let (url, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let (path, query) = crate::model::path::split_target(url);
        let mut call = Call {
            method: method.into(),
            target,
            path: path.into(),
            query: query.map(str::to_owned),
            ..Call::default()
        };
        while let Some(first) = rest.chars().next() {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            match word.split_once(':') {
                Some((name, value)) if first.is_ascii_uppercase() => call.fields.push(name, value),
                _ => {
                    let (media_type, bytes) = body_of(rest);
                    if !call.fields.has("content-type") {
                        call.fields.push("Content-Type", media_type);
                    }
                    call.body = bytes;
                    break;
                }
            }
            rest = after;
        }
        call.steering = Steering::take(&mut call.fields);
        call
    }

    pub(crate) fn name_of(index: &Index, at: ScenarioRef) -> &str {
        &index.scenario(at).name
    }
}
