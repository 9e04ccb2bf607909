//! Templates, made ready at load and filled in for each call.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::random::Random;
use super::values::percent_decoded;
use crate::collection::template::{BadTemplate, Piece, Put, Template, What, has_expressions};
use crate::collection::{BodySpec, JsonStyle, PathPattern, SegmentPattern};
use crate::matching::{Call, body_text};
use crate::model::{Field, Fields, media, path};

/// The largest answer that a template may make, in bytes.
pub(super) const MAX_OUTPUT: usize = 16 * 1024 * 1024;

/// What names in a template may stand for.
pub(super) struct Names<'a> {
    /// The path of the stub, with its captures.
    pub(super) path: &'a PathPattern,
    /// Values of variables, by name.
    pub(super) variables: &'a BTreeMap<String, String>,
}

/// An answer with templates in it.
#[derive(Debug)]
pub(super) struct Templated {
    /// By the position of the field line.
    fields: Vec<(usize, Bound)>,
    body: BodyTemplate,
}

#[derive(Debug)]
enum BodyTemplate {
    /// Nothing in it is a template.
    Fixed,
    /// The whole text is one.
    Text(Bound, Escape),
    /// Strings of a JSON value are; by their text.
    Json(Value, JsonStyle, HashMap<String, Bound>),
}

/// A template whose names are resolved.
#[derive(Debug)]
struct Bound(Vec<BoundPiece>);

#[derive(Debug)]
enum BoundPiece {
    Text(String),
    /// A segment of the path, from 0, decoded.
    Segment(usize),
    Put(Put),
}

/// How a value is written where it is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    No,
    /// Inside a JSON text: strings are escaped, what is JSON itself is not.
    Json,
    /// Inside HTML or XML.
    Markup,
    /// Inside a field value: control characters become spaces.
    Field,
}

/// What a call puts into the templates of its answer.
pub(super) struct Making<'a> {
    call: &'a Call,
    now: Timestamp,
    random: &'a mut Random,
    /// Read when the first expression asks for it, and then kept: a template may ask ten thousand times.
    body: OnceCell<Option<Value>>,
    query: OnceCell<HashMap<String, String>>,
    segments: OnceCell<Vec<&'a str>>,
}

/// A value for a place.
enum Made<'a> {
    Text(Cow<'a, str>),
    /// A JSON text.
    Json(Cow<'a, str>),
}

/// A template made more than [`MAX_OUTPUT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the template makes an answer of more than {} MiB", MAX_OUTPUT >> 20)]
pub(super) struct TooLarge;

impl Templated {
    /// The templates of an answer with these field lines and this body; none if there is nothing to put anywhere.
    ///
    /// # Errors
    /// What is no template, or names what there is not.
    pub(super) fn new(
        lines: &Fields,
        body: &Bytes,
        spec: Option<&BodySpec>,
        names: &Names<'_>,
    ) -> Result<Option<Templated>, BadTemplate> {
        let mut fields = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            if let Some(text) = std::str::from_utf8(&line.value).ok().filter(|text| has_expressions(text)) {
                fields.push((at, Bound::new(text, names)?));
            }
        }
        let json = spec.and_then(|spec| Some((spec.json.as_ref()?.value(), spec.style)));
        let body = match json {
            Some((value, style)) => {
                let mut strings = HashMap::new();
                bind_strings(&value, names, &mut strings)?;
                match strings.is_empty() {
                    true => BodyTemplate::Fixed,
                    false => BodyTemplate::Json(value, style, strings),
                }
            }
            None => match std::str::from_utf8(body).ok().filter(|text| has_expressions(text)) {
                Some(text) => {
                    let content_type = lines.text("content-type");
                    BodyTemplate::Text(Bound::new(text, names)?, Escape::of(content_type.as_deref()))
                }
                None => BodyTemplate::Fixed,
            },
        };
        let any = !fields.is_empty() || !matches!(body, BodyTemplate::Fixed);
        Ok(any.then_some(Templated { fields, body }))
    }

    /// Field lines and body for a call.
    ///
    /// # Errors
    /// When they would be too large.
    pub(super) fn filled(
        &self,
        making: &mut Making<'_>,
        lines: &Fields,
        body: &Bytes,
    ) -> Result<(Fields, Bytes), TooLarge> {
        // Fields and body together.
        let mut room = MAX_OUTPUT;
        let mut lines = lines.clone();
        for (at, line) in lines.iter_mut().enumerate() {
            if let Some((_, template)) = self.fields.iter().find(|(of, _)| *of == at) {
                let value = template.filled(making, Escape::Field, &mut room)?;
                *line = Field::new(std::mem::take(&mut line.name), value.trim().to_owned());
            }
        }
        let body = match &self.body {
            BodyTemplate::Fixed => body.clone(),
            BodyTemplate::Text(template, escape) => template.filled(making, *escape, &mut room)?.into(),
            BodyTemplate::Json(value, style, strings) => {
                style.render(&fill_strings(value, making, strings, &mut room)?).into()
            }
        };
        // Escapes and indentation come on top of what was put.
        if body.len() > MAX_OUTPUT { Err(TooLarge) } else { Ok((lines, body)) }
    }
}

/// Every string of a JSON value that is a template.
fn bind_strings(value: &Value, names: &Names<'_>, found: &mut HashMap<String, Bound>) -> Result<(), BadTemplate> {
    match value {
        Value::String(text) if has_expressions(text) && !found.contains_key(text) => {
            found.insert(text.clone(), Bound::new(text, names)?);
        }
        Value::Array(items) => items.iter().try_for_each(|item| bind_strings(item, names, found))?,
        Value::Object(members) => members.values().try_for_each(|item| bind_strings(item, names, found))?,
        _ => {}
    }
    Ok(())
}

/// The value with its templates filled in. As deep as the value is, which a file bounds.
fn fill_strings(
    value: &Value,
    making: &mut Making<'_>,
    strings: &HashMap<String, Bound>,
    room: &mut usize,
) -> Result<Value, TooLarge> {
    Ok(match value {
        Value::String(text) => match strings.get(text) {
            Some(template) => template.filled_json(making, room)?,
            None => value.clone(),
        },
        Value::Array(items) => {
            let items = items.iter().map(|item| fill_strings(item, making, strings, room));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, item)| Ok::<_, TooLarge>((name.clone(), fill_strings(item, making, strings, room)?)));
            Value::Object(members.collect::<Result<_, _>>()?)
        }
        other => other.clone(),
    })
}

impl Bound {
    fn new(text: &str, names: &Names<'_>) -> Result<Bound, BadTemplate> {
        let pieces = Template::read(text)?.pieces.into_iter().map(|piece| {
            Ok(match piece {
                Piece::Text(text) => BoundPiece::Text(text),
                Piece::Put(Put { what: What::Variable(name), line, .. }) => names.find(&name, line)?,
                Piece::Put(put) => BoundPiece::Put(put),
            })
        });
        pieces.collect::<Result<Vec<_>, _>>().map(Bound)
    }

    /// The text; what it puts is taken from `room`.
    fn filled(&self, making: &mut Making<'_>, escape: Escape, room: &mut usize) -> Result<String, TooLarge> {
        let mut out = String::new();
        for piece in &self.0 {
            let (made, escape) = match piece {
                BoundPiece::Text(text) => (Made::Text(text.into()), Escape::No),
                BoundPiece::Segment(at) => (Made::Text(making.segment(*at).into()), escape),
                BoundPiece::Put(put) => match (put.raw, escape) {
                    (true, Escape::Json | Escape::Markup) => (making.value(put), Escape::No),
                    (_, escape) => (making.value(put), escape),
                },
            };
            spend(room, made.text().len())?;
            escape.write(&made, &mut out);
            if out.len() > MAX_OUTPUT {
                return Err(TooLarge);
            }
        }
        Ok(out)
    }

    /// The value of a string of a JSON value: a string, or what `{{{…}}}` alone in it stands for.
    fn filled_json(&self, making: &mut Making<'_>, room: &mut usize) -> Result<Value, TooLarge> {
        if let [BoundPiece::Put(put)] = self.0.as_slice()
            && put.raw
        {
            let made = making.value(put);
            spend(room, made.text().len())?;
            let text = made.text();
            return Ok(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())));
        }
        self.filled(making, Escape::No, room).map(Value::String)
    }
}

/// Takes so many bytes from what may still be made.
fn spend(room: &mut usize, bytes: usize) -> Result<(), TooLarge> {
    *room = room.checked_sub(bytes).ok_or(TooLarge)?;
    Ok(())
}

impl Made<'_> {
    fn text(&self) -> &str {
        let (Made::Text(text) | Made::Json(text)) = self;
        text
    }
}

impl Names<'_> {
    fn find(&self, name: &str, line: usize) -> Result<BoundPiece, BadTemplate> {
        let is_it = |segment: &SegmentPattern| segment.capture() == Some(name);
        if let Some(at) = self.path.segments().iter().position(is_it) {
            return Ok(BoundPiece::Segment(at));
        }
        match self.variables.get(name) {
            Some(value) => Ok(BoundPiece::Text(value.clone())),
            None => {
                let message = format!("`{name}` is no capture of the path {} and no variable", self.path);
                Err(BadTemplate { line, message })
            }
        }
    }
}

impl Escape {
    fn of(content_type: Option<&str>) -> Escape {
        let html = content_type.is_some_and(|value| media::essence(value) == "text/html");
        match media::Kind::of(content_type) {
            media::Kind::Json => Escape::Json,
            media::Kind::Xml => Escape::Markup,
            _ if html => Escape::Markup,
            _ => Escape::No,
        }
    }

    fn write(self, made: &Made<'_>, out: &mut String) {
        let (Made::Text(text) | Made::Json(text)) = made;
        match (self, made) {
            (Escape::Json, Made::Text(text)) => {
                let quoted = Value::from(text.as_ref()).to_string();
                out.push_str(&quoted[1..quoted.len() - 1]);
            }
            (Escape::Markup, _) => text.chars().for_each(|character| match character {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                other => out.push(other),
            }),
            (Escape::Field, _) => {
                out.extend(text.chars().map(|character| if character.is_control() { ' ' } else { character }));
            }
            (Escape::No, _) | (Escape::Json, Made::Json(_)) => out.push_str(text),
        }
    }
}

impl<'a> Making<'a> {
    pub(super) fn new(call: &'a Call, now: Timestamp, random: &'a mut Random) -> Self {
        let (body, query, segments) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Making { call, now, random, body, query, segments }
    }

    fn raw_segment(&self, at: usize) -> &'a str {
        let segments = self.segments.get_or_init(|| path::segments(&self.call.path).collect());
        segments.get(at).copied().unwrap_or_default()
    }

    fn segment(&self, at: usize) -> String {
        let raw = self.raw_segment(at);
        percent_decoded(raw).unwrap_or_else(|| raw.to_owned())
    }

    fn value<'m>(&'m mut self, put: &'m Put) -> Made<'m> {
        let found = match &put.what {
            What::Generated(generated) => Some(Made::Text(self.random.value(*generated, self.now).into())),
            What::Header(name) => self.call.fields.text(name).map(|value| Made::Text(value.trim().to_owned().into())),
            What::Query(name) => self.query(name).map(|value| Made::Text(value.into())),
            What::Segment(at) => {
                let there = !self.raw_segment(*at).is_empty();
                there.then(|| Made::Text(self.segment(*at).into()))
            }
            What::Body(names) => self.in_body(names),
            // Resolved at load.
            What::Variable(_) => None,
        };
        found.unwrap_or_else(|| Made::Text(put.default.as_deref().unwrap_or_default().into()))
    }

    /// The first pair of that name.
    fn query(&self, name: &str) -> Option<&str> {
        let query = self.query.get_or_init(|| {
            let pairs = form_urlencoded::parse(self.call.query.as_deref().unwrap_or_default().as_bytes());
            let mut first = HashMap::new();
            for (name, value) in pairs {
                first.entry(name.into_owned()).or_insert_with(|| value.into_owned());
            }
            first
        });
        query.get(name).map(String::as_str)
    }

    /// The whole body, or the value at these names in it: of JSON, or of a form.
    fn in_body(&self, names: &[String]) -> Option<Made<'_>> {
        let parsed = self.body.get_or_init(|| parsed(self.call)).as_ref();
        if names.is_empty() {
            if self.call.body.is_empty() {
                return None;
            }
            let content_type = self.call.fields.text("content-type");
            let text = match std::str::from_utf8(&self.call.body) {
                Ok(text) => Cow::Borrowed(text),
                Err(_) => Cow::Owned(body_text(content_type.as_deref(), &self.call.body)?),
            };
            let is_json = parsed.is_some() && media::Kind::of(content_type.as_deref()) != media::Kind::Form;
            return Some(if is_json { Made::Json(text) } else { Made::Text(text) });
        }
        let mut value = parsed?;
        for name in names {
            value = match value {
                Value::Object(members) => members.get(name)?,
                Value::Array(items) => items.get(name.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(match value {
            Value::String(text) => Made::Text(text.as_str().into()),
            other => Made::Json(other.to_string().into()),
        })
    }
}

/// The body of a call as JSON; a form as an object of its members. None if it is neither, or over the bound.
fn parsed(call: &Call) -> Option<Value> {
    if call.body.len() > MAX_OUTPUT {
        return None;
    }
    let content_type = call.fields.text("content-type");
    if media::Kind::of(content_type.as_deref()) == media::Kind::Form {
        let mut members = serde_json::Map::new();
        for (name, value) in form_urlencoded::parse(&call.body) {
            // The first of a name, as in queries.
            members.entry(name.into_owned()).or_insert_with(|| Value::String(value.into_owned()));
        }
        return Some(Value::Object(members));
    }
    match std::str::from_utf8(&call.body) {
        Ok(text) => serde_json::from_str(text).ok(),
        Err(_) => serde_json::from_str(&body_text(content_type.as_deref(), &call.body)?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Seed;
    use super::*;
    use crate::matching::tests::call;

    fn filled(content_type: &str, body: &str, line: &str) -> String {
        let spec: BodySpec = match content_type {
            "json" => {
                serde_json::from_value(serde_json::json!({ "json": serde_json::from_str::<Value>(body).unwrap() }))
            }
            _ => serde_json::from_value(serde_json::json!({ "text": body })),
        }
        .unwrap();
        let mut lines = Fields::new();
        lines.push("Content-Type", content_type);
        lines.push("X-Q", "[{{$queryParams 'q' '-'}}]");
        let path: PathPattern = "/users/{login}/**".parse().unwrap();
        let variables = BTreeMap::from([("base url".to_owned(), "https://a.test".to_owned())]);
        let body = Bytes::from(body.to_owned());
        let names = Names { path: &path, variables: &variables };
        let templated = Templated::new(&lines, &body, Some(&spec), &names).unwrap().unwrap();
        let mut random = Seed::new(1, "x").of_call(1);
        let call = call(line);
        let mut making = Making::new(&call, "2026-11-20T09:30:00Z".parse().unwrap(), &mut random);
        let (lines, body) = templated.filled(&mut making, &lines, &body).unwrap();
        format!("{}|{}", lines.text("x-q").unwrap(), String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn every_helper_gives_its_part_of_the_call() {
        let line = r#"POST /users/octo%20cat/b?q=1%202&q=3 X-Id:7 {"a":{"b":"x\"y"},"n":[1,{"m":true}],"a.a":null}"#;
        for (template, expected) in [
            ("{{login}} at {{base url}}", "octo cat at https://a.test"),
            ("{{$body 'a.b'}}", "x\"y"),
            ("{{$body 'n[1].m'}} {{$body 'n.0'}}", "true 1"),
            (r"{{$body 'a\.a'}}", "null"),
            ("{{$body 'a'}}", r#"{"b":"x\"y"}"#),
            ("{{$body 'z' 'none'}}|{{$body 'z'}}|", "none||"),
            ("{{$headers 'x-id'}} {{$headers 'X-No' 'd'}}", "7 d"),
            ("{{$queryParams 'q'}} {{$queryParams 'z' 'd'}}", "1 2 d"),
            ("{{$pathSegments '0'}} {{$pathSegments '2'}} {{$pathSegments '9' 'd'}}", "users b d"),
            ("{{$timestamp}} {{$isoTimestamp}}", "1795167000 2026-11-20T09:30:00.000Z"),
            (r"\{{login}}", "{{login}}"),
        ] {
            assert_eq!(filled("text/plain", template, line), format!("[1 2]|{expected}"), "{template}");
        }
        assert_eq!(filled("text/plain", "{{$body}}", "POST /users/x/ plain text"), "[-]|plain text");
        assert_eq!(filled("text/plain", "{{$body 'b'}}", "POST /users/x/ a=1&b=x%2Fy&b=2"), "[-]|x/y");
    }

    #[test]
    fn values_are_escaped_for_what_stands_around_them() {
        let line = r#"POST /users/x/ {"a":"<\"\n&>","o":{"k":1}}"#;
        let json = filled("application/json", r#"{"t":"{{$body 'a'}}","o":{{$body 'o'}},"all":{{$body}}}"#, line);
        assert_eq!(json, r#"[-]|{"t":"<\"\n&>","o":{"k":1},"all":{"a":"<\"\n&>","o":{"k":1}}}"#);
        assert_eq!(filled("application/xml", "<a>{{$body 'a'}}</a>", line), "[-]|<a>&lt;&quot;\n&amp;&gt;</a>");
        assert_eq!(filled("text/html", "{{{$body 'a'}}}", line), "[-]|<\"\n&>");
        let hostile = filled("text/plain", "{{$guid}}", "GET /users/x/?q=a%0D%0AX-Evil:1");
        assert!(hostile.starts_with("[a  X-Evil:1]|"), "{hostile}");
    }

    #[test]
    fn strings_of_a_json_value_are_templates_of_their_own() {
        let line = r#"POST /users/x/ {"n":3,"s":"t","o":[1]}"#;
        let body = r#"{"n":"{{{$body 'n'}}}","t":"{{$body 'n'}}","s":"{{{$body 's'}}}","o":["{{{$body 'o'}}}"],"i":"id-{{login}}","{{k}}":1}"#;
        assert_eq!(filled("json", body, line), r#"[-]|{"n":3,"t":"3","s":"t","o":[[1]],"i":"id-x","{{k}}":1}"#);
    }

    #[test]
    fn what_a_template_makes_is_bounded() {
        let text = "{{$body}}".repeat(20);
        let (lines, variables) = (Fields::new(), BTreeMap::new());
        let path = PathPattern::literal("/");
        let names = Names { path: &path, variables: &variables };
        let bytes = Bytes::from(text.clone());
        let templated = Templated::new(&lines, &bytes, None, &names).unwrap().unwrap();
        let mut call = call("POST /");
        call.body = vec![b'x'; 1024 * 1024].into();
        let mut random = Seed::new(1, "x").of_call(1);
        let mut making = Making::new(&call, Timestamp::UNIX_EPOCH, &mut random);
        assert_eq!(templated.filled(&mut making, &lines, &bytes).unwrap_err(), TooLarge);
    }

    #[test]
    fn a_name_that_stands_for_nothing_is_told_at_load() {
        let (lines, variables) = (Fields::new(), BTreeMap::new());
        let path: PathPattern = "/u/{login}".parse().unwrap();
        let names = Names { path: &path, variables: &variables };
        let error = Templated::new(&lines, &"a\n{{lgin}}".into(), None, &names).unwrap_err();
        assert_eq!(error.to_string(), "line 2: `lgin` is no capture of the path /u/{login} and no variable");
        assert!(Templated::new(&lines, &"plain".into(), None, &names).unwrap().is_none());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(20))]

        /// Whatever a template asks for, and whatever the call has: an answer is at most so large, or none. Work is counted
        /// by what it makes, and by the expressions of a template, of which there are at most ten thousand.
        #[test]
        fn an_answer_is_bounded(
            expressions in proptest::collection::vec("(\\{\\{\\$body\\}\\}|\\{\\{\\{\\$body\\}\\}\\}|\\{\\{\\$body 'a'\\}\\}|\\{\\{\\$queryParams 'q'\\}\\}|\\{\\{id\\}\\}|\\{\\{\\$headers 'X'\\}\\}|<&\")", 1..5),
            times in 1..3_000_usize,
            size in 0..40_000_usize,
            content_type in proptest::sample::select(vec!["text/plain", "application/json", "text/xml", "json"]),
        ) {
            let text = expressions.concat().repeat(times);
            let spec: BodySpec = match content_type {
                // A string for each time, so that there are more than one template may have expressions.
                "json" => serde_json::from_value(serde_json::json!({ "json": vec![expressions.concat(); times] })),
                _ => serde_json::from_value(serde_json::json!({ "text": text })),
            }.unwrap();
            let body = match content_type {
                "json" => Bytes::new(),
                _ => Bytes::from(text),
            };
            let mut lines = Fields::new();
            lines.push("Content-Type", if content_type == "json" { "application/json" } else { content_type });
            lines.push("X-Echo", expressions.concat().repeat(times.min(200)));
            let (path, variables) = ("/x/{id}".parse().unwrap(), BTreeMap::new());
            let names = Names { path: &path, variables: &variables };
            let template = match Templated::new(&lines, &body, Some(&spec), &names) {
                Ok(Some(template)) => template,
                Ok(None) => return Ok(()),
                Err(refused) => {
                    proptest::prop_assert!(refused.message.contains("10 000"), "{}", refused.message);
                    return Ok(());
                }
            };
            let mut call = call("POST /x/1");
            call.path = format!("/x/{}", "\"".repeat(size / 50));
            call.query = Some(format!("q={}", "%22".repeat(size / 50)));
            call.fields.push("X", "<".repeat(size / 50));
            call.body = Bytes::from(format!("{{\"a\":\"{}\"}}", "<".repeat(size)));
            let mut random = Seed::new(1, "it").of_call(1);
            let mut making = Making::new(&call, Timestamp::UNIX_EPOCH, &mut random);
            if let Ok((lines, body)) = template.filled(&mut making, &lines, &body) {
                proptest::prop_assert!(body.len() <= MAX_OUTPUT);
                proptest::prop_assert!(lines.iter().map(|line| line.value.len()).sum::<usize>() <= MAX_OUTPUT + 100);
            }
        }
    }
}
