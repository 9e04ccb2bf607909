//! Why a call matched nothing: its class first, then the one thing that a tired person has to know.

use super::{Context, Criterion, NearReport, fault_words, fix};
use crate::collection::{OriginPattern, PortPattern, Profile, StateSpec};
use crate::diff;
use crate::diff::LineKind;
use crate::diff::tree::{Change, Kind as ChangeKind};
use crate::matching::{Item, Miss, Part, Reason, Standing, Target, Verdict};
use crate::model::media::Kind;

/// Characters of a value in a sentence.
const MAX_SAID: usize = 40;
/// Names and values in a sentence.
const MAX_NAMED: usize = 3;
/// Longer bodies are not parsed again to say where they break.
const MAX_PARSED: usize = 1024 * 1024;

/// The class of a reason in words, the same for all calls of the class: what misses are counted by.
pub(super) fn cause(reason: Reason) -> &'static str {
    match reason {
        Reason::NoSuchHost => "no such host",
        Reason::NoSuchEndpoint => "no such endpoint",
        Reason::Method => "another method",
        Reason::NoScenario => "an endpoint without a scenario",
        Reason::Value => "another value in the path",
        Reason::Query => "another query",
        Reason::Header => "another header",
        Reason::Body => "another body",
        Reason::UsedUp => "a sequence that is used up",
        Reason::WrongState => "the wrong state",
        Reason::Disabled => "a scenario that is disabled",
        Reason::Steering => "not what the x-mock fields ask for",
    }
}

/// What happened, in a sentence that begins with the class.
pub(super) fn detail(context: &Context<'_>, miss: &Miss, near: &[NearReport]) -> String {
    let call = context.call;
    let path = context.mask.target(&call.path, None);
    let named = near.first().map(|near| near.scenario.as_str()).unwrap_or_default();
    match miss.reason {
        Reason::NoSuchHost => host(context),
        Reason::NoSuchEndpoint => endpoint(context, miss, &path),
        Reason::Method => {
            let stubs = miss.near.iter().map(|near| context.index.stub(near.at).stub.method.as_str());
            let mut methods: Vec<&str> = stubs.collect();
            methods.sort_unstable();
            methods.dedup();
            let known = if methods.is_empty() { "another method".to_owned() } else { methods.join(", ") };
            format!("method: {path} is served with {known}, not with {}", call.method)
        }
        Reason::NoScenario => format!("no scenario: the stub {} {path} has no answer yet", call.method),
        Reason::Value => value(context, miss, near),
        Reason::Query => part(context, miss, near, ("query", Part::Query)),
        Reason::Header => part(context, miss, near, ("header", Part::Fields)),
        Reason::Body => part(context, miss, near, ("body", Part::Body)),
        Reason::UsedUp => {
            let ended = miss.near.iter().find(|near| near.standing == Standing::UsedUp);
            ended.map(|near| super::used_up(context.index.scenario(near.at))).unwrap_or_else(|| "used up".to_owned())
        }
        Reason::WrongState => {
            let state = miss.near.first().and_then(|near| context.index.scenario(near.at).state.as_ref());
            let needed = state.and_then(StateSpec::needed).unwrap_or_default();
            format!("wrong state: {named} answers only while {needed}, and it is not")
        }
        Reason::Disabled => format!("disabled: {named} would answer, and is switched off"),
        Reason::Steering => {
            let said = |(name, value): (&str, &str)| format!("{name}: {}", context.mask.text(value));
            let asked: Vec<_> = call.steering.conditions().map(said).collect();
            format!("not recorded: the call asks for {}, and no scenario that would answer has it", asked.join(" and "))
        }
    }
}

fn host(context: &Context<'_>) -> String {
    let called = super::origin(context.call);
    let Target::Origin(origin) = &context.call.target else {
        return format!("no such host: no collection has stubs for {called}");
    };
    let same_host = |served: &&OriginPattern| served.host.eq_ignore_ascii_case(origin.host());
    let mut alike: Vec<&OriginPattern> = context.index.origins().filter(same_host).collect();
    alike.sort_by_key(|served| served.scheme != origin.scheme);
    match alike.first() {
        Some(served) if served.scheme == origin.scheme && matches!(served.port, PortPattern::Exactly(_)) => {
            format!("wrong port: the call went to {called}, served is {served}")
        }
        Some(served) => format!("wrong scheme: the call went to {called}, served is {served}"),
        None => format!("no such host: no collection has stubs for {called}"),
    }
}

fn endpoint(context: &Context<'_>, miss: &Miss, path: &str) -> String {
    let Some(near) = miss.near.first() else {
        let host = match &context.call.target {
            Target::Any => "what is served".to_owned(),
            _ => super::origin(context.call),
        };
        return format!("no such endpoint: {host} has nothing like {path}");
    };
    let pattern = context.index.stub(near.at).stub.path.to_string();
    match near.path.and_then(|fault| fault_words(fault, &pattern, &context.call.path)) {
        Some(words) => format!("path: {words}"),
        None => format!("no such endpoint: nothing was recorded for {path}; the nearest is {pattern}"),
    }
}

/// The value that was asked for, and those that were recorded.
fn value(context: &Context<'_>, miss: &Miss, near: &[NearReport]) -> String {
    let differences = |near: &NearReport| -> Vec<Item> {
        near.criteria.iter().filter(|told| told.name == "path").flat_map(|told| told.differences.clone()).collect()
    };
    let Some(first) = near.first().and_then(|near| differences(near).into_iter().next()) else {
        return "value in the path: another than was recorded".to_owned();
    };
    let mut recorded: Vec<String> = Vec::new();
    for item in near.iter().flat_map(differences).filter(|item| item.name == first.name) {
        let value = short(item.expected.as_deref().unwrap_or("another"));
        if !recorded.contains(&value) {
            recorded.push(value);
        }
    }
    let got = short(first.got.as_deref().unwrap_or("missing"));
    if first.matcher {
        return format!("value in the path: {} is {got}; wanted is one that {}", first.name, recorded.join(" or "));
    }
    let (verb, more) =
        (if recorded.len() == 1 { "is" } else { "are" }, if recorded.len() > MAX_NAMED { " …" } else { "" });
    recorded.truncate(MAX_NAMED);
    let twice = recorded.iter().any(|recorded| recorded.contains('%') && recorded.replace('%', "%25") == got);
    let more = if twice { format!("{more}: it was escaped twice") } else { more.to_owned() };
    let nearest =
        miss.near.first().map(|near| (super::rules(context, near), &near.evaluation.part(Part::Captures).items));
    let known = nearest
        .filter(|(rules, items)| items.first().is_some_and(|item| fix::means_another(rules, Part::Captures, item)))
        .map_or("", |_| ", known as another one");
    let here = if known.is_empty() { "" } else { " here" };
    format!("value in the path: {} is {got}{known}; recorded{here} {verb} {}{more}", first.name, recorded.join(", "))
}

/// What of a part is not as the nearest scenario has it.
fn part(context: &Context<'_>, miss: &Miss, near: &[NearReport], (class, part): (&str, Part)) -> String {
    let told = near.first().and_then(|near| near.criteria.iter().find(|told| told.name == part.as_str()));
    if let Some(broken) = broken(context).filter(|_| part == Part::Body) {
        return format!("{class}: {broken}");
    }
    let (Some(told), Some(first)) = (told, miss.near.first()) else {
        return format!("{class}: the nearest scenario has another");
    };
    let tally = first.evaluation.part(part).tally;
    if tally.different == 0 {
        let lacks = lacks(told).unwrap_or_else(|| "it differs".to_owned());
        if tally.same == 0 && tally.all() == 1 {
            return format!("{class}: {lacks}");
        }
        let why = match context.profile {
            Profile::Strict => "and `strict` forgives nothing".to_owned(),
            _ if first.evaluation.score < 60.0 => {
                format!("and too little agrees: score {}, 60 is needed", first.evaluation.score.floor())
            }
            _ => "and less than half of it agrees".to_owned(),
        };
        return format!("{class}: {lacks}, {why}");
    }
    format!("{class}: {}", contradiction(told))
}

/// Where the body stops being JSON, though its type says that it is.
fn broken(context: &Context<'_>) -> Option<String> {
    let call = context.call;
    let is_json = Kind::of(call.fields.text("content-type").as_deref()) == Kind::Json;
    if !is_json || call.body.is_empty() || call.body.len() > MAX_PARSED {
        return None;
    }
    let error = serde_json::from_slice::<serde::de::IgnoredAny>(&call.body).err()?;
    let what = if error.is_eof() { "it ends in the middle" } else { "it is broken" };
    Some(format!("is no JSON: {what}, at line {}, column {}", error.line(), error.column()))
}

/// What is extra and what is missing, by name.
fn lacks(told: &Criterion) -> Option<String> {
    let items = told.differences.iter().map(|item| (item.verdict == Verdict::Extra, item.name.as_str()));
    let changes = told.changes.iter().filter(|change| matches!(change.kind, ChangeKind::Added | ChangeKind::Removed));
    let changes = changes.map(|change| (change.kind == ChangeKind::Added, change.pointer.as_str()));
    let all: Vec<(bool, &str)> = items.chain(changes).filter(|(_, name)| !name.is_empty()).collect();
    let named = |extra: bool| -> Vec<&str> { all.iter().filter(|it| it.0 == extra).map(|it| it.1).collect() };
    let said = |names: Vec<&str>, what: &str| {
        let verb = if names.len() == 1 { "is" } else { "are" };
        let more = if names.len() > MAX_NAMED { " …" } else { "" };
        let shown: Vec<String> = names.iter().take(MAX_NAMED).map(|name| short(name)).collect();
        (!names.is_empty()).then(|| format!("{}{more} {verb} {what}", shown.join(", ")))
    };
    let both: Vec<String> = [said(named(false), "missing"), said(named(true), "extra")].into_iter().flatten().collect();
    (!both.is_empty()).then(|| both.join(", "))
}

fn contradiction(told: &Criterion) -> String {
    let of = |kind: LineKind| -> Vec<&str> {
        told.lines.iter().filter(|line| line.kind == kind).map(|line| line.text.as_str()).collect()
    };
    if let ([removed], [added]) = (of(LineKind::Removed).as_slice(), of(LineKind::Added).as_slice()) {
        return wants("a line", removed, added);
    }
    if !told.lines.is_empty() {
        return "the text differs from that of the nearest scenario".to_owned();
    }
    let count = told.differences.len() + told.changes.len() + told.more;
    let different = told.differences.iter().find(|item| item.verdict == Verdict::Different).map(item);
    let changed = told.changes.iter().find(|change| change.kind == ChangeKind::Changed).map(change);
    let any = || told.differences.first().map(item).or(told.changes.first().map(change));
    let Some(first) = different.or(changed).or_else(any) else { return told.note.clone() };
    match count {
        1 => first,
        _ => format!("{first}; {} more differ{}", count - 1, if count == 2 { "s" } else { "" }),
    }
}

fn item(item: &Item) -> String {
    let name = item.name.as_str();
    if item.verdict == Verdict::Extra {
        return format!("{} is extra", short(name));
    }
    let Some(got) = item.got.as_deref() else { return format!("{} is missing", short(name)) };
    let wanted = item.expected.as_deref().unwrap_or("another");
    if name.is_empty() {
        return format!("{got} came; the nearest scenario wants {wanted}");
    }
    // Of secrets, the scheme is all that can differ.
    if name.eq_ignore_ascii_case("authorization") {
        let scheme = |value: &str| format!("{} …", value.split(' ').next().unwrap_or_default());
        return match scheme(wanted) == scheme(got) {
            true => format!("{name} has another value than in the nearest scenario"),
            false => wants(name, &scheme(wanted), &scheme(got)),
        };
    }
    if item.matcher {
        return format!("{} is {}; wanted is one that {}", short(name), short(got), short(wanted));
    }
    wants(&short(name), wanted, got)
}

fn change(change: &Change) -> String {
    let (before, after) = (change.before.as_deref().unwrap_or_default(), change.after.as_deref().unwrap_or_default());
    let place = short(&change.pointer);
    match change.kind {
        ChangeKind::Moved => format!("{place} has moved to {}, and the order of arrays counts", short(after)),
        ChangeKind::Removed => format!("{place} is missing"),
        ChangeKind::Added => format!("{place} is extra"),
        ChangeKind::Changed => wants(&place, before, after),
    }
}

fn wants(name: &str, wanted: &str, got: &str) -> String {
    let kind = match (kind(wanted), kind(got)) {
        (Some(one), Some(other)) if one != other && wanted.trim_matches('"') == got.trim_matches('"') => {
            format!(", a {one} and no {other}")
        }
        _ => String::new(),
    };
    let (wanted, got) = diff::around(wanted, got, MAX_SAID);
    format!("{name} is {got}; the nearest scenario wants {wanted}{kind}")
}

/// The kind of a JSON scalar, where it may be taken for another.
fn kind(json: &str) -> Option<&'static str> {
    match json.bytes().next()? {
        b'"' => Some("string"),
        b'-' | b'0'..=b'9' => Some("number"),
        b't' | b'f' => Some("boolean"),
        _ => None,
    }
}

fn short(text: &str) -> String {
    crate::report::terminal::cut(text, MAX_SAID).into_owned()
}
