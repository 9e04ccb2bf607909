//! The gallery of `docs/misses.md`: real ways to miss, each with the report as printed.
//!
//! The document is the snapshot. `RETAKE_WRITE_DOCS=1 cargo test --test it gallery` writes it anew.

mod bodies;
mod case;
mod cure;
mod forgiven;
mod page;
mod places;
mod queries;
mod standing;

use std::fmt::Write;

use case::Case;
use serde_json::json;

use crate::harness::Retake;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/misses.md");
/// What the tests write stands between these lines of the document.
const BEGIN: &str = "<!-- the gallery: written by a test, see above -->\n";
const END: &str = "<!-- the end of the gallery -->\n";

fn chapters() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("Another place", places::cases()),
        ("Another query or header", queries::cases()),
        ("Another body", bodies::cases()),
        ("The right call, and no answer", standing::cases()),
    ]
}

/// The report of a miss, as a person at a terminal gets it.
fn report(case: &Case, retake: &Retake) -> String {
    let server = case.replay(retake);
    let answer = case.call.send(&server);
    assert_eq!(answer.status(), 501, "{}: {}", case.title, answer.text());
    let id = answer.field("x-retake-miss").unwrap().to_owned();
    let (run, number) = id.rsplit_once(':').unwrap();
    server.stop();
    // HEAD has no body; the call log has the report of every miss.
    let told = retake.ok(&["calls", "show", number]);
    let report = told.split_once("\n\n").unwrap().1;
    let report = report.split("\nrequest:\n").next().unwrap();
    settled(&report.trim_end().replace(run, "20261128-091500-4711"))
}

/// Placeholders of secrets are made with the key of the run; here they are all one.
fn settled(report: &str) -> String {
    let placeholders = regex::Regex::new(r"retake-[a-z]+-[a-z2-7]{10}|Basic [A-Za-z0-9+/=]{20,}").unwrap();
    let one = |found: &regex::Captures<'_>| match found[0].strip_prefix("Basic ") {
        Some(_) => "Basic cmV0YWtlLWJhc2lj…".to_owned(),
        None => format!("{}…", &found[0][..found[0].len() - 10]),
    };
    placeholders.replace_all(report, one).into_owned()
}

/// The generated part of the document.
fn gallery() -> String {
    let retake = Retake::new();
    let mut out = String::new();
    let mut number = 0;
    for (title, cases) in chapters() {
        let _ = write!(out, "\n## {title}\n");
        for case in cases {
            number += 1;
            let report = report(&case, &retake);
            let _ = write!(out, "\n### {number}. {}\n\n{}\n\n```text\n{report}\n```\n", case.title, case.told);
        }
    }
    out.push_str("\n## No miss here, and why\n\n| what differs | is | because |\n|---|---|---|\n");
    for it in forgiven::all() {
        let _ = writeln!(out, "| {} | {} | {} |", it.what, if it.inexact { "inexact" } else { "exact" }, it.why);
    }
    out.push('\n');
    out
}

#[test]
fn the_document_shows_each_report_as_printed() {
    let text = std::fs::read_to_string(DOCUMENT).unwrap();
    let (head, rest) = text.split_once(BEGIN).expect("the document says where the gallery begins");
    let (shown, tail) = rest.split_once(END).expect("the document says where the gallery ends");
    let made = gallery();
    let count = made.lines().filter(|line| line.starts_with("### ")).count();
    assert!(count >= 25, "{count} ways to miss");
    if std::env::var_os("RETAKE_WRITE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(DOCUMENT, format!("{head}{BEGIN}{made}{END}{tail}")).unwrap();
        return;
    }
    let sections = |text: &str| -> Vec<String> { text.split("\n### ").map(str::to_owned).collect() };
    for (shown, made) in sections(shown).iter().zip(sections(&made)) {
        assert_eq!(
            *shown, made,
            "docs/misses.md is stale: `RETAKE_WRITE_DOCS=1 cargo test --test it gallery` renews it"
        );
    }
    assert!(shown == made, "docs/misses.md is stale: `RETAKE_WRITE_DOCS=1 cargo test --test it gallery` renews it");
}

#[test]
fn what_is_no_miss_is_answered() {
    let retake = Retake::new();
    let all = forgiven::all();
    let stubs: Vec<_> = all.iter().map(|it| it.stub.clone()).collect();
    let case = Case::new("", "", stubs, all[0].call.clone());
    let server = case.replay(&retake);
    for it in all {
        let answer = it.call.send(&server);
        assert_eq!(answer.status(), 200, "{}: {}", it.what, answer.text());
        assert_eq!(answer.field("x-retake-inexact").is_some(), it.inexact, "{}", it.what);
        let name = it.stub["scenarios"][0]["name"].as_str().unwrap();
        assert!(it.call.method == "HEAD" || answer.text() == name, "{}: {}", it.what, answer.text());
    }
    // A server stub that is active answers every call, those that would miss too.
    let mut case = Case::new("", "", [], case::call("GET", "/nothing"));
    case.collection["server_stubs"] =
        json!([{ "name": "maintenance", "status": 503, "body": { "text": "back soon" }, "active": true }]);
    let server = case.replay(&retake);
    let answer = case.call.send(&server);
    assert_eq!((answer.status(), answer.text()), (503, "back soon".into()));
    assert!(answer.field("x-retake-miss").is_none());
}
