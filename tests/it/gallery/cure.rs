//! The first fix of each report is made: the call is answered then, and every other scenario answers its own request.

use serde_json::{Value, json};

use super::case::{Case, call, scenario, stub};
use super::chapters;
use crate::harness::{Origin, Retake, Server, clients, eventually, skip};

#[test]
fn the_first_fix_of_each_miss_cures_it_and_breaks_no_other() {
    let retake = Retake::new();
    let (mut uncured, mut reports) = (Vec::new(), Vec::new());
    for (_, cases) in chapters() {
        for case in cases {
            if let Err(why) = cure(&case, &retake, &mut reports) {
                uncured.push(format!("{}: {why}", case.title));
            }
        }
    }
    assert!(uncured.is_empty(), "{}", uncured.join("\n\n"));
    hold_to_the_schema(&retake, &reports);
}

/// Every report is as the published schema says, and one that lacks something is not.
fn hold_to_the_schema(retake: &Retake, reports: &[Value]) {
    if !clients::runs(&["python3", "-c", "import jsonschema"]) {
        return skip("the schema of misses", "install jsonschema for Python");
    }
    let file = retake.root().join("reports.json");
    std::fs::write(&file, json!(reports).to_string()).unwrap();
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema/miss.schema.json");
    let script = "import json, sys, jsonschema\nschema = json.load(open(sys.argv[1]))\n\
                  check = jsonschema.Draft202012Validator(schema)\ncheck.check_schema(schema)\n\
                  reports = json.load(open(sys.argv[2]))\nfor report in reports: check.validate(report)\n\
                  lacking = dict(reports[0]); del lacking['reason']\nassert not check.is_valid(lacking)\n\
                  wrong = dict(reports[0], fixes=[{'number': 'one'}])\nassert not check.is_valid(wrong)\nprint(len(reports))";
    let output = std::process::Command::new("python3").args(["-c", script, schema]).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), reports.len().to_string());
    assert!(reports.len() >= 25);
}

fn cure(case: &Case, retake: &Retake, reports: &mut Vec<Value>) -> Result<(), String> {
    let server = case.replay(retake);
    let own = own_requests(retake);
    let scenarios = case.stubs.iter().flat_map(|stub| stub["scenarios"].as_array()).flatten();
    let enabled = scenarios.filter(|scenario| scenario["disabled"] != true).count();
    assert!(own.len() >= enabled, "{}: {} of {enabled} scenarios were tested", case.title, own.len());
    let missed = case.call.send(&server);
    assert_eq!(missed.status(), 501, "{}", case.title);
    let id = missed.field("x-retake-miss").unwrap().to_owned();
    let report = eventually("the miss is logged", || {
        let told = retake.run(&["diff", &id, "--json"]);
        (told.code == 0).then(|| serde_json::from_str::<Value>(&told.stdout).unwrap())
    });
    let fix = report["fixes"][0].clone();
    reports.push(report);
    let command = fix["command"].as_str().ok_or("no fix")?.to_owned();
    let is_change = fix.get("change").is_some();
    if command.contains("--on-miss record") {
        // Of what there is no answer to copy: `recording_is_a_fix_that_works`.
        let unknown = ["An endpoint that was never recorded", "An endpoint without a scenario"];
        return if unknown.contains(&case.title) { Ok(()) } else { Err(format!("only recording: {fix:#}")) };
    }
    let command = if is_change { format!("{command} --accept") } else { command };
    run(retake, &command)?;
    let answered = answers(case, &server, if is_change { &[200] } else { &[200, 503] });
    answered.map_err(|text| format!("`{command}`: {fix:#}\n{text}"))?;
    let after = own_requests(retake);
    for it in own {
        if !after.contains(&it) {
            return Err(format!("`{command}`: {fix:#}\nbreaks {it}"));
        }
    }
    Ok(())
}

#[test]
fn recording_is_a_fix_that_works() {
    let (retake, origin) = (Retake::new(), Origin::plain());
    let url = format!("http://{}", origin.address);
    let case =
        Case::new("", "", [stub("GET", "/orders", [scenario("all", json!({}))])], call("GET", &format!("{url}/odd")));
    let case = case.at(&url);
    let server = case.replay(&retake);
    let missed = case.call.send(&server);
    assert_eq!(missed.status(), 501);
    server.stop();
    let report = retake.json(&["diff", "last", "--json"]).remove(0);
    let fix = report["fixes"].as_array().unwrap().iter().find(|fix| fix["title"].as_str().unwrap().contains("record"));
    let command = fix.unwrap()["command"].as_str().unwrap().strip_prefix("retake ").unwrap();
    let mut args: Vec<&str> = command.split(' ').collect();
    args.extend(["--json", "--listen", "127.0.0.1:0"]);
    let server = retake.start(&args);
    let live = case.call.send(&server);
    assert_eq!(live.status(), 200, "{}", live.text());
    server.stop();
    let promote = fix.unwrap()["title"].as_str().unwrap().split('`').nth(1).unwrap();
    run(&retake, promote).unwrap();
    let server = retake.replay(&["shop"]);
    let answer = case.call.send(&server);
    assert_eq!((answer.status(), &answer.body), (200, &live.body), "{}", answer.text());
    assert!(answer.field("x-retake-inexact").is_none());
}

#[test]
fn an_answer_by_hand_can_be_pasted() {
    let retake = Retake::new();
    let known = || [stub("GET", "/orders", [scenario("all", json!({}))])];
    let mut cases: Vec<Case> = chapters().into_iter().flat_map(|(_, cases)| cases).collect();
    // Bodies: one that a command can hold, and one that it cannot.
    for body in [json!({ "note": "it's\ntwo lines" }), json!({ "note": "x".repeat(5000) })] {
        cases.push(Case::new("a body", "", known(), call("POST", "/notes").json(body)));
    }
    for body in ["two\nlines", "a\ttab", "it's 'quoted'", &"'".repeat(300)] {
        cases.push(Case::new("a text", "", known(), call("POST", "/notes").body("text/plain", body)));
    }
    let pairs: Vec<String> = (0..13).map(|number| format!("p{number}={number}")).collect();
    for query in [pairs.join("&"), "?a=1".into(), "-a=1&b".into(), "a=it's".into()] {
        cases.push(Case::new("a query", "", known(), call("GET", &format!("/notes?{query}"))));
    }
    let mut pasted = 0;
    for case in cases {
        let server = case.replay(&retake);
        case.call.send(&server);
        let log = logged(&retake);
        if let Some(command) = command_of(&log, |fix| fix["title"].as_str().unwrap().contains("by hand")) {
            let shown = retake.run(&["diff", "last"]).stdout;
            let mut lines = shown.lines().skip_while(|line| !(line.starts_with("fix ") && line.contains("by hand")));
            assert_eq!(lines.nth(1).map(str::trim_start), Some(&*command), "as it is shown");
            run(&retake, &command).unwrap();
            answers(&case, &server, &[200]).unwrap_or_else(|text| panic!("{}: `{command}`: {text}", case.title));
            pasted += 1;
        }
        server.stop();
        // What `explain` says, of the collection as it was.
        if case.call.body.is_empty() && case.call.fields.is_empty() {
            case.write(&retake);
            let told = retake.run(&["explain", "shop", case.call.method, &case.call.url, "--json"]);
            let told: Value = serde_json::from_str(&told.stdout).unwrap();
            let is_command = |fix: &Value| fix["command"].as_str().unwrap().starts_with("retake mock ");
            if let Some(command) = command_of(&told["miss"], is_command) {
                run(&retake, &command).unwrap_or_else(|error| panic!("{}: {error}", case.title));
                pasted += 1;
            }
        }
    }
    assert!(pasted > 20, "{pasted}");
}

/// The report of the last miss, once the log has it.
fn logged(retake: &Retake) -> Value {
    eventually("the miss is logged", || {
        let told = retake.run(&["diff", "last", "--json"]);
        (told.code == 0).then(|| serde_json::from_str::<Value>(&told.stdout).unwrap())
    })
}

fn command_of(report: &Value, is_meant: impl Fn(&Value) -> bool) -> Option<String> {
    let fix = report["fixes"].as_array()?.iter().find(|fix| is_meant(fix))?;
    fix["command"].as_str().map(str::to_owned)
}

#[test]
fn a_collection_that_was_given_by_its_path_is_named_so_in_fixes() {
    let retake = Retake::new();
    let case = Case::new("", "", [stub("GET", "/orders", [scenario("all", json!({}))])], call("GET", "/users"));
    case.write(&retake);
    std::fs::create_dir(retake.work().join("the proj")).unwrap();
    std::fs::rename(retake.work().join("mocks/shop"), retake.work().join("the proj/my shop")).unwrap();
    let server = retake.replay(&["the proj/my shop"]);
    let missed = case.call.send(&server).text();
    for command in
        ["\n       retake replay 'the proj/my shop' --on-miss record", "promote --misses --into 'the proj/my shop'`"]
    {
        assert!(missed.contains(command), "{missed}");
    }
    let report = logged(&retake);
    let by_hand = command_of(&report, |fix| fix["title"].as_str().unwrap().contains("by hand")).unwrap();
    run(&retake, &by_hand).unwrap();
    answers(&case, &server, &[200]).unwrap();
    server.stop();
}

/// Runs a command as it would be pasted.
fn run(retake: &Retake, command: &str) -> Result<(), String> {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_retake"));
    let mut shell = std::process::Command::new("sh");
    retake.furnish(&mut shell);
    let path = std::env::var("PATH").unwrap_or_default();
    shell.env("PATH", format!("{}:{path}", binary.parent().unwrap().display()));
    let output = shell.args(["-c", command]).output().unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "`{command}`: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// Makes the call until the changed files are served; the last answer if that never comes.
fn answers(case: &Case, server: &Server, wanted: &[u16]) -> Result<(), String> {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let answer = case.call.send(server);
        if wanted.contains(&answer.status()) && answer.field("x-retake-miss").is_none() {
            return Ok(());
        }
        if std::time::Instant::now() > deadline {
            return Err(answer.text());
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// What `mock test` says of each scenario.
fn own_requests(retake: &Retake) -> Vec<Value> {
    let told = retake.run(&["mock", "test", "shop", "--json"]);
    told.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
