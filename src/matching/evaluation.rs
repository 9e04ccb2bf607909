//! One scenario compared with one call: items, tallies, score, and whether it qualifies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ladder::Rung;
use super::rules::Compiled;
use super::state::FreshValues;

/// Weight of the query in the score.
pub const QUERY_WEIGHT: u32 = 40;
/// Weight of the body in the score.
pub const BODY_WEIGHT: u32 = 40;
/// Weight of the listed fields in the score.
pub const FIELDS_WEIGHT: u32 = 20;
/// The score from which a scenario may answer inexactly.
const QUALIFYING_SCORE: f64 = 60.0;
/// Differences kept by name in one part; the tallies count them all.
const MAX_ITEMS: usize = 100;
/// Characters kept of a value that differs.
const MAX_VALUE: usize = 16 * 1024;

/// A part of a request that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The captured values of the path; without weight, but a different one disqualifies.
    Captures,
    /// The query pairs.
    Query,
    /// The body.
    Body,
    /// The fields that the scenario lists.
    Fields,
}

impl Part {
    /// Every part, in the order of reports.
    pub const ALL: [Part; 4] = [Part::Captures, Part::Query, Part::Body, Part::Fields];

    /// Its weight in the score.
    pub fn weight(self) -> u32 {
        match self {
            Part::Captures => 0,
            Part::Query => QUERY_WEIGHT,
            Part::Body => BODY_WEIGHT,
            Part::Fields => FIELDS_WEIGHT,
        }
    }

    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Captures => "captures",
            Part::Query => "query",
            Part::Body => "body",
            Part::Fields => "fields",
        }
    }
}

/// How an item compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Both sides agree, or a rule or placeholder holds.
    Same,
    /// Only the request has it.
    Extra,
    /// Only the scenario has it.
    Missing,
    /// Both have it, and contradict each other; or a rule or placeholder fails.
    Different,
}

/// An item that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// How it compares.
    pub verdict: Verdict,
    /// The name: of the capture, pair, field or part; a JSON pointer; or empty for a body as a whole.
    pub name: String,
    /// What the scenario has. JSON values as JSON. None for a body that is one item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What the call has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub got: Option<String>,
    /// `expected` is what a matcher asks for, in words.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub matcher: bool,
}

/// How many items of each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Same.
    pub same: u32,
    /// Extra.
    pub extra: u32,
    /// Missing.
    pub missing: u32,
    /// Different.
    pub different: u32,
}

impl Tally {
    /// All items compared.
    pub fn all(self) -> u32 {
        self.same + self.extra + self.missing + self.different
    }

    /// Whether every item is the same; so it is if there is none.
    pub fn is_exact(self) -> bool {
        self.same == self.all()
    }

    /// The share of items that are the same; 1 if there is none.
    pub fn share(self) -> f64 {
        match self.all() {
            0 => 1.0,
            all => f64::from(self.same) / f64::from(all),
        }
    }
}

/// The verdict on one part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PartResult {
    /// The counts.
    pub tally: Tally,
    /// The items that are not the same, in the order of names; at most a hundred.
    pub items: Vec<Item>,
    /// How many items that must agree do not, because the scenario or the call demands it.
    #[serde(skip_serializing_if = "is_zero")]
    pub broken: u32,
    /// Values made afresh that were taken for recorded ones; most calls have none.
    #[serde(skip)]
    pub(super) fresh: Option<Box<FreshValues>>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl PartResult {
    /// Whether there was something to compare.
    pub fn applies(&self) -> bool {
        self.tally.all() > 0
    }

    /// Adds the verdict on more items of this part.
    pub(super) fn absorb(&mut self, other: PartResult) {
        let (ours, theirs) = (&mut self.tally, other.tally);
        ours.same = ours.same.saturating_add(theirs.same);
        ours.extra = ours.extra.saturating_add(theirs.extra);
        ours.missing = ours.missing.saturating_add(theirs.missing);
        ours.different = ours.different.saturating_add(theirs.different);
        self.broken = self.broken.saturating_add(other.broken);
        let room = MAX_ITEMS.saturating_sub(self.items.len());
        self.items.extend(other.items.into_iter().take(room));
        if let Some(fresh) = other.fresh {
            self.fresh.get_or_insert_default().values.extend(fresh.values);
        }
    }

    /// Counts items that agree.
    pub(super) fn same(&mut self, count: usize) {
        self.tally.same = self.tally.same.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Says that everything in this part must agree.
    pub(super) fn demand(&mut self) {
        self.broken = self.tally.all() - self.tally.same;
    }

    /// Counts an item that a rule lets pass; one with a value made afresh is kept.
    pub(super) fn taken(&mut self, rule: &Compiled, name: &str, expected: &str, got: &str) {
        self.same(1);
        if let Some(value) = rule.fresh(name, expected, got) {
            let fresh = self.fresh.get_or_insert_default();
            if fresh.values.len() < MAX_ITEMS {
                fresh.values.push(value);
            }
        }
    }

    /// Counts and keeps an item that is not as a matcher asks: it must agree, and does not.
    pub(super) fn refuse(&mut self, name: &str, asked: &str, got: Option<&str>) {
        let kept = self.items.len();
        self.add(Verdict::Different, name, Some(asked), got);
        self.items[kept..].iter_mut().for_each(|item| item.matcher = true);
        self.broken = self.broken.saturating_add(1);
    }

    /// Counts and keeps an item that does not agree.
    pub(super) fn add(&mut self, verdict: Verdict, name: &str, expected: Option<&str>, got: Option<&str>) {
        let count = match verdict {
            Verdict::Same => &mut self.tally.same,
            Verdict::Extra => &mut self.tally.extra,
            Verdict::Missing => &mut self.tally.missing,
            Verdict::Different => &mut self.tally.different,
        };
        *count = count.saturating_add(1);
        if verdict != Verdict::Same && self.items.len() < MAX_ITEMS {
            self.items.push(Item {
                verdict,
                name: bounded(name),
                expected: expected.map(bounded),
                got: got.map(bounded),
                matcher: false,
            });
        }
    }
}

fn bounded(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A scenario compared with a call, once.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// 0 to 100.
    pub score: f64,
    /// The captured values of the path.
    pub captures: PartResult,
    /// The query.
    pub query: PartResult,
    /// The body.
    pub body: PartResult,
    /// The fields that the scenario lists.
    pub fields: PartResult,
    /// It did not qualify, and answers as the default of its stub.
    pub by_default: bool,
    /// A GET scenario that answers HEAD.
    pub head_from_get: bool,
    /// The call named it, by id or by name.
    pub picked: bool,
    /// The points of the profile `postman`, of which the score is the sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<Points>,
}

/// What the profile `postman` counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Points {
    /// How near the path is; none for no match.
    pub rung: Option<Rung>,
    /// Points for the query: 10 to −10.
    pub query: f64,
    /// Points for an equal body: 5 or 0.
    pub body: f64,
}

impl Points {
    /// What the query gives: +10 if every pair is the same, +10 × their share if some are, and −1 for each that one
    /// side lacks, at most −10, if none is.
    pub(super) fn of_query(tally: Tally) -> f64 {
        match (tally.is_exact(), tally.same) {
            (true, _) => 10.0,
            (false, 0) => -f64::from((tally.extra + tally.missing).min(10)),
            (false, _) => 10.0 * tally.share(),
        }
    }

    /// The sum; 0 without a rung.
    pub fn sum(self) -> f64 {
        self.rung.map_or(0.0, |rung| f64::from(rung.points()) + self.query + self.body)
    }
}

impl Evaluation {
    /// The evaluation of these parts: `100 × Σ w·p ÷ Σ w` over those that apply, 100 if none does.
    pub(super) fn new(captures: PartResult, query: PartResult, body: PartResult, fields: PartResult) -> Self {
        let mut evaluation = Evaluation::of(captures, query, body, fields);
        evaluation.score = evaluation.scored();
        evaluation
    }

    /// The score of the parts as they are, by weight.
    pub(super) fn scored(&self) -> f64 {
        let (mut weighted, mut weights) = (0.0, 0);
        for part in Part::ALL {
            let result = self.part(part);
            if result.applies() {
                weighted += f64::from(part.weight()) * result.tally.share();
                weights += part.weight();
            }
        }
        if weights > 0 { 100.0 * weighted / f64::from(weights) } else { 100.0 }
    }

    /// The verdict on a part, to be changed.
    pub(super) fn part_mut(&mut self, part: Part) -> &mut PartResult {
        match part {
            Part::Captures => &mut self.captures,
            Part::Query => &mut self.query,
            Part::Body => &mut self.body,
            Part::Fields => &mut self.fields,
        }
    }

    fn of(captures: PartResult, query: PartResult, body: PartResult, fields: PartResult) -> Self {
        let (score, by_default, head_from_get, picked) = (100.0, false, false, false);
        Evaluation { score, captures, query, body, fields, by_default, head_from_get, picked, points: None }
    }

    /// The evaluation of these parts by points; a part that only gives points is empty.
    pub(super) fn by_points(points: Points, query: PartResult, body: PartResult, fields: PartResult) -> Self {
        let parts = Evaluation::of(PartResult::default(), query, body, fields);
        Evaluation { score: points.sum(), points: Some(points), ..parts }
    }

    /// How the path is near, where it is not the scenario's.
    pub fn path_note(&self) -> Option<&'static str> {
        match self.points?.rung {
            None => Some("another one, and the call named the scenario"),
            Some(Rung::Identical | Rung::Wildcards) => None,
            Some(near) => Some(near.words()),
        }
    }

    /// Whether everything that must agree does.
    pub fn keeps_demands(&self) -> bool {
        Part::ALL.iter().all(|part| self.part(*part).broken == 0)
    }

    /// The verdict on a part.
    pub fn part(&self, part: Part) -> &PartResult {
        match part {
            Part::Captures => &self.captures,
            Part::Query => &self.query,
            Part::Body => &self.body,
            Part::Fields => &self.fields,
        }
    }

    /// Whether everything agreed, and the scenario answers in its own right.
    pub fn is_exact(&self) -> bool {
        let agrees = Part::ALL.iter().all(|part| self.part(*part).tally.is_exact());
        agrees && self.path_note().is_none() && !self.by_default && !self.head_from_get
    }

    /// Whether the scenario may answer under the profile `best`: score ≥ 60, every applying share ≥ 0.5, and nothing
    /// different in query, body or captured values, nor where it must agree. By points: a rung, and nothing that must
    /// agree and does not.
    pub fn qualifies(&self) -> bool {
        if let Some(points) = self.points {
            return points.rung.is_some() && self.keeps_demands();
        }
        let contradicted = [Part::Captures, Part::Query, Part::Body];
        self.score >= QUALIFYING_SCORE
            && Part::ALL.iter().all(|part| self.part(*part).tally.share() >= 0.5)
            && contradicted.iter().all(|part| self.part(*part).tally.different == 0)
            && self.keeps_demands()
    }

    /// How many items were compared.
    pub fn compared(&self) -> u32 {
        Part::ALL.iter().fold(0, |sum: u32, part| sum.saturating_add(self.part(*part).tally.all()))
    }

    /// The items that are not the same, with their parts.
    pub fn differences(&self) -> impl Iterator<Item = (Part, &Item)> {
        Part::ALL.into_iter().flat_map(|part| self.part(part).items.iter().map(move |item| (part, item)))
    }
}
