//! The parts of a file one by one, and what is wrong with each.

use base64::Engine;

use super::super::body::{BodySpec, JsonStyle};
use super::super::locate::Place;
use super::super::manifest::{AccessKey, ServerStub};
use super::super::matcher;
use super::super::rule::{self, Rule, RuleAction, RuleSide};
use super::super::state::StateSpec;
use super::super::stub::{ResponseSpec, Scenario, Stub};
use super::super::template::Template;
use super::super::{FORMAT_VERSION, Fault, shape};
use super::{Problem, STANDARD_METHODS, newer_version, path_fault, responses, templates};

#[derive(Default)]
pub(super) struct Faults {
    pub(super) found: Vec<Problem>,
}

impl Faults {
    pub(super) fn add(&mut self, place: &Place, message: impl Into<String>) {
        self.found.push(Problem { place: place.clone(), message: message.into() });
    }

    /// Whether the version is ours; if not, nothing else is worth telling.
    pub(super) fn version(&mut self, version: u32) -> bool {
        match version {
            FORMAT_VERSION => return true,
            newer if newer > FORMAT_VERSION => self.found.push(newer_version(newer.into())),
            other => {
                self.add(&Place::top().key("version"), format!("`version` is {other}; expected {FORMAT_VERSION}"));
            }
        }
        false
    }

    pub(super) fn method(&mut self, method: &str) {
        let place = Place::top().key("method");
        if http::Method::from_bytes(method.as_bytes()).is_err() {
            self.add(&place, format!("`{method}` is no method (RFC 9110 section 5.6.2: a token)"));
        } else if STANDARD_METHODS.iter().any(|known| *known != method && known.eq_ignore_ascii_case(method)) {
            let upper = method.to_ascii_uppercase();
            self.add(
                &place,
                format!("`{method}` is no method that clients send: methods have a case; write `{upper}`"),
            );
        } else if method == "CONNECT" {
            self.add(&place, "CONNECT opens tunnels and cannot be mocked");
        }
    }

    pub(super) fn rules(&mut self, rules: &[Rule], place: &Place) {
        for (at, rule) in rules.iter().enumerate() {
            let place = place.index(at);
            let name = place.key("name");
            match rule.place {
                _ if rule.action == RuleAction::Match => {
                    if let Some(message) = matcher::name_fault(rule.place, &rule.name) {
                        self.add(&name, message);
                    }
                }
                rule::Place::Body => {
                    let message =
                        "a rule about the whole body needs `\"action\": \"match\"`: switch the body off with `match`";
                    self.add(&place.key("place"), message);
                }
                rule::Place::Xml => {
                    if let Some(message) = matcher::name_fault(rule.place, &rule.name) {
                        self.add(&name, message);
                    }
                }
                rule::Place::Json if !rule.name.is_empty() && !rule.name.starts_with('/') => {
                    let message = format!("`{}` is no JSON pointer (RFC 6901): write `/{}`", rule.name, rule.name);
                    self.add(&name, message);
                }
                rule::Place::Json => {}
                _ if rule.name.is_empty() => self.add(&name, format!("`{name}` is empty")),
                _ => {}
            }
            self.rule_members(rule, &place);
            self.rule_matcher(rule, &place);
        }
    }

    /// What members of a rule say that its action cannot do.
    pub(super) fn rule_members(&mut self, rule: &Rule, place: &Place) {
        let response = rule.side == RuleSide::Response;
        let (action, shape) = (place.key("action"), place.key("shape"));
        match rule.action {
            RuleAction::Echo if !response => self.add(&action, "`echo` is for answers: add `\"in\": \"response\"`"),
            RuleAction::Echo if rule.from.is_none() => {
                self.add(&action, "`echo` needs `from`: where in the request the value comes from, such as `path id`");
            }
            _ => {}
        }
        if response && !matches!(rule.place, rule::Place::Json | rule::Place::Field) {
            self.add(&place.key("place"), "an answer has no such part: a rule about one looks at `json` or `field`");
        }
        if rule.shape.is_some() && !matches!(rule.action, RuleAction::Any | RuleAction::Fresh) {
            self.add(&shape, "`shape` goes with `any` or `fresh`");
        }
        if !rule.except.is_empty() && rule.action != RuleAction::Fresh {
            self.add(&place.key("except"), "`except` goes with `fresh`");
        }
        if rule.from.is_some() && rule.action != RuleAction::Echo {
            self.add(&place.key("from"), "`from` goes with `echo`");
        }
    }

    pub(super) fn rule_matcher(&mut self, rule: &Rule, place: &Place) {
        match (rule.action, &rule.is) {
            (RuleAction::Match, None) => self.add(place, "`match` needs `is`: what the value must be like"),
            (RuleAction::Match, Some(_)) if rule.side == RuleSide::Response => {
                self.add(&place.key("action"), "`match` is for requests: take `any` with a `shape` for answers");
            }
            (RuleAction::Match, Some(matcher)) => {
                for (way, message) in matcher.faults(rule.place) {
                    self.add(&way.iter().fold(place.key("is"), |place, key| place.key(key)), message);
                }
            }
            (_, Some(_)) => self.add(&place.key("is"), "`is` goes with `match`"),
            (_, None) => {}
        }
    }

    /// What is wrong with the matchers of a scenario.
    pub(super) fn matchers(&mut self, scenario: &Scenario, stub: &Stub, place: &Place) {
        for (at, matcher) in scenario.request.matchers.iter().enumerate() {
            let place = place.key("matchers").index(at);
            for (way, message) in matcher.faults() {
                self.add(&way.iter().fold(place.clone(), |place, key| place.key(key)), message);
            }
            if matcher.place == rule::Place::Path && !stub.path.captures().any(|known| known == matcher.name) {
                let meant = shape::did_you_mean(&matcher.name, stub.path.captures());
                let message = format!("`{}` is no capture of the path {}{meant}", matcher.name, stub.path);
                self.add(&place.key("name"), message);
            }
        }
    }

    pub(super) fn keys(&mut self, keys: &[AccessKey]) {
        let list = Place::top().key("settings").key("keys");
        for (at, key) in keys.iter().enumerate() {
            let place = list.index(at);
            if keys[..at].iter().any(|earlier| earlier.name == key.name) {
                self.add(&place.key("name"), format!("the key `{}` stands twice", key.name));
            }
            if key.blake3.len() != 64 || !key.blake3.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                let place = place.key("blake3");
                self.add(&place, format!("`{place}` is no BLAKE3 hash in hex: `retake mock key create` makes one"));
            }
        }
    }

    pub(super) fn server_stubs(&mut self, stubs: &[ServerStub]) {
        let list = Place::top().key("server_stubs");
        let mut active: Option<&str> = None;
        for (at, stub) in stubs.iter().enumerate() {
            let place = list.index(at);
            if !(500..=599).contains(&stub.status) {
                let message = format!("`{}` is {}; a server stub has 500 to 599", place.key("status"), stub.status);
                self.add(&place.key("status"), message);
            }
            if stubs[..at].iter().any(|earlier| earlier.name == stub.name) {
                self.add(&place.key("name"), format!("the server stub `{}` stands twice", stub.name));
            }
            if stub.active
                && let Some(first) = active.replace(&stub.name)
            {
                let message = format!("`{}` is active beside `{first}`: at most one server stub is", stub.name);
                self.add(&place.key("active"), message);
            }
            self.body(&stub.body, &place);
        }
    }

    pub(super) fn scenario(&mut self, scenario: &Scenario, stub: &Stub, place: &Place) {
        if scenario.name.trim().is_empty() || scenario.name.chars().any(char::is_control) {
            self.add(&place.key("name"), format!("`{}` is empty or has control characters", place.key("name")));
        }
        for capture in scenario.request.captures.keys() {
            if !stub.path.captures().any(|known| known == capture) {
                let meant = shape::did_you_mean(capture, stub.path.captures());
                let message = format!("`{capture}` is no capture of the path {}{meant}", stub.path);
                self.add(&place.key("request").key("captures").key(capture), message);
            }
        }
        if let Some(state) = &scenario.state {
            self.state(state, &place.key("state"));
        }
        self.body(&scenario.request.body, &place.key("request"));
        self.matchers(scenario, stub, &place.key("request"));
        self.answers(scenario, place);
    }

    pub(super) fn state(&mut self, state: &StateSpec, place: &Place) {
        if state.requires.is_none() && state.next.is_none() {
            self.add(place, format!("`{place}` needs `requires`, `next`, or both"));
        }
        for (key, name) in [("of", &state.of), ("requires", &state.requires), ("next", &state.next)] {
            let bad = |name: &String| name.trim().is_empty() || name.chars().any(char::is_control);
            if name.as_ref().is_some_and(bad) {
                let place = place.key(key);
                self.add(&place, format!("`{place}` is empty or has control characters"));
            }
        }
    }

    pub(super) fn answers(&mut self, scenario: &Scenario, place: &Place) {
        match (&scenario.response, scenario.responses.is_empty()) {
            (Some(_), false) => {
                self.add(&place.key("responses"), format!("`{place}` has both `response` and `responses`: keep one"));
            }
            (None, true) => {
                self.add(place, format!("`{place}` has no answer: write `response`, or `responses` for a sequence"))
            }
            _ => {}
        }
        if scenario.response.is_some() && scenario.end.is_some() {
            self.add(
                &place.key("end"),
                format!("`{}` is for `responses`: a single `response` has no end", place.key("end")),
            );
        }
        for (place, response) in responses(scenario, place) {
            self.response(response, scenario, &place);
        }
    }

    pub(super) fn response(&mut self, response: &ResponseSpec, scenario: &Scenario, place: &Place) {
        if !(200..=599).contains(&response.status) {
            let message = format!("`{}` is {}; expected 200 to 599", place.key("status"), response.status);
            self.add(&place.key("status"), message);
        }
        if response.times.is_some() && scenario.responses.is_empty() {
            let message = format!(
                "`{}` is for the steps of `responses`: a single `response` answers every call",
                place.key("times")
            );
            self.add(&place.key("times"), message);
        }
        if response
            .reason
            .as_deref()
            .is_some_and(|reason| reason.chars().any(|character| character.is_control() && character != '\t'))
        {
            self.add(&place.key("reason"), format!("`{}` has control characters", place.key("reason")));
        }
        self.body(&response.body, place);
        self.fault(response.fault.as_ref(), &place.key("fault"));
        if response.template {
            self.template(response, place);
        }
    }

    pub(super) fn fault(&mut self, fault: Option<&Fault>, place: &Place) {
        for (key, message) in fault.map(Fault::problems).unwrap_or_default() {
            self.add(&place.key(key), message);
        }
    }

    pub(super) fn template(&mut self, response: &ResponseSpec, place: &Place) {
        let body = response.body.as_ref();
        if body.is_some_and(|body| body.base64.is_some() || body.coded.is_some()) {
            let message = "a template is text: write the body as `json`, `text` or a `file`, without `coded`";
            self.add(&place.key("template"), message);
        }
        for (place, text) in templates(response, place) {
            if let Err(error) = Template::read(&text) {
                self.add(&place, error.to_string());
            }
        }
    }

    pub(super) fn body(&mut self, body: &Option<BodySpec>, place: &Place) {
        let Some(body) = body else { return };
        let place = place.key("body");
        let forms = [body.json.is_some(), body.text.is_some(), body.base64.is_some(), body.file.is_some()];
        if forms.iter().filter(|form| **form).count() != 1 {
            self.add(&place, format!("`{place}` needs exactly one of `json`, `text`, `base64` and `file`"));
        }
        if body.json.is_none() && body.style != JsonStyle::default() {
            self.add(&place.key("style"), format!("`{}` is for `json`", place.key("style")));
        }
        if body.style.indent > 8 {
            let message = format!("`{}` is {}; expected 0 to 8", place.key("style").key("indent"), body.style.indent);
            self.add(&place.key("style").key("indent"), message);
        }
        if body.json.is_some() && body.coded.is_some() {
            self.add(
                &place.key("coded"),
                format!("`{}` cannot go with `json`: coded content is bytes", place.key("coded")),
            );
        }
        if let Some(coded) = &body.base64
            && let Err(error) = base64::engine::general_purpose::STANDARD.decode(coded)
        {
            self.add(&place.key("base64"), format!("`{}` is no base64: {error}", place.key("base64")));
        }
        if let Some(file) = &body.file
            && let Some(fault) = path_fault(file)
        {
            self.add(&place.key("file"), format!("the path `{file}` {fault}"));
        }
    }
}
