//! The rule that makes one item of a call agree with a scenario.

use super::Loosens;
use crate::collection::{Place, Rule, RuleAction, RuleSide, XmlPath};
use crate::matching::{Evaluation, Item, Part, Verdict, covered};
use crate::model::Shape;
use crate::model::media::Kind;

/// More rules than this are no small change.
const MAX_RULES: usize = 3;
/// What names of items have in them whose values are new in each call.
const MADE_UP: [&str; 12] = [
    "nonce",
    "timestamp",
    "cachebust",
    "cache_bust",
    "request_id",
    "request-id",
    "requestid",
    "trace",
    "correlation",
    "idempotency",
    "utm_",
    "random",
];

/// Rules that together make a scenario agree, and how much they loosen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Forgiving {
    pub(super) rules: Vec<Rule>,
    pub(super) loosens: Loosens,
    /// Every rule asks for a shape that two values hardly share by chance.
    pub(super) is_unique: bool,
}

/// What would make the scenario agree: first what takes away the contradictions only, then what takes away every
/// difference. None of both where an item cannot be named by a rule, or where there are too many. `known` are the rules
/// that hold now, the stub's first.
pub(super) fn forgiving(evaluation: &Evaluation, kind: Kind, known: &[&Rule]) -> Vec<Forgiving> {
    let listed: usize = Part::ALL.iter().map(|part| evaluation.part(*part).items.len()).sum();
    let counted: u32 = Part::ALL.iter().map(|part| evaluation.part(*part).tally).map(|it| it.all() - it.same).sum();
    if listed as u64 != u64::from(counted) {
        return Vec::new();
    }
    let all: Vec<(Part, &Item)> = evaluation.differences().collect();
    let contradicted: Vec<_> = all
        .iter()
        .copied()
        .filter(|(part, item)| item.verdict == Verdict::Different && *part != Part::Fields)
        .collect();
    let some =
        (!contradicted.is_empty() && contradicted.len() < all.len()).then(|| together(&contradicted, kind, known));
    let found = some.into_iter().chain([together(&all, kind, known)]);
    found.flatten().filter(|forgiving| !forgiving.rules.is_empty()).collect()
}

fn together(items: &[(Part, &Item)], kind: Kind, known: &[&Rule]) -> Option<Forgiving> {
    let mut found = Forgiving { rules: Vec::new(), loosens: Loosens::MadeUp, is_unique: true };
    for (part, item) in items {
        let (rule, loosens) = match item.matcher {
            true => (instead_of_match(*part, item, known)?, Loosens::Values),
            false => rule(*part, item, kind)?,
        };
        let loosens = if means_another(known, *part, item) { Loosens::Values } else { loosens };
        found.is_unique &= rule.shape.is_some_and(Shape::is_unique);
        found.loosens = found.loosens.max(loosens);
        match found.rules.iter_mut().find(|known| known.same_item(&rule)) {
            // Elements of one array, or values of one name: what lets both pass.
            Some(known) if *known != rule => {
                found.loosens = found.loosens.max(Loosens::Values);
                (known.action, known.shape) = (both(known.action, rule.action), None);
                found.is_unique = false;
            }
            Some(_) => {}
            None => found.rules.push(rule),
        }
    }
    (found.rules.len() <= MAX_RULES).then_some(found)
}

fn both(one: RuleAction, other: RuleAction) -> RuleAction {
    if one == RuleAction::Ignore || other == RuleAction::Ignore { RuleAction::Ignore } else { one }
}

fn rule(part: Part, item: &Item, kind: Kind) -> Option<(Rule, Loosens)> {
    let (place, name) = place(part, &item.name, kind)?;
    let [expected, got] = [&item.expected, &item.got].map(|value| value.as_deref().map(bare));
    let shape = |value: &Option<String>| value.as_deref().and_then(Shape::of).filter(|it| is_made_up(*it));
    let is_noise = || {
        let lower = name.to_ascii_lowercase();
        lower == "_" || MADE_UP.iter().any(|part| lower.contains(part))
    };
    let plain = |action| Rule::new(place, name.clone(), action);
    match item.verdict {
        Verdict::Different if expected.is_some() && got.is_some() => match shape(&expected) {
            Some(looks) if shape(&got) == Some(looks) => {
                Some((Rule { shape: Some(looks), ..plain(RuleAction::Any) }, Loosens::MadeUp))
            }
            _ => {
                let loosens = if is_noise() { Loosens::MadeUp } else { Loosens::Values };
                Some((plain(RuleAction::Any), loosens))
            }
        },
        Verdict::Same => None,
        _ => {
            // What is missing may matter, whatever it looked like.
            let made_up = is_noise() || item.verdict == Verdict::Extra && shape(&got).is_some();
            Some((plain(RuleAction::Ignore), if made_up { Loosens::MadeUp } else { Loosens::Values }))
        }
    }
}

/// Where a rule asks for a value that the call does not have: one that takes any, in its place. What the scenario itself
/// asks for stays.
fn instead_of_match(part: Part, item: &Item, known: &[&Rule]) -> Option<Rule> {
    let found = known.iter().find(|rule| rule.action == RuleAction::Match && is_about(rule, part, &item.name))?;
    let action = if item.got.is_some() { RuleAction::Any } else { RuleAction::Ignore };
    Some(Rule::new(found.place, found.name.clone(), action))
}

/// Whether a rule that is on names this item of requests.
fn is_about(rule: &Rule, part: Part, item: &str) -> bool {
    let (place, name) = match rule.place {
        Place::Path => (Part::Captures, Some(item)),
        Place::Query => (Part::Query, Some(item)),
        Place::Field => (Part::Fields, Some(item)),
        Place::Cookie => (Part::Fields, item.strip_prefix("Cookie ")),
        Place::Form => (Part::Body, Some(item)),
        Place::Json if rule.name.starts_with('/') => (Part::Body, Some(item)),
        Place::Xml => (Part::Body, Some(item)),
        Place::Json | Place::Body => return false,
    };
    let is_named = |name: &str| match rule.place {
        Place::Json => covered(&rule.name, name) == Some(name.len()),
        Place::Field => rule.name.eq_ignore_ascii_case(name),
        Place::Xml => rule.names_in_xml(name),
        _ => rule.name == name,
    };
    rule.side == RuleSide::Request && !rule.off && place == part && name.is_some_and(is_named)
}

/// The shape that a rule asks for in place of an item's recorded value, if the call's has another. The first rule about
/// an item decides.
pub(in crate::report::miss) fn wanted_shape(known: &[&Rule], part: Part, item: &Item) -> Option<Shape> {
    let got = bare(item.got.as_deref().filter(|_| item.verdict == Verdict::Different && !item.matcher)?);
    let rule = known.iter().find(|rule| is_about(rule, part, &item.name))?;
    let takes = matches!(rule.action, RuleAction::Any | RuleAction::Fresh);
    rule.shape.filter(|shape| takes && !shape.fits(&got))
}

/// Whether the call's value is known for another one than the scenario's: it looks as a rule `fresh` wants it, and is not
/// taken, since it was recorded or stands for what was.
pub(in crate::report::miss) fn means_another(known: &[&Rule], part: Part, item: &Item) -> bool {
    let got = item.got.as_deref().filter(|_| item.verdict == Verdict::Different && !item.matcher);
    let rule = known.iter().find(|rule| is_about(rule, part, &item.name));
    got.zip(rule).is_some_and(|(got, rule)| {
        rule.action == RuleAction::Fresh && rule.shape.is_none_or(|shape| shape.fits(&bare(got)))
    })
}

fn is_made_up(shape: Shape) -> bool {
    shape.is_unique() || shape.is_moment()
}

/// A value as it is: a JSON string without its quotes.
fn bare(value: &str) -> String {
    serde_json::from_str::<String>(value).unwrap_or_else(|_| value.to_owned())
}

/// Where a rule finds the item; none where no rule can.
fn place(part: Part, name: &str, kind: Kind) -> Option<(Place, String)> {
    let named = |place| (!name.is_empty()).then(|| (place, name.to_owned()));
    match part {
        Part::Captures => named(Place::Path),
        Part::Query => named(Place::Query),
        Part::Fields => match name.strip_prefix("Cookie ") {
            Some(cookie) => Some((Place::Cookie, cookie.to_owned())),
            None => named(Place::Field),
        },
        Part::Body => match kind {
            Kind::Json if name.starts_with('/') => Some((Place::Json, of_all_elements(name))),
            Kind::Xml if !name.is_empty() && name != "media type" => Some((Place::Xml, of_all_siblings(name)?)),
            Kind::Form | Kind::Multipart if name != "media type" => named(Place::Form),
            _ => None,
        },
    }
}

/// The path to a leaf of XML, without the positions of the elements around it; none where a rule cannot name it.
fn of_all_siblings(leaf: &str) -> Option<String> {
    let (elements, attribute) = leaf.split_once("/@").map_or((leaf, None), |(elements, name)| (elements, Some(name)));
    let mut steps: Vec<&str> = elements.split('/').collect();
    // Text between elements is the text of the element around it.
    steps.pop_if(|step| step.starts_with("text()["));
    let around = steps.len() - usize::from(attribute.is_none()).min(steps.len());
    steps[..around].iter_mut().for_each(|step| *step = step.split('[').next().unwrap_or_default());
    let mut path = format!("/{}", steps.join("/"));
    path.extend(attribute.into_iter().flat_map(|name| ["/@", name]));
    XmlPath::read(&path).is_ok().then_some(path)
}

/// The pointer with `*` for positions in arrays: what is made up in one element is made up in all of them.
fn of_all_elements(pointer: &str) -> String {
    let last = pointer.rsplit('/').next().unwrap_or_default();
    let is_position = |token: &str| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
    if is_position(last) {
        return pointer.to_owned();
    }
    let tokens = pointer.split('/').map(|token| if is_position(token) { "*" } else { token });
    tokens.collect::<Vec<_>>().join("/")
}
