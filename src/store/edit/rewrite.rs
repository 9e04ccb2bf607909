//! Segments written anew: what lives is copied to `NNNNNN.new`, synced, renamed; then the index is made anew from the
//! journal, beside the old one, and takes its place.
//!
//! Readers go on with the old index and the old files, which stay open, until that step. A crash leaves each segment
//! as it was or as it is to be; `index.suspect` makes the next start build the index.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::{ContentHash, Exchange};
use crate::store::history::HistoryError;
use crate::store::in_flight::blobs_of;
use crate::store::index::{Index, Position};
use crate::store::layout::{Layout, private, replace_file, sync_folder};
use crate::store::reader::DiskHistory;
use crate::store::recovery::{EDITED, Repairs};
use crate::store::rescan;
use crate::store::segment::{FRAME, Found, HEADER, Kind, Scan, decode, encode};

/// How long the files of the old index wait for those who still read it.
const READERS: Duration = Duration::from_secs(5);

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stays as it is.
    Keep,
    /// It is written with what was changed in it.
    Changed,
    /// It goes.
    Gone,
}

/// What becomes of damaged stretches: a copy of them lies in quarantine since they were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// They stay where their segment has no reason to be written anew.
    Leave,
    /// They go: nobody can tell what is in them.
    Drop,
}

/// Decides on a record, and changes it.
pub(super) type Change<'a> = dyn FnMut(Kind, &mut Exchange) -> io::Result<Fate> + 'a;

/// What was done.
#[derive(Default)]
pub(super) struct Outcome {
    /// Numbers of the exchanges that changed or went.
    pub(super) numbers: HashSet<u64>,
    /// Bytes of records that went.
    pub(super) freed: u64,
    /// Body files that records named which are no longer there.
    pub(super) blobs: HashSet<ContentHash>,
    pub(super) warnings: Vec<String>,
}

/// Steps at which a test pulls the plug.
#[cfg(test)]
pub(super) mod plug {
    use std::cell::Cell;

    thread_local!(pub(in crate::store) static AFTER: Cell<Option<u32>> = const { Cell::new(None) });

    pub(super) fn step() -> std::io::Result<()> {
        match AFTER.get() {
            Some(0) => Err(std::io::Error::other("the plug was pulled")),
            Some(left) => {
                AFTER.set(Some(left - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn step() -> io::Result<()> {
    #[cfg(test)]
    plug::step()?;
    Ok(())
}

/// The segments that grow no more, and the records in them that later ones replaced.
fn closed(history: &DiskHistory) -> Result<(Vec<u32>, Superseded), HistoryError> {
    let growing = history.between(|writer, _| writer.roll())?;
    let segments: Vec<u32> = history.layout.segments()?.into_iter().filter(|number| *number < growing).collect();
    let mut superseded = Superseded::default();
    each(&history.layout, &segments, &mut |at, kind, exchange, _| {
        if matches!(kind, Kind::Addendum | Kind::Label) {
            superseded.0.insert(exchange.number, at);
        }
        Ok(())
    })?;
    Ok((segments, superseded))
}

/// Where the newest record is of exchanges that have several.
#[derive(Default)]
struct Superseded(HashMap<u64, Position>);

impl Superseded {
    fn has(&self, number: u64, at: Position) -> bool {
        self.0.get(&number).is_some_and(|newest| *newest > at)
    }
}

fn bytes_of(layout: &Layout, number: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(layout.segment(number))?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Looks at every record that can be read.
pub(super) fn each(
    layout: &Layout,
    segments: &[u32],
    look: &mut dyn FnMut(Position, Kind, Exchange, u64) -> io::Result<()>,
) -> io::Result<()> {
    for &number in segments {
        let bytes = bytes_of(layout, number)?;
        let start = HEADER.len().min(bytes.len());
        for found in Scan::new(&bytes[start..]) {
            if let Found::Record { offset, payload } = found
                && let Ok((kind, exchange)) = decode(payload)
            {
                look((number, (start + offset) as u64), kind, exchange, (FRAME + payload.len()) as u64)?;
            }
        }
    }
    Ok(())
}

/// Says what a change would do, and does nothing. Segments that still grow are looked at too.
pub(super) fn dry(history: &DiskHistory, change: &mut Change<'_>) -> Result<Outcome, HistoryError> {
    let mut outcome = Outcome::default();
    let segments = history.layout.segments()?;
    each(&history.layout, &segments, &mut |_, kind, mut exchange, size| {
        let blobs = blobs_of(&exchange);
        match change(kind, &mut exchange)? {
            Fate::Keep => return Ok(()),
            Fate::Gone => outcome.freed += size,
            Fate::Changed => {}
        }
        outcome.numbers.insert(exchange.number);
        outcome.blobs.extend(blobs);
        Ok(())
    })?;
    Ok(outcome)
}

/// Writes every segment anew in which the change changes something. When it returns, the journal and the index hold
/// nothing of what was.
pub(super) fn run(history: &DiskHistory, damage: Damage, change: &mut Change<'_>) -> Result<Outcome, HistoryError> {
    let (segments, superseded) = closed(history)?;
    let layout = &*history.layout;
    let mut outcome = Outcome::default();
    let view = history.current().view();
    let mut renamed = false;
    for &number in &segments {
        let Some(is_empty) = written_anew(layout, number, &superseded, damage, change, &mut outcome)? else { continue };
        step()?;
        if !renamed {
            let text = format!("{EDITED}: the index does not fit the journal");
            replace_file(&layout.index_suspect(), text.as_bytes())?;
            sync_folder(layout.root())?;
        }
        renamed = true;
        view.keep(number)?;
        step()?;
        fs::rename(layout.new_segment(number), layout.segment(number))?;
        if is_empty {
            fs::remove_file(layout.segment(number))?;
        }
        sync_folder(&layout.journal())?;
        step()?;
    }
    drop(view);
    if renamed {
        new_index(history)?;
    }
    Ok(outcome)
}

/// Writes `NNNNNN.new` if anything changes; says whether no record is left in it.
fn written_anew(
    layout: &Layout,
    number: u32,
    superseded: &Superseded,
    damage: Damage,
    change: &mut Change<'_>,
    outcome: &mut Outcome,
) -> io::Result<Option<bool>> {
    let bytes = bytes_of(layout, number)?;
    let start = HEADER.len().min(bytes.len());
    let mut segment = Segment { layout, number, bytes: &bytes, start, copy: None, damaged: Vec::new(), outcome };
    let mut records = 0u64;
    for found in Scan::new(&bytes[start..]) {
        let (offset, payload) = match found {
            Found::Record { offset, payload } => (start + offset, payload),
            Found::Damage(range) | Found::Torn(range) => {
                segment.damaged(start + range.start..start + range.end, damage)?;
                continue;
            }
        };
        let whole = &bytes[offset..offset + FRAME + payload.len()];
        let Ok((kind, mut exchange)) = decode(payload) else {
            segment.unknown(offset, whole, damage)?;
            records += 1;
            continue;
        };
        let before = blobs_of(&exchange);
        let fate = change(kind, &mut exchange)?;
        if fate != Fate::Keep {
            segment.outcome.numbers.insert(exchange.number);
            segment.outcome.blobs.extend(before);
            segment.begin(offset)?;
        } else if superseded.has(exchange.number, (number, offset as u64)) && segment.copy.is_some() {
            // Nobody sees it any more: it does not go along.
            segment.outcome.blobs.extend(before);
            segment.outcome.freed += whole.len() as u64;
            continue;
        }
        match fate {
            Fate::Gone => segment.outcome.freed += whole.len() as u64,
            Fate::Changed => segment.write(&encode(kind, &exchange)?)?,
            Fate::Keep => segment.write(whole)?,
        }
        records += u64::from(fate != Fate::Gone);
    }
    segment.copy.map(Copy::finish).transpose()?;
    Ok(layout.new_segment(number).exists().then_some(records == 0))
}

/// A segment that is looked through, and its copy as soon as there is a reason for one.
struct Segment<'s> {
    layout: &'s Layout,
    number: u32,
    bytes: &'s [u8],
    /// Where its records begin.
    start: usize,
    copy: Option<Copy>,
    /// Damaged stretches that were passed before the copy was begun: they go as soon as it is.
    damaged: Vec<Range<usize>>,
    outcome: &'s mut Outcome,
}

impl Segment<'_> {
    /// Passes a stretch that cannot be read.
    fn damaged(&mut self, range: Range<usize>, damage: Damage) -> io::Result<()> {
        if damage == Damage::Drop {
            self.begin(range.start)?;
        }
        match self.copy {
            Some(_) => self.leave_out(&range),
            None => self.damaged.push(range),
        }
        Ok(())
    }

    /// Passes a record of another version of retake: it stays.
    fn unknown(&mut self, offset: usize, whole: &[u8], damage: Damage) -> io::Result<()> {
        if damage == Damage::Drop {
            let path = self.layout.segment(self.number);
            let warning = format!("a record of {}, byte {offset}, cannot be read: it stays as it is", path.display());
            self.outcome.warnings.push(warning);
        }
        self.write(whole)
    }

    /// Begins the copy, unless that is done, with what was passed before `until`, less the damaged stretches.
    fn begin(&mut self, until: usize) -> io::Result<()> {
        if self.copy.is_some() {
            return Ok(());
        }
        let mut copy = Copy::begin(self.layout, self.number)?;
        let mut from = self.start;
        for range in std::mem::take(&mut self.damaged) {
            copy.write(&self.bytes[from..range.start])?;
            self.leave_out(&range);
            from = range.end;
        }
        copy.write(&self.bytes[from..until])?;
        self.copy = Some(copy);
        Ok(())
    }

    /// Into the copy, if there is one.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.copy.as_mut().map_or(Ok(()), |copy| copy.write(bytes))
    }

    fn leave_out(&mut self, range: &Range<usize>) {
        let path = self.layout.segment(self.number);
        let warning =
            format!("{} damaged bytes of {}, byte {}, were left out", range.len(), path.display(), range.start);
        self.outcome.warnings.push(warning);
    }
}

/// A segment that is being written anew.
struct Copy(BufWriter<File>);

impl Copy {
    fn begin(layout: &Layout, number: u32) -> io::Result<Copy> {
        let file = private().write(true).create(true).truncate(true).open(layout.new_segment(number))?;
        let mut copy = Copy(BufWriter::with_capacity(1 << 20, file));
        copy.write(HEADER)?;
        Ok(copy)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn finish(self) -> io::Result<()> {
        self.0.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

/// Makes the index anew from the journal, and puts it in place of the current one, whose files go.
pub(super) fn new_index(history: &DiskHistory) -> Result<(), HistoryError> {
    let layout = history.layout.clone();
    let old = history.index();
    let path = layout.next_index();
    let failed = |error: String| io::Error::other(format!("the index could not be made anew: {error}"));
    let index = Index::open(&path, old.store()).map_err(|error| failed(error.to_string()))?;
    // What is only half appended is left for the second look: nothing is repaired here.
    rescan::replay(&layout, &index, (0, 0), &mut Repairs::read_only()).map_err(io::Error::from)?;
    index.raise_highest(old.highest());
    index.flush().map_err(|error| failed(error.to_string()))?;
    step()?;
    let index = Arc::new(index);
    let next = index.clone();
    history.between(move |_, current| {
        rescan::replay(&layout, &next, next.applied(), &mut Repairs::read_only())?;
        next.raise_highest(current.index().highest());
        current.replace(next);
        Ok(())
    })?;
    step()?;
    let until = Instant::now() + READERS;
    while Arc::strong_count(&old) > 1 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(old);
    for folder in history.layout.index_folders().into_iter().filter(|folder| *folder != path) {
        fs::remove_dir_all(folder)?;
    }
    fs::remove_file(history.layout.index_suspect())?;
    sync_folder(history.layout.root())?;
    Ok(())
}
