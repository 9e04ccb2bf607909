//! All disk: the history's journal, blobs and index; the collections' folders; the runs of replays.
//!
//! Journal, blobs and index are described in `docs/history.md`. Only `index` knows sled.

pub mod blobs;
pub mod collections;
mod current;
mod days;
mod edit;
mod filter;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub mod history;
mod in_flight;
mod index;
pub mod journal;
mod layout;
mod lock;
mod open;
mod reader;
mod recovery;
mod rescan;
pub mod running;
pub mod runs;
mod search;
mod segment;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod writer;

pub use blobs::{BlobWriter, StreamFile};
pub use days::group_by_day;
pub use history::{
    Edit, EditReport, Found, Group, History, HistoryError, Hit, Page, Pattern, Place, Query, Row, Usage,
};
pub use journal::{AppendError, Durability, Recording};
pub use layout::{STORE_VERSION, random_key, replace_file};
pub use lock::Holder;
pub use open::{OpenError, journal_end, mask_key, open_for_reading, open_for_recording, open_or_create};
