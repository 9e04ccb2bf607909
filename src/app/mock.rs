//! Replay inside a Rust test.

mod expectation;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;

pub use expectation::Called;
pub use verify::{Asked, Verify};

use super::replay::{self, ReplayPlan, Running, StartError, name_of};
use crate::collection::{Delay, Profile};
use crate::redact::MaskRules;
use crate::replay::answer::AnswerOptions;
use crate::replay::serve::ServeOptions;
use crate::report::receipt::Receipt;
use crate::tls::Ca;

/// A collection to be replayed inside a test: own port, own cursor, a CA in memory. Needs no store and no settings.
///
/// ```
/// # use std::{fs, error::Error};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let folder = dir.path().join("github");
/// # fs::create_dir_all(folder.join("stubs/api.github.com"))?;
/// # fs::write(folder.join("collection.json"), r#"{"version": 1, "name": "github", "origins": ["https://api.github.com"]}"#)?;
/// # fs::write(folder.join("stubs/api.github.com/get-zen.json"), r#"{"version": 1, "method": "GET",
/// #   "origin": "https://api.github.com", "path": "/zen", "scenarios": [{"name": "ok",
/// #   "response": {"status": 200, "body": {"text": "Keep it simple."}}}]}"#)?;
/// let mock = retake::Replay::open(&folder).start().await?;
///
/// // A client with a base URL of its own: here a bare socket, to need no HTTP client.
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// let mut client = tokio::net::TcpStream::connect(mock.address()).await?;
/// client.write_all(b"GET /zen HTTP/1.1\r\nHost: api.github.com\r\nConnection: close\r\n\r\n").await?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await?;
/// assert!(answer.ends_with("Keep it simple."));
///
/// // What the client did; each of these panics with the calls that came near.
/// let calls = mock.verify();
/// calls.called("GET", "/zen").times(1);
/// calls.called("DELETE", "/{anything}").never();
/// calls.in_order([retake::Called::new("GET", "/zen")]);
///
/// mock.finish().await?; // Err with the miss report, if any call missed
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Replay {
    folder: PathBuf,
    profile: Option<Profile>,
    answers: AnswerOptions,
}

impl Replay {
    /// The collection in this folder. Nothing is read yet.
    pub fn open(folder: impl Into<PathBuf>) -> Replay {
        Replay { folder: folder.into(), profile: None, answers: AnswerOptions::default() }
    }

    /// Matches by this profile, whatever the collection says.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Replay {
        self.profile = Some(profile);
        self
    }

    /// Chance (`{{$guid}}` and its like, delays, faults) comes from this seed: the same calls get the same answers.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Replay {
        self.answers.seed = seed;
        self
    }

    /// The present stands still at this moment.
    #[must_use]
    pub fn now(mut self, now: jiff::Timestamp) -> Replay {
        self.answers.now = Some(now);
        self
    }

    /// Answers wait so long, whatever the collection says.
    #[must_use]
    pub fn delay(mut self, delay: Delay) -> Replay {
        self.answers.delay = Some(delay);
        self
    }

    /// The value of a variable that the collection names.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Replay {
        self.answers.variables.insert(name.into(), value.into());
        self
    }

    /// Reads the collection and serves it on a free port of the loopback interface.
    ///
    /// # Errors
    /// [`StartError`] when the collection is missing or faulty (every fault with file and line), or no port is free.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    ///
    /// # Cancellation
    /// Dropping the future before it resolves leaves nothing behind.
    pub async fn start(self) -> Result<Mock, StartError> {
        let plan = ReplayPlan {
            given: vec![self.folder.display().to_string()],
            collections: vec![(name_of(&self.folder), self.folder)],
            listen: ([127, 0, 0, 1], 0).into(),
            also_listen: Vec::new(),
            profile: self.profile,
            answers: self.answers,
            serve: ServeOptions { keep_requests: true, whole_bodies: true, ..ServeOptions::default() },
            trust: Default::default(),
            mask: MaskRules::default(),
            store: None,
            command: Vec::new(),
            live: false,
            runtime_dir: None,
        };
        let ca = Arc::new(Ca::in_memory()?);
        let running = replay::start(plan, Arc::clone(&ca), None, None)?;
        Ok(Mock { running, ca })
    }
}

/// A collection being served inside a test. Dropped, it stops at once, and misses go unnoticed: call [`Mock::finish`].
pub struct Mock {
    running: Running,
    ca: Arc<Ca>,
}

impl Mock {
    /// `http://127.0.0.1:PORT`: the base URL for a client that can be told one, and the proxy URL for one that cannot.
    pub fn url(&self) -> String {
        self.running.url()
    }

    /// Where it listens.
    pub fn address(&self) -> std::net::SocketAddr {
        self.running.address()
    }

    /// The base URL under which one origin is served alone, for a collection with several:
    /// `http://127.0.0.1:PORT/@api.github.com`.
    pub fn origin_url(&self, host: &str) -> String {
        format!("{}/@{host}", self.url())
    }

    /// The CA's certificate in PEM, for a client that goes through the proxy over TLS.
    pub fn ca_pem(&self) -> &str {
        self.ca.certificate_pem()
    }

    /// What was served and missed so far.
    pub fn receipt(&self) -> Receipt {
        self.running.receipt()
    }

    /// The calls so far, to be asked about: who was called, how often, with what, in which order. Of more than 10 000 calls
    /// the last are known, and of more than 64 MiB of their bodies the last: a question that needs an older body fails, and
    /// says so. Whatever a client has seen answered is among the calls.
    pub fn verify(&self) -> Verify {
        let serve = self.running.serve();
        Verify::new(serve.log().flush(), serve.masker().clone())
    }

    /// Stops the server, and tells whether every call matched.
    ///
    /// # Errors
    /// [`Missed`] with the report of every miss; it also holds the receipt. A mock that was never called is an error
    /// too: a test that served nothing proves nothing.
    ///
    /// # Cancellation
    /// Dropping the future stops the server at once.
    pub async fn finish(self) -> Result<Receipt, Missed> {
        self.running.serve().log().flush();
        let calls = self.running.serve().log().flush();
        let receipt = self.running.stop().await;
        if receipt.missed == 0 && receipt.served > 0 {
            return Ok(receipt);
        }
        let reports = calls.iter().filter_map(|call| call.report_text.clone()).collect();
        Err(Missed { receipt: Box::new(receipt), reports })
    }
}

/// Some call matched nothing, or there was no call at all.
#[derive(Debug)]
pub struct Missed {
    /// What was served and missed.
    pub receipt: Box<Receipt>,
    /// The report of each miss, as text.
    pub reports: Vec<String>,
}

impl std::fmt::Display for Missed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.receipt.missed == 0 {
            return write!(f, "the mock was never called\n{}", self.receipt.text());
        }
        write!(f, "{}", self.receipt.text())?;
        self.reports.iter().try_for_each(|report| write!(f, "\n{report}"))
    }
}

impl std::error::Error for Missed {}
