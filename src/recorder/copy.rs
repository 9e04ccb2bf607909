//! The copy of one body, taken while it streams: decoded for masking, kept coded where nothing had to be masked.

use crate::model::{Body, BodyEnd, Fields};
use crate::redact::Masker;
use crate::store::Recording;

/// Copies one body. Bodies up to 64 KiB end inside the record, larger ones in a blob; memory stays below 1 MiB or so,
/// whatever the size. A disk error ends the copy, never the traffic: it shows at the end.
pub struct BodyCopy {
    _private: (),
}

impl BodyCopy {
    /// A copy of the body of a message with these (unmasked) header fields. With `stream`, chunks are written to that
    /// file as they come (a response without known length).
    pub fn new(
        _recording: &Recording,
        _masker: &Masker,
        _fields: &Fields,
        _stream: Option<crate::store::StreamFile>,
    ) -> Self {
        todo!()
    }

    /// Takes the next bytes as received (after transfer coding).
    pub fn push(&mut self, _chunk: &[u8]) {
        todo!()
    }

    /// Ends the copy. When a content coding was removed, the caller keeps the fields as they were: the body says so.
    ///
    /// # Errors
    /// The first error of the disk.
    pub fn finish(self, _end: BodyEnd) -> std::io::Result<Body> {
        todo!()
    }
}
