//! A history in memory, for tests of commands.

use std::io::Read;
use std::sync::{Arc, Mutex};

use jiff::tz::TimeZone;

use super::output::Printer;
use crate::model::{Body, Exchange};
use crate::store::{
    Edit, EditReport, Found, Group, History, HistoryError, Hit, Page, Pattern, Place, Query, Row, Usage,
};

/// Rows by number, lowest first; and what was asked of it.
pub(super) struct Fake {
    pub(super) rows: Mutex<Vec<Row>>,
    pub(super) edits: Mutex<Vec<Edit>>,
}

impl Fake {
    pub(super) fn new(rows: impl IntoIterator<Item = Row>) -> Fake {
        Fake { rows: Mutex::new(rows.into_iter().collect()), edits: Mutex::default() }
    }

    /// Rows that pass the simple filters: numbers, tag, session, and status.
    fn passing(&self, query: &Query, before: Option<u64>) -> Vec<Row> {
        let rows = self.rows.lock().unwrap();
        let mut found: Vec<Row> = rows.iter().filter(|row| passes(query, row)).cloned().collect();
        found.sort_by_key(|row| std::cmp::Reverse(row.number));
        found.retain(|row| before.is_none_or(|before| row.number < before));
        found
    }
}

fn passes(query: &Query, row: &Row) -> bool {
    let within = |range: &(u64, u64)| (range.0..=range.1).contains(&row.number);
    (query.numbers.is_empty() || query.numbers.iter().any(within))
        && query.tag.as_ref().is_none_or(|tag| row.tags.contains(tag))
        && query.session.as_ref().is_none_or(|session| row.session == *session)
        && query.status.is_none_or(|(from, to)| row.status.is_some_and(|status| (from..=to).contains(&status)))
}

/// What a command of `history` needs, on the day of [`row`].
pub(super) fn context(history: Arc<Fake>) -> super::history::Context {
    let now = "2026-11-20T18:00:00Z".parse().unwrap();
    super::history::Context { history, zone: TimeZone::UTC, now, printer: Printer::new(true) }
}

/// A row of that number, a second after the one before it.
pub(super) fn row(number: u64) -> Row {
    let start: jiff::Timestamp = "2026-11-20T11:00:00Z".parse().unwrap();
    Row {
        number,
        id: uuid::Uuid::from_u128(u128::from(number)).to_string().parse().unwrap(),
        started_at: start + jiff::SignedDuration::from_secs(i64::try_from(number).unwrap()),
        session: format!("s-{}", number / 100),
        tags: Vec::new(),
        method: "GET".into(),
        origin: "https://api.example.com".parse().unwrap(),
        target: format!("/items/{number}?page=1"),
        status: Some(200),
        outcome: "complete".into(),
        media_type: "application/json".into(),
        request_bytes: 0,
        response_bytes: number,
        response_blake3: String::new(),
        duration_us: 1000 * number,
        at: (1, 0),
    }
}

impl History for Fake {
    fn list(&self, query: &Query, before: Option<u64>, limit: usize) -> Result<Page, HistoryError> {
        let mut rows = self.passing(query, before);
        let is_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().map(|row| row.number).filter(|_| is_more);
        Ok(Page { rows, next })
    }

    fn days(&self, _query: &Query, _zone: &TimeZone) -> Result<Vec<Group>, HistoryError> {
        Ok(Vec::new())
    }

    fn get(&self, number: u64) -> Result<Exchange, HistoryError> {
        Err(HistoryError::Unknown(number.to_string()))
    }

    fn resolve(&self, selector: &str) -> Result<Vec<u64>, HistoryError> {
        let number: u64 = selector.parse().map_err(|_| HistoryError::BadSelector(selector.into()))?;
        let rows = self.rows.lock().unwrap();
        match rows.iter().find(|row| row.number == number) {
            Some(row) => Ok(vec![row.number]),
            None => Err(HistoryError::Unknown(selector.into())),
        }
    }

    fn body(&self, _exchange: &Exchange, _body: &Body) -> Result<Box<dyn Read + Send>, HistoryError> {
        Err(HistoryError::Damaged("no bodies here".into()))
    }

    /// Looks at a hundred exchanges at a time, so that pieces without a hit come too.
    fn search(
        &self,
        query: &Query,
        text: &Pattern,
        before: Option<u64>,
        limit: usize,
        _stop: &dyn Fn() -> bool,
    ) -> Result<Found, HistoryError> {
        let page = self.list(query, before, 100)?;
        let mut found = Found { next: page.next, looked_at: page.rows.len() as u64, ..Found::default() };
        for row in page.rows {
            if found.hits.len() == limit {
                found.next = found.hits.last().map(|hit: &Hit| hit.row.number);
                break;
            }
            if row.target.contains(&text.text) {
                found.hits.push(Hit { row, place: Place::Url, excerpt: String::new(), matched: (0, 0) });
            }
        }
        Ok(found)
    }

    fn usage(&self) -> Result<Usage, HistoryError> {
        Ok(Usage {
            exchanges: self.rows.lock().unwrap().len() as u64,
            journal: 1 << 20,
            segments: 1,
            ..Usage::default()
        })
    }

    fn edit(&self, edit: &Edit) -> Result<EditReport, HistoryError> {
        self.edits.lock().unwrap().push(edit.clone());
        let numbers = match edit {
            Edit::Label { numbers, .. } | Edit::Delete { numbers, .. } => numbers.clone(),
            _ => Vec::new(),
        };
        let exchanges = self.passing(&Query { numbers, ..Query::default() }, None).len() as u64;
        Ok(EditReport { exchanges, bytes: (2 << 20, 1 << 20), ..EditReport::default() })
    }
}
