//! Reading the journal on into the index. One thread reads records and makes rows of them, while another puts the rows
//! before into pages: an index of a million exchanges is made anew in seconds.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::mpsc::{SyncSender, sync_channel};

use super::index::{Entry, FLUSH_ROWS, Index, IndexError, Position, recorded_row, row_of};
use super::layout::{Layout, make_folder, replace_file};
use super::recovery::Repairs;
use super::segment::{FRAME, Found, HEADER, RECORD_MAX, Scan, content, decode, payload_at};

/// Rows go into pages in larger batches than while recording.
const BATCH_ROWS: usize = 8 * FLUSH_ROWS;
/// Rows that go from one thread to the other at once, and how often that may wait for the other.
const HANDED: usize = 512;
const WAITING: usize = 4;
/// Bytes of a segment that are read at once.
const WINDOW: usize = 1 << 20;

/// What can stop the reading of the journal.
#[derive(Debug)]
pub(super) enum ReplayError {
    Disk(io::Error),
    Index(IndexError),
}

impl From<io::Error> for ReplayError {
    fn from(error: io::Error) -> Self {
        ReplayError::Disk(error)
    }
}

impl From<IndexError> for ReplayError {
    fn from(error: IndexError) -> Self {
        ReplayError::Index(error)
    }
}

impl From<ReplayError> for io::Error {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Disk(error) => error,
            ReplayError::Index(error) => io::Error::other(error.to_string()),
        }
    }
}

/// Rows up to a place.
type Handed = (Vec<Entry>, Position);

/// Reads the journal from a place on; returns its end, where the next record goes.
pub(super) fn replay(
    layout: &Layout,
    index: &Index,
    from: Position,
    repairs: &mut Repairs,
) -> Result<Position, ReplayError> {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel::<Handed>(WAITING);
        let reading = scope.spawn(move || {
            let mut rows = Rows { layout, repairs, sender, ready: Vec::new(), end: from };
            rows.segments(from)
        });
        let mut applied = Ok(());
        // An error ends this loop, and the next row that is handed over ends the reading.
        for (entries, end) in receiver {
            index.apply(entries, end);
            if index.waiting() >= BATCH_ROWS {
                applied = index.put_away();
            }
            if applied.is_err() {
                break;
            }
        }
        let read = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        applied?;
        Ok(read?)
    })
}

/// The reading side.
struct Rows<'a> {
    layout: &'a Layout,
    repairs: &'a mut Repairs,
    sender: SyncSender<Handed>,
    /// Rows that are to be handed over, and the place behind the last.
    ready: Vec<Entry>,
    end: Position,
}

impl Rows<'_> {
    fn segments(&mut self, from: Position) -> io::Result<Position> {
        let segments: Vec<u32> = self.layout.segments()?.into_iter().filter(|number| *number >= from.0).collect();
        for (place, &number) in segments.iter().enumerate() {
            let start = if number == from.0 { from.1 } else { 0 };
            let is_last = place + 1 == segments.len();
            let length = self.segment(number, start, is_last)?;
            self.end = (number, length);
            self.hand_over()?;
        }
        Ok(self.end)
    }

    /// One segment; returns its length without a torn tail.
    fn segment(&mut self, number: u32, start: u64, is_last: bool) -> io::Result<u64> {
        let path = self.layout.segment(number);
        let mut file = File::open(&path)?;
        let header = HEADER.len() as u64;
        if start < header {
            let mut found = Vec::new();
            (&mut file).take(header).read_to_end(&mut found)?;
            if found.len() < HEADER.len() && HEADER.starts_with(&found) {
                return Ok(0);
            }
            if found != HEADER {
                let path = path.display();
                self.repairs.say(format!("the first bytes of {path} are damaged; its records were read all the same"));
            }
        }
        let base = self.undamaged(&mut file, number, start.max(header))?;
        file.seek(SeekFrom::Start(base))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut end = base + bytes.len() as u64;
        for found in Scan::new(&bytes) {
            match found {
                Found::Record { offset, payload } => self.take((number, base + offset as u64), payload)?,
                Found::Torn(range) if is_last => {
                    end = base + range.start as u64;
                    self.torn(number, base, &bytes, range)?;
                }
                Found::Damage(range) | Found::Torn(range) => self.damaged(number, base, &bytes, range)?,
            }
        }
        Ok(end)
    }

    /// Takes records, a window of the file in memory at a time, as long as they follow each other without a fault.
    /// Returns the place behind the last; whether there is anything, and what, is for [`Scan`] to say.
    fn undamaged(&mut self, file: &mut File, number: u32, from: u64) -> io::Result<u64> {
        file.seek(SeekFrom::Start(from))?;
        let (mut bytes, mut at, mut base) = (Vec::new(), 0, from);
        loop {
            while let Some(payload) = payload_at(&bytes, at) {
                self.take((number, base + at as u64), payload)?;
                at += FRAME + payload.len();
            }
            // No record is longer: what is no record now will not become one.
            if bytes.len() - at >= FRAME + RECORD_MAX {
                return Ok(base + at as u64);
            }
            base += at as u64;
            bytes.drain(..at);
            at = 0;
            let claimed = bytes.first_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length) as usize);
            let missing = (FRAME + claimed.min(RECORD_MAX)).saturating_sub(bytes.len()).max(WINDOW);
            let before = bytes.len();
            file.take(missing as u64).read_to_end(&mut bytes)?;
            if bytes.len() == before {
                return Ok(base);
            }
        }
    }

    /// One record whose checksum holds.
    fn take(&mut self, at: Position, payload: &[u8]) -> io::Result<()> {
        self.end = (at.0, at.1 + (FRAME + payload.len()) as u64);
        let row = content(payload).ok().and_then(|(kind, bytes)| Some((kind, recorded_row(bytes)?)));
        // What cannot be read so is read whole: for the row, or to say why not.
        let row = match row {
            Some(row) => Ok(row),
            None => decode(payload).map(|(kind, exchange)| (kind, row_of(&exchange))),
        };
        match row {
            Ok((kind, mut row)) => {
                row.at = at;
                self.ready.push(Entry { kind, row });
            }
            Err(cause) => {
                let path = self.layout.segment(at.0);
                let (path, byte) = (path.display(), at.1);
                self.repairs.say(format!("a record of {path}, byte {byte}, cannot be read and was left out: {cause}"));
            }
        }
        if self.ready.len() >= HANDED { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let handed = (std::mem::take(&mut self.ready), self.end);
        self.sender.send(handed).map_err(|_| io::Error::other("the index takes no more rows"))
    }

    fn damaged(&mut self, number: u32, base: u64, bytes: &[u8], range: Range<usize>) -> io::Result<()> {
        let (path, at, size) = (self.layout.segment(number), base + range.start as u64, range.len());
        let kept = self.keep(number, at, &bytes[range])?;
        let path = path.display();
        self.repairs.say(format!("{path} is damaged: {size} bytes from byte {at} were stepped over{kept}"));
        Ok(())
    }

    fn torn(&mut self, number: u32, base: u64, bytes: &[u8], range: Range<usize>) -> io::Result<()> {
        let (path, at, size) = (self.layout.segment(number), base + range.start as u64, range.len());
        let kept = self.keep(number, at, &bytes[range])?;
        if !self.repairs.read_only {
            OpenOptions::new().write(true).open(&path)?.set_len(at)?;
        }
        let path = path.display();
        self.repairs.say(format!("the last record of {path} was not written whole: {size} bytes were cut off{kept}"));
        Ok(())
    }

    /// Copies bytes that are no record into `quarantine/`; what is there already, from an earlier look, stays.
    fn keep(&self, number: u32, at: u64, bytes: &[u8]) -> io::Result<String> {
        if self.repairs.read_only {
            return Ok(String::new());
        }
        make_folder(&self.layout.quarantine())?;
        let path = self.layout.quarantine().join(format!("{number:06}.log-{at}"));
        replace_file(&path, bytes)?;
        Ok(format!("; they are kept as {}", path.display()))
    }
}
