//! Time, CPU and memory: of this process, and of a command.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Bytes in a MiB.
pub const MIB: f64 = 1024.0 * 1024.0;

/// Seconds of CPU that this process has used, in all its threads.
pub fn own_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields 14 and 15, counted after the name in parentheses, in ticks of 10 ms.
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name.split(' ').skip(11).take(2).filter_map(|text| text.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

/// Resident memory of this process in MiB.
pub fn own_resident() -> f64 {
    of_status("self", "VmRSS:")
}

fn of_status(process: &str, line: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let text = status.lines().find_map(|text| text.strip_prefix(line)).unwrap_or("0 kB");
    text.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
}

/// Bytes of all files below a folder.
pub fn folder_bytes(folder: &Path) -> f64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => folder_bytes(&entry.path()),
        Ok(about) => about.len() as f64,
        Err(_) => 0.0,
    };
    entries.map(of).sum()
}

/// The median of the times, in ms, that `times` runs take.
pub fn median_ms(times: usize, mut run: impl FnMut()) -> f64 {
    let mut taken: Vec<f64> = (0..times.max(1))
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    taken[taken.len() / 2]
}

/// A whole command: how long it took in ms, its peak memory in MiB, and how many bytes it wrote.
pub struct Run {
    pub ms: f64,
    pub peak: f64,
    pub written: u64,
}

/// Runs `retake` over a store, its output into a pipe that is read as it comes.
pub fn command(store: &Path, arguments: &[&str]) -> Run {
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_retake"))
        .arg("--store")
        .arg(store)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command starts");
    let pid = child.id().to_string();
    let mut output = child.stdout.take().expect("its output is a pipe");
    let reader = std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()).unwrap_or(0));
    let mut peak: f64 = 0.0;
    let status = loop {
        peak = peak.max(of_status(&pid, "VmHWM:"));
        match child.try_wait() {
            Ok(Some(status)) => break status,
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let ms = started.elapsed().as_secs_f64() * 1e3;
    assert!(status.success(), "`retake {}` failed", arguments.join(" "));
    Run { ms, peak, written: reader.join().unwrap_or(0) }
}
