//! What the disk, the system or somebody with an editor may do to a store. Traffic goes on; what was acknowledged is
//! there afterwards, or named as lost; nothing panics and nothing hangs.

mod calls;
mod disk;
mod durable;
mod kills;

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::http::Client;
use crate::harness::origin::noise;
use crate::harness::{Origin, Retake, Server};

/// No command on these small stores takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The paths that are called: every way that a body can take into the store.
const PATHS: [&str; 6] = ["/json", "/bytes/0", "/bytes/2000", "/bytes/100000", "/stream/3000", "/stream/100000"];

/// A whole answer that a client saw.
struct Seen {
    url: String,
    hash: String,
}

/// Calls the paths over one connection; answers must be right whatever happens to the store. Those that broke off are
/// counted.
fn call(server: &Server, origin: &Origin, label: &str) -> (Vec<Seen>, usize) {
    // By address: looking up a name opens files, and those are to fail only in the store.
    let host = origin.address;
    let (mut seen, mut broken) = (Vec::new(), 0);
    let mut connection = None;
    for path in PATHS {
        let url = format!("http://{host}{path}?{label}");
        let mut client = match connection.take() {
            Some(client) => client,
            None => Client::to(server).unwrap(),
        };
        let request = format!("GET {url} HTTP/1.1\r\nHost: {host}\r\nX-Device: device-{CANARY}\r\n\r\n");
        match client.send(request.as_bytes()).and_then(|()| client.answer("GET")) {
            Ok(answer) if answer.status() == 200 => {
                if let Ok(length) = path.rsplit('/').next().unwrap().parse() {
                    assert!(answer.body == noise(length), "{url}: other bytes than the origin's");
                }
                seen.push(Seen { url, hash: blake3::hash(&answer.body).to_hex().to_string() });
                connection = Some(client);
            }
            Ok(answer) => {
                assert_eq!(answer.field("x-retake-error"), Some("not-recorded"), "{url}: {}", answer.text());
                broken += 1;
            }
            Err(_) => broken += 1,
        }
    }
    (seen, broken)
}

/// A secret that no built-in rule finds.
const CANARY: &str = "marmalade-4711-xylophone";

/// What the log said was not recorded.
fn is_unrecorded(said: &str, url: &str) -> bool {
    said.lines().any(|line| line.contains(url) && line.ends_with("not recorded"))
}

/// Runs a command to its end; one that hangs is a failure.
fn run(mut command: Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let read = |stream: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stream.map(|mut stream| stream.read_to_end(&mut bytes));
            bytes
        })
    };
    let stdout = read(child.stdout.take().map(|stream| Box::new(stream) as _));
    let stderr = read(child.stderr.take().map(|stream| Box::new(stream) as _));
    let until = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() < until => std::thread::sleep(Duration::from_millis(2)),
            None => {
                let _ = child.kill();
                panic!("hangs: {command:?}");
            }
        }
    };
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

/// Ended by itself, with a code of its own and words that tell why.
fn ended_well(output: &Output) -> Result<(), String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    // Whoever loads programs may be hit before retake is there to say a word.
    if said.contains("error while loading shared libraries") {
        return Ok(());
    }
    if said.contains("panicked") || !matches!(code, Some(0..=3)) {
        return Err(format!("{}: {said}", output.status));
    }
    if code != Some(0) && !said.contains("error: ") && !said.contains("warning: ") {
        return Err(format!("{}, and no word of why: {said}", output.status));
    }
    Ok(())
}

/// The listing as it is now, by number, oldest first; the store must open.
fn listed(retake: &Retake) -> Result<Vec<Value>, String> {
    let output = run(retake.command(&["history", "list", "--json", "--all"]));
    ended_well(&output)?;
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("this history is empty") || said.contains("nothing has been recorded yet") {
        return Ok(Vec::new());
    }
    if !output.status.success() {
        return Err(format!("the history cannot be listed: {said}"));
    }
    let mut rows: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|error| format!("{error}: {line}")))
        .collect::<Result<_, _>>()?;
    rows.reverse();
    for pair in rows.windows(2) {
        if pair[0]["number"].as_u64() >= pair[1]["number"].as_u64() {
            return Err(format!("numbers are not in order: {} {}", pair[0], pair[1]));
        }
    }
    Ok(rows)
}

/// Whether everything listed can be read back: all of it at once, the large bodies byte for byte.
fn readable(retake: &Retake, rows: &[Value]) -> Result<(), String> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
    let output =
        run(retake.command(&["history", "show", &format!("{}-{}", first["number"], last["number"]), "--json"]));
    ended_well(&output)?;
    if !output.status.success() {
        return Err(format!("not all of it can be read: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let large = |row: &&Value| row["response_bytes"].as_u64() > Some(64 * 1024);
    let mut hashes = std::collections::HashSet::new();
    for row in rows.iter().filter(large).filter(|row| hashes.insert(row["response_blake3"].as_str())) {
        let output = run(retake.command(&["history", "show", &row["number"].to_string(), "--raw", "response-body"]));
        ended_well(&output)?;
        if row["response_blake3"] != blake3::hash(&output.stdout).to_hex().as_str() {
            return Err(format!("its body cannot be read back: {row}: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    Ok(())
}

/// Everything acknowledged is listed, complete, and what is listed can be read.
fn check(retake: &Retake, acknowledged: &[Seen]) -> Result<Vec<Value>, String> {
    let rows = listed(retake)?;
    let by_url: HashMap<&str, &Value> = rows.iter().map(|row| (row["url"].as_str().unwrap_or(""), row)).collect();
    for seen in acknowledged {
        let row = by_url.get(seen.url.as_str()).ok_or_else(|| format!("lost: {}", seen.url))?;
        if row["outcome"] != "complete" || row["response_blake3"] != seen.hash.as_str() {
            return Err(format!("not as the client saw it ({}): {row}", seen.hash));
        }
    }
    readable(retake, &rows)?;
    Ok(rows)
}

/// A machine of its own with a copy of what another one recorded.
fn copy_of(retake: &Retake) -> Retake {
    let copy = Retake::new();
    let status = Command::new("cp").arg("-a").arg(retake.store()).arg(copy.root().join("data")).status().unwrap();
    assert!(status.success());
    copy
}

/// Whether a text is in any file of a folder.
fn holds(folder: &Path, text: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.map(|entry| entry.unwrap().path()).any(|path| match path.is_dir() {
        true => holds(&path, text),
        false => std::fs::read(&path).unwrap().windows(text.len()).any(|bytes| bytes == text.as_bytes()),
    })
}

/// What is done to the history: by name, with its arguments.
const COMMANDS: &[(&str, &[&str])] = &[
    ("list", &["history", "list", "--json", "--all"]),
    ("show", &["history", "show", "4", "--raw", "response-body"]),
    ("delete", &["history", "delete", "3-8", "--yes"]),
    ("mask", &["history", "mask", "--rule", "field=X-Device", "--yes"]),
    ("prune", &["history", "prune", "--max-size", "1KB", "--keep-tagged", "--yes"]),
    ("tag", &["history", "tag", "1-9", "--add", "later"]),
];

/// Which exchanges a command takes away.
fn goes(name: &str, row: &Value) -> bool {
    match name {
        "delete" => (3..=8).contains(&row["number"].as_u64().unwrap()),
        "prune" => row["tags"].as_array().is_none_or(Vec::is_empty),
        _ => false,
    }
}

/// Whether the store is whole after a command that may have been cut off, and whether it can be given again.
fn changed(
    retake: &Retake,
    name: &str,
    arguments: &[&str],
    before: &[Value],
    output: Option<&Output>,
) -> Result<(), String> {
    output.map_or(Ok(()), ended_well)?;
    let rows = listed(retake)?;
    let same = |row: &Value| {
        let there = rows.iter().find(|found| found["number"] == row["number"]);
        there.is_some_and(|there| there["response_blake3"] == row["response_blake3"] && there["url"] == row["url"])
    };
    if let Some(lost) = before.iter().find(|row| !goes(name, row) && !same(row)) {
        return Err(format!("lost: {lost}"));
    }
    readable(retake, &rows)?;
    let done = |rows: &[Value]| match name {
        "delete" | "prune" => !rows.iter().any(|row| goes(name, row)),
        "mask" => !holds(&retake.store(), CANARY),
        "tag" => rows.iter().take(9).all(|row| row["tags"].to_string().contains("later")),
        _ => true,
    };
    if output.is_some_and(|output| output.status.success()) && !done(&rows) {
        return Err("it said that it was done, and was not".into());
    }
    // Given again, with nothing in its way.
    let again = run(retake.command(arguments));
    ended_well(&again)?;
    let rows = listed(retake)?;
    if !done(&rows)
        || !before
            .iter()
            .filter(|row| !goes(name, row))
            .all(|row| rows.iter().any(|found| found["number"] == row["number"]))
    {
        return Err(format!("given again, it is not done: {}", String::from_utf8_lossy(&again.stderr)));
    }
    Ok(())
}
