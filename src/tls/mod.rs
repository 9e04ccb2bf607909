//! Trust: the CA of this installation, the leaf certificates that it signs, and how upstream certificates are verified.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why something about certificates failed.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The disk.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others can read the key.
    #[error(
        "the CA's key {0} can be read by others (mode {1:o}): run `chmod 600 {0}`, and if someone else may have read it, `retake ca rotate`"
    )]
    KeyExposed(PathBuf, u32),
    /// A certificate or key that cannot be read.
    #[error("{0}")]
    Bad(String),
}

/// The issuing certificate and its key. `Debug` shows the fingerprint only.
pub struct Ca {
    _private: (),
}

impl Ca {
    /// Loads the CA of `dir` (`ca.pem`, `ca-key.pem`), or makes it: P-256, unique, key 0600 in a folder 0700, created
    /// atomically, so that two first starts at once end with one CA.
    ///
    /// # Errors
    /// When the folder cannot be written, the key can be read by others, or the files are damaged.
    pub fn load_or_create(_dir: &Path) -> Result<Ca, TlsError> {
        todo!()
    }

    /// A CA that lives in memory only, for tests.
    ///
    /// # Errors
    /// Only when no key can be generated.
    pub fn in_memory() -> Result<Ca, TlsError> {
        todo!()
    }

    /// The certificate in PEM.
    pub fn certificate_pem(&self) -> &str {
        todo!()
    }
}

/// Makes and caches a leaf certificate per host.
pub struct Leaves {
    _private: (),
}

impl Leaves {
    /// An empty cache over `ca`.
    pub fn new(_ca: Arc<Ca>) -> Self {
        todo!()
    }

    /// The TLS configuration to answer as `host` (a name, or an address without brackets); made once per host and
    /// `http2`, then cached. With `http2`, ALPN offers `h2` and `http/1.1`, else `http/1.1` only.
    ///
    /// # Errors
    /// When `host` cannot stand in a certificate.
    pub fn server_config(&self, _host: &str, _http2: bool) -> Result<Arc<rustls::ServerConfig>, TlsError> {
        todo!()
    }
}

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
/// # Errors
/// When a PEM file cannot be read or holds no certificate.
pub fn client_config(_trust: &UpstreamTrust) -> Result<rustls::ClientConfig, TlsError> {
    todo!()
}
