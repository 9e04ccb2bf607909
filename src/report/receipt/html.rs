//! The receipt as a page.

use std::fmt::Write;

use super::{Limits, MissGroup, Receipt};
use crate::report::page::{page, text};

/// Lines of a list in the page; JSON has them all.
const LINES: usize = 1_000;

pub(super) fn of(receipt: &Receipt, limits: &Limits) -> String {
    let title = format!("retake replay {}", receipt.collections.join(", "));
    let mut out = String::new();
    let (class, word) = if receipt.passes(limits) { ("good", "passed") } else { ("bad", "failed") };
    let _ = writeln!(out, "<h1>{} <span class=\"{class}\">{word}</span></h1>", text(&title));
    let run = receipt.run.as_ref().map(|run| format!("run {}, ", text(run))).unwrap_or_default();
    let _ = writeln!(out, "<p class=\"dim\">{run}profile {}</p>", text(&receipt.profile));
    for failure in receipt.failures(limits) {
        let _ = writeln!(out, "<p>Failed: {}</p>", text(&failure.sentence));
    }
    cards(&mut out, receipt, limits);
    misses(&mut out, "Misses", &receipt.misses);
    misses(&mut out, "Passed on to their origins", &receipt.passed_on);
    table(
        &mut out,
        "Inexact answers",
        ["calls", "scenario", "differences", "first call"],
        &receipt.inexact_hits,
        |hit| {
            let differences: Vec<String> = hit.differences.iter().map(|difference| text(difference)).collect();
            ([hit.count.to_string(), text(&hit.scenario), differences.join("<br>"), hit.first_call.to_string()], None)
        },
    );
    let names = |name: &String| ([String::new(), text(name), String::new(), String::new()], None);
    table(&mut out, "Asked for more than was recorded", ["", "sequence", "", ""], &receipt.exhausted, names);
    table(&mut out, "Unused scenarios", ["", "scenario", "", ""], &receipt.unused, names);
    table(&mut out, "Answers", ["calls", "scenario", "", ""], &receipt.answered, |answered| {
        ([answered.count.to_string(), text(&answered.scenario), String::new(), String::new()], None)
    });
    notes(&mut out, receipt);
    page(&title, &out)
}

fn cards(out: &mut String, receipt: &Receipt, limits: &Limits) {
    let too_many = limits.max_inexact.is_some_and(|max| receipt.inexact > max);
    let unused = receipt.unused.len() as u64;
    let bad_if = |is_bad: bool| if is_bad { "bad" } else { "" };
    let cards = [
        ("served", receipt.served, bad_if(receipt.served == 0)),
        ("missed", receipt.missed, bad_if(receipt.missed > 0)),
        (
            "inexact",
            receipt.inexact,
            if too_many {
                "bad"
            } else if receipt.inexact > 0 {
                "warn"
            } else {
                ""
            },
        ),
        ("unused", unused, bad_if(limits.fail_unused && unused > 0)),
        ("passed on", receipt.passed, ""),
        ("upstream sockets", receipt.upstream_sockets, if receipt.upstream_sockets > 0 { "warn" } else { "" }),
    ];
    out.push_str("<ul class=\"cards\">\n");
    for (name, number, class) in cards {
        let _ = writeln!(out, "<li class=\"{class}\"><b>{number}</b>{name}</li>");
    }
    out.push_str("</ul>\n");
}

fn misses(out: &mut String, title: &str, groups: &[MissGroup]) {
    table(out, title, ["calls", "endpoint", "why", "first call"], groups, |miss| {
        let report = miss.report.as_ref().map(|report| {
            format!("<details open><summary>report</summary><pre>{}</pre></details>", text(report.trim_end()))
        });
        ([miss.count.to_string(), text(&miss.endpoint), text(&miss.reason), miss.first_call.to_string()], report)
    });
}

/// Cells of HTML, and what stands below them over the whole width.
type Row = ([String; 4], Option<String>);

/// A table of these rows; columns without a heading are left out.
fn table<T>(out: &mut String, title: &str, heads: [&str; 4], rows: &[T], cells: impl Fn(&T) -> Row) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "<h2>{title} <span class=\"dim\">{}</span></h2>\n<table>\n<tr>", rows.len());
    let shown = |at: &usize| !heads[*at].is_empty();
    for at in (0..4).filter(shown) {
        let _ = write!(out, "<th>{}</th>", heads[at]);
    }
    out.push_str("</tr>\n");
    for row in rows.iter().take(LINES) {
        let (cells, more) = cells(row);
        out.push_str(if more.is_some() { "<tr class=\"has\">" } else { "<tr>" });
        for at in (0..4).filter(shown) {
            let class = if heads[at].ends_with("call") || heads[at] == "calls" { " class=\"n\"" } else { "" };
            let _ = write!(out, "<td{class}>{}</td>", cells[at]);
        }
        out.push_str("</tr>\n");
        if let Some(more) = more {
            let _ = writeln!(out, "<tr class=\"more\"><td colspan=\"4\">{more}</td></tr>");
        }
    }
    out.push_str("</table>\n");
    if rows.len() > LINES {
        let _ = writeln!(out, "<p class=\"dim\">… and {} more</p>", rows.len() - LINES);
    }
}

fn notes(out: &mut String, receipt: &Receipt) {
    out.push_str("<h2>What was served</h2>\n");
    if receipt.groups_left_out > 0 {
        let _ = writeln!(out, "<p>{} calls are not listed: too many kinds</p>", receipt.groups_left_out);
    }
    if receipt.edits > 0 {
        let _ = writeln!(out, "<p>The files changed {} times while they were served.</p>", receipt.edits);
    }
    if receipt.by_server_stub > 0 {
        let stub = receipt.server_stub.as_ref().map(|stub| format!(" <code>{}</code> is active.", text(stub)));
        let words = "calls were answered by a server stub, and compared with nothing";
        let _ = writeln!(out, "<p>{} {words}.{}</p>", receipt.by_server_stub, stub.unwrap_or_default());
    }
    for (name, hash) in [("files", &receipt.served_blake3), ("settings", &receipt.settings_blake3)] {
        let _ = writeln!(out, "<p>{name}: <code>blake3 {}</code></p>", text(hash));
    }
}
