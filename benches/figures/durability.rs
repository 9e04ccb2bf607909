//! What `--durability disk` costs: exchanges a second beside those of `process`, where clients wait for the disk.

use std::path::Path;
use std::time::Instant;

use super::load;
use super::machine::median;
use super::servers::{RETAKE, Started, compare, head, row, start, start_limit};

fn recorder(home: &Path, durability: &str) -> Started {
    let store = home.join(durability);
    let store = store.to_str().expect("a plain path");
    let arguments = ["record", "--quiet", "--listen", "127.0.0.1:0", "--durability", durability, "--store", store];
    start(RETAKE, &arguments, home)
}

/// Exchanges a second by the clock, at one, eight and sixty-four clients, each with one call at a time.
pub fn waiting(quick: bool) {
    let home = tempfile::tempdir().expect("a folder");
    let origin = start_limit(&["limit-origin"], home.path());
    let (process, disk) = (recorder(home.path(), "process"), recorder(home.path(), "disk"));
    let host = origin.address;
    let request =
        |number: usize| format!("GET http://{host}/items/{number} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
    head("durability, exchanges/s: process beside disk", "");
    for clients in [1, 8, 64] {
        let rate = |server: &Started, calls: usize| {
            let connections = (0..clients).map(|_| load::plain(server.address)).collect();
            let begun = Instant::now();
            load::run(connections, calls, 200, &request) as f64 / begun.elapsed().as_secs_f64()
        };
        let calls = if quick { 20 * clients } else { 200 * clients };
        let rounds = if quick { 1 } else { 3 };
        let compared = compare(rounds, || rate(&process, 10 * calls), || rate(&disk, calls));
        row(&format!("  {clients} client(s), 1 KiB of JSON"), &compared, "");
    }
    let sync = || {
        let file = std::fs::File::create(home.path().join("plain")).expect("a file");
        let times = (0..50).map(|_| {
            std::io::Write::write_all(&mut &file, &[7; 2048]).expect("room on the disk");
            let begun = Instant::now();
            file.sync_data().expect("a disk");
            begun.elapsed().as_secs_f64() * 1e3
        });
        median(times.collect())
    };
    super::servers::alone("  one sync of 2 KiB on this disk, ms", &format!("{:.2}", sync()), "");
    println!();
}
