//! The engine: a call goes in, the chosen scenario with its answer comes out. No socket, no disk.

mod making;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use self::making::{Made, Making};
use super::access::Access;
use super::answer::{AnswerOptions, Around, VariableError};
use super::cursor::{Cursors, Step, Thing};
use super::ready::{Ready, ReadyError};
use super::returned::Returned;
use super::secrets::SecretPlaces;
use super::sequence::Sequence;
use super::tally::ScenarioName;
use crate::collection::{BodySpec, Collection, OnMiss, OriginPattern, Profile, START, Scenario, Stub};
use crate::matching::{
    self, Call, Evaluation, Hit, Index, Miss, Ranked, RecordedValues, ScenarioRef, Selection, Source, Standing, State,
};
use crate::report::receipt;
use crate::store::collections::Loaded;

/// The collections of one server, compiled, with their answers ready. What has happened lies in the [`Cursors`].
pub struct Engine {
    index: Index,
    profile: Profile,
    /// By collection, stub and scenario.
    slots: Vec<Vec<Vec<Slot>>>,
    origins: Vec<OriginPattern>,
    names: Vec<String>,
    server_stubs: Vec<ServerAnswer>,
    /// Of the server stubs, the one that the files say is active.
    active: Option<usize>,
    access: Access,
    /// By collection, whether pages of other origins may call it.
    cors: Vec<bool>,
    content_blake3: String,
    around: Around,
    /// Dates of answers that come back in calls.
    returned: Returned,
    options: Options,
    /// The first number that no scenario has had.
    next_id: u32,
}

/// A server stub, ready to answer everything.
pub struct ServerAnswer {
    /// The collection, by position.
    pub collection: usize,
    /// Its name in the collection.
    pub name: String,
    /// `github: server stub maintenance`
    pub label: Arc<str>,
    /// The answer.
    pub ready: Ready,
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
    counters: Arc<Counters>,
}

/// What one scenario came to, for every cursor; goes on when the files change.
#[derive(Default)]
struct Counters {
    /// Calls that it answered.
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
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Instead of the profile that the first collection names.
    pub profile: Option<Profile>,
    /// How it answers.
    pub answers: AnswerOptions,
    /// How a command line names the collections, in their order; by their names where it says nothing.
    pub given: Vec<String>,
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
    /// A scenario that says nothing.
    #[error("{0} has no answer")]
    NoAnswer(Arc<str>),
}

/// What came out for a call.
#[allow(clippy::large_enum_variant, reason = "a hit is the usual case, and lives as long as its answer is made")]
pub enum Answered<'a> {
    /// A scenario answers.
    Hit(Chosen<'a>),
    /// None does.
    Miss(Miss),
}

/// The scenario that answers a call.
pub struct Chosen<'a> {
    /// Where the scenario is.
    pub at: ScenarioRef,
    /// The answer, ready to send.
    pub ready: &'a Ready,
    /// What it is called: `github: GET /users/{login}#octocat`.
    pub label: &'a Arc<str>,
    /// The step of its sequence, from 1; `None` where there is only one.
    pub step: Option<u32>,
    /// That it answered changes what later calls get: its sequence counts, or it leads to a named state.
    pub moves: bool,
    /// How well it matched.
    pub evaluation: Evaluation,
    /// What of the request is a secret, if anything.
    pub secrets: Option<&'a SecretPlaces>,
    /// From what it was chosen, best first; empty unless asked for.
    pub ranked: Vec<Ranked>,
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
        Engine::build(collections, options, None)
    }

    /// The same collections after their files have changed. Scenarios of the same name in the same stub go on counting;
    /// those with as many answers as before are known to cursors by the same number.
    ///
    /// # Errors
    /// Those of [`Engine::new`].
    pub fn renewed(&self, collections: Vec<(String, Loaded)>) -> Result<Engine, EngineError> {
        Engine::build(collections, self.options.clone(), Some(self))
    }

    fn build(
        collections: Vec<(String, Loaded)>,
        options: Options,
        before: Option<&Engine>,
    ) -> Result<Engine, EngineError> {
        let first = collections.first().and_then(|(_, loaded)| loaded.collection.manifest.settings.profile);
        let origins = collections.iter().flat_map(|(_, loaded)| loaded.collection.manifest.origins.clone()).collect();
        let names = collections.iter().map(|(name, _)| name.clone()).collect();
        let (mut slots, mut sources) = (Vec::with_capacity(collections.len()), Vec::with_capacity(collections.len()));
        let (mut server_stubs, mut active) = (Vec::new(), None);
        let mut making = Making::new(&options.answers, before);
        let (mut access, mut cors) = (Access::default(), Vec::with_capacity(collections.len()));
        for (at, (name, loaded)) in collections.into_iter().enumerate() {
            making.hash(&loaded.collection.manifest);
            access.add(&loaded.collection);
            cors.push(loaded.collection.manifest.settings.cors);
            for stub in &loaded.collection.manifest.server_stubs {
                active = active.or(stub.active.then_some(server_stubs.len()));
                server_stubs.push(making.server_stub((at, &name), &loaded, stub)?);
            }
            // Before the answers are forgotten.
            let recorded = RecordedValues::of(&loaded.collection, &|spec| loaded.body(spec).ok());
            let (of_collection, rest) = making.slots_of((at, &name), loaded)?;
            slots.push(of_collection);
            let given = options.given.get(at).unwrap_or(&name).clone();
            sources.push(source(name, given, rest, recorded));
        }
        let Made { content_blake3, next_id, returned } = making.end(before.map(|before| &before.returned));
        Ok(Engine {
            index: Index::new(sources),
            profile: options.profile.or(first).unwrap_or_default(),
            slots,
            origins,
            names,
            server_stubs,
            active,
            access,
            cors,
            content_blake3,
            around: Around::new(&options.answers),
            returned,
            options,
            next_id,
        })
    }

    /// The scenarios by what stays when the files change; what they are called may be another with another origin.
    fn by_key(&self) -> HashMap<String, &Slot> {
        let mut all = HashMap::new();
        for (source, stubs) in self.index.sources().zip(&self.slots) {
            for (file, slots) in source.collection.stubs.iter().zip(stubs) {
                let keys = file.stub.scenarios.iter().map(|scenario| key(&source.name, &file.stub, scenario));
                all.extend(keys.zip(slots));
            }
        }
        all
    }

    /// What the scenario that was chosen is called, now and after edits.
    pub(super) fn name_of(&self, chosen: &Chosen<'_>) -> ScenarioName {
        let at = chosen.at;
        let (source, stub, scenario) = (self.index.source(at), &self.index.stub(at).stub, self.index.scenario(at));
        ScenarioName {
            collection: at.collection,
            origin: stub.origin.clone(),
            with_origin: key(&source.name, stub, scenario),
            without_origin: label(&source.name, stub, scenario, false),
        }
    }

    /// What a scenario is called as the files are now. One whose origin is gone keeps its own.
    pub(super) fn shown<'n>(&self, name: &'n ScenarioName) -> &'n str {
        let source = self.index.sources().nth(name.collection);
        match source.map(|source| source.collection.manifest.origins.as_slice()) {
            Some([only]) if only.is_one_with(&name.origin) => &name.without_origin,
            _ => &name.with_origin,
        }
    }

    /// Who may call.
    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    /// Whether pages of other origins may call a collection; without one, any of them.
    pub(super) fn allows_pages(&self, collection: Option<usize>) -> bool {
        collection.map_or_else(|| self.cors.contains(&true), |at| self.cors[at])
    }

    /// The collections of which the file, or one of a stub, says this of misses.
    pub fn saying_on_miss(&self, what: OnMiss) -> impl Iterator<Item = &str> {
        let says = move |collection: &Collection| {
            collection.manifest.settings.on_miss == Some(what)
                || collection.stubs.iter().any(|file| file.stub.on_miss == Some(what))
        };
        self.index.sources().filter(move |source| says(&source.collection)).map(|source| source.name.as_str())
    }

    /// The server stub that the files say is active.
    pub fn active(&self) -> Option<&ServerAnswer> {
        self.active.map(|at| &self.server_stubs[at])
    }

    /// Every server stub.
    pub fn server_stubs(&self) -> &[ServerAnswer] {
        &self.server_stubs
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

    /// BLAKE3 over everything that is served: `collection.json`, stubs and body files.
    pub fn content_blake3(&self) -> &str {
        &self.content_blake3
    }

    /// Answers a call of the cursor of that name: selects, and takes the next step of the chosen scenario. One step for
    /// all others of the same cursor; where nothing depends on state, without a lock. `explain` asks for the ranking, too.
    pub fn answer(&self, call: &Call, cursors: &Cursors, cursor: Option<&Arc<str>>, explain: bool) -> Answered<'_> {
        let (found, held) = (OnceCell::new(), OnceCell::new());
        let view = View { engine: self, step: Step::new(cursors, cursor, &found, &held) };
        let (selection, ranked) = self.select(call, &view, explain);
        match selection {
            Selection::Miss(miss) => {
                for near in miss.near.iter().filter(|near| near.standing == Standing::UsedUp) {
                    self.slot(near.at).counters.exhausted.store(true, Ordering::Relaxed);
                }
                Answered::Miss(miss)
            }
            Selection::Hit(Hit { at, evaluation }) => {
                let slot = self.slot(at);
                let step = slot.advance(at.collection, &evaluation, &view.step);
                Answered::Hit(Chosen {
                    at,
                    ready: &slot.steps[step],
                    label: &slot.label,
                    step: (slot.steps.len() > 1).then(|| u32::try_from(step + 1).unwrap_or(u32::MAX)),
                    moves: slot.sequence.counts() || slot.leads_to().is_some(),
                    evaluation,
                    secrets: slot.secrets.as_deref(),
                    ranked,
                })
            }
        }
    }

    /// Of what a date that came back may mean, what agrees; then the call as it was sent, if that agrees; else what answers.
    fn select(&self, call: &Call, view: &View<'_, '_, '_>, explain: bool) -> (Selection, Vec<Ranked>) {
        let select = |call: &Call| match explain {
            true => self.index.select_ranked(call, self.profile, view),
            false => (self.index.select(call, self.profile, view), Vec::new()),
        };
        let meant = self.returned.meant(call);
        let mut found = None;
        let as_sent = (!meant.is_empty()).then_some(call);
        for call in meant.iter().chain(as_sent) {
            let Some(hit) = self.index.hit(call, self.profile, view) else { continue };
            if hit.evaluation.is_exact() {
                found = Some((call, hit));
                break;
            }
            found = found.or(Some((call, hit)));
        }
        match found {
            Some((_, hit)) if !explain => (Selection::Hit(hit), Vec::new()),
            Some((call, _)) => select(call),
            // The miss is not over a date that agrees.
            None => select(meant.first().unwrap_or(call)),
        }
    }

    /// The sequences, with what cursors know them by and what reports call them.
    pub(super) fn sequences(&self) -> impl Iterator<Item = (u32, &Arc<str>, &Sequence)> {
        let slots = self.slots.iter().flatten().flatten().filter(|slot| slot.sequence.counts());
        slots.map(|slot| (slot.id, &slot.label, &slot.sequence))
    }

    /// Every named state of every thing that scenarios speak of.
    pub(super) fn states(&self) -> BTreeMap<Thing, BTreeSet<Arc<str>>> {
        let mut known: BTreeMap<Thing, BTreeSet<Arc<str>>> = BTreeMap::new();
        for gate in self.slots.iter().flatten().flatten().filter_map(|slot| slot.gate.as_ref()) {
            let states = known.entry(gate.thing.clone()).or_insert_with(|| [START.into()].into());
            states.extend(gate.requires.iter().chain(&gate.next).cloned());
        }
        known
    }

    /// Scenarios that answered, with the number of their calls.
    pub fn answered(&self) -> Vec<receipt::Answered> {
        let slots = self.slots.iter().flatten().flatten();
        let counted = slots.map(|slot| (slot, slot.counters.served.load(Ordering::Relaxed)));
        let answered = counted.filter(|(_, count)| *count > 0);
        answered.map(|(slot, count)| receipt::Answered { scenario: slot.label.to_string(), count }).collect()
    }

    /// Enabled scenarios that answered nothing.
    pub fn unused(&self) -> Vec<String> {
        self.labels(|slot| !slot.disabled && slot.counters.served.load(Ordering::Relaxed) == 0)
    }

    /// Sequences of which more was asked than was recorded.
    pub fn exhausted(&self) -> Vec<String> {
        self.labels(|slot| slot.counters.exhausted.load(Ordering::Relaxed))
    }

    fn labels(&self, wanted: impl Fn(&Slot) -> bool) -> Vec<String> {
        self.slots.iter().flatten().flatten().filter(|slot| wanted(slot)).map(|slot| slot.label.to_string()).collect()
    }

    fn slot(&self, at: ScenarioRef) -> &Slot {
        &self.slots[at.collection][at.stub][at.scenario]
    }
}

impl Slot {
    /// The thing whose named state its answer changes, and that state.
    fn leads_to(&self) -> Option<(&Thing, &Arc<str>)> {
        self.gate.as_ref().and_then(|gate| Some((&gate.thing, gate.next.as_ref()?)))
    }

    /// Counts a call that it answers, changes what the answer changes, and tells the step that answers.
    fn advance(&self, collection: usize, evaluation: &Evaluation, step: &Step<'_, '_>) -> usize {
        self.counters.served.fetch_add(1, Ordering::Relaxed);
        let next = self.leads_to();
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
            self.counters.exhausted.store(true, Ordering::Relaxed);
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

fn source(name: String, given: String, loaded: Loaded, recorded: RecordedValues) -> Source {
    let collection: Arc<Collection> = Arc::clone(&loaded.collection);
    let body = move |spec: &BodySpec| -> matching::RequestBody { loaded.body(spec).ok() };
    Source { name, given, collection, body: Arc::new(body), recorded: Arc::new(recorded) }
}

/// What a scenario is known by for as long as a replay runs: its label with the origin.
fn key(collection: &str, stub: &Stub, scenario: &Scenario) -> String {
    label(collection, stub, scenario, true)
}

fn label(collection: &str, stub: &Stub, scenario: &Scenario, several_origins: bool) -> String {
    format!("{collection}: {}", stub.label(scenario, several_origins))
}
