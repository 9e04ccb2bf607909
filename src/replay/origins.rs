//! Which origin a call means, and how a plain client is kept on the mock.

use crate::collection::{OriginPattern, PortPattern};
use crate::matching::Target;
use crate::model::{Authority, Fields, Origin, Scheme, facade};
use crate::wire::Route;

/// The origins of the served collections, and our own addresses.
#[derive(Debug, Clone)]
pub struct Origins {
    /// In the order of the command line, and of `origins` in each collection.
    served: Vec<OriginPattern>,
    /// Whether any of them is a loopback origin.
    loopback: bool,
    own_ports: Vec<u16>,
}

/// What a call means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meant {
    /// The origin, or every one.
    pub target: Target,
    /// The path, with a leading `/@HOST` taken off.
    pub path: String,
    /// What a redirect of the mock has to begin with instead of its origin, for a plain call.
    pub base: Option<Base>,
}

/// How a plain client reaches the mock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The host and port that the client called, such as `127.0.0.1:8888`.
    pub host: Authority,
    /// Whether the client's connection is TLS.
    pub tls: bool,
    /// What stands in front of every path, such as `/~test-7`; empty for most.
    pub prefix: String,
}

impl Origins {
    /// The origins of the collections in order, for a server that listens on these ports.
    pub fn new(served: Vec<OriginPattern>, own_ports: Vec<u16>) -> Self {
        let loopback = served.iter().any(OriginPattern::is_loopback);
        Origins { served, loopback, own_ports }
    }

    /// The origins, in order.
    pub fn served(&self) -> &[OriginPattern] {
        &self.served
    }

    /// Tells what a call means, by the way it came.
    ///
    /// `prefix` has been taken off the path, and `port` is the one at which the call arrived.
    pub fn meant(&self, route: Route, path: String, prefix: String, port: u16) -> Meant {
        let (host, tls) = match route {
            Route::Proxied(origin) => return Meant { target: Target::Origin(origin), path, base: None },
            Route::Plain { host, tls } => (host, tls),
        };
        let named = self.named_in(&path);
        let target = match &host {
            _ if named.is_some() => None,
            Some(host) if !(self.own_ports.contains(&host.port()) && host.is_loopback()) => {
                self.known(host).map(Target::Origin)
            }
            _ => None,
        };
        let base = Some(Base { host: host.unwrap_or_else(|| Authority::new("127.0.0.1", port)), tls, prefix });
        match named {
            Some((target, rest)) => Meant { target, path: rest, base },
            None => Meant { target: target.unwrap_or(Target::Any), path, base },
        }
    }

    /// `/@HOST[:PORT]/rest`: the origin, and `/rest`.
    fn named_in(&self, path: &str) -> Option<(Target, String)> {
        let rest = path.strip_prefix("/@")?;
        let (host, rest) = rest.split_once('/').unwrap_or((rest, ""));
        // Without a port, the port of the origin that has this host; of an unknown host, that of https.
        let named = Authority::parse(host, 0).ok()?;
        let origin = self.known(&named).unwrap_or_else(|| {
            let port = if named.port() == 0 { Scheme::Https.default_port() } else { named.port() };
            Origin::new(Scheme::Https, Authority::new(named.host(), port))
        });
        Some((Target::Origin(origin), format!("/{rest}")))
    }

    /// The first served origin with that host and port, scheme ignored. Port 0, and the default port of the other
    /// scheme, stand for the origin's own: a plain call to `Host: api.github.com` means `https://api.github.com`.
    fn known(&self, host: &Authority) -> Option<Origin> {
        let is_default = host.port() == 0 || [80, 443].contains(&host.port());
        let loopback = self.loopback && host.is_loopback();
        self.served.iter().filter(|pattern| pattern.host == host.host() || loopback).find_map(|pattern| {
            let port = match pattern.port {
                PortPattern::Any => host.port(),
                PortPattern::Exactly(port) if is_default && port == pattern.scheme.default_port() => port,
                PortPattern::Exactly(port) if host.port() == 0 => port,
                PortPattern::Exactly(_) => host.port(),
            };
            let meant = Authority::new(host.host(), port);
            pattern.matches_authority(&meant).then(|| Origin::new(pattern.scheme, meant))
        })
    }

    /// In the answer to a plain call: `Location`, `Content-Location` and `Refresh` that point to a known origin point
    /// to the mock, and `Set-Cookie` loses `Domain` and, over plain HTTP, `Secure`. Returns whether anything changed.
    pub fn keep_on_mock(&self, lines: &mut Fields, base: &Base) -> bool {
        facade::keep_here(lines, base.tls, |url| self.on_mock(url, base))
    }

    /// The scheme of the first served origin that `rest`, a URL without its scheme, points to.
    fn scheme_of(&self, rest: &str) -> Option<Scheme> {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let named = Authority::parse(&rest[..end], 0).ok()?;
        self.known(&named).map(|origin| origin.scheme)
    }

    fn on_mock(&self, url: &str, base: &Base) -> Option<String> {
        let (scheme, rest) = match crate::model::origin::split_scheme(url) {
            Some(split) => split,
            // Without a scheme it is that of the origin, which the mock may serve in either.
            None => (self.scheme_of(url.strip_prefix("//")?)?, url.strip_prefix("//")?),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = Authority::parse(&rest[..end], scheme.default_port()).ok()?;
        let origin = Origin::new(scheme, authority);
        if !self.served.iter().any(|pattern| pattern.matches(&origin)) {
            return None;
        }
        let slash = if rest[end..].starts_with('/') { "" } else { "/" };
        let shown = if origin.port() == scheme.default_port() {
            origin.authority.url_host()
        } else {
            origin.authority.to_string()
        };
        let mock = if base.tls { Scheme::Https } else { Scheme::Http };
        Some(format!("{}://{}{}/@{shown}{slash}{}", mock.as_str(), base.host, base.prefix, &rest[end..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Origins {
        let served = ["https://api.github.com", "http://localhost:*", "http://internal.test:8080"];
        Origins::new(served.iter().map(|text| text.parse().unwrap()).collect(), vec![8888, 8889])
    }

    fn plain(host: &str, path: &str) -> (String, String) {
        let host = (!host.is_empty()).then(|| Authority::parse(host, 80).unwrap());
        let meant = origins().meant(Route::Plain { host, tls: false }, path.to_owned(), String::new(), 8888);
        let target = match meant.target {
            Target::Origin(origin) => origin.to_string(),
            Target::Authority(authority) => authority.to_string(),
            Target::Any => "any".into(),
        };
        (target, meant.path)
    }

    #[test]
    fn what_a_plain_call_means() {
        for (host, path, target, rest) in [
            ("api.github.com", "/users", "https://api.github.com", "/users"),
            ("API.github.com:443", "/users", "https://api.github.com", "/users"),
            ("internal.test:8080", "/", "http://internal.test:8080", "/"),
            ("127.0.0.1:8888", "/users", "any", "/users"),
            ("localhost:8888", "/users", "any", "/users"),
            ("localhost:8889", "/users", "any", "/users"),
            ("localhost:3000", "/users", "http://localhost:3000", "/users"),
            ("mock.test:8888", "/users", "any", "/users"),
            ("", "/users", "any", "/users"),
            ("localhost:8888", "/@api.github.com/users", "https://api.github.com", "/users"),
            ("localhost:8888", "/@internal.test/x", "http://internal.test:8080", "/x"),
            ("localhost:8888", "/@internal.test:8080", "http://internal.test:8080", "/"),
            ("localhost:8888", "/@unknown.test/x", "https://unknown.test", "/x"),
        ] {
            assert_eq!(plain(host, path), (target.to_owned(), rest.to_owned()), "{host} {path}");
        }
    }

    #[test]
    fn a_plain_client_stays_on_the_mock() {
        let base = Base { host: Authority::new("127.0.0.1", 8888), tls: false, prefix: String::new() };
        let mut lines = Fields::new();
        for (name, value) in [
            ("Location", "https://api.github.com/next?x=1"),
            ("Content-Location", "https://elsewhere.test/"),
            ("Refresh", "0; url=http://internal.test:8080"),
            ("Set-Cookie", "a=b; Domain=github.com; Secure; HttpOnly"),
            ("Location", "/relative"),
            ("Location", "//api.github.com/y"),
        ] {
            lines.push(name, value);
        }
        assert!(origins().keep_on_mock(&mut lines, &base));
        let values: Vec<_> = lines.iter().map(|field| field.text().into_owned()).collect();
        assert_eq!(
            values,
            [
                "http://127.0.0.1:8888/@api.github.com/next?x=1",
                "https://elsewhere.test/",
                "0; url=http://127.0.0.1:8888/@internal.test:8080/",
                "a=b; HttpOnly",
                "/relative",
                "http://127.0.0.1:8888/@api.github.com/y",
            ]
        );
    }
}
