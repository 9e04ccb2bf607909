//! The ways that misses of a replay take to their origins: made only where something says that they may be taken.

use std::net::SocketAddr;
use std::sync::Arc;

use super::replay::ReplayPlan;
use crate::collection::OnMiss;
use crate::control::{self, ControlServer};
use crate::forward::{Forward, Pass};
use crate::recorder::{Observer, Options, Recorder, Summary};
use crate::redact::Masker;
use crate::replay::engine::Engine;
use crate::replay::fallback::Ways;
use crate::store::{AppendError, Holder, OpenError, open_for_recording};
use crate::tls::{TlsError, client_config};
use crate::wire::upstream::{Limits, Upstream};

/// Why misses cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// Another process records into the store, or it cannot be opened.
    #[error("misses are to be recorded: {0}")]
    Store(#[from] OpenError),
    /// There is no store.
    #[error("misses are to be recorded, and this replay has no store that can be written")]
    NoStore,
    /// The socket by which other commands read the history meanwhile.
    #[error("misses are to be recorded: {0}")]
    Control(#[from] std::io::Error),
    /// The certificates that upstream trust was to come from.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The ways, and what must live as long as they are taken.
#[derive(Default)]
pub(super) struct Fallbacks {
    ways: Ways,
    recording: Option<(Arc<Recorder>, ControlServer)>,
}

impl Fallbacks {
    /// Opens what the plan and the collections ask for; nothing at all where every miss fails.
    pub(super) fn open(
        plan: &ReplayPlan,
        engine: &Engine,
        run: Option<&str>,
        address: SocketAddr,
    ) -> Result<Fallbacks, RecordingError> {
        let said = |what| {
            let rules = &plan.serve.on_miss;
            rules.run == Some(what)
                || rules.hosts.iter().any(|(_, said)| *said == what)
                || engine.saying_on_miss(what).next().is_some()
        };
        let mut fallbacks = Fallbacks::default();
        if said(OnMiss::Pass) {
            fallbacks.ways.pass = Some(Arc::new(Pass::new(client_config(&plan.trust)?, Limits::default())));
        }
        if said(OnMiss::Record) {
            let (Some(store), Some(run)) = (&plan.store, run) else { return Err(RecordingError::NoStore) };
            let holder = Holder { listener: address.to_string(), command: plan.command.join(" ") };
            let (recording, history) = open_for_recording(store, holder)?;
            let masker = Masker::new(recording.mask_key(), plan.mask.clone());
            let options = Options { session: run.to_owned(), tags: vec![format!("miss:{run}")], strict: false };
            let recorder = Recorder::new(recording, masker, options, Arc::new(Quiet));
            let control = control::serve(history, store, plan.runtime_dir.as_deref())?;
            let upstream = Upstream::new(client_config(&plan.trust)?, Limits::default());
            let forward = Forward::new(Arc::clone(&recorder), upstream, None).of_replay();
            fallbacks.ways.record = Some(Arc::new(forward));
            fallbacks.recording = Some((recorder, control));
        }
        Ok(fallbacks)
    }

    /// The ways.
    pub(super) fn ways(&self) -> Ways {
        self.ways.clone()
    }

    /// Waits until what was passed on is in the history.
    pub(super) async fn drain(&self) {
        if let Some((recorder, _)) = &self.recording {
            recorder.drain().await;
        }
    }
}

/// The replay tells of its calls itself.
struct Quiet;

impl Observer for Quiet {
    fn finished(&self, _: Summary) {}

    fn not_recorded(&self, reason: &AppendError) {
        tracing::warn!("a call that was passed on could not be recorded: {reason}");
    }

    fn note(&self, text: String) {
        tracing::info!("{text}");
    }
}
