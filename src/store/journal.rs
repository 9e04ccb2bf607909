//! The journal: append-only segments, the truth of the history. This is the side of those who record.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::blobs::{BlobWriter, StreamFile, sync_blob};
use super::current::Current;
use super::in_flight::blobs_of;
use super::index::row_of;
use super::layout::{Layout, sync_folder};
use super::reader::DiskHistory;
use super::segment::{Kind, encode};
use super::writer::{self, Job, SegmentWriter, Streams, Task};
use crate::model::{ContentHash, Exchange, ExchangeId};
use crate::redact::MaskKey;

/// How long an append may take.
const APPEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Records that may wait for the journal's thread; more callers wait for room.
const QUEUE: usize = 256;
/// How long the end of a recording waits for a disk that does not answer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a large body file may add to that before it is on the disk: the slowest disk takes so many bytes a second.
const SLOWEST_DISK: u64 = 20 << 20;

/// What an exchange that counts as recorded survives (`docs/history.md`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of this process.
    #[default]
    Process,
    /// The end of the machine: record, body files and their names were synced.
    Disk,
}

impl Durability {
    /// By name.
    pub fn named(name: &str) -> Option<Durability> {
        match name {
            "process" => Some(Durability::Process),
            "disk" => Some(Durability::Disk),
            _ => None,
        }
    }
}

/// Why an exchange did not reach the journal.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The disk refused.
    #[error("the history could not be written: {0}")]
    Disk(#[source] std::sync::Arc<io::Error>),
    /// The disk did not answer in time: five seconds, more for large body files that must be synced.
    #[error("the history could not be written within {0:?}")]
    TimedOut(std::time::Duration),
}

impl From<io::Error> for AppendError {
    fn from(error: io::Error) -> Self {
        AppendError::Disk(Arc::new(error))
    }
}

/// The right to write one store: held by one recorder at a time. Cheap to clone. When the last clone is dropped, the
/// queue is written, the index brought up to date, and (once no reader of this process is left) the store unlocked.
#[derive(Clone)]
pub struct Recording {
    shared: Arc<Shared>,
    durability: Durability,
}

struct Shared {
    /// Always there until dropped.
    tasks: Option<mpsc::Sender<Task>>,
    layout: Arc<Layout>,
    streams: Streams,
    next: Arc<AtomicU64>,
    key: [u8; 32],
    history: Arc<DiskHistory>,
    /// One message from each thread at its end.
    ended: std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Recording {
    pub(super) fn start(
        layout: Arc<Layout>,
        writer: SegmentWriter,
        history: Arc<DiskHistory>,
        key: [u8; 32],
    ) -> io::Result<Recording> {
        let (tasks, queue) = mpsc::channel(QUEUE);
        let (end, ended) = std::sync::mpsc::channel();
        let streams = Streams::default();
        let current = history.current().clone();
        let next = Arc::new(AtomicU64::new(current.index().highest().saturating_add(1)));
        history.written_by(tasks.downgrade(), next.clone());
        let paged = (current.clone(), end.clone());
        std::thread::Builder::new().name("retake-index".into()).spawn(move || {
            paged.0.run();
            drop(paged.0);
            let _ = paged.1.send(());
        })?;
        let job = (current, layout.clone(), streams.clone(), end);
        std::thread::Builder::new().name("retake-journal".into()).spawn(move || {
            let (current, layout, streams, end) = job;
            // Also when this thread panics: the index's thread must not wait for ever.
            let closing = CloseIndex(current);
            writer::run(writer, &closing.0, &layout, &streams, queue);
            drop(closing);
            let _ = end.send(());
        })?;
        let ended = std::sync::Mutex::new(ended);
        let shared = Shared { tasks: Some(tasks), layout, streams, next, key, history, ended };
        Ok(Recording { shared: Arc::new(shared), durability: Durability::Process })
    }

    /// The same store, recorded into with another durability.
    ///
    /// # Errors
    /// Those of the disk: the store's own names must be durable before anything in it is.
    pub fn durable(mut self, durability: Durability) -> io::Result<Recording> {
        if durability == Durability::Disk {
            let root = self.shared.layout.root();
            // Whose folder it lies in may not be ours to open.
            let _ = root.parent().map(sync_folder);
            [root, &self.shared.layout.blobs()].into_iter().try_for_each(sync_folder)?;
        }
        self.durability = durability;
        Ok(self)
    }

    /// Takes a new id (UUID v7) and number for a request that has just begun.
    pub fn begin(&self) -> (ExchangeId, u64) {
        (ExchangeId(uuid::Uuid::now_v7()), self.shared.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The key for masking, made with the store.
    pub fn mask_key(&self) -> MaskKey {
        MaskKey(self.shared.key)
    }

    /// What had to be repaired when the store was opened, a sentence each.
    pub fn repairs(&self) -> Vec<String> {
        super::history::History::repairs(&*self.shared.history)
    }

    /// Why listings no longer see the newest exchanges, if the index failed while recording; the journal goes on, and
    /// the index is rebuilt at the next start.
    pub fn index_trouble(&self) -> Option<String> {
        self.shared.history.index().failed()
    }

    /// Appends the record of a finished exchange. Resolves when one `write` has put it into the journal, and, with
    /// [`Durability::Disk`], everything of it was synced: from then on it survives, and readers see it. Dropping the future does not take the append back,
    /// unless the queue was full and it had not entered it.
    ///
    /// # Errors
    /// The disk refused, or took over five seconds (the append may still happen later).
    pub async fn append(&self, exchange: Exchange) -> Result<(), AppendError> {
        self.write(Kind::Exchange, &exchange).await
    }

    /// Appends an `open` record: the head of a response without known length, whose chunks go to the [`StreamFile`].
    /// A later [`Recording::append`] with the same id replaces it; after a kill it is listed as `interrupted`. Until
    /// then listings do not show it: it is no exchange yet. It is not synced: only whole answers are promised to
    /// outlive the machine.
    ///
    /// # Errors
    /// As [`Recording::append`].
    pub async fn append_open(&self, exchange: Exchange) -> Result<(), AppendError> {
        self.write(Kind::Open, &exchange).await
    }

    /// Appends an addendum: the whole of an exchange whose record was written `partial`, with the same id and number.
    ///
    /// # Errors
    /// As [`Recording::append`].
    pub async fn append_addendum(&self, exchange: Exchange) -> Result<(), AppendError> {
        self.write(Kind::Addendum, &exchange).await
    }

    async fn write(&self, kind: Kind, exchange: &Exchange) -> Result<(), AppendError> {
        let gone = || AppendError::from(io::Error::other("the journal's thread has ended"));
        let (done, written) = oneshot::channel();
        let blobs = blobs_of(exchange);
        let durable = self.durability == Durability::Disk && kind != Kind::Open;
        let to_sync = if durable { blobs.clone() } else { Vec::new() };
        let patience = APPEND_TIMEOUT
            + Duration::from_secs(if to_sync.is_empty() { 0 } else { bytes_of(exchange) / SLOWEST_DISK });
        let job = Job { kind, record: encode(kind, exchange)?, row: row_of(exchange), blobs, durable, done };
        let tasks = self.shared.tasks.as_ref().ok_or_else(gone)?;
        let work = async {
            self.sync_blobs(to_sync).await?;
            match tasks.try_send(Task::Record(job)) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(task)) => tasks.send(task).await.map_err(|_| gone())?,
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(gone()),
            }
            written.await.map_err(|_| gone())?.map_err(AppendError::Disk)
        };
        tokio::time::timeout(patience, work).await.unwrap_or(Err(AppendError::TimedOut(patience)))
    }

    /// Makes body files durable, beside the journal's thread: a large one must not hold up the others.
    async fn sync_blobs(&self, blobs: Vec<ContentHash>) -> Result<(), AppendError> {
        if blobs.is_empty() {
            return Ok(());
        }
        let layout = self.shared.layout.clone();
        let synced = tokio::task::spawn_blocking(move || blobs.iter().try_for_each(|hash| sync_blob(&layout, *hash)));
        synced.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(AppendError::from)
    }

    /// A new body file.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn blob(&self) -> io::Result<BlobWriter> {
        BlobWriter::create(self.shared.layout.clone())
    }

    /// The stream file of an exchange. It is removed when the exchange's record has been appended.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn stream(&self, id: ExchangeId) -> io::Result<StreamFile> {
        let file = StreamFile::create(self.shared.layout.clone(), id)?;
        self.shared.streams.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        Ok(file)
    }
}

/// The bytes of the bodies of an exchange.
fn bytes_of(exchange: &Exchange) -> u64 {
    let response = exchange.outcome.response().map_or(0, |response| response.body.size);
    exchange.request.body.size.saturating_add(response)
}

struct CloseIndex(Arc<Current>);

impl Drop for CloseIndex {
    fn drop(&mut self) {
        self.0.index().close();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.tasks = None;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        for _thread in 0..2 {
            // A disk that does not answer must not hold up the exit; what it lacks is in the journal, or lost with it.
            let _ = ended.recv_timeout(CLOSE_TIMEOUT);
        }
    }
}
