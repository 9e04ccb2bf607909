//! `retake history days` and `sessions`: how many exchanges, when, and of which hosts.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::json;

use super::Context;
use crate::cli::args::HistoryGroupsArgs;
use crate::cli::exit::{CliError, Exit, Outcome};
use crate::cli::output::{BOLD, DIM};
use crate::cli::select::{self, Selection};
use crate::report::terminal::{clean, cut};
use crate::store::{Group, Row};

/// Hosts that a line names.
const HOSTS: usize = 3;

pub(super) fn days(context: &Context, args: &HistoryGroupsArgs) -> Outcome {
    let selection = context.selection(&args.select)?;
    let days = if selection.text.is_none() {
        // The index counts whole pages at once.
        context.history.days(&selection.query, &context.zone).map_err(select::failed)?
    } else {
        let day = |row: &Row| row.started_at.to_zoned(context.zone.clone()).date().to_string();
        let mut days = groups(context, &selection, day)?;
        days.sort_by(|a, b| b.name.cmp(&a.name));
        days
    };
    let time = |at: Timestamp| at.to_zoned(context.zone.clone()).strftime("%H:%M").to_string();
    print(context, args, "day", &days, |day| format!("{} to {}", time(day.first), time(day.last)))
}

pub(super) fn sessions(context: &Context, args: &HistoryGroupsArgs) -> Outcome {
    let selection = context.selection(&args.select)?;
    let mut sessions = groups(context, &selection, |row| row.session.clone())?;
    sessions.sort_by_key(|session| std::cmp::Reverse(session.first));
    print(context, args, "session", &sessions, |session| {
        let (first, last) = (session.first.to_zoned(context.zone.clone()), session.last.to_zoned(context.zone.clone()));
        let end = if first.date() == last.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
        format!("{} to {}", first.strftime("%Y-%m-%d %H:%M"), last.strftime(end))
    })
}

/// Counts the rows by a name, in memory as large as there are names and hosts.
fn groups(context: &Context, selection: &Selection, name: impl Fn(&Row) -> String) -> Result<Vec<Group>, CliError> {
    struct Counted {
        count: u64,
        hosts: HashMap<String, u64>,
        first: Timestamp,
        last: Timestamp,
    }
    let mut counted: HashMap<String, Counted> = HashMap::new();
    for row in selection.rows(&*context.history, None, usize::MAX, context.printer) {
        let row = row?;
        let started = row.started_at;
        let new = || Counted { count: 0, hosts: HashMap::new(), first: started, last: started };
        let group = counted.entry(name(&row)).or_insert_with(new);
        group.count += 1;
        group.first = group.first.min(started);
        group.last = group.last.max(started);
        match group.hosts.get_mut(row.origin.host()) {
            Some(count) => *count += 1,
            None => drop(group.hosts.insert(row.origin.host().to_owned(), 1)),
        }
    }
    let group = |(name, counted): (String, Counted)| {
        let mut hosts: Vec<(String, u64)> = counted.hosts.into_iter().collect();
        hosts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Group { name, count: counted.count, hosts, first: counted.first, last: counted.last }
    };
    Ok(counted.into_iter().map(group).collect())
}

fn print(
    context: &Context,
    args: &HistoryGroupsArgs,
    kind: &str,
    groups: &[Group],
    span: impl Fn(&Group) -> String,
) -> Outcome {
    if groups.is_empty() {
        return Err(context.nothing_selected(&args.select));
    }
    if args.json {
        for group in groups {
            let hosts: Vec<_> = group.hosts.iter().map(|(host, count)| json!({"host": host, "count": count})).collect();
            context.printer.json(&json!({
                (kind): group.name, "count": group.count, "hosts": hosts,
                "first": group.first.to_string(), "last": group.last.to_string(),
            }));
        }
        return Ok(Exit::SUCCESS);
    }
    let rows: Vec<(String, String, &Group)> =
        groups.iter().map(|group| (clean(&group.name).into_owned(), span(group), group)).collect();
    let widest = |text: fn(&(String, String, &Group)) -> usize| rows.iter().map(text).max().unwrap_or(0);
    let (names, spans) = (widest(|row| row.0.chars().count()), widest(|row| row.1.chars().count()));
    let left = context.printer.width().map(|width| width.saturating_sub(names + spans + 14).max(20));
    for (name, span, group) in &rows {
        let hosts = hosts(group);
        let hosts = left.map_or_else(|| hosts.clone(), |left| cut(&hosts, left).into_owned());
        let count = group.count;
        context
            .printer
            .data(format_args!("{BOLD}{name:<names$}{BOLD:#}  {count:>8}  {DIM}{span:<spans$}{DIM:#}  {hosts}"));
    }
    Ok(Exit::SUCCESS)
}

/// `api.github.com 12, example.com 3 and 2 more`
fn hosts(group: &Group) -> String {
    let mut named: Vec<String> =
        group.hosts.iter().take(HOSTS).map(|(host, count)| format!("{host} {count}")).collect();
    if group.hosts.len() > HOSTS {
        named.push(format!("and {} more", group.hosts.len() - HOSTS));
    }
    clean(&named.join(", ")).into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::cli::output::Printer;
    use crate::cli::testing::{Fake, row};

    #[test]
    fn sessions_are_counted_with_their_span_and_hosts() {
        let mut rows: Vec<Row> = (1..=150).map(row).collect();
        rows[3].origin = "https://other.test".parse().unwrap();
        let context = Context {
            history: Arc::new(Fake::new(rows)),
            zone: TimeZone::UTC,
            now: Timestamp::UNIX_EPOCH,
            printer: Printer::new(true),
        };
        let mut found = groups(&context, &Selection::default(), |row| row.session.clone()).unwrap();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(
            found.iter().map(|group| (group.name.as_str(), group.count)).collect::<Vec<_>>(),
            [("s-0", 99), ("s-1", 51)]
        );
        assert_eq!(found[0].hosts, [("api.example.com".to_owned(), 98), ("other.test".to_owned(), 1)]);
        assert_eq!((found[1].first, found[1].last), (row(100).started_at, row(150).started_at));
    }
}
