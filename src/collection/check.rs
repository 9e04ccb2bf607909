//! What the types of a collection's files cannot say: the checks of a stub, a manifest, and of the two together.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::body::BodySpec;
use super::locate::Place;
use super::manifest::{Manifest, OriginPattern};
use super::state::{START, StateSpec};
use super::stub::{ResponseSpec, Scenario, Stub};
use super::template::{self, Template, What};
use super::{Change, Collection, FORMAT_VERSION, Pending, StubFile, schema, shape};

mod faults;

use faults::Faults;

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
        if manifest.origins[..at].iter().any(|earlier| earlier.is_one_with(origin)) {
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
    let origins: Vec<OriginPattern> = manifest.origins.iter().map(OriginPattern::canonical).collect();
    unreachable_states(stubs, &mut found);
    for (at, file) in stubs.iter().enumerate() {
        let stub = &file.stub;
        let origin = stub.origin.canonical();
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

/// Whether `method` is one of RFC 9110 or RFC 5789.
pub fn is_standard_method(method: &str) -> bool {
    STANDARD_METHODS.contains(&method)
}

/// The methods of RFC 9110 section 9 and RFC 5789, for which another case is a slip.
const STANDARD_METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
