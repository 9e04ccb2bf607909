//! What an answer does beside being the recorded one: it waits, it moves its dates, it goes wrong.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stub::text_form;

/// The longest delay, in milliseconds: three minutes, as Postman has it.
pub const MAX_DELAY_MS: u32 = 180_000;
/// The largest factor of a recorded duration.
const MAX_FACTOR: f64 = 100.0;
/// The widest log-normal distribution: a few of its values are a thousand times the median.
const MAX_SIGMA: f64 = 3.0;

/// How long an answer waits, in files and on the command line one text:
/// `none`, `2g`, `3g`, `300ms`, `1.5s`, `100ms..400ms`, `log-normal 120ms 0.5`, `recorded`, `recorded*0.5`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Delay {
    /// Not at all.
    None,
    /// Postman's preset 1: 300 ms.
    Slow2g,
    /// Postman's preset 2: 100 ms.
    Slow3g,
    /// So many milliseconds.
    Fixed(u32),
    /// Any of these milliseconds, from the first to the second, equally likely.
    Uniform(u32, u32),
    /// A log-normal distribution: its median in milliseconds, and the standard deviation of the logarithm.
    LogNormal(u32, f64),
    /// As long as the origin took, times a factor; not at all where the recording does not say.
    Recorded(f64),
}

/// A text that is no delay.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BadDelay {
    /// None of the forms.
    #[error(
        "`{0}` is no delay: write `none`, `2g`, `3g`, `300ms`, `1.5s`, `100ms..400ms`, `log-normal 120ms 0.5`, \
         `recorded` or `recorded*0.5`"
    )]
    Form(String),
    /// Longer than is waited.
    #[error("the delay `{0}` is longer than 180 s")]
    TooLong(String),
    /// The end of a range before its start.
    #[error("the delay `{0}` ends before it begins")]
    Backwards(String),
    /// A factor or a width beyond its bounds.
    #[error("in the delay `{0}`, the number is not between 0 and {1}")]
    OutOfBounds(String, f64),
}

impl FromStr for Delay {
    type Err = BadDelay;

    fn from_str(text: &str) -> Result<Self, BadDelay> {
        let bad = || BadDelay::Form(text.to_owned());
        let millis = |part: &str| {
            let ms = duration_ms(part).ok_or_else(bad)?;
            if ms > MAX_DELAY_MS { Err(BadDelay::TooLong(text.to_owned())) } else { Ok(ms) }
        };
        let number = |part: &str, max: f64| {
            let number: f64 = part.trim().parse().map_err(|_| bad())?;
            if (0.0..=max).contains(&number) { Ok(number) } else { Err(BadDelay::OutOfBounds(text.to_owned(), max)) }
        };
        let plain = text.trim().to_ascii_lowercase();
        match plain.as_str() {
            "none" => return Ok(Delay::None),
            "2g" => return Ok(Delay::Slow2g),
            "3g" => return Ok(Delay::Slow3g),
            _ => {}
        }
        if let Some(rest) = plain.strip_prefix("recorded") {
            return match rest.trim().strip_prefix(['*', 'x']) {
                None if rest.is_empty() => Ok(Delay::Recorded(1.0)),
                Some(factor) => number(factor, MAX_FACTOR).map(Delay::Recorded),
                None => Err(bad()),
            };
        }
        if let Some(rest) = plain.strip_prefix("log-normal") {
            let (median, sigma) = rest.trim().split_once(' ').ok_or_else(bad)?;
            return Ok(Delay::LogNormal(millis(median)?, number(sigma, MAX_SIGMA)?));
        }
        if let Some((from, to)) = plain.split_once("..") {
            let (from, to) = (millis(from)?, millis(to)?);
            return if from <= to { Ok(Delay::Uniform(from, to)) } else { Err(BadDelay::Backwards(text.to_owned())) };
        }
        millis(&plain).map(Delay::Fixed)
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Delay::None => f.write_str("none"),
            Delay::Slow2g => f.write_str("2g"),
            Delay::Slow3g => f.write_str("3g"),
            Delay::Fixed(ms) => write!(f, "{ms}ms"),
            Delay::Uniform(from, to) => write!(f, "{from}ms..{to}ms"),
            Delay::LogNormal(median, sigma) => write!(f, "log-normal {median}ms {sigma}"),
            Delay::Recorded(1.0) => f.write_str("recorded"),
            Delay::Recorded(factor) => write!(f, "recorded*{factor}"),
        }
    }
}

text_form!(
    Delay,
    "How long an answer waits: none, 2g, 3g, 300ms, 1.5s, 100ms..400ms, log-normal 120ms 0.5, recorded, recorded*0.5"
);

/// A duration in milliseconds: `300`, `300ms`, `1.5s`; rounded.
fn duration_ms(text: &str) -> Option<u32> {
    let text = text.trim();
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1.0),
        (None, Some(number)) => (number, 1_000.0),
        (None, None) => (text, 1.0),
    };
    let number = number.trim();
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let ms: f64 = number.parse().ok().filter(|_| plain)?;
    // Saturates where it is too large, and is refused there.
    Some((ms * unit).round().min(f64::from(u32::MAX)) as u32)
}

/// A stretch of time of at most three minutes, in files `2s` or `250ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Milliseconds.
    pub ms: u32,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.ms)
    }
}

/// A text that is no stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time of at most 180 s: write `250ms` or `2s`")]
pub struct BadSpan(String);

impl FromStr for Span {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Self, BadSpan> {
        let ms = duration_ms(&text.to_ascii_lowercase()).filter(|ms| *ms <= MAX_DELAY_MS);
        ms.map(|ms| Span { ms }).ok_or_else(|| BadSpan(text.to_owned()))
    }
}

text_form!(Span, "A time of at most 180 s, such as `250ms` or `2s`");

/// A piece of a recorded stream, in files `250ms 42`: how long it came after the one before, the first one after the head,
/// and how many bytes it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacedPiece {
    /// Milliseconds.
    pub after_ms: u32,
    /// Bytes.
    pub bytes: u32,
}

impl fmt::Display for PacedPiece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms {}", self.after_ms, self.bytes)
    }
}

/// A text that is no piece of a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no piece of a stream: write a time of at most 180 s and a number of bytes, such as `250ms 42`")]
pub struct BadPiece(String);

impl FromStr for PacedPiece {
    type Err = BadPiece;

    fn from_str(text: &str) -> Result<Self, BadPiece> {
        let bad = || BadPiece(text.to_owned());
        let (after, bytes) = text.trim().split_once(' ').ok_or_else(bad)?;
        let after_ms = duration_ms(&after.to_ascii_lowercase()).filter(|ms| *ms <= MAX_DELAY_MS);
        Ok(PacedPiece { after_ms: after_ms.ok_or_else(bad)?, bytes: bytes.trim().parse().map_err(|_| bad())? })
    }
}

text_form!(
    PacedPiece,
    "A piece of a stream: a time of at most 180 s since the piece before, and bytes, such as `250ms 42`"
);

/// Which dates of answers move by the age of the recording; each includes the ones before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ShiftDates {
    /// None.
    None,
    /// Expiries of cookies that lay in the future when recorded.
    #[default]
    Cookies,
    /// `Date`, `Expires` and `Last-Modified` too.
    Fields,
    /// Dates in JSON bodies too.
    All,
}

/// What goes wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FaultKind {
    /// The connection is reset (RST), before a byte of the answer.
    Reset,
    /// The connection is closed, before a byte of the answer.
    Empty,
    /// The connection is closed in the middle of the body.
    Truncate,
    /// The answer stops, and the connection stays open.
    Stall,
    /// The body comes in small pieces, slowly, and whole.
    Drip,
    /// After the head come bytes that are no HTTP, and the connection is closed.
    Garbage,
}

impl FaultKind {
    /// The name as written.
    pub fn as_str(self) -> &'static str {
        match self {
            FaultKind::Reset => "reset",
            FaultKind::Empty => "empty",
            FaultKind::Truncate => "truncate",
            FaultKind::Stall => "stall",
            FaultKind::Drip => "drip",
            FaultKind::Garbage => "garbage",
        }
    }
}

/// A fault of answers: what goes wrong, and in which calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    #[serde(rename = "do")]
    pub kind: FaultKind,
    /// In these of the calls that would be answered so, counted from 1; in every one unless said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<NonZeroU32>,
    /// In this share of the calls, 0 to 1, chosen at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// With `truncate` and `stall`: after so many bytes of the body; half of them unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// With `drip`: in so many pieces, at most 1000; 10 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pieces: Option<NonZeroU32>,
    /// With `drip`: how long it takes from the first piece to the last; 5 s unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Span>,
}

impl Fault {
    /// Whether every call goes wrong.
    pub fn is_constant(&self) -> bool {
        self.calls.is_empty() && self.share.is_none_or(|share| share >= 1.0)
    }

    /// What members of it say that the fault cannot do, each with its key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let kind = self.kind.as_str();
        let cut = matches!(self.kind, FaultKind::Truncate | FaultKind::Stall);
        let drips = self.kind == FaultKind::Drip;
        if self.share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            found.push(("share", "`share` is a part of the calls: write a number from 0 to 1".to_owned()));
        }
        if self.share.is_some() && !self.calls.is_empty() {
            found.push(("share", "`share` and `calls` both say in which calls: keep one".to_owned()));
        }
        if self.after.is_some() && !cut {
            found.push(("after", format!("`after` goes with `truncate` or `stall`, not with `{kind}`")));
        }
        if self.pieces.is_some() && !drips {
            found.push(("pieces", format!("`pieces` goes with `drip`, not with `{kind}`")));
        }
        if self.over.is_some() && !drips {
            found.push(("over", format!("`over` goes with `drip`, not with `{kind}`")));
        }
        if self.pieces.is_some_and(|pieces| pieces.get() > 1_000) {
            found.push(("pieces", "`pieces` is at most 1000".to_owned()));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_read_and_written() {
        for (text, delay, written) in [
            ("none", Delay::None, "none"),
            ("2G", Delay::Slow2g, "2g"),
            ("3g", Delay::Slow3g, "3g"),
            ("300", Delay::Fixed(300), "300ms"),
            ("300ms", Delay::Fixed(300), "300ms"),
            ("1.5s", Delay::Fixed(1_500), "1500ms"),
            ("180s", Delay::Fixed(180_000), "180000ms"),
            ("100ms..0.4s", Delay::Uniform(100, 400), "100ms..400ms"),
            ("log-normal 120ms 0.5", Delay::LogNormal(120, 0.5), "log-normal 120ms 0.5"),
            ("recorded", Delay::Recorded(1.0), "recorded"),
            ("recorded * 0.5", Delay::Recorded(0.5), "recorded*0.5"),
            ("recorded x2", Delay::Recorded(2.0), "recorded*2"),
        ] {
            let read: Delay = text.parse().unwrap();
            assert_eq!((read, read.to_string().as_str()), (delay, written), "{text}");
            assert_eq!(written.parse::<Delay>().unwrap(), delay);
        }
    }

    #[test]
    fn what_is_no_delay_says_why() {
        let error = |text: &str| text.parse::<Delay>().unwrap_err();
        for text in
            ["", "soon", "-5ms", "1e3", "5m", "recorded half", "recorded*", "log-normal 100ms", "nan", "..", "inf"]
        {
            assert!(matches!(error(text), BadDelay::Form(_)), "{text}");
        }
        assert!(matches!(error("181s"), BadDelay::TooLong(_)));
        assert!(matches!(error("99999999999999999999"), BadDelay::TooLong(_)));
        assert!(matches!(error("2s..1s"), BadDelay::Backwards(_)));
        assert!(matches!(error("recorded*101"), BadDelay::OutOfBounds(..)));
        assert!(matches!(error("log-normal 1s 4"), BadDelay::OutOfBounds(..)));
        assert!(matches!(error("log-normal 1s nan"), BadDelay::OutOfBounds(..)));
        assert_eq!("2s".parse::<Span>().unwrap().ms, 2_000);
        assert!("4m".parse::<Span>().is_err() && "200s".parse::<Span>().is_err());
    }

    #[test]
    fn members_of_a_fault_that_say_nothing_are_told() {
        let keys = |text: &str| -> Vec<&'static str> {
            let fault: Fault = serde_json::from_str(text).unwrap();
            fault.problems().into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(keys(r#"{"do":"reset","calls":[1,3]}"#), [""; 0]);
        assert_eq!(keys(r#"{"do":"stall","after":10,"share":0.5}"#), [""; 0]);
        assert_eq!(keys(r#"{"do":"reset","calls":[1],"share":1.5,"after":1}"#), ["share", "share", "after"]);
        assert_eq!(keys(r#"{"do":"drip","pieces":2000,"over":"2s"}"#), ["pieces"]);
        assert_eq!(keys(r#"{"do":"empty","pieces":2,"over":"2s"}"#), ["pieces", "over"]);
    }
}
