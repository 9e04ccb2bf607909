//! A query made ready: it passes over whole pages by their summary, and tells which rows are wanted.

use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};

use super::history::{HistoryError, Query};
use super::index::{StoredRow, Summary, class_bit, literals};

/// A compiled [`Query`].
pub(super) struct Filter {
    query: Query,
    since_us: i64,
    until_us: i64,
    host: Option<GlobMatcher>,
    path: Option<GlobMatcher>,
    /// Segments that a path must have.
    words: Vec<String>,
    media_type: Option<GlobMatcher>,
}

impl Filter {
    /// Compiles the globs. `*` in a path glob also takes `/`: `/users/*` means everything below.
    ///
    /// # Errors
    /// [`HistoryError::BadGlob`].
    pub(super) fn new(query: &Query) -> Result<Filter, HistoryError> {
        Ok(Filter {
            // A row's time is cut to the microsecond: a moment within one counts as the next.
            since_us: query.since.map_or(i64::MIN, ceil_us),
            until_us: query.until.map_or(i64::MAX, ceil_us),
            host: query.host.as_deref().map(glob).transpose()?,
            path: query.path.as_deref().map(glob).transpose()?,
            words: query.path.as_deref().map(literals).unwrap_or_default(),
            media_type: query.media_type.as_deref().map(glob).transpose()?,
            query: query.clone(),
        })
    }

    /// Whether every row passes.
    pub(super) fn takes_all(&self) -> bool {
        self.query == Query::default()
    }

    /// Whether a page with this summary can have a row that passes.
    pub(super) fn may_match(&self, page: &Summary) -> bool {
        let query = &self.query;
        let has = |wanted: &Option<String>, names: &[Arc<str>]| {
            wanted.as_ref().is_none_or(|name| names.iter().any(|known| **known == **name))
        };
        page.started_us.1 >= self.since_us
            && page.started_us.0 < self.until_us
            && has(&query.session, &page.sessions)
            && has(&query.tag, &page.tags)
            && query.method.as_ref().is_none_or(|method| page.methods.iter().any(|m| m.eq_ignore_ascii_case(method)))
            && self.host.as_ref().is_none_or(|glob| page.hosts.iter().any(|(host, _)| glob.is_match(&**host)))
            && query.status.is_none_or(|range| page.classes & class_bits(range) != 0)
            && page.words.may_have(&self.words)
            && (query.numbers.is_empty() || query.numbers.iter().any(|range| overlap(*range, page.numbers)))
    }

    /// Whether this row is wanted.
    pub(super) fn matches(&self, row: &StoredRow<'_>) -> bool {
        let query = &self.query;
        (self.since_us..self.until_us).contains(&row.started_us)
            && query.session.as_ref().is_none_or(|session| session == row.session)
            && query.tag.as_ref().is_none_or(|tag| row.tags.contains(&tag.as_str()))
            && query.method.as_ref().is_none_or(|method| row.method.eq_ignore_ascii_case(method))
            && query.status.is_none_or(|(from, to)| row.status.is_some_and(|status| (from..=to).contains(&status)))
            && (query.numbers.is_empty() || query.numbers.iter().any(|(from, to)| (*from..=*to).contains(&row.number)))
            && self.host.as_ref().is_none_or(|glob| glob.is_match(row.host))
            && query.outcome.as_ref().is_none_or(|outcome| outcome == row.outcome)
            && query.size.is_none_or(|(from, to)| (from..=to).contains(&row.response_bytes))
            && query.duration_us.is_none_or(|(from, to)| (from..=to).contains(&row.duration_us))
            && self.media_type.as_ref().is_none_or(|glob| glob.is_match(row.media_type))
            && self.path.as_ref().is_none_or(|glob| glob.is_match(row.path()))
    }
}

fn glob(text: &str) -> Result<GlobMatcher, HistoryError> {
    let glob = GlobBuilder::new(text).case_insensitive(true).literal_separator(false).build();
    let glob = glob.map_err(|error| HistoryError::BadGlob(text.to_owned(), error.kind().to_string()))?;
    Ok(glob.compile_matcher())
}

fn ceil_us(moment: jiff::Timestamp) -> i64 {
    let us = moment.as_microsecond();
    us + i64::from(moment.as_nanosecond() > i128::from(us) * 1000)
}

fn class_bits((from, to): (u16, u16)) -> u16 {
    (from / 100..=(to / 100).min(15)).map(|class| class_bit(Some(class.saturating_mul(100)))).fold(0, |a, b| a | b)
}

fn overlap(a: (u64, u64), b: (u64, u64)) -> bool {
    a.0 <= b.1 && b.0 <= a.1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::index::row_of;
    use crate::store::testing::exchange;

    fn queries() -> impl Strategy<Value = Query> {
        let word = |words: &'static [&'static str]| proptest::option::of(proptest::sample::select(words));
        (
            (word(&["s-0", "s-1", "none"]), word(&["get", "POST", "PUT"]), word(&["*.example", "API-1.EXAMPLE", "x*"])),
            (
                word(&["/items/*", "/ITEMS/1?", "/none", "*/7", "/Items/12", "/{items/8,x}"]),
                proptest::option::of((100u16..600, 0u16..200)),
            ),
            (proptest::option::of(0u64..90), proptest::collection::vec((0u64..90, 0u64..40), 0..2)),
        )
            .prop_map(|((session, method, host), (path, status), (since, numbers))| Query {
                session: session.map(Into::into),
                method: method.map(Into::into),
                host: host.map(Into::into),
                path: path.map(Into::into),
                status: status.map(|(from, more)| (from, from + more)),
                since: since.map(|number| exchange(number).started_at),
                numbers: numbers.into_iter().map(|(from, more)| (from, from + more)).collect(),
                ..Query::default()
            })
    }

    proptest! {
        #[test]
        fn a_summary_never_hides_a_row_that_passes(query in queries(), numbers in proptest::collection::vec(1u64..90, 1..9)) {
            let filter = Filter::new(&query).unwrap();
            let rows: Vec<_> = numbers.iter().map(|number| row_of(&exchange(*number))).collect();
            let rows: Vec<_> = rows.iter().map(StoredRow::of).collect();
            let any = rows.iter().any(|row| filter.matches(row));
            prop_assert!(!any || filter.may_match(&Summary::of(&rows).unwrap()));
        }
    }

    #[test]
    fn a_path_glob_looks_at_the_path_alone_and_takes_what_is_below() {
        let mut row = row_of(&exchange(1));
        row.target = "/Users/7/repos?page=2".into();
        for (path, expected) in [("/users/*", true), ("/users/7/repos", true), ("*page*", false), ("/users", false)] {
            let filter = Filter::new(&Query { path: Some(path.into()), ..Query::default() }).unwrap();
            assert_eq!(filter.matches(&StoredRow::of(&row)), expected, "{path}");
        }
        assert!(matches!(
            Filter::new(&Query { host: Some("[a".into()), ..Query::default() }),
            Err(HistoryError::BadGlob(..))
        ));
    }
}
