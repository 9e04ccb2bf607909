//! Structural differences: JSON by pointer, text by line, bytes by offset. Pure, and bounded in size and time.

pub mod json;
mod text;
pub mod tree;
mod unified;
pub mod xml;

pub use text::{Line, LineKind, around, first_difference, lines};
pub use unified::unified;
