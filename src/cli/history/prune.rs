//! `retake history prune`: what is old, or too much. Tells first, and does it with `--yes`.

use super::{Context, edit};
use crate::cli::args::HistoryPruneArgs;
use crate::cli::exit::{CliError, Exit, Outcome};
use crate::cli::select;
use crate::store::Edit;

pub(super) fn run(context: &Context, args: &HistoryPruneArgs) -> Outcome {
    let edit = edit_of(context, args)?;
    let dry_run = !args.yes;
    let report = edit::apply(context, &edit)?;
    edit::warnings(context, &report);
    if args.json {
        context.printer.json(&edit::json(&report, dry_run));
        return Ok(Exit::SUCCESS);
    }
    let is_sweep = args.older_than.is_none() && args.max_size.is_none();
    let verb = if dry_run { "would delete" } else { "deleted" };
    let what = if is_sweep {
        format!("{verb} body files that no exchange refers to")
    } else {
        let span = report.span.map(|span| format!(" of {}", edit::span(context, span))).unwrap_or_default();
        format!("{verb} {}{span}", edit::exchanges(report.exchanges))
    };
    context.printer.data(format_args!("{what}; {}", edit::room(&report, dry_run)));
    if dry_run {
        context.printer.say("nothing was changed; next: the same with `--yes`");
    }
    if is_sweep {
        context.printer.say("`--older-than 30d` or `--max-size 5GB` would choose exchanges, too");
    }
    Ok(Exit::SUCCESS)
}

fn edit_of(context: &Context, args: &HistoryPruneArgs) -> Result<Edit, CliError> {
    let older_than = args.older_than.as_deref();
    let older_than = older_than.map(|text| select::older_than(text, &context.zone, context.now)).transpose()?;
    let max_bytes = args.max_size.as_deref().map(max_size).transpose()?;
    if args.keep_tagged && older_than.is_none() && max_bytes.is_none() {
        return Err(CliError::usage("`--keep-tagged` spares exchanges, and nothing says which would go")
            .hint("add `--older-than 30d` or `--max-size 5GB`"));
    }
    Ok(Edit::Prune { older_than, max_bytes, keep_tagged: args.keep_tagged, dry_run: !args.yes })
}

fn max_size(text: &str) -> Result<u64, CliError> {
    select::bytes(text).ok_or_else(|| {
        CliError::usage(format!("`--max-size {text}`: no such size")).hint("give a size such as `5GB` or `500MiB`")
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::testing::{Fake, context, row};

    #[test]
    fn nothing_goes_without_a_yes() {
        let history = Arc::new(Fake::new((1..=9).map(row)));
        let context = context(history.clone());
        let old = HistoryPruneArgs { older_than: Some("30d".into()), ..HistoryPruneArgs::default() };
        assert_eq!(run(&context, &old).unwrap(), Exit::SUCCESS);
        let large = HistoryPruneArgs {
            max_size: Some("5GB".into()),
            keep_tagged: true,
            yes: true,
            ..HistoryPruneArgs::default()
        };
        assert_eq!(run(&context, &large).unwrap(), Exit::SUCCESS);
        assert_eq!(run(&context, &HistoryPruneArgs::default()).unwrap(), Exit::SUCCESS);
        let moment = context.now - jiff::SignedDuration::from_hours(24 * 30);
        assert_eq!(
            *history.edits.lock().unwrap(),
            [
                Edit::Prune { older_than: Some(moment), max_bytes: None, keep_tagged: false, dry_run: true },
                Edit::Prune { older_than: None, max_bytes: Some(5_000_000_000), keep_tagged: true, dry_run: false },
                Edit::Prune { older_than: None, max_bytes: None, keep_tagged: false, dry_run: true },
            ]
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let context = context(Arc::new(Fake::new([])));
        for args in [
            HistoryPruneArgs { keep_tagged: true, ..HistoryPruneArgs::default() },
            HistoryPruneArgs { older_than: Some("a while".into()), ..HistoryPruneArgs::default() },
            HistoryPruneArgs { older_than: Some("30".into()), ..HistoryPruneArgs::default() },
            HistoryPruneArgs { max_size: Some("big".into()), ..HistoryPruneArgs::default() },
            HistoryPruneArgs { max_size: Some("-1GB".into()), ..HistoryPruneArgs::default() },
        ] {
            assert_eq!(run(&context, &args).unwrap_err().exit.0, 2, "{args:?}");
        }
    }
}
