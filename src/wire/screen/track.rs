//! The framing machine of one direction of a connection, fed with bytes: it finds heads, bodies and the moment when
//! the connection becomes something else. The same machine reads requests and responses, received or sent.

use std::collections::VecDeque;

use super::body::BodyScan;
use super::head::{Asked, HeadEnd};
use super::refusal::Refusal;

/// Which end of the connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// We read requests and write responses.
    Server,
    /// We write requests and read responses.
    Client,
}

/// Where a direction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A head is next, or has begun.
    Head,
    /// In a body.
    Body(BodyScan),
    /// After a request that may switch protocols: nothing passes before its answer.
    AwaitAnswer,
    /// No HTTP any more; all bytes pass.
    Tunnel,
}

/// What both directions of a connection share.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Requests whose final response is not over.
    pub(super) asked: VecDeque<Asked>,
    /// Whether the connection has become a tunnel (101, or 2xx to CONNECT).
    pub(super) tunnel: bool,
}

/// What a head means for the machine.
pub(super) enum Next {
    /// A request, and its body.
    Request(Asked, BodyScan),
    /// A response with this status, and its body.
    Response(u16, BodyScan),
}

/// One direction.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) phase: Phase,
    pub(super) end: HeadEnd,
    switches: bool,
}

impl Track {
    pub(super) fn new() -> Self {
        Track { phase: Phase::Head, end: HeadEnd::default(), switches: false }
    }

    /// Moves on after a whole head.
    pub(super) fn head_over(&mut self, next: Next, flow: &mut Flow) {
        match next {
            Next::Request(asked, body) => {
                flow.asked.push_back(asked);
                self.switches = asked.switches;
                self.phase = Phase::Body(body);
                self.settle_request();
            }
            Next::Response(status, body) => {
                let connect = flow.asked.front().is_some_and(|asked| asked.connect);
                if status == 101 || (connect && (200..300).contains(&status)) {
                    flow.tunnel = true;
                    self.phase = Phase::Tunnel;
                } else if status >= 200 {
                    self.phase = Phase::Body(body);
                    self.settle_response(flow);
                }
            }
        }
    }

    /// Takes body bytes from the front of `bytes`; says how many.
    pub(super) fn body(&mut self, bytes: &[u8], requests: bool, flow: &mut Flow) -> Result<usize, (usize, Refusal)> {
        let Phase::Body(scan) = &mut self.phase else { return Ok(0) };
        let taken = scan.advance(bytes)?;
        if requests {
            self.settle_request()
        } else {
            self.settle_response(flow)
        }
        Ok(taken)
    }

    fn settle_request(&mut self) {
        if self.phase == Phase::Body(BodyScan::Done) {
            self.phase = if self.switches { Phase::AwaitAnswer } else { Phase::Head };
        }
    }

    fn settle_response(&mut self, flow: &mut Flow) {
        if self.phase == Phase::Body(BodyScan::Done) {
            flow.asked.pop_front();
            self.phase = Phase::Head;
        }
    }

    /// Leaves the wait for an answer once it is there.
    pub(super) fn settle_wait(&mut self, flow: &Flow) {
        if flow.tunnel {
            self.phase = Phase::Tunnel;
        } else if self.phase == Phase::AwaitAnswer && flow.asked.is_empty() {
            self.phase = Phase::Head;
        }
    }
}
