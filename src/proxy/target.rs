//! What a request is meant for: the four forms of a request target (RFC 9112 section 3.2), and where they may stand.

use crate::model::origin::split_scheme;
use crate::model::{Authority, Origin, Scheme};
use crate::wire::Route;

/// Where on a connection we are when a request comes.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// On a connection to our own listener.
    Direct {
        /// Whether it is TLS.
        tls: bool,
        /// The name that the client asked for in its TLS handshake.
        sni: Option<String>,
    },
    /// Inside a CONNECT tunnel.
    Tunnel {
        /// What CONNECT named.
        authority: Authority,
        /// Whether there is TLS in the tunnel.
        tls: bool,
        /// `Proxy-Authorization` of the CONNECT.
        credentials: Option<http::HeaderValue>,
    },
}

impl Place {
    pub(super) fn scheme(&self) -> Scheme {
        match self {
            Place::Direct { tls: true, .. } | Place::Tunnel { tls: true, .. } => Scheme::Https,
            Place::Direct { tls: false, .. } | Place::Tunnel { tls: false, .. } => Scheme::Http,
        }
    }
}

/// What is to be done with a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Answer it.
    Call { route: Route, path: String, query: Option<String> },
    /// Open a tunnel.
    Connect(Authority),
}

/// Reads a request target. `host` is the value of `Host` (in HTTP/2, `:authority`).
///
/// # Errors
/// In words, when the target makes no sense at this place.
pub(super) fn read(method: &str, target: &str, host: Option<&str>, place: &Place) -> Result<Target, String> {
    if method == "CONNECT" {
        return connect(target, place);
    }
    if target.starts_with('/') || target == "*" {
        let (path, query) = split_query(target);
        return Ok(Target::Call { route: own_route(host, place), path, query });
    }
    let Some((scheme, rest)) = split_scheme(target) else {
        return Err(format!(
            "`{}` is no request target: a path, or a URL that starts with http:// or https://, is expected",
            shown(target)
        ));
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let authority = parsed(authority, scheme)?;
    let origin = Origin::new(scheme, authority);
    if let Place::Tunnel { authority, .. } = place
        && (origin.authority != *authority || scheme != place.scheme())
    {
        return Err(format!("a request for {origin} inside a tunnel to {authority}"));
    }
    let (path, query) = split_query(rest);
    let path = match path.is_empty() {
        // OPTIONS for a whole server, said to a proxy (RFC 9112 section 3.2.4).
        true if method == "OPTIONS" && query.is_none() => "*".to_owned(),
        true => "/".to_owned(),
        false => path,
    };
    Ok(Target::Call { route: Route::Proxied(origin), path, query })
}

/// Host and port of a URL. A user and password in front of them are no part of a target (RFC 9110 section 4.2.4), and
/// are not repeated to anybody.
fn parsed(authority: &str, scheme: Scheme) -> Result<Authority, String> {
    if authority.contains('@') {
        return Err("the URL has a user or a password in front of its host: send them in `Authorization`".to_owned());
    }
    Authority::parse(authority, scheme.default_port())
        .map_err(|_| format!("`{}` is no host and port", shown(authority)))
}

fn connect(target: &str, place: &Place) -> Result<Target, String> {
    if let Place::Tunnel { authority, .. } = place {
        return Err(format!("CONNECT inside a tunnel to {authority} is not supported"));
    }
    let bad = || format!("`{}` is no host and port to CONNECT to", shown(target));
    let authority = parse_connect(target).ok_or_else(bad)?;
    if authority.port() == 0 { Err(bad()) } else { Ok(Target::Connect(authority)) }
}

/// `host:port`; an IPv6 address with or without brackets.
fn parse_connect(target: &str) -> Option<Authority> {
    if let Some((host, port)) = target.rsplit_once(':')
        && host.contains(':')
        && let (Ok(address), Ok(port)) = (host.parse::<std::net::Ipv6Addr>(), port.parse())
    {
        return Some(Authority::new(&address.to_string(), port));
    }
    Authority::parse(target, 443).ok()
}

fn own_route(host: Option<&str>, place: &Place) -> Route {
    match place {
        Place::Tunnel { authority, .. } => Route::Proxied(Origin::new(place.scheme(), authority.clone())),
        Place::Direct { tls, sni } => {
            let named = host.filter(|host| !host.is_empty()).or(sni.as_deref());
            let host = named.and_then(|host| Authority::parse(host, place.scheme().default_port()).ok());
            Route::Plain { host, tls: *tls }
        }
    }
}

fn split_query(target: &str) -> (String, Option<String>) {
    match target.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (target.to_owned(), None),
    }
}

/// The start of a text from outside, for a message; without a user and a password.
fn shown(text: &str) -> String {
    let text = text.rsplit('@').next().unwrap_or(text);
    text.chars().take(80).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIRECT: Place = Place::Direct { tls: false, sni: None };

    fn tunnel() -> Place {
        Place::Tunnel { authority: Authority::new("api.test", 443), tls: true, credentials: None }
    }

    fn call(route: Route, path: &str, query: Option<&str>) -> Result<Target, String> {
        Ok(Target::Call { route, path: path.to_owned(), query: query.map(str::to_owned) })
    }

    fn proxied(origin: &str) -> Route {
        Route::Proxied(origin.parse().unwrap())
    }

    #[test]
    fn each_form_at_its_place() {
        let plain = Route::Plain { host: Some(Authority::new("me", 8888)), tls: false };
        for (method, target, place, want) in [
            ("GET", "/a/%2F?b?c", DIRECT, call(plain.clone(), "/a/%2F", Some("b?c"))),
            ("GET", "/?", DIRECT, call(plain.clone(), "/", Some(""))),
            ("OPTIONS", "*", DIRECT, call(plain, "*", None)),
            ("GET", "HTTP://A.test/x", DIRECT, call(proxied("http://a.test"), "/x", None)),
            ("GET", "http://a.test", DIRECT, call(proxied("http://a.test"), "/", None)),
            ("OPTIONS", "http://a.test:81", DIRECT, call(proxied("http://a.test:81"), "*", None)),
            ("GET", "https://[::1]:8443?q", DIRECT, call(proxied("https://[::1]:8443"), "/", Some("q"))),
            ("GET", "/x", tunnel(), call(proxied("https://api.test"), "/x", None)),
            ("GET", "https://API.test/x", tunnel(), call(proxied("https://api.test"), "/x", None)),
            ("CONNECT", "a.test:443", DIRECT, Ok(Target::Connect(Authority::new("a.test", 443)))),
            ("CONNECT", "[::1]:8443", DIRECT, Ok(Target::Connect(Authority::new("::1", 8443)))),
            ("CONNECT", "fe80::1:8443", DIRECT, Ok(Target::Connect(Authority::new("fe80::1", 8443)))),
        ] {
            assert_eq!(read(method, target, Some("me:8888"), &place), want, "{method} {target}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (method, target, place) in [
            ("GET", "a", DIRECT),
            ("GET", "ftp://a/", DIRECT),
            ("GET", "http://", DIRECT),
            ("GET", "http://user@a/", DIRECT),
            ("GET", "http://a:99999/", DIRECT),
            ("GET", "http://other.test/", tunnel()),
            ("GET", "http://api.test:443/", tunnel()),
            ("CONNECT", "a.test:443", tunnel()),
            ("CONNECT", "/", DIRECT),
            ("CONNECT", "a:0", DIRECT),
            ("CONNECT", "http://a/", DIRECT),
        ] {
            assert!(read(method, target, Some("me"), &place).is_err(), "{method} {target}");
        }
    }

    #[test]
    fn a_password_in_a_target_is_not_repeated() {
        for (method, target) in
            [("GET", "http://me:planted@a/"), ("CONNECT", "me:planted@a:443"), ("GET", "ftp://me:planted@a/")]
        {
            let reason = read(method, target, None, &DIRECT).unwrap_err();
            assert!(!reason.contains("planted"), "{reason}");
        }
    }

    #[test]
    fn without_host_the_name_of_the_handshake_counts() {
        let place = Place::Direct { tls: true, sni: Some("b.test".to_owned()) };
        let want = Route::Plain { host: Some(Authority::new("b.test", 443)), tls: true };
        assert_eq!(read("GET", "/", None, &place), call(want, "/", None));
    }
}
