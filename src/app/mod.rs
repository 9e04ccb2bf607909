//! Assemble, run, drain.
