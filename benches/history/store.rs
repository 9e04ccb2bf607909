//! A store full of that traffic, made through the door that the recorder uses.

use std::path::Path;
use std::time::Instant;

use retake::model::ExchangeId;
use retake::store::{Holder, Recording, open_for_recording};

use crate::measure::{self, MIB};
use crate::traffic::Made;

/// Appends in flight at once, as from so many connections.
const AT_ONCE: usize = 256;

/// What filling a store cost.
pub struct Ingest {
    pub seconds: f64,
    /// Of this process, in all its threads.
    pub cpu: f64,
    /// Resident memory in MiB at twenty points of the way.
    pub resident: Vec<f64>,
}

/// What a store takes on disk, in MiB.
pub struct Size {
    pub journal: f64,
    pub blobs: f64,
    pub index: f64,
}

/// Fills a new store with `count` exchanges, each made of its number and id.
pub fn make(dir: &Path, count: u64, exchange: fn(u64, ExchangeId) -> Made) -> Ingest {
    let holder = Holder { listener: String::new(), command: "bench".into() };
    let (recording, history) = open_for_recording(dir, holder).expect("a new store");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime");
    let (started, cpu) = (Instant::now(), measure::own_cpu());
    let mut resident = Vec::new();
    runtime.block_on(async {
        let mut appends = tokio::task::JoinSet::new();
        for turn in 1..=count {
            if appends.len() >= AT_ONCE {
                appends.join_next().await.transpose().expect("an exchange is recorded");
            }
            let recording = recording.clone();
            appends.spawn(async move { append(&recording, exchange).await });
            if turn % (count / 20).max(1) == 0 {
                resident.push(measure::own_resident());
            }
        }
        while let Some(append) = appends.join_next().await {
            append.expect("an exchange is recorded");
        }
    });
    let ingest = Ingest { seconds: started.elapsed().as_secs_f64(), cpu: measure::own_cpu() - cpu, resident };
    drop((history, recording));
    ingest
}

async fn append(recording: &Recording, exchange: fn(u64, ExchangeId) -> Made) {
    let (id, number) = recording.begin();
    let made = exchange(number, id);
    if let Some(content) = made.blob {
        let mut blob = recording.blob().expect("room for a body");
        blob.write(&content).and_then(|()| blob.finish()).expect("room for a body");
    }
    recording.append(made.exchange).await.expect("room for a record");
}

/// A folder for a store, which goes with it.
pub struct Folder(pub std::path::PathBuf);

impl Folder {
    /// A folder of its own for this bench and size.
    pub fn new(bench: &str, count: u64) -> Self {
        Folder(std::env::temp_dir().join(format!("retake-bench-{bench}-{count}-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the store takes.
pub fn size(dir: &Path) -> Size {
    let of = |name: &str| measure::folder_bytes(&dir.join(name)) / MIB;
    Size { journal: of("journal"), blobs: of("blobs"), index: of("index") }
}
