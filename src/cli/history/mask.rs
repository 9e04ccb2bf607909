//! `retake history mask`.

use super::Context;
use crate::cli::args::HistoryMaskArgs;
use crate::cli::exit::{CliError, Outcome};

pub(super) fn run(_context: &Context, _args: &HistoryMaskArgs) -> Outcome {
    Err(CliError::failure("`retake history mask` is not there yet"))
}
