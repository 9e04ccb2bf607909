//! The endpoint is known; the query or a field of the call is another.

use serde_json::json;

use super::case::{Case, call, scenario, stub};

pub fn cases() -> Vec<Case> {
    let list = || {
        let page = |name: &str, page: &str| scenario(name, json!({ "query": [page, "sort=name"] }));
        [stub("GET", "/orders", [page("page-1", "page=1"), page("page-2", "page=2")])]
    };
    let reads = |fields: [&str; 1]| [stub("GET", "/profile", [scenario("me", json!({ "fields": fields }))])];
    vec![
        Case::new("Another value in the query", "Page 3 was not recorded.", list(), call("GET", "/orders?page=3&sort=name")),
        Case::new(
            "One parameter more in the query",
            "The client sends `expand` now. `best` forgives an extra parameter while most of the query agrees; here it is one of two.",
            [stub("GET", "/orders", [scenario("first", json!({ "query": ["page=1"] }))])],
            call("GET", "/orders?page=1&expand=items"),
        ),
        Case::new(
            "One parameter more, in `strict`",
            "What `best` forgives and serves as inexact, `strict` does not: it is for CI, where nothing should pass by luck.",
            list(),
            call("GET", "/orders?page=2&sort=name&debug=1"),
        )
        .strict(),
        Case::new(
            "A parameter that is missing",
            "The client leaves out what it sent when it was recorded.",
            [stub("GET", "/search", [scenario("tea", json!({ "query": ["q=tea", "lang=en", "limit=10"] }))])],
            call("GET", "/search?q=tea"),
        ),
        Case::new(
            "A time in the query",
            "A parameter against caches has the present moment, and so is another in every call.",
            [stub("GET", "/prices", [scenario("all", json!({ "query": ["_=1764316800123"] }))])],
            call("GET", "/prices?_=1764317912456"),
        ),
        Case::new(
            "A stale cursor",
            "The cursor of the recorded page is long out of date; the client carries a newer one.",
            [stub("GET", "/events", [scenario("next-page", json!({ "query": ["limit=50", "cursor=01HF7YAT00PVKJ3Z8G9RQ2M4XB"] }))])],
            call("GET", "/events?limit=50&cursor=01KB2N8ZQ4T9V6W3J1H5D0C7FE"),
        ),
        Case::new(
            "A search that a matcher refuses",
            "The scenario takes every search that begins with `tea`.",
            [stub(
                "GET",
                "/search",
                [scenario(
                    "teas",
                    json!({ "matchers": [{ "place": "query", "name": "q", "is": { "prefix": "tea", "ignore_case": true } }] }),
                )],
            )],
            call("GET", "/search?q=coffee"),
        ),
        Case::new(
            "A header that decides",
            "The recording showed that the answer depends on this field, so that it is compared.",
            reads(["X-Api-Version: 2026-01-01"]),
            call("GET", "/profile").field("X-Api-Version", "2026-07-01"),
        ),
        Case::new(
            "Another language",
            "The test machine's browser asks for German.",
            reads(["Accept-Language: en-US"]),
            call("GET", "/profile").field("Accept-Language", "de-DE"),
        ),
        Case::new(
            "No token",
            "Any token will do, since the recorded one is masked, but there must be one.",
            reads(["Authorization: Bearer retake-secret-mfzwizlomi"]),
            call("GET", "/profile"),
        ),
        Case::new(
            "Another kind of token",
            "Recorded with `Bearer`, called with `Basic`.",
            reads(["Authorization: Bearer retake-secret-mfzwizlomi"]),
            call("GET", "/profile").field("Authorization", "Basic b2N0b2NhdDpodW50ZXIyLXNlY3JldA=="),
        ),
    ]
}
