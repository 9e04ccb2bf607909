//! The merge: what was recorded against what is committed. What is committed stays, unless `--replace` says otherwise.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use super::answer::{Answer, Fingerprint};
use super::bucket::{Bucket, FieldLists};
use super::canonical::Lens;
use super::committed::{Committed, Place, committed_steps};
use super::difference;
use super::endpoint::Endpoint;
use super::group::{self, Group, Sample, Step};
use super::meant;
use super::names::{self, Traits};
use super::promoter::Promoter;
use super::report::{Change, Report, Sampled, ScenarioLine, Stale, StubLine};
use super::request;
use super::sample;
use super::{BodyFile, BodySource, Options, Promotion, Sink};
use crate::collection::{
    self, BodySpec, Collection, FieldLine, Manifest, PathPattern, ResponseSpec, Rule, RuleSide, Scenario, Stub,
    StubFile, check, file_name,
};

/// Merges everything that was pushed. What was left out and the hosts are added to the report by the caller. `sink` gets
/// each new stub when it is whole.
pub(super) fn merge(promoter: Promoter<'_>, sink: Sink<'_>) -> Promotion {
    let Promoter { committed, before, findings, options, buckets, fields, loopback, selected, promoted, .. } = promoter;
    let mut merge = Merge::new(committed.existing.collection.clone(), &options, &fields);
    let mut new: BTreeMap<Rc<Endpoint>, Vec<Fresh>> = BTreeMap::new();
    let meant = meant::meant(&committed, &buckets);
    // Each bucket goes when its scenarios are made, so that they are not in memory twice.
    for ((endpoint, _), bucket) in buckets {
        let place = bucket.fits.first().map(|_| meant.get(&bucket.first).copied().flatten());
        let mut bucket = *bucket;
        let samples = std::mem::take(&mut bucket.samples);
        let bucket = Rc::new(bucket);
        for group in merge.settle(&committed, &endpoint, &bucket, samples, place) {
            new.entry(endpoint.clone()).or_default().push(Fresh { bucket: bucket.clone(), group });
        }
    }
    let mut new: Vec<_> = new.into_iter().collect();
    for (_, scenarios) in &mut new {
        scenarios.sort_by_key(|fresh| fresh.group.samples[0].order());
    }
    // Origins are listed in the order in which they were first called.
    new.sort_by_key(|(_, scenarios)| scenarios[0].group.samples[0].order());
    for (endpoint, scenarios) in new {
        let rules = endpoint.key().map(|key| findings.rules_of(&key).to_vec()).unwrap_or_default();
        let at = merge.stub_at(&endpoint, rules, |origin| loopback.pattern(origin));
        let scenarios = merge.sample(at, scenarios);
        merge.add(at, scenarios);
        merge.hand_over(at, sink);
    }
    let mut promotion = merge.finish(before, selected, promoted);
    (promotion.report.rules, promotion.report.links) = (findings.rules.clone(), findings.links.clone());
    promotion.proposals = super::proposal::doubtful(&promotion.report.rules, &promotion.collection);
    promotion.proposals.extend(super::proposal::paths(&findings.paths, &promotion.collection));
    promotion
}

/// A collection without stubs.
pub fn empty(name: &str) -> Collection {
    Collection { manifest: Manifest::new(name.to_owned()), stubs: Vec::new() }
}

/// A scenario to be added.
pub(super) struct Fresh {
    pub(super) bucket: Rc<Bucket>,
    pub(super) group: Group,
}

impl Fresh {
    /// The status of its first answer.
    pub(super) fn status(&self) -> u16 {
        self.bucket.answers.status(&self.group.samples[0].answer)
    }
}

/// The collection while it is being changed.
struct Merge<'o> {
    collection: Collection,
    options: &'o Options,
    fields: &'o FieldLists,
    bodies: Vec<BodyFile>,
    /// Paths of all files, in lower case.
    files: HashSet<String>,
    /// What the report says, by the stub's position.
    lines: BTreeMap<usize, Vec<ScenarioLine>>,
    /// Stubs from here on are new.
    committed: usize,
    /// What `--sample` left out.
    sampled: Vec<Sampled>,
    /// The files of stubs that were handed over.
    sent: BTreeSet<String>,
}

impl<'o> Merge<'o> {
    fn new(collection: Collection, options: &'o Options, fields: &'o FieldLists) -> Self {
        let mut files = HashSet::new();
        for file in &collection.stubs {
            files.insert(file.path.to_lowercase());
            files.extend(check::stub_files(&file.stub).iter().map(|(_, path)| path.to_lowercase()));
        }
        files.extend(check::manifest_files(&collection.manifest).iter().map(|(_, path)| path.to_lowercase()));
        let committed = collection.stubs.len();
        Merge {
            collection,
            options,
            fields,
            bodies: Vec::new(),
            files,
            lines: BTreeMap::new(),
            committed,
            sampled: Vec::new(),
            sent: BTreeSet::new(),
        }
    }

    /// Compares one bucket with the committed scenarios that it hits; returns the groups that are new scenarios.
    ///
    /// `meant` is the one of several that a fresh value stands for, or none if it stands for none of them.
    fn settle(
        &mut self,
        committed: &Committed<'_>,
        endpoint: &Endpoint,
        bucket: &Bucket,
        mut samples: Vec<Sample>,
        meant: Option<Option<Place>>,
    ) -> Vec<Group> {
        samples.sort_by_key(Sample::order);
        if let Some(meant) = meant.filter(|_| bucket.is_fresh) {
            samples.iter_mut().for_each(|sample| sample.committed = meant);
        }
        let mut by_place: BTreeMap<Option<Place>, Vec<Sample>> = BTreeMap::new();
        for sample in samples {
            by_place.entry(sample.committed).or_default().push(sample);
        }
        let mut new = Vec::new();
        for (place, samples) in by_place {
            match place {
                Some(place) => new.extend(self.compare(committed, place, bucket, samples)),
                // What scenarios beside them list decides for them, too.
                None => {
                    for part in self.by_listed(committed, endpoint, committed.listed(endpoint), samples) {
                        new.extend(group::split(part.samples, self.fields).into_iter().map(|group| Group {
                            fields: request::joined(&group.fields, &part.fields),
                            samples: group.samples,
                        }));
                    }
                }
            }
        }
        new
    }

    fn by_listed(
        &self,
        committed: &Committed<'_>,
        endpoint: &Endpoint,
        names: &[String],
        samples: Vec<Sample>,
    ) -> Vec<Group> {
        let Endpoint::Committed(at) = endpoint else { return vec![Group { fields: Vec::new(), samples }] };
        let lens = committed.lens(committed.stub(*at));
        group::by_listed(samples, self.fields, names, &|name| lens.seen(collection::Place::Field, name))
    }

    /// Compares the answers to one committed scenario's request with its own.
    fn compare(
        &mut self,
        committed: &Committed<'_>,
        place: Place,
        bucket: &Bucket,
        samples: Vec<Sample>,
    ) -> Vec<Group> {
        let scenario = committed.scenario(place);
        let old = committed_steps(committed, place);
        let same = |samples: &[Sample]| old.as_ref().is_some_and(|old| group::alike(old, &group::steps(samples)));
        if same(&samples) {
            self.note(place, bucket, &samples, Change::Same, None);
            return Vec::new();
        }
        let listed = &scenario.request.fields;
        let more = |line: &FieldLine| !listed.iter().any(|known| known.0.is(&line.0.name));
        let parts = self.by_listed(committed, &Endpoint::Committed(place.0), &committed.listed_beside(place), samples);
        let split = |part: Group| {
            group::split(part.samples, self.fields).into_iter().map(move |group| (group, part.fields.clone()))
        };
        let groups: Vec<(Group, Vec<FieldLine>)> = parts.into_iter().flat_map(split).collect();
        let mut new = Vec::new();
        for (mut group, beside) in groups {
            let is_same = same(&group.samples);
            if group.fields.iter().any(more) || !beside.is_empty() && !is_same {
                // Evidence that a field decides, which the committed scenario does not ask for: one more beside it.
                group.fields = request::joined(&request::joined(&group.fields, &beside), listed);
                new.push(group);
            } else if is_same {
                self.note(place, bucket, &group.samples, Change::Same, None);
            } else {
                self.differ(committed, place, bucket, &group.samples);
            }
        }
        new
    }

    /// A committed scenario whose answers differ: reported, or replaced.
    fn differ(&mut self, committed: &Committed<'_>, place: Place, bucket: &Bucket, samples: &[Sample]) {
        let scenario = committed.scenario(place);
        let steps = group::steps(samples);
        let recorded: Vec<(Answer, Step)> =
            steps.iter().map(|step| (bucket.answers.get(&step.answer), *step)).collect();
        let conflict = difference::conflict(scenario.steps(), &recorded, &committed.answers_lens(place));
        if !self.options.replace {
            return self.note(place, bucket, samples, Change::Conflict, Some(conflict));
        }
        self.release(scenario);
        let file = self.collection.stubs[place.0].path.clone();
        let mut responses = self.responses(&file, &scenario.name, bucket, samples);
        group::keep_manner(&mut responses, scenario.steps());
        let target = &mut self.collection.stubs[place.0].stub.scenarios[place.1];
        group::set_responses(target, responses);
        target.source = Some(samples[0].id.to_string());
        self.note(place, bucket, samples, Change::Changed, Some(conflict));
    }

    /// Lets new bodies take the places of those of a scenario, unless a person made another share them.
    fn release(&mut self, scenario: &Scenario) {
        let own: Vec<&String> = scenario.steps().iter().filter_map(|step| step.body.as_ref()?.file.as_ref()).collect();
        for path in &own {
            let all = self.collection.stubs.iter().flat_map(|file| check::stub_files(&file.stub));
            let all = all.chain(check::manifest_files(&self.collection.manifest));
            if all.filter(|(_, named)| named == path).count() == own.iter().filter(|named| named == &path).count() {
                self.files.remove(&path.to_lowercase());
            }
        }
    }

    fn note(
        &mut self,
        place: Place,
        bucket: &Bucket,
        samples: &[Sample],
        change: Change,
        conflict: Option<super::Conflict>,
    ) {
        let is_default =
            self.options.default.is_some_and(|wanted| samples.iter().any(|sample| sample.number == wanted));
        let stub = &mut self.collection.stubs[place.0].stub;
        if is_default {
            for (at, scenario) in stub.scenarios.iter_mut().enumerate() {
                scenario.default = at == place.1;
            }
        }
        let scenario = &stub.scenarios[place.1];
        self.lines.entry(place.0).or_default().push(ScenarioLine {
            name: scenario.name.clone(),
            change,
            calls: samples.len() as u64,
            steps: group::steps(samples).len(),
            status: bucket.answers.status(&samples[0].answer),
            number: samples[0].number,
            default: is_default,
            conflict,
        });
    }

    /// The stub of an endpoint, made if it is new.
    fn stub_at(
        &mut self,
        endpoint: &Endpoint,
        rules: Vec<Rule>,
        pattern: impl FnOnce(&crate::model::Origin) -> crate::collection::OriginPattern,
    ) -> usize {
        let (origin, method, path) = match endpoint {
            Endpoint::Committed(at) => return *at,
            Endpoint::New { origin, method, path } => (origin.clone(), method.clone(), path),
        };
        // An origin that the collection has already is written as there.
        let known = self.collection.manifest.origins.iter().filter(|known| known.matches(&origin));
        let known = known.max_by_key(|known| known.as_origin().is_some()).cloned();
        let origin = known.unwrap_or_else(|| pattern(&origin));
        if !self.collection.manifest.origins.contains(&origin) {
            self.collection.manifest.origins.push(origin.clone());
        }
        // It was made by `endpoint::path_pattern`, so it reads back; a literal is the same pattern for the rest.
        let pattern = path.parse().unwrap_or_else(|_| PathPattern::literal(path));
        let stub = Stub { rules, ..Stub::new(method, origin, pattern) };
        let path = file_name(&stub, |path| self.files.contains(&path.to_lowercase()));
        self.files.insert(path.to_lowercase());
        self.collection.stubs.push(StubFile { path, stub: stub.into() });
        self.collection.stubs.len() - 1
    }

    /// What `--sample` keeps of new scenarios, in their order: as many as there is room for beside the committed ones.
    fn sample(&mut self, at: usize, scenarios: Vec<Fresh>) -> Vec<Fresh> {
        let Some(most) = self.options.sample else { return scenarios };
        let stub = &self.collection.stubs[at].stub;
        let room = most.saturating_sub(stub.scenarios.len());
        if scenarios.len() <= room {
            return scenarios;
        }
        let lens = Lens::new(RuleSide::Request, stub.rules.iter().chain(&self.collection.manifest.rules));
        let pick = sample::Pick { scenarios: &scenarios, wanted: self.options.default, fields: self.fields };
        let kept = pick.kept(room);
        self.sampled.push(Sampled {
            stub: format!("{} {}{}", stub.method, stub.origin, stub.path),
            kept: kept.len(),
            left_out: scenarios.len() - kept.len(),
            answered: pick.answered(&kept, stub, &lens),
        });
        let numbered = scenarios.into_iter().enumerate();
        numbered.filter_map(|(position, fresh)| kept.contains(&position).then_some(fresh)).collect()
    }

    /// Lets whoever wants it have a new stub; of one that was taken only what later steps look at stays.
    fn hand_over(&mut self, at: usize, sink: Sink<'_>) {
        if at < self.committed || !sink(&self.collection.stubs[at]) {
            return;
        }
        self.sent.insert(self.collection.stubs[at].path.clone());
        let scenarios = &mut self.collection.stubs[at].stub.scenarios;
        scenarios.retain(|scenario| scenario.default);
        scenarios.shrink_to_fit();
    }

    /// Adds scenarios, in order of their first request, to a stub.
    fn add(&mut self, at: usize, scenarios: Vec<Fresh>) {
        let stub = &self.collection.stubs[at].stub;
        let lens = Lens::new(RuleSide::Request, stub.rules.iter().chain(&self.collection.manifest.rules));
        let traits_of = |scenario: &Scenario| {
            let status = scenario.steps().first().map_or(200, |step| step.status);
            Traits::of(&scenario.request, scenario.request.body.as_ref(), status, &lens)
        };
        let committed: Vec<_> = stub.scenarios.iter().map(traits_of).collect();
        let mut taken: HashSet<String> = stub.scenarios.iter().map(|scenario| scenario.name.to_lowercase()).collect();
        let absent = request::absent(stub);
        let mut listed = request::listed(stub.scenarios.iter(), &stub.defaults);
        listed.extend(
            scenarios.iter().flat_map(|fresh| &fresh.group.fields).map(|line| line.0.name.to_ascii_lowercase()),
        );
        listed.sort_unstable();
        listed.dedup();
        let fresh = |fresh: &Fresh| {
            let mut request = fresh.bucket.spec();
            request.fields.clone_from(&fresh.group.fields);
            let body = fresh.bucket.body.as_ref().and_then(|plan| plan.inline());
            let unasked = listed.iter().filter(|name| fresh.group.has(name, self.fields)).cloned().collect();
            let mut traits = Traits::of(&request, body, fresh.status(), &lens);
            traits.unasked = unasked;
            traits
        };
        let new: Vec<_> = scenarios.iter().map(fresh).collect();
        let names = names::scenarios(&new, &committed, &mut taken);
        drop(new);
        self.collection.stubs[at].stub.scenarios.reserve_exact(scenarios.len());
        for (fresh, name) in scenarios.into_iter().zip(names) {
            let mut scenario = self.scenario(at, name, &fresh);
            // A call that lacks a field is asked to lack it where those beside it say so.
            let lacking = absent.iter().filter(|(name, _)| !fresh.group.has(name, self.fields));
            scenario.request.matchers.extend(lacking.map(|(_, matcher)| matcher.clone()));
            let stub = &mut self.collection.stubs[at].stub;
            stub.scenarios.push(scenario);
            let place = (at, stub.scenarios.len() - 1);
            self.note(place, &fresh.bucket, &fresh.group.samples, Change::New, None);
        }
    }

    fn scenario(&mut self, at: usize, name: String, fresh: &Fresh) -> Scenario {
        let file = self.collection.stubs[at].path.clone();
        let mut request = fresh.bucket.spec();
        request.fields.clone_from(&fresh.group.fields);
        request.body = fresh.bucket.body.as_ref().map(|plan| {
            let path = |extension: &str| names::body_file(&file, &name, Some("request"), extension, &mut self.files);
            let (spec, written) = plan.place(path);
            self.bodies.extend(written.map(|(path, source)| BodyFile { path, source }));
            spec
        });
        let responses = self.responses(&file, &name, &fresh.bucket, &fresh.group.samples);
        let mut scenario = Scenario {
            name,
            default: false,
            disabled: false,
            priority: None,
            state: None,
            source: Some(fresh.group.samples[0].id.to_string()),
            id: None,
            request,
            response: None,
            responses: Vec::new(),
            end: None,
        };
        group::set_responses(&mut scenario, responses);
        scenario
    }

    /// The steps of samples as they stand in the file.
    fn responses(&mut self, file: &str, name: &str, bucket: &Bucket, samples: &[Sample]) -> Vec<ResponseSpec> {
        let mut placed: BTreeMap<Fingerprint, Option<BodySpec>> = BTreeMap::new();
        let steps = group::steps(samples);
        let mut responses = Vec::with_capacity(steps.len());
        for (position, step) in steps.iter().enumerate() {
            let answer = bucket.answers.get(&step.answer);
            let body = placed.entry(step.answer).or_insert_with(|| {
                let part = (position > 0).then(|| (position + 1).to_string());
                let path = |extension: &str| names::body_file(file, name, part.as_deref(), extension, &mut self.files);
                let (spec, written) = answer.body.as_ref()?.place(path);
                let written: Option<(String, BodySource)> = written;
                self.bodies.extend(written.map(|(path, source)| BodyFile { path, source }));
                Some(spec)
            });
            let times = std::num::NonZeroU32::new(step.times).filter(|times| times.get() > 1);
            responses.push(ResponseSpec { times, body: body.clone(), ..answer.spec });
        }
        responses
    }

    /// The recorded scenarios of the stubs called that nothing called.
    fn stale(&self) -> Vec<Stale> {
        let of_stub = |(at, lines): (&usize, &Vec<ScenarioLine>)| {
            let stub = &self.collection.stubs[*at].stub;
            let called: HashSet<&str> = lines.iter().map(|line| line.name.as_str()).collect();
            let stale = stub.scenarios.iter().filter(|scenario| {
                scenario.source.is_some() && !scenario.disabled && !called.contains(scenario.name.as_str())
            });
            let scenarios: Vec<String> = stale.map(|scenario| scenario.name.clone()).collect();
            (!scenarios.is_empty()).then(|| Stale { stub: format!("{} {}", stub.method, stub.path), scenarios })
        };
        self.lines.iter().filter_map(of_stub).collect()
    }

    fn finish(mut self, before: Option<&Collection>, selected: u64, promoted: u64) -> Promotion {
        let mut counts = BTreeMap::new();
        let mut stubs = Vec::new();
        let stale = self.stale();
        let count: usize = stale.iter().map(|stale| stale.scenarios.len()).sum();
        if count > 0 {
            counts.insert("removed", count as u64);
        }
        for (at, mut scenarios) in self.lines {
            scenarios.iter().for_each(|line| *counts.entry(line.change.as_str()).or_default() += 1);
            scenarios.sort_by_key(|line| line.number);
            let StubFile { path, stub } = &self.collection.stubs[at];
            stubs.push(StubLine {
                file: path.clone(),
                method: stub.method.clone(),
                origin: stub.origin.to_string(),
                path: stub.path.to_string(),
                new: at >= self.committed,
                scenarios,
            });
        }
        stubs.sort_by(|one, other| one.file.cmp(&other.file));
        self.collection.stubs.sort_by(|one, other| one.path.cmp(&other.path));
        let report = Report {
            collection: self.collection.manifest.name.clone(),
            selected,
            promoted,
            counts,
            stubs,
            left_out: Vec::new(),
            lossy: Vec::new(),
            hosts: Vec::new(),
            stale,
            rules: Vec::new(),
            links: Vec::new(),
            sampled: self.sampled,
        };
        let changed = before != Some(&self.collection);
        Promotion {
            collection: self.collection,
            bodies: self.bodies,
            sent: self.sent,
            changed,
            proposals: Vec::new(),
            report,
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
