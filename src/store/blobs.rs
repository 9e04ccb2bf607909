//! Bodies too large for a journal record: files named by the hash of their content, each once; and the files of
//! responses without known length while they stream.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{ContentHash, ExchangeId};

use super::layout::{Layout, make_folder, private, sync_folder};

/// A body being written to `blobs/tmp/`. Dropped unfinished, it leaves nothing behind.
pub struct BlobWriter {
    layout: Arc<Layout>,
    file: File,
    path: PathBuf,
    hasher: blake3::Hasher,
    size: u64,
}

impl BlobWriter {
    pub(super) fn create(layout: Arc<Layout>) -> io::Result<Self> {
        let path = layout.blob_tmp().join(uuid::Uuid::new_v4().simple().to_string());
        let file = private().write(true).create_new(true).open(&path)?;
        Ok(BlobWriter { layout, file, path, hasher: blake3::Hasher::new(), size: 0 })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// Those of the disk; the writer is then of no more use.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Moves the file to its content address; returns the hash and the size in bytes.
    ///
    /// # Errors
    /// Those of the disk; nothing is left behind then.
    pub fn finish(self) -> io::Result<(ContentHash, u64)> {
        let hash = ContentHash(*self.hasher.finalize().as_bytes());
        // From here until its record is in the journal, no sweep may take it for an orphan.
        self.layout.in_flight.begin(hash);
        let target = self.layout.blob(hash);
        if !is_there(&self.layout, hash, self.size) {
            make_parent(&target)?;
            fs::rename(&self.path, &target)?;
            self.layout.in_flight.trust(hash);
        }
        Ok((hash, self.size))
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        // After a rename there is nothing of this name: then the error is the wished one.
        let _ = fs::remove_file(&self.path);
    }
}

/// The file of a response without known length: each chunk is written before the client gets it, so that after a
/// kill the history has what the client had.
///
/// It stays on the disk until the exchange's record is in the journal, also when this is dropped.
pub struct StreamFile {
    layout: Arc<Layout>,
    file: File,
    path: PathBuf,
    hasher: blake3::Hasher,
    size: u64,
}

impl StreamFile {
    pub(super) fn create(layout: Arc<Layout>, id: ExchangeId) -> io::Result<Self> {
        let path = layout.stream(id);
        let file = private().write(true).create_new(true).open(&path)?;
        Ok(StreamFile { layout, file, path, hasher: blake3::Hasher::new(), size: 0 })
    }

    /// Appends one chunk (already masked).
    ///
    /// # Errors
    /// Those of the disk.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Reads back everything written so far, if it is at most `limit` bytes, for a body that fits in the record; else
    /// gives the content its address among the blobs, and returns hash and size.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn take_small(self, limit: u64) -> io::Result<Result<Vec<u8>, (ContentHash, u64)>> {
        if self.size <= limit {
            return fs::read(&self.path).map(Ok);
        }
        let hash = ContentHash(*self.hasher.finalize().as_bytes());
        link_blob(&self.layout, &self.path, hash, self.size)?;
        Ok(Err((hash, self.size)))
    }
}

/// Gives a file a second name, its content address. The first name stays until the record is safe.
pub(super) fn link_blob(layout: &Layout, from: &Path, hash: ContentHash, size: u64) -> io::Result<()> {
    layout.in_flight.begin(hash);
    let target = layout.blob(hash);
    if is_there(layout, hash, size) {
        return Ok(());
    }
    make_parent(&target)?;
    // A file of the right name and the wrong size was cut off: the link would be refused because of it.
    let _ = fs::remove_file(&target);
    if fs::hard_link(from, &target).is_ok() {
        layout.in_flight.trust(hash);
        return Ok(());
    }
    // Not every file system links.
    let copy = layout.blob_tmp().join(uuid::Uuid::new_v4().simple().to_string());
    let copied = fs::copy(from, &copy).and_then(|_| fs::rename(&copy, &target));
    match &copied {
        Ok(()) => layout.in_flight.trust(hash),
        Err(_) => drop(fs::remove_file(&copy)),
    }
    copied
}

/// Hash and size of a file's content, read in pieces.
pub(super) fn hash_file(path: &Path) -> io::Result<(ContentHash, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok((ContentHash(*hasher.finalize().as_bytes()), size));
        }
        hasher.update(&piece[..count]);
        size += count as u64;
    }
}

/// Removes what a killed recorder left in `blobs/tmp/`; returns how many files.
pub(super) fn sweep_tmp(layout: &Layout) -> io::Result<usize> {
    let mut swept = 0;
    for entry in fs::read_dir(layout.blob_tmp())? {
        fs::remove_file(entry?.path())?;
        swept += 1;
    }
    Ok(swept)
}

/// Makes a body file durable, with its name.
///
/// # Errors
/// Those of the disk. The file is then believed no more: the next body of this content is written anew.
pub(super) fn sync_blob(layout: &Layout, hash: ContentHash) -> io::Result<()> {
    let path = layout.blob(hash);
    let synced = File::open(&path).and_then(|file| file.sync_data());
    let named = || path.ancestors().skip(1).take(2).try_for_each(sync_folder);
    synced.and_then(|()| named()).map_err(|error| {
        layout.in_flight.distrust(hash);
        io::Error::new(error.kind(), format!("the disk did not keep {}: {error}", path.display()))
    })
}

fn is_there(layout: &Layout, hash: ContentHash, size: u64) -> bool {
    !layout.in_flight.is_distrusted(hash) && fs::metadata(layout.blob(hash)).is_ok_and(|file| file.len() == size)
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), make_folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> (tempfile::TempDir, Arc<Layout>) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Arc::new(Layout::new(dir.path()));
        layout.make_folders().unwrap();
        (dir, layout)
    }

    fn blob(layout: &Arc<Layout>, pieces: &[&[u8]]) -> (ContentHash, u64) {
        let mut writer = BlobWriter::create(layout.clone()).unwrap();
        for piece in pieces {
            writer.write(piece).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn the_same_content_is_kept_once() {
        let (_dir, layout) = layout();
        let (hash, size) = blob(&layout, &[b"ab", b"c"]);
        assert_eq!((hash, size), (ContentHash::of(b"abc"), 3));
        assert_eq!(blob(&layout, &[b"abc"]), (hash, size));
        assert_eq!(fs::read(layout.blob(hash)).unwrap(), b"abc");
        assert_eq!(fs::read_dir(layout.blob_tmp()).unwrap().count(), 0);
    }

    #[test]
    fn a_blob_that_was_cut_off_is_replaced() {
        let (_dir, layout) = layout();
        let (hash, _) = blob(&layout, &[b"abc"]);
        fs::write(layout.blob(hash), b"a").unwrap();
        blob(&layout, &[b"abc"]);
        assert_eq!(fs::read(layout.blob(hash)).unwrap(), b"abc");
    }

    #[test]
    fn a_blob_that_the_disk_lost_is_written_anew() {
        use std::os::unix::fs::MetadataExt;
        let (_dir, layout) = layout();
        let (hash, _) = blob(&layout, &[b"abc"]);
        sync_blob(&layout, hash).unwrap();
        let inode = || fs::metadata(layout.blob(hash)).unwrap().ino();
        let first = inode();
        blob(&layout, &[b"abc"]);
        assert_eq!(inode(), first);
        layout.in_flight.distrust(hash);
        let kept = File::open(layout.blob(hash)).unwrap();
        blob(&layout, &[b"abc"]);
        assert_ne!(inode(), first);
        drop(kept);
        let second = inode();
        blob(&layout, &[b"abc"]);
        assert_eq!(inode(), second, "the new one is believed");
        fs::remove_file(layout.blob(hash)).unwrap();
        assert!(sync_blob(&layout, hash).unwrap_err().to_string().contains("did not keep"));
    }

    #[test]
    fn a_writer_dropped_leaves_nothing() {
        let (_dir, layout) = layout();
        let mut writer = BlobWriter::create(layout.clone()).unwrap();
        writer.write(b"x").unwrap();
        drop(writer);
        assert_eq!(sweep_tmp(&layout).unwrap(), 0);
    }

    #[test]
    fn a_stream_is_given_back_small_or_becomes_a_blob_and_keeps_its_file() {
        let (_dir, layout) = layout();
        for limit in [3, 2] {
            let id = ExchangeId(uuid::Uuid::now_v7());
            let mut stream = StreamFile::create(layout.clone(), id).unwrap();
            stream.write(b"abc").unwrap();
            match stream.take_small(limit).unwrap() {
                Ok(bytes) => assert_eq!((limit, bytes.as_slice()), (3, b"abc".as_slice())),
                Err((hash, size)) => {
                    assert_eq!((limit, size), (2, 3));
                    assert_eq!(hash_file(&layout.blob(hash)).unwrap(), (hash, 3));
                }
            }
            assert!(layout.stream(id).exists(), "the record is not yet safe");
        }
    }
}
