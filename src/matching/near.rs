//! What is left when no scenario answers: the class of the reason, and the nearest scenarios of the same host.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collection::{Captures, Profile, SegmentPattern};
use crate::model::path;

use super::body::MAX_STRUCTURED;
use super::index::{Entry, Index, Question};
use super::order::{Contender, Role};
use super::received::Received;
use super::steering::Steering;
use super::{Call, Evaluation, Part, ScenarioRef, State, paths};

/// Near scenarios reported at most.
const MAX_NEAR: usize = 5;
/// What evaluating candidates may cost, in units of some 0.3 µs: a miss report stays within 5 ms.
const BUDGET: usize = 10_000;
/// Stubs whose paths are looked at for one like the call's.
const MAX_WALKED: usize = 20_000;
/// Stubs with a path like the call's that are looked at closely.
const MAX_CLOSE: usize = 128;
/// Stubs with a path like the call's whose scenarios are compared.
const MAX_ALIKE: usize = 12;

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

/// How the path of a near scenario's stub differs from the call's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathFault {
    /// An escaped slash or another escape of a reserved character on one side.
    Escape,
    /// Upper and lower case.
    Case,
    /// Two slashes in a row.
    DoubleSlash,
    /// A slash at the end of one.
    TrailingSlash,
    /// `.` or `..`
    DotSegments,
    /// Another path.
    Other,
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
    if let Some(miss) = steered_away(index, question) {
        return miss;
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
        (true, true) => (Some(Reason::NoSuchEndpoint), alike(index, received), true),
    };
    let mut near = nearest(&stubs, received, state, if fault { 1 } else { MAX_NEAR });
    if fault {
        for one in &mut near {
            let segments = &index.compiled(one.at).segments;
            let fault = path_fault(segments, received.path());
            // With its recorded values a path may differ in a detail only: `%2F` in one of them.
            let captures = &index.scenario(one.at).request.captures;
            one.path = Some(match fault {
                PathFault::Other => path_fault(&filled(segments, captures), received.path()),
                other => other,
            });
        }
        // Of paths that differ otherwise than in a detail, the order of likeness stands; a detail goes first.
        near.sort_by_key(|one| one.path == Some(PathFault::Other));
    }
    near.truncate(MAX_NEAR);
    let reason = reason.unwrap_or_else(|| reason_of(&near, profile));
    Miss { reason, near, served: Vec::new() }
}

/// The miss of a call that would be answered but for what it asks for in `x-mock-*` fields.
fn steered_away(index: &Index, question: &Question<'_>) -> Option<Miss> {
    let call = question.received.call();
    call.steering.conditions().next()?;
    let steering = Steering { code: None, id: None, name: None, ..call.steering.clone() };
    let call = Call { steering, ..call.clone() };
    let received = Received::new(&call);
    let best = index.best(&Question { received: &received, ..*question });
    // Who names a scenario is told so, even where no other would have answered.
    if best.is_none() && !question.received.call().steering.picks() {
        return None;
    }
    let near = best.map(|best| near(best, &received, question.state)).into_iter().collect();
    Some(Miss { reason: Reason::Steering, near, served: Vec::new() })
}

/// The class of a miss whose origin, method and path are known.
fn reason_of(near: &[Near], profile: Profile) -> Reason {
    let qualifies = |near: &&Near| match profile {
        Profile::Best | Profile::Postman => near.evaluation.qualifies(),
        Profile::Strict => near.evaluation.is_exact(),
    };
    match near.iter().filter(qualifies).map(|near| near.standing).find(|standing| *standing != Standing::Enabled) {
        Some(Standing::UsedUp) => return Reason::UsedUp,
        Some(Standing::WrongState) => return Reason::WrongState,
        Some(Standing::Disabled) => return Reason::Disabled,
        _ => {}
    }
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

/// The nearest scenarios of these stubs, at most `each` of one stub; the stubs' order decides if `each` is one.
fn nearest(stubs: &[&Entry], received: &Received<'_>, state: &dyn State, each: usize) -> Vec<Near> {
    let mut budget = BUDGET;
    let mut all: Vec<Contender<'_>> = Vec::new();
    for entry in stubs {
        let mut of_stub: Vec<Contender<'_>> = Vec::new();
        for scenario in &entry.scenarios {
            let cost = 1 + scenario.body_size().saturating_add(received.call().body.len()).min(MAX_STRUCTURED) / 100;
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
    all.into_iter().map(|one| near(one, received, state)).collect()
}

fn near(one: Contender<'_>, received: &Received<'_>, state: &dyn State) -> Near {
    let standing = match one.scenario {
        scenario if scenario.disabled => Standing::Disabled,
        scenario if scenario.may_end && state.is_used_up(scenario.at) => Standing::UsedUp,
        scenario if scenario.gated && state.is_in_wrong_state(scenario.at) => Standing::WrongState,
        _ => Standing::Enabled,
    };
    let method = one.stub.method == received.call().method;
    Near { at: one.scenario.at, evaluation: one.evaluation, method, path: None, standing }
}

/// The stubs of the host whose paths are most like the call's, most alike first.
fn alike<'i>(index: &'i Index, received: &Received<'_>) -> Vec<&'i Entry> {
    let plain = path::segments(received.path()).take(64);
    let plain = plain.map(|segment| SegmentPattern::Literal(segment.to_owned())).collect();
    let plain = without_trailing_slash(without_dots(without_empty(plain)));
    let segments: Vec<&str> = plain.iter().map(literal).collect();
    let mut found: Vec<(usize, u32)> = Vec::new();
    let mut walked = 0;
    index.origins_of(&received.call().target, &mut |origin| {
        for number in &origin.stubs {
            walked += 1;
            if walked > MAX_WALKED {
                return;
            }
            let entry = &index.stubs[*number as usize];
            let method = usize::from(entry.stub.method != received.call().method);
            let distance = 4 * distance(&entry.stub.segments, &segments) + method;
            if found.len() == MAX_CLOSE && found.last().is_some_and(|(worst, _)| *worst <= distance) {
                continue;
            }
            let at = found.partition_point(|(other, _)| *other <= distance);
            found.insert(at, (distance, *number));
            found.truncate(MAX_CLOSE);
        }
    });
    let mut close: Vec<(f64, &Entry)> = Vec::new();
    for (_, number) in found {
        let entry = &index.stubs[number as usize];
        let likeness = likeness(&entry.stub.segments, &segments);
        if likeness >= 0.4 {
            close.push((likeness - if entry.stub.method == received.call().method { 0.0 } else { 0.05 }, entry));
        }
    }
    close.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.stub.file.cmp(&other.1.stub.file)));
    close.into_iter().take(MAX_ALIKE).map(|(_, entry)| entry).collect()
}

/// How many segments do not fit, at the same place or counted from the end; a cheap first look.
fn distance(pattern: &[SegmentPattern], path: &[&str]) -> usize {
    let longer = pattern.len().max(path.len());
    let fits = |(part, segment): (&SegmentPattern, &&str)| match part {
        SegmentPattern::Literal(literal) => literal.eq_ignore_ascii_case(segment),
        SegmentPattern::Glob(_) => false,
        SegmentPattern::Regex(regex) => regex.fits(segment),
        _ => true,
    };
    let forward = pattern.iter().zip(path).filter(|pair| fits((pair.0, pair.1))).count();
    let backward = pattern.iter().rev().zip(path.iter().rev()).filter(|pair| fits((pair.0, pair.1))).count();
    longer - forward.max(backward).min(longer)
}

/// 0 to 1: how alike the paths are from their beginnings, or from their ends: one may lack a prefix such as `/v1`.
fn likeness(pattern: &[SegmentPattern], path: &[&str]) -> f64 {
    let forward = likeness_of(pattern.iter(), path.iter());
    if pattern.len() == path.len() {
        return forward;
    }
    forward.max(likeness_of(pattern.iter().rev(), path.iter().rev()))
}

/// 0 to 1: how alike the texts are, without the segments that the pattern leaves open: these say nothing of a word, and
/// one that the call lacks is a difference.
fn likeness_of<'a>(
    mut pattern: impl Iterator<Item = &'a SegmentPattern>,
    mut path: impl Iterator<Item = &'a &'a str>,
) -> f64 {
    let (mut text, mut call) = (String::new(), String::new());
    let push = |to: &mut String, segment: &str| {
        let separator = if to.is_empty() { "" } else { "/" };
        to.extend([separator, segment]);
    };
    loop {
        let (ours, theirs) = (pattern.next(), path.next().copied());
        let literal = match ours {
            Some(SegmentPattern::Literal(text) | SegmentPattern::Glob(text)) => Some(text.as_str()),
            Some(_) => None,
            None if theirs.is_none() => break,
            None => {
                theirs.into_iter().for_each(|segment| push(&mut call, segment));
                continue;
            }
        };
        match (literal, theirs) {
            (None, Some(_)) => {}
            (literal, theirs) => {
                push(&mut text, literal.unwrap_or("*"));
                theirs.into_iter().for_each(|segment| push(&mut call, segment));
            }
        }
    }
    let short = |text: &str| text.chars().take(200).collect::<String>().to_lowercase();
    strsim::normalized_levenshtein(&short(&text), &short(&call))
}

/// What keeps a pattern from accepting a path.
fn path_fault(pattern: &[SegmentPattern], path: &str) -> PathFault {
    let pattern: Vec<SegmentPattern> = pattern.to_vec();
    type SeenThrough = fn(Vec<SegmentPattern>) -> Vec<SegmentPattern>;
    let details: [(PathFault, SeenThrough); 5] = [
        (PathFault::TrailingSlash, without_trailing_slash),
        (PathFault::DoubleSlash, without_empty),
        (PathFault::DotSegments, without_dots),
        (PathFault::Escape, decoded),
        (PathFault::Case, lower_case),
    ];
    let call: Vec<SegmentPattern> =
        path::segments(path).map(|segment| SegmentPattern::Literal(segment.to_owned())).collect();
    for (fault, seen_through) in details {
        let call = seen_through(call.clone()).iter().map(literal).collect::<Vec<_>>().join("/");
        if paths::accepts(&seen_through(pattern.clone()), &format!("/{call}")) {
            return fault;
        }
    }
    PathFault::Other
}

/// The segments with the values that a scenario gives to captures.
fn filled(segments: &[SegmentPattern], captures: &Captures) -> Vec<SegmentPattern> {
    let fill = |segment: &SegmentPattern| match segment.capture().and_then(|name| captures.get(name)) {
        Some(value) => SegmentPattern::Literal(value.clone()),
        None => segment.clone(),
    };
    segments.iter().map(fill).collect()
}

fn literal(segment: &SegmentPattern) -> &str {
    match segment {
        SegmentPattern::Literal(literal) => literal,
        _ => "",
    }
}

fn is_literal(segment: &SegmentPattern, is: &str) -> bool {
    matches!(segment, SegmentPattern::Literal(literal) if literal == is)
}

fn without_trailing_slash(mut segments: Vec<SegmentPattern>) -> Vec<SegmentPattern> {
    if segments.len() > 1 && segments.last().is_some_and(|last| is_literal(last, "")) {
        segments.pop();
    }
    segments
}

fn without_empty(mut segments: Vec<SegmentPattern>) -> Vec<SegmentPattern> {
    let last = segments.len().saturating_sub(1);
    let mut at = 0;
    segments.retain(|segment| {
        at += 1;
        at > last || !is_literal(segment, "")
    });
    segments
}

fn without_dots(segments: Vec<SegmentPattern>) -> Vec<SegmentPattern> {
    let mut out = Vec::new();
    for segment in segments {
        match &segment {
            SegmentPattern::Literal(dot) if dot == "." => {}
            SegmentPattern::Literal(dots) if dots == ".." => drop(out.pop()),
            _ => out.push(segment),
        }
    }
    out
}

fn decoded(segments: Vec<SegmentPattern>) -> Vec<SegmentPattern> {
    let mut out = Vec::new();
    for segment in segments {
        match segment {
            SegmentPattern::Literal(literal) => {
                let text = percent_encoding::percent_decode_str(&literal).decode_utf8_lossy().into_owned();
                out.extend(text.split('/').map(|part| SegmentPattern::Literal(part.to_owned())));
            }
            other => out.push(other),
        }
    }
    out
}

fn lower_case(segments: Vec<SegmentPattern>) -> Vec<SegmentPattern> {
    let lower = |segment| match segment {
        SegmentPattern::Literal(literal) => SegmentPattern::Literal(literal.to_lowercase()),
        SegmentPattern::Glob(glob) => SegmentPattern::Glob(glob.to_lowercase()),
        other => other,
    };
    segments.into_iter().map(lower).collect()
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
