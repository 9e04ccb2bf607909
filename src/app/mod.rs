//! Assemble, run, drain.

pub mod child;
pub mod promote;
pub mod wiring;
