//! Whole promotions: grouping, sequences, merges, and what must hold for any traffic.

use std::collections::HashSet;
use std::sync::Arc;

use proptest::prelude::*;

use crate::collection::{BodySpec, QueryPair, ResponseSpec, Scenario, check};
use crate::matching::{Call, Candidate, Target};
use crate::model::Chunk;
use crate::promote::testing::exchange;
use crate::promote::{BodySource, Change, Content, Existing, Options, Promotion, Reason, Recorded, promote};

fn options() -> Options {
    Options { name: "github".to_owned(), ..Options::default() }
}

/// Reads a body of a promotion's collection.
fn content(promotion: &Promotion, traffic: &[Recorded], body: &BodySpec) -> Option<Content> {
    if let Some(value) = &body.json {
        return Some(Content::Small(body.style.render(&value.value()).into()));
    }
    if let Some(text) = &body.text {
        return Some(Content::Small(text.clone().into()));
    }
    let file = promotion.bodies.iter().find(|file| Some(&file.path) == body.file.as_ref())?;
    match &file.source {
        BodySource::Bytes(bytes) => Some(Content::Small(bytes.clone())),
        BodySource::Exchange { number, .. } => {
            Some(traffic.iter().find(|recorded| recorded.exchange.number == *number)?.response.content.clone())
        }
    }
}

fn again(first: &Promotion, traffic: &[Recorded], new: Vec<Recorded>, options: Options) -> Promotion {
    let content = |body: &BodySpec| content(first, traffic, body);
    promote(Some(Existing { collection: &first.collection, content: &content }), new, options)
}

fn names(promotion: &Promotion) -> Vec<String> {
    let of = |file: &crate::collection::StubFile| {
        let names: Vec<_> = file.stub.scenarios.iter().map(|scenario| scenario.name.clone()).collect();
        format!("{} {}", file.path, names.join(" "))
    };
    promotion.collection.stubs.iter().map(of).collect()
}

fn only(promotion: &Promotion) -> &Scenario {
    let [file] = &promotion.collection.stubs[..] else { panic!("{:?}", names(promotion)) };
    let [scenario] = &file.stub.scenarios[..] else { panic!("{:?}", names(promotion)) };
    scenario
}

fn call(recorded: &Recorded) -> Call {
    let request = &recorded.exchange.request;
    let Content::Small(body) = recorded.request.content.clone() else { panic!("small bodies only") };
    Call {
        method: request.method.clone(),
        target: Target::Origin(request.origin.clone()),
        path: request.path.clone(),
        query: request.query.clone(),
        fields: request.fields.clone(),
        body,
        ..Call::default()
    }
}

#[test]
fn a_polled_job_is_a_sequence() {
    let poll = |number, state: &str| {
        let body = format!("{{\"state\":\"{state}\"}}");
        exchange(number, "GET", "https://api.test/jobs/7", 200).answering("application/json", &body)
    };
    // In any order: the start of the requests decides.
    let traffic = vec![poll(4, "done"), poll(1, "queued"), poll(3, "done"), poll(2, "queued")];
    let promotion = promote(None, traffic.clone(), options());
    let scenario = only(&promotion);
    let times: Vec<_> = scenario.responses.iter().map(|step| step.times.map_or(1, |times| times.get())).collect();
    assert_eq!((times, scenario.end, scenario.response.is_none()), (vec![2, 2], None, true));
    assert_eq!(scenario.source.as_deref(), Some(traffic[1].exchange.id.to_string().as_str()));
    assert!(!again(&promotion, &traffic, traffic.clone(), options()).changed);
    // A longer run of the same job is another sequence: told, and not taken.
    let mut longer = traffic.clone();
    longer.push(poll(5, "archived"));
    let merged = again(&promotion, &traffic, longer.clone(), options());
    assert_eq!((merged.changed, merged.report.count(Change::Conflict)), (false, 1));
    let replaced = again(&promotion, &traffic, longer, Options { replace: true, ..options() });
    assert_eq!((only(&replaced).responses.len(), replaced.report.count(Change::Changed)), (3, 1));
}

#[test]
fn a_field_is_listed_only_where_it_decided() {
    let secret = "Bearer retake-token-abcdefghij";
    let me = |number, status| exchange(number, "GET", "https://api.test/me", status);
    let traffic = vec![me(1, 401), me(2, 200).asking("Authorization", secret).asking("Accept", "*/*")];
    let promotion = promote(None, traffic.clone(), options());
    assert_eq!(names(&promotion), ["stubs/api.test/get-me.json no-authorization authorization"]);
    let scenarios = &promotion.collection.stubs[0].stub.scenarios;
    assert!(scenarios[0].request.fields.is_empty());
    assert_eq!(scenarios[1].request.fields[0].to_string(), format!("Authorization: {secret}"));
    assert_eq!(scenarios[1].request.fields.len(), 1);
    assert!(!again(&promotion, &traffic, traffic.clone(), options()).changed);
    // One of them alone finds its own scenario again.
    assert!(!again(&promotion, &traffic, vec![traffic[1].clone()], options()).changed);
    // Where the answers agree, nothing is listed.
    let alike = vec![me(1, 200).asking("Accept", "a/b"), me(2, 200).asking("Accept", "c/d")];
    assert!(only(&promote(None, alike, options())).request.is_empty());
}

fn greet(number: u64, language: Option<&str>, word: &str) -> Recorded {
    let call = exchange(number, "GET", "https://api.test/greet", 200).answering("text/plain", word);
    language.map_or(call.clone(), |language| call.asking("Accept-Language", language))
}

/// A stub's scenarios with the fields that each lists.
fn asked(promotion: &Promotion) -> Vec<(&str, Vec<String>)> {
    let [file] = &promotion.collection.stubs[..] else { panic!("{:?}", names(promotion)) };
    let fields = |scenario: &Scenario| scenario.request.fields.iter().map(ToString::to_string).collect();
    file.stub.scenarios.iter().map(|scenario| (scenario.name.as_str(), fields(scenario))).collect()
}

#[test]
fn a_field_that_siblings_list_is_asked_for_by_what_comes_later() {
    let more = |before: &Promotion, new: Vec<Recorded>| {
        let after = again(before, &[], new.clone(), options());
        assert_eq!(after.report.count(Change::Conflict), 0, "{:#?}", after.report.stubs);
        assert!(!again(&after, &[], new, options()).changed);
        after
    };
    let lists = |name, language: &str| (name, vec![format!("Accept-Language: {language}")]);
    let first = vec![greet(1, Some("de"), "Hallo"), greet(2, Some("fr"), "Bonjour")];
    let (de, fr) = (lists("accept-language-de", "de"), lists("accept-language-fr", "fr"));
    let languages = promote(None, first.clone(), options());
    assert_eq!(asked(&languages), [de.clone(), fr.clone()]);
    let later = more(&languages, vec![greet(3, Some("it"), "Ciao"), greet(4, Some("rm"), "Ciao")]);
    let (it, rm) = (lists("accept-language-it", "it"), lists("accept-language-rm", "rm"));
    assert_eq!(asked(&later)[2..], [it, rm]);
    // What was deleted by hand comes again as it was.
    let mut edited = languages.clone();
    let stub = &mut edited.collection.stubs[0].stub;
    stub.scenarios.remove(1);
    assert_eq!(asked(&more(&edited, first)), [de, fr]);
    // A call without the field asks for none, and does not answer for one that comes later, unless it says the same.
    let plain = more(&languages, vec![greet(5, None, "Hello")]);
    assert_eq!(asked(&plain)[2], ("no-accept-language", vec![]));
    assert!(!more(&plain, vec![greet(6, Some("en"), "Hello")]).changed);
    let beside = vec![greet(7, Some("es"), "Hola")];
    assert_eq!(asked(&more(&plain, beside.clone()))[3], lists("accept-language-es", "es"));
    let replaced = again(&plain, &[], beside, Options { replace: true, ..options() });
    assert_eq!((replaced.report.count(Change::New), replaced.report.count(Change::Changed)), (1, 0));
    // Another request of the stub, too; and where somebody said so, one that lacks the field is to lack it.
    let mut by_hand = plain.clone();
    let lacking = r#"{"place": "field", "name": "Accept-Language", "is": {"absent": true}}"#;
    let stub = &mut by_hand.collection.stubs[0].stub;
    stub.scenarios[2].request.matchers.push(serde_json::from_str(lacking).unwrap());
    let mut other = [greet(8, None, "Hello Ann"), greet(9, Some("de"), "Hallo Ann")];
    other[0].exchange.request.query = Some("name=ann".to_owned());
    other[1].exchange.request.query = Some("name=bob".to_owned());
    let both = more(&by_hand, other.to_vec());
    assert_eq!(asked(&both)[3..], [("name-ann", vec![]), lists("name-bob", "de")]);
    let matchers = |at: usize| &both.collection.stubs[0].stub.scenarios[at].request.matchers;
    assert_eq!((matchers(3), matchers(4).len()), (matchers(2), 0));
    assert_eq!(asked(&more(&by_hand, vec![greet(10, Some("es"), "Hola")]))[3].0, "accept-language-es");
    // Where fields are not compared, none is listed.
    let mut loose = languages.clone();
    let stub = &mut loose.collection.stubs[0].stub;
    stub.parts.fields = false;
    assert_eq!(asked(&more(&loose, other[1..].to_vec()))[2], ("name-bob", vec![]));
}

#[test]
fn what_is_no_answer_is_left_out_and_counted() {
    let mut partial = exchange(2, "POST", "https://api.test/", 200);
    partial.exchange.partial = true;
    let traffic = vec![
        exchange(1, "GET", "https://api.test/", 200).failed(),
        partial,
        exchange(3, "GET", "https://api.test/", 101),
        exchange(4, "GET", "https://stray.test/", 200),
    ];
    let report = promote(None, traffic, options()).report;
    let reasons: Vec<_> = report.left_out.iter().map(|left| (left.reason, left.count, left.numbers[0])).collect();
    assert_eq!(reasons, [(Reason::Failed, 1, 1), (Reason::Upgraded, 1, 3), (Reason::Partial, 1, 2)]);
    assert_eq!((report.selected, report.promoted), (4, 1));
    let hosts: Vec<_> = report.hosts.iter().map(|host| (host.host.as_str(), host.calls, host.promoted)).collect();
    assert_eq!(hosts, [("api.test", 3, 0), ("stray.test", 1, 1)]);
}

#[test]
fn loopback_is_one_host_with_any_port() {
    let traffic = vec![
        exchange(1, "GET", "http://127.0.0.1:5000/a", 200),
        exchange(2, "GET", "http://localhost:5000/a", 200),
        exchange(3, "GET", "http://[::1]:5000/a", 200),
    ];
    let promotion = promote(None, traffic.clone(), options());
    assert_eq!(promotion.collection.manifest.origins[0].to_string(), "http://localhost:*");
    assert_eq!(only(&promotion).steps().len(), 1);
    // Another port of another day is the same server.
    let later = vec![exchange(9, "GET", "http://127.0.0.1:6000/a", 200)];
    assert!(!again(&promotion, &traffic, later, options()).changed);
    let two = vec![traffic[0].clone(), exchange(4, "GET", "http://localhost:5001/a", 200)];
    assert_eq!(promote(None, two, options()).collection.stubs.len(), 2);
}

#[test]
fn what_a_person_wrote_stays() {
    let user = |number, login: &str, body: &str| {
        exchange(number, "GET", &format!("https://api.test/users/{login}"), 200).answering("text/plain", body)
    };
    let traffic = vec![user(1, "octocat", "hi")];
    let mut promotion = promote(None, traffic.clone(), options());
    let stub = &mut promotion.collection.stubs[0].stub;
    stub.path = "/users/{login}".parse().unwrap();
    stub.scenarios[0].name = "my octocat".to_owned();
    stub.scenarios[0].disabled = true;
    stub.scenarios[0].request.captures.insert("login".to_owned(), "octocat".to_owned());
    assert!(!again(&promotion, &traffic, traffic.clone(), options()).changed, "found by its request, disabled or not");
    let merged = again(&promotion, &traffic, vec![user(2, "torvalds", "hello"), user(3, "octocat", "new")], options());
    assert_eq!(names(&merged), ["stubs/api.test/get-users-octocat.json my octocat torvalds"]);
    assert_eq!((merged.report.count(Change::New), merged.report.count(Change::Conflict)), (1, 1));
    let conflict = merged.report.stubs[0].scenarios[1].conflict.clone().unwrap();
    assert_eq!(
        (conflict.at.as_str(), conflict.committed.as_str(), conflict.recorded.as_str()),
        ("body line 1", "hi", "new")
    );
    let replaced = again(&promotion, &traffic, vec![user(3, "octocat", "new")], Options { replace: true, ..options() });
    let scenario = only(&replaced);
    assert_eq!((scenario.name.as_str(), scenario.disabled), ("my octocat", true));
    assert_eq!(scenario.steps()[0].body.as_ref().unwrap().text.as_deref(), Some("new"));
}

#[test]
fn how_an_answer_is_given_stays_when_it_is_replaced() {
    let get = |number, text: &str, took| {
        let mut call = exchange(number, "GET", "https://api.test/a", 200).answering("text/plain", text);
        call.exchange.timings.first_byte_us = Some(took);
        call.exchange.timings.chunks = vec![Chunk { at_us: took, bytes: 1 }, Chunk { at_us: took + 9_000, bytes: 2 }];
        call
    };
    let traffic = vec![get(1, "one", 20_000)];
    let mut first = promote(None, traffic.clone(), Options { durations: true, ..options() });
    let set = Arc::make_mut(first.collection.stubs[0].stub.scenarios[0].response.as_mut().unwrap());
    (set.delay, set.fault) = ("recorded*2".parse().ok(), Some(serde_json::from_str("{\"do\": \"reset\"}").unwrap()));
    let committed = set.clone();
    let replace = |new: &[&str], durations| {
        let new = (2..).zip(new).map(|(number, text)| get(number, text, 70_000)).collect();
        again(&first, &traffic, new, Options { replace: true, durations, ..options() })
    };
    let replaced = replace(&["two"], false);
    let [step] = only(&replaced).steps() else { panic!() };
    assert_eq!(step.body.as_ref().unwrap().text.as_deref(), Some("two"));
    assert_eq!(ResponseSpec { body: committed.body.clone(), ..step.clone() }, committed);
    let replaced = replace(&["two"], true);
    let [step] = only(&replaced).steps() else { panic!() };
    assert_eq!((&step.delay, &step.fault), (&committed.delay, &committed.fault));
    assert_eq!((step.duration_ms, step.pace.len()), (Some(70), 2));
    // The call that now gets the second step got the only one before.
    for step in only(&replace(&["two", "three"], false)).steps() {
        assert_eq!((&step.delay, step.duration_ms), (&committed.delay, Some(20)));
    }
}

#[test]
fn an_answer_took_until_its_last_byte_and_a_paced_stream_until_its_head() {
    let took = |chunks: &[u64]| {
        let mut call = exchange(1, "GET", "https://api.test/a", 200).answering("text/plain", "abc");
        let timings = &mut call.exchange.timings;
        (timings.first_byte_us, timings.total_us) = (Some(2_000), 43_400);
        timings.chunks = chunks.iter().map(|&at_us| Chunk { at_us, bytes: 1 }).collect();
        let promoted = promote(None, vec![call], Options { durations: true, ..options() });
        let step = only(&promoted).steps()[0].clone();
        (step.duration_ms, step.pace.len())
    };
    assert_eq!(took(&[]), (Some(43), 0));
    assert_eq!(took(&[2_000, 2_100]), (Some(43), 0), "it came in one piece");
    assert_eq!(took(&[2_000, 22_000, 42_000]), (Some(2), 3));
}

#[test]
fn a_request_that_the_defaults_of_its_stub_would_change_is_left_out() {
    let page = |number, query: &str| exchange(number, "GET", &format!("https://api.test/list{query}"), 200);
    let traffic = vec![page(1, "?page=1")];
    let mut promotion = promote(None, traffic.clone(), options());
    let stub = &mut promotion.collection.stubs[0].stub;
    stub.defaults.query = std::mem::take(&mut stub.scenarios[0].request.query);
    let new = vec![page(1, "?page=1"), page(2, ""), page(3, "?page=3")];
    let merged = again(&promotion, &traffic, new, options());
    assert_eq!(names(&merged), ["stubs/api.test/get-list.json ok page-3"]);
    assert_eq!((merged.report.left_out[0].reason, merged.report.left_out[0].numbers[0]), (Reason::Defaults, 2));
    assert_eq!(merged.collection.stubs[0].stub.scenarios[1].request.query, [QueryPair("page=3".to_owned())]);
}

#[test]
fn placeholders_of_one_place_are_equal() {
    let login = |number, hash: &str| {
        exchange(number, "POST", "https://api.test/login", 200)
            .sending("application/json", &format!("{{\"user\":\"a\",\"password\":\"retake-password-{hash}\"}}"))
            .answering("application/json", &format!("{{\"token\":\"retake-token-{hash}\"}}"))
    };
    let traffic = vec![login(1, "aaaaaaaaaa")];
    let promotion = promote(None, traffic.clone(), options());
    assert!(!again(&promotion, &traffic, vec![login(2, "bbbbbbbbbb")], options()).changed);
    assert_eq!(only(&promotion).name, "ok");
    // What agrees here is an exact hit there, wherever the placeholder stands.
    let call_with = |number, hash: &str| {
        let url =
            format!("https://api.test/reset/retake-token-{hash}?key=retake-key-{hash}&note=by%20retake-key-{hash}");
        exchange(number, "POST", &url, 200)
            .sending("application/json", &format!("{{\"to\":\"mailto:retake-token-{hash}?x\"}}"))
    };
    let promotion = promote(None, vec![call_with(1, "aaaaaaaaaa"), call_with(2, "bbbbbbbbbb")], options());
    let scenario = only(&promotion);
    assert_eq!(promotion.collection.stubs[0].stub.path.as_str(), "/reset/{masked}");
    let body = content(&promotion, &[], scenario.request.body.as_ref().unwrap());
    let Some(Content::Small(body)) = body else { panic!("the body is inline") };
    let candidate = Candidate::new(&promotion.collection.stubs[0].stub, scenario, &[], Some(&body));
    assert!(candidate.is_exact(&call(&call_with(3, "cccccccccc"))));
}

#[test]
fn the_default_is_the_scenario_that_was_asked_for() {
    let page = |number, page: u32| exchange(number, "GET", &format!("https://api.test/list?page={page}"), 200);
    let traffic = vec![page(1, 1), page(2, 2)];
    let promotion = promote(None, traffic.clone(), Options { default: Some(2), ..options() });
    let defaults = |promotion: &Promotion| -> Vec<bool> {
        promotion.collection.stubs[0].stub.scenarios.iter().map(|scenario| scenario.default).collect()
    };
    assert_eq!(names(&promotion), ["stubs/api.test/get-list.json page-1 page-2"]);
    assert_eq!(defaults(&promotion), [false, true]);
    let moved = again(&promotion, &traffic, traffic.clone(), Options { default: Some(1), ..options() });
    assert_eq!(defaults(&moved), [true, false]);
}

#[test]
fn what_was_not_called_this_time_is_told_and_stays() {
    let call = |number, page: u64| exchange(number, "GET", &format!("https://api.test/a?page={page}"), 200);
    let traffic = vec![call(1, 1), call(2, 2)];
    let first = promote(None, traffic.clone(), options());
    let second = again(&first, &traffic, vec![call(3, 1)], options());
    assert!(!second.changed);
    assert_eq!(second.report.counts.get("removed"), Some(&1));
    assert_eq!(second.report.stale[0].scenarios, ["page-2"]);
}

#[test]
fn new_stubs_can_be_handed_over_while_the_rest_is_made() {
    let call = |number, path: &str| exchange(number, "GET", &format!("https://api.test{path}"), 200);
    let traffic = vec![call(1, "/a"), call(2, "/b?page=1"), call(3, "/b?page=2")];
    let whole = promote(None, traffic.clone(), options());
    let (none, nothing) = (crate::promote::empty("x"), |_: &BodySpec| None);
    let findings = crate::promote::Findings::default();
    let existing = Existing { collection: &none, content: &nothing };
    let mut promoter = crate::promote::Promoter::new(existing, None, &findings, options());
    traffic.into_iter().for_each(|recorded| promoter.push(recorded));
    let mut taken = Vec::new();
    let promotion = promoter.finish(&mut |file| {
        taken.push(file.clone());
        true
    });
    taken.sort_by(|one, other| one.path.cmp(&other.path));
    assert_eq!(taken, whole.collection.stubs);
    assert_eq!(promotion.sent.len(), 2);
    assert!(promotion.collection.stubs.iter().all(|file| file.stub.scenarios.is_empty()));
    assert_eq!(promotion.report.counts, whole.report.counts);
}

#[test]
fn binary_bodies_are_files_named_for_their_scenario() {
    let mut logo = exchange(1, "GET", "https://api.test/logo", 200).answering("image/png", "");
    logo.response = crate::promote::Decoded::plain(&b"\x89PNG\r\n"[..]);
    let promotion = promote(None, vec![logo.clone()], options());
    assert_eq!(promotion.bodies[0].path, "bodies/api.test/get-logo/ok.png");
    let second = again(&promotion, std::slice::from_ref(&logo), vec![logo.clone()], options());
    assert!(!second.changed && second.bodies.is_empty());
}

/// Some traffic: few enough paths, queries, bodies, fields and answers that all meet.
/// Positions of host, query, body, two fields and answer.
type Picked = (usize, usize, usize, (usize, usize), usize);

fn traffic() -> impl Strategy<Value = Vec<Recorded>> {
    let hosts = ["https://a.test", "http://127.0.0.1:5000", "http://localhost:5001"];
    let queries = ["", "?page=1", "?page=2", "?b=1&a=2", "?a=2&b=1"];
    let bodies = ["", r#"{"item":"tea","n":1}"#, r#"{ "n": 1.0, "item": "tea" }"#, r#"{"item":"coffee"}"#, "not json"];
    let fields =
        [None, Some(("Accept", "text/html")), Some(("Accept-Language", "de")), Some(("Authorization", "Basic x"))];
    let answers = [(200, "{\"a\":1}"), (200, "{\"a\":2}"), (404, ""), (200, "text")];
    let one = (0..hosts.len(), 0..queries.len(), 0..bodies.len(), (0..fields.len(), 0..fields.len()), 0..answers.len());
    prop::collection::vec(one, 1..24).prop_map(move |all| {
        let build = |(at, (host, query, body, (one, other), answer)): (usize, Picked)| {
            let method = if bodies[body].is_empty() { "GET" } else { "POST" };
            let (status, text) = answers[answer];
            let url = format!("{}/things{}", hosts[host], queries[query]);
            let mut recorded = exchange(at as u64 + 1, method, &url, status).answering("application/json", text);
            if !bodies[body].is_empty() {
                recorded = recorded.sending("application/json", bodies[body]);
            }
            let mut listed = vec![one, other];
            listed.dedup();
            for (name, value) in listed.into_iter().filter_map(|field| fields[field]) {
                recorded = recorded.asking(name, value);
            }
            recorded
        };
        all.into_iter().enumerate().map(build).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn promoting_again_changes_nothing(traffic in traffic()) {
        let first = promote(None, traffic.clone(), options());
        let second = again(&first, &traffic, traffic.clone(), options());
        prop_assert!(!second.changed && second.bodies.is_empty(), "{:#?}", second.report);
        prop_assert_eq!(second.report.count(Change::Conflict) + second.report.count(Change::New), 0);
    }

    #[test]
    fn the_order_of_input_does_not_matter(traffic in traffic(), seed in any::<u64>()) {
        let mut shuffled = traffic.clone();
        shuffled.sort_by_key(|recorded| recorded.exchange.number.wrapping_mul(seed | 1).rotate_left(17));
        let (one, other) = (promote(None, traffic, options()), promote(None, shuffled, options()));
        prop_assert_eq!(one.collection, other.collection);
        prop_assert_eq!(one.bodies, other.bodies);
        prop_assert_eq!(one.report, other.report);
    }

    #[test]
    fn every_request_is_an_exact_hit_of_a_scenario_that_gives_its_answer(traffic in traffic()) {
        let promotion = promote(None, traffic.clone(), options());
        for recorded in &traffic {
            let call = call(recorded);
            // Of the exact hits, matching takes the one with most items compared.
            let exact = promotion.collection.stubs.iter().flat_map(|file| {
                file.stub.scenarios.iter().map(move |scenario| (&file.stub, scenario))
            });
            let best = exact.filter_map(|(stub, scenario)| {
                let body = scenario.request.body.as_ref().map(|body| match content(&promotion, &traffic, body) {
                    Some(Content::Small(bytes)) => bytes,
                    other => panic!("{other:?}"),
                });
                let evaluation = Candidate::new(stub, scenario, &[], body.as_ref()).evaluate(&call)?;
                evaluation.is_exact().then(|| (evaluation.compared(), scenario))
            });
            let best = best.max_by_key(|(compared, _)| *compared);
            let Some((_, scenario)) = best else { panic!("no exact hit for {}", recorded.exchange.request.url()) };
            let response = recorded.exchange.outcome.response().unwrap();
            let given = scenario.steps().iter().any(|step| {
                let body = step.body.as_ref().map(|body| content(&promotion, &traffic, body).unwrap());
                step.status == response.status
                    && body.unwrap_or(Content::Small(Default::default())) == recorded.response.content
            });
            prop_assert!(given, "{} does not give {:?}", scenario.name, recorded.response);
        }
    }

    #[test]
    fn names_are_unique_and_files_stay_inside(traffic in traffic()) {
        let promotion = promote(None, traffic, options());
        let mut files = HashSet::new();
        for file in &promotion.collection.stubs {
            prop_assert!(files.insert(file.path.to_lowercase()) && file.path.starts_with("stubs/"));
            let mut names = HashSet::new();
            for scenario in &file.stub.scenarios {
                prop_assert!(names.insert(scenario.name.clone()));
                prop_assert!((1..=40).contains(&scenario.name.len()));
            }
        }
        prop_assert!(promotion.collection.stubs.is_sorted_by(|one, other| one.path < other.path));
        prop_assert_eq!(check::collection(&promotion.collection), vec![]);
    }
}
