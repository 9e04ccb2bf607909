//! Days and moments as people say them. What is not understood for certain is refused, with examples.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::fmt::friendly::SpanParser;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::cli::exit::CliError;

const NAMED_DAYS: [(&str, &str, Weekday); 7] = [
    ("monday", "mon", Weekday::Monday),
    ("tuesday", "tue", Weekday::Tuesday),
    ("wednesday", "wed", Weekday::Wednesday),
    ("thursday", "thu", Weekday::Thursday),
    ("friday", "fri", Weekday::Friday),
    ("saturday", "sat", Weekday::Saturday),
    ("sunday", "sun", Weekday::Sunday),
];

/// What a text says about time.
enum Said {
    Day(Date),
    Moment(Timestamp),
}

/// The day that `--day` means: `today`, `yesterday`, `monday`, `3 days ago`, `2026-11-20`.
///
/// # Errors
/// Exit code 2 for anything else.
pub(in crate::cli) fn day(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Date, CliError> {
    let today = now.to_zoned(zone.clone()).date();
    named_day(&plain(text), today).ok_or_else(|| {
        CliError::usage(format!("`--day {text}`: no such day")).hint(
            "give `today`, `yesterday`, `monday`, `last friday`, `3 days ago`, or a date such as `2026-11-20`; \
             `retake history days` lists the days",
        )
    })
}

/// The moment from which `--since` takes exchanges: the first of a day, if a day is said.
///
/// # Errors
/// Exit code 2 for what cannot be understood, and for what has not come yet.
pub(in crate::cli) fn since(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, CliError> {
    let moment = first("--since", text, zone, now)?;
    if moment <= now {
        return Ok(moment);
    }
    let there = moment.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %:z").to_string();
    let error = CliError::usage(format!("`--since {text}` has not come yet: it means {there}"));
    let is_time = time(&plain(text)).is_some();
    Err(if is_time { error.hint(format!("`--since \"yesterday {text}\"` means the day before")) } else { error })
}

/// The moment before which `--older-than` takes exchanges: the first of a day, if a day is said.
///
/// # Errors
/// Exit code 2 for what cannot be understood.
pub(in crate::cli) fn older_than(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, CliError> {
    first("--older-than", text, zone, now)
}

fn first(flag: &str, text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, CliError> {
    match said(text, zone, now).ok_or_else(|| unknown(flag, text))? {
        Said::Day(day) => Ok(bounds(flag, day, zone)?.0),
        Said::Moment(moment) => Ok(moment),
    }
}

/// The moment before which `--until` takes exchanges: the end of a day, if a day is said.
///
/// # Errors
/// Exit code 2 for what cannot be understood.
pub(in crate::cli) fn until(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, CliError> {
    match said(text, zone, now).ok_or_else(|| unknown("--until", text))? {
        Said::Day(day) => Ok(bounds("--until", day, zone)?.1),
        Said::Moment(moment) => Ok(moment),
    }
}

fn unknown(flag: &str, text: &str) -> CliError {
    CliError::usage(format!("`{flag} {text}`: no such time")).hint(
        "give `10:30`, `today`, `yesterday 14:00`, `monday`, `last friday`, `2h ago`, `3 days ago`, `2026-11-20`, \
         `2026-11-20 14:00`, or RFC 3339 such as `2026-11-20T14:00:00Z`",
    )
}

/// The first moment of a day in its zone, and of the day after it.
///
/// # Errors
/// Exit code 2 for a day at the end of time.
pub(in crate::cli) fn bounds(flag: &str, day: Date, zone: &TimeZone) -> Result<(Timestamp, Timestamp), CliError> {
    let start = |date: Date| date.to_zoned(zone.clone()).and_then(|at: Zoned| at.start_of_day());
    match (start(day), day.checked_add(1.day()).and_then(start)) {
        (Ok(first), Ok(last)) => Ok((first.timestamp(), last.timestamp())),
        (Err(error), _) | (_, Err(error)) => Err(CliError::usage(format!("`{flag} {day}`: {error}"))),
    }
}

/// Lower case, with single spaces.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase()
}

fn said(text: &str, zone: &TimeZone, now: Timestamp) -> Option<Said> {
    // RFC 3339 says its zone itself.
    if let Ok(moment) = text.trim().parse::<Timestamp>() {
        return Some(Said::Moment(moment));
    }
    let text = plain(text);
    let today = now.to_zoned(zone.clone()).date();
    let local = |date: Date, time: Time| {
        let at = DateTime::from_parts(date, time).to_zoned(zone.clone()).ok()?;
        Some(Said::Moment(at.timestamp()))
    };
    if text == "now" {
        return Some(Said::Moment(now));
    }
    if let Some(day) = named_day(&text, today) {
        return Some(Said::Day(day));
    }
    if let Some(time) = time(&text) {
        return local(today, time);
    }
    if let Some((day, at)) = text.rsplit_once([' ', 't'])
        && let (Some(day), Some(at)) = (named_day(day.trim_end_matches(" at"), today), time(at))
    {
        return local(day, at);
    }
    ago(&text, zone, now).map(Said::Moment)
}

/// `2h ago`, `1h 30m ago`, `90 minutes ago`, or the same without `ago`, as other tools have it.
fn ago(text: &str, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let length = text.strip_suffix("ago").unwrap_or(text).trim_end();
    // A sign or an ISO 8601 duration would be read too, and not as people mean it.
    if !length.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let span = SpanParser::new().parse_span(length).ok().filter(|span| span.is_positive())?;
    Some(now.to_zoned(zone.clone()).checked_sub(span).ok()?.timestamp())
}

/// `14:00` or `14:00:30`.
fn time(text: &str) -> Option<Time> {
    let mut parts = text.split(':');
    let mut part = |needed: bool| match parts.next() {
        Some(digits) if matches!(digits.len(), 1 | 2) && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse::<i8>().ok()
        }
        None if !needed => Some(0),
        _ => None,
    };
    let (hour, minute, second) = (part(true)?, part(true)?, part(false)?);
    if parts.next().is_some() {
        return None;
    }
    Time::new(hour, minute, second, 0).ok()
}

/// A day by its name or date. A weekday is the newest of its name, today included; with `last`, before today.
fn named_day(text: &str, today: Date) -> Option<Date> {
    match text {
        "today" => return Some(today),
        "yesterday" => return today.checked_sub(1.day()).ok(),
        _ => {}
    }
    let (is_last, name) = text.strip_prefix("last ").map_or((false, text), |name| (true, name));
    if let Some((_, _, weekday)) = NAMED_DAYS.iter().find(|(long, short, _)| *long == name || *short == name) {
        let back = i64::from(weekday.until(today.weekday()));
        let back = if is_last && back == 0 { 7 } else { back };
        return today.checked_sub(back.days()).ok();
    }
    if let Some(count) = text.strip_suffix(" ago") {
        let (count, unit) = count.trim_end().split_at(count.find(|c: char| !c.is_ascii_digit())?);
        let days = match unit.trim_start() {
            "d" | "day" | "days" => 1,
            "w" | "week" | "weeks" => 7,
            _ => return None,
        };
        let back = count.parse::<i32>().ok()?.checked_mul(days)?;
        return today.checked_sub(jiff::Span::new().try_days(back).ok()?).ok();
    }
    // A date and time would parse as well; only a date is a day.
    let is_date = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if is_date { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A Friday, half past two in the night in Berlin.
    fn now() -> Timestamp {
        "2026-11-20T01:30:00Z".parse().unwrap()
    }

    fn berlin() -> TimeZone {
        TimeZone::fixed(jiff::tz::offset(1))
    }

    #[test]
    fn days_as_people_say_them() {
        for (text, expected) in [
            ("today", "2026-11-20"),
            ("Yesterday", "2026-11-19"),
            ("friday", "2026-11-20"),
            ("last friday", "2026-11-13"),
            ("Mon", "2026-11-16"),
            ("saturday", "2026-11-14"),
            ("last  monday", "2026-11-16"),
            ("3 days ago", "2026-11-17"),
            ("1 day ago", "2026-11-19"),
            ("2 weeks ago", "2026-11-06"),
            ("2026-02-28", "2026-02-28"),
        ] {
            assert_eq!(day(text, &berlin(), now()).unwrap().to_string(), expected, "{text}");
        }
        // West of Greenwich it is still the day before.
        let west = TimeZone::fixed(jiff::tz::offset(-5));
        assert_eq!(day("today", &west, now()).unwrap().to_string(), "2026-11-19");
    }

    #[test]
    fn what_is_no_day_says_what_is() {
        for text in
            ["tomorow", "tomorrow", "2026-02-30", "", "20261120", "2026-11-20T10:00", "3 ago", "ago", "2h ago", "last"]
        {
            let error = day(text, &TimeZone::UTC, now()).unwrap_err();
            assert_eq!(error.exit.0, 2, "{text}");
            assert!(error.hint.unwrap().contains("today"));
        }
    }

    #[test]
    fn moments_as_people_say_them() {
        for (text, expected) in [
            ("now", "2026-11-20T01:30:00Z"),
            ("2h ago", "2026-11-19T23:30:00Z"),
            ("2h", "2026-11-19T23:30:00Z"),
            ("90 min ago", "2026-11-20T00:00:00Z"),
            ("1h 30m ago", "2026-11-20T00:00:00Z"),
            ("2 hours ago", "2026-11-19T23:30:00Z"),
            ("01:00", "2026-11-20T00:00:00Z"),
            ("1:00:30", "2026-11-20T00:00:30Z"),
            ("today", "2026-11-19T23:00:00Z"),
            ("3 days ago", "2026-11-16T23:00:00Z"),
            ("yesterday 14:00", "2026-11-19T13:00:00Z"),
            ("last friday at 14:00", "2026-11-13T13:00:00Z"),
            ("2026-11-18 14:00", "2026-11-18T13:00:00Z"),
            ("2026-11-18T14:00", "2026-11-18T13:00:00Z"),
            ("2026-11-18T14:00:05", "2026-11-18T13:00:05Z"),
            ("2026-11-18T14:00:00Z", "2026-11-18T14:00:00Z"),
            ("2026-11-18T14:00:00+02:00", "2026-11-18T12:00:00Z"),
        ] {
            assert_eq!(since(text, &berlin(), now()).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn a_day_as_an_end_is_included() {
        assert_eq!(until("yesterday", &berlin(), now()).unwrap().to_string(), "2026-11-19T23:00:00Z");
        assert_eq!(until("2026-11-18 14:00", &berlin(), now()).unwrap().to_string(), "2026-11-18T13:00:00Z");
    }

    #[test]
    fn no_time_is_guessed() {
        for text in [
            "",
            "soon",
            "tomorrow",
            "25:00",
            "10",
            "10:30pm",
            "3/4/2026",
            "-2h",
            "P1D",
            "2x ago",
            "2h later",
            "10:61",
            "2026-13-01",
            "monday tuesday",
            "2h 10:30",
            "next friday",
            "0s",
        ] {
            for error in [since(text, &berlin(), now()).unwrap_err(), until(text, &berlin(), now()).unwrap_err()] {
                assert!(error.exit.0 == 2 && error.hint.unwrap().contains("2h ago"), "{text}");
            }
        }
    }

    #[test]
    fn a_beginning_that_has_not_come_yet_is_refused() {
        let error = since("10:30", &berlin(), now()).unwrap_err();
        assert!(error.message.contains("2026-11-20 10:30 +01:00"), "{}", error.message);
        assert!(error.hint.unwrap().contains("yesterday 10:30"));
        assert!(until("10:30", &berlin(), now()).is_ok());
    }

    #[test]
    fn a_day_with_a_changed_clock_has_its_own_length() {
        let Ok(zone) = TimeZone::get("Europe/Berlin") else { return };
        let (first, last) = bounds("--day", "2026-10-25".parse().unwrap(), &zone).unwrap();
        assert_eq!(last.duration_since(first).as_hours(), 25);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,24}", words in "(last |2026-|[0-9]{1,19} ?(days|h|m|w|y|weeks)? ?|ago|at|t|:|-){0,8}") {
            for text in [&text, &words] {
                let _ = (day(text, &berlin(), now()), since(text, &berlin(), now()), until(text, &berlin(), now()));
            }
        }
    }
}
