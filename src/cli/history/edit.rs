//! What the commands that change the history share: asking before, and telling after.

use std::io::{BufRead, IsTerminal};

use jiff::Timestamp;
use serde_json::json;

use super::Context;
use crate::cli::exit::CliError;
use crate::cli::output::Printer;
use crate::cli::select;
use crate::report::exchange::size;
use crate::report::terminal::clean;
use crate::store::{Edit, EditReport, HistoryError};

/// Ranges sent with one edit: more would not fit a question to a recorder.
const RANGES: usize = 20_000;

/// `1 exchange`, `12 exchanges`
pub(super) fn exchanges(count: u64) -> String {
    if count == 1 { "1 exchange".to_owned() } else { format!("{count} exchanges") }
}

/// How many numbers ranges have.
pub(super) fn count(ranges: &[(u64, u64)]) -> u64 {
    ranges.iter().map(|(from, to)| to - from + 1).sum()
}

/// Whether the user agrees with what will happen. Without a terminal nobody can be asked: `--yes` must have been said.
///
/// # Errors
/// Exit code 2 without a terminal.
pub(super) fn agreed(printer: Printer, effect: &str) -> Result<bool, CliError> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(CliError::usage(format!("{effect}, and nobody is there to ask"))
            .hint("`--yes` does it without asking; `--dry-run` only tells what would be done"));
    }
    printer.ask(format_args!("{effect}: go on? [y/N] "));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| CliError::failure(format!("the answer cannot be read: {error}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Makes a change; its report, or its error as the user sees it.
///
/// # Errors
/// Those of the history.
pub(super) fn apply(context: &Context, edit: &Edit) -> Result<EditReport, CliError> {
    context.history.edit(edit).map_err(|error| match error {
        HistoryError::Io(cause) => CliError::failure(format!("the history could not be changed: {cause}")),
        other => select::failed(other),
    })
}

/// Edits exchanges by their numbers, in as many steps as it takes, and adds up what was done.
///
/// # Errors
/// Those of the history. What earlier steps did stays done.
pub(super) fn in_steps(
    context: &Context,
    ranges: &[(u64, u64)],
    edit: impl Fn(Vec<(u64, u64)>) -> Edit,
) -> Result<EditReport, CliError> {
    let mut whole: Option<EditReport> = None;
    for step in ranges.chunks(RANGES) {
        let report = apply(context, &edit(step.to_vec()))?;
        whole = Some(match whole {
            None => report,
            Some(before) => added(before, report),
        });
    }
    Ok(whole.unwrap_or_default())
}

fn added(mut before: EditReport, after: EditReport) -> EditReport {
    before.exchanges += after.exchanges;
    before.values += after.values;
    // A dry run gives each step the same beginning: what is freed adds up.
    let freed = after.bytes.0.saturating_sub(after.bytes.1);
    before.bytes.1 = before.bytes.1.saturating_sub(freed);
    before.span = match (before.span, after.span) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (one, other) => one.or(other),
    };
    before.warnings.extend(after.warnings);
    before
}

/// `2026-11-20 14:00`, or `2026-11-20 14:00 to 2026-11-21 09:30`, in the zone of the command.
pub(super) fn span(context: &Context, (first, last): (Timestamp, Timestamp)) -> String {
    let shown = |at: Timestamp| at.to_zoned(context.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
    let (first, last) = (shown(first), shown(last));
    if first == last { first } else { format!("{first} to {last}") }
}

/// `3.2 MiB freed`, or the like: what became of the room.
pub(super) fn room(report: &EditReport, dry_run: bool) -> String {
    let (before, after) = report.bytes;
    let (word, grown) = if dry_run { ("would be freed", "would be added") } else { ("freed", "added") };
    if after > before {
        format!("{} {grown}", size(after - before))
    } else {
        format!("{} {word}, {} left", size(before - after), size(after))
    }
}

/// The report as one JSON object.
pub(super) fn json(report: &EditReport, dry_run: bool) -> serde_json::Value {
    json!({
        "dry_run": dry_run,
        "exchanges": report.exchanges,
        "values": report.values,
        "bytes_before": report.bytes.0,
        "bytes_after": report.bytes.1,
        "first": report.span.map(|span| span.0.to_string()),
        "last": report.span.map(|span| span.1.to_string()),
        "warnings": report.warnings,
    })
}

/// What the user must know of it.
pub(super) fn warnings(context: &Context, report: &EditReport) {
    report.warnings.iter().for_each(|warning| context.printer.warn(clean(warning)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_add_up() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let step = |bytes, first, last| EditReport {
            exchanges: 2,
            bytes,
            span: Some((at(first), at(last))),
            ..EditReport::default()
        };
        let whole = added(step((100, 90), 5, 6), step((90, 70), 1, 2));
        assert_eq!((whole.exchanges, whole.bytes, whole.span), (4, (100, 70), Some((at(1), at(6)))));
        let dry = added(step((100, 90), 5, 6), step((100, 80), 1, 2));
        assert_eq!(dry.bytes, (100, 70));
        assert_eq!(room(&dry, true), "30 B would be freed, 70 B left");
        assert_eq!(room(&step((1, 2049), 1, 1), false), "2.0 KiB added");
    }

    #[test]
    fn ranges_are_counted() {
        assert_eq!(count(&[(1, 3), (7, 7)]), 4);
        assert_eq!((exchanges(1), exchanges(2)), ("1 exchange".to_owned(), "2 exchanges".to_owned()));
    }
}
