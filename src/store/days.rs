//! Counting exchanges by local day.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::history::{Group, Row};
use super::index::moment;

/// The days of these rows with their counts, newest first: for those who have the rows and not the index.
pub fn group_by_day<'r>(rows: impl IntoIterator<Item = &'r Row>, zone: &TimeZone) -> Vec<Group> {
    let mut days = Days::new(zone);
    for row in rows {
        let us = row.started_at.as_microsecond();
        days.add(us, (us, us), 1, [(row.origin.host(), 1)]);
    }
    days.groups()
}

struct Day {
    count: u64,
    hosts: BTreeMap<String, u64>,
    first: i64,
    last: i64,
}

/// Counts per local day: midnight to midnight in a zone.
pub(super) struct Days<'a> {
    zone: &'a TimeZone,
    days: BTreeMap<jiff::civil::Date, Day>,
    /// The day looked up last, and its first and last-but-one microsecond: rows of one day come in a row.
    current: (jiff::civil::Date, i64, i64),
}

impl<'a> Days<'a> {
    pub(super) fn new(zone: &'a TimeZone) -> Self {
        Days { zone, days: BTreeMap::new(), current: (jiff::civil::Date::MIN, 0, 0) }
    }

    fn day(&mut self, us: i64) -> jiff::civil::Date {
        if !(self.current.1..self.current.2).contains(&us) {
            let date = self.zone.to_datetime(moment(us)).date();
            let start = |date: jiff::civil::Date| {
                date.to_zoned(self.zone.clone()).ok().map(|day| day.timestamp().as_microsecond())
            };
            let end = date.tomorrow().ok().and_then(start);
            self.current = match (start(date), end) {
                (Some(start), Some(end)) => (date, start, end),
                _ => (date, us, us),
            };
        }
        self.current.0
    }

    /// Whether a span lies within one day.
    pub(super) fn same(&mut self, (first, last): (i64, i64)) -> bool {
        self.day(first) == self.day(last)
    }

    /// Adds exchanges to the day of `us`: the span of their starts, their count, and their hosts.
    pub(super) fn add<'h>(
        &mut self,
        us: i64,
        span: (i64, i64),
        count: u64,
        hosts: impl IntoIterator<Item = (&'h str, u64)>,
    ) {
        let date = self.day(us);
        let new = || Day { count: 0, hosts: BTreeMap::new(), first: span.0, last: span.1 };
        let day = self.days.entry(date).or_insert_with(new);
        day.count += count;
        (day.first, day.last) = (day.first.min(span.0), day.last.max(span.1));
        for (host, count) in hosts {
            match day.hosts.get_mut(host) {
                Some(sum) => *sum += count,
                None => drop(day.hosts.insert(host.to_owned(), count)),
            }
        }
    }

    /// Newest day first, its most called host first.
    pub(super) fn groups(self) -> Vec<Group> {
        let group = |(date, day): (jiff::civil::Date, Day)| {
            let mut hosts: Vec<_> = day.hosts.into_iter().collect();
            hosts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            Group { name: date.to_string(), count: day.count, hosts, first: moment(day.first), last: moment(day.last) }
        };
        self.days.into_iter().rev().map(group).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_one_of_the_zone() {
        let zone = TimeZone::fixed(jiff::tz::offset(-8));
        let mut days = Days::new(&zone);
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_microsecond();
        for text in ["2026-11-20T07:59:59.999999Z", "2026-11-20T08:00:00Z", "2026-11-20T12:00:00Z"] {
            let us = at(text);
            days.add(us, (us, us), 1, [("a.example", 1)]);
        }
        let groups = days.groups();
        let counts: Vec<_> = groups.iter().map(|day| (day.name.as_str(), day.count)).collect();
        assert_eq!(counts, [("2026-11-20", 2), ("2026-11-19", 1)]);
        assert_eq!(groups[0].hosts, [("a.example".to_owned(), 2)]);
    }
}
