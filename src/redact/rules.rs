//! What the user adds to the built-in table, and takes from it: read in one place, whether it stands in `retake.toml`
//! or behind `--rule`.

use std::fmt;
use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};

/// The kinds of rules: as `--rule KIND=VALUE` names one, and as `[mask]` of `retake.toml` names a list of them.
pub const KINDS: [(&str, &str); 7] = [
    ("field", "fields"),
    ("member", "members"),
    ("query", "query"),
    ("form", "form"),
    ("pointer", "pointers"),
    ("regex", "regex"),
    ("keep", "keep"),
];

/// What the user adds to the built-in table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MaskRules {
    /// Field names whose values are masked.
    pub fields: Vec<String>,
    /// Names of query pairs, JSON, form and XML members whose values are masked.
    pub members: Vec<String>,
    /// Names of query pairs whose values are masked.
    pub query: Vec<String>,
    /// Names of members of forms whose values are masked.
    pub form: Vec<String>,
    /// Places in JSON whose values are masked.
    pub pointers: Vec<Pointer>,
    /// What matches is masked.
    pub regex: Vec<Pattern>,
    /// Names of the built-in table that are no secrets here.
    pub keep: Vec<String>,
    /// Places in JSON where a name of the built-in table is no secret.
    pub keep_pointers: Vec<Pointer>,
    /// Values that are known to be secrets.
    pub secrets: Vec<KnownSecret>,
}

/// What is wrong with a rule, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RuleError(String);

impl MaskRules {
    /// Adds a rule of one of the [`KINDS`].
    ///
    /// # Errors
    /// No such kind, or a value that this kind cannot have.
    pub fn add(&mut self, kind: &str, value: &str) -> Result<(), RuleError> {
        // White space may be a part of what an expression looks for.
        let value = if kind == "regex" { value } else { value.trim() };
        if value.is_empty() {
            return Err(RuleError(format!("a `{kind}` rule needs a value")));
        }
        match kind {
            "field" => self.fields.push(name(value)?),
            "member" => self.members.push(name(value)?),
            "query" => self.query.push(name(value)?),
            "form" => self.form.push(name(value)?),
            "pointer" => self.pointers.push(value.parse()?),
            "regex" => self.regex.push(value.parse()?),
            "keep" if value.contains('/') => self.keep_pointers.push(value.parse()?),
            "keep" => self.keep.push(name(value)?),
            other => {
                let kinds: Vec<String> = KINDS.iter().map(|(kind, _)| format!("`{kind}`")).collect();
                return Err(RuleError(format!("`{other}` is no kind of rule: known are {}", kinds.join(", "))));
            }
        }
        Ok(())
    }

    /// Takes the rules of another set along.
    pub fn extend(&mut self, other: MaskRules) {
        self.fields.extend(other.fields);
        self.members.extend(other.members);
        self.query.extend(other.query);
        self.form.extend(other.form);
        self.pointers.extend(other.pointers);
        self.regex.extend(other.regex);
        self.keep.extend(other.keep);
        self.keep_pointers.extend(other.keep_pointers);
        self.secrets.extend(other.secrets);
    }
}

fn name(value: &str) -> Result<String, RuleError> {
    if value.chars().count() > super::names::LONGEST {
        let message = format!("a name has at most {} characters: `{value}` has more", super::names::LONGEST);
        return Err(RuleError(message));
    }
    Ok(value.to_owned())
}

/// A value that the user named as a secret, with the label of its placeholder. `Debug` shows the label only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSecret {
    /// What stands behind `RETAKE_SECRET_`.
    pub label: String,
    /// The secret.
    pub value: String,
}

impl KnownSecret {
    /// Whether it is looked for wherever it stands; else it is masked only where something else gives it away.
    pub fn is_findable(&self) -> bool {
        super::seen::is_kept(self.value.as_bytes())
    }
}

impl fmt::Debug for KnownSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KnownSecret({})", self.label)
    }
}

/// A JSON Pointer (RFC 6901), in which `*` is any index or member, and where it holds: `/user/*/pin`, or
/// `api.example.com/v1/* /user/pin` for some hosts and paths only.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pointer {
    text: String,
    scope: Option<Scope>,
    steps: Vec<Option<Vec<u8>>>,
}

#[derive(Debug, Clone)]
struct Scope {
    host: GlobMatcher,
    path: Option<GlobMatcher>,
}

impl Pointer {
    /// Whether it holds for bodies of this host and path.
    pub(super) fn holds_at(&self, host: &str, path: &str) -> bool {
        self.scope
            .as_ref()
            .is_none_or(|scope| scope.host.is_match(host) && scope.path.as_ref().is_none_or(|glob| glob.is_match(path)))
    }

    /// The names on the way to the value; none is any.
    pub(super) fn steps(&self) -> &[Option<Vec<u8>>] {
        &self.steps
    }
}

impl FromStr for Pointer {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let bad = |cause: &str| {
            RuleError(format!(
                "`{text}` is no JSON Pointer: {cause}; expected is one such as `/user/pin` or `/items/*/pin`, or with \
                 a host and path before it `api.example.com/v1/* /user/pin`"
            ))
        };
        let (scope, pointer) = match text.split_once(char::is_whitespace) {
            _ if text.starts_with('/') => (None, text),
            Some((scope, pointer)) => (Some(scope), pointer.trim_start()),
            None => return Err(bad("it does not begin with `/`")),
        };
        let steps = pointer.strip_prefix('/').ok_or_else(|| bad("it does not begin with `/`"))?;
        let steps = steps.split('/').map(step).collect::<Option<Vec<_>>>();
        let steps = steps.ok_or_else(|| bad("`~` stands only before `0` or `1`"))?;
        let glob = |text: &str| {
            let glob = GlobBuilder::new(text).case_insensitive(true).literal_separator(false).build();
            glob.map(|glob| glob.compile_matcher()).map_err(|error| bad(&error.kind().to_string()))
        };
        let scope = match scope.map(|scope| (scope, scope.find('/'))) {
            None => None,
            Some((scope, None)) => Some(Scope { host: glob(scope)?, path: None }),
            Some((scope, Some(slash))) => {
                Some(Scope { host: glob(&scope[..slash])?, path: Some(glob(&scope[slash..])?) })
            }
        };
        Ok(Pointer { text: text.to_owned(), scope, steps })
    }
}

/// A name of a pointer with `~1` and `~0` undone; the outer none is a fault, the inner one any name.
fn step(raw: &str) -> Option<Option<Vec<u8>>> {
    let is_whole = raw.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    is_whole.then(|| (raw != "*").then(|| raw.replace("~1", "/").replace("~0", "~").into_bytes()))
}

/// A regular expression that matches in linear time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(pub(super) regex::bytes::Regex);

impl FromStr for Pattern {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let bad = |cause: String| {
            RuleError(format!(
                "`{text}` is no regular expression that can be used: {cause}; expected is one such as \
                 `emp-[0-9]{{6}}`, or with the secret in its first group `pin is ([0-9]+)`"
            ))
        };
        // The parser draws where the fault is over several lines; its last line says what it is.
        let told = |error: regex::Error| {
            let message = error.to_string();
            message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        };
        let regex = regex::bytes::Regex::new(text).map_err(|error| bad(told(error)))?;
        if regex.is_match(b"") {
            return Err(bad("it matches nothing at all, and so everywhere".to_owned()));
        }
        Ok(Pattern(regex))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// Two rules are the same when they are written so: what they compile to cannot be compared.
macro_rules! is_its_text {
    ($rule:ty) => {
        impl TryFrom<String> for $rule {
            type Error = RuleError;

            fn try_from(text: String) -> Result<Self, RuleError> {
                text.parse()
            }
        }

        impl From<$rule> for String {
            fn from(rule: $rule) -> String {
                rule.to_string()
            }
        }

        impl PartialEq for $rule {
            fn eq(&self, other: &Self) -> bool {
                self.to_string() == other.to_string()
            }
        }

        impl Eq for $rule {}
    };
}

is_its_text!(Pointer);
is_its_text!(Pattern);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_taken_and_survives_a_message() {
        let mut rules = MaskRules::default();
        for (kind, _) in KINDS {
            let value = if kind == "pointer" { "*.example.com/v1/* /a~1b/*/c" } else { "x-name" };
            rules.add(kind, value).unwrap();
        }
        rules.add("keep", "/data/token").unwrap();
        assert_eq!((rules.keep.len(), rules.keep_pointers.len()), (1, 1));
        assert_eq!(rules.pointers[0].steps(), [Some(b"a/b".to_vec()), None, Some(b"c".to_vec())]);
        assert!(rules.pointers[0].holds_at("api.Example.com", "/v1/a/b"));
        assert!(!rules.pointers[0].holds_at("api.example.com", "/v2/a"));
        assert!(!rules.pointers[0].holds_at("example.org", "/v1/a"));
        rules.secrets.push(KnownSecret { label: "A".into(), value: "hidden-value".into() });
        assert!(!format!("{rules:?}").contains("hidden-value"));
        let bytes = rmp_serde::to_vec_named(&rules).unwrap();
        assert_eq!(rmp_serde::from_slice::<MaskRules>(&bytes).unwrap(), rules);
    }

    #[test]
    fn a_bad_rule_says_what_was_expected() {
        for (kind, value, part) in [
            ("pointer", "a/b", "does not begin with `/`"),
            ("pointer", "host a", "does not begin with `/`"),
            ("pointer", "/a~2", "`~` stands only"),
            ("pointer", "[/x /a", "expected is one such as"),
            ("regex", "(a", "unclosed group"),
            ("regex", "a*", "everywhere"),
            ("field", " ", "needs a value"),
            ("colour", "x", "known are `field`"),
        ] {
            let error = MaskRules::default().add(kind, value).unwrap_err().to_string();
            assert!(error.contains(part), "{kind}={value}: {error}");
        }
        let bytes = rmp_serde::to_vec_named(&std::collections::BTreeMap::from([("regex", ["("])])).unwrap();
        assert!(rmp_serde::from_slice::<MaskRules>(&bytes).is_err(), "a message is checked, too");
    }
}
