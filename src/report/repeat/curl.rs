//! A request as a command line of curl for a POSIX shell.

use super::labels::{Labels, Piece, Place};
use super::{VARIABLE, fields, shell};
use crate::model::origin::Scheme;
use crate::model::{HttpVersion, RequestRecord};

/// Longer bodies come from stdin: Linux takes arguments of at most 128 KiB.
const LONGEST_ARGUMENT: usize = 64 * 1024;

/// The command that makes the request again; `body` are its stored bytes. Values that were masked are variables
/// `RETAKE_SECRET_<LABEL>`, named in a comment above.
pub fn curl(request: &RequestRecord, body: &[u8]) -> String {
    let mut command = Command { labels: Labels::default(), words: vec!["curl".to_owned()] };
    command.version(request);
    command.target(request);
    command.method(request, body);
    command.fields(request, !body.is_empty());
    let input = command.body(request, body);
    command.written(request, input)
}

struct Command {
    labels: Labels,
    words: Vec<String>,
}

impl Command {
    fn option(&mut self, name: &str, place: Place<'_>, value: &[u8]) {
        let pieces = self.labels.pieces(place, value);
        // Of a recorded head nothing has NUL; a value that had is not sent.
        if let Some(word) = shell::word(&pieces) {
            self.words.push(format!("{name} {word}"));
        }
    }

    fn plain(&mut self, name: &str, value: &str) {
        if let Some(word) = shell::word(&[Piece::Bytes(value.as_bytes())]) {
            self.words.push(format!("{name} {word}"));
        }
    }

    fn version(&mut self, request: &RequestRecord) {
        self.words.push(
            match (request.version, request.origin.scheme) {
                (HttpVersion::Http10, _) => "--http1.0",
                (HttpVersion::Http11, _) => "--http1.1",
                (HttpVersion::Http2, Scheme::Https) => "--http2",
                (HttpVersion::Http2, Scheme::Http) => "--http2-prior-knowledge",
            }
            .to_owned(),
        );
    }

    fn target(&mut self, request: &RequestRecord) {
        // Only these stand in a URL for themselves, whatever curl makes of URLs.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/?=&%+,;:@!$'()*".contains(&byte);
        let target = request.target();
        let is_url = target.starts_with('/') && target.bytes().all(is_plain);
        self.words.push("--globoff --path-as-is".to_owned());
        if !is_url {
            self.plain("--url", &format!("{}/", request.origin));
            return self.option("--request-target", Place::Query, target.as_bytes());
        }
        let mut pieces = self.labels.pieces(Place::Path, request.path.as_bytes());
        let origin = request.origin.to_string();
        pieces.insert(0, Piece::Bytes(origin.as_bytes()));
        let query = request.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        pieces.extend(self.labels.pieces(Place::Query, query.as_bytes()));
        self.words.extend(shell::word(&pieces).map(|word| format!("--url {word}")));
    }

    fn method(&mut self, request: &RequestRecord, body: &[u8]) {
        let has_body = !body.is_empty() || request.fields.has("content-length");
        match (request.method.as_str(), has_body) {
            ("GET", false) | ("POST", true) => {}
            ("HEAD", false) => self.words.push("--head".to_owned()),
            (method, _) => self.plain("--request", method),
        }
    }

    fn fields(&mut self, request: &RequestRecord, has_body: bool) {
        let authority = request.origin.to_string();
        let authority = authority.split_once("://").map_or("", |(_, authority)| authority);
        for field in fields(request) {
            if field.is("host") && field.value.eq_ignore_ascii_case(authority.as_bytes()) {
                continue;
            }
            let line = match field.value.as_slice() {
                // A field without a value.
                b"" => format!("{};", field.name).into_bytes(),
                value => [field.name.as_bytes(), b": ", value].concat(),
            };
            let name = field.name.clone();
            self.option("--header", Place::Field(&name), &line);
        }
        // What curl would add by itself.
        let mut own = vec!["User-Agent", "Accept"];
        if has_body || request.fields.has("content-length") {
            own.extend(["Content-Type", "Expect"]);
        }
        for name in own.into_iter().filter(|name| !request.fields.has(name)) {
            self.plain("--header", &format!("{name}:"));
        }
        if request.fields.has("accept-encoding") {
            self.words.push("--compressed".to_owned());
        }
    }

    /// Adds the body; returns the commands that write it to stdin, where it comes from there.
    fn body(&mut self, request: &RequestRecord, body: &[u8]) -> Option<String> {
        if body.is_empty() {
            if request.fields.has("content-length") {
                self.words.push("--data-raw ''".to_owned());
            }
            return None;
        }
        let pieces = self.labels.pieces(Place::Body, body);
        let word = shell::word(&pieces).filter(|word| word.len() <= LONGEST_ARGUMENT && is_text(body));
        match word {
            Some(word) => {
                self.words.push(format!("--data-raw {word}"));
                None
            }
            None => {
                self.words.push("--data-binary @-".to_owned());
                Some(shell::group(&pieces))
            }
        }
    }

    fn written(self, request: &RequestRecord, input: Option<String>) -> String {
        let mut out = String::new();
        for name in self.labels.names() {
            out += &format!("# {VARIABLE}{name} was masked when this was recorded: set it to the real value\n");
        }
        if !request.body.end.is_whole() {
            out += "# the body broke off when this was recorded: this is its beginning\n";
        }
        if let Some(input) = input {
            // Without this check a part of the body would be missing, and be sent.
            for name in self.labels.names() {
                out += &format!(": \"${{{VARIABLE}{name}:?}}\" && ");
            }
            out += &input;
            out += " | ";
        }
        out + &self.words.join(" \\\n  ")
    }
}

fn is_text(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok()
}
