//! What `--sample` keeps of the new scenarios of a stub: as many as there is room for, and none that would answer one
//! which is left out.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::Content;
use super::bucket::FieldLists;
use super::canonical::Lens;
use super::group;
use super::merge::Fresh;
use super::request::{self, RequestKey, comparable};
use crate::collection::{BodySpec, Place, RequestSpec, Stub};

/// Scenarios of alike requests by the names of the fields that they list, then by the values.
type Listed = HashMap<Vec<String>, HashMap<Vec<String>, Vec<usize>>>;

/// New scenarios of one stub, in order of their first request, of which some are to be kept.
pub(super) struct Pick<'a> {
    pub(super) scenarios: &'a [Fresh],
    /// The exchange that is to be the default.
    pub(super) wanted: Option<u64>,
    pub(super) fields: &'a FieldLists,
}

/// What requests of one class have in common: they are alike, values that are made afresh and fields aside.
#[derive(PartialEq, Eq, Hash)]
enum Class {
    Key(RequestKey),
    /// By the first scenario of its bucket.
    Bucket(usize),
}

impl Pick<'_> {
    /// The positions of those to keep: first one of each status, then the earliest. One whose request asks for less than
    /// that of another, and has another answer, stays only with the other: alone it would answer for it.
    pub(super) fn kept(&self, room: usize) -> HashSet<usize> {
        let mut statuses: HashSet<u16> = HashSet::new();
        let mut rank = |fresh: &Fresh| match (self.is_wanted(fresh), statuses.insert(fresh.status())) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        };
        let rank: Vec<u8> = self.scenarios.iter().map(&mut rank).collect();
        let mut order: Vec<usize> = (0..self.scenarios.len()).collect();
        order.sort_by_key(|position| (rank[*position], *position));
        let mut order = order.into_iter();
        let mut choice = Choice::new(rank, self.wider());
        order.by_ref().take(room).for_each(|at| choice.put(at, true));
        while let Some((_, alone)) = choice.alone.last().copied() {
            // It goes out, so that the next one comes in.
            choice.put(alone, false);
            order.by_ref().take(1).for_each(|at| choice.put(at, true));
        }
        // What went out comes back where one that came later made it harmless.
        while choice.kept.len() < room
            && let Some((_, harmless)) = choice.harmless.first().copied()
        {
            choice.put(harmless, true);
        }
        choice.kept
    }

    fn is_wanted(&self, fresh: &Fresh) -> bool {
        self.wanted.is_some_and(|wanted| fresh.group.samples.iter().any(|sample| sample.number == wanted))
    }

    /// For each scenario those that would answer for it, if it were not there. They are looked up by what they list, since
    /// there may be too many to compare each with each.
    fn wider(&self) -> Vec<Vec<usize>> {
        let last = |fresh: &Fresh| group::lasting(&group::steps(&fresh.group.samples));
        let answers: Vec<_> = self.scenarios.iter().map(last).collect();
        let mut wider = vec![Vec::new(); self.scenarios.len()];
        for all in self.buckets().into_values().filter(|all| all.len() > 1) {
            let listed = self.listed(&all);
            for at in all {
                let fitting = self.fitting(at, &listed);
                wider[at] = fitting.into_iter().filter(|wide| answers[*wide] != answers[at]).collect();
            }
        }
        wider
    }

    fn listed(&self, all: &[usize]) -> Listed {
        let mut listed = Listed::new();
        for at in all {
            let lines = self.scenarios[*at].group.fields.iter();
            let lines = lines.map(|line| (line.0.name.to_ascii_lowercase(), comparable(&line.0)));
            let (names, values): (Vec<String>, Vec<String>) = lines.unzip();
            listed.entry(names).or_default().entry(values).or_default().push(*at);
        }
        listed
    }

    /// Those of which a call of this scenario is an exact hit, as far as fields go.
    fn fitting(&self, at: usize, listed: &Listed) -> BTreeSet<usize> {
        let lists: BTreeSet<usize> = self.scenarios[at].group.samples.iter().map(|sample| sample.fields).collect();
        let mut fitting = BTreeSet::new();
        for own in lists.into_iter().map(|list| &self.fields[list]) {
            let value = |name: &String| Some(comparable(&own.iter().find(|own| own.name == *name)?.line));
            for (names, by_values) in listed {
                let values: Option<Vec<String>> = names.iter().map(value).collect();
                fitting.extend(values.and_then(|values| by_values.get(&values)).into_iter().flatten());
            }
        }
        fitting
    }

    /// The scenarios of alike requests, which fields tell apart, by the first of them.
    fn buckets(&self) -> HashMap<usize, Vec<usize>> {
        let mut first = HashMap::new();
        let mut buckets: HashMap<usize, Vec<usize>> = HashMap::new();
        for (at, fresh) in self.scenarios.iter().enumerate() {
            let of = *first.entry(Rc::as_ptr(&fresh.bucket)).or_insert(at);
            buckets.entry(of).or_default().push(at);
        }
        buckets
    }

    /// Whether a call of the other is an exact hit of this one, as far as fields go, and gets another answer.
    fn covers(&self, one: usize, other: usize, lens: &Lens<'_>) -> bool {
        let (one, other) = (&self.scenarios[one].group, &self.scenarios[other].group);
        let hides = |name: &str, value: &str| lens.seen(Place::Field, name).hides(value);
        let has = |sample: &group::Sample| {
            one.fields.iter().all(|line| {
                let own = self.fields[sample.fields].iter().find(|own| line.0.is(&own.name));
                own.is_some_and(|own| {
                    comparable(&own.line) == comparable(&line.0) || hides(&own.name, &own.line.text())
                })
            })
        };
        other.samples.iter().any(has) && !group::alike(&group::steps(&one.samples), &group::steps(&other.samples))
    }

    /// How many of those that are not kept are answered exactly, and in another way than recorded, by one that is kept, or by
    /// a committed one of the stub.
    pub(super) fn answered(&self, kept: &HashSet<usize>, stub: &Stub, lens: &Lens<'_>) -> usize {
        let across = lens.across_recordings();
        let of_bucket: HashMap<usize, usize> =
            self.buckets().into_iter().flat_map(|(first, all)| all.into_iter().map(move |at| (at, first))).collect();
        let class = |at: usize| {
            let key = if lens.has_fresh() { self.key(at, stub, &across) } else { None };
            key.map_or(Class::Bucket(of_bucket[&at]), Class::Key)
        };
        let mut stay: HashMap<Class, Vec<usize>> = HashMap::new();
        for at in kept {
            stay.entry(class(*at)).or_default().push(*at);
        }
        let is_answered = |at: &usize| {
            let fresh = &self.scenarios[*at];
            let by_committed = fresh.bucket.is_fresh || fresh.group.samples.iter().any(|one| one.committed.is_some());
            let beside = || stay.get(&class(*at)).into_iter().flatten();
            by_committed || beside().any(|one| self.covers(*one, *at, &across))
        };
        (0..self.scenarios.len()).filter(|at| !kept.contains(at)).filter(is_answered).count()
    }

    /// The request of a scenario, values that are made afresh alike; `None` where it stands alone, or its body is too large
    /// to be at hand.
    fn key(&self, at: usize, stub: &Stub, across: &Lens<'_>) -> Option<RequestKey> {
        let bucket = &self.scenarios[at].bucket;
        let body = match &bucket.body {
            Some(plan) => Some(plan.inline()?.clone()),
            None => None,
        };
        let spec = RequestSpec { body, ..bucket.spec() };
        // What a rule excepts stands for nothing else.
        let is_excepted = |place: Place, name: &str, value: &str| {
            across.seen(place, name).hides(value) && !across.is_volatile(place, name, value)
        };
        let is_so = |place: Place, (name, value): (String, String)| is_excepted(place, &name, &value);
        if spec.captures.iter().any(|(name, value)| is_excepted(Place::Path, name, value))
            || spec.query.iter().any(|pair| is_so(Place::Query, pair.decoded()))
        {
            return None;
        }
        request::committed_key(stub, &spec, across, &|body: &BodySpec| match (&body.json, &body.text) {
            (Some(json), _) => Some(Content::Small(body.style.render(&json.value()).into())),
            (None, Some(text)) => Some(Content::Small(text.clone().into())),
            (None, None) => None,
        })
    }
}

/// Scenarios while some of them are chosen, each by its rank and position.
struct Choice {
    rank: Vec<u8>,
    /// For each scenario those that would answer for it, if it were not there.
    wider: Vec<Vec<usize>>,
    /// For each scenario how many are left out of those that it would answer for.
    missing: Vec<usize>,
    kept: HashSet<usize>,
    /// Those kept that would answer for one that is left out, and may go.
    alone: BTreeSet<(u8, usize)>,
    /// Those left out that would answer for none.
    harmless: BTreeSet<(u8, usize)>,
}

impl Choice {
    /// Nothing is kept yet.
    fn new(rank: Vec<u8>, wider: Vec<Vec<usize>>) -> Self {
        let mut missing = vec![0; rank.len()];
        wider.iter().flatten().for_each(|wide| missing[*wide] += 1);
        let (kept, alone, harmless) = Default::default();
        let mut choice = Choice { rank, wider, missing, kept, alone, harmless };
        (0..choice.rank.len()).for_each(|at| choice.sort(at));
        choice
    }

    /// Keeps one that was left out, or leaves out one that was kept.
    fn put(&mut self, at: usize, stays: bool) {
        if stays {
            self.kept.insert(at);
        } else {
            self.kept.remove(&at);
        }
        self.sort(at);
        let wider = std::mem::take(&mut self.wider[at]);
        for wide in &wider {
            if stays {
                self.missing[*wide] -= 1;
            } else {
                self.missing[*wide] += 1;
            }
            self.sort(*wide);
        }
        self.wider[at] = wider;
    }

    fn sort(&mut self, at: usize) {
        let one = (self.rank[at], at);
        self.alone.remove(&one);
        self.harmless.remove(&one);
        match (self.kept.contains(&at), self.missing[at]) {
            (true, 1..) if one.0 > 0 => self.alone.insert(one),
            (false, 0) => self.harmless.insert(one),
            _ => false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promote::testing::exchange;
    use crate::promote::{Existing, Options, Promotion, Recorded, promote};

    fn options() -> Options {
        Options { name: "api".to_owned(), ..Options::default() }
    }

    fn of(sample: usize) -> Options {
        Options { sample: Some(sample), ..options() }
    }

    fn greet(number: u64, language: Option<&str>, word: &str) -> Recorded {
        let call = exchange(number, "GET", "https://api.test/greet", 200).answering("text/plain", word);
        language.map_or(call.clone(), |language| call.asking("Accept-Language", language))
    }

    /// The names of the scenarios, by stub, and what was told: kept, left out, answered.
    fn sampled(
        before: Option<&Promotion>,
        traffic: &[Recorded],
        options: Options,
    ) -> (Vec<String>, Vec<(usize, usize, usize)>) {
        let content = |body: &BodySpec| body.text.clone().map(|text| Content::Small(text.into()));
        let existing = before.map(|before| Existing { collection: &before.collection, content: &content });
        let promotion = promote(existing, traffic.to_vec(), options);
        let told = promotion.report.sampled.iter().map(|one| (one.kept, one.left_out, one.answered));
        let names = promotion.collection.stubs.iter().map(|file| {
            let names: Vec<_> = file.stub.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
            names.join(" ")
        });
        (names.collect(), told.collect())
    }

    #[track_caller]
    fn check(
        before: Option<&Promotion>,
        traffic: &[Recorded],
        options: Options,
        name: &str,
        told: (usize, usize, usize),
    ) {
        assert_eq!(sampled(before, traffic, options), (vec![name.to_owned()], vec![told]));
    }

    #[test]
    fn what_would_answer_for_what_is_left_out_does_not_stay_alone() {
        let languages = [greet(1, None, "Hello"), greet(2, Some("de"), "Hallo"), greet(3, Some("fr"), "Bonjour")];
        check(None, &languages, of(2), "accept-language-de accept-language-fr", (2, 1, 0));
        // One with the same answer does no harm.
        let same = [greet(1, None, "Hello"), greet(2, Some("de"), "Hallo"), greet(3, Some("en"), "Hello")];
        check(None, &same, of(2), "no-accept-language accept-language-de", (2, 1, 0));
        let me = |number, status| exchange(number, "GET", "https://api.test/me", status);
        let me = [me(1, 401), me(2, 200).asking("Authorization", "Bearer retake-token-abcdefghij")];
        check(None, &me, of(1), "ok", (1, 1, 0));
        // What has to stay is told: the default, and what is committed.
        check(None, &me, Options { default: Some(1), ..of(1) }, "unauthorized", (1, 1, 1));
        let before = promote(None, vec![greet(1, None, "Hello")], options());
        check(Some(&before), &languages, of(2), "ok accept-language-de", (1, 1, 1));
    }

    #[test]
    fn what_one_that_came_later_makes_harmless_is_kept() {
        let token = |call: Recorded| call.asking("Authorization", "Bearer retake-token-abcdefghij");
        // Only both fields together decide.
        let calls = [
            greet(1, None, "Hello"),
            greet(2, Some("de"), "Hallo"),
            token(greet(3, None, "Hallo")),
            token(greet(4, Some("de"), "Hello")),
        ];
        let names = "no-authorization authorization";
        check(None, &calls, of(2), names, (2, 2, 0));
        let before = promote(None, calls.to_vec(), of(2));
        check(Some(&before), &calls, of(2), names, (0, 2, 0));
    }

    #[test]
    fn of_very_many_none_stays_alone() {
        let word = |at: u64| format!("word {}", at % 250);
        let language = |at: u64| format!("de-x-{at}");
        let without = (0..250).map(|at| greet(at + 1, Some(&language(at)), &word(at)));
        // Neither the language nor the token decides alone.
        let with = (0..250).map(|at| {
            let call = greet(at + 251, Some(&language(at)), &word(at + 1));
            call.asking("Authorization", "Bearer retake-token-abcdefghij")
        });
        let calls: Vec<_> = without.chain(with).collect();
        let (_, told) = sampled(None, &calls, of(300));
        assert_eq!(told, [(300, 200, 0)]);
    }

    #[test]
    fn what_stands_for_another_is_told() {
        let id = |number: u64| format!("8d2e7c10-5b1f-4a3e-9c6d-0{number}7f3a2b1c4d");
        let order = |number: u64, method, path: &str, status, of: u64, item: &str| {
            let answer = format!(r#"{{"id":"{}","item":"{item}"}}"#, id(of));
            exchange(number, method, &format!("https://api.test{path}"), status).answering("application/json", &answer)
        };
        let made = |number, item: &str| {
            let sent = format!(r#"{{"item":"{item}"}}"#);
            order(number, "POST", "/orders", 201, number, item).sending("application/json", &sent)
        };
        let got = |number, of: u64, item: &str| order(number, "GET", &format!("/orders/{}", id(of)), 200, of, item);
        let orders = [made(1, "tea"), made(2, "pie"), got(3, 1, "tea"), got(4, 2, "pie")];
        let (_, mut told) = sampled(None, &orders, of(1));
        told.sort_unstable();
        assert_eq!(told, [(1, 1, 0), (1, 1, 1)]);
    }
}
