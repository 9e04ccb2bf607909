//! Which requests of a collection are sent, where to, and why the others are not.

use std::str::FromStr;

use bytes::Bytes;

use super::VerifyPlan;
use crate::collection::{
    Fault, OriginPattern, Place as RulePlace, PlacedMatcher, Rule, RuleAction, RuleSide, START, Scenario,
    SegmentPattern, Stub,
};
use crate::model::fields::is_hop_by_hop;
use crate::model::origin::split_scheme;
use crate::model::{Authority, Field, Fields, Origin, path};
use crate::report::drift::Left;
use crate::report::repeat::{Labels, Place, VARIABLE};

/// Methods that ask and change nothing (RFC 9110 section 9.2.1, and QUERY).
const SAFE: [&str; 4] = ["GET", "HEAD", "OPTIONS", "QUERY"];

/// Where the requests of an origin go instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Against {
    /// Of this origin; of every one where it is absent.
    pub of: Option<OriginPattern>,
    /// To this one.
    pub to: Origin,
    /// Below this path, without a slash at its end.
    pub prefix: String,
}

/// A text that names no place to send requests to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no base URL such as https://staging.example.com/v1, nor ORIGIN=URL")]
pub struct BadAgainst(String);

impl FromStr for Against {
    type Err = BadAgainst;

    fn from_str(text: &str) -> Result<Self, BadAgainst> {
        let bad = || BadAgainst(text.to_owned());
        let (of, url) = match text.split_once('=') {
            Some((origin, url)) => (Some(origin.parse().map_err(|_| bad())?), url),
            None => (None, text),
        };
        let (scheme, rest) = split_scheme(url).ok_or_else(bad)?;
        let (host, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let prefix = prefix.trim_end_matches('/');
        if prefix.contains(['?', '#']) || prefix.parse::<http::uri::PathAndQuery>().is_err() && !prefix.is_empty() {
            return Err(bad());
        }
        let authority = Authority::parse(host, scheme.default_port()).map_err(|_| bad())?;
        Ok(Against { of, to: Origin::new(scheme, authority), prefix: prefix.to_owned() })
    }
}

/// A request, ready to be sent.
#[derive(Debug)]
pub(super) struct Request {
    /// The stub, by position.
    pub(super) stub: usize,
    /// The scenario in it.
    pub(super) scenario: usize,
    pub(super) method: http::Method,
    /// What is called.
    pub(super) origin: Origin,
    /// What was recorded from.
    pub(super) recorded_origin: OriginPattern,
    pub(super) prefix: String,
    pub(super) uri: http::Uri,
    pub(super) fields: Fields,
    pub(super) body: Bytes,
}

/// The requests to send, in the order of the files, and those that are not sent.
pub(super) struct Plan {
    pub(super) requests: Vec<Request>,
    pub(super) not_sent: Vec<Left>,
}

impl Plan {
    pub(super) fn of(verify: &VerifyPlan) -> Plan {
        let loaded = &verify.loaded;
        let mut planner = Planner { verify, labels: Labels::default() };
        let mut plan = Plan { requests: Vec::new(), not_sent: Vec::new() };
        let several = loaded.collection.manifest.origins.len() > 1;
        for (stub_at, file) in loaded.collection.stubs.iter().enumerate() {
            for (at, scenario) in file.stub.scenarios.iter().enumerate() {
                match planner.request(&file.stub, scenario) {
                    Ok(request) => plan.requests.push(Request { stub: stub_at, scenario: at, ..request }),
                    Err(reason) => plan.not_sent.push(Left { scenario: file.stub.label(scenario, several), reason }),
                }
            }
        }
        plan
    }
}

struct Planner<'a> {
    verify: &'a VerifyPlan,
    /// One for the whole collection: a masked value has one name wherever it stands.
    labels: Labels,
}

impl Planner<'_> {
    fn request(&mut self, stub: &Stub, scenario: &Scenario) -> Result<Request, String> {
        self.is_to_be_sent(stub, scenario)?;
        let (origin, prefix) = self.place(stub)?;
        let target = stub.example_target(scenario);
        let (path, query) = path::split_target(&target);
        let mut missing = Vec::new();
        let mut target = self.restored(Place::Path, path.as_bytes(), &mut missing);
        if let Some(query) = query {
            target.push(b'?');
            target.extend(self.restored(Place::Query, query.as_bytes(), &mut missing));
        }
        let unauthorized = scenario.steps().first().is_some_and(|step| step.status == 401);
        let fields = self.fields(stub, scenario, unauthorized, &mut missing);
        let body = match &scenario.request.body {
            None => Bytes::new(),
            Some(spec) if spec.truncated => return Err("the recording of its body broke off".to_owned()),
            Some(spec) => {
                let bytes =
                    self.verify.loaded.body(spec).map_err(|error| format!("its body cannot be read: {error}"))?;
                self.restored(Place::Body, &bytes, &mut missing).into()
            }
        };
        if !missing.is_empty() {
            missing.sort();
            missing.dedup();
            let names: Vec<String> = missing.iter().map(|label| format!("{VARIABLE}{label}")).collect();
            return Err(format!("a value in it was masked: set {}", names.join(", ")));
        }
        let url = [format!("{origin}{prefix}").as_bytes(), &target].concat();
        let uri = http::Uri::try_from(url).map_err(|error| format!("its URL cannot be sent: {error}"))?;
        let method =
            http::Method::from_bytes(stub.method.as_bytes()).map_err(|_| format!("`{}` is no method", stub.method))?;
        let recorded_origin = stub.origin.clone();
        Ok(Request { stub: 0, scenario: 0, method, origin, recorded_origin, prefix, uri, fields, body })
    }

    fn is_to_be_sent(&self, stub: &Stub, scenario: &Scenario) -> Result<(), String> {
        if scenario.disabled {
            return Err("it is disabled".to_owned());
        }
        if !self.verify.with_unsafe && !SAFE.contains(&stub.method.as_str()) {
            return Err(format!("{} may change something: `--unsafe` sends it", stub.method));
        }
        if let Some(state) = scenario.state.as_ref().and_then(|state| state.requires.as_deref())
            && state != START
        {
            return Err(format!("it needs the state `{state}`, which the API may not be in"));
        }
        if scenario.steps().is_empty() {
            return Err("it has no answer".to_owned());
        }
        let fails = |fault: &Option<Fault>| fault.as_ref().is_some_and(Fault::is_constant);
        if fails(&stub.fault) || scenario.steps().iter().all(|step| fails(&step.fault)) {
            return Err("its answers are made to fail".to_owned());
        }
        if let Some(matcher) = scenario.request.matchers.iter().find(|matcher| !has_example(stub, scenario, matcher)) {
            let place = format!("{} {}", matcher.place.as_str(), matcher.name);
            return Err(format!("a matcher asks for `{}`, and no value was recorded", place.trim_end()));
        }
        if let Some(name) = self.made_elsewhere(stub, scenario) {
            return Err(format!("its `{name}` is made by another call, and is another one each time"));
        }
        for segment in stub.path.segments() {
            match segment {
                SegmentPattern::Literal(_) => {}
                other if other.capture().is_some_and(|name| scenario.request.captures.contains_key(name)) => {}
                other => return Err(format!("`{other}` in its path may be anything, and no value was recorded")),
            }
        }
        Ok(())
    }

    /// The part of the path for which a rule takes fresh values: the recorded one was made for the recording.
    fn made_elsewhere<'s>(&self, stub: &'s Stub, scenario: &Scenario) -> Option<&'s str> {
        let rules = || stub.rules.iter().chain(&self.verify.loaded.collection.manifest.rules).filter(|rule| !rule.off);
        stub.path.captures().find(|name| {
            let of_name =
                |rule: &&Rule| rule.side == RuleSide::Request && rule.place == RulePlace::Path && rule.name == *name;
            // The first rule about a place decides.
            let rule = rules().find(of_name).filter(|rule| rule.action == RuleAction::Fresh);
            let value = scenario.request.captures.get(name);
            rule.is_some_and(|rule| value.is_some_and(|value| !rule.except.iter().any(|except| except == value)))
        })
    }

    /// The origin that is called, and the path below which it is.
    fn place(&self, stub: &Stub) -> Result<(Origin, String), String> {
        let meant = self.verify.against.iter().find(|against| against.of.as_ref() == Some(&stub.origin));
        if let Some(against) = meant.or_else(|| self.verify.against.iter().find(|against| against.of.is_none())) {
            return Ok((against.to.clone(), against.prefix.clone()));
        }
        let origin = stub.origin.as_origin();
        let origin = origin.ok_or_else(|| format!("{} has no port: name the API with `--against`", stub.origin))?;
        Ok((origin, String::new()))
    }

    fn fields(&mut self, stub: &Stub, scenario: &Scenario, unauthorized: bool, missing: &mut Vec<String>) -> Fields {
        let given: Vec<&Field> =
            self.verify.fields.iter().filter(|field| VerifyPlan::is_given(field, unauthorized)).collect();
        let mut fields = Fields::new();
        for line in stub.fields_of(scenario) {
            let field = &line.0;
            let is_own = is_hop_by_hop(&field.name) || field.is("host") || field.is("content-length");
            if is_own {
                continue;
            }
            if given.iter().any(|given| given.is(&field.name)) {
                // What is replaced needs no secret; its label is counted, so that others keep theirs.
                self.restored(Place::Field(&field.name), &field.value, &mut Vec::new());
            } else {
                fields.push(&field.name, self.restored(Place::Field(&field.name), &field.value, missing));
            }
        }
        if let Some(media_type) = &scenario.request.media_type
            && !fields.has("content-type")
        {
            fields.push("content-type", media_type.as_bytes());
        }
        fields.retain(|field| !given.iter().any(|given| given.is(&field.name)));
        given.iter().for_each(|field| fields.push(&field.name, field.value.as_slice()));
        for (name, value) in
            [("accept", "*/*"), ("user-agent", concat!("retake/", env!("CARGO_PKG_VERSION"), " (verify)"))]
        {
            if !fields.has(name) {
                fields.push(name, value);
            }
        }
        fields
    }

    fn restored(&mut self, place: Place<'_>, text: &[u8], missing: &mut Vec<String>) -> Vec<u8> {
        let value = |label: &str| {
            let known = self.verify.mask.secrets.iter().find(|secret| secret.label.eq_ignore_ascii_case(label));
            known.map(|secret| secret.value.clone())
        };
        self.labels.restored(place, text, value).unwrap_or_else(|labels| {
            missing.extend(labels);
            Vec::new()
        })
    }
}

/// Whether a scenario has a value where a matcher of its looks.
fn has_example(stub: &Stub, scenario: &Scenario, matcher: &PlacedMatcher) -> bool {
    match matcher.place {
        // What its path has is looked at by itself.
        RulePlace::Path => true,
        RulePlace::Query => stub.query_of(scenario).iter().any(|pair| pair.decoded().0 == matcher.name),
        RulePlace::Field => stub.fields_of(scenario).iter().any(|line| line.0.is(&matcher.name)),
        RulePlace::Cookie => stub.fields_of(scenario).iter().any(|line| line.0.is("cookie")),
        RulePlace::Json | RulePlace::Form | RulePlace::Xml | RulePlace::Body => scenario.request.body.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_send_to() {
        let read = |text: &str| text.parse::<Against>();
        let plain = read("https://staging.test:8443/v1/").unwrap();
        assert_eq!((plain.to.to_string().as_str(), plain.prefix.as_str()), ("https://staging.test:8443", "/v1"));
        assert!(plain.of.is_none());
        let one = read("https://a.test=http://localhost:1").unwrap();
        assert_eq!(one.of.unwrap().to_string(), "https://a.test");
        for text in ["", "staging.test", "https://", "x=https://a.test", "https://a.test/?x", "ftp://a"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
