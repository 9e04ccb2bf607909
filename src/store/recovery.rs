//! Bringing a store in order after a recorder that ended or was killed: the journal is read on from where the index
//! stopped, a torn tail is cut off, damage is stepped over and kept aside, streams that were cut off become exchanges.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;

use super::blobs::{link_blob, sweep_tmp};
use super::index::{Entry, FLUSH_ROWS, Index, IndexError, Position, row_of};
use super::layout::Layout;
use super::reader::interrupted;
use super::rescan::{ReplayError, replay};
use super::segment::{Kind, encode, read_record};
use super::writer::SegmentWriter;
use crate::model::body::INLINE_MAX;
use crate::model::{Body, BodyContent, BodyEnd, ExchangeId};

/// What was repaired, for the user.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    texts: Vec<String>,
    /// How many exchanges an index had that is at odds with the journal, those that had only begun included.
    pub(super) known: u64,
    pub(super) read_only: bool,
}

impl Repairs {
    /// Repairs of a store that cannot be written: damage is told, nothing is changed.
    pub(super) fn read_only() -> Self {
        let text = "the store cannot be written, so it is read without its index and nothing is repaired".to_owned();
        Repairs { texts: vec![text], read_only: true, ..Self::default() }
    }

    pub(super) fn say(&mut self, text: String) {
        // The caller shows it to the user: a warning here would be seen twice.
        tracing::info!("{text}");
        self.texts.push(text);
    }

    pub(super) fn texts(self) -> Vec<String> {
        self.texts
    }
}

/// First words of `index.suspect` while an edit writes segments anew. The index then holds what was to go: it is
/// removed, and not kept aside.
pub(super) const EDITED: &str = "an edit was cut off";

/// Sweeps what an edit left that was cut off: segments written and not yet renamed, indexes that no longer fit.
pub(super) fn after_edit(layout: &Layout) -> io::Result<()> {
    for entry in fs::read_dir(layout.journal())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "new") {
            fs::remove_file(path)?;
        }
    }
    let cut_off = fs::read_to_string(layout.index_suspect()).is_ok_and(|text| text.starts_with(EDITED));
    let mut folders = layout.index_folders();
    if !cut_off {
        // The edit was done, but for this.
        folders.pop();
    }
    folders.iter().try_for_each(fs::remove_dir_all)
}

/// The highest number that was given before exchanges were removed.
pub(super) fn highest(layout: &Layout) -> io::Result<u64> {
    match fs::read_to_string(layout.highest()) {
        // A file that cannot be read as a number is as good as none: the journal says most of it.
        Ok(text) => Ok(text.trim().parse().unwrap_or(0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Reads the journal from where the index stopped, and puts what is new into it. The inner error says why the index
/// contradicts the journal and must be rebuilt.
pub(super) fn catch_up(
    layout: &Layout,
    index: &Index,
    repairs: &mut Repairs,
) -> io::Result<Result<Position, IndexError>> {
    let from = index.applied();
    let segments = layout.segments()?;
    let length = |number| fs::metadata(layout.segment(number)).map(|file| file.len());
    if from.0 != 0 && (!segments.contains(&from.0) || length(from.0)? < from.1) {
        repairs.known = index.paged() + index.open_records().len() as u64;
        return Ok(Err(IndexError::Damaged("it knows of records that the journal does not have".into())));
    }
    let end = match replay(layout, index, from, repairs) {
        Ok(end) => end,
        Err(ReplayError::Disk(error)) => return Err(error),
        Err(ReplayError::Index(error)) => return Ok(Err(error)),
    };
    if index.waiting() >= FLUSH_ROWS
        && let Err(error) = index.flush()
    {
        return Ok(Err(error));
    }
    Ok(Ok(end))
}

/// Turns streams that were cut off into exchanges, and sweeps what nobody refers to. For the holder of the lock.
pub(super) fn settle(
    layout: &Layout,
    index: &Index,
    writer: &mut SegmentWriter,
    repairs: &mut Repairs,
) -> io::Result<()> {
    for (id, number, at) in index.open_records() {
        match finish_open(layout, index, writer, at) {
            Ok(size) => repairs.say(format!(
                "exchange {number} still streamed when retake ended; it is kept as interrupted, with {size} bytes of its response"
            )),
            // The disk may be full: it is shown from the open record, and settled at a later start.
            Err(cause) => {
                repairs.say(format!("exchange {number} ({id}) was cut off, and could not be completed: {cause}"));
                show(layout, index, at);
            }
        }
    }
    let open: HashSet<ExchangeId> = index.open_records().into_iter().map(|(id, ..)| id).collect();
    for entry in fs::read_dir(layout.streams())? {
        let entry = entry?;
        let id = entry.file_name().to_str().and_then(|name| name.parse::<ExchangeId>().ok());
        if id.is_some_and(|id| !open.contains(&id)) {
            fs::remove_file(entry.path())?;
        }
    }
    let swept = sweep_tmp(layout)?;
    if swept > 0 {
        repairs.say(format!("{swept} unfinished body file(s) of exchanges that were cut off were removed"));
    }
    Ok(())
}

/// Shows the exchanges of `open` records without writing anything.
pub(super) fn show_open(layout: &Layout, index: &Index) {
    for (_, _, at) in index.open_records() {
        show(layout, index, at);
    }
}

fn show(layout: &Layout, index: &Index, at: Position) {
    let record = File::open(layout.segment(at.0)).map_err(|error| error.to_string());
    if let Ok((_, exchange)) = record.and_then(|file| read_record(&file, at.1)) {
        let mut row = row_of(&interrupted(layout, exchange));
        row.at = at;
        index.show_open(row);
    }
}

/// Writes the final record of an exchange that has an `open` one; the stream file becomes its body. Returns the size.
fn finish_open(layout: &Layout, index: &Index, writer: &mut SegmentWriter, at: Position) -> Result<u64, String> {
    let text = |error: io::Error| error.to_string();
    let file = File::open(layout.segment(at.0)).map_err(text)?;
    let (_, exchange) = read_record(&file, at.1)?;
    let mut exchange = interrupted(layout, exchange);
    let stream = layout.stream(exchange.id);
    let mut size = 0;
    if let Some(response) = exchange.outcome.response_mut() {
        let body = &mut response.body;
        size = body.size;
        if matches!(body.content, BodyContent::Stream) {
            if size <= INLINE_MAX as u64 {
                let wire_size = body.wire_size;
                *body = Body { wire_size, ..Body::inline(fs::read(&stream).map_err(text)?, BodyEnd::Cancelled) };
            } else {
                link_blob(layout, &stream, body.hash, size).map_err(text)?;
                body.content = BodyContent::Blob;
            }
        }
    }
    let record = encode(Kind::Exchange, &exchange).map_err(text)?;
    let mut row = row_of(&exchange);
    row.at = writer.append(&record).map_err(text)?;
    index.apply(vec![Entry { kind: Kind::Exchange, row }], writer.position());
    // The record is safe: only now may the stream go.
    let _ = fs::remove_file(stream);
    Ok(size)
}
