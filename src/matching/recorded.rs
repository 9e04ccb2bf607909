//! The values of a recording that mean themselves wherever they come: no rule `fresh` takes one for a value made anew.
//!
//! What the scenarios of its own stub have, a rule knows. Here is what it cannot see from there: ids that other stubs were
//! called with, and those that answers gave out and nobody asked for, such as the cursor of a last page.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::paths::segment_key;
use super::rules::{Bodies, values};
use crate::collection::{Collection, Place, Rule, RuleAction, RuleSide, Stub, StubKey};
use crate::model::Shape;

/// A value of so many characters in two places is no chance.
const TELLING: usize = 8;

/// The recorded values by what rules `fresh` are about.
#[derive(Debug, Clone, Default)]
pub struct RecordedValues(HashMap<String, Arc<HashSet<String>>>);

/// What a rule `fresh` is about, and its values.
struct Subject {
    place: Place,
    name: String,
    /// The path before a capture; none of other places.
    prefix: Option<String>,
    shape: Option<Shape>,
    values: HashSet<String>,
}

impl RecordedValues {
    /// Looks through the requests of a collection and the JSON and fields of its answers; `bodies` reads what lies in files.
    /// Costs nothing where there is no rule `fresh`.
    pub fn of(collection: &Collection, bodies: Bodies<'_>) -> Self {
        let mut subjects: HashMap<String, Subject> = HashMap::new();
        for file in &collection.stubs {
            for rule in fresh_rules(&file.stub, &collection.manifest.rules) {
                let subject =
                    subjects.entry(subject_of(&file.stub, rule)).or_insert_with(|| Subject::new(&file.stub, rule));
                let recorded =
                    file.stub.scenarios.iter().flat_map(|scenario| values(&file.stub, scenario, rule, bodies));
                subject.values.extend(recorded);
            }
        }
        if !subjects.is_empty() {
            add_answered(&mut subjects, collection, bodies);
        }
        RecordedValues(subjects.into_iter().map(|(name, subject)| (name, Arc::new(subject.values))).collect())
    }

    /// The values that a rule of this stub compares as they are.
    pub(super) fn of_rule(&self, stub: &Stub, rule: &Rule) -> Arc<HashSet<String>> {
        if self.0.is_empty() {
            return Arc::default();
        }
        self.0.get(&subject_of(stub, rule)).cloned().unwrap_or_default()
    }
}

impl Subject {
    fn new(stub: &Stub, rule: &Rule) -> Self {
        let prefix = (rule.place == Place::Path).then(|| prefix_of(stub, &rule.name).to_owned());
        Subject { place: rule.place, name: rule.name.clone(), prefix, shape: rule.shape, values: HashSet::new() }
    }

    /// Whether a value of this subject that an answer has in a place says what that place holds. A long one does; that a
    /// short one stands there may be chance, unless the place is called so.
    fn is_told_by(&self, value: &str, stub: &Stub, pointer: &str) -> bool {
        let name = pointer.rsplit('/').next().unwrap_or_default();
        let own = self.name.rsplit('/').next().unwrap_or_default();
        let is_own_id = || {
            let folder = self.prefix.as_deref().map(|prefix| prefix.trim_end_matches('/'));
            name.eq_ignore_ascii_case("id") && folder.is_some_and(|folder| stub.path.as_str().starts_with(folder))
        };
        value.len() >= TELLING || plain(name) == plain(own) || is_own_id()
    }
}

/// Adds what answers have in the places in which they gave out a value that a call came back with.
fn add_answered(subjects: &mut HashMap<String, Subject>, collection: &Collection, bodies: Bodies<'_>) {
    let mut asked: HashMap<String, Vec<String>> = HashMap::new();
    for (key, subject) in &*subjects {
        subject.values.iter().for_each(|value| asked.entry(value.clone()).or_default().push(key.clone()));
    }
    for file in &collection.stubs {
        for (pointer, found) in answered(&file.stub, bodies) {
            let known = found.iter().filter_map(|value| Some((value, asked.get(value)?)));
            let told: HashSet<&String> = known
                .flat_map(|(value, keys)| keys.iter().map(move |key| (value, key)))
                .filter(|(value, key)| subjects[*key].is_told_by(value, &file.stub, &pointer))
                .map(|(_, key)| key)
                .collect();
            for key in told {
                let Some(subject) = subjects.get_mut(key) else { continue };
                let fits = found.iter().filter(|value| subject.shape.is_none_or(|shape| shape.fits(value)));
                let is_path = subject.place == Place::Path;
                let fits = fits.map(|value| if is_path { segment_key(value).into_owned() } else { value.clone() });
                subject.values.extend(fits);
            }
        }
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

/// What a rule is about: of paths what stands behind the same beginning, whichever stubs go on from there; else an item
/// of one stub.
fn subject_of(stub: &Stub, rule: &Rule) -> String {
    match rule.place {
        Place::Path => format!("{}{}", stub.origin, prefix_of(stub, &rule.name)),
        place => format!("{} {} {}", StubKey::of(stub), place.as_str(), rule.name),
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
