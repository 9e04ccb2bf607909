//! Assemble, run, drain.

pub mod child;
pub mod demo;
mod fallback;
pub mod live;
pub mod mock;
pub mod promote;
pub mod record;
pub mod replay;
pub mod review;
pub mod verify;
pub mod wiring;
