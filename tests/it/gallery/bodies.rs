//! The body is another.

use serde_json::{Value, json};

use super::case::{Case, call, scenario, stub, takes, takes_json};

pub fn cases() -> Vec<Case> {
    let mut cases = json_cases();
    cases.extend(other_types());
    cases
}

fn orders() -> [Value; 1] {
    let order = |name: &str, count: u32| takes_json(name, json!({ "item": name, "count": count, "gift": false }));
    [stub("POST", "/orders", [order("tea", 2), order("milk", 1)])]
}

fn json_cases() -> Vec<Case> {
    let tags = |tags: [&str; 3]| json!({ "name": "tea", "tags": tags });
    let rows = |from: u32, to: u32| -> Value { (from..to).map(|id| json!({ "id": id, "state": "open" })).collect() };
    vec![
        Case::new(
            "A value in a JSON body",
            "Another item is ordered than was when it was recorded.",
            orders(),
            call("POST", "/orders").json(json!({ "item": "coffee", "count": 2, "gift": false })),
        ),
        Case::new(
            "A number that became a string",
            "`2` was recorded, `\"2\"` is sent: to most servers that is not the same.",
            orders(),
            call("POST", "/orders").json(json!({ "item": "tea", "count": "2", "gift": false })),
        ),
        Case::new(
            "Members more in a JSON body",
            "The client was upgraded, and sends more than it did.",
            [stub("POST", "/orders", [takes_json("tea", json!({ "item": "tea" }))])],
            call("POST", "/orders").json(json!({ "item": "tea", "currency": "EUR", "channel": "web" })),
        ),
        Case::new(
            "Another order of an array",
            "The order of members does not count, that of an array does.",
            [stub("PUT", "/items/7", [takes_json("tags", tags(["green", "loose", "organic"]))])],
            call("PUT", "/items/7").json(tags(["organic", "green", "loose"])),
        ),
        Case::new(
            "One element more in an array",
            "What was added is told, not that all that follows stands elsewhere.",
            [stub("POST", "/batch", [takes_json("six", json!({ "rows": rows(1, 7) }))])],
            call("POST", "/batch").json(json!({ "rows": rows(0, 7) })),
        ),
        Case::new(
            "A time in a JSON body",
            "The client writes the present moment into every order.",
            [stub(
                "POST",
                "/visits",
                [takes_json("front-page", json!({ "page": "/", "seen_at": "2026-03-01T09:15:00Z" }))],
            )],
            call("POST", "/visits").json(json!({ "page": "/", "seen_at": "2026-11-28T17:42:31Z" })),
        ),
        Case::new(
            "No body",
            "The client forgot it, or sent it before it was ready.",
            orders(),
            call("POST", "/orders").field("Content-Type", "application/json"),
        ),
        Case::new(
            "A large JSON body",
            "Two megabytes, and one value is another.",
            [stub("POST", "/import", [takes_json("catalogue", large(900))])],
            call("POST", "/import").json(large(901)),
        ),
        graphql(
            "Another variable of a GraphQL request",
            "The same document, for another user.",
            json!({ "query": "query User($id: Int!) { user(id: $id) { name } }", "variables": { "id": 8 } }),
        ),
        graphql(
            "A field more in a GraphQL document",
            "White space and commas do not count, fields do.",
            json!({ "query": "query User($id: Int!) {\n  user(id: $id) { name email }\n}", "variables": { "id": 7 } }),
        ),
    ]
}

fn graphql(title: &'static str, told: &'static str, body: Value) -> Case {
    let recorded = json!({ "query": "query User($id: Int!) { user(id: $id) { name } }", "variables": { "id": 7 } });
    Case::new(
        title,
        told,
        [stub("POST", "/graphql", [takes_json("octocat", recorded)])],
        call("POST", "/graphql").json(body),
    )
}

/// A body of two megabytes, whose 20 000th price is given.
fn large(price: u32) -> Value {
    let item = |at: u32| {
        let price = if at == 20_000 { price } else { at % 500 };
        json!({ "sku": format!("A-{at:06}"), "price": price, "text": "a catalogue's words" })
    };
    json!({ "items": (0..32_000).map(item).collect::<Vec<_>>() })
}

fn other_types() -> Vec<Case> {
    let form = "application/x-www-form-urlencoded";
    let soap = |count: u32| {
        format!("<order xmlns=\"urn:shop\"><item sku=\"A-1\"><count>{count}</count></item><note>quick</note></order>")
    };
    let message = |id: &str| format!("<m:message xmlns:m=\"urn:msg\" id=\"{id}\"><m:text>ready</m:text></m:message>");
    let parts = |boundary: &str, note: &str| {
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n{note}\r\n--{boundary}\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--{boundary}--\r\n"
        )
    };
    let csv = |line: &str| format!("sku,count\nA-1,2\n{line}\nA-3,4\nA-4,1\n");
    let mut image = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10\x08\x06\0\0\0\x1f\xf3\xffa".to_vec();
    let recorded = json!({ "media_type": "image/png", "body": { "base64": base64(&image) } });
    image[19] = 32;
    vec![
        Case::new(
            "A field of a form",
            "Another plan is chosen.",
            [stub("POST", "/subscribe", [takes("basic", form, "plan=basic&email=a%40shop.test")])],
            call("POST", "/subscribe").body(form, "email=a%40shop.test&plan=pro"),
        ),
        Case::new(
            "A form where JSON was recorded",
            "The client was moved to another library, which sends forms.",
            orders(),
            call("POST", "/orders").body(form, "item=tea&count=2&gift=false"),
        ),
        Case::new(
            "A value in XML",
            "White space around elements, comments and prefixes do not count; texts and attributes do.",
            [stub("POST", "/soap", [takes("two", "application/xml", &soap(2))])],
            call("POST", "/soap").body("application/xml", soap(3)),
        ),
        Case::new(
            "A made-up value in XML",
            "The client gives each message an id of its own, in an attribute.",
            [stub(
                "POST",
                "/notify",
                [takes("ready", "application/xml", &message("0193f3a2-7c1e-7d30-9a55-2f6f0c1be001"))],
            )],
            call("POST", "/notify").body("application/xml", message("0193f3a2-7c1e-7d30-9a55-2f6f0c1be002")),
        ),
        Case::new(
            "A part of a multipart body",
            "The boundary is another in every call, and does not count; the parts do.",
            [stub(
                "POST",
                "/upload",
                [takes("hello", "multipart/form-data; boundary=recorded", &parts("recorded", "first"))],
            )],
            call("POST", "/upload").body("multipart/form-data; boundary=another", parts("another", "second")),
        ),
        Case::new(
            "A line of a text",
            "One line of a table is another.",
            [stub("PUT", "/stock.csv", [takes("march", "text/csv", &csv("A-2,7"))])],
            call("PUT", "/stock.csv").body("text/csv", csv("A-2,9")),
        ),
        Case::new(
            "A binary body",
            "The picture was rendered with another size.",
            [stub("PUT", "/avatar", [scenario("small", recorded)])],
            call("PUT", "/avatar").body("image/png", image),
        ),
    ]
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::prelude::{BASE64_STANDARD, Engine};
    BASE64_STANDARD.encode(bytes)
}
