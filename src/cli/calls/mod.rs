//! `retake calls`: what replays answered.

mod filter;
mod show;
mod whole;

use std::cell::Cell;
use std::path::Path;

use jiff::tz::TimeZone;
use serde_json::json;

use self::filter::Filter;
use self::whole::{Include, Whole};
use super::args::{CallFilterArgs, CallsArgs, CallsCommand, CallsListArgs, Global, PageArgs, SortArg};
use super::exit::{CliError, Exit, Outcome};
use super::output::{BAD, DIM, GOOD, Printer, WARN};
use crate::control::{ReplayAsk, ask_replay};
use crate::report::terminal::{clean, cut};
use crate::settings::Settings;
use crate::store::running;
use crate::store::runs::{self, CallRecord, CallResult, Run, RunError};

/// Calls on a page at most, as Postman has it.
const PAGE_CALLS: usize = 100;
/// Bytes of a page at most, requests and answers included; more only for a single call.
const PAGE_BYTES: usize = 6_500_000;
/// How long between two looks of `tail -f`.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(250);

pub(super) fn run(args: CallsArgs, global: &Global, printer: Printer) -> Outcome {
    let settings = super::collections::settings(global)?;
    match args.command {
        None => list(&args.list, &settings, printer),
        Some(CallsCommand::List(args)) => list(&args, &settings, printer),
        Some(CallsCommand::Show(args)) => show::run(&args, &settings, printer),
        Some(CallsCommand::Search { text, args }) => listed(&args, Some(&text), &settings, printer),
        Some(CallsCommand::Tail { run, lines, follow, filters, json }) => {
            let run = open(&settings, run.as_deref())?;
            tail(&run, &filters, lines, follow, json, printer)
        }
    }
}

/// Opens a run, with the errors of this command.
pub(super) fn open(settings: &Settings, run: Option<&str>) -> Result<Run, CliError> {
    let run = runs::open(&settings.store, run).map_err(|error| match error {
        RunError::None(_) => {
            CliError::usage(error).hint("replay a collection first: `retake replay COLLECTION -- COMMAND`")
        }
        RunError::Unknown(..) => CliError::usage(error),
        RunError::Io(..) => CliError::failure(error),
    })?;
    catch_up(&settings.store, &run);
    Ok(run)
}

/// Lets a run that goes on write down what it has answered: it does so at its leisure, and who asks for a call has its
/// answer. Without an answer, the log is read as it is.
pub(super) fn catch_up(store: &Path, run: &Run) {
    let all = running::list(store);
    let Some(replay) = all.iter().find(|replay| replay.run.as_deref() == Some(&*run.info.run)) else { return };
    let asked = replay.control.as_deref().map(|socket| ask_replay(socket, ReplayAsk::WriteLog));
    if let Some(Err(error)) = asked {
        tracing::debug!("the replay at {} does not write its log: {error}", replay.url);
    }
}

/// The call of that number.
pub(super) fn find(run: &Run, number: u64) -> Result<CallRecord, CliError> {
    let call = run.call(number).map_err(CliError::failure)?;
    let unknown = || {
        CliError::usage(format!("there is no call {number} in the run {}", run.info.run))
            .hint("`retake calls` lists them")
    };
    call.ok_or_else(unknown)
}

fn list(args: &CallsListArgs, settings: &Settings, printer: Printer) -> Outcome {
    listed(args, None, settings, printer)
}

/// A page of the calls that filters, and a text, choose.
fn listed(args: &CallsListArgs, text: Option<&str>, settings: &Settings, printer: Printer) -> Outcome {
    let run = open(settings, args.run.as_deref())?;
    let filter = Filter::new(&args.filters, text)?;
    let PageArgs { limit, all, json } = args.page;
    if limit > PAGE_CALLS {
        return Err(CliError::usage(format!("a page has at most {PAGE_CALLS} calls, not {limit}"))
            .hint("`--all` shows every call, `--before N` and `--after N` the next page"));
    }
    let limit = if all { usize::MAX } else { limit };
    // All that the filters take, on whatever page.
    let total = Cell::new(0u64);
    let wanted = |call: &CallRecord| {
        let is_meant = filter.takes(call);
        total.set(total.get() + u64::from(is_meant));
        is_meant
            && args.before.is_none_or(|before| call.call < before)
            && args.after.is_none_or(|after| call.call > after)
    };
    // One more than is shown tells whether there is more.
    let oldest_first = args.sort == SortArg::Oldest;
    let calls = run.page(oldest_first, limit.saturating_add(1), wanted).map_err(CliError::failure)?;
    if !json {
        printer.say(format_args!("{DIM}run {} on {}{DIM:#}", run.info.run, clean(&run.info.url)));
        if calls.is_empty() {
            printer.say(if args.filters.misses { "no call missed" } else { "no calls" });
        }
    }
    let mut whole = Whole::new(&run.info, Include::new(&args.include));
    let width = printer.width().unwrap_or(usize::MAX);
    let (mut shown, mut bytes) = (0, 0);
    for call in calls.iter().take(limit) {
        let mut told = serde_json::to_value(call).unwrap_or_default();
        let messages = whole.of(call);
        messages.put_into(&mut told);
        bytes += told.to_string().len();
        if !all && shown > 0 && bytes > PAGE_BYTES {
            break;
        }
        shown += 1;
        if json {
            printer.json(&told);
        } else {
            printer.data(line(call, width));
            messages.print(printer);
        }
    }
    let next = calls[..shown].last().filter(|_| calls.len() > shown).map(|last| last.call);
    if args.meta {
        printer.json(&json!({ "meta": { "total": total.get(), "nextCursor": next } }));
    }
    if let Some(next) = next.filter(|_| !json || shown < limit) {
        let more = if oldest_first { "later ones: `--after" } else { "older ones: `--before" };
        let total = total.get();
        printer.say(format_args!("{DIM}… {shown} of {total} calls; {more} {next}`, `--limit N` or `--all`{DIM:#}"));
    }
    Ok(Exit::SUCCESS)
}

/// The last calls, oldest first, and with `follow` those that come, until Ctrl-C.
fn tail(run: &Run, filters: &CallFilterArgs, lines: usize, follow: bool, json: bool, printer: Printer) -> Outcome {
    let filter = Filter::new(filters, None)?;
    let width = printer.width().unwrap_or(usize::MAX);
    let print = |call: &CallRecord| if json { printer.json(call) } else { printer.data(line(call, width)) };
    let (last, mut read) = run.last(lines, |call| filter.takes(call)).map_err(CliError::failure)?;
    last.iter().for_each(print);
    if !follow {
        return Ok(Exit::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::failure(format!("Ctrl-C cannot be listened for: {error}")))?;
    runtime.block_on(async {
        let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            tokio::select! {
                _ = &mut stop => return Ok(Exit::SUCCESS),
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
            let (more, end) = run.since(read).map_err(CliError::failure)?;
            read = end;
            more.iter().filter(|call| filter.takes(call)).for_each(print);
            if printer.is_closed() {
                return Ok(Exit::SUCCESS);
            }
        }
    })
}

/// One call on one line of at most `width` characters, as in the listing and in the live log.
pub(super) fn line(call: &CallRecord, width: usize) -> String {
    let time = call.at.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string();
    let (style, word) = match call.result {
        CallResult::Exact => (GOOD, "hit"),
        CallResult::Inexact => (WARN, "inexact"),
        CallResult::Miss => (BAD, "MISS"),
        CallResult::Passed => (WARN, "passed"),
        CallResult::Error => (BAD, "error"),
        CallResult::State => (DIM, "state"),
    };
    let why = match call.result {
        CallResult::Exact => call.scenario.as_deref().unwrap_or_default().to_owned(),
        CallResult::Inexact => {
            format!("{} ({})", call.scenario.as_deref().unwrap_or_default(), call.differences.join("; "))
        }
        CallResult::Miss | CallResult::Passed | CallResult::Error | CallResult::State => call.differences.join("; "),
    };
    let status = if call.status == 0 { "---".to_owned() } else { call.status.to_string() };
    let cursor = call.cursor.as_deref().map(|cursor| format!("  [{}]", clean(cursor))).unwrap_or_default();
    let rest = format!("{status} {} {}{cursor}  {}", clean(&call.method), clean(&call.url), clean(&why));
    let room = width.saturating_sub(26).max(20);
    format!("{:>5} {DIM}{time}{DIM:#} {style}{word:<7}{style:#} {}", call.call, cut(&rest, room))
}
