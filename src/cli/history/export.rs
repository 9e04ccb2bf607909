//! `retake history export`.

use super::Context;
use crate::cli::args::HistoryExportArgs;
use crate::cli::exit::{CliError, Outcome};

pub(super) fn run(_context: &Context, _args: &HistoryExportArgs) -> Outcome {
    Err(CliError::failure("`retake history export` is not there yet"))
}
