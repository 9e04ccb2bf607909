//! A recorded request, written so that it can be made again elsewhere. What was masked has a name there.

mod curl;
mod labels;
mod raw;
mod shell;
#[cfg(test)]
mod tests;

use crate::model::fields::is_hop_by_hop;
use crate::model::{Field, RequestRecord};

pub use curl::curl;
pub use labels::{Labels, Place};
pub use raw::raw;

/// What the variables of masked values begin with.
pub const VARIABLE: &str = "RETAKE_SECRET_";

/// The fields to send again: without those of one connection, those that frame the body, and a content coding that the
/// stored body has no longer.
fn fields(request: &RequestRecord) -> impl Iterator<Item = &Field> {
    let named = request.fields.members("connection");
    request.fields.iter().filter(move |field| {
        let is_own = is_hop_by_hop(&field.name) || named.iter().any(|name| field.is(name));
        let is_undone = request.body.coding_removed.is_some() && field.is("content-encoding");
        // No recorder keeps such a line; a file that was changed by hand may.
        let breaks = field.value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        !is_own && !is_undone && !breaks && !field.is("content-length")
    })
}
