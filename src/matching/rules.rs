//! The rules that hold for a stub, sorted by place.

use crate::collection::{Place, Rule, RuleAction};

/// Compiled rules. A stub's own go before those of the collection; the first that names an item decides.
#[derive(Debug, Default)]
pub(super) struct Rules {
    path: Vec<(String, RuleAction)>,
    query: Vec<(String, RuleAction)>,
    fields: Vec<(String, RuleAction)>,
    form: Vec<(String, RuleAction)>,
    json: Vec<(Vec<Token>, RuleAction)>,
}

#[derive(Debug)]
enum Token {
    /// This member or position, escaped as in a pointer.
    Name(String),
    /// `*`
    Any,
}

/// What the JSON rules say of a leaf.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum JsonAction<'a> {
    /// Nothing.
    Compare,
    /// It vanishes.
    Ignore,
    /// It is part of the value at this pointer, of which any will do.
    Any(&'a str),
}

impl Rules {
    /// Compiles the rules of a stub and of its collection.
    pub(super) fn new(stub: &[Rule], collection: &[Rule]) -> Self {
        let mut rules = Rules::default();
        for rule in stub.iter().chain(collection) {
            let named = (rule.name.clone(), rule.action);
            match rule.place {
                Place::Path => rules.path.push(named),
                Place::Query => rules.query.push(named),
                Place::Field => rules.fields.push(named),
                Place::Form => rules.form.push(named),
                Place::Json => rules.json.push((tokens(&rule.name), rule.action)),
            }
        }
        rules
    }

    /// The rule for a capture.
    pub(super) fn capture(&self, name: &str) -> Option<RuleAction> {
        named(&self.path, |rule| rule == name)
    }

    /// The rule for a query parameter.
    pub(super) fn query(&self, name: &str) -> Option<RuleAction> {
        named(&self.query, |rule| rule == name)
    }

    /// The rule for a field.
    pub(super) fn field(&self, name: &str) -> Option<RuleAction> {
        named(&self.fields, |rule| rule.eq_ignore_ascii_case(name))
    }

    /// The rule for a form member or multipart part.
    pub(super) fn form(&self, name: &str) -> Option<RuleAction> {
        named(&self.form, |rule| rule == name)
    }

    /// Whether there are rules for JSON.
    pub(super) fn touch_json(&self) -> bool {
        !self.json.is_empty()
    }

    /// What the rules say of the leaf at `pointer`. A rule for a member holds for all that is under it.
    pub(super) fn json<'a>(&self, pointer: &'a str) -> JsonAction<'a> {
        for (tokens, action) in &self.json {
            if let Some(covered) = covers(tokens, pointer) {
                return match action {
                    RuleAction::Ignore => JsonAction::Ignore,
                    RuleAction::Any => JsonAction::Any(&pointer[..covered]),
                };
            }
        }
        JsonAction::Compare
    }
}

fn named(rules: &[(String, RuleAction)], is: impl Fn(&str) -> bool) -> Option<RuleAction> {
    rules.iter().find(|(name, _)| is(name)).map(|(_, action)| *action)
}

fn tokens(pointer: &str) -> Vec<Token> {
    let token = |text: &str| if text == "*" { Token::Any } else { Token::Name(text.to_owned()) };
    match pointer.strip_prefix('/') {
        Some(rest) => rest.split('/').map(token).collect(),
        None if pointer.is_empty() => Vec::new(),
        // A member without its slash: people write `id` for `/id`.
        None => pointer.split('/').map(token).collect(),
    }
}

/// How much of `pointer` the tokens cover, if they are a prefix of it.
fn covers(tokens: &[Token], pointer: &str) -> Option<usize> {
    let mut end = 0;
    for token in tokens {
        let rest = pointer[end..].strip_prefix('/')?;
        let part = rest.split('/').next().unwrap_or_default();
        match token {
            Token::Name(name) if name != part => return None,
            _ => end += 1 + part.len(),
        }
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(name: &str, action: RuleAction) -> Rule {
        Rule { place: Place::Json, name: name.into(), action, why: None }
    }

    #[test]
    fn a_json_rule_covers_what_is_under_it() {
        let rules = Rules::new(&[json("/items/*/id", RuleAction::Any)], &[json("/meta", RuleAction::Ignore)]);
        assert_eq!(rules.json("/items/0/id"), JsonAction::Any("/items/0/id"));
        assert_eq!(rules.json("/items/0/id/deep"), JsonAction::Any("/items/0/id"));
        assert_eq!(rules.json("/items/0/idx"), JsonAction::Compare);
        assert_eq!(rules.json("/items/0"), JsonAction::Compare);
        assert_eq!(rules.json("/meta/trace"), JsonAction::Ignore);
        assert_eq!(rules.json("/metadata"), JsonAction::Compare);
    }

    #[test]
    fn the_stubs_rule_goes_first() {
        let stub = [Rule { place: Place::Field, name: "X-Id".into(), action: RuleAction::Any, why: None }];
        let all = [Rule { place: Place::Field, name: "x-id".into(), action: RuleAction::Ignore, why: None }];
        assert_eq!(Rules::new(&stub, &all).field("x-ID"), Some(RuleAction::Any));
    }
}
