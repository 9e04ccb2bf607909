//! What a report may show: values of requests, with secrets masked.

use serde_json::Value;

use crate::matching::Part;
use crate::model::media::Kind;
use crate::model::{Field, Fields};
use crate::redact::Masker;

/// Positions of arrays up to which a value is masked in its array; one further behind is masked as the first is.
const MAX_POSITION: usize = 256;
/// Bytes of a body that are masked in one go.
const CHUNK: usize = 64 * 1024;

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
            // Of a name that was cut nobody knows whether it ends in that of a secret.
            _ if name.ends_with('…') => self.member("secret", value, |pair| self.query(pair)),
            Part::Query | Part::Captures => self.member(name, value, |pair| self.query(pair)),
            Part::Body if name.starts_with('/') => self.at(name, value),
            Part::Body => match self.member(name, value, |pair| self.form(pair)) {
                same if same == value => self.member(local_name(name), value, |pair| self.query(pair)),
                masked => masked,
            },
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

    /// The value at a JSON pointer, masked as in a body that has nothing else: names, arrays and the places that rules
    /// name count as they do there.
    fn at(&self, pointer: &str, value: &str) -> String {
        let steps: Vec<String> =
            pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        // A value that was cut is no JSON any more.
        let inner = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        let nested = steps.iter().rev().fold(inner.clone(), |inner, step| match step.parse::<usize>() {
            Ok(position) => {
                let mut elements = vec![Value::Null; if position > MAX_POSITION { 0 } else { position }];
                elements.push(inner);
                Value::Array(elements)
            }
            Err(_) => Value::Object([(step.clone(), inner)].into_iter().collect()),
        });
        let masked = self.body(Some("application/json"), nested.to_string().as_bytes());
        let masked = serde_json::from_slice(&masked).ok().and_then(|masked| innermost(masked, steps.len()));
        match masked {
            Some(masked) if masked == inner => {
                let name = steps.iter().rfind(|step| step.parse::<usize>().is_err()).map_or("", String::as_str);
                self.member(name, value, |pair| self.query(pair))
            }
            Some(masked) if serde_json::from_str::<Value>(value).is_ok() => masked.to_string(),
            Some(Value::String(masked)) => masked,
            // What is no JSON after it was masked is a secret as a whole.
            _ => self.member("secret", value, |pair| self.query(pair)),
        }
    }

    fn member(&self, name: &str, value: &str, mask: impl Fn(&str) -> String) -> String {
        // A JSON string keeps its quotes around what is masked.
        let quoted = serde_json::from_str::<String>(value).ok();
        let bare = quoted.as_deref().unwrap_or(value);
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}={}", encode(name), encode(bare));
        let masked = mask(&pair);
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

    /// A query or a pair of it, as written.
    pub fn query(&self, query: &str) -> String {
        self.0.query(query).into_owned()
    }

    fn form(&self, pair: &str) -> String {
        let masked = self.body(Some("application/x-www-form-urlencoded"), pair.as_bytes());
        String::from_utf8_lossy(&masked).into_owned()
    }

    /// Any other text.
    pub fn text(&self, text: &str) -> String {
        self.0.text(text).into_owned()
    }

    /// A whole body.
    pub fn body(&self, content_type: Option<&str>, body: &[u8]) -> Vec<u8> {
        self.beginning(content_type, body, |_| false)
    }

    /// As much of a body as it takes until `enough` says so of what it has become: masked from its beginning, since what
    /// is a secret may have been named far before.
    pub fn beginning(&self, content_type: Option<&str>, body: &[u8], mut enough: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
        let mut masker = self.0.body(Kind::of(content_type), content_type);
        let mut out = Vec::with_capacity(body.len().min(CHUNK));
        for chunk in body.chunks(CHUNK) {
            masker.push(chunk, &mut out);
            if enough(&out) {
                return out;
            }
        }
        masker.finish(&mut out);
        out
    }
}

/// The name of an element or attribute at the end of a path through XML, such as `a/b[2]`, `a/@{urn:x}b` or
/// `a/b/text()[1]`.
fn local_name(path: &str) -> &str {
    let mut steps = path.rsplit('/').skip_while(|step| step.starts_with("text()"));
    let last = steps.next().unwrap_or(path);
    let last = last.rsplit('}').next().unwrap_or(last).trim_start_matches('@');
    match last.strip_suffix(']').and_then(|last| last.rsplit_once('[')) {
        Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => last,
    }
}

/// The value so many containers deep, which have nothing else.
fn innermost(value: Value, depth: usize) -> Option<Value> {
    (0..depth).try_fold(value, |value, _| match value {
        Value::Array(mut elements) => elements.pop(),
        Value::Object(members) => members.into_iter().next().map(|(_, value)| value),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::{MaskKey, MaskRules};

    #[test]
    fn a_member_is_masked_as_in_its_body() {
        let rules = MaskRules {
            pointers: vec!["/customer/*/number".parse().unwrap()],
            form: vec!["pin".to_owned()],
            ..MaskRules::default()
        };
        let mask = Mask::new(Masker::new(MaskKey([7; 32]), rules));
        let long = format!("/{}…", "a".repeat(200));
        for (name, value) in [
            ("/password", r#""hunter2""#),
            ("/password/0", r#""hunter2""#),
            ("/password/9/900", r#""hunter2""#),
            ("/a/0/b/api_key/1", r#""hunter2""#),
            ("/a~1b/token", "123456"),
            ("/pass~0word/token", r#""hunter2 that was cut…"#),
            ("/customer/3/number", r#""hunter2""#),
            ("/a", r#""ghp_16C7e42F292c6912E7710c838347Ae178B4a""#),
            ("/a", r#""{\"password\":\"hunter2\"}""#),
            ("pin", "hunter2"),
            ("user[password]", "hunter2"),
            ("login/password", r#""hunter2""#),
            ("login/password[2]", r#""hunter2""#),
            ("login/@password", r#""hunter2""#),
            ("login/@{http://a.test/x}password", r#""hunter2""#),
            ("login/password/text()[1]", r#""hunter2""#),
            (&long, r#""hunter2""#),
        ] {
            let shown = mask.value(Part::Body, name, value);
            assert!(shown != value && !shown.contains("hunter2"), "{name}: {shown}");
            let is_json = serde_json::from_str::<Value>(value).is_ok();
            assert_eq!(serde_json::from_str::<Value>(&shown).is_ok(), is_json, "{name}: {shown}");
        }
        for (name, value) in [
            ("/a", r#""tea""#),
            ("/password/a", r#""tea""#),
            ("/a/0", "1.50"),
            ("/a", "null"),
            ("/a/1000/b", "12345"),
            ("/a", r#""tea that was cut…"#),
            ("a", "tea"),
            ("", "tea"),
        ] {
            assert_eq!(mask.value(Part::Body, name, value), value, "{name}");
        }
    }
}
