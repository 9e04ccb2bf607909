//! What the files of a store take.

use std::fs;
use std::path::Path;

use crate::store::history::{Query, Usage};
use crate::store::index::{Index, IndexError};
use crate::store::layout::Layout;
use crate::store::reader::DiskHistory;

/// What the store takes, folder by folder.
pub(in crate::store) fn of(layout: &Layout, index: &Index) -> Result<Usage, IndexError> {
    let mut usage = Usage { exchanges: exchanges(index)?, ..Usage::default() };
    let indexes = layout.index_folders();
    for entry in fs::read_dir(layout.root()).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let (bytes, files) = folder(&path);
        match name.to_str() {
            Some("journal") => (usage.journal, usage.segments) = (bytes, files),
            Some("blobs") => (usage.blobs, usage.blob_files) = (bytes, files),
            Some("runs") => usage.runs = bytes,
            Some("quarantine") => usage.quarantine = bytes,
            _ if indexes.contains(&path) => usage.index += bytes,
            _ => usage.other += bytes,
        }
    }
    Ok(usage)
}

/// Bytes of journal, blobs and index: what a limit is about.
pub(super) fn counted(history: &DiskHistory) -> u64 {
    let indexes = history.layout.index_folders();
    recorded(history) + indexes.iter().map(|index| folder(index).0).sum::<u64>()
}

/// Bytes of journal and blobs. The index stays out of what an edit tells: its file grows by half a megabyte at a time, and
/// later than it is written.
pub(super) fn recorded(history: &DiskHistory) -> u64 {
    ["journal", "blobs"].iter().map(|name| folder(&history.layout.root().join(name)).0).sum()
}

fn exchanges(index: &Index) -> Result<u64, IndexError> {
    let Ok(filter) = crate::store::filter::Filter::new(&Query::default()) else { return Ok(0) };
    let count = std::cell::Cell::new(0);
    let visit = |_: &crate::store::index::StoredRow<'_>| {
        count.set(count.get() + 1);
        std::ops::ControlFlow::Continue(())
    };
    let sum = |page: &crate::store::index::Summary| {
        count.set(count.get() + u64::from(page.rows));
        true
    };
    index.scan_pages(&filter, sum, visit)?;
    Ok(count.get())
}

/// Bytes, by their lengths, and number of files, of a file or of a folder with all that is in it. What goes meanwhile counts not.
fn folder(path: &Path) -> (u64, u64) {
    let Ok(found) = path.symlink_metadata() else { return (0, 0) };
    if !found.is_dir() {
        return (found.len(), 1);
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| folder(&entry.path())).fold((0, 0), |sum, (bytes, files)| (sum.0 + bytes, sum.1 + files))
}
