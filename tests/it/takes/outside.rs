//! Services that nobody here wrote: httpbin from PyPI, json-server from npm. Where one is not installed, it is named as
//! skipped.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};

use super::services::Running;
use super::talk::{Reading, Sent, Talk};
use super::world::World;
use crate::harness::clients::runs;
use crate::harness::skip;

/// A service of another program, and the folder it works in.
struct Program {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody has at the moment.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a program, and waits until it listens.
fn run(mut command: Command, port: u16, folder: tempfile::TempDir) -> Running {
    let quiet = command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let program = Program { child: quiet.spawn().unwrap(), _folder: folder };
    crate::harness::eventually_within(30, "the service listens", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    Running { base: format!("http://localhost:{port}"), keeps: Box::new(program) }
}

/// httpbin, in its own development server.
pub fn httpbin(_: &Arc<World>) -> Option<Running> {
    if !runs(&["python3", "-c", "import httpbin.core"]) {
        skip("httpbin", "`pip install httpbin` has not been run");
        return None;
    }
    let port = free_port();
    let mut command = Command::new("python3");
    command.args(["-m", "httpbin.core", "--host", "127.0.0.1", "--port", &port.to_string()]);
    Some(run(command, port, tempfile::tempdir().unwrap()))
}

/// A tour of httpbin with values that differ every time.
pub fn httpbin_flow(talk: &mut Talk<'_>) {
    let made = talk.get("/uuid").at("/uuid");
    talk.world.note(made.as_str());
    talk.get("/get?show=tea&page=2");
    let (nonce, at) = (talk.world.token(24), talk.world.epoch_millis());
    talk.get(&format!("/get?show=coffee&nonce={nonce}&_={at}"));
    let body = json!({ "item": "tea", "quantity": 2, "order": made, "at": talk.world.moment() });
    talk.post("/post", &body);
    let key = talk.world.uuid();
    talk.send(Sent::new("POST", "/anything/orders").json(&json!({ "item": "coffee" })).with("Idempotency-Key", key));
    talk.send(Sent::new("PUT", &format!("/anything/orders/{made}")).json(&json!({ "item": "milk" })));
    talk.send(Sent::new("DELETE", &format!("/anything/orders/{made}")));
    let form = talk.world.uuid();
    talk.send(Sent::new("POST", "/post").form(&[("name", "ada"), ("request", &form)]));
    let token = talk.world.token(40);
    talk.get("/bearer");
    talk.send(Sent::new("GET", "/bearer").with("Authorization", format!("Bearer {token}")));
    let session = talk.world.token(30);
    let set = talk.get(&format!("/cookies/set?session={session}&theme=dark"));
    let cookie = set.field("set-cookie").unwrap_or("nothing").split(';').next().unwrap_or_default().to_owned();
    talk.send(Sent::new("GET", "/cookies").with("Cookie", cookie));
    let tag = talk.world.hex(16);
    talk.get(&format!("/etag/{tag}"));
    talk.send(Sent::new("GET", &format!("/etag/{tag}")).with("If-None-Match", format!("\"{tag}\"")));
    for target in ["/status/404", "/status/503", "/gzip", "/deflate", "/encoding/utf8", "/xml", "/html", "/image/png"] {
        talk.get(target);
    }
    for target in ["/redirect/2", "/relative-redirect/1", "/response-headers?x-color=green", "/stream/2", "/range/64"] {
        talk.get(target);
    }
    talk.send(Sent::new("GET", "/range/64").with("Range", "bytes=8-15"));
    talk.get("/base64/cmV0YWtl");
    talk.send(Sent::new("PATCH", "/patch").json(&json!({ "name": "grace", "trace": talk.world.traceparent() })));
}

/// Where npm put it: beside the other modules of the tests.
fn json_server_program() -> Option<PathBuf> {
    let modules = PathBuf::from(std::env::var_os("TEST_NODE_MODULES")?);
    let found = ["json-server/lib/cli/bin.js", "json-server/lib/bin.js"].map(|file| modules.join(file));
    found.into_iter().find(|file| file.is_file())
}

/// json-server over a small database; its ids are counted.
pub fn json_server(world: &Arc<World>) -> Option<Running> {
    let Some(program) = json_server_program().filter(|_| runs(&["node", "--version"])) else {
        skip("json-server", "`npm install json-server@0.17` has not been run, or TEST_NODE_MODULES does not say where");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let first = world.serial();
    let posts = json!([{ "id": first, "title": "first", "author": "ada", "likes": 3 }]);
    std::fs::write(folder.path().join("db.json"), json!({ "posts": posts, "comments": [] }).to_string()).unwrap();
    let port = free_port();
    let mut command = Command::new("node");
    command.arg(program).args(["--quiet", "--host", "127.0.0.1", "--port", &port.to_string(), "db.json"]);
    Some(run(command, port, folder))
}

/// Posts and comments: made, listed by page, author and order, changed, deleted.
pub fn json_server_flow(talk: &mut Talk<'_>) {
    talk.get("/posts");
    let mut ids = Vec::new();
    for (title, author, likes) in [("second", "grace", 5), ("third", "ada", 1), ("fourth", "grace", 8)] {
        let post = json!({ "title": title, "author": author, "likes": likes, "written": talk.world.moment() });
        let id = talk.post("/posts", &post).at("/id");
        ids.push(talk.world.note(id));
    }
    for id in &ids {
        talk.get(&format!("/posts/{id}"));
    }
    talk.get("/posts?author=ada");
    talk.get("/posts?author=grace");
    for page in 1..=2 {
        talk.get(&format!("/posts?_page={page}&_limit=2&_sort=likes"));
    }
    let number: Value = ids[0].parse::<u64>().map_or(Value::Null, Value::from);
    let comment = talk.post("/comments", &json!({ "postId": number, "text": "well said" })).at("/id");
    talk.get(&format!("/comments/{comment}"));
    talk.get(&format!("/posts/{}/comments", ids[0]));
    talk.send(Sent::new("PATCH", &format!("/posts/{}", ids[1])).json(&json!({ "likes": 2 })));
    talk.get(&format!("/posts/{}", ids[1]));
    talk.send(Sent::new("DELETE", &format!("/posts/{}", ids[2])));
    talk.get(&format!("/posts/{}", ids[2]));
    talk.get("/posts");
    talk.get("/posts/999");
}
