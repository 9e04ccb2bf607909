//! A log, entry by entry, from anything that gives bytes. Memory is bounded by one entry.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::identity::Identities;
use super::import::{Log, PAGES_MAX, Taken, take};
use super::lenient::Lenient;

/// What was read of a log, also when it breaks off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// `log.version`
    pub version: Option<String>,
    /// Name and version of what wrote it.
    pub creator: Option<String>,
    /// Entries that were there, whole.
    pub entries: u64,
    /// Characters that were no Unicode, and were replaced.
    pub replaced: u64,
    /// Pages that no entry names, or that came after the entries.
    pub pages: u64,
    /// Members of the log itself that no exchange can keep.
    pub members: u64,
}

/// Why a log was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError<E> {
    /// It is no JSON, or breaks off.
    #[error("{0}")]
    Broken(String),
    /// It is JSON, and no HAR.
    #[error("{0}")]
    NotHar(String),
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(io::Error),
    /// What takes the entries gave up.
    #[error("{0}")]
    Sink(E),
}

/// Reads a log. `sink` gets each entry's place, from 1, and the entry, or why it is no exchange.
///
/// # Errors
/// The file is broken or no HAR: what came before has been given; or `sink` has given up.
pub fn read<R: io::Read, E>(
    from: R,
    identities: &mut Identities,
    summary: &mut Summary,
    sink: &mut dyn FnMut(u64, Result<Taken, String>) -> Result<(), E>,
) -> Result<(), ReadError<E>> {
    let mut from = Lenient::new(from);
    let mut reading = Reading {
        summary,
        identities,
        log: Log { pages: HashMap::new(), brought: HashSet::new() },
        sink,
        stopped: None,
        had_log: false,
        had_entries: false,
    };
    let buffered = io::BufReader::with_capacity(64 << 10, &mut from);
    let mut json = serde_json::Deserializer::from_reader(buffered);
    let read = Document(&mut reading).deserialize(&mut json).and_then(|()| json.end());
    let Reading { summary, log, stopped, had_log, had_entries, .. } = reading;
    drop(json);
    summary.replaced = from.replaced();
    summary.pages += log.pages.len() as u64;
    if let Some(error) = stopped {
        return Err(ReadError::Sink(error));
    }
    match read {
        Err(error) if error.is_io() => Err(ReadError::Io(error.into())),
        // JSON, but of other types than a HAR has.
        Err(error) if error.is_data() => Err(ReadError::NotHar(error.to_string())),
        Err(error) => Err(ReadError::Broken(words(&error, summary.entries))),
        Ok(()) if !had_log => Err(ReadError::NotHar("there is no `log` in it: it is no HAR file".into())),
        Ok(()) if !had_entries => Err(ReadError::NotHar("there are no `log.entries` in it: it is no HAR file".into())),
        Ok(()) => Ok(()),
    }
}

fn words(error: &serde_json::Error, entries: u64) -> String {
    let after = match entries {
        0 => "before the first entry".to_owned(),
        count => format!("after entry {count}"),
    };
    if error.is_eof() {
        return format!("it breaks off at line {}, column {}, {after}", error.line(), error.column());
    }
    format!("it is no JSON {after}: {error}")
}

struct Reading<'a, E> {
    summary: &'a mut Summary,
    identities: &'a mut Identities,
    log: Log,
    sink: &'a mut dyn FnMut(u64, Result<Taken, String>) -> Result<(), E>,
    stopped: Option<E>,
    had_log: bool,
    had_entries: bool,
}

impl<E> Reading<'_, E> {
    fn entry<A: serde::de::Error>(&mut self, value: Value) -> Result<(), A> {
        self.summary.entries += 1;
        let taken = match value {
            Value::Object(entry) => take(entry, &mut self.log, self.identities),
            _ => Err("it is no object".to_owned()),
        };
        (self.sink)(self.summary.entries, taken).map_err(|error| {
            self.stopped = Some(error);
            A::custom("stopped")
        })
    }
}

/// A member that was of another type is told as such; the rest of the error is JSON's.
macro_rules! expecting {
    ($what:literal) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str($what)
        }
    };
}

/// The whole file.
struct Document<'a, 'b, E>(&'a mut Reading<'b, E>);

impl<'de, E> DeserializeSeed<'de> for Document<'_, '_, E> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, E> Visitor<'de> for Document<'_, '_, E> {
    type Value = ();

    expecting!("a HAR file, which is an object with a member `log`");

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == "log" && !self.0.had_log {
                self.0.had_log = true;
                map.next_value_seed(InLog(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// `log`
struct InLog<'a, 'b, E>(&'a mut Reading<'b, E>);

impl<'de, E> DeserializeSeed<'de> for InLog<'_, '_, E> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, E> Visitor<'de> for InLog<'_, '_, E> {
    type Value = ();

    expecting!("`log` to be an object");

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "entries" => map.next_value_seed(Entries(self.0))?,
                "pages" => map.next_value_seed(Pages(self.0))?,
                "version" => self.0.summary.version = map.next_value::<Value>()?.as_str().map(str::to_owned),
                "creator" => self.0.summary.creator = creator(&map.next_value::<Value>()?),
                "browser" => {
                    map.next_value::<IgnoredAny>()?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    self.0.summary.members += 1;
                }
            }
        }
        Ok(())
    }
}

fn creator(creator: &Value) -> Option<String> {
    let of = |name: &str| creator.get(name).and_then(Value::as_str).unwrap_or_default();
    let text = format!("{} {}", of("name"), of("version"));
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// `log.entries`
struct Entries<'a, 'b, E>(&'a mut Reading<'b, E>);

impl<'de, E> DeserializeSeed<'de> for Entries<'_, '_, E> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.had_entries = true;
        deserializer.deserialize_any(self)
    }
}

impl<'de, E> Visitor<'de> for Entries<'_, '_, E> {
    type Value = ();

    expecting!("`log.entries` to be a list");

    fn visit_unit<A: serde::de::Error>(self) -> Result<(), A> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(entry) = list.next_element::<Value>()? {
            self.0.entry(entry)?;
        }
        Ok(())
    }
}

/// `log.pages`
struct Pages<'a, 'b, E>(&'a mut Reading<'b, E>);

impl<'de, E> DeserializeSeed<'de> for Pages<'_, '_, E> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, E> Visitor<'de> for Pages<'_, '_, E> {
    type Value = ();

    expecting!("`log.pages` to be a list");

    fn visit_unit<A: serde::de::Error>(self) -> Result<(), A> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(page) = list.next_element::<Value>()? {
            let id = page.get("id").and_then(Value::as_str).map(str::to_owned);
            let has_room = self.0.log.pages.len() < PAGES_MAX && self.0.summary.entries == 0;
            match id.filter(|_| has_room) {
                Some(id) => drop(self.0.log.pages.insert(id, page)),
                None => {
                    let id = page.get("id").and_then(Value::as_str).unwrap_or_default();
                    self.0.summary.pages += u64::from(!self.0.log.brought.contains(id));
                }
            }
        }
        Ok(())
    }
}
