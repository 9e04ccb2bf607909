//! The call goes to another place than was recorded: host, path, method.

use serde_json::json;

use super::case::{Case, call, scenario, stub};

pub fn cases() -> Vec<Case> {
    let users = || {
        let named = |name: &str| scenario(name, json!({ "captures": { "login": name } }));
        [
            stub("GET", "/users/{login}", [named("octocat"), named("hubot")]),
            stub("GET", "/users", [scenario("all", json!({}))]),
        ]
    };
    let orders = || {
        [stub("GET", "/orders", [scenario("all", json!({}))]), stub("POST", "/orders", [scenario("new", json!({}))])]
    };
    vec![
        Case::new(
            "Wrong host",
            "The base URL still points to staging; the recording is of production.",
            orders(),
            call("GET", "http://staging.api.test/orders"),
        ),
        Case::new(
            "Wrong port",
            "The service was recorded on port 8080, and the client is set up for 8081.",
            orders(),
            call("GET", "http://api.test:8081/orders"),
        )
        .at("http://api.test:8080"),
        Case::new("Wrong scheme", "Recorded over TLS, called without.", orders(), call("GET", "/orders"))
            .at("https://api.test"),
        Case::new("A slip in the path", "`usres` for `users`.", users(), call("GET", "/usres/octocat")),
        Case::new(
            "An endpoint that was never recorded",
            "The client got a new feature, and nobody has recorded it yet.",
            orders(),
            call("GET", "/reports/2026/q3/summary"),
        ),
        Case::new("A slash at the end", "Some frameworks add one.", orders(), call("GET", "/orders/")),
        Case::new(
            "Two slashes",
            "A base URL that ends in a slash, and a path that begins with one.",
            orders(),
            call("GET", "http://api.test//orders"),
        ),
        Case::new("Upper and lower case in the path", "Paths have a case.", orders(), call("GET", "/Orders")),
        Case::new(
            "An escaped slash",
            "The file is named `a/b`: recorded as one segment, called as two.",
            [stub("GET", "/files/{name}", [scenario("a-b", json!({ "captures": { "name": "a%2Fb" } }))])],
            call("GET", "/files/a/b"),
        ),
        Case::new(
            "A path escaped twice",
            "`%20` became `%2520`: two layers of the client escape the same name.",
            [stub("GET", "/files/{name}", [scenario("notes", json!({ "captures": { "name": "my%20notes" } }))])],
            call("GET", "/files/my%2520notes"),
        ),
        Case::new("Another value in the path", "This user was not recorded.", users(), call("GET", "/users/torvalds")),
        Case::new("Another method", "`PUT` where `POST` was recorded.", orders(), call("PUT", "/orders")),
    ]
}
