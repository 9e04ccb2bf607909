//! `retake verify`

use tokio_util::sync::CancellationToken;

use super::args::{FailOnArg, Global, VerifyArgs};
use super::collections;
use super::exit::{CliError, Exit, Outcome};
use super::history::style;
use super::output::Printer;
use super::signals::Signals;
use crate::app::verify::{Against, VerifyPlan, verify};
use crate::app::wiring;
use crate::collection::{FieldLine, OriginPattern};
use crate::drift::Severity;
use crate::model::Field;
use crate::redact::KnownSecret;
use crate::report::drift::DriftReport;
use crate::report::terminal::clean;
use crate::settings::{Settings, inherited};
use crate::tls::UpstreamTrust;

/// What an interrupted command returns.
const INTERRUPTED: Exit = Exit(130);

pub(super) fn run(args: &VerifyArgs, global: &Global, printer: Printer) -> Outcome {
    let settings = collections::settings(global)?;
    let plan = plan(args, &settings)?;
    let proxies = wiring::own_proxies(inherited, None);
    if !proxies.is_empty() {
        printer.warn(format_args!(
            "{} set for retake itself: it does not use a proxy, and calls the API directly",
            proxies.join(", ")
        ));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::failure(format!("the runtime could not start: {error}")))?;
    let report = runtime.block_on(until_stopped(plan, printer));
    // A connection that does not end must not keep the process.
    runtime.shutdown_background();
    let report = report?;
    tell(&report, args.json, printer);
    let gave_any = args.headers.iter().any(|line| line.to_ascii_lowercase().starts_with("authorization:"));
    if !gave_any && is_refused(&report) {
        printer.say(
            "answered 401 where the recording was not: give credentials, `--header 'Authorization: Bearer ${TOKEN}'`",
        );
    }
    exit(&report, args.fail_on, &args.collection)
}

fn plan(args: &VerifyArgs, settings: &Settings) -> Result<VerifyPlan, CliError> {
    let loaded = collections::load(settings, &args.collection)?;
    // What no stub is under asks for nothing.
    let is_used = |origin: &&OriginPattern| loaded.collection.stubs.iter().any(|file| file.stub.origin == **origin);
    let origins: Vec<&OriginPattern> = loaded.collection.manifest.origins.iter().filter(is_used).collect();
    if origins.len() > 1 && args.against.iter().any(|against| against.of.is_none()) {
        let first = origins.first().map(|origin| origin.to_string()).unwrap_or_default();
        return Err(CliError::usage(format!(
            "`{}` has {} origins, and `--against` names none",
            args.collection,
            origins.len()
        ))
        .hint(format!("say which one is meant: `--against {first}=URL`, repeatable")));
    }
    if let Some(unknown) = args.against.iter().filter_map(|it| it.of.as_ref()).find(|of| !origins.contains(of)) {
        let known: Vec<String> = origins.iter().map(|origin| origin.to_string()).collect();
        return Err(CliError::usage(format!("`{}` has no origin {unknown}", args.collection))
            .hint(format!("it has {}", known.join(", "))));
    }
    let mut mask = settings.mask.clone();
    let mut fields = Vec::new();
    for line in &args.headers {
        let (field, secrets) = header(line)?;
        mask.secrets.extend(secrets);
        fields.push(field);
    }
    let bare: Vec<KnownSecret> = mask.secrets.iter().filter_map(without_scheme).collect();
    mask.secrets.extend(bare);
    Ok(VerifyPlan {
        name: args.collection.clone(),
        loaded,
        against: args.against.iter().map(Against::clone).collect(),
        with_unsafe: args.with_unsafe,
        concurrency: usize::from(args.concurrency),
        rate: args.rate,
        timeout: std::time::Duration::from_secs(args.timeout),
        fields,
        trust: UpstreamTrust { extra_roots: args.upstream_ca.clone(), insecure: args.insecure.clone() },
        mask,
    })
}

/// A field line with the variables `${NAME}` in it put in their places, and their values, which are secrets.
fn header(line: &str) -> Result<(Field, Vec<KnownSecret>), CliError> {
    let (mut out, mut secrets, mut rest) = (String::new(), Vec::new(), line);
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else { break };
        let value = inherited(name).ok_or_else(|| {
            CliError::usage(format!("`--header`: the environment has no `{name}`")).hint(format!("set `{name}`"))
        })?;
        out.push_str(before);
        out.push_str(&value);
        secrets.push(KnownSecret { label: name.to_ascii_uppercase(), value });
        rest = after;
    }
    out.push_str(rest);
    // The message of a line that is none would show it with its secrets.
    let parsed: Result<FieldLine, _> = out.parse();
    let field = parsed.map_err(|_| CliError::usage("`--header` is not a field line: write `NAME: VALUE`"))?;
    Ok((field.0, secrets))
}

/// A secret that came with its scheme, `Bearer …`: what an API may say of it is the credential alone.
fn without_scheme(secret: &KnownSecret) -> Option<KnownSecret> {
    let (scheme, value) = secret.value.split_once(' ')?;
    let is_one = !value.contains(' ') && scheme.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_one.then(|| KnownSecret { label: secret.label.clone(), value: value.to_owned() })
}

/// Ctrl-C, or an order to end, leads to the report of what is known.
async fn until_stopped(plan: VerifyPlan, printer: Printer) -> Result<DriftReport, CliError> {
    let mut signals = Signals::listen()?;
    let stop = CancellationToken::new();
    let asked = stop.clone();
    let listening = tokio::spawn(async move {
        signals.next().await;
        asked.cancel();
    });
    let report = verify(plan, &stop, |done, all| printer.progress(&format!("{done} of {all} requests answered"))).await;
    listening.abort();
    printer.progress("");
    report.map_err(CliError::failure)
}

fn tell(report: &DriftReport, json: bool, printer: Printer) {
    if json {
        printer.json(report);
    } else {
        report.lines().iter().for_each(|line| printer.data(style::styled(line)));
    }
    printer.say(clean(&report.summary()));
}

/// Whether a call came to 401 that did not when it was recorded.
fn is_refused(report: &DriftReport) -> bool {
    let mut scenarios = report.endpoints.iter().flat_map(|endpoint| &endpoint.scenarios);
    scenarios.any(|scenario| scenario.status == 401 && !scenario.differences.is_empty())
}

fn exit(report: &DriftReport, fail_on: FailOnArg, name: &str) -> Outcome {
    let fails: &[Severity] = match fail_on {
        FailOnArg::Breaking => &[Severity::Breaking],
        FailOnArg::Values => &[Severity::Breaking, Severity::Values],
        FailOnArg::Compatible => &[Severity::Breaking, Severity::Values, Severity::Added],
    };
    if fails.iter().any(|severity| report.has(*severity)) {
        return Ok(Exit::FOUND);
    }
    if report.stopped {
        return Ok(INTERRUPTED);
    }
    if !report.unanswered.is_empty() {
        return Ok(Exit::FAILURE);
    }
    if report.compared == 0 {
        return Err(CliError::usage(format!("no request of `{name}` was sent")).hint("see above why not"));
    }
    Ok(Exit::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::{Difference, Kind, Verdict};
    use crate::report::drift::{EndpointDrift, ScenarioDrift};

    fn report(severity: Option<Severity>) -> DriftReport {
        let at = || "/a".to_owned();
        let difference =
            |severity| Difference { severity, kind: Kind::Value, at: at(), recorded: None, live: None, count: 1 };
        let differences: Vec<Difference> = severity.map(difference).into_iter().collect();
        let verdict = Verdict::of(&differences);
        let scenario = ScenarioDrift { scenario: "ok".into(), verdict, step: None, status: 200, differences };
        DriftReport {
            collection: "shop".into(),
            against: Vec::new(),
            verdict: Some(verdict),
            compared: 1,
            endpoints: vec![EndpointDrift { endpoint: "GET /".into(), verdict, scenarios: vec![scenario] }],
            unanswered: Vec::new(),
            not_sent: Vec::new(),
            stopped: false,
        }
    }

    #[test]
    fn exit_codes() {
        let code = |severity, fail_on| exit(&report(severity), fail_on, "shop").unwrap().0;
        for (severity, codes) in [
            (None, [0, 0, 0]),
            (Some(Severity::Added), [0, 0, 3]),
            (Some(Severity::Values), [0, 3, 3]),
            (Some(Severity::Breaking), [3, 3, 3]),
        ] {
            let all = [FailOnArg::Breaking, FailOnArg::Values, FailOnArg::Compatible];
            assert_eq!(all.map(|fail_on| code(severity, fail_on)), codes, "{severity:?}");
        }
        let stopped = DriftReport { stopped: true, ..report(None) };
        assert_eq!(exit(&stopped, FailOnArg::Breaking, "shop").unwrap(), INTERRUPTED);
        let left = crate::report::drift::Left { scenario: "x".into(), reason: "refused".into() };
        let unanswered = DriftReport { unanswered: vec![left], ..report(None) };
        assert_eq!(exit(&unanswered, FailOnArg::Breaking, "shop").unwrap(), Exit::FAILURE);
        let none = DriftReport { compared: 0, ..report(None) };
        assert_eq!(exit(&none, FailOnArg::Breaking, "shop").unwrap_err().exit, Exit::USAGE);
    }

    #[test]
    fn headers_are_lines() {
        let (field, secrets) = header("Accept: application/json").unwrap();
        assert!(field.is("accept") && secrets.is_empty());
        assert!(header("no line").is_err());
        assert!(header("X-Key: ${RETAKE_NO_SUCH_VARIABLE}").unwrap_err().message.contains("RETAKE_NO_SUCH_VARIABLE"));
    }
}
