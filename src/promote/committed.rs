//! The committed collection, made searchable: which stub a request belongs to, and which scenario is its own.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::answer::fingerprint;
use super::canonical::{Lens, without_placeholders};
use super::endpoint::{Endpoint, captures_of};
use super::group::Step;
use super::request::{self, Compared, RequestKey};
use super::{Content, Existing, Recorded};
use crate::collection::{BodySpec, RuleSide, Scenario, SegmentPattern, Stub};
use crate::matching::{Call, Candidate, RecordedValues, Target};
use crate::model::RequestRecord;

/// A committed scenario by its place: stub and scenario by position.
pub(super) type Place = (usize, usize);

/// So many scenarios that a fresh value may stand for are compared with its answers.
const FRESH: usize = 256;

/// Stands for every loopback host.
const LOOPBACK: &str = "localhost";

/// Finds committed stubs and scenarios. Disabled scenarios are found like the others: what a person switched off must
/// not come back as new.
pub(super) struct Committed<'a> {
    pub(super) existing: Existing<'a>,
    literal: HashMap<(String, String), Vec<usize>>,
    /// By method and host; all loopback hosts are one.
    patterns: HashMap<(String, String), Vec<usize>>,
    scenarios: HashMap<(usize, RequestKey), Vec<usize>>,
    /// The same, with all fresh values alike.
    alike: HashMap<(usize, RequestKey), Vec<usize>>,
    /// The fields that scenarios of stubs list, where some do and fields are compared.
    listed: HashMap<usize, Vec<String>>,
    /// The scenarios of stubs, compiled for matching when they are first asked for.
    compiled: RefCell<HashMap<usize, Rc<Vec<Option<Candidate>>>>>,
    /// The values that mean themselves, looked for when they are first asked for.
    recorded: OnceCell<RecordedValues>,
}

impl<'a> Committed<'a> {
    pub(super) fn new(existing: Existing<'a>) -> Self {
        let mut found = Committed::stubs_only(existing);
        for (at, file) in existing.collection.stubs.iter().enumerate() {
            let stub = &file.stub;
            let lens = found.lens(stub);
            let across = lens.has_fresh().then(|| lens.across_recordings());
            let listed = request::listed(stub.scenarios.iter(), &stub.defaults);
            if stub.parts.fields && !listed.is_empty() {
                found.listed.insert(at, listed);
            }
            for (position, scenario) in stub.scenarios.iter().enumerate() {
                if let Some(key) = request::committed_key(stub, &scenario.request, &lens, existing.content) {
                    found.scenarios.entry((at, key)).or_default().push(position);
                }
                if let Some(across) = &across
                    && let Some(key) = request::committed_key(stub, &scenario.request, across, existing.content)
                {
                    found.alike.entry((at, key)).or_default().push(position);
                }
            }
        }
        found
    }

    /// Finds stubs, and no scenarios: reads no bodies.
    pub(super) fn stubs_only(existing: Existing<'a>) -> Self {
        let mut found = Committed {
            existing,
            literal: HashMap::new(),
            patterns: HashMap::new(),
            scenarios: HashMap::new(),
            alike: HashMap::new(),
            listed: HashMap::new(),
            compiled: RefCell::default(),
            recorded: OnceCell::new(),
        };
        for (at, file) in existing.collection.stubs.iter().enumerate() {
            let stub = &file.stub;
            if stub.path.segments().iter().all(|segment| matches!(segment, SegmentPattern::Literal(_))) {
                let key = (stub.method.clone(), without_placeholders(stub.path.as_str()).into_owned());
                found.literal.entry(key).or_default().push(at);
            } else {
                let host = if stub.origin.is_loopback() { LOOPBACK } else { &stub.origin.host };
                found.patterns.entry((stub.method.clone(), host.to_owned())).or_default().push(at);
            }
        }
        found
    }

    pub(super) fn stub(&self, at: usize) -> &'a Stub {
        &self.existing.collection.stubs[at].stub
    }

    pub(super) fn scenario(&self, (stub, scenario): Place) -> &'a Scenario {
        &self.existing.collection.stubs[stub].stub.scenarios[scenario]
    }

    /// The rules for requests that hold for a stub.
    pub(super) fn lens(&self, stub: &'a Stub) -> Lens<'a> {
        self.lens_of(RuleSide::Request, stub)
    }

    /// The rules for one side that hold for a stub.
    pub(super) fn lens_of(&self, side: RuleSide, stub: &'a Stub) -> Lens<'a> {
        Lens::new(side, stub.rules.iter().chain(&self.existing.collection.manifest.rules))
    }

    /// The rules for answers that hold for a scenario.
    pub(super) fn answers_lens(&self, (stub, _): Place) -> Lens<'a> {
        self.lens_of(RuleSide::Response, self.stub(stub))
    }

    /// The fields that scenarios of the stub of an endpoint list, in lower case: they decide there.
    pub(super) fn listed(&self, endpoint: &Endpoint) -> &[String] {
        match endpoint {
            Endpoint::Committed(at) => self.listed.get(at).map(Vec::as_slice).unwrap_or_default(),
            Endpoint::New { .. } => &[],
        }
    }

    /// The fields that scenarios of the same request list, and this one does not.
    pub(super) fn listed_beside(&self, (at, position): Place) -> Vec<String> {
        let stub = self.stub(at);
        let own = &stub.scenarios[position].request;
        if !self.listed.contains_key(&at) {
            return Vec::new();
        }
        let key = request::committed_key(stub, own, &self.lens(stub), self.existing.content);
        let beside = key.and_then(|key| self.scenarios.get(&(at, key))).into_iter().flatten();
        let mut listed = request::listed(beside.map(|position| &stub.scenarios[*position]), &stub.defaults);
        listed.retain(|name| !own.fields.iter().any(|line| line.0.is(name)));
        listed
    }

    /// The stubs whose method, origin and path this request has, the most literal first.
    pub(super) fn stubs_for(&self, request: &RequestRecord, path: &str) -> Vec<usize> {
        let path = without_placeholders(path);
        let literal = self.literal.get(&(request.method.clone(), path.clone().into_owned())).into_iter().flatten();
        let host = if request.origin.authority.is_loopback() { LOOPBACK } else { request.origin.host() };
        let patterns = self.patterns.get(&(request.method.clone(), host.to_owned())).into_iter().flatten();
        let fits = |at: &usize| {
            let stub = self.stub(*at);
            stub.origin.matches(&request.origin)
                && (without_placeholders(stub.path.as_str()) == path
                    || captures_of(&stub.path, &request.path).is_some())
        };
        literal.chain(patterns).copied().filter(fits).collect()
    }

    /// The committed scenarios for which this request is an exact hit; of those of one stub, the ones that ask for most
    /// fields. They are several where a fresh value may stand for any recorded one.
    ///
    /// First by key, which finds what promotion itself wrote whatever the number of scenarios; then as matching does,
    /// which knows what else a person may have written.
    /// The second tells whether that is so.
    pub(super) fn find(&self, recorded: &Recorded, stubs: &[usize]) -> (Vec<Place>, bool) {
        if let Some(found) = stubs.iter().find_map(|at| Some((*at, self.by_key(recorded, *at)?))) {
            return (vec![found], false);
        }
        let Some(call) = call(recorded).filter(|_| !stubs.is_empty()) else { return (Vec::new(), false) };
        let fresh = |at: &usize| -> Vec<Place> {
            self.by_fresh(recorded, &call, *at).into_iter().map(|position| (*at, position)).collect()
        };
        if let Some(found) = stubs.iter().map(fresh).find(|found| !found.is_empty()) {
            return (found, true);
        }
        let of_stub = |at: &usize| self.by_matching(&call, *at).into_iter().map(|position| (*at, position)).collect();
        let found = stubs.iter().map(of_stub).find(|found: &Vec<Place>| !found.is_empty()).unwrap_or_default();
        (found, false)
    }

    /// The scenarios that a request hits because a value of it was never recorded, at most so many as are worth a look.
    fn by_fresh(&self, recorded: &Recorded, call: &Call, at: usize) -> Vec<usize> {
        let lens = self.lens(self.stub(at));
        if !lens.has_fresh() {
            return Vec::new();
        }
        let key = self.key(recorded, at, &lens.across_recordings());
        let Some(positions) = self.alike.get(&(at, key)) else { return Vec::new() };
        let compiled = self.compiled(at);
        let is_exact =
            |position: &&usize| compiled[**position].as_ref().is_some_and(|candidate| candidate.is_exact(call));
        let exact = positions.iter().filter(is_exact).take(FRESH).copied();
        self.most_fields(at, exact)
    }

    fn compiled(&self, at: usize) -> Rc<Vec<Option<Candidate>>> {
        self.compiled.borrow_mut().entry(at).or_insert_with(|| Rc::new(self.compile(at))).clone()
    }

    /// The key of a request as one of a stub.
    fn key(&self, recorded: &Recorded, at: usize, lens: &Lens<'_>) -> RequestKey {
        let request = &recorded.exchange.request;
        let stub = self.stub(at);
        let captures = captures_of(&stub.path, &request.path).unwrap_or_default();
        let query = request::query_pairs(request.query.as_deref());
        let media_type = request::media_type(&request.fields);
        let body = request::body_of(&recorded.request);
        let compared = Compared { captures: &captures, query: &query, media_type: media_type.as_deref(), body };
        compared.key(lens, stub.parts)
    }

    fn by_key(&self, recorded: &Recorded, at: usize) -> Option<usize> {
        let request = &recorded.exchange.request;
        let stub = self.stub(at);
        let lens = self.lens(stub);
        let key = self.key(recorded, at, &lens);
        let seen = |place, name: &str| lens.seen(place, name);
        let positions = self.scenarios.get(&(at, key)).into_iter().flatten().copied();
        let held = positions.filter(|position| {
            let spec = &stub.scenarios[*position].request;
            let listed = request::effective(spec, &stub.defaults).1;
            let is_it = || request::holds(&listed, request, &seen) && !request::has_unwanted(&spec.matchers, request);
            !stub.parts.fields || is_it()
        });
        self.most_fields(at, held).first().copied()
    }

    fn by_matching(&self, call: &Call, at: usize) -> Vec<usize> {
        let compiled = self.compiled(at);
        let exact = compiled
            .iter()
            .enumerate()
            .filter(|(_, candidate)| candidate.as_ref().is_some_and(|candidate| candidate.is_exact(call)));
        self.most_fields(at, exact.map(|(position, _)| position))
    }

    /// Those that list most fields, in their order.
    fn most_fields(&self, at: usize, positions: impl Iterator<Item = usize>) -> Vec<usize> {
        let stub = self.stub(at);
        let listed = |position: usize| request::effective(&stub.scenarios[position].request, &stub.defaults).1.len();
        let counted: Vec<(usize, usize)> = positions.map(|position| (position, listed(position))).collect();
        let most = counted.iter().map(|(_, count)| *count).max().unwrap_or_default();
        counted.into_iter().filter(|(_, count)| *count == most).map(|(position, _)| position).collect()
    }

    /// The scenarios of a stub for matching; none where a body is gone, or too large to be held.
    fn compile(&self, at: usize) -> Vec<Option<Candidate>> {
        let rules = &self.existing.collection.manifest.rules;
        let stub = self.stub(at);
        let bodies = |body: &BodySpec| match (self.existing.content)(body)? {
            Content::Small(bytes) => Some(bytes),
            Content::Large { .. } => None,
        };
        let recorded = self.recorded.get_or_init(|| RecordedValues::of(self.existing.collection, &bodies));
        let compile = |scenario: &Scenario| {
            let body = match &scenario.request.body {
                None => None,
                Some(body) => Some(bodies(body)?),
            };
            Some(Candidate::among(stub, scenario, rules, body.as_ref(), &bodies, recorded))
        };
        stub.scenarios.iter().map(compile).collect()
    }
}

/// A recorded request as matching sees it; `None` when its body is too large to be held.
fn call(recorded: &Recorded) -> Option<Call> {
    let request = &recorded.exchange.request;
    let Content::Small(body) = &recorded.request.content else { return None };
    Some(Call {
        method: request.method.clone(),
        target: Target::Origin(request.origin.clone()),
        path: request.path.clone(),
        query: request.query.clone(),
        fields: request.fields.clone(),
        body: body.clone(),
        at: recorded.exchange.started_at,
        ..Call::default()
    })
}

/// The steps of a committed scenario, alike neighbours as one; `None` when a body is gone.
pub(super) fn committed_steps(committed: &Committed<'_>, place: Place) -> Option<Vec<Step>> {
    let scenario = committed.scenario(place);
    let lens = committed.answers_lens(place);
    let mut steps: Vec<Step> = Vec::new();
    for spec in scenario.steps() {
        let content = match &spec.body {
            Some(body) => Some((committed.existing.content)(body)?),
            None => None,
        };
        let coded = spec.body.as_ref().and_then(|body| body.coded.as_deref());
        let answer = fingerprint(spec, content.as_ref().filter(|content| !content.is_empty()), coded, &lens);
        let times = spec.times.map_or(1, |times| times.get());
        match steps.last_mut() {
            Some(last) if last.answer == answer => last.times = last.times.saturating_add(times),
            _ => steps.push(Step { answer, times }),
        }
    }
    Some(steps)
}
