//! What a test asks of the calls that its mock answered.

use std::fmt::Write;
use std::sync::Arc;

use super::expectation::{Called, Shown};
use crate::redact::Masker;
use crate::report::terminal::{clean, clean_lines};
use crate::store::runs::{CallRecord, CallResult};

/// Calls that a message lists.
const LISTED: usize = 20;
/// Miss reports that a message has.
const REPORTS: usize = 3;

/// The calls of a [`Mock`](super::Mock) up to a moment, to be asked about. Each question that is not answered as expected
/// panics with the calls that came near, what they lacked, and the reports of those that matched no scenario.
///
/// Values are compared masked, as the call log keeps them: no message of a test holds a secret.
#[derive(Clone)]
pub struct Verify {
    calls: Arc<[CallRecord]>,
    masker: Masker,
}

impl std::fmt::Debug for Verify {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Verify({} calls)", self.calls.len())
    }
}

impl Verify {
    pub(super) fn new(mut calls: Vec<CallRecord>, masker: Masker) -> Self {
        // They were logged as their answers became ready.
        calls.sort_by_key(|call| call.call);
        Verify { calls: calls.into(), masker }
    }

    /// Calls with this method and path; [`Asked::with_json`] and its like narrow that, and [`Asked::times`] and its like
    /// say how many there must be.
    ///
    /// # Panics
    /// When the path is neither a URL nor a pattern, see [`Called::new`].
    #[track_caller]
    pub fn called(&self, method: &str, path: &str) -> Asked {
        self.that(Called::new(method, path))
    }

    /// The same of calls that were described elsewhere.
    pub fn that(&self, called: Called) -> Asked {
        Asked { verify: self.clone(), called }
    }

    /// These calls came in this order, others before, between and after them or not. A call counts for one of them.
    ///
    /// # Panics
    /// When one of them did not come after the one before it.
    #[track_caller]
    pub fn in_order(&self, expected: impl IntoIterator<Item = Called>) {
        let mut from = 0;
        let mut before: Option<(String, u64)> = None;
        for called in expected {
            let rest = &self.calls[from..];
            let Some(at) = rest.iter().position(|call| called.lacks(call, &self.masker).is_empty()) else {
                let after = before.map_or_else(String::new, |(name, call)| format!(" after {name} (call {call})"));
                panic!("{} was not called{after}\n{}", called.described(&self.masker), self.told(&called));
            };
            before = Some((called.described(&self.masker), rest[at].call));
            from += at + 1;
        }
    }

    /// Every call was answered by a scenario, or passed on to its origin.
    ///
    /// # Panics
    /// When a call matched nothing; the message has the reports.
    #[track_caller]
    pub fn none_unmatched(&self) {
        let missed: Vec<&CallRecord> = self.calls.iter().filter(|call| is_miss(call)).collect();
        if !missed.is_empty() {
            let mut message = match missed.len() {
                1 => "a call matched no scenario\n".to_owned(),
                count => format!("{count} calls matched no scenario\n"),
            };
            list(&mut message, "these calls", &missed, |_| Vec::new());
            reports(&mut message, &missed);
            panic!("{message}");
        }
    }

    /// How many calls there were.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// What a message tells of the calls: those that came near, else all of them.
    fn told(&self, called: &Called) -> String {
        let lacks = |call: &CallRecord| called.lacks(call, &self.masker);
        let near: Vec<&CallRecord> = self.calls.iter().filter(|call| called.is_near(call)).collect();
        let mut out = String::new();
        if self.calls.is_empty() {
            out.push_str("there was no call at all\n");
        } else if near.is_empty() {
            let all: Vec<&CallRecord> = self.calls.iter().collect();
            list(&mut out, "no call came near; there were", &all, |_| Vec::new());
        } else {
            list(&mut out, "the calls that came near", &near, lacks);
        }
        reports(&mut out, &near);
        out
    }
}

/// Calls of some kind, of which something is expected.
#[derive(Debug, Clone)]
#[must_use = "nothing is checked until `times`, `once`, `at_least` or `never` says what is expected"]
pub struct Asked {
    verify: Verify,
    called: Called,
}

impl Asked {
    /// Only those with this JSON body; see [`Called::with_json`].
    ///
    /// # Panics
    /// When `body` cannot be written as JSON.
    #[track_caller]
    pub fn with_json(self, body: impl serde::Serialize) -> Self {
        Asked { called: self.called.with_json(body), ..self }
    }

    /// Only those with this body; see [`Called::with_body`].
    pub fn with_body(self, body: impl Into<String>) -> Self {
        Asked { called: self.called.with_body(body), ..self }
    }

    /// Only those with this query pair; see [`Called::with_query`].
    pub fn with_query(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        Asked { called: self.called.with_query(name, value), ..self }
    }

    /// Only those with this field; see [`Called::with_field`].
    pub fn with_field(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        Asked { called: self.called.with_field(name, value), ..self }
    }

    /// How many there were.
    ///
    /// # Panics
    /// When the body of a call is no longer kept, without which nobody can tell whether it is one of them.
    #[track_caller]
    pub fn count(&self) -> usize {
        let (count, unknown) = self.counts();
        if unknown > 0 {
            let (called, told) = (self.called.described(&self.verify.masker), self.verify.told(&self.called));
            panic!("{called} was called {}, and {}\n{told}", times(count), open(unknown));
        }
        count
    }

    /// How many there were for sure, and of how many nobody can tell any more.
    fn counts(&self) -> (usize, usize) {
        let is_meant = |call| self.called.is_meant(call, &self.verify.masker);
        self.verify.calls.iter().map(is_meant).fold((0, 0), |(sure, unknown), is_meant| match is_meant {
            Some(is_meant) => (sure + usize::from(is_meant), unknown),
            None => (sure, unknown + 1),
        })
    }

    /// There were so many.
    ///
    /// # Panics
    /// When there were more or fewer.
    #[track_caller]
    pub fn times(&self, expected: usize) {
        self.check(self.counts() == (expected, 0), &times(expected));
    }

    /// There was one.
    ///
    /// # Panics
    /// When there were more, or none.
    #[track_caller]
    pub fn once(&self) {
        self.times(1);
    }

    /// There were so many, or more.
    ///
    /// # Panics
    /// When there were fewer.
    #[track_caller]
    pub fn at_least(&self, expected: usize) {
        self.check(self.counts().0 >= expected, &format!("at least {}", times(expected)));
    }

    /// There was none.
    ///
    /// # Panics
    /// When there was one.
    #[track_caller]
    pub fn never(&self) {
        self.times(0);
    }

    #[track_caller]
    fn check(&self, holds: bool, expected: &str) {
        if !holds {
            let ((count, unknown), told) = (self.counts(), self.verify.told(&self.called));
            let found = match unknown {
                0 => times(count),
                unknown => format!("{}, and {}", times(count), open(unknown)),
            };
            let called = self.called.described(&self.verify.masker);
            panic!("{called} was called {found}, expected {expected}\n{told}");
        }
    }
}

/// Of calls whose bodies are gone.
fn open(count: usize) -> String {
    let calls = if count == 1 { "1 call".to_owned() } else { format!("{count} calls") };
    format!("of {calls} nobody can tell, since the body is not kept any more")
}

fn times(count: usize) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

fn is_miss(call: &CallRecord) -> bool {
    matches!(call.result, CallResult::Miss | CallResult::Error)
}

fn list(out: &mut String, title: &str, calls: &[&CallRecord], lacks: impl Fn(&CallRecord) -> Vec<String>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{title}:");
    for call in calls.iter().take(LISTED) {
        let _ = writeln!(out, "  {}", Shown(call));
        for lack in lacks(call) {
            let _ = writeln!(out, "      {}", clean(&lack));
        }
    }
    if calls.len() > LISTED {
        let _ = writeln!(out, "  … and {} more", calls.len() - LISTED);
    }
}

fn reports(out: &mut String, calls: &[&CallRecord]) {
    for report in calls.iter().filter_map(|call| call.report_text.as_ref()).take(REPORTS) {
        let _ = write!(out, "\n{}", clean_lines(report));
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::redact::{MaskKey, MaskRules};
    use crate::store::runs::LoggedMessage;

    fn verify(bodies: &[&str], masker: &Masker) -> Verify {
        let call = |(at, body): (usize, &&str)| {
            let masked = String::from_utf8(masker.text_body(body.as_bytes(), None)).unwrap();
            let request =
                LoggedMessage { fields: Vec::new(), body: masked, body_bytes: body.len() as u64, body_dropped: false };
            let record = serde_json::json!({ "call": at + 1, "at": "2026-01-01T00:00:00Z", "duration_us": 1,
                "method": "POST", "url": "https://api.test/files", "status": 200, "result": "inexact",
                "request": request });
            serde_json::from_value(record).unwrap()
        };
        Verify::new(bodies.iter().enumerate().map(call).collect(), masker.clone())
    }

    fn fails(check: impl FnOnce()) -> String {
        let failure = catch_unwind(AssertUnwindSafe(check)).expect_err("the check does not hold");
        *failure.downcast::<String>().unwrap()
    }

    #[test]
    fn bodies_without_a_type_are_compared_as_they_are_logged() {
        let masker = Masker::new(MaskKey([7; 32]), MaskRules::default());
        let secret = "key AKIAIOSFODNN7EXAMPLE";
        let calls = verify(&[secret, "key of another kind 1234"], &masker);
        assert!(!calls.calls[0].request.as_ref().unwrap().body.contains("AKIA"), "the log is masked");
        calls.called("POST", "/files").with_body(secret).once();
        fails(|| calls.called("POST", "/files").with_body(secret).never());
    }

    #[test]
    fn what_needs_a_body_that_is_gone_fails_and_says_so() {
        let mut calls = verify(&["first", "other", "longer"], &Masker::off());
        for record in &mut Arc::get_mut(&mut calls.calls).unwrap()[..2] {
            let request = record.request.as_mut().unwrap();
            (request.body, request.body_dropped) = (String::new(), true);
        }
        calls.called("POST", "/files").times(3);
        calls.called("POST", "/files").with_body("longer").once();
        calls.called("POST", "/files").with_body("of another length").never();
        for told in [
            fails(|| calls.called("POST", "/files").with_body("third").never()),
            fails(|| calls.called("POST", "/files").with_body("first").once()),
            fails(|| calls.called("POST", "/files").with_json("x").at_least(1)),
            fails(|| assert_eq!(calls.called("POST", "/files").with_body("first").count(), 1)),
        ] {
            assert!(told.contains("of 2 calls nobody can tell"), "{told}");
            assert!(told.contains("body: it is not kept any more"), "{told}");
        }
    }
}
