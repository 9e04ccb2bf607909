//! Stubs that answer the same calls and differ in the names of captures only: which of them answers is easily overlooked.

use std::collections::{BTreeSet, HashMap};

use super::manifest::OriginPattern;
use super::{Collection, SegmentPattern, Stub, StubFile};

/// Two such stubs. Where a call fits scenarios of both as well, that of the first answers.
#[derive(Debug, Clone, Copy)]
pub struct Twins<'c> {
    /// The one whose file comes first.
    pub first: &'c StubFile,
    /// The other.
    pub second: &'c StubFile,
}

impl<'c> Twins<'c> {
    /// Those of a collection, each with the first of its kind. Where scenarios of both never have the same priority,
    /// somebody has said which goes first.
    #[allow(clippy::mutable_key_type, reason = "an expression in a path is compared by its text")]
    pub fn of(collection: &'c Collection) -> Vec<Twins<'c>> {
        let mut found = Vec::new();
        let mut known: HashMap<(&str, OriginPattern, Vec<SegmentPattern>), Vec<&StubFile>> = HashMap::new();
        for second in &collection.stubs {
            let stub = &second.stub;
            if stub.path.captures().next().is_none() {
                continue;
            }
            let before = known.entry((&stub.method, stub.origin.canonical(), unnamed(stub))).or_default();
            let rivals = |first: &&&StubFile| !priorities(&first.stub).is_disjoint(&priorities(stub));
            found.extend(before.iter().find(rivals).map(|first| Twins { first, second }));
            before.push(second);
        }
        found
    }
}

/// The segments of a path, whatever its captures are called.
fn unnamed(stub: &Stub) -> Vec<SegmentPattern> {
    let segment = |segment: &SegmentPattern| match segment {
        SegmentPattern::Capture(_) => SegmentPattern::Capture(String::new()),
        SegmentPattern::Regex(regex) => {
            let mut regex = regex.clone();
            regex.name.clear();
            SegmentPattern::Regex(regex)
        }
        other => other.clone(),
    };
    stub.path.segments().iter().map(segment).collect()
}

fn priorities(stub: &Stub) -> BTreeSet<i32> {
    let enabled = stub.scenarios.iter().filter(|scenario| !scenario.disabled);
    enabled.map(|scenario| scenario.priority.unwrap_or(stub.priority)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_differ_in_names_of_captures_only() {
        let stub = |at: usize, method: &str, path: &str, priority: i32| {
            let stub: Stub = serde_json::from_value(serde_json::json!({
                "version": 1, "method": method, "origin": "https://a.test", "path": path, "priority": priority,
                "scenarios": [{ "name": "ok", "response": { "status": 200 } }] }))
            .unwrap();
            StubFile { path: format!("stubs/{at:02}.json"), stub: stub.into() }
        };
        let stubs = [
            ("GET", "/orders/{id}", 0),
            ("GET", "/orders/{order_id}", 0),
            ("GET", "/orders/{x}", 0),
            ("GET", "/orders/{urgent}", 5),
            ("GET", "/orders/*", 0),
            ("GET", "/orders/{number:[0-9]+}", 0),
            ("GET", "/orders/{n:[0-9]+}", 0),
            ("GET", "/orders/{n:[a-z]+}", 0),
            ("POST", "/orders/{order_id}", 0),
            ("GET", "/orders/{id}/items", 0),
        ];
        let files = stubs.iter().enumerate().map(|(at, (method, path, priority))| stub(at, method, path, *priority));
        let manifest = serde_json::json!({ "version": 1, "name": "c", "origins": ["https://a.test"] });
        let collection = Collection { manifest: serde_json::from_value(manifest).unwrap(), stubs: files.collect() };
        let twins: Vec<_> =
            Twins::of(&collection).iter().map(|it| (&it.first.path[6..8], &it.second.path[6..8])).collect();
        assert_eq!(twins, [("00", "01"), ("00", "02"), ("05", "06")]);
    }
}
