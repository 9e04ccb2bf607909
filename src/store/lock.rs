//! The lock of a store: one recorder at a time, and it says who it is, so that a second one can name it.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::layout::{Layout, private};

/// Who holds a store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Where it listens, such as `127.0.0.1:8888`; empty for a command that only reads.
    pub listener: String,
    /// Its command line, masked.
    pub command: String,
}

/// What the lock file says.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct LockFile {
    pub(super) pid: u32,
    #[serde(flatten)]
    pub(super) holder: Holder,
}

/// The lock, held until dropped. The file stays: removing it would let two processes lock two files of one name.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// How the attempt went.
pub(super) enum Attempt {
    Held(Lock),
    Taken(LockFile),
}

impl Lock {
    /// Tries to take the lock; a holder that only reads is waited for, `patience` at most: it is done soon.
    pub(super) fn take(layout: &Layout, holder: &Holder, patience: Duration) -> io::Result<Attempt> {
        let until = Instant::now() + patience;
        loop {
            match Lock::attempt(layout, holder)? {
                Attempt::Taken(other) if other.holder.listener.is_empty() && Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                done => return Ok(done),
            }
        }
    }

    fn attempt(layout: &Layout, holder: &Holder) -> io::Result<Attempt> {
        let mut file = private().read(true).write(true).create(true).truncate(false).open(layout.lock())?;
        match file.try_lock() {
            Ok(()) => {
                let text = serde_json::to_vec(&LockFile { pid: std::process::id(), holder: holder.clone() })?;
                file.set_len(0)?;
                file.rewind()?;
                file.write_all(&text)?;
                Ok(Attempt::Held(Lock { _file: file }))
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = Vec::new();
                (&mut file).take(64 * 1024).read_to_end(&mut text)?;
                // A holder between taking the lock and writing its name reads as nobody: it is asked again or shown so.
                Ok(Attempt::Taken(serde_json::from_slice(&text).unwrap_or_default()))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_learns_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let first = Holder { listener: "127.0.0.1:8888".into(), command: "retake record".into() };
        let Attempt::Held(lock) = Lock::take(&layout, &first, Duration::ZERO).unwrap() else { panic!("free") };
        let Attempt::Taken(other) = Lock::take(&layout, &Holder::default(), Duration::from_secs(9)).unwrap() else {
            panic!("taken")
        };
        assert_eq!((other.pid, other.holder), (std::process::id(), first));
        drop(lock);
        assert!(matches!(Lock::take(&layout, &Holder::default(), Duration::ZERO).unwrap(), Attempt::Held(_)));
    }
}
