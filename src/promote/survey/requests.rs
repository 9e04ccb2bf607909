//! Rules about requests: which values will differ in the next recording, and on what evidence.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::endpoints::{Endpoint, World};
use super::facts::{Fact, Item};
use super::findings::{Confidence, Finding, Link};
use super::flow::is_made_up;
use super::leaves::is_now;
use super::telling;
use super::texts::{Id, Key, Value};
use super::validators;
use crate::collection::{Place, Rule, RuleAction, singular};
use crate::model::Shape;

/// More values that stand apart than this, and the rule is a question rather than an answer.
const MOST_EXCEPT: usize = 40;
/// So many samples are shown as evidence.
const SHOWN: usize = 3;

/// One value of a request: whose, and which.
type Occurrence = (usize, Id);

/// All values under one name in the requests of an endpoint.
pub(super) struct Column<'a> {
    place: Place,
    name: &'a str,
    /// In order of request start.
    values: Vec<Occurrence>,
}

/// What the values of a column are, and why.
struct Verdict {
    action: RuleAction,
    shape: Option<Shape>,
    except: Vec<String>,
    why: String,
    confidence: Confidence,
    links: Vec<Link>,
}

impl Verdict {
    fn any(shape: Option<Shape>, why: &str) -> Self {
        Verdict {
            action: RuleAction::Any,
            shape,
            except: Vec::new(),
            why: why.to_owned(),
            confidence: Confidence::Certain,
            links: Vec::new(),
        }
    }
}

/// What is found about the requests of an endpoint.
pub(super) fn findings(world: &World<'_>, endpoint: &Endpoint) -> Vec<Finding> {
    let columns = columns(world, endpoint);
    let mut found = Vec::new();
    let mut open = Vec::new();
    for column in columns {
        match certain(world, endpoint, &column) {
            Some(verdict) => found.push(finding(world, endpoint, &column, verdict)),
            None if column.is_open(world) => open.push(column),
            None => {}
        }
    }
    let compared = Compared::new(world, endpoint, &open);
    for column in &open {
        if let Some(verdict) = compared.verdict(column) {
            found.push(finding(world, endpoint, column, verdict));
        }
    }
    found.sort_by(|one, other| (one.rule.place, &one.rule.name).cmp(&(other.rule.place, &other.rule.name)));
    found
}

fn columns<'a>(world: &'a World<'_>, endpoint: &Endpoint) -> Vec<Column<'a>> {
    let mut columns: BTreeMap<(Place, &str), Vec<Occurrence>> = BTreeMap::new();
    for at in &endpoint.facts {
        for item in &world.facts[*at].items {
            columns.entry((item.place, world.tables.names.get(item.name))).or_default().push((*at, item.value));
        }
    }
    columns.into_iter().map(|((place, name), values)| Column { place, name, values }).collect()
}

impl Column<'_> {
    fn values<'w>(&'w self, world: &'w World<'_>) -> impl Iterator<Item = (&'w Fact, &'w Value)> + Clone {
        self.values.iter().map(|(at, value)| (&world.facts[*at], world.tables.values.get(*value)))
    }

    /// The shape of all values, masked ones aside; the most telling one.
    fn shape(&self, world: &World<'_>) -> Option<Shape> {
        shape_of_all(self.values(world).map(|(_, value)| value).filter(|value| !value.masked))
    }

    /// Whether comparing samples may still tell something: the values look made up, and are not masked.
    fn is_open(&self, world: &World<'_>) -> bool {
        let is_place = matches!(self.place, Place::Query | Place::Json | Place::Form);
        is_place
            && self.values(world).all(|(_, value)| !value.masked)
            && self.shape(world).is_some_and(|shape| is_made_up(shape) || shape.is_moment() || shape == Shape::Hex)
    }

    /// Whether some calls to the endpoint lack it.
    fn is_optional(&self, endpoint: &Endpoint) -> bool {
        let with: BTreeSet<usize> = self.values.iter().map(|(at, _)| *at).collect();
        with.len() < endpoint.facts.len()
    }
}

fn shape_of_all<'v>(values: impl Iterator<Item = &'v Value> + Clone) -> Option<Shape> {
    let first = values.clone().next()?.shape?;
    if values.clone().all(|value| value.shape == Some(first)) {
        return Some(first);
    }
    Shape::ALL.into_iter().find(|shape| values.clone().all(|value| !value.cut && shape.fits(&value.text)))
}

/// The shape that a rule asks for: only one that the next value is sure to have. Random words are told by how they are
/// mixed, and one in some hundred is mixed otherwise.
fn asked(shape: Option<Shape>, is_moment: bool) -> Option<Shape> {
    match shape? {
        Shape::Token | Shape::PrefixedId => None,
        Shape::ObjectId => Some(Shape::Hex),
        // A number of ten digits need not be a moment.
        Shape::EpochSeconds | Shape::EpochMillis | Shape::EpochMicros if !is_moment => Some(Shape::Integer),
        shape => Some(shape),
    }
}

/// What can be said without comparing samples.
fn certain(world: &World<'_>, endpoint: &Endpoint, column: &Column<'_>) -> Option<Verdict> {
    if column.values(world).all(|(_, value)| value.masked || value.text.is_empty()) && !is_signed(world, column) {
        return None;
    }
    if is_signed(world, column) {
        return Some(Verdict::any(None, "part of a signature, made anew for each call"));
    }
    if column.place == Place::Cookie {
        return cookie(world, column);
    }
    if let Some(verdict) = linked(world, endpoint, column) {
        return Some(verdict);
    }
    if column.place == Place::Field {
        return None;
    }
    let shape = column.shape(world);
    let all_now = column.values(world).all(|(fact, value)| is_moment_of_call(world, column.name, fact, value));
    if all_now {
        let shape = shape?;
        if shape.is_moment() {
            return Some(Verdict::any(asked(Some(shape), true), "the moment of the call"));
        }
        let mut verdict = Verdict::any(asked(Some(shape), false), "an id that the client makes up for the call");
        if column.place == Place::Path {
            verdict.action = RuleAction::Fresh;
        }
        return Some(verdict);
    }
    if column.place == Place::Path {
        return made_by_client(world, endpoint, column).or_else(|| given_back(world, endpoint, column));
    }
    let is_random = shape.is_some_and(|shape| is_made_up(shape) || shape == Shape::Hex);
    let is_odd = |value: &Value| value.text.bytes().any(|byte| byte.is_ascii_digit()) && !value.text.contains(' ');
    let looks_odd = || column.values(world).all(|(_, value)| value.masked || is_odd(value));
    let creates = || column.values(world).all(|(fact, _)| fact.makes && fact.is_success());
    if shape == Some(Shape::Traceparent) {
        return Some(Verdict::any(shape, "the trace of the call"));
    }
    let named = telling::is_always_fresh(column.name) && (is_random || looks_odd())
        || telling::is_fresh_if_random(column.name) && is_random
        || telling::is_fresh_in_creation(column.name) && is_random && creates();
    let is_constant = {
        let distinct: BTreeSet<Id> = column.values.iter().map(|(_, value)| *value).collect();
        // One value in many calls is a setting of the client.
        distinct.len() * 2 <= column.values.len() && column.values.len() > 2
    };
    if named && !is_constant {
        return Some(Verdict::any(asked(shape, false), "made up for each call, as its name says"));
    }
    // Recorded sessions are told apart, since each may have answers of its own.
    (telling::is_session(column.name) && is_random).then(|| Verdict {
        action: RuleAction::Fresh,
        ..Verdict::any(asked(shape, false), "a session that the client makes up, as its name says")
    })
}

/// A cookie that a committed scenario asks for with another value: if all its values look made up, they are those of a
/// session, which the next recording will not have either. Recorded ones are told apart.
fn cookie(world: &World<'_>, column: &Column<'_>) -> Option<Verdict> {
    let shape = column.shape(world).filter(|shape| is_made_up(*shape) || *shape == Shape::Hex)?;
    let why = "a cookie that looks made up, and differs from the recorded one";
    Some(Verdict { action: RuleAction::Fresh, ..Verdict::any(asked(Some(shape), false), why) })
}

/// Whether a value is the moment of its request, or says that it was made then.
fn is_moment_of_call(world: &World<'_>, name: &str, fact: &Fact, value: &Value) -> bool {
    let Some(shape) = value.shape.filter(|_| !value.masked) else { return false };
    let aside = world.clock.and_then(|clock| fact.started_at.checked_add(clock).ok());
    std::iter::once(fact.started_at).chain(aside).any(|now| is_now(name, &value.text, shape, (now, now)))
}

/// A resource that clients name themselves: the end of the path of a PUT.
fn made_by_client(world: &World<'_>, endpoint: &Endpoint, column: &Column<'_>) -> Option<Verdict> {
    let is_last = endpoint.pattern.segments().last().is_some_and(
        |segment| matches!(segment, crate::collection::SegmentPattern::Capture(name) if name == column.name),
    );
    let puts = world.tables.names.get(endpoint.method) == "PUT";
    let shape = column.shape(world)?;
    let created = column.values(world).any(|(fact, _)| fact.status == 201);
    (is_last && puts && created && is_made_up(shape)).then(|| Verdict {
        action: RuleAction::Fresh,
        ..Verdict::any(asked(Some(shape), false), "an id that the client makes up for what it creates")
    })
}

/// A value that answers repeat as their `ETag`, and that the client seems to have made up.
fn given_back(world: &World<'_>, endpoint: &Endpoint, column: &Column<'_>) -> Option<Verdict> {
    let confidence = validators::given_back(world, endpoint, column.name, &column.values)?;
    let why = match confidence {
        Confidence::Certain => "each answer repeats it as its `ETag`, and they are alike in all the rest",
        _ => "its answer repeats it as its `ETag`, and in its content",
    };
    let any = Verdict::any(asked(column.shape(world), false), why);
    Some(Verdict { action: RuleAction::Fresh, confidence, ..any })
}

fn is_signed(world: &World<'_>, column: &Column<'_>) -> bool {
    let name = column.name.to_ascii_lowercase();
    column.place == Place::Query
        && column.values.iter().all(|(at, _)| {
            let items = &world.facts[*at].items;
            let has = |wanted: &str| {
                let is = |item: &Item| world.tables.names.get(item.name).eq_ignore_ascii_case(wanted);
                items.iter().any(|item| item.place == Place::Query && is(item))
            };
            telling::signed(has).contains(&name.as_str())
        })
}

/// Values that earlier answers introduced.
fn linked(world: &World<'_>, endpoint: &Endpoint, column: &Column<'_>) -> Option<Verdict> {
    let context = context(endpoint, column);
    let mut links = Vec::new();
    let mut apart: Vec<(&Fact, &Value)> = Vec::new();
    for (at, id) in &column.values {
        let value = world.tables.values.get(*id);
        let before = world.before(endpoint, *at, column.place, column.name);
        match world.origins.link(*at, column.place, &context, before, value) {
            Some(intro) => links.push(Link { value: *id, by: intro, user: *at, place: column.place }),
            None => apart.push((&world.facts[*at], value)),
        }
    }
    let first = links.first()?;
    let linked: BTreeSet<Id> = links.iter().map(|link| link.value).collect();
    let values = linked.iter().map(|id| world.tables.values.get(*id));
    let shape =
        asked(shape_of_all(values.clone()), values.clone().all(|value| value.shape.is_some_and(Shape::is_moment)));
    let keys: BTreeSet<Key> = values.clone().map(|value| value.key).collect();
    let stands = |value: &Value| !value.masked && !value.cut && !value.text.is_empty() && !keys.contains(&value.key);
    let except = apart.iter().map(|(_, value)| value).filter(|value| stands(value)).map(|value| value.text.to_string());
    let except: Vec<String> = except.collect::<BTreeSet<_>>().into_iter().collect();
    let why = world.introduced(&first.by);
    let confidence = if except.len() > MOST_EXCEPT { Confidence::Doubtful } else { Confidence::Certain };
    Some(Verdict { action: RuleAction::Fresh, shape, except, why, confidence, links })
}

/// What stands around a value, for [`Origins::link`].
///
/// [`Origins::link`]: super::flow::Origins::link
fn context(endpoint: &Endpoint, column: &Column<'_>) -> String {
    use crate::collection::SegmentPattern;
    if column.place != Place::Path {
        return column.name.to_owned();
    }
    let mut before = "";
    for segment in endpoint.pattern.segments() {
        match segment {
            SegmentPattern::Capture(name) if name == column.name => break,
            SegmentPattern::Literal(text) => before = text,
            _ => {}
        }
    }
    format!("{} {}", column.name, singular(before))
}

/// Requests of an endpoint that differ in nothing but columns whose values look made up.
struct Compared<'w, 'a> {
    world: &'w World<'a>,
    /// Facts by all that the open columns are not.
    groups: Vec<Vec<usize>>,
}

impl<'w, 'a> Compared<'w, 'a> {
    fn new(world: &'w World<'a>, endpoint: &Endpoint, open: &[Column<'_>]) -> Self {
        let mut groups: HashMap<u64, Vec<usize>> = HashMap::new();
        if !open.is_empty() {
            let names: Vec<(Place, &str)> = open.iter().map(|column| (column.place, column.name)).collect();
            let skip = |item: &Item| names.contains(&(item.place, world.tables.names.get(item.name)));
            for at in &endpoint.facts {
                groups.entry(world.rest(&world.facts[*at], skip)).or_default().push(*at);
            }
        }
        Compared { world, groups: groups.into_values().filter(|group| group.len() > 1).collect() }
    }

    /// What comparing tells of a column: with alike answers to different values it is made up for each call; without a
    /// second sample it is a question.
    fn verdict(&self, column: &Column<'_>) -> Option<Verdict> {
        let shape = column.shape(self.world)?;
        let mut uses: BTreeMap<Id, usize> = BTreeMap::new();
        column.values.iter().for_each(|(_, value)| *uses.entry(*value).or_default() += 1);
        // What comes again means something.
        let once = uses.values().all(|count| *count == 1);
        let of: HashMap<usize, Id> = column.values.iter().copied().collect();
        let mut alike = false;
        for group in &self.groups {
            let with: Vec<usize> = group.iter().copied().filter(|at| of.contains_key(at)).collect();
            let distinct: BTreeSet<Id> = with.iter().map(|at| of[at]).collect();
            if distinct.len() < 2 {
                continue;
            }
            let first = &self.world.facts[with[0]];
            if with[1..].iter().any(|at| !self.world.answers_alike(first, &self.world.facts[*at])) {
                return None;
            }
            alike |= first.makes || self.world.says_something(first);
        }
        let asked = asked(Some(shape), shape.is_moment());
        if alike && once && !telling::is_id(column.name) {
            return Some(Verdict::any(asked, "differs from call to call, and the answers are alike"));
        }
        // A moment that is not that of the call was chosen by somebody.
        let is_question = once && is_made_up(shape) && uses.len() <= 50;
        let why = "looks made up, and no answer introduced it";
        is_question.then(|| Verdict { confidence: Confidence::Doubtful, ..Verdict::any(asked, why) })
    }
}

fn finding(world: &World<'_>, endpoint: &Endpoint, column: &Column<'_>, verdict: Verdict) -> Finding {
    let mut action = verdict.action;
    let mut shape = verdict.shape;
    if action == RuleAction::Any && column.place != Place::Path && column.is_optional(endpoint) {
        (action, shape) = (RuleAction::Ignore, None);
    }
    let mut evidence = Vec::new();
    for (at, id) in &column.values {
        let sample = format!("exchange {}: {}", world.facts[*at].number, world.shown(*id));
        if evidence.len() < SHOWN {
            evidence.push(sample);
        }
    }
    let rule =
        Rule { shape, except: verdict.except, why: Some(verdict.why), ..Rule::new(column.place, column.name, action) };
    Finding { rule, evidence, confidence: verdict.confidence, links: verdict.links }
}
