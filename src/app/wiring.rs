//! The variables that point clients at a recorder or replay and make them trust its CA. Pure: the inherited values
//! that they build on are handed in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::model::Authority;
use crate::tls::TrustFiles;
use crate::tls::truststore::PASSWORD;

/// What is wired.
#[derive(Debug, Clone, Copy)]
pub struct Wiring<'a> {
    /// Host that clients connect to.
    pub host: &'a str,
    /// Port that clients connect to.
    pub port: u16,
    /// The trust files.
    pub trust: &'a TrustFiles,
    /// Hosts that clients call directly: [`no_proxy_of_record`] or [`no_proxy_of_replay`]. With none, `NO_PROXY` is
    /// taken away.
    pub no_proxy: &'a [String],
    /// `JAVA_TOOL_OPTIONS` as inherited; ours are appended.
    pub java_tool_options: Option<&'a str>,
}

/// A change to the environment of a child or shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables {
    /// Variables to set, in a stable order.
    pub set: Vec<(&'static str, String)>,
    /// Variables to take away.
    pub remove: Vec<&'static str>,
}

/// The variables that name a proxy.
const PROXY: &[&str] = &["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
/// The same for tools with their own.
const PROXY_OF_TOOLS: &[&str] = &["npm_config_proxy", "npm_config_https_proxy", "PIP_PROXY"];
/// The variables that name hosts to call directly.
const NO_PROXY: &[&str] = &["NO_PROXY", "no_proxy"];
/// The variables whose file adds to the roots that a tool knows: our CA alone.
const ADDED_ROOTS: &[&str] = &["NODE_EXTRA_CA_CERTS", "DENO_CERT"];
/// The variables whose file replaces them: the whole bundle.
const REPLACED_ROOTS: &[&str] = &[
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "npm_config_cafile",
    "PIP_CERT",
    "PERL_LWP_SSL_CA_FILE",
    // Where a machine sets one of these, it wins over SSL_CERT_FILE.
    "NIX_SSL_CERT_FILE",
    "HTTPLIB2_CA_CERTS",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
];
/// Makes Node's own `fetch` and `http` follow the proxy variables (Node 24, 22.21 and later).
const NODE_USE_ENV_PROXY: &str = "NODE_USE_ENV_PROXY";
/// Options of every Java machine.
const JAVA: &str = "JAVA_TOOL_OPTIONS";
/// Java's system properties that are ours.
const JAVA_PROPERTIES: &[&str] = &[
    "http.proxyHost",
    "http.proxyPort",
    "https.proxyHost",
    "https.proxyPort",
    "http.nonProxyHosts",
    "javax.net.ssl.trustStore",
    "javax.net.ssl.trustStoreType",
    "javax.net.ssl.trustStorePassword",
];

impl Wiring<'_> {
    /// What to set and what to take away.
    pub fn variables(&self) -> Variables {
        let proxy = format!("http://{}:{}", bracketed(self.host), self.port);
        let path = |path: &std::path::Path| path.display().to_string();
        let mut set: Vec<(&'static str, String)> = Vec::new();
        let mut all =
            |names: &[&'static str], value: &str| set.extend(names.iter().map(|name| (*name, value.to_owned())));
        all(PROXY, &proxy);
        all(&[NODE_USE_ENV_PROXY], "1");
        all(ADDED_ROOTS, &path(&self.trust.ca));
        all(REPLACED_ROOTS, &path(&self.trust.bundle));
        all(PROXY_OF_TOOLS, &proxy);
        let mut remove = vec!["npm_config_noproxy"];
        if self.no_proxy.is_empty() {
            remove.extend(NO_PROXY);
        } else {
            all(NO_PROXY, &self.no_proxy.join(","));
        }
        set.push((JAVA, self.java_options()));
        Variables { set, remove }
    }

    fn java_options(&self) -> String {
        let port = self.port.to_string();
        let non_proxy = java_non_proxy_hosts(self.no_proxy);
        let store = self.trust.truststore.display().to_string();
        let values = [self.host, &port, self.host, &port, &non_proxy, &store, "PKCS12", PASSWORD];
        let mut options = java_options_without_ours(self.java_tool_options.unwrap_or_default());
        for (property, value) in JAVA_PROPERTIES.iter().zip(values) {
            options.push(java_quoted(&format!("-D{property}={value}")));
        }
        options.join(" ")
    }
}

/// What takes the wiring away again, from a shell whose `JAVA_TOOL_OPTIONS` is `java_tool_options`.
pub fn unset(java_tool_options: Option<&str>) -> Variables {
    let rest = java_options_without_ours(java_tool_options.unwrap_or_default()).join(" ");
    let mut remove: Vec<&'static str> =
        [PROXY, &[NODE_USE_ENV_PROXY], ADDED_ROOTS, REPLACED_ROOTS, PROXY_OF_TOOLS, NO_PROXY]
            .into_iter()
            .flatten()
            .copied()
            .collect();
    if rest.is_empty() {
        remove.push(JAVA);
        return Variables { set: Vec::new(), remove };
    }
    Variables { set: vec![(JAVA, rest)], remove }
}

/// `NO_PROXY` of a recorder's clients: what `--bypass` names, else none. What was inherited is dropped whole, since it
/// usually holds loopback, where the APIs under test live; [`dropped_no_proxy`] says what to tell the user.
pub fn no_proxy_of_record(bypass: &[String]) -> Vec<String> {
    bypass.iter().map(|host| host.trim().to_owned()).filter(|host| !host.is_empty()).collect()
}

/// `NO_PROXY` of a replay's clients: loopback, so that a test still reaches its own servers, unless a served
/// collection has a loopback origin.
pub fn no_proxy_of_replay(loopback_origin: bool) -> Vec<String> {
    match loopback_origin {
        true => Vec::new(),
        false => ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec(),
    }
}

/// The inherited `NO_PROXY`, if it held anything that `kept` does not: what a recorder says that it dropped.
pub fn dropped_no_proxy(inherited: impl Fn(&str) -> Option<String>, kept: &[String]) -> Option<String> {
    let value = NO_PROXY.iter().find_map(|name| inherited(name))?;
    let dropped: Vec<&str> =
        value.split([',', ' ']).filter(|host| !host.is_empty() && !kept.iter().any(|kept| kept == host)).collect();
    (!dropped.is_empty()).then(|| dropped.join(","))
}

/// The names of the proxy variables that retake itself was started with: it does not use them, and says so. Their
/// values may hold a password and are never shown. Those that point at `own_url` come from our own wiring.
pub fn own_proxies(inherited: impl Fn(&str) -> Option<String>, own_url: Option<&str>) -> Vec<&'static str> {
    let foreign = |value: String| !value.is_empty() && Some(value.trim_end_matches('/')) != own_url;
    PROXY.iter().copied().filter(|name| inherited(name).is_some_and(foreign)).collect()
}

/// The URL of a server that listens at `listen`, for clients on this machine: as a proxy and as a base URL alike.
pub fn url_of(listen: SocketAddr) -> String {
    let (host, port) = client_address(listen);
    format!("http://{}", Authority::new(&host, port))
}

/// The host and port by which clients on this machine reach a listener: one that listens everywhere is called by
/// loopback.
pub fn client_address(listen: SocketAddr) -> (String, u16) {
    let host = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.to_string(),
        ip => ip.to_string(),
    };
    (host, listen.port())
}

/// An IPv6 address in brackets, as URLs have it.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// `NO_PROXY` entries as Java has them: separated by `|`, with `*` for "and below". An empty list must be said, since
/// Java's default leaves loopback out; a list that is not empty leaves it out in any case.
fn java_non_proxy_hosts(hosts: &[String]) -> String {
    let patterns = hosts.iter().flat_map(|host| match host.strip_prefix('.') {
        Some(domain) => vec![format!("*.{domain}")],
        None if host == "*" || host.parse::<Ipv4Addr>().is_ok() => vec![host.clone()],
        None if host.contains(':') => vec![format!("[{}]", host.trim_matches(['[', ']']))],
        None => vec![host.clone(), format!("*.{host}")],
    });
    patterns.collect::<Vec<_>>().join("|")
}

/// The options that are not ours, as written. So a shell that is wired twice does not grow, and `--unset` gives back
/// what was there.
fn java_options_without_ours(options: &str) -> Vec<String> {
    let is_ours = |option: &str| {
        let plain = option.replace(['"', '\''], "");
        let property = plain.strip_prefix("-D").and_then(|rest| rest.split('=').next()).unwrap_or_default();
        JAVA_PROPERTIES.contains(&property)
    };
    java_split(options).into_iter().filter(|option| !is_ours(option)).collect()
}

/// Splits as Java does: at white space outside single or double quotes. The quotes stay.
fn java_split(options: &str) -> Vec<String> {
    let (mut parts, mut part, mut quote) = (Vec::new(), String::new(), None);
    for char in options.chars() {
        match quote {
            None if char.is_whitespace() => {
                if !part.is_empty() {
                    parts.push(std::mem::take(&mut part));
                }
                continue;
            }
            None if char == '"' || char == '\'' => quote = Some(char),
            Some(open) if char == open => quote = None,
            _ => {}
        }
        part.push(char);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// An option in quotes if Java would split it or read quotes in it. There are no escapes within quotes, so a value
/// with `"` is put into `'`.
fn java_quoted(option: &str) -> String {
    match option {
        _ if option.contains('"') => format!("'{option}'"),
        _ if option.contains(|char: char| char.is_whitespace() || char == '\'') => format!("\"{option}\""),
        _ => option.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn wire(no_proxy: &[String], java: Option<&str>) -> Variables {
        let trust = TrustFiles::in_folder(Path::new("/data/ca"));
        Wiring { host: "127.0.0.1", port: 8888, trust: &trust, no_proxy, java_tool_options: java }.variables()
    }

    fn value<'a>(variables: &'a Variables, name: &str) -> &'a str {
        let found: Vec<_> = variables.set.iter().filter(|(set, _)| *set == name).collect();
        assert_eq!(found.len(), 1, "{name}");
        &found[0].1
    }

    #[test]
    fn every_variable_of_the_design_is_set_once() {
        let variables = wire(&[], None);
        for name in "HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy npm_config_proxy \
                     npm_config_https_proxy PIP_PROXY"
            .split_whitespace()
        {
            assert_eq!(value(&variables, name), "http://127.0.0.1:8888", "{name}");
        }
        for name in "SSL_CERT_FILE CURL_CA_BUNDLE REQUESTS_CA_BUNDLE GIT_SSL_CAINFO AWS_CA_BUNDLE CARGO_HTTP_CAINFO \
                     npm_config_cafile PIP_CERT PERL_LWP_SSL_CA_FILE NIX_SSL_CERT_FILE HTTPLIB2_CA_CERTS \
                     GRPC_DEFAULT_SSL_ROOTS_FILE_PATH CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE"
            .split_whitespace()
        {
            assert_eq!(value(&variables, name), "/data/ca/bundle.pem", "{name}");
        }
        assert_eq!(value(&variables, "NODE_EXTRA_CA_CERTS"), "/data/ca/ca.pem");
        assert_eq!(value(&variables, "DENO_CERT"), "/data/ca/ca.pem");
        assert_eq!(value(&variables, "NODE_USE_ENV_PROXY"), "1");
        assert_eq!(
            value(&variables, "JAVA_TOOL_OPTIONS"),
            "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=8888 -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=8888 \
             -Dhttp.nonProxyHosts= -Djavax.net.ssl.trustStore=/data/ca/truststore.p12 \
             -Djavax.net.ssl.trustStoreType=PKCS12 -Djavax.net.ssl.trustStorePassword=changeit"
        );
    }

    #[test]
    fn no_proxy_is_taken_away_or_set_whole() {
        assert!(wire(&[], None).remove.contains(&"NO_PROXY"));
        let variables = wire(&no_proxy_of_replay(false), None);
        assert_eq!(value(&variables, "no_proxy"), "localhost,127.0.0.1,::1");
        assert!(!variables.remove.contains(&"no_proxy"));
        assert!(
            value(&variables, "JAVA_TOOL_OPTIONS").contains("nonProxyHosts=localhost|*.localhost|127.0.0.1|[::1] ")
        );
        assert!(no_proxy_of_replay(true).is_empty());
        assert_eq!(no_proxy_of_record(&[" a.test ".into(), String::new()]), ["a.test"]);
        assert_eq!(java_non_proxy_hosts(&[".a.test".into(), "*".into()]), "*.a.test|*");
    }

    #[test]
    fn java_options_are_appended_once_and_given_back() {
        let own = "-Xmx1g '-Dname=a b' -Dhttp.agent=x";
        let wired = value(&wire(&[], Some(own)), "JAVA_TOOL_OPTIONS").to_owned();
        assert!(wired.starts_with("-Xmx1g '-Dname=a b' -Dhttp.agent=x -Dhttp.proxyHost="), "{wired}");
        assert_eq!(value(&wire(&[], Some(&wired)), "JAVA_TOOL_OPTIONS"), wired);
        assert_eq!(unset(Some(&wired)).set, [("JAVA_TOOL_OPTIONS", own.to_owned())]);
        assert!(unset(None).remove.contains(&"JAVA_TOOL_OPTIONS"));
    }

    #[test]
    fn java_paths_with_spaces_stay_whole() {
        let trust = TrustFiles::in_folder(Path::new("/my data/ca"));
        let wiring = Wiring { host: "::1", port: 1, trust: &trust, no_proxy: &[], java_tool_options: None };
        let variables = wiring.variables();
        let options = value(&variables, "JAVA_TOOL_OPTIONS");
        assert!(options.contains("\"-Djavax.net.ssl.trustStore=/my data/ca/truststore.p12\""), "{options}");
        assert_eq!(java_options_without_ours(options), Vec::<String>::new());
        assert_eq!(value(&variables, "HTTP_PROXY"), "http://[::1]:1");
    }

    #[test]
    fn a_listener_on_every_address_is_called_by_loopback() {
        let address = |text: &str| client_address(text.parse().unwrap());
        assert_eq!(address("0.0.0.0:80"), ("127.0.0.1".to_owned(), 80));
        assert_eq!(address("[::]:80"), ("::1".to_owned(), 80));
        assert_eq!(address("127.0.0.1:8888"), ("127.0.0.1".to_owned(), 8888));
    }

    #[test]
    fn all_that_is_set_is_unset() {
        let wired = wire(&no_proxy_of_replay(false), None);
        let removed = unset(None).remove;
        for (name, _) in &wired.set {
            assert!(removed.contains(name), "{name}");
        }
    }

    #[test]
    fn what_was_dropped_and_what_is_not_used_is_named() {
        let env = |name: &str| match name {
            "NO_PROXY" => Some("localhost, .corp.test,kept.test".to_owned()),
            "https_proxy" => Some("http://user:secret@proxy:3128".to_owned()),
            "http_proxy" => Some("http://127.0.0.1:8888/".to_owned()),
            _ => None,
        };
        assert_eq!(dropped_no_proxy(env, &["kept.test".into()]).unwrap(), "localhost,.corp.test");
        assert_eq!(dropped_no_proxy(|_| None, &[]), None);
        assert_eq!(own_proxies(env, Some("http://127.0.0.1:8888")), ["https_proxy"]);
    }
}
