//! `retake calls show`: a call whole. Of an exact hit the log keeps neither request nor answer: both are the scenario's.

use serde_json::{Value, json};

use super::{find, open};
use crate::app::replay::name_of;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::explain::answered;
use crate::cli::output::{BOLD, Printer};
use crate::collection::ResponseSpec;
use crate::report::terminal::{clean, clean_lines};
use crate::settings::Settings;
use crate::store::collections::{self, Loaded};
use crate::store::runs::{CallRecord, CallResult, LOGGED_BODY, LoggedRequest, RunInfo};

pub(super) fn run(number: u64, run: Option<&str>, as_json: bool, settings: &Settings, printer: Printer) -> Outcome {
    let run = open(settings, run)?;
    let call = find(&run, number)?;
    let served = call.scenario.as_deref().and_then(|label| served(&run.info, label));
    let response = served.as_ref().and_then(|(loaded, label)| response(loaded, label, &call));
    let own = served.as_ref().filter(|_| call.result == CallResult::Exact);
    let request = call.request.clone().or_else(|| own.and_then(|(loaded, label)| request(loaded, label, &call)));
    if as_json {
        let mut told = serde_json::to_value(&call).unwrap_or_default();
        told["request"] = request.map_or(Value::Null, |request| json!(request));
        told["response"] = response.map_or(Value::Null, |response| json!(response));
        printer.json(&told);
        return Ok(Exit::SUCCESS);
    }
    head(&call, &run.info, printer);
    if let Some(request) = request {
        let own = if call.request.is_none() { " (as the scenario has it)" } else { "" };
        message(&format!("request{own}:"), &request, printer);
    }
    if let Some(response) = response {
        message("answer (as the scenario has it):", &response, printer);
    }
    Ok(Exit::SUCCESS)
}

fn head(call: &CallRecord, run: &RunInfo, printer: Printer) {
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
        (None, CallResult::Exact) => printer.data("everything agreed: the request is the scenario's own"),
        (None, _) => call.differences.iter().for_each(|line| printer.data(format_args!("  {}", clean(line)))),
    }
}

fn message(title: &str, message: &LoggedRequest, printer: Printer) {
    printer.data(format_args!("\n{title}"));
    for (name, value) in &message.fields {
        printer.data(format_args!("  {}: {}", clean(name), clean(value)));
    }
    if message.body_bytes > 0 {
        let body = match message.body.is_empty() {
            true => format!("({} bytes, binary)", message.body_bytes),
            false => message.body.clone(),
        };
        printer.data(format_args!("\n{}", clean_lines(&body)));
    }
}

/// The collection of a label, as its files are now, and the rest of the label.
fn served<'l>(run: &RunInfo, label: &'l str) -> Option<(Loaded, &'l str)> {
    let (name, _) = label.split_once(": ")?;
    let folder = run.collections.iter().find(|folder| name_of(folder) == name)?;
    Some((collections::load(folder).ok()?, label))
}

/// The request of an exact hit.
fn request(loaded: &Loaded, label: &str, call: &CallRecord) -> Option<LoggedRequest> {
    let own = answered(loaded, label, call)?.ok()?;
    let fields = own.fields.iter().map(|field| (field.name.clone(), field.text().into_owned())).collect();
    Some(LoggedRequest { fields, body: text(&own.body), body_bytes: own.body.len() as u64 })
}

/// The answer of a scenario or server stub.
fn response(loaded: &Loaded, label: &str, call: &CallRecord) -> Option<LoggedRequest> {
    let (_, wanted) = label.split_once(": ")?;
    let spec = match wanted.strip_prefix("server stub ") {
        Some(name) => {
            let stub = loaded.collection.manifest.server_stubs.iter().find(|stub| stub.name == name)?;
            let mut spec = ResponseSpec::of_status(stub.status);
            (spec.fields, spec.body) = (stub.fields.clone(), stub.body.clone());
            spec
        }
        None => {
            let stubs = loaded.collection.stubs.iter().map(|file| &file.stub);
            let scenario = stubs
                .flat_map(|stub| stub.scenarios.iter().map(move |scenario| (stub, scenario)))
                .find(|(stub, scenario)| [false, true].iter().any(|several| stub.label(scenario, *several) == wanted));
            let step = usize::try_from(call.step.unwrap_or(1)).ok()?.checked_sub(1)?;
            scenario?.1.steps().get(step)?.clone()
        }
    };
    let body = spec.body.as_ref().map(|body| loaded.body(body)).transpose().ok()?.unwrap_or_default();
    let fields = spec.fields.iter().map(|line| (line.0.name.clone(), line.0.text().into_owned())).collect();
    Some(LoggedRequest { fields, body: text(&body), body_bytes: body.len() as u64 })
}

/// The beginning of a body that is text; nothing of another.
fn text(bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else { return String::new() };
    text[..text.floor_char_boundary(LOGGED_BODY)].to_owned()
}
