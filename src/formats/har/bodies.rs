//! A body as an entry has it: decoded, as text or in base64; and the bytes as carried, where these differ.

use std::fmt;
use std::io::{self, BufReader, Read};

use super::own::OwnBody;
use super::text::{Seen, Source, Text, Trouble, look};
use super::writer::Open;
use crate::model::coding::{self, Coding};
use crate::model::{Body, BodyContent, Exchange, Fields};

/// A body that was looked at once, and can be written.
pub(super) struct Prepared<'a> {
    /// Size after decoding, and whether it is text.
    pub(super) seen: Seen,
    /// How the text is written, as HAR says it.
    pub(super) encoding: Option<&'static str>,
    /// What is written.
    pub(super) text: Option<Text<'a>>,
    /// The bytes as carried in base64, where a coding was undone.
    pub(super) coded: Option<Text<'a>>,
    /// What `_retake` says of it.
    pub(super) own: OwnBody,
    /// Why there is no text, or why it is not decoded.
    pub(super) problem: Option<Problem>,
}

/// What is wrong with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// Its bytes cannot be read.
    Unreadable(String),
    /// Its coding cannot be undone.
    Undecodable(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Unreadable(why) => write!(f, "the body could not be read: {why}"),
            Problem::Undecodable(why) => write!(f, "the body stands here as it was carried: {why}"),
        }
    }
}

/// Looks at a body, decoding it where that can be done.
pub(super) fn prepare<'a>(
    exchange: &'a Exchange,
    fields: &Fields,
    body: &'a Body,
    open: &'a Open<'a>,
    trouble: &'a Trouble,
) -> Prepared<'a> {
    let codings = match body.coding_removed {
        Some(_) => Ok(Vec::new()),
        None => coding::codings(fields).map_err(|error| error.to_string()),
    };
    let stored = || reader(exchange, body, open, &[]);
    let (seen, codings, problem) = match &codings {
        Ok(codings) if !codings.is_empty() && !body.is_empty() => {
            let limit = coding::plausible(body.size);
            match reader(exchange, body, open, codings).and_then(|mut reader| look(&mut *reader, limit)) {
                Ok(seen) => (Ok(seen), codings.as_slice(), None),
                Err(error) => (plain(stored), &[][..], Some(Problem::Undecodable(error.to_string()))),
            }
        }
        Ok(_) => (plain(stored), &[][..], None),
        Err(unknown) => (plain(stored), &[][..], Some(Problem::Undecodable(unknown.clone()))),
    };
    let as_carried = problem.is_some();
    let own = OwnBody::of(body, as_carried);
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => {
            let problem = Some(Problem::Unreadable(error.to_string()));
            let seen = Seen { size: 0, is_text: true };
            return Prepared { seen, encoding: None, text: None, coded: None, own, problem };
        }
    };
    let codings = codings.to_vec();
    let is_coded = !codings.is_empty();
    let source: Source<'a> = Box::new(move || reader(exchange, body, open, &codings));
    let text = if seen.is_text { Text::plain(source, trouble) } else { Text::base64(source, trouble) };
    let coded: Option<Text<'a>> =
        is_coded.then(|| Text::base64(Box::new(move || reader(exchange, body, open, &[])), trouble));
    let text = (seen.size > 0).then_some(text);
    let encoding = (text.is_some() && !seen.is_text).then_some("base64");
    Prepared { seen, encoding, text, coded, own, problem }
}

fn plain<'a>(stored: impl Fn() -> io::Result<Box<dyn Read + 'a>>) -> io::Result<Seen> {
    look(&mut *stored()?, u64::MAX)
}

/// A body's bytes with these codings undone.
pub(super) fn reader<'a>(
    exchange: &'a Exchange,
    body: &'a Body,
    open: &'a Open<'a>,
    codings: &[Coding],
) -> io::Result<Box<dyn Read + 'a>> {
    let mut reader: Box<dyn Read + 'a> = match &body.content {
        BodyContent::Inline(bytes) => Box::new(bytes.as_slice()),
        BodyContent::Blob | BodyContent::Stream => open(exchange, body)?,
    };
    for &coding in codings.iter().rev() {
        reader = coding::reader(coding, BufReader::new(reader))?;
    }
    Ok(reader)
}
