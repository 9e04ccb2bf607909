//! `retake history diff`.

use super::Context;
use crate::cli::args::HistoryDiffArgs;
use crate::cli::exit::{CliError, Outcome};

pub(super) fn run(_context: &Context, _args: &HistoryDiffArgs) -> Outcome {
    Err(CliError::failure("`retake history diff` is not there yet"))
}
