//! Body files that no exchange names.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{Journal, rewrite};
use crate::model::{ContentHash, Exchange};
use crate::store::history::HistoryError;
use crate::store::in_flight::blobs_of;
use crate::store::layout::Layout;
use crate::store::reader::DiskHistory;

/// While a recorder runs, a body file younger than this may belong to an exchange that is not over.
const YOUNG: Duration = Duration::from_secs(600);

/// The body files that the exchanges name which pass.
pub(super) fn named(
    history: &DiskHistory,
    pass: impl Fn(&Exchange) -> bool,
) -> Result<HashSet<ContentHash>, HistoryError> {
    let mut named = HashSet::new();
    let segments = history.layout.segments()?;
    rewrite::each(&history.layout, &segments, &mut |_, _, exchange, _| {
        if pass(&exchange) {
            named.extend(blobs_of(&exchange));
        }
        Ok(())
    })?;
    Ok(named)
}

/// Removes those of these body files that no record names any more.
pub(super) fn blobs(history: &DiskHistory, candidates: &HashSet<ContentHash>) -> Result<(), HistoryError> {
    if candidates.is_empty() {
        return Ok(());
    }
    let sweep = history.layout.in_flight.sweep();
    let living = named(history, |_| true)?;
    for hash in candidates.difference(&living) {
        sweep.unless_in_flight(*hash, || drop(fs::remove_file(history.layout.blob(*hash))));
    }
    Ok(())
}

/// Removes every body file that no record names, such as one whose recorder was killed before the record; or only
/// counts. Returns their bytes.
pub(super) fn orphans(history: &DiskHistory, dry_run: bool) -> Result<u64, HistoryError> {
    let is_alone =
        matches!(&*history.journal.lock().unwrap_or_else(std::sync::PoisonError::into_inner), Journal::Own(_));
    let is_old = |path: &Path| {
        let changed = fs::metadata(path).and_then(|file| file.modified());
        changed.is_ok_and(|changed| SystemTime::now().duration_since(changed).is_ok_and(|age| age > YOUNG))
    };
    let mut found = HashSet::new();
    each_blob(&history.layout, |path, hash| {
        if is_alone || is_old(path) {
            found.insert(hash);
        }
    })?;
    let living = named(history, |_| true)?;
    found.retain(|hash| !living.contains(hash));
    let bytes = found.iter().map(|hash| size(&history.layout.blob(*hash))).sum();
    if !dry_run {
        // Looks once more: a recorder may have named one of them meanwhile.
        blobs(history, &found)?;
    }
    Ok(bytes)
}

/// Visits the body files.
pub(super) fn each_blob(layout: &Layout, mut visit: impl FnMut(&Path, ContentHash)) -> std::io::Result<()> {
    let Some(folder) = layout.blob_tmp().parent().map(Path::to_owned) else { return Ok(()) };
    for entry in fs::read_dir(folder)?.flatten().filter(|entry| entry.file_name().len() == 2) {
        for blob in fs::read_dir(entry.path())?.flatten() {
            let hash = blob.file_name().to_str().and_then(|name| blake3::Hash::from_hex(name).ok());
            if let Some(hash) = hash {
                visit(&blob.path(), ContentHash(*hash.as_bytes()));
            }
        }
    }
    Ok(())
}

/// The size of a file; 0 for none.
pub(super) fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}
