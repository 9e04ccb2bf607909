//! `retake history delete`.

use super::Context;
use crate::cli::args::HistoryDeleteArgs;
use crate::cli::exit::{CliError, Outcome};

pub(super) fn run(_context: &Context, _args: &HistoryDeleteArgs) -> Outcome {
    Err(CliError::failure("`retake history delete` is not there yet"))
}
