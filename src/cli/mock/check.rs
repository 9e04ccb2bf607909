//! `retake mock check`: every fault of a folder, with file and line; of a sound one what its rules and matchers do, which
//! stubs answer the same calls, and what waits for a decision.

use serde_json::json;

use super::{Context, server_stub};
use crate::cli::collections::{fault_line, load_error};
use crate::cli::exit::{CliError, Exit, Outcome};
use crate::collection::{BodySpec, Collection, Profile, Rule, StubKey, Twins, is_used, matcher_words, rule_words};
use crate::report::collection::{count, counts};
use crate::report::terminal::clean;
use crate::store::collections::{self, LoadError, Loaded};

/// Larger bodies are not looked into.
const LOOKED_INTO: u64 = 1024 * 1024;

pub(super) fn run(context: &Context, names: &[String], json: bool) -> Outcome {
    let mut exit = Exit::SUCCESS;
    for name in names {
        let root = context.settings.collection_dir(name);
        let loaded = collections::load(&root);
        let pending = if matches!(loaded, Err(LoadError::NotThere(_))) {
            Ok(Vec::new())
        } else {
            collections::load_pending(&root)
        };
        let mut faults = Vec::new();
        match &loaded {
            Ok(loaded) => {
                rules(context, name, loaded, json);
                matchers(context, name, loaded, json);
                twins(context, name, &loaded.collection, json);
                server_stub::warn_if_active(context, name, &loaded.collection);
            }
            Err(LoadError::Faulty { faults: found, .. }) => faults.extend(found.iter().cloned()),
            Err(_) => {}
        }
        match pending {
            Ok(pending) => pending.iter().for_each(|pending| {
                if json {
                    let (id, title) = (&pending.id, &pending.title);
                    context.printer.json(&json!({"collection": name, "pending": id, "title": title}));
                } else {
                    context.printer.data(clean(&format!("waits  {} {}", pending.id, pending.title)));
                }
            }),
            Err(LoadError::Faulty { faults: found, .. }) => faults.extend(found),
            Err(error) => return Err(load_error(&context.settings, name, error)),
        }
        match loaded {
            Ok(loaded) if faults.is_empty() => {
                context.printer.say(format_args!("{}: {}, no fault", clean(name), counts(&loaded.collection)));
            }
            Ok(_) | Err(LoadError::Faulty { .. }) => exit = Exit::FOUND,
            Err(error) => return Err(load_error(&context.settings, name, error)),
        }
        for fault in &faults {
            if json {
                context.printer.json(&json!({
                    "collection": name, "file": root.join(&fault.file), "line": fault.line, "message": fault.message,
                }));
            } else {
                context.printer.data(fault_line(&root, fault));
            }
        }
        if !faults.is_empty() {
            context.printer.say(format_args!("{}: {}", clean(name), count(faults.len(), "fault")));
        }
    }
    Ok(exit)
}

/// What each rule does, where it comes from, and whether any scenario has something for it.
fn rules(context: &Context, name: &str, loaded: &Loaded, json: bool) {
    let collection = &loaded.collection;
    let content = |body: &BodySpec| content(loaded, body).ok().flatten();
    let everywhere = collection.manifest.rules.iter().map(|rule| {
        let used = collection.stubs.iter().any(|file| is_used(rule, &file.stub, &content));
        ("collection.json", None, rule, used)
    });
    let own = collection.stubs.iter().flat_map(|file| {
        let key = StubKey::of(&file.stub);
        let told = move |rule| (file.path.as_str(), Some(key.clone()), rule, is_used(rule, &file.stub, &content));
        file.stub.rules.iter().map(told)
    });
    for (file, key, rule, used) in everywhere.chain(own) {
        let used = used || rule.off;
        if json {
            let stub = key.as_ref().map(ToString::to_string);
            context.printer.json(&json!({
                "collection": name, "file": file, "stub": stub, "rule": rule, "does": rule_words(rule), "used": used,
            }));
            continue;
        }
        context.printer.data(clean(&sentence(key.as_ref(), rule)));
        if !used {
            let words = format!("{name}/{file}: no scenario has {} {}", rule.place.as_str(), rule.name);
            context.printer.warn(format_args!("{}; the rule does nothing", clean(&words)));
        }
    }
}

/// What the matchers of scenarios ask for.
fn matchers(context: &Context, name: &str, loaded: &Loaded, json: bool) {
    for file in &loaded.collection.stubs {
        for scenario in &file.stub.scenarios {
            for matcher in &scenario.request.matchers {
                let asks = matcher_words(matcher);
                let label = format!("{}#{}", StubKey::of(&file.stub).short(), scenario.name);
                if json {
                    context.printer.json(&json!({
                        "collection": name, "file": file.path, "scenario": label, "matcher": matcher, "asks": asks,
                    }));
                } else {
                    context.printer.data(clean(&format!("match  {label}: {asks}")));
                }
            }
        }
    }
}

/// Stubs that answer the same calls, since only their captures are called otherwise.
fn twins(context: &Context, name: &str, collection: &Collection, json: bool) {
    let by_id = collection.manifest.settings.profile == Some(Profile::Postman);
    for Twins { first, second } in Twins::of(collection) {
        let files = [&first.path, &second.path];
        let answers = (!by_id).then_some(&first.path);
        let told = format!(
            "{} in {} and {} in {} answer the same calls; where scenarios of both fit as well, {}: make one stub of \
             them, or give one a `priority`",
            StubKey::of(&first.stub).short(),
            first.path,
            StubKey::of(&second.stub).short(),
            second.path,
            answers.map_or_else(
                || "a status 200 and then the id decide".to_owned(),
                |file| format!("that of {file} answers, as its file comes first")
            ),
        );
        if json {
            context.printer.json(&json!({"collection": name, "files": files, "answers": answers, "warning": told}));
        } else {
            context.printer.warn(clean(&format!("{name}: {told}")));
        }
    }
}

/// `rule   GET /a: the query's `t` does not count (2 samples differ)`
fn sentence(key: Option<&StubKey>, rule: &Rule) -> String {
    let place = key.map_or_else(|| "everywhere".to_owned(), StubKey::short);
    let why = rule.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
    let off = if rule.off { "switched off: " } else { "" };
    format!("rule   {place}: {off}{}{why}", rule_words(rule))
}

fn content(loaded: &Loaded, body: &BodySpec) -> Result<Option<Vec<u8>>, CliError> {
    if let Some(path) = &body.file {
        let file = loaded.open_file(path).map_err(CliError::failure)?;
        if file.metadata().map_err(CliError::failure)?.len() > LOOKED_INTO {
            return Ok(None);
        }
    }
    Ok(Some(loaded.body(body).map_err(CliError::failure)?.to_vec()))
}
