//! Dates in field values.

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// A cookie's date in either of its common forms: `Wed, 21 Oct 2026 07:28:00 GMT` (RFC 9110 section 5.6.7), or with dashes
/// as older servers write it (RFC 6265 section 5.1.1 allows both).
pub fn of_cookie(text: &str) -> Option<Timestamp> {
    let text = text.trim().trim_matches('"').replace('-', " ");
    // A date whose weekday is wrong is a date all the same.
    let parser = rfc2822::DateTimeParser::new().relaxed_weekday(true);
    parser.parse_timestamp(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let moment = Some("2026-10-21T07:28:00Z".parse().unwrap());
        for text in
            ["Wed, 21 Oct 2026 07:28:00 GMT", " Mon, 21-Oct-2026 07:28:00 GMT", "\"Wed, 21 Oct 2026 07:28:00 GMT\""]
        {
            assert_eq!(of_cookie(text), moment, "{text}");
        }
        assert_eq!(of_cookie("soon"), None);
    }
}
