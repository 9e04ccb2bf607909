//! `retake record`

mod log;
mod talk;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::args::{Global, RecordArgs};
use super::exit::{CliError, Exit, Outcome};
use super::output::Printer;
use super::signals::Signals;
use crate::app::child;
use crate::app::record::{RecordError, RecordOptions, RunningRecorder};
use crate::app::wiring::{self, Wiring};
use crate::model::Origin;
use crate::recorder::Tally;
use crate::settings::{self, Settings};
use crate::store::OpenError;
use crate::tls::UpstreamTrust;
use log::Log;

/// Where a recorder listens without a command and without `--listen`.
const USUAL_PORT: u16 = 8888;

pub(super) fn run(args: RecordArgs, global: &Global, printer: Printer) -> Outcome {
    let settings = Settings::resolve(global.store.as_deref()).map_err(CliError::usage)?;
    let options = options(&args)?;
    talk::before(&args, &options, printer);
    // A thousand clients need two thousand sockets; many systems allow 256 or 1024 unless asked.
    crate::wire::listener::raise_descriptor_limit();
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| CliError::failure(format_args!("the runtime could not be started: {error}")))?;
    let outcome = runtime.block_on(record(&args, &settings, options, printer));
    // Whatever still runs was told to stop, and had its time.
    runtime.shutdown_background();
    outcome
}

fn options(args: &RecordArgs) -> Result<RecordOptions, CliError> {
    let port = if args.command.is_empty() { USUAL_PORT } else { 0 };
    let listen = args.listen.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let to = args.to.as_deref().map(str::parse::<Origin>).transpose().map_err(|error| {
        CliError::usage(format_args!("--to: {error}"))
            .hint("give scheme and host only, such as `--to https://api.example.com`")
    })?;
    if args.session.as_deref().is_some_and(|name| name.trim().is_empty()) {
        return Err(CliError::usage("--session: the name is empty"));
    }
    Ok(RecordOptions {
        listen,
        to,
        session: args.session.clone(),
        tags: args.tags.clone(),
        trust: UpstreamTrust { extra_roots: args.upstream_ca.clone(), insecure: args.insecure.clone() },
        keep_secrets: args.keep_secrets,
        strict: args.strict_recording,
        durability: args.durability.map(Into::into),
        no_proxy: wiring::no_proxy_of_record(&args.bypass),
        command: child::shown(&["retake", "record"], &args.command),
        runtime_dir: settings::inherited("XDG_RUNTIME_DIR").map(PathBuf::from),
    })
}

async fn record(args: &RecordArgs, settings: &Settings, options: RecordOptions, printer: Printer) -> Outcome {
    let log = Arc::new(Log::start(printer));
    let started = RunningRecorder::start(settings, options.clone(), log.clone()).await;
    let recorder = started.map_err(failed)?;
    for notice in &recorder.notices {
        printer.warn(crate::report::terminal::clean(notice));
    }
    talk::started(&recorder, &options, printer);
    let session = recorder.session.clone();
    let (exit, tally) = if args.command.is_empty() {
        // Before the ready line: whoever waits for it may send a signal at once.
        let signals = Signals::listen()?;
        ready(args, &recorder, printer);
        (Exit::SUCCESS, until_stopped(recorder, signals, printer).await)
    } else {
        with_command(args, &options, recorder).await?
    };
    log.finish();
    if tally == Tally::default() && !args.command.is_empty() {
        talk::nothing_recorded(&options, printer);
    } else {
        talk::summary(&tally, &session, printer);
    }
    Ok(exit)
}

fn failed(error: RecordError) -> CliError {
    if let RecordError::Itself { .. } = error {
        return CliError::usage(&error)
            .hint("name the server to stand in for, or listen on another port with `--listen`");
    }
    let locked = matches!(error, RecordError::Store(OpenError::Locked { .. }));
    let failure = CliError::failure(&error);
    match locked {
        true => failure.hint("stop that one, or record into another history with `--store DIR`"),
        false => failure,
    }
}

#[derive(Serialize)]
struct Ready<'a> {
    url: &'a str,
    ca: &'a std::path::Path,
    pid: u32,
    session: &'a str,
}

/// The one line of data when the recorder takes calls.
fn ready(args: &RecordArgs, recorder: &RunningRecorder, printer: Printer) {
    if args.listen.json {
        let (url, ca) = (recorder.url.as_str(), recorder.trust.ca.as_path());
        printer.json(&Ready { url, ca, pid: std::process::id(), session: &recorder.session });
    } else {
        printer.data(&recorder.url);
    }
}

/// Runs until SIGINT or SIGTERM, then drains; a second one stops at once.
async fn until_stopped(recorder: RunningRecorder, mut signals: Signals, printer: Printer) -> Tally {
    signals.next().await;
    printer.say("stopping: calls in progress may finish; once more to stop at once");
    let so_far = recorder.tally();
    tokio::select! {
        tally = recorder.stop() => tally,
        () = signals.next() => so_far,
    }
}

/// Runs the command with its wiring, and takes its code over.
async fn with_command(
    args: &RecordArgs,
    options: &RecordOptions,
    recorder: RunningRecorder,
) -> Result<(Exit, Tally), CliError> {
    let (host, port) = wiring::client_address(recorder.address);
    let java = settings::inherited("JAVA_TOOL_OPTIONS");
    let variables = Wiring {
        host: &host,
        port,
        trust: &recorder.trust,
        no_proxy: &options.no_proxy,
        java_tool_options: java.as_deref(),
    }
    .variables();
    match child::run(&args.command, &variables.set, &variables.remove).await {
        Ok(ended) => {
            let so_far = recorder.tally();
            let tally = if ended.forced { so_far } else { recorder.stop().await };
            Ok((Exit(ended.code), tally))
        }
        Err(error) => {
            recorder.stop().await;
            Err(CliError::new(Exit(error.exit_code()), &error))
        }
    }
}
