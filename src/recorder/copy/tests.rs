//! Copies of bodies of every kind, into a real store.

use std::path::Path;

use super::*;
use crate::model::BodyContent;
use crate::redact::{MaskKey, MaskRules};

struct Store {
    dir: tempfile::TempDir,
    recording: Recording,
    masker: Masker,
}

fn store() -> Store {
    let dir = tempfile::tempdir().unwrap();
    let about = crate::store::Holder { listener: String::new(), command: String::new() };
    let (recording, _) = crate::store::open_for_recording(dir.path(), about).unwrap();
    Store { dir, recording, masker: Masker::new(MaskKey([7; 32]), MaskRules::default()) }
}

fn fields(content_type: &str, coding: &str) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in [("Content-Type", content_type), ("Content-Encoding", coding)] {
        if !value.is_empty() {
            fields.push(name, value);
        }
    }
    fields
}

fn blob(dir: &Path, body: &Body) -> Vec<u8> {
    let hex = body.hash.to_hex();
    std::fs::read(dir.join("blobs").join(&hex[..2]).join(&hex)).unwrap()
}

impl Store {
    fn copy(&self, content_type: &str, coding: &str, bytes: &[u8], chunk: usize) -> (Body, Vec<u8>) {
        let mut copy = BodyCopy::new(&self.recording, &self.masker, &fields(content_type, coding), None);
        bytes.chunks(chunk).for_each(|chunk| copy.push(chunk));
        let body = copy.finish(BodyEnd::Complete).unwrap();
        let kept = match &body.content {
            BodyContent::Inline(kept) => kept.clone(),
            _ => blob(self.dir.path(), &body),
        };
        assert_eq!(body.hash, crate::model::ContentHash::of(&kept));
        assert_eq!(body.size, kept.len() as u64);
        assert_eq!(body.wire_size, bytes.len() as u64);
        (body, kept)
    }
}

const SECRET: &[u8] = br#"{"user":"bob","password":"planted-secret-1"}"#;

fn contains(bytes: &[u8], needle: &str) -> bool {
    memchr::memmem::find(bytes, needle.as_bytes()).is_some()
}

#[test]
fn small_bodies_end_in_the_record() {
    let store = store();
    let (body, kept) = store.copy("application/json", "", SECRET, 5);
    assert!(matches!(body.content, BodyContent::Inline(_)) && body.masked == 1 && body.coding_removed.is_none());
    assert!(kept.starts_with(br#"{"user":"bob","password":"retake-"#));
    let (body, kept) = store.copy("image/png", "", SECRET, 5);
    assert!(kept == SECRET && body.masked == 0, "other bodies are never altered");
    let (_, kept) = store.copy("", "", SECRET, 5000);
    assert!(!contains(&kept, "planted"), "without a type, text is told by its bytes");
}

#[test]
fn coded_text_stays_coded_unless_something_was_masked() {
    let store = store();
    for coding in [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd] {
        let clean = coding::encode(br#"{"user":"bob"}"#, coding).unwrap();
        let (body, kept) = store.copy("application/json", coding.name(), &clean, 3);
        assert!(kept == clean && body.coding_removed.is_none(), "{coding:?}");
        let coded = coding::encode(SECRET, coding).unwrap();
        let (body, kept) = store.copy("application/json", coding.name(), &coded, 3);
        assert_eq!(body.coding_removed.as_deref(), Some(coding.name()));
        assert!(contains(&kept, r#""user":"bob","password":"retake-"#) && !contains(&kept, "planted"), "{coding:?}");
        assert_eq!(body.end, BodyEnd::Complete);
    }
}

#[test]
fn large_bodies_end_in_blobs() {
    let store = store();
    let mut text = vec![b' '; 200_000];
    text.extend_from_slice(SECRET);
    let (body, kept) = store.copy("application/json", "", &text, 8000);
    assert!(matches!(body.content, BodyContent::Blob) && !contains(&kept, "planted"));
    let coded = coding::encode(&text, Coding::Gzip).unwrap();
    let (body, kept) = store.copy("application/json", "gzip", &coded, 8000);
    assert!(matches!(body.content, BodyContent::Blob) && body.masked == 1 && kept.len() > 200_000);
    // Incompressible text whose coded form outgrows memory is kept decoded, hit or none.
    let mut noise = Vec::new();
    let mut reader = blake3::Hasher::new().finalize_xof();
    for _ in 0..100_000 {
        let mut bytes = [0; 16];
        reader.fill(&mut bytes);
        noise.extend(bytes.iter().map(|byte| b' ' + byte % 64));
    }
    let coded = coding::encode(&noise, Coding::Gzip).unwrap();
    assert!(coded.len() > WINDOW);
    let (body, kept) = store.copy("text/plain", "gzip", &coded, 50_000);
    assert_eq!(body.coding_removed.as_deref(), Some("gzip"));
    assert_eq!(kept.len(), noise.len());
    assert!(std::fs::read_dir(store.dir.path().join("blobs/tmp")).unwrap().next().is_none(), "nothing half-written");
}

#[test]
fn what_cannot_be_decoded_never_leaks() {
    let store = store();
    let (body, kept) = store.copy("application/json", "gzip", SECRET, 5);
    assert!(!contains(&kept, "planted") && body.masked == 1, "labelled gzip, but plain text");
    let (_, kept) = store.copy("application/json", "snappy", SECRET, 500);
    assert!(!contains(&kept, "planted"), "an unknown coding that is plain text");
    let mut damaged = coding::encode(&SECRET.repeat(50), Coding::Gzip).unwrap();
    let length = damaged.len();
    damaged[length - 6] ^= 0x55;
    let (body, kept) = store.copy("application/json", "gzip", &damaged, 7);
    assert_eq!(body.end, BodyEnd::Failed);
    assert!(!contains(&kept, "planted") && body.coding_removed.is_some());
    // The middle of a coded body, as a range has it, is no text at all.
    let coded = coding::encode(&SECRET.repeat(50), Coding::Gzip).unwrap();
    let (body, kept) = store.copy("application/json", "gzip", &coded[20..], 7);
    assert!(kept == coded[20..] && body.coding_removed.is_none());
}

#[test]
fn the_beginning_of_a_coded_body_is_kept_as_received_unless_something_was_masked() {
    let store = store();
    let text: String = (0..3000).map(|number| format!("{number},")).collect();
    for coding in [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd] {
        let coded = coding::encode(text.as_bytes(), coding).unwrap();
        let range = &coded[..coded.len() / 2];
        let (body, kept) = store.copy("text/plain", coding.name(), range, 100);
        assert!(kept == range && body.coding_removed.is_none(), "{coding:?}");
        assert_eq!(body.end, BodyEnd::Complete, "{coding:?}");
    }
    let coded = coding::encode(&[SECRET, text.as_bytes()].concat(), Coding::Gzip).unwrap();
    let (body, kept) = store.copy("text/plain", "gzip", &coded[..coded.len() / 2], 100);
    assert!(!contains(&kept, "planted") && body.coding_removed.is_some() && body.end == BodyEnd::Failed);
}

#[test]
fn a_stream_is_written_as_it_comes() {
    let store = store();
    let (id, _) = store.recording.begin();
    let stream = store.recording.stream(id).unwrap();
    let path = store.dir.path().join("blobs/streams");
    let mut copy = BodyCopy::new(&store.recording, &store.masker, &fields("text/event-stream", ""), Some(stream));
    copy.push(b"data: {\"token\": \"planted-");
    copy.push(b"secret-1\"}\n\ndata: 2\n\n");
    let file = std::fs::read_dir(&path).unwrap().next().unwrap().unwrap().path();
    let written = std::fs::read(&file).unwrap();
    assert!(written.ends_with(b"\"}\n\ndata: 2\n\n") && !contains(&written, "planted"));
    let body = copy.finish(BodyEnd::Complete).unwrap();
    assert_eq!(body.content, BodyContent::Inline(written));
}

#[test]
fn keeping_secrets_keeps_every_byte() {
    let Store { dir, recording, .. } = store();
    let store = Store { dir, recording, masker: Masker::off() };
    let coded = coding::encode(SECRET, Coding::Gzip).unwrap();
    assert_eq!(store.copy("application/json", "gzip", &coded, 3).1, coded);
}
