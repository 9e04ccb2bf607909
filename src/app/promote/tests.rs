//! Promotion from a history in memory into a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use jiff::tz::TimeZone;

use super::*;
use crate::model::coding::{self, Coding};
use crate::model::{
    Body, BodyContent, BodyEnd, Exchange, ExchangeId, Fields, HttpVersion, Outcome, RequestRecord, ResponseRecord,
    Timings,
};
use crate::store::Page;
use crate::store::history::{Group, Query};

/// A history in memory.
#[derive(Default)]
struct Memory {
    exchanges: BTreeMap<u64, Exchange>,
    blobs: BTreeMap<String, Vec<u8>>,
}

impl Memory {
    /// Adds a call to `path` answered with this stored body.
    fn add(&mut self, path: &str, fields: &[(&str, &str)], stored: Vec<u8>) -> u64 {
        let number = self.exchanges.len() as u64 + 1;
        let mut body = Body::inline(stored, BodyEnd::Complete);
        if let BodyContent::Inline(bytes) = &body.content
            && bytes.len() > 64 * 1024
        {
            self.blobs.insert(body.hash.to_hex(), bytes.clone());
            body.content = BodyContent::Blob;
        }
        let request = RequestRecord {
            method: "GET".into(),
            origin: "https://api.test".parse().unwrap(),
            path: path.into(),
            query: None,
            version: HttpVersion::Http11,
            fields: Fields::new(),
            trailers: Fields::new(),
            body: Body::empty(),
        };
        let mut response = ResponseRecord {
            version: HttpVersion::Http11,
            status: 200,
            reason: None,
            fields: Fields::new(),
            trailers: Fields::new(),
            informational: Vec::new(),
            body,
        };
        fields.iter().for_each(|(name, value)| response.fields.push(*name, *value));
        let exchange = Exchange {
            id: ExchangeId(uuid::Uuid::from_u128(u128::from(number))),
            number,
            session: "s".into(),
            tags: Vec::new(),
            started_at: jiff::Timestamp::from_second(number as i64).unwrap(),
            client: None,
            request,
            outcome: Outcome::Complete(response),
            timings: Timings::default(),
            tls: None,
            note: None,
            partial: false,
            vendor: Default::default(),
        };
        self.exchanges.insert(number, exchange);
        number
    }

    fn promote(&self, folder: &Path, dry_run: bool) -> Result<Done, PromoteError> {
        let numbers: Vec<_> = self.exchanges.keys().copied().collect();
        let options = Options { name: "api".into(), ..Options::default() };
        run(job(self, &numbers, folder, options, dry_run), &mut || {})
    }

    /// Promotes with `--replace`, after a dry run that must say of the files what the promotion then does.
    fn replace(&self, folder: &Path, numbers: &[u64]) -> Done {
        let replace = |dry_run| {
            let options = Options { name: "api".into(), replace: true, ..Options::default() };
            run(job(self, numbers, folder, options, dry_run), &mut || {}).unwrap()
        };
        let (planned, done) = (replace(true), replace(false));
        assert_eq!(sorted(&planned.written), sorted(&done.written));
        assert_eq!(sorted(&planned.removed), sorted(&done.removed));
        done
    }
}

/// Without what waits, which a dry run tells as proposed.
fn sorted(files: &[String]) -> BTreeSet<&str> {
    files.iter().map(String::as_str).filter(|path| !path.starts_with("pending/")).collect()
}

/// The bodies that the collection gives for this path; every body file of it must be there, and no other.
fn bodies(folder: &Path, path: &str) -> Vec<Vec<u8>> {
    let loaded = folder::load(folder).unwrap();
    let mut named = crate::collection::check::files(&loaded.collection);
    named.retain(|path| path.starts_with("bodies/"));
    let mut there = files(folder);
    there.retain(|path, _| path.starts_with(folder.join("bodies")));
    assert_eq!(there.into_keys().collect::<BTreeSet<_>>(), named.iter().map(|path| folder.join(path)).collect());
    let stub = &loaded.collection.stubs.iter().find(|file| file.stub.path.as_str() == path).unwrap().stub;
    let steps = stub.scenarios.iter().flat_map(|scenario| scenario.steps());
    steps.map(|step| loaded.body(step.body.as_ref().unwrap()).unwrap().to_vec()).collect()
}

fn job<'a>(history: &'a Memory, numbers: &'a [u64], folder: &'a Path, options: Options, dry_run: bool) -> Job<'a> {
    let guard = Guard::new(&Default::default(), &[]);
    Job { history, numbers, folder, options, ask: false, is_ci: false, guard, allow: &[], dry_run }
}

impl History for Memory {
    fn list(&self, _: &Query, _: Option<u64>, _: usize) -> Result<Page, HistoryError> {
        Ok(Page::default())
    }
    fn days(&self, _: &Query, _: &TimeZone) -> Result<Vec<Group>, HistoryError> {
        Ok(Vec::new())
    }
    fn get(&self, number: u64) -> Result<Exchange, HistoryError> {
        self.exchanges.get(&number).cloned().ok_or_else(|| HistoryError::Unknown(number.to_string()))
    }
    fn resolve(&self, selector: &str) -> Result<Vec<u64>, HistoryError> {
        Err(HistoryError::Unknown(selector.into()))
    }
    fn body(&self, _: &Exchange, body: &Body) -> Result<Box<dyn Read + Send>, HistoryError> {
        match &body.content {
            BodyContent::Inline(bytes) => Ok(Box::new(io::Cursor::new(bytes.clone()))),
            _ => match self.blobs.get(&body.hash.to_hex()) {
                Some(bytes) => Ok(Box::new(io::Cursor::new(bytes.clone()))),
                None => Err(HistoryError::Damaged("the body is gone".into())),
            },
        }
    }
}

fn files(folder: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn every_body_comes_back_as_it_was_and_the_second_time_changes_no_byte() {
    let mut history = Memory::default();
    let json = br#"{ "b": [1, 2.50, "\u00e9"], "a": null }"#.to_vec();
    let odd_json = b"{\"a\" :1,  \"a\":2}".to_vec();
    let large: Vec<u8> = (0..300_000u32).flat_map(|n| n.to_string().into_bytes()).collect();
    let gzip = |bytes: &[u8]| coding::encode(bytes, Coding::Gzip).unwrap();
    let typed = |content_type: &'static str| ("Content-Type", content_type);
    let gzipped = ("Content-Encoding", "gzip");
    // Path, fields, stored bytes, and the bytes that the collection must give back.
    let cases = [
        ("/json", vec![typed("application/json"), gzipped], gzip(&json), json.clone()),
        ("/odd", vec![typed("application/json")], odd_json.clone(), odd_json),
        ("/text", vec![typed("text/plain")], b"one\r\ntwo".to_vec(), b"one\r\ntwo".to_vec()),
        ("/png", vec![typed("image/png")], b"\x89PNG\0".to_vec(), b"\x89PNG\0".to_vec()),
        ("/large", vec![typed("text/plain"), gzipped], gzip(&large), large.clone()),
        ("/plain", vec![typed("application/octet-stream")], large.clone(), large.clone()),
        ("/broken", vec![typed("text/plain"), gzipped], gzip(&json)[..20].to_vec(), gzip(&json)[..20].to_vec()),
        ("/unknown", vec![typed("text/plain"), ("Content-Encoding", "dcb")], vec![1, 2, 3], vec![1, 2, 3]),
    ];
    for (path, fields, stored, _) in &cases {
        history.add(path, fields, stored.clone());
    }
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("api");
    let planned = history.promote(&folder, true).unwrap();
    assert!(!folder.exists(), "a dry run writes nothing");
    let done = history.promote(&folder, false).unwrap();
    assert_eq!(sorted(&planned.written), sorted(&done.written));

    let loaded = folder::load(&folder).unwrap();
    for (path, _, _, decoded) in &cases {
        let file = loaded.collection.stubs.iter().find(|file| file.stub.path.as_str() == *path).unwrap();
        let body = file.stub.scenarios[0].steps()[0].body.as_ref().unwrap();
        assert!(loaded.body(body).unwrap() == *decoded, "{path}");
        assert_eq!(body.coded.is_some(), ["/broken", "/unknown"].contains(path), "{path}");
    }
    let before = files(&folder);
    let again = history.promote(&folder, false).unwrap();
    assert_eq!((again.written.len(), again.report.count(crate::promote::Change::Same)), (0, cases.len() as u64));
    assert_eq!(files(&folder), before);
}

#[test]
fn nothing_to_promote_leaves_nothing_behind() {
    let mut history = Memory::default();
    let number = history.add("/", &[], Vec::new());
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("api");
    history.exchanges.get_mut(&number).unwrap().partial = true;
    assert!(matches!(history.promote(&folder, false), Err(PromoteError::NothingLeft(_))));
    assert!(!folder.exists());
    // A body that is gone costs its own exchange only.
    let lost = history.add("/lost", &[], vec![b'x'; 100_000]);
    history.add("/kept", &[], b"y".to_vec());
    history.blobs.clear();
    // It is read only when it must be: hash and size are known.
    let done = history.promote(&folder, true).unwrap();
    assert_eq!(done.report.promoted, 1, "{:?}", done.report.left_out);
    assert_eq!(done.report.left_out.iter().map(|left| left.numbers[0]).collect::<Vec<_>>(), [number, lost]);
}

#[test]
fn a_new_stub_keeps_its_body_where_one_of_that_name_was_before() {
    let mut history = Memory::default();
    let png = [("Content-Type", "image/png")];
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("api");
    let first = history.add("/items/42", &png, b"\x89PNG\x01".to_vec());
    let proposed = history.replace(&folder, &[first]).proposed;
    let [pending] = &proposed[..] else { panic!("{proposed:?}") };
    // The stub is called another name from now on, its body is not.
    let guard = Guard::new(&Default::default(), &[]);
    review::decide(&folder, &pending.id, review::Decision::Accept, guard, &[]).unwrap();
    assert_eq!(bodies(&folder, "/items/{item_id}"), [b"\x89PNG\x01"]);
    let other = history.add("/items/42", &png, b"\x89PNG\x02".to_vec());
    let new = history.add("/items-42", &png, b"\x89PNG\x03".to_vec());
    let done = history.replace(&folder, &[other, new]);
    let body = "bodies/api.test/get-items-42/ok.png";
    assert!(sorted(&done.written).contains(body) && !sorted(&done.removed).contains(body), "{done:?}");
    assert_eq!(bodies(&folder, "/items/{item_id}"), [b"\x89PNG\x02"]);
    assert_eq!(bodies(&folder, "/items-42"), [b"\x89PNG\x03"]);
}

#[test]
fn a_dry_run_tells_what_is_written_and_what_is_removed() {
    let mut history = Memory::default();
    let (png, text) = ([("Content-Type", "image/png")], [("Content-Type", "text/plain")]);
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("api");
    let first = ["/changed", "/gone", "/kept"].map(|path| history.add(path, &png, b"\x89PNG\x01".to_vec()));
    history.replace(&folder, &first);
    let second = [
        history.add("/changed", &png, b"\x89PNG\x02".to_vec()),
        history.add("/gone", &text, b"no file".to_vec()),
        history.add("/kept", &png, b"\x89PNG\x01".to_vec()),
        history.add("/new", &png, b"\x89PNG\x03".to_vec()),
        history.add("/large", &text, vec![b'x'; 100_000]),
        history.add("/plain", &text, b"inline".to_vec()),
    ];
    let done = history.replace(&folder, &second);
    let body = |name: &str| format!("bodies/api.test/get-{name}");
    let stubs = ["changed", "gone", "large", "new", "plain"].map(|name| format!("stubs/api.test/get-{name}.json"));
    let written: Vec<String> =
        [body("changed/ok.png"), body("large/ok.txt"), body("new/ok.png")].into_iter().chain(stubs).collect();
    assert_eq!(sorted(&done.written).into_iter().collect::<Vec<_>>(), written);
    assert_eq!(done.removed, [body("gone/ok.png")]);
    assert_eq!(bodies(&folder, "/changed"), [b"\x89PNG\x02"]);
    assert!(history.replace(&folder, &second).written.is_empty());
}
