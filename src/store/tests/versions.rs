//! Stores of other versions: read, made anew, or refused in words that say what to do.

use std::fs;

use super::{about, record};
use crate::model::{Chunk, Exchange, Failure, FailureKind, Informational, Outcome, Relayed, Timings, TlsFacts};
use crate::store::index::forge_version;
use crate::store::segment::{self, FRAME, Found, HEADER, Kind, Scan};
use crate::store::testing::exchange;
use crate::store::{OpenError, Query, open_for_reading, open_for_recording};

/// Records of format 1 as the first release wrote them, one for each outcome. Never made anew: these bytes lie on disks.
const FORMAT_1: &[u8] = include_bytes!("format-1.records");

/// What those records say.
fn first_release() -> Vec<(Kind, Exchange)> {
    let mut full = exchange(1);
    full.note = Some("looked at".into());
    full.client = Some("127.0.0.1:5".into());
    full.tls = Some(TlsFacts {
        version: "TLSv1.3".into(),
        cipher: "TLS13_AES_128_GCM_SHA256".into(),
        alpn: Some("h2".into()),
    });
    full.request.trailers.push("X-Sum", "1");
    full.vendor.insert("entry".into(), serde_json::json!({"_priority": "high", "time": 1.5}));
    full.timings = Timings {
        connected_us: Some(10),
        secured_us: Some(20),
        first_byte_us: Some(30),
        total_us: 40,
        chunks: vec![Chunk { at_us: 35, bytes: 9 }],
    };
    let response = full.outcome.response_mut().unwrap();
    response.reason = Some("Fine".into());
    response.informational.push(Informational { status: 103, fields: response.fields.clone() });
    response.body.coding_removed = Some("gzip".into());
    response.body.masked = 2;
    let response = exchange(2).outcome.response().cloned();
    let failure = Failure { kind: FailureKind::Closed, message: "closed".into() };
    let outcomes = [
        Outcome::Failed(failure, None),
        Outcome::Cancelled(response.clone()),
        Outcome::Interrupted(response),
        Outcome::Relayed(Relayed { sent: 1, received: 2, reason: "no TLS".into() }),
    ];
    let others =
        (2..).zip(outcomes).map(|(number, outcome)| Exchange { outcome, partial: number == 2, ..exchange(number) });
    let kinds = [Kind::Exchange, Kind::Exchange, Kind::Open, Kind::Addendum, Kind::Label];
    kinds.into_iter().zip(std::iter::once(full).chain(others)).collect()
}

#[test]
fn records_of_the_first_release_are_read_for_good() {
    let found = Scan::new(FORMAT_1).map(|found| match found {
        Found::Record { payload, .. } => segment::decode(payload).unwrap(),
        other => panic!("{other:?}"),
    });
    assert_eq!(found.collect::<Vec<_>>(), first_release());
}

#[test]
fn a_newer_store_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), 1..=1);
    fs::write(dir.path().join("store.json"), r#"{"version":2,"id":"x"}"#).unwrap();
    let refused = [open_for_reading(dir.path()).err(), open_for_recording(dir.path(), about()).err()];
    for error in refused.into_iter().flatten() {
        assert!(matches!(error, OpenError::Newer { version: 2, .. }));
        let text = error.to_string();
        assert!(text.contains("has version 2") && text.contains("use a newer retake"), "{text}");
    }
}

#[test]
fn a_record_of_a_newer_format_is_named_and_kept_and_the_others_are_read() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), 1..=3);
    let path = dir.path().join("journal/000001.log");
    let mut bytes = fs::read(&path).unwrap();
    let second = HEADER.len() + segment::encode(Kind::Exchange, &exchange(1)).unwrap().len();
    let length = segment::encode(Kind::Exchange, &exchange(2)).unwrap().len();
    let payload = second + FRAME..second + length;
    bytes[payload.start + 1] = 2;
    let checksum = crc32c::crc32c(&bytes[payload]);
    bytes[second + 4..second + FRAME].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let history = open_for_reading(dir.path()).unwrap();
    let listed = history.list(&Query::default(), None, 10).unwrap().rows;
    assert_eq!(listed.iter().map(|row| row.number).collect::<Vec<_>>(), [3, 1]);
    let told = history.repairs().join("\n");
    assert!(told.contains("format 2 is not known to this version of retake"), "{told}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "a newer retake finds it");
}

#[test]
fn an_index_of_another_version_is_made_anew() {
    for version in [1, 9] {
        let dir = tempfile::tempdir().unwrap();
        record(dir.path(), 1..=300);
        forge_version(&dir.path().join("index"), version);
        let history = open_for_reading(dir.path()).unwrap();
        assert_eq!(history.list(&Query::default(), None, 999).unwrap().rows.len(), 300);
        let told = history.repairs().join("\n");
        assert!(told.contains("without loss") && told.contains(&format!("the index has version {version}")), "{told}");
    }
}
