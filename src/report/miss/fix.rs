//! What would make a missed call a hit: changes of the collection, each tried before it is proposed, and commands.
//!
//! `propose` says for each cause what might help, `trial` makes it on a copy of the stub that it touches and looks
//! whether the call is answered then, and whether every other scenario of that stub still answers its own request. A
//! change that reaches further, to calls that other stubs answer, is not proposed.

mod propose;
mod request;
mod rules;
#[cfg(test)]
mod tests;
mod trial;
mod words;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::terminal::quoted;
use super::{Context, can_be_pasted};
use crate::collection::{Change, Scenario, Stub, StubKey};
use crate::matching::{Miss, Near, Source};
pub(super) use rules::{means_another, wanted_shape};
use trial::Bench;
pub(super) use words::ordinal;

/// Fixes that change the collection, at most.
const MAX_CHANGES: usize = 4;

/// Something that would make a missed call a hit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fix {
    /// Counted from 1, as `retake diff MISS --apply N` takes it.
    pub number: usize,
    /// Which of the near scenarios it is about, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near: Option<usize>,
    /// What it does, in a sentence.
    pub title: String,
    /// What to run; where the call is in no log, it may say what to write into which file.
    pub command: String,
    /// The collection that it changes.
    pub collection: String,
    /// The change that `--apply` proposes; a fix without one is only a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// How much a fix loosens: of two, the one that loosens less goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Loosens {
    /// It only lets a scenario answer that matches already.
    Nothing,
    /// It lets values differ that are made up anew for each call.
    MadeUp,
    /// It takes one more call.
    OneCall,
    /// It lets values differ that may matter.
    Values,
    /// It lets a scenario answer whatever is asked.
    Everything,
}

/// A fix that has no number yet.
struct Proposal {
    loosens: Loosens,
    near: Option<usize>,
    title: String,
    collection: String,
    does: Does,
}

/// What a fix does.
#[allow(clippy::large_enum_variant, reason = "a handful lives at a time")]
enum Does {
    /// It changes the collection; where the call is in no log, what to do by hand stands beside it.
    Change(Change, Option<String>),
    /// It is a command.
    Command(String),
}

/// What proposals are made from.
struct Desk<'a> {
    context: &'a Context<'a>,
    miss: &'a Miss,
    url: &'a str,
    bench: Bench<'a>,
    found: Vec<Proposal>,
}

/// What would make the call a hit, what loosens least first.
pub(super) fn fixes(context: &Context<'_>, miss: &Miss, url: &str) -> Vec<Fix> {
    let mut desk = Desk { context, miss, url, bench: Bench::new(context, miss), found: Vec::new() };
    propose::changes(&mut desk);
    let mut found = std::mem::take(&mut desk.found);
    found.retain(Proposal::can_be_pasted);
    found.sort_by_key(|proposal| proposal.loosens);
    found.truncate(MAX_CHANGES);
    propose::commands(&mut desk);
    found.extend(std::mem::take(&mut desk.found).into_iter().filter(Proposal::can_be_pasted));
    (1..).zip(found).map(|(number, proposal)| proposal.numbered(number, context)).collect()
}

impl Proposal {
    /// What cannot be copied from a terminal as it is, is no help.
    fn can_be_pasted(&self) -> bool {
        match &self.does {
            Does::Change(_, by_hand) => by_hand.as_deref().is_none_or(can_be_pasted),
            Does::Command(command) => can_be_pasted(command),
        }
    }

    fn numbered(self, number: usize, context: &Context<'_>) -> Fix {
        let (command, change) = match self.does {
            Does::Change(change, by_hand) => {
                let apply = || format!("retake diff {} --apply {number}", context.id);
                (by_hand.unwrap_or_else(apply), Some(change))
            }
            Does::Command(command) => (command, None),
        };
        Fix { number, near: self.near, title: self.title, command, collection: self.collection, change }
    }
}

impl<'a> Desk<'a> {
    fn near(&self, at: usize) -> &'a Near {
        &self.miss.near[at]
    }

    fn stub(&self, near: &Near) -> &'a Stub {
        &self.context.index.stub(near.at).stub
    }

    fn scenario(&self, near: &Near) -> &'a Scenario {
        self.context.index.scenario(near.at)
    }

    fn key(&self, near: &Near) -> StubKey {
        StubKey::of(self.stub(near))
    }

    fn collection(&self, near: &Near) -> String {
        self.context.index.source(near.at).name.clone()
    }

    /// The near scenario's collection as a word of a command.
    fn given(&self, near: &Near) -> String {
        quoted(&self.context.index.source(near.at).given)
    }

    /// A stub as a word of a command: by method and path, and by its whole URL where another has these too. `more` goes
    /// behind it: the `#` and the name of a scenario.
    fn named(&self, source: &Source, key: &StubKey, more: &str) -> String {
        // Without a copy of each: there may be a hundred thousand.
        let is_alone = !source.collection.stubs.iter().any(|file| key.is_short_of_another(&file.stub));
        quoted(&format!("{}{more}", if is_alone { key.short() } else { key.to_string() }))
    }

    /// Tries a change; proposes it if `hit` finds that the scenario which answers then is the right one.
    fn offer(
        &mut self,
        loosens: Loosens,
        at: usize,
        title: String,
        change: Change,
        hit: impl Fn(&str) -> bool,
    ) -> bool {
        let near = self.near(at);
        let works = self.bench.answers_after(near.at, &change).is_some_and(|name| hit(&name));
        if works {
            // It looks at all stubs, for names that are free and clear.
            let by_hand = (!self.context.logged).then(|| words::by_hand(self, near, &change));
            let collection = self.collection(near);
            self.found.push(Proposal {
                loosens,
                near: Some(at),
                title,
                collection,
                does: Does::Change(change, by_hand),
            });
        }
        works
    }
}
