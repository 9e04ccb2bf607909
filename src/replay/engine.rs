//! The engine: a call goes in, the chosen scenario with its answer comes out. No socket, no disk.

use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use jiff::Timestamp;

use super::cursor::{Cursors, Step, Thing};
use super::ready::{Ready, ReadyError};
use super::secrets::SecretPlaces;
use super::sequence::Sequence;
use crate::collection::{BodySpec, Collection, OriginPattern, Profile, ResponseSpec, Scenario, StateSpec, Stub};
use crate::matching::{
    self, Call, Evaluation, Hit, Index, Miss, Ranked, ScenarioRef, Selection, Source, Standing, State,
};
use crate::store::collections::Loaded;

/// The collections of one server, compiled, with their answers ready. What has happened lies in the [`Cursors`].
pub struct Engine {
    index: Index,
    profile: Profile,
    /// By collection, stub and scenario.
    slots: Vec<Vec<Vec<Slot>>>,
    origins: Vec<OriginPattern>,
    names: Vec<String>,
    content_blake3: String,
}

/// One scenario, ready to serve.
struct Slot {
    /// `github: GET /users/{login}#octocat`
    label: Arc<str>,
    /// What cursors know it by.
    id: u32,
    steps: Vec<Ready>,
    sequence: Sequence,
    gate: Option<Box<Gate>>,
    disabled: bool,
    secrets: Option<Box<SecretPlaces>>,
    /// Calls that it answered, for every cursor.
    served: AtomicU64,
    /// More was asked of its sequence than was recorded.
    exhausted: AtomicBool,
}

/// The named state that a scenario needs, and the one that it leads to.
struct Gate {
    thing: Thing,
    requires: Option<Arc<str>>,
    next: Option<Arc<str>>,
}

/// How a server is set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Instead of the profile that the first collection names.
    pub profile: Option<Profile>,
    /// The present, for cookies whose expiry moves with the age of the recording; `None` leaves them.
    pub now: Option<Timestamp>,
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
    /// A scenario that says nothing.
    #[error("{0} has no answer")]
    NoAnswer(Arc<str>),
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
        let mut slots = Vec::with_capacity(collections.len());
        let mut hasher = blake3::Hasher::new();
        let first = collections.first().and_then(|(_, loaded)| loaded.collection.manifest.settings.profile);
        let origins = collections.iter().flat_map(|(_, loaded)| loaded.collection.manifest.origins.clone()).collect();
        let names = collections.iter().map(|(name, _)| name.clone()).collect();
        let mut sources = Vec::with_capacity(collections.len());
        let mut ids = 0..;
        for (at, (name, loaded)) in collections.into_iter().enumerate() {
            let (of_collection, rest) = slots_of((at, &name), loaded, options.now, &mut ids, &mut hasher)?;
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

    /// BLAKE3 over everything that is served.
    pub fn content_blake3(&self) -> &str {
        &self.content_blake3
    }

    /// Answers a call of the cursor of that name: selects, and takes the next step of the chosen scenario. One step for
    /// all others of the same cursor; where nothing depends on state, without a lock. `explain` asks for the ranking, too.
    pub fn answer(&self, call: &Call, cursors: &Cursors, cursor: Option<&Arc<str>>, explain: bool) -> Answered<'_> {
        let (found, held) = (OnceCell::new(), OnceCell::new());
        let view = View { engine: self, step: Step::new(cursors, cursor, &found, &held) };
        let (selection, ranked) = match explain {
            true => self.index.select_ranked(call, self.profile, &view),
            false => (self.index.select(call, self.profile, &view), Vec::new()),
        };
        match selection {
            Selection::Miss(miss) => {
                for near in miss.near.iter().filter(|near| near.standing == Standing::UsedUp) {
                    self.slot(near.at).exhausted.store(true, Ordering::Relaxed);
                }
                Answered::Miss(miss)
            }
            Selection::Hit(Hit { at, evaluation }) => {
                let slot = self.slot(at);
                let step = slot.advance(at.collection, &evaluation, &view.step);
                Answered::Hit {
                    ready: &slot.steps[step],
                    label: &slot.label,
                    step: (slot.steps.len() > 1).then(|| u32::try_from(step + 1).unwrap_or(u32::MAX)),
                    evaluation,
                    secrets: slot.secrets.as_deref(),
                    ranked,
                }
            }
        }
    }

    /// Enabled scenarios that answered nothing.
    pub fn unused(&self) -> Vec<String> {
        self.labels(|slot| !slot.disabled && slot.served.load(Ordering::Relaxed) == 0)
    }

    /// Sequences of which more was asked than was recorded.
    pub fn exhausted(&self) -> Vec<String> {
        self.labels(|slot| slot.exhausted.load(Ordering::Relaxed))
    }

    fn labels(&self, wanted: impl Fn(&Slot) -> bool) -> Vec<String> {
        self.slots.iter().flatten().flatten().filter(|slot| wanted(slot)).map(|slot| slot.label.to_string()).collect()
    }

    fn slot(&self, at: ScenarioRef) -> &Slot {
        &self.slots[at.collection][at.stub][at.scenario]
    }
}

impl Slot {
    /// Counts a call that it answers, changes what the answer changes, and tells the step that answers.
    fn advance(&self, collection: usize, evaluation: &Evaluation, step: &Step<'_, '_>) -> usize {
        self.served.fetch_add(1, Ordering::Relaxed);
        let next = self.gate.as_ref().and_then(|gate| Some((&gate.thing, gate.next.as_ref()?)));
        let mut fresh = evaluation.fresh_values().filter(|_| !evaluation.by_default).peekable();
        if !self.sequence.counts() && next.is_none() && fresh.peek().is_none() {
            return 0;
        }
        let mut state = step.state();
        fresh.for_each(|value| state.bind(collection, &value.fresh, &value.recorded));
        if let Some((thing, next)) = next {
            state.enter(thing, next);
        }
        if !self.sequence.counts() {
            return 0;
        }
        let served = state.served(self.id);
        if self.sequence.is_past_end(served) {
            self.exhausted.store(true, Ordering::Relaxed);
        }
        state.served.insert(self.id, served + 1);
        // One that was used up has not been selected: the lock is held since it was asked.
        self.sequence.step(served).unwrap_or(self.steps.len() - 1)
    }
}

/// What has happened before a call, asked of its cursor.
struct View<'e, 's, 'c> {
    engine: &'e Engine,
    step: Step<'s, 'c>,
}

impl State for View<'_, '_, '_> {
    fn is_used_up(&self, at: ScenarioRef) -> bool {
        let slot = self.engine.slot(at);
        slot.sequence.step(self.step.state().served(slot.id)).is_none()
    }

    fn is_in_wrong_state(&self, at: ScenarioRef) -> bool {
        let gate = self.engine.slot(at).gate.as_ref();
        let required = gate.and_then(|gate| Some((&gate.thing, gate.requires.as_ref()?)));
        required.is_some_and(|(thing, required)| self.step.state().state(thing) != &**required)
    }

    fn bound(&self, collection: usize, fresh: &str) -> Option<Arc<str>> {
        self.step.state().bound(collection, fresh)
    }

    fn is_spoken_for(&self, collection: usize, recorded: &str) -> bool {
        self.step.state().is_spoken_for(collection, recorded)
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
    collection: (usize, &str),
    loaded: Loaded,
    now: Option<Timestamp>,
    ids: &mut std::ops::RangeFrom<u32>,
    hasher: &mut blake3::Hasher,
) -> Result<(Vec<Vec<Slot>>, Loaded), EngineError> {
    let Loaded { root, collection: content } = loaded;
    let mut content = Arc::unwrap_or_clone(content);
    let mut files = std::mem::take(&mut content.stubs);
    let mut loaded = Loaded { root, collection: Arc::new(content) };
    let mut stubs = Vec::with_capacity(files.len());
    let mut text = Vec::new();
    for file in &mut files {
        hasher.update(file.path.as_bytes());
        text.clear();
        // Types that serialise into a file serialise into bytes too; a shorter hash input would only weaken the hash.
        let _ = serde_json::to_writer(&mut text, &file.stub);
        hasher.update(&text);
        let mut scenarios = Vec::with_capacity(file.stub.scenarios.len());
        for at in 0..file.stub.scenarios.len() {
            let id = ids.next().unwrap_or(u32::MAX);
            scenarios.push(slot(collection, &loaded, &file.stub, at, now, id, hasher)?);
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
    (collection, name): (usize, &str),
    loaded: &Loaded,
    stub: &Stub,
    at: usize,
    now: Option<Timestamp>,
    id: u32,
    hasher: &mut blake3::Hasher,
) -> Result<Slot, EngineError> {
    let scenario = &stub.scenarios[at];
    let several_origins = loaded.collection.manifest.origins.len() > 1;
    let label: Arc<str> = format!("{name}: {}", stub.label(scenario, several_origins)).into();
    let mut steps = Vec::with_capacity(scenario.steps().len());
    for spec in scenario.steps() {
        let body = match &spec.body {
            Some(body) => {
                loaded.body(body).map_err(|source| EngineError::Body { scenario: Arc::clone(&label), source })?
            }
            None => Bytes::new(),
        };
        if spec.body.as_ref().is_some_and(|body| body.file.is_some()) {
            hasher.update(&body);
        }
        let ready = Ready::new(spec, body, now);
        steps.push(ready.map_err(|source| EngineError::Answer { scenario: Arc::clone(&label), source })?);
    }
    if steps.is_empty() {
        return Err(EngineError::NoAnswer(label));
    }
    Ok(Slot {
        label,
        id,
        steps,
        sequence: Sequence::new(scenario.steps(), scenario.end.unwrap_or_default()),
        gate: scenario.state.as_ref().map(|state| Box::new(Gate::new(collection, state))),
        disabled: scenario.disabled,
        secrets: SecretPlaces::of(stub, scenario),
        served: AtomicU64::new(0),
        exhausted: AtomicBool::new(false),
    })
}

impl Gate {
    fn new(collection: usize, state: &StateSpec) -> Self {
        let name = |state: &Option<String>| state.as_deref().map(Arc::from);
        Gate { thing: (collection, state.thing().into()), requires: name(&state.requires), next: name(&state.next) }
    }
}
