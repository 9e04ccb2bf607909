use serde_json::{Value, json};

use super::*;
use crate::collection::{Place, Rule, RuleAction};

fn answer(body: &Value) -> Answer {
    let mut fields = Fields::new();
    fields.push("Content-Type", "application/json");
    Answer { status: 200, fields, content: Some(body.to_string().into()), is_template: false }
}

/// What is told of a live body, where these were recorded; the first is compared with.
fn told(recorded: &[Value], live: &Value, rules: &[Rule]) -> Vec<String> {
    let mut schema = Schema::default();
    recorded.iter().for_each(|value| schema.add(value, false));
    lines(&compare(&answer(&recorded[0]), &answer(live), &schema, rules))
}

fn lines(differences: &[Difference]) -> Vec<String> {
    let line = |it: &Difference| {
        let value = |value: &Option<String>| value.clone().unwrap_or_default();
        format!("{:?} {:?} {} {}>{} ×{}", it.severity, it.kind, it.at, value(&it.recorded), value(&it.live), it.count)
    };
    differences.iter().map(line).collect()
}

fn rule(name: &str, action: RuleAction) -> Rule {
    Rule::new(Place::Json, name, action).in_response()
}

#[test]
fn members_are_added_removed_and_change_their_type() {
    let old = json!({ "id": 7, "name": "ann", "age": 3, "old": true });
    let new = json!({ "id": "7", "name": "bob", "age": 3, "new": [] });
    let expected = [
        "Breaking Removed /old boolean> ×1",
        "Breaking Type /id number>string ×1",
        "Added Added /new >array ×1",
        "Values Value /name \"ann\">\"bob\" ×1",
    ];
    assert_eq!(told(&[old], &new, &[]), expected);
}

#[test]
fn volatile_values_are_silent_but_not_their_types() {
    let old = json!({ "at": "2026-01-01", "id": "a", "etag": "x", "seen": "y" });
    let new = json!({ "at": "2026-02-02", "id": 5, "etag": "z" });
    let rules = [
        rule("/at", RuleAction::Any),
        rule("/id", RuleAction::Fresh),
        rule("/etag", RuleAction::Any),
        rule("/seen", RuleAction::Ignore),
    ];
    assert_eq!(told(&[old], &new, &rules), ["Breaking Type /id string>number ×1"]);
}

#[test]
fn arrays_are_paired_by_key_and_their_members_have_one_schema() {
    let old = json!([{ "id": 1, "n": "a" }, { "id": 2, "n": "b" }, { "id": 3, "n": "c" }]);
    let new = json!([{ "id": 3, "n": "c" }, { "id": 1, "n": "a" }, { "id": 2, "n": "b" }]);
    assert_eq!(told(std::slice::from_ref(&old), &new, &[]), ["Values Order body > ×1"]);
    let new = json!([{ "id": 8, "n": "x" }, { "id": 9, "n": 5, "m": 1 }, { "id": 10, "n": null, "m": 2 }]);
    let found = told(&[old], &new, &[]);
    assert_eq!(found[..2], ["Breaking Type /*/n string>number ×2", "Added Added /*/m >number ×2"]);
    assert!(found[2..].iter().all(|line| line.starts_with("Values Value /*")), "{found:?}");
}

#[test]
fn what_only_some_recorded_answers_have_is_optional() {
    let recorded = [json!({ "a": 1, "b": "x", "c": null }), json!({ "a": null, "c": null })];
    assert!(told(&recorded, &json!({ "a": 1, "b": "x", "c": null }), &[]).is_empty());
    let live = json!({ "a": null, "c": { "any": 1 } });
    let expected = ["Values Value /a 1>null ×1", "Values Value /b \"x\"> ×1", "Values Value /c null>{\"any\":1} ×1"];
    assert_eq!(told(&recorded, &live, &[]), expected);
}

#[test]
fn masked_values_and_templates_may_be_anything() {
    let old = json!({ "token": "retake-secret-abcdefghij", "say": "{{name}}", "n": 1 });
    let new = json!({ "token": "t0k3n", "say": 5, "n": 1 });
    let mut schema = Schema::default();
    schema.add(&old, true);
    let recorded = Answer { is_template: true, ..answer(&old) };
    assert_eq!(lines(&compare(&recorded, &answer(&new), &schema, &[])), Vec::<String>::new());
    let masked = json!({ "token": "retake-secret-zzzzzzzzzz", "say": "x", "n": 1 });
    assert!(compare(&recorded, &answer(&masked), &schema, &[]).is_empty());
}

#[test]
fn heads_decide() {
    let base = answer(&json!({}));
    let with = |status, lines: &[(&str, &str)]| {
        let mut fields = Fields::new();
        lines.iter().for_each(|(name, value)| fields.push(*name, *value));
        Answer { status, fields, ..base.clone() }
    };
    let told = |one: &Answer, other: &Answer| lines(&compare(one, other, &Schema::default(), &[]));
    let json = ("Content-Type", "application/json");
    assert_eq!(told(&base, &with(404, &[json])), ["Breaking Status status 200>404 ×1"]);
    assert_eq!(
        told(&base, &with(200, &[("content-type", "text/html; charset=utf-8")])),
        ["Breaking ContentType content-type application/json>text/html ×1"]
    );
    let old = with(200, &[json, ("Location", "/a"), ("Link", "<x>"), ("Date", "1"), ("Set-Cookie", "sid=1")]);
    let new = with(200, &[json, ("location", "/b"), ("Allow", "GET"), ("Date", "2"), ("Set-Cookie", "sid=2; Path=/")]);
    let expected = ["Breaking Field link <x>> ×1", "Added Field allow >GET ×1", "Values Field location /a>/b ×1"];
    assert_eq!(told(&old, &new), expected);
}

#[test]
fn other_contents() {
    let with = |content_type: &str, body: &str| {
        let mut fields = Fields::new();
        fields.push("Content-Type", content_type);
        Answer { status: 200, fields, content: Some(body.to_owned().into()), is_template: false }
    };
    let told = |content_type: &str, old: &str, new: &str| {
        lines(&compare(&with(content_type, old), &with(content_type, new), &Schema::default(), &[]))
    };
    assert_eq!(told("application/json", "{}", "<p>"), ["Breaking Type body JSON>no JSON ×1"]);
    assert_eq!(told("text/plain", "x", ""), ["Breaking Removed body 1 bytes> ×1"]);
    assert_eq!(told("text/plain", "a\r\nb", "a\nb"), Vec::<String>::new());
    let found = told("application/xml", "<a><b>1</b><c/></a>", "<a><b>1</b><d/></a>");
    assert_eq!(found[..2], ["Breaking Removed /a/c element> ×1", "Added Added /a/d >element ×1"]);
}

proptest::proptest! {
    #[test]
    fn nothing_drifts_from_itself_and_nothing_panics(one in "[\\[\\]{},:\"a1~/ ]{0,40}", other in "[\\[\\]{},:\"a1~/ ]{0,40}") {
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| json!({ text: [1, text] }));
        let (one, other) = (read(&one), read(&other));
        proptest::prop_assert!(told(std::slice::from_ref(&one), &one, &[]).is_empty());
        let _ = told(&[one], &other, &[]);
    }
}
