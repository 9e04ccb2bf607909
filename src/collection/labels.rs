//! The scenarios of a collection by their labels.

use std::collections::HashMap;

use super::Collection;

/// Where in a collection the scenarios are that labels name, as [`Stub::label`](super::Stub::label) makes them.
#[derive(Debug, Clone, Default)]
pub struct Labels(HashMap<String, Vec<(usize, usize)>>);

impl Labels {
    /// Of every scenario, by its label with the origin and by the one without: which of them a log has depends on how
    /// many origins the collection had then.
    pub fn new(collection: &Collection) -> Labels {
        let mut labels: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
        for (stub_at, file) in collection.stubs.iter().enumerate() {
            for (at, scenario) in file.stub.scenarios.iter().enumerate() {
                for several_origins in [false, true] {
                    labels.entry(file.stub.label(scenario, several_origins)).or_default().push((stub_at, at));
                }
            }
        }
        Labels(labels)
    }

    /// The scenarios of a label that has no collection before it: stub and scenario, by position. Several where it has no
    /// origin, and more than one serves the path.
    pub fn places(&self, label: &str) -> &[(usize, usize)] {
        self.0.get(label).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::{Manifest, Stub, StubFile};

    #[test]
    fn a_scenario_is_found_with_its_origin_and_without() {
        let file = |origin: &str| -> StubFile {
            let stub: Stub = serde_json::from_value(serde_json::json!({
                "version": 1, "method": "GET", "origin": origin, "path": "/x", "scenarios": [
                    { "name": "ok", "response": { "status": 200 } }, { "name": "gone", "response": { "status": 410 } }] }))
            .unwrap();
            StubFile { path: format!("stubs/{}.json", origin.len()), stub: stub.into() }
        };
        let manifest: Manifest = serde_json::from_value(serde_json::json!({
            "version": 1, "name": "c", "origins": ["https://a.test", "https://other.test"] }))
        .unwrap();
        let collection = Collection { manifest, stubs: vec![file("https://a.test"), file("https://other.test")] };
        let labels = Labels::new(&collection);
        assert_eq!(labels.places("GET /x#gone"), [(0, 1), (1, 1)]);
        assert_eq!(labels.places("GET https://other.test/x#ok"), [(1, 0)]);
        assert!(labels.places("GET /y#ok").is_empty());
    }
}
