//! Opening a store, for recording or for reading: the lock, the version, and the recovery.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::edit::Journal;
use super::history::History;
use super::index::{Index, IndexError, Position};
use super::journal::Recording;
use super::layout::{self, Layout, STORE_VERSION, StoreInfo, make_folder};
use super::lock::{Attempt, Holder, Lock};
use super::reader::DiskHistory;
use super::recovery::{self, Repairs};
use super::rescan;
use super::writer::SegmentWriter;
use crate::redact::MaskKey;

/// How long a recorder waits for a command that is reading just now.
const READER_PATIENCE: Duration = Duration::from_secs(5);

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds it.
    #[error("the history at {store} is in use: {} has it (process {pid}, {})", or(.command, "another command"), listening(.listener))]
    Locked {
        /// The store's folder.
        store: PathBuf,
        /// Its process id.
        pid: u32,
        /// Where it listens; empty for one that only reads.
        listener: String,
        /// Its command line.
        command: String,
    },
    /// Nothing was ever recorded there: an empty history.
    #[error("nothing has been recorded yet: there is no history at {0}")]
    Empty(PathBuf),
    /// A newer retake made it.
    #[error(
        "the history at {store} has version {version}, and this retake reads up to {STORE_VERSION}: use a newer retake, or another --store DIR"
    )]
    Newer {
        /// The store's folder.
        store: PathBuf,
        /// What `store.json` says.
        version: u32,
    },
    /// A file of it cannot be read or written.
    #[error("the history cannot be opened: {path}: {source}; mend it, or choose another folder with --store DIR")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

fn listening(listener: &str) -> String {
    if listener.is_empty() { "reading it".into() } else { format!("listening on {listener}") }
}

/// Attaches a path to an error of the disk.
fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, OpenError> {
    result.map_err(|source| OpenError::Io { path: path.to_owned(), source })
}

/// Opens a store for recording, and makes it when there is none. What a killed recorder left is put in order first;
/// [`Recording::repairs`] says what was done. The lock is held until the recording and the history are dropped.
///
/// # Errors
/// Another recorder holds the store, it is newer than this program, or the disk refuses.
pub fn open_for_recording(dir: &Path, about: Holder) -> Result<(Recording, Arc<dyn History>), OpenError> {
    let layout = Arc::new(Layout::new(dir));
    at(dir, make_folder(dir))?;
    let lock = locked(&layout, &about)?;
    let info = store_info(&layout)?;
    at(dir, layout.make_folders())?;
    let key = at(&layout.mask_key(), layout::mask_key(&layout))?;
    let mut repairs = info.1;
    let (index, end) = recovered(&layout, &info.0, &mut repairs)?;
    let index = Arc::new(index);
    let mut writer = SegmentWriter::new(layout.clone(), end);
    at(&layout.streams(), recovery::settle(&layout, &index, &mut writer, &mut repairs))?;
    let history = Arc::new(DiskHistory::new(layout.clone(), index, Journal::Closed, repairs.texts(), Some(lock)));
    let recording = at(dir, Recording::start(layout, writer, history.clone(), key))?;
    Ok((recording, history))
}

/// Opens a store for reading, while nobody records into it. Where the folder cannot be written, the journal is read
/// into memory, and nothing is repaired.
///
/// # Errors
/// [`OpenError::Locked`] when a recorder or another reader has it (`control::open_history` then asks the recorder);
/// [`OpenError::Empty`] when nothing was recorded; or those of the disk.
pub fn open_for_reading(dir: &Path) -> Result<Arc<dyn History>, OpenError> {
    let layout = Arc::new(Layout::new(dir));
    if at(&layout.journal(), layout.segments())?.is_empty() {
        // Told apart from a recorder that has just begun by the lock alone, which the caller of a holder asks for.
        return Err(OpenError::Empty(dir.to_owned()));
    }
    open(layout)
}

/// As [`open_for_reading`], and makes the store when there is none: for an import.
///
/// # Errors
/// Those of [`open_for_reading`], but for [`OpenError::Empty`].
pub fn open_or_create(dir: &Path) -> Result<Arc<dyn History>, OpenError> {
    at(dir, make_folder(dir))?;
    open(Arc::new(Layout::new(dir)))
}

/// The key for masking of the store in this folder, made when there is none.
///
/// # Errors
/// Those of the disk.
pub fn mask_key(dir: &Path) -> Result<MaskKey, OpenError> {
    let layout = Layout::new(dir);
    at(&layout.mask_key(), layout::mask_key(&layout)).map(MaskKey)
}

fn open(layout: Arc<Layout>) -> Result<Arc<dyn History>, OpenError> {
    let lock = match locked(&layout, &Holder::default()) {
        Ok(lock) => lock,
        Err(OpenError::Io { source, .. }) if is_read_only(&source) => return read_only(layout),
        Err(error) => return Err(error),
    };
    match in_order(&layout) {
        Ok((index, writer, repairs)) => {
            let journal = Journal::Own(writer);
            Ok(Arc::new(DiskHistory::new(layout, Arc::new(index), journal, repairs.texts(), Some(lock))))
        }
        // A full disk must not keep anybody from reading.
        Err(OpenError::Io { .. }) => read_only(layout),
        Err(error) => Err(error),
    }
}

/// The newest segment of a store's journal, and its length: what changes when anything is recorded. None when nothing
/// was.
///
/// # Errors
/// Those of the disk.
pub fn journal_end(dir: &Path) -> io::Result<Option<(u32, u64)>> {
    let layout = Layout::new(dir);
    let Some(newest) = layout.segments()?.pop() else { return Ok(None) };
    Ok(Some((newest, std::fs::metadata(layout.segment(newest))?.len())))
}

/// The index of a locked store, up to date, and everything put in order.
fn in_order(layout: &Arc<Layout>) -> Result<(Index, SegmentWriter, Repairs), OpenError> {
    let (info, mut repairs) = store_info(layout)?;
    at(layout.root(), layout.make_folders())?;
    let (index, end) = recovered(layout, &info, &mut repairs)?;
    let mut writer = SegmentWriter::new(layout.clone(), end);
    at(&layout.streams(), recovery::settle(layout, &index, &mut writer, &mut repairs))?;
    Ok((index, writer, repairs))
}

/// Everything from the journal into memory, nothing written.
pub(super) fn read_only(layout: Arc<Layout>) -> Result<Arc<dyn History>, OpenError> {
    let index = Index::in_memory();
    let mut repairs = Repairs::read_only();
    at(&layout.journal(), rescan::replay(&layout, &index, (0, 0), &mut repairs).map_err(Into::into))?;
    recovery::show_open(&layout, &index);
    Ok(Arc::new(DiskHistory::new(layout, Arc::new(index), Journal::Closed, repairs.texts(), None)))
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

fn locked(layout: &Layout, about: &Holder) -> Result<Lock, OpenError> {
    // Who only reads is refused at once by a recorder, and waits for another reader as a recorder does.
    match at(&layout.lock(), Lock::take(layout, about, READER_PATIENCE))? {
        Attempt::Held(lock) => Ok(lock),
        Attempt::Taken(other) => Err(OpenError::Locked {
            store: layout.root().to_owned(),
            pid: other.pid,
            listener: other.holder.listener,
            command: other.holder.command,
        }),
    }
}

/// Reads `store.json`, or makes it. One that cannot be read is moved aside: the journal is what counts.
fn store_info(layout: &Layout) -> Result<(StoreInfo, Repairs), OpenError> {
    let path = layout.info();
    let mut repairs = Repairs::default();
    match std::fs::read(&path) {
        Ok(bytes) => match serde_json::from_slice::<StoreInfo>(&bytes) {
            Ok(info) if info.version > STORE_VERSION => {
                return Err(OpenError::Newer { store: layout.root().to_owned(), version: info.version });
            }
            Ok(info) => return Ok((info, repairs)),
            Err(error) => {
                let kept = at(&path, layout.move_aside(&path))?;
                repairs.say(format!("store.json could not be read ({error}); it is kept as {}", kept.display()));
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return at(&path, Err(error)),
    }
    let info = layout::new_info();
    let text = serde_json::to_vec_pretty(&info).map_err(io::Error::other);
    at(&path, text.and_then(|text| layout::replace_file(&path, &text)))?;
    Ok((info, repairs))
}

/// The index brought up to date with the journal, rebuilt if it must be; and the end of the journal.
fn recovered(layout: &Layout, info: &StoreInfo, repairs: &mut Repairs) -> Result<(Index, Position), OpenError> {
    at(layout.root(), recovery::after_edit(layout))?;
    let path = layout.index();
    let existed = holds_files(&path);
    let mut reason = match std::fs::read_to_string(layout.index_suspect()) {
        Ok(reason) => Some(reason),
        Err(_) if !existed && at(&layout.journal(), layout.has_records())? => Some("it was missing".into()),
        Err(_) => None,
    };
    let unavailable = |words| OpenError::Io { path: layout.index(), source: io::Error::other(words) };
    if reason.is_none() {
        match opened(layout, info, repairs)? {
            Ok(done) => return Ok(done),
            Err(IndexError::Unavailable(words)) => return Err(unavailable(words)),
            Err(IndexError::Damaged(words)) => reason = Some(words),
        }
    }
    let kept = if existed { Some(at(&path, layout.move_aside(&path))?) } else { None };
    let (index, end) = opened(layout, info, repairs)?.map_err(|error| unavailable(error.to_string()))?;
    let _ = std::fs::remove_file(layout.index_suspect());
    let kept = kept.map(|kept| format!("; the old one is kept as {}", kept.display())).unwrap_or_default();
    let reason = reason.unwrap_or_default();
    let lost = repairs.known.saturating_sub(index.paged() + (index.waiting() + index.open_records().len()) as u64);
    if lost > 0 {
        repairs.say(format!("{lost} exchange(s) that the index knew are gone: the end of the journal is missing"));
    }
    let without = if lost > 0 { "" } else { " without loss" };
    repairs.say(format!("the index was rebuilt from the journal{without} ({reason}){kept}"));
    Ok((index, end))
}

/// Whether there is a file in a folder; an empty folder is as good as none.
fn holds_files(folder: &Path) -> bool {
    let is_file = |entry: std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    std::fs::read_dir(folder).is_ok_and(|entries| entries.flatten().any(is_file))
}

/// Opens the index and reads the journal on from where it stopped.
fn opened(
    layout: &Layout,
    info: &StoreInfo,
    repairs: &mut Repairs,
) -> Result<Result<(Index, Position), IndexError>, OpenError> {
    let index = match Index::open(&layout.index(), &info.id) {
        Ok(index) => index,
        Err(error) => return Ok(Err(error)),
    };
    let end = at(&layout.journal(), recovery::catch_up(layout, &index, repairs))?;
    index.raise_highest(at(&layout.highest(), recovery::highest(layout))?);
    Ok(end.map(|end| (index, end)))
}
