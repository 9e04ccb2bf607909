//! The report of a call that matched nothing: one structure, rendered as text and as JSON.

mod body;
mod fix;
mod html;
mod large;
mod reason;
mod text;

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collection::{PathPattern, Profile, Rule, Scenario, StateSpec, answers_of};
use crate::diff::tree::Change;
use crate::diff::{self, Line};
use crate::matching::{Call, Index, Item, Miss, Near, Part, PathFault, Reason, Standing, Target, Verdict};
use crate::model::path;

use super::mask::Mask;
use super::terminal::quoted;
pub use fix::Fix;
pub use text::Tone;

/// Differences listed of one part of one scenario.
const MAX_DIFFERENCES: usize = 8;
/// Characters of a value.
const MAX_VALUE: usize = 200;
/// Origins listed of those that are served.
const MAX_SERVED: usize = 10;
/// Longer bodies are not written into a command, as they stand there.
const MAX_TYPED: usize = 400;
/// Longer commands are not proposed: they are shown as a whole, or else they could not be copied.
const MAX_COMMAND: usize = 1000;

/// What a criterion says that neither side has anything for.
const NOTHING: &str = "nothing to compare";

/// A miss, as the client, the terminal and the call log are told. As JSON it is a problem document (RFC 9457).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MissReport {
    /// The problem's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// One line for people.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What happened, in a sentence.
    pub detail: String,
    /// The id of the miss: `call:N`.
    pub miss: String,
    /// The class of the reason.
    pub reason: Reason,
    /// The call's method.
    pub method: String,
    /// The call's URL, secrets masked.
    pub url: String,
    /// The nearest scenarios, nearest first.
    pub near: Vec<NearReport>,
    /// The origins that are served, if the call's is not among them; at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub served: Vec<String>,
    /// What would make the call a hit, what loosens least first.
    #[serde(default)]
    pub fixes: Vec<Fix>,
}

/// A scenario that nearly answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NearReport {
    /// The collection.
    pub collection: String,
    /// Method, path pattern, `#` and the scenario's name, as commands take it.
    pub scenario: String,
    /// The file of the stub.
    pub file: String,
    /// 0 to 100.
    pub score: f64,
    /// Criterion by criterion.
    pub criteria: Vec<Criterion>,
}

/// One criterion of matching.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Criterion {
    /// `method`, `path`, `query`, `body`, `fields`, `state`.
    pub name: Cow<'static, str>,
    /// Whether it agrees.
    pub agrees: bool,
    /// In words: what was compared, or what is wrong.
    pub note: String,
    /// What the scenario has, where it is one value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What the call has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub got: Option<String>,
    /// The items that are not the same, secrets masked, long values cut where they differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Item>,
    /// Differences that are not listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
    /// The lines of a text body that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    /// Of a body: what differs by place, with members of arrays paired by key or content, elements of XML by path,
    /// parts by name, fields of GraphQL by path; where that says it shorter than the items do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// The bodies were too large, or time ran out: there may be a smaller set of differences.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub coarse: bool,
}

impl Criterion {
    /// Whether there was something to compare.
    fn is_compared(&self) -> bool {
        self.note != NOTHING
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What a report is about, beside the miss itself.
pub struct Context<'a> {
    /// The compiled collections.
    pub index: &'a Index,
    /// The call.
    pub call: &'a Call,
    /// The id of the miss, such as `call:17`.
    pub id: &'a str,
    /// The status with which the miss is answered.
    pub status: u16,
    /// By which profile the scenarios were compared.
    pub profile: Profile,
    /// The call stands in the log of a run, so that `retake diff` finds it by the id.
    pub logged: bool,
    /// Such misses are recorded already: nobody has to be told how.
    pub records: bool,
    /// The cursor that the call named.
    pub cursor: Option<&'a str>,
    /// Masks what is shown.
    pub mask: &'a Mask,
}

impl Context<'_> {
    /// The run in whose log the call stands.
    fn run(&self) -> Option<&str> {
        let (run, _) = self.id.rsplit_once(':')?;
        self.logged.then_some(run)
    }
}

impl MissReport {
    /// The report of a miss.
    pub fn new(context: &Context<'_>, miss: &Miss) -> Self {
        let call = context.call;
        let url = url(context);
        let near = miss.near.iter().enumerate();
        let near: Vec<NearReport> = near.map(|(at, near)| near_report(context, near, at == 0)).collect();
        MissReport {
            kind: format!("urn:retake:miss:{}", miss.reason.as_str()),
            title: format!("No scenario answers {} {url}", call.method),
            status: context.status,
            detail: reason::detail(context, miss, &near),
            miss: context.id.to_owned(),
            reason: miss.reason,
            method: call.method.clone(),
            fixes: fix::fixes(context, miss, &url),
            url,
            near,
            served: miss.served.iter().take(MAX_SERVED).cloned().collect(),
        }
    }

    /// The call, as its run names it: `call:17`.
    pub fn miss_name(&self) -> String {
        format!("call:{}", self.miss.rsplit(':').next().unwrap_or_default())
    }

    /// Why, in words that are the same for all calls that miss for that reason.
    pub fn cause(&self) -> &'static str {
        reason::cause(self.reason)
    }

    /// The report as one page of HTML that needs nothing else: light and dark, without a script.
    pub fn to_html(&self) -> String {
        html::of(self)
    }

    /// The report as a problem document (RFC 9457).
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists of them: there is nothing that could fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

/// The origin of a call in words: as in a URL, or nothing for a plain call to our own address.
fn origin(call: &Call) -> String {
    match &call.target {
        Target::Origin(origin) => origin.to_string(),
        Target::Authority(authority) => authority.to_string(),
        Target::Any => String::new(),
    }
}

pub(super) fn url(context: &Context<'_>) -> String {
    let call = context.call;
    format!("{}{}", origin(call), context.mask.target(&call.path, call.query.as_deref()))
}

fn near_report(context: &Context<'_>, near: &Near, is_nearest: bool) -> NearReport {
    let file = context.index.stub(near.at);
    let mut criteria = vec![method(context, near), path_criterion(context, near)];
    let parts = [Part::Query, Part::Body, Part::Fields];
    criteria.extend(parts.map(|part| part_criterion(context, near, part, is_nearest)));
    criteria.extend(state(near.standing, context.index.scenario(near.at)));
    NearReport {
        collection: context.index.source(near.at).name.clone(),
        scenario: scenario_name(context.index, near),
        file: file.path.clone(),
        score: near.evaluation.score,
        criteria,
    }
}

fn scenario_name(index: &Index, near: &Near) -> String {
    let stub = &index.stub(near.at).stub;
    format!("{} {}#{}", stub.method, stub.path, index.scenario(near.at).name)
}

fn criterion(name: &'static str, agrees: bool, note: impl Into<String>) -> Criterion {
    let (note, differences, lines) = (note.into(), Vec::new(), Vec::new());
    let changes = Vec::new();
    Criterion {
        name: Cow::Borrowed(name),
        agrees,
        note,
        expected: None,
        got: None,
        differences,
        more: 0,
        lines,
        changes,
        coarse: false,
    }
}

fn method(context: &Context<'_>, near: &Near) -> Criterion {
    let expected = context.index.stub(near.at).stub.method.clone();
    let mut method = criterion("method", near.method, if near.method { expected.as_str() } else { "another method" });
    if !near.method {
        (method.expected, method.got) = (Some(expected), Some(context.call.method.clone()));
    }
    method
}

fn path_criterion(context: &Context<'_>, near: &Near) -> Criterion {
    let pattern = context.index.stub(near.at).stub.path.to_string();
    let call = context.mask.target(&context.call.path, None);
    if let Some(fault) = near.path {
        let note = fault_words(fault, &pattern, &context.call.path).unwrap_or("another path");
        let mut path = criterion("path", false, note);
        // What was recorded in it may have the escape.
        let expected = match fault {
            PathFault::Escape => context.index.stub(near.at).stub.example_path(Some(context.index.scenario(near.at))),
            _ => pattern,
        };
        let (expected, got) = diff::around(&expected, &call, MAX_VALUE);
        (path.expected, path.got) = (Some(expected), Some(got));
        return path;
    }
    let captures = near.evaluation.part(Part::Captures);
    let agrees = captures.tally.is_exact();
    let mut path = criterion("path", agrees, if agrees { pattern } else { "another value in the path".to_owned() });
    list(context, near, Part::Captures, &mut path);
    path
}

/// What is wrong with a path, where it is a detail: on which side, and what.
fn fault_words(fault: PathFault, pattern: &str, path: &str) -> Option<&'static str> {
    let in_call = |is: fn(&str) -> bool| is(path) && !is(pattern);
    Some(match fault {
        PathFault::Escape if in_call(|path| path.to_ascii_lowercase().contains("%2f")) => {
            "the call has %2F where the stub has a slash"
        }
        PathFault::Escape if path.matches('/').count() > pattern.matches('/').count() => {
            "the call has a slash where %2F was recorded"
        }
        PathFault::Escape => "an escaped character such as %2F on one side, the character itself on the other",
        PathFault::Case => "upper and lower case differ",
        PathFault::DoubleSlash if in_call(|path| path.contains("//")) => "the call has two slashes in a row",
        PathFault::DoubleSlash => "the stub has two slashes in a row, the call has one",
        PathFault::TrailingSlash if in_call(|path| path.ends_with('/')) => {
            "the call ends in a slash, the stub does not"
        }
        PathFault::TrailingSlash => "the stub ends in a slash, the call does not",
        PathFault::DotSegments => "`.` or `..` on one side: retake does not resolve them",
        PathFault::Other => return None,
    })
}

fn part_criterion(context: &Context<'_>, near: &Near, part: Part, is_nearest: bool) -> Criterion {
    let result = near.evaluation.part(part);
    let tally = result.tally;
    let note = match (tally.all(), tally.is_exact()) {
        (0, _) => NOTHING.to_owned(),
        (1, true) => "the same".to_owned(),
        (all, true) => format!("all {all} the same"),
        (1, false) => "differs".to_owned(),
        (all, false) if all - tally.same == 1 => format!("1 of {all} differs"),
        (all, false) => format!("{} of {all} differ", all - tally.same),
    };
    let mut told = criterion(part.as_str(), tally.is_exact(), note);
    list(context, near, part, &mut told);
    told.more += usize::try_from(tally.all() - tally.same).unwrap_or(0).saturating_sub(result.items.len());
    if part == Part::Body && !tally.is_exact() {
        body::tell(context, near, is_nearest, &mut told);
    }
    told
}

/// The rules that hold for a near scenario, the stub's first.
fn rules<'c>(context: &Context<'c>, near: &Near) -> Vec<&'c Rule> {
    let shared = &context.index.source(near.at).collection.manifest.rules;
    context.index.stub(near.at).stub.rules.iter().chain(shared).collect()
}

/// The items of a part, masked and cut.
fn list(context: &Context<'_>, near: &Near, part: Part, told: &mut Criterion) {
    let items = &near.evaluation.part(part).items;
    let rules = rules(context, near);
    for item in items.iter().take(MAX_DIFFERENCES) {
        let masked = |value: &Option<String>| value.as_ref().map(|value| context.mask.value(part, &item.name, value));
        // Where a rule takes all of a shape, the recorded value is only one of them.
        let shape = fix::wanted_shape(&rules, part, item).map(|shape| Item {
            expected: Some(format!("looks like {} (rule)", shape.words())),
            matcher: true,
            ..item.clone()
        });
        let item = shape.as_ref().unwrap_or(item);
        // What a matcher asks for stands in the collection, and is no value.
        let expected = if item.matcher { item.expected.clone() } else { masked(&item.expected) };
        let (expected, got) = match (expected, masked(&item.got)) {
            (Some(expected), Some(got)) => {
                let (expected, got) = diff::around(&expected, &got, MAX_VALUE);
                (Some(expected), Some(got))
            }
            (expected, got) => {
                let cut = |value: Option<String>| value.map(|value| diff::around(&value, &value, MAX_VALUE).0);
                (expected.map(|value| cut_start(&value)), cut(got.map(|value| cut_start(&value))))
            }
        };
        let name = cut_start(&context.mask.text(&item.name));
        told.differences.push(Item { name, expected, got, ..item.clone() });
    }
    told.more = items.len().saturating_sub(MAX_DIFFERENCES);
}

fn cut_start(value: &str) -> String {
    super::terminal::cut(value, MAX_VALUE).into_owned()
}

fn state(standing: Standing, scenario: &Scenario) -> Option<Criterion> {
    match standing {
        Standing::WrongState => {
            let words = scenario.state.as_ref().map(StateSpec::words).unwrap_or_default();
            Some(criterion("state", false, words))
        }
        Standing::Enabled => None,
        Standing::Disabled => Some(criterion("state", false, "disabled")),
        Standing::UsedUp => Some(criterion("state", false, used_up(scenario))),
    }
}

/// `used up: this sequence had 3 answers, and this call asks for a 4th`
fn used_up(scenario: &Scenario) -> String {
    let answers = answers_of(scenario);
    let had = if answers == 1 { "1 answer".to_owned() } else { format!("{answers} answers") };
    format!("used up: this sequence had {had}, and this call asks for a {}", fix::ordinal(answers.saturating_add(1)))
}

/// The flags of `mock scenario add` that describe the call's path and query.
fn asked(context: &Context<'_>, pattern: &PathPattern) -> String {
    let segments = path::segments(&context.call.path).zip(pattern.segments());
    let captures = segments.filter_map(|(segment, pattern)| {
        let name = pattern.capture()?;
        Some(flag("capture", &format!("{name}={}", context.mask.value(Part::Captures, name, segment))))
    });
    captures.chain(query_pairs(context).map(|pair| flag("query", &pair))).collect()
}

/// A flag with a value, which is no flag whatever it begins with.
fn flag(name: &str, value: &str) -> String {
    let separator = if value.starts_with('-') { '=' } else { ' ' };
    format!(" --{name}{separator}{}", quoted(value))
}

/// The pairs of the call's query as written, secrets masked, and what would end them in a URL escaped.
fn query_pairs(context: &Context<'_>) -> impl Iterator<Item = String> {
    let pairs = context.call.query.iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty());
    pairs.map(|pair| context.mask.query(pair).replace('#', "%23"))
}

/// The flags for the body of the call; nothing for one that is no short line of text.
fn asked_body(context: &Context<'_>) -> Option<String> {
    let call = context.call;
    if call.body.is_empty() {
        return Some(String::new());
    }
    if call.body.len() > MAX_TYPED {
        return None;
    }
    let written = call.fields.text("content-type");
    let masked = context.mask.body(written.as_deref(), &call.body);
    let text = std::str::from_utf8(&masked).ok().filter(|text| !text.starts_with('@'))?;
    let media_type = written.map(|written| flag("media-type", &written)).unwrap_or_default();
    let flags = flag("data", text) + &media_type;
    (flags.len() <= MAX_TYPED && can_be_pasted(&flags)).then_some(flags)
}

/// Whether a command is the same after it was shown, and short enough to be shown as a whole.
fn can_be_pasted(command: &str) -> bool {
    command.len() <= MAX_COMMAND && matches!(super::terminal::clean(command), Cow::Borrowed(_))
}

/// What an item says, in words: `page expected 1, got 2`, `missing: page=1`, `extra: /new=true`.
pub(super) fn item_words(item: &Item) -> String {
    let expected = item.expected.as_deref().unwrap_or_default();
    let got = item.got.as_deref().unwrap_or_default();
    // A body that is one item has no name.
    let named = |separator: &str, rest: &str| match &*item.name {
        "" => rest.to_owned(),
        name => format!("{name}{separator}{rest}"),
    };
    match item.verdict {
        _ if item.matcher => {
            named(" ", &format!("expected {expected}, got {}", item.got.as_deref().unwrap_or("nothing")))
        }
        Verdict::Same => named("=", expected),
        Verdict::Extra => format!("extra: {}", named("=", got)),
        Verdict::Missing => format!("missing: {}", named("=", expected)),
        Verdict::Different if item.got.is_none() => format!("missing: {}", named("=", expected)),
        Verdict::Different => named(" ", &format!("expected {expected}, got {got}")),
    }
}

#[cfg(test)]
mod tests;
