//! `retake calls show`: a call whole.

use super::whole::{Include, Whole};
use super::{find, open};
use crate::cli::args::CallShowArgs;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::output::{BOLD, Printer};
use crate::report::terminal::{clean, clean_lines};
use crate::settings::Settings;
use crate::store::runs::{CallRecord, CallResult, RunInfo};

pub(super) fn run(args: &CallShowArgs, settings: &Settings, printer: Printer) -> Outcome {
    let run = open(settings, args.run.as_deref())?;
    let call = find(&run, args.call)?;
    let include = if args.include.is_empty() { Include::everything() } else { Include::new(&args.include) };
    let mut whole = Whole::new(&run.info, include);
    let messages = whole.of(&call);
    if args.json {
        let mut told = serde_json::to_value(&call).unwrap_or_default();
        messages.put_into(&mut told);
        printer.json(&told);
        return Ok(Exit::SUCCESS);
    }
    let exact = if call.result == CallResult::Exact { whole.of_exact(&call) } else { "" };
    head(&call, &run.info, exact, printer);
    messages.print(printer);
    Ok(Exit::SUCCESS)
}

fn head(call: &CallRecord, run: &RunInfo, exact: &str, printer: Printer) {
    printer.data(format_args!("{BOLD}call {}{BOLD:#} of run {}", call.call, run.run));
    printer.data(format_args!("{} {}", clean(&call.method), clean(&call.url)));
    let at = call.at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%.3f %:z");
    printer.data(format_args!("at {at}, answered {} in {} µs", call.status, call.duration_us));
    if let Some(cursor) = &call.cursor {
        printer.data(format_args!("cursor {}", clean(cursor)));
    }
    if let Some(scenario) = &call.scenario {
        let step = call.step.map(|step| format!(", step {step}")).unwrap_or_default();
        let score = call.score.map(|score| format!(", score {score:.1}")).unwrap_or_default();
        printer.data(format_args!("by {}{step}{score}", clean(scenario)));
    }
    match (&call.report_text, call.result) {
        (Some(report), _) => printer.data(format_args!("\n{}", clean_lines(report).trim_end())),
        (None, CallResult::Exact) => printer.data(exact),
        (None, _) => call.differences.iter().for_each(|line| printer.data(format_args!("  {}", clean(line)))),
    }
}
