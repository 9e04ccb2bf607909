//! TLS errors in plain words: what is wrong with the certificate or the handshake, and what to do about it.

use std::error::Error as StdError;
use std::fmt;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Names of a certificate that are listed at most.
const MAX_NAMES: usize = 5;

/// Characters of an issuer's name that are shown.
const MAX_ISSUER: usize = 100;

/// Why a server's certificate was refused. It travels inside [`rustls::CertificateError::Other`], because rustls'
/// own errors name neither host nor issuer.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) host: String,
    pub(super) why: Why,
}

/// The reasons, as far as they have different cures.
#[derive(Debug)]
pub(super) enum Why {
    Expired { on: String },
    NotYetValid { from: String },
    WrongHost { names: Vec<String> },
    SelfSigned,
    UnknownIssuer { issuer: String },
    Revoked,
    Other { what: String },
}

impl Why {
    /// Reads the reason out of the verifier's error and the certificate that it was about.
    pub(super) fn new(error: &CertificateError, certificate: &[u8]) -> Why {
        let parsed = X509Certificate::from_der(certificate).ok().map(|(_, parsed)| parsed);
        let self_signed = parsed.as_ref().is_some_and(|parsed| parsed.subject() == parsed.issuer());
        match error {
            CertificateError::ExpiredContext { not_after, .. } => Why::Expired { on: day(*not_after) },
            CertificateError::NotValidYetContext { not_before, .. } => Why::NotYetValid { from: day(*not_before) },
            CertificateError::NotValidForNameContext { presented, .. } => {
                Why::WrongHost { names: presented.iter().map(|name| plain_name(name)).collect() }
            }
            // A self-signed certificate that may issue others is told apart by webpki, one that may not is not.
            CertificateError::UnknownIssuer | CertificateError::Other(_) if self_signed => Why::SelfSigned,
            CertificateError::UnknownIssuer => {
                Why::UnknownIssuer { issuer: parsed.as_ref().map(issuer).unwrap_or_default() }
            }
            CertificateError::Revoked => Why::Revoked,
            other => Why::Other { what: other.to_string() },
        }
    }
}

impl StdError for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        match &self.why {
            Why::Expired { on } => {
                write!(f, "the certificate of `{host}` expired on {on}; `--insecure {host}` accepts it all the same")
            }
            Why::NotYetValid { from } => write!(
                f,
                "the certificate of `{host}` is valid from {from} only; check this machine's clock, or use `--insecure {host}`"
            ),
            Why::WrongHost { names } => {
                write!(f, "the certificate of `{host}` is for {}, not for `{host}`", listed(names))?;
                write!(f, "; call it by a name that it has, or use `--insecure {host}`")
            }
            Why::SelfSigned => write!(
                f,
                "the certificate of `{host}` is self-signed; trust it with `--upstream-ca FILE`, or use `--insecure {host}`"
            ),
            Why::UnknownIssuer { issuer } => write!(
                f,
                "the certificate of `{host}` was issued by `{issuer}`, which this machine does not know; give its root with `--upstream-ca FILE`, or use `--insecure {host}` (a server that does not send its intermediate certificates looks the same)"
            ),
            Why::Revoked => write!(f, "the certificate of `{host}` was revoked"),
            Why::Other { what } => {
                write!(
                    f,
                    "the certificate of `{host}` was refused: {what}; `--insecure {host}` accepts it all the same"
                )
            }
        }
    }
}

/// Up to [`MAX_NAMES`] names in backticks.
fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "no host at all (it has no subject alternative names)".to_owned();
    }
    let shown: Vec<String> = names.iter().take(MAX_NAMES).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(MAX_NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// webpki writes names as `DnsName("a.test")` and `IpAddress(127.0.0.1)`; only the inside is for people.
fn plain_name(name: &str) -> String {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inside.trim_matches('"').to_owned()
}

/// The issuer's common name, else its whole name.
fn issuer(certificate: &X509Certificate<'_>) -> String {
    let common = certificate.issuer().iter_common_name().find_map(|name| name.as_str().ok());
    let name = common.map_or_else(|| certificate.issuer().to_string(), str::to_owned);
    // Anybody can write a certificate: nothing in it may steer a terminal.
    name.chars().take(MAX_ISSUER).flat_map(char::escape_debug).collect()
}

/// The day of a moment, in UTC.
fn day(time: UnixTime) -> String {
    let at = i64::try_from(time.as_secs()).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    at.map_or_else(|| "an unknown day".to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
}

/// A TLS error of an upstream connection in plain words, with the cure where there is one. What it quotes of a
/// certificate is escaped.
pub fn explain(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::Other(other)) => match other.0.downcast_ref::<Refusal>() {
            Some(refusal) => refusal.to_string(),
            None => format!("the server's certificate was refused: {other}"),
        },
        Error::InvalidCertificate(other) => {
            format!("the server's certificate was refused: {other}; `--insecure HOST` accepts it all the same")
        }
        Error::AlertReceived(alert) => explain_alert(*alert),
        Error::PeerIncompatible(what) => {
            format!("the server speaks no TLS that is safe today (TLS 1.2 or 1.3 is needed): {what:?}")
        }
        Error::InvalidMessage(_) => "the server does not speak TLS on this port (is it plain HTTP?)".to_owned(),
        Error::NoApplicationProtocol => "the server speaks neither HTTP/2 nor HTTP/1.1".to_owned(),
        Error::PeerMisbehaved(what) => format!("the server broke the TLS protocol: {what:?}"),
        other => format!("TLS failed: {other}"),
    }
}

fn explain_alert(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::BadCertificate => {
            "the server asks for a client certificate, which retake cannot give".to_owned()
        }
        AlertDescription::UnrecognisedName => "the server serves no host of this name".to_owned(),
        AlertDescription::ProtocolVersion => {
            "the server speaks no TLS version that is safe today (TLS 1.2 or 1.3 is needed)".to_owned()
        }
        AlertDescription::HandshakeFailure => {
            "the server and retake have no TLS parameters in common, or the server asks for a client certificate"
                .to_owned()
        }
        other => format!("the server ended the TLS handshake with the alert {other:?}"),
    }
}

/// A TLS error of a connection from a client in plain words: most often it does not trust our CA.
pub fn explain_client(error: &Error) -> String {
    match error {
        Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError,
        ) => "the client does not trust retake's certificate: `retake ca show` tells how to make it".to_owned(),
        Error::AlertReceived(alert) => format!("the client ended the TLS handshake with the alert {alert:?}"),
        Error::PeerIncompatible(what) => {
            format!("the client speaks no TLS that is safe today (TLS 1.2 or 1.3 is needed): {what:?}")
        }
        Error::InvalidMessage(_) => "the client does not speak TLS".to_owned(),
        other => format!("TLS with the client failed: {other}"),
    }
}

/// As [`explain()`], for an error that has a TLS error somewhere among its causes; `None` if there is none.
pub fn explain_any(error: &(dyn StdError + 'static)) -> Option<String> {
    find(error).map(explain)
}

/// The TLS error among the causes of `error`.
pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<Error>() {
            return Some(tls);
        }
        // `source` of an I/O error skips the error that it wraps.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tls_error_is_found_below_io_errors() {
        let tls = Error::AlertReceived(AlertDescription::UnrecognisedName);
        let io = std::io::Error::other(std::io::Error::new(std::io::ErrorKind::InvalidData, tls));
        assert_eq!(explain_any(&io).unwrap(), "the server serves no host of this name");
        assert_eq!(explain_any(&std::io::Error::other("no TLS here")), None);
    }

    #[test]
    fn a_client_that_distrusts_us_is_sent_to_the_trust_commands() {
        for alert in [AlertDescription::UnknownCA, AlertDescription::CertificateUnknown] {
            assert!(explain_client(&Error::AlertReceived(alert)).contains("`retake ca show`"));
        }
    }

    #[test]
    fn names_lose_the_verifiers_wrapping_and_long_lists_are_cut() {
        assert_eq!(plain_name("DnsName(\"*.a.test\")"), "*.a.test");
        assert_eq!(plain_name("IpAddress(::1)"), "::1");
        let names: Vec<String> = (0..8).map(|number| format!("{number}.test")).collect();
        assert!(listed(&names).ends_with("`4.test` and 3 more"));
        assert!(listed(&[]).contains("no host at all"));
    }
}
