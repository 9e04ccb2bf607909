//! The last step of a write: files are put in place and others removed, all of them or none of them.
//!
//! Renames come one after the other, and a process may be killed between two. So what is to be done is first written to
//! a list in the folder; whoever comes next, to read or to write, and finds the list, carries it out. This holds against
//! the end of the process, not against that of the machine: nothing is flushed to the platter.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tempfile::TempPath;

use super::stage::check_path;
use super::write::{TEMPORARY, WriteError};

/// The list's name. It lies in the folder only while a write is being carried out.
const LIST: &str = ".retake-commit.json";

/// What is to be done; paths are relative to the folder, with `/`.
#[derive(Debug, Serialize, Deserialize)]
struct List {
    /// From the hidden name beside its place to its name.
    rename: Vec<(String, String)>,
    remove: Vec<String>,
}

/// Puts staged files in place and removes others, of which those that are there are returned.
///
/// # Errors
/// Those of the disk; until the list is written, nothing has changed.
pub(super) fn commit(
    root: &Path,
    files: Vec<(TempPath, String)>,
    remove: &[String],
) -> Result<Vec<String>, WriteError> {
    let mut checked = BTreeSet::new();
    let mut there = Vec::new();
    for path in remove {
        check_path(root, path, &mut checked)?;
        if root.join(path).symlink_metadata().is_ok() {
            there.push(path.clone());
        }
    }
    if files.len() + there.len() > 1 {
        let rename = files.iter().map(|(from, to)| (relative(root, from), to.clone())).collect();
        let list = List { rename, remove: there.clone() };
        let _readers_wait = hold(root, true);
        let failed = |error| WriteError::Io(root.join(LIST), error);
        let text = serde_json::to_vec(&list).map_err(|error| failed(error.into()))?;
        let file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(root).map_err(failed)?;
        std::fs::write(file.path(), text).map_err(failed)?;
        // From here on the files must not vanish with this process.
        let mut kept = Vec::new();
        for (file, path) in files {
            kept.push((file.keep().map_err(|error| failed(error.error))?, path));
        }
        if let Err(error) = file.persist(root.join(LIST)) {
            kept.iter().for_each(|(file, _)| drop(std::fs::remove_file(file)));
            return Err(failed(error.error));
        }
        carry_out(root, &list)?;
        return Ok(there);
    }
    for (file, path) in files {
        let full = root.join(path);
        file.persist(&full).map_err(|error| WriteError::Io(full, error.error))?;
    }
    there.iter().try_for_each(|path| remove_file(root, path))?;
    Ok(there)
}

fn relative(root: &Path, file: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).to_string_lossy().into_owned()
}

/// Whether a write has begun and not ended.
pub(super) fn is_under_way(root: &Path) -> bool {
    root.join(LIST).symlink_metadata().is_ok()
}

/// Carries out what a killed process left to do. The caller holds the lock.
///
/// # Errors
/// Those of the disk.
pub(super) fn complete(root: &Path) -> Result<(), WriteError> {
    let _readers_wait = hold(root, true);
    let path = root.join(LIST);
    let text = match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|error| WriteError::Io(path.clone(), error))?,
    };
    match serde_json::from_slice::<List>(&text) {
        Ok(list) if is_ours(root, &list) => carry_out(root, &list),
        // Not written by us, or damaged with the disk: following it could do harm.
        _ => std::fs::remove_file(&path).map_err(|error| WriteError::Io(path, error)),
    }
}

/// Whether a list names only our hidden files, and places inside the folder that are not hidden: a list may come with a
/// folder from elsewhere, and must not reach into a `.git` beside the collection.
fn is_ours(root: &Path, list: &List) -> bool {
    let mut checked = BTreeSet::new();
    let mut is_place =
        |path: &str| check_path(root, path, &mut checked).is_ok() && !path.split('/').any(|part| part.starts_with('.'));
    let mut is_waiting = |path: &str| {
        let (folder, name) = path.rsplit_once('/').map_or((None, path), |(folder, name)| (Some(folder), name));
        name.starts_with(TEMPORARY) && folder.is_none_or(&mut is_place)
    };
    list.rename.iter().all(|(from, _)| is_waiting(from))
        && list.rename.iter().map(|(_, to)| to).chain(&list.remove).all(|path| is_place(path))
}

fn carry_out(root: &Path, list: &List) -> Result<(), WriteError> {
    for (from, to) in &list.rename {
        let full = root.join(to);
        match std::fs::rename(root.join(from), &full) {
            // Done before the process was killed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(|error| WriteError::Io(full, error))?,
        }
    }
    list.remove.iter().try_for_each(|path| remove_file(root, path))?;
    let path = root.join(LIST);
    std::fs::remove_file(&path).map_err(|error| WriteError::Io(path, error))
}

/// Removes a file, and its folder if that is empty now.
fn remove_file(root: &Path, path: &str) -> Result<(), WriteError> {
    let full = root.join(path);
    match std::fs::remove_file(&full) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(WriteError::Io(full, error)),
        _ => {}
    }
    if let Some((folder, _)) = path.rsplit_once('/') {
        // Refused while anything is in it, which is what is wanted.
        let _ = std::fs::remove_dir(root.join(folder));
    }
    Ok(())
}

/// How long readers and a writer wait for each other. Who still waits then is beside a process that stands still; a
/// reader sees by the [`Stamp`] whether it must read again.
const HOLD_WAIT: Duration = Duration::from_secs(5);

/// Keeps writers from putting files in place, or, if `alone`, readers from reading, until it is dropped. None where
/// folders cannot be locked.
pub(super) fn hold(root: &Path, alone: bool) -> Option<File> {
    let folder = File::open(root.join("stubs")).ok()?;
    let deadline = Instant::now() + HOLD_WAIT;
    loop {
        match if alone { folder.try_lock() } else { folder.try_lock_shared() } {
            Ok(()) => return Some(folder),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(_) => return None,
        }
    }
}

/// Differs before and after any write of several files: each makes the list and removes it again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp(Option<(u64, i64, i64, i64, i64)>);

impl Stamp {
    pub(super) fn of(root: &Path) -> Stamp {
        let found = std::fs::metadata(root).ok();
        Stamp(found.map(|it| (it.ino(), it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::collections::{Writer, load};

    const MANIFEST_TEXT: &str = r#"{"version": 1, "name": "x", "origins": ["https://a.b"]}"#;

    fn stub(path: &str) -> String {
        format!(r#"{{"version": 1, "method": "GET", "origin": "https://a.b", "path": "{path}"}}"#)
    }

    /// A folder in which a write of three files was cut off after `done` of them.
    fn cut_off(done: usize) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        std::fs::create_dir_all(at("stubs")).unwrap();
        std::fs::write(at("collection.json"), MANIFEST_TEXT).unwrap();
        std::fs::write(at("stubs/old.json"), stub("/old")).unwrap();
        let mut list = List { rename: Vec::new(), remove: vec!["stubs/old.json".into()] };
        for number in 0..3 {
            let (from, to) = (format!("stubs/.retake-{number}"), format!("stubs/{number}.json"));
            std::fs::write(at(if number < done { &to } else { &from }), stub(&format!("/{number}"))).unwrap();
            list.rename.push((from, to));
        }
        std::fs::write(at(LIST), serde_json::to_vec(&list).unwrap()).unwrap();
        root
    }

    fn paths(root: &Path) -> Vec<String> {
        load(root).unwrap().collection.stubs.iter().map(|file| file.stub.path.to_string()).collect()
    }

    #[test]
    fn who_comes_next_carries_out_what_was_begun() {
        for done in 0..=3 {
            let root = cut_off(done);
            assert_eq!(paths(root.path()), ["/0", "/1", "/2"], "{done}");
            assert!(!is_under_way(root.path()));
            let root = cut_off(done);
            drop(Writer::open(root.path()).unwrap());
            assert_eq!(std::fs::read_dir(root.path().join("stubs")).unwrap().count(), 3);
        }
    }

    #[test]
    fn a_list_that_is_not_ours_does_nothing() {
        let outer = tempfile::tempdir().unwrap();
        std::fs::write(outer.path().join("secret"), "s").unwrap();
        for list in [
            r#"{"rename": [["../secret", "stubs/0.json"]], "remove": []}"#,
            r#"{"rename": [["collection.json", "stubs/0.json"]], "remove": []}"#,
            r#"{"rename": [["stubs/.retake-0", "../evil"]], "remove": []}"#,
            r#"{"rename": [], "remove": ["../secret"]}"#,
            r#"{"rename": [["stubs/.retake-0", ".git/hooks/pre-commit"]], "remove": []}"#,
            r#"{"rename": [[".git/.retake-0", "stubs/0.json"]], "remove": []}"#,
            "half a li",
        ] {
            let root = outer.path().join("mocks");
            std::fs::create_dir_all(root.join("stubs")).unwrap();
            std::fs::write(root.join("collection.json"), MANIFEST_TEXT).unwrap();
            std::fs::write(root.join(LIST), list).unwrap();
            assert_eq!(paths(&root), [""; 0], "{list}");
            assert!(outer.path().join("secret").exists() && !outer.path().join("evil").exists());
            assert!(root.join("collection.json").exists() && !is_under_way(&root));
        }
    }

    /// Readers beside a writer see one state or the other, never both.
    #[test]
    fn readers_never_see_half_a_write() {
        let root = tempfile::tempdir().unwrap();
        let collection = |mark: &str| {
            let manifest = serde_json::from_str(MANIFEST_TEXT).unwrap();
            let file = |number: usize| {
                let mut stub: crate::collection::Stub = serde_json::from_str(&stub(&format!("/{number}"))).unwrap();
                stub.schema = Some(mark.to_owned());
                crate::collection::StubFile { path: format!("stubs/{number:02}.json"), stub: stub.into() }
            };
            crate::collection::Collection { manifest, stubs: (0..40).map(file).collect() }
        };
        let write = |mark| drop(Writer::open(root.path()).unwrap().write(&collection(mark), Vec::new(), &[]).unwrap());
        write("0");
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut seen = BTreeSet::new();
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let loaded = load(root.path()).unwrap();
                    let marks: BTreeSet<_> = loaded.collection.stubs.iter().map(|file| &file.stub.schema).collect();
                    assert_eq!(marks.len(), 1, "{marks:?}");
                    seen.extend(marks.into_iter().cloned());
                }
                seen
            });
            for round in 1..=40 {
                write(if round % 2 == 0 { "0" } else { "1" });
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(!reader.join().unwrap().is_empty());
        });
    }
}
