//! Shapes of values that programs make up: identifiers, moments, tokens. By them a value is told that will differ in
//! the next recording, and a rule can ask that a value at least looks right.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// A UUID of any version with hyphens (RFC 9562).
    Uuid,
    /// A ULID: 26 characters of Crockford's base 32.
    Ulid,
    /// A KSUID: 27 characters of base 62, a moment first.
    Ksuid,
    /// An ObjectId of MongoDB: 24 hexadecimal digits, a moment first.
    ObjectId,
    /// An xid: 20 characters of base 32 (`0` to `v`), a moment first.
    Xid,
    /// A random word behind the kind of thing that it names: `cus_NffrFeUfNV2Hib`, `i-0abcd1234ef567890`.
    PrefixedId,
    /// A snowflake: 17 to 19 decimal digits, a moment first.
    Snowflake,
    /// Seconds since 1970, of this century.
    EpochSeconds,
    /// Milliseconds since 1970, of this century.
    EpochMillis,
    /// Microseconds since 1970, of this century.
    EpochMicros,
    /// Seconds since 1970 with a fraction.
    EpochFraction,
    /// A moment as in RFC 3339 or ISO 8601, with or without its zone.
    DateTime,
    /// A day: `2026-11-20`.
    Date,
    /// A date of HTTP (RFC 9110 section 5.6.7).
    HttpDate,
    /// A JSON Web Token (RFC 7519).
    Jwt,
    /// The `traceparent` of W3C Trace Context.
    Traceparent,
    /// Sixteen hexadecimal digits or more.
    Hex,
    /// Decimal digits, with a sign or not.
    Integer,
    /// A word made up at random: sixteen characters or more, of several kinds.
    Token,
}

impl Shape {
    /// Every shape, the most telling first.
    pub const ALL: [Shape; 19] = [
        Shape::Uuid,
        Shape::Traceparent,
        Shape::Jwt,
        Shape::DateTime,
        Shape::HttpDate,
        Shape::Date,
        Shape::ObjectId,
        Shape::Ulid,
        Shape::Ksuid,
        Shape::Xid,
        Shape::EpochSeconds,
        Shape::EpochMillis,
        Shape::EpochMicros,
        Shape::EpochFraction,
        Shape::Snowflake,
        Shape::Integer,
        Shape::Hex,
        Shape::PrefixedId,
        Shape::Token,
    ];

    /// The most telling shape of a value, if it has one. What is told of numbers by their size alone (an epoch, a
    /// snowflake) may be chance: who has other evidence should ask for it.
    pub fn of(value: &str) -> Option<Shape> {
        Shape::ALL.into_iter().find(|shape| shape.fits(value))
    }

    /// Whether a value has this shape. It may have others too: a snowflake is an integer.
    pub fn fits(self, value: &str) -> bool {
        let digits = |from: usize, to: usize| {
            (from..=to).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit())
        };
        match self {
            Shape::Uuid => value.len() == 36 && uuid::Uuid::try_parse(value).is_ok(),
            Shape::Ulid => is_ulid(value),
            Shape::Ksuid => is_ksuid(value),
            Shape::ObjectId => is_object_id(value),
            Shape::Xid => xid_seconds(value).is_some(),
            Shape::PrefixedId => is_prefixed_id(value),
            Shape::Snowflake => digits(17, 19) && !value.starts_with('0'),
            Shape::EpochSeconds => digits(10, 10) && moment_of(value).is_some(),
            Shape::EpochMillis => digits(13, 13) && moment_of(value).is_some(),
            Shape::EpochMicros => digits(16, 16) && moment_of(value).is_some(),
            Shape::EpochFraction => value.contains('.') && moment_of(value).is_some(),
            Shape::DateTime => is_date_time(value),
            Shape::Date => value.len() == 10 && value.parse::<jiff::civil::Date>().is_ok(),
            Shape::HttpDate => value.ends_with("GMT") && super::date::of_cookie(value).is_some(),
            Shape::Jwt => is_jwt(value),
            Shape::Traceparent => is_traceparent(value),
            Shape::Hex => value.len() >= 16 && is_hex(value),
            Shape::Integer => {
                let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
                !digits.is_empty() && digits.len() <= 40 && digits.bytes().all(|byte| byte.is_ascii_digit())
            }
            Shape::Token => is_token(value),
        }
    }

    /// Its name in files, such as `date-time`.
    pub fn as_str(self) -> &'static str {
        match self {
            Shape::Uuid => "uuid",
            Shape::Ulid => "ulid",
            Shape::Ksuid => "ksuid",
            Shape::ObjectId => "object-id",
            Shape::Xid => "xid",
            Shape::PrefixedId => "prefixed-id",
            Shape::Snowflake => "snowflake",
            Shape::EpochSeconds => "epoch-seconds",
            Shape::EpochMillis => "epoch-millis",
            Shape::EpochMicros => "epoch-micros",
            Shape::EpochFraction => "epoch-fraction",
            Shape::DateTime => "date-time",
            Shape::Date => "date",
            Shape::HttpDate => "http-date",
            Shape::Jwt => "jwt",
            Shape::Traceparent => "traceparent",
            Shape::Hex => "hex",
            Shape::Integer => "integer",
            Shape::Token => "token",
        }
    }

    /// What it is called in a sentence, such as `a UUID`.
    pub fn words(self) -> &'static str {
        match self {
            Shape::Uuid => "a UUID",
            Shape::Ulid => "a ULID",
            Shape::Ksuid => "a KSUID",
            Shape::ObjectId => "an ObjectId",
            Shape::Xid => "an xid",
            Shape::PrefixedId => "an id with a prefix",
            Shape::Snowflake => "a snowflake id",
            Shape::EpochSeconds => "seconds since 1970",
            Shape::EpochMillis => "milliseconds since 1970",
            Shape::EpochMicros => "microseconds since 1970",
            Shape::EpochFraction => "seconds since 1970 with a fraction",
            Shape::DateTime => "a date and time",
            Shape::Date => "a date",
            Shape::HttpDate => "an HTTP date",
            Shape::Jwt => "a JSON Web Token",
            Shape::Traceparent => "a trace context",
            Shape::Hex => "hexadecimal digits",
            Shape::Integer => "a whole number",
            Shape::Token => "a random token",
        }
    }

    /// Whether a value of this shape is made up anew by whoever makes it: two recordings hardly share one.
    pub fn is_unique(self) -> bool {
        matches!(
            self,
            Shape::Uuid
                | Shape::Ulid
                | Shape::Ksuid
                | Shape::ObjectId
                | Shape::Xid
                | Shape::PrefixedId
                | Shape::Snowflake
                | Shape::Jwt
                | Shape::Traceparent
                | Shape::Token
        )
    }

    /// Whether a value of this shape says when it was made.
    pub fn is_moment(self) -> bool {
        matches!(
            self,
            Shape::EpochSeconds
                | Shape::EpochMillis
                | Shape::EpochMicros
                | Shape::EpochFraction
                | Shape::DateTime
                | Shape::HttpDate
        )
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no shape")]
pub struct NoShape(String);

impl FromStr for Shape {
    type Err = NoShape;

    fn from_str(text: &str) -> Result<Self, NoShape> {
        Shape::ALL.into_iter().find(|shape| shape.as_str() == text).ok_or_else(|| NoShape(text.to_owned()))
    }
}

/// The moment that a value says, if it looks like one: seconds, milliseconds or microseconds since 1970 between 2001
/// and 2100, seconds with a fraction, RFC 3339, or a date of HTTP.
pub fn moment_of(value: &str) -> Option<Timestamp> {
    const SECONDS: std::ops::Range<i64> = 1_000_000_000..4_102_444_800;
    let this_century =
        |moment: Timestamp| Some(moment).filter(|moment: &Timestamp| SECONDS.contains(&moment.as_second()));
    if let Some((whole, fraction)) = value.split_once('.')
        && whole.len() == 10
        && (1..=9).contains(&fraction.len())
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
    {
        return this_century(Timestamp::from_second(whole.parse().ok()?).ok()?);
    }
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: i64 = value.parse().ok()?;
        let moment = match value.len() {
            10 => Timestamp::from_second(number),
            13 => Timestamp::from_millisecond(number),
            16 => Timestamp::from_microsecond(number),
            _ => return None,
        };
        return this_century(moment.ok()?);
    }
    if let Some(moment) = basic_moment(value) {
        return this_century(moment);
    }
    if !(19..=40).contains(&value.len()) {
        return None;
    }
    let zoned = value.parse().ok();
    let civil = || value.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    zoned.or_else(|| Some(civil()?.timestamp())).or_else(|| super::date::of_cookie(value))
}

/// The basic form of ISO 8601, as in signed requests: `20261120T093000Z`.
fn basic_moment(value: &str) -> Option<Timestamp> {
    let bytes = value.as_bytes();
    let framed = bytes.len() == 16 && bytes[8] == b'T' && bytes[15] == b'Z';
    let digits = framed && bytes.iter().enumerate().all(|(at, byte)| matches!(at, 8 | 15) || byte.is_ascii_digit());
    digits.then_some(())?;
    let part = |from: usize, to: usize| &value[from..to];
    let extended =
        format!("{}-{}-{}T{}:{}:{}Z", part(0, 4), part(4, 6), part(6, 8), part(9, 11), part(11, 13), part(13, 15));
    extended.parse().ok()
}

/// The moment inside an id that begins with one: UUID 1, 6 and 7, ULID, KSUID, ObjectId, xid, and the snowflakes of the
/// two services that publish their epoch (whichever is nearer to `about`).
pub fn made_at(value: &str, about: Timestamp) -> Option<Timestamp> {
    let seconds = |seconds: i64| Timestamp::from_second(seconds).ok();
    match Shape::of(value)? {
        Shape::Uuid => {
            let stamp = uuid::Uuid::try_parse(value).ok()?.get_timestamp()?;
            let (whole, nanoseconds) = stamp.to_unix();
            Timestamp::new(i64::try_from(whole).ok()?, i32::try_from(nanoseconds).ok()?).ok()
        }
        Shape::Ulid => Timestamp::from_millisecond(base32(&value[..10], CROCKFORD)?).ok(),
        Shape::Ksuid => seconds(ksuid_seconds(value)?),
        Shape::ObjectId => seconds(i64::from_str_radix(&value[..8], 16).ok()?),
        Shape::Xid => seconds(xid_seconds(value)?),
        Shape::Snowflake => {
            let milliseconds = value.parse::<i64>().ok()? >> 22;
            let of = |epoch: i64| Timestamp::from_millisecond(milliseconds + epoch).ok();
            let both = [of(1_288_834_974_657), of(1_420_070_400_000)].into_iter().flatten();
            both.min_by_key(|moment| moment.duration_since(about).abs())
        }
        _ => None,
    }
}

const CROCKFORD: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BASE32_HEX: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";

fn base32(text: &str, digits: &[u8]) -> Option<i64> {
    text.bytes().try_fold(0i64, |all, byte| {
        let digit = digits.iter().position(|known| *known == byte.to_ascii_uppercase())?;
        all.checked_mul(32)?.checked_add(i64::try_from(digit).ok()?)
    })
}

/// The seconds in the first four of twenty bytes, which count from May 2014.
fn ksuid_seconds(value: &str) -> Option<i64> {
    let mut bytes = [0u8; 20];
    for byte in value.bytes() {
        let mut carry = match byte {
            b'0'..=b'9' => u32::from(byte - b'0'),
            b'A'..=b'Z' => u32::from(byte - b'A') + 10,
            b'a'..=b'z' => u32::from(byte - b'a') + 36,
            _ => return None,
        };
        for place in bytes.iter_mut().rev() {
            carry += u32::from(*place) * 62;
            *place = (carry & 0xff) as u8;
            carry >>= 8;
        }
    }
    Some(i64::from(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])) + 1_400_000_000)
}

/// The seconds of an xid, if it is one.
fn xid_seconds(value: &str) -> Option<i64> {
    let one = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'v');
    let is_mixed = value.len() == 20 && value.bytes().all(one) && kinds(value) == 2;
    is_mixed.then_some(())?;
    // Seven digits are 35 bits, of which the first 32 are the seconds.
    let seconds = base32(&value[..7], BASE32_HEX)? >> 3;
    Some(seconds).filter(|seconds| (1_000_000_000..4_102_444_800).contains(seconds))
}

fn is_prefixed_id(value: &str) -> bool {
    let Some(at) = value.find(['_', '-']) else { return false };
    let is_word = |word: &str| (1..=12).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let (prefix, mut rest) = (&value[..at], &value[at + 1..]);
    if !is_word(prefix) {
        return false;
    }
    if let Some((second, last)) = rest.split_once(['_', '-'])
        && is_word(second)
    {
        rest = last;
    }
    let letters = rest.bytes().filter(u8::is_ascii_alphabetic).count();
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    let is_random = letters + digits == rest.len()
        && (8..=64).contains(&rest.len())
        && ((letters > 0 && digits > 0) || digits >= 10);
    is_random || Shape::Uuid.fits(rest)
}

fn is_date_time(value: &str) -> bool {
    if basic_moment(value).is_some() {
        return true;
    }
    let bytes = value.as_bytes();
    let dated = bytes.len() >= 19 && bytes[4] == b'-' && bytes[7] == b'-' && matches!(bytes[10], b'T' | b't' | b' ');
    dated && moment_of(value).is_some()
}

fn is_hex(value: &str) -> bool {
    let one_case =
        !value.bytes().any(|byte| byte.is_ascii_uppercase()) || !value.bytes().any(|byte| byte.is_ascii_lowercase());
    one_case && value.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_ulid(value: &str) -> bool {
    let one =
        |byte: u8| byte.is_ascii_alphanumeric() && !matches!(byte.to_ascii_uppercase(), b'I' | b'L' | b'O' | b'U');
    let one_case =
        !value.bytes().any(|byte| byte.is_ascii_lowercase()) || !value.bytes().any(|byte| byte.is_ascii_uppercase());
    value.len() == 26
        && value.as_bytes()[0].is_ascii_digit()
        && value.as_bytes()[0] <= b'7'
        && one_case
        && value.bytes().all(one)
        && value.bytes().any(|byte| byte.is_ascii_alphabetic())
}

fn is_ksuid(value: &str) -> bool {
    // The first four of twenty bytes count seconds since 2014; until 2100 that is a first digit of 0 to 4.
    value.len() == 27
        && matches!(value.as_bytes()[0], b'0'..=b'4')
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && kinds(value) == 3
}

fn is_object_id(value: &str) -> bool {
    let seconds = || i64::from_str_radix(value.get(..8)?, 16).ok();
    value.len() == 24
        && is_hex(value)
        && seconds().is_some_and(|seconds| (1_000_000_000..4_102_444_800).contains(&seconds))
}

fn is_jwt(value: &str) -> bool {
    let mut parts = value.split('.');
    let (Some(head), Some(claims), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let coded = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let object = |part: &str| {
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).ok();
        bytes.is_some_and(|bytes| bytes.first() == Some(&b'{'))
    };
    coded(signature) && object(head) && object(claims)
}

fn is_traceparent(value: &str) -> bool {
    let lengths: Vec<usize> = value.split('-').map(str::len).collect();
    lengths == [2, 32, 16, 2] && value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

/// Words of people change seldom between small letters, capitals and digits; random characters do so at every second.
fn is_token(value: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'/' | b'=' | b'~' | b'.');
    if !(16..=4096).contains(&value.len()) || !value.bytes().all(allowed) || kinds(value) < 2 {
        return false;
    }
    let kind = |byte: u8| match byte {
        b'0'..=b'9' => 0,
        b'A'..=b'Z' => 1,
        b'a'..=b'z' => 2,
        _ => 3,
    };
    let changes = value.as_bytes().windows(2).filter(|pair| kind(pair[0]) != kind(pair[1])).count();
    let often = if value.bytes().any(|byte| byte.is_ascii_digit()) { 4 } else { 2 };
    changes * often >= value.len()
}

/// How many of digits, capitals and small letters are in a text.
fn kinds(value: &str) -> usize {
    let has = |is: fn(&u8) -> bool| usize::from(value.as_bytes().iter().any(is));
    has(u8::is_ascii_digit) + has(u8::is_ascii_uppercase) + has(u8::is_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_by_their_shape() {
        for (value, shape) in [
            ("0193f3a2-7c1e-7d30-9a55-2f6f0c1be001", Some(Shape::Uuid)),
            ("9B2C1F5E-3C7A-4B1D-8E2F-0123456789AB", Some(Shape::Uuid)),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", Some(Shape::Ulid)),
            ("0ujtsYcgvSTl8PAuAdqWYSMnLOv", Some(Shape::Ksuid)),
            ("507f1f77bcf86cd799439011", Some(Shape::ObjectId)),
            ("175928847299117063", Some(Shape::Snowflake)),
            ("1763856000", Some(Shape::EpochSeconds)),
            ("1763856000123", Some(Shape::EpochMillis)),
            ("1763856000123456", Some(Shape::EpochMicros)),
            ("1763856000.123", Some(Shape::EpochFraction)),
            ("2026-11-20T09:30:00Z", Some(Shape::DateTime)),
            ("2026-11-20T09:30:00.123+02:00", Some(Shape::DateTime)),
            ("2026-11-20 09:30:00", Some(Shape::DateTime)),
            ("20261120T093000Z", Some(Shape::DateTime)),
            ("2026-11-20", Some(Shape::Date)),
            ("d4f1n2v5k8c0g3h7qrs0", Some(Shape::Xid)),
            ("cus_NffrFeUfNV2Hib", Some(Shape::PrefixedId)),
            ("i-0abcd1234ef567890", Some(Shape::PrefixedId)),
            ("ord_0193f3a2-7c1e-7d30-9a55-2f6f0c1be001", Some(Shape::PrefixedId)),
            ("us-east-1", None),
            ("windows-1252", None),
            ("Fri, 20 Nov 2026 09:30:00 GMT", Some(Shape::HttpDate)),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", Some(Shape::Jwt)),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some(Shape::Traceparent)),
            ("d41d8cd98f00b204e9800998ecf8427e", Some(Shape::Hex)),
            ("42", Some(Shape::Integer)),
            ("-7", Some(Shape::Integer)),
            ("Zk3xP9aQ1mT7vB2w", Some(Shape::Token)),
            ("eyJvZmZzZXQiOjEwfQ==", Some(Shape::Token)),
            ("octocat", None),
            ("internationalization", None),
            ("continuous-integration", None),
            ("release-candidate-2026", None),
            ("getUserPreferencesById", None),
            ("v1.2.3", None),
            ("3.14", None),
            ("9999999999999", Some(Shape::Integer)),
            ("", None),
            ("é".repeat(13).as_str(), None),
        ] {
            assert_eq!(Shape::of(value), shape, "{value}");
        }
    }

    #[test]
    fn ids_say_when_they_were_made() {
        let about: Timestamp = "2026-11-20T09:30:00Z".parse().unwrap();
        for (value, made) in [
            ("0193f3a2-7c1e-7d30-9a55-2f6f0c1be001", Some("2024-12-23T13:08:52.382Z")),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", Some("2016-07-30T23:54:10.259Z")),
            ("0ujtsYcgvSTl8PAuAdqWYSMnLOv", Some("2017-10-10T04:00:47Z")),
            ("507f1f77bcf86cd799439011", Some("2012-10-17T21:13:27Z")),
            ("9m4e2mr0ui3e8a215n4g", Some("2011-03-22T17:50:19Z")),
            ("9b2c1f5e-3c7a-4b1d-8e2f-0123456789ab", None),
            ("octocat", None),
        ] {
            let expected = made.map(|text| text.parse::<Timestamp>().unwrap());
            assert_eq!(made_at(value, about).map(|at| at.as_second()), expected.map(|at| at.as_second()), "{value}");
        }
    }

    #[test]
    fn names_read_back() {
        for shape in Shape::ALL {
            assert_eq!(shape.as_str().parse(), Ok(shape));
            assert_eq!(serde_json::to_value(shape).unwrap(), shape.as_str());
        }
        assert!("guid".parse::<Shape>().is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,60}") {
            for shape in Shape::ALL {
                shape.fits(&text);
            }
        }
    }
}
