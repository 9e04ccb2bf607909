//! Fixes in words: titles, and what to do by hand where the call is in no log.

use std::fmt::Display;

use super::super::{asked, asked_body};
use super::Desk;
use super::propose::ignoring;
use crate::collection::{Change, Rule, RuleAction, free_name, item_words};
use crate::matching::Near;
use crate::report::terminal::quoted;

/// What rules of a stub let pass, as a title.
pub(super) fn rules(desk: &Desk<'_>, near: &Near, rules: &[Rule], widens: bool) -> String {
    let own = &desk.scenario(near).name;
    let so_that = match widens {
        true if rules.iter().all(|rule| rule.action == RuleAction::Ignore) => {
            format!(", so that `{own}` answers with {} and without", if rules.len() == 1 { "it" } else { "them" })
        }
        true => format!(", so that `{own}` answers whatever {}", if rules.len() == 1 { "it is" } else { "they are" }),
        false => String::new(),
    };
    // Items of which the same is said in one go.
    let mut said: Vec<(&Rule, Vec<String>)> = Vec::new();
    for rule in rules {
        let item = item_words(rule.place, &rule.name);
        match said.iter_mut().find(|(known, _)| (known.action, known.shape) == (rule.action, rule.shape)) {
            Some((_, items)) => items.push(item),
            None => said.push((rule, vec![item])),
        }
    }
    let words: Vec<String> = said.iter().map(|(rule, items)| take(rule, &listed(items))).collect();
    format!("in {}, {}{so_that}", desk.key(near).short(), words.join("; "))
}

fn take(rule: &Rule, items: &str) -> String {
    match (rule.action, rule.shape) {
        (RuleAction::Ignore, _) => format!("ignore {items}"),
        (RuleAction::Fresh, Some(shape)) => {
            format!("take for {items} any value that looks like {} and was not recorded", shape.words())
        }
        (_, Some(shape)) => format!("take anything that looks like {} for {items}", shape.words()),
        _ => format!("take any value for {items}"),
    }
}

/// `one`, `one and two`, `one, two and three`
pub(super) fn listed(items: &[String]) -> String {
    match items {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => items.join(""),
    }
}

/// `1st`, `2nd`, `3rd`, `4th`, `11th`
pub(in crate::report::miss) fn ordinal(number: u32) -> String {
    let end = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{end}")
}

/// What to do by hand instead of `retake diff MISS --apply N`.
pub(super) fn by_hand(desk: &Desk<'_>, near: &Near, change: &Change) -> String {
    let file = &desk.context.index.stub(near.at).path;
    let collection = desk.given(near);
    let source = desk.context.index.source(near.at);
    let which = |scenario: &str| desk.named(source, &desk.key(near), &format!("#{scenario}"));
    let json = |rule: &Rule| serde_json::to_string(rule).unwrap_or_default();
    match change {
        Change::AddRule { rule, .. } => in_file(file, format_args!("under \"rules\": {}", json(rule))),
        Change::SetDisabled { scenario, .. } => format!("retake mock enable {collection} {}", which(scenario)),
        Change::SetDefault { scenario: Some(scenario), .. } => {
            format!("retake mock default {collection} {}", which(scenario))
        }
        Change::CopyScenario { to, name, .. } => {
            let stub = desk.named(source, to, "");
            let (asked, body) = (asked(desk.context, &to.path), asked_body(desk.context));
            let there = source.collection.stubs.iter().find(|file| to.is_of(&file.stub));
            let is_taken = |name: &str| there.is_some_and(|file| file.stub.scenarios.iter().any(|it| it.name == name));
            let name = quoted(&free_name(name, '-', is_taken));
            let add = |body: &str| {
                format!("retake mock scenario add {collection} {stub} --name {name}{asked}{body} --body BODY")
            };
            match (there, body) {
                (Some(_), Some(body)) => add(&body),
                (Some(there), None) => in_file(&there.path, change.title()),
                (None, body) => {
                    let url = quoted(&format!("{}{}", to.origin, to.path));
                    let make =
                        format!("retake mock stub add {collection} {} {url}{}", to.method, ignoring(body.as_deref()));
                    format!("{make} && {}", add(&body.unwrap_or_default()))
                }
            }
        }
        Change::SetEnd { .. } => in_file(file, "\"end\": \"repeat-last\" for that scenario"),
        Change::SetLength { .. } => in_file(file, "a larger \"times\" for the last answer of that scenario"),
        Change::SetState { .. } => in_file(file, "no \"requires\" in the \"state\" of that scenario"),
        Change::SetRequest { request, .. } => {
            let matchers = serde_json::to_string(&request.matchers).unwrap_or_default();
            in_file(file, format_args!("in the request of that scenario \"matchers\": {matchers}"))
        }
        Change::SetPath { path, .. } => in_file(file, format_args!("\"path\": \"{path}\"")),
        Change::Together { changes } => {
            let all: Vec<String> = changes.iter().map(|change| by_hand(desk, near, change)).collect();
            all.join("; ")
        }
        other => in_file(file, other.title()),
    }
}

fn in_file(file: &str, what: impl Display) -> String {
    format!("write into {file}: {what}")
}
