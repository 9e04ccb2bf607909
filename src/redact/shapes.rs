//! Token shapes: secrets that are known by how they begin, in any text.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// How the rest of a token looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// At least so many of letters, digits, `-` and `_`, with a digit or a capital among them.
    Word(usize),
    /// The same, and `.` may join words.
    Dotted(usize),
    /// Exactly so many capitals and digits.
    Capitals(usize),
    /// Exactly so many hex digits.
    Hex(usize),
    /// At least so many of letters, digits, `-`, `_`, `.`, `~`, `+`, `/` and `=`, with a digit or a capital among them.
    Token(usize),
    /// A JWT or JWE: three to five parts of base64url.
    Jwt,
    /// A private key in PEM (RFC 7468), up to its end line.
    Pem,
    /// `user:password@` of a URL.
    UserInfo,
    /// A credential after its scheme: at least twenty characters of token68, with a digit among them.
    Scheme,
    /// Base64 of `user:password` after its scheme.
    Basic,
    /// A Slack token after `xox`: a letter, a hyphen or full stop, at least ten characters of words.
    Slack,
    /// A Shopify token after `shp`: two letters, `_`, 32 hex digits.
    Shopify,
    /// A Square token after `sq0`: three letters, a hyphen, at least 22 characters.
    Square,
    /// A Discord webhook: digits, a slash, at least 60 characters.
    Webhook,
    /// A Telegram bot: digits, a colon, 35 characters.
    Bot,
    /// A Slack webhook: `T…/B…/…`.
    Hook,
}

/// A shape: how it begins, the rest, the kind in its placeholder, and whether a letter or digit before it denies it.
pub(super) struct ShapeRule {
    pub(super) start: &'static str,
    pub(super) rest: Rest,
    pub(super) kind: &'static str,
    pub(super) alone: bool,
}

const fn rule(start: &'static str, rest: Rest, kind: &'static str) -> ShapeRule {
    ShapeRule { start, rest, kind, alone: false }
}

const fn alone(start: &'static str, rest: Rest, kind: &'static str) -> ShapeRule {
    ShapeRule { start, rest, kind, alone: true }
}

/// The shapes, as `docs/security.md` prints them. Where two begin alike, the longer beginning stands first. Up to 64 of
/// them, of three bytes or more, are looked for with vector instructions.
pub(super) const RULES: &[ShapeRule] = &[
    rule("eyJ", Rest::Jwt, "jwt"),
    alone("AKIA", Rest::Capitals(16), "aws"),
    alone("ASIA", Rest::Capitals(16), "aws"),
    rule("github_pat_", Rest::Word(22), "github"),
    rule("ghp_", Rest::Word(20), "github"),
    rule("gho_", Rest::Word(20), "github"),
    rule("ghu_", Rest::Word(20), "github"),
    rule("ghs_", Rest::Word(20), "github"),
    rule("ghr_", Rest::Word(20), "github"),
    rule("glpat-", Rest::Dotted(20), "gitlab"),
    rule("glrt-", Rest::Dotted(20), "gitlab"),
    rule("gldt-", Rest::Dotted(20), "gitlab"),
    rule("glcbt-", Rest::Dotted(20), "gitlab"),
    rule("sk_live_", Rest::Word(10), "stripe"),
    rule("sk_test_", Rest::Word(10), "stripe"),
    rule("rk_live_", Rest::Word(10), "stripe"),
    rule("rk_test_", Rest::Word(10), "stripe"),
    rule("whsec_", Rest::Word(16), "stripe"),
    alone("xox", Rest::Slack, "slack"),
    rule("xapp-", Rest::Word(10), "slack"),
    rule("/services/T", Rest::Hook, "slack"),
    alone("AIza", Rest::Word(35), "google"),
    alone("ya29.", Rest::Dotted(20), "google"),
    rule("GOCSPX-", Rest::Word(20), "google"),
    alone("sk-ant-", Rest::Word(20), "anthropic"),
    alone("sk-", Rest::Word(20), "openai"),
    alone("hf_", Rest::Word(30), "huggingface"),
    alone("gsk_", Rest::Word(40), "groq"),
    alone("npm_", Rest::Word(30), "npm"),
    alone("pypi-", Rest::Word(30), "pypi"),
    alone("SG.", Rest::Dotted(40), "sendgrid"),
    alone("key-", Rest::Hex(32), "mailgun"),
    alone("shp", Rest::Shopify, "shopify"),
    rule("dop_v1_", Rest::Word(40), "digitalocean"),
    rule("doo_v1_", Rest::Word(40), "digitalocean"),
    rule("dor_v1_", Rest::Word(40), "digitalocean"),
    alone("dapi", Rest::Hex(32), "databricks"),
    alone("ATATT3", Rest::Token(40), "atlassian"),
    alone("HRKU-", Rest::Word(30), "heroku"),
    alone("hvs.", Rest::Dotted(20), "vault"),
    alone("glsa_", Rest::Word(30), "grafana"),
    rule("lin_api_", Rest::Word(30), "linear"),
    alone("ntn_", Rest::Word(40), "notion"),
    alone("NRAK-", Rest::Word(20), "newrelic"),
    alone("PMAK-", Rest::Word(40), "postman"),
    alone("dckr_pat_", Rest::Word(20), "docker"),
    alone("figd_", Rest::Word(30), "figma"),
    rule("sq0", Rest::Square, "square"),
    alone("EAAA", Rest::Word(56), "square"),
    rule("AGE-SECRET-KEY-1", Rest::Capitals(58), "age"),
    rule("/bot", Rest::Bot, "telegram"),
    rule("/webhooks/", Rest::Webhook, "discord"),
    rule("-----BEGIN ", Rest::Pem, "pem"),
    rule("://", Rest::UserInfo, "secret"),
    alone("Bearer ", Rest::Scheme, "secret"),
    alone("bearer ", Rest::Scheme, "secret"),
    alone("Basic ", Rest::Basic, "secret"),
    alone("Bot ", Rest::Scheme, "discord"),
];

/// The longest beginning, and so what is held back of a text whose next bytes are not there yet.
pub(super) const LONGEST_START: usize = 16;

/// Finds beginnings: one scan over the text with vector instructions.
pub(super) static STARTS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let starts = RULES.iter().map(|rule| rule.start);
    // The patterns are constants and far below every limit of the builder.
    AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(starts).expect("constant patterns build")
});

/// What the bytes after a beginning are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A secret: from and to, counted from the first byte of the beginning.
    Secret(usize, usize),
    /// A PEM private key: the secret begins so far from the first byte, and ends before the next `-----`.
    Key(usize),
    /// A secret longer than may be held: it goes on as long as its characters do.
    Endless,
    /// Nothing.
    No,
    /// More bytes are needed.
    More,
}

/// How many bytes of a token are looked at before it counts as endless.
pub(super) const CAP: usize = 8 * 1024;

/// Whether a byte continues a token that became [`Verdict::Endless`].
pub(super) fn continues(byte: u8) -> bool {
    is_word(byte) || byte == b'.'
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

impl ShapeRule {
    /// Judges the bytes from the first of the beginning on.
    pub(super) fn judge(&self, bytes: &[u8], at_end: bool) -> Verdict {
        let start = self.start.len();
        let rest = &bytes[start..];
        match self.rest {
            Rest::Word(least) => run(start, rest, at_end, is_word, |token| token.len() >= least && is_random(token)),
            Rest::Dotted(least) => {
                run(start, rest, at_end, continues, |token| token.len() >= least && is_random(token))
            }
            Rest::Capitals(count) => {
                let is_capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
                run(start, rest, at_end, is_capital, |token| token.len() == count)
            }
            Rest::Hex(count) => {
                run(start, rest, at_end, |byte| byte.is_ascii_alphanumeric(), |token| is_hex(token, count))
            }
            Rest::Token(least) => {
                run(start, rest, at_end, is_token68, |token| token.len() >= least && is_random(token))
            }
            Rest::Basic => after(run(0, rest, at_end, is_token68, is_basic), start),
            Rest::Slack => run(start, rest, at_end, continues, is_slack),
            Rest::Shopify => run(start, rest, at_end, is_word, is_shopify),
            Rest::Square => run(start, rest, at_end, is_word, is_square),
            Rest::Webhook => after(run(0, rest, at_end, |byte| is_word(byte) || byte == b'/', is_webhook), start),
            Rest::Jwt => run(start, rest, at_end, continues, is_jwt_rest),
            Rest::Scheme => after(run(0, rest, at_end, is_token68, is_credential), start),
            Rest::Bot => after(run(0, rest, at_end, |byte| is_word(byte) || byte == b':', is_bot), start),
            Rest::Hook => run(start, rest, at_end, |byte| byte.is_ascii_alphanumeric() || byte == b'/', is_hook),
            Rest::UserInfo => after(user_info(rest, at_end), start),
            Rest::Pem => after(private_key(rest, at_end), start),
        }
    }
}

fn after(verdict: Verdict, start: usize) -> Verdict {
    match verdict {
        Verdict::Secret(from, to) => Verdict::Secret(from + start, to + start),
        Verdict::Key(from) => Verdict::Key(from + start),
        // Without its beginning such a run is nothing that must be swallowed.
        Verdict::Endless => Verdict::No,
        other => other,
    }
}

/// The run of bytes that `belongs` accepts, judged by `holds`; the secret includes the beginning of `start` bytes.
fn run(
    start: usize,
    rest: &[u8],
    at_end: bool,
    belongs: impl Fn(u8) -> bool,
    holds: impl Fn(&[u8]) -> bool,
) -> Verdict {
    let window = &rest[..rest.len().min(CAP)];
    let Some(length) = window.iter().position(|&byte| !belongs(byte)) else {
        if window.len() == CAP {
            return if holds(window) { Verdict::Endless } else { Verdict::No };
        }
        if !at_end {
            return Verdict::More;
        }
        return if holds(window) { Verdict::Secret(0, start + window.len()) } else { Verdict::No };
    };
    // A full stop at the end closes a sentence, not the token.
    let length = length - usize::from(length > 0 && window[length - 1] == b'.');
    if holds(&window[..length]) { Verdict::Secret(0, start + length) } else { Verdict::No }
}

fn is_random(token: &[u8]) -> bool {
    token.iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

fn is_jwt_rest(token: &[u8]) -> bool {
    let mut parts = token.split(|&byte| byte == b'.');
    let head = parts.next().map_or(0, <[u8]>::len);
    let claims = parts.next().map_or(0, <[u8]>::len);
    // Three parts, or the five of a JWE whose second may be empty.
    match parts.count() {
        1 => head >= 8 && claims >= 2,
        3 => head >= 8,
        _ => false,
    }
}

fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'+' | b'/' | b'=')
}

fn is_credential(token: &[u8]) -> bool {
    token.len() >= 20 && token.iter().any(u8::is_ascii_digit)
}

fn is_hex(token: &[u8], count: usize) -> bool {
    token.len() == count && token.iter().all(u8::is_ascii_hexdigit)
}

/// Base64 (RFC 7617) whose text is `user:password`.
fn is_basic(token: &[u8]) -> bool {
    let bare = token.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let text = STANDARD_NO_PAD.decode(&token[..bare]).unwrap_or_default();
    let is_text = std::str::from_utf8(&text).is_ok() && !text.iter().any(u8::is_ascii_control);
    is_text && text.iter().position(|byte| *byte == b':').is_some_and(|colon| colon + 1 < text.len())
}

fn is_slack(token: &[u8]) -> bool {
    matches!(token, [b'a'..=b'z', b'-' | b'.', rest @ ..] if rest.len() >= 10 && is_random(rest))
}

fn is_shopify(token: &[u8]) -> bool {
    matches!(token, [b'a'..=b'z', b'a'..=b'z', b'_', rest @ ..] if is_hex(rest, 32))
}

fn is_square(token: &[u8]) -> bool {
    token.len() >= 26 && token[..3].iter().all(u8::is_ascii_lowercase) && token[3] == b'-' && is_random(&token[4..])
}

/// `digits/token`: the token alone would not tell whose it is.
fn is_webhook(token: &[u8]) -> bool {
    let Some(slash) = token.iter().position(|&byte| byte == b'/') else { return false };
    let end = token[slash + 1..].iter().position(|&byte| byte == b'/').map_or(token.len(), |end| slash + 1 + end);
    (15..=22).contains(&slash) && token[..slash].iter().all(u8::is_ascii_digit) && end - slash > 60
}

fn is_bot(token: &[u8]) -> bool {
    let Some(colon) = token.iter().position(|&byte| byte == b':') else { return false };
    (6..=12).contains(&colon)
        && token[..colon].iter().all(u8::is_ascii_digit)
        && token.len() - colon > 30
        && token[colon + 1..].iter().all(|&byte| is_word(byte))
}

fn is_hook(token: &[u8]) -> bool {
    let parts: Vec<&[u8]> = token.split(|&byte| byte == b'/').collect();
    matches!(parts.as_slice(), [team, bot, secret] if team.len() >= 7 && bot.starts_with(b"B") && bot.len() >= 8 && secret.len() >= 20)
}

/// `user:password@`: both, since either may be the token.
fn user_info(rest: &[u8], at_end: bool) -> Verdict {
    let window = &rest[..rest.len().min(512)];
    let ends = |byte: &u8| {
        !byte.is_ascii_graphic() || matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'\\' | b'@')
    };
    match window.iter().position(ends) {
        Some(end) if window[end] == b'@' => match window[..end].iter().position(|&byte| byte == b':') {
            Some(colon) if colon + 1 < end => Verdict::Secret(0, end),
            _ => Verdict::No,
        },
        Some(_) => Verdict::No,
        None if window.len() == 512 || at_end => Verdict::No,
        None => Verdict::More,
    }
}

fn private_key(rest: &[u8], at_end: bool) -> Verdict {
    const LABEL_ENDS: [&[u8]; 2] = [b"PRIVATE KEY-----", b"PRIVATE KEY BLOCK-----"];
    let window = &rest[..rest.len().min(64)];
    match window.iter().position(|&byte| !(byte.is_ascii_uppercase() || byte == b' ')) {
        Some(dash) if window[dash] == b'-' => match rest.get(..dash + 5) {
            Some(label) if LABEL_ENDS.iter().any(|end| label.ends_with(end)) => Verdict::Key(dash + 5),
            None if !at_end => Verdict::More,
            _ => Verdict::No,
        },
        None if !at_end && window.len() < 64 => Verdict::More,
        _ => Verdict::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> Option<&str> {
        let found = STARTS.find(text.as_bytes())?;
        let rule = &RULES[found.pattern().as_usize()];
        match rule.judge(&text.as_bytes()[found.start()..], true) {
            Verdict::Secret(from, to) => Some(&text[found.start() + from..found.start() + to]),
            _ => None,
        }
    }

    #[test]
    fn no_beginning_is_longer_than_what_is_held_back_nor_inside_another() {
        for (place, rule) in RULES.iter().enumerate() {
            assert!(rule.start.len() <= LONGEST_START, "{}", rule.start);
            for other in &RULES[..place] {
                assert!(!rule.start.starts_with(other.start), "{} never wins over {}", rule.start, other.start);
            }
        }
    }

    /// A row of the table in the document.
    fn row(rule: &ShapeRule) -> String {
        let rest = match rule.rest {
            Rest::Word(least) => format!("{least} or more letters, digits, `-`, `_`"),
            Rest::Dotted(least) => format!("{least} or more letters, digits, `-`, `_`, `.`"),
            Rest::Token(least) => format!("{least} or more letters, digits, `-`, `_`, `.`, `~`, `+`, `/`, `=`"),
            Rest::Capitals(count) => format!("{count} capitals and digits"),
            Rest::Hex(count) => format!("{count} hex digits"),
            Rest::Jwt => "the rest of a JWT or JWE".to_owned(),
            Rest::Pem => "a private key in PEM or of PGP, up to its last line".to_owned(),
            Rest::UserInfo => "`user:password@` of a URL".to_owned(),
            Rest::Scheme => "a credential of 20 characters or more with a digit".to_owned(),
            Rest::Basic => "base64 of `user:password`".to_owned(),
            Rest::Slack => "a letter, `-` or `.`, and 10 or more letters, digits, `-`, `_`, `.`".to_owned(),
            Rest::Shopify => "two letters, `_`, 32 hex digits".to_owned(),
            Rest::Square => "three letters, `-`, 22 or more letters, digits, `-`, `_`".to_owned(),
            Rest::Bot => "a bot's number, `:`, and 30 characters or more".to_owned(),
            Rest::Hook => "the rest of a webhook: `…/B…/…`".to_owned(),
            Rest::Webhook => "a webhook's number, `/`, and 60 characters or more".to_owned(),
        };
        format!("| `{}` | {rest} | `{}` |", rule.start, rule.kind)
    }

    #[test]
    fn the_document_has_exactly_this_table() {
        let document = include_str!("../../docs/security.md");
        let head = "| begins | goes on | kind |\n|---|---|---|\n";
        let (_, table) = document.split_once(head).expect("docs/security.md has the table of shapes");
        let printed: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
        let rows: Vec<String> = RULES.iter().map(row).collect();
        assert_eq!(printed, rows, "the table of docs/security.md should be:\n{}", rows.join("\n"));
        assert!(RULES.len() <= 64 && RULES.iter().all(|rule| rule.start.len() >= 3), "more would slow the scan");
    }

    #[test]
    fn real_shapes() {
        for (text, secret) in [
            ("key AKIAIOSFODNN7EXAMPLE.", "AKIAIOSFODNN7EXAMPLE"),
            ("x=ghp_16C7e42F292c6912E7710c838347Ae178B4a", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
            ("https://bob:hunter2@example.com/", "bob:hunter2"),
            ("Authorization: Bearer abcdef0123456789abcdef", "abcdef0123456789abcdef"),
            ("a eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln, b", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln"),
            ("/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/x", "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"),
        ] {
            assert_eq!(judge(text), Some(secret), "{text}");
        }
        for text in [
            "https://example.com:8080/a@b",
            "Bearer authentication-is-used-here",
            "AKIA is a prefix",
            "sk-learn",
            "eyJ",
        ] {
            assert_eq!(judge(text), None, "{text}");
        }
    }
}
