//! Assembles a replay server: collections, engine, log, listener.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::wiring::url_of;
use crate::collection::{OriginPattern, PortPattern, Profile};
use crate::model::Authority;
use crate::proxy;
use crate::redact::{MaskKey, MaskRules, Masker};
use crate::replay::answer::AnswerOptions;
use crate::replay::engine::{Engine, EngineError, Options};
use crate::replay::serve::{Serve, ServeOptions};
use crate::report::receipt::Receipt;
use crate::store::collections::{self, LoadError};
use crate::store::runs::{Observer, RunInfo, RunLog};
use crate::tls::{Ca, Leaves, TlsError};
use crate::wire::listener::BindError;

/// What a replay serves, and how.
#[derive(Debug, Clone)]
pub struct ReplayPlan {
    /// Names for reports, and the folders.
    pub collections: Vec<(String, PathBuf)>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Instead of the profile that the first collection names.
    pub profile: Option<Profile>,
    /// How it answers: the clock, chance, delays and variables.
    pub answers: AnswerOptions,
    /// How misses are answered, and whether answers are explained.
    pub serve: ServeOptions,
    /// What the user adds to masking, for the call log and the reports.
    pub mask: MaskRules,
    /// The store whose `runs/` takes the call log; `None` keeps it in memory.
    pub store: Option<PathBuf>,
    /// The command that will be run, for `run.json`.
    pub command: Vec<String>,
}

/// Why a replay could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A collection that is not there, or has faults.
    #[error("{error}{}", listed(error))]
    Load {
        /// The collection.
        name: String,
        /// What is wrong with it.
        error: LoadError,
    },
    /// A collection that cannot be served.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The address is taken, or not ours.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The CA.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Every fault of a collection, a line each.
fn listed(error: &LoadError) -> String {
    match error {
        LoadError::Faulty { faults, .. } => faults.iter().map(|fault| format!("\n  {fault}")).collect(),
        LoadError::NotThere(_) | LoadError::HalfWritten(..) | LoadError::Io(..) => String::new(),
    }
}

/// A replay server that listens. Dropped, it stops at once; [`Running::stop`] drains.
pub struct Running {
    serve: Arc<Serve>,
    address: SocketAddr,
    run: Option<String>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

/// Loads the collections and starts to serve them.
///
/// # Errors
/// See [`StartError`]. Nothing listens then.
///
/// # Panics
/// Outside a tokio runtime.
pub fn start(plan: ReplayPlan, ca: Arc<Ca>, observe: Option<Observer>) -> Result<Running, StartError> {
    let mut loaded = Vec::with_capacity(plan.collections.len());
    for (name, dir) in &plan.collections {
        let collection =
            collections::load_to_serve(dir).map_err(|error| StartError::Load { name: name.clone(), error })?;
        loaded.push((name.clone(), collection));
    }
    // A plan may be started twice, and the end of one run is none of the other's.
    let answers = AnswerOptions { stop: CancellationToken::new(), ..plan.answers.clone() };
    let engine = Engine::new(loaded, Options { profile: plan.profile, answers })?;
    let server = proxy::Server::bind(plan.listen)?;
    let address = server.local_addr();
    let (run, log) = open_log(&plan, address, observe);
    // What a log or report masks need not be the same in another run.
    let masker = Masker::new(MaskKey(crate::store::random_key()), plan.mask);
    let serve = Arc::new(Serve::new(engine, address.port(), plan.serve, masker, log, run.clone()));
    let shutdown = CancellationToken::new();
    let leaves = Arc::new(Leaves::new(ca));
    let task = tokio::spawn(server.run(Arc::clone(&serve), leaves, proxy::Limits::default(), shutdown.clone()));
    Ok(Running { serve, address, run, shutdown, task })
}

fn open_log(plan: &ReplayPlan, address: SocketAddr, observe: Option<Observer>) -> (Option<String>, RunLog) {
    let Some(store) = &plan.store else { return (None, RunLog::in_memory(observe)) };
    let started_at = Timestamp::now();
    let pid = std::process::id();
    let info = RunInfo {
        run: format!("{}-{pid}", started_at.strftime("%Y%m%d-%H%M%S")),
        pid,
        started_at,
        collections: plan.collections.iter().map(|(_, dir)| dir.clone()).collect(),
        url: url_of(address),
        command: plan.command.clone(),
    };
    let log = RunLog::start(store, &info, observe);
    (Some(info.run), log)
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the server, to be used as a proxy and as a base URL alike.
    pub fn url(&self) -> String {
        url_of(self.address)
    }

    /// The name of this run, where it has a log in the store.
    pub fn run(&self) -> Option<&str> {
        self.run.as_deref()
    }

    /// What answers.
    pub fn serve(&self) -> &Serve {
        &self.serve
    }

    /// The base URL of each origin for a client that does not use proxies.
    pub fn base_urls(&self) -> Vec<(String, String)> {
        let base = |origin: &OriginPattern| (origin.to_string(), format!("{}/@{}", self.url(), shown(origin)));
        self.serve.engine().origins().iter().map(base).collect()
    }

    /// What the run came to so far.
    pub fn receipt(&self) -> Receipt {
        self.serve.receipt()
    }

    /// Stops accepting, lets calls in progress end, and returns the receipt. Dropping the future stops at once.
    pub async fn stop(mut self) -> Receipt {
        self.shutdown.cancel();
        // What only waits need not be waited for.
        self.serve.engine().around().stop.cancel();
        // A panic of the accept loop has been reported by itself; the receipt stands all the same.
        let _ = (&mut self.task).await;
        self.serve.log().flush();
        self.serve.receipt()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.serve.engine().around().stop.cancel();
        self.task.abort();
    }
}

fn shown(origin: &OriginPattern) -> String {
    let host = Authority::new(&origin.host, 0).url_host();
    match origin.port {
        PortPattern::Exactly(port) if port != origin.scheme.default_port() => format!("{host}:{port}"),
        PortPattern::Exactly(_) => host,
        PortPattern::Any => format!("{host}:PORT"),
    }
}

/// The name that reports use for a collection's folder.
pub fn name_of(dir: &Path) -> String {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    absolute.file_name().map_or_else(|| dir.display().to_string(), |name| name.to_string_lossy().into_owned())
}
