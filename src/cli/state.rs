//! `retake state`: sequences, named states and fresh values of a running replay.

use super::args::{Global, StateArgs, StateCommand};
use super::exit::{CliError, Exit, Outcome};
use super::output::Printer;
use crate::control::{ReplayAnswer, ReplayAsk, ask_replay};
use crate::report::terminal::clean;
use crate::settings::Settings;
use crate::store::running::{self, Kind, Running};

pub(super) fn run(args: StateArgs, global: &Global, printer: Printer) -> Outcome {
    let settings = super::collections::settings(global)?;
    match args.command {
        None => list(args.list.run.as_deref(), args.list.cursor, args.list.json, &settings, printer),
        Some(StateCommand::List(list_args)) => {
            list(list_args.run.as_deref(), list_args.cursor, list_args.json, &settings, printer)
        }
        Some(StateCommand::Set { name, value, cursor, run }) => {
            done(&settings, run.as_deref(), ReplayAsk::Set { cursor, name, value }, printer)
        }
        Some(StateCommand::Reset { cursor, run }) => {
            done(&settings, run.as_deref(), ReplayAsk::Reset { cursor }, printer)
        }
    }
}

fn list(run: Option<&str>, cursor: Option<String>, json: bool, settings: &Settings, printer: Printer) -> Outcome {
    let replay = running_replay(settings, |replay| run.is_none_or(|run| replay.run.as_deref() == Some(run)), run)?;
    let named = cursor.clone();
    let ReplayAnswer::State(state) = ask(&replay, ReplayAsk::State { cursor })? else {
        return Err(CliError::failure(
            "the replay gave an answer to another question: is it another version of retake?",
        ));
    };
    if let Some(name) = named.filter(|_| state.cursors.is_empty()) {
        return Err(
            CliError::usage(format!("no call has named the cursor `{name}` yet")).hint("`retake state list` shows all")
        );
    }
    if json {
        printer.json(&state);
    } else {
        state.lines().iter().for_each(|line| printer.data(clean(line)));
    }
    Ok(Exit::SUCCESS)
}

fn done(settings: &Settings, run: Option<&str>, question: ReplayAsk, printer: Printer) -> Outcome {
    let replay = running_replay(settings, |replay| run.is_none_or(|run| replay.run.as_deref() == Some(run)), run)?;
    tell(&replay, question, printer)
}

/// Has a running replay do something, and tells what it says of it.
pub(super) fn tell(replay: &Running, question: ReplayAsk, printer: Printer) -> Outcome {
    told(ask(replay, question)?, printer)
}

/// Tells what a running replay says of what it was to do.
pub(super) fn told(answer: ReplayAnswer, printer: Printer) -> Outcome {
    match answer {
        ReplayAnswer::Done(words) => {
            printer.say(clean(&words));
            Ok(Exit::SUCCESS)
        }
        ReplayAnswer::Refused(words) => Err(CliError::usage(words)),
        ReplayAnswer::State(_) => Err(CliError::failure("the replay gave an answer to another question")),
    }
}

/// Asks a running replay.
///
/// # Errors
/// Exit code 1 when it does not answer.
pub(super) fn ask(replay: &Running, question: ReplayAsk) -> Result<ReplayAnswer, CliError> {
    let Some(socket) = &replay.control else {
        return Err(CliError::failure(format!("the replay at {} has no control socket", replay.url)));
    };
    ask_replay(socket, question)
        .map_err(|error| CliError::failure(format!("the replay at {} does not answer: {error}", replay.url)))
}

/// The newest running replay that `wanted` accepts.
///
/// # Errors
/// Exit code 1 when there is none.
pub(super) fn running_replay(
    settings: &Settings,
    wanted: impl Fn(&Running) -> bool,
    run: Option<&str>,
) -> Result<Running, CliError> {
    let all = running::list(&settings.store);
    let replays: Vec<Running> = all.into_iter().filter(|running| running.kind == Kind::Replay).collect();
    if let Some(run) = run.filter(|run| !replays.iter().any(|replay| replay.run.as_deref() == Some(*run))) {
        let running: Vec<&str> = replays.iter().filter_map(|replay| replay.run.as_deref()).collect();
        let message = format!("the run `{run}` is not running");
        return Err(match running.is_empty() {
            true => CliError::failure(message),
            false => CliError::usage(message).hint(format!("running: {}", running.join(", "))),
        });
    }
    replays.into_iter().find(wanted).ok_or_else(|| {
        CliError::failure(format!("no such replay is running with the store {}", settings.store.display()))
            .hint("start one in another terminal: `retake replay COLLECTION`")
    })
}
