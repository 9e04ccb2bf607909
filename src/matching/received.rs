//! A call, taken apart no more than a candidate asks for, and once.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::model::media::Kind;

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
