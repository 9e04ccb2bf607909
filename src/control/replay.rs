//! The control socket of a replay: its state, for the other commands of the same user.
//!
//! Put up beside that of recorders, in the same folder, and named in the replay's entry in the store. One question and
//! one answer per connection, in frames of MessagePack.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, Semaphore};

use super::message::{ANSWER_MAX, REQUEST_MAX, frame, parse, read_frame, write_frame};
use super::server::{read_frame_from, socket_path};
use crate::replay::serve::Serve;
use crate::replay::status::ServerState;

/// The version of these messages.
const VERSION: u32 = 1;
/// Questions answered at the same time; more wait.
const CONNECTIONS: usize = 32;
/// How long either side waits for the other.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A question to a running replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplayAsk {
    /// What is so now; of one cursor only, if it is named.
    State {
        /// Its name.
        cursor: Option<String>,
    },
    /// Puts a thing into a state, or a sequence before a step.
    Set {
        /// The cursor; none for that of the whole server.
        cursor: Option<String>,
        /// The thing, or the scenario.
        name: String,
        /// The state, or the number of the step.
        value: String,
    },
    /// Lets everything begin anew, for one cursor or for all.
    Reset {
        /// The cursor; none for all.
        cursor: Option<String>,
    },
    /// Writes the calls that were answered into the log of the run, if they are not there yet.
    WriteLog,
    /// Lets a server stub answer everything, or none.
    Activate {
        /// The collection.
        collection: String,
        /// The server stub; none for none.
        name: Option<String>,
    },
}

/// What a running replay answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplayAnswer {
    /// The state.
    State(Box<ServerState>),
    /// It is done; what, in words.
    Done(String),
    /// It cannot be done; why, in words.
    Refused(String),
}

#[derive(Serialize, Deserialize)]
struct Request {
    version: u32,
    ask: ReplayAsk,
}

/// The control socket of a replay, up until dropped.
#[derive(Debug)]
pub struct ReplayControl {
    socket: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl ReplayControl {
    /// Where the socket is.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for ReplayControl {
    fn drop(&mut self) {
        self.task.abort();
        let _ = fs::remove_file(&self.socket);
    }
}

/// Puts up the control socket of a replay of this process, under `runtime_dir` or, without one, under
/// `/tmp/retake-<uid>`. To be called within a tokio runtime.
///
/// # Errors
/// No folder for it that belongs to the user alone, or those of the system.
pub fn serve_replay(serve: Arc<Serve>, store: &Path, runtime_dir: Option<&Path>) -> io::Result<ReplayControl> {
    let socket = socket_path(store, &format!("replay-{}", std::process::id()), runtime_dir)?;
    if socket.symlink_metadata().is_ok() {
        // The name holds our process id: whoever left it is dead, or this process serves already.
        if BlockingStream::connect(&socket).is_ok() {
            let message = format!("another replay of this process answers at {}", socket.display());
            return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
        }
        fs::remove_file(&socket)?;
    }
    let listener = UnixListener::bind(&socket)?;
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600))?;
    let task = tokio::spawn(accept(listener, serve));
    Ok(ReplayControl { socket, task })
}

async fn accept(listener: UnixListener, serve: Arc<Serve>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let writing = Arc::new(Mutex::new(()));
    loop {
        // The semaphore is never closed.
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (serve, writing) = (Arc::clone(&serve), Arc::clone(&writing));
                tokio::spawn(async move {
                    let _permit = permit;
                    let answered = tokio::time::timeout(TIMEOUT, answer(stream, serve, writing)).await;
                    if let Err(error) = answered.unwrap_or_else(|late| Err(late.into())) {
                        tracing::debug!("a question on the control socket was not answered: {error}");
                    }
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: it passes, and must not spin.
                tracing::warn!("the control socket: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(mut stream: UnixStream, serve: Arc<Serve>, writing: Arc<Mutex<()>>) -> io::Result<()> {
    if stream.peer_cred()?.uid() != rustix::process::getuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "another user asked"));
    }
    let request: Request = parse(&read_frame_from(&mut stream, REQUEST_MAX).await?)?;
    let answer = match request.version {
        VERSION => reply(serve, writing, request.ask).await,
        other => ReplayAnswer::Refused(format!(
            "the replay speaks version {VERSION} of its control protocol, not {other}: use the same retake"
        )),
    };
    stream.write_all(&frame(&answer, ANSWER_MAX)?).await?;
    stream.shutdown().await
}

async fn reply(serve: Arc<Serve>, writing: Arc<Mutex<()>>, ask: ReplayAsk) -> ReplayAnswer {
    let done = match ask {
        ReplayAsk::State { cursor } => return ReplayAnswer::State(Box::new(serve.state(cursor.as_deref()))),
        ReplayAsk::Set { cursor, name, value } => serve.set_state(cursor.as_deref(), &name, &value),
        ReplayAsk::Reset { cursor } => serve.reset_state(cursor.as_deref()),
        ReplayAsk::WriteLog => {
            // The disk or a terminal may stand still: that must take no thread of the traffic, and but one of others.
            let turn = writing.lock_owned().await;
            let write = move || {
                let _turn = turn;
                serve.log().flush();
            };
            match tokio::task::spawn_blocking(write).await {
                Ok(()) => Ok("the log of the run has every call that was answered".to_owned()),
                Err(error) => Err(format!("the log could not be written: {error}")),
            }
        }
        ReplayAsk::Activate { collection, name } => serve.activate(&collection, name.as_deref()),
    };
    done.map_or_else(ReplayAnswer::Refused, ReplayAnswer::Done)
}

/// Asks the replay at `socket`; blocking, with time-outs.
///
/// # Errors
/// Nobody answers there any more, or not in time.
pub fn ask_replay(socket: &Path, ask: ReplayAsk) -> io::Result<ReplayAnswer> {
    let mut stream = BlockingStream::connect(socket)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write_frame(&mut stream, &frame(&Request { version: VERSION, ask }, REQUEST_MAX)?)?;
    parse(&read_frame(&mut stream, ANSWER_MAX)?)
}
