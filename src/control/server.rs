//! The holder's side: puts up the socket, and answers.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};

use super::ControlFile;
use super::message::{
    ANSWER_MAX, Answer, Ask, BODY_FRAME, REQUEST_MAX, ROWS_MAX, Request, VERSION, WireError, frame, length, parse,
};
use crate::model::{Body, ContentHash, Exchange};
use crate::store::{History, HistoryError, replace_file};

/// Questions answered at the same time; more wait.
const CONNECTIONS: usize = 32;
/// How long a client may take to ask, or to take the next piece of an answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a client that waits for its answer is told that it is being worked on.
const STILL_WORKING: Duration = Duration::from_secs(5);
/// The shortest limit among the systems is 104 bytes, the zero at the end included.
const SOCKET_PATH_MAX: usize = 100;

/// The control socket, up until dropped.
#[derive(Debug)]
pub struct ControlServer {
    socket: PathBuf,
    named_in: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl ControlServer {
    /// Where the socket is.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.task.abort();
        let _ = fs::remove_file(&self.named_in);
        let _ = fs::remove_file(&self.socket);
    }
}

/// Puts up the control socket of a store that this process holds, under `runtime_dir` (`XDG_RUNTIME_DIR`) or, without
/// one, under `/tmp/retake-<uid>`. To be called within a tokio runtime. One left by a dead process is replaced.
///
/// # Errors
/// No folder for it that belongs to the user alone, or those of the system.
pub fn serve(history: Arc<dyn History>, store: &Path, runtime_dir: Option<&Path>) -> io::Result<ControlServer> {
    let socket = socket_path(store, "", runtime_dir)?;
    if socket.symlink_metadata().is_ok() {
        if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
            let message = format!("another process answers at {}", socket.display());
            return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
        }
        fs::remove_file(&socket)?;
    }
    let listener = UnixListener::bind(&socket)?;
    // The folder keeps others out already, between the two calls as well.
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600))?;
    let named_in = ControlFile::path(store);
    let file = ControlFile { version: VERSION, pid: std::process::id(), socket: socket.clone() };
    replace_file(&named_in, &serde_json::to_vec(&file)?)?;
    let task = tokio::spawn(accept(listener, history));
    Ok(ControlServer { socket, named_in, task })
}

/// A path short enough for every system, one per store and purpose.
pub(super) fn socket_path(store: &Path, purpose: &str, runtime_dir: Option<&Path>) -> io::Result<PathBuf> {
    let store = store.canonicalize()?;
    let mut named = store.as_os_str().as_encoded_bytes().to_vec();
    named.extend_from_slice(purpose.as_bytes());
    let hash = blake3::hash(&named).to_hex();
    let name = format!("{}.sock", &hash[..16]);
    let own = PathBuf::from(format!("/tmp/retake-{}", rustix::process::getuid().as_raw()));
    let folders = runtime_dir.map(|dir| dir.join("retake")).into_iter().chain([own]);
    let mut failure = None;
    for folder in folders {
        let path = folder.join(&name);
        if path.as_os_str().len() >= SOCKET_PATH_MAX {
            continue;
        }
        match private_folder(&folder) {
            Ok(()) => return Ok(path),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::other("no folder has a short enough path for the control socket")))
}

/// Makes a folder for the owner only, or makes sure that one is: another user could have made it first.
fn private_folder(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let found = path.symlink_metadata()?;
    let ours = found.is_dir() && found.uid() == rustix::process::getuid().as_raw() && found.mode() & 0o077 == 0;
    let refused = || {
        let message =
            format!("{} must be a folder that only you can use: remove it, or run `chmod 700` on it", path.display());
        io::Error::new(io::ErrorKind::PermissionDenied, message)
    };
    if ours { Ok(()) } else { Err(refused()) }
}

async fn accept(listener: UnixListener, history: Arc<dyn History>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let history = history.clone();
                tokio::spawn(async move {
                    let _permit = permit;
                    if let Err(error) = answer(stream, history).await {
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

async fn answer(mut stream: UnixStream, history: Arc<dyn History>) -> io::Result<()> {
    if stream.peer_cred()?.uid() != rustix::process::getuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "another user asked"));
    }
    let request = tokio::time::timeout(CLIENT_TIMEOUT, read_request(&mut stream)).await??;
    let (pieces, mut answer) = mpsc::channel(2);
    let (upload, content) = mpsc::channel(2);
    let is_followed = request.ask.is_followed();
    tokio::task::spawn_blocking(move || work(&*history, request, Upload::new(content), &pieces));
    if is_followed {
        receive(&mut stream, &upload).await?;
    }
    drop(upload);
    let mut begun = false;
    loop {
        let piece = tokio::select! {
            piece = tokio::time::timeout(STILL_WORKING, answer.recv()) => piece,
            // Nobody waits for the answer any more: who works on it sees its channel closed.
            gone = closed(&stream) => return gone,
        };
        let piece = match piece {
            Ok(Some(piece)) => piece,
            Ok(None) => return stream.shutdown().await,
            Err(_) if begun => continue,
            // An edit may take minutes: the client is told that somebody is there.
            Err(_) => {
                tokio::time::timeout(CLIENT_TIMEOUT, stream.write_all(&frame(&Answer::Working, ANSWER_MAX)?)).await??;
                continue;
            }
        };
        begun = true;
        tokio::time::timeout(CLIENT_TIMEOUT, stream.write_all(&piece)).await??;
    }
}

/// Waits until the client closes its side. It says nothing more after its question.
async fn closed(stream: &UnixStream) -> io::Result<()> {
    loop {
        stream.readable().await?;
        match stream.try_read(&mut [0]) {
            Ok(0) => return Ok(()),
            Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "more came after the question")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Passes on the frames that follow a question. A connection that ends before the empty frame is an error for whoever
/// reads them.
async fn receive(stream: &mut UnixStream, upload: &mpsc::Sender<io::Result<Vec<u8>>>) -> io::Result<()> {
    loop {
        let frame = async {
            let mut prefix = [0; 4];
            stream.read_exact(&mut prefix).await?;
            let mut bytes = vec![0; length(prefix, BODY_FRAME)?];
            stream.read_exact(&mut bytes).await?;
            Ok(bytes)
        };
        let frame = tokio::time::timeout(CLIENT_TIMEOUT, frame).await.unwrap_or_else(|late| Err(late.into()));
        match frame {
            Ok(bytes) if bytes.is_empty() => return Ok(()),
            // One who has failed already reads no more; the client is heard out all the same, and then told.
            Ok(bytes) => drop(upload.send(Ok(bytes)).await),
            Err(error) => {
                let _ = upload.send(Err(io::ErrorKind::UnexpectedEof.into())).await;
                return Err(error);
            }
        }
    }
}

/// What follows a question, read on the blocking thread.
struct Upload {
    frames: mpsc::Receiver<io::Result<Vec<u8>>>,
    piece: io::Cursor<Vec<u8>>,
}

impl Upload {
    fn new(frames: mpsc::Receiver<io::Result<Vec<u8>>>) -> Self {
        Upload { frames, piece: io::Cursor::default() }
    }
}

impl Read for Upload {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = Read::read(&mut self.piece, into)?;
            if count > 0 || into.is_empty() {
                return Ok(count);
            }
            match self.frames.blocking_recv() {
                Some(frame) => self.piece = io::Cursor::new(frame?),
                None => return Ok(0),
            }
        }
    }
}

async fn read_request(stream: &mut UnixStream) -> io::Result<Request> {
    parse(&read_frame_from(stream, REQUEST_MAX).await?)
}

/// Reads one frame.
pub(super) async fn read_frame_from(stream: &mut UnixStream, max: usize) -> io::Result<Vec<u8>> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await?;
    let mut bytes = vec![0; length(prefix, max)?];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Answers one question on a blocking thread. A client that went away closes the channel, and that ends it.
fn work(history: &dyn History, request: Request, content: Upload, pieces: &mpsc::Sender<Vec<u8>>) {
    let send = |answer: &Answer| {
        let framed = frame(answer, ANSWER_MAX)
            .or_else(|error| frame(&Answer::Error(WireError::Other(error.to_string())), ANSWER_MAX));
        framed.is_ok_and(|framed| pieces.blocking_send(framed).is_ok())
    };
    if request.version != VERSION {
        let text = format!(
            "the recorder speaks version {VERSION} of the control protocol, not {}: use the same retake",
            request.version
        );
        send(&Answer::Error(WireError::Other(text)));
        return;
    }
    match reply(history, request.ask, content, &|| pieces.is_closed()) {
        Ok(Reply::Answer(answer)) => drop(send(&answer)),
        Ok(Reply::Body(body)) => {
            if send(&Answer::Body) {
                send_body(body, pieces);
            }
        }
        Err(error) => drop(send(&Answer::Error(error.into()))),
    }
}

enum Reply {
    Answer(Answer),
    Body(Box<dyn Read + Send>),
}

/// `is_left` tells whether the client has gone.
fn reply(
    history: &dyn History,
    ask: Ask,
    mut content: Upload,
    is_left: &dyn Fn() -> bool,
) -> Result<Reply, HistoryError> {
    Ok(Reply::Answer(match ask {
        Ask::Hello => Answer::Done,
        Ask::Sync => {
            history.sync()?;
            Answer::Done
        }
        Ask::List { query, before, limit } => Answer::Page(history.list(&query, before, limit.min(ROWS_MAX))?),
        Ask::Days { query, zone } => Answer::Days(history.days(&query, &zone.0)?),
        Ask::Search { query, pattern, before, limit } => {
            Answer::Found(history.search(&query, &pattern, before, limit.min(ROWS_MAX), is_left)?)
        }
        Ask::Get(number) => Answer::Exchange(Box::new(history.get(number)?)),
        Ask::Resolve(selector) => Answer::Numbers(history.resolve(&selector)?),
        Ask::Usage => Answer::Usage(history.usage()?),
        Ask::Edit(edit) => Answer::Edited(history.edit(&edit)?),
        Ask::ImportBody(end) => Answer::BodyStored(Box::new(history.import_body(&mut content, end)?)),
        Ask::Import => {
            let mut bytes = Vec::new();
            content.take(ANSWER_MAX as u64).read_to_end(&mut bytes)?;
            Answer::Imported(history.import(parse(&bytes)?)?)
        }
        Ask::Body { number, hash } => {
            let exchange = history.get(number)?;
            let body = body_of(&exchange, hash)
                .ok_or_else(|| HistoryError::Damaged(format!("exchange {number} has no body {hash} any more")))?;
            return history.body(&exchange, body).map(Reply::Body);
        }
    }))
}

/// The body of an exchange with that hash: only what an exchange refers to is ever sent.
fn body_of(exchange: &Exchange, hash: ContentHash) -> Option<&Body> {
    let response = exchange.outcome.response().map(|response| &response.body);
    [Some(&exchange.request.body), response].into_iter().flatten().find(|body| body.hash == hash)
}

/// Sends a body in frames, an empty one at its end. After an error of the disk there is none: so the client notices.
fn send_body(mut body: Box<dyn Read + Send>, pieces: &mpsc::Sender<Vec<u8>>) {
    loop {
        let mut framed = vec![0; 4 + BODY_FRAME];
        let count = match body.read(&mut framed[4..]) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                tracing::warn!("a body could not be read: {error}");
                return;
            }
        };
        // A frame of a body is far below 2^32.
        framed[..4].copy_from_slice(&(count as u32).to_be_bytes());
        framed.truncate(4 + count);
        if pieces.blocking_send(framed).is_err() || count == 0 {
            return;
        }
    }
}
