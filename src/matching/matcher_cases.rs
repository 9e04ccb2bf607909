//! Matchers as a person writes them, through the index: the table of `docs/matching.md`, in every profile.

use serde_json::{Value, json};

use super::tests::{call, collection, name_of};
use super::{Call, Index, Part, Reason, Selection, Untouched};
use crate::collection::{Profile, Stub, StubFile};

/// An index of these stubs, each without version and origin.
fn index(stubs: &[Value]) -> Index {
    let mut source = collection(&[], &[]);
    let files = &mut std::sync::Arc::make_mut(&mut source.collection).stubs;
    for (at, stub) in stubs.iter().enumerate() {
        let mut stub = stub.clone();
        stub["version"] = 1.into();
        stub["origin"] = "https://a.test".into();
        let stub: Stub = serde_json::from_value(stub).expect("a stub");
        assert_eq!(crate::collection::check::stub(&stub), [], "the stub is sound");
        files.push(StubFile { path: format!("stubs/a.test/{at}.json"), stub: stub.into() });
    }
    Index::new(vec![source])
}

/// A stub with one scenario of this request.
fn one(path: &str, request: Value) -> Value {
    json!({"method": "POST", "path": path, "scenarios": [{"name": "it", "request": request, "response": {"status": 200}}]})
}

fn answer(index: &Index, call: &Call, profile: Profile) -> String {
    match index.select(call, profile, &Untouched) {
        Selection::Hit(hit) if hit.evaluation.is_exact() => name_of(index, hit.at).to_owned(),
        Selection::Hit(hit) => format!("~{}", name_of(index, hit.at)),
        Selection::Miss(_) => "miss".into(),
    }
}

fn at_ten(line: &str) -> Call {
    Call { at: "2026-11-20T10:00:00Z".parse().unwrap(), ..call(line) }
}

/// A request for which the one call is an exact hit, and the other a miss; in every profile.
#[track_caller]
fn check(request: Value, good: &str, bad: &str) {
    let stub = one("/o/{id}", request);
    let index = index(std::slice::from_ref(&stub));
    for profile in [Profile::Best, Profile::Strict, Profile::Postman] {
        assert_eq!(answer(&index, &at_ten(good), profile), "it", "{profile:?} {good} for {stub}");
        assert_eq!(answer(&index, &at_ten(bad), profile), "miss", "{profile:?} {bad} for {stub}");
    }
}

fn matching(place: &str, name: &str, is: Value) -> Value {
    json!({ "matchers": [{ "place": place, "name": name, "is": is }] })
}

#[test]
fn every_place_can_be_matched() {
    check(matching("path", "id", json!({"prefix": "ord_"})), "POST /o/ord_1", "POST /o/x1");
    check(matching("query", "q", json!({"regex": "^t.a$"})), "POST /o/1?q=tea", "POST /o/1?q=coffee");
    check(matching("query", "q", json!({"present": true})), "POST /o/1?q=x", "POST /o/1");
    check(matching("query", "q", json!({"absent": true})), "POST /o/1", "POST /o/1?q=x");
    check(matching("field", "x-api", json!({"one_of": ["1", "2"]})), "POST /o/1 X-Api:2", "POST /o/1 X-Api:3");
    check(matching("field", "X-Api", json!({"not": {"equals": "3"}})), "POST /o/1", "POST /o/1 X-Api:3");
    check(matching("cookie", "s", json!({"glob": "a*z"})), "POST /o/1 Cookie:t=1;s=abcz", "POST /o/1 Cookie:t=abcz");
    check(
        matching("json", "/n", json!({"number": 10, "tolerance": 0.5})),
        "POST /o/1 {\"n\":10.4}",
        "POST /o/1 {\"n\":11}",
    );
    check(
        matching("json", "/at", json!({"within": "1h"})),
        "POST /o/1 {\"at\":\"2026-11-20T09:10:00Z\"}",
        "POST /o/1 {\"at\":\"2026-11-20T08:10:00Z\"}",
    );
    check(
        matching("json", "/items/*/id", json!({"equals": "b"})),
        "POST /o/1 {\"items\":[{\"id\":\"a\"},{\"id\":\"b\"}]}",
        "POST /o/1 {\"items\":[{\"id\":\"a\"}]}",
    );
    check(
        matching("json", "$.items[?@.k == 1].v", json!({"equals": 7})),
        "POST /o/1 {\"items\":[{\"k\":0,\"v\":6},{\"k\":1,\"v\":7}]}",
        "POST /o/1 {\"items\":[{\"k\":0,\"v\":7}]}",
    );
    check(
        matching("json", "", json!({"contains": {"a": {"b": 1}}})),
        "POST /o/1 {\"a\":{\"b\":1,\"c\":2},\"d\":3}",
        "POST /o/1 {\"a\":{\"b\":2}}",
    );
    check(
        matching("json", "/tags", json!({"equals": ["a", "b"], "any_order": true})),
        "POST /o/1 {\"tags\":[\"b\",\"a\"],\"x\":1}",
        "POST /o/1 {\"tags\":[\"b\"]}",
    );
    check(
        matching("form", "name", json!({"equals": "TEA", "ignore_case": true})),
        "POST /o/1 name=tea&n=1",
        "POST /o/1 name=te",
    );
    check(matching("body", "", json!({"contains": "hello"})), "POST /o/1 say-hello-now", "POST /o/1 say-nothing");
    check(
        matching("body", "", json!({"graphql": {"operation": "Me", "variables": {"n": 1}}})),
        "POST /o/1 {\"query\":\"query Me{me}\",\"variables\":{\"n\":1}}",
        "POST /o/1 {\"query\":\"query Me{me}\",\"variables\":{\"n\":2}}",
    );
}

#[test]
fn texts_and_attributes_of_xml_are_matched_by_their_paths() {
    let own = "<o:order xmlns:o='urn:o' id='1'><o:item n='1'>tea</o:item><o:item n='2'>cake</o:item></o:order>";
    let request = |name: &str, is: Value| {
        json!({ "media_type": "application/xml", "body": { "text": own },
            "matchers": [{ "place": "xml", "name": name, "is": is }] })
    };
    for (name, is, replace, by, expected) in [
        ("/order/@id", json!({"regex": "^[0-9]+$"}), "id='1'", "id='77'", "it"),
        ("/order/@id", json!({"regex": "^[0-9]+$"}), "id='1'", "id='x'", "miss"),
        ("/order/@id", json!({"absent": true}), " id='1'", "", "it"),
        ("/order/item[2]", json!({"prefix": "c"}), "cake", "coffee", "it"),
        ("/order/item[1]", json!({"prefix": "t"}), "cake", "coffee", "miss"),
        ("/order/item", json!({"equals": "cake"}), "tea", "milk", "it"),
        ("/order/item", json!({"equals": "cake"}), "n='1'", "n='9'", "miss"),
        ("/*/*/@n", json!({"present": true}), "n='2'", "n='9'", "it"),
    ] {
        let index = index(&[one("/o", request(name, is.clone()))]);
        let mut sent = call("POST /o");
        sent.fields.push("Content-Type", "application/xml");
        sent.body = own.replace(replace, by).into();
        assert_eq!(answer(&index, &sent, Profile::Best), expected, "{name} {is} with {by}");
        sent.body = own.into();
        let own_call = answer(&index, &sent, Profile::Best);
        assert_eq!(own_call == "it", is != json!({"absent": true}), "{name} {is}");
    }
}

#[test]
fn rules_let_values_of_xml_be_others() {
    let own = "<o:order xmlns:o='urn:o' id='1'><o:item n='1'>tea</o:item><o:item n='2'>cake</o:item>\
               <o:ref>0193f3a2-7c1e-7d30-9a55-2f6f0c1be001</o:ref><o:meta at='1'><o:by>me</o:by></o:meta></o:order>";
    let uuid = "0193f3a2-7c1e-7d30-9a55-2f6f0c1be002";
    let ignore = |name: &str| json!({ "place": "xml", "name": name, "action": "ignore" });
    let any = |name: &str| json!({ "place": "xml", "name": name, "action": "any" });
    let uuids = json!({ "place": "xml", "name": "/order/ref", "action": "any", "shape": "uuid" });
    let meta = "<o:meta at='1'><o:by>me</o:by></o:meta>";
    for (rule, replace, by, expected) in [
        (any("/order/item"), "tea", "milk", "it"),
        (any("/order/item"), "tea", "", "miss"),
        (any("/order/item"), "n='1'", "n='7'", "miss"),
        (any("/order/item[1]"), "cake", "milk", "miss"),
        (any("/order/*/@n"), "n='2'", "n='7'", "it"),
        (any("/order/@id"), "id='1'", "id='7'", "it"),
        (any("/order/@id"), " id='1'", "", "miss"),
        (ignore("/order/@id"), " id='1'", "", "it"),
        (ignore("/order/meta"), meta, "", "it"),
        (ignore("/order/meta"), meta, "<o:meta><o:at>8</o:at></o:meta>", "it"),
        (ignore("/order/meta/@at"), meta, "", "~it"),
        (ignore("/order/note"), "</o:order>", "<o:note a='1'>quick</o:note></o:order>", "it"),
        (uuids.clone(), "0193f3a2-7c1e-7d30-9a55-2f6f0c1be001", uuid, "it"),
        (uuids, "0193f3a2-7c1e-7d30-9a55-2f6f0c1be001", "none", "miss"),
    ] {
        let mut stub = one("/o", json!({ "media_type": "application/xml", "body": { "text": own } }));
        stub["rules"] = json!([rule]);
        let index = index(&[stub]);
        let mut sent = call("POST /o Content-Type:application/xml");
        sent.body = own.replace(replace, by).into();
        assert_eq!(answer(&index, &sent, Profile::Best), expected, "{rule} with {by}");
        sent.body = own.into();
        assert_eq!(answer(&index, &sent, Profile::Strict), "it", "{rule}");
    }
}

#[test]
fn a_fresh_value_of_xml_stands_for_a_recorded_one() {
    let order = |id: u32| format!("<order><id>{id}</id></order>");
    let scenario = |name: &str, id: u32| {
        json!({ "name": name, "request": { "media_type": "application/xml", "body": { "text": order(id) } },
            "response": { "status": 200 } })
    };
    let index = index(&[json!({ "method": "POST", "path": "/o",
        "rules": [{ "place": "xml", "name": "/order/id", "action": "fresh", "shape": "integer" }],
        "scenarios": [scenario("tea", 1001), scenario("coffee", 1002)] })]);
    for (id, expected) in [(1001, "tea"), (1002, "coffee"), (7, "tea")] {
        let mut sent = call("POST /o Content-Type:application/xml");
        sent.body = order(id).into();
        assert_eq!(answer(&index, &sent, Profile::Best), expected, "{id}");
    }
}

#[test]
fn parts_of_a_multipart_body_are_matched_whatever_the_boundary() {
    let index = index(&[one("/o", matching("form", "note", json!({"prefix": "hi"})))]);
    for (boundary, text, expected) in [("x", "hi there", "it"), ("yy", "hi", "it"), ("x", "ho", "miss")] {
        let mut upload = call("POST /o");
        upload.fields.push("Content-Type", format!("multipart/form-data; boundary={boundary}"));
        let part = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n{text}\r\n--{boundary}--\r\n"
        );
        upload.body = part.into();
        assert_eq!(answer(&index, &upload, Profile::Best), expected, "{text}");
    }
}

#[test]
fn what_is_matched_is_not_compared_and_the_rest_is() {
    let request = json!({
        "query": ["q=tea", "page=1"], "fields": ["X-Id: 1"], "media_type": "application/json",
        "body": {"json": {"total": 9.5, "at": "2026-11-20T09:00:00Z", "items": [1, 2]}},
        "matchers": [
            {"place": "query", "name": "q", "is": {"not": {"equals": ""}}},
            {"place": "field", "name": "X-Id", "is": {"shape": "integer"}},
            {"place": "json", "name": "/total", "is": {"tolerance": 1}},
            {"place": "json", "name": "/at", "is": {"within": "30m", "of": "recorded"}},
            {"place": "json", "name": "$.items", "is": {"present": true}},
        ],
    });
    let index = index(&[one("/o", request)]);
    let body = |total: &str, at: &str| format!("{{\"total\":{total},\"at\":\"2026-11-20T{at}:00Z\",\"items\":[5]}}");
    for (line, expected) in [
        (format!("POST /o?q=coffee&page=1 X-Id:77 {}", body("10", "09:20")), "it"),
        (format!("POST /o?q=coffee&page=1 X-Id:77 {}", body("11", "09:20")), "miss"),
        (format!("POST /o?q=coffee&page=1 X-Id:77 {}", body("10", "09:31")), "miss"),
        (format!("POST /o?q=coffee&page=2 X-Id:77 {}", body("10", "09:20")), "miss"),
        (format!("POST /o?q=coffee&page=1&z=1 X-Id:77 {}", body("10", "09:20")), "~it"),
        (format!("POST /o?q=coffee&page=1 X-Id:x {}", body("10", "09:20")), "miss"),
        (format!("POST /o?q=&page=1 X-Id:77 {}", body("10", "09:20")), "miss"),
    ] {
        assert_eq!(answer(&index, &call(&line), Profile::Best), expected, "{line}");
    }
}

#[test]
fn a_part_that_is_switched_off_is_still_matched() {
    let mut stub = one("/o", matching("json", "/kind", json!({"equals": "a"})));
    stub["match"] = json!({"body": false, "query": false});
    let index = index(&[stub]);
    assert_eq!(answer(&index, &call("POST /o?x=1 {\"kind\":\"a\",\"n\":1}"), Profile::Strict), "it");
    assert_eq!(answer(&index, &call("POST /o {\"kind\":\"b\"}"), Profile::Best), "miss");
    let steered = call("POST /o X-Mock-Match-Request-Body:false {\"kind\":\"b\"}");
    assert_eq!(answer(&index, &steered, Profile::Best), "it", "the call says that its body does not count");
}

#[test]
fn a_rule_matches_in_every_scenario_and_a_scenario_goes_before_it() {
    let stub = json!({"method": "POST", "path": "/o",
    "rules": [
        {"place": "query", "name": "t", "action": "match", "is": {"regex": "^[0-9]+$"}, "why": "a moment"},
        {"place": "query", "name": "t", "action": "ignore"},
        {"place": "cookie", "name": "track", "action": "ignore"},
    ],
    "scenarios": [
        {"name": "a", "request": {"query": ["k=a", "t=1"], "fields": ["Cookie: s=1; track=x"]}, "response": {"status": 200}},
        {"name": "b", "request": {"query": ["k=b"]}, "response": {"status": 200}},
        {"name": "c", "request": {"query": ["k=c"], "matchers": [{"place": "query", "name": "t", "is": {"equals": "x"}}]}, "response": {"status": 200}},
    ]});
    let index = index(&[stub]);
    for (line, expected) in [
        ("POST /o?k=a&t=99 Cookie:track=y;s=1", "a"),
        ("POST /o?k=a&t=99 Cookie:s=2;track=x", "miss"),
        ("POST /o?k=a&t=x Cookie:s=1", "miss"),
        ("POST /o?k=a Cookie:s=1", "miss"),
        ("POST /o?k=b", "b"),
        ("POST /o?k=b&t=5", "b"),
        ("POST /o?k=b&t=x", "miss"),
        ("POST /o?k=c&t=x", "c"),
        ("POST /o?k=c&t=5", "miss"),
    ] {
        assert_eq!(answer(&index, &call(line), Profile::Best), expected, "{line}");
    }
}

#[test]
fn a_miss_tells_what_was_asked_for() {
    let index = index(&[one("/o", matching("json", "/id", json!({"regex": "^ord_"})))]);
    let Selection::Miss(miss) = index.select(&call("POST /o {\"id\":\"x\"}"), Profile::Best, &Untouched) else {
        panic!("a hit")
    };
    assert_eq!(miss.reason, Reason::Body);
    let item = &miss.near[0].evaluation.part(Part::Body).items[0];
    assert_eq!(
        (item.name.as_str(), item.expected.as_deref(), item.got.as_deref()),
        ("/id", Some("matches /^ord_/"), Some("\"x\""))
    );
}

#[test]
fn xml_compares_by_structure() {
    let body = json!({"text": "<o a='1' b='2'><i>tea</i><s>retake-password-abcdefghij</s></o>"});
    let index = index(&[one("/o", json!({"media_type": "application/xml", "body": body}))]);
    for (text, expected) in [
        ("<o b=\"2\" a=\"1\">\n<i>tea</i>\n<s>hunter2</s>\n</o>", "it"),
        ("<o b='2' a='1'><i>tea</i><s>hunter2</s><n/></o>", "~it"),
        ("<o b='2' a='1'><i>tea</i><s></s></o>", "miss"),
        ("<o b='2' a='1'><i>milk</i><s>x</s></o>", "miss"),
        ("<o b='2' a='1'><i>tea</i><s>x</s>", "miss"),
    ] {
        let mut order = call("POST /o Content-Type:application/xml");
        order.body = text.into();
        assert_eq!(answer(&index, &order, Profile::Best), expected, "{text}");
    }
}

#[test]
fn paths_with_expressions_go_between_literals_and_captures() {
    let stub = |path: &str, name: &str| json!({"method": "GET", "path": path, "scenarios": [{"name": name, "response": {"status": 200}}]});
    let index = index(&[
        stub("/u/*", "any"),
        stub("/u/{id}", "capture"),
        stub("/u/{id:[0-9]+}", "number"),
        stub("/u/me", "literal"),
        stub("/u/{id:[0-9]+}/posts", "posts"),
    ]);
    for (line, best) in [
        ("GET /u/me", "literal"),
        ("GET /u/17", "number"),
        ("GET /u/%31%37", "number"),
        ("GET /u/1a", "capture"),
        ("GET /u/17/posts", "posts"),
        ("GET /u/x/posts", "miss"),
    ] {
        assert_eq!(answer(&index, &call(line), Profile::Strict), best, "{line}");
    }
    assert_eq!(answer(&index, &call("GET /u/17/posts"), Profile::Postman), "posts");
    let valued = json!({"method": "GET", "path": "/u/{id:[0-9]+}",
        "scenarios": [{"name": "seven", "request": {"captures": {"id": "7"}}, "response": {"status": 200}}]});
    let index = self::index(&[valued]);
    assert_eq!(answer(&index, &call("GET /u/7"), Profile::Strict), "seven");
    assert_eq!(answer(&index, &call("GET /u/8"), Profile::Best), "miss");
}

#[test]
fn priorities_go_before_everything_but_the_role() {
    let stub = |path: &str, priority: i32, scenarios: Value| json!({"method": "GET", "path": path, "priority": priority, "scenarios": scenarios});
    let scenario = |name: &str, more: Value| {
        let mut scenario = json!({"name": name, "response": {"status": 200}});
        scenario.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        scenario
    };
    let index = index(&[
        stub(
            "/p/{x}",
            5,
            json!([
                scenario("wide", json!({})),
                scenario("low", json!({"priority": 0, "request": {"query": ["a=1"]}}))
            ]),
        ),
        stub(
            "/p/a",
            0,
            json!([
                scenario("narrow", json!({})),
                scenario("high", json!({"priority": 9, "request": {"query": ["h=1"]}}))
            ]),
        ),
    ]);
    assert_eq!(answer(&index, &call("GET /p/a"), Profile::Best), "wide");
    assert_eq!(answer(&index, &call("GET /p/a?h=1"), Profile::Best), "high");
    assert_eq!(answer(&index, &call("GET /p/a?a=1"), Profile::Best), "low");
}

/// The table of `docs/matching.md`.
#[test]
fn worked_examples() {
    let regex = json!({"place": "query", "name": "q", "is": {"regex": "^t.a$"}});
    let number = json!({"place": "json", "name": "/n", "is": {"number": 10, "tolerance": 0.5}});
    let not = json!({"place": "field", "name": "X-Api", "is": {"not": {"equals": "3"}}});
    for (request, line, score, answers) in [
        (json!({"matchers": [regex]}), "POST /o?q=tea", 100.0, "it"),
        (json!({"matchers": [regex], "query": ["page=1"]}), "POST /o?q=tea&page=1&x=1", 66.67, "~it"),
        (json!({"matchers": [regex]}), "POST /o?q=coffee", 0.0, "miss"),
        (json!({"matchers": [not]}), "POST /o", 100.0, "it"),
        (json!({"matchers": [number]}), "POST /o {\"n\":10.4,\"x\":1}", 100.0, "it"),
    ] {
        let index = index(&[one("/o", request)]);
        let ranked = index.rank(&call(line), Profile::Best, &Untouched);
        assert!((ranked[0].evaluation.score - score).abs() < 0.01, "{line}: {}", ranked[0].evaluation.score);
        assert_eq!(answer(&index, &call(line), Profile::Best), answers, "{line}");
    }
}
