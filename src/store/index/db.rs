//! The only file that calls sled: one tree, key prefixes, values with a checksum and a version.
//!
//! Keys: `m` the [`Meta`]; `s` and page number the [`Summary`]; `p` and page number the rows; `i` and page number the
//! ids. Page numbers are big-endian, so that pages lie in order.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::row::Summary;
use crate::model::ExchangeId;

/// Of all values; an index of another version is made anew from the journal.
const VERSION: u8 = 2;
/// sled's own default is 1 GiB.
const CACHE_BYTES: u64 = 16 << 20;
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
    /// How many rows all pages hold; compared with the summaries at opening.
    pub(super) rows: u64,
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
    pub(super) summary: Summary,
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

    /// All summaries, by page.
    pub(super) fn summaries(&self) -> Result<Vec<(u64, Summary)>, DbError> {
        let read = || -> sled::Result<Vec<(sled::IVec, sled::IVec)>> { self.tree()?.scan_prefix(b"s").collect() };
        let found = guarded(read)?;
        found
            .iter()
            .map(|(key, value)| {
                let page = key.get(1..).and_then(|page| page.try_into().ok()).map(u64::from_be_bytes);
                let page = page.ok_or_else(|| DbError::Failed("a key of the index is damaged".into()))?;
                Ok((page, unpack(value)?))
            })
            .collect()
    }

    /// The encoded rows of a page.
    pub(super) fn rows(&self, page: u64) -> Result<Vec<u8>, DbError> {
        self.part(b'p', page)
    }

    /// The ids of a page: 8 bytes of number and 16 of id each.
    pub(super) fn ids(&self, page: u64) -> Result<Vec<u8>, DbError> {
        self.part(b'i', page)
    }

    fn part(&self, prefix: u8, page: u64) -> Result<Vec<u8>, DbError> {
        let value = self.value(&key(prefix, page))?;
        let value = value.ok_or_else(|| DbError::Failed(format!("page {page} of the index is missing")))?;
        Ok(unseal(&value)?.to_vec())
    }

    fn value(&self, key: &[u8]) -> Result<Option<sled::IVec>, DbError> {
        guarded(|| self.tree()?.get(key))
    }

    fn tree(&self) -> sled::Result<&sled::Db> {
        self.tree.as_ref().ok_or_else(|| sled::Error::Unsupported("the index is closed".into()))
    }

    /// Writes pages and meta in one batch, and flushes.
    pub(super) fn write(&self, pages: &[PageParts], meta: &Meta) -> Result<(), DbError> {
        let mut batch = sled::Batch::default();
        for parts in pages {
            batch.insert(&key(b'p', parts.page), seal(&parts.rows));
            batch.insert(&key(b'i', parts.page), seal(&parts.ids));
            batch.insert(&key(b's', parts.page), pack(&parts.summary)?);
        }
        batch.insert(b"m", pack(meta)?);
        guarded(|| {
            let tree = self.tree()?;
            tree.apply_batch(batch)?;
            tree.flush()
        })?;
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
    fn a_second_opening_is_told_that_it_is_busy() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("index")).unwrap();
        assert!(matches!(Db::open(&dir.path().join("index")), Err(DbError::Busy)));
        drop(db);
        assert!(Db::open(&dir.path().join("index")).unwrap().meta().unwrap().is_none());
    }
}
