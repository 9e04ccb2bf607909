use proptest::prelude::*;
use serde_json::json;

use super::super::check;
use super::*;
use crate::collection::{RuleAction, StubFile, answers_of, file_name};

fn collection() -> Collection {
    let manifest = json!({"version": 1, "name": "shop", "origins": ["https://a.test"]});
    let stub = |path: &str, scenarios: serde_json::Value| {
        let stub =
            json!({"version": 1, "method": "GET", "origin": "https://a.test", "path": path, "scenarios": scenarios});
        let stub: Stub = serde_json::from_value(stub).unwrap();
        StubFile { path: file_name(&stub, |_| false), stub: stub.into() }
    };
    let ok = |text: &str| json!([{"name": "ok", "source": text, "response": {"status": 200, "body": {"text": text}}}]);
    let steps = json!([{"name": "poll", "responses": [{"status": 202, "times": 2}, {"status": 200}]}]);
    Collection {
        manifest: serde_json::from_value(manifest).unwrap(),
        stubs: vec![stub("/jobs", steps), stub("/users/ann", ok("ann")), stub("/users/bob", ok("bob"))],
    }
}

fn key(text: &str) -> StubKey {
    text.parse().unwrap()
}

fn change(value: serde_json::Value) -> Change {
    serde_json::from_value(value).unwrap()
}

/// Every kind of change, with something to do in [`collection`].
fn changes() -> Vec<Change> {
    let (jobs, ann) = ("GET https://a.test/jobs", "GET https://a.test/users/ann");
    let rule = json!({"place": "query", "name": "nonce", "action": "any", "shape": "uuid", "why": "3 samples"});
    [
        json!({"do": "add-rule", "rule": rule}),
        json!({"do": "add-rule", "stub": ann, "rule": rule}),
        json!({"do": "answer", "stub": ann, "scenario": "ok", "responses": [{"status": 404, "times": 3}], "source": "x"}),
        json!({"do": "answer", "stub": ann, "scenario": "ok", "responses": [{"status": 404}, {"status": 200}], "end": "miss"}),
        json!({"do": "add-scenario", "stub": ann, "scenario": {"name": "ok", "default": true, "response": {"status": 204}}}),
        json!({"do": "add-scenario", "stub": "PUT http://b.test/x", "scenario": {"name": "ok", "response": {"status": 204}}}),
        json!({"do": "remove-scenario", "stub": ann, "scenario": "ok"}),
        json!({"do": "set-disabled", "stub": ann, "scenario": "ok", "disabled": true}),
        json!({"do": "set-default", "stub": ann, "scenario": "ok"}),
        json!({"do": "set-end", "stub": jobs, "scenario": "poll", "end": "cycle"}),
        json!({"do": "set-path", "stubs": [ann, "GET https://a.test/users/bob"], "path": "/users/{login}"}),
        json!({"do": "set-request", "stub": ann, "scenario": "ok", "request": {"query": ["page=2"]}}),
    ]
    .into_iter()
    .map(change)
    .collect()
}

#[test]
fn every_change_applies_once_and_leaves_a_sound_collection() {
    for change in changes() {
        let mut once = collection();
        assert_eq!(change.apply(&mut once), Ok(true), "{change:?}");
        assert_eq!(check::collection(&once), [], "{change:?}");
        assert!(once.stubs.is_sorted_by_key(|file| &file.path));
        let mut twice = once.clone();
        assert_eq!(change.apply(&mut twice), Ok(false), "{change:?}");
        assert_eq!(twice, once, "{change:?}");
        let text = serde_json::to_string(&change).unwrap();
        assert_eq!(serde_json::from_str::<Change>(&text).unwrap(), change, "{text}");
    }
}

#[test]
fn titles_are_one_plain_sentence() {
    let titles: Vec<_> = changes().iter().map(Change::title).collect();
    assert_eq!(
        titles,
        [
            "everywhere the query's `nonce` may be anything that looks like a UUID",
            "in GET /users/ann the query's `nonce` may be anything that looks like a UUID",
            "GET /users/ann#ok answers with another 404",
            "GET /users/ann#ok answers with 2 steps, the first a 404",
            "GET /users/ann gets the scenario `ok`, which answers 204",
            "PUT /x gets the scenario `ok`, which answers 204",
            "GET /users/ann#ok is removed",
            "GET /users/ann#ok is left out",
            "GET /users/ann#ok answers when no other scenario does",
            "GET /jobs#poll starts again after its last step",
            "2 stubs become one, /users/{login}",
            "GET /users/ann#ok expects another request",
        ]
    );
}

#[test]
fn what_is_gone_is_told_and_nothing_is_touched() {
    let gone = |value: serde_json::Value| {
        let mut after = collection();
        let error = change(value).apply(&mut after).unwrap_err();
        assert_eq!(after, collection());
        error.to_string()
    };
    let ann = "GET https://a.test/users/ann";
    assert_eq!(
        gone(json!({"do": "set-default", "stub": "GET https://a.test/users/eve", "scenario": "ok"})),
        "there is no stub GET https://a.test/users/eve any more"
    );
    assert_eq!(
        gone(json!({"do": "set-default", "stub": "GET https://a.test/jobs", "scenario": "pol"})),
        "there is no scenario `pol` in GET https://a.test/jobs any more; did you mean `poll`?"
    );
    assert_eq!(
        gone(json!({"do": "answer", "stub": ann, "scenario": "ok", "responses": []})),
        "the change gives `ok` no answer"
    );
    assert_eq!(
        gone(json!({"do": "set-end", "stub": ann, "scenario": "ok", "end": "cycle"})),
        "`ok` is no sequence any more: a single answer has no end"
    );
    assert_eq!(
        gone(json!({"do": "set-path", "stubs": [ann], "path": "/orders/{id}"})),
        "the path /orders/{id} does not stand for that of GET https://a.test/users/ann"
    );
    assert_eq!(
        gone(json!({"do": "set-path", "stubs": [ann, "PUT https://a.test/users/bob"], "path": "/users/{login}"})),
        "GET https://a.test/users/ann and PUT https://a.test/users/bob cannot be one stub: their methods differ"
    );
    let mut widened = collection();
    widened.stubs[1].stub.scenarios[0].default = true;
    let path = change(json!({"do": "set-path", "stubs": [ann], "path": "/users/{login}"}));
    assert!(path.apply(&mut widened).unwrap_err().to_string().contains("unset it first"));
    let mut apart = collection();
    apart.stubs[2].stub.parts.body = false;
    let path =
        change(json!({"do": "set-path", "stubs": [ann, "GET https://a.test/users/bob"], "path": "/users/{login}"}));
    assert!(path.apply(&mut apart).unwrap_err().to_string().ends_with("settings of `match` differ"));
}

#[test]
fn a_rule_takes_the_place_of_those_about_the_same_item() {
    let rule = |text: &str| serde_json::from_str::<Rule>(text).unwrap();
    let mut rules = vec![
        rule(r#"{"place": "query", "name": "a", "action": "ignore"}"#),
        rule(r#"{"place": "field", "name": "X-Id", "action": "any"}"#),
        rule(r#"{"place": "query", "name": "b", "action": "ignore"}"#),
        rule(r#"{"place": "field", "name": "x-id", "action": "ignore", "off": true}"#),
    ];
    let off = rule(r#"{"place": "field", "name": "x-ID", "action": "any", "off": true}"#);
    assert!(add_rule(&mut rules, &off));
    assert_eq!(rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["a", "x-ID", "b"]);
    assert!(rules[1].off);
    assert!(!add_rule(&mut rules, &off));
}

#[test]
fn literal_stubs_become_one_with_their_values_captured() {
    let mut found = collection();
    found.stubs[1].stub.rules.push(Rule::new(super::super::rule::Place::Query, "t", RuleAction::Ignore));
    let path = json!({"do": "set-path", "stubs": ["GET https://a.test/users/ann", "GET https://a.test/users/bob"],
        "path": "/users/{login}"});
    change(path).apply(&mut found).unwrap();
    assert_eq!(found.stubs.len(), 2);
    let StubFile { path, stub } = &found.stubs[1];
    assert_eq!(path, "stubs/a.test/get-users-{login}.json");
    assert_eq!(stub.rules.len(), 1);
    let told: Vec<_> =
        stub.scenarios.iter().map(|one| (one.name.as_str(), one.request.captures["login"].as_str())).collect();
    assert_eq!(told, [("ok", "ann"), ("bob", "bob")]);
    // A third one comes in later, and a capture gets another name.
    let eve = json!({"do": "add-scenario", "stub": "GET https://a.test/users/eve", "scenario": {"name": "ok", "response": {"status": 200}}});
    change(eve).apply(&mut found).unwrap();
    let path = json!({"do": "set-path", "stubs": ["GET https://a.test/users/{login}", "GET https://a.test/users/eve"],
        "path": "/users/{name}"});
    change(path).apply(&mut found).unwrap();
    let told: Vec<_> = found.stubs[1].stub.scenarios.iter().map(|one| one.request.captures["name"].as_str()).collect();
    assert_eq!(told, ["eve", "ann", "bob"]);
}

#[test]
fn an_id_is_of_the_change_and_not_of_its_reasons() {
    let id = |value: serde_json::Value| change(value).id();
    let rule = |why: &str, name: &str| {
        id(json!({"do": "add-rule", "rule": {"place": "query", "name": name, "action": "any", "why": why}}))
    };
    assert_eq!(rule("one", "a"), rule("two", "a"));
    assert_ne!(rule("one", "a"), rule("one", "b"));
    let ids: std::collections::BTreeSet<_> = changes().iter().map(Change::id).collect();
    assert_eq!(ids.len(), changes().len());
    assert!(ids.iter().all(|id| id.len() == 10));
    let key = key("GET https://a.test/users/ann");
    assert_eq!(changes()[8], Change::SetDefault { stub: key, scenario: Some("ok".into()) });
}

proptest! {
    /// In any order, and however often: nothing panics, and a change that fails leaves the collection alone.
    #[test]
    fn any_run_of_changes_is_total(order in prop::collection::vec(0usize..12, 0..24)) {
        let all = changes();
        let mut found = collection();
        for at in order {
            let before = found.clone();
            match all[at].apply(&mut found) {
                Ok(is_new) => prop_assert_eq!(is_new, found != before),
                Err(_) => prop_assert_eq!(&found, &before),
            }
            prop_assert_eq!(check::collection(&found), []);
        }
    }
}

#[test]
fn a_scenario_is_copied_once_with_its_answers_and_a_request_of_its_own() {
    let mut found = collection();
    let key = StubKey::of(&found.stubs[0].stub);
    let known = found.stubs[0].stub.scenarios[0].clone();
    let to = StubKey { path: "/elsewhere".parse().unwrap(), ..key.clone() };
    let request = RequestSpec { query: vec!["a=1".parse().unwrap()], ..RequestSpec::default() };
    let change = Change::CopyScenario {
        stub: key,
        scenario: known.name.clone(),
        to: to.clone(),
        name: "other".into(),
        request: Box::new(request.clone()),
    };
    assert!(change.apply(&mut found).unwrap());
    assert!(!change.apply(&mut found).unwrap(), "twice is the same as once");
    let copy = &found.stubs.iter().find(|file| to.is_of(&file.stub)).unwrap().stub.scenarios[0];
    assert_eq!((&copy.request, copy.steps()), (&request, known.steps()));
}

#[test]
fn a_sequence_is_lengthened_by_its_last_answer_once() {
    let mut found = collection();
    let stub = StubKey::of(&found.stubs[0].stub);
    let scenario = found.stubs[0].stub.scenarios[0].name.clone();
    let before = answers_of(&found.stubs[0].stub.scenarios[0]);
    let longer = Change::SetLength { stub: stub.clone(), scenario: scenario.clone(), answers: before + 2 };
    let state = Change::SetState { stub, scenario, state: None };
    let both = Change::Together { changes: vec![state, longer] };
    assert!(both.apply(&mut found).unwrap());
    assert!(!both.apply(&mut found).unwrap(), "twice is the same as once");
    assert_eq!(answers_of(&found.stubs[0].stub.scenarios[0]), before + 2);
    let text = serde_json::to_string(&both).unwrap();
    assert_eq!(serde_json::from_str::<Change>(&text).unwrap(), both);
}

#[test]
fn of_changes_that_belong_together_none_is_made_alone() {
    let mut found = collection();
    let before = found.clone();
    let stub = StubKey::of(&found.stubs[0].stub);
    let first =
        Change::SetLength { stub: stub.clone(), scenario: found.stubs[0].stub.scenarios[0].name.clone(), answers: 9 };
    let second = Change::SetLength { stub, scenario: "gone".into(), answers: 9 };
    assert!(Change::Together { changes: vec![first, second] }.apply(&mut found).is_err());
    assert_eq!(found, before);
}
