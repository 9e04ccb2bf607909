//! A call, taken apart no more than a candidate asks for, and once.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::model::media::{self, Kind};

use super::body::{self, Parsed};
use super::pairs::{self, Pair};
use super::{Call, paths};

/// A call and what has been made of it.
pub(super) struct Received<'a> {
    call: &'a Call,
    path: Cow<'a, str>,
    query: OnceCell<Vec<Pair>>,
    content_type: OnceCell<Option<Cow<'a, str>>>,
    // By kind: scenarios without a media type may ask for another reading of the same body.
    parsed: [OnceCell<Parsed>; 7],
    json: OnceCell<Option<serde_json::Value>>,
    cookies: OnceCell<Vec<Pair>>,
}

impl<'a> Received<'a> {
    /// Wraps a call; only the path is made comparable now.
    pub(super) fn new(call: &'a Call) -> Self {
        Received {
            call,
            path: paths::comparable(&call.path),
            query: OnceCell::new(),
            content_type: OnceCell::new(),
            parsed: Default::default(),
            json: OnceCell::new(),
            cookies: OnceCell::new(),
        }
    }

    /// The call itself.
    pub(super) fn call(&self) -> &'a Call {
        self.call
    }

    /// The path in comparable form.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The query pairs, decoded and sorted.
    pub(super) fn query(&self) -> &[Pair] {
        match &self.call.query {
            None => &[],
            Some(query) => self.query.get_or_init(|| pairs::parse(query.as_bytes())),
        }
    }

    /// The cookies, sorted.
    pub(super) fn cookies(&self) -> &[Pair] {
        self.cookies.get_or_init(|| {
            let mut cookies: Vec<_> = self.call.fields.all("cookie").flat_map(pairs::cookies).collect();
            cookies.sort_unstable();
            cookies
        })
    }

    /// The lines of a field as one value.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        combined(self.call.fields.all(name))
    }

    /// The body as a JSON value, whatever its media type says; none if it is none, or too large to be looked into.
    pub(super) fn json(&self) -> Option<&serde_json::Value> {
        let body = &self.call.body;
        let read = || {
            let text = body::text_of(self.content_type(), body).filter(|_| body.len() <= body::MAX_STRUCTURED)?;
            serde_json::from_str(&text).ok()
        };
        self.json.get_or_init(read).as_ref()
    }

    /// The values of a form's member, or of multipart parts of that name as far as they are text.
    pub(super) fn form_values(&self, name: &str) -> Vec<&str> {
        match self.parsed(if self.kind() == Kind::Multipart { Kind::Multipart } else { Kind::Form }) {
            Parsed::Multipart(parts) => parts.iter().filter_map(|part| part.text_of(name)).collect(),
            Parsed::Form(pairs) if self.kind() == Kind::Form => {
                pairs.iter().filter(|pair| pair.name == name).map(|pair| pair.value.as_str()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The request of GraphQL that it is: in a JSON body, as a document, or in the query.
    pub(super) fn graphql(&self) -> Option<serde_json::Value> {
        use serde_json::{Value, json};
        if let Some(json) = self.json().filter(|json| json.get("query").is_some_and(Value::is_string)) {
            return Some(json.clone());
        }
        let is_document = self.content_type().is_some_and(|it| media::essence(it) == "application/graphql");
        if is_document {
            return Some(json!({ "query": body::text_of(self.content_type(), &self.call.body)? }));
        }
        let member = |name: &str| self.query().iter().find(|pair| pair.name == name).map(|pair| pair.value.as_str());
        let variables = member("variables").and_then(|text| serde_json::from_str::<Value>(text).ok());
        Some(json!({ "query": member("query")?, "operationName": member("operationName"), "variables": variables }))
    }

    /// `Content-Type`
    pub(super) fn content_type(&self) -> Option<&str> {
        self.content_type.get_or_init(|| self.call.fields.text("content-type")).as_deref()
    }

    /// What the body is by its media type.
    pub(super) fn kind(&self) -> Kind {
        Kind::of(self.content_type())
    }

    /// The body, read as that kind.
    pub(super) fn parsed(&self, kind: Kind) -> &Parsed {
        let slot = match kind {
            Kind::Json => 0,
            Kind::Form => 1,
            Kind::Multipart => 2,
            Kind::Xml => 3,
            Kind::EventStream => 4,
            Kind::Text => 5,
            Kind::Binary => 6,
        };
        self.parsed[slot].get_or_init(|| body::parse(kind, self.content_type(), &self.call.body))
    }
}

/// Field lines of one name as one value (RFC 9110 section 5.3), without white space around commas; none if there is
/// no line.
pub(super) fn combined<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let mut value: Option<String> = None;
    for line in lines {
        let text = crate::model::fields::text_of(line);
        let value = match &mut value {
            None => value.insert(String::with_capacity(text.len())),
            Some(value) => {
                value.push_str(", ");
                value
            }
        };
        for (at, member) in text.split(',').enumerate() {
            if at > 0 {
                value.push_str(", ");
            }
            value.push_str(member.trim_matches([' ', '\t']));
        }
    }
    value
}
