//! A day as promotion meets it: the history's traffic, in which half of the calls ask what was asked before, and one in
//! ten makes something that the next one reads, by an id of that day.

use jiff::Timestamp;
use retake::model::{Body, BodyEnd, ExchangeId, Outcome};

use crate::traffic::{self, Made, Random};

/// So many calls in a row; what is asked in the second half of them was asked in the first.
const ROW: u64 = 1_000;
/// One thing is made in so many calls.
const MAKES: u64 = 10;

/// The exchange of a number.
pub fn exchange(number: u64, id: ExchangeId) -> Made {
    let (row, at) = (number / ROW, number % ROW);
    let same = row * ROW + at % (ROW / 2);
    let mut made = traffic::exchange(same, id);
    let exchange = &mut made.exchange;
    exchange.number = number;
    exchange.started_at = started_at(number);
    match number % MAKES {
        3 => order(&mut made, number, true),
        4 => order(&mut made, number - 1, false),
        _ => {}
    }
    made
}

/// When the exchange of a number began: one in twelve seconds.
fn started_at(number: u64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + number as i64 * 12).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Makes of an exchange one that creates an order, or one that reads it.
fn order(made: &mut Made, number: u64, creates: bool) {
    let mut random = Random::new(number ^ 0x0d0e);
    let uuid = |random: &mut Random| {
        let (high, low) = (random.below(u64::MAX), random.below(u64::MAX));
        uuid::Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes()).into_uuid()
    };
    let (id, key) = (uuid(&mut random), uuid(&mut random));
    let (quantity, item) = (random.below(500), random.below(200));
    let at = started_at(number);
    let exchange = &mut made.exchange;
    let request = &mut exchange.request;
    (request.query, request.path) = (None, "/v2/orders".to_owned());
    request.method = if creates { "POST" } else { "GET" }.to_owned();
    let mut body = Vec::new();
    if creates {
        request.fields.push("Content-Type", "application/json");
        body = format!(r#"{{"item":"item {item}","quantity":{quantity},"idempotency_key":"{key}"}}"#).into_bytes();
    } else {
        request.path += &format!("/{id}");
    }
    request.body = Body::inline(body, BodyEnd::Complete);
    let answer = format!(
        r#"{{"id":"{id}","item":"item {item}","quantity":{quantity},"created_at":"{at}","href":"/v2/orders/{id}"}}"#
    );
    if let Outcome::Complete(response) = &mut exchange.outcome {
        response.status = if creates { 201 } else { 200 };
        response.fields.retain(|line| !line.is("content-encoding") && !line.is("content-type"));
        response.fields.push("content-type", "application/json");
        response.body = Body::inline(answer.into_bytes(), BodyEnd::Complete);
        made.blob = None;
    }
}
