//! The other way to answer: from collections, offline. No upstream socket is opened and no name looked up; what misses
//! goes elsewhere only where the user asks for it, and by a way that is put in from outside.

pub mod access;
pub mod answer;
mod body;
pub mod cookies;
mod cors;
pub mod cursor;
pub mod dates;
pub mod delay;
pub mod engine;
#[cfg(test)]
mod explained;
pub mod fallback;
pub mod fault;
mod logged;
pub mod origins;
pub mod pace;
pub mod past;
pub mod ready;
pub mod refusal;
mod returned;
pub mod secrets;
pub mod sequence;
pub mod serve;
pub mod status;
pub mod tally;
