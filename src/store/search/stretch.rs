//! Records that lie near each other in a segment, read at once.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::store::current::View;
use crate::store::history::Row;
use crate::store::segment::{payload_at, read_payload};

/// Between records that are read together lie at most this many bytes.
const GAP: u64 = 16 << 10;
/// From the first of them to the last.
const SPAN: u64 = 1 << 20;
/// Bytes read behind the beginning of the last one: most records are shorter.
const LAST: u64 = 16 << 10;

/// Reads records of a view, stretch by stretch.
pub(super) struct Stretches<'v> {
    view: &'v View,
    bytes: Vec<u8>,
}

impl<'v> Stretches<'v> {
    pub(super) fn new(view: &'v View) -> Self {
        Stretches { view, bytes: Vec::new() }
    }

    /// The first rows of these, of which there is one at least, that lie together: how many, and their bytes.
    pub(super) fn read(&mut self, rows: &[Row]) -> (usize, Stretch<'_>) {
        let (count, from, to) = together(rows);
        let file = self.view.segment(rows[0].at.0).map_err(|error| error.to_string());
        // SPAN and LAST are far below 2^32.
        self.bytes.resize((to - from + LAST) as usize, 0);
        let read = file.as_ref().map_or(0, |file| read_up_to(file, &mut self.bytes, from));
        (count, Stretch { file, from, bytes: &self.bytes[..read] })
    }
}

/// How many of these rows lie together, and the offsets of the lowest and the highest of them. Newest first means mostly,
/// not always, that offsets fall.
fn together(rows: &[Row]) -> (usize, u64, u64) {
    let (segment, offset) = rows[0].at;
    let (mut from, mut to) = (offset, offset);
    for (count, row) in rows.iter().enumerate().skip(1) {
        let at = row.at.1;
        let is_near = at.saturating_add(GAP) >= from && at <= to.saturating_add(GAP);
        let (lowest, highest) = (from.min(at), to.max(at));
        if row.at.0 != segment || !is_near || highest - lowest > SPAN {
            return (count, from, to);
        }
        (from, to) = (lowest, highest);
    }
    (rows.len(), from, to)
}

/// Reads as much as can be read: what is missing is noticed where it is needed.
fn read_up_to(file: &File, into: &mut [u8], offset: u64) -> usize {
    let mut filled = 0;
    while filled < into.len() {
        match file.read_at(&mut into[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    filled
}

/// A part of a segment.
pub(super) struct Stretch<'b> {
    file: Result<Arc<File>, String>,
    from: u64,
    bytes: &'b [u8],
}

impl Stretch<'_> {
    /// The payload of a record; `apart` holds one that goes beyond the stretch.
    pub(super) fn payload<'p>(&'p self, row: &Row, apart: &'p mut Vec<u8>) -> Result<&'p [u8], String> {
        let offset = usize::try_from(row.at.1 - self.from).unwrap_or(usize::MAX);
        if let Some(payload) = payload_at(self.bytes, offset) {
            return Ok(payload);
        }
        // Longer than what was read, or damaged: this tells.
        *apart = read_payload(self.file.as_ref().map_err(Clone::clone)?, row.at.1)?;
        Ok(apart)
    }
}

/// The payload of one record.
pub(super) fn payload(view: &View, row: &Row) -> Result<Vec<u8>, String> {
    let file = view.segment(row.at.0).map_err(|error| error.to_string())?;
    read_payload(&file, row.at.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::index::row_of;
    use crate::store::testing::exchange;

    fn rows(at: &[(u32, u64)]) -> Vec<Row> {
        at.iter().map(|at| Row { at: *at, ..row_of(&exchange(1)) }).collect()
    }

    #[test]
    fn neighbours_are_read_together_within_bounds() {
        for (at, expected) in [
            (&[(1, 900), (1, 500), (1, 700), (1, 100)][..], (4, 100, 900)),
            (&[(2, 100), (1, 90_000)], (1, 100, 100)),
            (&[(1, 100_000), (1, 100)], (1, 100_000, 100_000)),
            (&[(1, 100), (1, 300), (1, 17_000)], (2, 100, 300)),
        ] {
            assert_eq!(together(&rows(at)), expected);
        }
        let dense: Vec<(u32, u64)> = (0..1000).rev().map(|place| (1, place * 10_000)).collect();
        let (count, from, to) = together(&rows(&dense));
        assert!(count == 105 && to - from <= SPAN, "{count} {from} {to}");
    }
}
