//! The names of a collection's files: readable, stable, and safe on every file system.

use super::manifest::PortPattern;
use super::pattern::SegmentPattern;
use super::stub::Stub;
use crate::model::media;

/// Longest name of a stub file without `.json`, in bytes.
const MAX_STUB_NAME: usize = 96;

/// Longest slug of a scenario's name, in bytes.
const MAX_SLUG: usize = 40;

/// `text` as a name: lower-case ASCII letters, digits, `.` and `_`, with every other run as one `-`; at most 40
/// characters; empty if nothing is left.
pub fn slug(text: &str) -> String {
    let mut slug = words(text);
    slug.truncate(MAX_SLUG);
    slug.trim_matches(['-', '.']).to_owned()
}

/// The singular of an English plural, as far as names of collections go: `orders`, `categories`, `boxes`.
pub fn singular(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    match lower.as_str() {
        "people" => return "person".to_owned(),
        "children" => return "child".to_owned(),
        _ => {}
    }
    if let Some(stem) = lower.strip_suffix("ies").filter(|stem| stem.len() > 1) {
        return format!("{stem}y");
    }
    for ending in ["sses", "xes", "ches", "shes", "zes"] {
        if lower.ends_with(ending) {
            return lower[..lower.len() - 2].to_owned();
        }
    }
    match lower.strip_suffix('s') {
        Some(stem) if stem.len() > 1 && !stem.ends_with(['s', 'u', 'i']) => stem.to_owned(),
        _ => lower,
    }
}

/// The path of a stub's file in its collection: `stubs/<host>[+port]/<method>-<path words>.json`, such as
/// `stubs/api.github.com/get-users-{login}.json`. Where `is_taken`, `-2`, `-3` and so on are tried.
pub fn file_name(stub: &Stub, is_taken: impl Fn(&str) -> bool) -> String {
    let mut name = words(&stub.method);
    for segment in stub.path.segments() {
        let word = match segment {
            SegmentPattern::Literal(literal) | SegmentPattern::Glob(literal) => words(literal),
            SegmentPattern::Capture(_) | SegmentPattern::Regex(_) => {
                format!("{{{}}}", words(segment.capture().unwrap_or_default()).trim_matches(['-', '.']))
            }
            SegmentPattern::Any => "any".to_owned(),
            SegmentPattern::Rest => "rest".to_owned(),
        };
        let word = word.trim_matches(['-', '.']);
        if !word.is_empty() {
            name.push('-');
            name.push_str(word);
        }
    }
    // Every character is ASCII here.
    name.truncate(MAX_STUB_NAME);
    let name = name.trim_matches(['-', '.']);
    let name = if name.is_empty() { "stub" } else { name };
    free(&format!("stubs/{}/{name}", host_folder(stub)), ".json", is_taken)
}

/// The path of a body's file: `bodies/<scenario>.<extension of its media type>`, with `-2`, `-3` where taken.
pub fn body_file_name(scenario: &str, media_type: Option<&str>, is_taken: impl Fn(&str) -> bool) -> String {
    let name = slug(scenario);
    let name = if name.is_empty() { "body" } else { &name };
    free(&format!("bodies/{name}"), &format!(".{}", extension(media_type)), is_taken)
}

/// The usual file extension of a media type, without the dot; `bin` where none is known.
pub fn extension(media_type: Option<&str>) -> &'static str {
    let essence = media_type.map(media::essence).unwrap_or_default();
    let known = EXTENSIONS.iter().find(|(known, _)| *known == essence).map(|(_, extension)| *extension);
    known.unwrap_or_else(|| match media::Kind::of(media_type) {
        media::Kind::Json => "json",
        media::Kind::Xml => "xml",
        media::Kind::Text | media::Kind::EventStream | media::Kind::Form => "txt",
        media::Kind::Multipart | media::Kind::Binary => "bin",
    })
}

/// The media type that a file of this extension (lower-case, without the dot) usually has; `None` where none is known.
pub fn media_type_of(extension: &str) -> Option<&'static str> {
    match extension {
        "json" => Some("application/json"),
        "xml" => Some("application/xml"),
        "txt" => Some("text/plain; charset=utf-8"),
        "jpeg" => Some("image/jpeg"),
        "htm" => Some("text/html"),
        "yml" => Some("application/yaml"),
        "js" => Some("text/javascript"),
        "yaml" => Some("application/yaml"),
        other => EXTENSIONS.iter().find(|(_, known)| *known == other).map(|(media_type, _)| *media_type),
    }
}

const EXTENSIONS: [(&str, &str); 40] = [
    ("application/gzip", "gz"),
    ("application/java-archive", "jar"),
    ("application/javascript", "js"),
    ("application/msword", "doc"),
    ("application/octet-stream", "bin"),
    ("application/pdf", "pdf"),
    ("application/sql", "sql"),
    ("application/toml", "toml"),
    ("application/vnd.apache.parquet", "parquet"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/wasm", "wasm"),
    ("application/x-7z-compressed", "7z"),
    ("application/x-ndjson", "ndjson"),
    ("application/x-protobuf", "pb"),
    ("application/x-tar", "tar"),
    ("application/x-yaml", "yaml"),
    ("application/yaml", "yaml"),
    ("application/zip", "zip"),
    ("application/zstd", "zst"),
    ("audio/mpeg", "mp3"),
    ("audio/ogg", "ogg"),
    ("audio/wav", "wav"),
    ("font/ttf", "ttf"),
    ("font/woff", "woff"),
    ("font/woff2", "woff2"),
    ("image/avif", "avif"),
    ("image/gif", "gif"),
    ("image/jpeg", "jpg"),
    ("image/png", "png"),
    ("image/svg+xml", "svg"),
    ("image/webp", "webp"),
    ("image/x-icon", "ico"),
    ("text/css", "css"),
    ("text/csv", "csv"),
    ("text/html", "html"),
    ("text/javascript", "js"),
    ("text/markdown", "md"),
    ("video/mp4", "mp4"),
];

/// The host of a stub as a folder's name, with the port where it is not the scheme's own; an open port is left out.
fn host_folder(stub: &Stub) -> String {
    let host = words(&stub.origin.host);
    let host = host.trim_matches(['-', '.']);
    let host = if host.is_empty() { "host" } else { host };
    match stub.origin.port {
        PortPattern::Exactly(port) if port != stub.origin.scheme.default_port() => format!("{host}+{port}"),
        _ => host.to_owned(),
    }
}

/// Lower-case ASCII letters, digits, `.` and `_`; every other run is one `-`.
fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character.to_ascii_lowercase() {
            kept if kept.is_ascii_alphanumeric() || kept == '.' || kept == '_' => out.push(kept),
            _ if out.ends_with('-') => {}
            _ => out.push('-'),
        }
    }
    out
}

/// The first of `stem`, `stem-2`, `stem-3`… that is free.
fn free(stem: &str, extension: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let first = format!("{stem}{extension}");
    if !is_taken(&first) {
        return first;
    }
    let mut number = 2u64;
    loop {
        let next = format!("{stem}-{number}{extension}");
        if !is_taken(&next) {
            return next;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::collection::PathPattern;

    #[test]
    fn a_plural_has_its_singular() {
        for (plural, one) in [
            ("orders", "order"),
            ("categories", "category"),
            ("boxes", "box"),
            ("status", "status"),
            ("addresses", "address"),
            ("people", "person"),
            ("news", "new"),
        ] {
            assert_eq!(singular(plural), one);
        }
    }

    fn stub(method: &str, origin: &str, path: &str) -> Stub {
        let pattern = path.parse().unwrap_or_else(|_| PathPattern::literal(path));
        Stub::new(method.to_owned(), origin.parse().unwrap(), pattern)
    }

    #[test]
    fn names_of_stub_files() {
        for (method, origin, path, name) in [
            ("GET", "https://api.github.com", "/users/{login}", "stubs/api.github.com/get-users-{login}.json"),
            ("POST", "http://x:8080", "/", "stubs/x+8080/post.json"),
            (
                "GET",
                "http://localhost:*",
                "/Files/*/report-*.pdf/**",
                "stubs/localhost/get-files-any-report-.pdf-rest.json",
            ),
            ("GET", "http://[fe80::1]:80", "/caf%C3%A9//x", "stubs/fe80-1/get-caf-c3-a9-x.json"),
            ("M-SEARCH", "https://a.b", "/../..", "stubs/a.b/m-search.json"),
        ] {
            assert_eq!(file_name(&stub(method, origin, path), |_| false), name);
        }
        let taken = ["stubs/a/get-x.json", "stubs/a/get-x-2.json"];
        assert_eq!(file_name(&stub("GET", "https://a", "/x"), |name| taken.contains(&name)), "stubs/a/get-x-3.json");
    }

    #[test]
    fn names_of_bodies_have_their_true_extension() {
        for (media_type, name) in [
            (Some("image/png"), "bodies/logo.png"),
            (Some("application/vnd.api+json; charset=utf-8"), "bodies/logo.json"),
            (Some("text/x-unheard"), "bodies/logo.txt"),
            (Some("application/x-unheard"), "bodies/logo.bin"),
            (None, "bodies/logo.bin"),
        ] {
            assert_eq!(body_file_name("Logo!", media_type, |_| false), name);
        }
        assert_eq!(body_file_name("..", None, |_| false), "bodies/body.bin");
        assert!(EXTENSIONS.is_sorted());
    }

    proptest! {
        #[test]
        fn names_are_safe(method in "[A-Z!#$%&'*+.^_`|~-]{1,12}", path in "/\\PC{0,200}", host in "[a-z0-9.:~%*-]{1,40}") {
            let mut stub = stub("GET", "https://x", "/");
            stub.method = method;
            stub.path = path.parse().unwrap_or_else(|_| PathPattern::literal(&path));
            stub.origin.host = host;
            let name = file_name(&stub, |_| false);
            let parts: Vec<_> = name.split('/').collect();
            prop_assert_eq!(parts.len(), 3);
            for part in parts {
                prop_assert!(!part.is_empty() && !part.starts_with('.') && part.len() <= 120);
                let is_safe = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._{}+".contains(&byte);
                prop_assert!(part.bytes().all(is_safe), "{}", part);
            }
        }
    }
}
