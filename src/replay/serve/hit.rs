//! Answers of scenarios and server stubs, with what is said and logged of them.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Response, header};

use super::{Reading, Serve, Served};
use crate::matching::{self, Evaluation};
use crate::replay::engine::{Chosen, Engine, ServerAnswer};
use crate::replay::{cors, refusal};
use crate::report::explain;
use crate::report::terminal::clean;
use crate::store::runs::CallResult;
use crate::wire::{Body, Call};

/// The longest list of differences in `x-retake-inexact`, in bytes.
const INEXACT_FIELD_MAX: usize = 1_024;

impl Serve {
    /// Answers a call by the scenario that was chosen for it.
    pub(super) fn hit(
        &self,
        served: &Served,
        mut reading: Reading,
        call: matching::Call,
        chosen: Chosen<'_>,
        arrived: &Call<()>,
        explain: bool,
    ) -> Response<Body> {
        if let Some(places) = chosen.secrets {
            reading.url = self.url_without(places, &call);
        }
        let headers = &arrived.head.headers;
        let accept_encoding = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
        let asked = self.asked(arrived, accept_encoding);
        let mut response = served.hit(chosen.ready, asked, &call, reading.base.as_ref());
        if response.headers().contains_key("x-retake-error") {
            refusal::readable_by_pages(headers, response.headers_mut(), "x-retake-error");
        } else if self.allows_pages(&served.engine, Some(chosen.at.collection)) {
            cors::allow(headers, &mut response);
        }
        let differences = if chosen.evaluation.is_exact() { Vec::new() } else { differences(&chosen.evaluation) };
        mark(&mut response, &chosen, &differences, explain);
        for (name, text) in explain::fields(served.engine.index(), &call, served.engine.profile(), &chosen.ranked) {
            response.headers_mut().insert(name, value(&text));
        }
        self.log_hit(&served.engine, reading, call, &chosen, differences, &mut response);
        response
    }

    pub(super) fn server_stub_answers(
        &self,
        reading: Reading,
        call: matching::Call,
        stub: &ServerAnswer,
        arrived: &Call<()>,
        engine: &Engine,
    ) -> Response<Body> {
        self.tally.by_server_stub();
        let mut response = stub.ready.response(self.asked(arrived, None), &call, engine.around());
        if self.allows_pages(engine, Some(stub.collection)) {
            cors::allow(&arrived.head.headers, &mut response);
        }
        if self.options.skip_exact {
            return response;
        }
        let request = self.request_for_log(&call);
        let mut record = reading.record(call.method, response.status().as_u16(), CallResult::Exact);
        record.scenario = Some(Arc::clone(&stub.label));
        record.request = request;
        record.response = self.answer_for_log(&mut response);
        self.log.log(record);
        response
    }

    fn log_hit(
        &self,
        engine: &Engine,
        reading: Reading,
        call: matching::Call,
        chosen: &Chosen<'_>,
        differences: Vec<String>,
        response: &mut Response<Body>,
    ) {
        let Chosen { label, evaluation, step, .. } = chosen;
        let exact = evaluation.is_exact();
        if exact {
            self.tally.exact();
            if self.options.skip_exact && !chosen.moves {
                return;
            }
        } else {
            self.tally.inexact(reading.number, engine.name_of(chosen), &differences);
        }
        let result = if exact { CallResult::Exact } else { CallResult::Inexact };
        let request = (!exact || self.options.keep_requests).then(|| self.logged(&call));
        let mut record = reading.record(call.method, response.status().as_u16(), result);
        record.scenario = Some(Arc::clone(label));
        record.step = *step;
        record.score = Some(evaluation.score);
        record.differences = differences;
        record.request = request;
        record.response = self.answer_for_log(response);
        self.log.log(record);
    }

    /// Answers a preflight for which nothing was recorded. It is logged, and neither a hit nor a miss.
    pub(super) fn preflight(&self, reading: Reading, call: &matching::Call, asked: &HeaderMap) -> Response<Body> {
        let mut response = cors::preflight(asked);
        let mut record = reading.record(call.method.clone(), response.status().as_u16(), CallResult::Exact);
        record.scenario = Some("a preflight of a browser".into());
        record.request = self.request_for_log(call);
        record.response = self.answer_for_log(&mut response);
        self.log.log(record);
        response
    }
}

/// What was different, one line each: names and verdicts, no values.
fn differences(evaluation: &Evaluation) -> Vec<String> {
    let mut lines: Vec<String> = evaluation
        .differences()
        .map(|(part, item)| {
            let verdict = serde_json::to_value(item.verdict).ok();
            let verdict = verdict.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
            let name = if item.name.is_empty() { String::new() } else { format!(" {}", clean(&item.name)) };
            format!("{} {verdict}:{name}", part.as_str()).trim_end_matches(':').to_owned()
        })
        .collect();
    if let Some(note) = evaluation.path_note() {
        lines.push(format!("path: {note}"));
    }
    if evaluation.by_default {
        lines.push("answered by the stub's default scenario".into());
    }
    if evaluation.head_from_get {
        lines.push("HEAD answered by a GET scenario".into());
    }
    lines
}

/// Adds our own fields: an inexact hit is named always, an exact one only on request.
fn mark(response: &mut Response<Body>, chosen: &Chosen<'_>, differences: &[String], explain: bool) {
    let headers = response.headers_mut();
    if !differences.is_empty() {
        headers.insert("x-retake-inexact", value(&differences.join("; ")));
    }
    if explain {
        headers.insert("x-retake-scenario", value(chosen.label));
        headers.insert("x-retake-score", value(&format!("{:.1}", chosen.evaluation.score)));
        if let Some(step) = chosen.step {
            headers.insert("x-retake-step", HeaderValue::from(step));
        }
    }
}

/// A text as a field value: visible ASCII, the rest escaped, cut to a length that every client takes.
fn value(text: &str) -> HeaderValue {
    let mut ascii: String = text
        .chars()
        .flat_map(|character| {
            if character.is_ascii_graphic() || character == ' ' {
                vec![character]
            } else {
                character.escape_default().collect()
            }
        })
        .collect();
    ascii.truncate(INEXACT_FIELD_MAX);
    HeaderValue::from_str(ascii.trim()).unwrap_or_else(|_| HeaderValue::from_static(""))
}
