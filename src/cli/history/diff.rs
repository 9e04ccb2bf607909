//! `retake history diff`: what differs between two exchanges.

use super::Context;
use super::show::bodies;
use super::style::styled;
use crate::cli::args::HistoryDiffArgs;
use crate::cli::exit::{CliError, Exit, Outcome};
use crate::cli::select;
use crate::model::Exchange;
use crate::report::comparison;

/// Decoded bytes of a body that are compared by their type; of larger ones it is said where they part.
const LIMIT: u64 = 16 << 20;

pub(super) fn run(context: &Context, args: &HistoryDiffArgs) -> Outcome {
    let (before, after) = (one(context, &args.before)?, one(context, &args.after)?);
    let (left, right) = (bodies(context, &before, LIMIT), bodies(context, &after, LIMIT));
    let comparison = comparison::compare(&before, &after, &left, &right);
    if args.json {
        context.printer.json(&comparison);
    } else {
        comparison::lines(&comparison, &mut |line| context.printer.data(styled(&line)));
    }
    Ok(if args.exit_code && !comparison.alike { Exit::FOUND } else { Exit::SUCCESS })
}

fn one(context: &Context, selector: &str) -> Result<Exchange, CliError> {
    match context.history.resolve(selector).map_err(select::failed)?.as_slice() {
        [number] => context.history.get(*number).map_err(select::failed),
        numbers => Err(CliError::usage(format!("`{selector}` names {} exchanges, and one is needed", numbers.len()))),
    }
}
