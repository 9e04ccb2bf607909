//! The Java trust store: PKCS#12 whose entries carry Java's trusted-certificate attribute, without which Java sees
//! an empty store.

use p12_keystore::{Certificate, KeyStore, KeyStoreEntry};
use rustls::pki_types::CertificateDer;

use super::TlsError;
use super::ca::Ca;

/// The password of the store: Java's customary one. It protects nothing; the store holds certificates only.
pub const PASSWORD: &str = "changeit";
/// The name under which our CA stands in it.
pub const ALIAS: &str = "retake";
/// Rounds of key derivation: the content is public, so few do.
const ITERATIONS: u32 = 1000;

/// A trust store of `roots` and our CA.
///
/// # Errors
/// When the certificates cannot be encoded.
pub fn pkcs12(roots: &[CertificateDer<'_>], ca: &Ca) -> Result<Vec<u8>, TlsError> {
    let bad = |error: p12_keystore::error::Error| TlsError::Bad(format!("no Java trust store made: {error}"));
    let mut store = KeyStore::new();
    let ours = Certificate::from_der(ca.certificate_der()).map_err(bad)?;
    store.add_entry(ALIAS, KeyStoreEntry::Certificate(ours));
    for (number, root) in roots.iter().enumerate() {
        // One odd root of the system must not keep Java from ours.
        if let Ok(root) = Certificate::from_der(root) {
            store.add_entry(&format!("root-{number:03}"), KeyStoreEntry::Certificate(root));
        }
    }
    store.writer(PASSWORD).encryption_iterations(ITERATIONS).mac_iterations(ITERATIONS).write().map_err(bad)
}

/// A trust store of our CA alone, for `retake ca export`.
///
/// # Errors
/// When the certificate cannot be encoded.
pub fn pkcs12_of(ca: &Ca) -> Result<Vec<u8>, TlsError> {
    pkcs12(&[], ca)
}

#[cfg(test)]
mod tests {
    use super::*;
    use p12_keystore::Pkcs12ImportPolicy;

    #[test]
    fn java_finds_our_ca_and_the_roots_as_trusted() {
        let ca = Ca::in_memory().unwrap();
        let roots = &webpki_root_certs::TLS_SERVER_ROOT_CERTS[..3];
        let bytes = pkcs12(roots, &ca).unwrap();
        // The strict policy drops certificates without the attribute, as Java does.
        let store = KeyStore::from_pkcs12(&bytes, PASSWORD, Pkcs12ImportPolicy::Strict).unwrap();
        assert_eq!(store.entries_len(), 4);
        match store.entry(ALIAS) {
            Some(KeyStoreEntry::Certificate(found)) => assert_eq!(found.as_der(), ca.certificate_der().as_ref()),
            _ => panic!("our CA is not in the store"),
        }
        assert!(KeyStore::from_pkcs12(&bytes, "wrong", Pkcs12ImportPolicy::Strict).is_err());
    }
}
