//! Rules: how a part of a request or of an answer is compared. They live apart from recorded data: to change one never
//! needs a new recording.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::matcher::Matcher;
use super::stub::text_form;
use super::xml_path::XmlPath;
use crate::model::Shape;

/// Where a rule looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A captured path segment; `name` is the capture.
    Path,
    /// Query pairs; `name` is the parameter.
    Query,
    /// Fields; `name` is the field, without case.
    Field,
    /// JSON members; `name` is a JSON pointer (RFC 6901), in which a segment `*` stands for any one.
    Json,
    /// Form members and multipart parts; `name` is the member.
    Form,
    /// Cookies; `name` is the cookie.
    Cookie,
    /// Texts and attributes of XML; `name` is a path such as `/order/item[2]/@id`. What ignores an element ignores all that
    /// is in it.
    Xml,
    /// The whole body; it has no `name`.
    Body,
}

impl Place {
    /// Every place that has a value by name which an answer can repeat.
    pub const ALL: [Place; 5] = [Place::Path, Place::Query, Place::Field, Place::Json, Place::Form];

    /// Its name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Place::Path => "path",
            Place::Query => "query",
            Place::Field => "field",
            Place::Json => "json",
            Place::Form => "form",
            Place::Cookie => "cookie",
            Place::Xml => "xml",
            Place::Body => "body",
        }
    }
}

/// Which side of an exchange a rule is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RuleSide {
    /// Requests: what is compared when a scenario is chosen.
    #[default]
    Request,
    /// Answers: what is compared when they are folded, merged or checked against the live API, and what replay puts
    /// into them.
    Response,
}

/// What a rule does with the items that it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RuleAction {
    /// The item vanishes on both sides.
    Ignore,
    /// Any value will do, as long as there is one; with `shape`, any that looks so.
    Any,
    /// Of requests: a value that some scenario of the stub has is compared; one that none has stands for any of them.
    /// So two recorded orders are told apart, and one created afresh is taken for the first of them. Of answers: the
    /// values of one recording are told apart, those of another recording are alike.
    Fresh,
    /// Requests only: the call's value must be as `is` says.
    Match,
    /// Answers only: what the call has at `from` is put where the recorded answer repeats the recorded request's.
    Echo,
}

/// Where in a request the value of an echo comes from: `path order_id`, `query page`, `json /order/id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueSource {
    /// Where it looks.
    pub place: Place,
    /// The name, as in a rule.
    pub name: String,
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.place.as_str(), self.name)
    }
}

/// A text that names no value of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no value of a request: write a place (path, query, field, json, form) and a name, as in `path id`"
)]
pub struct BadValueSource(String);

impl FromStr for ValueSource {
    type Err = BadValueSource;

    fn from_str(text: &str) -> Result<Self, BadValueSource> {
        let bad = || BadValueSource(text.to_owned());
        let (place, name) = text.split_once(' ').ok_or_else(bad)?;
        let place = Place::ALL.into_iter().find(|known| known.as_str() == place).ok_or_else(bad)?;
        let name = Some(name.trim()).filter(|name| !name.is_empty()).ok_or_else(bad)?;
        Ok(ValueSource { place, name: name.to_owned() })
    }
}

text_form!(ValueSource, "A value of the request: a place and a name, such as `path order_id` or `json /order/id`");

/// One rule: in this place, under this name, compare like this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Of a request, or of a response; requests unless said.
    #[serde(rename = "in", default, skip_serializing_if = "is_request")]
    pub side: RuleSide,
    /// Where it looks.
    pub place: Place,
    /// What it looks for there; nothing for the whole body.
    #[serde(default)]
    pub name: String,
    /// What it does.
    pub action: RuleAction,
    /// What the value must look like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
    /// With `match`: what the value must be like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<Box<Matcher>>,
    /// With `fresh`: values that are compared as they are, such as an id that was asked for because it does not exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// With `echo`: where in the request the value comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ValueSource>,
    /// The rule is switched off, and promotion does not propose it again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub off: bool,
    /// Why it is here, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

fn is_request(side: &RuleSide) -> bool {
    *side == RuleSide::Request
}

impl Rule {
    /// A rule about requests with nothing but the necessary.
    pub fn new(place: Place, name: impl Into<String>, action: RuleAction) -> Self {
        Rule {
            side: RuleSide::Request,
            place,
            name: name.into(),
            action,
            shape: None,
            is: None,
            except: Vec::new(),
            from: None,
            off: false,
            why: None,
        }
    }

    /// The same, about answers.
    pub fn in_response(self) -> Self {
        Rule { side: RuleSide::Response, ..self }
    }

    /// Whether it names the leaf of this path, if it looks into XML: an element that is ignored, with all that is in it.
    pub fn names_in_xml(&self, leaf: &str) -> bool {
        let names = |path: XmlPath| match self.action {
            RuleAction::Ignore => path.holds(leaf),
            _ => path.leads_to(leaf),
        };
        self.place == Place::Xml && XmlPath::read(&self.name).is_ok_and(names)
    }

    /// Whether it is about the same item as another: two such rules contradict each other, or say the same.
    pub fn same_item(&self, other: &Rule) -> bool {
        let name = match self.place {
            Place::Field => self.name.eq_ignore_ascii_case(&other.name),
            _ => self.name == other.name,
        };
        self.side == other.side && self.place == other.place && name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_written_as_short_as_it_is() {
        let plain = Rule::new(Place::Query, "nonce", RuleAction::Ignore);
        assert_eq!(serde_json::to_string(&plain).unwrap(), r#"{"place":"query","name":"nonce","action":"ignore"}"#);
        let text = r#"{"in":"response","place":"json","name":"/id","action":"echo","from":"path order_id","off":true}"#;
        let echo: Rule = serde_json::from_str(text).unwrap();
        assert_eq!(echo.from, Some(ValueSource { place: Place::Path, name: "order_id".into() }));
        assert_eq!(serde_json::to_string(&echo).unwrap(), text);
    }

    #[test]
    fn what_names_no_value_is_refused() {
        for text in ["", "path", "path ", "body x", "order_id"] {
            assert!(text.parse::<ValueSource>().is_err(), "{text}");
        }
    }
}
