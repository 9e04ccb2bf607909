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

/// Seconds of CPU, user and system, that the process of `child` has used so far, in all its threads.
///
/// The kernel counts nanoseconds for the threads that live, and ticks of 10 ms for the whole process, with those that
/// ended. The finer figure is taken, unless threads that ended make it fall behind by more than two ticks.
pub fn cpu(child: &Child) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id()));
    let nanoseconds: u64 = tasks
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum();
    let fine = nanoseconds as f64 / 1e9;
    // Fields 14 and 15, counted after the name in parentheses, which may hold spaces.
    let stat = read(child, "stat");
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name.split(' ').skip(11).take(2).filter_map(|text| text.parse::<u64>().ok()).sum();
    let coarse = ticks as f64 / 100.0;
    if coarse > fine + 0.02 { coarse } else { fine }
}

/// Peak memory of the process of `child` so far, in MiB.
pub fn peak(child: &Child) -> f64 {
    let status = read(child, "status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn read(child: &Child, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap_or_default()
}

/// The median of some figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
