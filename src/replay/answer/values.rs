//! Values of a request by place and name: `path order_id`, `json /order/id`.

use serde_json::Value;

use super::spans::{self, Token};
use crate::collection::{PathPattern, Place, SegmentPattern, ValueSource};
use crate::matching::{Call, body_text};
use crate::model::{media, multipart, path};

/// Larger bodies are not looked into.
const BODY_MAX: usize = 16 * 1024 * 1024;

/// Where in a request a value is, made ready for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The segment at this position.
    Segment(usize),
    /// The first query pair of that name.
    Query(String),
    /// The first field of that name.
    Field(String),
    /// The first value at this pointer.
    Json(Vec<Token>),
    /// The first member of that name of a form.
    Form(String),
}

/// A value of a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Got {
    /// Itself; a text unless it stands in JSON.
    pub(super) value: Value,
    /// As it was written in the URL, where that is another text.
    pub(super) raw: Option<String>,
}

impl Got {
    fn text(text: impl Into<String>) -> Self {
        Got { value: Value::String(text.into()), raw: None }
    }

    /// The value as text; none for null, objects and arrays.
    pub(super) fn as_text(&self) -> Option<String> {
        match &self.value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(yes) => Some(yes.to_string()),
            _ => None,
        }
    }
}

impl Wanted {
    /// The place of `source` in requests to `path`; none if the path has no such capture. `bound` stands in for the
    /// wildcards of a JSON pointer, in order.
    pub(super) fn new(source: &ValueSource, path: &PathPattern, bound: &[String]) -> Option<Wanted> {
        let name = source.name.clone();
        Some(match source.place {
            Place::Path => {
                let is_it = |segment: &SegmentPattern| segment.capture() == Some(&*name);
                Wanted::Segment(path.segments().iter().position(is_it)?)
            }
            Place::Query => Wanted::Query(name),
            Place::Field => Wanted::Field(name),
            Place::Form => Wanted::Form(name),
            Place::Cookie | Place::Xml | Place::Body => return None,
            Place::Json => {
                let mut bound = bound.iter().cloned();
                let fill = |token| match token {
                    Token::Any => bound.next().map_or(Token::Any, Token::Name),
                    name => name,
                };
                Wanted::Json(spans::tokens(&name).into_iter().map(fill).collect())
            }
        })
    }

    /// What `call` has there.
    pub(super) fn of(&self, call: &Call) -> Option<Got> {
        match self {
            Wanted::Segment(at) => {
                let segment = path::segments(&call.path).nth(*at).filter(|segment| !segment.is_empty())?;
                Some(in_url(path::normalize(segment).into_owned(), percent_decoded))
            }
            Wanted::Query(name) => {
                let pairs = call.query.as_deref()?.split('&');
                let mut named = pairs.filter_map(|pair| Some((form_pair(pair.as_bytes())?, pair)));
                let ((_, value), pair) = named.find(|((known, _), _)| known == name)?;
                let raw = pair.split_once('=').map(|(_, raw)| raw.to_owned());
                Some(Got { raw: raw.filter(|raw| *raw != value), ..Got::text(value) })
            }
            Wanted::Field(name) => call.fields.text(name).map(|value| Got::text(value.trim())),
            Wanted::Json(pointer) => json(call, pointer),
            Wanted::Form(name) => form(call, name),
        }
    }
}

fn in_url(raw: String, decoded: impl Fn(&str) -> Option<String>) -> Got {
    match decoded(&raw) {
        Some(text) if text != raw => Got { raw: Some(raw), ..Got::text(text) },
        _ => Got::text(raw),
    }
}

/// The text that a part of a URL stands for; none if its escapes are no UTF-8.
pub(super) fn percent_decoded(raw: &str) -> Option<String> {
    percent_encoding::percent_decode_str(raw).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn form_pair(raw: &[u8]) -> Option<(String, String)> {
    let (name, value) = form_urlencoded::parse(raw).next()?;
    Some((name.into_owned(), value.into_owned()))
}

fn json(call: &Call, pointer: &[Token]) -> Option<Got> {
    if call.body.is_empty() || call.body.len() > BODY_MAX {
        return None;
    }
    let text = match std::str::from_utf8(&call.body) {
        Ok(text) => std::borrow::Cow::Borrowed(text),
        Err(_) => body_text(call.fields.text("content-type").as_deref(), &call.body)?.into(),
    };
    let found = spans::find(text.as_bytes(), pointer, 1).pop()?;
    let value = serde_json::from_str(&text[found.span]).ok()?;
    Some(Got { value, raw: None })
}

fn form(call: &Call, name: &str) -> Option<Got> {
    let content_type = call.fields.text("content-type");
    if media::Kind::of(content_type.as_deref()) == media::Kind::Multipart {
        let parts = multipart::parts(content_type.as_deref(), &call.body)?;
        let part = parts.into_iter().find(|part| part.name().as_deref() == Some(name))?;
        return std::str::from_utf8(part.content).ok().map(Got::text);
    }
    let (_, value) = form_urlencoded::parse(&call.body).find(|(known, _)| known == name)?;
    Some(Got::text(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::tests::call;

    fn of(source: &str, line: &str) -> Option<(Value, Option<String>)> {
        let path: PathPattern = "/orders/{id}/**".parse().unwrap();
        let wanted = Wanted::new(&source.parse().unwrap(), &path, &["1".into()])?;
        wanted.of(&call(line)).map(|got| (got.value, got.raw))
    }

    #[test]
    fn every_place_gives_its_value() {
        let text = |text: &str, raw: Option<&str>| Some((Value::from(text), raw.map(str::to_owned)));
        assert_eq!(of("path id", "GET /orders/a%20b/x"), text("a b", Some("a%20b")));
        assert_eq!(of("path id", "GET /orders/%7ea"), text("~a", None));
        assert_eq!(of("path id", "GET /orders"), None);
        assert_eq!(of("path other", "GET /orders/1"), None);
        assert_eq!(of("query q", "GET /orders/1?p=2&q=a+b&q=c"), text("a b", Some("a+b")));
        assert_eq!(of("query r", "GET /orders/1?p=2"), None);
        assert_eq!(of("field x-id", "GET /orders/1 X-Id:7"), text("7", None));
        assert_eq!(of("json /items/*/n", r#"POST /orders/1 {"items":[{"n":1},{"n":2}]}"#), Some((2.into(), None)));
        assert_eq!(of("json /none", r#"POST /orders/1 {"items":[]}"#), None);
        assert_eq!(of("form b", "POST /orders/1 a=1&b=x%2Fy"), text("x/y", None));
    }
}
