//! What the tests are made of: the binary under test, origins to record, and clients.

pub mod browser;
pub mod clients;
pub mod http;
pub mod origin;
pub mod random;
pub mod retake;

pub use origin::Origin;
pub use random::Random;
pub use retake::{Retake, Server};

use std::path::PathBuf;

/// A file of `certs/`.
pub fn cert(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("certs").join(name)
}

/// Whether the long tests run at full length.
pub fn heavy() -> bool {
    std::env::var_os("RETAKE_HEAVY").is_some_and(|value| value == "1")
}

/// How often a test kills something: so many times where tests run at full length, and otherwise; `RETAKE_KILL_ROUNDS`
/// has the last word.
pub fn kill_rounds(full: usize, short: usize) -> usize {
    let wanted = std::env::var("RETAKE_KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    wanted.unwrap_or(if heavy() { full } else { short })
}

/// Names a test that cannot run here; in CI that is a failure.
pub fn skip(what: &str, why: &str) {
    assert!(std::env::var_os("RETAKE_NO_SKIPS").is_none_or(|value| value != "1"), "{what} skipped: {why}");
    // Printed past the capture of the test runner, so that a skip is always seen.
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "skipped: {what}: {why}");
}

/// Polls until `ready` gives something; fails after ten seconds, naming what was waited for.
pub fn eventually<T>(what: &str, ready: impl FnMut() -> Option<T>) -> T {
    eventually_within(10, what, ready)
}

/// [`eventually`] with another patience, in seconds.
pub fn eventually_within<T>(seconds: u64, what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(std::time::Instant::now() < deadline, "not within {seconds} seconds: {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
