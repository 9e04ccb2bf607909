//! For any collection and any calls: what `explain` says of a call, after those before it, is what replay did.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::cursor::{CursorBy, Cursors};
use super::engine::{Answered, Engine, Options};
use super::past::Past;
use crate::collection::{Collection, Profile};
use crate::matching::properties::{PROFILES, files, line, stub};
use crate::matching::tests::{call, collection};
use crate::matching::{Index, RecordedValues, Source};
use crate::redact::{MaskKey, MaskRules, Masker};
use crate::report::explain::{self, Explanation};
use crate::report::mask::Mask;
use crate::store::collections::Loaded;

/// Stubs some of whose scenarios are sequences that end, and some need or lead to a named state.
fn stubs() -> impl Strategy<Value = Vec<Value>> {
    let kinds = proptest::collection::vec(0..8_u8, 8);
    proptest::collection::vec((stub(1..6), kinds), 1..4).prop_map(|stubs| stubs.into_iter().map(stateful).collect())
}

fn stateful((mut stub, kinds): (Value, Vec<u8>)) -> Value {
    for (scenario, kind) in stub["scenarios"].as_array_mut().unwrap().iter_mut().zip(kinds) {
        let scenario = scenario.as_object_mut().unwrap();
        match kind {
            0 | 1 => {
                scenario.remove("response");
                scenario.insert("responses".into(), json!([{ "status": 200 }, { "status": 404, "times": 2 }]));
                scenario.insert("end".into(), if kind == 0 { "miss" } else { "cycle" }.into());
            }
            2 => drop(scenario.insert("state".into(), json!({ "requires": "full" }))),
            3 => drop(scenario.insert("state".into(), json!({ "requires": "start", "next": "full" }))),
            4 => drop(scenario.insert("state".into(), json!({ "next": "start" }))),
            _ => {}
        }
    }
    stub
}

/// A call, which may ask something of the mock.
fn steered() -> impl Strategy<Value = String> {
    let asked = prop_oneof![
        8 => Just(""),
        1 => Just("X-Mock-Response-Name:s0-0"),
        1 => Just("X-Mock-Response-Name:s1-1"),
        1 => Just("X-Mock-Response-Code:404"),
        1 => Just("X-Mock-Match-Request-Body:true"),
        1 => Just("X-Mock-Match-Request-Body:false"),
    ];
    (line(), asked).prop_map(|(line, asked)| {
        let mut words = line.splitn(3, ' ');
        let (method, url, body) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or_default());
        format!("{method} {url} {asked} {body}").replace("  ", " ").trim_end().to_owned()
    })
}

fn index(collection: &Arc<Collection>) -> Index {
    let bodies = Loaded { root: "shop".into(), collection: Arc::clone(collection) };
    Index::new(vec![Source {
        name: "test".to_owned(),
        given: "test".to_owned(),
        collection: Arc::clone(collection),
        recorded: Arc::new(RecordedValues::of(collection, &|body| bodies.body(body).ok())),
        body: Arc::new(move |body| bodies.body(body).ok()),
    }])
}

/// Makes the calls, and explains each as `retake explain` does.
fn check(collection: &Arc<Collection>, lines: &[String], profile: Profile) {
    let loaded = Loaded { root: "shop".into(), collection: Arc::clone(collection) };
    let options = Options { profile: Some(profile), ..Options::default() };
    let engine = Engine::new(vec![("test".to_owned(), loaded)], options).unwrap();
    let (index, cursors, mut past) = (index(collection), Cursors::new(CursorBy::default()), Past::new(collection));
    let mask = Mask::new(Masker::new(MaskKey([7; 32]), MaskRules::default()));
    for line in lines {
        let call = call(line);
        let told = Explanation::new(&index, &call, profile, ("explain", 501), &mask, &past);
        match engine.answer(&call, &cursors, None, true) {
            Answered::Miss(miss) => {
                let report = told.miss.unwrap_or_else(|| panic!("{profile:?} {line}: {:?} is no miss", told.answer));
                assert_eq!(report.reason, miss.reason, "{profile:?} {line}");
            }
            Answered::Hit(chosen) => {
                let answer = told.answer.unwrap_or_else(|| panic!("{profile:?} {line}: {} is no hit", chosen.label));
                assert_eq!(format!("test: {}", answer.scenario), **chosen.label, "{profile:?} {line}");
                assert_eq!(answer.exact, chosen.evaluation.is_exact(), "{profile:?} {line}");
                assert_eq!(answer.score, chosen.evaluation.score, "{profile:?} {line}");
                let fields = explain::fields(engine.index(), &call, profile, &chosen.ranked);
                let own = explain::arithmetic(&chosen.evaluation);
                assert_eq!(own, answer.arithmetic, "{profile:?} {line}");
                let next = fields.iter().find(|(name, _)| *name == "x-retake-runner-up").map(|(_, text)| text.as_str());
                let same = |next: &explain::RunnerUp| next.scenario.clone();
                let expected = told.runner_up.as_ref().map(same);
                let found = next.map(|text| text.split(" (score").next().unwrap().to_owned());
                assert_eq!(found, expected, "{profile:?} {line}");
                past.answered(chosen.at.stub, chosen.at.scenario);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn explain_says_what_replay_did(stubs in stubs(), lines in proptest::collection::vec(steered(), 1..8)) {
        let mut source = collection(&["https://a.test"], &[]);
        Arc::get_mut(&mut source.collection).unwrap().stubs = files(&stubs);
        for profile in PROFILES {
            check(&source.collection, &lines, profile);
        }
    }
}
