//! `retake mock`: care for collections, with or without a recording. One file per group of subcommands.

mod add;
mod body;
mod check;
mod edit;
mod list;
mod select;
mod test;

use super::args::{Global, MockArgs, MockCommand, ScenarioCommand, StubCommand};
use super::collections;
use super::exit::Outcome;
use super::output::Printer;
use crate::settings::Settings;

/// What every subcommand needs.
struct Context {
    settings: Settings,
    printer: Printer,
}

pub(super) fn run(args: MockArgs, global: &Global, printer: Printer) -> Outcome {
    let context = Context { settings: collections::settings(global)?, printer };
    match args.command {
        MockCommand::List { collection: None, json } => list::all(&context, json),
        MockCommand::List { collection: Some(collection), json } => list::one(&context, &collection, json),
        MockCommand::Show { collection, which, json } => list::show(&context, &collection, which.as_deref(), json),
        MockCommand::Check { collections, json } => check::run(&context, &collections, json),
        MockCommand::New { collection, origin } => add::collection(&context, &collection, &origin),
        MockCommand::Stub {
            command: StubCommand::Add { collection, method, path, origin, query, headers, ignore_body },
        } => {
            let wanted = add::NewStub { method, path, origin, query, headers, ignore_body };
            add::stub(&context, &collection, wanted)
        }
        MockCommand::Scenario { command: ScenarioCommand::Add(args) } => add::scenario(&context, args),
        MockCommand::Default { which, unset } => edit::default(&context, &which, unset),
        MockCommand::Enable(which) => edit::enable(&context, &which, true),
        MockCommand::Disable(which) => edit::enable(&context, &which, false),
        MockCommand::Rename { which, name } => edit::rename(&context, &which, &name),
        MockCommand::Delete { collection, which } => edit::delete(&context, &collection, &which),
        MockCommand::Test { collection, json } => test::run(&context, &collection, json),
    }
}
