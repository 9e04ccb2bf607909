//! `retake history delete`: exchanges, and the body files that no other refers to.

use super::{Context, edit};
use crate::cli::args::HistoryDeleteArgs;
use crate::cli::exit::{CliError, Exit, Outcome};
use crate::store::Edit;

pub(super) fn run(context: &Context, args: &HistoryDeleteArgs) -> Outcome {
    if args.which.is_empty() && !args.all {
        return Err(CliError::usage("nothing says which exchanges to delete")
            .hint("give numbers (`retake history delete 1040-1061`), a filter such as `--session NAME`, or `--all`"));
    }
    let selection = context.selection_of(&args.which)?;
    let ranges = selection.numbers(&*context.history, context.printer)?;
    if ranges.is_empty() {
        return Err(context.nothing_selected(&args.which.select));
    }
    let exchanges = edit::exchanges(edit::count(&ranges));
    if !args.how.dry_run
        && !args.how.yes
        && must_ask(args, edit::count(&ranges))
        && !edit::agreed(context.printer, &format!("{exchanges} will be deleted for good"))?
    {
        context.printer.say("nothing was deleted");
        return Ok(Exit::SUCCESS);
    }
    let report = edit::in_steps(context, &ranges, |numbers| Edit::Delete { numbers, dry_run: args.how.dry_run })?;
    edit::warnings(context, &report);
    if args.how.json {
        context.printer.json(&edit::json(&report, args.how.dry_run));
        return Ok(Exit::SUCCESS);
    }
    let verb = if args.how.dry_run { "would delete" } else { "deleted" };
    let span = report.span.map(|span| format!(" of {}", edit::span(context, span))).unwrap_or_default();
    let room = edit::room(&report, args.how.dry_run);
    context.printer.data(format_args!("{verb} {}{span}; {room}", edit::exchanges(report.exchanges)));
    if args.how.dry_run {
        context.printer.say("next: the same without `--dry-run`");
    }
    Ok(Exit::SUCCESS)
}

/// One exchange by its name is what was meant. Several are asked about on a terminal; those that a filter chose, always.
fn must_ask(args: &HistoryDeleteArgs, count: u64) -> bool {
    use std::io::IsTerminal;
    let is_named = !args.all && args.which.select.is_empty();
    !is_named || (count > 1 && std::io::stdin().is_terminal() && std::io::stderr().is_terminal())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::args::{EditArgs, FilterArgs, SelectArgs, WhichArgs};
    use crate::cli::testing::{Fake, context, row};

    fn args(which: &[&str], tag: Option<&str>) -> HistoryDeleteArgs {
        let filters = FilterArgs { tag: tag.map(str::to_owned), ..FilterArgs::default() };
        let which = which.iter().map(ToString::to_string).collect();
        let select = SelectArgs { filters, ..SelectArgs::default() };
        HistoryDeleteArgs { which: WhichArgs { which, select }, ..HistoryDeleteArgs::default() }
    }

    #[test]
    fn what_is_named_is_deleted_and_what_is_filtered_needs_a_yes() {
        let mut rows: Vec<_> = (1..=9).map(row).collect();
        rows[4].tags = vec!["old".into()];
        let history = Arc::new(Fake::new(rows));
        let context = context(history.clone());
        assert_eq!(run(&context, &args(&["3", "7-8"], None)).unwrap(), Exit::SUCCESS);
        for refused in [args(&[], None), args(&[], Some("old")), args(&[], Some("new")), args(&["77"], None)] {
            assert_eq!(run(&context, &refused).unwrap_err().exit.0, 2);
        }
        let yes = HistoryDeleteArgs { how: EditArgs { yes: true, ..EditArgs::default() }, ..args(&[], Some("old")) };
        assert_eq!(run(&context, &yes).unwrap(), Exit::SUCCESS);
        let dry =
            HistoryDeleteArgs { all: true, how: EditArgs { dry_run: true, ..EditArgs::default() }, ..args(&[], None) };
        assert_eq!(run(&context, &dry).unwrap(), Exit::SUCCESS);
        assert_eq!(
            *history.edits.lock().unwrap(),
            [
                Edit::Delete { numbers: vec![(3, 3), (7, 8)], dry_run: false },
                Edit::Delete { numbers: vec![(5, 5)], dry_run: false },
                Edit::Delete { numbers: vec![(1, 9)], dry_run: true },
            ]
        );
    }
}
