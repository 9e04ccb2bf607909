//! What the types of a collection's files cannot say: the checks of a stub, a manifest, and of the two together.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use base64::Engine;
use serde_json::Value;

use super::body::{BodySpec, JsonStyle};
use super::locate::Place;
use super::manifest::{AccessKey, Manifest, OriginPattern, ServerStub};
use super::matcher;
use super::rule::{self, Rule, RuleAction, RuleSide};
use super::state::{START, StateSpec};
use super::stub::{ResponseSpec, Scenario, Stub};
use super::template::{self, Template, What};
use super::{Change, Collection, FORMAT_VERSION, Fault, Pending, StubFile, schema, shape};

/// One fault of a file, with its place in the JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong, what was expected, and a "did you mean" where one is near.
    pub message: String,
}

/// Which of the two kinds of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// `collection.json`
    Manifest,
    /// A stub file.
    Stub,
    /// A change that waits.
    Pending,
}

/// Every fault in the shape of a file that serde refuses: wrong types, unknown keys, missing members. Empty if only
/// serde sees one, such as a key that stands twice. A newer version of the format is the only fault told.
pub fn shape(kind: FileKind, value: &Value) -> Vec<Problem> {
    if let Some(newer) = value.get("version").and_then(Value::as_u64).filter(|&found| found > u64::from(FORMAT_VERSION))
    {
        return vec![newer_version(newer)];
    }
    let schema = match kind {
        FileKind::Manifest => schema::manifest_schema(),
        FileKind::Stub => schema::stub_schema(),
        FileKind::Pending => schema::pending_schema(),
    };
    shape::faults(value, schema)
}

fn newer_version(found: u64) -> Problem {
    let message = format!(
        "version {found} of the format is newer than this retake, which reads version {FORMAT_VERSION}: update retake"
    );
    Problem { place: Place::top().key("version"), message }
}

/// The faults of a manifest.
pub fn manifest(manifest: &Manifest) -> Vec<Problem> {
    let mut faults = Faults::default();
    let top = Place::top();
    if !faults.version(manifest.version) {
        return faults.found;
    }
    if manifest.name.trim().is_empty() {
        faults.add(&top.key("name"), "`name` is empty");
    }
    for (at, origin) in manifest.origins.iter().enumerate() {
        if manifest.origins[..at].iter().any(|earlier| is_one_origin(earlier, origin)) {
            faults.add(&top.key("origins").index(at), format!("the origin {origin} stands twice"));
        }
    }
    faults.rules(&manifest.rules, &top.key("rules"));
    faults.keys(&manifest.settings.keys);
    faults.server_stubs(&manifest.server_stubs);
    for (name, value) in manifest.variables.iter().filter(|(_, value)| value.is_array() || value.is_object()) {
        let kind = if value.is_array() { "an array" } else { "an object" };
        let message = format!("the variable `{name}` is {kind}: write a text, a number, true or false, or null");
        faults.add(&top.key("variables").key(name), message);
    }
    for (key, reserved) in [("environments", &manifest.environments), ("releases", &manifest.releases)] {
        if !reserved.is_empty() {
            faults.add(&top.key(key), format!("`{key}` is reserved for a later version of retake: leave it out"));
        }
    }
    faults.found
}

/// The faults of a stub by itself.
pub fn stub(stub: &Stub) -> Vec<Problem> {
    let mut faults = Faults::default();
    let top = Place::top();
    if !faults.version(stub.version) {
        return faults.found;
    }
    faults.method(&stub.method);
    faults.rules(&stub.rules, &top.key("rules"));
    faults.fault(stub.fault.as_ref(), &top.key("fault"));
    let scenarios = top.key("scenarios");
    let mut names = HashMap::new();
    let mut default: Option<&str> = None;
    for (at, scenario) in stub.scenarios.iter().enumerate() {
        let place = scenarios.index(at);
        if names.insert(scenario.name.as_str(), at).is_some() {
            faults.add(&place.key("name"), format!("the scenario name `{}` stands twice in this stub", scenario.name));
        }
        if scenario.default
            && let Some(first) = default.replace(&scenario.name)
        {
            let message = format!("`{}` is a second default; `{first}` is one already", scenario.name);
            faults.add(&place.key("default"), message);
        }
        faults.scenario(scenario, stub, &place);
    }
    faults.found
}

/// The faults of a change that waits in the file at `path`.
pub fn pending(pending: &Pending, path: &str) -> Vec<Problem> {
    let mut faults = Faults::default();
    let top = Place::top();
    if !faults.version(pending.version) {
        return faults.found;
    }
    let id = pending.change.id();
    if pending.id != id {
        faults.add(&top.key("id"), format!("`id` is `{}`; that of this change is `{id}`", pending.id));
    } else if pending.path() != path {
        faults.add(&top.key("id"), format!("the change `{id}` belongs into {}", pending.path()));
    }
    if let Change::AddRule { rule, .. } = &pending.change {
        faults.rules(std::slice::from_ref(rule), &top.key("change").key("rule"));
    }
    for (path, waits) in &pending.files {
        let place = top.key("files").key(path);
        for (path, folder) in [(path, "bodies/"), (waits, "pending/")] {
            match path_fault(path) {
                Some(fault) => faults.add(&place, format!("the path `{path}` {fault}")),
                None if !path.starts_with(folder) => {
                    faults.add(&place, format!("the path `{path}` is not in `{folder}`"))
                }
                None => {}
            }
        }
    }
    faults.found
}

/// The faults of the stubs together with the manifest, by the position of the stub.
#[allow(clippy::mutable_key_type, reason = "an expression in a path is compared by its text")]
pub fn together(manifest: &Manifest, stubs: &[StubFile]) -> Vec<(usize, Problem)> {
    let mut found = Vec::new();
    let mut seen: HashMap<(&str, OriginPattern, &[super::SegmentPattern]), &str> = HashMap::with_capacity(stubs.len());
    let origins: Vec<OriginPattern> = manifest.origins.iter().map(canonical).collect();
    unreachable_states(stubs, &mut found);
    for (at, file) in stubs.iter().enumerate() {
        let stub = &file.stub;
        let origin = canonical(&stub.origin);
        if !origins.contains(&origin) {
            found.push((at, unlisted_origin(manifest, &stub.origin)));
        }
        if let Some(first) = seen.insert((&stub.method, origin, stub.path.segments()), &file.path) {
            let message =
                format!("{} {}{} is in {first} already: one stub, one file", stub.method, stub.origin, stub.path);
            found.push((at, Problem { place: Place::top().key("path"), message }));
        }
        found.extend(unknown_names(manifest, stub).into_iter().map(|problem| (at, problem)));
    }
    found
}

/// Names in templates that are neither captures of the path nor variables of the collection.
fn unknown_names(manifest: &Manifest, stub: &Stub) -> Vec<Problem> {
    let mut found = Vec::new();
    let captures: Vec<&str> = stub.path.captures().collect();
    let known = || captures.iter().copied().chain(manifest.variables.keys().map(String::as_str));
    for (at, scenario) in stub.scenarios.iter().enumerate() {
        let place = Place::top().key("scenarios").index(at);
        for (place, response) in responses(scenario, &place).into_iter().filter(|(_, response)| response.template) {
            for (place, text) in templates(response, &place) {
                let Ok(template) = Template::read(&text) else { continue };
                let names = template.puts().filter_map(|put| match &put.what {
                    What::Variable(name) if !known().any(|it| it == name) => Some(name),
                    _ => None,
                });
                found.extend(names.map(|name| {
                    let meant = shape::did_you_mean(name, known());
                    let message = format!(
                        "`{{{{{name}}}}}` is no capture of the path {} and no variable of collection.json{meant}",
                        stub.path
                    );
                    Problem { place: place.clone(), message }
                }));
            }
        }
    }
    found
}

/// Every text of a response that is a template, with its place; body files are for who reads the disk.
fn templates<'a>(response: &'a ResponseSpec, place: &Place) -> Vec<(Place, Cow<'a, str>)> {
    let mut found = Vec::new();
    for (at, line) in response.fields.iter().enumerate() {
        if let Ok(text) = std::str::from_utf8(&line.0.value) {
            found.push((place.key("fields").index(at), Cow::Borrowed(text)));
        }
    }
    if let Some(body) = &response.body {
        let place = place.key("body");
        found.extend(body.text.as_deref().map(|text| (place.key("text"), Cow::Borrowed(text))));
        // Braces are written as they are, so that most bodies need not become a tree.
        if let Some(json) = body.json.as_ref().filter(|json| template::has_expressions(json.text())) {
            strings(&json.value(), &place.key("json"), &mut found);
        }
    }
    found.retain(|(_, text)| template::has_expressions(text));
    found
}

fn strings(value: &Value, place: &Place, found: &mut Vec<(Place, Cow<'_, str>)>) {
    match value {
        Value::String(text) => found.push((place.clone(), Cow::Owned(text.clone()))),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| strings(item, &place.index(at), found));
        }
        Value::Object(members) => members.iter().for_each(|(name, item)| strings(item, &place.key(name), found)),
        _ => {}
    }
}

/// States that a scenario requires and that no answer leads to, but to one with nearly that name.
fn unreachable_states(stubs: &[StubFile], found: &mut Vec<(usize, Problem)>) {
    let scenarios = stubs.iter().enumerate().flat_map(|(at, file)| {
        let scenarios = file.stub.scenarios.iter().enumerate();
        scenarios.filter_map(move |(number, scenario)| Some((at, number, scenario.state.as_ref()?)))
    });
    let all: Vec<(usize, usize, &StateSpec)> = scenarios.collect();
    let mut known: HashMap<&str, Vec<&str>> = HashMap::new();
    for (_, _, state) in &all {
        let reached = known.entry(state.thing()).or_insert_with(|| vec![START]);
        reached.extend(state.next.as_deref().filter(|next| !reached.contains(next)).into_iter().collect::<Vec<_>>());
    }
    for &(at, number, state) in &all {
        let Some(required) = state.requires.as_deref() else { continue };
        let reached = known.get(state.thing()).map(Vec::as_slice).unwrap_or_default();
        let meant = shape::did_you_mean(required, reached.iter().copied());
        // One that is like none of them is set by hand: `retake state set`.
        if !reached.contains(&required) && !meant.is_empty() {
            let message = format!("no scenario leads to the state `{required}`{meant}");
            let place = Place::top().key("scenarios").index(number).key("state").key("requires");
            found.push((at, Problem { place, message }));
        }
    }
}

fn unlisted_origin(manifest: &Manifest, origin: &OriginPattern) -> Problem {
    let known: Vec<String> = manifest.origins.iter().map(ToString::to_string).collect();
    let meant = shape::did_you_mean(&origin.to_string(), known.iter().map(String::as_str));
    let message = format!("the origin {origin} is not among `origins` of collection.json{meant}");
    Problem { place: Place::top().key("origin"), message }
}

/// The faults of a whole collection, with the file of each; whether body files exist is for who reads the disk.
pub fn collection(collection: &Collection) -> Vec<(&str, Problem)> {
    let mut found: Vec<(&str, Problem)> = Vec::new();
    found.extend(manifest(&collection.manifest).into_iter().map(|problem| (MANIFEST_NAME, problem)));
    for file in &collection.stubs {
        found.extend(stub(&file.stub).into_iter().map(|problem| (file.path.as_str(), problem)));
    }
    let together = together(&collection.manifest, &collection.stubs);
    found.extend(together.into_iter().map(|(at, problem)| (collection.stubs[at].path.as_str(), problem)));
    found
}

const MANIFEST_NAME: &str = "collection.json";

/// Every stub and body file that a collection consists of, but for its manifest.
pub fn files(collection: &Collection) -> BTreeSet<String> {
    let mut files: BTreeSet<String> =
        manifest_files(&collection.manifest).into_iter().map(|(_, file)| file.to_owned()).collect();
    for file in &collection.stubs {
        files.insert(file.path.clone());
        files.extend(stub_files(&file.stub).into_iter().map(|(_, file)| file.to_owned()));
    }
    files
}

/// Every body of a stub that lies in a file, with the place of its `file`.
pub fn stub_files(stub: &Stub) -> Vec<(Place, &str)> {
    let mut files = Vec::new();
    for (at, scenario) in stub.scenarios.iter().enumerate() {
        let place = Place::top().key("scenarios").index(at);
        files.extend(file_of(&scenario.request.body, &place.key("request")));
        for (place, response) in responses(scenario, &place) {
            files.extend(file_of(&response.body, &place));
        }
    }
    files
}

/// Every body of a template that lies in a file, with the place of its `file`.
pub fn template_files(stub: &Stub) -> Vec<(Place, &str)> {
    let mut files = Vec::new();
    for (at, scenario) in stub.scenarios.iter().enumerate() {
        let place = Place::top().key("scenarios").index(at);
        let templates = responses(scenario, &place).into_iter().filter(|(_, response)| response.template);
        files.extend(templates.filter_map(|(place, response)| file_of(&response.body, &place)));
    }
    files
}

/// Every body of a server stub that lies in a file, with the place of its `file`.
pub fn manifest_files(manifest: &Manifest) -> Vec<(Place, &str)> {
    let stubs = manifest.server_stubs.iter().enumerate();
    stubs.filter_map(|(at, stub)| file_of(&stub.body, &Place::top().key("server_stubs").index(at))).collect()
}

fn file_of<'a>(body: &'a Option<BodySpec>, place: &Place) -> Option<(Place, &'a str)> {
    let file = body.as_ref()?.file.as_deref()?;
    Some((place.key("body").key("file"), file))
}

/// Why a path in a file may not be followed; `None` if it stays inside the folder as far as its text tells. Symbolic
/// links are met when it is opened.
pub fn path_fault(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("is empty");
    }
    if path.starts_with('/') {
        return Some("is absolute: write it relative to the collection's folder");
    }
    if path.contains('\\') {
        return Some("has a backslash: write `/` between folders");
    }
    if path.chars().any(char::is_control) {
        return Some("has a control character");
    }
    let drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic();
    if drive {
        return Some("names a drive: write it relative to the collection's folder");
    }
    match path.split('/').find(|part| matches!(*part, "" | "." | "..")) {
        Some("..") => Some("leaves the collection's folder"),
        Some(_) => Some("has an empty segment or `.`"),
        None => None,
    }
}

fn responses<'a>(scenario: &'a Scenario, place: &Place) -> Vec<(Place, &'a ResponseSpec)> {
    let single = scenario.response.iter().map(|response| (place.key("response"), &**response));
    let steps = scenario.responses.iter().enumerate();
    single.chain(steps.map(|(at, response)| (place.key("responses").index(at), response))).collect()
}

/// One spelling for the hosts that are one: loopback names and addresses.
fn canonical(origin: &OriginPattern) -> OriginPattern {
    let host = if origin.is_loopback() { "localhost".to_owned() } else { origin.host.clone() };
    OriginPattern { host, ..origin.clone() }
}

fn is_one_origin(one: &OriginPattern, other: &OriginPattern) -> bool {
    canonical(one) == canonical(other)
}

#[derive(Default)]
struct Faults {
    found: Vec<Problem>,
}

impl Faults {
    fn add(&mut self, place: &Place, message: impl Into<String>) {
        self.found.push(Problem { place: place.clone(), message: message.into() });
    }

    /// Whether the version is ours; if not, nothing else is worth telling.
    fn version(&mut self, version: u32) -> bool {
        match version {
            FORMAT_VERSION => return true,
            newer if newer > FORMAT_VERSION => self.found.push(newer_version(newer.into())),
            other => {
                self.add(&Place::top().key("version"), format!("`version` is {other}; expected {FORMAT_VERSION}"));
            }
        }
        false
    }

    fn method(&mut self, method: &str) {
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

    fn rules(&mut self, rules: &[Rule], place: &Place) {
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
                    self.add(&place.key("place"), "a rule about values in XML needs `\"action\": \"match\"`");
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
    fn rule_members(&mut self, rule: &Rule, place: &Place) {
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

    fn rule_matcher(&mut self, rule: &Rule, place: &Place) {
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
    fn matchers(&mut self, scenario: &Scenario, stub: &Stub, place: &Place) {
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

    fn keys(&mut self, keys: &[AccessKey]) {
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

    fn server_stubs(&mut self, stubs: &[ServerStub]) {
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

    fn scenario(&mut self, scenario: &Scenario, stub: &Stub, place: &Place) {
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

    fn state(&mut self, state: &StateSpec, place: &Place) {
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

    fn answers(&mut self, scenario: &Scenario, place: &Place) {
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

    fn response(&mut self, response: &ResponseSpec, scenario: &Scenario, place: &Place) {
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

    fn fault(&mut self, fault: Option<&Fault>, place: &Place) {
        for (key, message) in fault.map(Fault::problems).unwrap_or_default() {
            self.add(&place.key(key), message);
        }
    }

    fn template(&mut self, response: &ResponseSpec, place: &Place) {
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

    fn body(&mut self, body: &Option<BodySpec>, place: &Place) {
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

/// Whether `method` is one of RFC 9110 or RFC 5789.
pub fn is_standard_method(method: &str) -> bool {
    STANDARD_METHODS.contains(&method)
}

/// The methods of RFC 9110 section 9 and RFC 5789, for which another case is a slip.
const STANDARD_METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
