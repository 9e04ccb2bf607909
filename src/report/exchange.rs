//! One exchange, shown whole: as text for a terminal, and as one JSON object.

use serde_json::{Map, Value, json};

use super::terminal::{clean, clean_lines};
use crate::model::coding::{self, Coding};
use crate::model::media::{self, Kind};
use crate::model::{Body, BodyEnd, Exchange, Fields, Outcome};
use crate::redact::is_placeholder;

/// Lines of a body that the text shows.
const LINES: usize = 200;
/// Characters of a line of a body that the text shows.
const COLUMNS: usize = 2000;

/// The bodies of an exchange after content coding, as far as they could be read.
#[derive(Debug, Clone, Default)]
pub struct Bodies {
    /// The request's.
    pub request: View,
    /// The response's, if there is a response.
    pub response: View,
}

/// What could be read of a body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum View {
    /// There is none.
    #[default]
    Empty,
    /// The bytes before content coding, whole.
    Whole(Vec<u8>),
    /// It is larger than a view: the first bytes.
    Beginning(Vec<u8>),
    /// It cannot be decoded or read; why.
    Unreadable(String),
}

/// What a line of the text is, so that it can be coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// A headline.
    Bold,
    /// A status line, by its code; 0 without one.
    Status(u16),
    /// Carries a masked value.
    Masked,
    /// Nothing special.
    Plain,
    /// What stands back.
    Dim,
    /// What went wrong.
    Bad,
}

/// The codings to undo for a view: none when the store has done it already.
///
/// # Errors
/// A coding that is not known.
pub fn codings(fields: &Fields, body: &Body) -> Result<Vec<Coding>, coding::DecodeError> {
    if body.coding_removed.is_some() { Ok(Vec::new()) } else { coding::codings(fields) }
}

/// The text, line by line, safe for a terminal; times in `zone`.
pub fn lines(exchange: &Exchange, bodies: &Bodies, zone: &jiff::tz::TimeZone) -> Vec<(Tone, String)> {
    let mut lines = Vec::new();
    head(exchange, zone, &mut lines);
    let request = &exchange.request;
    if !matches!(exchange.outcome, Outcome::Relayed(_)) {
        lines.push((Tone::Plain, String::new()));
        let line = format!("> {} {} {}", request.method, request.target(), request.version.as_str());
        lines.push((Tone::Bold, clean(&line).into_owned()));
        field_lines('>', &request.fields, &mut lines);
        let part = Part { number: exchange.number, name: "request-body" };
        body_lines(&part, &request.fields, &request.body, &bodies.request, &mut lines);
        field_lines('>', &request.trailers, &mut lines);
    }
    if let Some(response) = exchange.outcome.response() {
        lines.push((Tone::Plain, String::new()));
        for interim in &response.informational {
            lines.push((Tone::Dim, format!("< {} {}", response.version.as_str(), interim.status)));
        }
        let reason = response.reason.as_deref().unwrap_or_default();
        let line = format!("< {} {} {reason}", response.version.as_str(), response.status);
        lines.push((Tone::Status(response.status), clean(line.trim_end()).into_owned()));
        field_lines('<', &response.fields, &mut lines);
        let part = Part { number: exchange.number, name: "response-body" };
        body_lines(&part, &response.fields, &response.body, &bodies.response, &mut lines);
        field_lines('<', &response.trailers, &mut lines);
    }
    lines
}

fn head(exchange: &Exchange, zone: &jiff::tz::TimeZone, lines: &mut Vec<(Tone, String)>) {
    let request = &exchange.request;
    let title = format!("#{}  {} {}", exchange.number, request.method, request.url());
    lines.push((Tone::Bold, clean(&title).into_owned()));
    let started = exchange.started_at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.3f %:z").to_string();
    let mut facts = vec![started, format!("session {}", exchange.session)];
    facts.push(format!("{} in {}", exchange.outcome.word(), duration(exchange.timings.total_us)));
    if !exchange.tags.is_empty() {
        facts.push(format!("tagged {}", exchange.tags.join(", ")));
    }
    lines.push((Tone::Dim, clean(&facts.join(" · ")).into_owned()));
    let mut facts = vec![format!("id {}", exchange.id)];
    if let Some(tls) = &exchange.tls {
        facts.push(format!("{} {}", tls.version, tls.cipher));
    }
    let steps = [
        ("connected", exchange.timings.connected_us),
        ("secured", exchange.timings.secured_us),
        ("first byte", exchange.timings.first_byte_us),
    ];
    facts.extend(steps.iter().filter_map(|(name, at)| at.map(|at| format!("{name} after {}", duration(at)))));
    lines.push((Tone::Dim, clean(&facts.join(" · ")).into_owned()));
    match &exchange.outcome {
        Outcome::Failed(failure, _) => {
            lines.push((Tone::Bad, clean(&format!("{}: {}", failure.kind.as_str(), failure.message)).into_owned()));
        }
        Outcome::Relayed(relayed) => {
            let text = format!(
                "relayed without a look inside: {} sent, {} received; {}",
                size(relayed.sent),
                size(relayed.received),
                relayed.reason
            );
            lines.push((Tone::Plain, clean(&text).into_owned()));
        }
        Outcome::Interrupted(_) => {
            lines.push((Tone::Bad, "retake was stopped while the response streamed".to_owned()));
        }
        Outcome::Cancelled(_) => lines.push((Tone::Bad, "the client went away before the end".to_owned())),
        Outcome::Complete(_) => {}
    }
}

fn field_lines(mark: char, fields: &Fields, lines: &mut Vec<(Tone, String)>) {
    for field in fields {
        let text = field.text();
        let is_masked = is_placeholder(&text);
        let note = if is_masked { "  (masked)" } else { "" };
        let line = format!("{mark} {}: {}{note}", clean(&field.name), clean(&text));
        lines.push((if is_masked { Tone::Masked } else { Tone::Plain }, line));
    }
}

/// A body in the command line.
struct Part {
    number: u64,
    name: &'static str,
}

fn body_lines(part: &Part, fields: &Fields, body: &Body, view: &View, lines: &mut Vec<(Tone, String)>) {
    let content_type = fields.text("content-type");
    let kind = Kind::of(content_type.as_deref());
    if *view == View::Empty {
        if !body.end.is_whole() {
            lines.push((Tone::Bad, format!("({})", describe(fields, body))));
        }
        return;
    }
    lines.push((Tone::Plain, String::new()));
    let all = format!("`retake history show {} --raw {}`", part.number, part.name);
    match view {
        View::Empty => {}
        View::Unreadable(why) => {
            lines.push((Tone::Bad, clean(why).into_owned()));
            lines.push((Tone::Dim, format!("{all} with `--wire` writes it as carried")));
        }
        View::Whole(bytes) | View::Beginning(bytes) => match text_of(kind, bytes, matches!(view, View::Whole(_))) {
            Some(text) => {
                let is_cut = matches!(view, View::Beginning(_));
                push_text(&text, is_cut.then_some(body.size), &all, lines);
            }
            None => {
                lines.push((Tone::Plain, format!("binary, {}, BLAKE3 {}", size(bytes.len() as u64), body.hash)));
                lines.push((Tone::Dim, format!("{all} writes it")));
            }
        },
    }
    lines.push((Tone::Dim, format!("({})", describe(fields, body))));
}

/// The body as a person reads it: JSON indented, forms by pair, other text as it is; `None` for what is no text.
fn text_of(kind: Kind, bytes: &[u8], is_whole: bool) -> Option<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // The last character may have been cut.
        Err(error) if !is_whole && error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let looks_binary =
        kind == Kind::Binary && text.bytes().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace());
    if looks_binary {
        return None;
    }
    match kind {
        Kind::Form => {
            let pairs = form_urlencoded::parse(bytes).map(|(name, value)| {
                let note = if is_placeholder(&value) { "  (masked)" } else { "" };
                format!("{name} = {value}{note}")
            });
            Some(pairs.collect::<Vec<_>>().join("\n"))
        }
        _ if is_whole && matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'[')) => {
            let parsed = serde_json::from_str::<Value>(text).ok();
            let pretty = parsed.and_then(|value| serde_json::to_string_pretty(&value).ok());
            Some(pretty.unwrap_or_else(|| text.to_owned()))
        }
        _ => Some(text.to_owned()),
    }
}

fn push_text(text: &str, cut_from: Option<u64>, all: &str, lines: &mut Vec<(Tone, String)>) {
    let mut rest = text.lines();
    for line in rest.by_ref().take(LINES) {
        let shown = super::terminal::cut(line, COLUMNS);
        lines.push((Tone::Plain, clean_lines(&shown).into_owned()));
    }
    let left = rest.count();
    if let Some(stored) = cut_from {
        lines.push((Tone::Dim, format!("… cut: the body has {} as stored; {all} writes all of it", size(stored))));
    } else if left > 0 {
        lines.push((Tone::Dim, format!("… {left} more lines; {all} writes all of it")));
    } else if text.lines().any(|line| line.chars().nth(COLUMNS).is_some()) {
        lines.push((Tone::Dim, format!("… long lines were cut; {all} writes all of it")));
    }
}

/// `application/json, 1.2 KiB, gzip removed, 2 values masked, broke off`
fn describe(fields: &Fields, body: &Body) -> String {
    let mut facts = Vec::new();
    if let Some(content_type) = fields.text("content-type") {
        facts.push(clean(&media::essence(&content_type)).into_owned());
    }
    facts.push(size(body.size));
    match (&body.coding_removed, fields.text("content-encoding")) {
        (Some(coding), _) => {
            facts.push(format!("{} removed to mask it; {} as carried", clean(coding), size(body.wire_size)))
        }
        (None, Some(coding)) => facts.push(format!("as {}", clean(&coding))),
        (None, None) => {}
    }
    match body.masked {
        0 => {}
        1 => facts.push("1 value masked".to_owned()),
        count => facts.push(format!("{count} values masked")),
    }
    match body.end {
        BodyEnd::Complete | BodyEnd::Trailers => {}
        BodyEnd::Failed => facts.push("broke off".to_owned()),
        BodyEnd::Cancelled => facts.push("cancelled".to_owned()),
    }
    facts.join(", ")
}

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

/// `512 B`, `1.5 KiB`, `3.0 MiB`
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `0.4 ms`, `12 ms`, `1.5 s`, `2 min 5 s`
pub fn duration(microseconds: u64) -> String {
    match microseconds {
        0..10_000 => format!("{:.1} ms", microseconds as f64 / 1e3),
        10_000..1_000_000 => format!("{} ms", microseconds / 1000),
        1_000_000..100_000_000 => format!("{:.1} s", microseconds as f64 / 1e6),
        _ => format!("{} min {} s", microseconds / 60_000_000, microseconds / 1_000_000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::*;

    fn exchange() -> Exchange {
        let mut fields = Fields::new();
        fields.push("Authorization", "Bearer retake-secret-abcdefghij");
        fields.push("Content-Type", "application/x-www-form-urlencoded");
        fields.push("X-Evil", "a\u{1b}[31mb");
        let mut answer = Fields::new();
        answer.push("content-type", "application/json");
        Exchange {
            id: "0190c5a0-0000-7000-8000-000000000001".parse().unwrap(),
            number: 17,
            session: "2026-11-20-3".into(),
            tags: vec!["login".into()],
            started_at: "2026-11-20T11:22:33.5Z".parse().unwrap(),
            client: None,
            request: RequestRecord {
                method: "POST".into(),
                origin: "https://api.example.com".parse().unwrap(),
                path: "/login".into(),
                query: Some("next=%2F".into()),
                version: HttpVersion::Http11,
                fields,
                trailers: Fields::new(),
                body: Body::inline(b"user=bob&password=retake-secret-abcdefghij".to_vec(), BodyEnd::Complete),
            },
            outcome: Outcome::Complete(ResponseRecord {
                version: HttpVersion::Http2,
                status: 200,
                reason: None,
                fields: answer,
                trailers: Fields::new(),
                informational: vec![],
                body: Body::inline(br#"{"b":1,"a":[true]}"#.to_vec(), BodyEnd::Complete),
            }),
            timings: Timings { total_us: 12_345, ..Timings::default() },
            tls: None,
            note: None,
            partial: false,
        }
    }

    fn bodies() -> Bodies {
        Bodies {
            request: View::Whole(b"user=bob&password=retake-secret-abcdefghij".to_vec()),
            response: View::Whole(br#"{"b":1,"a":[true]}"#.to_vec()),
        }
    }

    fn text(exchange: &Exchange, bodies: &Bodies) -> String {
        let lines = lines(exchange, bodies, &jiff::tz::TimeZone::UTC);
        lines.into_iter().map(|(_, line)| line + "\n").collect()
    }

    #[test]
    fn request_and_response_as_a_person_reads_them() {
        let text = text(&exchange(), &bodies());
        for part in [
            "#17  POST https://api.example.com/login?next=%2F\n",
            "2026-11-20 11:22:33.500 +00:00 · session 2026-11-20-3 · complete in 12 ms · tagged login\n",
            "> POST /login?next=%2F HTTP/1.1\n",
            "> Authorization: Bearer retake-secret-abcdefghij  (masked)\n",
            "> X-Evil: a\\u{1b}[31mb\n",
            "user = bob\npassword = retake-secret-abcdefghij  (masked)\n",
            "< HTTP/2 200\n",
            "{\n  \"b\": 1,\n  \"a\": [\n    true\n  ]\n}\n",
            "(application/json, 18 B)\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn binary_is_described_and_long_text_is_cut() {
        let mut bodies = bodies();
        bodies.response = View::Whole(vec![0, 159, 146, 150]);
        let shown = text(&exchange(), &bodies);
        assert!(shown.contains("binary, 4 B, BLAKE3 ") && shown.contains("--raw response-body` writes it"), "{shown}");
        bodies.response = View::Whole("line\n".repeat(500).into_bytes());
        assert!(text(&exchange(), &bodies).contains("… 300 more lines; `retake history show 17 --raw response-body`"));
    }

    #[test]
    fn json_has_the_members_that_scripts_rely_on() {
        let value = json(&exchange(), &bodies());
        for member in [
            "number",
            "id",
            "started_at",
            "session",
            "method",
            "url",
            "status",
            "outcome",
            "request_bytes",
            "response_bytes",
            "response_blake3",
            "duration_ms",
            "timings",
        ] {
            assert!(value.get(member).is_some(), "{member}");
        }
        assert_eq!(value["response"]["body"]["json"], json!({"b": 1, "a": [true]}));
        assert_eq!(value["request"]["fields"][2], json!(["X-Evil", "a\u{1b}[31mb"]));
        assert_eq!(value["request"]["body"]["text"], "user=bob&password=retake-secret-abcdefghij");
    }

    #[test]
    fn sizes_and_durations() {
        assert_eq!([size(0), size(1023), size(1536), size(1 << 30)], ["0 B", "1023 B", "1.5 KiB", "1.0 GiB"]);
        assert_eq!([duration(400), duration(12_345), duration(1_500_000)], ["0.4 ms", "12 ms", "1.5 s"]);
    }
}
