//! One file of the journal: a header, then records `length u32 | crc32c u32 | payload`, little-endian. The payload is
//! a kind, a format version, and the exchange in MessagePack with named members. Nothing here trusts what it reads.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::model::Exchange;

/// First bytes of every segment: a magic and the layout's version, padded to 16.
pub(super) const HEADER: &[u8; 16] = b"retake.journal\x00\x01";
/// Length and checksum before each payload.
pub(super) const FRAME: usize = 8;
/// No record is larger: two bodies of 64 KiB, two heads, trailers and chunk times are far below.
pub(super) const RECORD_MAX: usize = 16 << 20;
const FORMAT: u8 = 1;

/// What a record says of its exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is over.
    Exchange,
    /// Its response has begun and has no known length.
    Open,
    /// It was written `partial`, and this is the whole.
    Addendum,
    /// The same exchange with other tags, or another note.
    Label,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Kind::Exchange => 1,
            Kind::Open => 2,
            Kind::Addendum => 3,
            Kind::Label => 4,
        }
    }

    fn of(byte: u8) -> Option<Kind> {
        match byte {
            1 => Some(Kind::Exchange),
            2 => Some(Kind::Open),
            3 => Some(Kind::Addendum),
            4 => Some(Kind::Label),
            _ => None,
        }
    }
}

/// Encodes one record, frame included.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] when it would be larger than [`RECORD_MAX`].
pub(super) fn encode(kind: Kind, exchange: &Exchange) -> io::Result<Vec<u8>> {
    let mut record = Vec::with_capacity(2048);
    record.extend_from_slice(&[0; FRAME]);
    record.extend_from_slice(&[kind.byte(), FORMAT]);
    rmp_serde::encode::write_named(&mut record, exchange).map_err(io::Error::other)?;
    let length = record.len() - FRAME;
    if length > RECORD_MAX {
        let message = format!("the record of exchange {} has {length} bytes, over {RECORD_MAX}", exchange.number);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    // RECORD_MAX is far below 2^32.
    record[..4].copy_from_slice(&(length as u32).to_le_bytes());
    let checksum = crc32c::crc32c(&record[FRAME..]);
    record[4..FRAME].copy_from_slice(&checksum.to_le_bytes());
    Ok(record)
}

/// Decodes a payload whose checksum held.
pub(super) fn decode(payload: &[u8]) -> Result<(Kind, Exchange), String> {
    let (kind, exchange) = content(payload)?;
    let exchange = rmp_serde::from_slice(exchange).map_err(|error| error.to_string())?;
    Ok((kind, exchange))
}

/// The kind of a payload, and the exchange in it as MessagePack.
pub(super) fn content(payload: &[u8]) -> Result<(Kind, &[u8]), String> {
    let [kind, format, rest @ ..] = payload else { return Err("it is too short".into()) };
    let kind = Kind::of(*kind).ok_or_else(|| format!("kind {kind} is not known"))?;
    if *format != FORMAT {
        return Err(format!("format {format} is not known to this version of retake"));
    }
    Ok((kind, rest))
}

/// The payload of the record that starts at `offset`, if there is a whole and undamaged one.
pub(super) fn payload_at(bytes: &[u8], offset: usize) -> Option<&[u8]> {
    let frame = bytes.get(offset..offset.checked_add(FRAME)?)?;
    let length = u32::from_le_bytes(frame[..4].try_into().ok()?) as usize;
    let checksum = u32::from_le_bytes(frame[4..].try_into().ok()?);
    let start = offset + FRAME;
    if !(2..=RECORD_MAX).contains(&length) {
        return None;
    }
    let payload = bytes.get(start..start.checked_add(length)?)?;
    // The kind is looked at first: it keeps the search for the next record from hashing megabytes at every byte.
    Kind::of(payload[0])?;
    (crc32c::crc32c(payload) == checksum).then_some(payload)
}

/// What a scan finds, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A record whose checksum holds: where its frame starts, and the payload.
    Record { offset: usize, payload: &'a [u8] },
    /// Bytes that are no record, with records after them.
    Damage(Range<usize>),
    /// Bytes at the end that are no whole record: a write that did not finish.
    Torn(Range<usize>),
}

/// Walks the records in the bytes of a segment behind its header; damage is stepped over by looking for the next record.
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Scan { bytes, offset: 0 }
    }

    /// Where the next record begins that can be read, if any: at the end that the damaged one claims, else anywhere.
    fn resync(&self) -> Option<usize> {
        let claimed = self.bytes.get(self.offset..self.offset + 4).and_then(|length| {
            let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
            self.offset.checked_add(FRAME)?.checked_add(length)
        });
        if let Some(next) = claimed.filter(|&next| payload_at(self.bytes, next).is_some()) {
            return Some(next);
        }
        (self.offset + 1..self.bytes.len().saturating_sub(FRAME)).find(|&at| {
            // Cheap tests before the checksum: kind, format, and the first byte of a MessagePack map.
            matches!(self.bytes.get(at + FRAME..at + FRAME + 3), Some([1..=4, FORMAT, 0x80..=0x8f | 0xde | 0xdf]))
                && payload_at(self.bytes, at).is_some()
        })
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        let offset = self.offset;
        if offset >= self.bytes.len() {
            return None;
        }
        if let Some(payload) = payload_at(self.bytes, offset) {
            self.offset = offset + FRAME + payload.len();
            return Some(Found::Record { offset, payload });
        }
        match self.resync() {
            Some(next) => {
                self.offset = next;
                Some(Found::Damage(offset..next))
            }
            None => {
                self.offset = self.bytes.len();
                Some(Found::Torn(offset..self.bytes.len()))
            }
        }
    }
}

/// Reads the one record at `offset` of an open segment.
pub(super) fn read_record(file: &File, offset: u64) -> Result<(Kind, Exchange), String> {
    decode(&read_payload(file, offset)?)
}

/// Reads the payload of the record at `offset` of an open segment.
pub(super) fn read_payload(file: &File, offset: u64) -> Result<Vec<u8>, String> {
    let mut frame = [0; FRAME];
    file.read_exact_at(&mut frame, offset).map_err(|error| error.to_string())?;
    let length = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
    let checksum = u32::from_le_bytes([frame[4], frame[5], frame[6], frame[7]]);
    if !(2..=RECORD_MAX).contains(&length) {
        return Err(format!("its length cannot be {length}"));
    }
    let mut payload = vec![0; length];
    file.read_exact_at(&mut payload, offset + FRAME as u64).map_err(|error| error.to_string())?;
    if crc32c::crc32c(&payload) != checksum {
        return Err("its checksum does not hold".into());
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::testing::exchange;

    fn segment(count: u64) -> (Vec<u8>, Vec<Range<usize>>) {
        let mut bytes = Vec::new();
        let mut ranges = Vec::new();
        for number in 1..=count {
            let start = bytes.len();
            bytes.extend(encode(Kind::Exchange, &exchange(number)).unwrap());
            ranges.push(start..bytes.len());
        }
        (bytes, ranges)
    }

    fn numbers(bytes: &[u8]) -> Vec<u64> {
        Scan::new(bytes)
            .filter_map(|found| match found {
                Found::Record { payload, .. } => decode(payload).ok().map(|(_, exchange)| exchange.number),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_record_reads_back_as_it_was() {
        for kind in [Kind::Exchange, Kind::Open, Kind::Addendum, Kind::Label] {
            let record = encode(kind, &exchange(7)).unwrap();
            assert_eq!(decode(&record[FRAME..]).unwrap(), (kind, exchange(7)));
        }
    }

    #[test]
    fn a_tail_torn_at_any_byte_loses_only_itself() {
        let (bytes, ranges) = segment(3);
        for cut in ranges[2].clone() {
            let found: Vec<_> = Scan::new(&bytes[..cut]).collect();
            assert_eq!(numbers(&bytes[..cut]), [1, 2], "cut at {cut}");
            let torn = cut > ranges[2].start;
            assert_eq!(matches!(found.last(), Some(Found::Torn(range)) if range.start == ranges[2].start), torn);
        }
    }

    proptest! {
        #[test]
        fn one_flipped_byte_costs_one_record_at_most(at in any::<usize>(), flip in 1u8..=255) {
            let (mut bytes, ranges) = segment(6);
            let at = at % bytes.len();
            bytes[at] ^= flip;
            let expected: Vec<u64> =
                (1..=6u64).filter(|number| !ranges[*number as usize - 1].contains(&at)).collect();
            prop_assert_eq!(numbers(&bytes), expected);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let covered: usize = Scan::new(&bytes).map(|found| match found {
                Found::Record { payload, .. } => payload.len() + FRAME,
                Found::Damage(range) | Found::Torn(range) => range.len(),
            }).sum();
            prop_assert_eq!(covered, bytes.len());
        }
    }
}
