//! One exchange as one JSON object: what scripts rely on.

use serde_json::{Map, Value, json};

use super::{Bodies, View};
use crate::model::media::Kind;
use crate::model::{Body, Exchange, Fields, Outcome};

/// One JSON object: the members of a listing's line, then fields as ordered pairs, bodies, timings, TLS.
pub fn json(exchange: &Exchange, bodies: &Bodies) -> Value {
    let request = &exchange.request;
    let response = exchange.outcome.response();
    let mut object = json!({
        "number": exchange.number,
        "id": exchange.id,
        "started_at": exchange.started_at.to_string(),
        "session": exchange.session,
        "tags": exchange.tags,
        "note": exchange.note,
        "method": request.method,
        "url": request.url(),
        "status": exchange.status(),
        "outcome": exchange.outcome.word(),
        "media_type": exchange.response_type(),
        "request_bytes": request.body.size,
        "response_bytes": response.map_or(0, |response| response.body.size),
        "response_blake3": response.map(|response| response.body.hash.to_hex()).unwrap_or_default(),
        "duration_ms": exchange.timings.total_us as f64 / 1000.0,
        "client": exchange.client,
        "partial": exchange.partial,
        "request": {
            "version": request.version,
            "fields": pairs(&request.fields),
            "trailers": pairs(&request.trailers),
            "body": body_json(&request.fields, &request.body, &bodies.request),
        },
        "response": response.map(|response| json!({
            "version": response.version,
            "status": response.status,
            "reason": response.reason,
            "fields": pairs(&response.fields),
            "trailers": pairs(&response.trailers),
            "informational": response.informational.iter()
                .map(|interim| json!({"status": interim.status, "fields": pairs(&interim.fields)})).collect::<Vec<_>>(),
            "body": body_json(&response.fields, &response.body, &bodies.response),
        })),
        "timings": exchange.timings,
        "tls": exchange.tls,
    });
    if !exchange.vendor.is_empty() {
        object["vendor"] = json!(exchange.vendor);
    }
    match &exchange.outcome {
        Outcome::Failed(failure, _) => object["failure"] = json!(failure),
        Outcome::Relayed(relayed) => object["relayed"] = json!(relayed),
        _ => {}
    }
    object
}

fn pairs(fields: &Fields) -> Vec<[String; 2]> {
    fields.iter().map(|field| [field.name.clone(), field.text().into_owned()]).collect()
}

/// Facts of a body, and its content as `json`, `text` or `base64`.
fn body_json(fields: &Fields, body: &Body, view: &View) -> Value {
    let mut object = Map::new();
    object.insert("size".into(), json!(body.size));
    object.insert("wire_size".into(), json!(body.wire_size));
    object.insert("blake3".into(), json!(body.hash.to_hex()));
    object.insert("end".into(), json!(body.end));
    object.insert("masked".into(), json!(body.masked));
    if let Some(coding) = &body.coding_removed {
        object.insert("coding_removed".into(), json!(coding));
    }
    let (name, value) = match view {
        View::Empty => ("text", json!("")),
        View::Whole(bytes) => content(Kind::of(fields.text("content-type").as_deref()), bytes),
        View::Beginning(_) => ("omitted", json!("larger than a view: use --raw")),
        View::Unreadable(why) => ("omitted", json!(why)),
    };
    object.insert(name.into(), value);
    Value::Object(object)
}

fn content(kind: Kind, bytes: &[u8]) -> (&'static str, Value) {
    use base64::Engine;
    let as_base64 = || ("base64", json!(base64::engine::general_purpose::STANDARD.encode(bytes)));
    match std::str::from_utf8(bytes) {
        Err(_) => as_base64(),
        Ok(text) if kind == Kind::Json => match serde_json::from_str::<Value>(text) {
            Ok(value) => ("json", value),
            Err(_) => ("text", json!(text)),
        },
        Ok(_) if kind == Kind::Binary => as_base64(),
        Ok(text) => ("text", json!(text)),
    }
}
