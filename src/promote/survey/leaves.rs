//! The values of answers, kept small: sixteen bytes each, equal lists once.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use super::telling;
use super::texts::{Id, Key, Names, key, shape_of};
use crate::model::markup::{Token, Tokens};
use crate::model::media::{self, Kind};
use crate::model::shape::{made_at, moment_of};
use crate::model::{ContentHash, Field, ResponseRecord, Shape};
use crate::promote::{Content, Recorded, answer, canonical, is_placeholder};

/// A moment so near to its call, in seconds, is the moment of the call.
const NEAR: i64 = 60;
/// More values of one answer are not looked at, not even to choose among them.
const WALKED: usize = 20_000;
/// So many moments of one answer are asked whether they tell another clock.
const MOMENTS: usize = 16;
/// More places are not told apart when answers are compared in kind.
const PLACES: usize = 200;

/// Where a value of an answer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Part {
    Json,
    Field,
    /// A field of an HTML form; no rule speaks of it.
    Html,
}

/// A value of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Leaf {
    pub(super) key: Key,
    /// A pointer with `*` for positions of arrays, or a field in lower case.
    pub(super) name: Id,
    pub(super) part: Part,
    pub(super) shape: Option<Shape>,
    /// It is the moment of its call, or says that it was made then.
    pub(super) is_now: bool,
    /// It is a part of a longer value: a segment or parameter of a URL.
    pub(super) is_piece: bool,
    /// It is the last segment of a URL's path.
    pub(super) is_end: bool,
}

/// The outer members of an answer, sorted.
pub(super) type Skeleton = [Id];

/// What an answer is like.
pub(super) struct AnswerFacts {
    pub(super) media: Id,
    pub(super) skeleton: Rc<Skeleton>,
    pub(super) leaves: Rc<[Leaf]>,
    pub(super) moments: Box<[(Key, i64)]>,
    pub(super) content: Key,
}

/// Lists that several answers share.
#[derive(Default)]
pub(super) struct Shelf {
    leaves: HashMap<u64, Rc<[Leaf]>>,
    skeletons: HashMap<u64, Rc<Skeleton>>,
}

impl Shelf {
    /// Looks at an answer that was given between two moments; keeps at most `most` of its values, those first that look
    /// made up by a program.
    pub(super) fn answer(
        &mut self,
        names: &mut Names,
        recorded: &Recorded,
        response: &ResponseRecord,
        during: (Timestamp, Timestamp),
        most: usize,
    ) -> AnswerFacts {
        let content_type = response.fields.text("content-type");
        let mut walk = Walk { names, during, found: Vec::new(), moments: Vec::new(), pointer: String::new() };
        response.fields.iter().for_each(|line| walk.field(line));
        let fields = walk.found.len();
        let content = walk.body(content_type.as_deref(), &recorded.response.content);
        let (mut found, moments) = (walk.found, walk.moments.into_boxed_slice());
        let mut places: Vec<Id> = found[fields..].iter().filter(|leaf| !leaf.is_piece).map(|leaf| leaf.name).collect();
        places.sort_unstable();
        places.dedup();
        // Only the outer members: what is inside depends on how many there are.
        let mut places: Vec<Id> = places.into_iter().map(|name| outer(names, name)).collect();
        if places.len() > PLACES {
            // Which of them are kept must not depend on the numbers that names happen to have.
            places.sort_by_cached_key(|name| (key(names.get(*name)), *name));
            places.dedup();
            places.truncate(PLACES);
        }
        places.sort_unstable();
        places.dedup();
        if found.len() > most {
            found.sort_by_key(|leaf| leaf.shape.is_none() && !leaf.is_piece);
            found.truncate(most);
        }
        AnswerFacts {
            media: names.id(&content_type.as_deref().map(media::essence).unwrap_or_default()),
            skeleton: shared(&mut self.skeletons, places),
            leaves: shared(&mut self.leaves, found),
            moments,
            content,
        }
    }
}

/// The member of the whole, or of each of its items, that a pointer leads into.
fn outer(names: &mut Names, name: Id) -> Id {
    let pointer = names.get(name);
    let depth = if pointer.starts_with("/*") { 3 } else { 2 };
    let outer = pointer.splitn(depth + 1, '/').take(depth).collect::<Vec<_>>().join("/");
    names.id(&outer)
}

/// The list, or an equal one that is known.
fn shared<T: Hash + PartialEq>(known: &mut HashMap<u64, Rc<[T]>>, list: Vec<T>) -> Rc<[T]> {
    let mut hasher = DefaultHasher::new();
    list.hash(&mut hasher);
    match known.entry(hasher.finish()) {
        std::collections::hash_map::Entry::Occupied(entry) if **entry.get() == *list => entry.get().clone(),
        std::collections::hash_map::Entry::Occupied(_) => list.into(),
        std::collections::hash_map::Entry::Vacant(entry) => entry.insert(list.into()).clone(),
    }
}

struct Walk<'n> {
    names: &'n mut Names,
    during: (Timestamp, Timestamp),
    found: Vec<Leaf>,
    moments: Vec<(Key, i64)>,
    pointer: String,
}

impl Walk<'_> {
    fn leaf(&mut self, part: Part, name: &str, text: &str, is_piece: bool) {
        if self.found.len() >= WALKED || is_placeholder(text) {
            return;
        }
        let shape = shape_of(text);
        let is_now = shape.is_some_and(|shape| is_now(name, text, shape, self.during));
        if shape.is_some_and(Shape::is_moment)
            && !is_now
            && self.moments.len() < MOMENTS
            && let Some(moment) = moment_of(text)
        {
            self.moments.push((key(text), moment.duration_since(self.during.0).as_secs()));
        }
        self.found.push(Leaf {
            key: key(text),
            name: self.names.id(name),
            part,
            shape,
            is_now,
            is_piece,
            is_end: false,
        });
    }

    /// A value, and what it consists of if it is a URL.
    fn value(&mut self, part: Part, name: &str, text: &str) {
        self.leaf(part, name, text, false);
        if (text.starts_with('/') || text.contains("://")) && text.len() <= 4096 && !text.contains(char::is_whitespace)
        {
            self.pieces(part, name, text);
        }
    }

    /// The segments and parameters of a URL or path.
    fn pieces(&mut self, part: Part, name: &str, url: &str) {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
        let rest = rest.split('#').next().unwrap_or_default();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let before = self.found.len();
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            let decoded = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
            self.leaf(part, name, &decoded, true);
        }
        if let Some(last) = self.found[before..].last_mut() {
            last.is_end = true;
        }
        for (_, value) in form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty()) {
            self.leaf(part, name, &value, true);
        }
    }

    fn field(&mut self, line: &Field) {
        let name = line.name.to_ascii_lowercase();
        let value = line.text();
        match name.as_str() {
            "etag" | "last-modified" => self.leaf(Part::Field, &name, value.trim(), false),
            "link" => {
                for url in value.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
                    self.pieces(Part::Field, &name, url);
                }
                self.leaf(Part::Field, &name, value.trim(), false);
            }
            "location" | "content-location" | "refresh" => self.value(Part::Field, &name, value.trim()),
            _ if answer::meaning(line, &canonical::Lens::default()).is_some() && name != "set-cookie" => {
                self.value(Part::Field, &name, value.trim());
            }
            _ => {}
        }
    }

    /// The values of a body; returns the key of one that has none.
    fn body(&mut self, content_type: Option<&str>, content: &Content) -> Key {
        let bytes = match content {
            Content::Small(bytes) if bytes.is_empty() => return 0,
            Content::Small(bytes) => bytes,
            Content::Large { hash, .. } => return of_hash(*hash),
        };
        let kind = Kind::of(content_type);
        if kind == Kind::Json
            && let Ok(json) = serde_json::from_slice::<Json>(bytes)
        {
            self.json(&json);
            return 1;
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            let essence = content_type.map(media::essence).unwrap_or_default();
            if essence.contains("html") {
                self.html(text);
            }
            return key(&canonical::without_placeholders(text));
        }
        of_hash(ContentHash::of(bytes))
    }

    fn json(&mut self, value: &Json) {
        let length = self.pointer.len();
        match value {
            Json::Array(all) if !all.is_empty() => {
                self.pointer.push_str("/*");
                all.iter().for_each(|value| self.json(value));
            }
            Json::Object(all) if !all.is_empty() => {
                for (name, value) in all {
                    self.pointer.push('/');
                    self.pointer.push_str(&canonical::escaped(name));
                    self.json(value);
                    self.pointer.truncate(length);
                }
            }
            Json::String(text) => {
                let pointer = std::mem::take(&mut self.pointer);
                self.value(Part::Json, &pointer, text);
                self.pointer = pointer;
            }
            other => {
                let pointer = std::mem::take(&mut self.pointer);
                self.leaf(Part::Json, &pointer, &other.to_string(), false);
                self.pointer = pointer;
            }
        }
        self.pointer.truncate(length);
    }

    /// The fields of forms that are filled in already, and the tokens that pages carry for scripts.
    fn html(&mut self, text: &str) {
        for token in Tokens::new(text, true).take(WALKED) {
            let Token::Open { name, tag, .. } = token else { continue };
            let (named, valued) = match name.to_ascii_lowercase().as_str() {
                "input" => (attribute(tag, "name"), attribute(tag, "value")),
                "meta" => (attribute(tag, "name"), attribute(tag, "content")),
                _ => continue,
            };
            if let (Some(named), Some(valued)) = (named, valued)
                && !valued.is_empty()
            {
                self.leaf(Part::Html, named, valued, false);
            }
        }
    }
}

fn of_hash(hash: ContentHash) -> Key {
    let [a, b, c, d, e, f, g, h, ..] = hash.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// The value of an attribute of a tag, as written between its quotes.
fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let mut rest = tag.split_once(char::is_whitespace)?.1;
    loop {
        let (found, after) = rest.split_once('=')?;
        let found = found.rsplit(char::is_whitespace).next().unwrap_or_default();
        let after = after.trim_start();
        let (value, next) = match after.chars().next()? {
            quote @ ('"' | '\'') => after[1..].split_once(quote)?,
            _ => after.split_once(|character: char| character.is_whitespace() || character == '>')?,
        };
        if found.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = next;
    }
}

/// Whether a value says the moment of its call: as a moment, as an expiry that lies a round time ahead, or as an id
/// that was made then.
pub(super) fn is_now(name: &str, text: &str, shape: Shape, during: (Timestamp, Timestamp)) -> bool {
    let (from, to) = during;
    let ahead = |moment: Timestamp| moment.duration_since(from);
    let near = |moment: Timestamp| {
        ahead(moment) >= SignedDuration::from_secs(-NEAR)
            && moment.duration_since(to) <= SignedDuration::from_secs(NEAR)
    };
    if shape.is_moment() {
        let Some(moment) = moment_of(text) else { return false };
        let expires =
            ["expir", "until", "valid", "reset", "exp"].iter().any(|part| telling::plain(name).contains(part));
        let round = {
            let seconds = ahead(moment).as_secs();
            (NEAR..34_560_000).contains(&seconds) && (seconds % 60 <= 3 || seconds % 60 >= 57)
        };
        return near(moment) || (expires && round);
    }
    shape.is_unique() && made_at(text, from).is_some_and(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_give_their_fields() {
        let tag = r#"<input type="hidden" name='csrf' value="a=b c">"#;
        assert_eq!((attribute(tag, "name"), attribute(tag, "value")), (Some("csrf"), Some("a=b c")));
        assert_eq!(attribute("<input disabled name=x>", "name"), Some("x"));
        assert_eq!(attribute("<input>", "name"), None);
    }

    #[test]
    fn now_is_near_the_call() {
        let at: Timestamp = "2026-11-20T09:30:00Z".parse().unwrap();
        let now = |name: &str, text: &str| is_now(name, text, Shape::of(text).unwrap(), (at, at));
        assert!(now("/at", "2026-11-20T09:30:12Z") && now("/at", "1795167000") && now("/at", "20261120T092959Z"));
        assert!(!now("/at", "2026-11-20T08:30:00Z") && !now("/from", "2026-01-01T00:00:00Z"));
        assert!(now("/expires_at", "2026-11-20T10:30:01Z") && !now("/due_at", "2026-11-20T10:30:01Z"));
    }
}
