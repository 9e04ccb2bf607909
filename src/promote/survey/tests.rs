//! Flows recorded twice: the second take hits what the first one became, and what matters still decides.

use crate::collection::{Place, Rule, RuleAction, RuleSide};
use crate::matching::{Call, Index, RecordedValues, Selection, Source, Target, Untouched};
use crate::model::Shape;
use crate::promote::testing::exchange;
use crate::promote::{Change, Content, Existing, Options, Promotion, Recorded, promote};

fn options() -> Options {
    Options { name: "shop".to_owned(), ..Options::default() }
}

fn content(body: &crate::collection::BodySpec) -> Option<Content> {
    let text = match (&body.json, &body.text) {
        (Some(json), _) => body.style.render(&json.value()),
        (_, Some(text)) => text.clone().into_bytes(),
        _ => return None,
    };
    Some(Content::Small(text.into()))
}

pub(super) fn again(first: &Promotion, traffic: Vec<Recorded>) -> Promotion {
    promote(Some(Existing { collection: &first.collection, content: &content }), traffic, options())
}

/// Promotes the first take, and checks that it is stable.
pub(super) fn promoted(traffic: &[Recorded]) -> Promotion {
    let promotion = promote(None, traffic.to_vec(), options());
    assert_eq!(crate::collection::check::collection(&promotion.collection), vec![]);
    let second = again(&promotion, traffic.to_vec());
    assert!(!second.changed, "promoting again changes nothing: {:#?}\n{:#?}", second.report.stubs, second.report.rules);
    let mut turned = traffic.to_vec();
    turned.reverse();
    assert_eq!(promote(None, turned, options()).collection, promotion.collection, "the order of input plays no part");
    promotion
}

fn index(promotion: &Promotion) -> Index {
    let body = |body: &crate::collection::BodySpec| match content(body)? {
        Content::Small(bytes) => Some(bytes),
        Content::Large { .. } => None,
    };
    let collection = std::sync::Arc::new(promotion.collection.clone());
    let recorded = std::sync::Arc::new(RecordedValues::of(&collection, &body));
    let body = std::sync::Arc::new(body);
    Index::new(vec![Source { name: "shop".into(), given: "shop".into(), collection, body, recorded }])
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
        steering: Default::default(),
        at: recorded.exchange.started_at,
    }
}

/// The status of each scenario that answers, in any of its steps; none for a miss.
fn statuses(index: &Index, recorded: &Recorded) -> Option<Vec<u16>> {
    match index.select(&call(recorded), crate::collection::Profile::Strict, &Untouched) {
        Selection::Hit(hit) => Some(index.scenario(hit.at).steps().iter().map(|step| step.status).collect()),
        Selection::Miss(_) => None,
    }
}

#[track_caller]
pub(super) fn hits(promotion: &Promotion, second: &[Recorded]) {
    let index = index(promotion);
    for recorded in second {
        let request = &recorded.exchange.request;
        let expected = recorded.exchange.outcome.response().unwrap().status;
        let found = statuses(&index, recorded);
        assert!(
            found.as_ref().is_some_and(|found| found.contains(&expected)),
            "{} {}: {found:?} instead of {expected}\n{:#?}",
            request.method,
            request.url(),
            promotion.report.rules,
        );
    }
}

#[track_caller]
pub(super) fn misses(promotion: &Promotion, recorded: &Recorded) {
    let found = statuses(&index(promotion), recorded);
    assert_eq!(found, None, "{}", recorded.exchange.request.url());
}

fn rules<'p>(promotion: &'p Promotion, path: &str) -> Vec<&'p Rule> {
    let stubs = promotion.collection.stubs.iter().filter(|file| file.stub.path.as_str() == path);
    stubs.flat_map(|file| &file.stub.rules).collect()
}

/// The rules of requests in short: `query ts any epoch-millis`.
pub(super) fn short(promotion: &Promotion, method: &str, path: &str) -> Vec<String> {
    let file =
        promotion.collection.stubs.iter().find(|file| file.stub.method == method && file.stub.path.as_str() == path);
    let file = file.unwrap_or_else(|| panic!("no {method} {path} in {:?}", paths(promotion)));
    let line = |rule: &Rule| {
        let action = serde_json::to_value(rule.action).unwrap();
        let shape = rule.shape.map(|shape| format!(" {shape}")).unwrap_or_default();
        let side = if rule.side == RuleSide::Response { "answer " } else { "" };
        let from = rule.from.as_ref().map(|from| format!(" from {from}")).unwrap_or_default();
        format!("{side}{} {} {}{shape}{from}", rule.place.as_str(), rule.name, action.as_str().unwrap())
    };
    file.stub.rules.iter().map(line).collect()
}

pub(super) fn paths(promotion: &Promotion) -> Vec<String> {
    promotion.collection.stubs.iter().map(|file| format!("{} {}", file.stub.method, file.stub.path)).collect()
}

pub(super) fn json(number: u64, method: &str, path: &str, status: u16, answer: &str) -> Recorded {
    exchange(number, method, &format!("https://shop.test{path}"), status).answering("application/json", answer)
}

/// A UUID of version 4, the nth of a take.
pub(super) fn uuid(take: u64, n: u64) -> String {
    uuid::Builder::from_random_bytes(*blake3::hash(format!("{take}-{n}").as_bytes()).as_bytes().first_chunk().unwrap())
        .into_uuid()
        .to_string()
}

/// The moment at which an exchange of a take starts, as RFC 3339.
pub(super) fn at(number: u64) -> String {
    exchange(number, "GET", "https://shop.test/", 200).exchange.started_at.to_string()
}

/// Orders with UUIDs and moments; a take begins at exchange `take * 100`.
fn crud(take: u64) -> Vec<Recorded> {
    let n = |step: u64| take * 100 + step;
    let (tea, pie, none) = (uuid(take, 1), uuid(take, 2), uuid(take, 3));
    let order = |id: &str, item: &str, amount: u64, made: u64| {
        format!(
            r#"{{"id":"{id}","item":"{item}","amount":{amount},"created_at":"{}","links":{{"self":"/orders/{id}"}}}}"#,
            at(made)
        )
    };
    let create = |step: u64, id: &str, item: &str| {
        let sent = format!(
            r#"{{"item":"{item}","amount":2,"client_ref":"{}","sent_at":"{}"}}"#,
            uuid(take, 50 + step),
            at(n(step))
        );
        let answer = order(id, item, 2, n(step))
            .replace("\"links\"", &format!(r#""client_ref":"{}","links""#, uuid(take, 50 + step)));
        json(n(step), "POST", "/orders", 201, &answer)
            .sending("application/json", &sent)
            .with("Location", &format!("/orders/{id}"))
    };
    let get = |step: u64, id: &str, item: &str, amount: u64, made: u64| {
        json(n(step), "GET", &format!("/orders/{id}"), 200, &order(id, item, amount, n(made)))
    };
    vec![
        json(n(0), "GET", "/orders", 200, "[]"),
        create(1, &tea, "tea"),
        create(2, &pie, "pie"),
        get(3, &tea, "tea", 2, 1),
        get(4, &pie, "pie", 2, 2),
        json(n(5), "PATCH", &format!("/orders/{tea}"), 200, &order(&tea, "tea", 3, n(1)))
            .sending("application/json", r#"{"amount":3}"#),
        get(6, &tea, "tea", 3, 1),
        json(
            n(7),
            "GET",
            "/orders",
            200,
            &format!("[{},{}]", order(&tea, "tea", 3, n(1)), order(&pie, "pie", 2, n(2))),
        ),
        json(n(8), "POST", "/shipments", 201, &format!(r#"{{"id":"{}","order_id":"{pie}"}}"#, uuid(take, 4)))
            .sending("application/json", &format!(r#"{{"order_id":"{pie}","speed":"slow"}}"#)),
        exchange(n(9), "DELETE", &format!("https://shop.test/orders/{tea}"), 204),
        json(n(10), "GET", &format!("/orders/{tea}"), 404, r#"{"error":"gone"}"#),
        json(n(11), "GET", "/orders/00000000-0000-4000-8000-000000000000", 404, r#"{"error":"gone"}"#),
        json(n(12), "DELETE", &format!("/orders/{none}"), 404, r#"{"error":"gone"}"#),
    ]
}

#[test]
fn orders_that_are_made_afresh_are_found() {
    let promotion = promoted(&crud(1));
    let expected = [
        "DELETE /orders/{order_id}",
        "GET /orders/{order_id}",
        "GET /orders",
        "PATCH /orders/{order_id}",
        "POST /orders",
        "POST /shipments",
    ];
    let mut found = paths(&promotion);
    let mut expected = expected.map(str::to_owned).to_vec();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    let second: Vec<_> = crud(2).into_iter().filter(|recorded| recorded.exchange.number != 212).collect();
    hits(&promotion, &second);
    for rule in [
        "json /client_ref any uuid",
        "json /sent_at any date-time",
        "answer json /id fresh uuid",
        "answer json /client_ref echo from json /client_ref",
        "answer json /created_at any date-time",
    ] {
        assert!(
            short(&promotion, "POST", "/orders").contains(&rule.to_owned()),
            "{rule}: {:?}",
            short(&promotion, "POST", "/orders")
        );
    }
    let get = rules(&promotion, "/orders/{order_id}");
    let fresh = get.iter().find(|rule| rule.action == RuleAction::Fresh && rule.place == Place::Path).unwrap();
    assert_eq!((fresh.shape, fresh.why.as_deref()), (Some(Shape::Uuid), Some("made by POST /orders")));
    assert!(
        short(&promotion, "GET", "/orders/{order_id}")
            .contains(&"answer json /links/self echo from path order_id".to_owned())
    );
    // What matters decides still.
    let order = |body: &str| json(1, "POST", "/orders", 201, "").sending("application/json", body);
    let (reference, moment) = (uuid(9, 9), at(900));
    misses(
        &promotion,
        &order(&format!(r#"{{"item":"tea","amount":3,"client_ref":"{reference}","sent_at":"{moment}"}}"#)),
    );
    misses(
        &promotion,
        &order(&format!(r#"{{"item":"cake","amount":2,"client_ref":"{reference}","sent_at":"{moment}"}}"#)),
    );
    misses(&promotion, &json(1, "GET", "/orders/7", 200, ""));
    misses(&promotion, &json(1, "DELETE", "/shipments", 200, ""));
}

#[test]
fn a_second_similar_day_says_the_same() {
    let first = promoted(&crud(1));
    let merged = again(&first, crud(2));
    let counts = &merged.report.counts;
    assert_eq!((counts.get("conflict"), counts.get("new")), (None, Some(&1)), "{:#?}", merged.report.stubs);
    // The new one is the deletion of another order that never was, and the rule knows of it.
    let new = merged.report.stubs.iter().flat_map(|stub| &stub.scenarios).find(|line| line.change == Change::New);
    assert_eq!(new.unwrap().status, 404);
}

#[test]
fn a_rule_that_is_off_stays_off() {
    let traffic = crud(1);
    let mut promotion = promoted(&traffic);
    for file in &mut promotion.collection.stubs {
        file.stub.rules.iter_mut().for_each(|rule| rule.off = true);
    }
    let merged = again(&promotion, traffic);
    assert!(!merged.changed, "{:#?}", merged.report.rules);
    let second = &crud(2)[3];
    misses(&promotion, second);
}

#[test]
fn pages_are_found_by_any_cursor() {
    let take = |take: u64| {
        let cursor = |n: u64| format!("eyJ{}", &blake3::hash(format!("{take}/{n}").as_bytes()).to_hex()[..24]);
        let page = |step: u64, query: &str, items: &str, next: Option<String>| {
            let next = next.map_or("null".to_owned(), |next| format!("\"{next}\""));
            json(
                take * 100 + step,
                "GET",
                &format!("/events?limit=2{query}"),
                200,
                &format!(r#"{{"items":[{items}],"next_cursor":{next}}}"#),
            )
        };
        vec![
            page(1, "", "1,2", Some(cursor(1))),
            page(2, &format!("&cursor={}", cursor(1)), "3,4", Some(cursor(2))),
            page(3, &format!("&cursor={}", cursor(2)), "5", None),
        ]
    };
    let promotion = promoted(&take(1));
    hits(&promotion, &take(2));
    assert_eq!(short(&promotion, "GET", "/events")[0], "query cursor fresh");
    misses(&promotion, &json(1, "GET", "/events?limit=3", 200, ""));
    let merged = again(&promotion, take(2));
    assert_eq!(merged.report.count(Change::Same), 3, "{:#?}", merged.report.stubs);
    assert!(!merged.changed);
}

#[test]
fn a_login_with_codes_and_states_is_found_again() {
    let take = |take: u64| {
        let word = |n: u64| blake3::hash(format!("{take}/{n}").as_bytes()).to_hex()[..32].to_owned();
        let n = |step: u64| take * 100 + step;
        let secret = |kind: &str, n: u64| format!("retake-{kind}-{}", &word(n)[..10]);
        let form = |step: u64, body: &str, answer: &str| {
            json(n(step), "POST", "/token", 200, answer).sending("application/x-www-form-urlencoded", body)
        };
        let (code, state) = (word(1), word(2));
        let tokens = |a: u64| {
            format!(
                r#"{{"access_token":"{}","refresh_token":"{}","expires_in":3600}}"#,
                secret("token", a),
                secret("token", a + 1)
            )
        };
        let me = |step: u64, token: u64, status: u16, answer: &str| {
            json(n(step), "GET", "/me", status, answer)
                .asking("Authorization", &format!("Bearer {}", secret("token", token)))
        };
        vec![
            exchange(n(1), "GET", &format!("https://shop.test/authorize?client_id=app&state={state}&scope=read"), 302)
                .with("Location", &format!("https://app.test/callback?code={code}&state={state}")),
            form(2, &format!("grant_type=authorization_code&code={code}&code_verifier={}", word(3)), &tokens(10)),
            me(3, 10, 200, r#"{"login":"octocat"}"#),
            me(4, 10, 401, r#"{"error":"expired"}"#),
            form(5, &format!("grant_type=refresh_token&refresh_token={}", secret("token", 11)), &tokens(20)),
            me(6, 20, 200, r#"{"login":"octocat"}"#),
        ]
    };
    let promotion = promoted(&take(1));
    hits(&promotion, &take(2));
    let authorize = short(&promotion, "GET", "/authorize");
    assert!(authorize.contains(&"query state any hex".to_owned()), "{authorize:?}");
    assert!(authorize.contains(&"answer field location echo from query state".to_owned()), "{authorize:?}");
    misses(
        &promotion,
        &exchange(1, "GET", "https://shop.test/authorize?client_id=other&state=0123456789abcdef0123&scope=read", 302),
    );
    misses(
        &promotion,
        &exchange(1, "GET", "https://shop.test/authorize?client_id=app&state=0123456789abcdef0123&scope=write", 302),
    );
}

#[test]
fn graphql_operations_are_told_apart_and_their_ids_linked() {
    let take = |take: u64| {
        let n = |step: u64| take * 100 + step;
        let id = 500 + take * 7;
        let ask = |step: u64, query: &str, variables: &str, answer: &str| {
            let body = format!(r#"{{"query":"{query}","variables":{variables}}}"#);
            json(n(step), "POST", "/graphql", 200, answer).sending("application/json", &body)
        };
        vec![
            ask(1, "query { orders { id item } }", "{}", r#"{"data":{"orders":[{"id":7,"item":"pie"}]}}"#),
            ask(
                2,
                "mutation M($i: String!) { createOrder(item: $i) { id } }",
                r#"{"i":"tea"}"#,
                &format!(r#"{{"data":{{"createOrder":{{"id":{id}}}}}}}"#),
            ),
            ask(
                3,
                "query Q($id: Int!) { order(id: $id) { id item } }",
                &format!(r#"{{"id":{id}}}"#),
                &format!(r#"{{"data":{{"order":{{"id":{id},"item":"tea"}}}}}}"#),
            ),
            ask(
                4,
                "query Q($id: Int!) { order(id: $id) { id item } }",
                r#"{"id":7}"#,
                r#"{"data":{"order":{"id":7,"item":"pie"}}}"#,
            ),
        ]
    };
    let promotion = promoted(&take(1));
    hits(&promotion, &take(2));
    let fresh = rules(&promotion, "/graphql")
        .into_iter()
        .find(|rule| rule.action == RuleAction::Fresh && rule.side == RuleSide::Request);
    assert_eq!(fresh.unwrap().except, ["7"]);
    let ask = |query: &str| {
        let body = format!(r#"{{"query":"{query}","variables":{{"i":"tea"}}}}"#);
        json(1, "POST", "/graphql", 200, "").sending("application/json", &body)
    };
    misses(&promotion, &ask("mutation M($i: String!) { deleteOrder(item: $i) { id } }"));
}

#[test]
fn filters_stay_and_cache_busters_go() {
    let take = |take: u64| {
        let n = |step: u64| take * 100 + step;
        let millis =
            |step: u64| exchange(n(step), "GET", "https://shop.test/", 200).exchange.started_at.as_millisecond();
        let search = |step: u64, query: &str, answer: &str| {
            json(n(step), "GET", &format!("/search?{query}&_={}", millis(step)), 200, answer)
        };
        vec![
            search(1, "q=tea&from=2026-01-01&since=2026-01-01T00:00:00Z&page=1", r#"{"total":2}"#),
            search(2, "q=tea&from=2026-01-01&since=2026-01-01T00:00:00Z&page=2", r#"{"total":3}"#),
            search(3, "q=pie&from=2026-02-01&since=2026-02-01T00:00:00Z&page=1", r#"{"total":4}"#),
        ]
    };
    let promotion = promoted(&take(1));
    hits(&promotion, &take(2));
    assert_eq!(short(&promotion, "GET", "/search"), ["query _ any epoch-millis"]);
    for query in [
        "q=tea&from=2026-01-02&since=2026-01-01T00:00:00Z&page=1",
        "q=tea&from=2026-01-01&since=2026-03-01T00:00:00Z&page=1",
        "q=tea&from=2026-01-01&since=2026-01-01T00:00:00Z&page=3",
    ] {
        misses(&promotion, &json(1, "GET", &format!("/search?{query}&_=1795165200000"), 200, ""));
    }
    let names: Vec<_> =
        promotion.collection.stubs[0].stub.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    assert!(names.iter().all(|name| !name.contains("17951")), "{names:?}");
}

#[test]
fn a_job_that_is_polled_is_found_by_its_new_id() {
    let take = |take: u64| {
        let n = |step: u64| take * 100 + step;
        let id = format!("job_{}", &blake3::hash(&take.to_le_bytes()).to_hex()[..12]);
        let poll = |step: u64, state: &str| {
            json(n(step), "GET", &format!("/jobs/{id}"), 200, &format!(r#"{{"id":"{id}","state":"{state}"}}"#))
        };
        vec![
            json(n(1), "POST", "/jobs", 202, &format!(r#"{{"id":"{id}","state":"queued"}}"#))
                .sending("application/json", r#"{"kind":"report"}"#)
                .with("Location", &format!("/jobs/{id}")),
            poll(2, "queued"),
            poll(3, "running"),
            poll(4, "done"),
        ]
    };
    let promotion = promoted(&take(1));
    assert_eq!(paths(&promotion), ["GET /jobs/{job_id}", "POST /jobs"]);
    hits(&promotion, &take(2));
    let merged = again(&promotion, take(2));
    assert!(!merged.changed, "{:#?}", merged.report.stubs);
}

#[test]
fn paths_become_patterns_only_where_answers_are_alike() {
    let user = |number, login: &str, named: &str| {
        json(
            number,
            "GET",
            &format!("/users/{login}"),
            200,
            &format!(r#"{{"login":"{named}","id":{number},"bio":null}}"#),
        )
    };
    let item = |number, id: u64| {
        json(number, "GET", &format!("/items/{id}"), 200, &format!(r#"{{"id":{id},"name":"n{id}"}}"#))
    };
    let traffic = vec![
        user(1, "octocat", "octocat"),
        user(2, "torvalds", "torvalds"),
        user(3, "me", "octocat"),
        json(4, "GET", "/users/nobody", 404, r#"{"message":"Not Found"}"#),
        json(5, "GET", "/health", 200, r#"{"status":"up"}"#),
        json(6, "GET", "/version", 200, r#"{"version":"1","commit":"abc"}"#),
        item(7, 1),
        item(8, 2),
        json(9, "GET", "/carts/5", 200, r#"{"total":1}"#),
        json(10, "GET", "/users/octocat/repos", 200, r#"[{"name":"a","owner":{"login":"octocat"}}]"#),
        json(11, "GET", "/files/507f1f77bcf86cd799439011/raw", 200, r#"{"a":1}"#),
    ];
    let promotion = promoted(&traffic);
    let mut found = paths(&promotion);
    found.sort();
    let expected = [
        "GET /carts/5",
        "GET /files/{file_id}/raw",
        "GET /health",
        "GET /items/{item_id}",
        "GET /users/me",
        "GET /users/nobody",
        "GET /users/{login}",
        "GET /users/{login}/repos",
        "GET /version",
    ];
    assert_eq!(found, expected);
    misses(&promotion, &json(1, "GET", "/items/999", 200, ""));
    misses(&promotion, &json(1, "GET", "/users/nobody-else", 200, ""));
    misses(&promotion, &json(1, "GET", "/users/dhh", 200, ""));
}

#[test]
fn numbers_that_were_made_are_linked_and_numbers_of_a_catalogue_are_not() {
    let take = |take: u64| {
        let n = |step: u64| take * 100 + step;
        let id = 40 + take;
        vec![
            json(n(1), "GET", "/items", 200, r#"[{"id":1,"name":"tea"},{"id":2,"name":"pie"}]"#),
            json(n(2), "GET", "/items/2", 200, r#"{"id":2,"name":"pie"}"#),
            json(n(3), "POST", "/orders", 201, &format!(r#"{{"id":{id},"item_id":2,"qty":{id}}}"#))
                .sending("application/json", r#"{"item_id":2}"#),
            json(n(4), "GET", &format!("/orders/{id}"), 200, &format!(r#"{{"id":{id},"item_id":2}}"#)),
            json(n(5), "POST", "/payments", 201, r#"{"ok":true}"#)
                .sending("application/json", &format!(r#"{{"order_id":{id},"amount":{}}}"#, 12)),
        ]
    };
    let promotion = promoted(&take(1));
    hits(&promotion, &take(2));
    let fresh = rules(&promotion, "/orders/{order_id}");
    assert!(
        fresh.iter().any(|rule| rule.action == RuleAction::Fresh && rule.shape == Some(Shape::Integer)),
        "{fresh:?}"
    );
    misses(&promotion, &json(1, "GET", "/items/999", 200, ""));
    misses(&promotion, &json(1, "POST", "/orders", 201, "").sending("application/json", r#"{"item_id":3}"#));
    misses(
        &promotion,
        &json(1, "POST", "/payments", 201, "").sending("application/json", r#"{"order_id":41,"amount":13}"#),
    );
}

#[test]
fn repeats_that_differ_only_in_what_is_made_up_are_one() {
    let ask = |number: u64| {
        let answer = format!(r#"{{"request_id":"{}","served_at":"{}","rate":0.5}}"#, uuid(1, number), at(number));
        json(number, "GET", "/rates", 200, &answer)
    };
    let promotion = promoted(&[ask(1), ask(2), ask(3)]);
    assert_eq!(promotion.collection.stubs[0].stub.scenarios[0].steps().len(), 1);
    let other = json(
        4,
        "GET",
        "/rates",
        200,
        &format!(r#"{{"request_id":"{}","served_at":"{}","rate":0.7}}"#, uuid(1, 4), at(4)),
    );
    let promotion = promoted(&[ask(1), ask(2), other]);
    assert_eq!(promotion.collection.stubs[0].stub.scenarios[0].steps().len(), 2);
}

#[test]
fn a_clock_that_goes_aside_tells_the_time_all_the_same() {
    let take = |take: u64| {
        let n = |step: u64| take * 100 + step;
        // A week ago by the clock of the programs.
        let told = |step: u64| {
            let at = exchange(n(step), "GET", "https://shop.test/", 200).exchange.started_at;
            (at - jiff::SignedDuration::from_hours(24 * 7)).to_string()
        };
        let make = |step: u64| {
            json(n(step), "POST", "/notes", 201, &format!(r#"{{"text":"n","made":"{}"}}"#, told(step)))
                .sending("application/json", r#"{"text":"n"}"#)
        };
        let changes = json(n(6), "GET", &format!("/changes?since={}&from=2026-11-01T00:00:00Z", told(6)), 200, "[]");
        vec![make(1), make(2), make(3), make(4), make(5), changes]
    };
    let promotion = promoted(&take(1));
    hits(&promotion, &take(2));
    assert_eq!(short(&promotion, "GET", "/changes"), ["query since any date-time"]);
    assert_eq!(short(&promotion, "POST", "/notes"), ["answer json /made any date-time"]);
}

#[test]
fn a_url_that_an_answer_gave_is_followed() {
    let take = |take: u64| {
        let n = |step: u64| take * 100 + step;
        let (job, file) = (format!("9b14aeb6{take}c"), format!("invoice-{}.pdf", 7000 + take));
        vec![
            json(n(1), "POST", "/invoices", 202, &format!(r#"{{"job":"{job}"}}"#))
                .sending("application/json", r#"{"month":5}"#)
                .with("Location", &format!("/jobs/{job}")),
            json(n(2), "GET", &format!("/jobs/{job}"), 200, &format!(r#"{{"url":"/files/{file}?sig=1"}}"#)),
            exchange(n(3), "GET", &format!("https://shop.test/files/{file}?sig=1"), 200).answering("text/plain", "x"),
        ]
    };
    let promotion = promoted(&take(1));
    hits(&promotion, &take(2));
    assert_eq!(paths(&promotion), ["GET /files/{file_id}", "GET /jobs/{job_id}", "POST /invoices"]);
}

#[test]
fn what_is_doubtful_is_proposed_and_not_applied() {
    let buy = |number: u64, batch: &str| {
        json(number, "POST", "/buy", 200, r#"{"ok":true}"#)
            .sending("application/json", &format!(r#"{{"item":"tea","lot":"{batch}"}}"#))
    };
    let promotion = promoted(&[buy(1, &uuid(1, 1))]);
    assert!(rules(&promotion, "/buy").is_empty());
    let [proposal] = &promotion.proposals[..] else { panic!("{:?}", promotion.proposals) };
    let mut accepted = promotion.clone();
    proposal.change.apply(&mut accepted.collection).unwrap();
    hits(&accepted, &[buy(2, &uuid(2, 1))]);
    assert!(again(&accepted, vec![buy(1, &uuid(1, 1))]).proposals.is_empty());
}

#[test]
fn traces_are_always_new_and_sessions_are_told_apart() {
    let take = |take: u8| {
        let trace = format!("00-{take:02x}37796d53bb34d6b439d5141655b26{take}-d1ac46a3a258db6{take}-01");
        let body = format!(r#"{{"name":"ada","seen":"{trace}"}}"#);
        let session = |who: char| format!("/cart?session=Z6wP4094bHPpxRA{take}Pg2WEGTPvkHy{who}f");
        vec![
            json(1, "PATCH", "/me", 200, r#"{"ok":true}"#).sending("application/json", &body),
            json(2, "GET", &session('a'), 200, r#"{"items":["tea"]}"#),
            json(3, "GET", &session('b'), 404, r#"{"items":[]}"#),
        ]
    };
    let first = promoted(&take(1));
    assert_eq!(short(&first, "PATCH", "/me"), ["json /seen any traceparent"]);
    hits(&first, &take(2)[..2]);
    let index = index(&first);
    for (recorded, status) in take(1)[1..].iter().zip([200, 404]) {
        assert_eq!(statuses(&index, recorded), Some(vec![status]));
    }
}
