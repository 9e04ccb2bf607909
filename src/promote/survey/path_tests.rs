//! What several methods tell about the segments of one path.

use super::tests::{json, paths, promoted};
use crate::promote::Recorded;
use crate::promote::testing::exchange;

fn user(number: u64, method: &str, login: &str) -> Recorded {
    json(number, method, &format!("/users/{login}"), 200, &format!(r#"{{"login":"{login}","id":{number}}}"#))
}

fn bare(number: u64, method: &str, path: &str, status: u16) -> Recorded {
    exchange(number, method, &format!("https://shop.test{path}"), status)
}

#[track_caller]
fn check(more: &[Recorded], expected: &[&str]) {
    let traffic = [&[user(1, "GET", "octocat"), user(2, "GET", "torvalds")], more].concat();
    let mut found = paths(&promoted(&traffic));
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn methods_without_an_answer_body_follow_the_others_of_their_path() {
    let get = "GET /users/{login}";
    check(&[], &[get]);
    for (method, status) in [("HEAD", 200), ("DELETE", 204), ("OPTIONS", 200), ("PUT", 204)] {
        let same = format!("{method} /users/{{login}}");
        let mut expected = [get, &same];
        expected.sort_unstable();
        check(&[bare(3, method, "/users/octocat", status)], &expected);
        // However they are answered.
        check(&[bare(3, method, "/users/octocat", status), bare(4, method, "/users/torvalds", 302)], &expected);
        // A word that no answer speaks of stays what it is.
        let other = format!("{method} /users/me");
        let mut expected = [get, &other];
        expected.sort_unstable();
        check(&[bare(3, method, "/users/me", status)], &expected);
    }
    // What was not modified says nothing of the kind either.
    check(&[bare(0, "GET", "/users/octocat", 304).asking("If-None-Match", "\"a\"")], &[get]);
    let deleted = [bare(1, "DELETE", "/items/1", 204), bare(2, "DELETE", "/items/2", 204)];
    assert_eq!(paths(&promoted(&deleted)), ["DELETE /items/{item_id}"]);
}

#[test]
fn each_method_is_judged_by_its_own_answers() {
    let put = |number, login: &str, answer: &str| json(number, "PUT", &format!("/users/{login}"), 200, answer);
    let (get, same) = ("GET /users/{login}", "PUT /users/{login}");
    check(&[put(3, "torvalds", r#"{"ok":true}"#)], &[get, same]);
    check(&[put(3, "torvalds", r#"{"ok":true}"#), put(4, "octocat", r#"{"ok":true}"#)], &[get, same]);
    // Of different kinds: they are not put together, and the others are.
    let apart = [put(3, "torvalds", r#"{"ok":true}"#), put(4, "octocat", r#"["queued"]"#)];
    check(&apart, &[get, "PUT /users/octocat", "PUT /users/torvalds"]);
    let item = |number, method: &str, id: u64, answer: &str| json(number, method, &format!("/items/{id}"), 200, answer);
    let mut traffic: Vec<_> = (1..=3).map(|id| item(id, "GET", id, r#"{"name":"tea","price":3}"#)).collect();
    traffic.extend((1..=2).map(|id| item(3 + id, "PUT", id, r#"{"ok":true}"#)));
    traffic.push(item(6, "PUT", 3, r#"["queued"]"#));
    assert_eq!(paths(&promoted(&traffic)), ["GET /items/{item_id}", "PUT /items/3", "PUT /items/{item_id}"]);
}
