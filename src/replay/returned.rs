//! Dates that come back: a client that sends the moved date of an answer again means the recorded one, with which it is
//! matched. Known are the dates of answers that stand in a recorded request too, as they are when they are served.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::dates::{self, Shift};
use crate::collection::{ResponseSpec, Scenario, Stub};
use crate::matching::Call;
use crate::model::media::Kind;
use crate::model::{Field, path};

/// Recorded dates that one moved date may stand for, at most; those of answers that were made at different times.
const MEANINGS: usize = 8;

/// Recorded dates by what they were moved to.
#[derive(Debug, Default)]
pub(super) struct Returned(BTreeMap<String, Vec<String>>);

/// What is needed to know of dates that come back: what requests have, and what answers do with it.
#[derive(Debug, Default)]
pub(super) struct Returning {
    asked: BTreeSet<String>,
    moved: BTreeMap<String, Vec<String>>,
}

impl Returning {
    /// Takes in the request of a scenario.
    pub(super) fn asks(&mut self, stub: &Stub, scenario: &Scenario, body: Bytes) {
        let mut call = Call::of(stub, scenario, body);
        replace(&mut call, &mut |text| {
            if may_be_date(text) {
                self.asked.insert(text.to_owned());
            }
            None
        });
    }

    /// Takes in what becomes of the dates of an answer.
    pub(super) fn moves(&mut self, shift: &Shift, spec: &ResponseSpec, body: &Bytes) {
        if self.asked.is_empty() {
            return;
        }
        shift.each(spec, body, |recorded, moved| {
            if self.asked.contains(recorded) && recorded != moved {
                let meanings = self.moved.entry(moved.to_owned()).or_default();
                if !meanings.iter().any(|known| known == recorded) && meanings.len() < MEANINGS {
                    meanings.push(recorded.to_owned());
                }
            }
        });
    }

    /// What is known now. What was known before the files changed is known still: clients hold dates that were served.
    pub(super) fn known(self, before: Option<&Returned>) -> Returned {
        let Returning { asked, mut moved } = self;
        for (text, meanings) in before.into_iter().flat_map(|before| &before.0) {
            let still = meanings.iter().filter(|recorded| asked.contains(*recorded));
            let known = moved.entry(text.clone()).or_default();
            let new: Vec<String> = still.filter(|recorded| !known.contains(recorded)).cloned().collect();
            known.extend(new);
            known.truncate(MEANINGS);
        }
        // A recorded value means itself, always.
        moved.retain(|text, meanings| !asked.contains(text) && !meanings.is_empty());
        Returned(moved)
    }
}

impl Returned {
    /// The call with the recorded dates in the place of moved ones, once for each meaning; none if it has no such date.
    pub(super) fn meant(&self, call: &Call) -> Vec<Call> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut calls = Vec::new();
        let mut meanings = 1;
        while calls.len() < meanings {
            let (mut meant, at) = (call.clone(), calls.len());
            let mut any = false;
            replace(&mut meant, &mut |text| {
                let known = self.0.get(text)?;
                any = true;
                meanings = meanings.max(known.len());
                known.get(at).or(known.first()).cloned()
            });
            if !any {
                break;
            }
            calls.push(meant);
        }
        calls
    }
}

/// Whether a text is as long as a date and begins or ends like one.
fn may_be_date(text: &str) -> bool {
    (10..=40).contains(&text.len()) && (text.as_bytes()[0].is_ascii_digit() || text.ends_with(" GMT"))
}

/// Shows every value of a call, decoded, to `other`, and puts what that gives in its place.
fn replace(call: &mut Call, other: &mut dyn FnMut(&str) -> Option<String>) {
    if let Some(path) = segments(&call.path, other) {
        call.path = path;
    }
    if let Some(query) = call.query.as_deref().and_then(|query| pairs(query.as_bytes(), other)) {
        call.query = Some(query);
    }
    for field in call.fields.iter_mut() {
        if let Some(value) = other(field.text().trim()) {
            *field = Field::new(std::mem::take(&mut field.name), value);
        }
    }
    let content_type = call.fields.text("content-type");
    let body = match Kind::of(content_type.as_deref()) {
        Kind::Json => dates::with_scalars(&call.body, |scalar| {
            let text = std::str::from_utf8(&call.body[scalar]).ok()?;
            match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                Some(text) => other(text).map(|text| format!("\"{text}\"")),
                None => other(text),
            }
        }),
        Kind::Form => pairs(&call.body, other).map(Bytes::from),
        _ => None,
    };
    if let Some(body) = body {
        call.body = body;
    }
}

/// The path with other segments; none if they are all the same.
fn segments(written: &str, other: &mut dyn FnMut(&str) -> Option<String>) -> Option<String> {
    let mut any = false;
    let mut out = String::new();
    for segment in path::segments(written) {
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
        out.push('/');
        match other(&decoded) {
            Some(text) if decoded == segment => out.push_str(&text),
            // Written as the client writes such a value, as far as that can be told.
            Some(text) => out.extend(form_urlencoded::byte_serialize(text.as_bytes())),
            None => out.push_str(segment),
        }
        any |= !out.ends_with(segment);
    }
    any.then_some(out)
}

/// The pairs of a query or form with other values; none if they are all the same.
fn pairs(written: &[u8], other: &mut dyn FnMut(&str) -> Option<String>) -> Option<String> {
    let mut any = false;
    let mut out = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(written) {
        let replaced = other(&value);
        any |= replaced.is_some();
        out.append_pair(&name, replaced.as_deref().unwrap_or(&value));
    }
    any.then(|| out.finish())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::collection::{ShiftDates, StubFile};
    use crate::replay::answer::AnswerOptions;
    use crate::replay::cursor::Cursors;
    use crate::replay::engine::{Answered, Engine, Options};
    use crate::store::collections::Loaded;

    const SERVED: &str = "2026-11-19T01:00:00Z";

    /// Dates that come back to the scenarios of these stubs.
    fn returned(stubs: &[&str]) -> Returned {
        let mut returning = Returning::default();
        let stubs: Vec<Stub> = stubs.iter().map(|stub| serde_json::from_str(stub).unwrap()).collect();
        let body = |spec: Option<&crate::collection::BodySpec>| {
            let json = spec.and_then(|spec| spec.json.as_ref()).map(|json| serde_json::to_vec(json).unwrap());
            Bytes::from(json.unwrap_or_default())
        };
        for stub in &stubs {
            for scenario in &stub.scenarios {
                returning.asks(stub, scenario, body(scenario.request.body.as_ref()));
            }
        }
        for spec in stubs.iter().flat_map(|stub| &stub.scenarios).flat_map(Scenario::steps) {
            let shift = Shift::new(spec, ShiftDates::All, SERVED.parse().unwrap()).unwrap();
            returning.moves(&shift, spec, &body(spec.body.as_ref()));
        }
        returning.known(None)
    }

    const ITEMS: &str = r#"{"version":1,"method":"POST","origin":"https://a.test","path":"/items/{at}","scenarios":[
        {"name":"first","request":{"captures":{"at":"2026-10-20T09:30:00Z"}},"response":{"status":200,
         "recorded_at":"2026-10-20T00:00:00Z","fields":["Content-Type: application/json",
         "Last-Modified: Tue, 20 Oct 2026 09:30:00 GMT"],
         "body":{"json":{"next":"2026-10-20T09:30:00Z","created_at":1792459800,"other":"2026-10-20T09:31:00Z"}}}},
        {"name":"next","request":{"query":["since=2026-10-20T09%3A30%3A00Z","at=1792459800"],
         "fields":["If-Modified-Since: Tue, 20 Oct 2026 09:30:00 GMT"],"media_type":"application/json",
         "body":{"json":{"after":["2026-10-20T09:30:00Z",1792459800]}}},
         "response":{"status":304,"recorded_at":"2026-10-20T00:00:07Z"}}]}"#;

    fn call(path: &str, query: &str, since: &str, body: &str) -> Call {
        let mut call = Call { path: path.to_owned(), query: Some(query.to_owned()), ..Call::default() };
        call.fields.push("If-Modified-Since", since);
        call.fields.push("Content-Type", "application/json");
        Call { body: body.to_owned().into(), ..call }
    }

    #[test]
    fn moved_dates_mean_the_recorded_ones_wherever_they_stand() {
        let returned = returned(&[ITEMS]);
        let sent = call(
            "/items/2026-11-19T10:30:00Z",
            "since=2026-11-19T10:30:00Z&at=1795055400&x=1",
            "Thu, 19 Nov 2026 10:30:00 GMT",
            r#"{"after": ["2026-11-19T10:30:00Z", 1795055400]}"#,
        );
        let meant = returned.meant(&sent);
        let [meant] = meant.as_slice() else { panic!("{meant:?}") };
        assert_eq!(meant.path, "/items/2026-10-20T09:30:00Z");
        assert_eq!(meant.query.as_deref(), Some("since=2026-10-20T09%3A30%3A00Z&at=1792459800&x=1"));
        assert_eq!(meant.fields.text("if-modified-since").unwrap(), "Tue, 20 Oct 2026 09:30:00 GMT");
        assert_eq!(meant.body, r#"{"after": ["2026-10-20T09:30:00Z", 1792459800]}"#);
    }

    #[test]
    fn what_no_request_has_or_nobody_was_served_is_nothing() {
        let returned = returned(&[ITEMS]);
        // Of the answer, but in no request; recorded; a second later.
        for date in ["2026-11-19T10:31:00Z", "2026-10-20T09:30:00Z", "2026-11-19T10:30:01Z"] {
            let sent = call("/items/x", &format!("since={date}"), date, "{}");
            assert!(returned.meant(&sent).is_empty(), "{date}");
        }
    }

    fn loaded(stub: &Stub) -> Vec<(String, Loaded)> {
        let mut collection = crate::matching::tests::collection(&[], &[]).collection;
        let file = StubFile { path: "stubs/list.json".into(), stub: stub.clone().into() };
        Arc::get_mut(&mut collection).unwrap().stubs.push(file);
        vec![("test".to_owned(), Loaded { root: "test".into(), collection })]
    }

    fn engine(stub: &Stub) -> Engine {
        let answers = AnswerOptions { now: Some(SERVED.parse().unwrap()), ..AnswerOptions::default() };
        Engine::new(loaded(stub), Options { answers, ..Options::default() }).unwrap()
    }

    /// The scenario that answers, and whether it is an exact hit.
    fn hit(engine: &Engine, call: &Call) -> (String, bool) {
        match engine.answer(call, &Cursors::default(), None, false) {
            Answered::Hit(chosen) => (chosen.label.to_string(), chosen.evaluation.is_exact()),
            Answered::Miss(_) => panic!("a miss"),
        }
    }

    #[test]
    fn a_call_that_agrees_as_it_was_sent_goes_before_a_meaning_that_does_not() {
        let stub: Stub = serde_json::from_str(
            r#"{"version":1,"method":"GET","origin":"https://a.test","path":"/list","shift_dates":"all",
                "rules":[{"place":"query","name":"since","action":"fresh"}],"scenarios":[
                {"name":"x","request":{"query":["since=2026-10-20T09:30:00Z","a=1","b=1"]},
                 "response":{"status":200,"recorded_at":"2026-10-20T00:00:00Z",
                 "fields":["Content-Type: application/json"],"body":{"json":{"next":"2026-10-20T09:30:00Z"}}}},
                {"name":"y","request":{"query":["since=2026-10-01T00:00:00Z","a=1","b=1","page=2"]},
                 "response":{"status":200}}]}"#,
        )
        .unwrap();
        let engine = engine(&stub);
        let since = |rest: &str| crate::matching::tests::call(&format!("GET /list?since=2026-11-19T10:30:00Z{rest}"));
        assert_eq!(hit(&engine, &since("&a=1&b=1&page=2")), ("test: GET /list#y".to_owned(), true));
        assert_eq!(hit(&engine, &since("&a=1&b=1")), ("test: GET /list#x".to_owned(), true));
        assert_eq!(hit(&engine, &since("&a=1&b=1&c=1")), ("test: GET /list#x".to_owned(), false));
    }

    #[test]
    fn the_scenario_of_a_date_that_was_served_answers_also_after_an_edit() {
        let stub: Stub = serde_json::from_str(
            r#"{"version":1,"method":"GET","origin":"https://a.test","path":"/list","shift_dates":"fields","scenarios":[
                {"name":"all","response":{"status":200,"recorded_at":"2026-10-20T00:00:00Z",
                 "fields":["Last-Modified: Tue, 20 Oct 2026 09:30:00 GMT"]}},
                {"name":"same","request":{"fields":["If-Modified-Since: Tue, 20 Oct 2026 09:30:00 GMT"]},
                 "response":{"status":304,"recorded_at":"2026-10-20T00:00:07Z"}}]}"#,
        )
        .unwrap();
        let engine = engine(&stub);
        let answered = |engine: &Engine, since: &str| {
            let mut call = crate::matching::tests::call("GET /list");
            call.fields.push("If-Modified-Since", since);
            hit(engine, &call)
        };
        let same = ("test: GET /list#same".to_owned(), true);
        for since in ["Thu, 19 Nov 2026 10:30:00 GMT", "Tue, 20 Oct 2026 09:30:00 GMT"] {
            assert_eq!(answered(&engine, since), same, "{since}");
            assert_eq!(answered(&engine.renewed(loaded(&stub)).unwrap(), since), same, "{since}");
        }
        assert_ne!(answered(&engine, "Thu, 19 Nov 2026 10:30:01 GMT"), same);
    }

    #[test]
    fn a_date_may_mean_several() {
        // Both say the present of their time, which is one and the same now.
        let now = |path: &str, at: &str| {
            format!(
                r#"{{"version":1,"method":"GET","origin":"https://a.test","path":"{path}","scenarios":[{{"name":"a",
                "request":{{"query":["t={at}"]}},"response":{{"status":200,"recorded_at":"{at}",
                "fields":["Content-Type: application/json"],"body":{{"json":{{"t":"{at}"}}}}}}}}]}}"#
            )
        };
        let (one, two) = (now("/a", "2026-10-20T00:00:00Z"), now("/b", "2026-10-21T00:00:00Z"));
        let meant = returned(&[&one, &two]).meant(&call("/a", &format!("t={SERVED}"), "", ""));
        let queries: Vec<_> = meant.iter().map(|call| call.query.as_deref().unwrap()).collect();
        assert_eq!(queries, ["t=2026-10-20T00%3A00%3A00Z", "t=2026-10-21T00%3A00%3A00Z"]);
    }
}
