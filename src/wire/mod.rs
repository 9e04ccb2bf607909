//! Sockets: listening, detecting what is spoken, screening HTTP/1 heads, and connecting upstream.

pub mod call;
pub mod detect;
pub mod listener;
pub mod own;
pub mod screen;
pub mod socket;
pub mod upstream;

pub use call::{Answerer, Body, BodyError, Broken, Call, Fallback, HeadLines, OpaqueTunnel, Route, Unanswered};
