//! Request and answer of a logged call. Where the log keeps none, both are the scenario's.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::app::replay::folder_of;
use crate::cli::args::IncludeArg;
use crate::cli::explain::{answered, answerer};
use crate::cli::output::Printer;
use crate::collection::{Labels, ResponseSpec, Scenario, Stub};
use crate::report::terminal::{clean, clean_lines};
use crate::store::collections::{self, Loaded};
use crate::store::runs::{CallRecord, CallResult, LOGGED_BODY, LoggedMessage, RunInfo};

/// Before the name of a server stub, in a label.
const SERVER_STUB: &str = "server stub ";

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

    fn json(self, message: &LoggedMessage) -> Value {
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

    fn print(self, title: &str, message: &LoggedMessage, printer: Printer) {
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
    collections: HashMap<String, Option<Served>>,
}

/// A collection, and its scenarios by what the log calls them: calls may be as many as scenarios.
struct Served {
    loaded: Loaded,
    labels: Labels,
}

/// What there is of a call.
pub(super) struct Messages {
    request: Option<LoggedMessage>,
    /// The request is the scenario's, not the log's.
    as_scenario: bool,
    response: Option<LoggedMessage>,
    /// The answer is the scenario's, not the log's.
    answer_as_scenario: bool,
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
        let response_wanted = include.response.any() && call.response.is_none();
        let wanted = response_wanted || (include.request.any() && call.request.is_none() && exact);
        let served = label.filter(|_| wanted).and_then(|label| Some((self.served(label)?, label)));
        let response = served.filter(|_| response_wanted);
        let own = served.filter(|_| exact && call.request.is_none());
        let request = call.request.clone().or_else(|| own.and_then(|(served, label)| request(served, label, call)));
        Messages {
            request: request.filter(|_| include.request.any()),
            as_scenario: call.request.is_none(),
            response: match &call.response {
                Some(sent) => Some(sent.clone()).filter(|_| include.response.any()),
                None => response.and_then(|(served, label)| response_of(served, label, call)),
            },
            answer_as_scenario: call.response.is_none(),
            include,
        }
    }

    /// What to say of an exact hit: what was shown as its request and answer, and may have been otherwise.
    pub(super) fn of_exact(&mut self, call: &CallRecord) -> &'static str {
        let label = call.scenario.as_deref().and_then(|label| Some((label, label.split_once(": ")?.1)));
        let Some((label, _)) = label.filter(|(_, wanted)| !wanted.starts_with(SERVER_STUB)) else {
            return "nothing was compared: this answers whatever is asked";
        };
        let found = self.served(label).and_then(|served| Some((served, served.scenario(label, call)?)));
        let is_strict = found.is_some_and(|(served, (stub, scenario))| {
            let mut rules = served.loaded.collection.manifest.rules.iter().chain(&stub.rules);
            let as_recorded =
                scenario.request.matchers.is_empty() && scenario.steps().iter().all(|step| !step.template);
            as_recorded && rules.all(|rule| rule.off)
        });
        match (is_strict, &call.request) {
            (true, _) => "everything agreed: the request is the scenario's own",
            (false, Some(_)) if self.run.answers_kept => {
                "everything agreed: some values may be others than the scenario's, because rules, matchers or \
                 placeholders let them pass"
            }
            (false, Some(_)) => {
                "everything agreed: some values may be others than the scenario's, because rules, matchers or \
                 placeholders let them pass, and an answer that repeats or makes values had others than it has here"
            }
            (false, None) => {
                "everything agreed: some values may have been others than the scenario's, because rules, matchers or \
                 placeholders let them pass, and an answer that repeats or makes values had others than it has here; \
                 the log does not have them (`retake replay --call-log full` keeps them)"
            }
        }
    }

    /// The collection of a label.
    fn served(&mut self, label: &str) -> Option<&Served> {
        let (name, _) = label.split_once(": ")?;
        let folder = folder_of(&self.run.collections, name)?;
        let served = self.collections.entry(name.to_owned()).or_insert_with(|| Served::load(folder));
        served.as_ref()
    }
}

impl Served {
    fn load(folder: &Path) -> Option<Served> {
        let loaded = collections::load(folder).ok()?;
        let labels = Labels::new(&loaded.collection);
        Some(Served { loaded, labels })
    }

    /// The scenario that answered a call.
    fn scenario(&self, label: &str, call: &CallRecord) -> Option<(&Stub, &Scenario)> {
        let (stub, scenario) = answerer(&self.loaded, &self.labels, label, call)?;
        let stub = &self.loaded.collection.stubs[stub].stub;
        Some((stub, &stub.scenarios[scenario]))
    }
}

impl Messages {
    /// Puts them into the JSON of their call, in the place of the logged request.
    pub(super) fn put_into(&self, told: &mut Value) {
        let Include { request, response } = self.include;
        if let Some(members) = told.as_object_mut() {
            members.shift_remove("request");
            members.shift_remove("response");
        }
        for (name, parts, message) in [("request", request, &self.request), ("response", response, &self.response)] {
            if parts.any() {
                told[name] = message.as_ref().map_or(Value::Null, |message| parts.json(message));
            }
        }
        // What a scenario has is not what was sent where rules, templates or dates say otherwise.
        let from_scenario =
            [("request", self.as_scenario, &self.request), ("response", self.answer_as_scenario, &self.response)];
        for (name, is_from_scenario, message) in from_scenario {
            if is_from_scenario && message.is_some() && told.get(name).is_some() {
                told[format!("{name}_from")] = "scenario".into();
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
            let own = if self.answer_as_scenario { " (as the scenario has it)" } else { " (as it was sent)" };
            self.include.response.print(&format!("answer{own}:"), response, printer);
        }
    }
}

/// The request of an exact hit.
fn request(served: &Served, label: &str, call: &CallRecord) -> Option<LoggedMessage> {
    let own = answered(&served.loaded, &served.labels, label, call)?.ok()?;
    let fields = own.fields.iter().map(|field| (field.name.clone(), field.text().into_owned())).collect();
    Some(LoggedMessage { fields, body: text(&own.body), body_bytes: own.body.len() as u64, body_dropped: false })
}

/// The answer of a scenario or server stub.
fn response_of(served: &Served, label: &str, call: &CallRecord) -> Option<LoggedMessage> {
    let loaded = &served.loaded;
    let (_, wanted) = label.split_once(": ")?;
    let spec = match wanted.strip_prefix(SERVER_STUB) {
        Some(name) => {
            let stub = loaded.collection.manifest.server_stubs.iter().find(|stub| stub.name == name)?;
            let mut spec = ResponseSpec::of_status(stub.status);
            (spec.fields, spec.body) = (stub.fields.clone(), stub.body.clone());
            spec
        }
        None => {
            let step = usize::try_from(call.step.unwrap_or(1)).ok()?.checked_sub(1)?;
            served.scenario(label, call)?.1.steps().get(step)?.clone()
        }
    };
    let body = spec.body.as_ref().map(|body| loaded.body(body)).transpose().ok()?.unwrap_or_default();
    let fields = spec.fields.iter().map(|line| (line.0.name.clone(), line.0.text().into_owned())).collect();
    Some(LoggedMessage { fields, body: text(&body), body_bytes: body.len() as u64, body_dropped: false })
}

/// The beginning of a body that is text; nothing of another.
fn text(bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else { return String::new() };
    text[..text.floor_char_boundary(LOGGED_BODY)].to_owned()
}
