//! `retake mock list` and `retake mock show`.

use serde_json::json;

use super::{Context, select};
use crate::cli::collections::{load, shown};
use crate::cli::exit::{CliError, Exit, Outcome};
use crate::cli::output::BOLD;
use crate::report::collection::{ScenarioRow, StubRow, count, counts, listing, stub_lines};
use crate::report::terminal::{clean, cut, quoted};
use crate::store::collections::{self, LoadError, names_in};

/// The collections of the collections folder.
pub(super) fn all(context: &Context, json: bool) -> Outcome {
    let folder = &context.settings.mocks;
    let names =
        names_in(folder).map_err(|error| CliError::failure(format!("{} could not be read: {error}", shown(folder))))?;
    if names.is_empty() && !json {
        context.printer.say(format_args!("no collection in {}", shown(folder)));
        context.printer.say("make one: `retake promote --day today --into NAME`, or `retake mock new NAME`");
    }
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for name in &names {
        let root = folder.join(name);
        match (collections::load(&root), json) {
            (Ok(loaded), false) => {
                let origins: Vec<_> = loaded.collection.manifest.origins.iter().map(ToString::to_string).collect();
                let line = format!("{:width$}  {}  {}", clean(name), counts(&loaded.collection), origins.join(" "));
                context.printer.data(line.trim_end());
            }
            (Ok(loaded), true) => {
                let stubs = &loaded.collection.stubs;
                let scenarios: usize = stubs.iter().map(|file| file.stub.scenarios.len()).sum();
                let origins = &loaded.collection.manifest.origins;
                context.printer.json(&json!({
                    "name": name, "path": root, "stubs": stubs.len(), "scenarios": scenarios, "origins": origins, "faults": 0,
                }));
            }
            (Err(LoadError::Faulty { faults, .. }), false) => {
                let faults = count(faults.len(), "fault");
                context.printer.data(format_args!(
                    "{:width$}  {faults}: `retake mock check {}`",
                    clean(name),
                    quoted(&clean(name))
                ));
            }
            (Err(LoadError::Faulty { faults, .. }), true) => {
                context.printer.json(&json!({ "name": name, "path": root, "faults": faults.len() }));
            }
            (Err(error), _) => context.printer.warn(clean(&error.to_string())),
        }
    }
    Ok(Exit::SUCCESS)
}

/// The stubs and scenarios of one collection.
pub(super) fn one(context: &Context, name: &str, json: bool) -> Outcome {
    let loaded = load(&context.settings, name)?;
    if json {
        loaded.collection.stubs.iter().for_each(|file| context.printer.json(&StubRow::of(file)));
        return Ok(Exit::SUCCESS);
    }
    let width = context.printer.width().unwrap_or(usize::MAX);
    for line in listing(&loaded.collection) {
        let line = cut(&line, width);
        match line.starts_with(' ') {
            true => context.printer.data(line),
            false => context.printer.data(format_args!("{BOLD}{line}{BOLD:#}")),
        }
    }
    context.printer.say(format_args!("{} in {}", counts(&loaded.collection), shown(&loaded.root)));
    if loaded.collection.stubs.is_empty() {
        context.printer.say(format_args!(
            "add one: `retake mock stub add {} GET https://api.example.com/users/{{id}}`",
            quoted(name)
        ));
    }
    Ok(Exit::SUCCESS)
}

/// A collection, a stub or a scenario whole.
pub(super) fn show(context: &Context, name: &str, which: Option<&str>, json: bool) -> Outcome {
    let loaded = load(&context.settings, name)?;
    let collection = &loaded.collection;
    let (stubs, scenario) = match which {
        None => (&collection.stubs[..], None),
        Some(which) => {
            let (stub, scenario) = select::split(which);
            let file = std::slice::from_ref(&collection.stubs[select::stub(collection, stub)?]);
            let found = scenario.map(|scenario| select::scenario(&file[0].stub, scenario)).transpose()?;
            (file, found)
        }
    };
    for (at, file) in stubs.iter().enumerate() {
        let only = scenario.map(|scenario| &file.stub.scenarios[scenario]);
        match (json, only) {
            (true, Some(scenario)) => context.printer.json(&json!({
                "file": file.path, "scenario": ScenarioRow::of(&file.stub, scenario), "content": scenario,
            })),
            (true, None) => context.printer.json(&json!({ "stub": StubRow::of(file), "content": file.stub })),
            (false, only) => {
                if at > 0 {
                    context.printer.data("");
                }
                stub_lines(file, only).into_iter().for_each(|line| context.printer.data(line));
            }
        }
    }
    if !json {
        context.printer.say("plain calls go to the address that `retake replay` prints");
    }
    Ok(Exit::SUCCESS)
}
