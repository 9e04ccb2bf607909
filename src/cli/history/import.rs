//! `retake history import`.

use super::Context;
use crate::cli::args::HistoryImportArgs;
use crate::cli::exit::{CliError, Outcome};

pub(super) fn run(_context: &Context, _args: &HistoryImportArgs) -> Outcome {
    Err(CliError::failure("`retake history import` is not there yet"))
}
