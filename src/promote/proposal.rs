//! What a promotion found and does not decide by itself: changes that wait for a person.

use std::collections::HashMap;

use super::report::Change as Became;
use super::survey::{Confidence, PathLine, RuleLine};
use super::{BodyFile, Promotion};
use crate::collection::{Change, Collection, EndPolicy, PATH_STUBS, ResponseSpec, Scenario, Stub, StubFile, StubKey};
use crate::model::Origin;

/// More patterns are not proposed at a time.
const PATHS: usize = 100;

/// A finding, as a change of the collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// What would be changed.
    pub change: Change,
    /// Why, in a sentence.
    pub why: String,
    /// What was seen.
    pub evidence: Vec<String>,
    /// How sure it is.
    pub confidence: Confidence,
    /// Body files that the change names and that are not there yet.
    pub bodies: Vec<BodyFile>,
}

/// Takes the answers that `--replace` put into committed scenarios out again, and makes each a proposal: what is
/// committed stays until a person says otherwise. `base` is the committed collection, `prepared` the same with the rules
/// that were found.
pub fn ask(base: Option<&Collection>, prepared: &Collection, promotion: &mut Promotion) {
    let Promotion { collection, bodies, report, proposals, .. } = promotion;
    let old: HashMap<&str, &StubFile> = prepared.stubs.iter().map(|file| (&*file.path, file)).collect();
    let new: HashMap<String, usize> =
        collection.stubs.iter().enumerate().map(|(at, file)| (file.path.clone(), at)).collect();
    for line in &mut report.stubs {
        let (Some(old), Some(at)) = (old.get(&*line.file), new.get(&line.file)) else { continue };
        let new = &mut collection.stubs[*at];
        let key = StubKey::of(&new.stub);
        for told in line.scenarios.iter_mut().filter(|told| told.change == Became::Changed) {
            let is_it = |scenario: &&Scenario| scenario.name == told.name;
            let committed = old.stub.scenarios.iter().find(is_it);
            let replaced = new.stub.scenarios.iter_mut().find(|scenario| scenario.name == told.name);
            let (Some(committed), Some(replaced)) = (committed, replaced) else { continue };
            let recorded = Scenario {
                source: committed.source.clone(),
                response: committed.response.clone(),
                responses: committed.responses.clone(),
                end: committed.end,
                ..replaced.clone()
            };
            let recorded = std::mem::replace(replaced, recorded);
            told.change = Became::Conflict;
            let calls = if told.calls == 1 { "1 call".to_owned() } else { format!("{} calls", told.calls) };
            let mut evidence = vec![format!("recorded by {calls}, the first of them exchange {}", told.number)];
            if let Some(conflict) = &told.conflict {
                let (committed, recorded) = (&conflict.committed, &conflict.recorded);
                evidence.push(format!("{}: committed {committed}, recorded {recorded}", conflict.at));
            }
            proposals.push(Proposal {
                bodies: named(&recorded, bodies),
                change: answer(key.clone(), recorded),
                why: "the same request got another answer than the committed one".to_owned(),
                evidence,
                confidence: Confidence::Doubtful,
            });
        }
    }
    let taken = report.counts.remove(Became::Changed.as_str()).unwrap_or_default();
    if taken > 0 {
        *report.counts.entry(Became::Conflict.as_str()).or_default() += taken;
    }
    promotion.changed = base != Some(&promotion.collection);
}

/// The rules that the promotion is not sure of, as proposals for the stubs of `collection`.
pub(super) fn doubtful(rules: &[RuleLine], collection: &Collection) -> Vec<Proposal> {
    let stubs = Stubs::of(collection);
    let proposal = |line: &RuleLine| {
        let stub = match &line.key {
            None => None,
            Some((origin, method, path)) => Some(StubKey::of(stubs.find(origin, method, path)?)),
        };
        Some(Proposal {
            change: Change::AddRule { stub, rule: line.rule.clone() },
            why: line.rule.why.clone().unwrap_or_default(),
            evidence: line.evidence.clone(),
            confidence: line.confidence,
            bodies: Vec::new(),
        })
    };
    rules.iter().filter(|line| line.confidence != Confidence::Certain).filter_map(proposal).collect()
}

/// The patterns that the promotion is not sure of, as proposals for the stubs of `collection`; what was refused is left out.
pub(super) fn paths(lines: &[PathLine], collection: &Collection) -> Vec<Proposal> {
    let stubs = Stubs::of(collection);
    let proposal = |line: &PathLine| {
        let stubs = line.from.iter().filter_map(|path| stubs.find(&line.origin, &line.method, path));
        let mut stubs: Vec<StubKey> = stubs.map(StubKey::of).collect();
        let (all, mut evidence) = (stubs.len(), line.evidence.clone());
        if all > PATH_STUBS {
            // The same ones each time, so that what waits stays as it is.
            stubs.sort_by_cached_key(ToString::to_string);
            stubs.truncate(PATH_STUBS);
            evidence.push(format!(
                "{PATH_STUBS} of {all} such stubs are in this change; the others stay as they are, unless they are removed and \
                 promoted again after it was accepted"
            ));
        }
        let is_open = !stubs.is_empty();
        let change = Change::SetPath { stubs, path: line.path.clone() };
        (is_open && !change.is_refused(collection)).then(|| Proposal {
            change,
            why: line.why.clone(),
            evidence,
            confidence: line.confidence,
            bodies: Vec::new(),
        })
    };
    lines.iter().filter_map(proposal).take(PATHS).collect()
}

/// The stubs of a collection, to be found as the survey knows them.
struct Stubs<'c>(HashMap<(&'c str, &'c str), Vec<&'c Stub>>);

impl<'c> Stubs<'c> {
    fn of(collection: &'c Collection) -> Self {
        let mut by_path: HashMap<_, Vec<&Stub>> = HashMap::new();
        for file in &collection.stubs {
            by_path.entry((&*file.stub.method, file.stub.path.as_str())).or_default().push(&file.stub);
        }
        Stubs(by_path)
    }

    /// The stub of an endpoint.
    fn find(&self, origin: &str, method: &str, path: &str) -> Option<&'c Stub> {
        let parsed = origin.parse::<Origin>().ok();
        let is_it = |stub: &&Stub| {
            stub.origin.to_string() == origin || parsed.as_ref().is_some_and(|origin| stub.origin.matches(origin))
        };
        self.0.get(&(method, path))?.iter().copied().find(is_it)
    }
}

fn answer(stub: StubKey, recorded: Scenario) -> Change {
    let responses: Vec<ResponseSpec> = recorded.steps().to_vec();
    let end: Option<EndPolicy> = recorded.end;
    Change::Answer { stub, scenario: recorded.name, responses, end, source: recorded.source }
}

/// Takes the files that the scenario's answers name from those to be written.
fn named(scenario: &Scenario, bodies: &mut Vec<BodyFile>) -> Vec<BodyFile> {
    let files: Vec<&str> = scenario.steps().iter().filter_map(|step| step.body.as_ref()?.file.as_deref()).collect();
    let (taken, left) = bodies.drain(..).partition(|body| files.contains(&body.path.as_str()));
    *bodies = left;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::{BodySpec, Place, Rule, RuleAction};
    use crate::promote::testing::exchange;
    use crate::promote::{Content, Existing, Options, promote};

    fn content(body: &BodySpec) -> Option<Content> {
        Some(Content::Small(body.text.clone()?.into()))
    }

    fn again(first: &Promotion, new: Vec<super::super::Recorded>, options: Options) -> Promotion {
        promote(Some(Existing { collection: &first.collection, content: &content }), new, options)
    }

    #[test]
    fn what_differs_is_asked_and_what_is_committed_stays() {
        let call = |number, text: &str| exchange(number, "GET", "https://a.test/a", 200).answering("text/plain", text);
        let first = promote(None, [call(1, "one")], Options::default());
        let replace = Options { replace: true, ..Options::default() };
        let large = "two ".repeat(40_000);
        let mut second = again(&first, vec![call(7, &large), exchange(8, "GET", "https://a.test/b", 204)], replace);
        ask(Some(&first.collection), &first.collection, &mut second);
        assert_eq!(second.collection.stubs[0], first.collection.stubs[0]);
        assert_eq!(second.collection.stubs.len(), 2, "what is new is taken");
        assert_eq!(second.report.counts.get("conflict"), Some(&1));
        assert_eq!(second.report.counts.get("changed"), None);
        let [proposal] = &second.proposals[..] else { panic!("one proposal") };
        assert_eq!(proposal.change.title(), "GET /a#ok answers with another 200");
        assert_eq!(proposal.bodies.len(), 1, "the body comes with the change");
        assert_eq!(second.bodies, []);
        assert!(proposal.evidence[0].ends_with("exchange 7"), "{:?}", proposal.evidence);
        let mut accepted = second.collection.clone();
        proposal.change.apply(&mut accepted).unwrap();
        let file = accepted.stubs[0].stub.scenarios[0].response.as_ref().unwrap().body.as_ref().unwrap().file.clone();
        assert_eq!(file.as_ref(), Some(&proposal.bodies[0].path));
    }

    #[test]
    fn a_rule_that_is_not_certain_waits_for_its_stub() {
        let collection =
            promote(None, [exchange(1, "GET", "http://localhost:8080/a", 200)], Options::default()).collection;
        assert_eq!(collection.stubs[0].stub.origin.to_string(), "http://localhost:*");
        let line = |origin: &str, confidence| RuleLine {
            endpoint: Some("GET /a".into()),
            key: Some((origin.into(), "GET".into(), "/a".into())),
            rule: Rule { why: Some("it may be".into()), ..Rule::new(Place::Query, "t", RuleAction::Ignore) },
            evidence: vec!["2 samples".into()],
            confidence,
        };
        let lines = [
            line("http://localhost:8080", Confidence::Likely),
            line("http://localhost:*", Confidence::Doubtful),
            line("http://localhost:8080", Confidence::Certain),
            line("https://other.test", Confidence::Doubtful),
            RuleLine { key: None, endpoint: None, ..line("", Confidence::Doubtful) },
        ];
        let titles: Vec<_> = doubtful(&lines, &collection).iter().map(|one| one.change.title()).collect();
        let stub = "in GET /a the query's `t` does not count";
        assert_eq!(titles, [stub, stub, "everywhere the query's `t` does not count"]);
    }

    #[test]
    fn a_sample_keeps_every_kind_of_answer_and_does_not_grow() {
        let call = |number: u64| {
            let status = if number == 6 { 404 } else { 200 };
            exchange(number, "GET", &format!("https://a.test/a?page={number}"), status)
        };
        let options = Options { sample: Some(3), ..Options::default() };
        let names = |promotion: &Promotion| -> Vec<String> {
            promotion.collection.stubs[0].stub.scenarios.iter().map(|scenario| scenario.name.clone()).collect()
        };
        let first = promote(None, (1..=8).map(call), options.clone());
        assert_eq!(names(&first), ["page-1", "page-2", "page-6"]);
        let backward = promote(None, (1..=8).rev().map(call), options.clone());
        assert_eq!(backward.collection, first.collection);
        let [sampled] = &first.report.sampled[..] else { panic!("one stub") };
        assert_eq!((sampled.stub.as_str(), sampled.kept, sampled.left_out), ("GET https://a.test/a", 3, 5));
        let second = again(&first, (1..=8).map(call).collect(), options.clone());
        assert!(!second.changed);
        let wanted = Options { default: Some(5), ..options };
        assert_eq!(names(&promote(None, (1..=8).map(call), wanted)), ["page-1", "page-5", "page-6"]);
    }
}
