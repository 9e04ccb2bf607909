//! What a case of the gallery is made of: a small collection, and a call that it does not answer.

use serde_json::{Value, json};

use crate::harness::http::{Answer, Client};
use crate::harness::{Retake, Server};

/// The origin of every case that does not say another.
pub const ORIGIN: &str = "http://api.test";

/// A way to miss.
pub struct Case {
    /// The headline in the document.
    pub title: &'static str,
    /// What was recorded, what is called now, and how that comes about.
    pub told: &'static str,
    pub collection: Value,
    pub stubs: Vec<Value>,
    /// Calls that are made before, and are answered.
    pub before: Vec<Call>,
    /// The call that misses.
    pub call: Call,
}

impl Case {
    pub fn new(title: &'static str, told: &'static str, stubs: impl Into<Vec<Value>>, call: Call) -> Case {
        let collection = json!({ "version": 1, "name": "shop", "origins": [ORIGIN] });
        Case { title, told, collection, stubs: stubs.into(), before: Vec::new(), call }
    }

    /// Exact hits only.
    pub fn strict(mut self) -> Case {
        self.collection["settings"] = json!({ "profile": "strict" });
        self
    }

    /// Another origin than that of most cases.
    pub fn at(mut self, origin: &str) -> Case {
        self.collection["origins"] = json!([origin]);
        self.stubs.iter_mut().for_each(|stub| stub["origin"] = origin.into());
        self
    }

    pub fn before(mut self, calls: impl Into<Vec<Call>>) -> Case {
        self.before = calls.into();
        self
    }

    /// Writes the collection, `mocks/shop`.
    pub fn write(&self, retake: &Retake) {
        let dir = retake.work().join("mocks/shop");
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(dir.join("stubs/api.test")).unwrap();
        std::fs::write(dir.join("collection.json"), self.collection.to_string()).unwrap();
        for stub in &self.stubs {
            let text = |name: &str| stub[name].as_str().unwrap().to_owned();
            let words: Vec<String> =
                text("path").split('/').filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
            let name = format!("{}-{}.json", text("method").to_lowercase(), words.join("-"));
            std::fs::write(dir.join("stubs/api.test").join(name), stub.to_string()).unwrap();
        }
    }

    /// Starts a replay of the collection, and makes the calls that go before.
    pub fn replay(&self, retake: &Retake) -> Server {
        self.write(retake);
        let server = retake.replay(&["shop"]);
        for call in &self.before {
            let answer = call.send(&server);
            assert_eq!(answer.status(), 200, "{}, before: {}", self.title, answer.text());
        }
        server
    }
}

/// A request.
#[derive(Clone)]
pub struct Call {
    pub method: &'static str,
    /// The whole URL.
    pub url: String,
    pub fields: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// A request of this method; a path is one of the usual origin.
pub fn call(method: &'static str, url: &str) -> Call {
    let url = if url.starts_with('/') { format!("{ORIGIN}{url}") } else { url.to_owned() };
    Call { method, url, fields: Vec::new(), body: Vec::new() }
}

impl Call {
    pub fn field(mut self, name: &'static str, value: &str) -> Call {
        self.fields.push((name, value.to_owned()));
        self
    }

    pub fn body(mut self, media_type: &str, body: impl AsRef<[u8]>) -> Call {
        self.body = body.as_ref().to_vec();
        self.field("Content-Type", media_type)
    }

    pub fn json(self, body: Value) -> Call {
        self.body("application/json", body.to_string())
    }

    /// Sends it through the server as a proxy. A miss is answered as text unless the call wants something else.
    pub fn send(&self, server: &Server) -> Answer {
        let host = self.url.split('/').nth(2).unwrap();
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.url);
        let wants = self.fields.iter().any(|(name, _)| *name == "Accept");
        let usual = (!wants).then(|| ("Accept", "text/plain".to_owned()));
        for (name, value) in self.fields.iter().chain(&usual) {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", self.body.len());
        let mut client = Client::to(server).unwrap();
        client.send(&[head.as_bytes(), &self.body].concat()).unwrap();
        client.answer(self.method).unwrap()
    }
}

/// An endpoint with its scenarios.
pub fn stub(method: &str, path: &str, scenarios: impl Into<Vec<Value>>) -> Value {
    json!({ "version": 1, "method": method, "origin": ORIGIN, "path": path, "scenarios": scenarios.into() })
}

/// A scenario that answers a request with its own name.
pub fn scenario(name: &str, request: Value) -> Value {
    json!({ "name": name, "request": request, "response": { "status": 200, "body": { "text": name } } })
}

/// A scenario for a JSON body.
pub fn takes_json(name: &str, body: Value) -> Value {
    scenario(name, json!({ "media_type": "application/json", "body": { "json": body } }))
}

/// A scenario for a body of another type.
pub fn takes(name: &str, media_type: &str, body: &str) -> Value {
    scenario(name, json!({ "media_type": media_type, "body": { "text": body } }))
}

/// A value with other members as well, or instead.
pub fn with(mut value: Value, members: Value) -> Value {
    let Value::Object(members) = members else { panic!("{members} is no object") };
    value.as_object_mut().unwrap().extend(members);
    value
}
