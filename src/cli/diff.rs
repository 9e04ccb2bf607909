//! `retake diff`: the report of a miss again, and the change that one of its fixes makes.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::{DiffArgs, DiffFormat, Global};
use super::calls;
use super::collections::{self, shown};
use super::exit::{CliError, Exit, Outcome};
use super::history::styled;
use super::miss;
use super::output::Printer;
use super::review::failed;
use crate::app::replay::folder_of;
use crate::app::review::{self, Decided, Decision, Proposed};
use crate::collection::Standing;
use crate::report::miss::{Fix, MissReport};
use crate::report::pending;
use crate::report::terminal::{clean, clean_lines, cut, quoted};
use crate::settings::Settings;
use crate::store::runs::{CallRecord, CallResult, Run};

/// Misses that are named where none of that name is.
const CANDIDATES: usize = 5;

pub(super) fn run(args: &DiffArgs, global: &Global, printer: Printer) -> Outcome {
    let settings = collections::settings(global)?;
    let (run, call) = find(args, &settings)?;
    match args.apply {
        Some(number) => apply(number, &run, &call, args, &settings, printer),
        None => show(&run, &call, args, printer),
    }
}

/// The run and the call that are meant.
fn find(args: &DiffArgs, settings: &Settings) -> Result<(Run, CallRecord), CliError> {
    let (named, call) = match args.miss.rsplit_once(':') {
        Some(("call", call)) => (None, call),
        Some((run, call)) => (Some(run), call),
        None => (None, args.miss.as_str()),
    };
    if let (Some(one), Some(other)) = (named, args.run.as_deref())
        && one != other
    {
        return Err(CliError::usage(format!("`{}` is of another run than `{other}`", args.miss)));
    }
    let run = calls::open(settings, named.or(args.run.as_deref()))?;
    let is_miss = |call: &CallRecord| call.result == CallResult::Miss;
    let found = match (call, call.parse::<u64>()) {
        ("last", _) => run.calls(1, is_miss).map_err(CliError::failure)?.pop(),
        (_, Ok(number)) => run.call(number).map_err(CliError::failure)?,
        (_, Err(_)) => None,
    };
    match found {
        Some(call) if is_miss(&call) => Ok((run, call)),
        Some(call) => Err(none(&run, format!("call {} of the run {} was no miss", call.call, run.info.run))?),
        None if call == "last" => Err(CliError::usage(format!("no call of the run {} missed", run.info.run))),
        None => Err(none(&run, format!("the run {} has no call `{call}`", run.info.run))?),
    }
}

/// The error that names the newest misses.
fn none(run: &Run, message: String) -> Result<CliError, CliError> {
    let misses = run.calls(CANDIDATES, |call| call.result == CallResult::Miss).map_err(CliError::failure)?;
    let named = |call: &CallRecord| format!("\n  call:{} {} {}", call.call, call.method, cut(&call.url, 100));
    let named: String = misses.iter().map(named).collect();
    Ok(match named.is_empty() {
        true => CliError::usage(message).hint("no call of that run missed; `retake calls` lists them"),
        false => CliError::usage(message).hint(format!("its last misses:{named}")),
    })
}

/// The report as the log keeps it; none in a log of a time before it kept what can be read again.
fn report(call: &CallRecord) -> Option<MissReport> {
    call.report.as_ref().and_then(|report| serde_json::from_value(report.clone()).ok())
}

fn show(run: &Run, call: &CallRecord, args: &DiffArgs, printer: Printer) -> Outcome {
    let report = report(call);
    match (args.json, args.format, report) {
        (true, _, Some(report)) => printer.json(&report),
        (false, DiffFormat::Json, Some(report)) => printer.data(crate::report::terminal::clean_json(&report.to_json())),
        (false, DiffFormat::Text, Some(report)) => {
            miss::print(printer, &report, |name| place(run, name));
        }
        (false, DiffFormat::Html, Some(report)) => printer.data(report.to_html().trim_end()),
        (false, DiffFormat::Text | DiffFormat::Html, None) => {
            let text = call.report_text.as_deref().unwrap_or("the log keeps no report of this miss");
            printer.data(clean_lines(text).trim_end());
        }
        (_, _, None) => printer.json(&call.report),
    }
    Ok(Exit::SUCCESS)
}

/// Puts the change of a fix beside its collection, or makes it.
fn apply(
    number: usize,
    run: &Run,
    call: &CallRecord,
    args: &DiffArgs,
    settings: &Settings,
    printer: Printer,
) -> Outcome {
    let report = report(call).ok_or_else(|| {
        CliError::usage("the log of that run is of another version, and has no fixes that could be applied")
            .hint("replay again: the new report has them")
    })?;
    let fix = chosen(&report, number)?;
    let Some(change) = fix.change.clone() else {
        return Err(CliError::usage(format!("fix {number} changes no file: {}", fix.title))
            .hint(format!("run it: `{}`", fix.command)));
    };
    let folder = folder(run, fix)?;
    let why = format!("{} of the run {}: {} {}", report.miss_name(), run.info.run, report.method, report.url);
    let proposed = review::propose(&folder, change, why, vec![report.detail.clone()], settings.guard())
        .map_err(|error| failed(settings, &fix.collection, error))?;
    let decides = args.accept && !settings.is_ci;
    let decided = match (&proposed.standing, decides) {
        (Standing::Waits, true) => Some(
            review::decide(&folder, &proposed.pending.id, Decision::Accept, settings.guard(), &args.allow_secret)
                .map_err(|error| failed(settings, &fix.collection, error))?,
        ),
        _ => None,
    };
    // By its name, where it has one.
    let is_named = settings.collection_dir(&fix.collection).canonicalize().ok() == folder.canonicalize().ok();
    let which = if is_named { fix.collection.clone() } else { shown(&folder) };
    told(&proposed, decided.as_ref(), (&folder, &which), args, printer);
    match proposed.standing {
        Standing::Waits if args.accept && settings.is_ci => {
            printer.say("it waits and is not made, because CI is set");
            Ok(Exit::FOUND)
        }
        Standing::Waits | Standing::Done => Ok(Exit::SUCCESS),
        Standing::Refused => Err(CliError::usage(format!("this was refused before: {}", proposed.pending.title))
            .hint(format!("take it out of `refused`, or of the rules that are off, in {}", shown(&folder)))),
        Standing::Gone(error) => {
            Err(CliError::usage(error).hint("the collection was edited since; replay again for a new report"))
        }
    }
}

fn chosen(report: &MissReport, number: usize) -> Result<&Fix, CliError> {
    report.fixes.iter().find(|fix| fix.number == number).ok_or_else(|| {
        let all: String = report.fixes.iter().map(|fix| format!("\n  {}: {}", fix.number, clean(&fix.title))).collect();
        CliError::usage(format!("{} has no fix {number}", report.miss)).hint(format!("its fixes:{all}"))
    })
}

/// Where the collection of a fix lies.
fn folder(run: &Run, fix: &Fix) -> Result<PathBuf, CliError> {
    place(run, &fix.collection)
        .ok_or_else(|| CliError::usage(format!("the run served no collection `{}`", fix.collection)))
}

fn place(run: &Run, collection: &str) -> Option<PathBuf> {
    folder_of(&run.info.collections, collection).cloned()
}

fn told(
    proposed: &Proposed,
    decided: Option<&Decided>,
    (folder, which): (&Path, &str),
    args: &DiffArgs,
    printer: Printer,
) {
    let pending = &proposed.pending;
    if args.json || args.format == DiffFormat::Json {
        let decided = decided.map(super::review::word);
        printer.json(&json!({
            "collection": shown(folder), "id": pending.id, "title": pending.title,
            "standing": super::review::standing(&proposed.standing), "decided": decided, "change": pending.change,
        }));
        return;
    }
    let mut emit = |line| printer.data(styled(&line));
    pending::lines(pending, &proposed.standing, &proposed.collection, &mut emit);
    match (&proposed.standing, decided) {
        (Standing::Waits, Some(Decided::Accepted(_))) => {
            printer.say(format_args!("made in {}: make the call again", shown(folder)));
        }
        (Standing::Waits, Some(_)) => printer.say("nothing was left to change"),
        (Standing::Waits, None) => {
            printer.say(format_args!("it waits for a decision: `retake review {}`", quoted(&clean(which))));
        }
        _ => {}
    }
}
