//! What must hold of a page of the index, whatever bytes it consists of.

use std::collections::BTreeMap;

use super::db::{Meta, seal, unpack, unseal};
use super::{Filter, StoredRow, Summary, parse_ids, parse_rows, parts};
use crate::store::history::Query;

/// The bytes as they are, and as rows, summary, ids and head of an index with a checksum that holds.
///
/// # Panics
/// Rows that can be read cannot be written again, or their summary hides one of them.
pub fn page(bytes: &[u8]) {
    // By chance no checksum holds.
    drop(unseal(bytes));
    let sealed = seal(bytes);
    assert!(matches!(unseal(&sealed), Ok(plain) if plain == bytes));
    drop(unpack::<Meta>(&sealed));
    drop(unpack::<Summary>(&sealed));
    assert_eq!(parse_ids(bytes).count(), bytes.len() / 24);
    let Ok(rows) = parse_rows(bytes) else { return };
    let rows: BTreeMap<u64, StoredRow<'_>> = rows.into_iter().map(|row| (row.number, row)).collect();
    if rows.is_empty() {
        return;
    }
    let made = parts(0, rows.values().cloned().collect()).expect("rows make a page");
    let again = parse_rows(&made.rows).expect("a page that was written can be read");
    assert!(again.iter().eq(rows.values()), "a page reads back as it was");
    for row in rows.values() {
        let listed = row.to_row();
        let method = Some(listed.method.clone());
        let status = listed.status.map(|code| (code, code));
        let query =
            Query { method, status, session: Some(listed.session), since: Some(listed.started_at), ..Query::default() };
        let filter = Filter::new(&query).expect("no glob in it");
        assert!(!filter.matches(row) || filter.may_match(&made.summary), "the summary hides {}", row.number);
    }
}
