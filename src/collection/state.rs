//! Named states: what a scenario asks of one, and where its answer leads.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state in which everything begins.
pub const START: &str = "start";

/// What a scenario has to do with a named state. A cursor is in one state of each thing at a time, at first in `start`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateSpec {
    /// The thing whose state it is, such as `order`; the collection as a whole unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// The scenario answers only in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires: Option<String>,
    /// Its answer leads into this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl StateSpec {
    /// The thing whose state it is; empty for the collection as a whole.
    pub fn thing(&self) -> &str {
        self.of.as_deref().unwrap_or_default()
    }

    /// While what it answers, in words: `cart is `full``; none where that does not matter.
    pub fn needed(&self) -> Option<String> {
        let thing = if self.thing().is_empty() { "the collection" } else { self.thing() };
        self.requires.as_ref().map(|state| format!("{thing} is `{state}`"))
    }

    /// In words: `answers in "paid"; leads to "shipped"`.
    pub fn words(&self) -> String {
        let of = self.of.as_ref().map(|of| format!(" of {of}")).unwrap_or_default();
        let requires = self.requires.as_ref().map(|state| format!("answers in the state `{state}`{of}"));
        let next = self.next.as_ref().map(|state| format!("leads to `{state}`{of}"));
        requires.into_iter().chain(next).collect::<Vec<_>>().join("; ")
    }
}
