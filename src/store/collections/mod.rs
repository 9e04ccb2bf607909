//! The folders of collections: read whole with every fault, written atomically.

mod commit;
mod diagnose;
mod inside;
mod load;
mod pending;
mod stage;
mod write;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use bytes::Bytes;

use crate::collection::{BodySpec, Collection};

pub use load::{load, load_to_serve};
pub use pending::load_pending;
pub use stage::inspect;
pub use write::{Batch, Begun, BodySource, NewBody, Secret, WriteError, WriteReport, Writer, write};

/// The manifest's name in a collection's folder.
pub const MANIFEST: &str = "collection.json";

/// Largest file of JSON that is read.
pub const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// A collection read from its folder.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The folder.
    pub root: PathBuf,
    /// The files.
    pub collection: Arc<Collection>,
}

/// One fault of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Fault {
    /// The file, relative to the collection's folder.
    pub file: String,
    /// Line, from 1; 0 if it concerns the whole file.
    pub line: usize,
    /// What is wrong, what was expected, and a "did you mean" where one is near.
    pub message: String,
}

/// `file:line: message`
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

/// Why a collection could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No such folder, or no `collection.json` in it.
    #[error("there is no collection at {0}: no collection.json")]
    NotThere(PathBuf),
    /// Everything that is wrong with it.
    #[error("the collection at {root} has {} fault(s)", .faults.len())]
    Faulty {
        /// The folder.
        root: PathBuf,
        /// Every fault, in the order of files and lines.
        faults: Vec<Fault>,
    },
    /// A write was cut off, and cannot be ended from here.
    #[error("a change of the collection at {0} was cut off half-way and could not be completed: {1}")]
    HalfWritten(PathBuf, String),
    /// The disk.
    #[error("the collection at {0} could not be read: {1}")]
    Io(PathBuf, #[source] std::io::Error),
}

impl Loaded {
    /// The bytes that a body stands for: the recorded bytes for JSON in its style, decoded content for files.
    ///
    /// # Errors
    /// When its file is gone or leaves the folder.
    pub fn body(&self, body: &BodySpec) -> std::io::Result<Bytes> {
        if let Some(value) = &body.json {
            // Without the slack of the vector it was rendered into: bodies stay in memory for a whole run.
            return Ok(body.style.render(&value.value()).into_boxed_slice().into());
        }
        if let Some(text) = &body.text {
            return Ok(Bytes::copy_from_slice(text.as_bytes()));
        }
        if let Some(coded) = &body.base64 {
            let bytes = base64::engine::general_purpose::STANDARD.decode(coded);
            return bytes.map(Bytes::from).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error));
        }
        match &body.file {
            Some(path) => {
                let mut bytes = Vec::new();
                self.open_file(path)?.read_to_end(&mut bytes)?;
                Ok(bytes.into())
            }
            None => Ok(Bytes::new()),
        }
    }

    /// Opens a body's file, for bodies too large for memory.
    ///
    /// # Errors
    /// When it is gone, is no regular file, or its path leaves the folder, be it by a symbolic link.
    pub fn open_file(&self, path: &str) -> std::io::Result<File> {
        inside::open(&self.root, path)
    }
}

/// The names of the collections in a folder, sorted: each sub-folder that has a `collection.json`.
///
/// # Errors
/// Those of the disk; a folder that does not exist has none.
pub fn names_in(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && entry.path().join(MANIFEST).is_file()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
