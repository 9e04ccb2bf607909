//! Where the heads that the screen saw are picked up, from outside of hyper.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, StatusCode};

use super::head::{RequestHead, ResponseHead};
use super::refusal::Refusal;
use crate::model::Informational;
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
}

impl ServerHeads {
    /// The head of the request that hyper calls its service for. Take exactly one per call.
    pub fn next_request(&self) -> Option<RequestHead> {
        self.lock().requests.pop_front()
    }

    /// Says how the next response head is to be written. Give exactly one per response, before hyper has it.
    pub fn next_response(&self, lines: Option<HeadLines>) {
        self.lock().lines.push_back(lines);
    }

    /// Why this connection was refused, if it was.
    pub fn refusal(&self) -> Option<Refusal> {
        self.lock().refusal.clone()
    }

    pub(super) fn take_lines(&self) -> Option<HeadLines> {
        self.lock().lines.pop_front().flatten()
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
            if received.head.status == status.as_u16() && same_fields(&received.head, fields) {
                return Some(received);
            }
        }
        None
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

fn same_fields(head: &ResponseHead, fields: &HeaderMap) -> bool {
    head.fields.len() == fields.len()
        && head
            .fields
            .iter()
            .all(|field| fields.get_all(&field.name).iter().any(|value| value == field.value.as_slice()))
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
