//! What is wrong with a file, with lines: for a file that serde refused, and for what the checks found.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Fault;
use super::load::read_bytes;
use crate::collection::Problem;
use crate::collection::check::{self, FileKind};
use crate::collection::locate::line_of;

/// All that is wrong with the text of a file that serde refused.
pub(super) fn diagnose<T: DeserializeOwned>(path: &str, kind: FileKind, text: &[u8]) -> Vec<Fault> {
    let fault = |line, message| Fault { file: path.to_owned(), line, message };
    let value: Value = match serde_json::from_slice(text) {
        Ok(value) => value,
        Err(error) => return vec![fault(error.line(), format!("is no JSON: {}", without_place(&error)))],
    };
    let problems = check::shape(kind, &value);
    if !problems.is_empty() {
        let place = |problem: Problem| fault(line_of(text, &problem.place), problem.message);
        return problems.into_iter().map(place).collect();
    }
    // What the schema does not see, such as a key that stands twice: serde's own word, with its path.
    let mut json = serde_json::Deserializer::from_slice(text);
    match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Ok(_) => vec![fault(0, "could not be understood".to_owned())],
        Err(error) => {
            let at = error.path().to_string();
            let inner = error.inner();
            vec![fault(inner.line(), format!("`{at}`: {}", without_place(inner)))]
        }
    }
}

/// The words of a JSON error without "at line 3 column 7" at their end.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => format!("{}, at column {}", &text[..at], error.column()),
        None => text,
    }
}

/// Gives problems their lines; the file is read again for it.
pub(super) fn place_faults(root: &Path, path: &str, problems: Vec<Problem>, faults: &mut Vec<Fault>) {
    if problems.is_empty() {
        return;
    }
    let mut text = Vec::new();
    // What cannot be read a second time has lines 1.
    let _ = read_bytes(&root.join(path), &mut text);
    let place = |problem: Problem| Fault {
        file: path.to_owned(),
        line: line_of(&text, &problem.place),
        message: problem.message,
    };
    faults.extend(problems.into_iter().map(place));
}

/// A fault of a file as a whole.
pub(super) fn whole_file(path: &str, message: &str) -> Fault {
    Fault { file: path.to_owned(), line: 0, message: message.to_owned() }
}
