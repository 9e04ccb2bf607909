//! The control socket: the history of a store that a recorder holds, for the other commands of the same user.
//!
//! A Unix socket with a short path outside the store, in a folder of the owner only; `control.json` in the store names
//! it. One request per connection, answered from the recorder's own [`History`]; bodies are streamed. Who connects must
//! be of the same user. Edits are asked for in the same way: the holder does them, beside the traffic, and says that it is
//! still at work for as long as one takes.
//!
//! A replay has a socket of its own beside it, for its state.

mod client;
mod message;
mod replay;
mod server;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub use self::client::RemoteHistory;
pub use self::replay::{ReplayAnswer, ReplayAsk, ReplayControl, ask_replay, serve_replay};
pub use self::server::{ControlServer, serve};
use crate::store::{self, History, OpenError};

/// How long a holder may take to put up its socket, or to let go of the store.
const PATIENCE: Duration = Duration::from_secs(5);

/// `control.json`: where the holder of a store is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ControlFile {
    version: u32,
    pid: u32,
    socket: PathBuf,
}

impl ControlFile {
    fn path(store: &Path) -> PathBuf {
        store.join("control.json")
    }

    fn read(store: &Path) -> std::io::Result<ControlFile> {
        Ok(serde_json::from_slice(&std::fs::read(Self::path(store))?)?)
    }
}

/// Opens the history of a store for reading: from the disk, or, while a recorder holds it, through its socket.
///
/// Should the recorder end meanwhile, the history goes on from the disk.
///
/// # Errors
/// [`OpenError::Empty`] when nothing was recorded; [`OpenError::Locked`] when the holder does not answer; those of the
/// disk.
pub fn open_history(dir: &Path) -> Result<Arc<dyn History>, OpenError> {
    open_by(dir, store::open_for_reading)
}

/// [`open_history`], which makes the store when there is none: for an import.
///
/// # Errors
/// Those of [`open_history`], but for [`OpenError::Empty`].
pub fn open_or_create_history(dir: &Path) -> Result<Arc<dyn History>, OpenError> {
    open_by(dir, store::open_or_create)
}

fn open_by(
    dir: &Path,
    open: impl Fn(&Path) -> Result<Arc<dyn History>, OpenError>,
) -> Result<Arc<dyn History>, OpenError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match open(dir) {
            Err(locked @ OpenError::Locked { .. }) => match RemoteHistory::connect(dir) {
                Ok(history) => return Ok(Arc::new(history)),
                Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
                Err(_) => return Err(locked),
            },
            opened => return opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::model::{Body, BodyContent};
    use crate::store::testing::exchange;
    use crate::store::{HistoryError, Holder, Pattern, Query, Recording, open_for_recording};

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    }

    fn recorded(dir: &Path, runtime: &tokio::runtime::Runtime) -> (Recording, Arc<dyn History>) {
        let about = Holder { listener: "127.0.0.1:8888".into(), command: "retake record".into() };
        let (recording, history) = open_for_recording(dir, about).unwrap();
        let mut large = recording.blob().unwrap();
        large.write(&vec![7; 300_000]).unwrap();
        let (hash, size) = large.finish().unwrap();
        let mut last = exchange(1_300);
        let body = Body { content: BodyContent::Blob, hash, size, ..Body::empty() };
        last.outcome.response_mut().unwrap().body = body;
        runtime.block_on(async {
            for number in 1..1_300 {
                recording.append(exchange(number)).await.unwrap();
            }
            recording.append(last).await.unwrap();
        });
        (recording, history)
    }

    /// The first hits of a search, of as many pieces as it takes: a busy machine makes them short.
    fn hits(
        history: &dyn History,
        query: &Query,
        pattern: &Pattern,
        mut before: Option<u64>,
        limit: usize,
    ) -> Vec<store::Hit> {
        let mut hits = Vec::new();
        loop {
            let found = history.search(query, pattern, before, limit - hits.len(), &|| false).unwrap();
            hits.extend(found.hits);
            before = found.next;
            if before.is_none() || hits.len() == limit {
                return hits;
            }
        }
    }

    /// Every call of the trait gives the same here and there.
    fn compare(direct: &dyn History, remote: &dyn History) {
        let zone = TimeZone::fixed(jiff::tz::offset(5));
        let some = Query { method: Some("post".into()), ..Query::default() };
        for query in [&Query::default(), &some] {
            for limit in [10, 1_250, usize::MAX] {
                assert_eq!(direct.list(query, None, limit).unwrap(), remote.list(query, None, limit).unwrap());
            }
            assert_eq!(direct.days(query, &zone).unwrap(), remote.days(query, &zone).unwrap());
        }
        for text in ["item\":1", "API-2.example/items/7", "none of it"] {
            let pattern = Pattern { text: text.into(), regex: false, case_sensitive: false };
            for (before, limit) in [(None, 5), (Some(800), 2)] {
                let [here, there] = [direct, remote].map(|history| hits(history, &some, &pattern, before, limit));
                assert_eq!(here, there, "{text}");
                assert!(text.starts_with("none") == there.is_empty() && there.len() <= limit);
            }
        }
        let bad = Pattern { text: "(".into(), regex: true, case_sensitive: false };
        let refused = remote.search(&some, &bad, None, 1, &|| false);
        assert!(matches!(refused, Err(HistoryError::BadPattern(..))));
        for selector in ["7", "3-9", &exchange(5).id.to_string()] {
            assert_eq!(direct.resolve(selector).unwrap(), remote.resolve(selector).unwrap());
        }
        for bad in ["5000", "x", "9999-10000"] {
            let texts = [direct, remote].map(|history| history.resolve(bad).unwrap_err().to_string());
            assert_eq!(texts[0], texts[1]);
        }
        let bad = Query { path: Some("[".into()), ..Query::default() };
        assert!(matches!(remote.list(&bad, None, 1), Err(HistoryError::BadGlob(..))));
        let last = remote.get(1_300).unwrap();
        assert_eq!(direct.get(1_300).unwrap(), last);
        let mut bytes = Vec::new();
        remote.body(&last, &last.outcome.response().unwrap().body).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, vec![7; 300_000]);
    }

    #[test]
    fn the_socket_answers_as_the_store_does_and_the_disk_takes_over_when_the_recorder_ends() {
        let (dir, run, runtime) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), runtime());
        let (recording, history) = recorded(dir.path(), &runtime);
        let server = {
            let _entered = runtime.enter();
            serve(history.clone(), dir.path(), Some(run.path())).unwrap()
        };
        let mode = std::fs::metadata(server.socket()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let remote = open_history(dir.path()).unwrap();
        compare(&*history, &*remote);
        drop((server, recording, history));
        runtime.shutdown_background();
        let last = remote.get(1_300).unwrap();
        let mut bytes = Vec::new();
        remote.body(&last, &last.outcome.response().unwrap().body).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, vec![7; 300_000]);
        assert_eq!(remote.list(&Query::default(), None, usize::MAX).unwrap().rows.len(), 1_300);
    }

    #[test]
    fn edits_and_imports_go_through_the_socket_while_exchanges_come_in() {
        let (dir, run, runtime) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), runtime());
        let (recording, history) = recorded(dir.path(), &runtime);
        let _server = {
            let _entered = runtime.enter();
            serve(history.clone(), dir.path(), Some(run.path())).unwrap()
        };
        let remote = open_history(dir.path()).unwrap();
        // The recorder must outlive its traffic, however soon that is over: one that ends takes no edit.
        let recorder = recording.clone();
        let traffic = runtime.spawn(async move {
            for number in 1_301..1_800 {
                recorder.append(exchange(number)).await.unwrap();
            }
        });
        let delete = crate::store::Edit::Delete { numbers: vec![(1, 1_000)], dry_run: false };
        assert_eq!(remote.edit(&delete).unwrap().exchanges, 1_000);
        let body = remote.import_body(&mut [9; 200_000].as_slice(), crate::model::BodyEnd::Complete).unwrap();
        let mut large = exchange(5_000);
        // Larger than a request may be.
        large.note = Some("n".repeat(2 << 20));
        large.outcome.response_mut().unwrap().body = body.clone();
        let number = remote.import(large.clone()).unwrap().unwrap();
        assert_eq!(remote.import(large).unwrap(), None);
        remote.sync().unwrap();
        assert_eq!(remote.get(number).unwrap().outcome.response().unwrap().body, body);
        runtime.block_on(traffic).unwrap();
        let rows = remote.list(&Query::default(), None, usize::MAX).unwrap().rows;
        assert_eq!(rows.len(), 300 + 499 + 1);
        assert_eq!(remote.usage().unwrap(), history.usage().unwrap());
        drop(recording);
    }

    /// A history whose searches go on until nobody waits for them.
    struct Endless {
        begun: std::sync::mpsc::Sender<()>,
        ended: std::sync::mpsc::Sender<()>,
    }

    impl History for Endless {
        fn list(&self, _: &Query, _: Option<u64>, _: usize) -> Result<store::Page, HistoryError> {
            Ok(store::Page::default())
        }
        fn days(&self, _: &Query, _: &TimeZone) -> Result<Vec<store::Group>, HistoryError> {
            Ok(Vec::new())
        }
        fn get(&self, number: u64) -> Result<crate::model::Exchange, HistoryError> {
            Err(HistoryError::Unknown(number.to_string()))
        }
        fn resolve(&self, _: &str) -> Result<Vec<u64>, HistoryError> {
            Ok(Vec::new())
        }
        fn body(&self, _: &crate::model::Exchange, _: &Body) -> Result<Box<dyn Read + Send>, HistoryError> {
            Err(HistoryError::Unknown("a body".into()))
        }
        fn search(
            &self,
            _: &Query,
            _: &Pattern,
            _: Option<u64>,
            _: usize,
            stop: &dyn Fn() -> bool,
        ) -> Result<store::Found, HistoryError> {
            self.begun.send(()).unwrap();
            while !stop() {
                std::thread::yield_now();
            }
            self.ended.send(()).unwrap();
            Ok(store::Found::default())
        }
    }

    #[test]
    fn a_search_for_one_who_has_gone_ends() {
        let (dir, run, runtime) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), runtime());
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (ended, has_ended) = std::sync::mpsc::channel();
        let _entered = runtime.enter();
        let server = serve(Arc::new(Endless { begun, ended }), dir.path(), Some(run.path())).unwrap();
        let mut stream = std::os::unix::net::UnixStream::connect(server.socket()).unwrap();
        let pattern = Pattern { text: "x".into(), regex: false, case_sensitive: false };
        let ask = message::Ask::Search { query: Query::default(), pattern, before: None, limit: 1 };
        let request = message::Request { version: message::VERSION, ask };
        let framed = message::frame(&request, message::REQUEST_MAX).unwrap();
        message::write_frame(&mut stream, &framed).unwrap();
        has_begun.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(has_ended.try_recv().is_err(), "somebody waits");
        drop(stream);
        has_ended.recv_timeout(Duration::from_secs(20)).unwrap();
    }

    #[test]
    fn a_socket_left_by_a_dead_process_is_replaced() {
        let (dir, run, runtime) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), runtime());
        let _entered = runtime.enter();
        let (_recording, history) = recorded(dir.path(), &runtime);
        let first = serve(history.clone(), dir.path(), Some(run.path())).unwrap();
        assert!(serve(history.clone(), dir.path(), Some(run.path())).is_err(), "the first one lives");
        let path = first.socket().to_owned();
        drop(first);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "as after a kill");
        let _second = serve(history, dir.path(), Some(run.path())).unwrap();
        assert_eq!(RemoteHistory::connect(dir.path()).unwrap().get(9).unwrap(), exchange(9));
    }

    #[test]
    fn a_folder_that_others_may_enter_is_not_used() {
        let (dir, run, runtime) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), runtime());
        let _entered = runtime.enter();
        let (_recording, history) = recorded(dir.path(), &runtime);
        let folder = run.path().join("retake");
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        let server = serve(history, dir.path(), Some(run.path())).unwrap();
        assert!(!server.socket().starts_with(&folder));
    }

    #[test]
    fn without_a_recorder_the_disk_answers() {
        let (dir, runtime) = (tempfile::tempdir().unwrap(), runtime());
        assert!(matches!(open_history(&dir.path().join("none")), Err(OpenError::Empty(_))));
        drop(recorded(dir.path(), &runtime));
        assert_eq!(open_history(dir.path()).unwrap().get(7).unwrap(), exchange(7));
    }
}
