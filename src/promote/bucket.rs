//! Alike requests while a promotion reads: kept small, since there may be as many as exchanges.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::{Answer, Fingerprint};
use super::body::Plan;
use super::committed::Place;
use super::endpoint::Endpoint;
use super::group::Sample;
use super::request::{Candidate, RequestKey};
use crate::collection::{RequestSpec, ResponseSpec};
use crate::model::ExchangeId;

/// Alike requests by their endpoint and key.
pub(super) type Buckets = BTreeMap<(Rc<Endpoint>, RequestKey), Box<Bucket>>;

/// By when it started.
type Order = (Timestamp, ExchangeId);

/// A part of a stub file, as its text there where that gives it back: a quarter of what it takes in memory otherwise.
enum Packed<T> {
    Text(Box<[u8]>),
    Whole(Box<T>),
}

impl<T: Serialize + DeserializeOwned + Clone + PartialEq> Packed<T> {
    fn new(part: &T) -> Self {
        match serde_json::to_vec(part) {
            Ok(text) if serde_json::from_slice::<T>(&text).is_ok_and(|read| read == *part) => Packed::Text(text.into()),
            _ => Packed::Whole(Box::new(part.clone())),
        }
    }

    fn open(&self) -> T {
        match self {
            Packed::Text(text) => serde_json::from_slice(text).expect("it was read back when it was packed"),
            Packed::Whole(part) => T::clone(part),
        }
    }
}

/// Alike requests to one endpoint, fields aside.
pub(super) struct Bucket {
    spec: Packed<RequestSpec>,
    /// The body of the first of them.
    pub(super) body: Option<Box<Plan>>,
    /// When that one was.
    pub(super) first: Order,
    /// The exchanges, sorted only at the end.
    pub(super) samples: Vec<Sample>,
    /// The different answers, each as it was first given.
    pub(super) answers: Answers,
    /// The committed scenarios that they are exact hits of; several, where a fresh value may stand for any of them.
    pub(super) fits: BTreeSet<Place>,
    /// They are so by a value that stands for a recorded one.
    pub(super) is_fresh: bool,
}

impl Bucket {
    pub(super) fn new(first: Order, spec: &RequestSpec, body: Option<Plan>) -> Self {
        Bucket {
            spec: Packed::new(spec),
            body: body.map(Box::new),
            first,
            // Most calls are made once.
            samples: Vec::with_capacity(1),
            answers: Answers::default(),
            fits: BTreeSet::new(),
            is_fresh: false,
        }
    }

    /// What the first of them asks for.
    pub(super) fn spec(&self) -> RequestSpec {
        let mut spec = self.spec.open();
        spec.query.shrink_to_fit();
        spec
    }

    pub(super) fn add(&mut self, sample: Sample, answer: Answer, spec: &RequestSpec, body: Option<Plan>) {
        // Not the first that came in, but the first that was recorded speaks for all.
        if sample.order() < self.first {
            self.first = sample.order();
            self.spec = Packed::new(spec);
            self.body = body.map(Box::new);
        }
        self.answers.add(&sample, answer);
        self.samples.push(sample);
    }
}

/// An answer as it was first given.
struct First {
    order: Order,
    fingerprint: Fingerprint,
    status: u16,
    spec: Packed<ResponseSpec>,
    body: Option<Box<Plan>>,
}

impl First {
    fn new(sample: &Sample, answer: Answer) -> Self {
        First {
            order: sample.order(),
            fingerprint: sample.answer,
            status: answer.spec.status,
            spec: Packed::new(&answer.spec),
            body: answer.body.map(Box::new),
        }
    }
}

/// The different answers of a bucket. Most buckets have one.
#[derive(Default)]
pub(super) struct Answers {
    all: Vec<First>,
    /// Where each is, once there are many.
    known: HashMap<Fingerprint, usize>,
}

/// So many answers are looked through one by one.
const FEW: usize = 8;

impl Answers {
    /// The answer with this fingerprint, which some sample has.
    pub(super) fn get(&self, fingerprint: &Fingerprint) -> Answer {
        let first = self.first(fingerprint);
        let mut spec = first.spec.open();
        // The parser leaves room for more.
        spec.fields.shrink_to_fit();
        Answer { spec, body: first.body.as_deref().cloned() }
    }

    /// The status of the answer with this fingerprint.
    pub(super) fn status(&self, fingerprint: &Fingerprint) -> u16 {
        self.first(fingerprint).status
    }

    fn first(&self, fingerprint: &Fingerprint) -> &First {
        // Every sample of the bucket brought its own.
        &self.all[self.find(fingerprint).unwrap_or_default()]
    }

    fn find(&self, fingerprint: &Fingerprint) -> Option<usize> {
        if self.all.len() > FEW {
            return self.known.get(fingerprint).copied();
        }
        self.all.iter().position(|first| first.fingerprint == *fingerprint)
    }

    fn add(&mut self, sample: &Sample, answer: Answer) {
        match self.find(&sample.answer) {
            Some(at) if self.all[at].order < sample.order() => {}
            Some(at) => self.all[at] = First::new(sample, answer),
            None => {
                self.all.reserve_exact(if self.all.len() < FEW { 1 } else { self.all.len() });
                self.all.push(First::new(sample, answer));
                let from = if self.all.len() == FEW + 1 { 0 } else { self.all.len() - 1 };
                if self.all.len() > FEW {
                    self.known.extend((from..self.all.len()).map(|at| (self.all[at].fingerprint, at)));
                }
            }
        }
    }
}

/// The different lists of fields that may decide, for all buckets together: most calls of a client have the same.
#[derive(Default)]
pub(super) struct FieldLists {
    all: Vec<Rc<[Candidate]>>,
    known: HashMap<Rc<[Candidate]>, usize>,
}

impl FieldLists {
    /// The number of a list.
    pub(super) fn id(&mut self, list: Vec<Candidate>) -> usize {
        if let Some(id) = self.known.get(list.as_slice()) {
            return *id;
        }
        let list: Rc<[Candidate]> = list.into();
        self.all.push(list.clone());
        self.known.insert(list, self.all.len() - 1);
        self.all.len() - 1
    }
}

impl std::ops::Index<usize> for FieldLists {
    type Output = [Candidate];

    fn index(&self, at: usize) -> &[Candidate] {
        &self.all[at]
    }
}
