//! Listings of a collection: its stubs, scenarios, statuses and the URLs to call.

use std::fmt::Write;

use serde::Serialize;

use super::terminal::clean;
use crate::collection::{BodySpec, Collection, ResponseSpec, Scenario, Stub, StubFile};

/// A stub in a listing.
#[derive(Debug, Serialize)]
pub struct StubRow<'a> {
    /// The file, relative to the collection's folder.
    pub file: &'a str,
    /// The method.
    pub method: &'a str,
    /// The origin.
    pub origin: String,
    /// The path pattern.
    pub path: &'a str,
    /// The scenarios.
    pub scenarios: Vec<ScenarioRow<'a>>,
}

/// A scenario in a listing.
#[derive(Debug, Serialize)]
pub struct ScenarioRow<'a> {
    /// The name.
    pub name: &'a str,
    /// Whether it answers when no other of its stub qualifies.
    pub default: bool,
    /// Whether it is left out.
    pub disabled: bool,
    /// The statuses of its steps, in order.
    pub statuses: Vec<u16>,
    /// The URL to call through the proxy.
    pub url: String,
    /// The path to call on retake's own address.
    pub plain: String,
}

impl<'a> StubRow<'a> {
    /// The row of a stub.
    pub fn of(file: &'a StubFile) -> Self {
        StubRow {
            file: &file.path,
            method: &file.stub.method,
            origin: file.stub.origin.to_string(),
            path: file.stub.path.as_str(),
            scenarios: file.stub.scenarios.iter().map(|scenario| ScenarioRow::of(&file.stub, scenario)).collect(),
        }
    }
}

impl<'a> ScenarioRow<'a> {
    /// The row of a scenario of `stub`.
    pub fn of(stub: &Stub, scenario: &'a Scenario) -> Self {
        let target = stub.example_target(scenario);
        ScenarioRow {
            name: &scenario.name,
            default: scenario.default,
            disabled: scenario.disabled,
            statuses: scenario.steps().iter().map(|step| step.status).collect(),
            url: format!("{}{target}", stub.origin),
            plain: format!("{}{target}", stub.origin.plain_prefix()),
        }
    }

    fn marks(&self) -> &'static str {
        match (self.default, self.disabled) {
            (true, true) => "default, disabled",
            (true, false) => "default",
            (false, true) => "disabled",
            (false, false) => "",
        }
    }
}

/// `3 stubs, 1 scenario`
pub fn counts(collection: &Collection) -> String {
    let scenarios = collection.stubs.iter().map(|file| file.stub.scenarios.len()).sum();
    format!("{}, {}", count(collection.stubs.len(), "stub"), count(scenarios, "scenario"))
}

/// `1 stub`, `2 stubs`
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A collection as a listing for people, line by line.
pub fn listing(collection: &Collection) -> Vec<String> {
    let rows: Vec<StubRow> = collection.stubs.iter().map(StubRow::of).collect();
    let scenarios = || rows.iter().flat_map(|row| &row.scenarios);
    let wide = |text: String| text.chars().count();
    let name_width = scenarios().map(|row| wide(clean(row.name).into_owned())).max().unwrap_or(0).min(40);
    let status_width = scenarios().map(|row| wide(statuses(&row.statuses))).max().unwrap_or(0).min(24);
    let mark_width = scenarios().map(|row| row.marks().len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for row in &rows {
        lines.push(format!("{} {}{}", clean(row.method), row.origin, clean(row.path)));
        for scenario in &row.scenarios {
            let (name, statuses, marks) = (clean(scenario.name), statuses(&scenario.statuses), scenario.marks());
            let line = format!(
                "  {name:name_width$}  {statuses:status_width$}  {marks:mark_width$}  {}",
                clean(&scenario.url)
            );
            lines.push(line);
        }
        if row.scenarios.is_empty() {
            lines.push("  (no scenario yet)".to_owned());
        }
    }
    lines
}

/// The statuses of a sequence on a few characters: `200`, `202 ×2, 200`.
fn statuses(steps: &[u16]) -> String {
    let mut out = String::new();
    for run in steps.chunk_by(|one, next| one == next) {
        let separator = if out.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = match run.len() {
            1 => write!(out, "{separator}{}", run[0]),
            times => write!(out, "{separator}{} ×{times}", run[0]),
        };
    }
    out
}

/// A stub whole, for people; with `only`, one of its scenarios.
pub fn stub_lines(file: &StubFile, only: Option<&Scenario>) -> Vec<String> {
    let stub = &file.stub;
    let mut lines = vec![format!("{} {}{}", clean(&stub.method), stub.origin, clean(stub.path.as_str()))];
    lines.push(format!("  file       {}", clean(&file.path)));
    let inherited = stub.defaults.query.iter().map(|pair| format!("?{pair}"));
    let inherited: Vec<_> = inherited.chain(stub.defaults.fields.iter().map(ToString::to_string)).collect();
    if !inherited.is_empty() {
        lines.push(format!("  inherited  {}", clean(&inherited.join(" · "))));
    }
    let off = [("query", stub.parts.query), ("body", stub.parts.body), ("fields", stub.parts.fields)];
    let off: Vec<_> = off.iter().filter(|(_, on)| !on).map(|(part, _)| *part).collect();
    if !off.is_empty() {
        lines.push(format!("  not compared: {}", off.join(", ")));
    }
    for scenario in stub.scenarios.iter().filter(|scenario| only.is_none_or(|only| only.name == scenario.name)) {
        lines.push(String::new());
        scenario_lines(stub, scenario, &mut lines);
    }
    lines
}

fn scenario_lines(stub: &Stub, scenario: &Scenario, lines: &mut Vec<String>) {
    let row = ScenarioRow::of(stub, scenario);
    let marks = if row.marks().is_empty() { String::new() } else { format!("  ({})", row.marks()) };
    lines.push(format!("  #{}{marks}", clean(&scenario.name)));
    lines.push(format!("    call       {} {}", clean(&stub.method), clean(&row.url)));
    lines.push(format!("    or plain   {} {}", clean(&stub.method), clean(&row.plain)));
    for line in &scenario.request.fields {
        lines.push(format!("    with       {}", clean(&line.to_string())));
    }
    if let Some(state) = &scenario.state {
        lines.push(format!("    state      {}", clean(&state.words())));
    }
    if let Some(body) = &scenario.request.body {
        let media_type = scenario.request.media_type.as_deref().unwrap_or("any type");
        lines.push(format!("    body       {}, {}", clean(media_type), body_words(body)));
    }
    let many = scenario.steps().len() > 1;
    for (at, step) in scenario.steps().iter().enumerate() {
        let label = if many { format!("step {}", at + 1) } else { "answer".to_owned() };
        lines.push(format!("    {label:9}  {}", step_words(step)));
    }
    if many {
        let end = match scenario.end.unwrap_or_default() {
            crate::collection::EndPolicy::RepeatLast => "the last answer goes on",
            crate::collection::EndPolicy::Cycle => "from the start again",
            crate::collection::EndPolicy::Miss => "a miss",
            crate::collection::EndPolicy::Pass => "on to the origin where the run allows it, else a miss",
        };
        lines.push(format!("    then       {end}"));
    }
}

fn step_words(step: &ResponseSpec) -> String {
    let media_type = step.fields.iter().find(|line| line.0.is("content-type")).map(|line| line.0.text());
    let mut words = vec![step.status.to_string()];
    words.extend(media_type.map(|value| clean(&value).into_owned()));
    words.push(step.body.as_ref().map_or_else(|| "no body".to_owned(), body_words));
    if let Some(times) = step.times {
        words.push(count(usize::try_from(times.get()).unwrap_or(usize::MAX), "time"));
    }
    words.join(" · ")
}

fn body_words(body: &BodySpec) -> String {
    if let Some(value) = &body.json {
        return format!("JSON, {}", count(body.style.render(&value.value()).len(), "byte"));
    }
    if let Some(text) = &body.text {
        return format!("text, {}", count(text.len(), "byte"));
    }
    match &body.file {
        Some(file) => format!("in {}", clean(file)),
        None => "binary".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> StubFile {
        let text = r#"{"version": 1, "method": "GET", "origin": "https://api.github.com", "path": "/users/{login}",
            "match": {"body": false}, "defaults": {"query": ["v=1"]},
            "scenarios": [
                {"name": "octocat", "default": true, "request": {"captures": {"login": "octocat"}},
                 "response": {"status": 200, "fields": ["Content-Type: application/json"], "body": {"json": {"a": 1}}}},
                {"name": "slow\u001b[31m", "disabled": true, "request": {"query": ["page=2"]},
                 "responses": [{"status": 202}, {"status": 202, "times": 2}, {"status": 200, "body": {"file": "bodies/x.png"}}], "end": "miss"}
            ]}"#;
        StubFile { path: "stubs/h/a.json".to_owned(), stub: serde_json::from_str(text).unwrap() }
    }

    #[test]
    fn a_listing_names_scenarios_marks_statuses_and_urls() {
        let manifest = serde_json::from_str(r#"{"version": 1, "name": "x"}"#).unwrap();
        let collection = Collection { manifest, stubs: vec![file()] };
        assert_eq!(counts(&collection), "1 stub, 2 scenarios");
        assert_eq!(
            listing(&collection),
            [
                "GET https://api.github.com/users/{login}",
                "  octocat         200          default   https://api.github.com/users/octocat?v=1",
                "  slow\\u{1b}[31m  202 ×2, 200  disabled  https://api.github.com/users/login?v=1&page=2",
            ]
        );
    }

    #[test]
    fn a_stub_is_shown_whole() {
        let file = file();
        assert_eq!(
            stub_lines(&file, None).join("\n"),
            "GET https://api.github.com/users/{login}\n  file       stubs/h/a.json\n  inherited  ?v=1\n  not compared: body\n\n  \
             #octocat  (default)\n    call       GET https://api.github.com/users/octocat?v=1\n    \
             or plain   GET /@api.github.com/users/octocat?v=1\n    answer     200 · application/json · JSON, 7 bytes\n\n  \
             #slow\\u{1b}[31m  (disabled)\n    call       GET https://api.github.com/users/login?v=1&page=2\n    \
             or plain   GET /@api.github.com/users/login?v=1&page=2\n    step 1     202 · no body\n    \
             step 2     202 · no body · 2 times\n    step 3     200 · in bodies/x.png\n    then       a miss"
        );
        assert_eq!(stub_lines(&file, Some(&file.stub.scenarios[0])).len(), 9);
    }
}
