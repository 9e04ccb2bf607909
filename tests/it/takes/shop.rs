//! A shop over TLS, as a browser uses it: a login form with a hidden CSRF field, cookies, a cart of forms, orders whose
//! ids are counted, an invoice that takes a while, uploads in multipart, and files behind signed URLs.

use std::sync::{Arc, Mutex};

use http::Response;
use serde_json::{Value, json};

use super::services::{self, Asked, Running, answer};
use super::talk::{Reading, Sent, Talk};
use super::world::World;
use crate::harness::origin::{Body, full};

#[derive(Default)]
struct State {
    session: String,
    csrf: String,
    cart: Vec<(String, String)>,
    orders: Vec<Value>,
    /// Jobs: id, order, how often asked about.
    jobs: Vec<(String, u64, u32)>,
    files: Vec<(String, String)>,
}

pub fn start(world: &Arc<World>) -> Option<Running> {
    Some(services::start(true, world, Mutex::new(State::default()), handle))
}

fn handle(state: &Mutex<State>, world: &World, asked: &Asked<'_>) -> Response<Body> {
    let mut state = state.lock().unwrap();
    match (asked.method(), &asked.path[..]) {
        ("GET", ["static", name]) => {
            answer(world, 200).header("Content-Type", "text/javascript").body(full(format!("load('{name}')"))).unwrap()
        }
        ("GET", ["login"]) => {
            state.csrf = world.token(32);
            page(world, &format!("<form><input type=\"hidden\" name=\"csrf\" value=\"{}\"></form>", state.csrf))
        }
        ("POST", ["login"]) if asked.form("csrf") != state.csrf => page(world, "<p>please load the form again</p>"),
        ("POST", ["login"]) => {
            state.session = world.hex(40);
            let cookie = format!("sid={}; Path=/; HttpOnly", state.session);
            let to = format!("/welcome?user={}", asked.form("user"));
            answer(world, 303).header("Set-Cookie", cookie).header("Location", to).body(full("")).unwrap()
        }
        ("PUT" | "GET", ["files", ..]) if asked.query("X-Amz-Signature").is_some() => file(&mut state, world, asked),
        _ if asked.cookie("sid") != state.session || state.session.is_empty() => {
            answer(world, 302).header("Location", "/login").body(full("")).unwrap()
        }
        ("GET", ["welcome"]) => page(world, &format!("<h1>{}</h1>", asked.query("user").unwrap_or_default())),
        ("GET" | "POST", _) => inside(&mut state, world, asked),
        _ => services::nothing(world, 405),
    }
}

fn inside(state: &mut State, world: &World, asked: &Asked<'_>) -> Response<Body> {
    match (asked.method(), &asked.path[..]) {
        ("POST", ["cart"]) => {
            state.cart.push((asked.form("item"), asked.form("quantity")));
            answer(world, 303).header("Location", "/cart").body(full("")).unwrap()
        }
        ("GET", ["cart"]) => {
            let rows: Vec<_> = state.cart.iter().map(|(item, count)| format!("<li>{count} x {item}</li>")).collect();
            page(world, &format!("<ul>{}</ul><p>{}</p>", rows.join(""), world.moment()))
        }
        ("POST", ["orders"]) => {
            let mut order = asked.json();
            order["id"] = json!(world.serial());
            order["placed_at"] = json!(world.moment());
            order["state"] = json!("open");
            state.orders.push(order.clone());
            services::json(world, 201, &order)
        }
        ("GET", ["orders", id]) => match state.orders.iter().find(|order| order["id"].as_u64() == id.parse().ok()) {
            Some(order) => services::json(world, 200, order),
            None => services::json(world, 404, &json!({ "error": "no such order" })),
        },
        ("POST", ["orders", id, "invoice"]) => {
            let job = world.hex(12);
            state.jobs.push((job.clone(), id.parse().unwrap_or_default(), 0));
            let to = format!("/jobs/{job}");
            let mut response = services::json(world, 202, &json!({ "job": job, "state": "queued" }));
            response.headers_mut().insert("location", to.parse().unwrap());
            response
        }
        ("GET", ["jobs", id]) => job(state, world, id),
        ("POST", ["uploads"]) => upload(state, world, asked),
        ("POST", ["uploads", "sign"]) => {
            let name = asked.json()["name"].as_str().unwrap_or_default().to_owned();
            let key = format!("{}/{name}", world.uuid());
            services::json(world, 200, &json!({ "put": signed(world, &key), "key": key }))
        }
        ("GET", ["uploads", id]) => match state.files.iter().find(|(known, _)| known == id) {
            Some((id, about)) => services::json(world, 200, &json!({ "file": id, "about": about })),
            None => services::json(world, 404, &json!({ "error": "no such file" })),
        },
        _ => services::json(world, 404, &json!({ "error": "no such page" })),
    }
}

fn page(world: &World, inner: &str) -> Response<Body> {
    let text = format!("<!doctype html>\n<html><body>{inner}</body></html>\n");
    answer(world, 200).header("Content-Type", "text/html; charset=utf-8").body(full(text)).unwrap()
}

fn job(state: &mut State, world: &World, id: &str) -> Response<Body> {
    let Some((_, order, polls)) = state.jobs.iter_mut().find(|(known, ..)| known == id) else {
        return services::json(world, 404, &json!({ "error": "no such job" }));
    };
    *polls += 1;
    if *polls < 3 {
        let body = json!({ "job": id, "state": "running", "at": world.epoch_millis() });
        return services::json(world, 202, &body);
    }
    let url = signed(world, &format!("invoice-{order}.pdf"));
    services::json(world, 200, &json!({ "job": id, "state": "done", "url": url, "at": world.epoch_millis() }))
}

/// A URL as S3 signs it.
fn signed(world: &World, key: &str) -> String {
    let day = world.compact_day();
    let credential = world.note(format!("AKIAIOSFODNN7EXAMPLE%2F{day}%2Feu-west-1%2Fs3%2Faws4_request"));
    format!(
        "/files/{key}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={}&X-Amz-Expires=900\
         &X-Amz-SignedHeaders=host&X-Amz-Signature={}",
        world.compact_moment(),
        world.hex(64)
    )
}

fn file(state: &mut State, world: &World, asked: &Asked<'_>) -> Response<Body> {
    let name = asked.path[1..].join("/");
    if asked.method() == "PUT" {
        state.files.push((name, "put".into()));
        return answer(world, 200).header("ETag", format!("\"{}\"", world.hex(32))).body(full("")).unwrap();
    }
    let bytes = [b"%PDF-1.7\n\xff\xfe".as_slice(), &crate::harness::origin::noise(900)].concat();
    answer(world, 200).header("Content-Type", "application/pdf").body(full(bytes)).unwrap()
}

fn upload(state: &mut State, world: &World, asked: &Asked<'_>) -> Response<Body> {
    let text = String::from_utf8_lossy(&asked.body[..]).into_owned();
    let after = |mark: &str| {
        let rest = text.split_once(mark).map(|(_, rest)| rest).unwrap_or_default();
        rest.split(['"', '\r']).next().unwrap_or_default().to_owned()
    };
    let (name, about) = (after("filename=\""), after("name=\"about\"\r\n\r\n"));
    let order: u64 = after("name=\"order_id\"\r\n\r\n").parse().unwrap_or_default();
    let Some(order) = state.orders.iter().find(|known| known["id"].as_u64() == Some(order)) else {
        return services::json(world, 422, &json!({ "error": "no such order" }));
    };
    let item = order["item"].clone();
    let id = format!("f_{}", world.hex(16));
    world.note(id.clone());
    state.files.push((id.clone(), about.clone()));
    services::json(
        world,
        201,
        &json!({ "file": id, "name": name, "about": about, "for": item, "stored_at": world.epoch() }),
    )
}

/// Two orders, their invoices, and some files.
pub fn flow(talk: &mut Talk<'_>) {
    let buster = talk.world.epoch();
    talk.get(&format!("/static/app.js?v={buster}"));
    talk.get("/cart");
    let csrf = talk.get("/login").between("name=\"csrf\" value=\"", "\"");
    let password = talk.world.token(20);
    let login =
        talk.send(Sent::new("POST", "/login").form(&[("user", "ada"), ("password", &password), ("csrf", &csrf)]));
    let cookie = login.field("set-cookie").unwrap_or("nothing").split(';').next().unwrap_or_default().to_owned();
    let mut call = |sent: Sent| talk.send(sent.with("Cookie", cookie.as_str()));
    call(Sent::new("GET", "/welcome?user=ada"));
    for (item, quantity) in [("tea", "2"), ("coffee", "1")] {
        call(Sent::new("POST", "/cart").form(&[("item", item), ("quantity", quantity), ("csrf", &csrf)]));
        call(Sent::new("GET", "/cart"));
    }
    let mut orders = Vec::new();
    for (item, quantity, cents) in [("tea", 2, 700), ("coffee", 1, 550)] {
        let order = json!({ "item": item, "quantity": quantity, "amount": { "cents": cents, "currency": "EUR" } });
        orders.push(call(Sent::new("POST", "/orders").json(&order)).at("/id"));
    }
    for order in &orders {
        call(Sent::new("GET", &format!("/orders/{order}")));
    }
    call(Sent::new("GET", "/orders/1"));
    for order in &orders {
        let job =
            call(Sent::new("POST", &format!("/orders/{order}/invoice")).json(&json!({ "format": "pdf" }))).at("/job");
        let mut url = String::new();
        for _ in 0..3 {
            let at = talk_clock(&mut call, &job);
            url = at;
        }
        call(Sent::new("GET", &url));
    }
    files(talk, &cookie, &orders);
}

fn talk_clock(call: &mut dyn FnMut(Sent) -> crate::harness::http::Answer, job: &str) -> String {
    call(Sent::new("GET", &format!("/jobs/{job}"))).at("/url")
}

/// Uploads whose parts name an order, and are new each time; two differ in nothing but the order.
fn files(talk: &mut Talk<'_>, cookie: &str, orders: &[String]) {
    // A control character keeps a body out of the stub file.
    let (cat, dog) = (("cat.txt", "a cat", "meow\u{1}"), ("dog.txt", "a dog", "woof"));
    for ((name, about, content), order) in [(cat, &orders[0]), (dog, &orders[1]), (cat, &orders[1])] {
        let (boundary, upload, sent_at) = (talk.world.token(24), talk.world.uuid(), talk.world.moment());
        let body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"about\"\r\n\r\n{about}\r\n--{boundary}\r\n\
             Content-Disposition: form-data; name=\"order_id\"\r\n\r\n{order}\r\n--{boundary}\r\n\
             Content-Disposition: form-data; name=\"client_ref\"\r\n\r\n{upload}\r\n--{boundary}\r\n\
             Content-Disposition: form-data; name=\"sent_at\"\r\n\r\n{sent_at}\r\n--{boundary}\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: text/plain\r\n\r\n\
             {content}\r\n--{boundary}--\r\n"
        );
        let sent = Sent { body: body.into_bytes(), ..Sent::new("POST", "/uploads") }
            .with("Content-Type", format!("multipart/form-data; boundary={boundary}"))
            .with("Cookie", cookie);
        let id = talk.send(sent).at("/file");
        let buster = talk.world.epoch_millis();
        talk.send(Sent::new("GET", &format!("/uploads/{id}?_={buster}")).with("Cookie", cookie));
    }
    let sign = Sent::new("POST", "/uploads/sign").json(&json!({ "name": "notes.txt" })).with("Cookie", cookie);
    let put = talk.send(sign).at("/put");
    let sent = Sent { body: b"some notes".to_vec(), ..Sent::new("PUT", &put) };
    talk.send(sent.with("Content-Type", "text/plain"));
}
