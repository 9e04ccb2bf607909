//! What `retake verify` found, by endpoint.

use schemars::JsonSchema;
use serde::Serialize;

use super::collection::count;
use super::styled::{Line, Tone};
use crate::drift::{Difference, Kind, Severity, Verdict};

/// The report. The same content is printed and written as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DriftReport {
    /// The collection.
    pub collection: String,
    /// The origins that were called.
    pub against: Vec<String>,
    /// Of the worst endpoint; absent when nothing was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Requests that were sent and answered.
    pub compared: u64,
    /// The endpoints of which a scenario was compared, the worst first.
    pub endpoints: Vec<EndpointDrift>,
    /// Requests without an answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unanswered: Vec<Left>,
    /// Scenarios whose request was not sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_sent: Vec<Left>,
    /// It was stopped before everything was sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EndpointDrift {
    /// Method and path, with the origin where the collection has several.
    pub endpoint: String,
    /// Of its worst scenario.
    pub verdict: Verdict,
    /// Its scenarios that were compared.
    pub scenarios: Vec<ScenarioDrift>,
}

/// One scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ScenarioDrift {
    /// Its name.
    pub scenario: String,
    /// What it came to.
    pub verdict: Verdict,
    /// The step of its sequence that the live answer comes nearest to, from 1; absent where there is only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// The status of the live answer.
    pub status: u16,
    /// What differs, what matters most first.
    pub differences: Vec<Difference>,
}

/// A scenario that was not compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Left {
    /// The scenario: `GET /users/{login}#octocat`.
    pub scenario: String,
    /// Why.
    pub reason: String,
}

/// Lines of one kind that people are shown for a scenario; JSON has them all.
const SHOWN: usize = 12;

impl DriftReport {
    /// Whether anything was found that matters so much.
    pub fn has(&self, severity: Severity) -> bool {
        let scenarios = self.endpoints.iter().flat_map(|endpoint| &endpoint.scenarios);
        scenarios.flat_map(|scenario| &scenario.differences).any(|difference| difference.severity == severity)
    }

    /// The report in lines, safe for a terminal.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for endpoint in &self.endpoints {
            let mut line = verdict(endpoint.verdict);
            line.push(Tone::Bold, &endpoint.endpoint);
            if endpoint.scenarios.len() > 1 {
                line.push(Tone::Dim, format!("  {}", count(endpoint.scenarios.len(), "scenario")));
            }
            lines.push(line);
            endpoint.scenarios.iter().for_each(|scenario| scenario_lines(scenario, &mut lines));
        }
        left(&mut lines, "no answer", Tone::Bad, &self.unanswered);
        left(&mut lines, "not sent", Tone::Dim, &self.not_sent);
        lines
    }

    /// One line that sums it up.
    pub fn summary(&self) -> String {
        let of = |verdict| self.endpoints.iter().filter(|endpoint| endpoint.verdict == verdict).count();
        let with = if self.against.is_empty() { String::new() } else { format!(" with {}", self.against.join(", ")) };
        let mut text = format!(
            "{} compared{with}: {} unchanged, {} compatible, {} breaking",
            count(usize::try_from(self.compared).unwrap_or(usize::MAX), "answer"),
            of(Verdict::Unchanged),
            of(Verdict::Compatible),
            of(Verdict::Breaking)
        );
        for (what, list) in [("without an answer", &self.unanswered), ("not sent", &self.not_sent)] {
            if !list.is_empty() {
                text.push_str(&format!("; {} {what}", list.len()));
            }
        }
        if self.stopped {
            text.push_str("; stopped before the end");
        }
        text
    }
}

fn verdict(verdict: Verdict) -> Line {
    let tone = match verdict {
        Verdict::Unchanged => Tone::Added,
        Verdict::Compatible => Tone::Word,
        Verdict::Breaking => Tone::Bad,
    };
    Line::of(tone, format!("{:<11} ", verdict.as_str()))
}

fn scenario_lines(scenario: &ScenarioDrift, lines: &mut Vec<Line>) {
    if scenario.differences.is_empty() {
        return;
    }
    let step = scenario.step.map(|step| format!(" (step {step})")).unwrap_or_default();
    lines.push(Line::of(Tone::Name, format!("  {}{step}", scenario.scenario)));
    for difference in scenario.differences.iter().take(SHOWN) {
        lines.push(difference_line(difference));
    }
    if let Some(more) = scenario.differences.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        lines.push(Line::of(Tone::Dim, format!("    … and {more} more (`--json` has them all)")));
    }
}

fn difference_line(difference: &Difference) -> Line {
    let (sign, tone) = match difference.severity {
        Severity::Breaking => ("✗", Tone::Bad),
        Severity::Added => ("+", Tone::Added),
        Severity::Values => ("~", Tone::Dim),
    };
    let mut line = Line::of(tone, format!("    {sign} "));
    line.push(Tone::Plain, &difference.at);
    let recorded = difference.recorded.as_deref();
    let live = difference.live.as_deref();
    let what = match (difference.kind, recorded, live) {
        (Kind::Removed, Some(recorded), _) => format!("removed; it was {recorded}"),
        (Kind::Added, _, Some(live)) => format!("added: {live}"),
        (Kind::Order, ..) => "another order".to_owned(),
        (Kind::Type, Some(recorded), Some(live)) => format!("was {recorded}, now {live}"),
        (_, Some(recorded), Some(live)) => format!("was {recorded}, now {live}"),
        (_, Some(recorded), None) => format!("gone; it was {recorded}"),
        (_, None, Some(live)) => format!("new: {live}"),
        (_, None, None) => String::new(),
    };
    line.push(tone, format!("  {what}"));
    if difference.count > 1 {
        line.push(Tone::Dim, format!("  ({} places)", difference.count));
    }
    line
}

fn left(lines: &mut Vec<Line>, title: &str, tone: Tone, all: &[Left]) {
    if all.is_empty() {
        return;
    }
    lines.push(Line::of(tone, format!("{title}:")));
    for left in all {
        lines.push(Line::of(Tone::Plain, format!("  {}: {}", left.scenario, left.reason)));
    }
}
