//! `retake mock set`: what holds for a whole collection.

use super::{Context, edit};
use crate::cli::exit::{CliError, Outcome};
use crate::collection::{Manifest, nearest};

/// What can be set.
const KEYS: [&str; 6] = ["name", "profile", "delay", "cors", "private", "on-miss"];

pub(super) fn run(context: &Context, collection: &str, pairs: &[String]) -> Outcome {
    edit::edit(context, collection, |content| {
        let mut done = Vec::new();
        for pair in pairs {
            let (key, value) = pair.split_once('=').ok_or_else(|| {
                CliError::usage(format!("`{pair}` sets nothing")).hint("write key=value, such as cors=true")
            })?;
            set(&mut content.manifest, key.trim(), value.trim())?;
            done.push(match value.trim() {
                "" => format!("{} is what it is unless set", key.trim()),
                value => format!("{} is {value}", key.trim()),
            });
        }
        Ok((Vec::new(), done.join("; ")))
    })
}

/// An empty value takes a setting back to its default.
fn set(manifest: &mut Manifest, key: &str, value: &str) -> Result<(), CliError> {
    let settings = &mut manifest.settings;
    match key {
        "name" if value.is_empty() => return Err(CliError::usage("a collection has a name")),
        "name" => manifest.name = value.to_owned(),
        "delay" if value.is_empty() => settings.delay = None,
        "delay" => settings.delay = Some(value.parse().map_err(|error| CliError::usage(format!("delay: {error}")))?),
        "profile" => settings.profile = word(key, value, "best, strict or postman")?,
        "on-miss" | "on_miss" => settings.on_miss = word(key, value, "fail, pass or record")?,
        "cors" => settings.cors = switch(key, value)?,
        "private" => settings.private = switch(key, value)?,
        _ => {
            let error = CliError::usage(format!("`{key}` is nothing that can be set"));
            return Err(match nearest(key, KEYS.into_iter()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("known: {}", KEYS.join(", "))),
            });
        }
    }
    Ok(())
}

/// A word of the format, as its file has it; `known` are all.
fn word<T: serde::de::DeserializeOwned>(key: &str, value: &str, known: &str) -> Result<Option<T>, CliError> {
    if value.is_empty() {
        return Ok(None);
    }
    let read = serde_json::from_value(serde_json::Value::from(value));
    read.map(Some).map_err(|_| CliError::usage(format!("{key}={value}: write {known}")))
}

fn switch(key: &str, value: &str) -> Result<bool, CliError> {
    match value {
        "true" | "on" | "yes" => Ok(true),
        "false" | "off" | "no" | "" => Ok(false),
        _ => Err(CliError::usage(format!("{key}={value}: write true or false"))),
    }
}
