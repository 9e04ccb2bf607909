//! Rules: how a part of a request is compared. They live apart from recorded data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where in a request a rule looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A captured path segment; `name` is the capture.
    Path,
    /// Query pairs; `name` is the parameter.
    Query,
    /// Request fields; `name` is the field, without case.
    Field,
    /// JSON members; `name` is a JSON pointer (RFC 6901), in which a segment `*` stands for any one.
    Json,
    /// Form members and multipart parts; `name` is the member.
    Form,
}

/// What a rule does with the items that it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RuleAction {
    /// The item vanishes on both sides.
    Ignore,
    /// Any value will do, as long as there is one.
    Any,
}

/// One rule: in this place, under this name, compare like this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Where it looks.
    pub place: Place,
    /// What it looks for there.
    pub name: String,
    /// What it does.
    pub action: RuleAction,
    /// Why it is here, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
