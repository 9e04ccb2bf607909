//! Request and answer of a logged call. Of an exact hit the log keeps neither: both are the scenario's.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::app::replay::name_of;
use crate::cli::args::IncludeArg;
use crate::cli::explain::answered;
use crate::cli::output::Printer;
use crate::collection::ResponseSpec;
use crate::report::terminal::{clean, clean_lines};
use crate::store::collections::{self, Loaded};
use crate::store::runs::{CallRecord, CallResult, LOGGED_BODY, LoggedRequest, RunInfo};

/// Which parts of requests and answers are told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Include {
    request: Parts,
    response: Parts,
}

#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    fields: bool,
    body: bool,
}

impl Include {
    /// What was asked for; nothing if nothing was.
    pub(super) fn new(asked: &[IncludeArg]) -> Include {
        let mut include = Include::default();
        for part in asked {
            let (of, fields, body) = match part {
                IncludeArg::Request => (&mut include.request, true, true),
                IncludeArg::RequestHeaders => (&mut include.request, true, false),
                IncludeArg::RequestBody => (&mut include.request, false, true),
                IncludeArg::Response => (&mut include.response, true, true),
                IncludeArg::ResponseHeaders => (&mut include.response, true, false),
                IncludeArg::ResponseBody => (&mut include.response, false, true),
            };
            of.fields |= fields;
            of.body |= body;
        }
        include
    }

    /// Everything.
    pub(super) fn everything() -> Include {
        Include::new(&[IncludeArg::Request, IncludeArg::Response])
    }
}

impl Parts {
    fn any(self) -> bool {
        self.fields || self.body
    }

    fn json(self, message: &LoggedRequest) -> Value {
        let mut told = serde_json::to_value(message).unwrap_or_default();
        let mut leave_out =
            |part: &str| told.as_object_mut().and_then(|members: &mut Map<_, _>| members.shift_remove(part));
        if !self.fields {
            leave_out("fields");
        }
        if !self.body {
            leave_out("body");
        }
        told
    }

    fn print(self, title: &str, message: &LoggedRequest, printer: Printer) {
        printer.data(format_args!("\n{title}"));
        for (name, value) in message.fields.iter().filter(|_| self.fields) {
            printer.data(format_args!("  {}: {}", clean(name), clean(value)));
        }
        if self.body && message.body_bytes > 0 {
            let body = match message.body.is_empty() {
                true => format!("({} bytes, binary)", message.body_bytes),
                false => message.body.clone(),
            };
            printer.data(format_args!("\n{}", clean_lines(&body)));
        }
    }
}

/// Finds requests and answers of calls of one run.
pub(super) struct Whole<'r> {
    run: &'r RunInfo,
    include: Include,
    /// By name, as their files are now; none for those that cannot be read.
    collections: HashMap<String, Option<Loaded>>,
}

/// What there is of a call.
pub(super) struct Messages {
    request: Option<LoggedRequest>,
    /// The request is the scenario's, not the log's.
    as_scenario: bool,
    response: Option<LoggedRequest>,
    include: Include,
}

impl<'r> Whole<'r> {
    pub(super) fn new(run: &'r RunInfo, include: Include) -> Self {
        Whole { run, include, collections: HashMap::new() }
    }

    /// What is to be told of a call. Collections are read when one of their calls comes first.
    pub(super) fn of(&mut self, call: &CallRecord) -> Messages {
        let include = self.include;
        let exact = call.result == CallResult::Exact;
        let label = call.scenario.as_deref();
        let wanted = include.response.any() || (include.request.any() && call.request.is_none() && exact);
        let served = label.filter(|_| wanted).and_then(|label| Some((self.served(label)?, label)));
        let response = served.filter(|_| include.response.any());
        let own = served.filter(|_| exact && call.request.is_none());
        let request = call.request.clone().or_else(|| own.and_then(|(loaded, label)| request(loaded, label, call)));
        Messages {
            request: request.filter(|_| include.request.any()),
            as_scenario: call.request.is_none(),
            response: response.and_then(|(loaded, label)| response_of(loaded, label, call)),
            include,
        }
    }

    /// The collection of a label.
    fn served(&mut self, label: &str) -> Option<&Loaded> {
        let (name, _) = label.split_once(": ")?;
        let folder = self.run.collections.iter().find(|folder| name_of(folder) == name)?;
        let loaded = self.collections.entry(name.to_owned()).or_insert_with(|| collections::load(folder).ok());
        loaded.as_ref()
    }
}

impl Messages {
    /// Puts them into the JSON of their call, in the place of the logged request.
    pub(super) fn put_into(&self, told: &mut Value) {
        let Include { request, response } = self.include;
        if let Some(members) = told.as_object_mut() {
            members.shift_remove("request");
        }
        for (name, parts, message) in [("request", request, &self.request), ("response", response, &self.response)] {
            if parts.any() {
                told[name] = message.as_ref().map_or(Value::Null, |message| parts.json(message));
            }
        }
    }

    /// Prints them.
    pub(super) fn print(&self, printer: Printer) {
        if let Some(request) = &self.request {
            let own = if self.as_scenario { " (as the scenario has it)" } else { "" };
            self.include.request.print(&format!("request{own}:"), request, printer);
        }
        if let Some(response) = &self.response {
            self.include.response.print("answer (as the scenario has it):", response, printer);
        }
    }
}

/// The request of an exact hit.
fn request(loaded: &Loaded, label: &str, call: &CallRecord) -> Option<LoggedRequest> {
    let own = answered(loaded, label, call)?.ok()?;
    let fields = own.fields.iter().map(|field| (field.name.clone(), field.text().into_owned())).collect();
    Some(LoggedRequest { fields, body: text(&own.body), body_bytes: own.body.len() as u64 })
}

/// The answer of a scenario or server stub.
fn response_of(loaded: &Loaded, label: &str, call: &CallRecord) -> Option<LoggedRequest> {
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
