//! retake records real HTTP(S) traffic through a proxy, promotes it into a mock collection, and replays that
//! collection offline, telling why a call did not match.
//!
//! The layers, lowest first; a module imports only from lower ones (`tests/layering.rs` holds them to it):
//! `model` · `collection`, `redact`, `diff` · `matching`, `promote` · `drift` · `report`, `store`, `tls`, `formats` · `recorder`, `wire` ·
//! `forward`, `replay` · `proxy`, `control` · `settings` · `app` · `cli`.

pub mod app;
pub mod collection;
pub mod control;
pub mod diff;
pub mod drift;
pub mod formats;
pub mod forward;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod matching;
pub mod model;
pub mod promote;
pub mod proxy;
pub mod recorder;
pub mod redact;
pub mod replay;
pub mod report;
pub mod settings;
pub mod store;
pub mod tls;
pub mod wire;

pub use app::mock::{Asked, Called, Missed, Mock, Replay, Verify};

#[cfg(feature = "cli")]
pub mod cli;
