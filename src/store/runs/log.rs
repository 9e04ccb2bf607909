//! Writes the log of a run, beside the answers.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use super::record::CallRecord;
use super::{RunInfo, create};

/// How many calls a run keeps when its folder cannot be written.
pub(super) const MEMORY_CALLS: usize = 10_000;
/// What the messages of those calls may take, in bytes: past it the oldest bodies go.
const MEMORY_BYTES: usize = 64 * 1024 * 1024;
/// How many calls may wait before the one that logs them writes them itself: this bounds the memory of the queue.
const QUEUE_CALLS: usize = 1_024;
/// What their messages may take, in bytes.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;
/// How long a call may wait for the thread that writes.
const WRITE_INTERVAL: Duration = Duration::from_millis(50);
/// Room for the text of calls that is kept from one write to the next, in bytes.
const LINES_KEPT: usize = 512 * 1024;

/// Writes the calls of one run. Dropped, it writes what is queued.
pub struct RunLog {
    shared: Arc<Shared>,
    writer: Option<std::thread::JoinHandle<()>>,
    /// Why the calls are kept in memory only, if they are.
    pub memory_only: Option<String>,
}

/// Is told of each call soon after it was answered, in the order in which answers were ready; on a thread of the log.
pub type Observer = Box<dyn Fn(&CallRecord) + Send + Sync>;

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    sink: Mutex<Sink>,
    observe: Option<Observer>,
}

#[derive(Default)]
struct Queue {
    calls: Vec<CallRecord>,
    /// What their messages take.
    bytes: usize,
    /// An empty vector with room: the two take turns, so that a busy run asks for no memory.
    spare: Vec<CallRecord>,
    closed: bool,
}

impl Queue {
    fn take(&mut self) -> Vec<CallRecord> {
        self.bytes = 0;
        std::mem::replace(&mut self.calls, std::mem::take(&mut self.spare))
    }
}

enum Sink {
    /// With the text of the last calls, whose room is used again.
    File(File, Vec<u8>),
    Memory(Kept),
}

/// The last calls.
#[derive(Default)]
struct Kept {
    calls: VecDeque<CallRecord>,
    /// How many of them, from the oldest on, have lost their bodies.
    bare: usize,
    /// What their messages take.
    bytes: usize,
}

impl RunLog {
    /// Starts the log of a run under `store`. When the folder cannot be written, the last 10 000 calls are kept in
    /// memory, and [`RunLog::memory_only`] says why.
    pub fn start(store: &Path, info: &RunInfo, observe: Option<Observer>) -> RunLog {
        match create(store, info) {
            Ok(file) => RunLog::over(Sink::File(file, Vec::new()), None, observe),
            Err(error) => RunLog::over(Sink::Memory(Kept::default()), Some(error.to_string()), observe),
        }
    }

    /// A log that lives in memory, for a server inside a test.
    pub fn in_memory(observe: Option<Observer>) -> RunLog {
        RunLog::over(Sink::Memory(Kept::default()), None, observe)
    }

    fn over(sink: Sink, memory_only: Option<String>, observe: Option<Observer>) -> RunLog {
        let shared = Shared { queue: Mutex::default(), wake: Condvar::new(), sink: Mutex::new(sink), observe };
        let shared = Arc::new(shared);
        let worker = Arc::clone(&shared);
        // Without a thread the queue is written by those who fill it.
        let writer =
            std::thread::Builder::new().name("call-log".into()).spawn(move || worker.write_until_closed()).ok();
        RunLog { shared, writer, memory_only }
    }

    /// Queues a call. Waits for neither the disk nor the observer, unless a thousand calls, or 8 MiB of them, already do.
    pub fn log(&self, call: CallRecord) {
        self.queue(call);
        self.make_room();
    }

    /// Only queues a call, for who holds a lock that others wait for; [`RunLog::make_room`] is to be called without it.
    pub fn queue(&self, call: CallRecord) {
        let bytes = call.bytes();
        let mut queue = lock(&self.shared.queue);
        queue.bytes += bytes;
        queue.calls.push(call);
    }

    /// Writes what is queued if that is too much.
    pub fn make_room(&self) {
        let mut queue = lock(&self.shared.queue);
        if queue.calls.len() >= QUEUE_CALLS || queue.bytes >= QUEUE_BYTES {
            let calls = queue.take();
            // The sink is locked before the queue is let go, so that calls stay in order.
            let sink = lock(&self.shared.sink);
            drop(queue);
            self.shared.write(sink, calls);
        }
    }

    /// Writes what is queued, and returns the calls that are kept in memory (none when they are in a file). Waits for the
    /// disk and for the observer.
    pub fn flush(&self) -> Vec<CallRecord> {
        self.shared.drain();
        match &*lock(&self.shared.sink) {
            Sink::File(..) => Vec::new(),
            Sink::Memory(kept) => kept.calls.iter().cloned().collect(),
        }
    }
}

impl Drop for RunLog {
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.wake.notify_all();
        if let Some(writer) = self.writer.take() {
            // A panic of the writer has been reported by itself; what is left is written below.
            let _ = writer.join();
        }
        self.shared.drain();
    }
}

impl Shared {
    fn write_until_closed(&self) {
        loop {
            let queue = lock(&self.queue);
            if queue.closed {
                return;
            }
            drop(self.wake.wait_timeout(queue, WRITE_INTERVAL));
            self.drain();
        }
    }

    fn drain(&self) {
        loop {
            let mut queue = lock(&self.queue);
            if queue.calls.is_empty() {
                return;
            }
            // Every answer needs the queue, so the disk and the observer are waited for without it.
            let sink = match self.sink.try_lock() {
                Ok(sink) => sink,
                Err(TryLockError::Poisoned(sink)) => sink.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    drop(queue);
                    drop(lock(&self.sink));
                    continue;
                }
            };
            let calls = queue.take();
            drop(queue);
            return self.write(sink, calls);
        }
    }

    fn write(&self, mut sink: MutexGuard<'_, Sink>, mut calls: Vec<CallRecord>) {
        if let Some(observe) = &self.observe {
            calls.iter().for_each(observe);
        }
        sink.write(&mut calls);
        // The queue is never locked under the sink: others lock them the other way round.
        drop(sink);
        calls.clear();
        lock(&self.queue).spare = calls;
    }
}

impl Sink {
    fn write(&mut self, calls: &mut Vec<CallRecord>) {
        if let Sink::File(file, text) = self {
            lines(calls, text);
            match file.write_all(text) {
                Ok(()) => return,
                // A full disk must not stop answers: from here on memory holds the calls.
                Err(error) => {
                    tracing::warn!("the call log cannot be written any more ({error}): memory keeps the last calls");
                    *self = Sink::Memory(Kept::default());
                }
            }
        }
        if let Sink::Memory(kept) = self {
            calls.drain(..).for_each(|call| kept.push(call));
        }
    }
}

impl Kept {
    fn push(&mut self, call: CallRecord) {
        self.bytes += call.bytes();
        self.calls.push_back(call);
        // That there was a call is known for longer than what it sent.
        while self.bytes > MEMORY_BYTES
            && let Some(oldest) = self.calls.get_mut(self.bare)
        {
            let before = oldest.bytes();
            oldest.drop_bodies();
            self.bytes -= before - oldest.bytes();
            self.bare += 1;
        }
        while self.calls.len() > MEMORY_CALLS || self.bytes > MEMORY_BYTES {
            let Some(oldest) = self.calls.pop_front() else { return };
            self.bytes -= oldest.bytes();
            self.bare = self.bare.saturating_sub(1);
        }
    }
}

fn lines(calls: &[CallRecord], text: &mut Vec<u8>) {
    text.clear();
    text.shrink_to(LINES_KEPT);
    for call in calls {
        // Nothing in a call record can fail to be JSON; a line that did would be left out whole.
        let before = text.len();
        match serde_json::to_writer(&mut *text, call) {
            Ok(()) => text.push(b'\n'),
            Err(_) => text.truncate(before),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the lock guards is valid after every single statement, so a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::store::runs::tests::call;
    use crate::store::runs::{CallResult, LOGGED_BODY, LoggedMessage};

    #[test]
    fn calls_are_logged_while_others_wait_for_an_observer_that_stands_still() {
        let ((seen, see), (go, gone)) = (mpsc::channel(), mpsc::channel::<()>());
        let gone = Mutex::new(gone);
        let observe = move |call: &CallRecord| {
            let _ = seen.send(call.call);
            // Stands still until the test lets it go on.
            let _ = lock(&gone).recv();
        };
        let log = RunLog::in_memory(Some(Box::new(observe)));
        log.log(call(1, CallResult::Exact));
        assert_eq!(see.recv(), Ok(1));
        let log = &log;
        std::thread::scope(|scope| {
            log.log(call(2, CallResult::Exact));
            let (about, begun) = mpsc::channel();
            let flushing = scope.spawn(move || {
                let _ = about.send(());
                log.flush()
            });
            let _ = begun.recv();
            // Each would hang if a flush held the queue meanwhile.
            for number in 3..=500 {
                log.log(call(number, CallResult::Exact));
                std::thread::yield_now();
            }
            drop(go);
            let kept: Vec<u64> = flushing.join().unwrap().iter().map(|call| call.call).collect();
            assert!(kept.starts_with(&[1, 2]), "what was logged before the flush is there: {kept:?}");
        });
        assert_eq!(log.flush().iter().map(|call| call.call).collect::<Vec<_>>(), Vec::from_iter(1..=500), "in order");
    }

    #[test]
    fn large_messages_take_bounded_memory() {
        let log = RunLog::in_memory(None);
        let body = "x".repeat(LOGGED_BODY);
        let message = LoggedMessage { fields: Vec::new(), body_bytes: body.len() as u64, body, body_dropped: false };
        for number in 1..=2_000 {
            let (request, response) = (Some(message.clone()), Some(message.clone()));
            log.log(CallRecord { request, response, ..call(number, CallResult::Exact) });
            assert!(lock(&log.shared.queue).bytes < QUEUE_BYTES);
        }
        let kept = log.flush();
        assert_eq!(kept.len(), 2_000, "no call is forgotten because of its body");
        let whole = MEMORY_BYTES / (2 * LOGGED_BODY);
        for (at, call) in kept.iter().enumerate() {
            for message in call.request.iter().chain(&call.response) {
                assert_eq!(message.body_dropped, at < kept.len() - whole, "call {}", call.call);
                assert_eq!(message.body.is_empty(), message.body_dropped);
            }
        }
    }

    #[test]
    fn what_large_fields_take_in_memory_is_bounded_too() {
        let mut kept = Kept::default();
        let fields = vec![("x-large".to_owned(), "x".repeat(1024 * 1024))];
        let message = LoggedMessage { fields, body: "x".into(), body_bytes: 1, body_dropped: false };
        for number in 1..=100 {
            kept.push(CallRecord { request: Some(message.clone()), ..call(number, CallResult::Miss) });
            assert!(kept.bytes <= MEMORY_BYTES && kept.bare <= kept.calls.len());
            assert_eq!(kept.bytes, kept.calls.iter().map(CallRecord::bytes).sum::<usize>());
        }
        assert_eq!(kept.calls.back().map(|call| call.call), Some(100));
    }
}
