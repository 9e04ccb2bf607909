mod causes;

use super::*;
use crate::collection::{Collection, EndPolicy, Place, Profile, Rule, RuleAction, StateSpec};
use crate::matching::tests::{UsedUp, call, collection, index, source};
use crate::matching::{Call, Index, Selection, Source, State, Untouched};
use crate::redact::{MaskKey, MaskRules, Masker};
use crate::report::mask::Mask;
use crate::report::miss::MissReport;

fn report_of(index: &Index, call: &Call, profile: Profile, state: &dyn State) -> MissReport {
    let Selection::Miss(miss) = index.select(call, profile, state) else { panic!("a hit") };
    let mask = Mask::new(Masker::new(MaskKey([7; 32]), MaskRules::default()));
    let context = Context {
        index,
        call,
        id: "run:17",
        status: 501,
        profile,
        logged: true,
        records: false,
        cursor: None,
        mask: &mask,
    };
    MissReport::new(&context, &miss)
}

fn again(collection: Collection) -> Index {
    index(vec![source(collection)])
}

/// The name of the scenario that answers.
fn answer(index: &Index, call: &Call, profile: Profile) -> Option<String> {
    match index.select(call, profile, &Untouched) {
        Selection::Hit(hit) => Some(index.scenario(hit.at).name.clone()),
        Selection::Miss(_) => None,
    }
}

/// The titles of the fixes. Each that changes the collection is made: the call is answered then, and every scenario still
/// answers its own request as before.
#[track_caller]
fn fixed(made: &Source, call: &Call, profile: Profile, state: &dyn State) -> Vec<String> {
    let before = again(Collection::clone(&made.collection));
    let report = report_of(&before, call, profile, state);
    for fix in &report.fixes {
        let Some(change) = &fix.change else { continue };
        assert_eq!(fix.command, format!("retake diff run:17 --apply {}", fix.number));
        let written: Change = serde_json::from_value(serde_json::to_value(change).unwrap()).unwrap();
        let mut after = Collection::clone(&made.collection);
        assert!(written.apply(&mut after).unwrap(), "{}", fix.title);
        let after = again(after);
        assert!(answer(&after, call, profile).is_some(), "{}: {:?}", fix.title, change);
        for file in &made.collection.stubs {
            for scenario in file.stub.scenarios.iter().filter(|scenario| !scenario.disabled) {
                let body = scenario.request.body.as_ref().and_then(|spec| (made.body)(spec)).unwrap_or_default();
                let own = Call::of(&file.stub, scenario, body);
                assert_eq!(answer(&after, &own, profile), answer(&before, &own, profile), "{}", fix.title);
            }
        }
    }
    report.fixes.into_iter().map(|fix| fix.title).collect()
}

/// The same, of a collection of these stubs, without what is a command only.
#[track_caller]
fn changes(stubs: &[&str], line: &str) -> Vec<String> {
    let mut titles = fixed(&collection(&[], stubs), &call(line), Profile::Best, &Untouched);
    titles
        .retain(|title| !title.starts_with("record the true answer") && !title.starts_with("write the answer by hand"));
    titles
}

#[test]
fn each_change_works_and_breaks_no_other() {
    for (stubs, line) in [
        (&["GET /search | page-2 ?q=a&page=2"][..], "GET /search?q=a&page=3"),
        (&["GET /search | page-2 ?q=a&page=2"], "GET /search?q=a"),
        (&["GET /x | a ?id=0193f3a2-7c1e-7d30-9a55-2f6f0c1be001"], "GET /x?id=0193f3a2-7c1e-7d30-9a55-2f6f0c1be002"),
        (&["GET /x | a"], "GET /x?_=1"),
        (&["GET /x | a"], "GET /x?q=1"),
        (&["POST /o | tea {\"item\":\"tea\",\"count\":1}"], "POST /o {\"item\":\"coffee\",\"count\":1}"),
        (
            &["POST /o | tea {\"item\":\"tea\",\"at\":\"2026-11-20T10:00:00Z\"}"],
            "POST /o {\"item\":\"tea\",\"at\":\"2026-11-21T10:00:00Z\"}",
        ),
        (&["POST /o | tea a=1&b=2"], "POST /o a=1&b=3"),
        (&["PUT /o | tea one two"], "PUT /o one three"),
        (&["GET /users/{login} | octocat {login=octocat}"], "GET /users/torvalds"),
        (&["GET /users/octocat | octocat"], "GET /users/torvalds"),
        (&["GET /orders/0193f3a2-7c1e-7d30-9a55-2f6f0c1be001 | a"], "GET /orders/0193f3a2-7c1e-7d30-9a55-2f6f0c1be002"),
        (&["GET /users/{login} | octocat {login=octocat}"], "DELETE /users/octocat"),
        (&["GET /users/{login} | octocat {login=octocat}"], "GET /users/octocat/"),
        (&["GET /users/{login} | octocat {login=octocat}"], "GET /USERS/octocat"),
        (&["GET /users/{login} | octocat {login=octocat}"], "GET /v1/users/octocat"),
        (&["GET /users/{login} | octocat {login=octocat}"], "GET https://b.test /users/octocat"),
        (&["GET /auth | auth Accept:a/b"], "GET /auth Accept:c/d"),
        (&["GET /auth | auth Cookie:a=1"], "GET /auth Cookie:a=2"),
        (&["GET /a | ok"], "GET /a X-mock-response-name:other"),
        (&["GET /a | ok"], "GET /a X-mock-response-code:404"),
    ] {
        fixed(&collection(&[], stubs), &call(line), Profile::Best, &Untouched);
    }
}

#[test]
fn a_value_that_was_recorded_elsewhere_is_let_pass_last() {
    let mut made =
        collection(&[], &["GET /orders/{id} | tea {id=order-0001}", "POST /orders/{id}/pay | paid {id=order-0002}"]);
    let files = &mut std::sync::Arc::make_mut(&mut made.collection).stubs;
    files.iter_mut().for_each(|file| file.stub.rules = vec![Rule::new(Place::Path, "id", RuleAction::Fresh)]);
    let sent = call("POST /orders/order-0001/pay");
    let detail = report_of(&again(Collection::clone(&made.collection)), &sent, Profile::Best, &Untouched).detail;
    assert_eq!(detail, "value in the path: id is order-0001, known as another one; recorded here is order-0002");
    let titles = fixed(&made, &sent, Profile::Best, &Untouched);
    assert_eq!(titles[0], "add a scenario for this call, with the answer of `paid` until you edit it");
    let any = "in POST /orders/{id}/pay, take any value for the path's `id`, so that `paid` answers whatever it is";
    assert_eq!(titles[1], any);
}

#[test]
fn a_value_of_xml_can_be_let_pass() {
    let uuid = |last: u32| format!("0193f3a2-7c1e-7d30-9a55-2f6f0c1be{last:03}");
    let own = format!(
        "<o:order xmlns:o='urn:o' id='1'><o:item><o:ref>{}</o:ref></o:item><o:item><o:ref>{}</o:ref></o:item></o:order>",
        uuid(1),
        uuid(2)
    );
    let any = "take any value for the XML's `/order/@id`, so that `a` answers whatever it is";
    let once = "add a scenario for this call, with the answer of `a` until you edit it";
    for (profile, replace, by, first) in [
        (
            Profile::Best,
            uuid(1),
            uuid(3),
            "in POST /o, take anything that looks like a UUID for the XML's `/order/item/ref`".to_owned(),
        ),
        (Profile::Best, "id='1'".into(), "id='7'".into(), format!("{once}|in POST /o, {any}")),
        (
            // Where what is missing alone is a miss.
            Profile::Strict,
            " id='1'".into(),
            "".into(),
            format!("{once}|in POST /o, ignore the XML's `/order/@id`, so that `a` answers with it and without"),
        ),
    ] {
        let mut made = collection(&[], &["POST /o | a Content-Type:application/xml"]);
        let request = &mut std::sync::Arc::make_mut(&mut made.collection).stubs[0].stub.scenarios[0].request;
        request.media_type = Some("application/xml".into());
        request.body = Some(serde_json::from_value(serde_json::json!({ "text": own })).unwrap());
        let mut sent = call("POST /o Content-Type:application/xml");
        sent.body = own.replace(&replace, &by).into();
        let titles = fixed(&made, &sent, profile, &Untouched);
        let first: Vec<&str> = first.split('|').collect();
        assert_eq!(titles[..first.len()], first, "{titles:?}");
    }
}

/// A stub for one path with these scenarios.
fn one_stub(path: &str, scenarios: &[String]) -> Source {
    let mut made = collection(&[], &[&format!("GET {path} | {}", scenarios[0])]);
    let stub = &mut std::sync::Arc::make_mut(&mut made.collection).stubs[0].stub;
    stub.scenarios.extend(scenarios[1..].iter().map(|text| crate::matching::tests::scenario(text)));
    made
}

#[test]
fn a_path_that_would_go_before_other_stubs_is_not_made_wider() {
    let users = ["GET /users/octocat | a", "GET /users/hubot | b"];
    let titles = |priority| {
        let mut made = collection(&[], &users);
        let stubs = &mut std::sync::Arc::make_mut(&mut made.collection).stubs;
        stubs.iter_mut().find(|file| file.stub.path.as_str() == "/users/octocat").unwrap().stub.priority = priority;
        fixed(&made, &call("GET /users/octocats"), Profile::Best, &Untouched)
    };
    let is_wider =
        |titles: &[String]| titles.iter().any(|title| title.starts_with("make /users/{user} of GET /users/octocat"));
    assert!(is_wider(&titles(0)), "the narrower path goes first");
    assert!(!is_wider(&titles(5)), "a higher priority goes before it");
}

#[test]
fn a_rule_that_would_mix_up_recorded_scenarios_is_not_proposed() {
    // Pages one and two would be the same to it.
    let pages = one_stub("/list", &["one ?page=1".into(), "two ?page=2".into()]);
    let titles = fixed(&pages, &call("GET /list?page=3"), Profile::Best, &Untouched);
    assert!(titles.iter().all(|title| !title.contains("take any")), "{titles:?}");
    assert!(titles[0].starts_with("add a scenario"), "{titles:?}");
    // Recorded ids are told apart, and another is taken for one of them.
    let id = |last: usize| format!("0193f3a2-7c1e-7d30-9a55-2f6f0c1b{last:04}");
    let orders: Vec<String> = (0..3).map(|number| format!("order-{number} ?id={}", id(number))).collect();
    let new = call(&format!("GET /order?id={}", id(9999)));
    let titles = fixed(&one_stub("/order", &orders), &new, Profile::Best, &Untouched);
    let fresh = "in GET /order, take for the query's `id` any value that looks like a UUID and was not recorded";
    assert_eq!(titles[0], fresh);
    // Of very many not all are tried.
    let orders: Vec<String> = (0..200).map(|number| format!("order-{number} ?id={}", id(number))).collect();
    assert_eq!(fixed(&one_stub("/order", &orders), &new, Profile::Best, &Untouched)[0], fresh);
    let many: Vec<String> = (0..200).map(|number| format!("page-{number} ?page={number}")).collect();
    let titles = fixed(&one_stub("/list", &many), &call("GET /list?page=999"), Profile::Best, &Untouched);
    assert!(titles.iter().all(|title| !title.contains("take any")), "{titles:?}");
    assert!(titles[0].starts_with("add a scenario"), "{titles:?}");
}

#[test]
fn a_scenario_that_agrees_is_let_answer() {
    let answers = |count: usize| {
        let mut made = collection(&[], &["GET /job | job"]);
        let scenario = &mut std::sync::Arc::make_mut(&mut made.collection).stubs[0].stub.scenarios[0];
        scenario.responses = vec![std::sync::Arc::unwrap_or_clone(scenario.response.take().unwrap()); count];
        scenario.end = Some(EndPolicy::Miss);
        made
    };
    let line = call("GET /job");
    let titles = fixed(&answers(3), &line, Profile::Best, &UsedUp);
    assert_eq!(
        titles,
        [
            "let GET /job#job answer 4 calls: the last answer is given once more",
            "let GET /job#job go on with its last answer, however often it is asked",
        ]
    );
    let report = report_of(&index(vec![answers(3)]), &line, Profile::Best, &UsedUp);
    assert_eq!(report.detail, "used up: this sequence had 3 answers, and this call asks for a 4th");
    let report = report_of(&index(vec![answers(1)]), &line, Profile::Best, &UsedUp);
    assert_eq!(report.detail, "used up: this sequence had 1 answer, and this call asks for a 2nd");

    let mut made = collection(&[], &["GET /off | off"]);
    std::sync::Arc::make_mut(&mut made.collection).stubs[0].stub.scenarios[0].disabled = true;
    let titles = fixed(&made, &call("GET /off"), Profile::Best, &Untouched);
    assert_eq!(titles, ["let GET /off#off answer again: it is disabled"]);

    struct Elsewhere;
    impl State for Elsewhere {
        fn is_in_wrong_state(&self, _: crate::matching::ScenarioRef) -> bool {
            true
        }
    }
    let mut made = collection(&[], &["GET /cart | full"]);
    let state = StateSpec { of: Some("cart".into()), requires: Some("full".into()), next: None };
    std::sync::Arc::make_mut(&mut made.collection).stubs[0].stub.scenarios[0].state = Some(state);
    let report = report_of(
        &index(vec![source(Collection::clone(&made.collection))]),
        &call("GET /cart"),
        Profile::Best,
        &Elsewhere,
    );
    assert_eq!(report.fixes[0].command, "retake state set cart full --run run");
    let titles = fixed(&made, &call("GET /cart"), Profile::Best, &Elsewhere);
    assert_eq!(titles[1..], ["let GET /cart#full answer in every state"]);
}

#[test]
fn every_profile_has_fixes_that_work_in_it() {
    let stubs = ["GET /search | two ?q=a&page=2"];
    let titles = fixed(&collection(&[], &stubs), &call("GET /search?q=a&page=2&x=1"), Profile::Strict, &Untouched);
    assert!(titles[0].starts_with("add a scenario") && titles[1].contains("ignore the query's `x`"), "{titles:?}");
    assert!(titles.iter().all(|title| !title.contains("that no other scenario answers")), "strict knows no default");
    let titles = fixed(&collection(&[], &stubs), &call("GET /other/path"), Profile::Postman, &Untouched);
    assert!(titles.iter().any(|title| title.starts_with("record the true answer")), "{titles:?}");
    let titles = fixed(&collection(&[], &stubs), &call("GET /search/all?q=a&page=2"), Profile::Postman, &Untouched);
    assert!(titles[0].starts_with("answer GET /search/all too"), "{titles:?}");
}

#[test]
fn what_a_rule_asks_for_can_be_let_pass_but_not_what_was_refused() {
    let rules = |text: &str| {
        let mut made = collection(&[], &["GET /x | a ?t=1"]);
        let rules = vec![serde_json::from_str(text).unwrap()];
        std::sync::Arc::make_mut(&mut made.collection).stubs[0].stub.rules = rules;
        made
    };
    let asks = r#"{"place": "query", "name": "t", "action": "match", "is": {"regex": "^[0-9]+$"}}"#;
    let titles = fixed(&rules(asks), &call("GET /x?t=soon"), Profile::Best, &Untouched);
    let any = "in GET /x, take any value for the query's `t`, so that `a` answers whatever it is";
    assert!(titles.iter().any(|title| title == any), "{titles:?}");
    let off = r#"{"place": "query", "name": "t", "action": "any", "off": true}"#;
    let titles = fixed(&rules(off), &call("GET /x?t=2"), Profile::Best, &Untouched);
    assert!(titles.iter().all(|title| !title.contains("take any")), "{titles:?}");
}

#[test]
fn no_secret_and_no_large_body_is_written_into_a_change() {
    let secret = "hunter2secret";
    let stubs = ["POST /login | in ?a=1 Authorization:Basic {\"password\":\"p\",\"user\":\"u\"}"];
    let line = format!(
        "POST /login?a=2&access_token={secret} Authorization:Bearer-{secret} {{\"password\":\"{secret}\",\"user\":\"v\"}}"
    );
    let report = report_of(&index(vec![collection(&[], &stubs)]), &call(&line), Profile::Best, &Untouched);
    assert!(report.fixes.iter().any(|fix| fix.change.is_some()), "{:?}", report.fixes);
    assert!(!serde_json::to_string(&report.fixes).unwrap().contains(secret));
    fixed(&collection(&[], &stubs), &call(&line), Profile::Best, &Untouched);

    // In a path, in names, and where a call asks for a scenario.
    let token = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    for (stub, line, works) in [
        ("GET /v1/teams/one/deliveries/abc | a", format!("GET /v1/teams/one/deliveries/{token}"), true),
        (
            "GET /api/v1/teams/{team}/deliveries/abc | a {team=1}",
            format!("GET /api/v1/teams/2/deliveries/{token}"),
            true,
        ),
        ("GET /v1/deliveries/{id} | a {id=1}", format!("GET /v1/Deliveries/{token}"), true),
        ("GET /v1/deliveries | a", format!("GET /v1/deliveries?{token}=1"), true),
        ("POST /v1/deliveries | a {\"b\":1}", format!("POST /v1/deliveries {{\"b\":1,\"{token}\":1}}"), true),
        ("GET /v1/deliveries | a", format!("GET /v1/deliveries X-mock-response-name:{token}"), false),
    ] {
        let report = report_of(&index(vec![collection(&[], &[stub])]), &call(&line), Profile::Best, &Untouched);
        assert!(!report.to_json().contains(token), "{line}: {}", report.to_json());
        assert!(!works || report.fixes.iter().any(|fix| fix.change.is_some()), "{line}: {}", report.to_text());
        fixed(&collection(&[], &[stub]), &call(&line), Profile::Best, &Untouched);
    }

    let text = "x".repeat(100_000);
    let (stub, line) = (format!("PUT /o | a {text}"), format!("PUT /o {text}y"));
    let titles = changes(&[&stub], &line);
    assert_eq!(titles[0], "add a scenario for such calls with any body, with the answer of `a` until you edit it");
    let report = report_of(&index(vec![collection(&[], &[&stub])]), &call(&line), Profile::Best, &Untouched);
    assert!(serde_json::to_string(&report.fixes).unwrap().len() < 8 * 1024);
}

#[test]
fn a_call_in_no_log_is_told_what_to_do_by_hand() {
    let index = index(vec![collection(&[], &["GET /search | two ?q=a&page=2"])]);
    let call = call("GET /search?q=a&page=3");
    let Selection::Miss(miss) = index.select(&call, Profile::Best, &Untouched) else { panic!("a hit") };
    let mask = Mask::new(Masker::new(MaskKey([7; 32]), MaskRules::default()));
    let (profile, logged) = (Profile::Best, false);
    let context = Context {
        index: &index,
        call: &call,
        id: "explain",
        status: 501,
        profile,
        logged,
        records: false,
        cursor: None,
        mask: &mask,
    };
    let commands: Vec<String> = MissReport::new(&context, &miss).fixes.into_iter().map(|fix| fix.command).collect();
    assert_eq!(
        commands,
        [
            "retake mock scenario add test 'GET /search' --name page-3 --query q=a --query page=3 --body BODY",
            "write into stubs/a.test/get-search-two.json: under \"rules\": {\"place\":\"query\",\"name\":\"page\",\"action\":\"any\"}",
            "retake mock default test 'GET /search#two'",
            "retake replay test --on-miss record",
        ]
    );
}

#[test]
fn recording_is_proposed_with_what_is_in_its_way_and_not_where_it_is_on() {
    let mut source = collection(&[], &["GET /x | a", "GET /kept | kept ?a=1"]);
    // `/kept`: they are in the order of their files.
    std::sync::Arc::make_mut(&mut source.collection).stubs[0].stub.on_miss = Some(crate::collection::OnMiss::Fail);
    let index = index(vec![source]);
    let recording = |line: &str, records: bool| {
        let call = call(line);
        let Selection::Miss(miss) = index.select(&call, Profile::Best, &Untouched) else { panic!("a hit") };
        let mask = Mask::new(Masker::new(MaskKey([7; 32]), MaskRules::default()));
        let (index, profile) = (&index, Profile::Best);
        let context = Context {
            index,
            call: &call,
            id: "run:17",
            status: 501,
            profile,
            logged: true,
            records,
            cursor: None,
            mask: &mask,
        };
        let fixes = MissReport::new(&context, &miss).fixes;
        fixes.into_iter().map(|fix| fix.title).find(|title| title.starts_with("record the true answer"))
    };
    for (line, way) in [
        ("GET /y", "make the call again, and then"),
        ("GET * /y", "make the call again through the proxy or with `/@HOST` before its path"),
        ("GET /kept?a=2", "no longer says `\"on_miss\": \"fail\"`"),
    ] {
        let title = recording(line, false).unwrap();
        assert!(title.contains(way), "{line}: {title}");
        assert_eq!(recording(line, true), None, "{line}");
    }
}

#[test]
fn a_scenario_that_takes_any_body_is_not_named_for_one() {
    let mut call = call("PUT /a Content-Type:application/json x");
    call.body = bytes::Bytes::from(format!("{{\"n3777\":\"y\",\"more\":\"{}\"}}", "x".repeat(9000)));
    let index = index(vec![collection(&[], &["PUT /a | first {\"n3777\":\"x\"}"])]);
    let report = report_of(&index, &call, Profile::Best, &Untouched);
    let Some(Change::CopyScenario { name, .. }) = report.fixes.iter().find_map(|fix| fix.change.clone()) else {
        panic!("{:?}", report.fixes)
    };
    assert_eq!(name, "first");
}

#[test]
fn what_is_written_by_hand_has_all_that_the_call_asks_for_or_is_not_proposed() {
    let by_hand = |line: &str, body: &str| {
        let mut call = call(line);
        call.body = bytes::Bytes::from(body.to_owned());
        let report = report_of(&index(vec![collection(&[], &["GET /x | a"])]), &call, Profile::Best, &Untouched);
        let fix = report.fixes.iter().find(|fix| fix.title.starts_with("write the answer by hand"))?;
        let shown = format!("\n       {}\n", fix.command);
        assert!(report.to_text().contains(&shown), "{}", report.to_text());
        Some(fix.command.clone())
    };
    let make = "retake mock stub add test GET https://a.test/other";
    let add = "retake mock scenario add test 'GET /other' --name ok";
    let pairs: Vec<String> = (0..13).map(|number| format!("p{number}={number}")).collect();
    let flags: String = pairs.iter().map(|pair| format!(" --query {pair}")).collect();
    let command = by_hand(&format!("GET /other?{}", pairs.join("&")), "");
    assert_eq!(command.unwrap(), format!("{make} && {add}{flags} --status 200"));
    let command = by_hand("GET /other??a=1&-b=2", "");
    assert_eq!(command.unwrap(), format!("{make} && {add} --query '?a=1' --query=-b=2 --status 200"));
    let pairs = "&a=1".repeat(300);
    assert_eq!(by_hand(&format!("GET /other?{pairs}"), ""), None);
    let quoted = "x".repeat(300);
    let command = by_hand("GET /other", &quoted).unwrap();
    assert_eq!(command, format!("{make} && {add} --data {quoted} --status 200"));
    let ignoring = format!("{make} --ignore-body && {add} --status 200");
    for body in ["a\nb", "a\tb", "a\u{202e}b", "@a", &"x".repeat(500), &"'".repeat(200)] {
        assert_eq!(by_hand("GET /other", body).as_ref(), Some(&ignoring), "{body:?}");
    }
    assert_eq!(by_hand("GET /other/\u{1b}[0m", ""), None);
}
