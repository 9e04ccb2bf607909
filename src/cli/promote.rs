//! `retake promote`

mod diff;
mod misses;

use std::io::IsTerminal;
use std::path::Path;

use jiff::Timestamp;

use super::args::{Global, PromoteArgs};
use super::collections::write_error;
use super::exit::{CliError, Exit, Outcome};
use super::output::{BOLD, DIM, GOOD, Printer, WARN};
use super::select::{self, Selection};
use crate::app::promote::{self as promotion, Done, Job, PromoteError};
use crate::model::Origin;
use crate::promote::{Change, Options, Report};
use crate::report::promotion::{Shown, Tone, Waits};
use crate::report::terminal::{clean, quoted};
use crate::settings::Settings;
use crate::store::History;
use crate::store::collections::{LoadError, WriteError};

/// A collection that is to be written, and the exchanges for it.
struct Target {
    /// The collection as a command takes it: a name or a path.
    into: String,
    /// Its name, if it is new.
    name: String,
    numbers: Vec<u64>,
}

pub(super) fn run(args: &PromoteArgs, global: &Global, printer: Printer) -> Outcome {
    if args.select.is_empty() && args.misses.is_none() {
        return Err(CliError::usage("nothing says which exchanges to promote")
            .hint("give numbers (`retake promote 1040-1061 --into NAME`) or a filter such as `--day today`"));
    }
    let settings = Settings::resolve(global.store.as_deref()).map_err(CliError::usage)?;
    let history = select::open(&settings.store, printer)?;
    let numbers = numbers(&*history, args, &settings, printer)?;
    let default = default(&*history, args, &numbers)?;
    for target in targets(&*history, args, numbers, printer)? {
        let folder = settings.collection_dir(&target.into);
        let default = default.filter(|number| target.numbers.binary_search(number).is_ok());
        let sample = args.sample.map(|sample| sample as usize);
        let options = Options { name: target.name, replace: args.replace, default, sample, durations: args.durations };
        let job = Job {
            history: &*history,
            numbers: &target.numbers,
            folder: &folder,
            options,
            ask: args.ask,
            is_ci: settings.is_ci,
            guard: settings.guard(),
            allow: &args.allow_secret,
            dry_run: args.dry_run,
        };
        let done = with_progress(job, target.numbers.len(), printer).map_err(|error| failed(error, &target.into))?;
        show(&done, &target.into, &folder, args, settings.is_ci, printer);
    }
    Ok(Exit::SUCCESS)
}

/// The collections to be written: the one of `--into`, or one for each host.
fn targets(
    history: &dyn History,
    args: &PromoteArgs,
    numbers: Vec<u64>,
    printer: Printer,
) -> Result<Vec<Target>, CliError> {
    let Some(into) = &args.into else {
        return by_host(history, &numbers, printer);
    };
    Ok(vec![Target { into: into.clone(), name: collection_name(into)?, numbers }])
}

/// One collection for each host, in the order of their names.
fn by_host(history: &dyn History, numbers: &[u64], printer: Printer) -> Result<Vec<Target>, CliError> {
    let ranges = select::merged(numbers.iter().map(|number| (*number, *number)).collect());
    let selection =
        Selection { query: crate::store::Query { numbers: ranges, ..Default::default() }, ..Default::default() };
    let mut hosts: std::collections::BTreeMap<String, Vec<u64>> = Default::default();
    for row in selection.rows(history, None, usize::MAX, printer) {
        let row = row?;
        hosts.entry(host_name(&row.origin)).or_default().push(row.number);
    }
    let target = |(into, mut numbers): (String, Vec<u64>)| {
        numbers.sort_unstable();
        Target { name: into.clone(), into, numbers }
    };
    Ok(hosts.into_iter().map(target).collect())
}

/// What the collection of a host is called: the host, with its port where that is not the scheme's own. Servers on
/// loopback change their ports, and are one.
fn host_name(origin: &Origin) -> String {
    if origin.authority.is_loopback() {
        return "localhost".to_owned();
    }
    let safe = |character: char| if character.is_ascii_alphanumeric() || character == '.' { character } else { '-' };
    let host: String = origin.host().chars().map(safe).collect();
    let host = host.trim_matches(['-', '.']).to_ascii_lowercase();
    if origin.port() == origin.scheme.default_port() { host } else { format!("{host}+{}", origin.port()) }
}

/// The name of a new collection: the last part of its path.
fn collection_name(into: &str) -> Result<String, CliError> {
    let name = Path::new(into).file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| {
        CliError::usage(format!("`--into {into}` names no collection"))
            .hint("give a name (`--into github` writes `mocks/github/`) or a path (`--into ./fixtures/github`)")
    })
}

/// The numbers of the selected exchanges, lowest first.
fn numbers(
    history: &dyn History,
    args: &PromoteArgs,
    settings: &Settings,
    printer: Printer,
) -> Result<Vec<u64>, CliError> {
    let missed = match &args.misses {
        Some(run) => Some(misses::numbers(history, &settings.store, run.as_deref(), printer)?),
        None => None,
    };
    if let Some(missed) = missed.as_ref().filter(|_| args.select.is_empty()) {
        return Ok(missed.clone());
    }
    let (zone, now) = (select::zone(&args.zone)?, Timestamp::now());
    let ranges = Selection::of(history, &args.select, &zone, now)?.numbers(history, printer)?;
    let mut numbers: Vec<u64> = ranges.into_iter().flat_map(|(from, to)| from..=to).collect();
    if let Some(missed) = missed {
        numbers.retain(|number| missed.binary_search(number).is_ok());
    }
    if numbers.is_empty() {
        return Err(select::nothing_selected(history, &args.select.select.filters, &zone, now));
    }
    Ok(numbers)
}

fn default(history: &dyn History, args: &PromoteArgs, numbers: &[u64]) -> Result<Option<u64>, CliError> {
    let Some(which) = &args.default else { return Ok(None) };
    match select::numbers(history, std::slice::from_ref(which))?[..] {
        [number] if numbers.binary_search(&number).is_ok() => Ok(Some(number)),
        [number] => Err(CliError::usage(format!("`--default {which}`: exchange {number} is not selected"))
            .hint(format!("add it: `retake promote {number} …`"))),
        _ => Err(CliError::usage(format!("`--default {which}` means several exchanges")).hint("give one number")),
    }
}

/// Runs the job, with a counter on stderr when that is a terminal and there is enough to count.
fn with_progress(job: Job<'_>, all: usize, printer: Printer) -> Result<Done, PromoteError> {
    let counts = all >= 500 && std::io::stderr().is_terminal();
    let mut read = 0usize;
    promotion::run(job, &mut || {
        read += 1;
        if counts && read.is_multiple_of((all / 10).max(1)) {
            printer.say(format_args!("{DIM}{read} of {all} exchanges read{DIM:#}"));
        }
    })
}

fn show(done: &Done, into: &str, root: &Path, args: &PromoteArgs, is_ci: bool, printer: Printer) {
    let folder = root.display().to_string();
    let into = clean(into);
    let waits = Waits { proposed: &done.proposed, into: &into, is_ci };
    let shown = Shown {
        report: &done.report,
        folder: &folder,
        dry_run: args.dry_run,
        written: &done.written,
        removed: &done.removed,
        waits,
        explain: args.explain,
    };
    if args.json {
        return printer.json(&shown);
    }
    if args.dry_run {
        // The diff alone is data, so that it can be applied; the report is talk about it.
        diff::print(&done.texts, root, printer);
    }
    for (tone, line) in shown.lines(printer.width()) {
        let style = match tone {
            Tone::Bold => BOLD,
            Tone::Good => GOOD,
            Tone::Warn => WARN,
            Tone::Dim => DIM,
            Tone::Plain => anstyle::Style::new(),
        };
        match args.dry_run {
            true => printer.say(format_args!("{style}{line}{style:#}")),
            false => printer.data(format_args!("{style}{line}{style:#}")),
        }
    }
    if args.dry_run {
        printer.say(format_args!("next: the same without `--dry-run`"));
    } else if done.report.count(Change::New) + done.report.count(Change::Changed) > 0 {
        printer.say(format_args!("next: `retake replay {} -- COMMAND`", quoted(&into)));
    }
}

fn failed(error: PromoteError, into: &str) -> CliError {
    let error = match error {
        PromoteError::Write(error @ (WriteError::Secrets(_) | WriteError::Unsound(..))) => return write_error(error),
        other => other,
    };
    match &error {
        PromoteError::History(_)
        | PromoteError::Write(_)
        | PromoteError::Load(LoadError::Io(..) | LoadError::HalfWritten(..)) => CliError::failure(&error),
        PromoteError::Load(LoadError::Faulty { faults, .. }) => {
            let listed: Vec<_> = faults.iter().map(ToString::to_string).collect();
            CliError::usage(format!("{error}\n{}", listed.join("\n")))
                .hint(format!("mend these files; `retake mock check {}` tells when all is well", quoted(into)))
        }
        PromoteError::Load(LoadError::NotThere(_)) => CliError::usage(&error),
        PromoteError::NothingLeft(report) => {
            CliError::usage(format!("{error}: {}", reasons(report))).hint("`retake history show N` tells more of one")
        }
        PromoteError::NoDefault(_) => CliError::usage(&error).hint("choose one with a whole answer"),
    }
}

fn reasons(report: &Report) -> String {
    let reason = |left: &crate::promote::LeftOut| format!("{} {}", left.count, left.reason.words());
    report.left_out.iter().map(reason).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a command line against a store; the exit code, and the error if there was one.
    fn retake(store: &Path, arguments: &[&str]) -> (u8, String) {
        use clap::Parser;
        let global = ["retake", "--quiet", "--store", store.to_str().unwrap(), "promote"];
        let line = global.iter().chain(arguments);
        let cli = super::super::args::Cli::try_parse_from(line).unwrap();
        let super::super::args::Command::Promote(args) = cli.command else { panic!("promote") };
        match run(&args, &cli.global, Printer::new(true)) {
            Ok(exit) => (exit.0, String::new()),
            Err(error) => (error.exit.0, format!("{} {}", error.message, error.hint.unwrap_or_default())),
        }
    }

    #[test]
    fn a_recorded_day_becomes_a_collection() {
        let root = tempfile::tempdir().unwrap();
        let (store, folder) = (root.path().join("store"), root.path().join("github"));
        let into = folder.to_str().unwrap();
        let (recording, history) = crate::store::open_for_recording(&store, crate::store::Holder::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        for number in 1..=12 {
            runtime.block_on(recording.append(crate::store::testing::exchange(number))).unwrap();
        }
        drop((recording, history, runtime));

        assert_eq!(retake(&store, &["1-12", "--into", into, "--dry-run"]), (0, String::new()));
        assert!(!folder.exists());
        assert_eq!(retake(&store, &["1-12", "--host", "api-1.*", "--into", into, "--default", "4"]).0, 0);
        let loaded = crate::store::collections::load(&folder).unwrap();
        let origins: Vec<_> = loaded.collection.manifest.origins.iter().map(ToString::to_string).collect();
        assert_eq!(
            (loaded.collection.manifest.name.as_str(), origins),
            ("github", vec!["https://api-1.example".into()])
        );
        let stubs: Vec<_> = loaded.collection.stubs.iter().map(|file| file.path.as_str()).collect();
        let expected = ["get-items-1", "get-items-10", "get-items-7", "post-items-4"];
        assert_eq!(stubs, expected.map(|name| format!("stubs/api-1.example/{name}.json")));
        assert!(loaded.collection.stubs[3].stub.scenarios[0].default);
        assert_eq!(retake(&store, &["1-12", "--into", into]).0, 0);
        assert_eq!(crate::store::collections::load(&folder).unwrap().collection.stubs.len(), 12);

        for (arguments, said) in [
            (&["99", "--into", into][..], "99"),
            (&["--into", into], "nothing says which"),
            (&["--day", "2020-01-01", "--into", into], "no traffic on 2020-01-01"),
            (&["--host", "nobody.test", "--into", into], "no exchange fits"),
            (&["1", "--default", "2", "--into", into], "exchange 2 is not selected"),
        ] {
            let (code, message) = retake(&store, arguments);
            assert!(code == 2 && message.contains(said), "{arguments:?}: {code} {message}");
        }
        std::fs::write(folder.join("stubs/api-1.example/get-items-1.json"), "{\n  nonsense").unwrap();
        let (code, message) = retake(&store, &["1", "--into", into]);
        assert!(code == 2 && message.contains("get-items-1.json:2"), "{message}");
    }

    #[test]
    fn a_new_collection_is_named_by_its_folder() {
        assert_eq!(collection_name("./fixtures/github/").unwrap(), "github");
        assert_eq!(collection_name("github").unwrap(), "github");
        assert!(collection_name("..").is_err());
    }
}
