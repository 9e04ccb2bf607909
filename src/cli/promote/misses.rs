//! `--misses`: the exchanges of the history that answer what a replay had no answer for.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use crate::cli::calls::catch_up;
use crate::cli::exit::CliError;
use crate::cli::output::Printer;
use crate::cli::select;
use crate::redact::PlaceholderIn;
use crate::report::collection::count;
use crate::report::terminal::{clean, cut};
use crate::store::runs::{self, CallRecord, CallResult, Run, RunError};
use crate::store::{History, Query};

/// How many exchanges of a path are looked at for one with the same query.
const LOOKED_AT: usize = 200;
/// How many misses without an exchange are named.
const NAMED: usize = 5;

/// The numbers of the exchanges, lowest first: those that the replay recorded itself, which carry the tag `miss:RUN`, and
/// for every other miss the newest whole exchange with its method and URL.
///
/// # Errors
/// Exit code 2 for an unknown run, one without a miss, and when no miss is in the history.
pub(super) fn numbers(
    history: &dyn History,
    store: &Path,
    run: Option<&str>,
    printer: Printer,
) -> Result<Vec<u64>, CliError> {
    let run = runs::open(store, run).map_err(|error| match &error {
        RunError::None(_) => CliError::usage(&error).hint("`retake replay COLLECTION -- COMMAND` makes a run"),
        RunError::Unknown(..) => CliError::usage(&error),
        RunError::Io(..) => CliError::failure(&error),
    })?;
    catch_up(store, &run);
    let name = run.info.run.as_str();
    let missed = run.calls(usize::MAX, |call| call.result == CallResult::Miss).map_err(CliError::failure)?;
    let mut wanted: BTreeSet<Asked> = missed.into_iter().map(|call| (call.method, call.url)).collect();
    let Recorded { mut found, left_out, calls } = recorded(history, name, refused(&run)?)?;
    wanted.retain(|call| !calls.contains(call));
    if !left_out.is_empty() {
        let numbers: Vec<String> = left_out.iter().map(u64::to_string).collect();
        printer.warn(format_args!(
            "left out: {} that the origin refused, because the request had a placeholder of the mock in place of a secret; \
             by their numbers they are taken all the same: {}",
            count(left_out.len(), "exchange"),
            named(&numbers)
        ));
    }
    let all = found.len() + wanted.len() + left_out.len();
    if all == 0 {
        return Err(CliError::usage(format!("nothing selected: the run {name} had no miss")));
    }
    let mut without = Vec::new();
    for (method, url) in wanted {
        match newest(history, &method, &url)? {
            Some(number) => drop(found.insert(number)),
            None => without.push(format!("{method} {url}")),
        }
    }
    if found.is_empty() && !left_out.is_empty() {
        return Err(CliError::usage(format!("nothing selected: the origins refused what the run {name} let pass")));
    }
    if found.is_empty() {
        return Err(CliError::usage(format!(
            "nothing selected: the history has none of the requests that the run {name} had no answer for: {}",
            named(&without)
        ))
        .hint("record them: `retake record -- COMMAND`"));
    }
    if !without.is_empty() {
        let misses = count(without.len(), "missed request");
        printer.warn(format_args!("{misses} of the run {name} not in the history: {}", named(&without)));
    }
    Ok(found.into_iter().collect())
}

/// A call as a run and an exchange both have it: method and URL.
type Asked = (String, String);

/// One call of a run, as its exchange has it, too: what was asked, when, in microseconds, and the status that came.
type Moment = (Asked, i64, u16);

/// The calls that an origin refused after a placeholder was sent to it in place of a secret; how many of each.
fn refused(run: &Run) -> Result<HashMap<Moment, usize>, CliError> {
    let is_refused = |call: &CallRecord| {
        call.result == CallResult::Passed
            && call.placeholder.as_ref().is_some_and(|place| is_refusal(call.status, place))
    };
    let mut refused = HashMap::new();
    for call in run.calls(usize::MAX, is_refused).map_err(CliError::failure)? {
        *refused.entry(((call.method, call.url), call.at.as_microsecond(), call.status)).or_default() += 1;
    }
    Ok(refused)
}

/// Whether an origin says so that it does not take what stands there. Of a token in a body it says that the request is bad
/// (RFC 6749 section 5.2).
fn is_refusal(status: u16, place: &PlaceholderIn) -> bool {
    matches!(status, 401 | 403) || status == 400 && *place == PlaceholderIn::Body
}

/// What a replay let pass and recorded.
#[derive(Default)]
struct Recorded {
    /// The numbers of the exchanges.
    found: BTreeSet<u64>,
    /// Those of more, which only say that the placeholder of a secret is none.
    left_out: BTreeSet<u64>,
    /// The calls of both.
    calls: BTreeSet<Asked>,
}

/// The exchanges that carry the tag of the run.
fn recorded(history: &dyn History, run: &str, mut refused: HashMap<Moment, usize>) -> Result<Recorded, CliError> {
    let tagged = Query { tag: Some(format!("miss:{run}")), ..Query::default() };
    let mut recorded = Recorded::default();
    let mut before = None;
    loop {
        let page = history.list(&tagged, before, 1000).map_err(select::failed)?;
        for row in &page.rows {
            let call = (row.method.clone(), format!("{}{}", row.origin, row.target));
            let moment = (call, row.started_at.as_microsecond(), row.status.unwrap_or_default());
            match refused.get_mut(&moment).filter(|left| **left > 0) {
                Some(left) => {
                    *left -= 1;
                    recorded.left_out.insert(row.number);
                }
                None => drop(recorded.found.insert(row.number)),
            }
            recorded.calls.insert(moment.0);
        }
        match page.next {
            Some(next) => before = Some(next),
            None => return Ok(recorded),
        }
    }
}

fn named(calls: &[String]) -> String {
    let mut named: Vec<_> = calls.iter().take(NAMED).map(|call| cut(&clean(call), 100).into_owned()).collect();
    if calls.len() > NAMED {
        named.push(format!("and {} more", calls.len() - NAMED));
    }
    named.join(", ")
}

/// The newest exchange with this method and URL that was answered whole. Of a URL without an origin (a plain call that
/// named none) nothing is known.
fn newest(history: &dyn History, method: &str, url: &str) -> Result<Option<u64>, CliError> {
    let Some((origin, target)) = split(url) else { return Ok(None) };
    let path = target.split('?').next().unwrap_or(target);
    let query = Query {
        method: Some(method.to_owned()),
        host: Some(globset::escape(origin.host())),
        path: Some(globset::escape(path)),
        outcome: Some("complete".to_owned()),
        ..Query::default()
    };
    let rows = history.list(&query, None, LOOKED_AT).map_err(select::failed)?.rows;
    Ok(rows.iter().find(|row| row.origin == origin && row.target == target).map(|row| row.number))
}

fn split(url: &str) -> Option<(crate::model::Origin, &str)> {
    let host = url.find("://")? + "://".len();
    let path = host + url[host..].find('/')?;
    Some((url[..path].parse().ok()?, &url[path..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_its_origin_and_its_target() {
        let (origin, target) = split("https://api.test:8443/a?b=c").unwrap();
        assert_eq!((origin.to_string().as_str(), target), ("https://api.test:8443", "/a?b=c"));
        assert!(split("/a").is_none() && split("https://api.test").is_none());
    }
}
