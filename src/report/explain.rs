//! How a call matches: which scenario answers, its score part by part, and why the next one does not.

use serde::Serialize;

use super::mask::Mask;
use super::miss::{self, MissReport, Tone, item_words};
use super::terminal;
use crate::collection::{Profile, RuleAction, StateSpec, matcher_words, rule_words};
use crate::matching::{
    Call, Decider, Evaluation, Index, Item, Part, Points, Ranked, ScenarioRef, Selection, Standing, State,
};

/// Differences listed.
const MAX_DIFFERENCES: usize = 20;

/// A call, explained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The call's method.
    pub method: String,
    /// The call's URL, secrets masked.
    pub url: String,
    /// `best`, `strict` or `postman`.
    pub profile: &'static str,
    /// The scenario that answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// The next in line, and why it does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner_up: Option<RunnerUp>,
    /// The report, if none answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miss: Option<MissReport>,
}

/// The scenario that answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// Method, path pattern, `#` and name.
    pub scenario: String,
    /// The collection.
    pub collection: String,
    /// The stub's file.
    pub file: String,
    /// Whether everything agreed.
    pub exact: bool,
    /// It answers as the default of its stub.
    pub by_default: bool,
    /// A GET scenario that answers HEAD.
    pub head_from_get: bool,
    /// The call named it, by id or by name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub picked: bool,
    /// 0 to 100; by points 60 to 115.
    pub score: f64,
    /// The points of the profile `postman`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<Points>,
    /// The score as a sum.
    pub arithmetic: String,
    /// Part by part.
    pub parts: Vec<PartRow>,
    /// What its matchers asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matched: Vec<String>,
    /// What is not the same, secrets masked.
    pub differences: Vec<Difference>,
}

/// Fields that tell a client how its answer was chosen: `ranked` is what the choice was made from, best first, and
/// `profile` by which. No value of the request is in them.
pub fn fields(index: &Index, call: &Call, profile: Profile, ranked: &[Ranked]) -> Vec<(&'static str, String)> {
    let Some(first) = ranked.first().filter(|first| first.qualified) else { return Vec::new() };
    let evaluation = &first.evaluation;
    let mut fields = Vec::new();
    if let Some(rung) = evaluation.points.and_then(|points| points.rung) {
        fields.push(("x-retake-rung", format!("{} {}", rung.points(), rung.words())));
    }
    let parts = Part::ALL.into_iter().filter(|part| evaluation.part(*part).applies());
    let parts = parts.map(|part| {
        let tally = evaluation.part(part).tally;
        format!("{} {}/{}", part.as_str(), tally.same, tally.all())
    });
    fields.push(("x-retake-parts", parts.collect::<Vec<_>>().join(", ")));
    // A field of HTTP is ASCII.
    let sum = arithmetic(evaluation).replace('×', "x").replace('÷', "/").replace('−', "-");
    fields.push(("x-retake-arithmetic", sum));
    if let Some(next) = ranked.get(1) {
        let next = runner_up(index, next, profile, call);
        fields.push(("x-retake-runner-up", format!("{} (score {}): {}", next.scenario, round(next.score), next.why)));
        if let Some(decider) = next.tie_break {
            fields.push(("x-retake-tie-break", decider.as_str().to_owned()));
        }
    }
    fields
}

/// The verdict on a part, with its share of the score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartRow {
    /// Which.
    pub part: Part,
    /// Its weight; 0 if there was nothing to compare.
    pub weight: u32,
    /// Items that are the same.
    pub same: u32,
    /// Items of the call only.
    pub extra: u32,
    /// Items of the scenario only.
    pub missing: u32,
    /// Items that contradict each other.
    pub different: u32,
    /// Same over all.
    pub share: f64,
}

/// An item that is not the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// In which part.
    pub part: Part,
    /// The item.
    #[serde(flatten)]
    pub item: Item,
}

/// The next in line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunnerUp {
    /// Method, path pattern, `#` and name.
    pub scenario: String,
    /// Its score.
    pub score: f64,
    /// What decided between the two, where both may answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tie_break: Option<Decider>,
    /// Why it does not answer.
    pub why: String,
}

impl Explanation {
    /// Explains a call, after what has happened in `state`.
    pub fn new(
        index: &Index,
        call: &Call,
        profile: Profile,
        (id, status): (&str, u16),
        mask: &Mask,
        state: &dyn State,
    ) -> Self {
        let context =
            miss::Context { index, call, id, status, profile, logged: false, records: false, cursor: None, mask };
        let mut explanation = Explanation {
            method: call.method.clone(),
            url: miss::url(&context),
            profile: profile.as_str(),
            answer: None,
            runner_up: None,
            miss: None,
        };
        let (selection, ranked) = index.select_ranked(call, profile, state);
        match selection {
            Selection::Miss(miss) => explanation.miss = Some(MissReport::new(&context, &miss)),
            Selection::Hit(hit) => {
                explanation.runner_up = ranked.get(1).map(|next| runner_up(index, next, profile, call));
                explanation.answer = Some(answer(index, hit.at, &hit.evaluation, mask));
            }
        }
        explanation
    }

    /// The explanation as lines of at most `width` characters, safe for a terminal.
    pub fn lines(&self, width: usize) -> Vec<(Tone, String)> {
        if let Some(miss) = &self.miss {
            return miss.lines(width);
        }
        let mut lines = Vec::new();
        if let Some(answer) = &self.answer {
            lines.push((Tone::Strong, format!("{} {}", self.method, self.url)));
            lines.push((
                Tone::Good,
                format!("answered by {}  ({}, {})", answer.scenario, answer.collection, answer.file),
            ));
            lines.push((Tone::Plain, answer.words().to_owned()));
            lines.push((Tone::Plain, String::new()));
            match answer.points.map(|points| points.rung) {
                None => {}
                Some(Some(rung)) => lines.push((Tone::Plain, format!("rung {}: {}", rung.points(), rung.words()))),
                Some(None) => lines.push((Tone::Plain, "no rung: its path is another one".to_owned())),
            }
            lines.push((Tone::Dim, "part      weight  same  extra  missing  different   p".to_owned()));
            lines.extend(answer.parts.iter().map(|row| (Tone::Plain, row.line())));
            lines.push((Tone::Plain, format!("score {}", answer.arithmetic)));
            lines.extend(answer.matched.iter().map(|asked| (Tone::Good, format!("matched: {asked}"))));
            for difference in &answer.differences {
                lines.push((Tone::Bad, format!("✗ {}  {}", difference.part.as_str(), item_words(&difference.item))));
            }
        }
        if let Some(next) = &self.runner_up {
            lines.push((Tone::Plain, String::new()));
            lines.push((Tone::Plain, format!("next: {}  (score {})", next.scenario, round(next.score))));
            lines.push((Tone::Dim, format!("  {}", next.why)));
        }
        let safe = |line: String| terminal::cut(&terminal::clean(&line), width).into_owned();
        lines.into_iter().map(|(tone, line)| (tone, safe(line))).collect()
    }
}

impl Answer {
    fn words(&self) -> &'static str {
        match self {
            _ if self.by_default => "inexact: it did not qualify, and answers as the default of its stub",
            _ if self.head_from_get => "inexact: a GET scenario answers HEAD, without its body",
            _ if self.exact => "exact: everything agrees",
            _ if self.picked => "inexact: the call named it",
            _ if self.points.is_some() => "inexact: path, query or a field differs",
            _ => "inexact: something is extra, missing, or a field differs",
        }
    }
}

impl PartRow {
    fn line(&self) -> String {
        let PartRow { part, weight, same, extra, missing, different, share } = self;
        let share = if same + extra + missing + different == 0 { "–".to_owned() } else { format!("{share:.2}") };
        format!("{:<9} {weight:>6}  {same:>4}  {extra:>5}  {missing:>7}  {different:>9}   {share}", part.as_str())
    }
}

fn round(score: f64) -> f64 {
    (score * 100.0).round() / 100.0
}

fn name(index: &Index, at: ScenarioRef) -> String {
    let stub = &index.stub(at).stub;
    format!("{} {}#{}", stub.method, stub.path, index.scenario(at).name)
}

fn answer(index: &Index, at: ScenarioRef, evaluation: &Evaluation, mask: &Mask) -> Answer {
    let differences = evaluation.differences().take(MAX_DIFFERENCES).map(|(part, item)| {
        let masked = |value: &Option<String>| {
            value.as_ref().map(|value| terminal::cut(&mask.value(part, &item.name, value), 200).into_owned())
        };
        let expected = if item.matcher { item.expected.clone() } else { masked(&item.expected) };
        let (name, got) = (mask.text(&item.name), masked(&item.got));
        let item = Item { name, expected, got, ..item.clone() };
        Difference { part, item }
    });
    Answer {
        scenario: name(index, at),
        collection: index.source(at).name.clone(),
        file: index.stub(at).path.clone(),
        exact: evaluation.is_exact(),
        by_default: evaluation.by_default,
        head_from_get: evaluation.head_from_get,
        picked: evaluation.picked,
        score: evaluation.score,
        points: evaluation.points,
        arithmetic: arithmetic(evaluation),
        parts: Part::ALL.map(|part| row(evaluation, part)).into(),
        matched: if evaluation.by_default || evaluation.picked { Vec::new() } else { matched(index, at) },
        differences: differences.collect(),
    }
}

/// What the scenario's matchers, and the rules of its stub that match, ask for.
fn matched(index: &Index, at: ScenarioRef) -> Vec<String> {
    let own = index.scenario(at).request.matchers.iter().map(matcher_words);
    let rules = index.stub(at).stub.rules.iter();
    own.chain(rules.filter(|rule| rule.action == RuleAction::Match && !rule.off).map(rule_words)).collect()
}

fn row(evaluation: &Evaluation, part: Part) -> PartRow {
    let result = evaluation.part(part);
    let tally = result.tally;
    PartRow {
        part,
        weight: if result.applies() && evaluation.points.is_none() { part.weight() } else { 0 },
        same: tally.same,
        extra: tally.extra,
        missing: tally.missing,
        different: tally.different,
        share: tally.share(),
    }
}

/// `100 × (40 × 2/3 + 20 × 1/1) ÷ 60 = 77.78`; by points `path 80 + query 5 + body 5 = 90`.
pub fn arithmetic(evaluation: &Evaluation) -> String {
    if let Some(points) = evaluation.points {
        let Some(path) = points.rung.map(crate::matching::Rung::points) else {
            return "0: without a rung nothing counts".to_owned();
        };
        let sign = if points.query < 0.0 { '−' } else { '+' };
        let (query, body, sum) = (round(points.query.abs()), points.body, round(points.sum()));
        return format!("path {path} {sign} query {query} + body {body} = {sum}");
    }
    let weighed = Part::ALL.into_iter().filter(|part| part.weight() > 0 && evaluation.part(*part).applies());
    let (mut terms, mut weights) = (Vec::new(), 0);
    for part in weighed {
        let tally = evaluation.part(part).tally;
        terms.push(format!("{} × {}/{}", part.weight(), tally.same, tally.all()));
        weights += part.weight();
    }
    if terms.is_empty() {
        return "100: there is nothing to compare beyond method, origin and path".to_owned();
    }
    format!("100 × ({}) ÷ {weights} = {}", terms.join(" + "), round(evaluation.score))
}

fn runner_up(index: &Index, next: &Ranked, profile: Profile, call: &Call) -> RunnerUp {
    let why = match next.lost {
        Some(decider) => decider.words().to_owned(),
        None => unqualified(index, next, profile, call),
    };
    RunnerUp { scenario: name(index, next.at), score: next.evaluation.score, tie_break: next.lost, why }
}

fn unqualified(index: &Index, next: &Ranked, profile: Profile, call: &Call) -> String {
    let evaluation = &next.evaluation;
    if index.scenario(next.at).disabled {
        return "it is disabled".to_owned();
    }
    if !next.admitted {
        let asked: Vec<_> = call.steering.conditions().map(|(name, value)| format!("{name}: {value}")).collect();
        return format!("it is not what {} asks for", asked.join(" and "));
    }
    if evaluation.points.is_some_and(|points| points.rung.is_none()) {
        return "its path is on no rung".to_owned();
    }
    if let Some(part) = Part::ALL.into_iter().find(|part| evaluation.part(*part).broken > 0) {
        return format!("its {} must agree and does not", part.as_str());
    }
    let scenario = index.scenario(next.at);
    if profile == Profile::Postman || profile == Profile::Best && (evaluation.qualifies() || scenario.default) {
        match next.standing {
            Standing::UsedUp => return "it is used up".to_owned(),
            Standing::WrongState => {
                let needed = scenario.state.as_ref().and_then(StateSpec::needed).unwrap_or_default();
                return format!("it answers only while {needed}");
            }
            Standing::Enabled | Standing::Disabled => {}
        }
    }
    let contradicted = [Part::Captures, Part::Query, Part::Body].into_iter();
    if let Some(part) = contradicted.into_iter().find(|part| evaluation.part(*part).tally.different > 0) {
        let item = evaluation.part(part).items.iter().find(|item| item.verdict == crate::matching::Verdict::Different);
        let name = item.map(|item| item.name.as_str()).filter(|name| !name.is_empty()).unwrap_or("the whole");
        return format!("it is contradicted: {} differs in {name}", part.as_str());
    }
    if let Some(part) = Part::ALL.into_iter().find(|part| evaluation.part(*part).tally.share() < 0.5) {
        return format!("less than half of its {} agrees", part.as_str());
    }
    match profile {
        Profile::Strict => "it is not exact".to_owned(),
        Profile::Best | Profile::Postman => format!("its score {} is below 60", round(evaluation.score)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Untouched;
    use crate::matching::tests::{call, collection, index};
    use crate::redact::{MaskKey, MaskRules, Masker};

    fn explained(stubs: &[&str], line: &str) -> String {
        let index = index(vec![collection(&[], stubs)]);
        let mask = Mask::new(Masker::new(MaskKey([7; 32]), MaskRules::default()));
        let explanation = Explanation::new(&index, &call(line), Profile::Best, ("explain", 501), &mask, &Untouched);
        assert!(serde_json::to_value(&explanation).is_ok());
        explanation.lines(120).into_iter().map(|(_, line)| line + "\n").collect()
    }

    #[test]
    fn a_hit_shows_its_arithmetic_and_why_the_next_one_lost() {
        let stubs = ["GET /users/me | me ?a=1&b=2", "GET /users/{id} | any ?a=1&b=2"];
        let told = explained(&stubs, "GET /users/me?a=1&b=2&c=3");
        assert_eq!(
            told,
            "\
GET https://a.test/users/me?a=1&b=2&c=3
answered by GET /users/me#me  (test, stubs/a.test/get-users-me-me.json)
inexact: something is extra, missing, or a field differs

part      weight  same  extra  missing  different   p
captures       0     0      0        0          0   –
query         40     2      1        0          0   0.67
body           0     0      0        0          0   –
fields         0     0      0        0          0   –
score 100 × (40 × 2/3) ÷ 40 = 66.67
✗ query  extra: c=3

next: GET /users/{id}#any  (score 66.67)
  the path of the other is more specific
"
        );
    }

    #[test]
    fn the_next_one_may_be_one_that_does_not_qualify() {
        let stubs = ["GET /a | one ?a=1", "GET /a | two ?a=2", "GET /a | three ?a=1&b=2&c=3"];
        let told = explained(&stubs, "GET /a?a=1");
        assert!(told.contains("exact: everything agrees"), "{told}");
        assert!(told.contains("next: GET /a#three  (score 33.33)\n  less than half of its query agrees"), "{told}");
    }
}
