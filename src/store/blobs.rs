//! Bodies too large for a journal record: files named by the hash of their content, each once.

use std::io;

use crate::model::ContentHash;

/// A body being written to `blobs/tmp/`. Dropped unfinished, it leaves nothing behind.
pub struct BlobWriter {
    _private: (),
}

impl BlobWriter {
    /// Appends bytes.
    ///
    /// # Errors
    /// Those of the disk; the writer is then of no more use.
    pub fn write(&mut self, _bytes: &[u8]) -> io::Result<()> {
        todo!()
    }

    /// Moves the file to its content address; returns the hash and the size in bytes.
    ///
    /// # Errors
    /// Those of the disk; nothing is left behind then.
    pub fn finish(self) -> io::Result<(ContentHash, u64)> {
        todo!()
    }
}

/// The file of a response without known length: each chunk is written before the client gets it, so that after a
/// kill the history has what the client had.
pub struct StreamFile {
    _private: (),
}

impl StreamFile {
    /// Appends one chunk (already masked).
    ///
    /// # Errors
    /// Those of the disk.
    pub fn write(&mut self, _bytes: &[u8]) -> io::Result<()> {
        todo!()
    }

    /// Reads back everything written so far, if it is at most `limit` bytes; for bodies that fit in the record.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn take_small(self, _limit: u64) -> io::Result<Result<Vec<u8>, (ContentHash, u64)>> {
        todo!()
    }
}
