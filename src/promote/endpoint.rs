//! Which stub an exchange belongs to: origin, method and path.

use super::is_placeholder;
use super::survey::EndpointKey;
use crate::collection::{Captures, OriginPattern, PathPattern, PortPattern, SegmentPattern};
use crate::model::{Authority, Origin, RequestRecord, path};

/// The stub that an exchange goes to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Endpoint {
    /// A committed one, by its position.
    Committed(usize),
    /// A new one.
    New {
        /// The origin; a loopback host is `localhost`.
        origin: Origin,
        /// The method.
        method: String,
        /// The path pattern as written.
        path: String,
    },
}

impl Endpoint {
    /// By what the survey knows a new one.
    pub(super) fn key(&self) -> Option<EndpointKey> {
        match self {
            Endpoint::Committed(_) => None,
            Endpoint::New { origin, method, path } => Some((origin.to_string(), method.clone(), path.clone())),
        }
    }
}

/// `localhost`, `127.0.0.1` and `[::1]` are one host.
pub(super) fn one_loopback(origin: &Origin) -> Origin {
    if origin.authority.is_loopback() {
        Origin::new(origin.scheme, Authority::new("localhost", origin.port()))
    } else {
        origin.clone()
    }
}

/// The ports of the loopback origins that were promoted, to decide how they are written.
#[derive(Debug, Default)]
pub(super) struct Loopback {
    port: Option<u16>,
    several: bool,
}

impl Loopback {
    /// Takes note of an origin.
    pub(super) fn see(&mut self, origin: &Origin) {
        if origin.authority.is_loopback() {
            self.several |= self.port.is_some_and(|port| port != origin.port());
            self.port = Some(origin.port());
        }
    }

    /// How a new stub's origin is written: a loopback one with any port, unless several ports were called.
    pub(super) fn pattern(&self, origin: &Origin) -> OriginPattern {
        let mut pattern = OriginPattern::exactly(&one_loopback(origin));
        if pattern.is_loopback() && !self.several {
            pattern.port = PortPattern::Any;
        }
        pattern
    }
}

/// The path pattern of a request: literal, but for masked segments, which may be anything.
pub(super) fn path_pattern(path: &str) -> PathPattern {
    let mut masked = 0;
    let literal = PathPattern::literal(path);
    let segments = path::segments(path).zip(literal.segments()).map(|(segment, literal)| {
        if !is_placeholder(segment) {
            return literal.clone();
        }
        masked += 1;
        SegmentPattern::Capture(if masked == 1 { "masked".to_owned() } else { format!("masked{masked}") })
    });
    PathPattern::from_segments(segments.collect())
}

/// The captured values of `path` under a pattern of literals and captures; `None` when it does not fit, or when the
/// pattern has other segments.
pub(super) fn captures_of(pattern: &PathPattern, path: &str) -> Option<Captures> {
    let segments: Vec<&str> = path::segments(path).collect();
    if segments.len() != pattern.segments().len() {
        return None;
    }
    let mut captures = Captures::default();
    for ((pattern, literal), segment) in
        pattern.segments().iter().zip(PathPattern::literal(path).segments()).zip(segments)
    {
        match pattern {
            SegmentPattern::Literal(_) if pattern == literal => {}
            // A masked value may be anything, so it is not written down.
            SegmentPattern::Capture(_) if is_placeholder(segment) => {}
            SegmentPattern::Regex(regex) if regex.fits(segment) => {
                captures.insert(regex.name.clone(), segment.to_owned());
            }
            SegmentPattern::Capture(name) => captures.insert(name.clone(), segment.to_owned()),
            _ => return None,
        }
    }
    Some(captures)
}

/// Whether the target of a request is a path; `OPTIONS *` has none.
pub(super) fn has_path(request: &RequestRecord) -> bool {
    request.path.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_any_port_unless_there_are_two() {
        let origin = |text: &str| text.parse::<Origin>().unwrap();
        let mut loopback = Loopback::default();
        loopback.see(&origin("http://127.0.0.1:5000"));
        loopback.see(&origin("http://[::1]:5000"));
        loopback.see(&origin("https://api.test"));
        assert_eq!(loopback.pattern(&origin("http://127.0.0.1:5000")).to_string(), "http://localhost:*");
        assert_eq!(loopback.pattern(&origin("https://api.test:8443")).to_string(), "https://api.test:8443");
        loopback.see(&origin("http://localhost:5001"));
        assert_eq!(loopback.pattern(&origin("http://127.0.0.1:5000")).to_string(), "http://localhost:5000");
    }

    #[test]
    fn paths_are_literal() {
        assert_eq!(path_pattern("/a/{b}//%7euser/").as_str(), "/a/%7Bb%7D//~user/");
        let pattern: PathPattern = "/users/{login}/repos".parse().unwrap();
        assert_eq!(captures_of(&pattern, "/users/octo%20cat/repos").unwrap()["login"], "octo%20cat");
        assert!(captures_of(&pattern, "/users/octocat").is_none());
        assert!(captures_of(&"/files/**".parse().unwrap(), "/files/a").is_none());
    }
}
