//! `retake mock test`: each scenario's own request through matching, and which scenario answers it.

use std::sync::Arc;

use serde_json::json;

use super::{Context, select, server_stub};
use crate::cli::collections::{load, own_request};
use crate::cli::exit::{Exit, Outcome};
use crate::cli::output::{BAD, GOOD};
use crate::collection::{Collection, Scenario, Stub};
use crate::matching::{Index, RecordedValues, ScenarioRef, Selection, Source, State};
use crate::report::collection::count;
use crate::report::terminal::clean;

/// What answered a scenario's own request.
enum Answer {
    /// The scenario itself.
    Itself,
    /// Another one.
    Other(ScenarioRef),
    /// None.
    Nothing,
    /// What it asks for by matchers has no example.
    NoExample,
}

/// The named states are those that a scenario needs.
struct InStateOf<'a> {
    collection: &'a Collection,
    scenario: &'a Scenario,
}

impl State for InStateOf<'_> {
    fn is_in_wrong_state(&self, at: ScenarioRef) -> bool {
        let needs = |scenario: &'_ Scenario| {
            let state = scenario.state.as_ref()?;
            Some((state.thing().to_owned(), state.requires.clone()?))
        };
        let other = needs(&self.collection.stubs[at.stub].stub.scenarios[at.scenario]);
        match (needs(self.scenario), other) {
            (Some((thing, state)), Some((of, required))) => thing == of && state != required,
            _ => false,
        }
    }
}

pub(super) fn run(context: &Context, name: &str, json: bool) -> Outcome {
    let loaded = load(&context.settings, name)?;
    let collection = Arc::clone(&loaded.collection);
    server_stub::warn_if_active(context, name, &collection);
    let profile = collection.manifest.settings.profile.unwrap_or_default();
    let bodies = loaded.clone();
    let source = Source {
        name: name.to_owned(),
        given: name.to_owned(),
        collection: Arc::clone(&collection),
        recorded: Arc::new(RecordedValues::of(&collection, &|body| loaded.body(body).ok())),
        body: Arc::new(move |body| bodies.body(body).ok()),
    };
    let index = Index::new(vec![source]);
    let (mut tested, mut wrong) = (0, 0);
    for (stub_at, file) in collection.stubs.iter().enumerate() {
        for (at, scenario) in file.stub.scenarios.iter().enumerate().filter(|(_, scenario)| !scenario.disabled) {
            let own = ScenarioRef { collection: 0, stub: stub_at, scenario: at };
            let call = own_request(&loaded, &file.stub, scenario)?;
            let answer = match index.select(&call, profile, &InStateOf { collection: &collection, scenario }) {
                Selection::Hit(hit) if hit.at == own => Answer::Itself,
                // What matchers ask for has no example in the file.
                _ if !scenario.request.matchers.is_empty() => Answer::NoExample,
                Selection::Hit(hit) => Answer::Other(hit.at),
                Selection::Miss(_) => Answer::Nothing,
            };
            tested += 1;
            wrong += usize::from(!matches!(answer, Answer::Itself | Answer::NoExample));
            tell(context, &index, &file.stub, scenario, &answer, json);
        }
    }
    if tested == 0 {
        context.printer.say("no scenario to test");
    } else {
        context.printer.say(format_args!("{} tested, {wrong} answered wrongly", count(tested, "scenario")));
    }
    Ok(if wrong > 0 { Exit::FOUND } else { Exit::SUCCESS })
}

fn tell(context: &Context, index: &Index, stub: &Stub, scenario: &Scenario, answer: &Answer, json: bool) {
    let answered_by = match answer {
        Answer::Itself => Some(format!("{}#{}", select::title(stub), scenario.name)),
        Answer::Other(at) => Some(format!("{}#{}", select::title(&index.stub(*at).stub), index.scenario(*at).name)),
        Answer::Nothing | Answer::NoExample => None,
    };
    let ok = matches!(answer, Answer::Itself);
    if json {
        // Neither right nor wrong, where there was nothing to test with.
        let told = (!matches!(answer, Answer::NoExample)).then_some(ok);
        return context.printer.json(&json!({
            "stub": select::title(stub), "scenario": scenario.name, "ok": told, "answered_by": answered_by,
        }));
    }
    let own = format!("{}#{}", select::title(stub), scenario.name);
    if matches!(answer, Answer::NoExample) {
        return context.printer.data(format_args!("- {}: its matchers have no example to test with", clean(&own)));
    }
    match (ok, answered_by) {
        (true, _) => context.printer.data(format_args!("{GOOD}✓{GOOD:#} {}", clean(&own))),
        (false, Some(other)) => {
            context.printer.data(format_args!("{BAD}✗{BAD:#} {}: answered by {}", clean(&own), clean(&other)));
        }
        (false, None) => context.printer.data(format_args!("{BAD}✗{BAD:#} {}: nothing answers", clean(&own))),
    }
}
