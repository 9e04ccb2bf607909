//! Selecting a stub (`GET /users/{login}`, or its file) and a scenario (`#` and its name) of a collection.

use crate::cli::exit::CliError;
use crate::collection::{Collection, OriginPattern, Scenario, Stub, StubFile, nearest};

/// Splits `STUB#SCENARIO`; neither a path pattern nor a stub's file has a `#`.
pub(super) fn split(which: &str) -> (&str, Option<&str>) {
    match which.split_once('#') {
        Some((stub, scenario)) => (stub.trim_end(), Some(scenario)),
        None => (which, None),
    }
}

/// The position of the stub that `which` means.
///
/// # Errors
/// Exit code 2 if there is none, with the nearest, or several, with all of them.
pub(super) fn stub(collection: &Collection, which: &str) -> Result<usize, CliError> {
    let wanted = which.trim();
    let find = |is_meant: fn(&StubFile, &str) -> bool| -> Vec<usize> {
        let stubs = collection.stubs.iter().enumerate();
        stubs.filter(|(_, file)| is_meant(file, wanted)).map(|(at, _)| at).collect()
    };
    let mut found = find(is_meant);
    if found.is_empty() {
        found = find(is_covered);
    }
    match found[..] {
        [one] => Ok(one),
        [] => Err(unknown(collection, wanted)),
        _ => {
            let files: Vec<_> = found.iter().map(|at| label(&collection.stubs[*at])).collect();
            let error =
                CliError::usage(format!("`{wanted}` is one of {} stubs:\n  {}", found.len(), files.join("\n  ")));
            Err(error.hint("name it with its origin, or by its file"))
        }
    }
}

/// The position of a scenario in its stub.
///
/// # Errors
/// Exit code 2 if there is none of that name.
pub(super) fn scenario(stub: &Stub, name: &str) -> Result<usize, CliError> {
    if let Some(at) = stub.scenarios.iter().position(|scenario| scenario.name == name) {
        return Ok(at);
    }
    let names = || stub.scenarios.iter().map(|scenario| scenario.name.as_str());
    let error = CliError::usage(format!("{} has no scenario `{name}`", title(stub)));
    Err(match nearest(name, names()) {
        Some(near) => error.hint(format!("did you mean `#{near}`?")),
        None => error.hint(scenario_names(names())),
    })
}

/// The positions of the stub and of the scenario that `which` means.
///
/// # Errors
/// Those of the two, and one for a `which` that names no scenario.
pub(super) fn stub_and_scenario(collection: &Collection, which: &str) -> Result<(usize, usize), CliError> {
    let (stub_text, name) = split(which);
    let at = stub(collection, stub_text)?;
    let found = &collection.stubs[at].stub;
    let Some(name) = name else {
        let names = found.scenarios.iter().map(|scenario: &Scenario| scenario.name.as_str());
        let error = CliError::usage(format!("`{which}` names no scenario: write `{stub_text}#NAME`"));
        return Err(error.hint(scenario_names(names)));
    };
    Ok((at, scenario(found, name)?))
}

/// `GET https://api.github.com/users/{login}`
pub(super) fn title(stub: &Stub) -> String {
    format!("{} {}{}", stub.method, stub.origin, stub.path)
}

fn label(file: &StubFile) -> String {
    format!("{}  ({})", title(&file.stub), file.path)
}

fn scenario_names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("`#{name}`")).collect();
    match names.is_empty() {
        true => "it has no scenario yet; `retake mock scenario add` adds one".to_owned(),
        false => format!("it has {}", names.join(", ")),
    }
}

fn is_meant(file: &StubFile, wanted: &str) -> bool {
    let stub = &file.stub;
    if let Some((method, target)) = wanted.split_once(char::is_whitespace) {
        let target = target.trim_start();
        let path = stub.path.as_str();
        let is_path = target == path || target.strip_suffix(path).is_some_and(|origin| is_origin(stub, origin));
        return stub.method.eq_ignore_ascii_case(method) && is_path;
    }
    let name = file.path.rsplit('/').next().unwrap_or(&file.path);
    let ends_with_path =
        wanted.strip_suffix(file.path.as_str()).is_some_and(|before| before.is_empty() || before.ends_with('/'));
    ends_with_path
        || file.path.strip_prefix("stubs/") == Some(wanted)
        || name == wanted
        || name.strip_suffix(".json") == Some(wanted)
}

/// Whether `wanted` names the method, the path and an origin that the stub's covers.
fn is_covered(file: &StubFile, wanted: &str) -> bool {
    let Some((method, target)) = wanted.split_once(char::is_whitespace) else { return false };
    let origin = target.trim_start().strip_suffix(file.stub.path.as_str());
    let origin = origin.and_then(|text| text.parse::<OriginPattern>().ok()).and_then(|origin| origin.as_origin());
    file.stub.method.eq_ignore_ascii_case(method) && origin.is_some_and(|origin| file.stub.origin.matches(&origin))
}

/// Whether the two differ in their origins at most, so that method and path alone do not tell which is meant.
pub(super) fn is_like(one: &Stub, other: &Stub) -> bool {
    one.method == other.method && one.path.as_str() == other.path.as_str()
}

fn is_origin(stub: &Stub, text: &str) -> bool {
    text.parse().is_ok_and(|origin: OriginPattern| origin == stub.origin)
}

fn unknown(collection: &Collection, wanted: &str) -> CliError {
    let error = CliError::usage(format!("the collection `{}` has no stub `{wanted}`", collection.manifest.name));
    let by_file = !wanted.contains(char::is_whitespace);
    let name = |file: &StubFile| match by_file {
        true => file.path.rsplit('/').next().unwrap_or(&file.path).trim_end_matches(".json").to_owned(),
        false if wanted.contains("://") => title(&file.stub),
        false => format!("{} {}", file.stub.method, file.stub.path),
    };
    let names: Vec<String> = collection.stubs.iter().map(name).collect();
    let bare = if by_file { wanted.rsplit('/').next().unwrap_or(wanted).trim_end_matches(".json") } else { wanted };
    match nearest(bare, names.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("a stub is `METHOD PATH`, `METHOD URL` or its file; `retake mock list` lists them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collection() -> Collection {
        let manifest = serde_json::from_str(r#"{"version": 1, "name": "x"}"#).unwrap();
        let stub = |method: &str, origin: &str, path: &str, file: &str| {
            let text = format!(
                r#"{{"version": 1, "method": "{method}", "origin": "{origin}", "path": "{path}", "scenarios": [{{"name": "ok", "response": {{"status": 200}}}}]}}"#
            );
            StubFile { path: file.to_owned(), stub: serde_json::from_str(&text).unwrap() }
        };
        let stubs = vec![
            stub("GET", "https://a.b", "/users/{login}", "stubs/a.b/get-users-{login}.json"),
            stub("GET", "https://c.d:8443", "/users/{login}", "stubs/c.d+8443/get-users-{login}.json"),
            stub("POST", "https://a.b", "/users", "stubs/a.b/post-users.json"),
        ];
        Collection { manifest, stubs }
    }

    #[test]
    fn stubs_by_request_line_and_file() {
        let collection = collection();
        for (which, at) in [
            ("POST /users", 2),
            ("post  /users", 2),
            ("GET https://a.b/users/{login}", 0),
            ("GET https://c.d:8443/users/{login}", 1),
            ("post-users", 2),
            ("post-users.json", 2),
            ("a.b/get-users-{login}.json", 0),
            ("stubs/c.d+8443/get-users-{login}.json", 1),
            ("mocks/x/stubs/c.d+8443/get-users-{login}.json", 1),
        ] {
            assert_eq!(stub(&collection, which).unwrap(), at, "{which}");
        }
    }

    #[test]
    fn what_is_not_one_stub_says_so() {
        let collection = collection();
        let error = stub(&collection, "GET /users/{login}").unwrap_err();
        assert!(
            error.message.contains("one of 2 stubs") && error.message.contains("stubs/c.d+8443"),
            "{}",
            error.message
        );
        let error = stub(&collection, "POST /user").unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("did you mean `POST /users`?"));
        let error = stub(&collection, "stubs/a.b/post-user.json").unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("did you mean `post-users`?"));
        assert!(stub(&collection, "").is_err());
    }

    #[test]
    fn scenarios_by_name() {
        let collection = collection();
        assert_eq!(stub_and_scenario(&collection, "POST /users#ok").unwrap(), (2, 0));
        let error = stub_and_scenario(&collection, "post-users#okk").unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("did you mean `#ok`?"));
        let error = stub_and_scenario(&collection, "post-users").unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("it has `#ok`"));
    }
}
