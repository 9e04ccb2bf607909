//! Which addresses are our own listeners, so that the proxy is never pointed at itself.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{PoisonError, RwLock};

static LISTENERS: RwLock<Vec<SocketAddr>> = RwLock::new(Vec::new());

/// A listener that is known as our own until this is dropped.
#[derive(Debug)]
pub struct Registered(SocketAddr);

/// Notes that this process listens at `address`.
pub fn register(address: SocketAddr) -> Registered {
    LISTENERS.write().unwrap_or_else(PoisonError::into_inner).push(address);
    Registered(address)
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut listeners = LISTENERS.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = listeners.iter().position(|address| *address == self.0) {
            listeners.swap_remove(at);
        }
    }
}

/// Whether a connection to `address` would end at one of our own listeners: to be asked of the address that is
/// actually dialled, after the look-up. Sees through wildcard binds, `0.0.0.0` as a target, and IPv4-mapped addresses.
pub fn is_own(address: SocketAddr) -> bool {
    let listeners = LISTENERS.read().unwrap_or_else(PoisonError::into_inner);
    listeners.iter().any(|own| own.port() == address.port() && reaches(address.ip(), own.ip()))
}

/// Whether dialling `target` reaches a socket bound to `bound` (ports being equal).
fn reaches(target: IpAddr, bound: IpAddr) -> bool {
    let (target, bound) = (target.to_canonical(), bound.to_canonical());
    if target == bound {
        return true;
    }
    // A connection to the unspecified address goes to the loopback one.
    if target.is_unspecified() {
        return bound.is_unspecified() || bound.is_loopback();
    }
    bound.is_unspecified() && (bound.is_ipv6() || target.is_ipv4()) && is_local(target)
}

/// Whether this machine has that address: only then can a socket be bound to it.
fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_under_every_address_that_reaches_it() {
        let reach = |target: &str, bound: &str| reaches(target.parse().unwrap(), bound.parse().unwrap());
        for (target, bound) in [
            ("127.0.0.1", "127.0.0.1"),
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("0.0.0.0", "127.0.0.1"),
            ("::", "::1"),
            ("127.0.0.1", "0.0.0.0"),
            ("127.8.8.8", "0.0.0.0"),
            ("127.0.0.1", "::"),
            ("::1", "::"),
            ("127.0.0.1", "::ffff:127.0.0.1"),
        ] {
            assert!(reach(target, bound), "{target} {bound}");
        }
        // 192.0.2.0/24 is for documentation: nobody has it.
        for (target, bound) in
            [("192.0.2.1", "0.0.0.0"), ("192.0.2.1", "127.0.0.1"), ("::1", "127.0.0.1"), ("::1", "0.0.0.0")]
        {
            assert!(!reach(target, bound), "{target} {bound}");
        }
    }

    #[test]
    fn a_listener_is_our_own_as_long_as_it_lives() {
        let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let registered = register(address);
        assert!(is_own(address));
        assert!(!is_own("127.0.0.1:2".parse().unwrap()));
        drop(registered);
        assert!(!is_own(address));
    }
}
