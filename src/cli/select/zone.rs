//! The zone in which days begin and times are shown.

use jiff::tz::TimeZone;

use crate::cli::args::ZoneArgs;
use crate::cli::exit::CliError;

/// The zone that `--tz` names; the system's without one.
///
/// # Errors
/// Exit code 2 for a zone that nobody knows.
pub(in crate::cli) fn zone(args: &ZoneArgs) -> Result<TimeZone, CliError> {
    let Some(text) = args.tz.as_deref() else { return Ok(TimeZone::system()) };
    let name = text.trim();
    if name.eq_ignore_ascii_case("local") {
        return Ok(TimeZone::system());
    }
    if name.eq_ignore_ascii_case("utc") || name.eq_ignore_ascii_case("z") {
        return Ok(TimeZone::UTC);
    }
    if name.starts_with(['+', '-']) {
        return jiff::fmt::temporal::DateTimeParser::new().parse_time_zone(name).map_err(|_| {
            CliError::usage(format!("`--tz {text}`: no such offset")).hint("give hours and minutes, such as `+02:00`")
        });
    }
    TimeZone::get(name).map_err(|_| unknown(text, name))
}

fn unknown(text: &str, name: &str) -> CliError {
    let error = CliError::usage(format!("`--tz {text}`: no such time zone"));
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    if known.is_empty() {
        return error.hint("this system has no database of time zones; `UTC`, `local` and `+02:00` work without one");
    }
    let wanted = name.to_ascii_lowercase();
    // People name a city more often than its continent.
    let likeness = |zone: &String| {
        let zone = zone.to_ascii_lowercase();
        let city = zone.rsplit('/').next().unwrap_or(&zone);
        strsim::jaro_winkler(&zone, &wanted).max(strsim::jaro_winkler(city, &wanted))
    };
    let nearest = known.iter().map(|zone| (likeness(zone), zone)).max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, zone)) if likeness > 0.85 => error.hint(format!("did you mean `{zone}`?")),
        _ => error.hint("give a name such as `Europe/Berlin`, `UTC`, `local`, or an offset such as `+02:00`"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone_of(text: &str) -> Result<TimeZone, CliError> {
        zone(&ZoneArgs { tz: Some(text.to_owned()) })
    }

    #[test]
    fn zones_and_offsets() {
        let at: jiff::Timestamp = "2026-11-20T01:30:00Z".parse().unwrap();
        let shown = |text: &str| at.to_zoned(zone_of(text).unwrap()).strftime("%H:%M").to_string();
        assert_eq!(
            ["UTC", "utc", "Z", "+02:00", "-05:30", "+14"].map(shown),
            ["01:30", "01:30", "01:30", "03:30", "20:00", "15:30"]
        );
        assert!(zone_of("local").is_ok());
    }

    #[test]
    fn an_unknown_zone_is_named_with_the_nearest() {
        for text in ["Mars/Olympus", "", "+99:00", "-", "+2x"] {
            assert_eq!(zone_of(text).unwrap_err().exit.0, 2, "{text}");
        }
        if TimeZone::get("Europe/Berlin").is_ok() {
            assert_eq!(zone_of("Europe/Berln").unwrap_err().hint.unwrap(), "did you mean `Europe/Berlin`?");
            assert_eq!(zone_of("berlin").unwrap_err().hint.unwrap(), "did you mean `Europe/Berlin`?");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,16}", offset in "[-+][0-9:]{0,9}") {
            let _ = (zone_of(&text), zone_of(&offset));
        }
    }
}
