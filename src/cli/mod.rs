//! The command line: what is typed, what is printed, what is returned. One file per command.

mod args;
mod ca;
mod calls;
mod collections;
mod demo;
mod diff;
mod env;
mod exit;
mod explain;
mod history;
mod logs;
mod man;
mod miss;
mod mock;
mod output;
mod promote;
mod record;
mod replay;
mod review;
mod select;
mod signals;
mod state;
#[cfg(test)]
mod testing;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use exit::{Exit, Outcome};
use output::Printer;

/// Runs the command that the process was started with, and returns its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints help and version to stdout (0), errors to stderr (2).
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    logs::start(cli.global.verbose);
    let printer = Printer::new(cli.global.quiet);
    match run(cli, printer) {
        Ok(Exit(code)) => ExitCode::from(code),
        Err(error) => {
            printer.error(&error);
            ExitCode::from(error.exit.0)
        }
    }
}

fn run(cli: Cli, printer: Printer) -> Outcome {
    let global = &cli.global;
    match cli.command {
        Command::Record(args) => record::run(args, global, printer),
        Command::Replay(args) => replay::run(args, global, printer),
        Command::History(args) => history::run(*args, global, printer),
        Command::Promote(args) => promote::run(&args, global, printer),
        Command::Review(args) => review::run(&args, global, printer),
        Command::Mock(args) => mock::run(args, global, printer),
        Command::State(args) => state::run(args, global, printer),
        Command::Explain(args) => explain::run(args, global, printer),
        Command::Calls(args) => calls::run(args, global, printer),
        Command::Diff(args) => diff::run(&args, global, printer),
        Command::Verify(args) => verify::run(&args, global, printer),
        Command::Env(args) => env::run(args, global, printer),
        Command::Ca(args) => ca::run(args, global, printer),
        Command::Demo(args) => demo::run(args, global, printer),
        Command::Completions(args) => man::completions(args, printer),
        Command::Man(args) => man::pages(args, printer),
    }
}
