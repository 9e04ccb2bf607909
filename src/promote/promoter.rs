//! Takes exchanges one at a time, and keeps of each only what its scenario needs.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::answer;
use super::body::Plan;
use super::bucket::{Bucket, Buckets, FieldLists};
use super::canonical::Lens;
use super::committed::{Committed, Place};
use super::endpoint::{self, Endpoint, Loopback};
use super::group::Sample;
use super::merge;
use super::report::{HostLine, LeftOut, Lossy, Reason};
use super::request::{self, Compared, RequestKey};
use super::survey::Findings;
use super::{Existing, Options, Promotion, Recorded, Sink};
use crate::collection::{Collection, MatchParts, PathPattern, RequestSpec, RuleSide};
use crate::model::{Exchange, Outcome, RequestRecord, ResponseRecord};

/// How many lossy steps are named.
const NAMED: usize = 100;

/// Calls to one host.
#[derive(Default)]
struct HostCount {
    calls: u64,
    promoted: u64,
    endpoints: BTreeSet<Rc<Endpoint>>,
}

/// A promotion under way: [`Promoter::push`] every exchange, then [`Promoter::finish`].
pub struct Promoter<'a> {
    pub(super) committed: Committed<'a>,
    /// The collection as it stands on disk, without what was found.
    pub(super) before: Option<&'a Collection>,
    pub(super) findings: &'a Findings,
    pub(super) options: Options,
    pub(super) buckets: Buckets,
    pub(super) fields: FieldLists,
    endpoints: BTreeSet<Rc<Endpoint>>,
    pub(super) loopback: Loopback,
    pub(super) selected: u64,
    pub(super) promoted: u64,
    left_out: BTreeMap<Reason, (u64, Vec<u64>)>,
    lossy: Vec<Lossy>,
    hosts: BTreeMap<String, HostCount>,
}

impl<'a> Promoter<'a> {
    /// A promotion into `before`, or into a new collection. `prepared` is the same with the rules that the survey found
    /// ([`Findings::prepare`]). Reads the request bodies of the committed scenarios.
    pub fn new(
        prepared: Existing<'a>,
        before: Option<&'a Collection>,
        findings: &'a Findings,
        options: Options,
    ) -> Self {
        Promoter {
            committed: Committed::new(prepared),
            before,
            findings,
            options,
            buckets: Buckets::new(),
            fields: FieldLists::default(),
            endpoints: BTreeSet::new(),
            loopback: Loopback::default(),
            selected: 0,
            promoted: 0,
            left_out: BTreeMap::new(),
            lossy: Vec::new(),
            hosts: BTreeMap::new(),
        }
    }

    /// Why this exchange will be left out, if so; its bodies need not be read then.
    pub fn left_out(exchange: &Exchange) -> Option<Reason> {
        match &exchange.outcome {
            Outcome::Failed(..) => Some(Reason::Failed),
            Outcome::Cancelled(_) => Some(Reason::Cancelled),
            Outcome::Interrupted(_) => Some(Reason::Interrupted),
            Outcome::Relayed(_) => Some(Reason::Relayed),
            Outcome::Complete(response) if response.status < 200 => Some(Reason::Upgraded),
            Outcome::Complete(_) if exchange.partial => Some(Reason::Partial),
            Outcome::Complete(_) if !endpoint::has_path(&exchange.request) => Some(Reason::NoPath),
            Outcome::Complete(response) if !response.body.end.is_whole() => Some(Reason::Failed),
            Outcome::Complete(_) => None,
        }
    }

    /// Counts an exchange as selected and left out.
    pub fn leave_out(&mut self, exchange: &Exchange, reason: Reason) {
        self.selected += 1;
        self.hosts.entry(exchange.request.origin.host_field()).or_default().calls += 1;
        self.note_left_out(exchange.number, reason);
    }

    /// Counts an exchange whose record cannot be read.
    pub fn leave_out_damaged(&mut self, number: u64) {
        self.selected += 1;
        self.note_left_out(number, Reason::Damaged);
    }

    fn note_left_out(&mut self, number: u64, reason: Reason) {
        let (count, numbers) = self.left_out.entry(reason).or_default();
        *count += 1;
        if let Err(at) = numbers.binary_search(&number) {
            numbers.insert(at, number);
            numbers.truncate(10);
        }
    }

    /// Takes an exchange.
    pub fn push(&mut self, recorded: Recorded) {
        let response = match (Self::left_out(&recorded.exchange), &recorded.exchange.outcome) {
            (None, Outcome::Complete(response)) => response,
            (reason, _) => return self.leave_out(&recorded.exchange, reason.unwrap_or(Reason::Failed)),
        };
        let request = &recorded.exchange.request;
        let pattern = endpoint::path_pattern(&request.path);
        let stubs = self.committed.stubs_for(request, pattern.as_str());
        let (found, is_fresh) = self.committed.find(&recorded, &stubs);
        let pattern = self.findings.pattern(recorded.exchange.id).unwrap_or(pattern.as_str());
        let Some(endpoint) = self.endpoint(request, pattern, &stubs, found.first().copied()) else {
            return self.leave_out(&recorded.exchange, Reason::Defaults);
        };
        self.selected += 1;
        self.promoted += 1;
        self.loopback.see(&request.origin);
        self.note_lossy(&recorded, response);
        let host = self.hosts.entry(request.origin.host_field()).or_default();
        host.calls += 1;
        host.promoted += 1;
        let endpoint = match self.endpoints.get(&endpoint) {
            Some(known) => known.clone(),
            None => {
                let endpoint = Rc::new(endpoint);
                self.endpoints.insert(endpoint.clone());
                endpoint
            }
        };
        host.endpoints.insert(endpoint.clone());
        let candidates = request::candidates(request, self.committed.listed(&endpoint));
        let (key, spec, plan) = self.key(&recorded, &endpoint);
        let (mut answer, fingerprint) = answer::answer(&recorded, response, &self.lens(RuleSide::Response, &endpoint));
        if self.options.durations {
            answer.spec.pace = answer::pace(&recorded.exchange.timings);
            answer.spec.duration_ms = Some(answer::duration_ms(&recorded.exchange.timings, &answer.spec.pace));
        }
        let sample = Sample {
            started_at: recorded.exchange.started_at,
            id: recorded.exchange.id,
            number: recorded.exchange.number,
            answer: fingerprint,
            fields: self.fields.id(candidates),
            committed: found.first().copied(),
        };
        let bucket = self
            .buckets
            .entry((endpoint, key))
            .or_insert_with(|| Box::new(Bucket::new(sample.order(), &spec, plan.clone())));
        bucket.add(sample, answer, &spec, plan);
        bucket.fits.extend(found);
        bucket.is_fresh |= is_fresh;
    }

    /// The stub of a request: that of the scenario found, else a committed one for its path, else a new one. `None` when
    /// the committed ones would give its scenario defaults that it does not have: one path cannot have two stubs.
    fn endpoint(&self, request: &RequestRecord, path: &str, stubs: &[usize], found: Option<Place>) -> Option<Endpoint> {
        if stubs.is_empty() {
            // A pattern that was found fits; what is too long to have been looked at stays literal.
            let pattern = path.parse::<PathPattern>().ok();
            let fits = pattern.is_some_and(|pattern| endpoint::captures_of(&pattern, &request.path).is_some());
            return Some(Endpoint::New {
                origin: endpoint::one_loopback(&request.origin),
                method: request.method.clone(),
                path: if fits { path.to_owned() } else { endpoint::path_pattern(&request.path).as_str().to_owned() },
            });
        }
        let fits = |at: &usize| {
            let stub = self.committed.stub(*at);
            // What is made afresh for each recording may be another one.
            let lens = self.committed.lens(stub).across_recordings();
            request::fits_defaults(stub, request, &|place, name| lens.seen(place, name))
        };
        let at = found.map(|(stub, _)| stub).or_else(|| stubs.iter().copied().find(fits))?;
        Some(Endpoint::Committed(at))
    }

    fn key(&self, recorded: &Recorded, endpoint: &Endpoint) -> (RequestKey, RequestSpec, Option<Plan>) {
        let request = &recorded.exchange.request;
        let (captures, parts) = match endpoint {
            Endpoint::Committed(at) => {
                let stub = self.committed.stub(*at);
                (endpoint::captures_of(&stub.path, &request.path), stub.parts)
            }
            Endpoint::New { path, .. } => {
                let pattern = path.parse::<PathPattern>().ok();
                (pattern.and_then(|pattern| endpoint::captures_of(&pattern, &request.path)), MatchParts::default())
            }
        };
        let (captures, lens) = (captures.unwrap_or_default(), self.lens(RuleSide::Request, endpoint));
        let (spec, plan) = request::spec(recorded, captures);
        let compared = Compared {
            captures: &spec.captures,
            query: &spec.query,
            media_type: spec.media_type.as_deref(),
            body: request::body_of(&recorded.request),
        };
        (compared.key(&lens, parts), spec, plan)
    }

    /// The rules for one side that hold for an endpoint.
    pub(super) fn lens(&self, side: RuleSide, endpoint: &Endpoint) -> Lens<'a> {
        match endpoint {
            Endpoint::Committed(at) => self.committed.lens_of(side, self.committed.stub(*at)),
            Endpoint::New { .. } => {
                let own = endpoint.key().map(|key| self.findings.rules_of(&key)).unwrap_or_default();
                Lens::new(side, own.iter().chain(&self.committed.existing.collection.manifest.rules))
            }
        }
    }

    fn note_lossy(&mut self, recorded: &Recorded, response: &ResponseRecord) {
        let interim: Vec<_> = response.informational.iter().map(|interim| interim.status.to_string()).collect();
        if interim.is_empty() || interim.iter().all(|status| status == "100") {
            return;
        }
        let request = &recorded.exchange.request;
        self.lossy.push(Lossy {
            number: recorded.exchange.number,
            call: format!("{} {}", request.method, request.url()),
            what: format!("interim responses are not replayed ({})", interim.join(", ")),
        });
        self.lossy.sort();
        self.lossy.truncate(NAMED);
    }

    /// Merges everything into the collection. `sink` may take the new stubs.
    pub fn finish(mut self, sink: Sink<'_>) -> Promotion {
        let left_out = std::mem::take(&mut self.left_out);
        let left_out = left_out.into_iter().map(|(reason, (count, numbers))| LeftOut { reason, count, numbers });
        let left_out = left_out.collect();
        let lossy = std::mem::take(&mut self.lossy);
        let hosts = std::mem::take(&mut self.hosts).into_iter().map(|(host, count)| HostLine {
            host,
            calls: count.calls,
            promoted: count.promoted,
            stubs: count.endpoints.len() as u64,
        });
        let mut hosts: Vec<_> = hosts.collect();
        hosts.sort_by(|one, other| other.calls.cmp(&one.calls).then_with(|| one.host.cmp(&other.host)));
        let mut promotion = merge::merge(self, sink);
        promotion.report.left_out = left_out;
        promotion.report.lossy = lossy;
        promotion.report.hosts = hosts;
        promotion
    }
}
