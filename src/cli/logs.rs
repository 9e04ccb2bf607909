//! Logs of retake itself, on stderr: warnings always, more with `-v`.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging; `verbose` counts the `-v`. Only retake's own messages are let through: those of the HTTP and TLS
/// libraries may hold what was sent, and secrets are in no log.
pub(super) fn start(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false);
    // Fails only where a subscriber stands already, as in a test.
    let _ = tracing_subscriber::registry().with(lines).with(Targets::new().with_target("retake", level)).try_init();
}
