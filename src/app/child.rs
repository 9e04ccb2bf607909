//! The command after `--`: run with the wiring, its exit code taken over.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildExit {
    /// The exit code to take over: its own, or 128+N after signal N.
    pub code: u8,
    /// Whether SIGINT or SIGTERM came while it ran.
    pub interrupted: bool,
    /// Whether a second signal came: retake is to stop at once, too.
    pub forced: bool,
}

/// Why the command could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// There is no such command: exit code 127.
    #[error("`{0}` was not found: is it installed, and on the PATH?")]
    NotFound(String),
    /// It is there, but cannot be executed: exit code 126.
    #[error("`{0}` cannot be executed: {1}")]
    NotExecutable(String, io::Error),
    /// The system failed otherwise: exit code 1.
    #[error("`{0}` could not be run: {1}")]
    Failed(String, io::Error),
}

impl ChildError {
    /// The exit code that shells use for it.
    pub fn exit_code(&self) -> u8 {
        match self {
            ChildError::NotFound(_) => 127,
            ChildError::NotExecutable(..) => 126,
            ChildError::Failed(..) => 1,
        }
    }
}

/// How this process is shown to others (`retake env`, the lock of a store, `run.json`): what retake itself does, and of
/// the command after `--` only the program, since its arguments may be secrets.
pub fn shown(own: &[&str], command: &[OsString]) -> Vec<String> {
    let mut shown: Vec<String> = own.iter().map(|word| (*word).to_owned()).collect();
    if let Some(program) = command.first() {
        shown.extend(["--".to_owned(), program.to_string_lossy().into_owned()]);
        if command.len() > 1 {
            shown.push("…".to_owned());
        }
    }
    shown
}

/// Runs `command` (the program, then its arguments) to its end, with stdin, stdout and stderr of this process, in the
/// same process group; `set` and `remove` change the environment that it inherits.
///
/// SIGINT and SIGTERM go on to it; a second one kills it. Dropping the future kills it, too.
///
/// # Errors
/// When the command cannot be started, or the system cannot tell how it ended.
pub async fn run(
    command: &[OsString],
    set: &[(&'static str, String)],
    remove: &[&'static str],
) -> Result<ChildExit, ChildError> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(ChildError::NotFound(String::new()));
    };
    let name = program.to_string_lossy().into_owned();
    // Before the start: a signal that comes in between must not end this process and leave the command alone.
    let mut signals = Signals::listen().map_err(|error| ChildError::Failed(name.clone(), error))?;
    let mut prepared = Command::new(program);
    prepared.args(arguments).kill_on_drop(true);
    for name in remove {
        prepared.env_remove(name);
    }
    prepared.envs(set.iter().map(|(name, value)| (name, value)));
    let mut child = prepared.spawn().map_err(|error| not_started(&name, error))?;
    wait(&mut child, async || signals.next().await).await.map_err(|error| ChildError::Failed(name, error))
}

fn not_started(name: &str, error: io::Error) -> ChildError {
    match error.kind() {
        io::ErrorKind::NotFound => ChildError::NotFound(name.to_owned()),
        // What fork itself runs out of is no fault of the command.
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => ChildError::Failed(name.to_owned(), error),
        _ => ChildError::NotExecutable(name.to_owned(), error),
    }
}

/// Waits for the end of `child`; `next` gives the signals that come meanwhile.
async fn wait(child: &mut Child, mut next: impl AsyncFnMut() -> Signal) -> io::Result<ChildExit> {
    let mut count = 0_u32;
    loop {
        tokio::select! {
            status = child.wait() => {
                return Ok(ChildExit { code: code(status?), interrupted: count > 0, forced: count > 1 });
            }
            caught = next() => {
                count += 1;
                if count > 1 {
                    child.start_kill()?;
                } else {
                    forward(child, caught);
                }
            }
        }
    }
}

/// Sends the signal on, unless the terminal has sent it to the command as well.
fn forward(child: &Child, caught: Signal) {
    if caught == Signal::INT && in_foreground() {
        return;
    }
    // `id` is gone once the child was waited for; then there is nobody to tell.
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid
        && let Err(error) = kill_process(pid, caught)
    {
        tracing::debug!("the signal did not reach the command: {error}");
    }
}

/// Whether Ctrl-C of the controlling terminal reaches this process group: then the command, being in it, has it
/// already, and a second one would make many a program give up cleaning up.
fn in_foreground() -> bool {
    std::fs::File::open("/dev/tty")
        .and_then(|terminal| Ok(rustix::termios::tcgetpgrp(&terminal)?))
        .is_ok_and(|group| group == rustix::process::getpgrp())
}

/// The exit code of an ended process, as shells give it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    // Exit codes have eight bits, and signals are below 128.
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// The signals that go on to the command.
struct Signals {
    interrupt: SignalStream,
    terminate: SignalStream,
    hangup: SignalStream,
}

impl Signals {
    fn listen() -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal. Cancel-safe: no signal is lost when the future is dropped.
    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.hangup.recv() => Signal::HUP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_the_command_are_not_shown() {
        let command = ["curl", "-u", "me:planted"].map(OsString::from);
        assert_eq!(shown(&["retake", "replay"], &command).join(" "), "retake replay -- curl …");
        assert_eq!(shown(&["retake", "record"], &[]).join(" "), "retake record");
    }

    use std::os::unix::fs::PermissionsExt;
    use tokio::io::{AsyncBufReadExt, BufReader};

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    async fn sh(script: &str) -> ChildExit {
        run(&words(&["sh", "-c", script]), &[], &[]).await.unwrap()
    }

    #[tokio::test]
    async fn its_own_code_is_taken_over() {
        assert_eq!(sh("exit 0").await.code, 0);
        assert_eq!(sh("exit 42").await, ChildExit { code: 42, interrupted: false, forced: false });
    }

    #[tokio::test]
    async fn death_by_signal_is_128_and_the_signal() {
        assert_eq!(sh("kill -TERM $$").await.code, 143);
        assert_eq!(sh("kill -KILL $$").await.code, 137);
    }

    /// A child that is ready once it has written a line, and the signals in `sent` from then on.
    async fn signalled(script: &str, sent: &[Signal]) -> ChildExit {
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "ready");
        let mut sent = sent.iter().copied();
        let next = async || match sent.next() {
            Some(signal) => signal,
            None => std::future::pending().await,
        };
        wait(&mut child, next).await.unwrap()
    }

    #[tokio::test]
    async fn a_signal_goes_on_to_the_command_and_a_second_one_kills_it() {
        let polite = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done";
        assert_eq!(signalled(polite, &[Signal::TERM]).await, ChildExit { code: 7, interrupted: true, forced: false });
        let stubborn = "trap '' TERM; echo ready; while :; do sleep 0.01; done";
        assert_eq!(
            signalled(stubborn, &[Signal::TERM, Signal::INT]).await,
            ChildExit { code: 137, interrupted: true, forced: true }
        );
    }

    #[tokio::test]
    async fn the_environment_is_changed_as_asked() {
        let set = [("RETAKE_TEST_SET", "a b".to_owned())];
        let script = "test \"$RETAKE_TEST_SET\" = 'a b' && test -z \"${CARGO_MANIFEST_DIR+x}\"";
        let exit = run(&words(&["sh", "-c", script]), &set, &["CARGO_MANIFEST_DIR"]).await.unwrap();
        assert_eq!(exit.code, 0);
    }

    #[tokio::test]
    async fn what_cannot_be_run_has_the_code_of_shells() {
        let error = run(&words(&["retake-no-such-command"]), &[], &[]).await.unwrap_err();
        assert_eq!(error.exit_code(), 127);
        assert!(error.to_string().contains("`retake-no-such-command` was not found"));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("data");
        std::fs::write(&file, "no program").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = run(&[file.into_os_string()], &[], &[]).await.unwrap_err();
        assert_eq!(error.exit_code(), 126);
    }
}
