//! Torn, flipped and overwritten bytes, in the journal and in the index.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::{about, down_from, listed, record, runtime};
use crate::store::testing::exchange;
use crate::store::{HistoryError, Query, open_for_reading, open_for_recording};

/// The bytes of the first segment, and where each of its records lies.
fn journal(dir: &Path) -> (std::path::PathBuf, Vec<u8>, Vec<std::ops::Range<usize>>) {
    let path = dir.join("journal/000001.log");
    let bytes = fs::read(&path).unwrap();
    let mut ranges = Vec::new();
    let mut at = 16;
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        ranges.push(at..at + 8 + length);
        at += 8 + length;
    }
    (path, bytes, ranges)
}

#[test]
fn a_tail_torn_by_a_kill_is_cut_off_and_told() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), 1..=3);
    let (path, bytes, ranges) = journal(dir.path());
    for cut in ranges[2].clone().skip(1).step_by(37) {
        let _ = fs::remove_dir_all(dir.path().join("index"));
        fs::write(&path, &bytes[..cut]).unwrap();
        let history = open_for_reading(dir.path()).unwrap();
        assert_eq!(listed(&*history, &Query::default()), [2, 1], "cut at {cut}");
        assert!(history.repairs().iter().any(|text| text.contains("not written whole")));
        drop(history);
        record(dir.path(), [4]);
        assert_eq!(listed(&*open_for_reading(dir.path()).unwrap(), &Query::default()), [4, 2, 1], "cut at {cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn one_damage_costs_one_exchange_at_most_and_is_told(at in any::<usize>(), length in 1usize..40, fill in any::<u8>()) {
        let dir = tempfile::tempdir().unwrap();
        record(dir.path(), 1..=8);
        fs::remove_dir_all(dir.path().join("index")).unwrap();
        let (path, mut bytes, ranges) = journal(dir.path());
        let before = bytes.clone();
        let at = at % bytes.len();
        let end = (at + length).min(bytes.len());
        bytes[at..end].fill(fill);
        fs::write(&path, &bytes).unwrap();
        let history = open_for_reading(dir.path()).unwrap();
        let whole = |range: &std::ops::Range<usize>| before[range.clone()] == bytes[range.clone()];
        let expected: Vec<u64> = (1..=8).rev().filter(|number| whole(&ranges[*number as usize - 1])).collect();
        prop_assert_eq!(listed(&*history, &Query::default()), expected);
        prop_assert_eq!(history.repairs().is_empty(), before == bytes);
    }

    #[test]
    fn filters_and_cursor_agree_with_a_plain_loop(
        session in proptest::option::of(0u64..3), host in proptest::option::of(0u64..3), method in any::<bool>(),
        status in proptest::option::of((200u16..470, 0u16..100)), from in 0u64..250, more in 0u64..250,
    ) {
        let dir = tempfile::tempdir().unwrap();
        record(dir.path(), 1..=200);
        let (recording, history) = open_for_recording(dir.path(), about()).unwrap();
        runtime().block_on(async {
            for number in 201..=270 {
                recording.append(exchange(number)).await.unwrap();
            }
        });
        let query = Query {
            session: session.map(|number| format!("s-{number}")),
            host: host.map(|number| format!("API-{number}.*")),
            method: method.then(|| "post".into()),
            status: status.map(|(from, more)| (from, from + more)),
            since: Some(exchange(from).started_at),
            until: Some(exchange(from + more).started_at),
            ..Query::default()
        };
        let expected: Vec<u64> = (1..=270).rev().filter(|&number| {
            let made = exchange(number);
            query.session.as_ref().is_none_or(|session| *session == made.session)
                && host.is_none_or(|host| made.request.origin.host() == format!("api-{host}.example"))
                && (!method || made.request.method == "POST")
                && query.status.is_none_or(|(from, to)| (from..=to).contains(&made.status().unwrap()))
                && (from..from + more).contains(&number)
        }).collect();
        prop_assert_eq!(listed(&*history, &query), expected);
    }
}

#[test]
fn a_record_damaged_after_it_was_indexed_is_named_when_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), 1..=3);
    let (path, mut bytes, ranges) = journal(dir.path());
    bytes[ranges[1].start + 40] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let history = open_for_reading(dir.path()).unwrap();
    let Err(HistoryError::Damaged(text)) = history.get(2) else { panic!("damaged") };
    assert!(text.contains("exchange 2 ") && text.contains("000001.log"), "{text}");
    assert_eq!(history.get(3).unwrap(), exchange(3));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_of_the_index_loses_an_exchange(at in any::<usize>(), length in 1usize..3000, fill in any::<u8>()) {
        let dir = tempfile::tempdir().unwrap();
        record(dir.path(), 1..=400);
        let mut files: Vec<_> = fs::read_dir(dir.path().join("index")).unwrap().map(|file| file.unwrap().path()).collect();
        files.retain(|path| path.is_file());
        files.sort();
        let path = &files[at % files.len()];
        let mut bytes = fs::read(path).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
        let at = at % used;
        let end = (at + length).min(used);
        bytes[at..end].fill(fill);
        fs::write(path, &bytes).unwrap();
        // What only shows when a page is read is an error once; the next opening rebuilds.
        let first = open_for_reading(dir.path()).unwrap();
        let pages = first.list(&Query::default(), None, 1_000);
        drop(first);
        let numbers = match pages {
            Ok(page) => page.rows.iter().map(|row| row.number).collect(),
            Err(HistoryError::Damaged(_)) => listed(&*open_for_reading(dir.path()).unwrap(), &Query::default()),
            Err(error) => panic!("{error}"),
        };
        prop_assert_eq!(numbers, down_from(400));
    }
}
