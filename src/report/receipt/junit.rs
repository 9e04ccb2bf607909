//! The receipt as JUnit XML: what CI servers read.

use std::collections::HashMap;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Failure, FailureKind, InexactGroup, Limits, Receipt};
use crate::report::terminal::clean_lines;

pub(super) fn of(receipt: &Receipt, limits: &Limits) -> String {
    let name = format!("retake replay {}", receipt.collections.join(" "));
    let mut suite = TestSuite::new(text(&name));
    for (name, value) in [
        ("run", receipt.run.as_deref().unwrap_or_default()),
        ("profile", receipt.profile.as_str()),
        ("served_blake3", receipt.served_blake3.as_str()),
        ("settings_blake3", receipt.settings_blake3.as_str()),
        ("upstream_sockets", &receipt.upstream_sockets.to_string()),
        ("by_server_stub", &receipt.by_server_stub.to_string()),
    ] {
        suite.add_property(Property::new(name, text(value)));
    }
    let failures = receipt.failures(limits);
    suite.add_test_cases(run(&failures, limits));
    suite.add_test_cases(misses(receipt));
    suite.add_test_cases(scenarios(receipt, of_kind(&failures, FailureKind::Unused).is_some()));
    let mut report = Report::new(text(&name));
    report.add_test_suite(suite);
    // What is written is text in memory, and names are ours.
    let xml = report.to_string().unwrap_or_default();
    // Jenkins's schema knows this count of suites, not of the root, where it comes first.
    let skipped = xml.find(" skipped=\"").and_then(|at| Some(at..at + 10 + xml[at + 10..].find('"')? + 1));
    skipped.map_or_else(|| xml.clone(), |range| [&xml[..range.start], &xml[range.end..]].concat())
}

fn text(text: &str) -> String {
    clean_lines(text).into_owned()
}

fn case(class: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(text(name), status);
    case.set_classname(text(class)).set_time(std::time::Duration::ZERO);
    case
}

fn failure(kind: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(kind).set_message(text(message));
    status
}

/// What is wrong with the run as a whole. Misses and unused scenarios have tests of their own.
fn run(failures: &[Failure], limits: &Limits) -> Vec<TestCase> {
    let mut cases = Vec::new();
    if let Some(nothing) = of_kind(failures, FailureKind::NothingServed) {
        cases.push(case("retake", "calls are served", failure("nothing served", &nothing.sentence)));
    }
    if limits.max_inexact.is_some() {
        let status = match of_kind(failures, FailureKind::Inexact) {
            Some(inexact) => failure("inexact", &inexact.sentence),
            None => TestCaseStatus::success(),
        };
        cases.push(case("retake", "inexact answers are few enough", status));
    }
    cases
}

fn of_kind(failures: &[Failure], kind: FailureKind) -> Option<&Failure> {
    failures.iter().find(|failure| failure.kind == kind)
}

fn misses(receipt: &Receipt) -> impl Iterator<Item = TestCase> {
    receipt.misses.iter().map(|miss| {
        let times = if miss.count == 1 { String::new() } else { format!(" ({} calls)", miss.count) };
        let mut status = failure("miss", &format!("{}{times}", miss.reason));
        if let Some(report) = &miss.report {
            status.set_description(text(report));
        }
        case("misses", &format!("{}: {}", miss.endpoint, miss.reason), status)
    })
}

fn scenarios(receipt: &Receipt, all_must_answer: bool) -> Vec<TestCase> {
    let mut inexact: HashMap<&str, Vec<&InexactGroup>> = HashMap::new();
    receipt.inexact_hits.iter().for_each(|group| inexact.entry(&group.scenario).or_default().push(group));
    let mut cases = Vec::new();
    for answered in &receipt.answered {
        let mut case = scenario(&answered.scenario, TestCaseStatus::success());
        let groups = inexact.get(answered.scenario.as_str()).into_iter().flatten();
        let lines = groups.map(|group| format!("{} × inexact: {}\n", group.count, group.differences.join("; ")));
        let mut said: String = lines.collect();
        if receipt.exhausted.contains(&answered.scenario) {
            said.push_str("more was asked of this sequence than was recorded\n");
        }
        if !said.is_empty() {
            case.set_system_out(text(&said));
        }
        cases.push(case);
    }
    for unused in &receipt.unused {
        let message = "no call asked for this scenario";
        let status = match all_must_answer {
            true => failure("unused", message),
            false => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(message);
                status
            }
        };
        cases.push(scenario(unused, status));
    }
    cases
}

/// `github: GET /zen#ok` is the test `GET /zen#ok` of the class `github`.
fn scenario(label: &str, status: TestCaseStatus) -> TestCase {
    let (collection, name) = label.split_once(": ").unwrap_or(("scenarios", label));
    case(collection, name, status)
}
