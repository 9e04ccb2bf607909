//! What the recorder says beside its log: warnings at the start, the summary and what to do next at the end.

use crate::app::record::{RecordOptions, RunningRecorder};
use crate::app::wiring;
use crate::cli::args::RecordArgs;
use crate::cli::output::{BOLD, Printer};
use crate::recorder::Tally;
use crate::report::terminal::{clean, quoted};
use crate::settings;

/// Hosts that the summary names.
const HOSTS: usize = 8;

/// What the user should know before anything is recorded.
pub(super) fn before(args: &RecordArgs, options: &RecordOptions, printer: Printer) {
    if args.keep_secrets {
        printer.warn("--keep-secrets: passwords, tokens and cookies are written to the history as they are");
    }
    for host in &args.insecure {
        printer.warn(format_args!("--insecure: the certificate of {} is not verified", clean(host)));
    }
    if !options.listen.ip().is_loopback() {
        printer.warn(format_args!(
            "{} is reachable by other machines: whoever reaches it can use this proxy, and is recorded",
            options.listen
        ));
    }
    let proxies = wiring::own_proxies(settings::inherited, None);
    if !proxies.is_empty() {
        printer.warn(format_args!(
            "{} set for retake itself: it does not use a proxy upstream yet, and calls origins directly",
            listed(&proxies)
        ));
    }
    if !args.command.is_empty()
        && let Some(dropped) = wiring::dropped_no_proxy(settings::inherited, &options.no_proxy)
    {
        printer.warn(format_args!(
            "NO_PROXY held {}: it is dropped for the command, so that those hosts are recorded too; `--bypass HOST` keeps one",
            clean(&dropped)
        ));
    }
}

fn listed(names: &[&str]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(", "))
}

/// Where it listens, and how to point a client at it.
pub(super) fn started(recorder: &RunningRecorder, options: &RecordOptions, printer: Printer) {
    let session = clean(&recorder.session);
    match &options.to {
        Some(to) => printer.say(format_args!("recording {to} at {} (session {session})", recorder.url)),
        None => printer.say(format_args!("recording at {} (session {session})", recorder.url)),
    }
    if options.command.len() <= 2 && options.to.is_none() {
        printer.say("in another shell: `eval \"$(retake env)\"`, then run your client; Ctrl-C here when it is done");
    }
}

/// A command ran, and nothing came by.
pub(super) fn nothing_recorded(options: &RecordOptions, printer: Printer) {
    let mut lines = vec!["nothing was recorded: the command made no call, or its calls went past the proxy".to_owned()];
    if !options.no_proxy.is_empty() {
        lines.push(format!("  --bypass keeps {} away from the proxy", clean(&options.no_proxy.join(", "))));
    }
    if options.to.is_some() {
        lines.push(
            "  with --to, only calls to retake's own address are recorded: is the client's base URL set to it?".into(),
        );
    }
    lines.extend([
        "  Go programs and Chromium never use a proxy for localhost: start `retake record --to http://localhost:PORT` \
         and call retake instead, or start Chromium with `--proxy-bypass-list='<-loopback>'`"
            .to_owned(),
        "  a client with proxy settings or a trust store of its own does not look at the environment: give it the URL \
         of the proxy and the file of `retake ca path`"
            .to_owned(),
    ]);
    printer.warn(lines.join("\n"));
}

/// What was recorded, and what to do next.
pub(super) fn summary(tally: &Tally, session: &str, printer: Printer) {
    if tally.not_recorded > 0 {
        printer.warn(format_args!("{} passed unrecorded", exchanges(tally.not_recorded)));
    }
    if let Some(reason) = &tally.index_trouble {
        printer.warn(format_args!(
            "the index of the history failed ({}): nothing is lost, and the next start rebuilds it from the journal",
            clean(reason)
        ));
    }
    if tally.recorded == 0 {
        printer.say("nothing was recorded");
        return;
    }
    let shown = clean(session);
    let named = quoted(&shown);
    printer.say(format_args!("{BOLD}recorded {} in session {shown}{BOLD:#}", exchanges(tally.recorded)));
    let mut hosts: Vec<_> = tally.hosts.iter().collect();
    hosts.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    for (host, count) in hosts.iter().take(HOSTS) {
        printer.say(format_args!("  {count:>6}  {}", clean(host)));
    }
    if hosts.len() > HOSTS {
        printer.say(format_args!("          and {} more hosts", hosts.len() - HOSTS));
    }
    if tally.without_response > 0 {
        printer.say(format_args!("  {} of them without a whole response", tally.without_response));
    }
    printer.say(format_args!("look at them:   `retake history --session {named}`"));
    printer.say(format_args!("make mocks:     `retake promote --session {named} --into NAME`"));
}

fn exchanges(count: u64) -> String {
    if count == 1 { "1 exchange".to_owned() } else { format!("{count} exchanges") }
}
