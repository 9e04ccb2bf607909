//! `retake calls`: what replays answered.

use jiff::tz::TimeZone;

use super::args::{CallsArgs, CallsCommand, CallsListArgs, Global};
use super::exit::{CliError, Exit, Outcome};
use super::output::{BAD, BOLD, DIM, GOOD, Printer, WARN};
use crate::report::terminal::{clean, clean_lines, cut};
use crate::settings::Settings;
use crate::store::runs::{self, CallRecord, CallResult, Run, RunError};

pub(super) fn run(args: CallsArgs, global: &Global, printer: Printer) -> Outcome {
    let settings = super::collections::settings(global)?;
    match args.command {
        None => list(&args.list, &settings, printer),
        Some(CallsCommand::List(args)) => list(&args, &settings, printer),
        Some(CallsCommand::Show { call, run, json }) => show(call, run.as_deref(), json, &settings, printer),
    }
}

/// Opens a run, with the errors of this command.
pub(super) fn open(settings: &Settings, run: Option<&str>) -> Result<Run, CliError> {
    runs::open(&settings.store, run).map_err(|error| match error {
        RunError::None(_) => {
            CliError::usage(error).hint("replay a collection first: `retake replay COLLECTION -- COMMAND`")
        }
        RunError::Unknown(..) => CliError::usage(error),
        RunError::Io(..) => CliError::failure(error),
    })
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
    let run = open(settings, args.run.as_deref())?;
    let limit = if args.page.all { usize::MAX } else { args.page.limit };
    // One more than is shown tells whether there is more.
    let wanted = |call: &CallRecord| !args.misses || matches!(call.result, CallResult::Miss | CallResult::Error);
    let calls = run.calls(limit.saturating_add(1), wanted).map_err(CliError::failure)?;
    let shown = &calls[..calls.len().min(limit)];
    if args.page.json {
        shown.iter().for_each(|call| printer.json(call));
        return Ok(Exit::SUCCESS);
    }
    printer.say(format_args!("{DIM}run {} on {}{DIM:#}", run.info.run, clean(&run.info.url)));
    if shown.is_empty() {
        printer.say(if args.misses { "no call missed" } else { "no calls" });
    }
    let width = printer.width().unwrap_or(usize::MAX);
    for call in shown {
        printer.data(line(call, width));
    }
    if calls.len() > limit {
        printer.say(format_args!("{DIM}… older calls: `--limit N` or `--all`{DIM:#}"));
    }
    Ok(Exit::SUCCESS)
}

/// One call on one line of at most `width` characters, as in the listing and in the live log.
pub(super) fn line(call: &CallRecord, width: usize) -> String {
    let time = call.at.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string();
    let (style, word) = match call.result {
        CallResult::Exact => (GOOD, "hit"),
        CallResult::Inexact => (WARN, "inexact"),
        CallResult::Miss => (BAD, "MISS"),
        CallResult::Error => (BAD, "error"),
    };
    let why = match call.result {
        CallResult::Exact => call.scenario.as_deref().unwrap_or_default().to_owned(),
        CallResult::Inexact => {
            format!("{} ({})", call.scenario.as_deref().unwrap_or_default(), call.differences.join("; "))
        }
        CallResult::Miss | CallResult::Error => call.differences.join("; "),
    };
    let status = if call.status == 0 { "---".to_owned() } else { call.status.to_string() };
    let rest = format!("{status} {} {}  {}", clean(&call.method), clean(&call.url), clean(&why));
    let room = width.saturating_sub(26).max(20);
    format!("{:>5} {DIM}{time}{DIM:#} {style}{word:<7}{style:#} {}", call.call, cut(&rest, room))
}

fn show(number: u64, run: Option<&str>, json: bool, settings: &Settings, printer: Printer) -> Outcome {
    let run = open(settings, run)?;
    let call = find(&run, number)?;
    if json {
        printer.json(&call);
        return Ok(Exit::SUCCESS);
    }
    printer.data(format_args!("{BOLD}call {number}{BOLD:#} of run {}", run.info.run));
    printer.data(format_args!("{} {}", clean(&call.method), clean(&call.url)));
    let at = call.at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%.3f %:z");
    printer.data(format_args!("at {at}, answered {} in {} µs", call.status, call.duration_us));
    if let Some(scenario) = &call.scenario {
        let step = call.step.map(|step| format!(", step {step}")).unwrap_or_default();
        printer.data(format_args!("by {}{step}, score {:.1}", clean(scenario), call.score.unwrap_or_default()));
    }
    match (&call.report_text, call.result) {
        (Some(report), _) => printer.data(format_args!("\n{}", clean_lines(report).trim_end())),
        (None, CallResult::Exact) => printer.data("everything agreed: the request is the scenario's own"),
        (None, _) => call.differences.iter().for_each(|line| printer.data(format_args!("  {}", clean(line)))),
    }
    if let Some(request) = &call.request {
        printer.data("\nrequest:");
        for (name, value) in &request.fields {
            printer.data(format_args!("  {}: {}", clean(name), clean(value)));
        }
        if request.body_bytes > 0 {
            let body = if request.body.is_empty() {
                format!("({} bytes, binary)", request.body_bytes)
            } else {
                request.body.clone()
            };
            printer.data(format_args!("\n{}", clean_lines(&body)));
        }
    }
    Ok(Exit::SUCCESS)
}
