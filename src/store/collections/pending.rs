//! What waits for a decision beside a collection: `pending/*.json`, read whole with every fault.

use std::io;
use std::path::Path;

use super::diagnose::{diagnose, place_faults, whole_file};
use super::load::read_bytes;
use super::{Fault, LoadError, commit, inside};
use crate::collection::check::{self, FileKind};
use crate::collection::locate::Place;
use crate::collection::{PENDING, Pending, Problem};

/// Reads and checks what waits, in the order of the files. A collection without the folder has nothing that waits.
///
/// # Errors
/// All faults at once, with file and line; those of the disk.
pub fn load_pending(root: &Path) -> Result<Vec<Pending>, LoadError> {
    for _ in 0..super::load::TRIES {
        super::load::settle(root)?;
        let _no_writer = commit::hold(root, false);
        let before = commit::Stamp::of(root);
        let found = load_once(root);
        if commit::Stamp::of(root) == before && !commit::is_under_way(root) {
            return found;
        }
    }
    load_once(root)
}

fn load_once(root: &Path) -> Result<Vec<Pending>, LoadError> {
    let mut faults = Vec::new();
    let files = files(root, &mut faults).map_err(|error| LoadError::Io(root.join(PENDING), error))?;
    let mut waiting = Vec::new();
    let mut buffer = Vec::new();
    for path in files {
        if let Err(error) = read_bytes(&root.join(&path), &mut buffer) {
            faults.push(whole_file(&path, &error.to_string()));
            continue;
        }
        match serde_json::from_slice::<Pending>(&buffer) {
            Err(_) => faults.extend(diagnose::<Pending>(&path, FileKind::Pending, &buffer)),
            Ok(pending) => {
                let mut problems = check::pending(&pending, &path);
                problems.extend(missing(root, &pending));
                place_faults(root, &path, problems, &mut faults);
                waiting.push(pending);
            }
        }
    }
    if faults.is_empty() {
        return Ok(waiting);
    }
    faults.sort();
    Err(LoadError::Faulty { root: root.to_owned(), faults })
}

fn files(root: &Path, faults: &mut Vec<Fault>) -> io::Result<Vec<String>> {
    let folder = root.join(PENDING);
    match folder.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Ok(found) if found.is_dir() => {}
        Ok(_) => {
            faults.push(whole_file(PENDING, "is no folder: a collection holds its files itself"));
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.ends_with(".json") && !name.starts_with('.')) else {
            continue;
        };
        // A body that waits has a dot in its name: `3f9a2c1b44.1.json`.
        if name.trim_end_matches(".json").contains('.') {
            continue;
        }
        let path = format!("{PENDING}/{name}");
        match entry.file_type()?.is_file() {
            true => files.push(path),
            false => faults.push(whole_file(&path, "is no regular file: a collection holds its files itself")),
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn missing(root: &Path, pending: &Pending) -> Vec<Problem> {
    let sound = pending.files.iter().filter(|(_, waits)| check::path_fault(waits).is_none());
    let faulty = sound.filter_map(|(path, waits)| {
        let message = inside::fault(root, waits)?;
        Some(Problem { place: Place::top().key("files").key(path), message })
    });
    faulty.collect()
}
