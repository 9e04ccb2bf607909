//! The order of writes, and every end that a flow can come to, against real sockets.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::store::AppendError;

/// Stops appends, or makes them fail.
#[derive(Default)]
pub(super) struct Gate {
    closed: AtomicBool,
    broken: AtomicBool,
    opened: tokio::sync::Notify,
}

impl Gate {
    pub(super) async fn pass(&self) -> Result<(), AppendError> {
        loop {
            let opened = self.opened.notified();
            if self.broken.load(Ordering::SeqCst) {
                return Err(AppendError::Disk(std::sync::Arc::new(std::io::ErrorKind::StorageFull.into())));
            }
            if !self.closed.load(Ordering::SeqCst) {
                return Ok(());
            }
            opened.await;
        }
    }
}
