//! The matchers that hold for a scenario: its own, and those of rules. Each looks at one place of the call, and takes it
//! out of the comparison with what was recorded.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use serde_json::Value as Json;
use serde_json_path::JsonPath;

use super::body::Parsed;
use super::evaluation::{Part, PartResult};
use super::matcher::{Circumstances, Found, Test};
use super::received::Received;
use super::rules::{Compiled, Rules, Token, tokens};
use crate::collection::matcher;
use crate::collection::{
    Matcher, PathPattern, Place, PlacedMatcher, Rule, RuleAction, RuleSide, SegmentPattern, XmlPath,
};
use crate::diff::json::Leaf;
use crate::model::media::Kind;
use crate::model::path;

/// Values that one matcher finds in a JSON body at most.
const MAX_FOUND: usize = 100_000;

/// A matcher and where it looks.
#[derive(Debug)]
pub(super) struct Condition {
    place: Place,
    name: Box<str>,
    selector: Selector,
    test: Test,
    words: Box<str>,
    /// It comes from a rule: where neither side has the item, it asks nothing.
    is_rule: bool,
}

/// How values inside JSON are found.
#[derive(Debug)]
enum Selector {
    /// It does not look into JSON.
    Name,
    Pointer(Vec<Token>),
    Path(JsonPath),
    Xml(XmlPath),
}

impl Condition {
    fn new(place: Place, name: &str, matcher: &Matcher, is_rule: bool) -> Self {
        let selector = match place {
            Place::Json if name.starts_with('$') => {
                // One that is none finds nothing; a collection with it is not loaded.
                matcher::json_path(name).map_or_else(|_| Selector::Pointer(tokens("/ ")), Selector::Path)
            }
            Place::Json => Selector::Pointer(tokens(name)),
            // One that is none finds nothing, likewise.
            Place::Xml => XmlPath::read(name).map_or(Selector::Name, Selector::Xml),
            _ => Selector::Name,
        };
        Condition {
            place,
            name: name.into(),
            selector,
            test: Test::new(matcher),
            words: matcher.words().into(),
            is_rule,
        }
    }

    fn part(&self) -> Part {
        match self.place {
            Place::Path => Part::Captures,
            Place::Query => Part::Query,
            Place::Field | Place::Cookie => Part::Fields,
            Place::Json | Place::Form | Place::Xml | Place::Body => Part::Body,
        }
    }

    fn is_about(&self, place: Place, name: &str) -> bool {
        let same = || if place == Place::Field { self.name.eq_ignore_ascii_case(name) } else { *self.name == *name };
        self.place == place && same()
    }

    /// Its name in reports.
    fn label(&self) -> Cow<'_, str> {
        match self.place {
            Place::Cookie => Cow::Owned(format!("Cookie {}", self.name)),
            Place::Body => Cow::Borrowed("body"),
            Place::Json if self.name.is_empty() => Cow::Borrowed("body"),
            _ => Cow::Borrowed(&self.name),
        }
    }

    /// Visits the values in a JSON body, with their pointers.
    fn select<'j>(&self, json: &'j Json) -> Vec<(String, &'j Json)> {
        let mut found = Vec::new();
        match &self.selector {
            Selector::Name | Selector::Xml(_) => {}
            Selector::Pointer(tokens) => at_pointer(json, tokens, &mut String::new(), &mut found),
            Selector::Path(path) => {
                let nodes = path.query_located(json);
                found.extend(nodes.iter().take(MAX_FOUND).map(|node| (node.location().to_json_pointer(), node.node())));
            }
        }
        found
    }

    /// Whether it looks at the leaf of this path in XML.
    fn is_at(&self, leaf: &str) -> bool {
        matches!(&self.selector, Selector::Xml(path) if path.leads_to(leaf))
    }

    /// The values of the call in this place.
    fn values<'a>(&self, segments: &[SegmentPattern], received: &'a Received<'_>) -> Vec<Found<'a>> {
        let text = |text: &'a str| Found::Text(Cow::Borrowed(text));
        match self.place {
            Place::Path => {
                let at = segments.iter().position(|segment| segment.capture() == Some(&*self.name));
                let segment = at.and_then(|at| path::segments(received.path()).nth(at));
                let decoded = |text| percent_encoding::percent_decode_str(text).decode_utf8_lossy();
                segment.into_iter().map(|segment| Found::Text(decoded(segment))).collect()
            }
            Place::Query => {
                received.query().iter().filter(|pair| pair.name == *self.name).map(|pair| text(&pair.value)).collect()
            }
            Place::Field => {
                received.field(&self.name).into_iter().map(|value| Found::Text(Cow::Owned(value))).collect()
            }
            Place::Cookie => {
                received.cookies().iter().filter(|pair| pair.name == *self.name).map(|pair| text(&pair.value)).collect()
            }
            Place::Json => {
                let found = received.json().map(|json| self.select(json)).unwrap_or_default();
                found.into_iter().map(|(_, value)| Found::Json(Cow::Borrowed(value))).collect()
            }
            Place::Xml => {
                let leaves = match received.parsed(Kind::Xml) {
                    Parsed::Xml(leaves) if received.kind() == Kind::Xml => leaves.as_slice(),
                    _ => &[],
                };
                let found = leaves.iter().filter(|leaf| self.is_at(&leaf.pointer)).take(MAX_FOUND);
                found.filter_map(|leaf| leaf.value.as_string().map(text)).collect()
            }
            Place::Form => received.form_values(&self.name).into_iter().map(text).collect(),
            Place::Body if self.test.is_graphql() => {
                received.graphql().into_iter().map(|request| Found::Json(Cow::Owned(request))).collect()
            }
            Place::Body => body(received).into_iter().collect(),
        }
    }
}

fn body<'a>(received: &'a Received<'_>) -> Option<Found<'a>> {
    let bytes = &received.call().body;
    if bytes.is_empty() {
        return None;
    }
    Some(match super::body_text(received.content_type(), bytes) {
        Some(text) if received.kind() == Kind::Xml => Found::Xml(Cow::Owned(text)),
        Some(text) => Found::Text(Cow::Owned(text)),
        None => Found::Bytes(bytes.len()),
    })
}

fn at_pointer<'j>(value: &'j Json, at: &[Token], pointer: &mut String, found: &mut Vec<(String, &'j Json)>) {
    if found.len() >= MAX_FOUND {
        return;
    }
    let Some((token, rest)) = at.split_first() else { return found.push((pointer.clone(), value)) };
    let length = pointer.len();
    let mut go = |name: &str, value: &'j Json| {
        pointer.push('/');
        pointer.push_str(name);
        at_pointer(value, rest, pointer, found);
        pointer.truncate(length);
    };
    match (value, token) {
        (Json::Object(members), Token::Any) => {
            members.iter().for_each(|(name, value)| go(&name.replace('~', "~0").replace('/', "~1"), value));
        }
        (Json::Array(items), Token::Any) => {
            items.iter().enumerate().for_each(|(at, value)| go(&at.to_string(), value));
        }
        (Json::Object(members), Token::Name(name)) => {
            if let Some(value) = members.get(&name.replace("~1", "/").replace("~0", "~")) {
                go(name, value);
            }
        }
        (Json::Array(items), Token::Name(name)) => {
            if let Some(value) = name.parse().ok().and_then(|at: usize| items.get(at)) {
                go(name, value);
            }
        }
        _ => {}
    }
}

/// The conditions that the rules of a stub and of its collection make. The first rule that names an item decides.
pub(super) fn of_rules(stub: &[Rule], collection: &[Rule]) -> Vec<Arc<Condition>> {
    let live = |rule: &&Rule| !rule.off && rule.side == RuleSide::Request;
    let rules: Vec<&Rule> = stub.iter().chain(collection).filter(live).collect();
    let first = |at: usize, rule: &Rule| !rules[..at].iter().any(|earlier| earlier.same_item(rule));
    let matching = rules.iter().enumerate().filter(|(at, rule)| rule.action == RuleAction::Match && first(*at, rule));
    let condition =
        |(_, rule): (usize, &&Rule)| Some(Arc::new(Condition::new(rule.place, &rule.name, rule.is.as_ref()?, true)));
    matching.filter_map(condition).collect()
}

/// The conditions of one scenario; most have none.
#[derive(Debug, Default)]
pub(super) struct Conditions(Box<[Applied]>);

#[derive(Debug)]
struct Applied {
    condition: Arc<Condition>,
    /// What the scenario has in its place.
    recorded: Option<Box<str>>,
    /// Where it looks in the scenario's own JSON body.
    pointers: Box<[Box<str>]>,
}

impl Conditions {
    /// The scenario's own matchers, then those of `rules` about other items. `recorded` is the scenario's own request as
    /// a call: where matchers find what was recorded.
    pub(super) fn new(
        own: &[PlacedMatcher],
        rules: &[Arc<Condition>],
        path: &PathPattern,
        recorded: &Received<'_>,
    ) -> Self {
        if own.is_empty() && rules.is_empty() {
            return Conditions::default();
        }
        let own: Vec<_> = own.iter().map(|it| Arc::new(Condition::new(it.place, &it.name, &it.is, false))).collect();
        let others = rules.iter().filter(|rule| !own.iter().any(|it| it.is_about(rule.place, &rule.name))).cloned();
        let applied = own.iter().cloned().chain(others).map(|condition| {
            let values = condition.values(path.segments(), recorded);
            let pointers = recorded.json().map(|json| condition.select(json)).unwrap_or_default();
            let pointers = pointers.into_iter().map(|(pointer, _)| pointer.into()).collect();
            let text = |value: &Found<'_>| value.text_or_json().into();
            Applied { recorded: values.first().map(text), pointers, condition }
        });
        Conditions(applied.collect())
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one looks at the body, or into it.
    pub(super) fn look_at_body(&self) -> bool {
        self.0.iter().any(|it| it.condition.part() == Part::Body)
    }

    /// Whether one decides about the whole body.
    pub(super) fn take_body(&self) -> bool {
        let whole = |it: &Applied| match it.condition.place {
            Place::Body => true,
            Place::Json => it.condition.name.is_empty() || *it.condition.name == *"$",
            _ => false,
        };
        self.0.iter().any(whole)
    }

    /// The rule for an item: one that is looked at here vanishes from the comparison.
    pub(super) fn or<'r>(&self, place: Place, name: &str, rule: Option<&'r Compiled>) -> Option<&'r Compiled> {
        static VANISHES: LazyLock<Compiled> =
            LazyLock::new(|| Compiled::new(&Rule::new(Place::Query, "", RuleAction::Ignore)));
        if self.0.iter().any(|it| it.condition.is_about(place, name)) { Some(&VANISHES) } else { rule }
    }

    /// The leaves of XML that are not looked at here.
    pub(super) fn left_of<'l>(&self, leaves: &'l [Leaf]) -> Cow<'l, [Leaf]> {
        let is_taken = |leaf: &Leaf| self.0.iter().any(|it| it.condition.is_at(&leaf.pointer));
        if leaves.iter().any(is_taken) {
            return leaves.iter().filter(|leaf| !is_taken(leaf)).cloned().collect();
        }
        Cow::Borrowed(leaves)
    }

    /// The pointers of JSON values that are looked at here, in the scenario's body and in the call's.
    pub(super) fn taken(&self, received: &Received<'_>) -> Option<[Taken; 2]> {
        let json = || self.0.iter().filter(|it| it.condition.place == Place::Json);
        json().next()?;
        let ours = json().flat_map(|it| it.pointers.iter().map(|pointer| pointer.to_string())).collect();
        let body = received.json();
        let theirs = json().flat_map(|it| body.map(|body| it.condition.select(body)).unwrap_or_default());
        Some([Taken(ours), Taken(theirs.map(|(pointer, _)| pointer).collect())])
    }

    /// Judges those about a part: one that does not hold shuts the scenario out.
    pub(super) fn judge(
        &self,
        part: Part,
        segments: &[SegmentPattern],
        received: &Received<'_>,
        result: &mut PartResult,
    ) {
        for Applied { condition, recorded, .. } in self.0.iter().filter(|it| it.condition.part() == part) {
            let values = condition.values(segments, received);
            if condition.is_rule && values.is_empty() && recorded.is_none() {
                continue;
            }
            let around = Circumstances { recorded: recorded.as_deref(), at: received.call().at };
            if condition.test.holds(&values, &around) {
                result.same(1);
            } else {
                let got = values.first().map(Found::shown);
                result.refuse(&condition.label(), &condition.words, got.as_deref());
            }
        }
    }
}

/// Values of a JSON body that matchers look at.
#[derive(Debug, Default)]
pub(super) struct Taken(HashSet<String>);

impl Taken {
    /// Whether a leaf is one of them, or in one.
    pub(super) fn covers(&self, pointer: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let mut ends = pointer.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(at, _)| at);
        self.0.contains(pointer) || ends.any(|end| self.0.contains(&pointer[..end]))
    }
}

/// The rules of a stub, and the conditions of a scenario that go before them.
#[derive(Clone, Copy)]
pub(super) struct Lens<'a> {
    pub(super) rules: &'a Rules,
    pub(super) conditions: &'a Conditions,
}

impl<'a> Lens<'a> {
    /// The rule for a query parameter.
    pub(super) fn query(&self, name: &str) -> Option<&'a Compiled> {
        self.conditions.or(Place::Query, name, self.rules.query(name))
    }

    /// The rule for a form member or multipart part.
    pub(super) fn form(&self, name: &str) -> Option<&'a Compiled> {
        self.conditions.or(Place::Form, name, self.rules.form(name))
    }

    /// The rule for a field.
    pub(super) fn field(&self, name: &str) -> Option<&'a Compiled> {
        self.conditions.or(Place::Field, name, self.rules.field(name))
    }

    /// The rule for a cookie.
    pub(super) fn cookie(&self, name: &str) -> Option<&'a Compiled> {
        self.conditions.or(Place::Cookie, name, self.rules.cookie(name))
    }

    /// The rule for a capture.
    pub(super) fn capture(&self, name: &str) -> Option<&'a Compiled> {
        self.conditions.or(Place::Path, name, self.rules.capture(name))
    }
}
