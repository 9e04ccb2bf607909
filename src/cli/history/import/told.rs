//! What an import did, file by file: imported, there already, skipped by reason, and what could not be kept.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Stored;
use crate::cli::args::HistoryImportArgs;
use crate::cli::history::edit::exchanges;
use crate::cli::output::Printer;
use crate::formats::har::{Note, Summary};
use crate::report::terminal::clean;

/// Entries that are named, of those that were skipped.
const NAMED: usize = 20;

/// What became of one file.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) imported: u64,
    pub(super) known: u64,
    pub(super) skipped: u64,
    /// The first of them: place, and why.
    skipped_first: Vec<(u64, String)>,
    masked: u64,
    /// Entries that could not be taken as they stood, by what was wrong.
    notes: BTreeMap<Note, u64>,
    vendor_lost: u64,
    pub(super) summary: Summary,
    /// Why it was not read to its end.
    pub(super) broken: Option<String>,
}

impl Told {
    pub(super) fn new(name: String) -> Self {
        Told { name, ..Told::default() }
    }

    /// Counts an entry that is no exchange.
    pub(super) fn skip(&mut self, place: u64, why: String) {
        self.skipped += 1;
        if self.skipped_first.len() < NAMED {
            self.skipped_first.push((place, why));
        }
    }

    /// Counts what became of an entry.
    pub(super) fn take(&mut self, place: u64, stored: Stored, notes: BTreeSet<Note>) {
        match stored {
            Stored::Imported { masked, vendor_kept } => {
                self.imported += 1;
                self.masked += u64::from(masked);
                self.vendor_lost += u64::from(!vendor_kept);
                notes.into_iter().for_each(|note| *self.notes.entry(note).or_default() += 1);
            }
            Stored::Known => self.known += 1,
            Stored::TooLarge(why) => self.skip(place, why),
        }
    }

    /// What could not be kept or taken as it stood, by kind.
    fn changes(&self) -> Vec<(u64, String)> {
        let mut all: Vec<(u64, String)> =
            self.notes.iter().map(|(note, count)| (*count, format!("{} {note}", entries(*count)))).collect();
        let Summary { replaced, pages, members, .. } = self.summary;
        for (count, one, many) in [
            (
                self.vendor_lost,
                "entry whose members of another tool could not be masked, and are left out",
                "entries whose members of another tool could not be masked, and are left out",
            ),
            (replaced, "character that is no Unicode was replaced", "characters that are no Unicode were replaced"),
            (pages, "page that no entry brought is left out", "pages that no entry brought are left out"),
            (members, "member of the log itself is left out", "members of the log itself are left out"),
        ] {
            if count > 0 {
                all.push((count, format!("{count} {}", if count == 1 { one } else { many })));
            }
        }
        all
    }

    fn json(&self) -> Value {
        json!({
            "file": self.name,
            "creator": self.summary.creator,
            "entries": self.summary.entries,
            "imported": self.imported,
            "already_there": self.known,
            "skipped": self.skipped,
            "skipped_first": self.skipped_first.iter().map(|(entry, reason)| json!({"entry": entry, "reason": reason})).collect::<Vec<_>>(),
            "values_masked": self.masked,
            "changed": self.changes().into_iter().map(|(count, what)| json!({"count": count, "what": what})).collect::<Vec<_>>(),
            "broken": self.broken,
        })
    }
}

fn entries(count: u64) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

/// Tells it all: on stdout, since it is what the command is for.
pub(super) fn report(printer: Printer, told: &[Told], args: &HistoryImportArgs) {
    for file in told {
        if args.json {
            let mut object = file.json();
            object["dry_run"] = json!(args.dry_run);
            printer.json(&object);
            continue;
        }
        let verb = if args.dry_run { "would import" } else { "imported" };
        let by = file.summary.creator.as_ref().map_or_else(String::new, |by| format!(", written by {}", clean(by)));
        printer.data(format_args!("{verb} {} from {}{by}", exchanges(file.imported), file.name));
        if file.known > 0 {
            printer.data(format_args!("  {} there already", exchanges(file.known)));
        }
        if file.masked > 0 {
            let plural = if file.masked == 1 { "value" } else { "values" };
            printer.data(format_args!("  {} {plural} masked", file.masked));
        }
        for (_, what) in file.changes() {
            printer.data(format_args!("  {}", clean(&what)));
        }
        if file.skipped > 0 {
            printer.data(format_args!("  {} skipped:", entries(file.skipped)));
            for (place, why) in &file.skipped_first {
                printer.data(format_args!("    entry {place}: {}", clean(why)));
            }
            let more = file.skipped - file.skipped_first.len() as u64;
            if more > 0 {
                printer.data(format_args!("    and {more} more"));
            }
        }
    }
}
