//! Standing in for an origin: fields of its answers that name it are made to name us, so that a client that calls us
//! as if we were that origin stays with us. The recorder does so with `--to`, replay in plain calls; bodies stay.

use super::Fields;

/// Rewrites `Location`, `Content-Location` and `Refresh` by `ours`, which gives our URL for one of the origin's, or
/// `None` for a URL that is to stay; and takes `Domain` and, unless the client sees TLS, `Secure` off cookies. Tells
/// whether anything changed.
pub fn keep_here(fields: &mut Fields, tls: bool, ours: impl Fn(&str) -> Option<String>) -> bool {
    let mut changed = false;
    for field in fields.iter_mut() {
        let rewritten = if field.is("location") || field.is("content-location") {
            replaced(&field.value, 0, &ours)
        } else if field.is("refresh") {
            replaced(&field.value, refresh_target(&field.value), &ours)
        } else if field.is("set-cookie") {
            Some(cookie(&field.value, tls)).filter(|kept| *kept != field.value)
        } else {
            None
        };
        if let Some(rewritten) = rewritten {
            field.value = rewritten;
            changed = true;
        }
    }
    changed
}

/// Whether an answer with these fields could need [`keep_here`].
pub fn may_lead_away(fields: &Fields) -> bool {
    ["location", "content-location", "refresh", "set-cookie"].iter().any(|name| fields.has(name))
}

/// The value with the URL that starts at `at` replaced.
fn replaced(value: &[u8], at: usize, ours: impl Fn(&str) -> Option<String>) -> Option<Vec<u8>> {
    let url = std::str::from_utf8(value.get(at..)?).ok()?;
    // `Refresh` may have it in quotes, which stay.
    let end = url.find(['"', '\'']).unwrap_or(url.len());
    let rewritten = ours(&url[..end])?;
    Some([&value[..at], rewritten.as_bytes(), &value[at + end..]].concat())
}

/// Where the URL of `5; url=…` starts; past the end if there is none.
fn refresh_target(value: &[u8]) -> usize {
    let found = value.windows(4).position(|window| window.eq_ignore_ascii_case(b"url="));
    let start = found.map_or(value.len(), |at| at + 4);
    start + usize::from(matches!(value.get(start), Some(b'"' | b'\'')))
}

/// A cookie without `Domain` and, unless the client sees TLS, without `Secure`; everything else as it was.
fn cookie(value: &[u8], tls: bool) -> Vec<u8> {
    let stays = |part: &&[u8]| {
        let name = part.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        !name.eq_ignore_ascii_case(b"domain") && (tls || !name.eq_ignore_ascii_case(b"secure"))
    };
    let mut parts = value.split(|byte| *byte == b';');
    let first = parts.next().unwrap_or_default();
    std::iter::once(first).chain(parts.filter(stays)).collect::<Vec<_>>().join(&b';')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(name: &str, value: &str, tls: bool) -> Option<String> {
        let mut fields = Fields::new();
        fields.push(name, value);
        let ours = |url: &str| url.strip_prefix("https://a.test").map(|rest| format!("http://me{rest}"));
        keep_here(&mut fields, tls, ours).then(|| fields.text(name).unwrap().into_owned())
    }

    #[test]
    fn urls_that_are_ours_are_replaced_where_they_stand() {
        for (name, value, expected) in [
            ("Location", "https://a.test/x?y#z", Some("http://me/x?y#z")),
            ("Location", "/relative", None),
            ("content-location", "https://a.test", Some("http://me")),
            ("Refresh", "5; URL=https://a.test/x", Some("5; URL=http://me/x")),
            ("Refresh", "5; url=\"https://a.test/x\"", Some("5; url=\"http://me/x\"")),
            ("Refresh", "5", None),
            ("X-Other", "https://a.test/x", None),
        ] {
            assert_eq!(kept(name, value, false).as_deref(), expected, "{name}: {value}");
        }
    }

    #[test]
    fn cookies_stay_here() {
        let long = "id=a=b; Path=/; Domain=.a.test; Secure; HttpOnly";
        assert_eq!(kept("Set-Cookie", long, false).unwrap(), "id=a=b; Path=/; HttpOnly");
        assert_eq!(kept("Set-Cookie", long, true).unwrap(), "id=a=b; Path=/; Secure; HttpOnly");
        assert_eq!(kept("Set-Cookie", "secure=1; Path=/", false), None, "a cookie may have such a name");
    }
}
