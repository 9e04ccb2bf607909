//! The JSON Schemas of a collection's files, as published in `docs/schema/`, generated from the types.

use std::sync::LazyLock;

use serde_json::Value;

use super::manifest::Manifest;
use super::pending::Pending;
use super::stub::Stub;

/// The schema of `collection.json`.
pub fn manifest_schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| schema_of::<Manifest>("collection.json of a retake collection"));
    &SCHEMA
}

/// The schema of a stub file.
pub fn stub_schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| schema_of::<Stub>("A stub file of a retake collection"));
    &SCHEMA
}

/// The schema of a change that waits.
pub fn pending_schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> =
        LazyLock::new(|| schema_of::<Pending>("A change of a retake collection that waits for a decision"));
    &SCHEMA
}

/// The schema of a type, with this title.
pub(crate) fn schema_of<T: schemars::JsonSchema>(title: &str) -> Value {
    let schema = schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    let Value::Object(mut members) = schema.to_value() else { return Value::Bool(true) };
    // What names the schema goes first, for people.
    let draft = members.shift_remove("$schema").unwrap_or_default();
    members.shift_remove("title");
    let mut ordered = serde_json::Map::new();
    ordered.insert("$schema".to_owned(), draft);
    ordered.insert("title".to_owned(), title.into());
    ordered.extend(members);
    Value::Object(ordered)
}

/// The published files, relative to the project's folder, with the text that they must have.
pub fn published() -> [(&'static str, String); 3] {
    let text = |schema: &Value| format!("{schema:#}\n");
    [
        ("docs/schema/collection.schema.json", text(manifest_schema())),
        ("docs/schema/stub.schema.json", text(stub_schema())),
        ("docs/schema/pending.schema.json", text(pending_schema())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_schemas_are_those_of_the_types() {
        for (path, text) in published() {
            let found = std::fs::read_to_string(path).unwrap_or_default();
            assert!(found == text, "{path} is stale: `cargo run --example make-schemas` renews it");
        }
    }
}
