//! Rendering for people and programs. One renderer per kind of report; nothing here prints.

pub mod body;
pub mod collection;
pub mod comparison;
pub mod drift;
pub mod exchange;
pub mod explain;
pub mod mask;
pub mod miss;
mod page;
pub mod pending;
pub mod promotion;
pub mod receipt;
pub mod repeat;
pub mod schema;
pub mod styled;
pub mod terminal;
