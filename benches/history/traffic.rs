//! Traffic that looks like an API's, a function of a number: the same number gives the same exchange on every machine.

use std::io::Write;

use jiff::Timestamp;
use retake::model::{
    Authority, Body, BodyContent, BodyEnd, ContentHash, Exchange, ExchangeId, Failure, FailureKind, Fields,
    HttpVersion, Origin, Outcome, RequestRecord, ResponseRecord, Scheme, Timings,
};

/// The first exchange starts here; they follow each other by some twelve seconds, over about four months at a million.
const START_US: i64 = 1_780_000_000_000_000;
const HOSTS: [&str; 24] = [
    "api.shop.example",
    "auth.shop.example",
    "cdn.shop.example",
    "search.shop.example",
    "api.pay.example",
    "hooks.pay.example",
    "api.maps.example",
    "tiles.maps.example",
    "api.mail.example",
    "api.weather.example",
    "graph.social.example",
    "media.social.example",
    "api.repo.example",
    "raw.repo.example",
    "api.chat.example",
    "files.chat.example",
    "api.crm.example",
    "api.stock.example",
    "api.ship.example",
    "api.tax.example",
    "api.bank.example",
    "sandbox.bank.example",
    "api.video.example",
    "api.video-edge.example",
];
const THINGS: [&str; 20] = [
    "orders",
    "users",
    "items",
    "carts",
    "payments",
    "refunds",
    "invoices",
    "addresses",
    "sessions",
    "messages",
    "threads",
    "files",
    "repos",
    "issues",
    "commits",
    "quotes",
    "parcels",
    "rates",
    "videos",
    "places",
];
const WORDS: [&str; 24] = [
    "tea", "coffee", "river", "mountain", "yellow", "quiet", "linen", "paper", "copper", "morning", "harbour",
    "window", "garden", "pencil", "winter", "orange", "silver", "forest", "candle", "basket", "bridge", "meadow",
    "kettle", "lantern",
];

/// A small generator of numbers (splitmix64): good enough to mix, the same everywhere.
pub struct Random(u64);

impl Random {
    /// The generator for that number.
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn of<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }
}

/// An exchange, and the content of its response body where that is too large for the record.
pub struct Made {
    pub exchange: Exchange,
    pub blob: Option<Vec<u8>>,
}

/// The exchange of a number.
pub fn exchange(number: u64, id: ExchangeId) -> Made {
    let mut random = Random::new(number);
    let host = HOSTS[(random.below(24).min(random.below(24))) as usize];
    let thing = random.of(&THINGS);
    let entity = random.below(50_000);
    let (method, path, query) = match random.below(10) {
        0 | 1 => ("POST", format!("/v1/{thing}"), None),
        2 => ("PATCH", format!("/v1/{thing}/{entity}"), None),
        3 | 4 => {
            let (page, word) = (random.below(40), random.of(&WORDS));
            ("GET", format!("/v1/{thing}"), Some(format!("page={page}&per_page=30&q={word}")))
        }
        5 => ("GET", format!("/v1/{thing}/{entity}/{}", random.of(&THINGS)), None),
        _ => ("GET", format!("/v1/{thing}/{entity}"), None),
    };
    let status = match random.below(100) {
        0..80 => 200,
        80..86 => 201,
        86..90 => 204,
        90..93 => 304,
        93..97 => 404,
        97 => 401,
        98 => 429,
        _ => 503,
    };
    let started = START_US + number as i64 * 12_000_000 + random.below(9_000_000) as i64;
    let total_us = 2_000 + random.below(400_000);
    let request_body = if method == "GET" { Vec::new() } else { json(&mut random, entity, 1) };
    let Content { body, coded, blob } = response_body(&mut random, number, entity, status);
    let response = ResponseRecord {
        version: HttpVersion::Http2,
        status,
        reason: None,
        fields: response_fields(&mut random, status, media_type(&body), coded),
        trailers: Fields::new(),
        informational: Vec::new(),
        body,
    };
    let outcome = match random.below(200) {
        0 => Outcome::Failed(
            Failure { kind: FailureKind::TimedOut, message: format!("{host} did not answer within 300 s") },
            None,
        ),
        1 => Outcome::Cancelled(Some(response)),
        _ => Outcome::Complete(response),
    };
    let exchange = Exchange {
        id,
        number,
        session: format!("day-{}", number / 5_000),
        tags: if number.is_multiple_of(997) { vec!["keep".into()] } else { Vec::new() },
        note: None,
        started_at: Timestamp::from_microsecond(started).unwrap_or(Timestamp::UNIX_EPOCH),
        client: Some("127.0.0.1:50000".into()),
        request: RequestRecord {
            method: method.into(),
            origin: Origin::new(Scheme::Https, Authority::new(host, 443)),
            path,
            query,
            version: HttpVersion::Http11,
            fields: request_fields(host, number),
            trailers: Fields::new(),
            body: Body::inline(request_body, BodyEnd::Complete),
        },
        outcome,
        timings: Timings { first_byte_us: Some(total_us / 2), total_us, ..Timings::default() },
        tls: None,
        partial: false,
        vendor: Default::default(),
    };
    Made { exchange, blob }
}

fn request_fields(host: &str, number: u64) -> Fields {
    let mut fields = Fields::new();
    fields.push("Host", host);
    fields.push("User-Agent", "sample-client/3.2 (linux; x86_64)");
    fields.push("Accept", "application/json");
    fields.push("Accept-Encoding", "gzip, br");
    fields.push("Authorization", "Bearer retake-token-0123456789");
    fields.push("X-Request-Id", format!("{number:032x}"));
    fields
}

/// The `Content-Type` that goes with a body.
fn media_type(body: &Body) -> &'static str {
    if matches!(body.content, BodyContent::Blob) { "image/png" } else { "application/json; charset=utf-8" }
}

fn response_fields(random: &mut Random, status: u16, media_type: &str, coded: bool) -> Fields {
    let mut fields = Fields::new();
    fields.push("date", "Fri, 20 Nov 2026 09:30:00 GMT");
    fields.push("server", "sample");
    if !matches!(status, 204 | 304) {
        fields.push("content-type", media_type);
    }
    if coded {
        fields.push("content-encoding", "gzip");
    }
    fields.push("etag", format!("\"{:016x}\"", random.below(u64::MAX)));
    fields.push("x-ratelimit-remaining", random.below(5000).to_string());
    fields.push("cache-control", "private, max-age=0");
    fields
}

/// A response body as stored, whether it is coded, and its bytes where they do not stand in the record.
struct Content {
    body: Body,
    coded: bool,
    blob: Option<Vec<u8>>,
}

/// One in five JSON bodies is coded, one answer in two hundred is an image over 64 KiB.
fn response_body(random: &mut Random, number: u64, entity: u64, status: u16) -> Content {
    let inline = |bytes, coded| Content { body: Body::inline(bytes, BodyEnd::Complete), coded, blob: None };
    if matches!(status, 204 | 304) {
        return inline(Vec::new(), false);
    }
    if random.below(200) == 0 {
        // Few different images, as in life: each lies in the store once.
        let mut image = Random::new(random.below(500));
        let content: Vec<u8> = (0..10_000).flat_map(|_| image.next().to_le_bytes()).collect();
        let hash = ContentHash::of(&content);
        let size = content.len() as u64;
        let body = Body { content: BodyContent::Blob, size, wire_size: size, hash, ..Body::empty() };
        return Content { body, coded: false, blob: Some(content) };
    }
    // Most answers are small, some lists are long: the median is about 1 KiB.
    let items = match random.below(20) {
        0 => 30,
        1..4 => 12,
        4..10 => 5,
        _ => 1,
    };
    let plain = json(random, entity + number, items);
    if random.below(5) > 0 {
        return inline(plain, false);
    }
    let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // Memory takes every byte.
    let coded = coder.write_all(&plain).and_then(|()| coder.finish());
    inline(coded.unwrap_or_default(), true)
}

/// An array of objects as an API gives them.
fn json(random: &mut Random, entity: u64, items: u64) -> Vec<u8> {
    let mut text = String::from("{\"data\":[");
    for item in 0..items {
        let comma = if item > 0 { "," } else { "" };
        let id = entity + item;
        let (name, other) = (random.of(&WORDS), random.of(&WORDS));
        let words: Vec<&str> = (0..12).map(|_| random.of(&WORDS)).collect();
        let (cents, stock) = (random.below(100_000), random.below(1_000));
        text += &format!(
            "{comma}{{\"id\":{id},\"name\":\"{name} {other}\",\"price\":{{\"amount\":{cents},\"currency\":\"EUR\"}},\
             \"stock\":{stock},\"active\":{},\"description\":\"{}\",\"updated_at\":\"2026-11-{:02}T09:{:02}:00Z\"}}",
            stock % 2 == 0,
            words.join(" "),
            stock % 28 + 1,
            stock % 60,
        );
    }
    text += &format!("],\"meta\":{{\"count\":{items},\"entity\":{entity}}}}}");
    text.into_bytes()
}
