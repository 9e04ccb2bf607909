//! The binary under test, in a home of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A fresh machine as far as retake can see: own data, config, runtime and working directories.
pub struct Retake {
    dir: TempDir,
}

impl Retake {
    pub fn new() -> Retake {
        let dir = tempfile::tempdir().unwrap();
        for name in ["data", "config", "run", "work"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        Retake { dir }
    }

    /// The working directory: `mocks/` appears here.
    pub fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// The history's folder.
    pub fn store(&self) -> PathBuf {
        self.dir.path().join("data/retake")
    }

    /// Everything that retake can have written.
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// The PEM of this installation's CA.
    pub fn ca(&self) -> PathBuf {
        self.store().join("ca/ca.pem")
    }

    /// A command line, not yet started; stdin is closed.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retake"));
        self.furnish(&mut command);
        command.args(args);
        command
    }

    /// Gives any command the environment of this machine, without what the tests themselves inherited.
    pub fn furnish(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let upper = name.to_ascii_uppercase();
            if upper.ends_with("_PROXY")
                || upper.starts_with("RETAKE_")
                || upper == "SSL_CERT_FILE"
                || upper == "JAVA_TOOL_OPTIONS"
                || upper == "CI"
            {
                command.env_remove(name);
            }
        }
        command
            .env("HOME", self.dir.path())
            .env("XDG_DATA_HOME", self.dir.path().join("data"))
            .env("XDG_CONFIG_HOME", self.dir.path().join("config"))
            .env("XDG_RUNTIME_DIR", self.dir.path().join("run"))
            .env("TZ", "UTC")
            .env("NO_COLOR", "1")
            .env("RUST_BACKTRACE", "0")
            .current_dir(self.work())
            .stdin(Stdio::null());
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(args, self.command(args).output().unwrap())
    }

    /// Runs a command that must succeed, and returns what it printed as data.
    pub fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{ran}");
        ran.stdout
    }

    /// Runs a command that must succeed, and returns its lines of JSON.
    pub fn json(&self, args: &[&str]) -> Vec<Value> {
        self.ok(args)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// Starts a server (`record` or `replay`), and waits until it is ready.
    pub fn start(&self, args: &[&str]) -> Server {
        Server::start(self.command(args))
    }

    /// `record` on a free port, trusting the test CA upstream.
    pub fn record(&self, more: &[&str]) -> Server {
        Server::start(self.record_command(more))
    }

    /// What [`Retake::record`] starts.
    pub fn record_command(&self, more: &[&str]) -> Command {
        let test_ca = super::cert("ca.pem");
        let mut args = vec!["record", "--json", "--listen", "127.0.0.1:0", "--upstream-ca", test_ca.to_str().unwrap()];
        args.extend(more);
        self.command(&args)
    }

    /// `replay` on a free port.
    pub fn replay(&self, more: &[&str]) -> Server {
        let mut args = vec!["replay", "--json", "--listen", "127.0.0.1:0"];
        args.extend(more);
        self.start(&args)
    }
}

/// A finished command.
pub struct Ran {
    pub command: String,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    fn of(args: &[&str], output: Output) -> Ran {
        use std::os::unix::process::ExitStatusExt;
        Ran {
            command: format!("retake {}", args.join(" ")),
            code: output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0)),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "$ {}\nexit code {}\n--- stdout\n{}--- stderr\n{}", self.command, self.code, self.stdout, self.stderr)
    }
}

/// A running recorder or replay.
pub struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// The PEM of the CA that it signs with.
    pub ca: PathBuf,
    /// The whole ready object.
    pub ready: Value,
    stderr: Option<std::thread::JoinHandle<String>>,
}

impl Server {
    /// Starts a command that prints a ready object, and waits for it.
    pub fn start(command: Command) -> Server {
        match Server::try_start(command) {
            Ok(server) => server,
            Err(output) => panic!("not ready ({}): {}", output.status, String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// [`Server::start`]; one that ends before it is ready is given back as what it left.
    pub fn try_start(mut command: Command) -> Result<Server, Output> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            let (status, stdout) = (child.wait().unwrap(), line.into_bytes());
            return Err(Output { status, stdout, stderr: stderr.join().unwrap().into_bytes() });
        };
        let text = |name: &str| ready[name].as_str().unwrap_or_else(|| panic!("no {name} in {line}")).to_owned();
        Ok(Server { url: text("url"), ca: text("ca").into(), child, ready, stderr: Some(stderr) })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().trim_end_matches('/').parse().unwrap()
    }

    /// Where it listens.
    pub fn address(&self) -> std::net::SocketAddr {
        self.url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap()
    }

    /// Sends a signal by its name, such as `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Ctrl-C, and waits for the end: exit code and what was said on stderr.
    pub fn stop(mut self) -> (i32, String) {
        self.signal("INT");
        self.wait()
    }

    /// Kills it without a chance to clean up.
    pub fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.wait().1
    }

    /// Kills it like [`Server::kill`], while others still use it; [`Server::wait`] is the end.
    pub fn kill_now(&self) {
        self.signal("KILL");
    }

    /// Waits for the end: exit code and what was said on stderr.
    pub fn wait(&mut self) -> (i32, String) {
        use std::os::unix::process::ExitStatusExt;
        let status = super::eventually_within(30, "the server ends", || self.child.try_wait().unwrap());
        let stderr = self.stderr.take().map(|thread| thread.join().unwrap()).unwrap_or_default();
        (status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)), stderr)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
