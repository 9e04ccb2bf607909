//! Bodies that are too large to search for all that differs: the first difference is told, by its place.

use std::cell::RefCell;
use std::fmt;
use std::time::{Duration, Instant};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::body::sizes;
use super::{Context, Criterion, MAX_VALUE};
use crate::diff;
use crate::diff::tree::{Change, Kind};
use crate::matching::Part;
use crate::model::media::Kind as Media;

/// A first difference that lies further behind is told by its offset only: a report must not take long.
const MAX_READ: usize = 2 * 1024 * 1024;
/// Bytes of a value, and on either side of a line, that are looked at.
const WINDOW: usize = 16 * 1024;
/// How long the search for what differs in a few lines may take.
const SEARCH: Duration = Duration::from_millis(5);

/// Tells of two large bodies where they part.
pub(super) fn tell(context: &Context<'_>, expected: &[u8], content_type: Option<&str>, told: &mut Criterion) {
    let got: &[u8] = &context.call.body;
    told.differences.clear();
    told.coarse = true;
    told.note = sizes(expected, got);
    let Some(at) = diff::first_difference(expected, got).filter(|at| *at <= MAX_READ) else { return };
    match Media::of(content_type) {
        Media::Json => told.changes.extend(member(context, expected, got, at)),
        Media::Text | Media::Xml | Media::EventStream => {
            let Some((masked, at)) = masked(context, expected, content_type) else { return };
            let (one, other) = (window(expected, at), window(&masked, at));
            let (one, other) = (String::from_utf8_lossy(one), String::from_utf8_lossy(other));
            let lines = diff::lines_by(&one, &other, 6, MAX_VALUE, Instant::now() + SEARCH);
            // What follows the first change may come from the end of what was looked at.
            told.lines = lines.into_iter().take_while(|line| line.kind != diff::LineKind::Gap).collect();
        }
        _ => return,
    }
    if !told.changes.is_empty() || !told.lines.is_empty() {
        told.note = format!("{} bytes expected, {} got; the first difference", expected.len(), got.len());
        told.more = 0;
    }
}

/// The call's body as far as it is shown, masked from its beginning, and where it differs first: what a line says may be
/// secret because of what stands far before it.
fn masked(context: &Context<'_>, expected: &[u8], content_type: Option<&str>) -> Option<(Vec<u8>, usize)> {
    let mut same = 0;
    let masked = context.mask.beginning(content_type, &context.call.body, |masked| {
        let both = expected.iter().zip(masked).skip(same);
        same += both.take_while(|(one, other)| one == other).count();
        masked.len() >= same + WINDOW || masked.len() >= MAX_READ + WINDOW
    });
    let at = diff::first_difference(expected, &masked).filter(|at| *at <= MAX_READ)?;
    Some((masked, at))
}

/// Whole lines around an offset, as far as the window has them.
fn window(text: &[u8], at: usize) -> &[u8] {
    let from = text[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let from = from.max(at.saturating_sub(WINDOW));
    &text[from..text.len().min(at + WINDOW)]
}

/// The first member that differs, where it is no object or array.
fn member(context: &Context<'_>, expected: &[u8], got: &[u8], at: usize) -> Option<Change> {
    // A number that is cut is a number still: it is cut off whole.
    let within = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    let at = at - got[..at].iter().rev().take_while(within).count();
    let path = place(&got[..at])?;
    let (before, after) = (scalar(expected, &path)?, scalar(got, &path)?);
    let escaped = |name: &String| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    let pointer: String = path.iter().map(escaped).collect();
    let after = context.mask.value(Part::Body, &pointer, &after);
    let (before, after) = diff::around(&before, &after, MAX_VALUE);
    Some(Change { kind: Kind::Changed, pointer, before: Some(before), after: Some(after) })
}

/// The names and positions on the way to where a JSON text breaks off.
fn place(text: &[u8]) -> Option<Vec<String>> {
    let path = RefCell::new(Vec::new());
    let mut reader = serde_json::Deserializer::from_slice(text);
    let error = Follow(&path).deserialize(&mut reader).err()?;
    error.is_eof().then(|| path.into_inner())
}

/// Reads a value and notes where it is; after an error the way to it is left.
struct Follow<'p>(&'p RefCell<Vec<String>>);

impl<'de> DeserializeSeed<'de> for Follow<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Follow<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            self.0.borrow_mut().push(name);
            map.next_value_seed(Follow(self.0))?;
            self.0.borrow_mut().pop();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for at in 0_usize.. {
            self.0.borrow_mut().push(at.to_string());
            if list.next_element_seed(Follow(self.0))?.is_none() {
                self.0.borrow_mut().pop();
                break;
            }
            self.0.borrow_mut().pop();
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

/// The value at a place, as written, if it is neither object nor array; the beginning of it, if it is long.
fn scalar(text: &[u8], path: &[String]) -> Option<String> {
    let found = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(text);
    // It ends where the value was found; whether all that follows is JSON does not matter here.
    let _ = Find { path, found: &found }.deserialize(&mut reader);
    let value = found.into_inner()?;
    let is_scalar = !value.starts_with(['{', '[']);
    is_scalar.then(|| value[..value.floor_char_boundary(WINDOW)].to_owned())
}

/// Looks for the value at a place.
struct Find<'p, 'f> {
    path: &'p [String],
    found: &'f RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Find<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if !self.path.is_empty() {
            return deserializer.deserialize_any(self);
        }
        let value: &RawValue = serde::Deserialize::deserialize(deserializer)?;
        *self.found.borrow_mut() = Some(value.get().to_owned());
        Err(D::Error::custom("found"))
    }
}

impl<'de> Visitor<'de> for Find<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if self.path.first() == Some(&name) {
                map.next_value_seed(Find { path: &self.path[1..], found: self.found })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some(wanted) = self.path.first().and_then(|at| at.parse::<usize>().ok()) else { return Ok(()) };
        for _ in 0..wanted {
            if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        list.next_element_seed(Find { path: &self.path[1..], found: self.found })?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::Profile;
    use crate::redact::{MaskKey, MaskRules, Masker};
    use crate::report::mask::Mask;

    #[test]
    fn where_a_text_breaks_off_is_told_by_names_and_positions() {
        let told = |text: &str| place(text.as_bytes()).map(|path| path.join("/"));
        assert_eq!(told(r#"{"a":1,"b":[{"c":"x"},{"c":"y"#).as_deref(), Some("b/1/c"));
        assert_eq!(told("[1,[2,").as_deref(), Some("1/1"));
        assert_eq!(told(r#"{"a":tru"#).as_deref(), Some("a"));
        assert_eq!(told(r#"{"a":nope"#), None);
        let deep = "[".repeat(500);
        assert_eq!(told(&deep), None);
    }

    #[test]
    fn of_large_bodies_the_first_difference_is_told() {
        let told = |expected: &str, got: &str, media_type: &str| {
            let mut call = crate::matching::tests::call(&format!("PUT /a Content-Type:{media_type} x"));
            call.body = bytes::Bytes::from(got.to_owned());
            let index = crate::matching::tests::index(vec![]);
            let mask = Mask::new(Masker::new(MaskKey([7; 32]), MaskRules::default()));
            let context = Context {
                index: &index,
                call: &call,
                id: "call:1",
                status: 501,
                profile: Profile::Best,
                logged: true,
                records: false,
                cursor: None,
                mask: &mask,
            };
            let mut told = crate::report::miss::criterion("body", false, "");
            tell(&context, expected.as_bytes(), Some(media_type), &mut told);
            let changes = told.changes.iter().map(|change| {
                format!("{} {} {}", change.pointer, change.before.as_deref().unwrap(), change.after.as_deref().unwrap())
            });
            let lines = told.lines.iter().map(|line| format!("{}{}", line.sign(), line.text));
            changes.chain(lines).collect::<Vec<_>>()
        };
        let json = "application/json";
        assert_eq!(told(r#"{"a":[1,{"b":900}]}"#, r#"{"a":[1,{"b":901}]}"#, json), ["/a/1/b 900 901"]);
        assert_eq!(told(r#"{"a":"x 12"}"#, r#"{"a":"x 13"}"#, json), [r#"/a "x 12" "x 13""#]);
        assert_eq!(told(r#"{"a":1,"b":2}"#, r#"{"a":1,"c":2}"#, json), Vec::<String>::new(), "a name");
        let secret = told(r#"{"password":"retake-secret-mfzwizlomi"}"#, r#"{"password":"hunter2-secret"}"#, json);
        assert!(secret.len() == 1 && !secret[0].contains("hunter2"), "{secret:?}");
        let text = told("one\ntwo\nthree\n", "one\n2\nthree\n", "text/plain");
        assert_eq!(text, ["-two", "+2", " three"]);
        let secret = told("a\nb\n", "a\npassword=hunter2-secret\n", "text/plain");
        assert!(secret.len() == 2 && !secret[1].contains("hunter2"), "{secret:?}");
        // What makes a line a secret stands before the lines that are shown, near or far.
        for filler in [0, 600_000] {
            let xml = |secret: &str| {
                format!("<a>\n{}<password>\n{secret}\n</password>\n</a>\n", "<b>filler</b>\n".repeat(filler / 14))
            };
            let secret = told(&xml("retake-secret-mfzwizlomi"), &xml("hunter2-very-secret"), "application/xml");
            assert!(secret.len() >= 2 && !secret.concat().contains("hunter2"), "{secret:?}");
        }
        let behind = |last: &str| format!("{}{last}\n", "filler\n".repeat(400_000));
        assert_eq!(told(&behind("one"), &behind("two"), "text/plain"), Vec::<String>::new(), "too far behind");
        assert_eq!(told("a\nb\n", "a\nb\nc\n", "text/plain"), ["+c"]);
    }

    #[test]
    fn the_value_at_a_place_is_found_as_written() {
        let text = r#"{"a/b":[0,{"c":"x\u0041"},1.50]} and no JSON"#;
        let path = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
        assert_eq!(scalar(text.as_bytes(), &path(&["a/b", "1", "c"])).as_deref(), Some(r#""x\u0041""#));
        assert_eq!(scalar(text.as_bytes(), &path(&["a/b", "2"])).as_deref(), Some("1.50"));
        assert_eq!(scalar(text.as_bytes(), &path(&["a/b", "1"])), None, "an object");
        assert_eq!(scalar(text.as_bytes(), &path(&["a/b", "9"])), None);
    }
}
