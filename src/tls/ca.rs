//! The issuing certificate: unique to the installation, its key readable by its owner only.
//!
//! Two processes that start for the first time at once must end with one CA, else one of them would sign with a key
//! whose certificate nobody trusts. So the pair is made under a lock on a file beside it, the key first: a key without
//! a certificate is an interrupted start that nobody can have trusted yet, and is completed; a certificate without its
//! key is damage.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{TlsError, provider, sha256};

/// File name of the certificate in the CA's folder.
pub const CERTIFICATE_FILE: &str = "ca.pem";
/// File name of its key.
pub const KEY_FILE: &str = "ca-key.pem";

/// How long a CA lives.
const CA_LIFETIME: Duration = Duration::days(3650);
/// How far certificates are dated back, for clients whose clocks lag.
pub(super) const BACK_DATED: Duration = Duration::days(2);
/// Nothing that we read as a key or certificate is longer, in bytes.
const MAX_PEM: u64 = 1024 * 1024;

/// The issuing certificate and its key. `Debug` shows the fingerprint only.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
    subject: String,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

impl Ca {
    /// Loads the CA of `dir` (`ca.pem`, `ca-key.pem`), or makes it: P-256, unique, key 0600 in a folder 0700, created
    /// atomically, so that two first starts at once end with one CA.
    ///
    /// # Errors
    /// When the folder cannot be written, the key can be read by others, or the files are damaged.
    pub fn load_or_create(dir: &Path) -> Result<Ca, TlsError> {
        if let Some(ca) = load(dir)? {
            return Ok(ca);
        }
        make_folder(dir)?;
        let lock_path = dir.join(".lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|error| TlsError::io(&lock_path, error))?;
        lock.lock().map_err(|error| TlsError::io(&lock_path, error))?;
        // Another process may have been first while we waited.
        if let Some(ca) = load(dir)? {
            return Ok(ca);
        }
        create(dir)
    }

    /// A CA that lives in memory only, for tests.
    ///
    /// # Errors
    /// Only when no key can be generated.
    pub fn in_memory() -> Result<Ca, TlsError> {
        Ca::issue(KeyPair::generate().map_err(no_key)?)
    }

    /// The certificate in PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// The certificate in DER.
    pub fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// SHA-256 of the certificate, as `AB:CD:…`, the way browsers and openssl show it.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.der)
    }

    /// Who the certificate says it is, such as `CN=retake CA 3f9a1c2b, O=retake`.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The common name alone: what trust stores list it as.
    pub fn common_name(&self) -> &str {
        self.subject.split(", ").find_map(|part| part.strip_prefix("CN=")).unwrap_or(&self.subject)
    }

    /// Seconds since 1970 between which the certificate holds.
    pub fn validity(&self) -> (i64, i64) {
        (self.not_before.unix_timestamp(), self.not_after.unix_timestamp())
    }

    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    pub(super) fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// Makes the certificate for `key`.
    fn issue(key: KeyPair) -> Result<Ca, TlsError> {
        let now = OffsetDateTime::now_utc();
        let mut params = CertificateParams::default();
        // The suffix tells the CAs of several machines apart in a trust store; it names neither machine nor user.
        let suffix: String =
            sha256(key.subject_public_key_info().as_slice()).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, format!("retake CA {suffix}"));
        name.push(DnType::OrganizationName, ORGANIZATION);
        params.distinguished_name = name;
        params.not_before = now - BACK_DATED;
        params.not_after = now + CA_LIFETIME;
        params.serial_number = Some(random_serial()?);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.self_signed(&key).map_err(|error| TlsError::Bad(format!("no CA made: {error}")))?;
        Ca::from_parts(certificate.pem(), key)
    }

    /// Puts together a certificate and the key that belongs to it. The error says what is wrong, without the file.
    fn from_parts(pem: String, key: KeyPair) -> Result<Ca, TlsError> {
        let bad = |what: &str| TlsError::Bad(what.to_owned());
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| bad("holds no certificate"))?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| bad("holds a damaged certificate"))?;
        if !parsed.is_ca() {
            return Err(bad("holds a certificate that may not issue others"));
        }
        if parsed.public_key().subject_public_key.data.as_ref() != key.der_bytes() {
            return Err(bad("does not belong to the key beside it"));
        }
        let (subject, validity) = (parsed.subject().to_string(), parsed.validity().clone());
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|_| bad("holds a certificate that cannot issue"))?;
        Ok(Ca {
            issuer,
            pem,
            subject,
            not_before: validity.not_before.to_datetime(),
            not_after: validity.not_after.to_datetime(),
            der,
        })
    }
}

/// The organisation in the CA's name; by it our own CA is told from real roots.
pub(super) const ORGANIZATION: &str = "retake";

/// SHA-256 of a certificate, as `AB:CD:…`.
pub(super) fn fingerprint(der: &[u8]) -> String {
    sha256(der).iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// A positive serial number of 127 random bits (RFC 5280 4.1.2.2 allows at most 20 octets; browsers ask for at least
/// 64 random bits).
pub(super) fn random_serial() -> Result<SerialNumber, TlsError> {
    let mut bytes = [0_u8; 16];
    provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| TlsError::Bad("the system gives no random numbers".into()))?;
    // Top bit clear: positive. Next bit set: no leading zero that DER would drop.
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// The CA of `dir`; `None` when there is none yet, or only the key of an interrupted first start.
fn load(dir: &Path) -> Result<Option<Ca>, TlsError> {
    let (certificate_path, key_path) = (dir.join(CERTIFICATE_FILE), dir.join(KEY_FILE));
    check_folder(dir)?;
    let Some(pem) = read(&certificate_path)? else { return Ok(None) };
    let Some(key) = load_key(&key_path)? else {
        return Err(damaged(dir, &key_path, "is missing"));
    };
    let ca = Ca::from_parts(pem, key).map_err(|what| damaged(dir, &certificate_path, what))?;
    if ca.not_after <= OffsetDateTime::now_utc() {
        return Err(damaged(dir, &certificate_path, "has expired"));
    }
    Ok(Some(ca))
}

/// Who can write the folder can put a CA of their own there, whose key they know.
fn check_folder(dir: &Path) -> Result<(), TlsError> {
    match std::fs::metadata(dir) {
        Ok(metadata) if metadata.permissions().mode() & 0o022 != 0 => Err(TlsError::Bad(format!(
            "the CA's folder {0} can be written by others: run `chmod 700 {0}`",
            dir.display()
        ))),
        _ => Ok(()),
    }
}

/// The key at `path`, unless it is absent.
fn load_key(path: &Path) -> Result<Option<KeyPair>, TlsError> {
    let Some(pem) = read_private(path)? else { return Ok(None) };
    match KeyPair::from_pem(&pem) {
        Ok(key) => Ok(Some(key)),
        Err(_) => Err(damaged(path.parent().unwrap_or(path), path, "holds no private key that can be read")),
    }
}

fn damaged(dir: &Path, path: &Path, what: impl fmt::Display) -> TlsError {
    TlsError::Bad(format!(
        "{} {what}: restore the file, or delete the folder {} to have a new CA made, which clients must then trust anew",
        path.display(),
        dir.display()
    ))
}

fn no_key(error: rcgen::Error) -> TlsError {
    TlsError::Bad(format!("no key could be generated: {error}"))
}

/// Makes key and certificate in `dir`; the caller holds the lock.
fn create(dir: &Path) -> Result<Ca, TlsError> {
    let key_path = dir.join(KEY_FILE);
    let key = match load_key(&key_path)? {
        Some(key) => key,
        None => {
            let key = KeyPair::generate().map_err(no_key)?;
            publish(dir, &key_path, key.serialize_pem().as_bytes(), 0o600)?;
            key
        }
    };
    let ca = Ca::issue(key)?;
    publish(dir, &dir.join(CERTIFICATE_FILE), ca.pem.as_bytes(), 0o644)?;
    Ok(ca)
}

/// Writes a file that must not be there yet: whole or not at all, never for a moment with wider permissions.
fn publish(dir: &Path, path: &Path, bytes: &[u8], mode: u32) -> Result<(), TlsError> {
    write_whole(dir, bytes, mode)
        .and_then(|file| file.persist_noclobber(path).map_err(|error| error.error))
        .and_then(|_| File::open(dir)?.sync_all())
        .map_err(|error| TlsError::io(path, error))
}

/// A temporary file in `dir` with these bytes, on the disk.
pub(super) fn write_whole(dir: &Path, bytes: &[u8], mode: u32) -> std::io::Result<tempfile::NamedTempFile> {
    // The builder hands the mode to open(2); the umask can only narrow it.
    let mut file =
        tempfile::Builder::new().prefix(".tmp-").permissions(Permissions::from_mode(mode)).tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn make_folder(dir: &Path) -> Result<(), TlsError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| TlsError::io(dir, error))
}

/// The text of a file; `None` if it does not exist.
fn read(path: &Path) -> Result<Option<String>, TlsError> {
    match File::open(path) {
        Ok(file) => read_text(path, file).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TlsError::io(path, error)),
    }
}

/// As [`read`], but refuses a file that others can read. The mode is that of the opened file, so that it cannot be
/// exchanged between the check and the reading.
fn read_private(path: &Path) -> Result<Option<String>, TlsError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(TlsError::io(path, error)),
    };
    let mode = file.metadata().map_err(|error| TlsError::io(path, error))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(TlsError::KeyExposed(path.to_owned(), mode));
    }
    read_text(path, file).map(Some)
}

fn read_text(path: &Path, file: File) -> Result<String, TlsError> {
    let mut text = String::new();
    file.take(MAX_PEM).read_to_string(&mut text).map_err(|error| TlsError::io(path, error))?;
    Ok(text)
}

/// Path of the certificate in the CA's folder.
pub fn certificate_path(dir: &Path) -> PathBuf {
    dir.join(CERTIFICATE_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Barrier};
    use x509_parser::extensions::ParsedExtension;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_ca_is_made_once_and_only_its_owner_reads_it() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("retake").join("ca");
        let first = Ca::load_or_create(&dir).unwrap();
        let second = Ca::load_or_create(&dir).unwrap();
        assert_eq!(first.fingerprint(), second.fingerprint());
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&dir.join(KEY_FILE)), 0o600);
        let left: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".tmp")), "{left:?}");
    }

    #[test]
    fn first_starts_at_once_end_with_one_ca() {
        let home = tempfile::tempdir().unwrap();
        let dir = Arc::new(home.path().join("ca"));
        let start = Arc::new(Barrier::new(8));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (dir, start) = (dir.clone(), start.clone());
                std::thread::spawn(move || {
                    start.wait();
                    Ca::load_or_create(&dir).unwrap().fingerprint()
                })
            })
            .collect();
        let mut prints: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        prints.dedup();
        assert_eq!(prints.len(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_cure() {
        let dir = tempfile::tempdir().unwrap();
        Ca::load_or_create(dir.path()).unwrap();
        let key = dir.path().join(KEY_FILE);
        std::fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
        let error = Ca::load_or_create(dir.path()).unwrap_err();
        assert!(matches!(error, TlsError::KeyExposed(_, 0o640)));
        assert!(error.to_string().contains(&format!("chmod 600 {}", key.display())), "{error}");
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o775)).unwrap();
        let text = Ca::load_or_create(dir.path()).unwrap_err().to_string();
        assert!(text.contains("`chmod 700 "), "{text}");
    }

    #[test]
    fn damage_is_named_and_nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        Ca::load_or_create(dir.path()).unwrap();
        let (certificate, key) = (certificate_path(dir.path()), dir.path().join(KEY_FILE));
        let good = std::fs::read(&certificate).unwrap();
        std::fs::write(&certificate, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        let text = Ca::load_or_create(dir.path()).unwrap_err().to_string();
        assert!(text.contains("ca.pem holds a damaged certificate: restore"), "{text}");
        std::fs::write(&certificate, Ca::in_memory().unwrap().certificate_pem()).unwrap();
        let text = Ca::load_or_create(dir.path()).unwrap_err().to_string();
        assert!(text.contains("does not belong to the key"), "{text}");
        std::fs::write(&certificate, good).unwrap();
        std::fs::write(&key, "garbage").unwrap();
        assert!(Ca::load_or_create(dir.path()).unwrap_err().to_string().contains("no private key"));
        std::fs::remove_file(&key).unwrap();
        assert!(Ca::load_or_create(dir.path()).unwrap_err().to_string().contains("is missing"));
    }

    #[test]
    fn an_interrupted_first_start_is_completed_with_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        Ca::load_or_create(dir.path()).unwrap();
        let key = std::fs::read(dir.path().join(KEY_FILE)).unwrap();
        std::fs::remove_file(certificate_path(dir.path())).unwrap();
        Ca::load_or_create(dir.path()).unwrap();
        assert_eq!(std::fs::read(dir.path().join(KEY_FILE)).unwrap(), key);
    }

    #[test]
    fn the_certificate_may_issue_leaves_only_and_names_its_key() {
        let ca = Ca::in_memory().unwrap();
        let (_, parsed) = X509Certificate::from_der(ca.certificate_der()).unwrap();
        let constraints = parsed.basic_constraints().unwrap().unwrap();
        assert!(constraints.critical && constraints.value.ca);
        assert_eq!(constraints.value.path_len_constraint, Some(0));
        let usage = parsed.key_usage().unwrap().unwrap();
        assert!(usage.critical && usage.value.key_cert_sign() && usage.value.crl_sign());
        let (mut subject_key, mut authority_key) = (None, None);
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => subject_key = Some(id.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    authority_key = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                _ => {}
            }
        }
        assert!(subject_key.is_some());
        assert_eq!(subject_key, authority_key);
        let years = (ca.validity().1 - ca.validity().0) / (365 * 24 * 3600);
        assert_eq!(years, 10);
        assert!(ca.common_name().starts_with("retake CA "), "{}", ca.subject());
        assert_ne!(ca.subject(), Ca::in_memory().unwrap().subject(), "two installations must differ in name");
    }

    #[test]
    fn debug_shows_the_fingerprint_and_never_the_key() {
        let ca = Ca::in_memory().unwrap();
        let text = format!("{ca:?}");
        assert_eq!(text, format!("Ca {{ fingerprint: {:?}, .. }}", ca.fingerprint()));
        assert_eq!(ca.fingerprint().len(), 32 * 3 - 1);
    }
}
