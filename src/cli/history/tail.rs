//! `retake history tail`.

use super::Context;
use crate::cli::args::HistoryTailArgs;
use crate::cli::exit::{CliError, Outcome};

pub(super) fn run(_context: &Context, _args: &HistoryTailArgs) -> Outcome {
    Err(CliError::failure("`retake history tail` is not there yet"))
}
