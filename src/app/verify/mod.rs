//! Sends the recorded requests of a collection to the live API again, and compares the answers.

mod naming;
mod plan;
mod send;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

pub use plan::{Against, BadAgainst};

use crate::collection::{ResponseSpec, Stub};
use crate::drift::{Answer, Difference, Schema, Verdict, compare};
use crate::model::Field;
use crate::model::media::Kind;
use crate::redact::MaskRules;
use crate::report::drift::{DriftReport, EndpointDrift, Left, ScenarioDrift};
use crate::store::collections::Loaded;
use crate::tls::{TlsError, UpstreamTrust};
use plan::{Plan, Request};
use send::Sender;

/// What is verified, and how.
#[derive(Debug)]
pub struct VerifyPlan {
    /// The name of the collection, for reports.
    pub name: String,
    /// The collection.
    pub loaded: Loaded,
    /// Where requests go instead of where they were recorded.
    pub against: Vec<Against>,
    /// Requests that may change something are sent, too.
    pub with_unsafe: bool,
    /// How many requests may be under way at the same time. With unsafe ones it is one: their order matters.
    pub concurrency: usize,
    /// How many are begun in a second.
    pub rate: f64,
    /// How long one may take from its beginning to the last byte of its answer.
    pub timeout: Duration,
    /// Field lines that every request gets in place of its own of that name.
    pub fields: Vec<Field>,
    /// How certificates are trusted.
    pub trust: UpstreamTrust,
    /// What the user adds to masking; its secrets are put where the collection has their placeholders.
    pub mask: MaskRules,
}

impl VerifyPlan {
    /// Whether a request gets this field line of `fields`. What was refused for want of credentials is asked for as it
    /// was: without them, or with those that were refused.
    fn is_given(field: &Field, was_refused: bool) -> bool {
        !was_refused || !["authorization", "cookie"].iter().any(|name| field.is(name))
    }
}

/// Sends and compares until all is done or `stop` is cancelled; `progress` hears how many of how many are done.
///
/// # Errors
/// When the roots to trust cannot be read. That nothing answers is in the report.
pub async fn verify(
    plan: VerifyPlan,
    stop: &CancellationToken,
    mut progress: impl FnMut(usize, usize),
) -> Result<DriftReport, TlsError> {
    let sender = Sender::new(&plan)?;
    let Plan { requests, not_sent } = Plan::of(&plan);
    let all = requests.len();
    let called: BTreeSet<String> =
        requests.iter().map(|request| format!("{}{}", request.origin, request.prefix)).collect();
    let mut findings = Findings::new(&plan);
    let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / plan.rate));
    // A slow answer must not be made good by a burst.
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let paced = futures_util::stream::unfold((requests.into_iter(), pace), |(mut requests, mut pace)| async move {
        let request = requests.next()?;
        pace.tick().await;
        Some((request, (requests, pace)))
    });
    let sender = &sender;
    let concurrency = if plan.with_unsafe { 1 } else { plan.concurrency };
    let answers = paced.map(|request| async move { (sender.send(&request).await, request) });
    let mut answers = std::pin::pin!(answers.buffer_unordered(concurrency));
    let mut done = 0;
    let stopped = loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break done < all,
            next = answers.next() => match next {
                None => break false,
                Some((answer, request)) => {
                    done += 1;
                    progress(done, all);
                    findings.take(&request, answer);
                }
            },
        }
    };
    Ok(findings.report(called.into_iter().collect(), not_sent, stopped))
}

/// What has been found so far.
struct Findings<'a> {
    plan: &'a VerifyPlan,
    several: bool,
    /// By stub and status.
    schemas: BTreeMap<(usize, u16), Schema>,
    scenarios: BTreeMap<(usize, usize), ScenarioDrift>,
    unanswered: BTreeMap<(usize, usize), String>,
}

impl<'a> Findings<'a> {
    fn new(plan: &'a VerifyPlan) -> Self {
        let (schemas, scenarios, unanswered) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let several = plan.loaded.collection.manifest.origins.len() > 1;
        Findings { plan, several, schemas, scenarios, unanswered }
    }

    fn stub(&self, at: usize) -> &'a Stub {
        &self.plan.loaded.collection.stubs[at].stub
    }

    fn take(&mut self, request: &Request, answer: Result<Answer, String>) {
        let at = (request.stub, request.scenario);
        let stub = self.stub(request.stub);
        let scenario = &stub.scenarios[request.scenario];
        let told: Vec<bool> = scenario.steps().iter().map(|step| step.status == 429).collect();
        match answer {
            // That the API has had enough of us says nothing about its answers.
            Ok(answer) if answer.status == 429 && !told.contains(&true) => {
                let reason = "429, too many requests: slow down with `--rate`".to_owned();
                self.unanswered.insert(at, reason);
            }
            Err(reason) => drop(self.unanswered.insert(at, reason)),
            Ok(answer) => {
                let (step, differences) = self.nearest(request, scenario.steps(), &answer);
                let found = ScenarioDrift {
                    scenario: scenario.name.clone(),
                    verdict: Verdict::of(&differences),
                    step: (scenario.steps().len() > 1).then_some(step as u64 + 1),
                    status: answer.status,
                    differences,
                };
                self.scenarios.insert(at, found);
            }
        }
    }

    /// The step from which a live answer differs least. The API may be at any step of a sequence.
    fn nearest(&mut self, request: &Request, steps: &[ResponseSpec], live: &Answer) -> (usize, Vec<Difference>) {
        let stub = self.stub(request.stub);
        let loaded = &self.plan.loaded;
        let schema = self.schemas.entry((request.stub, live.status));
        let schema: &Schema = schema.or_insert_with(|| schema_of(loaded, stub, live.status));
        let rules = || stub.rules.iter().chain(&loaded.collection.manifest.rules);
        let is_head = request.method == http::Method::HEAD;
        let compared = steps.iter().enumerate().map(|(at, step)| {
            let recorded = recorded(loaded, stub, step, is_head);
            let differences = compare(&recorded, live, schema, rules());
            (at, differences)
        });
        let weight = |differences: &[Difference]| {
            let worst = differences.iter().map(|difference| difference.severity).max();
            (worst, differences.len())
        };
        compared.min_by_key(|(_, differences)| weight(differences)).unwrap_or_default()
    }

    fn report(self, against: Vec<String>, not_sent: Vec<Left>, stopped: bool) -> DriftReport {
        let compared = self.scenarios.len() as u64;
        let label = |(stub, scenario): (usize, usize)| {
            let stub = self.stub(stub);
            stub.label(&stub.scenarios[scenario], self.several)
        };
        let unanswered =
            self.unanswered.iter().map(|(at, reason)| Left { scenario: label(*at), reason: reason.clone() }).collect();
        let mut endpoints: BTreeMap<usize, EndpointDrift> = BTreeMap::new();
        for ((at, _), scenario) in self.scenarios {
            let stub = &self.plan.loaded.collection.stubs[at].stub;
            let origin = if self.several { stub.origin.to_string() } else { String::new() };
            let endpoint = endpoints.entry(at).or_insert_with(|| EndpointDrift {
                endpoint: format!("{} {origin}{}", stub.method, stub.path),
                verdict: Verdict::Unchanged,
                scenarios: Vec::new(),
            });
            endpoint.verdict = endpoint.verdict.max(scenario.verdict);
            endpoint.scenarios.push(scenario);
        }
        let mut endpoints: Vec<EndpointDrift> = endpoints.into_values().collect();
        endpoints.sort_by_key(|endpoint| std::cmp::Reverse(endpoint.verdict));
        let verdict = endpoints.first().map(|endpoint| endpoint.verdict);
        let collection = self.plan.name.clone();
        DriftReport { collection, against, verdict, compared, endpoints, unanswered, not_sent, stopped }
    }
}

/// What all recorded answers of a stub with this status agree on.
fn schema_of(loaded: &Loaded, stub: &Stub, status: u16) -> Schema {
    let mut schema = Schema::default();
    let scenarios = stub.scenarios.iter().filter(|scenario| !scenario.disabled);
    for step in scenarios.flat_map(|scenario| scenario.steps()).filter(|step| step.status == status) {
        let Answer { fields, content, is_template, .. } = recorded(loaded, stub, step, false);
        if Kind::of(fields.text("content-type").as_deref()) == Kind::Json
            && let Some(value) = content.and_then(|content| serde_json::from_slice(&content).ok())
        {
            schema.add(&value, is_template);
        }
    }
    schema
}

fn recorded(loaded: &Loaded, stub: &Stub, step: &ResponseSpec, is_head: bool) -> Answer {
    let content = match &step.body {
        _ if is_head => None,
        None => Some(bytes::Bytes::new()),
        Some(spec) if spec.coded.is_some() || spec.truncated => None,
        Some(spec) => loaded.body(spec).ok(),
    };
    let mut fields = step.fields.iter().map(|line| line.0.clone()).collect();
    naming::name_recorded(&mut fields, &stub.origin);
    Answer { status: step.status, fields, content, is_template: step.template }
}
