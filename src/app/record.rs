//! A recorder: store, masking, front door and forwarder put together, run, and drained.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::wiring::url_of;
use crate::control::{self, ControlServer};
use crate::forward::Forward;
use crate::model::Origin;
use crate::proxy::{self, Server};
use crate::recorder::{Observer, Options, Recorder, Tally};
use crate::redact::{KnownSecret, Masker};
use crate::settings::Settings;
use crate::store::running::{self, Registration, Running};
use crate::store::{Durability, Edit, History, HistoryError, Holder, OpenError, Query, open_for_recording};
use crate::tls::{Ca, Leaves, TlsError, TrustFiles, UpstreamTrust, client_config, write_trust_files};
use crate::wire::listener::BindError;
use crate::wire::own;
use crate::wire::upstream::{Limits, Upstream};

/// What the user asked for.
#[derive(Debug, Clone)]
pub struct RecordOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The origin to stand in for.
    pub to: Option<Origin>,
    /// The session's name; by default the day and a number.
    pub session: Option<String>,
    /// Tags of every exchange.
    pub tags: Vec<String>,
    /// How upstream certificates are trusted.
    pub trust: UpstreamTrust,
    /// Whether credentials are recorded as they are.
    pub keep_secrets: bool,
    /// Whether a call fails whose exchange cannot be written.
    pub strict: bool,
    /// What a recorded exchange survives; none leaves it to the settings.
    pub durability: Option<Durability>,
    /// Hosts that clients are to call directly.
    pub no_proxy: Vec<String>,
    /// The command line, for people who ask who holds the store; without secrets.
    pub command: Vec<String>,
    /// The user's folder for sockets (`XDG_RUNTIME_DIR`), if there is one.
    pub runtime_dir: Option<PathBuf>,
}

/// Why a recorder could not start.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The origin to stand in for is the recorder.
    #[error("--to {to} is retake itself, listening on {address}")]
    Itself {
        /// The origin.
        to: Origin,
        /// Where we listen.
        address: SocketAddr,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The CA, or the files that upstream trust was to come from.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The history, asked for the sessions of the day.
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// A recorder at work. Dropped, it stops at once.
pub struct RunningRecorder {
    /// Where it listens.
    pub address: SocketAddr,
    /// The URL that clients use.
    pub url: String,
    /// The files that clients are pointed at.
    pub trust: TrustFiles,
    /// The session's name.
    pub session: String,
    /// What had to be put in order at the start, or does not work; a sentence each.
    pub notices: Vec<String>,
    recorder: Arc<Recorder>,
    stop: CancellationToken,
    server: JoinHandle<()>,
    _control: Option<ControlServer>,
    _registration: Option<Registration>,
}

impl RunningRecorder {
    /// Starts a recorder; needs a tokio runtime.
    ///
    /// # Errors
    /// The store is held by another recorder or cannot be opened, the address is taken, or certificates are unusable.
    pub async fn start(
        settings: &Settings,
        options: RecordOptions,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, RecordError> {
        let server = bind(settings, &options).map_err(|error| of_the_store(error, settings, &options))?;
        let address = server.local_addr();
        not_itself(options.to.as_ref(), address).await?;
        let ca = Arc::new(Ca::load_or_create(&settings.ca_dir)?);
        let trust = write_trust_files(&ca, &settings.ca_dir)?;
        let upstream = Upstream::new(client_config(&options.trust)?, Limits::default());
        let (recording, history) = open_for_recording(&settings.store, holder(address, &options))?;
        let recording = recording
            .durable(options.durability.unwrap_or(settings.durability))
            .map_err(|source| RecordError::Store(OpenError::Io { path: settings.store.clone(), source }))?;
        let mut notices = recording.repairs();
        notices.extend(settings.mask.secrets.iter().filter(|secret| !secret.is_findable()).map(too_short));
        let session = match &options.session {
            Some(name) => name.clone(),
            None => next_session(history.as_ref(), &Timestamp::now().to_zoned(TimeZone::system()).date().to_string())?,
        };
        let masker = match options.keep_secrets {
            true => Masker::off(),
            false => Masker::new(recording.mask_key(), settings.mask.clone()),
        };
        let run = Options { session: session.clone(), tags: options.tags.clone(), strict: options.strict };
        prune(history.clone(), settings, observer.clone());
        let recorder = Recorder::new(recording, masker, run, observer);
        let control = kept(
            control::serve(history, &settings.store, options.runtime_dir.as_deref()),
            "other commands cannot read the history while this recorder runs",
            &mut notices,
        );
        let entry = entry(address, &trust, &session, &options, control.as_ref());
        let registration =
            kept(running::register(&settings.store, &entry), "`retake env` does not find this recorder", &mut notices);
        let forward = Arc::new(Forward::new(recorder.clone(), upstream, options.to));
        let stop = CancellationToken::new();
        let leaves = Arc::new(Leaves::new(ca));
        let serving = server.run(forward, leaves, proxy::Limits::default(), stop.clone());
        Ok(RunningRecorder {
            address,
            url: entry.url,
            trust,
            session,
            notices,
            recorder,
            stop,
            server: tokio::spawn(serving),
            _control: control,
            _registration: registration,
        })
    }

    /// What was recorded so far.
    pub fn tally(&self) -> Tally {
        self.recorder.tally()
    }

    /// Stops accepting, lets calls in progress finish, writes what is to be written, and says what was recorded.
    pub async fn stop(mut self) -> Tally {
        self.stop.cancel();
        // A panic in the server was reported where it happened; what was recorded counts all the same.
        let _ = (&mut self.server).await;
        self.recorder.drain().await;
        self.recorder.tally()
    }
}

impl Drop for RunningRecorder {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Prunes as the settings say, beside the traffic, and tells in one line what went.
fn prune(history: Arc<dyn History>, settings: &Settings, observer: Arc<dyn Observer>) {
    let retention = &settings.retention;
    if retention.keep.is_none() && retention.max_size.is_none() {
        return;
    }
    let older_than = retention.keep.and_then(|keep| Timestamp::now().checked_sub(keep).ok());
    let (max_bytes, keep_tagged) = (retention.max_size, retention.keep_tagged);
    let edit = Edit::Prune { older_than, max_bytes, keep_tagged, dry_run: false };
    tokio::task::spawn_blocking(move || match history.edit(&edit) {
        Ok(report) if report.exchanges == 0 => {}
        Ok(report) => observer.note(format!(
            "{} exchange(s) were removed from the history, as `[history]` in the settings says",
            report.exchanges
        )),
        Err(error) => observer.note(format!("the history could not be pruned as `[history]` says: {error}")),
    });
}

/// An address in use by the recorder that has the store: that one is named, not just the address.
fn of_the_store(error: RecordError, settings: &Settings, options: &RecordOptions) -> RecordError {
    if !matches!(error, RecordError::Bind(BindError::InUse(_))) {
        return error;
    }
    match open_for_recording(&settings.store, holder(options.listen, options)) {
        Err(locked @ OpenError::Locked { .. }) => RecordError::Store(locked),
        _ => error,
    }
}

/// Refuses to stand in for our own listener. A name that cannot be looked up now may be later: then each call is checked.
async fn not_itself(to: Option<&Origin>, address: SocketAddr) -> Result<(), RecordError> {
    let Some(to) = to else { return Ok(()) };
    let Ok(mut found) = tokio::net::lookup_host((to.host(), to.authority.port())).await else { return Ok(()) };
    if found.any(own::is_own) { Err(RecordError::Itself { to: to.clone(), address }) } else { Ok(()) }
}

fn bind(settings: &Settings, options: &RecordOptions) -> Result<Server, RecordError> {
    let taken = match Server::bind(options.listen) {
        Ok(server) => return Ok(server),
        Err(taken) => taken,
    };
    let recorder = running::list(&settings.store).into_iter().find(|other| other.kind == running::Kind::Record);
    match recorder {
        Some(other) => Err(RecordError::Store(OpenError::Locked {
            store: settings.store.clone(),
            pid: other.pid,
            listener: other.listen.to_string(),
            command: other.command.join(" "),
        })),
        None => Err(RecordError::Bind(taken)),
    }
}

fn holder(address: SocketAddr, options: &RecordOptions) -> Holder {
    Holder { listener: address.to_string(), command: options.command.join(" ") }
}

fn entry(
    address: SocketAddr,
    trust: &TrustFiles,
    session: &str,
    options: &RecordOptions,
    control: Option<&ControlServer>,
) -> Running {
    Running {
        kind: running::Kind::Record,
        pid: std::process::id(),
        listen: address,
        url: url_of(address),
        ca: trust.ca.clone(),
        command: options.command.clone(),
        started_at: Timestamp::now(),
        session: Some(session.to_owned()),
        collections: Vec::new(),
        run: None,
        control: control.map(|control| control.socket().to_owned()),
        no_proxy: options.no_proxy.clone(),
    }
}

/// A convenience that may be missing: recording goes on, and the user is told.
fn too_short(secret: &KnownSecret) -> String {
    format!(
        "the value of RETAKE_SECRET_{} is not looked for: it would have to be one line of 8 to 8192 bytes",
        secret.label
    )
}

fn kept<T>(result: std::io::Result<T>, without: &str, notices: &mut Vec<String>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            notices.push(format!("{without}: {error}"));
            None
        }
    }
}

/// The first name of this day that no session has: `2026-11-20-3`.
fn next_session(history: &dyn History, day: &str) -> Result<String, HistoryError> {
    let mut number = 1_u32;
    loop {
        let name = format!("{day}-{number}");
        let query = Query { session: Some(name.clone()), ..Query::default() };
        if history.list(&query, None, 1)?.rows.is_empty() {
            return Ok(name);
        }
        number += 1;
    }
}
