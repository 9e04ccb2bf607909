//! The journal: append-only segments, the truth of the history.

use std::io;

use super::blobs::{BlobWriter, StreamFile};
use crate::model::{Exchange, ExchangeId};
use crate::redact::MaskKey;

/// Why an exchange did not reach the journal.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The disk refused.
    #[error("the history could not be written: {0}")]
    Disk(#[source] std::sync::Arc<io::Error>),
    /// The disk did not answer within five seconds.
    #[error("the history could not be written within {0:?}")]
    TimedOut(std::time::Duration),
}

/// The right to write one store: held by one recorder at a time. Cheap to clone.
#[derive(Clone)]
pub struct Recording {
    _private: (),
}

impl Recording {
    /// Takes a new id (UUID v7) and number for a request that has just begun.
    pub fn begin(&self) -> (ExchangeId, u64) {
        todo!()
    }

    /// The key for masking, made with the store.
    pub fn mask_key(&self) -> MaskKey {
        todo!()
    }

    /// Appends the record of a finished exchange. Resolves when one `write` has put it into the journal: from then on
    /// it survives the death of this process. Dropping the future does not take the append back.
    ///
    /// # Errors
    /// The disk refused, or took over five seconds (the append may still happen later).
    pub async fn append(&self, _exchange: Exchange) -> Result<(), AppendError> {
        todo!()
    }

    /// Appends an `open` record: the head of a response without known length, whose chunks go to the [`StreamFile`].
    /// A later [`Recording::append`] with the same id replaces it; after a kill it is listed as `interrupted`.
    ///
    /// # Errors
    /// As [`Recording::append`].
    pub async fn append_open(&self, _exchange: Exchange) -> Result<(), AppendError> {
        todo!()
    }

    /// Appends an addendum: the whole of an exchange whose record was written `partial`, with the same id.
    ///
    /// # Errors
    /// As [`Recording::append`].
    pub async fn append_addendum(&self, _exchange: Exchange) -> Result<(), AppendError> {
        todo!()
    }

    /// A new body file.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn blob(&self) -> io::Result<BlobWriter> {
        todo!()
    }

    /// The stream file of an exchange.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn stream(&self, _id: ExchangeId) -> io::Result<StreamFile> {
        todo!()
    }
}
