//! Which exchanges a command is about: filters, days and selectors as typed, turned into a query of the history.

use std::path::Path;
use std::sync::Arc;

use globset::GlobBuilder;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use super::args::FilterArgs;
use super::exit::CliError;
use super::output::Printer;
use crate::report::terminal::clean;
use crate::store::{History, HistoryError, OpenError, Query};

/// The query that the filters mean, with days in `zone` and `now` as the present.
///
/// # Errors
/// Exit code 2 for a day, status or glob that cannot be read.
pub(super) fn query(filters: &FilterArgs, zone: &TimeZone, now: Timestamp) -> Result<Query, CliError> {
    let (since, until) = match &filters.day {
        Some(day) => {
            let (since, until) = bounds(parse_day(day, zone, now)?, zone)?;
            (Some(since), Some(until))
        }
        None => (None, None),
    };
    Ok(Query {
        since,
        until,
        session: filters.session.clone(),
        tag: filters.tag.clone(),
        method: filters.method.clone(),
        host: filters.host.as_deref().map(|glob| checked_glob("--host", glob)).transpose()?,
        path: filters.path.as_deref().map(|glob| checked_glob("--path", glob)).transpose()?,
        status: filters.status.as_deref().map(parse_status).transpose()?,
        ..Query::default()
    })
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
    let Some(day) = filters.day.as_deref().and_then(|day| parse_day(day, zone, now).ok()) else {
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

/// The day that `today`, `yesterday` or `2026-11-20` means.
///
/// # Errors
/// Exit code 2 for anything else.
pub(super) fn parse_day(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Date, CliError> {
    let today = now.to_zoned(zone.clone()).date();
    match text.trim().to_ascii_lowercase().as_str() {
        "today" => Ok(today),
        "yesterday" => today.checked_sub(1.day()).map_err(|error| CliError::usage(format!("--day {text}: {error}"))),
        other => other
            .parse::<Date>()
            .ok()
            // A date and time would parse as well; only a date is a day.
            .filter(|_| other.len() == 10)
            .ok_or_else(|| bad_day(text)),
    }
}

fn bad_day(text: &str) -> CliError {
    CliError::usage(format!("`--day {text}`: no such day"))
        .hint("give `today`, `yesterday`, or a date such as `2026-11-20`; `retake history days` lists the days")
}

/// The first moment of a day in its zone, and of the day after it.
fn bounds(day: Date, zone: &TimeZone) -> Result<(Timestamp, Timestamp), CliError> {
    let start = |date: Date| date.to_zoned(zone.clone()).and_then(|at: Zoned| at.start_of_day());
    let next = day.checked_add(1.day()).and_then(start);
    match (start(day), next) {
        (Ok(first), Ok(last)) => Ok((first.timestamp(), last.timestamp())),
        (Err(error), _) | (_, Err(error)) => Err(CliError::usage(format!("`--day {day}`: {error}"))),
    }
}

/// `404`, `5xx` or `400-499` as codes from and to.
fn parse_status(text: &str) -> Result<(u16, u16), CliError> {
    let bad = || {
        CliError::usage(format!("`--status {text}`: no such status"))
            .hint("give a code (`404`), a class (`5xx`), or a range (`400-499`)")
    };
    let code = |digits: &str| match digits.trim().parse::<u16>() {
        Ok(code @ 100..=599) => Ok(code),
        _ => Err(bad()),
    };
    if let Some((from, to)) = text.split_once('-') {
        let (from, to) = (code(from)?, code(to)?);
        return if from <= to { Ok((from, to)) } else { Err(bad()) };
    }
    match text.trim().to_ascii_lowercase().strip_suffix("xx") {
        Some(class) => {
            let first = code(&format!("{class}00"))?;
            Ok((first, first + 99))
        }
        None => code(text).map(|code| (code, code)),
    }
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
        let berlin = TimeZone::get("Europe/Berlin").unwrap_or_else(|_| TimeZone::fixed(jiff::tz::offset(1)));
        let filters = FilterArgs { day: Some("yesterday".into()), ..Default::default() };
        let query = query(&filters, &berlin, now()).unwrap();
        assert_eq!(query.since.unwrap().to_string(), "2026-11-18T23:00:00Z");
        assert_eq!(query.until.unwrap().to_string(), "2026-11-19T23:00:00Z");
        // West of Greenwich it is still the day before.
        let west = TimeZone::fixed(jiff::tz::offset(-5));
        assert_eq!(parse_day("today", &west, now()).unwrap().to_string(), "2026-11-19");
        assert_eq!(parse_day("2026-02-28", &west, now()).unwrap().to_string(), "2026-02-28");
    }

    #[test]
    fn what_is_no_day_says_what_is() {
        for text in ["tomorow", "2026-02-30", "", "20261120", "2026-11-20T10:00"] {
            let error = parse_day(text, &TimeZone::UTC, now()).unwrap_err();
            assert_eq!(error.exit.0, 2, "{text}");
            assert!(error.hint.unwrap().contains("today"));
        }
    }

    #[test]
    fn statuses() {
        assert_eq!(parse_status("404").unwrap(), (404, 404));
        assert_eq!(parse_status("5XX").unwrap(), (500, 599));
        assert_eq!(parse_status("400-499").unwrap(), (400, 499));
        for text in ["", "abc", "6xx", "0", "499-400", "404-", "xx", "4x", "1000"] {
            assert_eq!(parse_status(text).unwrap_err().exit.0, 2, "{text}");
        }
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
