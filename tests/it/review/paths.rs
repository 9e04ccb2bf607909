//! A path pattern that a promotion is not sure of waits for a person.

use super::{Call, files, recorded, refused};
use crate::harness::http::through;
use crate::harness::{Retake, Server};

/// What a replay of `api` answers.
fn status(server: &Server, url: &str) -> u16 {
    through(server, url).unwrap().status()
}

/// One number, one word that its answer repeats, and a list: two of them may be ids.
fn promoted() -> Retake {
    let retake = Retake::new();
    let calls: [Call<'_>; 4] = [
        ("GET", "http://api.test/items/42", 200, r#"{"id": 42, "name": "tea"}"#),
        ("GET", "http://api.test/users/octocat", 200, r#"{"login": "octocat", "id": 1}"#),
        ("GET", "http://api.test/users", 200, r#"[{"login": "octocat", "id": 1}]"#),
        ("GET", "http://api.test/items/43", 200, r#"{"id": 43, "name": "pie"}"#),
    ];
    recorded(&retake, &calls);
    let ran = retake.run(&["promote", "1-3", "--into", "api", "--explain"]);
    assert!(ran.code == 0 && ran.stdout.contains("2 changes wait for a decision: `retake review api`"), "{ran}");
    for part in [
        "  ? GET /items/42 becomes /items/{item_id}\n",
        "      `42` is a number that its answer repeats as `id`\n",
        "  ? GET /users/octocat becomes /users/{login}\n",
        "        exchange 2: /users/octocat\n",
    ] {
        assert!(ran.stdout.contains(part), "`{part}`: {ran}");
    }
    retake
}

#[test]
fn a_path_that_may_be_a_pattern_waits_and_nothing_is_looser_until_then() {
    let retake = promoted();
    let api = retake.work().join("mocks/api");
    let stub = |name: &str| api.join("stubs/api.test").join(name).exists();
    assert!(stub("get-items-42.json") && stub("get-users-octocat.json"), "they stay literal");
    let after = files(&api);
    retake.ok(&["promote", "1-3", "--into", "api"]);
    assert_eq!(files(&api), after, "promoted again, not a byte changes");
    let again: [Call<'_>; 1] = [("GET", "http://api.test/users/octocat", 200, r#"{"login": "octocat", "id": 1}"#)];
    recorded(&retake, &again);
    retake.ok(&["promote", "5", "--into", "api"]);
    assert_eq!(files(&api), after, "nor when another day says the same");

    let waits = retake.json(&["review", "--list", "--json"]);
    let [item, user] = &waits[..] else { panic!("{waits:?}") };
    assert_eq!(item["title"], "GET /items/42 becomes /items/{item_id}");
    assert_eq!(item["why"], "`42` is a number that its answer repeats as `id`");
    assert_eq!(item["evidence"][0], "exchange 1: /items/42");
    assert_eq!(user["old"][0], "GET http://api.test/users/octocat");
    let id = |waits: &serde_json::Value| waits["id"].as_str().unwrap().to_owned();

    // One is accepted: its stub is another one from now on, and takes further items in.
    retake.ok(&["review", "--accept", &id(item)]);
    assert!(stub("get-items-{item_id}.json") && !stub("get-items-42.json"));
    // The other is refused, which is remembered.
    retake.ok(&["review", "--reject", &id(user)]);
    assert!(!api.join("pending").exists());
    let decided = files(&api);
    let again = retake.run(&["promote", "1-3", "--into", "api"]);
    assert!(again.stdout.contains("no file changes") && !again.stdout.contains("wait"), "{again}");
    assert_eq!(files(&api), decided);

    let replay = retake.replay(&["api"]);
    let found = ["items/42", "items/43", "users/octocat", "users/torvalds"]
        .map(|path| status(&replay, &format!("http://api.test/{path}")));
    assert_eq!(found, [200, 501, 200, 501], "values in paths are compared as before");
    replay.stop();
    retake.ok(&["promote", "4", "--into", "api"]);
    let text = std::fs::read_to_string(api.join("stubs/api.test/get-items-{item_id}.json")).unwrap();
    assert!(text.contains("\"item_id\": \"42\"") && text.contains("\"item_id\": \"43\""), "{text}");
    retake.ok(&["mock", "check", "api"]);
}

#[test]
fn one_change_of_two_collections_is_decided_at_once() {
    let retake = promoted();
    retake.ok(&["promote", "1-3", "--into", "other"]);
    let waits = retake.json(&["review", "--list", "--json"]);
    assert_eq!(waits.len(), 4);
    assert_eq!(waits[0]["id"], waits[2]["id"], "{waits:?}");
    let id = waits[0]["id"].as_str().unwrap();
    refused(&retake.run(&["review", "--accept", id, "--reject", id]), 2, &["to be decided twice"]);
    let told = retake.run(&["review", "--accept", id]);
    assert!(told.stderr.contains("accepted in api: ") && told.stderr.contains("accepted in other: "), "{told}");
    let pending = retake.work().join("mocks/api/pending");
    let left: Vec<_> = std::fs::read_dir(&pending).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [left] = &left[..] else { panic!("{left:?}") };
    let text = std::fs::read(left).unwrap();
    assert!(retake.ok(&["review", "--accept-all"]).is_empty());
    assert!(retake.json(&["review", "--list", "--json"]).is_empty());
    // What is so already is no reason to fail in CI.
    std::fs::create_dir_all(&pending).unwrap();
    std::fs::write(left, text).unwrap();
    let output = retake.command(&["review"]).env("CI", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn what_waits_about_a_path_grows_with_the_calls() {
    let retake = promoted();
    let api = retake.work().join("mocks/api");
    retake.ok(&["promote", "4", "--into", "api"]);
    let waits = retake.json(&["review", "--list", "--json"]);
    assert_eq!(waits.len(), 2, "a newer one takes the place of the older");
    let item = waits.iter().find(|waits| waits["change"]["path"] == "/items/{item_id}").unwrap();
    assert_eq!(item["title"], "2 stubs become one, /items/{item_id}");
    let after = files(&api);
    retake.ok(&["promote", "4", "--into", "api"]);
    assert_eq!(files(&api), after);
    // In CI a promotion leaves nothing waiting, and what waits is an error.
    let output = retake.command(&["review", "--accept-all"]).env("CI", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    retake.ok(&["review", "--accept-all"]);
    let replay = retake.replay(&["api"]);
    assert_eq!(
        ["items/42", "items/43", "users/octocat"].map(|path| status(&replay, &format!("http://api.test/{path}"))),
        [200; 3]
    );
    replay.stop();
    let decided = files(&api);
    retake.ok(&["promote", "1-4", "--into", "api"]);
    assert_eq!(files(&api), decided);
    refused(&retake.run(&["review", "--accept", item["id"].as_str().unwrap()]), 2, &["no change"]);
}
