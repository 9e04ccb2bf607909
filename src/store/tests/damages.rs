//! Random damages anywhere in a store: it opens or says why not, keeps what was not touched, and names what was.
//!
//! `RETAKE_SEED` repeats a run, `RETAKE_HEAVY=1` makes it 200 damages long.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::iter::once;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{about, body, runtime};
use crate::model::{Body, BodyContent, Exchange};
use crate::store::testing::exchange;
use crate::store::{Edit, History, HistoryError, OpenError, Query, open_for_reading, open_for_recording};

/// A small generator (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end.max(1)
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::vars().find(|(found, _)| found == name).map(|(_, value)| value)
}

/// What is in the store before anything happens to it.
struct Known {
    exchanges: BTreeMap<u64, Exchange>,
    bodies: BTreeMap<u64, Vec<u8>>,
    /// Where the records of each number lie.
    records: BTreeMap<u64, Vec<(PathBuf, Range<usize>)>>,
}

/// Three segments, bodies in files, labels, and a stream that was cut off.
fn filled(dir: &Path) -> Known {
    let mut known = Known { exchanges: BTreeMap::new(), bodies: BTreeMap::new(), records: BTreeMap::new() };
    for first in [1, 61, 121] {
        let (recording, history) = open_for_recording(dir, about()).unwrap();
        for number in first..first + 60 {
            let mut made = exchange(number);
            if number % 10 == 0 {
                let content = vec![(number % 251) as u8; 70_000 + number as usize];
                let mut blob = recording.blob().unwrap();
                blob.write(&content).unwrap();
                let (hash, size) = blob.finish().unwrap();
                made.outcome.response_mut().unwrap().body =
                    Body { content: BodyContent::Blob, hash, size, ..Body::empty() };
                known.bodies.insert(number, content);
            }
            runtime().block_on(recording.append(made)).unwrap();
        }
        let tag = Edit::Label { numbers: vec![(first, first + 2)], add: vec!["t".into()], remove: vec![], note: None };
        history.edit(&tag).unwrap();
        history.edit(&Edit::Delete { numbers: vec![(first + 5, first + 5)], dry_run: false }).unwrap();
    }
    {
        let (recording, _history) = open_for_recording(dir, about()).unwrap();
        super::streaming(&recording, 181, b"data: 1\n\n");
    }
    let history = open_for_reading(dir).unwrap();
    for row in history.list(&Query::default(), None, usize::MAX).unwrap().rows {
        let exchange = history.get(row.number).unwrap();
        known.bodies.entry(row.number).or_insert_with(|| body(&*history, &exchange));
        known.exchanges.insert(row.number, exchange);
    }
    drop(history);
    for path in files(dir).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "log")) {
        let bytes = fs::read(&path).unwrap();
        let mut at = 16;
        while at < bytes.len() {
            let end = at + 8 + u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
            let (_, exchange) = crate::store::segment::decode(&bytes[at + 8..end]).unwrap();
            known.records.entry(exchange.number).or_default().push((path.clone(), at..end));
            at = end;
        }
    }
    assert_eq!(known.exchanges.len(), 178);
    known
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
}

/// Does something to a file; says what, and which of its bytes are no longer what they were.
fn damage(path: &Path, random: &mut Random) -> (String, Vec<Range<usize>>) {
    let mut bytes = fs::read(path).unwrap();
    let length = bytes.len();
    match random.below(5) {
        0 => {
            let left = random.below(length);
            fs::write(path, &bytes[..left]).unwrap();
            (format!("cut to {left} bytes"), once(left..length).collect())
        }
        1 => {
            let flips: Vec<_> = (0..1 + random.below(8)).map(|_| random.below(length)).collect();
            flips.iter().filter(|_| length > 0).for_each(|at| bytes[*at] ^= 1 << (at % 8));
            fs::write(path, bytes).unwrap();
            (format!("bits flipped at {flips:?}"), flips.into_iter().map(|at| at..at + 1).collect())
        }
        2 => {
            let from = random.below(length);
            let end = (from + 1 + random.below(5000)).min(length);
            bytes[from..end].fill(0);
            fs::write(path, bytes).unwrap();
            (format!("zeros from {from} to {end}"), once(from..end).collect())
        }
        3 if path.extension().is_some_and(|extension| extension == "log") => {
            let number = 1 + random.below(9);
            let copy = path.with_file_name(format!("{number:06}.log"));
            // Over another segment only where there is none: that would be the loss of that one.
            if !copy.exists() {
                fs::copy(path, copy).unwrap();
            }
            (format!("copied as segment {number}"), Vec::new())
        }
        _ => {
            fs::remove_file(path).unwrap();
            ("removed".into(), once(0..length).collect())
        }
    }
}

/// The damaged store is opened, listed and read; what is not as it was must have been touched, and be named (unless
/// nobody can know: `untold`).
fn look(dir: &Path, known: &Known, touched: &BTreeSet<u64>, hit: &Path, untold: bool) -> Result<(), String> {
    // What only shows when a page is read is an error once; the next opening rebuilds.
    for attempt in 0..2 {
        let history = match open_for_reading(dir) {
            Ok(history) => history,
            // A flipped bit may make it a newer one.
            Err(OpenError::Newer { .. }) if hit.ends_with("store.json") => return Ok(()),
            Err(error) => return Err(format!("does not open: {error}")),
        };
        match seen(&*history, known, touched, untold) {
            Err(Trouble::Index(_)) if attempt == 0 => {}
            Err(Trouble::Index(why) | Trouble::Lost(why)) => return Err(format!("{why}; {:?}", history.repairs())),
            Ok(()) => return Ok(()),
        }
    }
    Ok(())
}

enum Trouble {
    Index(String),
    Lost(String),
}

fn seen(history: &dyn History, known: &Known, touched: &BTreeSet<u64>, untold: bool) -> Result<(), Trouble> {
    let rows = match history.list(&Query::default(), None, usize::MAX) {
        Ok(page) => page.rows,
        Err(HistoryError::Damaged(why)) => return Err(Trouble::Index(why)),
        Err(error) => return Err(Trouble::Lost(error.to_string())),
    };
    let numbers: BTreeSet<u64> = rows.iter().map(|row| row.number).collect();
    if numbers.len() != rows.len() {
        return Err(Trouble::Lost("a number is listed twice".into()));
    }
    let mut missing = Vec::new();
    for (number, exchange) in &known.exchanges {
        if !numbers.contains(number) {
            if !touched.contains(number) {
                return Err(Trouble::Lost(format!("{number} is lost")));
            }
            missing.push(*number);
            continue;
        }
        let read = history.get(*number).and_then(|read| {
            let mut bytes = Vec::new();
            let outcome = read.outcome.response().map(|response| history.body(&read, &response.body));
            if let Some(mut stored) = outcome.transpose()? {
                std::io::Read::read_to_end(&mut stored, &mut bytes)?;
            }
            Ok((read, bytes))
        });
        match read {
            Ok((read, bytes)) if read == *exchange && bytes == known.bodies[number] => {}
            // An older record of it, or a body whose bits rot: the hash tells whoever asks.
            Ok(_) if touched.contains(number) => {}
            Ok(_) => return Err(Trouble::Lost(format!("{number} is another"))),
            Err(error) if touched.contains(number) => {
                let text = error.to_string();
                if !text.contains(&format!("exchange {number} ")) && !text.contains("index") {
                    return Err(Trouble::Lost(format!("{number} is not named: {text}")));
                }
            }
            Err(HistoryError::Damaged(why)) if why.contains("the index") => return Err(Trouble::Index(why)),
            Err(error) => return Err(Trouble::Lost(format!("{number}, not touched: {error}"))),
        }
    }
    let repairs = history.repairs().join("\n");
    let told = ["damaged", "cut off", "cannot be read", "are gone"].iter().any(|words| repairs.contains(words));
    if !missing.is_empty() && !told && !untold {
        return Err(Trouble::Lost(format!("{missing:?} are lost, and nobody is told")));
    }
    Ok(())
}

#[test]
fn random_damages_anywhere_cost_what_they_touch_and_are_told() {
    let seed = variable("RETAKE_SEED").and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(1, |now| now.as_nanos() as u64)
    });
    let mut random = Random(seed | 1);
    let whole = tempfile::tempdir().unwrap();
    let known = filled(whole.path());
    let rounds = if variable("RETAKE_HEAVY").is_some_and(|heavy| heavy == "1") { 200 } else { 25 };
    let mut faulty = Vec::new();
    for round in 0..rounds {
        let dir = tempfile::tempdir().unwrap();
        copy(whole.path(), dir.path());
        let groups = ["journal", "journal", "blobs", "index", "store.json", "highest", "mask.key", ""];
        let group = groups[random.below(groups.len())];
        let all = files(dir.path());
        let name = |path: &PathBuf| path.strip_prefix(dir.path()).unwrap().to_string_lossy().into_owned();
        let some: Vec<_> = all.iter().filter(|path| name(path).starts_with(group)).collect();
        let path = some[random.below(some.len())].clone();
        let (deed, ranges) = damage(&path, &mut random);
        let rebuilt = random.below(2) == 0;
        if rebuilt {
            let indexes = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
            indexes
                .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("index"))
                .for_each(|path| fs::remove_dir_all(path).unwrap());
        }
        let original = whole.path().join(path.strip_prefix(dir.path()).unwrap());
        let overlaps = |range: &Range<usize>| ranges.iter().any(|hit| hit.start < range.end && range.start < hit.end);
        let mut touched: BTreeSet<u64> = known
            .records
            .iter()
            .filter(|(_, places)| places.iter().any(|(file, range)| *file == original && overlaps(range)))
            .map(|(number, _)| *number)
            .collect();
        let is_body = |exchange: &Exchange| {
            let response = exchange.outcome.response();
            response.is_some_and(|response| path.ends_with(response.body.hash.to_hex()))
        };
        touched.extend(known.exchanges.iter().filter(|(_, exchange)| is_body(exchange)).map(|(number, _)| *number));
        let what = format!("seed {seed}, round {round}, {} {deed}, rebuilt {rebuilt}", name(&path));
        // Where neither a segment nor the index is left, or a segment ends between two records, nobody can know.
        let untold = rebuilt && (!path.exists() || deed.starts_with("cut"));
        let looked = look(dir.path(), &known, &touched, &path, untold).and_then(|()| recorded_on(dir.path(), &path));
        faulty.extend(looked.err().map(|why| format!("{what}: {why}")));
    }
    assert!(faulty.is_empty(), "{} of {rounds}:\n{}", faulty.len(), faulty.join("\n"));
}

/// A recorder starts on the damaged store, or refuses in words that name the file; what it records is there.
fn recorded_on(dir: &Path, hit: &Path) -> Result<(), String> {
    let (recording, history) = match open_for_recording(dir, about()) {
        Ok(opened) => opened,
        Err(error) if error.to_string().contains(&hit.display().to_string()) => return Ok(()),
        Err(OpenError::Newer { .. }) if hit.ends_with("store.json") => return Ok(()),
        Err(error) => return Err(format!("does not record: {error}")),
    };
    let (id, number) = recording.begin();
    let listed = history.list(&Query::default(), None, usize::MAX).map_err(|error| error.to_string())?.rows;
    if listed.iter().any(|row| row.number >= number) {
        return Err(format!("{number} is given again"));
    }
    let made = Exchange { id, number, ..exchange(number) };
    runtime().block_on(recording.append(made.clone())).map_err(|error| error.to_string())?;
    drop((recording, history));
    let history = open_for_reading(dir).map_err(|error| error.to_string())?;
    match history.get(number) {
        Ok(read) if read == made => Ok(()),
        Ok(_) => Err("what was recorded afterwards is another".into()),
        Err(error) => Err(format!("what was recorded afterwards is lost: {error}")),
    }
}
