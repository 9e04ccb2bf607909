//! `retake mock key create|list|revoke`: the keys of a private collection. A key is shown once; its hash is in the files.

use base64::Engine;
use serde_json::json;

use super::{Context, edit};
use crate::cli::args::KeyCommand;
use crate::cli::collections::load;
use crate::cli::exit::{CliError, Exit, Outcome};
use crate::collection::{AccessKey, nearest};
use crate::report::terminal::{clean, quoted};
use crate::store::random_key;

/// What every key begins with, so that scanners for secrets know one.
const PREFIX: &str = "rtk_";

pub(super) fn run(context: &Context, command: KeyCommand) -> Outcome {
    match command {
        KeyCommand::Create { collection, name } => create(context, &collection, name),
        KeyCommand::List { collection, json } => list(context, &collection, json),
        KeyCommand::Revoke { collection, name } => revoke(context, &collection, &name),
    }
}

fn create(context: &Context, collection: &str, name: Option<String>) -> Outcome {
    let key = format!("{PREFIX}{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random_key()));
    let outcome = edit::edit(context, collection, |content| {
        let settings = &mut content.manifest.settings;
        let taken = |name: &str| settings.keys.iter().any(|key| key.name == name);
        let name = match name {
            Some(name) if taken(&name) => {
                return Err(CliError::usage(format!("there is a key `{name}` already")).hint(format!(
                    "take it away first: `retake mock key revoke {} {}`",
                    quoted(collection),
                    quoted(&name)
                )));
            }
            Some(name) => name,
            None => (1_u32..).map(|number| format!("key-{number}")).find(|name| !taken(name)).unwrap_or_default(),
        };
        let public = !settings.private;
        settings.keys.push(AccessKey { name: name.clone(), blake3: blake3::hash(key.as_bytes()).to_hex().to_string() });
        let private = if public {
            format!("; `retake mock set {} private=true` asks for it", quoted(collection))
        } else {
            String::new()
        };
        Ok((Vec::new(), format!("the key `{name}` opens {collection}; it is not shown again{private}")))
    })?;
    context.printer.data(&key);
    Ok(outcome)
}

fn list(context: &Context, collection: &str, as_json: bool) -> Outcome {
    let loaded = load(&context.settings, collection)?;
    let settings = &loaded.collection.manifest.settings;
    for key in &settings.keys {
        match as_json {
            true => context.printer.json(&json!({ "name": key.name, "blake3": key.blake3 })),
            false => {
                context.printer.data(format_args!("{}  {}", clean(&key.name), &key.blake3[..key.blake3.len().min(16)]))
            }
        }
    }
    if settings.keys.is_empty() && !as_json {
        context.printer.say(format_args!("no keys; make one: `retake mock key create {}`", quoted(collection)));
    }
    Ok(Exit::SUCCESS)
}

fn revoke(context: &Context, collection: &str, name: &str) -> Outcome {
    edit::edit(context, collection, |content| {
        let keys = &mut content.manifest.settings.keys;
        if !keys.iter().any(|key| key.name == name) {
            let error = CliError::usage(format!("`{collection}` has no key `{name}`"));
            return Err(match nearest(name, keys.iter().map(|key| key.name.as_str())) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("`retake mock key list {}` shows them", quoted(collection))),
            });
        }
        keys.retain(|key| key.name != name);
        Ok((Vec::new(), format!("the key `{name}` opens nothing any more, also in replays that run")))
    })
}
