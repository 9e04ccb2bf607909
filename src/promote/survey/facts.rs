//! What the survey keeps of an exchange: the values of its request with their places, and what its answer is like.

use std::rc::Rc;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::leaves::{Leaf, Shelf, Skeleton};
use super::texts::{Id, Key, Names, Values};
use crate::collection::{Place, Stub};
use crate::matching::{MultiPart, cookies_of, multipart_parts};
use crate::model::media::{self, Kind};
use crate::model::{Exchange, ExchangeId, Fields, ResponseRecord, path};
use crate::promote::canonical::{self, Lens};
use crate::promote::{Content, Recorded, endpoint, is_placeholder, request};

/// Values of requests that are kept together; of a large selection fewer of each request.
const ITEMS: usize = 4_000_000;
const MOST_ITEMS: usize = 200;
const LEAST_ITEMS: usize = 40;

/// How many values are kept of one exchange of so many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    items: usize,
    pub(super) leaves: usize,
}

impl Budget {
    /// For `count` exchanges.
    pub(super) fn of(count: usize, leaves: usize) -> Self {
        Budget { items: (ITEMS / count.max(1)).clamp(LEAST_ITEMS, MOST_ITEMS), leaves }
    }
}

/// Request fields that may carry a value of an earlier answer.
const CARRIERS: [&str; 6] =
    ["if-none-match", "if-match", "if-modified-since", "if-unmodified-since", "if-range", "last-event-id"];

/// A value of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) place: Place,
    /// The name as in a rule: positions of arrays are `*`.
    pub(super) name: Id,
    pub(super) value: Id,
}

impl Item {
    /// It stands in a field, of which a request has others than those that are compared.
    pub(super) fn is_field(&self) -> bool {
        matches!(self.place, Place::Field | Place::Cookie)
    }
}

/// The values of a request while they are taken: the first ones are kept, the others only told apart.
struct Items {
    kept: Vec<Item>,
    most: usize,
    /// A hash of the others.
    rest: Key,
}

/// One segment of a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    /// In comparable form, as a value.
    pub(super) value: Id,
    /// The key of its decoded form.
    pub(super) key: Key,
}

/// An exchange, as far as inference goes.
pub(super) struct Fact {
    pub(super) started_at: Timestamp,
    pub(super) id: ExchangeId,
    pub(super) number: u64,
    pub(super) origin: Id,
    pub(super) method: Id,
    pub(super) segments: Box<[Segment]>,
    /// Query pairs, form members and JSON leaves; later also captures; and fields that may carry a value on; cookies that
    /// the committed stub asks for.
    pub(super) items: Vec<Item>,
    /// What of the body is no item: equal when the bodies are.
    pub(super) body: Key,
    /// A call that asks for something to be made.
    pub(super) makes: bool,
    /// A GraphQL request.
    pub(super) is_graphql: bool,
    pub(super) status: u16,
    /// The media type of the answer.
    pub(super) media: Id,
    /// The places of the answer's values.
    pub(super) skeleton: Rc<Skeleton>,
    /// The answer's values.
    pub(super) leaves: Rc<[Leaf]>,
    /// Moments in the answer that are not that of the call: their keys, and how many seconds after the call's start.
    pub(super) moments: Box<[(Key, i64)]>,
    /// The content of the answer, as far as it is no leaves.
    pub(super) content: Key,
    /// The committed stub that it belongs to.
    pub(super) committed: Option<usize>,
    /// Its endpoint, once it is known.
    pub(super) endpoint: usize,
}

impl Fact {
    /// Order of request start; ids settle ties.
    pub(super) fn order(&self) -> (Timestamp, ExchangeId) {
        (self.started_at, self.id)
    }

    pub(super) fn is_success(&self) -> bool {
        (200..400).contains(&self.status)
    }
}

/// The tables that facts point into.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) names: Names,
    pub(super) values: Values,
    pub(super) shelf: Shelf,
}

impl Tables {
    /// The facts of an exchange with a whole answer.
    pub(super) fn fact(&mut self, recorded: &Recorded, response: &ResponseRecord, budget: Budget) -> Fact {
        let Exchange { request, started_at, id, number, timings, .. } = &recorded.exchange;
        let mut items = Items { kept: Vec::new(), most: budget.items, rest: 0 };
        for pair in &request::query_pairs(request.query.as_deref()) {
            let (name, value) = pair.decoded();
            self.item(&mut items, Place::Query, &name, &value);
        }
        let media_type = request::media_type(&request.fields);
        let (body, document) = self.body(&mut items, media_type.as_deref(), &recorded.request.content);
        let body = body.wrapping_add(items.rest);
        items.most = usize::MAX;
        for name in CARRIERS {
            if let Some(value) = request.fields.text(name) {
                self.item(&mut items, Place::Field, name, value.trim());
            }
        }
        let origin = endpoint::one_loopback(&request.origin).to_string();
        let segments = path::segments(&request.path).map(|segment| self.segment(segment)).collect();
        let ended_at = started_at
            .checked_add(jiff::SignedDuration::from_micros(i64::try_from(timings.total_us).unwrap_or_default()))
            .unwrap_or(*started_at);
        let answer = self.shelf.answer(&mut self.names, recorded, response, (*started_at, ended_at), budget.leaves);
        let is_graphql = document.is_some();
        let makes = match document {
            Some(is_mutation) => is_mutation,
            None => matches!(request.method.as_str(), "POST" | "PUT" | "PATCH"),
        };
        Fact {
            started_at: *started_at,
            id: *id,
            number: *number,
            origin: self.names.id(&origin),
            method: self.names.id(&request.method),
            segments,
            items: items.kept,
            body,
            makes,
            is_graphql,
            status: response.status,
            media: answer.media,
            skeleton: answer.skeleton,
            leaves: answer.leaves,
            moments: answer.moments,
            content: answer.content,
            committed: None,
            endpoint: usize::MAX,
        }
    }

    /// The cookies that scenarios of the stub of a call ask for, where the call has other ones.
    pub(super) fn cookies(&mut self, fact: &mut Fact, stub: &Stub, fields: &Fields) {
        let lines = stub.scenarios.iter().flat_map(|scenario| &scenario.request.fields).chain(&stub.defaults.fields);
        let lines: Fields = lines.filter(|line| line.0.is("cookie")).map(|line| line.0.clone()).collect();
        if lines.is_empty() {
            return;
        }
        let listed = cookies_of(&lines);
        for (name, value) in cookies_of(fields) {
            let is_asked = listed.iter().any(|(known, _)| *known == name);
            if is_asked && !listed.contains(&(name.clone(), value.clone())) {
                let (name, value) = (self.names.id(&name), self.values.id(&value));
                fact.items.push(Item { place: Place::Cookie, name, value });
            }
        }
    }

    fn item(&mut self, items: &mut Items, place: Place, name: &str, value: &str) {
        if items.kept.len() < items.most {
            items.kept.push(Item { place, name: self.names.id(name), value: self.values.id(value) });
        } else {
            let value = if is_placeholder(value) { "" } else { value };
            items.rest = items.rest.wrapping_add(super::texts::key(&format!("{}\0{name}\0{value}", place.as_str())));
        }
    }

    fn segment(&mut self, segment: &str) -> Segment {
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
        Segment { value: self.values.id(&path::normalize(segment)), key: super::texts::key(&decoded) }
    }

    /// Takes the values of a body; returns the key of the rest of it, and for GraphQL whether it is a mutation.
    fn body(&mut self, items: &mut Items, media_type: Option<&str>, content: &Content) -> (Key, Option<bool>) {
        let Content::Small(bytes) = content else {
            return (super::texts::key(&format!("{content:?}")), None);
        };
        if bytes.is_empty() {
            return (0, None);
        }
        let essence = media_type.map(media::essence).unwrap_or_default();
        match Kind::of(media_type) {
            Kind::Form => {
                for (name, value) in form_urlencoded::parse(bytes) {
                    self.item(items, Place::Form, &name, &value);
                }
                (super::texts::key(&essence), None)
            }
            Kind::Json => match serde_json::from_slice::<Json>(bytes) {
                Ok(json) => {
                    let document = json.get("query").and_then(Json::as_str).filter(|text| text.contains('{'));
                    self.members(items, &json, &mut String::new());
                    (super::texts::key(&essence), document.map(|text| text.trim_start().starts_with("mutation")))
                }
                Err(_) => (hash(bytes), None),
            },
            Kind::Multipart if let Some(parts) = multipart_parts(media_type, bytes) => {
                let mut rest = super::texts::key(&essence);
                for part in &parts {
                    let MultiPart { name, file_name, media_type, content, .. } = part;
                    let text = part.text().filter(|_| file_name.is_none());
                    if let Some(text) = text {
                        self.item(items, Place::Form, name, text);
                    }
                    let told = format!("{name}\0{file_name:?}\0{media_type}");
                    let content = if text.is_none() { hash(content) } else { 0 };
                    // Parts may come in any order.
                    rest = rest.wrapping_add(super::texts::key(&told).rotate_left(17) ^ content);
                }
                (rest, None)
            }
            _ => {
                let mut out = Vec::new();
                canonical::push_request_body(&mut out, &Lens::default(), media_type, content);
                (hash(&out), None)
            }
        }
    }

    /// The scalars of a JSON body; empty objects and arrays count as values too.
    fn members(&mut self, items: &mut Items, value: &Json, pointer: &mut String) {
        let length = pointer.len();
        match value {
            Json::Array(all) if !all.is_empty() => {
                pointer.push_str("/*");
                all.iter().for_each(|value| self.members(items, value, pointer));
            }
            Json::Object(all) if !all.is_empty() => {
                for (name, value) in all {
                    pointer.push('/');
                    pointer.push_str(&canonical::escaped(name));
                    self.members(items, value, pointer);
                    pointer.truncate(length);
                }
            }
            Json::String(text) => self.item(items, Place::Json, pointer, text),
            other => self.item(items, Place::Json, pointer, &other.to_string()),
        }
        pointer.truncate(length);
    }
}

fn hash(bytes: &[u8]) -> Key {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
