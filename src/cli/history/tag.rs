//! `retake history tag`: tags put on and taken off, and a note.

use super::{Context, edit};
use crate::cli::args::HistoryTagArgs;
use crate::cli::exit::{CliError, Exit, Outcome};
use crate::report::terminal::clean;
use crate::store::Edit;

pub(super) fn run(context: &Context, args: &HistoryTagArgs) -> Outcome {
    if args.add.is_empty() && args.remove.is_empty() && args.note.is_none() {
        return Err(CliError::usage("nothing says what to change")
            .hint("`--add TAG` puts a tag on, `--remove TAG` takes one off, `--note TEXT` sets a note"));
    }
    for tag in args.add.iter().chain(&args.remove) {
        check(tag)?;
    }
    if let Some(tag) = args.add.iter().find(|tag| args.remove.contains(tag)) {
        return Err(CliError::usage(format!("`{tag}` is to be added and removed at once")));
    }
    if args.which.is_empty() {
        return Err(CliError::usage("nothing says which exchanges to tag")
            .hint("give numbers (`retake history tag 12-20 --add checkout`) or a filter such as `--day today`"));
    }
    let ranges = context.selection_of(&args.which)?.numbers(&*context.history, context.printer)?;
    if ranges.is_empty() {
        return Err(context.nothing_selected(&args.which.select));
    }
    let report = edit::in_steps(context, &ranges, |numbers| Edit::Label {
        numbers,
        add: args.add.clone(),
        remove: args.remove.clone(),
        note: args.note.clone(),
    })?;
    edit::warnings(context, &report);
    // What had to be left alone is not as it was asked for.
    let exit = if report.warnings.is_empty() { Exit::SUCCESS } else { Exit::FAILURE };
    if args.json {
        context.printer.json(&edit::json(&report, false));
        return Ok(exit);
    }
    let selected = edit::exchanges(edit::count(&ranges));
    let said = format!("{} of {selected} changed", report.exchanges);
    context.printer.say(clean(&said));
    Ok(exit)
}

/// A tag is one word, so that it reads well in a listing and as a filter.
pub(super) fn check(tag: &str) -> Result<(), CliError> {
    let is_word = !tag.is_empty() && !tag.chars().any(|character| character.is_whitespace() || character.is_control());
    if is_word {
        return Ok(());
    }
    Err(CliError::usage(format!("`{tag}` is no tag")).hint("a tag is one word, such as `checkout`"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::args::WhichArgs;
    use crate::cli::testing::{Fake, context, row};

    #[test]
    fn tags_and_a_note_go_to_all_that_is_selected() {
        let history = Arc::new(Fake::new((1..=9).map(row)));
        let context = context(history.clone());
        let args = |which: &[&str], add: &[&str], note: Option<&str>| HistoryTagArgs {
            which: WhichArgs { which: which.iter().map(ToString::to_string).collect(), ..WhichArgs::default() },
            add: add.iter().map(ToString::to_string).collect(),
            note: note.map(str::to_owned),
            ..HistoryTagArgs::default()
        };
        assert_eq!(run(&context, &args(&["2-4"], &["a", "b"], Some("seen"))).unwrap(), Exit::SUCCESS);
        for refused in [
            args(&["2"], &[], None),
            args(&[], &["a"], None),
            args(&["2"], &["two words"], None),
            args(&["2"], &[""], None),
            args(&["50"], &["a"], None),
            HistoryTagArgs { remove: vec!["a".into()], ..args(&["2"], &["a"], None) },
        ] {
            assert_eq!(run(&context, &refused).unwrap_err().exit.0, 2, "{refused:?}");
        }
        let expected = Edit::Label {
            numbers: vec![(2, 4)],
            add: vec!["a".into(), "b".into()],
            remove: Vec::new(),
            note: Some("seen".into()),
        };
        assert_eq!(*history.edits.lock().unwrap(), [expected]);
    }
}
