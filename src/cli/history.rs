//! `retake history`: what was recorded, listed, shown and cared for. A file for each command.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::args::{Global, HistoryArgs, HistoryCommand, SelectArgs, WhichArgs};
use super::exit::{CliError, Outcome};
use super::output::Printer;
use super::select::{self, Selection};
use crate::settings::Settings;
use crate::store::History;

mod delete;
mod diff;
mod edit;
mod export;
mod groups;
mod import;
mod list;
mod mask;
mod prune;
mod search;
mod show;
mod stats;
pub(super) mod style;
mod tag;
mod tail;

use list::status_style;
pub(super) use style::styled;

/// What every subcommand needs.
pub(super) struct Context {
    pub(super) history: Arc<dyn History>,
    pub(super) zone: TimeZone,
    pub(super) now: Timestamp,
    pub(super) printer: Printer,
}

impl Context {
    /// What the filters mean.
    fn selection(&self, select: &SelectArgs) -> Result<Selection, CliError> {
        Selection::new(select, &self.zone, self.now)
    }

    /// What selectors and filters mean together.
    fn selection_of(&self, which: &WhichArgs) -> Result<Selection, CliError> {
        Selection::of(&*self.history, which, &self.zone, self.now)
    }

    /// The error for a selection without a single exchange.
    fn nothing_selected(&self, select: &SelectArgs) -> CliError {
        select::nothing_selected(&*self.history, &select.filters, &self.zone, self.now)
    }
}

pub(super) fn run(args: HistoryArgs, global: &Global, printer: Printer) -> Outcome {
    let zone = select::zone(&args.zone)?;
    let settings = Settings::resolve(global.store.as_deref()).map_err(CliError::usage)?;
    let command = match args.command {
        None => HistoryCommand::List { which: Vec::new(), list: args.list },
        // It waits for a history that is not there yet.
        Some(HistoryCommand::Tail(args)) => return tail::run(&settings.store, zone, &args, printer),
        // It makes a history where there is none.
        Some(HistoryCommand::Import(args)) => return import::run(&settings, &args, printer),
        Some(command) => command,
    };
    let history = select::open(&settings.store, printer)?;
    let context = Context { history, zone, now: Timestamp::now(), printer };
    match command {
        HistoryCommand::List { which, list } => list::run(&context, which, list),
        HistoryCommand::Days(args) => groups::days(&context, &args),
        HistoryCommand::Sessions(args) => groups::sessions(&context, &args),
        HistoryCommand::Show(args) => show::run(&context, &args),
        HistoryCommand::Search(args) => search::run(&context, &args),
        HistoryCommand::Tail(args) => tail::run(&settings.store, context.zone, &args, printer),
        HistoryCommand::Export(args) => export::run(&context, &args),
        HistoryCommand::Import(args) => import::run(&settings, &args, printer),
        HistoryCommand::Tag(args) => tag::run(&context, &args),
        HistoryCommand::Mask(args) => mask::run(&context, &settings.mask, &args),
        HistoryCommand::Delete(args) => delete::run(&context, &args),
        HistoryCommand::Prune(args) => prune::run(&context, &args),
        HistoryCommand::Stats(args) => stats::run(&context, &args),
        HistoryCommand::Diff(args) => diff::run(&context, &args),
    }
}
