//! How much of the history is kept: `[history]` of a settings file.

use jiff::{SignedDuration, Span, SpanRelativeTo};

/// What a recorder prunes at its start. Nothing, unless the user says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    /// Exchanges older than this go.
    pub keep: Option<SignedDuration>,
    /// Then the oldest, until the history takes at most this many bytes.
    pub max_size: Option<u64>,
    /// What has a tag stays.
    pub keep_tagged: bool,
}

/// A time such as `30d` or `12h`; a day has 24 hours. None for what is no time, or less than nothing.
pub(super) fn duration(text: &str) -> Option<SignedDuration> {
    let span: Span = text.parse().ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    duration.is_positive().then_some(duration)
}

/// A size such as `5GB`, `500 MiB` or a number of bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let unit: u64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1000 * 1000,
        "g" | "gb" => 1000 * 1000 * 1000,
        "t" | "tb" => 1000 * 1000 * 1000 * 1000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        for (text, expected) in [
            ("5GB", Some(5_000_000_000)),
            ("500 MiB", Some(500 << 20)),
            ("12", Some(12)),
            ("99999999999TB", None),
            ("5 apples", None),
            ("", None),
            ("-1", None),
        ] {
            assert_eq!(size(text), expected, "{text}");
        }
        assert_eq!(duration("30d"), Some(SignedDuration::from_hours(720)));
        assert_eq!(duration("2w 1h"), Some(SignedDuration::from_hours(337)));
        for bad in ["", "30", "-3d", "soon", "1mo"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
