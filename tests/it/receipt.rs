//! The receipt of a run as files: text, JSON, JUnit XML that CI servers read, and a page.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::http::Client;
use crate::harness::{Retake, browser, clients, skip};

/// What is recorded tries to act where it is shown.
const HOSTILE: &str =
    "<script>document.title='owned';fetch('http://leak.test/a')</script><img src='http://leak.test/b'>";

/// A collection with a plain scenario, one that is called inexactly, a sequence that is used up, and one never called.
fn collection(retake: &Retake) {
    let dir = retake.work().join("mocks/shop");
    std::fs::create_dir_all(dir.join("stubs")).unwrap();
    let write = |name: &str, content: Value| std::fs::write(dir.join(name), content.to_string()).unwrap();
    let origin = "https://api.test";
    write("collection.json", json!({ "version": 1, "name": "shop", "origins": [origin] }));
    let answer = json!({ "status": 200, "body": { "text": "here" } });
    let stub = |name: &str, method: &str, path: &str, scenario: Value| {
        let stub = json!({ "version": 1, "method": method, "origin": origin, "path": path, "scenarios": [scenario] });
        write(&format!("stubs/{name}.json"), stub);
    };
    stub("plain", "GET", "/plain", json!({ "name": "ok", "response": answer }));
    stub(
        "list",
        "GET",
        "/list",
        json!({ "name": "page", "request": { "query": ["page=1", "size=2"] }, "response": answer }),
    );
    stub("once", "GET", "/once", json!({ "name": "it", "responses": [answer], "end": "miss" }));
    stub("idle", "GET", "/idle", json!({ "name": HOSTILE, "response": answer }));
    let note = json!({ "media_type": "application/json", "body": { "json": { "text": "hello" } } });
    stub("notes", "POST", "/notes", json!({ "name": "hello", "request": note, "response": answer }));
}

struct Run {
    code: i32,
    said: String,
    files: Vec<PathBuf>,
}

impl Run {
    fn text(&self, at: usize) -> String {
        std::fs::read_to_string(&self.files[at]).unwrap()
    }
}

/// A run with every kind of answer; `calls` are targets, or bodies for `/notes`.
fn run(retake: &Retake, calls: &[&str], more: &[&str]) -> Run {
    let files: Vec<PathBuf> =
        ["txt", "json", "xml", "html"].map(|end| retake.work().join(format!("receipt.{end}"))).into();
    let reports: Vec<String> = ["text", "json", "junit", "html"]
        .iter()
        .zip(&files)
        .map(|(format, file)| format!("{format}={}", file.display()))
        .collect();
    let mut args = vec!["shop"];
    reports.iter().for_each(|report| args.extend(["--report", report]));
    args.extend(more);
    let server = retake.replay(&args);
    let mut client = Client::to(&server).unwrap();
    for call in calls {
        match call.strip_prefix('/') {
            Some(_) => drop(client.get(call, "api.test").unwrap()),
            None => {
                let (kind, length) = ("Content-Type: application/json", call.len());
                let head =
                    format!("POST /notes HTTP/1.1\r\nHost: api.test\r\n{kind}\r\nContent-Length: {length}\r\n\r\n");
                client.send(format!("{head}{call}").as_bytes()).unwrap();
                client.answer("POST").unwrap();
            }
        }
    }
    let (code, said) = server.stop();
    Run { code, said, files }
}

fn everything(retake: &Retake) -> Run {
    collection(retake);
    let hostile = json!({ "text": HOSTILE }).to_string();
    run(retake, &["/plain", "/plain", "/list?page=1&size=2&x=2", "/once", "/once", "/nowhere", &hostile, &hostile], &[])
}

#[test]
fn a_receipt_says_what_a_run_came_to_in_every_form() {
    let retake = Retake::new();
    let run = everything(&retake);
    assert_eq!(run.code, 3);
    let receipt: Value = serde_json::from_str(&run.text(1)).unwrap();
    assert_eq!([&receipt["served"], &receipt["inexact"], &receipt["missed"]], [4, 1, 4].map(Value::from).each_ref());
    assert_eq!(receipt["misses"].as_array().unwrap().len(), 3, "{receipt}");
    assert_eq!((&receipt["misses"][0]["count"], &receipt["upstream_sockets"]), (&2.into(), &0.into()));
    assert!(receipt["misses"][0]["report"].as_str().unwrap().contains("POST /notes#hello"), "{receipt}");
    assert_eq!(receipt["answered"][0]["count"], 1, "{receipt}");
    assert_eq!(receipt["exhausted"], json!(["shop: GET /once#it"]));
    assert_eq!(receipt["unused"].as_array().unwrap().len(), 2);
    for text in [run.text(0), run.said.clone(), run.text(3)] {
        for part in ["/nowhere", "GET /list#page", "GET /once#it", &receipt["served_blake3"].as_str().unwrap()[..16]] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    assert!(!run.text(2).contains("<script") && !run.text(3).contains("<script"));
    assert_eq!(retake.run(&["replay", "shop", "--report", "pdf=x"]).code, 2);
}

#[test]
fn the_same_settings_have_the_same_hash_and_limits_decide() {
    let retake = Retake::new();
    collection(&retake);
    let calls = ["/plain", "/list?page=1&size=2", "/once", r#"{"text":"hello"}"#, "/idle"];
    let hash = |run: &Run| serde_json::from_str::<Value>(&run.text(1)).unwrap()["settings_blake3"].clone();
    let all = run(&retake, &calls, &["--fail-unused"]);
    assert_eq!(all.code, 0, "{}", all.said);
    let one = hash(&all);
    let same = run(&retake, &["/plain"], &["--fail-unused"]);
    assert_eq!((same.code, hash(&same)), (3, one.clone()), "unused");
    assert!(same.text(2).contains("type=\"unused\""));
    let other = run(&retake, &["/plain", "/list?page=1&size=2&x=2"], &["--max-inexact", "0", "--cursor", "port"]);
    assert_eq!(other.code, 3);
    assert_ne!(hash(&other), one);
    assert!(other.text(2).contains("1 answer differed from what was asked for"), "{}", other.text(2));
    assert_eq!(run(&retake, &["/plain"], &["--max-inexact", "0"]).code, 0);
}

#[test]
fn whatever_of_a_collection_decides_answers_is_in_the_hash_of_the_files() {
    let retake = Retake::new();
    collection(&retake);
    let mut seen: Vec<Value> = Vec::new();
    let mut hash = |changed: &str| {
        let made = run(&retake, &[], &[]);
        let hash = serde_json::from_str::<Value>(&made.text(1)).unwrap()["served_blake3"].clone();
        assert!(!seen.contains(&hash), "{changed} is in the hash");
        seen.push(hash.clone());
        hash
    };
    let first = hash("nothing");
    let again = serde_json::from_str::<Value>(&run(&retake, &["/plain"], &[]).text(1)).unwrap();
    assert_eq!(again["served_blake3"], first, "what is called does not count");
    retake.ok(&["mock", "set", "shop", "delay=1ms"]);
    hash("a delay");
    retake.ok(&["mock", "set", "shop", "on-miss=pass"]);
    hash("what becomes of misses");
    retake.ok(&["mock", "server-stub", "add", "shop", "down"]);
    hash("a server stub");
    retake.ok(&["mock", "activate", "shop", "down"]);
    hash("that it is active");
    let manifest = retake.work().join("mocks/shop/collection.json");
    let mut content: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    content["rules"] = json!([{ "place": "query", "name": "page", "action": "ignore" }]);
    std::fs::write(&manifest, content.to_string()).unwrap();
    hash("a rule");
    content["variables"] = json!({ "who": "me" });
    std::fs::write(&manifest, content.to_string()).unwrap();
    hash("a variable");
}

#[test]
fn a_run_that_fails_says_why_also_when_quiet_and_its_reports_can_be_written() {
    let retake = Retake::new();
    collection(&retake);
    for (args, why) in [(&["-q"][..], "no call reached the mock"), (&[], "a run that served nothing is no pass")] {
        let ran = retake.run(&[&["replay", "shop"], args, &["--", "true"]].concat());
        assert!(ran.code == 3 && ran.stderr.contains(why), "{ran}");
    }
    let other = retake.run(&["replay", "shop", "-q", "--", "sh", "-c", "exit 7"]);
    assert!(other.code == 7 && other.stderr.is_empty(), "the command's own code is no matter of ours: {other}");
    let unused = run(&retake, &["/plain", "/list?page=1&size=2&x=2"], &["-q", "--fail-unused", "--max-inexact", "0"]);
    assert!(unused.said.contains("1 answer differed") && unused.said.contains("3 scenarios answered no call"));
    assert!(unused.text(3).contains("3 scenarios answered no call"), "{}", unused.text(3));
    let began = retake.work().join("began");
    let nowhere = retake.work().join("nowhere/x.html");
    let report = format!("html={}", nowhere.display());
    let touch = ["touch", began.to_str().unwrap()];
    let ran = retake.run(&[&["replay", "shop", "--report", &report, "--"][..], &touch].concat());
    assert!(ran.code == 2 && ran.stderr.contains("cannot be written") && !began.exists(), "{ran}");
}

#[test]
fn an_active_server_stub_is_told_of() {
    let retake = Retake::new();
    collection(&retake);
    retake.ok(&["mock", "server-stub", "add", "shop", "down"]);
    assert!(!retake.run(&["mock", "check", "shop"]).stderr.contains("active"));
    retake.ok(&["mock", "activate", "shop", "down"]);
    for args in [
        &["mock", "check", "shop"][..],
        &["mock", "test", "shop"],
        &["explain", "shop", "GET", "https://api.test/plain"],
    ] {
        let ran = retake.run(args);
        assert!(ran.stderr.contains("the server stub `down` is active"), "{args:?}: {ran}");
    }
    let told = retake.json(&["explain", "shop", "GET", "https://api.test/plain", "--json"]).remove(0);
    assert_eq!((&told["server_stub"], &told["answer"]["exact"]), (&"down".into(), &true.into()), "{told}");
    let run = run(&retake, &["/plain", "/plain"], &[]);
    assert!(run.said.contains("shop: server stub down is active: it answers every call, whatever was recorded"));
    let receipt: Value = serde_json::from_str(&run.text(1)).unwrap();
    assert_eq!((&receipt["server_stub"], &receipt["by_server_stub"]), (&"shop: server stub down".into(), &2.into()));
    assert!(run.text(0).contains("2 answered by a server stub"), "{}", run.text(0));
    assert!(run.text(3).contains("2 calls were answered by a server stub"), "{}", run.text(3));
}

#[test]
fn what_ends_a_server_stub_can_be_pasted() {
    let retake = Retake::new();
    collection(&retake);
    std::fs::create_dir(retake.work().join("the proj")).unwrap();
    std::fs::rename(retake.work().join("mocks/shop"), retake.work().join("the proj/my shop")).unwrap();
    let given = "the proj/my shop";
    let added = retake.run(&["mock", "server-stub", "add", given, "quite down"]);
    let hint = "`retake mock activate 'the proj/my shop' 'quite down'`";
    assert!(added.code == 0 && added.stderr.contains(hint), "{added}");
    retake.ok(&["mock", "activate", given, "quite down"]);
    let hint = "(`retake mock activate 'the proj/my shop' none` ends that)";
    for args in [
        &["mock", "check", given][..],
        &["mock", "test", given],
        &["explain", given, "GET", "https://api.test/plain"],
        &["replay", given, "--", "true"],
    ] {
        let ran = retake.run(args);
        assert!(ran.stderr.contains(hint), "{args:?}: {ran}");
    }
}

fn python(script: &str, args: &[&Path]) -> String {
    let output = Command::new("python3").arg("-c").arg(script).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn junit_holds_to_the_schema_of_jenkins() {
    let schema = std::env::var_os("TEST_JUNIT_XSD").map(PathBuf::from).filter(|path| path.is_file());
    let (Some(schema), true) = (schema, clients::runs(&["python3", "-c", "import lxml"])) else {
        return skip("the schema of JUnit", "set TEST_JUNIT_XSD to junit-10.xsd, and install lxml for Python");
    };
    let retake = Retake::new();
    let first = retake.work().join("first.xml");
    std::fs::rename(&everything(&retake).files[2], &first).unwrap();
    let second = run(&retake, &[], &["--fail-unused", "--max-inexact", "0"]).files[2].clone();
    let script = "import sys\nfrom lxml import etree\nschema = etree.XMLSchema(etree.parse(sys.argv[1]))\n\
                  for path in sys.argv[2:]: schema.assertValid(etree.parse(path))\nbad = etree.fromstring('<testsuites><x/></testsuites>')\n\
                  assert not schema.validate(bad)";
    python(script, &[&schema, &first, &second]);
}

#[test]
fn junit_loads_in_a_reader() {
    if !clients::runs(&["python3", "-c", "import junitparser"]) {
        return skip("junitparser", "not installed");
    }
    let retake = Retake::new();
    let file = everything(&retake).files[2].clone();
    let script = "import sys\nfrom junitparser import JUnitXml, Failure, Skipped\nxml = JUnitXml.fromfile(sys.argv[1])\n\
                  cases = [case for suite in xml for case in suite]\n\
                  of = lambda kind: [case for case in cases if any(isinstance(it, kind) for it in case.result)]\n\
                  print(len(cases), len(of(Failure)), len(of(Skipped)))\n\
                  print(xml.failures, [it.text for case in of(Failure) for it in case.result if 'POST' in case.name][0])";
    let read = python(script, &[&file]);
    assert!(read.starts_with("8 3 2\n3 "), "{read}");
    assert!(read.contains("POST /notes#hello"), "{read}");
}

#[test]
fn browser_shows_the_page_and_nothing_of_it_acts() {
    let retake = Retake::new();
    let page = everything(&retake).files[3].clone();
    let Some(opened) = browser::open(&page) else { return };
    assert_eq!((opened.console, opened.requests), (Vec::<String>::new(), Vec::<String>::new()));
    assert!(opened.dom.contains("<title>retake replay shop</title>"), "{}", opened.dom);
    assert!(opened.dom.contains("&lt;script&gt;document.title"), "{}", opened.dom);
    assert!(!opened.dom.contains("<script") && !opened.dom.contains("<img"));
    // The browser does tell of a page that acts.
    let acting = retake.work().join("acting.html");
    let text = format!("<!doctype html><title>x</title>{HOSTILE}<script>console.error('here')</script>");
    std::fs::write(&acting, text).unwrap();
    let opened = browser::open(&acting).unwrap();
    assert!(opened.dom.contains("<title>owned</title>") && !opened.console.is_empty(), "{}", opened.dom);
    assert!(opened.requests.iter().any(|line| line.contains("leak.test")), "{:?}", opened.requests);
}
