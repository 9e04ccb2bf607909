//! What a rule does, in words.

use super::key::StubKey;
use super::rule::{Place, Rule, RuleAction, RuleSide};

/// What a rule does, in one plain sentence without a full stop: `in GET /orders the query's `nonce` may be
/// anything that looks like a UUID`. Without a stub it speaks of the whole collection.
pub fn rule_title(stub: Option<&StubKey>, rule: &Rule) -> String {
    let place = stub.map_or_else(|| "everywhere".to_owned(), |stub| format!("in {}", stub.short()));
    format!("{place} {}", rule_words(rule))
}

/// A rule in words, without where it holds.
pub fn rule_words(rule: &Rule) -> String {
    let item = item_words(rule.place, &rule.name);
    let side = if rule.side == RuleSide::Response { " of answers" } else { "" };
    let looks = rule.shape.map(|shape| format!(" that looks like {}", shape.words())).unwrap_or_default();
    let does = match rule.action {
        RuleAction::Ignore => "does not count".to_owned(),
        RuleAction::Any => format!("may be anything{looks}"),
        RuleAction::Fresh => {
            if looks.is_empty() {
                "may be a value that was not recorded".to_owned()
            } else {
                format!("may be a value{looks} and was not recorded")
            }
        }
        RuleAction::Match => match &rule.is {
            Some(matcher) => format!("must be so: {}", matcher.words()),
            None => "must be as `is` says".to_owned(),
        },
        RuleAction::Echo => match &rule.from {
            Some(from) => format!("repeats the request's {from}"),
            None => "repeats a value of the request".to_owned(),
        },
    };
    format!("{item}{side} {does}")
}

/// What a matcher of a scenario asks for: `the query's `q` must be so: begins with "tea"`.
pub fn matcher_words(matcher: &super::PlacedMatcher) -> String {
    format!("{} must be so: {}", item_words(matcher.place, &matcher.name), matcher.is.words())
}

/// What a rule or matcher looks at: the query's `page`.
pub fn item_words(place: Place, name: &str) -> String {
    match place {
        Place::Path => format!("the path's `{name}`"),
        Place::Query => format!("the query's `{name}`"),
        Place::Field => format!("the field `{name}`"),
        Place::Json if name.is_empty() => "the JSON body".to_owned(),
        Place::Json => format!("the JSON member `{name}`"),
        Place::Form => format!("the form's `{name}`"),
        Place::Cookie => format!("the cookie `{name}`"),
        Place::Xml => format!("the XML's `{name}`"),
        Place::Body => "the body".to_owned(),
    }
}
