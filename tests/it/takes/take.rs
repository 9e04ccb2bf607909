//! A take: one flow of a client against a service, recorded with the real binary. What is promoted from one take is
//! asked the requests of another.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::services::Running;
use super::talk::{Call, Sent, Talk};
use super::world::{World, settled};
use crate::harness::http::Answer;
use crate::harness::{Retake, Server};

/// A service and a client of it.
pub struct Api {
    pub name: &'static str,
    /// How many calls of a second take the first one must answer.
    pub served: usize,
    /// How many it must answer once a person has accepted whatever was proposed.
    pub reviewed: usize,
    /// Starts the service with nothing in it; `None`, with a word about it, where it cannot run.
    pub start: fn(&Arc<World>) -> Option<Running>,
    pub flow: fn(&mut Talk<'_>),
}

/// A recorded flow.
pub struct Take {
    pub retake: Retake,
    pub world: Arc<World>,
    /// Where the service was; it is stopped.
    pub base: String,
    /// What the client sent, and what it got.
    pub calls: Vec<Call>,
}

impl Take {
    /// Plays the flow against a service of its own, in so many days by its clock, and records it.
    pub fn record(api: &Api, in_days: i64) -> Option<Take> {
        Take::record_in(Retake::new(), api, in_days, "take", |_| {})
    }

    /// The same in a history that is there, as a session of its own; `more` is what the client does after the flow.
    pub fn record_in(retake: Retake, api: &Api, in_days: i64, session: &str, more: fn(&mut Talk<'_>)) -> Option<Take> {
        let world = Arc::new(World::in_days(in_days));
        let running = (api.start)(&world)?;
        // A port is no more than where a service happens to listen.
        running.base.rsplit(':').next().map(|port| world.note(port));
        let recorder = retake.record(&["--session", session]);
        let mut talk = Talk::new(&recorder, &running.base, &world);
        (api.flow)(&mut talk);
        more(&mut talk);
        let (base, calls) = (running.base, talk.calls);
        assert_eq!(recorder.stop().0, 0, "{}", api.name);
        drop(running.keeps);
        Some(Take { retake, world, base, calls })
    }

    /// Promotes everything into the collection `api`, without a person's help.
    pub fn promote(&self) {
        self.retake.ok(&["promote", "--day", "today", "--into", "api"]);
        self.retake.ok(&["mock", "check", "api"]);
    }

    /// The folder of the collection.
    pub fn collection(&self) -> PathBuf {
        self.retake.work().join("mocks/api")
    }

    /// Makes the collection `bare`, the same with every rule switched off: what plain recording would be; and the
    /// collection `reviewed`, in which a person has accepted whatever was proposed.
    pub fn compare(&self) {
        for copy in ["bare", "reviewed"] {
            let to = self.retake.work().join("mocks").join(copy);
            let copied = std::process::Command::new("cp").arg("-r").arg(self.collection()).arg(to).status().unwrap();
            assert!(copied.success());
        }
        without_rules(&self.retake.work().join("mocks/bare"));
        self.retake.ok(&["mock", "check", "bare"]);
        self.retake.ok(&["review", "reviewed", "--accept-all"]);
    }

    /// Serves a collection.
    pub fn replay(&self, collection: &str) -> Server {
        self.retake.replay(&[collection])
    }

    /// The requests as the client sent them.
    pub fn sent(&self) -> Vec<Sent> {
        self.calls.iter().map(|call| call.sent.clone()).collect()
    }

    /// The requests as the history has them: what was secret is a placeholder.
    pub fn as_recorded(&self) -> Vec<Sent> {
        let rows = self.retake.json(&["history", "export", "--format", "jsonl"]);
        assert_eq!(rows.len(), self.calls.len(), "every call is in the history");
        rows.iter().map(sent_again).collect()
    }
}

/// The request of an exported exchange, to be sent again.
fn sent_again(exchange: &Value) -> Sent {
    use base64::Engine;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (request, body) = (&exchange["request"], &exchange["request"]["body"]);
    let bytes = match (body.get("json"), body.get("text"), body.get("base64")) {
        (Some(json), ..) => json.to_string().into_bytes(),
        (_, Some(plain), _) => text(plain).into_bytes(),
        (.., Some(coded)) => base64::engine::general_purpose::STANDARD.decode(text(coded)).unwrap(),
        _ => Vec::new(),
    };
    let url = text(&exchange["url"]);
    let after = url.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
    let target = after.find('/').map_or("/", |at| &after[at..]);
    let mut sent = Sent { body: bytes, ..Sent::new(&text(&exchange["method"]), target) };
    for line in request["fields"].as_array().into_iter().flatten() {
        let (name, value) = (text(&line[0]), text(&line[1]));
        if !["host", "content-length"].contains(&name.to_ascii_lowercase().as_str()) {
            sent.fields.push((name, value));
        }
    }
    sent
}

/// What became of a call to the mock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Exact,
    /// Served, with these differences.
    Inexact(String),
    /// Not served, and why.
    Missed(String),
    /// Served with an answer of another kind than the service's own.
    Wrong(String),
}

/// Judges an answer of the mock by the one that the service gave.
pub fn judge(own: &Answer, got: &Answer, worlds: &[&World]) -> Verdict {
    if got.field("x-retake-miss").is_some() || got.field("x-retake-error").is_some() {
        let reason: Value = serde_json::from_slice(&got.body).unwrap_or_default();
        let told = |name: &str| reason[name].as_str().unwrap_or_default().to_owned();
        return Verdict::Missed(format!("{}: {}", told("title"), told("detail")));
    }
    match (difference(own, got, worlds), got.field("x-retake-inexact")) {
        (Some(what), _) => Verdict::Wrong(what),
        (None, Some(reason)) => Verdict::Inexact(reason.to_owned()),
        (None, None) => Verdict::Exact,
    }
}

/// How two answers differ, what their takes made up left aside: status, type, where they lead, the names of their
/// cookies, and every member of their bodies. `None` when they say the same.
pub fn difference(own: &Answer, got: &Answer, worlds: &[&World]) -> Option<String> {
    if own.status() != got.status() {
        return Some(format!("status {} instead of {}", got.status(), own.status()));
    }
    let media_type = |answer: &Answer| {
        answer.field("content-type").unwrap_or_default().split(';').next().unwrap_or_default().to_owned()
    };
    let place = |answer: &Answer| answer.field("location").map(|to| settled(&unmasked(to), worlds));
    let cookies = |answer: &Answer| -> BTreeSet<String> {
        let lines = answer.head.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        lines.map(|(_, value)| value.split('=').next().unwrap_or_default().to_owned()).collect()
    };
    for (what, own, got) in [
        ("type", Some(media_type(own)), Some(media_type(got))),
        ("Location", place(own), place(got)),
        ("cookies", Some(format!("{:?}", cookies(own))), Some(format!("{:?}", cookies(got)))),
    ] {
        if own != got {
            return Some(format!("{what} {got:?} instead of {own:?}"));
        }
    }
    let (own, got) = (decoded(own), decoded(got));
    match (serde_json::from_slice(&own), serde_json::from_slice(&got)) {
        (Ok(own), Ok(got)) => json_difference("", &own, &got, worlds),
        _ => match (std::str::from_utf8(&own), std::str::from_utf8(&got)) {
            (Ok(own), Ok(got)) => {
                let (own, got) = (settled(own, worlds), settled(&unmasked(got), worlds));
                (own != got).then(|| format!("body {got:?} instead of {own:?}"))
            }
            _ => (own != got).then(|| "other bytes".to_owned()),
        },
    }
}

/// The content of an answer: two coders need not make the same bytes of it.
fn decoded(answer: &Answer) -> Vec<u8> {
    use retake::model::coding::{self, Coding};
    let Some(coding) = answer.field("content-encoding").and_then(Coding::named) else { return answer.body.clone() };
    let mut plain = Vec::new();
    let mut reader = coding::reader(coding, std::io::Cursor::new(answer.body.clone())).unwrap();
    reader.read_to_end(&mut plain).unwrap();
    plain
}

fn json_difference(at: &str, own: &Value, got: &Value, worlds: &[&World]) -> Option<String> {
    let told = || Some(format!("{at}: {got} instead of {own}"));
    match (own, got) {
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            names.into_iter().find_map(|name| match (one.get(name), other.get(name)) {
                (Some(one), Some(other)) => json_difference(&format!("{at}/{name}"), one, other, worlds),
                (one, _) => Some(format!("{at}/{name} is {}", if one.is_some() { "not there" } else { "too much" })),
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let pairs = one.iter().zip(other).enumerate();
            pairs.into_iter().find_map(|(n, (one, other))| json_difference(&format!("{at}/{n}"), one, other, worlds))
        }
        (Value::String(one), Value::String(other)) => {
            // What was masked was made up: every secret of these services is.
            let (one, other) = (settled(one, worlds), settled(&unmasked(other), worlds));
            let both_made_up = one == "•" && retake::redact::is_placeholder(&other);
            if one == other || both_made_up { None } else { told() }
        }
        (Value::Number(_), Value::Number(_)) => {
            let text = |value: &Value| settled(&value.to_string(), worlds);
            if text(own) == text(got) { None } else { told() }
        }
        _ if own == got => None,
        _ => told(),
    }
}

/// A text with what was masked in it as if it had been made up.
fn unmasked(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for next in text.chars().chain(std::iter::once('\n')) {
        if next.is_ascii_alphanumeric() || matches!(next, '-' | '.' | '_') {
            word.push(next);
            continue;
        }
        out.push_str(if retake::redact::is_placeholder(&word) { "•" } else { &word });
        out.push(next);
        word.clear();
    }
    out.pop();
    out
}

/// Switches every rule of a collection off: paths have their values, bodies and queries are as they were.
fn without_rules(folder: &std::path::Path) {
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                let Ok(mut file) = serde_json::from_slice::<Value>(&std::fs::read(&path).unwrap()) else { continue };
                let Some(rules) = file.get_mut("rules").and_then(Value::as_array_mut) else { continue };
                for rule in rules {
                    rule["off"] = Value::Bool(true);
                }
                std::fs::write(&path, serde_json::to_vec_pretty(&file).unwrap()).unwrap();
            }
        }
    }
}
