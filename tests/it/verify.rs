//! Drift: a real API over TLS is recorded and promoted, changes, and is asked again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Response;
use serde_json::{Value, json};

use crate::harness::http::Client;
use crate::harness::origin::{Body, full};
use crate::harness::{Origin, Retake, cert, eventually};

/// An API that answers otherwise from version to version; what is volatile in it differs in every answer.
struct Api {
    origin: Origin,
    version: Arc<AtomicU64>,
}

fn answer(status: u16, body: &Value) -> Response<Body> {
    let builder = Response::builder().status(status).header("content-type", "application/json");
    builder.body(full(body.to_string())).unwrap()
}

impl Api {
    fn start() -> Api {
        let (version, calls) = (Arc::new(AtomicU64::new(1)), AtomicU64::new(0));
        let now = Arc::clone(&version);
        let origin = Origin::service(true, move |head, _| {
            let (call, is_new) = (calls.fetch_add(1, Ordering::SeqCst), now.load(Ordering::SeqCst) > 1);
            let id = format!("0193f3a2-7c1e-7d30-9a55-{call:012x}");
            let at = format!("2026-11-20T10:{:02}:{:02}Z", call / 60 % 60, call % 60);
            match (head.uri.path(), is_new) {
                ("/same", _) => answer(200, &json!({ "request": id, "at": at, "name": "ann" })),
                ("/added", false) => answer(200, &json!({ "request": id, "name": "ann" })),
                ("/added", true) => answer(200, &json!({ "request": id, "name": "ann", "nick": "a" })),
                ("/removed", false) => answer(200, &json!({ "name": "ann", "age": 7 })),
                ("/removed", true) => answer(200, &json!({ "name": "ann" })),
                ("/type", false) => answer(200, &json!({ "price": 12, "tags": ["a"] })),
                ("/type", true) => answer(200, &json!({ "price": "12", "tags": ["a"] })),
                ("/order", false) => answer(200, &json!([{ "id": 1, "n": "a" }, { "id": 2, "n": "b" }])),
                ("/order", true) => answer(200, &json!([{ "id": 2, "n": "b" }, { "id": 1, "n": "a" }])),
                ("/value", false) => answer(200, &json!({ "stars": 5 })),
                ("/value", true) => answer(200, &json!({ "stars": 6 })),
                ("/status", false) => answer(200, &json!({ "ok": true })),
                _ => answer(404, &json!({ "error": "gone" })),
            }
        });
        Api { origin, version }
    }

    /// Records each path in two sessions, and promotes both.
    fn recorded(&self, retake: &Retake) {
        let server = retake.record(&[]);
        let mut client = Client::tunnel(&server, "localhost", self.origin.address.port()).unwrap();
        for path in ["/same", "/added", "/removed", "/type", "/order", "/value", "/status"] {
            for _ in 0..3 {
                assert_eq!(
                    client.get(path, &format!("localhost:{}", self.origin.address.port())).unwrap().status(),
                    200
                );
            }
        }
        assert_eq!(server.stop().0, 0);
        retake.ok(&["promote", "1-21", "--into", "api"]);
    }
}

/// `verify` against an API with a certificate of the tests, as fast as it can.
fn verify(retake: &Retake, more: &[&str]) -> (i32, Value, String) {
    let ca = cert("ca.pem");
    let mut args = vec!["verify", "api", "--json", "--rate", "1000", "--upstream-ca", ca.to_str().unwrap()];
    args.extend(more);
    let ran = retake.run(&args);
    (ran.code, serde_json::from_str(&ran.stdout).unwrap_or_default(), ran.stderr)
}

fn endpoint<'a>(report: &'a Value, name: &str) -> &'a Value {
    let endpoints = report["endpoints"].as_array().unwrap_or_else(|| panic!("{report}"));
    endpoints.iter().find(|it| it["endpoint"] == name).unwrap_or_else(|| panic!("no {name} in {report}"))
}

/// `severity kind at` of each difference of an endpoint's first scenario.
fn told(report: &Value, name: &str) -> Vec<String> {
    let differences = endpoint(report, name)["scenarios"][0]["differences"].as_array().unwrap();
    let text = |it: &Value, member: &str| it[member].as_str().unwrap().to_owned();
    differences.iter().map(|it| format!("{} {} {}", text(it, "severity"), text(it, "kind"), text(it, "at"))).collect()
}

#[test]
fn an_api_that_changed_is_told_by_endpoint() {
    let (retake, api) = (Retake::new(), Api::start());
    api.recorded(&retake);
    let url = api.origin.url("");
    // An origin without stubs needs no place to be asked at.
    let manifest = retake.work().join("mocks/api/collection.json");
    let before = std::fs::read(&manifest).unwrap();
    let mut written: Value = serde_json::from_slice(&before).unwrap();
    written["origins"].as_array_mut().unwrap().push("https://unused.test".into());
    std::fs::write(&manifest, written.to_string()).unwrap();
    let (code, report, said) = verify(&retake, &["--fail-on", "compatible", "--against", &url]);
    assert_eq!(
        (code, report["verdict"].as_str(), report["compared"].as_u64()),
        (0, Some("unchanged"), Some(7)),
        "{report} {said}"
    );

    std::fs::write(&manifest, before).unwrap();
    api.version.store(2, Ordering::SeqCst);
    let (code, report, said) = verify(&retake, &["--against", &url]);
    assert_eq!((code, report["verdict"].as_str()), (3, Some("breaking")), "{report}");
    assert!(said.contains("7 answers compared") && said.contains("1 unchanged, 3 compatible, 3 breaking"), "{said}");
    for (path, verdict, expected) in [
        ("/same", "unchanged", &[][..]),
        ("/added", "compatible", &["added added /nick"]),
        ("/removed", "breaking", &["breaking removed /age"]),
        ("/type", "breaking", &["breaking type /price"]),
        ("/order", "compatible", &["values order body"]),
        ("/value", "compatible", &["values value /stars"]),
        ("/status", "breaking", &["breaking status status"]),
    ] {
        let name = format!("GET {path}");
        assert_eq!(endpoint(&report, &name)["verdict"], verdict, "{path}: {report}");
        assert_eq!(told(&report, &name), expected, "{path}");
    }
    let ca = cert("ca.pem");
    let ran =
        retake.run(&["verify", "api", "--upstream-ca", ca.to_str().unwrap(), "--rate", "1000", "--against", &url]);
    assert_eq!(ran.code, 3);
    for line in [
        "breaking    GET /type",
        "    ✗ /price  was number, now string",
        "    + /nick  added: string",
        "unchanged   GET /same",
    ] {
        assert!(ran.stdout.contains(line), "{line}: {ran}");
    }
}

/// A collection written by hand over an origin.
fn by_hand(retake: &Retake, origin: &str, stubs: &[Value]) {
    let dir = retake.work().join("mocks/api");
    std::fs::create_dir_all(dir.join("stubs")).unwrap();
    let write = |name: &str, content: Value| std::fs::write(dir.join(name), content.to_string()).unwrap();
    write("collection.json", json!({ "version": 1, "name": "api", "origins": [origin] }));
    for (at, stub) in stubs.iter().enumerate() {
        let mut whole = json!({ "version": 1, "method": "GET", "origin": origin });
        whole.as_object_mut().unwrap().extend(stub.as_object().unwrap().clone());
        write(&format!("stubs/{at}.json"), whole);
    }
}

fn scenario(request: Value) -> Value {
    json!([{ "name": "ok", "request": request, "response":
        { "status": 200, "fields": ["Content-Type: application/json"], "body": { "json": { "ok": true } } } }])
}

#[test]
fn secrets_come_from_the_environment_and_what_is_not_safe_stays_here() {
    let origin = Origin::service(true, |head, body| {
        let token = head.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        match (head.method.as_str(), head.uri.path(), token.as_deref()) {
            ("GET", "/v2/me", Some("Bearer s3cr3t-of-mine")) => answer(200, &json!({ "ok": true })),
            ("GET", "/v2/open", _) if head.headers.get("x-team").is_some_and(|it| it == "red-team-key") => {
                answer(200, &json!({ "ok": true, "echo": "red-team-key" }))
            }
            ("POST", "/v2/orders", _) if body.as_ref() == b"{\"n\":1}" => answer(200, &json!({ "ok": true })),
            _ => answer(403, &json!({})),
        }
    });
    let retake = Retake::new();
    let masked = json!({ "fields": ["Authorization: Bearer retake-secret-abcdefghij"] });
    by_hand(
        &retake,
        "https://api.test",
        &[
            json!({ "path": "/me", "scenarios": scenario(masked) }),
            json!({ "path": "/open", "scenarios": scenario(json!({})) }),
            json!({ "path": "/any/{id}", "scenarios": scenario(json!({})) }),
            json!({ "path": "/find", "scenarios": scenario(json!({ "matchers":
                [{ "place": "query", "name": "q", "is": { "prefix": "a" } }] })) }),
            json!({ "method": "POST", "path": "/orders", "scenarios": scenario(json!({ "media_type": "application/json", "body": { "json": { "n": 1 } } })) }),
        ],
    );
    let base = origin.url("/v2");
    let ca = cert("ca.pem");
    let mut args = vec!["verify", "api", "--json", "--rate", "1000", "--upstream-ca", ca.to_str().unwrap()];
    args.extend(["--against", &base, "-H", "X-Team: ${TEAM_KEY}"]);
    let run = |args: &[&str], variables: &[(&str, &str)]| {
        let output = retake.command(args).envs(variables.iter().copied()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains("s3cr3t-of-mine") && !text.contains("red-team-key"), "{text}");
        (output.status.code().unwrap(), serde_json::from_str::<Value>(&text).unwrap_or_default())
    };
    let reasons = |report: &Value| {
        let left = report["not_sent"].as_array().unwrap();
        left.iter()
            .map(|it| format!("{}: {}", it["scenario"].as_str().unwrap(), it["reason"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(run(&args, &[]).0, 2, "the header's variable is not set");
    let (code, report) = run(&args, &[("TEAM_KEY", "red-team-key")]);
    assert_eq!((code, report["compared"].as_u64(), origin.served()), (0, Some(1), 1), "{report}");
    assert_eq!(told(&report, "GET /open"), ["added added /echo"]);
    let left = reasons(&report);
    assert!(left[0].contains("set RETAKE_SECRET_AUTHORIZATION"), "{left:?}");
    assert!(left[1].contains("`{id}` in its path may be anything"), "{left:?}");
    assert!(left[2].contains("a matcher asks for `query q`"), "{left:?}");
    assert!(left[3].contains("`--unsafe` sends it"), "{left:?}");
    args.push("--unsafe");
    let (code, report) = run(&args, &[("TEAM_KEY", "red-team-key"), ("RETAKE_SECRET_AUTHORIZATION", "s3cr3t-of-mine")]);
    assert_eq!((code, report["compared"].as_u64(), reasons(&report).len()), (0, Some(3), 2), "{report}");
    assert_eq!(report["verdict"], "compatible");
    // With its scheme it is the same.
    let with_scheme = "Bearer s3cr3t-of-mine";
    let (code, report) = run(&args, &[("TEAM_KEY", "red-team-key"), ("RETAKE_SECRET_AUTHORIZATION", with_scheme)]);
    assert_eq!((code, report["compared"].as_u64()), (0, Some(3)), "{report}");
    // A field that is given needs no secret of the recording.
    args.extend(["-H", "Authorization: Bearer ${TOKEN}"]);
    let (code, report) = run(&args, &[("TEAM_KEY", "red-team-key"), ("TOKEN", "s3cr3t-of-mine")]);
    assert_eq!((code, report["compared"].as_u64(), reasons(&report).len()), (0, Some(3), 2), "{report}");
    assert_eq!(endpoint(&report, "GET /me")["verdict"], "unchanged");
}

#[test]
fn credentials_and_made_up_ids_are_no_drift() {
    let origin = Origin::service(false, |head, _| match head.headers.contains_key("authorization") {
        true => answer(200, &json!({ "ok": true })),
        false => answer(401, &json!({})),
    });
    let retake = Retake::new();
    let mut refused = scenario(json!({}));
    (refused[0]["response"]["status"], refused[0]["response"]["body"]["json"]) = (401.into(), json!({}));
    let mut stale = scenario(json!({ "fields": ["Authorization: Bearer retake-secret-abcdefghij"] }))[0].take();
    (stale["name"], stale["response"]["status"]) = ("stale".into(), 401.into());
    refused.as_array_mut().unwrap().push(stale);
    let mut order = scenario(json!({ "captures": { "order_id": "0193f3a2-7c1e-7d30-9a55-2f6f0c1be001" } }));
    let mut none = order[0].clone();
    (none["name"], none["request"]["captures"]["order_id"]) = ("none".into(), "none".into());
    order.as_array_mut().unwrap().push(none);
    by_hand(
        &retake,
        "https://api.test",
        &[
            json!({ "path": "/me", "scenarios": refused }),
            json!({ "path": "/open", "scenarios": scenario(json!({})) }),
            json!({ "path": "/orders/{order_id}", "scenarios": order, "rules":
                [{ "place": "path", "name": "order_id", "action": "fresh", "except": ["none"] }] }),
        ],
    );
    // Scenarios that fail in some calls have been recorded like any other; those that always do have not.
    for (name, fault) in [
        ("sometimes", json!({ "do": "reset", "share": 0.3 })),
        ("second", json!({ "do": "reset", "calls": [2] })),
        ("always", json!({ "do": "reset" })),
    ] {
        let stub = json!({ "version": 1, "method": "GET", "origin": "https://api.test", "path": format!("/{name}"),
            "fault": fault, "scenarios": scenario(json!({})) });
        std::fs::write(retake.work().join(format!("mocks/api/stubs/{name}.json")), stub.to_string()).unwrap();
    }
    let base = origin.url("");
    let (code, report, said) = verify(&retake, &["--against", &base, "-H", "Authorization: Bearer x"]);
    let reason = report["not_sent"].as_array().unwrap().last().unwrap()["reason"].as_str().unwrap();
    assert!(reason.contains("made to fail"), "{report}");
    assert_eq!((code, report["compared"].as_u64()), (0, Some(5)), "{report}");
    assert_eq!(endpoint(&report, "GET /me")["verdict"], "unchanged");
    // What was refused with a token is not asked for with a good one.
    let reason = report["not_sent"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("RETAKE_SECRET_AUTHORIZATION"), "{report}");
    let reason = report["not_sent"][1]["reason"].as_str().unwrap();
    assert!(reason.contains("`order_id` is made by another call"), "{report}");
    assert!(!said.contains("--header"), "{said}");
    let (code, _, said) = verify(&retake, &["--against", &base]);
    assert!(code == 3 && said.contains("`--header 'Authorization: Bearer ${TOKEN}'`"), "{said}");
}

#[test]
fn the_port_of_an_api_on_this_machine_is_no_drift() {
    let serve = || {
        let own = Arc::new(AtomicU64::new(0));
        let port = Arc::clone(&own);
        let origin = Origin::service(true, move |_, _| {
            let base = format!("https://localhost:{}", port.load(Ordering::SeqCst));
            let answer = Response::builder().status(302).header("location", format!("{base}/users/octocat"));
            answer.header("link", format!("<{base}/users?page=2>; rel=\"next\"")).body(full("")).unwrap()
        });
        own.store(origin.address.port().into(), Ordering::SeqCst);
        origin
    };
    let (retake, origin) = (Retake::new(), serve());
    let server = retake.record(&[]);
    let host = format!("localhost:{}", origin.address.port());
    let mut client = Client::tunnel(&server, "localhost", origin.address.port()).unwrap();
    assert_eq!(client.get("/me", &host).unwrap().status(), 302);
    assert_eq!(server.stop().0, 0);
    retake.ok(&["promote", "1", "--into", "api"]);
    for live in [&origin, &serve()] {
        let (code, report, said) = verify(&retake, &["--fail-on", "compatible", "--against", &live.url("")]);
        assert_eq!((code, report["verdict"].as_str()), (0, Some("unchanged")), "{report} {said}");
    }
}

#[test]
fn an_api_that_does_not_answer_is_no_drift() {
    let retake = Retake::new();
    let origin = Origin::tls();
    let url = format!("https://localhost:{}", origin.address.port());
    origin.stop();
    by_hand(&retake, &url, &[json!({ "path": "/me", "scenarios": scenario(json!({})) })]);
    let (code, report, said) = verify(&retake, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(report["unanswered"][0]["reason"].as_str().unwrap().contains("localhost"), "{report}");
    // One that has had enough is none either.
    let busy = Origin::service(true, |_, _| answer(429, &json!({})));
    let (code, report, _) = verify(&retake, &["--against", &busy.url("")]);
    assert_eq!(code, 1);
    assert!(report["unanswered"][0]["reason"].as_str().unwrap().contains("--rate"), "{report}");
    // A collection of which nothing may be sent.
    by_hand(&retake, &url, &[json!({ "method": "POST", "path": "/me", "scenarios": scenario(json!({})) })]);
    assert_eq!(verify(&retake, &[]).0, 2);
    assert_eq!(retake.run(&["verify", "nothing"]).code, 2);
    assert_eq!(retake.run(&["verify", "api", "--against", "https://other.test=https://a.test"]).code, 2);
}

#[test]
fn ctrl_c_reports_what_is_known() {
    let served = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&served);
    // The first call is answered, and no other.
    let origin = Origin::raw(move |stream| {
        let counter = Arc::clone(&counter);
        async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut stream = stream;
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                if counter.fetch_add(1, Ordering::SeqCst) > 0 {
                    std::future::pending::<()>().await;
                }
                let body = "{\"ok\":true}";
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n";
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
        }
    });
    let retake = Retake::new();
    let stubs = ["/a", "/b", "/c"].map(|path| json!({ "path": path, "scenarios": scenario(json!({})) }));
    by_hand(&retake, &origin.url(""), &stubs);
    let mut command = retake.command(&["verify", "api", "--json", "--rate", "1000", "--concurrency", "1"]);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    eventually("the second request is under way", || (served.load(Ordering::SeqCst) > 1).then_some(()));
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(130), "{report}");
    assert_eq!((report["compared"].as_u64(), report["stopped"].as_bool()), (Some(1), Some(true)), "{report}");
}
