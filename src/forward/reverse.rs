//! Standing in for one origin: fields that name it are made to name us, for the client only.

use crate::model::{Authority, Fields, Origin, Scheme, facade};

/// What the client sees where the origin would be.
#[derive(Clone)]
pub(super) struct Facade {
    origin: Origin,
    /// How the client called us; `None` when it named no host: then nothing can be rewritten.
    shown: Option<Origin>,
}

impl Facade {
    pub(super) fn new(origin: Origin, host: Option<Authority>, tls: bool) -> Self {
        Facade { origin, shown: host.map(|host| Origin::new(super::scheme(tls), host)) }
    }

    /// Makes the fields that name the origin name us.
    pub(super) fn rewrite(&self, fields: &mut Fields) {
        let Some(shown) = &self.shown else { return };
        let ours = |url: &str| self.after_origin(url).map(|rest| format!("{shown}{rest}"));
        facade::keep_here(fields, shown.scheme == Scheme::Https, ours);
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
}
