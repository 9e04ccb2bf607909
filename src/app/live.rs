//! Live edit: the folders of the collections are watched, and what changes in them is served from then on.
//!
//! The folders are watched, not the files: editors and `git` replace files. All collections are read anew, beside the
//! traffic, and taken over whole or not at all.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use crate::replay::serve::Serve;
use crate::store::collections::{self, LoadError};

/// A change is taken over when nothing more has happened for so long…
const QUIET: Duration = Duration::from_millis(30);
/// …or after so long at last.
const PATIENCE: Duration = Duration::from_millis(500);
/// What cannot be read may be half-written: it is looked at again after this, before anybody is told.
const SECOND_LOOK: Duration = Duration::from_millis(200);
/// How often it is looked whether a folder was replaced by another of its name.
const LOOK_AFTER: Duration = Duration::from_millis(500);

/// Told when changed files were taken over, or why they could not be.
pub type Told = Box<dyn Fn(Result<(), &[String]>) + Send>;

/// Watches until dropped.
pub struct Live {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic in there was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// Watches the folders of collections, by name, and renews what `serve` serves when they change.
///
/// # Errors
/// The system cannot watch them: a limit of the system on watched folders, most likely.
pub fn watch(serve: Arc<Serve>, folders: Vec<(String, PathBuf)>, told: Option<Told>) -> notify::Result<Live> {
    let (sender, changes) = channel();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // An error says that events were lost.
        if event.map_or(true, |event| is_change(&event.kind)) {
            let _ = sender.send(());
        }
    })?;
    let mut watched = Watched { watcher, roots: folders, identities: Vec::new(), folders: HashSet::new() };
    watched.follow()?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let work = move || {
        let mut editor = Editor { serve, told };
        while !stopped.load(Ordering::Relaxed) {
            let changed = wait(&changes, &stopped);
            if watched.was_replaced() || changed {
                // What cannot be watched now is tried again at the next change.
                let _ = watched.follow();
                editor.take_over(&watched.roots);
            }
        }
    };
    let thread = std::thread::Builder::new().name("live-edit".into()).spawn(work).map_err(notify::Error::io)?;
    Ok(Live { stop, thread: Some(thread) })
}

/// Whether an event can mean another content. Our own reading is none.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

/// Waits for changes, and then until they have come to an end. Whether there was one.
fn wait(changes: &Receiver<()>, stopped: &AtomicBool) -> bool {
    if changes.recv_timeout(LOOK_AFTER).is_err() {
        return false;
    }
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE && !stopped.load(Ordering::Relaxed) {
        if let Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) = changes.recv_timeout(QUIET) {
            break;
        }
    }
    true
}

/// Each folder is watched by itself: asked to watch a tree, the library looks at every file in it.
struct Watched {
    watcher: RecommendedWatcher,
    /// The collections, by name.
    roots: Vec<(String, PathBuf)>,
    /// What the folder of each was when it was watched.
    identities: Vec<Option<Identity>>,
    /// The folders that are watched.
    folders: HashSet<PathBuf>,
}

impl Watched {
    /// Whether the folder of a collection is another one than is watched.
    fn was_replaced(&self) -> bool {
        self.roots.iter().map(|(_, root)| identity(root)).ne(self.identities.iter().copied())
    }

    /// Watches the folders that are there now, and no others. Those that were watched are watched anew: the library forgets
    /// a folder that was renamed, also one that got its name back.
    fn follow(&mut self) -> notify::Result<()> {
        let (watcher, mut outcome) = (&mut self.watcher, Ok(()));
        // Before anything new is watched: a folder that got another name is one and the same to the system.
        self.folders.retain(|folder| {
            let stays = folder.is_dir();
            if !stays {
                let _ = watcher.unwatch(folder);
            }
            stays
        });
        self.identities.clear();
        let mut open = Vec::new();
        for (_, root) in &self.roots {
            self.identities.push(identity(root));
            open.push(root.clone());
        }
        while let Some(folder) = open.pop() {
            match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    // Only now: what comes into it later is told of.
                    open.extend(folders_in(&folder));
                    self.folders.insert(folder);
                }
                // It went, which is a change that is followed next.
                Err(_) if !folder.is_dir() => {}
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }
}

/// The folders right in a folder. Hidden ones hold nothing that is served, and links are none of the collection's.
fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_folder = |entry: &std::fs::DirEntry| {
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        !is_hidden && entry.file_type().is_ok_and(|kind| kind.is_dir())
    };
    entries.filter(is_folder).map(|entry| entry.path()).collect()
}

/// What tells a folder from another of its name: device, inode, and where the system knows it the time of its birth,
/// since a new folder may get the inode of one that was just removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    born: Option<SystemTime>,
}

fn identity(folder: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(folder).ok()?;
    Some(Identity { device: found.dev(), inode: found.ino(), born: found.created().ok() })
}

struct Editor {
    serve: Arc<Serve>,
    told: Option<Told>,
}

impl Editor {
    fn take_over(&mut self, folders: &[(String, PathBuf)]) {
        let mut outcome = self.renew(folders);
        if outcome.is_err() {
            std::thread::sleep(SECOND_LOOK);
            outcome = self.renew(folders);
        }
        let told = |outcome: Result<(), &[String]>| self.told.iter().for_each(|told| told(outcome));
        match outcome {
            Ok(()) => told(Ok(())),
            Err(trouble) => {
                if self.serve.refuse_edit(trouble.clone()) {
                    told(Err(&trouble));
                }
            }
        }
    }

    /// Reads all and takes it over, or says what is wrong, a line each.
    fn renew(&self, folders: &[(String, PathBuf)]) -> Result<(), Vec<String>> {
        let mut loaded = Vec::with_capacity(folders.len());
        for (name, folder) in folders {
            let collection = collections::load_to_serve(folder).map_err(|error| trouble(name, &error))?;
            loaded.push((name.clone(), collection));
        }
        let engine = self.serve.engine().renewed(loaded).map_err(|error| vec![error.to_string()])?;
        self.serve.renew(engine);
        Ok(())
    }
}

fn trouble(name: &str, error: &LoadError) -> Vec<String> {
    match error {
        LoadError::Faulty { faults, .. } => faults.iter().take(20).map(|fault| format!("{name}/{fault}")).collect(),
        other => vec![other.to_string()],
    }
}
