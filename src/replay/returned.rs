//! Dates that come back: a client that sends the moved date of an answer again means the recorded one, with which it is
//! matched. Known are the dates of answers that stand in a recorded request too, as they are when they are served.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::dates::{self, Shift};
use crate::collection::{ResponseSpec, Scenario, Stub};
use crate::matching::{Call, MAX_STRUCTURED};
use crate::model::media::Kind;
use crate::model::{Field, path};

/// Recorded dates that one moved date may stand for, at most; those of answers that were made at different times.
const MEANINGS: usize = 8;

/// Moved dates that are known, at most: above that, those of the oldest edits are forgotten, those of the files as they are
/// now never.
const KNOWN: usize = 50_000;

/// Recorded dates by what they were moved to.
#[derive(Debug, Default)]
pub(super) struct Returned {
    moved: BTreeMap<String, Meant>,
    /// How often the files have changed.
    edits: u64,
}

/// What a moved date stands for.
#[derive(Debug, Default)]
struct Meant {
    recorded: Vec<String>,
    /// After how many edits it was served last.
    served: u64,
}

/// What is needed to know of dates that come back: what requests have, and what answers do with it.
#[derive(Debug, Default)]
pub(super) struct Returning {
    asked: BTreeSet<String>,
    moved: BTreeMap<String, Vec<String>>,
}

impl Returning {
    /// Takes in the request of a scenario.
    pub(super) fn asks(&mut self, stub: &Stub, scenario: &Scenario, body: Bytes) {
        replaced(&Call::of(stub, scenario, body), &mut |text| {
            self.asked.insert(text.to_owned());
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
        let edits = before.map_or(0, |before| before.edits + 1);
        let Returning { asked, moved } = self;
        let now = |(text, recorded)| (text, Meant { recorded, served: edits });
        let mut moved: BTreeMap<String, Meant> = moved.into_iter().map(now).collect();
        for (text, meant) in before.into_iter().flat_map(|before| &before.moved) {
            let known = moved.entry(text.clone()).or_default();
            let still = meant.recorded.iter().filter(|recorded| asked.contains(*recorded));
            let new: Vec<String> = still.filter(|recorded| !known.recorded.contains(recorded)).cloned().collect();
            known.recorded.extend(new);
            known.recorded.truncate(MEANINGS);
            known.served = known.served.max(meant.served);
        }
        // A recorded value means itself, always.
        moved.retain(|text, meant| !asked.contains(text) && !meant.recorded.is_empty());
        if moved.len() > KNOWN {
            let mut served: Vec<u64> = moved.values().map(|meant| meant.served).collect();
            let (_, &mut oldest, _) = served.select_nth_unstable_by(KNOWN, |one, other| other.cmp(one));
            moved.retain(|_, meant| meant.served > oldest || meant.served == edits);
        }
        Returned { moved, edits }
    }
}

impl Returned {
    /// The call with the recorded dates in the place of moved ones, once for each meaning; none if it has no such date.
    pub(super) fn meant(&self, call: &Call) -> Vec<Call> {
        let mut calls = Vec::new();
        let mut meanings = usize::from(!self.moved.is_empty());
        while calls.len() < meanings {
            let at = calls.len();
            let meant = replaced(call, &mut |text| {
                let known = &self.moved.get(text)?.recorded;
                meanings = meanings.max(known.len());
                known.get(at).or(known.first()).cloned()
            });
            match meant {
                Some(meant) => calls.push(meant),
                None => break,
            }
        }
        calls
    }
}

/// Whether a text is as long as a date and begins or ends like one.
fn may_be_date(text: &str) -> bool {
    (10..=40).contains(&text.len()) && (text.as_bytes()[0].is_ascii_digit() || text.ends_with(" GMT"))
}

/// The call with other values, where `other` has one for what may be a date, which it is shown decoded; none if it has
/// none. A body that matching does not take apart stays as it is.
fn replaced(call: &Call, other: &mut dyn FnMut(&str) -> Option<String>) -> Option<Call> {
    let mut other = |text: &str| if may_be_date(text) { other(text) } else { None };
    let path = segments(&call.path, &mut other);
    let query = call.query.as_deref().and_then(|query| pairs(query.as_bytes(), &mut other));
    let values = call.fields.iter().enumerate();
    let fields: Vec<(usize, String)> =
        values.filter_map(|(at, field)| Some((at, other(field.text().trim())?))).collect();
    let content_type = call.fields.text("content-type");
    let body = match Kind::of(content_type.as_deref()) {
        _ if call.body.len() > MAX_STRUCTURED => None,
        Kind::Json => dates::with_scalars(&call.body, |scalar| {
            let text = std::str::from_utf8(&call.body[scalar]).ok()?;
            match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                Some(text) => other(text).map(|text| format!("\"{text}\"")),
                None => other(text),
            }
        }),
        Kind::Form => pairs(&call.body, &mut other).map(Bytes::from),
        _ => None,
    };
    if path.is_none() && query.is_none() && fields.is_empty() && body.is_none() {
        return None;
    }
    let mut call = call.clone();
    call.path = path.unwrap_or(call.path);
    call.query = query.or(call.query);
    call.body = body.unwrap_or(call.body);
    let mut fields = fields.into_iter().peekable();
    for (at, field) in call.fields.iter_mut().enumerate() {
        if let Some((_, value)) = fields.next_if(|(other, _)| *other == at) {
            *field = Field::new(std::mem::take(&mut field.name), value);
        }
    }
    Some(call)
}

/// The path with other segments; none if they are all the same.
fn segments(written: &str, other: &mut dyn FnMut(&str) -> Option<String>) -> Option<String> {
    let mut any = false;
    let mut out = String::new();
    for segment in path::segments(written) {
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
        out.push('/');
        let replaced = other(&decoded);
        any |= replaced.is_some();
        match replaced {
            Some(text) if decoded == segment => out.push_str(&text),
            // Written as the client writes such a value, as far as that can be told.
            Some(text) => out.extend(form_urlencoded::byte_serialize(text.as_bytes())),
            None => out.push_str(segment),
        }
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
    use crate::collection::{Profile, ShiftDates, StubFile};
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

    const LIST: &str = r#"{"version":1,"method":"GET","origin":"https://a.test","path":"/list","shift_dates":"all",
        "rules":[{"place":"query","name":"since","action":"fresh"}],"scenarios":[
        {"name":"x","request":{"query":["since=2026-10-20T09:30:00Z","a=1","b=1"]},
         "response":{"status":200,"recorded_at":"2026-10-20T00:00:00Z",
         "fields":["Content-Type: application/json"],"body":{"json":{"next":"2026-10-20T09:30:00Z"}}}},
        {"name":"y","request":{"query":["since=2026-10-01T00:00:00Z","a=1","b=1","page=2"]},
         "response":{"status":200}}]}"#;

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

    fn engine(stub: &Stub, profile: Profile) -> Engine {
        let answers = AnswerOptions { now: Some(SERVED.parse().unwrap()), ..AnswerOptions::default() };
        Engine::new(loaded(stub), Options { answers, profile: Some(profile), ..Options::default() }).unwrap()
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
        let engine = engine(&serde_json::from_str(LIST).unwrap(), Profile::Best);
        let since = |rest: &str| crate::matching::tests::call(&format!("GET /list?since=2026-11-19T10:30:00Z{rest}"));
        assert_eq!(hit(&engine, &since("&a=1&b=1&page=2")), ("test: GET /list#y".to_owned(), true));
        assert_eq!(hit(&engine, &since("&a=1&b=1")), ("test: GET /list#x".to_owned(), true));
        assert_eq!(hit(&engine, &since("&a=1&b=1&c=1")), ("test: GET /list#x".to_owned(), false));
    }

    #[test]
    fn a_miss_is_not_over_a_date_that_agrees() {
        let mut stub: Stub = serde_json::from_str(LIST).unwrap();
        stub.rules.clear();
        let engine = engine(&stub, Profile::Strict);
        let call = crate::matching::tests::call("GET /list?since=2026-11-19T10:30:00Z&a=1&b=1&c=1");
        let Answered::Miss(miss) = engine.answer(&call, &Cursors::default(), None, false) else { panic!("a hit") };
        let differences: Vec<_> = miss.near[0].evaluation.differences().map(|(_, item)| &item.name).collect();
        assert_eq!(differences, ["c"]);
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
        let engine = engine(&stub, Profile::Best);
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
    fn moved_dates_of_old_edits_are_forgotten_above_a_limit_and_those_of_now_never() {
        let mut known = Returned::default();
        for edit in 0..8 {
            let mut returning = Returning::default();
            for at in 0..KNOWN / 4 {
                returning.asked.insert(format!("{at}"));
                returning.moved.insert(format!("moved {edit} {at}"), vec![format!("{at}")]);
            }
            known = returning.known(Some(&known));
            assert!(known.moved.len() <= KNOWN);
            let first = |edit: usize| known.moved.contains_key(&format!("moved {edit} 0"));
            assert!(first(edit) && first(edit.saturating_sub(2)));
            assert!(edit < 4 || !first(edit - 4));
        }
        let mut returning = Returning::default();
        for at in 0..=KNOWN {
            returning.asked.insert(format!("{at}"));
            returning.moved.insert(format!("now {at}"), vec![format!("{at}")]);
        }
        assert_eq!(returning.known(Some(&known)).moved.len(), KNOWN + 1);
    }

    #[test]
    fn a_body_that_matching_does_not_take_apart_stays() {
        let returned = returned(&[ITEMS]);
        let sent = |rest: usize| call("/", "", "", &format!(r#"["2026-11-19T10:30:00Z","{}"]"#, "x".repeat(rest)));
        assert_eq!(returned.meant(&sent(MAX_STRUCTURED / 2)).len(), 1);
        assert!(returned.meant(&sent(MAX_STRUCTURED)).is_empty());
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
