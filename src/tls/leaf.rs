//! Leaf certificates: one per host, signed when first needed, all with the one key of this process.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration as StdDuration;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ServerSessionMemoryCache, StoresServerSessions};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use time::{Duration, OffsetDateTime};

use super::ca::{BACK_DATED, Ca, random_serial};
use super::{TlsError, provider};

/// Days that a leaf holds, the back-dated ones included; Chromium refuses 200 and more.
const LEAF_LIFETIME: Duration = Duration::days(197);
/// Configurations kept; the least used goes first, and is made again in well under a millisecond.
const MAX_CACHED: u64 = 4096;
/// A cached leaf is made anew after this time, long before it expires, however long the process lives.
const CACHED_FOR: StdDuration = StdDuration::from_secs(30 * 24 * 3600);
/// TLS sessions that clients may resume, over all hosts.
const MAX_SESSIONS: usize = 4096;
/// The longest common name that X.509 allows (RFC 5280, appendix A.1, ub-common-name).
const MAX_COMMON_NAME: usize = 64;

/// Makes and caches a leaf certificate per host.
pub struct Leaves {
    ca: Arc<Ca>,
    /// Made with the first leaf: gathering entropy for it costs more than a start does otherwise.
    key: LazyLock<Result<LeafKey, String>>,
    provider: Arc<CryptoProvider>,
    sessions: Arc<dyn StoresServerSessions>,
    cache: moka::sync::Cache<(String, bool), Arc<ServerConfig>>,
}

/// The key of all leaves: as rcgen wants it, to name it in certificates, and as rustls wants it, to sign handshakes.
struct LeafKey {
    pair: KeyPair,
    signer: Arc<dyn SigningKey>,
}

impl std::fmt::Debug for Leaves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leaves").field("ca", &self.ca).finish_non_exhaustive()
    }
}

impl Leaves {
    /// An empty cache over `ca`.
    pub fn new(ca: Arc<Ca>) -> Self {
        Leaves {
            ca,
            key: LazyLock::new(LeafKey::generate),
            provider: provider_for_clients(),
            sessions: ServerSessionMemoryCache::new(MAX_SESSIONS),
            cache: moka::sync::Cache::builder().max_capacity(MAX_CACHED).time_to_live(CACHED_FOR).build(),
        }
    }

    /// The CA that signs.
    pub fn ca(&self) -> &Arc<Ca> {
        &self.ca
    }

    /// The TLS configuration to answer as `host` (a name, or an address without brackets); made once per host and
    /// `http2`, then cached. With `http2`, ALPN offers `h2` and `http/1.1`, else `http/1.1` only.
    ///
    /// # Errors
    /// When `host` cannot stand in a certificate.
    pub fn server_config(&self, host: &str, http2: bool) -> Result<Arc<ServerConfig>, TlsError> {
        let key = (normal_host(host)?, http2);
        if let Some(config) = self.cache.get(&key) {
            return Ok(config);
        }
        // Single-flight: a burst of connections to a new host waits for the first one's certificate.
        let made = self.cache.try_get_with_by_ref(&key, || self.make(&key.0, http2));
        made.map_err(|error: Arc<TlsError>| TlsError::Bad(error.to_string()))
    }

    fn make(&self, host: &str, http2: bool) -> Result<Arc<ServerConfig>, TlsError> {
        let key = self.key.as_ref().map_err(|message| TlsError::Bad(message.clone()))?;
        let leaf = self.params(host)?.signed_by(&key.pair, self.ca.issuer());
        let leaf = leaf.map_err(|error| TlsError::Bad(format!("no certificate for {host}: {error}")))?;
        let certified = CertifiedKey::new(vec![leaf.der().clone()], key.signer.clone());
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Bad(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.session_storage = self.sessions.clone();
        config.alpn_protocols = if http2 { vec![b"h2".into(), b"http/1.1".into()] } else { vec![b"http/1.1".into()] };
        Ok(Arc::new(config))
    }

    fn params(&self, host: &str) -> Result<CertificateParams, TlsError> {
        let now = OffsetDateTime::now_utc();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![match host.parse::<IpAddr>() {
            // Clients compare addresses with iPAddress only (RFC 5280 4.2.1.6, RFC 9110 4.3.5).
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(host.try_into().map_err(|_| bad_host(host))?),
        }];
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, if host.len() <= MAX_COMMON_NAME { host } else { "retake leaf" });
        params.distinguished_name = name;
        params.not_before = now - BACK_DATED;
        params.not_after = (params.not_before + LEAF_LIFETIME).min(self.ca.not_after());
        params.serial_number = Some(random_serial()?);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }
}

impl LeafKey {
    fn generate() -> Result<LeafKey, String> {
        let pair = KeyPair::generate().map_err(|error| format!("no key could be generated: {error}"))?;
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pair.serialize_der()));
        let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der);
        let signer = signer.map_err(|error| format!("the generated key cannot sign: {error}"))?;
        Ok(LeafKey { pair, signer })
    }
}

/// The provider towards clients. They sit on this machine, where a hybrid post-quantum exchange guards nothing and
/// costs several times X25519. rustls follows the client's order of groups, so it is left out rather than put last;
/// clients that know it offer a classic group too.
fn provider_for_clients() -> Arc<CryptoProvider> {
    let mut provider = CryptoProvider::clone(&provider());
    provider.kx_groups.retain(|group| group.name() != rustls::NamedGroup::X25519MLKEM768);
    Arc::new(provider)
}

/// The host as it stands in certificate and cache: lower case, without a final dot, internationalised names in their
/// ASCII form, addresses in their shortest form.
fn normal_host(host: &str) -> Result<String, TlsError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let name = if name.is_ascii() {
        name.to_ascii_lowercase()
    } else {
        match url::Host::parse(name) {
            Ok(url::Host::Domain(ascii)) => ascii,
            _ => return Err(bad_host(host)),
        }
    };
    // Underscores are no host name by RFC 1123, but they are in use; a wildcard would answer for other hosts.
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(bad_host(host));
    }
    Ok(name)
}

fn bad_host(host: &str) -> TlsError {
    let shown: String = host.chars().take(80).flat_map(char::escape_debug).collect();
    TlsError::Bad(format!("`{shown}` is no host name that can stand in a certificate"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::{CertificateDer, ServerName};
    use std::collections::HashSet;
    use std::io::{Read, Write};
    use x509_parser::extensions::{GeneralName, ParsedExtension};
    use x509_parser::prelude::{FromDer, X509Certificate};

    fn leaves() -> Leaves {
        Leaves::new(Arc::new(Ca::in_memory().unwrap()))
    }

    fn leaf(leaves: &Leaves, host: &str) -> CertificateDer<'static> {
        let key = leaves.key.as_ref().unwrap();
        let host = normal_host(host).unwrap();
        leaves.params(&host).unwrap().signed_by(&key.pair, leaves.ca.issuer()).unwrap().der().clone()
    }

    /// What `check` says of the only subject alternative name of the leaf for `host`.
    fn san<T>(host: &str, check: impl Fn(&GeneralName<'_>) -> T) -> T {
        let der = leaf(&leaves(), host);
        let (_, parsed) = X509Certificate::from_der(&der).unwrap();
        let san = parsed.subject_alternative_name().unwrap().unwrap();
        assert_eq!(san.value.general_names.len(), 1);
        check(&san.value.general_names[0])
    }

    #[test]
    fn names_and_addresses_get_the_right_kind_of_name() {
        for (host, name) in [
            ("api.github.com", "api.github.com"),
            ("API.GitHub.com.", "api.github.com"),
            ("my_service.internal", "my_service.internal"),
            ("localhost", "localhost"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            assert!(san(host, |san| matches!(san, GeneralName::DNSName(dns) if *dns == name)), "{host}");
        }
        assert!(san("127.0.0.1", |san| matches!(san, GeneralName::IPAddress([127, 0, 0, 1]))));
        assert!(san("::1", |san| matches!(san, GeneralName::IPAddress(bytes) if bytes.len() == 16 && bytes[15] == 1)));
    }

    #[test]
    fn what_is_no_host_is_refused_without_a_panic() {
        let leaves = leaves();
        let long = "a.".repeat(200);
        for host in ["", "*.example.com", "a b", "a\0b", "..", "a..b", "fe80::1%eth0", "[::1]", "é\u{0}", &long] {
            assert!(leaves.server_config(host, false).is_err(), "{host:?}");
        }
        let label = format!("{}.example", "a".repeat(64));
        assert!(leaves.server_config(&label, false).is_err());
        assert!(leaves.server_config(&format!("{}.{}.example", "a".repeat(60), "b".repeat(60)), false).is_ok());
    }

    #[test]
    fn a_leaf_lives_at_most_197_days_and_started_two_days_ago() {
        let der = leaf(&leaves(), "api.test");
        let (_, parsed) = X509Certificate::from_der(&der).unwrap();
        let validity = parsed.validity();
        let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        assert!(to - from <= 197 * 86_400);
        let now = OffsetDateTime::now_utc().unix_timestamp();
        assert!((now - from - 2 * 86_400).abs() < 60);
        assert!(to > now + 190 * 86_400);
    }

    #[test]
    fn a_leaf_names_its_issuer_and_serves_only() {
        let leaves = leaves();
        let der = leaf(&leaves, "api.test");
        let (_, parsed) = X509Certificate::from_der(&der).unwrap();
        let (_, ca) = X509Certificate::from_der(leaves.ca().certificate_der()).unwrap();
        let authority = parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
            _ => None,
        });
        let subject = ca.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
        assert!(subject.is_some());
        assert_eq!(authority, subject);
        assert_eq!(parsed.issuer(), ca.subject());
        assert!(!parsed.is_ca());
        let usage = parsed.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.server_auth && !usage.client_auth && !usage.any);
        parsed.verify_signature(Some(ca.public_key())).unwrap();
    }

    #[test]
    fn serials_are_positive_and_never_repeat() {
        let leaves = leaves();
        let serials: HashSet<Vec<u8>> = (0..200)
            .map(|number| {
                let der = leaf(&leaves, &format!("h{number}.test"));
                let (_, parsed) = X509Certificate::from_der(&der).unwrap();
                assert!(parsed.raw_serial().len() == 16 && parsed.raw_serial()[0] < 0x80);
                parsed.raw_serial().to_vec()
            })
            .collect();
        assert_eq!(serials.len(), 200);
    }

    #[test]
    fn a_host_is_made_once_per_protocol_even_in_a_burst() {
        let leaves = leaves();
        let configs: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| leaves.server_config("Burst.test", true).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(configs.iter().all(|config| Arc::ptr_eq(config, &configs[0])));
        assert_eq!(configs[0].alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        let plain = leaves.server_config("burst.test", false).unwrap();
        assert_eq!(plain.alpn_protocols, [b"http/1.1".to_vec()]);
    }

    /// A whole handshake in memory: a client that trusts the CA alone must take the leaf.
    fn handshake(leaves: &Leaves, host: &str) -> Result<(), rustls::Error> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(leaves.ca().certificate_der().clone())?;
        let config = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(config), name)?;
        let mut server = rustls::ServerConnection::new(leaves.server_config(host, true).unwrap())?;
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).unwrap();
            server.read_tls(&mut wire.as_slice()).unwrap();
            server.process_new_packets()?;
            wire.clear();
            server.write_tls(&mut wire).unwrap();
            client.read_tls(&mut wire.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        client.writer().write_all(b"ping").unwrap();
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut got = [0; 4];
        server.reader().read_exact(&mut got).unwrap();
        assert_eq!(&got, b"ping");
        Ok(())
    }

    #[test]
    fn a_client_that_trusts_the_ca_takes_the_leaf() {
        let leaves = leaves();
        for host in ["api.test", "127.0.0.1", "::1", "under_score.test"] {
            handshake(&leaves, host).unwrap_or_else(|error| panic!("{host}: {error}"));
        }
    }
}
