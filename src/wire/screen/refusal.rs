//! Why a message was refused, and what a client is told about it.

use std::borrow::Cow;
use std::io;

/// The largest head that passes, in bytes, request or status line included.
pub const MAX_HEAD: usize = 256 * 1024;
/// The most field lines that a head, or a trailer section, may have.
pub const MAX_FIELDS: usize = 200;
/// The most interim (1xx) responses before a final one.
pub const MAX_INTERIM: usize = 50;

/// A message that is ambiguous, or over the limits; it never reached hyper.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// What is wrong with it, in words.
    pub reason: Cow<'static, str>,
    /// Whether it is over a limit (431), rather than malformed (400).
    pub too_large: bool,
}

impl Refusal {
    /// A malformed or ambiguous message.
    pub(super) fn bad(reason: &'static str) -> Self {
        Refusal { reason: Cow::Borrowed(reason), too_large: false }
    }

    /// A message over a limit.
    pub(super) fn large(reason: &'static str) -> Self {
        Refusal { reason: Cow::Borrowed(reason), too_large: true }
    }

    /// The error that hyper sees in place of the message.
    pub(super) fn into_error(self, from: &str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, format!("ambiguous framing from the {from}: {self}"))
    }

    /// The whole answer to a client: 400 or 431 with a problem document (RFC 9457), then the connection closes.
    pub(super) fn answer(&self) -> Vec<u8> {
        let (status, phrase, class) = match self.too_large {
            true => (431, "Request Header Fields Too Large", "head-too-large"),
            false => (400, "Bad Request", "bad-request"),
        };
        let body = serde_json::json!({
            "type": "about:blank",
            "title": "retake refused this request",
            "status": status,
            "detail": self.reason,
        });
        let body = format!("{body}\n");
        format!(
            "HTTP/1.1 {status} {phrase}\r\ncontent-type: application/problem+json\r\nx-retake-error: {class}\r\n\
             cache-control: no-store\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}
