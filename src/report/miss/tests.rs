use super::*;
use crate::collection::{BodySpec, Place, Profile, Rule, RuleAction};
use crate::matching::tests::{call, collection, index};
use crate::matching::{Selection, Source};
use crate::redact::{MaskKey, MaskRules, Masker};

fn report(sources: Vec<Source>, call: &Call) -> MissReport {
    let index = index(sources);
    let Selection::Miss(miss) = index.select(call, Profile::Best, &crate::matching::tests::UsedUp) else {
        panic!("a hit")
    };
    let mask = Mask::new(Masker::new(MaskKey([7; 32]), MaskRules::default()));
    let context = Context {
        index: &index,
        call,
        id: "call:17",
        status: 501,
        profile: Profile::Best,
        logged: true,
        records: false,
        cursor: None,
        mask: &mask,
    };
    MissReport::new(&context, &miss)
}

#[test]
fn a_miss_reads_like_this() {
    let stubs = [
        "POST /users/{login}/orders | tea {login=octocat} ?page=2 Accept:a/b {\"item\":\"tea\",\"count\":1}",
        "GET /users/{login} | octocat {login=octocat}",
    ];
    let call = call("POST /users/octocat/orders?page=2&q=x Accept:c/d {\"item\":\"coffee\",\"count\":1,\"new\":true}");
    let report = report(vec![collection(&[], &stubs)], &call);
    let expected = "\
retake: no scenario answers POST https://a.test/users/octocat/orders?page=2&q=x
body: /item is \"coffee\"; the nearest scenario wants \"tea\"; 1 more differs
miss call:17 (body)

nearest: POST /users/{login}/orders#tea
  (score 33; test, stubs/a.test/post-users-{login}-orders-tea.json)
  ✓ method  POST
  ✓ path    /users/{login}/orders
  ✗ query   1 of 2 differs: extra: q=x
  ✗ body    2 of 3 differ
      /item expected \"tea\", got \"coffee\"
      extra: /new=true
  ✗ fields  differs: Accept expected a/b, got c/d

fix 1: add a scenario for this call, with the answer of `tea` until you edit it
       retake diff call:17 --apply 1
fix 2: let `tea` answer every call of POST /users/{login}/orders that no other scenario answers
       retake diff call:17 --apply 2
fix 3: record the true answer: run this, make the call again, and then `retake promote --misses --into test`
       retake replay test --on-miss record
";
    assert_eq!(report.to_text(), expected);
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["type"], "urn:retake:miss:body");
    assert_eq!(json["status"], 501);
    assert_eq!(json["reason"], "body");
    assert_eq!(serde_json::from_value::<MissReport>(json.clone()).unwrap(), report);
    let body = &json["near"][0]["criteria"][3];
    assert_eq!((&body["name"], &body["agrees"]), (&"body".into(), &false.into()));
    assert_eq!(
        body["differences"][0],
        serde_json::json!({"verdict": "different", "name": "/item", "expected": "\"tea\"", "got": "\"coffee\""})
    );
}

#[test]
fn an_unknown_host_lists_what_is_served_and_shows_no_difference() {
    let call = call("GET https://b.test /users/octocat");
    let report = report(vec![collection(&[], &["GET /users/{login} | octocat {login=octocat}"])], &call);
    let expected = "\
retake: no scenario answers GET https://b.test/users/octocat
no such host: no collection has stubs for https://b.test
served here: https://a.test
miss call:17 (no-such-host)

fix 1: answer GET https://b.test/users/{login} too, as GET /users/{login}#octocat of https://a.test does
       retake diff call:17 --apply 1
fix 2: record the true answer: run this, make the call again, and then `retake promote --misses --into test`
       retake replay test --on-miss record
fix 3: write the answer by hand, to begin with an empty 200
       retake mock stub add test GET https://b.test/users/octocat && retake mock scenario add test 'GET /users/octocat' --name ok --status 200
";
    assert_eq!(report.to_text(), expected);
}

#[test]
fn text_bodies_differ_by_line_and_binary_ones_by_offset() {
    let stubs = ["PUT /a | text one two"];
    let text = report(vec![collection(&[], &stubs)], &call("PUT /a one three"));
    let lines: Vec<_> = text.near[0].criteria[3].lines.iter().map(|line| (line.sign(), &*line.text)).collect();
    assert_eq!(lines, [('-', "one two"), ('+', "one three")]);
    let mut source = collection(&[], &stubs);
    let files = &mut std::sync::Arc::make_mut(&mut source.collection).stubs;
    files[0].stub.scenarios[0].request.media_type = Some("image/png".into());
    files[0].stub.scenarios[0].request.body = Some(BodySpec { text: Some("\0one".into()), ..BodySpec::default() });
    let mut binary = call("PUT /a Content-Type:image/png x");
    binary.body = bytes::Bytes::from_static(b"\0o\xffe");
    let note = &report(vec![source], &binary).near[0].criteria[3].note;
    assert_eq!(note, "4 bytes expected, 4 got, the first difference at byte 2");
}

#[test]
fn bodies_are_told_of_by_their_type() {
    let body = |stub: &str, line: &str| {
        let report = report(vec![collection(&[], &[stub])], &call(line));
        let told = report.near[0].criteria[3].clone();
        told.changes.iter().map(super::text::change_words).collect::<Vec<_>>()
    };
    assert_eq!(
        body("POST /a | l [{\"id\":1},{\"id\":2},{\"id\":3}]", "POST /a [{\"id\":9},{\"id\":1},{\"id\":2},{\"id\":3}]"),
        ["extra: /0 = {\"id\":9}"]
    );
    assert_eq!(
        body("POST /g | q {\"query\":\"{ user { name } }\"}", "POST /g {\"query\":\"{ user { name email } }\"}"),
        ["extra: query/user/email"]
    );
    let mut source = collection(&[], &["PUT /x | xml <a><b>1</b></a>"]);
    let files = &mut std::sync::Arc::make_mut(&mut source.collection).stubs;
    files[0].stub.scenarios[0].request.media_type = Some("application/xml".into());
    let mut xml = call("PUT /x Content-Type:application/xml x");
    xml.body = bytes::Bytes::from_static(b"<a><b>2</b></a>");
    let text = report(vec![source], &xml).to_text();
    assert!(text.contains(r#"a/b expected "1", got "2""#), "{text}");
}

#[test]
fn a_megabyte_fits_one_screen_and_nothing_acts_on_the_terminal() {
    let members: Vec<String> = (0..40_000).map(|n| format!("\"key {n}\":\"\\u001b[31m value {n}\"")).collect();
    let other: Vec<String> = (0..40_000).map(|n| format!("\"key {n}\":\"other \\u202e {n}\"")).collect();
    let stub = format!("POST /a | big {{{}}}", members.join(","));
    for line in [format!("POST /a {{{}}}", other.join(",")), format!("POST /a/\u{1b}[0m {{{}}}", other.join(","))] {
        let mut call = call(&line);
        call.fields.push("X-Evil", "\x1b]0;x\x07");
        let report = report(vec![collection(&[], &[&stub])], &call);
        let text = report.to_text();
        assert!(text.lines().count() <= 40, "{} lines", text.lines().count());
        assert!(text.lines().all(|line| line.chars().count() <= 400));
        assert!(!text.contains(['\x1b', '\x07', '\u{202e}']), "{text}");
        assert!(report.to_json().len() < 64 * 1024);
    }
}

#[test]
fn secrets_are_not_shown() {
    let stubs = ["POST /login | in ?a=1 Authorization:Basic {\"password\":\"p\",\"user\":\"u\"}"];
    let call = call(
        "POST /login?a=2&access_token=hunter2secret Authorization:Bearer-hunter2secret {\"password\":\"hunter2secret\",\"user\":\"v\"}",
    );
    let report = report(vec![collection(&[], &stubs)], &call);
    for text in [report.to_text(), report.to_json()] {
        assert!(!text.contains("hunter2secret"), "{text}");
    }
    assert!(report.to_text().contains("retake-"));
}

#[test]
fn a_rule_is_told_as_what_it_asks_for_and_a_broken_body_by_where_it_breaks() {
    let id = "0193f3a2-7c1e-7d30-9a55-2f6f0c1be001";
    let stub = format!("POST /o | tea {{\"client_ref\":\"{id}\",\"lines\":[{{\"id\":\"{id}\"}}]}}");
    let rule =
        |name: &str| Rule { shape: Some(crate::model::Shape::Uuid), ..Rule::new(Place::Json, name, RuleAction::Any) };
    let mut source = collection(&[], &[&stub]);
    let files = &mut std::sync::Arc::make_mut(&mut source.collection).stubs;
    files[0].stub.rules = vec![rule("/client_ref"), rule("/lines/*/id")];
    let json = "Content-Type:application/json";
    let call = call(&format!("POST /o {json} {{\"client_ref\":\"abc\",\"lines\":[{{\"id\":\"x\"}}]}}"));
    let text = report(vec![source], &call).to_text();
    assert!(text.contains("/client_ref is \"abc\"; wanted is one that looks like a UUID (rule)"), "{text}");
    assert!(text.contains("/lines/0/id expected looks like a UUID (rule), got \"x\""), "{text}");
    assert!(!text.contains(id), "{text}");

    for (body, told) in [
        ("{\"item\":\"te", "body: is no JSON: it ends in the middle, at line 1, column 11"),
        ("{\"item\":tea}", "body: is no JSON: it is broken, at line 1, column 10"),
    ] {
        let call = crate::matching::tests::call(&format!("POST /a {json} {body}"));
        let report = report(vec![collection(&[], &["POST /a | tea {\"item\":\"tea\"}"])], &call);
        assert!(report.to_text().contains(told), "{}", report.to_text());
    }
}
