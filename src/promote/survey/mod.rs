//! The survey: the first of two passes over the selected exchanges. It keeps compact facts, in any order of input, and
//! finds from them which segments of paths are ids, which values will differ in the next recording, and which answer
//! introduced what a later request carries. The second pass promotes with these findings as if they were committed.

mod answers;
mod clock;
mod doubts;
mod endpoints;
mod facts;
mod findings;
mod flow;
mod leaves;
mod outcome;
#[cfg(test)]
mod part_tests;
#[cfg(test)]
mod path_tests;
mod paths;
mod requests;
mod telling;
#[cfg(test)]
mod tests;
mod texts;
mod validators;

use crate::collection::{Collection, Place, Rule, RuleSide};
use crate::matching::covered;
use crate::model::Outcome;

use super::committed::Committed;
use super::{Existing, Promoter, Recorded, endpoint, request};
use endpoints::{Endpoint, World};
use facts::{Budget, Fact, Tables};
use findings::Finding;
use flow::Origins;

pub(super) use doubts::PathLine;
pub use findings::Confidence;
pub(super) use outcome::EndpointKey;
pub use outcome::{Findings, LinkLine, RuleLine};

/// Values of answers that are kept together; a large selection keeps fewer of each.
const LEAVES: usize = 5_000_000;
const MOST_LEAVES: usize = 400;
const LEAST_LEAVES: usize = 32;

/// A survey under way: [`Survey::push`] every exchange, then [`Survey::finish`].
pub struct Survey<'a> {
    committed: Option<Committed<'a>>,
    tables: Tables,
    facts: Vec<Fact>,
    budget: Budget,
}

impl<'a> Survey<'a> {
    /// A survey of about `count` exchanges, to be promoted into this collection or a new one.
    pub fn new(existing: Option<Existing<'a>>, count: usize) -> Self {
        Survey {
            committed: existing.map(Committed::stubs_only),
            tables: Tables::default(),
            facts: Vec::new(),
            budget: Budget::of(count, (LEAVES / count.max(1)).clamp(LEAST_LEAVES, MOST_LEAVES)),
        }
    }

    /// Takes an exchange; one that will be left out tells nothing.
    pub fn push(&mut self, recorded: &Recorded) {
        let (None, Outcome::Complete(response)) = (Promoter::left_out(&recorded.exchange), &recorded.exchange.outcome)
        else {
            return;
        };
        let mut fact = self.tables.fact(recorded, response, self.budget);
        if let Some(committed) = &self.committed {
            let request = &recorded.exchange.request;
            let pattern = endpoint::path_pattern(&request.path);
            let stubs = committed.stubs_for(request, pattern.as_str());
            let fits = |at: &usize| request::fits_defaults(committed.stub(*at), request, &request::before_rules);
            fact.committed = stubs.into_iter().find(fits);
            if let Some(at) = fact.committed {
                self.tables.cookies(&mut fact, committed.stub(at), &request.fields);
            }
        }
        self.facts.push(fact);
    }

    /// What was found. The order in which exchanges were pushed plays no part.
    pub fn finish(self) -> Findings {
        let Survey { committed, mut tables, mut facts, .. } = self;
        facts.sort_by_key(Fact::order);
        let empty = super::merge::empty("");
        let nothing = |_: &crate::collection::BodySpec| None;
        let existing = match &committed {
            Some(committed) => committed.existing.collection,
            None => &empty,
        };
        let fallback = Committed::stubs_only(Existing { collection: &empty, content: &nothing });
        let stubs = match &committed {
            Some(committed) => committed,
            None => &fallback,
        };
        let origins = Origins::new(&facts, &tables);
        let known = paths::KnownCaptures::new(existing.stubs.iter().map(|file| &file.stub.path));
        let (patterns, doubts) = paths::patterns(&facts, &tables, &origins, &known);
        let endpoints = endpoints::endpoints(&mut facts, &mut tables, patterns, stubs);
        let (clock, told) = clock::aside(&facts, &tables);
        let world = World { facts: &facts, tables: &tables, origins: &origins, endpoints: &endpoints, clock, told };
        let mut findings = outcome::outcome(&world, existing);
        findings.paths = doubts.lines(&world);
        findings
    }
}

/// The rules that stand for an endpoint already: its stub's before the collection's.
fn standing<'c>(existing: &'c Collection, endpoint: &Endpoint) -> Vec<&'c Rule> {
    let own = endpoint.committed.map(|at| existing.stubs[at].stub.rules.iter()).into_iter().flatten();
    own.chain(&existing.manifest.rules).collect()
}

/// Whether one of these rules, on or off, names the item of another.
fn is_named(rules: &[&Rule], finding: &Rule) -> bool {
    rules.iter().any(|rule| {
        let covers = finding.place == Place::Json
            && rule.place == finding.place
            && rule.side == finding.side
            && covered(&rule.name, &finding.name).is_some();
        rule.same_item(finding) || covers
    })
}

/// The findings about an endpoint's requests and answers, without those about items that a rule names already.
fn of_endpoint(
    world: &World<'_>,
    endpoint: &Endpoint,
    existing: &Collection,
    requests: Vec<Finding>,
    made: &answers::Made,
) -> Vec<Finding> {
    let standing = standing(existing, endpoint);
    let effective: Vec<Rule> = {
        let active = standing.iter().filter(|rule| rule.side == RuleSide::Request && !rule.off);
        // What an answer gives back is found also where that is still a question: it does no harm, and is needed then.
        let is_asked = |finding: &Finding| finding.rule.place == Place::Path && finding.links.is_empty();
        let new = requests.iter().filter(|one| one.confidence == Confidence::Certain || is_asked(one));
        let new = new.map(|finding| &finding.rule).filter(|rule| !is_named(&standing, rule));
        active.map(|rule| (*rule).clone()).chain(new.cloned()).collect()
    };
    let answers = answers::findings(world, endpoint, &effective, made);
    let open = |finding: &Finding| !is_named(&standing, &finding.rule);
    requests.into_iter().chain(answers).filter(open).collect()
}
