//! The JSON Schemas of reports, as published in `docs/schema/`, generated from the types.

use crate::collection::schema::schema_of;
use crate::report::drift::DriftReport;
use crate::report::miss::MissReport;
use crate::report::receipt::Receipt;

/// The published files, relative to the project's folder, with the text that they must have.
pub fn published() -> [(&'static str, String); 3] {
    let drift = schema_of::<DriftReport>("What `retake verify --json` reports");
    let miss = schema_of::<MissReport>(
        "A miss, as `retake diff MISS --json` and answers of `application/problem+json` have it",
    );
    let receipt = schema_of::<Receipt>("What `retake replay --report json=FILE` writes");
    [
        ("docs/schema/drift.schema.json", format!("{drift:#}\n")),
        ("docs/schema/miss.schema.json", format!("{miss:#}\n")),
        ("docs/schema/receipt.schema.json", format!("{receipt:#}\n")),
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
