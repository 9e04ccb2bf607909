//! What stands for a secret: a text of the same shape that can be told from a real value, made by a keyed hash.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::MaskKey;

/// Every plain placeholder begins so.
const PREFIX: &str = "retake-";
/// Characters of the hash in a placeholder: 50 bits.
const HASH: usize = 10;
/// The longest kind: of a label, which is a kind in lower case.
pub const LONGEST_KIND: usize = 40;
/// Base32 (RFC 4648) in lower case: legal in a cookie, a URL, a JSON string, a host name.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// `retake` in hex: how a hex placeholder begins.
const HEX_MARK: &str = "726574616b65";
/// How a UUID placeholder begins: the same, with the version of a random UUID.
const UUID_MARK: &str = "72657461-6b65-4";
/// `retake` on a telephone's keys: how a number placeholder begins; fifteen digits are exact in every JSON parser.
const NUMBER_MARK: &str = "738253";
/// Base64 of `retake-`, as far as it does not depend on what follows.
const BASE64_MARK: &str = "cmV0YWtlL";
/// The same where one byte stands before it in its group of three, and two.
const BASE64_MARKS: [&str; 2] = ["JldGFrZS1", "yZXRha2Ut"];
/// Base64 of `{"alg":"HS256","typ":"JWT","kid":"retake"}`: no issuer writes the same.
const JWT_HEAD: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6InJldGFrZSJ9";
/// Base64 of `{"iss":"retake"`, which is whole groups of three bytes.
const JWT_MARK: &str = "eyJpc3MiOiJyZXRha2Ui";

/// Where a value stands, as far as that decides which characters may replace it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Text: the value's own form decides.
    Text,
    /// A bare number of JSON.
    Number,
    /// Base64 of `user:password`.
    Basic,
}

/// The placeholder of this secret; the same secret gives the same one under one key.
pub(super) fn of(key: &MaskKey, secret: &[u8], kind: &str, shape: Shape) -> String {
    let mut hasher = blake3::Hasher::new_keyed(&key.0);
    hasher.update(secret);
    let long = (secret.len() <= 1024).then_some(secret);
    shaped(&hasher, long.unwrap_or_default(), kind, shape)
}

/// The placeholder of a secret that the user gave this label: always the plain form, which tells the label.
pub(super) fn of_label(key: &MaskKey, secret: &[u8], label: &str) -> String {
    let mut hasher = blake3::Hasher::new_keyed(&key.0);
    hasher.update(secret);
    let label = label.to_ascii_lowercase();
    // A label that is a kind as well is told from it.
    let mark = if is_kind_of_ours(&label) { "_" } else { "" };
    format!("{PREFIX}{label}{mark}-{}", letters(&hasher))
}

fn is_kind_of_ours(kind: &str) -> bool {
    ["secret", "basic", "jwt"].contains(&kind) || super::shapes::RULES.iter().any(|rule| rule.kind == kind)
}

/// The label that the user gave the secret of this placeholder, in capitals; none if retake found the secret itself.
pub fn label_of(placeholder: &str) -> Option<String> {
    let kind = &placeholder.get(PREFIX.len()..plain_len(placeholder.as_bytes())? - HASH - 1)?;
    (!is_kind_of_ours(kind))
        .then(|| kind.strip_suffix('_').filter(|bare| is_kind_of_ours(bare)).unwrap_or(kind).to_ascii_uppercase())
}

/// The placeholder of a secret that was only hashed; `sample` is the secret where its form may matter.
pub(super) fn shaped(hasher: &blake3::Hasher, sample: &[u8], kind: &str, shape: Shape) -> String {
    match shape {
        Shape::Number => number(hasher),
        Shape::Basic => STANDARD.encode(format!("{PREFIX}basic-{}:retake", letters(hasher))),
        Shape::Text if kind == "jwt" || is_jwt(sample) => jwt(hasher),
        Shape::Text if is_uuid(sample) => uuid(hasher, sample),
        Shape::Text if is_hex(sample) => hex(hasher, sample),
        Shape::Text => format!("{PREFIX}{kind}-{}", letters(hasher)),
    }
}

/// Base64 of a placeholder, for a secret that came back in base64.
pub(super) fn in_base64(placeholder: &str) -> String {
    STANDARD.encode(placeholder)
}

/// Whether a value is, or (as a JWT, a Basic credential, a cookie, hex or a UUID) carries, a placeholder of retake.
/// In a recorded request a placeholder means "present": matching takes any value for it.
pub fn is_placeholder(value: &str) -> bool {
    let value = value.trim().trim_matches('"');
    if is_bare(value) {
        return true;
    }
    // A scheme and a credential, as in Authorization.
    if let Some((scheme, rest)) = value.split_once(' ')
        && !scheme.contains(['=', ';'])
        && is_bare(rest.trim())
    {
        return true;
    }
    // Cookies: pairs, then the attributes of a Set-Cookie.
    value.contains('=')
        && value.split(';').any(|pair| {
            pair.split_once('=').is_some_and(|(name, value)| !name.contains(' ') && is_bare(value.trim_matches('"')))
                || pair.trim_start().split_once('=').is_some_and(|(_, value)| is_bare(value.trim_matches('"')))
        })
}

/// Whether any part of these bytes is a placeholder: what carries one is never masked again.
pub(super) fn is_within(bytes: &[u8]) -> bool {
    let plain = memchr::memmem::find_iter(bytes, PREFIX.as_bytes()).any(|at| plain_len(&bytes[at..]).is_some());
    plain
        || memchr::memmem::find(bytes, JWT_HEAD.as_bytes()).is_some()
        || memchr::memmem::find(bytes, JWT_MARK.as_bytes()).is_some()
        || [BASE64_MARK, BASE64_MARKS[0], BASE64_MARKS[1]]
            .iter()
            .any(|mark| memchr::memmem::find(bytes, mark.as_bytes()).is_some())
        || is_whole(bytes)
}

/// Whether these bytes are a placeholder, and nothing else.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(is_bare)
}

/// The length of the plain placeholder that these bytes begin with.
fn plain_len(bytes: &[u8]) -> Option<usize> {
    let rest = bytes.strip_prefix(PREFIX.as_bytes())?;
    let kind = rest.iter().position(|&byte| byte == b'-')?;
    let hash = rest.get(kind + 1..kind + 1 + HASH)?;
    let is_kind = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
    let holds = (1..=LONGEST_KIND).contains(&kind)
        && rest[0].is_ascii_lowercase()
        && rest[..kind].iter().all(is_kind)
        && hash.iter().all(|byte| ALPHABET.contains(byte));
    holds.then_some(PREFIX.len() + kind + 1 + HASH)
}

fn is_bare(value: &str) -> bool {
    let bytes = value.as_bytes();
    plain_len(bytes) == Some(bytes.len())
        || is_number_placeholder(bytes)
        || is_uuid(bytes) && starts_with(bytes, UUID_MARK)
        || is_hex(bytes) && starts_with(bytes, HEX_MARK)
        || value.starts_with(BASE64_MARK) && bytes.iter().all(|&byte| is_base64(byte))
        || value.strip_prefix(JWT_HEAD).is_some_and(|rest| rest.starts_with('.') && rest[1..].starts_with(JWT_MARK))
}

fn is_number_placeholder(bytes: &[u8]) -> bool {
    bytes.len() == 15 && starts_with(bytes, NUMBER_MARK) && bytes.iter().all(u8::is_ascii_digit)
}

fn starts_with(bytes: &[u8], mark: &str) -> bool {
    bytes.get(..mark.len()).is_some_and(|head| head.eq_ignore_ascii_case(mark.as_bytes()))
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

fn letters(hasher: &blake3::Hasher) -> String {
    let hash = hasher.finalize();
    hash.as_bytes()[..HASH].iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect()
}

fn number(hasher: &blake3::Hasher) -> String {
    let hash = hasher.finalize();
    let digits = hash.as_bytes()[..9].iter().map(|byte| char::from(b'0' + byte % 10));
    NUMBER_MARK.chars().chain(digits).collect()
}

/// A JWT (RFC 7519) that parses, and that expires with the year 2099.
fn jwt(hasher: &blake3::Hasher) -> String {
    let claims = format!(r#"{{"iss":"retake","sub":"{PREFIX}jwt-{}","exp":4102444800}}"#, letters(hasher));
    format!("{JWT_HEAD}.{}.cmV0YWtl", URL_SAFE_NO_PAD.encode(claims))
}

fn hex_digits(hasher: &blake3::Hasher, count: usize) -> String {
    let mut bytes = vec![0; count.div_ceil(2)];
    hasher.finalize_xof().fill(&mut bytes);
    let mut digits: String = bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect();
    digits.truncate(count);
    digits
}

fn uuid(hasher: &blake3::Hasher, sample: &[u8]) -> String {
    let digits = hex_digits(hasher, 18);
    let made = format!("{UUID_MARK}{}-8{}-{}", &digits[..3], &digits[3..6], &digits[6..18]);
    in_case_of(sample, made)
}

fn hex(hasher: &blake3::Hasher, sample: &[u8]) -> String {
    let made = format!("{HEX_MARK}{}", hex_digits(hasher, sample.len() - HEX_MARK.len()));
    in_case_of(sample, made)
}

fn in_case_of(sample: &[u8], made: String) -> String {
    if sample.iter().any(u8::is_ascii_uppercase) { made.to_ascii_uppercase() } else { made }
}

/// Sixteen hex digits or more, of one case.
fn is_hex(bytes: &[u8]) -> bool {
    bytes.len() >= 16
        && bytes.iter().all(u8::is_ascii_hexdigit)
        && !(bytes.iter().any(u8::is_ascii_uppercase) && bytes.iter().any(u8::is_ascii_lowercase))
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Three parts of base64url, the first of them a JSON object.
fn is_jwt(bytes: &[u8]) -> bool {
    let is_part = |part: &[u8]| part.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    bytes.starts_with(b"eyJ")
        && bytes.split(|&byte| byte == b'.').count() == 3
        && bytes.split(|&byte| byte == b'.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: MaskKey = MaskKey([7; 32]);

    fn text(secret: &str) -> String {
        of(&KEY, secret.as_bytes(), "secret", Shape::Text)
    }

    #[test]
    fn every_form_is_kept_and_recognised() {
        let plain = text("hunter2-hunter2");
        assert!(plain.starts_with("retake-secret-") && plain.len() == 24, "{plain}");
        let uuid = text("123E4567-E89B-12D3-A456-426614174000");
        assert!(uuid.parse::<uuid::Uuid>().is_ok() && uuid.starts_with("72657461-6B65-4"), "{uuid}");
        let hex = text("0123456789abcdef0123");
        assert!(hex.len() == 20 && hex.starts_with("726574616b65"), "{hex}");
        let number = of(&KEY, b"123456", "secret", Shape::Number);
        assert!(number.parse::<u64>().unwrap() < 1 << 53);
        let basic = of(&KEY, b"user:pw", "secret", Shape::Basic);
        assert!(STANDARD.decode(&basic).unwrap().starts_with(b"retake-basic-"));
        for made in [&plain, &uuid, &hex, &number, &basic, &in_base64(&plain)] {
            assert!(is_placeholder(made), "{made}");
            assert!(is_within(made.as_bytes()), "{made}");
        }
        for before in ["", "x", "xy"] {
            assert!(is_within(in_base64(&format!("{before}{plain}")).as_bytes()), "at every place in a group of three");
        }
        assert_ne!(text("a"), text("b"));
        assert_ne!(text("a"), of(&MaskKey([8; 32]), b"a", "secret", Shape::Text));
    }

    #[test]
    fn a_label_comes_back() {
        for label in ["API_KEY", "GITHUB", "SECRET", "A2"] {
            let made = of_label(&KEY, b"hunter2-hunter2", label);
            assert_eq!(label_of(&made).as_deref(), Some(label), "{made}");
            assert!(is_placeholder(&made) && is_within(made.as_bytes()), "{made}");
        }
        assert_eq!(label_of(&text("hunter2-hunter2")), None);
        assert_eq!(label_of("retake-github-abcdefghij"), None);
    }

    #[test]
    fn a_jwt_stays_one() {
        let made = text("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln");
        let parts: Vec<&str> = made.split('.').collect();
        assert_eq!(parts.len(), 3);
        let claims: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        assert_eq!(claims["exp"], 4_102_444_800_u64);
        assert!(is_placeholder(&made) && is_placeholder(&format!("Bearer {made}")));
    }

    #[test]
    fn schemes_and_cookies_carry_them_and_others_do_not() {
        let made = text("x");
        for value in [
            format!("Bearer {made}"),
            format!("sid={made}; theme={made}"),
            format!("sid={made}; Path=/; HttpOnly"),
            format!("sid=\"{made}\""),
        ] {
            assert!(is_placeholder(&value), "{value}");
        }
        for value in ["", "retake-", "retake-secret-", "Bearer abc", "sid=1; Path=/", "738253", "retake-demo", "=", " "]
        {
            assert!(!is_placeholder(value), "{value}");
        }
    }
}
