//! What other commands see of a running replay, and change in it: cursors, the active server stub, edits of the files.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, CursorState, Thing};
use super::engine::{Engine, ServerAnswer};
use super::serve::Serve;
use crate::collection::{START, nearest};
use crate::store::runs::{StateChange, StateOf};

/// How many cursors one answer tells of.
const CURSORS_TOLD: usize = 1_000;

/// A running replay, as `retake state list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerState {
    /// By what cursors are told apart.
    pub by: String,
    /// The cursors, that of the whole server first.
    pub cursors: Vec<CursorReport>,
    /// Cursors that are not told of because there are too many.
    pub left_out: usize,
    /// Cursors that were dropped because there were too many.
    pub dropped: u64,
    /// The server stub that answers everything, if one is active.
    pub server_stub: Option<String>,
    /// What became of changes of the files.
    pub edits: Edits,
}

/// One cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorReport {
    /// Its name; none for that of the whole server.
    pub cursor: Option<String>,
    /// Sequences that have begun.
    pub sequences: Vec<SequenceReport>,
    /// Named states other than `start`.
    pub states: Vec<StateReport>,
    /// Fresh values, and the recorded ones for which they stand.
    pub fresh: Vec<FreshReport>,
}

/// How far a sequence has got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceReport {
    /// The scenario: `github: GET /jobs/{id}#job`.
    pub scenario: String,
    /// Calls that it answered.
    pub answered: u64,
    /// The step of the next call, from 1; none when it is used up.
    pub next: Option<usize>,
    /// How many steps it has.
    pub steps: usize,
}

/// The named state of a thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateReport {
    /// The collection.
    pub collection: String,
    /// The thing; empty for the collection as a whole.
    pub of: String,
    /// Its state.
    pub state: String,
}

/// A fresh value and what it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreshReport {
    /// The collection.
    pub collection: String,
    /// The value.
    pub value: String,
    /// The recorded value for which it stands.
    pub recorded: String,
}

/// What became of changes of the files while they were served.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edits {
    /// How often changed files were taken over.
    pub taken: u64,
    /// When that was last.
    pub last: Option<Timestamp>,
    /// What is wrong with the files as they are now, a line each: then the last good ones are served.
    pub trouble: Vec<String>,
}

impl Serve {
    /// What is so now; with `only`, of the one cursor of that name.
    pub fn state(&self, only: Option<&str>) -> ServerState {
        let engine = self.engine();
        let mut all = self.cursors().all();
        all.retain(|(name, _)| only.is_none_or(|only| name.as_deref() == Some(only)));
        let told = all.iter().take(CURSORS_TOLD).map(|(name, cursor)| self.cursor_report(&engine, name, cursor));
        ServerState {
            by: self.cursors().by().to_string(),
            cursors: told.collect(),
            left_out: all.len().saturating_sub(CURSORS_TOLD),
            dropped: self.cursors().dropped(),
            server_stub: self.server_stub(&engine).map(|stub| stub.label.to_string()),
            edits: self.edits(),
        }
    }

    fn cursor_report(&self, engine: &Engine, name: &Option<Arc<str>>, cursor: &Cursor) -> CursorReport {
        // Copied, so that no call waits for what follows.
        let state = CursorState::clone(&cursor.lock());
        let collection = |at: usize| engine.names().get(at).cloned().unwrap_or_default();
        let begun = engine.sequences().filter(|(id, ..)| state.served(*id) > 0);
        let sequences = begun.map(|(id, label, sequence)| SequenceReport {
            scenario: label.to_string(),
            answered: state.served(id),
            next: sequence.step(state.served(id)).map(|step| step + 1),
            steps: sequence.steps(),
        });
        let mut states: Vec<StateReport> = state
            .states
            .iter()
            .map(|((at, of), state)| StateReport {
                collection: collection(*at),
                of: of.to_string(),
                state: state.to_string(),
            })
            .collect();
        states.sort_by(|one, other| (&one.collection, &one.of).cmp(&(&other.collection, &other.of)));
        let shown = |text: &str| self.masker().text(text).into_owned();
        let mut fresh: Vec<FreshReport> = state
            .bound
            .iter()
            .map(|((at, value), recorded)| FreshReport {
                collection: collection(*at),
                value: shown(value),
                recorded: shown(recorded),
            })
            .collect();
        fresh.sort_by(|one, other| (&one.collection, &one.recorded).cmp(&(&other.collection, &other.recorded)));
        CursorReport { cursor: name.as_deref().map(str::to_owned), sequences: sequences.collect(), states, fresh }
    }

    /// Puts a thing into a state, or a sequence before a step (from 1), for one cursor. A thing is named by itself, that
    /// of a whole collection by the collection; a sequence by its scenario.
    ///
    /// # Errors
    /// What is wrong, in words: no such thing, state, scenario or step.
    pub fn set_state(&self, cursor: Option<&str>, name: &str, value: &str) -> Result<String, String> {
        let engine = self.engine();
        let known = engine.states();
        let called =
            |thing: &Thing| if thing.1.is_empty() { engine.names()[thing.0].clone() } else { thing.1.to_string() };
        let things: Vec<&Thing> = known.keys().filter(|thing| called(thing) == name).collect();
        let named = cursor.map(Arc::from);
        let cursor = self.cursors().get(named.as_ref());
        if let Some(first) = things.first() {
            let states = &known[*first];
            if !things.iter().any(|thing| known[*thing].contains(value)) {
                let all: Vec<&str> = states.iter().map(|state| &**state).collect();
                return Err(format!("`{name}` has no state `{value}`: it knows {}", all.join(", ")));
            }
            let told = format!("{name} is in the state `{value}`");
            let of = |thing: &&Thing| StateOf { collection: engine.names()[thing.0].clone(), of: thing.1.to_string() };
            let change = StateChange::Enter { things: things.iter().map(of).collect(), state: value.to_owned() };
            let mut state = cursor.lock();
            things.iter().for_each(|thing| state.enter(thing, &value.into()));
            self.log_change(named, change, &told);
            drop(state);
            self.log().make_room();
            return Ok(told);
        }
        let is_it = |label: &str| label == name || label.split_once(": ").is_some_and(|(_, rest)| rest == name);
        let Some((id, label, sequence)) = engine.sequences().find(|(_, label, _)| is_it(label)) else {
            let labels = engine.sequences().filter_map(|(_, label, _)| label.split_once(": ").map(|(_, name)| name));
            let names: Vec<String> = known.keys().map(called).collect();
            let near = nearest(name, names.iter().map(String::as_str).chain(labels));
            let meant = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(format!("nothing that is served has a state or a sequence called `{name}`{meant}"));
        };
        let step = value.parse().ok().and_then(|step: usize| step.checked_sub(1));
        let served = step.and_then(|step| sequence.calls_before(step));
        let steps = sequence.steps();
        let bad = || format!("`{value}` is no step of {label}: write 1 to {steps}, or {} for its end", steps + 1);
        let (served, step) = served.zip(step).ok_or_else(bad)?;
        let told = format!("the next call of {label} gets step {value}");
        let change = StateChange::Step { scenario: label.to_string(), step: step + 1 };
        let mut state = cursor.lock();
        state.served.insert(id, served);
        self.log_change(named, change, &told);
        drop(state);
        self.log().make_room();
        Ok(told)
    }

    /// Lets everything begin anew, for one cursor or for all.
    ///
    /// # Errors
    /// No such cursor.
    pub fn reset_state(&self, cursor: Option<&str>) -> Result<String, String> {
        let told = match cursor {
            None => {
                self.cursors().reset(None);
                "every cursor begins anew".to_owned()
            }
            Some(name) => {
                let cursor = self.cursors().find(Some(name));
                let cursor = cursor.ok_or_else(|| format!("no call has named the cursor `{name}` yet"))?;
                self.cursors().reset(Some(&cursor));
                format!("the cursor `{name}` begins anew")
            }
        };
        self.log_change(cursor.map(Arc::from), StateChange::Reset { every: cursor.is_none() }, &told);
        self.log().make_room();
        Ok(told)
    }

    /// Lets a server stub answer everything from now on, or none, whatever the files say.
    ///
    /// # Errors
    /// No such server stub.
    pub fn activate(&self, collection: &str, name: Option<&str>) -> Result<String, String> {
        let engine = self.engine();
        let Some(at) = engine.names().iter().position(|known| known == collection) else {
            return Err(format!("this replay does not serve `{collection}`: it serves {}", engine.names().join(", ")));
        };
        let Some(name) = name else {
            self.force(Some(None));
            return Ok("no server stub is active in this replay".to_owned());
        };
        let own = |stub: &&ServerAnswer| stub.collection == at;
        match engine.server_stubs().iter().filter(own).find(|stub| stub.name == name) {
            Some(stub) => {
                self.force(Some(Some((at, name.to_owned()))));
                Ok(format!("{} answers every call of this replay", stub.label))
            }
            None => {
                let known = engine.server_stubs().iter().filter(own).map(|stub| stub.name.as_str());
                let meant = nearest(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                Err(format!("`{collection}` has no server stub `{name}`{meant}"))
            }
        }
    }

    /// Serves these collections from the next call on. Sequences of which nothing is left are forgotten, and so are
    /// named states that no scenario speaks of any more.
    pub fn renew(&self, engine: Engine) {
        let known = engine.states();
        let ids: std::collections::HashSet<u32> = engine.sequences().map(|(id, ..)| id).collect();
        self.replace(engine);
        for (_, cursor) in self.cursors().all() {
            let mut state = cursor.lock();
            state.served.retain(|id, _| ids.contains(id));
            state.states.retain(|thing, state| known.get(thing).is_some_and(|states| states.contains(state)));
        }
    }
}

impl ServerState {
    /// The state in lines for people; nothing in it acts on a terminal that cleans each line.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(stub) = &self.server_stub {
            lines.push(format!("{stub} answers every call"));
        }
        if !self.edits.trouble.is_empty() {
            lines.push(
                "the files as they are now cannot be served; what is served is what they were before:".to_owned(),
            );
            lines.extend(self.edits.trouble.iter().map(|line| format!("  {line}")));
        }
        for cursor in &self.cursors {
            let name = cursor.cursor.as_deref();
            lines.push(name.map_or_else(|| "the whole server".to_owned(), |name| format!("cursor {name}")));
            let before = lines.len();
            for sequence in &cursor.sequences {
                let next = match sequence.next {
                    Some(next) => format!("next step {next} of {}", sequence.steps),
                    None => "used up".to_owned(),
                };
                lines.push(format!("  {}  {} answered, {next}", sequence.scenario, sequence.answered));
            }
            for state in &cursor.states {
                let of = if state.of.is_empty() { String::new() } else { format!(" {}", state.of) };
                lines.push(format!("  {}:{of} is in the state {}", state.collection, state.state));
            }
            for fresh in &cursor.fresh {
                lines.push(format!("  {}: {} stands for {}", fresh.collection, fresh.value, fresh.recorded));
            }
            if lines.len() == before {
                lines.push(format!("  everything in `{START}`"));
            }
        }
        if self.left_out > 0 {
            lines.push(format!("… and {} more: name one with --cursor", self.left_out));
        }
        if self.dropped > 0 {
            lines.push(format!("{} cursors begin anew when they come back: there were too many", self.dropped));
        }
        lines
    }
}
