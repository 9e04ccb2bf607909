//! Making the answers of a collection ready: once, when it is loaded or its files have changed.

use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;

use super::{Engine, EngineError, Gate, ServerAnswer, Slot, key, label};
use crate::collection::{ResponseSpec, Scenario, ServerStub, StateSpec, Stub, answers_of};
use crate::replay::answer::{AnswerOptions, Answers, Scene, StubAnswers};
use crate::replay::ready::Ready;
use crate::replay::returned::{Returned, Returning};
use crate::replay::secrets::SecretPlaces;
use crate::replay::sequence::Sequence;
use crate::store::collections::Loaded;

/// Content is hashed in pieces of so many bytes: many at once take a fraction of the time of one after the other.
const HASHED_AT_ONCE: usize = 64 << 10;

/// What making the answers ready takes along.
pub(super) struct Making<'b> {
    options: &'b AnswerOptions,
    hasher: BufWriter<blake3::Hasher>,
    /// The scenarios as they were before the files changed.
    before: HashMap<String, &'b Slot>,
    next_id: u32,
    returning: Returning,
}

/// What making the answers ready found out beside them.
pub(super) struct Made {
    pub(super) content_blake3: String,
    pub(super) next_id: u32,
    pub(super) returned: Returned,
}

impl<'b> Making<'b> {
    pub(super) fn new(options: &'b AnswerOptions, before: Option<&'b Engine>) -> Self {
        Making {
            options,
            hasher: BufWriter::with_capacity(HASHED_AT_ONCE, blake3::Hasher::new()),
            before: before.map(Engine::by_key).unwrap_or_default(),
            next_id: before.map_or(0, |before| before.next_id),
            returning: Returning::default(),
        }
    }

    /// Takes the content of a file into the hash.
    pub(super) fn hash(&mut self, content: &impl serde::Serialize) {
        // Types that serialise into a file serialise into a hash too; a shorter input would only weaken it.
        let _ = serde_json::to_writer(&mut self.hasher, content);
    }

    fn hash_bytes(&mut self, content: &[u8]) {
        // A hash takes in whatever it is given.
        let _ = self.hasher.write_all(content);
    }

    /// What is known at the end; `before` is what was known of dates before the files changed.
    pub(super) fn end(mut self, before: Option<&Returned>) -> Made {
        let _ = self.hasher.flush();
        let content_blake3 = self.hasher.get_ref().finalize().to_hex().to_string();
        Made { content_blake3, next_id: self.next_id, returned: self.returning.known(before) }
    }

    /// Makes the answers of a collection ready, and gives back the collection without them: matching and reports ask
    /// for requests only, and a body is in memory once.
    pub(super) fn slots_of(
        &mut self,
        collection: (usize, &str),
        loaded: Loaded,
    ) -> Result<(Vec<Vec<Slot>>, Loaded), EngineError> {
        let Loaded { root, collection: content } = loaded;
        let mut content = Arc::unwrap_or_clone(content);
        let mut files = std::mem::take(&mut content.stubs);
        let mut loaded = Loaded { root, collection: Arc::new(content) };
        let (options, manifest) = (self.options, loaded.collection.manifest.clone());
        let answers = Answers::new(options, &manifest)?;
        let shifting = files.iter().any(|file| answers.shifts(&file.stub));
        for file in files.iter().filter(|_| shifting) {
            for scenario in &file.stub.scenarios {
                let body = scenario.request.body.as_ref().map_or(Ok(Bytes::new()), |body| loaded.body(body));
                // One that cannot be read is told of below.
                self.returning.asks(&file.stub, scenario, body.unwrap_or_default());
            }
        }
        let mut stubs = Vec::with_capacity(files.len());
        let mut left = HashMap::new();
        for file in &mut files {
            self.hash_bytes(file.path.as_bytes());
            self.hash(&file.stub);
            let mut scenarios = Vec::with_capacity(file.stub.scenarios.len());
            let answers = answers.of_stub(&file.stub);
            for at in 0..file.stub.scenarios.len() {
                scenarios.push(self.slot(collection, &loaded, &file.stub, at, &answers)?);
                forget_answers(&mut file.stub.scenarios[at], &mut left);
            }
            file.stub.scenarios.shrink_to_fit();
            stubs.push(scenarios);
        }
        Arc::make_mut(&mut loaded.collection).stubs = files;
        Ok((stubs, loaded))
    }

    fn slot(
        &mut self,
        (collection, name): (usize, &str),
        loaded: &Loaded,
        stub: &Stub,
        at: usize,
        answers: &StubAnswers<'_>,
    ) -> Result<Slot, EngineError> {
        let scenario = &stub.scenarios[at];
        let several_origins = loaded.collection.manifest.origins.len() > 1;
        let label: Arc<str> = label(name, stub, scenario, several_origins).into();
        let body_error = |source| EngineError::Body { scenario: Arc::clone(&label), source };
        if let Some(file) = scenario.request.body.as_ref().filter(|body| body.file.is_some()) {
            self.hash_bytes(&loaded.body(file).map_err(body_error)?);
        }
        let request_body = || scenario.request.body.as_ref().map_or(Ok(Bytes::new()), |body| loaded.body(body));
        let request = answers.request(stub, scenario, request_body).map_err(body_error)?;
        let mut steps = Vec::with_capacity(scenario.steps().len());
        for (step, spec) in scenario.steps().iter().enumerate() {
            let body = self.body(loaded, spec).map_err(body_error)?;
            let scene = Scene { stub, scenario, request: request.as_ref(), label: &label, step };
            if let Some(shift) = answers.shift(spec) {
                self.returning.moves(&shift, spec, &body);
            }
            let ready = answers.ready(&scene, spec, body);
            steps.push(ready.map_err(|source| EngineError::Answer { scenario: Arc::clone(&label), source })?);
        }
        if steps.is_empty() {
            return Err(EngineError::NoAnswer(label));
        }
        let sequence = Sequence::new(scenario.steps(), scenario.end.unwrap_or_default());
        let before = (!self.before.is_empty()).then(|| self.before.get(&key(name, stub, scenario))).flatten();
        let same = before.filter(|before| before.sequence.goes_on_as(&sequence));
        let id = same.map(|before| before.id).unwrap_or_else(|| {
            self.next_id = self.next_id.saturating_add(1);
            self.next_id
        });
        Ok(Slot {
            counters: before.map(|before| Arc::clone(&before.counters)).unwrap_or_default(),
            label,
            id,
            steps,
            sequence,
            gate: scenario.state.as_ref().map(|state| Box::new(Gate::new(collection, state))),
            disabled: scenario.disabled,
            secrets: SecretPlaces::of(stub, scenario),
        })
    }

    pub(super) fn server_stub(
        &mut self,
        (collection, name): (usize, &str),
        loaded: &Loaded,
        stub: &ServerStub,
    ) -> Result<ServerAnswer, EngineError> {
        let label: Arc<str> = format!("{name}: server stub {}", stub.name).into();
        let mut spec = ResponseSpec::of_status(stub.status);
        (spec.fields, spec.body) = (stub.fields.clone(), stub.body.clone());
        let body = self.body(loaded, &spec);
        let body = body.map_err(|source| EngineError::Body { scenario: Arc::clone(&label), source })?;
        let ready = Ready::new(&spec, body, None);
        let ready = ready.map_err(|source| EngineError::Answer { scenario: Arc::clone(&label), source })?;
        Ok(ServerAnswer { collection, name: stub.name.clone(), label, ready })
    }

    /// The bytes of an answer's body.
    fn body(&mut self, loaded: &Loaded, spec: &ResponseSpec) -> std::io::Result<Bytes> {
        let Some(given) = &spec.body else { return Ok(Bytes::new()) };
        let body = loaded.body(given)?;
        if given.file.is_some() {
            self.hash_bytes(&body);
        }
        Ok(body)
    }
}

impl Gate {
    fn new(collection: usize, state: &StateSpec) -> Self {
        let name = |state: &Option<String>| state.as_deref().map(Arc::from);
        Gate { thing: (collection, state.thing().into()), requires: name(&state.requires), next: name(&state.next) }
    }
}

/// Leaves of the answers the first status, which matching asks for, and how many there are, which reports tell. What is
/// left of an only answer is shared by all of its status.
fn forget_answers(scenario: &mut Scenario, left: &mut HashMap<u16, Arc<ResponseSpec>>) {
    let status = scenario.steps().first().map_or(0, |step| step.status);
    if scenario.response.is_none() {
        let mut answer = ResponseSpec::of_status(status);
        answer.times = NonZeroU32::new(answers_of(scenario));
        scenario.responses = vec![answer];
    } else {
        let shared = left.entry(status).or_insert_with(|| Arc::new(ResponseSpec::of_status(status)));
        scenario.response = Some(Arc::clone(shared));
        scenario.responses = Vec::new();
    }
}
