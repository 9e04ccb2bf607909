//! Files of other tools: how what they say and what retake knows translate into each other. Pure; nothing here reads a
//! store or writes one.

pub mod har;
