//! Lists over plain HTTP: pages by opaque cursor, by offset and by number, with filters, links, languages, a table for
//! spreadsheets, and answers that have not changed.

use std::sync::Arc;

use http::Response;
use serde_json::{Value, json};

use super::services::{self, Asked, Running, answer};
use super::talk::{Reading, Sent, Talk};
use super::world::World;
use crate::harness::origin::{Body, full};

const NAMES: [&str; 11] =
    ["assam", "bancha", "ceylon", "darjeeling", "espresso", "filter", "genmaicha", "hojicha", "irish", "java", "kona"];

struct State {
    /// Each with an id of this world.
    items: Vec<Value>,
    tag: String,
}

pub fn start(world: &Arc<World>) -> Option<Running> {
    let item = |(at, name): (usize, &&str)| {
        let kind = if at % 3 == 1 { "coffee" } else { "tea" };
        let name_de = format!("{name} (frisch)");
        json!({ "id": world.object_id(), "name": name, "name_de": name_de, "kind": kind, "price": 300 + 25 * at,
            "stocked_at": world.epoch() })
    };
    let state = State { items: NAMES.iter().enumerate().map(item).collect(), tag: format!("\"{}\"", world.hex(24)) };
    Some(services::start(false, world, state, handle))
}

fn handle(state: &State, world: &World, asked: &Asked<'_>) -> Response<Body> {
    let kind = asked.query("kind");
    let fits = |item: &&Value| kind.as_ref().is_none_or(|kind| item["kind"] == **kind);
    let items: Vec<&Value> = state.items.iter().filter(fits).collect();
    match (asked.method(), &asked.path[..]) {
        ("GET", ["items"]) => by_cursor(world, asked, &items),
        ("GET", ["products"]) => {
            let (offset, limit) = (asked.number("offset").unwrap_or(0), asked.number("limit").unwrap_or(4));
            let page: Vec<_> = items.iter().skip(offset).take(limit).collect();
            let next = format!("/products?offset={}&limit={limit}", offset + limit);
            services::json(world, 200, &json!({ "count": items.len(), "results": page, "next": next }))
        }
        ("GET", ["feed"]) => {
            let (page, asked_at) = (asked.number("page").unwrap_or(1), asked.query("_").unwrap_or_default());
            let names: Vec<_> = items.iter().skip(3 * (page - 1)).take(3).map(|item| &item["name"]).collect();
            services::json(world, 200, &json!({ "page": page, "names": names, "asked_at": asked_at }))
        }
        ("GET", ["items", id]) => match state.items.iter().find(|item| item["id"] == *id) {
            Some(item) => in_language(world, asked, item),
            None => services::json(world, 404, &json!({ "error": "no such item", "id": id })),
        },
        ("GET", ["table"]) if asked.field("accept") == "text/csv" => {
            let rows = items.iter().map(|item| format!("{},{}", item["name"], item["price"])).collect::<Vec<_>>();
            answer(world, 200).header("Content-Type", "text/csv").body(full(rows.join("\n"))).unwrap()
        }
        ("GET", ["table"]) => services::json(world, 200, &json!(items)),
        ("GET", ["index"]) if asked.field("if-none-match") == state.tag => {
            answer(world, 304).header("ETag", &state.tag).body(full("")).unwrap()
        }
        ("GET", ["index"]) => answer(world, 200)
            .header("Content-Type", "application/json")
            .header("ETag", &state.tag)
            .body(full(json!({ "items": state.items.len() }).to_string()))
            .unwrap(),
        ("GET", ["changes"]) => {
            let since = asked.query("updated_since").unwrap_or_default();
            services::json(world, 200, &json!({ "since": since, "until": world.moment(), "changed": 0 }))
        }
        _ => services::json(world, 404, &json!({ "error": "no such page" })),
    }
}

fn by_cursor(world: &World, asked: &Asked<'_>, items: &[&Value]) -> Response<Body> {
    use base64::Engine;
    let cursor = asked.query("cursor").unwrap_or_default();
    let said = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&cursor).unwrap_or_default();
    let at: usize = String::from_utf8_lossy(&said).split(':').next().and_then(|at| at.parse().ok()).unwrap_or(0);
    let limit = asked.number("limit").unwrap_or(5);
    let page: Vec<_> = items.iter().skip(at).take(limit).collect();
    let next = (at + limit < items.len()).then(|| world.cursor(&(at + limit).to_string()));
    let kind = asked.query("kind").map(|kind| format!("kind={kind}&")).unwrap_or_default();
    let link = next.as_ref().map(|next| format!("/items?{kind}limit={limit}&cursor={next}"));
    let body = json!({ "data": page, "page": { "next": next, "link": link, "size": page.len() } });
    services::json(world, 200, &body)
}

fn in_language(world: &World, asked: &Asked<'_>, item: &Value) -> Response<Body> {
    let name = if asked.field("accept-language").starts_with("de") { "name_de" } else { "name" };
    services::json(world, 200, &json!({ "id": item["id"], "name": item[name], "price": item["price"] }))
}

/// Walks through every list, as a client does that follows what it is given.
pub fn flow(talk: &mut Talk<'_>) {
    let mut ids = Vec::new();
    for start in ["/items?limit=4", "/items?kind=tea&limit=3", "/items?kind=coffee&limit=3"] {
        let mut target = start.to_owned();
        for _ in 0..4 {
            let answer = talk.get(&target);
            ids.push(answer.at("/data/0/id"));
            target = answer.at("/page/link");
            if target == "nothing" {
                break;
            }
        }
    }
    // The same by putting the cursor into the query oneself, in another order.
    let cursor = talk.get("/items?limit=6").at("/page/next");
    talk.get(&format!("/items?cursor={cursor}&limit=6"));
    for target in ["/products?offset=0&limit=4", "/products?offset=4&limit=4", "/products?offset=8&limit=4"] {
        talk.get(target);
    }
    for page in 1..=3 {
        let buster = talk.world.epoch_millis();
        talk.get(&format!("/feed?page={page}&_={buster}"));
    }
    for id in &ids[..2] {
        talk.get(&format!("/items/{id}"));
        talk.send(Sent::new("GET", &format!("/items/{id}")).with("Accept-Language", "de"));
        talk.send(Sent::new("GET", &format!("/items/{id}")).with("Accept-Language", "en"));
    }
    talk.send(Sent::new("GET", "/table").with("Accept", "application/json"));
    talk.send(Sent::new("GET", "/table").with("Accept", "text/csv"));
    let tag = talk.get("/index").field("etag").unwrap_or("nothing").to_owned();
    talk.send(Sent::new("GET", "/index").with("If-None-Match", tag));
    let since = talk.world.epoch();
    talk.get(&format!("/changes?updated_since={since}"));
}
