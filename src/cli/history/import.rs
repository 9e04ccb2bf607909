//! `retake history import`: what other tools recorded, masked before it is stored. Nothing is held but one entry.

mod told;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::tag;
use crate::cli::args::HistoryImportArgs;
use crate::cli::exit::{CliError, Exit, Outcome};
use crate::cli::output::Printer;
use crate::cli::select;
use crate::control;
use crate::formats::har::{self, Identities, ReadError, Taken};
use crate::model::body::INLINE_MAX;
use crate::model::{Body, BodyContent, Exchange};
use crate::redact::{MaskKey, Masker};
use crate::report::terminal::clean;
use crate::settings::Settings;
use crate::store::{self, History, HistoryError};
use told::Told;

/// The longest name of a session that is made of a file's.
const NAME_MAX: usize = 100;

pub(super) fn run(settings: &Settings, args: &HistoryImportArgs, printer: Printer) -> Outcome {
    if args.session.as_deref().is_some_and(|name| name.trim().is_empty()) {
        return Err(CliError::usage("--session: the name is empty"));
    }
    args.tags.iter().try_for_each(|tag| tag::check(tag))?;
    // All of them first: nothing is imported when one is misspelt.
    let inputs = args.files.iter().map(|path| Input::open(path)).collect::<Result<Vec<_>, _>>()?;
    let (history, key) = open(settings, args.dry_run)?;
    let masker = match args.keep_secrets {
        true => Masker::off(),
        false => Masker::new(key.clone(), settings.mask.clone()),
    };
    if args.keep_secrets && !args.dry_run {
        printer.warn("--keep-secrets: credentials are stored as they stand in the file");
    }
    let mut import = Import { history, masker, args, identities: Identities::new(key.0), told: Vec::new() };
    let mut failed = None;
    for input in inputs {
        if let Err(error) = import.file(input) {
            failed = Some(error);
            break;
        }
    }
    let Import { told, .. } = import;
    told::report(printer, &told, args);
    match failed {
        Some(error) => Err(error),
        None => verdict(&told),
    }
}

/// The history to import into, and its key. A trial run makes none.
fn open(settings: &Settings, dry_run: bool) -> Result<(Option<Arc<dyn History>>, MaskKey), CliError> {
    let opened = match dry_run {
        false => control::open_or_create_history(&settings.store).map(Some),
        true => match control::open_history(&settings.store) {
            Err(store::OpenError::Empty(_)) => Ok(None),
            other => other.map(Some),
        },
    };
    let history = opened.map_err(CliError::failure)?;
    let key = match &history {
        Some(_) => store::mask_key(&settings.store).map_err(CliError::failure)?,
        None => MaskKey(store::random_key()),
    };
    Ok((history, key))
}

/// What all files together mean for the exit code.
fn verdict(told: &[Told]) -> Outcome {
    if let Some(broken) = told.iter().find_map(|told| told.broken.as_ref().map(|why| format!("{}: {why}", told.name))) {
        let taken: u64 = told.iter().map(|told| told.imported + told.known).sum();
        let error = CliError::usage(broken);
        return Err(if taken > 0 { error.hint("what came before was imported; the rest was not") } else { error });
    }
    let is_any = told.iter().any(|told| told.imported + told.known > 0);
    let skipped: u64 = told.iter().map(|told| told.skipped).sum();
    if !is_any && skipped > 0 {
        return Err(CliError::usage(format!("none of the {skipped} entries could be imported")));
    }
    Ok(Exit::SUCCESS)
}

/// A file, opened.
struct Input {
    name: String,
    session: String,
    content: Box<dyn Read>,
}

impl Input {
    fn open(path: &Path) -> Result<Input, CliError> {
        if path.as_os_str() == "-" {
            return Ok(Input { name: "stdin".into(), session: "import".into(), content: Box::new(io::stdin()) });
        }
        let shown = path.display();
        let file = File::open(path).map_err(|error| CliError::usage(format!("{shown} cannot be read: {error}")))?;
        if file.metadata().is_ok_and(|file| file.is_dir()) {
            return Err(CliError::usage(format!("{shown} is a folder: name the files in it")));
        }
        let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
        let session: String = clean(&stem).chars().take(NAME_MAX).collect();
        Ok(Input { name: clean(&shown.to_string()).into_owned(), session, content: Box::new(file) })
    }
}

/// An import that runs.
struct Import<'a> {
    history: Option<Arc<dyn History>>,
    masker: Masker,
    args: &'a HistoryImportArgs,
    identities: Identities,
    told: Vec<Told>,
}

impl Import<'_> {
    fn file(&mut self, input: Input) -> Result<(), CliError> {
        let Import { history, masker, args, identities, told } = self;
        identities.next_file();
        let mut file = Told::new(input.name);
        let mut summary = har::Summary::default();
        let read = har::read(input.content, identities, &mut summary, &mut |place, taken| {
            let taken = match taken {
                Ok(taken) => taken,
                Err(why) => {
                    file.skip(place, why);
                    return Ok(());
                }
            };
            let notes = taken.notes.clone();
            let stored = store(history.as_deref(), masker, args, &input.session, taken)?;
            file.take(place, stored, notes.into_iter().collect::<BTreeSet<_>>());
            Ok(())
        });
        file.summary = summary;
        let result = match read {
            Ok(()) => Ok(()),
            Err(ReadError::Sink(error)) => Err(match error {
                HistoryError::Io(cause) => CliError::failure(format!("the history could not be added to: {cause}")),
                other => select::failed(other),
            }),
            Err(error) => {
                file.broken = Some(error.to_string());
                Ok(())
            }
        };
        told.push(file);
        result
    }
}

/// What became of an entry.
enum Stored {
    Imported {
        /// Values masked.
        masked: u32,
        /// What other tools said of it could be masked, and is kept.
        vendor_kept: bool,
    },
    Known,
    /// It does not fit into a record.
    TooLarge(String),
}

/// Masks an entry, and stores it unless it is there.
fn store(
    history: Option<&dyn History>,
    masker: &Masker,
    args: &HistoryImportArgs,
    session: &str,
    taken: Taken,
) -> Result<Stored, HistoryError> {
    let mut exchange = taken.exchange;
    label(&mut exchange, args, session);
    let (masked, vendor_kept) = har::masked(masker, &mut exchange);
    let imported = Stored::Imported { masked, vendor_kept };
    let Some(history) = history else { return Ok(imported) };
    let is_large = |body: &Body| matches!(&body.content, BodyContent::Inline(bytes) if bytes.len() > INLINE_MAX);
    let has_large = is_large(&exchange.request.body)
        || exchange.outcome.response().is_some_and(|response| is_large(&response.body));
    // A body file is not written for an exchange that is there.
    if (args.dry_run || has_large) && is_known(history, &exchange)? {
        return Ok(Stored::Known);
    }
    if args.dry_run {
        return Ok(imported);
    }
    keep(history, &mut exchange.request.body)?;
    if let Some(response) = exchange.outcome.response_mut() {
        keep(history, &mut response.body)?;
    }
    match history.import(exchange) {
        Ok(Some(_)) => Ok(imported),
        Ok(None) => Ok(Stored::Known),
        Err(HistoryError::Io(error)) if error.kind() == io::ErrorKind::InvalidInput => {
            Ok(Stored::TooLarge(error.to_string()))
        }
        Err(error) => Err(error),
    }
}

/// Session and tags, as asked for.
fn label(exchange: &mut Exchange, args: &HistoryImportArgs, session: &str) {
    match &args.session {
        Some(name) => exchange.session.clone_from(name),
        None if exchange.session.is_empty() => session.clone_into(&mut exchange.session),
        None => {}
    }
    for tag in &args.tags {
        if !exchange.tags.contains(tag) {
            exchange.tags.push(tag.clone());
        }
    }
}

fn is_known(history: &dyn History, exchange: &Exchange) -> Result<bool, HistoryError> {
    match history.resolve(&exchange.id.to_string()) {
        Ok(numbers) => Ok(!numbers.is_empty()),
        Err(HistoryError::Unknown(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives a body that is too large for a record its file.
fn keep(history: &dyn History, body: &mut Body) -> Result<(), HistoryError> {
    let BodyContent::Inline(bytes) = &body.content else { return Ok(()) };
    if bytes.len() <= INLINE_MAX {
        return Ok(());
    }
    let kept = history.import_body(&mut bytes.as_slice(), body.end)?;
    (body.content, body.size, body.hash) = (kept.content, kept.size, kept.hash);
    Ok(())
}
