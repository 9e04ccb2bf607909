//! Standing in for one origin: fields that name it are made to name us, for the client only.

use crate::model::fields::text_of;
use crate::model::{Authority, Field, Fields, Origin};

/// What the client sees where the origin would be.
pub(super) struct Facade {
    origin: Origin,
    /// How the client called us; `None` when it named no host: then nothing can be rewritten.
    shown: Option<Origin>,
}

impl Facade {
    pub(super) fn new(origin: Origin, host: Option<Authority>, tls: bool) -> Self {
        Facade { origin, shown: host.map(|host| Origin::new(super::scheme(tls), host)) }
    }

    /// Rewrites `Location`, `Content-Location` and `Refresh`, and takes `Domain` and, over plain HTTP, `Secure` off
    /// cookies.
    pub(super) fn rewrite(&self, fields: &mut Fields) {
        let Some(shown) = &self.shown else { return };
        for field in fields.iter_mut() {
            if field.is("location") || field.is("content-location") {
                self.replace(field, shown, 0);
            } else if field.is("refresh") {
                self.replace(field, shown, refresh_target(&field.value));
            } else if field.is("set-cookie") {
                field.value = cookie(&text_or(&field.value), shown.scheme == crate::model::Scheme::Https);
            }
        }
    }

    /// Replaces the origin at the beginning of the URL that starts at `at`.
    fn replace(&self, field: &mut Field, shown: &Origin, at: usize) {
        let Some(Ok(url)) = field.value.get(at..).map(std::str::from_utf8) else { return };
        let Some(rest) = self.after_origin(url) else { return };
        let rewritten = format!("{shown}{rest}");
        field.value.splice(at.., rewritten.into_bytes());
    }

    /// What follows our origin in an absolute or scheme-relative URL (RFC 3986 section 4.2).
    fn after_origin<'a>(&self, url: &'a str) -> Option<&'a str> {
        let (scheme, rest) = match crate::model::origin::split_scheme(url) {
            Some(split) => split,
            None => (self.origin.scheme, url.strip_prefix("//")?),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = Authority::parse(&rest[..end], scheme.default_port()).ok()?;
        (scheme == self.origin.scheme && authority == self.origin.authority).then(|| &rest[end..])
    }
}

/// Where the URL of `5; url=…` starts; past the end if there is none.
fn refresh_target(value: &[u8]) -> usize {
    let lower = value.to_ascii_lowercase();
    let found = lower.windows(4).position(|window| window == b"url=");
    let start = found.map_or(value.len(), |at| at + 4);
    start + usize::from(matches!(value.get(start), Some(b'"' | b'\'')))
}

fn text_or(value: &[u8]) -> String {
    text_of(value).into_owned()
}

/// A cookie without `Domain` and, unless the client sees TLS, without `Secure`; everything else as it was.
fn cookie(value: &str, tls: bool) -> Vec<u8> {
    let mut parts = value.split(';');
    let mut kept: Vec<&str> = parts.next().into_iter().collect();
    kept.extend(parts.filter(|part| {
        let name = part.split('=').next().unwrap_or_default().trim();
        !name.eq_ignore_ascii_case("domain") && (tls || !name.eq_ignore_ascii_case("secure"))
    }));
    kept.join(";").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(name: &str, value: &str) -> String {
        let origin: Origin = "https://api.example.com".parse().unwrap();
        let facade = Facade::new(origin, Some(Authority::new("127.0.0.1", 8888)), false);
        let mut fields = Fields::new();
        fields.push(name, value);
        facade.rewrite(&mut fields);
        fields.text(name).unwrap().into_owned()
    }

    #[test]
    fn urls_of_the_origin_become_ours_and_no_others() {
        for (name, value, expected) in [
            ("Location", "https://api.example.com/a?b#c", "http://127.0.0.1:8888/a?b#c"),
            ("Location", "HTTPS://API.example.com:443", "http://127.0.0.1:8888"),
            ("location", "//api.example.com/x", "http://127.0.0.1:8888/x"),
            ("Location", "/relative", "/relative"),
            ("Location", "https://api.example.com.evil/x", "https://api.example.com.evil/x"),
            ("Location", "http://api.example.com/x", "http://api.example.com/x"),
            ("Content-Location", "https://api.example.com/x", "http://127.0.0.1:8888/x"),
            ("Refresh", "5; URL=https://api.example.com/x", "5; URL=http://127.0.0.1:8888/x"),
            ("Refresh", "5", "5"),
            ("X-Other", "https://api.example.com/x", "https://api.example.com/x"),
        ] {
            assert_eq!(rewritten(name, value), expected, "{name}: {value}");
        }
    }

    #[test]
    fn cookies_stay_with_us() {
        assert_eq!(
            rewritten("Set-Cookie", "id=a=b; Path=/; Domain=.example.com; Secure; HttpOnly"),
            "id=a=b; Path=/; HttpOnly"
        );
        assert_eq!(cookie("secure=1; Secure", true), b"secure=1; Secure");
        assert_eq!(cookie("secure=1; Secure", false), b"secure=1");
    }
}
