//! Reading a collection whole: fast when it is sound, thorough when it is not.
//!
//! Every file is parsed straight into its type. Only a file that fails is read again and walked by its schema, for all
//! of its faults with their lines.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::diagnose::{diagnose, place_faults, whole_file};
use super::write::{LOCK_WAIT, WriteError};
use super::{Fault, LoadError, Loaded, MANIFEST, MAX_FILE_BYTES, Writer, commit, inside};
use crate::collection::check::{self, FileKind};
use crate::collection::locate::Place;
use crate::collection::template::Template;
use crate::collection::{Collection, Manifest, Problem, Stub, StubFile};

/// Deepest nesting of folders under `stubs/`.
const MAX_FOLDER_DEPTH: usize = 8;

/// Fewer files than this are read by one thread.
const FILES_PER_THREAD_MIN: usize = 64;

/// How long a reader waits for a writer before it looks again whether it must.
const LOCK_STEP: Duration = Duration::from_millis(50);

/// How often a collection is read again that is written to meanwhile.
pub(super) const TRIES: u32 = 50;

/// Reads and checks a whole collection. Ten thousand stubs take well under 150 ms: files are read by several threads.
///
/// # Errors
/// All faults at once, with file and line.
pub fn load(root: &Path) -> Result<Loaded, LoadError> {
    load_with(root, |_| {})
}

/// [`load`] for who only serves the answers: no JSON tree of them is kept beyond its own file.
///
/// # Errors
/// Those of [`load`].
pub fn load_to_serve(root: &Path) -> Result<Loaded, LoadError> {
    load_with(root, Stub::flatten_answers)
}

/// Reads and checks; `then` is done to each stub when its own checks are over.
fn load_with(root: &Path, then: impl Fn(&mut Stub) + Sync) -> Result<Loaded, LoadError> {
    for _ in 0..TRIES {
        settle(root)?;
        let _no_writer = commit::hold(root, false);
        let before = commit::Stamp::of(root);
        let loaded = load_once(root, &then);
        // A write of several files at the same time: what was read may be half of it.
        if commit::Stamp::of(root) == before && !commit::is_under_way(root) {
            return loaded;
        }
    }
    load_once(root, &then)
}

/// Waits for a write that is being carried out, or carries it out if who began it was killed.
pub(super) fn settle(root: &Path) -> Result<(), LoadError> {
    let deadline = Instant::now() + LOCK_WAIT;
    // One writer may follow the other: that the lock is never free when it is asked for is no reason to wait for it.
    while commit::is_under_way(root) {
        match Writer::open_within(root, LOCK_STEP) {
            Ok(_) => return Ok(()),
            Err(WriteError::Busy(_)) if Instant::now() < deadline => {}
            Err(error) => return Err(LoadError::HalfWritten(root.to_owned(), error.to_string())),
        }
    }
    Ok(())
}

fn load_once(root: &Path, then: &(impl Fn(&mut Stub) + Sync)) -> Result<Loaded, LoadError> {
    match std::fs::metadata(root.join(MANIFEST)) {
        Ok(found) if found.is_file() => {}
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(LoadError::Io(root.to_owned(), error));
        }
        _ => return Err(LoadError::NotThere(root.to_owned())),
    }
    let mut faults = Vec::new();
    let files = stub_files(root, &mut faults).map_err(|error| LoadError::Io(root.to_owned(), error))?;
    let manifest = read_manifest(root, &mut faults);
    let stubs = read_stubs(root, &files, then, &mut faults);
    if let Some(manifest) = &manifest {
        check_together(root, manifest, &stubs, &mut faults);
    }
    match manifest {
        Some(manifest) if faults.is_empty() => {
            let collection = Arc::new(Collection { manifest, stubs });
            Ok(Loaded { root: root.to_owned(), collection })
        }
        _ => {
            faults.sort();
            faults.dedup();
            Err(LoadError::Faulty { root: root.to_owned(), faults })
        }
    }
}

/// The paths of all stub files, sorted, relative to the folder and with `/`.
fn stub_files(root: &Path, faults: &mut Vec<Fault>) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    let mut folders = vec![(root.join("stubs"), "stubs".to_owned(), 0)];
    while let Some((folder, path, depth)) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && depth == 0 => return Ok(files),
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.chars().any(char::is_control)) else {
                let name = name.to_string_lossy();
                faults.push(whole_file(&format!("{path}/{name}"), "the name is no UTF-8 or has control characters"));
                continue;
            };
            // Hidden files are those of editors and systems, and our own temporary ones.
            if name.starts_with('.') {
                continue;
            }
            let path = format!("{path}/{name}");
            let kind = entry.file_type()?;
            if kind.is_symlink() {
                faults.push(whole_file(&path, "is a symbolic link: a collection holds its files itself"));
            } else if kind.is_dir() && depth + 1 >= MAX_FOLDER_DEPTH {
                faults.push(whole_file(&path, "folders are nested too deep here"));
            } else if kind.is_dir() {
                folders.push((entry.path(), path, depth + 1));
            } else if kind.is_file() && name.ends_with(".json") {
                files.push(path);
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn read_manifest(root: &Path, faults: &mut Vec<Fault>) -> Option<Manifest> {
    let manifest: Manifest = read_file(root, MANIFEST, FileKind::Manifest, &mut Vec::new(), faults)?;
    let mut problems = check::manifest(&manifest);
    problems.extend(missing_files(root, check::manifest_files(&manifest)));
    place_faults(root, MANIFEST, problems, faults);
    Some(manifest)
}

/// Reads all stubs, several threads at a time; the order is that of `files`.
fn read_stubs(
    root: &Path,
    files: &[String],
    then: &(impl Fn(&mut Stub) + Sync),
    faults: &mut Vec<Fault>,
) -> Vec<StubFile> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let share = files.len().div_ceil(threads).max(FILES_PER_THREAD_MIN);
    let read_share = |files: &[String]| {
        let (mut stubs, mut faults, mut buffer) = (Vec::with_capacity(files.len()), Vec::new(), Vec::new());
        for path in files {
            let stub: Option<Stub> = read_file(root, path, FileKind::Stub, &mut buffer, &mut faults);
            if let Some(mut stub) = stub {
                stub.trim();
                check_stub(root, path, &stub, &mut faults);
                then(&mut stub);
                stubs.push(StubFile { path: path.clone(), stub: stub.into() });
            }
        }
        (stubs, faults)
    };
    let shares: Vec<_> = std::thread::scope(|scope| {
        let mut shares = files.chunks(share);
        let first = shares.next();
        let running: Vec<_> = shares.map(|files| scope.spawn(move || read_share(files))).collect();
        let own = first.map(read_share);
        let others = running.into_iter().map(|thread| {
            // A panic in there is a bug; it goes on here rather than being taken for an empty share.
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        own.into_iter().chain(others).collect()
    });
    let mut stubs = Vec::with_capacity(files.len());
    for (read, found) in shares {
        stubs.extend(read);
        faults.extend(found);
    }
    stubs
}

fn check_stub(root: &Path, path: &str, stub: &Stub, faults: &mut Vec<Fault>) {
    let mut problems = check::stub(stub);
    problems.extend(missing_files(root, check::stub_files(stub)));
    problems
        .extend(check::template_files(stub).into_iter().filter_map(|(place, file)| template_fault(root, place, file)));
    place_faults(root, path, problems, faults);
}

/// What is wrong with a template in a file of its own. That the file is there is somebody else's to tell.
fn template_fault(root: &Path, place: Place, file: &str) -> Option<Problem> {
    let mut text = String::new();
    let read = inside::open(root, file).ok()?.take(MAX_FILE_BYTES).read_to_string(&mut text);
    let message = match read {
        Ok(_) => format!("{file}: {}", Template::read(&text).err()?),
        Err(_) => format!("{file} is no UTF-8: a template is text"),
    };
    Some(Problem { place, message })
}

fn check_together(root: &Path, manifest: &Manifest, stubs: &[StubFile], faults: &mut Vec<Fault>) {
    for (at, problem) in check::together(manifest, stubs) {
        place_faults(root, &stubs[at].path, vec![problem], faults);
    }
}

/// Bodies whose file is missing, is no file, or lies behind a link. A path that leaves the folder by its text has its
/// fault already.
fn missing_files(root: &Path, files: Vec<(Place, &str)>) -> Vec<Problem> {
    let sound = files.into_iter().filter(|(_, path)| check::path_fault(path).is_none());
    sound.filter_map(|(place, path)| inside::fault(root, path).map(|message| Problem { place, message })).collect()
}

/// Reads one file into its type; `None` if it has faults, which are then told.
fn read_file<T: DeserializeOwned>(
    root: &Path,
    path: &str,
    kind: FileKind,
    buffer: &mut Vec<u8>,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    if let Err(error) = read_bytes(&root.join(path), buffer) {
        faults.push(whole_file(path, &error.to_string()));
        return None;
    }
    if let Ok(content) = serde_json::from_slice(buffer) {
        return Some(content);
    }
    faults.extend(diagnose::<T>(path, kind, buffer));
    None
}

/// Reads a file of at most [`MAX_FILE_BYTES`] into `buffer`.
pub(super) fn read_bytes(path: &Path, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(buffer)?;
    if buffer.len() as u64 > MAX_FILE_BYTES {
        buffer.clear();
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("is larger than {} MiB: move large bodies to files of their own", MAX_FILE_BYTES >> 20),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::collection::{BodySpec, file_text};

    const MANIFEST_TEXT: &str =
        "{\n  \"version\": 1,\n  \"name\": \"github\",\n  \"origins\": [\n    \"https://api.github.com\"\n  ]\n}\n";

    fn stub_text(path: &str) -> String {
        format!(
            "{{\n  \"version\": 1,\n  \"method\": \"GET\",\n  \"origin\": \"https://api.github.com\",\n  \"path\": \"{path}\",\n  \
             \"scenarios\": [\n    {{\n      \"name\": \"ok\",\n      \"response\": {{\n        \"status\": 200,\n        \
             \"body\": {{\n          \"json\": {{\n            \"a\": 1\n          }},\n          \"style\": {{\n            \
             \"spaced\": true\n          }}\n        }}\n      }}\n    }}\n  ]\n}}\n"
        )
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    fn faults(files: &[(&str, &str)]) -> Vec<String> {
        match load(folder(files).path()) {
            Err(LoadError::Faulty { faults, .. }) => faults.iter().map(Fault::to_string).collect(),
            Ok(_) => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_sound_collection_is_read_in_the_order_of_its_files() {
        let (b, a) = (stub_text("/b"), stub_text("/a"));
        let root = folder(&[
            (MANIFEST, MANIFEST_TEXT),
            ("stubs/h/b.json", &b),
            ("stubs/a/deep/a.json", &a),
            ("stubs/h/.hidden.json", "not json"),
            ("stubs/h/notes.md", "not json"),
            ("README.md", "not json"),
        ]);
        let loaded = load(root.path()).unwrap();
        let paths: Vec<_> = loaded.collection.stubs.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["stubs/a/deep/a.json", "stubs/h/b.json"]);
        let file = &loaded.collection.stubs[1];
        assert_eq!(file_text(&file.stub), b);
        assert_eq!(file_text(&loaded.collection.manifest), MANIFEST_TEXT);
        let body = file.stub.scenarios[0].response.as_ref().unwrap().body.as_ref().unwrap();
        assert_eq!(loaded.body(body).unwrap(), r#"{"a": 1}"#);
    }

    #[test]
    fn what_is_only_served_is_kept_as_text_with_the_same_bytes() {
        let root = folder(&[(MANIFEST, MANIFEST_TEXT), ("stubs/h/a.json", &stub_text("/a"))]);
        let loaded = load_to_serve(root.path()).unwrap();
        let body = loaded.collection.stubs[0].stub.scenarios[0].response.as_ref().unwrap().body.clone().unwrap();
        assert!(body.json.is_none());
        assert_eq!(loaded.body(&body).unwrap(), r#"{"a": 1}"#);
    }

    #[test]
    fn a_template_in_a_file_of_its_own_is_checked() {
        let stub = r#"{"version": 1, "method": "GET", "origin": "https://api.github.com", "path": "/", "scenarios": [
            {"name": "a", "response": {"status": 200, "template": true, "body": {"file": "bodies/a.txt"}}}]}"#;
        let told = |text: &str| faults(&[(MANIFEST, MANIFEST_TEXT), ("stubs/a.json", stub), ("bodies/a.txt", text)]);
        assert_eq!(told("{{$guid}}"), [""; 0]);
        assert_eq!(
            told("a\n{{$guid"),
            ["stubs/a.json:2: bodies/a.txt: line 2: `{{` has no `}}`: close it, or write `\\{{` for two braces"]
        );
    }

    #[test]
    fn no_manifest_is_no_collection() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(load(root.path()), Err(LoadError::NotThere(_))));
        assert!(matches!(load(&root.path().join("none")), Err(LoadError::NotThere(_))));
        let only_manifest = folder(&[(MANIFEST, MANIFEST_TEXT)]);
        assert!(load(only_manifest.path()).unwrap().collection.stubs.is_empty());
    }

    #[test]
    fn every_fault_of_every_file_at_once() {
        let manifest = MANIFEST_TEXT.replace(
            "\n}\n",
            ",\n  \"releases\": {\n    \"v1\": {}\n  },\n  \"server_stubs\": [\n    {\n      \"name\": \"down\",\n      \"status\": 404\n    }\n  ]\n}\n",
        );
        let unknown = stub_text("/b").replace("\"scenarios\"", "\"scenarioes\"").replace("\"GET\"", "7");
        let elsewhere = stub_text("/c").replace("api.github.com", "api.github.co");
        let twice = stub_text("/d").replace("\"name\": \"ok\",", "\"name\": \"ok\",\n      \"name\": \"ok\",");
        let semantic = stub_text("/users/{login}")
            .replace("\"status\": 200", "\"status\": 99")
            .replace("\"name\": \"ok\",", "\"name\": \"ok\",\n      \"request\": {\n        \"captures\": {\n          \"logn\": \"x\"\n        }\n      },");
        let newer = stub_text("/e").replace("\"version\": 1", "\"version\": 2").replace("\"path\"", "\"pfad\"");
        let body = stub_text("/f").replace("\"spaced\": true", "\"spaced\": true\n          },\n          \"file\": \"../x\",\n          \"text\": \"\", \"coded\": \"x\", \"x\": {");
        let found = faults(&[
            (MANIFEST, &manifest),
            ("stubs/h/a.json", "{\n  \"version\": 1,\n}"),
            ("stubs/h/b.json", &unknown),
            ("stubs/h/c.json", &elsewhere),
            ("stubs/h/d.json", &twice),
            ("stubs/h/e.json", &newer),
            ("stubs/h/f.json", &body),
            ("stubs/h/g.json", &semantic),
            ("stubs/h/h.json", &stub_text("/h")),
            ("stubs/h/i.json", &stub_text("/h")),
        ]);
        assert_eq!(
            found,
            [
                "collection.json:7: `releases` is reserved for a later version of retake: leave it out",
                "collection.json:13: `server_stubs[0].status` is 404; a server stub has 500 to 599",
                "stubs/h/a.json:3: is no JSON: trailing comma, at column 1",
                "stubs/h/b.json:3: `method` is `7`; expected a text",
                "stubs/h/b.json:6: unknown key `scenarioes`; did you mean `scenarios`?",
                "stubs/h/c.json:4: the origin https://api.github.co is not among `origins` of collection.json; did you mean `https://api.github.com`?",
                "stubs/h/d.json:9: `scenarios[0]`: duplicate field `name`, at column 12",
                "stubs/h/e.json:2: version 2 of the format is newer than this retake, which reads version 1: update retake",
                "stubs/h/f.json:19: unknown key `scenarios[0].response.body.x`",
                "stubs/h/g.json:11: `logn` is no capture of the path /users/{login}; did you mean `login`?",
                "stubs/h/g.json:15: `scenarios[0].response.status` is 99; expected 200 to 599",
                "stubs/h/i.json:5: GET https://api.github.com/h is in stubs/h/h.json already: one stub, one file",
            ]
        );
    }

    #[test]
    fn faults_of_scenarios_and_bodies() {
        let stub = |scenarios: &str| {
            format!(
                r#"{{"version": 1, "method": "get", "origin": "https://api.github.com", "path": "/", "scenarios": [{scenarios}]}}"#
            )
        };
        let text = stub(
            r#"{"name": "a", "default": true},
            {"name": "a", "default": true, "response": {"status": 200, "times": 2}, "end": "miss"},
            {"name": "", "response": {"status": 200}, "responses": [{"status": 200, "times": 2}]},
            {"name": "b", "response": {"status": 200, "body": {}}},
            {"name": "c", "response": {"status": 200, "body": {"json": null, "text": "", "coded": "gzip"}}},
            {"name": "d", "response": {"status": 200, "body": {"base64": "?", "style": {"indent": 9}}}},
            {"name": "e", "response": {"status": 200, "body": {"file": "../x"}}},
            {"name": "f", "response": {"status": 200, "body": {"file": "bodies/none"}}}"#,
        );
        assert_eq!(
            faults(&[(MANIFEST, MANIFEST_TEXT), ("stubs/a.json", &text)]),
            [
                "stubs/a.json:1: `get` is no method that clients send: methods have a case; write `GET`",
                "stubs/a.json:1: `scenarios[0]` has no answer: write `response`, or `responses` for a sequence",
                "stubs/a.json:2: `a` is a second default; `a` is one already",
                "stubs/a.json:2: `scenarios[1].end` is for `responses`: a single `response` has no end",
                "stubs/a.json:2: `scenarios[1].response.times` is for the steps of `responses`: a single `response` answers every call",
                "stubs/a.json:2: the scenario name `a` stands twice in this stub",
                "stubs/a.json:3: `scenarios[2].name` is empty or has control characters",
                "stubs/a.json:3: `scenarios[2]` has both `response` and `responses`: keep one",
                "stubs/a.json:4: `scenarios[3].response.body` needs exactly one of `json`, `text`, `base64` and `file`",
                "stubs/a.json:5: `scenarios[4].response.body.coded` cannot go with `json`: coded content is bytes",
                "stubs/a.json:5: `scenarios[4].response.body` needs exactly one of `json`, `text`, `base64` and `file`",
                "stubs/a.json:6: `scenarios[5].response.body.base64` is no base64: Invalid symbol 63, offset 0.",
                "stubs/a.json:6: `scenarios[5].response.body.style.indent` is 9; expected 0 to 8",
                "stubs/a.json:6: `scenarios[5].response.body.style` is for `json`",
                "stubs/a.json:7: the path `../x` leaves the collection's folder",
                "stubs/a.json:8: the file `bodies/none` does not exist",
            ]
        );
    }

    #[test]
    fn links_deep_and_large_files_are_faults() {
        let root = folder(&[(MANIFEST, MANIFEST_TEXT), ("outside.json", &stub_text("/a"))]);
        std::fs::create_dir_all(root.path().join("stubs")).unwrap();
        std::os::unix::fs::symlink(root.path().join("outside.json"), root.path().join("stubs/link.json")).unwrap();
        std::os::unix::fs::symlink(root.path(), root.path().join("stubs/loop")).unwrap();
        std::fs::write(root.path().join("stubs/deep.json"), "[".repeat(200_000)).unwrap();
        let large = File::create(root.path().join("stubs/large.json")).unwrap();
        large.set_len(MAX_FILE_BYTES + 1).unwrap();
        let Err(LoadError::Faulty { faults, .. }) = load(root.path()) else { panic!("no fault") };
        let found: Vec<_> = faults.iter().map(Fault::to_string).collect();
        assert_eq!(
            found,
            [
                "stubs/deep.json:1: is no JSON: recursion limit exceeded, at column 128",
                "stubs/large.json: is larger than 16 MiB: move large bodies to files of their own",
                "stubs/link.json: is a symbolic link: a collection holds its files itself",
                "stubs/loop: is a symbolic link: a collection holds its files itself",
            ]
        );
    }

    #[test]
    fn bodies_come_back_as_bytes() {
        let root = folder(&[(MANIFEST, MANIFEST_TEXT), ("bodies/b.bin", "raw")]);
        let loaded = load(root.path()).unwrap();
        let body = |text: &str| loaded.body(&serde_json::from_str::<BodySpec>(text).unwrap());
        assert_eq!(body(r#"{"json": null}"#).unwrap(), "null");
        assert_eq!(body(r#"{"text": "é\r\n"}"#).unwrap(), "é\r\n");
        assert_eq!(body(r#"{"base64": "AP8="}"#).unwrap(), &b"\0\xff"[..]);
        assert_eq!(body(r#"{"file": "bodies/b.bin"}"#).unwrap(), "raw");
        assert!(body(r#"{"file": "../b.bin"}"#).is_err());
        assert!(body(r#"{"base64": "?"}"#).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        /// Whatever happens to a file, loading ends in a collection or in faults.
        #[test]
        fn damaged_files_never_panic(
            cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, "[\\x00-\\x7fé{}\\[\\]\",:0-9]{0,6}"), 0..4),
            in_manifest in any::<bool>(),
        ) {
            let mut text = if in_manifest { MANIFEST_TEXT.to_owned() } else { stub_text("/users/{login}") }.into_bytes();
            for (at, length, with) in cuts {
                let at = at.index(text.len().max(1)).min(text.len());
                let end = (at + length).min(text.len());
                text.splice(at..end, with.bytes());
            }
            let root = folder(&[(MANIFEST, MANIFEST_TEXT)]);
            let path = if in_manifest { MANIFEST } else { "stubs/a.json" };
            std::fs::create_dir_all(root.path().join("stubs")).unwrap();
            std::fs::write(root.path().join(path), &text).unwrap();
            match load(root.path()) {
                Ok(_) => {}
                Err(LoadError::Faulty { faults, .. }) => prop_assert!(!faults.is_empty()),
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }
}
