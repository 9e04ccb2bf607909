//! What might make a missed call a hit, cause by cause.

use super::super::{asked, asked_body, flag};
use super::request::{self, takes_any_body};
use super::rules::{self, Forgiving};
use super::{Desk, Does, Loosens, Proposal, words};
use crate::collection::{
    Change, EndPolicy, OnMiss, OriginPattern, PathPattern, Place, PortPattern, Profile, Rule, RuleAction,
    SegmentPattern, StateSpec, StubKey, answers_of, free_name, singular,
};
use crate::matching::{Call, Near, PathFault, Reason, Selection, Source, Standing, Target, Untouched};
use crate::model::{Shape, media::Kind};
use crate::report::terminal::quoted;

/// Near scenarios for which something is proposed.
const MAX_NEAR: usize = 3;

/// Changes of a collection, by the reason of the miss.
pub(super) fn changes(desk: &mut Desk<'_>) {
    let all = desk.miss.near.len().min(MAX_NEAR);
    match desk.miss.reason {
        Reason::NoSuchHost => elsewhere(desk),
        Reason::Method => {
            if all > 0 {
                other_stub(desk, 0);
            }
        }
        Reason::NoSuchEndpoint => {
            for at in 0..all {
                // A detail of the path says it all.
                if at > 0 && desk.near(0).path != Some(PathFault::Other) {
                    break;
                }
                generalised(desk, at);
                // With another method as well, the answer is hardly what the call is for.
                if desk.near(at).method {
                    other_stub(desk, at);
                }
            }
        }
        Reason::Steering => named(desk),
        Reason::NoScenario => {}
        Reason::UsedUp | Reason::WrongState | Reason::Disabled => (0..all).for_each(|at| standing(desk, at)),
        Reason::Value | Reason::Query | Reason::Header | Reason::Body => {
            let enabled: Vec<usize> = (0..all).filter(|at| desk.near(*at).standing == Standing::Enabled).collect();
            for (turn, at) in enabled.into_iter().enumerate() {
                // What always helps first: trials have a budget.
                if turn == 0 {
                    one_more(desk, at);
                }
                if !reordered(desk, at) {
                    differing(desk, at);
                }
                if turn == 0 {
                    whatever(desk, at);
                }
            }
        }
    }
}

/// Rules that make a near scenario agree.
fn differing(desk: &mut Desk<'_>, at: usize) {
    let near = desk.near(at);
    let kind = Kind::of(desk.context.call.fields.text("content-type").as_deref());
    let is_whole = desk.bench.is_whole(near.at);
    let known = super::super::rules(desk.context, near);
    for Forgiving { rules, loosens, is_unique } in rules::forgiving(&near.evaluation, kind, &known) {
        // Of a stub with very many scenarios not all are tried: only what cannot be another's value is let pass.
        if !is_whole && !is_unique {
            continue;
        }
        // A name that is a secret goes into no file.
        if rules.iter().any(|rule| desk.context.mask.text(&rule.name) != rule.name) {
            continue;
        }
        // Values that are made up are all alike to `any`; where several are recorded, `fresh` tells these apart.
        let fresh = is_unique.then(|| rules.iter().map(|rule| Rule { action: RuleAction::Fresh, ..rule.clone() }));
        let fresh = fresh.map(Iterator::collect::<Vec<_>>);
        for rules in Some(rules).filter(|_| is_whole).into_iter().chain(fresh) {
            let title = words::rules(desk, near, &rules, loosens > Loosens::MadeUp);
            let own = desk.scenario(near).name.clone();
            let key = desk.key(near);
            if desk.offer(loosens, at, title, together(&key, rules), |hit| hit == own) {
                return;
            }
        }
    }
}

fn together(key: &StubKey, rules: Vec<Rule>) -> Change {
    let mut changes: Vec<Change> =
        rules.into_iter().map(|rule| Change::AddRule { stub: Some(key.clone()), rule }).collect();
    match changes.len() {
        1 => changes.remove(0),
        _ => Change::Together { changes },
    }
}

/// Arrays that have the recorded elements in another order: a matcher that asks for the elements only.
fn reordered(desk: &mut Desk<'_>, at: usize) -> bool {
    let near = desk.near(at);
    let own = desk.scenario(near);
    let Some(expected) = desk.context.index.request_body(near.at) else { return false };
    let Some(matchers) = request::in_any_order(near, expected, &desk.context.call.body) else { return false };
    let pointers: Vec<String> = matchers.iter().map(|matcher| format!("`{}`", matcher.name)).collect();
    let mut request = own.request.clone();
    request.matchers.extend(matchers);
    let (stub, scenario) = (desk.key(near), own.name.clone());
    let title =
        format!("in {}, let `{scenario}` take the elements of {} in any order", stub.short(), words::listed(&pointers));
    let change = Change::SetRequest { stub, scenario: scenario.clone(), request };
    desk.offer(Loosens::MadeUp, at, title, change, |hit| hit == scenario)
}

/// A scenario for this call, with the answer of the nearest.
fn one_more(desk: &mut Desk<'_>, at: usize) {
    let near = desk.near(at);
    let key = desk.key(near);
    let like = desk.scenario(near);
    let request = request::request(desk.context, &key.path, like);
    let loosens = if takes_any_body(&request) { Loosens::Values } else { Loosens::OneCall };
    let call = if takes_any_body(&request) { "such calls with any body" } else { "this call" };
    let name = request::name(desk.context, near, like);
    let title = format!("add a scenario for {call}, with the answer of `{}` until you edit it", like.name);
    let change = Change::CopyScenario {
        stub: key.clone(),
        scenario: like.name.clone(),
        to: key,
        name: name.clone(),
        request: Box::new(request),
    };
    desk.offer(loosens, at, title, change, |hit| hit.starts_with(&name));
}

/// The near scenario as the default of its stub.
fn whatever(desk: &mut Desk<'_>, at: usize) {
    if desk.context.profile != Profile::Best {
        return;
    }
    let near = desk.near(at);
    let (key, name) = (desk.key(near), desk.scenario(near).name.clone());
    let title = format!("let `{name}` answer every call of {} that no other scenario answers", key.short());
    let change = Change::SetDefault { stub: key, scenario: Some(name.clone()) };
    desk.offer(Loosens::Everything, at, title, change, |hit| hit == name);
}

/// What keeps a scenario that agrees from answering.
fn standing(desk: &mut Desk<'_>, at: usize) {
    let near = desk.near(at);
    let (stub, own) = (desk.key(near), desk.scenario(near));
    let (short, name, scenario) = (stub.short(), own.name.clone(), own.name.clone());
    let is_own = |hit: &str| hit == own.name;
    match near.standing {
        Standing::Enabled => {}
        Standing::Disabled => {
            let title = format!("let {short}#{name} answer again: it is disabled");
            desk.offer(Loosens::Nothing, at, title, Change::SetDisabled { stub, scenario, disabled: false }, is_own);
        }
        Standing::UsedUp => {
            let answers = answers_of(own).saturating_add(1);
            let title = format!("let {short}#{name} answer {answers} calls: the last answer is given once more");
            let longer = Change::SetLength { stub: stub.clone(), scenario: name.clone(), answers };
            desk.offer(Loosens::Nothing, at, title, longer, is_own);
            let title = format!("let {short}#{name} go on with its last answer, however often it is asked");
            let change = Change::SetEnd { stub, scenario, end: EndPolicy::RepeatLast };
            desk.offer(Loosens::Nothing, at, title, change, is_own);
        }
        Standing::WrongState => {
            let Some(state) = &own.state else { return };
            if let Some(required) = &state.requires {
                let collection = desk.collection(near);
                // As `retake state list` names it.
                let thing = state.of.clone().unwrap_or_else(|| collection.clone());
                let title = format!("put `{thing}` into the state `{required}` in the running replay, and call again");
                let cursor = desk.context.cursor.map(|name| format!(" --cursor {}", quoted(name))).unwrap_or_default();
                // A newer replay may run beside this one.
                let run = desk.context.run().map(|run| format!(" --run {}", quoted(run))).unwrap_or_default();
                let command = format!("retake state set {} {}{cursor}{run}", quoted(&thing), quoted(required));
                let does = Does::Command(command);
                desk.found.push(Proposal { loosens: Loosens::Nothing, near: Some(at), title, collection, does });
            }
            let rest = StateSpec { requires: None, ..state.clone() };
            let state = Some(rest).filter(|state| state.next.is_some());
            let title = format!("let {short}#{name} answer in every state");
            desk.offer(Loosens::Values, at, title, Change::SetState { stub, scenario, state }, is_own);
        }
    }
}

/// The answer of a near scenario under the method and path of the call.
fn other_stub(desk: &mut Desk<'_>, at: usize) {
    let near = desk.near(at);
    let call = desk.context.call;
    let key = desk.key(near);
    let path = match near.path {
        None => key.path.clone(),
        // A placeholder fits what it stands for: the trial tells whether all of the path does.
        Some(_) => request::pattern(&key.path, &desk.context.mask.target(&call.path, None)),
    };
    let to = StubKey { method: call.method.clone(), origin: key.origin.clone(), path };
    let hint = match near.path {
        None => format!(", or make the call with {}", key.method),
        Some(PathFault::Other) => String::new(),
        // What was recorded has the escape, not the pattern.
        Some(PathFault::Escape) => {
            let recorded = desk.stub(near).example_path(Some(desk.scenario(near)));
            format!(", or correct the path in the call: {recorded}")
        }
        Some(_) => format!(", or correct the path in the call: {}", key.path),
    };
    copied(desk, at, to, &hint);
}

/// A near scenario, copied to another stub.
fn copied(desk: &mut Desk<'_>, at: usize, to: StubKey, hint: &str) {
    let near = desk.near(at);
    let (stub, like) = (desk.key(near), desk.scenario(near));
    let request = request::request(desk.context, &to.path, like);
    let loosens = if takes_any_body(&request) { Loosens::Values } else { Loosens::OneCall };
    let title = format!("answer {} too, as {}#{} does{hint}", to.short(), stub.short(), like.name);
    let (scenario, name) = (like.name.clone(), like.name.clone());
    let change = Change::CopyScenario { stub, scenario, to, name: name.clone(), request: Box::new(request) };
    desk.offer(loosens, at, title, change, |hit| hit.starts_with(&name));
}

/// One literal segment of a near path becomes a capture with any value.
fn generalised(desk: &mut Desk<'_>, at: usize) {
    let near = desk.near(at);
    let call = desk.context.call;
    if near.path != Some(PathFault::Other) || !near.method || !desk.bench.is_whole(near.at) {
        return;
    }
    if goes_before_others(desk, near) {
        return;
    }
    let key = desk.key(near);
    let theirs = PathPattern::literal(&call.path);
    let Some((place, was, is)) = one_segment(key.path.segments(), theirs.segments()) else { return };
    let capture = capture_name(key.path.segments(), place);
    let mut segments = key.path.segments().to_vec();
    segments[place] = SegmentPattern::Capture(capture.clone());
    let path = PathPattern::from_segments(segments);
    let shape = Shape::of(&was).filter(|shape| (shape.is_unique() || shape.is_moment()) && shape.fits(&is));
    // What stands first is a name, and another one a slip.
    if place == 0 && shape.is_none() {
        return;
    }
    let rule = Rule { shape, ..Rule::new(Place::Path, capture.clone(), RuleAction::Any) };
    let loosens = if shape.is_some_and(Shape::is_unique) { Loosens::MadeUp } else { Loosens::Values };
    let name = desk.scenario(near).name.clone();
    let what =
        shape.map_or_else(|| "any value".to_owned(), |shape| format!("anything that looks like {}", shape.words()));
    let title = format!("make {path} of {}, and take {what} for `{capture}`, so that `{name}` answers", key.short());
    let new = StubKey { path: path.clone(), ..key.clone() };
    let changes = vec![Change::SetPath { stubs: vec![key], path }, Change::AddRule { stub: Some(new), rule }];
    desk.offer(loosens, at, title, Change::Together { changes }, |hit| hit == name);
}

/// Whether a stub of the method has a lower priority than a scenario of the near one, which would take calls from it if its
/// path were wider: where priorities agree, the narrower path goes first.
fn goes_before_others(desk: &Desk<'_>, near: &Near) -> bool {
    let stub = desk.stub(near);
    let Some(ours) = stub.scenarios.iter().map(|scenario| stub.priority_of(scenario)).max() else { return false };
    let others = desk.context.index.source(near.at).collection.stubs.iter().map(|file| &file.stub);
    let mut others = others.filter(|other| other.method == stub.method);
    others.any(|other| other.scenarios.iter().any(|scenario| other.priority_of(scenario) < ours))
}

/// The only segment in which two paths differ, if it is literal on both sides: its position, and both texts.
fn one_segment(ours: &[SegmentPattern], theirs: &[SegmentPattern]) -> Option<(usize, String, String)> {
    if ours.len() != theirs.len() {
        return None;
    }
    let mut found = None;
    for (at, (one, other)) in ours.iter().zip(theirs).enumerate() {
        let (SegmentPattern::Literal(one), SegmentPattern::Literal(other)) = (one, other) else { continue };
        if one == other {
            continue;
        }
        if found.is_some() || one.is_empty() || other.is_empty() {
            return None;
        }
        found = Some((at, one.clone(), other.clone()));
    }
    found
}

/// A name for the capture at a position: that of what stands before it, in the singular.
fn capture_name(segments: &[SegmentPattern], at: usize) -> String {
    let before = match at.checked_sub(1).and_then(|at| segments.get(at)) {
        Some(SegmentPattern::Literal(text)) => text.as_str(),
        _ => "",
    };
    let words: String =
        before.chars().map(|it| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '_' }).collect();
    let one = singular(&words);
    let stem = if one.starts_with(|it: char| it.is_ascii_alphabetic()) { one } else { "value".to_owned() };
    free_name(&stem, '_', |name| segments.iter().any(|segment| segment.capture() == Some(name)))
}

/// Another host that is served answers such a call: it answers for this host, too.
fn elsewhere(desk: &mut Desk<'_>) {
    let context = desk.context;
    let Target::Origin(origin) = &context.call.target else { return };
    let call = Call { target: Target::Any, ..context.call.clone() };
    let Selection::Hit(hit) = context.index.select(&call, context.profile, &Untouched) else { return };
    let stub = &context.index.stub(hit.at).stub;
    let like = context.index.scenario(hit.at);
    let mut to = StubKey::of(stub);
    to.origin = OriginPattern::exactly(origin);
    if to.origin.is_loopback() {
        to.origin.port = PortPattern::Any;
    }
    let collection = context.index.source(hit.at).name.clone();
    let title = format!(
        "answer {} {}{} too, as {}#{} of {} does",
        to.method,
        to.origin,
        to.path,
        to.short(),
        like.name,
        stub.origin
    );
    let request = request::request(context, &to.path, like);
    let change = Change::CopyScenario {
        stub: StubKey::of(stub),
        scenario: like.name.clone(),
        to: to.clone(),
        name: like.name.clone(),
        request: Box::new(request),
    };
    if desk.bench.answers_after(hit.at, &change).is_some() {
        let url = format!("{}{}", to.origin, to.path);
        let given = quoted(&context.index.source(hit.at).given);
        let by_hand = || format!("retake mock stub add {given} {} {}", to.method, quoted(&url));
        let by_hand = (!context.logged).then(by_hand);
        let does = Does::Change(change, by_hand);
        desk.found.push(Proposal { loosens: Loosens::OneCall, near: None, title, collection, does });
    }
}

/// A scenario that is what the call asks for in `x-mock-*` fields.
fn named(desk: &mut Desk<'_>) {
    if desk.miss.near.is_empty() {
        return;
    }
    let near = desk.near(0);
    let (key, like) = (desk.key(near), desk.scenario(near));
    let steering = &desk.context.call.steering;
    let (given, stub) = (desk.given(near), desk.named(desk.context.index.source(near.at), &key, ""));
    let collection = desk.collection(near);
    // Without its body the call would be another.
    let asked = asked_body(desk.context).map(|body| asked(desk.context, &key.path) + &body);
    // A name that is a secret goes into no file.
    let named = steering.name.as_deref().filter(|name| desk.context.mask.text(name) == **name);
    if let Some(name) = named {
        let title = format!(
            "add the scenario `{name}` to {}, with the answer of `{}` until you edit it",
            key.short(),
            like.name
        );
        let (from, scenario, to, new) = (key.clone(), like.name.clone(), key.clone(), name.to_owned());
        let request = Box::new(like.request.clone());
        let change = Change::CopyScenario { stub: from, scenario, to, name: new, request };
        let is_offered = desk.offer(Loosens::OneCall, 0, title, change, |hit| hit == name);
        if let Some(asked) = asked.as_ref().filter(|_| !is_offered) {
            // It would be the same under another name.
            let command = format!("retake mock scenario add {given} {stub}{}{asked}", flag("name", name));
            let title = format!("add the scenario `{name}` to {}, with an empty 200 until you edit it", key.short());
            let (collection, does) = (collection.clone(), Does::Command(command));
            desk.found.push(Proposal { loosens: Loosens::OneCall, near: Some(0), title, collection, does });
        }
    }
    let code = steering.code.as_deref().and_then(|code| code.parse::<u16>().ok());
    if let (Some(code), Some(asked)) = (code, asked) {
        let title = format!("add a scenario that answers {code} to {}", key.short());
        let command = format!("retake mock scenario add {given} {stub} --name status-{code}{asked} --status {code}");
        let does = Does::Command(command);
        desk.found.push(Proposal { loosens: Loosens::OneCall, near: Some(0), title, collection, does });
    }
}

/// What can be done beside changing what is there.
pub(super) fn commands(desk: &mut Desk<'_>) {
    let (context, miss) = (desk.context, desk.miss);
    let first = miss.near.first();
    let near = first.map(|near| context.index.source(near.at));
    let Some(source) = near.or_else(|| context.index.sources().next()) else { return };
    let (collection, name) = (source.name.clone(), quoted(&source.given));
    let push = |desk: &mut Desk<'_>, title: String, command: String| {
        let (collection, does) = (collection.clone(), Does::Command(command));
        desk.found.push(Proposal { loosens: Loosens::Everything, near: None, title, collection, does });
    };
    match miss.reason {
        Reason::UsedUp | Reason::WrongState | Reason::Disabled => {}
        Reason::Steering => {
            let title = "look which scenarios there are, and ask for one of these in the `x-mock-*` field".to_owned();
            push(desk, title, format!("retake mock show {name}"));
        }
        _ => {
            if let Some(again) = recorded_by(desk) {
                let title = format!(
                    "record the true answer: run this, {again}, and then `retake promote --misses --into {name}`"
                );
                push(desk, title, format!("retake replay {name} --on-miss record"));
            }
            if matches!(miss.reason, Reason::NoSuchHost | Reason::NoSuchEndpoint | Reason::Method | Reason::NoScenario)
                && let Some(command) = by_hand(desk, source, first)
            {
                push(desk, "write the answer by hand, to begin with an empty 200".to_owned(), command);
            }
        }
    }
}

/// What has to be done so that a replay which records misses records this call; none where nothing would.
fn recorded_by(desk: &Desk<'_>) -> Option<String> {
    let context = desk.context;
    if context.records {
        return None;
    }
    let own = desk.miss.of_endpoint().map(|near| context.index.stub(near.at));
    if let Some((file, what)) = own.and_then(|own| Some((own, own.stub.on_miss?)))
        && what != OnMiss::Record
    {
        let said = format!("\"on_miss\": \"{}\"", what.as_str());
        return Some(format!("make the call again once {} no longer says `{said}`", file.path));
    }
    Some(match &context.call.target {
        Target::Origin(_) => "make the call again".to_owned(),
        // It goes nowhere: nothing tells where its origin is.
        Target::Authority(_) | Target::Any => {
            "make the call again through the proxy or with `/@HOST` before its path, since as it is it names no origin"
                .to_owned()
        }
    })
}

/// An answer that is written by hand; none for a stub that is there, if no command can hold the body.
fn by_hand(desk: &Desk<'_>, source: &Source, near: Option<&Near>) -> Option<String> {
    let context = desk.context;
    let call = context.call;
    let literal = PathPattern::literal(&context.mask.target(&call.path, None));
    let is_there = desk.miss.reason == Reason::NoScenario;
    let url = desk.url.split('?').next().unwrap_or_default();
    let new: Option<StubKey> = format!("{} {url}", call.method).parse().ok();
    let stub = match (near.filter(|_| is_there), &new) {
        (Some(near), _) => desk.named(source, &desk.key(near), ""),
        (None, Some(new)) => desk.named(source, new, ""),
        (None, None) => quoted(&format!("{} {literal}", call.method)),
    };
    let (asked, body) = (asked(context, &literal), asked_body(context));
    let collection = quoted(&source.given);
    let add = |body: &str| format!("retake mock scenario add {collection} {stub} --name ok{asked}{body} --status 200");
    if is_there {
        return body.as_deref().map(add);
    }
    let make =
        format!("retake mock stub add {collection} {} {}{}", call.method, quoted(url), ignoring(body.as_deref()));
    Some(format!("{make} && {}", add(&body.unwrap_or_default())))
}

/// A body that no command can hold is not asked for.
pub(super) fn ignoring(body: Option<&str>) -> &'static str {
    if body.is_none() { " --ignore-body" } else { "" }
}
