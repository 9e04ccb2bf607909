//! What is left when no scenario answers: the class of the reason, and the nearest scenarios of the same host.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collection::Profile;

use super::body::MAX_STRUCTURED;
use super::expected::Expected;
use super::index::{Entry, Index, Question};
use super::likeness::{self, PathFault};
use super::order::{Contender, Role};
use super::received::Received;
use super::steering::Steering;
use super::{Call, Evaluation, Part, ScenarioRef, State};

/// Near scenarios reported at most.
const MAX_NEAR: usize = 5;
/// What evaluating candidates may cost, in units of some 0.3 µs: a miss report stays within 5 ms.
const BUDGET: usize = 10_000;
/// Nothing answers: the class of the reason, and the nearest scenarios.
#[derive(Debug, Clone, PartialEq)]
pub struct Miss {
    /// Why.
    pub reason: Reason,
    /// Nearest first, at most five, all of the same host.
    pub near: Vec<Near>,
    /// The origins that are served, if the host of the call is not among them.
    pub served: Vec<String>,
}

/// The class of a miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No collection has stubs for the host.
    NoSuchHost,
    /// The host is served, the path is not.
    NoSuchEndpoint,
    /// The path is served, with another method.
    Method,
    /// The endpoint is known, and has no scenario.
    NoScenario,
    /// The endpoint is known, with other values in the path.
    Value,
    /// The nearest scenario has another query.
    Query,
    /// The nearest scenario has other fields.
    Header,
    /// The nearest scenario has another body.
    Body,
    /// The scenario that would answer has given all its answers.
    UsedUp,
    /// The scenario that would answer does so in another named state.
    WrongState,
    /// The scenario that would answer is disabled.
    Disabled,
    /// No scenario has the status, id or name that the call asks for in `x-mock-*` fields.
    Steering,
}

/// Whether a scenario could answer at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It could.
    Enabled,
    /// It is switched off.
    Disabled,
    /// Its sequence has ended.
    UsedUp,
    /// It answers in another named state.
    WrongState,
}

/// A scenario that nearly answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// Which.
    pub at: ScenarioRef,
    /// How it compares in query, body, fields and captured values.
    pub evaluation: Evaluation,
    /// Whether the method is the call's.
    pub method: bool,
    /// How the path differs, if it does.
    pub path: Option<PathFault>,
    /// Whether it could answer at all.
    pub standing: Standing,
}

impl Standing {
    /// The class of a miss over a scenario that stands so; none of one that could answer.
    fn reason(self) -> Option<Reason> {
        match self {
            Standing::Enabled => None,
            Standing::Disabled => Some(Reason::Disabled),
            Standing::UsedUp => Some(Reason::UsedUp),
            Standing::WrongState => Some(Reason::WrongState),
        }
    }
}

impl Miss {
    /// The nearest scenario of the call's own endpoint.
    pub fn of_endpoint(&self) -> Option<&Near> {
        self.near.iter().find(|near| near.method && near.path.is_none())
    }
}

impl Reason {
    /// The class as one word, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::NoSuchHost => "no-such-host",
            Reason::NoSuchEndpoint => "no-such-endpoint",
            Reason::Method => "method",
            Reason::NoScenario => "no-scenario",
            Reason::Value => "value",
            Reason::Query => "query",
            Reason::Header => "header",
            Reason::Body => "body",
            Reason::UsedUp => "used-up",
            Reason::WrongState => "wrong-state",
            Reason::Disabled => "disabled",
            Reason::Steering => "steering",
        }
    }
}

/// Which of two scenarios that do not qualify is nearer: fewer captured values wrong, score, fewer contradictions, fewer
/// differences, items compared, then place.
pub(super) fn nearer(one: &Contender<'_>, other: &Contender<'_>) -> Ordering {
    let contradicted = |evaluation: &Evaluation| {
        Part::ALL.iter().fold(0_u32, |sum, part| sum.saturating_add(evaluation.part(*part).tally.different))
    };
    let differing = |evaluation: &Evaluation| {
        let tallies = Part::ALL.iter().map(|part| evaluation.part(*part).tally);
        tallies.fold(0_u32, |sum, tally| sum.saturating_add(tally.all().saturating_sub(tally.same)))
    };
    (one.evaluation.captures.tally.different.cmp(&other.evaluation.captures.tally.different))
        .then_with(|| other.evaluation.score.total_cmp(&one.evaluation.score))
        .then_with(|| contradicted(&one.evaluation).cmp(&contradicted(&other.evaluation)))
        .then_with(|| differing(&one.evaluation).cmp(&differing(&other.evaluation)))
        .then_with(|| other.evaluation.compared().cmp(&one.evaluation.compared()))
        .then_with(|| one.stub.specificity.cmp(&other.stub.specificity))
        .then_with(|| one.scenario.at.collection.cmp(&other.scenario.at.collection))
        .then_with(|| one.stub.file.cmp(&other.stub.file))
        .then_with(|| one.scenario.at.scenario.cmp(&other.scenario.at.scenario))
}

/// The miss of a call that no scenario answers.
pub(super) fn miss(index: &Index, question: &Question<'_>) -> Miss {
    let Question { received, profile, state } = *question;
    let barred = barred(index, question);
    if received.call().steering.conditions().next().is_some() {
        let miss = barred.as_ref().map(|barred| near(barred, received, state)).and_then(|near| {
            let reason = near.standing.reason()?;
            Some(Miss { reason, near: vec![near], served: Vec::new() })
        });
        if let Some(miss) = miss.or_else(|| steered_away(index, question)) {
            return miss;
        }
    }
    let mut known = false;
    index.origins_of(&received.call().target, &mut |_| known = true);
    if !known {
        let served = index.origins().map(ToString::to_string).collect();
        return Miss { reason: Reason::NoSuchHost, near: Vec::new(), served };
    }
    let method = received.call().method.as_str();
    let head_from_get = method == "HEAD" && profile == Profile::Best;
    let (mut here, mut elsewhere) = (Vec::new(), Vec::new());
    index.at_path(received, &mut |entry| {
        let right = entry.stub.method == method || (head_from_get && entry.stub.method == "GET");
        if right { here.push(entry) } else { elsewhere.push(entry) }
    });
    let (reason, stubs, fault) = match (here.is_empty(), elsewhere.is_empty()) {
        (false, _) => (None, here, false),
        (true, false) => (Some(Reason::Method), elsewhere, false),
        (true, true) => (Some(Reason::NoSuchEndpoint), likeness::alike(index, received), true),
    };
    let mut near = nearest(&stubs, received, state, if fault { 1 } else { MAX_NEAR });
    if fault {
        for one in &mut near {
            let captures = &index.scenario(one.at).request.captures;
            one.path = Some(likeness::fault(&index.compiled(one.at).segments, captures, received.path()));
        }
        // Of paths that differ otherwise than in a detail, the order of likeness stands; a detail goes first.
        near.sort_by_key(|one| one.path == Some(PathFault::Other));
    }
    let barred = barred.and_then(|barred| first(&mut near, &barred, question));
    near.truncate(MAX_NEAR);
    let reason = barred.or(reason).unwrap_or_else(|| reason_of(&near));
    Miss { reason, near, served: Vec::new() }
}

/// Puts what is barred before all that differs, and says what bars it.
fn first(near: &mut Vec<Near>, barred: &Contender<'_>, question: &Question<'_>) -> Option<Reason> {
    let known = near.iter().position(|one| one.at == barred.scenario.at).map(|at| near.remove(at));
    let barred = known.unwrap_or_else(|| self::near(barred, question.received, question.state));
    let reason = barred.standing.reason();
    near.insert(0, barred);
    reason
}

/// The first of those that would answer, were they not disabled, used up or in another state.
fn barred<'i>(index: &'i Index, question: &Question<'_>) -> Option<Contender<'i>> {
    let law = question.law();
    let (mut budget, mut compared) = (BUDGET, 0);
    let mut first: Option<Contender<'i>> = None;
    index.competing(question, &mut |entry, role| {
        let idle = entry.scenarios.iter().filter(|scenario| standing(scenario, question.state) != Standing::Enabled);
        for scenario in idle {
            let cost = cost(scenario, question.received);
            if cost > budget && compared >= MAX_NEAR {
                return;
            }
            (budget, compared) = (budget.saturating_sub(cost), compared + 1);
            let Some(one) = index.would_contend(entry, role, scenario, question) else { continue };
            // A default takes any call, and somebody does not want that: what differs tells more.
            if scenario.disabled && one.evaluation.by_default {
                continue;
            }
            if first.as_ref().is_none_or(|first| law.compare(&one, first).is_lt()) {
                first = Some(one);
            }
        }
    });
    first
}

/// The miss of a call that would be answered but for what it asks for in `x-mock-*` fields.
fn steered_away(index: &Index, question: &Question<'_>) -> Option<Miss> {
    let call = question.received.call();
    let steering = Steering { code: None, id: None, name: None, ..call.steering.clone() };
    let call = Call { steering, ..call.clone() };
    let received = Received::new(&call);
    let free = Question { received: &received, ..*question };
    let other = index.best(&free).or_else(|| barred(index, &free));
    // Who names a scenario is told so, even where no other would have answered.
    if other.is_none() && !question.received.call().steering.picks() {
        return None;
    }
    let near = other.map(|other| near(&other, &received, question.state)).into_iter().collect();
    Some(Miss { reason: Reason::Steering, near, served: Vec::new() })
}

/// The class of a miss whose origin, method and path are known, by what differs.
fn reason_of(near: &[Near]) -> Reason {
    let Some(nearest) = near.first() else { return Reason::NoScenario };
    let tally = |part: Part| nearest.evaluation.part(part).tally;
    let contradicted = [Part::Captures, Part::Query, Part::Body].into_iter().find(|part| tally(*part).different > 0);
    let lost = |part: &Part| f64::from(part.weight()) * (1.0 - tally(*part).share());
    let worst = Part::ALL.into_iter().max_by(|one, other| lost(one).total_cmp(&lost(other)));
    match contradicted.or(worst) {
        Some(Part::Captures) => Reason::Value,
        Some(Part::Body) => Reason::Body,
        Some(Part::Fields) => Reason::Header,
        _ => Reason::Query,
    }
}

/// What comparing a scenario with a call costs, in units of the budget.
fn cost(scenario: &Expected, received: &Received<'_>) -> usize {
    1 + scenario.body_size().saturating_add(received.call().body.len()).min(MAX_STRUCTURED) / 100
}

/// The nearest scenarios of these stubs, at most `each` of one stub; the stubs' order decides if `each` is one.
fn nearest(stubs: &[&Entry], received: &Received<'_>, state: &dyn State, each: usize) -> Vec<Near> {
    let mut budget = BUDGET;
    let mut all: Vec<Contender<'_>> = Vec::new();
    for entry in stubs {
        let mut of_stub: Vec<Contender<'_>> = Vec::new();
        for scenario in &entry.scenarios {
            let cost = cost(scenario, received);
            if cost > budget && of_stub.len() >= MAX_NEAR {
                break;
            }
            budget = budget.saturating_sub(cost);
            let mut evaluation = scenario.evaluate(&entry.stub, received);
            evaluation.settle(scenario.at.collection, state);
            let role = Role::Qualified;
            let id = std::borrow::Cow::Borrowed("");
            of_stub.push(Contender { role, stub: &entry.stub, scenario, evaluation, origin_rank: 0, id });
            if of_stub.len() >= 4 * MAX_NEAR {
                of_stub.sort_by(nearer);
                of_stub.truncate(each);
            }
        }
        of_stub.sort_by(nearer);
        of_stub.truncate(each);
        all.extend(of_stub);
    }
    if each > 1 {
        all.sort_by(nearer);
        all.truncate(MAX_NEAR);
    }
    all.iter().map(|one| near(one, received, state)).collect()
}

fn near(one: &Contender<'_>, received: &Received<'_>, state: &dyn State) -> Near {
    let method = one.stub.method == received.call().method;
    let standing = standing(one.scenario, state);
    Near { at: one.scenario.at, evaluation: one.evaluation.clone(), method, path: None, standing }
}

/// Whether a scenario could answer at all.
pub(super) fn standing(scenario: &Expected, state: &dyn State) -> Standing {
    match scenario {
        scenario if scenario.disabled => Standing::Disabled,
        scenario if scenario.may_end && state.is_used_up(scenario.at) => Standing::UsedUp,
        scenario if scenario.gated && state.is_in_wrong_state(scenario.at) => Standing::WrongState,
        _ => Standing::Enabled,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{UsedUp, call, collection, index, name_of};
    use super::super::{Index, Selection, Source, Untouched};
    use super::*;

    fn missed(index: &Index, line: &str) -> Miss {
        match index.select(&call(line), Profile::Best, &UsedUp) {
            Selection::Miss(miss) => miss,
            Selection::Hit(_) => panic!("{line} is a hit"),
        }
    }

    fn served() -> Source {
        let mut source = collection(
            &[],
            &[
                "GET /users/{login} | octocat {login=octocat}",
                "GET /search | page-2 ?q=a&page=2",
                "POST /orders | tea {\"item\":\"tea\",\"count\":1}",
                "GET /Case/a%2Fb | escaped",
                "GET /tree/{path} | captured {path=a%2Fb}",
                "GET /off | off",
                "GET /once | once",
                "GET /auth | auth Accept:a/b",
            ],
        );
        for file in &mut std::sync::Arc::make_mut(&mut source.collection).stubs {
            match file.stub.path.as_str() {
                "/off" => file.stub.scenarios[0].disabled = true,
                "/once" => file.stub.scenarios[0].end = Some(crate::collection::EndPolicy::Miss),
                _ => {}
            }
        }
        source
    }

    #[test]
    fn each_miss_has_its_reason_and_its_nearest() {
        let index = index(vec![served()]);
        for (line, reason, nearest) in [
            ("GET https://b.test /users/octocat", Reason::NoSuchHost, ""),
            ("GET /users/torvalds", Reason::Value, "octocat"),
            ("GET /search?q=a&page=3", Reason::Query, "page-2"),
            ("GET /search?q=a", Reason::Query, "page-2"),
            ("POST /orders {\"item\":\"coffee\",\"count\":1}", Reason::Body, "tea"),
            ("POST /orders", Reason::Body, "tea"),
            ("DELETE /users/octocat", Reason::Method, "octocat"),
            ("GET /off", Reason::Disabled, "off"),
            ("GET /once", Reason::UsedUp, "once"),
            ("GET /auth Accept:c/d", Reason::Header, "auth"),
            ("GET /user/octocat", Reason::NoSuchEndpoint, "octocat"),
            ("GET /zzzzzzzzzzzzzzz/qqqqqqqqqqqqqqqqqqq/k/k/k", Reason::NoSuchEndpoint, ""),
        ] {
            let miss = missed(&index, line);
            assert_eq!(miss.reason, reason, "{line}");
            let name = miss.near.first().map(|near| name_of(&index, near.at)).unwrap_or_default();
            assert_eq!(name, nearest, "{line}");
            assert_eq!(miss.served.is_empty(), reason != Reason::NoSuchHost, "{line}");
        }
    }

    #[test]
    fn who_asks_for_a_scenario_that_is_off_or_used_up_is_told_so() {
        let mut source = collection(
            &[],
            &["GET /off | off", "GET /off | on ?a=1", "GET /once | once* ?a=1", "GET /default | default* ?a=1"],
        );
        for file in &mut std::sync::Arc::make_mut(&mut source.collection).stubs {
            let scenario = &mut file.stub.scenarios[0];
            match scenario.name.as_str() {
                "off" | "default" => scenario.disabled = true,
                "once" => scenario.end = Some(crate::collection::EndPolicy::Miss),
                _ => {}
            }
        }
        let index = index(vec![source]);
        for (line, reason, nearest) in [
            ("GET /off X-Mock-Response-Name:off", Reason::Disabled, "off"),
            ("GET /off?a=1 X-Mock-Response-Name:off", Reason::Disabled, "off"),
            ("GET /off?a=1 X-Mock-Response-Name:none", Reason::Steering, "on"),
            ("GET /off X-Mock-Response-Name:none", Reason::Steering, "off"),
            ("GET /off X-Mock-Response-Code:503", Reason::Steering, "off"),
            ("GET /once?b=1 X-Mock-Response-Name:once", Reason::UsedUp, "once"),
            // The default would take any call.
            ("GET /once?b=1", Reason::UsedUp, "once"),
            ("GET /default?a=1", Reason::Disabled, "default"),
            ("GET /default?b=1", Reason::Query, "default"),
        ] {
            let miss = missed(&index, line);
            assert_eq!(miss.reason, reason, "{line}");
            assert_eq!(name_of(&index, miss.near[0].at), nearest, "{line}");
        }
    }

    #[test]
    fn the_nearest_has_the_fewest_differences_and_the_most_alike_path() {
        let mut stubs: Vec<String> = (0..30).map(|number| format!("GET /a{number:02} | other")).collect();
        let more = [
            "DELETE /orders/{order_id} | gone {order_id=1}",
            "GET /orders/{order_id} | one {order_id=1}",
            "GET /orders | all",
            "POST /orders | made",
            "GET /items | three ?limit=3",
            "GET /items | next ?limit=3&cursor=abc",
        ];
        stubs.extend(more.map(str::to_owned));
        let stubs: Vec<&str> = stubs.iter().map(String::as_str).collect();
        let index = index(vec![collection(&[], &stubs)]);
        for (line, nearest) in [
            ("GET /items?limit=5", "three"),
            ("GET /oders", "all"),
            ("POST /oders", "made"),
            ("DELETE /oders/1", "gone"),
            ("GET /oders/1", "one"),
            ("GET /zebra", ""),
            ("GET /nope", ""),
        ] {
            let miss = missed(&index, line);
            let name = miss.near.first().map(|near| name_of(&index, near.at)).unwrap_or_default();
            assert_eq!(name, nearest, "{line}");
        }
    }

    #[test]
    fn each_detail_of_a_path_has_its_own_word() {
        let index = index(vec![served()]);
        for (line, fault) in [
            ("GET /users/octocat/", PathFault::TrailingSlash),
            ("GET //users/octocat", PathFault::DoubleSlash),
            ("GET /x/../users/octocat", PathFault::DotSegments),
            ("GET /Case/a/b", PathFault::Escape),
            ("GET /USERS/octocat", PathFault::Case),
            ("GET /tree/a/b", PathFault::Escape),
            ("GET /usres/octocat", PathFault::Other),
        ] {
            // `//` begins an authority in these lines.
            let (method, path) = line.split_once(' ').unwrap();
            let mut call = call(&format!("{method} /"));
            call.path = path.into();
            let Selection::Miss(miss) = index.select(&call, Profile::Best, &Untouched) else { panic!("{line}") };
            assert_eq!(miss.near.first().and_then(|near| near.path), Some(fault), "{line}");
        }
    }
}
