//! Exchanges from elsewhere.

use std::io::{self, Read};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::Journal;
use crate::model::body::INLINE_MAX;
use crate::model::{Body, BodyContent, BodyEnd, Exchange};
use crate::store::BlobWriter;
use crate::store::blobs::sync_blob;
use crate::store::history::HistoryError;
use crate::store::in_flight::blobs_of;
use crate::store::index::{Entry, row_of};
use crate::store::reader::DiskHistory;
use crate::store::segment::{Kind, encode};

/// Bodies are read in pieces of this size.
const PIECE: usize = 64 << 10;

/// Stores the bytes of a body: small ones for the record, others in a file.
pub(in crate::store) fn body(
    history: &DiskHistory,
    content: &mut dyn Read,
    end: BodyEnd,
) -> Result<Body, HistoryError> {
    let mut head = Vec::new();
    content.take(INLINE_MAX as u64 + 1).read_to_end(&mut head)?;
    if head.len() <= INLINE_MAX {
        return Ok(Body::inline(head, end));
    }
    let mut blob = BlobWriter::create(history.layout.clone())?;
    blob.write(&head)?;
    let mut piece = vec![0; PIECE];
    loop {
        match content.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => blob.write(&piece[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let (hash, size) = blob.finish()?;
    sync_blob(&history.layout, hash)?;
    Ok(Body { content: BodyContent::Blob, size, wire_size: size, hash, end, coding_removed: None, masked: 0 })
}

/// Makes durable what was appended.
pub(in crate::store) fn sync(history: &DiskHistory) -> Result<(), HistoryError> {
    history.between(|writer, _| writer.sync())
}

/// Appends an exchange under a number of this store, unless one of its id is there.
pub(in crate::store) fn exchange(history: &DiskHistory, mut exchange: Exchange) -> Result<Option<u64>, HistoryError> {
    let next = match &*history.journal.lock().unwrap_or_else(PoisonError::into_inner) {
        Journal::Thread(_, next) => Some(next.clone()),
        _ => None,
    };
    let known = |index: &crate::store::index::Index, id: u128| index.ids(id, u128::MAX).map(|found| !found.is_empty());
    if known(&history.index(), exchange.id.0.as_u128()).map_err(|error| history.failed(error))? {
        return Ok(None);
    }
    let layout = history.layout.clone();
    history.between(move |writer, current| {
        let index = current.index();
        // Once more where nobody else appends: the same exchange may have come in twice at once.
        if known(&index, exchange.id.0.as_u128()).map_err(|error| io::Error::other(error.to_string()))? {
            return Ok(None);
        }
        exchange.number = match next {
            Some(next) => next.fetch_add(1, Ordering::Relaxed),
            None => index.highest().saturating_add(1),
        };
        let record = encode(Kind::Exchange, &exchange)?;
        let mut row = row_of(&exchange);
        row.at = writer.append(&record)?;
        index.apply(vec![Entry { kind: Kind::Exchange, row }], writer.position());
        layout.in_flight.recorded(&blobs_of(&exchange));
        Ok(Some(exchange.number))
    })
}
