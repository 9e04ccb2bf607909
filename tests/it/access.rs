//! Who may call a mock: pages of other origins (CORS), and holders of keys.

use serde_json::json;

use crate::harness::http::{Answer, Client};
use crate::harness::{Retake, Server, eventually};

fn collection(retake: &Retake) {
    retake.ok(&["mock", "new", "shop", "--origin", "http://api.test"]);
    retake.ok(&["mock", "stub", "add", "shop", "GET", "/tea"]);
    let tea = ["mock", "scenario", "add", "shop", "GET /tea", "--name", "tea", "-R", "X-Kind: green", "-b", "tea"];
    retake.ok(&[&tea[..], &["-R", "Vary: Accept"]].concat());
    retake.ok(&["mock", "stub", "add", "shop", "GET", "/own"]);
    let own = [
        "mock",
        "scenario",
        "add",
        "shop",
        "GET /own",
        "--name",
        "own",
        "-R",
        "Access-Control-Allow-Origin: http://one.test",
        "-b",
        "own",
    ];
    retake.ok(&own);
    retake.ok(&["mock", "stub", "add", "shop", "OPTIONS", "/asked"]);
    retake.ok(&[
        "mock",
        "scenario",
        "add",
        "shop",
        "OPTIONS /asked",
        "--name",
        "asked",
        "-R",
        "X-Recorded: yes",
        "-b",
        "recorded",
    ]);
}

fn send(server: &Server, method: &str, target: &str, fields: &str) -> Answer {
    let mut client = Client::to(server).unwrap();
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: api.test\r\n{fields}\r\n").as_bytes()).unwrap();
    client.answer(method).unwrap()
}

const PAGE: &str = "Origin: http://page.test\r\n";
const PREFLIGHT: &str =
    "Origin: http://page.test\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-a, x-b\r\n";

#[test]
fn pages_may_call_where_the_collection_says_so_and_what_was_recorded_wins() {
    let retake = Retake::new();
    collection(&retake);
    let server = retake.replay(&["shop"]);
    assert_eq!(send(&server, "GET", "/tea", PAGE).field("access-control-allow-origin"), None);
    assert_eq!(send(&server, "OPTIONS", "/tea", PREFLIGHT).status(), 501);
    retake.ok(&["mock", "set", "shop", "cors=true"]);
    let allowed = eventually("the setting is followed", || {
        let answer = send(&server, "GET", "/tea", PAGE);
        answer.field("access-control-allow-origin").is_some().then_some(answer)
    });
    assert_eq!(allowed.field("access-control-allow-origin"), Some("http://page.test"));
    assert!(allowed.field("access-control-expose-headers").unwrap().contains("x-kind"));
    assert_eq!(allowed.text(), "tea");
    let varies = allowed.head.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("vary"));
    assert_eq!(varies.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["Accept", "origin"]);
    let own = send(&server, "GET", "/own", PAGE);
    assert_eq!(own.field("access-control-allow-origin"), Some("http://one.test"));
    assert_eq!(own.field("vary"), None);
    let preflight = send(&server, "OPTIONS", "/tea", PREFLIGHT);
    assert_eq!(preflight.status(), 204);
    for (name, value) in [
        ("access-control-allow-origin", "http://page.test"),
        ("access-control-allow-methods", "PUT"),
        ("access-control-allow-headers", "x-a, x-b"),
    ] {
        assert_eq!(preflight.field(name), Some(value), "{name}");
    }
    assert_eq!(send(&server, "OPTIONS", "/asked", PREFLIGHT).field("x-recorded"), Some("yes"));
    assert_eq!(send(&server, "OPTIONS", "/tea", "").status(), 501, "that is no preflight");
    assert_eq!(send(&server, "GET", "/tea", "").field("access-control-allow-origin"), None);
    server.stop();
    retake.ok(&["mock", "set", "shop", "cors="]);
    let server = retake.replay(&["shop", "--cors"]);
    assert_eq!(send(&server, "GET", "/tea", PAGE).field("access-control-allow-origin"), Some("http://page.test"));
    server.stop();
}

#[test]
fn a_private_collection_wants_a_key_that_nobody_sees_again() {
    let retake = Retake::new();
    collection(&retake);
    let key = retake.ok(&["mock", "key", "create", "shop", "--name", "ci"]).trim().to_owned();
    assert!(key.starts_with("rtk_") && key.len() > 40, "{key}");
    let files = std::fs::read_to_string(retake.work().join("mocks/shop/collection.json")).unwrap();
    assert!(!files.contains(&key) && files.contains("blake3"));
    assert!(retake.ok(&["mock", "key", "list", "shop"]).starts_with("ci  "));
    let server = retake.replay(&["shop"]);
    assert_eq!(send(&server, "GET", "/tea", "").status(), 200, "it is public");
    retake.ok(&["mock", "set", "shop", "private=true"]);
    let refused = eventually("the setting is followed", || {
        let answer = send(&server, "GET", "/tea", "");
        (answer.status() == 401).then_some(answer)
    });
    assert!(refused.field("x-retake-error").is_some() && refused.text().contains("wants a key"), "{}", refused.text());
    assert_eq!(send(&server, "GET", "/tea", "X-Api-Key: rtk_wrong\r\n").status(), 401);
    // A page can read why.
    let bad_delay = format!("{PAGE}X-Api-Key: {key}\r\nx-mock-response-delay: soon\r\n");
    let bad_flag = format!("{PAGE}X-Api-Key: {key}\r\nx-mock-match-request-body: maybe\r\n");
    for (fields, status) in [(PAGE, 401), (bad_delay.as_str(), 400), (bad_flag.as_str(), 400)] {
        let answer = send(&server, "GET", "/tea", fields);
        assert_eq!(answer.status(), status);
        assert_eq!(answer.field("access-control-allow-origin"), Some("http://page.test"), "{status}");
        assert_eq!(answer.field("access-control-expose-headers"), Some("x-retake-error"), "{status}");
    }
    let with_key = send(&server, "GET", "/tea", &format!("X-API-Key: {key}\r\n"));
    assert_eq!((with_key.status(), with_key.field("x-retake-inexact")), (200, None));
    let in_query = send(&server, "GET", &format!("/tea?apikey={key}"), "");
    assert_eq!((in_query.status(), in_query.field("x-retake-inexact")), (200, None), "it is no part of the query");
    assert_eq!(send(&server, "GET", &format!("/none?a=1&apikey={key}"), "").status(), 501);
    let proxied = send(&server, "GET", "http://api.test/tea", "");
    assert_eq!(proxied.status(), 200, "a call through the proxy needs none");
    retake.ok(&["mock", "key", "revoke", "shop", "ci"]);
    eventually("a key that is revoked opens nothing", || {
        (send(&server, "GET", "/tea", &format!("X-API-Key: {key}\r\n")).status() == 401).then_some(())
    });
    let (_, said) = server.stop();
    assert!(!said.contains(&key));
    for entry in walk(retake.root()) {
        let content = std::fs::read(&entry).unwrap_or_default();
        assert!(memchr::memmem::find(&content, key.as_bytes()).is_none(), "{}", entry.display());
    }
}

#[test]
fn on_a_public_collection_a_key_is_ordinary_data() {
    let retake = Retake::new();
    collection(&retake);
    let server = retake.replay(&["shop"]);
    let answer = send(&server, "GET", "/tea?apikey=x", "");
    assert!(answer.field("x-retake-miss").is_some() || answer.field("x-retake-inexact").is_some());
    server.stop();
}

#[test]
fn settings_are_set_and_taken_back_and_slips_are_told() {
    let retake = Retake::new();
    collection(&retake);
    let manifest = || -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(retake.work().join("mocks/shop/collection.json")).unwrap()).unwrap()
    };
    retake.ok(&["mock", "set", "shop", "name=Shop", "profile=strict", "on-miss=pass", "cors=on", "delay=2g"]);
    assert_eq!(manifest()["name"], "Shop");
    assert_eq!(manifest()["settings"], json!({ "profile": "strict", "delay": "2g", "on_miss": "pass", "cors": true }));
    retake.ok(&["mock", "set", "shop", "profile=", "on-miss=", "cors=off", "delay="]);
    assert!(manifest().get("settings").is_none());
    for (pair, words) in [
        ("profle=strict", "did you mean `profile`?"),
        ("profile=exact", "profile=exact"),
        ("cors=maybe", "write true or false"),
        ("delay=soon", "`soon` is no delay"),
        ("cors", "write key=value"),
        ("name=", "a collection has a name"),
    ] {
        let ran = retake.run(&["mock", "set", "shop", pair]);
        assert!(ran.code == 2 && ran.stderr.contains(words), "{ran}");
    }
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => files.extend(walk(&entry.path())),
            false => files.push(entry.path()),
        }
    }
    files
}
