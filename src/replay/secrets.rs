//! Where a scenario's request had a secret: what a call has in that place is one too, whatever it is called.

use crate::collection::{Scenario, SegmentPattern, Stub};
use crate::redact::is_placeholder;

/// The places of a scenario's request that hold placeholders.
#[derive(Debug, PartialEq, Eq)]
pub struct SecretPlaces {
    /// Position of a path segment, and what stands there in the collection.
    segments: Vec<(usize, String)>,
    /// Name of a query pair as written, and what stands for its value.
    query: Vec<(String, String)>,
}

impl SecretPlaces {
    /// The places of a scenario; `None` if it has none, as most.
    pub(super) fn of(stub: &Stub, scenario: &Scenario) -> Option<Box<SecretPlaces>> {
        let stands = |segment: &SegmentPattern| match segment {
            SegmentPattern::Capture(_) | SegmentPattern::Regex(_) => {
                match scenario.request.captures.get(segment.capture().unwrap_or_default()) {
                    Some(value) => Some(value.clone()).filter(|value| is_placeholder(value)),
                    // Promotion names a segment so where it was masked, and lets anything stand there.
                    None => segment.capture().filter(|name| is_named_masked(name)).map(|name| format!("{{{name}}}")),
                }
            }
            SegmentPattern::Literal(literal) => Some(literal.clone()).filter(|value| is_placeholder(value)),
            _ => None,
        };
        let segments = stub.path.segments().iter().enumerate();
        let segments: Vec<_> = segments.filter_map(|(at, segment)| Some((at, stands(segment)?))).collect();
        let pairs = scenario.request.query.iter().filter_map(|pair| pair.0.split_once('='));
        let query: Vec<_> = pairs
            .filter(|(_, value)| is_placeholder(value))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let none = segments.is_empty() && query.is_empty();
        (!none).then(|| Box::new(SecretPlaces { segments, query }))
    }

    /// A path and query with placeholders in these places; `found` hears each secret and what stands for it.
    pub(super) fn masked(
        &self,
        path: &str,
        query: Option<&str>,
        mut found: impl FnMut(&str, &str),
    ) -> (String, Option<String>) {
        // Before the first slash there is nothing.
        let mut pieces: Vec<&str> = path.split('/').collect();
        for (at, placeholder) in &self.segments {
            if let Some(piece) = pieces.get_mut(at + 1) {
                found(piece, placeholder);
                *piece = placeholder;
            }
        }
        let query = query.map(|query| {
            let pairs = query.split('&').map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                match self.query.iter().find(|(known, _)| known == name) {
                    Some((_, placeholder)) => {
                        found(value, placeholder);
                        format!("{name}={placeholder}")
                    }
                    None => pair.to_owned(),
                }
            });
            pairs.collect::<Vec<_>>().join("&")
        });
        (pieces.join("/"), query)
    }
}

/// `masked`, `masked2`, …
fn is_named_masked(capture: &str) -> bool {
    capture.strip_prefix("masked").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_place_of_a_secret_is_one() {
        let text = r#"{"version":1,"method":"GET","origin":"http://a.test","path":"/use/{token}/as/{name}/{masked2}","scenarios":[
            {"name":"ok","request":{"captures":{"token":"retake-secret-abcdefghij","name":"bob"},
             "query":["cursor=retake-secret-abcdefghij","page=2"]},"response":{"status":200}}]}"#;
        let stub: Stub = serde_json::from_str(text).unwrap();
        let places = SecretPlaces::of(&stub, &stub.scenarios[0]).unwrap();
        let mut found = Vec::new();
        let (path, query) =
            places.masked("/use/s3cr3t/as/bob/th1rd", Some("page=2&cursor=0th3r"), |secret, placeholder| {
                found.push((secret.to_owned(), placeholder.to_owned()));
            });
        assert_eq!(path, "/use/retake-secret-abcdefghij/as/bob/{masked2}");
        assert_eq!(query.as_deref(), Some("page=2&cursor=retake-secret-abcdefghij"));
        assert_eq!(found.iter().map(|(secret, _)| secret.as_str()).collect::<Vec<_>>(), ["s3cr3t", "th1rd", "0th3r"]);
        let plain: Stub =
            serde_json::from_str(&text.replace("retake-secret-abcdefghij", "alice").replace("masked2", "maskedman"))
                .unwrap();
        assert_eq!(SecretPlaces::of(&plain, &plain.scenarios[0]), None);
    }
}
