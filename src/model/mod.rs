//! The domain's words: origins, fields, bodies, exchanges.
//!
//! Everything above speaks in these types. Nothing here does I/O or reads a clock.

pub mod body;
pub mod charset;
pub mod coding;
pub mod date;
pub mod exchange;
pub mod facade;
pub mod fields;
pub mod markup;
pub mod media;
pub mod multipart;
pub mod origin;
pub mod path;
pub mod shape;

pub use body::{Body, BodyContent, BodyEnd, ContentHash};
pub use exchange::{
    Chunk, Exchange, ExchangeId, Failure, FailureKind, HttpVersion, Informational, Outcome, Relayed, RequestRecord,
    ResponseRecord, Timings, TlsFacts, Vendor,
};
pub use fields::{Field, Fields};
pub use origin::{Authority, Origin, Scheme};
pub use shape::Shape;
