//! Stubs and scenarios, compiled: what a call is compared with.

use std::sync::Arc;

use bytes::Bytes;

use serde_json::Value;

use crate::collection::{EndPolicy, Manifest, MatchParts, OriginPattern, Scenario, SegmentPattern, Stub};
use crate::model::media::Kind;
use crate::model::{Fields, path};

use super::body::{self, ExpectedBody};
use super::conditions::{Condition, Conditions, Lens};
use super::evaluation::{Evaluation, Part, PartResult, Points, Verdict};
use super::ladder::{self, Piece};
use super::lookup::{BodyKey, Keyed, Lookup};
use super::pairs::{self, Pair};
use super::paths;
use super::placeholder;
use super::received::{Received, combined};
use super::rules::{Compiled, Rules};
use super::{Call, ScenarioRef};

/// What all scenarios of a stub have in common.
pub(super) struct CompiledStub {
    pub(super) method: String,
    pub(super) origin: OriginPattern,
    pub(super) segments: Arc<[SegmentPattern]>,
    pub(super) specificity: Box<[u8]>,
    /// The stub's file, for the order.
    pub(super) file: String,
    parts: MatchParts,
    rules: Arc<Rules>,
}

impl CompiledStub {
    /// Compiles a stub with its rules, those of its collection among them.
    pub(super) fn new(stub: &Stub, file: &str, rules: Arc<Rules>) -> Self {
        CompiledStub {
            method: stub.method.clone(),
            origin: stub.origin.clone(),
            segments: stub.path.shared_segments(),
            specificity: paths::specificity(stub.path.segments()),
            file: file.to_owned(),
            parts: stub.parts,
            rules,
        }
    }

    /// What of requests no rule touches, so that equal hashes are needed for an exact hit.
    pub(super) fn keyed(&self) -> Keyed {
        Keyed {
            captures: self.segments.iter().any(|it| it.capture().is_some()) && !self.rules.touch_captures(),
            query: self.parts.query && !self.rules.touch_query(),
            body: self.parts.body && !self.rules.touch_body(),
        }
    }

    /// The text of a literal segment.
    fn literal(&self, at: usize) -> &str {
        match self.segments.get(at) {
            Some(SegmentPattern::Literal(text)) => text,
            _ => "",
        }
    }
}

/// A captured value that a scenario expects.
struct Capture {
    /// Position of the segment.
    segment: usize,
    name: String,
    /// In comparable form.
    value: String,
}

/// A scenario, compiled.
pub(super) struct Expected {
    pub(super) at: ScenarioRef,
    pub(super) priority: i32,
    pub(super) default: bool,
    pub(super) disabled: bool,
    /// Its sequence may end in a miss.
    pub(super) may_end: bool,
    /// The status of its first answer.
    pub(super) status: u16,
    /// It answers in one named state only.
    pub(super) gated: bool,
    captures: Vec<Capture>,
    query: Vec<Pair>,
    fields: Vec<(String, String)>,
    /// What `Cookie` lists, sorted.
    cookies: Vec<Pair>,
    body: Option<Box<ExpectedBody>>,
    /// The media type, where there is no body.
    media_type: Option<String>,
    pub(super) conditions: Conditions,
}

impl Expected {
    /// Compiles a scenario; `body` is what its request body stands for, `rules` are the stub's conditions.
    pub(super) fn new(
        stub: &Stub,
        scenario: &Scenario,
        at: ScenarioRef,
        body: Option<Bytes>,
        rules: &[Arc<Condition>],
    ) -> Self {
        let request = &scenario.request;
        let conditions = conditions_of(stub, scenario, body.as_ref(), rules);
        let (fields, cookies) = fields(stub, scenario);
        let spec_and_bytes = request.body.as_ref().zip(body);
        Expected {
            at,
            priority: stub.priority_of(scenario),
            default: scenario.default,
            disabled: scenario.disabled,
            may_end: scenario.end.is_some_and(EndPolicy::ends),
            status: scenario.steps().first().map_or(0, |step| step.status),
            gated: scenario.state.as_ref().is_some_and(|state| state.requires.is_some()),
            captures: captures(stub, scenario),
            query: query(stub, scenario),
            fields,
            cookies,
            conditions,
            media_type: request.media_type.clone().filter(|_| request.body.is_none()),
            body: spec_and_bytes
                .and_then(|(spec, bytes)| ExpectedBody::new(spec, request.media_type.as_deref(), bytes))
                .map(Box::new),
        }
    }

    /// The hash by which a look-up finds it, and how the call's body is read for it; none if it must always be looked at.
    pub(super) fn key(&self, lookup: &Lookup) -> Option<(u64, Option<Kind>)> {
        if !self.conditions.is_empty() {
            return None;
        }
        let captures = self.captures.iter().map(|capture| capture.value.as_str());
        match &self.body {
            Some(body) if lookup.keyed.body => {
                let (key, kind) = body.key(|body| lookup.key(captures, &self.query, &body, true))?;
                Some((key, Some(kind)))
            }
            _ => Some((lookup.key(captures, &self.query, &BodyKey::None, true)?, None)),
        }
    }

    /// The request body, if there is a byte in it.
    pub(super) fn body(&self) -> Option<&Bytes> {
        self.body.as_deref().map(ExpectedBody::bytes)
    }

    /// Bytes of the request body.
    pub(super) fn body_size(&self) -> usize {
        self.body.as_ref().map_or(0, |body| body.size())
    }

    /// Compares it with a call whose origin, method and path the stub has let through.
    pub(super) fn evaluate(&self, stub: &CompiledStub, received: &Received<'_>) -> Evaluation {
        let steering = &received.call().steering;
        let mut captures = PartResult::default();
        self.compare_captures(stub, received, &mut captures);
        self.judge(Part::Captures, stub, received, &mut captures);
        let query = self.compare_query(stub, received);
        let mut body = self.compare_body(steering.body.unwrap_or(stub.parts.body), stub, received);
        if steering.body == Some(true) {
            body.demand();
        }
        let mut fields = PartResult::default();
        match &steering.fields {
            Some(names) => fields = self.compare_named(names, received),
            None if stub.parts.fields => self.compare_fields(stub, received, &mut fields),
            None => {}
        }
        if steering.fields.is_none() {
            self.judge(Part::Fields, stub, received, &mut fields);
        }
        Evaluation::new(captures, query, body, fields)
    }

    /// Compares it with a call as the profile `postman` does, whatever the path.
    pub(super) fn evaluate_by_points(
        &self,
        stub: &CompiledStub,
        received: &Received<'_>,
        manifest: &Manifest,
    ) -> Evaluation {
        let (settings, steering) = (&manifest.settings.postman, &received.call().steering);
        let rung = {
            let segments: Vec<&str> = path::segments(received.path()).collect();
            let pieces = self.pieces(stub, manifest, &segments);
            ladder::rung(&pieces, received.path(), settings.distance.into())
        };
        let mut query = PartResult::default();
        if settings.match_query {
            query = self.compare_query(stub, received);
        } else {
            self.judge(Part::Query, stub, received, &mut query);
        }
        let counts = stub.parts.body || steering.body == Some(true);
        let mut body = self.compare_body(counts, stub, received);
        let points = Points {
            rung,
            query: if settings.match_query && stub.parts.query { Points::of_query(query.tally) } else { 0.0 },
            body: if counts && body.tally.is_exact() { 5.0 } else { 0.0 },
        };
        if steering.body.unwrap_or(settings.match_body) {
            body.demand();
        } else {
            body = PartResult::default();
            if steering.body != Some(false) {
                self.judge(Part::Body, stub, received, &mut body);
            }
        }
        let named = steering.fields.as_ref().unwrap_or(&settings.match_headers);
        let mut fields = self.compare_named(named, received);
        if steering.fields.is_none() {
            self.judge(Part::Fields, stub, received, &mut fields);
        }
        let mut captures = PartResult::default();
        if rung.is_some() {
            self.judge(Part::Captures, stub, received, &mut captures);
        }
        Evaluation { captures, ..Evaluation::by_points(points, query, body, fields) }
    }

    /// The path of the stub with the scenario's values and the collection's variables in it. A segment that a rule or
    /// placeholder lets through is the call's own.
    fn pieces<'a>(&'a self, stub: &'a CompiledStub, manifest: &'a Manifest, call: &[&'a str]) -> Vec<Piece<'a>> {
        let wildcards = manifest.settings.postman.match_wildcards;
        let piece = |(at, pattern): (usize, &'a SegmentPattern)| {
            let got = call.get(at).copied().filter(|segment| !segment.is_empty());
            let named = self.captures.iter().find(|capture| capture.segment == at);
            match (pattern, pattern.capture(), named) {
                (SegmentPattern::Literal(_), ..) => {
                    Piece::Text(got.filter(|got| paths::segment_fits(pattern, got)).unwrap_or(stub.literal(at)))
                }
                (_, Some(name), Some(capture)) => match self.lens(stub).capture(name) {
                    Some(rule) if rule.ignores() || rule.takes_any() => Piece::Wild(pattern),
                    rule => {
                        let fits = |got: &&str| {
                            placeholder::stands_for(&capture.value, got)
                                || rule.is_some_and(|rule| rule.accepts(&capture.value, got))
                        };
                        Piece::Text(got.filter(fits).unwrap_or(&capture.value))
                    }
                },
                (_, Some(name), None) => match manifest.variables.get(name).and_then(Value::as_str) {
                    Some(value) => Piece::Text(value),
                    None => Piece::Wild(pattern),
                },
                _ => Piece::Wild(pattern),
            }
        };
        let unwild = |piece| match piece {
            // Nothing is written so in a path: braces and asterisks are escaped there.
            Piece::Wild(_) if !wildcards => Piece::Text("*"),
            piece => piece,
        };
        stub.segments.iter().enumerate().map(piece).map(unwild).collect()
    }

    fn compare_query(&self, stub: &CompiledStub, received: &Received<'_>) -> PartResult {
        let mut query = PartResult::default();
        if stub.parts.query && !(self.query.is_empty() && received.call().query.is_none()) {
            pairs::compare(&self.query, received.query(), |name| self.lens(stub).query(name), &mut query);
        }
        self.judge(Part::Query, stub, received, &mut query);
        query
    }

    /// The body, if it counts; what matchers look at, unless the call says that the body does not.
    fn compare_body(&self, counts: bool, stub: &CompiledStub, received: &Received<'_>) -> PartResult {
        let mut body = PartResult::default();
        let only_looked_into = self.body.is_none() && self.conditions.look_at_body();
        if only_looked_into
            && counts
            && let Some(media_type) = &self.media_type
            && !body::same_media_type(media_type, received.content_type())
        {
            let theirs = received.content_type().unwrap_or("no Content-Type");
            body.add(Verdict::Different, body::MEDIA_TYPE, Some(media_type), Some(theirs));
        } else if counts && !only_looked_into && !self.conditions.take_body() {
            body::compare(self.body.as_deref(), received, self.lens(stub), &mut body);
        }
        if received.call().steering.body != Some(false) {
            self.judge(Part::Body, stub, received, &mut body);
        }
        body
    }

    fn lens<'a>(&'a self, stub: &'a CompiledStub) -> Lens<'a> {
        Lens { rules: &stub.rules, conditions: &self.conditions }
    }

    /// What matchers say of a part.
    fn judge(&self, part: Part, stub: &CompiledStub, received: &Received<'_>, result: &mut PartResult) {
        if !self.conditions.is_empty() {
            self.conditions.judge(part, &stub.segments, received, result);
        }
    }

    /// The fields of these names, each of which must be the same whatever its case, or be on neither side.
    fn compare_named(&self, names: &[String], received: &Received<'_>) -> PartResult {
        let mut result = PartResult::default();
        for name in names {
            let own = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            let got = combined(received.call().fields.all(name));
            match (own.map(|(_, value)| value.as_str()), got.as_deref()) {
                (None, None) => {}
                (Some(own), Some(got))
                    if own.to_lowercase() == got.to_lowercase() || placeholder::stands_for_field(name, own, got) =>
                {
                    result.same(1);
                }
                (own, got) => result.add(Verdict::Different, name, own, got),
            }
        }
        result.demand();
        result
    }

    /// Cookies by name; what the call has beside those that are listed does not count.
    fn compare_cookies(&self, lens: Lens<'_>, received: &Received<'_>) -> PartResult {
        let mut result = PartResult::default();
        let listed = |pair: &&Pair| self.cookies.iter().any(|own| own.name == pair.name);
        let got: Vec<Pair> = received.cookies().iter().filter(listed).cloned().collect();
        pairs::compare(&self.cookies, &got, |name| lens.cookie(name), &mut result);
        for item in &mut result.items {
            item.name.insert_str(0, "Cookie ");
        }
        result
    }

    fn compare_captures(&self, stub: &CompiledStub, received: &Received<'_>, result: &mut PartResult) {
        for capture in &self.captures {
            let got = path::segments(received.path()).nth(capture.segment).unwrap_or_default();
            let same = capture.value == got || placeholder::stands_for(&capture.value, got);
            match self.lens(stub).capture(&capture.name) {
                Some(rule) if rule.ignores() => {}
                Some(_) if same => result.same(1),
                Some(rule) if rule.accepts(&capture.value, got) => {
                    result.taken(rule, &capture.name, &capture.value, got);
                }
                None if same => result.same(1),
                _ => result.add(Verdict::Different, &capture.name, Some(&capture.value), Some(got)),
            }
        }
    }

    fn compare_fields(&self, stub: &CompiledStub, received: &Received<'_>, result: &mut PartResult) {
        let lens = self.lens(stub);
        for (name, expected) in &self.fields {
            let rule = lens.field(name);
            if rule.is_none() && name.eq_ignore_ascii_case("cookie") {
                result.absorb(self.compare_cookies(lens, received));
                continue;
            }
            if rule.is_some_and(Compiled::ignores) {
                continue;
            }
            let takes = |got: &str| rule.filter(|rule| rule.takes_any() || rule.accepts(expected, got));
            let needed = rule.is_some_and(Compiled::needs_one) || placeholder::is_placeholder(expected);
            match combined(received.call().fields.all(name)) {
                Some(got) if *expected == got || placeholder::stands_for_field(name, expected, &got) => result.same(1),
                Some(got) => match takes(&got) {
                    Some(rule) => result.taken(rule, name, expected, &got),
                    None => result.add(Verdict::Different, name, Some(expected), Some(&got)),
                },
                None if needed => {
                    result.add(Verdict::Different, name, Some(expected), None);
                }
                None => result.add(Verdict::Missing, name, Some(expected), None),
            }
        }
    }
}

/// The conditions of a scenario, with what was recorded in their places.
fn conditions_of(stub: &Stub, scenario: &Scenario, body: Option<&Bytes>, rules: &[Arc<Condition>]) -> Conditions {
    let request = &scenario.request;
    if request.matchers.is_empty() && rules.is_empty() {
        return Conditions::default();
    }
    let target = stub.example_target(scenario);
    let (path, query) = path::split_target(&target);
    let (path, query) = (path.to_owned(), query.map(str::to_owned));
    let mut fields: Fields = stub.fields_of(scenario).into_iter().map(|line| line.0.clone()).collect();
    if let Some(media_type) = request.media_type.as_deref().filter(|_| !fields.has("content-type")) {
        fields.push("Content-Type", media_type);
    }
    let body = body.cloned().unwrap_or_default();
    let call = Call { path, query, fields, body, ..Call::default() };
    Conditions::new(&request.matchers, rules, &stub.path, &Received::new(&call))
}

fn captures(stub: &Stub, scenario: &Scenario) -> Vec<Capture> {
    let segments = stub.path.segments().iter().enumerate();
    let named = segments.filter_map(|(segment, pattern)| Some((segment, pattern.capture()?)));
    named
        .filter_map(|(segment, name)| {
            let value = scenario.request.captures.get(name)?;
            Some(Capture { segment, name: name.to_owned(), value: paths::segment_key(value).into_owned() })
        })
        .collect()
}

/// The scenario's pairs, and those of the stub's whose names it does not have itself; sorted.
fn query(stub: &Stub, scenario: &Scenario) -> Vec<Pair> {
    let decoded = |pair: &crate::collection::QueryPair| pairs::pair(pair.0.as_bytes());
    let mut own: Vec<Pair> = scenario.request.query.iter().filter_map(decoded).collect();
    let inherited: Vec<Pair> = stub.defaults.query.iter().filter_map(decoded).collect();
    let names: Vec<String> = own.iter().map(|pair| pair.name.clone()).collect();
    own.extend(inherited.into_iter().filter(|pair| !names.contains(&pair.name)));
    own.sort_unstable();
    own
}

/// The listed fields by name, lines of one name combined; the scenario's replace the stub's of the same name. And the
/// cookies among them.
fn fields(stub: &Stub, scenario: &Scenario) -> (Vec<(String, String)>, Vec<Pair>) {
    let mut names: Vec<&str> = Vec::new();
    let own = &scenario.request.fields;
    for line in own.iter().chain(&stub.defaults.fields) {
        if !names.iter().any(|name| line.0.is(name)) {
            names.push(&line.0.name);
        }
    }
    let value = |name: &str| {
        let lines = |of: &[crate::collection::FieldLine]| {
            combined(of.iter().filter(|line| line.0.is(name)).map(|line| line.0.value.as_slice()))
        };
        lines(own).or_else(|| lines(&stub.defaults.fields)).unwrap_or_default()
    };
    let fields: Vec<_> = names.into_iter().map(|name| (name.to_owned(), value(name))).collect();
    let listed: Vec<&crate::collection::FieldLine> =
        stub.fields_of(scenario).into_iter().filter(|line| line.0.is("cookie")).collect();
    let mut cookies: Vec<Pair> = listed.iter().flat_map(|line| pairs::cookies(&line.0.value)).collect();
    cookies.sort_unstable();
    (fields, cookies)
}
