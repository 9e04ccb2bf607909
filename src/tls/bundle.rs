//! The files that clients are pointed at, beside the CA: `bundle.pem`, the roots of this machine plus ours, for tools
//! whose setting replaces the system's roots; `truststore.p12`, the same for Java.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::ca::{Ca, ORGANIZATION, certificate_path, write_whole};
use super::{TlsError, truststore};

/// File name of the bundle.
pub const BUNDLE_FILE: &str = "bundle.pem";
/// File name of the Java trust store.
pub const TRUSTSTORE_FILE: &str = "truststore.p12";
/// Says which bundle the trust store was made from: encrypted, it cannot be compared itself.
const TRUSTSTORE_MARK: &str = ".truststore.of";

/// Where the files lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustFiles {
    /// Our CA alone, in PEM.
    pub ca: PathBuf,
    /// The machine's roots plus ours, in PEM.
    pub bundle: PathBuf,
    /// The same as a Java trust store; its password is [`truststore::PASSWORD`].
    pub truststore: PathBuf,
}

impl TrustFiles {
    /// The files of the CA's folder, whether or not they are there.
    pub fn in_folder(dir: &Path) -> TrustFiles {
        TrustFiles { ca: certificate_path(dir), bundle: dir.join(BUNDLE_FILE), truststore: dir.join(TRUSTSTORE_FILE) }
    }
}

/// Writes bundle and trust store into `dir`, the folder of `ca`, where they are missing or no longer what this
/// machine's roots and the CA make; each atomically, since clients may be reading.
///
/// # Errors
/// When the folder cannot be written.
pub fn write_trust_files(ca: &Ca, dir: &Path) -> Result<TrustFiles, TlsError> {
    let files = TrustFiles::in_folder(dir);
    let roots = system_roots();
    let bundle = bundle_pem(&roots, ca);
    if std::fs::read(&files.bundle).ok().as_deref() != Some(bundle.as_bytes()) {
        replace(dir, &files.bundle, bundle.as_bytes())?;
    }
    let mark_path = dir.join(TRUSTSTORE_MARK);
    let mark = blake3::hash(bundle.as_bytes()).to_hex();
    let marked = std::fs::read(&mark_path).ok().as_deref() == Some(mark.as_bytes());
    if !marked || !files.truststore.is_file() {
        replace(dir, &files.truststore, &truststore::pkcs12(&roots, ca)?)?;
        replace(dir, &mark_path, mark.as_bytes())?;
    }
    Ok(files)
}

/// Puts a whole new file in the place of another.
fn replace(dir: &Path, path: &Path, bytes: &[u8]) -> Result<(), TlsError> {
    write_whole(dir, bytes, 0o644)
        .and_then(|file| file.persist(path).map_err(|error| error.error))
        .map(|_| ())
        .map_err(|error| TlsError::io(path, error))
}

/// The roots of this machine, else the bundled ones of Mozilla, without any CA of retake's: `SSL_CERT_FILE` may name
/// our own bundle when a shell is wired, and upstream servers are never to be trusted by our key.
pub(super) fn system_roots() -> Vec<CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!("system roots: {error}");
    }
    let mut roots: Vec<_> = found.certs.into_iter().filter(|root| !is_ours(root)).collect();
    if roots.is_empty() {
        tracing::debug!("this machine has no roots: using the bundled ones");
        roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec();
    }
    roots
}

/// Whether a root was made by retake, on this machine or another.
fn is_ours(root: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(root).is_ok_and(|(_, parsed)| {
        let organization = parsed.subject().iter_organization().find_map(|name| name.as_str().ok());
        let common = parsed.subject().iter_common_name().find_map(|name| name.as_str().ok());
        organization == Some(ORGANIZATION) && common.is_some_and(|name| name.starts_with("retake CA "))
    })
}

/// Ours first: it is the one that is looked up most.
fn bundle_pem(roots: &[CertificateDer<'_>], ca: &Ca) -> String {
    let mut text = String::with_capacity(roots.len() * 1800 + 2048);
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "# The CA of this retake ({}), then the roots of this machine. Rewritten by retake.",
        ca.subject()
    );
    text.push_str(ca.certificate_pem());
    for root in roots {
        push_pem(&mut text, root);
    }
    text
}

/// Appends a certificate in PEM (RFC 7468, section 5.1).
fn push_pem(text: &mut String, der: &[u8]) {
    let encoded = base64::engine::general_purpose::STANDARD.encode(der);
    text.push_str("-----BEGIN CERTIFICATE-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII: every index is a character border.
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END CERTIFICATE-----\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::pem::PemObject;

    #[test]
    fn the_bundle_holds_our_ca_and_every_root_of_the_machine() {
        let dir = tempfile::tempdir().unwrap();
        let ca = Ca::load_or_create(dir.path()).unwrap();
        let files = write_trust_files(&ca, dir.path()).unwrap();
        let held: Vec<_> =
            CertificateDer::pem_file_iter(&files.bundle).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(&held[0], ca.certificate_der());
        assert_eq!(held[1..], system_roots()[..]);
        assert!(held.len() > 20);
    }

    #[test]
    fn files_are_rewritten_when_stale_and_only_then() {
        let dir = tempfile::tempdir().unwrap();
        let ca = Ca::load_or_create(dir.path()).unwrap();
        let files = write_trust_files(&ca, dir.path()).unwrap();
        let read = || (std::fs::read(&files.bundle).unwrap(), std::fs::read(&files.truststore).unwrap());
        let first = read();
        write_trust_files(&ca, dir.path()).unwrap();
        // The trust store is salted: had it been made again, it would differ.
        assert!(read() == first);
        std::fs::write(&files.bundle, "old").unwrap();
        std::fs::remove_file(&files.truststore).unwrap();
        write_trust_files(&ca, dir.path()).unwrap();
        assert!(read().0 == first.0);
        let other = Ca::in_memory().unwrap();
        write_trust_files(&other, dir.path()).unwrap();
        assert!(read().0 != first.0 && read().1 != first.1);
    }

    #[test]
    fn a_ca_of_ours_is_no_root_for_upstream() {
        assert!(is_ours(Ca::in_memory().unwrap().certificate_der()));
        assert!(!is_ours(&webpki_root_certs::TLS_SERVER_ROOT_CERTS[0]));
    }
}
