//! What is done to a replay while it runs: edits of its files, server stubs, its state.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::http::{Answer, Client};
use crate::harness::{Retake, Server, eventually};

fn collection(retake: &Retake) -> PathBuf {
    let dir = retake.work().join("mocks/shop");
    write(&dir.join("collection.json"), &json!({ "version": 1, "name": "shop", "origins": ["http://api.test"] }));
    stub(&dir, "tea", &json!([{ "name": "tea", "response": answer("tea 1") }]));
    stub(&dir, "job", &json!([{ "name": "job", "responses": [answer("a"), answer("b"), answer("c")] }]));
    dir
}

fn answer(text: &str) -> Value {
    json!({ "status": 200, "fields": [format!("X-Text: {text}")], "body": { "text": text } })
}

fn stub(dir: &Path, name: &str, scenarios: &Value) {
    let stub = json!({
        "version": 1, "method": "GET", "origin": "http://api.test", "path": format!("/{name}"), "scenarios": scenarios });
    write(&dir.join(format!("stubs/{name}.json")), &stub);
}

/// As editors write: whole, beside, then renamed.
fn write(path: &Path, content: &Value) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let beside = path.with_extension("tmp");
    std::fs::write(&beside, content.to_string()).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

fn get(server: &Server, path: &str) -> Answer {
    Client::to(server).unwrap().get(path, "api.test").unwrap()
}

fn serves(server: &Server, path: &str, text: &str) {
    eventually(&format!("{path} gives {text}"), || (get(server, path).text() == text).then_some(()));
}

#[test]
fn edits_are_served_bad_ones_are_told_and_places_in_sequences_stay() {
    let retake = Retake::new();
    let dir = collection(&retake);
    let server = retake.replay(&["shop"]);
    assert_eq!(get(&server, "/tea").text(), "tea 1");
    assert_eq!(get(&server, "/job").text(), "a");
    stub(&dir, "tea", &json!([{ "name": "tea", "response": answer("tea 2") }]));
    serves(&server, "/tea", "tea 2");
    assert_eq!(get(&server, "/job").text(), "b", "the sequence goes on where it was");

    std::fs::write(dir.join("stubs/tea.json"), "{ not json").unwrap();
    let trouble = eventually("a bad edit is told", || {
        let state = retake.json(&["state", "list", "--json"]).remove(0);
        state["edits"]["trouble"][0].as_str().map(str::to_owned)
    });
    assert!(trouble.starts_with("shop/stubs/tea.json:1: is no JSON"), "{trouble}");
    assert_eq!(get(&server, "/tea").text(), "tea 2", "the last good one");
    assert!(retake.ok(&["state"]).contains("the files as they are now cannot be served"));
    let calls = eventually("the call log has it", || {
        let calls = retake.json(&["calls", "list", "--all", "--json"]);
        calls.iter().any(|call| call["method"] == "EDIT").then_some(calls)
    });
    let told = calls.iter().find(|call| call["method"] == "EDIT").unwrap();
    assert_eq!(told["differences"][0], trouble);

    stub(&dir, "tea", &json!([{ "name": "tea", "response": answer("tea 3") }]));
    stub(&dir, "new", &json!([{ "name": "new", "response": answer("new") }]));
    serves(&server, "/tea", "tea 3");
    serves(&server, "/new", "new");
    assert_eq!(get(&server, "/job").text(), "c");
    stub(&dir, "job", &json!([{ "name": "job", "responses": [answer("A"), answer("B")] }]));
    serves(&server, "/job", "A");
    assert_eq!(get(&server, "/job").text(), "B", "another number of steps begins anew");
    std::fs::remove_file(dir.join("stubs/new.json")).unwrap();
    eventually("what is gone is gone", || (get(&server, "/new").status() == 501).then_some(()));
    let (_, said) = server.stop();
    assert!(said.contains("shop/stubs/tea.json:1: is no JSON"), "{said}");
    assert!(said.contains("while they were served"), "{said}");
}

#[test]
fn counts_stay_when_an_edit_gives_scenarios_longer_names() {
    let retake = Retake::new();
    let dir = collection(&retake);
    let server = retake.replay(&["shop", "--fail-unused", "--report", "json=receipt.json"]);
    assert_eq!(get(&server, "/tea").text(), "tea 1");
    assert_eq!(get(&server, "/job").text(), "a");
    let head = || {
        let mut client = Client::to(&server).unwrap();
        client.send(b"HEAD /tea HTTP/1.1\r\nHost: api.test\r\n\r\n").unwrap();
        assert!(client.answer("HEAD").unwrap().field("x-retake-inexact").is_some());
    };
    head();
    // With two origins scenarios are named with theirs.
    retake.ok(&["mock", "stub", "add", "shop", "GET", "http://other.test/x"]);
    let state = eventually("the edit is served", || {
        let state = retake.json(&["state", "list", "--json"]).remove(0);
        (state["edits"]["taken"].as_u64() > Some(0)).then_some(state)
    });
    let job = &state["cursors"][0]["sequences"][0];
    assert_eq!(
        (&job["scenario"], &job["answered"]),
        (&"shop: GET http://api.test/job#job".into(), &1.into()),
        "{state}"
    );
    assert_eq!(get(&server, "/job").text(), "b", "the sequence goes on where it was");
    head();
    let (code, said) = server.stop();
    assert_eq!(code, 0, "{said}");
    let receipt: Value = serde_json::from_slice(&std::fs::read(retake.work().join("receipt.json")).unwrap()).unwrap();
    assert_eq!(receipt.get("unused"), None, "{receipt}");
    assert_eq!(receipt["answered"].as_array().unwrap().len(), 2, "{receipt}");
    let inexact = receipt["inexact_hits"].as_array().unwrap();
    assert_eq!((inexact.len(), &inexact[0]["count"]), (1, &2.into()), "{receipt}");
    assert_eq!(inexact[0]["scenario"], "shop: GET http://api.test/tea#tea");
    assert!(dir.join("stubs/other.test").exists());
}

#[test]
fn a_folder_that_is_replaced_as_a_whole_is_followed() {
    let retake = Retake::new();
    let dir = collection(&retake);
    let server = retake.replay(&["shop"]);
    std::fs::rename(&dir, retake.work().join("aside")).unwrap();
    collection(&retake);
    stub(&dir, "tea", &json!([{ "name": "tea", "response": answer("tea 9") }]));
    serves(&server, "/tea", "tea 9");
    stub(&dir, "tea", &json!([{ "name": "tea", "response": answer("tea 10") }]));
    serves(&server, "/tea", "tea 10");
    // Removed and made again at once, it may get its old inode.
    for number in 11..20 {
        std::fs::remove_dir_all(&dir).unwrap();
        collection(&retake);
        for text in [format!("tea {number}"), format!("tea {number} again")] {
            stub(&dir, "tea", &json!([{ "name": "tea", "response": answer(&text) }]));
            serves(&server, "/tea", &text);
        }
    }
    server.stop();
}

#[test]
fn folders_that_come_are_renamed_and_go_are_followed() {
    let retake = Retake::new();
    let dir = collection(&retake);
    let server = retake.replay(&["shop"]);
    let cup = |text: &str| json!([{ "name": "cup", "response": answer(text) }]);
    // One folder in the other, so that the inner one is there before the outer one is known.
    for (place, text) in [("one/two/cup", "cup 1"), ("one/two/cup", "cup 2")] {
        move_stub(&dir, place, &cup(text));
        serves(&server, "/cup", text);
    }
    std::fs::rename(dir.join("stubs/one"), dir.join("stubs/eins")).unwrap();
    std::fs::create_dir(dir.join("stubs/one")).unwrap();
    for text in ["cup 3", "cup 4"] {
        move_stub(&dir, "eins/two/cup", &cup(text));
        serves(&server, "/cup", text);
    }
    // Away and back at once: another name is no other folder.
    let (here, there) = (dir.join("stubs/eins"), dir.join("stubs/drei"));
    std::fs::rename(&here, &there).unwrap();
    std::fs::rename(&there, &here).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    for text in ["cup 5", "cup 6"] {
        move_stub(&dir, "eins/two/cup", &cup(text));
        serves(&server, "/cup", text);
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    std::fs::remove_dir_all(dir.join("stubs/eins")).unwrap();
    eventually("the stub is gone", || (get(&server, "/cup").status() == 501).then_some(()));
    move_stub(&dir, "eins/two/cup", &cup("cup 7"));
    serves(&server, "/cup", "cup 7");
    server.stop();
}

/// Writes the stub of `/cup` at a place below `stubs/`.
fn move_stub(dir: &Path, place: &str, scenarios: &Value) {
    stub(dir, "cup", scenarios);
    let to = dir.join(format!("stubs/{place}.json"));
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::rename(dir.join("stubs/cup.json"), to).unwrap();
}

#[test]
fn state_is_listed_set_and_reset_from_outside() {
    let retake = Retake::new();
    crate::state::shop(&retake);
    let none = retake.run(&["state", "list"]);
    assert_eq!(none.code, 1, "{none}");
    let server = retake.replay(&["shop", "--cursor", "header:X-Test-Id"]);
    let call = |path: &str, test: &str| {
        let mut client = Client::to(&server).unwrap();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: api.test\r\nX-Test-Id: {test}\r\n\r\n").as_bytes()).unwrap();
        client.answer("GET").unwrap().text()
    };
    assert_eq!(call("/job", "a"), "running");
    assert_eq!(call("/orders/77", "a"), "tea");
    let state = retake.json(&["state", "list", "--json", "--cursor", "a"]).remove(0);
    assert_eq!(state["by"], "header:x-test-id");
    let cursor = &state["cursors"][0];
    assert_eq!(
        cursor["sequences"][0],
        json!({ "scenario": "shop: GET /job#job", "answered": 1, "next": 1, "steps": 2 })
    );
    assert_eq!(cursor["fresh"][0], json!({ "collection": "shop", "value": "77", "recorded": "1001" }));
    retake.ok(&["state", "set", "GET /job#job", "2", "--cursor", "a"]);
    retake.ok(&["state", "set", "cart", "full", "--cursor", "b"]);
    assert_eq!((call("/job", "a").as_str(), call("/job", "b").as_str()), ("done", "running"));
    assert_eq!((call("/cart", "a").as_str(), call("/cart", "b").as_str()), ("empty", "full"));
    let shown = retake.ok(&["state"]);
    assert!(shown.contains("cursor b") && shown.contains("shop: cart is in the state full"), "{shown}");
    retake.ok(&["state", "reset", "--cursor", "b"]);
    assert_eq!((call("/cart", "b").as_str(), call("/job", "a").as_str()), ("empty", "running"));
    retake.ok(&["state", "reset"]);
    assert_eq!((call("/job", "a").as_str(), call("/orders/78", "a").as_str()), ("running", "tea"));
    for (bad, words) in [
        (&["state", "set", "car", "full"][..], "did you mean `cart`?"),
        (&["state", "set", "cart", "fll"], "it knows full, start"),
        (&["state", "set", "GET /job#job", "7"], "write 1 to 2"),
        (&["state", "list", "--cursor", "nobody"], "no call has named the cursor"),
        (&["state", "reset", "--cursor", "nobody"], "no call has named the cursor"),
        (&["state", "list", "--run", "x"], "is not running"),
    ] {
        let ran = retake.run(bad);
        assert!(ran.code == 2 && ran.stderr.contains(words), "{ran}");
    }
    let socket = std::fs::read_dir(retake.root().join("run/retake")).unwrap().flatten().next().unwrap();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    server.stop();
    assert!(!socket.path().exists());
}

#[test]
fn a_server_stub_answers_everything_while_it_is_active() {
    let retake = Retake::new();
    let dir = collection(&retake);
    let add = ["mock", "server-stub", "add", "shop", "down", "-R", "Retry-After: 9", "-b", "back soon"];
    retake.ok(&add);
    assert_eq!(retake.run(&add).code, 2, "there already");
    let server = retake.replay(&["shop"]);
    assert_eq!(get(&server, "/tea").status(), 200);
    retake.ok(&["mock", "activate", "shop", "down", "--running"]);
    for path in ["/tea", "/nothing"] {
        let answer = get(&server, path);
        assert_eq!((answer.status(), answer.text().as_str()), (503, "back soon"));
        assert_eq!(answer.field("retry-after"), Some("9"));
    }
    assert!(retake.ok(&["state"]).contains("shop: server stub down answers every call"));
    assert!(!std::fs::read_to_string(dir.join("collection.json")).unwrap().contains("active"));
    retake.ok(&["mock", "activate", "shop", "none", "--running"]);
    assert_eq!(get(&server, "/tea").status(), 200);
    server.stop();

    let server = retake.replay(&["shop"]);
    retake.ok(&["mock", "activate", "shop", "down"]);
    eventually("the file is followed", || (get(&server, "/tea").status() == 503).then_some(()));
    retake.ok(&["mock", "activate", "shop", "none"]);
    serves(&server, "/tea", "tea 1");
    let ran = retake.run(&["mock", "activate", "shop", "dwn"]);
    assert!(ran.code == 2 && ran.stderr.contains("did you mean `down`?"), "{ran}");
    let ran = retake.run(&["mock", "activate", "shop", "dwn", "--running"]);
    assert!(ran.code == 2 && ran.stderr.contains("did you mean `down`?"), "{ran}");
    server.stop();
    assert_eq!(retake.run(&["mock", "activate", "shop", "down", "--running"]).code, 1, "nothing runs");
}

#[test]
fn a_server_stub_that_was_just_added_can_be_activated_in_a_running_replay() {
    let retake = Retake::new();
    collection(&retake);
    let server = retake.replay(&["shop"]);
    for (at, status) in (500..508).enumerate() {
        let name = format!("down-{at}");
        retake.ok(&["mock", "server-stub", "add", "shop", &name, "--status", &status.to_string()]);
        retake.ok(&["mock", "activate", "shop", &name, "--running"]);
        assert_eq!(get(&server, "/tea").status(), status);
    }
}

/// Each answer says its version three times: in two fields and in its body.
#[test]
fn no_answer_is_torn_while_files_change() {
    let retake = Retake::new();
    let dir = collection(&retake);
    let version = |number: usize| {
        let text = format!("version {number} ").repeat(200);
        json!({ "status": 200, "fields": [format!("X-One: {number}"), format!("X-Two: {number}")], "body": { "text": text } })
    };
    stub(&dir, "torn", &json!([{ "name": "torn", "response": version(0) }]));
    let server = retake.replay(&["shop", "--quiet"]);
    let (requests, connections) = (10_000, 64);
    let (asked, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let seen: std::collections::BTreeSet<usize> = std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1.. {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                stub(&dir, "torn", &json!([{ "name": "torn", "response": version(number) }]));
                if number % 5 == 0 {
                    std::fs::write(dir.join("stubs/tea.json"), "{").unwrap();
                    stub(&dir, "tea", &json!([{ "name": "tea", "response": answer("tea") }]));
                }
                std::thread::sleep(std::time::Duration::from_millis(45));
            }
        });
        let ask = || {
            let mut client = Client::to(&server).unwrap();
            let mut seen = Vec::new();
            while asked.fetch_add(1, Ordering::Relaxed) < requests {
                let answer = client.get("/torn", "api.test").unwrap();
                assert_eq!(answer.status(), 200);
                let number: usize = answer.field("x-one").unwrap().parse().unwrap();
                assert_eq!(answer.field("x-two").unwrap(), number.to_string());
                assert_eq!(answer.text(), format!("version {number} ").repeat(200));
                seen.push(number);
            }
            seen
        };
        let clients: Vec<_> = (0..connections).map(|_| scope.spawn(ask)).collect();
        let ended: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        // Before one that failed ends the test, which waits for the edits.
        over.store(true, Ordering::Relaxed);
        ended.into_iter().flat_map(|seen| seen.unwrap()).collect()
    });
    eventually("an edit was taken over", || {
        let state = retake.json(&["state", "list", "--json"]).remove(0);
        (state["edits"]["taken"].as_u64() > Some(0)).then_some(())
    });
    println!("{requests} requests saw {} versions", seen.len());
    server.stop();
}
