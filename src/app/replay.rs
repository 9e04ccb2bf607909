//! Assembles a replay server: collections, engine, log, listener.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::fallback::{Fallbacks, RecordingError};
use super::live::{self, Live};
use super::wiring::url_of;
use crate::collection::{OriginPattern, PortPattern, Profile};
use crate::control::{self, ReplayControl};
use crate::model::Authority;
use crate::proxy;
use crate::redact::{MaskKey, MaskRules, Masker};
use crate::replay::answer::AnswerOptions;
use crate::replay::engine::{Engine, EngineError, Options};
use crate::replay::serve::{Serve, ServeOptions};
use crate::report::receipt::Receipt;
use crate::store::collections::{self, LoadError};
use crate::store::runs::{Observer, RunInfo, RunLog};
use crate::tls::{Ca, Leaves, TlsError, UpstreamTrust};
use crate::wire::listener::BindError;

/// What a replay serves, and how.
#[derive(Debug, Clone)]
pub struct ReplayPlan {
    /// Names for reports, and the folders.
    pub collections: Vec<(String, PathBuf)>,
    /// How a command line names them, for commands in reports; by their names where it says nothing.
    pub given: Vec<String>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where it listens beside.
    pub also_listen: Vec<SocketAddr>,
    /// Instead of the profile that the first collection names.
    pub profile: Option<Profile>,
    /// How it answers: the clock, chance, delays and variables.
    pub answers: AnswerOptions,
    /// How misses are answered, and whether answers are explained.
    pub serve: ServeOptions,
    /// How upstream certificates are trusted, for calls that go on to their origins.
    pub trust: UpstreamTrust,
    /// What the user adds to masking, for the call log and the reports.
    pub mask: MaskRules,
    /// The store whose `runs/` takes the call log; `None` keeps it in memory.
    pub store: Option<PathBuf>,
    /// The command that will be run, for `run.json`.
    pub command: Vec<String>,
    /// Whether changes of the files are served from then on.
    pub live: bool,
    /// The user's folder for sockets (`XDG_RUNTIME_DIR`), if there is one.
    pub runtime_dir: Option<PathBuf>,
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
    /// What misses were to be recorded with.
    #[error(transparent)]
    Recording(#[from] RecordingError),
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
    /// What does not work, a sentence each.
    pub notices: Vec<String>,
    fallbacks: Fallbacks,
    live: Option<Live>,
    control: Option<ReplayControl>,
    also: Vec<SocketAddr>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// Loads the collections and starts to serve them.
///
/// # Errors
/// See [`StartError`]. Nothing listens then.
///
/// # Panics
/// Outside a tokio runtime.
pub fn start(
    plan: ReplayPlan,
    ca: Arc<Ca>,
    observe: Option<Observer>,
    edited: Option<live::Told>,
) -> Result<Running, StartError> {
    let mut loaded = Vec::with_capacity(plan.collections.len());
    for (name, dir) in &plan.collections {
        let collection =
            collections::load_to_serve(dir).map_err(|error| StartError::Load { name: name.clone(), error })?;
        loaded.push((name.clone(), collection));
    }
    // A plan may be started twice, and the end of one run is none of the other's.
    let answers = AnswerOptions { stop: CancellationToken::new(), ..plan.answers.clone() };
    let engine = Engine::new(loaded, Options { profile: plan.profile, answers, given: plan.given.clone() })?;
    let listen = std::iter::once(&plan.listen).chain(&plan.also_listen);
    let servers = listen.map(|address| proxy::Server::bind(*address)).collect::<Result<Vec<_>, _>>()?;
    let addresses: Vec<SocketAddr> = servers.iter().map(proxy::Server::local_addr).collect();
    let (address, also) = (addresses[0], addresses[1..].to_vec());
    let ports = addresses.iter().map(SocketAddr::port).collect();
    let (run, log) = open_log(&plan, address, observe);
    // What a log or report masks need not be the same in another run.
    let masker = Masker::new(MaskKey(crate::store::random_key()), plan.mask.clone());
    let fallbacks = Fallbacks::open(&plan, &engine, run.as_deref(), address)?;
    let settings = settings_blake3(&plan, &engine);
    let serve = Serve::new(engine, ports, plan.serve, masker, log, run.clone());
    let serve = Arc::new(serve.with_ways(fallbacks.ways()).with_settings(settings));
    let mut notices = Vec::new();
    let live = plan.live.then(|| live::watch(Arc::clone(&serve), plan.collections, edited));
    let live = live.transpose().unwrap_or_else(|error| {
        notices.push(format!("changes of the files are not served: they cannot be watched ({error})"));
        None
    });
    let control = plan.store.as_deref().filter(|_| run.is_some());
    let control = control.map(|store| control::serve_replay(Arc::clone(&serve), store, plan.runtime_dir.as_deref()));
    let control = control.transpose().unwrap_or_else(|error| {
        notices.push(format!("other commands cannot see the state of this replay: {error}"));
        None
    });
    let shutdown = CancellationToken::new();
    let leaves = Arc::new(Leaves::new(ca));
    let run_one = |server: proxy::Server| {
        let leaves = Arc::clone(&leaves);
        tokio::spawn(server.run(Arc::clone(&serve), leaves, proxy::Limits::default(), shutdown.clone()))
    };
    let tasks = servers.into_iter().map(run_one).collect();
    Ok(Running { serve, address, notices, fallbacks, live, control, also, run, shutdown, tasks })
}

/// BLAKE3 over what decides answers beside the collections: two runs with the same hash were told the same. Chance, and
/// the values of variables, which may be secrets, are left out.
fn settings_blake3(plan: &ReplayPlan, engine: &Engine) -> String {
    let AnswerOptions { now, shift, delay, variables, .. } = &plan.answers;
    let variables: Vec<&String> = variables.keys().collect();
    let all = format!("{:?}", (engine.profile(), &plan.serve, now, shift, delay, variables));
    blake3::hash(all.as_bytes()).to_hex().to_string()
}

fn open_log(plan: &ReplayPlan, address: SocketAddr, observe: Option<Observer>) -> (Option<String>, RunLog) {
    let Some(store) = &plan.store else { return (None, RunLog::in_memory(observe)) };
    let started_at = Timestamp::now();
    let pid = std::process::id();
    let info = RunInfo {
        run: format!("{}-{pid}", started_at.strftime("%Y%m%d-%H%M%S")),
        pid,
        started_at,
        // Who reads it may stand elsewhere.
        collections: plan.collections.iter().map(|(_, dir)| absolute(dir)).collect(),
        url: url_of(address),
        command: plan.command.clone(),
        answers_kept: plan.serve.keep_answers,
    };
    let log = RunLog::start(store, &info, observe);
    (Some(info.run), log)
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URLs of all its listeners, the first one first.
    pub fn urls(&self) -> Vec<String> {
        std::iter::once(&self.address).chain(&self.also).map(|address| url_of(*address)).collect()
    }

    /// The URL of the server, to be used as a proxy and as a base URL alike.
    pub fn url(&self) -> String {
        url_of(self.address)
    }

    /// The name of this run, where it has a log in the store.
    pub fn run(&self) -> Option<&str> {
        self.run.as_deref()
    }

    /// Where other commands reach it.
    pub fn control(&self) -> Option<&Path> {
        self.control.as_ref().map(ReplayControl::socket)
    }

    /// What answers.
    pub fn serve(&self) -> &Serve {
        &self.serve
    }

    /// The base URL of each origin for a client that does not use proxies.
    pub fn base_urls(&self) -> Vec<(String, String)> {
        let base = |origin: &OriginPattern| (origin.to_string(), format!("{}/@{}", self.url(), shown(origin)));
        let mut all: Vec<(String, String)> = Vec::new();
        // Collections may have an origin in common.
        for base in self.serve.engine().origins().iter().map(base) {
            if !all.contains(&base) {
                all.push(base);
            }
        }
        all
    }

    /// What the run came to so far.
    pub fn receipt(&self) -> Receipt {
        self.serve.receipt()
    }

    /// Stops accepting, lets calls in progress end, and returns the receipt. Dropping the future stops at once.
    pub async fn stop(mut self) -> Receipt {
        drop(self.live.take());
        self.shutdown.cancel();
        // What only waits need not be waited for.
        self.serve.engine().around().stop.cancel();
        // A panic of the accept loop has been reported by itself; the receipt stands all the same.
        for task in &mut self.tasks {
            let _ = task.await;
        }
        self.fallbacks.drain().await;
        self.serve.log().flush();
        self.serve.receipt()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.serve.engine().around().stop.cancel();
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
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

fn absolute(dir: &Path) -> PathBuf {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned())
}

/// The names that reports use for collections that are served together: that of the folder, with as many of the folders
/// above it as tell it from the others.
pub fn names_of(dirs: &[PathBuf]) -> Vec<String> {
    let dirs: Vec<PathBuf> = dirs.iter().map(|dir| absolute(dir)).collect();
    let name = |dir: &PathBuf| {
        let others = || dirs.iter().filter(|other| *other != dir);
        let is_alone = |above: &usize| others().all(|other| ending(other, *above) != ending(dir, *above));
        let above = (0..dir.components().count()).find(is_alone).unwrap_or_default();
        if above == 0 { name_of(dir) } else { ending(dir, above).display().to_string() }
    };
    dirs.iter().map(name).collect()
}

/// The folder that has this name among those that are served together.
pub fn folder_of<'d>(dirs: &'d [PathBuf], name: &str) -> Option<&'d PathBuf> {
    let at = names_of(dirs).iter().position(|known| known == name)?;
    dirs.get(at)
}

/// The path's last part, and so many of those above it.
fn ending(dir: &Path, above: usize) -> PathBuf {
    let parts: Vec<_> = dir.components().collect();
    parts[parts.len().saturating_sub(above + 1)..].iter().collect()
}

/// The name that reports use for a collection's folder.
pub fn name_of(dir: &Path) -> String {
    absolute(dir).file_name().map_or_else(|| dir.display().to_string(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_one_name_are_told_apart_by_what_is_above() {
        let dirs: Vec<PathBuf> = ["/m/a/shop", "/m/b/shop", "/n/a/shop", "/m/hub"].map(PathBuf::from).to_vec();
        assert_eq!(names_of(&dirs), ["m/a/shop", "b/shop", "n/a/shop", "hub"]);
        assert_eq!(folder_of(&dirs, "b/shop"), Some(&dirs[1]));
        assert_eq!(folder_of(&dirs, "shop"), None);
        assert_eq!(names_of(&[dirs[0].clone(), dirs[0].clone()]), ["shop", "shop"], "one folder, given twice");
    }
}
