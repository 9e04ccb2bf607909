//! What must hold for any day of traffic.

use proptest::prelude::*;
use retake::collection::{BodySpec, Collection};
use retake::matching::{Call, Candidate, Target};
use retake::promote::{BodySource, Change, Content, Existing, Options, Promotion, Recorded, promote};

use super::day::{Step, day, plans};

const MONDAY: &str = "2026-11-23T09:00:00Z";
const TUESDAY: &str = "2026-11-24T14:30:00Z";

fn options() -> Options {
    Options { name: "shop".into(), ..Options::default() }
}

/// The bodies of a promotion.
fn content<'a>(promotion: &'a Promotion) -> impl Fn(&BodySpec) -> Option<Content> + use<'a> {
    |body| match (&body.json, &body.text) {
        (Some(value), _) => Some(Content::Small(body.style.render(&value.value()).into())),
        (_, Some(text)) => Some(Content::Small(text.clone().into())),
        _ => {
            let file = promotion.bodies.iter().find(|file| Some(&file.path) == body.file.as_ref())?;
            let BodySource::Bytes(bytes) = &file.source else { return None };
            Some(Content::Small(bytes.clone()))
        }
    }
}

/// Promotes into what came of a promotion, perhaps edited since.
fn again(first: &Promotion, collection: &Collection, traffic: Vec<Recorded>) -> Promotion {
    promote(Some(Existing { collection, content: &content(first) }), traffic, options())
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

/// What a person does to a collection.
#[derive(Debug, Clone, Copy)]
enum Edit {
    Rename,
    Body,
    Disable,
    Priority,
    Default,
}

/// Edits one of the scenarios, chosen by a number.
fn edit(collection: &mut Collection, which: usize, edit: Edit) {
    let mut all: Vec<_> = collection.stubs.iter_mut().flat_map(|file| &mut file.stub.scenarios).collect();
    let which = which % all.len();
    let scenario = &mut all[which];
    match edit {
        Edit::Rename => scenario.name = "as-i-call-it".into(),
        Edit::Disable => scenario.disabled = true,
        Edit::Priority => scenario.priority = Some(7),
        Edit::Default => scenario.default = true,
        Edit::Body => {
            let body = BodySpec { json: Some(serde_json::json!({ "mine": true }).into()), ..BodySpec::default() };
            match &mut scenario.response {
                Some(response) => std::sync::Arc::make_mut(response).body = Some(body),
                None => scenario.responses[0].body = Some(body),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if crate::harness::heavy() { 1000 } else { 150 }))]

    #[test]
    fn a_day_promoted_twice_changes_nothing(plan in plans(), seed in any::<u64>()) {
        let traffic = day(&plan, seed, 1, MONDAY);
        let first = promote(None, traffic.clone(), options());
        let second = again(&first, &first.collection, traffic);
        prop_assert_eq!(&first.collection, &second.collection);
        prop_assert!(!second.changed && second.bodies.is_empty());
        prop_assert_eq!(second.report.count(Change::Conflict) + second.report.count(Change::New), 0);
    }

    #[test]
    fn the_order_of_a_selection_does_not_matter(plan in plans(), seed in any::<u64>()) {
        let traffic = day(&plan, seed, 1, MONDAY);
        let mut shuffled = traffic.clone();
        shuffled.sort_by_key(|recorded| recorded.exchange.number.wrapping_mul(seed | 1).rotate_left(17));
        let (one, other) = (promote(None, traffic, options()), promote(None, shuffled, options()));
        prop_assert_eq!(one.collection, other.collection);
        prop_assert_eq!(one.bodies, other.bodies);
    }

    #[test]
    fn what_a_person_edited_stays(
        plan in plans(),
        seed in any::<u64>(),
        which in any::<usize>(),
        kind in prop_oneof![Just(Edit::Rename), Just(Edit::Body), Just(Edit::Disable), Just(Edit::Priority), Just(Edit::Default)],
    ) {
        let traffic = day(&plan, seed, 1, MONDAY);
        let first = promote(None, traffic.clone(), options());
        let mut edited = first.collection.clone();
        edit(&mut edited, which, kind);
        let second = again(&first, &edited, traffic);
        prop_assert_eq!(&second.collection, &edited);
        prop_assert!(!second.changed);
        prop_assert_eq!(second.report.count(Change::Conflict), u64::from(matches!(kind, Edit::Body)));
    }

    #[test]
    fn a_rule_that_was_switched_off_stays_off(plan in plans(), seed in any::<u64>(), which in any::<usize>()) {
        let traffic = day(&plan, seed, 1, MONDAY);
        let first = promote(None, traffic.clone(), options());
        let mut edited = first.collection.clone();
        let stubs = edited.stubs.iter_mut().flat_map(|file| &mut file.stub.rules);
        let mut rules: Vec<_> = edited.manifest.rules.iter_mut().chain(stubs).collect();
        prop_assume!(!rules.is_empty());
        let which = which % rules.len();
        rules[which].off = true;
        let refused = rules[which].clone();
        let second = again(&first, &edited, traffic.clone());
        let lists = |promotion: &Promotion| {
            let stubs = promotion.collection.stubs.iter().map(|file| file.stub.rules.clone());
            stubs.chain([promotion.collection.manifest.rules.clone()]).collect::<Vec<_>>()
        };
        // It is there, and beside it no other about the same.
        let list = lists(&second).into_iter().find(|list| list.contains(&refused));
        let list = list.expect("the rule is still there");
        prop_assert_eq!(list.iter().filter(|rule| rule.same_item(&refused)).count(), 1);
        let third = again(&second, &second.collection, traffic);
        prop_assert_eq!(&third.collection, &second.collection);
    }

    #[test]
    fn a_similar_day_adds_nothing(plan in plans(), seed in any::<u64>()) {
        let first = promote(None, day(&plan, seed, 1, MONDAY), options());
        let second = again(&first, &first.collection, day(&plan, seed ^ 0xabcd_ef01, 1000, TUESDAY));
        let told = || format!("{:#?}", second.report.stubs);
        prop_assert_eq!(second.report.count(Change::New), 0, "{}", told());
        prop_assert_eq!(second.report.count(Change::Conflict), 0, "{}", told());
        prop_assert_eq!(&second.collection, &first.collection);
    }

    #[test]
    fn every_recorded_request_is_an_exact_hit(plan in plans(), seed in any::<u64>()) {
        let traffic = day(&plan, seed, 1, MONDAY);
        let promotion = promote(None, traffic.clone(), options());
        let (bodies, rules) = (content(&promotion), &promotion.collection.manifest.rules);
        for recorded in &traffic {
            let call = call(recorded);
            let scenarios = promotion.collection.stubs.iter().flat_map(|file| {
                file.stub.scenarios.iter().map(move |scenario| (&file.stub, scenario))
            });
            let exact = scenarios.filter(|(stub, scenario)| {
                let body = scenario.request.body.as_ref().map(|body| match bodies(body) {
                    Some(Content::Small(bytes)) => bytes,
                    other => panic!("{other:?}"),
                });
                let evaluation = Candidate::new(stub, scenario, rules, body.as_ref()).evaluate(&call);
                evaluation.is_some_and(|evaluation| evaluation.is_exact())
            });
            let status = recorded.exchange.outcome.response().unwrap().status;
            let given = exact.flat_map(|(_, scenario)| scenario.steps()).any(|step| step.status == status);
            prop_assert!(given, "{} {}", call.method, recorded.exchange.request.url());
        }
    }
}

#[test]
fn a_day_that_is_a_little_longer_changes_a_little() {
    let step = |item| Step::Order { item, quantity: 2 };
    let plan = [step(0), Step::Look(0), step(1), Step::Look(1), Step::List(None), Step::Search { word: 2, page: 1 }];
    let first = promote(None, day(&plan, 1, 1, MONDAY), options());
    let longer = [plan.as_slice(), &[Step::Search { word: 2, page: 2 }]].concat();
    let second = again(&first, &first.collection, day(&longer, 2, 1000, TUESDAY));
    assert_eq!((second.report.count(Change::New), second.report.count(Change::Conflict)), (1, 0));
    let differ = |file: &&retake::collection::StubFile| !first.collection.stubs.contains(file);
    let changed: Vec<_> = second.collection.stubs.iter().filter(differ).map(|file| file.path.as_str()).collect();
    assert_eq!(changed, ["stubs/api.shop.test/get-search.json"]);
}
