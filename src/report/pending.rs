//! A change that waits for a decision, as lines for a terminal: what it is, why, and what would be different.

use crate::collection::{Collection, Pending, Standing, StubFile, file_text};
use crate::diff::tree::{self, Change, Kind};

use super::comparison::{Section, write};
use super::styled::{Line, Tone};

/// Differences that are shown of one file.
const LISTED: usize = 40;
/// Lines that are shown of a file that is new.
const LINES: usize = 60;

/// The change, line by line, safe for a terminal. `collection` is what it would change.
pub fn lines(pending: &Pending, standing: &Standing, collection: &Collection, emit: &mut dyn FnMut(Line)) {
    let mut title = Line::of(Tone::Dim, format!("{} ", pending.id));
    title.push(Tone::Bold, &pending.title);
    emit(title);
    if !pending.why.is_empty() {
        emit(Line::of(Tone::Plain, format!("  {}", pending.why)));
    }
    for seen in &pending.evidence {
        emit(Line::of(Tone::Dim, format!("  · {seen}")));
    }
    if let Some(text) = words(standing) {
        return emit(Line::of(Tone::Masked, format!("  {text}")));
    }
    let before = pending.change.part_of(collection);
    if pending.is_outdated(collection) {
        emit(Line::of(Tone::Masked, format!("  {OUTDATED}")));
    }
    let mut after = before.clone();
    if pending.change.apply(&mut after).is_ok() {
        differences(&before, &after, emit);
    }
    for path in pending.files.keys() {
        emit(Line::of(Tone::Added, format!("  + {path}")));
    }
}

/// What is said of a change that would undo what somebody did by hand.
pub const OUTDATED: &str = "what it changes was edited since it was proposed";

/// Why a change cannot be accepted any more; none if it can.
pub fn words(standing: &Standing) -> Option<String> {
    match standing {
        Standing::Waits => None,
        Standing::Done => Some("it is so already".to_owned()),
        Standing::Refused => Some("it was refused before".to_owned()),
        Standing::Gone(error) => Some(error.to_string()),
    }
}

/// What differs between two collections, file by file.
fn differences(before: &Collection, after: &Collection, emit: &mut dyn FnMut(Line)) {
    let manifests = [before, after].map(|collection| file_text(&collection.manifest));
    file("collection.json", Some(&manifests[0]), Some(&manifests[1]), emit);
    let text_in = |collection: &Collection, path: &str| {
        let found = collection.stubs.iter().find(|file| file.path == path);
        found.map(|StubFile { stub, .. }| file_text(stub))
    };
    let all = before.stubs.iter().chain(&after.stubs);
    let paths: std::collections::BTreeSet<_> = all.map(|file| file.path.as_str()).collect();
    for path in paths {
        file(path, text_in(before, path).as_deref(), text_in(after, path).as_deref(), emit);
    }
}

fn file(path: &str, before: Option<&str>, after: Option<&str>, emit: &mut dyn FnMut(Line)) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(before), Some(after)) => {
            emit(Line::of(Tone::Dim, format!("  {path}")));
            // Both are texts that were written from values.
            let changes = tree::changes(before, after, LISTED).unwrap_or_default();
            let (all, is_coarse) = (changes.all, changes.is_coarse);
            let (new, listed): (Vec<Change>, Vec<Change>) = changes.listed.into_iter().partition(is_new_object);
            write(&Section { changes: listed, all: all - new.len().min(all), is_coarse, ..Section::default() }, emit);
            let value = serde_json::from_str(after).unwrap_or_default();
            new.iter().for_each(|change| added(&change.pointer, &value, emit));
        }
        (None, Some(after)) => {
            emit(Line::of(Tone::Added, format!("  + {path}")));
            whole(after, emit);
        }
        (_, None) => emit(Line::of(Tone::Removed, format!("  - {path}"))),
    }
}

/// Whether a whole object is added, such as a scenario.
fn is_new_object(change: &Change) -> bool {
    change.kind == Kind::Added && change.after.as_deref().is_some_and(|value| value.starts_with('{'))
}

/// An object that is added, as it stands in the file: what a list of changes says of it may be cut.
fn added(pointer: &str, file: &serde_json::Value, emit: &mut dyn FnMut(Line)) {
    emit(Line::of(Tone::Added, format!("  + {pointer}")));
    let pretty = file.pointer(pointer).and_then(|value| serde_json::to_string_pretty(value).ok());
    whole(&pretty.unwrap_or_default(), emit);
}

/// A text of which nothing was there, as far as it is shown.
fn whole(text: &str, emit: &mut dyn FnMut(Line)) {
    let all = text.lines().count();
    text.lines().take(LINES).for_each(|line| emit(Line::of(Tone::Added, format!("    {line}"))));
    if all > LINES {
        emit(Line::of(Tone::Dim, format!("    … {} more lines", all - LINES)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::collection::{Proposer, Stub, file_name};

    #[test]
    fn a_change_is_told_with_what_would_be_different() {
        let manifest = json!({"version": 1, "name": "shop", "origins": ["https://a.test"]});
        let stub = json!({"version": 1, "method": "GET", "origin": "https://a.test", "path": "/a",
            "scenarios": [{"name": "ok", "response": {"status": 200, "body": {"json": {"price": 1}}}}]});
        let stub: Stub = serde_json::from_value(stub).unwrap();
        let path = file_name(&stub, |_| false);
        let manifest = serde_json::from_value(manifest).unwrap();
        let mut collection = Collection { manifest, stubs: vec![StubFile { path, stub: stub.into() }] };
        let change = json!({"do": "answer", "stub": "GET https://a.test/a", "scenario": "ok",
            "responses": [{"status": 200, "body": {"json": {"price": 2}}}]});
        let change = serde_json::from_value(change).unwrap();
        let why = "the same request got another answer".to_owned();
        let pending = Pending::new(&collection, change, Proposer::Promote, why, vec!["exchange 7\u{1b}[2J".into()]);
        let text = |collection: &Collection| {
            let mut text = Vec::new();
            lines(&pending, &pending.standing(collection), collection, &mut |line| {
                text.push(line.pieces().map(|(_, piece)| piece).collect::<String>());
            });
            text.join("\n")
        };
        let expected = format!(
            "{} GET /a#ok answers with another 200
  the same request got another answer
  · exchange 7\\u{{1b}}[2J
  stubs/a.test/get-a.json
  /scenarios/0/response/body/json/price
    - 1
    + 2",
            pending.id
        );
        assert_eq!(text(&collection), expected);
        // A scenario that is added is shown whole, line by line.
        let scenario = json!({"name": "gone", "response": {"status": 404, "body": {"text": "x".repeat(9000)}}});
        let change = json!({"do": "add-scenario", "stub": "GET https://a.test/a", "scenario": scenario});
        let change = serde_json::from_value(change).unwrap();
        let more = Pending::new(&collection, change, Proposer::Promote, String::new(), Vec::new());
        let mut shown = String::new();
        lines(&more, &more.standing(&collection), &collection, &mut |line| {
            shown += &line.pieces().map(|(_, piece)| piece).collect::<String>();
            shown += "\n";
        });
        for part in
            ["  + /scenarios/1\n    {\n", "      \"name\": \"gone\"", &"x".repeat(9000), "        \"status\": 404"]
        {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        collection.stubs[0].stub.scenarios[0].response.as_mut().map(std::sync::Arc::make_mut).unwrap().status = 201;
        assert!(text(&collection).contains("was edited since it was proposed"));
        collection.stubs.clear();
        assert!(text(&collection).ends_with("there is no stub GET https://a.test/a any more"));
    }
}
