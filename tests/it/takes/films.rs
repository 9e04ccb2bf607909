//! GraphQL over plain HTTP: every operation on one URL. Mutations make ids that later queries ask for.

use std::sync::{Arc, Mutex};

use http::Response;
use serde_json::{Value, json};

use super::services::{self, Asked, Running};
use super::talk::{Reading, Sent, Talk};
use super::world::World;
use crate::harness::origin::Body;

#[derive(Default)]
struct State {
    reviews: Vec<Value>,
}

const FILMS: [(&str, &str, u32); 4] =
    [("alien", "Alien", 1979), ("brazil", "Brazil", 1985), ("casablanca", "Casablanca", 1942), ("dune", "Dune", 2021)];

const FILM: &str = "query Film($slug: String!) {\n  film(slug: $slug) { slug title year }\n}";
const PAIR: &str = "query Pair($one: String!, $other: String!) { first: film(slug: $one) { title } second: film(slug: $other) { title } }";
const FILMS_PAGE: &str =
    "query Films($first: Int!, $after: String) { films(first: $first, after: $after) { nodes { title } end } }";
const REVIEW: &str =
    "mutation Review($input: ReviewInput!) { review(input: $input) { id film stars createdAt clientMutationId } }";
const ONE_REVIEW: &str = "query OneReview($id: ID!) { review(id: $id) { id film stars text } }";
const REVIEWS: &str = "query Reviews($film: String) { reviews(film: $film) { total nodes { id stars } } }";
const RATE: &str = "mutation Rate($id: ID!, $stars: Int!) { rate(id: $id, stars: $stars) { id stars updatedAt } }";
const REMOVE: &str = "mutation Remove($id: ID!) { remove(id: $id) { id removed } }";

pub fn start(world: &Arc<World>) -> Option<Running> {
    Some(services::start(false, world, Mutex::new(State::default()), handle))
}

fn handle(state: &Mutex<State>, world: &World, asked: &Asked<'_>) -> Response<Body> {
    let mut state = state.lock().unwrap();
    let body = match asked.method() {
        "GET" => {
            let variables = asked.query("variables").unwrap_or_default();
            let variables: Value = serde_json::from_str(&variables).unwrap_or_default();
            json!({ "query": asked.query("query"), "variables": variables })
        }
        _ => asked.json(),
    };
    let query = body["query"].as_str().unwrap_or_default();
    let words: Vec<&str> = query.split(|byte: char| !byte.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let result = resolve(&mut state, world, words.get(1).copied().unwrap_or_default(), &body["variables"]);
    let cost = json!({ "cost": { "requestId": world.uuid(), "at": world.epoch_millis() } });
    let body = match result {
        Ok(data) => json!({ "data": data, "extensions": cost }),
        Err(message) => json!({ "data": null, "errors": [{ "message": message }], "extensions": cost }),
    };
    services::json(world, 200, &body)
}

fn resolve(state: &mut State, world: &World, operation: &str, variables: &Value) -> Result<Value, String> {
    let film = |slug: &Value| {
        let found = FILMS.iter().find(|(known, ..)| slug == known);
        found.map(|(slug, title, year)| json!({ "slug": slug, "title": title, "year": year }))
    };
    let known = |id: &Value| format!("no review {}", id.as_str().unwrap_or_default());
    match operation {
        "Film" => film(&variables["slug"]).map(|film| json!({ "film": film })).ok_or_else(|| "no such film".into()),
        "Pair" => Ok(json!({ "first": film(&variables["one"]), "second": film(&variables["other"]) })),
        "Films" => {
            let after = variables["after"].as_str().and_then(place_in_cursor).unwrap_or(0);
            let first = usize::try_from(variables["first"].as_u64().unwrap_or(2)).unwrap();
            let nodes: Vec<_> = FILMS.iter().skip(after).take(first).map(|film| json!({ "title": film.1 })).collect();
            let end = (after + first < FILMS.len()).then(|| world.cursor(&(after + first).to_string()));
            Ok(json!({ "films": { "nodes": nodes, "end": end } }))
        }
        "Review" => {
            let mut made = variables["input"].clone();
            made["id"] = json!(format!("rev_{}", world.token(20)));
            world.note(made["id"].as_str().unwrap());
            made["createdAt"] = json!(world.moment());
            state.reviews.push(made.clone());
            Ok(json!({ "review": made }))
        }
        "OneReview" => {
            let found = state.reviews.iter().find(|review| review["id"] == variables["id"]);
            found.map(|review| json!({ "review": review })).ok_or_else(|| known(&variables["id"]))
        }
        "Reviews" => {
            let of = |review: &&Value| variables["film"].is_null() || review["film"] == variables["film"];
            let nodes: Vec<_> = state.reviews.iter().filter(of).collect();
            Ok(json!({ "reviews": { "total": nodes.len(), "nodes": nodes } }))
        }
        "Rate" => {
            let found = state.reviews.iter_mut().find(|review| review["id"] == variables["id"]);
            let review = found.ok_or_else(|| known(&variables["id"]))?;
            review["stars"] = variables["stars"].clone();
            Ok(json!({ "rate": { "id": review["id"], "stars": review["stars"], "updatedAt": world.moment() } }))
        }
        "Remove" => {
            let before = state.reviews.len();
            state.reviews.retain(|review| review["id"] != variables["id"]);
            let removed = state.reviews.len() < before;
            Ok(json!({ "remove": { "id": variables["id"], "removed": removed } }))
        }
        other => Err(format!("unknown operation `{other}`")),
    }
}

fn place_in_cursor(cursor: &str) -> Option<usize> {
    use base64::Engine;
    let said = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(cursor).ok()?;
    String::from_utf8(said).ok()?.split(':').next()?.parse().ok()
}

/// Looks at films, writes reviews of two, changes one, removes the other.
pub fn flow(talk: &mut Talk<'_>) {
    for slug in ["alien", "brazil", "nosferatu"] {
        ask(talk, "Film", FILM, json!({ "slug": slug }));
    }
    ask(talk, "Pair", PAIR, json!({ "one": "alien", "other": "dune" }));
    let mut after = Value::Null;
    for _ in 0..2 {
        let page = ask(talk, "Films", FILMS_PAGE, json!({ "first": 2, "after": after }));
        after = page["films"]["end"].clone();
    }
    ask(talk, "Reviews", REVIEWS, json!({ "film": null }));
    let good = review(talk, "dune", 5, "sand everywhere");
    let bad = review(talk, "alien", 2, "too loud");
    ask(talk, "OneReview", ONE_REVIEW, json!({ "id": good }));
    ask(talk, "OneReview", ONE_REVIEW, json!({ "id": bad }));
    ask(talk, "Reviews", REVIEWS, json!({ "film": "dune" }));
    ask(talk, "Reviews", REVIEWS, json!({ "film": null }));
    ask(talk, "Rate", RATE, json!({ "id": bad, "stars": 4 }));
    ask(talk, "OneReview", ONE_REVIEW, json!({ "id": bad }));
    ask(talk, "Remove", REMOVE, json!({ "id": good }));
    ask(talk, "OneReview", ONE_REVIEW, json!({ "id": good }));
    ask(talk, "OneReview", ONE_REVIEW, json!({ "id": bad }));
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("query", FILM), ("variables", r#"{"slug":"dune"}"#), ("operationName", "Film")])
        .finish();
    talk.get(&format!("/graphql?{query}"));
}

fn ask(talk: &mut Talk<'_>, operation: &str, query: &str, variables: Value) -> Value {
    let body = json!({ "operationName": operation, "query": query, "variables": variables });
    let sent = Sent::new("POST", "/graphql").json(&body).with("X-Correlation-Id", talk.world.uuid());
    talk.send(sent).json()["data"].clone()
}

fn review(talk: &mut Talk<'_>, film: &str, stars: u32, text: &str) -> Value {
    let input = json!({ "film": film, "stars": stars, "text": text, "clientMutationId": talk.world.uuid() });
    ask(talk, "Review", REVIEW, json!({ "input": input }))["review"]["id"].clone()
}
