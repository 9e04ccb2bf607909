//! What becomes of calls that no scenario answers: the report, the way to their origin, or why they were refused.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response};
use jiff::Timestamp;

use super::{Next, Reading, Serve};
use crate::collection::{OnMiss, Profile};
use crate::matching::{self, Miss};
use crate::model::{Authority, Origin};
use crate::redact::PlaceholderIn;
use crate::replay::engine::Engine;
use crate::replay::tally::Told;
use crate::replay::{fallback, refusal};
use crate::report::miss::{self, MissReport};
use crate::report::receipt::FirstFix;
use crate::report::terminal::clean;
use crate::store::runs::{CallResult, LoggedMessage};
use crate::wire::{self, Body, Call, Unanswered};

/// A call that nothing matched, on its way to its origin.
pub(super) struct Passing {
    way: Arc<dyn wire::Fallback>,
    call: Call<Bytes>,
    origin: Origin,
    reading: Reading,
    what: OnMiss,
    cause: &'static str,
    why: String,
    logged: LoggedMessage,
    placeholder: Option<PlaceholderIn>,
}

impl Serve {
    /// What becomes of a call that nothing matched: the report, or the way to its origin.
    pub(super) fn missed(
        &self,
        engine: &Engine,
        reading: Reading,
        call: matching::Call,
        miss: &Miss,
        mut arrived: Call<()>,
        raw: Bytes,
    ) -> Next {
        let decided = self.options.on_miss.decide(engine.index(), &call, miss);
        let way = decided.and_then(|(what, origin)| Some((what, origin, self.ways.of(what)?)));
        let Some((what, origin, way)) = way else {
            return Next::Answer(self.miss(engine, reading, &call, miss, &arrived.head.headers));
        };
        let report = self.miss_report(engine, &reading, &call, miss);
        let (cause, why) = (report.cause(), report.detail);
        fallback::aim(&mut arrived.head, &call, &origin, reading.base.is_some());
        let logged = self.logged(&call);
        let placeholder = PlaceholderIn::of(&call.fields, &call.path, call.query.as_deref(), &call.body);
        (arrived.path, arrived.query, arrived.fields) = (call.path, call.query, call.fields);
        (arrived.route, arrived.tunnel_credentials) = (wire::Route::Proxied(origin.clone()), None);
        let (call, ()) = arrived.replace_body(raw);
        Next::Pass(Box::new(Passing { way, call, origin, reading, what, cause, why, logged, placeholder }))
    }

    fn miss(
        &self,
        engine: &Engine,
        reading: Reading,
        call: &matching::Call,
        missed: &Miss,
        headers: &HeaderMap,
    ) -> Response<Body> {
        let id = self.miss_id(reading.number);
        let status = self.miss_status(engine);
        let report = self.miss_report(engine, &reading, call, missed);
        let endpoint = format!("{} {}", call.method, reading.url.split('?').next().unwrap_or_default());
        let text = report.to_text();
        let told = || {
            let fix = report.fixes.first().cloned();
            let fix = fix.map(|fix| FirstFix { title: fix.title, command: fix.command });
            Some(Told { report: text.clone(), fix })
        };
        self.tally.miss(reading.number, endpoint, report.cause().to_owned(), told);
        let mut record = reading.record(call.method.clone(), status.as_u16(), CallResult::Miss);
        record.differences = vec![report.detail.clone()];
        record.request = Some(self.logged(call));
        record.miss = Some(id);
        record.report = serde_json::to_value(&report).ok();
        record.report_text = Some(text);
        let is_head = call.method == "HEAD";
        let mut response = match engine.profile() {
            Profile::Postman => refusal::not_found(&report, status, headers, is_head, engine.index().is_empty()),
            _ => refusal::miss(&report, status, headers, is_head),
        };
        record.response = self.answer_for_log(&mut response);
        self.log.log(record);
        response
    }

    fn miss_status(&self, engine: &Engine) -> http::StatusCode {
        let postman = engine.profile() == Profile::Postman;
        let usual = if postman { http::StatusCode::NOT_FOUND } else { http::StatusCode::NOT_IMPLEMENTED };
        self.options.miss_status.unwrap_or(usual)
    }

    fn miss_report(&self, engine: &Engine, reading: &Reading, call: &matching::Call, missed: &Miss) -> MissReport {
        let id = self.miss_id(reading.number);
        let status = self.miss_status(engine).as_u16();
        let (index, profile, logged) = (engine.index(), engine.profile(), self.run.is_some());
        let (cursor, mask) = (reading.cursor.as_deref(), &self.mask);
        let records = self.options.on_miss.records(index, &call.target);
        let context = miss::Context { index, call, id: &id, status, profile, logged, records, cursor, mask };
        MissReport::new(&context, missed)
    }

    /// Sends a call on to its origin, counts and logs it, and keeps a plain client here.
    pub(super) async fn pass_on(&self, passing: Passing) -> Response<Body> {
        let Passing { way, call, origin, reading, what, cause, why, logged, placeholder } = passing;
        let method = call.method.as_str().to_owned();
        if let Some(place) = &placeholder {
            self.warned.once(&origin, place);
        }
        let mut response = way.pass(call, origin).await;
        if let Some(base) = &reading.base {
            self.served.load().keep_here(&mut response, base);
        }
        let endpoint = format!("{method} {}", reading.url.split('?').next().unwrap_or_default());
        let is_unanswered = response.extensions().get::<Unanswered>().is_some();
        let cause = if is_unanswered { format!("{cause}; its origin gave no answer") } else { cause.to_owned() };
        self.tally.passed(reading.number, endpoint, cause, is_unanswered);
        let mut record = reading.record(method, response.status().as_u16(), CallResult::Passed);
        let how = match (is_unanswered, what) {
            (true, _) => "passed on, without an answer",
            (false, OnMiss::Record) => "passed on and recorded",
            (false, _) => "passed on",
        };
        record.differences = vec![format!("{how}: {why}")];
        let sent = placeholder.as_ref();
        record
            .differences
            .extend(sent.map(|place| format!("a placeholder in place of a secret was sent to the origin: {place}")));
        record.placeholder = placeholder;
        record.request = Some(logged);
        self.log.log(record);
        response
    }

    pub(super) fn refuse(
        &self,
        reading: Reading,
        method: &str,
        asked: &HeaderMap,
        refused: refusal::Refused,
    ) -> Response<Body> {
        let reason = refused.detail();
        self.tally.miss(reading.number, format!("{method} {}", reading.url), reason.clone(), || None);
        let mut record = reading.record(method.to_owned(), refused.status().as_u16(), CallResult::Error);
        record.differences = vec![reason];
        self.log.log(record);
        refusal::unread(&refused, asked)
    }

    /// Logs what never became a call: it counts as a miss. Of a tunnel it is known where it led, of anything else nothing.
    pub(super) fn lost(&self, at: Timestamp, tunnel: Option<&Authority>, reason: &str) {
        let shown = |text: &str| clean(&self.masker.text(text)).into_owned();
        let (url, reason) = (tunnel.map(|to| shown(&to.to_string())).unwrap_or_default(), shown(reason));
        let reading = self.reading(url, at);
        let (method, endpoint) = match tunnel {
            Some(_) => ("CONNECT", format!("CONNECT {}", reading.url)),
            None => ("-", "a message that is no call".to_owned()),
        };
        self.tally.miss(reading.number, endpoint, reason.clone(), || None);
        let mut record = reading.record(method.to_owned(), 0, CallResult::Error);
        record.differences = vec![reason];
        self.log.log(record);
    }

    fn miss_id(&self, number: u64) -> String {
        match &self.run {
            Some(run) => format!("{run}:{number}"),
            None => format!("call:{number}"),
        }
    }
}
