//! Answers that depend on the call: what is put into a recorded one before it goes out, how long it waits, and what goes
//! wrong with it.
//!
//! Everything that can be is prepared at load, and an answer that needs nothing of this lies ready as it is
//! (`replay::ready`).

mod echo;
mod extra;
mod random;
mod spans;
mod template;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::dates::Shift;
use super::fault::Faults;
use super::ready::{Ready, ReadyError};
use crate::collection::{Delay, Manifest, ResponseSpec, Rule, Scenario, ShiftDates, Stub};
use crate::matching::{Call, Target};
use crate::model::Fields;

pub use extra::Extra;

/// How a run answers.
#[derive(Debug, Clone)]
pub struct AnswerOptions {
    /// The present, where it stands still.
    pub now: Option<Timestamp>,
    /// Whether dates move by the age of the recording, as far as the collections say.
    pub shift: bool,
    /// Instead of every delay that the collections name.
    pub delay: Option<Delay>,
    /// What chance comes from: the same seed gives the same answers.
    pub seed: u64,
    /// Values of variables that the collections name.
    pub variables: BTreeMap<String, String>,
    /// Cancelled when the server stops: then nothing waits any longer.
    pub stop: CancellationToken,
}

impl Default for AnswerOptions {
    /// Dates move, and chance is another one in every run.
    fn default() -> Self {
        AnswerOptions {
            now: None,
            shift: true,
            delay: None,
            seed: uuid::Uuid::new_v4().as_u64_pair().0,
            variables: BTreeMap::new(),
            stop: CancellationToken::new(),
        }
    }
}

/// What an answer needs to know of the run while it goes out.
#[derive(Debug, Clone)]
pub struct Around {
    now: Option<Timestamp>,
    /// Cancelled when the server stops.
    pub stop: CancellationToken,
}

impl Around {
    /// The surroundings of a run.
    pub fn new(options: &AnswerOptions) -> Self {
        Around { now: options.now, stop: options.stop.clone() }
    }

    /// When a call that came at this moment is taken to have come.
    pub fn moment(&self, came: Timestamp) -> Timestamp {
        self.now.unwrap_or(came)
    }

    /// The present of the run.
    pub fn now(&self) -> Timestamp {
        self.now.unwrap_or_else(Timestamp::now)
    }
}

/// Why the variables of a collection have no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// It is `null` in `collection.json`, and nobody gave it.
    #[error(
        "the collection `{0}` wants a value for its variable `{1}`: give it with `--var {1}=VALUE` or `--env-var {1}`"
    )]
    Missing(String, String),
    /// None of the collections names it.
    #[error(
        "no collection has a variable `{0}`: name it in `variables` of collection.json, with `null` for no value of its own"
    )]
    Unknown(String),
}

/// Makes the answers of one collection ready.
pub struct Answers<'a> {
    options: &'a AnswerOptions,
    manifest: &'a Manifest,
    variables: BTreeMap<String, String>,
    now: Timestamp,
}

/// Makes the answers of one stub ready.
pub struct StubAnswers<'a> {
    answers: &'a Answers<'a>,
    rules: Vec<Rule>,
    delay: Option<Delay>,
    fault: Option<Arc<Faults>>,
    shift: ShiftDates,
}

/// The place of an answer.
pub struct Scene<'a> {
    /// The endpoint.
    pub stub: &'a Stub,
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Its request, as [`StubAnswers::request`] made it.
    pub request: Option<&'a Call>,
    /// The scenario's name among all, from which its chance comes.
    pub label: &'a str,
    /// The position of the step.
    pub step: usize,
}

impl<'a> Answers<'a> {
    /// For a collection with this manifest.
    ///
    /// # Errors
    /// When a variable has no value.
    pub fn new(options: &'a AnswerOptions, manifest: &'a Manifest) -> Result<Self, VariableError> {
        let mut variables = BTreeMap::new();
        for (name, value) in &manifest.variables {
            let value = match (options.variables.get(name), value) {
                (Some(given), _) => given.clone(),
                (None, Value::String(text)) => text.clone(),
                (None, Value::Null) => {
                    return Err(VariableError::Missing(manifest.name.clone(), name.clone()));
                }
                (None, other) => other.to_string(),
            };
            variables.insert(name.clone(), value);
        }
        Ok(Answers { options, manifest, variables, now: options.now.unwrap_or_else(Timestamp::now) })
    }

    /// Whether dates that a client may send again move in the answers of a stub.
    pub fn shifts(&self, stub: &Stub) -> bool {
        let shift = stub.shift_dates.or(self.manifest.settings.shift_dates).unwrap_or_default();
        self.options.shift && shift >= ShiftDates::Fields
    }

    /// For one of its stubs.
    pub fn of_stub(&'a self, stub: &Stub) -> StubAnswers<'a> {
        let settings = &self.manifest.settings;
        let shift = stub.shift_dates.or(settings.shift_dates).unwrap_or_default();
        StubAnswers {
            answers: self,
            rules: echo::rules(stub, &self.manifest.rules).into_iter().cloned().collect(),
            delay: stub.delay.or(settings.delay),
            fault: stub.fault.clone().map(|fault| Arc::new(Faults::new(fault))),
            shift: if self.options.shift { shift } else { ShiftDates::None },
        }
    }
}

impl StubAnswers<'_> {
    /// The request of a scenario as a call, where its answers repeat some of it. `body` reads its body.
    ///
    /// # Errors
    /// Those of `body`.
    pub fn request<E>(
        &self,
        stub: &Stub,
        scenario: &Scenario,
        body: impl FnOnce() -> Result<Bytes, E>,
    ) -> Result<Option<Call>, E> {
        if self.rules.is_empty() {
            return Ok(None);
        }
        Ok(Some(request_of(stub, scenario, body()?)))
    }

    /// By how much the dates of an answer move.
    pub fn shift(&self, spec: &ResponseSpec) -> Option<Shift> {
        Shift::new(spec, self.shift, self.answers.now)
    }

    /// An answer with the bytes of its body, ready to send.
    ///
    /// # Errors
    /// A status that cannot be sent, a coder that fails, or a template that is none.
    pub fn ready(&self, scene: &Scene<'_>, spec: &ResponseSpec, body: Bytes) -> Result<Ready, ReadyError> {
        let shift = self.shift(spec);
        let ready = Ready::new(spec, body, shift.as_ref())?;
        let options = self.answers.options;
        let (lines, content) = ready.content();
        let names = template::Names { path: &scene.stub.path, variables: &self.answers.variables };
        let template = match spec.template {
            true => template::Templated::new(lines, content, spec.body.as_ref(), &names)
                .map_err(|error| ReadyError::Template(error.to_string()))?,
            false => None,
        };
        let echo = match scene.request.filter(|_| !spec.template) {
            Some(call) => {
                let recorded = echo::Recorded { stub: scene.stub, scenario: scene.scenario, call };
                echo::Echo::new(&self.rules, &recorded, lines, content, spec.body.as_ref())
            }
            None => None,
        };
        let own = spec.fault.clone().map(|fault| Arc::new(Faults::new(fault)));
        let extra = extra::Parts {
            echo,
            template,
            delay: options.delay.or(spec.delay).or(self.delay).unwrap_or(Delay::None),
            recorded_ms: spec.duration_ms,
            pace: spec.pace.as_slice().into(),
            fault: own.or_else(|| self.fault.clone()),
        };
        let seed = random::Seed::new(options.seed, &format!("{}#{}", scene.label, scene.step));
        Ok(ready.with(extra.into_extra(seed)))
    }
}

/// The request that a scenario stands for. Captures without a value have their own name.
fn request_of(stub: &Stub, scenario: &Scenario, body: Bytes) -> Call {
    let mut fields: Fields = stub.fields_of(scenario).into_iter().map(|line| line.0.clone()).collect();
    if let Some(media_type) = scenario.request.media_type.as_ref().filter(|_| !fields.has("content-type")) {
        fields.push("Content-Type", media_type.as_str());
    }
    let query: Vec<&str> = stub.query_of(scenario).into_iter().map(|pair| pair.0.as_str()).collect();
    Call {
        method: stub.method.clone(),
        target: Target::Any,
        path: stub.example_path(Some(scenario)),
        query: (!query.is_empty()).then(|| query.join("&")),
        fields,
        body,
        ..Call::default()
    }
}

#[cfg(test)]
mod tests;
