//! The store as a whole: recorded, closed, killed, damaged, reopened.

mod clock;
mod damage;
mod damages;
mod versions;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::testing::exchange;
use super::*;
use crate::model::{Body, BodyContent, BodyEnd, Exchange, Outcome};

fn about() -> Holder {
    Holder { listener: "127.0.0.1:8888".into(), command: "retake record".into() }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Records exchanges with these numbers, in this order, and closes.
fn record(dir: &Path, numbers: impl IntoIterator<Item = u64>) {
    let (recording, _history) = open_for_recording(dir, about()).unwrap();
    runtime().block_on(async {
        for number in numbers {
            recording.append(exchange(number)).await.unwrap();
        }
    });
}

/// All numbers of the listing, taken in pages of seven, newest first.
fn listed(history: &dyn History, query: &Query) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut before = None;
    loop {
        let page = history.list(query, before, 7).unwrap();
        numbers.extend(page.rows.iter().map(|row| row.number));
        before = page.next;
        if before.is_none() {
            return numbers;
        }
    }
}

fn down_from(highest: u64) -> Vec<u64> {
    (1..=highest).rev().collect()
}

#[test]
fn what_was_recorded_is_read_back_while_recording_and_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let check = |history: &dyn History| {
        assert_eq!(listed(history, &Query::default()), down_from(40));
        for number in 1..=40 {
            assert_eq!(history.get(number).unwrap(), exchange(number));
        }
        assert!(matches!(history.get(41), Err(HistoryError::Unknown(_))));
    };
    let (recording, history) = open_for_recording(dir.path(), about()).unwrap();
    runtime().block_on(async {
        for number in 1..=40 {
            recording.append(exchange(number)).await.unwrap();
        }
    });
    check(&*history);
    drop((recording, history));
    let history = open_for_reading(dir.path()).unwrap();
    assert!(history.repairs().is_empty(), "{:?}", history.repairs());
    check(&*history);
}

#[test]
fn numbers_are_counted_on_and_never_given_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let (recording, _) = open_for_recording(dir.path(), about()).unwrap();
        for _ in 0..5 {
            let (id, number) = recording.begin();
            assert!(seen.insert(number), "{number}");
            runtime().block_on(recording.append(Exchange { id, number, ..exchange(number) })).unwrap();
        }
    }
    assert_eq!(seen, (1..=15).collect());
}

#[test]
fn a_second_recorder_is_told_who_has_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let held = open_for_recording(dir.path(), about()).unwrap();
    let Err(error @ OpenError::Locked { .. }) = open_for_recording(dir.path(), about()) else { panic!("locked") };
    let text = error.to_string();
    for part in [std::process::id().to_string().as_str(), "127.0.0.1:8888", "retake record"] {
        assert!(text.contains(part), "{text}");
    }
    drop(held);
    open_for_recording(dir.path(), about()).unwrap();
}

#[test]
fn a_history_that_never_was_is_called_empty() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(open_for_reading(&dir.path().join("none")), Err(OpenError::Empty(_))));
    assert!(!dir.path().join("none").exists(), "reading makes nothing");
}

#[test]
fn the_index_is_rebuilt_when_deleted_damaged_or_foreign() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    record(dir.path(), 1..=300);
    record(other.path(), 1..=3);
    let index = dir.path().join("index");
    let damage: [&dyn Fn(); 4] = [
        &|| fs::remove_dir_all(&index).unwrap(),
        &|| {
            for entry in fs::read_dir(&index).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    fs::write(path, b"nothing of a database").unwrap();
                }
            }
        },
        &|| {
            fs::remove_dir_all(&index).unwrap();
            fs::rename(other.path().join("index"), &index).unwrap();
        },
        &|| fs::write(dir.path().join("index.suspect"), b"a checksum does not hold").unwrap(),
    ];
    for (case, damage) in damage.iter().enumerate() {
        damage();
        let history = open_for_reading(dir.path()).unwrap();
        assert_eq!(listed(&*history, &Query::default()), down_from(300), "case {case}");
        let repairs = history.repairs();
        assert!(repairs.iter().any(|text| text.contains("rebuilt")), "case {case}: {repairs:?}");
        drop(history);
        assert!(open_for_reading(dir.path()).unwrap().repairs().is_empty(), "case {case}: told once");
    }
}

#[test]
fn an_addendum_replaces_the_partial_record_wherever_that_lies() {
    let dir = tempfile::tempdir().unwrap();
    let whole = |number| {
        let mut whole = exchange(number);
        whole.request.body = Body::inline(b"the rest".to_vec(), BodyEnd::Complete);
        whole
    };
    let check = |history: &dyn History| {
        for number in [5, 6] {
            assert_eq!(history.get(number).unwrap(), whole(number));
            let numbers = vec![(number, number)];
            let page = history.list(&Query { numbers, ..Query::default() }, None, 9).unwrap();
            assert_eq!(page.rows.iter().map(|row| row.request_bytes).collect::<Vec<_>>(), [8]);
        }
        assert_eq!(listed(history, &Query::default()), down_from(9));
    };
    {
        let (recording, _) = open_for_recording(dir.path(), about()).unwrap();
        runtime().block_on(async {
            for number in 1..=9 {
                recording.append(Exchange { partial: true, ..exchange(number) }).await.unwrap();
            }
            recording.append_addendum(whole(5)).await.unwrap();
        });
    }
    let (recording, history) = open_for_recording(dir.path(), about()).unwrap();
    runtime().block_on(recording.append_addendum(whole(6))).unwrap();
    check(&*history);
    drop((recording, history));
    check(&*open_for_reading(dir.path()).unwrap());
}

/// An exchange whose response streams: recorded `open`, the chunks in its stream file; then as if killed.
fn streaming(recording: &Recording, number: u64, chunk: &[u8]) {
    let mut open = exchange(number);
    open.outcome.response_mut().unwrap().body = Body::empty();
    let mut stream = recording.stream(open.id).unwrap();
    runtime().block_on(recording.append_open(open)).unwrap();
    stream.write(chunk).unwrap();
}

#[test]
fn a_stream_cut_off_is_kept_as_interrupted_with_what_the_client_had() {
    let dir = tempfile::tempdir().unwrap();
    let large = vec![b'x'; 200_000];
    {
        let (recording, history) = open_for_recording(dir.path(), about()).unwrap();
        streaming(&recording, 1, b"data: 1\n\n");
        streaming(&recording, 2, &large);
        assert!(listed(&*history, &Query::default()).is_empty(), "in progress: no exchange yet");
        let mut short = recording.stream(exchange(3).id).unwrap();
        runtime().block_on(recording.append_open(exchange(3))).unwrap();
        short.write(b"abc").unwrap();
        assert_eq!(short.take_small(10).unwrap().unwrap(), b"abc");
        runtime().block_on(recording.append(exchange(3))).unwrap();
    }
    for round in 0..2 {
        let history = open_for_reading(dir.path()).unwrap();
        assert_eq!(history.repairs().len(), if round == 0 { 2 } else { 0 }, "{:?}", history.repairs());
        assert_eq!(listed(&*history, &Query::default()), [3, 2, 1]);
        for (number, content) in [(1, b"data: 1\n\n".as_slice()), (2, &large)] {
            let exchange = history.get(number).unwrap();
            assert!(matches!(exchange.outcome, Outcome::Interrupted(Some(_))));
            assert_eq!(body(&*history, &exchange), content);
        }
        assert_eq!(history.get(3).unwrap(), exchange(3));
    }
    assert_eq!(fs::read_dir(dir.path().join("blobs/streams")).unwrap().count(), 0);
}

fn body(history: &dyn History, exchange: &Exchange) -> Vec<u8> {
    let mut bytes = Vec::new();
    let body = &exchange.outcome.response().unwrap().body;
    history.body(exchange, body).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_body_whose_file_is_gone_names_exchange_and_file() {
    let dir = tempfile::tempdir().unwrap();
    let (recording, history) = open_for_recording(dir.path(), about()).unwrap();
    let mut writer = recording.blob().unwrap();
    writer.write(b"large").unwrap();
    let (hash, size) = writer.finish().unwrap();
    let mut made = exchange(1);
    made.outcome.response_mut().unwrap().body = Body { content: BodyContent::Blob, hash, size, ..Body::empty() };
    runtime().block_on(recording.append(made.clone())).unwrap();
    assert_eq!(body(&*history, &made), b"large");
    let path = dir.path().join("blobs").join(&hash.to_hex()[..2]).join(hash.to_hex());
    fs::remove_file(&path).unwrap();
    let Err(HistoryError::Damaged(text)) = history.body(&made, &made.outcome.response().unwrap().body) else {
        panic!("damaged")
    };
    assert!(text.contains("exchange 1 ") && text.contains(&hash.to_hex()), "{text}");
}

#[test]
fn a_store_that_cannot_be_locked_or_written_is_read_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    {
        let (recording, _) = open_for_recording(dir.path(), about()).unwrap();
        runtime().block_on(recording.append(exchange(1))).unwrap();
        streaming(&recording, 2, b"abc");
    }
    // A test may run as root, whom permissions do not stop: the path is taken directly.
    let history = super::open::read_only(Arc::new(super::layout::Layout::new(dir.path()))).unwrap();
    assert_eq!(listed(&*history, &Query::default()), [2, 1]);
    assert_eq!(history.get(1).unwrap(), exchange(1));
    assert_eq!(body(&*history, &history.get(2).unwrap()), b"abc");
    assert!(!history.repairs().is_empty());
}

#[test]
fn selectors_mean_numbers_ranges_ids_and_endings() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), (1..=200).filter(|number| number % 10 != 0));
    let history = open_for_reading(dir.path()).unwrap();
    let id = exchange(77).id.to_string();
    assert_eq!(history.resolve("77").unwrap(), [77]);
    assert_eq!(history.resolve("18-22").unwrap(), [18, 19, 21, 22]);
    assert_eq!(history.resolve(&id).unwrap(), [77]);
    assert_eq!(history.resolve(&id[id.len() - 8..].to_uppercase()).unwrap(), [77]);
    for unknown in ["20", "500-600", "01936b5e-7a00-7000-8000-0123456789ab", "123456"] {
        assert!(matches!(history.resolve(unknown), Err(HistoryError::Unknown(_))), "{unknown}");
    }
    for bad in ["", "x", "9-3", "last"] {
        assert!(matches!(history.resolve(bad), Err(HistoryError::BadSelector(_))), "{bad}");
    }
}

#[test]
fn an_ending_of_two_ids_names_both() {
    let dir = tempfile::tempdir().unwrap();
    {
        let (recording, _) = open_for_recording(dir.path(), about()).unwrap();
        for (number, head) in [(1, 0x0193u128), (2, 0x0194)] {
            let id = crate::model::ExchangeId(uuid::Uuid::from_u128(head << 112 | 0xabcdef));
            runtime().block_on(recording.append(Exchange { id, ..exchange(number) })).unwrap();
        }
    }
    let history = open_for_reading(dir.path()).unwrap();
    let Err(HistoryError::Ambiguous { candidates, .. }) = history.resolve("abcdef") else { panic!("ambiguous") };
    assert_eq!(candidates.len(), 2);
    assert_eq!(history.resolve("01940000-0000-0000-0000-000000abcdef").unwrap(), [2]);
}

#[test]
fn days_count_the_same_from_summaries_and_from_rows() {
    let dir = tempfile::tempdir().unwrap();
    // 10 s apart: 9 000 of them span a day and more. Every third is enough.
    record(dir.path(), (1..=9_000).step_by(3));
    let history = open_for_reading(dir.path()).unwrap();
    for zone in [TimeZone::UTC, TimeZone::fixed(jiff::tz::offset(9))] {
        let days = history.days(&Query::default(), &zone).unwrap();
        let every = Query { numbers: vec![(1, u64::MAX)], ..Query::default() };
        assert_eq!(days, history.days(&every, &zone).unwrap());
        assert_eq!(days.iter().map(|day| day.count).sum::<u64>(), 3_000);
        assert!(days.len() >= 2 && days.is_sorted_by(|a, b| a.name > b.name));
    }
}

#[test]
fn late_exchanges_find_their_page_across_batches() {
    let dir = tempfile::tempdir().unwrap();
    // Everything but each fifth, then those: they belong into pages that are long written.
    record(dir.path(), (1..=2_500).filter(|number| number % 5 != 0));
    record(dir.path(), (1..=500).map(|number| number * 5));
    let history = open_for_reading(dir.path()).unwrap();
    assert_eq!(listed(&*history, &Query::default()), down_from(2_500));
    assert_eq!(history.get(1_000).unwrap(), exchange(1_000));
}
