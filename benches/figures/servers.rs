//! Servers under measurement: started, asked, and stopped when dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};

use super::{load, machine};

/// The binary under measurement.
pub const RETAKE: &str = env!("CARGO_BIN_EXE_retake");

/// A server that this program started; killed when dropped.
pub struct Started {
    pub child: Child,
    pub address: SocketAddr,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a command on the server's core, with everything of its own under `home`, and waits for the URL it prints.
pub fn start(program: &str, arguments: &[&str], home: &Path) -> Started {
    let mut command = machine::on_server_core(program);
    command.args(arguments).env("XDG_DATA_HOME", home).env("XDG_CONFIG_HOME", home).env("HOME", home).current_dir(home);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a server");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let address = line.trim().trim_start_matches("http://").parse().unwrap_or_else(|_| panic!("no URL: {line:?}"));
    Started { child, address }
}

/// This program, as the limit.
pub fn start_limit(arguments: &[&str], home: &Path) -> Started {
    let own = std::env::current_exe().expect("this program");
    start(own.to_str().expect("a plain path"), arguments, home)
}

/// CPU microseconds per request of a server under load, over the connections that `connect` makes; a tenth of the
/// calls comes first, to warm up.
pub fn cost<S: Read + Write + Send>(
    server: &Started,
    calls: usize,
    status: u16,
    connect: &dyn Fn(SocketAddr) -> load::Connection<S>,
    request: &(dyn Fn(usize) -> Vec<u8> + Sync),
) -> f64 {
    let connections = || (0..8).map(|_| connect(server.address)).collect::<Vec<_>>();
    load::run(connections(), calls / 10, status, request);
    let ready: Vec<_> = connections().into_iter().map(|mut each| each.call(&request(0)).map(|_| each)).collect();
    let ready = ready.into_iter().map(|each| each.expect("an answer")).collect();
    let before = machine::cpu(&server.child);
    let made = load::run(ready, calls, status, request);
    (machine::cpu(&server.child) - before) * 1e6 / made as f64
}

/// Limit and retake measured in turn: the medians, and the median of the ratios of the rounds.
pub struct Compared {
    pub limit: f64,
    pub own: f64,
    pub ratio: f64,
}

/// Takes both figures `rounds` times.
pub fn compare(rounds: usize, mut limit: impl FnMut() -> f64, mut own: impl FnMut() -> f64) -> Compared {
    let rounds: Vec<(f64, f64)> = (0..rounds).map(|_| (limit(), own())).collect();
    let median = |figure: &dyn Fn(&(f64, f64)) -> f64| machine::median(rounds.iter().map(figure).collect());
    Compared {
        limit: median(&|round| round.0),
        own: median(&|round| round.1),
        ratio: median(&|round| round.1 / round.0),
    }
}

/// The head of a table of comparisons.
pub fn head(what: &str, unit: &str) {
    println!("{what:<44} {:>12} {:>12} {:>7}  goal", format!("limit {unit}"), format!("retake {unit}"), "ratio");
}

/// A line of such a table.
pub fn row(what: &str, compared: &Compared, goal: &str) {
    println!("{what:<44} {:>12.2} {:>12.2} {:>7.2}  {goal}", compared.limit, compared.own, compared.ratio);
    let _ = std::io::stdout().flush();
}

/// A line for what has no limit.
pub fn alone(what: &str, own: &str, goal: &str) {
    println!("{what:<44} {:>12} {own:>12} {:>7}  {goal}", "-", "");
    let _ = std::io::stdout().flush();
}
