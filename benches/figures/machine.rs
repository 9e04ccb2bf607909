//! The machine: cores, and what a process has used.

use std::process::{Child, Command, Stdio};

/// The machine in a line.
pub fn describe() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown processor").to_owned();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} cores; server on core 0, load on core 1")
}

/// Keeps this process, and what it starts from now on, on one core. Without `taskset` it runs where it likes.
pub fn pin(core: usize) {
    let _ = Command::new("taskset")
        .args(["-a", "-c", "-p", &core.to_string(), &std::process::id().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// A command that runs on core 0.
pub fn on_server_core(program: &str) -> Command {
    let has_taskset = Command::new("taskset").arg("-V").stdout(Stdio::null()).status().is_ok();
    if !has_taskset {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", "0", program]);
    command
}

/// What a process has used so far.
#[derive(Clone, Copy)]
pub struct Used {
    /// User and system time, in seconds.
    pub cpu: f64,
    /// Peak memory, in MiB.
    pub peak: f64,
}

/// What the process of `child` has used so far.
pub fn used(child: &Child) -> Used {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap_or_default();
    // Nanoseconds on the CPU, summed over the threads that live; clock ticks would be too coarse.
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id()));
    let nanoseconds: u64 = tasks
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum();
    let status = read("status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0);
    Used { cpu: nanoseconds as f64 / 1e9, peak: peak / 1024.0 }
}

/// The median of some figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
