//! Writing a collection: only what changed, each file whole or not at all, one writer at a time.
//!
//! All new files are first written beside their place, under hidden names; only when every one of them is there are
//! they renamed, all or none (see `commit`). So a process that is killed leaves the collection as it was or as it should
//! be. Nothing is flushed to the platter: a collection is committed to version control, and waiting ten thousand times
//! for a disk helps nobody.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::stage::Staged;
use super::{LoadError, Loaded, MANIFEST, commit, load};
use crate::collection::{Collection, PENDING, Pending, StubFile, check};
use crate::redact::{Guard, Suspicion};

/// How our temporary files begin; what is left of a killed process is swept by the next writer.
pub(super) const TEMPORARY: &str = ".retake-";

/// How long to wait for another writer.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The content of a body's file, decoded.
pub enum BodySource<'a> {
    /// In memory.
    Bytes(Bytes),
    /// To be read to its end, piece by piece.
    Reader(Box<dyn Read + 'a>),
}

/// A body's file to be written.
pub struct NewBody<'a> {
    /// Path relative to the collection's folder, as in `BodySpec::file`: `bodies/logo.png`.
    pub path: String,
    /// What goes in.
    pub content: BodySource<'a>,
}

/// What is to be written at once.
#[derive(Default)]
pub struct Batch<'a> {
    /// Bodies' files.
    pub bodies: Vec<NewBody<'a>>,
    /// Changes that wait from now on; they take the places of those with the same id.
    pub pending: &'a [Pending],
    /// Files to be removed; one that is not there is no error.
    pub remove: &'a [String],
}

/// Something that looks like a secret in a file that was to be written. The secret itself is not in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The file, relative to the collection's folder.
    pub file: String,
    /// Where in it, and what it looks like.
    pub suspicion: Suspicion,
}

impl Secret {
    /// The place, as `--allow-secret` takes it: the file, and in JSON `#` and the pointer.
    pub fn place(&self) -> String {
        match self.suspicion.pointer.as_str() {
            "" => self.file.clone(),
            pointer => format!("{}#{pointer}", self.file),
        }
    }

    /// Whether it lies at an allowed place: in the whole file, or in JSON at a pointer in which `*` is any one segment.
    pub(super) fn is_at(&self, place: &str) -> bool {
        let Some((file, pointer)) = place.split_once('#') else { return place == self.file };
        let (mut wanted, mut found) = (pointer.split('/'), self.suspicion.pointer.split('/'));
        let fits = wanted.by_ref().zip(found.by_ref()).all(|(wanted, found)| wanted == "*" || wanted == found);
        file == self.file && fits && pointer.split('/').count() == self.suspicion.pointer.split('/').count()
    }
}

/// `stubs/a.test/get-a.json#/scenarios/0/…: a token of github`
impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.suspicion.line {
            0 => write!(f, "{}: {}", self.place(), self.suspicion.kind),
            line => write!(f, "{}:{line}: {}", self.file, self.suspicion.kind),
        }
    }
}

/// What a write did; paths are relative to the folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteReport {
    /// Files made or changed, in the order of writing.
    pub written: Vec<String>,
    /// How many files were left untouched because they say the same already.
    pub unchanged: usize,
    /// Files removed.
    pub removed: Vec<String>,
}

/// Why a collection could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Another process writes to it and does not finish.
    #[error("another retake is writing to the collection at {0}")]
    Busy(PathBuf),
    /// A path that would leave the folder.
    #[error("the path `{0}` {1}")]
    BadPath(String, &'static str),
    /// It would have a fault: the file, and what is wrong.
    #[error("{0}: {1}")]
    Unsound(String, String),
    /// It seems to hold secrets; nothing was written.
    #[error("what was to be written seems to hold secrets; nothing was written")]
    Secrets(Vec<Secret>),
    /// The disk.
    #[error("{0} could not be written: {1}")]
    Io(PathBuf, #[source] io::Error),
}

/// The right to change one collection; others wait until it is dropped.
///
/// The lock lies on the folder itself, so that no lock file turns up in a commit.
#[derive(Debug)]
pub struct Writer {
    root: PathBuf,
    guard: Option<Guard>,
    _lock: File,
}

/// A write under way. Dropped, it leaves nothing behind.
pub struct Begun<'w>(Staged<'w>);

impl Begun<'_> {
    /// Writes a stub beside its place.
    ///
    /// # Errors
    /// A path that leaves the folder, and those of the disk.
    pub fn stub(&mut self, file: &StubFile) -> Result<(), WriteError> {
        self.0.json(&file.path, &file.stub)
    }
}

/// Takes the lock and writes: [`Writer::open`] and [`Writer::write`] in one.
///
/// # Errors
/// Those of the two.
pub fn write(
    root: &Path,
    collection: &Collection,
    bodies: Vec<NewBody<'_>>,
    remove: &[String],
) -> Result<WriteReport, WriteError> {
    Writer::open(root)?.write(collection, bodies, remove)
}

impl Writer {
    /// Makes the folder if there is none, waits up to five seconds for another writer, and carries out what one that was
    /// killed had begun.
    ///
    /// # Errors
    /// [`WriteError::Busy`] after the wait, and those of the disk.
    pub fn open(root: &Path) -> Result<Writer, WriteError> {
        Writer::open_within(root, LOCK_WAIT)
    }

    /// The same with another wait.
    pub(super) fn open_within(root: &Path, wait: Duration) -> Result<Writer, WriteError> {
        let writer = Writer::locked(root, wait)?;
        commit::complete(root)?;
        Ok(writer)
    }

    /// The same, and whatever is written is first looked at for secrets.
    #[must_use]
    pub fn guarded(self, guard: Guard) -> Writer {
        Writer { guard: Some(guard), ..self }
    }

    fn locked(root: &Path, wait: Duration) -> Result<Writer, WriteError> {
        let failed = |error| WriteError::Io(root.to_owned(), error);
        std::fs::create_dir_all(root).map_err(failed)?;
        let lock = File::open(root).map_err(failed)?;
        let deadline = Instant::now() + wait;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Writer { root: root.to_owned(), guard: None, _lock: lock }),
                // Some network folders know no locks; a collection there is written all the same.
                Err(std::fs::TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                    return Ok(Writer { root: root.to_owned(), guard: None, _lock: lock });
                }
                Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
                Err(std::fs::TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    return Err(WriteError::Busy(root.to_owned()));
                }
                Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The collection as it is now, while nobody else writes.
    ///
    /// # Errors
    /// Those of [`load`].
    pub fn load(&self) -> Result<Loaded, LoadError> {
        load(&self.root)
    }

    /// Writes the manifest, all stubs and the given bodies, and removes the files that `remove` names. Files that hold
    /// the same bytes already are not touched, nor are JSON files that say the same in another layout: a person's
    /// spacing stays until there is something to change. Files that are not mentioned stay.
    ///
    /// # Errors
    /// A path that leaves the folder, and those of the disk. Until the last temporary file is written nothing changes.
    pub fn write(
        &self,
        collection: &Collection,
        bodies: Vec<NewBody<'_>>,
        remove: &[String],
    ) -> Result<WriteReport, WriteError> {
        self.write_all(collection, Batch { bodies, remove, ..Batch::default() })
    }

    /// The same with everything that goes in at once: a process that is killed leaves all of it or nothing.
    ///
    /// # Errors
    /// A path that leaves the folder, what looks like a secret (of a guarded writer), and those of the disk. Until the
    /// last temporary file is written nothing changes.
    pub fn write_all(&self, collection: &Collection, batch: Batch<'_>) -> Result<WriteReport, WriteError> {
        self.write_rest(self.begin(), collection, batch)
    }

    /// Begins a write of which some stubs come one by one, before the rest is known.
    pub fn begin(&self) -> Begun<'_> {
        self.sweep();
        Begun(Staged::new(&self.root))
    }

    /// [`Writer::write_all`] of the rest of what was begun: `collection` has the stubs that did not come yet.
    ///
    /// # Errors
    /// Those of [`Writer::write_all`].
    pub fn write_rest(
        &self,
        begun: Begun<'_>,
        collection: &Collection,
        batch: Batch<'_>,
    ) -> Result<WriteReport, WriteError> {
        let Begun(mut staged) = begun;
        for body in batch.bodies {
            match body.content {
                BodySource::Bytes(bytes) => staged.bytes(&body.path, &bytes)?,
                BodySource::Reader(mut reader) => staged.reader(&body.path, &mut reader)?,
            }
        }
        for pending in batch.pending {
            staged.json(&pending.path(), pending)?;
        }
        for file in &collection.stubs {
            staged.json(&file.path, &file.stub)?;
        }
        staged.json(MANIFEST, &collection.manifest)?;
        if let Some(guard) = &self.guard {
            staged.inspect(guard, &collection.manifest.settings.allowed_secrets)?;
        }
        staged.finish(batch.remove)
    }

    /// Makes of the collection as it was loaded another one: only the stubs that differ are written, stub files that are
    /// gone are removed, and so are body files that nothing names any more.
    ///
    /// # Errors
    /// [`WriteError::Unsound`] if the other one has a fault, and those of [`Writer::write_all`].
    pub fn change(
        &self,
        before: &Collection,
        mut after: Collection,
        batch: Batch<'_>,
    ) -> Result<WriteReport, WriteError> {
        if let Some((file, problem)) = check::collection(&after).into_iter().next() {
            return Err(WriteError::Unsound(file.to_owned(), problem.message));
        }
        let mut remove: Vec<String> = batch.remove.to_vec();
        remove.extend(check::files(before).difference(&check::files(&after)).cloned());
        let known: std::collections::HashMap<&str, _> =
            before.stubs.iter().map(|file| (file.path.as_str(), &file.stub)).collect();
        // How a person spaced the others is left alone.
        after.stubs.retain(|file| known.get(file.path.as_str()) != Some(&&file.stub));
        self.write_all(&after, Batch { remove: &remove, ..batch })
    }

    /// Removes what a killed writer left, and the folders that it made for nothing else. We hold the lock, so nobody
    /// else's are among them.
    fn sweep(&self) {
        let is_folder = |path: &PathBuf| path.symlink_metadata().is_ok_and(|found| found.is_dir());
        let mut folders = vec![self.root.clone()];
        folders.extend(["bodies", "stubs", PENDING].map(|folder| self.root.join(folder)).into_iter().filter(is_folder));
        let mut at = 0;
        while let Some(folder) = folders.get(at).cloned() {
            let mut left = false;
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                    left |= std::fs::remove_file(entry.path()).is_ok();
                } else if at > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(entry.path());
                }
            }
            if left {
                // The first that is not empty refuses, which is what is wanted.
                let own = folder.ancestors().take_while(|folder| *folder != self.root);
                let _ = own.map(std::fs::remove_dir).find(Result::is_err);
            }
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::collection::{Manifest, Stub};

    fn collection(paths: &[&str]) -> Collection {
        let manifest: Manifest =
            serde_json::from_str(r#"{"version": 1, "name": "x", "origins": ["https://a.b"]}"#).unwrap();
        let stub = |path: &&str| {
            let text = format!(r#"{{"version": 1, "method": "GET", "origin": "https://a.b", "path": "{path}"}}"#);
            let stub: Stub = serde_json::from_str(&text).unwrap();
            StubFile { path: format!("stubs/a.b/get{}.json", path.replace('/', "-")), stub: stub.into() }
        };
        Collection { manifest, stubs: paths.iter().map(stub).collect() }
    }

    fn bytes(path: &str, content: &'static [u8]) -> NewBody<'static> {
        NewBody { path: path.to_owned(), content: BodySource::Bytes(Bytes::from_static(content)) }
    }

    fn reader(path: &str, content: &'static [u8]) -> NewBody<'static> {
        NewBody { path: path.to_owned(), content: BodySource::Reader(Box::new(content)) }
    }

    /// Every file with its inode, time of change and content.
    fn state(root: &Path) -> Vec<(PathBuf, u64, i64, Vec<u8>)> {
        let mut files = Vec::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let found = path.metadata().unwrap();
                match found.is_dir() {
                    true => folders.push(path),
                    false => files.push((path.clone(), found.ino(), found.mtime_nsec(), std::fs::read(path).unwrap())),
                }
            }
        }
        files.sort();
        files
    }

    #[test]
    fn what_was_written_reads_back_and_is_not_touched_again() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().join("mocks/x");
        let made = collection(&["/a", "/b"]);
        let bodies = || vec![bytes("bodies/a.bin", b"\0a"), reader("bodies/b.bin", b"long")];
        let report = write(&root, &made, bodies(), &[]).unwrap();
        assert_eq!(
            report.written,
            ["bodies/a.bin", "bodies/b.bin", "stubs/a.b/get-a.json", "stubs/a.b/get-b.json", "collection.json"]
        );
        assert_eq!(*load(&root).unwrap().collection, made);
        let before = state(&root);
        assert_eq!(before.len(), 5, "no temporary file is left");
        let report = write(&root, &made, bodies(), &[]).unwrap();
        assert_eq!(report, WriteReport { unchanged: 5, ..WriteReport::default() });
        assert_eq!(state(&root), before);
        let text = std::fs::read_to_string(root.join(MANIFEST)).unwrap();
        assert_eq!(text, "{\n  \"version\": 1,\n  \"name\": \"x\",\n  \"origins\": [\n    \"https://a.b\"\n  ]\n}\n");
    }

    #[test]
    fn a_persons_layout_stays_until_there_is_something_to_change() {
        let root = tempfile::tempdir().unwrap();
        let mut made = collection(&["/a", "/b"]);
        write(root.path(), &made, Vec::new(), &[]).unwrap();
        let by_hand = r#"{"version":1, "path":"/a", "method":"GET", "origin":"https://a.b", "scenarios":[]}"#;
        std::fs::write(root.path().join("stubs/a.b/get-a.json"), by_hand).unwrap();
        assert_eq!(write(root.path(), &made, Vec::new(), &[]).unwrap().unchanged, 3);
        made.stubs[0].stub.parts.body = false;
        let report = write(root.path(), &made, Vec::new(), &[]).unwrap();
        assert_eq!(report.written, ["stubs/a.b/get-a.json"]);
    }

    #[test]
    fn only_changes_and_asked_removals_happen() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &collection(&["/a", "/b"]), vec![reader("bodies/b.bin", b"one")], &[]).unwrap();
        let report = write(root.path(), &collection(&["/b"]), vec![reader("bodies/b.bin", b"two")], &[]).unwrap();
        assert_eq!(report.written, ["bodies/b.bin"]);
        assert!(root.path().join("stubs/a.b/get-a.json").exists(), "not mentioned is not removed");
        let gone = ["stubs/a.b/get-a.json", "stubs/a.b/get-b.json", "stubs/a.b/none.json"].map(str::to_owned);
        let report = write(root.path(), &collection(&[]), Vec::new(), &gone).unwrap();
        assert_eq!(report.removed, gone[..2]);
        assert!(!root.path().join("stubs/a.b").exists());
        assert_eq!(std::fs::read(root.path().join("bodies/b.bin")).unwrap(), b"two");
    }

    #[test]
    fn nothing_is_written_outside() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("mocks");
        std::fs::create_dir_all(&root).unwrap();
        std::os::unix::fs::symlink(outer.path(), root.join("bodies")).unwrap();
        for path in ["../evil", "/tmp/evil", "bodies/evil", "a/../../evil", "a\\..\\evil", ""] {
            let result = write(&root, &collection(&["/a"]), vec![bytes(path, b"x")], &[]);
            assert!(matches!(result, Err(WriteError::BadPath(..))), "{path}");
            let result = write(&root, &collection(&[]), Vec::new(), &[path.to_owned()]);
            assert!(matches!(result, Err(WriteError::BadPath(..))), "{path}");
        }
        assert!(!outer.path().join("evil").exists());
        assert!(!root.join("stubs").exists(), "a refused body keeps everything else back");
    }

    #[test]
    fn a_failure_half_way_changes_nothing() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &collection(&["/a"]), vec![bytes("bodies/a.bin", b"a")], &[]).unwrap();
        let before = state(root.path());
        let broken = NewBody { path: "bodies/b.bin".to_owned(), content: BodySource::Reader(Box::new(Broken)) };
        let result = write(root.path(), &collection(&["/c"]), vec![bytes("bodies/a.bin", b"changed"), broken], &[]);
        assert!(matches!(result, Err(WriteError::Io(..))));
        assert_eq!(state(root.path()), before);
    }

    #[test]
    fn left_overs_are_swept_and_writers_wait() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &collection(&["/a"]), Vec::new(), &[]).unwrap();
        std::fs::write(root.path().join("stubs/a.b/.retake-abc"), "half").unwrap();
        std::fs::write(root.path().join(".retake-abc"), "half").unwrap();
        std::fs::create_dir_all(root.path().join("bodies/c.d/get-c")).unwrap();
        std::fs::write(root.path().join("bodies/c.d/get-c/.retake-abc"), "half").unwrap();
        std::fs::create_dir_all(root.path().join("stubs/by-hand")).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::write(elsewhere.path().join(".retake-abc"), "not ours").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), root.path().join(PENDING)).unwrap();
        let writer = Writer::open(root.path()).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let path = root.path().to_owned();
        let second = std::thread::spawn(move || {
            let report = write(&path, &collection(&["/b"]), Vec::new(), &[]);
            sender.send(()).unwrap();
            report
        });
        assert_eq!(writer.load().unwrap().collection.stubs.len(), 1);
        assert!(receiver.try_recv().is_err(), "the lock is held");
        drop(writer);
        assert_eq!(second.join().unwrap().unwrap().written, ["stubs/a.b/get-b.json"]);
        assert!(elsewhere.path().join(".retake-abc").exists());
        std::fs::remove_file(root.path().join(PENDING)).unwrap();
        assert_eq!(state(root.path()).len(), 3);
        assert!(!root.path().join("bodies").exists() && root.path().join("stubs/by-hand").exists());
    }

    #[test]
    fn files_are_open_to_what_the_umask_leaves() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &collection(&["/a"]), Vec::new(), &[]).unwrap();
        std::fs::write(root.path().join("plain"), "").unwrap();
        let mode = |name: &str| root.path().join(name).metadata().unwrap().mode();
        assert_eq!(mode(MANIFEST), mode("plain"));
    }
}
