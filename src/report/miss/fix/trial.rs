//! A change, made on a copy of the stub that it touches: is the call answered then, and does every other scenario still
//! answer its own request?

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::super::Context;
use crate::collection::{BodySpec, Change, Collection, ResponseSpec, Scenario, Stub, StubFile, answers_of};
use crate::matching::{
    Call, Index, Miss, RecordedValues, RequestBody, ScenarioRef, Selection, Source, Standing, State, Untouched,
};
use crate::model::media::Kind;

/// Scenarios of a stub that are looked at; of a larger one some are left out.
const MAX_SIBLINGS: usize = 48;
/// Bytes of their request bodies, likewise.
const MAX_BYTES: usize = 24 * 1024;
/// What trials may cost together, in units of some 0.3 µs.
const BUDGET: usize = 10_000;
/// Larger bodies are stood for by a hash: as a whole they are the same or not.
const MAX_BODY: usize = 32 * 1024;
/// Bytes of bodies that are hashed.
const MAX_HASHED: usize = 16 * 1024 * 1024;

/// Tries changes, as long as the budget lasts. It is counted in work, not in time: the same miss has the same fixes.
pub(super) struct Bench<'a> {
    context: &'a Context<'a>,
    miss: &'a Miss,
    /// The call, a large body stood for by its hash.
    call: Call,
    left: usize,
    /// Bytes that may still be hashed.
    hashed: usize,
    parts: HashMap<(usize, usize), Arc<Part>>,
}

/// The stub that changes touch, without its answers, and what its scenarios answer as it is.
struct Part {
    collection: Collection,
    body: Reader,
    recorded: Arc<RecordedValues>,
    /// The scenarios' own requests, and who answers them.
    siblings: Vec<(Call, Option<String>)>,
    /// Every scenario of the stub is there.
    is_whole: bool,
    cost: usize,
}

type Reader = Arc<dyn Fn(&BodySpec) -> RequestBody + Send + Sync>;

impl<'a> Bench<'a> {
    pub(super) fn new(context: &'a Context<'a>, miss: &'a Miss) -> Self {
        let mut hashed = MAX_HASHED;
        // One that is too large even for that has no fix.
        let body = stand_in(&context.call.body, &mut hashed);
        let left = if body.is_some() { BUDGET } else { 0 };
        let call = Call { body: body.unwrap_or_default(), ..context.call.clone() };
        Bench { context, miss, call, left, hashed, parts: HashMap::new() }
    }

    /// Whether every scenario of the stub is looked at.
    pub(super) fn is_whole(&mut self, at: ScenarioRef) -> bool {
        self.part(at).is_some_and(|part| part.is_whole)
    }

    /// The scenario that answers the call after the change; none if nothing does, if another call would be answered by
    /// another scenario than before, if the change was refused, or if trying it would take too long.
    pub(super) fn answers_after(&mut self, at: ScenarioRef, change: &Change) -> Option<String> {
        let part = self.part(at)?;
        self.left = self.left.checked_sub(part.cost)?;
        if change.is_refused(&part.collection) {
            return None;
        }
        let mut after = part.collection.clone();
        if !change.apply(&mut after).ok()? {
            return None;
        }
        let standings = Standings::of(self.context, self.miss, at, change, &after);
        let index = part.index(after);
        let profile = self.context.profile;
        let Selection::Hit(hit) = index.select(&self.call, profile, &standings) else { return None };
        let name = index.scenario(hit.at).name.clone();
        // A default answers after all others.
        let siblings = if matches!(change, Change::SetDefault { .. }) { &[][..] } else { &part.siblings };
        // Who had no answer before, because it was disabled, may have one now.
        let stay = |(call, before): &(Call, Option<String>)| {
            before.is_none() || answered(&index, call, profile).as_deref() == before.as_deref()
        };
        siblings.iter().all(stay).then_some(name)
    }

    fn part(&mut self, at: ScenarioRef) -> Option<Arc<Part>> {
        let place = (at.collection, at.stub);
        if let Some(part) = self.parts.get(&place) {
            return Some(Arc::clone(part));
        }
        let mut part = Part::of(self.context, at, &mut self.hashed)?;
        self.left = self.left.checked_sub(part.cost)?;
        let index = part.index(part.collection.clone());
        let stub = &part.collection.stubs[0].stub;
        let own = stub.scenarios.iter().map(|scenario| {
            let body = scenario.request.body.as_ref().and_then(|spec| (part.body)(spec)).unwrap_or_default();
            Call { at: self.context.call.at, ..Call::of(stub, scenario, body) }
        });
        let profile = self.context.profile;
        let siblings = own.map(|call| {
            let before = answered(&index, &call, profile);
            (call, before)
        });
        part.siblings = siblings.collect();
        let part = Arc::new(part);
        self.parts.insert(place, Arc::clone(&part));
        Some(part)
    }
}

fn answered(index: &Index, call: &Call, profile: crate::collection::Profile) -> Option<String> {
    match index.select(call, profile, &Untouched) {
        Selection::Hit(hit) => Some(index.scenario(hit.at).name.clone()),
        Selection::Miss(_) => None,
    }
}

impl Part {
    fn of(context: &Context<'_>, at: ScenarioRef, hashed: &mut usize) -> Option<Part> {
        let source = context.index.source(at);
        let file = context.index.stub(at);
        let all = file.stub.scenarios.len();
        let (mut scenarios, mut files, mut size) = (Vec::new(), HashMap::new(), 0);
        for scenario in 0..all.min(MAX_SIBLINGS.max(at.scenario + 1)) {
            let is_near = scenario == at.scenario;
            if !is_near && (scenario >= MAX_SIBLINGS || size > MAX_BYTES) {
                continue;
            }
            let mut copy = bare(&file.stub.scenarios[scenario]);
            if let (Some(spec), Some(bytes)) =
                (&mut copy.request.body, context.index.request_body(ScenarioRef { scenario, ..at }))
            {
                let body = stand_in(bytes, hashed)?;
                size += body.len();
                match &spec.file {
                    Some(file) => drop(files.insert(file.clone(), body)),
                    None if body.len() == bytes.len() => {}
                    None => {
                        let text = String::from_utf8_lossy(&body).into_owned();
                        *spec = BodySpec { text: Some(text), ..BodySpec::default() };
                    }
                }
            }
            scenarios.push(copy);
        }
        let read = Arc::clone(&source.body);
        let body = move |spec: &BodySpec| match &spec.file {
            Some(file) => files.get(file).cloned(),
            None => read(spec),
        };
        // Structured bodies are taken apart.
        let is_plain =
            matches!(Kind::of(context.call.fields.text("content-type").as_deref()), Kind::Text | Kind::Binary);
        let bytes = size + context.call.body.len().min(MAX_BODY);
        let compared = scenarios.len() * scenarios.len().min(8);
        let cost = 50 + compared + 4 * scenarios.len() + bytes / if is_plain { 1000 } else { 15 };
        let is_whole = scenarios.len() == all;
        let stub = StubFile { path: file.path.clone(), stub: with(&file.stub, scenarios).into() };
        let collection = Collection { manifest: source.collection.manifest.clone(), stubs: vec![stub] };
        let recorded = Arc::clone(&source.recorded);
        Some(Part { collection, body: Arc::new(body), recorded, siblings: Vec::new(), is_whole, cost })
    }

    fn index(&self, collection: Collection) -> Index {
        let name = collection.manifest.name.clone();
        Index::new(vec![Source {
            given: name.clone(),
            name,
            collection: Arc::new(collection),
            body: Arc::clone(&self.body),
            recorded: Arc::clone(&self.recorded),
        }])
    }
}

/// The body, or what stands for a large one; none where too much was hashed already.
fn stand_in(body: &Bytes, hashed: &mut usize) -> Option<Bytes> {
    if body.len() <= MAX_BODY {
        return Some(body.clone());
    }
    *hashed = hashed.checked_sub(body.len())?;
    Some(Bytes::from(blake3::hash(body).to_hex().to_string()))
}

/// A scenario without its answers: how many there are, and the status of the first.
fn bare(scenario: &Scenario) -> Scenario {
    let status = scenario.steps().first().map_or(200, |step| step.status);
    let mut answer = ResponseSpec::of_status(status);
    let is_sequence = scenario.response.is_none();
    answer.times = std::num::NonZeroU32::new(answers_of(scenario)).filter(|_| is_sequence);
    Scenario {
        name: scenario.name.clone(),
        default: scenario.default,
        disabled: scenario.disabled,
        priority: scenario.priority,
        state: scenario.state.clone(),
        source: scenario.source.clone(),
        id: scenario.id.clone(),
        request: scenario.request.clone(),
        end: scenario.end,
        response: (!is_sequence).then(|| std::sync::Arc::new(answer.clone())),
        responses: if is_sequence { vec![answer] } else { Vec::new() },
    }
}

/// The stub with these scenarios. Not by copying it: it may have thousands.
fn with(stub: &Stub, scenarios: Vec<Scenario>) -> Stub {
    let empty = Stub::new(stub.method.clone(), stub.origin.clone(), stub.path.clone());
    Stub {
        defaults: stub.defaults.clone(),
        parts: stub.parts,
        on_miss: stub.on_miss,
        rules: stub.rules.clone(),
        priority: stub.priority,
        scenarios,
        ..empty
    }
}

/// What the miss says of scenarios: which are used up, and which are in another state. Of others nothing is known.
struct Standings(HashMap<(usize, usize), Standing>);

impl Standings {
    fn of(context: &Context<'_>, miss: &Miss, at: ScenarioRef, change: &Change, after: &Collection) -> Self {
        let mut found = HashMap::new();
        // A longer sequence goes on.
        let goes_on = matches!(change, Change::SetLength { .. });
        let same_stub = miss.near.iter().filter(|near| (near.at.collection, near.at.stub) == (at.collection, at.stub));
        for near in same_stub.filter(|near| !(goes_on && near.standing == Standing::UsedUp)) {
            let name = &context.index.scenario(near.at).name;
            for (stub, file) in after.stubs.iter().enumerate() {
                let scenario = file.stub.scenarios.iter().position(|known| known.name == *name);
                found.extend(scenario.map(|scenario| ((stub, scenario), near.standing)));
            }
        }
        Standings(found)
    }

    fn is(&self, at: ScenarioRef, standing: Standing) -> bool {
        self.0.get(&(at.stub, at.scenario)) == Some(&standing)
    }
}

impl State for Standings {
    fn is_used_up(&self, at: ScenarioRef) -> bool {
        self.is(at, Standing::UsedUp)
    }

    fn is_in_wrong_state(&self, at: ScenarioRef) -> bool {
        self.is(at, Standing::WrongState)
    }
}
