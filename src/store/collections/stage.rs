//! The files of one write: each is first whole under a hidden name beside its place, then all are renamed.

use std::collections::BTreeSet;
use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempPath;

use super::write::{Batch, BodySource, Secret, TEMPORARY, WriteError, WriteReport};
use super::{MANIFEST, commit};
use crate::collection::{Collection, check, file_text};
use crate::redact::Guard;

/// The files of one write that wait beside their places.
pub(super) struct Staged<'a> {
    root: &'a Path,
    files: Vec<(TempPath, String)>,
    /// Folders known to be no links.
    checked: BTreeSet<String>,
    /// What was begun: their folders go again if nothing comes of it.
    begun: Vec<String>,
    report: WriteReport,
}

impl<'a> Staged<'a> {
    pub(super) fn new(root: &'a Path) -> Self {
        Staged { root, files: Vec::new(), checked: BTreeSet::new(), begun: Vec::new(), report: WriteReport::default() }
    }

    pub(super) fn bytes(&mut self, path: &str, bytes: &[u8]) -> Result<(), WriteError> {
        let full = self.place(path)?;
        if is_file_of(&full, bytes).map_err(|error| WriteError::Io(full.clone(), error))? {
            self.report.unchanged += 1;
            return Ok(());
        }
        self.stage(path, &full, &mut &bytes[..])
    }

    /// A file of JSON, unless the one in its place says the same, however it is laid out.
    pub(super) fn json<T: Serialize + DeserializeOwned>(&mut self, path: &str, content: &T) -> Result<(), WriteError> {
        let full = self.place(path)?;
        let text = file_text(content);
        // Compared as text: values that are equal may still differ in the order of a body's members.
        let says_the_same = |found: &[u8]| {
            found == text.as_bytes() || serde_json::from_slice::<T>(found).is_ok_and(|found| file_text(&found) == text)
        };
        let is_file = std::fs::symlink_metadata(&full).is_ok_and(|found| found.is_file());
        if is_file && std::fs::read(&full).is_ok_and(|found| says_the_same(&found)) {
            self.report.unchanged += 1;
            return Ok(());
        }
        self.stage(path, &full, &mut text.as_bytes())
    }

    pub(super) fn reader(&mut self, path: &str, content: &mut dyn Read) -> Result<(), WriteError> {
        let full = self.place(path)?;
        self.stage(path, &full, content)?;
        let same = self.files.last().map(|(temporary, _)| is_same_file(temporary, &full)).transpose();
        if same.map_err(|error| WriteError::Io(full, error))? == Some(true) {
            // Dropping the temporary file removes it.
            self.files.pop();
            self.report.unchanged += 1;
        }
        Ok(())
    }

    /// The full path, once it is known to stay inside.
    fn place(&mut self, path: &str) -> Result<PathBuf, WriteError> {
        check_path(self.root, path, &mut self.checked)?;
        Ok(self.root.join(path))
    }

    fn stage(&mut self, path: &str, full: &Path, content: &mut dyn Read) -> Result<(), WriteError> {
        self.begun.push(path.to_owned());
        let staged = (|| {
            // A relative path has a parent here: the root at least.
            let folder = full.parent().unwrap_or(self.root);
            std::fs::create_dir_all(folder)?;
            // As any file that the user makes: open to what the umask leaves.
            let mode = Permissions::from_mode(0o666);
            let mut file = tempfile::Builder::new().prefix(TEMPORARY).permissions(mode).tempfile_in(folder)?;
            io::copy(content, file.as_file_mut())?;
            file.as_file_mut().flush()?;
            // The path alone: ten thousand open files are too many.
            Ok(file.into_temp_path())
        })();
        let temporary = staged.map_err(|error| WriteError::Io(full.to_owned(), error))?;
        self.files.push((temporary, path.to_owned()));
        Ok(())
    }

    /// Refuses what seems to hold a secret, but for the places that are allowed.
    pub(super) fn inspect(&self, guard: &Guard, allowed: &[String]) -> Result<(), WriteError> {
        let mut found = Vec::new();
        for (temporary, path) in &self.files {
            let file = File::open(temporary).map_err(|error| WriteError::Io(self.root.join(path), error))?;
            found.extend(secrets_in(guard, self.root, path, file)?);
        }
        only_allowed(found, allowed)
    }

    /// Puts everything in place, and removes what `remove` names.
    pub(super) fn finish(mut self, remove: &[String]) -> Result<WriteReport, WriteError> {
        let mut report = std::mem::take(&mut self.report);
        report.written = self.files.iter().map(|(_, path)| path.clone()).collect();
        report.removed = commit::commit(self.root, std::mem::take(&mut self.files), remove)?;
        self.begun.clear();
        Ok(report)
    }
}

impl Drop for Staged<'_> {
    /// Where nothing came of it, no empty folder is left behind.
    fn drop(&mut self) {
        self.files.clear();
        for path in &self.begun {
            for (at, _) in path.rmatch_indices('/') {
                // Refused while anything is in it, which is what is wanted.
                let _ = std::fs::remove_dir(self.root.join(&path[..at]));
            }
        }
    }
}

/// What looks like a secret in one file that is to be written.
fn secrets_in(guard: &Guard, root: &Path, path: &str, mut content: impl Read) -> Result<Vec<Secret>, WriteError> {
    let failed = |error| WriteError::Io(root.join(path), error);
    // JSON of a recorded body is looked at as text: its places are lines.
    let suspicions = if path.starts_with("bodies/") || !path.ends_with(".json") {
        guard.file(content).map_err(failed)?
    } else {
        let mut text = Vec::new();
        content.read_to_end(&mut text).map_err(failed)?;
        guard.json(&serde_json::from_slice(&text).map_err(|error| failed(error.into()))?)
    };
    Ok(suspicions.into_iter().map(|suspicion| Secret { file: path.to_owned(), suspicion }).collect())
}

fn only_allowed(mut found: Vec<Secret>, allowed: &[String]) -> Result<(), WriteError> {
    found.retain(|secret| !allowed.iter().any(|place| secret.is_at(place)));
    if found.is_empty() { Ok(()) } else { Err(WriteError::Secrets(found)) }
}

/// Looks for secrets in what would be written, as [`Writer::write_all`] of a guarded writer does, and writes nothing.
///
/// # Errors
/// [`WriteError::Secrets`], and those of the readers of the bodies.
///
/// [`Writer::write_all`]: super::Writer::write_all
pub fn inspect(guard: &Guard, root: &Path, collection: &Collection, batch: Batch<'_>) -> Result<(), WriteError> {
    let mut found = Vec::new();
    for body in batch.bodies {
        found.extend(match body.content {
            BodySource::Bytes(bytes) => secrets_in(guard, root, &body.path, &bytes[..])?,
            BodySource::Reader(reader) => secrets_in(guard, root, &body.path, reader)?,
        });
    }
    for pending in batch.pending {
        found.extend(secrets_in(guard, root, &pending.path(), file_text(pending).as_bytes())?);
    }
    for file in &collection.stubs {
        found.extend(secrets_in(guard, root, &file.path, file_text(&file.stub).as_bytes())?);
    }
    found.extend(secrets_in(guard, root, MANIFEST, file_text(&collection.manifest).as_bytes())?);
    only_allowed(found, &collection.manifest.settings.allowed_secrets)
}

/// Refuses a path that leaves the folder, by its text or by a folder that is a link.
pub(super) fn check_path(root: &Path, path: &str, checked: &mut BTreeSet<String>) -> Result<(), WriteError> {
    if let Some(fault) = check::path_fault(path) {
        return Err(WriteError::BadPath(path.to_owned(), fault));
    }
    for (at, _) in path.match_indices('/') {
        let folder = &path[..at];
        if checked.contains(folder) {
            continue;
        }
        match std::fs::symlink_metadata(root.join(folder)) {
            Ok(found) if found.is_symlink() => {
                return Err(WriteError::BadPath(path.to_owned(), "passes a symbolic link"));
            }
            _ => checked.insert(folder.to_owned()),
        };
    }
    Ok(())
}

/// Whether the file at `path` holds exactly `bytes`.
fn is_file_of(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    Ok(found.is_file() && found.len() == bytes.len() as u64 && std::fs::read(path)? == bytes)
}

/// Whether two files hold the same bytes; neither need fit memory.
fn is_same_file(new: &Path, old: &Path) -> io::Result<bool> {
    let found = match std::fs::symlink_metadata(old) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    if !found.is_file() || found.len() != std::fs::metadata(new)?.len() {
        return Ok(false);
    }
    let hash = |path: &Path| -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(path)?)?;
        Ok(hasher.finalize())
    };
    Ok(hash(new)? == hash(old)?)
}
