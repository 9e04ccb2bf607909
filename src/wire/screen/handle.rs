//! Where the heads that the screen saw are picked up, from outside of hyper.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::head::{RequestHead, ResponseHead};
use super::refusal::{MAX_INTERIM, Refusal};
use super::rewrite::write_interim;
use crate::model::{Fields, Informational};
use crate::wire::HeadLines;

/// Heads of responses that nobody picked up, at most: those of requests that were given up at the last moment.
const MAX_LEFT: usize = 64;

/// The server's side: heads of requests come out, lines of responses go in.
#[derive(Debug, Clone, Default)]
pub struct ServerHeads(Arc<Mutex<Server>>);

#[derive(Debug, Default)]
struct Server {
    requests: VecDeque<RequestHead>,
    lines: VecDeque<Option<HeadLines>>,
    refusal: Option<Refusal>,
    early: Early,
    /// What comes after the next response head in place of a body; then the connection is over.
    garbage: Option<Bytes>,
}

/// Interim heads that go out before the answer is there.
#[derive(Debug, Default)]
struct Early {
    /// How many requests were picked up: names the one that is being answered.
    call: u64,
    /// Whether its answer is still to come.
    open: bool,
    /// How many interim heads it has had.
    given: usize,
    /// Heads that the connection has not taken over yet.
    queued: Vec<u8>,
    /// Who serves the connection, while it has nothing to write.
    task: Option<Waker>,
}

/// Sends interim responses to the client of one call, ahead of its answer.
#[derive(Debug, Clone)]
pub struct InterimSender {
    heads: ServerHeads,
    call: u64,
}

impl InterimSender {
    /// Sends a head of status 102 to 199. `false` if it is too late, or there were too many: then this one and all
    /// that follow are not sent.
    pub fn send(&self, interim: &Informational) -> bool {
        let mut server = self.heads.lock();
        let early = &mut server.early;
        if early.call != self.call || !early.open || early.given == MAX_INTERIM {
            return false;
        }
        early.given += 1;
        write_interim(interim, &mut early.queued);
        let task = early.task.take();
        drop(server);
        if let Some(task) = task {
            task.wake();
        }
        true
    }
}

impl ServerHeads {
    /// The head of the request that hyper calls its service for. Take exactly one per call.
    pub fn next_request(&self) -> Option<RequestHead> {
        let mut server = self.lock();
        let head = server.requests.pop_front()?;
        let early = &mut server.early;
        (early.call, early.open, early.given) = (early.call + 1, true, 0);
        Some(head)
    }

    /// For interim responses to the request that was picked up last; it must be of HTTP/1.1.
    pub fn interim_sender(&self) -> InterimSender {
        InterimSender { heads: self.clone(), call: self.lock().early.call }
    }

    /// Says how the next response head is to be written. Give exactly one per response, before hyper has it.
    pub fn next_response(&self, lines: Option<HeadLines>) {
        let mut server = self.lock();
        server.early.open = false;
        server.lines.push_back(lines);
    }

    /// Says that after the next response head these bytes are written in place of a body, and the connection is over.
    pub fn break_next(&self, garbage: Bytes) {
        self.lock().garbage = Some(garbage);
    }

    /// Why this connection was refused, if it was.
    pub fn refusal(&self) -> Option<Refusal> {
        self.lock().refusal.clone()
    }

    /// What the head of an answer is to be written with, and what comes after it in place of a body; interim heads that
    /// have to come before it go to `out`.
    pub(super) fn take_lines(&self, out: &mut Vec<u8>) -> (Option<HeadLines>, Option<Bytes>) {
        let mut server = self.lock();
        out.append(&mut server.early.queued);
        (server.lines.pop_front().flatten(), server.garbage.take())
    }

    /// Moves interim heads to `out`; `task` is woken when there are more.
    pub(super) fn take_interim(&self, task: &Waker, out: &mut Vec<u8>) {
        let early = &mut self.lock().early;
        out.append(&mut early.queued);
        match &mut early.task {
            Some(known) => known.clone_from(task),
            None => early.task = Some(task.clone()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Server> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The client's side: heads of responses come out. Goes into the extras of a pooled connection.
#[derive(Debug, Clone, Default)]
pub struct ClientHeads(Arc<Mutex<Client>>);

#[derive(Debug, Default)]
struct Client {
    interim: Vec<Informational>,
    done: VecDeque<Received>,
    refusal: Option<Refusal>,
}

/// A response head with the interim ones before it, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// 1xx heads, in order; not 101.
    pub informational: Vec<Informational>,
    /// The final head (or 101).
    pub head: ResponseHead,
}

impl ClientHeads {
    /// The head, as written, of the response that hyper gave with this status and these fields.
    ///
    /// A request that was given up may leave its head here; what does not fit is such a left-over and is dropped.
    /// `None` only if the response never passed the screen.
    pub fn take(&self, status: StatusCode, fields: &HeaderMap) -> Option<Received> {
        let mut client = self.lock();
        while let Some(received) = client.done.pop_front() {
            if received.head.status == status.as_u16() && same_fields(&received.head.fields, fields) {
                return Some(received);
            }
        }
        None
    }

    /// The fields, as written, of interim head number `index` (from 0) of the response that is coming, which hyper gave
    /// with this status and these fields. `None` if there is no such head.
    pub fn interim(&self, index: usize, status: StatusCode, fields: &HeaderMap) -> Option<Fields> {
        let client = self.lock();
        // Where the final head came in the same read, it has taken them along.
        let taken_along = || client.done.back().and_then(|received| received.informational.get(index));
        let interim = client.interim.get(index).or_else(taken_along)?;
        let fits = interim.status == status.as_u16() && same_fields(&interim.fields, fields);
        fits.then(|| interim.fields.clone())
    }

    /// The oldest head that was not picked up.
    #[cfg(test)]
    pub(super) fn any(&self) -> Option<Received> {
        self.lock().done.pop_front()
    }

    /// Why this connection was refused, if it was.
    pub fn refusal(&self) -> Option<Refusal> {
        self.lock().refusal.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Client> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn same_fields(written: &Fields, fields: &HeaderMap) -> bool {
    written.len() == fields.len()
        && written.iter().all(|field| fields.get_all(&field.name).iter().any(|value| value == field.value.as_slice()))
}

/// Where a connection leaves its heads.
#[derive(Debug)]
pub(super) enum Sink {
    Server(ServerHeads),
    Client(ClientHeads),
}

impl Sink {
    pub(super) fn request(&self, head: RequestHead) {
        if let Sink::Server(heads) = self {
            heads.lock().requests.push_back(head);
        }
    }

    pub(super) fn response(&self, head: ResponseHead) {
        let Sink::Client(heads) = self else { return };
        let mut client = heads.lock();
        if head.status < 200 && head.status != 101 {
            client.interim.push(Informational { status: head.status, fields: head.fields });
            return;
        }
        let informational = std::mem::take(&mut client.interim);
        if client.done.len() == MAX_LEFT {
            client.done.pop_front();
        }
        client.done.push_back(Received { informational, head });
    }

    /// How many interim heads the coming response has so far.
    pub(super) fn interim(&self) -> usize {
        match self {
            Sink::Server(_) => 0,
            Sink::Client(heads) => heads.lock().interim.len(),
        }
    }

    pub(super) fn refused(&self, refusal: &Refusal) {
        match self {
            Sink::Server(heads) => heads.lock().refusal = Some(refusal.clone()),
            Sink::Client(heads) => heads.lock().refusal = Some(refusal.clone()),
        }
    }
}
