//! Searches of whole stores.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use crate::model::coding::{self, Coding};
use crate::model::{Body, BodyContent, BodyEnd, Exchange, Outcome};
use crate::store::testing::exchange;
use crate::store::{
    Found, History, HistoryError, Holder, Pattern, Place, Query, Recording, open_for_reading, open_for_recording,
};

fn record(dir: &Path, exchanges: impl IntoIterator<Item = Exchange>) {
    let (recording, _history) = open_for_recording(dir, Holder::default()).unwrap();
    append(&recording, exchanges);
}

fn append(recording: &Recording, exchanges: impl IntoIterator<Item = Exchange>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for exchange in exchanges {
            recording.append(exchange).await.unwrap();
        }
    });
}

fn plain(text: &str) -> Pattern {
    Pattern { text: text.into(), regex: false, case_sensitive: false }
}

/// A search to its end, in pieces of three hits.
fn all(history: &dyn History, query: &Query, pattern: &Pattern) -> Found {
    let mut all = Found::default();
    let mut before = None;
    loop {
        let found = history.search(query, pattern, before, 3, &|| false).unwrap();
        assert!(found.hits.len() <= 3);
        all.hits.extend(found.hits);
        all.looked_at += found.looked_at;
        all.warnings.extend(found.warnings);
        if found.next.is_none() {
            return all;
        }
        assert!(before.is_none_or(|before| found.next.unwrap() < before), "it moves on");
        before = found.next;
    }
}

fn hits(found: &Found) -> Vec<(u64, Place)> {
    found.hits.iter().map(|hit| (hit.row.number, hit.place)).collect()
}

/// An exchange whose response has this body, stored as it is.
fn with_body(number: u64, content_type: &str, codings: &str, bytes: Vec<u8>) -> Exchange {
    let mut whole = exchange(number);
    let response = whole.outcome.response_mut().unwrap();
    response.fields.retain(|_| false);
    if !content_type.is_empty() {
        response.fields.push("Content-Type", content_type);
    }
    if !codings.is_empty() {
        response.fields.push("Content-Encoding", codings);
    }
    response.body = Body::inline(bytes, BodyEnd::Complete);
    whole
}

#[test]
fn every_place_is_looked_at_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut request = exchange(2);
    request.request.fields.push("X-Trace", "Quince");
    let mut sent = exchange(3);
    sent.request.fields.push("Content-Type", "application/x-www-form-urlencoded");
    sent.request.body = Body::inline(b"fruit=qu%69nce+jam".to_vec(), BodyEnd::Complete);
    let mut trailer = exchange(4);
    trailer.outcome.response_mut().unwrap().trailers.push("X-Sum", b"qu\xefnce QUINCE".to_vec());
    let mut url = exchange(5);
    url.request.path = "/Qu%69nce".into();
    let mut failed = exchange(7);
    failed.outcome = Outcome::Cancelled(failed.outcome.response().cloned());
    failed.outcome.response_mut().unwrap().body = Body::inline(b"{\"a\":\"quince".to_vec(), BodyEnd::Cancelled);
    let body = with_body(6, "text/plain", "", b"a Quince\r\nor two".to_vec());
    record(dir.path(), [exchange(1), request, sent, trailer, url, body, failed]);
    let history = open_for_reading(dir.path()).unwrap();
    let found = all(&*history, &Query::default(), &plain("quince"));
    let expected = [
        (7, Place::ResponseBody),
        (6, Place::ResponseBody),
        (5, Place::Url),
        (4, Place::ResponseField),
        (3, Place::RequestBody),
        (2, Place::RequestField),
    ];
    assert_eq!((hits(&found), found.looked_at, found.warnings.len()), (expected.to_vec(), 7, 0));
    let excerpts: Vec<&str> = found.hits.iter().map(|hit| hit.excerpt.as_str()).collect();
    let url = "GET https://api-2.example/Quince";
    assert_eq!(
        excerpts,
        ["{\"a\":\"quince", "a Quince or two", url, "X-Sum: quïnce QUINCE", "fruit=quince jam", "X-Trace: Quince"]
    );
    for (pattern, expected) in [
        (Pattern { case_sensitive: true, ..plain("quince") }, &[7, 3][..]),
        (Pattern { regex: true, ..plain(r"^x-\w+: .*quince$") }, &[4, 2]),
        (Pattern { regex: true, ..plain(r"\A\S+: quince\z") }, &[2]),
        (Pattern { regex: true, ..plain("quince$") }, &[7, 6, 5, 4, 2]),
        (plain("quïnce"), &[4]),
        (plain("get https://api-2.example/q"), &[5]),
        (plain("nowhere to be found"), &[]),
    ] {
        let numbers: Vec<u64> =
            all(&*history, &Query::default(), &pattern).hits.iter().map(|hit| hit.row.number).collect();
        assert_eq!(numbers, expected, "{pattern:?}");
    }
    let query = Query { method: Some("POST".into()), ..Query::default() };
    assert_eq!(hits(&all(&*history, &query, &plain("quince"))), [(4, Place::ResponseField)]);
}

#[test]
fn codings_character_sets_and_escapes_are_seen_through() {
    let dir = tempfile::tempdir().unwrap();
    let text = "{\"name\":\"Müller\",\"path\":\"a/b\"}";
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&[0xff, 0xfe][..], &utf16].concat();
    let latin = || text.chars().map(|char| char as u8).collect::<Vec<u8>>();
    let coded = |coding| coding::encode(text.as_bytes(), coding).unwrap();
    let twice = coding::encode(&coded(Coding::Brotli), Coding::Gzip).unwrap();
    let escaped = r#"{"name":"M\u00FCller","path":"a\/b"}"#;
    let binary = |bytes: &[u8]| [bytes, b"\0\x01", text.as_bytes()].concat();
    let mut undone = with_body(13, "application/json", "gzip", text.as_bytes().to_vec());
    undone.outcome.response_mut().unwrap().body.coding_removed = Some("gzip".into());
    record(
        dir.path(),
        [
            with_body(1, "application/json", "gzip", coded(Coding::Gzip)),
            with_body(2, "application/json", "deflate", coded(Coding::Deflate)),
            with_body(3, "application/json", "br", coded(Coding::Brotli)),
            with_body(4, "application/json", "zstd", coded(Coding::Zstd)),
            with_body(5, "application/json", "br, gzip", twice),
            with_body(6, "text/plain", "", marked),
            with_body(7, "text/plain; charset=utf-16le", "", utf16),
            with_body(8, "text/plain; charset=ISO-8859-1", "", latin()),
            with_body(9, "text/plain", "", latin()),
            with_body(10, "application/json", "", escaped.into()),
            with_body(11, "", "", escaped.into()),
            with_body(12, "application/vnd.x+json", "gzip", coding::encode(escaped.as_bytes(), Coding::Gzip).unwrap()),
            undone,
            with_body(14, "application/octet-stream", "", binary(b"")),
            with_body(15, "", "gzip", coding::encode(&binary(b"\x89PNG"), Coding::Gzip).unwrap()),
            with_body(16, "multipart/form-data; boundary=b", "", binary(b"--b\r\n\r\n")),
        ],
    );
    let history = open_for_reading(dir.path()).unwrap();
    for pattern in ["müller", "A/B"] {
        let found = all(&*history, &Query::default(), &plain(pattern));
        let expected: Vec<_> = [16].into_iter().chain((1..=13).rev()).map(|n| (n, Place::ResponseBody)).collect();
        assert_eq!((hits(&found), found.warnings), (expected, vec![]), "{pattern}");
    }
    let excerpt = &all(&*history, &Query::default(), &plain("müller")).hits[8].excerpt;
    assert_eq!(excerpt, text, "a body in UTF-16");
}

fn blob(recording: &Recording, bytes: &[u8]) -> Body {
    let mut blob = recording.blob().unwrap();
    blob.write(bytes).unwrap();
    let (hash, size) = blob.finish().unwrap();
    Body { content: BodyContent::Blob, hash, size, ..Body::empty() }
}

#[test]
fn large_bodies_are_looked_at_whole_and_what_cannot_be_read_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (recording, history) = open_for_recording(dir.path(), Holder::default()).unwrap();
    let mut text = vec![b'.'; 3_000_000];
    text[2_500_000..2_500_006].copy_from_slice(b"needle");
    let bomb = coding::encode(&vec![b' '; 80 << 20], Coding::Gzip).unwrap();
    let cut = coding::encode(&text, Coding::Gzip).unwrap();
    let cut = &cut[..cut.len() - 4];
    let with = |number, coding: &str, body: Body| {
        let mut whole = with_body(number, "text/plain", coding, Vec::new());
        whole.outcome.response_mut().unwrap().body = body;
        whole
    };
    let broken_off = Body { end: BodyEnd::Failed, ..Body::inline(cut[..cut.len() / 2].to_vec(), BodyEnd::Failed) };
    let same = blob(&recording, &text);
    append(
        &recording,
        [
            with(1, "", same.clone()),
            with(2, "gzip", blob(&recording, &coding::encode(&text, Coding::Gzip).unwrap())),
            with(3, "gzip", Body::inline(cut.to_vec(), BodyEnd::Complete)),
            with(4, "gzip", broken_off),
            with(5, "gzip", Body::inline(bomb, BodyEnd::Complete)),
            with(6, "dcb", Body::inline(b"needle".to_vec(), BodyEnd::Complete)),
            with(7, "", blob(&recording, &[b'x'; 70_000])),
            with(8, "", same),
        ],
    );
    let gone = history.get(7).unwrap().outcome.response().unwrap().body.hash.to_hex();
    fs::remove_file(dir.path().join("blobs").join(&gone[..2]).join(&gone)).unwrap();
    let found = all(&*history, &Query::default(), &plain("NEEDLE"));
    let numbers: Vec<u64> = found.hits.iter().map(|hit| hit.row.number).collect();
    assert_eq!(numbers, [8, 3, 2, 1]);
    assert_eq!(found.hits[0].excerpt, found.hits[3].excerpt, "one file, looked at once");
    let found = all(&*history, &Query::default(), &plain("nothing like it"));
    assert_eq!((found.hits.len(), found.looked_at), (0, 8));
    let told = [
        ("exchange 7", "cannot be read"),
        ("exchange 6", "dcb"),
        ("exchange 5", "only up to byte 7"),
        ("exchange 3", "only up to byte 3000000"),
    ];
    assert_eq!(found.warnings.len(), told.len(), "{:#?}", found.warnings);
    for (warning, (exchange, cause)) in found.warnings.iter().zip(told) {
        assert!(warning.contains(exchange) && warning.contains(cause), "{warning}");
    }
}

#[test]
fn a_damaged_record_is_told_and_the_search_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), (1..=9).map(exchange));
    let history = open_for_reading(dir.path()).unwrap();
    let path = dir.path().join("journal/000001.log");
    let mut bytes = fs::read(&path).unwrap();
    let at = history.list(&Query::default(), Some(6), 1).unwrap().rows[0].at.1 as usize;
    bytes[at + 40] ^= 1;
    fs::write(&path, bytes).unwrap();
    let found = all(&*history, &Query::default(), &plain("\"item\":"));
    let expected: Vec<_> = [9, 8, 7, 6, 4, 3, 2, 1].map(|number| (number, Place::ResponseBody)).to_vec();
    assert_eq!((hits(&found), found.looked_at), (expected, 9));
    assert!(found.warnings.len() == 1 && found.warnings[0].contains("exchange 5"), "{:?}", found.warnings);
    assert_eq!(hits(&all(&*history, &Query::default(), &plain("/items/5"))), [(5, Place::Url)], "the row is whole");
}

#[test]
fn a_bad_pattern_is_refused_and_one_who_has_gone_is_not_worked_for() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), (1..=9).map(exchange));
    let history = open_for_reading(dir.path()).unwrap();
    let bad = Pattern { regex: true, ..plain("[") };
    let error = history.search(&Query::default(), &bad, None, 1, &|| false).unwrap_err();
    assert!(matches!(error, HistoryError::BadPattern(..)), "{error}");
    let found = history.search(&Query::default(), &plain("none of it"), None, 1, &|| true).unwrap();
    assert_eq!((found.looked_at, found.next), (1, Some(9)));
}

/// What a search must find, the slow way: everything in memory, one place after the other.
fn naive(exchange: &Exchange, regex: &regex::bytes::Regex) -> Option<Place> {
    let request = &exchange.request;
    if regex.is_match(format!("{} {}", request.method, request.url()).as_bytes()) {
        return Some(Place::Url);
    }
    let response = exchange.outcome.response().unwrap();
    if response.fields.iter().any(|field| regex.is_match(format!("{}: {}", field.name, field.text()).as_bytes())) {
        return Some(Place::ResponseField);
    }
    let BodyContent::Inline(stored) = &response.body.content else { panic!("inline") };
    let codings = coding::codings(&response.fields).unwrap();
    let text = coding::decode(stored, &codings, u64::MAX - 1).unwrap();
    let meant = serde_json::from_slice::<String>(&text).map(|inner| format!("\"{inner}\"")).unwrap_or_default();
    (regex.is_match(&text) || regex.is_match(meant.as_bytes())).then_some(Place::ResponseBody)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_search_finds_what_a_plain_loop_finds(
        texts in proptest::collection::vec(("[aAbBüÜ\n\"/k\u{212a}]{0,40}", any::<bool>()), 1..30),
        pattern in "[abü/k]{1,3}", case_sensitive: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let exchanges: Vec<Exchange> = texts.iter().enumerate().map(|(place, (text, is_coded))| {
            let bytes = serde_json::to_vec(text).unwrap();
            let (codings, bytes) =
                if *is_coded { ("gzip", coding::encode(&bytes, Coding::Gzip).unwrap()) } else { ("", bytes) };
            with_body(place as u64 + 1, "application/json", codings, bytes)
        }).collect();
        record(dir.path(), exchanges.clone());
        let history = open_for_reading(dir.path()).unwrap();
        let pattern = Pattern { case_sensitive, ..plain(&pattern) };
        let regex = regex::bytes::RegexBuilder::new(&pattern.text).case_insensitive(!case_sensitive).build().unwrap();
        let expected: Vec<(u64, Place)> =
            exchanges.iter().rev().filter_map(|whole| Some((whole.number, naive(whole, &regex)?))).collect();
        prop_assert_eq!(hits(&all(&*history, &Query::default(), &pattern)), expected);
    }
}
