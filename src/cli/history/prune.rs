//! `retake history prune`.

use super::Context;
use crate::cli::args::HistoryPruneArgs;
use crate::cli::exit::{CliError, Outcome};

pub(super) fn run(_context: &Context, _args: &HistoryPruneArgs) -> Outcome {
    Err(CliError::failure("`retake history prune` is not there yet"))
}
