//! Where the bytes of a copy go: memory first, then a blob; a stream's file from the start.

use std::io;

use crate::model::body::INLINE_MAX;
use crate::model::{BodyContent, ContentHash};
use crate::store::{BlobWriter, StreamFile};

/// Opens a blob when one is needed.
pub(super) type Opener = Box<dyn Fn() -> io::Result<BlobWriter> + Send>;

/// Takes the bytes to be stored.
pub(super) struct Keep {
    open: Opener,
    place: Place,
    /// More than this goes to a blob.
    in_memory: usize,
    error: Option<io::Error>,
}

enum Place {
    Memory(Vec<u8>),
    Blob(BlobWriter),
    Stream(StreamFile),
}

/// What was kept.
pub(super) struct Kept {
    pub(super) content: BodyContent,
    pub(super) size: u64,
    pub(super) hash: ContentHash,
}

impl Keep {
    pub(super) fn new(open: Opener, stream: Option<StreamFile>, in_memory: usize) -> Self {
        let place = stream.map_or(Place::Memory(Vec::new()), Place::Stream);
        Keep { open, place, in_memory, error: None }
    }

    /// Appends; after the first error of the disk nothing is written any more.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.error.is_none()
            && !bytes.is_empty()
            && let Err(error) = self.try_write(bytes)
        {
            self.fail(error);
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.place {
            Place::Memory(kept) if kept.len() + bytes.len() <= self.in_memory => {
                kept.extend_from_slice(bytes);
                Ok(())
            }
            Place::Memory(kept) => {
                let mut blob = (self.open)()?;
                blob.write(kept)?;
                blob.write(bytes)?;
                self.place = Place::Blob(blob);
                Ok(())
            }
            Place::Blob(blob) => blob.write(bytes),
            Place::Stream(stream) => stream.write(bytes),
        }
    }

    fn fail(&mut self, error: io::Error) {
        self.error = Some(error);
        // A half-written blob is removed at once: the disk may be full.
        if !matches!(self.place, Place::Stream(_)) {
            self.place = Place::Memory(Vec::new());
        }
    }

    /// Forgets what was written, and takes these bytes instead. Not for a stream.
    pub(super) fn replace(&mut self, bytes: &[u8]) {
        if self.error.is_none() {
            self.place = Place::Memory(Vec::new());
            self.in_memory = INLINE_MAX;
            self.write(bytes);
        }
    }

    /// What was kept, inside the record where it fits.
    ///
    /// # Errors
    /// The first error of the disk.
    pub(super) fn finish(mut self) -> io::Result<Kept> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if let Place::Memory(kept) = &self.place
            && kept.len() > INLINE_MAX
        {
            let mut blob = (self.open)()?;
            blob.write(kept)?;
            self.place = Place::Blob(blob);
        }
        match self.place {
            Place::Memory(kept) => Ok(inline(kept)),
            Place::Blob(blob) => blob.finish().map(|(hash, size)| Kept { content: BodyContent::Blob, size, hash }),
            Place::Stream(stream) => Ok(match stream.take_small(INLINE_MAX as u64)? {
                Ok(kept) => inline(kept),
                Err((hash, size)) => Kept { content: BodyContent::Blob, size, hash },
            }),
        }
    }
}

fn inline(kept: Vec<u8>) -> Kept {
    Kept { size: kept.len() as u64, hash: ContentHash::of(&kept), content: BodyContent::Inline(kept) }
}
