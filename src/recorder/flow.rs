//! One call in progress, from its request head to its record.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::body::Incoming;
use jiff::Timestamp;

use super::copy::BodyCopy;
use super::request::{Shared, Taken};
use super::{Recorder, RequestBody, Source};
use crate::model::fields::is_steering;
use crate::model::{
    Body, BodyContent, BodyEnd, ContentHash, Exchange, ExchangeId, Failure, FailureKind, Fields, HttpVersion,
    Informational, Origin, Outcome, RequestRecord, ResponseRecord, Timings, TlsFacts, Vendor,
};
use crate::store::AppendError;
use crate::wire::Call;

/// The head of a response as the origin sent it.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// What the origin spoke.
    pub version: HttpVersion,
    /// The status code.
    pub status: u16,
    /// The reason phrase, if it was not the usual one.
    pub reason: Option<String>,
    /// Field lines as written.
    pub fields: Fields,
    /// Interim responses.
    pub informational: Vec<Informational>,
}

/// The exchange could not be written, and `--strict-recording` lets no call pass unrecorded.
#[derive(Debug, thiserror::Error)]
#[error("{0}, and --strict-recording lets no call pass unrecorded")]
pub struct Unrecorded(pub AppendError);

/// How a flow ends.
pub(super) enum Ending {
    /// With a whole response; a response without a head cannot be whole, and counts as cancelled.
    Complete,
    /// Without one, or with a part.
    Failed(Failure),
    /// The client went away.
    Cancelled,
}

impl Ending {
    fn outcome(self, response: Option<ResponseRecord>) -> Outcome {
        match (self, response) {
            (Ending::Complete, Some(response)) => Outcome::Complete(response),
            (Ending::Failed(failure), response) => Outcome::Failed(failure, response),
            (Ending::Complete | Ending::Cancelled, response) => Outcome::Cancelled(response),
        }
    }
}

/// A call in progress. Dropped before its end, it is recorded as cancelled, with what there was.
pub struct Flow(Option<Box<State>>);

pub(super) struct State {
    pub(super) recorder: Arc<Recorder>,
    id: ExchangeId,
    number: u64,
    started_at: Timestamp,
    pub(super) started: Instant,
    client: String,
    /// Where the request goes, unmasked: for messages.
    pub(super) origin: Origin,
    pub(super) request: RequestRecord,
    pub(super) body: Option<Arc<Shared>>,
    /// The head of the response once it is there, with what was read of its body.
    pub(super) response: Option<ResponseRecord>,
    pub(super) timings: Timings,
    tls: Option<TlsFacts>,
}

impl Flow {
    /// Begins the flow of a call to `origin`. Gives back hyper's view of the head, and the body for the upstream client.
    pub fn begin<B: Into<Source>>(
        recorder: &Arc<Recorder>,
        call: Call<B>,
        origin: Origin,
        expects: bool,
    ) -> (Flow, http::request::Parts, RequestBody) {
        let (id, number) = recorder.journal.recording.begin();
        let (call, body) = call.split();
        let source: Source = body.into();
        let body = if http_body::Body::is_end_stream(&source) {
            RequestBody::none()
        } else {
            let masker = recorder.masker.at(origin.host(), &call.path);
            let copy = BodyCopy::new(&recorder.journal.recording, &masker, &call.fields, None);
            RequestBody::new(recorder.clone(), source, copy, expects)
        };
        let masker = &recorder.masker;
        let mut fields = call.fields;
        fields.retain(|field| !is_steering(&field.name));
        masker.fields(&mut fields);
        let request = RequestRecord {
            method: call.method.as_str().to_owned(),
            origin: origin.clone(),
            path: masker.path(&call.path).into_owned(),
            query: call.query.map(|query| masker.query(&query).into_owned()),
            version: call.version,
            fields,
            trailers: Fields::new(),
            body: Body::empty(),
        };
        let state = State {
            recorder: recorder.clone(),
            id,
            number,
            started_at: call.started_at,
            started: call.started,
            client: call.client.to_string(),
            origin,
            request,
            body: body.shared(),
            response: None,
            timings: Timings::default(),
            tls: None,
        };
        (Flow(Some(Box::new(state))), call.head, body)
    }

    /// Tells when a byte of the request's body last went out.
    pub fn last_sent(&self) -> impl Fn() -> Option<Instant> + use<> {
        let body = self.0.as_ref().and_then(|state| state.body.clone());
        move || body.as_ref().and_then(|body| body.last_sent())
    }

    /// To be called when the origin says `100 Continue`.
    pub fn proceed(&self) -> impl Fn() + Send + Sync + use<> {
        let body = self.0.as_ref().and_then(|state| state.body.clone());
        move || {
            if let Some(body) = &body {
                body.proceed();
            }
        }
    }

    /// Notes when the connection stood, for a request that opened one, and its TLS facts.
    pub fn connected(&mut self, opened: Option<(Instant, Option<Instant>)>, tls: Option<TlsFacts>) {
        let Some(state) = &mut self.0 else { return };
        state.tls = tls;
        if let Some((connected, secured)) = opened {
            state.timings.connected_us = Some(state.micros(connected));
            state.timings.secured_us = secured.map(|at| state.micros(at));
        }
    }

    /// Records that there was no answer. Resolves when the record is in the journal, or could not be written.
    pub async fn fail(mut self, failure: Failure) -> Failure {
        let mut failure = failure;
        // The flow keeps its state until the end, so that a client that goes away meanwhile is recorded as such.
        if let Some(body) = self.0.as_ref().and_then(|state| state.body.clone()) {
            body.drain().await;
            if let Some(state) = self.0.as_ref().filter(|_| body.broke_off()) {
                failure = client_broke_off(&state.origin);
            }
        }
        let Some(state) = self.0.take() else { return failure };
        let recorded = state.masked(failure.clone());
        // What could not be written was counted and told by the recorder.
        let _ = Settling::new(state, Ending::Failed(recorded)).await;
        failure
    }

    /// Records a response without a body whose head is still held, and resolves when it may go.
    ///
    /// # Errors
    /// When it could not be written, under `--strict-recording`.
    pub async fn finish_bodiless(mut self, head: ResponseHead) -> Result<(), Unrecorded> {
        let Some(mut state) = self.0.take() else { return Ok(()) };
        state.answered(head);
        Settling::new(state, Ending::Complete).await
    }

    /// Takes the head of the response, and makes the body that the client gets.
    ///
    /// # Errors
    /// When the exchange could not be written, under `--strict-recording`.
    pub async fn respond(
        mut self,
        head: ResponseHead,
        incoming: Incoming,
        idle: std::time::Duration,
    ) -> Result<crate::wire::Body, Unrecorded> {
        let Some(mut state) = self.0.take() else { return Ok(crate::wire::Body::empty()) };
        let fields = head.fields.clone();
        state.answered(head);
        super::response::ResponseBody::start(Flow(Some(state)), fields, incoming, idle).await
    }

    pub(super) fn state(&self) -> Option<&State> {
        self.0.as_deref()
    }

    pub(super) fn state_mut(&mut self) -> Option<&mut State> {
        self.0.as_deref_mut()
    }

    /// Ends the flow, with the body of its response.
    pub(super) fn settle(&mut self, body: std::io::Result<Body>, ending: Ending) -> Option<Settling> {
        let mut state = self.0.take()?;
        match body {
            Ok(body) => {
                if let Some(response) = &mut state.response {
                    response.body = body;
                }
                Some(Settling::new(state, ending))
            }
            Err(error) => Some(Settling::lost(state, error, ending)),
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if let Some(state) = self.0.take() {
            // Dropping the write that nobody waits for leaves it to the recorder.
            drop(Settling::new(state, Ending::Cancelled));
        }
    }
}

/// What the flow says when the client's own body failed.
fn client_broke_off(origin: &Origin) -> Failure {
    let message = format!("the client broke off while it sent its request to {}", origin.authority);
    Failure { kind: FailureKind::Client, message }
}

impl State {
    pub(super) fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.started).as_micros()).unwrap_or(u64::MAX)
    }

    /// A failure as it may be written.
    pub(super) fn masked(&self, mut failure: Failure) -> Failure {
        failure.message = crate::report::terminal::clean(&self.recorder.masker.text(&failure.message)).into_owned();
        failure
    }

    fn answered(&mut self, head: ResponseHead) {
        self.timings.first_byte_us = Some(self.micros(Instant::now()));
        let masker = &self.recorder.masker;
        let mut fields = head.fields;
        masker.fields(&mut fields);
        let mut informational = head.informational;
        for interim in &mut informational {
            masker.fields(&mut interim.fields);
        }
        self.response = Some(ResponseRecord {
            version: head.version,
            status: head.status,
            reason: head.reason.map(|reason| masker.text(&reason).into_owned()),
            fields,
            trailers: Fields::new(),
            informational,
            body: Body::empty(),
        });
    }

    fn exchange(&self, request: RequestRecord, outcome: Outcome, partial: bool) -> Exchange {
        Exchange {
            id: self.id,
            number: self.number,
            session: self.recorder.session.clone(),
            tags: self.recorder.tags.clone(),
            note: None,
            started_at: self.started_at,
            client: Some(self.client.clone()),
            request,
            outcome,
            timings: self.timings.clone(),
            tls: self.tls.clone(),
            partial,
            vendor: Vendor::new(),
        }
    }

    /// Writes the `open` record of a response without known length, and makes the file of its chunks.
    pub(super) async fn open(&self) -> Result<crate::store::StreamFile, AppendError> {
        let recording = &self.recorder.journal.recording;
        let stream = recording.stream(self.id).map_err(|error| AppendError::Disk(Arc::new(error)))?;
        let mut request = self.request.clone();
        let over = match &self.body {
            None => true,
            Some(shared) => match shared.peek() {
                Some((body, trailers)) => {
                    (request.body, request.trailers) = (body, trailers);
                    true
                }
                None => false,
            },
        };
        let response = self.response.clone().map(|mut response| {
            response.body.content = BodyContent::Stream;
            response.body.end = BodyEnd::Cancelled;
            response
        });
        recording.append_open(self.exchange(request, Outcome::Interrupted(response), !over)).await?;
        Ok(stream)
    }

    /// The end: everything that must be in the journal before the held bytes go.
    async fn record(
        mut self: Box<Self>,
        outcome: Outcome,
        lost: Option<Arc<std::io::Error>>,
    ) -> Result<(), Unrecorded> {
        let mut lost = lost;
        let mut partial = false;
        match self.body.as_ref().map(|body| body.take()) {
            None => {}
            Some(Taken::Ended(Ok(body), trailers)) => {
                (self.request.body, self.request.trailers) = (body, trailers);
            }
            Some(Taken::Ended(Err(error), _)) => lost = lost.or(Some(error)),
            Some(Taken::Streaming) => {
                partial = true;
                self.request.body = unfinished();
            }
        }
        let recorder = self.recorder.clone();
        let request = std::mem::replace(&mut self.request, blank());
        let exchange = self.exchange(request, outcome, partial);
        let late = partial.then(|| Box::new(exchange.clone()));
        let result = match lost {
            None => recorder.append(exchange).await,
            Some(error) => recorder.give_up(&exchange, AppendError::Disk(error)),
        };
        match (result, late, &self.body) {
            (Ok(()), Some(late), Some(body)) => body.complete_later(late),
            (Err(error), ..) if recorder.strict => return Err(Unrecorded(error)),
            _ => {}
        }
        Ok(())
    }
}

/// The body of a request that is not over.
fn unfinished() -> Body {
    Body { end: BodyEnd::Cancelled, ..Body::empty() }
}

fn blank() -> RequestRecord {
    RequestRecord {
        method: String::new(),
        origin: Origin::new(crate::model::Scheme::Http, crate::model::Authority::new("", 0)),
        path: String::new(),
        query: None,
        version: HttpVersion::Http11,
        fields: Fields::new(),
        trailers: Fields::new(),
        body: Body { hash: ContentHash([0; 32]), ..Body::inline(Vec::new(), BodyEnd::Complete) },
    }
}

type Write = Pin<Box<dyn Future<Output = Result<(), Unrecorded>> + Send>>;

/// A record on its way into the journal. Dropped, it is finished all the same, by a task of the recorder.
pub(super) struct Settling {
    recorder: Arc<Recorder>,
    write: Option<Write>,
}

impl Settling {
    fn new(state: Box<State>, ending: Ending) -> Self {
        Self::start(state, None, ending)
    }

    /// For an exchange whose body could not be kept: it is counted as not recorded.
    fn lost(state: Box<State>, error: std::io::Error, ending: Ending) -> Self {
        Self::start(state, Some(Arc::new(error)), ending)
    }

    fn start(mut state: Box<State>, lost: Option<Arc<std::io::Error>>, ending: Ending) -> Self {
        state.timings.total_us = state.micros(Instant::now());
        let recorder = state.recorder.clone();
        let outcome = ending.outcome(state.response.take());
        let write: Write = Box::pin(state.record(outcome, lost));
        Settling { recorder, write: Some(write) }
    }
}

impl Future for Settling {
    type Output = Result<(), Unrecorded>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(write) = &mut self.write else { return Poll::Ready(Ok(())) };
        let polled = write.as_mut().poll(cx);
        if polled.is_ready() {
            self.write = None;
        }
        polled
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        if let Some(write) = self.write.take() {
            self.recorder.spawn(async move { drop(write.await) });
        }
    }
}
