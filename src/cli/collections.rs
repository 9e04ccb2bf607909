//! COLLECTION arguments: from what was typed to a loaded collection, or to an error that names the cure.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::args::Global;
use super::exit::{CliError, Exit};
use crate::collection::nearest;
use crate::collection::{Scenario, Stub};
use crate::matching::Call;
use crate::report::collection::count;
use crate::report::terminal::{clean, quoted};
use crate::settings::Settings;
use crate::store::collections::{self, Fault, LoadError, Loaded, WriteError};

/// Most faults that an error lists; `retake mock check` lists them all.
const FAULTS_SHOWN: usize = 12;

/// The settings, or the error that ends the command.
pub(super) fn settings(global: &Global) -> Result<Settings, CliError> {
    Settings::resolve(global.store.as_deref()).map_err(CliError::usage)
}

/// Loads the collection that `name` means.
///
/// # Errors
/// Exit code 2 if there is none or it has faults, 1 if it cannot be read.
pub(super) fn load(settings: &Settings, name: &str) -> Result<Loaded, CliError> {
    collections::load(&settings.collection_dir(name)).map_err(|error| load_error(settings, name, error))
}

/// The error of loading as the user sees it.
pub(super) fn load_error(settings: &Settings, name: &str, error: LoadError) -> CliError {
    match error {
        LoadError::NotThere(root) => missing(settings, name, &root),
        LoadError::Faulty { root, faults } => {
            let mut message = format!("the collection `{name}` has {}", count(faults.len(), "fault"));
            for fault in faults.iter().take(FAULTS_SHOWN) {
                message.push_str(&format!("\n  {}", fault_line(&root, fault)));
            }
            if faults.len() > FAULTS_SHOWN {
                message.push_str(&format!("\n  … and {} more", faults.len() - FAULTS_SHOWN));
            }
            CliError::usage(message)
                .hint(format!("correct the files; `retake mock check {}` lists every fault", quoted(name)))
        }
        LoadError::HalfWritten(..) => {
            CliError::failure(error).hint("run `retake mock check` as a user who may write there")
        }
        LoadError::Io(..) => CliError::failure(error),
    }
}

/// What to run so that no server stub answers everything any more, for a collection as it was given.
pub(in crate::cli) fn activate_none(given: &str) -> String {
    format!("`retake mock activate {} none` ends that", quoted(&clean(given)))
}

fn missing(settings: &Settings, name: &str, root: &Path) -> CliError {
    let known = collections::names_in(&settings.mocks).unwrap_or_default();
    let error = CliError::usage(format!("there is no collection `{name}`: {} has no collection.json", shown(root)));
    if let Some(near) = nearest(name, known.iter().map(String::as_str)) {
        return error.hint(format!("did you mean `{near}`?"));
    }
    let name = quoted(name);
    match known.is_empty() {
        true => {
            error.hint(format!("make one: `retake promote --day today --into {name}`, or `retake mock new {name}`"))
        }
        false => error.hint(format!("known: {}; `retake mock new {name}` makes a new one", known.join(", "))),
    }
}

/// The error of writing as the user sees it.
pub(super) fn write_error(error: WriteError) -> CliError {
    match &error {
        WriteError::Busy(_) => CliError::failure(&error).hint("let it finish, and run the command again"),
        WriteError::BadPath(..) => CliError::new(Exit::USAGE, &error),
        WriteError::Unsound(..) => CliError::usage(&error).hint("nothing was written"),
        WriteError::Secrets(secrets) => {
            let mut message = error.to_string();
            secrets.iter().take(FAULTS_SHOWN).for_each(|secret| message.push_str(&format!("\n  {secret}")));
            if secrets.len() > FAULTS_SHOWN {
                message.push_str(&format!("\n  … and {} more", secrets.len() - FAULTS_SHOWN));
            }
            let place = secrets.first().map(|secret| secret.place()).unwrap_or_default();
            CliError::new(Exit::FOUND, message).hint(format!(
                "mask it (`retake history mask`, docs/security.md); for a false alarm, `--allow-secret '{place}'`, or that \
                 place under `allowed_secrets` of `settings` in collection.json"
            ))
        }
        WriteError::Io(..) => CliError::failure(&error),
    }
}

/// A fault as `mocks/github/stubs/…json:12: what is wrong`, which terminals and editors can open.
pub(super) fn fault_line(root: &Path, fault: &Fault) -> String {
    let (path, message) = (shown(&root.join(&fault.file)), &fault.message);
    // A key or a file's name may hold a line feed, and would fake a line of its own.
    clean(&match fault.line {
        0 => format!("{path}: {message}"),
        line => format!("{path}:{line}: {message}"),
    })
    .into_owned()
}

/// A path as people read it: below the current folder, relative to it.
pub(super) fn shown(path: &Path) -> String {
    let current = std::env::current_dir().ok();
    let below = current.and_then(|current| path.strip_prefix(current).ok().map(PathBuf::from));
    below.as_deref().unwrap_or(path).display().to_string()
}

/// The request that a scenario asks for, as a call through the proxy.
pub(in crate::cli) fn own_request(loaded: &Loaded, stub: &Stub, scenario: &Scenario) -> Result<Call, CliError> {
    let body = match &scenario.request.body {
        None => Bytes::new(),
        Some(body) => loaded.body(body).map_err(|error| {
            CliError::usage(format!("the request body of `{}` could not be read: {error}", scenario.name))
        })?,
    };
    Ok(Call { at: jiff::Timestamp::now(), ..Call::of(stub, scenario, body) })
}
