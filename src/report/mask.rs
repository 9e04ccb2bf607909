//! What a report may show: values of requests, with secrets masked.

use crate::matching::Part;
use crate::model::media::Kind;
use crate::model::{Field, Fields};
use crate::redact::Masker;

/// Masks the values that a report shows. Collections are masked already; a live call is not.
#[derive(Clone)]
pub struct Mask(Masker);

impl Mask {
    /// Masks with this masker: one per process will do, its key need not be that of a store.
    pub fn new(masker: Masker) -> Self {
        Mask(masker)
    }

    /// The value of an item of that part, by its name: a field, a query pair, a member at a JSON pointer.
    pub fn value(&self, part: Part, name: &str, value: &str) -> String {
        match part {
            Part::Fields => self.field(name, value),
            Part::Query | Part::Captures => self.member(name, value),
            Part::Body => self.member(name.rsplit('/').next().unwrap_or(name), value),
        }
    }

    fn field(&self, name: &str, value: &str) -> String {
        if let Some(cookie) = name.strip_prefix("Cookie ") {
            let pair = self.field("Cookie", &format!("{cookie}={value}"));
            return pair.split_once('=').map_or(pair.clone(), |(_, value)| value.to_owned());
        }
        let mut fields: Fields = [Field::new(name, value)].into_iter().collect();
        self.0.fields(&mut fields);
        fields.text(name).unwrap_or_default().into_owned()
    }

    fn member(&self, name: &str, value: &str) -> String {
        // A JSON string keeps its quotes around what is masked.
        let quoted = serde_json::from_str::<String>(value).ok();
        let bare = quoted.as_deref().unwrap_or(value);
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}={}", encode(name), encode(bare));
        let masked = self.0.query(&pair);
        let shown = match form_urlencoded::parse(masked.as_bytes()).next() {
            Some((_, masked)) if masked != bare => masked.into_owned(),
            _ => self.0.text(bare).into_owned(),
        };
        if shown == bare {
            return value.to_owned();
        }
        if quoted.is_some() { format!("\"{shown}\"") } else { shown }
    }

    /// Path and query as in a URL.
    pub fn target(&self, path: &str, query: Option<&str>) -> String {
        let path = self.0.path(path);
        match query {
            Some(query) => format!("{path}?{}", self.0.query(query)),
            None => path.into_owned(),
        }
    }

    /// Any other text.
    pub fn text(&self, text: &str) -> String {
        self.0.text(text).into_owned()
    }

    /// A whole body.
    pub fn body(&self, content_type: Option<&str>, body: &[u8]) -> Vec<u8> {
        let mut masker = self.0.body(Kind::of(content_type), content_type);
        let mut out = Vec::with_capacity(body.len());
        masker.push(body, &mut out);
        masker.finish(&mut out);
        out
    }
}
