//! Where a request goes: scheme, host and port.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The scheme of an origin: plain or over TLS (RFC 9110 section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// The scheme as it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port used when a URL names none.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Host and port, only that (RFC 3986 section 3.2 without user information).
///
/// The host is lower-case, without brackets around an IPv6 address and without a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Authority {
    host: String,
    port: u16,
}

impl Authority {
    /// An authority from a host, in any case, with or without brackets, and a port.
    pub fn new(host: &str, port: u16) -> Self {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let bare = bare.strip_suffix('.').filter(|name| !name.is_empty()).unwrap_or(bare);
        Authority { host: bare.to_ascii_lowercase(), port }
    }

    /// Parses `host`, `host:port`, `[v6]` or `[v6]:port`; without a port, `default_port` is taken.
    ///
    /// # Errors
    /// [`BadOrigin`] when the host is empty or has characters that no host has, or the port is no number below 65536.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, BadOrigin> {
        let bad = || BadOrigin(text.to_owned());
        let (host, port) = split_host_port(text).ok_or_else(bad)?;
        if host.is_empty() || host.bytes().any(|byte| !is_host_byte(byte)) {
            return Err(bad());
        }
        let port = match port {
            None | Some("") => default_port,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().map_err(|_| bad())?,
            Some(_) => return Err(bad()),
        };
        Ok(Authority::new(host, port))
    }

    /// The host: a lower-case name, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the host is `localhost`, an address of `127.0.0.0/8`, or `::1`.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.ends_with(".localhost")
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// The host as it stands in a URL: an IPv6 address in brackets.
    pub fn url_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Scheme, host and port of a server that the client meant (RFC 9110 section 4.3.1).
///
/// Written `https://api.github.com`, the port only where it is not the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// Host and port.
    pub authority: Authority,
}

impl Origin {
    /// An origin from its parts.
    pub fn new(scheme: Scheme, authority: Authority) -> Self {
        Origin { scheme, authority }
    }

    /// The host, as [`Authority::host`].
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.authority.port()
    }

    /// What a `Host` field says for this origin: the port only where it is not the scheme's own.
    pub fn host_field(&self) -> String {
        if self.port() == self.scheme.default_port() { self.authority.url_host() } else { self.authority.to_string() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host();
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        f.write_str(self.scheme.as_str())?;
        for part in ["://", open, host, close] {
            f.write_str(part)?;
        }
        if self.port() == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port()) }
    }
}

impl FromStr for Origin {
    type Err = BadOrigin;

    fn from_str(text: &str) -> Result<Self, BadOrigin> {
        let (scheme, rest) = split_scheme(text).ok_or_else(|| BadOrigin(text.to_owned()))?;
        let authority = Authority::parse(rest.strip_suffix('/').unwrap_or(rest), scheme.default_port())?;
        Ok(Origin { scheme, authority })
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that should have named an origin or an authority, and does not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin such as https://api.example.com or a host such as api.example.com:8443")]
pub struct BadOrigin(pub String);

/// Splits `http://…` or `https://…`, in any case, from what follows.
pub fn split_scheme(url: &str) -> Option<(Scheme, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    if scheme.eq_ignore_ascii_case("http") {
        Some((Scheme::Http, rest))
    } else if scheme.eq_ignore_ascii_case("https") {
        Some((Scheme::Https, rest))
    } else {
        None
    }
}

fn split_host_port(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None if after.is_empty() => Some((host, None)),
            None => None,
        };
    }
    match text.split_once(':') {
        // More than one colon without brackets is an IPv6 address.
        Some((_, port)) if port.contains(':') => text.parse::<std::net::Ipv6Addr>().ok().map(|_| (text, None)),
        Some((host, port)) => Some((host, Some(port))),
        None => Some((text, None)),
    }
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:%*".contains(&byte) || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_read_back_as_written() {
        for (text, printed) in [
            ("https://api.github.com", "https://api.github.com"),
            ("HTTPS://API.GitHub.com:443/", "https://api.github.com"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("https://example.com.", "https://example.com"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in
            ["", "ftp://x", "http://", "https://a b", "http://x:99999", "http://x:8o", "http://[::1", "http://u@h"]
        {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_by_any_name() {
        for host in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "LOCALHOST.", "::ffff:127.0.0.1"] {
            assert!(Authority::new(host, 1).is_loopback(), "{host}");
        }
        assert!(!Authority::new("example.com", 1).is_loopback());
    }
}
