//! Recording against the limit: CPU time per request, plain and intercepted; one large body.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::replay::{RETAKE, Started, cost, start_limit, start_server};
use super::{load, machine};

/// The table of CPU time per recorded request.
pub fn throughput(quick: bool) {
    machine::pin(1);
    let calls = if quick { 10_000 } else { 100_000 };
    let rounds = if quick { 1 } else { 5 };
    let home = tempfile::tempdir().expect("a folder");
    let origin = start_limit(&["limit-origin"], home.path());
    let bare = start_limit(&["limit-proxy"], home.path());
    let retake = start_server(RETAKE, &["record", "--quiet", "--listen", "127.0.0.1:0"], home.path());
    let host = origin.address;
    let request = move |number: usize| {
        format!("GET http://{host}/items/{number} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
            .into_bytes()
    };
    println!(
        "record, CPU per request (plain, 1 KiB, 8 connections, {calls} calls, median of {rounds}; durable, masked, indexed)"
    );
    println!("{:>10}  {:>9}  {:>9}  {:>6}", "", "limit µs", "retake µs", "ratio");
    let (mut limits, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let limit = cost(&bare, calls, &request);
        let own = cost(&retake, calls, &request);
        limits.push(limit);
        ours.push(own);
        ratios.push(own / limit);
    }
    println!(
        "{:>10}  {:>9.2}  {:>9.2}  {:>6.2}",
        "plain",
        machine::median(limits),
        machine::median(ours),
        machine::median(ratios)
    );
    new_hosts(&retake, home.path(), &origin, quick);
    println!();
}

/// A CONNECT, a leaf made, a handshake, for many new hosts: the CPU time of each.
fn new_hosts(retake: &Started, home: &std::path::Path, origin: &Started, quick: bool) {
    let mut roots = rustls::RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(home.join("retake/ca/ca.pem")).expect("the CA");
    roots.add(ca).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let hosts = if quick { 50 } else { 500 };
    let before = machine::used(&retake.child).cpu;
    for number in 0..hosts {
        let mut stream = load::tunnel(retake.address, &format!("host-{number}.test"), origin.address.port(), &config);
        // The handshake is done when the first byte is written; no call follows, so nothing goes upstream.
        stream.flush().expect("a handshake");
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).expect("a handshake");
        }
    }
    let each = (machine::used(&retake.child).cpu - before) * 1e3 / f64::from(hosts);
    println!("a new TLS host (CONNECT, leaf made, handshake): {each:.2} ms of CPU");
}

/// One body of a gibibyte through the recorder: throughput and peak memory.
pub fn large(quick: bool) {
    let length = if quick { 64 << 20 } else { 1 << 30 };
    let home = tempfile::tempdir().expect("a folder");
    let origin = start_limit(&["limit-origin"], home.path());
    let retake = start_server(RETAKE, &["record", "--quiet", "--listen", "127.0.0.1:0"], home.path());
    let bare = start_limit(&["limit-proxy"], home.path());
    let host = origin.address;
    let request = format!("GET http://{host}/bytes/{length} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
    let rate = |server: &Started| {
        let begun = Instant::now();
        let got = load::Connection::new(load::connect(server.address)).call(&request).expect("an answer").1;
        assert_eq!(got, length);
        length as f64 / (1 << 20) as f64 / begun.elapsed().as_secs_f64()
    };
    let (limit, own) = (rate(&bare), rate(&retake));
    let peak = machine::used(&retake.child).peak;
    println!(
        "a body of {} MiB recorded: {own:.0} MiB/s (bare proxy {limit:.0}); peak memory of the recorder {peak:.0} MiB\n",
        length >> 20
    );
}
