//! `retake mock new`, `mock stub add`, `mock scenario add`: mocks made by hand, without any recording.

use std::cell::RefCell;

use super::body::{self, GivenBody};
use super::edit::edit;
use super::{Context, select};
use crate::cli::args::ScenarioAddArgs;
use crate::cli::collections::{shown, write_error};
use crate::cli::exit::{CliError, Exit, Outcome};
use crate::collection::{
    Captures, Collection, Defaults, FieldLine, Manifest, MatchParts, OriginPattern, PathPattern, QueryPair,
    RequestSpec, ResponseSpec, Scenario, Stub, StubFile, check, file_name, nearest,
};
use crate::model::{Field, Origin, origin, path};
use crate::report::terminal::quoted;
use crate::store::collections::{MANIFEST, write};

/// `retake mock new`
pub(super) fn collection(context: &Context, name: &str, origins: &[String]) -> Outcome {
    let root = context.settings.collection_dir(name);
    if root.join(MANIFEST).exists() {
        return Err(CliError::usage(format!("there is a collection at {} already", shown(&root))));
    }
    let origins = origins.iter().map(|text| parse_origin(text)).collect::<Result<Vec<_>, _>>()?;
    let example = origins.first().and_then(OriginPattern::as_origin);
    let example = example.map_or_else(|| "https://api.example.com".to_owned(), |origin| origin.to_string());
    let title = root.file_name().map_or_else(|| name.to_owned(), |name| name.to_string_lossy().into_owned());
    let manifest = Manifest { origins, ..Manifest::new(title) };
    let collection = Collection { manifest, stubs: Vec::new() };
    if let Some((_, problem)) = check::collection(&collection).into_iter().next() {
        return Err(CliError::usage(problem.message));
    }
    write(&root, &collection, Vec::new(), &[]).map_err(write_error)?;
    context.printer.say(format_args!("wrote {}", shown(&root.join(MANIFEST))));
    let url = format!("{example}/users/{{id}}");
    context.printer.say(format_args!("next: `retake mock stub add {} GET {url}`", quoted(name)));
    Ok(Exit::SUCCESS)
}

/// What `retake mock stub add` was given.
pub(super) struct NewStub {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) origin: Option<String>,
    pub(super) query: Vec<String>,
    pub(super) headers: Vec<String>,
    pub(super) ignore_body: bool,
}

/// `retake mock stub add`
pub(super) fn stub(context: &Context, name: &str, wanted: NewStub) -> Outcome {
    let method = wanted.method.to_ascii_uppercase();
    // A method that is no standard one keeps its case: methods have one (RFC 9110 section 9.1).
    let method = if check::is_standard_method(&method) { method } else { wanted.method };
    let (in_url, target) = split_url(&wanted.path)?;
    let (path, query) = path::split_target(&target);
    let path: PathPattern = path.parse().map_err(CliError::usage)?;
    let origin = match (in_url, wanted.origin.as_deref()) {
        (Some(_), Some(_)) => return Err(CliError::usage("the URL names the origin already: leave --origin out")),
        (Some(origin), None) => Some(origin),
        (None, given) => given.map(parse_origin).transpose()?,
    };
    let mut pairs: Vec<QueryPair> =
        query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty()).map(query_pair).collect();
    pairs.extend(wanted.query.iter().map(|pair| query_pair(pair)));
    let defaults = Defaults { query: pairs, fields: field_lines(&wanted.headers)? };
    let parts = MatchParts { body: !wanted.ignore_body, ..MatchParts::default() };
    edit(context, name, |collection| {
        let origin = match origin {
            Some(origin) => origin,
            None => only_origin(collection)?,
        };
        let origin = known_origin(collection, origin);
        if !collection.manifest.origins.contains(&origin) {
            collection.manifest.origins.push(origin.clone());
        }
        let stub = Stub { defaults, parts, ..Stub::new(method, origin, path) };
        let is_same = |file: &&StubFile| {
            (&file.stub.method, &file.stub.origin, file.stub.path.segments())
                == (&stub.method, &stub.origin, stub.path.segments())
        };
        if let Some(found) = collection.stubs.iter().find(is_same) {
            return Err(CliError::usage(format!("{} is there already: {}", select::title(&stub), found.path)));
        }
        let path = file_name(&stub, |path| collection.stubs.iter().any(|file| file.path == path));
        let is_alone = !collection.stubs.iter().any(|file| select::is_like(&file.stub, &stub));
        let which = if is_alone { format!("{} {}", stub.method, stub.path) } else { select::title(&stub) };
        let next = format!("retake mock scenario add {} {} --name ok --body '{{}}'", quoted(name), quoted(&which));
        let done = format!("{} is a stub now; its first scenario: `{next}`", select::title(&stub));
        collection.stubs.push(StubFile { path, stub: stub.into() });
        Ok((Vec::new(), done))
    })
}

/// The field lines of an answer, and its body; the lines name the body's type.
///
/// # Errors
/// What is no field line, or a file that cannot be read.
pub(super) fn answer(headers: &[String], body: Option<&str>) -> Result<(Vec<FieldLine>, Option<GivenBody>), CliError> {
    let mut fields = field_lines(headers)?;
    let declared = content_type(&fields);
    let body = body.map(|data| body::read(data, declared.as_deref())).transpose()?;
    if let Some(body) = body.as_ref().filter(|_| declared.is_none()) {
        fields.push(FieldLine(Field::new("Content-Type", body.media_type.as_bytes())));
    }
    Ok((fields, body))
}

/// `retake mock scenario add`
pub(super) fn scenario(context: &Context, args: ScenarioAddArgs) -> Outcome {
    let mut fields = field_lines(&args.headers)?;
    let request = args.data.as_deref().map(|data| body::read(data, args.media_type.as_deref())).transpose()?;
    let (response_fields, response) = answer(&args.response_headers, args.body.as_deref())?;
    // The request's media type has a member of its own.
    let media_type = content_type(&fields).or_else(|| request.as_ref().map(|body| body.media_type.clone()));
    fields.retain(|line| !line.0.is("content-type"));
    let captures = args.capture.iter().map(|text| capture(text)).collect::<Result<_, _>>()?;
    let query = args.query.iter().map(|pair| query_pair(pair)).collect();
    edit(context, &args.collection, |collection| {
        let at = select::stub(collection, &args.stub)?;
        let stub = &collection.stubs[at].stub;
        check_new(stub, &args.name, &captures)?;
        let used = RefCell::new(body::files_of(collection));
        let mut bodies = Vec::new();
        let mut store = |given: Option<GivenBody>| given.map(|given| given.into_spec(&args.name, &used, &mut bodies));
        let request_body = store(request);
        let response_body = store(response);
        let mut response = ResponseSpec::of_status(args.status);
        (response.fields, response.body) = (response_fields, response_body);
        let scenario = Scenario {
            name: args.name.clone(),
            default: args.default,
            disabled: false,
            priority: None,
            state: None,
            source: None,
            id: None,
            request: RequestSpec { captures, query, fields, media_type, body: request_body, matchers: Vec::new() },
            response: Some(std::sync::Arc::new(response)),
            responses: Vec::new(),
            end: None,
        };
        let url = format!("{}{}", stub.origin, stub.example_target(&scenario));
        let stub = &mut collection.stubs[at].stub;
        if args.default {
            stub.scenarios.iter_mut().for_each(|other| other.default = false);
        }
        stub.scenarios.push(scenario);
        Ok((bodies, format!("`{}` answers {} {url} with {}", args.name, stub.method, args.status)))
    })
}

fn check_new(stub: &Stub, name: &str, captures: &Captures) -> Result<(), CliError> {
    if stub.scenarios.iter().any(|scenario| scenario.name == name) {
        return Err(CliError::usage(format!("{} has a scenario `{name}` already", select::title(stub)))
            .hint("give it another --name, or `retake mock delete` the old one first"));
    }
    for capture in captures.keys() {
        if !stub.path.captures().any(|known| known == capture) {
            let error = CliError::usage(format!("`{capture}` is no capture of the path {}", stub.path));
            return Err(match nearest(capture, stub.path.captures()) {
                Some(near) => error.hint(format!("did you mean `--capture {near}=…`?")),
                None => error,
            });
        }
    }
    Ok(())
}

fn only_origin(collection: &Collection) -> Result<OriginPattern, CliError> {
    let origins = &collection.manifest.origins;
    match &origins[..] {
        [one] => Ok(one.clone()),
        [] => Err(CliError::usage("the collection has no origin yet")
            .hint("give a whole URL instead of the path, or `--origin https://api.example.com`")),
        _ => {
            let all: Vec<_> = origins.iter().map(ToString::to_string).collect();
            Err(CliError::usage(format!("the collection has several origins: {}", all.join(", ")))
                .hint("say which: `--origin URL`, or give a whole URL instead of the path"))
        }
    }
}

/// The origin as the collection writes it already, if one of its own covers it: `https://localhost:9999` is under
/// `https://localhost:*`.
fn known_origin(collection: &Collection, origin: OriginPattern) -> OriginPattern {
    let origins = &collection.manifest.origins;
    let covers = |exact: Origin| origins.iter().find(|known| known.matches(&exact)).cloned();
    match origins.contains(&origin) {
        true => origin,
        false => origin.as_origin().and_then(covers).unwrap_or(origin),
    }
}

fn parse_origin(text: &str) -> Result<OriginPattern, CliError> {
    text.strip_suffix('/').unwrap_or(text).parse().map_err(CliError::usage)
}

/// Splits a whole URL into origin and target; a text without a scheme is a target.
fn split_url(text: &str) -> Result<(Option<OriginPattern>, String), CliError> {
    let Some((_, rest)) = origin::split_scheme(text) else { return Ok((None, text.to_owned())) };
    let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let target = rest[host_end..].split('#').next().unwrap_or_default();
    let origin = parse_origin(&text[..text.len() - rest.len() + host_end])?;
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    Ok((Some(origin), target))
}

fn field_lines(lines: &[String]) -> Result<Vec<FieldLine>, CliError> {
    lines.iter().map(|line| line.parse().map_err(CliError::usage)).collect()
}

fn content_type(fields: &[FieldLine]) -> Option<String> {
    fields.iter().find(|line| line.0.is("content-type")).map(|line| line.0.text().into_owned())
}

/// A query pair as typed; what would end it in a URL is escaped.
fn query_pair(text: &str) -> QueryPair {
    QueryPair(text.replace('&', "%26").replace('#', "%23").replace(' ', "%20"))
}

/// A captured value as typed; what would end its segment in a URL is escaped.
fn capture(text: &str) -> Result<(String, String), CliError> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| CliError::usage(format!("`{text}` is no capture: write NAME=VALUE")))?;
    let escapes = [("/", "%2F"), ("?", "%3F"), ("#", "%23"), (" ", "%20")];
    let value = escapes.iter().fold(value.to_owned(), |value, (plain, escaped)| value.replace(plain, escaped));
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_paths_are_told_apart() {
        for (text, origin, target) in [
            ("/users/{id}", None, "/users/{id}"),
            ("https://a.b:8443/users/{id}?x=1#top", Some("https://a.b:8443"), "/users/{id}?x=1"),
            ("http://localhost:*/x", Some("http://localhost:*"), "/x"),
            ("https://a.b", Some("https://a.b"), "/"),
            ("https://a.b?x=1", Some("https://a.b"), "/?x=1"),
        ] {
            let (found, rest) = split_url(text).unwrap();
            assert_eq!((found.map(|origin| origin.to_string()).as_deref(), rest.as_str()), (origin, target), "{text}");
        }
        assert!(split_url("https:///x").is_err());
    }

    #[test]
    fn typed_values_are_escaped() {
        assert_eq!(query_pair("q=a b&c#d").0, "q=a%20b%26c%23d");
        assert_eq!(capture("path=a/b c").unwrap(), ("path".to_owned(), "a%2Fb%20c".to_owned()));
        assert!(capture("login").is_err());
    }
}
