//! Names: of scenarios, by what tells each from its siblings; of body files, by their scenario.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::canonical::Lens;
use super::is_placeholder;
use crate::collection::{BodySpec, Place, RequestSpec};
use crate::matching::multipart_parts;
use crate::model::media::Kind;

/// A scenario's name is at most this long.
const LONGEST: usize = 40;

/// Lower-case ASCII letters and digits; other runs become `-`; at most 40 characters.
pub(super) fn slug(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().filter(|character| !matches!(character, '\'' | '\u{2019}')) {
        if character.is_ascii_alphanumeric() {
            out.push(character.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() >= LONGEST {
            break;
        }
    }
    out.trim_end_matches('-').to_owned()
}

/// The first of `name`, `name-2`, `name-3`… that is not taken; taken from then on. Case does not tell names apart,
/// since it does not tell files apart everywhere. `count` is the number to go on with: many scenarios may be named by their status alone.
fn free(name: &str, taken: &mut HashSet<String>, count: &mut u64) -> String {
    if taken.insert(name.to_lowercase()) {
        return name.to_owned();
    }
    loop {
        let suffix = format!("-{count}");
        // Names are ASCII, so any place is a border between characters.
        let room = name.len().min(LONGEST.saturating_sub(suffix.len()));
        let next = format!("{}{suffix}", name[..room].trim_end_matches('-'));
        *count += 1;
        if taken.insert(next.clone()) {
            return next;
        }
    }
}

/// What can tell a scenario from its siblings.
pub(super) struct Traits {
    captures: Vec<String>,
    query: Vec<String>,
    body: Vec<(String, String)>,
    fields: Vec<(String, String)>,
    /// Fields that it does not ask for, and its calls have.
    pub(super) unasked: Vec<String>,
    status: String,
}

impl Traits {
    /// The traits of a scenario; `body` is the body of its request, `status` that of its first answer. Values that will
    /// be others in the next recording name nothing.
    pub(super) fn of(request: &RequestSpec, body: Option<&BodySpec>, status: u16, lens: &Lens<'_>) -> Self {
        let lasts =
            |place: Place, name: &str, value: &str| !is_placeholder(value) && !lens.is_volatile(place, name, value);
        let captured = request.captures.iter().filter(|(name, value)| lasts(Place::Path, name, value));
        let captured = captured.map(|(_, value)| value);
        let query = request.query.iter().map(|pair| pair.decoded());
        let query = query.filter(|(name, value)| lasts(Place::Query, name, value));
        let named = |line: &crate::collection::FieldLine| {
            let value = super::request::comparable(&line.0);
            let value = if value.starts_with('\0') { String::new() } else { value };
            (line.0.name.to_ascii_lowercase(), value)
        };
        let word = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        Traits {
            captures: captured
                .map(|value| percent_encoding::percent_decode_str(value).decode_utf8_lossy().into())
                .collect(),
            query: query.map(|(name, value)| format!("{name}-{value}")).collect(),
            body: body.map(|body| members(body, request.media_type.as_deref(), &lasts)).unwrap_or_default(),
            fields: request.fields.iter().map(named).collect(),
            unasked: Vec::new(),
            status: word.map_or_else(|| format!("status-{status}"), slug),
        }
    }
}

/// The scalar members of a body, with their pointers, each as `name-value`; never a masked one.
fn members(
    body: &BodySpec,
    media_type: Option<&str>,
    lasts: &dyn Fn(Place, &str, &str) -> bool,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Some(value) = &body.json {
        leaves(&value.value(), &mut String::new(), "", &mut found);
        found.retain(|(pointer, text)| {
            let value = text.split_once('-').map_or("", |(_, value)| value);
            lasts(Place::Json, pointer, value)
        });
    } else if let Some(text) = body.text.as_deref().filter(|_| Kind::of(media_type) == Kind::Form) {
        for (name, value) in
            form_urlencoded::parse(text.as_bytes()).filter(|(name, value)| lasts(Place::Form, name, value))
        {
            found.push((name.to_string(), format!("{name}-{value}")));
        }
    } else if let Some(text) = body.text.as_deref().filter(|_| Kind::of(media_type) == Kind::Multipart) {
        for part in multipart_parts(media_type, text.as_bytes()).unwrap_or_default() {
            // A file is told by its name.
            let Some(value) = part.file_name.as_deref().or(part.text()) else { continue };
            if lasts(Place::Form, &part.name, value) {
                found.push((part.name.clone(), format!("{}-{value}", part.name)));
            }
        }
    }
    found
}

fn leaves(value: &Value, pointer: &mut String, name: &str, found: &mut Vec<(String, String)>) {
    let length = pointer.len();
    let mut scalar = |text: &str| found.push((pointer.clone(), format!("{name}-{text}")));
    match value {
        Value::Null => {}
        Value::Bool(flag) => scalar(if *flag { "true" } else { "false" }),
        Value::Number(number) if is_placeholder(&number.to_string()) => {}
        Value::Number(number) => scalar(&number.to_string()),
        Value::String(text) if is_placeholder(text) => {}
        Value::String(text) => scalar(text),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{at}"));
                leaves(item, pointer, name, found);
                pointer.truncate(length);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                pointer.push_str(&format!("/{name}"));
                leaves(member, pointer, name, found);
                pointer.truncate(length);
            }
        }
    }
}

/// How often each item occurs among siblings; an item that all have tells nothing.
fn counts<'a, T: std::hash::Hash + Eq + 'a>(items: impl Iterator<Item = &'a T>) -> HashMap<&'a T, usize> {
    let mut counts = HashMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts
}

/// Names for new scenarios, in their order. `committed` are the traits of the siblings that have names already, and
/// `taken` their names.
pub(super) fn scenarios(new: &[Traits], committed: &[Traits], taken: &mut HashSet<String>) -> Vec<String> {
    let all: Vec<&Traits> = new.iter().chain(committed).collect();
    let levels: Vec<Vec<String>> = candidates(&all);
    let mut seen: Vec<HashMap<&str, usize>> = vec![HashMap::new(); levels.first().map_or(0, Vec::len)];
    for candidates in &levels {
        for (level, candidate) in candidates.iter().enumerate() {
            *seen[level].entry(candidate.as_str()).or_default() += 1;
        }
    }
    let mut counts: HashMap<&str, u64> = HashMap::new();
    let names = levels.iter().take(new.len()).map(|candidates| {
        let given = || candidates.iter().enumerate().filter(|(_, candidate)| !candidate.is_empty());
        let telling = given().find(|(level, candidate)| seen[*level][candidate.as_str()] == 1);
        let chosen = telling.or_else(|| given().next()).map_or("scenario", |(_, candidate)| candidate);
        free(chosen, taken, counts.entry(chosen).or_insert(2))
    });
    names.collect()
}

/// For each of the siblings its candidates, the most telling first; empty where it has none.
fn candidates(all: &[&Traits]) -> Vec<Vec<String>> {
    let query = counts(all.iter().flat_map(|traits| &traits.query));
    let body = counts(all.iter().flat_map(|traits| &traits.body));
    let fields = counts(all.iter().flat_map(|traits| &traits.fields));
    let mut listed: Vec<&str> = all.iter().flat_map(|traits| &traits.fields).map(|(name, _)| name.as_str()).collect();
    listed.sort_unstable();
    listed.dedup();
    let of = |traits: &&Traits| {
        let pairs: Vec<&str> = traits.query.iter().filter(|pair| query[pair] < all.len()).map(String::as_str).collect();
        let members = traits.body.iter().filter(|member| body[member] < all.len() && !slug(&member.1).is_empty());
        // A member that no sibling has names the scenario alone; one that some have only helps.
        let shortest = members.min_by_key(|member| (body[member] > 1, member.1.len(), &member.1));
        let shortest = shortest.map(|(_, text)| text.as_str()).unwrap_or_default();
        let own: Vec<_> = traits.fields.iter().filter(|line| fields[line] < all.len()).collect();
        // Of a request with cookies a scenario may list some, and never names those that it lacks.
        let is_missing = |name: &&&str| {
            let known = || traits.fields.iter().map(|(own, _)| own).chain(&traits.unasked);
            **name != "cookie" && known().all(|known| known != **name)
        };
        let field = match (own.first(), listed.iter().find(is_missing)) {
            (Some((name, value)), _) => format!("{name}-{value}"),
            (None, Some(missing)) => format!("no-{missing}"),
            (None, None) => String::new(),
        };
        let texts = [traits.captures.join("-"), pairs.join("-"), shortest.to_owned(), field, traits.status.clone()];
        texts.iter().map(|text| slug(text)).collect()
    };
    all.iter().map(of).collect()
}

/// The path of a body file, named for its scenario: `bodies/<host>/<stub>/<scenario>[.<part>].<extension>`.
pub(super) fn body_file(
    stub_file: &str,
    scenario: &str,
    part: Option<&str>,
    extension: &str,
    taken: &mut HashSet<String>,
) -> String {
    let stub = stub_file.strip_prefix("stubs/").unwrap_or(stub_file);
    let stub = stub.strip_suffix(".json").unwrap_or(stub);
    let name = match slug(scenario) {
        name if name.is_empty() => "scenario".to_owned(),
        name => name,
    };
    let part = part.map(|part| format!(".{part}")).unwrap_or_default();
    let mut path = format!("bodies/{stub}/{name}{part}.{extension}");
    let mut count = 2u64;
    while !taken.insert(path.to_lowercase()) {
        path = format!("bodies/{stub}/{name}-{count}{part}.{extension}");
        count += 1;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::{FieldLine, QueryPair};
    use crate::model::Field;

    fn asking(query: &[&str], json: Option<&str>, fields: &[(&str, &str)], status: u16) -> Traits {
        let request = RequestSpec {
            query: query.iter().map(|pair| QueryPair((*pair).to_owned())).collect(),
            fields: fields.iter().map(|(name, value)| FieldLine(Field::new(*name, *value))).collect(),
            ..RequestSpec::default()
        };
        let body = json.map(|text| BodySpec { json: serde_json::from_str(text).unwrap(), ..BodySpec::default() });
        Traits::of(&request, body.as_ref(), status, &Lens::default())
    }

    fn named(new: &[Traits]) -> Vec<String> {
        scenarios(new, &[], &mut HashSet::new())
    }

    #[test]
    fn scenarios_are_named_by_what_tells_them_apart() {
        assert_eq!(named(&[asking(&["page=1"], None, &[], 200)]), ["ok"]);
        let pages = [&["q=x", "page=1"][..], &["q=x", "page=2"], &["q=x"]].map(|query| asking(query, None, &[], 200));
        assert_eq!(named(&pages), ["page-1", "page-2", "ok"]);
        let orders = [r#"{"size":"very large","item":"tea"}"#, r#"{"size":"very large","item":"coffee"}"#];
        assert_eq!(named(&orders.map(|body| asking(&[], Some(body), &[], 201))), ["item-tea", "item-coffee"]);
        // A member that two of three share is shorter, but names neither.
        let shared = [r#"{"item":"tea","q":1}"#, r#"{"item":"coffee","q":1}"#, r#"{"item":"pie"}"#];
        let names = named(&shared.map(|body| asking(&[], Some(body), &[], 201)));
        assert_eq!(names, ["item-tea", "item-coffee", "item-pie"]);
        let accepts = [&[][..], &[("Accept", "text/html")]].map(|fields| asking(&[], None, fields, 200));
        assert_eq!(named(&accepts), ["no-accept", "accept-text-html"]);
        // One that has the field, and does not ask for it, is not named for lacking it.
        let [plain, other] = accepts;
        assert_eq!(named(&[Traits { unasked: vec!["accept".to_owned()], ..plain }, other])[0], "ok");
        let same = [200, 200, 404].map(|status| asking(&[], None, &[], status));
        assert_eq!(named(&same), ["ok", "ok-2", "not-found"]);
    }

    #[test]
    fn slugs_are_short_and_plain() {
        assert_eq!(slug("Non-Authoritative  Information!"), "non-authoritative-information");
        assert_eq!(slug("I'm a teapot"), "im-a-teapot");
        assert_eq!(slug("é/ü"), "");
        assert!(slug(&"word ".repeat(20)).len() <= 40);
        let mut taken = HashSet::new();
        let long = slug(&"a".repeat(60));
        free(&long, &mut taken, &mut 2);
        assert_eq!(free(&long, &mut taken, &mut 2), format!("{}-2", "a".repeat(38)));
    }
}
