//! The running recorders and replays of a store: who they are, and where they listen.
//!
//! Each has a file in `running/` of the store and holds a lock on it while it lives. The system drops the lock with
//! the process, however it ends, so an entry whose lock can be had belongs to the dead and is removed by whoever sees
//! it; a process id that was given out again deceives nobody.

use std::fs::{DirBuilder, File, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The folder of the entries, in the store.
const FOLDER: &str = "running";
/// A longer entry is none of ours, in bytes.
const MAX_ENTRY: u64 = 1024 * 1024;

/// What a running process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It records.
    Record,
    /// It replays.
    Replay,
}

/// One running recorder or replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// What it does.
    pub kind: Kind,
    /// Its process id.
    pub pid: u32,
    /// Where it listens.
    pub listen: SocketAddr,
    /// The URL that clients use as their proxy, such as `http://127.0.0.1:8888`.
    pub url: String,
    /// Path of the CA's certificate in PEM.
    pub ca: PathBuf,
    /// Its command line, for people. Mask it before: it is written to disk.
    #[serde(default)]
    pub command: Vec<String>,
    /// When it started.
    pub started_at: jiff::Timestamp,
    /// The session, of a recorder.
    #[serde(default)]
    pub session: Option<String>,
    /// The collections served, of a replay.
    #[serde(default)]
    pub collections: Vec<String>,
    /// The run, of a replay.
    #[serde(default)]
    pub run: Option<String>,
    /// Path of its control socket.
    #[serde(default)]
    pub control: Option<PathBuf>,
    /// Hosts that its clients are to call directly: the value of `NO_PROXY` in its wiring.
    #[serde(default)]
    pub no_proxy: Vec<String>,
}

/// Keeps the entry of this process; dropping it takes the entry away.
#[derive(Debug)]
pub struct Registration {
    path: PathBuf,
    // The lock lives as long as the file is open.
    _locked: File,
}

impl Registration {
    /// The entry's file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Makes `entry` known to other processes until the registration is dropped or the process ends. A store that cannot
/// be written makes only `retake env` and the like blind to this process: the caller may go on.
///
/// # Errors
/// Those of the disk.
pub fn register(store: &Path, entry: &Running) -> io::Result<Registration> {
    let folder = store.join(FOLDER);
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let mut file =
        tempfile::Builder::new().prefix(".tmp-").permissions(Permissions::from_mode(0o600)).tempfile_in(&folder)?;
    // Locked before it has its name: nobody ever sees it unlocked and takes it for a dead one.
    file.as_file().try_lock()?;
    serde_json::to_writer_pretty(&mut file, entry)?;
    file.write_all(b"\n")?;
    let name = format!("{}-{}.json", entry.pid, uuid::Uuid::now_v7().simple());
    let path = folder.join(name);
    let locked = file.persist_noclobber(&path).map_err(|error| error.error)?;
    Ok(Registration { path, _locked: locked })
}

/// The running recorders and replays of `store`, newest first. Entries of dead processes are removed on the way; what
/// cannot be read is left out. A store that does not exist has none.
pub fn list(store: &Path) -> Vec<Running> {
    let Ok(entries) = std::fs::read_dir(store.join(FOLDER)) else { return Vec::new() };
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut running: Vec<Running> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).filter_map(alive).collect();
    running.sort_by(|a, b| b.started_at.cmp(&a.started_at).then(b.pid.cmp(&a.pid)));
    running
}

/// The entry at `path`, if its process lives.
fn alive(path: PathBuf) -> Option<Running> {
    let file = File::open(&path).ok()?;
    // Shared, so that two readers of a dead entry do not take each other for its owner.
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {}
        Ok(()) => {
            let _ = std::fs::remove_file(&path);
            return None;
        }
        // Without locks on this file system the entry is believed: wrong at worst, where nothing is known at all.
        Err(TryLockError::Error(error)) => tracing::debug!("{}: {error}", path.display()),
    }
    let mut text = String::new();
    file.take(MAX_ENTRY).read_to_string(&mut text).ok()?;
    match serde_json::from_str(&text) {
        Ok(entry) => Some(entry),
        Err(error) => {
            tracing::debug!("{}: {error}", path.display());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pid: u32, second: i64) -> Running {
        Running {
            kind: Kind::Record,
            pid,
            listen: "127.0.0.1:8888".parse().unwrap(),
            url: "http://127.0.0.1:8888".into(),
            ca: "/ca/ca.pem".into(),
            command: vec!["retake".into(), "record".into()],
            started_at: jiff::Timestamp::from_second(second).unwrap(),
            session: Some("s".into()),
            collections: vec![],
            run: None,
            control: None,
            no_proxy: vec![],
        }
    }

    #[test]
    fn the_newest_comes_first_and_leaving_takes_the_entry_away() {
        let store = tempfile::tempdir().unwrap();
        let old = register(store.path(), &entry(1, 10)).unwrap();
        let new = register(store.path(), &entry(2, 20)).unwrap();
        assert_eq!(list(store.path()), [entry(2, 20), entry(1, 10)]);
        drop(new);
        assert_eq!(list(store.path()), [entry(1, 10)]);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(old.path()), 0o600);
        assert_eq!(mode(&store.path().join(FOLDER)), 0o700);
        drop(old);
        assert!(std::fs::read_dir(store.path().join(FOLDER)).unwrap().next().is_none());
    }

    #[test]
    fn an_entry_without_its_lock_is_dead_and_removed() {
        let store = tempfile::tempdir().unwrap();
        let live = register(store.path(), &entry(1, 10)).unwrap();
        let dead = store.path().join(FOLDER).join("7-x.json");
        std::fs::copy(live.path(), &dead).unwrap();
        assert_eq!(list(store.path()), [entry(1, 10)]);
        assert!(!dead.exists());
        assert!(live.path().exists());
    }

    #[test]
    fn readers_do_not_mistake_each_other_for_the_owner() {
        let store = tempfile::tempdir().unwrap();
        let live = register(store.path(), &entry(1, 10)).unwrap();
        let dead = store.path().join(FOLDER).join("7-x.json");
        std::fs::copy(live.path(), &dead).unwrap();
        let other_reader = File::open(&dead).unwrap();
        other_reader.try_lock_shared().unwrap();
        assert_eq!(list(store.path()), [entry(1, 10)]);
    }

    #[test]
    fn no_store_and_garbage_are_no_entries() {
        let store = tempfile::tempdir().unwrap();
        assert!(list(&store.path().join("none")).is_empty());
        let live = register(store.path(), &entry(1, 10)).unwrap();
        std::fs::write(live.path(), "garbage").unwrap();
        assert!(list(store.path()).is_empty());
    }

    #[test]
    fn a_store_that_cannot_be_written_is_an_error_and_no_panic() {
        let store = tempfile::tempdir().unwrap();
        let file = store.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(register(&file, &entry(1, 10)).is_err());
    }
}
