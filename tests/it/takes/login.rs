//! OAuth over TLS: authorisation code with PKCE, state and nonce; tokens that run out and are refreshed; client
//! credentials; a device that polls; and what may be read with all of that.

use std::sync::{Arc, Mutex};

use base64::Engine;
use http::Response;
use serde_json::{Value, json};

use super::services::{self, Asked, Running, answer};
use super::talk::{Reading, Sent, Talk};
use super::world::World;
use crate::harness::origin::{Body, full};

/// How often an access token is good.
const USES: u32 = 3;

#[derive(Default)]
struct State {
    /// Code, nonce and challenge of each authorisation.
    codes: Vec<(String, String, String)>,
    /// Access tokens: whose they are, and how often they are still good.
    access: Vec<(String, &'static str, u32)>,
    refresh: Vec<String>,
    /// Device codes, and how often each was asked about.
    devices: Vec<(String, u32)>,
}

pub fn start(world: &Arc<World>) -> Option<Running> {
    Some(services::start(true, world, Mutex::new(State::default()), handle))
}

fn handle(state: &Mutex<State>, world: &World, asked: &Asked<'_>) -> Response<Body> {
    let mut state = state.lock().unwrap();
    match (asked.method(), &asked.path[..]) {
        ("GET", [".well-known", "openid-configuration"]) => {
            let body = json!({ "issuer": "https://login.test", "scopes_supported": ["openid", "reports"] });
            services::json(world, 200, &body)
        }
        ("GET", ["authorize"]) => authorize(&mut state, world, asked),
        ("POST", ["token"]) => token(&mut state, world, asked),
        ("POST", ["device"]) => {
            let (device, user) = (world.token(40), world.token(8));
            state.devices.push((device.clone(), 0));
            let body = json!({ "device_code": device, "user_code": user, "interval": 5,
                "verification_uri": "https://login.test/device" });
            services::json(world, 200, &body)
        }
        ("POST", ["revoke"]) => {
            let token = asked.form("token");
            state.access.retain(|(known, ..)| *known != token);
            services::nothing(world, 200)
        }
        (method, path) => match user(&mut state, asked) {
            Some(user) => protected(world, asked, user, method, path),
            None => {
                let (status, said) = (401, "Bearer error=\"invalid_token\"");
                let body = json!({ "error": "invalid_token", "request": world.uuid() }).to_string();
                let answer = answer(world, status).header("Content-Type", "application/json");
                answer.header("WWW-Authenticate", said).body(full(body)).unwrap()
            }
        },
    }
}

fn protected(world: &World, asked: &Asked<'_>, user: &str, method: &str, path: &[&str]) -> Response<Body> {
    match (method, path) {
        ("GET", ["me"]) => {
            services::json(world, 200, &json!({ "sub": user, "name": format!("Ms {user}"), "seen_at": world.moment() }))
        }
        ("GET", ["reports"]) => {
            let month = asked.query("month").unwrap_or_default();
            services::json(world, 200, &json!({ "month": month, "for": user, "total": 100 * month.len() }))
        }
        ("POST", ["reports"]) => {
            let title = asked.json()["title"].clone();
            services::json(world, 201, &json!({ "report": world.uuid(), "title": title, "by": user }))
        }
        ("GET", ["reports", id]) => services::json(world, 200, &json!({ "report": id, "state": "ready" })),
        _ => services::json(world, 404, &json!({ "error": "not_found" })),
    }
}

/// Whose token a call has, if it is still good.
fn user(state: &mut State, asked: &Asked<'_>) -> Option<&'static str> {
    let token = asked.field("authorization").strip_prefix("Bearer ")?;
    let (_, user, uses) = state.access.iter_mut().find(|(known, ..)| known == token)?;
    *uses = uses.checked_sub(1)?;
    Some(user)
}

fn authorize(state: &mut State, world: &World, asked: &Asked<'_>) -> Response<Body> {
    let of = |name: &str| asked.query(name).unwrap_or_default();
    if of("response_type") != "code" {
        return services::json(world, 400, &json!({ "error": "unsupported_response_type" }));
    }
    let code = world.token(43);
    state.codes.push((code.clone(), of("nonce"), of("code_challenge")));
    let to = format!("{}?code={code}&state={}", of("redirect_uri"), of("state"));
    answer(world, 302).header("Location", to).body(full("")).unwrap()
}

fn token(state: &mut State, world: &World, asked: &Asked<'_>) -> Response<Body> {
    let refused = |error: &str| services::json(world, 400, &json!({ "error": error }));
    match asked.form("grant_type").as_str() {
        "authorization_code" => {
            let (code, challenge) = (asked.form("code"), challenge(&asked.form("code_verifier")));
            let Some(at) = state.codes.iter().position(|(known, ..)| *known == code) else {
                return refused("invalid_grant");
            };
            let (_, nonce, wanted) = state.codes.remove(at);
            if wanted != challenge { refused("invalid_grant") } else { granted(state, world, "ada", Some(&nonce)) }
        }
        "refresh_token" => {
            let token = asked.form("refresh_token");
            let before = state.refresh.len();
            state.refresh.retain(|known| *known != token);
            if state.refresh.len() < before { granted(state, world, "ada", None) } else { refused("invalid_grant") }
        }
        "client_credentials" if asked.field("authorization").starts_with("Basic ") => {
            granted(state, world, "robot", None)
        }
        "urn:ietf:params:oauth:grant-type:device_code" => {
            let code = asked.form("device_code");
            let Some((_, polls)) = state.devices.iter_mut().find(|(known, _)| *known == code) else {
                return refused("expired_token");
            };
            *polls += 1;
            if *polls < 3 { refused("authorization_pending") } else { granted(state, world, "grace", None) }
        }
        _ => refused("unsupported_grant_type"),
    }
}

fn granted(state: &mut State, world: &World, user: &'static str, nonce: Option<&str>) -> Response<Body> {
    let access = world.jwt(json!({ "sub": user, "exp": world.epoch() + 300 }));
    state.access.push((access.clone(), user, USES));
    let mut body = json!({ "access_token": access, "token_type": "Bearer", "expires_in": 300, "for": user });
    if user == "ada" {
        let refresh = world.token(48);
        state.refresh.push(refresh.clone());
        body["refresh_token"] = json!(refresh);
    }
    if let Some(nonce) = nonce {
        body["id_token"] = json!(world.jwt(json!({ "sub": user, "nonce": nonce })));
    }
    services::json(world, 200, &body)
}

/// What PKCE asks for; a hash of our own will do here.
fn challenge(verifier: &str) -> String {
    let hash = blake3::hash(verifier.as_bytes());
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash.as_bytes())
}

/// Logs in, works until the token runs out, refreshes it and goes on; then a robot and a device do the same.
pub fn flow(talk: &mut Talk<'_>) {
    talk.get("/.well-known/openid-configuration");
    talk.get("/me");
    let back = "https://app.test/back";
    let verifier = talk.world.token(64);
    let proof = talk.world.note(challenge(&verifier));
    let (state, nonce) = (talk.world.token(22), talk.world.hex(32));
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("response_type", "code"), ("client_id", "notebook"), ("redirect_uri", back)])
        .extend_pairs([("scope", "openid reports"), ("state", &state), ("nonce", &nonce)])
        .extend_pairs([("code_challenge", proof.as_str()), ("code_challenge_method", "S256")])
        .finish();
    let redirect = talk.get(&format!("/authorize?{query}")).field("location").unwrap_or_default().to_owned();
    let code = redirect.split(['?', '&']).find_map(|pair| pair.strip_prefix("code=")).unwrap_or("nothing").to_owned();
    let answer = talk.send(Sent::new("POST", "/token").form(&[
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", back),
        ("client_id", "notebook"),
        ("code_verifier", &verifier),
    ]));
    let (access, refresh) = (answer.at("/access_token"), answer.at("/refresh_token"));
    with(talk, "/me", &access);
    for month in ["2026-08", "2026-09", "2026-10"] {
        // The third one is one too many for the token.
        with(talk, &format!("/reports?month={month}"), &access);
    }
    let again = talk.send(Sent::new("POST", "/token").form(&[
        ("grant_type", "refresh_token"),
        ("refresh_token", &refresh),
        ("client_id", "notebook"),
    ]));
    let access = again.at("/access_token");
    with(talk, "/reports?month=2026-10", &access);
    let report = Sent::new("POST", "/reports").json(&json!({ "title": "autumn", "nonce": talk.world.uuid() }));
    let report = talk.send(report.with("Authorization", format!("Bearer {access}"))).at("/report");
    with(talk, &format!("/reports/{report}"), &access);
    talk.send(Sent::new("POST", "/revoke").form(&[("token", &access), ("client_id", "notebook")]));
    with(talk, "/me", &access);
    talk.send(Sent::new("POST", "/token").form(&[("grant_type", "client_credentials"), ("scope", "reports")]).with(
        "Authorization",
        format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(format!("robot:{}", talk.world.token(32)))
        ),
    ));
    let device = talk.send(Sent::new("POST", "/device").form(&[("client_id", "tv")])).at("/device_code");
    for _ in 0..3 {
        talk.send(Sent::new("POST", "/token").form(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", &device),
            ("client_id", "tv"),
        ]));
    }
    talk.send(Sent::new("POST", "/token").form(&[("grant_type", "password"), ("client_id", "tv")]));
}

fn with(talk: &mut Talk<'_>, target: &str, token: &str) -> Value {
    talk.send(Sent::new("GET", target).with("Authorization", format!("Bearer {token}"))).json()
}
