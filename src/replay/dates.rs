//! Dates of recorded answers, moved by the age of the recording: what was to expire in an hour does so again.

use std::ops::Range;

use bytes::Bytes;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use super::cookies;
use crate::collection::{ResponseSpec, ShiftDates};
use crate::model::{Field, Fields, date, media};

/// Fields that hold one date (RFC 9110 section 5.6.7).
const DATE_FIELDS: [&str; 3] = ["date", "expires", "last-modified"];
/// Numbers in this range are taken for seconds since 1970 where a name says that they are a time: 2001 to 2096.
const EPOCH_SECONDS: std::ops::Range<i64> = 1_000_000_000..4_000_000_000;

/// By how much the dates of one answer move, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    recorded: Timestamp,
    now: Timestamp,
    /// Whole seconds, so that fractions stay as they are.
    seconds: i64,
    what: ShiftDates,
}

impl Shift {
    /// The shift of an answer that is served at `now`; none if nothing is to move, or nobody knows when it was recorded:
    /// `recorded_at` says so, or else its `Date` field.
    pub fn new(spec: &ResponseSpec, what: ShiftDates, now: Timestamp) -> Option<Shift> {
        let said =
            || spec.fields.iter().find(|line| line.0.is("date")).and_then(|line| date::of_cookie(&line.0.text()));
        let recorded = match (&spec.recorded_at, what) {
            (_, ShiftDates::None) => return None,
            (Some(at), _) => at.0,
            (None, ShiftDates::Cookies) => return None,
            (None, _) => said()?,
        };
        let seconds = now.duration_since(recorded).as_secs();
        Some(Shift { recorded, now, seconds, what })
    }

    /// Moves the dates of field lines. Whether any was moved.
    pub fn fields(&self, fields: &mut Fields) -> bool {
        let mut any = cookies::shift(fields, self.recorded, self.now);
        if self.what < ShiftDates::Fields {
            return any;
        }
        for field in fields.iter_mut().filter(|field| DATE_FIELDS.iter().any(|name| field.is(name))) {
            if let Some(moved) = self.http_date(&field.text()) {
                *field = Field::new(std::mem::take(&mut field.name), moved);
                any = true;
            }
        }
        any
    }

    /// The body with its dates moved, if it is JSON and has any.
    pub fn body(&self, fields: &Fields, body: &Bytes) -> Option<Bytes> {
        let content_type = fields.text("content-type");
        let is_json = media::Kind::of(content_type.as_deref()) == media::Kind::Json;
        if self.what < ShiftDates::All || !is_json || serde_json::from_slice::<serde::de::IgnoredAny>(body).is_err() {
            return None;
        }
        with_values(body, |scalar| self.scalar(body, scalar))
    }

    /// Shows each date that is moved, as it was recorded and as it is served.
    pub(super) fn each(&self, spec: &ResponseSpec, body: &Bytes, mut shown: impl FnMut(&str, &str)) {
        let recorded: Fields = spec.fields.iter().map(|line| line.0.clone()).collect();
        let mut moved = recorded.clone();
        self.fields(&mut moved);
        for (recorded, moved) in recorded.iter().zip(moved.iter()) {
            shown(&recorded.text(), &moved.text());
        }
        if self.body(&recorded, body).is_none() {
            return;
        }
        each_scalar(body, |scalar| {
            let text = std::str::from_utf8(&body[scalar.range.clone()]);
            if let (Some(moved), Ok(text)) = (self.scalar(body, scalar), text) {
                shown(text.trim_matches('"'), moved.trim_matches('"'));
            }
        });
    }

    /// A string with its quotes, or a number whose name says that it is a time.
    fn scalar(&self, body: &[u8], scalar: &Scalar) -> Option<String> {
        let written = &body[scalar.range.clone()];
        match written.first() {
            Some(b'"') => self.string(written),
            _ => self.epoch(written).filter(|_| is_time(&scalar.name(body))),
        }
    }

    /// A JSON string, with its quotes.
    fn string(&self, written: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(written).ok()?.strip_prefix('"')?.strip_suffix('"')?;
        let moved = self.rfc3339(text).or_else(|| self.http_date(text))?;
        Some(format!("\"{moved}\""))
    }

    /// `2026-11-20T09:30:00.123+01:00`, with its zone and its fraction kept.
    fn rfc3339(&self, text: &str) -> Option<String> {
        const LENGTH: usize = "2026-11-20T09:30:00".len();
        let (moment, rest) = text.split_at_checked(LENGTH)?;
        let separator = moment.as_bytes()[10];
        if !matches!(separator, b'T' | b't' | b' ') || !is_zone(rest) {
            return None;
        }
        let civil: DateTime = format!("{}T{}", moment.get(..10)?, moment.get(11..)?).parse().ok()?;
        let moved = civil.checked_add(SignedDuration::from_secs(self.seconds)).ok()?;
        let moved = moved.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        (moved.len() == LENGTH).then(|| format!("{}{}{}{rest}", &moved[..10], char::from(separator), &moved[11..]))
    }

    /// `Fri, 20 Nov 2026 09:30:00 GMT`
    fn http_date(&self, text: &str) -> Option<String> {
        // Both the form that is read and what is not it: numbers, `0`, and dates of other shapes stay.
        let looks =
            text.len() == "Fri, 20 Nov 2026 09:30:00 GMT".len() && text.ends_with(" GMT") && text.contains(", ");
        let moment = date::of_cookie(text).filter(|_| looks)?;
        let moved = moment.checked_add(SignedDuration::from_secs(self.seconds)).ok()?;
        Some(moved.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
    }

    /// Seconds, milliseconds or microseconds since 1970, with a fraction kept.
    fn epoch(&self, written: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(written).ok()?;
        let (whole, fraction) = text.find('.').map_or((text, ""), |at| text.split_at(at));
        if fraction.contains(['e', 'E']) {
            return None;
        }
        let number: i64 = whole.parse().ok()?;
        let unit = [1, 1_000, 1_000_000].into_iter().find(|unit| EPOCH_SECONDS.contains(&(number / unit)))?;
        Some(format!("{}{fraction}", number.checked_add(self.seconds.checked_mul(unit)?)?))
    }
}

/// What follows the seconds of an RFC 3339 date: a fraction or none, and `Z` or an offset.
fn is_zone(text: &str) -> bool {
    let zone = match text.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|character: char| character.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
        None => text,
    };
    match zone.as_bytes() {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', a, b, b':', c, d] => [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()),
        _ => false,
    }
}

/// Whether the name of a member says that its number is a time: `created_at`, `expiresAt`, `timestamp`, `exp`.
fn is_time(name: &str) -> bool {
    const NAMES: [&str; 14] = [
        "at", "created", "date", "epoch", "exp", "expires", "expiry", "iat", "modified", "nbf", "reset", "time", "ts",
        "updated",
    ];
    const ENDS: [&str; 8] = ["_at", "_time", "_date", "timestamp", "_ts", "_on", "_expires", "_until"];
    const CAMEL: [&str; 5] = ["At", "Time", "Date", "Timestamp", "Until"];
    let lower = name.to_ascii_lowercase().replace('-', "_");
    NAMES.contains(&lower.as_str())
        || ENDS.iter().any(|end| lower.ends_with(end))
        || CAMEL.iter().any(|end| name.ends_with(end))
}

/// The JSON text with other strings (with their quotes) and numbers, where `other` has one for what stands there; none
/// if it has none.
pub(super) fn with_scalars(text: &Bytes, mut other: impl FnMut(Range<usize>) -> Option<String>) -> Option<Bytes> {
    with_values(text, |scalar| other(scalar.range.clone()))
}

fn with_values(text: &Bytes, mut other: impl FnMut(&Scalar) -> Option<String>) -> Option<Bytes> {
    let mut out = Vec::new();
    let mut copied = 0;
    each_scalar(text, |scalar| {
        if let Some(value) = other(scalar) {
            out.extend_from_slice(&text[copied..scalar.range.start]);
            out.extend_from_slice(value.as_bytes());
            copied = scalar.range.end;
        }
    });
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(&text[copied..]);
    Some(out.into())
}

/// A string or number of a JSON text. Where it stands, and where the name of the member stands whose value it is or is in.
struct Scalar {
    range: Range<usize>,
    name: Range<usize>,
}

impl Scalar {
    /// The name of its member; empty if it has none.
    fn name(&self, text: &[u8]) -> String {
        serde_json::from_slice(&text[self.name.clone()]).unwrap_or_default()
    }
}

/// Shows the strings and numbers of a JSON text, in order; names of members are none of them. Keeps nothing but where the
/// names of the containers stand that are open.
fn each_scalar(text: &[u8], mut shown: impl FnMut(&Scalar)) {
    let mut open: Vec<Range<usize>> = Vec::new();
    let mut name = 0..0;
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'"' => {
                let end = string_end(text, at);
                let after = text[end..].iter().find(|byte| !byte.is_ascii_whitespace());
                if after == Some(&b':') {
                    name = at..end;
                } else {
                    shown(&Scalar { range: at..end, name: name.clone() });
                }
                at = end;
            }
            b'-' | b'0'..=b'9' => {
                let number = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
                let end = at + text[at..].iter().take_while(|byte| number(byte)).count();
                shown(&Scalar { range: at..end, name: name.clone() });
                at = end;
            }
            byte => {
                match byte {
                    b'{' | b'[' => open.push(name.clone()),
                    b'}' | b']' => name = open.pop().unwrap_or_default(),
                    _ => {}
                }
                at += 1;
            }
        }
    }
}

/// Behind the closing quote of the string that begins at `at`.
fn string_end(text: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < text.len() && text[end] != b'"' {
        end += if text[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Served thirty days and one hour after the recording.
    fn shift(spec: &str, what: ShiftDates) -> Option<Shift> {
        let spec: ResponseSpec = serde_json::from_str(spec).unwrap();
        Shift::new(&spec, what, "2026-11-19T01:00:00.4Z".parse().unwrap())
    }

    const RECORDED: &str = r#"{"status":200,"recorded_at":"2026-10-20T00:00:00Z"}"#;

    fn body(json: &str) -> String {
        let mut fields = Fields::new();
        fields.push("Content-Type", "application/json");
        let shift = shift(RECORDED, ShiftDates::All).unwrap();
        shift
            .body(&fields, &json.to_owned().into())
            .map_or_else(|| "unchanged".to_owned(), |moved| String::from_utf8(moved.to_vec()).unwrap())
    }

    #[test]
    fn dates_in_bodies_keep_their_form_precision_and_zone() {
        for (recorded, moved) in [
            (r#"{"a":"2026-10-20T09:30:00Z"}"#, r#"{"a":"2026-11-19T10:30:00Z"}"#),
            (r#"{"a": "2026-10-20T23:30:00.123456+02:00"}"#, r#"{"a": "2026-11-20T00:30:00.123456+02:00"}"#),
            (r#"["2026-12-31 23:59:59.5z"]"#, r#"["2027-01-31 00:59:59.5z"]"#),
            (r#"{"d":"Tue, 20 Oct 2026 09:30:00 GMT"}"#, r#"{"d":"Thu, 19 Nov 2026 10:30:00 GMT"}"#),
            (r#"{"created_at":1792459800,"n":1792459800}"#, r#"{"created_at":1795055400,"n":1792459800}"#),
            (
                r#"{"expiresAt":1792459800123,"x":{"ts":1792459800.25}}"#,
                r#"{"expiresAt":1795055400123,"x":{"ts":1795055400.25}}"#,
            ),
            (
                r#"{"timestamps":[1],"exp":[1792459800,{"b":1}],"after":1792459800}"#,
                r#"{"timestamps":[1],"exp":[1795055400,{"b":1}],"after":1792459800}"#,
            ),
        ] {
            assert_eq!(body(recorded), moved);
        }
    }

    #[test]
    fn what_is_no_date_stays() {
        for text in [
            r#"{"a":"2026-10-20"}"#,
            r#"{"a":"2026-10-20T09:30:00"}"#,
            r#"{"a":"2026-10-20T09:30:00.Z"}"#,
            r#"{"a":"2026-10-20T09:30:00+0200"}"#,
            r#"{"a":"2026-13-20T09:30:00Z"}"#,
            r#"{"2026-10-20T09:30:00Z":1}"#,
            r#"{"created_at":12,"exp":1.5e9,"ts":"1792459800"}"#,
            r#"{"a":"é026-10-20T09:30:00Z"}"#,
            r#"{"a":"2026-10-20T09:30:00Z""#,
        ] {
            assert_eq!(body(text), "unchanged", "{text}");
        }
        let mut plain = Fields::new();
        plain.push("Content-Type", "text/plain");
        let shift = shift(RECORDED, ShiftDates::All).unwrap();
        assert_eq!(shift.body(&plain, &r#"["2026-10-20T09:30:00Z"]"#.into()), None);
    }

    #[test]
    fn fields_move_as_far_as_is_asked() {
        let lines = [
            ("Date", "Tue, 20 Oct 2026 00:00:00 GMT"),
            ("Expires", "Tue, 20 Oct 2026 01:00:00 GMT"),
            ("Expires", "0"),
            ("Set-Cookie", "a=b; Expires=Wed, 21 Oct 2026 00:00:00 GMT"),
        ];
        let moved = |what| {
            let mut fields = Fields::new();
            lines.iter().for_each(|(name, value)| fields.push(*name, *value));
            if let Some(shift) = shift(RECORDED, what) {
                shift.fields(&mut fields);
            }
            fields.iter().map(|field| field.text().into_owned()).collect::<Vec<_>>()
        };
        let cookie = "a=b; Expires=Fri, 20 Nov 2026 01:00:00 GMT";
        let all = ["Thu, 19 Nov 2026 01:00:00 GMT", "Thu, 19 Nov 2026 02:00:00 GMT", "0", cookie];
        assert_eq!(moved(ShiftDates::Fields), all);
        assert_eq!(moved(ShiftDates::All), all);
        assert_eq!(moved(ShiftDates::Cookies), [lines[0].1, lines[1].1, lines[2].1, cookie]);
        assert_eq!(moved(ShiftDates::None), lines.map(|(_, value)| value));
    }

    #[test]
    fn the_date_field_tells_the_age_where_nothing_else_does() {
        let dated = r#"{"status":200,"fields":["Date: Tue, 20 Oct 2026 00:00:00 GMT"]}"#;
        assert_eq!(shift(dated, ShiftDates::Fields).unwrap().seconds, 30 * 24 * 3600 + 3600);
        assert_eq!(shift(dated, ShiftDates::Cookies), None, "as ever: cookies want `recorded_at`");
        assert_eq!(shift(r#"{"status":200}"#, ShiftDates::All), None);
    }
}
