//! The last look before a collection is written: does it seem to hold a secret? Masking has been at recorded traffic
//! already; this finds what came past it (recorded with `--keep-secrets`, typed by hand, under a name nobody listed).

use std::collections::HashMap;
use std::io::{self, Read};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::names::Names;
use super::scan::ESCAPED;
use super::shapes::{self, Verdict};
use super::{KnownSecret, MaskRules, looks_like_text, placeholder};

/// How much of a body file is looked at together; a piece overlaps the one before by [`OVERLAP`].
const PIECE: usize = 256 * 1024;
const OVERLAP: usize = shapes::CAP;
/// Shorter values of variables are found everywhere by chance.
const SHORTEST: usize = 8;
/// Shorter values under a telling name are words.
const SHORTEST_RANDOM: usize = 16;

/// Something that looks like a secret. The secret itself is not in here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Suspicion {
    /// JSON pointer (RFC 6901) into the file; empty for a file that is no JSON.
    pub pointer: String,
    /// Line from 1, of a file that is no JSON; 0 otherwise.
    pub line: usize,
    /// What it looks like: `a token of github`, `the value of the variable API_KEY`.
    pub kind: String,
}

/// Knows what secrets look like.
#[derive(Clone)]
pub struct Guard {
    names: Names,
    /// The values of variables in every form in which they may stand in a file.
    values: Option<AhoCorasick>,
    /// The variable of each form.
    variables: Vec<String>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("variables", &self.variables).finish_non_exhaustive()
    }
}

impl Guard {
    /// A guard that knows the user's rules for masking and the secrets in the environment, by the names of their
    /// variables.
    pub fn new(rules: &MaskRules, environment: &[KnownSecret]) -> Guard {
        let mut forms: HashMap<Vec<u8>, String> = HashMap::new();
        for secret in environment.iter().filter(|secret| is_telling(&secret.value)) {
            let value = secret.value.as_bytes();
            let percent = percent_encoding::percent_encode(value, ESCAPED).to_string();
            let coded = [STANDARD.encode(value), STANDARD_NO_PAD.encode(value), URL_SAFE_NO_PAD.encode(value)];
            for form in [value.to_vec(), percent.into_bytes()].into_iter().chain(coded.map(String::into_bytes)) {
                forms.entry(form).or_insert_with(|| secret.label.clone());
            }
        }
        let (forms, variables): (Vec<_>, Vec<_>) = forms.into_iter().unzip();
        let builder = || AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&forms);
        // More variables than it can hold: there are none.
        let values = if forms.is_empty() { None } else { builder().ok() };
        Guard { names: Names::new(rules), values, variables }
    }

    /// Everything suspicious in a JSON file, in the order of the file.
    pub fn json(&self, value: &Value) -> Vec<Suspicion> {
        let mut found = Vec::new();
        self.value(value, None, &mut String::new(), &mut found);
        found
    }

    /// Everything suspicious in a file that is no JSON, by lines; of a file that is no text only the values of variables
    /// are looked for. One suspicion of a kind is enough.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn file(&self, mut reader: impl Read) -> io::Result<Vec<Suspicion>> {
        let mut found: Vec<Suspicion> = Vec::new();
        let mut piece = Vec::new();
        let mut lines = 1;
        let mut is_text = None;
        loop {
            let kept = piece.len();
            let read = reader.by_ref().take((PIECE - kept) as u64).read_to_end(&mut piece)?;
            let is_text = *is_text.get_or_insert_with(|| looks_like_text(&piece[..piece.len().min(8192)]));
            let line_of = |at: usize| lines + memchr::memchr_iter(b'\n', &piece[..at]).count();
            for (at, kind) in self.in_text(&piece, is_text) {
                if !found.iter().any(|known| known.kind == kind) {
                    found.push(Suspicion { pointer: String::new(), line: line_of(at), kind });
                }
            }
            if read == 0 || piece.len() < PIECE {
                return Ok(found);
            }
            let passed = piece.len() - OVERLAP;
            lines += memchr::memchr_iter(b'\n', &piece[..passed]).count();
            piece.drain(..passed);
        }
    }

    fn value(&self, value: &Value, name: Option<&str>, pointer: &mut String, found: &mut Vec<Suspicion>) {
        let whole = pointer.len();
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    pointer.push('/');
                    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                    self.text(key, None, pointer, found);
                    self.value(member, Some(key), pointer, found);
                    pointer.truncate(whole);
                }
            }
            Value::Array(elements) => {
                for (at, element) in elements.iter().enumerate() {
                    pointer.push_str(&format!("/{at}"));
                    self.value(element, name, pointer, found);
                    pointer.truncate(whole);
                }
            }
            Value::String(text) => self.text(text, name, pointer, found),
            _ => {}
        }
    }

    fn text(&self, text: &str, name: Option<&str>, pointer: &str, found: &mut Vec<Suspicion>) {
        let known = self.in_text(text.as_bytes(), true).into_iter().map(|(_, kind)| kind).next();
        let kind = known.or_else(|| self.named(text, name));
        found.extend(kind.map(|kind| Suspicion { pointer: pointer.to_owned(), line: 0, kind }));
    }

    /// The values of variables and the shapes of tokens in a text, with where they begin.
    fn in_text(&self, text: &[u8], with_shapes: bool) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for hit in self.values.iter().flat_map(|values| values.find_iter(text)) {
            let variable = &self.variables[hit.pattern().as_usize()];
            found.push((hit.start(), format!("the value of the variable {variable}")));
        }
        if with_shapes {
            found.extend(tokens(text));
        }
        found.sort();
        found
    }

    /// What the name of a value says of it: a member of JSON, a pair of a query or a form, a field line.
    fn named(&self, text: &str, name: Option<&str>) -> Option<String> {
        let kind = |name: &str| format!("a random value named `{}`", name.chars().take(60).collect::<String>());
        if let Some(name) = name.filter(|name| self.is_telling_name(name))
            && is_random(text)
        {
            return Some(kind(name));
        }
        if let Some((name, value)) = text.split_once(':')
            && http::HeaderName::from_bytes(name.as_bytes()).is_ok()
            && (self.names.is_field(name.as_bytes()) || self.is_telling_name(name))
            && is_random(value.trim())
        {
            return Some(kind(name));
        }
        if !text.contains('=') || text.contains(char::is_whitespace) || text.len() > 64 * 1024 {
            return None;
        }
        let query = text.split_once('?').map_or(text, |(_, query)| query);
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let hit = pairs.find(|(name, value)| self.is_telling_name(name) && is_random(value));
        hit.map(|(name, _)| kind(&name))
    }

    /// Whether a value of this name is a secret: those of the table of masking, and those that end alike.
    fn is_telling_name(&self, name: &str) -> bool {
        if self.names.is_kept(name.as_bytes()) {
            return false;
        }
        if self.names.is_form(name.as_bytes()) {
            return true;
        }
        let words = words(name);
        let [.., last] = &words[..] else { return false };
        let before = words.len().checked_sub(2).map_or("", |at| words[at].as_str());
        match last.as_str() {
            "secret" | "password" | "passwd" | "passphrase" | "credential" | "credentials" | "apikey" => true,
            "token" => !matches!(before, "page" | "next" | "prev" | "previous" | "continuation" | "sync" | "delta"),
            "key" => matches!(
                before,
                "api"
                    | "secret"
                    | "private"
                    | "access"
                    | "signing"
                    | "encryption"
                    | "auth"
                    | "session"
                    | "account"
                    | "shared"
                    | "service"
                    | "master"
                    | "license"
            ),
            _ => false,
        }
    }
}

/// The words of a name, in lower case: `sessionToken`, `session_token` and `SESSION-TOKEN` have the same two.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut was_small = false;
    let mut begins = true;
    for character in name.chars() {
        let is_word = character.is_alphanumeric();
        if !is_word || (was_small && character.is_uppercase()) {
            begins = true;
        }
        was_small = character.is_lowercase() || character.is_ascii_digit();
        if is_word {
            if std::mem::take(&mut begins) {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(character.to_lowercase());
            }
        }
    }
    words
}

/// The tokens in a text that are known by how they begin, with where they stand.
fn tokens(text: &[u8]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for hit in shapes::STARTS.find_iter(text) {
        let rule = &shapes::RULES[hit.pattern().as_usize()];
        let at = hit.start();
        if rule.alone && at.checked_sub(1).is_some_and(|before| text[before].is_ascii_alphanumeric()) {
            continue;
        }
        let (from, to) = match rule.judge(&text[at..], true) {
            Verdict::Secret(from, to) => (at + from, at + to),
            Verdict::Key(from) => (at + from, text.len().min(at + shapes::CAP)),
            Verdict::Endless => (at, text.len().min(at + shapes::CAP)),
            Verdict::No | Verdict::More => continue,
        };
        // What masking put there has the shape of what it stands for.
        if placeholder::is_within(&text[from..to]) || placeholder::is_within(&text[at..to]) {
            continue;
        }
        let kind = match rule.kind {
            "jwt" => "a JSON Web Token".to_owned(),
            "pem" => "a private key".to_owned(),
            "secret" => "a credential".to_owned(),
            vendor => format!("a token of {vendor}"),
        };
        found.push((at, kind));
    }
    found
}

/// Whether the value of a variable is worth looking for: not a word, a path or an address, which stand anywhere.
fn is_telling(value: &str) -> bool {
    let has = |is: fn(&u8) -> bool| value.as_bytes().iter().any(is);
    let mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
    let cased = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    let is_place = value.starts_with(['/', '~', '.']) || (value.contains("://") && !value.contains('@'));
    value.len() >= SHORTEST
        && !is_place
        && !placeholder::is_placeholder(value)
        && (mixed || cased || (value.len() >= 12 && has(u8::is_ascii_punctuation)))
}

/// Whether a value looks made up at random: long, without spaces, of many different characters.
fn is_random(value: &str) -> bool {
    let bytes = value.as_bytes();
    let is_whole = bytes.len() >= SHORTEST_RANDOM && !bytes.iter().any(|byte| byte.is_ascii_whitespace());
    if !is_whole || value.contains("{{") || value.contains("://") || placeholder::is_within(bytes) {
        return false;
    }
    let mut counts = [0u32; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let all = bytes.len() as f64;
    let share = |count: &u32| f64::from(*count) / all;
    let entropy: f64 = counts.iter().filter(|count| **count > 0).map(|count| -share(count) * share(count).log2()).sum();
    // Sixteen random hex digits have 3.2 bits a character or so; words and slugs have no digits among their letters.
    let mixed = bytes.iter().any(u8::is_ascii_digit) && bytes.iter().any(u8::is_ascii_alphabetic);
    mixed && entropy >= 3.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Fields;
    use crate::redact::{MaskKey, Masker};

    fn guard() -> Guard {
        let secret = |label: &str, value: &str| KnownSecret { label: label.into(), value: value.into() };
        let environment = [
            secret("API_KEY", "hunter2-and/more"),
            secret("DB_PASSWORD", "password"),
            secret("KEY_FILE", "/home/me/.ssh/id_ed25519"),
        ];
        Guard::new(&MaskRules::default(), &environment)
    }

    fn found(value: Value) -> Vec<String> {
        guard().json(&value).into_iter().map(|found| format!("{} {}", found.pointer, found.kind)).collect()
    }

    #[test]
    fn shapes_names_and_variables_are_found_with_their_places() {
        let value = json!({
            "scenarios": [{
                "request": {"fields": ["X-Api-Key: 9f8a7d6c5b4e3f2a1b0c", "Accept: application/json"],
                    "query": ["page_token=9f8a7d6c5b4e3f2a1b0c", "sessionSecret=9f8a7d6c5b4e3f2a1b0c"]},
                "response": {"body": {"json": {
                    "a/b": "see ghp_16C7e42F292c6912E7710c838347Ae178B4a",
                    "upload_token": "kR7pQ2xW9zL4mN8v",
                    "deep": [{"url": "https://bob:s3cret@db.test/"}],
                    "env": "x=hunter2-and%2Fmore",
                    "coded": STANDARD.encode("hunter2-and/more"),
                }}},
            }],
        });
        assert_eq!(
            found(value),
            [
                "/scenarios/0/request/fields/0 a random value named `X-Api-Key`",
                "/scenarios/0/request/query/1 a random value named `sessionSecret`",
                "/scenarios/0/response/body/json/a~1b a token of github",
                "/scenarios/0/response/body/json/upload_token a random value named `upload_token`",
                "/scenarios/0/response/body/json/deep/0/url a credential",
                "/scenarios/0/response/body/json/env the value of the variable API_KEY",
                "/scenarios/0/response/body/json/coded the value of the variable API_KEY",
            ]
        );
    }

    #[test]
    fn ordinary_data_is_no_secret() {
        let value = json!({
            "next_page_token": "kR7pQ2xW9zL4mN8v", "token_type": "bearer", "max_tokens": 4096, "key": "kR7pQ2xW9zL4mN8v",
            "password": "password", "token": "the-first-token-of-all", "secret": "{{session_secret_9f8a7d6c}}",
            "id": "0190f3a2-7c1e-7b60-9f58-3a5d2c1b4e6f", "text": "password and /home/me/.ssh/id_ed25519",
            "sk": "sk-learn", "url": "https://api.test/a?page=2", "etag": "W/\"9f8a7d6c5b4e3f2a1b0c\"",
        });
        assert_eq!(found(value), [""; 0]);
    }

    #[test]
    fn what_masking_put_there_is_no_secret() {
        let masker = Masker::new(MaskKey([7; 32]), MaskRules::default());
        let mut fields = Fields::new();
        for (name, value) in [
            ("Authorization", "Bearer abcdef0123456789abcdef"),
            ("Authorization", "Basic Ym9iOmh1bnRlcjI="),
            ("Cookie", "session=9f8a7d6c5b4e3f2a1b0c; theme=dark"),
            ("Set-Cookie", "session=9f8a7d6c5b4e3f2a1b0c; Path=/; HttpOnly"),
            ("X-Api-Key", "9f8a7d6c5b4e3f2a1b0c9f8a7d6c5b4e"),
            ("X-Auth-Token", "0190f3a2-7c1e-7b60-9f58-3a5d2c1b4e6f"),
        ] {
            fields.push(name, value);
        }
        masker.fields(&mut fields);
        let lines: Vec<String> =
            fields.iter().map(|field| format!("{}: {}", field.name, String::from_utf8_lossy(&field.value))).collect();
        let body = r#"{"access_token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2lnc2lnc2ln", "client_secret": "kR7pQ2xW9zL4mN8v",
            "url": "https://bob:s3cret@db.test/", "note": "ghp_16C7e42F292c6912E7710c838347Ae178B4a"}"#;
        let mut masked = masker.body(crate::model::media::Kind::Json, None);
        let mut out = Vec::new();
        masked.push(body.as_bytes(), &mut out);
        masked.finish(&mut out);
        let body: Value = serde_json::from_slice(&out).unwrap();
        let query = masker.query("api_key=9f8a7d6c5b4e3f2a1b0c&sig=kR7pQ2xW9zL4mN8v").into_owned();
        assert_eq!(found(json!({"fields": lines, "json": body, "query": [query]})), [""; 0]);
    }

    #[test]
    fn files_are_read_piece_by_piece_with_lines() {
        let mut text = "a line\n".repeat(PIECE / 7 - 2);
        text.push_str("\nkey=ghp_16C7e42F292c6912E7710c838347Ae178B4a\n");
        text.push_str(&"more\n".repeat(1000));
        text.push_str("hunter2-and/more");
        let found = guard().file(text.as_bytes()).unwrap();
        let told: Vec<_> = found.iter().map(|found| (found.line, found.kind.as_str())).collect();
        let line = PIECE / 7 - 2 + 2;
        assert_eq!(told, [(line, "a token of github"), (line + 1001, "the value of the variable API_KEY")]);
        let binary = b"\x89PNG\0\0\0 ghp_16C7e42F292c6912E7710c838347Ae178B4a \0\0\0\xff\xfe\x01".repeat(3);
        assert_eq!(guard().file(&binary[..]).unwrap(), []);
        assert!(!format!("{:?}", guard()).contains("hunter2"));
    }

    #[test]
    fn what_the_user_keeps_is_no_secret() {
        let rules = MaskRules { keep: vec!["upload-token".into()], ..MaskRules::default() };
        let value = json!({"upload_token": "kR7pQ2xW9zL4mN8v", "other_token": "kR7pQ2xW9zL4mN8v"});
        let found = Guard::new(&rules, &[]).json(&value);
        assert_eq!(found.iter().map(|found| found.pointer.as_str()).collect::<Vec<_>>(), ["/other_token"]);
    }
}
