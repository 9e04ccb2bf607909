//! Matching: which scenario answers a request, and why the others do not. Pure; no clock, no disk.
//!
//! Every candidate is evaluated once; score, verdict per part and reasons come out of that one evaluation, and
//! `explain`, the miss report and the call log are views of it. The rule, the weights and worked examples stand in
//! `docs/matching.md`.

use std::sync::Arc;

use bytes::Bytes;

use crate::collection::{Collection, Profile, StubFile};
use crate::model::{Authority, Fields, Origin};

/// Where a call says it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Through the proxy, or by `/@HOST`: this origin.
    Origin(Origin),
    /// A plain call whose `Host` is one of a served collection: scheme ignored.
    Authority(Authority),
    /// A plain call to our own address: every origin competes.
    Any,
}

/// A request as matching sees it.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method, as written.
    pub method: String,
    /// Where it goes.
    pub target: Target,
    /// The path, as written.
    pub path: String,
    /// The query, as written.
    pub query: Option<String>,
    /// The header field lines.
    pub fields: Fields,
    /// The body, content coding undone where it could be.
    pub body: Bytes,
}

/// The body of a scenario's request, resolved: what `collection::BodySpec` stands for, decoded.
pub type RequestBody = Option<Bytes>;

/// One collection to be served, with the request bodies that live in files already read.
pub struct Source {
    /// The name under which reports speak of it.
    pub name: String,
    /// The files.
    pub collection: Arc<Collection>,
    /// Reads the bytes of a body spec of this collection.
    pub body: Box<dyn Fn(&crate::collection::BodySpec) -> RequestBody + Send + Sync>,
}

/// A scenario by its place: collection, stub and scenario by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScenarioRef {
    /// Position of the collection in the sources.
    pub collection: usize,
    /// Position of the stub in the collection.
    pub stub: usize,
    /// Position of the scenario in the stub.
    pub scenario: usize,
}

/// The compiled collections: finds the candidates of a call by origin, method and path without walking them all.
pub struct Index {
    _private: (),
}

impl Index {
    /// Compiles collections. Cost is linear in their size; nothing is parsed per request afterwards.
    pub fn new(_sources: Vec<Source>) -> Self {
        todo!()
    }

    /// Chooses the scenario that answers `call`. `used_up` tells whether a scenario's sequence has ended in a miss.
    pub fn select(&self, _call: &Call, _profile: Profile, _used_up: &dyn Fn(ScenarioRef) -> bool) -> Selection {
        todo!()
    }

    /// The stub file and scenario of a reference.
    pub fn stub(&self, _at: ScenarioRef) -> &StubFile {
        todo!()
    }
}

/// What came out for a call.
pub enum Selection {
    /// A scenario answers.
    Hit(Hit),
    /// None does.
    Miss(Miss),
}

/// The chosen scenario.
pub struct Hit {
    /// Which.
    pub at: ScenarioRef,
    /// How well it matched.
    pub evaluation: Evaluation,
}

/// Nothing answers: the class of the reason, and the nearest scenarios.
pub struct Miss {
    /// Nearest first, at most a handful, all of the same host.
    pub near: Vec<(ScenarioRef, Evaluation)>,
}

/// A scenario compared with a call, once.
pub struct Evaluation {
    /// 0 to 100.
    pub score: f64,
}

impl Evaluation {
    /// Whether everything agreed.
    pub fn is_exact(&self) -> bool {
        todo!()
    }
}
