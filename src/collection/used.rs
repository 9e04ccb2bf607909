//! Whether a rule has anything to look at in a stub.

use serde_json::Value;

use super::body::BodySpec;
use super::rule::{Place, Rule, RuleAction, RuleSide};
use super::stub::Stub;

/// Whether some scenario of the stub has the item that a rule is about. `content` gives the bytes of a body, or none
/// when it is too large to be looked into: then the answer is yes.
pub fn is_used(rule: &Rule, stub: &Stub, content: &dyn Fn(&BodySpec) -> Option<Vec<u8>>) -> bool {
    let in_body = |body: &BodySpec, is: &dyn Fn(&[u8]) -> bool| content(body).is_none_or(|bytes| is(&bytes));
    let has_member =
        |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).is_ok_and(|value| has(&value, &segments(&rule.name)));
    let requests = || stub.scenarios.iter().map(|scenario| &scenario.request);
    let bodies = || requests().filter_map(|request| request.body.as_ref());
    if rule.action == RuleAction::Match && rule.side == RuleSide::Request {
        // It is about calls, whatever was recorded.
        return true;
    }
    match (rule.side, rule.place) {
        (RuleSide::Response, place) => {
            let mut steps = stub.scenarios.iter().flat_map(|scenario| scenario.steps());
            steps.any(|step| match place {
                Place::Field => step.fields.iter().chain(&step.trailers).any(|line| line.0.is(&rule.name)),
                _ => step.body.as_ref().is_some_and(|body| in_body(body, &has_member)),
            })
        }
        (_, Place::Path) => stub.path.captures().any(|name| name == rule.name),
        (_, Place::Query) => {
            let mut pairs = stub.defaults.query.iter().chain(requests().flat_map(|request| &request.query));
            pairs.any(|pair| pair.decoded().0 == rule.name)
        }
        (_, Place::Field) => {
            let mut lines = stub.defaults.fields.iter().chain(requests().flat_map(|request| &request.fields));
            lines.any(|line| line.0.is(&rule.name))
        }
        (_, Place::Body) => false,
        (_, Place::Cookie) => {
            let lines = stub.defaults.fields.iter().chain(requests().flat_map(|request| &request.fields));
            let text = |line: &super::FieldLine| line.0.text().into_owned();
            lines.filter(|line| line.0.is("cookie")).any(|line| {
                text(line).split(';').any(|pair| pair.split('=').next().unwrap_or_default().trim() == rule.name)
            })
        }
        (_, Place::Xml) => {
            // The name of the element or attribute, wherever it stands.
            let last = rule.name.rsplit(['/', '@', '}']).next().unwrap_or_default();
            let name = last.split('[').next().unwrap_or_default().trim_start_matches('*');
            bodies().any(|body| in_body(body, &|bytes| memchr::memmem::find(bytes, name.as_bytes()).is_some()))
        }
        (_, Place::Json) => bodies().any(|body| in_body(body, &has_member)),
        (_, Place::Form) => {
            let has_pair = |bytes: &[u8]| {
                form_urlencoded::parse(bytes).any(|(name, _)| name == rule.name)
                    || memchr::memmem::find(bytes, format!("name=\"{}\"", rule.name).as_bytes()).is_some()
            };
            bodies().any(|body| in_body(body, &has_pair))
        }
    }
}

/// The segments of a JSON pointer, unescaped but for `*`, which is any one.
fn segments(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect()
}

fn has(value: &Value, segments: &[String]) -> bool {
    let [first, rest @ ..] = segments else { return true };
    match value {
        Value::Object(members) if first == "*" => members.values().any(|member| has(member, rest)),
        Value::Object(members) => members.get(first).is_some_and(|member| has(member, rest)),
        Value::Array(items) if first == "*" => items.iter().any(|item| has(item, rest)),
        Value::Array(items) => first.parse().ok().and_then(|at: usize| items.get(at)).is_some_and(|it| has(it, rest)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_is_used_where_its_item_is() {
        let stub = json!({"version": 1, "method": "POST", "origin": "https://a.test", "path": "/a/{id}",
            "defaults": {"query": ["v=1"]},
            "scenarios": [
                {"name": "json", "request": {"fields": ["Accept: a"], "body": {"json": {"items": [{"sku": "x"}]}}},
                    "response": {"status": 200, "fields": ["ETag: x"], "body": {"json": {"id": 7}}}},
                {"name": "form", "request": {"query": ["a%20b=c"], "fields": ["Cookie: sid=1; theme=dark"], "body": {"text": "x=1&y=2"}}, "response": {"status": 200}},
                {"name": "xml", "request": {"body": {"text": "<o><item n='1'/></o>"}}, "response": {"status": 200}}]});
        let stub: Stub = serde_json::from_value(stub).unwrap();
        let content = |body: &BodySpec| match (&body.json, &body.text) {
            (Some(json), _) => Some(json.text().to_owned().into_bytes()),
            (_, text) => text.clone().map(String::into_bytes),
        };
        let used = |rule: Value| {
            let mut rule = rule;
            rule["action"] = "ignore".into();
            is_used(&serde_json::from_value(rule).unwrap(), &stub, &content)
        };
        for (place, names) in [
            ("path", &["id", "-idx"][..]),
            ("query", &["v", "a b", "-b"]),
            ("field", &["accept", "-etag"]),
            ("cookie", &["sid", "theme", "-dark"]),
            ("json", &["/items/*/sku", "/items/0/sku", "", "-/items/1/sku", "-/sku"]),
            ("form", &["x", "y", "-z"]),
            ("xml", &["/o/item[2]", "/o/*", "/o/item/@n", "-/o/note", "-/o/@id"]),
        ] {
            for name in names {
                let (expected, name) = name.strip_prefix('-').map_or((true, *name), |name| (false, name));
                assert_eq!(used(json!({"place": place, "name": name})), expected, "{place} {name}");
            }
        }
        assert!(used(json!({"in": "response", "place": "field", "name": "etag"})));
        assert!(used(json!({"in": "response", "place": "json", "name": "/id"})));
        assert!(!used(json!({"in": "response", "place": "json", "name": "/items"})));
        let rule = Rule::new(Place::Json, "/none", super::super::RuleAction::Ignore);
        assert!(is_used(&rule, &stub, &|_| None), "what cannot be looked into may have it");
    }
}
