//! Echo: where a recorded answer repeats a value of the recorded request, a call gets its own value back.
//!
//! The places are found at load. Per call only the values are compared; while they are the recorded ones, the answer
//! that lies ready goes out.

use std::ops::Range;

use bytes::Bytes;
use http::HeaderValue;
use serde_json::Value;

use super::spans;
use super::values::{Got, Wanted};
use crate::collection::{BodySpec, JsonStyle, Place, Rule, RuleAction, RuleSide, Scenario, Stub};
use crate::matching::Call;
use crate::model::{Field, Fields};
use crate::redact::is_placeholder;

/// The most places of one answer.
const MAX_HOLES: usize = 10_000;

/// The places of one answer that repeat values of its request.
#[derive(Debug)]
pub(super) struct Echo {
    /// Where the values come from, and what they were in the recording.
    sources: Vec<(Wanted, Got)>,
    /// In the body, in order, none inside another.
    body: Vec<Hole>,
    /// In the values of field lines, with the position of the line; in order.
    fields: Vec<(usize, Hole)>,
    style: JsonStyle,
}

/// A place that takes the value of a source.
#[derive(Debug)]
struct Hole {
    span: Range<usize>,
    source: usize,
    form: Form,
}

/// How a value is written into its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A JSON value.
    Json,
    /// A JSON number or boolean, where the request had it as text; a JSON string where the text reads otherwise.
    Scalar,
    /// Part of a JSON string.
    InString,
    /// The same, escaped as in a URL.
    InStringRaw,
    /// Part of a field value.
    Text,
    /// The same, escaped as in a URL.
    TextRaw,
}

/// The request that an answer was recorded for.
pub(super) struct Recorded<'a> {
    /// The endpoint.
    pub(super) stub: &'a Stub,
    /// The scenario.
    pub(super) scenario: &'a Scenario,
    /// The request, as a call.
    pub(super) call: &'a Call,
}

impl Echo {
    /// The places of an answer with these field lines and this body; none if no rule finds any.
    pub(super) fn new(
        rules: &[Rule],
        recorded: &Recorded<'_>,
        lines: &Fields,
        body: &Bytes,
        spec: Option<&BodySpec>,
    ) -> Option<Echo> {
        let style = spec.map(|spec| spec.style).unwrap_or_default();
        let mut echo = Echo { sources: Vec::new(), body: Vec::new(), fields: Vec::new(), style };
        let kept_coded = spec.is_some_and(|spec| spec.coded.is_some());
        let is_json = rules.iter().any(|rule| rule.place == Place::Json)
            && !kept_coded
            && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
        for rule in rules {
            match rule.place {
                Place::Json if is_json => echo.find_in_body(rule, recorded, body),
                Place::Field => echo.find_in_fields(rule, recorded, lines),
                _ => {}
            }
        }
        echo.body = in_order(echo.body, |hole| (0, hole.span.clone()));
        echo.fields = in_order(echo.fields, |(line, hole)| (*line, hole.span.clone()));
        (!echo.body.is_empty() || !echo.fields.is_empty()).then_some(echo)
    }

    fn find_in_body(&mut self, rule: &Rule, recorded: &Recorded<'_>, body: &Bytes) {
        let room = MAX_HOLES.saturating_sub(self.body.len());
        for found in spans::find(body, &spans::tokens(&rule.name), room) {
            let Some((source, got)) = self.source(rule, recorded, &found.bound) else { continue };
            let text = &body[found.span.clone()];
            let Ok(value) = serde_json::from_slice::<Value>(text) else { continue };
            let holes = holes_of_value(&value, text, &got);
            self.body.extend(holes.into_iter().map(|(span, form)| Hole {
                span: found.span.start + span.start..found.span.start + span.end,
                source,
                form,
            }));
        }
    }

    fn find_in_fields(&mut self, rule: &Rule, recorded: &Recorded<'_>, lines: &Fields) {
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.is(&rule.name)) {
            let Some((source, got)) = self.source(rule, recorded, &[]) else { continue };
            let (Ok(value), Some(text)) = (std::str::from_utf8(&line.value), got.as_text()) else { continue };
            let (mut form, mut spans) = (Form::TextRaw, Vec::new());
            if let Some(raw) = &got.raw {
                spans = occurrences(value, raw);
            }
            if spans.is_empty() {
                (form, spans) = (Form::Text, occurrences(value, &text));
            }
            self.fields.extend(spans.into_iter().map(|span| (at, Hole { span, source, form })));
        }
    }

    /// The source of a rule with its recorded value; none if the recorded request had none, or a masked secret.
    fn source(&mut self, rule: &Rule, recorded: &Recorded<'_>, bound: &[String]) -> Option<(usize, Got)> {
        let from = rule.from.as_ref()?;
        // A capture without a value has none, though the path of an example says something there.
        if from.place == Place::Path && !recorded.scenario.request.captures.contains_key(&from.name) {
            return None;
        }
        let wanted = Wanted::new(from, &recorded.stub.path, bound)?;
        if let Some(at) = self.sources.iter().position(|(known, _)| *known == wanted) {
            return Some((at, self.sources[at].1.clone()));
        }
        let got = wanted.of(recorded.call)?;
        let text = got.as_text();
        if text.as_deref().is_some_and(|text| text.is_empty() || is_placeholder(text)) {
            return None;
        }
        self.sources.push((wanted, got.clone()));
        Some((self.sources.len() - 1, got))
    }

    /// Field lines and body with the values of `call`; none while they are the recorded ones.
    pub(super) fn filled(&self, call: &Call, lines: &Fields, body: &Bytes) -> Option<(Fields, Bytes)> {
        let fresh = |(wanted, recorded): &(Wanted, Got)| wanted.of(call).filter(|got| got != recorded);
        let values: Vec<Option<Got>> = self.sources.iter().map(fresh).collect();
        if values.iter().all(Option::is_none) {
            return None;
        }
        let mut lines = lines.clone();
        for (at, line) in lines.iter_mut().enumerate() {
            let holes = self.fields.iter().filter(|(of, _)| *of == at).map(|(_, hole)| hole);
            let value = self.spliced(&line.value, holes, &values);
            // What no field may hold leaves the line as it was.
            if let Some(value) = value.filter(|value| HeaderValue::from_bytes(value).is_ok()) {
                *line = Field::new(std::mem::take(&mut line.name), value);
            }
        }
        let body = self.spliced(body, self.body.iter(), &values).map_or_else(|| body.clone(), Bytes::from);
        Some((lines, body))
    }

    /// `recorded` with values in its holes; none if no hole has one.
    fn spliced<'a>(
        &self,
        recorded: &[u8],
        holes: impl Iterator<Item = &'a Hole>,
        values: &[Option<Got>],
    ) -> Option<Vec<u8>> {
        let mut out: Option<Vec<u8>> = None;
        let mut copied = 0;
        for hole in holes {
            let Some(written) = values[hole.source].as_ref().and_then(|got| self.written(got, hole.form)) else {
                continue;
            };
            let out = out.get_or_insert_with(|| Vec::with_capacity(recorded.len() + written.len()));
            out.extend_from_slice(&recorded[copied..hole.span.start]);
            out.extend_from_slice(&written);
            copied = hole.span.end;
        }
        if let Some(out) = &mut out {
            out.extend_from_slice(&recorded[copied..]);
        }
        out
    }

    fn written(&self, got: &Got, form: Form) -> Option<Vec<u8>> {
        match form {
            Form::Json => Some(self.json(&got.value)),
            Form::Scalar => {
                let text = got.as_text()?;
                let scalar = serde_json::from_str::<Value>(&text).ok();
                let same = scalar.filter(|value| !value.is_string() && is_written(value, &text));
                Some(self.json(&same.unwrap_or(Value::String(text))))
            }
            Form::InString => self.in_string(got.as_text()?),
            Form::InStringRaw => self.in_string(got.raw.clone().or_else(|| got.as_text())?),
            Form::Text => got.as_text().map(String::into_bytes),
            Form::TextRaw => got.raw.clone().or_else(|| got.as_text()).map(String::into_bytes),
        }
    }

    fn json(&self, value: &Value) -> Vec<u8> {
        JsonStyle { final_newline: false, ..self.style }.render(value)
    }

    fn in_string(&self, text: String) -> Option<Vec<u8>> {
        let quoted = self.json(&Value::String(text));
        quoted.get(1..quoted.len() - 1).map(<[u8]>::to_vec)
    }
}

/// Sorted by place, and without those that lie in another: the earlier rule has its way.
fn in_order<T>(holes: Vec<T>, place: impl Fn(&T) -> (usize, Range<usize>)) -> Vec<T> {
    let mut kept: Vec<T> = Vec::with_capacity(holes.len());
    for hole in holes {
        let (line, span) = place(&hole);
        let at = kept.partition_point(|other| {
            let (other_line, other) = place(other);
            (other_line, other.start) < (line, span.start)
        });
        let free = |other: Option<&T>| {
            other.is_none_or(|other| {
                let (other_line, other) = place(other);
                other_line != line || other.end <= span.start || span.end <= other.start
            })
        };
        if free(kept.get(at)) && free(at.checked_sub(1).and_then(|before| kept.get(before))) {
            kept.insert(at, hole);
        }
    }
    kept
}

/// Where in the JSON text of a value the recorded request's value is, and how it stands there.
fn holes_of_value(value: &Value, text: &[u8], got: &Got) -> Vec<(Range<usize>, Form)> {
    if *value == got.value && !value.is_null() {
        return vec![(0..text.len(), Form::Json)];
    }
    let Some(wanted) = got.as_text() else { return Vec::new() };
    let Value::String(string) = value else {
        let is_it = is_written(value, &wanted) && !value.is_null();
        return if is_it { vec![(0..text.len(), Form::Scalar)] } else { Vec::new() };
    };
    let (mut form, mut found) = (Form::InString, occurrences(string, &wanted));
    if let (true, Some(raw)) = (found.is_empty(), &got.raw) {
        (form, found) = (Form::InStringRaw, occurrences(string, raw));
    }
    if found.is_empty() {
        return Vec::new();
    }
    let offsets = offsets(text);
    let raw = |at: usize| offsets.get(at).copied();
    found.into_iter().filter_map(|span| Some((raw(span.start)?..raw(span.end)?, form))).collect()
}

/// Whether `text` is how a value is written; that of a string is not its content.
fn is_written(value: &Value, text: &str) -> bool {
    let written = value.to_string();
    written == text
}

/// Where `wanted` stands in `text` as a word of its own: an id `1` is not in `11`.
fn occurrences(text: &str, wanted: &str) -> Vec<Range<usize>> {
    let is_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let (opens, closes) = (is_word(wanted.chars().next()), is_word(wanted.chars().next_back()));
    let spans = text.match_indices(wanted).map(|(at, _)| at..at + wanted.len());
    let bounded = |span: &Range<usize>| {
        let before = opens && is_word(text[..span.start].chars().next_back());
        let after = closes && is_word(text[span.end..].chars().next());
        !before && !after
    };
    spans.filter(bounded).collect()
}

/// For each byte of the text that a JSON string stands for, and for its end, where that is in the string as written.
fn offsets(written: &[u8]) -> Vec<usize> {
    let mut offsets = Vec::with_capacity(written.len());
    let end = written.len().saturating_sub(1);
    let mut at = 1;
    while at < end {
        let (length, bytes) = match written[at..end] {
            [b'\\', b'u', ..] => match code_unit(&written[at..end]) {
                Some(0xd800..=0xdbff) => (12, 4),
                Some(0..0x80) => (6, 1),
                Some(0x80..0x800) => (6, 2),
                _ => (6, 3),
            },
            [b'\\', ..] => (2, 1),
            _ => (1, 1),
        };
        offsets.extend(std::iter::repeat_n(at, bytes));
        at += length;
    }
    offsets.push(end);
    offsets
}

fn code_unit(escape: &[u8]) -> Option<u32> {
    std::str::from_utf8(escape.get(2..6)?).ok().and_then(|digits| u32::from_str_radix(digits, 16).ok())
}

/// The echo rules for answers of a stub: its own before those of the collection.
pub(super) fn rules<'a>(stub: &'a Stub, collection: &'a [Rule]) -> Vec<&'a Rule> {
    let echoes = |rule: &&Rule| !rule.off && rule.side == RuleSide::Response && rule.action == RuleAction::Echo;
    stub.rules.iter().chain(collection).filter(echoes).collect()
}
