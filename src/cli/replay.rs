//! `retake replay`

mod report;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::args::{CallLogArg, Global, ProfileArg, ReplayArgs};
use super::calls;
use super::collections::{self, load_error};
use super::exit::{CliError, Exit, Outcome};
use super::output::{BOLD, DIM, Printer};
use super::signals::Signals;
use crate::app::child::{self, ChildExit};
use crate::app::live::Told;
use crate::app::replay::{ReplayPlan, Running, StartError, names_of, start};
use crate::app::wiring::{self, Wiring};
use crate::collection::{OnMiss, Profile};
use crate::replay::answer::AnswerOptions;
use crate::replay::engine::Engine;
use crate::replay::fallback::OnMissRules;
use crate::replay::serve::ServeOptions;
use crate::report::receipt::{Limits, Receipt};
use crate::report::terminal::clean;
use crate::settings::{Settings, inherited};
use crate::store::running::{self, Kind};
use crate::store::runs::{CallRecord, CallResult, Observer};
use crate::tls::{Ca, TrustFiles, UpstreamTrust, write_trust_files};
use report::Report;

pub(super) fn run(args: ReplayArgs, global: &Global, printer: Printer) -> Outcome {
    let settings = collections::settings(global)?;
    let reports = args.reports.iter().map(|text| Report::parse(text)).collect::<Result<Vec<_>, _>>()?;
    // Before the run: afterwards the receipt would be lost.
    reports.iter().try_for_each(Report::can_be_written)?;
    // A thousand clients need two thousand sockets; many systems allow 256 or 1024 unless asked.
    crate::wire::listener::raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::failure(format!("the runtime could not start: {error}")))?;
    let verbose = global.verbose > 0;
    let outcome = runtime.block_on(serve(&args, &settings, &reports, verbose, printer));
    // A connection that does not end must not keep the process.
    runtime.shutdown_background();
    outcome
}

async fn serve(args: &ReplayArgs, settings: &Settings, reports: &[Report], verbose: bool, printer: Printer) -> Outcome {
    let ca = Arc::new(Ca::load_or_create(&settings.ca_dir).map_err(CliError::failure)?);
    // Bundles are for the command's wiring; `retake env` writes them itself.
    let trust = match args.command.is_empty() {
        true => TrustFiles::in_folder(&settings.ca_dir),
        false => write_trust_files(&ca, &settings.ca_dir).map_err(CliError::failure)?,
    };
    let on_miss = OnMissRules::read(&args.on_miss).map_err(|error| {
        CliError::usage(format!("--on-miss: {error}")).hint("write fail, pass or record, or HOST=pass for one host")
    })?;
    let plan = plan(args, settings, on_miss)?;
    let open = std::iter::once(&plan.listen).chain(&plan.also_listen).find(|address| !address.ip().is_loopback());
    if let Some(listen) = open {
        printer.warn(format_args!("{listen} can be reached from other machines, and the mock answers everybody"));
    }
    let observe = observer(args, verbose, printer);
    let running =
        start(plan, ca, Some(observe), Some(edited(printer))).map_err(|error| not_started(error, settings))?;
    // Before the ready line: whoever waits for it may send a signal at once.
    let signals = args.command.is_empty().then(Signals::listen).transpose()?;
    announce(args, &running, &trust, printer);
    let no_proxy = wiring::no_proxy_of_replay(serves_loopback(&running));
    let registration = running::register(&settings.store, &entry(args, &running, &trust, &no_proxy));
    let (receipt, ended) = match signals {
        Some(signals) => (until_signal(running, signals).await, None),
        None => {
            let ended = run_command(args, &running, &trust, &no_proxy).await;
            (running.stop().await, Some(ended?))
        }
    };
    drop(registration);
    printer.say(format_args!("\n{}", receipt.text().trim_end()));
    let limits = Limits { fail_unused: args.fail_unused, max_inexact: args.max_inexact };
    for report in reports {
        report.write(&receipt, &limits)?;
    }
    let code = exit_code(&receipt, ended, &limits);
    // Quiet or not: who sees the exit code alone asks why.
    if code == Exit::FOUND && ended.is_none_or(|ended| ended.code == 0) {
        let why: Vec<String> = receipt.failures(&limits).into_iter().map(|failure| failure.sentence).collect();
        printer.warn(format_args!("the run fails: {}", why.join("; ")));
    }
    Ok(code)
}

fn plan(args: &ReplayArgs, settings: &Settings, on_miss: OnMissRules) -> Result<ReplayPlan, CliError> {
    let dirs: Vec<PathBuf> = args.collections.iter().map(|collection| settings.collection_dir(collection)).collect();
    let port = if args.command.is_empty() { 8888 } else { 0 };
    Ok(ReplayPlan {
        collections: names_of(&dirs).into_iter().zip(dirs).collect(),
        given: args.collections.clone(),
        listen: args.listen.listen.unwrap_or_else(|| ([127, 0, 0, 1], port).into()),
        also_listen: args.also_listen.clone(),
        profile: args.profile.map(profile),
        answers: answers(args)?,
        serve: ServeOptions {
            // The command line has checked that it is a status of an error.
            miss_status: args.miss_status.and_then(|status| http::StatusCode::from_u16(status).ok()),
            explain_headers: args.explain_headers,
            cursor: args.cursor.clone(),
            on_miss,
            cors: args.cors,
            keep_requests: matches!(args.call_log, CallLogArg::Full),
            whole_bodies: false,
            keep_answers: matches!(args.call_log, CallLogArg::Full),
            skip_exact: matches!(args.call_log, CallLogArg::Misses),
        },
        trust: UpstreamTrust { extra_roots: args.upstream_ca.clone(), insecure: args.insecure.clone() },
        mask: settings.mask.clone(),
        store: Some(settings.store.clone()),
        command: shown(args),
        live: true,
        runtime_dir: inherited("XDG_RUNTIME_DIR").map(PathBuf::from),
    })
}

/// How the answers of this run come about.
fn answers(args: &ReplayArgs) -> Result<AnswerOptions, CliError> {
    let mut answers =
        AnswerOptions { now: args.now, shift: !args.no_shift, delay: args.delay, ..AnswerOptions::default() };
    answers.seed = args.seed.unwrap_or(answers.seed);
    for name in &args.env_variables {
        let value = inherited(name).ok_or_else(|| {
            CliError::usage(format!("`--env-var {name}`: the environment has no `{name}`"))
                .hint(format_args!("set it, or give its value with `--var {name}=VALUE`"))
        })?;
        answers.variables.insert(name.clone(), value);
    }
    answers.variables.extend(args.variables.iter().cloned());
    Ok(answers)
}

/// What is said when the files change.
fn edited(printer: Printer) -> Told {
    Box::new(move |outcome| match outcome {
        Ok(()) => printer.say(format_args!("{DIM}the files have changed: served from now on{DIM:#}")),
        Err(trouble) => {
            printer
                .warn("the files have changed, and cannot be served so; what they were before goes on being served:");
            trouble.iter().for_each(|line| printer.say(format_args!("  {}", clean(line))));
        }
    })
}

/// How this replay is shown to others.
fn shown(args: &ReplayArgs) -> Vec<String> {
    let own = ["retake", "replay"].into_iter().chain(args.collections.iter().map(String::as_str));
    child::shown(&own.collect::<Vec<_>>(), &args.command)
}

pub(super) fn profile(profile: ProfileArg) -> Profile {
    match profile {
        ProfileArg::Best => Profile::Best,
        ProfileArg::Strict => Profile::Strict,
        ProfileArg::Postman => Profile::Postman,
    }
}

fn not_started(error: StartError, settings: &Settings) -> CliError {
    match error {
        StartError::Load { name, error } => load_error(settings, &name, error),
        StartError::Engine(error) => CliError::usage(error).hint("`retake mock check COLLECTION` lists every fault"),
        StartError::Bind(error) => {
            let ours = running::list(&settings.store);
            let failure = CliError::failure(&error);
            match ours.into_iter().find(|other| error.is_about(other.listen)) {
                Some(other) => failure.hint(format_args!(
                    "process {} listens there: `{}`, started {}",
                    other.pid,
                    clean(&other.command.join(" ")),
                    other.started_at.strftime("%Y-%m-%d %H:%M:%S UTC")
                )),
                None => failure,
            }
        }
        StartError::Tls(error) => CliError::failure(error),
        StartError::Recording(error) => CliError::failure(error)
            .hint("stop that one, replay with `--on-miss pass`, or record into another history with `--store DIR`"),
    }
}

/// What is said while it runs: misses and inexact hits always, exact hits where a person watches.
fn observer(args: &ReplayArgs, verbose: bool, printer: Printer) -> Observer {
    let watched = verbose || (args.command.is_empty() && std::io::stderr().is_terminal());
    Box::new(move |call: &CallRecord| match call.result {
        CallResult::Miss => printer.say(format_args!(
            "{}\n      {DIM}why, and what helps: `retake diff {}`{DIM:#}",
            calls::line(call, usize::MAX),
            call.call
        )),
        CallResult::Exact if !watched => {}
        _ => printer.say(calls::line(call, usize::MAX)),
    })
}

fn announce(args: &ReplayArgs, running: &Running, trust: &TrustFiles, printer: Printer) {
    if let Some(reason) = &running.serve().log().memory_only {
        printer.warn(format_args!("calls are kept in memory only, the last 10 000: {}", clean(reason)));
    }
    running.notices.iter().for_each(|notice| printer.warn(clean(notice)));
    if args.command.is_empty() {
        if args.listen.json {
            let mut ready = serde_json::json!({
                "url": running.url(),
                "ca": trust.ca,
                "pid": std::process::id(),
                "collections": running.serve().engine().names(),
            });
            if running.urls().len() > 1 {
                ready["urls"] = running.urls().into();
            }
            printer.json(&ready);
        } else {
            printer.data(running.url());
        }
    }
    printer.say(format_args!(
        "{BOLD}replaying{BOLD:#} {} on {}",
        clean(&running.serve().engine().names().join(", ")),
        running.urls().join(", ")
    ));
    announce_what_files_say(args, &running.serve().engine(), printer);
    for (origin, base) in running.base_urls() {
        printer.say(format_args!("  {origin}  {DIM}as a base URL:{DIM:#} {base}"));
    }
    if args.command.is_empty() {
        printer.say(format_args!("{DIM}in another shell: `eval \"$(retake env)\"`; Ctrl-C here stops it{DIM:#}"));
    }
}

/// What the files say that changes everything, and that nobody sees who only starts a replay.
fn announce_what_files_say(args: &ReplayArgs, engine: &Engine, printer: Printer) {
    if let Some(stub) = engine.active() {
        let given = &args.collections[stub.collection];
        printer.warn(format_args!(
            "{} is active: it answers every call, whatever was recorded ({})",
            clean(&stub.label),
            collections::activate_none(given)
        ));
    }
    // Who said it of the whole run knows: `fail` is the last word, and the others let misses go on as well.
    if args.on_miss.iter().any(|word| !word.contains('=')) {
        return;
    }
    for what in [OnMiss::Pass, OnMiss::Record] {
        let names: Vec<&str> = engine.saying_on_miss(what).collect();
        if !names.is_empty() {
            printer.warn(format_args!(
                "what misses may go on to its origin: {} has `on_miss` {} (`--on-miss fail` keeps all calls here)",
                clean(&names.join(", ")),
                what.as_str()
            ));
        }
    }
}

fn serves_loopback(running: &Running) -> bool {
    running.serve().engine().origins().iter().any(crate::collection::OriginPattern::is_loopback)
}

fn entry(args: &ReplayArgs, running: &Running, trust: &TrustFiles, no_proxy: &[String]) -> running::Running {
    running::Running {
        kind: Kind::Replay,
        pid: std::process::id(),
        listen: running.address(),
        url: running.url(),
        ca: trust.ca.clone(),
        command: shown(args),
        started_at: Timestamp::now(),
        session: None,
        collections: running.serve().engine().names().to_vec(),
        run: running.run().map(str::to_owned),
        control: running.control().map(std::path::Path::to_owned),
        no_proxy: no_proxy.to_vec(),
    }
}

async fn run_command(
    args: &ReplayArgs,
    running: &Running,
    trust: &TrustFiles,
    no_proxy: &[String],
) -> Result<ChildExit, CliError> {
    let java = inherited("JAVA_TOOL_OPTIONS");
    let (host, port) = wiring::client_address(running.address());
    let wiring = Wiring { host: &host, port, trust, no_proxy, java_tool_options: java.as_deref() };
    let variables = wiring.variables();
    let ended = child::run(&args.command, &variables.set, &variables.remove).await;
    ended.map_err(|error| CliError::new(Exit(error.exit_code()), error))
}

/// Serves until a signal, then drains; a second one stops at once.
async fn until_signal(running: Running, mut signals: Signals) -> Receipt {
    signals.next().await;
    let receipt = running.receipt();
    tokio::select! {
        receipt = running.stop() => receipt,
        () = signals.next() => receipt,
    }
}

/// The child's own non-zero code wins; a run that is no pass is exit code 3.
fn exit_code(receipt: &Receipt, ended: Option<ChildExit>, limits: &Limits) -> Exit {
    match ended.map_or(0, |ended| ended.code) {
        0 if receipt.passes(limits) => Exit::SUCCESS,
        0 => Exit::FOUND,
        own => Exit(own),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes() {
        let receipt = |served, missed, inexact| Receipt { served, missed, inexact, ..Receipt::default() };
        let ended = |code| Some(ChildExit { code, interrupted: false, forced: false });
        for (receipt, ended, max_inexact, code) in [
            (receipt(1, 0, 0), ended(0), None, 0),
            (receipt(1, 1, 0), ended(0), None, 3),
            (receipt(0, 0, 0), ended(0), None, 3),
            (receipt(1, 1, 0), ended(7), None, 7),
            (receipt(2, 0, 2), ended(0), Some(1), 3),
            (receipt(2, 0, 1), None, Some(1), 0),
        ] {
            let limits = Limits { fail_unused: false, max_inexact };
            assert_eq!(exit_code(&receipt, ended, &limits), Exit(code));
        }
    }
}
