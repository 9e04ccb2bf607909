//! The index over the journal: pages of rows with summaries in sled, and the newest rows in memory.
//!
//! Page N holds the numbers from 128·N to 128·N+127, so that a late exchange finds its page without a search and no
//! page is ever split. Rows enter the tail when their record is in the journal; from there they go into pages in
//! batches of about a thousand, each together with the place up to which the journal has been applied. The tail wins
//! over a page: an addendum is seen at once.

mod db;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod pages;
mod recorded;
mod row;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

#[cfg(test)]
pub(super) use self::db::forge_version;
use self::db::{Db, DbError, Meta, PageParts, unpressed};
use self::pages::{Group, Groups, Names, group_of};
pub(super) use self::recorded::{Line, recorded_row};
pub(super) use self::row::{StoredRow, Summary, class_bit, moment, row_of};
pub(super) use self::words::literals;
use super::filter::Filter;
use super::history::Row;
use super::segment::Kind;
use crate::model::ExchangeId;

/// Numbers per page.
const PAGE: u64 = 128;
/// The tail goes into pages when it has this many rows.
pub(super) const FLUSH_ROWS: usize = 1024;
/// Above this the journal waits for the index, a second at most.
const SLACK_ROWS: usize = 32 * 1024;
/// With a failed index the tail takes no more rows than this: they are in the journal, and seen after a restart.
const TAIL_ROWS_MAX: usize = 100_000;

/// A place in the journal: segment and offset.
pub(super) type Position = (u32, u64);

/// One record as the index sees it.
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) row: Row,
}

/// Why the index could not answer or be opened.
#[derive(Debug)]
pub(super) enum IndexError {
    /// It is damaged, foreign, or contradicts itself: rebuild it.
    Damaged(String),
    /// Nothing is wrong with it, but it cannot be used now: another process has it, or the disk is full.
    Unavailable(String),
}

impl From<DbError> for IndexError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Busy => IndexError::Unavailable("another process has the index open".into()),
            DbError::Full => IndexError::Unavailable("the disk is full".into()),
            DbError::Failed(words) => IndexError::Damaged(words),
        }
    }
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (IndexError::Damaged(words) | IndexError::Unavailable(words)) = self;
        f.write_str(words)
    }
}

#[derive(Default)]
struct Tail {
    rows: BTreeMap<u64, Arc<Row>>,
    open: HashMap<ExchangeId, (u64, Position)>,
    applied: Position,
    highest: u64,
    failed: Option<String>,
    closing: bool,
}

/// A page that was read.
struct Asked {
    packed: Vec<u8>,
    rows: Vec<Row>,
}

/// The index. Shared by the journal's thread, the index's thread and the readers.
pub(super) struct Index {
    tail: Mutex<Tail>,
    wake: Condvar,
    groups: RwLock<Groups>,
    names: Names,
    /// The page of the row that was asked for last: who reads one exchange after the other asks for the next one.
    asked: Mutex<Option<Asked>>,
    /// None where sled cannot write: then all rows stay in memory.
    db: Option<Db>,
    store: String,
}

impl Index {
    /// Opens the index of the store with this id.
    ///
    /// # Errors
    /// It is damaged, belongs to another store, or contradicts itself: it must be rebuilt.
    pub(super) fn open(path: &Path, store: &str) -> Result<Index, IndexError> {
        let db = Db::open(path)?;
        let mut tail = Tail::default();
        let mut groups = BTreeMap::new();
        if let Some(meta) = db.meta()? {
            if meta.store != store {
                return Err(IndexError::Damaged("it belongs to another store".into()));
            }
            let known = |(number, pages, rows): (u64, u32, u32)| (number, Arc::new(Group::known(pages, rows)));
            groups = meta.groups.into_iter().map(known).collect();
            tail.applied = meta.applied;
            tail.highest = meta.highest;
            tail.open = meta.open.into_iter().map(|(id, number, at)| (id, (number, at))).collect();
        }
        Ok(Index::new(Some(db), tail, Arc::new(groups), store))
    }

    /// An index in memory only, for a store that cannot be written.
    pub(super) fn in_memory() -> Index {
        Index::new(None, Tail::default(), Groups::default(), "")
    }

    fn new(db: Option<Db>, tail: Tail, groups: Groups, store: &str) -> Index {
        let (tail, groups) = (Mutex::new(tail), RwLock::new(groups));
        let (names, asked) = (Names::default(), Mutex::default());
        Index { tail, wake: Condvar::new(), groups, names, asked, db, store: store.to_owned() }
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn groups(&self) -> Groups {
        self.groups.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Up to where the journal has been applied, the tail included.
    pub(super) fn applied(&self) -> Position {
        self.tail().applied
    }

    /// The highest number seen.
    pub(super) fn highest(&self) -> u64 {
        self.tail().highest
    }

    /// Numbers up to this one were given, even if their exchanges are gone.
    pub(super) fn raise_highest(&self, number: u64) {
        let mut tail = self.tail();
        tail.highest = tail.highest.max(number);
    }

    /// How many exchanges are in its pages.
    pub(super) fn paged(&self) -> u64 {
        pages::rows(&self.groups())
    }

    /// The store that it belongs to.
    pub(super) fn store(&self) -> &str {
        &self.store
    }

    /// Why the index stopped taking rows, if it did.
    pub(super) fn failed(&self) -> Option<String> {
        self.tail().failed.clone()
    }

    /// The `open` records that no final one has followed: id, number, place.
    pub(super) fn open_records(&self) -> Vec<(ExchangeId, u64, Position)> {
        let mut open: Vec<_> = self.tail().open.iter().map(|(id, (number, at))| (*id, *number, *at)).collect();
        open.sort_unstable_by_key(|(_, number, _)| *number);
        open
    }

    /// Takes the records up to `end`, in the order of the journal.
    pub(super) fn apply(&self, entries: Vec<Entry>, end: Position) {
        let mut tail = self.tail();
        for Entry { kind, row } in entries {
            tail.highest = tail.highest.max(row.number);
            if kind == Kind::Open {
                tail.open.insert(row.id, (row.number, row.at));
                continue;
            }
            tail.open.remove(&row.id);
            if tail.failed.is_none() || tail.rows.len() < TAIL_ROWS_MAX {
                tail.rows.insert(row.number, Arc::new(row));
            }
        }
        tail.applied = end;
        if tail.rows.len() >= FLUSH_ROWS {
            self.wake.notify_all();
        }
    }

    /// Shows an `open` record as the row it is listed by, without writing anything.
    pub(super) fn show_open(&self, row: Row) {
        let mut tail = self.tail();
        tail.rows.insert(row.number, Arc::new(row));
    }

    /// How many rows wait for their page.
    pub(super) fn waiting(&self) -> usize {
        self.tail().rows.len()
    }

    /// Waits while the index is far behind, a second at most: the journal's only way of slowing down.
    pub(super) fn wait_for_slack(&self) {
        let behind = |tail: &mut Tail| tail.rows.len() > SLACK_ROWS && tail.failed.is_none() && !tail.closing;
        let tail = self.tail();
        drop(self.wake.wait_timeout_while(tail, Duration::from_secs(1), behind));
    }

    /// The work of the index's thread: pages as rows come, until [`Index::close`]; then the rest.
    pub(super) fn run(&self) {
        loop {
            let idle = |tail: &mut Tail| !tail.closing && (tail.rows.len() < FLUSH_ROWS || tail.failed.is_some());
            let tail = self.wake.wait_while(self.tail(), idle).unwrap_or_else(PoisonError::into_inner);
            let (closing, failed) = (tail.closing, tail.failed.is_some());
            drop(tail);
            if !failed && let Err(error) = self.flush() {
                tracing::error!("the index of the history failed: {error}");
                self.tail().failed = Some(error.to_string());
            }
            self.wake.notify_all();
            if closing {
                return;
            }
        }
    }

    /// Ends [`Index::run`].
    pub(super) fn close(&self) {
        self.tail().closing = true;
        self.wake.notify_all();
    }

    /// As [`Index::put_away`], and waits until it is written.
    pub(super) fn flush(&self) -> Result<(), IndexError> {
        self.put_away()?;
        self.db.as_ref().map_or(Ok(()), Db::flush).map_err(IndexError::from)
    }

    /// Puts the whole tail into pages, in one batch with the place in the journal. Without sled nothing is done.
    pub(super) fn put_away(&self) -> Result<(), IndexError> {
        let Some(db) = &self.db else { return Ok(()) };
        let (rows, mut meta) = {
            let tail = self.tail();
            let open = tail.open.iter().map(|(id, (number, at))| (*id, *number, *at)).collect();
            let (applied, highest) = (tail.applied, tail.highest);
            let meta = Meta { store: self.store.clone(), applied, highest, groups: Vec::new(), open };
            (tail.rows.clone(), meta)
        };
        let mut by_page: BTreeMap<u64, Vec<&Row>> = BTreeMap::new();
        for row in rows.values() {
            by_page.entry(row.number / PAGE).or_default().push(row);
        }
        // Only this writes groups: what is there now stays until the end.
        let groups = self.groups();
        let pages = by_page.into_iter().map(|(page, rows)| merged(db, page, pages::has(&groups, page), &rows));
        let pages = pages.collect::<Result<Vec<_>, IndexError>>()?;
        let mut changed: BTreeMap<u64, Arc<Group>> = BTreeMap::new();
        for of_group in pages.chunk_by(|a, b| group_of(a.page) == group_of(b.page)) {
            let number = group_of(of_group[0].page);
            let before = groups.get(&number).cloned().unwrap_or_else(|| Arc::new(Group::known(0, 0)));
            let new = of_group.iter().map(|parts| (parts.page, parts.summary.clone()));
            changed.insert(number, Arc::new(before.with(number, new, db, &self.names)?));
        }
        let all = groups.iter().chain(&changed).map(|(number, group)| (*number, group.known_by()));
        let all: BTreeMap<u64, (u32, u32)> = all.collect();
        meta.groups = all.into_iter().map(|(number, (pages, rows))| (number, pages, rows)).collect();
        db.write(&pages, &changed, &meta)?;
        drop(groups);
        Arc::make_mut(&mut *self.groups.write().unwrap_or_else(PoisonError::into_inner)).extend(changed);
        let mut tail = self.tail();
        for (number, row) in rows {
            // A row replaced meanwhile stays for the next batch.
            if tail.rows.get(&number).is_some_and(|current| Arc::ptr_eq(current, &row)) {
                tail.rows.remove(&number);
            }
        }
        Ok(())
    }

    /// Tail and pages, taken in the order that lets no row slip between them: a row leaves the tail only after its page
    /// is there.
    fn snapshot(&self) -> (BTreeMap<u64, Arc<Row>>, Groups) {
        let tail = self.tail().rows.clone();
        (tail, self.groups())
    }

    /// Visits the rows below `before` that pass, highest number first, until told to stop.
    pub(super) fn scan(
        &self,
        filter: &Filter,
        before: u64,
        mut visit: impl FnMut(&StoredRow<'_>) -> ControlFlow<()>,
    ) -> Result<(), IndexError> {
        self.walk(filter, before, None, &mut visit)
    }

    /// As [`Index::scan`], but a page of which every row would be visited is shown to `sum` first: when that says so,
    /// the summary was enough, and the page is not read.
    pub(super) fn scan_pages(
        &self,
        filter: &Filter,
        mut sum: impl FnMut(&Summary) -> bool,
        mut visit: impl FnMut(&StoredRow<'_>) -> ControlFlow<()>,
    ) -> Result<(), IndexError> {
        self.walk(filter, u64::MAX, Some(&mut sum), &mut visit)
    }

    fn walk(
        &self,
        filter: &Filter,
        before: u64,
        mut sum: Option<&mut dyn FnMut(&Summary) -> bool>,
        visit: &mut dyn FnMut(&StoredRow<'_>) -> ControlFlow<()>,
    ) -> Result<(), IndexError> {
        let (tail, groups) = self.snapshot();
        let Some(highest) = before.checked_sub(1) else { return Ok(()) };
        let mut below = highest / PAGE + 1;
        loop {
            let paged = pages::last_below(&groups, below);
            let unpaged = tail.range(..below.saturating_mul(PAGE).min(before)).next_back().map(|(n, _)| n / PAGE);
            let Some(page) = paged.max(unpaged) else { return Ok(()) };
            below = page;
            let newest: BTreeMap<u64, &Row> =
                tail.range(page * PAGE..=(page * PAGE + PAGE - 1).min(highest)).map(|(n, row)| (*n, &**row)).collect();
            let mut rows = Vec::new();
            let bytes;
            if let Some(db) = self.db.as_ref().filter(|_| paged == Some(page)) {
                // Summaries are read only where they can spare the reading of rows.
                let is_asked = sum.is_some() || !filter.takes_all();
                let summary = if is_asked { pages::summary(&groups, page, db, &self.names)? } else { None };
                let is_whole =
                    |summary: &Summary| newest.is_empty() && filter.takes_all() && summary.numbers.1 <= highest;
                if let (Some(summary), Some(sum)) = (summary.filter(|summary| is_whole(summary)), &mut sum)
                    && sum(summary)
                {
                    continue;
                }
                if summary.is_none_or(|summary| filter.may_match(summary)) {
                    bytes = db.rows(page)?;
                    rows = parse_rows(&bytes)?;
                }
            }
            rows.retain(|row| row.number <= highest && !newest.contains_key(&row.number));
            rows.extend(newest.values().map(|row| StoredRow::of(row)));
            rows.retain(|row| filter.matches(row));
            rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.number));
            for row in &rows {
                if visit(row).is_break() {
                    return Ok(());
                }
            }
        }
    }

    /// The row of a number.
    pub(super) fn row(&self, number: u64) -> Result<Option<Row>, IndexError> {
        if let Some(row) = self.tail().rows.get(&number) {
            return Ok(Some(Row::clone(row)));
        }
        let (Some(db), true) = (&self.db, pages::has(&self.groups(), number / PAGE)) else { return Ok(None) };
        let packed = db.packed_rows(number / PAGE)?;
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        // A page is what its bytes say, whatever was written since.
        let known = asked.take().filter(|known| known.packed == packed);
        let known = match known {
            Some(known) => known,
            None => {
                let rows = parse_rows(&unpressed(&packed)?)?.iter().map(StoredRow::to_row).collect();
                Asked { packed, rows }
            }
        };
        let row = known.rows.iter().find(|row| row.number == number).cloned();
        *asked = Some(known);
        Ok(row)
    }

    /// Numbers and ids of the exchanges whose id, taken as a number, equals `value` in the bits of `mask`.
    pub(super) fn ids(&self, value: u128, mask: u128) -> Result<Vec<(u64, ExchangeId)>, IndexError> {
        let (tail, groups) = self.snapshot();
        let fits = |id: u128| id & mask == value & mask;
        let mut found = BTreeMap::new();
        if let Some(db) = &self.db {
            for (page, summary) in pages::all(&groups, db, &self.names)? {
                let range =
                    u128::from_be_bytes(summary.ids.0.into_array())..=u128::from_be_bytes(summary.ids.1.into_array());
                if mask == u128::MAX && !range.contains(&value) {
                    continue;
                }
                for (number, id) in parse_ids(&db.ids(page)?).filter(|(_, id)| fits(*id)) {
                    found.insert(number, ExchangeId(uuid::Uuid::from_u128(id)));
                }
            }
        }
        let newest = tail.values().filter(|row| fits(row.id.0.as_u128()));
        found.extend(newest.map(|row| (row.number, row.id)));
        Ok(found.into_iter().collect())
    }
}

/// A page with the rows that are new to it.
fn merged(db: &Db, page: u64, known: bool, new: &[&Row]) -> Result<PageParts, IndexError> {
    let bytes = if known { Some(db.rows(page)?) } else { None };
    let old = bytes.as_deref().map(parse_rows).transpose()?.unwrap_or_default();
    let mut rows: BTreeMap<u64, StoredRow<'_>> = old.into_iter().map(|row| (row.number, row)).collect();
    rows.extend(new.iter().map(|row| (row.number, StoredRow::of(row))));
    parts(page, rows.into_values().collect())
}

/// A page of these rows, ascending.
fn parts(page: u64, rows: Vec<StoredRow<'_>>) -> Result<PageParts, IndexError> {
    let summary = Summary::of(&rows).ok_or_else(|| IndexError::Damaged("a page without rows".into()))?;
    let ids = rows.iter().flat_map(|row| row.number.to_be_bytes().into_iter().chain(row.id.into_array())).collect();
    let rows = rmp_serde::to_vec(&rows).map_err(|error| IndexError::Damaged(error.to_string()))?;
    Ok(PageParts { page, rows, ids, summary: Arc::new(summary) })
}

fn parse_rows(bytes: &[u8]) -> Result<Vec<StoredRow<'_>>, IndexError> {
    rmp_serde::from_slice(bytes).map_err(|error| IndexError::Damaged(format!("a page cannot be read: {error}")))
}

fn parse_ids(bytes: &[u8]) -> impl Iterator<Item = (u64, u128)> {
    bytes.chunks_exact(24).map(|entry| {
        let (number, id) = entry.split_at(8);
        let number = number.try_into().map(u64::from_be_bytes).unwrap_or_default();
        (number, id.try_into().map(u128::from_be_bytes).unwrap_or_default())
    })
}
