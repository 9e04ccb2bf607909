//! Value flow: which answer introduced a value that a later request carries.

use std::collections::{HashMap, HashSet};

use super::facts::{Fact, Tables};
use super::leaves::{Leaf, Part};
use super::telling;
use super::texts::{Id, Key, Value, key};
use super::validators::{ETAG, bare};
use crate::collection::{Place, singular};
use crate::model::Shape;

/// More answers that introduce one value are not told apart.
const KEPT: usize = 16;

/// An answer, or a request that made something, in which a value is first met.
#[derive(Debug, Clone, Copy)]
pub(super) struct Intro {
    /// Position of the fact.
    pub(super) fact: usize,
    /// The pointer or field.
    pub(super) name: Id,
    pub(super) part: Part,
    /// It names what this call made.
    pub(super) own: bool,
    /// The client chose it: it stands in the request.
    pub(super) by_client: bool,
    /// It stands inside a URL.
    pub(super) is_piece: bool,
    /// It is a validator that repeats the request; then only the fields that carry validators take it from there.
    repeats: bool,
    is_now: bool,
    /// For a segment of a URL the key of the one before.
    before: Option<Key>,
}

/// Where the values that requests carry come from.
pub(super) struct Origins {
    by_key: HashMap<Key, Vec<Intro>>,
    /// What calls that made something made: the word for it, such as `order`.
    resources: Vec<Option<String>>,
    asked: HashSet<Key>,
    /// What each call made, as far as requests carry it.
    own: HashMap<usize, Vec<Key>>,
}

impl Origins {
    /// Follows the values of these facts, which are in order of request start.
    pub(super) fn new(facts: &[Fact], tables: &Tables) -> Self {
        let mut asked = HashSet::new();
        for fact in facts {
            asked.extend(keys(fact, tables).chain(in_fields(fact, tables)));
        }
        let resources = facts.iter().map(|fact| fact.makes.then(|| resource(fact, tables))).collect();
        let mut origins = Origins { by_key: HashMap::new(), resources, asked, own: HashMap::new() };
        for (at, fact) in facts.iter().enumerate().filter(|(_, fact)| fact.is_success()) {
            let carried: HashSet<Key> = keys(fact, tables).collect();
            origins.by_client(at, fact, tables);
            let mut before: Option<&Leaf> = None;
            let told: HashSet<Key> = in_fields(fact, tables).collect();
            for leaf in fact.leaves.iter() {
                let repeats = carried.contains(&leaf.key);
                let is_validator = || leaf.part == Part::Field && tables.names.get(leaf.name) == ETAG;
                let is_new = !repeats || is_validator() && !told.contains(&leaf.key);
                if is_new && origins.asked.contains(&leaf.key) {
                    let before = before.filter(|before| leaf.is_piece && before.is_piece && before.name == leaf.name);
                    origins.by_server(at, fact, leaf, before.map(|before| before.key), repeats, tables);
                }
                before = Some(leaf);
            }
        }
        origins
    }

    /// The ids of what the call of a fact made, as far as requests carry them.
    pub(super) fn made_by(&self, fact: usize) -> impl Iterator<Item = Key> + '_ {
        self.own.get(&fact).into_iter().flatten().copied()
    }

    /// Whether a value is in any request.
    pub(super) fn is_asked(&self, key: Key) -> bool {
        self.asked.contains(&key)
    }

    /// Ids that a client made up for what it creates: the end of the path of a PUT, and members called `id`.
    fn by_client(&mut self, at: usize, fact: &Fact, tables: &Tables) {
        if !fact.makes {
            return;
        }
        let made_up = |value: &Value| !value.masked && value.shape.is_some_and(is_made_up);
        let last = fact.segments.last().filter(|_| tables.names.get(fact.method) == "PUT");
        let in_path = last.map(|segment| (segment.key, segment.value, fact.method));
        let in_body = fact.items.iter().filter(|item| {
            let name = tables.names.get(item.name);
            let resource = self.resources[at].as_deref().unwrap_or_default();
            matches!(item.place, Place::Json | Place::Form)
                && name.matches('/').count() <= 3
                && telling::is_own_id(name, resource)
        });
        let in_body = in_body.map(|item| (tables.values.get(item.value).key, item.value, item.name));
        let found: Vec<_> = in_path.into_iter().chain(in_body).collect();
        for (key, value, name) in found {
            if made_up(tables.values.get(value)) && !self.by_key.contains_key(&key) {
                let intro = Intro {
                    fact: at,
                    name,
                    part: Part::Json,
                    own: true,
                    by_client: true,
                    is_piece: false,
                    repeats: false,
                    is_now: false,
                    before: None,
                };
                self.by_key.entry(key).or_default().push(intro);
            }
        }
    }

    fn by_server(&mut self, at: usize, fact: &Fact, leaf: &Leaf, before: Option<Key>, repeats: bool, tables: &Tables) {
        let name = tables.names.get(leaf.name);
        let own = self.is_own(at, fact, leaf, name);
        let telling = leaf.shape.is_some() || telling::is_cursor(name) || matches!(leaf.part, Part::Field | Part::Html);
        if !own && !telling && !leaf.is_piece {
            return;
        }
        if own {
            self.own.entry(at).or_default().push(leaf.key);
        }
        let known = self.by_key.entry(leaf.key).or_default();
        let is_told = repeats && known.iter().any(|intro| intro.repeats);
        if (known.len() < KEPT && !is_told) || own {
            known.push(Intro {
                fact: at,
                name: leaf.name,
                part: leaf.part,
                own,
                by_client: false,
                is_piece: leaf.is_piece,
                repeats,
                is_now: leaf.is_now,
                before,
            });
        }
    }

    /// Whether a value of an answer is the id of what the call made.
    fn is_own(&self, at: usize, fact: &Fact, leaf: &Leaf, name: &str) -> bool {
        let Some(resource) = self.resources[at].as_deref() else { return false };
        let is_unique = leaf.shape.is_some_and(is_made_up);
        if leaf.part == Part::Field {
            // Where what was made is to be found.
            let created = matches!(fact.status, 201 | 202) || (fact.status == 303 && leaf.shape.is_some());
            return leaf.is_end && name == "location" && created;
        }
        if leaf.is_piece || leaf.part == Part::Html {
            return false;
        }
        let in_list = name.contains("/*");
        let depth = name.matches('/').count();
        if fact.is_graphql {
            return !in_list && depth <= 5 && telling::is_own_id(name, resource);
        }
        let created = matches!(fact.status, 201 | 202);
        match is_unique {
            true => created || !in_list,
            false => created && !in_list && depth <= 2 && telling::is_own_id(name, resource),
        }
    }

    /// Whether the value of a segment names a thing that an earlier answer spoke of. Words do so only where the answer
    /// made the thing, or gave the URL and the word is no plain one; `before` is the segment before.
    pub(super) fn names_thing(
        &self,
        fact: usize,
        (key, before): (Key, Option<Key>),
        is_number: bool,
        text: &str,
        tables: &Tables,
    ) -> bool {
        self.before(fact, key).any(|intro| {
            if !is_number && intro.is_after(before) && is_numbered(text) {
                return true;
            }
            let is_id = intro.part == Part::Json && !intro.is_piece && telling::is_id(tables.names.get(intro.name));
            intro.own || (is_number && is_id)
        })
    }

    fn before(&self, fact: usize, key: Key) -> impl Iterator<Item = &Intro> {
        self.by_key.get(&key).into_iter().flatten().filter(move |intro| intro.fact < fact)
    }

    /// The call that introduced a value of a request, if the two belong together. `context` is what stands around the
    /// value: its pointer, or for a capture its name and the segment before, of which `before` is the key.
    pub(super) fn link(
        &self,
        fact: usize,
        place: Place,
        context: &str,
        before: Option<Key>,
        value: &Value,
    ) -> Option<Intro> {
        if value.masked || value.text.is_empty() {
            return None;
        }
        let name = context.split(' ').next().unwrap_or_default();
        let fits = |intro: &&Intro| match value.shape {
            _ if place == Place::Field => intro.part == Part::Field && !intro.is_piece,
            _ if intro.repeats => false,
            Some(shape) if is_made_up(shape) || shape == Shape::Hex => true,
            Some(shape) if shape.is_moment() => intro.is_now || telling::is_cursor(name),
            _ if intro.part == Part::Html => value.text.len() >= 8,
            // The client went where an answer sent it.
            None if place == Place::Path && intro.is_after(before) && is_numbered(&value.text) => true,
            _ if place == Place::Path && intro.own && intro.is_after(before) => true,
            Some(Shape::Integer) => intro.own && self.is_about(intro, place, context),
            _ if telling::is_cursor(name) && is_opaque(&value.text) => true,
            _ => intro.own && self.is_about(intro, place, context),
        };
        let bare = Some(bare(&value.text)).filter(|bare| place == Place::Field && **bare != *value.text && !value.cut);
        let as_bare = bare.into_iter().flat_map(|bare| self.before(fact, key(bare)));
        let mut found: Vec<&Intro> = self.before(fact, value.key).chain(as_bare).filter(fits).collect();
        found.sort_by_key(|intro| (!intro.own, intro.fact));
        found.first().map(|intro| **intro)
    }

    /// Whether an item speaks of the kind of thing that a call made.
    fn is_about(&self, intro: &Intro, place: Place, context: &str) -> bool {
        let Some(resource) = self.resources[intro.fact].as_deref().map(plain_all) else { return false };
        let name = context.split(' ').next().unwrap_or_default();
        let context = plain_all(context);
        let thing = context.strip_suffix("id").unwrap_or(&context);
        let same = context.contains(&resource) || (thing.len() > 2 && resource.contains(thing));
        same && (place == Place::Path || telling::is_id(name)) || telling::plain(name) == "id" && place == Place::Json
    }
}

impl Intro {
    /// Whether it is a segment of a URL, behind this one.
    fn is_after(&self, before: Option<Key>) -> bool {
        self.is_piece && before.is_some() && self.before == before
    }
}

/// A word with a number of three digits or more in it, such as `invoice-4711.pdf`.
fn is_numbered(text: &str) -> bool {
    let digits = text.split(|character: char| !character.is_ascii_digit()).map(str::len).max().unwrap_or_default();
    digits >= 3 && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

fn plain_all(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|character| character.to_ascii_lowercase()).collect()
}

/// Whether values of this shape are made up by programs, so that an equal one must come from the same place.
pub(super) fn is_made_up(shape: Shape) -> bool {
    shape.is_unique()
}

/// No number, no plain word: something that only its maker can read.
fn is_opaque(text: &str) -> bool {
    text.len() >= 6
        && text.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase() || byte == b'=')
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// The keys of all values of a request.
fn keys<'a>(fact: &'a Fact, tables: &'a Tables) -> impl Iterator<Item = Key> + 'a {
    let items = fact.items.iter().map(|item| tables.values.get(item.value).key);
    items.chain(fact.segments.iter().map(|segment| segment.key))
}

/// The keys of what the fields of a request carry, validators also without their quotes.
fn in_fields<'a>(fact: &'a Fact, tables: &'a Tables) -> impl Iterator<Item = Key> + 'a {
    let fields = fact.items.iter().filter(|item| item.place == Place::Field);
    fields.map(|item| tables.values.get(item.value)).flat_map(|value| [value.key, key(bare(&value.text))])
}

/// The word for what a call makes: from the last word of its path, or for GraphQL from the name of the operation.
fn resource(fact: &Fact, tables: &Tables) -> String {
    if fact.is_graphql {
        let outer = fact.leaves.iter().map(|leaf| tables.names.get(leaf.name));
        let field = outer.filter_map(|name| name.strip_prefix("/data/")?.split('/').next()).next();
        return field.unwrap_or_default().to_owned();
    }
    let words = fact.segments.iter().rev().map(|segment| tables.values.get(segment.value));
    let word =
        words.filter(|value| value.shape.is_none() && !value.masked && !value.text.is_empty()).map(|value| &value.text);
    singular(word.into_iter().next().map(|text| &**text).unwrap_or_default())
}
