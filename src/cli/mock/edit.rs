//! Changes to a collection: read under the lock, changed, checked, written atomically.

use std::sync::Arc;

use super::{Context, select};
use crate::app::review::allow_places;
use crate::cli::args::WhichScenario;
use crate::cli::collections::{load, load_error, shown, write_error};
use crate::cli::exit::{CliError, Exit, Outcome};
use crate::collection::Collection;
use crate::store::collections::{Batch, NewBody, WriteReport, Writer};

/// Changes a collection: `change` returns the bodies to be written with it and what to tell afterwards. Stub files that
/// are gone afterwards are removed, and so are body files that nothing names any more.
///
/// # Errors
/// Exit code 2 if the collection has faults before or would have after, or what `change` says.
pub(super) fn edit<'b>(
    context: &Context,
    name: &str,
    change: impl FnOnce(&mut Collection) -> Result<(Vec<NewBody<'b>>, String), CliError>,
) -> Outcome {
    // Before the lock, which would make the folder.
    load(&context.settings, name)?;
    let writer = Writer::open(&context.settings.collection_dir(name)).map_err(write_error)?;
    let writer = writer.guarded(context.settings.guard());
    let loaded = writer.load().map_err(|error| load_error(&context.settings, name, error))?;
    let before = Arc::clone(&loaded.collection);
    let mut collection = Collection::clone(&before);
    let (bodies, done) = change(&mut collection)?;
    allow_places(&mut collection, &context.allow);
    collection.stubs.sort_by(|one, other| one.path.cmp(&other.path));
    let batch = Batch { bodies, ..Batch::default() };
    let report = writer.change(&before, collection, batch).map_err(write_error)?;
    tell(context, &writer, &report, &done);
    Ok(Exit::SUCCESS)
}

fn tell(context: &Context, writer: &Writer, report: &WriteReport, done: &str) {
    if report.written.is_empty() && report.removed.is_empty() {
        return context.printer.say("nothing to change: it is so already");
    }
    context.printer.say(crate::report::terminal::clean(done));
    let path = |path: &String| shown(&writer.root().join(path));
    report.written.iter().for_each(|file| context.printer.say(format_args!("  wrote    {}", path(file))));
    report.removed.iter().for_each(|file| context.printer.say(format_args!("  removed  {}", path(file))));
}

/// `retake mock default`
pub(super) fn default(context: &Context, which: &WhichScenario, unset: bool) -> Outcome {
    edit(context, &which.collection, |collection| {
        let (stub, at) = select::stub_and_scenario(collection, &which.scenario)?;
        let stub = &mut collection.stubs[stub].stub;
        let name = stub.scenarios[at].name.clone();
        if unset {
            stub.scenarios[at].default = false;
            return Ok((Vec::new(), format!("`{name}` is no default of {} any more", select::title(stub))));
        }
        for (position, scenario) in stub.scenarios.iter_mut().enumerate() {
            scenario.default = position == at;
        }
        Ok((Vec::new(), format!("`{name}` answers {} when no other scenario does", select::title(stub))))
    })
}

/// `retake mock enable` and `retake mock disable`
pub(super) fn enable(context: &Context, which: &WhichScenario, enabled: bool) -> Outcome {
    edit(context, &which.collection, |collection| {
        let (stub, at) = select::stub_and_scenario(collection, &which.scenario)?;
        let scenario = &mut collection.stubs[stub].stub.scenarios[at];
        scenario.disabled = !enabled;
        let word = if enabled { "answers again" } else { "is left out" };
        Ok((Vec::new(), format!("`{}` {word}", scenario.name)))
    })
}

/// `retake mock rename`
pub(super) fn rename(context: &Context, which: &WhichScenario, name: &str) -> Outcome {
    edit(context, &which.collection, |collection| {
        let (stub, at) = select::stub_and_scenario(collection, &which.scenario)?;
        let stub = &mut collection.stubs[stub].stub;
        if stub.scenarios.iter().enumerate().any(|(other, scenario)| other != at && scenario.name == name) {
            return Err(CliError::usage(format!("{} has a scenario `{name}` already", select::title(stub))));
        }
        let old = std::mem::replace(&mut stub.scenarios[at].name, name.to_owned());
        Ok((Vec::new(), format!("`{old}` is `{name}` now")))
    })
}

/// `retake mock delete`
pub(super) fn delete(context: &Context, name: &str, which: &str) -> Outcome {
    edit(context, name, |collection| {
        let (stub_text, scenario) = select::split(which);
        let at = select::stub(collection, stub_text)?;
        let stub = &mut *collection.stubs[at].stub;
        let title = select::title(stub);
        let Some(scenario) = scenario else {
            let gone = collection.stubs.remove(at).stub.scenarios.len();
            let scenarios = crate::report::collection::count(gone, "scenario");
            return Ok((Vec::new(), format!("{title} is gone, with {scenarios}")));
        };
        let scenario = stub.scenarios.remove(select::scenario(stub, scenario)?);
        Ok((Vec::new(), format!("`{}` of {title} is gone", scenario.name)))
    })
}
