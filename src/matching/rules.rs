//! The rules that hold for a stub, sorted by place.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::recorded::RecordedValues;
use super::state::FreshValue;
use super::{multipart, pairs, paths};
use crate::collection::{BodySpec, Place, RequestSpec, Rule, RuleAction, RuleSide, Scenario, Stub, XmlPath};
use crate::diff::xml;
use crate::model::Shape;
use crate::model::media::Kind;

/// Reads the bytes of a body.
pub(super) type Bodies<'b> = &'b dyn Fn(&BodySpec) -> Option<Bytes>;

/// Compiled rules about requests. A stub's own go before those of the collection; the first that names an item decides.
#[derive(Debug, Default)]
pub(super) struct Rules {
    path: Vec<(String, Compiled)>,
    query: Vec<(String, Compiled)>,
    fields: Vec<(String, Compiled)>,
    form: Vec<(String, Compiled)>,
    cookies: Vec<(String, Compiled)>,
    json: Vec<(Vec<Token>, Compiled)>,
    xml: Vec<(XmlPath, Compiled)>,
}

/// What a rule does with the values of its item.
#[derive(Debug)]
pub(super) struct Compiled {
    action: RuleAction,
    shape: Option<Shape>,
    /// With `fresh`: what scenarios of the stub have there, and what is never taken for another.
    told_apart: Arc<HashSet<String>>,
    /// With `fresh`: what else was recorded of its kind.
    recorded: Arc<HashSet<String>>,
    /// With `fresh`: a scenario with one of these takes no other value.
    except: Vec<String>,
}

impl Compiled {
    /// Compiles a rule; what scenarios have in its place is not known yet.
    pub(super) fn new(rule: &Rule) -> Self {
        let told_apart = Arc::new(rule.except.iter().cloned().collect());
        Compiled {
            action: rule.action,
            shape: rule.shape,
            told_apart,
            recorded: Arc::default(),
            except: rule.except.clone(),
        }
    }

    /// Whether the item is left out.
    pub(super) fn ignores(&self) -> bool {
        self.action == RuleAction::Ignore
    }

    /// Whether any value will do, whatever it looks like.
    pub(super) fn takes_any(&self) -> bool {
        self.action == RuleAction::Any && self.shape.is_none()
    }

    /// Whether there must be a value.
    pub(super) fn needs_one(&self) -> bool {
        self.action == RuleAction::Any
    }

    /// The value that `got` is taken for, after [`Compiled::accepts`]; none where the rule lets any value stand.
    pub(super) fn fresh(&self, name: &str, expected: &str, got: &str) -> Option<FreshValue> {
        (self.action == RuleAction::Fresh).then(|| FreshValue {
            name: name.to_owned(),
            recorded: expected.to_owned(),
            fresh: got.to_owned(),
            known: Arc::clone(&self.told_apart),
        })
    }

    /// Whether `got` does for the recorded `expected`, which it does not equal.
    pub(super) fn accepts(&self, expected: &str, got: &str) -> bool {
        let looks_right = self.shape.is_none_or(|shape| shape.fits(got));
        match self.action {
            RuleAction::Any => looks_right && !got.is_empty(),
            RuleAction::Fresh => {
                let is_known = self.told_apart.contains(got) || self.recorded.contains(got);
                let takes_others = !self.except.iter().any(|value| value == expected);
                takes_others
                    && !is_known
                    && looks_right
                    && !got.is_empty()
                    && self.shape.is_none_or(|shape| shape.fits(expected))
            }
            RuleAction::Ignore | RuleAction::Echo | RuleAction::Match => false,
        }
    }
}

/// One step of a JSON pointer.
#[derive(Debug)]
pub(super) enum Token {
    /// This member or position, escaped as in a pointer.
    Name(String),
    /// `*`
    Any,
}

/// What the rules say of a leaf of JSON or XML.
#[derive(Debug)]
pub(super) enum LeafAction<'a> {
    /// Nothing.
    Compare,
    /// It vanishes.
    Ignore,
    /// It is part of the value at this pointer, of which any will do.
    Any(&'a str),
    /// It is compared, and another value may do.
    Judge(&'a Compiled),
}

impl Rules {
    /// Compiles the rules of a collection, if all of its stubs without rules of their own can share them: those that take
    /// fresh values depend on what the scenarios of a stub have.
    pub(super) fn of_collection(rules: &[Rule]) -> Option<Arc<Rules>> {
        let depends = |rule: &Rule| rule.action == RuleAction::Fresh && !rule.off && rule.side == RuleSide::Request;
        if rules.iter().any(depends) {
            return None;
        }
        let mut compiled = Rules::default();
        rules.iter().for_each(|rule| compiled.add(rule, HashSet::new, Arc::default));
        Some(Arc::new(compiled))
    }

    /// Compiles the rules of a stub and of its collection. Rules about answers and those that are off have no part.
    /// `bodies` reads the bodies of its scenarios' requests that lie in files; `recorded` has what is compared beside what
    /// they have.
    pub(super) fn new(stub: &Stub, collection: &[Rule], bodies: Bodies<'_>, recorded: &RecordedValues) -> Self {
        let mut rules = Rules::default();
        for rule in stub.rules.iter().chain(collection) {
            let own = || stub.scenarios.iter().flat_map(|scenario| values(stub, scenario, rule, bodies)).collect();
            rules.add(rule, own, || recorded.of_rule(stub, rule));
        }
        rules
    }

    /// Adds a rule; `own` is what the scenarios of the stub have in its place, `recorded` what others have.
    fn add(
        &mut self,
        rule: &Rule,
        own: impl FnOnce() -> HashSet<String>,
        recorded: impl FnOnce() -> Arc<HashSet<String>>,
    ) {
        // What must match is compiled apart, as conditions of the scenarios.
        if rule.off || rule.side == RuleSide::Response || rule.action == RuleAction::Match {
            return;
        }
        let mut compiled = Compiled::new(rule);
        if rule.action == RuleAction::Fresh {
            Arc::make_mut(&mut compiled.told_apart).extend(own());
            compiled.recorded = recorded();
        }
        let named = match rule.place {
            Place::Path => &mut self.path,
            Place::Query => &mut self.query,
            Place::Field => &mut self.fields,
            Place::Form => &mut self.form,
            Place::Cookie => &mut self.cookies,
            Place::Body => return,
            Place::Json => return self.json.push((tokens(&rule.name), compiled)),
            // One that is no path finds nothing; a collection with it is not loaded.
            Place::Xml => return self.xml.extend(XmlPath::read(&rule.name).ok().map(|path| (path, compiled))),
        };
        named.push((rule.name.clone(), compiled));
    }

    /// The rule for a capture.
    pub(super) fn capture(&self, name: &str) -> Option<&Compiled> {
        named(&self.path, |rule| rule == name)
    }

    /// The rule for a query parameter.
    pub(super) fn query(&self, name: &str) -> Option<&Compiled> {
        named(&self.query, |rule| rule == name)
    }

    /// The rule for a field.
    pub(super) fn field(&self, name: &str) -> Option<&Compiled> {
        named(&self.fields, |rule| rule.eq_ignore_ascii_case(name))
    }

    /// The rule for a form member or multipart part.
    pub(super) fn form(&self, name: &str) -> Option<&Compiled> {
        named(&self.form, |rule| rule == name)
    }

    /// The rule for a cookie.
    pub(super) fn cookie(&self, name: &str) -> Option<&Compiled> {
        named(&self.cookies, |rule| rule == name)
    }

    /// Whether there are rules for captures.
    pub(super) fn touch_captures(&self) -> bool {
        !self.path.is_empty()
    }

    /// Whether there are rules for the query.
    pub(super) fn touch_query(&self) -> bool {
        !self.query.is_empty()
    }

    /// Whether there are rules for something in a body.
    pub(super) fn touch_body(&self) -> bool {
        self.touch_json() || self.touch_xml() || !self.form.is_empty()
    }

    /// Whether there are rules for JSON.
    pub(super) fn touch_json(&self) -> bool {
        !self.json.is_empty()
    }

    /// Whether there are rules for XML.
    pub(super) fn touch_xml(&self) -> bool {
        !self.xml.is_empty()
    }

    /// What the rules say of the leaf of XML at this path. A rule that ignores an element holds for all that is in it;
    /// others hold for its text, or for the attribute, alone.
    pub(super) fn xml(&self, leaf: &str) -> LeafAction<'_> {
        for (path, compiled) in &self.xml {
            match compiled.ignores() {
                true if path.holds(leaf) => return LeafAction::Ignore,
                false if path.leads_to(leaf) => return LeafAction::Judge(compiled),
                _ => {}
            }
        }
        LeafAction::Compare
    }

    /// What the rules say of the leaf at `pointer`. A rule that ignores a member or takes any holds for all that is under
    /// it; one that looks at the value holds for that value alone.
    pub(super) fn json<'a>(&'a self, pointer: &'a str) -> LeafAction<'a> {
        for (tokens, compiled) in &self.json {
            match covers(tokens, pointer) {
                Some(_) if compiled.ignores() => return LeafAction::Ignore,
                Some(covered) if compiled.takes_any() => return LeafAction::Any(&pointer[..covered]),
                Some(covered) if covered == pointer.len() => return LeafAction::Judge(compiled),
                _ => {}
            }
        }
        LeafAction::Compare
    }
}

fn named(rules: &[(String, Compiled)], is: impl Fn(&str) -> bool) -> Option<&Compiled> {
    rules.iter().find(|(name, _)| is(name)).map(|(_, compiled)| compiled)
}

/// The members or parts of that name in the body of a request.
fn form_values(request: &RequestSpec, name: &str, bodies: Bodies<'_>) -> Vec<String> {
    let Some(body) = &request.body else { return Vec::new() };
    let bytes = match &body.text {
        Some(text) => Bytes::copy_from_slice(text.as_bytes()),
        None => bodies(body).unwrap_or_default(),
    };
    let media_type = request.media_type.as_deref();
    if Kind::of(media_type) == Kind::Multipart {
        let parts = multipart::parse(media_type, &bytes).unwrap_or_default();
        return parts.iter().filter_map(|part| part.text_of(name)).map(str::to_owned).collect();
    }
    pairs::parse(&bytes).into_iter().filter(|pair| pair.name == name).map(|pair| pair.value).collect()
}

/// The texts or attributes that a rule names in the body of a request.
fn xml_values(request: &RequestSpec, rule: &Rule, bodies: Bodies<'_>) -> Vec<String> {
    let Some(body) = &request.body else { return Vec::new() };
    let text = match &body.text {
        Some(text) => Some(text.clone()),
        None => bodies(body).and_then(|bytes| super::body_text(request.media_type.as_deref(), &bytes)),
    };
    let leaves = text.and_then(|text| xml::leaves(&text)).unwrap_or_default();
    let named = leaves.iter().filter(|leaf| rule.names_in_xml(&leaf.pointer));
    named.filter_map(|leaf| leaf.value.as_string()).map(str::to_owned).collect()
}

/// The values that a scenario has in the place of a rule.
pub(super) fn values(stub: &Stub, scenario: &Scenario, rule: &Rule, bodies: Bodies<'_>) -> Vec<String> {
    let request = &scenario.request;
    let body = request.body.as_ref();
    match rule.place {
        Place::Path => {
            request.captures.get(&rule.name).map(|value| paths::segment_key(value).into_owned()).into_iter().collect()
        }
        Place::Query => {
            let decoded = request.query.iter().chain(&stub.defaults.query).map(|pair| pair.decoded());
            decoded.filter(|(name, _)| *name == rule.name).map(|(_, value)| value).collect()
        }
        Place::Field => {
            let lines = request.fields.iter().chain(&stub.defaults.fields).filter(|line| line.0.is(&rule.name));
            lines.map(|line| line.0.text().trim().to_owned()).collect()
        }
        Place::Cookie => {
            let lines = request.fields.iter().chain(&stub.defaults.fields).filter(|line| line.0.is("cookie"));
            let cookies = lines.flat_map(|line| pairs::cookies(&line.0.value));
            cookies.filter(|pair| pair.name == rule.name).map(|pair| pair.value).collect()
        }
        Place::Body => Vec::new(),
        Place::Xml => xml_values(request, rule, bodies),
        Place::Form => form_values(request, &rule.name, bodies),
        Place::Json => {
            let mut found = Vec::new();
            if let Some(json) = body.and_then(|body| body.json.as_ref()) {
                scalars(&json.value(), &tokens(&rule.name), &mut found);
            }
            found
        }
    }
}

/// The scalars at a pointer, as texts.
fn scalars(value: &Value, at: &[Token], found: &mut Vec<String>) {
    let Some((token, rest)) = at.split_first() else {
        match value {
            Value::String(text) => found.push(text.clone()),
            Value::Number(number) => found.push(number.to_string()),
            _ => {}
        }
        return;
    };
    match (value, token) {
        (Value::Object(members), Token::Any) => members.values().for_each(|value| scalars(value, rest, found)),
        (Value::Array(items), Token::Any) => items.iter().for_each(|value| scalars(value, rest, found)),
        (Value::Object(members), Token::Name(name)) => {
            let inside = members.get(&name.replace("~1", "/").replace("~0", "~"));
            inside.into_iter().for_each(|value| scalars(value, rest, found));
        }
        (Value::Array(items), Token::Name(name)) => {
            let inside = name.parse().ok().and_then(|at: usize| items.get(at));
            inside.into_iter().for_each(|value| scalars(value, rest, found));
        }
        _ => {}
    }
}

/// The steps of a pointer, in which `*` stands for any one.
pub(super) fn tokens(pointer: &str) -> Vec<Token> {
    let token = |text: &str| if text == "*" { Token::Any } else { Token::Name(text.to_owned()) };
    match pointer.strip_prefix('/') {
        Some(rest) => rest.split('/').map(token).collect(),
        None if pointer.is_empty() => Vec::new(),
        // A member without its slash: people write `id` for `/id`.
        None => pointer.split('/').map(token).collect(),
    }
}

/// How much of `place` a rule's pointer covers, in which `*` stands for any one step: all of it, or what it lies in; none
/// if it leads elsewhere.
pub fn covered(pointer: &str, place: &str) -> Option<usize> {
    covers(&tokens(pointer), place)
}

/// How much of `pointer` the tokens cover, if they are a prefix of it.
fn covers(tokens: &[Token], pointer: &str) -> Option<usize> {
    let mut end = 0;
    for token in tokens {
        let rest = pointer[end..].strip_prefix('/')?;
        let part = rest.split('/').next().unwrap_or_default();
        match token {
            Token::Name(name) if name != part => return None,
            _ => end += 1 + part.len(),
        }
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::tests::stub;

    fn rules(stub_rules: &[Rule], collection: &[Rule]) -> Rules {
        let mut stub = stub("GET /p | it").stub;
        stub.rules = stub_rules.to_vec();
        Rules::new(&stub, collection, &|_| None, &RecordedValues::default())
    }

    /// What is said of a pointer, in a word.
    fn said(rules: &Rules, pointer: &str) -> String {
        match rules.json(pointer) {
            LeafAction::Compare => "compare".into(),
            LeafAction::Ignore => "ignore".into(),
            LeafAction::Any(pointer) => format!("any {pointer}"),
            LeafAction::Judge(_) => "judge".into(),
        }
    }

    #[test]
    fn a_json_rule_covers_what_is_under_it() {
        let json = |name: &str, action| Rule::new(Place::Json, name, action);
        let shaped = Rule { shape: Some(Shape::Uuid), ..json("/ref", RuleAction::Any) };
        let rules = rules(&[json("/items/*/id", RuleAction::Any), shaped], &[json("/meta", RuleAction::Ignore)]);
        for (pointer, expected) in [
            ("/items/0/id", "any /items/0/id"),
            ("/items/0/id/deep", "any /items/0/id"),
            ("/items/0/idx", "compare"),
            ("/items/0", "compare"),
            ("/meta/trace", "ignore"),
            ("/metadata", "compare"),
            ("/ref", "judge"),
            ("/ref/deep", "compare"),
        ] {
            assert_eq!(said(&rules, pointer), expected, "{pointer}");
        }
    }

    #[test]
    fn the_stubs_rule_goes_first_and_one_that_is_off_has_no_part() {
        let field = |name: &str, action| Rule::new(Place::Field, name, action);
        let all = [field("x-id", RuleAction::Ignore)];
        let own = field("X-Id", RuleAction::Any);
        assert!(rules(std::slice::from_ref(&own), &all).field("x-ID").is_some_and(Compiled::takes_any));
        assert!(rules(&[Rule { off: true, ..own.clone() }], &all).field("x-ID").is_some_and(Compiled::ignores));
        assert!(rules(&[own.in_response()], &[]).field("x-ID").is_none());
    }
}
