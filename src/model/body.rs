//! A body as the history keeps it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The BLAKE3 hash of a body's stored content; in files and JSON 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentHash(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl ContentHash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        ContentHash(*blake3::hash(bytes).as_bytes())
    }

    /// 64 lower-case hex digits.
    pub fn to_hex(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex()[..12])
    }
}

/// Bodies up to this many stored bytes stay in the record of their exchange; larger ones have a file.
pub const INLINE_MAX: usize = 64 << 10;

/// Where the stored bytes of a body are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BodyContent {
    /// In the record itself: at most 64 KiB, or empty.
    Inline(#[serde(with = "serde_bytes")] Vec<u8>),
    /// In a file named by the hash, under `blobs/`.
    Blob,
    /// In a file of a stream that was cut off by the end of the process: `blobs/streams/<id>`, no hash yet.
    Stream,
}

impl fmt::Debug for BodyContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyContent::Inline(bytes) => write!(f, "Inline({} bytes)", bytes.len()),
            BodyContent::Blob => f.write_str("Blob"),
            BodyContent::Stream => f.write_str("Stream"),
        }
    }
}

/// How a body came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyEnd {
    /// Whole, as its framing said.
    Complete,
    /// Whole, and followed by trailer fields.
    Trailers,
    /// The sender broke off or broke the framing.
    Failed,
    /// The receiver went away, or retake stopped, before the end.
    Cancelled,
}

impl BodyEnd {
    /// Whether every byte was seen.
    pub fn is_whole(self) -> bool {
        matches!(self, BodyEnd::Complete | BodyEnd::Trailers)
    }
}

/// A body after transfer coding and masking: content, sizes, hash, and how it ended.
///
/// The bytes are those of the wire, content coding included, unless `coding_removed` says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// The stored bytes, or where they are.
    pub content: BodyContent,
    /// Size of the stored bytes.
    pub size: u64,
    /// Size as received, after transfer coding and before masking.
    pub wire_size: u64,
    /// BLAKE3 of the stored bytes.
    pub hash: ContentHash,
    /// How it ended.
    pub end: BodyEnd,
    /// The content codings that were undone before storing because something in the body had to be masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coding_removed: Option<String>,
    /// How many values were masked in it.
    #[serde(default)]
    pub masked: u32,
}

impl Body {
    /// A body without a byte.
    pub fn empty() -> Self {
        Body::inline(Vec::new(), BodyEnd::Complete)
    }

    /// A body kept in the record.
    pub fn inline(bytes: Vec<u8>, end: BodyEnd) -> Self {
        Body {
            size: bytes.len() as u64,
            wire_size: bytes.len() as u64,
            hash: ContentHash::of(&bytes),
            content: BodyContent::Inline(bytes),
            end,
            coding_removed: None,
            masked: 0,
        }
    }

    /// Whether nothing was carried.
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }
}
