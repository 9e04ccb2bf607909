//! The other way to answer: from collections, offline. No upstream socket is opened and no name looked up.

pub mod answer;
pub mod cookies;
pub mod dates;
pub mod delay;
pub mod engine;
pub mod fault;
pub mod origins;
pub mod ready;
pub mod refusal;
pub mod secrets;
pub mod sequence;
pub mod serve;
pub mod tally;
