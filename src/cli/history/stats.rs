//! `retake history stats`.

use super::Context;
use crate::cli::args::HistoryStatsArgs;
use crate::cli::exit::{CliError, Outcome};

pub(super) fn run(_context: &Context, _args: &HistoryStatsArgs) -> Outcome {
    Err(CliError::failure("`retake history stats` is not there yet"))
}
