//! What went wrong towards an origin, found by walking the sources of an error, and said in words.

use std::error::Error;
use std::io;

use super::ConnectError;
use crate::model::{Failure, FailureKind, Origin};

/// The class of an error of hyper's client or of a response body, and a message that names host, cause and cure.
pub fn explain(error: &(dyn Error + 'static), origin: &Origin) -> Failure {
    let mut found = None;
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(failure) = certain(error, origin) {
            return failure;
        }
        // The deepest cause that says anything is the one closest to the wire.
        found = likely(error).or(found);
        current = next(error);
    }
    let kind = found.unwrap_or(FailureKind::Protocol);
    Failure { kind, message: message(kind, &deepest(error), origin) }
}

/// The next error of the chain. An `io::Error` hides the error that it carries from `source`.
fn next<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(carried) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return Some(carried);
    }
    error.source()
}

fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut current = error;
    while let Some(inner) = next(current) {
        current = inner;
    }
    let said = current.to_string();
    // rustls ends this one with the address of its manual, for programmers.
    let said = if said.contains("close_notify") { "TLS ended without its close_notify" } else { said.as_str() };
    crate::report::terminal::clean(said).into_owned()
}

/// A cause that settles the matter.
fn certain(error: &(dyn Error + 'static), origin: &Origin) -> Option<Failure> {
    if let Some(error) = error.downcast_ref::<ConnectError>() {
        return Some(Failure { kind: error.kind, message: error.message.clone() });
    }
    let error = error.downcast_ref::<rustls::Error>()?;
    let message = format!("no TLS connection to {}: {}", origin.authority, crate::tls::explain(error));
    Some(Failure { kind: FailureKind::Tls, message })
}

fn likely(error: &(dyn Error + 'static)) -> Option<FailureKind> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return of_io(error.kind());
    }
    let error = error.downcast_ref::<hyper::Error>()?;
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        Some(FailureKind::Closed)
    } else if error.is_timeout() {
        Some(FailureKind::TimedOut)
    } else if error.is_parse() {
        Some(FailureKind::Protocol)
    } else if error.is_user() {
        Some(FailureKind::Client)
    } else {
        None
    }
}

fn of_io(kind: io::ErrorKind) -> Option<FailureKind> {
    match kind {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            Some(FailureKind::Refused)
        }
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => Some(FailureKind::Closed),
        io::ErrorKind::TimedOut => Some(FailureKind::TimedOut),
        _ => None,
    }
}

fn message(kind: FailureKind, cause: &str, origin: &Origin) -> String {
    let authority = &origin.authority;
    match kind {
        FailureKind::Closed => format!("{authority} closed the connection before its answer was whole ({cause})"),
        FailureKind::TimedOut => format!("{authority} took too long ({cause})"),
        FailureKind::Client => format!("the client broke off its request to {authority} ({cause})"),
        FailureKind::Refused => format!("no connection to {authority}: {cause}"),
        _ => format!("what {authority} sent is no HTTP that retake can pass on ({cause})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_inside_an_io_error_is_found() {
        let origin: Origin = "https://api.example.com".parse().unwrap();
        let inner = rustls::Error::General("bad".into());
        let error = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, inner));
        let failure = explain(&error, &origin);
        assert_eq!(failure.kind, FailureKind::Tls);
        assert!(failure.message.contains("api.example.com:443"), "{}", failure.message);
    }

    #[test]
    fn a_tls_connection_cut_off_is_told_without_an_address_for_programmers() {
        let said = "peer closed connection without sending TLS close_notify: https://docs.rs/rustls/manual";
        let error = io::Error::new(io::ErrorKind::UnexpectedEof, said);
        let failure = explain(&error, &"https://api.example.com".parse().unwrap());
        assert_eq!(failure.kind, FailureKind::Closed);
        assert!(
            failure.message.contains("close_notify") && !failure.message.contains("docs.rs"),
            "{}",
            failure.message
        );
    }

    #[test]
    fn a_reset_is_a_closed_connection() {
        let origin: Origin = "http://127.0.0.1:81".parse().unwrap();
        let failure = explain(&io::Error::from(io::ErrorKind::ConnectionReset), &origin);
        assert_eq!(failure.kind, FailureKind::Closed);
    }
}
