use super::*;
use crate::collection::{Collection, EndPolicy, Profile, StateSpec};
use crate::matching::tests::{UsedUp, call, collection, index, source};
use crate::matching::{Call, Index, Selection, Source, State, Untouched};
use crate::redact::{MaskKey, MaskRules, Masker};
use crate::report::mask::Mask;
use crate::report::miss::MissReport;

fn report_of(index: &Index, call: &Call, profile: Profile, state: &dyn State) -> MissReport {
    let Selection::Miss(miss) = index.select(call, profile, state) else { panic!("a hit") };
    let mask = Mask::new(Masker::new(MaskKey([7; 32]), MaskRules::default()));
    let context = Context { index, call, id: "run:17", status: 501, profile, logged: true, cursor: None, mask: &mask };
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
            for scenario in &file.stub.scenarios {
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
    let _ = (changes, UsedUp, EndPolicy::Miss, StateSpec { of: None, requires: None, next: None });
}
