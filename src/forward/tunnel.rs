//! What is relayed byte for byte: tunnels that hold no HTTP, and connections that changed their protocol.

use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::recorder::Recorder;
use crate::wire::OpaqueTunnel;
use crate::wire::upstream::{Limits, dial};

/// Relays a tunnel to where it was to go, and writes one row of it.
pub(super) async fn relay_opaque(recorder: &Arc<Recorder>, limits: &Limits, tunnel: OpaqueTunnel) {
    let OpaqueTunnel { started_at, client, authority, mut io, reason } = tunnel;
    let mut row = recorder.tunnel(started_at, client, authority.clone(), reason);
    let mut upstream = match dial(&authority, limits.connect, limits.allow_link_local).await {
        Ok(upstream) => upstream,
        Err(error) => return row.failed(crate::model::Failure { kind: error.kind, message: error.message }).await,
    };
    row.connected();
    let mut counted = row.counting(&mut io);
    // Either side may reset at any time; what passed until then is what counts.
    let _ = tokio::io::copy_bidirectional(&mut counted, &mut upstream).await;
    row.relayed().await;
}

/// Relays both ways after 101, until both sides are done.
pub(super) async fn relay_upgrade(client: OnUpgrade, upstream: OnUpgrade) {
    let (client, upstream) = match tokio::try_join!(client, upstream) {
        Ok(both) => both,
        Err(error) => {
            tracing::debug!("a connection did not change its protocol: {error}");
            return;
        }
    };
    let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
    let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
}
