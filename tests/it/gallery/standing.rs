//! The call is the recorded one, and the scenario does not answer all the same.

use serde_json::{Value, json};

use super::case::{Case, call, scenario, stub, with};

pub fn cases() -> Vec<Case> {
    let answer = |text: &str| json!({ "status": 200, "body": { "text": text } });
    let poll: Value =
        json!({ "name": "poll", "responses": [answer("waiting"), answer("running"), answer("done")], "end": "miss" });
    let cart = |name: &str, state: Value| with(scenario(name, json!({})), json!({ "state": state }));
    vec![
        Case::new(
            "A sequence that is used up",
            "Three answers were recorded, and this is the fourth call.",
            [stub("GET", "/jobs/7", [poll])],
            call("GET", "/jobs/7"),
        )
        .before(vec![call("GET", "/jobs/7"); 3]),
        Case::new(
            "Wrong state",
            "The cart is read full only after something was put into it.",
            [
                stub("GET", "/cart", [cart("full", json!({ "of": "cart", "requires": "full" }))]),
                stub("POST", "/cart", [cart("fill", json!({ "of": "cart", "next": "full" }))]),
            ],
            call("GET", "/cart"),
        ),
        Case::new(
            "A scenario that is disabled",
            "Somebody has switched it off.",
            [stub("GET", "/orders", [with(scenario("all", json!({})), json!({ "disabled": true }))])],
            call("GET", "/orders"),
        ),
        Case::new(
            "An endpoint without a scenario",
            "It was added by hand, and its answers are still to come.",
            [stub("GET", "/orders", [])],
            call("GET", "/orders"),
        ),
        Case::new(
            "HEAD, in `strict`",
            "`best` answers `HEAD` with a scenario for `GET`, without its body; `strict` does not.",
            [stub("GET", "/orders", [scenario("all", json!({}))])],
            call("HEAD", "/orders"),
        )
        .strict(),
        Case::new(
            "An answer that nobody recorded is asked for",
            "The test asks for a status by `x-mock-response-code`.",
            [stub("GET", "/orders", [scenario("all", json!({}))])],
            call("GET", "/orders").field("x-mock-response-code", "503"),
        ),
    ]
}
