//! `retake explain`

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::args::{ExplainArgs, Global};
use super::calls;
use super::collections::{activate_none, load, own_request, settings};
use super::exit::{CliError, Exit, Outcome};
use super::miss;
use super::output::Printer;
use super::replay::profile;
use super::select;
use crate::app::replay::names_of;
use crate::collection::Labels;
use crate::matching::{Call, Index, MATCH_BODY, RecordedValues, Source, Steering, Target, match_body};
use crate::model::{Exchange, Field, Fields, Origin, coding, path};
use crate::redact::{MaskKey, Masker};
use crate::replay::past::Past;
use crate::report::explain::Explanation;
use crate::report::mask::Mask;
use crate::report::terminal::clean;
use crate::settings::Settings;
use crate::store::collections::Loaded;
use crate::store::runs::{CallRecord, CallResult, LOGGED_BODY, StateChange};
use crate::store::{History, OpenError};

/// The status with which replay answers a miss unless told otherwise.
const MISS_STATUS: u16 = 501;
/// Recorded bodies that are larger are not compared whole.
const MAX_BODY: u64 = 64 * 1024 * 1024;
/// How a call of a replay is named.
const CALL: &str = "call:";

pub(super) fn run(args: ExplainArgs, global: &Global, printer: Printer) -> Outcome {
    let settings = settings(global)?;
    let loaded = load(&settings, &args.collection)?;
    let (call, past) = request(&args, &settings, &loaded)?;
    let profile = match args.profile {
        Some(named) => profile(named),
        None => loaded.collection.manifest.settings.profile.unwrap_or_default(),
    };
    let bodies = loaded.clone();
    let index = Index::new(vec![Source {
        name: args.collection.clone(),
        given: args.collection.clone(),
        collection: Arc::clone(&loaded.collection),
        recorded: Arc::new(RecordedValues::of(&loaded.collection, &|body| loaded.body(body).ok())),
        body: Arc::new(move |body| bodies.body(body).ok()),
    }]);
    // The key lives as long as this report.
    let key = MaskKey(crate::store::random_key());
    let mask = Mask::new(Masker::new(key, settings.mask.clone()));
    let explanation = Explanation::new(&index, &call, profile, ("explain", MISS_STATUS), &mask, &past);
    let server_stub = loaded.collection.manifest.server_stubs.iter().find(|stub| stub.active);
    if let Some(stub) = server_stub {
        printer.warn(format_args!(
            "the server stub `{}` is active and answers every call with {}; this is how the call matches without it \
             ({})",
            clean(&stub.name),
            stub.status,
            activate_none(&args.collection)
        ));
    }
    if args.json {
        let mut told = serde_json::to_value(&explanation).unwrap_or_default();
        if let Some(stub) = server_stub {
            told["server_stub"] = stub.name.as_str().into();
        }
        printer.json(&told);
    } else if let Some(report) = &explanation.miss {
        miss::print(printer, report, |_| Some(loaded.root.clone()));
    } else {
        for (tone, line) in explanation.lines(printer.width().unwrap_or(120)) {
            miss::line(printer, tone, &line);
        }
    }
    Ok(if explanation.miss.is_some() { Exit::FOUND } else { Exit::SUCCESS })
}

/// The call that REQUEST means, and what happened before it: only a replay has a past.
fn request(args: &ExplainArgs, settings: &Settings, loaded: &Loaded) -> Result<(Call, Past), CliError> {
    let fresh = |call| (call, Past::default());
    match args.request.as_slice() {
        [method, url] => typed(method, url, &args.headers, args.data.as_deref()).map(fresh),
        _ if !args.headers.is_empty() || args.data.is_some() => {
            Err(CliError::usage("`-H` and `-d` belong to a typed request").hint("write METHOD URL, then -H and -d"))
        }
        [one] if one.starts_with(CALL) => logged(settings, one, loaded),
        [one] => recorded(settings, one).map(fresh),
        _ => Err(CliError::usage("a request is METHOD URL, or the number of an exchange")),
    }
}

/// A call of the newest replay, by its number in the call log, after those of the same cursor that came before it.
fn logged(settings: &Settings, named: &str, loaded: &Loaded) -> Result<(Call, Past), CliError> {
    let number = named[CALL.len()..].parse().map_err(|_| {
        CliError::usage(format!("`{named}` names no call")).hint("write `call:` and a number that `retake calls` lists")
    })?;
    let run = calls::open(settings, None)?;
    let record = calls::find(&run, number)?;
    // The log names folders whole.
    let root = std::path::absolute(&loaded.root).unwrap_or_else(|_| loaded.root.clone());
    let at = run.info.collections.iter().position(|folder| *folder == root);
    let name = at.map(|at| names_of(&run.info.collections).swap_remove(at));
    let labels = Labels::new(&loaded.collection);
    let is_own =
        |label: &&str| label.split_once(": ").is_some_and(|(collection, _)| Some(collection) == name.as_deref());
    let past = RefCell::new(Past::new(&loaded.collection));
    let tell = |call: &CallRecord| {
        let every = matches!(call.state, Some(StateChange::Reset { every: true }));
        if call.call >= number || !(every || call.cursor == record.cursor) {
            return false;
        }
        if let Some(change) = &call.state {
            changed(&mut past.borrow_mut(), change, name.as_deref(), &labels);
        } else {
            let label = call.scenario.as_deref().filter(is_own);
            let answered = label.and_then(|label| answerer(loaded, &labels, label, call));
            answered.into_iter().for_each(|(stub, scenario)| past.borrow_mut().answered(stub, scenario));
        }
        false
    };
    run.page(true, 0, tell).map_err(CliError::failure)?;
    let with_past = |call| (call, past.into_inner());
    if record.result == CallResult::Exact
        && let Some(label) = &record.scenario
    {
        let gone = || {
            let message = format!("`{named}` was answered by `{label}`, which this collection does not have");
            CliError::usage(message).hint("name the collection that was replayed, or write METHOD URL")
        };
        return answered(loaded, &labels, label, &record).ok_or_else(gone)?.map(with_past);
    }
    again(&record).map(with_past).map_err(|reason| {
        CliError::usage(format!("`{named}` cannot be matched again: {reason}")).hint("write METHOD URL, then -H and -d")
    })
}

/// Tells of what somebody changed of the state of the collection of that name.
fn changed(past: &mut Past, change: &StateChange, collection: Option<&str>, labels: &Labels) {
    match change {
        StateChange::Reset { .. } => past.reset(),
        StateChange::Enter { things, state } => {
            let own = things.iter().filter(|thing| Some(thing.collection.as_str()) == collection);
            own.for_each(|thing| past.entered(&thing.of, state));
        }
        StateChange::Step { scenario, step } => {
            let own = scenario.split_once(": ").filter(|(name, _)| Some(*name) == collection);
            let places = own.map_or(&[][..], |(_, label)| labels.places(label));
            places.iter().for_each(|&(stub, scenario)| past.went_to(stub, scenario, *step));
        }
    }
}

/// The call of an exact hit: the log keeps no request of it, since it is the scenario's own.
pub(super) fn answered(
    loaded: &Loaded,
    labels: &Labels,
    label: &str,
    record: &CallRecord,
) -> Option<Result<Call, CliError>> {
    let (stub, scenario) = answerer(loaded, labels, label, record)?;
    let (target, _) = split(&record.url).ok()?;
    let stub = &loaded.collection.stubs[stub].stub;
    let steering = steering(record);
    let own = own_request(loaded, stub, &stub.scenarios[scenario]);
    Some(own.map(|call| Call { target, steering, at: record.at, ..call }))
}

/// The scenario of a label that answered this call: stub and scenario, by position. A label may have no origin, and two
/// origins may serve the same path. The scheme of a plain call does not count.
pub(super) fn answerer(loaded: &Loaded, labels: &Labels, label: &str, record: &CallRecord) -> Option<(usize, usize)> {
    let (_, wanted) = label.split_once(": ")?;
    let (target, _) = split(&record.url).ok()?;
    let origin = |&(stub, _): &(usize, usize)| &loaded.collection.stubs[stub].stub.origin;
    let mut places = labels.places(wanted).iter().copied();
    match &target {
        Target::Origin(called) => places
            .filter(|place| origin(place).matches_authority(&called.authority))
            .min_by_key(|place| !origin(place).matches(called)),
        _ => places.next(),
    }
}

/// What a logged call asked of the mock.
fn steering(record: &CallRecord) -> Steering {
    Steering::take(&mut record.steering.iter().map(|(name, value)| Field::new(name, value.as_str())).collect())
}

/// The call that the log tells of, or why it does not tell enough.
fn again(record: &CallRecord) -> Result<Call, &'static str> {
    let Some(request) = &record.request else {
        return Err(match record.result {
            CallResult::Exact => "of an exact hit the log keeps no request, since it is the scenario's own",
            CallResult::State => "it is none: somebody changed sequences or states",
            _ => "it never became a request",
        });
    };
    if request.body_bytes > 0 && request.body.is_empty() {
        return Err("its body is binary, and the log does not keep it");
    }
    if request.body.len() >= LOGGED_BODY {
        return Err("its body is large, and the log has only the beginning");
    }
    let (target, rest) = split(&record.url).map_err(|_| "the log names no URL")?;
    let (path, query) = path::split_target(rest);
    Ok(Call {
        method: record.method.clone(),
        target,
        path: path.to_owned(),
        query: query.map(str::to_owned),
        fields: request.fields.iter().map(|(name, value)| Field::new(name, value.as_str())).collect(),
        body: Bytes::from(request.body.clone()),
        steering: steering(record),
        at: record.at,
    })
}

/// A typed request. A path without a host is a plain call to the mock's own address.
fn typed(method: &str, url: &str, headers: &[String], data: Option<&str>) -> Result<Call, CliError> {
    if http::Method::from_bytes(method.as_bytes()).is_err() {
        let hint = "write METHOD URL, such as `GET https://api.example.com/users`";
        return Err(CliError::usage(format!("`{method}` is not a method")).hint(hint));
    }
    let (target, rest) = split(url.split('#').next().unwrap_or(url))?;
    let (path, query) = path::split_target(rest);
    let mut fields = Fields::new();
    for line in headers {
        let named = line.split_once(':').filter(|(name, _)| http::HeaderName::from_bytes(name.as_bytes()).is_ok());
        let (name, value) =
            named.ok_or_else(|| CliError::usage(format!("`{line}` is not a field")).hint("write `Name: value`"))?;
        fields.push(name, value.trim());
    }
    if let Some(asked) = fields.text(MATCH_BODY) {
        match_body(&asked).map_err(CliError::usage)?;
    }
    let body = data.map(body_of).transpose()?.unwrap_or_default();
    if !body.is_empty() && !fields.has("content-type") {
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
        fields.push("Content-Type", if json { "application/json" } else { "application/x-www-form-urlencoded" });
    }
    let steering = Steering::take(&mut fields);
    Ok(Call {
        method: method.to_owned(),
        target,
        path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
        query: query.map(str::to_owned),
        fields,
        body,
        steering,
        at: Timestamp::now(),
    })
}

/// Where a URL goes, and its path and query.
fn split(url: &str) -> Result<(Target, &str), CliError> {
    if url.starts_with('/') {
        return Ok((Target::Any, url));
    }
    let Some(scheme) = url.find("://") else {
        return Err(CliError::usage(format!("`{url}` is not a URL"))
            .hint("write https://host/path, or /path for a plain call to the mock"));
    };
    let host = scheme + 3;
    let end = url[host..].find(['/', '?']).map_or(url.len(), |at| host + at);
    Ok((Target::Origin(url[..end].parse::<Origin>().map_err(CliError::usage)?), &url[end..]))
}

fn body_of(data: &str) -> Result<Bytes, CliError> {
    match data.strip_prefix('@') {
        None => Ok(Bytes::from(data.to_owned())),
        Some(file) => std::fs::read(file)
            .map(Bytes::from)
            .map_err(|error| CliError::usage(format!("the body `{file}` could not be read: {error}"))),
    }
}

/// The request of an exchange of the history.
fn recorded(settings: &Settings, which: &str) -> Result<Call, CliError> {
    let history = crate::control::open_history(&settings.store).map_err(|error| match &error {
        OpenError::Empty(_) => CliError::usage(&error).hint("write METHOD URL, such as `GET https://host/path`"),
        _ => CliError::failure(&error),
    })?;
    let numbers = select::numbers(&*history, &[which.to_owned()])?;
    let [number] = numbers.as_slice() else {
        return Err(CliError::usage(format!("`{which}` is {} exchanges: one is explained at a time", numbers.len())));
    };
    let exchange = history.get(*number).map_err(select::failed)?;
    let body = content(&*history, &exchange)?;
    let request = exchange.request;
    Ok(Call {
        method: request.method,
        target: Target::Origin(request.origin),
        path: request.path,
        query: request.query,
        fields: request.fields,
        body,
        steering: Steering::default(),
        at: exchange.started_at,
    })
}

/// The body of a recorded request, its content coding undone where that can be.
fn content(history: &dyn History, exchange: &Exchange) -> Result<Bytes, CliError> {
    use std::io::Read;
    let body = &exchange.request.body;
    let reader = history.body(exchange, body).map_err(select::failed)?;
    let mut stored = Vec::new();
    reader.take(MAX_BODY).read_to_end(&mut stored).map_err(CliError::failure)?;
    let codings = match coding::codings(&exchange.request.fields) {
        Ok(codings) if body.coding_removed.is_none() => codings,
        _ => Vec::new(),
    };
    if codings.is_empty() {
        return Ok(Bytes::from(stored));
    }
    Ok(Bytes::from(coding::decode(&stored, &codings, MAX_BODY).unwrap_or(stored)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_requests_become_calls() {
        let call = typed("POST", "https://A.test/x?y=1#z", &["X-A: b".into()], Some("{}")).unwrap();
        assert_eq!(call.target, Target::Origin("https://a.test".parse().unwrap()));
        assert_eq!((call.path.as_str(), call.query.as_deref()), ("/x", Some("y=1")));
        assert_eq!(call.fields.get("content-type"), Some(&b"application/json"[..]));
        assert_eq!(typed("GET", "https://a.test", &[], None).unwrap().path, "/");
        assert_eq!(typed("GET", "/x", &[], None).unwrap().target, Target::Any);
        for (method, url) in [("GET", "a.test/x"), ("G T", "/x"), ("GET", "ftp://a.test/")] {
            assert_eq!(typed(method, url, &[], None).unwrap_err().exit, Exit::USAGE, "{method} {url}");
        }
    }

    #[test]
    fn a_logged_call_is_matched_again_where_the_log_has_it_whole() {
        let record = |request: serde_json::Value, result: &str| -> CallRecord {
            serde_json::from_value(serde_json::json!({
                "call": 17, "at": "2026-11-20T10:00:00Z", "duration_us": 1, "method": "POST",
                "url": "https://a.test/x?y=1", "status": 501, "result": result, "request": request,
            }))
            .unwrap()
        };
        let missed = serde_json::json!({ "fields": [["X-A", "b"]], "body": "{}", "body_bytes": 2 });
        let call = again(&record(missed, "miss")).unwrap();
        assert_eq!(call.target, Target::Origin("https://a.test".parse().unwrap()));
        assert_eq!((call.path.as_str(), call.query.as_deref(), &call.body[..]), ("/x", Some("y=1"), &b"{}"[..]));
        assert_eq!(call.fields.get("x-a"), Some(&b"b"[..]));
        assert!(again(&record(serde_json::Value::Null, "exact")).is_err());
        let binary = serde_json::json!({ "fields": [], "body_bytes": 3 });
        assert!(again(&record(binary, "miss")).is_err(), "a body that is not there must not be compared");
    }

    #[test]
    fn an_exact_hit_is_rebuilt_from_its_scenario() {
        let root = std::env::temp_dir().join(format!("retake-explain-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(root.join("stubs/a.test")).unwrap();
        std::fs::write(root.join("collection.json"), r#"{"version":1,"name":"c","origins":["https://a.test"]}"#)
            .unwrap();
        let stub = r#"{"version":1,"method":"GET","origin":"https://a.test","path":"/x","scenarios":[
            {"name":"ok","request":{"query":["y=1"]},"response":{"status":200}}]}"#;
        std::fs::write(root.join("stubs/a.test/get-x.json"), stub).unwrap();
        let loaded = crate::store::collections::load(&root).unwrap();
        let record = |url: &str| -> CallRecord {
            serde_json::from_value(serde_json::json!({
                "call": 17, "at": "2026-11-20T10:00:00Z", "duration_us": 1, "method": "GET", "url": url,
                "status": 200, "result": "exact", "steering": [["x-mock-response-code", "200"]],
            }))
            .unwrap()
        };
        let labels = Labels::new(&loaded.collection);
        let call = answered(&loaded, &labels, "c: GET /x#ok", &record("https://a.test/x?y=1")).unwrap().unwrap();
        assert_eq!(call.steering.code.as_deref(), Some("200"));
        assert_eq!((&*call.method, &*call.path, call.query.as_deref()), ("GET", "/x", Some("y=1")));
        assert!(answered(&loaded, &labels, "c: GET /x#gone", &record("/x")).is_none());
        assert!(
            answered(&loaded, &labels, "c: GET /x#ok", &record("https://b.test/x")).is_none(),
            "another origin has the same path"
        );
        std::fs::remove_dir_all(&root).unwrap();
    }
}
