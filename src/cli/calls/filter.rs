//! Which calls of a run are meant.

use globset::{GlobBuilder, GlobMatcher};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cli::args::{CallFilterArgs, CallTypeArg};
use crate::cli::exit::CliError;
use crate::cli::select;
use crate::store::runs::{CallRecord, CallResult};

/// Filters, ready to be asked.
pub(super) struct Filter {
    results: Option<Vec<CallResult>>,
    status: Option<(u16, u16)>,
    method: Option<String>,
    host: Option<GlobMatcher>,
    path: Option<GlobMatcher>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    cursor: Option<String>,
    /// In lower case.
    text: Option<String>,
}

impl Filter {
    /// Reads what was typed; `text` is looked for besides.
    ///
    /// # Errors
    /// Exit code 2 for what is not understood.
    pub(super) fn new(args: &CallFilterArgs, text: Option<&str>) -> Result<Filter, CliError> {
        let (zone, now) = (TimeZone::system(), Timestamp::now());
        let results = match (args.misses, args.kinds.is_empty()) {
            (true, _) => Some(vec![CallResult::Miss, CallResult::Error]),
            (false, true) => None,
            (false, false) => Some(args.kinds.iter().flat_map(|kind| kind.results()).copied().collect()),
        };
        Ok(Filter {
            results,
            status: args.status.as_deref().map(select::status).transpose()?,
            method: args.method.clone(),
            host: args.host.as_deref().map(glob).transpose()?,
            path: args.path.as_deref().map(glob).transpose()?,
            since: args.since.as_deref().map(|text| select::since(text, &zone, now)).transpose()?,
            until: args.until.as_deref().map(|text| select::until(text, &zone, now)).transpose()?,
            cursor: args.cursor.clone(),
            text: text.map(str::to_lowercase),
        })
    }

    /// Whether a call is meant.
    pub(super) fn takes(&self, call: &CallRecord) -> bool {
        let (host, path) = host_and_path(&call.url);
        self.results.as_ref().is_none_or(|results| results.contains(&call.result))
            && self.status.is_none_or(|(from, to)| (from..=to).contains(&call.status))
            && self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(&call.method))
            && self.host.as_ref().is_none_or(|glob| glob.is_match(host))
            && self.path.as_ref().is_none_or(|glob| glob.is_match(path))
            && self.since.is_none_or(|since| call.at >= since)
            && self.until.is_none_or(|until| call.at < until)
            && self.cursor.as_deref().is_none_or(|cursor| call.cursor.as_deref() == Some(cursor))
            && self.text.as_ref().is_none_or(|text| has(call, text))
    }
}

impl CallTypeArg {
    fn results(self) -> &'static [CallResult] {
        match self {
            CallTypeArg::Success => &[CallResult::Exact, CallResult::Inexact, CallResult::Passed],
            CallTypeArg::Error => &[CallResult::Miss, CallResult::Error],
            CallTypeArg::Exact => &[CallResult::Exact],
            CallTypeArg::Inexact => &[CallResult::Inexact],
            CallTypeArg::Miss => &[CallResult::Miss],
            CallTypeArg::Passed => &[CallResult::Passed],
        }
    }
}

/// A glob without case, in which a star takes slashes, too.
fn glob(text: &str) -> Result<GlobMatcher, CliError> {
    let glob = GlobBuilder::new(text).case_insensitive(true).literal_separator(false).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| CliError::usage(format!("`{text}` is no glob: {error}")))
}

/// Host (with its port) and path of a URL of the log; a plain call to the mock's own address has no host.
fn host_and_path(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    rest.find('/').map_or((rest, "/"), |at| rest.split_at(at))
}

/// Whether a text, in lower case, stands in what the log has of a call.
fn has(call: &CallRecord, text: &str) -> bool {
    let within = |place: &str| place.to_lowercase().contains(text);
    let messages = || {
        call.request.iter().chain(&call.response).any(|message| {
            within(&message.body) || message.fields.iter().any(|(name, value)| within(&format!("{name}: {value}")))
        })
    };
    within(&format!("{} {}", call.method, call.url))
        || call.scenario.as_deref().is_some_and(within)
        || call.differences.iter().any(|line| within(line))
        || messages()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: u64) -> CallRecord {
        let text = format!(
            r#"{{"call":{number},"at":"2026-11-20T10:00:00Z","duration_us":1,"method":"GET","url":"https://api.test/Users/7?q=Tea",
            "status":404,"result":"inexact","scenario":"shop: GET /users/{{id}}#one","cursor":"a",
            "request":{{"fields":[["X-Kind","Green"]],"body":"","body_bytes":0}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn each_filter_holds_by_itself() {
        let plain = CallFilterArgs::default;
        let text = |text: &str| Some(text.to_owned());
        for (args, search, takes) in [
            (plain(), None, true),
            (CallFilterArgs { status: text("4xx"), ..plain() }, None, true),
            (CallFilterArgs { status: text("200"), ..plain() }, None, false),
            (CallFilterArgs { method: text("get"), ..plain() }, None, true),
            (CallFilterArgs { path: text("/users/*"), ..plain() }, None, true),
            (CallFilterArgs { path: text("/users"), ..plain() }, None, false),
            (CallFilterArgs { host: text("*.test"), ..plain() }, None, true),
            (CallFilterArgs { kinds: vec![CallTypeArg::Success], ..plain() }, None, true),
            (CallFilterArgs { kinds: vec![CallTypeArg::Exact, CallTypeArg::Error], ..plain() }, None, false),
            (CallFilterArgs { misses: true, ..plain() }, None, false),
            (CallFilterArgs { cursor: text("b"), ..plain() }, None, false),
            (CallFilterArgs { since: text("2026-11-20T10:00:00Z"), ..plain() }, None, true),
            (CallFilterArgs { until: text("2026-11-20T10:00:00Z"), ..plain() }, None, false),
            (plain(), Some("TEA"), true),
            (plain(), Some("x-kind: green"), true),
            (plain(), Some("coffee"), false),
        ] {
            assert_eq!(
                Filter::new(&args, search).map_err(|error| error.message).unwrap().takes(&call(1)),
                takes,
                "{args:?} {search:?}"
            );
        }
    }
}
