//! The integration tests: the real binary, real clients, real sockets, real TLS. One binary, so that it links once.
//!
//! A client that is not installed is named as skipped; with `RETAKE_NO_SKIPS=1` (as in CI) that is a failure. With
//! `RETAKE_HEAVY=1` the long tests run at full length.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on stops there"
)]

mod access;
mod answers;
mod assertions;
mod calls;
mod cli;
mod diff;
mod durability;
mod faults;
mod framing;
mod gallery;
mod har;
mod harness;
mod history_cli;
mod large;
mod layering;
mod live;
mod loops;
mod matching;
mod on_miss;
mod peers;
mod receipt;
mod repeat;
mod review;
mod round_trip;
mod secrets;
mod state;
mod takes;
mod verify;
