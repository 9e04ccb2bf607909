//! Templates of answers, in Postman's dialect: text with `{{…}}` in it.
//!
//! A template is a list of pieces: there are no loops, no conditions and nothing that is included, so that what one
//! call costs is bounded by the length of the template. (Handlebars itself reads neither `{{my var}}` nor
//! `{{$body 'a\.b'}}`.)

use std::fmt;

use super::generated::Generated;
use super::shape;

/// The longest template, in bytes.
pub const MAX_TEMPLATE: usize = 4 * 1024 * 1024;
/// The most expressions of one template.
const MAX_EXPRESSIONS: usize = 10_000;

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its pieces, in order.
    pub pieces: Vec<Piece>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text that stays.
    Text(String),
    /// A value.
    Put(Put),
}

/// A value to be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Which.
    pub what: What,
    /// In its place, where it is not there.
    pub default: Option<String>,
    /// `{{{…}}}`: as it is, not escaped for what stands around it.
    pub raw: bool,
    /// The line of the template, from 1.
    pub line: usize,
}

/// Which value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A captured segment of the path, or a variable.
    Variable(String),
    /// `$body`: the request's body, or the value at this path in it.
    Body(Vec<String>),
    /// `$headers`: a field of the request.
    Header(String),
    /// `$queryParams`: a query pair of the request.
    Query(String),
    /// `$pathSegments`: a segment of the request's path, from 0.
    Segment(usize),
    /// `$guid` and its like: made for each call.
    Generated(Generated),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadTemplate {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and the cure.
    pub message: String,
}

impl fmt::Display for BadTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            1 => f.write_str(&self.message),
            line => write!(f, "line {line}: {}", self.message),
        }
    }
}

impl std::error::Error for BadTemplate {}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is no template: an expression without its end, a helper that does not exist, an argument that is missing.
    pub fn read(text: &str) -> Result<Template, BadTemplate> {
        if text.len() > MAX_TEMPLATE {
            let message = format!("the template has more than {} MiB", MAX_TEMPLATE >> 20);
            return Err(BadTemplate { line: 1, message });
        }
        let mut reader = Reader { text, at: 0, pieces: Vec::new(), literal: String::new(), puts: 0 };
        while reader.step()? {}
        reader.end_literal();
        Ok(Template { pieces: reader.pieces })
    }

    /// The values that it puts.
    pub fn puts(&self) -> impl Iterator<Item = &Put> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Put(put) => Some(put),
            Piece::Text(_) => None,
        })
    }
}

/// Whether a text has anything that a template would replace or unescape.
pub fn has_expressions(text: &str) -> bool {
    text.contains("{{")
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    pieces: Vec<Piece>,
    literal: String,
    puts: usize,
}

impl Reader<'_> {
    /// Reads up to the end of the next expression; `false` at the end of the text.
    fn step(&mut self) -> Result<bool, BadTemplate> {
        let rest = &self.text[self.at..];
        let Some(open) = rest.find("{{") else {
            self.literal.push_str(rest);
            self.at = self.text.len();
            return Ok(false);
        };
        if let Some(before) = rest[..open].strip_suffix('\\') {
            // `\{{` is two braces.
            self.literal.push_str(before);
            self.literal.push_str("{{");
            self.at += open + 2;
            return Ok(true);
        }
        // Of several braces the last two or three open the expression: `{"a":{{{x}}}}` is `{"a":` and `{{{x}}}` and `}`.
        self.literal.push_str(&rest[..open]);
        let start = self.at + open;
        let inner = &self.text[start..];
        if inner.starts_with("{{!") {
            let (close, length) = if inner.starts_with("{{!--") { ("--}}", 4) } else { ("}}", 2) };
            let end = inner.find(close).ok_or_else(|| self.fault(start, "the comment has no end"))?;
            self.at = start + end + length;
            return Ok(true);
        }
        let raw = inner.starts_with("{{{") && closes_with_three(&inner[3..]);
        let braces = if raw { 3 } else { 2 };
        let end = expression_end(&inner[braces..])
            .ok_or_else(|| self.fault(start, "`{{` has no `}}`: close it, or write `\\{{` for two braces"))?;
        self.puts += 1;
        if self.puts > MAX_EXPRESSIONS {
            return Err(self.fault(start, "the template has more than 10 000 expressions"));
        }
        let (what, default) = expression(inner[braces..braces + end].trim())
            .map_err(|message| BadTemplate { line: self.line(start), message })?;
        let line = self.line(start);
        self.end_literal();
        self.pieces.push(Piece::Put(Put { what, default, raw, line }));
        self.at = start + braces + end + braces;
        Ok(true)
    }

    fn end_literal(&mut self) {
        if !self.literal.is_empty() {
            self.pieces.push(Piece::Text(std::mem::take(&mut self.literal)));
        }
    }

    fn fault(&self, at: usize, message: &str) -> BadTemplate {
        BadTemplate { line: self.line(at), message: message.to_owned() }
    }

    fn line(&self, at: usize) -> usize {
        1 + memchr::memchr_iter(b'\n', &self.text.as_bytes()[..at]).count()
    }
}

/// Where an expression ends: its `}}`, outside of quotes.
fn expression_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quote = None;
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], quote) {
            (b'\\', Some(_)) => at += 1,
            (byte, Some(open)) if byte == open => quote = None,
            (_, Some(_)) => {}
            (byte @ (b'\'' | b'"'), None) => quote = Some(byte),
            (b'}', None) if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    // A quote that is never closed is not one, as in `{{it's}}`.
    text.find("}}")
}

/// Whether the expression that begins here ends with three braces.
fn closes_with_three(text: &str) -> bool {
    expression_end(text).is_some_and(|end| text[end..].starts_with("}}}"))
}

fn expression(text: &str) -> Result<(What, Option<String>), String> {
    if text.is_empty() {
        return Err("`{{}}` names nothing".to_owned());
    }
    if text.starts_with(['#', '/', '>', '^', '*', '&', '~']) || text == "else" {
        return Err(format!("`{{{{{text}}}}}`: templates have values only, no blocks, partials or decorators"));
    }
    let Some(helper) = text.strip_prefix('$') else {
        // Postman's names of variables may have spaces.
        return Ok((What::Variable(text.to_owned()), None));
    };
    let (name, rest) = match helper.find(|character: char| character.is_whitespace() || "'\"".contains(character)) {
        Some(at) => helper.split_at(at),
        None => (helper, ""),
    };
    let mut arguments = arguments(rest).ok_or_else(|| {
        format!("`{rest}`: write the arguments of `${name}` in quotes, as in `{{{{$body 'a.b' 'default'}}}}`")
    })?;
    if arguments.len() > 2 {
        return Err(format!("`${name}` takes a place and a default, not {} arguments", arguments.len()));
    }
    let default = (arguments.len() == 2).then(|| unescaped(&arguments.pop().unwrap_or_default()));
    let place = arguments.pop();
    let needed = |what: &str| {
        let place = place.as_deref().map(unescaped).filter(|place| !place.is_empty());
        place.ok_or_else(|| format!("`${name}` needs {what}, as in `{{{{${name} '…'}}}}`"))
    };
    let what = match name {
        "body" => What::Body(place.as_deref().map(object_path).unwrap_or_default()),
        "headers" => What::Header(needed("the name of a field")?),
        "queryParams" => What::Query(needed("the name of a parameter")?),
        "pathSegments" => {
            let at = needed("the position of a segment, from 0")?;
            What::Segment(at.parse().map_err(|_| format!("`$pathSegments '{at}'`: write a position, from 0"))?)
        }
        _ => match (Generated::named(name), &place) {
            (Some(generated), None) => What::Generated(generated),
            (Some(_), Some(_)) => return Err(format!("`${name}` takes no argument")),
            (None, _) => return Err(unknown(name)),
        },
    };
    Ok((what, default))
}

fn unknown(name: &str) -> String {
    let readers = ["body", "headers", "queryParams", "pathSegments"];
    let known = readers.into_iter().chain(Generated::names());
    format!("`${name}` is no helper that retake knows{}", shape::did_you_mean(name, known))
}

/// Quoted texts, still with their backslashes, and bare numbers; none if there is anything else.
fn arguments(text: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '\'' | '"' => {
                let close = closing(&rest[1..], first)?;
                found.push(rest[1..=close].to_owned());
                close + 2
            }
            '0'..='9' => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                found.push(rest[..end].to_owned());
                end
            }
            _ => return None,
        };
        rest = rest[end..].trim_start();
    }
    Some(found)
}

/// Where the closing quote is.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// An argument as meant: a backslash stands before a quote or another backslash; others are themselves.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.peek() {
            Some(&next @ ('\'' | '"' | '\\')) if character == '\\' => {
                out.push(next);
                characters.next();
            }
            _ => out.push(character),
        }
    }
    out
}

/// The names on an object path: `a.b`, `a[0].b`; `a\.b` is one name.
fn object_path(text: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let last = names.len() - 1;
        match character {
            '\\' => names[last].extend(characters.next()),
            '.' | '[' if names[last].is_empty() && names.len() > 1 => {}
            '.' | '[' => names.push(String::new()),
            ']' => {}
            other => names[last].push(other),
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put(text: &str) -> Put {
        let template = Template::read(text).unwrap();
        match template.pieces.as_slice() {
            [Piece::Put(put)] => put.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn what(text: &str) -> What {
        put(text).what
    }

    fn fault(text: &str) -> String {
        Template::read(text).unwrap_err().to_string()
    }

    #[test]
    fn every_form_is_read() {
        let names = |names: &[&str]| What::Body(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(what("{{login}}"), What::Variable("login".into()));
        assert_eq!(what("{{ my var }}"), What::Variable("my var".into()));
        assert_eq!(what("{{$body}}"), names(&[]));
        assert_eq!(what("{{$body 'a.b'}}"), names(&["a", "b"]));
        assert_eq!(what("{{ $body \"a[0].b\" }}"), names(&["a", "0", "b"]));
        assert_eq!(what(r"{{$body 'a\.a.b'}}"), names(&["a.a", "b"]));
        assert_eq!(what("{{$headers 'X-Id'}}"), What::Header("X-Id".into()));
        assert_eq!(what("{{$queryParams 'q'}}"), What::Query("q".into()));
        assert_eq!(what("{{$pathSegments '1'}}"), What::Segment(1));
        assert_eq!(what("{{$pathSegments 1}}"), What::Segment(1));
        assert_eq!(what("{{$guid}}"), What::Generated(Generated::Guid));
        assert_eq!(put("{{$body 'a' 'none at all'}}").default.as_deref(), Some("none at all"));
        assert_eq!(put(r"{{$queryParams 'q' 'it\'s }} \d'}}").default.as_deref(), Some(r"it's }} \d"));
        assert!(put("{{{$body}}}").raw && !put("{{$body}}").raw);
    }

    #[test]
    fn text_around_stays() {
        let texts = |text: &str| -> Vec<String> {
            let pieces = Template::read(text).unwrap().pieces.into_iter();
            let shown = |piece| match piece {
                Piece::Text(text) => text,
                Piece::Put(put) => format!("<{}{:?}>", if put.raw { "raw " } else { "" }, put.what),
            };
            pieces.map(shown).collect()
        };
        assert_eq!(texts("plain { } }}"), ["plain { } }}"]);
        assert_eq!(texts(r#"{"a":{"b":{{x}}}}"#), [r#"{"a":{"b":"#, "<Variable(\"x\")>", "}}"]);
        assert_eq!(texts(r#"{"a":{{{x}}}}"#), [r#"{"a":"#, "<raw Variable(\"x\")>", "}"]);
        assert_eq!(texts(r"\{{x}} {{!-- }} --}}{{! y }}z"), ["{{x}} z"]);
        assert!(Template::read("").unwrap().pieces.is_empty());
    }

    #[test]
    fn what_is_no_template_says_why_and_where() {
        for (text, part) in [
            ("a\nb {{x", "line 2: `{{` has no `}}`"),
            ("{{}}", "names nothing"),
            ("{{#each a}}", "no blocks"),
            ("{{> other}}", "no blocks, partials"),
            ("{{$randomFirstname}}", "did you mean `randomFirstName`"),
            ("{{$headers}}", "needs the name of a field"),
            ("{{$pathSegments 'x'}}", "write a position"),
            ("{{$body a.b}}", "in quotes"),
            ("{{$body 'a' 'b' 'c'}}", "not 3 arguments"),
            ("{{$guid 'x'}}", "takes no argument"),
            ("{{!-- no end }}", "comment has no end"),
        ] {
            assert!(fault(text).contains(part), "{text}: {}", fault(text));
        }
    }

    proptest! {
        #[test]
        fn no_text_does_harm(text in "[{}$!'\"\\\\ a-c.#-]{0,40}") {
            let _ = Template::read(&text);
        }
    }
}
