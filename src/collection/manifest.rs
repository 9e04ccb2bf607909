//! `collection.json`: what holds for the whole collection.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::FORMAT_VERSION;
use super::answering::{Delay, ShiftDates};
use super::body::BodySpec;
use super::pending::Refusal;
use super::rule::Rule;
use super::stub::FieldLine;
use crate::model::{Authority, Origin, Scheme, origin};

/// `collection.json`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The JSON Schema of this file.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The version of the format; 1.
    pub version: u32,
    /// The collection's name.
    pub name: String,
    /// The origins that it mocks, in the order in which they compete for a plain call.
    #[serde(default)]
    pub origins: Vec<OriginPattern>,
    /// How it is served.
    #[serde(default, skip_serializing_if = "Settings::is_default")]
    pub settings: Settings,
    /// Values by name, for templates: texts, numbers and booleans; `null` is a value that the run has to give.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub variables: serde_json::Map<String, Value>,
    /// How parts of requests are compared, for every stub.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Changes that were proposed and refused, so that they are not proposed again. A refused rule stands among the
    /// rules, switched off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refusal>,
    /// Named 5xx responses; while one is active it answers every call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server_stubs: Vec<ServerStub>,
    /// Reserved: values by environment.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub environments: serde_json::Map<String, Value>,
    /// Reserved: frozen copies by tag.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub releases: serde_json::Map<String, Value>,
}

impl Manifest {
    /// A manifest of which nothing but the collection's name is said.
    pub fn new(name: String) -> Manifest {
        Manifest {
            schema: None,
            version: FORMAT_VERSION,
            name,
            origins: Vec::new(),
            settings: Settings::default(),
            variables: serde_json::Map::new(),
            rules: Vec::new(),
            refused: Vec::new(),
            server_stubs: Vec::new(),
            environments: serde_json::Map::new(),
            releases: serde_json::Map::new(),
        }
    }
}

/// How a collection is served.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How requests are matched; `best` unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// What the profile `postman` compares.
    #[serde(default, skip_serializing_if = "PostmanSettings::is_default")]
    pub postman: PostmanSettings,
    /// How long answers wait; not at all unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Delay>,
    /// Which dates of answers move by the age of the recording; expiries of cookies unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift_dates: Option<ShiftDates>,
    /// Places that look like secrets and are none: a file, with `#` and a JSON pointer where it is JSON, in which `*`
    /// stands for any one segment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_secrets: Vec<String>,
    /// What becomes of calls to these origins that nothing matches; they fail unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_miss: Option<OnMiss>,
    /// Pages of any origin may call it from a browser: preflights are answered, and answers may be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cors: bool,
    /// Plain calls need one of the keys.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
    /// The keys of a private collection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<AccessKey>,
}

/// What the profile `postman` compares: what a mock server of Postman can be set to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostmanSettings {
    /// Whether the query counts.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub match_query: bool,
    /// Whether a capture without a value takes any segment.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub match_wildcards: bool,
    /// Whether the body must be equal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub match_body: bool,
    /// Fields that must be equal, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_headers: Vec<String>,
    /// How many characters a path may be away at most; 0 for none.
    #[serde(default = "usual_distance", skip_serializing_if = "is_usual_distance")]
    pub distance: u8,
}

/// Two characters tell most slips from another path.
const USUAL_DISTANCE: u8 = 2;

fn usual_distance() -> u8 {
    USUAL_DISTANCE
}

fn is_usual_distance(distance: &u8) -> bool {
    *distance == USUAL_DISTANCE
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

impl Default for PostmanSettings {
    fn default() -> Self {
        PostmanSettings {
            match_query: true,
            match_wildcards: true,
            match_body: false,
            match_headers: Vec::new(),
            distance: USUAL_DISTANCE,
        }
    }
}

impl PostmanSettings {
    /// Whether everything is as usual.
    pub fn is_default(&self) -> bool {
        *self == PostmanSettings::default()
    }
}

/// A key that opens a private collection. The key itself is nowhere: a hash of 256 random bits tells nothing about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessKey {
    /// Unique in the collection.
    pub name: String,
    /// BLAKE3 of the key, in hex.
    pub blake3: String,
}

/// What becomes of a call that nothing matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnMiss {
    /// It is answered with a report, and goes nowhere.
    #[default]
    Fail,
    /// It goes on to its origin.
    Pass,
    /// It goes on to its origin, and into the history.
    Record,
}

impl OnMiss {
    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            OnMiss::Fail => "fail",
            OnMiss::Pass => "pass",
            OnMiss::Record => "record",
        }
    }
}

impl FromStr for OnMiss {
    type Err = BadOnMiss;

    fn from_str(text: &str) -> Result<Self, BadOnMiss> {
        let all = [OnMiss::Fail, OnMiss::Pass, OnMiss::Record];
        all.into_iter().find(|known| known.as_str() == text).ok_or_else(|| BadOnMiss(text.to_owned()))
    }
}

/// A text that says nothing of what becomes of a miss.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not fail, pass or record")]
pub struct BadOnMiss(String);

impl Settings {
    /// Whether nothing is set.
    pub fn is_default(&self) -> bool {
        *self == Settings::default()
    }
}

/// A table of gates and weights over the one evaluation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Forgives what is extra or missing, never what is contradicted.
    #[default]
    Best,
    /// Exact hits only.
    Strict,
    /// As a mock server of Postman: points for how near the path is, and for the query.
    Postman,
}

impl Profile {
    /// The profile as written.
    pub fn as_str(self) -> &'static str {
        match self {
            Profile::Best => "best",
            Profile::Strict => "strict",
            Profile::Postman => "postman",
        }
    }
}

/// A named 5xx response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerStub {
    /// Unique in the collection.
    pub name: String,
    /// 500 to 599.
    pub status: u16,
    /// Field lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldLine>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodySpec>,
    /// Whether it answers now; at most one does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub active: bool,
}

/// The port of an origin in a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PortPattern {
    /// This port.
    Exactly(u16),
    /// `*`: any port; for servers on loopback, whose port changes from run to run.
    Any,
}

/// An origin in a collection: `https://api.github.com`, or `http://localhost:*`.
///
/// `localhost`, `127.0.0.1` and `[::1]` are one host, written `localhost` by promotion.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OriginPattern {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// Lower-case, an IPv6 address without brackets.
    pub host: String,
    /// The port or any.
    pub port: PortPattern,
}

impl OriginPattern {
    /// The pattern that only this origin matches.
    pub fn exactly(origin: &Origin) -> Self {
        OriginPattern {
            scheme: origin.scheme,
            host: origin.host().to_owned(),
            port: PortPattern::Exactly(origin.port()),
        }
    }

    /// Whether a call to `origin` is meant. Loopback hosts are one host.
    pub fn matches(&self, origin: &Origin) -> bool {
        self.scheme == origin.scheme && self.matches_authority(&origin.authority)
    }

    /// [`OriginPattern::matches`] with the scheme ignored, for a plain call by `Host`.
    pub fn matches_authority(&self, authority: &Authority) -> bool {
        let port = match self.port {
            PortPattern::Any => true,
            PortPattern::Exactly(port) => port == authority.port(),
        };
        port && (self.host == authority.host() || (self.is_loopback() && authority.is_loopback()))
    }

    /// The origin as it is compared with others: loopback hosts are one host.
    pub fn canonical(&self) -> OriginPattern {
        let host = if self.is_loopback() { "localhost".to_owned() } else { self.host.clone() };
        OriginPattern { host, ..self.clone() }
    }

    /// Whether both mean the same.
    pub fn is_one_with(&self, other: &OriginPattern) -> bool {
        self.canonical() == other.canonical()
    }

    /// Whether the host is a loopback name or address.
    pub fn is_loopback(&self) -> bool {
        Authority::new(&self.host, 0).is_loopback()
    }

    /// The origin itself, unless the port is open.
    pub fn as_origin(&self) -> Option<Origin> {
        match self.port {
            PortPattern::Exactly(port) => Some(Origin::new(self.scheme, Authority::new(&self.host, port))),
            PortPattern::Any => None,
        }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            PortPattern::Exactly(port) => Origin::new(self.scheme, Authority::new(&self.host, port)).fmt(f),
            PortPattern::Any => write!(f, "{}://{}:*", self.scheme, Authority::new(&self.host, 0).url_host()),
        }
    }
}

impl FromStr for OriginPattern {
    type Err = origin::BadOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_suffix(":*") {
            Some(rest) => {
                let any: Origin = rest.parse()?;
                Ok(OriginPattern { scheme: any.scheme, host: any.host().to_owned(), port: PortPattern::Any })
            }
            None => text.parse().map(|origin| OriginPattern::exactly(&origin)),
        }
    }
}

super::stub::text_form!(
    OriginPattern,
    "An origin such as `https://api.github.com`, or with any port: `http://localhost:*`"
);
