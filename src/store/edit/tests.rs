use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::rewrite::plug;
use crate::model::{Body, BodyContent, BodyEnd, Exchange};
use crate::store::testing::exchange;
use crate::store::{Edit, History, HistoryError, Holder, Query, Recording, open_for_reading, open_for_recording};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn record(dir: &Path, exchanges: impl IntoIterator<Item = Exchange>) {
    let (recording, _history) = open_for_recording(dir, Holder::default()).unwrap();
    let exchanges: Vec<_> = exchanges.into_iter().collect();
    append(&recording, exchanges);
}

fn append(recording: &Recording, exchanges: Vec<Exchange>) {
    runtime().block_on(async {
        for exchange in exchanges {
            recording.append(exchange).await.unwrap();
        }
    });
}

fn numbers(history: &dyn History) -> Vec<u64> {
    let mut numbers: Vec<u64> =
        history.list(&Query::default(), None, usize::MAX).unwrap().rows.iter().map(|row| row.number).collect();
    numbers.reverse();
    numbers
}

fn delete(numbers: &[(u64, u64)]) -> Edit {
    Edit::Delete { numbers: numbers.to_vec(), dry_run: false }
}

fn tag(from: u64, to: u64, tag: &str, note: Option<&str>) -> Edit {
    let note = note.map(str::to_owned);
    Edit::Label { numbers: vec![(from, to)], add: vec![tag.into()], remove: vec!["nine".into()], note }
}

/// The files that hold a text.
fn holding(dir: &Path, text: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.extend(holding(&entry.path(), text));
        } else if memchr::memmem::find(&std::fs::read(entry.path()).unwrap(), text.as_bytes()).is_some() {
            found.push(entry.path());
        }
    }
    found
}

/// An exchange whose URL, field and body hold a text.
fn planted(number: u64, text: &str) -> Exchange {
    let mut planted = exchange(number);
    planted.request.query = Some(format!("q={text}"));
    planted.request.fields.push("X-Planted", text);
    let body = format!("{{\"value\":\"{text}\"}}").into_bytes();
    planted.outcome.response_mut().unwrap().body = Body::inline(body, BodyEnd::Complete);
    planted
}

#[test]
fn labels_show_at_once_and_after_a_rebuild() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), (1..=20).map(exchange));
    let history = open_for_reading(dir.path()).unwrap();
    let report = history.edit(&tag(8, 9, "kept", Some("a note"))).unwrap();
    assert_eq!(report.exchanges, 2);
    assert_eq!(history.edit(&tag(8, 9, "kept", Some("a note"))).unwrap().exchanges, 0, "nothing to change");
    let check = |history: &dyn History| {
        let query = Query { tag: Some("kept".into()), ..Query::default() };
        let rows = history.list(&query, None, 10).unwrap().rows;
        assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [9, 8]);
        let nine = history.get(9).unwrap();
        assert_eq!((nine.tags, nine.note.as_deref()), (vec!["kept".to_owned()], Some("a note")));
    };
    check(&*history);
    drop(history);
    check(&*open_for_reading(dir.path()).unwrap());
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    check(&*open_for_reading(dir.path()).unwrap());
}

#[test]
fn what_is_deleted_is_in_no_file_and_its_number_is_not_given_again() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), (1..=9).map(exchange).chain([planted(10, "canary-in-ten")]));
    let history = open_for_reading(dir.path()).unwrap();
    history.edit(&tag(10, 10, "canary-in-tag", None)).unwrap();
    let dry = history.edit(&Edit::Delete { numbers: vec![(10, 99)], dry_run: true }).unwrap();
    assert_eq!((dry.exchanges, history.get(10).is_ok()), (1, true));
    assert!(dry.bytes.1 < dry.bytes.0);
    assert_eq!(history.edit(&delete(&[(10, 99)])).unwrap().exchanges, 1);
    assert!(matches!(history.get(10), Err(HistoryError::Unknown(_))));
    assert_eq!(numbers(&*history), (1..=9).collect::<Vec<_>>());
    for canary in ["canary-in-ten", "canary-in-tag"] {
        assert_eq!(holding(dir.path(), canary), Vec::<std::path::PathBuf>::new());
    }
    drop(history);
    for folder in ["index", "index-1"] {
        let _ = std::fs::remove_dir_all(dir.path().join(folder));
        let (recording, _history) = open_for_recording(dir.path(), Holder::default()).unwrap();
        assert_eq!(recording.begin().1, 11);
    }
}

#[test]
fn a_body_file_goes_with_the_last_exchange_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let (recording, history) = open_for_recording(dir.path(), Holder::default()).unwrap();
    for number in 1..=2 {
        let mut blob = recording.blob().unwrap();
        blob.write(&vec![7; 100_000]).unwrap();
        let (hash, size) = blob.finish().unwrap();
        let mut exchange = exchange(number);
        exchange.request.body = Body { content: BodyContent::Blob, hash, size, ..Body::empty() };
        append(&recording, vec![exchange]);
    }
    for (number, left) in [(1, 1), (2, 0)] {
        history.edit(&delete(&[(number, number)])).unwrap();
        let usage = history.usage().unwrap();
        assert_eq!((usage.blob_files, usage.exchanges), (left, 2 - number));
    }
}

#[test]
fn edits_beside_a_recorder_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (recording, history) = open_for_recording(dir.path(), Holder::default()).unwrap();
    append(&recording, (1..=100).map(exchange).collect());
    let writing = {
        let recording = recording.clone();
        std::thread::spawn(move || append(&recording, (101..=3000).map(exchange).collect()))
    };
    let reading = {
        let history = history.clone();
        std::thread::spawn(move || {
            for _ in 0..300 {
                assert_eq!(history.get(50).unwrap().id, exchange(50).id);
            }
        })
    };
    for round in 0..4 {
        let from = 1 + round * 10;
        history.edit(&delete(&[(from, from + 9)])).unwrap();
        history.edit(&tag(60 + round, 60 + round, "late", None)).unwrap();
    }
    writing.join().unwrap();
    reading.join().unwrap();
    let check = |history: &dyn History| {
        assert_eq!(numbers(history), (41..=3000).collect::<Vec<_>>());
        let tagged = history.list(&Query { tag: Some("late".into()), ..Query::default() }, None, 10).unwrap();
        assert_eq!(tagged.rows.len(), 4);
        for number in (41..=3000).step_by(97) {
            assert_eq!(history.get(number).unwrap().id, exchange(number).id);
        }
    };
    check(&*history);
    drop((recording, history));
    check(&*open_for_reading(dir.path()).unwrap());
}

#[test]
fn a_delete_cut_off_at_any_step_leaves_a_store_that_opens() {
    for step in 0..12 {
        let dir = tempfile::tempdir().unwrap();
        record(dir.path(), (1..=6).map(exchange).chain([planted(7, "canary-cut-off")]));
        record(dir.path(), (8..=12).map(exchange));
        let history = open_for_reading(dir.path()).unwrap();
        plug::AFTER.set(Some(step));
        let cut_off = history.edit(&delete(&[(7, 7)])).is_err();
        plug::AFTER.set(None);
        let listed = numbers(&*history);
        listed.iter().for_each(|number| drop(history.get(*number).unwrap()));
        drop(history);
        let history = open_for_reading(dir.path()).unwrap();
        let left = numbers(&*history);
        assert!(left == (1..=12).collect::<Vec<_>>() || left == [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12], "{left:?}");
        left.iter().for_each(|number| drop(history.get(*number).unwrap()));
        if !left.contains(&7) {
            assert_eq!(holding(dir.path(), "canary-cut-off"), Vec::<std::path::PathBuf>::new(), "step {step}");
        }
        history.edit(&delete(&[(7, 7)])).unwrap();
        assert_eq!(holding(dir.path(), "canary-cut-off"), Vec::<std::path::PathBuf>::new(), "step {step}");
        if !cut_off {
            assert!(step > 3);
            return;
        }
    }
    panic!("never got through");
}

#[test]
fn pruning_takes_the_old_then_the_oldest_and_spares_what_is_tagged() {
    let dir = tempfile::tempdir().unwrap();
    let large = |number| {
        let mut exchange = exchange(number);
        exchange.outcome.response_mut().unwrap().body = Body::inline(vec![b'x'; 50_000], BodyEnd::Complete);
        exchange
    };
    record(dir.path(), (1..=40).map(large));
    let history = open_for_reading(dir.path()).unwrap();
    let older_than = Some(exchange(11).started_at);
    let prune = |dry_run, max_bytes| Edit::Prune { older_than, max_bytes, keep_tagged: true, dry_run };
    let dry = history.edit(&prune(true, None)).unwrap();
    assert_eq!((dry.exchanges, numbers(&*history).len()), (9, 40));
    let report = history.edit(&prune(false, None)).unwrap();
    assert_eq!(report.exchanges, 9);
    assert!(report.warnings[0].contains("1 exchange(s) were spared"), "{:?}", report.warnings);
    assert_eq!(numbers(&*history)[..2], [9, 11]);
    let limit = 1_200_000;
    let report = history.edit(&prune(false, Some(limit))).unwrap();
    assert!(report.bytes.1 <= limit, "{report:?}");
    let left = numbers(&*history);
    assert!(left.starts_with(&[9, 18]) && left.contains(&40), "{left:?}");
}

#[test]
fn pruning_sweeps_body_files_that_nobody_names() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), [exchange(1)]);
    let history = open_for_reading(dir.path()).unwrap();
    history.import_body(&mut [7; 100_000].as_slice(), BodyEnd::Complete).unwrap();
    drop(history);
    let history = open_for_reading(dir.path()).unwrap();
    let prune = |dry_run| Edit::Prune { older_than: None, max_bytes: None, keep_tagged: false, dry_run };
    for dry_run in [true, false] {
        assert_eq!(history.usage().unwrap().blob_files, 1);
        let report = history.edit(&prune(dry_run)).unwrap();
        assert_eq!((report.exchanges, report.bytes.0 - report.bytes.1), (0, 100_000));
    }
    assert_eq!(history.usage().unwrap().blob_files, 0);
}

#[test]
fn an_import_gets_a_fresh_number_once() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), (1..=3).map(exchange));
    let history = open_for_reading(dir.path()).unwrap();
    let body = history.import_body(&mut [7; 100_000].as_slice(), BodyEnd::Complete).unwrap();
    let mut stranger = exchange(77);
    stranger.outcome.response_mut().unwrap().body = body.clone();
    assert_eq!(history.import(stranger.clone()).unwrap(), Some(4));
    assert_eq!(history.import(stranger.clone()).unwrap(), None);
    drop(history);
    let (_recording, history) = open_for_recording(dir.path(), Holder::default()).unwrap();
    let read = history.get(4).unwrap();
    assert_eq!((read.id, &read.outcome.response().unwrap().body), (stranger.id, &body));
    assert_eq!(history.import(exchange(88)).unwrap(), Some(5));
}

#[test]
fn what_is_masked_is_in_no_file_also_where_it_was_recognised_late_and_twice_changes_nothing() {
    let canary = "canary-9f2c41d7aa";
    let dir = tempfile::tempdir().unwrap();
    let (recording, history) = open_for_recording(dir.path(), Holder::default()).unwrap();
    // Early, in places that no rule names: path, a body coded with gzip, a large body in a file, a note.
    let mut early = exchange(1);
    early.request.path = format!("/by/{canary}/x");
    let coded = crate::model::coding::encode(canary.as_bytes(), crate::model::coding::Coding::Gzip).unwrap();
    let response = early.outcome.response_mut().unwrap();
    response.fields = crate::model::Fields::new();
    response.fields.push("Content-Type", "text/plain");
    response.fields.push("Content-Encoding", "gzip");
    response.body = Body::inline(coded, BodyEnd::Complete);
    let mut blob = recording.blob().unwrap();
    blob.write(format!("{{\"text\":\"{}{canary}\"}}", "x".repeat(200_000)).as_bytes()).unwrap();
    let (hash, size) = blob.finish().unwrap();
    let mut large = exchange(2);
    large.outcome.response_mut().unwrap().body = Body { content: BodyContent::Blob, hash, size, ..Body::empty() };
    // Late, where the rule names it.
    let mut late = exchange(3);
    late.request.fields.push("X-Planted", canary);
    append(&recording, vec![early, large, late, exchange(4)]);
    drop((recording, history));
    for (folder, name, text) in [
        ("runs/r1", "calls.jsonl", format!("{{\"url\":\"http://x/{canary}\"}}\n").into_bytes()),
        ("quarantine", "store.json", canary.as_bytes().to_vec()),
        ("quarantine", "000001.log-9", [&[0, 255], canary.as_bytes()].concat()),
    ] {
        std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        std::fs::write(dir.path().join(folder).join(name), text).unwrap();
    }
    let history = open_for_reading(dir.path()).unwrap();
    history.edit(&tag(4, 4, "t", Some(canary))).unwrap();
    let rules = crate::redact::MaskRules { fields: vec!["x-planted".into()], ..Default::default() };
    let mask = |dry_run| Edit::Mask { rules: rules.clone(), dry_run };
    let dry = history.edit(&mask(true)).unwrap();
    assert_eq!(dry.exchanges, 4, "{dry:?}");
    assert!(!holding(dir.path(), canary).is_empty(), "nothing was changed");
    let report = history.edit(&mask(false)).unwrap();
    assert_eq!((report.exchanges, report.values), (dry.exchanges, dry.values));
    assert_eq!(holding(dir.path(), canary), Vec::<std::path::PathBuf>::new());
    assert!(report.warnings.iter().any(|warning| warning.contains("000001.log-9")), "{:?}", report.warnings);
    let one = history.get(1).unwrap();
    let body = &one.outcome.response().unwrap().body;
    assert_eq!((body.coding_removed.as_deref(), body.masked), (Some("gzip"), 1));
    let BodyContent::Inline(bytes) = &body.content else { panic!("small") };
    assert!(crate::redact::is_placeholder(std::str::from_utf8(bytes).unwrap()), "{bytes:?}");
    let two = history.get(2).unwrap();
    let mut text = String::new();
    let body = &two.outcome.response().unwrap().body;
    std::io::Read::read_to_string(&mut history.body(&two, body).unwrap(), &mut text).unwrap();
    assert!(text.contains("retake-") && !text.contains(canary));
    assert_eq!(history.usage().unwrap().blob_files, 1);
    let again = history.edit(&mask(false)).unwrap();
    assert_eq!((again.exchanges, again.values, again.warnings), (0, 0, Vec::new()));
}

#[test]
fn a_damaged_stretch_does_not_outlive_masking_and_values_count_once() {
    let canary = "canary-9f2c41d7aa";
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), [exchange(1), planted(2, canary), exchange(3)]);
    let segment = dir.path().join("journal/000001.log");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = memchr::memmem::find(&bytes, canary.as_bytes()).unwrap();
    bytes[at + canary.len()] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let history = open_for_reading(dir.path()).unwrap();
    assert_eq!(numbers(&*history), [1, 3]);
    assert!(!holding(dir.path(), canary).is_empty());
    let mut rules = crate::redact::MaskRules { fields: vec!["x-planted".into()], ..Default::default() };
    let report = history.edit(&Edit::Mask { rules: rules.clone(), dry_run: false }).unwrap();
    assert_eq!(report.exchanges, 0);
    assert!(report.warnings.iter().any(|warning| warning.contains("were left out")), "{:?}", report.warnings);
    assert_eq!(holding(dir.path(), canary), Vec::<std::path::PathBuf>::new());
    assert_eq!(numbers(&*history), [1, 3]);
    // An exchange that was labelled has two records, and its values count once.
    rules.fields.push("x-late".into());
    drop(history);
    let mut late = exchange(4);
    late.request.fields.push("X-Late", "late-value-4711");
    record(dir.path(), [late]);
    let history = open_for_reading(dir.path()).unwrap();
    history.edit(&tag(4, 4, "t", None)).unwrap();
    let report = history.edit(&Edit::Mask { rules, dry_run: false }).unwrap();
    assert_eq!((report.exchanges, report.values), (1, 1));
}

#[derive(Debug, Clone)]
enum Act {
    Append(u8),
    Label(u64, u64, u8),
    Delete(u64, u64),
    Reopen(bool),
}

fn act() -> impl Strategy<Value = Act> {
    let range = || (0u64..40, 0u64..8).prop_map(|(from, more)| (from, from + more));
    prop_oneof![
        3 => (1u8..12).prop_map(Act::Append),
        3 => (range(), any::<u8>()).prop_map(|((from, to), tag)| Act::Label(from, to, tag % 4)),
        2 => range().prop_map(|(from, to)| Act::Delete(from, to)),
        1 => any::<bool>().prop_map(Act::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_store_is_what_was_done_to_it(acts in proptest::collection::vec(act(), 1..14)) {
        let dir = tempfile::tempdir().unwrap();
        let mut model: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        let mut last = 0;
        let open = || -> (Recording, Arc<dyn History>) { open_for_recording(dir.path(), Holder::default()).unwrap() };
        let mut store = open();
        for act in acts {
            match act {
                Act::Append(count) => {
                    for _ in 0..count {
                        let number = store.0.begin().1;
                        prop_assert!(number > last, "a number was given twice");
                        last = number;
                        append(&store.0, vec![exchange(number)]);
                        model.insert(number, exchange(number).tags);
                    }
                }
                Act::Label(from, to, name) => {
                    let name = format!("tag-{name}");
                    store.1.edit(&tag(from, to, &name, None)).unwrap();
                    for (_, tags) in model.range_mut(from..=to) {
                        tags.retain(|tag| tag != "nine");
                        if !tags.contains(&name) {
                            tags.push(name.clone());
                        }
                    }
                }
                Act::Delete(from, to) => {
                    store.1.edit(&delete(&[(from, to)])).unwrap();
                    model.retain(|number, _| !(from..=to).contains(number));
                }
                Act::Reopen(without_index) => {
                    drop(store);
                    if without_index {
                        let folders = crate::store::layout::Layout::new(dir.path()).index_folders();
                        folders.iter().for_each(|folder| std::fs::remove_dir_all(folder).unwrap());
                    }
                    store = open();
                }
            }
            let rows = store.1.list(&Query::default(), None, usize::MAX).unwrap().rows;
            let listed: BTreeMap<u64, Vec<String>> = rows.into_iter().map(|row| (row.number, row.tags)).collect();
            prop_assert_eq!(&listed, &model);
            for (number, tags) in &model {
                prop_assert_eq!(&store.1.get(*number).unwrap().tags, tags);
            }
        }
    }
}
