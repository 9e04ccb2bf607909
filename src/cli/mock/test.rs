//! `retake mock test`: each scenario's own request through matching, and which scenario answers it.

use std::sync::Arc;

use serde_json::json;

use super::{Context, select, server_stub};
use crate::cli::collections::{load, own_request};
use crate::cli::exit::{Exit, Outcome};
use crate::cli::output::{BAD, GOOD};
use crate::collection::{Collection, Profile, Scenario, Stub};
use crate::matching::{Call, Index, RecordedValues, ScenarioRef, Selection, Source, State, Steering};
use crate::report::collection::count;
use crate::report::terminal::clean;

/// What answered a scenario's own request.
enum Answer {
    /// The scenario itself.
    Itself,
    /// The scenario itself, where the call names it: another one has the same request.
    ByName(ScenarioRef),
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
            let state = InStateOf { collection: &collection, scenario };
            let answer = match index.select(&call, profile, &state) {
                Selection::Hit(hit) if hit.at == own => Answer::Itself,
                Selection::Hit(hit) if is_told_by_name(&index, own, hit.at, (&call, profile, &state)) => {
                    Answer::ByName(hit.at)
                }
                // What matchers ask for has no example in the file.
                _ if !scenario.request.matchers.is_empty() => Answer::NoExample,
                Selection::Hit(hit) => Answer::Other(hit.at),
                Selection::Miss(_) => Answer::Nothing,
            };
            tested += 1;
            wrong += usize::from(!matches!(answer, Answer::Itself | Answer::ByName(_) | Answer::NoExample));
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

/// Whether a scenario has the same request as the one that answers it, and answers by its name.
fn is_told_by_name(
    index: &Index,
    own: ScenarioRef,
    other: ScenarioRef,
    (call, profile, state): (&Call, Profile, &dyn State),
) -> bool {
    let scenario = index.scenario(own);
    if own.stub != other.stub || scenario.request != index.scenario(other).request {
        return false;
    }
    let steering = Steering { name: Some(scenario.name.clone()), ..Steering::default() };
    let named = Call { steering, ..call.clone() };
    matches!(index.select(&named, profile, state), Selection::Hit(hit) if hit.at == own)
}

fn tell(context: &Context, index: &Index, stub: &Stub, scenario: &Scenario, answer: &Answer, json: bool) {
    let answered_by = match answer {
        Answer::Itself | Answer::ByName(_) => Some(format!("{}#{}", select::title(stub), scenario.name)),
        Answer::Other(at) => Some(format!("{}#{}", select::title(&index.stub(*at).stub), index.scenario(*at).name)),
        Answer::Nothing | Answer::NoExample => None,
    };
    let ok = matches!(answer, Answer::Itself | Answer::ByName(_));
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
    if let Answer::ByName(other) = answer {
        let twin = format!("{}#{}", select::title(&index.stub(*other).stub), index.scenario(*other).name);
        return context.printer.data(format_args!(
            "{GOOD}✓{GOOD:#} {}, where a call names it: {} has the same request",
            clean(&own),
            clean(&twin)
        ));
    }
    match (ok, answered_by) {
        (true, _) => context.printer.data(format_args!("{GOOD}✓{GOOD:#} {}", clean(&own))),
        (false, Some(other)) => {
            context.printer.data(format_args!("{BAD}✗{BAD:#} {}: answered by {}", clean(&own), clean(&other)));
        }
        (false, None) => context.printer.data(format_args!("{BAD}✗{BAD:#} {}: nothing answers", clean(&own))),
    }
}
