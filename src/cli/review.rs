//! `retake review`: changes that wait for a decision, one by one.

mod ask;

use std::io::IsTerminal;
use std::path::PathBuf;

use serde_json::json;

use super::args::{Global, ReviewArgs};
use super::collections::{self, load_error, write_error};
use super::exit::{CliError, Exit, Outcome};
use super::history::styled;
use super::output::{DIM, Printer};
use crate::app::review::{self, Decided, Decision, ReviewError, Waiting};
use crate::collection::{PENDING, Standing};
use crate::report::collection::count;
use crate::report::pending::{self, OUTDATED};
use crate::report::terminal::clean;
use crate::settings::Settings;
use crate::store::collections::Loaded;

/// A collection beside which something waits.
struct Desk {
    name: String,
    folder: PathBuf,
    loaded: Loaded,
    waiting: Vec<Waiting>,
}

pub(super) fn run(args: &ReviewArgs, global: &Global, printer: Printer) -> Outcome {
    let settings = collections::settings(global)?;
    review(args, &settings, printer)
}

fn review(args: &ReviewArgs, settings: &Settings, printer: Printer) -> Outcome {
    let desks = desks(args.collection.as_deref(), settings)?;
    let all: usize = desks.iter().map(|desk| desk.waiting.len()).sum();
    let decides = args.accept_all || !(args.accept.is_empty() && args.reject.is_empty());
    if settings.is_ci {
        list(&desks, args.json, printer);
        // What is so already, or was refused, needs nobody.
        let is_open = |waiting: &&Waiting| waiting.standing == Standing::Waits;
        let open = desks.iter().flat_map(|desk| &desk.waiting).filter(is_open).count();
        if open == 0 {
            printer.say("nothing waits for a decision");
            return Ok(Exit::SUCCESS);
        }
        let written = if decides { "; nothing was decided, because CI is set" } else { "" };
        printer.say(format_args!("{} for a decision{written}", waits(open)));
        return Ok(Exit::FOUND);
    }
    if decides {
        return by_flags(args, &desks, settings, printer);
    }
    if all == 0 {
        printer.say("nothing waits for a decision");
        return Ok(Exit::SUCCESS);
    }
    let is_asked = !args.list && !args.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !is_asked {
        list(&desks, args.json, printer);
        if !args.list && !args.json {
            printer.say("decide with `--accept ID`, `--reject ID` or `--accept-all`, or on a terminal");
        }
        return Ok(Exit::SUCCESS);
    }
    let mut answers = std::io::stdin().lock();
    for desk in &desks {
        let mut decide = |id: &str, decision| {
            let decided = review::decide(&desk.folder, id, decision, settings.guard(), &args.allow_secret);
            decided.map_err(|error| failed(settings, &desk.name, error))
        };
        if !ask::all(desk, &mut answers, printer, &mut decide)? {
            break;
        }
    }
    Ok(Exit::SUCCESS)
}

/// The collection that was named, or all beside which something waits.
fn desks(name: Option<&str>, settings: &Settings) -> Result<Vec<Desk>, CliError> {
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None => {
            let known = crate::store::collections::names_in(&settings.mocks).map_err(CliError::failure)?;
            known.into_iter().filter(|name| settings.collection_dir(name).join(PENDING).is_dir()).collect()
        }
    };
    let desk = |name: String| {
        let folder = settings.collection_dir(&name);
        let (loaded, waiting) = review::waiting(&folder).map_err(|error| failed(settings, &name, error))?;
        Ok(Desk { name, folder, loaded, waiting })
    };
    names.into_iter().map(desk).collect()
}

/// The error of a review as the user sees it.
pub(super) fn failed(settings: &Settings, name: &str, error: ReviewError) -> CliError {
    match error {
        ReviewError::Load(error) => load_error(settings, name, error),
        ReviewError::Write(error) => write_error(error),
        ReviewError::Unknown(_) | ReviewError::Ambiguous(..) => {
            CliError::usage(&error).hint("`retake review --list` shows what waits, with the ids")
        }
        ReviewError::Taken(_) => {
            CliError::usage(&error).hint("rename that file and what names it, or reject the change")
        }
    }
}

/// `1 change waits`, `3 changes wait`
fn waits(all: usize) -> String {
    if all == 1 { "1 change waits".to_owned() } else { format!("{all} changes wait") }
}

fn list(desks: &[Desk], json: bool, printer: Printer) {
    for desk in desks {
        for waiting in &desk.waiting {
            match json {
                true => printer.json(&object(desk, waiting, None)),
                false => show(desk, waiting, printer),
            }
        }
        if !json && !desk.waiting.is_empty() {
            let (name, all) = (clean(&desk.name), waits(desk.waiting.len()));
            printer.say(format_args!("{DIM}{name}: {all}{DIM:#}"));
        }
    }
}

fn show(desk: &Desk, waiting: &Waiting, printer: Printer) {
    let mut emit = |line| printer.data(styled(&line));
    pending::lines(&waiting.pending, &waiting.standing, &desk.loaded.collection, &mut emit);
    printer.data("");
}

/// A change as one object; `decided` says what became of it.
fn object(desk: &Desk, waiting: &Waiting, decided: Option<&Decided>) -> serde_json::Value {
    let pending = &waiting.pending;
    let mut object = json!({
        "collection": desk.name, "id": pending.id, "title": pending.title, "from": pending.from, "why": pending.why,
        "evidence": pending.evidence, "standing": standing(&waiting.standing), "old": pending.old,
        "change": pending.change,
    });
    if let Some(decided) = decided {
        object["decided"] = word(decided).into();
    }
    object
}

/// How a change stands, in a word.
pub(super) fn standing(standing: &Standing) -> &'static str {
    match standing {
        Standing::Waits => "waits",
        Standing::Done => "done",
        Standing::Refused => "refused",
        Standing::Gone(_) => "gone",
    }
}

/// What became of a change, in a word.
pub(super) fn word(decided: &Decided) -> &'static str {
    match decided {
        Decided::Accepted(_) => "accepted",
        Decided::Rejected(_) => "rejected",
        Decided::Dropped(_) => "dropped",
    }
}

/// Decides as the flags say, one change after the other; the first that fails ends it, and those before stand.
fn by_flags(args: &ReviewArgs, desks: &[Desk], settings: &Settings, printer: Printer) -> Outcome {
    let mut wanted: Vec<(&Desk, &Waiting, Decision)> = Vec::new();
    for (ids, decision) in [(&args.accept, Decision::Accept), (&args.reject, Decision::Reject)] {
        for id in ids {
            let found = find(desks, id).map_err(|error| failed(settings, "", error))?;
            wanted.extend(found.into_iter().map(|(desk, waiting)| (desk, waiting, decision)));
        }
    }
    let mut left: Vec<(&Desk, &Waiting)> = Vec::new();
    if args.accept_all {
        let all = desks.iter().flat_map(|desk| desk.waiting.iter().map(move |waiting| (desk, waiting)));
        for (desk, waiting) in all {
            match is_outdated(desk, waiting) {
                true => left.push((desk, waiting)),
                false => wanted.push((desk, waiting, Decision::Accept)),
            }
        }
    }
    if let Some((_, twice, _)) = wanted.iter().enumerate().find_map(|(at, one)| {
        wanted[..at]
            .iter()
            .any(|earlier| earlier.0.folder == one.0.folder && earlier.1.pending.id == one.1.pending.id)
            .then_some(one)
    }) {
        return Err(CliError::usage(format!("`{}` is to be decided twice", twice.pending.id)));
    }
    for &(desk, waiting, decision) in &wanted {
        let decided = review::decide(&desk.folder, &waiting.pending.id, decision, settings.guard(), &args.allow_secret)
            .map_err(|error| failed(settings, &desk.name, error))?;
        match args.json {
            true => printer.json(&object(desk, waiting, Some(&decided))),
            false => printer.say(told(&desk.name, desks.len() > 1, waiting, &decided)),
        }
    }
    for (desk, waiting) in &left {
        let (title, id) = (clean(&waiting.pending.title), &waiting.pending.id);
        match args.json {
            true => printer.json(&object(desk, waiting, None)),
            false => printer.say(format_args!("still waits: {title}: {OUTDATED} (`--accept {id}` accepts it)")),
        }
    }
    if wanted.is_empty() && left.is_empty() {
        printer.say("nothing waits for a decision");
    } else if !args.json {
        printer.say(format_args!("{} decided", count(wanted.len(), "change")));
    }
    Ok(Exit::SUCCESS)
}

/// Whether accepting a change would undo what somebody did by hand: only its id does that.
fn is_outdated(desk: &Desk, waiting: &Waiting) -> bool {
    waiting.standing == Standing::Waits && waiting.pending.is_outdated(&desk.loaded.collection)
}

/// One line about what became of a change.
fn told(collection: &str, is_one_of_several: bool, waiting: &Waiting, decided: &Decided) -> String {
    let title = clean(&waiting.pending.title);
    let place = if is_one_of_several { format!(" in {}", clean(collection)) } else { String::new() };
    match decided {
        Decided::Accepted(_) => format!("accepted{place}: {title}"),
        Decided::Rejected(_) => format!("rejected{place}: {title}"),
        Decided::Dropped(standing) => {
            let why = pending::words(standing).unwrap_or_default();
            format!("dropped{place}: {title}: {}", clean(&why))
        }
    }
}

/// What an id means: one change, or the same one of several collections, which is of one id.
fn find<'a>(desks: &'a [Desk], id: &str) -> Result<Vec<(&'a Desk, &'a Waiting)>, ReviewError> {
    let all = desks.iter().flat_map(|desk| desk.waiting.iter().map(move |waiting| (desk, waiting)));
    let found: Vec<_> = all.filter(|(_, waiting)| !id.is_empty() && waiting.pending.id.starts_with(id)).collect();
    let mut ids: Vec<_> = found.iter().map(|(_, waiting)| waiting.pending.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    match ids.len() {
        0 => Err(ReviewError::Unknown(id.to_owned())),
        1 => Ok(found),
        _ => Err(ReviewError::Ambiguous(id.to_owned(), ids.join(", "))),
    }
}
