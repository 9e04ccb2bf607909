//! A client that calls one service through a proxy, and remembers every call.

use serde_json::Value;

use super::world::World;
use crate::harness::Server;
use crate::harness::http::{Answer, Client};

/// A request as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Sent {
    pub fn new(method: &str, target: &str) -> Sent {
        Sent { method: method.into(), target: target.into(), fields: Vec::new(), body: Vec::new() }
    }

    /// With a field; another of its name goes.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Sent {
        self.fields.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.fields.push((name.into(), value.into()));
        self
    }

    pub fn json(self, body: &Value) -> Sent {
        Sent { body: body.to_string().into_bytes(), ..self }.with("Content-Type", "application/json")
    }

    pub fn form(self, pairs: &[(&str, &str)]) -> Sent {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        Sent { body: body.into_bytes(), ..self }.with("Content-Type", "application/x-www-form-urlencoded")
    }

    /// How it is named when something is wrong with it.
    pub fn line(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        let body: String = body.chars().take(200).collect();
        format!("{} {} {}", self.method, self.target, body.escape_debug()).trim_end().to_owned()
    }
}

/// A call and what came back.
#[derive(Debug, Clone)]
pub struct Call {
    pub sent: Sent,
    pub answer: Answer,
}

/// Calls one service, over plain HTTP or TLS, through a recorder or a replay.
pub struct Talk<'a> {
    server: &'a Server,
    /// `localhost:PORT`
    host: String,
    tls: bool,
    pub world: &'a World,
    client: Option<Client>,
    pub calls: Vec<Call>,
}

impl<'a> Talk<'a> {
    /// With the service whose URL begins so: `https://localhost:4711`.
    pub fn new(server: &'a Server, base: &str, world: &'a World) -> Talk<'a> {
        let (scheme, host) = base.trim_end_matches('/').split_once("://").unwrap();
        Talk { server, host: host.into(), tls: scheme == "https", world, client: None, calls: Vec::new() }
    }

    /// Sends a request, and waits for the whole answer.
    pub fn send(&mut self, sent: Sent) -> Answer {
        let answer = self.exchange(&sent);
        if answer.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            self.client = None;
        }
        self.calls.push(Call { sent, answer: answer.clone() });
        answer
    }

    pub fn get(&mut self, target: &str) -> Answer {
        self.send(Sent::new("GET", target))
    }

    pub fn post(&mut self, target: &str, body: &Value) -> Answer {
        self.send(Sent::new("POST", target).json(body))
    }

    fn exchange(&mut self, sent: &Sent) -> Answer {
        let (name, port) = self.host.rsplit_once(':').unwrap();
        let client = self.client.get_or_insert_with(|| {
            let client = match self.tls {
                true => Client::tunnel(self.server, name, port.parse().unwrap()),
                false => Client::to(self.server),
            };
            client.unwrap_or_else(|error| panic!("{}: {error}", self.host))
        });
        let start = if self.tls { String::new() } else { format!("http://{}", self.host) };
        let mut head = format!("{} {start}{} HTTP/1.1\r\nHost: {}\r\n", sent.method, sent.target, self.host);
        for (name, value) in &sent.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !sent.body.is_empty() || matches!(sent.method.as_str(), "POST" | "PUT" | "PATCH") {
            head.push_str(&format!("Content-Length: {}\r\n", sent.body.len()));
        }
        let message = [head.as_bytes(), b"\r\n", &sent.body].concat();
        let answer = client.send(&message).and_then(|()| client.answer(&sent.method));
        answer.unwrap_or_else(|error| panic!("{}: {error}", sent.line()))
    }
}

/// What a client reads out of answers. What is not there reads as `nothing`, so that a client goes on, and the
/// comparison of the calls tells what was wrong.
pub trait Reading {
    fn json(&self) -> Value;
    /// A string or number of the body by JSON pointer.
    fn at(&self, pointer: &str) -> String;
    /// The text of the body between two marks.
    fn between(&self, before: &str, after: &str) -> String;
}

impl Reading for Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn at(&self, pointer: &str) -> String {
        match self.json().pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => "nothing".into(),
        }
    }

    fn between(&self, before: &str, after: &str) -> String {
        let text = self.text();
        let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
        found.map_or_else(|| "nothing".into(), |(value, _)| value.to_owned())
    }
}
