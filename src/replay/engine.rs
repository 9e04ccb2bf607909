//! The engine: a call goes in, the chosen scenario with its answer comes out. No socket, no disk.

use std::sync::Arc;

use bytes::Bytes;

use super::answer::{AnswerOptions, Answers, Around, Scene, StubAnswers, VariableError};
use super::ready::{Ready, ReadyError};
use super::secrets::SecretPlaces;
use super::sequence::Sequence;
use crate::collection::{BodySpec, Collection, OriginPattern, Profile, ResponseSpec, Scenario, Stub};
use crate::matching::{self, Call, Evaluation, Hit, Index, Miss, Ranked, ScenarioRef, Selection, Source};
use crate::store::collections::Loaded;

/// The collections of one server, compiled, with their answers ready and the state of their sequences.
pub struct Engine {
    index: Index,
    profile: Profile,
    /// By collection, stub and scenario.
    slots: Vec<Vec<Vec<Slot>>>,
    origins: Vec<OriginPattern>,
    names: Vec<String>,
    content_blake3: String,
    around: Around,
}

/// One scenario, ready to serve.
struct Slot {
    /// `github: GET /users/{login}#octocat`
    label: Arc<str>,
    steps: Vec<Ready>,
    sequence: Sequence,
    disabled: bool,
    secrets: Option<Box<SecretPlaces>>,
}

/// How a server is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Instead of the profile that the first collection names.
    pub profile: Option<Profile>,
    /// How it answers.
    pub answers: AnswerOptions,
}

/// Why collections cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A body file is gone or cannot be read.
    #[error("{scenario}: the body cannot be read: {source}")]
    Body {
        /// The scenario.
        scenario: Arc<str>,
        /// What the system said.
        source: std::io::Error,
    },
    /// An answer that cannot be sent.
    #[error("{scenario}: {source}")]
    Answer {
        /// The scenario.
        scenario: Arc<str>,
        /// What is wrong with it.
        source: ReadyError,
    },
    /// A variable without a value, or a value without a variable.
    #[error(transparent)]
    Variable(#[from] VariableError),
}

/// What came out for a call.
#[allow(clippy::large_enum_variant, reason = "a hit is the usual case, and lives as long as its answer is made")]
pub enum Answered<'a> {
    /// A scenario answers.
    Hit {
        /// The answer, ready to send.
        ready: &'a Ready,
        /// The scenario: `github: GET /users/{login}#octocat`.
        label: &'a Arc<str>,
        /// The step of its sequence, from 1; `None` where there is only one.
        step: Option<u32>,
        /// How well it matched.
        evaluation: Evaluation,
        /// What of the request is a secret, if anything.
        secrets: Option<&'a SecretPlaces>,
        /// From what it was chosen, best first; empty unless asked for.
        ranked: Vec<Ranked>,
    },
    /// None does.
    Miss(Miss),
}

impl Engine {
    /// Compiles collections, in the order of the command line. Names are those that reports use.
    ///
    /// # Errors
    /// A body that cannot be read, or an answer that cannot be sent.
    pub fn new(collections: Vec<(String, Loaded)>, options: Options) -> Result<Engine, EngineError> {
        let known =
            |name: &&String| collections.iter().any(|(_, it)| it.collection.manifest.variables.contains_key(*name));
        if let Some(unknown) = options.answers.variables.keys().find(|name| !known(name)) {
            return Err(VariableError::Unknown(unknown.clone()).into());
        }
        let mut slots = Vec::with_capacity(collections.len());
        let mut hasher = blake3::Hasher::new();
        let first = collections.first().and_then(|(_, loaded)| loaded.collection.manifest.settings.profile);
        let origins = collections.iter().flat_map(|(_, loaded)| loaded.collection.manifest.origins.clone()).collect();
        let names = collections.iter().map(|(name, _)| name.clone()).collect();
        let mut sources = Vec::with_capacity(collections.len());
        for (name, loaded) in collections {
            let (of_collection, rest) = slots_of(&name, loaded, &options.answers, &mut hasher)?;
            slots.push(of_collection);
            sources.push(source(name, rest));
        }
        Ok(Engine {
            index: Index::new(sources),
            profile: options.profile.or(first).unwrap_or_default(),
            slots,
            origins,
            names,
            content_blake3: hasher.finalize().to_hex().to_string(),
            around: Around::new(&options.answers),
        })
    }

    /// The origins served, in order.
    pub fn origins(&self) -> &[OriginPattern] {
        &self.origins
    }

    /// The names of the collections, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How requests are matched.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The compiled collections, for reports.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// What answers need to know of the run.
    pub fn around(&self) -> &Around {
        &self.around
    }

    /// BLAKE3 over everything that is served.
    pub fn content_blake3(&self) -> &str {
        &self.content_blake3
    }

    /// Answers a call: selects, and takes the next step of the chosen scenario. `explain` asks for the ranking, too.
    pub fn answer(&self, call: &Call, explain: bool) -> Answered<'_> {
        let used_up = |at| self.slot(at).sequence.is_used_up();
        // A sequence can be used up by another call between selection and step; then the selection is made anew. Each
        // round finds one scenario fewer, so it ends.
        loop {
            let (selection, ranked) = match explain {
                true => self.index.select_ranked(call, self.profile, &used_up),
                false => (self.index.select(call, self.profile, &used_up), Vec::new()),
            };
            match selection {
                Selection::Miss(miss) => return Answered::Miss(miss),
                Selection::Hit(Hit { at, evaluation }) => {
                    let slot = self.slot(at);
                    if let Some(step) = slot.sequence.advance() {
                        let number = (slot.steps.len() > 1).then(|| u32::try_from(step + 1).unwrap_or(u32::MAX));
                        return Answered::Hit {
                            ready: &slot.steps[step],
                            label: &slot.label,
                            step: number,
                            evaluation,
                            secrets: slot.secrets.as_deref(),
                            ranked,
                        };
                    }
                }
            }
        }
    }

    /// Enabled scenarios that answered nothing.
    pub fn unused(&self) -> Vec<String> {
        self.labels(|slot| !slot.disabled && slot.sequence.served() == 0)
    }

    /// Sequences of which more was asked than was recorded.
    pub fn exhausted(&self) -> Vec<String> {
        self.labels(|slot| slot.sequence.is_exhausted())
    }

    fn labels(&self, wanted: impl Fn(&Slot) -> bool) -> Vec<String> {
        self.slots.iter().flatten().flatten().filter(|slot| wanted(slot)).map(|slot| slot.label.to_string()).collect()
    }

    fn slot(&self, at: ScenarioRef) -> &Slot {
        &self.slots[at.collection][at.stub][at.scenario]
    }
}

fn source(name: String, loaded: Loaded) -> Source {
    let collection: Arc<Collection> = Arc::clone(&loaded.collection);
    let body = move |spec: &BodySpec| -> matching::RequestBody { loaded.body(spec).ok() };
    Source { name, collection, body: Box::new(body) }
}

/// Makes the answers of a collection ready, and gives back the collection without them: matching and reports ask for
/// requests only, and a body is in memory once.
fn slots_of(
    name: &str,
    loaded: Loaded,
    options: &AnswerOptions,
    hasher: &mut blake3::Hasher,
) -> Result<(Vec<Vec<Slot>>, Loaded), EngineError> {
    let Loaded { root, collection } = loaded;
    let mut collection = Arc::unwrap_or_clone(collection);
    let mut files = std::mem::take(&mut collection.stubs);
    let mut loaded = Loaded { root, collection: Arc::new(collection) };
    let manifest = loaded.collection.manifest.clone();
    let answers = Answers::new(options, &manifest)?;
    let mut stubs = Vec::with_capacity(files.len());
    let mut text = Vec::new();
    for file in &mut files {
        hasher.update(file.path.as_bytes());
        text.clear();
        // Types that serialise into a file serialise into bytes too; a shorter hash input would only weaken the hash.
        let _ = serde_json::to_writer(&mut text, &file.stub);
        hasher.update(&text);
        let mut scenarios = Vec::with_capacity(file.stub.scenarios.len());
        let answers = answers.of_stub(&file.stub);
        for at in 0..file.stub.scenarios.len() {
            scenarios.push(slot(name, &loaded, &file.stub, at, &answers, hasher)?);
            forget_answers(&mut file.stub.scenarios[at]);
        }
        file.stub.scenarios.shrink_to_fit();
        stubs.push(scenarios);
    }
    Arc::make_mut(&mut loaded.collection).stubs = files;
    Ok((stubs, loaded))
}

/// Leaves of the answers the first status only: matching asks for it.
fn forget_answers(scenario: &mut Scenario) {
    let status = scenario.steps().first().map_or(0, |step| step.status);
    scenario.response = Some(ResponseSpec::of_status(status));
    scenario.responses = Vec::new();
}

fn slot(
    name: &str,
    loaded: &Loaded,
    stub: &Stub,
    at: usize,
    answers: &StubAnswers<'_>,
    hasher: &mut blake3::Hasher,
) -> Result<Slot, EngineError> {
    let scenario = &stub.scenarios[at];
    let several_origins = loaded.collection.manifest.origins.len() > 1;
    let label: Arc<str> = format!("{name}: {}", stub.label(scenario, several_origins)).into();
    let body_error = |source| EngineError::Body { scenario: Arc::clone(&label), source };
    let request_body = || scenario.request.body.as_ref().map_or(Ok(Bytes::new()), |body| loaded.body(body));
    let request = answers.request(stub, scenario, request_body).map_err(body_error)?;
    let mut steps = Vec::with_capacity(scenario.steps().len());
    for (step, spec) in scenario.steps().iter().enumerate() {
        let body = match &spec.body {
            Some(body) => loaded.body(body).map_err(body_error)?,
            None => Bytes::new(),
        };
        if spec.body.as_ref().is_some_and(|body| body.file.is_some()) {
            hasher.update(&body);
        }
        let scene = Scene { stub, scenario, request: request.as_ref(), label: &label, step };
        let ready = answers.ready(&scene, spec, body);
        steps.push(ready.map_err(|source| EngineError::Answer { scenario: Arc::clone(&label), source })?);
    }
    let sequence = Sequence::new(scenario.steps(), scenario.end.unwrap_or_default());
    let secrets = SecretPlaces::of(stub, scenario);
    Ok(Slot { label, steps, sequence, disabled: scenario.disabled, secrets })
}
