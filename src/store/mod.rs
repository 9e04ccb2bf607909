//! All disk: the history's journal, blobs and index; the collections' folders; the runs of replays.
//!
//! Journal, blobs and index are described in `docs/history.md`. Only [`index`] knows sled.

pub mod blobs;
pub mod collections;
pub mod history;
pub mod journal;
pub mod running;

pub use blobs::{BlobWriter, StreamFile};
pub use history::{History, HistoryError, Page, Query, Row};
pub use journal::{AppendError, Recording};
