//! Status, media type, and the fields that clients act on.

use super::{Answer, Found, Kind, Severity};
use crate::collection::Place;
use crate::model::{Fields, media};
use crate::promote::{Lens, without_placeholders};
use crate::redact::is_placeholder;

/// Fields by which a client decides what to do next. What else a server says of itself and of caches comes and goes.
const DECISIVE: [&str; 14] = [
    "location",
    "content-location",
    "www-authenticate",
    "allow",
    "link",
    "content-disposition",
    "content-language",
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "accept-ranges",
    "sunset",
    "deprecation",
];

/// Compares heads; tells whether it makes sense to compare the contents, too.
pub(super) fn compare(recorded: &Answer, live: &Answer, lens: &Lens<'_>, found: &mut Found) -> bool {
    if recorded.status != live.status {
        let (old, new) = (recorded.status.to_string(), live.status.to_string());
        found.add(Severity::Breaking, Kind::Status, "status", Some(&old), Some(&new));
        return false;
    }
    for name in DECISIVE {
        field(name, recorded, live, lens, found);
    }
    cookies(recorded, live, lens, found);
    content_type(recorded, live, lens, found)
}

fn content_type(recorded: &Answer, live: &Answer, lens: &Lens<'_>, found: &mut Found) -> bool {
    const NAME: &str = "content-type";
    if lens.hides(Place::Field, NAME) {
        return true;
    }
    let (old, new) = (recorded.fields.text(NAME), live.fields.text(NAME));
    let essence = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(media::essence);
    match (essence(&old), essence(&new)) {
        // Nothing was promised.
        (None, None) => true,
        (None, Some(new)) => {
            found.add(Severity::Added, Kind::ContentType, NAME, None, Some(&new));
            true
        }
        (old, new) if old != new => {
            found.add(Severity::Breaking, Kind::ContentType, NAME, old.as_deref(), new.as_deref());
            false
        }
        _ => {
            let charset = |text: &Option<std::borrow::Cow<'_, str>>| {
                text.as_deref().and_then(|text| media::parameter(text, "charset")).map(|name| name.to_ascii_lowercase())
            };
            if charset(&old) != charset(&new) {
                found.add(Severity::Values, Kind::ContentType, NAME, old.as_deref(), new.as_deref());
            }
            true
        }
    }
}

fn values(fields: &Fields, name: &str) -> Vec<String> {
    fields.all(name).map(|value| crate::model::fields::text_of(value).trim().to_owned()).collect()
}

fn field(name: &str, recorded: &Answer, live: &Answer, lens: &Lens<'_>, found: &mut Found) {
    if lens.ignores(Place::Field, name) {
        return;
    }
    let (old, new) = (values(&recorded.fields, name), values(&live.fields, name));
    let (old_text, new_text) = (old.join(", "), new.join(", "));
    match (old.is_empty(), new.is_empty()) {
        (true, true) => {}
        (false, true) => found.add(Severity::Breaking, Kind::Field, name, Some(&old_text), None),
        (true, false) => found.add(Severity::Added, Kind::Field, name, None, Some(&new_text)),
        (false, false) => {
            let is_masked = old.iter().any(|value| is_placeholder(value));
            let is_template = recorded.is_template && old_text.contains("{{");
            let is_volatile = old.iter().chain(&new).all(|value| lens.seen(Place::Field, name).hides(value));
            let same = without_placeholders(&old_text) == without_placeholders(&new_text);
            if !(is_masked || is_template || is_volatile || same) {
                found.add(Severity::Values, Kind::Field, name, Some(&old_text), Some(&new_text));
            }
        }
    }
}

/// Cookies by their names: the values are the client's business only as they come back.
fn cookies(recorded: &Answer, live: &Answer, lens: &Lens<'_>, found: &mut Found) {
    const NAME: &str = "set-cookie";
    if lens.hides(Place::Field, NAME) {
        return;
    }
    let names = |fields: &Fields| -> Vec<String> {
        let name = |value: String| value.split('=').next().unwrap_or_default().trim().to_owned();
        values(fields, NAME).into_iter().map(name).collect()
    };
    let (old, new) = (names(&recorded.fields), names(&live.fields));
    for name in old.iter().filter(|name| !new.contains(name)) {
        found.add(Severity::Breaking, Kind::Field, &format!("{NAME} {name}"), Some(name), None);
    }
    for name in new.iter().filter(|name| !old.contains(name)) {
        found.add(Severity::Added, Kind::Field, &format!("{NAME} {name}"), None, Some(name));
    }
}
