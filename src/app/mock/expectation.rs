//! What a call that a test expects looks like, and what another one lacks of that.

use std::fmt;

use crate::collection::PathPattern;
use crate::diff;
use crate::matching::path_fits;
use crate::model::media::Kind;
use crate::model::path::split_target;
use crate::redact::Masker;
use crate::report::terminal::clean;
use crate::store::runs::{CallRecord, CallResult, LoggedMessage, WHOLE_BODY};

/// Differences of a body that are told.
const DIFFERENCES: usize = 6;
/// Characters of a value that are told.
const WIDTH: usize = 160;
/// What a body that cannot be compared any more lacks.
const DROPPED: &str = "body: it is not kept any more, since the bodies of later calls took the memory for them; ask before \
                       there are so many";

/// A call that a test expects.
///
/// ```
/// let created = retake::Called::new("POST", "/orders").with_json(serde_json::json!({ "item": "tea", "quantity": 2 }));
/// assert_eq!(created.to_string(), r#"POST /orders with the body {"item":"tea","quantity":2}"#);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    method: String,
    place: Place,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq)]
enum Place {
    /// Of any origin.
    Path(PathPattern),
    /// Without a query.
    Url(String),
}

#[derive(Debug, Clone, PartialEq)]
enum Condition {
    Json(String),
    Body(String),
    Query(String, String),
    Field(String, String),
}

impl Called {
    /// A call with this method and path. The path is one of any origin, and a pattern as in a collection
    /// (`/orders/{id}`, `/files/**`); or a whole URL without query. Nothing else of the call counts unless it is asked for.
    ///
    /// # Panics
    /// When the path is neither a URL nor a pattern.
    #[track_caller]
    pub fn new(method: &str, path: &str) -> Called {
        let place = match path.contains("://") {
            true => Place::Url(path.to_owned()),
            false => match path.parse() {
                Ok(pattern) => Place::Path(pattern),
                Err(error) => panic!("{error}"),
            },
        };
        Called { method: method.to_owned(), place, conditions: Vec::new() }
    }

    /// With this JSON body: the same members in any order, the same items in the same order, numbers by value. Bodies over
    /// 8 MiB are not compared so: see [`Called::with_body`]. Of more than 64 MiB of bodies the last are kept: what needs an
    /// older one to be answered fails, and says so.
    ///
    /// # Panics
    /// When `body` cannot be written as JSON.
    #[must_use]
    #[track_caller]
    pub fn with_json(self, body: impl serde::Serialize) -> Called {
        match serde_json::to_string(&body) {
            Ok(text) => self.with(Condition::Json(text)),
            Err(error) => panic!("the body cannot be written as JSON: {error}"),
        }
    }

    /// With this text as its body, its content coding undone. Of bodies over 8 MiB the beginning and
    /// the size are compared. Of bodies together over 64 MiB the last are kept, as for [`Called::with_json`].
    #[must_use]
    pub fn with_body(self, body: impl Into<String>) -> Called {
        self.with(Condition::Body(body.into()))
    }

    /// With this query pair, both decoded, beside others or not.
    #[must_use]
    pub fn with_query(self, name: impl Into<String>, value: impl Into<String>) -> Called {
        self.with(Condition::Query(name.into(), value.into()))
    }

    /// With a line of this field that has this value.
    #[must_use]
    pub fn with_field(self, name: impl Into<String>, value: impl Into<String>) -> Called {
        self.with(Condition::Field(name.into(), value.into()))
    }

    fn with(mut self, condition: Condition) -> Called {
        self.conditions.push(condition);
        self
    }

    /// Whether a call went to the same place, or came there by another method.
    pub(super) fn is_near(&self, call: &CallRecord) -> bool {
        self.place.is_at(&call.url)
    }

    /// The call in words, masked.
    pub(super) fn described(&self, masker: &Masker) -> String {
        let mut out = format!("{} {}", self.method, self.place);
        for (at, condition) in self.conditions.iter().enumerate() {
            out.push_str(if at == 0 { " with " } else { " and " });
            out.push_str(&match condition {
                Condition::Json(body) => body_words(&masked(masker, Kind::Json, body)),
                Condition::Body(body) => body_words(&masked(masker, Kind::Text, body)),
                Condition::Query(name, value) => format!("the query {}", masker.query(&written(name, value))),
                Condition::Field(name, _) => format!("the field {name}"),
            });
        }
        out
    }

    /// What a call lacks, a line each; nothing if it is one of those that are meant.
    pub(super) fn lacks(&self, call: &CallRecord, masker: &Masker) -> Vec<String> {
        let mut lacks = Vec::new();
        if call.method != self.method {
            lacks.push(format!("method: expected {}, got {}", self.method, call.method));
        }
        if !self.place.is_at(&call.url) {
            lacks.push(format!("path: expected {}", self.place));
        }
        let request = call.request.as_ref();
        lacks.extend(self.conditions.iter().filter_map(|condition| condition.lacks(call, request, masker)));
        lacks
    }

    /// Whether a call is one of those that are meant; none where only its body could tell, which is gone.
    pub(super) fn is_meant(&self, call: &CallRecord, masker: &Masker) -> Option<bool> {
        let lacks = self.lacks(call, masker);
        let is_open = !lacks.is_empty() && lacks.iter().all(|lack| lack == DROPPED);
        (!is_open).then_some(lacks.is_empty())
    }
}

impl Place {
    fn is_at(&self, url: &str) -> bool {
        let (url, _) = split_target(url);
        match self {
            Place::Url(expected) => expected == url,
            Place::Path(pattern) => {
                let path = url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
                path_fits(pattern, path)
            }
        }
    }
}

impl Condition {
    fn lacks(&self, call: &CallRecord, request: Option<&LoggedMessage>, masker: &Masker) -> Option<String> {
        match self {
            Condition::Query(name, value) => {
                let query = split_target(&call.url).1.unwrap_or_default();
                let expected = pairs(&masker.query(&written(name, value))).pop()?;
                let found = pairs(query);
                let of_name: Vec<&str> =
                    found.iter().filter(|pair| pair.0 == *name).map(|pair| pair.1.as_str()).collect();
                let has = of_name.contains(&expected.1.as_str());
                (!has).then(|| format!("query {name}: expected {}, got {}", expected.1, several(&of_name)))
            }
            Condition::Field(name, value) => {
                let mut expected = crate::model::Fields::new();
                expected.push(name, value.as_bytes());
                masker.fields(&mut expected);
                let expected = expected.text(name)?.into_owned();
                let fields = request.map(|request| request.fields.as_slice()).unwrap_or_default();
                let of_name: Vec<&str> = fields
                    .iter()
                    .filter(|line| line.0.eq_ignore_ascii_case(name))
                    .map(|line| line.1.as_str())
                    .collect();
                let has = of_name.contains(&expected.as_str());
                (!has).then(|| format!("{name}: expected {expected}, got {}", several(&of_name)))
            }
            Condition::Json(expected) => {
                let (got, size) = request.map(|it| (it.body.as_str(), it.body_bytes)).unwrap_or_default();
                if request.is_some_and(|request| request.body_dropped) {
                    return Some(DROPPED.to_owned());
                }
                if got.len() >= WHOLE_BODY {
                    let most = WHOLE_BODY >> 20;
                    return Some(format!("body: it has {size} bytes, and JSON of over {most} MiB is not compared"));
                }
                json(&masked(masker, Kind::Json, expected), got)
            }
            Condition::Body(expected) => {
                let (got, size) = request.map(|it| (it.body.as_str(), it.body_bytes)).unwrap_or_default();
                if request.is_some_and(|request| request.body_dropped) && size == expected.len() as u64 {
                    return Some(DROPPED.to_owned());
                }
                let content_type = request
                    .and_then(|request| request.fields.iter().find(|line| line.0.eq_ignore_ascii_case("content-type")));
                let content_type = content_type.map(|line| line.1.as_str());
                let mut wanted = masker.text_body(expected.as_bytes(), content_type);
                wanted.truncate(WHOLE_BODY);
                let wanted = String::from_utf8_lossy(&wanted);
                let same = wanted == got && size == expected.len() as u64;
                (!same).then(|| {
                    let (wanted, got) = diff::around(&wanted, got, WIDTH);
                    format!("body: expected {wanted:?}, got {got:?} ({size} bytes)")
                })
            }
        }
    }
}

fn body_words(body: &str) -> String {
    format!("the body {}", diff::around(body, body, WIDTH).0)
}

/// A query pair as in a URL.
fn written(name: &str, value: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}

fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn several(values: &[&str]) -> String {
    if values.is_empty() { "none".to_owned() } else { values.join(", ") }
}

/// A body of that kind, masked.
fn masked(masker: &Masker, kind: Kind, body: &str) -> String {
    let (mut masking, mut out) = (masker.body(kind, None), Vec::new());
    masking.push(body.as_bytes(), &mut out);
    masking.finish(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn json(expected: &str, got: &str) -> Option<String> {
    let Some((changes, all)) = diff::json::changes(expected, got, DIFFERENCES) else {
        let (expected, got) = diff::around(expected, got, WIDTH);
        return Some(format!("body: expected the JSON {expected}, got {got:?}"));
    };
    let line = |change: &diff::json::Change| {
        let value = |value: &Option<String>| {
            value.as_deref().map_or("nothing".to_owned(), |text| diff::around(text, text, WIDTH).0)
        };
        format!("{} expected {}, got {}", change.pointer, value(&change.before), value(&change.after))
    };
    let mut lines: Vec<String> = changes.iter().map(line).collect();
    if all > changes.len() {
        lines.push(format!("and {} more differences", all - changes.len()));
    }
    (all > 0).then(|| format!("body: {}", lines.join("; ")))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Path(pattern) => pattern.fmt(f),
            Place::Url(url) => f.write_str(url),
        }
    }
}

/// `POST /orders with the body {"n":1}`
impl fmt::Display for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.described(&Masker::off()))
    }
}

/// One call on a line: its number, what it was, and what it came to.
pub(super) struct Shown<'a>(pub(super) &'a CallRecord);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = self.0;
        let result = match call.result {
            CallResult::Exact => "hit",
            CallResult::Inexact => "inexact",
            CallResult::Miss => "MISS",
            CallResult::Passed => "passed on",
            CallResult::Error | CallResult::State => "no call",
        };
        write!(f, "#{} {} {}  {result}", call.call, clean(&call.method), clean(&call.url))?;
        match &call.scenario {
            Some(scenario) => write!(f, "  {}", clean(scenario)),
            None => write!(f, "  {}", clean(&call.differences.join("; "))),
        }
    }
}
