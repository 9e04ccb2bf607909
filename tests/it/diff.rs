//! `retake diff`: the report of a miss again, and its fix made, so that the call is a hit and no other is lost.

use serde_json::{Value, json};

use crate::harness::http::Client;
use crate::harness::{Retake, Server, eventually};

/// A collection `shop` with an endpoint for each way to miss.
fn shop(retake: &Retake) {
    let dir = retake.work().join("mocks/shop");
    write(&dir, "collection.json", &json!({"version": 1, "name": "shop", "origins": ["http://api.test"]}));
    let uuid = |last: u32| format!("0193f3a2-7c1e-7d30-9a55-2f6f0c1be{last:03}");
    let by_id = |name: &str, last: u32| {
        json!({"name": name, "request": {"query": [format!("order={}", uuid(last))]},
            "response": {"status": 200, "body": {"json": {"name": name}}}})
    };
    stub(&dir, "status", "GET", "/status", &json!([by_id("tea", 1), by_id("coffee", 2)]));
    let page = |name: &str, page: u32| json!({"name": name, "request": {"query": [format!("page={page}")]}, "response": {"status": 200, "body": {"text": name}}});
    stub(&dir, "list", "GET", "/list", &json!([page("one", 1), page("two", 2)]));
    let times = json!([{"name": "job", "responses": [{"status": 202, "times": 2}, {"status": 200}], "end": "miss"}]);
    stub(&dir, "job", "GET", "/job", &times);
    stub(&dir, "off", "GET", "/off", &json!([{"name": "off", "disabled": true, "response": {"status": 200}}]));
}

fn stub(dir: &std::path::Path, file: &str, method: &str, path: &str, scenarios: &Value) {
    let stub =
        json!({"version": 1, "method": method, "origin": "http://api.test", "path": path, "scenarios": scenarios});
    write(dir, &format!("stubs/{file}.json"), &stub);
}

fn write(dir: &std::path::Path, file: &str, content: &Value) {
    let path = dir.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("{content:#}\n")).unwrap();
}

fn get(server: &Server, path: &str) -> (u16, String) {
    let answer = Client::to(server).unwrap().get(path, "api.test").unwrap();
    (answer.status(), answer.text())
}

/// The newest miss, as soon as it is logged.
fn last(retake: &Retake, calls: usize) -> Value {
    eventually("the log is written", || {
        (retake.json(&["calls", "list", "--all", "--json"]).len() == calls).then_some(())
    });
    retake.json(&["diff", "last", "--json"]).remove(0)
}

#[test]
fn a_fix_waits_for_a_decision_and_makes_the_call_a_hit() {
    let retake = Retake::new();
    shop(&retake);
    let server = retake.replay(&["shop"]);
    let missed = "/status?order=0193f3a2-7c1e-7d30-9a55-2f6f0c1be999";
    let (status, text) = get(&server, missed);
    assert_eq!(status, 501);
    assert!(text.contains("--apply 1"), "{text}");
    let report = last(&retake, 1);
    let fix = &report["fixes"][0];
    assert_eq!(
        fix["title"],
        "in GET /status, take for the query's `order` any value that looks like a UUID and was not recorded"
    );
    let command = fix["command"].as_str().unwrap().strip_prefix("retake ").unwrap();
    assert!(command.ends_with(":1 --apply 1"), "{command}");
    let shown = retake.ok(&["diff", "last"]);
    assert_eq!(shown, retake.ok(&["diff", "call:1"]));
    assert!(shown.contains(&format!("retake {command}")), "{shown}");

    let applied = retake.run(&command.split(' ').collect::<Vec<_>>());
    assert_eq!(applied.code, 0, "{applied}");
    assert!(applied.stderr.contains("`retake review shop`"), "{applied}");
    assert_eq!(get(&server, missed).0, 501, "it waits");
    let waits = retake.json(&["review", "--list", "--json"]).remove(0);
    assert_eq!((&waits["from"], &waits["standing"]), (&"diff".into(), &"waits".into()), "{waits}");
    retake.ok(&["review", "--accept-all"]);
    eventually("the edit is served", || (get(&server, missed).0 == 200).then_some(()));
    for (order, name) in [("001", "tea"), ("002", "coffee"), ("999", "tea")] {
        let (status, text) = get(&server, &format!("/status?order=0193f3a2-7c1e-7d30-9a55-2f6f0c1be{order}"));
        assert!(status == 200 && text.contains(name), "{order}: {text}");
    }
    let again = retake.run(&["diff", "call:1", "--apply", "1"]);
    assert!(again.code == 0 && again.stdout.contains("it is so already"), "{again}");
    server.stop();
}

#[test]
fn each_fix_of_each_miss_works_at_once() {
    for (calls, path, then) in [
        (0, "/list?page=3", 200),
        (0, "/list?page=1&q=x&z=1", 200),
        (3, "/job", 200),
        (0, "/off", 200),
        (0, "/list/?page=1", 200),
    ] {
        let retake = Retake::new();
        shop(&retake);
        let server = retake.replay(&["shop"]);
        (0..calls).for_each(|_| drop(get(&server, path)));
        assert_eq!(get(&server, path).0, 501, "{path}");
        let report = last(&retake, calls + 1);
        server.stop();
        let all = report["fixes"].as_array().unwrap();
        let changes = all.iter().filter(|fix| fix.get("change").is_some());
        let numbers: Vec<String> = changes.map(|fix| fix["number"].to_string()).collect();
        assert!(!numbers.is_empty(), "{report:#}");
        for number in numbers {
            let fresh = Retake::new();
            shop(&fresh);
            copy(&retake, &fresh);
            let made = fresh.run(&["diff", "last", "--apply", &number, "--accept"]);
            assert_eq!(made.code, 0, "{path}, fix {number}: {made}");
            fresh.ok(&["mock", "check", "shop"]);
            let server = fresh.replay(&["shop"]);
            (0..calls).for_each(|_| drop(get(&server, path)));
            assert_eq!(get(&server, path).0, then, "{path}, fix {number}: {made}");
            assert_eq!(get(&server, "/list?page=1"), (200, "one".into()), "{path}, fix {number}");
            assert_eq!(get(&server, "/list?page=2"), (200, "two".into()), "{path}, fix {number}");
            server.stop();
        }
    }
}

/// Takes the runs of one machine to another, where the collections lie elsewhere.
fn copy(from: &Retake, to: &Retake) {
    for run in std::fs::read_dir(from.store().join("runs")).unwrap() {
        let run = run.unwrap();
        let target = to.store().join("runs").join(run.file_name());
        std::fs::create_dir_all(&target).unwrap();
        for file in ["run.json", "calls.jsonl"] {
            let text = std::fs::read_to_string(run.path().join(file)).unwrap();
            let text = text.replace(from.work().to_str().unwrap(), to.work().to_str().unwrap());
            std::fs::write(target.join(file), text).unwrap();
        }
    }
}

#[test]
fn what_names_no_miss_is_exit_code_2_with_the_candidates() {
    let retake = Retake::new();
    assert_eq!(retake.run(&["diff", "last"]).code, 2, "no run");
    shop(&retake);
    let server = retake.replay(&["shop"]);
    assert_eq!(get(&server, "/list?page=1").0, 200);
    assert_eq!(get(&server, "/list?page=3").0, 501);
    last(&retake, 2);
    for (args, words) in [
        (&["diff", "call:1"][..], "call:2 GET"),
        (&["diff", "9"], "call:2 GET"),
        (&["diff", "soon"], "call:2 GET"),
        (&["diff", "no-such-run:2"], "there is no run"),
        (&["diff", "last", "--apply", "99"], "its fixes:"),
        (&["diff", "last", "--accept"], "--apply"),
    ] {
        let ran = retake.run(args);
        assert!(ran.code == 2 && ran.stderr.contains(words), "{args:?}: {ran}");
    }
    let report = retake.json(&["diff", "last", "--json"]).remove(0);
    let record = report["fixes"].as_array().unwrap().iter().find(|fix| fix.get("change").is_none()).unwrap();
    let ran = retake.run(&["diff", "last", "--apply", &record["number"].to_string()]);
    assert!(ran.code == 2 && ran.stderr.contains("retake replay shop --on-miss record"), "{ran}");
    server.stop();
}

#[test]
fn a_fix_goes_into_the_collection_that_it_is_for_whatever_folders_are_called() {
    let retake = Retake::new();
    shop(&retake);
    let (first, second) = (retake.work().join("a/shop"), retake.work().join("b/shop"));
    let read = |dir: &std::path::Path| std::fs::read_to_string(dir.join("stubs/list.json")).unwrap();
    for (dir, host) in [(&first, "http://a.test"), (&second, "http://b.test")] {
        write(dir, "collection.json", &json!({"version": 1, "name": "shop", "origins": [host]}));
        let scenarios = json!([{"name": "one", "request": {"query": ["page=1"]}, "response": {"status": 200}}]);
        let stub = json!({"version": 1, "method": "GET", "origin": host, "path": "/list", "scenarios": scenarios});
        write(dir, "stubs/list.json", &stub);
    }
    let before = read(&first);
    let server = retake.replay(&["./a/shop", "./b/shop"]);
    let call = || Client::to(&server).unwrap().get("/list?page=2", "b.test").unwrap().status();
    assert_eq!(call(), 501);
    let report = last(&retake, 1);
    assert_eq!(
        (&report["fixes"][0]["collection"], &report["near"][0]["collection"]),
        (&json!("b/shop"), &json!("b/shop"))
    );
    retake.ok(&["diff", "last", "--apply", "1", "--accept"]);
    assert!(read(&second).contains("page=2"), "{}", read(&second));
    assert_eq!(read(&first), before);
    eventually("the edit is served", || (call() == 200).then_some(()));
}

#[test]
fn a_miss_can_be_asked_about_as_soon_as_it_is_answered() {
    let retake = Retake::new();
    shop(&retake);
    let server = retake.replay(&["shop"]);
    for call in 1..=20 {
        let path = format!("/nosuch/{call}");
        assert_eq!(get(&server, &path).0, 501);
        match call % 4 {
            0 => assert!(retake.ok(&["diff", "last"]).contains(&path)),
            1 => assert!(retake.ok(&["diff", &format!("call:{call}")]).contains(&path)),
            2 => assert!(retake.ok(&["calls", "--limit", "1"]).contains(&path)),
            _ => {
                let explained = retake.run(&["explain", "shop", &format!("call:{call}")]);
                assert!(explained.code == 3 && explained.stdout.contains(&path), "{explained}");
            }
        }
    }
}
