//! What becomes of calls that nothing matches: they fail without a socket, or go on to their origin, recorded or not.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::http::{Answer, Client};
use crate::harness::{Origin, Retake, Server, clients, eventually, skip};

/// A collection over an origin: `/json` answers otherwise than the origin, `/kept` never leaves, `/twice` is used up
/// after one call, `/once` too, and goes nowhere then.
fn collection(retake: &Retake, origin: &str, settings: Value) {
    let dir = retake.work().join("mocks/shop");
    std::fs::create_dir_all(dir.join("stubs")).unwrap();
    let write = |name: &str, content: Value| std::fs::write(dir.join(name), content.to_string()).unwrap();
    write("collection.json", json!({ "version": 1, "name": "shop", "origins": [origin], "settings": settings }));
    let mock = json!({ "status": 200, "body": { "text": "mocked" } });
    let stub = |path: &str, members: Value| {
        let mut stub = json!({ "version": 1, "method": "GET", "origin": origin, "path": path });
        let members = members.as_object().unwrap().clone();
        stub.as_object_mut().unwrap().extend(members);
        write(&format!("stubs/{}.json", &path[1..]), stub);
    };
    let ends = |end: &str| json!({ "scenarios": [{ "name": "it", "responses": [mock], "end": end }] });
    stub("/json", json!({ "scenarios": [{ "name": "it", "response": mock }] }));
    stub(
        "/search",
        json!({ "on_miss": "fail", "scenarios": [{ "name": "it", "request": { "query": ["a=1"] }, "response": mock }] }),
    );
    stub("/text", ends("pass"));
    stub("/pretty", ends("miss"));
}

fn proxied(server: &Server, origin: &Origin, path: &str) -> Answer {
    let host = origin.address.to_string();
    Client::to(server).unwrap().get(&format!("http://{host}{path}"), &host).unwrap()
}

fn receipt(retake: &Retake) -> Value {
    serde_json::from_slice(&std::fs::read(retake.work().join("receipt.json")).unwrap()).unwrap()
}

#[test]
fn misses_pass_to_their_origin_where_that_is_allowed() {
    let (retake, origin) = (Retake::new(), Origin::plain());
    let url = format!("http://{}", origin.address);
    collection(&retake, &url, json!({}));
    let server = retake.replay(&["shop", "--on-miss", "pass", "--report", "json=receipt.json"]);
    let is_miss = |answer: &Answer| answer.field("x-retake-miss").is_some();
    assert_eq!(proxied(&server, &origin, "/json").text(), "mocked");
    let direct = Client::connect(origin.address).unwrap().get("/odd", "a").unwrap();
    let passed = proxied(&server, &origin, "/odd");
    assert_eq!((passed.status(), &passed.body), (200, &direct.body));
    assert_eq!(passed.field("content-type"), direct.field("content-type"));
    assert_eq!(proxied(&server, &origin, "/redirect").field("location"), Some("/json"));
    assert!(is_miss(&proxied(&server, &origin, "/search?a=2")), "the stub says fail");
    assert_eq!(proxied(&server, &origin, "/text").text(), "mocked");
    assert!(!is_miss(&proxied(&server, &origin, "/text")), "used up, and goes on");
    assert_eq!(proxied(&server, &origin, "/pretty").text(), "mocked");
    assert!(is_miss(&proxied(&server, &origin, "/pretty")), "used up, and goes nowhere");
    // A plain call that names its origin; a body; a stream.
    let mut client = Client::to(&server).unwrap();
    let target = format!("/@{}/echo", origin.address);
    let body = "{\"a\":\"é\"}";
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: me\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.send(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
    let echoed = client.answer("POST").unwrap();
    assert!(echoed.status() == 200 && echoed.text().contains('é'), "{}", echoed.text());
    assert_eq!(proxied(&server, &origin, "/stream/100000").body.len(), 100_000);
    assert_eq!(proxied(&server, &origin, "/bytes/3000000").body.len(), 3_000_000);
    let calls = retake.json(&["calls", "list", "--all", "--json"]);
    let odd = calls.iter().find(|call| call["url"].as_str().unwrap().ends_with("/odd")).unwrap();
    assert_eq!((odd["result"].as_str(), odd["status"].as_u64()), (Some("passed"), Some(200)));
    let (code, said) = server.stop();
    assert_eq!(code, 3, "two missed: {said}");
    let receipt = receipt(&retake);
    assert_eq!((receipt["missed"].as_u64(), receipt["passed"].as_u64()), (Some(2), Some(6)), "{receipt}");
    assert!(receipt["upstream_sockets"].as_u64() > Some(0));
    assert!(said.contains("6 calls passed on to their origins"), "{said}");
    assert!(!retake.store().join("journal").exists(), "nothing was recorded");
}

#[test]
fn the_last_word_has_the_command_line_and_each_host_its_own() {
    let (retake, origin) = (Retake::new(), Origin::plain());
    let url = format!("http://{}", origin.address);
    collection(&retake, &url, json!({ "on_miss": "pass" }));
    for (args, missed) in [
        (&[][..], 0),
        (&["--on-miss", "fail"], 1),
        (&["--on-miss", "127.0.0.1=fail"], 1),
        (&["--on-miss", "fail", "--on-miss", "127.0.0.1=pass"], 0),
    ] {
        let server = retake.replay(&[&["shop", "--report", "json=receipt.json"], args].concat());
        let answer = proxied(&server, &origin, "/odd");
        assert_eq!(answer.field("x-retake-miss").is_some(), missed == 1, "{args:?}");
        let (_, said) = server.stop();
        let is_warned = said.contains("what misses may go on to its origin: shop has `on_miss` pass");
        assert_eq!(is_warned, !args.contains(&"fail"), "{args:?}: {said}");
        assert_eq!(said.contains("every call went on to its origin: a run to which"), missed == 0, "{args:?}: {said}");
        let receipt = receipt(&retake);
        assert_eq!(receipt["missed"].as_u64(), Some(missed), "{args:?}");
        assert_eq!(receipt["upstream_sockets"].as_u64(), Some(1 - missed), "{args:?}");
    }
    let bad = retake.run(&["replay", "shop", "--on-miss", "forward"]);
    assert!(bad.code == 2 && bad.stderr.contains("`forward` is not fail, pass or record"), "{bad}");
}

#[test]
fn recording_is_no_fix_where_the_run_records_already() {
    let (retake, origin) = (Retake::new(), Origin::plain());
    let url = format!("http://{}", origin.address);
    collection(&retake, &url, json!({}));
    for (args, fixes) in [(&[][..], 2), (&["--on-miss", "record"][..], 0)] {
        let server = retake.replay(&[&["shop"], args].concat());
        let plain = Client::to(&server).unwrap().get("/odd", &server.address().to_string()).unwrap();
        let told = plain.text() + &proxied(&server, &origin, "/search?a=2").text();
        assert_eq!(told.matches("--on-miss record").count(), fixes, "{told}");
        let in_the_way = ["names no origin", "once stubs/search.json no longer says"];
        assert!(in_the_way.iter().all(|words| told.contains(words) == (fixes > 0)), "{told}");
        server.stop();
    }
}

#[test]
fn a_call_to_which_no_answer_came_is_told_apart() {
    let (retake, origin) = (Retake::new(), Origin::plain());
    let host = origin.address.to_string();
    collection(&retake, &format!("http://{host}"), json!({}));
    drop(origin);
    for how in ["pass", "record"] {
        let server = retake.replay(&["shop", "--on-miss", how, "--report", "json=receipt.json"]);
        let ask = |path: &str| Client::to(&server).unwrap().get(&format!("http://{host}{path}"), &host).unwrap();
        assert_eq!((ask("/json").text().as_str(), ask("/odd").status()), ("mocked", 502));
        let calls = eventually("both calls are logged", || {
            let calls = retake.json(&["calls", "list", "--json"]);
            (calls.len() == 2).then_some(calls)
        });
        assert!(calls[0]["differences"][0].as_str().unwrap().starts_with("passed on, without an answer"), "{calls:?}");
        let (_, said) = server.stop();
        assert!(said.contains("1 call passed on to their origins, 1 of them without an answer"), "{said}");
        assert_eq!(receipt(&retake)["unanswered"], 1, "{how}");
    }
}

#[test]
fn what_was_missing_is_recorded() {
    let (retake, origin) = (Retake::new(), Origin::plain());
    let url = format!("http://{}", origin.address);
    collection(&retake, &url, json!({}));
    let server = retake.replay(&["shop", "--on-miss", "record"]);
    assert_eq!(proxied(&server, &origin, "/json").text(), "mocked");
    assert_eq!(proxied(&server, &origin, "/odd").status(), 200);
    // The log is written beside the answers, several times a second.
    eventually("both calls are logged", || (retake.json(&["calls", "list", "--json"]).len() == 2).then_some(()));
    let rows = retake.json(&["history", "list", "--json"]);
    assert_eq!(rows.len(), 1, "only what missed");
    let url = rows[0]["url"].as_str().unwrap().to_owned();
    assert!(url.ends_with("/odd"), "{url}");
    let (code, said) = server.stop();
    assert_eq!(code, 0, "{said}");
    let run = std::fs::read_dir(retake.store().join("runs")).unwrap().next().unwrap().unwrap();
    let tag = format!("miss:{}", run.file_name().to_str().unwrap());
    assert_eq!(retake.json(&["history", "list", "--json", "--tag", &tag]).len(), 1);
    retake.ok(&["promote", "--tag", &tag, "--into", "shop"]);
    let server = retake.replay(&["shop"]);
    drop(origin);
    let again = Client::to(&server).unwrap().get(&url, "a").unwrap();
    assert_eq!(again.status(), 200, "{}", again.text());
    server.stop();
    let recorder = retake.record(&[]);
    let second = retake.run(&["replay", "shop", "--on-miss", "record", "--listen", "127.0.0.1:0"]);
    assert!(second.code == 1 && second.stderr.contains("misses are to be recorded"), "{second}");
    recorder.stop();
}

#[test]
fn a_placeholder_that_leaves_is_told_of_and_its_refusal_is_no_scenario() {
    let origin = Origin::service(false, |head, _| {
        let builder = http::Response::builder();
        let is_authorized = head.headers.contains_key("authorization");
        let status = match head.uri.path() {
            "/token" => 400,
            "/me" => 401,
            _ if is_authorized => 401,
            _ => 200,
        };
        builder.status(status).body(crate::harness::origin::full("it")).unwrap()
    });
    let retake = Retake::new();
    collection(&retake, &format!("http://{}", origin.address), json!({}));
    let server = retake.replay(&["shop", "--on-miss", "record"]);
    let host = origin.address.to_string();
    let mut client = Client::to(&server).unwrap();
    let authorized = |path: &str| {
        format!(
            "GET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer retake-secret-abcdefghij\r\n\r\n"
        )
    };
    for path in ["/one", "/two", "/me", "/me"] {
        client.send(authorized(path).as_bytes()).unwrap();
        assert_eq!(client.answer("GET").unwrap().status(), 401);
    }
    assert_eq!(proxied(&server, &origin, "/three").status(), 200);
    assert_eq!(proxied(&server, &origin, "/me").status(), 401, "refused for what it lacks");
    for token in ["retake-refresh_token-abcdefghij", "none"] {
        let body = format!("grant_type=refresh_token&refresh_token={token}");
        let head = format!(
            "POST http://{host}/token HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        client.send(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
        assert_eq!(client.answer("POST").unwrap().status(), 400);
    }
    let calls = eventually("all calls are logged", || {
        let calls = retake.json(&["calls", "list", "--all", "--json"]);
        (calls.len() == 8).then_some(calls)
    });
    let mut places: Vec<String> = calls.iter().map(|call| call["placeholder"].to_string()).collect();
    places.sort();
    let field = json!({ "field": "Authorization" }).to_string();
    assert_eq!(places, ["\"body\"", "null", "null", "null", &field, &field, &field, &field]);
    let (_, said) = server.stop();
    assert_eq!(
        said.matches("gets a placeholder of the mock in place of a secret (Authorization)").count(),
        1,
        "{said}"
    );
    let promoted = retake.run(&["promote", "--misses", "--into", "shop"]);
    assert!(
        promoted.code == 0 && promoted.stderr.contains("left out: 5 exchanges that the origin refused"),
        "{promoted}"
    );
    let stubs = retake.json(&["mock", "list", "shop", "--json"]);
    let text = serde_json::to_string(&stubs).unwrap();
    assert!(text.contains("/three") && !text.contains("/one"), "{text}");
    for (stub, status) in [("get-me", 401), ("post-token", 400)] {
        let path = retake.work().join(format!("mocks/shop/stubs/{}/{stub}.json", host.replace(':', "+")));
        let content: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let [scenario] = content["scenarios"].as_array().unwrap().as_slice() else { panic!("{content}") };
        assert_eq!(scenario["response"]["status"], status, "{content}");
    }
}

/// The proof: a network namespace with a loopback interface and no route to anywhere.
#[test]
fn a_replay_serves_where_there_is_no_network_at_all() {
    let inside = ["unshare", "-rn", "sh", "-c", "ip link set lo up && ! ip route get 192.0.2.1"];
    if !clients::runs(&inside) || !clients::runs(&["curl", "--version"]) {
        return skip("replay without a network", "unshare, ip or curl is missing, or user namespaces are not allowed");
    }
    let retake = Retake::new();
    collection(&retake, "http://api.test", json!({}));
    let binary = env!("CARGO_BIN_EXE_retake");
    let calls = "curl -sS --max-time 20 http://api.test/json && curl -sS --max-time 20 -o /dev/null -w %{http_code} http://api.test/odd";
    let script =
        format!("ip link set lo up && exec '{binary}' replay shop --report json=receipt.json -- sh -c '{calls}'");
    let mut command = Command::new("unshare");
    retake.furnish(&mut command);
    let ran = command.args(["-rn", "sh", "-c", &script]).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "mocked501", "{said}");
    assert_eq!(ran.status.code(), Some(3), "{said}");
    let receipt = receipt(&retake);
    assert_eq!((receipt["served"].as_u64(), receipt["missed"].as_u64()), (Some(1), Some(1)));
    assert_eq!(receipt["upstream_sockets"].as_u64(), Some(0));
}
