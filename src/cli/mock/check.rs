//! `retake mock check`: every fault of a folder, with file and line.

use serde_json::json;

use super::Context;
use crate::cli::collections::{fault_line, load_error};
use crate::cli::exit::{Exit, Outcome};
use crate::report::collection::{count, counts};
use crate::report::terminal::clean;
use crate::store::collections::{self, LoadError};

pub(super) fn run(context: &Context, names: &[String], json: bool) -> Outcome {
    let mut exit = Exit::SUCCESS;
    for name in names {
        match collections::load(&context.settings.collection_dir(name)) {
            Ok(loaded) => {
                context.printer.say(format_args!("{}: {}, no fault", clean(name), counts(&loaded.collection)));
            }
            Err(LoadError::Faulty { root, faults }) => {
                exit = Exit::FOUND;
                for fault in &faults {
                    if json {
                        context.printer.json(&json!({
                            "collection": name, "file": root.join(&fault.file), "line": fault.line, "message": fault.message,
                        }));
                    } else {
                        context.printer.data(fault_line(&root, fault));
                    }
                }
                context.printer.say(format_args!("{}: {}", clean(name), count(faults.len(), "fault")));
            }
            Err(error) => return Err(load_error(&context.settings, name, error)),
        }
    }
    Ok(exit)
}
