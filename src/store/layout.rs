//! Where things lie in a store's folder, and how its files are made: for the owner only, replaced whole.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::in_flight::InFlight;
use crate::model::{ContentHash, ExchangeId};

/// The version of the layout that this retake writes, and the newest that it reads.
pub const STORE_VERSION: u32 = 1;

/// `store.json`: what tells one store from another, and an old layout from a new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoreInfo {
    /// The layout's version.
    pub(super) version: u32,
    /// Random; the index carries it too, so that a foreign index is never believed.
    pub(super) id: String,
}

/// The paths of one store, and the body files that no record names yet.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    root: PathBuf,
    pub(super) in_flight: Arc<InFlight>,
}

impl Layout {
    pub(super) fn new(root: &Path) -> Self {
        Layout { root: root.to_owned(), in_flight: Arc::default() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(super) fn info(&self) -> PathBuf {
        self.root.join("store.json")
    }

    pub(super) fn mask_key(&self) -> PathBuf {
        self.root.join("mask.key")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    pub(super) fn segment(&self, number: u32) -> PathBuf {
        self.journal().join(format!("{number:06}.log"))
    }

    /// A segment that an edit writes anew, until it takes the name of the old one.
    pub(super) fn new_segment(&self, number: u32) -> PathBuf {
        self.journal().join(format!("{number:06}.new"))
    }

    /// The highest number ever given when exchanges were removed: a rebuilt index would not know.
    pub(super) fn highest(&self) -> PathBuf {
        self.root.join("highest")
    }

    /// The folder of the index: `index`, or, after edits, the `index-N` with the highest N.
    pub(super) fn index(&self) -> PathBuf {
        self.index_named(self.indexes().last().copied().unwrap_or(0))
    }

    /// The folder for the next index, beside the one in use.
    pub(super) fn next_index(&self) -> PathBuf {
        self.index_named(self.indexes().last().map_or(1, |last| last.saturating_add(1)))
    }

    /// Every folder of an index; more than one while an edit is under way, or was cut off.
    pub(super) fn index_folders(&self) -> Vec<PathBuf> {
        self.indexes().into_iter().map(|generation| self.index_named(generation)).collect()
    }

    fn index_named(&self, generation: u32) -> PathBuf {
        if generation == 0 { self.root.join("index") } else { self.root.join(format!("index-{generation}")) }
    }

    fn indexes(&self) -> Vec<u32> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let generation = |entry: fs::DirEntry| {
            let name = entry.file_name();
            match name.to_str()? {
                "index" => Some(0),
                name => name.strip_prefix("index-")?.parse().ok(),
            }
        };
        let mut generations: Vec<u32> = entries.filter_map(generation).collect();
        generations.sort_unstable();
        generations
    }

    /// Its presence says that the index was found damaged while it was in use, and must be rebuilt at the next start.
    pub(super) fn index_suspect(&self) -> PathBuf {
        self.root.join("index.suspect")
    }

    pub(super) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub(super) fn blob_tmp(&self) -> PathBuf {
        self.blobs().join("tmp")
    }

    pub(super) fn blob(&self, hash: ContentHash) -> PathBuf {
        let hex = hash.to_hex();
        self.blobs().join(&hex[..2]).join(hex)
    }

    pub(super) fn streams(&self) -> PathBuf {
        self.blobs().join("streams")
    }

    pub(super) fn stream(&self, id: ExchangeId) -> PathBuf {
        self.streams().join(id.to_string())
    }

    /// Makes every folder that is missing.
    pub(super) fn make_folders(&self) -> io::Result<()> {
        for folder in [self.journal(), self.blob_tmp(), self.streams()] {
            make_folder(&folder)?;
        }
        Ok(())
    }

    /// The numbers of the journal's segments, ascending. Other files are left alone. No folder, no segments.
    pub(super) fn segments(&self) -> io::Result<Vec<u32>> {
        let entries = match fs::read_dir(self.journal()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let digits = name.to_str().and_then(|name| name.strip_suffix(".log"));
            numbers.extend(digits.filter(|digits| digits.len() >= 6).and_then(|digits| digits.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Whether anything was ever written behind the header of a segment.
    pub(super) fn has_records(&self) -> io::Result<bool> {
        for number in self.segments()? {
            if fs::metadata(self.segment(number))?.len() > super::segment::HEADER.len() as u64 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Moves a damaged file or folder into `quarantine/`; returns its new path.
    pub(super) fn move_aside(&self, path: &Path) -> io::Result<PathBuf> {
        make_folder(&self.quarantine())?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut target = self.quarantine().join(&name);
        let mut count = 1;
        while target.symlink_metadata().is_ok() {
            count += 1;
            target = self.quarantine().join(format!("{name}-{count}"));
        }
        fs::rename(path, &target)?;
        Ok(target)
    }
}

/// Makes a folder, and those above it, for the owner only (0700). One that exists is left as it is.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Options for a file that only its owner may read (0600).
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// Replaces a file whole: written beside it, synced, renamed.
///
/// # Errors
/// Those of the disk; the old file is then as it was.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // tempfile makes its files 0600.
    let mut file = tempfile::Builder::new().prefix(".retake-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_data()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The key for masking of this store, made when there is none.
pub(super) fn mask_key(layout: &Layout) -> io::Result<[u8; 32]> {
    let path = layout.mask_key();
    match fs::read(&path) {
        Ok(bytes) => {
            let wrong = || io::Error::new(io::ErrorKind::InvalidData, "it must hold exactly 32 bytes");
            bytes.try_into().map_err(|_| wrong())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = random_key();
            replace_file(&path, &key)?;
            Ok(key)
        }
        Err(error) => Err(error),
    }
}

/// 32 random bytes, for a key: three random UUIDs hold 366 random bits, and the hash spreads them.
pub fn random_key() -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for _ in 0..3 {
        hasher.update(uuid::Uuid::new_v4().as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// A new, empty identity.
pub(super) fn new_info() -> StoreInfo {
    StoreInfo { version: STORE_VERSION, id: uuid::Uuid::new_v4().to_string() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn everything_is_for_the_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(&dir.path().join("a/store"));
        layout.make_folders().unwrap();
        let key = mask_key(&layout).unwrap();
        assert_eq!(mask_key(&layout).unwrap(), key, "made once");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(layout.root()), 0o700);
        assert_eq!(mode(&layout.journal()), 0o700);
        assert_eq!(mode(&layout.mask_key()), 0o600);
    }

    #[test]
    fn segments_are_listed_in_order_and_strangers_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        assert!(layout.segments().unwrap().is_empty());
        layout.make_folders().unwrap();
        for name in ["000010.log", "000002.log", "x.log", "3.log", "000004.log.tmp"] {
            fs::write(layout.journal().join(name), b"").unwrap();
        }
        assert_eq!(layout.segments().unwrap(), [2, 10]);
    }
}
