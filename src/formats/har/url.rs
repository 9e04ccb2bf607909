//! URLs of entries, as written: nothing is normalised but the origin.

use crate::model::origin::{Authority, Origin, Scheme};

/// A URL in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) origin: Origin,
    pub(super) path: String,
    pub(super) query: Option<String>,
    /// With its `#`.
    pub(super) fragment: Option<String>,
    /// `ws` or `wss`, where it is one of these.
    pub(super) socket: Option<&'static str>,
    /// There were a user and a password in it, which no request sends.
    pub(super) had_user: bool,
}

/// Splits a URL.
///
/// # Errors
/// It is none that HTTP asks for; why.
pub(super) fn split(url: &str) -> Result<Url, String> {
    let shown = || url.chars().take(60).collect::<String>();
    let (scheme, rest) = url.split_once(':').ok_or_else(|| format!("`{}` is no URL", shown()))?;
    let (scheme, socket) = match scheme.to_ascii_lowercase().as_str() {
        "http" => (Scheme::Http, None),
        "https" => (Scheme::Https, None),
        "ws" => (Scheme::Http, Some("ws")),
        "wss" => (Scheme::Https, Some("wss")),
        other => return Err(format!("`{}:` is no HTTP", other.chars().take(30).collect::<String>())),
    };
    let rest = rest.strip_prefix("//").ok_or_else(|| format!("`{}` names no host", shown()))?;
    let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let authority = Authority::parse(host, scheme.default_port()).map_err(|error| error.to_string())?;
    let (target, fragment) = target.split_at(target.find('#').unwrap_or(target.len()));
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    Ok(Url {
        origin: Origin::new(scheme, authority),
        path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
        query: query.map(str::to_owned),
        fragment: (fragment.len() > 1).then(|| fragment.to_owned()),
        socket,
        had_user: user.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_as_written() {
        let url = split("HTTPS://u:p@API.example.com:443/a%2Fb/é?x=1?&y#top").unwrap();
        assert_eq!(url.origin.to_string(), "https://api.example.com");
        assert_eq!(
            (url.path.as_str(), url.query.as_deref(), url.fragment.as_deref()),
            ("/a%2Fb/é", Some("x=1?&y"), Some("#top"))
        );
        assert!(url.had_user && url.socket.is_none());
        let url = split("wss://[::1]:8080?a").unwrap();
        assert_eq!(
            (url.origin.to_string().as_str(), url.path.as_str(), url.query.as_deref(), url.socket),
            ("https://[::1]:8080", "/", Some("a"), Some("wss"))
        );
    }

    #[test]
    fn what_is_no_call_is_told() {
        for url in [
            "",
            "data:image/png;base64,AAAA",
            "about:blank",
            "chrome-extension://x/y.js",
            "http:/x",
            "http://",
            "https://a b/",
            "/relative",
        ] {
            assert!(split(url).is_err(), "{url}");
        }
    }
}
