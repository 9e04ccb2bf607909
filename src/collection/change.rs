//! One change of a collection, as data: what promotion proposes, what a miss report offers as a fix, what waits for a
//! decision. Pure: applying one edits a collection in memory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::key::{StubKey, StubKeys};
use super::pattern::PathPattern;
use super::placing::{free_name, stub_at};
use super::rule::Rule;
use super::rule_words::rule_title;
use super::state::StateSpec;
use super::stub::{EndPolicy, RequestSpec, ResponseSpec, Scenario, Stub};
use super::{Collection, copying, repath, shape};

/// A change of a collection. Applying it twice is the same as applying it once.
#[allow(clippy::large_enum_variant, reason = "few wait at a time, each in its file")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// Adds a rule to a stub, or to the collection when `stub` is none. It replaces the rules about the same item.
    AddRule {
        /// The stub; none for the collection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stub: Option<StubKey>,
        /// The rule.
        rule: Rule,
    },
    /// Gives a scenario other answers.
    Answer {
        /// The stub.
        stub: StubKey,
        /// The scenario's name.
        scenario: String,
        /// Its answers; one is no sequence.
        responses: Vec<ResponseSpec>,
        /// What comes after the last one; as it was, unless said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<EndPolicy>,
        /// The id of the exchange that they are from; as it was, unless said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
    /// Adds a scenario. The stub is made, and its origin listed, if it is not there; a name that another scenario has
    /// gets a number.
    AddScenario {
        /// The stub.
        stub: StubKey,
        /// The scenario.
        scenario: Box<Scenario>,
    },
    /// Removes a scenario.
    RemoveScenario {
        /// The stub.
        stub: StubKey,
        /// The scenario's name.
        scenario: String,
    },
    /// Leaves a scenario out, or takes it in again.
    SetDisabled {
        /// The stub.
        stub: StubKey,
        /// The scenario's name.
        scenario: String,
        /// Whether it is left out.
        disabled: bool,
    },
    /// Says which scenario answers when no other does.
    SetDefault {
        /// The stub.
        stub: StubKey,
        /// The scenario's name; with none, no scenario does.
        scenario: Option<String>,
    },
    /// Says what happens after the last step of a sequence.
    SetEnd {
        /// The stub.
        stub: StubKey,
        /// The scenario's name.
        scenario: String,
        /// What happens.
        end: EndPolicy,
    },
    /// Makes one stub with captures of several; what stood in their paths becomes the captured values.
    SetPath {
        /// The stubs, of one method and origin.
        stubs: Vec<StubKey>,
        /// The path that stands for all of theirs.
        path: PathPattern,
    },
    /// Says what a scenario's request looks like.
    SetRequest {
        /// The stub.
        stub: StubKey,
        /// The scenario's name.
        scenario: String,
        /// The request.
        request: RequestSpec,
    },
    /// Adds a scenario that answers as another one does. The stub is made, and its origin listed, if it is not there.
    CopyScenario {
        /// The stub of the scenario that is there.
        stub: StubKey,
        /// Its name.
        scenario: String,
        /// The stub that gets the new one; often the same.
        to: StubKey,
        /// The name of the new one; a number is added where another scenario has it.
        name: String,
        /// What the request of the new one looks like.
        request: Box<RequestSpec>,
    },
    /// Lengthens a sequence: its last answer is given again until there are so many.
    SetLength {
        /// The stub.
        stub: StubKey,
        /// The scenario's name.
        scenario: String,
        /// How many calls it answers.
        answers: u32,
    },
    /// Says which named state a scenario needs, and which one it leads to.
    SetState {
        /// The stub.
        stub: StubKey,
        /// The scenario's name.
        scenario: String,
        /// The state; none for every state.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<StateSpec>,
    },
    /// Several that only make sense together, one after the other.
    Together {
        /// The changes.
        changes: Vec<Change>,
    },
}

/// Why a change does not apply (any more). The collection is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No such stub.
    #[error("there is no stub {0} any more")]
    NoStub(String),
    /// No such scenario.
    #[error("there is no scenario `{scenario}` in {stub} any more{meant}")]
    NoScenario {
        /// The stub.
        stub: String,
        /// The name.
        scenario: String,
        /// A "did you mean", or nothing.
        meant: String,
    },
    /// An answer without a response.
    #[error("the change gives `{0}` no answer")]
    NoAnswer(String),
    /// Only a sequence has an end.
    #[error("`{0}` is no sequence any more: a single answer has no end")]
    NoSequence(String),
    /// A path that does not stand for that of the stub.
    #[error("the path {path} does not stand for that of {stub}")]
    OtherPath {
        /// The pattern.
        path: String,
        /// The stub.
        stub: String,
    },
    /// Stubs that cannot be one.
    #[error("{one} and {other} cannot be one stub: their {what}")]
    Apart {
        /// The first.
        one: String,
        /// The second.
        other: String,
        /// What they differ in: `methods differ`.
        what: &'static str,
    },
    /// A default scenario would answer for every value of the new capture.
    #[error(
        "{stub} has the default scenario `{scenario}`, which would answer for every path of the new stub: unset it first"
    )]
    WiderDefault {
        /// The stub.
        stub: String,
        /// The scenario's name.
        scenario: String,
    },
}

impl Change {
    /// Applies it; whether anything is different afterwards.
    ///
    /// # Errors
    /// What it speaks of is not there any more; the collection is then as it was. That the outcome is sound (a body's
    /// file exists, a capture is one of the path) is for `check`.
    pub fn apply(&self, collection: &mut Collection) -> Result<bool, ChangeError> {
        match self {
            Change::AddRule { stub: None, rule } => Ok(add_rule(&mut collection.manifest.rules, rule)),
            Change::AddRule { stub: Some(key), rule } => Ok(add_rule(&mut stub(collection, key)?.rules, rule)),
            Change::Answer { stub: key, scenario: name, responses, end, source } => {
                let scenario = scenario(stub(collection, key)?, key, name)?;
                answer(scenario, responses, *end, source.as_ref())
            }
            Change::AddScenario { stub, scenario } => Ok(add_scenario(collection, stub, scenario)),
            Change::RemoveScenario { stub: key, scenario } => {
                // Gone is gone: whoever removed it wanted the same.
                let Ok(stub) = stub(collection, key) else { return Ok(false) };
                let before = stub.scenarios.len();
                stub.scenarios.retain(|known| known.name != *scenario);
                Ok(stub.scenarios.len() != before)
            }
            Change::SetDisabled { stub: key, scenario: name, disabled } => {
                let scenario = scenario(stub(collection, key)?, key, name)?;
                Ok(std::mem::replace(&mut scenario.disabled, *disabled) != *disabled)
            }
            Change::SetDefault { stub: key, scenario } => set_default(stub(collection, key)?, key, scenario.as_deref()),
            Change::SetEnd { stub: key, scenario: name, end } => {
                let scenario = scenario(stub(collection, key)?, key, name)?;
                if scenario.responses.is_empty() {
                    return Err(ChangeError::NoSequence(name.clone()));
                }
                // The usual end is not written; one that a person wrote stays.
                if scenario.end.unwrap_or_default() == *end {
                    return Ok(false);
                }
                scenario.end = Some(*end).filter(|end| *end != EndPolicy::default());
                Ok(true)
            }
            Change::SetPath { stubs, path } => repath::apply(collection, stubs, path),
            Change::SetRequest { stub: key, scenario: name, request } => {
                let scenario = scenario(stub(collection, key)?, key, name)?;
                let is_new = scenario.request != *request;
                scenario.request = request.clone();
                Ok(is_new)
            }
            Change::CopyScenario { stub: key, scenario: name, to, name: new, request } => {
                let known = scenario(stub(collection, key)?, key, name)?;
                let copy = copying::copy(known, new, request);
                Ok(add_scenario(collection, to, &copy))
            }
            Change::SetLength { stub: key, scenario: name, answers } => {
                Ok(copying::lengthen(scenario(stub(collection, key)?, key, name)?, *answers))
            }
            Change::SetState { stub: key, scenario: name, state } => {
                let scenario = scenario(stub(collection, key)?, key, name)?;
                let is_new = scenario.state != *state;
                scenario.state = state.clone();
                Ok(is_new)
            }
            Change::Together { changes } => {
                let (mut after, mut is_new) = (collection.clone(), false);
                for change in changes {
                    is_new |= change.apply(&mut after)?;
                }
                *collection = after;
                Ok(is_new)
            }
        }
    }

    /// What it does, in one plain sentence without a full stop.
    pub fn title(&self) -> String {
        match self {
            Change::AddRule { stub, rule } => rule_title(stub.as_ref(), rule),
            Change::Answer { stub, scenario, responses, .. } => {
                let status = responses.first().map(|response| response.status).unwrap_or_default();
                let answers = match responses.len() {
                    1 => format!("with another {status}"),
                    steps => format!("with {steps} steps, the first a {status}"),
                };
                format!("{}#{scenario} answers {answers}", stub.short())
            }
            Change::AddScenario { stub, scenario } => {
                let status = scenario.steps().first().map(|response| response.status).unwrap_or_default();
                format!("{} gets the scenario `{}`, which answers {status}", stub.short(), scenario.name)
            }
            Change::RemoveScenario { stub, scenario } => format!("{}#{scenario} is removed", stub.short()),
            Change::SetDisabled { stub, scenario, disabled: true } => {
                format!("{}#{scenario} is left out", stub.short())
            }
            Change::SetDisabled { stub, scenario, disabled: false } => {
                format!("{}#{scenario} answers again", stub.short())
            }
            Change::SetDefault { stub, scenario: Some(name) } => {
                format!("{}#{name} answers when no other scenario does", stub.short())
            }
            Change::SetDefault { stub, scenario: None } => format!("{} has no default scenario", stub.short()),
            Change::SetEnd { stub, scenario, end } => {
                let after = match end {
                    EndPolicy::RepeatLast => "goes on with its last step",
                    EndPolicy::Cycle => "starts again after its last step",
                    EndPolicy::Miss => "is used up after its last step",
                    EndPolicy::Pass => "goes on to the origin after its last step, where the run allows it",
                };
                format!("{}#{scenario} {after}", stub.short())
            }
            Change::SetPath { stubs, path } => match &stubs[..] {
                [only] => format!("{} becomes {path}", only.short()),
                _ => format!("{} stubs become one, {path}", stubs.len()),
            },
            Change::SetRequest { stub, scenario, .. } => format!("{}#{scenario} expects another request", stub.short()),
            Change::CopyScenario { scenario, to, name, .. } => {
                format!("{} gets the scenario `{name}`, which answers as `{scenario}` does", to.short())
            }
            Change::SetLength { stub, scenario, answers } => {
                format!("{}#{scenario} answers {answers} calls, its last answer given again", stub.short())
            }
            Change::SetState { stub, scenario, state } => match state {
                Some(state) => format!("{}#{scenario} {}", stub.short(), state.words()),
                None => format!("{}#{scenario} answers in every state", stub.short()),
            },
            Change::Together { changes } => changes.iter().map(Change::title).collect::<Vec<_>>().join("; "),
        }
    }

    /// What the change is about, without what it makes of it: of two that wait about the same thing, the newer one
    /// takes the place of the older.
    pub fn subject(&self) -> String {
        match self {
            Change::AddRule { stub, rule } => {
                let stub = stub.as_ref().map(ToString::to_string).unwrap_or_default();
                let name =
                    if rule.place == super::rule::Place::Field { rule.name.to_lowercase() } else { rule.name.clone() };
                format!("rule {stub} {:?} {} {name}", rule.side, rule.place.as_str())
            }
            Change::Answer { stub, scenario, .. } => format!("answer {stub}#{scenario}"),
            Change::AddScenario { stub, scenario } => format!("scenario {stub}#{}", scenario.name),
            Change::RemoveScenario { stub, scenario } | Change::SetDisabled { stub, scenario, .. } => {
                format!("use {stub}#{scenario}")
            }
            Change::SetDefault { stub, .. } => format!("default {stub}"),
            Change::SetEnd { stub, scenario, .. } => format!("end {stub}#{scenario}"),
            Change::SetPath { stubs, path } => {
                let whole = stubs.first().map(|key| repath::whole(key, path).to_string());
                format!("path {}", whole.unwrap_or_default())
            }
            Change::SetRequest { stub, scenario, .. } => format!("request {stub}#{scenario}"),
            Change::CopyScenario { to, name, .. } => format!("scenario {to}#{name}"),
            Change::SetLength { stub, scenario, .. } => format!("end {stub}#{scenario}"),
            Change::SetState { stub, scenario, .. } => format!("state {stub}#{scenario}"),
            Change::Together { changes } => changes.iter().map(Change::subject).collect::<Vec<_>>().join(", "),
        }
    }

    /// Ten hex digits that are the same for the same change: what it is about and what it makes of it, but not why, nor
    /// from which exchange.
    pub fn id(&self) -> String {
        let mut bare = self.clone();
        bare.strip();
        // These types have only string keys and finite numbers.
        let text = serde_json::to_string(&bare).unwrap_or_default();
        let mut id = blake3::hash(text.as_bytes()).to_hex().to_string();
        id.truncate(10);
        id
    }

    /// Takes in what an older change about the same thing speaks of besides: of paths, the stubs, as far as one change
    /// speaks of so many.
    pub fn absorb(&mut self, older: &Change) {
        if let (Change::SetPath { stubs, .. }, Change::SetPath { stubs: known, .. }) = (self, older) {
            let room = repath::PATH_STUBS.saturating_sub(stubs.len());
            let own: StubKeys<'_> = stubs.iter().collect();
            let new: Vec<_> = known.iter().filter(|key| !own.have_key(key)).take(room).cloned().collect();
            stubs.extend(new);
            stubs.sort_by_cached_key(ToString::to_string);
        }
    }

    /// Takes away what does not make it another change.
    fn strip(&mut self) {
        match self {
            Change::AddRule { rule, .. } => (rule.why, rule.off, rule.except) = (None, false, Vec::new()),
            Change::Answer { source, .. } => *source = None,
            Change::AddScenario { scenario, .. } => scenario.source = None,
            // Whatever stubs there are by now, and whatever the captures are called: it is about this path.
            Change::SetPath { stubs, path } => {
                stubs.truncate(1);
                stubs.iter_mut().for_each(|key| *key = repath::whole(key, path));
                *path = repath::unnamed(path);
            }
            Change::Together { changes } => changes.iter_mut().for_each(Change::strip),
            _ => {}
        }
    }
}

pub(super) fn stub<'a>(collection: &'a mut Collection, key: &StubKey) -> Result<&'a mut Stub, ChangeError> {
    let found = collection.stubs.iter_mut().find(|file| key.is_of(&file.stub));
    found.map(|file| &mut *file.stub).ok_or_else(|| ChangeError::NoStub(key.to_string()))
}

fn scenario<'a>(stub: &'a mut Stub, key: &StubKey, name: &str) -> Result<&'a mut Scenario, ChangeError> {
    match stub.scenarios.iter().position(|known| known.name == name) {
        Some(at) => Ok(&mut stub.scenarios[at]),
        None => {
            let meant = shape::did_you_mean(name, stub.scenarios.iter().map(|known| known.name.as_str()));
            Err(ChangeError::NoScenario { stub: key.to_string(), scenario: name.to_owned(), meant })
        }
    }
}

/// Puts the rule in the place of the first about the same item, and drops the others about it.
pub(super) fn add_rule(rules: &mut Vec<Rule>, rule: &Rule) -> bool {
    let Some(at) = rules.iter().position(|known| known.same_item(rule)) else {
        rules.push(rule.clone());
        return true;
    };
    let before = rules.clone();
    rules[at] = rule.clone();
    let mut position = 0;
    rules.retain(|known| {
        position += 1;
        position <= at + 1 || !known.same_item(rule)
    });
    *rules != before
}

fn answer(
    scenario: &mut Scenario,
    responses: &[ResponseSpec],
    end: Option<EndPolicy>,
    source: Option<&String>,
) -> Result<bool, ChangeError> {
    let before = scenario.clone();
    match responses {
        [] => return Err(ChangeError::NoAnswer(scenario.name.clone())),
        [only] => {
            scenario.response = Some(Arc::new(ResponseSpec { times: None, ..only.clone() }));
            (scenario.responses, scenario.end) = (Vec::new(), None);
        }
        several => {
            (scenario.response, scenario.responses) = (None, several.to_vec());
            scenario.end = end.or(scenario.end);
        }
    }
    if let Some(source) = source {
        scenario.source = Some(source.clone());
    }
    Ok(*scenario != before)
}

fn add_scenario(collection: &mut Collection, key: &StubKey, scenario: &Scenario) -> bool {
    let at = stub_at(collection, key);
    let stub = &mut collection.stubs[at].stub;
    // The same under another name is there already: that is how it was named when it was added first.
    if stub.scenarios.iter().any(|known| Scenario { name: scenario.name.clone(), ..known.clone() } == *scenario) {
        return false;
    }
    let taken = |name: &str| stub.scenarios.iter().any(|known| known.name == name);
    let name = free_name(&scenario.name, '-', taken);
    if scenario.default {
        stub.scenarios.iter_mut().for_each(|known| known.default = false);
    }
    stub.scenarios.push(Scenario { name, ..scenario.clone() });
    true
}

fn set_default(stub: &mut Stub, key: &StubKey, name: Option<&str>) -> Result<bool, ChangeError> {
    if let Some(name) = name {
        scenario(stub, key, name)?;
    }
    let mut is_new = false;
    for known in &mut stub.scenarios {
        let default = Some(known.name.as_str()) == name;
        is_new |= std::mem::replace(&mut known.default, default) != default;
    }
    Ok(is_new)
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
