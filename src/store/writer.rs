//! Writing the journal: the segment that grows, and the one thread that writes it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::current::Current;
use super::history::Row;
use super::index::{Entry, Index, Position};
use super::layout::{Layout, private, sync_folder};
use super::segment::{HEADER, Kind};
use crate::model::{ContentHash, ExchangeId};

/// A segment that has reached this size is followed by a new one.
const SEGMENT_BYTES: u64 = 64 << 20;
/// At most this many records, or about this many bytes, go into one write.
const GROUP_RECORDS: usize = 256;
const GROUP_BYTES: usize = 4 << 20;

/// The end of the journal, where records are appended.
pub(super) struct SegmentWriter {
    layout: Arc<Layout>,
    file: Option<File>,
    number: u32,
    /// Bytes of the segment that are good: header and whole records.
    length: u64,
    roll_at: u64,
    /// Whether the segment's name is durable, too.
    named: bool,
    /// The first segment that may hold what was appended since the last sync.
    unsynced: u32,
    /// Stands in for a disk that is full: bytes still free.
    #[cfg(test)]
    pub(super) free: Option<Arc<std::sync::atomic::AtomicU64>>,
    /// Stands in for a disk that loses what it took.
    #[cfg(test)]
    pub(super) forgetful: bool,
}

impl SegmentWriter {
    /// Continues the last segment, of which `length` bytes are good; segment 0 means that there is none yet.
    pub(super) fn new(layout: Arc<Layout>, last: Position) -> Self {
        SegmentWriter {
            layout,
            file: None,
            number: last.0,
            length: last.1,
            roll_at: SEGMENT_BYTES,
            named: false,
            unsynced: last.0,
            #[cfg(test)]
            free: None,
            #[cfg(test)]
            forgetful: false,
        }
    }

    #[cfg(test)]
    pub(super) fn roll_at(mut self, bytes: u64) -> Self {
        self.roll_at = bytes;
        self
    }

    /// Where the next record will stand.
    pub(super) fn position(&self) -> Position {
        (self.number, self.length)
    }

    /// Appends whole records with one write (more only if the disk takes them piecemeal); returns where they begin.
    ///
    /// # Errors
    /// Those of the disk. What was half written is cut off again, or the segment is left, so that the next append
    /// starts clean.
    pub(super) fn append(&mut self, records: &[u8]) -> io::Result<Position> {
        self.ready()?;
        let at = self.position();
        let written = match &mut self.file {
            Some(file) => {
                #[cfg(test)]
                let file = &mut Scarce { file, free: self.free.as_deref() };
                file.write_all(records)
            }
            None => Err(io::Error::other("no segment is open")),
        };
        match written {
            Ok(()) => self.length += records.len() as u64,
            Err(error) => {
                self.repair();
                return Err(error);
            }
        }
        Ok(at)
    }

    /// [`SegmentWriter::append`], and makes durable what was appended.
    ///
    /// # Errors
    /// Those of the disk. Records that may be lost are taken back: who waits for them is told that they are not there.
    pub(super) fn append_synced(&mut self, records: &[u8]) -> io::Result<Position> {
        let at = self.append(records)?;
        self.sync_or(|file| drop(file.set_len(at.1)))?;
        Ok(at)
    }

    /// Makes what was appended durable.
    ///
    /// # Errors
    /// Those of the disk; the segment is left then.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.sync_or(|_| ())
    }

    /// After a failed sync nobody knows what the disk has, and a second one would call good what the first one lost
    /// (the kernel tells once). So the segment is never synced again: the next append begins a new one.
    fn sync_or(&mut self, lost: impl FnOnce(&File)) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        #[cfg(test)]
        let synced = if self.forgetful { Err(io::ErrorKind::Other.into()) } else { file.sync_data() };
        #[cfg(not(test))]
        let synced = file.sync_data();
        let named = || if self.named { Ok(()) } else { sync_folder(&self.layout.journal()) };
        if let Err(error) = synced.and_then(|()| self.sync_full_segments()).and_then(|()| named()) {
            lost(file);
            self.leave();
            self.unsynced = self.number.saturating_add(1);
            return Err(io::Error::new(error.kind(), format!("the disk did not keep what was written: {error}")));
        }
        (self.named, self.unsynced) = (true, self.number);
        Ok(())
    }

    /// Segments that were full before the last sync.
    fn sync_full_segments(&self) -> io::Result<()> {
        for number in self.unsynced.max(1)..self.number {
            match File::open(self.layout.segment(number)) {
                // An edit removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                file => file?.sync_data()?,
            }
        }
        Ok(())
    }

    /// The next append begins a new segment.
    fn leave(&mut self) {
        self.file = None;
        self.length = self.roll_at.max(self.length);
    }

    /// Begins a new segment, unless the last one is empty. Returns its number: those below it grow no more.
    pub(super) fn roll(&mut self) -> io::Result<u32> {
        if self.number != 0 && self.length > HEADER.len() as u64 {
            self.sync()?;
            let (number, length) = self.position();
            (self.file, self.length) = (None, self.roll_at.max(length));
            if let Err(error) = self.ready() {
                (self.file, self.number, self.length) = (None, number, length);
                return Err(error);
            }
        }
        Ok(self.number)
    }

    /// Cuts off what a failed write left. If even that fails the segment is left behind: its torn end is found, and
    /// stepped over, when it is read.
    fn repair(&mut self) {
        let cut = self.file.as_ref().map(|file| file.set_len(self.length));
        if !matches!(cut, Some(Ok(()))) {
            self.leave();
        }
    }

    /// Makes sure of an open segment with room and a header.
    fn ready(&mut self) -> io::Result<()> {
        if self.file.is_some() && self.length < self.roll_at {
            return Ok(());
        }
        let fresh = self.number == 0 || self.length >= self.roll_at;
        let number = if fresh { self.number.saturating_add(1) } else { self.number };
        let path = self.layout.segment(number);
        let mut file = private().append(true).create(true).open(&path)?;
        let length = if fresh { file.metadata()?.len() } else { self.length };
        if length < HEADER.len() as u64 {
            file.set_len(0)?;
            if let Err(error) = file.write_all(HEADER) {
                let _ = file.set_len(0);
                return Err(error);
            }
        }
        (self.file, self.number, self.length) = (Some(file), number, length.max(HEADER.len() as u64));
        self.named = false;
        Ok(())
    }
}

/// One record on its way into the journal.
pub(super) struct Job {
    pub(super) kind: Kind,
    pub(super) record: Vec<u8>,
    pub(super) row: Row,
    /// The body files that the record names.
    pub(super) blobs: Vec<ContentHash>,
    /// Whether it must be durable before it counts; its body files are already.
    pub(super) durable: bool,
    pub(super) done: oneshot::Sender<Result<(), Arc<io::Error>>>,
}

/// What the journal's thread is asked for.
#[expect(clippy::large_enum_variant, reason = "nearly all are records: a box for each would be an allocation more")]
pub(super) enum Task {
    Record(Job),
    /// Something to be done between two writes, when all that was written is in the index.
    Between(Between),
}

/// Work between two writes.
pub(super) type Between = Box<dyn FnOnce(&mut SegmentWriter, &Current) + Send>;

/// The exchanges that have a stream file: it is removed when their record is safe.
pub(super) type Streams = Arc<Mutex<HashSet<ExchangeId>>>;

/// The journal's thread: takes what is there, writes it at once, shows it to readers, wakes those who wait. Ends when
/// the last sender is gone.
pub(super) fn run(
    mut writer: SegmentWriter,
    current: &Current,
    layout: &Layout,
    streams: &Streams,
    mut tasks: mpsc::Receiver<Task>,
) {
    let mut group = Vec::new();
    let mut buffer = Vec::new();
    while let Some(first) = tasks.blocking_recv() {
        // Where this thread took the core from those who record, they go on first, and one write takes all they bring.
        std::thread::yield_now();
        let (mut bytes, mut next, mut between) = (0, Some(first), None);
        while let Some(task) = next.take() {
            match task {
                Task::Record(job) => {
                    bytes += job.record.len();
                    group.push(job);
                }
                Task::Between(work) => {
                    between = Some(work);
                    break;
                }
            }
            if group.len() < GROUP_RECORDS && bytes < GROUP_BYTES {
                next = tasks.try_recv().ok();
            }
        }
        if !group.is_empty() {
            write_group(&mut writer, &current.index(), layout, streams, &mut group, &mut buffer);
        }
        if let Some(work) = between {
            work(&mut writer, current);
        }
        current.index().wait_for_slack();
    }
}

fn write_group(
    writer: &mut SegmentWriter,
    index: &Index,
    layout: &Layout,
    streams: &Streams,
    group: &mut Vec<Job>,
    buffer: &mut Vec<u8>,
) {
    // One sync for all that wait: while it lasts, the next group gathers.
    let durable = group.iter().any(|job| job.durable);
    let mut append = |records: &[u8]| if durable { writer.append_synced(records) } else { writer.append(records) };
    let written = if let [one] = group.as_slice() {
        append(&one.record)
    } else {
        buffer.clear();
        group.iter().for_each(|job| buffer.extend_from_slice(&job.record));
        let written = append(buffer);
        buffer.shrink_to(GROUP_BYTES);
        written
    };
    let mut at = match written {
        Ok(at) => at,
        Err(error) => {
            let error = Arc::new(error);
            group.drain(..).for_each(|job| drop(job.done.send(Err(error.clone()))));
            return;
        }
    };
    let mut entries = Vec::with_capacity(group.len());
    let mut waiting = Vec::with_capacity(group.len());
    for mut job in group.drain(..) {
        job.row.at = at;
        at.1 += job.record.len() as u64;
        waiting.push((job.kind, job.row.id, job.blobs, job.done));
        entries.push(Entry { kind: job.kind, row: job.row });
    }
    // Before the waiters wake: who has seen the end of a response finds it in the history.
    index.apply(entries, at);
    for (kind, id, blobs, done) in waiting {
        layout.in_flight.recorded(&blobs);
        // Nobody there any more: the record stands all the same.
        let _ = done.send(Ok(()));
        if kind != Kind::Open && streams.lock().unwrap_or_else(PoisonError::into_inner).remove(&id) {
            let _ = fs::remove_file(layout.stream(id));
        }
    }
}

/// A file on a disk with little room.
#[cfg(test)]
struct Scarce<'a> {
    file: &'a mut File,
    free: Option<&'a std::sync::atomic::AtomicU64>,
}

#[cfg(test)]
impl Write for Scarce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        use std::sync::atomic::Ordering::Relaxed;
        let Some(free) = self.free else { return self.file.write(bytes) };
        let room = bytes.len().min(free.load(Relaxed) as usize);
        if room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        free.fetch_sub(room as u64, Relaxed);
        self.file.write(&bytes[..room])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::store::segment::{Found, Scan, encode};
    use crate::store::testing::exchange;

    fn records(layout: &Layout, segment: u32) -> usize {
        let bytes = fs::read(layout.segment(segment)).unwrap();
        assert_eq!(&bytes[..16], HEADER);
        let found: Vec<_> = Scan::new(&bytes[16..]).collect();
        assert!(found.iter().all(|found| matches!(found, Found::Record { .. })), "{found:?}");
        found.len()
    }

    #[test]
    fn a_full_segment_is_followed_by_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Arc::new(Layout::new(dir.path()));
        layout.make_folders().unwrap();
        let record = encode(Kind::Exchange, &exchange(1)).unwrap();
        let size = record.len() as u64;
        let mut writer = SegmentWriter::new(layout.clone(), (0, 0)).roll_at(16 + 2 * size);
        let places: Vec<_> = (0..5).map(|_| writer.append(&record).unwrap()).collect();
        assert_eq!(places, [(1, 16), (1, 16 + size), (2, 16), (2, 16 + size), (3, 16)]);
        let mut writer = SegmentWriter::new(layout.clone(), writer.position()).roll_at(16 + 2 * size);
        assert_eq!(writer.append(&record).unwrap(), (3, 16 + size), "continued");
        assert_eq!([1, 2, 3].map(|number| records(&layout, number)), [2, 2, 2]);
    }

    #[test]
    fn a_full_disk_leaves_no_half_record_and_is_got_over() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Arc::new(Layout::new(dir.path()));
        layout.make_folders().unwrap();
        let record = encode(Kind::Exchange, &exchange(1)).unwrap();
        let mut writer = SegmentWriter::new(layout.clone(), (0, 0));
        let free = Arc::new(AtomicU64::new(record.len() as u64 + 10));
        writer.free = Some(free.clone());
        writer.append(&record).unwrap();
        for _ in 0..3 {
            assert_eq!(writer.append(&record).unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
        assert_eq!(records(&layout, 1), 1, "what did not fit is cut off");
        free.store(1 << 20, std::sync::atomic::Ordering::Relaxed);
        writer.append(&record).unwrap();
        assert_eq!(records(&layout, 1), 2);
    }

    #[test]
    fn after_a_failed_sync_the_records_are_taken_back_and_the_segment_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Arc::new(Layout::new(dir.path()));
        layout.make_folders().unwrap();
        let record = encode(Kind::Exchange, &exchange(1)).unwrap();
        let mut writer = SegmentWriter::new(layout.clone(), (0, 0));
        assert_eq!(writer.append_synced(&record).unwrap(), (1, 16));
        writer.forgetful = true;
        assert!(writer.append_synced(&record).unwrap_err().to_string().contains("did not keep"));
        assert_eq!(records(&layout, 1), 1, "nobody may take for recorded what was lost");
        writer.forgetful = false;
        assert_eq!(writer.append_synced(&record).unwrap(), (2, 16), "the old segment is never synced again");
        assert_eq!([1, 2].map(|number| records(&layout, number)), [1, 1]);
    }
}
