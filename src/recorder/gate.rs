//! For tests: stops appends, or makes them fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::store::AppendError;

/// What every append of a finished exchange has to pass.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    closed: AtomicBool,
    broken: AtomicBool,
    opened: tokio::sync::Notify,
}

impl Gate {
    /// Appends wait from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Appends go on.
    pub(crate) fn open(&self) {
        self.closed.store(false, Ordering::SeqCst);
        self.opened.notify_waiters();
    }

    /// Appends fail from now on, as on a full disk.
    pub(crate) fn fail(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    pub(super) async fn pass(&self) -> Result<(), AppendError> {
        loop {
            let opened = self.opened.notified();
            tokio::pin!(opened);
            // From here on a call of `open` is not missed.
            opened.as_mut().enable();
            if self.broken.load(Ordering::SeqCst) {
                return Err(AppendError::Disk(Arc::new(std::io::ErrorKind::StorageFull.into())));
            }
            if !self.closed.load(Ordering::SeqCst) {
                return Ok(());
            }
            opened.await;
        }
    }
}
