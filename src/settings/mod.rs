//! Settings: flag over `RETAKE_*` variable over `retake.toml` of the project over the user's file over default. The
//! only module that reads the environment.

use std::path::{Path, PathBuf};

/// Everything resolved.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The history's folder.
    pub store: PathBuf,
    /// The CA's folder, `retake/ca` in the user's data directory.
    pub ca_dir: PathBuf,
    /// The collections folder: `mocks/` beside the nearest `retake.toml`, else under the current folder.
    pub mocks: PathBuf,
    /// What the user adds to masking.
    pub mask: crate::redact::MaskRules,
}

/// Why the settings could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A settings file is not what it should be; the message names line, key and what was expected.
    #[error("{path}: {message}")]
    BadFile {
        /// The file.
        path: PathBuf,
        /// Where and what.
        message: String,
    },
    /// There is no home directory, and no `XDG_DATA_HOME`.
    #[error("no home directory is known: set HOME, XDG_DATA_HOME, or give --store DIR")]
    NoHome,
}

impl Settings {
    /// Resolves the settings; `store` is the flag or `RETAKE_STORE`, already merged by the command line.
    ///
    /// # Errors
    /// A broken settings file, or no home directory.
    pub fn resolve(_store: Option<&Path>) -> Result<Settings, SettingsError> {
        todo!()
    }

    /// The folder that a COLLECTION argument means: with a path separator or a leading dot a path, else a name under
    /// the collections folder.
    pub fn collection_dir(&self, _collection: &str) -> PathBuf {
        todo!()
    }
}
