//! A stub file: one endpoint with its scenarios.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FORMAT_VERSION;
use super::answering::{Delay, Fault, PacedPiece, ShiftDates};
use super::body::BodySpec;
use super::captures::Captures;
use super::manifest::{OnMiss, OriginPattern};
use super::matcher::PlacedMatcher;
use super::pattern::PathPattern;
use super::rule::Rule;
use super::state::StateSpec;
use crate::model::Field;

/// Serde and JSON Schema for a type that is written as a string in files.
macro_rules! text_form {
    ($type:ty, $description:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $description })
            }
        }
    };
}
pub(crate) use text_form;

/// One endpoint: method, origin and path, with what its scenarios inherit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stub {
    /// The JSON Schema of this file.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The version of the format; 1.
    pub version: u32,
    /// The method, as on the wire.
    pub method: String,
    /// The origin; one of the collection's.
    pub origin: OriginPattern,
    /// The path pattern.
    pub path: PathPattern,
    /// What every scenario inherits.
    #[serde(default, skip_serializing_if = "Defaults::is_empty")]
    pub defaults: Defaults,
    /// Which parts of a request are compared; all, unless switched off.
    #[serde(rename = "match", default, skip_serializing_if = "MatchParts::is_all")]
    pub parts: MatchParts,
    /// What becomes of calls to this endpoint that none of its scenarios answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_miss: Option<OnMiss>,
    /// Rules for this stub, beside those of the collection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// How long its answers wait, instead of what the collection says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Delay>,
    /// What goes wrong with its answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Which dates of its answers move by the age of the recording, instead of what the collection says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift_dates: Option<ShiftDates>,
    /// Higher goes first: for scenarios that do not say; 0 unless said.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// The uses of this endpoint.
    #[serde(default)]
    pub scenarios: Vec<Scenario>,
}

impl Stub {
    /// The priority of one of its scenarios.
    pub fn priority_of(&self, scenario: &Scenario) -> i32 {
        scenario.priority.unwrap_or(self.priority)
    }

    /// A stub without scenarios, of which nothing else is said.
    pub fn new(method: String, origin: OriginPattern, path: PathPattern) -> Stub {
        Stub {
            schema: None,
            version: FORMAT_VERSION,
            method,
            origin,
            path,
            defaults: Defaults::default(),
            parts: MatchParts::default(),
            on_miss: None,
            rules: Vec::new(),
            delay: None,
            fault: None,
            shift_dates: None,
            priority: 0,
            scenarios: Vec::new(),
        }
    }

    /// Gives back the room for more that a parser leaves: most stubs have one scenario, most requests one pair or none.
    pub fn trim(&mut self) {
        self.scenarios.shrink_to_fit();
        for scenario in &mut self.scenarios {
            scenario.request.query.shrink_to_fit();
            scenario.request.fields.shrink_to_fit();
            let only = scenario.response.as_mut().map(Arc::make_mut);
            let answers = only.into_iter().chain(&mut scenario.responses);
            answers.for_each(|answer| answer.fields.shrink_to_fit());
        }
    }

    /// Flattens the bodies of its answers, for who only serves them: a tree takes several times the memory of its text.
    /// Those of templates stay.
    pub fn flatten_answers(&mut self) {
        for scenario in &mut self.scenarios {
            let only = scenario.response.as_mut().map(Arc::make_mut);
            let answers = only.into_iter().chain(&mut scenario.responses);
            let bodies = answers.filter(|answer| !answer.template).filter_map(|answer| answer.body.as_mut());
            bodies.for_each(BodySpec::flatten);
        }
    }

    /// How reports name a scenario of this stub: `GET /users/{login}#octocat`, with the origin before the path where the
    /// collection has several.
    pub fn label(&self, scenario: &Scenario, several_origins: bool) -> String {
        let origin = if several_origins { self.origin.to_string() } else { String::new() };
        format!("{} {origin}{}#{}", self.method, self.path, scenario.name)
    }
}

/// Parameters and fields that the scenarios of a stub inherit; a scenario's own of the same name replace them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Query pairs as in a URL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<QueryPair>,
    /// Request fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldLine>,
}

impl Defaults {
    /// Whether nothing is inherited.
    pub fn is_empty(&self) -> bool {
        self.query.is_empty() && self.fields.is_empty()
    }
}

/// Which parts of a request are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchParts {
    /// The query.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub query: bool,
    /// The body.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub body: bool,
    /// The fields that a scenario lists.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub fields: bool,
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

impl MatchParts {
    /// Whether every part is compared.
    pub fn is_all(&self) -> bool {
        *self == MatchParts::default()
    }
}

impl Default for MatchParts {
    fn default() -> Self {
        MatchParts { query: true, body: true, fields: true }
    }
}

/// One use of a stub: what its request looks like, and its response or responses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Unique in the stub; named once, and never renamed by retake.
    pub name: String,
    /// It answers when no other scenario of the stub qualifies; at most one of a stub.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
    /// It is left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// Higher goes first; that of the stub unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// The named state that it needs, and the one that it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateSpec>,
    /// The id of the exchange it was first made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The id by which `x-mock-response-id` means it, and by which ties are broken in the profile `postman`, where it
    /// has one of its own; else `METHOD ORIGIN/PATH#NAME` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What the request looks like.
    #[serde(default, skip_serializing_if = "RequestSpec::is_empty")]
    pub request: RequestSpec,
    /// The one answer; or else `responses`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Arc<ResponseSpec>>,
    /// The steps of a sequence, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub responses: Vec<ResponseSpec>,
    /// What happens after the last step of a sequence; `repeat-last` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<EndPolicy>,
}

impl Scenario {
    /// The steps in order; a single answer is one step.
    pub fn steps(&self) -> &[ResponseSpec] {
        match &self.response {
            Some(response) => std::slice::from_ref(&**response),
            None => &self.responses,
        }
    }
}

fn is_zero(value: &i32) -> bool {
    *value == 0
}

/// What a scenario's request looks like. Everything given is compared; what is absent is not expected.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestSpec {
    /// The values of the path's captures, as in the URL; a capture that is not here may be anything.
    #[serde(default, skip_serializing_if = "Captures::is_empty")]
    pub captures: Captures,
    /// Query pairs as in the URL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<QueryPair>,
    /// Fields that must be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldLine>,
    /// The body's media type, with its parameters where they matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodySpec>,
    /// What places of the request must be like, where the values above are not the only ones that will do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matchers: Vec<PlacedMatcher>,
}

impl RequestSpec {
    /// Whether nothing is asked of the request beyond method, origin and path.
    pub fn is_empty(&self) -> bool {
        *self == RequestSpec::default()
    }
}

/// What happens after the last step of a sequence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndPolicy {
    /// The last answer goes on.
    #[default]
    RepeatLast,
    /// From the start again.
    Cycle,
    /// The scenario is used up: the call is a miss, and goes nowhere.
    Miss,
    /// The scenario is used up: the call goes on to the origin where the run allows it, and is a miss elsewhere.
    Pass,
}

impl EndPolicy {
    /// Whether a scenario can be used up.
    pub fn ends(self) -> bool {
        matches!(self, EndPolicy::Miss | EndPolicy::Pass)
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseSpec {
    /// 200 to 599.
    pub status: u16,
    /// The reason phrase, where it is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many calls in a row this step answers; 1 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<NonZeroU32>,
    /// When it was recorded (RFC 3339): dates are moved by the time since. Absent when no cookie expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<jiff_text::Time>,
    /// How long the origin took to answer, in milliseconds: for the delay `recorded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u32>,
    /// The pieces in which a stream came, for the delay `recorded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pace: Vec<PacedPiece>,
    /// How long it waits, instead of what the stub and the collection say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Delay>,
    /// What goes wrong with it, instead of what the stub says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Values of fields, and the body, are templates: `{{…}}` in them is replaced. Recorded data is never one by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub template: bool,
    /// The body came without a length, and is sent so (in chunks on HTTP/1.1).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub streamed: bool,
    /// The origin coded the body for a request that named no coding, and so does replay. Without this, a client that
    /// sends no `Accept-Encoding` gets the body uncoded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub coding_unasked: bool,
    /// Field lines in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldLine>,
    /// The body; none is an empty one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodySpec>,
    /// Trailer field lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<FieldLine>,
}

impl ResponseSpec {
    /// An answer with nothing but a status.
    pub fn of_status(status: u16) -> Self {
        ResponseSpec {
            status,
            reason: None,
            times: None,
            recorded_at: None,
            duration_ms: None,
            pace: Vec::new(),
            delay: None,
            fault: None,
            template: false,
            streamed: false,
            coding_unasked: false,
            fields: Vec::new(),
            body: None,
            trailers: Vec::new(),
        }
    }
}

/// A moment, in files as RFC 3339.
pub mod jiff_text {
    use super::*;

    /// A moment.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Time(pub jiff::Timestamp);

    impl fmt::Display for Time {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }

    impl FromStr for Time {
        type Err = jiff::Error;

        fn from_str(text: &str) -> Result<Self, jiff::Error> {
            text.parse().map(Time)
        }
    }

    text_form!(Time, "A moment as in RFC 3339, such as 2026-11-20T09:30:00Z");
}

/// A field line of a file: `Name: value`. Bytes that are not UTF-8 are written `Name: base64:…` only where needed:
/// a value that itself begins with `base64:` is written so too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldLine(pub Field);

const BASE64: &str = "base64:";

impl fmt::Display for FieldLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use base64::Engine;
        match std::str::from_utf8(&self.0.value) {
            Ok(text) if !text.starts_with(BASE64) => write!(f, "{}: {text}", self.0.name),
            _ => {
                let coded = base64::engine::general_purpose::STANDARD.encode(&self.0.value);
                write!(f, "{}: {BASE64}{coded}", self.0.name)
            }
        }
    }
}

/// A text that is no field line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a field line: write `Name: value`")]
pub struct BadFieldLine(String);

impl FromStr for FieldLine {
    type Err = BadFieldLine;

    fn from_str(line: &str) -> Result<Self, BadFieldLine> {
        use base64::Engine;
        let bad = || BadFieldLine(line.to_owned());
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let value = value.trim_matches([' ', '\t']);
        let value = match value.strip_prefix(BASE64) {
            Some(coded) => base64::engine::general_purpose::STANDARD.decode(coded).map_err(|_| bad())?,
            None => value.as_bytes().to_vec(),
        };
        http::HeaderValue::from_bytes(&value).map_err(|_| bad())?;
        Ok(FieldLine(Field::new(name, value)))
    }
}

text_form!(FieldLine, "A field line, `Name: value`");

/// A query pair as in a URL, escapes and all: `page=2`, `flag`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryPair(pub String);

impl QueryPair {
    /// Name and value, decoded as a form (`+` is a space); a pair without `=` has an empty value.
    pub fn decoded(&self) -> (String, String) {
        form_urlencoded::parse(self.0.as_bytes())
            .next()
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .unwrap_or_default()
    }
}

impl fmt::Display for QueryPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for QueryPair {
    type Err = BadQueryPair;

    fn from_str(text: &str) -> Result<Self, BadQueryPair> {
        if text.contains(['&', '#']) {
            return Err(BadQueryPair(text.to_owned()));
        }
        Ok(QueryPair(text.to_owned()))
    }
}

/// A text that is no single query pair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one query pair: write `name=value`, and a `&` or `#` in it as %26 or %23")]
pub struct BadQueryPair(String);

text_form!(QueryPair, "A query pair as in a URL, such as `page=2`");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_lines_keep_every_byte() {
        for value in [&b"application/json"[..], b"", b"caf\xe9", b"base64:x", "caf\u{e9}".as_bytes()] {
            let line = FieldLine(Field::new("X-Value", value));
            assert_eq!(line.to_string().parse::<FieldLine>().unwrap(), line);
        }
        assert!("no colon".parse::<FieldLine>().is_err());
        assert!("bad name: x".parse::<FieldLine>().is_err());
    }

    #[test]
    fn a_stub_file_reads_and_writes_the_same() {
        let text = r#"{
  "version": 1,
  "method": "GET",
  "origin": "https://api.github.com",
  "path": "/users/{login}",
  "match": {
    "body": false
  },
  "scenarios": [
    {
      "name": "octocat",
      "request": {
        "captures": {
          "login": "octocat"
        }
      },
      "response": {
        "status": 200,
        "fields": [
          "Content-Type: application/json"
        ],
        "body": {
          "json": null
        }
      }
    }
  ]
}"#;
        let stub: Stub = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string_pretty(&stub).unwrap(), text);
    }
}
