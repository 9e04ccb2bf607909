//! Which exchanges a command is about: filters, days and selectors as typed, turned into a query of the history.

use std::path::Path;
use std::sync::Arc;

use globset::GlobBuilder;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::args::FilterArgs;
use super::exit::CliError;
use super::output::Printer;
use crate::report::terminal::clean;
use crate::store::{History, HistoryError, OpenError, Query};

mod figures;
mod hits;
mod moment;
mod rows;
mod zone;

pub(super) use figures::{bytes, status};
pub(super) use hits::Hits;
pub(super) use moment::{older_than, since, until};
pub(super) use rows::{Selection, checked, merged};
pub(super) use zone::zone;

/// The query that the filters mean, with days in `zone` and `now` as the present.
///
/// # Errors
/// Exit code 2 for a filter that cannot be read, or when no moment lies within the times given.
pub(super) fn query(filters: &FilterArgs, zone: &TimeZone, now: Timestamp) -> Result<Query, CliError> {
    let (since, until) = times(filters, zone, now)?;
    let read =
        |text: &Option<String>, read: fn(&str) -> Result<(u64, u64), CliError>| text.as_deref().map(read).transpose();
    Ok(Query {
        since,
        until,
        session: filters.session.clone(),
        tag: filters.tag.clone(),
        method: filters.method.clone(),
        host: filters.host.as_deref().map(|glob| checked_glob("--host", glob)).transpose()?,
        path: filters.path.as_deref().map(|glob| checked_glob("--path", glob)).transpose()?,
        status: filters.status.as_deref().map(figures::status).transpose()?,
        media_type: filters.media_type.as_deref().map(figures::media_type).transpose()?,
        outcome: filters.outcome.map(|outcome| outcome.word().to_owned()),
        size: read(&filters.size, figures::sizes)?,
        duration_us: read(&filters.duration, figures::durations)?,
        numbers: Vec::new(),
    })
}

/// The moments that `--day`, `--since` and `--until` leave: from, included, and to, excluded.
fn times(
    filters: &FilterArgs,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<(Option<Timestamp>, Option<Timestamp>), CliError> {
    let since = filters.since.as_deref().map(|text| moment::since(text, zone, now)).transpose()?;
    let until = filters.until.as_deref().map(|text| moment::until(text, zone, now)).transpose()?;
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        let shown = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string();
        let message = format!("`--since` begins {}, and `--until` ends before it, {}", shown(since), shown(until));
        return Err(CliError::usage(message));
    }
    let Some(day) = &filters.day else { return Ok((since, until)) };
    let (first, last) = moment::bounds("--day", moment::day(day, zone, now)?, zone)?;
    Ok((Some(since.map_or(first, |since| since.max(first))), Some(until.map_or(last, |until| until.min(last)))))
}

/// Opens the history of a store: from the disk, or from the recorder that holds it. What had to be repaired is told.
///
/// # Errors
/// Exit code 2 when nothing was recorded yet; 1 when the store cannot be read.
pub(super) fn open(store: &Path, printer: Printer) -> Result<Arc<dyn History>, CliError> {
    let history = crate::control::open_history(store).map_err(|error| match &error {
        OpenError::Empty(_) => CliError::usage(&error).hint("`retake record -- COMMAND` records what a command calls"),
        _ => CliError::failure(&error),
    })?;
    for repair in history.repairs() {
        printer.warn(clean(&repair));
    }
    Ok(history)
}

/// The numbers that selectors mean, in the order given, each once.
///
/// # Errors
/// Exit code 2 for a selector that is unknown, ambiguous or none; 1 when the history cannot be read.
pub(super) fn numbers(history: &dyn History, which: &[String]) -> Result<Vec<u64>, CliError> {
    let mut all = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for selector in which {
        let found = history.resolve(selector).map_err(failed)?;
        all.extend(found.into_iter().filter(|number| seen.insert(*number)));
    }
    Ok(all)
}

/// The error of the history as the user sees it: what was typed wrong is exit code 2, the rest 1.
pub(super) fn failed(error: HistoryError) -> CliError {
    match &error {
        HistoryError::Unknown(_) => {
            CliError::usage(&error).hint("`retake history` lists what there is, newest first, with its numbers")
        }
        HistoryError::Ambiguous { .. } => CliError::usage(&error).hint("give more of the id, or the number"),
        HistoryError::BadSelector(_) | HistoryError::BadGlob(..) | HistoryError::BadPattern(..) => {
            CliError::usage(&error)
        }
        HistoryError::Unsupported(_) | HistoryError::Damaged(_) | HistoryError::Io(_) => CliError::failure(&error),
    }
}

/// The error for a selection without a single exchange: names the nearest days with traffic when a day was asked for.
pub(super) fn nothing_selected(
    history: &dyn History,
    filters: &FilterArgs,
    zone: &TimeZone,
    now: Timestamp,
) -> CliError {
    let days = match history.days(&Query::default(), zone) {
        Ok(days) => days,
        Err(error) => return failed(error),
    };
    if days.is_empty() {
        return CliError::usage("nothing selected: this history is empty")
            .hint("`retake record -- COMMAND` records what a command calls");
    }
    let Some(day) = filters.day.as_deref().and_then(|day| moment::day(day, zone, now).ok()) else {
        return CliError::usage("nothing selected: no exchange fits these filters")
            .hint("`retake history days` lists the days that have exchanges");
    };
    let wanted = day.to_string();
    if let Some(group) = days.iter().find(|group| group.name == wanted) {
        let count = group.count;
        return CliError::usage(format!("nothing selected: none of the {count} exchanges of {day} fits the filters"))
            .hint(format!("`retake history --day {day}` lists them"));
    }
    let near = nearest_days(days.iter().map(|group| (group.name.as_str(), group.count)), day);
    CliError::usage(format!("nothing selected: there is no traffic on {day}")).hint(format!("nearest traffic: {near}"))
}

/// `2026-11-20 (15 exchanges) and 2026-11-22 (1 exchange)`: the two days nearest to `wanted`, the earlier first.
fn nearest_days<'a>(days: impl Iterator<Item = (&'a str, u64)>, wanted: Date) -> String {
    let mut dated: Vec<(Date, u64)> =
        days.filter_map(|(name, count)| Some((name.parse::<Date>().ok()?, count))).collect();
    dated.sort_by_key(|(date, _)| (wanted.duration_until(*date).abs(), *date));
    dated.truncate(2);
    dated.sort();
    let named: Vec<String> = dated
        .iter()
        .map(|(date, count)| format!("{date} ({count} {})", if *count == 1 { "exchange" } else { "exchanges" }))
        .collect();
    named.join(" and ")
}

fn checked_glob(flag: &str, glob: &str) -> Result<String, CliError> {
    match GlobBuilder::new(glob).case_insensitive(true).build() {
        Ok(_) => Ok(glob.to_owned()),
        Err(error) => Err(CliError::usage(format!("`{flag} {glob}`: {}", error.kind()))
            .hint("`*` stands for any characters, `?` for one, `{a,b}` for either, `\\*` for a star")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-20T01:30:00Z".parse().unwrap()
    }

    #[test]
    fn a_day_is_local_midnight_to_midnight() {
        let berlin = TimeZone::fixed(jiff::tz::offset(1));
        let filters = FilterArgs { day: Some("yesterday".into()), ..Default::default() };
        let query = query(&filters, &berlin, now()).unwrap();
        assert_eq!(query.since.unwrap().to_string(), "2026-11-18T23:00:00Z");
        assert_eq!(query.until.unwrap().to_string(), "2026-11-19T23:00:00Z");
    }

    #[test]
    fn a_day_and_moments_meet() {
        let filters = FilterArgs {
            day: Some("yesterday".into()),
            since: Some("yesterday 10:00".into()),
            until: Some("today".into()),
            ..Default::default()
        };
        let query = query(&filters, &TimeZone::UTC, now()).unwrap();
        assert_eq!(query.since.unwrap().to_string(), "2026-11-19T10:00:00Z");
        assert_eq!(query.until.unwrap().to_string(), "2026-11-20T00:00:00Z");
        let crossed =
            FilterArgs { since: Some("today".into()), until: Some("3 days ago".into()), ..Default::default() };
        assert_eq!(super::query(&crossed, &TimeZone::UTC, now()).unwrap_err().exit.0, 2);
    }

    #[test]
    fn a_broken_glob_is_named() {
        let filters = FilterArgs { host: Some("[x".into()), ..Default::default() };
        let error = query(&filters, &TimeZone::UTC, now()).unwrap_err();
        assert!(error.message.contains("--host [x"), "{}", error.message);
    }

    #[test]
    fn nearest_days_are_named_in_order() {
        let days = [("2026-11-25", 3), ("2026-11-22", 1), ("2026-11-18", 15), ("2026-11-01", 9)];
        let wanted = "2026-11-20".parse().unwrap();
        assert_eq!(nearest_days(days.into_iter(), wanted), "2026-11-18 (15 exchanges) and 2026-11-22 (1 exchange)");
    }
}
