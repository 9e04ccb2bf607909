//! How a body stands in a collection's file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::shared::JsonText;
pub use super::style::{MAX_INLINE_DEPTH, style_of};

/// The white space and escapes of a recorded JSON text, so that the inline value is served as the recorded bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonStyle {
    /// Spaces of indentation, at most 8; 0 for one line.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub indent: u8,
    /// Indented by one tab a level.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tabs: bool,
    /// One line, with a space after `,` and `:` (as Python writes it).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spaced: bool,
    /// Characters beyond ASCII are written as `\u` escapes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ascii: bool,
    /// The digits of `\u` escapes are upper-case.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub upper_hex: bool,
    /// `/` is written as `\/` (as PHP writes it).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub escaped_slashes: bool,
    /// `<`, `>`, `&`, U+2028 and U+2029 are written as `\u` escapes (as Go and Rails write them).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub escaped_html: bool,
    /// A line feed at the end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub final_newline: bool,
}

fn is_zero(indent: &u8) -> bool {
    *indent == 0
}

impl JsonStyle {
    /// Whether it is compact, without anything special.
    pub fn is_compact(&self) -> bool {
        *self == JsonStyle::default()
    }
}

/// A body: exactly one of `json`, `text`, `base64` and `file`.
///
/// The content is decoded: replay applies `Content-Encoding` again when the client accepts it, unless `coded` is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BodySpec {
    /// A JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schemars(with = "Option<Value>")]
    pub json: Option<JsonText>,
    /// How the JSON was spaced; compact if absent.
    #[serde(default, skip_serializing_if = "JsonStyle::is_compact")]
    pub style: JsonStyle,
    /// Text, as UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Bytes, for small binary bodies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// A file of the collection, `bodies/…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The content is kept as coded: a coding that could not be undone, such as a range of a gzip file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coded: Option<String>,
    /// The recording broke off here: what there is, is not the whole body.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl BodySpec {
    /// Turns a JSON value into the text that it is served as: the same bytes, without the tree.
    pub fn flatten(&mut self) {
        if let Some(value) = self.json.take() {
            if self.style.is_compact() {
                self.text = Some(value.text().to_owned());
                return;
            }
            // What we render is UTF-8; if it were not, the value would stay.
            match String::from_utf8(self.style.render(&value.value())) {
                Ok(text) => self.text = Some(text.into_boxed_str().into_string()),
                Err(_) => self.json = Some(value),
            }
        }
    }
}

/// Keeps `"json": null` apart from no `json` at all.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<JsonText>, D::Error> {
    JsonText::deserialize(deserializer).map(Some)
}
