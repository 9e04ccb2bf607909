//! Exchanges for the tests of store and control.

use jiff::Timestamp;

use crate::model::{
    Authority, Body, BodyEnd, Exchange, ExchangeId, Fields, HttpVersion, Origin, Outcome, RequestRecord,
    ResponseRecord, Scheme, Timings,
};

/// An exchange that is a function of its number: ten seconds, one of three hosts, two sessions, five statuses apart.
pub(crate) fn exchange(number: u64) -> Exchange {
    let started = 1_790_000_000_000_000 + number as i64 * 10_000_000;
    let mut fields = Fields::new();
    fields.push("Content-Type", "application/json; charset=utf-8");
    let body = format!("{{\"item\":{number},\"text\":\"{}\"}}", "x".repeat((number % 7) as usize * 9));
    let id = uuid::Builder::from_unix_timestamp_millis(started as u64 / 1000, &ten_bytes(number)).into_uuid();
    Exchange {
        id: ExchangeId(id),
        number,
        session: format!("s-{}", number / 40 % 2),
        tags: if number.is_multiple_of(9) { vec!["nine".into()] } else { Vec::new() },
        started_at: Timestamp::from_microsecond(started).unwrap_or(Timestamp::UNIX_EPOCH),
        client: None,
        request: RequestRecord {
            method: if number.is_multiple_of(4) { "POST" } else { "GET" }.into(),
            origin: Origin::new(Scheme::Https, Authority::new(&format!("api-{}.example", number % 3), 443)),
            path: format!("/items/{number}"),
            query: number.is_multiple_of(2).then(|| "page=1".into()),
            version: HttpVersion::Http11,
            fields: Fields::new(),
            trailers: Fields::new(),
            body: Body::empty(),
        },
        outcome: Outcome::Complete(ResponseRecord {
            version: HttpVersion::Http2,
            status: 200 + (number % 5) as u16 * 67,
            reason: None,
            fields,
            trailers: Fields::new(),
            informational: Vec::new(),
            body: Body::inline(body.into_bytes(), BodyEnd::Complete),
        }),
        timings: Timings { total_us: number, ..Timings::default() },
        tls: None,
        note: None,
        partial: false,
        vendor: Default::default(),
    }
}

fn ten_bytes(number: u64) -> [u8; 10] {
    let mut ten = [0; 10];
    ten.copy_from_slice(&blake3::hash(&number.to_be_bytes()).as_bytes()[..10]);
    ten
}
