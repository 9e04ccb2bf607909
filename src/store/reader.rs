//! The history as the disk gives it: rows from the index, exchanges from the journal, bodies from their files.

use std::fs::File;
use std::io::{self, Cursor, Read, Take};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use jiff::tz::TimeZone;

use super::blobs::hash_file;
use super::current::Current;
use super::days::Days;
use super::edit::Journal;
use super::filter::Filter;
use super::history::{Edit, EditReport, Found, Group, History, HistoryError, Page, Pattern, Query, Row, Usage};
use super::index::{Index, IndexError, StoredRow, Summary};
use super::layout::Layout;
use super::lock::Lock;
use super::search::Searches;
use super::segment::Kind;
use crate::model::{Body, BodyContent, BodyEnd, ContentHash, Exchange, ExchangeId, Outcome};

/// The ending of an id must have at least this many characters.
const SUFFIX_MIN: usize = 6;
/// An ambiguous ending names at most this many candidates.
const CANDIDATES_MAX: usize = 10;

/// The history of a store in this process.
pub(super) struct DiskHistory {
    pub(super) layout: Arc<Layout>,
    current: Arc<Current>,
    /// How the journal is written.
    pub(super) journal: Mutex<Journal>,
    /// One edit at a time.
    pub(super) editing: Mutex<()>,
    /// What searches leave for their next piece.
    pub(super) searches: Searches,
    repairs: Vec<String>,
    /// None where the store cannot be written, and so not be locked.
    _lock: Option<Lock>,
}

impl DiskHistory {
    pub(super) fn new(
        layout: Arc<Layout>,
        index: Arc<Index>,
        journal: Journal,
        repairs: Vec<String>,
        lock: Option<Lock>,
    ) -> Self {
        let current = Arc::new(Current::new(layout.clone(), index));
        let (journal, editing) = (Mutex::new(journal), Mutex::default());
        DiskHistory { layout, current, journal, editing, searches: Searches::default(), repairs, _lock: lock }
    }

    pub(super) fn current(&self) -> &Arc<Current> {
        &self.current
    }

    pub(super) fn index(&self) -> Arc<Index> {
        self.current.index()
    }

    /// Notes that a damaged index must be rebuilt at the next start, and words the error.
    pub(super) fn failed(&self, error: IndexError) -> HistoryError {
        let IndexError::Damaged(cause) = error else { return io::Error::other(error.to_string()).into() };
        let noted = super::layout::replace_file(&self.layout.index_suspect(), cause.as_bytes()).is_ok();
        let cure = if noted { "the next command rebuilds it from the journal" } else { "remove it to have it rebuilt" };
        let index = self.layout.index();
        HistoryError::Damaged(format!("the index {} is damaged ({cause}); nothing is lost: {cure}", index.display()))
    }

    /// The exchange of a row. An edit may have moved it since the row was read: then it is looked up once more.
    pub(super) fn exchange(&self, row: &Row) -> Result<Exchange, HistoryError> {
        let read = self.current.view().read(row).or_else(|cause| {
            let view = self.current.view();
            match view.index.row(row.number).map_err(|error| self.failed(error))? {
                None => Err(HistoryError::Unknown(row.number.to_string())),
                Some(moved) if moved.at != row.at => view.read(&moved).map_err(|cause| self.unreadable(&moved, &cause)),
                Some(_) => Err(self.unreadable(row, &cause)),
            }
        });
        let (kind, exchange) = read?;
        Ok(if kind == Kind::Open { interrupted(&self.layout, exchange) } else { exchange })
    }

    /// The error for a record that cannot be read.
    pub(super) fn unreadable(&self, row: &Row, cause: &str) -> HistoryError {
        let (path, offset) = (self.layout.segment(row.at.0), row.at.1);
        let number = row.number;
        HistoryError::Damaged(format!(
            "exchange {number} cannot be read from {}, byte {offset}: {cause}",
            path.display()
        ))
    }

    fn one_of(&self, given: &str, value: u128, mask: u128) -> Result<Vec<u64>, HistoryError> {
        let found = self.index().ids(value, mask).map_err(|error| self.failed(error))?;
        match found.as_slice() {
            [] => Err(HistoryError::Unknown(given.to_owned())),
            [(number, _)] => Ok(vec![*number]),
            several => {
                let name = |(number, id): &(u64, _)| format!("{number} ({id})");
                let mut candidates: Vec<_> = several.iter().take(CANDIDATES_MAX).map(name).collect();
                if several.len() > CANDIDATES_MAX {
                    candidates.push(format!("{} more", several.len() - CANDIDATES_MAX));
                }
                Err(HistoryError::Ambiguous { given: given.to_owned(), candidates })
            }
        }
    }
}

/// An exchange of which only the `open` record was written: what the client had is in the stream file.
pub(super) fn interrupted(layout: &Layout, mut exchange: Exchange) -> Exchange {
    if let Some(response) = exchange.outcome.response_mut() {
        response.body.end = BodyEnd::Cancelled;
        if let Ok((hash, size)) = hash_file(&layout.stream(exchange.id)) {
            let wire_size = response.body.wire_size.max(size);
            response.body =
                Body { content: BodyContent::Stream, size, wire_size, hash, end: BodyEnd::Cancelled, ..Body::empty() };
        }
    }
    exchange.outcome = Outcome::Interrupted(exchange.outcome.response().cloned());
    exchange
}

impl History for DiskHistory {
    fn list(&self, query: &Query, before: Option<u64>, limit: usize) -> Result<Page, HistoryError> {
        let filter = Filter::new(query)?;
        let mut page = Page::default();
        let visit = |row: &StoredRow<'_>| {
            if page.rows.len() < limit {
                page.rows.push(row.to_row());
                return ControlFlow::Continue(());
            }
            // There is one more: so there is a next page, and it begins below the last row of this one.
            page.next = page.rows.last().map(|last| last.number);
            ControlFlow::Break(())
        };
        self.index().scan(&filter, before.unwrap_or(u64::MAX), visit).map_err(|error| self.failed(error))?;
        Ok(page)
    }

    fn days(&self, query: &Query, zone: &TimeZone) -> Result<Vec<Group>, HistoryError> {
        let filter = Filter::new(query)?;
        let days = std::cell::RefCell::new(Days::new(zone));
        let visit = |row: &StoredRow<'_>| {
            days.borrow_mut().add(row.started_us, (row.started_us, row.started_us), 1, [(row.host, 1)]);
            ControlFlow::Continue(())
        };
        let sum = |page: &Summary| {
            let mut days = days.borrow_mut();
            let is_one = days.same(page.started_us);
            if is_one {
                let hosts = page.hosts.iter().map(|(host, count)| (&**host, u64::from(*count)));
                days.add(page.started_us.0, page.started_us, page.rows.into(), hosts);
            }
            is_one
        };
        self.index().scan_pages(&filter, sum, visit).map_err(|error| self.failed(error))?;
        Ok(days.into_inner().groups())
    }

    fn get(&self, number: u64) -> Result<Exchange, HistoryError> {
        let row = self.index().row(number).map_err(|error| self.failed(error))?;
        self.exchange(&row.ok_or_else(|| HistoryError::Unknown(number.to_string()))?)
    }

    fn resolve(&self, selector: &str) -> Result<Vec<u64>, HistoryError> {
        let unknown = || HistoryError::Unknown(selector.to_owned());
        match Selector::parse(selector).ok_or_else(|| HistoryError::BadSelector(selector.to_owned()))? {
            Selector::Number { number, suffix } => {
                let known = self.index().row(number).map_err(|error| self.failed(error))?;
                match (known, suffix) {
                    (Some(row), _) => Ok(vec![row.number]),
                    (None, Some((value, mask))) => self.one_of(selector, value, mask),
                    (None, None) => Err(unknown()),
                }
            }
            Selector::Range(from, to) => {
                let filter = Filter::new(&Query { numbers: vec![(from, to)], ..Query::default() })?;
                let mut numbers = Vec::new();
                let visit = |row: &StoredRow<'_>| {
                    numbers.push(row.number);
                    ControlFlow::Continue(())
                };
                self.index().scan(&filter, to.saturating_add(1), visit).map_err(|error| self.failed(error))?;
                numbers.reverse();
                if numbers.is_empty() { Err(unknown()) } else { Ok(numbers) }
            }
            Selector::Id { value, mask } => self.one_of(selector, value, mask),
        }
    }

    fn repairs(&self) -> Vec<String> {
        self.repairs.clone()
    }

    fn body(&self, exchange: &Exchange, body: &Body) -> Result<Box<dyn Read + Send>, HistoryError> {
        let named = match &body.content {
            BodyContent::Inline(bytes) => return Ok(Box::new(Cursor::new(bytes.clone()))),
            BodyContent::Blob => BodyFile::Blob(body.hash),
            BodyContent::Stream => BodyFile::Stream(exchange.id),
        };
        Ok(Box::new(named.open(&self.layout, exchange.number, body.size)?))
    }

    fn search(
        &self,
        query: &Query,
        pattern: &Pattern,
        before: Option<u64>,
        limit: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<Found, HistoryError> {
        super::search::run(self, &super::search::Ask { query, pattern, before, limit, stop })
    }

    fn usage(&self) -> Result<Usage, HistoryError> {
        super::edit::usage::of(&self.layout, &self.index()).map_err(|error| self.failed(error))
    }

    fn edit(&self, edit: &Edit) -> Result<EditReport, HistoryError> {
        super::edit::run(self, edit)
    }

    fn import_body(&self, content: &mut dyn Read, end: BodyEnd) -> Result<Body, HistoryError> {
        super::edit::import::body(self, content, end)
    }

    fn import(&self, exchange: Exchange) -> Result<Option<u64>, HistoryError> {
        super::edit::import::exchange(self, exchange)
    }

    fn sync(&self) -> Result<(), HistoryError> {
        super::edit::import::sync(self)
    }
}

/// A body that is not in the record.
pub(super) enum BodyFile {
    /// Among the blobs.
    Blob(ContentHash),
    /// Among the streams.
    Stream(ExchangeId),
}

impl BodyFile {
    /// Opens the file of a body of `size` bytes.
    pub(super) fn open(&self, layout: &Layout, number: u64, size: u64) -> Result<Take<File>, HistoryError> {
        let path = match self {
            BodyFile::Blob(hash) => layout.blob(*hash),
            BodyFile::Stream(id) => layout.stream(*id),
        };
        let damaged = |cause: &str| {
            let path = path.display();
            HistoryError::Damaged(format!("a body of exchange {number} cannot be read from {path}: {cause}"))
        };
        let file = File::open(&path).map_err(|error| damaged(&error.to_string()))?;
        let found = file.metadata().map_err(|error| damaged(&error.to_string()))?.len();
        if found < size || (found > size && matches!(self, BodyFile::Blob(_))) {
            return Err(damaged(&format!("it has {found} bytes and should have {size}")));
        }
        Ok(file.take(size))
    }
}

/// What was typed for one exchange or several.
#[derive(Debug, PartialEq, Eq)]
enum Selector {
    /// A number; with six digits or more it may also be the end of an id, if there is no such number.
    Number {
        number: u64,
        suffix: Option<(u128, u128)>,
    },
    Range(u64, u64),
    /// An id, or the end of one: the bits of `mask` count.
    Id {
        value: u128,
        mask: u128,
    },
}

impl Selector {
    fn parse(text: &str) -> Option<Selector> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
        if let Some(number) = digits(text) {
            return Some(Selector::Number { number, suffix: ending(text) });
        }
        let range = text.split_once('-').and_then(|(from, to)| Some((digits(from)?, digits(to)?)));
        match range {
            Some((from, to)) if from <= to => Some(Selector::Range(from, to)),
            Some(_) => None,
            None => ending(text).map(|(value, mask)| Selector::Id { value, mask }),
        }
    }
}

/// The end of an id, or all of it, as bits that count.
fn ending(text: &str) -> Option<(u128, u128)> {
    let hex: String = text.chars().filter(|&char| char != '-').collect();
    if !(SUFFIX_MIN..=32).contains(&hex.len()) || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mask = if hex.len() == 32 { u128::MAX } else { (1 << (4 * hex.len())) - 1 };
    u128::from_str_radix(&hex, 16).ok().map(|value| (value, mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors() {
        for (text, expected) in [
            ("1040", Some(Selector::Number { number: 1040, suffix: None })),
            ("123456", Some(Selector::Number { number: 123_456, suffix: Some((0x12_3456, 0xff_ffff)) })),
            ("1040-1061", Some(Selector::Range(1040, 1061))),
            ("9-3", None),
            ("abcdef", Some(Selector::Id { value: 0xab_cdef, mask: 0xff_ffff })),
            ("ABCDEF", Some(Selector::Id { value: 0xab_cdef, mask: 0xff_ffff })),
            ("abcde", None),
            ("", None),
            ("-", None),
            (
                "99999999999999999999999",
                Some(Selector::Id { value: 0x999_9999_9999_9999_9999_9999, mask: (1 << 92) - 1 }),
            ),
            ("ä12345", None),
        ] {
            assert_eq!(Selector::parse(text), expected, "{text}");
        }
        let id = "01936b5e-7a00-7000-8000-0123456789ab";
        let Some(Selector::Id { value, mask }) = Selector::parse(id) else { panic!("an id") };
        assert_eq!((uuid::Uuid::from_u128(value).to_string().as_str(), mask), (id, u128::MAX));
    }
}
