//! Assemble, run, drain.

pub mod child;
pub mod wiring;
