//! How the certificates of upstream servers are verified: system roots, the user's further roots, and hosts that the
//! user trusts without looking.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::bundle::system_roots;
use super::explain::{Refusal, Why};
use super::{TlsError, provider};

/// How upstream certificates are trusted.
#[derive(Debug, Clone, Default)]
pub struct UpstreamTrust {
    /// PEM files with further roots.
    pub extra_roots: Vec<PathBuf>,
    /// Hosts whose certificates are not verified.
    pub insecure: Vec<String>,
}

/// The TLS configuration for upstream connections: system roots (else the bundled ones) and the extra ones. ALPN is
/// left to the connector.
///
/// A certificate that is refused ends the handshake with [`rustls::Error::InvalidCertificate`], which
/// [`super::explain()`] puts into words.
///
/// # Errors
/// When a PEM file cannot be read or holds no certificate, or a host of `insecure` is none.
pub fn client_config(trust: &UpstreamTrust) -> Result<ClientConfig, TlsError> {
    let verifier = Verifier::new(trust)?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Bad(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

/// Certificates of a PEM file that the user named.
fn read_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = std::fs::read(path).map_err(|error| TlsError::io(path, error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(TlsError::Bad(format!(
            "{}: holds no certificate in PEM form (a block that begins with -----BEGIN CERTIFICATE-----)",
            path.display()
        ))),
        Err(error) => Err(TlsError::Bad(format!("{}: {error}", path.display()))),
    }
}

/// A host of `--insecure`, as it is compared.
fn normal_insecure(host: &str) -> Result<String, TlsError> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    match ServerName::try_from(bare) {
        Ok(name) => Ok(name.to_str().to_ascii_lowercase()),
        Err(_) => Err(TlsError::Bad(format!(
            "`{}` is no host: `--insecure` takes one name or address, without scheme, port or `*`",
            host.escape_debug()
        ))),
    }
}

/// Verifies as webpki does, with three differences: hosts of `insecure` pass, a self-signed certificate that the user
/// gave as a root passes for its own names, and a refusal carries what is needed to explain it.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    insecure: HashSet<String>,
    pinned: Vec<CertificateDer<'static>>,
}

impl Verifier {
    fn new(trust: &UpstreamTrust) -> Result<Verifier, TlsError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(system_roots());
        let mut pinned = Vec::new();
        for path in &trust.extra_roots {
            for root in read_roots(path)? {
                // webpki may refuse one as a root that still serves as a pinned certificate.
                roots.add_parsable_certificates([root.clone()]);
                pinned.push(root);
            }
        }
        let insecure = trust.insecure.iter().map(|host| normal_insecure(host)).collect::<Result<_, _>>()?;
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| TlsError::Bad(format!("no roots to trust upstream servers by: {error}")))?;
        Ok(Verifier { inner, insecure, pinned })
    }

    /// Whether the user gave this very certificate as a root, and it holds for `host` now. webpki takes no CA
    /// certificate from a server, but the usual `openssl req -x509` makes just that.
    fn is_pinned(&self, certificate: &CertificateDer<'_>, host: &ServerName<'_>, now: UnixTime) -> bool {
        let known = self.pinned.iter().any(|pinned| pinned == certificate);
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return false };
        let (from, to) = (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
        let in_time = i64::try_from(now.as_secs()).is_ok_and(|now| from <= now && now <= to);
        let named = ParsedCertificate::try_from(certificate)
            .and_then(|parsed| rustls::client::verify_server_name(&parsed, host))
            .is_ok();
        known && in_time && named
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let host = server_name.to_str().to_ascii_lowercase();
        if self.insecure.contains(&host) {
            return Ok(ServerCertVerified::assertion());
        }
        let error = match self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Ok(verified) => return Ok(verified),
            Err(Error::InvalidCertificate(error)) => error,
            Err(other) => return Err(other),
        };
        if self.is_pinned(end_entity, server_name, now) {
            return Ok(ServerCertVerified::assertion());
        }
        let refusal = Refusal { host, why: Why::new(&error, end_entity) };
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal)))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::explain;

    fn certs(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("certs").join(name)
    }

    fn verifier(extra: &[&str], insecure: &[&str]) -> Verifier {
        Verifier::new(&UpstreamTrust {
            extra_roots: extra.iter().map(|name| certs(name)).collect(),
            insecure: insecure.iter().map(|host| (*host).to_owned()).collect(),
        })
        .unwrap()
    }

    /// What becomes of the certificate `name` of `certs/`, presented by `host`; the error explained.
    fn verify(verifier: &Verifier, name: &str, host: &str) -> Result<(), String> {
        let chain = read_roots(&certs(name)).unwrap();
        let host = ServerName::try_from(host.to_owned()).unwrap();
        match verifier.verify_server_cert(&chain[0], &chain[1..], &host, &[], UnixTime::now()) {
            Ok(_) => Ok(()),
            Err(error) => Err(explain(&error)),
        }
    }

    #[test]
    fn a_certificate_of_an_extra_root_is_taken_for_its_own_names() {
        let verifier = verifier(&["ca.pem"], &[]);
        for host in ["localhost", "127.0.0.1", "::1", "api.test"] {
            assert_eq!(verify(&verifier, "localhost.pem", host), Ok(()), "{host}");
        }
    }

    #[test]
    fn each_refusal_says_what_is_wrong_and_how_to_go_on() {
        let verifier = verifier(&["ca.pem"], &[]);
        let cases = [
            ("expired.pem", "expired on 2021-01-01", "`--insecure localhost`"),
            ("wrong-host.pem", "is for `wrong-host.test`, not for `localhost`", "`--insecure localhost`"),
            ("self-signed.pem", "is self-signed", "`--upstream-ca FILE`"),
            ("unknown-issuer.pem", "`retake unknown test CA`", "`--upstream-ca FILE`"),
        ];
        for (name, what, cure) in cases {
            let text = verify(&verifier, name, "localhost").unwrap_err();
            assert!(text.contains(what) && text.contains(cure), "{name}: {text}");
        }
    }

    #[test]
    fn insecure_opens_one_host_and_no_other() {
        let verifier = verifier(&[], &["LocalHost.", "[::1]"]);
        for name in ["expired.pem", "wrong-host.pem", "self-signed.pem", "unknown-issuer.pem"] {
            assert_eq!(verify(&verifier, name, "localhost"), Ok(()), "{name}");
            assert_eq!(verify(&verifier, name, "::1"), Ok(()), "{name}");
            assert!(verify(&verifier, name, "sub.localhost").is_err(), "{name}");
            assert!(verify(&verifier, name, "127.0.0.1").is_err(), "{name}");
        }
    }

    #[test]
    fn a_self_signed_certificate_given_as_root_is_taken_for_its_names_only() {
        let verifier = verifier(&["self-signed.pem"], &[]);
        assert_eq!(verify(&verifier, "self-signed.pem", "localhost"), Ok(()));
        assert!(verify(&verifier, "self-signed.pem", "api.test").is_err());
        assert!(verify(&verifier, "localhost.pem", "localhost").is_err());
    }

    /// What `openssl req -x509` makes: a self-signed CA certificate in the place of a server's.
    #[test]
    fn a_pinned_server_certificate_may_be_a_ca() {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("server.pem");
        std::fs::write(&path, pem).unwrap();
        let name = path.to_str().unwrap();
        assert_eq!(verify(&verifier(&[name], &[]), name, "localhost"), Ok(()));
        assert!(verify(&verifier(&[name], &[]), name, "api.test").is_err());
        let text = verify(&verifier(&[], &[]), name, "localhost").unwrap_err();
        assert!(text.contains("is self-signed"), "{text}");
    }

    #[test]
    fn bad_files_and_hosts_are_named() {
        let missing = UpstreamTrust { extra_roots: vec![certs("none.pem")], insecure: vec![] };
        assert!(client_config(&missing).unwrap_err().to_string().contains("none.pem"));
        let key = UpstreamTrust { extra_roots: vec![certs("localhost-key.pem")], insecure: vec![] };
        assert!(client_config(&key).unwrap_err().to_string().contains("holds no certificate"));
        for host in ["localhost:443", "https://localhost", "*.test", ""] {
            let trust = UpstreamTrust { extra_roots: vec![], insecure: vec![host.to_owned()] };
            assert!(client_config(&trust).unwrap_err().to_string().contains("is no host"), "{host}");
        }
    }

    #[test]
    fn alpn_is_left_to_the_connector() {
        assert!(client_config(&UpstreamTrust::default()).unwrap().alpn_protocols.is_empty());
    }
}
