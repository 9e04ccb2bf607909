//! Bodies far larger than memory ought to be: they stream, and the recorder stays small.

use std::io::Read;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::http::{Client, Framing};
use crate::harness::origin::{HUGE_PIECE, noise};
use crate::harness::{Origin, Retake, Server, heavy};

/// The bound of the design, in KiB. A build without optimisation has three times the program, whose pages count here too
/// and say nothing of bodies: there only the bound below holds, and `cargo bench -- large` measures what is delivered.
const PEAK_KIB: u64 = 48 * 1024;
/// Of it, what is not pages of the program.
const OWN_KIB: u64 = 20 * 1024;

fn size() -> u64 {
    if heavy() { 1 << 30 } else { 64 << 20 }
}

/// The most memory that a process ever had resident, in KiB, and how much of that is not pages of its program. Only
/// Linux tells.
fn peak(server: &Server) -> Option<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).ok()?;
    let of = |name: &str| -> Option<u64> {
        status.lines().find(|line| line.starts_with(name))?.split_whitespace().nth(1)?.parse().ok()
    };
    let whole = of("VmHWM:")?;
    Some((whole, whole.saturating_sub(of("RssFile:")?)))
}

fn assert_small(server: &Server, what: &str) {
    match peak(server) {
        Some((peak, own)) => {
            println!("{what} of {} MiB: peak memory {} MiB, {} MiB its own", size() >> 20, peak / 1024, own / 1024);
            assert!(cfg!(debug_assertions) || peak <= PEAK_KIB, "{what}: peak memory {peak} KiB");
            assert!(own <= OWN_KIB, "{what}: peak memory beside the program {own} KiB");
        }
        None => println!("{what}: this system does not tell peak memory"),
    }
}

/// Hash and length of a body in the history, read as a stream.
fn stored(retake: &Retake, number: &str, part: &str) -> (String, u64) {
    let mut command = retake.command(&["history", "show", number, "--raw", part]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let (mut hasher, mut length, mut piece) = (blake3::Hasher::new(), 0, vec![0; 1 << 20]);
    loop {
        match stdout.read(&mut piece).unwrap() {
            0 => break,
            read => {
                hasher.update(&piece[..read]);
                length += read as u64;
            }
        }
    }
    assert!(child.wait().unwrap().success());
    (hasher.finalize().to_hex().to_string(), length)
}

/// What `/huge/N` sends.
fn expected(length: u64) -> String {
    let piece = noise(HUGE_PIECE);
    let (mut hasher, mut left) = (blake3::Hasher::new(), length);
    while left > 0 {
        let part = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        hasher.update(&piece[..part]);
        left -= part as u64;
    }
    hasher.finalize().to_hex().to_string()
}

fn only_row(retake: &Retake) -> Value {
    let rows = retake.json(&["history", "list", "--json", "--all"]);
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.into_iter().next().unwrap()
}

#[test]
fn a_download_larger_than_memory_streams_into_the_store() {
    let retake = Retake::new();
    let origin = Origin::plain();
    let recorder = retake.record(&[]);
    let url = origin.url(&format!("/huge/{}", size()));
    let mut client = Client::to(&recorder).unwrap();
    client.send(format!("GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    let head = client.head().unwrap();
    assert_eq!((head.status, head.framing("GET")), (200, Framing::Length(size())));
    let mut hasher = blake3::Hasher::new();
    client.body(Framing::Length(size()), |piece| _ = hasher.update(piece)).unwrap();
    let got = hasher.finalize().to_hex().to_string();
    assert_eq!(got, expected(size()), "the client got what the origin sent");
    // The last byte was held until the record was safe: it is there now, while the recorder runs.
    let row = only_row(&retake);
    assert_eq!((&row["outcome"], row["response_bytes"].as_u64()), (&Value::from("complete"), Some(size())), "{row}");
    assert_eq!(row["response_blake3"], got.as_str());
    assert_eq!(stored(&retake, "1", "response-body"), (got, size()));
    assert_small(&recorder, "a download");
    assert_eq!(recorder.stop().0, 0);
}

#[test]
fn an_upload_larger_than_memory_streams_into_the_store() {
    let retake = Retake::new();
    let origin = Origin::plain();
    let recorder = retake.record(&[]);
    let mut client = Client::to(&recorder).unwrap();
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        origin.url("/upload"),
        size()
    );
    client.send(head.as_bytes()).unwrap();
    let piece = noise(HUGE_PIECE);
    for _ in 0..size() / HUGE_PIECE as u64 {
        client.send(&piece).unwrap();
    }
    let answer = client.answer("PUT").unwrap();
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    let sent = expected(size());
    assert_eq!((told["blake3"].as_str(), told["bytes"].as_u64()), (Some(sent.as_str()), Some(size())));
    let row = only_row(&retake);
    assert_eq!((&row["outcome"], row["request_bytes"].as_u64()), (&Value::from("complete"), Some(size())), "{row}");
    assert_eq!(stored(&retake, "1", "request-body"), (sent, size()));
    assert_small(&recorder, "an upload");
    assert_eq!(recorder.stop().0, 0);
}
