//! Sizes, durations, statuses and media types as typed.

use bytesize::ByteSize;
use jiff::fmt::friendly::SpanParser;

use crate::cli::exit::CliError;

/// Short names of media types, and what they stand for.
const TYPES: &[(&str, &str)] = &[
    ("json", "{application/json,application/*+json,text/json}"),
    ("html", "{text/html,application/xhtml+xml}"),
    ("xml", "{application/xml,text/xml,application/*+xml}"),
    ("javascript", "{text/javascript,application/javascript,application/x-javascript}"),
    ("js", "{text/javascript,application/javascript,application/x-javascript}"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("plain", "text/plain"),
    ("text", "text/*"),
    ("image", "image/*"),
    ("audio", "audio/*"),
    ("video", "video/*"),
    ("font", "{font/*,application/font*}"),
    ("form", "application/x-www-form-urlencoded"),
    ("multipart", "multipart/*"),
    ("sse", "text/event-stream"),
    ("yaml", "{application/yaml,application/x-yaml,text/yaml,text/x-yaml}"),
    ("pdf", "application/pdf"),
    ("zip", "application/zip"),
    ("grpc", "application/grpc*"),
    ("protobuf", "{application/protobuf,application/x-protobuf}"),
    ("binary", "application/octet-stream"),
    ("none", ""),
];

/// The glob over media types that `--type` means.
///
/// # Errors
/// Exit code 2 for a name that is no media type.
pub(super) fn media_type(text: &str) -> Result<String, CliError> {
    let name = text.trim().to_ascii_lowercase();
    if let Some((_, glob)) = TYPES.iter().find(|(known, _)| *known == name) {
        return Ok((*glob).to_owned());
    }
    if name.contains(['/', '*', '{']) {
        return super::checked_glob("--type", &name);
    }
    let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
    Err(CliError::usage(format!("`--type {text}`: no such media type"))
        .hint(format!("give one whole (`application/json`), a glob (`image/*`), or one of {}", names.join(", "))))
}

/// `404`, `5xx` or `400-499` as codes from and to.
///
/// # Errors
/// Exit code 2 for anything else.
pub(in crate::cli) fn status(text: &str) -> Result<(u16, u16), CliError> {
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

/// Bytes from and to, both included.
///
/// # Errors
/// Exit code 2 for anything but a size with a bound, or a count of bytes.
pub(super) fn sizes(text: &str) -> Result<(u64, u64), CliError> {
    let exact = text.trim().parse::<u64>().ok().map(|bytes| (bytes, bytes));
    exact.or_else(|| range(text, bytes)).ok_or_else(|| {
        CliError::usage(format!("`--size {text}`: no such size"))
            .hint("give bounds, such as `'>1MB'`, `'<500'`, `10KB-1MB`, `1MiB..`, or bytes, such as `0`")
    })
}

/// Microseconds from and to, both included.
///
/// # Errors
/// Exit code 2 for anything but a duration with a bound.
pub(super) fn durations(text: &str) -> Result<(u64, u64), CliError> {
    range(text, microseconds).ok_or_else(|| {
        CliError::usage(format!("`--duration {text}`: no such duration"))
            .hint("give bounds, such as `'>1s'`, `'<20ms'`, `100ms-2s`, `1m..`")
    })
}

/// `>A`, `>=A`, `<A`, `<=A`, `A-B`, `A..B`, `A..`, `..B` as from and to, both included. A range that nothing fits is
/// none.
fn range(text: &str, one: impl Fn(&str) -> Option<u64>) -> Option<(u64, u64)> {
    let text = text.trim();
    let (from, to) = if let Some(least) = text.strip_prefix(">=") {
        (one(least)?, u64::MAX)
    } else if let Some(below) = text.strip_prefix('>') {
        (one(below)?.checked_add(1)?, u64::MAX)
    } else if let Some(most) = text.strip_prefix("<=") {
        (0, one(most)?)
    } else if let Some(above) = text.strip_prefix('<') {
        (0, one(above)?.checked_sub(1)?)
    } else {
        let (from, to) = text.split_once("..").map_or_else(
            || text.split_once('-').filter(|(from, to)| !from.is_empty() && !to.is_empty()),
            |bounds| (bounds != ("", "")).then_some(bounds),
        )?;
        (if from.is_empty() { 0 } else { one(from)? }, if to.is_empty() { u64::MAX } else { one(to)? })
    };
    (from <= to).then_some((from, to))
}

/// `500`, `10KB`, `1.5 MiB` in bytes. KB counts in thousands, KiB in 1024.
pub(in crate::cli) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_figure = text.starts_with(|first: char| first.is_ascii_digit()) && text.is_ascii();
    // The parser rounds what does not fit: nobody has an exbibyte here.
    text.parse::<ByteSize>().ok().map(|size| size.as_u64()).filter(|&size| is_figure && size < 1 << 60)
}

/// `100ms`, `1.5s`, `2 min`: in microseconds.
fn microseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    if !text.starts_with(|first: char| first.is_ascii_digit()) || text.ends_with("ago") {
        return None;
    }
    u64::try_from(SpanParser::new().parse_duration(text).ok()?.as_micros()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn statuses() {
        assert_eq!(status("404").unwrap(), (404, 404));
        assert_eq!(status("5XX").unwrap(), (500, 599));
        assert_eq!(status("400-499").unwrap(), (400, 499));
        for text in ["", "abc", "6xx", "0", "499-400", "404-", "xx", "4x", "1000"] {
            assert_eq!(status(text).unwrap_err().exit.0, 2, "{text}");
        }
    }

    #[test]
    fn sizes_with_bounds() {
        for (text, expected) in [
            (">1MB", (1_000_001, u64::MAX)),
            (">= 1 MiB", (1 << 20, u64::MAX)),
            ("<500", (0, 499)),
            ("<=2kb", (0, 2000)),
            ("10KB-1MB", (10_000, 1_000_000)),
            ("1.5KiB..", (1536, u64::MAX)),
            ("..1GB", (0, 1_000_000_000)),
            ("0", (0, 0)),
            ("512", (512, 512)),
        ] {
            assert_eq!(sizes(text).unwrap(), expected, "{text}");
        }
        for text in
            ["", "1MB", ">", "<0", "-5", "5-", "..", "2MB-1MB", "1XB", ">-1", ">1e99", ">big", "> 99999999999999TB"]
        {
            assert_eq!(sizes(text).unwrap_err().exit.0, 2, "{text}");
        }
    }

    #[test]
    fn durations_with_bounds() {
        for (text, expected) in [
            (">1s", (1_000_001, u64::MAX)),
            ("100ms-2s", (100_000, 2_000_000)),
            ("<20ms", (0, 19_999)),
            (">= 1.5s", (1_500_000, u64::MAX)),
            ("2 min..", (120_000_000, u64::MAX)),
            ("1m..90s", (60_000_000, 90_000_000)),
        ] {
            assert_eq!(durations(text).unwrap(), expected, "{text}");
        }
        for text in ["", "1s", ">1", ">1 parsec", ">-1s", "2s-1s", ">1s ago", "<0s"] {
            assert_eq!(durations(text).unwrap_err().exit.0, 2, "{text}");
        }
    }

    #[test]
    fn media_types_by_short_name_glob_or_whole() {
        let fits = |name: &str, media_type: &str| {
            let glob = globset::GlobBuilder::new(&self::media_type(name).unwrap()).build().unwrap();
            glob.compile_matcher().is_match(media_type)
        };
        assert!(fits("json", "application/json") && fits("JSON", "application/problem+json"));
        assert!(!fits("json", "text/html") && fits("html", "text/html") && fits("xml", "application/atom+xml"));
        assert!(fits("image", "image/png") && fits("image/*", "image/png") && !fits("image/*", "text/plain"));
        assert!(fits("text/csv", "text/csv") && fits("none", "") && !fits("none", "text/plain"));
        for (name, glob) in TYPES {
            assert!(globset::Glob::new(glob).is_ok(), "{name}");
        }
        let error = media_type("jsn").unwrap_err();
        assert!(error.exit.0 == 2 && error.hint.unwrap().contains("json"));
        assert_eq!(media_type("{a/").unwrap_err().exit.0, 2);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,16}", figure in "[<>=.]{0,2}[0-9.]{0,20} ?[kKmMgGiBs]{0,3}[-.]{0,2}[0-9]{0,20}[a-z]{0,3}") {
            for text in [&text, &figure] {
                let _ = (sizes(text), durations(text), status(text), media_type(text));
            }
        }
    }
}
