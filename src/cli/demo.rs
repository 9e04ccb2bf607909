//! `retake demo`: the whole loop on this machine. Each step runs this very program, as a user would.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::args::{DemoArgs, Global};
use super::exit::{CliError, Exit, Outcome};
use super::output::{BOLD, DIM, GOOD, Printer};
use crate::app::demo::api::{SampleApi, TOKEN};
use crate::app::demo::client::{Answer, Call, Client};

/// A file in the folder of a demo, by which a later one knows that it may be replaced.
const MARK: &str = ".retake-demo";

pub(super) fn run(args: DemoArgs, _global: &Global, printer: Printer) -> Outcome {
    let begun = Instant::now();
    let dir = prepare(&args.dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| CliError::failure(format!("the runtime could not start: {error}")))?;
    runtime.block_on(Demo { dir, shown: args.dir, printer }.play())?;
    printer.say(format_args!("\n{DIM}The whole loop took {:.1} s.{DIM:#}", begun.elapsed().as_secs_f64()));
    Ok(Exit::SUCCESS)
}

/// Makes the folder, or empties one that an earlier demo made.
fn prepare(dir: &Path) -> Result<PathBuf, CliError> {
    let failed = |error: std::io::Error| CliError::failure(format!("{}: {error}", dir.display()));
    if dir.exists() {
        if !dir.join(MARK).exists() {
            return Err(CliError::usage(format!("{} exists, and no demo made it", dir.display()))
                .hint("name another folder: `retake demo --dir DIR`"));
        }
        std::fs::remove_dir_all(dir).map_err(failed)?;
    }
    std::fs::create_dir_all(dir.join("data")).map_err(failed)?;
    std::fs::write(dir.join(MARK), "made by `retake demo`, which may replace this folder\n").map_err(failed)?;
    dir.canonicalize().map_err(failed)
}

struct Demo {
    dir: PathBuf,
    shown: PathBuf,
    printer: Printer,
}

impl Demo {
    async fn play(&self) -> Result<(), CliError> {
        let api = SampleApi::start().await.map_err(CliError::failure)?;
        std::fs::write(self.dir.join("api-ca.pem"), api.ca_pem()).map_err(CliError::failure)?;
        self.title(&format!("A sample API of a tea house listens on {}", api.origin()));
        self.note(&format!("history, CA and mocks of this demo lie in {}, not in your home", self.shown.display()));

        let calls = calls(&api.origin());
        let recorded = self.record(&calls).await?;
        self.history()?;
        self.promote()?;

        self.title("The API is stopped; from here on there is only the mock");
        drop(api);
        self.replay(&calls, &recorded).await
    }

    async fn record(&self, calls: &[Call]) -> Result<Vec<Answer>, CliError> {
        self.title("1. Record: explore the API through the proxy");
        let arguments = ["record", "--upstream-ca", "api-ca.pem", "--listen", "127.0.0.1:0", "--json"];
        let mut recorder = self.start(&arguments)?;
        let client = Client::new(&recorder.url, &recorder.ca).map_err(CliError::failure)?;
        let mut answers = Vec::new();
        for call in calls {
            answers.push(client.call(call).await.map_err(|error| CliError::failure(format!("{}: {error}", call.url)))?);
        }
        recorder.stop()?;
        Ok(answers)
    }

    fn history(&self) -> Result<(), CliError> {
        self.title("2. Look at the history: it has everything but the secrets");
        self.command(&["history", "--day", "today"], 0)?;
        let leaks = files(&self.dir).into_iter().filter(|file| contains(file, TOKEN.as_bytes())).count();
        if leaks > 0 {
            return Err(CliError::failure(format!(
                "the login token stands in {leaks} files of {}",
                self.dir.display()
            )));
        }
        self.note("the token that `POST /login` handed out was searched in every file: it is nowhere on disk");
        Ok(())
    }

    fn promote(&self) -> Result<(), CliError> {
        self.title("3. Promote: the day becomes a mock collection, ready to commit");
        self.command(&["promote", "--day", "today", "--into", "teahouse"], 0)?;
        self.command(&["mock", "list", "teahouse"], 0)
    }

    async fn replay(&self, calls: &[Call], recorded: &[Answer]) -> Result<(), CliError> {
        self.title("4. Replay: the same calls, offline");
        let mut replay = self.start(&["replay", "teahouse", "--listen", "127.0.0.1:0", "--json"])?;
        let client = Client::new(&replay.url, &replay.ca).map_err(CliError::failure)?;
        for (call, recorded) in calls.iter().zip(recorded) {
            let answer =
                client.call(call).await.map_err(|error| CliError::failure(format!("{}: {error}", call.url)))?;
            let same = if answer.status != recorded.status {
                false
            } else if call.url.ends_with("/login") {
                // The one answer that differs, and on purpose: a placeholder stands for the token.
                !answer.body.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes())
            } else {
                answer.body == recorded.body
            };
            if !same {
                return Err(CliError::failure(format!("{} {} was answered differently", call.method, call.url)));
            }
        }
        self.note(&format!("{GOOD}{} calls, every status and body as recorded{GOOD:#}", calls.len()));

        self.title("5. A miss: three teas were never ordered, so nothing answers, and you are told why");
        let mut changed = calls.iter().find(|call| call.json.is_some() && call.token.is_some()).cloned();
        if let Some(call) = &mut changed {
            call.json = Some(json!({ "item": "tea", "quantity": 3 }));
            let answer = client.call(call).await.map_err(CliError::failure)?;
            self.note(&format!("{} {} → {}", call.method, call.url, answer.status));
        }
        let code = replay.stop()?;
        if code != Exit::FOUND.0 {
            return Err(CliError::failure(format!("the replay with a miss ended with exit code {code}, not 3")));
        }
        self.command(&["calls", "show", &(calls.len() + 1).to_string()], 0)?;
        self.note("exit code 3: a test run with such a call fails");
        self.title("Now with a real API");
        for line in
            ["retake record -- COMMAND", "retake promote --day today --into NAME", "retake replay NAME -- COMMAND"]
        {
            self.printer.say(format_args!("  {line}"));
        }
        Ok(())
    }

    fn title(&self, text: &str) {
        self.printer.say(format_args!("\n{BOLD}{text}{BOLD:#}"));
    }

    fn note(&self, text: &str) {
        self.printer.say(format_args!("{DIM}→{DIM:#} {text}"));
    }

    /// This program, with these arguments, at home in the demo's folder.
    fn prepare(&self, arguments: &[&str]) -> Result<Command, CliError> {
        self.printer.say(format_args!("{BOLD}$ retake {}{BOLD:#}", arguments.join(" ")));
        let own = std::env::current_exe()
            .map_err(|error| CliError::failure(format!("this program cannot be found: {error}")))?;
        let mut command = Command::new(own);
        command.args(arguments).current_dir(&self.dir).stdin(Stdio::null());
        command.env("XDG_DATA_HOME", self.dir.join("data")).env("XDG_CONFIG_HOME", self.dir.join("data"));
        for name in [
            "RETAKE_STORE",
            "RETAKE_LISTEN",
            "RETAKE_MOCKS",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "http_proxy",
            "https_proxy",
            "all_proxy",
        ] {
            command.env_remove(name);
        }
        Ok(command)
    }

    /// Runs a command to its end; its output is the demo's.
    fn command(&self, arguments: &[&str], expected: i32) -> Result<(), CliError> {
        let status = self.prepare(arguments)?.status().map_err(CliError::failure)?;
        if status.code() != Some(expected) {
            return Err(CliError::failure(format!("`retake {}` ended with {status}", arguments.join(" "))));
        }
        Ok(())
    }

    /// Starts a server; what it says on stderr is the demo's, its ready line is read.
    fn start(&self, arguments: &[&str]) -> Result<Server, CliError> {
        let child = self.prepare(arguments)?.stdout(Stdio::piped()).spawn().map_err(CliError::failure)?;
        let mut server = Server { child, url: String::new(), ca: PathBuf::new() };
        let mut line = String::new();
        if let Some(stdout) = server.child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(CliError::failure)?;
        }
        let ready: Value = serde_json::from_str(&line)
            .map_err(|_| CliError::failure(format!("`retake {}` did not start: see above", arguments.join(" "))))?;
        server.url = ready["url"].as_str().unwrap_or_default().to_owned();
        server.ca = PathBuf::from(ready["ca"].as_str().unwrap_or_default());
        Ok(server)
    }
}

/// A recorder or replay of the demo; killed if the demo fails half-way.
struct Server {
    child: Child,
    url: String,
    ca: PathBuf,
}

impl Server {
    /// Ctrl-C, and the exit code.
    fn stop(&mut self) -> Result<u8, CliError> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            rustix::process::kill_process(pid, rustix::process::Signal::INT).map_err(CliError::failure)?;
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = self.child.try_wait().map_err(CliError::failure)? {
                return Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1));
            }
            if Instant::now() > deadline {
                return Err(CliError::failure("the server did not stop within ten seconds"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a developer might try on a first look.
fn calls(origin: &str) -> Vec<Call> {
    let call = |method, path: &str| Call { method, url: format!("{origin}{path}"), token: None, json: None };
    let with_token = |call: Call| Call { token: Some(TOKEN.to_owned()), ..call };
    let order = Call { json: Some(json!({ "item": "tea", "quantity": 2 })), ..call("POST", "/orders") };
    vec![
        call("GET", "/menu?lang=en"),
        call("GET", "/menu?lang=de"),
        call("GET", "/orders/1001"),
        Call { json: Some(json!({ "user": "alice", "password": "wonderland" })), ..call("POST", "/login") },
        with_token(order),
        with_token(call("GET", "/orders/1001")),
        with_token(call("GET", "/orders/1001")),
    ]
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

fn contains(file: &Path, needle: &[u8]) -> bool {
    std::fs::read(file).is_ok_and(|bytes| memchr::memmem::find(&bytes, needle).is_some())
}
