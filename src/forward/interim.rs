//! Interim responses (RFC 9110 section 15.2) go to the client as they come, ahead of the answer.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderMap, Request, StatusCode};

use super::headers;
use super::reverse::Facade;
use crate::model::{Fields, Informational};
use crate::wire::screen::InterimSender;
use crate::wire::upstream::Outgoing;

/// Passes the interim responses of one call on. All are in the record as well, with the answer.
pub(super) struct Early {
    client: InterimSender,
    outgoing: Outgoing,
    facade: Option<Facade>,
    heard: AtomicUsize,
    passed: AtomicUsize,
}

impl Early {
    /// `None` if the client cannot be sent any. To be made before `request` is sent.
    pub(super) fn new<B>(request: &mut Request<B>, facade: Option<&Facade>) -> Option<Self> {
        let client = request.extensions_mut().remove::<InterimSender>()?;
        let (heard, passed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Some(Early { client, outgoing: Outgoing::of(request), facade: facade.cloned(), heard, passed })
    }

    /// Passes one on; to be called for each in turn. `100 Continue` is left to hyper, which sends it when the body is
    /// asked for.
    pub(super) fn heard(&self, status: StatusCode, fields: &HeaderMap) {
        let index = self.heard.fetch_add(1, Ordering::Relaxed);
        if status == StatusCode::CONTINUE {
            return;
        }
        let fields = self.outgoing.interim(index, status, fields).unwrap_or_else(|| Fields::from_map(fields));
        let interim = Informational { status: status.as_u16(), fields };
        if self.client.send(&headers::interim_for_client(&interim, self.facade.as_ref())) {
            self.passed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many were passed on, `100 Continue` not counted: always the first ones. Settled once the answer is there.
    pub(super) fn passed(&self) -> usize {
        self.passed.load(Ordering::Relaxed)
    }
}
