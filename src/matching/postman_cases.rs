//! The profile `postman` as a table of cases: `docs/matching.md` says what it is, and the tests here pin every number.

use std::sync::Arc;

use super::tests::{call, collection, index, name_of, scenario};
use super::{Evaluation, Index, Reason, Rung, Selection, Source, Untouched};
use crate::collection::{Collection, PostmanSettings, Profile, ResponseSpec};

/// A collection whose settings of the profile are `settings`.
fn with(stubs: &[&str], settings: PostmanSettings) -> Source {
    changed(collection(&[], stubs), |collection| collection.manifest.settings.postman = settings)
}

fn changed(mut source: Source, change: impl FnOnce(&mut Collection)) -> Source {
    change(Arc::make_mut(&mut source.collection));
    source
}

fn served(stubs: &[&str]) -> Index {
    index(vec![collection(&[], stubs)])
}

fn hit(index: &Index, line: &str) -> Option<(String, Evaluation)> {
    match index.select(&call(line), Profile::Postman, &Untouched) {
        Selection::Hit(hit) => Some((name_of(index, hit.at).to_owned(), hit.evaluation)),
        Selection::Miss(_) => None,
    }
}

fn answer(index: &Index, line: &str) -> String {
    hit(index, line).map_or("miss".to_owned(), |(name, _)| name)
}

fn reason(index: &Index, line: &str) -> Option<Reason> {
    match index.select(&call(line), Profile::Postman, &Untouched) {
        Selection::Hit(_) => None,
        Selection::Miss(miss) => Some(miss.reason),
    }
}

#[track_caller]
fn score(stub: &str, line: &str) -> Option<f64> {
    hit(&served(&[stub]), line).map(|(_, evaluation)| (evaluation.score * 100.0).round() / 100.0)
}

/// Every rung, with the 10 of a query and the 5 of a body that are on neither side.
#[test]
fn the_ladder() {
    for (path, called, points) in [
        ("/users/list", "/users/list", Some(100)),
        ("/users/list", "/users/list/", Some(95)),
        ("/users/list", "/USERS/list", Some(90)),
        ("/users/list", "/USERS/list/", Some(85)),
        ("/users/{id}", "/users/7", Some(80)),
        ("/users/{id}", "/users/carol", Some(80)),
        ("/users/17/posts", "/users/18/posts", Some(79)),
        ("/users/170000/posts", "/users/999999/posts/", Some(75)),
        ("/users/list", "/users/lst", Some(70)),
        ("/users/list", "/users/li", Some(70)),
        ("/users/list", "/users/l", None),
        ("/users/{id}", "/users/a/b", None),
        ("/a", "/completely/else", None),
    ] {
        let expected = points.map(|points: u32| f64::from(points) + 15.0);
        assert_eq!(score(&format!("GET {path} | it"), &format!("GET {called}")), expected, "{path} {called}");
    }
}

/// The worked cases of queries.
#[test]
fn queries() {
    for (request, example, change) in [
        ("?a=1&b=2", "?a=1&b=2", 10.0),
        ("?b=2&a=1", "?a=1&b=2", 10.0),
        ("?a=1&b=2", "?a=1&b=3", 5.0),
        ("?a=1&b=2", "?a=1", 5.0),
        ("?a=1&b=2&c=3", "?a=1", 3.33),
        ("?a=1&b=2", "?c=3", -3.0),
        ("?a=1", "?a=9", 0.0),
        ("?a=1", "", -1.0),
        ("", "?a=1", -1.0),
        ("", "", 10.0),
        ("?a=1", "?A=1", -2.0),
        ("?a=1&a=2", "?a=2&a=1", 10.0),
        ("?a=1&a=2", "?a=1&a=3", 5.0),
        ("?a=1&a=1", "?a=1", 5.0),
        ("?a=1&b=1&c=1&d=1&e=1&f=1&g=1", "?h=1&i=1&j=1&k=1&l=1", -10.0),
    ] {
        let got = score(&format!("GET /p | it {example}"), &format!("GET /p{request}"));
        assert_eq!(got, Some(105.0 + change), "{request} against {example}");
    }
}

#[test]
fn the_bounds_are_115_and_60() {
    assert_eq!(score("POST /p | it ?a=1 {\"x\":1}", "POST /p?a=1 {\"x\":1}"), Some(115.0));
    let none = "?a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1";
    assert_eq!(score(&format!("POST /list | it {none} {{\"x\":1}}"), "POST /lst {\"x\":2}"), Some(60.0));
}

#[test]
fn a_body_is_a_bonus_until_it_must_match() {
    let stubs = ["POST /p | tea {\"item\":\"tea\"}", "POST /p | coffee {\"item\":\"coffee\"}", "POST /p/ | rung"];
    let index = served(&stubs);
    assert_eq!(answer(&index, "POST /p {\"item\":\"coffee\"}"), "coffee");
    // Neither is equal: the ids decide.
    assert_eq!(answer(&index, "POST /p {\"item\":\"milk\"}"), "coffee");
    assert_eq!(answer(&index, "POST /p x-mock-match-request-body:true {\"item\":\"milk\"}"), "coffee", "no field yet");
    assert_eq!(answer(&index, "POST /p X-Mock-Match-Request-Body:true {\"item\":\"milk\"}"), "miss");
    assert_eq!(answer(&index, "POST /p X-Mock-Match-Request-Body:true {\"item\":\"tea\"}"), "tea");
    // An equal body outranks a better rung only by what it gives: 95 + 10 + 5 against 100 + 10.
    let near = served(&["POST /p/ | near {\"item\":\"tea\"}", "POST /p | same {\"item\":\"x\"}"]);
    let (name, evaluation) = hit(&near, "POST /p {\"item\":\"tea\"}").unwrap();
    assert_eq!((name.as_str(), evaluation.score), ("same", 110.0), "the tie goes to the id that comes first");
    let set = PostmanSettings { match_body: true, ..PostmanSettings::default() };
    let index = super::tests::index(vec![with(&stubs, set)]);
    assert_eq!(answer(&index, "POST /p {\"item\":\"milk\"}"), "miss");
    assert_eq!(answer(&index, "POST /p X-Mock-Match-Request-Body:false {\"item\":\"milk\"}"), "coffee");
}

#[test]
fn fields_match_only_where_they_are_named_and_whatever_their_case() {
    let stubs = ["GET /p | one Accept:application/json", "GET /p | two Accept:text/html X-B:1"];
    let index = served(&stubs);
    assert_eq!(answer(&index, "GET /p Accept:text/html"), "one", "nothing is named");
    assert_eq!(answer(&index, "GET /p Accept:TEXT/HTML X-Mock-Match-Request-Headers:accept"), "two");
    assert_eq!(answer(&index, "GET /p Accept:text/html X-Mock-Match-Request-Headers:accept,x-b"), "miss");
    assert_eq!(answer(&index, "GET /p Accept:text/html X-B:1 X-Mock-Match-Request-Headers:accept,x-b"), "two");
    assert_eq!(answer(&index, "GET /p Accept:x/y X-Mock-Match-Request-Headers:Accept"), "miss");
    let set = PostmanSettings { match_headers: vec!["Accept".into()], ..PostmanSettings::default() };
    let index = super::tests::index(vec![with(&stubs, set)]);
    assert_eq!(answer(&index, "GET /p Accept:text/html"), "two");
    assert_eq!(
        answer(&index, "GET /p Accept:text/html X-Mock-Match-Request-Headers:x-c"),
        "one",
        "the call's own go first"
    );
}

/// `(name, status, id)`, all of one path.
fn three() -> Index {
    let source = changed(collection(&[], &["GET /p | base"]), |collection| {
        let stub = &mut collection.stubs[0].stub;
        stub.scenarios.clear();
        for (name, status, id) in [
            ("gone", 404, "c"),
            ("late", 200, "d"),
            ("ok", 200, "b"),
            ("gone", 410, "a"),
            ("broken", 500, "12345678-7c1e-4d30-9a55-2f6f0c1be001"),
        ] {
            let mut scenario = scenario(name);
            scenario.response = Some(std::sync::Arc::new(ResponseSpec::of_status(status)));
            scenario.id = Some(id.into());
            stub.scenarios.push(scenario);
        }
    });
    index(vec![source])
}

#[test]
fn ties_go_to_status_200_and_then_to_the_id_that_comes_first() {
    let index = three();
    assert_eq!(answer(&index, "GET /p"), "ok");
    let ranked = index.rank(&call("GET /p"), Profile::Postman, &Untouched);
    let order: Vec<_> = ranked.iter().map(|one| index.scenario(one.at).id.clone().unwrap()).collect();
    assert_eq!(order, ["b", "d", "12345678-7c1e-4d30-9a55-2f6f0c1be001", "a", "c"]);
    let lost: Vec<_> = ranked.iter().map(|one| one.lost.map(super::Decider::as_str)).collect();
    assert_eq!(lost, [None, Some("id"), Some("status"), Some("status"), Some("status")]);
}

#[test]
fn steering() {
    let index = three();
    for (steered, expected) in [
        ("X-Mock-Response-Code:404", "gone"),
        ("X-Mock-Response-Code:500", "broken"),
        ("X-Mock-Response-Code:503", "miss"),
        ("X-Mock-Response-Code:abc", "miss"),
        ("X-Mock-Response-Name:broken", "broken"),
        ("X-Mock-Response-Name:Broken", "miss"),
        ("X-Mock-Response-Id:d", "late"),
        ("X-Mock-Response-Id:x", "miss"),
        ("X-Mock-Response-Id:998877-12345678-7c1e-4d30-9a55-2f6f0c1be001", "broken"),
        ("X-Mock-Response-Name:gone X-Mock-Response-Code:410", "gone"),
        ("X-Mock-Response-Name:gone X-Mock-Response-Code:200", "miss"),
    ] {
        // By id and name the path plays no part.
        let path = if steered.contains("Code") && !steered.contains("Name") { "/p" } else { "/elsewhere/entirely" };
        assert_eq!(answer(&index, &format!("GET {path} {steered}")), expected, "{steered}");
    }
    let picked = |line: &str| match index.select(&call(line), Profile::Postman, &Untouched) {
        Selection::Hit(hit) => index.scenario(hit.at).id.clone(),
        Selection::Miss(_) => None,
    };
    assert_eq!(picked("GET /p X-Mock-Response-Name:gone").as_deref(), Some("a"), "no 200 among them: the first id");
    assert_eq!(reason(&index, "GET /p X-Mock-Response-Code:503"), Some(Reason::Steering));
    assert_eq!(reason(&index, "GET /x/y/z X-Mock-Response-Name:none"), Some(Reason::Steering));
    assert_eq!(reason(&index, "POST /p X-Mock-Response-Name:ok"), Some(Reason::Steering), "the method still counts");
}

#[test]
fn without_an_id_a_scenario_is_known_by_its_label() {
    let index = served(&["GET /a/{x} | one", "GET /b | two"]);
    assert_eq!(answer(&index, "GET /zzzz X-Mock-Response-Id:none"), "miss");
    let by = |id: &str| {
        let mut call = call("GET /zzzz");
        call.steering.id = Some(id.into());
        match index.select(&call, Profile::Postman, &Untouched) {
            Selection::Hit(hit) => name_of(&index, hit.at).to_owned(),
            Selection::Miss(_) => "miss".to_owned(),
        }
    };
    assert_eq!(by("GET /a/{x}#one"), "one");
    assert_eq!(by("GET https://a.test/b#two"), "two");
}

#[test]
fn steering_in_the_other_profiles() {
    let index = served(&["GET /p | one ?a=1", "GET /p | two ?a=2", "GET /q | three"]);
    let under = |profile, line: &str| match index.select(&call(line), profile, &Untouched) {
        Selection::Hit(hit) => {
            format!("{}{}", name_of(&index, hit.at), if hit.evaluation.is_exact() { "" } else { "~" })
        }
        Selection::Miss(miss) => miss.reason.as_str().to_owned(),
    };
    for (line, best, strict) in [
        ("GET /p?a=1 X-Mock-Response-Name:two", "two~", "steering"),
        ("GET /p?a=2 X-Mock-Response-Name:two", "two", "two"),
        ("GET /p?a=1 X-Mock-Response-Name:three", "steering", "steering"),
        ("GET /p?a=1 X-Mock-Response-Code:200", "one", "one"),
        ("GET /p?a=1 X-Mock-Response-Code:500", "steering", "steering"),
        ("GET /p?a=3", "query", "query"),
    ] {
        assert_eq!(under(Profile::Best, line), best, "best: {line}");
        assert_eq!(under(Profile::Strict, line), strict, "strict: {line}");
    }
    let index = served(&["POST /p | one Accept:a/b {\"n\":1}"]);
    let answers = |line: &str| matches!(index.select(&call(line), Profile::Best, &Untouched), Selection::Hit(_));
    assert!(answers("POST /p Accept:a/b X-Mock-Match-Request-Body:false {\"n\":2}"));
    assert!(!answers("POST /p Accept:a/b {\"n\":2}"));
    assert!(answers("POST /p Accept:a/b {\"n\":1,\"m\":2}"));
    assert!(!answers("POST /p Accept:a/b X-Mock-Match-Request-Body:true {\"n\":1,\"m\":2}"));
    assert!(answers("POST /p Accept:A/B X-Mock-Match-Request-Headers:accept {\"n\":1}"));
    assert!(!answers("POST /p Accept:c/d X-Mock-Match-Request-Headers:accept {\"n\":1}"));
}

#[test]
fn wildcards_take_one_segment_and_variables_resolve() {
    let index = served(&["GET /users/{id} | any", "GET /users/{id} | seven {id=7}"]);
    assert_eq!(answer(&index, "GET /users/7"), "seven", "its path is identical");
    assert_eq!(answer(&index, "GET /users/carol"), "any");
    let set = PostmanSettings { match_wildcards: false, ..PostmanSettings::default() };
    let index = super::tests::index(vec![with(&["GET /users/{id} | any"], set)]);
    assert_eq!(answer(&index, "GET /users/carol"), "miss");
    let source = changed(collection(&[], &["GET /{tenant}/users | it"]), |collection| {
        collection.manifest.variables.insert("tenant".into(), "acme".into());
    });
    let index = super::tests::index(vec![source]);
    let (_, evaluation) = hit(&index, "GET /acme/users").unwrap();
    assert_eq!(evaluation.points.unwrap().rung, Some(Rung::Identical));
    assert_eq!(answer(&index, "GET /other/users"), "miss");
}

#[test]
fn the_query_can_be_left_out_and_the_last_rung_too() {
    let set = PostmanSettings { match_query: false, distance: 0, ..PostmanSettings::default() };
    let index = super::tests::index(vec![with(&["GET /list | it ?a=1"], set)]);
    assert_eq!(hit(&index, "GET /list?a=2").unwrap().1.score, 105.0);
    assert_eq!(answer(&index, "GET /lst"), "miss");
}

#[test]
fn the_origin_counts_where_the_call_names_one() {
    let sources = vec![collection(&["https://a.test", "https://b.test"], &["GET /p | a", "GET https://b.test /p | b"])];
    let index = index(sources);
    assert_eq!(answer(&index, "GET https://b.test /p"), "b");
    assert_eq!(answer(&index, "GET https://c.test /p"), "miss");
    assert_eq!(answer(&index, "GET * /p"), "a");
    assert_eq!(reason(&index, "GET https://c.test /p"), Some(Reason::NoSuchHost));
}

#[test]
fn no_default_no_head_from_get_and_what_is_disabled_does_not_answer() {
    let source = changed(collection(&[], &["GET /p | it*", "GET /off | off"]), |collection| {
        let off = collection.stubs.iter_mut().find(|file| file.stub.path.as_str() == "/off").unwrap();
        off.stub.scenarios[0].disabled = true;
    });
    let index = index(vec![source]);
    assert_eq!(answer(&index, "HEAD /p"), "miss");
    assert_eq!(answer(&index, "GET /quite/another"), "miss");
    assert_eq!(answer(&index, "GET /off"), "miss");
    assert_eq!(reason(&index, "GET /off"), Some(Reason::Disabled));
}

#[test]
fn what_is_near_is_inexact_and_says_why() {
    let index = served(&["GET /users/{id} | it ?a=1"]);
    let exact = |line: &str| hit(&index, line).unwrap().1.is_exact();
    assert!(exact("GET /users/7?a=1"));
    assert!(!exact("GET /users/7?a=2"));
    let (_, slashed) = hit(&index, "GET /users/7/?a=1").unwrap();
    assert!(!slashed.is_exact());
    assert_eq!(slashed.path_note(), Some(Rung::IdsAndSlashes.words()));
}
