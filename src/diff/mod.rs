//! Structural differences: JSON by pointer, text by line, bytes by offset. Pure, and bounded in size and time.

pub mod graphql;
pub mod json;
pub mod pairs;
mod text;
pub mod tree;
mod unified;
pub mod xml;

pub use text::{Line, LineKind, around, first_difference, lines, lines_by};
pub use unified::unified;
