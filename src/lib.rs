//! x
pub mod collection;
pub mod model;
