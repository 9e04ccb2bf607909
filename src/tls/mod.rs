//! Trust: the CA of this installation, the leaf certificates that it signs, and how upstream certificates are verified.
//!
//! [`ca`] makes and guards the issuing certificate, [`leaf`] signs and caches one certificate per host, [`bundle`] and
//! [`truststore`] write the files that clients are pointed at, [`upstream`] verifies what servers present, and
//! [`mod@explain`] puts the errors of all of them into plain words.

pub mod bundle;
pub mod ca;
pub mod explain;
pub mod leaf;
pub mod truststore;
pub mod upstream;

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;

pub use bundle::{TrustFiles, write_trust_files};
pub use ca::Ca;
pub use explain::{explain, explain_any, explain_client};
pub use leaf::Leaves;
pub use upstream::{UpstreamTrust, client_config};

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
        "the CA's key {0} can be read by others (mode {1:o}): run `chmod 600 {0}`; if someone else may have read it, delete its folder instead, and a new CA is made at the next start (`retake ca show` tells how to distrust the old one)"
    )]
    KeyExposed(PathBuf, u32),
    /// A certificate or key that cannot be read.
    #[error("{0}")]
    Bad(String),
}

impl TlsError {
    /// An error of the disk at `path`.
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        TlsError::Io { path: path.into(), source }
    }
}

/// The cryptography of every TLS configuration here: aws-lc-rs, named explicitly, so that no process-wide default can
/// change it.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    PROVIDER.clone()
}

/// SHA-256 of `bytes`: the fingerprint that other tools show for a certificate. It comes from the provider, so that no
/// further crate is needed for one hash.
fn sha256(bytes: &[u8]) -> Vec<u8> {
    let suite = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
    suite.tls13().map(|suite| suite.common.hash_provider.hash(bytes).as_ref().to_vec()).unwrap_or_default()
}
