//! Answers that depend on the call: what is put into a recorded one before it goes out.
//!
//! Everything that can be is prepared at load, and an answer that needs nothing of this lies ready as it is
//! (`replay::ready`).

mod echo;
mod spans;
mod values;

use bytes::Bytes;

use crate::collection::{BodySpec, Rule, Scenario, Stub};
use crate::matching::{Call, Target};
use crate::model::Fields;

/// What an answer of a scenario repeats of its request.
#[derive(Debug)]
pub struct Echo(echo::Echo);

/// The echo rules of a stub and its scenarios' requests.
pub struct Echoes<'a> {
    rules: Vec<&'a Rule>,
    stub: &'a Stub,
}

impl<'a> Echoes<'a> {
    /// The echo rules for answers of `stub`, its own before the collection's; none if there are none.
    pub fn new(stub: &'a Stub, collection: &'a [Rule]) -> Option<Self> {
        let rules = echo::rules(stub, collection);
        (!rules.is_empty()).then_some(Echoes { rules, stub })
    }

    /// The request of a scenario, as a call; `body` is what its body stands for.
    pub fn request(&self, scenario: &Scenario, body: Bytes) -> Call {
        request_of(self.stub, scenario, body)
    }

    /// What an answer of `scenario` with these lines and this body repeats of `request`; none if nothing.
    pub fn of(
        &self,
        scenario: &Scenario,
        request: &Call,
        lines: &Fields,
        body: &Bytes,
        spec: Option<&BodySpec>,
    ) -> Option<Box<Echo>> {
        let recorded = echo::Recorded { stub: self.stub, scenario, call: request };
        echo::Echo::new(&self.rules, &recorded, lines, body, spec).map(|echo| Box::new(Echo(echo)))
    }
}

impl Echo {
    /// Field lines and body with the values of `call`; none while they are the recorded ones.
    pub fn filled(&self, call: &Call, lines: &Fields, body: &Bytes) -> Option<(Fields, Bytes)> {
        self.0.filled(call, lines, body)
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
    }
}

#[cfg(test)]
mod tests;
