//! `retake mock server-stub add` and `retake mock activate`.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::{Context, add, body, edit};
use crate::app::replay::name_of;
use crate::cli::args::ServerStubAddArgs;
use crate::cli::collections::{activate_none, load};
use crate::cli::exit::{CliError, Outcome};
use crate::cli::state;
use crate::collection::{Collection, ServerStub, nearest};
use crate::control::{ReplayAnswer, ReplayAsk};
use crate::report::terminal::{clean, quoted};
use crate::store::running::Running;

/// How long a running replay may take to see an edit of its files.
const PATIENCE: Duration = Duration::from_secs(15);
/// How soon it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// `retake mock server-stub add`
pub(super) fn add(context: &Context, args: ServerStubAddArgs) -> Outcome {
    let (fields, made) = add::answer(&args.response_headers, args.body.as_deref())?;
    edit::edit(context, &args.collection, |collection| {
        if collection.manifest.server_stubs.iter().any(|stub| stub.name == args.name) {
            return Err(CliError::usage(format!("the collection has a server stub `{}` already", args.name)));
        }
        let (used, mut files) = (RefCell::new(body::files_of(collection)), Vec::new());
        let body = made.map(|given| given.into_spec(&args.name, &used, &mut files));
        let stub = ServerStub { name: args.name.clone(), status: args.status, fields, body, active: false };
        collection.manifest.server_stubs.push(stub);
        let (given, stub_name) = (quoted(&args.collection), quoted(&args.name));
        let done = format!("`{}` is there; `retake mock activate {given} {stub_name}` lets it answer", args.name);
        Ok((files, done))
    })
}

/// Says that a server stub goes before everything, if one is active.
pub(super) fn warn_if_active(context: &Context, name: &str, collection: &Collection) {
    if let Some(stub) = collection.manifest.server_stubs.iter().find(|stub| stub.active) {
        context.printer.warn(format_args!(
            "{}: the server stub `{}` is active: a replay answers every call with {} ({})",
            clean(name),
            clean(&stub.name),
            stub.status,
            activate_none(name)
        ));
    }
}

/// Asks a running replay, and once more where the files have what it does not know yet: it takes edits over soon after
/// they were made, beside its traffic.
fn activated(context: &Context, name: &str, replay: &Running, ask: &ReplayAsk) -> Result<ReplayAnswer, CliError> {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = state::ask(replay, ask.clone())?;
        let (ReplayAnswer::Refused(_), ReplayAsk::Activate { name: Some(wanted), .. }) = (&answer, ask) else {
            return Ok(answer);
        };
        let loaded = load(&context.settings, name)?;
        let is_there = loaded.collection.manifest.server_stubs.iter().any(|stub| stub.name == *wanted);
        if !is_there || Instant::now() >= until {
            return Ok(answer);
        }
        std::thread::sleep(ASK_AGAIN);
    }
}

/// `retake mock activate`: in the files, or with `running` in the newest running replay of the collection alone.
pub(super) fn activate(context: &Context, name: &str, which: &str, running: bool) -> Outcome {
    let wanted = (which != "none").then(|| which.to_owned());
    if running {
        let collection = name_of(&context.settings.collection_dir(name));
        let serves = |replay: &Running| replay.collections.contains(&collection);
        let replay = state::running_replay(&context.settings, serves, None)?;
        let ask = ReplayAsk::Activate { collection, name: wanted };
        return state::told(activated(context, name, &replay, &ask)?, context.printer);
    }
    edit::edit(context, name, |collection| {
        let stubs = &mut collection.manifest.server_stubs;
        if let Some(wanted) = wanted.as_ref().filter(|wanted| !stubs.iter().any(|stub| stub.name == **wanted)) {
            let error = CliError::usage(format!("`{name}` has no server stub `{wanted}`"));
            let known = stubs.iter().map(|stub| stub.name.as_str());
            return Err(match nearest(wanted, known) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => {
                    error.hint(format!("make one: `retake mock server-stub add {} {}`", quoted(name), quoted(wanted)))
                }
            });
        }
        stubs.iter_mut().for_each(|stub| stub.active = Some(&stub.name) == wanted.as_ref());
        let done = match &wanted {
            Some(wanted) => format!(
                "`{wanted}` answers every call, also of replays that run, except those that `--running` told otherwise"
            ),
            None => "no server stub is active, except in replays that `--running` told otherwise".to_owned(),
        };
        Ok((Vec::new(), done))
    })
}
