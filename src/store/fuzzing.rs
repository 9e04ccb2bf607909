//! What must hold of the bytes of a segment, whatever they are.

pub use super::index::fuzzing::page;
use super::index::{StoredRow, row_of};
use super::segment::{self, FRAME, Found, Kind, Scan};
use super::testing::exchange;

/// Bytes behind the header of a segment: all are accounted for, once and in order, and what a record says can be written
/// again. Then the same bytes as one record whose checksum holds, which no chance gives.
///
/// # Panics
/// Something of this does not hold.
pub fn journal(bytes: &[u8]) {
    let mut at = 0;
    for found in Scan::new(bytes) {
        let range = match found {
            Found::Record { offset, payload } => {
                record(payload);
                offset..offset + FRAME + payload.len()
            }
            Found::Damage(range) | Found::Torn(range) => range,
        };
        assert!(range.start == at && range.end > at, "{range:?} follows {at}");
        at = range.end;
    }
    assert_eq!(at, bytes.len(), "bytes that nobody looked at");
    record(bytes);
}

fn record(payload: &[u8]) {
    let Ok((kind, exchange)) = segment::decode(payload) else { return };
    let written = segment::encode(kind, &exchange).expect("what was read can be written");
    let [Found::Record { offset: 0, payload }] = Scan::new(&written).collect::<Vec<_>>()[..] else {
        panic!("a record is found as one")
    };
    assert!(segment::decode(payload) == Ok((kind, exchange.clone())), "a record reads back as it was");
    let row = row_of(&exchange);
    let listed = StoredRow::of(&row).to_row();
    assert_eq!((listed.number, &listed.target, listed.status), (row.number, &row.target, row.status));
}

/// Segments to begin with: records of all kinds.
pub fn segments() -> Vec<Vec<u8>> {
    let kinds = [Kind::Exchange, Kind::Open, Kind::Addendum, Kind::Label];
    let one = |(kind, number)| segment::encode(kind, &exchange(number)).unwrap_or_default();
    let records: Vec<Vec<u8>> = kinds.into_iter().zip(7..).map(one).collect();
    let payloads = records.iter().map(|record| record[FRAME..].to_vec());
    payloads.chain([records.concat()]).collect()
}

/// Pages of the index to begin with.
pub fn pages() -> Vec<Vec<u8>> {
    let rows: Vec<_> = (1..4).map(|number| row_of(&exchange(number))).collect();
    let rows: Vec<_> = rows.iter().map(StoredRow::of).collect();
    let summary = super::index::Summary::of(&rows);
    [rmp_serde::to_vec(&rows), rmp_serde::to_vec(&summary)].into_iter().flatten().collect()
}
