//! The compiled collections: candidates by origin, method and path, and the choice among them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::collection::{OriginPattern, PortPattern, Profile, StubFile};
use crate::model::{Authority, Scheme};

use super::conditions;
use super::expected::{CompiledStub, Expected};
use super::lookup::Lookup;
use super::near;
use super::order::{Contender, Decider, Law, Role};
use super::paths::PathTable;
use super::received::Received;
use super::rules::Rules;
use super::steering::{Steering, bare_id};
use super::{Call, Evaluation, Hit, ScenarioRef, Selection, Source, Standing, State, Target};

/// The compiled collections: finds the candidates of a call by origin, method and path without walking them all.
pub struct Index {
    pub(super) sources: Vec<Source>,
    pub(super) stubs: Vec<Entry>,
    pub(super) origins: Vec<OriginEntry>,
    by_host: HashMap<String, Vec<u32>>,
    /// Where the stubs of each collection begin.
    first_of: Vec<usize>,
}

/// A stub of the index.
pub(super) struct Entry {
    pub(super) stub: CompiledStub,
    pub(super) scenarios: Vec<Expected>,
    /// Which of many scenarios can be an exact hit.
    pub(super) lookup: Option<Box<Lookup>>,
    origin_rank: u32,
}

/// An origin that is served.
pub(super) struct OriginEntry {
    pub(super) pattern: OriginPattern,
    methods: Vec<(String, PathTable)>,
    /// Every stub of it.
    pub(super) stubs: Vec<u32>,
}

/// One scenario of a ranking, best first.
pub struct Ranked {
    /// Which.
    pub at: ScenarioRef,
    /// How it compares.
    pub evaluation: Evaluation,
    /// Whether it may answer under the profile.
    pub qualified: bool,
    /// Whether the call's `x-mock-*` fields let it take part.
    pub admitted: bool,
    /// Whether it could answer at all.
    pub standing: Standing,
    /// What decided against it, if it may answer and is not the first.
    pub lost: Option<Decider>,
}

/// A call with what decides how it is answered.
pub(super) struct Question<'a> {
    pub(super) received: &'a Received<'a>,
    pub(super) profile: Profile,
    /// What has happened before.
    pub(super) state: &'a dyn State,
}

impl Question<'_> {
    pub(super) fn law(&self) -> Law {
        match self.profile {
            Profile::Best | Profile::Strict => Law::Weighed,
            Profile::Postman if self.received.call().steering.picks() => Law::Named,
            Profile::Postman => Law::Points,
        }
    }
}

/// Loopback hosts are one host.
const LOOPBACK: &str = "localhost";

impl Index {
    /// Compiles collections. Cost is linear in their size; nothing is parsed per request afterwards.
    pub fn new(sources: Vec<Source>) -> Self {
        let mut index = Index {
            sources: Vec::new(),
            stubs: Vec::with_capacity(sources.iter().map(|source| source.collection.stubs.len()).sum()),
            origins: Vec::new(),
            by_host: HashMap::new(),
            first_of: Vec::new(),
        };
        for (collection, source) in sources.iter().enumerate() {
            index.first_of.push(index.stubs.len());
            let common = Rules::of_collection(&source.collection.manifest.rules);
            for (position, file) in source.collection.stubs.iter().enumerate() {
                index.add(source, (collection, position), file, common.as_ref());
            }
        }
        index.sources = sources;
        index
    }

    /// Adds a stub by its place; `common` are the rules of a stub that has none itself.
    fn add(
        &mut self,
        source: &Source,
        (collection, position): (usize, usize),
        file: &StubFile,
        common: Option<&Arc<Rules>>,
    ) {
        let (manifest, stub) = (&source.collection.manifest, &file.stub);
        let rank = manifest.origins.iter().position(|origin| *origin == stub.origin).unwrap_or(manifest.origins.len());
        let conditions = conditions::of_rules(&stub.rules, &manifest.rules);
        let scenario = |(scenario, spec): (usize, &crate::collection::Scenario)| {
            let body = spec.request.body.as_ref().and_then(|body| (source.body)(body));
            Expected::new(stub, spec, ScenarioRef { collection, stub: position, scenario }, body, &conditions)
        };
        let scenarios: Vec<_> = stub.scenarios.iter().enumerate().map(scenario).collect();
        let number = u32::try_from(self.stubs.len()).unwrap_or(u32::MAX);
        let rules = common.filter(|_| stub.rules.is_empty()).cloned();
        let rules =
            rules.unwrap_or_else(|| Arc::new(Rules::new(stub, &manifest.rules, &*source.body, &source.recorded)));
        let stub_of = CompiledStub::new(stub, &file.path, rules);
        self.stubs.push(Entry {
            lookup: Lookup::new(&stub_of, &scenarios).map(Box::new),
            stub: stub_of,
            origin_rank: u32::try_from(rank).unwrap_or(u32::MAX),
            scenarios,
        });
        let origin = self.origin_entry(&stub.origin);
        origin.stubs.push(number);
        let at = origin.methods.iter().position(|(method, _)| *method == stub.method).unwrap_or_else(|| {
            origin.methods.push((stub.method.clone(), PathTable::default()));
            origin.methods.len() - 1
        });
        origin.methods[at].1.insert(stub.path.segments(), number);
    }

    fn origin_entry(&mut self, pattern: &OriginPattern) -> &mut OriginEntry {
        let host = if pattern.is_loopback() { LOOPBACK.to_owned() } else { pattern.host.clone() };
        let pattern = OriginPattern { host: host.clone(), ..pattern.clone() };
        let numbers = self.by_host.entry(host).or_default();
        let known = numbers.iter().copied().find(|at| self.origins[*at as usize].pattern == pattern);
        let at = known.unwrap_or_else(|| {
            self.origins.push(OriginEntry { pattern, methods: Vec::new(), stubs: Vec::new() });
            let at = u32::try_from(self.origins.len() - 1).unwrap_or(u32::MAX);
            numbers.push(at);
            at
        });
        &mut self.origins[at as usize]
    }

    /// Chooses the scenario that answers `call`. `state` is what has happened before.
    pub fn select(&self, call: &Call, profile: Profile, state: &dyn State) -> Selection {
        let received = Received::new(call);
        let question = Question { received: &received, profile, state };
        match self.best(&question) {
            Some(best) => Selection::Hit(best.into_hit()),
            None => Selection::Miss(near::miss(self, &question)),
        }
    }

    /// [`Index::select`] where nobody asks what was near to a miss, which takes longest.
    pub fn hit(&self, call: &Call, profile: Profile, state: &dyn State) -> Option<Hit> {
        let received = Received::new(call);
        self.best(&Question { received: &received, profile, state }).map(Contender::into_hit)
    }

    /// The first of those that may answer.
    pub(super) fn best<'i>(&'i self, question: &Question<'_>) -> Option<Contender<'i>> {
        let law = question.law();
        let mut best: Option<Contender<'_>> = None;
        // Whether nothing else of its stub could go before it.
        let mut consider = |entry: &'i Entry, role: Role, scenario: &'i Expected| {
            let Some(contender) = self.contend(entry, role, scenario, question) else { return false };
            let top = entry.lookup.as_ref().is_none_or(|lookup| scenario.priority >= lookup.top);
            let settled = top && contender.role == Role::Qualified && contender.evaluation.is_exact();
            if best.as_ref().is_none_or(|best| law.compare(&contender, best).is_lt()) {
                best = Some(contender);
            }
            settled
        };
        self.competing(question, &mut |entry, role| {
            if role != Role::Qualified || !self.is_settled_by_hash(entry, question, &mut consider) {
                for scenario in &entry.scenarios {
                    consider(entry, role, scenario);
                }
            }
        });
        best
    }

    /// Considers those scenarios of a stub that can be an exact hit, if there is a quick way to know them. Whether the
    /// others need not be considered: they are inexact, and one of these is not, or they may not answer for that reason.
    fn is_settled_by_hash<'i>(
        &'i self,
        entry: &'i Entry,
        question: &Question<'_>,
        consider: &mut dyn FnMut(&'i Entry, Role, &'i Expected) -> bool,
    ) -> bool {
        let plain = question.received.call().steering == Steering::default();
        let Some(lookup) = entry.lookup.as_ref().filter(|_| plain && question.profile != Profile::Postman) else {
            return false;
        };
        let mut settled = false;
        let told = lookup.find(question.received, &mut |at| {
            settled |= consider(entry, Role::Qualified, &entry.scenarios[at as usize]);
        });
        told && (settled || question.profile == Profile::Strict)
    }

    /// Visits the stubs that pass the gates, with the capacity in which their scenarios would answer.
    pub(super) fn competing<'i>(&'i self, question: &Question<'_>, visit: &mut dyn FnMut(&'i Entry, Role)) {
        let call = question.received.call();
        if question.profile == Profile::Postman {
            return self.of_method(question.received, &mut |entry| visit(entry, Role::Qualified));
        }
        self.candidates(question.received, &call.method, &mut |entry| visit(entry, Role::Qualified));
        if call.method == "HEAD" && question.profile == Profile::Best {
            self.candidates(question.received, "GET", &mut |entry| visit(entry, Role::HeadFromGet));
        }
    }

    /// The scenario as a contender, if it may answer.
    fn contend<'i>(
        &'i self,
        entry: &'i Entry,
        role: Role,
        scenario: &'i Expected,
        question: &Question<'_>,
    ) -> Option<Contender<'i>> {
        if scenario.disabled {
            return None;
        }
        let contender = self.would_contend(entry, role, scenario, question)?;
        (near::standing(scenario, question.state) == Standing::Enabled).then_some(contender)
    }

    /// The scenario as a contender, if it may answer but for being disabled, used up or in another state.
    pub(super) fn would_contend<'i>(
        &'i self,
        entry: &'i Entry,
        role: Role,
        scenario: &'i Expected,
        question: &Question<'_>,
    ) -> Option<Contender<'i>> {
        if !self.is_admitted(&entry.stub, scenario, question) {
            return None;
        }
        let profile = question.profile;
        let mut evaluation = self.evaluate(entry, role, scenario, question);
        let qualifies = match profile {
            Profile::Best | Profile::Postman => evaluation.qualifies() || evaluation.picked,
            Profile::Strict => evaluation.is_exact(),
        };
        let role = match (qualifies, role) {
            (true, role) => role,
            (false, _) if !scenario.default || profile != Profile::Best => return None,
            (false, Role::HeadFromGet) => Role::HeadDefault,
            (false, _) => Role::Default,
        };
        evaluation.by_default = !qualifies;
        Some(self.contender(entry, role, scenario, evaluation, question))
    }

    /// Compares a scenario with the call as the profile asks.
    fn evaluate(&self, entry: &Entry, role: Role, scenario: &Expected, question: &Question<'_>) -> Evaluation {
        let mut evaluation = match question.profile {
            Profile::Best | Profile::Strict => scenario.evaluate(&entry.stub, question.received),
            Profile::Postman => {
                let manifest = &self.sources[scenario.at.collection].collection.manifest;
                scenario.evaluate_by_points(&entry.stub, question.received, manifest)
            }
        };
        evaluation.settle(scenario.at.collection, question.state);
        evaluation.head_from_get = role == Role::HeadFromGet;
        evaluation.picked = question.received.call().steering.picks();
        evaluation
    }

    fn contender<'i>(
        &'i self,
        entry: &'i Entry,
        role: Role,
        scenario: &'i Expected,
        evaluation: Evaluation,
        question: &Question<'_>,
    ) -> Contender<'i> {
        let named = matches!(question.received.call().target, Target::Origin(_));
        let id = match question.law() {
            Law::Weighed => Cow::Borrowed(""),
            Law::Points | Law::Named => self.id(scenario.at),
        };
        let origin_rank = if named { 0 } else { entry.origin_rank };
        Contender { role, stub: &entry.stub, scenario, evaluation, origin_rank, id }
    }

    /// Whether the call's steering lets a scenario take part.
    fn is_admitted(&self, stub: &CompiledStub, scenario: &Expected, question: &Question<'_>) -> bool {
        let steering = &question.received.call().steering;
        if *steering == Steering::default() {
            return true;
        }
        let spec = self.scenario(scenario.at);
        steering.admits(scenario.status, &spec.name, |wanted| {
            let given = spec.id.as_deref().is_some_and(|id| bare_id(id) == bare_id(wanted));
            let short = || format!("{} {}#{}", stub.method, self.stub(scenario.at).stub.path, spec.name);
            given || spec.source.as_deref() == Some(wanted) || short() == wanted || *self.id(scenario.at) == *wanted
        })
    }

    /// What a scenario is known by: the id that it was given, else its label with the origin.
    fn id(&self, at: ScenarioRef) -> Cow<'_, str> {
        let scenario = self.scenario(at);
        match &scenario.id {
            Some(id) => Cow::Borrowed(id),
            None => Cow::Owned(self.stub(at).stub.label(scenario, true)),
        }
    }

    /// Visits every stub of the call's method, and of its origin if it named one.
    fn of_method<'i>(&'i self, received: &Received<'_>, visit: &mut dyn FnMut(&'i Entry)) {
        let call = received.call();
        self.origins_of(&call.target, &mut |origin| {
            let entries = origin.stubs.iter().map(|number| &self.stubs[*number as usize]);
            entries.filter(|entry| entry.stub.method == call.method).for_each(&mut *visit);
        });
    }

    /// Visits the stubs that pass the gates of origin, `method` and path.
    fn candidates<'i>(&'i self, received: &Received<'_>, method: &str, visit: &mut dyn FnMut(&'i Entry)) {
        let path = received.path();
        self.origins_of(&received.call().target, &mut |origin| {
            let Some((_, table)) = origin.methods.iter().find(|(known, _)| known == method) else { return };
            for number in table.literal(path) {
                visit(&self.stubs[*number as usize]);
            }
            table.patterns(path, &mut |number| visit(&self.stubs[number as usize]));
        });
    }

    /// Visits the stubs that pass the gates of origin and path, whatever the method.
    pub(super) fn at_path<'i>(&'i self, received: &Received<'_>, visit: &mut dyn FnMut(&'i Entry)) {
        let path = received.path();
        self.origins_of(&received.call().target, &mut |origin| {
            for (_, table) in &origin.methods {
                for number in table.literal(path) {
                    visit(&self.stubs[*number as usize]);
                }
                table.patterns(path, &mut |number| visit(&self.stubs[number as usize]));
            }
        });
    }

    /// The compiled stub of a reference.
    pub(super) fn compiled(&self, at: ScenarioRef) -> &CompiledStub {
        &self.stubs[self.first_of[at.collection] + at.stub].stub
    }

    /// Visits the origins that a call may mean.
    pub(super) fn origins_of<'i>(&'i self, target: &Target, visit: &mut dyn FnMut(&'i OriginEntry)) {
        match target {
            Target::Any => self.origins.iter().for_each(visit),
            Target::Origin(origin) => self.origins_at(&origin.authority, Some(origin.scheme), visit),
            Target::Authority(authority) => self.origins_at(authority, None, visit),
        }
    }

    fn origins_at<'i>(&'i self, at: &Authority, scheme: Option<Scheme>, visit: &mut dyn FnMut(&'i OriginEntry)) {
        let found = self.by_host.get(at.host());
        let found = found.or_else(|| at.is_loopback().then(|| self.by_host.get(LOOPBACK)).flatten());
        for number in found.into_iter().flatten() {
            let origin = &self.origins[*number as usize];
            let port = match origin.pattern.port {
                PortPattern::Any => true,
                PortPattern::Exactly(port) => port == at.port(),
            };
            if port && scheme.is_none_or(|scheme| scheme == origin.pattern.scheme) {
                visit(origin);
            }
        }
    }

    /// Whether some collection has stubs for that host and port, whatever the scheme: a plain call with this `Host`
    /// means that origin.
    pub fn serves(&self, authority: &Authority) -> bool {
        let mut any = false;
        self.origins_at(authority, None, &mut |_| any = true);
        any
    }

    /// The origins that are served, in the order of the collections.
    pub fn origins(&self) -> impl Iterator<Item = &OriginPattern> {
        self.origins.iter().map(|origin| &origin.pattern)
    }

    /// Whether no collection has a scenario.
    pub fn is_empty(&self) -> bool {
        self.stubs.iter().all(|entry| entry.scenarios.is_empty())
    }

    /// The collections, in order.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter()
    }

    /// The names of the collections, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| source.name.as_str())
    }

    /// [`Index::select`] together with [`Index::rank`]: the ranking from which the choice was made.
    pub fn select_ranked(&self, call: &Call, profile: Profile, state: &dyn State) -> (Selection, Vec<Ranked>) {
        let ranked = self.rank(call, profile, state);
        let selection = match ranked.first().filter(|first| first.qualified) {
            Some(first) => Selection::Hit(Hit { at: first.at, evaluation: first.evaluation.clone() }),
            None => {
                let received = Received::new(call);
                Selection::Miss(near::miss(self, &Question { received: &received, profile, state }))
            }
        };
        (selection, ranked)
    }

    /// Every scenario whose stub passes the gates for `call`, the one that answers first, then in the order in which
    /// they would have answered, then those that may not, nearest first. For `explain`.
    pub fn rank(&self, call: &Call, profile: Profile, state: &dyn State) -> Vec<Ranked> {
        let received = Received::new(call);
        let question = Question { received: &received, profile, state };
        let law = question.law();
        let (mut may, mut may_not) = (Vec::new(), Vec::new());
        self.competing(&question, &mut |entry, role| {
            for scenario in &entry.scenarios {
                match self.contend(entry, role, scenario, &question) {
                    Some(contender) => may.push(contender),
                    None => {
                        let evaluation = self.evaluate(entry, role, scenario, &question);
                        may_not.push(self.contender(entry, role, scenario, evaluation, &question));
                    }
                }
            }
        });
        may.sort_by(|one, other| law.compare(one, other));
        may_not.sort_by(near::nearer);
        let lost: Vec<_> = may.iter().map(|one| law.decide(&may[0], one).map(|(_, decider)| decider)).collect();
        let ranked = |qualified, one: Contender<'_>, lost| Ranked {
            at: one.scenario.at,
            admitted: self.is_admitted(one.stub, one.scenario, &question),
            standing: near::standing(one.scenario, state),
            evaluation: one.evaluation,
            qualified,
            lost,
        };
        let may = may.into_iter().zip(lost).map(|(one, lost)| ranked(true, one, lost));
        may.chain(may_not.into_iter().map(|one| ranked(false, one, None))).collect()
    }

    /// The stub file of a reference.
    pub fn stub(&self, at: ScenarioRef) -> &StubFile {
        &self.sources[at.collection].collection.stubs[at.stub]
    }

    /// The scenario of a reference.
    pub fn scenario(&self, at: ScenarioRef) -> &crate::collection::Scenario {
        &self.stub(at).stub.scenarios[at.scenario]
    }

    /// The request body of a scenario, if there is a byte in it.
    pub fn request_body(&self, at: ScenarioRef) -> Option<&Bytes> {
        self.stubs[self.first_of[at.collection] + at.stub].scenarios[at.scenario].body()
    }

    /// The collection of a reference.
    pub fn source(&self, at: ScenarioRef) -> &Source {
        &self.sources[at.collection]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Untouched;
    use super::super::tests::{UsedUp, call, collection, index, name_of, scenario, stub};
    use super::*;
    use crate::collection::{Place, Rule, RuleAction};
    use crate::model::Shape;

    /// The scenario that answers, with `~` for an inexact hit; `miss` if none.
    fn answer(index: &Index, line: &str, profile: Profile) -> String {
        match index.select(&call(line), profile, &Untouched) {
            Selection::Hit(hit) => {
                let mark = if hit.evaluation.is_exact() { "" } else { "~" };
                format!("{mark}{}", name_of(index, hit.at))
            }
            Selection::Miss(_) => "miss".into(),
        }
    }

    #[track_caller]
    fn check(stubs: &[&str], cases: &[(&str, &str, &str)]) {
        let index = index(vec![collection(&[], stubs)]);
        for (line, best, strict) in cases {
            assert_eq!(answer(&index, line, Profile::Best), *best, "best: {line}");
            assert_eq!(answer(&index, line, Profile::Strict), *strict, "strict: {line}");
        }
    }

    #[test]
    fn a_fresh_value_is_taken_for_a_recorded_one_and_recorded_ones_are_told_apart() {
        let first = stub("GET /orders/{id} | tea {id=1001}");
        let mut file = StubFile { path: first.path, stub: first.stub };
        file.stub.scenarios.push(scenario("coffee {id=1002}"));
        file.stub.scenarios.push(scenario("none {id=9999}"));
        file.stub.scenarios.push(scenario("odd {id=new}"));
        let fresh = Rule::new(Place::Path, "id", RuleAction::Fresh);
        file.stub.rules = vec![Rule { shape: Some(Shape::Integer), except: vec!["9999".into()], ..fresh }];
        let mut source = collection(&[], &[]);
        std::sync::Arc::get_mut(&mut source.collection).unwrap().stubs.push(file);
        let index = index(vec![source]);
        for (line, expected) in [
            ("GET /orders/1001", "tea"),
            ("GET /orders/1002", "coffee"),
            ("GET /orders/1003", "tea"),
            ("GET /orders/9999", "none"),
            ("GET /orders/new", "odd"),
            ("GET /orders/old", "miss"),
        ] {
            assert_eq!(answer(&index, line, Profile::Strict), expected, "{line}");
        }
    }

    #[test]
    fn literal_paths_go_before_captures_unless_only_these_match_exactly() {
        check(
            &["GET /users/me | ok ?a=1&b=2", "GET /users/{id} | any ?a=1&b=2&c=3", "GET /** | rest ?"],
            &[
                ("GET /users/me?a=1&b=2", "ok", "ok"),
                ("GET /users/me?a=1&b=2&c=3", "any", "any"),
                ("GET /users/me?a=1&b=2&d=3", "~ok", "miss"),
                ("GET /users/7?c=3&b=2&a=1", "any", "any"),
                ("GET /other", "rest", "rest"),
                ("GET /users/me?a=1&b=3", "miss", "miss"),
                ("POST /users/me?a=1&b=2", "miss", "miss"),
            ],
        );
    }

    #[test]
    fn a_captured_value_is_exact_but_a_default_takes_any() {
        check(
            &["GET /users/{login} | octocat {login=octocat}"],
            &[("GET /users/octocat", "octocat", "octocat"), ("GET /users/torvalds", "miss", "miss")],
        );
        check(
            &["GET /users/{login} | octocat* {login=octocat}", "GET /users/{id} | seven {id=7}"],
            &[
                ("GET /users/octocat", "octocat", "octocat"),
                ("GET /users/torvalds", "~octocat", "miss"),
                ("GET /users/7", "seven", "seven"),
            ],
        );
    }

    #[test]
    fn get_answers_head_when_no_head_stub_qualifies() {
        check(
            &["GET /a | get", "HEAD /b | head", "GET /b | get-b", "GET /c | c* ?x=1"],
            &[
                ("HEAD /a", "~get", "miss"),
                ("HEAD /b", "head", "head"),
                ("HEAD /c", "~c", "miss"),
                ("HEAD /d", "miss", "miss"),
            ],
        );
    }

    #[test]
    fn origins() {
        let sources = || {
            vec![
                collection(&["https://a.test", "https://b.test"], &["GET https://b.test /x | b", "GET /x | a"]),
                collection(
                    &["http://localhost:*"],
                    &["GET http://127.0.0.1:* /x | local", "GET http://127.0.0.1:* /y | y"],
                ),
            ]
        };
        let index = index(sources());
        for (line, expected) in [
            ("GET https://a.test /x", "a"),
            ("GET https://b.test /x", "b"),
            ("GET http://a.test /x", "miss"),
            ("GET https://a.test:8443 /x", "miss"),
            ("GET http://127.0.0.1:5000 /x", "local"),
            ("GET http://[::1]:5001 /x", "local"),
            ("GET //a.test:443 /x", "a"),
            ("GET * /x", "a"),
            ("GET * /y", "y"),
        ] {
            assert_eq!(answer(&index, line, Profile::Best), expected, "{line}");
        }
        assert!(index.serves(&Authority::new("::1", 9)));
        assert!(!index.serves(&Authority::new("c.test", 443)));
    }

    #[test]
    fn what_is_used_up_or_disabled_does_not_answer() {
        let mut source = collection(&[], &["GET /a | one", "GET /b | two"]);
        let files = &mut std::sync::Arc::make_mut(&mut source.collection).stubs;
        files[0].stub.scenarios[0].end = Some(crate::collection::EndPolicy::Miss);
        files[1].stub.scenarios[0].disabled = true;
        let index = index(vec![source]);
        assert!(matches!(index.select(&call("GET /a"), Profile::Best, &UsedUp), Selection::Miss(_)));
        assert!(matches!(index.select(&call("GET /a"), Profile::Best, &Untouched), Selection::Hit(_)));
        assert_eq!(answer(&index, "GET /b", Profile::Best), "miss");
    }
}
