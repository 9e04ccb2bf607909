//! What must hold for any collection and any call: of matchers, expressions in paths, priorities and the hash alike.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::{call, collection, name_of};
use super::{Index, Selection, Untouched};
use crate::collection::{Profile, Stub, StubFile};

/// Every profile.
pub(crate) const PROFILES: [Profile; 3] = [Profile::Best, Profile::Strict, Profile::Postman];

fn query() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::collection::vec(
        prop_oneof![
            3 => Just("p=1"),
            3 => Just("p=2"),
            3 => Just("q=1"),
            3 => Just("t=retake-token-abcdefghij"),
            1 => Just("query={a+b}"),
            1 => Just("query={+a,+b+}"),
            1 => Just("variables={%22n%22:[1]}"),
            1 => Just("variables={%22n%22:+[1.0]}"),
            1 => Just("variables={%22n%22:{%220%22:1}}"),
        ],
        0..3,
    )
}

fn body() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        2 => Just(None),
        4 => (0..4_u8, 0..3_u8).prop_map(|(n, m)| Some(json!({"n": n, "m": {"k": m}, "x": [n]}))),
        1 => Just(Some(json!({"n": 1.0, "m": {"k": 0}, "x": [1]}))),
        1 => Just(Some(json!({"query": "query A { a, b }", "n": 1}))),
        1 => Just(Some(json!({"query": "query A{a b}", "n": 1}))),
        1 => Just(Some(json!({"n": "retake-token-abcdefghij"}))),
        1 => Just(Some(json!({"n": 1, "m": {"k": 0}, "x": {"0": 1}}))),
    ]
}

fn matcher() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"place": "query", "name": "p", "is": {"regex": "^[12]$"}})),
        Just(json!({"place": "query", "name": "p", "is": {"not": {"equals": "2"}}})),
        Just(json!({"place": "json", "name": "/n", "is": {"number": 1, "tolerance": 1}})),
        Just(json!({"place": "json", "name": "$.x[*]", "is": {"one_of": [0, 2]}})),
        Just(json!({"place": "json", "name": "", "is": {"contains": {"m": {"k": 1}}}})),
        Just(json!({"place": "path", "name": "x", "is": {"prefix": "a"}})),
    ]
}

fn rules() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => Just(json!([])),
        1 => Just(json!([{"place": "query", "name": "q", "action": "ignore"}])),
        1 => Just(json!([{"place": "json", "name": "/n", "action": "any"}])),
        1 => Just(json!([{"place": "json", "name": "/n", "action": "match", "is": {"not": {"equals": 3}}}])),
    ]
}

fn scenario(has_capture: bool) -> impl Strategy<Value = Value> {
    let captures = prop_oneof![Just(json!({})), Just(json!({"x": "a"})), Just(json!({"x": "b"}))];
    let matchers = prop_oneof![6 => Just(Vec::new()), 1 => proptest::collection::vec(matcher(), 1..3)];
    let priority = prop_oneof![8 => Just(Value::Null), 1 => Just(json!(1)), 1 => Just(json!(-1))];
    (captures, query(), body(), matchers, priority, 0..10_u8).prop_map(
        move |(captures, query, body, mut matchers, priority, odd)| {
            matchers.retain(|it| has_capture || it["place"] != "path");
            let mut request = json!({"query": query, "matchers": matchers});
            if has_capture {
                request["captures"] = captures;
            }
            if let Some(body) = body {
                request["body"] = json!({ "json": body });
                request["media_type"] = "application/json".into();
            }
            let mut scenario = json!({"request": request, "response": {"status": 200}});
            if !priority.is_null() {
                scenario["priority"] = priority;
            }
            if odd == 0 {
                scenario["disabled"] = true.into();
            }
            scenario
        },
    )
}

/// A stub with so many scenarios; paths of different kinds that all take `/o/a`.
pub(crate) fn stub(scenarios: std::ops::Range<usize>) -> impl Strategy<Value = Value> {
    let path = prop_oneof![Just("/o/{x}"), Just("/o/{x:[ab]}"), Just("/o/a"), Just("/o/*"), Just("/{x}/a")];
    path.prop_flat_map(move |path| {
        let scenarios = proptest::collection::vec(scenario(path.contains('x')), scenarios.clone());
        (Just(path), scenarios, rules(), -1..2_i32, proptest::bool::weighted(0.3)).prop_map(
            |(path, mut scenarios, rules, priority, default)| {
                if default && let Some(first) = scenarios.first_mut() {
                    first["default"] = true.into();
                }
                json!({"version": 1, "method": "POST", "origin": "https://a.test", "path": path, "rules": rules,
                    "priority": priority, "scenarios": scenarios})
            },
        )
    })
}

/// The stubs as files, in this order, each scenario with a name of its own.
pub(crate) fn files(stubs: &[Value]) -> Vec<StubFile> {
    let file = |(at, stub): (usize, &Value)| {
        let mut stub = stub.clone();
        for (number, scenario) in stub["scenarios"].as_array_mut().unwrap().iter_mut().enumerate() {
            scenario["name"] = format!("s{at}-{number}").into();
        }
        let stub: Stub = serde_json::from_value(stub).unwrap();
        StubFile { path: format!("stubs/a.test/{at}.json"), stub: stub.into() }
    };
    stubs.iter().enumerate().map(file).collect()
}

fn index(files: Vec<StubFile>) -> Index {
    let mut source = collection(&["https://a.test", "https://b.test"], &[]);
    Arc::get_mut(&mut source.collection).unwrap().stubs = files;
    Index::new(vec![source])
}

/// A call in a line, as `call` reads it.
pub(crate) fn line() -> impl Strategy<Value = String> {
    (prop_oneof![Just("/o/a"), Just("/o/b")], query(), body()).prop_map(|(path, query, body)| {
        let mark = if query.is_empty() { "" } else { "?" };
        let body = body.map(|body| format!(" {body}")).unwrap_or_default();
        format!("POST {path}{mark}{}{body}", query.join("&"))
    })
}

/// Who answers, and whether exactly; what replay says is what explain says.
fn answer(index: &Index, line: &str, profile: Profile) -> Option<(String, bool)> {
    let call = call(line);
    let ranked = index.rank(&call, profile, &Untouched);
    let first = ranked.first().filter(|first| first.qualified);
    match index.select(&call, profile, &Untouched) {
        Selection::Hit(hit) => {
            let first = first.expect("explain knows one as well");
            assert_eq!((first.at, &first.evaluation), (hit.at, &hit.evaluation), "{profile:?} {line}");
            Some((name_of(index, hit.at).to_owned(), hit.evaluation.is_exact()))
        }
        Selection::Miss(_) => {
            assert!(first.is_none(), "explain says that {:?} answers {line}", first.map(|it| name_of(index, it.at)));
            None
        }
    }
}

proptest! {
    #[test]
    fn what_is_looked_up_is_what_comparing_all_finds(stub in stub(8..30), lines in proptest::collection::vec(line(), 1..6)) {
        let index = index(files(&[stub]));
        for line in &lines {
            for profile in PROFILES {
                answer(&index, line, profile);
            }
        }
    }

    #[test]
    fn neither_order_nor_unrelated_stubs_change_an_answer(
        stubs in proptest::collection::vec(stub(1..12), 1..4),
        turn in 0_usize..4,
        line in line(),
    ) {
        let files = files(&stubs);
        let unrelated = [
            json!({"version": 1, "method": "POST", "origin": "https://a.test", "path": "/other/{x:.*}", "priority": 9,
                "scenarios": [{"response": {"status": 200}}]}),
            json!({"version": 1, "method": "POST", "origin": "https://b.test", "path": "/**", "priority": 9,
                "scenarios": [{"response": {"status": 200}}]}),
            json!({"version": 1, "method": "PUT", "origin": "https://a.test", "path": "/o/a", "priority": 9,
                "scenarios": [{"response": {"status": 200}}]}),
        ];
        for profile in PROFILES {
            let expected = answer(&index(files.clone()), &line, profile);
            let mut turned = files.clone();
            turned.rotate_left(turn % stubs.len());
            prop_assert_eq!(&answer(&index(turned.clone()), &line, profile), &expected, "whatever the order");
            let more = self::files(&unrelated).into_iter().map(|file| StubFile { path: format!("stubs/a/{}", file.path), ..file });
            turned.splice(0..0, more);
            if profile != Profile::Postman {
                prop_assert_eq!(&answer(&index(turned), &line, profile), &expected, "whatever else there is");
            }
        }
    }

    #[test]
    fn a_recorded_request_hits_its_own_scenario(stub in stub(1..30), which in any::<prop::sample::Index>()) {
        let mut stub = stub;
        let scenarios = stub["scenarios"].as_array_mut().unwrap();
        // As promotion writes them: no two alike, nothing asked for by hand.
        for scenario in scenarios.iter_mut() {
            let members = scenario.as_object_mut().unwrap();
            ["priority", "disabled", "default"].iter().for_each(|name| drop(members.remove(*name)));
            members["request"].as_object_mut().unwrap().remove("matchers");
        }
        for (at, scenario) in scenarios.iter_mut().enumerate() {
            let query = scenario["request"]["query"].as_array_mut().unwrap();
            query.push(format!("own={at}").into());
        }
        stub["rules"] = json!([]);
        let files = files(&[stub]);
        let at = which.index(files[0].stub.scenarios.len());
        let own = files[0].stub.scenarios[at].clone();
        let target = files[0].stub.example_target(&own);
        // A capture that the scenario leaves open takes its own name, which not every expression does.
        prop_assume!(!files[0].stub.path.as_str().contains(':') || own.request.captures.contains_key("x"));
        let body = own.request.body.as_ref().and_then(|body| body.json.as_ref());
        let line = format!("POST {target}{}", body.map(|body| format!(" {body}")).unwrap_or_default());
        let index = index(files);
        for profile in [Profile::Best, Profile::Strict] {
            prop_assert_eq!(answer(&index, &line, profile), Some((own.name.clone(), true)), "{}", line);
        }
    }
}
