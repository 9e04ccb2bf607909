//! Rendering for people and programs. One renderer per kind of report; nothing here prints.

pub mod collection;
pub mod promotion;
pub mod terminal;
