//! `retake history search`.

use super::Context;
use crate::cli::args::HistorySearchArgs;
use crate::cli::exit::{CliError, Outcome};

pub(super) fn run(_context: &Context, _args: &HistorySearchArgs) -> Outcome {
    Err(CliError::failure("`retake history search` is not there yet"))
}
