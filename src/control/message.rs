//! What goes over the control socket: frames of `length u32 | MessagePack`, big-endian.

use std::io::{self, Read, Write};

use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::{Body, BodyEnd, ContentHash, Exchange};
use crate::store::history::Group;
use crate::store::{Edit, EditReport, Found, HistoryError, Page, Pattern, Query, Usage};

/// The version of the messages; a recorder and a command of different versions say so instead of guessing.
pub(super) const VERSION: u32 = 3;
/// No request is larger.
pub(super) const REQUEST_MAX: usize = 1 << 20;
/// No answer is larger: an exchange has 16 MiB at most.
pub(super) const ANSWER_MAX: usize = 32 << 20;
/// Bodies go in frames of this size; an empty one is the end.
pub(super) const BODY_FRAME: usize = 64 << 10;
/// Rows per answer, whatever was asked for.
pub(super) const ROWS_MAX: usize = 1000;

/// A question, with the version of the one who asks.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) version: u32,
    pub(super) ask: Ask,
}

/// The calls of [`crate::store::History`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Ask {
    /// Is anybody there?
    Hello,
    List {
        query: Query,
        before: Option<u64>,
        limit: usize,
    },
    Days {
        query: Query,
        zone: Zone,
    },
    Search {
        query: Query,
        pattern: Pattern,
        before: Option<u64>,
        limit: usize,
    },
    Get(u64),
    Resolve(String),
    Body {
        number: u64,
        hash: ContentHash,
    },
    Usage,
    Edit(Edit),
    /// Frames with the bytes follow, an empty one at their end.
    ImportBody(BodyEnd),
    /// Frames with the exchange follow: it may be larger than a request.
    Import,
    Sync,
}

impl Ask {
    /// Whether frames follow the question.
    pub(super) fn is_followed(&self) -> bool {
        matches!(self, Ask::ImportBody(_) | Ask::Import)
    }
}

/// A time zone by name, offset or rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Zone(#[serde(with = "jiff::fmt::serde::tz::required")] pub(super) TimeZone);

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Done,
    Page(Page),
    Days(Vec<Group>),
    Found(Found),
    Exchange(Box<Exchange>),
    Numbers(Vec<u64>),
    /// Frames of the body follow.
    Body,
    Usage(Usage),
    Edited(EditReport),
    BodyStored(Box<Body>),
    Imported(Option<u64>),
    /// The answer is still being worked on; another one follows.
    Working,
    Error(WireError),
}

/// [`HistoryError`] as it travels.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum WireError {
    Unsupported(String),
    BadPattern(String, String),
    Unknown(String),
    Ambiguous { given: String, candidates: Vec<String> },
    BadSelector(String),
    BadGlob(String, String),
    Damaged(String),
    Other(String),
}

impl From<HistoryError> for WireError {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Unsupported(what) => WireError::Unsupported(what),
            HistoryError::BadPattern(pattern, reason) => WireError::BadPattern(pattern, reason),
            HistoryError::Unknown(what) => WireError::Unknown(what),
            HistoryError::Ambiguous { given, candidates } => WireError::Ambiguous { given, candidates },
            HistoryError::BadSelector(what) => WireError::BadSelector(what),
            HistoryError::BadGlob(glob, reason) => WireError::BadGlob(glob, reason),
            HistoryError::Damaged(what) => WireError::Damaged(what),
            HistoryError::Io(error) => WireError::Other(error.to_string()),
        }
    }
}

impl From<WireError> for HistoryError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Unsupported(what) => HistoryError::Unsupported(what),
            WireError::BadPattern(pattern, reason) => HistoryError::BadPattern(pattern, reason),
            WireError::Unknown(what) => HistoryError::Unknown(what),
            WireError::Ambiguous { given, candidates } => HistoryError::Ambiguous { given, candidates },
            WireError::BadSelector(what) => HistoryError::BadSelector(what),
            WireError::BadGlob(glob, reason) => HistoryError::BadGlob(glob, reason),
            WireError::Damaged(what) => HistoryError::Damaged(what),
            WireError::Other(what) => HistoryError::Io(io::Error::other(what)),
        }
    }
}

/// A message with its length before it.
pub(super) fn frame<T: Serialize>(message: &T, max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    rmp_serde::encode::write_named(&mut bytes, message).map_err(io::Error::other)?;
    let length = bytes.len() - 4;
    if length > max {
        return Err(io::Error::other(format!("a message of {length} bytes is too large for the control socket")));
    }
    // `max` is far below 2^32.
    bytes[..4].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(bytes)
}

/// Decodes a message.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    rmp_serde::from_slice(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Checks the length of a frame before it is read.
pub(super) fn length(prefix: [u8; 4], max: usize) -> io::Result<usize> {
    let length = u32::from_be_bytes(prefix) as usize;
    if length > max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame claims {length} bytes")));
    }
    Ok(length)
}

/// Reads one frame, blocking.
pub(super) fn read_frame(from: &mut impl Read, max: usize) -> io::Result<Vec<u8>> {
    let mut prefix = [0; 4];
    from.read_exact(&mut prefix)?;
    let length = length(prefix, max)?;
    // Grows with what comes: a claimed length allocates nothing.
    let mut bytes = Vec::new();
    from.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// Writes one framed message, blocking.
pub(super) fn write_frame(to: &mut impl Write, framed: &[u8]) -> io::Result<()> {
    to.write_all(framed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zones_travel_by_name_and_offset() {
        for zone in
            [TimeZone::UTC, TimeZone::fixed(jiff::tz::offset(-7)), TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap()]
        {
            let framed = frame(&Zone(zone.clone()), 1000).unwrap();
            let read: Zone = parse(&read_frame(&mut framed.as_slice(), 1000).unwrap()).unwrap();
            assert_eq!(read.0, zone);
        }
    }

    #[test]
    fn a_frame_that_claims_too_much_is_refused_and_a_short_one_noticed() {
        let claims = |length: u32| length.to_be_bytes().to_vec();
        assert_eq!(read_frame(&mut claims(u32::MAX).as_slice(), 100).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(read_frame(&mut claims(50).as_slice(), 100).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse::<Request>(&bytes);
            let _ = parse::<Answer>(&bytes);
        }
    }
}
