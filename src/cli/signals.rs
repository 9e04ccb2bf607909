//! SIGINT and SIGTERM, which ask a command to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::CliError;

/// Both, as they come.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From here on they no longer end the process by themselves.
    pub(super) fn listen() -> Result<Signals, CliError> {
        let cannot = |error| CliError::failure(format_args!("signals cannot be heard: {error}"));
        let interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
        let terminate = signal(SignalKind::terminate()).map_err(cannot)?;
        Ok(Signals { interrupt, terminate })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
