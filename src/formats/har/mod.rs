//! HAR 1.2, the HTTP Archive: written from exchanges, and read into exchanges (`docs/har.md` has the whole mapping).
//!
//! Both ways are streams over the entries of one log. What HAR has no room for stands in a member `_retake` of each
//! entry, so that a log of our own comes back without loss; what other tools say and an exchange has no room for is kept
//! in its `vendor` member, and written out again.

mod bodies;
mod content;
mod cookies;
mod document;
mod export;
mod identity;
mod import;
mod lenient;
mod mask;
mod members;
mod own;
mod reader;
#[cfg(test)]
mod tests;
mod text;
mod timings;
mod url;
mod writer;

pub use identity::Identities;
pub use import::{Note, Taken};
pub use mask::masked;
pub use reader::{ReadError, Summary, read};
pub use writer::{Lost, Open, Writer};
