//! A clock that is set back and forth: numbers go on, times do not.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{about, listed, runtime};
use crate::model::{Exchange, ExchangeId};
use crate::store::testing::exchange;
use crate::store::{Edit, History, Query, open_for_reading, open_for_recording};

/// An exchange that believes to have started then; its id is of that time, too.
fn at(number: u64, session: &str, started_at: Timestamp) -> Exchange {
    let millis = u64::try_from(started_at.as_millisecond()).unwrap_or(0);
    let mut random = [7; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    Exchange { id: ExchangeId(id), session: session.into(), started_at, ..exchange(number) }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Runs whose clock stood elsewhere, and in each a clock that runs backwards or jumps.
fn recorded(dir: &std::path::Path) -> Vec<Exchange> {
    let runs = [
        ("now", "2026-11-20T12:00:00Z", -60),
        ("epoch", "1970-01-01T00:00:10Z", -1),
        ("far", "2100-02-28T23:59:00Z", 60),
        ("before", "1969-12-31T23:00:00Z", -3600),
        ("again", "2026-11-20T11:59:00Z", 7 * 3600),
    ];
    let mut made = Vec::new();
    for (session, from, step) in runs {
        let (recording, _history) = open_for_recording(dir, about()).unwrap();
        for count in 0..150 {
            let (_, number) = recording.begin();
            let moment = time(from).checked_add(SignedDuration::from_secs(step * count)).unwrap();
            let exchange = at(number, session, moment);
            runtime().block_on(recording.append(exchange.clone())).unwrap();
            made.push(exchange);
        }
    }
    made
}

fn check(history: &dyn History, made: &[Exchange]) {
    let numbers: BTreeSet<u64> = made.iter().map(|exchange| exchange.number).collect();
    assert_eq!(numbers.len(), made.len(), "no number twice");
    let newest_first: Vec<u64> = numbers.iter().rev().copied().collect();
    assert_eq!(listed(history, &Query::default()), newest_first, "in the order of recording");
    for (since, until) in [
        ("1960-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"),
        ("2026-11-20T11:30:00Z", "2026-11-20T12:00:00Z"),
        ("2100-03-01T00:00:00Z", "2200-01-01T00:00:00Z"),
    ] {
        let (since, until) = (time(since), time(until));
        let query = Query { since: Some(since), until: Some(until), ..Query::default() };
        let within = |exchange: &&Exchange| exchange.started_at >= since && exchange.started_at < until;
        let mut expected: Vec<u64> = made.iter().filter(within).map(|exchange| exchange.number).collect();
        expected.reverse();
        assert_eq!(listed(history, &query), expected, "{since} to {until}");
    }
    let days = history.days(&Query::default(), &TimeZone::UTC).unwrap();
    assert!(days.is_sorted_by(|a, b| a.name > b.name), "each day once, newest first");
    assert_eq!(days.iter().map(|day| day.count).sum::<u64>(), made.len() as u64);
    for day in &days {
        let on = |exchange: &&Exchange| exchange.started_at.to_zoned(TimeZone::UTC).date().to_string() == day.name;
        let times: Vec<_> = made.iter().filter(on).map(|exchange| exchange.started_at).collect();
        assert_eq!((day.first, day.last), (*times.iter().min().unwrap(), *times.iter().max().unwrap()), "{}", day.name);
    }
    for exchange in made.iter().step_by(17) {
        assert_eq!(history.get(exchange.number).unwrap(), *exchange);
        assert_eq!(history.resolve(&exchange.id.to_string()).unwrap(), [exchange.number]);
    }
}

#[test]
fn times_that_jump_change_neither_numbers_nor_order_and_days_are_right() {
    let dir = tempfile::tempdir().unwrap();
    let made = recorded(dir.path());
    check(&*open_for_reading(dir.path()).unwrap(), &made);
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    check(&*open_for_reading(dir.path()).unwrap(), &made);
}

#[test]
fn pruning_goes_by_the_time_that_an_exchange_has_not_by_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let made = recorded(dir.path());
    let history = open_for_reading(dir.path()).unwrap();
    let moment = time("2026-11-20T11:00:00Z");
    let prune = Edit::Prune { older_than: Some(moment), max_bytes: None, keep_tagged: false, dry_run: false };
    let old = made.iter().filter(|exchange| exchange.started_at < moment).count() as u64;
    assert_eq!(history.edit(&prune).unwrap().exchanges, old);
    let left: Vec<Exchange> = made.iter().filter(|exchange| exchange.started_at >= moment).cloned().collect();
    check(&*history, &left);
    drop(history);
    let (recording, _history) = open_for_recording(dir.path(), about()).unwrap();
    assert_eq!(recording.begin().1, made.len() as u64 + 1, "also when the newest went");
}
