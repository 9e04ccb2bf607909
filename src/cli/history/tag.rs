//! `retake history tag`.

use super::Context;
use crate::cli::args::HistoryTagArgs;
use crate::cli::exit::{CliError, Outcome};

pub(super) fn run(_context: &Context, _args: &HistoryTagArgs) -> Outcome {
    Err(CliError::failure("`retake history tag` is not there yet"))
}
