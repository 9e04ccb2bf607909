//! What the report of a miss costs where bodies are large, or made to be hard to compare.

use std::path::Path;

use super::load;
use super::servers::{RETAKE, Started, alone, cost, head, start};

/// The size of each body.
const SIZE: usize = 10 * 1000 * 1000;

/// Two bodies that are to be compared.
struct Pair {
    what: &'static str,
    media_type: &'static str,
    recorded: Vec<u8>,
    called: Vec<u8>,
}

/// Numbers in an order that repeats, and from another place of it: nothing stands where it stood.
fn numbers(from: usize, separator: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(SIZE + 16);
    for number in from.. {
        if out.len() >= SIZE {
            break;
        }
        out.extend_from_slice((number * 7 % 1000).to_string().as_bytes());
        out.push(separator);
    }
    out.pop();
    out
}

fn array(from: usize) -> Vec<u8> {
    [&b"["[..], &numbers(from, b','), b"]"].concat()
}

/// Objects of which one has another value, as far behind as it is looked for.
fn catalogue(price: usize) -> Vec<u8> {
    let mut out = b"{\"items\":[".to_vec();
    let mut is_told = false;
    for number in 0.. {
        if out.len() >= SIZE {
            break;
        }
        let here = !is_told && out.len() > 2_000_000;
        is_told |= here;
        let price = if here { price } else { number % 500 };
        let comma = if number == 0 { "" } else { "," };
        out.extend_from_slice(
            format!("{comma}{{\"sku\":\"A-{number:07}\",\"price\":{price:04},\"name\":\"words\"}}").as_bytes(),
        );
    }
    out.extend_from_slice(b"]}");
    // A price of four digits may not begin with 0.
    String::from_utf8(out).expect("ASCII").replace("\"price\":0", "\"price\":1").into_bytes()
}

fn pairs() -> [Pair; 3] {
    let (json, text) = ("application/json", "text/plain");
    [
        Pair { what: "JSON, all stands elsewhere", media_type: json, recorded: array(0), called: array(3) },
        Pair {
            what: "JSON, one value 2 MB behind",
            media_type: json,
            recorded: catalogue(7001),
            called: catalogue(7002),
        },
        Pair {
            what: "text, all stands elsewhere",
            media_type: text,
            recorded: numbers(0, b'\n'),
            called: numbers(3, b'\n'),
        },
    ]
}

fn write_collection(folder: &Path, pairs: &[Pair]) {
    for name in ["stubs", "bodies"] {
        std::fs::create_dir_all(folder.join(name)).expect("a folder");
    }
    let manifest = r#"{"version": 1, "name": "bench", "origins": ["http://api.test"]}"#;
    std::fs::write(folder.join("collection.json"), manifest).expect("a file");
    for (at, pair) in pairs.iter().enumerate() {
        std::fs::write(folder.join(format!("bodies/{at}.bin")), &pair.recorded).expect("a file");
        let media_type = pair.media_type;
        let stub = format!(
            r#"{{"version": 1, "method": "POST", "origin": "http://api.test", "path": "/{at}", "scenarios": [{{"name": "ok", "request": {{"media_type": "{media_type}", "body": {{"file": "bodies/{at}.bin"}}}}, "response": {{"status": 200}}}}]}}"#
        );
        std::fs::write(folder.join(format!("stubs/post-{at}.json")), stub).expect("a file");
    }
}

fn request(at: usize, media_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST /{at} HTTP/1.1\r\nHost: api.test\r\nAccept: text/plain\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// CPU time of a call that misses, beside the same call that hits: taking in ten megabytes costs in either case.
pub fn large(quick: bool) {
    let calls = if quick { 16 } else { 64 };
    let pairs = pairs();
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("bench");
    write_collection(&folder, &pairs);
    let retake: Started =
        start(RETAKE, &["replay", folder.to_str().expect("a plain path"), "--listen", "127.0.0.1:0"], home.path());
    head(&format!("a miss of 10 MB, CPU ({calls} calls)"), "ms");
    for (at, pair) in pairs.iter().enumerate() {
        let call = |body: &[u8], status: u16| {
            let sent = request(at, pair.media_type, body);
            cost(&retake, calls, status, &load::plain, &|_| sent.clone()) / 1e3
        };
        let (hit, miss) = (call(&pair.recorded, 200), call(&pair.called, 501));
        let told = format!("{:.1} ms", (miss - hit).max(0.0));
        alone(&format!("  {}: the report", pair.what), &told, "<= 50 ms");
        println!("    a hit {hit:.1} ms, a miss {miss:.1} ms");
    }
    println!();
}
