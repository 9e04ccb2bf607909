//! The values of a recording that mean themselves wherever they come: no rule `fresh` takes one for a value made anew.
//!
//! What the scenarios of its own stub have, a rule knows. Here is what it cannot see from there: ids that other stubs were
//! called with, and those that answers gave out and nobody asked for, such as the cursor of a last page.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::paths::segment_key;
use super::rules::{Bodies, values};
use crate::collection::{Collection, Place, Rule, RuleAction, RuleSide, Stub};
use crate::model::Shape;

/// A value of so many characters in two places is no chance.
const TELLING: usize = 8;
/// What more rules than this were asked for does not say of which of them it is a value.
const MAX_SUBJECTS: usize = 16;

/// The recorded values by what rules `fresh` are about.
#[derive(Debug, Clone, Default)]
pub struct RecordedValues(HashMap<String, Arc<HashSet<String>>>);

/// What rules `fresh` are about.
struct Subject {
    place: Place,
    shape: Option<Shape>,
    /// What calls had there.
    asked: HashSet<String>,
    /// What answers have where they gave out such a value.
    answered: HashSet<String>,
}

/// The subjects, and by what an answer's value leads to them.
#[derive(Default)]
struct Subjects {
    all: Vec<Subject>,
    by_key: HashMap<String, usize>,
    by_value: HashMap<String, Vec<usize>>,
    /// By the last word of the item's name, unless that is `id`, which may be anybody's.
    by_name: HashMap<String, Vec<usize>>,
    /// Captures by the path before them.
    by_folder: HashMap<String, usize>,
}

impl RecordedValues {
    /// Looks through the requests of a collection and the JSON and fields of its answers; `bodies` reads what lies in files.
    /// Costs nothing where there is no rule `fresh`, else the reading of each body once.
    pub fn of(collection: &Collection, bodies: Bodies<'_>) -> Self {
        let mut subjects = Subjects::default();
        for file in &collection.stubs {
            for rule in fresh_rules(&file.stub, &collection.manifest.rules) {
                let recorded =
                    file.stub.scenarios.iter().flat_map(|scenario| values(&file.stub, scenario, rule, bodies));
                subjects.add(&file.stub, rule, recorded);
            }
        }
        if !subjects.all.is_empty() {
            subjects.listen_to_answers(collection, bodies);
        }
        let mut all: Vec<_> = subjects.all.into_iter().map(|subject| Some(Arc::new(subject.known()))).collect();
        let known = subjects.by_key.into_iter().filter_map(|(key, at)| Some((key, all[at].take()?)));
        RecordedValues(known.collect())
    }

    /// The values that a rule of this stub compares as they are.
    pub(super) fn of_rule(&self, stub: &Stub, rule: &Rule) -> Arc<HashSet<String>> {
        if self.0.is_empty() {
            return Arc::default();
        }
        self.0.get(&key(stub, rule)).cloned().unwrap_or_default()
    }
}

impl Subject {
    /// What is compared as it is: of captures also what other stubs were asked for. A rule knows its own stub's.
    fn known(self) -> HashSet<String> {
        let mut known = self.answered;
        if self.place == Place::Path {
            known.extend(self.asked);
        }
        known
    }
}

impl Subjects {
    fn add(&mut self, stub: &Stub, rule: &Rule, recorded: impl Iterator<Item = String>) {
        let at = *self.by_key.entry(key(stub, rule)).or_insert_with(|| {
            let at = self.all.len();
            let (asked, answered) = Default::default();
            self.all.push(Subject { place: rule.place, shape: rule.shape, asked, answered });
            match plain(rule.name.rsplit('/').next().unwrap_or_default()) {
                name if name == "id" => {}
                name => self.by_name.entry(name).or_default().push(at),
            }
            let folder = prefix_of(stub, &rule.name).trim_end_matches('/');
            if rule.place == Place::Path && !folder.is_empty() {
                self.by_folder.insert(format!("{}{folder}", stub.origin), at);
            }
            at
        });
        for value in recorded {
            if self.all[at].asked.insert(value.clone()) {
                self.by_value.entry(value).or_default().push(at);
            }
        }
    }

    /// Adds what answers have in the places in which they gave out a value that a call came back with.
    fn listen_to_answers(&mut self, collection: &Collection, bodies: Bodies<'_>) {
        for file in &collection.stubs {
            let folders = self.folders_of(&file.stub);
            for (pointer, found) in answered(&file.stub, bodies) {
                for at in self.told_by(&pointer, &found, &folders) {
                    let Subject { place, shape, answered, .. } = &mut self.all[at];
                    let fits = found.iter().filter(|value| shape.is_none_or(|shape| shape.fits(value)));
                    let as_compared = |value: &String| match place {
                        Place::Path => segment_key(value).into_owned(),
                        _ => value.clone(),
                    };
                    answered.extend(fits.map(as_compared));
                }
            }
        }
    }

    /// The subjects of which a place of an answer holds values. A long one that it has says so. That it has a short one may
    /// be chance, unless the place is called as the item is, or is the `id` of an answer under the same path.
    fn told_by(&self, pointer: &str, found: &HashSet<String>, folders: &[usize]) -> HashSet<usize> {
        let name = plain(pointer.rsplit('/').next().unwrap_or_default());
        let few = |subjects: Option<&Vec<usize>>| {
            subjects.filter(|all| all.len() <= MAX_SUBJECTS).cloned().unwrap_or_default()
        };
        let named = if name == "id" { folders.to_vec() } else { few(self.by_name.get(&name)) };
        let has_one = |at: &usize| found.iter().any(|value| self.all[*at].asked.contains(value));
        let long = found.iter().filter(|value| value.len() >= TELLING);
        let by_value = long.flat_map(|value| few(self.by_value.get(value)));
        named.into_iter().filter(has_one).chain(by_value).collect()
    }

    /// The captures right behind a beginning of this stub's path.
    fn folders_of(&self, stub: &Stub) -> Vec<usize> {
        let path = stub.path.as_str();
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let whole = ends.map(|end| format!("{}{}", stub.origin, &path[..end]));
        whole.filter_map(|folder| self.by_folder.get(&folder).copied()).collect()
    }
}

/// What the answers of a stub have, by place: a field's name, or a JSON pointer with `*` for positions.
fn answered(stub: &Stub, bodies: Bodies<'_>) -> HashMap<String, HashSet<String>> {
    let mut found: HashMap<String, HashSet<String>> = HashMap::new();
    for answer in stub.scenarios.iter().flat_map(|scenario| scenario.steps()) {
        for line in &answer.fields {
            found.entry(line.0.name.to_ascii_lowercase()).or_default().insert(line.0.text().trim().to_owned());
        }
        let Some(body) = &answer.body else { continue };
        if let Some(json) = &body.json {
            leaves(&json.value(), &mut String::new(), &mut found);
        } else if let Some(bytes) =
            bodies(body).filter(|bytes| matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')))
        {
            // What only begins like JSON is none.
            let value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            leaves(&value, &mut String::new(), &mut found);
        }
    }
    found
}

fn leaves(value: &Value, pointer: &mut String, found: &mut HashMap<String, HashSet<String>>) {
    let length = pointer.len();
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                pointer.push('/');
                pointer.push_str(name);
                leaves(member, pointer, found);
                pointer.truncate(length);
            }
        }
        Value::Array(items) => {
            pointer.push_str("/*");
            items.iter().for_each(|item| leaves(item, pointer, found));
            pointer.truncate(length);
        }
        Value::String(text) => add(pointer, text.clone(), found),
        Value::Number(number) => add(pointer, number.to_string(), found),
        Value::Bool(_) | Value::Null => {}
    }
}

fn add(pointer: &str, value: String, found: &mut HashMap<String, HashSet<String>>) {
    match found.get_mut(pointer) {
        Some(values) => drop(values.insert(value)),
        None => drop(found.insert(pointer.to_owned(), HashSet::from([value]))),
    }
}

fn fresh_rules<'r>(stub: &'r Stub, collection: &'r [Rule]) -> impl Iterator<Item = &'r Rule> {
    let is_fresh = |rule: &&Rule| rule.action == RuleAction::Fresh && !rule.off && rule.side == RuleSide::Request;
    stub.rules.iter().chain(collection).filter(is_fresh)
}

/// What a rule is about: of paths what stands behind the same beginning, whichever stubs go on from there; else the items of
/// one name.
fn key(stub: &Stub, rule: &Rule) -> String {
    match rule.place {
        Place::Path => format!("{}{}", stub.origin, prefix_of(stub, &rule.name)),
        place => format!("{} {} {:?}", place.as_str(), rule.name, rule.shape),
    }
}

/// The path before a capture; all of it where it has no such capture.
fn prefix_of<'s>(stub: &'s Stub, capture: &str) -> &'s str {
    let path = stub.path.as_str();
    let at = path.match_indices('{').find(|(at, _)| {
        let rest = path[at + 1..].strip_prefix(capture);
        rest.is_some_and(|rest| rest.starts_with(['}', ':']))
    });
    at.map_or(path, |(at, _)| &path[..at])
}

/// A name without what styles of writing differ in.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|it| it.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{call, index, source};
    use super::super::{Selection, Untouched};
    use super::*;
    use crate::collection::{Manifest, Profile, StubFile};

    /// Orders that were made, listed and fetched; the second was never paid. Users whose short ids are no orders'.
    fn shop(fresh: &Value, ids: [Value; 3]) -> Collection {
        let file = |stub: &Value| {
            let path = format!("stubs/{}.json", stub["path"]);
            StubFile { path, stub: serde_json::from_value::<Stub>(stub.clone()).unwrap().into() }
        };
        let [tea, coffee, juice] = &ids;
        let text = |id: &Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let answer =
            |name: &str, body: Value| json!({ "name": name, "response": { "status": 200, "body": { "json": body } } });
        let asked = |name: &str, id: &Value| {
            json!({ "name": name, "request": { "captures": { "order_id": text(id) } },
                    "response": { "status": 200, "body": { "json": { "id": id } } } })
        };
        let stub = |method: &str, path: &str, rules: &[&Value], scenarios: Value| {
            json!({ "version": 1, "method": method, "origin": "https://a.test", "path": path, "rules": rules,
                    "scenarios": scenarios })
        };
        let stubs = [
            stub(
                "GET",
                "/orders",
                &[],
                json!([answer(
                    "all",
                    json!([{ "id": tea, "n": 77 }, { "id": coffee, "n": 78 }, { "id": juice, "n": 79 }])
                )]),
            ),
            stub("GET", "/orders/{order_id}", &[fresh], json!([asked("tea", tea), asked("coffee", coffee)])),
            stub("POST", "/orders/{order_id}/pay", &[fresh], json!([asked("tea", tea)])),
            stub("GET", "/users", &[], json!([answer("all", json!([{ "id": 77, "age": 78 }]))])),
        ];
        let manifest = Manifest { origins: vec!["https://a.test".parse().unwrap()], ..Manifest::new("test".into()) };
        Collection { manifest, stubs: stubs.iter().map(file).collect() }
    }

    #[track_caller]
    fn answers(shop: Collection, cases: &[(&str, Option<&str>)]) {
        let index = index(vec![source(shop)]);
        for (line, expected) in cases {
            for profile in [Profile::Best, Profile::Strict] {
                let found = match index.select(&call(line), profile, &Untouched) {
                    Selection::Hit(hit) if hit.evaluation.is_exact() => Some(index.scenario(hit.at).name.as_str()),
                    _ => None,
                };
                assert_eq!(found, *expected, "{line} ({profile:?})");
            }
        }
    }

    #[test]
    fn an_id_of_another_stub_or_of_an_answer_stands_for_no_other() {
        let fresh = json!({ "place": "path", "name": "order_id", "action": "fresh" });
        answers(
            shop(&fresh, [json!("order-0001"), json!("order-0002"), json!("order-0003")]),
            &[
                ("POST /orders/order-0001/pay", Some("tea")),
                ("POST /orders/order-0002/pay", None),
                ("POST /orders/order-0003/pay", None),
                ("POST /orders/order-0004/pay", Some("tea")),
                ("GET /orders/order-0002", Some("coffee")),
                ("GET /orders/order-0003", None),
            ],
        );
    }

    #[test]
    fn a_number_that_stands_elsewhere_by_chance_is_no_id() {
        let fresh = json!({ "place": "path", "name": "order_id", "action": "fresh", "shape": "integer" });
        answers(
            shop(&fresh, [json!(77), json!(2), json!(3)]),
            &[
                ("POST /orders/2/pay", None),
                ("POST /orders/3/pay", None),
                // The number of an order in the list, and the age of a user whose id an order has, too.
                ("POST /orders/78/pay", Some("tea")),
                ("POST /orders/79/pay", Some("tea")),
            ],
        );
    }

    #[test]
    fn what_more_items_have_than_can_be_told_apart_says_nothing_of_a_place() {
        let session: Rule =
            serde_json::from_value(json!({ "place": "field", "name": "X-Session", "action": "fresh" })).unwrap();
        let stub = |path: &str, capture: &str, id: &str| {
            let scenario = json!({ "name": "ok", "request": { "captures": { capture: id }, "fields": ["X-Session: session-1"] },
                "response": { "status": 200, "body": { "json": { "id": id, "owner": "tenant-00001", "session": "session-1" } } } });
            let stub: Stub = serde_json::from_value(
                json!({ "version": 1, "method": "GET", "origin": "https://a.test", "path": path,
                "rules": [{ "place": "path", "name": capture, "action": "fresh" }], "scenarios": [scenario] }),
            )
            .unwrap();
            StubFile { path: format!("stubs{path}.json"), stub: stub.into() }
        };
        let numbers = 0..2 * MAX_SUBJECTS;
        let ids = numbers.clone().map(|at| stub(&format!("/things-{at}/{{id}}"), "id", &(at % 3).to_string()));
        let tenants = numbers.map(|at| stub(&format!("/of-{at}/{{tenant}}"), "tenant", "tenant-00001"));
        let mut manifest =
            Manifest { origins: vec!["https://a.test".parse().unwrap()], ..Manifest::new("test".into()) };
        manifest.rules = vec![session];
        let recorded = RecordedValues::of(&Collection { manifest, stubs: ids.chain(tenants).collect() }, &|_| None);
        // A rule of one name is one subject, however many stubs there are.
        assert_eq!(recorded.0.len(), 4 * MAX_SUBJECTS + 1);
        // Not the ids of others, which begin with the same letters or have the same short values.
        assert_eq!(*recorded.0["https://a.test/things-1/"], HashSet::from(["1".to_owned()]));
        assert_eq!(*recorded.0["https://a.test/of-1/"], HashSet::from(["tenant-00001".to_owned()]));
        assert_eq!(*recorded.0["field X-Session None"], HashSet::from(["session-1".to_owned()]));
    }

    #[test]
    fn the_cursor_that_the_last_page_gave_out_is_no_new_one() {
        let stub: Stub = serde_json::from_value(json!({
            "version": 1, "method": "GET", "origin": "https://a.test", "path": "/cat",
            "rules": [{ "place": "query", "name": "cursor", "action": "fresh" }],
            "scenarios": [
                { "name": "first", "response": { "status": 200, "body": { "json": { "next": "c1-abcdef" } } } },
                { "name": "second", "request": { "query": ["cursor=c1-abcdef"] },
                  "response": { "status": 200, "body": { "text": "{\"next\": \"c2-abcdef\"}" } } },
            ],
        }))
        .unwrap();
        let manifest = Manifest { origins: vec!["https://a.test".parse().unwrap()], ..Manifest::new("test".into()) };
        let stubs = vec![StubFile { path: "stubs/cat.json".into(), stub: stub.into() }];
        answers(
            Collection { manifest, stubs },
            &[
                ("GET /cat", Some("first")),
                ("GET /cat?cursor=c1-abcdef", Some("second")),
                ("GET /cat?cursor=c2-abcdef", None),
                ("GET /cat?cursor=c3-abcdef", Some("second")),
            ],
        );
    }
}
