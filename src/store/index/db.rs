//! The only file that calls sled: one tree, key prefixes, values with a checksum and a version.
//!
//! Keys: `m` the [`Meta`]; `s` and group number the summaries of a group of pages; `p` and page number the rows; `i` and
//! page number the ids. Numbers are big-endian, so that pages lie in order. Rows and summaries are packed with zstd: a
//! third of the size on disk, and of what sled keeps in memory.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::pages::Group;
use super::row::Summary;
use crate::model::ExchangeId;

/// Of all values; an index of another version is made anew from the journal.
const VERSION: u8 = 3;
/// sled's own default is 1 GiB.
const CACHE_BYTES: u64 = 4 << 20;
/// sled looks whether its cache is too large when a shard of it, one of 256, was touched 64 times; a scan of a million
/// exchanges touches each thirty times, and would keep all that it read. So a value that was read or written is touched
/// so often that the leaf it lies in, with seven others, has had its 64.
const TOUCHES: usize = 8;
/// zstd's quickest level but for the negative ones.
const LEVEL: i32 = 1;
/// Nothing packed has more bytes than this for each that it is packed in.
const RATIO_MAX: usize = 1 << 16;
/// How long another process may still be letting go of the files.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the index knows of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Meta {
    /// The store it belongs to.
    pub(super) store: String,
    /// Every record before this place in the journal is in the pages.
    pub(super) applied: (u32, u64),
    /// The highest number ever seen.
    pub(super) highest: u64,
    /// The groups of pages: number, which of its pages there are as bits, how many rows they have.
    pub(super) groups: Vec<(u64, u32, u32)>,
    /// `open` records without a final one: id, number, place in the journal.
    pub(super) open: Vec<(ExchangeId, u64, (u32, u64))>,
}

/// Why the index is of no use.
#[derive(Debug)]
pub(super) enum DbError {
    /// Another process has it open.
    Busy,
    /// The disk has no room; nothing is lost, and it opens again when there is some.
    Full,
    /// It cannot be opened, read or written; the words are sled's.
    Failed(String),
}

/// The open database.
pub(super) struct Db {
    /// Always there until dropped.
    tree: Option<sled::Db>,
}

impl Drop for Db {
    fn drop(&mut self) {
        let tree = self.tree.take();
        // sled syncs once more, and panics when the disk refuses. The journal has what is lost with it.
        let close = || {
            drop(tree);
            Ok(())
        };
        if guarded(close).is_err() {
            tracing::debug!("the index could not be closed");
        }
    }
}

/// The parts of one page, ready to be written.
pub(super) struct PageParts {
    pub(super) page: u64,
    pub(super) rows: Vec<u8>,
    pub(super) ids: Vec<u8>,
    pub(super) summary: Arc<Summary>,
}

impl Db {
    /// Opens or creates.
    pub(super) fn open(path: &Path) -> Result<Db, DbError> {
        let until = Instant::now() + PATIENCE;
        loop {
            let config = sled::Config::new()
                .path(path)
                .cache_capacity(CACHE_BYTES)
                .flush_every_ms(None)
                .mode(sled::Mode::LowSpace);
            match guarded(|| config.open()) {
                Ok(tree) => return Ok(Db { tree: Some(tree) }),
                Err(DbError::Busy) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
                Err(error) => return Err(error),
            }
        }
    }

    /// What it knows of itself; `None` when it is new.
    pub(super) fn meta(&self) -> Result<Option<Meta>, DbError> {
        self.value(b"m")?.map(|bytes| unpack(&bytes)).transpose()
    }

    /// The summaries of a group of pages.
    pub(super) fn summaries(&self, group: u64) -> Result<Vec<Summary>, DbError> {
        let packed = self.part(b's', group)?;
        rmp_serde::from_slice(&unpressed(&packed)?).map_err(|error| DbError::Failed(error.to_string()))
    }

    /// The encoded rows of a page.
    pub(super) fn rows(&self, page: u64) -> Result<Vec<u8>, DbError> {
        unpressed(&self.packed_rows(page)?)
    }

    /// The same, as they are kept.
    pub(super) fn packed_rows(&self, page: u64) -> Result<Vec<u8>, DbError> {
        self.part(b'p', page)
    }

    /// The ids of a page: 8 bytes of number and 16 of id each.
    pub(super) fn ids(&self, page: u64) -> Result<Vec<u8>, DbError> {
        self.part(b'i', page)
    }

    fn part(&self, prefix: u8, page: u64) -> Result<Vec<u8>, DbError> {
        let key = key(prefix, page);
        let value = self.value(&key)?;
        self.touch(&key)?;
        let value = value.ok_or_else(|| DbError::Failed(format!("page {page} of the index is missing")))?;
        Ok(unseal(&value)?.to_vec())
    }

    fn value(&self, key: &[u8]) -> Result<Option<sled::IVec>, DbError> {
        guarded(|| self.tree()?.get(key))
    }

    fn tree(&self) -> sled::Result<&sled::Db> {
        self.tree.as_ref().ok_or_else(|| sled::Error::Unsupported("the index is closed".into()))
    }

    /// Lets sled forget what is no longer read: see [`TOUCHES`].
    fn touch(&self, key: &[u8]) -> Result<(), DbError> {
        guarded(|| {
            let tree = self.tree()?;
            (0..TOUCHES).try_for_each(|_| tree.contains_key(key).map(drop))
        })
    }

    /// Waits until everything is written.
    pub(super) fn flush(&self) -> Result<(), DbError> {
        guarded(|| self.tree()?.flush().map(drop))
    }

    /// Writes pages, the groups that they change, and meta in one batch; they may be on their way when this returns.
    pub(super) fn write(
        &self,
        pages: &[PageParts],
        groups: &BTreeMap<u64, Arc<Group>>,
        meta: &Meta,
    ) -> Result<(), DbError> {
        let mut batch = sled::Batch::default();
        for parts in pages {
            batch.insert(&key(b'p', parts.page), seal(&pressed(&parts.rows)?));
            batch.insert(&key(b'i', parts.page), seal(&parts.ids));
        }
        for (number, group) in groups {
            let summaries: Vec<&Summary> = group.loaded().iter().map(Arc::as_ref).collect();
            let bytes = rmp_serde::to_vec(&summaries).map_err(|error| DbError::Failed(error.to_string()))?;
            batch.insert(&key(b's', *number), seal(&pressed(&bytes)?));
        }
        batch.insert(b"m", pack(meta)?);
        guarded(|| self.tree()?.apply_batch(batch))?;
        for parts in pages {
            self.touch(&key(b'p', parts.page))?;
            self.touch(&key(b'i', parts.page))?;
        }
        Ok(())
    }
}

fn key(prefix: u8, page: u64) -> [u8; 9] {
    let mut key = [prefix; 9];
    key[1..].copy_from_slice(&page.to_be_bytes());
    key
}

thread_local! {
    /// Whether a panic of this thread is caught, and worded by whoever catches it.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Keeps what the user reads free of panics that are caught here.
fn quiet_when_guarded() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| match GUARDED.get() {
            true => tracing::debug!("{panic}"),
            false => others(panic),
        }));
    });
}

/// sled 0.34 panics on some damage that it finds, and where the disk refuses; for us that is one more reason to
/// rebuild.
fn guarded<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, DbError> {
    quiet_when_guarded();
    let outer = GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    match done {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) if error.kind() == io::ErrorKind::StorageFull => Err(DbError::Full),
        // sled wraps a refused lock in an error of kind Other.
        Ok(Err(error)) if error.to_string().contains("could not acquire lock") => Err(DbError::Busy),
        Ok(Err(error)) => Err(DbError::Failed(error.to_string())),
        Err(_) => Err(DbError::Failed("the database engine gave up on its files".into())),
    }
}

/// Packed with zstd, behind the length before.
pub(super) fn pressed(bytes: &[u8]) -> Result<Vec<u8>, DbError> {
    let failed = |words: String| DbError::Failed(words);
    let length = u32::try_from(bytes.len()).map_err(|_| failed("a page of the index is too large".into()))?;
    let mut pressed = length.to_le_bytes().to_vec();
    pressed.extend(zstd::bulk::compress(bytes, LEVEL).map_err(|error| failed(error.to_string()))?);
    Ok(pressed)
}

/// What was packed.
pub(super) fn unpressed(pressed: &[u8]) -> Result<Vec<u8>, DbError> {
    let (length, packed) = pressed.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
    let length = u32::from_le_bytes(*length) as usize;
    let bytes = match length <= packed.len().saturating_mul(RATIO_MAX) {
        true => zstd::bulk::decompress(packed, length).map_err(|error| error.to_string()),
        false => Err("it claims too many bytes".into()),
    };
    let bytes = bytes.ok().filter(|bytes| bytes.len() == length);
    bytes.ok_or_else(|| DbError::Failed("a page of the index cannot be unpacked".into()))
}

pub(super) fn seal(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(bytes.len() + 5);
    sealed.extend_from_slice(&crc32c::crc32c(bytes).to_le_bytes());
    sealed.push(VERSION);
    sealed.extend_from_slice(bytes);
    sealed
}

pub(super) fn unseal(sealed: &[u8]) -> Result<&[u8], DbError> {
    let (checksum, rest) = sealed.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
    match rest.split_first() {
        Some((&VERSION, bytes)) if crc32c::crc32c(bytes).to_le_bytes() == *checksum => Ok(bytes),
        Some((&VERSION, _)) | None => Err(DbError::Failed("a checksum in the index does not hold".into())),
        Some((version, _)) => Err(DbError::Failed(format!("the index has version {version}"))),
    }
}

fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, DbError> {
    rmp_serde::to_vec(value).map(|bytes| seal(&bytes)).map_err(|error| DbError::Failed(error.to_string()))
}

pub(super) fn unpack<T: DeserializeOwned>(sealed: &[u8]) -> Result<T, DbError> {
    rmp_serde::from_slice(unseal(sealed)?).map_err(|error| DbError::Failed(error.to_string()))
}

/// Gives an index another version, as if another retake had made it.
#[cfg(test)]
pub(in crate::store) fn forge_version(path: &Path, version: u8) {
    let Ok(db) = Db::open(path) else { panic!("the index opens") };
    let tree = db.tree().expect("it is open");
    let mut meta = tree.get(b"m").expect("it is read").expect("it has been written").to_vec();
    meta[4] = version;
    tree.insert(b"m", meta).expect("it is written");
    tree.flush().expect("it is written");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_undamaged() {
        let sealed = seal(b"rows");
        assert_eq!(unseal(&sealed).unwrap(), b"rows");
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(unseal(&damaged).is_err(), "byte {at}");
            assert!(unseal(&sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn what_is_packed_comes_back_and_no_claim_of_a_length_is_believed() {
        for bytes in [&b""[..], b"rows", &[7; 100_000]] {
            let packed = pressed(bytes).unwrap();
            assert_eq!(unpressed(&packed).unwrap(), bytes);
            for claimed in [0, 3, u32::MAX] {
                let mut wrong = packed.clone();
                wrong[..4].copy_from_slice(&claimed.to_le_bytes());
                assert!(claimed as usize == bytes.len() || unpressed(&wrong).is_err(), "{claimed}");
            }
        }
        assert!(unpressed(&[1, 0, 0, 0, 9, 9]).is_err());
    }

    #[test]
    fn a_second_opening_is_told_that_it_is_busy() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("index")).unwrap();
        assert!(matches!(Db::open(&dir.path().join("index")), Err(DbError::Busy)));
        drop(db);
        assert!(Db::open(&dir.path().join("index")).unwrap().meta().unwrap().is_none());
    }
}
