//! From flow to exchange to history: the copy on the side, masked, and the last bytes held until the record is safe.
//!
//! One [`Flow`] per call. The order of writes: the frame that completes a body of known length, else the end of the
//! stream, else the head itself is held until the record is in the journal, so that whoever saw a whole answer finds it
//! in the history, whatever happens to this process afterwards.

pub mod copy;
mod flow;
#[cfg(test)]
pub(crate) mod gate;
mod request;
mod response;
mod tunnel;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::task::TaskTracker;

pub use flow::{Flow, ResponseHead, Unrecorded};
pub use request::{RequestBody, Source};
pub use tunnel::TunnelRow;

use crate::model::{Exchange, Outcome};
use crate::redact::Masker;
use crate::store::{AppendError, Recording};

/// What is said of an exchange when it is over: enough for a line of the live log. Masked already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The exchange's number in its store.
    pub number: u64,
    /// The method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// The status code, if an answer came.
    pub status: Option<u16>,
    /// `complete`, `failed`, `cancelled`, `relayed`.
    pub outcome: &'static str,
    /// Why, where the outcome needs a reason.
    pub reason: Option<String>,
    /// Bytes of the response body as received.
    pub response_bytes: u64,
    /// From the request's head to the end.
    pub duration: Duration,
    /// Whether it is in the history.
    pub recorded: bool,
}

/// Who hears what happens. Called on the way of traffic: implementations must not block.
pub trait Observer: Send + Sync + 'static {
    /// An exchange is over.
    fn finished(&self, summary: Summary);
    /// For the first time in this run an exchange could not be written.
    fn not_recorded(&self, reason: &AppendError);
    /// Something that is no exchange, in words: a refused certificate, a message that was no HTTP.
    fn note(&self, text: String);
}

/// What a session recorded, so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Exchanges in the history.
    pub recorded: u64,
    /// Exchanges that passed unrecorded.
    pub not_recorded: u64,
    /// Exchanges without a whole response among the recorded: failed, cancelled, relayed.
    pub without_response: u64,
    /// Exchanges per host and port.
    pub hosts: BTreeMap<String, u64>,
    /// Why listings lack the newest exchanges, if the index failed; the journal has them.
    pub index_trouble: Option<String>,
}

/// What one session writes with: the store, the masker, and the name of the session.
pub struct Recorder {
    journal: Journal,
    masker: Masker,
    session: String,
    tags: Vec<String>,
    strict: bool,
    observer: Arc<dyn Observer>,
    tasks: TaskTracker,
    told: AtomicBool,
    recorded: AtomicU64,
    not_recorded: AtomicU64,
    without_response: AtomicU64,
    hosts: Mutex<BTreeMap<String, u64>>,
}

/// How a session records.
pub struct Options {
    /// Its name.
    pub session: String,
    /// Tags of every exchange.
    pub tags: Vec<String>,
    /// Whether a call fails whose exchange cannot be written.
    pub strict: bool,
}

impl Recorder {
    /// Hosts counted one by one; further ones are counted together.
    const HOSTS: usize = 1000;

    /// A recorder of one session.
    pub fn new(recording: Recording, masker: Masker, options: Options, observer: Arc<dyn Observer>) -> Arc<Self> {
        Arc::new(Recorder {
            journal: Journal::new(recording),
            masker,
            session: options.session,
            tags: options.tags,
            strict: options.strict,
            observer,
            tasks: TaskTracker::new(),
            told: AtomicBool::new(false),
            recorded: AtomicU64::new(0),
            not_recorded: AtomicU64::new(0),
            without_response: AtomicU64::new(0),
            hosts: Mutex::default(),
        })
    }

    /// The masker of the session.
    pub fn masker(&self) -> &Masker {
        &self.masker
    }

    /// What stops appends in tests.
    #[cfg(test)]
    pub(crate) fn gate(&self) -> &gate::Gate {
        &self.journal.gate
    }

    /// Passes words to the observer, secrets in them masked.
    pub fn note(&self, text: &str) {
        self.observer.note(self.masker.text(text).into_owned());
    }

    /// What was recorded so far.
    pub fn tally(&self) -> Tally {
        Tally {
            recorded: self.recorded.load(Ordering::Relaxed),
            not_recorded: self.not_recorded.load(Ordering::Relaxed),
            without_response: self.without_response.load(Ordering::Relaxed),
            hosts: self.hosts.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            index_trouble: self.journal.recording.index_trouble(),
        }
    }

    /// Waits until records that are still being written (of cancelled calls, of late requests) are written.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }

    /// Runs a write that nobody waits for.
    fn spawn(&self, write: impl Future<Output = ()> + Send + 'static) {
        // Outside a runtime (it is being shut down) there is nobody left to write.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.tasks.spawn_on(write, &runtime);
        }
    }

    /// Appends a finished exchange, counts it, and tells the observer.
    async fn append(&self, exchange: Exchange) -> Result<(), AppendError> {
        let summary = Summary::of(&exchange);
        let host = exchange.request.origin.authority.to_string();
        let result = self.journal.append(exchange).await;
        self.count(host, summary, result)
    }

    /// Counts an exchange that cannot be appended because its body was lost.
    fn give_up(&self, exchange: &Exchange, reason: AppendError) -> Result<(), AppendError> {
        self.count(exchange.request.origin.authority.to_string(), Summary::of(exchange), Err(reason))
    }

    fn count(&self, host: String, mut summary: Summary, result: Result<(), AppendError>) -> Result<(), AppendError> {
        match &result {
            Ok(()) => {
                self.recorded.fetch_add(1, Ordering::Relaxed);
                if summary.outcome != "complete" {
                    self.without_response.fetch_add(1, Ordering::Relaxed);
                }
                self.count_host(host);
            }
            Err(reason) => {
                self.not_recorded.fetch_add(1, Ordering::Relaxed);
                summary.recorded = false;
                self.tell_once(reason);
            }
        }
        self.observer.finished(summary);
        result
    }

    fn count_host(&self, host: String) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let host = if hosts.len() < Self::HOSTS || hosts.contains_key(&host) { host } else { "others".to_owned() };
        *hosts.entry(host).or_default() += 1;
    }

    fn tell_once(&self, reason: &AppendError) {
        if !self.told.swap(true, Ordering::Relaxed) {
            self.observer.not_recorded(reason);
        }
    }
}

impl Summary {
    fn of(exchange: &Exchange) -> Self {
        let reason = match &exchange.outcome {
            Outcome::Failed(failure, _) => Some(failure.message.clone()),
            Outcome::Relayed(relayed) => Some(relayed.reason.clone()),
            _ => None,
        };
        let response_bytes = match &exchange.outcome {
            Outcome::Relayed(relayed) => relayed.received,
            outcome => outcome.response().map_or(0, |response| response.body.wire_size),
        };
        Summary {
            number: exchange.number,
            method: exchange.request.method.clone(),
            url: exchange.request.url(),
            status: exchange.status(),
            outcome: exchange.outcome.word(),
            reason,
            response_bytes,
            duration: Duration::from_micros(exchange.timings.total_us),
            recorded: true,
        }
    }
}

/// The store as a flow sees it; tests stop and fail its appends.
struct Journal {
    recording: Recording,
    #[cfg(test)]
    gate: gate::Gate,
}

impl Journal {
    fn new(recording: Recording) -> Self {
        Journal {
            recording,
            #[cfg(test)]
            gate: gate::Gate::default(),
        }
    }

    async fn append(&self, exchange: Exchange) -> Result<(), AppendError> {
        #[cfg(test)]
        self.gate.pass().await?;
        self.recording.append(exchange).await
    }
}
